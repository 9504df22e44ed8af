"""Atomic changes of an HDF5 file: all of a transaction, or nothing, whatever happens meanwhile.

HDF5 has no transactions: a process that is killed while the library writes may leave a file that
nobody can open.  So the library writes through :class:`Journalled`.  What lies behind the
committed end of the file is written at once, for nothing refers to it yet; changes of committed
bytes wait in memory.  A commit

1. makes the new bytes durable,
2. writes the changes to the journal, a hidden file beside the store: under a temporary name,
   then renamed (from here on the transaction has happened),
3. applies them to the store and removes the journal.

:func:`recover` repeats step 3, which may be done any number of times, or takes away what an
unfinished transaction has appended.  The journal::

    8 bytes    b"PIVREDO1"
    u64        length of the store after the transaction
    u64, u64   place and length of the store's token; then the token (a store of another token
               is another file, to which the journal must not be applied)
    u64        number of changes; each: u64 place, u64 length, the bytes
    32 bytes   SHA-256 of all of the above
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import filelock

from piv.errors import InputError
from piv.io.hdf5 import Patient

PAGE = 4096  # bytes; changes are kept and applied in pieces of this size
_MAGIC = b"PIVREDO1"
_HEAD = 1 << 16  # bytes; the token stands among the first attributes of a store
_TOKEN = re.compile(rb"piv-store-[0-9a-f]{32}")
_PATIENCE = 2.0  # s; so long another reader may be busy with recovering the store
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


class StoreBusyError(InputError):
    """A store that another process is writing."""


class _Redo(NamedTuple):
    """What a complete journal says."""

    length: int
    token: tuple[int, bytes]
    changes: list[tuple[int, bytes]]


def new_token() -> bytes:
    """Make what distinguishes a store; it must stand within its first 64 KiB and never move."""
    return f"piv-store-{uuid.uuid4().hex}".encode()


def journal_path(path: Path) -> Path:
    """Where the journal of a store lies while there is one."""
    return path.with_name(f".{path.name}.journal")


def lock_path(path: Path) -> Path:
    """Where the lock of a store lies while it is open for writing."""
    return path.with_name(f".{path.name}.lock")


def acquire(path: Path, timeout: float = _PATIENCE) -> filelock.BaseFileLock:
    """Lock a store for writing; the system frees the lock of a process that was killed.

    Raises
    ------
    StoreBusyError
        If another process writes to the store.
    InputError
        If the folder cannot be written.
    """
    lock = filelock.FileLock(lock_path(path))
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        raise StoreBusyError(
            f"another process is writing {path}: wait until it has ended, or stop it"
        ) from None
    except OSError as error:
        raise InputError(f"cannot write beside {path}: {error.strerror or error}") from None
    return lock


def release(lock: filelock.BaseFileLock) -> None:
    """Free a lock and take its file away."""
    if os.name == "posix":  # elsewhere an open file cannot be removed, and the library does it
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()
    lock.release()


@contextmanager
def locked(path: Path, timeout: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of a store; raises as :func:`acquire`."""
    lock = acquire(path, timeout)
    try:
        yield
    finally:
        release(lock)


def is_written(path: Path) -> bool:
    """Whether some process has the store open for writing."""
    if not lock_path(path).exists():
        return False
    try:
        with locked(path, timeout=0):
            return False
    except StoreBusyError:
        return True
    except InputError:  # nobody can write there
        return False


class Journalled(Patient):
    """A file for h5py's ``fileobj`` driver whose changes happen together in :meth:`commit`.

    After a failed write everything is kept in memory only, so that HDF5 sees a sound file and can
    close it; :meth:`check` tells of the failure and :func:`recover` undoes the transaction.

    Parameters
    ----------
    path : Path
        An HDF5 file that was recovered; its lock is held by the caller.

    Raises
    ------
    InputError
        If the file holds no token (:func:`new_token`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = os.open(path, os.O_RDWR | _BINARY)
        super().__init__(io.FileIO(self._handle, "r+", closefd=False))
        self._committed = self._length = os.fstat(self._handle).st_size
        self._position = 0
        self._pages: dict[int, bytearray] = {}  # number of the page -> its new content
        found = _TOKEN.search(_read(self._handle, 0, _HEAD))
        if found is None:
            self.close()
            raise InputError(
                f"{path} cannot be continued: it is not the store of a run (piv batch)"
            )
        self._token = (found.start(), found[0])

    def write(self, data: Any) -> int:
        """Write behind the committed end; keep what would change committed bytes."""
        view = memoryview(data).cast("B")
        start, end = self._position, self._position + len(view)
        border = end if self._failure is not None else min(max(self._committed, start), end)
        if border < end:
            try:
                _write(self._handle, border, view[border - start :])
            except BaseException as failure:
                self._failure = failure
                border = end
        self._keep(start, view[: border - start])
        self._position = end
        self._length = max(self._length, end)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, kept or not; zeros beyond the end."""
        view = memoryview(buffer).cast("B")
        start, end = self._position, self._position + len(view)
        data = _read(self._handle, start, len(view))
        view[: len(data)] = data
        view[len(data) :] = bytes(len(view) - len(data))
        for number in range(start // PAGE, -(-end // PAGE)):
            if (page := self._pages.get(number)) is not None:
                low, high = max(start, number * PAGE), min(end, (number + 1) * PAGE)
                view[low - start : high - start] = page[low - number * PAGE : high - number * PAGE]
        self._position = end
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the length; committed bytes are cut off only by the commit."""
        size = self._position if size is None else size
        if self._failure is None and size >= self._committed:
            try:
                os.ftruncate(self._handle, size)
            except OSError as failure:
                self._failure = failure
        self._length = size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Tell the position."""
        return self._position

    def flush(self) -> None:
        """Do nothing: only a commit makes anything durable."""

    def fail(self) -> None:
        """From now on write to memory only: the transaction is to be forgotten."""
        self._failure = self._failure or InterruptedError("the transaction was given up")

    def close(self) -> None:
        """Close the file; what was not committed remains for :func:`recover` to take away."""
        if not self.closed:
            super().close()
            os.close(self._handle)

    def commit(self) -> None:
        """Make all that was written since the last commit happen.

        Raises
        ------
        OSError
            Or whatever else a write has met.  Whether the transaction has happened is then for
            :func:`recover` to find out; this object may only be closed.
        """
        self.check()
        try:
            place, token = self._token
            self.seek(place)
            if self.read(len(token)) != token:
                raise RuntimeError(f"the token of {self._path} has moved")  # never seen
            os.fsync(self._handle)
            changes = [(n * PAGE, bytes(page)) for n, page in sorted(self._pages.items())]
            changes = [  # the last page ends with the committed bytes
                (place, piece[: self._committed - place]) for place, piece in changes
            ]
            redo = _Redo(self._length, self._token, changes)
            _store(self._path, redo)
            _apply(self._path, self._handle, redo)
        except BaseException as failure:
            self._failure = failure
            raise
        self._committed = self._length
        self._pages.clear()

    def _keep(self, start: int, data: memoryview) -> None:
        """Overlay these bytes in memory."""
        done = 0
        while done < len(data):
            number, offset = divmod(start + done, PAGE)
            if number not in self._pages:
                piece = _read(self._handle, number * PAGE, PAGE)
                self._pages[number] = bytearray(piece.ljust(PAGE, b"\0"))
            count = min(PAGE - offset, len(data) - done)
            self._pages[number][offset : offset + count] = data[done : done + count]
            done += count


def recover(path: Path) -> bool:
    """Bring a store to its last commit, after whatever has happened; its lock must be held.

    Returns
    -------
    bool
        Whether anything had to be done.

    Raises
    ------
    InputError
        If the journal belongs to another file.
    OSError
        If the disk refuses; nothing is lost, and it can be tried again.
    """
    journal = journal_path(path)
    _part(journal).unlink(missing_ok=True)
    redo = _load(journal)
    handle = os.open(path, os.O_RDWR | _BINARY)
    try:
        if redo is not None:
            place, token = redo.token
            if _read(handle, place, len(token)) != token:
                raise InputError(
                    f"{journal} belongs to another file than {path}, which has taken its place: "
                    "bring the first one back, or remove the journal"
                )
            _apply(path, handle, redo)
            return True
        torn = journal.exists()
        journal.unlink(missing_ok=True)
        end, length = _end_of_hdf5(handle), os.fstat(handle).st_size
        if end is not None and length > end:
            os.ftruncate(handle, end)
            os.fsync(handle)
            return True
        return torn
    finally:
        os.close(handle)


def discard(path: Path) -> None:
    """Remove the journal of a store that is about to be replaced."""
    for each in (journal_path(path), _part(journal_path(path))):
        each.unlink(missing_ok=True)


def _part(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.part")


def _store(path: Path, redo: _Redo) -> None:
    """Write the journal; it has its name only when it is whole and durable."""
    place, token = redo.token
    pieces = [_MAGIC, struct.pack("<QQQ", redo.length, place, len(token)), token]
    pieces.append(struct.pack("<Q", len(redo.changes)))
    for where, data in redo.changes:
        pieces += [struct.pack("<QQ", where, len(data)), data]
    text = b"".join(pieces)
    journal = journal_path(path)
    handle = os.open(_part(journal), os.O_RDWR | os.O_CREAT | os.O_TRUNC | _BINARY, 0o666)
    try:
        _write(handle, 0, memoryview(text + hashlib.sha256(text).digest()))
        os.fsync(handle)
    finally:
        os.close(handle)
    _part(journal).replace(journal)
    _sync_folder(path.parent)


def _load(journal: Path) -> _Redo | None:
    """Read a journal; None if there is none, or it is not whole."""
    try:
        content = journal.read_bytes()
    except FileNotFoundError:
        return None
    text, digest = content[:-32], content[-32:]
    if not text.startswith(_MAGIC) or hashlib.sha256(text).digest() != digest:
        return None
    position = len(_MAGIC)

    def numbers(count: int) -> tuple[int, ...]:
        nonlocal position
        position += 8 * count
        return struct.unpack_from(f"<{count}Q", text, position - 8 * count)

    def piece(length: int) -> bytes:
        nonlocal position
        position += length
        return text[position - length : position]

    length, place, size = numbers(3)
    token = (place, piece(size))
    (count,) = numbers(1)
    changes = []
    for _ in range(count):
        where, size = numbers(2)
        changes.append((where, piece(size)))
    return _Redo(length, token, changes)


def _apply(path: Path, handle: int, redo: _Redo) -> None:
    """Bring the store to what the journal says, then remove the journal."""
    for where, data in redo.changes:
        _write(handle, where, memoryview(data))
    if os.fstat(handle).st_size != redo.length:
        os.ftruncate(handle, redo.length)
    os.fsync(handle)
    journal_path(path).unlink()


def _sync_folder(folder: Path) -> None:
    """Make a renaming durable, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders; some file systems sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(handle: int, place: int, data: memoryview) -> None:
    os.lseek(handle, place, os.SEEK_SET)
    while data:
        data = data[os.write(handle, data[: 1 << 26]) :]


def _read(handle: int, place: int, length: int) -> bytes:
    """Up to ``length`` bytes; fewer only at the end of the file."""
    os.lseek(handle, place, os.SEEK_SET)
    pieces = []
    while length > 0 and (piece := os.read(handle, min(length, 1 << 26))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _end_of_hdf5(handle: int) -> int | None:
    """Where the file ends by its own superblock; None where that cannot be told.

    HDF5 File Format Specification 3.0, section II.A: versions 0 and 1 and versions 2 and 3.
    """
    head = _read(handle, 0, 64)
    if len(head) < 64 or not head.startswith(b"\x89HDF\r\n\x1a\n"):
        return None
    version, size = head[8], head[13] if head[8] < 2 else head[9]
    places = {0: 40, 1: 44, 2: 28, 3: 28}
    if size != 8 or version not in places:
        return None
    (end,) = struct.unpack_from("<Q", head, places[version])
    return int(end)
