"""The colour bar: what the colours mean, and the place to change their range."""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui.colours import is_diverging, packed
from gui.views.canvas.camera import round_length

_BAR = 18  # width, logical pixels
_TOP, _BOTTOM = 14, 14
_LABELS = 48  # logical pixels between them, at least
_NOTCH = 120.0
_KEY = 0.02  # of the range, for an arrow key


class ColourBar(QWidget):
    """A vertical bar of the colours with round numbers beside it.

    Dragging the upper third changes the high end, the lower third the low end, the middle both;
    the wheel makes the range wider or narrower; a double click asks for the automatic range.
    With the keyboard: up and down move the high end, with Shift the low end; Home = automatic.
    """

    dragged = pyqtSignal(float, float)  # low, high: values, without the factor
    reset = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high, self._factor = 0.0, 1.0, 1.0
        self._map, self._label = "viridis", ""
        self._start: tuple[float, float, float] | None = None  # y, low, high
        self._part = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setAccessibleName("Colour bar")
        self.setToolTip(
            "Drag near the top or the bottom to change that end of the colours, in the middle to "
            "move both; wheel: wider or narrower; double click: automatic range. Keys: Up, Down "
            "(with Shift the low end), Home"
        )

    @property
    def range(self) -> tuple[float, float]:
        """Values of both ends."""
        return self._low, self._high

    def show_map(
        self, name: str, low: float, high: float, label: str = "", factor: float = 1.0
    ) -> None:
        """Show a map, its range and what it is of."""
        self._map, self._label, self._factor = name, label, factor or 1.0
        self._low, self._high = low, high
        shown = f"{low * self._factor:.4g} to {high * self._factor:.4g}"
        self.setAccessibleDescription(f"{label}: {shown}" if label else shown)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for the numbers."""
        metrics = QFontMetricsF(self.font())
        numbers = max((metrics.horizontalAdvance(t) for _, t in self.ticks()), default=30.0)
        label = metrics.height() + 6 if self._label else 0
        return QSize(math.ceil(8 + _BAR + 8 + max(numbers, 36) + label + 6), 160)

    def minimumSizeHint(self) -> QSize:
        """As wide as it is."""
        return QSize(self.sizeHint().width(), 80)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers of the range, in the unit of the label, and their texts."""
        low, high = sorted((self._low * self._factor, self._high * self._factor))
        if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
            return []
        count = max(1.0, (self.height() - _TOP - _BOTTOM) / _LABELS)
        step = round_length((high - low) / count)
        while (high - low) / step > count:  # 1, 2, 5: the next round number
            step = round_length(2.5 * step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        if max(abs(low), abs(high)) >= 1e5 or step < 1e-4:
            return [(n * step, f"{n * step:.3g}") for n in range(first, last + 1)]
        return [(n * step, f"{n * step:.{digits}f}") for n in range(first, last + 1)]

    # -- events ----------------------------------------------------------------------------------

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Colours, a frame, numbers, and the label upwards at the right."""
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        bar = self._bar()
        column = np.ascontiguousarray(packed(self._map)[::-1, None])
        image = QImage(column.tobytes(), 1, len(column), 4, QImage.Format.Format_RGB32)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(bar, image)
        painter.setPen(QPen(text, 1))
        painter.drawRect(bar)
        metrics = QFontMetricsF(self.font())
        for value, name in self.ticks():
            y = self._height_of(value / self._factor)
            painter.drawLine(QPointF(bar.right(), y), QPointF(bar.right() + 4, y))
            painter.drawText(QPointF(bar.right() + 8, y + metrics.capHeight() / 2), name)
        if self._label:
            painter.save()
            painter.translate(self.width() - 5 - metrics.descent(), bar.center().y())
            painter.rotate(-90)
            room = bar.height()
            shown = metrics.elidedText(self._label, Qt.TextElideMode.ElideRight, room)
            painter.drawText(QPointF(-metrics.horizontalAdvance(shown) / 2, 0), shown)
            painter.restore()
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(bar.adjusted(-3, -3, 3, 3))
        if self._part and self._start is None:
            self._paint_grip(painter, bar)

    def _paint_grip(self, painter: QPainter, bar: QRectF) -> None:
        """Show which end would be dragged."""
        painter.setPen(QPen(QColor(255, 255, 255, 220), 2))
        third = bar.height() / 3
        top = {"high": 0.0, "both": third, "low": 2 * third}[self._part]
        painter.drawRect(QRectF(bar.left() + 2, bar.top() + top + 2, bar.width() - 4, third - 4))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take hold of an end."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._part = self._part_at(event.position().y())
            self._start = event.position().y(), self._low, self._high
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move it."""
        if event is None:
            return
        y = event.position().y()
        if self._start is None:
            part = self._part_at(y)
            if part != self._part:
                self._part = part
                self.update()
            return
        start, low, high = self._start
        change = (y - start) / max(1.0, self._bar().height()) * (high - low)
        self._drag(low, high, change)

    def mouseReleaseEvent(self, _: QMouseEvent | None) -> None:
        """Let it go."""
        self._start = None
        self.update()

    def mouseDoubleClickEvent(self, _: QMouseEvent | None) -> None:
        """Ask for the automatic range."""
        self._start = None
        self.reset.emit()

    def leaveEvent(self, event: object) -> None:
        """No end is pointed at."""
        super().leaveEvent(event)  # type: ignore[arg-type]
        self._part = ""
        self.update()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Wider or narrower, about the middle; one that starts at zero stays there."""
        if event is None:
            return
        factor = 1.15 ** (-event.angleDelta().y() / _NOTCH)
        low, high = self._low, self._high
        if low == 0:
            self._set(low, high * factor)
        else:
            middle, half = (low + high) / 2, (high - low) / 2 * factor
            self._set(middle - half, middle + half)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Up and down, with Shift for the low end."""
        if event is None:
            return
        key = event.key()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = (self._high - self._low) * (_KEY if key == Qt.Key.Key_Up else -_KEY)
            is_low = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._part = "low" if is_low else "high"
            self._drag(self._low, self._high, step)
            self._part = ""
        elif key == Qt.Key.Key_Home:
            self.reset.emit()
        else:
            super().keyPressEvent(event)

    # -- the rest --------------------------------------------------------------------------------

    def _bar(self) -> QRectF:
        return QRectF(8, _TOP, _BAR, max(10, self.height() - _TOP - _BOTTOM))

    def _height_of(self, value: float) -> float:
        bar = self._bar()
        return bar.bottom() - (value - self._low) / (self._high - self._low) * bar.height()

    def _part_at(self, y: float) -> str:
        bar = self._bar()
        place = (y - bar.top()) / bar.height()
        return "high" if place < 1 / 3 else "low" if place > 2 / 3 else "both"

    def _drag(self, low: float, high: float, change: float) -> None:
        if self._part == "both":
            self._set(low + change, high + change)
            return
        # what is under the pointer goes with it: the range gets wider or narrower by as much
        least = 0.01 * (high - low)
        if self._part == "high":
            high = max(high + change, low + least)
            self._set(-high if self._mirrored(low, high - change) else low, high)
        else:
            low = min(low + change, high - least)
            self._set(low, -low if self._mirrored(low - change, high) else high)

    def _mirrored(self, low: float, high: float) -> bool:
        """Whether zero is in the middle of a map that has one, and stays there."""
        return is_diverging(self._map) and math.isclose(low, -high, rel_tol=1e-6)

    def _set(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high)) or not high > low:
            return
        self.show_map(self._map, low, high, self._label, self._factor)
        self.dragged.emit(low, high)
