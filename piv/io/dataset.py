"""HDF5 data sets of image pairs with their truth, for scoring.

The layouts of docs/datasets.md with ``/truth/u``, ``/truth/v`` (N, H, W) in px;
``/truth/seeded`` and ``/kind`` (N,), the class of the flow, may be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import h5py

from piv.errors import InputError
from piv.io.sources.base import SourceSpec
from piv.io.sources.hdf5 import HDF5Source, text
from piv.types import TruePair

_PIXELS = ("", "px", "pixel", "pixels", "px/frame", "pixel/frame", "pixels/frame")


def _foreign_unit(file: h5py.File, name: str) -> str:
    """The unit of a truth that is not in pixels; empty for one that is, or says nothing."""
    if name.endswith("seeded"):
        return ""
    attributes = file[name].attrs if "units" in file[name].attrs else file.attrs
    unit = text(attributes.get("units", ""))
    return "" if unit.strip().lower() in _PIXELS else unit


class TruePairs:
    """The pairs of a data set with truth: ``len(pairs)``, ``pairs[i]``, a context manager.

    Parameters
    ----------
    path : str or Path

    Attributes
    ----------
    kinds : list of str
        Class of the flow of every pair; empty text where the data set names none.

    Raises
    ------
    InputError
        If the file cannot be read or is no data set of pairs with truth.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._source = HDF5Source(SourceSpec(self.path))
        try:
            self._check()
        except InputError:
            self._source.close()
            raise

    def _check(self) -> None:
        file, count = self._source.file, len(self._source)
        shape = (count, *self._source.shape)
        if not self._source.has_truth:
            missing = "truth/v" if "truth/u" in file else "truth/u"
            raise InputError(f"{self.path} has no /{missing}: give a data set of pairs with truth")
        for name in ("truth/u", "truth/v", "truth/seeded"):
            if name in file and file[name].shape != shape:
                raise InputError(f"{self.path}: /{name} is {file[name].shape}, not {shape}")
            if name in file and (unit := _foreign_unit(file, name)):
                raise InputError(f"{self.path}: /{name} is in {unit}, but px are wanted")
        self.kinds = self._source.kinds or [""] * count

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> TruePair:
        pair, truth = self._source[index], self._source.truth(index)
        assert truth is not None
        return TruePair(pair, *truth, self.kinds[index])

    def __iter__(self) -> Iterator[TruePair]:
        for index in range(len(self)):
            yield self[index]

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> TruePairs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
