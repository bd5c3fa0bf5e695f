"""What an LLM made of the evaluation prompts, for the arm ``expanded`` (the paper's Fig. 2b): a file in prompts/."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import InputError
from pipeline.files import read_json
from pipeline.prompts import Prompt


def add(prompts: Sequence[Prompt], file: str | None) -> list[Prompt]:
    """The prompts, each with its LLM-expanded wording where the file has one.

    Args:
        prompts: all of ``sample.prompts``.
        file: ``sample.expanded``; None gives the prompts as they are.

    Raises:
        InputError: as :func:`read`.
    """
    if file is None:
        return list(prompts)
    texts = read(Path(file), {prompt.id for prompt in prompts})
    return [replace(prompt, expanded=texts.get(prompt.id)) for prompt in prompts]


def read(path: Path, known: Collection[str]) -> Mapping[str, str]:
    """Read a file of LLM-expanded prompts: a JSON object, prompt id -> text.

    Args:
        path: the file.
        known: ids of all prompts in use.

    Raises:
        InputError: the file is missing or no such object, an id comes twice or is no prompt's, or a text is empty. One
            line says where.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: see sample.expanded and docs/evaluation.md")
    texts = read_json(path, keys_once=True)
    if not isinstance(texts, dict):
        raise InputError(f"{path} must be a JSON object, prompt id -> text: see docs/evaluation.md")
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{path}: {name} has no text: leave it out, or write what the LLM made of the prompt")
    if unknown := [name for name in texts if name not in known]:
        raise InputError(f"{path}: {unknown[0]} is no prompt of sample.prompts (unknown ids: {len(unknown)})")
    return texts


def count_cut(texts: Sequence[str], model: str) -> int:
    """How many texts are longer than the text encoder reads (77 tokens): what is beyond is not drawn.

    Args:
        texts: at least one.
        model: the diffusion model; 0 for one of the hub, whose tokenizer is not asked for.
    """
    folder = Path(model).expanduser() / "tokenizer"
    if not folder.is_dir():
        return 0
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    return sum(len(read) > tokenizer.model_max_length for read in tokenizer(list(texts), verbose=False).input_ids)
