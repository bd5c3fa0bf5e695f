import numpy as np
import pytest

from miniature.truth import probes
from miniature.truth.probes import FIELDS, Probe, Sentences
from miniature.understanding import Meaning, understand
from miniature.world import COLOURS, Group, Scene, is_held_out

NAMES = ("one", "two", "three")


def _clusters(count, *, width=5, noise=0.3, seed=0):
    """Vectors around a centre for each class, and a dimension that never changes."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(len(NAMES), width))
    classes = rng.integers(len(NAMES), size=count)
    vectors = centres[classes] + noise * rng.normal(size=(count, width))
    return np.hstack([vectors, np.ones((count, 1))]).astype(np.float32), np.array(NAMES, object)[classes]


def test_a_probe_reads_classes_that_lie_apart():
    probe = probes.fitted(*_clusters(200))
    assert probes.accuracy(probe, *_clusters(100, seed=1)) > 0.95


def test_a_probe_reads_nothing_from_noise():
    vectors, labels = _clusters(300)
    noise = np.random.default_rng(3).normal(size=vectors.shape)
    assert probes.accuracy(probes.fitted(noise, labels), noise[::-1], labels) < 0.6


def test_a_probe_is_the_minimum_of_the_ridge_loss():
    vectors, labels = _clusters(60)
    probe = Probe.fit(vectors, labels, 0.01)
    x = (vectors.astype(np.float64) - probe.mean) / probe.scale
    y = (labels[:, None] == np.array(probe.classes, object)).astype(float)

    def loss(weights):
        return np.square(x @ weights + probe.bias - y).sum() + 0.01 * len(x) * np.square(weights).sum()

    steps = np.random.default_rng(1).normal(size=(20, *probe.weights.shape))
    assert probe.weights.dtype == np.float64
    assert all(loss(probe.weights + 1e-3 * step) > loss(probe.weights) for step in steps)


def test_scale_and_shift_of_a_dimension_do_not_matter():
    vectors, labels = _clusters(90)
    moved = vectors.astype(np.float64) * np.array([1e3, 1, 1, 1e-3, 1, 1]) + 7
    assert (Probe.fit(vectors, labels, 0.01).says(vectors) == Probe.fit(moved, labels, 0.01).says(moved)).all()


def test_the_penalty_is_chosen_on_sentences_that_were_not_fitted(monkeypatch):
    asked = []
    monkeypatch.setattr(probes, "accuracy", lambda probe, vectors, labels: asked.append(len(labels)) or len(asked) == 3)
    chosen = probes.fitted(*_clusters(50))
    assert asked == [10] * len(probes.PENALTIES)
    expected = Probe.fit(*_clusters(50), probes.PENALTIES[2])
    assert np.array_equal(chosen.weights, expected.weights)


def test_training_sentences_are_of_training_compositions_in_both_wordings():
    found = probes.training_sentences(40)
    assert found.wordings.count("seen") == found.wordings.count("unseen") == 20
    assert not any(is_held_out(scene) for scene in found.scenes)
    assert all(understand(text) == Meaning.of(scene) for text, scene in zip(found.texts, found.scenes, strict=True))


def test_held_out_sentences_say_each_composition_in_both_wordings():
    found = probes.held_out_sentences(10)
    assert len(found.texts) == 20
    assert found.scenes[::2] == found.scenes[1::2]
    assert set(found.wordings[::2]) == {"seen"}
    assert all(is_held_out(scene) for scene in found.scenes)
    assert found == probes.held_out_sentences(10)


def _encode(texts):
    """Layer 1 knows the meaning of every word, layer 2 nothing."""
    said = [understand(text) for text in texts]
    known = [[group.groups[0].count, *(group.groups[0].colour == name for name in COLOURS)] for group in said]
    grounds = [[meaning.ground == name for name in COLOURS] for meaning in said]
    whole = np.hstack([np.array(known, float), np.array(grounds, float)])
    return {"1": np.hstack([whole, np.eye(8)[whole[:, 0].astype(int)]]), "2": np.zeros((len(texts), 3))}


def test_layers_are_read_field_by_field_and_wording_by_wording():
    training, tests = probes.training_sentences(300), probes.held_out_sentences(60)
    found = probes.read(_encode, training, tests)
    assert set(found) == {"mixed", "seen"}
    for accuracies in found.values():
        assert list(accuracies) == ["1", "2"]
        assert set(accuracies["1"]) == set(FIELDS)
        for field in ("count", "colour", "ground"):
            assert min(accuracies["1"][field].values()) > 0.95
            assert max(accuracies["2"][field].values()) < 0.5
        assert max(accuracies["1"]["action"].values()) < 0.7


def test_a_probe_that_learns_from_seen_wording_gets_no_other(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        probes, "fitted", lambda vectors, labels: sizes.append(len(labels)) or Probe.fit(vectors, labels, 1)
    )
    probes.read(_encode, probes.training_sentences(100), probes.held_out_sentences(20))
    assert max(sizes[: len(sizes) // 2]) == 100
    assert max(sizes[len(sizes) // 2 :]) == 50


def test_chance_is_the_most_frequent_class_of_training():
    def sentences(*colours):
        scenes = tuple(Scene((Group(1, "circle", colour),), "black") for colour in colours)
        people = (Scene((Group(2, "person", "red", "waving"),), "black"),)
        return Sentences(("",) * (len(scenes) + 1), scenes + people, ("seen",) * (len(scenes) + 1))

    found = probes.chance(sentences("red", "red", "blue"), sentences("red", "blue", "blue"))
    assert found == {"count": 0.75, "colour": 0.5, "ground": 1.0, "action": 1.0}


@pytest.mark.parametrize("field", FIELDS)
def test_only_people_have_an_action(field):
    shape, person = Scene((Group(1, "star", "red"),), "blue"), Scene((Group(1, "person", "red", "lying"),), "blue")
    labels = Sentences(("", ""), (shape, person), ("seen", "seen")).labels(field)
    assert probes.has(labels).tolist() == [field != "action", True]
