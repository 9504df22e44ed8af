r"""Uncertainty of any displacement field from its images alone: correlation statistics.

The learned uncertainty of the dense field needs the network that stated it; this one needs the two
frames and a field, whoever measured it.  Both frames are moved to mid-time by the field.  What
then still differs between them makes the correlation peak asymmetric by chance, and the size of
that asymmetry is the random error (Wieneke 2015, doi:10.1088/0957-0233/26/7/074002).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from piv.calibrate import uncalibrate
from piv.correlate import coarse_at_every_pixel, pair_tensors
from piv.errors import InputError
from piv.filters import separable
from piv.spline import coefficients, deform_pair, seen_in_both
from piv.tuning import keep_memory
from piv.types import Float, ImagePair, VectorField, size_text

LARGEST = 1.0  # px; the reach of a three-point fit, stated where nothing can be said
SMALLEST_WINDOW = 8  # px

# weights of the covariances at lags of -3..3 px along each axis; chosen by docs/uncertainty.md
_LAGS = (0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5)
_LAG_PIXELS = sum(_LAGS) ** 2  # pixels over which contributions are taken to be related
_LAG_ENERGY = sum(weight**2 for weight in _LAGS) ** 2
_LEAST_PIXELS = 4 / 3 * _LAG_PIXELS  # fewer give no estimate
_LEAST_VARIANCE = 0.2  # of the sum without its covariances: they are estimated, and may exceed it
_NO_CONTRAST = 1e-6  # variance in a window over that of the frames
_ROUNDING = 1e-6  # px
_DEGREE = 5  # of the spline with which the frames are moved
_STRIP = 2**20  # px of the moved frames that are looked at together: bounds the memory


def correlation_statistics(
    pair: ImagePair, field: VectorField, window: int | tuple[int, int]
) -> tuple[Float, Float]:
    r"""Random uncertainty of each vector from the images: Wieneke's correlation statistics.

    With :math:`a, b` the frames at mid-time, :math:`a(x) = I_1(x - d/2)` and
    :math:`b(x) = I_2(x + d/2)`, less their local mean, and :math:`e` one pixel along the axis of
    the component, a pixel pair contributes to the correlation and to its asymmetry

    .. math:: c_i = \tfrac12 [a(x_i)\, b(x_i + e) + a(x_i + e)\, b(x_i)], \qquad
              \delta_i = a(x_i)\, b(x_i + e) - a(x_i + e)\, b(x_i) ,

    so that over the n pixel pairs of a window :math:`C_\pm = \overline{c_i}`,
    :math:`C_0 = \overline{a b}`, and :math:`C(+e) - C(-e) = \overline{\delta_i}`.  Neighbouring
    contributions are related; with the weights :math:`k` of the lags (1 up to 2 px along each
    axis, one half at 3 px) the variance of that mean is

    .. math:: s^2 = \frac{1}{n^2} \sum_i \sum_l k_l\, \delta_i\, \delta_{i + l}
              \; \frac{n}{n - \sum_l k_l} .

    but at least a fifth of what the lag 0 alone gives, for in a small window the estimate of the
    covariances may exceed it.  The last factor is there because a measured displacement has
    already made the sum of the contributions small.  Through the three-point Gaussian fit,

    .. math:: u = \frac{\ln C(-e) - \ln C(+e)}{2 [\ln C(-e) - 2 \ln C_0 + \ln C(+e)]}, \qquad
              \sigma_u = \frac{s}{4\, C_\pm \ln (C_0 / C_\pm)} ,

    and the half-width is :math:`\sigma_u` times the 68.3 % point of Student's t with
    :math:`n / \sum k_l^2` degrees of freedom, as :math:`s` is itself estimated.

    Parameters
    ----------
    pair : ImagePair
        The recording, grey levels of any scale; masked pixels do not count.
    field : VectorField
        One field of this pair, in px or in m/s, on a grid of windows or at every pixel of the
        frames or of a region; shape (Ny, Nx).
    window : int or (int, int)
        Interrogation window, (height, width) in px, at least 8: all its pixels count the same
        (a top-hat).  For a coarse field its last windows, ``field.attrs["windows"][-1]``; for a
        dense field see docs/uncertainty.md.  Near the frame's edge the nearest whole window.

    Returns
    -------
    uncertainty_u, uncertainty_v : float32 array, shape (Ny, Nx)
        Half-width of the 68.3 % interval of the component, in the field's unit: above 0 and at
        most 1 px.  That largest value means "at least": there is no peak in the window, or too
        little of it is seen.  NaN where the field has no value.

    Raises
    ------
    InputError
        If the window is under 8 px or larger than the frames, if the field is a series or does
        not lie in the frames, or if a field in m/s does not say how it was calibrated.

    Notes
    -----
    It is the *random* error, to about 0.3 px.  Bias, peak locking, what is smaller than the
    window, and vectors that are wrong altogether cannot be seen by it.

    Wieneke ends the sum over lags where the covariance falls to 5 % of the variance, and puts
    :math:`C_\pm \pm s/2` into the fit; weights that are fixed give the same sum as two filters,
    and the linear form does not saturate at half a pixel.

    References
    ----------
    B. Wieneke, Measurement Science and Technology 26, 074002 (2015).

    Examples
    --------
    >>> result = piv.analyse(first, second, model="none")                   # doctest: +SKIP
    >>> pair = piv.ImagePair(first, second)                                 # doctest: +SKIP
    >>> u, v = piv.uncertainty.correlation_statistics(pair, result.coarse, 16)  # doctest: +SKIP
    """
    keep_memory()
    size = _window(window, pair.shape)
    measured = uncalibrate(field) if field.units == "m/s" else field
    _check_grid(measured, pair.shape)
    a, b, seen = _at_mid_time(pair, measured)
    y, x = (
        _inside(torch.from_numpy(np.asarray(centres, np.float64)), length, extent)
        for centres, length, extent in zip((measured.y, measured.x), size, pair.shape, strict=True)
    )
    strips = [_strip(a, b, seen, y[rows], x, size) for rows in _row_groups(y, pair.shape[1])]
    both = torch.cat(strips, dim=1).numpy()
    both[:, ~(np.isfinite(field.u) & np.isfinite(field.v))] = np.nan
    if field.units == "m/s":
        both *= field.attrs["calibration"]["pixel_size"] / field.dt
    uncertainty_u, uncertainty_v = both.astype(np.float32)
    return uncertainty_u, uncertainty_v


def _window(window: int | tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a window that fits the frames."""
    try:
        height, width = (window, window) if isinstance(window, (int, np.integer)) else window
        size = (int(height), int(width))
    except (TypeError, ValueError):
        raise InputError(f"the window must be a size or (height, width), not {window!r}") from None
    if min(size) < SMALLEST_WINDOW or size[0] > shape[0] or size[1] > shape[1]:
        raise InputError(
            f"the window is {size_text(size)} px, but it must be at least {SMALLEST_WINDOW} px "
            f"and fit frames of {size_text(shape)} px (height x width)"
        )
    return size


def _check_grid(field: VectorField, shape: tuple[int, int]) -> None:
    if field.u.ndim != 2:
        raise InputError(f"one field of shape (Ny, Nx) is needed, not a series {field.shape}")
    for name, values, size in (("y", field.y, shape[0]), ("x", field.x, shape[1])):
        if not (values.size and values[0] > -0.5 - 1e-6 and values[-1] < size - 0.5 + 1e-6):
            raise InputError(
                f"the field's {name} does not lie in frames of {size_text(shape)} px (height x "
                "width): give the pair that it was measured on"
            )
        if (np.diff(values) <= 0).any():
            raise InputError(f"the field's {name} must rise from vector to vector")


def _at_mid_time(pair: ImagePair, field: VectorField) -> tuple[Tensor, Tensor, Tensor]:
    """Both frames moved by the field, and 1 where they show fluid; (H, W), zero elsewhere."""
    displacement = _displacement(field, pair.shape)
    first, second, fluid = pair_tensors(pair)
    a, b = (coefficients(_scaled(image, fluid)[:, None], _DEGREE) for image in (first, second))
    seen = seen_in_both(fluid, displacement)[0]
    a, b = deform_pair(a, b, displacement, _DEGREE)
    return a[0, 0] * seen, b[0, 0] * seen, seen


def _displacement(field: VectorField, shape: tuple[int, int]) -> Tensor:
    """(1, 2, H, W): the field at every pixel of the frames."""
    steps = (np.diff(field.y) == 1).all() and (np.diff(field.x) == 1).all()
    if not (steps and field.y[0] % 1 == 0 and field.x[0] % 1 == 0):
        return torch.from_numpy(coarse_at_every_pixel(field, shape))[None]
    top, left = int(field.y[0]), int(field.x[0])
    around = (
        (top, shape[0] - top - field.y.size),
        (left, shape[1] - left - field.x.size),
    )  # beyond a region its outermost vectors go on
    known = np.isfinite(field.u) & np.isfinite(field.v)
    parts = [np.where(known, c, 0).astype(np.float32) for c in (field.u, field.v)]
    return torch.from_numpy(np.stack([np.pad(part, around, mode="edge") for part in parts]))[None]


def _scaled(image: Tensor, fluid: Tensor | None) -> Tensor:
    """Zero mean and unit variance of the fluid, zero elsewhere: no mask makes an edge."""
    if fluid is None:
        return (image - image.mean()) / image.std().clamp(min=1e-12)
    inside = image[fluid]
    return torch.where(fluid, (image - inside.mean()) / inside.std().clamp(min=1e-12), 0.0)


def _inside(centres: Tensor, length: int, extent: int) -> Tensor:
    """Centres moved so far that their windows lie in the frame."""
    half = (length - 1) / 2
    return centres.clamp(half, extent - 1 - half)


def _row_groups(y: Tensor, width: int) -> Iterator[slice]:
    """Rows of vectors that are evaluated together, a strip of the frames each."""
    height = max(1, _STRIP // width)
    start = 0
    while start < len(y):
        stop = int(torch.searchsorted(y, y[start] + height))
        yield slice(start, stop)
        start = stop


def _strip(
    a: Tensor, b: Tensor, seen: Tensor, y: Tensor, x: Tensor, window: tuple[int, int]
) -> Tensor:
    """(2, Ny, Nx), px: both components at rows of vectors."""
    # half a window for the sums, half of the square for the local mean, and the lags
    reach = (window[0] + max(window)) // 2 + len(_LAGS)
    top = max(0, math.floor(float(y[0])) - reach)
    bottom = min(len(a), math.ceil(float(y[-1])) + reach + 1)
    a, b, seen = (t[top:bottom] for t in (a, b, seen))
    y = y - top
    a, b = _less_local_mean(a, b, seen, window)
    pixels = _sums(seen, y, x, window)
    peak = _sums(a * b, y, x, window) / pixels.clamp(min=1)
    u = _component(_Sides.of(a, b, seen), peak, y, x - 0.5, window)
    v = _component(_Sides.of(a.mT, b.mT, seen.mT), peak.mT, x, y - 0.5, window[::-1]).mT
    return torch.stack((u, v))


def _less_local_mean(
    a: Tensor, b: Tensor, seen: Tensor, window: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Both frames less their mean over a square around every pixel, as wide as the window."""
    around = _top_hat(max(window))
    pixels = separable(seen, around, mirror=False).clamp(min=1)
    means = (separable(t, around, mirror=False) / pixels for t in (a, b))
    first, second = ((t - mean) * seen for t, mean in zip((a, b), means, strict=True))
    return first, second


def _top_hat(width: int) -> tuple[float, ...]:
    """Weights of the pixels in ``width`` px around a pixel; at the ends of an even one, halves."""
    if width % 2:
        return (1.0,) * width
    return (0.5, *(1.0,) * (width - 1), 0.5)


class _Sides(NamedTuple):
    """Contributions of neighbours along the last axis, half a pixel beyond the first of them."""

    height: Tensor  # to the correlation beside the peak
    asymmetry: Tensor  # to its difference between the two sides
    seen: Tensor

    @classmethod
    def of(cls, a: Tensor, b: Tensor, seen: Tensor) -> _Sides:
        right, left = a[:, :-1] * b[:, 1:], a[:, 1:] * b[:, :-1]
        return cls((right + left) / 2, right - left, seen[:, :-1] * seen[:, 1:])


def _component(
    sides: _Sides, peak: Tensor, y: Tensor, x: Tensor, window: tuple[int, int]
) -> Tensor:
    """Half-width of the 68.3 % interval along the last axis, px."""
    pixels = _sums(sides.seen, y, x, window)
    count = pixels.clamp(min=_LEAST_PIXELS)
    height = _sums(sides.height, y, x, window) / count
    related = separable(sides.asymmetry, _LAGS, mirror=False)
    variance = _sums(sides.asymmetry * related, y, x, window)
    alone = _sums(sides.asymmetry.square(), y, x, window)
    variance = torch.maximum(variance, _LEAST_VARIANCE * alone)
    spread = (variance / (count - _LAG_PIXELS) / count).sqrt()
    slope = 4 * height * (peak / height).log()
    half_width = spread * _student(count / _LAG_ENERGY) / slope
    known = (pixels >= _LEAST_PIXELS) & (height > 0) & (peak > height) & (peak > _NO_CONTRAST)
    # frames that agree to the last digit still have rounding errors
    return torch.where(known, half_width, LARGEST).clamp(_ROUNDING, LARGEST)


def _student(freedom: Tensor) -> Tensor:
    """68.3 % point of Student's t, interpolated from a table: the numbers repeat a lot."""
    table = np.geomspace(1.0, 1e5, 200)
    points = student.ppf(0.5 + 0.683 / 2, table)
    return torch.from_numpy(np.interp(freedom.numpy(), table, points))


def _sums(values: Tensor, y: Tensor, x: Tensor, window: tuple[int, int]) -> Tensor:
    """Sums over windows around all (y, x), (H, W) -> (Ny, Nx), float64.

    A pixel reaches half a pixel beyond its centre; one that lies partly in the window counts in
    part, so that a window of even size can be centred on a pixel.
    """
    height, width = window
    rows = _integral(values.double(), y + height / 2) - _integral(values.double(), y - height / 2)
    columns = rows.mT
    return (_integral(columns, x + width / 2) - _integral(columns, x - width / 2)).mT


def _integral(values: Tensor, ends: Tensor) -> Tensor:
    """Sum along the first axis from the frame's edge to ``ends``, px; (n, m) -> (len(ends), m)."""
    size = len(values)
    running = torch.cat((torch.zeros_like(values[:1]), values.cumsum(0)))
    place = (ends + 0.5).clamp(0, size)
    cell = place.floor().long().clamp(max=size - 1)
    part = (place - cell)[:, None]
    return torch.lerp(running[cell], running[cell + 1], part)
