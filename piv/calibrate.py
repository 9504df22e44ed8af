"""From px to m and m/s: the only place where y and v change sign.

In the image y points down; after calibration it points up.  The rows keep the image's order, so
``y`` descends from row to row, and v changes its sign with it: the vectors stay where they were.
"""

from __future__ import annotations

import numpy as np

from piv.errors import InputError
from piv.types import Calibration, Float, VectorField, check_dt


def calibrate(field: VectorField, calibration: Calibration, dt: float | None = None) -> VectorField:
    r"""Displacement in px to velocity in m/s, on coordinates in m with y up.

    With s the pixel size and :math:`(x_0, y_0)` the origin,

    .. math:: x' = s (x - x_0), \quad y' = -s (y - y_0), \quad
              u' = s u / \Delta t, \quad v' = -s v / \Delta t .

    Uncertainties scale like the velocities; other measurements of the grid stay as they are.

    Parameters
    ----------
    field : VectorField
        In px, y down.
    calibration : Calibration
    dt : float, optional
        Inter-frame time in s; default is the field's own.

    Returns
    -------
    VectorField
        In m/s, y up; ``attrs["calibration"]`` holds what :func:`uncalibrate` needs.

    Raises
    ------
    InputError
        If the field is calibrated already, or ``dt`` is not positive.
    """
    if field.units != "px" or field.y_axis != "down":
        raise InputError(
            f"only a field in px with y down can be calibrated; this one is in {field.units} "
            f"with y {field.y_axis}: it has been calibrated already"
        )
    time = field.dt if dt is None else dt
    check_dt(time)
    size, (x0, y0) = calibration.pixel_size, calibration.origin
    record = {"pixel_size": size, "origin": [float(x0), float(y0)]}
    return field.replace(
        x=(np.asarray(field.x, np.float64) - x0) * size,
        y=(y0 - np.asarray(field.y, np.float64)) * size,
        u=_scaled(field.u, size / time),
        v=_scaled(field.v, -size / time),
        uncertainty_u=_uncertainty(field.uncertainty_u, size / time),
        uncertainty_v=_uncertainty(field.uncertainty_v, size / time),
        dt=time,
        units="m/s",
        y_axis="up",
        attrs={**field.attrs, "calibration": record},
    )


def uncalibrate(field: VectorField) -> VectorField:
    """Undo :func:`calibrate`: back to px, y down.

    Raises
    ------
    InputError
        If the field is not in m/s, or does not say how it was calibrated.
    """
    record = field.attrs.get("calibration")
    if field.units != "m/s" or record is None:
        raise InputError(
            f"only a field that piv.calibrate made can be brought back to px; this one is in "
            f"{field.units}"
        )
    size, (x0, y0) = record["pixel_size"], record["origin"]
    per_frame = field.dt / size
    return field.replace(
        x=np.asarray(field.x, np.float64) / size + x0,
        y=y0 - np.asarray(field.y, np.float64) / size,
        u=_scaled(field.u, per_frame),
        v=_scaled(field.v, -per_frame),
        uncertainty_u=_uncertainty(field.uncertainty_u, per_frame),
        uncertainty_v=_uncertainty(field.uncertainty_v, per_frame),
        units="px",
        y_axis="down",
        attrs={name: value for name, value in field.attrs.items() if name != "calibration"},
    )


def _scaled(values: Float, factor: float) -> Float:
    """In double precision and back: one rounding, however small the pixels."""
    return (np.asarray(values, np.float64) * factor).astype(values.dtype)


def _uncertainty(values: Float | None, factor: float) -> Float | None:
    return None if values is None else _scaled(values, abs(factor))
