"""BRISQUE, as the MATLAB release of its authors computes it: how far a picture is from natural scene statistics.

Source: A. Mittal, A. K. Moorthy and A. C. Bovik, No-Reference Image Quality Assessment in the Spatial Domain, 2012, and
their release (utlive/BRISQUE). The regression is LIVE's own (files ``allmodel`` and ``allrange``, by path): packages
that ship another one give other numbers. Everything is float64.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.special import gamma

from pipeline.errors import InputError, ModelError
from pipeline.files import digest, file_digest

Numbers = NDArray[np.float64]

LUMA = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])
"""MATLAB's rgb2gray: the first row of the inverse of NTSC's YIQ matrix."""
SHAPES = np.round(np.arange(0.2, 10.0005, 0.001), 3)
"""Shape parameters among which the one that fits best is taken."""
SHIFTS = ((0, 1), (1, 0), (1, 1), (-1, 1))
"""Neighbours whose products are described: horizontal, vertical and both diagonals."""
SCALES, FEATURES = 2, 36
MODEL, RANGES = "allmodel", "allrange"
LEAST_SIDE_PX = 16
"""At half size a side must still hold the window of 7 pixels."""


@dataclass(frozen=True)
class Regression:
    """The trained epsilon-SVR with a Gaussian kernel, and the ranges by which features are scaled.

    Args:
        low: (36,) what becomes -1.
        high: (36,) what becomes 1.
        support: (774, 36) support vectors.
        weights: (774,) their coefficients.
        kernel_width: of exp(-width |x - support|^2).
        rho: what is taken away.
    """

    low: Numbers
    high: Numbers
    support: Numbers
    weights: Numbers
    kernel_width: float
    rho: float

    def __call__(self, features: Numbers) -> float:
        """The score of 36 features; scaled features are not clipped, as in ``svm-scale``."""
        scaled = 2 * (features - self.low) / (self.high - self.low) - 1
        distances = ((self.support - scaled) ** 2).sum(axis=1)
        return float(self.weights @ np.exp(-self.kernel_width * distances) - self.rho)


def brisque(picture: Image.Image, regression: Regression) -> float:
    """BRISQUE of one RGB picture.

    Range: about 0 to 100, now and then outside it; LOWER is better (the paper's "all metrics are positively oriented"
    is wrong for it).

    Raises:
        InputError: a side is below LEAST_SIDE_PX.
    """
    if min(picture.size) < LEAST_SIDE_PX:
        raise InputError(f"BRISQUE needs {LEAST_SIDE_PX} pixels a side, the picture has {picture.size}")
    return regression(features(grey(picture)))


def grey(picture: Image.Image) -> Numbers:
    """Luma of an RGB picture rounded to whole numbers as MATLAB's ``rgb2gray`` does: (height, width), 0 to 255."""
    return np.asarray(np.floor(np.asarray(picture.convert("RGB"), np.float64) @ LUMA + 0.5))


def features(luma: Numbers) -> Numbers:
    """The 36 features: 18 of the picture and 18 of its half (section III of the paper).

    Args:
        luma: (height, width), 0 to 255.
    """
    found = []
    for _ in range(SCALES):
        coefficients = normalised(luma)
        shape, variance = symmetric_fit(coefficients)
        found += [shape, variance]
        for shift in SHIFTS:
            found += asymmetric_fit(coefficients * np.roll(coefficients, shift, axis=(0, 1)))
        luma = halved(luma)
    return np.array(found)


def normalised(luma: Numbers) -> Numbers:
    """Mean-subtracted contrast-normalised coefficients (Eq. 1): a 7 x 7 Gaussian of 7/6, zeros beyond the edge."""
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    mean = _filtered(luma, window / window.sum())
    deviation = np.sqrt(np.abs(_filtered(luma**2, window / window.sum()) - mean**2))
    return np.asarray((luma - mean) / (deviation + 1))


def _filtered(values: Numbers, window: Numbers) -> Numbers:
    rows = ndimage.correlate1d(values, window, axis=0, mode="constant")
    return np.asarray(ndimage.correlate1d(rows, window, axis=1, mode="constant"))


def symmetric_fit(values: Numbers) -> tuple[float, float]:
    """Generalised Gaussian by moments: shape alpha and variance sigma^2 (Eq. 2)."""
    variance = float(np.mean(values**2))
    magnitude = float(np.mean(np.abs(values)))
    if not magnitude:
        return float(SHAPES[0]), 0.0  # one colour: MATLAB's 0/0 makes min() give the first shape
    ratio = variance / magnitude**2
    return float(SHAPES[np.argmin(np.abs(ratio - _ratios()))]), variance


def asymmetric_fit(products: Numbers) -> list[float]:
    """Asymmetric generalised Gaussian by moments: shape, mean eta, left and right variance (Eq. 8 to 11)."""
    left, right = (_spread(products[side]) for side in (products < 0, products > 0))
    energy = float(np.mean(products**2))
    if not energy:
        return [float(SHAPES[0]), 0.0, 0.0, 0.0]
    if right:
        ratio, quotient = np.mean(np.abs(products)) ** 2 / energy, left / right
        wanted = ratio * (quotient**3 + 1) * (quotient + 1) / (quotient**2 + 1) ** 2
    else:
        wanted = np.mean(np.abs(products)) ** 2 / energy  # the limit for a quotient without bound
    shape = float(SHAPES[np.argmin((1 / _ratios() - wanted) ** 2)])
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    mean = (right - left) * gamma(2 / shape) / gamma(1 / shape) * scale
    return [shape, float(mean), left**2, right**2]


def _spread(values: Numbers) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0


@cache
def _ratios() -> Numbers:
    """Gamma(1/a) Gamma(3/a) / Gamma(2/a)^2 of every shape a."""
    return np.asarray(gamma(1 / SHAPES) * gamma(3 / SHAPES) / gamma(2 / SHAPES) ** 2)


def halved(values: Numbers) -> Numbers:
    """Half size as MATLAB's ``imresize(x, 0.5)``: cubic kernel (a = -0.5) twice as wide, mirrored at the edges."""
    return _halving(values.shape[0]) @ values @ _halving(values.shape[1]).T


@cache
def _halving(length: int) -> Numbers:
    """Weights of each old pixel in each new one: (ceil(length / 2), length), rows sum to 1."""
    new = np.arange(1, -(-length // 2) + 1)
    centres = 2 * new - 0.5  # counted from 1, as MATLAB does
    places = np.floor(centres - 4)[:, None] + np.arange(10)
    weights = _cubic((centres[:, None] - places) / 2)
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    columns = mirrored[(places.astype(np.int64) - 1) % (2 * length)]
    matrix = np.zeros((len(new), length))
    np.add.at(matrix, (np.arange(len(new))[:, None], columns), weights / weights.sum(axis=1, keepdims=True))
    return matrix


def _cubic(x: Numbers) -> Numbers:
    near, far = np.abs(x) <= 1, (np.abs(x) > 1) & (np.abs(x) <= 2)
    x = np.abs(x)
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.asarray(inner * near + outer * far)


def revision(folder: Path) -> str:
    """Sixteen hex digits of the two files' content.

    Raises:
        ModelError: a file is missing.
    """
    for name in (MODEL, RANGES):
        if not (folder / name).is_file():
            raise ModelError(f"weights {folder / name} missing: LIVE's release of BRISQUE has it (utlive/BRISQUE)")
    return digest({name: file_digest(folder / name) for name in (MODEL, RANGES)})


def load(folder: Path) -> Regression:
    """LIVE's regression from its folder.

    Raises:
        ModelError: a file is missing or is not what it should be.
    """
    revision(folder)
    try:
        head, vectors = _read_model(folder / MODEL)
        ranges = np.loadtxt(folder / RANGES, skiprows=2, dtype=np.float64)
        if head["svm_type"] != "epsilon_svr" or head["kernel_type"] != "rbf" or ranges.shape != (FEATURES, 3):
            raise ValueError("not an epsilon_svr with an rbf kernel over 36 features")
        return Regression(
            ranges[:, 1], ranges[:, 2], vectors[:, 1:], vectors[:, 0], float(head["gamma"]), float(head["rho"])
        )
    except (KeyError, ValueError, IndexError) as error:
        raise ModelError(f"{folder} does not hold LIVE's BRISQUE model: {error}") from error


def _read_model(path: Path) -> tuple[dict[str, str], Numbers]:
    """LibSVM's text: keys and values, a line ``SV``, then a line a support vector: coefficient, index:value ..."""
    text, _, body = path.read_text(encoding="ascii").replace("\r\n", "\n").partition("\nSV\n")
    head = dict(line.split(" ", 1) for line in text.splitlines())
    lines = [line.split() for line in body.splitlines() if line.strip()]
    vectors: NDArray[Any] = np.zeros((len(lines), 1 + FEATURES))
    for row, (weight, *entries) in enumerate(lines):
        vectors[row, 0] = float(weight)
        for entry in entries:
            index, value = entry.split(":")
            vectors[row, int(index)] = float(value)
    if len(vectors) != int(head["total_sv"]):
        raise ValueError(f"{len(vectors)} support vectors, not {head['total_sv']}")
    return head, vectors
