"""A made-up data folder for tests of the report: every file that the report reads."""

import csv
from pathlib import Path
from typing import Any

from pipeline.files import write_json, write_text
from pipeline.plots import figure

MODELS = (("captions (BLIP)", "somebody/blip", "main"), ("LLM", "./nowhere", "0" * 16))


def line(base: float, adapted: float, p: float, **more: Any) -> dict[str, Any]:
    """One entry of statistics.json."""
    gain = adapted - base
    found = {"prompts": 20, "pairs": 80, "base": base, "adapted": adapted, "difference": gain, "low": gain - 0.06}
    return {**found, "high": gain + 0.07, "p": p, "p_holm": min(1.0, 2 * p), "mcnemar_p": p, "paper_ttest_p": p, **more}


def metrics() -> dict[str, Any]:
    """Colour better, action no difference, counting worse."""
    return {
        "accuracy": {
            "all": line(0.42, 0.47, 0.004, p_holm=None, complex=0.82),
            "action": line(0.45, 0.46, 0.61, complex=0.8),
            "colour": line(0.411, 0.569, 0.0002, complex=0.9),
            "counting": line(0.4, 0.3, 0.011, complex=0.75),
        },
        "clip_score": {"all": line(0.47, 0.53, 0.02, p_holm=None, mcnemar_p=None)},
        "clip_cosine": {"all": line(0.27, 0.28, 0.02, p_holm=None, mcnemar_p=None)},
        "clip_cosine_equivalence": {"difference": 0.01, "margin": 0.02, "p": 0.03, "p_not_worse": 0.03},
    }


def write_data(data: Path, figures: dict[str, Any] | None = None, *, source: str = "miniature") -> Path:
    """Write the folder and give it back."""
    write_json(data / "evaluate" / "statistics.json", metrics() if figures is None else figures)
    write_json(data / "evaluate" / "agreement.json", {})
    gaps = [{"metric": "preference", "reason": "reviews/preference has no answer about these images"}]
    if figures == {}:
        gaps.append({"metric": "accuracy", "reason": "there is no judge"})
    settings = {
        "judge": "miniature.oracle",
        "quality_judge": "miniature.oracle",
        "confidence": 0.95,
        "equivalence_margin_sd": 0.2,
        "not_computed": gaps,
    }
    write_json(data / "evaluate" / "report.json", {"in": 160, "out": 160, "dropped": {}, **settings})
    _write_prompts(data / "evaluate" / "prompts.csv", source)
    for name, rows_in, rows_out, dropped in _FUNNEL:
        write_json(data / name / "report.json", {"in": rows_in, "out": rows_out, "dropped": dropped})
    for name, start in (
        ("train/denoising", 0.9),
        ("train/llm", 220.0),
        ("val/denoising", 0.8),
        ("train/alignment", 0.0),
    ):
        steps = range(0, 300, 50 if name.startswith("val") else 1)
        rows = [f"{step}\t{start / (1 + step / 100)}" for step in steps]
        header = f"step\t{name.rpartition('/')[2]}"
        write_text(data / "train/log/plots/metrics" / f"{name}.tsv", "\n".join([header, *rows]) + "\n")
    return data


_FUNNEL = (
    ("scrape/lexica", 520, 500, {"no_prompt": 20}),
    ("scrape/civitai", 540, 505, {"no_prompt": 25, "unsafe": 10}),
    ("download", 1005, 990, {"not_found": 15}),
    ("clean", 990, 900, {"broken_image": 20, "near_duplicate": 70}),
    ("caption", 900, 899, {"repeated_words": 1}),
    ("clip_filter", 899, 520, {"simple_scores_lower": 379}),
    ("review_import", 520, 450, {"rejected": 70}),
    ("resize", 450, 450, {}),
)


def _write_prompts(path: Path, source: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["prompt_id", "type", "source", "text", "base", "adapted", "complex"])
        writer.writeheader()
        prompt = {"prompt_id": "x", "type": "counting", "source": source, "base": "0.2500", "adapted": "0.5000"}
        writer.writerow({**prompt, "text": "Seven vintage glass bottles."})
        writer.writerow({**prompt, "source": "miniature", "text": "<b>a | b</b>", "complex": "1.0000"})


def draw(path: Path, width_in: float = 6.0) -> Path:
    """Some picture."""
    with figure(path, width_in, 3.0) as axes:
        axes.set_title("a picture made by another stage")
    return path
