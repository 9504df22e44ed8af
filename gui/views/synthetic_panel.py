"""The panel of synthetic pairs: what is made, how a result compares, what to expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from PyQt6.QtCore import QRectF, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.synthetic import COLUMNS, FACTORS, FLOWS, LARGEST, Maker, PlanRow, cells
from gui.views.plot import ColourImage, Plot
from piv.types import MINIMUM_SIZE

_FIGURES = (
    ("End-point error", "mean_endpoint_error", "{:.3f} px", 1.0, "Mean length of the error"),
    ("Rms error", "vector_rms", "{:.3f} px", 1.0, "Root mean square length of the error"),
    ("Bias of u", "bias_u", "{:+.3f} px", 1.0, "Mean error of u"),
    ("Bias of v", "bias_v", "{:+.3f} px", 1.0, "Mean error of v, down"),
    ("Errors > 1 px", "outlier_share", "{:.2f} %", 100.0, "Share of errors above 1 px"),
    (
        "Within uncertainty", "coverage", "{:.1f} %", 100.0,
        "Share of errors within the stated uncertainty: 68.3 % would be right",
    ),
)  # fmt: skip


class SyntheticPanel(QWidget):
    """Choices and comparisons; it makes nothing by itself.

    Signals
    -------
    make_requested, save_requested, plan_requested, cancel_requested, copy_requested : nothing
    """

    make_requested = pyqtSignal()
    save_requested = pyqtSignal()
    plan_requested = pyqtSignal()
    cancel_requested = pyqtSignal()
    copy_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[PlanRow, ...] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        for box in (self._make_box(), self._truth_box(), self._plan_box()):
            layout.addWidget(box)
        layout.addStretch(1)
        self.show_errors(None)
        self.set_planning(False)

    # -- making

    def _make_box(self) -> QWidget:
        box = QGroupBox("Make pairs")
        form = QFormLayout(box)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.flow = QComboBox()
        for name, text in FLOWS.items():
            self.flow.addItem(text, name)
        self.flow.setMinimumContentsLength(12)
        self.flow.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        _named(self.flow, "Flow", "What moves the particles")
        form.addRow("Flow", self.flow)
        default = Maker()
        self.numbers: dict[str, QDoubleSpinBox] = {}
        for item in fields(Maker):
            if item.metadata:
                spin = QDoubleSpinBox()
                spin.setDecimals(4 if item.metadata["step"] < 0.05 else 2)
                spin.setRange(item.metadata["low"], item.metadata["high"])
                spin.setSingleStep(item.metadata["step"])
                spin.setValue(getattr(default, item.name))
                spin.setSuffix(f" {item.metadata['unit']}" if item.metadata["unit"] else "")
                _named(spin, item.name.capitalize(), item.metadata["help"])
                self.numbers[item.name] = spin
                form.addRow(item.name.capitalize(), spin)
        self.height_spin, self.width_spin = QSpinBox(), QSpinBox()
        size = QHBoxLayout()
        for spin_box, name, value in (
            (self.height_spin, "Height", default.height), (self.width_spin, "Width", default.width),
        ):  # fmt: skip
            spin_box.setRange(MINIMUM_SIZE, LARGEST)
            spin_box.setValue(value)
            spin_box.setSuffix(" px")
            spin_box.setMinimumWidth(60)
            _named(spin_box, name, f"{name} of the images")
            size.addWidget(spin_box)
        size.insertWidget(1, QLabel("x"))
        form.addRow("Height x width", size)
        self.count, self.seed = QSpinBox(), QSpinBox()
        self.count.setRange(1, 1000)
        self.seed.setRange(0, 1_000_000)
        _named(self.count, "Pairs", "How many pairs are made")
        _named(self.seed, "Seed", "The same seed gives the same pairs")
        row = QHBoxLayout()
        row.addWidget(self.count)
        row.addWidget(QLabel("seed"))
        row.addWidget(self.seed)
        form.addRow("Pairs", row)
        self.make_button = _button(
            "Make and open", "Make the pairs and open them with their truth", self.make_requested
        )
        self.save_button = _button(
            "Keep as…", "Keep the pairs that are open in a file", self.save_requested
        )
        self.save_button.setEnabled(False)
        buttons = QHBoxLayout()
        buttons.addWidget(self.make_button)
        buttons.addWidget(self.save_button)
        form.addRow(buttons)
        return box

    def maker(self) -> Maker:
        """What is chosen.

        Raises
        ------
        SettingsError
            If a value is outside its range.
        """
        return Maker(
            flow=str(self.flow.currentData()),
            height=self.height_spin.value(),
            width=self.width_spin.value(),
            count=self.count.value(),
            seed=self.seed.value(),
            **{name: round(spin.value(), 6) for name, spin in self.numbers.items()},
        )

    def set_made(self, open_: bool) -> None:
        """Whether pairs that were made here are open."""
        self.save_button.setEnabled(open_)

    # -- truth

    def _truth_box(self) -> QWidget:
        box = QGroupBox("Compared with the truth")
        layout = QVBoxLayout(box)
        self.truth_note = QLabel()
        self.truth_note.setWordWrap(True)
        self.truth_note.setAccessibleName("How the result compares with the truth")
        layout.addWidget(self.truth_note)
        self.figures = QWidget()
        grid = QGridLayout(self.figures)
        grid.setContentsMargins(0, 0, 0, 0)
        self.values: dict[tuple[str, str], QLabel] = {}
        for column, stage in ((1, "dense"), (2, "coarse")):
            grid.addWidget(QLabel(f"<b>{stage}</b>"), 0, column)
        for row, (label, name, _, _, tip) in enumerate(_FIGURES, start=1):
            heading = QLabel(label)
            heading.setToolTip(tip)
            grid.addWidget(heading, row, 0)
            for column, stage in ((1, "dense"), (2, "coarse")):
                cell = QLabel("–")
                cell.setAccessibleName(f"{label}, {stage} field")
                cell.setToolTip(tip)
                self.values[stage, name] = cell
                grid.addWidget(cell, row, column)
        layout.addWidget(self.figures)
        tip = "End-point error of every vector, px; drag to move, wheel to zoom"
        self.map_view = Plot("Map of the end-point error", tip, (220, 240))
        self.map_view.setFixedHeight(240)
        plot = self.map_view.getPlotItem()
        plot.invertY(True)
        plot.setAspectLocked(True)
        plot.setTitle("End-point error (px)", size="9pt")
        self.map_image = ColourImage("magma")
        plot.addItem(self.map_image)
        self.map_scale = Plot("Colours of the map", "End-point error, px", (64, 240))
        self.map_scale.setFixedSize(64, 240)
        scale = self.map_scale.getPlotItem()
        scale.hideAxis("bottom")
        scale.setTitle("px", size="9pt")
        scale.setMouseEnabled(False, False)
        self.map_colours = ColourImage("magma")
        scale.addItem(self.map_colours)
        self.map_row = QWidget()
        both = QHBoxLayout(self.map_row)
        both.setContentsMargins(0, 0, 0, 0)
        both.addWidget(self.map_view, 1)
        both.addWidget(self.map_scale)
        layout.addWidget(self.map_row)
        return box

    def show_errors(self, found: Mapping[str, Any] | None, note: str = "") -> None:
        """Show how a result compares; None: there is nothing to compare.

        Parameters
        ----------
        found : mapping or None
            From the task ``synthetic.errors``.
        note : str
        """
        there = found is not None
        self.figures.setVisible(there)
        self.map_row.setVisible(there)
        self.truth_note.setText(
            note or ("" if there else "Make pairs, then analyse one: its errors appear here.")
        )
        self.truth_note.setVisible(bool(self.truth_note.text()))
        if found is None:
            return
        for stage in ("dense", "coarse"):
            figures = found[stage]
            for _, name, shown, factor, _ in _FIGURES:
                text = "–"
                if figures is not None and np.isfinite(figures.get(name, np.nan)):
                    text = shown.format(factor * figures[name])
                self.values[stage, name].setText(text)
        values = np.asarray(found["map"])
        seen = values[np.isfinite(values)]
        top = float(np.percentile(seen, 99)) if seen.size else 1.0
        levels = (0.0, top or 1.0)
        left, upper, right, lower = found["extent"]
        place = QRectF(left, upper, right - left, lower - upper)
        self.map_image.show_array(values, levels, place)
        self.map_view.getPlotItem().vb.setRange(place, padding=0.02)
        ramp = np.linspace(*levels, 256)[:, np.newaxis]
        self.map_colours.show_array(ramp, levels, QRectF(0.0, 0.0, 1.0, levels[1]))
        self.map_scale.getPlotItem().vb.setRange(QRectF(0.0, 0.0, 1.0, levels[1]), padding=0)

    # -- planning

    def _plan_box(self) -> QWidget:
        box = QGroupBox("Plan an experiment")
        form = QFormLayout(box)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        about = QLabel(
            "The error to be expected with the settings of the window when one thing is varied and "
            "all else is as above."
        )
        about.setWordWrap(True)
        form.addRow(about)
        self.factor = QComboBox()
        self.factor.addItems(list(FACTORS))
        _named(self.factor, "Varied", "What is varied")
        self.plan_values = QLineEdit()
        _named(self.plan_values, "Values", "Numbers, separated by commas")
        self.factor.currentTextChanged.connect(self._propose)
        self._propose(self.factor.currentText())
        self.plan_pairs = QSpinBox()
        self.plan_pairs.setRange(1, 20)
        self.plan_pairs.setValue(2)
        _named(self.plan_pairs, "Pairs of each", "Pairs that are made for every value")
        form.addRow("Varied", self.factor)
        form.addRow("Values", self.plan_values)
        form.addRow("Pairs of each", self.plan_pairs)
        self.plan_button = _button(
            "Compute", "Make and analyse the pairs of every value", self.plan_requested
        )
        self.plan_cancel = _button("Cancel", "Stop computing", self.cancel_requested)
        self.copy_button = _button(
            "Copy table", "Copy the table, for a spreadsheet", self.copy_requested
        )
        row = QHBoxLayout()
        for button in (self.plan_button, self.plan_cancel, self.copy_button):
            row.addWidget(button)
        form.addRow(row)
        self.plan_status = QLabel()
        self.plan_status.setWordWrap(True)
        self.plan_status.setAccessibleName("State of the plan")
        form.addRow(self.plan_status)
        self.plan_table = QTableWidget(0, 1 + len(COLUMNS))
        self.plan_table.setAccessibleName("Expected errors")
        self.plan_table.setToolTip("Errors of all pairs of a value together")
        self.plan_table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.plan_table.setMinimumHeight(150)
        header, side = self.plan_table.horizontalHeader(), self.plan_table.verticalHeader()
        assert header is not None
        assert side is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        side.setVisible(False)
        self._headings("value")
        form.addRow(self.plan_table)
        return box

    def _propose(self, factor: str) -> None:
        self.plan_values.setText(", ".join(f"{value:g}" for value in FACTORS[factor]))

    def _headings(self, factor: str) -> None:
        self.plan_table.setHorizontalHeaderLabels([factor, *(label for label, *_ in COLUMNS)])

    def set_planning(self, running: bool, text: str = "") -> None:
        """Whether a plan is being computed, and how far it is."""
        self.plan_button.setEnabled(not running)
        self.plan_cancel.setEnabled(running)
        self.copy_button.setEnabled(not running and bool(self.rows))
        self.plan_status.setText(text)
        self.plan_status.setVisible(bool(text))

    def show_plan(self, factor: str, rows: Sequence[PlanRow]) -> None:
        """Show what is to be expected."""
        self.rows = tuple(rows)
        self._headings(factor)
        self.plan_table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(cells(row)):
                item = QTableWidgetItem(text)
                if row.error:
                    item.setToolTip(row.error)
                self.plan_table.setItem(number, column, item)
        self.copy_button.setEnabled(bool(rows))


def _named(widget: Any, name: str, tip: str) -> None:
    widget.setAccessibleName(name)
    widget.setToolTip(tip)


def _button(text: str, tip: str, signal: Any) -> QPushButton:
    button = QPushButton(text)
    _named(button, text.rstrip("…"), tip)
    button.clicked.connect(lambda *_: signal.emit())
    return button
