"""How crisp and clean a picture of the drawn world is: 0 to 1, 1 as drawn, without learning and without a reference.

Two faults count. Softness: the squared width of the edges beyond that of drawn ones, from how much sharper the edges
are at a fine scale than at a coarse one. Roughness: how far pixels of flat areas lie from the mean around them. Both
are ratios or medians over edges or flat areas, so that what the picture shows, and how much of it, hardly matters.
Whether its shapes are well drawn is not asked here.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HALVING_NOISE = 11.0
"""Standard deviation, of 255 levels, that halves the quality, as a blur of 1 px does.

Of 200 drawn training pictures, blurred by 1 px, the root mean squared error is about 11 levels too.
"""
_FINEST, _FINE = 0.7, 1.0
"""Scale at which edges are seen, the standard deviation of a Gaussian in pixels: without noise, and with much of it.

The finer it is, the less do thin arms and the tips of stars pass for crisp edges, and the more does noise disturb.
"""
_COARSER = 2.0
"""The other scale, as a multiple of the first."""
_MUCH_NOISE = 10.0
"""Standard deviation, of 255 levels, from which on `_FINE` is the scale."""
_DRAWN_SPREAD = 0.27
"""Squared width of drawn edges in px² at the finest scale: 0.1 to 0.31, mostly 0.25, on 200 training pictures."""
_RIDGE = 0.8
"""Share of the steepest neighbour's squared slope from which a pixel lies on the edge itself, not beside it."""
_LEAST_SHARE = 0.1
"""Of the steepest slopes' square (99th percentile): fainter edges do not count."""
_LEAST_SLOPE = 1.0
"""Levels a pixel: fainter edges are rounding."""
_ABOVE_NOISE = 6.0
"""So many times the squared slope of the noise alone is an edge; noise itself gets there in 3 of a million pixels."""
_FLAT_SHARE = 0.3
"""The flattest share of the pixels, where noise is measured."""
_FLATTENED = 1.5
"""Scale in pixels at which the flattest are looked for."""
_REACH = 8
"""Pixels: four standard deviations of the coarsest Gaussian, where it is cut off."""
_AROUND = 5
"""Side in pixels of the square around a pixel."""


def quality(image: Image.Image) -> float:
    """1 for a picture as crisp and clean as a drawn one, falling towards 0 with blur and with noise.

    ``1 / (1 + softness + (roughness / HALVING_NOISE)²)``. A picture without any edge can only be rough.

    Args:
        image: any size, read at its own: an enlarged picture is a soft one.

    Returns:
        0 to 1; higher is better.
    """
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    residuals = _residuals(pixels)
    faults = softness(pixels, float((residuals**2).mean(axis=0).sum())) + (roughness(residuals) / HALVING_NOISE) ** 2
    return 1 / (1 + faults)


def softness(pixels: Floats, noise: float) -> float:
    """Squared width of the edges beyond drawn ones in px²: about r² after a blur of r px.

    The slope of an edge of squared width v, seen through a Gaussian of s px, is its height / sqrt(2 pi (v + s²)). So
    the squared slopes at two scales have the ratio (v + coarse²) / (v + fine²), whatever the height. The median over
    all edges counts, each weighed by its squared slope at the coarse scale.
    Source: S. Zhuo and T. Sim, Defocus map estimation from a single image, Pattern Recognition 44, 2011.

    Args:
        pixels: (height, width, 3), 0 to 255.
        noise: its variance, summed over the three channels; its expected squared slope is taken off.

    Returns:
        0 or more; 0 where there is no edge, infinite where edges are no sharper at the fine scale.
    """
    fine, coarse = _scales(noise)
    slopes = _squared_slopes(pixels, coarse)
    edges = _edges(slopes, noise * _slope_of_noise(coarse))
    if not edges.any():
        return 0.0
    dull = slopes[edges] - noise * _slope_of_noise(coarse)
    sharp = _squared_slopes(pixels, fine)[edges] - noise * _slope_of_noise(fine)
    ratio = float(np.quantile(sharp / dull, 0.5, weights=dull, method="inverted_cdf"))
    spread = (coarse**2 - ratio * fine**2) / (ratio - 1) if ratio > 1 else math.inf
    return max(0.0, spread - _DRAWN_SPREAD)


def roughness(residuals: Floats) -> float:
    """Standard deviation of the noise in levels, 0 to about 255: from the half that is not cut off at 0 or 255.

    One standard deviation from the median lie the 15.87th and the 84.13th percentile. On black or white grounds one of
    them is cut off, so the farther one counts; the channels' values are joined by their root mean square.

    Args:
        residuals: (n, 3) of flat areas.
    """
    low, middle, high = np.quantile(residuals, (0.1587, 0.5, 0.8413), axis=0)
    farther: Floats = np.maximum(high - middle, middle - low)
    return float(np.sqrt((farther**2).mean()))


def _residuals(pixels: Floats) -> Floats:
    """(n, 3): pixels of the flattest areas less the mean around them, so scaled that the noise keeps its variance."""
    steepest = ndimage.maximum_filter(_squared_slopes(pixels, _FLATTENED), _AROUND, mode="mirror")
    flat = steepest <= np.quantile(steepest, _FLAT_SHARE)
    around = ndimage.uniform_filter(pixels, _AROUND, mode="mirror", axes=(0, 1))
    residuals: Floats = (pixels - around)[flat] / math.sqrt(1 - _AROUND**-2)
    return residuals


def _scales(noise: float) -> tuple[float, float]:
    """The fine and the coarse scale for a noise of that variance, summed over three channels."""
    fine = _FINEST + (_FINE - _FINEST) * min(1.0, math.sqrt(noise / 3) / _MUCH_NOISE)
    return fine, _COARSER * fine


def _edges(squared: Floats, noise: float) -> Bools:
    """The ridges of squared slopes that stand out of the noise's."""
    ridge = squared >= _RIDGE * ndimage.maximum_filter(squared, 3, mode="mirror")
    least = max(_LEAST_SHARE * float(np.quantile(squared, 0.99)), _ABOVE_NOISE * noise, _LEAST_SLOPE**2)
    edges: Bools = ridge & (squared > least)
    return edges


def _squared_slopes(pixels: Floats, scale: float) -> Floats:
    """(height, width): squared gradients behind a Gaussian of ``scale`` px, summed over channels."""
    across, down = (
        ndimage.gaussian_filter(pixels, scale, order=order, mode="mirror", axes=(0, 1)) for order in ((0, 1), (1, 0))
    )
    slopes: Floats = (across**2 + down**2).sum(axis=-1)
    return slopes


def _slope_of_noise(scale: float) -> float:
    """Expected squared gradient of white noise of variance 1: the sum over what one pixel of height 1 gives."""
    one = np.zeros((2 * _REACH + 1, 2 * _REACH + 1, 1))
    one[_REACH, _REACH] = 1
    return float(_squared_slopes(one, scale).sum())
