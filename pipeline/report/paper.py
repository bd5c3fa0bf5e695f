"""What the SUR-adapter paper printed, to stand in grey beside ours where models and settings are the paper's.

Source: arXiv 2305.05189, Tables 2 to 5 and 7, typed into ``paper_tables``. Accuracies in per cent.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "paper_tables"
MODELS: Mapping[str, str] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd15",
    "nitrosocke/Ghibli-Diffusion": "cartoon",
}
"""The paper's diffusion models by their names on the hub."""
LLMS: Mapping[str, tuple[str, int]] = {
    "huggyllama/llama-7b": ("7B", 32),
    "huggyllama/llama-13b": ("13B", 40),
    "huggyllama/llama-30b": ("33B", 60),
}
"""Its LLMs by theirs, and how many layers each has; of the 7B and the 33B it names no layer, taken as the last."""
METHODS = ("none", "canny", "seg", "weighting", "panorama", "sag")
"""The rows of Tables 2 and 3, by the names of ``sample.methods``: the paper's ControlNets, prompt weighting,
MultiDiffusion and self-attention guidance."""
METRICS = ("clip_score", "action", "colour", "counting", "brisque", "clip_iqa", "musiq", "preference")
SOURCE_OF_TABLE_7 = "paper_table7"


@dataclass(frozen=True)
class Arms:
    """A figure of the base model (None where only the adapter's is printed) and of the adapter."""

    base: float | None
    adapted: float

    def __str__(self) -> str:
        return f"{self.adapted:g}" if self.base is None else f"{self.base:g} → {self.adapted:g}"


Figures = Mapping[str, Mapping[str, Arms]]
"""Method -> metric -> what the paper printed."""


@dataclass(frozen=True)
class Run:
    """What decides whether a run is one of the paper's."""

    diffusion: str
    llm: str
    layer: int
    kind: str
    llm_loss: bool
    complex_prompt_loss: bool
    compat: str = "none"
    """``official``: the authors' weights, whose LLM, layer and losses are not known; runs noted down before it was
    told have none."""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Run":
        """From the whole content of params.yaml."""
        loss, llm = params["loss"], params["llm"]
        return cls(
            diffusion=params["diffusion"]["model"],
            llm=llm["model"],
            layer=llm["layer"],
            kind=params["adapter"]["kind"],
            llm_loss=loss["llm_weight"] > 0,
            complex_prompt_loss=loss["alignment_weight"] > 0,
            compat=params["adapter"]["compat"],
        )


def figures(run: Run) -> Figures:
    """The paper's figures for a run; empty where it printed none.

    Tables 2 and 3 are of LLaMA-13B's layer 40; where Table 4 has other figures of the same cell, those stand behind.
    """
    model, (llm, layers) = MODELS.get(run.diffusion), LLMS.get(run.llm, ("", 0))
    if model is None or not llm or run.kind != "sur" or run.compat != "none":
        return {}
    if not (run.llm_loss and run.complex_prompt_loss):
        ablated = model == "sd15" and (llm, run.layer) == ("13B", 40)
        return {"none": _table_5()[run.llm_loss, run.complex_prompt_loss]} if ablated else {}
    if (llm, run.layer) == ("13B", 40):
        return _tables_2_and_3()[model]
    return _table_4().get((model, llm, None if run.layer == layers else run.layer), {})


@cache
def _tables_2_and_3() -> Mapping[str, Figures]:
    """Model -> figures."""
    found: dict[str, dict[str, dict[str, Arms]]] = {}
    for row in _rows("tables_2_and_3.csv"):
        arms = {name: Arms(float(row[f"{name}_base"]), float(row[f"{name}_adapted"])) for name in METRICS}
        found.setdefault(row["model"], {})[row["method"]] = arms
    return found


@cache
def _table_4() -> Mapping[tuple[str, str, int | None], Figures]:
    """Model, LLM and layer (None: not named) -> figures. The base model's are those of Tables 2 and 3."""
    found: dict[tuple[str, str, int | None], dict[str, dict[str, Arms]]] = {}
    for row in _rows("table_4.csv"):
        base = _tables_2_and_3()[row["model"]][row["method"]]
        arms = {name: Arms(base[name].base, float(row[name])) for name in METRICS if name in row}
        arms["clip_score"] = Arms(None, arms["clip_score"].adapted)  # pairwise: another adapter, another base
        key = (row["model"], row["llm"], int(row["layer"]) if row["layer"] else None)
        found.setdefault(key, {})[row["method"]] = arms
    return found


@cache
def _table_5() -> Mapping[tuple[bool, bool], Mapping[str, Arms]]:
    """LLM loss, complex-prompt loss -> metric -> figure. The row without both is the base model's own."""
    return {
        (row["llm_loss"] == "1", row["complex_prompt_loss"] == "1"): {
            name: Arms(None, float(row[name])) for name in METRICS if name in row
        }
        for row in _rows("table_5.csv")
    }


@cache
def table_7() -> Mapping[str, Arms]:
    """Prompt -> share of right images in per cent."""
    return {row["prompt"]: Arms(float(row["base"]), float(row["adapted"])) for row in _rows("table_7.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
