"""The whole program in a real window: Xvfb, and mouse and keys of xdotool (`pytest -m display`)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DRIVER = """
import subprocess, sys, time
from pathlib import Path

from PyQt6.QtCore import QPoint
from PyQt6.QtWidgets import QApplication

from gui.app import build

home, samples, picture = map(Path, sys.argv[1:])
app = QApplication(["piv-gui"])
program = build(home=home)
session, window = program.session, program.window
window.resize(1280, 800)
window.show()
window.move(0, 0)


def until(true, what, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        app.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end, what


def x(*words):
    done = subprocess.Popen(["xdotool", *map(str, words)])
    until(lambda: done.poll() is not None, words)
    assert done.returncode == 0, words


def rest(seconds):
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "rest")


program.controllers["files"].open_paths(
    [samples / "cylinder_wake_a.tif", samples / "cylinder_wake_b.tif"])
until(lambda: session.source is not None, "open")
rest(2)
x("windowfocus", "--sync", int(window.winId()))
place = window.canvas.mapToGlobal(QPoint(window.canvas.width() // 3, window.canvas.height() // 2))
x("mousemove", place.x(), place.y(), "click", 1)
x("key", "b")
until(lambda: session.display.frame == "b", "key B")
x("key", "ctrl+a")
until(lambda: 0 in session.results and session.results[0].analysis is not None, "Ctrl+A", 120)
rest(2)
x("mousemove", place.x() + 7, place.y() + 5)
until(lambda: "px" in window.readout.text(), "values under the cursor")
before = window.canvas.view_rect()
x("mousemove", place.x(), place.y(), "click", "--repeat", 4, 4)
until(lambda: window.canvas.view_rect() != before, "wheel")
x("key", "f")
rest(1)
window.grab().save(str(picture))
program.close()
print("done", QApplication.platformName())
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A screen of its own."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24"], pass_fds=[write]
    )
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.mark.display
def test_a_pair_is_analysed_with_mouse_and_keys(display: str, tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    words = [str(tmp_path / "home"), str(ROOT / "sample_images"), str(picture)]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *words],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["done", "xcb"]
    assert picture.stat().st_size > 50_000
