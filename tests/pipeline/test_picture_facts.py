import io

import pyarrow as pa
from PIL import Image, ImageDraw

from pipeline.looks import THUMBNAIL_BYTES
from pipeline.picture_facts import FACTS_KEYED, measure


def _picture(side=64, kind="PNG", **options):
    picture = Image.new("RGB", (side, side), "navy")
    ImageDraw.Draw(picture).ellipse((side // 5, side // 5, side // 2, side // 2), fill="gold")
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _measured(*contents):
    keys = [str(number) for number in range(len(contents))]
    return measure(pa.table({"key": keys, "image": list(contents)})).to_pylist()


def test_a_picture_is_described():
    (facts,) = _measured(_picture())
    assert (facts["fault"], facts["width"], facts["height"]) == (None, 64, 64)
    assert len(facts["phash"]) == 16
    assert len(facts["thumbnail"]) == THUMBNAIL_BYTES


def test_a_recompressed_copy_looks_the_same():
    first, second = _measured(_picture(), _picture(side=96, kind="JPEG", quality=60))
    assert (int(first["phash"], 16) ^ int(second["phash"], 16)).bit_count() <= 8
    distances = [abs(one - other) for one, other in zip(first["thumbnail"], second["thumbnail"], strict=True)]
    assert sum(distances) / THUMBNAIL_BYTES <= 6.0


def test_what_cannot_be_decoded_is_told_and_not_lost():
    png = _picture()
    facts = _measured(png[: len(png) // 2], b"no picture", png)
    assert [row["fault"] for row in facts] == ["broken_image", "no_image", None]
    assert [row["key"] for row in facts] == ["0", "1", "2"]
    assert FACTS_KEYED.names[0] == "key"
