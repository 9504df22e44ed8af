"""What every widget needs that a user can act on: a name for those who cannot see it, and a tip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from PyQt6.QtCore import QObject, Qt
from PyQt6.QtWidgets import QComboBox, QDoubleSpinBox, QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, tip: str, key: str = "") -> W:
    """Give a widget its accessible name, its tool tip and, for tests, its object name."""
    widget.setAccessibleName(name)
    widget.setToolTip(tip)
    widget.setObjectName(key or name.lower().replace(" ", "_"))
    if widget.focusPolicy() == Qt.FocusPolicy.NoFocus:
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return widget


@contextmanager
def silent(*objects: QObject) -> Iterator[None]:
    """Set values without their signals: what is shown is no wish."""
    before = [each.blockSignals(True) for each in objects]
    try:
        yield
    finally:
        for each, old in zip(objects, before, strict=True):
            each.blockSignals(old)


def choose(box: QComboBox, value: object) -> None:
    """Select the entry with this data, without a signal."""
    with silent(box):
        box.setCurrentIndex(max(0, box.findData(value)))


class Number(QDoubleSpinBox):
    """A number of any size, shown with four significant digits and stepped by a tenth of it."""

    def __init__(self, low: float = -1e9, high: float = 1e9) -> None:
        super().__init__()
        self.setDecimals(9)
        self.setRange(low, high)
        self.setKeyboardTracking(False)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setMinimumWidth(70)

    def textFromValue(self, value: float) -> str:
        """As people write it."""
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"

    def show_value(self, value: float, unit: str = "") -> None:
        """Show a value and its unit, without a signal."""
        with silent(self):
            self.setSuffix(f" {unit}" if unit else "")
            self.setValue(value)
