"""Stand-ins for the window and the canvas, as the controllers of results see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QDockWidget

from desktop.stand_ins import StubProgram, StubWindow, an_analysis
from gui.controllers import display
from gui.pyramid import Pyramid
from gui.state import ResultEntry
from gui.views.canvas import Tool

MAP_RANGE = (-2.0, 3.0)


class StubCanvas(QObject):
    """Keeps what it is given to show."""

    cursor_moved = pyqtSignal(float, float)
    cursor_left = pyqtSignal()
    clicked = pyqtSignal(float, float)
    shape_drawn = pyqtSignal(object)
    measure_changed = pyqtSignal(object)
    compare_moved = pyqtSignal(float)
    dragged_levels = pyqtSignal(float, float)
    levels_reset = pyqtSignal()
    tool_changed = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.tool = Tool.PAN
        self.vector_reference = 2.5
        self.shown: dict[str, Any] = {}

    def set_tool(self, tool: Tool) -> None:
        self.tool = tool
        self.tool_changed.emit(tool)

    def show_scalar(self, layer: Any) -> None:
        self.shown["scalar"] = layer
        self.shown.pop("scalars", None)

    def show_scalars(self, left: Any, right: Any, at: float) -> None:
        self.shown["scalars"] = (left, right, at)

    def show_vectors(self, layer: Any, right: Any = None) -> None:
        self.shown["vectors"] = (layer, right)

    def show_lines(self, lines: Any, colour: str = "#ffffff") -> None:
        self.shown["lines"] = (list(lines), colour)

    def show_texture(self, pyramid: Any, **place: Any) -> None:
        self.shown["texture"] = pyramid

    def show_marker(self, points: Any) -> None:
        self.shown["marker"] = points

    def show_measure(self, measure: Any) -> None:
        self.shown["measure"] = measure

    def view_rect(self) -> tuple[float, float, float, float]:
        return (0.0, 0.0, 96.0, 72.0)


class ResultsWindow(StubWindow):
    """With a canvas, and panels that are docks."""

    def __init__(self) -> None:
        super().__init__()
        self.canvas = StubCanvas()
        self.readout = ""
        self.opened: list[str] = []

    def add_actions(self, specs: Any) -> None:
        super().add_actions(specs)
        for spec in specs:
            self.actions_by_name[spec.name].setCheckable(spec.checkable)

    def add_panel(self, name: str, title: str, widget: Any, side: str, **_: Any) -> QDockWidget:
        dock = QDockWidget(title)
        dock.setWidget(widget)
        self.panels[name] = dock
        return dock

    def show_panel(self, name: str) -> None:
        self.panels[name].show()
        self.opened.append(name)


def with_display(program: StubProgram) -> StubProgram:
    """A program that has a canvas and the display controller."""
    program.window = ResultsWindow()
    program.controllers["display"] = display.attach(program)  # type: ignore[arg-type]
    return program


def with_result(program: StubProgram, seed: int = 1, index: int = 0) -> StubProgram:
    """A result of the pair."""
    program.session.set_result(index, ResultEntry(index, an_analysis(seed=seed)))
    return program


def a_map(low: float = MAP_RANGE[0], high: float = MAP_RANGE[1]) -> dict[str, Any]:
    """What a task gives for a map."""
    values = np.full((72, 96), 1.5, np.float32)
    return {
        "pyramid": Pyramid.build(values), "x0": 0.0, "y0": 0.0, "step": (1.0, 1.0),
        "low": low, "high": high, "classes": [],
    }  # fmt: skip


def arrows_of(field: Any, frame: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
    """What a task gives for arrows."""
    kind = np.zeros(field.u.shape, np.uint8)
    return {"x": field.x, "y": field.y, "u": field.u, "v": field.v, "kind": kind, "frame": frame}


def answer(program: StubProgram) -> None:
    """Answer all tasks of the display that wait."""
    waiting = True
    while waiting:
        waiting = False
        for job in [*program.quick.jobs, *program.heavy.jobs]:
            if not job.active:
                continue
            value = {
                "fields.quantity_map": a_map, "inspect.residual": a_map,
                "fields.arrows": lambda job=job: arrows_of(job.given["field"]),
                "fields.streamlines": lambda: [np.array([[0.0, 0.0], [5.0, 5.0]])],
                "fields.texture": lambda: {**a_map(), "step": 1.0},
            }.get(job.task)  # fmt: skip
            if value is not None:
                job.finish(value())
                waiting = True
