"""Building the judges that ``evaluate.judges`` names."""

import functools
from types import ModuleType

from pipeline import clip_score, clip_text_tower, clip_texts, describing
from pipeline.files import digest
from pipeline.metrics import clip_models, detector, geneval_rules, judging, noun_chunks, vqa
from pipeline.metrics.judging import ANSWERS, Judge
from pipeline.metrics.settings import AnyJudge, DetectorJudge, ModuleJudge, VqaJudge
from pipeline.work import ResultStore, digests


def build(setting: AnyJudge, device: str) -> Judge:
    """The judge of a setting; weights are loaded when it is first asked, or by its ``load``.

    Raises:
        SettingError: a module is missing or is no judge.
    """
    match setting:
        case ModuleJudge():
            return judging.load(setting.module)
        case VqaJudge():
            return _vqa(setting, device)
    return _detector(setting, device)


def _vqa(setting: VqaJudge, device: str) -> Judge:
    model = functools.cache(lambda: vqa.BlipVqa(setting, device))
    store, made_by = _store(setting, (vqa, noun_chunks, describing))
    return Judge(
        setting.name,
        made_by,
        lambda image, atoms: vqa.ask(model().p_yes, image, atoms),
        can=vqa.is_asked,
        load=model,
        store=store,
        figures="vqa",
    )


def _detector(setting: DetectorJudge, device: str) -> Judge:
    model = functools.cache(lambda: detector.load(setting, device))
    colours = (clip_models, clip_score, clip_text_tower, clip_texts) if setting.colours else ()
    store, made_by = _store(setting, (detector, geneval_rules, *colours))
    return Judge(
        setting.name,
        made_by,
        lambda image, atoms: model().ask(image, atoms),
        can=functools.partial(detector.can, with_colours=setting.colours is not None),
        load=model,
        store=store,
        figures="detector",
    )


def _store(setting: VqaJudge | DetectorJudge, code: tuple[ModuleType, ...]) -> tuple[ResultStore, str]:
    """Where its answers are kept, and the digest of what decides them; where the weights of colours lie does not."""
    decisive = setting.model_dump(mode="json")
    if isinstance(setting, DetectorJudge) and setting.colours is not None:
        decisive["colours"] = setting.colours.decisive()
    return ResultStore("evaluate", decisive, ANSWERS, code=code), digest([decisive, digests(code)])
