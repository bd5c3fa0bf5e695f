"""Section ``clip`` of params.yaml, and the rule that keeps a pair by its scores (arXiv 2305.05189, section 3.1)."""

import difflib
import importlib.util
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, ValidationInfo, field_validator

from pipeline import model_folders
from pipeline.errors import ModelError
from pipeline.params import Section

Score = float | None
Values = npt.NDArray[np.floating[Any]]

RULE = ("margin", "min_simple", "min_complex")
"""Keys of the section that change the rule alone: no score depends on them."""
SIMPLE_LOWER, SIMPLE_LOW, COMPLEX_LOW = "simple_scores_lower", "simple_below_minimum", "complex_below_minimum"
REASONS = (SIMPLE_LOWER, SIMPLE_LOW, COMPLEX_LOW)
"""Why a pair is dropped; of several the first in this order is told."""


class ClipParams(Section):
    """Section ``clip`` of params.yaml."""

    model: str = Field(min_length=1)
    """Folder in open_clip's form, Hugging Face id, or an architecture of open_clip (paper: ViT-B-32-quickgelu)."""

    revision: str = Field(min_length=1)
    """A folder's content digest, a hub model's commit, an architecture's pretrained tag (paper: openai), or the content
    digest of the file ``weights``."""

    weights: str | None
    """A file on this machine (.safetensors, .pt, .pth, .bin) with the weights of the architecture ``model``; empty
    where the model brings its own."""

    dtype: Literal["float32", "bfloat16", "float16"]
    """What the model computes in; lengths and scores are float32. Half precision moves a score by about 0.1."""

    long_prompts: Literal["truncate", "mean_of_chunks"]
    """Prompts beyond CLIP's context: cut off as in the paper, or cut into pieces whose features are averaged."""

    margin: float = Field(ge=-100.0, le=100.0)
    """A pair is kept if score_simple - score_complex is at least this; score units, 0 is the paper's rule."""

    min_simple: Score = Field(ge=-100.0, le=100.0)
    """Least score of the simple prompt that is kept; score units (100 x cosine), empty asks nothing (the paper)."""

    min_complex: Score = Field(ge=-100.0, le=100.0)
    """Least score of the complex prompt that is kept: prompts of other pictures score low. Units as above."""

    @field_validator("weights")
    @classmethod
    def _want_an_architecture(cls, value: str | None, info: ValidationInfo) -> str | None:
        model = info.data.get("model", "")
        if value is not None and (model_folders.is_folder(model) or "/" in model):
            raise ValueError(f"goes with an architecture of open_clip as clip.model, not with {model}")
        return value

    def pictures(self) -> dict[str, str]:
        """What decides a picture's features."""
        return self.model_dump(include={"model", "revision", "dtype"})

    def scores(self) -> dict[str, str]:
        """What decides the scores: all but the rule and the path of the weights, whose content the revision names."""
        return self.model_dump(exclude={*RULE, "weights"})

    def rule(self) -> dict[str, float | None]:
        """What decides which pairs are kept, beside their scores."""
        return self.model_dump(include=set(RULE))


def reasons(score_simple: Values, score_complex: Values, config: ClipParams) -> pa.Array:
    """Why each pair is dropped, one of REASONS, or null where it is kept: a string array of shape (n,).

    The paper's rule: the simple prompt fits at least as well as the complex one; ties are kept. A margin above 0 is
    stricter, below 0 laxer; minimum scores, which a score must reach, come on top.

    Args:
        score_simple: 100 x cosine of picture and simple prompt, shape (n,).
        score_complex: 100 x cosine of picture and complex prompt, shape (n,).
        config: margin and minimums.
    """
    lacking = slack(score_simple, score_complex, config) < 0  # (n, 3)
    names = np.array([*REASONS, None], dtype=object)
    first = np.where(lacking.any(axis=1), lacking.argmax(axis=1), len(REASONS))
    return pa.array(names[first], pa.string())


def slack(score_simple: Values, score_complex: Values, config: ClipParams) -> npt.NDArray[np.float64]:
    """By how much each pair reaches each bound, in the order of REASONS: (n, 3); infinite where none is set."""
    simple, complex_ = np.asarray(score_simple, np.float64), np.asarray(score_complex, np.float64)
    bounds = [-np.inf if bound is None else bound for bound in (config.margin, config.min_simple, config.min_complex)]
    return np.stack([simple - complex_ - bounds[0], simple - bounds[1], complex_ - bounds[2]], axis=1)


def bounds(config: ClipParams) -> str:
    """The rule in words, for a message: ``clip.margin 0, clip.min_simple 20``."""
    return ", ".join(f"clip.{name} {value:g}" for name, value in config.rule().items() if value is not None)


def check_model(config: ClipParams) -> None:
    """Tell a fault of the model before anything is loaded.

    An architecture's name is compared with open_clip's own list, a file of weights with its digest.

    Raises:
        ModelError: a folder or a file of weights is missing or of another content, or there is no such architecture.
    """
    if config.weights is not None:
        model_folders.verify_file(config.weights, config.revision)
    else:
        model_folders.verify(config.model, config.revision)
    known = architectures()
    if known and not model_folders.is_folder(config.model) and "/" not in config.model and config.model not in known:
        close = difflib.get_close_matches(config.model, known, n=1)
        guess = f"; did you mean {close[0]}?" if close else ""
        raise ModelError(f"{config.model} is no folder, no hub id and no architecture of open_clip{guess}")


def architectures() -> list[str]:
    """What open_clip can build, by the files of its package: importing it takes seconds. Empty where it is missing."""
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        return []
    return sorted(path.stem for path in (Path(found.origin).parent / "model_configs").glob("*.json"))
