"""PIVlab's MAT file (version 5): one matrix, or a cell of them, for each quantity."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.io.exchange.pivlab_text import (
    SHIFT,
    direction,
    factors,
    kinds_of_types,
    shifted,
    types_of,
)
from piv.io.exchange.series import (
    MASKED,
    MEASURED,
    Fields,
    Hints,
    check_alike,
    kinds_of,
    stacked,
    with_kinds,
)
from piv.io.files import replacing
from piv.types import Float, Units, VectorField

_LARGEST = 2**31 - 2**20  # bytes; version 5 counts with 32 bits
# what SciPy raises for files that are none, or are cut off
_DAMAGED = (OSError, ValueError, TypeError, EOFError, LookupError, struct.error, zlib.error)
_UNITS = {"px": "[px] respectively [px/frame]", "m/s": "[m] respectively [m/s]"}
_INFORMATION = [
    "The first dimension of the variables is the frame number.",
    "Typevector is 0 for masked vector, 1 for regular vector, 2 for filtered vector",
    "u_original and v_original are NaN where a vector was replaced.",
    "Written by ccfcn-piv.",
]


def write(fields: Fields, path: Path) -> None:
    """Write a field (matrices) or a series (cells).

    Raises
    ------
    InputError
        If it is larger than the format allows.
    """
    from scipy.io import savemat

    first = fields[0]
    if 8 * first.u.size * len(fields) > _LARGEST:
        raise InputError(
            f"{len(fields)} field(s) of {first.shape} are more than a MAT file of version 5 holds: "
            "thin them, take fewer, or choose another format such as netcdf"
        )
    columns: dict[str, list[Any]] = {}
    for field in fields:
        check_alike(first, field)
        for name, values in _matrices(field).items():
            columns.setdefault(name, []).append(values)
    known: dict[str, Any] = {
        name: values[0] if len(values) == 1 else _cell(values) for name, values in columns.items()
    }
    for name in ("u_smoothed", "v_smoothed"):
        known[name] = (
            np.empty((0, 0)) if len(fields) == 1 else _cell([np.empty((0, 0))] * len(fields))
        )
    size, speed = factors(first)
    known |= {
        "calxy": size,
        "calu": speed,
        "calv": -speed if first.y_axis == "up" else speed,
        "units": _UNITS[first.units],
        "information": _cell(_INFORMATION),
        "dt": first.dt,
    }
    with replacing(path) as file:
        savemat(file, known, format="5", do_compression=True)


def read(path: Path, hints: Hints) -> VectorField:
    """Read a field or a series: the filtered vectors where there are, else the original ones.

    Raises
    ------
    InputError
        If the file is no such MAT file, or is in m per frame.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    try:
        known = loadmat(BytesIO(content))
    except NotImplementedError:  # what SciPy says of HDF5
        raise InputError(
            f"{path} is a MAT file of version 7.3: save it from MATLAB with the option -v7"
        ) from None
    except (MatReadError, *_DAMAGED):
        raise InputError(f"{path} is not a MAT file, or it is damaged") from None
    names = ("x", "y", "u_original", "v_original", "typevector_original")
    for name in names:
        if name not in known:
            raise InputError(f"{path} has no variable {name}: it is no export of PIVlab")
    x, y, *original = (_frames(known[name]) for name in names)
    filtered = [
        _frames(known[name]) if name in known else []
        for name in ("u_filtered", "v_filtered", "typevector_filtered")
    ]
    said = _units(str(np.ravel(known["units"])[0]), path) if np.size(known.get("units")) else None
    dt = float(known["dt"].item()) if "dt" in known else _dt(known)
    errors: dict[str, list[Any]] = {
        name: _frames(known[name])
        for name in ("uncertainty_u", "uncertainty_v")
        if {"uncertainty_u", "uncertainty_v"} <= set(known)
    }
    fields: list[VectorField] = []
    for number in range(len(x)):
        u, v, types = (
            other[number] if number < len(other) and other[number].size else own[number]
            for own, other in zip(original, filtered, strict=True)
        )
        grid_x, grid_y = np.atleast_2d(x[number]), np.atleast_2d(y[number])
        if not (grid_x.shape == grid_y.shape == u.shape == v.shape == types.shape and u.size):
            raise InputError(f"{path}: the matrices of frame {number + 1} differ in shape")
        units, y_axis, step = hints.chosen(said, direction(grid_y[:, 0]), dt)
        shift = SHIFT if units == "px" else 0.0
        fields.append(
            VectorField(
                grid_x[0].astype(np.float64) - shift,
                grid_y[:, 0].astype(np.float64) - (shift if y_axis == "down" else 0.0),
                **with_kinds(kinds_of_types(types, u, v), u, v),
                **{name: each[number].astype(np.float32) for name, each in errors.items()},
                dt=step,
                units=units,
                y_axis=y_axis,
            )
        )
    return stacked(fields)


def _matrices(field: VectorField) -> dict[str, Float]:
    x, y = (shifted(axis, field, SHIFT) for axis in np.meshgrid(field.x, field.y))
    kinds, types = kinds_of(field), types_of(field)
    found: dict[str, Any] = {"x": x, "y": y}
    for name in ("u", "v"):
        values = np.asarray(getattr(field, name), np.float64)
        found[f"{name}_original"] = np.where(kinds == MEASURED, values, np.nan)
        found[f"{name}_filtered"] = np.where(kinds == MASKED, np.nan, values)
    found |= {"typevector_original": np.minimum(types, 1.0), "typevector_filtered": types}
    for name in ("uncertainty_u", "uncertainty_v"):
        if (values := getattr(field, name)) is not None:
            found[name] = np.asarray(values, np.float64)
    return found


def _cell(values: list[Any]) -> Any:
    cell = np.empty((len(values), 1), object)
    for number, each in enumerate(values):
        cell[number, 0] = each
    return cell


def _frames(value: Any) -> list[Any]:
    """The matrices of a variable, whether it is a cell or one matrix."""
    if value.dtype == object:
        return [np.asarray(each) for each in value.ravel()]
    return [np.asarray(value)]


def _units(text: str, path: Path) -> Units:
    if "m/frame" in text:
        raise InputError(f"{path} is in m per frame: export it from PIVlab in m/s or in px")
    return "m/s" if "m/s" in text else "px"


def _dt(known: dict[str, Any]) -> float | None:
    size, speed = (float(np.ravel(known.get(name, 1.0))[0]) for name in ("calxy", "calu"))
    return size / abs(speed) if size > 0 and speed != 0 and size != 1 else None
