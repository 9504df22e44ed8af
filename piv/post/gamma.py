"""Vortex centres and their extent from the directions of the vectors, not their derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from piv.errors import InputError
from piv.post.datasets import on_datasets
from piv.post.gradients import present_vectors
from piv.post.stencils import check_coordinates
from piv.types import Bool, Flag, Float, VectorField

_Index: TypeAlias = tuple[Any, slice, slice]
_ENOUGH = 0.5  # parts of the neighbourhood


@on_datasets
def gamma_1(
    field: VectorField, radius: int = 3, *, stride: int = 1, exclude: int = Flag.MASKED
) -> Float:
    r"""How far the vectors about a point turn round it: 1 in the centre of a round vortex.

    .. math:: \Gamma_1(P) = \frac1N \sum_M
              \frac{(\mathbf{PM} \times \mathbf{U}_M) \cdot \mathbf z}{|PM|\,|U_M|}

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    radius : int
        The neighbourhood is a square of 2 radius + 1 vectors.
    stride : int
        Distance of these vectors, in those of the field: a wide neighbourhood for a dense field at
        the price of a narrow one.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array, shape (..., Ny, Nx)
        Between -1 and 1, counter-clockwise positive as one sees it; NaN at absent vectors and where
        more than half of the neighbourhood is absent or outside.

    Raises
    ------
    InputError
        If radius or stride are below 1.

    Notes
    -----
    It depends on the frame of reference: subtract the velocity of the vortex first.

    References
    ----------
    .. [1] Graftieaux, Michard & Grosjean, Meas. Sci. Technol. 12 (2001), 1422.
    """
    return _gamma(field, radius, stride, exclude, relative=False)


@on_datasets
def gamma_2(
    field: VectorField, radius: int = 3, *, stride: int = 1, exclude: int = Flag.MASKED
) -> Float:
    r""":func:`gamma_1` of the velocity less its mean over the neighbourhood.

    The same in every frame of reference.  Where rotation exceeds strain :math:`|\Gamma_2| > 2/\pi`,
    for small neighbourhoods [1]_: the extent of the vortices.

    References
    ----------
    .. [1] Graftieaux, Michard & Grosjean, Meas. Sci. Technol. 12 (2001), 1422.
    """
    return _gamma(field, radius, stride, exclude, relative=True)


def _gamma(field: VectorField, radius: int, stride: int, exclude: int, *, relative: bool) -> Float:
    if radius < 1 or stride < 1:
        raise InputError(f"radius and stride must be 1 or more, not {radius} and {stride}")
    present = present_vectors(field, exclude)
    here: Bool = np.ones(field.shape, bool) if present is None else present
    u, v = (np.where(here, part, 0) for part in (field.u, field.v))
    x, y = check_coordinates(field.x, "x"), check_coordinates(field.y, "y")
    offsets = [
        (stride * row, stride * column)
        for row in range(-radius, radius + 1)
        for column in range(-radius, radius + 1)
    ]
    count = np.zeros(field.shape, np.int32)
    mean_u, mean_v = np.zeros_like(u), np.zeros_like(v)
    for to, of, _, _ in _pairs(field.shape, offsets, x, y):
        count[to] += here[of]
        if relative:
            mean_u[to] += u[of]
            mean_v[to] += v[of]
    np.divide(mean_u, count, out=mean_u, where=count > 0)
    np.divide(mean_v, count, out=mean_v, where=count > 0)
    total = np.zeros_like(u)
    for to, of, right, ahead in _pairs(field.shape, offsets, x, y):
        if not (right.any() or ahead.any()):
            continue  # the point itself
        du, dv = u[of] - mean_u[to], v[of] - mean_v[to]
        size = np.hypot(du, dv) * np.hypot(right, ahead)
        turn = right * dv - ahead * du
        total[to] += np.divide(turn, size, out=np.zeros_like(turn), where=here[of] & (size > 0))
    sign = 1.0 if field.y_axis == "up" else -1.0
    others = count - 1
    enough = here & (others >= _ENOUGH * (len(offsets) - 1))
    out = np.full_like(total, np.nan)
    np.divide(sign * total, others, out=out, where=enough)
    return out


def _pairs(
    shape: tuple[int, ...], offsets: list[tuple[int, int]], x: Float, y: Float
) -> Iterator[tuple[_Index, _Index, Float, Float]]:
    """Where points are whose neighbour is inside, where that is, and how far along x and y."""
    for row, column in offsets:
        to_rows, of_rows = _shift(shape[-2], row)
        to_columns, of_columns = _shift(shape[-1], column)
        right = (x[of_columns] - x[to_columns]).astype(np.float32)
        ahead = (y[of_rows] - y[to_rows]).astype(np.float32)[:, None]
        yield (..., to_rows, to_columns), (..., of_rows, of_columns), right, ahead


def _shift(size: int, by: int) -> tuple[slice, slice]:
    """Places with a neighbour at a distance, and the neighbours."""
    first, last = max(0, -by), max(0, size - max(0, by))
    return slice(first, max(first, last)), slice(first + by, max(first, last) + by)
