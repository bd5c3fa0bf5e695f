"""Models of transformers whose every weight must be in the file: a random one would give a figure all the same."""

from typing import Any

import torch

from pipeline.pretrained import opening, quiet_transformers


def load(kind: str, processor: str, model: str, revision: str, dtype: str, device: str) -> tuple[Any, Any]:
    """A model in evaluation mode and its processor.

    Args:
        kind: class of transformers, for instance ``AutoModel``.
        processor: class of transformers.
        model: folder or Hugging Face id.
        revision: a folder's content digest, or the hub's commit.
        dtype: float32, bfloat16 or float16.
        device: a torch device.

    Raises:
        ModelError: it cannot be loaded, or the file lacks weights of that architecture.
    """
    quiet_transformers()
    import transformers

    with opening(model, revision) as (name, commit):
        loaded, told = getattr(transformers, kind).from_pretrained(
            name, revision=commit, dtype=getattr(torch, dtype), output_loading_info=True
        )
        lacking = sorted(told["missing_keys"])
        if lacking:
            raise ValueError(f"it has no weights for {len(lacking)} tensors of a {type(loaded).__name__}: {lacking[0]}")
        prepared = getattr(transformers, processor).from_pretrained(name, revision=commit)
    return loaded.to(device).eval(), prepared
