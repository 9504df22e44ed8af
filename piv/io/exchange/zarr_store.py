"""A Zarr store (format 2) in pivpy's schema; needs the extra ``zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError, PIVError
from piv.io.exchange.pivpy_schema import arrays, field_of, global_attributes, values_of
from piv.io.exchange.series import Fields, Hints, check_alike
from piv.io.files import replacing_path
from piv.types import VectorField

_DIMENSIONS = "_ARRAY_DIMENSIONS"  # where xarray looks for their names
_CHUNK = 512  # vectors along each side


def write(fields: Fields, path: Path) -> None:
    """Write a field or a series; only one field is in memory at a time.

    Raises
    ------
    PIVError
        If zarr is not installed.
    """
    zarr = _zarr()
    first = fields[0]
    with replacing_path(path) as part:
        store = zarr.open_group(part, mode="w", zarr_format=2)
        store.attrs.update(_plain(global_attributes(fields)))
        shape = (*first.shape, len(fields))
        for name, array in arrays(fields).items():
            shared: dict[str, Any] = {
                "attributes": {**_plain(array.attrs), _DIMENSIONS: list(array.dims)},
                "fill_value": np.nan if np.issubdtype(array.dtype, np.floating) else None,
            }
            if array.values is not None:
                store.create_array(name, data=array.values, **shared)
            else:
                chunks = (min(_CHUNK, shape[0]), min(_CHUNK, shape[1]), 1)
                store.create_array(name, shape=shape, dtype=array.dtype, chunks=chunks, **shared)
        for number, field in enumerate(fields):
            check_alike(first, field)
            for name, values in values_of(field).items():
                if name in store:
                    store[name][:, :, number] = values
        zarr.consolidate_metadata(store.store)


def read(path: Path, hints: Hints) -> VectorField:
    """Read a field or a series.

    Raises
    ------
    InputError
        If it is no Zarr store with pivpy's variables.
    PIVError
        If zarr is not installed.
    """
    zarr = _zarr()
    if not path.is_dir():
        raise InputError(f"cannot read {path}: there is no such folder")
    try:
        store = zarr.open_group(path, mode="r")
        sets = dict(store.arrays())
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path} is not a Zarr store, or it is damaged") from None
    names = {
        name: (_dims(item), lambda item=item: np.asarray(item[...])) for name, item in sets.items()
    }

    def units_of(name: str) -> str:
        return str(sets[name].attrs.get("units", "")) if name in sets else ""

    try:
        return field_of(path, names, dict(store.attrs), units_of, hints)
    except (OSError, RuntimeError) as error:  # of a part that cannot be read
        raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise PIVError(
            'this needs zarr, which is not installed: pip install "ccfcn-piv[zarr]"'
        ) from None
    return zarr


def _dims(array: Any) -> tuple[str, ...]:
    """Of format 3, or as xarray writes them to format 2."""
    said = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_DIMENSIONS)
    return tuple(str(each) for each in said or ())


def _plain(attrs: Any) -> dict[str, Any]:
    return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in attrs.items()}
