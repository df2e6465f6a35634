"""Optical flow by polynomial expansion, measured only as finely as it is used: on a small grid.

Farnebäck, "Two-Frame Motion Estimation Based on Polynomial Expansion" (SCIA 2003): around every pixel each
picture is taken for a quadratic polynomial, and the displacement is the one that carries the linear part of
one over to the other, by least squares over a window. Three things make it several times cheaper, and less
noisy, than the dense flow of a library: windows are averaged on a coarse grid, since nobody asks for single
pixels; the expansion is linear, so that of the pictures' sum and difference is enough; and the second,
finer look warps the picture in place of its coefficients. Where the light has changed in between, its
contrast is brought to that of the other picture first: the method takes any change of grey for motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from realtime.types import F32, U8

RADIUS, SIGMA = 2, 0.7
"""Of the Gaussian that weighs a pixel's neighbourhood, pixels. Of 1..5 and .5..1.5 tried on synthetic streams
of weak movements, this had the most signal over noise, and the fewest taps but one."""
_STEPS = 32
"""cv2.remap samples at this fraction of a pixel, exactly: so the first look is rounded to it."""
_FLAT = 0.016
"""Added to the determinant (grey levels⁴ / px⁴): where the picture is flat the displacement goes to zero."""
_BORDER = (0.14, 0.14, 0.4472, 0.4472, 0.4472)
"""Trust in the pixels next to the border, outermost first, as in OpenCV: what is beyond it is unknown."""
_EDGE = cv2.BORDER_REPLICATE
_LIGHT_CELLS, _LIGHT_ROUNDS = 16, 3
_LIGHT_REACH = 48.0
"""Tukey's constant, 4.7 standard deviations, squared, in medians of the squares."""
_LIGHT_LEAST = 0.01
"""Square of the grey levels by which cells differ without a cause."""
_LIGHT_FLAT = 1.0
"""Variance of the cells, grey levels², below which there is no contrast to go by."""


@dataclass(frozen=True, slots=True)
class Look:
    """Where windows are averaged."""

    cells: int
    """Along each side of the grid."""
    window: int
    """Side of the averaging window, cells."""


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """Half of a flow: what `second_look` goes on from."""

    before: F32
    """(S, S), smoothed."""
    back: F32
    """(S, S): the later picture, smoothed, and taken back by the displacement that was seen."""
    dense: F32
    """(S, S, 2): that displacement, pixels."""
    patchy: float
    """Change of brightness that is not of the whole picture, as a share of it; see `light_change`."""


def grid_flow(before: U8 | F32, now: U8 | F32, size: int, coarse: Look, fine: Look) -> F32:
    """Displacement before → now, averaged over each of size×size cells.

    Args:
        before, now: grey pictures (S, S), uint8 or float32, grey levels 0..255, S >= 32.
        size: cells along each side of the grid, at most those of the fine look.
        coarse: the first look, at pictures of half the size.
        fine: the second one, at what that has left.

    Returns:
        float32 (2, size, size): u, v, pixels, to the right and down.
    """
    return second_look(first_look(before, now, coarse), size, fine)


def first_look(before: U8 | F32, now: U8 | F32, coarse: Look) -> FirstLook:
    """The first half of `grid_flow`."""
    first, second = (_smoothed(picture) for picture in (before, now))
    gain, patchy = light_change(first, second)
    second /= gain
    side = len(first)
    rough = _displacement(_shrunk(first, side // 2), _shrunk(second, side // 2), coarse)
    dense = np.asarray(cv2.resize(rough, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
    dense = np.rint(dense * (side / (side // 2) * _STEPS)) / _STEPS
    x, y = _pixels(side)
    back = cv2.remap(second, x + dense[..., 0], y + dense[..., 1], cv2.INTER_LINEAR, borderMode=_EDGE)
    return FirstLook(first, np.asarray(back, np.float32), dense, patchy)


def second_look(seen: FirstLook, size: int, fine: Look) -> F32:
    """The second half of `grid_flow`."""
    rest = _displacement(seen.before, seen.back, fine)
    return np.moveaxis(_shrunk(seen.dense, size) + _shrunk(rest, size), -1, 0)


def light_change(before: F32, now: F32) -> tuple[float, float]:
    """By how much the contrast has changed from one picture to the other, 0.5 to 2 (1: not at all), and the
    part of the change of brightness that this and an offset common to all pixels do not explain, as a share
    of the brightness: shadows and lamps that light a part of the picture.

    The contrast is the slope of a line through the grey levels of 16×16 cells by least squares, reweighted
    (Tukey's biweight) so that what has moved does not count, as long as most of the picture stays.
    """
    x, y = (_shrunk(picture, _LIGHT_CELLS).ravel() for picture in (before, now))
    weights, whole, slope, unexplained = np.ones_like(x), float(x.size), 1.0, 0.0
    for _ in range(_LIGHT_ROUNDS):
        x_mean, y_mean = float(weights @ x) / whole, float(weights @ y) / whole
        x_own, y_own = x - x_mean, y - y_mean
        weighted = weights * x_own
        spread = float(weighted @ x_own)
        if spread < _LIGHT_FLAT * whole:
            break
        slope = float(weighted @ y_own) / spread
        rest = y_own - slope * x_own
        unexplained = float(rest.mean())
        squared = np.square(rest)
        usual = max(float(np.partition(squared, x.size // 2)[x.size // 2]), _LIGHT_LEAST)
        weights = np.square(np.maximum(1.0 - squared / (_LIGHT_REACH * usual), 0.0))
        whole = float(weights.sum())
    if not 0.5 <= slope <= 2.0:  # no light does that within a lag: something else is there
        slope = 1.0
    return slope, unexplained / max(float(x.mean()), 1.0)


def _smoothed(picture: U8 | F32) -> F32:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (3, 3), 0), np.float32)


def _shrunk(field: F32, side: int) -> F32:
    return np.asarray(cv2.resize(field, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _displacement(before: F32, now: F32, look: Look) -> F32:
    """One look: displacement before → now on a grid, float32 (cells, cells, 2), pixels of these pictures.

    With A the sum and b the difference of the quadratic and of the linear coefficients, d = (ΣAᵀA)⁻¹ ΣAᵀb
    (eqs. 12–15 of the paper).
    """

    def filtered(image: F32, across: F32, down: F32) -> F32:
        return np.asarray(cv2.sepFilter2D(image, -1, across, down, borderType=_EDGE), np.float32)

    def averaged(product: F32) -> F32:
        pooled = cv2.blur(_shrunk(product, look.cells), (look.window, look.window), borderType=_EDGE)
        return np.asarray(pooled, np.float32)

    weight, slope, bend, moment, twist = _kernels()
    total, change = before + now, before - now
    bx, by = filtered(change, slope, weight), filtered(change, weight, slope)
    axx, ayy = filtered(total, bend, weight), filtered(total, weight, bend)
    axy = filtered(total, moment, twist)
    trust = _trust(len(before))
    squared = axy * axy
    g12 = averaged((axx + ayy) * axy * trust)
    h1 = averaged((axx * bx + axy * by) * trust)
    h2 = averaged((axy * bx + ayy * by) * trust)
    g11 = averaged((axx * axx + squared) * trust)
    g22 = averaged((ayy * ayy + squared) * trust)
    inverse = 1.0 / (g11 * g22 - g12 * g12 + _FLAT)
    return np.stack([(g22 * h1 - g12 * h2) * inverse, (g11 * h2 - g12 * h1) * inverse], axis=-1)


@lru_cache(maxsize=1)
def _kernels() -> tuple[F32, F32, F32, F32, F32]:
    """1-D filters, of which pairs give the coefficients: weight; linear; quadratic; and the two of xy.

    Least squares of 1, x, y, x², y², xy under a Gaussian weight (sec. 2 of the paper); that of xy is halved,
    as it is in the matrix of a quadratic form.
    """
    x = np.arange(-RADIUS, RADIUS + 1, dtype=np.float64)
    weight = np.exp(-(x**2) / (2 * SIGMA**2))
    weight /= weight.sum()
    two, four = weight @ x**2, weight @ x**4
    normal = np.array([[1.0, two, two], [two, four, two**2], [two, two**2, four]])  # of 1, x², y²
    inverse = np.linalg.inv(normal)
    kernels = (
        weight,
        x * weight / two,
        (inverse[1, 0] + inverse[1, 1] * x**2 + inverse[1, 2] * two) * weight,
        x * weight,
        x * weight / (2.0 * two**2),
    )
    return tuple(np.asarray(kernel, np.float32) for kernel in kernels)  # type: ignore[return-value]


@lru_cache(maxsize=8)
def _trust(side: int) -> F32:
    """Squared trust in each pixel, (side, side)."""
    across = np.ones(side)
    across[: len(_BORDER)] *= _BORDER
    across[-len(_BORDER) :] *= _BORDER[::-1]
    return np.asarray(np.outer(across, across) ** 2, np.float32)


@lru_cache(maxsize=8)
def _pixels(side: int) -> tuple[F32, F32]:
    """Where the pixels are: x and y, (side, side)."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    return x, y
