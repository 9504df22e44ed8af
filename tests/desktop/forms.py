"""A window with the real canvas and docks, but without a program around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtWidgets import QDockWidget, QMainWindow, QWidget

from desktop.stand_ins import StubProgram, StubWindow
from gui.controllers.picking import Picker
from gui.session import Session
from gui.views.canvas import Canvas


class Display:
    """What the calibration needs of the area "display"."""

    def __init__(self, canvas: Canvas) -> None:
        self.picker = Picker(canvas)


class FormsWindow(StubWindow):
    """Panels are docks of a window that is never shown."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = QMainWindow()
        self.canvas = Canvas()
        self.frame.setCentralWidget(self.canvas)
        self.raised: list[str] = []

    def add_actions(self, specs: Any) -> None:
        super().add_actions(specs)
        for spec in specs:
            self.action(spec.name).setCheckable(spec.checkable)

    def add_panel(self, name: str, title: str, widget: QWidget, side: str, **_: Any) -> QDockWidget:
        dock = QDockWidget(title, self.frame)
        dock.setWidget(widget)
        self.panels[name] = dock
        return dock

    def show_panel(self, name: str) -> None:
        self.raised.append(name)


def forms_program(home: Path, session: Session) -> Any:
    """A stub program with such a window."""
    program = StubProgram(home, session)
    program.window = FormsWindow()
    if session.shape is not None:
        program.window.canvas.set_extent(session.shape)
    program.controllers["display"] = Display(program.window.canvas)
    return program
