"""Which studies there are: each a short table of rows, one experiment a row, said as changes to params.yaml."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import llm, params, prompts
from pipeline.errors import SettingError
from pipeline.params import PARAMS, wrong
from pipeline.settings import Settings

PAPER = Path("profiles/paper.yaml")
SEEDS = range(5)
LAYERS = (1, 10, 20, 30, 40)
LLM, ALIGNMENT, LIMIT = "loss.llm_weight", "loss.alignment_weight", "sample.limit_per_type"
THE_LLM, THE_ALIGNMENT = "The LLM loss", "The complex-prompt loss"
IN_FORCE = "the values in force"
RECIPE = ("adapter", "loss", "train")
TRIED: Mapping[str, Sequence[float]] = {
    "train.learning_rate": (3e-4, 1e-3, 3e-3),
    "train.steps": (150, 300, 600),
    "train.batch_size": (32, 64),
    "adapter.eta": (0.1, 0.5, 1.0),
    LLM: (0.0, 1e-5, 1e-3, 1e-2),
    ALIGNMENT: (0.0, 1e-5, 1e-4, 1e-3, 1e-2),
}
"""What the study ``choice`` tries, one setting at a time; each of the last two reaches from nothing to where the term
is as large as the denoising loss of the miniature, or larger."""
REPEATED = 3
"""Trainings with the values in force: how far they lie apart says which differences mean anything."""
NOT_RECIPE = {
    "adapter.seed": "a draw, no value of the paper's",
    "loss.w0_seed": "a draw, no value of the paper's",
    "train.seed": "a draw, no value of the paper's",
    "train.precision": "the machine's: half precision needs a GPU",
    "train.validate_every": "how often one looks",
    "train.validation_samples": "how much one looks at",
    "train.checkpoint_every": "what a kill may cost",
    "train.sample_prompts": "how much one looks at",
}
Value = Any


@dataclass(frozen=True)
class Row:
    """One experiment: its part of the experiment's name, what the table calls it, and what it changes."""

    key: str
    label: str
    overrides: Mapping[str, Value]
    layer: int | None = None
    """Where the chart puts it, in a study of layers."""
    tried: str | None = None
    """The setting whose value it tries, in a study of settings."""


@dataclass(frozen=True)
class Contrast:
    """Two rows that differ in one thing: keys of the row that has it and of the row that lacks it."""

    about: str
    """The thing, as the subject of a sentence."""
    where: str
    """What else holds in both rows."""
    present: str
    absent: str


@dataclass(frozen=True)
class Study:
    """Rows, and the pairs of them that are compared prompt by prompt."""

    name: str
    title: str
    rows: Sequence[Row]
    contrasts: Sequence[Contrast] = ()
    until: str | None = None
    """The last stage that its experiments run; None: all of them."""
    file: str | None = None
    """The file that describes it, where it is none of ``STUDIES``."""


def define(name: str, settings: Settings, *, prompts_per_type: int | None = None, path: Path = PARAMS) -> Study:
    """The study of this name under these settings.

    Args:
        name: one of ``STUDIES``.
        settings: all of params.yaml.
        prompts_per_type: evaluation prompts of each skill; without it the study ``seeds`` takes all there are, the
            others as many as ``sample.limit_per_type`` says. The study ``choice`` draws nothing and takes none.
        path: where the settings stand, for messages.

    Raises:
        SettingError: the settings leave nothing to compare, or prompts are given that nothing would be drawn from.
    """
    made = STUDIES[name](settings, path)
    if made.until is not None:
        if prompts_per_type is not None:
            raise SettingError(
                f"--prompts: the study {name} ends with stage {made.until} and draws nothing: leave it out"
            )
        return made
    if prompts_per_type is None and name == "seeds":
        prompts_per_type = all_prompts(settings)
    return limited(made, prompts_per_type)


def limited(study: Study, prompts_per_type: int | None) -> Study:
    """The study with so many evaluation prompts of each skill in every row that does not say another number."""
    if prompts_per_type is None:
        return study
    common = {LIMIT: prompts_per_type}
    return replace(study, rows=[replace(row, overrides={**common, **row.overrides}) for row in study.rows])


def all_prompts(settings: Settings) -> int:
    """The number of prompts of the skill that has most."""
    found = prompts.read(settings.sample.prompts)
    return max(Counter(prompt.type for prompt in found).values())


def _seeds(settings: Settings, path: Path) -> Study:
    del settings, path
    return Study("seeds", "Five training seeds", [_seed(seed) for seed in SEEDS])


def _seed(seed: int) -> Row:
    """The three seeds of a training go together: order and noise, the adapter's start, and the projection W0."""
    return Row(str(seed), f"seed {seed}", dict.fromkeys(("train.seed", "adapter.seed", "loss.w0_seed"), seed))


def _choice(settings: Settings, path: Path) -> Study:
    """One setting at a time away from the values in force, judged by the validation split: nothing is drawn."""
    del path
    current = in_force(settings)
    rows = [Row("in-force", IN_FORCE, {}), *(_seed(settings.train.seed + step) for step in range(1, REPEATED))]
    for key, values in TRIED.items():
        field = key.partition(".")[2]
        others = [value for value in values if value != current[key]]
        rows += [
            Row(f"{field}-{value:g}".replace("+", ""), f"{key} {value:g}", {key: value}, tried=key) for value in others
        ]
    return Study("choice", "Choosing the recipe on the validation split", rows, until="train")


def _ablation(settings: Settings, path: Path) -> Study:
    """The paper's Table 5."""
    for key, value in ((LLM, settings.loss.llm_weight), (ALIGNMENT, settings.loss.alignment_weight)):
        _require_on(key, value, path)
    rows = [
        Row("both", "LLM loss and complex-prompt loss", {}),
        Row("llm", "LLM loss only", {ALIGNMENT: 0.0}),
        Row("complex", "complex-prompt loss only (control: same data, no LLM)", {LLM: 0.0}),
        Row("neither", "neither", {LLM: 0.0, ALIGNMENT: 0.0}),
    ]
    contrasts = [
        Contrast(THE_LLM, "beside the complex-prompt loss", "both", "complex"),
        Contrast(THE_LLM, "without the complex-prompt loss", "llm", "neither"),
        Contrast(THE_ALIGNMENT, "beside the LLM loss", "both", "llm"),
        Contrast(THE_ALIGNMENT, "without the LLM loss", "complex", "neither"),
    ]
    return Study("ablation", "Ablation of the losses (the paper's Table 5)", rows, contrasts)


def _layers(settings: Settings, path: Path) -> Study:
    """The paper's Table 4, and the control that no layer enters: the same data without the LLM loss."""
    _require_on(LLM, settings.loss.llm_weight, path)
    there = llm.layer_count(settings.llm.model, settings.llm.revision) or max(LAYERS)
    chosen = list(dict.fromkeys(min(layer, there) for layer in LAYERS))
    cached = settings.llm.layers
    if cached != "all" and not set(chosen) <= set(cached):
        needed = ", ".join(str(layer) for layer in chosen)
        raise wrong("llm.layers", f"must be all or hold {needed} for this study, got {list(cached)}", path)
    rows = [Row(f"layer-{layer}", f"layer {layer}", {"llm.layer": layer}, layer) for layer in chosen]
    control = Row("control", "no LLM (control: same data)", {LLM: 0.0})
    contrasts = [Contrast(THE_LLM, f"with layer {row.layer}", row.key, control.key) for row in rows]
    return Study("layers", "LLM layers (the paper's Table 4)", [*rows, control], contrasts)


def in_force(settings: Settings) -> dict[str, float]:
    """The value in force of each setting in ``TRIED``."""
    return {
        key: getattr(getattr(settings, section), field) for key in TRIED for section, _, field in [key.partition(".")]
    }


def _paper_values(settings: Settings, path: Path) -> Study:
    """The recipe in force beside the paper's own."""
    ours, theirs = settings.model_dump(mode="json"), params.read(PAPER)
    changed = {
        f"{section}.{key}": value
        for section in RECIPE
        for key, value in theirs[section].items()
        if f"{section}.{key}" not in NOT_RECIPE and ours[section].get(key) != value
    }
    if not changed:
        raise SettingError(f"{path} has the paper's own values already ({PAPER}): there is nothing to compare")
    rows = [Row("ours", IN_FORCE, {}), Row("paper", "the paper's own values", changed)]
    contrast = Contrast("Training", "with the values in force instead of the paper's", "ours", "paper")
    return Study("paper-values", "The paper's own values", rows, [contrast])


def _require_on(key: str, value: float, path: Path) -> None:
    if not value:
        raise wrong(key, "must be above 0: this study switches it off", path)


STUDIES: Mapping[str, Callable[[Settings, Path], Study]] = {
    "seeds": _seeds,
    "ablation": _ablation,
    "layers": _layers,
    "paper-values": _paper_values,
    "choice": _choice,
}
