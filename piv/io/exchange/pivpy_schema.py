"""The variables of pivpy's data sets (its schema 1), for netCDF and Zarr alike.

Dimensions ``y``, ``x``, ``t``; variables ``u``, ``v`` and ``chc`` (1 = valid).  What pivpy does not
know stands beside them: flags, uncertainty and further measurements.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.exchange.series import (
    Fields,
    Hints,
    choice_of,
    common_record,
    kinds_of_choice,
    with_kinds,
)
from piv.io.exchange.unit_words import scales
from piv.io.labelled import VECTORS, attributes, to_json, variables
from piv.types import VectorField

DIMS = ("y", "x", "t")
_STANDARD_NAMES = {"u": "u_velocity", "v": "v_velocity", "chc": "validity_flag"}
_ALSO = {  # what pivpy accepts too
    "u": ("velocity_n", "velocity_u"),
    "v": ("velocity_z", "velocity_v"),
    "chc": ("mask",),
    "x": ("grid_n",),
    "y": ("grid_z",),
}


@dataclass(frozen=True, eq=False, slots=True)
class Array:
    """One variable of a file: its dimensions, its attributes, its numbers.

    ``values`` are those of a coordinate; None for a variable, which is written field by field.
    """

    dims: tuple[str, ...]
    dtype: npt.DTypeLike
    attrs: Mapping[str, Any] = field(default_factory=dict)
    values: npt.NDArray[Any] | None = None


def global_attributes(fields: Fields) -> dict[str, Any]:
    """What holds for all fields."""
    first = fields[0]
    ends = [first] if len(fields) == 1 else [first, fields[len(fields) - 1]]
    return {
        "pivpy_schema_version": "1",
        "delta_t": float(first.dt),  # s
        "files": fields.source,
        "units": first.units,
        "y_axis": first.y_axis,
        "dt": float(first.dt),
        "record": to_json(common_record(ends)),
    }


def arrays(fields: Fields) -> dict[str, Array]:
    """Every variable of the file, the coordinates first."""
    first = fields[0]
    length, speed = ("pix", "pix") if first.units == "px" else ("m", "m/s")
    if fields.time is None:
        times, unit = np.asarray(fields.pairs, np.float64), "frame"
    else:
        times, unit = np.asarray(fields.time, np.float64), "s"
    found: dict[str, Array] = {}
    for name, values in (("y", first.y), ("x", first.x)):
        text = {**attributes(name, first), "units": length}
        found[name] = Array((name,), np.float64, text, np.asarray(values, np.float64))
    found["t"] = Array(("t",), np.float64, {"units": unit, "long_name": "frame or time"}, times)
    for name, values in variables(first).items():
        text = attributes(name, first)
        if name not in ("flags", *first.extra):
            text["units"] = speed
        if name in _STANDARD_NAMES:
            text["standard_name"] = _STANDARD_NAMES[name]
        found[name] = Array(DIMS, values.dtype, text)
    found["chc"] = Array(
        DIMS, np.int8, {"standard_name": _STANDARD_NAMES["chc"], "long_name": "1 = a measurement"}
    )
    return found


def values_of(one: VectorField) -> dict[str, npt.NDArray[Any]]:
    """Arrays (Ny, Nx) of one field by the name of their variable."""
    return {**variables(one), "chc": choice_of(one)}


def field_of(
    path: Path,
    names: Mapping[str, tuple[tuple[str, ...], Callable[[], npt.NDArray[Any]]]],
    attrs: Mapping[str, Any],
    units_of: Callable[[str], str],
    hints: Hints,
) -> VectorField:
    """A field, or a series (N, Ny, Nx), from a data set of pivpy's schema.

    Parameters
    ----------
    path : Path
        For messages.
    names : mapping of name to (dims, reader)
    attrs : mapping
        Of the data set.
    units_of : callable
        The attribute ``units`` of a variable, or empty text.
    hints : Hints

    Raises
    ------
    InputError
        If a variable is missing, or the units are unknown.
    """
    found = {
        wanted: next((name for name in (wanted, *also) if name in names), None)
        for wanted, also in _ALSO.items()
    }
    for wanted in ("u", "v"):
        name = found[wanted]
        if name is None or not {"x", "y"} <= set(names[name][0]):
            raise InputError(f"{path} has no variable {wanted} with the dimensions y and x")
    u_name, v_name, choice_name = found["u"], found["v"], found["chc"]
    assert u_name is not None  # checked above
    assert v_name is not None
    known = {
        name: _ordered(dims, read())
        for name, (dims, read) in names.items()
        if {"x", "y"} <= set(dims) <= set(DIMS)
    }
    u, v = known.pop(u_name), known.pop(v_name)
    length, speed = units_of(found["x"] or ""), units_of(u_name)
    said, per_length, per_speed = (
        scales(length, speed, path) if length and speed else (None, 1.0, 1.0)
    )
    units, y_axis, dt = hints.chosen(said, attrs.get("y_axis"), _dt(attrs, own="record" in attrs))
    choice = known.pop(choice_name, None) if choice_name else None
    kinds = kinds_of_choice(np.ones_like(u) if choice is None else choice, u, v)
    vectors = with_kinds(kinds, u * per_speed, v * per_speed)
    if "flags" in known:  # this program's: nothing was lost
        vectors = {"u": u, "v": v, "flags": known.pop("flags").astype(np.uint16)}
    error: dict[str, Any] = {
        name: known.pop(name, None) for name in ("uncertainty_u", "uncertainty_v")
    }
    along: dict[str, Any] = {
        name: names[place][1]() * per_length
        if (place := found[name]) is not None
        else np.arange(u.shape[axis], dtype=np.float64)
        for name, axis in (("x", -1), ("y", -2))
    }
    return VectorField(
        **along, **vectors, **error, dt=dt, units=units, y_axis=y_axis,
        extra={name: values for name, values in known.items() if name not in VECTORS},
        attrs=json.loads(attrs["record"]) if "record" in attrs else {},
    )  # fmt: skip


def _ordered(dims: tuple[str, ...], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """From any order of dimensions to (t, y, x), without t where there is one time."""
    wanted = [name for name in ("t", "y", "x") if name in dims]
    turned = np.transpose(values, [dims.index(name) for name in wanted])
    return np.ascontiguousarray(turned[0] if "t" in dims and len(turned) == 1 else turned)


def _dt(attrs: Mapping[str, Any], *, own: bool) -> float | None:
    """Only this program's dt is certain to be in s."""
    return float(attrs["dt"]) if own and "dt" in attrs else None
