"""Made-up contents of ``docs/studies/<name>.json``."""

from typing import Any

from tests.pipeline.report.folder import line

RUN = {
    "diffusion": "miniature/models/diffusion",
    "llm": "miniature/models/llama-40",
    "layer": 20,
    "kind": "sur",
    "llm_loss": True,
    "complex_prompt_loss": True,
}
EQUAL = {"difference": 0.004, "margin": 0.02, "p": 0.01, "p_not_worse": 0.01}


def skills(base: float = 0.4, **more: Any) -> dict[str, Any]:
    """Colour better, action no difference, counting worse."""
    return {
        "action": line(base, 0.46, 0.61, **more),
        "colour": line(base, 0.569, 0.0002, **more),
        "counting": line(base, 0.3, 0.011, **more),
        "all": line(base, 0.47, 0.004, **{**more, "p_holm": None}),
    }


def row(label: str, run: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One training, or what it drew with one method."""
    return {
        "row": label.rsplit(maxsplit=1)[-1],
        "label": label,
        "settings": {},
        "run": {**RUN, **(run or {})},
        "experiment": f"study-{label}",
        "accuracy": skills(complex=0.8),
        "clip_score": 0.512,
        "quality": {},
        "equivalence": {},
        "validation": {"adapted": 0.05, "base": 0.07, "complex": 0.049},
        "gained": [],
        "lost": [],
        **more,
    }


def study(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A whole file."""
    return {
        "study": "layers",
        "title": "LLM layers (the paper's Table 4)",
        "command": "sur study layers",
        "confidence": 0.95,
        "sentences": ["Layer 20 & the others."],
        "rows": rows,
        "without_result": {},
        "contrasts": [],
        **more,
    }
