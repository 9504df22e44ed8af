"""Dissipation of turbulent kinetic energy and the scales that follow from it.

What a plane does not show is closed by an assumption; it is a named argument, as is the viscosity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from piv.errors import InputError, nearest
from piv.post.arguments import checked
from piv.post.corrected import Corrected
from piv.post.correlated import correlation_of
from piv.post.distributions import fluctuation
from piv.post.gradients import variances, velocity_gradient
from piv.post.series import EXCLUDED, Progress, Series, check_repeatable, done, fields_of
from piv.post.statistics import Statistics
from piv.post.stencils import Scheme
from piv.post.structure import StructureFunctions
from piv.types import Flag, Float, VectorField

Closure: TypeAlias = Literal["isotropic", "plane"]

KOLMOGOROV = 2.1  # of the second-order longitudinal structure function (Pope 2000, 6.2)
_TERMS = ("du_dx", "dv_dy", "du_dy", "dv_dx")
# factors of the mean squares of the terms above, then of du_dx dv_dy and of du_dy dv_dx
_FACTORS = {"isotropic": (15, 0, 0, 0, 0, 0), "plane": (4, 4, 3, 3, 4, 6)}


@checked
def dissipation(
    series: Series,
    flow: Statistics,
    *,
    nu: float,
    closure: Closure = "plane",
    scheme: str | Scheme = "central",
    correlation_length: float | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Corrected:
    r"""Dissipation at every point from the gradients of the fluctuations.

    ``plane``: all four gradients of the plane and continuity; out-of-plane gradients have the mean
    squares of those in the plane,

    .. math:: \varepsilon = \nu \overline{4 u_x^2 + 4 v_y^2 + 3 u_y^2 + 3 v_x^2 + 4 u_x v_y
              + 6 u_y v_x} .

    ``isotropic``: :math:`\varepsilon = 15 \nu \overline{u_x^2}`.

    The raw value is too large by the noise of the gradients and too small by what the vectors'
    spacing and the method's resolution smooth away: it is right only where both resolve a few
    Kolmogorov lengths.

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics
        Of the series.
    nu : float
        Kinematic viscosity, m^2/s (px^2 per frame interval for fields in px).
    closure : "plane" or "isotropic"
    scheme : str or Scheme
        Of the derivatives, see :func:`piv.post.derivative`.
    correlation_length : float, optional
        Distance at which the errors of two vectors correlate by 1/e; 0 = independent.  It
        matters: neighbouring single-pixel vectors share most of their error.  Default that of the
        fields' weights, see :func:`correlation_length_of`.
    exclude, progress : see :func:`statistics_of`

    Returns
    -------
    Corrected, shape (Ny, Nx)
        m^2/s^3; NaN where no gradient could be formed.

    Raises
    ------
    InputError
        If the closure is unknown, nu not positive or the series read-once.
    """
    check_repeatable(series, "the dissipation")
    if closure not in _FACTORS:
        raise InputError(f"unknown closure {closure!r}{nearest(closure, _FACTORS)}")
    check_viscosity(nu)
    factors = _FACTORS[closure]
    shape = flow.count.shape
    total, noise, count = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    known = True
    for field in fields_of(series):
        change = _fluctuating(field, flow, exclude)
        slope = velocity_gradient(change, scheme=scheme)
        values = [np.asarray(getattr(slope, name), np.float64) for name in _TERMS]
        products = [each * each for each in values]
        products += [values[0] * values[1], values[2] * values[3]]
        sample = _weighted(factors, products)
        where = np.isfinite(sample)
        total += np.where(where, sample, 0.0)
        count += where
        if field.uncertainty_u is None:
            known = False
        else:
            # errors of u and v are apart, and so are those of the two slopes of each product
            correlation = correlation_of(field, correlation_length)
            errors = variances(change, _TERMS, scheme, int(Flag.MASKED), correlation)
            noise += np.where(where, _weighted(factors[:4], errors), 0.0) * flow.noise_share
        done(progress)
    count = np.where(count > 0, count, np.nan)
    return Corrected(nu * total / count, nu * noise / count if known else np.full(shape, np.nan))


@checked
def dissipation_from_structure(
    functions: StructureFunctions, *, constant: float = KOLMOGOROV
) -> Corrected:
    r"""Dissipation at every separation: :math:`(D_{LL}(r) / C_2)^{3/2} / r`.

    Right where it is level, in the inertial range; below it falls, and noise makes it rise towards
    the smallest separations.

    Parameters
    ----------
    functions : StructureFunctions
    constant : float
        :math:`C_2`.
    """
    second = functions.longitudinal[2]
    raw, clean = (
        np.maximum(each / constant, 0.0) ** 1.5 / functions.separation
        for each in (second.raw, second.corrected)
    )
    return Corrected(raw, raw - clean)


@dataclass(frozen=True, eq=False, slots=True)
class TurbulenceScales:
    """Scales of homogeneous isotropic turbulence.

    Parameters
    ----------
    kolmogorov_length, kolmogorov_time, kolmogorov_velocity : float array
        (nu^3/eps)^1/4, (nu/eps)^1/2, (nu eps)^1/4.
    taylor_length : float array
        Transverse Taylor microscale, (15 nu u'^2 / eps)^1/2.
    taylor_reynolds : float array
        u' times it over nu.
    large_eddy_length : float array
        u'^3 / eps.
    """

    kolmogorov_length: Float
    kolmogorov_time: Float
    kolmogorov_velocity: Float
    taylor_length: Float
    taylor_reynolds: Float
    large_eddy_length: Float


@checked
def turbulence_scales(
    variance: Float | float, rate: Float | float, *, nu: float
) -> TurbulenceScales:
    """Kolmogorov, Taylor and large-eddy scales.

    Parameters
    ----------
    variance : array
        u'^2 of one component, such as ``flow.variance("u").corrected``.
    rate : array
        Dissipation, such as ``dissipation(...).corrected``.
    nu : float
        Kinematic viscosity.

    Returns
    -------
    TurbulenceScales
        NaN where variance or dissipation is not positive.

    Raises
    ------
    InputError
        If nu is not positive.
    """
    check_viscosity(nu)
    square, eps = np.broadcast_arrays(np.asarray(variance, float), np.asarray(rate, float))
    good = (square > 0) & (eps > 0)
    square, eps = np.where(good, square, np.nan), np.where(good, eps, np.nan)
    taylor = np.sqrt(15 * nu * square / eps)
    return TurbulenceScales(
        kolmogorov_length=(nu**3 / eps) ** 0.25,
        kolmogorov_time=np.sqrt(nu / eps),
        kolmogorov_velocity=(nu * eps) ** 0.25,
        taylor_length=taylor,
        taylor_reynolds=np.sqrt(square) * taylor / nu,
        large_eddy_length=square**1.5 / eps,
    )


def _weighted(factors: Sequence[int], terms: Sequence[Float]) -> Float:
    """Sum of the terms whose factor is not 0: the others may be unknown."""
    used = [f * each for f, each in zip(factors, terms, strict=True) if f]
    return np.asarray(np.sum(used, axis=0))


def _fluctuating(field: VectorField, flow: Statistics, exclude: Flag | int) -> VectorField:
    """The field less the mean, MASKED where it does not count."""
    u, v, where = fluctuation(field, flow, exclude)
    sign = 1.0 if field.y_axis == "up" else -1.0
    return field.replace(
        u=np.where(where, u, np.nan),
        v=np.where(where, sign * v, np.nan),
        flags=np.where(where, 0, int(Flag.MASKED)).astype(np.uint16),
        extra={},
    )


def check_viscosity(nu: float) -> None:
    """Refuse what is no viscosity.

    Raises
    ------
    InputError
    """
    if not nu > 0:
        raise InputError(f"the kinematic viscosity must be positive, in m^2/s, not {nu!r}")
