"""What the program saw in the pair, and what it suggests, each with a button to use it."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gui.advice import Advice, Figure, Suggestion
from gui.views.theme import is_dark

# a sign and a word beside the colour, so that none depends on seeing colours
MARKS = {
    "good": ("✓", "good", "#1a7f37", "#5bd17a"),
    "doubtful": ("▲", "doubtful", "#9a6700", "#e3b341"),
    "bad": ("✕", "bad", "#b3261e", "#ff8a80"),
    "unknown": ("?", "not known", "#6b7280", "#9aa2ad"),
}


class SuggestionsPanel(QWidget):
    """Figures of the pair with their marks, warnings, and suggestions.

    Signals
    -------
    look_wanted()
        Look at the pair again.
    use_wanted(str)
        Use the suggestion of this name; empty = all of them.
    """

    look_wanted = pyqtSignal()
    use_wanted = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        head = QHBoxLayout()
        self.title = _text("Open a pair of images: the program then looks at them.")
        self.look = QPushButton("Look")
        self.look.setObjectName("look")
        self.look.setAccessibleName("Look at this pair")
        self.look.setToolTip("Measure density, diameter, noise and displacement of this pair")
        self.look.clicked.connect(lambda _=False: self.look_wanted.emit())
        head.addWidget(self.title, 1)
        head.addWidget(self.look)
        layout.addLayout(head)
        self._suggestions = QVBoxLayout()
        layout.addLayout(self._suggestions)
        self._figures = QGridLayout()
        self._figures.setColumnStretch(1, 1)
        self._figures.setHorizontalSpacing(8)
        layout.addLayout(self._figures)
        layout.addStretch(1)
        self.buttons: dict[str, QPushButton] = {}
        self._advice: Advice | None = None
        self.set_ready(False)

    def set_ready(self, ready: bool) -> None:
        """Whether there is a pair to look at."""
        self.look.setEnabled(ready)

    def show_busy(self, text: str) -> None:
        """Say what is being done."""
        self.title.setText(text)

    def show_advice(self, advice: Advice | None, title: str) -> None:
        """Show what was found; None = nothing yet."""
        self._advice = advice
        self.title.setText(title)
        _clear(self._suggestions)
        _clear(self._figures)
        self.buttons.clear()
        if advice is None:
            return
        for suggestion in advice.suggestions:
            self._suggestions.addWidget(self._card(suggestion))
        if len(advice.suggestions) > 1:
            self._suggestions.addWidget(self._use_all(advice.suggestions))
        for row, figure in enumerate(advice.figures):
            self._add_figure(2 * row, figure)

    def refresh(self) -> None:
        """Take the colours of another theme."""
        self.show_advice(self._advice, self.title.text())

    def _card(self, suggestion: Suggestion) -> QWidget:
        card = QFrame()
        card.setFrameShape(QFrame.Shape.StyledPanel)
        layout = QGridLayout(card)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setColumnStretch(0, 1)
        what = _text(suggestion.text[:1].upper() + suggestion.text[1:], bold=True)
        button = QPushButton("Use")
        button.setObjectName(f"use.{suggestion.name}")
        button.setAccessibleName(f"Use {suggestion.text}")
        button.setToolTip(f"Use {suggestion.text}; Ctrl+Z takes it back")
        button.clicked.connect(lambda _=False, name=suggestion.name: self.use_wanted.emit(name))
        self.buttons[suggestion.name] = button
        layout.addWidget(what, 0, 0)
        layout.addWidget(button, 0, 1, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(_text(suggestion.why), 1, 0, 1, 2)
        return card

    def _use_all(self, suggestions: Sequence[Suggestion]) -> QPushButton:
        button = QPushButton(f"Use all {len(suggestions)}")
        button.setObjectName("use_all")
        button.setAccessibleName("Use all suggestions")
        button.setToolTip("Use all suggestions")
        button.clicked.connect(lambda _=False: self.use_wanted.emit(""))
        self.buttons[""] = button
        return button

    def _add_figure(self, row: int, figure: Figure) -> None:
        sign, word, light, dark = MARKS[figure.mark]
        mark = QLabel(sign)
        mark.setStyleSheet(f"color: {dark if is_dark() else light}; font-weight: 700;")
        mark.setToolTip(word)
        mark.setAccessibleName(f"{figure.label}: {word}")
        name = _text(figure.label)
        value = _text(figure.text)
        tip = f"{figure.label}: {word}. {figure.advice}".strip()
        for widget in (name, value):
            widget.setToolTip(tip)
        self._figures.addWidget(mark, row, 0, Qt.AlignmentFlag.AlignTop)
        self._figures.addWidget(name, row, 1, Qt.AlignmentFlag.AlignTop)
        self._figures.addWidget(value, row, 2, Qt.AlignmentFlag.AlignTop)
        self._figures.setColumnStretch(2, 1)
        if figure.advice:
            advice = _text(f"{word}: {figure.advice}")
            advice.setStyleSheet(f"color: {dark if is_dark() else light};")
            self._figures.addWidget(advice, row + 1, 1, 1, 2)


def _text(text: str, *, bold: bool = False) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
    label.setMinimumWidth(60)
    if bold:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


def _clear(layout: QVBoxLayout | QGridLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
