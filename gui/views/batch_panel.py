"""The panel that runs a series: what, where to, how far, what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.batch import BACKGROUNDS, Failure, RunState
from piv.batch.progress import duration_text, rate_text

_SHOWN = 2000  # failures in the list; all are in the results
_NAMED = 6  # single pairs that are named
_BACKGROUND_TEXTS = ("none", "mean of the run's frames", "minimum of the run's frames")


@dataclass(frozen=True)
class Choices:
    """What the panel says a run should be.

    Parameters
    ----------
    output : str
    first, last, step : int
    chosen : tuple of int
        Single pairs instead; may be empty.
    background : str
    calibrated : bool
    workers : int
        0 = automatic.
    overwrite : bool
    """

    output: str
    first: int
    last: int
    step: int
    chosen: tuple[int, ...]
    background: str
    calibrated: bool
    workers: int
    overwrite: bool


class BatchPanel(QWidget):
    """Choices, progress and failures of a run; it starts nothing by itself.

    Signals
    -------
    start_requested, stop_requested, check_requested, retry_requested, open_requested,
    copy_requested, browse_requested, selected_requested : nothing
    changed : nothing
        A choice has changed.
    failure_chosen : int
        Index of a pair in the source.
    """

    start_requested = pyqtSignal()
    stop_requested = pyqtSignal()
    check_requested = pyqtSignal()
    retry_requested = pyqtSignal()
    open_requested = pyqtSignal()
    copy_requested = pyqtSignal()
    save_failures_requested = pyqtSignal()
    browse_requested = pyqtSignal()
    selected_requested = pyqtSignal()
    changed = pyqtSignal()
    failure_chosen = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._running = self._ready = False
        self._can_retry = False
        self._chosen_pairs: tuple[int, ...] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self._run_box())
        layout.addWidget(self._progress_box())
        layout.addWidget(self._failures_box(), 1)
        self.set_source(0)

    # -- what is run

    def _run_box(self) -> QWidget:
        box = QGroupBox("Run")
        form = QFormLayout(box)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.output = QLineEdit()
        self.output.setPlaceholderText("results.h5")
        _named(self.output, "Results file", "HDF5 file that the results go to")
        self.output.editingFinished.connect(self.changed)
        browse = _button("Choose…", "Choose the results file", self.browse_requested)
        row = QHBoxLayout()
        row.addWidget(self.output, 1)
        row.addWidget(browse)
        form.addRow("Results", row)

        self.first, self.last, self.step = QSpinBox(), QSpinBox(), QSpinBox()
        self.step.setRange(1, 1_000_000)
        pairs = QHBoxLayout()
        for label, spin, text in (
            ("from", self.first, "First pair of the run, counted as in the list of pairs"),
            ("to", self.last, "Last pair of the run, included"),
            ("every", self.step, "1 = all of them, 2 = every second pair ..."),
        ):
            pairs.addWidget(QLabel(label))
            pairs.addWidget(spin)
            spin.setKeyboardTracking(False)
            spin.setMinimumWidth(52)
            _named(spin, f"Pairs {label}", text)
            spin.valueChanged.connect(self._choose_range)
        pairs.addStretch(1)
        form.addRow("Pairs", pairs)
        self.all_pairs = _button("All", "Choose all pairs of the source", None)
        self.all_pairs.clicked.connect(self._choose_all)
        self.selected_pairs = _button(
            "Selected",
            "Choose the pairs that are selected in the list (Ctrl or Shift and a click there)",
            self.selected_requested,
        )
        self.chosen_text = QLabel()
        self.chosen_text.setAccessibleName("Chosen pairs")
        which = QHBoxLayout()
        which.addWidget(self.all_pairs)
        which.addWidget(self.selected_pairs)
        which.addWidget(self.chosen_text, 1)
        form.addRow("", which)

        self.background = QComboBox()
        self.background.addItems(list(_BACKGROUND_TEXTS))
        _named(self.background, "Background", "Subtract an image made of the run's own frames")
        self.background.currentIndexChanged.connect(self.changed)
        form.addRow("Subtract", self.background)

        self.calibrated = QCheckBox("Store m and m/s")
        self.calibrated.setChecked(True)
        _named(self.calibrated, "Store m and m/s", "Use the calibration of the window")
        self.calibrated.toggled.connect(self.changed)
        self.overwrite = QCheckBox("Begin anew")
        _named(
            self.overwrite, "Begin anew",
            "Replace results that are there; without it a run goes on where it stopped",
        )  # fmt: skip
        self.overwrite.toggled.connect(self.changed)
        self.workers = QSpinBox()
        self.workers.setRange(0, 1024)
        self.workers.setSpecialValueText("automatic")
        _named(self.workers, "Processes", "How many pairs are computed at once")
        self.workers.valueChanged.connect(self.changed)
        boxes = QHBoxLayout()
        boxes.addWidget(self.calibrated)
        boxes.addWidget(self.overwrite)
        boxes.addStretch(1)
        form.addRow("", boxes)
        form.addRow("Processes", self.workers)

        self.start_button = _button(
            "Start", "Analyse the pairs; goes on if results are there", self.start_requested
        )
        self.stop_button = _button(
            "Stop", "Stop after what is nearly ready; Start goes on later", self.stop_requested
        )
        self.check_button = _button(
            "Check", "Say what would be done, and whether it fits the disk", self.check_requested
        )
        self.copy_button = _button(
            "Copy command", "Copy the command, to run it in a terminal or on a cluster",
            self.copy_requested,
        )  # fmt: skip
        grid = QGridLayout()
        for n, each in enumerate(
            (self.start_button, self.stop_button, self.check_button, self.copy_button)
        ):
            grid.addWidget(each, n // 2, n % 2)
        form.addRow(grid)

        # below the buttons: a text that grows must not push them from under the mouse
        self.estimate = QLabel()
        self.estimate.setWordWrap(True)
        self.estimate.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.estimate.setAccessibleName("What would be done")
        form.addRow(self.estimate)
        return box

    def _choose_all(self) -> None:
        self._set_range(1, self.last.maximum(), 1)

    def _choose_range(self) -> None:
        self._chosen_pairs = ()
        self._tell_chosen()

    def _set_range(self, first: int, last: int, step: int) -> None:
        for spin, value in ((self.first, first), (self.last, last), (self.step, step)):
            spin.blockSignals(True)
            spin.setValue(value)
            spin.blockSignals(False)
        self._choose_range()

    def set_chosen(self, pairs: Sequence[int]) -> None:
        """Choose these pairs, numbered from 0 and rising; evenly spaced ones become a range."""
        steps = {b - a for a, b in pairwise(pairs)}
        if len(steps) < 2:
            self._set_range(pairs[0] + 1, pairs[-1] + 1, next(iter(steps), 1))
            return
        self._chosen_pairs = tuple(pairs)
        self._tell_chosen()

    def _tell_chosen(self) -> None:
        chosen = self._chosen_pairs
        few = ", ".join(str(index + 1) for index in chosen[:_NAMED])
        more = ", …" if len(chosen) > _NAMED else ""
        self.chosen_text.setText(f"{len(chosen)} pairs: {few}{more}" if chosen else "")
        self.changed.emit()

    def choices(self) -> Choices:
        """What is chosen now."""
        return Choices(
            output=self.output.text().strip(),
            first=self.first.value() - 1,
            last=self.last.value() - 1,
            step=self.step.value(),
            chosen=self._chosen_pairs,
            background=BACKGROUNDS[self.background.currentIndex()],
            calibrated=self.calibrated.isEnabled() and self.calibrated.isChecked(),
            workers=self.workers.value(),
            overwrite=self.overwrite.isChecked(),
        )

    def set_source(self, count: int) -> None:
        """Another source: all its pairs are chosen."""
        for spin in (self.first, self.last):
            spin.blockSignals(True)
            spin.setRange(1, max(1, count))
            spin.blockSignals(False)
        self._ready = count > 0
        self._choose_all()
        self._update()
        self.changed.emit()

    def set_output(self, path: Path | str) -> None:
        """Name the results file."""
        self.output.setText(str(path))
        self.changed.emit()

    def set_calibration(self, known: bool) -> None:
        """Whether there is a pixel size to store m and m/s with."""
        self.calibrated.setEnabled(known and not self._running)
        self.calibrated.setToolTip(
            "Use the calibration of the window"
            if known
            else "Set a scale first (menu Calibrate): until then results are in px"
        )

    def show_estimate(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show what would be done: (what, value) rows, and notes without a what."""
        self.estimate.setText(
            "\n".join(f"{what}: {value}" if what else value for what, value in rows)
        )

    # -- how far

    def _progress_box(self) -> QWidget:
        box = QGroupBox("Progress")
        layout = QVBoxLayout(box)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of the run")
        self.status = QLabel("Nothing is running.")
        self.status.setWordWrap(True)
        self.status.setAccessibleName("State of the run")
        self.open_button = _button(
            "Look at the results", "Open the results in the window, also while the run goes on",
            self.open_requested,
        )  # fmt: skip
        self.bar.setRange(0, 1000)
        self.bar.setValue(0)
        for each in (self.bar, self.status, self.open_button):
            layout.addWidget(each)
        return box

    def show_nothing(self) -> None:
        """Nothing runs, and nothing did."""
        self.bar.setRange(0, 1000)
        self.bar.setValue(0)
        self.status.setText("Nothing is running.")

    def show_status(self, text: str) -> None:
        """Say how it is."""
        self.status.setText(text)

    def show_state(self, state: RunState) -> None:
        """Show how far a run is."""
        fraction = state.fraction
        self.bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self.bar.setValue(round(1000 * fraction))
        self.status.setText(progress_text(state))

    def set_running(self, running: bool, stopping: bool = False) -> None:
        """Enable what makes sense."""
        self._running = running
        if not running and self.bar.maximum() == 0:
            self.bar.setRange(0, 1000)
            self.bar.setValue(0)
        for each in (
            self.output, self.first, self.last, self.step, self.background, self.workers,
            self.overwrite, self.all_pairs, self.selected_pairs,
        ):  # fmt: skip
            each.setEnabled(not running)
        self._update()
        self.stop_button.setEnabled(running and not stopping)

    def set_results(self, there: bool, failed: bool, left: bool) -> None:
        """Whether results are there, with failures, with pairs that are left."""
        self._can_retry = failed
        self.open_button.setEnabled(there)
        self.start_button.setText("Go on" if there and left else "Start")
        self._update()

    def _update(self) -> None:
        free = self._ready and not self._running
        for each in (self.start_button, self.check_button, self.copy_button):
            each.setEnabled(free)
        self.start_button.setDefault(self.start_button.isEnabled())
        self.stop_button.setEnabled(self._running)
        self.retry_button.setEnabled(free and self._can_retry)

    # -- failures

    def _failures_box(self) -> QWidget:
        box = QGroupBox("Failed pairs")
        layout = QVBoxLayout(box)
        self.failures = QTreeWidget()
        self.failures.setColumnCount(3)
        self.failures.setHeaderLabels(["Pair", "Name", "Reason"])
        self.failures.setRootIsDecorated(False)
        self.failures.setUniformRowHeights(True)
        self.failures.setMinimumHeight(80)
        self.failures.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        _named(self.failures, "Failed pairs", "Choose one to look at its images")
        header = self.failures.header()
        assert header is not None
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.failures.itemActivated.connect(self._chosen)
        self.failures.itemClicked.connect(self._chosen)
        self.retry_button = _button(
            "Retry failed", "Analyse the failed pairs again", self.retry_requested
        )
        self.save_button = _button(
            "Save list…", "Save the list of failed pairs as a table",
            self.save_failures_requested,
        )  # fmt: skip
        row = QHBoxLayout()
        row.addWidget(self.retry_button)
        row.addWidget(self.save_button)
        row.addStretch(1)
        layout.addWidget(self.failures, 1)
        layout.addLayout(row)
        self.save_button.setEnabled(False)
        return box

    def _chosen(self, item: QTreeWidgetItem) -> None:
        self.failure_chosen.emit(int(item.data(0, Qt.ItemDataRole.UserRole)))

    def show_failures(self, failures: Sequence[Failure]) -> None:
        """List the pairs that failed; only what is new is added while a run goes on."""
        shown = [
            self.failures.topLevelItem(row).data(0, Qt.ItemDataRole.UserRole)  # type: ignore[union-attr]
            for row in range(self.failures.topLevelItemCount())
        ]
        wanted = [failure.index for failure in failures[:_SHOWN]]
        if wanted[: len(shown)] != shown:
            self.failures.clear()
            shown = []
        for failure in failures[len(shown) : _SHOWN]:
            item = QTreeWidgetItem([str(failure.index + 1), failure.name, failure.error])
            item.setData(0, Qt.ItemDataRole.UserRole, failure.index)
            item.setToolTip(2, failure.error)
            self.failures.addTopLevelItem(item)
        self.save_button.setEnabled(bool(failures))


def progress_text(state: RunState) -> str:
    """Counts, failures, rate and time left in one line."""
    if not state.begun:
        return state.notes[-1] if state.notes else "The run is being prepared: the workers load."
    parts = [f"{state.finished} of {state.total} pairs"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.rate is not None:
        parts.append(rate_text(state.rate))
    if state.seconds_left is not None and state.pending:
        parts.append(f"{duration_text(state.seconds_left)} left")
    elif state.pending and state.rate is None:
        parts.append("the workers load")
    return ", ".join(parts)


def _named(widget: QWidget, name: str, tip: str) -> None:
    widget.setAccessibleName(name)
    widget.setToolTip(tip)


def _button(text: str, tip: str, signal: object) -> QPushButton:
    button = QPushButton(text)
    _named(button, text.rstrip("…"), tip)
    if signal is not None:
        button.clicked.connect(lambda *_: signal.emit())  # type: ignore[attr-defined]
    return button
