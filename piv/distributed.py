"""Analyses on a dask cluster (extra ``cluster``); the only module that knows dask.

Tasks carry an index: a worker opens the source and the weights once, reads its own pairs and sends
back what it has computed.  Only so many pairs are under way as keep the workers busy, so memory
stays flat however long the series is.  Nothing is computed any more once the client is closed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import pickle
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from piv.batch.loop import StoppedEarly
from piv.batch.processes import Lost
from piv.batch.series import SeriesJob, results
from piv.errors import InputError, PIVError
from piv.settings import Settings
from piv.types import Calibration, ImagePair, PairResult

if TYPE_CHECKING:
    from piv.network.weights import Model

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # tasks under way for every thread of the cluster
_ANSWER = 10.0  # s; a scheduler that does not answer in this time is not there
_LOOK = 5.0  # s between two looks at how many workers there are
_SILENCE = 30.0  # s without the scheduler after which the run stops

_GONE = "the scheduler has gone; what was finished is stored: run the same command again to go on"

# in a worker: the job that was prepared last
_lock = threading.Lock()
_prepared: dict[str, Callable[[Any], Any]] = {}


def analyse_series(
    pairs: Sequence[ImagePair],
    *,
    client: Any,
    calibration: Calibration | None = None,
    settings: Settings | None = None,
    model: str | Path | Model | None = "default",
    ordered: bool = True,
) -> Iterator[PairResult]:
    """As :func:`piv.analyse_series`, on a dask cluster.

    Parameters
    ----------
    pairs : sequence of ImagePair
        From :func:`piv.open_pairs`, under a path that all workers can read; a list of pairs is
        sent to them as it is.
    client : distributed.Client or str
        An open client, which stays open, or a scheduler's address.
    calibration, settings, model
        As for :func:`piv.analyse`.
    ordered : bool
        In the order of the pairs, else as they come.

    Yields
    ------
    PairResult

    Raises
    ------
    PIVError
        If dask is not installed, the scheduler does not answer, or the workers cannot work.
    """
    job = SeriesJob.of(pairs, calibration, settings, model)
    with Cluster[int, PairResult](job, client) as cluster:
        yield from results(cluster, len(pairs), ordered=ordered)


class Cluster(Generic[T, R]):
    """Runs tasks on a dask cluster, with the interface of :class:`piv.batch.processes.Pool`.

    Parameters
    ----------
    prepare : picklable callable
        Called once in every worker process; returns the function of a task.
    client : str or distributed.Client
        Address of the scheduler, such as ``tcp://node1:8786``, or an open client.

    Raises
    ------
    PIVError
        If dask is not installed or nobody answers at the address.
    """

    def __init__(self, prepare: Callable[[], Callable[[T], R]], client: Any) -> None:
        self._owned = isinstance(client, str)
        self._quiet = _Quiet()
        self._client = _connected(client) if isinstance(client, str) else client
        content = pickle.dumps(prepare)
        self._digest = hashlib.sha256(content).hexdigest()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a background of some MB is meant to travel
            # a task, not scattered data: it is made again if the worker that holds it dies
            self._job = self._client.submit(_hold, content, key=f"piv-job-{self._digest}")
        self._futures: dict[str, tuple[T, Any]] = {}
        self._finished: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._number = 0
        self._looked = -_LOOK
        self._threads = 0
        self._heard = time.monotonic()

    def __enter__(self) -> Cluster[T, R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def workers(self) -> int:
        """Threads of the cluster's workers at this moment."""
        due = time.monotonic() - self._looked >= _LOOK
        if due and self._client.status == "running":
            self._looked = time.monotonic()
            with self._scheduler_needed(), contextlib.suppress(OSError, TimeoutError):
                self._threads = sum(self._client.nthreads().values())
        return self._threads

    @property
    def window(self) -> int:
        """How many tasks may be under way."""
        return _AHEAD * max(1, self.workers) + 2

    @property
    def room(self) -> int:
        """How many tasks may be submitted now."""
        return self.window - len(self._futures)

    @property
    def outstanding(self) -> int:
        """Tasks whose result has not been fetched."""
        return len(self._futures)

    def submit(self, task: T) -> None:
        """Hand in a task."""
        key = f"piv-{self._digest[:8]}-{id(self):x}-{self._number}"
        self._number += 1
        with self._scheduler_needed():
            future = self._client.submit(
                _compute, self._job, self._digest, task, key=key, priority=-self._number
            )
        self._futures[key] = (task, future)
        future.add_done_callback(lambda done: self._finished.put(done.key))

    def next(self, timeout: float) -> tuple[T, R | Lost] | None:
        """The next result that comes, or None if none has come in time.

        Parameters
        ----------
        timeout : float
            s.

        Raises
        ------
        StoppedEarly
            If the scheduler has gone.
        PIVError
            If a worker cannot prepare.
        """
        from distributed import KilledWorker

        try:
            key = self._finished.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            self._check()
            return None
        task, future = self._futures.pop(key)
        with self._scheduler_needed():
            if future.status == "finished":
                return task, future.result()
            if future.status != "error":
                raise StoppedEarly(_GONE)
            problem = future.exception()
        if isinstance(problem, KilledWorker):
            return task, Lost("its workers died again and again (out of memory?)")
        raise problem

    def close(self) -> None:
        """Cancel what is under way and let go of the cluster."""
        futures = [future for _, future in self._futures.values()]
        self._futures.clear()
        with contextlib.suppress(Exception):  # the cluster may have gone
            self._client.cancel([*futures, self._job], force=True)
        if self._owned:
            with contextlib.suppress(Exception):
                self._client.close(timeout=_ANSWER)
        self._quiet.end()

    def _check(self) -> None:
        """Notice that the scheduler has gone."""
        now = time.monotonic()
        if self._client.status == "running":
            self._heard = now
        elif self._client.status == "closed" or now - self._heard > _SILENCE:
            raise StoppedEarly(_GONE)

    @contextlib.contextmanager
    def _scheduler_needed(self) -> Iterator[None]:
        """Whatever dask raises without its scheduler means one thing."""
        try:
            yield
        except Exception as problem:
            if isinstance(problem, PIVError) or self._client.status == "running":
                raise
            raise StoppedEarly(_GONE) from problem


class _Quiet:
    """Keeps what dask logs from the terminal."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("distributed")
        self._before = self._logger.level
        self._logger.setLevel(logging.CRITICAL + 1)

    def end(self) -> None:
        self._logger.setLevel(self._before)


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise PIVError(
            'a cluster needs dask, which is not installed: pip install "ccfcn-piv[cluster]"'
        ) from None
    try:
        return Client(address, timeout=_ANSWER, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"no dask scheduler answers at {address} ({reason}): is it running, and the address "
            "like tcp://node1:8786?"
        ) from None


# what follows runs in the workers


def _hold(content: bytes) -> bytes:
    return content


def _compute(content: bytes, digest: str, task: Any) -> Any:
    with _lock:  # a worker of several threads: sources and torch's threads are not for sharing
        if digest not in _prepared:
            from piv.tuning import keep_memory

            keep_memory()
            _prepared.clear()
            _prepared[digest] = pickle.loads(content)()
        return _prepared[digest](task)
