"""What each figure is called, in which direction it is better, and between what it lies: the one place that knows.

Names of CLIP-like figures begin with the name that ``evaluate.metrics`` gives the model: ``clip_cosine``,
``pickscore_score``, ``siglip_sigmoid``.
"""

from dataclasses import dataclass

HIGHER, LOWER = "↑", "↓"
COSINE, PAIRED, SIGMOID = "_cosine", "_score", "_sigmoid"
"""Ends of the names of what a CLIP-like model gives."""
SOFT, ATOMS = "_soft", "_atoms"
"""Ends of the names of what a judge with a model gives beside its verdicts."""
CLIP_SCORE = "clip" + PAIRED
"""The paper's CLIP Score: that of the metric named ``clip``."""
BRISQUE, CLIP_IQA, MUSIQ = "brisque", "clip_iqa", "musiq"
JUDGED = "judge_quality"
AGAINST = "accuracy_against_"
"""Begins the name of the adapted arm's accuracy beside that of a rival (:data:`pipeline.arms.RIVALS`)."""
BY_WORDING = "accuracy_by_wording"
"""Accuracy apart for prompts in words of the training and in words unseen there."""


@dataclass(frozen=True)
class Meaning:
    """How a figure is read.

    Args:
        label: in a table, without an arrow.
        higher_is_better: False for BRISQUE alone.
        low: least value; None where there is no bound.
        high: greatest value; None where there is no bound.
        digits: after the point.
        is_quality: of the picture alone, whatever its prompt: the adapted arm shall be as good as the base arm.
    """

    label: str
    higher_is_better: bool = True
    low: float | None = 0.0
    high: float | None = 1.0
    digits: int = 3
    is_quality: bool = False

    @property
    def arrow(self) -> str:
        """Where better lies."""
        return HIGHER if self.higher_is_better else LOWER

    @property
    def titled(self) -> str:
        """``BRISQUE ↓``."""
        return f"{self.label} {self.arrow}"


QUALITY = {
    BRISQUE: Meaning("BRISQUE", higher_is_better=False, low=None, high=None, digits=2, is_quality=True),
    CLIP_IQA: Meaning("CLIP-IQA", is_quality=True),
    MUSIQ: Meaning("MUSIQ", high=100.0, digits=2, is_quality=True),
    JUDGED: Meaning("Quality by the judge", is_quality=True),
}
"""The paper's three figures of picture quality, in its order, and the judge's."""
MODELS = {"clip": "CLIP", "siglip": "SigLIP", "pickscore": "PickScore", "hps": "HPS", "vqa": "VQA"}
ENDS = {COSINE: "cosine", PAIRED: "Score", SIGMOID: "sigmoid", SOFT: "soft score", ATOMS: "atoms"}


def meaning(name: str) -> Meaning:
    """How a figure of scores.parquet is read.

    Raises:
        KeyError: nothing of that name is ever computed.
    """
    if name in QUALITY:
        return QUALITY[name]
    for end, label in ENDS.items():
        if name.endswith(end):
            model = name.removesuffix(end)
            return Meaning(f"{MODELS.get(model, model)} {label}", low=-1.0 if end == COSINE else 0.0)
    raise KeyError(name)
