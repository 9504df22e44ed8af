"""The panel in which is chosen what of a result is shown, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gui.colours import COLOUR_MAPS
from gui.quantities import QUANTITIES, STATISTICS
from gui.state import DisplayOptions
from gui.views.naming import Number, choose, named, silent

_STAGES = (
    ("dense", "every pixel (network)"),
    ("coarse", "interrogation windows (correlation)"),
    ("compare", "both, with a slider"),
)
_RANGES = (
    ("automatic", "automatic, for each pair"),
    ("typed", "as typed"),
    ("locked", "locked over the series"),
)
_FRAMES = (
    ("none", "nothing"),
    ("mean", "mean of the field"),
    ("chosen", "chosen velocity"),
)


class DisplayPanel(QWidget):
    """What is shown of a result; it emits wishes and knows no result.

    Signals
    -------
    changed(object)
        A dict of changes of :class:`gui.state.DisplayOptions`.
    range_mode_chosen(str)
        "automatic", "typed" or "locked".
    range_typed(float, float)
        In the unit that is shown.
    velocity_typed(float, float)
        u, v of the observer in the unit that is shown.
    pick_requested(bool)
        Whether the next click chooses the velocity of the observer.
    """

    changed = pyqtSignal(object)
    range_mode_chosen = pyqtSignal(str)
    range_typed = pyqtSignal(float, float)
    velocity_typed = pyqtSignal(float, float)
    pick_requested = pyqtSignal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        for box in (self._make_map(), self._make_arrows(), self._make_frame(), self._make_ground()):
            layout.addWidget(box)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setAccessibleName("Note on what is shown")
        layout.addWidget(self.note)
        layout.addStretch(1)
        self.show_statistics(False)

    # widgets

    def _make_map(self) -> QGroupBox:
        box = QGroupBox("Map")
        form = QFormLayout(box)
        self.quantity = named(QComboBox(), "Quantity", "What the colours show")
        self.stage = named(QComboBox(), "Field", "Which of the two fields is shown", "stage")
        for value, text in _STAGES:
            self.stage.addItem(text, value)
        self.opacity = named(
            QSlider(Qt.Orientation.Horizontal), "Opacity",
            "How much of the particle image the colours hide",
        )  # fmt: skip
        self.opacity.setRange(0, 100)
        self.colours = named(QComboBox(), "Colour map", "The colours of the map", "colour_map")
        self.colours.addItem("suited to the quantity", None)
        for name in COLOUR_MAPS:
            self.colours.addItem(name, name)
        self.range_mode = named(
            QComboBox(), "Colour range",
            "Which values the ends of the colours stand for; locked, it is the same for all pairs",
        )  # fmt: skip
        for value, text in _RANGES:
            self.range_mode.addItem(text, value)
        self.low = named(Number(), "Low end", "Value of the first colour", "range_low")
        self.high = named(Number(), "High end", "Value of the last colour", "range_high")
        ends = QHBoxLayout()
        ends.addWidget(self.low)
        ends.addWidget(QLabel("to"))
        ends.addWidget(self.high)
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setAccessibleName("Legend of the flags")
        form.addRow("&Quantity", self.quantity)
        form.addRow("&Field", self.stage)
        form.addRow("O&pacity", self.opacity)
        form.addRow("&Colours", self.colours)
        form.addRow("&Range", self.range_mode)
        form.addRow("", ends)
        form.addRow(self.legend)
        self.quantity.activated.connect(self._quantity_chosen)
        self.stage.activated.connect(lambda: self.changed.emit({"stage": self.stage.currentData()}))
        self.opacity.valueChanged.connect(lambda n: self.changed.emit({"opacity": n / 100}))
        self.colours.activated.connect(
            lambda: self.changed.emit({"colour_map": self.colours.currentData()})
        )
        self.range_mode.activated.connect(
            lambda: self.range_mode_chosen.emit(self.range_mode.currentData())
        )
        for each in (self.low, self.high):
            each.valueChanged.connect(
                lambda: self.range_typed.emit(self.low.value(), self.high.value())
            )
        return box

    def _make_arrows(self) -> QGroupBox:
        box = QGroupBox("Lines and arrows")
        form = QFormLayout(box)
        self.vectors = named(QCheckBox("Vectors"), "Vectors", "Draw the vectors as arrows")
        self.step = named(
            QSpinBox(), "Every how many vectors",
            "Draw every n-th vector; automatic: as many as there is room for at this zoom",
            "vector_step",
        )  # fmt: skip
        self.step.setRange(0, 512)
        self.step.setSpecialValueText("automatic")
        self.step.setKeyboardTracking(False)
        self.scale = named(
            Number(0, 1000), "Length of the arrows",
            "Length on the image per px of displacement; automatic: such that they suit their "
            "distance",
            "vector_scale",
        )  # fmt: skip
        self.streamlines = named(
            QCheckBox("Streamlines"), "Streamlines", "Draw evenly spaced streamlines"
        )
        self.texture = named(
            QCheckBox("Texture (LIC)"), "Texture",
            "Smear a noise along the streamlines: shows the direction everywhere at once",
        )  # fmt: skip
        self.scale.setSpecialValueText("automatic")
        form.addRow(self.vectors)
        form.addRow("Densit&y", self.step)
        form.addRow("&Length", self.scale)
        form.addRow(self.streamlines)
        form.addRow(self.texture)
        for check, name in (
            (self.vectors, "vectors"), (self.streamlines, "streamlines"), (self.texture, "texture"),
        ):  # fmt: skip
            check.toggled.connect(lambda on, name=name: self.changed.emit({name: on}))
        self.step.valueChanged.connect(lambda n: self.changed.emit({"vector_step": n}))
        self.scale.valueChanged.connect(lambda x: self.changed.emit({"vector_scale": x}))
        return box

    def _make_frame(self) -> QGroupBox:
        box = QGroupBox("Moving observer")
        form = QFormLayout(box)
        self.subtract = named(
            QComboBox(), "Subtract",
            "A velocity that is taken off speed, u, v, arrows and lines; derivatives do not change",
        )  # fmt: skip
        for value, text in _FRAMES:
            self.subtract.addItem(text, value)
        self.u = named(Number(), "u of the observer", "Velocity to the right", "subtract_u")
        self.v = named(Number(), "v of the observer", "Velocity along y", "subtract_v")
        both = QHBoxLayout()
        both.addWidget(self.u)
        both.addWidget(self.v)
        self.pick = named(
            QPushButton("Pick on the image"), "Pick the velocity of the observer",
            "Click a point: its velocity is subtracted, so that a vortex that moves there is seen",
            "pick_velocity",
        )  # fmt: skip
        self.pick.setCheckable(True)
        form.addRow("&Subtract", self.subtract)
        form.addRow("u, v", both)
        form.addRow("", self.pick)
        self.subtract.activated.connect(
            lambda: self.changed.emit({"subtract": self.subtract.currentData()})
        )
        for each in (self.u, self.v):
            each.valueChanged.connect(
                lambda: self.velocity_typed.emit(self.u.value(), self.v.value())
            )
        self.pick.clicked.connect(self.pick_requested)
        return box

    def _make_ground(self) -> QGroupBox:
        box = QGroupBox("Background")
        column = QVBoxLayout(box)
        self.image = named(
            QCheckBox("Particle image"), "Particle image", "Show the images under the map",
            "show_image",
        )  # fmt: skip
        self.masks = named(
            QCheckBox("Masks"), "Masks", "Show what is masked, and the shapes of it", "show_masks"
        )
        for check, name in ((self.image, "show_image"), (self.masks, "show_masks")):
            column.addWidget(check)
            check.toggled.connect(lambda on, name=name: self.changed.emit({name: on}))
        return box

    # showing

    def show_statistics(self, there: bool) -> None:
        """Offer the quantities of the series too, if there are statistics."""
        chosen = self.quantity.currentData()
        with silent(self.quantity):
            self.quantity.clear()
            shown = [QUANTITIES, STATISTICS] if there else [QUANTITIES]
            for number, group in enumerate(shown):
                if number:
                    self.quantity.insertSeparator(self.quantity.count())
                for each in group.values():
                    self.quantity.addItem(each.label, each.name)
                    tip = Qt.ItemDataRole.ToolTipRole
                    self.quantity.setItemData(self.quantity.count() - 1, each.about, tip)
        choose(self.quantity, chosen)

    def show_options(self, options: DisplayOptions, unit: str, velocity: Sequence[Any]) -> None:
        """Show what is chosen.

        Parameters
        ----------
        options : DisplayOptions
        unit : str
            Of the map's values.
        velocity : (u, v, unit)
            Of the observer, as it is shown.
        """
        choose(self.quantity, options.quantity)
        choose(self.stage, options.stage)
        choose(self.colours, options.colour_map)
        mode = "locked" if options.range_locked else "typed" if options.colour_range else None
        choose(self.range_mode, mode or "automatic")
        choose(self.subtract, options.subtract)
        checks = {
            self.vectors: options.vectors, self.streamlines: options.streamlines,
            self.texture: options.texture, self.image: options.show_image,
            self.masks: options.show_masks,
        }  # fmt: skip
        with silent(self.opacity, self.step, self.scale, *checks):
            self.opacity.setValue(round(100 * options.opacity))
            self.step.setValue(options.vector_step)
            self.scale.setValue(options.vector_scale)
            for check, on in checks.items():
                check.setChecked(on)
        self.step.setEnabled(options.vectors)
        self.scale.setEnabled(options.vectors)
        u, v, name = velocity
        self.u.show_value(u, name)
        self.v.show_value(v, name)
        self.low.setSuffix(f" {unit}" if unit else "")
        self.high.setSuffix(f" {unit}" if unit else "")

    def show_range(self, low: float, high: float, unit: str) -> None:
        """Show the values at the ends of the colours."""
        self.low.show_value(low, unit)
        self.high.show_value(high, unit)

    def show_legend(self, colours: Mapping[str, str]) -> None:
        """Show what the colours of the flags mean: words -> #rrggbb; empty = no legend."""
        lines = [f'<span style="color:{c}">&#9632;</span> {words}' for words, c in colours.items()]
        self.legend.setText("<br>".join(lines))
        self.legend.setVisible(bool(lines))

    def show_picking(self, on: bool) -> None:
        """Show whether the next click chooses a velocity."""
        with silent(self.pick):
            self.pick.setChecked(on)

    def show_note(self, text: str) -> None:
        """Say what is special about what is shown."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _quantity_chosen(self) -> None:
        if (name := self.quantity.currentData()) is not None:
            self.changed.emit({"quantity": name})
