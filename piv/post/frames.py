"""Moving frames of reference, deviations from a mean, and large and small scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from piv.errors import InputError
from piv.post.datasets import on_datasets
from piv.post.gradients import present_vectors
from piv.post.stencils import check_coordinates, spacing_of
from piv.types import Bool, Flag, Float, VectorField

Kernel = Literal["gaussian", "box"]
Over = Literal["space", "series"]


@on_datasets
def subtract_velocity(field: VectorField, velocity: tuple[float, float]) -> VectorField:
    """The field as an observer sees it who moves with a velocity (Galilean frame).

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    velocity : (float, float)
        u and v in the field's own unit and axes.

    Returns
    -------
    VectorField
        No derivative of it changes.

    Raises
    ------
    InputError
        If the velocity is not two finite numbers.
    """
    if len(velocity) != 2 or not all(math.isfinite(each) for each in velocity):
        raise InputError(f"a velocity is two finite numbers u, v, not {velocity}")
    return _less(field, float(velocity[0]), float(velocity[1]))


@on_datasets
def mean_velocity(
    field: VectorField, over: Over = "space", *, exclude: int = Flag.MASKED
) -> tuple[Float, Float]:
    """Mean of u and v over each field, or over the series at each point.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    over : "space" or "series"
        Over both coordinates, weighted by the area that each vector stands for, which gives
        arrays of shape (..., 1, 1); or over the leading axes, which gives (Ny, Nx).
    exclude : Flag or int
        Vectors with any of these flags are left out.

    Returns
    -------
    u, v : array
        NaN where there is nothing to average.

    Raises
    ------
    InputError
        If ``over`` is another word, or ``series`` and there is none.
    """
    if over not in get_args(Over):
        raise InputError(f"a mean is taken over space or series, not {over!r}")
    if over == "series" and field.u.ndim < 3:
        raise InputError("a mean over a series needs one; this is a single field")
    present = present_vectors(field, exclude)
    here = np.ones(field.shape, bool) if present is None else present
    weights = here * (_areas(field) if over == "space" else 1.0)
    axes = (-2, -1) if over == "space" else tuple(range(field.u.ndim - 2))
    keep = over == "space"
    total = weights.sum(axis=axes, keepdims=keep)
    u, v = (
        np.divide(
            (np.where(here, part, 0) * weights).sum(axis=axes, keepdims=keep),
            total,
            out=np.full(total.shape, np.nan),
            where=total > 0,
        )
        for part in (field.u, field.v)
    )
    return u, v


@on_datasets
def subtract_mean(
    field: VectorField, over: Over = "space", *, exclude: int = Flag.MASKED
) -> VectorField:
    """Deviation from :func:`mean_velocity`: over each field, or over the series (fluctuations).

    Raises
    ------
    InputError
        As :func:`mean_velocity`.
    """
    return _less(field, *mean_velocity(field, over, exclude=exclude))


@dataclass(frozen=True, eq=False)
class Scales:
    """A field in two parts, whose sum it is.

    Parameters
    ----------
    large : VectorField
        Filtered.
    small : VectorField
        What the filter took off.
    stress_uu, stress_uv, stress_vv : array, shape (..., Ny, Nx)
        Subgrid stress: the filtered product less the product of the filtered, for x right, y up.
    """

    large: VectorField
    small: VectorField
    stress_uu: Float
    stress_uv: Float
    stress_vv: Float


@on_datasets
def decompose(
    field: VectorField, width: float, *, kernel: Kernel = "gaussian", exclude: int = Flag.MASKED
) -> Scales:
    r"""Large and small scales by a spatial filter, as in large-eddy simulation.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
        On even spacing.
    width : float
        Filter width in the unit of the coordinates: the side of the box, or the Gaussian of the
        same second moment, :math:`\exp(-6 r^2 / \Delta^2)`.
    kernel : "gaussian" or "box"
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    Scales
        NaN at absent vectors.  At an edge or a mask the filter is cut off, and its weights add up
        to one over the vectors that are there.  The parts carry the flags, but no uncertainty.

    Raises
    ------
    InputError
        If the spacing is uneven, the width is not positive, or the kernel is unknown.

    References
    ----------
    .. [1] Leonard, Adv. Geophys. 18 A (1975), 237.
    """
    if not (math.isfinite(width) and width > 0):
        raise InputError(f"a filter's width must be positive, not {width}")
    if kernel not in get_args(Kernel):
        raise InputError(f"the kernel must be gaussian or box, not {kernel!r}")
    weights = [
        _filter_weights(width / abs(_even(coordinates, name)), kernel)
        for name, coordinates in (("y", field.y), ("x", field.x))
    ]
    present = present_vectors(field, exclude)
    here = np.ones(field.shape[-2:], bool) if present is None else present
    norm = _smooth(here.astype(np.float64), weights)

    def filtered(values: Float) -> Float:
        total = _smooth(np.where(here, values, 0).astype(np.float64), weights)
        return np.where(here, np.divide(total, norm, where=here, out=np.ones_like(total)), np.nan)

    u, v = filtered(field.u), filtered(field.v)
    sign = 1.0 if field.y_axis == "up" else -1.0
    large = _with(field, u, v)
    return Scales(
        large=large,
        small=_with(field, field.u - large.u, field.v - large.v),
        stress_uu=filtered(np.square(field.u, dtype=np.float64)) - u * u,
        stress_uv=sign * (filtered(np.multiply(field.u, field.v, dtype=np.float64)) - u * v),
        stress_vv=filtered(np.square(field.v, dtype=np.float64)) - v * v,
    )


def smooth(values: Float, present: Bool, width: float) -> Float:
    """Gaussian mean of the values that are present; ``width`` is its deviation in vectors.

    Parameters
    ----------
    values : array, shape (..., Ny, Nx)
    present : bool array, shape (..., Ny, Nx)
    width : float

    Returns
    -------
    array, shape (..., Ny, Nx)
        NaN where the value is absent.
    """
    kernel = [_gaussian(width)] * 2
    total = _smooth(np.where(present, values, 0).astype(np.float64), kernel)
    norm = _smooth(present.astype(np.float64), kernel)
    return np.where(present, np.divide(total, norm, where=present, out=np.ones_like(total)), np.nan)


def _less(field: VectorField, u: Float | float, v: Float | float) -> VectorField:
    """Without a velocity; the precision stays."""
    return field.replace(
        u=(field.u - u).astype(field.u.dtype), v=(field.v - v).astype(field.v.dtype)
    )


def _with(field: VectorField, u: Float, v: Float) -> VectorField:
    return field.replace(
        u=u.astype(field.u.dtype), v=v.astype(field.v.dtype),
        uncertainty_u=None, uncertainty_v=None,
    )  # fmt: skip


def _areas(field: VectorField) -> Float:
    """Area that each vector stands for, shape (Ny, Nx); the outermost for as much as their kind."""
    sides = [
        np.abs(np.gradient(np.asarray(coordinates, np.float64))) if coordinates.size > 1 else 1.0
        for coordinates in (field.y, field.x)
    ]
    return np.multiply.outer(*np.atleast_1d(*sides))


def _even(coordinates: Float, name: str) -> float:
    step = spacing_of(check_coordinates(coordinates, name))
    if step is None:
        raise InputError(f"a filter needs even spacing, and that along {name} is not")
    return step


def _gaussian(deviation: float) -> Float:
    reach = max(1, math.ceil(4 * deviation))
    weights = np.exp(-((np.arange(-reach, reach + 1) / deviation) ** 2) / 2)
    return np.asarray(weights / weights.sum())


def _filter_weights(width: float, kernel: Kernel) -> Float:
    """One-dimensional weights of a filter of this width in vectors."""
    if kernel == "gaussian":
        return _gaussian(width / math.sqrt(12))
    half = math.ceil((width - 1) / 2)  # the outermost vectors count by the part inside the box
    weights = np.clip((width + 1) / 2 - np.abs(np.arange(-half, half + 1)), 0, 1)
    return np.asarray(weights / weights.sum())


def _smooth(values: Float, weights: list[Float]) -> Float:
    """Sum of weight times value along both axes; nothing lies outside."""
    from scipy.ndimage import correlate1d

    for axis, each in zip((-2, -1), weights, strict=True):
        values = correlate1d(values, each, axis=axis, mode="constant")
    return values
