"""How long a training run shall be, how far it is, and what it has cost."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from piv.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run shall be: in steps, or in minutes of wall time."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise SettingsError("plan a run in steps or in minutes, one of the two")
        if self.steps is not None and self.steps < 1:
            raise SettingsError(f"a run needs at least one step, not {self.steps}")
        if self.minutes is not None and not (math.isfinite(self.minutes) and self.minutes > 0):
            raise SettingsError(f"a run needs a positive number of minutes, not {self.minutes}")

    def progress(self, step: int, seconds: float) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None
        return min(1.0, seconds / (60.0 * self.minutes))


@dataclass(frozen=True, slots=True)
class Progress:
    """What a face can show after a step."""

    step: int
    done: float
    loss: float
    endpoint_error: float
    crops_per_second: float
    seconds_left: float
    data_share: float
    validation: Mapping[str, float] | None = None


@dataclass(slots=True)
class Clock:
    """Seconds spent so far, over all sessions of the run."""

    wall: float = 0.0
    core: float = 0.0
    data: float = 0.0
    _wall: float = field(default_factory=time.perf_counter)
    _core: float = field(default_factory=time.process_time)

    def tick(self) -> float:
        """Add the wall time since the last tick; returns this process's core time since then."""
        wall, core = time.perf_counter(), time.process_time()
        spent = core - self._core
        self.wall += wall - self._wall
        self._wall, self._core = wall, core
        return spent
