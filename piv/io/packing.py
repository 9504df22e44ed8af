"""Making a data set (docs/datasets.md) of any source of pairs, whole and verified or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from piv.errors import InputError, PIVError
from piv.fingerprint import fingerprint
from piv.io.hdf5 import replacing_hdf5
from piv.io.sources.base import PairSource, SourceSpec, Truth
from piv.io.sources.hdf5 import HDF5Source
from piv.types import SCHEMA_VERSION, Bool, ImagePair

_FORMAT = "ccfcn-piv pairs"


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of a source: how many pairs were written, and why others were not.

    Parameters
    ----------
    count : int
    dtype : str
        Of the grey levels in the data set.
    failures : tuple of str
        One line for every pair that could not be read.
    """

    count: int
    dtype: str
    failures: tuple[str, ...]


def pack(
    source: PairSource,
    path: str | Path,
    *,
    pixel_size: float | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Packed:
    """Write all pairs of a source into an HDF5 data set, one pair a chunk, and read them back.

    Grey levels keep their numbers; where pairs differ in type, the narrowest one that holds them
    all is taken.  Masks, truth, times and names come along.  The file appears under its name only
    when it is complete and every pair has been read back with the same hash.

    Parameters
    ----------
    source : PairSource
    path : path
        An existing file is replaced.
    pixel_size : float, optional
        m/px; default: the source's.
    progress : callable
        Called twice for every pair: when it is written, and when it is verified.

    Raises
    ------
    InputError
        If no pair can be read.
    PIVError
        If the file cannot be written, or what is read back differs.
    """
    writer = _Writer(source)
    with replacing_hdf5(path, lambda file: _verify(file, Path(path), writer, progress)) as (
        store,
        check,
    ):
        writer.begin(store, source.pixel_size if pixel_size is None else pixel_size)
        for index in range(len(source)):
            writer.add(index)
            check()
            progress()
        writer.finish()
    return Packed(len(writer.hashes), writer.dtype.name, tuple(writer.failures))


class _Writer:
    """A data set that grows pair by pair."""

    def __init__(self, source: PairSource) -> None:
        self._source = source
        self.dtype = source.common_dtype()
        self.hashes: list[str] = []
        self.failures: list[str] = []
        self._kept: list[int] = []  # which pairs of the source
        self._mask: Bool | None = None  # of all pairs so far

    def begin(self, store: h5py.File, pixel_size: float | None) -> None:
        """Everything at full size."""
        self._store, source = store, self._source
        store.attrs["format"] = _FORMAT
        store.attrs["schema"] = SCHEMA_VERSION
        store.attrs["dt"] = source.dt
        store.attrs["units"] = "px"
        store.attrs["y_axis"] = "down"
        if pixel_size is not None:
            store.attrs["pixel_size"] = pixel_size
        about = {
            "name": source.spec.path.name,
            "kind": source.kind,
            "pairing": source.spec.pairing,
            "frames": source.spec.frames,
        }
        store.attrs["source"] = json.dumps(about)
        for name in ("frames/a", "frames/b"):
            self._images(name, self.dtype)

    def add(self, index: int) -> None:
        """Append a pair of the source, or note why it cannot be read."""
        row = len(self.hashes)
        try:
            pair = self._source[index]
            first, second = (self._converted(frame) for frame in (pair.first, pair.second))
            truth = self._source.truth(index)
        except InputError as error:
            self.failures.append(str(error))
            return
        self._store["frames/a"][row], self._store["frames/b"][row] = first, second
        self._add_mask(row, pair.mask)
        if truth is not None:
            self._add_truth(row, truth)
        self.hashes.append(fingerprint(ImagePair(first, second, pair.dt, pair.mask)))
        self._kept.append(index)

    def finish(self) -> None:
        """Cut off what failed, and add what is known of the pairs."""
        count, source, store = len(self.hashes), self._source, self._store
        if not count:
            raise InputError(f"no pair can be read; the first one: {self.failures[0]}")
        if self._mask is not None and "mask" not in store:
            store.create_dataset("mask", data=self._mask, compression="gzip", compression_opts=1)

        def cut(_: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.maxshape[0] is None:
                item.resize(count, axis=0)

        store.visititems(cut)
        texts = h5py.string_dtype()
        store.create_dataset("name", data=[source.names[i] for i in self._kept], dtype=texts)
        store.create_dataset("sha256", data=self.hashes, dtype=texts)
        if source.kinds is not None:
            store.create_dataset("kind", data=[source.kinds[i] for i in self._kept], dtype=texts)
        if source.time is not None:
            store.create_dataset("time", data=np.asarray(source.time, np.float64)[self._kept])
            store["time"].attrs["units"] = "s"

    def _converted(self, frame: Any) -> Any:
        if not np.can_cast(frame.dtype, self.dtype, "safe"):
            raise InputError(f"its {frame.dtype} grey levels do not fit into {self.dtype}")
        return frame.astype(self.dtype, copy=False)

    def _add_mask(self, row: int, mask: Bool | None) -> None:
        """Keep one mask as long as all are equal."""
        if "mask" not in self._store:
            if row == 0:
                self._mask = mask
            if _equal(mask, self._mask):
                return
            self._images("mask", np.bool_)
            if self._mask is not None:
                for before in range(row):
                    self._store["mask"][before] = self._mask
        if mask is not None:
            self._store["mask"][row] = mask

    def _add_truth(self, row: int, truth: Truth) -> None:
        for name, values in zip(("u", "v", "seeded"), truth, strict=True):
            if values is None:
                continue
            if f"truth/{name}" not in self._store:
                self._images(f"truth/{name}", values.dtype)
            self._store[f"truth/{name}"][row] = values

    def _images(self, name: str, dtype: Any) -> None:
        """One image a chunk, with a checksum, compressed without loss."""
        self._store.create_dataset(
            name,
            (len(self._source), *self._source.shape),
            dtype,
            chunks=(1, *self._source.shape),
            maxshape=(None, *self._source.shape),
            shuffle=np.dtype(dtype).itemsize > 1,
            compression="gzip",
            compression_opts=1,
            fletcher32=True,
        )


def _equal(one: Bool | None, other: Bool | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _verify(file: BinaryIO, path: Path, writer: _Writer, progress: Callable[[], None]) -> None:
    """Read the data set as anyone would, and compare every pair."""
    file.seek(0)
    with HDF5Source(SourceSpec(Path(path.name)), file) as stored:
        if len(stored) != len(writer.hashes):
            raise PIVError(f"{path} was not written whole: {len(stored)} pairs can be read")
        for index, sha256 in enumerate(writer.hashes):
            if fingerprint(stored[index]) != sha256:
                raise PIVError(
                    f"{path} was not written: pair {index} reads back differently; check the disk"
                )
            progress()
