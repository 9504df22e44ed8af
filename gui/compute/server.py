"""A computing process: one task after the other, until the window's process has gone.

It is started by :class:`gui.compute.client.Client`.  Requests come by standard input, replies go
by what was standard output; whatever libraries print goes to standard error, a file.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from gui.compute.protocol import Reply, Request, Scratch, receive, send
from piv.errors import PIVError, nearest

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SELDOM = 0.05  # s between two progress replies

F = TypeVar("F", bound=Callable[..., Any])


def task(function: F) -> F:
    """Mark a function as a task: ``function(context, **arguments)`` returns what is picklable."""
    function.is_task = True  # type: ignore[attr-defined]
    return function


class Context:
    """What a task has of its process.

    Parameters
    ----------
    request : int
    tell : callable
        Sends a reply.
    """

    def __init__(self, request: int, tell: Callable[[Reply], None]) -> None:
        self._request = request
        self._tell = tell
        self._last = -1.0
        self._text = ""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Tell how far it is; ``total`` 0 = nobody knows.

        Called often with the same text, it tells seldom: a text that counts should do so in steps.
        """
        now = time.monotonic()
        if now - self._last >= _SELDOM or text != self._text or done == total:
            self._last, self._text = now, text
            self._tell(Reply(self._request, "progress", (int(done), int(total), text)))


class Server:
    """Runs requests.

    Parameters
    ----------
    folder : Path
        Scratch folder.
    package : str
        Where the modules of tasks are.
    out : binary stream
    """

    def __init__(self, folder: Path, package: str, out: IO[bytes]) -> None:
        self._scratch = Scratch(folder, f"{os.getpid()}_", owner=False)
        self._package = package
        self._out = out

    def run(self, data: bytes) -> None:
        """Do what a packed request says, and reply; only a pipe without a reader raises."""
        number, name, packed = _opened(data)
        try:
            request: Request = self._scratch.unpack(packed)
            function = find(self._package, request.task)
            result = function(Context(number, self._tell), **request.arguments)
            self._tell(Reply(number, "done", result))
        except BrokenPipeError:
            raise
        except PIVError as error:
            self._tell(Reply(number, "error", _line(error)))
        except MemoryError:
            self._tell(
                Reply(
                    number,
                    "error",
                    "there is too little memory for this: close other programs, or choose a "
                    "smaller region",
                )
            )
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                self._tell(Reply(number, "error", full_disk(error, self._scratch.folder)))
                return
            text = f"in the task {name}:\n{traceback.format_exc()}"
            self._tell(Reply(number, "bug", text))

    def _tell(self, reply: Reply) -> None:
        packed = self._scratch.pack(reply)
        self._scratch.write(packed)
        send(self._out, packed.data)


def find(package: str, name: str) -> Callable[..., Any]:
    """The function of a task.

    Raises
    ------
    LookupError
        If there is none of this name: a bug of who asks.
    """
    module, _, function = name.partition(".")
    found = importlib.import_module(f"{package}.{module}")
    names = [each for each in found.__all__ if getattr(getattr(found, each), "is_task", False)]
    if function not in names:
        raise LookupError(f"{package}.{module} has no task {function!r}{nearest(function, names)}")
    result: Callable[..., Any] = getattr(found, function)
    return result


def full_disk(error: OSError, folder: Path) -> str:
    """What a user is told about a disk that takes no more."""
    where = error.filename or folder
    return f"the disk is full ({error.strerror}): make room where {where} is, and try again"


def seal(request: Request, packed: bytes) -> bytes:
    """A packed request with what is told if it cannot be unpacked: its number and its task."""
    name = request.task.encode()
    return request.id.to_bytes(8, "little") + len(name).to_bytes(2, "little") + name + packed


def _opened(data: bytes) -> tuple[int, str, bytes]:
    length = int.from_bytes(data[8:10], "little")
    end = 10 + length
    return int.from_bytes(data[:8], "little"), data[10:end].decode(), data[end:]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _stand_back(nice: int) -> None:
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(nice)


def _listen(stream: IO[bytes], inbox: queue.SimpleQueue[bytes]) -> None:
    """Take requests; the end of the pipe is the end of the window's process, so of this one."""
    while True:
        data = receive(stream)
        if data is None:
            os._exit(0)
        inbox.put(data)


def main(arguments: list[str] | None = None) -> None:
    """Serve: scratch folder, niceness and package of the tasks come as arguments."""
    folder, nice, package = sys.argv[1:] if arguments is None else arguments
    faulthandler.enable()  # a crash leaves its traceback in the log
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # the window's process decides when this one ends
    _stand_back(int(nice))
    warnings.simplefilter("ignore")  # libraries' warnings have nobody to read them here
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    stdin = os.fdopen(os.dup(0), "rb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  (a name of the system, no path)
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_listen, args=(stdin, inbox), daemon=True).start()
    server = Server(Path(folder), package, out)
    with contextlib.suppress(BrokenPipeError):
        while True:
            server.run(inbox.get())
    os._exit(0)


if __name__ == "__main__":
    main()
