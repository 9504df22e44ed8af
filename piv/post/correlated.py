"""How far the errors of a field's vectors are alike: given, or as its weights' record says."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from piv.errors import InputError
from piv.network.catalogue import record_of
from piv.post.datasets import on_datasets
from piv.post.stencils import Correlation
from piv.types import VectorField

#: In a field's ``attrs``: what its uncertainty is, if not that of the measured vectors.
UNCERTAINTY_OF = "uncertainty_of"


@on_datasets
def correlation_length_of(field: VectorField, given: float | None = None) -> float:
    """Distance at which the errors of two vectors of a field correlate by 1/e.

    For a dense field it was measured when its weights were calibrated, your own by ``piv train`` as
    well, and is kept in their record and in ``attrs["weights"]``; ``attrs["calibration"]`` brings
    it to m.

    Parameters
    ----------
    field : VectorField
    given : float, optional
        What to take instead, in the unit of ``field.x``.

    Returns
    -------
    float
        In the unit of ``field.x``.  0, independent errors, for a field without uncertainty and
        for one that does not say how it was measured, such as an imported one.

    Raises
    ------
    InputError
        If it is not known: for a field of interrogation windows, a mean field, and weights
        whose record does not have it; or if the given one is negative
        or not finite.
    """
    if given is not None:
        if not (math.isfinite(given) and given >= 0):
            raise InputError(f"a correlation length is a distance of 0 or more, not {given}")
        return float(given)
    if field.uncertainty_u is None:
        return 0.0
    if UNCERTAINTY_OF in field.attrs:
        raise _unknown(f"of the {field.attrs[UNCERTAINTY_OF]}")
    if "windows" in field.attrs:
        raise _unknown("of a field of interrogation windows")
    weights = field.attrs.get("weights")
    if not isinstance(weights, Mapping):
        return 0.0
    length = weights.get("error_correlation_length")
    if length is None:  # of a file that was written before that was kept in it
        record = record_of(str(weights.get("sha256"))) or {}
        length = record.get("calibration", {}).get("error_correlation_length")
    if length is None:
        raise _unknown(f"of fields by the weights {weights.get('name')}", "piv evaluate prints it")
    if field.units == "px":
        return float(length)
    if (calibration := field.attrs.get("calibration")) is None:
        raise _unknown("of a field in m/s that does not say how it was calibrated")
    return float(length) * float(calibration["pixel_size"])


def correlation_of(field: VectorField, length: float | None = None) -> Correlation:
    """Correlation of a field's errors over their distance; see :func:`correlation_length_of`."""
    return gaussian_correlation(correlation_length_of(field, length))


def gaussian_correlation(length: float) -> Correlation:
    r"""Correlation of errors over their distance, :math:`\exp(-(r/\ell)^2)`.

    Parameters
    ----------
    length : float
        Distance at which it is 1/e, in the unit of the field's coordinates; 0 = independent.
    """
    if length == 0:
        return lambda distance: (distance == 0).astype(np.float64)
    return lambda distance: np.exp(-((distance / length) ** 2))


def _unknown(whose: str, where: str = "") -> InputError:
    return InputError(
        f"the correlation length of the errors {whose} is not known: give correlation_length, "
        f"in the unit of x (0 = independent errors{'; ' if where else ''}{where})"
    )
