"""Where a run's tasks come from: the pairs that are pending, or a folder that fills."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from piv.batch.job import PairTask
from piv.batch.loop import StoppedEarly
from piv.errors import InputError

if TYPE_CHECKING:
    from piv.io.sources import PairSource, SourceSpec

_LOOK = 1.0  # s between two looks at a folder


class ListFeed:
    """The pairs that are pending.

    Parameters
    ----------
    tasks : iterable of PairTask
    names : sequence of str
        Of the store's pairs.
    """

    def __init__(self, tasks: Iterable[PairTask], names: Sequence[str]) -> None:
        self._tasks = deque(tasks)
        self._names = names

    @property
    def over(self) -> bool:
        """Whether all have been taken."""
        return not self._tasks

    def take(self) -> PairTask | None:
        """The next one."""
        return self._tasks.popleft() if self._tasks else None

    def name(self, task: PairTask) -> str:
        """What the pair is called."""
        return self._names[task.position]


class Growing(Protocol):
    """A store that pairs can be added to."""

    def extend(self, count: int, names: Sequence[str]) -> None:
        """Make room for ``count`` more pairs of these names."""


class WatchFeed:
    """The pairs of a folder that fills, each as soon as its files have stopped growing.

    Parameters
    ----------
    spec : SourceSpec
        Of the folder, with the pairing that was found.
    store : Growing
        Where room is made for new pairs.
    pending : iterable of int
        Positions of the store that are still to be done.
    known : int
        Pairs that the store has.
    idle : float
        s without a new pair after which the watch is over.
    found : callable
        Told how many pairs there are now.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        spec: SourceSpec,
        store: Growing,
        pending: Iterable[int],
        known: int,
        idle: float,
        found: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert spec.files is not None
        self._spec = dataclasses.replace(spec, files=None)
        self._store = store
        self._files = list(spec.files[:known])
        self._tasks: deque[PairTask] = deque()
        self._early = list(pending)  # of the store, but perhaps still being written
        self._idle = idle
        self._found = found
        self._clock = clock
        self._looked = self._last = clock()
        self._states = {self._files[n]: self._state(self._files[n]) for n in self._early}

    @property
    def over(self) -> bool:
        """Whether nothing new has come for so long that nothing more is expected."""
        return not self._tasks and not self._early and self._idled

    @property
    def _idled(self) -> bool:
        return self._clock() - self._last >= self._idle

    def take(self) -> PairTask | None:
        """The next pair, after a look at the folder if it is time for one."""
        if self._clock() - self._looked >= _LOOK:
            self._look()
            self._looked = self._clock()
        return self._tasks.popleft() if self._tasks else None

    def name(self, task: PairTask) -> str:
        """What the pair is called."""
        return ", ".join(self._files[task.position])

    def _task(self, position: int) -> PairTask:
        return PairTask(position, position, self._files[position])

    def _look(self) -> None:
        files = self._present()
        known = len(self._files)
        if files[:known] != self._files[: len(files)]:
            raise StoppedEarly(
                f"the pairs of {self._spec.path} are no longer in the order in which they came: "
                "new files must follow the others by name, and none may go"
            )
        before = self._states
        waiting = [*(self._files[n] for n in self._early), *files[known:]]
        self._states = {pair: self._state(pair) for pair in waiting}
        settled = {pair for pair, now in self._states.items() if now and now == before.get(pair)}
        # what never settles is tried in the end, and fails with a reason
        idled = self._idled
        ready = [n for n in self._early if idled or self._files[n] in settled]
        self._early = [n for n in self._early if not (idled or self._files[n] in settled)]
        self._tasks.extend(self._task(n) for n in ready)
        # the order of the names is kept
        fresh = list(itertools.takewhile(settled.__contains__, files[known:]))
        if fresh:
            self._store.extend(len(fresh), [", ".join(pair) for pair in fresh])
            self._files.extend(fresh)
            self._tasks.extend(self._task(position) for position in range(known, len(self._files)))
            self._last = self._clock()
            self._found(len(self._files))

    def _present(self) -> list[tuple[str, ...]]:
        try:
            with self._spec.open() as source:
                return list(source.spec.files or ())
        except InputError:
            return list(self._files)  # such as a file that has just been begun

    def _state(self, pair: tuple[str, ...]) -> tuple[tuple[int, int], ...] | None:
        """Size and time of each file; None if one is empty or missing."""
        try:
            states = [(self._spec.path / name).stat() for name in pair]
        except OSError:
            return None
        if any(state.st_size == 0 for state in states):
            return None
        return tuple((state.st_size, state.st_mtime_ns) for state in states)


def wait_for_pairs(
    open_source: Callable[[], PairSource],
    folder: Path,
    idle: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> PairSource:
    """Open a folder as soon as it holds a pair.

    Parameters
    ----------
    open_source : callable
    folder : Path
    idle : float
        s to wait for the first pair.

    Raises
    ------
    InputError
        If it is no folder, none came, or it is not certain what belongs together.
    """
    from piv.io.sources import DoubtfulPairing

    if not folder.is_dir():
        raise InputError(f"--watch looks at a folder of images, which {folder} is not")
    begin = clock()
    while True:
        try:
            return open_source()
        except DoubtfulPairing:
            raise
        except InputError:
            if clock() - begin >= idle:
                raise
        sleep(_LOOK)
