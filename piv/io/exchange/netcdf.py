"""netCDF-4 in pivpy's schema, written and read through HDF5, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from piv.errors import InputError
from piv.io.exchange.pivpy_schema import arrays, field_of, global_attributes, values_of
from piv.io.exchange.series import Fields, Hints, check_alike
from piv.io.hdf5 import replacing_hdf5
from piv.types import VectorField

_CHUNK = 256  # vectors along each side


def write(fields: Fields, path: Path) -> None:
    """Write a field or a series; only one field is in memory at a time."""
    first = fields[0]
    count = len(fields)
    with replacing_hdf5(path) as (store, check):
        store.attrs.update(global_attributes(fields))
        shape = (*first.shape, count)
        for name, array in arrays(fields).items():
            if array.values is not None:
                made = store.create_dataset(name, data=array.values)
                made.make_scale(name)
            else:
                chunks = (min(_CHUNK, shape[0]), min(_CHUNK, shape[1]), 1)
                made = store.create_dataset(
                    name, shape, array.dtype, chunks=chunks, compression="gzip",
                    compression_opts=1, shuffle=True,
                )  # fmt: skip
                for axis, dim in enumerate(array.dims):
                    made.dims[axis].attach_scale(store[dim])
            made.attrs.update(array.attrs)
        for number, field in enumerate(fields):
            check_alike(first, field)
            for name, values in values_of(field).items():
                if name in store:
                    store[name][:, :, number] = values
            check()


def read(path: Path, hints: Hints) -> VectorField:
    """Read a field or a series.

    Raises
    ------
    InputError
        If the file is no netCDF-4 with pivpy's variables.
    """
    if not path.is_file():
        raise InputError(f"cannot read {path}: there is no such file")
    try:
        store = h5py.File(path, "r")
    except OSError:
        raise InputError(
            f"{path} is not a netCDF-4 file (netCDF-3 is not read), or it is damaged"
        ) from None
    with store:
        sets = {
            name: item
            for name, item in store.items()
            if isinstance(item, h5py.Dataset) and not _is_bare(item)
        }
        names = {
            name: (_dims(item), lambda item=item: item[()]) for name, item in sets.items()
        }  # read when wanted

        def units_of(name: str) -> str:
            return _text(sets[name].attrs.get("units", "")) if name in sets else ""

        attrs = {name: _text(value) for name, value in store.attrs.items()}
        try:
            return field_of(path, names, attrs, units_of, hints)
        except (OSError, RuntimeError) as error:  # HDF5's, of a part that cannot be read
            raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None


def _dims(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Names of the dimensions; a coordinate has its own."""
    if dataset.is_scale:
        return (str(dataset.name).rpartition("/")[2],)
    return tuple(str(dim[0].name).rpartition("/")[2] if len(dim) else "" for dim in dataset.dims)


def _is_bare(dataset: h5py.Dataset) -> bool:
    """Whether it only stands for a dimension that has no coordinate."""
    return bytes(dataset.attrs.get("NAME", b"")).startswith(b"This is a netCDF dimension but not")


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
