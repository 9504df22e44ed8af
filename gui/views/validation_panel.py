"""The panel in which vectors are judged again, and rejected by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui.views.naming import named, silent
from piv.settings import ValidateSettings

_LABELS = {
    "median_threshold": "Median test: threshold",
    "median_noise": "Median test: noise",
    "peak_ratio": "Smallest peak ratio",
    "peak_height": "Smallest peak height",
    "largest": "Largest displacement",
}


class ValidationPanel(QWidget):
    """Thresholds of the tests and buttons for rejecting by hand; emits wishes.

    Signals
    -------
    thresholds_changed(object)
        A dict of values of :class:`piv.settings.ValidateSettings`.
    reset_requested()
        Back to the thresholds of the analysis.
    adopt_requested()
        Use these thresholds for what is analysed from now on.
    reject_click_requested(bool), reject_box_requested(bool)
        Whether clicks, or boxes, on the image reject vectors.
    restore_requested()
        Take back all that was rejected by hand.
    scatter_requested()
        Show u over v.
    """

    thresholds_changed = pyqtSignal(object)
    reset_requested = pyqtSignal()
    adopt_requested = pyqtSignal()
    reject_click_requested = pyqtSignal(bool)
    reject_box_requested = pyqtSignal(bool)
    restore_requested = pyqtSignal()
    scatter_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self._make_tests())
        layout.addWidget(self._make_hand())
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setAccessibleName("How many vectors are valid")
        layout.addWidget(self.summary)
        layout.addStretch(1)

    def _make_tests(self) -> QGroupBox:
        box = QGroupBox("Tests of the correlation's vectors")
        form = QFormLayout(box)
        self.fields: dict[str, QDoubleSpinBox] = {}
        for item in dataclasses.fields(ValidateSettings):
            meta = item.metadata
            spin = named(QDoubleSpinBox(), _LABELS[item.name], meta["help"], item.name)
            spin.setRange(float(meta["low"]), float(meta["high"]))
            spin.setDecimals(2)
            spin.setSingleStep(0.5 if item.name == "largest" else 0.1)
            if item.name == "peak_height":
                spin.setSingleStep(0.02)
            spin.setSuffix(f" {meta['unit']}" if meta["unit"] else "")
            spin.setKeyboardTracking(False)
            if item.name == "largest":
                spin.setSpecialValueText("no limit")
            spin.valueChanged.connect(
                lambda value, name=item.name: self.thresholds_changed.emit({name: value})
            )
            form.addRow(_LABELS[item.name], spin)
            self.fields[item.name] = spin
        self.reset = named(
            QPushButton("Reset"), "Reset the thresholds",
            "Back to the thresholds with which the pair was analysed", "validation_reset",
        )  # fmt: skip
        self.adopt = named(
            QPushButton("Use for the series"), "Use the thresholds for the series",
            "Put these thresholds into the settings of the next analyses", "validation_adopt",
        )  # fmt: skip
        self.reset.clicked.connect(self.reset_requested)
        self.adopt.clicked.connect(self.adopt_requested)
        row = QHBoxLayout()
        row.addWidget(self.reset)
        row.addWidget(self.adopt)
        form.addRow(row)
        return box

    def _make_hand(self) -> QGroupBox:
        box = QGroupBox("Rejected by hand")
        column = QVBoxLayout(box)
        self.click = named(
            QPushButton("Click on vectors"), "Reject vectors by clicks",
            "Each click rejects the nearest vector; a second click takes it back",
            "validation_click",
        )  # fmt: skip
        self.box = named(
            QPushButton("Draw boxes"), "Reject vectors in boxes",
            "All vectors in a box drawn on the image are rejected", "validation_box",
        )  # fmt: skip
        for button, signal in (
            (self.click, self.reject_click_requested), (self.box, self.reject_box_requested),
        ):  # fmt: skip
            button.setCheckable(True)
            button.clicked.connect(signal)
        self.scatter = named(
            QPushButton("Limits in the u-v plot"), "Limits in the scatter plot",
            "Show how the vectors are spread over u and v, and draw limits there",
            "validation_scatter",
        )  # fmt: skip
        self.restore = named(
            QPushButton("Take all back"), "Take back what was rejected by hand",
            "Forget all vectors, boxes and limits of this pair", "validation_restore",
        )  # fmt: skip
        self.scatter.clicked.connect(self.scatter_requested)
        self.restore.clicked.connect(self.restore_requested)
        for button in (self.click, self.box, self.scatter, self.restore):
            column.addWidget(button)
        return box

    def show_thresholds(self, settings: ValidateSettings, *, changed: bool) -> None:
        """Show thresholds, and whether they differ from those of the analysis."""
        for name, spin in self.fields.items():
            with silent(spin):
                spin.setValue(getattr(settings, name))
        self.reset.setEnabled(changed)

    def show_tool(self, name: str) -> None:
        """Show which of "click", "box" or "" is at work."""
        with silent(self.click, self.box):
            self.click.setChecked(name == "click")
            self.box.setChecked(name == "box")

    def show_summary(self, text: str, *, edited: bool) -> None:
        """Show how many vectors are valid, and whether something was rejected by hand."""
        self.summary.setText(text)
        self.restore.setEnabled(edited)

    def set_ready(self, ready: bool) -> None:
        """Enable what needs a result."""
        widgets: list[Any] = [*self.fields.values(), self.click, self.box, self.scatter, self.adopt]
        for each in widgets:
            each.setEnabled(ready)
