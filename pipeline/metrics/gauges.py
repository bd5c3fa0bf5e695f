"""Gauges: what is read off a picture once by a model's weights and kept, and the figures that follow from it.

A reading belongs to a picture's bytes and to the weights: a vector of a CLIP-like model, or a number. It lies in the
work store, so that another metric, another bootstrap or another prompt file reads no known picture again.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline import clip_score, clip_text_tower, clip_texts, tables
from pipeline.errors import ModelError
from pipeline.files import digest
from pipeline.metrics import brisque, clip_based, clip_iqa, clip_models, musiq
from pipeline.metrics.clip_models import Logit
from pipeline.metrics.settings import BrisqueMetric, ClipIqaMetric, ClipMetric, Metric
from pipeline.tables import column
from pipeline.work import ROW_KEY, ResultStore

Values = NDArray[np.float64]

AT_ONCE = 64
"""Pictures or texts a call of a CLIP-like model; a shorter call is filled up, since products round by their size."""
LOGIT = "logit"
"""Key of a model's own scale and bias among its vectors: pictures' keys are digests, texts' begin with ``text``."""
VERSION = "1"
VECTORS = tables.schema(column("reading", pa.list_(pa.float32()), "features of a picture or text, length 1"))
NUMBERS = tables.schema(column("reading", pa.float64(), "the metric's value of a picture"))


class Rater(Protocol):
    """A model that gives a picture a number."""

    def values(self, pictures: Sequence[Image.Image], /) -> list[float]:
        """One number a picture."""


class Gauge:
    """One entry of ``evaluate.metrics`` at work.

    Args:
        metric: the entry.
        build: loads the model; called at most once, and only where a reading is missing.
    """

    def __init__(self, metric: Metric, build: Callable[[], Any]) -> None:
        self.metric, self._model = metric, functools.cache(build)
        self._is_clip = isinstance(metric, ClipMetric)
        columns = VECTORS if self._is_clip else NUMBERS
        self.store = ResultStore("evaluate", metric.decisive(), columns, code=_code(metric))

    @property
    def version(self) -> str:
        """What its figures depend on: version of the formulas, model and revision of its weights."""
        name = self.metric.kind if not hasattr(self.metric, "model") else self.metric.model
        return f"{VERSION}, {name} {self.metric.revision}"

    def load(self) -> None:
        """Have the model ready.

        Raises:
            ModelError: its weights are missing or others.
        """
        self._model()

    def read(self, pictures: Mapping[str, Image.Image]) -> None:
        """Read pictures, SHA-256 -> RGB picture, at most AT_ONCE, and keep what was read."""
        shown = list(pictures.values())
        self._keep(list(pictures), self._filled(self._model().images, shown) if self._is_clip else self._rate(shown))

    def figures(self, shas: Sequence[str], texts: Sequence[str]) -> dict[str, Values]:
        """Figure -> one value a picture.

        Args:
            shas: the pictures, whose readings are there.
            texts: each picture's simple prompt, whatever text its arm was given.
        """
        if not isinstance(self.metric, ClipMetric):
            return {self.metric.figures[0]: np.asarray(self._taken(shas), np.float64)}
        cosines = clip_based.cosines(self._taken(shas), self._texts(texts))
        name, second = self.metric.figures
        if self.metric.kind == "clip":
            return {name: cosines}
        return {name: cosines, second: clip_based.sigmoid_score(cosines, *self._logit())}

    def pairing(self) -> tuple[str, str, float] | None:
        """The figure that compares both arms, the cosine that it is made from, and the scale; None where none does."""
        if not isinstance(self.metric, ClipMetric) or self.metric.kind != "clip":
            return None
        scale = self.metric.logit_scale
        cosine, paired = self.metric.figures
        return paired, cosine, self._logit().scale if scale is None else scale

    def _rate(self, pictures: Sequence[Image.Image]) -> list[float]:
        rater: Rater = self._model()
        return rater.values(pictures)

    def _texts(self, texts: Sequence[str]) -> Any:
        """Vectors of the texts, each distinct one encoded once."""
        keys = {text: f"text {digest(text)}" for text in texts}
        with self.store.locked():
            unknown = set(self.store.missing(list(keys.values())))
            waiting = sorted(text for text, key in keys.items() if key in unknown)
            for start in range(0, len(waiting), AT_ONCE):
                part = waiting[start : start + AT_ONCE]
                self._keep([keys[text] for text in part], self._filled(self._model().texts, part))
        return self._taken([keys[text] for text in texts])

    def _logit(self) -> Logit:
        """The model's own scale and bias, read off it once: float32 holds both as they are."""
        with self.store.locked():
            if self.store.missing([LOGIT]):
                self._keep([LOGIT], [list(self._model().logit)])
        return Logit(*self._taken([LOGIT])[0].tolist())

    def _filled(self, encode: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> list[Any]:
        full = [*items, *([items[-1]] * (AT_ONCE - len(items)))]
        return list(encode(full)[: len(items)])

    def _keep(self, keys: Sequence[str], readings: Sequence[Any]) -> None:
        values = pa.array(readings, self.store.schema.field("reading").type)
        self.store.add(pa.table({ROW_KEY: pa.array(keys, pa.string()), "reading": values}))

    def _taken(self, keys: Sequence[str]) -> Any:
        return np.array(self.store.take(keys).column("reading").to_pylist())


class _Brisque:
    """BRISQUE as a rater."""

    def __init__(self, metric: BrisqueMetric) -> None:
        folder = Path(metric.weights).expanduser()
        found = brisque.revision(folder)
        if found != metric.revision:
            raise ModelError(f"weights in {metric.weights} have revision {found}, not {metric.revision}: see evaluate")
        self._regression = brisque.load(folder)

    def values(self, pictures: Sequence[Image.Image]) -> list[float]:
        """One score a picture."""
        return [brisque.brisque(picture, self._regression) for picture in pictures]


def gauge(metric: Metric, device: str) -> Gauge:
    """The gauge of a setting, with the model that it names."""
    return Gauge(metric, functools.partial(_load, metric, device))


def _load(metric: Metric, device: str) -> Any:
    """The model.

    Raises:
        ModelError: ``weights X missing``, or whatever else is wrong with them.
    """
    path = metric.weights
    if path is not None and not Path(path).expanduser().exists():
        raise ModelError(f"weights {path} missing")
    match metric:
        case ClipMetric():
            return clip_models.load(metric, device)
        case BrisqueMetric():
            return _Brisque(metric)
        case ClipIqaMetric():
            return clip_iqa.ClipIqa(metric, device)
    return musiq.Musiq(metric, device)


def _code(metric: Metric) -> tuple[ModuleType, ...]:
    """Modules that decide a reading."""
    towers = (clip_score, clip_text_tower, clip_texts, clip_models)
    match metric:
        case ClipMetric():
            return towers
        case BrisqueMetric():
            return (brisque,)
        case ClipIqaMetric():
            return (*towers, clip_iqa)
    return (musiq,)
