"""A pool of worker processes that survives the death of its workers.

Every worker is spawned, computes with one thread, prepares once (opens files, loads weights) and
then answers one task after the other.  The parent hands out small tasks and gets results as they
come.  A worker that dies is replaced and its task given to another; a task that has cost two
workers their lives is given up, so that one bad pair never ends a run.

Workers ignore Ctrl-C and SIGTERM, because the parent decides when to stop; they end by themselves
as soon as the parent has gone, however it went.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

from piv.errors import PIVError

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")

_TRIES = 2  # a task that kills its worker is given to another once
_STARTS = 2  # so many workers in a row may die before they are ready
_AHEAD = 2  # tasks in a worker's hands: one is computed, one waits
_PATIENCE = 2.0  # s; a worker that does not end by itself is killed
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_READY, _RESULT, _REFUSED, _BUG = b"r", b"=", b"!", b"?"
_environment = threading.Lock()


class WorkerBug(RuntimeError):
    """An exception in a worker that no user can cause; its text is the worker's traceback."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What is left of a task whose workers died: the reason."""

    reason: str


@dataclass(eq=False, slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    ready: bool = False
    tasks: deque[Any] = field(default_factory=deque)  # the first is being computed


class Pool(Generic[T, R]):
    """Worker processes, a bounded number of tasks in flight, and results as they come.

    Parameters
    ----------
    prepare : picklable callable
        Called once in every worker; returns the function that turns a task (small, hashable,
        picklable) into its result.  A :class:`PIVError` that it raises is raised by :meth:`next`;
        the function itself must not raise, what it raises is a bug.
    workers : int
        Processes.
    """

    def __init__(self, prepare: Callable[[], Callable[[T], R]], workers: int) -> None:
        self.workers = workers
        self.window = workers * _AHEAD + 2
        self._prepare = pickle.dumps(prepare)
        self._context = multiprocessing.get_context("spawn")
        self._gang: list[_Worker] = []
        self._waiting: deque[T] = deque()
        self._deaths: dict[T, int] = {}
        self._stillborn = 0
        self._outstanding = 0
        self._inbox: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[T, R | Lost] | BaseException] = queue.SimpleQueue()
        self._ears, self._bell = self._context.Pipe(duplex=False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="piv workers", daemon=True)
        atexit.register(self.close)  # before multiprocessing's own, which would wait for ever
        self._thread.start()

    def __enter__(self) -> Pool[T, R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def room(self) -> int:
        """How many tasks may be submitted now; bounds what waits in memory."""
        return self.window - self._outstanding

    @property
    def outstanding(self) -> int:
        """Tasks whose result has not been fetched."""
        return self._outstanding

    @property
    def pids(self) -> list[int]:
        """Process numbers of the living workers."""
        return [worker.process.pid for worker in self._gang if worker.process.pid is not None]

    def submit(self, task: T) -> None:
        """Hand in a task; tasks are begun in the order in which they were handed in."""
        self._outstanding += 1
        self._inbox.put(task)
        self._ring()

    def next(self, timeout: float) -> tuple[T, R | Lost] | None:
        """The next result that comes, or None if none has come in time.

        Parameters
        ----------
        timeout : float
            s.

        Raises
        ------
        PIVError
            If a worker could not prepare, or workers die before they are ready.
        WorkerBug
            If the function raised.
        """
        try:
            found = self._results.get(timeout=timeout) if timeout > 0 else self._results.get(False)
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        self._outstanding -= 1
        return found

    def close(self) -> None:
        """End all workers; what they have in hand is lost."""
        atexit.unregister(self.close)
        if not self._closing.is_set():
            self._closing.set()
            self._ring()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # the thread has ended and told why
            self._bell.send_bytes(b".")

    # what follows runs in the pool's own thread, so that workers are served while the caller writes

    def _serve(self) -> None:
        _defer_interrupts()  # also for the workers, which inherit it until they can ignore them
        try:
            while not self._closing.is_set():
                self._feed()
                self._listen()
        except BaseException as error:
            self._results.put(error)
        finally:
            self._dismiss()
            self._bell.close()
            self._ears.close()

    def _feed(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.append(self._inbox.get(False))
        while len(self._gang) < self.workers:
            self._gang.append(self._hire())
        while self._waiting:
            ready = [worker for worker in self._gang if worker.ready]
            idlest = min(ready, key=lambda worker: len(worker.tasks), default=None)
            if idlest is None or len(idlest.tasks) >= _AHEAD:
                return
            task = self._waiting.popleft()
            idlest.tasks.append(task)
            with contextlib.suppress(OSError):  # it has died: found by its sentinel
                idlest.pipe.send_bytes(pickle.dumps(task))

    def _listen(self) -> None:
        whose: dict[Any, _Worker] = {worker.pipe: worker for worker in self._gang}
        graves: dict[Any, _Worker] = {worker.process.sentinel: worker for worker in self._gang}
        for heard in wait([self._ears, *whose, *graves]):
            if heard is self._ears:
                self._ears.recv_bytes()
            elif heard in whose:
                if not self._hear(whose[heard]):
                    # the pipe's end comes a moment before the process's
                    whose[heard].process.join(_PATIENCE)
                    self._bury(whose[heard])
            else:
                while self._hear(graves[heard]):  # what it had sent before it died
                    pass
                self._bury(graves[heard])

    def _hear(self, worker: _Worker) -> bool:
        """Take one message; False at the end of the pipe."""
        try:
            message = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            return False
        kind, content = message[:1], memoryview(message)[1:]
        if kind == _READY:
            worker.ready = True
            self._stillborn = 0
        elif kind == _RESULT:
            task, result = pickle.loads(content)
            worker.tasks.remove(task)
            self._deaths.pop(task, None)
            self._results.put((task, result))
        elif kind == _REFUSED:
            raise pickle.loads(content)
        else:
            raise WorkerBug("in a worker process:\n" + bytes(content).decode())
        return True

    def _bury(self, worker: _Worker) -> None:
        if worker not in self._gang:
            return
        self._gang.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        how = _manner(worker.process.exitcode)
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn >= _STARTS:
                raise PIVError(
                    f"worker processes end before they begin ({how}): is there too little memory "
                    "for so many? A script that starts workers needs its work under "
                    'if __name__ == "__main__":'
                )
        again = list(worker.tasks)
        if again:
            suspect = again[0]
            self._deaths[suspect] = self._deaths.get(suspect, 0) + 1
            if self._deaths[suspect] >= _TRIES:
                del self._deaths[suspect]
                again = again[1:]
                self._results.put((suspect, Lost(f"its worker died twice ({how})")))
        self._waiting.extendleft(reversed(again))

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._prepare), name="piv worker", daemon=True
        )
        with _one_thread():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _dismiss(self) -> None:
        for worker in self._gang:
            worker.pipe.close()  # an idle worker ends by itself
        deadline = time.monotonic() + (_PATIENCE if not self._outstanding else 0.0)
        for worker in self._gang:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()
        self._gang.clear()


def _manner(exitcode: int | None) -> str:
    """How a process ended."""
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    hint = ", perhaps for want of memory" if -exitcode == 9 else ""
    return f"signal {-exitcode}{hint}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a process that is started now compute with one thread."""
    with _environment:
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _defer_interrupts() -> None:
    """Leave Ctrl-C to the main thread; a process that is spawned from here begins deaf to it."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


def _work(pipe: Connection, prepare: bytes) -> None:
    """Be a worker; it ends without the long farewell of an interpreter that has loaded torch."""
    try:
        _serve_parent(pipe, prepare)
    finally:
        os._exit(0)  # only inputs are open, and what was sent has been sent


def _serve_parent(pipe: Connection, prepare: bytes) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent's watch", daemon=True).start()
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")  # libraries' warnings have nobody to read them here
    try:
        compute = pickle.loads(prepare)()
        pipe.send_bytes(_READY)
        while True:
            task = pickle.loads(pipe.recv_bytes())
            answer = pickle.dumps((task, compute(task)), pickle.HIGHEST_PROTOCOL)
            pipe.send_bytes(_RESULT + answer)
    except (EOFError, OSError) as end:
        if not isinstance(end, EOFError | BrokenPipeError | ConnectionError):
            _tell(pipe, _BUG, traceback.format_exc().encode())
    except PIVError as refusal:
        _tell(pipe, _REFUSED, pickle.dumps(refusal))
    except BaseException:
        _tell(pipe, _BUG, traceback.format_exc().encode())


def _tell(pipe: Connection, kind: bytes, content: bytes) -> None:
    with contextlib.suppress(OSError):  # the parent has gone: nobody is left to be told
        pipe.send_bytes(kind + content)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
