import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from pipeline import operating, samples, tables, vae
from pipeline.errors import EmptyResultError
from pipeline.latents import read
from pipeline.vae import DiffusionParams
from stages import latents as stage
from tests.pipeline import tiny_models


@pytest.fixture(scope="module")
def codec():
    return vae.load_codec(str(tiny_models.folder()), tiny_models.revision(), device="cpu", dtype=torch.float32)


def config(**changes):
    return DiffusionParams(
        **{"model": str(tiny_models.folder()), "revision": tiny_models.revision(), "dtype": "float32", **changes}
    )


def run(tmp_path, codec, target="latents", **changes):
    stage.latents(tmp_path / "parts", tmp_path / target, config(**changes), codec=codec, batch=4)


def test_every_picture_gets_moments_plain_and_mirrored(tmp_path, codec):
    ids = tiny_models.write_pictures(tmp_path / "parts")
    run(tmp_path, lambda: codec)
    names, plain, mirrored = read(tmp_path / "latents/parts/part-00000.parquet")
    assert names == ids
    assert plain.shape == mirrored.shape == (13, 8, 8, 8)
    assert (plain != mirrored).any()
    report = json.loads((tmp_path / "latents/report.json").read_text())
    assert (report["in"], report["out"], report["shape"]) == (13, 13, [8, 8, 8])
    assert 0 < report["decoding_error"] < 1
    assert tiny_models.is_picture(tmp_path / "latents/sheet.png")


def test_a_second_run_encodes_nothing_and_gives_the_same_bytes(tmp_path, codec, monkeypatch):
    tiny_models.write_pictures(tmp_path / "parts")
    run(tmp_path, lambda: codec)
    first = {path.name: path.read_bytes() for path in (tmp_path / "latents").rglob("*") if path.is_file()}
    monkeypatch.setattr(vae.Codec, "moments", None)
    run(tmp_path, lambda: codec)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "latents").rglob("*") if path.is_file()}


def test_shards_that_come_one_by_one_give_the_same_bytes(tmp_path, codec, monkeypatch):
    tiny_models.write_pictures(tmp_path / "parts")
    run(tmp_path, lambda: codec)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other"))
    monkeypatch.setattr(stage, "SHARDS", 1)
    monkeypatch.setattr(stage, "HASHED", 2)
    monkeypatch.setattr(stage, "ROWS_PER_SHARD", 6)
    run(tmp_path, lambda: codec, target="again")
    first, again = ([read(part) for part in tables.shards(tmp_path / name / "parts")] for name in ("latents", "again"))
    assert [len(names) for names, _, _ in again] == [6, 6, 1]
    assert [name for names, _, _ in again for name in names] == first[0][0]
    for kind in (1, 2):
        assert (np.concatenate([part[kind] for part in again]) == first[0][kind]).all()


def test_rows_that_go_out_are_thin(tmp_path, codec):
    """Pictures are read where they are encoded."""
    ids = tiny_models.write_pictures(tmp_path / "parts")
    sent = []

    def watched(work, rows, store):
        sent.append(rows)
        operating.local(work, rows, store)

    stage.latents(tmp_path / "parts", tmp_path / "latents", config(), codec=lambda: codec, batch=4, run=watched)
    (rows,) = sent
    assert rows.column_names == ["sample_id", "part", "key"]
    assert rows.column("sample_id").to_pylist() == ids
    assert set(rows.column("part").to_pylist()) == {f"part-0000{number}.parquet" for number in range(3)}


def test_another_model_is_encoded_anew(tmp_path, codec):
    tiny_models.write_pictures(tmp_path / "parts", train=2, val=0)
    run(tmp_path, lambda: codec)
    asked = []
    run(tmp_path, lambda: asked.append(1) or codec, revision="another")
    assert len(asked) == 1  # the operator's VAE draws the sheet too


def test_no_picture_is_told(tmp_path, codec):
    tables.write_shards([], tmp_path / "parts", samples.SURD, rows=1)
    with pytest.raises(EmptyResultError, match="no picture is left"):
        run(tmp_path, lambda: codec)


def test_an_empty_shard_gives_no_rows(tmp_path, codec):
    tiny_models.write_pictures(tmp_path / "parts", train=2, val=0)
    pq.write_table(samples.SURD.empty_table(), tmp_path / "parts/part-00001.parquet")
    run(tmp_path, lambda: codec)
    assert len(read(tmp_path / "latents/parts/part-00000.parquet")[0]) == 2


def test_the_stage_runs_with_the_settings_in_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_models.write_pictures(tmp_path / "data/resize/parts", train=2, val=0)
    tiny_models.write_params(tmp_path / "params.yaml")
    stage.main()
    assert (tmp_path / "data/latents/parts/part-00000.parquet").is_file()
