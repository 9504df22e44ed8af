"""The first moments of a command: Ctrl-C while modules load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import piv
import synth
from piv.entry import begin
from piv.entry import main as piv_main
from synth.entry import main as synth_main

FOLDERS = [str(Path(str(package.__file__)).parent) for package in (piv, synth)]


@pytest.fixture(autouse=True)
def _handler_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("program", ["piv", "piv-synth"])
def test_ctrl_c_while_the_command_loads_is_130_and_one_line(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("piv.entry.importlib.import_module", interrupted)
    assert (piv_main() if program == "piv" else synth_main()) == 130
    assert capsys.readouterr() == ("", f"{program}: interrupted\n")


def test_the_status_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("piv.cli.main", lambda: 3)
    assert begin("piv", "piv.cli") == 3


def test_an_ignored_ctrl_c_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a program in the background
    monkeypatch.setattr("piv.cli.main", lambda: 0)
    assert begin("piv", "piv.cli") == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


LOADING = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
print("loaded", flush=True)
{more}
def main():
    time.sleep(20)
    print("never")
"""
AGAIN = "os.kill(os.getpid(), signal.SIGINT); print('not ended')"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to catch")
@pytest.mark.parametrize(
    ("more", "status", "told"),
    [("", 130, "piv: interrupted\n"), (AGAIN, -signal.SIGINT, "")],
    ids=["once", "twice"],
)
def test_ctrl_c_while_a_library_loads_waits_for_it_and_a_second_does_not(
    more: str, status: int, told: str, tmp_path: Path
) -> None:
    """An exception in the midst of loading ends some libraries in an abort (seen in CI)."""
    (tmp_path / "loading.py").write_text(LOADING.format(more=more))
    code = "import sys; from piv.entry import begin; sys.exit(begin('piv', 'loading'))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (status, "loaded\n", told)


def test_the_package_itself_is_no_load() -> None:
    code = (
        "import sys; before = set(sys.modules); import piv.entry; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"piv", "piv.entry"} <= loaded
    assert not {each for each in loaded if each.split(".")[0] in ("numpy", "typing", "dataclasses")}
    assert not {each for each in loaded if each.startswith("piv.")} - {"piv.entry"}


def _interrupted_after(seconds: float, folder: Path) -> tuple[int, str]:
    words = ["analyse", "a.tif", "b.tif", "--set", "correlate.repeats=20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "piv", *words], cwd=folder, text=True, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    error = process.communicate()[1]
    return process.returncode, error


MOMENTS = [0.02, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 1.5]
MANY = list(np.arange(0.02, 0.6, 0.005))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to catch")
@pytest.mark.parametrize(
    "moments", [MOMENTS, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_ctrl_c_at_any_moment_shows_no_traceback_of_ours(
    folder: Path, moments: list[float]
) -> None:
    """Before this package is reached, the traceback is the interpreter's."""
    told = 0
    for seconds in moments:
        status, error = _interrupted_after(seconds, folder)
        if error == "piv: interrupted\n":
            assert status == 130
            told += 1
        else:
            # 0: it had already finished
            what = f"{status} after {seconds} s: {error}"
            assert status in (0, 1, -signal.SIGINT, 130), what
            assert not any(own in error for own in FOLDERS), error
    assert told > 0
