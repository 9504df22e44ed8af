"""What the variables of a field are called outside: CF names and units, and xarray in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.errors import InputError, PIVError
from piv.types import SCHEMA_VERSION, Flag, VectorField

if TYPE_CHECKING:
    import xarray

VECTORS = ("u", "v", "flags", "uncertainty_u", "uncertainty_v")
_EXTRA = {
    "peak_ratio": "quotient of the primary and the secondary correlation peak",
    "peak_height": "height of the correlation peak",
    "pair_count": "how many pairs contributed",
}


def attributes(name: str, field: VectorField) -> dict[str, Any]:
    """CF attributes of one variable of a field: the one table for files and xarray.

    Parameters
    ----------
    name : str
        ``x``, ``y``, one of :data:`VECTORS` or the name of an extra measurement.
    field : VectorField
    """
    units = field.units
    quantity, length = ("displacement", "px") if units == "px" else ("velocity", "m")
    table: dict[str, dict[str, Any]] = {
        "x": {"units": length, "long_name": "position to the right", "axis": "X"},
        "y": {"units": length, "long_name": f"position, positive {field.y_axis}", "axis": "Y"},
        "u": {"units": units, "long_name": f"{quantity} to the right"},
        "v": {"units": units, "long_name": f"{quantity}, positive {field.y_axis}"},
        "flags": {
            "long_name": "why a vector is not a plain measurement (0)",
            "flag_masks": np.array([int(flag) for flag in Flag], np.uint16),
            "flag_meanings": " ".join(str(flag.name).lower() for flag in Flag),
        },
    }
    for component in ("u", "v"):
        table[f"uncertainty_{component}"] = {
            "units": units,
            "long_name": f"half-width of the 68.3 % interval of {component}",
        }
        known = "" if field.uncertainty_u is None else f"uncertainty_{component} "
        table[component]["ancillary_variables"] = f"{known}flags"
    return table.get(name, {"units": "1", "long_name": _EXTRA.get(name, name.replace("_", " "))})


def variables(field: VectorField) -> dict[str, Any]:
    """Name -> array of everything on the field's grid; uncertainty only where there is one."""
    arrays = {name: getattr(field, name) for name in VECTORS}
    return {name: a for name, a in {**arrays, **field.extra}.items() if a is not None}


def to_json(record: Mapping[str, Any]) -> str:
    """Text of a record that may hold NumPy numbers, arrays, paths and mappings."""
    return json.dumps(plain(record))


def plain(value: Any) -> Any:
    """Numbers, text, lists and dictionaries only, as they come back from JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def to_xarray(field: VectorField) -> xarray.Dataset:
    """The field as an :class:`xarray.Dataset`; see :meth:`piv.VectorField.to_xarray`."""
    try:
        import xarray
    except ImportError:
        raise PIVError(
            'this needs xarray, which is not installed: pip install "ccfcn-piv[xarray]"'
        ) from None
    leading = field.u.ndim - 2
    dims = (*(("pair",) if leading == 1 else tuple(f"axis_{n}" for n in range(leading))), "y", "x")

    def labelled(name: str, names: tuple[str, ...], values: Any) -> tuple[Any, ...]:
        return names, values, attributes(name, field)

    return xarray.Dataset(
        {name: labelled(name, dims, values) for name, values in variables(field).items()},
        coords={
            "x": labelled("x", ("x",), np.asarray(field.x)),
            "y": labelled("y", ("y",), np.asarray(field.y)),
        },
        attrs={**group_attributes(field), "record": to_json(field.attrs)},
    )


def group_attributes(field: VectorField) -> dict[str, Any]:
    """What holds for the whole field: its schema, units, direction of y and dt."""
    return {
        "schema": SCHEMA_VERSION,
        "units": field.units,
        "y_axis": field.y_axis,
        "dt": float(field.dt),
    }


def from_xarray(dataset: xarray.Dataset) -> VectorField:
    """A field from a labelled data set; see :meth:`piv.VectorField.from_xarray`."""
    for name in ("x", "y", "u", "v", "flags"):
        if name not in dataset.variables:
            raise InputError(f"the data set has no variable {name!r}, so it is not a vector field")
    for name in ("units", "y_axis"):
        if name not in dataset.attrs:
            raise InputError(f"the data set has no attribute {name!r}, so it is not a vector field")
    arrays: dict[str, Any] = {
        str(name): np.asarray(variable.values)
        for name, variable in dataset.data_vars.items()
        if variable.dims[-2:] == ("y", "x")
    }
    record = dataset.attrs.get("record", "{}")
    if "record" in dataset.variables and dataset["record"].size == 1:  # a result file's one pair
        record = dataset["record"].item()
    vectors: dict[str, Any] = {name: arrays.get(name) for name in VECTORS}
    return VectorField(
        x=np.asarray(dataset["x"].values),
        y=np.asarray(dataset["y"].values),
        **vectors,
        dt=float(dataset.attrs.get("dt", 1.0)),
        units=dataset.attrs["units"],
        y_axis=dataset.attrs["y_axis"],
        extra={name: array for name, array in arrays.items() if name not in VECTORS},
        attrs={**json.loads(dataset.attrs.get("provenance", "{}")), **json.loads(record)},
    )
