import pytest
import torch
from torch import nn

from miniature import measures, style_measures
from miniature.world import is_held_out


class _Perfect(nn.Module):
    """An autoencoder that changes nothing."""

    def encode(self, images):
        return type("Encoded", (), {"latent_dist": type("Distribution", (), {"mean": images})})

    def decode(self, latents):
        return type("Decoded", (), {"sample": latents})


def test_flat_drawings_are_those_of_the_other_measures():
    scenes, drawn = style_measures.drawings("flat", 3)
    same, again = measures.held_out(3)
    assert scenes == same
    assert [picture.tobytes() for picture in drawn] == [picture.tobytes() for picture in again]
    assert all(is_held_out(scene) for scene in scenes)


def test_cartoon_drawings_show_the_same_scenes_in_their_style():
    scenes, drawn = style_measures.drawings("cartoon", 3)
    same, flat = style_measures.drawings("flat", 3)
    assert scenes == same
    assert all(one.tobytes() != other.tobytes() for one, other in zip(drawn, flat, strict=True))


@pytest.mark.parametrize("style", ["flat", "cartoon"])
def test_an_autoencoder_that_changes_nothing_has_no_error(style):
    found = style_measures.autoencoder(_Perfect(), style, count=4)
    assert found["squared_error"] == 0
    assert found["decoded_all_right"] == 1


def test_an_autoencoder_that_darkens_everything_has_one():
    model = _Perfect()
    model.decode = lambda latents: type("Decoded", (), {"sample": torch.full_like(latents, -1.0)})
    found = style_measures.autoencoder(model, "cartoon", count=4)
    assert found["squared_error"] > 0.1
    assert found["decoded_all_right"] == 0


def test_the_oracle_reads_98_of_100_cartoons():
    assert style_measures.oracle("cartoon", count=100)["oracle_all_right"] >= 0.98
