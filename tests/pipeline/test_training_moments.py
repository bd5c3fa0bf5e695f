import pytest
import torch

from pipeline import training_moments, vae
from pipeline.errors import InputError
from pipeline.training_moments import CachedMoments
from stages import latents as latents_stage
from tests.pipeline import tiny_models
from tests.stages.test_latents import config as diffusion_config


@pytest.fixture(scope="module")
def codec():
    return vae.load_codec(str(tiny_models.folder()), tiny_models.revision(), device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory, codec):
    """Pictures, and what stage latents makes of them."""
    root = tmp_path_factory.mktemp("moments")
    ids = tiny_models.write_pictures(root / "pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUR_WORK", str(root / "work"))
        latents_stage.latents(root / "pictures", root / "latents", diffusion_config(), codec=lambda: codec, batch=4)
    return root, ids


def test_live_encoding_equals_the_cached_moments_within_their_number_format(data, codec):
    root, ids = data
    wanted = [ids[4], ids[0], ids[12], ids[7]]
    cached = training_moments.cached(root / "latents/parts")(wanted, True)
    live = training_moments.live(root / "pictures", codec)(wanted, True)
    assert cached.shape == live.shape == (8, 8, 8)
    assert cached.sides == live.sides == 2
    rows, sides = [3, 0, 1, 1], torch.tensor([0, 1, 1, 0])
    stored, fresh = cached.take(rows, sides), live.take(rows, sides)
    assert stored.dtype == fresh.dtype == torch.float32
    assert torch.allclose(stored, fresh, rtol=1e-3, atol=1e-3)  # float16
    assert not torch.allclose(fresh[2], fresh[3], atol=1e-2)  # one picture, both sides


def test_the_shape_of_live_moments_is_read_from_one_picture_once(data, codec, monkeypatch):
    decoded = []
    decode = training_moments.decode
    monkeypatch.setattr(training_moments, "decode", lambda content: decoded.append(content) or decode(content))
    root, ids = data
    live = training_moments.live(root / "pictures", codec)(ids, False)
    assert [live.shape for _ in range(2)] == [(8, 8, 8)] * 2
    assert len(decoded) == 1


def test_without_mirroring_there_is_one_side(data, codec):
    root, ids = data
    assert training_moments.cached(root / "latents/parts")(ids, False).sides == 1
    assert training_moments.live(root / "pictures", codec)(ids, False).sides == 1


def test_cached_moments_are_those_of_row_and_side():
    values = torch.arange(12, dtype=torch.float16).view(3, 2, 2, 1, 1)
    got = CachedMoments(values).take([2, 0], torch.tensor([0, 1]))
    assert got.flatten().tolist() == [8, 9, 2, 3]


def test_a_sample_that_was_not_encoded_is_told(data):
    with pytest.raises(InputError, match="lacks 1 samples, first new:1: run dvc repro latents"):
        training_moments.cached(data[0] / "latents/parts")(["new:1"], True)
