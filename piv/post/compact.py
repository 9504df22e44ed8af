r"""Compact differences: the derivatives of a line, or of each unbroken part of it, solved at once.

Interior, fourth order on any spacing (Lele 1992, J. Comput. Phys. 103; Gamet et al. 1999, Int. J.
Numer. Meth. Fluids 29), with :math:`h_1, h_2` the distances to the neighbours and :math:`H` their
sum:

.. math:: \frac{h_2^2}{H^2} f'_{i-1} + f'_i + \frac{h_1^2}{H^2} f'_{i+1} =
          -\frac{2 h_2^2 (2 h_1 + h_2)}{h_1 H^3} f_{i-1} + \frac{2 (h_2 - h_1)}{h_1 h_2} f_i
          + \frac{2 h_1^2 (h_1 + 2 h_2)}{h_2 H^3} f_{i+1} .

At an end :math:`f'_i + \gamma f'_{i+1}` is made of four values, fourth order too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from piv.post.stencils import SCHEMES, Correlation, apply, run_lengths
from piv.types import Bool, Float

_SHORTEST = 6  # vectors in an unbroken part; the equations of four are singular
_REACH = 12  # vectors; the weight of one further away is below 1e-7 of the largest


def compact_derivative(values: Float, coordinates: Float, present: Bool | None) -> Float:
    """Compact derivative along the last axis; explicit central ones in parts of under 6 vectors.

    Parameters
    ----------
    values : array, shape (..., N)
    coordinates : array, shape (N,)
    present : bool array, shape (..., N), or None

    Returns
    -------
    array, shape (..., N)
        In the precision of ``values``; NaN where a value is absent or has no neighbour.
    """
    size = coordinates.size
    if present is None:
        if size < _SHORTEST:
            return apply(values, coordinates, None, SCHEMES["central"])
        present, out, long = np.ones(size, bool), None, np.ones(size, bool)
    else:
        out = apply(values, coordinates, present, SCHEMES["central"])
        long = _long(present)
        if not long.any():
            return out
        values = np.where(present, values, 0)
    before, after = run_lengths(present)
    start, end = (_lines_last(long & (run == 0), bool) for run in (before, after))
    inside = _lines_last(long & (before > 0) & (after > 0), bool)
    known = _lines_last(values, np.float64)
    if present.ndim == 1:  # one matrix for all lines
        ones = (size,) + (1,) * (known.ndim - 1)
        start, end, inside = (which.reshape(ones) for which in (start, end, inside))
    lower, upper, right = _equations(known, coordinates, start, end, inside)
    solution = np.moveaxis(_solve(lower, upper, right), 0, -1)
    found = solution if out is None else np.where(long, solution, out)
    return np.ascontiguousarray(found, values.dtype)


def _long(present: Bool) -> Bool:
    """Where the unbroken part has enough vectors for the compact scheme."""
    before, after = run_lengths(present)
    return np.asarray(present & (before + after + 1 >= _SHORTEST))


def _lines_last(array: npt.NDArray[Any], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Lines along the first axis, so that a step of the elimination is one contiguous operation."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 0), kind)


def compact_variance(
    uncertainty: Float,
    coordinates: Float,
    present: Bool | None,
    correlation: Correlation,
    explicit: Float,
) -> Float:
    """Variance of :func:`compact_derivative`, for an uncertainty that varies slowly.

    Parameters
    ----------
    uncertainty : array, shape (..., N)
    coordinates : array, shape (N,)
    present : bool array, shape (..., N), or None
    correlation : function
        Of the errors of two vectors, from their distance.
    explicit : array, shape (..., N)
        Variance of the central difference, for parts of under 6 vectors.

    Notes
    -----
    With the weights of an unbroken line: beside what is absent it is that of the middle.
    """
    size = coordinates.size
    if size < _SHORTEST:
        return explicit
    weights = compact_derivative(np.eye(size), coordinates, None).T
    factor = np.zeros(size)
    for place in range(size):
        near = slice(max(0, place - _REACH), place + _REACH + 1)
        row, at = weights[place, near], coordinates[near]
        factor[place] = row @ correlation(np.abs(at[:, None] - at)) @ row
    here = np.ones(uncertainty.shape, bool) if present is None else present
    return np.where(_long(here), uncertainty**2 * np.maximum(factor, 0), explicit).astype(
        uncertainty.dtype
    )


def _equations(
    f: Float, x: Float, start: Bool, end: Bool, inside: Bool
) -> tuple[Float, Float, Float]:
    """Coefficients of the derivative before and after, and the right-hand sides, (N, lines...)."""
    lower, upper, right = np.zeros(inside.shape), np.zeros(inside.shape), np.zeros_like(f)
    shape = (-1,) + (1,) * (f.ndim - 1)
    h1, h2 = (h.reshape(shape) for h in (x[1:-1] - x[:-2], x[2:] - x[1:-1]))
    total = h1 + h2
    middle = inside[1:-1]
    lower[1:-1] = np.where(middle, (h2 / total) ** 2, 0)
    upper[1:-1] = np.where(middle, (h1 / total) ** 2, 0)
    right[1:-1] = middle * (
        # of differences from the middle, so that a constant drops out exactly
        2 * h1**2 * (h1 + 2 * h2) / (h2 * total**3) * (f[2:] - f[1:-1])
        + 2 * h2**2 * (2 * h1 + h2) / (h1 * total**3) * (f[1:-1] - f[:-2])
    )
    size = x.size
    for which, step, beside in ((start, 1, upper), (end, -1, lower)):
        places = np.arange(0, size - 3) if step == 1 else np.arange(3, size)
        at = places[:, None] + step * np.arange(4)
        gamma, weights = _closure(x[at] - x[at[:, :1]])
        chosen = which[places]
        beside[places] = np.where(chosen, gamma.reshape(shape), beside[places])
        made = sum(
            weights[:, k].reshape(shape) * (f[places + step * k] - f[places]) for k in (1, 2, 3)
        )
        right[places] = np.where(chosen, made, right[places])
    return lower, upper, right


def _closure(distance: Float) -> tuple[Float, Float]:
    """Gamma and the weights of four values, exact for polynomials of degree 4.

    Parameters
    ----------
    distance : array, shape (N, 4)
        From the end, 0 first.

    Returns
    -------
    gamma : array, shape (N,)
    weights : array, shape (N, 4)
    """
    scale = distance[:, 1:2]
    t = distance / scale
    powers = np.arange(5)
    # sum of weights t^p - gamma p t_1^(p-1) = the derivative of t^p at 0
    matrix = np.concatenate(
        [t[:, None, :] ** powers[:, None], np.broadcast_to(-powers[:, None], (len(t), 5, 1))], -1
    )
    target = np.broadcast_to((powers == 1).astype(float)[:, None], (len(t), 5, 1))
    found = np.linalg.solve(matrix, target)[..., 0]
    return found[:, 4], found[:, :4] / scale


def _solve(lower: Float, upper: Float, right: Float) -> npt.NDArray[Any]:
    """Tridiagonal systems with a unit diagonal along the first axis (Thomas)."""
    size = right.shape[0]
    pivot = np.ones_like(upper[0])
    ratio = np.zeros_like(upper)
    for i in range(size):
        if i:
            pivot = 1 - lower[i] * ratio[i - 1]
            right[i] -= lower[i] * right[i - 1]
        ratio[i] = upper[i] / pivot
        right[i] /= pivot
    for i in range(size - 2, -1, -1):
        right[i] -= ratio[i] * right[i + 1]
    return right
