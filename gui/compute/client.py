"""The window's side of a computing process: starts it, feeds it, outlives it."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gui.compute.protocol import (
    Array,
    Kind,
    Packed,
    Reply,
    Request,
    Scratch,
    give_back,
    receive,
    send,
)
from gui.compute.server import full_disk, seal
from piv.errors import PIVError

log = logging.getLogger("gui.compute")

TASKS = "gui.compute.tasks"
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_PATIENCE = 2.0  # s for a process to end


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request that has not been answered yet."""

    request: Request
    packed: Packed
    held: list[Array] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Child:
    """A computing process and the thread that listens to it."""

    process: subprocess.Popen[bytes]
    log: Path
    answered: bool = False


class Client:
    """One computing process, always: if it dies it is replaced, and the queue goes on.

    One request is in the process's hands at a time, so that any other can be withdrawn.

    Parameters
    ----------
    nice : int
        How far the process stands back behind others.
    folder : Path
        Where scratch folders are made; what a killed program has left there is removed.
    threads : int, optional
        With how many threads libraries compute; default is what they choose.
    package : str
        Where the modules of tasks are.

    Raises
    ------
    PIVError
        If no scratch folder can be made.
    """

    def __init__(
        self, nice: int, folder: Path, *, threads: int | None = None, package: str = TASKS
    ) -> None:
        self._nice, self._threads, self._package = nice, threads, package
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
            self._folder = folder / secrets.token_hex(6)
            self._alive = FileLock(f"{self._folder}.lock", thread_local=False)
            self._alive.acquire(timeout=5)
            self._folder.mkdir()
        except (OSError, Timeout) as error:
            raise PIVError(
                f"cannot write temporary files to {folder}: {error}; make room there, or see to "
                "its permissions"
            ) from None
        self._scratch = Scratch(self._folder, "window_", owner=True)
        self._numbers = itertools.count(1)
        self._queue: deque[_Waiting] = deque()
        self._running: _Waiting | None = None
        self._child: _Child | None = None
        self._starts = itertools.count(1)
        self._lock = threading.RLock()
        self._closed = False
        self._answers: deque[Reply] = deque()
        # what a child says, None at its end; None alone = look what is to be done
        self._inbox: queue.SimpleQueue[tuple[_Child, bytes | None] | None] = queue.SimpleQueue()

    @property
    def folder(self) -> Path:
        """The scratch folder of this client."""
        return self._folder

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    @property
    def pid(self) -> int | None:
        """Number of the process; None = none is running."""
        with self._lock:
            return None if self._child is None else self._child.process.pid

    @property
    def outstanding(self) -> int:
        """Requests that have not been answered."""
        with self._lock:
            return len(self._queue) + (self._running is not None)

    def start(self) -> None:
        """Start the process, if none is running; :meth:`receive` would do it when it is needed.

        Raises
        ------
        PIVError
            If the system starts no process.
        """
        with self._lock:
            if self._child is None and not self._closed:
                self._child = self._spawn()

    def send(self, task: str, **arguments: Any) -> int:
        """Hand in a request; large arrays of it must not be changed afterwards.

        Returns
        -------
        int
            Its number: the ``id`` of its replies.
        """
        request = Request(next(self._numbers), task, arguments)
        packed = self._scratch.pack(request)
        with self._lock:
            self._queue.append(_Waiting(request, packed))
        self._inbox.put(None)
        return request.id

    def cancel(self, number: int) -> None:
        """Withdraw a request: one that runs is ended with its process.  It is not answered."""
        with self._lock:
            running = self._running
            if running is not None and running.request.id == number:
                self._running = None
                self._kill()
                self._child = None
            else:
                kept = [each for each in self._queue if each.request.id != number]
                self._queue = deque(kept)
        self._inbox.put(None)

    def begun(self, number: int) -> bool:
        """Whether the process has this request in its hands."""
        with self._lock:
            return self._running is not None and self._running.request.id == number

    def restart(self) -> None:
        """Replace the process; what it is doing is answered with an error."""
        with self._lock:
            self._kill()

    def receive(self, timeout: float) -> Reply | None:
        """The next reply; None if there is none in time, or after :meth:`close`.

        Everything that takes time happens here: writing arrays, starting the process.

        Parameters
        ----------
        timeout : float
            s.
        """
        deadline = time.monotonic() + timeout
        while not self._closed:
            give_back()
            self._feed()
            if self._answers:
                return self._answers.popleft()
            try:
                item = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if item is not None:
                child, data = item
                if data is None:
                    self._bury(child)
                else:
                    self._hear(child, data)
        return None

    def close(self) -> None:
        """End the process and remove the scratch files; again is no harm."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.clear()
            self._running = None
            child, self._child = self._child, None
        if child is not None:
            _end(child)
        self._inbox.put(None)
        give_back()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._alive.release()
        if not self._folder.exists():  # Windows keeps what is looked at; removed at the next start
            with contextlib.suppress(OSError):
                Path(f"{self._folder}.lock").unlink(missing_ok=True)

    # what follows runs where receive is called

    def _feed(self) -> None:
        """Give the process the next request, if it has none."""
        with self._lock:
            if self._closed or self._running is not None or not self._queue:
                return
            waiting = self._running = self._queue.popleft()
        try:
            waiting.held = self._scratch.write(waiting.packed)
        except OSError as error:
            self._answer(waiting, "error", full_disk(error, self._folder))
            return
        try:
            self.start()
        except PIVError as error:
            self._answer(waiting, "error", str(error))
            return
        with self._lock:
            child = self._child
            if child is None or self._running is not waiting:  # withdrawn meanwhile
                return
        assert child.process.stdin is not None
        with contextlib.suppress(OSError):  # it has died: its end will be heard
            send(child.process.stdin, seal(waiting.request, waiting.packed.data))

    def _answer(self, waiting: _Waiting, kind: Kind, value: str) -> None:
        with self._lock:
            if self._running is waiting:
                self._running = None
                self._answers.append(Reply(waiting.request.id, kind, value))

    def _hear(self, child: _Child, data: bytes) -> None:
        child.answered = True
        try:
            reply: Reply = self._scratch.unpack(data)
        except Exception as error:
            with self._lock:
                waiting = self._running
            if waiting is not None and child is self._child:
                text = f"the temporary files in {self._folder} have gone or are damaged: {error}"
                lost = isinstance(error, OSError | ValueError)
                self._answer(waiting, "error" if lost else "bug", text)
            return
        with self._lock:
            waiting = self._running
            if waiting is None or waiting.request.id != reply.id:
                return  # withdrawn: its arrays go with the reply
            if reply.kind != "progress":
                self._running = None
            self._answers.append(reply)

    def _bury(self, child: _Child) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(_PATIENCE)
        _end(child)
        self._scratch.sweep(f"{child.process.pid}_")
        with self._lock:
            expected = child is not self._child
            if not expected:
                self._child = None
            waiting = None if expected else self._running
        if not expected:
            log.warning("a computing process ended: %s\n%s", _manner(child), _tail(child.log))
        if waiting is not None:
            again = "; try again" if child.answered else ", before it could begin; try again"
            text = f"the computing process ended unexpectedly ({_manner(child)}){again}"
            self._answer(waiting, "error", text)
        if expected or child.answered:  # one that never came to life is not tried for ever
            with contextlib.suppress(PIVError):
                self.start()

    # the process

    def _spawn(self) -> _Child:
        path = self._folder / f"process_{next(self._starts)}.log"
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
        environment["PYTHONUNBUFFERED"] = "1"
        if self._threads is not None:
            environment.update(dict.fromkeys(_THREADS, str(self._threads)))
        words = [sys.executable, "-P", "-c", "from gui.compute.server import main; main()"]
        words += [str(self._folder), str(self._nice), self._package]
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            options = {"creationflags": flags}
        try:
            with path.open("wb") as stderr:
                process = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                    env=environment, **options,
                )  # fmt: skip
        except OSError as error:
            raise PIVError(
                f"cannot start a computing process: {error.strerror or error}; close other "
                "programs and try again"
            ) from None
        child = _Child(process, path)
        threading.Thread(target=self._listen, args=(child,), name="replies", daemon=True).start()
        return child

    def _listen(self, child: _Child) -> None:
        """Pass on what a process says; waiting for a pipe with a limit of time is not portable."""
        stdout = child.process.stdout
        assert stdout is not None
        with stdout:
            while (data := receive(stdout)) is not None:
                self._inbox.put((child, data))
        self._inbox.put((child, None))

    def _kill(self) -> None:
        if self._child is not None:
            self._child.process.kill()


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the scratch folders of programs that are dead.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for path in folder.glob("*.lock"):
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except (OSError, Timeout):
            continue  # its program lives
        try:
            scratch = path.with_suffix("")
            if scratch.is_dir():
                shutil.rmtree(scratch, ignore_errors=True)
                removed.append(scratch)
        finally:
            lock.release()
        if not scratch.exists():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return removed


def _end(child: _Child) -> None:
    """Make sure that a process has ended and nothing of it stays open."""
    process = child.process
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()


def _manner(child: _Child) -> str:
    """How a process ended."""
    code = child.process.returncode
    if code is None or code >= 0:
        return f"exit status {code}"
    return f"signal {-code}{', perhaps for want of memory' if code == -9 else ''}"


def _tail(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")[-2000:]
    except OSError:
        return ""
