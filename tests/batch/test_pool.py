"""The pool of workers: order, bounds, deaths of workers and of the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pool_jobs
import pytest
from pool_jobs import Refusing, Squares, Stillborn, Surroundings

from piv.batch.processes import Lost, Pool, WorkerBug
from piv.errors import InputError, PIVError

posix = pytest.mark.skipif(os.name != "posix", reason="kills by signals")


def everything(pool, tasks):
    """Results of all tasks, submitted as there is room."""
    left, found = list(tasks), {}
    while left or pool.outstanding:
        while left and pool.room > 0:
            pool.submit(left.pop(0))
        answer = pool.next(30.0)
        assert answer is not None, f"nothing came; {len(found)} results so far"
        found[answer[0]] = answer[1]
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a process that has ended, but that nobody has waited for, still has its number
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def gone(pids, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_every_task_is_answered_once_and_workers_prepare_once(tmp_path):
    with Pool(Squares(tmp_path), 2) as pool:
        assert everything(pool, range(40)) == {n: n * n for n in range(40)}
        assert pool.next(0.0) is None
    assert len(list(tmp_path.glob("worker *"))) <= 2


def test_no_more_tasks_are_taken_than_there_is_room_for(tmp_path):
    with Pool(Squares(tmp_path), 1) as pool:
        room = pool.room
        assert room == pool.window
        for task in range(room):
            pool.submit(task)
        assert pool.room == 0
        assert pool.next(30.0) is not None
        assert pool.room == 1


def test_results_larger_than_a_pipe_arrive_whole(tmp_path):
    with Pool(Squares(tmp_path, bytes=3_000_000), 2) as pool:
        found = everything(pool, range(5))
    assert {task: (square, len(data)) for task, (square, data) in found.items()} == {
        task: (task * task, 3_000_000) for task in range(5)
    }


def test_a_worker_computes_with_one_thread_and_leaves_interrupts_to_the_parent(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with Pool(Surroundings(), 1) as pool:
        seen = everything(pool, [0])[0]
    assert seen == {"torch": False, "threads": {"OMP": "1", "MKL": "1"}, "interrupt": True}
    assert os.environ["OMP_NUM_THREADS"] == "5"


@posix
def test_a_dead_workers_task_is_done_by_another(tmp_path):
    with Pool(Squares(tmp_path, deadly_once=(3, 11)), 2) as pool:
        assert everything(pool, range(20)) == {n: n * n for n in range(20)}
    assert len(list(tmp_path.glob("worker *"))) == 4


@posix
def test_a_task_that_kills_two_workers_is_given_up_and_the_rest_goes_on(tmp_path):
    with Pool(Squares(tmp_path, deadly=(4,)), 2) as pool:
        found = everything(pool, range(12))
    lost = found.pop(4)
    assert isinstance(lost, Lost)
    assert "its worker died twice (signal 9" in lost.reason
    assert found == {n: n * n for n in range(12) if n != 4}


@posix
def test_a_worker_killed_from_outside_costs_no_result(tmp_path):
    with Pool(Squares(tmp_path, seconds=0.05), 2) as pool:
        for task in range(pool.room):
            pool.submit(task)
        found = dict([pool.next(30.0)])
        os.kill(pool.pids[0], signal.SIGKILL)
        found |= everything(pool, range(6, 20))
    assert found == {n: n * n for n in range(20)}


def test_a_worker_that_cannot_prepare_tells_why():
    with Pool(Refusing(), 2) as pool:
        pool.submit(0)
        with pytest.raises(InputError, match=r"there is no file nowhere\.h5"):
            pool.next(30.0)


def test_workers_that_die_while_they_begin_are_not_replaced_for_ever():
    with Pool(Stillborn(), 1) as pool:
        pool.submit(0)
        with pytest.raises(PIVError, match=r"end before they begin \(exit status 7\)"):
            pool.next(30.0)


def test_an_exception_in_a_task_is_a_bug_and_comes_with_its_traceback(tmp_path):
    with Pool(Squares(tmp_path, raising=(0,)), 1) as pool:
        pool.submit(0)
        with pytest.raises(WorkerBug, match=r"(?s)in compute.*RuntimeError: task 0 is a bug"):
            pool.next(30.0)


def test_closing_ends_busy_workers_at_once(tmp_path):
    pool = Pool(Squares(tmp_path, seconds=60.0), 2)
    pool.submit(0)
    while len(list(tmp_path.glob("task *"))) < 1:
        time.sleep(0.02)
    pids = pool.pids
    pool.close()
    assert gone(pids, 1.0)
    pool.close()  # twice is no error


@posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(tmp_path, how):
    parent = subprocess.Popen(
        [sys.executable, pool_jobs.__file__, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    parent.send_signal(how)
    parent.wait(10)
    assert gone(pids)
    parent.stdout.close()


@posix
def test_an_interrupt_of_the_whole_group_leaves_the_decision_to_the_parent(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, pool_jobs.__file__, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    _, errors = parent.communicate(timeout=20)
    assert parent.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1  # the parent's own
    assert gone(pids)
