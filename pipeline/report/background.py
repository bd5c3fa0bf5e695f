"""What a report's figures stand on: the funnel of the data, and how good the models were measured to be."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.collect import Model, Step
from pipeline.report.layout import Cell, Table, numbers
from pipeline.report.numbers import NONE, percent

HEADLINES = (
    "caption_all_right",
    "kept_by_paper_rule",
    "retrieval_simple_of_64",
    "retrieval_complex_of_64",
    "loss",
    "meaning_tokens_right_seen",
    "meaning_tokens_right_unseen",
    "complex_all_right",
    "simple_all_right",
    "unseen_all_right",
    "oracle_all_right",
    "squared_error",
)
"""Of quality.json, what says most of a model in few lines."""
MOST = 6
"""Figures shown of a model that has none of these."""
MODELS_NOTE = "Measured by whoever built the model, on pictures and sentences held out from its training."


@dataclass(frozen=True)
class ModelLines:
    """A model with its most telling figures."""

    role: str
    name: str
    figures: Sequence[str]
    note: str


def models(found: Sequence[Model]) -> list[ModelLines]:
    """Each model in use and how good it was measured to be, in few lines."""
    return [_lines(model) for model in found]


def _lines(model: Model) -> ModelLines:
    shown = [name for name in HEADLINES if name in model.quality] or sorted(model.quality)[:MOST]
    figures = [f"{name.replace('_', ' ')} {model.quality[name]:.4g}" for name in shown]
    others = len(model.quality) - len(shown)
    note = f"{others} more in its quality.json" if others else model.note
    return ModelLines(model.role, f"{model.name} @ {model.revision}", figures, note)


def funnel_table(funnel: Sequence[Step]) -> Table:
    """Rows in and out of each stage and why rows were dropped."""
    rows = [
        [
            Cell(step.stage),
            *numbers(f"{step.rows_in:,}", f"{step.rows_out:,}"),
            *numbers(percent(step.rows_out / step.rows_in) if step.rows_in else NONE),
            Cell(", ".join(f"{reason} {count:,}" for reason, count in step.dropped.items())),
        ]
        for step in funnel
    ]
    return Table("From scrape to dataset", "", ["Stage", "In", "Out", "Kept", "Dropped because"], rows)
