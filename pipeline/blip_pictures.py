"""BLIP's picture processor in two halves: decoding and resizing beside the model, normalising where the model is."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image

from pipeline.errors import InputError
from pipeline.images import UndecodableError, decode
from pipeline.work import ROW_KEY

PIXELS = "pixels"
GREYS = 256


class Pictures:
    """Encoded pictures in, grey levels of one size out.

    Levels stay whole numbers from 0 to 255 until they are where the model is: a quarter of the memory and of the way.

    Args:
        processor: BLIP's image processor with Pillow as its backend.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.levels = _levels(processor)
        """What the processor makes of each level, shape (3, 256), float32: its own arithmetic, so its very bits."""

    def prepare(self, rows: pa.Table) -> pa.Table:
        """``key`` and ``image`` (encoded bytes) in, ``key`` and ``pixels`` out: a tensor (3, side, side) of uint8 each.

        Raises:
            InputError: bytes are no picture.
        """
        pairs = zip(rows.column(ROW_KEY).to_pylist(), rows.column("image").to_pylist(), strict=True)
        found = self._processor(
            images=[_decoded(key, content) for key, content in pairs],
            do_rescale=False,
            do_normalize=False,
            return_tensors="np",
        ).pixel_values  # (B, 3, side, side)
        pixels = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(found, np.uint8))
        return pa.table({ROW_KEY: rows.column(ROW_KEY), PIXELS: pixels})


def _decoded(key: str, content: bytes) -> Image.Image:
    try:
        return decode(content)
    except UndecodableError as error:
        raise InputError(f"picture {key} cannot be read ({error.reason}): run dvc repro download") from error


def _levels(processor: Any) -> torch.Tensor:
    side = 16
    ramp = np.arange(GREYS, dtype=np.uint8).reshape(side, side, 1).repeat(3, axis=2)
    pixels = processor(images=[Image.fromarray(ramp)], do_resize=False, return_tensors="np").pixel_values
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32).reshape(3, GREYS))


def levels_of(rows: pa.Table) -> npt.NDArray[np.uint8]:
    """The prepared column as one array, shape (B, 3, side, side), uint8; no copy where it is one piece."""
    column = rows.column(PIXELS)
    piece = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    found: npt.NDArray[np.uint8] = piece.to_numpy_ndarray()
    return found


def normalised(pixels: npt.NDArray[np.uint8], levels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What BLIP looks at.

    Args:
        pixels: shape (B, 3, side, side).
        levels: shape (3, 256), on the model's device.
        dtype: of the result.

    Returns:
        Shape (B, 3, side, side), on the device of ``levels``.
    """
    moved = torch.tensor(pixels, device=levels.device)
    channels = [table[moved[:, channel].int()] for channel, table in enumerate(levels)]
    return torch.stack(channels, dim=1).to(dtype)
