"""What section ``sample`` says of methods, checked against the base model, the ControlNets and the prompts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import base_models, model_folders, prompts
from pipeline.errors import SurError
from pipeline.methods import building, conditions, weighting
from pipeline.methods.settings import CONTROLNETS, PLAIN, CannyParams, ModelNamed, SegParams
from pipeline.model_checks import Check, Note, vae_step
from pipeline.params import wrong
from pipeline.pretrained import read_config
from pipeline.settings import Settings
from pipeline.vae import DiffusionParams

SCHEDULER = "scheduler/scheduler_config.json"
LEVELS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 0,
    "set_alpha_to_one": False,
}
"""What decides a scheduler's noise levels, and what diffusers takes where a model's file is silent."""
SHAPE = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim")
"""In what a ControlNet must be like the U-Net that it was copied from."""


def _controlnets(settings: Settings, path: Path) -> Iterator[Note]:
    """Each ControlNet that is asked for is named, is there, and is for this U-Net."""
    for name in CONTROLNETS:
        if name not in settings.sample.methods:
            continue
        chosen: CannyParams | SegParams | None = getattr(settings.sample.controlnets, name)
        if chosen is None:
            raise wrong("sample.methods", building.lacking(name).removeprefix("sample.methods "), path)
        _require_model(f"sample.controlnets.{name}.model", chosen, path)
        _require_shape(settings, name, chosen, path)
        if not model_folders.is_folder(chosen.model):
            yield f"sample.controlnets.{name}.model {chosen.model} comes from the hub when it is needed"


def _require_model(key: str, named: ModelNamed, path: Path) -> None:
    try:
        model_folders.verify(named.model, named.revision)
    except SurError as error:
        raise wrong(key, f"is not usable: {error}", path) from error


def _require_shape(settings: Settings, name: str, chosen: ModelNamed, path: Path) -> None:
    base = settings.diffusion
    if not (model_folders.is_folder(base.model) and model_folders.is_folder(chosen.model)):
        return  # told when they are loaded
    net = read_config(chosen.model, chosen.revision) or {}
    unet = _unet(base)
    if other := [key for key in SHAPE if net.get(key) != unet.get(key)]:
        message = f"is for another base model than {base.model}: its {other[0]} is {net.get(other[0])}"
        raise wrong(f"sample.controlnets.{name}.model", f"{message}, there it is {unet.get(other[0])}", path)


def _unet(base: Any) -> dict[str, Any]:
    folder = Path(base.model).expanduser() / "unet"
    return (read_config(str(folder), base.revision) or {}) if folder.is_dir() else {}


def _conditions(settings: Settings, path: Path) -> Iterator[Note]:
    """Folders of conditioning pictures lie where DVC watches and have a picture for each prompt in force."""
    for name in CONTROLNETS:
        chosen: CannyParams | SegParams | None = getattr(settings.sample.controlnets, name)
        if name in settings.sample.methods and chosen is not None and chosen.folder is not None:
            key = f"sample.controlnets.{name}.folder"
            folder = Path(chosen.folder)
            if folder.parts[:1] != prompts.WATCHED.parts or ".." in folder.parts:
                raise wrong(key, f"must lie in {prompts.WATCHED}/, which DVC watches, got {folder}", path)
            asked = [prompt.id for prompt in _chosen(settings)]  # a fault of theirs is none of the folder's
            try:
                conditions.require(folder, asked)
            except SurError as error:
                raise wrong(key, f"is not usable: {error}", path) from error
    yield from ()


def _chosen(settings: Settings) -> list[prompts.Prompt]:
    read = prompts.read(settings.sample.prompts)
    return prompts.first_of_each_type(read, settings.sample.limit_per_type)


def _complex(settings: Settings, path: Path) -> Iterator[Note]:
    """Edges of the complex wording's picture need that wording."""
    canny = settings.sample.controlnets.canny
    if "canny" in settings.sample.methods and canny is not None and canny.source == "complex":
        lacking = [prompt.id for prompt in _chosen(settings) if prompt.complex is None]
        if lacking:
            message = f"must be another than complex: prompt {lacking[0]} has no complex wording"
            raise wrong("sample.controlnets.canny.source", message, path)
    yield from ()


def _panorama(settings: Settings, path: Path) -> Iterator[Note]:
    """Sides that the VAE can make, more than one window, and another model's noise levels that are others."""
    if "panorama" not in settings.sample.methods:
        return
    chosen, base = settings.sample.panorama, settings.diffusion
    if chosen.scheduler_of is not None:
        _require_model("sample.panorama.scheduler_of", chosen.scheduler_of, path)
        levels = _noise_levels(base)
        if levels is not None and levels == _noise_levels(chosen.scheduler_of):
            yield "sample.panorama.scheduler_of has the noise levels of diffusion.model: it changes nothing"
    factor = vae_step(base)
    for key in ("height_px", "width_px"):
        if (side := getattr(chosen, key)) % factor:
            raise wrong(f"sample.panorama.{key}", f"must be a multiple of {factor}, the VAE's step, got {side}", path)
    window = int(_unet(base).get("sample_size") or 64) * factor
    if max(chosen.height_px, chosen.width_px) <= window:
        yield f"sample.panorama: up to {window} x {window} px there is one window, which is plain sampling"


def _noise_levels(named: ModelNamed | DiffusionParams) -> dict[str, Any] | None:
    """What of a model's scheduler reaches the sampler; None where its file cannot be reached from here."""
    if model_folders.is_folder(named.model) and not (Path(named.model).expanduser() / SCHEDULER).is_file():
        return None  # told where it is loaded
    found = read_config(named.model, named.revision, SCHEDULER)
    return None if found is None else {key: found.get(key, usual) for key, usual in LEVELS.items()}


def _kinds(settings: Settings, path: Path) -> Iterator[Note]:
    """Methods that do not go with every adapter or base model."""
    asked = [method for method in settings.sample.methods if method != PLAIN]
    base = settings.diffusion
    folder = Path(base.model).expanduser()
    local = model_folders.is_folder(base.model) and folder.is_dir()
    if asked and local and base_models.kind(base.model, base.revision).two_encoders:
        raise wrong("sample.methods", f"must be [none] with an SDXL base model, got {asked[0]} too", path)
    if settings.adapter.kind == "llmdiff" and (deaf := [name for name in asked if name in CONTROLNETS]):
        raise wrong("sample.methods", building.deaf(deaf[0]).removeprefix("sample.methods: "), path)
    plain_kind = settings.adapter.kind in ("sur", "none") and settings.adapter.compat == "none"
    if "weighting" in asked and not plain_kind:
        raise wrong("sample.methods", weighting.REFUSED.removeprefix("sample.methods: "), path)
    yield from ()


METHOD_CHECKS: tuple[Check, ...] = (_controlnets, _conditions, _complex, _panorama, _kinds)
