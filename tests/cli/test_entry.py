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
            assert status in (0, 1, -signal.SIGINT, 130)  # 0: it had already finished
            assert not any(own in error for own in FOLDERS), error
    assert told > 0
