"""Before and after preprocessing, side by side with a line that can be dragged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget


class Split(QWidget):
    """Two pictures of one size, left of a line the first, right of it the second.

    Signals
    -------
    moved(float)
        The line was dragged: share of the width left of it.
    """

    moved = pyqtSignal(float)

    def __init__(self) -> None:
        super().__init__()
        self._images: tuple[QImage, QImage] | None = None
        self.at = 0.5
        self.setObjectName("split")
        self.setAccessibleName("Before and after preprocessing")
        self.setToolTip("Drag, or use the arrow keys: left as recorded, right as analysed")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_images(
        self, before: npt.NDArray[np.uint8] | None, after: npt.NDArray[np.uint8] | None
    ) -> None:
        """Show two arrays, shape (H, W); None = nothing."""
        if before is None or after is None:
            self._images = None
        else:
            self._images = (_picture(before), _picture(after))
        self.update()

    @property
    def empty(self) -> bool:
        """Whether nothing is shown."""
        return self._images is None

    def set_at(self, at: float) -> None:
        """Move the line."""
        self.at = min(max(at, 0.0), 1.0)
        self.update()
        self.moved.emit(self.at)

    def sizeHint(self) -> QSize:
        """A quarter of a page."""
        return QSize(320, 240)

    def minimumSizeHint(self) -> QSize:
        """Small enough for any panel."""
        return QSize(160, 120)

    def target(self) -> QRectF:
        """Where the pictures are drawn: as large as fits, with their proportions."""
        if self._images is None:
            return QRectF(self.rect())
        width, height = self._images[0].width(), self._images[0].height()
        scale = min(self.width() / width, self.height() / height)
        left = (self.width() - width * scale) / 2
        return QRectF(left, (self.height() - height * scale) / 2, width * scale, height * scale)

    def paintEvent(self, _: QPaintEvent | None) -> None:
        """Draw both parts and the line."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#101214"))
        if self._images is None:
            return
        target = self.target()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, target.width() <
                              self._images[0].width())  # fmt: skip
        edge = target.left() + self.at * target.width()
        for image, left, right in (
            (self._images[0], target.left(), edge),
            (self._images[1], edge, target.right()),
        ):
            painter.save()
            painter.setClipRect(QRectF(left, target.top(), right - left, target.height()))
            painter.drawImage(target, image)
            painter.restore()
        painter.setPen(QPen(QColor("#ffd33d"), 2))
        painter.drawLine(QPointF(edge, target.top()), QPointF(edge, target.bottom()))
        for text, flag in (("recorded", Qt.AlignmentFlag.AlignLeft),
                           ("analysed", Qt.AlignmentFlag.AlignRight)):  # fmt: skip
            box = target.adjusted(6, 4, -6, -4)
            painter.setPen(QColor(0, 0, 0))
            painter.drawText(box.translated(1, 1), flag | Qt.AlignmentFlag.AlignTop, text)
            painter.setPen(QColor("#ffd33d"))
            painter.drawText(box, flag | Qt.AlignmentFlag.AlignTop, text)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Bring the line here."""
        self._to(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drag the line."""
        self._to(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move the line with the arrow keys."""
        steps: dict[int, float] = {Qt.Key.Key_Left: -0.05, Qt.Key.Key_Right: 0.05}
        if event is not None and event.key() in steps:
            self.set_at(self.at + steps[event.key()])
        else:
            super().keyPressEvent(event)

    def _to(self, event: QMouseEvent | None) -> None:
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            target = self.target()
            self.set_at((event.position().x() - target.left()) / max(target.width(), 1))


class PreviewPanel(QWidget):
    """What preprocessing makes of the part of the frame in view.

    Signals
    -------
    shown()
        It has become visible, or larger: what it shows may be old.
    """

    shown = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        self.split = Split()
        self.text = QLabel("Open a pair of images first.")
        self.text.setWordWrap(True)
        self.text.setAccessibleName("About the preview")
        layout.addWidget(self.split, 1)
        layout.addWidget(self.text)

    def show_preview(self, result: dict[str, Any] | None, text: str) -> None:
        """Show the two pictures, and say what they are."""
        if result is None:
            self.split.show_images(None, None)
        else:
            self.split.show_images(result["before"], result["after"])
        self.text.setText(text)

    def showEvent(self, event: Any) -> None:
        """Ask for pictures when it becomes visible."""
        super().showEvent(event)
        self.shown.emit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the pictures."""
        super().resizeEvent(event)
        self.split.update()


def _picture(array: npt.NDArray[np.uint8]) -> QImage:
    data = np.ascontiguousarray(array)
    height, width = data.shape
    image = QImage(data.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return image.copy()  # with bytes of its own
