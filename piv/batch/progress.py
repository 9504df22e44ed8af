"""How far a run is: counts, rate, time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_RECENT = 200  # pairs over which the rate is taken
_MINUTES = 5.0  # and the time


@dataclass(slots=True)
class Progress:
    """Counts of a run.

    Parameters
    ----------
    total : int
        Pairs of the store.
    done, failed : int
        Of these, before this run.
    clock : callable
        Seconds.
    """

    total: int
    done: int = 0
    failed: int = 0
    clock: Callable[[], float] = time.monotonic
    _begin: float = field(init=False)
    _times: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self._begin = self.clock()
        self._times = deque(maxlen=_RECENT)

    @property
    def finished(self) -> int:
        """Pairs that are done or have failed."""
        return self.done + self.failed

    @property
    def pending(self) -> int:
        """Pairs that are still to come."""
        return self.total - self.finished

    @property
    def begun(self) -> bool:
        """Whether this run has finished a pair: until then its workers are being started."""
        return bool(self._times)

    @property
    def elapsed(self) -> float:
        """Seconds since this run began."""
        return self.clock() - self._begin

    @property
    def rate(self) -> float | None:
        """Pairs per second of late; None until it can be told."""
        now = self.clock()
        recent = [when for when in self._times if now - when <= 60 * _MINUTES]
        if len(recent) < 2:
            return None
        span = now - recent[0]
        return (len(recent) - 1) / span if span > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the end at this rate; None until it can be told."""
        rate = self.rate
        return None if rate is None or rate == 0 else self.pending / rate

    def add(self, *, failed: bool) -> None:
        """Count a pair."""
        if failed:
            self.failed += 1
        else:
            self.done += 1
        self._times.append(self.clock())


def duration_text(seconds: float | None) -> str:
    """A duration as people say it: ``48 s``, ``12 min 5 s``, ``7 h 3 min``; ``?`` for None."""
    if seconds is None:
        return "?"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def rate_text(rate: float | None) -> str:
    """A rate in the unit in which it reads best."""
    if rate is None:
        return "?"
    if rate >= 1:
        return f"{rate:.1f} pairs/s"
    return f"{60 * rate:.1f} pairs/min"


def pair_text(index: int, name: str) -> str:
    """A pair by its index and its name, where it has one of its own."""
    word = f"pair {index}"
    return word if name in ("", word) else f"{word} ({name})"
