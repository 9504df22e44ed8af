"""The loop of a run: hand out pairs, collect results, write them in transactions.

Only this process writes.  Results are held in memory until about two seconds or 64 MB have come
together, and are then written in one transaction, all or nothing; so memory stays flat however
long the run is, and a run that is killed loses seconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from piv.batch.job import Answer, PairTask
from piv.batch.processes import Lost
from piv.errors import PIVError

if TYPE_CHECKING:
    from piv.io.store import PackedPair

SECONDS, BYTES = 2.0, 64 << 20  # a transaction at the latest
_GRACE = 3.0  # s for what is being computed when the run is stopped
_BASE, _COARSE, _DENSE = 300e6, 480.0, 600.0  # bytes of a worker, and for each pixel of a frame
_TICK = 0.25  # s; how often a display is renewed and a folder looked at


class StoppedEarly(PIVError):
    """What computes has gone; what was finished is stored, and the same command goes on."""


class Executor(Protocol):
    """What computes: processes of this computer, or a cluster."""

    @property
    def room(self) -> int:
        """How many tasks may be submitted now."""

    @property
    def outstanding(self) -> int:
        """Tasks whose result has not been fetched."""

    def submit(self, task: PairTask) -> None:
        """Hand in a task."""

    def next(self, timeout: float) -> tuple[PairTask, Answer | Lost] | None:
        """Fetch a result, or None if none has come in time (s)."""


class Writer(Protocol):
    """What stores."""

    def write(self, packed: Sequence[PackedPair]) -> None:
        """Store these pairs in one transaction."""


class Feed(Protocol):
    """Where tasks come from."""

    @property
    def over(self) -> bool:
        """Whether no more will come."""

    def take(self) -> PairTask | None:
        """Give the next task, or None if there is none at this moment."""

    def name(self, task: PairTask) -> str:
        """Say what the pair is called."""


class Watcher(Protocol):
    """Who is told what happens."""

    def pair(self, task: PairTask, packed: PackedPair) -> None:
        """Take note of one pair that is done or has failed."""

    def tick(self) -> None:
        """Renew a display."""


@dataclass(slots=True)
class Stop:
    """Whether the run shall end early, and by which signal."""

    signal: int | None = None
    again: bool = False

    def ask(self, number: int, _frame: Any = None) -> None:
        """Ask for the end; a second time, for an end without waiting."""
        self.again = self.signal is not None
        if self.signal is None:
            self.signal = number


@contextmanager
def listening(stop: Stop) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into a request to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):  # the last is of Windows
        number = getattr(signal, name, None)
        # what was ignored from the start (nohup) stays so
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, stop.ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class Outcome:
    """How a run went.

    Parameters
    ----------
    signal : int or None
        What stopped it early.
    bugs : list of str
        Tracebacks of failures that no user can have caused, the first few.
    """

    signal: int | None = None
    bugs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Held:
    """Results that wait for the next transaction."""

    writer: Writer
    clock: Callable[[], float]
    packed: list[PackedPair] = field(default_factory=list)
    bytes: int = 0
    since: float = 0.0

    def add(self, packed: PackedPair) -> None:
        if not self.packed:
            self.since = self.clock()
        self.packed.append(packed)
        self.bytes += packed.nbytes

    @property
    def due(self) -> bool:
        return bool(self.packed) and (self.bytes >= BYTES or self.clock() - self.since >= SECONDS)

    def commit(self) -> None:
        packed, self.packed, self.bytes = self.packed, [], 0
        if packed:
            self.writer.write(packed)


def run(
    executor: Executor,
    writer: Writer,
    feed: Feed,
    watcher: Watcher,
    stop: Stop,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Analyse what the feed gives until it is over or the run is stopped.

    Parameters
    ----------
    executor, writer, feed, watcher
        What computes, stores, gives tasks, and is told.
    stop : Stop
        Set by a signal: nothing new is begun, what is nearly ready is waited for and stored.
    clock : callable
        Seconds.

    Returns
    -------
    Outcome

    Raises
    ------
    PIVError
        If the workers cannot work, or the store cannot be written.  What had come is stored if
        that is possible.
    """
    outcome = Outcome()
    held = _Held(writer, clock)

    def fetch(timeout: float) -> None:
        answer = executor.next(timeout)
        if answer is None:
            return
        task, result = answer
        packed = _packed(task, result, feed)
        if isinstance(result, Answer) and result.bug is not None and len(outcome.bugs) < 3:
            outcome.bugs.append(result.bug)
        held.add(packed)
        watcher.pair(task, packed)

    try:
        while stop.signal is None:
            while executor.room > 0 and (task := feed.take()) is not None:
                executor.submit(task)
            if not executor.outstanding and feed.over:
                break
            fetch(_TICK)
            if held.due:
                held.commit()
            watcher.tick()
        deadline = clock() + _GRACE
        while stop.signal is not None and executor.outstanding and not stop.again:
            left = deadline - clock()
            if left <= 0:
                break
            fetch(min(left, _TICK))
    except Exception:
        with contextlib.suppress(PIVError):  # the first error is the one to tell
            held.commit()
        raise
    held.commit()
    outcome.signal = stop.signal
    return outcome


def _packed(task: PairTask, result: Answer | Lost, feed: Feed) -> PackedPair:
    from piv.io.store import packed_failure

    if isinstance(result, Answer):
        return result.packed
    return packed_failure(task.position, result.reason, seconds=float("nan"), name=feed.name(task))


def default_workers(shape: tuple[int, int], model: str) -> int:
    """One for every processor core that this process may use, if the memory suffices.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the frames, px.
    model : str
        ``none`` for the coarse stage alone.
    """
    cores, free = _cores(), _free_memory()
    if free is None:
        return cores
    return max(1, min(cores, int(free / memory_of_worker(shape, model))))


def memory_of_worker(shape: tuple[int, int], model: str) -> float:
    """Bytes that a worker needs at most, about (measured, docs/batch.md)."""
    each = _COARSE if model.lower() == "none" else _DENSE
    return _BASE + each * shape[0] * shape[1]


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_memory() -> float | None:
    """Bytes that programs may still take; None where it cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:  # not Linux
        return None
    table = dict(line.split(":", 1) for line in lines)
    return 1024.0 * int(table["MemAvailable"].split()[0]) if "MemAvailable" in table else None
