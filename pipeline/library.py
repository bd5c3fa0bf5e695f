"""A trained adapter on a diffusers pipeline of one's own: put it on, turn its dial, take it off.

from pipeline.library import load_adapter  # first: it sees to torchvision, which diffusers imports
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("miniature/models/diffusion")
load_adapter(pipe, "data/train/adapter")
pipe("two ruby roundels").images[0].save("roundels.png")
"""

import re
from pathlib import Path
from typing import Any

from transformers import CLIPTextModel

from pipeline.adapters import folder
from pipeline.adapters.sur import SurAdapter
from pipeline.drop_in import SurTextModel
from pipeline.errors import ModelError
from pipeline.model_folders import folder_digest, is_folder
from pipeline.text_encoding import tokens

COMMIT = re.compile("[0-9a-f]{40}")


def load_adapter(
    pipe: Any,
    adapter: str | Path,
    *,
    eta: float | None = None,
    negative_prompt: str | None = "",
    base: folder.Named | None = None,
) -> SurTextModel:
    """Put an adapter behind the text encoder of a Stable Diffusion 1.x or 2.x pipeline, of whatever class.

    What the pipeline draws then is what stage ``sample`` draws with ``sample.adapt_negative: false``. Other pipelines
    made by ``from_pipe`` keep the adapter; ``save_pretrained`` saves it with the pipeline (import
    :mod:`pipeline.drop_in` before loading that).

    Args:
        pipe: a diffusers pipeline with one text encoder.
        adapter: an adapter folder of kind ``sur`` with a frozen U-Net.
        eta: the dial, 0 to 1; None takes the trained one. The result's ``eta`` may be set at any time.
        negative_prompt: the text that stays as it is; name the one that you call the pipeline with. None adapts all.
        base: what the pipeline was loaded from, where it does not say itself.

    Returns:
        The text encoder that the pipeline has now.

    Raises:
        ModelError: another base model, another kind of adapter or of pipeline, or an adapter is on it already.
        ValueError: ``eta`` is outside of 0 to 1.
    """
    encoder = getattr(pipe, "text_encoder", None)
    if isinstance(encoder, SurTextModel):
        raise ModelError("the pipeline has an adapter already: unload_adapter(pipe) first")
    if encoder is None or getattr(pipe, "text_encoder_2", None) is not None:
        raise ModelError(f"{type(pipe).__name__} has not one text encoder: give prompt_embeds (pipeline.encoding)")
    if getattr(pipe, "unet", None) is None or not isinstance(encoder, CLIPTextModel):
        raise ModelError(f"{type(pipe).__name__} is no pipeline of a U-Net and CLIP's text encoder: no adapter fits it")
    config = folder.read_config(Path(adapter))
    if isinstance(config, folder.OfficialConfig) or config.adapter.kind != "sur" or config.unet is not None:
        raise ModelError(f"{adapter} is more than a text encoder can hold: use pipeline.sampling.Sampler")
    found = folder.load(
        Path(adapter),
        base=base or _base(pipe, config.base),
        width=int(pipe.unet.config.cross_attention_dim),
        device=str(encoder.device),
    )
    assert isinstance(found, SurAdapter)  # of kind sur
    untouched = [] if negative_prompt is None else tokens(pipe.tokenizer, [negative_prompt]).input_ids.tolist()
    made = SurTextModel.around(encoder, found, eta=eta, untouched=untouched)
    made.remember(encoder)
    pipe.register_modules(text_encoder=made)
    return made


def unload_adapter(pipe: Any) -> None:
    """Give the pipeline its own text encoder back; nothing happens where there is no adapter.

    Raises:
        ModelError: the pipeline was loaded with the adapter in it, so that there is no text encoder to go back to.
    """
    encoder = pipe.text_encoder
    if isinstance(encoder, SurTextModel):
        if encoder.before is None:
            raise ModelError("the pipeline was saved with its adapter: set pipe.text_encoder.eta = 0, or load the base")
        pipe.register_modules(text_encoder=encoder.before)


def _base(pipe: Any, trained: folder.Named) -> folder.Named:
    """What a pipeline was loaded from. A hub's revision is known only where it was fixed to a commit."""
    name = pipe.config.get("_name_or_path")
    name = str(name or "")
    if not name:
        raise ModelError("the pipeline does not say what it was loaded from: give base=Named(model=..., revision=...)")
    if is_folder(name):
        return folder.Named(model=name, revision=folder_digest(Path(name)))
    commit = getattr(pipe.text_encoder.config, "_commit_hash", None)
    fixed = commit and COMMIT.fullmatch(trained.revision)
    return folder.Named(model=name, revision=str(commit) if fixed else trained.revision)


__all__ = ["SurTextModel", "load_adapter", "unload_adapter"]
