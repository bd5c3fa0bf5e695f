import pickle
import weakref

import pyarrow as pa

from pipeline import operating, prompt_windows, tables
from pipeline.operating import Work, as_they_are
from pipeline.prompt_windows import PROMPTS, Once, by_length, compute, windows
from pipeline.tables import column
from pipeline.work import ResultStore

TEXTS = ["a b c", "a", "b b", "a", "c", "b b", "d d d"]


def surd(folder, texts=TEXTS, rows=2):
    made = [{"sample_id": f"x:{number:03d}", "simple_prompt": text} for number, text in enumerate(texts)]
    tables.write_shards([tables.from_rows(made, PROMPTS)], folder, PROMPTS, rows=rows)
    return folder


def words(prompts):
    return [len(prompt.split()) for prompt in prompts]


def store():
    return ResultStore("x", {}, tables.schema(column("words", pa.int64(), "")))


def recording(units):
    def operator(table):
        keys = table.column("key").to_pylist()
        units.append(keys)
        return pa.table({"key": keys, "words": words(keys)})

    return lambda: operator


def test_windows_hold_some_shards_and_each_prompt_once(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_windows, "SHARDS_A_WINDOW", 3)
    first, second = windows(surd(tmp_path))
    assert first.prompts == TEXTS[:6]
    assert first.distinct == ["a b c", "a", "b b", "c"]
    assert [shard.num_rows for shard in second.shards] == [1]


def test_prompts_of_a_window_are_sorted_by_length_across_its_shards(tmp_path):
    units = []
    compute(Work("x", recording(units), as_they_are, 3), surd(tmp_path), store(), words, operating.local)
    assert units == [["a", "c", "b b"], ["a b c", "d d d"]]


def test_what_an_earlier_window_computed_is_not_computed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_windows, "SHARDS_A_WINDOW", 1)
    units = []
    compute(Work("x", recording(units), as_they_are, 9), surd(tmp_path), store(), words)
    assert units == [["a", "a b c"], ["b b"], ["c"], ["d d d"]]


def test_lengths_are_not_asked_for_when_all_is_there():
    by_length(Work("x", recording([]), as_they_are, 9), ["a"], store(), operating.local, words)

    def never(_prompts):
        raise AssertionError

    by_length(Work("x", never, as_they_are, 9), ["a"], store(), operating.local, never)


def test_an_operator_is_built_once_and_anew_where_it_is_sent():
    once = Once(dict)
    assert once() is once()
    sent = pickle.loads(pickle.dumps(once))
    assert sent._built is None
    assert sent() == {}


def test_an_operator_lives_through_all_windows_and_no_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_windows, "SHARDS_A_WINDOW", 1)
    built = []

    def build():
        def operator(table):
            return pa.table({"key": table.column("key"), "words": words(table.column("key").to_pylist())})

        built.append(weakref.ref(operator))
        return operator

    work = Work("x", build, as_they_are, 3)
    compute(work, surd(tmp_path), store(), words)
    assert [operator() for operator in built] == [None]
    assert work.build is build
