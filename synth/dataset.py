"""Data sets in HDF5: image pairs with their truth, complete or not there at all.

::

    /frames/a, /frames/b    (N, H, W) uint8 or uint16, one pair a chunk
    /truth/u, /truth/v      (N, H, W) float32, px at mid-time, v down;  /truth/seeded (N, H, W) bool
    /mask                   (N, H, W) bool, True = not fluid; only if a pair has one
    /kind, /record          (N,) class of flow; what was drawn, JSON
    attributes              schema, dt, units, y_axis, recipe (JSON), seeds (JSON)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from piv.errors import InputError
from piv.io.hdf5 import replacing_hdf5
from piv.types import SCHEMA_VERSION, TruePair
from synth.source import Source

_FORMAT = "ccfcn-piv pairs"


def write_dataset(
    path: str | Path,
    source: Source,
    split: str,
    indices: Sequence[int],
    *,
    kind: str | None = None,
    size: tuple[int, int] | None = None,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Make pairs and write them; the file appears under its name only when it is complete.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    source : Source
    split, kind, size
        As for :meth:`synth.source.Source.pair`.
    indices : sequence of int
        Which pairs of the split.
    progress : callable
        Called after every pair.

    Raises
    ------
    InputError
        If there is no pair to write, or no such split or class.
    PIVError
        If the file cannot be written.
    """
    if not indices:
        raise InputError("a data set needs at least one pair")
    shape = source.size if size is None else size
    seeds = {"split": split, "indices": list(indices), "kind": kind, "size": list(shape)}
    first = source.pair(split, indices[0], kind, size)  # refuses what cannot be, before any file
    with replacing_hdf5(path) as (store, check):
        _attributes(store, source.record, seeds)
        dtype = np.dtype(np.uint8 if source.bits <= 8 else np.uint16)
        _layout(store, len(indices), shape, dtype)
        for row, index in enumerate(indices):
            pair = first if row == 0 else source.pair(split, index, kind, size)
            store["frames/a"][row] = pair.pair.first
            store["frames/b"][row] = pair.pair.second
            _write_truth(store, row, pair, len(indices))
            check()
            progress()


def write_truth(path: str | Path, pair: TruePair, precision: float | None = None) -> None:
    """Write the truth of one pair, as in a data set of N = 1 without its frames.

    Parameters
    ----------
    precision : float, optional
        Round u and v to multiples of this many px, which makes the file smaller.

    Raises
    ------
    PIVError
        If the file cannot be written.
    """
    with replacing_hdf5(path) as (store, _):
        known = ("generator", "recipe", "split", "index")
        seeds = {key: pair.recipe[key] for key in known if key in pair.recipe}
        _attributes(store, {"generator": pair.recipe["generator"]}, seeds)
        _truth_layout(store, 1, pair.pair.shape, level=9)
        _write_truth(store, 0, pair, 1, precision)


def _attributes(store: h5py.File, recipe: dict[str, Any], seeds: dict[str, Any]) -> None:
    store.attrs["format"] = _FORMAT
    store.attrs["schema"] = SCHEMA_VERSION
    store.attrs["dt"] = 1.0
    store.attrs["units"] = "px"
    store.attrs["y_axis"] = "down"
    store.attrs["recipe"] = json.dumps(recipe)
    store.attrs["seeds"] = json.dumps(seeds)


def _layout(store: h5py.File, count: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """Everything at full size."""
    for name in ("frames/a", "frames/b"):
        store.create_dataset(name, (count, *shape), dtype, chunks=(1, *shape))
    _truth_layout(store, count, shape, level=1)


def _truth_layout(store: h5py.File, count: int, shape: tuple[int, int], level: int) -> None:
    packed = {"chunks": (1, *shape), "compression": "gzip", "compression_opts": level}
    for name in ("truth/u", "truth/v"):
        store.create_dataset(name, (count, *shape), np.float32, shuffle=True, **packed)
    store.create_dataset("truth/seeded", (count, *shape), np.bool_, **packed)
    for name in ("kind", "record"):
        store.create_dataset(name, (count,), h5py.string_dtype())


def _write_truth(
    store: h5py.File, row: int, pair: TruePair, count: int, precision: float | None = None
) -> None:
    for name, values in (("u", pair.u), ("v", pair.v)):
        if precision is not None:
            values = np.round(values / precision) * precision
        store[f"truth/{name}"][row] = values
    store["truth/seeded"][row] = True if pair.seeded is None else pair.seeded
    store["kind"][row] = pair.kind
    store["record"][row] = json.dumps(dict(pair.recipe))
    if pair.pair.mask is not None:
        if "mask" not in store:
            shape = pair.pair.shape
            store.create_dataset(
                "mask", (count, *shape), np.bool_, chunks=(1, *shape), compression="gzip"
            )
        store["mask"][row] = pair.pair.mask
