r"""What the images of a pair allow at best: floors to hold an error against.

Three estimates that know what no measurement knows.  Each is a displacement field, or a variance,
at every pixel, and is scored as a method is:

- **particles**: the exact displacement of the particles that are visible in both frames, with
  cubic interpolation between them;
- **window**: a correlation window of the one width that is best for the whole class; both frames
  are moved by the truth first, so that nothing but noise and lost pairs is left to err on, and
  the window gives the mean of the truth over itself;
- **Cramer-Rao**: the same windows, with the least variance that any unbiased estimator of one
  displacement a window can have: :math:`\mathrm{Cov} \ge (\sum \nabla I \nabla I^T / s^2)^{-1}`
  with the clean image's gradients and the variance :math:`s^2` of both frames' noise (Pan et al.,
  Opt. Express 16, 7037, 2008; Westerweel, Exp. Fluids 29, S3, 2000).  Lost pairs only take
  gradients away, they add no noise: a lower bound all the same.

The latter two bound what *windows* can do, not what a prior about flows can do; the first bounds
what can be known where no particle is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.interpolate import CloughTocher2DInterpolator, NearestNDInterpolator
from scipy.ndimage import uniform_filter

from piv.errors import InputError
from piv.metrics import BORDER, counting
from piv.preprocess import in_single_precision
from piv.spline import coefficients, deform_pair, seen_in_both
from piv.train.source import Hidden
from piv.types import Bool, Float, TruePair

PARTICLES, WINDOW, CRAMER_RAO = "floor: particles", "floor: window", "floor: Cramer-Rao"
WIDTHS = (7, 9, 11, 13, 17, 21, 25, 33)  # px
_REACH = 1.0  # px, standard deviation of what an estimator may expect where it sees nothing


class Floor(NamedTuple):
    """Vector rms (px) of one floor over pairs, and the width of its window (px; 0 = has none)."""

    name: str
    vector_rms: float
    width: int


class Squares(NamedTuple):
    """Sums over the pixels of one pair that count; of every window width where there are."""

    particles: float
    windows: Sequence[float]
    cramer_rao: Sequence[float]
    pixels: int


def floors(pairs: Iterable[Squares]) -> list[Floor]:
    """Vector rms of every floor, pooled over the pixels of pairs; the best width for all of them.

    Raises
    ------
    InputError
        If there is no pair.
    """
    found = list(pairs)
    if not found:
        raise InputError("floors need at least one pair")
    pixels = sum(part.pixels for part in found)
    rows = []
    for name, sums in (
        (PARTICLES, [[part.particles] for part in found]),
        (WINDOW, [part.windows for part in found]),
        (CRAMER_RAO, [part.cramer_rao for part in found]),
    ):
        means = np.sum(sums, axis=0) / pixels
        if means.size and np.isfinite(means).all():
            best = int(np.argmin(means))
            width = WIDTHS[best] if means.size > 1 else 0
            rows.append(Floor(name, float(np.sqrt(means[best])), width))
    return rows


def squares(true: TruePair, where: Bool, hidden: Hidden | None = None) -> Squares:
    """Squared errors of one pair, summed; without what is hidden only those of the windows.

    Parameters
    ----------
    true : TruePair
    where : bool array, shape (H, W)
        Pixels that count; the usual border is left out as well.
    hidden : Hidden, optional
    """
    counts = counting(true.u, where=where, border=BORDER)
    fluid = 1.0 * _fluid(true)
    residuals = window_residuals(true)
    windows, bounds = [], []
    for width, residual in zip(WIDTHS, residuals, strict=True):
        offset = _mean(np.stack([true.u, true.v]), fluid, width) - np.stack([true.u, true.v])
        windows.append(_sum((residual + offset) ** 2, counts))
        if hidden is not None:
            variance = cramer_rao(hidden, width)
            bounds.append(_sum(variance + offset**2, counts))
    particles = float("nan")
    if hidden is not None:
        particles = _sum((interpolated(hidden, counts.shape) - [true.u, true.v]) ** 2, counts)
    return Squares(particles, windows, bounds, int(counts.sum()))


def window_residuals(true: TruePair) -> list[Float]:
    """Displacement that windows still find once the truth has moved both frames, each (2, H, W).

    Normalised correlation at the shifts -1, 0 and 1 px and a Gaussian through its three values,
    for every width of ``WIDTHS``; beyond one pixel there is no answer and the limit is taken.
    Only places that both frames show as fluid are in a window.
    """
    pair, fluid = in_single_precision(true.pair), _fluid(true)
    grey = [np.where(fluid, f, np.median(f[fluid])) for f in (pair.first, pair.second)]
    scale = max(float(grey[0].std()), 1e-30)  # grey levels of order 1, whatever the camera
    first, second = (
        coefficients(torch.from_numpy((f / scale).astype(np.float32))[None, None], 5) for f in grey
    )
    truth = torch.from_numpy(np.stack([true.u, true.v]).astype(np.float32))[None]
    seen = seen_in_both(torch.from_numpy(fluid)[None], truth)[0].double().numpy()
    a, b = (f[0, 0].double().numpy() for f in deform_pair(first, second, truth, 5))
    a, b = (np.where(seen > 0, f, f[seen > 0].mean()) for f in (a, b))
    return [_residual(a, b, seen, width) for width in WIDTHS]


def _fluid(true: TruePair) -> Bool:
    return np.ones(true.u.shape, dtype=bool) if true.pair.mask is None else ~true.pair.mask


def _residual(a: Float, b: Float, fluid: Float, width: int) -> Float:
    means = [_mean(f, fluid, width) for f in (a, b)]
    powers = [
        np.maximum(_mean(f * f, fluid, width) - m**2, 1e-6)
        for f, m in zip((a, b), means, strict=True)
    ]

    def correlation(shift: int, axis: int) -> Float:
        """Window of the first frame with the shifted one of the second, and the reverse."""
        mean, power = (np.roll(c[1], -shift, axis) for c in (means, powers))
        product = _mean(a * np.roll(b, -shift, axis), fluid, width) - means[0] * mean
        one: Float = product / np.sqrt(powers[0] * power)
        return 0.5 * (one + np.roll(one, shift, axis))

    middle = correlation(0, 0)
    return np.stack([_peak(correlation(-1, n), middle, correlation(1, n)) for n in (1, 0)])


def _peak(before: Float, middle: Float, after: Float) -> Float:
    """Place of the peak of a Gaussian through three values, within one pixel."""
    lower, centre, upper = (np.log(np.maximum(c, 1e-3)) for c in (before, middle, after))
    curvature = 2 * centre - lower - upper
    place = 0.5 * (upper - lower) / np.where(curvature > 1e-6, curvature, 1e-6)
    return np.clip(place, -1.0, 1.0)


def _mean(values: Float, fluid: Float, width: int) -> Float:
    """Mean over the fluid of a square window about every pixel; the frame is mirrored."""
    size = (0,) * (values.ndim - 2) + (width, width)
    share = np.maximum(uniform_filter(fluid, width, mode="mirror"), 1e-6)
    return np.asarray(uniform_filter(values * fluid, size, mode="mirror") / share)


def cramer_rao(hidden: Hidden, width: int) -> Float:
    """Least variance (px^2) of both components of one displacement a window, shape (2, H, W).

    Where a window holds next to nothing, the variance is that of a guess, 1 px^2.
    """
    xx, xy, yy = (
        uniform_filter(product / hidden.variance, width, mode="mirror") * width**2
        for product in (
            hidden.slope_x**2,
            hidden.slope_x * hidden.slope_y,
            hidden.slope_y**2,
        )
    )
    xx, yy = xx + 1 / _REACH**2, yy + 1 / _REACH**2
    return np.stack([yy, xx]) / (xx * yy - xy**2)


def interpolated(hidden: Hidden, shape: tuple[int, int]) -> Float:
    """Exact displacement of the visible particles, interpolated to every pixel, (2, H, W).

    Clough and Tocher's cubic within the particles' hull, the nearest particle beyond it.

    Raises
    ------
    InputError
        If there are fewer than four visible particles.
    """
    if hidden.y.size < 4:
        raise InputError("no floor can be found: fewer than four particles are visible")
    points, values = np.stack([hidden.y, hidden.x], 1), np.stack([hidden.u, hidden.v], 1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    field = CloughTocher2DInterpolator(points, values)(y, x)
    hole = ~np.isfinite(field[..., 0])
    field[hole] = NearestNDInterpolator(points, values)(y[hole], x[hole])
    return np.moveaxis(field, -1, 0)


def _sum(values: Float, counts: Bool) -> float:
    return float(values[:, counts].sum())
