"""The panel that keeps everything that was said."""

from __future__ import annotations

from html import escape

from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from gui.tell import KEPT, Message

_COLOURS = {"info": "#4a90e2", "warning": "#c98a1b", "error": "#d9483b"}


class LogPanel(QWidget):
    """Messages with their time, newest at the end; errors with their details."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.messages: list[Message] = []
        self._text = QTextBrowser()
        self._text.setAccessibleName("Messages")
        self._text.setToolTip("What was said since the program began")
        self._text.document().setMaximumBlockCount(20 * KEPT)  # type: ignore[union-attr]
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy all messages, such as for a question to the authors")
        self.copy_button.setAccessibleName("Copy all messages")
        self.copy_button.clicked.connect(self.copy)
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Empty this list")
        self.clear_button.setAccessibleName("Clear the messages")
        self.clear_button.clicked.connect(self.clear)
        buttons = QVBoxLayout()
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.clear_button)
        buttons.addStretch()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self._text, 1)
        layout.addLayout(buttons)

    def show_message(self, message: Message) -> None:
        """Add a message at the end."""
        self.messages.append(message)
        detail = f"<pre>{escape(message.detail)}</pre>" if message.detail else ""
        self._text.append(
            f'<span style="color:gray">{message.at:%H:%M:%S}</span> '
            f'<b style="color:{_COLOURS[message.level]}">{message.level}</b> '
            f"{escape(message.text)}{detail}"
        )

    def text(self) -> str:
        """Everything as plain text."""
        return self._text.toPlainText()

    def copy(self) -> None:
        """Put all messages on the clipboard."""
        self._text.selectAll()
        self._text.copy()
        cursor = self._text.textCursor()
        cursor.clearSelection()
        self._text.setTextCursor(cursor)

    def clear(self) -> None:
        """Forget all messages."""
        self.messages.clear()
        self._text.clear()
