"""Structure functions: moments of velocity differences over a distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.corrected import Corrected
from piv.post.correlated import correlation_of
from piv.post.distributions import fluctuation, share_of
from piv.post.series import EXCLUDED, Progress, Series, axis_number, axis_spacing, done, fields_of
from piv.post.statistics import Statistics
from piv.types import Bool, Flag, Float, VectorField


@dataclass(frozen=True, eq=False, slots=True)
class StructureFunctions:
    """Moments of differences over a separation along one axis.

    Parameters
    ----------
    separation : float array, shape (R,)
        In the unit of the coordinates.
    longitudinal, transverse : mapping of int to Corrected, shape (R,)
        Order -> mean of the n-th power of the difference of the component along the axis, and of
        the other one.
    pairs : int array, shape (R,)
        Pairs of vectors that were counted.
    """

    separation: Float
    longitudinal: Mapping[int, Corrected]
    transverse: Mapping[int, Corrected]
    pairs: npt.NDArray[np.int64]


@checked
def structure_functions(
    series: Series,
    flow: Statistics | None = None,
    *,
    axis: Literal["x", "y"] = "x",
    highest: int = 3,
    separations: npt.ArrayLike | None = None,
    region: Bool | None = None,
    correlation_length: float | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> StructureFunctions:
    r"""Structure functions of orders 2 to ``highest``, averaged over places and fields.

    Errors of the two vectors add :math:`s^2 = \sigma_1^2 + \sigma_2^2 - 2 \rho(r) \sigma_1
    \sigma_2` to the second order.  Corrected higher orders take normal errors out as well, for
    which every order needs the lower ones:

    .. math:: \overline{\delta^n} = \sum_k \binom{n}{k} \overline{\delta_0^{n-k}}\;
              \overline{e^k}, \qquad \overline{e^2} = s^2,\ \overline{e^4} = 3 s^4, \dots

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics, optional
        Its means are taken off.
    axis : "x" or "y"
        Differences are taken towards +x, or +y **up**.
    highest : int
        At least 2.
    separations : sequence of int, optional
        In vectors; default each up to 16, then eight while they double, up to half the field.
    region : bool array, shape (Ny, Nx), optional
        Where vectors count.
    correlation_length : float, optional
        Distance at which the errors of two vectors correlate by 1/e; 0 = independent.  Default that
        of the fields' weights, see :func:`correlation_length_of`.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If the grid is uneven along the axis, an argument out of range, or the series empty.
    """
    number = axis_number(axis)
    if highest < 2:
        raise InputError(f"structure functions have orders from 2, not {highest}")
    sums: _Sums | None = None
    step = 0.0
    for field in fields_of(series):
        step = axis_spacing(field, axis)
        if sums is None:
            sums = _Sums.empty(_lags(separations, field.shape[number]), highest)
        u, v, where = fluctuation(field, flow, exclude, region)
        share = correlation_of(field, correlation_length)(step * sums.lags)
        along, across = (u, v) if axis == "x" else (v, u)
        names = ("u", "v") if axis == "x" else ("v", "u")
        found = [getattr(field, f"uncertainty_{name}") for name in names]
        left = np.sqrt(share_of(flow))
        sizes = [None if size is None else size * left for size in found]
        for which, (values, size) in enumerate(zip((along, across), sizes, strict=True)):
            sums.add(which, *_lines(values, where, size, axis), _direction(field, axis), share)
        done(progress)
    if sums is None:
        raise InputError("the series has no fields")
    return sums.result(step)


@dataclass(slots=True)
class _Sums:
    powers: Float  # (2, orders, R) sums of the powers of differences
    noise: Float  # (2, R) sums of the variance of their errors
    pairs: npt.NDArray[np.int64]  # (2, R)
    lags: npt.NDArray[np.int64]  # (R,)

    @classmethod
    def empty(cls, lags: npt.NDArray[np.int64], highest: int) -> _Sums:
        shape = (2, lags.size)
        return cls(
            np.zeros((2, highest, lags.size)), np.zeros(shape), np.zeros(shape, np.int64), lags
        )

    def add(
        self,
        which: int,
        values: Float,
        where: Bool,
        size: Float | None,
        direction: float,
        share: Float,
    ) -> None:
        clean = np.where(where, values, 0.0)
        for place, lag in enumerate(self.lags):
            both = where[:, lag:] & where[:, :-lag]
            change = (clean[:, lag:] - clean[:, :-lag]) * (direction * both)
            power = change
            for order in range(self.powers.shape[1]):
                self.powers[which, order, place] += power.sum()
                power = power * change
            self.pairs[which, place] += np.count_nonzero(both)
            if size is None:
                self.noise[which] = np.nan
            else:
                one, two = size[:, lag:], size[:, :-lag]
                variance = one**2 + two**2 - 2 * share[place] * one * two
                self.noise[which, place] += np.sum(variance, where=both)

    def result(self, step: float) -> StructureFunctions:
        found = []
        for which in range(2):
            count = np.where(self.pairs[which] > 0, self.pairs[which], np.nan)
            found.append(_without_errors(self.powers[which] / count, self.noise[which] / count))
        return StructureFunctions(step * self.lags, found[0], found[1], self.pairs[0].copy())


def _lags(separations: npt.ArrayLike | None, size: int) -> npt.NDArray[np.int64]:
    """Separations in vectors, ascending."""
    if separations is None:
        half = max(1, size // 2)
        spread = 16 * 2 ** (np.arange(1, 8 * 20) / 8)
        found = np.concatenate([np.arange(1, 17), np.rint(spread).astype(np.int64)])
        return np.asarray(found[found <= half])
    lags = np.unique(np.asarray(separations))
    if lags.dtype.kind not in "iu" or not lags.size or lags[0] < 1 or lags[-1] >= size:
        raise InputError(f"separations are whole numbers of vectors, from 1 to {size - 1}")
    return lags.astype(np.int64)


def _without_errors(raw: Float, variance: Float) -> dict[int, Corrected]:
    """Moments 1, 2, ... of differences, and of the same without normal errors of a variance."""
    errors = [np.ones_like(variance)]  # moments of the error
    for order in range(1, len(raw) + 1):
        errors.append(
            np.zeros_like(variance) if order % 2 else (order - 1) * variance * errors[order - 2]
        )
    clean = [np.ones_like(variance)]
    for order, values in enumerate(raw, 1):
        added = sum(comb(order, k) * clean[order - k] * errors[k] for k in range(2, order + 1, 2))
        clean.append(values - added)
    return {n: Corrected(raw[n - 1], raw[n - 1] - clean[n]) for n in range(2, len(raw) + 1)}


def _lines(
    values: Float, where: Bool, size: Float | None, axis: str
) -> tuple[Float, Bool, Float | None]:
    """The axis last, uncertainties in double precision."""
    wide = None if size is None else size.astype(np.float64)
    if axis == "x":
        return values, where, wide
    return values.T, where.T, None if wide is None else wide.T


def _direction(field: VectorField, axis: str) -> float:
    """+1 where the index runs towards +x, or y up."""
    coordinates = getattr(field, axis)
    ascending = bool(coordinates[-1] > coordinates[0])
    return 1.0 if ascending == (axis == "x" or field.y_axis == "up") else -1.0
