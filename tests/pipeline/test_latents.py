import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline import latents, tables, vae
from pipeline.errors import InputError
from pipeline.latents import Encoder
from tests.pipeline import tiny_models


@pytest.fixture(scope="module")
def codec():
    return vae.load_codec(str(tiny_models.folder()), tiny_models.revision(), device="cpu", dtype=torch.float32)


def rows(*seeds):
    pictures = [tiny_models.encoded(tiny_models.picture(seed)) for seed in seeds]
    return pa.table({"key": [str(seed) for seed in seeds], "image": pa.array(pictures, pa.binary())})


def test_moments_come_back_as_they_were_written(codec, tmp_path):
    encoded = Encoder(codec, 4)(rows(0, 1, 2))
    table = latents.to_table(["a", "b", "c"], encoded)
    shape = latents.latents_schema(2 * 4 * 8 * 8)
    [part] = tables.write_shards([table], tmp_path / "parts", shape, rows=10)
    names, plain, flipped = latents.read(part)
    assert names == ["a", "b", "c"]
    assert plain.shape == (3, 8, 8, 8)
    assert plain.dtype == np.float16
    assert plain.tobytes() == b"".join(encoded.column("moments").to_pylist())
    assert flipped.tobytes() == b"".join(encoded.column("moments_flipped").to_pylist())


def test_cached_moments_equal_live_encoding(codec):
    pixels = vae.to_pixels([tiny_models.picture(3)])
    encoded = Encoder(codec, 1)(rows(3))
    for name, live in (("moments", pixels), ("moments_flipped", pixels.flip(-1))):
        cached = np.frombuffer(encoded.column(name)[0].as_py(), np.float16).reshape(8, 8, 8)
        assert np.allclose(cached, codec.moments(live)[0].numpy(), rtol=1e-3, atol=1e-3)  # float16


def test_a_pictures_moments_do_not_depend_on_what_was_left_to_do(codec):
    encoder = Encoder(codec, 4)
    alone, together = encoder(rows(1)), encoder(rows(0, 1, 2, 3))
    assert alone.column("moments")[0] == together.column("moments")[1]


def test_what_is_no_shard_of_latents_is_told(tmp_path):
    tables.write(pa.table({"sample_id": ["a"]}), tmp_path / "x.parquet", tables.schema(tables.DROPPED.field(0)))
    for name in ("x.parquet", "none.parquet"):
        with pytest.raises(InputError, match="is no shard of latents"):
            latents.read(tmp_path / name)
