"""Grey levels of the pair: histogram, limits that can be dragged, numbers, automatic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

Counts = npt.NDArray[np.integer]
_COLOURS = {"a": "#4a90e2", "b": "#e2843a"}
_NEAR = 8  # px at which a limit is taken by the mouse


class HistogramView(QWidget):
    """Histogram of both frames, with a line at each limit.

    Signals
    -------
    dragged(float, float)
        Limits that the mouse has chosen.
    """

    dragged = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edges: npt.NDArray[np.floating] | None = None
        self._curves: dict[str, npt.NDArray[np.floating]] = {}
        self._span = (0.0, 1.0)
        self.levels = (0.0, 1.0)
        self._held: int | None = None
        self.setMinimumHeight(60)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setAccessibleName("Histogram of the grey levels")
        self.setToolTip(
            "How often each grey level occurs (frame A blue, frame B orange); "
            "drag the two lines to choose what is black and what is white"
        )

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(240, 96)

    def set_histogram(
        self, edges: npt.NDArray[np.floating] | None, a: Counts | None, b: Counts | None
    ) -> None:
        """Counts between the edges, drawn as their square root; None = nothing is open."""
        self._edges = edges
        self._curves = {}
        if edges is not None and a is not None and b is not None:
            roots = {"a": np.sqrt(np.asarray(a, float)), "b": np.sqrt(np.asarray(b, float))}
            top = max(float(curve.max()) for curve in roots.values()) or 1.0
            self._curves = {name: curve / top for name, curve in roots.items()}
            self._rescale()
        self.update()

    def set_levels(self, low: float, high: float) -> None:
        """Where the limits are."""
        self.levels = (low, high)
        if self._held is None:
            self._rescale()
        self.update()

    def _rescale(self) -> None:
        """Show the part of the levels that matters: a few bright spots must not squeeze it."""
        if self._edges is None:
            return
        low, high = float(self._edges[0]), float(self._edges[-1])
        wide = 2.5 * max(self.levels[1] - self.levels[0], (high - low) / 200)
        self._span = (
            max(low, min(self.levels[0], self.levels[0] - 0.25 * wide)),
            min(high, self.levels[1] + 0.6 * wide),
        )
        if not self._span[1] > self._span[0]:
            self._span = (low, high)

    def x_of(self, level: float) -> float:
        """Where on the widget a grey level is, px."""
        low, high = self._span
        return 4 + (level - low) / (high - low) * (self.width() - 8)

    def level_at(self, x: float) -> float:
        """The grey level at a place on the widget."""
        low, high = self._span
        return low + (x - 4) / max(1, self.width() - 8) * (high - low)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002  (Qt's signature)
        """Draw curves and limits."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        painter.fillRect(self.rect(), palette.color(QPalette.ColorRole.Base))
        if self._edges is None:
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "no image")
            return
        bottom, height = self.height() - 3, self.height() - 10
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        for name, curve in self._curves.items():
            points = [QPointF(self.x_of(float(middles[0])), bottom)]
            points += [
                QPointF(self.x_of(float(x)), bottom - float(y) * height)
                for x, y in zip(middles, curve, strict=True)
            ]
            points.append(QPointF(self.x_of(float(middles[-1])), bottom))
            colour = QColor(_COLOURS[name])
            painter.setPen(QPen(colour, 1.2))
            colour.setAlpha(60)
            painter.setBrush(colour)
            painter.drawPolygon(QPolygonF(points))
        line = palette.color(QPalette.ColorRole.Text)
        shade = palette.color(QPalette.ColorRole.Window)
        shade.setAlpha(150)
        left, right = (self.x_of(level) for level in self.levels)
        painter.fillRect(QRectF(0, 0, max(0.0, left), self.height()), shade)
        painter.fillRect(QRectF(right, 0, max(0.0, self.width() - right), self.height()), shade)
        painter.setBrush(line)
        for x in (left, right):
            painter.setPen(QPen(line, 1.5))
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
            painter.drawEllipse(QPointF(x, 6), 4, 4)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take the nearer limit."""
        if event is None or self._edges is None or event.button() != Qt.MouseButton.LeftButton:
            return
        x = event.position().x()
        distances = [abs(self.x_of(level) - x) for level in self.levels]
        self._held = distances.index(min(distances))
        self._drag(x)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move the limit that is held."""
        if event is None:
            return
        x = event.position().x()
        if self._held is not None:
            self._drag(x)
        near = any(abs(self.x_of(level) - x) < _NEAR for level in self.levels)
        self.setCursor(Qt.CursorShape.SizeHorCursor if near else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: ARG002
        """Leave it there."""
        self._held = None
        self._rescale()
        self.update()

    def _drag(self, x: float) -> None:
        low, high = self.levels
        level = self.level_at(min(max(x, 4), self.width() - 4))
        least = (self._span[1] - self._span[0]) / 500
        if self._held == 0:
            low = min(level, high - least)
        else:
            high = max(level, low + least)
        self.levels = (low, high)
        self.update()
        self.dragged.emit(low, high)


class ContrastBox(QWidget):
    """Histogram, its limits as numbers, and a button that chooses them.

    Signals
    -------
    levels_chosen(float, float)
    automatic_requested()
    """

    levels_chosen = pyqtSignal(float, float)
    automatic_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.histogram = HistogramView()
        self.low, self.high = (_spin(name) for name in ("Black", "White"))
        self.automatic = QPushButton("Automatic")
        self.automatic.setAccessibleName("Automatic contrast")
        self.automatic.setToolTip("Choose black and white so that the particles are seen")
        title = QLabel("Contrast")
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        for column, (text, spin) in enumerate((("&Black", self.low), ("&White", self.high))):
            label = QLabel(text)
            label.setBuddy(spin)
            grid.addWidget(label, 0, column)
            grid.addWidget(spin, 1, column)
        grid.addWidget(self.automatic, 1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(title)
        layout.addWidget(self.histogram, 1)
        layout.addLayout(grid)
        self.histogram.dragged.connect(self._dragged)
        self.automatic.clicked.connect(self.automatic_requested)
        for spin in (self.low, self.high):
            spin.valueChanged.connect(self._typed)
        self.clear()

    def clear(self) -> None:
        """Nothing is open."""
        self.histogram.set_histogram(None, None, None)
        self.setEnabled(False)

    def show_histogram(self, edges: npt.NDArray[np.floating], a: Counts, b: Counts) -> None:
        """The counts of the pair that is shown."""
        self.setEnabled(True)
        self.histogram.set_histogram(edges, a, b)
        step = max((float(edges[-1]) - float(edges[0])) / 256, 1e-9)
        decimals = max(0, min(6, int(np.ceil(-np.log10(step))))) if step < 1 else 0
        for spin in (self.low, self.high):
            spin.blockSignals(True)
            spin.setDecimals(decimals)
            spin.setSingleStep(step if decimals else max(1, round(step)))
            spin.blockSignals(False)

    def show_levels(self, low: float, high: float) -> None:
        """Where the limits are."""
        self.setEnabled(True)
        self.histogram.set_levels(low, high)
        for spin, value in ((self.low, low), (self.high, high)):
            if not spin.hasFocus() or abs(spin.value() - value) > 10.0 ** -spin.decimals():
                spin.blockSignals(True)
                spin.setValue(value)
                spin.blockSignals(False)

    def _dragged(self, low: float, high: float) -> None:
        self.levels_chosen.emit(low, high)

    def _typed(self) -> None:
        low, high = self.low.value(), self.high.value()
        if high > low:
            self.levels_chosen.emit(low, high)


def _spin(name: str) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(-1e9, 1e9)
    spin.setDecimals(0)
    spin.setKeyboardTracking(False)
    spin.setAccessibleName(f"{name}: grey level")
    spin.setToolTip(f"The grey level that is shown {name.lower()}")
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    spin.setMinimumWidth(64)
    return spin
