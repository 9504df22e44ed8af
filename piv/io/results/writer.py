"""Writing the results of a run: one process, in transactions, which may be killed at any moment."""

from __future__ import annotations

import contextlib
import errno
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from piv.errors import InputError, StorageError
from piv.io.hdf5 import replacing_hdf5
from piv.io.journal import Journalled, acquire, discard, recover, release
from piv.io.labelled import plain
from piv.io.results.layout import DONE, FAILED, PENDING, create_layout, grown
from piv.io.results.packed import PackedPair, pack_analysis, packed_failure, write_pairs
from piv.io.results.reader import check_format
from piv.settings import OutputSettings, from_dict
from piv.types import Analysis

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class ResultsWriter:
    """A store that is open for writing; made by :meth:`create`, or opened again by :meth:`open`.

    What :meth:`write` and :meth:`put` were given is in the file, for good, when they return.  If
    they raise, the file is sound; after a :class:`StorageError` of one pair it is not in the file,
    after Ctrl-C :attr:`status` tells.  One process writes: it holds the lock until :meth:`close`,
    or until it ends in whatever way.
    """

    def __init__(self, path: Path, lock: Any) -> None:
        self._path = path
        self._lock = lock
        self._file: Journalled | None = None
        self._store: h5py.File | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        count: int,
        template: Analysis,
        provenance: Mapping[str, Any],
        pairs: npt.ArrayLike | None = None,
        names: Sequence[str] | None = None,
        time: npt.ArrayLike | None = None,
        mask: npt.NDArray[np.bool_] | None = None,
        background: Sequence[npt.NDArray[Any]] | None = None,
        output: OutputSettings | None = None,
        overwrite: bool = False,
    ) -> ResultsWriter:
        """Make a store; it appears under its name when its skeleton is complete.

        Parameters
        ----------
        path : path
        count : int
            Number of pairs, N.
        template : Analysis
            Gives grids, variables, units and quality keys: :func:`piv.pipeline.template`.
        provenance : mapping
            What holds for all pairs, beside what the template's provenance says; plain data.
        pairs : int array, shape (N,), optional
            Indices of the pairs in their source; default 0, 1, ...
        names : sequence of str, optional
        time : float array, shape (N,), optional
            Of each pair, s.
        mask : bool array, shape (H, W), optional
            Of the run.
        background : one or two arrays, shape (H, W), optional
            What is subtracted from the first and from the second frame.
        output : OutputSettings, optional
            Default: that of the template's settings.
        overwrite : bool
            Replace an existing file.

        Raises
        ------
        InputError
            If the file exists and may not be replaced, or another process writes it.
        PIVError
            If it cannot be written.
        """
        path = Path(path)
        writer = cls(path, acquire(path))
        try:
            if path.exists():
                if not overwrite:
                    raise InputError(
                        f"{path} exists already: choose another name, or add --overwrite"
                    )
                with contextlib.suppress(InputError, OSError):
                    recover(path)
            _sweep(path)
            known = plain({**provenance, **template.provenance})
            with replacing_hdf5(path) as (store, _):
                create_layout(
                    store, count, template, output or output_of(template), provenance=known,
                    pairs=pairs, names=names, time=time, mask=mask, background=background,
                    growing=True,
                )  # fmt: skip
                discard(path)
            writer._attach()
        except BaseException:
            writer.close()
            raise
        return writer

    @classmethod
    def open(cls, path: str | Path) -> ResultsWriter:
        """Open a store to go on, after whatever has happened to who wrote it last.

        Raises
        ------
        InputError
            If there is no such store, another process writes it, or it cannot be continued.
        StorageError
            If the disk refuses to finish what was begun.
        """
        path = Path(path)
        if not path.exists():
            raise InputError(f"cannot open {path}: there is no such file")
        writer = cls(path, acquire(path))
        try:
            writer._attach()
        except BaseException:
            writer.close()
            raise
        return writer

    def __enter__(self) -> ResultsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._opened()["status"])

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def provenance(self) -> dict[str, Any]:
        """What was given to :meth:`create`, with what the template said."""
        return dict(self._provenance)

    @property
    def status(self) -> npt.NDArray[np.uint8]:
        """0 pending, 1 done, 2 failed; a copy, shape (N,)."""
        return self._opened()["status"][()]

    @property
    def pending(self) -> list[int]:
        """Positions of the pairs that are still to be analysed."""
        return [int(each) for each in np.flatnonzero(self.status == PENDING)]

    @property
    def failed(self) -> list[int]:
        """Positions of the pairs that could not be analysed."""
        return [int(each) for each in np.flatnonzero(self.status == FAILED)]

    @property
    def done(self) -> list[int]:
        """Positions of the pairs that have a field."""
        return [int(each) for each in np.flatnonzero(self.status == DONE)]

    @property
    def sha256(self) -> list[str]:
        """Hash of each pair's input; empty where it was not read yet."""
        return self._opened()["sha256"].asstr()[()].tolist()

    @property
    def pairs(self) -> npt.NDArray[np.int32]:
        """Indices of the pairs in their source, shape (N,)."""
        return self._opened()["pair"][()]

    def put(self, position: int, result: Analysis | str, *, seconds: float = float("nan")) -> None:
        """Store one pair: its analysis, or the reason why there is none.

        Raises
        ------
        StorageError
            If it cannot be written; the store stays as it was.
        """
        if isinstance(result, str):
            self.write([packed_failure(position, result, seconds=seconds)])
        else:
            self.write([pack_analysis(result, position, self._output, seconds=seconds)])

    def write(self, packed: Sequence[PackedPair]) -> None:
        """Store pairs: all of them or, if this raises, none.

        Only where the disk is too full for all of them each is tried by itself, and what finds
        room is kept before this raises.

        Raises
        ------
        InputError
            If a position is not in the store.
        StorageError
            If the disk is full or refuses to write; the store is sound, and can be continued.
        """
        count = len(self)
        for pair in packed:
            if not 0 <= pair.position < count:
                raise InputError(f"{self._path} has {count} pair(s): there is no {pair.position}")
        if not packed:
            return
        try:
            self._write(packed)
        except StorageError:
            if len(packed) == 1:
                raise
            refused: StorageError | None = None
            for pair in packed:
                try:
                    self._write([pair])
                except StorageError as error:
                    refused = error
            if refused is not None:
                raise refused from None

    def reset(self, positions: Sequence[int]) -> None:
        """Make pairs pending again.

        Raises
        ------
        StorageError
            As for :meth:`write`.
        """
        rows = sorted({int(position) for position in positions})
        if not rows:
            return

        def change(store: h5py.File) -> None:
            for name, value in (("status", PENDING), ("error", ""), ("seconds", np.nan)):
                store[name][rows] = value

        self._transaction(change)

    def extend(
        self,
        count: int,
        names: Sequence[str],
        *,
        pairs: npt.ArrayLike | None = None,
        time: npt.ArrayLike | None = None,
    ) -> None:
        """Add pending pairs at the end.

        Parameters
        ----------
        count : int
            How many are added.
        names : sequence of str
            One for each.
        pairs : int array, shape (count,), optional
            Their indices in the source; default: on from the last one.
        time : float array, shape (count,), optional
            Of each, s, where the store has times.

        Raises
        ------
        StorageError
            As for :meth:`write`.
        """
        if count < 1:
            return

        def change(store: h5py.File) -> None:
            before = len(store["status"])
            indices = np.asarray(pairs) if pairs is not None else None
            if indices is None:
                first = int(store["pair"][before - 1]) + 1 if before else 0
                indices = np.arange(first, first + count)
            for dataset in grown(store):
                dataset.resize(before + count, axis=0)
                if dataset.name.rpartition("/")[2] == "pair":
                    dataset[before:] = indices
            store["name"][before:] = list(names)
            if time is not None and "time" in store:
                store["time"][before:] = time

        self._transaction(change)

    def close(self) -> None:
        """Close the store and let others write it."""
        self._detach()
        if self._lock is not None:
            release(self._lock)
            self._lock = None

    def _write(self, packed: Sequence[PackedPair]) -> None:
        def change(store: h5py.File) -> None:
            assert self._file is not None
            write_pairs(store, packed, self._provenance, self._file.check)

        self._transaction(change)

    def _transaction(self, change: Callable[[h5py.File], None]) -> None:
        """Make a change happen as a whole, or not at all."""
        store = self._opened()
        file = self._file
        assert file is not None
        number = int(store.attrs["commits"]) + 1
        try:
            change(store)
            store.attrs.modify("commits", np.int64(number))
            store.flush()
            file.commit()
        except BaseException as problem:
            failure = file.failure or problem
            self._detach()
            self._attach()
            happened = int(self._opened().attrs["commits"]) == number
            if isinstance(failure, OSError):
                if happened:  # only what follows the journal's writing had failed
                    return
                raise self._refused(failure) from failure
            raise

    def _refused(self, failure: OSError) -> StorageError:
        todo = "free some space and " if failure.errno in _FULL else ""
        return StorageError(
            f"cannot write {self._path}: {failure.strerror or failure}; what was finished before "
            f"is kept: {todo}run the same command again"
        )

    def _opened(self) -> h5py.File:
        if self._lock is None:
            raise InputError(f"{self._path} was closed")
        if self._store is None:  # the disk had refused; it may have room now
            self._attach()
        return self._store

    def _attach(self) -> None:
        """Bring the file to its last commit and open it."""
        try:
            recover(self._path)
            file = Journalled(self._path)
        except OSError as error:
            raise self._refused(error) from error
        self._file = file
        try:
            self._store = h5py.File(file, "r+")
            check_format(self._path, self._store)
        except OSError as error:
            self._detach()
            raise InputError(f"{self._path} is damaged: {error}") from None
        except BaseException:
            self._detach()
            raise
        self._provenance: dict[str, Any] = json.loads(self._store.attrs["provenance"])
        self._output = _output(self._provenance)

    def _detach(self) -> None:
        """Close the file; what was not committed is forgotten."""
        store, file = self._store, self._file
        self._store = self._file = None
        if file is not None:
            file.fail()
        if store is not None:
            with contextlib.suppress(OSError, RuntimeError):
                store.close()
        if file is not None:
            file.close()


def output_of(analysis: Analysis) -> OutputSettings:
    """Which part of the dense field the analysis's settings want to be stored."""
    return _output(analysis.provenance)


def _output(provenance: Mapping[str, Any]) -> OutputSettings:
    chosen = provenance.get("settings", {}).get("output", {})
    return from_dict({"output": chosen}).output


def _sweep(path: Path) -> None:
    """Remove what a process that was killed while making this store has left."""
    name = re.escape(path.name[:200])
    for each in path.parent.iterdir():
        if re.fullmatch(rf"\.{name}\.[0-9a-f]{{8}}\.part", each.name):
            with contextlib.suppress(OSError):
                each.unlink()
