"""How smooth the desktop program is: panning, zooming, gaps of the event loop, start-up.

xvfb-run -a -s "-screen 0 1680x1080x24" python desktop.py      # -> results/gui.md

A display is needed; Xvfb is one. The pair has 25 Mpx by default, and the dense field of such a pair
is shown on it as colours with vectors on top. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PyQt6.QtCore import QT_VERSION_STR, QEventLoop, QPoint, QPointF, Qt, QTimer
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from gui.pyramid import Pyramid
from gui.views.canvas import Canvas, ScalarLayer, VectorLayer

WIDTH, HEIGHT = 1600, 1000  # of the window, px
TARGET = 50.0  # ms a step
GAP, LONGEST = 50.0, 250.0  # ms; 99 % of gaps under the first, all under the second
READY = 2.0  # s from Qt imported to a usable window


@dataclass(frozen=True)
class Times:
    """Milliseconds of what was measured again and again."""

    name: str
    values: list[float]
    processor: list[float] = field(default_factory=list)  # of these, in this process

    def row(self) -> str:
        """A line of the table."""
        v = sorted(self.values)
        middle, high = statistics.median(v), v[min(len(v) - 1, int(0.99 * len(v)))]
        used = f"{max(self.processor):.1f}" if self.processor else ""
        return f"| {self.name} | {len(v)} | {middle:.1f} | {high:.1f} | {v[-1]:.1f} | {used} |"


def steps(name: str, found: Sequence[tuple[float, float]]) -> Times:
    """Times of steps, each (by the clock, by the processor)."""
    clock, processor = zip(*found, strict=True)
    return Times(name, list(clock), list(processor))


def frames(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two frames of particle images, uint16 of 12 bits, made quickly."""
    rng = np.random.default_rng(1)
    tile = np.zeros((1000, 1250), np.float32)
    rows, columns = rng.integers(0, 1000, 50_000), rng.integers(0, 1250, 50_000)
    np.add.at(tile, (rows, columns), rng.uniform(500, 3000, 50_000).astype(np.float32))
    for axis in (0, 1):
        tile = 0.5 * tile + 0.25 * (np.roll(tile, 1, axis) + np.roll(tile, -1, axis))
    tile = np.clip(tile + rng.normal(60, 8, tile.shape), 0, 4095).astype(np.uint16)
    times = -(-shape[0] // 1000), -(-shape[1] // 1250)
    first = np.tile(tile, times)[: shape[0], : shape[1]]
    return first, np.roll(first, (2, 5), (0, 1))


def displacement(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Displacements of rows of vortices, px."""
    y = np.arange(shape[0], dtype=np.float32)[:, None] / 210
    x = np.arange(shape[1], dtype=np.float32)[None] / 260
    u = 5 + 3 * np.sin(y) * np.cos(x)
    v = -3 * np.cos(y) * np.sin(x)
    return u.astype(np.float32), v.astype(np.float32)


def memory_mapped(folder: Path, name: str, array: np.ndarray) -> Pyramid:
    """A pyramid of files, as it comes from the computing process."""
    levels = []
    for number, level in enumerate(Pyramid.build(array).levels):
        path = folder / f"{name}{number}.npy"
        np.save(path, level)
        levels.append(np.load(path, mmap_mode="r"))
    return Pyramid(tuple(levels))


def filled(folder: Path, shape: tuple[int, int]) -> Canvas:
    """A canvas that shows frame, colours, vectors and a mask."""
    first, _ = frames(shape)
    u, v = displacement(shape)
    speed = np.hypot(u, v)
    mask = np.zeros(shape, bool)
    mask[shape[0] // 3 : shape[0] // 2, shape[1] // 5 : shape[1] // 4] = True
    speed[mask] = np.nan
    canvas = Canvas()
    canvas.resize(WIDTH, HEIGHT)
    canvas.show()
    canvas.show_image(memory_mapped(folder, "a", first), (40, 1500))
    layer = ScalarLayer(memory_mapped(folder, "s", speed), low=0, high=9, opacity=0.7, label="px")
    canvas.show_scalar(layer)
    u, v = (memory_mapped(folder, n, a).levels[0] for n, a in (("u", u), ("v", v)))
    kind = np.where(mask, 3, 0).astype(np.uint8)
    columns, rows = np.arange(shape[1]), np.arange(shape[0])
    canvas.show_vectors(VectorLayer(columns, rows, u, v, kind))
    canvas.show_mask(mask)
    canvas.set_scale_bar(0.02, "mm")
    QTest.qWaitForWindowExposed(canvas)
    settle()
    return canvas


def settle(seconds: float = 0.3) -> None:
    """Let everything be drawn."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()


def timed(canvas: Canvas, act: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds from an event of the mouse to the picture that it makes: clock, processor."""
    begin, used = time.perf_counter(), time.process_time()
    act()
    canvas.view.viewport().repaint()
    found = 1e3 * (time.perf_counter() - begin), 1e3 * (time.process_time() - used)
    QApplication.processEvents()
    return found


def wheel(canvas: Canvas, at: QPoint, turned: int) -> None:
    """One event of the wheel."""
    view = canvas.view
    place = QPointF(at)
    none = Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        place, view.mapToGlobal(place), QPoint(), QPoint(0, turned), Qt.MouseButton.NoButton,
        none, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view.viewport(), event)


def zooming(canvas: Canvas) -> Times:
    """In to single pixels and out again, at three places of the view."""
    found = []
    for place in (QPoint(800, 500), QPoint(300, 800), QPoint(1400, 150)):
        canvas.fit()
        settle(0.05)
        turns = [60] * 44 + [-60] * 44  # half notches, as a trackpad sends
        found += [timed(canvas, lambda t=turn, p=place: wheel(canvas, p, t)) for turn in turns]
    return steps("zoom step", found)


def panning(canvas: Canvas) -> list[Times]:
    """Dragging by 15 px a step, at several zooms."""
    tables = []
    viewport = canvas.view.viewport()
    for zoom in (0.26, 0.36, 0.71, 1.0, 3.0, 12.0):
        canvas.fit()
        canvas.zoom_to((2500, 1800, viewport.width() / zoom, viewport.height() / zoom))
        settle(0.05)
        found = []
        for down in (0, 4, -9):
            start = QPoint(1200, 500)
            QTest.mousePress(viewport, Qt.MouseButton.MiddleButton, pos=start)
            for step in range(1, 40):
                at = start + QPoint(-15 * step, down * step)
                found.append(timed(canvas, lambda p=at: QTest.mouseMove(viewport, p)))
            QTest.mouseRelease(viewport, Qt.MouseButton.MiddleButton, pos=start)
        tables.append(steps(f"pan step, {zoom:g} pixels of the screen per px", found))
    return tables


def flickering(canvas: Canvas, folder: Path, shape: tuple[int, int]) -> Times:
    """The other frame in the same view."""
    first, second = frames(shape)
    pair = [memory_mapped(folder, n, f) for n, f in (("c", first), ("d", second))]
    canvas.show_scalar(None)
    canvas.show_vectors(None)
    canvas.fit()
    settle(0.05)
    found = [
        timed(canvas, lambda n=n: canvas.show_image(pair[n % 2], (40, 1500))) for n in range(40)
    ]
    return steps("other frame (flicker)", found)


@contextmanager
def gaps(app: QApplication) -> Iterator[list[tuple[float, float]]]:
    """How long the event loop is away: milliseconds between ticks of a timer that never rests.

    A tick does nothing, so a gap is what everything else in the window's process takes: by the
    clock, and of the processor's time.
    """
    found: list[tuple[float, float]] = []
    last = [time.perf_counter(), time.process_time()]

    def tick() -> None:
        now = [time.perf_counter(), time.process_time()]
        found.append((1e3 * (now[0] - last[0]), 1e3 * (now[1] - last[1])))
        last[:] = now

    timer = QTimer(app)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(5)
    try:
        yield found
    finally:
        timer.stop()


def analysing(shape: tuple[int, int], limit: float) -> tuple[Times, str]:
    """The whole program: gaps from pressing Analyse until the field is on the screen."""
    from gui.app import build

    app = QApplication.instance()
    assert isinstance(app, QApplication)
    with tempfile.TemporaryDirectory() as folder:
        first, second = frames(shape)
        source = Path(folder) / "pair.h5"
        with h5py.File(source, "w") as file:
            for name, frame in (("a", first), ("b", second)):
                file.create_dataset(f"frames/{name}", data=frame[None])
        program = build([source], Path(folder) / "home")
        try:
            program.window.resize(WIDTH, HEIGHT)
            program.window.show()
            wait(lambda: program.session.source is not None and quiet(program), limit, "opening")
            action = program.window.action("analysis.run")
            begin = time.perf_counter()
            with gaps(app) as found:
                action.trigger()
                # as a user would: the mouse moves over the picture meanwhile
                wait(
                    lambda: 0 in program.session.results and quiet(program),
                    limit, "the analysis", program.window.canvas,
                )  # fmt: skip
            seconds = time.perf_counter() - begin
        finally:
            program.close()  # not the window, which would ask what to do with the results
    about = f"{shape[0]} x {shape[1]} px, {seconds:.0f} s until the field was shown"
    return steps("gap of the event loop while a pair is analysed", found), about


def quiet(program: Any) -> bool:
    """Whether nothing is being computed."""
    return not (program.quick.busy or program.heavy.busy)


def wait(done: Callable[[], bool], limit: float, what: str, canvas: Canvas | None = None) -> None:
    """Run the event loop until it has been done for a second, the mouse moving over the canvas."""
    loop = QEventLoop()
    state = {"end": time.perf_counter() + limit, "since": 0.0, "step": 0.0}

    def look() -> None:
        now = time.perf_counter()
        if now > state["end"]:
            loop.exit(1)
        if canvas is not None:
            state["step"] += 1
            place = QPoint(200 + int(7 * state["step"]) % 900, 300 + int(state["step"]) % 400)
            QTest.mouseMove(canvas.view.viewport(), place)
        if not done():
            state["since"] = 0.0
        elif not state["since"]:
            state["since"] = now
        elif now - state["since"] > 1.0:
            loop.exit(0)

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(30)
    if loop.exec():
        raise SystemExit(f"{what} took longer than {limit:g} s")


STARTUP = """
import sys, time
import PyQt6.QtCore, PyQt6.QtGui, PyQt6.QtWidgets
begin, used = time.perf_counter(), time.process_time()
from pathlib import Path
from gui.app import build
program = build((), Path(sys.argv[1]))
program.window.resize(1600, 1000)
program.window.show()
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
QTest.qWaitForWindowExposed(program.window)
QApplication.processEvents()
print(time.perf_counter() - begin, time.process_time() - used)
program.close()
"""


def starting(count: int) -> Times:
    """Milliseconds from Qt imported to a window that takes events, each in a new process."""
    found = []
    for number in range(count + 1):
        with tempfile.TemporaryDirectory() as home:
            words = [sys.executable, "-c", STARTUP, home]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
        if number:  # the first one reads the files from the disk
            clock, processor = (1e3 * float(word) for word in done.stdout.split()[-2:])
            found.append((clock, processor))
    return steps("start-up, from Qt imported to a usable window", found)


def environment() -> list[str]:
    """What the figures depend on."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    packages = ("ccfcn-piv", "PyQt6", "pyqtgraph", "numpy")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    screen = app.primaryScreen()
    size = "" if screen is None else f", screen {screen.size().width()} x {screen.size().height()}"
    return [
        f"Python {sys.version.split()[0]}, Qt {QT_VERSION_STR}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
        f"platform plugin {app.platformName()}{size}; cores allowed {cores}",
    ]


def verdicts(times: dict[str, Times]) -> list[str]:
    """What was asked for, and whether it was met."""
    moved = [t for t in times.values() if "step" in t.name]
    found = [value for t in moved for value in t.values]
    used = [value for t in moved for value in t.processor]
    under = 100 * sum(step < TARGET for step in found) / len(found)
    lines = [
        f"- steps of panning and zooming under {TARGET:g} ms: {under:.1f} % are, longest "
        f"{max(found):.1f} ms; {max(used):.1f} ms of the processor's time"
    ]
    if "gaps" in times:
        found = times["gaps"].values
        under = 100 * sum(gap < GAP for gap in found) / len(found)
        lines.append(
            f"- gaps of the event loop, 99 % under {GAP:g} ms and none over {LONGEST:g} ms: "
            f"{under:.2f} % under {GAP:g} ms, longest {max(found):.0f} ms; "
            f"{max(times['gaps'].processor):.0f} ms of the processor's time"
        )
    if "start" in times:
        middle = statistics.median(times["start"].values) / 1e3
        lines.append(
            f"- start-up under {READY:g} s: median {middle:.2f} s; "
            f"{max(times['start'].processor) / 1e3:.2f} s of the processor's time"
        )
    return lines


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs=2, default=[4000, 6250], metavar=("H", "W"))
    parser.add_argument(
        "--analyse", type=int, nargs=2, default=[1024, 1280], metavar=("H", "W"),
        help="size of the pair that is analysed",
    )  # fmt: skip
    parser.add_argument("--limit", type=float, default=600, help="s, for the analysis")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--canvas-only", action="store_true", help="no whole program")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "gui.md")
    arguments = parser.parse_args()
    app = QApplication(sys.argv[:1])
    shape = (arguments.size[0], arguments.size[1])
    times: dict[str, Times] = {}
    notes = [f"pair of {shape[0]} x {shape[1]} px, window {WIDTH} x {HEIGHT}"]
    with tempfile.TemporaryDirectory() as folder:
        canvas = filled(Path(folder), shape)
        times["zoom"] = zooming(canvas)
        for number, table in enumerate(panning(canvas)):
            times[f"pan{number}"] = table
        times["flicker"] = flickering(canvas, Path(folder), shape)
        about = environment()
        canvas.close()
        canvas.deleteLater()
        app.processEvents()
        del canvas
    if not arguments.canvas_only:
        times["gaps"], note = analysing(tuple(arguments.analyse), arguments.limit)
        notes.append(f"analysed: {note}")
        times["start"] = starting(arguments.starts)
    lines = [
        "# The desktop program: how smooth it is", "",
        "`xvfb-run -a -s '-screen 0 1680x1080x24' python desktop.py`", "",
        *(f"- {line}" for line in [*about, *notes]), "",
        "Colours of a dense field (opacity 0.7), vectors and a mask are shown over the first "
        "frame; a step is from the event of the mouse to the picture. Milliseconds; the last "
        "column is the time of the processor, which other programs do not lengthen:", "",
        "| | number | median | 99th percentile | longest | processor, longest |",
        "|---|---|---|---|---|---|",
        *(t.row() for t in times.values()), "",
        *verdicts(times), "",
    ]  # fmt: skip
    text = "\n".join(lines)
    print(text)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
