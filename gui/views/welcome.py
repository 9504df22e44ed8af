"""What the empty window shows: what to do first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

_STEPS = (
    ("1", "Open", "two images, a folder, a data set or a video"),
    ("2", "Look", "flicker between A and B (Space), draw a mask around what is no fluid (Ctrl+E)"),
    ("3", "Analyse", "one pair (Ctrl+A), then the whole series (Ctrl+R)"),
    ("4", "Save", "figures, a film, data in other formats, a report"),
)


class Welcome(QWidget):
    """Shown while nothing is open.

    Signals
    -------
    open_requested(), folder_requested(), example_requested()
        A button was pressed.
    recent_requested(object)
        A tuple of paths of the list of recent files was pressed.
    """

    open_requested = pyqtSignal()
    folder_requested = pyqtSignal()
    example_requested = pyqtSignal()
    recent_requested = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hot = False
        title = QLabel("Drop two images here")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 2.0)
        font.setBold(True)
        title.setFont(font)
        under = QLabel(
            "or a folder, an HDF5 data set, a multi-page tif, a video, results, a session"
        )
        under.setAlignment(Qt.AlignmentFlag.AlignCenter)
        under.setWordWrap(True)
        self.open_button = _button("Open files…", "Choose images or another file (Ctrl+O)")
        self.folder_button = _button("Open a folder…", "Choose a folder of images")
        self.example_button = _button(
            "Make an example", "Draw a synthetic image pair with known displacement and open it"
        )
        self.open_button.clicked.connect(self.open_requested)
        self.folder_button.clicked.connect(self.folder_requested)
        self.example_button.clicked.connect(self.example_requested)
        self.open_button.setDefault(True)
        buttons = QHBoxLayout()
        buttons.addStretch()
        for button in (self.open_button, self.folder_button, self.example_button):
            buttons.addWidget(button)
        buttons.addStretch()
        steps = QLabel(
            "<table cellspacing='0' cellpadding='4'>"
            + "".join(
                f"<tr><td><b>{n}</b></td><td><b>{word}</b></td><td>{text}</td></tr>"
                for n, word, text in _STEPS
            )
            + "</table>"
        )
        steps.setTextFormat(Qt.TextFormat.RichText)
        self._recent_title = QLabel("<b>Recent</b>")
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(40, 30, 40, 30)
        layout.addStretch(2)
        layout.addWidget(title)
        layout.addSpacing(4)
        layout.addWidget(under)
        layout.addSpacing(16)
        layout.addLayout(buttons)
        layout.addSpacing(28)
        layout.addWidget(steps, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(16)
        layout.addWidget(self._recent_title, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addLayout(self._recent)
        layout.addStretch(3)
        self.set_recent([])

    def set_hot(self, hot: bool) -> None:
        """Show that something would be dropped here."""
        self._hot = hot
        self.update()

    def set_recent(self, entries: Sequence[tuple[Path, ...]]) -> None:
        """List what was open lately; files that were opened together are one entry."""
        while (item := self._recent.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self._recent_title.setVisible(bool(entries))
        for paths in entries:
            names = ", ".join(path.name or str(path) for path in paths[:2])
            text = f"{names}…" if len(paths) > 2 else names
            button = QPushButton(text)
            button.setFlat(True)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.setToolTip("\n".join(str(path) for path in paths[:12]))
            button.setAccessibleName(f"Open {text} again")
            button.clicked.connect(lambda _=False, p=paths: self.recent_requested.emit(p))
            self._recent.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the dashed frame into which things are dropped."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        role = QPalette.ColorRole.Highlight if self._hot else QPalette.ColorRole.Mid
        pen = QPen(self.palette().color(role), 3 if self._hot else 2, Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(14, 14, -14, -14), 14, 14)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(text.removesuffix("…"))
    return button
