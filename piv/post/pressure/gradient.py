"""The pressure gradient that the momentum of a planar flow demands."""

from __future__ import annotations

import numpy as np

from piv.errors import InputError
from piv.post.datasets import on_datasets
from piv.post.gradients import derivative
from piv.post.series import EXCLUDED, usable
from piv.post.stencils import Scheme
from piv.types import Flag, Float, VectorField


@on_datasets
def pressure_gradient(
    field: VectorField,
    *,
    rho: float,
    nu: float = 0.0,
    local: tuple[Float, Float] | None = None,
    material: tuple[Float, Float] | None = None,
    scheme: str | Scheme = "central",
    exclude: Flag | int = EXCLUDED,
) -> tuple[Float, Float]:
    r"""Momentum balance in the plane, along the field's own axes.

    .. math:: \nabla p = -\rho \left(\partial_t u + u \cdot \nabla u - \nu \nabla^2 u\right)

    Motion through the plane is left out: the flow is taken to be two-dimensional.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
    rho : float
        Density, kg/m^3.
    nu : float
        Kinematic viscosity, m^2/s; 0 leaves the viscous term out, which PIV seldom resolves.
    local : (array, array), shape (Ny, Nx) each, optional
        Of u and v, the change in time at a place; default steady flow.
    material : (array, array), optional
        Of u and v, the whole acceleration of a fluid element, in place of local and convective
        terms.
    scheme : str or Scheme
        Of the derivatives, see :func:`piv.post.derivative`.
    exclude : Flag
        Vectors with one of these bits have no gradient, and no derivative reaches across them.

    Returns
    -------
    (array, array), shape (Ny, Nx)
        dp/dx and dp/dy in Pa/m for a field in m/s; NaN where they are not known.

    Raises
    ------
    InputError
        If density or viscosity make no sense, both accelerations are given, or a shape differs.
    """
    if field.u.ndim != 2:
        raise InputError(f"pressure is found field by field: this one has shape {field.shape}")
    if not rho > 0 or not nu >= 0:
        raise InputError(f"the density must be positive and nu at least 0, not {rho!r}, {nu!r}")
    if local is not None and material is not None:
        raise InputError("give the local or the material acceleration, not both")
    for given in (*(local or ()), *(material or ())):
        if np.shape(given) != field.shape:
            raise InputError(
                f"the acceleration has shape {np.shape(given)}, but the field {field.shape}"
            )
    absent = ~usable(field, exclude)
    values = [each.astype(np.float64) for each in (field.u, field.v)]

    def slope(array: Float, axis: int) -> Float:
        coordinates = field.x if axis == -1 else field.y
        return derivative(array, coordinates, axis, scheme=scheme, absent=absent)

    found = []
    for number, component in enumerate(values):
        along_x, along_y = slope(component, -1), slope(component, -2)
        if material is not None:
            acceleration = np.asarray(material[number], np.float64)
        else:
            acceleration = values[0] * along_x + values[1] * along_y
            if local is not None:
                acceleration = acceleration + local[number]
        if nu:
            acceleration = acceleration - nu * (slope(along_x, -1) + slope(along_y, -2))
        found.append(np.where(absent, np.nan, -rho * acceleration))
    return found[0], found[1]
