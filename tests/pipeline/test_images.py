import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import images
from pipeline.images import ImageParams, UndecodableError


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def test_transparency_is_laid_on_white():
    picture = images.decode(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))))
    assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_the_camera_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.decode(encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)).size == (4, 8)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("P", (8, 8), index) for index in (0, 1)]
    for frame in frames:
        frame.putpalette([10, 20, 30, 200, 0, 0])
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.decode(content).getpixel((0, 0)) == (10, 20, 30)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Just a moment...</html>", "no_image"),
        (b"", "no_image"),
        (encoded(Image.effect_noise((64, 64), 50))[:900], "broken_image"),
        (encoded(Image.new("1", (9000, 9000))), "too_many_pixels"),
        (encoded(Image.new("1", (20000, 20000))), "too_many_pixels"),
    ],
)
def test_what_is_no_good_picture_is_refused_with_its_reason(content, reason):
    with pytest.raises(UndecodableError) as caught:
        images.decode(content)
    assert caught.value.reason == reason


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(8, 40), st.sampled_from(["centre_crop", "squash", "pad"]))
def test_any_picture_becomes_a_square_of_the_wanted_side(width, height, side_px, mode):
    square, box = images.to_square(Image.new("RGB", (width, height)), side_px, mode)
    assert square.size == (side_px, side_px)
    assert 0 <= box[0] < box[2] <= width
    assert 0 <= box[1] < box[3] <= height


def test_centre_crop_keeps_the_middle_and_padding_keeps_all():
    picture = Image.new("RGB", (30, 10), "red")
    picture.paste("blue", (10, 0, 20, 10))
    cropped, box = images.to_square(picture, 10, "centre_crop")
    assert box == (10, 0, 20, 10)
    assert cropped.getpixel((5, 5)) == (0, 0, 255)
    padded, _ = images.to_square(picture, 30, "pad")
    assert padded.getpixel((2, 15)) == (255, 0, 0)
    assert padded.getpixel((2, 2)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_encoding_is_repeatable_and_decodes_to_the_size(kind):
    config = ImageParams(side_px=8, resize="squash", format=kind, quality=95)
    picture = Image.new("RGB", (8, 8), (10, 200, 30))
    assert images.encode(picture, config) == images.encode(picture, config)
    decoded = images.decode(images.encode(picture, config))
    assert max(abs(a - b) for a, b in zip(decoded.getpixel((4, 4)), (10, 200, 30), strict=True)) <= 3


def test_a_contact_sheet_has_room_for_every_picture():
    pictures = [Image.new("RGB", (8, 8), "red")] * 7
    sheet = images.contact_sheet(pictures, ["a label that is rather long for its tile"] * 7, columns=3, tile_px=40)
    assert sheet.width == 3 * 48 + 8
    assert sheet.height == 3 * (40 + 56 + 8) + 8
    assert sheet.getpixel((8 + 20, 8 + 20)) == (255, 0, 0)


def test_damaged_camera_data_is_a_broken_picture_and_no_traceback(monkeypatch):
    def damaged(_):
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr(images.ImageOps, "exif_transpose", damaged)
    with pytest.raises(UndecodableError) as caught:
        images.decode(encoded(Image.new("RGB", (8, 8))))
    assert caught.value.reason == "broken_image"
