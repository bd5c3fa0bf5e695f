"""What a judge's answers to one image amount to, beside all or nothing: a soft score, and the share that holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def with_parents(answers: Sequence[Mapping[str, Any]], atoms: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A judge's answers, in which an atom whose parent does not hold does not hold either (DSG's rule).

    Verdicts are kept without it: beside another judge's word on the parent they must not depend on this judge's.

    Args:
        answers: in the order of atoms.
        atoms: of the prompt; ``depends_on`` are indices of atoms before. What the judge did not answer fails nothing.
    """
    held: dict[int, Mapping[str, Any]] = {}
    for answer in answers:
        parents = atoms[answer["atom"]].get("depends_on") or ()
        failed = any(not held[parent]["verdict"] for parent in parents if parent in held)
        held[answer["atom"]] = {**answer, "p": 0.0, "verdict": False} if failed else answer
    return list(held.values())


def soft_score(p: Sequence[float]) -> float:
    """Geometric mean of the atoms' probabilities, 0 to 1, higher is better: soft-TIFA's score of a prompt.

    Source: GenEval 2, arXiv 2512.16853.
    """
    return float(np.exp(np.mean(np.log(p)))) if min(p) > 0 else 0.0


def atom_share(verdicts: Sequence[bool]) -> float:
    """Share of the atoms that hold, 0 to 1, higher is better: DPG-Bench's score of an image, over 100."""
    return sum(verdicts) / len(verdicts)
