"""What stands behind one vector: correlation plane, windows, the moved pair, the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtCore import QRectF, Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.views.naming import named
from gui.views.plot import ColourImage, Plot

_FLICKER = 250  # ms


class Picture(Plot):
    """A small image with square pixels and a title."""

    def __init__(self, name: str, tip: str, colours: str, room: tuple[int, int]) -> None:
        super().__init__(name, tip, room)
        plot = self.getPlotItem()
        plot.setTitle(name, size="9pt")
        plot.setAspectLocked(True)
        plot.invertY(True)
        self.image = ColourImage(colours)
        self.addItem(self.image)
        self.cross = pg.ScatterPlotItem(size=13, symbol="+", pen=pg.mkPen("#ff4545", width=2))
        self.addItem(self.cross)

    def show_array(
        self,
        array: npt.NDArray[Any] | None,
        rect: tuple[float, float, float, float] | None = None,
        levels: tuple[float, float] | None = None,
        cross: tuple[float, float] | None = None,
    ) -> None:
        """Show an array; ``rect`` is left, top, width, height of what it covers."""
        if array is None:
            self.image.show_array(None, (0.0, 1.0), QRectF())
            self.cross.setData([], [])
            return
        low, high = levels or (float(np.nanmin(array)), float(np.nanmax(array)))
        rows, columns = array.shape
        place = QRectF(*(rect or (-0.5, -0.5, float(columns), float(rows))))
        self.image.show_array(array, (low, max(high, low + 1e-6)), place)
        self.cross.setData(*(([cross[0]], [cross[1]]) if cross is not None else ([], [])))
        self.getPlotItem().getViewBox().autoRange(padding=0.02)


class Inspector(QWidget):
    """Shows one interrogation window.

    Signals
    -------
    pick_requested(bool)
        Whether clicks on the image choose the point.
    """

    pick_requested = pyqtSignal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pairs: tuple[tuple[npt.NDArray[Any], npt.NDArray[Any]], ...] = ()
        self._shown = 0
        self.pick = named(
            QPushButton("Click on the image"), "Choose a point on the image",
            "Then click on the image: the window there is looked into", "inspect_pick",
        )  # fmt: skip
        self.pick.setCheckable(True)
        self.pick.clicked.connect(self.pick_requested)
        self.flicker = named(
            QCheckBox("Flicker"), "Flicker the windows",
            "Show first and second frame in turn: as recorded particles jump, moved onto each "
            "other they stand still where the vector is right",
            "inspect_flicker",
        )  # fmt: skip
        self.flicker.setChecked(True)
        self.flicker.toggled.connect(self._set_flicker)
        self.plane = Picture(
            "Correlation plane", "Shift about the predictor, px; the cross is the peak",
            "viridis", (240, 240),
        )  # fmt: skip
        self.window_picture = Picture(
            "As recorded", "The window in the first and the second frame", "grey", (120, 120)
        )
        self.moved = Picture(
            "Moved", "The window in both frames, moved onto each other by the predictor",
            "grey", (120, 120),
        )  # fmt: skip
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setAccessibleName("The vector in numbers")
        self.text.setWordWrap(True)
        pictures = QGridLayout()
        pictures.addWidget(self.plane, 0, 0, 1, 2)
        pictures.addWidget(self.window_picture, 1, 0)
        pictures.addWidget(self.moved, 1, 1)
        pictures.setRowStretch(0, 3)
        pictures.setRowStretch(1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.pick)
        layout.addLayout(pictures, 1)
        layout.addWidget(self.flicker)
        layout.addWidget(self.text)
        self._timer = QTimer(self)
        self._timer.setInterval(_FLICKER)
        self._timer.timeout.connect(self._next)
        self.show_nothing("Click on the image to see what stands behind a vector.")

    def show_picking(self, on: bool) -> None:
        """Show whether clicks choose the point."""
        self.pick.blockSignals(True)
        self.pick.setChecked(on)
        self.pick.blockSignals(False)

    def show_nothing(self, text: str) -> None:
        """Clear it, and say why."""
        self._timer.stop()
        self._pairs = ()
        for picture in (self.plane, self.window_picture, self.moved):
            picture.show_array(None)
        self.text.setText(text)

    def show_window(self, seen: dict[str, Any], lines: Sequence[str]) -> None:
        """Show what :func:`gui.compute.tasks.inspect.point` returned, with lines of text."""
        plane = seen["plane"]
        rows, columns = plane.shape
        rect = (-columns / 2, -rows / 2, float(columns), float(rows))
        self.plane.show_array(plane, rect, cross=seen["peak"])
        self._pairs = (
            (seen["first"], seen["second"]),
            (seen["moved_first"], seen["moved_second"]),
        )
        self._shown = 1
        self._next()
        self.text.setText("\n".join(lines))
        self._set_flicker(self.flicker.isChecked())

    @property
    def shown_frame(self) -> int:
        """0 = first, 1 = second frame."""
        return self._shown

    def stop(self) -> None:
        """End flickering."""
        self._timer.stop()

    def _set_flicker(self, on: bool) -> None:
        if on and self._pairs:
            self._timer.start()
        else:
            self._timer.stop()

    def _next(self) -> None:
        self._shown = 1 - self._shown
        pictures = (self.window_picture, self.moved)
        for picture, pair in zip(pictures, self._pairs, strict=False):
            low = min(float(each.min()) for each in pair)
            high = max(float(each.max()) for each in pair)
            picture.show_array(pair[self._shown], levels=(low, high))
        which = ("first", "second")[self._shown]
        self.window_picture.setTitle(f"As recorded: {which}", size="9pt")
        self.moved.setTitle(f"Moved: {which}", size="9pt")
