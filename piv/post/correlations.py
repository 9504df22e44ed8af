"""Two-point correlations in space and time, and the integral scales they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import fft

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.corrected import Corrected
from piv.post.correlated import correlation_of
from piv.post.distributions import fluctuation, share_of
from piv.post.moments import Moments
from piv.post.series import (
    EXCLUDED,
    Progress,
    Series,
    axis_number,
    axis_spacing,
    check_repeatable,
    done,
    fields_of,
    usable,
)
from piv.post.statistics import Component, Statistics, check_component
from piv.types import Bool, Flag, Float

Pair = Literal["uu", "uv", "vu", "vv"]
Upto = Literal["zero", "1/e", "all"]


@dataclass(frozen=True, eq=False, slots=True)
class Autocorrelation:
    """Correlation over a distance, or a time.

    Parameters
    ----------
    separation : float array, shape (L,)
        In the unit of the coordinates, or s.
    covariance : Corrected, shape (L,)
    pairs : int array, shape (L,)
        Pairs of vectors that were counted.
    """

    separation: Float
    covariance: Corrected
    pairs: npt.NDArray[np.int64]

    @property
    def raw(self) -> Float:
        """Correlation coefficient, 1 at no separation."""
        return self.covariance.raw / self.covariance.raw[0]

    @property
    def corrected(self) -> Float:
        """Coefficient without the noise, which lowers the raw one at every separation but 0."""
        return self.covariance.corrected / self.covariance.corrected[0]


@checked
def two_point_correlation(
    series: Series,
    flow: Statistics,
    point: tuple[int, int],
    *,
    components: Pair = "uu",
    correlation_length: float | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Corrected:
    r"""Correlation coefficient of one point with all others.

    .. math:: R_{ij}(x_0, x) = \overline{u_i'(x_0) u_j'(x)} / (\sigma_i(x_0) \sigma_j(x))

    The corrected one has noise taken off the covariance (at the point itself and, with correlated
    errors, around it) and off both variances.

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics
        Of the series.
    point : (row, column)
    components : "uu", "uv", "vu" or "vv"
        At the point, and elsewhere; v up.
    correlation_length : float, optional
        Distance at which the errors of two vectors correlate by 1/e; 0 = independent.  Default that
        of the fields' weights, see :func:`correlation_length_of`.
    exclude, progress : see :func:`statistics_of`

    Returns
    -------
    Corrected, shape (Ny, Nx)
        NaN where there are no common samples.

    Raises
    ------
    InputError
        If the point lies outside, or the components are others.
    """
    if components not in ("uu", "uv", "vu", "vv"):
        raise InputError(f"components are uu, uv, vu or vv, not {components!r}")
    shape = flow.count.shape
    if not (0 <= point[0] < shape[0] and 0 <= point[1] < shape[1]):
        raise InputError(f"the point {point} lies outside the field of {shape} vectors")
    sums = Moments.empty(shape, 2)
    for field in fields_of(series):
        correlation = correlation_of(field, correlation_length)
        u, v, where = fluctuation(field, flow, exclude)
        both = {"u": u, "v": v}
        if where[point]:
            there = np.full(shape, both[components[0]][point])
            sums.include(there[None], both[components[1]][None], where[None])
        done(progress)
    covariance = sums.central(1, 1)
    squares = {"u": sums.central(2, 0), "v": sums.central(0, 2)}
    product = squares["u"] * squares["v"]
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where nothing fluctuates
        raw = covariance / np.sqrt(product)
        first, second = (flow.variance(_component(c), ddof=0).noise for c in components)
        if components[0] == components[1]:
            distance = np.hypot(
                flow.x[None, :] - flow.x[point[1]], flow.y[:, None] - flow.y[point[0]]
            )
            share = correlation(distance)
            covariance = covariance - share * np.sqrt(first[point] * second)
        left = (squares["u"] - first[point]) * (squares["v"] - second)
        clean = covariance / np.sqrt(np.where(left > 0, left, np.nan))
    return Corrected(raw, raw - clean)


@checked
def spatial_correlation(
    series: Series,
    flow: Statistics,
    *,
    component: Component = "u",
    axis: Literal["x", "y"] = "x",
    region: Bool | None = None,
    correlation_length: float | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Autocorrelation:
    """Correlation over a distance along an axis, averaged over all places and fields.

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics
        Of the series.
    component : "u" or "v"
    axis : "x" or "y"
        Along which the flow is homogeneous.
    region : bool array, shape (Ny, Nx), optional
        Vectors that count; default all.  Pairs with an excluded vector are left out.
    correlation_length : float, optional
        Distance at which the errors of two vectors correlate by 1/e; 0 = independent.  Default that
        of the fields' weights, see :func:`correlation_length_of`.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If the grid is uneven along the axis, the axis unknown, or the series read-once.
    """
    check_component(component)
    check_repeatable(series, "a correlation")
    number, step = axis_number(axis), 0.0
    sums: tuple[Float, Any] | None = None
    noise, counts = 0.0, 0
    for field in fields_of(series):
        step, correlation = axis_spacing(field, axis), correlation_of(field, correlation_length)
        u, v, where = fluctuation(field, flow, exclude, region)
        values = np.where(where, u if component == "u" else v, 0.0)
        size = getattr(field, f"uncertainty_{component}")
        squares = None if size is None else np.square(size, dtype=np.float64) * share_of(flow)
        square = np.nan if squares is None else squares[where].sum()
        more = _lag_sums(values, where, number)
        sums = more if sums is None else (sums[0] + more[0], sums[1] + more[1])
        noise, counts = noise + square, counts + int(where.sum())
        done(progress)
    if sums is None or not counts:
        raise InputError("no vector is left to correlate")
    separation = np.arange(sums[0].size) * step
    share = correlation(separation)
    return _autocorrelation(separation, *sums, noise / counts * share)


@dataclass(frozen=True, eq=False, slots=True)
class TimeSeries:
    """Values at P points, one for each of N fields, NaN where a vector does not count.

    Parameters
    ----------
    u, v : float array, shape (N, P)
        As the fields have them.
    uncertainty_u, uncertainty_v : float array, shape (N, P)
        NaN where it is not known.
    """

    u: Float
    v: Float
    uncertainty_u: Float
    uncertainty_v: Float


@checked
def time_series(
    series: Series,
    points: npt.ArrayLike,
    *,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> TimeSeries:
    """Vectors at a few points, over the whole series.

    Parameters
    ----------
    series : see :func:`statistics_of`
    points : int array, shape (P, 2)
        (row, column) of each.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If a point lies outside the fields, or there is no field.
    """
    at = np.asarray(points)
    if at.ndim != 2 or at.shape[1] != 2 or at.dtype.kind not in "iu":
        raise InputError("points must be a list of (row, column), whole numbers")
    rows: dict[str, list[Float]] = {n: [] for n in ("u", "v", "uncertainty_u", "uncertainty_v")}
    place = (at[:, 0], at[:, 1])
    for field in fields_of(series):
        if (at < 0).any() or (at >= np.array(field.shape)).any():
            raise InputError(f"a point lies outside the fields of {field.shape} vectors")
        where = usable(field, exclude)[place]
        for name, values in rows.items():
            array = getattr(field, name)
            chosen = np.nan if array is None else array[place].astype(np.float64)
            values.append(np.where(where, chosen, np.nan))
        done(progress)
    if not rows["u"]:
        raise InputError("the series has no fields")
    return TimeSeries(**{name: np.stack(values) for name, values in rows.items()})


@checked
def temporal_correlation(
    samples: TimeSeries, interval: float, *, component: Component = "u"
) -> Autocorrelation:
    """Correlation over a time, averaged over the points; errors of different fields are apart.

    Parameters
    ----------
    samples : TimeSeries
    interval : float
        Between two fields, s.
    component : "u" or "v"

    Raises
    ------
    InputError
        If the interval is not positive, or no sample counts.
    """
    check_component(component)
    if not interval > 0:
        raise InputError(f"the interval must be a positive time in s, not {interval!r}")
    values: Float = getattr(samples, component)
    where = np.isfinite(values)
    if not where.any():
        raise InputError("no vector is left to correlate")
    count = np.maximum(where.sum(axis=0), 1)
    mean = np.where(where, values, 0.0).sum(axis=0) / count
    products, pairs = _lag_sums(np.where(where, values - mean, 0.0), where, 0)
    separation = np.arange(products.size) * interval
    noise = np.square(getattr(samples, f"uncertainty_{component}"))[where].mean()
    return _autocorrelation(separation, products, pairs, noise * (separation == 0))


@checked
def integral_scale(correlation: Autocorrelation, *, upto: Upto = "zero") -> Corrected:
    """Integral of a correlation coefficient, by the trapezoidal rule.

    Parameters
    ----------
    correlation : Autocorrelation
    upto : "zero", "1/e" or "all"
        To where it first crosses zero (found by linear interpolation); to where it first crosses
        1/e; or over all separations.  Where it never crosses, over all.

    Returns
    -------
    Corrected
        In the unit of the separation.

    Raises
    ------
    InputError
        If ``upto`` is another word.
    """
    levels = {"zero": 0.0, "1/e": float(np.exp(-1)), "all": -np.inf}
    if upto not in levels:
        raise InputError(f"upto is zero, 1/e or all, not {upto!r}")
    raw, clean = (
        _integral(correlation.separation, values, levels[upto])
        for values in (correlation.raw, correlation.corrected)
    )
    return Corrected(np.asarray(raw), np.asarray(raw - clean))


def _component(name: str) -> Component:
    return "u" if name == "u" else "v"


def _lag_sums(values: Float, where: Bool, axis: int) -> tuple[Float, npt.NDArray[np.int64]]:
    """Sums of products over all pairs a lag apart, and how many pairs; absent values are 0."""
    size = values.shape[axis]
    length = fft.next_fast_len(2 * size - 1, real=True)
    sums = []
    for each in (values, where.astype(np.float64)):
        power = np.abs(fft.rfft(each, length, axis=axis)) ** 2
        other = tuple(n for n in range(each.ndim) if n != axis % each.ndim)
        sums.append(fft.irfft(power.sum(axis=other), length)[:size])
    return sums[0], np.rint(sums[1]).astype(np.int64)


def _autocorrelation(
    separation: Float, products: Float, pairs: npt.NDArray[np.int64], noise: Float
) -> Autocorrelation:
    raw = np.full(products.shape, np.nan)
    np.divide(products, pairs, out=raw, where=pairs > 0)
    return Autocorrelation(separation, Corrected(raw, np.asarray(noise)), pairs)


def _integral(separation: Float, values: Float, level: float) -> float:
    known = np.isfinite(values)
    last = int(np.argmin(known)) if not known.all() else values.size
    separation, values = separation[:last], values[:last]
    if not values.size:
        return float("nan")
    below = np.flatnonzero(values <= level)
    if below.size and below[0] > 0:
        end = int(below[0])
        before, after = values[end - 1], values[end]
        part = (before - level) / (before - after)
        cross = separation[end - 1] + part * (separation[end] - separation[end - 1])
        separation = np.append(separation[:end], cross)
        values = np.append(values[:end], level)
    return float(np.trapezoid(values, separation))
