"""The whole program for tests: with its children, answers in place of dialogs, files to open."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tifffile
from PyQt6.QtCore import QCoreApplication, QEvent
from PyQt6.QtWidgets import QApplication

from gui.app import build
from gui.program import Program

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_images"


class Answers:
    """Dialogs that answer by themselves, and note what was asked.

    Attributes
    ----------
    paths : list of Path
        What the next file dialogs choose.
    save : Path or None
    button : str
        Pressed if it is there, else the last one.
    """

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.save: Path | None = None
        self.button = ""
        self.value: float | None = None
        self.line: str | None = None
        self.choice: str | None = None
        self.shade: str | None = None
        self.asked: list[str] = []
        self.folder = Path.home()

    def open_files(
        self, title: str, kinds: Any = (), *, folder: bool = False, many: bool = True
    ) -> list[Path]:
        self.asked.append(title)
        return self.paths[: None if many else 1]

    def save_file(self, title: str, kinds: Any = (), name: str = "") -> Path | None:
        self.asked.append(title)
        return self.save

    def ask(self, title: str, text: str, buttons: Sequence[str]) -> str:
        self.asked.append(f"{title}: {text}")
        return self.button if self.button in buttons else buttons[-1]

    def number(self, title: str, label: str, value: float, **limits: Any) -> float | None:
        self.asked.append(title)
        return self.value

    def text(self, title: str, label: str, value: str = "") -> str | None:
        self.asked.append(title)
        return self.line

    def choose(
        self, title: str, label: str, options: Sequence[str], current: str = ""
    ) -> str | None:
        self.asked.append(title)
        return self.choice if self.choice in options else None

    def colour(self, title: str, current: str) -> str | None:
        self.asked.append(title)
        return self.shade


def start(home: Path, *paths: Path) -> Program:
    """The program with its window shown and answers in place of dialogs."""
    program = build(paths, home)
    program.dialogs = Answers()  # type: ignore[assignment]
    program.window.resize(1400, 850)
    program.window.show()
    return program


def end(program: Program) -> None:
    """Close it without a question, and let Qt delete what is to be deleted."""
    program.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def until(condition: Callable[[], object], seconds: float = 25.0) -> None:
    """Let the program go on until something has come true."""
    limit = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        if time.monotonic() > limit:
            raise AssertionError("it never came true")
        time.sleep(0.002)
    QApplication.processEvents()


def calm(program: Program, seconds: float = 25.0) -> None:
    """Wait until nothing is computed any more."""
    quiet = 0
    limit = time.monotonic() + seconds
    while quiet < 7:
        QApplication.processEvents()
        busy = program.quick.busy or program.heavy.busy
        quiet = 0 if busy else quiet + 1
        if time.monotonic() > limit:
            jobs = [*program.quick._jobs.values(), *program.heavy._jobs.values()]
            raise AssertionError(f"still busy with {[job.task for job in jobs]}")
        time.sleep(0.004)


def open_now(program: Program, *paths: Path, **options: Any) -> None:
    """Open, and wait until it is open and shown, or refused."""
    program.controllers["files"].open_paths(list(paths), **options)
    calm(program)


def frames(count: int = 2, shape: tuple[int, int] = (96, 128), seed: int = 3) -> npt.NDArray[Any]:
    """Particles that move by (2, 1) px from frame to frame, uint8, shape (count, H, W)."""
    rng = np.random.default_rng(seed)
    height, width = shape
    number = height * width // 40
    x0, y0 = rng.uniform(0, width, number), rng.uniform(0, height, number)
    y, x = np.mgrid[:height, :width]
    stack = np.zeros((count, height, width))
    for n in range(count):
        xs, ys = (x0 + 2 * n) % width, (y0 + n) % height
        for px, py in zip(xs, ys, strict=True):
            left, top = int(px) - 3, int(py) - 3
            box = np.s_[max(top, 0) : top + 8, max(left, 0) : left + 8]
            stack[n][box] += 200 * np.exp(-((x[box] - px) ** 2 + (y[box] - py) ** 2) / 1.2)
    stack += rng.normal(8, 2, stack.shape)
    return np.clip(stack, 0, 255).astype(np.uint8)


def write_pair(folder: Path, name: str = "run", **options: Any) -> tuple[Path, Path]:
    """Two image files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}_a.tif", folder / f"{name}_b.tif"
    for path, frame in zip(paths, frames(2, **options), strict=True):
        tifffile.imwrite(path, frame)
    return paths


def write_folder(folder: Path, pairs: int = 3, **options: Any) -> Path:
    """A folder of pairs: img_001_a.tif, img_001_b.tif, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(pairs):
        for mark, frame in zip("ab", frames(2, seed=n, **options), strict=True):
            tifffile.imwrite(folder / f"img_{n + 1:03d}_{mark}.tif", frame)
    return folder


def write_data_set(path: Path, pairs: int = 3, **options: Any) -> Path:
    """An HDF5 data set of pairs."""
    stacks = [frames(2, seed=n, **options) for n in range(pairs)]
    with h5py.File(path, "w") as file:
        for place, mark in enumerate("ab"):
            file[f"frames/{mark}"] = np.stack([stack[place] for stack in stacks])
        file.attrs["dt"] = 0.002
        file.attrs["pixel_size"] = 2e-5
    return path


def open_files() -> int:
    """How many files this process has open, where the system tells."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208
