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
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH, LAYERS = 4096, 32  # arXiv 2302.13971, Table 2
GOAL_GB = 24.0
PROMPTS = ["w3 w14 w15", "w9 w26 w5 w35 w8 w97", "w9 w32 w38", "w4 w62 w64 w33 w83 w27"]
"""Of 3 to 6 words; the random model's tokenizer knows the words w0, w1, ..."""


def write(folder: Path, layers: int) -> None:
    """A folder as the hub's, but of random weights."""
    from bench.random_models import llama_folder
    from bench.scale.architectures import LLAMA, llama_config

    llama_folder(folder, llama_config(LLAMA["7B"]._replace(layers=layers)))


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
