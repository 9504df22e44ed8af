"""Reading results, also while a run still writes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import h5py
import numpy as np
import numpy.typing as npt

from piv.errors import InputError, PIVError, StorageError
from piv.io.journal import StoreBusyError, journal_path, lock_path, locked, recover
from piv.io.labelled import VECTORS
from piv.io.results.layout import DONE, FAILED, FORMAT, PENDING
from piv.types import SCHEMA_VERSION, VectorField

if TYPE_CHECKING:
    import xarray

T = TypeVar("T")

_TRIES = 60  # a commit is applied within milliseconds; on a slow disk within seconds
_PAUSE = 0.05  # s


class Results:
    """The results of a run: what is known of every pair, and its fields when asked for.

    Iterating yields the fields of the finished pairs, one at a time.  What has been written
    meanwhile is seen after :meth:`refresh`.

    Parameters
    ----------
    path : path
        What ``piv batch`` or ``piv analyse -o`` wrote.

    Attributes
    ----------
    status : uint8 array, shape (N,)
        0 pending, 1 done, 2 failed.
    pairs : int array, shape (N,)
        Index of each pair in its source.
    names, errors, sha256 : list of str
    seconds : float array, shape (N,)
        Computing time, s; NaN where nothing was computed.
    time : float array, shape (N,), s, or None
        Of each pair, where the source has it.
    quality : mapping of str to float array, shape (N,)
    provenance : mapping
        Settings, versions, weights and hashes.
    groups : list of str
        ``dense`` and ``coarse``, or ``coarse`` alone.

    Raises
    ------
    InputError
        If the file is missing, not a result of this program or of a newer one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.refresh()

    def refresh(self) -> None:
        """Read again what is known of the pairs."""
        known = consistent(self.path, _summary)
        self.status: npt.NDArray[np.uint8] = known["status"]
        self.pairs: npt.NDArray[np.int32] = known["pair"]
        self.names: list[str] = known["name"]
        self.errors: list[str] = known["error"]
        self.sha256: list[str] = known["sha256"]
        self.seconds: npt.NDArray[np.float64] = known["seconds"]
        self.time: npt.NDArray[np.float64] | None = known["time"]
        self.quality: Mapping[str, npt.NDArray[np.float64]] = known["quality"]
        self.provenance: Mapping[str, Any] = known["provenance"]
        self.groups: list[str] = known["groups"]

    def __len__(self) -> int:
        return len(self.status)

    def __iter__(self) -> Iterator[VectorField]:
        for position in self.done:
            yield self.field(position)

    def __repr__(self) -> str:
        return (
            f"<Results {self.path.name}: {len(self)} pairs, {len(self.done)} done, "
            f"{len(self.failed)} failed, {len(self.pending)} pending>"
        )

    @property
    def done(self) -> list[int]:
        """Positions of the pairs that have a field."""
        return self._where(DONE)

    @property
    def failed(self) -> list[int]:
        """Positions of the pairs that could not be analysed; ``errors`` has the reasons."""
        return self._where(FAILED)

    @property
    def pending(self) -> list[int]:
        """Positions of the pairs that were not analysed yet."""
        return self._where(PENDING)

    def field(self, position: int, group: str | None = None) -> VectorField:
        """Read the field of one pair.

        Parameters
        ----------
        position : int
            0 .. N - 1; negative ones count from the end.
        group : "coarse", "dense" or None
            None takes the dense field if there is one.

        Raises
        ------
        InputError
            If there is no such group or pair, or the pair has no field.
        """
        if -len(self) <= position < 0:
            position += len(self)
        return read_field(self.path, group, position)

    def to_xarray(self, group: str | None = None) -> xarray.Dataset:
        """All pairs of a group as an :class:`xarray.Dataset` that reads when it is asked for.

        Pending and failed pairs are NaN.  Close it when done with it (it is a context manager).

        Raises
        ------
        PIVError
            If xarray or h5netcdf is not installed (the extra ``xarray``).
        InputError
            If there is no such group.
        """
        try:
            import h5netcdf
            import xarray
        except ImportError:
            raise PIVError(
                'this needs xarray and h5netcdf: pip install "ccfcn-piv[xarray]"'
            ) from None
        assert h5netcdf.__name__  # xarray takes it by its name
        group = _known(self.path, self.groups, group)
        settle(self.path)
        return xarray.open_dataset(self.path, group=group, engine="h5netcdf")

    def _where(self, status: int) -> list[int]:
        return [int(position) for position in np.flatnonzero(self.status == status)]


def open_results(path: str | Path) -> Results:
    """Open the results of ``piv batch`` or ``piv analyse -o`` for reading, at any time.

    Raises
    ------
    InputError
        If the file is missing, not a result of this program or of a newer one.

    Examples
    --------
    >>> results = piv.open_results("results.h5")             # doctest: +SKIP
    >>> mean = sum(field.u for field in results) / len(results.done)   # doctest: +SKIP
    """
    return Results(path)


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

    def read(store: h5py.File) -> VectorField:
        name = _known(path, _groups(store), group)
        count = len(store["status"])
        if not 0 <= index < count:
            raise InputError(f"{path} has {count} pair(s), numbered from 0: there is no {index}")
        if store["status"][index] != DONE:
            reason = store["error"].asstr()[index] or "it was never analysed"
            raise InputError(f"{path} has no field of pair {index}: {reason}")
        return _field(store, name, index)

    return consistent(Path(path), read)


def read_provenance(path: str | Path) -> Mapping[str, Any]:
    """Read what a result was made with: settings, versions, weights and hashes.

    Raises
    ------
    InputError
        As for :func:`read_field`.
    """
    return consistent(Path(path), _provenance)


def consistent(path: Path, read: Callable[[h5py.File], T]) -> T:
    """Read from a result file what belongs together, whatever a writer does meanwhile.

    Parameters
    ----------
    path : Path
    read : callable
        Takes the open file; is called again if a commit came in between.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    settle(path)
    if not lock_path(path).exists():  # nobody writes, and nobody was killed while writing
        return _read(path, read)
    journal = journal_path(path)
    for _ in range(_TRIES):
        # A commit that is applied while we read has its journal there before we begin, or adds to
        # the number of commits and takes its journal away: looked at in this order, it shows.
        before = _commits(path)
        if before is not None and not journal.exists():
            result: T | None = None
            problem: Exception | None = None
            try:
                result = _read(path, read)
            except Exception as error:  # genuine, or of a torn file
                problem = error
            if not journal.exists() and _commits(path) == before:
                if problem is not None:
                    raise problem
                return cast(T, result)
        time.sleep(_PAUSE)
    raise InputError(f"{path} changes too quickly to be read, or is damaged: try again")


def _read(path: Path, read: Callable[[h5py.File], T]) -> T:
    with open_store_file(path) as store:
        return read(store)


def _commits(path: Path) -> int | None:
    """How many commits a store has seen; None where that cannot be read just now."""
    try:
        return _read(path, lambda store: int(store.attrs.get("commits", 0)))
    except (OSError, RuntimeError, ValueError, KeyError):  # h5py's, or ours
        return None


def settle(path: Path) -> None:
    """Finish the commit of a writer that was killed in it; wait for one that lives.

    Raises
    ------
    InputError
        If the file cannot be changed, or the journal belongs to another one.
    StorageError
        If the disk refuses.
    """
    for _ in range(_TRIES):
        if not journal_path(path).exists() or not path.exists():
            return
        try:
            with locked(path, timeout=_PAUSE):
                recover(path)
                return
        except StoreBusyError:
            continue
        except OSError as error:
            raise StorageError(
                f"{path} was interrupted in a commit, which cannot be finished: "
                f"{error.strerror or error}"
            ) from error


def open_store_file(path: Path) -> h5py.File:
    """Open a result file read-only, and make sure that it is one.

    Raises
    ------
    InputError
    """
    if not path.exists():
        raise InputError(f"cannot read {path}: there is no such file")
    try:
        store = h5py.File(path, "r")
    except OSError:
        raise InputError(f"cannot read {path}: it is not an HDF5 file, or it is damaged") from None
    try:
        check_format(path, store)
    except BaseException:
        store.close()
        raise
    return store


def check_format(path: Path, store: h5py.File) -> None:
    """Refuse what is no result of this program.

    Raises
    ------
    InputError
    """
    if store.attrs.get("format") != FORMAT:
        raise InputError(f"{path} is not a result of this program (piv analyse -o, piv batch)")
    if store.attrs["schema"] > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema {store.attrs['schema']}, newer than this program's "
            f"{SCHEMA_VERSION}: update ccfcn-piv"
        )


def _summary(store: h5py.File) -> dict[str, Any]:
    known: dict[str, Any] = {name: store[name][()] for name in ("status", "seconds", "pair")}
    for name in ("name", "error", "sha256"):
        known[name] = store[name].asstr()[()].tolist()
    known["time"] = store["time"][()] if "time" in store else None
    known["quality"] = {
        name: dataset[()] for name, dataset in store["quality"].items() if name != "pair"
    }
    known["provenance"] = _provenance(store)
    known["groups"] = _groups(store)
    return known


def _provenance(store: h5py.File) -> Mapping[str, Any]:
    record: dict[str, Any] = json.loads(store.attrs["provenance"])
    return record


def _groups(store: h5py.File) -> list[str]:
    return [name for name in ("dense", "coarse") if name in store]


def _known(path: str | Path, groups: list[str], group: str | None) -> str:
    group = group or groups[0]
    if group not in groups:
        raise InputError(f"{path} has no group {group!r}; it has {', '.join(groups)}")
    return group


def _field(store: h5py.File, name: str, index: int) -> VectorField:
    group = store[name]
    arrays: dict[str, Any] = {key: item[index] for key, item in group.items() if item.ndim == 3}
    vectors: dict[str, Any] = {key: arrays.get(key) for key in VECTORS}
    source = {key: store[key].asstr()[index] for key in ("name", "sha256")}
    return VectorField(
        x=group["x"][()],
        y=group["y"][()],
        **vectors,
        dt=float(group.attrs["dt"]),
        units=group.attrs["units"],
        y_axis=group.attrs["y_axis"],
        extra={key: array for key, array in arrays.items() if key not in VECTORS},
        attrs={
            **_provenance(store),
            "input": source,
            **json.loads(group["record"].asstr()[index]),
        },
    )
