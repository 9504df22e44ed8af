"""The uncertainty of a pressure, from that of the field, by samples of its errors."""

from __future__ import annotations

import numpy as np

from piv.errors import InputError
from piv.post.correlated import correlation_length_of
from piv.post.datasets import on_datasets
from piv.post.pressure.field import Gauge, Method, pressure_of
from piv.post.propagation import correlated_errors, sampled_uncertainty
from piv.post.series import EXCLUDED
from piv.post.stencils import Scheme
from piv.types import Flag, Float, VectorField


@on_datasets
def pressure_uncertainty(
    field: VectorField,
    rng: np.random.Generator,
    *,
    rho: float,
    nu: float = 0.0,
    method: Method = "poisson",
    gauge: Gauge = "mean",
    known: Float | None = None,
    local: tuple[Float, Float] | None = None,
    material: tuple[Float, Float] | None = None,
    acceleration_uncertainty: tuple[Float, Float] | None = None,
    scheme: str | Scheme = "central",
    exclude: Flag | int = EXCLUDED,
    correlation_length: float | None = None,
    samples: int = 100,
) -> Float:
    r"""Uncertainty of :func:`pressure_of`, by repeating it with errors added to the field.

    Errors pass through derivatives, where those of neighbours cancel, products, and the integral,
    where they add up again over the whole region; so no formula at a point would do.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
        With its uncertainty, on even spacing.
    rng : numpy.random.Generator
    rho, nu, local, material, scheme, exclude : see :func:`pressure_gradient`
    method, gauge, known : see :func:`integrate`
        The pressure is taken as exact where it is known.
    acceleration_uncertainty : (array, array), shape (Ny, Nx), optional
        Of both components of ``local`` or ``material``, as
        :func:`piv.post.acceleration_uncertainty` gives it; its errors are independent of the
        field's and have their correlation length.  Without it the acceleration is exact.
    correlation_length : float, optional
        As in :func:`piv.post.uncertainty_of`.
    samples : int
        Solutions, at least 2; the result has a relative error of 1 / sqrt(2 samples).

    Returns
    -------
    array, shape (Ny, Nx)
        Half-width of the 68.3 % interval of the pressure above its gauge; NaN where there is no
        pressure, or where a vector's uncertainty is not known.  Systematic errors (truncation,
        motion through the plane, unresolved flow) are not in it.

    Raises
    ------
    InputError
        If the field has no uncertainty or uneven spacing, an uncertainty of an acceleration is
        given without it, or as for :func:`pressure_of`.

    References
    ----------
    Azijli, Sciacchitano, Ragni, Palha & Dwight, Exp. Fluids 57, 21 (2016), for the propagation;
    correlation of the errors after Sciacchitano & Wieneke, Meas. Sci. Technol. 27, 084006 (2016).
    """
    given = local if local is not None else material
    if acceleration_uncertainty is not None and given is None:
        raise InputError("an uncertainty of the acceleration needs the acceleration itself")
    for each in acceleration_uncertainty or ():
        if np.shape(each) != field.shape:
            raise InputError(
                f"the uncertainty of the acceleration has shape {np.shape(each)}, but the field "
                f"{field.shape}"
            )
    length = correlation_length_of(field, correlation_length)
    name = "local" if local is not None else "material"

    def pressure(trial: VectorField) -> Float:
        acceleration = {"local": local, "material": material}
        if given is not None and acceleration_uncertainty is not None:
            first, second = (
                np.asarray(mean) + spread * correlated_errors(field, rng, length)
                for mean, spread in zip(given, acceleration_uncertainty, strict=True)
            )
            acceleration[name] = (first, second)
        return pressure_of(
            trial, rho=rho, nu=nu, method=method, gauge=gauge, known=known, scheme=scheme,
            exclude=exclude, **acceleration,
        ).p  # fmt: skip

    pressure(field)  # what cannot be integrated is refused before the errors
    return sampled_uncertainty(pressure, field, rng, correlation_length=length, samples=samples)
