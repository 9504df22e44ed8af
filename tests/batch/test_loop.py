"""The loop of a run: when it writes, how it stops, what it does with trouble."""

from __future__ import annotations

import signal
import threading

import pytest
from batch_sets import Inline

from piv.batch.feeds import ListFeed
from piv.batch.job import Answer, PairTask
from piv.batch.loop import (
    BYTES,
    SECONDS,
    Stop,
    default_workers,
    listening,
    memory_of_worker,
    run,
)
from piv.batch.processes import WorkerBug
from piv.errors import InputError, StorageError
from piv.io.store import PackedPair


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Writer:
    """Remembers its transactions; refuses from a certain one on."""

    def __init__(self, refuse_from=None):
        self.transactions = []
        self.refuse_from = refuse_from

    def write(self, packed):
        if self.refuse_from is not None and len(self.transactions) >= self.refuse_from:
            raise StorageError("the disk is full")
        self.transactions.append([pair.position for pair in packed])

    @property
    def positions(self):
        return [position for part in self.transactions for position in part]


class Watcher:
    def __init__(self):
        self.seen = []

    def pair(self, task, packed):
        self.seen.append((task.index, packed.error))

    def tick(self):
        pass


def feed(count):
    tasks = [PairTask(n, 10 + n) for n in range(count)]
    return ListFeed(tasks, [f"pair {n}" for n in range(count)])


def packing(clock, *, seconds=0.1, size=10, bugs=(), raises=None, then=None):
    """Work that takes its time on the clock and gives chunks of a size."""

    def compute(task):
        clock.now += seconds
        if then is not None:
            then(task)
        if raises is not None and task.position == raises[0]:
            raise raises[1]
        bug = "Traceback ..." if task.position in bugs else None
        error = "internal error: KeyError" if bug else None
        chunks = {"dense/u": [((task.position, 0, 0), bytes(size))]}
        return Answer(PackedPair(task.position, "", "", seconds, error, chunks=chunks), bug)

    return lambda: compute


def test_everything_is_written_once_and_told_by_its_index_in_the_source():
    clock, writer, watcher = Clock(), Writer(), Watcher()
    outcome = run(Inline(packing(clock)), writer, feed(7), watcher, Stop(), clock=clock)
    assert writer.positions == list(range(7))
    assert watcher.seen == [(10 + n, None) for n in range(7)]
    assert (outcome.signal, outcome.bugs) == (None, [])


def test_a_transaction_lasts_about_two_seconds():
    clock, writer = Clock(), Writer()
    run(Inline(packing(clock, seconds=0.5)), writer, feed(12), Watcher(), Stop(), clock=clock)
    assert pytest.approx(2.0) == SECONDS
    assert [len(part) for part in writer.transactions] == [5, 5, 2]


def test_a_transaction_is_not_larger_than_its_limit():
    clock, writer = Clock(), Writer()
    work = packing(clock, seconds=0.0, size=BYTES // 3 + 1)
    run(Inline(work), writer, feed(8), Watcher(), Stop(), clock=clock)
    assert [len(part) for part in writer.transactions] == [3, 3, 2]


def test_a_lost_task_is_a_failure_with_its_name_and_the_rest_goes_on():
    clock, writer, watcher = Clock(), Writer(), Watcher()
    pool = Inline(packing(clock), lost=(12,))
    run(pool, writer, feed(4), watcher, Stop(), clock=clock)
    assert watcher.seen[2] == (12, "its worker died twice (signal 9)")
    assert writer.positions == [0, 1, 2, 3]


def test_a_bug_is_a_failure_of_its_pair_and_is_told_at_the_end():
    clock, writer = Clock(), Writer()
    work = packing(clock, bugs=(1, 2, 3, 4, 5))
    outcome = run(Inline(work), writer, feed(7), Watcher(), Stop(), clock=clock)
    assert writer.positions == list(range(7))
    assert outcome.bugs == ["Traceback ..."] * 3  # more of them would say no more


def test_a_request_to_stop_begins_nothing_and_stores_what_is_nearly_ready():
    clock, writer, stop = Clock(), Writer(), Stop()

    def then(task):
        if task.position == 1:
            stop.ask(signal.SIGINT)

    pool = Inline(packing(clock, then=then), workers=1)  # four tasks under way
    outcome = run(pool, writer, feed(50), Watcher(), stop, clock=clock)
    assert outcome.signal == signal.SIGINT
    assert writer.positions == list(range(5))


def test_after_a_request_to_stop_slow_pairs_are_not_waited_for():
    clock, writer, stop = Clock(), Writer(), Stop()

    def then(task):
        if task.position == 1:
            stop.ask(signal.SIGTERM)

    pool = Inline(packing(clock, seconds=2.0, then=then), workers=4)
    run(pool, writer, feed(50), Watcher(), stop, clock=clock)
    assert writer.positions == [0, 1, 2, 3]  # 3 s of patience are two pairs


def test_a_second_request_waits_for_nothing():
    clock, writer, stop = Clock(), Writer(), Stop()

    def then(task):
        if task.position in (1, 2):
            stop.ask(signal.SIGINT)

    run(
        Inline(packing(clock, then=then), workers=4), writer, feed(50), Watcher(), stop, clock=clock
    )
    assert writer.positions == [0, 1, 2]


def test_a_full_disk_ends_the_run_and_what_was_stored_stays():
    clock, writer = Clock(), Writer(refuse_from=2)
    with pytest.raises(StorageError, match="the disk is full"):
        run(Inline(packing(clock, seconds=0.5)), writer, feed(50), Watcher(), Stop(), clock=clock)
    assert writer.positions == list(range(10))


@pytest.mark.parametrize("problem", [InputError("no source here"), WorkerBug("a traceback")])
def test_when_the_workers_cannot_go_on_what_has_come_is_stored_first(problem):
    clock, writer = Clock(), Writer()
    work = packing(clock, raises=(3, problem))
    with pytest.raises(type(problem), match=str(problem)):
        run(Inline(work), writer, feed(9), Watcher(), Stop(), clock=clock)
    assert writer.positions == [0, 1, 2]


def test_signals_become_requests_and_are_as_before_afterwards():
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    stop = Stop()
    with listening(stop):
        signal.raise_signal(signal.SIGTERM)
        assert (stop.signal, stop.again) == (signal.SIGTERM, False)
        signal.raise_signal(signal.SIGINT)
        assert (stop.signal, stop.again) == (signal.SIGTERM, True)
    assert {n: signal.getsignal(n) for n in before} == before


def test_a_signal_that_was_ignored_from_the_start_stays_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with listening(Stop()):
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_run_in_another_thread_leaves_the_signals_alone():
    seen = []

    def work():
        with listening(Stop()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_workers_are_as_many_as_cores_unless_the_memory_is_too_small_for_them(monkeypatch):
    from piv.batch import loop

    monkeypatch.setattr(loop, "_cores", lambda: 16)
    monkeypatch.setattr(loop, "_free_memory", lambda: 1e12)
    assert default_workers((1024, 1280), "default") == 16
    need = memory_of_worker((1024, 1280), "default")
    monkeypatch.setattr(loop, "_free_memory", lambda: 3.5 * need)
    assert default_workers((1024, 1280), "default") == 3
    monkeypatch.setattr(loop, "_free_memory", lambda: 0.1 * need)
    assert default_workers((1024, 1280), "default") == 1
    monkeypatch.setattr(loop, "_free_memory", lambda: None)
    assert default_workers((1024, 1280), "default") == 16
    assert memory_of_worker((1024, 1280), "none") < need
