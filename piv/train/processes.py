"""Data-parallel training: several processes take the same step with the mean of their gradients.

The process that was started is rank 0: it decides, validates, reports and stores.  It spawns the
others, which make crops of their own and follow.  All hold the same weights and the same state of
the optimiser, so only gradients travel.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch import Tensor, distributed, nn

from piv.errors import PIVError

_HOST = "127.0.0.1"
_POLL = 0.05  # s
_PATIENCE = timedelta(minutes=30)  # rank 0 validates and calibrates while the others wait


@dataclass(frozen=True, slots=True)
class Gang:
    """The processes of one run, seen from one of them.

    Parameters
    ----------
    rank, size : int
        Which of how many.
    """

    rank: int = 0
    size: int = 1

    def meet(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            with _told():
                distributed.barrier()

    def decide(self, done: float, go_on: bool) -> tuple[float, bool]:
        """What rank 0 has decided: share of the run that is done, and whether to take a step."""
        if self.size == 1:
            return done, go_on
        message = torch.tensor([done, float(go_on)], dtype=torch.float64)
        with _told():
            distributed.broadcast(message, 0)
        return float(message[0]), bool(message[1])

    def share(self, network: nn.Module, figures: list[float]) -> list[float]:
        """Replace the gradients by their mean over the processes; also the mean of figures."""
        if self.size == 1:
            return figures
        parameters = [p for p in network.parameters() if p.grad is not None]
        gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(g.reshape(-1) for g in gradients), torch.tensor(figures)])
        with _told():
            distributed.all_reduce(flat)
        flat /= self.size
        place = 0
        for gradient in gradients:
            gradient.copy_(flat[place : place + gradient.numel()].view(gradient.shape))
            place += gradient.numel()
        return [float(value) for value in flat[place:]]


@contextmanager
def _told() -> Iterator[None]:
    """A lost connection is another process's end, not a bug of this one."""
    try:
        yield
    except RuntimeError as error:
        raise PIVError(
            "another process of the training has ended: resume the run from its last checkpoint, "
            "if it has one"
        ) from error


@contextmanager
def others(size: int, follow: Callable[[Gang], None], threads: int) -> Iterator[None]:
    """Run the other processes of a run while this one is rank 0.

    Parameters
    ----------
    size : int
        Processes in all.
    follow : picklable callable
        What every other process does with its :class:`Gang`; it must call :meth:`Gang.meet` once
        it is prepared.
    threads : int
        Threads of each process.

    Raises
    ------
    PIVError
        If this torch has no distributed package, or a process ended by itself.
    """
    if size == 1:
        yield
        return
    if not distributed.is_available():
        raise PIVError("this installation of torch cannot train in several processes")
    store = distributed.TCPStore(  # type: ignore[attr-defined]
        _HOST, 0, size, is_master=True, wait_for_workers=False, use_libuv=False
    )
    context = multiprocessing.get_context("spawn")
    started: list[BaseProcess] = [
        context.Process(target=_other, args=(rank, size, store.port, threads, follow), daemon=True)
        for rank in range(1, size)
    ]
    for process in started:
        process.start()
    try:
        _wait_for(started, store)
        distributed.init_process_group(
            "gloo", store=store, rank=0, world_size=size, timeout=_PATIENCE
        )
        Gang(0, size).meet()
        yield
        for process in started:
            process.join()
    finally:
        for process in started:
            process.kill()  # they do not listen to SIGTERM
            process.join()
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _wait_for(started: Sequence[BaseProcess], store: Any) -> None:
    """Wait until every process has come so far that it can be met; tell one that has ended."""
    waited = 0.0
    for rank, process in enumerate(started, start=1):
        while not store.check([_here(rank)]):
            if process.exitcode is not None or waited > _PATIENCE.total_seconds():
                raise PIVError(
                    "a process of the training ended before it began (exit status "
                    f"{process.exitcode}): is there memory for {len(started) + 1} processes?"
                )
            time.sleep(_POLL)
            waited += _POLL


def _here(rank: int) -> str:
    """What a process writes into the store when it has come."""
    return f"process {rank} is here"


def _other(rank: int, size: int, port: int, threads: int, follow: Callable[[Gang], None]) -> None:
    # rank 0 decides when to stop; a whole group may be signalled
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
    from piv.tuning import keep_memory

    keep_memory()
    torch.set_num_threads(threads)
    store = distributed.TCPStore(_HOST, port, size, is_master=False, use_libuv=False)  # type: ignore[attr-defined]
    store.set(_here(rank), "yes")
    distributed.init_process_group(
        "gloo", store=store, rank=rank, world_size=size, timeout=_PATIENCE
    )
    try:
        follow(Gang(rank, size))
    except PIVError:
        os._exit(1)  # rank 0 is gone; it, or who ended it, has told why
    finally:
        distributed.destroy_process_group()
