"""Callbacks in the window's thread: which come, in which order, and which never."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop.stand_ins import wait_until
from gui.compute.client import Client
from gui.tell import Tell
from gui.workers import Compute, Lines

WINDOWS = sys.platform == "win32"


@pytest.fixture
def tell() -> Tell:
    return Tell()


@pytest.fixture
def compute(qapp: Any, tmp_path: Path, tell: Tell) -> Iterator[Compute]:
    made = Compute(Client(5, tmp_path / "scratch", threads=1, package="desktop.tasks"), tell)
    yield made
    made.close()


class Calls:
    """What was called back, and where."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []
        self.threads: set[int] = set()

    def __call__(self, name: str) -> Any:
        def call(*values: Any) -> None:
            self.threads.add(threading.get_ident())
            self.made.append((name, values[0] if len(values) == 1 else values))

        return call

    def of(self, name: str) -> list[Any]:
        return [value for known, value in self.made if known == name]


@pytest.fixture
def calls() -> Calls:
    return Calls()


def test_results_come_in_the_windows_thread_and_in_order(compute, calls):
    busy = []
    compute.busy_changed.connect(busy.append)
    assert not compute.busy
    for n in range(3):
        compute.run("sample.echo", done=calls("done"), value=n)
    assert compute.busy
    wait_until(lambda: not compute.busy)
    assert calls.of("done") == [0, 1, 2]
    assert calls.threads == {threading.get_ident()}
    assert busy == [True, False]


def test_progress_then_the_end(compute, calls):
    compute.run("sample.count", done=calls("done"), progress=calls("progress"), total=3)
    wait_until(lambda: calls.of("done"))
    assert calls.made[-1] == ("done", 3)
    assert calls.of("progress")[-1] == (3, 3, "step 3")


def test_errors_go_to_who_asked_or_to_the_user(compute, calls, tell):
    compute.run("sample.bad_line", done=calls("done"), failed=calls("failed"))
    wait_until(lambda: calls.made)
    assert calls.made == [("failed", "the frame is missing")]
    assert tell.messages == []
    compute.run("sample.bad_line", done=calls("done"))
    wait_until(lambda: tell.messages)
    assert (tell.last.level, tell.last.text) == ("error", "the frame is missing")
    assert not compute.busy


def test_a_bug_is_told_with_its_traceback(compute, calls, tell):
    compute.run("sample.bug", done=calls("done"), failed=calls("failed"))
    wait_until(lambda: calls.made)
    assert calls.made[0][0] == "failed"
    assert "sample.bug" in calls.made[0][1]
    assert "an injected mistake" in tell.last.detail


def test_a_cancelled_job_never_calls_back_and_the_next_one_works(compute, calls, tmp_path):
    mark = tmp_path / "begun"
    job = compute.run(
        "sample.sleep", done=calls("slow"), failed=calls("slow"), seconds=600, path=str(mark)
    )
    waiting = compute.run("sample.echo", done=calls("dropped"), value=1)
    following = compute.run("sample.echo", done=calls("done"), value=2)
    wait_until(mark.exists)
    waiting.cancel()
    job.cancel()
    job.cancel()
    assert (job.active, waiting.active, following.active) == (False, False, True)
    wait_until(lambda: not compute.busy)
    assert calls.made == [("done", 2)]


def test_the_latest_of_a_key_wins(compute, calls, tmp_path):
    mark = tmp_path / "begun"
    first = compute.run("sample.sleep", done=calls("done"), key="k", seconds=0.2, path=str(mark))
    wait_until(mark.exists)
    jobs = [
        compute.run("sample.mark", done=calls("done"), key="k", path=str(tmp_path / f"{n}"))
        for n in range(3)
    ]
    other = compute.run("sample.echo", done=calls("other"), key="another", value=5)
    assert [job.active for job in (first, *jobs, other)] == [False, False, False, True, True]
    wait_until(lambda: not compute.busy)
    assert calls.made == [("done", None), ("other", 5)]
    assert [(tmp_path / f"{n}").exists() for n in range(3)] == [False, False, True]


def test_the_first_of_a_key_is_not_killed_by_the_second(compute, calls, tmp_path):
    mark = tmp_path / "begun"
    compute.run("sample.sleep", done=calls("first"), key="k", seconds=0.2, path=str(mark))
    wait_until(mark.exists)
    pid = compute.client.pid
    compute.run("sample.echo", done=calls("second"), key="k", value=1)
    wait_until(lambda: not compute.busy)
    assert calls.made == [("second", 1)]
    assert compute.client.pid == pid


def test_a_callback_may_ask_for_more(compute, calls):
    def more(value):
        calls("done")(value)
        if value < 3:
            compute.run("sample.echo", done=more, value=value + 1)

    compute.run("sample.echo", done=more, value=1)
    wait_until(lambda: len(calls.made) == 3)
    assert calls.of("done") == [1, 2, 3]
    wait_until(lambda: not compute.busy)


def test_no_callback_comes_after_closing(compute, calls, tmp_path):
    mark = tmp_path / "begun"
    job = compute.run("sample.sleep", done=calls("done"), seconds=600, path=str(mark))
    wait_until(mark.exists)
    compute.close()
    compute.close()
    assert not job.active
    assert not compute.busy
    late = compute.run("sample.echo", done=calls("late"), value=1)
    assert not late.active
    job.cancel()
    for _ in range(20):
        wait_until(lambda: True)
    assert calls.made == []


# commands


@pytest.fixture
def lines(qapp: Any) -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


def heard(lines: Lines) -> tuple[list[str], list[tuple[int, str]]]:
    said: list[str] = []
    ended: list[tuple[int, str]] = []
    lines.line.connect(said.append)
    lines.ended.connect(lambda code, errors: ended.append((code, errors)))
    return said, ended


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_lines_come_then_the_end(lines):
    said, ended = heard(lines)
    code = "import sys; print('größer'); print(2); print('oh', file=sys.stderr); sys.exit(3)"
    lines.start(python(code), env={"PYTHONIOENCODING": "utf-8"})
    assert lines.running
    wait_until(lambda: ended)
    assert said == ["größer", "2"]
    assert ended == [(3, "oh")]
    assert not lines.running


def test_a_command_can_be_started_again(lines):
    said, ended = heard(lines)
    for n in range(2):
        lines.start(python(f"print({n})"))
        with pytest.raises(RuntimeError, match="running already"):
            lines.start(python("print(9)"))
        wait_until(lambda n=n: len(ended) == n + 1)
    assert said == ["0", "1"]


def test_much_on_standard_error_stops_nothing(lines):
    _, ended = heard(lines)
    lines.start(python("import sys\nfor n in range(20000): print(n, 'x' * 20, file=sys.stderr)"))
    wait_until(lambda: ended)
    code, errors = ended[0]
    assert code == 0
    assert errors.endswith("19999 " + "x" * 20)
    assert len(errors.splitlines()) == 60


WAITS = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid)
try:
    time.sleep(600)
except KeyboardInterrupt:
    child.kill(); child.wait()
    print("stopped")
    sys.exit(3)
"""


@pytest.mark.skipif(WINDOWS, reason="Windows has no SIGINT for others")
def test_interrupting_is_ctrl_c(lines):
    said, ended = heard(lines)
    lines.start(python(WAITS))
    wait_until(lambda: said)
    lines.interrupt()
    wait_until(lambda: ended)
    assert said[1:] == ["stopped"]
    assert ended[0][0] == 3


@pytest.mark.skipif(WINDOWS, reason="looks for processes as POSIX has them")
@pytest.mark.parametrize("how", ["kill", "close"])
def test_killing_ends_what_it_has_started_too(lines, how):
    said, ended = heard(lines)
    lines.start(python(WAITS))
    wait_until(lambda: said)
    getattr(lines, how)()
    if how == "kill":
        wait_until(lambda: ended)
        assert ended[0][0] == -9
    else:
        assert not lines.running
        assert ended == []

    def gone() -> bool:
        try:
            state = Path(f"/proc/{said[0]}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"

    wait_until(gone)


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="needs niceness")
def test_a_command_stands_back(lines):
    said, ended = heard(lines)
    lines.start(python("import os, time; time.sleep(0.3); print(os.nice(0))"))
    wait_until(lambda: ended)
    assert said == [str(max(10, os.nice(0)))]


def test_a_command_that_does_not_exist_is_refused_at_once(lines, tmp_path):
    with pytest.raises(OSError, match=r"no such thing|No such file|cannot find"):
        lines.start([str(tmp_path / "no such thing")])
    assert not lines.running
    lines.interrupt()
    lines.kill()
    lines.close()
