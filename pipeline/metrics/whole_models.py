"""Models of transformers whose every weight must be in the file: a random one would give a figure all the same."""

from typing import Any

import torch

from pipeline.metrics.settings import ClipModel, DetectorJudge, VqaJudge
from pipeline.pretrained import opening, quiet_transformers


def load(kinds: tuple[str, str], config: ClipModel | VqaJudge | DetectorJudge, device: str) -> tuple[Any, Any]:
    """A model in evaluation mode and its processor.

    Args:
        kinds: classes of transformers, of the model and of its processor.
        config: model, revision and dtype.
        device: a torch device.

    Raises:
        ModelError: it cannot be loaded, or the file lacks weights of that architecture.
    """
    quiet_transformers()
    import transformers

    kind, processor = kinds
    with opening(config.model, config.revision) as (name, commit):
        loaded, told = getattr(transformers, kind).from_pretrained(
            name, revision=commit, dtype=getattr(torch, config.dtype), output_loading_info=True
        )
        lacking = sorted(told["missing_keys"])
        if lacking:
            raise ValueError(f"it has no weights for {len(lacking)} tensors of a {type(loaded).__name__}: {lacking[0]}")
        prepared = getattr(transformers, processor).from_pretrained(name, revision=commit)
    return loaded.to(device).eval(), prepared
