"""How a run shows its progress: a bar on a terminal, lines in a log, JSON for machines.

A display never ends a run: when nobody reads any more, it falls silent.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from piv.batch.progress import Progress, duration_text, pair_text, rate_text

if TYPE_CHECKING:
    from piv.batch.job import PairTask
    from piv.io.store import PackedPair

STYLES = ("auto", "bar", "lines", "json", "none")
_SHOWN = 20  # failures that are told while the run goes on; all are in the store
_OFTEN, _SELDOM = 10.0, 60.0  # s between two lines, in the first minutes and later


def failure_text(index: int, name: str, error: str) -> str:
    """One line about a pair that failed; its name once."""
    reason = error.partition(f"{name}: ")[2] if name else ""
    return f"{pair_text(index, name)}: {reason or error}"


class Display:
    """Says nothing; what the others share.

    Parameters
    ----------
    progress : Progress
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._told = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it while the run goes on."""
        yield

    def say(self, text: str) -> None:
        """Tell what takes a while, or what a user should know."""

    def pair(self, task: PairTask, packed: PackedPair) -> None:
        """Count one pair, and tell of it if it failed."""
        self.progress.add(failed=packed.error is not None)
        if packed.error is not None:
            self._told += 1
            if self._told <= _SHOWN:
                self.failed(task.index, packed.name, packed.error)
            if self._told == _SHOWN:
                self.say("further failures are not shown here: piv status lists them")

    def failed(self, index: int, name: str, error: str) -> None:
        """Tell of a failure."""

    def grown(self, total: int) -> None:
        """More pairs have come."""
        self.progress.total = total

    def tick(self) -> None:
        """Renew what is shown."""

    def end(self, exit_status: int, output: str) -> None:
        """Tell that the run is over."""

    def emit(self, text: str) -> None:
        """Print a line, if anybody reads."""
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)


class Lines(Display):
    """A line now and then, as a log wants it."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self._next = _OFTEN

    def say(self, text: str) -> None:
        """Print it."""
        self.emit(text)

    def failed(self, index: int, name: str, error: str) -> None:
        """Print it."""
        self.emit(failure_text(index, name, error))

    def tick(self) -> None:
        """Print a line if the last one is old."""
        elapsed = self.progress.elapsed
        if elapsed >= self._next:
            self._next = elapsed + (_OFTEN if elapsed < 6 * _OFTEN else _SELDOM)
            self.emit(self.line())

    def line(self) -> str:
        """The counts in one line."""
        progress = self.progress
        parts = [f"{progress.finished}/{progress.total} pairs"]
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if progress.rate is not None:
            parts.append(rate_text(progress.rate))
            parts.append(f"{duration_text(progress.seconds_left)} left")
        return ", ".join(parts)


class JSONLines(Display):
    """One JSON object a line; docs/batch.md lists the events."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Begin with what there is to do."""
        self._event("start")
        yield

    def say(self, text: str) -> None:
        """Pass a note on."""
        self.emit(json.dumps({"event": "note", "text": text}))

    def pair(self, task: PairTask, packed: PackedPair) -> None:
        """Tell of every pair."""
        self.progress.add(failed=packed.error is not None)
        seconds = None if math.isnan(packed.seconds) else round(packed.seconds, 4)
        self._event(
            "pair",
            index=task.index,
            position=task.position,
            name=packed.name,
            error=packed.error,
            seconds=seconds,
        )

    def grown(self, total: int) -> None:
        """Tell how many pairs there are now."""
        super().grown(total)
        self._event("grown")

    def end(self, exit_status: int, output: str) -> None:
        """Tell how it ended."""
        self._event("end", exit_status=exit_status, output=output)

    def _event(self, event: str, **more: Any) -> None:
        progress = self.progress
        rate, left = progress.rate, progress.seconds_left
        counts = {
            "total": progress.total,
            "done": progress.done,
            "failed": progress.failed,
            "pending": progress.pending,
            "elapsed": round(progress.elapsed, 3),
            "rate": None if rate is None else round(rate, 4),
            "seconds_left": None if left is None else round(left, 1),
        }
        self.emit(json.dumps({"event": event, **counts, **more}))


class Bar(Display):
    """A bar with counts, rate and time left, renewed in place."""

    def __init__(self, progress: Progress, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        super().__init__(progress)
        self._bar = RichProgress(
            BarColumn(bar_width=None),
            TextColumn("{task.fields[counts]}"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[failed]}", style="red"),
            console=console or Console(file=sys.stdout),
            auto_refresh=False,
            expand=True,
        )
        self._task: Any = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw it, and leave its last state."""
        self._task = self._bar.add_task("", total=self.progress.total, **self._fields())
        self._quietly(self._bar.start)
        try:
            yield
        finally:
            self.tick()
            self._quietly(self._bar.stop)

    def say(self, text: str) -> None:
        """Print it above the bar."""
        self._quietly(
            lambda: self._bar.console.print(text, markup=False, highlight=False, emoji=False)
        )

    def failed(self, index: int, name: str, error: str) -> None:
        """Print it above the bar."""
        self.say(failure_text(index, name, error))

    def tick(self) -> None:
        """Renew it."""

        def renew() -> None:
            if self._task is None:
                return
            self._bar.update(
                self._task,
                total=self.progress.total,
                completed=self.progress.finished,
                **self._fields(),
            )
            self._bar.refresh()

        self._quietly(renew)

    def renderable(self) -> Any:
        """What is drawn, for a picture of it."""
        return self._bar.get_renderable()

    def _fields(self) -> dict[str, Any]:
        progress = self.progress
        rate, left = progress.rate, progress.seconds_left
        return {
            "counts": f"{progress.finished}/{progress.total} pairs",
            "rate": rate_text(rate) if rate is not None else "" if progress.begun else "starting",
            "left": "" if left is None or not progress.pending else f"{duration_text(left)} left",
            "failed": f"{progress.failed} failed" if progress.failed else "",
        }

    def _quietly(self, draw: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            draw()


def display(style: str, progress: Progress) -> Display:
    """The display of a style; ``auto`` is a bar on a terminal and lines elsewhere."""
    if style == "auto":
        terminal = sys.stdout is not None and sys.stdout.isatty()
        style = "bar" if terminal else "lines"
    return {"bar": Bar, "lines": Lines, "json": JSONLines, "none": Display}[style](progress)
