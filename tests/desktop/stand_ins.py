"""Stand-ins for the parts of the desktop program, and what they are given in the tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from pairs import uniform_pair
from PyQt6.QtCore import QCoreApplication, QObject, pyqtSignal
from PyQt6.QtGui import QAction

from gui.session import Session
from gui.state import SourceInfo
from gui.tell import Tell
from piv.io.sources import SourceSpec
from piv.types import Analysis, VectorField

SHAPE = (72, 96)
WAIT = 60.0  # s at most for a process that starts and computes on a busy machine


def wait_until(true: Callable[[], object], seconds: float = WAIT) -> None:
    """Let the event loop run until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        QCoreApplication.processEvents()
        time.sleep(0.005)


def a_field(shape: tuple[int, int] = SHAPE, step: int = 1, seed: int = 1) -> VectorField:
    """A field with a value of its own at every vector, px."""
    rng = np.random.default_rng(seed)
    y, x = (np.arange(0.0, size, step) for size in shape)
    grid = (y.size, x.size)
    u, v = rng.normal(size=(2, *grid)).astype(np.float32)
    return VectorField(
        x=x, y=y, u=u, v=v,
        flags=np.zeros(grid, np.uint16),
        uncertainty_u=np.full(grid, 0.1, np.float32),
        uncertainty_v=np.full(grid, 0.2, np.float32),
        dt=1e-3,
        extra={"peak_ratio": rng.uniform(1, 3, grid).astype(np.float32)} if step > 1 else {},
        attrs={"windows": [[32, 32], [16, 16]]} if step > 1 else {},
    )  # fmt: skip


def an_analysis(shape: tuple[int, int] = SHAPE, seed: int = 1) -> Analysis:
    """What an analysis returns, without computing."""
    settings = {"output": {"stride": 4, "region": []}, "refine": {"steps": 2}}
    provenance = {
        "schema": 1,
        "package": "ccfcn-piv 0",
        "settings": settings,
        "weights": None,
        "input": {"name": "a, b", "sha256": f"{seed:064x}"},
    }
    coarse, dense = a_field(shape, 8, seed), a_field(shape, 1, seed)
    return Analysis(
        coarse.replace(attrs={**coarse.attrs, **provenance}),
        dense.replace(attrs={**dense.attrs, **provenance}),
        {"valid": 97.5, "particle_diameter": float("nan")},
        provenance,
    )


def write_images(folder: Path, count: int = 2, shape: tuple[int, int] = SHAPE) -> Path:
    """A folder of pairs whose displacement is (3, -2) px."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        pair = uniform_pair(shape, 3.0, -2.0, seed=n)
        for letter, frame in (("a", pair.first), ("b", pair.second)):
            iio.imwrite(folder / f"run_{n + 1:03d}{letter}.tif", frame)
    return folder


def source_info(folder: Path) -> SourceInfo:
    """What is known of a folder of pairs."""
    with SourceSpec(folder.absolute()).open() as source:
        return SourceInfo(
            path=source.spec.path,
            spec=source.spec,
            kind=source.kind,
            names=tuple(source.names),
            shape=source.shape,
            dtype=source.dtype.name,
            dt=source.dt,
            dt_known=source.dt_known,
            pairing=source.spec.pairing,
            notes=tuple(source.notes),
        )


class StubDialogs:
    """Answers what the test says, and keeps what was asked.

    ``answers`` maps the name of a method to the answers that it gives, one after the other; a
    method without answers left gives nothing, as a dialog that is closed.
    """

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.folder = Path()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def answer(*words: Any, **_: Any) -> Any:
            self.asked.append((name, words))
            waiting = self.answers.get(name, [])
            return waiting.pop(0) if waiting else {"open_files": [], "ask": ""}.get(name)

        return answer


class StubWindow(QObject):
    """The window as controllers see it."""

    closing = pyqtSignal(object)
    closed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.actions_by_name: dict[str, QAction] = {}
        self.specs: list[Any] = []
        self.panels: dict[str, Any] = {}
        self.busy: tuple[Any, ...] = (None, None, None)
        self.shown: list[tuple[Any, ...]] = []

    def add_actions(self, specs: Any) -> None:
        for spec in specs:
            self.specs.append(spec)
            self.actions_by_name[spec.name] = QAction(spec.text, self)

    def action(self, name: str) -> QAction:
        return self.actions_by_name[name]

    def add_panel(self, name: str, title: str, widget: Any, side: str, **_: Any) -> Any:
        self.panels[name] = widget
        return widget

    def set_busy(self, text: Any, fraction: Any, cancel: Any, *, of: str = "") -> None:
        self.busy = (text, fraction, cancel)
        self.shown.append(self.busy)

    def set_readout(self, text: str) -> None:
        self.readout = text

    def close(self) -> bool:
        """Close as Qt does: those who listen may object."""
        from PyQt6.QtGui import QCloseEvent

        event = QCloseEvent()
        event.accept()
        self.closing.emit(event)
        if event.isAccepted():
            self.closed.emit()
        return event.isAccepted()


class StubJob:
    """A task that was handed to a :class:`StubCompute`; the test answers it."""

    def __init__(self, compute: StubCompute, task: str, calls: dict[str, Any], given: Any) -> None:
        self.compute, self.task, self.given = compute, task, given
        self.calls = calls
        self.active = True
        self.cancelled = False

    def cancel(self) -> None:
        self.active, self.cancelled = False, True

    def finish(self, value: Any) -> None:
        assert self.active
        self.active = False
        self.calls["done"](value)

    def fail(self, message: str) -> None:
        assert self.active
        self.active = False
        if self.calls["failed"] is None:
            self.compute.tell.error(message)
        else:
            self.calls["failed"](message)

    def tell(self, *progress: Any) -> None:
        if self.calls["progress"] is not None:
            self.calls["progress"](*progress)


class StubCompute:
    """Keeps the tasks that it is given."""

    def __init__(self, tell: Any) -> None:
        self.tell = tell
        self.jobs: list[StubJob] = []

    def run(
        self, task: str, *, done: Any, failed: Any = None, progress: Any = None, key: Any = None,
        **given: Any,
    ) -> StubJob:  # fmt: skip
        calls = {"done": done, "failed": failed, "progress": progress, "key": key}
        self.jobs.append(StubJob(self, task, calls, given))
        return self.jobs[-1]

    def of(self, task: str) -> list[StubJob]:
        return [job for job in self.jobs if job.task == task]

    def close(self) -> None:
        pass


class StubProgram:
    """A program without a window and without processes."""

    def __init__(self, home: Path, session: Session) -> None:
        self.session = session
        self.window = StubWindow()
        self.tell = Tell()
        self.quick: Any = StubCompute(self.tell)
        self.heavy: Any = StubCompute(self.tell)
        self.dialogs: Any = StubDialogs()
        self.home = home
        self.controllers: dict[str, Any] = {}
        self.closed = False

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.tell.messages]
