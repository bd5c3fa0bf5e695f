"""A LLaMA of random weights in bfloat16 as a folder, written block by block, so that writing needs little memory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # libraries are imported where they are used: a child's peak memory counts from its parent's size
    import torch

SPREAD = 0.02
"""Standard deviation of all weights, that of transformers' LLaMA."""
START, END, UNKNOWN = "<s>", "</s>", "<unk>"


def write(folder: Path, config: Any) -> None:
    """Weights, index and config.json in the hub's layout, a tokenizer of words beside them; same config, same bytes.

    Args:
        folder: where; may exist.
        config: a ``LlamaConfig`` whose heads all have keys of their own.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config.update({"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"})
    config.save_pretrained(folder)
    places, total = dict[str, str](), 0
    for number, part in enumerate(parts(config)):
        name = f"model-{number:05d}.safetensors"
        save_file(part, folder / name, {"format": "pt"})
        places |= dict.fromkeys(part, name)
        total += sum(weight.nbytes for weight in part.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    write_tokenizer(folder, config.vocab_size)


def parts(config: Any) -> Iterator[dict[str, "torch.Tensor"]]:
    """The weights block by block; embedding, norm and head last."""
    import torch

    width, inner, vocabulary = config.hidden_size, config.intermediate_size, config.vocab_size
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(max(vocabulary, inner, width) * width, generator=generator)  # drawing all would take minutes
    drawn = (drawn * SPREAD).bfloat16()

    def random(rows: int, columns: int) -> torch.Tensor:
        """The same numbers, begun at another place for each weight; after the last comes the first."""
        start = -int(torch.randint(len(drawn), (1,), generator=generator)) % len(drawn)
        end = start + rows * columns
        return torch.cat([drawn[start:end], drawn[: max(0, end - len(drawn))]]).reshape(rows, columns)

    for layer in range(config.num_hidden_layers):
        at = f"model.layers.{layer}"
        part = {f"{at}.self_attn.{name}_proj.weight": random(width, width) for name in "qkvo"}
        part |= {f"{at}.mlp.{name}_proj.weight": random(inner, width) for name in ("gate", "up")}
        part[f"{at}.mlp.down_proj.weight"] = random(width, inner)
        norms = ("input_layernorm", "post_attention_layernorm")
        yield part | {f"{at}.{name}.weight": torch.ones(width).bfloat16() for name in norms}
    ends = {"model.norm.weight": torch.ones(width).bfloat16()}
    yield ends | {name: random(vocabulary, width) for name in ("model.embed_tokens.weight", "lm_head.weight")}


def write_tokenizer(folder: Path, size: int) -> None:
    """One token for each of the words w0, w1, ..., none for any other; a start token first, as LLaMA's has."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(words(size, {UNKNOWN: 0, START: 1, END: 2}), unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=START, unk_token=UNKNOWN).save_pretrained(folder)


def words(size: int, special: dict[str, int]) -> dict[str, int]:
    """A vocabulary of that size: the words w0, w1, ...; special tokens keep their places."""
    places = {number: word for word, number in special.items()}
    return {places.get(number, f"w{number}"): number for number in range(size)}
