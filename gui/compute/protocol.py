"""What travels between the window's process and its computing processes.

A message is pickled.  Arrays of more than 64 KiB, at any depth of it, do not travel in it: they
are written to a ``.npy`` file in a scratch folder, and only a description of them is sent.  The
other side maps the file, so that nothing is read before it is looked at.  An array that is such a
map already, or a part of one, travels as its description alone: it is never written again.

The window's process owns the files: each is removed when the last array that looks into it has
gone.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import mmap
import os
import pickle
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

_HEAVY = ("torch", "cv2")  # the window's process never loads them
LARGE = 64 << 10  # bytes; a smaller array travels in the message

Array: TypeAlias = npt.NDArray[Any]
Kind: TypeAlias = Literal["progress", "done", "error", "bug"]


@dataclass(frozen=True, slots=True)
class Request:
    """A task for a computing process.

    Parameters
    ----------
    id : int
    task : str
        ``<module>.<function>`` of :mod:`gui.compute.tasks`.
    arguments : dict
        Keyword arguments; picklable.
    """

    id: int
    task: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a computing process says of a request.

    Parameters
    ----------
    id : int
    kind : str
        ``progress``: (done, total, text), more will follow.  ``done``: the result.  ``error``: one
        line that tells the user what is wrong.  ``bug``: a traceback.
    value : object
    """

    id: int
    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Part:
    """Where an array lies in a scratch file."""

    file: str
    offset: int  # bytes from the beginning of the map
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False, slots=True)
class Packed:
    """A pickled message, and what has to be written before it is sent.

    Parameters
    ----------
    data : bytes
    new : tuple of (str, array)
        File names and what belongs into them.
    held : tuple of array
        Maps of files which the message names: they must live until it has been answered.
    """

    data: bytes
    new: tuple[tuple[str, Array], ...]
    held: tuple[Array, ...]


class _Maps:
    """All scratch files that this process looks at: one map a file, for all clients together."""

    def __init__(self) -> None:
        self._maps: dict[str, weakref.ref[mmap.mmap]] = {}  # by file
        self._files: dict[int, str] = {}  # file by id of the living map
        self._doomed: set[str] = set()  # could not be removed yet
        self._open: deque[int] = deque()  # of removed files whose pages are not given back yet
        self._lock = threading.RLock()  # finalizers run in any thread, at any moment

    def map(self, file: str, *, owner: bool) -> Array:
        """The whole array of a file, read-only.

        Raises
        ------
        OSError, ValueError
            If the file has gone or is damaged.
        """
        with self._lock:
            array: Array = np.load(file, mmap_mode="r")
            known = self._maps.get(file)
            held = None if known is None else known()
            if held is not None:
                order: Any = "C" if array.flags.c_contiguous else "F"
                offset = len(held) - array.nbytes
                return np.ndarray(array.shape, array.dtype, held, offset, order=order)
            root = _root(array)
            assert root is not None
            self._maps[file], self._files[id(root)] = weakref.ref(root), file
            weakref.finalize(root, self._gone, id(root), file, owner).atexit = False
            return array

    def file_of(self, root: mmap.mmap) -> str | None:
        """The file that is mapped; None if it is no scratch file."""
        with self._lock:
            return self._files.get(id(root))

    def remove(self, files: Iterable[str]) -> None:
        """Remove files, but for those that somebody here looks at."""
        with self._lock:
            looked_at = {file for file, ref in self._maps.items() if ref() is not None}
            self._doomed |= set(files) - looked_at
            for file in tuple(self._doomed):
                try:
                    Path(file).unlink(missing_ok=True)
                except OSError:  # Windows: another process still looks at it; tried again later
                    continue
                self._doomed.discard(file)

    def _gone(self, key: int, file: str, owner: bool) -> None:
        with self._lock:
            self._files.pop(key, None)
            known = self._maps.get(file)
            if known is None or known() is not None:
                return  # it has been mapped anew
            del self._maps[file]
        if not owner:
            return
        if os.name == "posix":
            with contextlib.suppress(OSError):
                # the system takes 50 ms to give back the pages of 100 MB: not in this thread
                self._open.append(os.open(file, os.O_RDONLY))
        self.remove([file])

    def give_back(self) -> None:
        """Give back the pages of files that have been removed."""
        while self._open:
            with contextlib.suppress(IndexError, OSError):
                os.close(self._open.popleft())


_MAPS = _Maps()


def give_back() -> None:
    """Give back the pages of files that have been removed; to be called off the window's thread."""
    _MAPS.give_back()


def file_of(array: Array) -> str | None:
    """The scratch file into which an array looks; None if it does not look into one.

    No two files of a process have one name, so that it stands for the content.
    """
    root = _root(array)
    return None if root is None else _MAPS.file_of(root)


class Scratch:
    """A folder of arrays, as one process sees it.

    Parameters
    ----------
    folder : Path
        Exists.
    prefix : str
        Of the files that this process writes.
    owner : bool
        Whether files are removed when nobody in this process looks at them any more.
    """

    def __init__(self, folder: Path, prefix: str, *, owner: bool) -> None:
        self.folder = folder.absolute()
        self._prefix = prefix
        self._owner = owner
        self._numbers = itertools.count()

    def pack(self, message: object) -> Packed:
        """Pickle a message; its large arrays are named, but not written yet."""
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self)
        pickler.dump(message)
        return Packed(buffer.getvalue(), tuple(pickler.new), tuple(pickler.held))

    def write(self, packed: Packed) -> list[Array]:
        """Write the arrays of a message.

        Returns
        -------
        list of array
            Maps of all files that the message names: hold them until it has been answered.

        Raises
        ------
        OSError
            If the disk refuses; nothing is left of what was begun.
        """
        maps = list(packed.held)
        for name, array in packed.new:
            path = Path(name)
            try:
                with path.open("xb") as file:
                    _write(file, array)
            except OSError:
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
            if self._owner:
                maps.append(self.map(name))
        return maps

    def unpack(self, data: bytes) -> Any:
        """The message; its large arrays are read-only maps of their files."""
        return _Unpickler(io.BytesIO(data), self).load()

    def map(self, file: str) -> Array:
        """The whole array of a file, read-only."""
        return _MAPS.map(file, owner=self._owner)

    def locate(self, array: Array) -> Part | None:
        """Where an array lies in a scratch file; None if it does not."""
        root = _root(array)
        file = None if root is None else _MAPS.file_of(root)
        if root is None or file is None or not Path(file).exists():
            return None
        start = np.frombuffer(root, np.uint8).ctypes.data
        offset = array.ctypes.data - start
        return Part(file, offset, array.shape, array.strides, array.dtype)

    def view(self, part: Part) -> Array:
        """The array that a description stands for."""
        root = _root(self.map(part.file))
        assert root is not None
        return np.ndarray(part.shape, part.dtype, root, part.offset, part.strides)

    def new_name(self) -> str:
        """For a file of this process."""
        return str(self.folder / f"{self._prefix}{next(self._numbers)}.npy")

    def sweep(self, prefix: str) -> None:
        """Remove the files with this prefix that nobody here looks at: their writer is dead."""
        try:
            files = [str(path) for path in self.folder.glob(f"{prefix}*.npy")]
        except OSError:  # the client was closed meanwhile, and the folder has gone
            return
        _MAPS.remove(files)


class _Pickler(pickle.Pickler):
    """Names large arrays instead of copying them."""

    def __init__(self, buffer: io.BytesIO, scratch: Scratch) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.new: list[tuple[str, Array]] = []
        self.held: list[Array] = []
        self._scratch = scratch
        self._named: dict[int, str] = {}

    def persistent_id(self, value: Any) -> Any:
        if type(value) not in (np.ndarray, np.memmap) or value.nbytes <= LARGE:
            return None
        if value.dtype.hasobject:
            return None
        if (found := self._scratch.locate(value)) is not None:
            self.held.append(value)
            return found
        if id(value) not in self._named:
            self._named[id(value)] = self._scratch.new_name()
            self.new.append((self._named[id(value)], value))
        return self._named[id(value)]

    def reducer_override(self, value: Any) -> Any:
        """Send what loads no heavy library where it arrives.

        Read-only mappings, which fields and analyses have, travel as what they are; a text of a
        library's own kind, such as torch's version, as plain text.
        """
        if type(value) is MappingProxyType:
            return _read_only, (dict(value),)
        if isinstance(value, str) and not isinstance(value, Enum):
            return str, (str.__str__(value),)
        kind = value if isinstance(value, type) else type(value)
        if kind.__module__.partition(".")[0] in _HEAVY:
            raise TypeError(f"a {kind.__module__}.{kind.__name__} must not leave its process")
        return NotImplemented


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)  # pickle does not find the type by its name


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, scratch: Scratch) -> None:
        super().__init__(buffer)
        self._scratch = scratch

    def persistent_load(self, name: Any) -> Array:
        return self._scratch.view(name) if isinstance(name, Part) else self._scratch.map(name)


def _write(file: IO[bytes], array: Array) -> None:
    """As ``numpy.save``, which does not say why a disk takes no more."""
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(file, header)
    straight = array.T if header["fortran_order"] else np.ascontiguousarray(array)
    file.write(straight.reshape(-1).view(np.uint8).data)


def _bases(array: Array) -> Iterator[Any]:
    base: Any = array
    while base is not None:
        yield base
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)


def _root(array: Array) -> mmap.mmap | None:
    """The map into which an array looks, however it was cut out of it."""
    return next((base for base in _bases(array) if isinstance(base, mmap.mmap)), None)


def send(stream: IO[bytes], data: bytes) -> None:
    """Write a message to a pipe.

    Raises
    ------
    OSError
        If nobody listens.
    """
    for part in (len(data).to_bytes(8, "little"), data):
        view = memoryview(part)
        while view:
            view = view[stream.write(view) or 0 :]
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read a message from a pipe; None at its end, also in the midst of a message."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    length = int.from_bytes(head, "little")
    data = stream.read(length)
    return None if len(data) < length else data
