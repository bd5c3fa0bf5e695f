from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import InputError
from pipeline.state_files import States, StatesWriter, part_schema, state_files, write_empty_states

WIDTH = 3
TOKENS = {"a b": [4, 5], "c": [9], "d e f": [1, 2, 3]}


def state(token, layers):
    return [[token + layer / 4] * WIDTH for layer in range(layers or 1)]


def found(prompts, layers):
    """Rows as the work store gives them, one prompt at a time."""
    for prompt in prompts:
        ids = TOKENS.get(prompt, [int(prompt)] if prompt.isdigit() else None)
        flat = pa.array(np.array([state(token, layers) for token in ids], np.float16).reshape(-1))
        rows = pa.FixedSizeListArray.from_arrays(flat, WIDTH * (layers or 1))
        yield pa.table({"tokens": [ids], "states": pa.ListArray.from_arrays([0, len(ids)], rows)})


def write(folder, layers=0):
    with state_files(folder) as (temporary, index):
        writer = StatesWriter(temporary, part_schema(layers, WIDTH, "float16", {"llm": "m"}))
        for prompts in (["a b", "c"], ["d e f"]):
            writer.part(prompts, found(prompts, layers))
        for ids, prompts in ((["s:1", "s:2", "s:3"], ["a b", "c", "a b"]), (["s:4", "s:5"], ["c", "d e f"])):
            index.write_table(writer.rows(ids, prompts))
        if layers:
            writer.alone(found(["1", "4", "9"], layers))
    return folder


def test_a_samples_states_come_back(tmp_path):
    states = States(write(tmp_path / "states"))
    assert states.of("s:5").tolist() == [state(token, 0)[0] for token in (1, 2, 3)]
    assert states.of("s:4").tolist() == [state(9, 0)[0]]
    assert states.tokens("s:5").tolist() == [1, 2, 3]
    assert states.of("s:1").dtype == np.float16
    assert states.facts("s:1") == {"llm": "m", "dtype": "float16"}


def test_states_of_all_blocks_have_an_axis_for_them(tmp_path):
    states = States(write(tmp_path / "states", layers=4))
    assert states.of("s:1").shape == (2, 4, WIDTH)
    assert states.of("s:1")[1].tolist() == state(5, 4)
    assert states.alone(9).tolist() == state(9, 4)
    for token in (0, 5, 10):
        with pytest.raises(InputError, match=f"alone.arrow lacks token {token}"):
            states.alone(token)


def test_an_array_lies_in_the_mapped_file_and_nowhere_else(tmp_path):
    states = States(write(tmp_path / "states"))
    before = pa.total_allocated_bytes()
    values = states.of("s:5")
    assert pa.total_allocated_bytes() == before
    assert not values.flags.owndata
    assert not values.flags.writeable
    assert _file_at(values.__array_interface__["data"][0]).endswith("part-00001.arrow")


def _file_at(address):
    """The file that is mapped at an address of this process."""
    with Path("/proc/self/maps").open() as lines:
        for line in lines:
            first, last = (int(part, 16) for part in line.split()[0].split("-"))
            if first <= address < last:
                return line.split()[-1]
    return ""


def test_samples_with_one_prompt_share_rows(tmp_path):
    folder = write(tmp_path / "states")
    with pa.memory_map(str(folder / "index.arrow")) as source:
        rows = pa.ipc.open_file(source).read_all().to_pylist()
    places = {row["sample_id"]: (row["file"], row["row"], row["tokens"]) for row in rows}
    assert places["s:1"] == places["s:3"] == ("part-00000.arrow", 0, 2)
    assert places["s:4"] == ("part-00000.arrow", 2, 1)
    assert places["s:5"] == ("part-00001.arrow", 0, 3)


def test_the_same_states_give_the_same_bytes(tmp_path):
    one, other = write(tmp_path / "one", 4), write(tmp_path / "other", 4)
    names = sorted(path.name for path in one.iterdir())
    assert names == ["alone.arrow", "index.arrow", "part-00000.arrow", "part-00001.arrow"]
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_a_break_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), state_files(tmp_path / "states"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_without_states_the_index_is_empty_and_reading_names_the_setting(tmp_path):
    write_empty_states(tmp_path / "states")
    with pa.memory_map(str(tmp_path / "states" / "index.arrow")) as source:
        assert pa.ipc.open_file(source).read_all().schema.names == ["sample_id", "file", "row", "tokens"]
    with pytest.raises(InputError, match=r"holds no token states: set llm.states to tokens or blocks"):
        States(tmp_path / "states")


def test_what_is_missing_or_damaged_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"index.arrow is missing: run dvc repro embed"):
        States(tmp_path / "states")
    states = States(write(tmp_path / "states"))
    for name in ("s:0", "s:6"):
        with pytest.raises(InputError, match=rf"lacks the sample {name}"):
            states.of(name)
    (tmp_path / "states" / "index.arrow").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is no file of token states"):
        States(tmp_path / "states")
