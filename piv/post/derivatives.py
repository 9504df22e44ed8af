"""Quantities made of the field's derivatives."""

from __future__ import annotations

import numpy as np

from piv.types import Float, VectorField


def vorticity(field: VectorField) -> Float:
    r""":math:`\omega = \partial v / \partial x - \partial u / \partial y` for x right, y up.

    Positive counter-clockwise as one sees it, whether the field is calibrated or not; central
    differences on the field's own coordinates.  In px/px per frame interval, or 1/s.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
        At least 2 x 2 vectors.

    Returns
    -------
    array, shape (..., Ny, Nx)
    """
    sign = 1.0 if field.y_axis == "up" else -1.0
    # seen with y up, a field whose y points down has -v and -y
    dv_dx = np.gradient(field.v, field.x, axis=-1)
    du_dy = np.gradient(field.u, field.y, axis=-2)
    return np.asarray(sign * (dv_dx - du_dy))
