"""Around runs of whole series: what the command is to read, and how far results are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gui.batch import BatchOrder, Failure, failures_of
from gui.batch import prepare as prepared
from gui.compute.server import task

__all__ = ["prepare", "standing"]


@dataclass(frozen=True)
class Standing:
    """How far results are that lie where a run is to write.

    Parameters
    ----------
    done, failed, pending : int
    failures : tuple of Failure
    """

    done: int
    failed: int
    pending: int
    failures: tuple[Failure, ...]


@task
def prepare(context: Any, order: BatchOrder) -> list[str]:  # noqa: ARG001
    """Write the files of a run, and give the words of its command.

    Raises
    ------
    PIVError
        As for :func:`gui.batch.prepare`.
    """
    return prepared(order)


@task
def standing(context: Any, path: Path) -> Standing | None:  # noqa: ARG001
    """How far the results are, also while a run writes them; None if there are none yet.

    Raises
    ------
    InputError
        If the file is something else.
    """
    from piv.io.store import open_results

    if not path.exists():
        return None
    results = open_results(path)
    counts = len(results.done), len(results.failed), len(results.pending)
    return Standing(*counts, failures_of(path))
