"""The bar below the canvas: which pair, which frame, playing."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QSlider,
    QSpinBox,
    QToolButton,
    QWidget,
)


class Navigator(QFrame):
    """Steps through the pairs, plays them, shows frame A or B.

    Signals
    -------
    chosen(int)
        A pair, counted from 0.
    play_rate_chosen(float), flicker_rate_chosen(float)
        Pairs, frames a second.
    """

    chosen = pyqtSignal(int)
    play_rate_chosen = pyqtSignal(float)
    flicker_rate_chosen = pyqtSignal(float)

    def __init__(self, actions: dict[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("navigator")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 3, 8, 3)
        layout.setSpacing(3)
        for name in ("series.previous", "series.play", "series.next"):
            layout.addWidget(_button(actions[name]))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Pair")
        self.slider.setToolTip("Go to a pair")
        self.slider.setMinimumWidth(50)
        self.number = QSpinBox()
        self.number.setAccessibleName("Number of the pair")
        self.number.setToolTip("Number of the pair that is shown")
        self.number.setKeyboardTracking(False)
        self.play_rate = _rate("Pairs a second", "How fast pairs are played", 5.0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)
        layout.addWidget(self.play_rate)
        layout.addSpacing(10)
        self.frame_buttons = [_button(actions[f"image.frame_{which}"]) for which in "ab"]
        for button in self.frame_buttons:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            layout.addWidget(button)
        layout.addWidget(_button(actions["image.flicker"]))
        self.flicker_rate = _rate("Frames a second", "How fast A and B flicker", 4.0)
        layout.addWidget(self.flicker_rate)
        self.slider.valueChanged.connect(self.chosen)
        self.number.valueChanged.connect(lambda n: self.chosen.emit(n - 1))
        self.play_rate.valueChanged.connect(self.play_rate_chosen)
        self.flicker_rate.valueChanged.connect(self.flicker_rate_chosen)
        self.show_place(0, 0)

    def show_place(self, index: int, count: int) -> None:
        """Which of how many pairs is shown."""
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
        self.slider.setRange(0, max(0, count - 1))
        self.slider.setValue(index)
        self.slider.setPageStep(max(1, count // 10))
        self.number.setRange(min(1, count), count)
        self.number.setValue(index + 1 if count else 0)
        self.number.setSuffix(f" of {count}")
        for widget in (self.slider, self.number):
            widget.blockSignals(False)
            widget.setEnabled(count > 1)
        self.play_rate.setEnabled(count > 1)


def _button(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setDefaultAction(action)
    button.setAutoRaise(True)
    button.setIconSize(QSize(18, 18))
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setAccessibleName(action.text().replace("&", ""))
    return button


def _rate(name: str, tip: str, value: float) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(0.5, 30.0)
    spin.setDecimals(1)
    spin.setValue(value)
    spin.setSuffix(" /s")
    spin.setKeyboardTracking(False)
    spin.setAccessibleName(name)
    spin.setToolTip(tip)
    return spin
