import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from pipeline.blip_pictures import PIXELS, Pictures, levels_of, normalised
from pipeline.errors import InputError
from pipeline.images import ImageParams, encode
from tests.pipeline.frozen_models import noise, picture

PNG = ImageParams(side_px=16, resize="squash", format="png", quality=95)
PROCESSOR = BlipImageProcessorPil(size={"height": 16, "width": 16})
SEEN = [picture(), noise(1), noise(2, 16), noise(3, 70)]


def rows():
    return pa.table({"key": list("abcd"), "image": [encode(one, PNG) for one in SEEN], "other": [1, 2, 3, 4]})


def test_both_halves_together_give_the_processors_own_bits():
    pictures = Pictures(PROCESSOR)
    pixels = normalised(levels_of(pictures.prepare(rows())), pictures.levels, torch.float32)
    assert torch.equal(pixels, PROCESSOR(images=SEEN, return_tensors="pt").pixel_values)


def test_a_prepared_row_is_a_key_and_a_byte_a_value():
    prepared = Pictures(PROCESSOR).prepare(rows())
    assert prepared.column_names == ["key", PIXELS]
    assert prepared.schema.field(PIXELS).type == pa.fixed_shape_tensor(pa.uint8(), [3, 16, 16])


def test_rows_that_were_taken_cut_and_joined_are_the_same_pictures():
    prepared = Pictures(PROCESSOR).prepare(rows())
    every = levels_of(prepared)
    assert np.array_equal(levels_of(prepared.take([2, 0, 0])), every[[2, 0, 0]])
    assert np.array_equal(levels_of(prepared.slice(1, 2)), every[1:3])
    assert np.array_equal(levels_of(pa.concat_tables([prepared.slice(3), prepared])), every[[3, 0, 1, 2, 3]])


def test_one_piece_is_read_without_a_copy():
    prepared = Pictures(PROCESSOR).prepare(rows())
    assert np.shares_memory(levels_of(prepared), levels_of(prepared.slice(1)))


def test_pixels_are_made_in_the_asked_type():
    pictures = Pictures(PROCESSOR)
    assert normalised(levels_of(pictures.prepare(rows())), pictures.levels, torch.bfloat16).dtype == torch.bfloat16


def test_a_broken_picture_is_named():
    broken = rows().set_column(1, "image", [[rows().column("image")[0].as_py(), b"none", b"", b"x"]])
    with pytest.raises(InputError, match=r"^picture b cannot be read \(no_image\): run dvc repro download$"):
        Pictures(PROCESSOR).prepare(broken)
