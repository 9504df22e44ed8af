"""The panel that writes files: figure, film, data, report, settings, words for a paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gui.exports import Group
from gui.figures import LAYOUTS, WIDTHS
from piv.io.exchange.registry import FORMATS

_GROUPS: tuple[tuple[str, Group], ...] = (
    ("dense, else coarse", "field"), ("dense", "dense"), ("coarse", "coarse"),
)  # fmt: skip


@dataclass(frozen=True)
class FigureChoices:
    """How a figure is to be."""

    layout: str
    width: str
    image: bool


@dataclass(frozen=True)
class FilmChoices:
    """How a film is to be; ``locked``: with the colour range of the window."""

    quantity: Literal["speed", "vorticity"]
    frames_per_second: float
    locked: bool


@dataclass(frozen=True)
class DataChoices:
    """Which fields are to be written, and how; ``whole``: all results."""

    format: str
    group: Group
    stride: int
    whole: bool


class ExportPanel(QWidget):
    """Choices of what is written; it writes nothing by itself.

    Signals
    -------
    wanted : str
        ``figure``, ``film``, ``data``, ``report``, ``settings`` or ``methods``.
    """

    wanted = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        for box in (self._figure(), self._film(), self._data(), self._words()):
            layout.addWidget(box)
        layout.addStretch(1)

    def _figure(self) -> QWidget:
        box, form = _box("Figure of what is shown")
        self.layout_choice = _combo(
            "Panels", [each.capitalize() for each in LAYOUTS],
            "The quantity of the window with its range and vectors, or four panels",
        )  # fmt: skip
        self.width_choice = _combo(
            "Width", [f"{name} ({inches:g} in)" for name, inches in WIDTHS.items()],
            "One or two columns of a journal",
        )  # fmt: skip
        self.image = QCheckBox("First frame under it")
        _named(self.image, "First frame under it", "Draw the particle image under the colours")
        form.addRow("Panels", self.layout_choice)
        form.addRow("Width", self.width_choice)
        form.addRow("", self.image)
        form.addRow(self._button("figure", "Save figure…", "PNG (300 dpi), SVG or PDF"))
        return box

    def _film(self) -> QWidget:
        box, form = _box("Film of all results")
        self.quantity = _combo("Colours", ["speed", "vorticity"], "What the colours show")
        self.speed = QDoubleSpinBox()
        self.speed.setRange(0.1, 60.0)
        self.speed.setDecimals(1)
        self.speed.setValue(10.0)
        self.speed.setSuffix(" frames/s")
        _named(self.speed, "Frames a second", "How fast the film runs")
        self.locked = QCheckBox("Colour range of the window")
        _named(
            self.locked, "Colour range of the window",
            "Use the range that is shown now; without it one is found from the whole series",
        )  # fmt: skip
        form.addRow("Colours", self.quantity)
        form.addRow("Speed", self.speed)
        form.addRow("", self.locked)
        form.addRow(self._button("film", "Save film…", "MP4 or GIF; one scale for all frames"))
        return box

    def _data(self) -> QWidget:
        box, form = _box("Data for other programs")
        self.format_choice = QComboBox()
        for each in FORMATS.values():
            if each.writes:
                self.format_choice.addItem(f"{each.help} ({each.suffixes[0]})", each.name)
        _named(self.format_choice, "Format", "docs/exchange.md says what each keeps")
        self.format_choice.setMinimumContentsLength(14)
        self.format_choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.group = _combo("Field", [label for label, _ in _GROUPS], "Which of the two fields")
        self.stride = QSpinBox()
        self.stride.setRange(1, 256)
        self.stride.setSpecialValueText("all")
        self.stride.setPrefix("1 of ")
        _named(self.stride, "Thinning", "1 of 4: every fourth vector in both directions")
        self.scope = _combo("Pairs", ["this pair", "all results"], "Which results are written")
        form.addRow("Format", self.format_choice)
        form.addRow("Field", self.group)
        form.addRow("Vectors", self.stride)
        form.addRow("Pairs", self.scope)
        form.addRow(self._button("data", "Save data…", "In px, or in m and m/s once calibrated"))
        return box

    def _words(self) -> QWidget:
        box = QGroupBox("Words")
        layout = QVBoxLayout(box)
        about = QLabel("What was done to this pair, for a reader or a paper.")
        about.setWordWrap(True)
        layout.addWidget(about)
        row = QHBoxLayout()
        for name, text, tip in (
            ("report", "Save report…", "HTML or PDF: figures, quality, settings, provenance"),
            ("settings", "Save settings…", "TOML, as the command line takes it"),
        ):
            row.addWidget(self._button(name, text, tip))
        layout.addLayout(row)
        layout.addWidget(
            self._button(
                "methods", "Copy text for a methods section",
                "A paragraph with windows, overlap, validation, weights, version and references",
            )
        )  # fmt: skip
        return box

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        _named(button, text.rstrip("…"), tip)
        button.clicked.connect(lambda *_: self.wanted.emit(name))
        self.buttons[name] = button
        return button

    def set_present(self, *, result: bool, series: bool, image: bool) -> None:
        """Enable what there is something for.

        Parameters
        ----------
        result : bool
            The pair that is looked at has one.
        series : bool
            There are results, of whichever pairs.
        image : bool
            The images are open.
        """
        for name, there in (("figure", result), ("film", series), ("data", result or series),
                            ("report", result)):  # fmt: skip
            self.buttons[name].setEnabled(there)
        self.image.setEnabled(image)

    def figure_choices(self) -> FigureChoices:
        """How a figure is wanted."""
        return FigureChoices(
            LAYOUTS[self.layout_choice.currentIndex()],
            list(WIDTHS)[self.width_choice.currentIndex()],
            self.image.isEnabled() and self.image.isChecked(),
        )

    def film_choices(self) -> FilmChoices:
        """How a film is wanted."""
        vorticity = self.quantity.currentIndex() == 1
        return FilmChoices(
            "vorticity" if vorticity else "speed", self.speed.value(), self.locked.isChecked()
        )

    def data_choices(self) -> DataChoices:
        """Which fields are wanted, and how."""
        return DataChoices(
            str(self.format_choice.currentData()),
            _GROUPS[self.group.currentIndex()][1],
            self.stride.value(),
            self.scope.currentIndex() == 1,
        )


def _box(title: str) -> tuple[QGroupBox, QFormLayout]:
    box = QGroupBox(title)
    form = QFormLayout(box)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return box, form


def _combo(name: str, texts: list[str], tip: str) -> QComboBox:
    combo = QComboBox()
    combo.addItems(texts)
    _named(combo, name, tip)
    return combo


def _named(widget: Any, name: str, tip: str) -> None:
    widget.setAccessibleName(name)
    widget.setToolTip(tip)
