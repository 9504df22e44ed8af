"""Results in HDF5.

::

    /coarse, /dense    u, v, flags, uncertainty_u, ... (N, Ny, Nx), with x, y, pair as dimension
                       scales: valid netCDF-4; ``record`` (N,) holds the field's attributes as JSON
    /quality           figures of merit, (N,) each
    /status            (N,) 0 pending, 1 done, 2 failed;  /error (N,);  /seconds (N,)
    /name, /sha256     (N,) of the input
    attributes         schema, provenance (JSON)

Everything is made at full size at the start and ``/status`` is written last.  A single analysis is
a store of N = 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from piv.errors import InputError
from piv.io.hdf5 import replacing_hdf5
from piv.io.labelled import VECTORS, attributes, group_attributes, to_json, variables
from piv.types import SCHEMA_VERSION, Analysis, VectorField

PENDING, DONE, FAILED = 0, 1, 2
_CHUNK = 256  # px; a region of a dense field is read without the rest
_FORMAT = "ccfcn-piv results"


def write_analysis(
    path: str | Path,
    analysis: Analysis,
    *,
    seconds: float = float("nan"),
) -> None:
    """Write one analysis; the file appears under its name only when it is complete.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    analysis : Analysis
    seconds : float
        Computing time.

    Raises
    ------
    PIVError
        If the file cannot be written.
    """
    with replacing_hdf5(path) as (store, _):
        create_layout(store, 1, analysis)
        write_pair(store, 0, analysis, seconds=seconds)


def create_layout(store: h5py.File, count: int, example: Analysis) -> None:
    """Make every data set for ``count`` pairs at full size.

    Parameters
    ----------
    store : h5py.File
        Empty and open for writing.
    count : int
    example : Analysis
        Of one of the pairs: gives grids, variables, units and provenance.
    """
    store.attrs["format"] = _FORMAT
    store.attrs["schema"] = SCHEMA_VERSION
    store.attrs["provenance"] = to_json(example.provenance)
    root = _pair_axis(store, count)
    text = h5py.string_dtype()
    for name, kind, long_name in (
        ("status", np.uint8, "0 pending, 1 done, 2 failed"),
        ("error", text, "why a pair failed"),
        ("seconds", np.float64, "computing time of a pair, s"),
        ("name", text, "name of the input"),
        ("sha256", text, "hash of the input's grey levels and mask"),
    ):
        _along(root, store.create_dataset(name, (count,), kind), long_name)
    quality = store.create_group("quality")
    axis = _pair_axis(quality, count)
    for name in example.quality:
        dataset = quality.create_dataset(name, (count,), np.float64, fillvalue=np.nan)
        _along(axis, dataset, name.replace("_", " "))
    for name, field in (("coarse", example.coarse), ("dense", example.dense)):
        if field is not None:
            _create_group(store.create_group(name), count, field)


def write_pair(
    store: h5py.File,
    index: int,
    analysis: Analysis,
    *,
    seconds: float = float("nan"),
) -> None:
    """Fill in one pair, its status last.

    Parameters
    ----------
    store : h5py.File
        With the layout of :func:`create_layout`.
    index : int
    analysis, seconds
        As for :func:`write_analysis`.
    """
    for name, field in (("coarse", analysis.coarse), ("dense", analysis.dense)):
        if field is None:
            continue
        group = store[name]
        for variable, values in variables(field).items():
            group[variable][index] = values
        group["record"][index] = to_json(field.attrs)
    for name, value in analysis.quality.items():
        store["quality"][name][index] = value
    store["seconds"][index] = seconds
    source = analysis.provenance.get("input", {})
    store["name"][index] = source.get("name", "")
    store["sha256"][index] = source.get("sha256", "")
    store.flush()
    store["status"][index] = DONE
    store.flush()


def read_field(path: str | Path, group: str | None = None, index: int = 0) -> VectorField:
    """Read the field of one pair back from a result file.

    Parameters
    ----------
    path : path
    group : "coarse", "dense" or None
        None takes the dense field if there is one.
    index : int
        Which pair.

    Returns
    -------
    VectorField

    Raises
    ------
    InputError
        If the file is missing, not a result of this program or of a newer one, or has no such
        group or pair.
    """
    with _open(Path(path)) as store:
        known = [name for name in ("dense", "coarse") if name in store]
        group = group or known[0]
        if group not in known:
            raise InputError(f"{path} has no group {group!r}; it has {', '.join(known)}")
        count = len(store["status"])
        if not 0 <= index < count:
            raise InputError(f"{path} has {count} pair(s), numbered from 0: there is no {index}")
        if store["status"][index] != DONE:
            reason = store["error"].asstr()[index] or "it was never analysed"
            raise InputError(f"{path} has no field of pair {index}: {reason}")
        return _field(store[group], index)


def read_provenance(path: str | Path) -> Mapping[str, Any]:
    """Read what a result was made with: settings, versions, weights and hashes.

    Raises
    ------
    InputError
        As for :func:`read_field`.
    """
    with _open(Path(path)) as store:
        record: dict[str, Any] = json.loads(store.attrs["provenance"])
        return record


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise InputError(f"cannot read {path}: there is no such file")
    try:
        store = h5py.File(path, "r")
    except OSError:
        raise InputError(f"cannot read {path}: it is not an HDF5 file, or it is damaged") from None
    try:
        if store.attrs.get("format") != _FORMAT:
            raise InputError(f"{path} is not a result of this program (piv analyse -o)")
        if store.attrs["schema"] > SCHEMA_VERSION:
            raise InputError(
                f"{path} has schema {store.attrs['schema']}, newer than this program's "
                f"{SCHEMA_VERSION}: update ccfcn-piv"
            )
    except InputError:
        store.close()
        raise
    return store


def _create_group(group: h5py.Group, count: int, field: VectorField) -> None:
    group.attrs["Conventions"] = "CF-1.11"
    group.attrs.update(group_attributes(field))
    axes = {"pair": _pair_axis(group, count)}
    for name in ("y", "x"):
        axes[name] = group.create_dataset(name, data=np.asarray(getattr(field, name), np.float64))
        axes[name].make_scale(name)
        axes[name].attrs.update(attributes(name, field))
    height, width = field.shape[-2:]
    for name, values in variables(field).items():
        dataset = group.create_dataset(
            name,
            (count, height, width),
            values.dtype,
            chunks=(1, min(height, _CHUNK), min(width, _CHUNK)),
            shuffle=True,
            compression="gzip",
            compression_opts=1,
            fillvalue=np.nan if values.dtype.kind == "f" else 0,
        )
        for axis, label in enumerate(("pair", "y", "x")):
            dataset.dims[axis].attach_scale(axes[label])
        dataset.attrs.update(attributes(name, field))
    record = group.create_dataset("record", (count,), h5py.string_dtype())
    _along(axes["pair"], record, "what is known about the field, JSON")


def _pair_axis(group: h5py.Group, count: int) -> h5py.Dataset:
    axis = group.create_dataset("pair", data=np.arange(count, dtype=np.int32))
    axis.make_scale("pair")
    axis.attrs["long_name"] = "index of the image pair"
    return axis


def _along(axis: h5py.Dataset, dataset: h5py.Dataset, long_name: str) -> None:
    dataset.dims[0].attach_scale(axis)
    dataset.attrs["long_name"] = long_name


def _field(group: h5py.Group, index: int) -> VectorField:
    arrays: dict[str, Any] = {name: item[index] for name, item in group.items() if item.ndim == 3}
    vectors: dict[str, Any] = {name: arrays.get(name) for name in VECTORS}
    return VectorField(
        x=group["x"][()],
        y=group["y"][()],
        **vectors,
        dt=float(group.attrs["dt"]),
        units=group.attrs["units"],
        y_axis=group.attrs["y_axis"],
        extra={name: array for name, array in arrays.items() if name not in VECTORS},
        attrs=json.loads(group["record"].asstr()[index]),
    )
