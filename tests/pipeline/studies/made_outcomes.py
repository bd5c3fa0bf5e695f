"""Made-up finished rows of a study."""

from pipeline.report.paper import Run
from pipeline.studies.collecting import Outcome
from pipeline.studies.definitions import Row
from tests.pipeline.report.folder import line

SKILLS = ("action", "colour", "counting")
PROMPTS = 12


def row(key="both", label=None, layer=None, **overrides):
    return Row(key, label or f"row {key}", overrides, layer)


def judged(action=(0.4, 0.5, 0.3), colour=(0.4, 0.6, 0.001), counting=(0.4, 0.3, 0.2), **more):
    """Accuracy lines: (base, adapted, p) by skill; intervals reach 6 points below and 7 above, p (Holm) is twice p."""
    lines = {"action": line(*action, **more), "colour": line(*colour, **more), "counting": line(*counting, **more)}
    ends = [sum(one[key] for one in lines.values()) / 3 for key in ("base", "adapted")]
    return {**lines, "all": line(*ends, 0.02, p_holm=None, **more)}


def shares(adapted):
    """Lines of prompts.csv: ``PROMPTS`` a skill, all with the share that ``adapted`` gives for skill and number."""
    return [
        {
            "prompt_id": f"{skill}-{number}",
            "type": skill,
            "text": f"{skill} {number}",
            "adapted": f"{adapted(skill, number):.4f}",
            "base": "0.5000",
        }
        for skill in SKILLS
        for number in range(PROMPTS)
    ]


RUN = Run("miniature/models/diffusion", "miniature/models/llama-40", 20, "sur", llm_loss=True, complex_prompt_loss=True)


def outcome(
    key="both",
    *,
    accuracy=None,
    adapted=lambda skill, number: 0.5,
    layer=None,
    label=None,
    run=RUN,
    method=None,
    curve=(),
    **statistics,
):
    found = {"accuracy": judged(complex=0.8) if accuracy is None else accuracy, **statistics}
    validation = {"adapted": 0.051, "base": 0.07, "complex": 0.049}
    made = row(key, label, layer, **{"loss.llm_weight": 0.0})
    return Outcome(made, f"ablation-{key}-12345678", found, shares(adapted), validation, run, method, curve)
