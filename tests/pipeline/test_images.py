import io
import struct

import numpy as np
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


def profile(colour_space=b"RGB "):
    """An ICC matrix profile (ICC.1:2001-04) whose first channel is sRGB's green and whose second is its red."""
    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    white = (0.9642, 1.0, 0.8249)

    def xyz(values):
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = b"curv" + bytes(4) + struct.pack(">IH2x", 1, round(2.2 * 256))
    text = b"text" + bytes(4) + b"none\0\0\0\0"
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"swap\0" + bytes(79)
    tags = [(b"desc", description), (b"cprt", text), (b"wtpt", xyz(white))]
    tags += [(b"rXYZ", xyz(green)), (b"gXYZ", xyz(red)), (b"bXYZ", xyz(blue))]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC", b"kTRC")]
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">2I", 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 0, bytes(4), 0x02100000, b"mntr", colour_space, b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", *(round(value * 65536) for value in white))
    whole = head.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def near(colour, expected, *, by=12):
    return max(abs(one - other) for one, other in zip(colour, expected, strict=True)) <= by


@pytest.mark.parametrize(("mode", "colour"), [("RGB", (255, 0, 0)), ("RGBA", (255, 0, 0, 255))])
def test_colours_go_through_the_pictures_own_profile(mode, colour):
    content = encoded(Image.new(mode, (8, 8), colour), icc_profile=profile())
    assert near(images.decode(content).getpixel((3, 3)), (0, 255, 0))
    assert images.decode(encoded(Image.new(mode, (8, 8), colour))).getpixel((3, 3)) == (255, 0, 0)


def test_a_palette_goes_through_its_profile_too():
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([0, 255, 0])
    assert near(images.decode(encoded(picture, icc_profile=profile())).getpixel((0, 0)), (255, 0, 0))


def test_grey_pictures_have_grey_profiles():
    decoded = images.decode(encoded(Image.new("L", (8, 8), 128), icc_profile=profile(b"GRAY")))
    assert decoded.mode == "RGB"
    assert near(decoded.getpixel((0, 0)), (128, 128, 128))


@pytest.mark.parametrize("content", [b"no profile", profile()[:200], profile(b"CMYK")])
def test_a_damaged_or_foreign_profile_is_left_aside(content):
    decoded = images.decode(encoded(Image.new("RGB", (8, 8), (255, 0, 0)), icc_profile=content))
    assert decoded.getpixel((0, 0)) == (255, 0, 0)


def test_half_transparent_colours_go_through_the_profile_before_they_are_mixed():
    content = encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 128)), icc_profile=profile())
    assert near(images.decode(content).getpixel((0, 0)), (127, 255, 127))


@pytest.mark.parametrize("value", [0, 40_000, 65_535])
def test_of_sixteen_bit_grey_the_upper_bits_count(value):
    picture = Image.fromarray(np.full((8, 8), value, np.uint16))
    assert images.decode(encoded(picture)).getpixel((0, 0)) == (value >> 8,) * 3


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("LA", (0, 0), (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_every_mode_becomes_rgb_on_white(mode, colour, expected):
    decoded = images.decode(encoded(Image.new(mode, (8, 8), colour)))
    assert (decoded.mode, decoded.getpixel((0, 0))) == ("RGB", expected)


def test_cmyk_becomes_rgb():
    assert near(
        images.decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")).getpixel((4, 4)), (255, 0, 0)
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_other_animations_is_taken_too(kind):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert near(images.decode(content).getpixel((9, 9)), (255, 0, 0), by=25)


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
        (encoded(Image.new("RGB", (8, 8)), "TIFF"), "no_image"),
        (encoded(Image.effect_noise((64, 64), 50))[:900], "broken_image"),
        (encoded(Image.new("1", (9000, 9000))), "too_many_pixels"),
        (encoded(Image.new("1", (9600, 9600))), "too_many_pixels"),  # where Pillow itself only warns
        (encoded(Image.new("1", (20000, 20000))), "too_many_pixels"),
    ],
)
def test_what_is_no_good_picture_is_refused_with_its_reason(content, reason):
    with pytest.raises(UndecodableError) as caught:
        images.decode(content)
    assert caught.value.reason == reason


@settings(max_examples=30)
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
    taller = images.contact_sheet(pictures, ["a label"] * 7, columns=3, tile_px=40, lines=7)
    assert taller.height == 3 * (40 + 98 + 8) + 8


def test_damaged_camera_data_is_a_broken_picture_and_no_traceback(monkeypatch):
    def damaged(_):
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr(images.ImageOps, "exif_transpose", damaged)
    with pytest.raises(UndecodableError) as caught:
        images.decode(encoded(Image.new("RGB", (8, 8))))
    assert caught.value.reason == "broken_image"
