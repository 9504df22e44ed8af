"""How the vectors are spread over u and v, with limits drawn by mouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.views.naming import Number, named, silent
from gui.views.plot import ColourImage, Plot

_LIMITS = "#ff9d1e"


class _Box(pg.ViewBox):  # type: ignore[misc]  # no types
    """Dragging with the left button draws a rectangle; the wheel zooms as usual."""

    drawn = pyqtSignal(float, float, float, float)

    def mouseDragEvent(self, event: Any, axis: Any = None) -> None:
        """Draw, unless another button moves the view."""
        if event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        start = self.mapToView(event.buttonDownPos())
        end = self.mapToView(event.pos())
        if event.isFinish():
            self.rbScaleBox.hide()
            xs, ys = sorted((start.x(), end.x())), sorted((start.y(), end.y()))
            self.drawn.emit(xs[0], xs[1], ys[0], ys[1])
        else:
            self.updateScaleBox(event.buttonDownPos(), event.pos())


class ScatterPanel(QWidget):
    """The plane of u and v; emits wishes.

    Signals
    -------
    limits_drawn(float, float, float, float)
        Lowest and highest u, lowest and highest v, in the unit that is shown.
    clear_requested()
    """

    limits_drawn = pyqtSignal(float, float, float, float)
    clear_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = _Box()
        tip = "Drag a rectangle: vectors outside it are rejected"
        self.plot = Plot("Vectors over u and v", tip, (300, 200), self.box)
        self.image = ColourImage("viridis")
        self.plot.addItem(self.image)
        self.outline = pg.PlotDataItem(pen=pg.mkPen(_LIMITS, width=2))
        self.plot.addItem(self.outline)
        self.box.drawn.connect(self.limits_drawn)
        self.ends: list[Number] = []
        grid = QGridLayout()
        for n, (name, tip) in enumerate(
            (
                ("lowest u", "Vectors with a smaller u are rejected"),
                ("highest u", "Vectors with a larger u are rejected"),
                ("lowest v", "Vectors with a smaller v are rejected"),
                ("highest v", "Vectors with a larger v are rejected"),
            )
        ):
            spin = named(Number(), name, tip, f"limit_{n}")
            spin.valueChanged.connect(self._typed)
            self.ends.append(spin)
            grid.addWidget(QLabel(name), n // 2, 2 * (n % 2))
            grid.addWidget(spin, n // 2, 2 * (n % 2) + 1)
        self.clear = named(
            QPushButton("Remove the limits"), "Remove the limits", "Reject nothing by limits",
            "limits_clear",
        )  # fmt: skip
        self.clear.clicked.connect(self.clear_requested)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setAccessibleName("How many vectors lie outside")
        below = QHBoxLayout()
        below.addWidget(self.text, 1)
        below.addWidget(self.clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.plot, 1)
        layout.addLayout(grid)
        layout.addLayout(below)
        self.show_nothing("Analyse a pair to see how its vectors are spread.")

    def show_nothing(self, text: str) -> None:
        """Clear it, and say why."""
        self.image.show_array(None, (0.0, 1.0), QRectF())
        self.outline.setData([], [])
        self.text.setText(text)
        self.clear.setEnabled(False)
        for side, name in (("bottom", "u"), ("left", "v")):
            self.plot.setLabel(side, name)  # the units of what was shown are no longer known
        for each in self.ends:
            each.show_value(0.0)
            each.setEnabled(False)

    def show_counts(
        self,
        count: npt.NDArray[Any],
        edges: tuple[npt.NDArray[Any], npt.NDArray[Any]],
        labels: tuple[str, str],
    ) -> None:
        """Show counts [v, u] between edges of u and of v, ascending, as they are shown."""
        shown = np.log1p(np.asarray(count, np.float32))
        shown = np.where(shown > 0, shown, np.nan)
        u, v = edges
        place = QRectF(u[0], v[0], u[-1] - u[0], v[-1] - v[0])
        self.image.show_array(shown, (0.0, max(1.0, float(np.nanmax(shown, initial=1.0)))), place)
        self.plot.setLabel("bottom", labels[0])
        self.plot.setLabel("left", labels[1])
        self.box.setRange(place, padding=0.02)
        for each in self.ends:
            each.setEnabled(True)

    def show_limits(
        self, corners: Sequence[tuple[float, float]], ends: Sequence[float], unit: str, text: str
    ) -> None:
        """Show the limits as they are: corners of the polygon, its box, and what they reject."""
        line = [*corners, corners[0]] if corners else []
        self.outline.setData([p[0] for p in line], [p[1] for p in line])
        for spin, value in zip(self.ends, ends, strict=True):
            spin.show_value(value, unit)
        self.clear.setEnabled(bool(corners))
        self.text.setText(text)

    def _typed(self) -> None:
        values = [each.value() for each in self.ends]
        with silent(*self.ends):
            self.limits_drawn.emit(*values)
