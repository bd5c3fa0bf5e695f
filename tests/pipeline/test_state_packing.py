import random
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from pipeline import prompt_windows, state_packing, tables
from pipeline.llm import LlmShape
from pipeline.prompt_windows import PROMPTS
from pipeline.state_files import States
from pipeline.state_packing import write_states
from tests.pipeline.frozen_models import llm_params

SIZES = LlmShape(layers=2, width=4)
ROW_BYTES = 12 * SIZES.width * 2  # of the longest prompt's states in float16
WORDS = SimpleNamespace(ids=lambda prompts: [list(map(int, prompt.split())) for prompt in prompts], own=list)


def prompts(count, seed):
    """Texts of 1 to 12 numbers, which are their own tokens; some come twice."""
    drawn = random.Random(seed)
    return [" ".join(str(drawn.randrange(40)) for _ in range(drawn.randint(1, 12))) for _ in range(count)]


def surd(folder, texts, rows=50):
    made = [{"sample_id": f"x:{number:04d}", "simple_prompt": text} for number, text in enumerate(texts)]
    tables.write_shards([tables.from_rows(made, PROMPTS)], folder, PROMPTS, rows=rows)
    return folder


def build(_fed):
    """A token's state is its number, in each place."""

    def operator(table):
        own = pa.array(WORDS.ids(table.column("key").to_pylist()), pa.list_(pa.int32()))
        flat = np.repeat(own.flatten().to_numpy(), SIZES.width).astype(np.float16)
        states = pa.ListArray.from_arrays(own.offsets, pa.FixedSizeListArray.from_arrays(pa.array(flat), SIZES.width))
        return pa.table({"key": table.column("key"), "tokens": own, "states": states})

    return operator


def write(tmp_path, texts, unit=40):
    source, folder = surd(tmp_path / "parts", texts), tmp_path / "states"
    write_states(source, folder, llm_params(states="tokens"), SIZES, build=build, tokens=WORDS, unit=unit)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Ten of the longest prompts a record batch, forty a chunk."""
    monkeypatch.setattr(state_packing, "BATCH_BYTES", 10 * ROW_BYTES)
    monkeypatch.setattr(state_packing, "UNIT_BYTES", 40 * ROW_BYTES)
    monkeypatch.setattr(state_packing, "PART_PROMPTS", 200)
    monkeypatch.setattr(prompt_windows, "SHARDS_A_WINDOW", 6)


@pytest.fixture
def rows_read(monkeypatch):
    """Rows of each chunk that was read."""
    read, made = tables.read, []

    def counted(path, *args, **named):
        found = read(path, *args, **named)
        if path.name.startswith("chunk-"):
            made.append(found.num_rows)
        return found

    monkeypatch.setattr(tables, "read", counted)
    return made


def test_every_sample_has_its_prompts_states(tmp_path):
    texts = prompts(450, 0)
    found = States(write(tmp_path, texts))
    for number, text in enumerate(texts):
        ids = list(map(int, text.split()))
        assert found.tokens(f"x:{number:04d}").tolist() == ids
        assert found.of(f"x:{number:04d}")[:, 0].tolist() == ids


def test_a_chunk_of_the_store_is_not_read_for_each_record_batch(tmp_path, rows_read):
    texts = prompts(300, 1)
    write(tmp_path, texts)
    assert sum(rows_read) <= 2 * len(set(texts))


def test_no_more_is_taken_from_the_store_than_a_chunk_has(tmp_path, monkeypatch):
    taken, take = [], state_packing.ResultStore.take
    monkeypatch.setattr(
        state_packing.ResultStore, "take", lambda store, keys: taken.append(len(keys)) or take(store, keys)
    )
    write(tmp_path, prompts(300, 1))
    assert max(taken) == 40


def test_parts_and_record_batches_have_a_bounded_size_whatever_is_computed_together(tmp_path, monkeypatch):
    texts = prompts(300, 2)
    one = write(tmp_path / "one", texts)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other store"))
    other = write(tmp_path / "other", texts, unit=7)
    names = sorted(path.name for path in one.iterdir())
    assert names == ["index.arrow", "part-00000.arrow", "part-00001.arrow"]
    assert [(one / name).read_bytes() == (other / name).read_bytes() for name in names] == [True] * 3
    with pa.memory_map(str(one / "part-00000.arrow")) as source:
        part = pa.ipc.open_file(source)
        assert part.num_record_batches == 20
        assert max(part.get_batch(number).nbytes for number in range(20)) <= 10 * (ROW_BYTES + 12 * 4)
