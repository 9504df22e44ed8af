"""Which fields of a results file a command works on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from piv.errors import InputError
from piv.types import VectorField

if TYPE_CHECKING:
    import argparse

    from piv.io.store import Results


Step = Callable[[], None]
Stage = Callable[[str, int | None], Step]  # text and, where that is known, the number of steps


@dataclass(frozen=True, eq=False)
class ChosenFields(Sequence[VectorField]):
    """Finished pairs of a run; their fields are read when they are used."""

    results: Results
    positions: Sequence[int]
    group: str | None
    stride: int = 1

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, number: int) -> VectorField:  # type: ignore[override]  # no slices
        from piv.io.exchange.series import thinned

        return thinned(self.results.field(self.positions[number], self.group), self.stride)

    @property
    def pairs(self) -> list[int]:
        """Index of each in the source of the run."""
        return [int(self.results.pairs[position]) for position in self.positions]

    @property
    def time(self) -> Any:
        """When each pair was taken, s, or None."""
        return None if self.results.time is None else self.results.time[list(self.positions)]


class Watched(Sequence[VectorField]):
    """Fields that tell how far they have been read; the last one is kept.

    Parameters
    ----------
    fields : sequence of VectorField
    step : callable
        Called when a field is read that lies beyond all before.
    """

    def __init__(self, fields: Sequence[VectorField], step: Callable[[], None]) -> None:
        self._fields, self._step = fields, step
        self._furthest = -1
        self._last: tuple[int, VectorField] | None = None

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, number: int) -> VectorField:  # type: ignore[override]  # no slices
        if self._last is None or self._last[0] != number:
            self._last = (number, self._fields[number])
        if number > self._furthest:
            self._furthest = number
            self._step()
        return self._last[1]


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add ``--group`` and ``--pairs``."""
    parser.add_argument(
        "--group", choices=["dense", "coarse"], help="which fields (default: dense if there are)"
    )
    parser.add_argument(
        "--pairs", metavar="FIRST:STOP:STEP", help="part of the run, by position, such as 100:500"
    )


def chosen_fields(results: Results, args: argparse.Namespace, stride: int = 1) -> ChosenFields:
    """The finished pairs among those that are asked for.

    Raises
    ------
    InputError
        If there are none, or no such group.
    """
    if args.group is not None and args.group not in results.groups:
        raise InputError(
            f"{results.path} has no {args.group} fields; it has {', '.join(results.groups)}"
        )
    wanted = range(len(results))[parse_slice(args.pairs)]
    positions = sorted(set(results.done) & set(wanted))
    if not positions:
        raise InputError(f"{results.path} has no finished pair among those chosen")
    return ChosenFields(results, positions, args.group, stride)


def parse_slice(text: str | None) -> slice:
    """Read FIRST:STOP or FIRST:STOP:STEP, or one number.

    Raises
    ------
    InputError
    """
    if text is None:
        return slice(None)
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and numbers[0] is not None:
        return slice(numbers[0], None if numbers[0] == -1 else numbers[0] + 1)
    if len(numbers) not in (2, 3) or (len(numbers) == 3 and numbers[2] == 0):
        raise InputError(
            f"--pairs is FIRST:STOP or FIRST:STOP:STEP, such as 100:500, or one number, not {text}"
        )
    return slice(*numbers)


@contextmanager
def progress_bars() -> Iterator[Stage]:
    """A bar for each stage on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _text, _total: lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Left())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def stage(text: str, total: int | None) -> Step:
            task = bar.add_task(text, total=total)
            return lambda: bar.advance(task)

        yield stage


@contextmanager
def progress_bar(text: str, total: int) -> Iterator[Step]:
    """One bar on a terminal, nothing elsewhere."""
    with progress_bars() as stage:
        yield stage(text, total)
