import numpy as np
import pytest
import torch
from PIL import Image

from miniature import architectures, degrading, pictures, train_vae, vocabulary
from miniature.measures import held_out


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    vae = architectures.vae()
    vae.register_to_config(scaling_factor=1 / train_vae.latent_std(vae, size=8))
    return {
        "vae": vae,
        "text_encoder": architectures.text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "unet": architectures.unet(),
    }


def _levels(image):
    return np.asarray(image, np.float64)


def _again(parts, images, share, **changed):
    options = {"steps": 5, "guidance": 2.5, **changed}
    return degrading.denoised(parts, images, ["one red circle"] * len(images), share, **options)


def test_noise_has_the_deviation_asked_for():
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    found = _levels(degrading.noisy(grey, 10, np.random.default_rng(0))) - 128
    assert found.std() == pytest.approx(10, rel=0.03)
    assert abs(found.mean()) < 0.5


def test_noise_stays_within_the_levels_and_comes_from_its_generator():
    white = Image.new("RGB", (64, 64), "white")
    first, same, other = (degrading.noisy(white, 40, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.tobytes() == same.tobytes() != other.tobytes()
    assert _levels(first).min() > 255 - 6 * 40


def test_blur_keeps_the_mean_and_spreads_an_edge_as_a_gaussian_does():
    picture = Image.fromarray(np.where(np.arange(64) < 32, 0, 255)[None].repeat(64, 0).astype(np.uint8)).convert("RGB")
    slope = np.diff(_levels(degrading.blurred(picture, 2))[32, :, 0]) / 255
    places = np.arange(63) + 0.5 - 31.5
    assert slope.sum() == pytest.approx(1)
    assert np.sqrt((slope * places**2).sum()) == pytest.approx(2, rel=0.05)


def test_graded_pictures_come_with_what_was_done_to_them():
    drawn = held_out(3)[1]
    graded = degrading.graded(drawn, np.random.default_rng(2))
    assert list(graded) == ["blur", "noise", "both", "both_rmse"]
    radii, deviations = graded["blur"][1], graded["noise"][1]
    for clean, soft, radius in zip(drawn, graded["blur"][0], radii, strict=True):
        assert soft.tobytes() == degrading.blurred(clean, radius).tobytes()
    assert graded["both"][1] == pytest.approx([r / 3 + d / 40 for r, d in zip(radii, deviations, strict=True)])
    errors = [_levels(image) - _levels(clean) for image, clean in zip(graded["both"][0], drawn, strict=True)]
    assert graded["both_rmse"][1] == pytest.approx([(error**2).mean() ** 0.5 for error in errors])


def test_decoded_pictures_are_what_the_autoencoder_gives_one_by_one(parts):
    drawn = held_out(2)[1]
    alone = pictures.as_tensor(drawn[1:])
    with torch.no_grad():
        expected = pictures.as_pictures(parts["vae"].decode(parts["vae"].encode(alone).latent_dist.mean).sample)[0]
    assert np.abs(_levels(degrading.decoded(parts["vae"], drawn)[1]) - _levels(expected)).max() <= 1


def test_denoising_again_is_drawn_from_its_seed_alone(parts):
    drawn = held_out(2)[1]
    first, again, other = (_again(parts, drawn, 0.4, seed=seed) for seed in (1, 1, 2))
    assert [image.tobytes() for image in first] == [image.tobytes() for image in again]
    assert first[0].tobytes() != other[0].tobytes()
    assert first[0].size == (64, 64)


def test_a_unet_that_knows_the_noise_gives_the_picture_back(parts):
    class Knowing(torch.nn.Module):
        """Reads the noise off the noisy latents, since it knows those of the picture."""

        def __init__(self, latents):
            super().__init__()
            self.latents = latents
            self.config = parts["unet"].config
            self.dtype, self.device = torch.float32, torch.device("cpu")
            self.kept = architectures.scheduler().alphas_cumprod

        def forward(self, sample, timestep, **_):
            alpha = self.kept[timestep]
            return ((sample - alpha.sqrt() * self.latents) / (1 - alpha).sqrt(),)

    image = held_out(1)[1]
    with torch.no_grad():
        encoded = parts["vae"].encode(pictures.as_tensor(image)).latent_dist.mean
    knowing = Knowing(encoded * parts["vae"].config.scaling_factor)
    decoded = _levels(degrading.decoded(parts["vae"], image)[0])
    off = {
        name: np.abs(_levels(_again({**parts, "unet": unet}, image, 0.4, steps=20)[0]) - decoded).mean()
        for name, unet in (("knowing", knowing), ("untrained", parts["unet"]))
    }
    assert off["knowing"] < 6
    assert off["untrained"] > 20


def test_every_way_makes_every_picture_worse(parts):
    drawn = held_out(2)[1]
    ways = dict(degrading.every_way(parts, drawn, ["x", "y"], steps=5, guidance=2.5))
    assert list(ways) == ["blur_0.5", "blur_1", "noise_10", "noise_25", "decoded", "denoised_0.2", "denoised_0.4"]
    for made in ways.values():
        for worse, clean in zip(made, drawn, strict=True):
            assert worse.tobytes() != clean.tobytes()
