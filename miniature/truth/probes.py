"""Linear probes: how much of a scene a linear classifier reads from a sentence's vector.

A probe is ridge regression onto one-hot classes in closed form (Hastie, Tibshirani, Friedman: The Elements of
Statistical Learning, section 4.2), in float64, over standardised dimensions.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miniature.language import simple_prompt
from miniature.words import Wording
from miniature.world import Scene, sample_held_out_scene, sample_scene

Floats = NDArray[np.float64]
Labels = NDArray[np.object_]
Encode = Callable[[Sequence[str]], Mapping[str, NDArray[Any]]]
"""Sentences in; for each of an encoder's layers the vectors (sentences, width)."""
Accuracies = dict[str, dict[str, float]]
"""Shares of right classes by field and wording, 0 to 1."""

FIELDS: dict[str, Callable[[Scene], object]] = {
    "count": lambda scene: scene.groups[0].count,
    "colour": lambda scene: scene.groups[0].colour,
    "ground": lambda scene: scene.ground,
    "action": lambda scene: scene.groups[0].action,
}
"""What is read: of the first group its count and colour, the ground, and of people their action."""
WORDINGS: tuple[Wording, Wording] = ("seen", "unseen")
TRAINED_ON = {"mixed": WORDINGS, "seen": WORDINGS[:1]}
"""The wordings that a probe is trained on: both, or the seen one alone."""
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Ridge, relative to the number of sentences; the weakest of the best is taken."""
VALIDATION = 5
"""One training sentence in so many chooses the penalty."""


@dataclass(frozen=True)
class Sentences:
    """Simple prompts with their scenes."""

    texts: tuple[str, ...]
    scenes: tuple[Scene, ...]
    wordings: tuple[Wording, ...]

    def labels(self, field: str) -> Labels:
        """The class of each sentence, (n,); None where the field means nothing."""
        return np.array([FIELDS[field](scene) for scene in self.scenes], dtype=object)

    def of(self, wordings: Sequence[Wording]) -> NDArray[np.bool_]:
        """Which sentences have one of these wordings, (n,)."""
        return np.array([wording in wordings for wording in self.wordings], dtype=np.bool_)


def training_sentences(count: int, *, seed: int = 29) -> Sentences:
    """Sentences of compositions that models train on, seen and unseen wording in turn."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng) for _ in range(count)]
    return _sentences([(scene, WORDINGS[index % 2]) for index, scene in enumerate(scenes)], rng)


def held_out_sentences(count: int, *, seed: int = 31) -> Sentences:
    """Held-out compositions, each in both wordings: 2 x count sentences."""
    rng = random.Random(seed)
    scenes = [sample_held_out_scene(rng) for _ in range(count)]
    return _sentences([(scene, wording) for scene in scenes for wording in WORDINGS], rng)


def _sentences(asked: Sequence[tuple[Scene, Wording]], rng: random.Random) -> Sentences:
    texts = tuple(simple_prompt(scene, rng, wording=wording) for scene, wording in asked)
    return Sentences(texts, *zip(*asked, strict=True))


@dataclass(frozen=True)
class Probe:
    """A fitted classifier: argmax of ``(x - mean) / scale @ weights + bias``."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    classes: tuple[object, ...]

    @classmethod
    def fit(cls, vectors: NDArray[Any], labels: Labels, penalty: float) -> "Probe":
        """The ridge solution in closed form.

        Args:
            vectors: (n, d).
            labels: (n,).
            penalty: ridge over n, above 0.
        """
        exact = vectors.astype(np.float64)
        mean, spread = exact.mean(axis=0), exact.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        x = (exact - mean) / scale
        classes = tuple(sorted(set(labels.tolist()), key=str))
        y = (labels[:, None] == np.array(classes, dtype=object)).astype(np.float64)  # (n, classes)
        bias = y.mean(axis=0)
        gram = x.T @ x + penalty * len(x) * np.eye(x.shape[1])
        return cls(mean, scale, np.linalg.solve(gram, x.T @ (y - bias)), bias, classes)

    def says(self, vectors: NDArray[Any]) -> Labels:
        """The class of each vector, (n,)."""
        scores = (vectors.astype(np.float64) - self.mean) / self.scale @ self.weights + self.bias
        said: Labels = np.array(self.classes, dtype=object)[scores.argmax(axis=1)]
        return said


def fitted(vectors: NDArray[Any], labels: Labels) -> Probe:
    """A probe on all of these, its penalty chosen by the accuracy on one in VALIDATION that it was not fitted on."""
    held = np.arange(len(labels)) % VALIDATION == VALIDATION - 1
    shares = [
        accuracy(Probe.fit(vectors[~held], labels[~held], penalty), vectors[held], labels[held])
        for penalty in PENALTIES
    ]
    return Probe.fit(vectors, labels, PENALTIES[int(np.argmax(shares))])


def accuracy(probe: Probe, vectors: NDArray[Any], labels: Labels) -> float:
    """Share of right classes, 0 to 1."""
    return round(float((probe.says(vectors) == labels).mean()), 4)


def read(encode: Encode, training: Sentences, tests: Sentences) -> dict[str, dict[str, Accuracies]]:
    """What probes read from an encoder's layers: ``[trained on][layer][field][wording]``."""
    first, second = encode(training.texts), encode(tests.texts)
    return {
        name: {
            layer: {
                field: _on_wordings(_trained(vectors, field, training, wordings), second[layer], field, tests)
                for field in FIELDS
            }
            for layer, vectors in first.items()
        }
        for name, wordings in TRAINED_ON.items()
    }


def _trained(vectors: NDArray[Any], field: str, training: Sentences, on: Sequence[Wording]) -> Probe:
    labels = training.labels(field)
    used = training.of(on) & has(labels)
    return fitted(vectors[used], labels[used])


def _on_wordings(probe: Probe, vectors: NDArray[Any], field: str, tests: Sentences) -> dict[str, float]:
    labels = tests.labels(field)
    chosen = {wording: tests.of([wording]) & has(labels) for wording in WORDINGS}
    return {wording: accuracy(probe, vectors[which], labels[which]) for wording, which in chosen.items()}


def has(labels: Labels) -> NDArray[np.bool_]:
    """Where there is a class, (n,)."""
    return np.array([label is not None for label in labels], dtype=np.bool_)


def chance(training: Sentences, tests: Sentences) -> dict[str, float]:
    """Accuracy of the most frequent class of the training sentences, by field."""
    found: dict[str, float] = {}
    for field in FIELDS:
        labels, truth = training.labels(field), tests.labels(field)
        values, counts = np.unique(labels[has(labels)].astype(str), return_counts=True)
        found[field] = round(float((truth[has(truth)].astype(str) == values[counts.argmax()]).mean()), 4)
    return found
