"""What of params.yaml can only be checked against the models that it names."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline import base_models, clip_rule, llm, model_folders
from pipeline.adapters import checkpoint
from pipeline.errors import ModelError, SurError
from pipeline.lavis import installation as lavis
from pipeline.params import wrong
from pipeline.pretrained import read_config
from pipeline.settings import Settings
from pipeline.vae import DiffusionParams, side_factor

SD_VAE_STEP = 8  # of every Stable Diffusion 1.x, 2.x and XL
Note = str
Check = Callable[[Settings, Path], Iterator[Note]]
"""Settings and the path of their file in; notes out, :class:`pipeline.errors.SettingError` for a fault."""


def _model(section: str) -> Check:
    """The check of one section's model."""

    def check(settings: Settings, path: Path) -> Iterator[Note]:
        chosen = getattr(settings, section)
        try:
            model_folders.verify(chosen.model, chosen.revision)
        except SurError as error:
            raise wrong(f"{section}.model", f"is not usable: {error}", path) from error
        if not model_folders.is_folder(chosen.model):
            if Path(chosen.model).parent.is_dir() and "/" in chosen.model:
                raise wrong(f"{section}.model", f"names no folder: {chosen.model}", path)
            yield f"{section}.model {chosen.model} comes from the hub when it is needed"
            if not re.fullmatch("[0-9a-f]{40}", chosen.revision):
                yield f"{section}.revision {chosen.revision} may move: a commit names the same weights for ever"

    return check


def _backend(settings: Settings, path: Path) -> Iterator[Note]:
    if settings.blip.backend == "lavis":
        lavis.require()
    yield from ()


def _clip(settings: Settings, path: Path) -> Iterator[Note]:
    """CLIP may also be an architecture of open_clip, with published weights or with a file of one's own."""
    chosen = settings.clip
    try:
        clip_rule.check_model(chosen)
    except ModelError as error:
        raise wrong("clip.weights" if chosen.weights else "clip.model", f"is not usable: {error}", path) from error
    if chosen.weights is None and not model_folders.is_folder(chosen.model):
        yield f"clip.model {chosen.model} ({chosen.revision}) comes from the hub when it is needed"


def _layers(settings: Settings, path: Path) -> Iterator[Note]:
    count = llm.layer_count(settings.llm.model, settings.llm.revision)
    if count is None:
        yield f"llm.layer was not compared with {settings.llm.model}: its config.json cannot be reached from here"
    else:
        llm.check_layers(settings.llm, count, path)


def _heads(settings: Settings, path: Path) -> Iterator[Note]:
    """The adapter's heads must share the text states' width."""
    width, adapter = _text_width(settings), settings.adapter
    match adapter.kind:
        case "sur" if adapter.h3 == "transformer":
            key, heads = "adapter.heads", adapter.heads
        case "llm4gen":
            key, heads = "adapter.llm4gen.heads", adapter.llm4gen.heads
        case _:
            return
    if width is not None and width % heads:
        raise wrong(key, f"must divide the text width {width}, got {heads}", path)
    yield from ()


def _text_width(settings: Settings) -> int | None:
    """Of a local model's text states, read without loading the model."""
    chosen = settings.diffusion
    if model_folders.is_folder(chosen.model) and (Path(chosen.model).expanduser() / "unet").is_dir():
        return base_models.text_width(chosen.model, chosen.revision)
    return None


def _kind(settings: Settings, path: Path) -> Iterator[Note]:
    """The kind of a local base model; what else ails it, :func:`_model` says."""
    chosen = settings.diffusion
    if model_folders.is_folder(chosen.model) and Path(chosen.model).expanduser().is_dir():
        try:
            base_models.kind(chosen.model, chosen.revision)
            base_models.require_parts(chosen.model, chosen.revision)
        except SurError as error:
            raise wrong("diffusion.model", f"is not usable: {error}", path) from error
    yield from ()


def _official(settings: Settings, path: Path) -> Iterator[Note]:
    """The authors' weights, where they are asked for, must be theirs and fit the text states."""
    chosen, width = settings.adapter.official_checkpoint, _text_width(settings)
    if chosen is not None:
        key = "adapter.official_checkpoint"
        try:
            found = checkpoint.read(Path(chosen.path).expanduser(), sha256=chosen.sha256)
        except SurError as error:
            raise wrong(key, f"is not usable: {error}", path) from error
        if width not in (None, found.width):
            raise wrong(key, f"is for text states of width {found.width}, diffusion.model gives {width}", path)
        yield "adapter.official_checkpoint does not tell its base model: it is taken to be diffusion.model"


def vae_step(base: DiffusionParams) -> int:
    """Pixels of a picture's side for one of its latents' side: a local model's VAE, or Stable Diffusion's."""
    folder = Path(base.model).expanduser() / "vae"
    config = read_config(str(folder), base.revision) if folder.is_dir() else None
    return side_factor(config["block_out_channels"]) if config else SD_VAE_STEP


def _side(settings: Settings, path: Path) -> Iterator[Note]:
    """The VAE halves a picture a few times: another side would come back smaller than it went in."""
    step = vae_step(settings.diffusion)
    if settings.image.side_px % step:
        message = f"must be a multiple of {step}, the VAE's step, got {settings.image.side_px}"
        raise wrong("image.side_px", message, path)
    yield from ()


def _native_side(settings: Settings, path: Path) -> Iterator[Note]:
    """A model draws well at the size that it was trained on, which is also what stage ``sample`` draws."""
    folder, side = Path(settings.diffusion.model).expanduser(), settings.image.side_px
    if (folder / "unet").is_dir() and (folder / "vae").is_dir():
        unet = read_config(str(folder / "unet"), "") or {}
        match unet.get("sample_size"):
            case int(latent) if (drawn := latent * vae_step(settings.diffusion)) != side:
                yield f"image.side_px is {side}, diffusion.model draws {drawn} px: the adapter learns at another size"


MODEL_CHECKS: tuple[Check, ...] = (
    *(_model(section) for section in ("blip", "llm", "diffusion")),
    _backend,
    _clip,
    _layers,
    _kind,
    _heads,
    _official,
    _side,
    _native_side,
)
