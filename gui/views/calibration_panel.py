"""From px to mm and m/s: a length clicked on the image, the time between the frames, the origin."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QGridLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


class CalibrationPanel(QWidget):
    """Scale, time and origin.

    Signals
    -------
    measure_wanted(bool), origin_wanted(bool)
        To click on the image, or no more.
    length_given(str), pixel_size_given(str), dt_given(str), origin_given(str)
        What was typed.
    clear_wanted()
        Back to px.
    """

    measure_wanted = pyqtSignal(bool)
    origin_wanted = pyqtSignal(bool)
    length_given = pyqtSignal(str)
    pixel_size_given = pyqtSignal(str)
    dt_given = pyqtSignal(str)
    origin_given = pyqtSignal(str)
    clear_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[QLineEdit, str] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self._scale())
        layout.addWidget(self._time())
        layout.addWidget(self._axes())
        self.summary = _text("")
        self.summary.setAccessibleName("Calibration in words")
        layout.addWidget(self.summary)
        self.problem = _text("")
        self.problem.setAccessibleName("Problem with the calibration")
        self.problem.setVisible(False)
        layout.addWidget(self.problem)
        self.clear = QPushButton("Back to px")
        self.clear.setObjectName("clear")
        self.clear.setAccessibleName("Back to px")
        self.clear.setToolTip("Show everything in px again; results do not change")
        self.clear.clicked.connect(lambda _=False: self.clear_wanted.emit())
        layout.addWidget(self.clear)
        layout.addStretch(1)
        self.show_ready(False)

    # -- show

    def show_ready(self, ready: bool) -> None:
        """Whether there is an image to click on."""
        for button in (self.measure, self.pick):
            button.setEnabled(ready)

    def show_measured(self, px: float | None) -> None:
        """Show the length between the two clicks; None = none yet."""
        self.measured.setText("not measured yet" if px is None else f"{px:.1f} px are")
        self.length.setEnabled(px is not None)
        if px is not None:
            self.length.setFocus()

    def show_values(self, pixel_size: str, dt: str, origin: str, length: str) -> None:
        """Show what is set, as text; nothing is emitted."""
        for line, text in (
            (self.pixel_size, pixel_size),
            (self.dt, dt),
            (self.origin, origin),
            (self.length, length),
        ):
            self._shown[line] = text
            line.setText(text)
        self.clear.setEnabled(bool(pixel_size))
        self.show_problem("")

    def show_summary(self, text: str) -> None:
        """Say what the calibration means."""
        self.summary.setText(text)

    def show_dt_known(self, known: bool) -> None:
        """Whether the time between the frames came with the data or was given."""
        self.dt_note.setVisible(not known)

    def show_problem(self, text: str) -> None:
        """Say what is wrong with what was given; empty = nothing."""
        self.problem.setText(f"⚠ {text}" if text else "")
        self.problem.setVisible(bool(text))

    def show_tool(self, tool: str) -> None:
        """What the next clicks on the image are for: "measure", "origin" or nothing."""
        self.measure.setChecked(tool == "measure")
        self.pick.setChecked(tool == "origin")

    # -- made once

    def _scale(self) -> QGroupBox:
        box = QGroupBox("Scale")
        grid = QGridLayout(box)
        grid.setColumnStretch(1, 1)
        self.measure = self._toggle(
            "Click two points", "measure",
            "Click two points of the image whose distance you know", self.measure_wanted,
        )  # fmt: skip
        self.measured = _text("")
        self.length = self._line(
            "length", "Length between the two points", "12 mm",
            "What the distance is in the flow: a number with m, cm, mm, um or nm",
            self.length_given,
        )  # fmt: skip
        self.pixel_size = self._line(
            "pixel_size", "Size of a pixel in the flow", "21 um",
            "What one px is in the flow, if you know it: a number with m, mm, um or nm",
            self.pixel_size_given,
        )  # fmt: skip
        grid.addWidget(self.measure, 0, 0, 1, 2)
        grid.addWidget(self.measured, 1, 0)
        grid.addWidget(self.length, 1, 1)
        grid.addWidget(_buddy("One px is", self.pixel_size), 2, 0)
        grid.addWidget(self.pixel_size, 2, 1)
        self.show_measured(None)
        return box

    def _time(self) -> QGroupBox:
        box = QGroupBox("Time")
        grid = QGridLayout(box)
        grid.setColumnStretch(1, 1)
        self.dt = self._line(
            "dt", "Time between the two frames", "200 us",
            "Time between the first and the second frame: a number with s, ms, us or ns",
            self.dt_given,
        )  # fmt: skip
        grid.addWidget(_buddy("Between the frames", self.dt), 0, 0)
        grid.addWidget(self.dt, 0, 1)
        self.dt_note = _text("The images do not say it: 1 s is taken until you give it.")
        grid.addWidget(self.dt_note, 1, 0, 1, 2)
        return box

    def _axes(self) -> QGroupBox:
        box = QGroupBox("Axes")
        grid = QGridLayout(box)
        grid.setColumnStretch(1, 1)
        self.pick = self._toggle(
            "Click the origin", "pick_origin", "Click the point of the image that is (0, 0)",
            self.origin_wanted,
        )  # fmt: skip
        self.origin = self._line(
            "origin", "Origin, x and y in px", "0, 0",
            "The pixel (x, y) that is (0, 0); the centre of the left top pixel is 0, 0",
            self.origin_given,
        )  # fmt: skip
        grid.addWidget(self.pick, 0, 0, 1, 2)
        grid.addWidget(_buddy("Origin (px)", self.origin), 1, 0)
        grid.addWidget(self.origin, 1, 1)
        grid.addWidget(
            _text("Calibrated: x to the right, y up from the origin. In px: y down."), 2, 0, 1, 2
        )
        return box

    def _line(self, name: str, title: str, example: str, tip: str, signal: object) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(name)
        line.setAccessibleName(title)
        line.setPlaceholderText(f"such as {example}")
        line.setToolTip(tip)
        line.setMinimumWidth(60)
        self._shown[line] = ""
        line.editingFinished.connect(lambda: self._tell(line, signal))
        return line

    def _toggle(self, text: str, name: str, tip: str, signal: object) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setAccessibleName(text)
        button.setToolTip(tip)
        button.setCheckable(True)
        button.clicked.connect(signal.emit)  # type: ignore[attr-defined]
        return button

    def _tell(self, line: QLineEdit, signal: object) -> None:
        text = line.text().strip()
        if text != self._shown[line]:
            self._shown[line] = text
            signal.emit(text)  # type: ignore[attr-defined]


def _text(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _buddy(text: str, widget: QWidget) -> QLabel:
    label = _text(text)
    label.setBuddy(widget)
    return label
