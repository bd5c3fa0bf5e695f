"""Which text-to-image models run here: Stable Diffusion 1.x, 2.x and XL, told apart by the files beside their weights.

Nothing is loaded. What would load and then mean something else (a refiner, an inpainting U-Net, a distilled one that
takes the guidance scale as an input) is refused in one line (ADR 0023).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import model_folders
from pipeline.errors import ModelError
from pipeline.pretrained import read_config

ONE_ENCODER, TWO_ENCODERS = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
KNOWN = f"{ONE_ENCODER} (Stable Diffusion 1.x or 2.x) or a {TWO_ENCODERS} (SDXL base)"
PARTS = {
    ONE_ENCODER: {
        "tokenizer": "CLIPTokenizer",
        "text_encoder": "CLIPTextModel",
        "unet": "UNet2DConditionModel",
        "vae": "AutoencoderKL",
    }
}
PARTS[TWO_ENCODERS] = PARTS[ONE_ENCODER] | {
    "tokenizer_2": "CLIPTokenizer",
    "text_encoder_2": "CLIPTextModelWithProjection",
}
SIZE_CONDITIONED = "text_time"  # diffusers' word for a pooled text embedding and six numbers of size and crop


@dataclass(frozen=True)
class Kind:
    """What ``model_index.json`` says of a model."""

    two_encoders: bool
    """SDXL: the states of two encoders side by side, a pooled embedding, size conditioning."""
    zeroes_empty_text: bool
    """Whether guidance leads away from zeros, not from the encoded empty text, where no negative prompt is given."""


def kind(model: str, revision: str) -> Kind:
    """Tell a model's kind.

    Args:
        model: folder in diffusers' layout, or Hugging Face id.
        revision: a folder's digest (not compared here) or the hub's commit.

    Raises:
        ModelError: the model is missing or of a kind that does not run here; one line says what was found.
    """
    index = _index(model, revision)
    name = index.get("_class_name")
    if name not in PARTS:
        raise ModelError(f"{model} is a {name}: diffusion.model must be a {KNOWN}")
    for part, needed in PARTS[name].items():
        found = index.get(part, [None, needed])[1]  # what is not named at all fails when it is loaded
        if found not in (needed, f"{needed}Fast"):
            raise ModelError(f"{model} has {found or 'nothing'} as its {part}: diffusion.model needs a {needed} there")
    two = name == TWO_ENCODERS
    return Kind(two_encoders=two, zeroes_empty_text=two and bool(index.get("force_zeros_for_empty_prompt", True)))


def require_parts(model: str, revision: str) -> None:
    """Refuse a model of a known kind whose U-Net or noise levels are not those of that kind.

    Raises:
        ModelError: what was found and what is needed.
    """
    unet, vae, noise = (
        _config(model, revision, name)
        for name in ("unet/config.json", "vae/config.json", "scheduler/scheduler_config.json")
    )
    needed = SIZE_CONDITIONED if kind(model, revision).two_encoders else None
    if unet.get("addition_embed_type") != needed:
        raise ModelError(f"{model}: its U-Net has addition_embed_type {unet.get('addition_embed_type')}, not {needed}")
    if unet.get("time_cond_proj_dim") is not None:
        raise ModelError(
            f"{model}: its U-Net takes the guidance scale as an input (time_cond_proj_dim: latent consistency) and "
            "a training has none to give"
        )
    inputs, channels = unet.get("in_channels", 4), vae.get("latent_channels", 4)
    if inputs != channels:
        raise ModelError(
            f"{model}: its U-Net takes {inputs} channels and its VAE makes {channels}: it wants a picture as well "
            "(inpainting, depth)"
        )
    said = noise.get("prediction_type", "epsilon")
    if said not in ("epsilon", "v_prediction") or "beta_schedule" not in noise:
        what = f"prediction_type {said}" if "beta_schedule" in noise else f"noise levels of {noise.get('_class_name')}"
        raise ModelError(f"{model}: its scheduler has {what}: epsilon or v_prediction over a beta_schedule is needed")


def text_width(model: str, revision: str) -> int:
    """Features of the text states that a model's U-Net takes: 768 in SD 1.x, 1024 in SD 2.x, 2048 in SDXL.

    Raises:
        ModelError: its U-Net's configuration cannot be read.
    """
    return int(_config(model, revision, "unet/config.json").get("cross_attention_dim", 1280))


def _index(model: str, revision: str) -> dict[str, Any]:
    folder = Path(model).expanduser()
    if model_folders.is_folder(model):
        if not folder.is_dir():
            model_folders.verify(model, revision)
        if not (folder / "model_index.json").is_file():
            raise ModelError(f"{model} is no diffusers model: it has no model_index.json")
    return _config(model, revision, "model_index.json")


def _config(model: str, revision: str, name: str) -> dict[str, Any]:
    found = read_config(model, revision, name)
    if found is None:
        raise ModelError(f"model {model} cannot be loaded: its {name} cannot be reached from here")
    return found
