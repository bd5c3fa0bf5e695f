"""What of params.yaml can only be checked across sections or against models and files, before anything runs."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pipeline import engine, gpu_settings, prompts
from pipeline.errors import SettingError, SurError
from pipeline.model_checks import MODEL_CHECKS, Check, Note
from pipeline.params import load_all, wrong
from pipeline.settings import Settings
from pipeline.training_recipe import Recipe

WATCHED = Path("prompts")
PUBLIC_SALTS = frozenset({"miniature", "change this to words of your own"})  # everybody can read them in profiles/


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


def _prompts(settings: Settings, path: Path) -> Iterator[Note]:
    prompts.read(Path(name) for name in settings.sample.prompts)
    for name in settings.sample.prompts:
        if Path(name).parent != WATCHED:
            raise wrong("sample.prompts", f"must lie in {WATCHED}/, which DVC watches, got {name}", path)
    yield from ()


def _modules(settings: Settings, path: Path) -> Iterator[Note]:
    """Modules that params.yaml names: site servers and the judge."""
    named = settings.sources.servers
    for key, module in {**named, "evaluate.judge": settings.evaluate.judge}.items():
        if module is not None and not _exists(module):
            raise wrong(key, f"names no module: {module}", path)
    asks_a_site = any(module is None for module in named.values())
    if settings.sources.contact is None and asks_a_site:
        yield "sources.contact is not set: a site's owner cannot reach you"
    if settings.sources.author_salt in PUBLIC_SALTS and asks_a_site:
        yield "sources.author_salt is the public one of a profile: whoever knows a name can find its hash; choose words"


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


def _states(settings: Settings, path: Path) -> Iterator[Note]:
    """What kind of LLM states an adapter takes."""
    kind, states = settings.adapter.kind, settings.llm.states
    if kind == "llm4gen" and states != "tokens":
        raise wrong("llm.states", f"must be tokens with adapter.kind: llm4gen, got {states}", path)
    yield from ()


def _engine(settings: Settings, _: Path) -> Iterator[Note]:
    engine.runner(settings.compute)
    yield from ()


def _gpu(settings: Settings, path: Path) -> Iterator[Note]:
    trained = settings.train if settings.adapter.official_checkpoint is None else None
    gpu_settings.refuse(settings.llm, trained, settings.compute, path)
    yield from ()


def _dropped_captions(settings: Settings, path: Path) -> Iterator[Note]:
    """A dropped caption teaches the empty text, which sampling must then send through something that was trained."""
    share = settings.train.caption_dropout
    bypasses = settings.adapter.kind == "sur" and settings.train.unet == "frozen"
    if bypasses and share and not settings.sample.adapt_negative:
        message = f"trains the empty text, which sample.adapt_negative: false leaves alone: take 0 or true, got {share}"
        raise wrong("train.caption_dropout", message, path)
    yield from ()


CHECKS: tuple[Check, ...] = (
    *MODEL_CHECKS,
    _renditions,
    _recipe,
    _states,
    _engine,
    _gpu,
    _dropped_captions,
    _prompts,
    _modules,
    _imports,
)
