"""Finite differences along one axis, on any spacing, that never reach across what is absent.

Every explicit scheme is the slope of a polynomial fitted by least squares to a few points; of as
many coefficients as points it is the usual finite difference.  Where a point of the stencil is
absent, or lies outside the field, the stencil is moved until all of it, and all between, is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from piv.errors import InputError, nearest
from piv.post.arguments import checked
from piv.types import Bool, Float

Correlation = Callable[[Float], Float]  # of errors, from their distance
_Pieces = list[Float]
_TILE = 1 << 15  # elements of a piece of work
_SAME = 1e-6  # parts of the spacing: what counts as uniform


@dataclass(frozen=True)
class Scheme:
    """How to differentiate: a polynomial of ``degree`` through the vectors at ``offsets``.

    Parameters
    ----------
    offsets : tuple of int
        Ascending, with some on either side of 0.
    degree : int
        Of the polynomial, at least 1 and below the number of offsets.
    compact : bool
        Solve for the derivatives of a whole line at once instead (offsets and degree are then
        what replaces it where a line is too short).

    Raises
    ------
    InputError
        If there are too few offsets for the degree, or they do not enclose 0.
    """

    offsets: tuple[int, ...]
    degree: int
    compact: bool = False

    def __post_init__(self) -> None:
        whole = [isinstance(each, Integral) for each in (*self.offsets, self.degree)]
        if isinstance(self.offsets, str) or not all(whole):
            raise InputError(
                f"offsets and degree are whole numbers, not {self.offsets!r}, {self.degree!r}"
            )
        ascending = sorted(set(self.offsets)) == list(self.offsets)
        if not ascending or not self.offsets or not self.offsets[0] < 0 < self.offsets[-1]:
            raise InputError(f"offsets must ascend and enclose 0, not {self.offsets}")
        if not 1 <= self.degree < len(self.offsets):
            raise InputError(
                f"a polynomial of degree {self.degree} needs at least {self.degree + 1} offsets "
                f"and a degree of 1 or more; there are {len(self.offsets)}"
            )


@checked
def savitzky_golay(window: int, degree: int) -> Scheme:
    """Slope of a polynomial fitted to a window of vectors (Savitzky & Golay 1964).

    Parameters
    ----------
    window : int
        Number of vectors, odd, at least 3.
    degree : int
        Of the polynomial; 1 and 2 are the same on even spacing, as are 3 and 4.

    Raises
    ------
    InputError
        If the window is even or not above the degree.
    """
    if window < 3 or window % 2 == 0:
        raise InputError(f"a window has an odd number of vectors, at least 3, not {window}")
    half = window // 2
    return Scheme(tuple(range(-half, half + 1)), degree)


_CENTRAL = Scheme((-1, 0, 1), 2)
_CENTRAL_4 = Scheme((-2, -1, 0, 1, 2), 4)
SCHEMES = {
    "central": _CENTRAL,
    "central4": _CENTRAL_4,
    "compact": Scheme(_CENTRAL.offsets, _CENTRAL.degree, compact=True),
    "richardson": Scheme((-8, -2, -1, 0, 1, 2, 8), 4),
    "least-squares": savitzky_golay(5, 2),
    "savitzky-golay": savitzky_golay(7, 3),
}


def scheme_of(scheme: str | Scheme) -> Scheme:
    """The scheme of this name, or the scheme itself.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    if isinstance(scheme, Scheme):
        return scheme
    if scheme not in SCHEMES:
        raise InputError(f"unknown scheme {scheme!r}{nearest(scheme, SCHEMES)}")
    return SCHEMES[scheme]


def check_coordinates(coordinates: Float, name: str) -> Float:
    """Coordinates in double precision.

    Raises
    ------
    InputError
        If they neither ascend nor descend strictly.
    """
    values = np.asarray(coordinates, np.float64)
    if values.ndim != 1:
        raise InputError(f"the coordinates {name} must be one-dimensional, not {values.shape}")
    steps = np.diff(values)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise InputError(f"the coordinates {name} must ascend or descend strictly")
    return values


def spacing_of(coordinates: Float) -> float | None:
    """Even spacing of coordinates, with its sign; None if it is uneven."""
    if coordinates.size < 2:
        return 1.0
    steps = np.diff(coordinates)
    mean = float((coordinates[-1] - coordinates[0]) / steps.size)
    slack = _SAME * abs(mean) + 4 * np.finfo(np.float64).eps * float(np.abs(coordinates).max())
    return mean if bool(np.all(np.abs(steps - mean) <= slack)) else None


def weights_at(coordinates: Float, offsets: tuple[int, ...], degree: int) -> Float:
    """Weights of a stencil at every place where it fits.

    Returns
    -------
    array, shape (offsets,) on even spacing, else (places, offsets)
        Places run from ``max(0, -offsets[0])`` to where the last offset is the last coordinate.
    """
    steps = np.asarray(offsets)
    spacing = spacing_of(coordinates)
    if spacing is not None:
        weights = _slope_weights(steps.astype(np.float64), degree)
        if np.array_equal(steps, -steps[::-1]):
            weights = (weights - weights[::-1]) / 2  # exactly odd: no rounding error of a constant
        return weights / spacing
    first, last = max(0, -offsets[0]), coordinates.size - max(0, offsets[-1])
    places = np.arange(first, last)
    distance = coordinates[places[:, None] + steps] - coordinates[places][:, None]
    scale = np.abs(distance).max(axis=1, keepdims=True)
    return np.asarray(_slope_weights(distance / scale, degree) / scale)


def _slope_weights(distance: Float, degree: int) -> Float:
    """Row of the pseudo-inverse that gives the slope at 0 of the fitted polynomial."""
    powers = distance[..., None] ** np.arange(degree + 1)
    return np.asarray(np.linalg.pinv(powers)[..., 1, :])


def candidates(scheme: Scheme) -> list[tuple[tuple[int, ...], int]]:
    """Offsets and degree to try, the best first: moved to one side, then shorter."""
    span = scheme.offsets[-1] - scheme.offsets[0] + 1
    gaps = span > len(scheme.offsets)
    found = [(scheme.offsets, scheme.degree)]
    for each in (
        ([] if gaps else [scheme]) + ([_CENTRAL_4] if scheme.degree > 2 else []) + [_CENTRAL]
    ):
        low, high = each.offsets[0], each.offsets[-1]
        found += [
            (tuple(offset + move for offset in each.offsets), each.degree)
            for move in sorted(range(-high, -low + 1), key=abs)
        ]
    return [*dict.fromkeys(found), ((0, 1), 1), ((-1, 0), 1)]


@dataclass(frozen=True, eq=False)
class _Stencil:
    """A candidate with its numbers, for one line of coordinates; the line is the last axis."""

    offsets: tuple[int, ...]
    first: int  # places first:last are where it fits the line
    last: int
    weights: Float  # (offsets,) on even spacing, else (offsets, places)
    joint: Float | None  # correlation of the errors, (offsets, offsets[, places])

    @classmethod
    def of(
        cls,
        offsets: tuple[int, ...],
        degree: int,
        coordinates: Float,
        factor: float,
        correlation: Correlation | None,
        kind: npt.DTypeLike,
    ) -> _Stencil:
        """Weights times ``factor``, in the precision ``kind``."""
        first, last = max(0, -offsets[0]), coordinates.size - max(0, offsets[-1])
        weights = weights_at(coordinates, offsets, degree) * factor
        joint = None
        if correlation is not None:
            places = np.arange(first, last)[: 1 if weights.ndim == 1 else None]
            at = coordinates[places[:, None] + np.asarray(offsets)]
            every = correlation(np.abs(at[:, :, None] - at[:, None, :])).astype(kind)
            joint = every[0] if weights.ndim == 1 else np.moveaxis(every, 0, -1)
        return cls(offsets, first, last, np.moveaxis(weights, 0, -1).astype(kind), joint)

    def slab(
        self, out: Float, values: Float, start: int, stop: int, fits: Bool | None = None
    ) -> None:
        """At all places start:stop, or those that fit, a cacheful at a time."""
        for rows, places in _tiles(out, start, stop):
            found = self._combine(
                [values[..., rows, places.start + k : places.stop + k] for k in self.offsets],
                slice(places.start - self.first, places.stop - self.first),
            )
            if fits is None:
                out[..., rows, places] = found
            else:
                np.copyto(out[..., rows, places], found, where=fits[..., rows, places])

    def scattered(self, values: Float, places: tuple[npt.NDArray[Any], ...]) -> Float:
        """At single places."""
        *lines, along = places
        return self._combine(
            [values[(*lines, along + k)] for k in self.offsets], along - self.first
        )

    def _combine(self, pieces: list[Float], part: Any) -> Float:
        weights, joint = self.weights, self.joint
        if weights.ndim == 2:
            weights, joint = weights[:, part], None if joint is None else joint[..., part]
        return _linear(pieces, weights) if joint is None else _variance(pieces, weights, joint)


def _tiles(out: Float, start: int, stop: int) -> Iterator[tuple[slice, slice]]:
    """Rows and places of pieces that stay in the processor's cache."""
    rows = out.shape[-2]
    length = max(1, _TILE // max(1, out[..., 0, 0].size))
    if abs(out.strides[-1]) <= abs(out.strides[-2]):  # the places are neighbours in memory
        step = max(1, length // max(1, stop - start))
        for first in range(0, rows, step):
            yield slice(first, min(first + step, rows)), slice(start, stop)
    else:
        step = max(1, length // max(1, rows))
        for first in range(start, stop, step):
            yield slice(None), slice(first, min(first + step, stop))


def _linear(pieces: list[Float], weights: Float) -> Float:
    """Sum of weight times value."""
    if weights.ndim == 1 and np.array_equal(weights, -weights[::-1]):
        # differences first: half the products, and a constant drops out exactly
        half = len(pieces) // 2
        pieces = [pieces[-1 - k] - pieces[k] for k in range(half)]
        weights = weights[::-1][:half]
    out: Float | None = None
    for piece, weight in zip(pieces, weights, strict=True):
        term = piece * weight
        out = term if out is None else np.add(out, term, out=out)
    assert out is not None
    return out


def _variance(pieces: list[Float], weights: Float, joint: Float) -> Float:
    """Variance of the sum; ``pieces`` are uncertainties and ``joint`` their correlation."""
    scaled = [piece * weight for piece, weight in zip(pieces, weights, strict=True)]
    out = np.zeros_like(scaled[0])
    for j, one in enumerate(scaled):
        out += one * one
        for k in range(j):
            out += 2 * joint[j, k] * one * scaled[k]
    return np.maximum(out, 0, out=out)  # may round below zero where errors move together


def apply(
    values: Float,
    coordinates: Float,
    present: Bool | None,
    scheme: Scheme,
    factor: float = 1.0,
    correlation: Correlation | None = None,
) -> Float:
    """Derivative of ``values`` along their last axis, or the variance of one.

    Parameters
    ----------
    values : array, shape (..., N)
        The quantity; with ``correlation`` its uncertainty.
    coordinates : array, shape (N,)
        Strictly ascending or descending.
    present : bool array, shape (..., N), or None
        Where there is a value; None = everywhere.
    scheme : Scheme
        Its explicit form is used.
    factor : float
        The result is multiplied by it (the variance by its square).
    correlation : function, optional
        Correlation of the errors of two vectors, from their distance; gives the variance.

    Returns
    -------
    array, shape (..., N)
        In the precision of ``values``; NaN where a value is absent or has no neighbour.
    """
    if values.ndim == 1:
        there = None if present is None else present[None]
        return apply(values[None], coordinates, there, scheme, factor, correlation)[0]
    out = np.empty_like(values)
    stencils = (
        _Stencil.of(offsets, degree, coordinates, factor, correlation, values.dtype)
        for offsets, degree in candidates(scheme)
        if coordinates.size > offsets[-1] - offsets[0]
    )
    if present is None:
        _fill_whole(out, values, stencils)
    else:
        _fill_present(out, values, present, stencils)
    return out


def _fill_whole(out: Float, values: Float, stencils: Iterator[_Stencil]) -> None:
    """Nothing is absent: the stencils serve slabs, from the middle to the ends."""
    done = np.zeros(values.shape[-1], bool)
    if done.size < 2:
        out[...] = np.nan
    for stencil in stencils:
        todo = np.flatnonzero(~done[stencil.first : stencil.last]) + stencil.first
        if todo.size:
            for stretch in np.split(todo, np.flatnonzero(np.diff(todo) > 1) + 1):
                start, stop = int(stretch[0]), int(stretch[-1]) + 1
                stencil.slab(out, values, start, stop)
                done[start:stop] = True
        if done.all():
            return


def _fill_present(out: Float, values: Float, present: Bool, stencils: Iterator[_Stencil]) -> None:
    """The first stencil everywhere it fits, the others place by place."""
    out[...] = np.nan
    before, after = run_lengths(present)
    places: tuple[npt.NDArray[Any], ...] | None = None
    for stencil in stencils:
        if places is None:
            fits = (before >= -stencil.offsets[0]) & (after >= stencil.offsets[-1])
            with np.errstate(invalid="ignore"):  # of what is absent, and is not copied
                stencil.slab(out, values, stencil.first, stencil.last, fits)
            places = np.nonzero(present & ~fits)
        else:
            fits = (before[places] >= -stencil.offsets[0]) & (after[places] >= stencil.offsets[-1])
            here = tuple(index[fits] for index in places)
            out[here] = stencil.scattered(values, here)
            places = tuple(index[~fits] for index in places)
        if not places[0].size:
            return


def run_lengths(present: Bool) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """How many are present without a gap before and after each place; -1 where absent."""
    size = present.shape[-1]
    index = np.arange(size, dtype=np.int32)
    gap_before = np.maximum.accumulate(np.where(present, np.int32(-1), index), axis=-1)
    gap_after = np.minimum.accumulate(np.where(present, np.int32(size), index)[..., ::-1], axis=-1)[
        ..., ::-1
    ]
    return index - gap_before - 1, gap_after - index - 1
