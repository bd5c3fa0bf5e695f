"""All of params.yaml as one model, and what can only be checked across sections or against models and files."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline import clip_rule, engine, gpu_settings, llm, model_folders, prompts
from pipeline.adapters import checkpoint
from pipeline.adapters.sur import AdapterParams
from pipeline.captioning import BlipParams
from pipeline.cleaning import CleanParams
from pipeline.clip_rule import ClipParams
from pipeline.downloading import DownloadParams
from pipeline.engine import ComputeParams
from pipeline.errors import ModelError, SettingError, SurError
from pipeline.images import ImageParams
from pipeline.lavis import installation as lavis
from pipeline.llm import LlmParams
from pipeline.losses import LossParams
from pipeline.metrics.settings import EvaluateParams
from pipeline.params import Section, load_all, wrong
from pipeline.pretrained import read_config
from pipeline.review.verdicts import ReviewParams
from pipeline.sampling import SampleParams
from pipeline.sources.settings import SourcesParams
from pipeline.training_recipe import Recipe
from pipeline.training_settings import TrainParams
from pipeline.vae import DiffusionParams


class Settings(Section):
    """The whole file, section by section; each is explained in the module that it configures."""

    sources: SourcesParams
    download: DownloadParams
    clean: CleanParams
    blip: BlipParams
    clip: ClipParams
    review: ReviewParams
    image: ImageParams
    llm: LlmParams
    adapter: AdapterParams
    loss: LossParams
    train: TrainParams
    diffusion: DiffusionParams
    sample: SampleParams
    evaluate: EvaluateParams
    compute: ComputeParams


WATCHED = Path("prompts")
SD_VAE_STEP = 8  # of every Stable Diffusion 1.x and 2.x
PUBLIC_SALTS = frozenset({"miniature", "change this to words of your own"})  # everybody can read them in profiles/
Note = str
Check = Callable[[Settings, Path], Iterator[Note]]


def examine(path: Path) -> list[Note]:
    """Check everything that can be checked before a stage runs; give notes on what could not be looked at.

    Raises:
        SettingError: one line for every fault.
    """
    settings = load_all(Settings, path)
    faults, notes = list[str](), list[Note]()
    for check in CHECKS:
        try:
            notes += check(settings, path)
        except SurError as error:
            faults.append(str(error))
    if faults:
        raise SettingError("\n".join(faults))
    return notes


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
    width = _text_width(settings)
    if width is not None and settings.adapter.h3 == "transformer" and width % settings.adapter.heads:
        raise wrong("adapter.heads", f"must divide the text width {width}, got {settings.adapter.heads}", path)
    yield from ()


def _text_width(settings: Settings) -> int | None:
    """Of a local model's text states, read without loading the model."""
    folder = Path(settings.diffusion.model).expanduser() / "text_encoder"
    if model_folders.is_folder(settings.diffusion.model) and folder.is_dir():
        return int((read_config(str(folder), "") or {})["hidden_size"])
    return None


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


def _prompts(settings: Settings, path: Path) -> Iterator[Note]:
    prompts.read(Path(name) for name in settings.sample.prompts)
    for name in settings.sample.prompts:
        if Path(name).parent != WATCHED:
            raise wrong("sample.prompts", f"must lie in {WATCHED}/, which DVC watches, got {name}", path)
    yield from ()


def _modules(settings: Settings, path: Path) -> Iterator[Note]:
    """Modules that params.yaml names: site servers and judges."""
    named = settings.sources.servers
    judges = [("evaluate.judges", each.module) for each in settings.evaluate.judges if each.kind == "module"]
    for key, module in (*named.items(), *judges):
        if module is not None and not _exists(module):
            raise wrong(key, f"names no module: {module}", path)
    asks_a_site = any(module is None for module in named.values())
    if settings.sources.contact is None and asks_a_site:
        yield "sources.contact is not set: a site's owner cannot reach you"
    if settings.sources.author_salt in PUBLIC_SALTS and asks_a_site:
        yield "sources.author_salt is the public one of a profile: whoever knows a name can find its hash; choose words"


def _weights(settings: Settings, path: Path) -> Iterator[Note]:
    """Models of metrics and judges; one without its weights is left out of the evaluation, which is told here too."""
    judges = [each for each in settings.evaluate.judges if each.kind != "module"]
    for key, entries in (("evaluate.metrics", settings.evaluate.metrics), ("evaluate.judges", judges)):
        for entry in entries:
            model, weights = getattr(entry, "model", ""), getattr(entry, "weights", None)
            missing = weights or (model if model and model_folders.is_folder(model) else "")
            if missing and not Path(missing).expanduser().exists():
                yield f"{key}: {entry.kind} will not be computed: weights {missing} missing"
            elif model and weights is None:
                try:
                    model_folders.verify(model, entry.revision)
                except SurError as error:
                    raise wrong(key, f"has a model that is not usable: {error}", path) from error


def _imports(settings: Settings, path: Path) -> Iterator[Note]:
    """Folders of imports; ``scrape`` looks into them."""
    for name, chosen in settings.sources.enabled_imports.items():
        if not Path(chosen.path).expanduser().exists():
            raise wrong(f"sources.{name}.path", f"names no folder and no file on this machine: {chosen.path}", path)
    yield from ()


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # its parent is missing, or the name is no module's name
        return False


def _side(settings: Settings, path: Path) -> Iterator[Note]:
    """The VAE halves a picture a few times: another side would come back smaller than it went in."""
    folder = Path(settings.diffusion.model).expanduser() / "vae"
    config = read_config(str(folder), "") if folder.is_dir() else None
    step = 2 ** (len(config["block_out_channels"]) - 1) if config else SD_VAE_STEP
    if settings.image.side_px % step:
        message = f"must be a multiple of {step}, the VAE's step, got {settings.image.side_px}"
        raise wrong("image.side_px", message, path)
    yield from ()


def _renditions(settings: Settings, path: Path) -> Iterator[Note]:
    """Where a site has several sizes, download asks for the smallest that image.side_px allows: clean must take it."""
    least, side = settings.clean.min_side_px, settings.image.side_px
    if "civitai" in settings.sources.enabled and least > side:
        message = f"must be at most image.side_px ({side}), the size that download asks Civitai for, got {least}"
        raise wrong("clean.min_side_px", message, path)
    yield from ()


def _recipe(settings: Settings, _: Path) -> Iterator[Note]:
    if settings.adapter.official_checkpoint is None:  # else nothing is trained
        Recipe(settings.adapter, settings.loss, settings.train)
    yield from ()


def _engine(settings: Settings, _: Path) -> Iterator[Note]:
    engine.runner(settings.compute)
    yield from ()


def _gpu(settings: Settings, path: Path) -> Iterator[Note]:
    trained = settings.train if settings.adapter.official_checkpoint is None else None
    gpu_settings.refuse(settings.llm, trained, settings.compute, path)
    yield from ()


def _dropped_captions(settings: Settings, path: Path) -> Iterator[Note]:
    """A dropped caption teaches the adapter the empty text, which sampling must then send through it."""
    share = settings.train.caption_dropout
    if settings.adapter.kind == "sur" and share and not settings.sample.adapt_negative:
        message = f"trains the empty text, which sample.adapt_negative: false leaves alone: take 0 or true, got {share}"
        raise wrong("train.caption_dropout", message, path)
    yield from ()


CHECKS: tuple[Check, ...] = (
    *(_model(section) for section in ("blip", "llm", "diffusion")),
    _backend,
    _clip,
    _layers,
    _heads,
    _official,
    _side,
    _renditions,
    _recipe,
    _engine,
    _gpu,
    _dropped_captions,
    _prompts,
    _modules,
    _weights,
    _imports,
)
