"""The uncertainty of what is made of a field, with errors that neighbours share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.post import criteria
from piv.post.arguments import checked
from piv.post.correlated import correlation_length_of, correlation_of
from piv.post.datasets import on_datasets
from piv.post.gradients import DEFAULT_SCHEME, components, variances
from piv.post.stencils import Scheme, spacing_of
from piv.types import Flag, Float, VectorField

_NAMES = ("du_dx", "du_dy", "dv_dx", "dv_dy")
_LINEAR = {
    criteria.vorticity: ("du_dy", "dv_dx"),
    criteria.shear_strain: ("du_dy", "dv_dx"),
    criteria.divergence: ("du_dx", "dv_dy"),
    criteria.normal_strain: ("du_dx", "dv_dy"),
}
_Slopes = tuple[Float, Float, Float, Float]


@on_datasets
def uncertainty_of(
    quantity: Callable[..., Float],
    field: VectorField,
    *,
    correlation_length: float | None = None,
    scheme: str | Scheme = DEFAULT_SCHEME,
    exclude: int = Flag.MASKED,
) -> Float:
    r"""Uncertainty of a quantity made of the velocity gradient, from that of the field.

    A derivative is a sum :math:`\sum_j w_j u_j`, of variance

    .. math:: \sum_{jk} w_j w_k \, \sigma_j \sigma_k \, \rho(|x_j - x_k|), \quad
              \rho(r) = e^{-(r/\ell)^2}

    so that errors which neighbours share cancel in part.  For the vorticity by central differences
    this is :math:`\sigma \sqrt{1 - \rho(2h)} / h` [1]_.

    Parameters
    ----------
    quantity : function
        ``vorticity``, ``divergence``, ``shear_strain``, ``normal_strain``, ``q_criterion``,
        ``okubo_weiss``, ``swirling_strength`` or ``lambda_2``.  For any other see
        :func:`sampled_uncertainty`.
    field : VectorField, shape (..., Ny, Nx)
        With its uncertainty.
    correlation_length : float, optional
        Distance at which the correlation of the errors is 1/e, in the unit of ``field.x``;
        0 = independent errors.  Default that of the field's weights, see
        :func:`correlation_length_of`; :func:`error_correlation_length` measures it.
    scheme, exclude
        As for the quantity.

    Returns
    -------
    array, shape (..., Ny, Nx)
        Half-width of the 68.3 % interval.  Of the quadratic quantities to first order; NaN where
        that says nothing, as where the swirling strength is zero.

    Raises
    ------
    InputError
        If the field has no uncertainty, the quantity is another, or the correlation length is
        neither given nor known.

    Notes
    -----
    Errors of u and of v are taken as independent, as are those of the two derivatives of one
    component: exact for symmetric stencils and an even uncertainty, an approximation where
    stencils are one-sided.

    References
    ----------
    .. [1] Sciacchitano & Wieneke, Meas. Sci. Technol. 27 (2016), 084006.
    """
    correlation = correlation_of(field, correlation_length)
    if quantity in _LINEAR:
        first, second = variances(field, _LINEAR[quantity], scheme, exclude, correlation)
        return np.sqrt(first + second)
    if quantity not in _SLOPES:
        raise InputError(
            f"there is no formula for the uncertainty of {_name(quantity)}: use "
            "piv.post.sampled_uncertainty"
        )
    slopes = _SLOPES[quantity](*components(field, _NAMES, scheme, exclude))
    spread = variances(field, _NAMES, scheme, exclude, correlation)
    total = sum(slope**2 * each for slope, each in zip(slopes, spread, strict=True))
    return np.asarray(np.sqrt(total))


@on_datasets
def sampled_uncertainty(
    quantity: Callable[[VectorField], Any],
    field: VectorField,
    rng: np.random.Generator,
    *,
    correlation_length: float | None = None,
    samples: int = 100,
) -> Float:
    """Uncertainty of anything that is computed from a field, by adding errors to it many times.

    Parameters
    ----------
    quantity : function
        Takes a field and returns a number or an array, such as
        ``lambda field: piv.post.circulation(field, contour)``.
    field : VectorField, shape (..., Ny, Nx)
        With its uncertainty, on even spacing.
    rng : numpy.random.Generator
    correlation_length : float, optional
        As in :func:`uncertainty_of`.
    samples : int
        At least 2; the result has a relative error of 1 / sqrt(2 samples).

    Returns
    -------
    array
        Standard deviation of the quantity; NaN where it is NaN in any sample.

    Raises
    ------
    InputError
        If the field has no uncertainty or uneven spacing, or there are too few samples.
    """
    if field.uncertainty_u is None or field.uncertainty_v is None:
        raise InputError("the field has no uncertainty to propagate")
    if samples < 2:
        raise InputError(f"at least 2 samples are needed, not {samples}")
    length = correlation_length_of(field, correlation_length)
    mean: Any = 0.0
    squares: Any = 0.0
    for number in range(1, samples + 1):
        errors = [correlated_errors(field, rng, length) for _ in range(2)]
        trial = field.replace(
            u=field.u + errors[0] * field.uncertainty_u,
            v=field.v + errors[1] * field.uncertainty_v,
        )
        value = np.asarray(quantity(trial), np.float64)
        change = value - mean
        mean = mean + change / number
        squares = squares + change * (value - mean)
    return np.sqrt(np.asarray(squares) / (samples - 1))


@on_datasets
def correlated_errors(
    field: VectorField, rng: np.random.Generator, correlation_length: float
) -> Float:
    r"""Gaussian noise of unit variance and correlation :math:`\exp(-(r/\ell)^2)` on a field's grid.

    Parameters
    ----------
    field : VectorField
        On even spacing.
    rng : numpy.random.Generator
    correlation_length : float
        In the unit of the coordinates.

    Returns
    -------
    array
        Of the shape and precision of ``field.u``; fields of a series are independent.

    Raises
    ------
    InputError
        If the spacing is uneven.
    """
    from scipy.ndimage import correlate1d

    correlation_length_of(field, correlation_length)  # refuses what is no length
    kernels = []
    for name, coordinates in (("y", field.y), ("x", field.x)):
        step = spacing_of(np.asarray(coordinates, np.float64))
        if step is None:
            raise InputError(f"samples of the errors need even spacing along {name}")
        # white noise under a Gaussian of half the length has the correlation that is wanted
        width = correlation_length / 2 / abs(step)
        reach = math.ceil(4 * width)
        kernel = np.exp(-((np.arange(-reach, reach + 1) / max(width, 1e-9)) ** 2) / 2)
        kernels.append(kernel / np.sqrt((kernel**2).sum()))
    margins = [kernel.size // 2 for kernel in kernels]
    *series, height, width_ = field.shape
    noise = rng.standard_normal((*series, height + 2 * margins[0], width_ + 2 * margins[1]))
    for axis, kernel in zip((-2, -1), kernels, strict=True):
        noise = correlate1d(noise, kernel, axis=axis, mode="wrap")
    inner = noise[..., margins[0] : margins[0] + height, margins[1] : margins[1] + width_]
    return np.asarray(inner, field.u.dtype)


@checked
def error_correlation_length(errors: Float, spacing: float | tuple[float, float] = 1.0) -> float:
    """Distance over which the errors of a field's vectors are alike: their correlation is 1/e.

    Parameters
    ----------
    errors : array, shape (..., Ny, Nx)
        Estimate less truth of one component, or of both along a leading axis; NaN = not known.
        The mean of all is taken off.
    spacing : float or (float, float)
        Distance of the vectors along y and x.

    Returns
    -------
    float
        Mean of the lengths along x and y, in the unit of ``spacing``; 0 where neighbours do not
        correlate; NaN if the errors are all alike, or correlate over more than half of the field.

    Raises
    ------
    InputError
        If there are under 2 x 2 errors or none is finite.
    """
    errors = np.asarray(errors, np.float64)
    if errors.ndim < 2 or min(errors.shape[-2:]) < 2:
        raise InputError(f"errors on a grid are needed, not an array of shape {errors.shape}")
    known = np.isfinite(errors)
    if not known.any():
        raise InputError("none of the errors is finite")
    centred = np.where(known, errors - errors[known].mean(), 0.0)
    steps = (spacing, spacing) if isinstance(spacing, (int, float)) else spacing
    lengths = [
        _fall_to_1_over_e(np.moveaxis(centred, axis, -1), np.moveaxis(known, axis, -1)) * abs(step)
        for axis, step in zip((-2, -1), steps, strict=True)
    ]
    return float(np.mean(lengths))


def _fall_to_1_over_e(errors: Float, known: Any) -> float:
    """In spacings along the last axis; between two lags as a Gaussian falls."""
    variance = float((errors**2).sum() / known.sum())
    if variance <= 1e-30:
        return math.nan
    before = 0.0  # logarithm of the correlation at the lag before
    for lag in range(1, errors.shape[-1] // 2 + 1):
        both = known[..., lag:] & known[..., :-lag]
        if not both.any():
            break
        product = float((errors[..., lag:] * errors[..., :-lag]).sum() / both.sum())
        if product <= math.exp(-1) * variance:
            if product <= 0 and lag == 1:
                return 0.0
            # one that is not positive counts as little: its logarithm must exist
            now = math.log(max(product / variance, 1e-3))
            part = (before + 1) / (before - now)
            return math.sqrt((lag - 1) ** 2 + part * (lag**2 - (lag - 1) ** 2))
        before = math.log(min(product / variance, 1.0))
    return math.nan


def _name(quantity: Callable[..., Any]) -> str:
    return getattr(quantity, "__name__", repr(quantity))


def _q_slopes(a: Float, b: Float, c: Float, d: Float) -> _Slopes:
    return -a, -c, -b, -d


def _w_slopes(a: Float, b: Float, c: Float, d: Float) -> _Slopes:
    return 2 * (a - d), 4 * c, 4 * b, 2 * (d - a)


def _swirl_slopes(a: Float, b: Float, c: Float, d: Float) -> _Slopes:
    swirl = np.sqrt(np.maximum(-((a - d) ** 2) - 4 * b * c, 0)) / 2
    with np.errstate(divide="ignore"):
        per = np.where(swirl > 0, -1 / (8 * swirl), np.nan)
    first, second, third, fourth = (per * each for each in _w_slopes(a, b, c, d))
    return first, second, third, fourth


def _l2_slopes(a: Float, b: Float, c: Float, d: Float) -> _Slopes:
    """With a vanishing strain its direction, and so the second part, is not known: zero."""
    sum_, difference, shear = a + d, a - d, b + c
    strain = np.hypot(difference, shear)
    with np.errstate(divide="ignore", invalid="ignore"):
        per = np.where(strain > 0, np.abs(sum_) / (2 * strain), 0)
    along, across = np.sign(sum_) * strain / 2, per * shear
    return a + along + per * difference, c + across, b + across, d + along - per * difference


_SLOPES: dict[Callable[..., Float], Callable[[Float, Float, Float, Float], _Slopes]] = {
    criteria.q_criterion: _q_slopes,
    criteria.okubo_weiss: _w_slopes,
    criteria.swirling_strength: _swirl_slopes,
    criteria.lambda_2: _l2_slopes,
}
