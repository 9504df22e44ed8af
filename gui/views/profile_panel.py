"""A profile along a line, with the band of its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.views.naming import choose, named
from gui.views.plot import Plot

COMPONENTS = (
    ("tangential", "along the line"),
    ("normal", "to the right of the line"),
    ("u", "u"),
    ("v", "v"),
    ("speed", "speed"),
    ("quantity", "the quantity shown"),
)
_COLOUR = "#1f9bde"


class ProfilePanel(QWidget):
    """Draws profiles; emits wishes.

    Signals
    -------
    draw_requested(str)
        "line", "polyline" or "circle".
    component_chosen(str)
        Of :data:`COMPONENTS`.
    copy_requested()
    """

    draw_requested = pyqtSignal(str)
    component_chosen = pyqtSignal(str)
    copy_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout()
        for kind, tip in (
            ("line", "Draw a straight line: press, drag, release"),
            ("polyline", "Draw a line with corners; a double click ends it"),
            ("circle", "Draw a circle: its centre, then its rim"),
        ):
            button = named(
                QPushButton(kind.capitalize()), f"Profile along a {kind}", tip, f"profile_{kind}"
            )
            button.clicked.connect(lambda _=False, kind=kind: self.draw_requested.emit(kind))
            row.addWidget(button)
        self.component = named(
            QComboBox(), "Component", "What is drawn over the way along the line",
            "profile_component",
        )  # fmt: skip
        for value, text in COMPONENTS:
            self.component.addItem(text, value)
        self.component.activated.connect(
            lambda: self.component_chosen.emit(self.component.currentData())
        )
        self.copy = named(
            QPushButton("Copy as CSV"), "Copy the profile as CSV",
            "Put the whole profile on the clipboard as a table", "profile_copy",
        )  # fmt: skip
        self.copy.clicked.connect(self.copy_requested)
        row.addWidget(self.component)
        row.addWidget(self.copy)
        row.addStretch(1)
        self.plot = Plot("Profile", "The profile with the band of its 68.3 % interval", (300, 190))
        self.plot.showGrid(x=True, y=True, alpha=0.25)
        nothing = np.zeros(0)
        ends = [pg.PlotCurveItem(nothing, nothing, pen=None) for _ in range(2)]
        self.low, self.high = ends
        colour = pg.mkColor(_COLOUR)
        colour.setAlpha(70)
        self.band = pg.FillBetweenItem(self.low, self.high, brush=colour)
        self.curve = pg.PlotDataItem(nothing, nothing, pen=pg.mkPen(_COLOUR, width=2))
        for item in (*ends, self.band, self.curve):
            self.plot.addItem(item)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setAccessibleName("Flow rate and circulation")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addLayout(row)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.text)
        self.show_nothing("Draw a line on the image to see the velocity along it.")

    def show_component(self, name: str) -> None:
        """Show which component is drawn."""
        choose(self.component, name)

    def show_nothing(self, text: str) -> None:
        """Clear it, and say why."""
        for item in (self.low, self.high, self.curve):
            item.setData(np.zeros(0), np.zeros(0))
        self.copy.setEnabled(False)
        self.text.setText(text)

    def show_profile(
        self,
        distance: npt.NDArray[Any],
        values: npt.NDArray[Any],
        width: npt.NDArray[Any] | None,
        labels: tuple[str, str],
        lines: Sequence[str],
    ) -> None:
        """Draw a profile.

        Parameters
        ----------
        distance, values : array, shape (P,)
            In the units of the labels; NaN is a gap.
        width : array, shape (P,), or None
            Half-width of the band.
        labels : (str, str)
            Of the axes.
        lines : sequence of str
            What is said below.
        """
        self.curve.setData(distance, values, connect="finite")
        if width is None:
            low = high = np.zeros(0)
            self.low.setData(low, low)
            self.high.setData(high, high)
        else:
            known = np.isfinite(values) & np.isfinite(width)
            self.low.setData(distance[known], (values - width)[known])
            self.high.setData(distance[known], (values + width)[known])
        self.plot.setLabel("bottom", labels[0])
        self.plot.setLabel("left", labels[1])
        self.plot.getPlotItem().enableAutoRange()
        self.copy.setEnabled(True)
        self.text.setText("\n".join(lines))
