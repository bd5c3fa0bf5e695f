import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import tables
from pipeline.errors import InputError
from pipeline.files import write_text
from pipeline.layer_files import layer_files
from pipeline.samples import SCORES
from pipeline.show import captions, layers, pictures, scores
from pipeline.tables import DROPPED
from stages.clip_filter import clip_filter
from tests.pipeline.frozen_models import clip_params
from tests.stages import pairs
from tests.stages.test_clip_filter import Pictures, Prompts

CAPTIONS = {number: f"score {number}" + " word" * (number % 7) for number in range(40)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        data = tmp_path_factory.mktemp("data")
        patch.setenv("SUR_WORK", str(data / "work"))
        pairs.download(data / "download" / "parts", range(42))
        pairs.clean(data / "clean" / "samples.parquet", range(42))
        source = pairs.captioned(data / "caption" / "captions.parquet", CAPTIONS)
        dropped = [{"sample_id": pairs.sample(number)["sample_id"], "drop_reason": "no_caption"} for number in (41, 40)]
        tables.write(tables.from_rows(dropped, DROPPED), data / "caption" / "dropped.parquet", DROPPED)
        config = clip_params(min_simple=28.0, min_complex=20.0)
        clip_filter(
            source,
            data / "download" / "parts",
            data / "clip_filter",
            config,
            pictures=Pictures,
            prompts=Prompts,
            unit=16,
        )
    return data


@pytest.fixture
def labels(monkeypatch):
    """What is written under the pictures of each sheet."""
    seen = {}
    for module in (captions.sheets, scores.score_charts.sheets):
        monkeypatch.setattr(module, "save", lambda path, pictures, texts, **_: seen.update({path.name: texts}))
    return seen


def test_captions_are_shown_at_random_at_both_ends_and_dropped(made, tmp_path, labels):
    told = pictures.draw("caption", tmp_path, count=4, data=made)
    assert told == [f"drawn: {tmp_path / name}.png" for name in ("random", "longest", "shortest", "dropped")]
    assert [len(texts) for texts in labels.values()] == [4, 4, 4, 2]
    assert all(text.count("word") == 6 for text in labels["longest.png"][:4])
    assert labels["shortest.png"] == ["score 7", "score 0", "score 21", "score 35"]  # of one length by id
    assert labels["dropped.png"] == ["no_caption: civitai:041", "no_caption: lexica:040"]
    first = dict(labels)
    pictures.draw("caption", tmp_path, count=4, seed=1, data=made)
    assert first["random.png"] != labels["random.png"]
    assert first["longest.png"] == labels["longest.png"]


def test_without_dropped_captions_there_is_no_sheet_of_them(made, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(made, data)
    tables.write(DROPPED.empty_table(), data / "caption" / "dropped.parquet", DROPPED)
    assert len(pictures.draw("caption", tmp_path / "out", count=3, data=data)) == 3
    with Image.open(tmp_path / "out" / "random.png") as sheet:
        assert sheet.width > 3 * captions.TILE_PX


def test_scores_are_shown_with_the_bounds_and_pairs_of_all_kinds(made, tmp_path, labels):
    told = pictures.draw("clip_filter", tmp_path, count=6, data=made)
    names = ["scores", "differences", "best", "worst", "border", "kept", "dropped"]
    assert told == [f"drawn: {tmp_path / name}.png" for name in names]
    assert [text.split()[0] for text in labels["best.png"]] == ["+14.0", "+13.0", "+12.0", "+11.0", "+10.0", "+9.0"]
    assert [text.split()[0] for text in labels["worst.png"]][:2] == ["-25.0", "-24.0"]
    nearest = [text.split()[0] for text in labels["border.png"]]
    assert nearest == ["+3.0", "+4.0", "+5.0", "+2.0", "+1.0", "+0.0"]  # three kept from 28 on, three below
    assert "simple_below_minimum" in labels["border.png"][3]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("scores.png", "differences.png"))


def test_random_pairs_follow_the_seed(made):
    table = tables.read(made / "clip_filter" / "scores.parquet", SCORES)
    config = clip_params(min_simple=28.0, min_complex=20.0)
    one, same, other = (scores.chosen(table, config, 5, seed) for seed in (0, 0, 1))
    assert one["dropped"].tolist() == same["dropped"].tolist() != other["dropped"].tolist()
    kept = table.column("kept").to_numpy()
    assert kept[one["kept"]].all()
    assert not kept[one["dropped"]].any()


def test_where_nothing_was_dropped_there_is_no_sheet_of_it(made, tmp_path, labels):
    data = tmp_path / "data"
    shutil.copytree(made, data)
    path = data / "clip_filter" / "scores.parquet"
    rows = pq.read_table(path)
    kept = rows.filter(rows.column("kept"))
    pq.write_table(kept, path)
    assert f"drawn: {tmp_path / 'dropped.png'}" not in pictures.draw("clip_filter", tmp_path, data=data)


def test_a_table_that_does_not_say_its_rule_is_told(made, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(made, data)
    path = data / "clip_filter" / "scores.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(InputError, match="does not say which rule made it: run dvc repro clip_filter"):
        pictures.draw("clip_filter", tmp_path, data=data)


def embedded(data, dtype="float32"):
    """Two layers of width 4: in the second one dimension holds nearly everything; twelve row groups."""
    rng = np.random.default_rng(0)
    with layer_files(data / "embed" / "layers", [1, 2], 4, dtype, {}) as files:
        for shard in range(12):
            ids = pa.chunked_array([[f"s{shard:02d}{row}" for row in range(5)]])
            vectors = {k: rng.normal(size=(5, 4)) * ([1, 1, 1, 1], [1, 9, 1, 1])[k - 1] for k in (1, 2)}
            kind = pa.list_(pa.float32() if dtype == "float32" else pa.float16(), 4)
            for layer, values in vectors.items():
                files.add(layer, ids, pa.chunked_array([pa.array([row.astype(dtype) for row in values], kind)]))
    lines = ["layer,mean_norm,std_norm,outlier_share,outlier_dimensions", "1,0.0,0.5,0.0,", "2,9.0,4.5,0.96,1"]
    write_text(data / "embed" / "layers.csv", "\n".join(lines) + "\n")
    return data


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_layers_are_shown_as_a_table_and_as_charts(tmp_path, dtype):
    told = pictures.draw("embed", tmp_path, data=embedded(tmp_path / "data", dtype))
    assert told[0].split()[:2] == ["layer", "mean"]
    assert told[1].split()[-1] == "none"
    assert told[1].split()[3] == "-"
    assert told[2].endswith("1 (96.0%)")
    assert told[2].split()[3] == "50.0%"
    assert told[3:] == [f"drawn: {tmp_path / name}.png" for name in ("lengths", "dimensions")]
    assert all((tmp_path / f"{name}.png").is_file() for name in ("lengths", "dimensions"))


def test_of_a_large_layer_some_row_groups_are_read(tmp_path):
    path = embedded(tmp_path) / "embed" / "layers" / "layer_2.parquet"
    seen = layers._look(path, 2)
    assert seen.vectors == layers.GROUPS * 5
    assert seen.shares[0] > 0.9
    assert seen.shares[-1] == pytest.approx(1.0)  # ten of four dimensions are all of them
    assert seen.lengths[0] < seen.lengths[1] < seen.lengths[2]


def test_layers_that_are_missing_are_told(tmp_path):
    with pytest.raises(InputError, match=r"layers.csv is missing: run dvc repro embed"):
        pictures.draw("embed", tmp_path, data=tmp_path)
    embedded(tmp_path)
    (tmp_path / "embed" / "layers" / "layer_2.parquet").unlink()
    with pytest.raises(InputError, match=r"layer_2.parquet is missing"):
        pictures.draw("embed", tmp_path, data=tmp_path)


def test_options_are_refused_where_they_mean_nothing(tmp_path):
    assert pictures.draw("clean", tmp_path) == []
    for options, said in (({"count": 3}, "--count for"), ({"seed": 0, "count": 1}, "--count and --seed for")):
        for stage in ("embed", "clean"):
            with pytest.raises(InputError, match=f"^{said} contact sheets alone"):
                pictures.draw(stage, tmp_path, **options)


def test_a_sheet_is_a_picture(made, tmp_path):
    pictures.draw("clip_filter", tmp_path, count=2, data=made)
    with Image.open(io.BytesIO((tmp_path / "best.png").read_bytes())) as sheet:
        assert sheet.format == "PNG"
