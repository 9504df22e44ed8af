"""Writing HDF5 files whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from piv.io.files import replacing


@contextmanager
def replacing_hdf5(
    path: str | Path, verify: Callable[[BinaryIO], None] | None = None
) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Open an HDF5 file that takes the place of ``path`` only once it is complete.

    Parameters
    ----------
    path : path
    verify : callable, optional
        Given the complete file before it takes the place; what it raises keeps it from doing so.

    Yields
    ------
    store : h5py.File
        Open for writing.
    check : callable
        Raises what has gone wrong so far; for long writings, which need not go on in vain.

    Raises
    ------
    PIVError
        As for :func:`piv.io.files.replacing`.
    """
    with replacing(path) as file:
        patient = Patient(file)
        with h5py.File(patient, "w") as store:
            yield store, patient.check
        patient.check()
        if verify is not None:
            verify(file)


class Patient(io.RawIOBase):
    """A file whose failures wait until HDF5 is done.

    HDF5 cannot close a file after a failed write: it keeps it open and crashes at exit
    (measured with 2.0, full disk).  So a failing write, or a Ctrl-C inside it, is remembered,
    the rest is dropped, and :meth:`check` raises it when the library has let go.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._failure: BaseException | None = None

    @property
    def failure(self) -> BaseException | None:
        """What went wrong first, if anything did."""
        return self._failure

    def check(self) -> None:
        """Raise what went wrong first, if anything did."""
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write all of ``data``, or remember why not."""
        view = memoryview(data)
        if self._failure is None:
            try:
                self._file.write(view)
            except BaseException as failure:
                self._failure = failure
        if self._failure is not None:
            self._file.seek(view.nbytes, io.SEEK_CUR)
        return int(view.nbytes)

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``; zeros for what was dropped."""
        view = memoryview(buffer).cast("B")
        data = self._file.read(len(view))
        view[: len(data)] = data
        view[len(data) :] = bytes(len(view) - len(data))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, or remember why not."""
        try:
            self._file.truncate(size)
        except OSError as failure:
            self._failure = self._failure or failure
        return self._file.tell() if size is None else size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Tell the position."""
        return self._file.tell()

    def flush(self) -> None:
        """Pass on what is buffered, or remember why not."""
        try:
            self._file.flush()
        except OSError as failure:
            self._failure = self._failure or failure

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def seekable(self) -> bool:
        """Say that it can be moved in."""
        return True
