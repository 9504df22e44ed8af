"""The installed command, its workers and its disk are treated badly; nothing may be lost or wrong.

The run is ended by SIGKILL at random moments, creation and commits included, and started again
with the same words.  At the end the file must equal that of an uninterrupted run, value for value.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from batch_sets import Inline, assert_same, spoil_chunk, write_set

import piv
from piv.batch import processes
from piv.cli import main
from piv.io.journal import journal_path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills by signals")

COUNT = 16
WORDS = (
    "--model", "none", "--set", "correlate.windows=[16]", "--set", "correlate.overlap=0.8",
    "--workers", "1",
)  # fmt: skip


def command(source: Path, output: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "piv", "batch", str(source), str(output), *WORDS, *words]


def start(source: Path, output: Path, *words: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(source, output, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        **options,
    )


def finish(source: Path, output: Path, *words: str) -> tuple[int, str]:
    run = start(source, output, *words)
    told, _ = run.communicate(timeout=120)
    return run.returncode, told


def workers_of(pid: int) -> list[int]:
    """Worker processes of a run."""
    task = Path(f"/proc/{pid}/task/")
    found = []
    for thread in task.iterdir():
        children = (thread / "children").read_text().split()
        found += [int(child) for child in children if "spawn_main" in command_line(int(child))]
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def done(output: Path) -> int:
    return len(piv.open_results(output).done) if output.exists() else 0


def wait_until(condition, run: subprocess.Popen[str], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("Messung Nr. 1 – 渦")
    path = write_set(folder / "set.h5", COUNT)
    spoil_chunk(path, 5)  # failures go through all of it too
    return path


@pytest.fixture(scope="module")
def whole(source) -> Path:
    """The uninterrupted run."""
    path = source.with_name("whole.h5")
    with pytest.MonkeyPatch.context() as patch:
        assert inline(patch, source, path) == 1
    return path


def inline(patch: pytest.MonkeyPatch, source: Path, output: Path, *words: str) -> int:
    """The same command, computing in this process."""
    import torch

    threads = torch.get_num_threads()
    patch.setattr(processes, "Pool", Inline)
    try:
        return main(["batch", str(source), str(output), *WORDS, "--progress", "none", *words])
    finally:
        torch.set_num_threads(threads)


def phase(output: Path) -> str:
    """What a killed run was doing, by what it has left."""
    names = [path.name for path in output.parent.iterdir() if output.name in path.name]
    if any(re.fullmatch(rf"\.{re.escape(output.name)}\.[0-9a-f]+\.part", name) for name in names):
        return "creation"
    if not output.exists():
        return "before creation"
    if journal_path(output).exists():
        return "commit, after the journal"
    if any("journal" in name for name in names):
        return "commit, in the journal"
    return "computing"


def kill_at(run: subprocess.Popen[str], output: Path, when: str, rng: np.random.Generator) -> None:
    """SIGKILL at a random moment, or a random moment after something has begun."""
    parts = f".{output.name}."

    def hidden(word: str) -> bool:
        return any(
            path.name.startswith(parts) and word in path.name for path in output.parent.iterdir()
        )

    before = done(output)
    sizes: list[int] = []

    def grows() -> bool:
        if output.exists():
            sizes.append(output.stat().st_size)
        return bool(sizes) and sizes[-1] > sizes[0]

    conditions = {
        "any": lambda: True,
        "creation": lambda: hidden(".part") or output.exists(),
        "commit": lambda: hidden("journal"),
        "appending": grows,
    }
    deadline = time.monotonic() + 60
    while not conditions[when]() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    spread = {"any": 3.0, "creation": 0.03, "commit": 0.004, "appending": 0.01}[when]
    time.sleep(rng.uniform(0, spread))
    run.kill()
    run.wait()
    assert done(output) >= before  # what was finished stays finished


def killed_again_and_again(
    source: Path, output: Path, moments: list[str], seed: int
) -> Counter[str]:
    rng = np.random.default_rng(seed)
    phases: Counter[str] = Counter()
    todo, missed = list(moments), 0
    while todo:
        if todo[0] == "creation" or (output.exists() and done(output) >= COUNT // 2):
            for path in output.parent.glob(f"*{output.name}*"):
                path.unlink()  # from the beginning
        run = start(source, output)
        assert run.stdout is not None
        try:
            kill_at(run, output, todo[0] if missed < 2 else "any", rng)
        finally:
            run.kill()
            run.stdout.close()
        if run.returncode == -signal.SIGKILL:
            phases[phase(output)] += 1
            todo.pop(0)
            missed = 0
        else:  # it was quicker, and is tried again
            missed += 1
            assert missed < 10
    return phases


def test_a_run_that_is_killed_five_times_equals_an_uninterrupted_one(source, whole, tmp_path):
    output = tmp_path / "results – 渦.h5"
    moments = ["creation", "any", "appending", "any", "commit"]
    killed_again_and_again(source, output, moments, seed=5)
    code, told = finish(source, output)
    assert code == 1, told
    assert_same(whole, output)
    left = [path.name for path in tmp_path.iterdir() if path != output]
    assert left == []


@pytest.mark.slow
def test_thirty_kills_at_random_moments(source, whole, tmp_path, record_property):
    output = tmp_path / "results – 渦.h5"
    moments = [*["any"] * 10, *["creation"] * 6, *["commit", "appending"] * 7]
    np.random.default_rng(0).shuffle(moments)
    phases = killed_again_and_again(source, output, moments, seed=30)
    for name, count in sorted(phases.items()):
        record_property(name, count)
    print("\nkilled while:", dict(sorted(phases.items())))  # noqa: T201  (the test's report)
    code, told = finish(source, output)
    assert code == 1, told
    assert_same(whole, output)
    assert sum(phases.values()) == 30
    assert phases["creation"] > 0
    assert phases["computing"] > 0
    assert sum(count for name, count in phases.items() if name.startswith("commit")) > 0


def _busy(pid: int) -> bool:
    """Whether a worker has loaded what it computes with."""
    try:
        return "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 3, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 3, marks=pytest.mark.slow),
    ],
)
def test_a_worker_is_replaced_and_who_is_asked_to_stop_stores_what_it_has(
    source, whole, tmp_path, number, status
):
    output = tmp_path / "results.h5"
    # as a terminal does it: to the whole group
    run = start(source, output, "--progress", "json", start_new_session=True)
    assert run.stdout is not None
    wait_until(lambda: output.exists() and workers_of(run.pid), run)
    first = workers_of(run.pid)
    wait_until(lambda: _busy(first[0]), run)
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: set(workers_of(run.pid)) - set(first), run)
    while '"event": "pair"' not in (line := run.stdout.readline()):
        assert line, "the run ended early"
    workers = workers_of(run.pid)
    assert workers
    assert workers != first
    os.killpg(run.pid, number)
    told, _ = run.communicate(timeout=60)
    assert run.returncode == status
    assert "Traceback" not in told
    assert not any("spawn_main" in command_line(pid) for pid in workers)
    assert 1 <= done(output) < COUNT
    code, told = finish(source, output)
    assert code == 1, told
    assert "going on with" in told
    assert_same(whole, output)


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(
    source, whole, tmp_path, monkeypatch, capfd
):
    import resource

    output = tmp_path / "results.h5"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole.stat().st_size * 4 // 5, before[1]))
        code = inline(monkeypatch, source, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    told = capfd.readouterr().err
    assert code == 3, told
    assert told.count("\n") == 1
    assert "run the same command again" in told
    assert 1 <= done(output) < COUNT
    assert inline(monkeypatch, source, output) == 1
    assert_same(whole, output)


def test_the_numbers_do_not_depend_on_the_workers(tmp_path, monkeypatch):
    """With the network: two processes against this one."""
    import torch

    source = write_set(tmp_path / "set.h5", 4, (40, 56))
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    words = ("--model", "default", "--set", "correlate.windows=[16]", "--progress", "none")
    assert main(["batch", str(source), str(two), *words, "--workers", "2"]) == 0
    threads = torch.get_num_threads()
    with monkeypatch.context() as patch:
        patch.setattr(processes, "Pool", Inline)
        assert main(["batch", str(source), str(one), *words]) == 0
    torch.set_num_threads(threads)
    assert_same(one, two)
    assert piv.open_results(two).groups == ["dense", "coarse"]
