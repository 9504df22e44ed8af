"""The panel of the statistics of a series."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.quantities import STATISTICS
from gui.views.naming import choose, named

PAIR = ""  # chosen in place of a statistic: the pair's own field is shown


class StatisticsPanel(QWidget):
    """Computes and chooses statistics; emits wishes.

    Signals
    -------
    run_requested(str), save_requested(str)
        Of the stage "dense" or "coarse".
    quantity_chosen(str)
        Of :data:`gui.quantities.STATISTICS`, or :data:`PAIR`.
    """

    run_requested = pyqtSignal(str)
    save_requested = pyqtSignal(str)
    quantity_chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        form = QFormLayout()
        self.stage = named(
            QComboBox(), "Field of the statistics", "Which field of each pair is averaged",
            "statistics_stage",
        )  # fmt: skip
        self.stage.addItem("every pixel (network)", "dense")
        self.stage.addItem("interrogation windows (correlation)", "coarse")
        self.run = named(
            QPushButton("Compute"), "Compute the statistics",
            "Mean, fluctuations and stresses over all results", "statistics_run",
        )  # fmt: skip
        self.quantity = named(
            QComboBox(), "Statistic shown", "What the colours show", "statistics_quantity"
        )
        self.quantity.addItem("none: the pair itself", PAIR)
        for each in STATISTICS.values():
            self.quantity.addItem(each.label, each.name)
        self.save = named(
            QPushButton("Save …"), "Save the statistics",
            "Write all of them to a netCDF file", "statistics_save",
        )  # fmt: skip
        form.addRow("&Field", self.stage)
        form.addRow(self.run)
        form.addRow("&Show", self.quantity)
        form.addRow(self.save)
        layout.addLayout(form)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setAccessibleName("What the statistics are made of")
        layout.addWidget(self.text)
        layout.addStretch(1)
        self.run.clicked.connect(lambda: self.run_requested.emit(self.stage.currentData()))
        self.save.clicked.connect(lambda: self.save_requested.emit(self.stage.currentData()))
        self.quantity.activated.connect(
            lambda: self.quantity_chosen.emit(self.quantity.currentData())
        )
        self.show_state("", ready=False, there=False)

    def show_state(self, text: str, *, ready: bool, there: bool) -> None:
        """Say what there is; ``ready``: there are results; ``there``: there are statistics."""
        self.text.setText(text)
        self.run.setEnabled(ready)
        self.save.setEnabled(there)
        self.quantity.setEnabled(there)

    def show_quantity(self, name: str) -> None:
        """Show which one is on the canvas."""
        choose(self.quantity, name if name in STATISTICS else PAIR)
