"""Acceleration of fluid elements, from a time series of fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.correlated import correlation_of, gaussian_correlation
from piv.post.datasets import on_datasets
from piv.post.gradients import (
    DEFAULT_SCHEME,
    components,
    differentiate,
    present_vectors,
    variance_of_derivative,
    variances,
)
from piv.post.stencils import Scheme, check_coordinates
from piv.types import Flag, Float, VectorField

_NAMES = ("du_dx", "du_dy", "dv_dx", "dv_dy")


@on_datasets
def material_acceleration(
    series: VectorField,
    times: npt.ArrayLike,
    *,
    scheme: str | Scheme = DEFAULT_SCHEME,
    exclude: int = Flag.MASKED,
) -> tuple[Float, Float]:
    r"""Acceleration of fluid elements in the plane.

    .. math:: \frac{D\mathbf u}{Dt} = \frac{\partial \mathbf u}{\partial t}
              + u \frac{\partial \mathbf u}{\partial x} + v \frac{\partial \mathbf u}{\partial y}

    Parameters
    ----------
    series : VectorField, shape (T, Ny, Nx)
        Resolved in time.
    times : array, shape (T,)
        Of the fields: in s, or for fields in px in inter-frame intervals (field 3 of a camera
        that takes each frame once is at time 3).  Even or not.
    scheme : str or Scheme
        Of the derivatives in space; in time central differences, one-sided at the ends.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    along_x, along_y : array, shape (T, Ny, Nx)
        In the field's own axes, like u and v; m/s^2, or px per inter-frame interval squared.

    Raises
    ------
    InputError
        If it is no series of two or more fields, or the times do not belong to it.
    """
    instants = check_times(series, times)
    present = present_vectors(series, exclude)
    du_dx, du_dy, dv_dx, dv_dy = _in_own_axes(series, components(series, _NAMES, scheme, exclude))
    u, v = series.u, series.v
    du_dt, dv_dt = (differentiate(part, instants, -3, present, DEFAULT_SCHEME) for part in (u, v))
    return du_dt + u * du_dx + v * du_dy, dv_dt + u * dv_dx + v * dv_dy


@on_datasets
def acceleration_uncertainty(
    series: VectorField,
    times: npt.ArrayLike,
    *,
    correlation_length: float | None = None,
    scheme: str | Scheme = DEFAULT_SCHEME,
    exclude: int = Flag.MASKED,
) -> tuple[Float, Float]:
    """Uncertainty of :func:`material_acceleration`, to first order.

    Errors of different fields, and of u and v, are taken as independent; those of neighbours as in
    :func:`uncertainty_of`.

    Parameters
    ----------
    series : VectorField, shape (T, Ny, Nx)
        With its uncertainty.
    times, scheme, exclude
        As for :func:`material_acceleration`.
    correlation_length : float, optional
        In space, as in :func:`uncertainty_of`.

    Returns
    -------
    along_x, along_y : array, shape (T, Ny, Nx)
        Half-widths of the 68.3 % intervals.

    Raises
    ------
    InputError
        As :func:`material_acceleration`, or if the series has no uncertainty.
    """
    instants = check_times(series, times)
    if series.uncertainty_u is None or series.uncertainty_v is None:
        raise InputError("the series has no uncertainty to propagate")
    present = present_vectors(series, exclude)
    spread = variances(series, _NAMES, scheme, exclude, correlation_of(series, correlation_length))
    slopes = _in_own_axes(series, components(series, _NAMES, scheme, exclude))
    apart = gaussian_correlation(0.0)
    found = []
    for number, own in enumerate((series.uncertainty_u, series.uncertainty_v)):
        in_time = variance_of_derivative(own, instants, -3, present, DEFAULT_SCHEME, apart)
        by_x, by_y = slopes[2 * number : 2 * number + 2]
        variance = (
            in_time
            + series.u**2 * spread[2 * number]
            + series.v**2 * spread[2 * number + 1]
            + (by_x * series.uncertainty_u) ** 2
            + (by_y * series.uncertainty_v) ** 2
        )
        found.append(np.sqrt(variance))
    return found[0], found[1]


def check_times(series: VectorField, times: npt.ArrayLike) -> Float:
    """Times of a series in double precision.

    Raises
    ------
    InputError
        If it is no series of shape (T, Ny, Nx) with T at least 2, or the times do not ascend.
    """
    instants = np.asarray(times, np.float64)
    if series.u.ndim != 3 or series.u.shape[0] < 2:
        raise InputError(
            f"a time series of two or more fields is needed, shape (T, Ny, Nx), not {series.shape}"
        )
    if instants.shape != series.u.shape[:1]:
        raise InputError(
            f"there are {series.u.shape[0]} fields, but times of shape {instants.shape}"
        )
    if not np.isfinite(instants).all() or (np.diff(instants) <= 0).any():
        raise InputError("times must be finite and ascend")
    return check_coordinates(instants, "t")


def _in_own_axes(series: VectorField, slopes: list[Float]) -> list[Float]:
    """From y up to the field's own y axis."""
    if series.y_axis == "up":
        return slopes
    du_dx, du_dy, dv_dx, dv_dy = slopes
    return [du_dx, -du_dy, -dv_dx, dv_dy]
