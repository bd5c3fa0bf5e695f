"""LLaMA-7B's shape on the CPU: random weights in bfloat16, loaded from safetensors and run, in less than 24 GB.

Writes a folder of 13.5 GB, a file a block so that writing needs little memory, then loads all 32 layers in a process of
its own and embeds some prompts with them. The folder is deleted afterwards.

    python -m bench.llama_7b <folder> [layers]
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # libraries are imported in the children alone: a child's peak counts from its parent's size
    import torch

ROOT = Path(__file__).parents[1]
TOKENIZER = ROOT / "miniature" / "models" / "llama-40"  # its 894 tokens are the first of 32,000
WIDTH, INNER, VOCABULARY, LAYERS = 4096, 11008, 32000, 32  # arXiv 2302.13971, Table 2
GOAL_GB = 24.0
PROMPTS = ["a red circle", "two blue stars on a white ground", "three green squares", "one person jumping over a star"]


def write(folder: Path, layers: int) -> None:
    """A folder as the hub's, but of random weights."""
    from pipeline.model_folders import write_revision
    from pipeline.pretrained import quiet_transformers

    quiet_transformers()
    from safetensors.torch import save_file
    from transformers import LlamaConfig

    folder.mkdir(parents=True)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=layers,
        num_attention_heads=32,
        architectures=["LlamaForCausalLM"],
        dtype="bfloat16",
    )
    config.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, folder / name)
    places, total = dict[str, str](), 0
    for number, part in enumerate(parts(layers)):
        name = f"model-{number:05d}.safetensors"
        save_file(part, folder / name, {"format": "pt"})
        places |= dict.fromkeys(part, name)
        total += sum(weight.nbytes for weight in part.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    write_revision(folder)


def parts(layers: int) -> Iterator[dict[str, "torch.Tensor"]]:
    """The weights block by block; embedding, norm and head last."""
    import torch

    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randn(VOCABULARY * WIDTH, generator=generator) * 0.02).bfloat16()  # drawing all would take minutes

    def random(rows: int, columns: int) -> torch.Tensor:
        """The same numbers, begun at another place for each weight."""
        start = int(torch.randint(len(drawn), (1,), generator=generator))
        return drawn.roll(start)[: rows * columns].reshape(rows, columns).clone()

    for layer in range(layers):
        at = f"model.layers.{layer}"
        part = {f"{at}.self_attn.{name}_proj.weight": random(WIDTH, WIDTH) for name in "qkvo"}
        part |= {f"{at}.mlp.{name}_proj.weight": random(INNER, WIDTH) for name in ("gate", "up")}
        part[f"{at}.mlp.down_proj.weight"] = random(WIDTH, INNER)
        norms = ("input_layernorm", "post_attention_layernorm")
        yield part | {f"{at}.{name}.weight": torch.ones(WIDTH).bfloat16() for name in norms}
    ends = {"model.norm.weight": torch.ones(WIDTH).bfloat16()}
    yield ends | {name: random(VOCABULARY, WIDTH) for name in ("model.embed_tokens.weight", "lm_head.weight")}


def embed(folder: Path, layers: int) -> None:
    """Load, embed and print the figures as JSON; the peak is the kernel's, mapped files with it."""
    import resource

    import psutil
    import torch

    from pipeline.layer_encoder import load_encoder
    from pipeline.llm import LlmParams
    from pipeline.params import load

    torch.set_num_threads(1)
    changes = {"model": str(folder), "revision": (folder / "REVISION").read_text().strip(), "dtype": "bfloat16"}
    config = load(LlmParams, "llm", ROOT / "params.yaml").model_copy(update=changes)
    started = time.perf_counter()
    encoder = load_encoder(config, range(1, layers + 1), device="cpu", batch=1)
    loaded = time.perf_counter()
    vectors = encoder.encode(PROMPTS)
    ended = time.perf_counter()
    if len(vectors) != layers or vectors[layers].shape != (len(PROMPTS), WIDTH):
        raise SystemExit(f"{len(vectors)} layers came back")
    own = psutil.Process().memory_full_info().uss
    figures = {
        "load_s": loaded - started,
        "s_a_prompt": (ended - loaded) / len(PROMPTS),
        "own_gb_at_the_end": own / 1e9,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }
    print(json.dumps(figures))


def step(*arguments: str) -> str:
    """What a step in a process of its own prints."""
    command = [sys.executable, "-m", "bench.llama_7b", "--step", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, stdout=-1, text=True
    )
    return done.stdout


def main(folder: Path, layers: int) -> None:
    """Write, load, run, delete; print the figures and keep those of the full depth."""
    try:
        step("write", str(folder), str(layers))
        figures = json.loads(step("embed", str(folder), str(layers)).splitlines()[-1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for key, value in figures.items():
        print(f"{key:20}{value:8.2f}")
    print(f"{'goal, peak_gb':20}{GOAL_GB:8.2f}")
    if layers == LAYERS:
        from bench import results

        print(results.save("llama_7b", {key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--step", "write", folder, layers]:
            write(Path(folder), int(layers))
        case ["--step", "embed", folder, layers]:
            embed(Path(folder), int(layers))
        case [folder]:
            main(Path(folder).resolve(), LAYERS)
        case [folder, layers]:
            main(Path(folder).resolve(), int(layers))
        case _:
            raise SystemExit("python -m bench.llama_7b <folder> [layers]")
