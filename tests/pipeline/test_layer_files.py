import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import llm, tables
from pipeline.layer_files import layer_files

WIDTH = 3


def vectors(values, dtype="float16"):
    flat = pa.array(np.array(values, dtype).reshape(-1))
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, WIDTH)])


def write(folder, shards):
    with layer_files(folder, (1, 12), WIDTH, "float16", {"llm": "m"}) as files:
        for ids, values in shards:
            files.add(1, pa.chunked_array([ids]), vectors(values))
        for ids, values in shards:
            files.add(12, pa.chunked_array([ids]), vectors(np.array(values) * 2))


def test_rows_of_all_shards_stand_in_each_layers_file(tmp_path):
    write(tmp_path / "layers", [(["a", "b"], [[1, 2, 3], [4, 5, 6]]), (["c"], [[7, 8, 9]])])
    assert sorted(path.name for path in (tmp_path / "layers").iterdir()) == ["layer_1.parquet", "layer_12.parquet"]
    table = tables.read(tmp_path / "layers" / "layer_12.parquet", llm.embeddings(WIDTH, "float16"))
    assert table.column("sample_id").to_pylist() == ["a", "b", "c"]
    assert llm.load_layer(tmp_path / "layers" / "layer_12.parquet", ["c", "a"]).tolist() == [[14, 16, 18], [2, 4, 6]]


def test_a_file_says_how_it_was_made_and_keeps_its_type(tmp_path):
    write(tmp_path / "layers", [(["a"], [[1, 2, 3]])])
    told = tables.metadata(tmp_path / "layers" / "layer_12.parquet")
    assert {key: told[key] for key in ("llm", "layer", "dtype")} == {"llm": "m", "layer": "12", "dtype": "float16"}
    file = pq.ParquetFile(tmp_path / "layers" / "layer_12.parquet")
    assert file.schema_arrow.field("embedding").type == pa.list_(pa.float16(), WIDTH)
    numbers = file.metadata.row_group(0).column(1)
    assert numbers.compression == "UNCOMPRESSED"
    assert "PLAIN" in numbers.encodings
    assert not any("DICTIONARY" in encoding for encoding in numbers.encodings)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name, [(["a"], [[1, 2, 3]]), (["b"], [[1, 2, 3]])])
    assert (tmp_path / "one" / "layer_1.parquet").read_bytes() == (tmp_path / "two" / "layer_1.parquet").read_bytes()


def test_a_break_in_the_middle_leaves_no_file(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        layer_files(tmp_path / "layers", (1,), WIDTH, "float16", {}) as files,
    ):
        files.add(1, pa.chunked_array([["a"]]), vectors([[1, 2, 3]]))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
