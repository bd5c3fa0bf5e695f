"""What of params.yaml can only be checked across sections or against models and files, before anything runs."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import engine, expanded_prompts, gpu_settings, model_folders, prompts, shots
from pipeline.arms import EXPANDED
from pipeline.errors import SettingError, SurError
from pipeline.method_checks import METHOD_CHECKS
from pipeline.methods.settings import PLAIN
from pipeline.model_checks import MODEL_CHECKS, Check, Note
from pipeline.params import load_all, wrong
from pipeline.settings import Settings
from pipeline.training_recipe import Recipe

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
            faults += [line for line in str(error).splitlines() if line not in faults]
    if faults:
        raise SettingError("\n".join(faults))
    return notes


def _prompts(settings: Settings, path: Path) -> Iterator[Note]:
    prompts.read(settings.sample.prompts)
    for name in settings.sample.prompts:
        if isinstance(name, str) and Path(name).parent != prompts.WATCHED:
            raise wrong("sample.prompts", f"must lie in {prompts.WATCHED}/, which DVC watches, got {name}", path)
    expanded = settings.sample.expanded
    if expanded is not None and (Path(expanded).parts[:1] != prompts.WATCHED.parts or ".." in Path(expanded).parts):
        raise wrong("sample.expanded", f"must lie in {prompts.WATCHED}/, which DVC watches, got {expanded}", path)
    yield from _wordings(settings)


def _wordings(settings: Settings) -> Iterator[Note]:
    """Which prompts a reference arm lacks, and which LLM-expanded ones are longer than the text encoder reads."""
    config, base = settings.sample, settings.diffusion
    chosen = shots.chosen(config)
    if config.reference_arms and PLAIN not in config.methods:
        yield f"sample.reference_arms are drawn with method {PLAIN} alone, which sample.methods does not name"
    for arm in config.reference_arms:
        if lacking := [prompt.id for prompt in chosen if prompt.text_of(arm) is None]:
            those = f"{len(lacking)} of {len(chosen)} prompts have no {arm} wording and so no arm {arm}"
            yield f"sample.reference_arms: {those}, first {lacking[0]}"
    texts = [text for prompt in chosen if (text := prompt.text_of(EXPANDED))]
    if texts and (cut := expanded_prompts.count_cut(texts, base.model)):
        yield f"sample.expanded: {cut} of {len(texts)} texts are longer than the text encoder reads and are cut"


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
            for named in (entry, getattr(entry, "colours", None)):
                if named is not None:
                    yield from _named_weights(key, entry.kind, named, path)


def _named_weights(key: str, kind: str, named: Any, path: Path) -> Iterator[Note]:
    model, weights = getattr(named, "model", ""), getattr(named, "weights", None)
    missing = weights or (model if model and model_folders.is_folder(model) else "")
    if missing and not Path(missing).expanduser().exists():
        yield f"{key}: {kind} will not be computed: weights {missing} missing"
    elif model and weights is None:
        try:
            model_folders.verify(model, named.revision)
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
    if kind in ("llm4gen", "llmdiff") and settings.llm.final_norm:
        message = f"must be false with adapter.kind: {kind}: token states are those before the final norm"
        raise wrong("llm.final_norm", message, path)
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
    kind, trained = settings.adapter.kind, settings.adapter.official_checkpoint is None
    bypasses = trained and (kind == "llmdiff" or (kind == "sur" and settings.train.unet == "frozen"))
    if bypasses and share and not settings.sample.adapt_negative:
        message = f"trains the empty text, which sample.adapt_negative: false leaves alone: take 0 or true, got {share}"
        raise wrong("train.caption_dropout", message, path)
    yield from ()


def _blocks(settings: Settings, path: Path) -> Iterator[Note]:
    """What kind llmdiff needs of other sections (ADR 0026)."""
    if settings.adapter.kind != "llmdiff":
        return
    config = settings.llm
    if config.states != "blocks":
        raise wrong("llm.states", f"must be blocks with adapter.kind: llmdiff, got {config.states}", path)
    if config.pool_bos:
        raise wrong("llm.pool_bos", "must be false with adapter.kind: llmdiff: a start token has no context", path)
    if settings.adapter.eta < 1.0:
        yield (
            f"adapter.eta {settings.adapter.eta} keeps the text encoder beside the LLM: "
            "adapter.kind: llmdiff drops it at 1, as in its paper"
        )
    if settings.sample.adapt_negative and not settings.train.caption_dropout:
        yield "sample.adapt_negative: the adapter will not have learned the empty text, see train.caption_dropout"


CHECKS: tuple[Check, ...] = (
    *MODEL_CHECKS,
    *METHOD_CHECKS,
    _renditions,
    _recipe,
    _states,
    _engine,
    _gpu,
    _dropped_captions,
    _blocks,
    _prompts,
    _modules,
    _weights,
    _imports,
)
