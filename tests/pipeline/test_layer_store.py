import pickle

import pyarrow as pa
import pytest

from pipeline import layer_store, work
from pipeline.layer_encoder import result
from pipeline.layer_store import LayerStore
from pipeline.operating import Work, as_they_are, local

WIDTH = 2
KEYS = ["a", "b", "c"]


def columns(layers):
    return result(layers, WIDTH, "float32")


def store(**settings):
    return LayerStore({"model": "m"} | settings, columns)


def rows(keys, layers, value=0.0):
    """Each vector holds its layer and a value."""
    vectors = {
        f"layer_{layer}": pa.array([[layer, value]] * len(keys), pa.list_(pa.float32(), WIDTH)) for layer in layers
    }
    return pa.table({"key": keys, "tokens": pa.array([1] * len(keys), pa.int32())} | vectors)


def keep(layers, keys=KEYS, *, asked=(1, 2, 3), value=0.0):
    into = store().only(layers, asked)
    into.note(into.writer(rows(keys, layers, value)))


def test_what_was_computed_with_other_layers_is_found():
    keep((1, 2, 3))
    assert store().lacking(KEYS, (1, 3)) == {}
    assert store().take(["c", "a", "a"], (3,)).column("layer_3").to_pylist() == [[3, 0]] * 3


def test_only_missing_layers_are_lacking_and_what_is_there_stays():
    keep((2,), value=0.5)
    assert store().lacking(KEYS, (1, 2, 3)) == dict.fromkeys(KEYS, (1, 3))
    keep((1, 3), value=0.25)
    assert store().lacking(KEYS, (1, 2, 3)) == {}
    found = store().take(KEYS, (1, 2, 3))
    assert found.column_names == ["tokens", "layer_1", "layer_2", "layer_3"]
    assert [found.column(f"layer_{layer}")[0].as_py() for layer in (1, 2, 3)] == [[1, 0.25], [2, 0.5], [3, 0.25]]


def test_rows_of_a_layer_may_lie_in_several_sets():
    keep((2,), ["a", "c"], value=0.5)
    keep((1, 2), ["b"], value=0.25)
    found = store().take(["c", "b", "a"], (2,))
    assert found.column("layer_2").to_pylist() == [[2, 0.5], [2, 0.25], [2, 0.5]]
    with pytest.raises(KeyError, match="a"):
        store().take(KEYS, (1,))


def test_prompts_that_lack_other_layers_are_another_rounds():
    keep((2,), ["a"])
    whole = store()
    assert whole.lacking(KEYS, (1, 2)) == {"a": (1,), "b": (1, 2), "c": (1, 2)}
    assert whole.only((1,), (1, 2)).missing(KEYS) == ["a"]
    assert whole.only((1, 2), (1, 2)).missing(KEYS) == ["b", "c"]


def test_other_settings_and_other_code_share_nothing(monkeypatch):
    keep((1,))
    assert store(model="other").lacking(KEYS, (1,))
    assert LayerStore({"model": "m"}, columns, code=(layer_store,)).lacking(KEYS, (1,))
    before = sorted(path.name for path in (work.root() / "embed").iterdir())
    assert store().lacking(KEYS, (1,)) == {}
    assert sorted(path.name for path in (work.root() / "embed").iterdir()) == before


def test_whoever_waited_sees_what_another_process_wrote():
    early = store()
    into = early.only((1, 2), (1, 2))
    keep((1, 2), ["a"])
    keep((1,), ["b"])
    with into.locked():
        assert into.missing(KEYS) == ["c"]
        assert early.lacking(KEYS, (1, 2))["b"] == (2,)


def test_what_another_process_wrote_of_the_layers_leaves_the_others_lacking():
    waiting, other = store(), store()
    into = waiting.only((1, 2, 3), (1, 2, 3))
    first = other.only((2,), (2,))
    with first.locked():
        first.note(first.writer(rows(KEYS, (2,), 0.5)))
    with into.locked():
        assert into.missing(KEYS) == []
    assert waiting.lacking(KEYS, (1, 2, 3)) == dict.fromkeys(KEYS, (1, 3))


def test_no_prompts_have_rows_of_every_layer():
    assert store().take([], (1, 2)).schema.names == ["tokens", "layer_1", "layer_2"]


def test_units_run_through_the_engine_and_the_writer_can_be_sent_away():
    whole = store()
    into = whole.only((1, 2), (1, 2))
    calls = []

    def build():
        def operator(table):
            calls.append(table.num_rows)
            return rows(table.column("key").to_pylist(), (1, 2))

        return operator

    local(Work("x", build, as_they_are, 2), pa.table({"key": KEYS}), into)
    assert calls == [2, 1]
    sent = pickle.loads(pickle.dumps(into.writer))
    into.note(sent(rows(["d"], (1, 2))))
    assert whole.lacking([*KEYS, "d"], (1, 2)) == {}
