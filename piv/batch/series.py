"""A series of pairs on many processes: what :func:`piv.analyse_series` does with workers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from piv.batch.processes import Lost, Pool
from piv.errors import PIVError
from piv.network.catalogue import absolute, weights_hash
from piv.settings import Settings
from piv.types import Analysis, Calibration, ImagePair, PairResult, VectorField

if TYPE_CHECKING:
    from piv.io.sources import SourceSpec
    from piv.network.weights import Model

_PATIENCE = 1.0  # s between two looks at the workers; results come at once


class SeriesExecutor(Protocol):
    """What computes; :class:`piv.batch.processes.Pool` or :class:`piv.distributed.Cluster`."""

    @property
    def room(self) -> int:
        """How many tasks may be submitted now."""

    @property
    def window(self) -> int:
        """How many tasks may be submitted in all."""

    def submit(self, task: int) -> None:
        """Hand in a pair's index."""

    def next(self, timeout: float) -> tuple[int, PairResult | Lost] | None:
        """Fetch a result, or None if none has come in time (s)."""


@dataclass(frozen=True, eq=False, slots=True)
class SeriesJob:
    """What every worker gets once: where the pairs are, or the pairs themselves.

    Parameters
    ----------
    pairs : SourceSpec or sequence of ImagePair
    calibration, settings, model
        As for :func:`piv.analyse`.
    """

    pairs: SourceSpec | Sequence[ImagePair]
    calibration: Calibration | None
    settings: Settings | None
    model: str | Path | Model | None

    @classmethod
    def of(
        cls,
        pairs: Sequence[ImagePair],
        calibration: Calibration | None,
        settings: Settings | None,
        model: str | Path | Model | None,
    ) -> SeriesJob:
        """Make a job; an open source is sent as what opens it again."""
        from piv.io.sources import PairSource

        where = pairs.spec if isinstance(pairs, PairSource) else pairs
        if isinstance(model, str | Path):
            model = absolute(str(model))
        return cls(where, calibration, settings, model)

    def __call__(self) -> Callable[[int], PairResult]:
        """Open the pairs and load the weights, in the worker."""
        import torch

        from piv.io.sources import SourceSpec
        from piv.network.weights import load_model

        torch.set_num_threads(1)
        pairs = self.pairs.open() if isinstance(self.pairs, SourceSpec) else self.pairs
        model = load_model(self.model)

        def compute(index: int) -> PairResult:
            return portable(pair_result(pairs, index, self.calibration, self.settings, model))

        return compute


def pair_result(
    pairs: Sequence[ImagePair],
    index: int,
    calibration: Calibration | None,
    settings: Settings | None,
    model: Model | None,
) -> PairResult:
    """Analyse one pair of a series; what is wrong with it becomes its error."""
    from piv.pipeline import analyse

    begin = time.perf_counter()
    analysis, error = None, None
    try:
        analysis = analyse(pairs[index], calibration=calibration, settings=settings, model=model)
    except PIVError as problem:
        error = str(problem)
    return PairResult(index, analysis, error, time.perf_counter() - begin)


def portable(result: PairResult) -> PairResult:
    """The same result with plain dicts, which can be sent between processes."""
    if result.analysis is None:
        return result
    analysis = result.analysis
    sent = Analysis(
        _portable(analysis.coarse),
        None if analysis.dense is None else _portable(analysis.dense),
        dict(analysis.quality),
        dict(analysis.provenance),
    )
    return dataclasses.replace(result, analysis=sent)


def _portable(field: VectorField) -> VectorField:
    return field.replace(extra=dict(field.extra), attrs=dict(field.attrs))


def with_workers(
    job: SeriesJob, count: int, workers: int, *, ordered: bool
) -> Iterator[PairResult]:
    """Results of ``count`` pairs, computed by processes of this computer."""
    if isinstance(job.model, str):
        weights_hash(job.model)  # an unknown name is told before anything is started
    if count == 0:
        return
    with Pool[int, PairResult](job, min(workers, count)) as pool:
        yield from results(pool, count, ordered=ordered)


def results(executor: SeriesExecutor, count: int, *, ordered: bool) -> Iterator[PairResult]:
    """Results of pairs 0 .. count - 1; no more are in memory than the executor's window.

    Parameters
    ----------
    executor : SeriesExecutor
    count : int
    ordered : bool
        Yield them in the order of the pairs, else as they come.
    """
    waiting: dict[int, PairResult] = {}
    begun = given = 0
    while given < count:
        # a slow pair holds the others back: they wait in memory for their turn
        while executor.room > 0 and begun < count and begun < given + executor.window:
            executor.submit(begun)
            begun += 1
        answer: tuple[int, Any] | None = executor.next(_PATIENCE)
        if answer is None:
            continue
        index, result = answer
        if isinstance(result, Lost):
            result = PairResult(index, None, result.reason, float("nan"))
        if not ordered:
            given += 1
            yield result
            continue
        waiting[index] = result
        while given in waiting:
            given += 1
            yield waiting.pop(given - 1)
