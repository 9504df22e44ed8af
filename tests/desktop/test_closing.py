"""Closing at any moment: no question is lost, no child and no thread stays behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desktop.whole import Answers, end, open_now, start, until, write_folder, write_pair
from gui.program import Program


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().split(")")[1].split()[0] == "Z")


def _analysing(program: Program, folder: Path) -> None:
    program.window.action("analysis.run").trigger()


def _opening(program: Program, folder: Path) -> None:
    program.controllers["files"].open_paths([write_folder(folder / "more", 3)])


def _playing(program: Program, folder: Path) -> None:
    program.window.action("series.play").trigger()
    program.window.action("image.flicker").trigger()


def _run(program: Program, folder: Path) -> None:
    program.controllers["batch"].panel.set_output(folder / "run.h5")
    program.session.set_model("none")
    program.window.action("batch.start").trigger()
    until(lambda: program.controllers["batch"].running)


@pytest.mark.parametrize(
    "what",
    [
        _analysing,
        _run,
        pytest.param(_opening, marks=pytest.mark.slow),
        pytest.param(_playing, marks=pytest.mark.slow),
    ],
)
def test_closing_while_something_runs_ends_everything(
    qapp: Any, tmp_path: Path, what: Callable[[Program, Path], None]
) -> None:
    program = start(tmp_path / "home")
    try:
        open_now(program, write_folder(tmp_path / "run", 3))
        children = [c.client.pid for c in (program.quick, program.heavy)]
        assert all(_alive(pid) for pid in children)
        answers = Answers()
        answers.button = "Stop and close"
        program.dialogs = answers  # type: ignore[assignment]
        what(program, tmp_path)
        program.window.close()
        until(lambda: program.closed)
        limit = time.monotonic() + 10
        while any(_alive(pid) for pid in children) and time.monotonic() < limit:
            time.sleep(0.02)
        assert not any(_alive(pid) for pid in children)
        program.close()  # again is no harm
    finally:
        end(program)


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_child_that_dies_is_told_and_replaced(qapp: Any, tmp_path: Path) -> None:
    program = start(tmp_path / "home")
    try:
        first, second = write_pair(tmp_path)
        open_now(program, first, second)
        client = program.quick.client
        # held still first: a task that has not begun is not lost with the process, nor told
        os.kill(client.pid, signal.SIGSTOP)
        program.controllers["files"].open_paths([write_folder(tmp_path / "more", 3)])
        until(lambda: client._running is not None)
        os.kill(client.pid, signal.SIGKILL)
        until(lambda: program.tell.last is not None and program.tell.last.level == "error")
        open_now(program, tmp_path / "more")
        assert program.session.count == 3
    finally:
        end(program)


def test_a_mistake_in_a_slot_is_told_and_the_window_lives_on(
    qapp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = start(tmp_path / "home")
    try:
        try:
            raise RuntimeError("from a slot")
        except RuntimeError as error:
            sys.excepthook(RuntimeError, error, error.__traceback__)
        assert program.tell.last is not None
        assert "from a slot" in program.tell.last.text
        assert "RuntimeError" in program.tell.last.detail
        assert "from a slot" in (tmp_path / "home" / "piv-gui.log").read_text(encoding="utf-8")
        assert program.window.isVisible()
    finally:
        end(program)


def test_the_layout_and_the_theme_are_remembered(qapp: Any, tmp_path: Path) -> None:
    program = start(tmp_path / "home")
    program.window.panel("settings").hide()
    program.window.action("view.theme_dark").trigger()
    program.window.close()
    end(program)
    again = start(tmp_path / "home")
    try:
        assert again.window.panel("settings").isHidden()
        assert not again.window.panel("display").isHidden()
        assert again.controllers["view"].theme.mode == "dark"
        again.window.action("view.reset_layout").trigger()
        assert not again.window.panel("settings").isHidden()
    finally:
        again.controllers["view"].set_theme("system")
        end(again)


def test_what_is_named_on_the_command_line_is_opened(qapp: Any, tmp_path: Path) -> None:
    program = start(tmp_path / "home", *write_pair(tmp_path / "mit Leerzeichen"))
    try:
        until(lambda: program.session.count == 1)
    finally:
        end(program)


def test_the_window_never_loads_torch(tmp_path: Path) -> None:
    """A whole run in a process of its own: open, analyse, look, close."""
    import subprocess

    first, second = write_pair(tmp_path)
    code = (
        "import sys; from pathlib import Path; from gui.app import build\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from desktop.whole import calm, open_now, until\n"
        "from PyQt6.QtWidgets import QApplication; app = QApplication([])\n"
        f"p = build(home=Path({str(tmp_path / 'home')!r})); p.window.show()\n"
        f"open_now(p, Path({str(first)!r}), Path({str(second)!r}))\n"
        "p.window.action('analysis.run').trigger()\n"
        "until(lambda: p.session.result is not None, 120); calm(p, 120)\n"
        "assert p.session.result.analysis is not None\n"
        "p.session.set_display(quantity='vorticity', streamlines=True); calm(p, 120)\n"
        "p.session.set_selection(point=(60.0, 50.0)); calm(p, 120)\n"
        "heavy = [m for m in ('torch', 'cv2', 'xarray') if m in sys.modules]\n"
        "p.session.set_saved(None); p.close(); print('loaded', heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("loaded []"), done.stdout
