"""The bar above the canvas that says what happened; it blocks nothing."""

from __future__ import annotations

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtGui import QGuiApplication, QPalette
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from gui.tell import Message
from gui.views.theme import is_dark

_COLOURS = {  # background, line; light then dark
    "info": (("#e6f1fd", "#1f6fd6"), ("#1d3350", "#3d8bfd")),
    "warning": (("#fff4d6", "#b7791f"), ("#453812", "#e0a83a")),
    "error": (("#fde7e6", "#b3261e"), ("#4b2322", "#ff8a80")),
}
_MARKS = {"info": "i", "warning": "!", "error": "\u2715"}
_WORDS = {"info": "Information", "warning": "Warning", "error": "Error"}
_STAYS = 7000  # ms; warnings and errors stay until they are closed


class MessageBar(QFrame):
    """Shows the latest message; errors and warnings stay until they are closed.

    Signals
    -------
    details_wanted()
        The log, where everything is kept, is to be shown.
    """

    details_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messageBar")
        self._level = "info"
        self._mark = QLabel()
        self._mark.setFixedWidth(18)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._text.setMinimumWidth(120)
        self._details = QPushButton("Details")
        self._details.setToolTip("Show the log, with everything that was said")
        self._details.setAccessibleName("Details of the message")
        self._details.clicked.connect(self.details_wanted)
        self._close = QPushButton("Dismiss")
        self._close.setToolTip("Close this message; the log keeps it")
        self._close.setAccessibleName("Dismiss the message")
        self._close.clicked.connect(self.dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 5, 8, 5)
        layout.addWidget(self._mark)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._details)
        layout.addWidget(self._close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.dismiss)
        self.hide()

    @property
    def text(self) -> str:
        """What is shown."""
        return self._text.text() if not self.isHidden() else ""

    def show_message(self, message: Message) -> None:
        """Show a message; one that is more serious is not replaced by news."""
        if message.level == "info" and not self.isHidden() and self._level == "error":
            return
        self._level = message.level
        self._text.setText(message.text)
        self._mark.setText(_MARKS[message.level])
        self._details.setVisible(bool(message.detail))
        self.setAccessibleName(f"{_WORDS[message.level]}: {message.text}")
        self.restyle()
        self.show()
        if message.level == "info":
            self._timer.start(_STAYS)
        else:
            self._timer.stop()

    def dismiss(self) -> None:
        """Close it."""
        self._timer.stop()
        self.hide()

    def restyle(self) -> None:
        """Take the colours of the theme."""
        back, line = _COLOURS[self._level][is_dark()]
        # the bar's own palette is that of its old style sheet until the next one is set
        text = QGuiApplication.palette().color(QPalette.ColorRole.WindowText).name()
        self.setStyleSheet(
            f"#messageBar {{ background: {back}; border: 0; border-left: 4px solid {line};"
            f" border-bottom: 1px solid {line}; }} QLabel {{ color: {text}; }}"
        )
        self._mark.setStyleSheet(f"color: {line}; font-weight: bold;")
