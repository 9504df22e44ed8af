"""The settings as a form, made wholly from the fields of the settings dataclasses.

A new setting is a new field there, and nothing here: what kind of editor it gets follows from its
default and its choices, and label, unit, range and help from its metadata.
"""

from __future__ import annotations

import dataclasses
import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

CHANGED = "changed settings"  # what the list of presets shows when they are none of it
FILE = "weights file …"
_NOTHING = re.compile(r"\b0 = ([^;,.()]+)")  # what a help text calls the lowest value
_EMPTY = re.compile(r"\bempty = ([^;.()]+)")  # and an empty list
_LARGE = 2_000_000_000


class Unwheeled(QObject):
    """Keeps the wheel from changing a value that one scrolls past."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Refuse the wheel where the widget has not the focus."""
        if (
            isinstance(event, QWheelEvent)
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return False


class Editor(QWidget):
    """Edits one value.

    Signals
    -------
    edited(object)
        The user has given it another value, which may be none that the setting allows.
    """

    edited = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)

    @property
    @abstractmethod
    def widget(self) -> QWidget:
        """What has the focus, the tool tip and the accessible name."""

    @abstractmethod
    def show_value(self, value: Any) -> None:
        """Show a value; nothing is emitted."""


class YesNo(Editor):
    """A box to tick."""

    def __init__(self) -> None:
        super().__init__()
        self._box = QCheckBox()
        self._box.clicked.connect(self.edited.emit)
        self._layout.addWidget(self._box)

    @property
    def widget(self) -> QWidget:
        """The box."""
        return self._box

    def show_value(self, value: Any) -> None:
        """Tick it, or not."""
        self._box.setChecked(bool(value))


class Choice(Editor):
    """One of several words."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        super().__init__()
        self._combo = QComboBox()
        self._combo.addItems(choices)
        self._combo.textActivated.connect(self.edited.emit)
        self._combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._layout.addWidget(self._combo)

    @property
    def widget(self) -> QWidget:
        """The list."""
        return self._combo

    def show_value(self, value: Any) -> None:
        """Choose a word."""
        self._combo.setCurrentText(str(value))


class Words(Editor):
    """Free text."""

    def __init__(self) -> None:
        super().__init__()
        self._line = QLineEdit()
        self._line.editingFinished.connect(self._tell)
        self._shown = ""
        self._layout.addWidget(self._line)

    @property
    def widget(self) -> QWidget:
        """The line."""
        return self._line

    def show_value(self, value: Any) -> None:
        """Show the text."""
        self._shown = str(value)
        self._line.setText(self._shown)

    def _tell(self) -> None:
        if self._line.text() != self._shown:
            self._shown = self._line.text()
            self.edited.emit(self._shown)


class Whole(Editor):
    """A whole number with its range and unit."""

    def __init__(self, low: float | None, high: float | None, unit: str) -> None:
        super().__init__()
        self._spin = QSpinBox()
        self._spin.setRange(
            math.ceil(-_LARGE if low is None else low), math.floor(_LARGE if high is None else high)
        )
        self._spin.setSuffix(f" {unit}" if unit else "")
        self._spin.setKeyboardTracking(False)
        self._spin.valueChanged.connect(self.edited.emit)
        self._spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._layout.addWidget(self._spin)

    def call_zero(self, word: str) -> None:
        """Show a word in place of 0, the lowest value."""
        self._spin.setSpecialValueText(word)

    @property
    def widget(self) -> QWidget:
        """The spin box."""
        return self._spin

    def show_value(self, value: Any) -> None:
        """Show the number."""
        self._spin.blockSignals(True)
        self._spin.setValue(int(value))
        self._spin.blockSignals(False)


class _Spin(QDoubleSpinBox):
    """A number with the digits that it has, and no more."""

    def textFromValue(self, value: float) -> str:
        """Without zeros at the end."""
        return self.locale().toString(value, "g", 7)


class Number(Editor):
    """A number with its range and unit."""

    def __init__(self, low: float | None, high: float | None, unit: str, default: float) -> None:
        super().__init__()
        self._spin = _Spin()
        self._spin.setDecimals(6)
        self._spin.setRange(
            float(-_LARGE if low is None else low), float(_LARGE if high is None else high)
        )
        # a step is one in the second digit of the default
        size = abs(default) or 1.0
        self._spin.setSingleStep(10.0 ** math.floor(math.log10(size) - 0.3))
        self._spin.setSuffix(f" {unit}" if unit else "")
        self._spin.setKeyboardTracking(False)
        self._spin.valueChanged.connect(self.edited.emit)
        self._spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._layout.addWidget(self._spin)

    def call_zero(self, word: str) -> None:
        """Show a word in place of 0, the lowest value."""
        self._spin.setSpecialValueText(word)

    @property
    def widget(self) -> QWidget:
        """The spin box."""
        return self._spin

    def show_value(self, value: Any) -> None:
        """Show the number."""
        self._spin.blockSignals(True)
        self._spin.setValue(float(value))
        self._spin.blockSignals(False)


class Sizes(Editor):
    """A list of whole numbers, or of pairs of them, such as ``64, 32 x 16``."""

    def __init__(self, unit: str, empty: str = "none") -> None:
        super().__init__()
        self._line = QLineEdit()
        self._line.setPlaceholderText(empty)
        self._line.editingFinished.connect(self._tell)
        self._shown: Any = ()
        self._layout.addWidget(self._line)
        if unit:
            self._layout.addWidget(QLabel(unit))

    @property
    def widget(self) -> QWidget:
        """The line."""
        return self._line

    def show_value(self, value: Any) -> None:
        """Show the list."""
        self._shown = tuple(value)
        self._line.setText(sizes_text(self._shown))

    def _tell(self) -> None:
        value = read_sizes(self._line.text())
        if value != self._shown:
            self._shown = value
            self.edited.emit(value)


class Region(Editor):
    """Left, top, width and height of a rectangle, or none; it can be drawn.

    Signals
    -------
    drawing_wanted(bool)
        The user wants to draw it on the image, or no more.
    """

    drawing_wanted = pyqtSignal(bool)

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.sizes = Sizes(unit)
        self.sizes.edited.connect(self.edited.emit)
        self.sizes.widget.setPlaceholderText("whole frame")  # type: ignore[attr-defined]
        self.draw = QPushButton("Draw")
        self.draw.setCheckable(True)
        self.draw.setToolTip("Draw the rectangle on the image")
        self.draw.clicked.connect(self.drawing_wanted.emit)
        self._layout.addWidget(self.sizes, 1)
        self._layout.addWidget(self.draw)

    @property
    def widget(self) -> QWidget:
        """The line."""
        return self.sizes.widget

    def show_value(self, value: Any) -> None:
        """Show the four numbers."""
        self.sizes.show_value(value)

    def show_drawing(self, active: bool) -> None:
        """Whether the rectangle is being drawn."""
        self.draw.setChecked(active)


def sizes_text(value: tuple[Any, ...]) -> str:
    """A list of sizes as the form writes it: ``64, 32 x 16``."""
    return ", ".join(
        " x ".join(str(n) for n in each) if isinstance(each, tuple) else str(each) for each in value
    )


def read_sizes(text: str) -> Any:
    """The inverse of :func:`sizes_text`; what cannot be read stays text, for the check to refuse.

    Separators may be commas, semicolons or blanks; ``x`` or ``×`` joins a height and a width.
    """
    plain = text.strip().strip("[]()").lower().replace("×", "x").replace(";", ",")
    while " x" in plain or "x " in plain:
        plain = plain.replace(" x", "x").replace("x ", "x")
    parts = []
    for word in plain.replace(",", " ").split():
        numbers = word.split("x")
        if len(numbers) > 2 or not all(each.lstrip("+-").isdecimal() for each in numbers):
            return text.strip()
        sizes = tuple(int(each) for each in numbers)
        parts.append(sizes if len(sizes) == 2 else sizes[0])
    return tuple(parts)


def make_editor(item: dataclasses.Field[Any]) -> Editor:
    """The editor that a field's default and metadata call for."""
    meta, default = item.metadata, item.default
    unit = meta.get("unit", "")
    if isinstance(default, bool):
        return YesNo()
    if isinstance(default, (int, float)):
        number = (
            Whole(meta["low"], meta["high"], unit)
            if isinstance(default, int)
            else Number(meta["low"], meta["high"], unit, default)
        )
        word = _NOTHING.search(meta["help"])
        if meta["low"] == 0 and word and not word[1].strip().isdecimal():
            number.call_zero(word[1].strip())
        return number
    if isinstance(default, tuple):
        if item.name.split("_")[-1] == "region":
            return Region(unit)
        word = _EMPTY.search(meta["help"])
        return Sizes(unit, word[1] if word else "none")
    return Choice(meta["choices"]) if meta["choices"] else Words()


def help_text(item: dataclasses.Field[Any]) -> str:
    """What the tool tip of a setting says: help, range, choices, default."""
    meta = item.metadata
    text = meta["help"]
    lines = [text[:1].upper() + text[1:]]
    unit = f" {meta['unit']}" if meta["unit"] else ""
    low, high = meta["low"], meta["high"]
    if low is not None and high is not None:
        lines.append(f"Range: {low:g} to {high:g}{unit}")
    elif low is not None:
        lines.append(f"At least {low:g}{unit}")
    elif high is not None:
        lines.append(f"At most {high:g}{unit}")
    empty = _EMPTY.search(text)
    if item.default == () and empty is not None:
        lines.append(f"Default: {empty[1]}")
    else:
        lines.append(f"Default: {_default_text(item.default)}{unit if item.default != () else ''}")
    return "\n".join(lines)


def _default_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return sizes_text(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Row(QObject):
    """Label, editor, reset button and error line of one setting."""

    def __init__(self, stage: str, item: dataclasses.Field[Any], form: SettingsForm) -> None:
        super().__init__(form)
        name = item.name.replace("_", " ")
        title = name[:1].upper() + name[1:]
        self.stage, self.name, self.default = stage, item.name, item.default
        self.advanced = bool(item.metadata.get("advanced"))
        self.editor = make_editor(item)
        tip = help_text(item)
        widget = self.editor.widget
        widget.setObjectName(f"{stage}.{item.name}")
        widget.setAccessibleName(f"{title} ({stage})")
        widget.setAccessibleDescription(item.metadata["help"])
        widget.setToolTip(tip)
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(form.unwheeled)
        self.label = QLabel(title)
        self.label.setBuddy(widget)
        self.label.setToolTip(tip)
        self.label.setWordWrap(True)
        self.reset = QToolButton()
        self.reset.setText("↺")
        self.reset.setObjectName(f"reset.{stage}.{item.name}")
        self.reset.setAccessibleName(f"Reset {name} ({stage})")
        self.reset.setToolTip(f"Back to {_default_text(item.default)}")
        self.reset.setAutoRaise(True)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setVisible(False)
        self.problem.setAccessibleName(f"Problem with {name}")
        if isinstance(self.editor, Region):
            self.editor.draw.setObjectName(f"draw.{stage}.{item.name}")
            self.editor.draw.setAccessibleName(f"Draw {name} ({stage})")

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        """All of the row but its error line."""
        return self.label, self.editor, self.reset

    def show_value(self, value: Any) -> None:
        """Show a value, and whether it is the default."""
        self.editor.show_value(value)
        changed = value != self.default
        self.reset.setEnabled(changed)
        font = self.label.font()
        font.setBold(changed)
        self.label.setFont(font)
        self.show_problem("")

    def show_problem(self, text: str) -> None:
        """Say what is wrong with the value that was given; empty = nothing."""
        self.problem.setText(f"⚠ {text}" if text else "")
        self.problem.setVisible(bool(text))

    def show_row(self, visible: bool) -> None:
        """Show or hide it."""
        for widget in self.widgets:
            widget.setVisible(visible)
        self.problem.setVisible(visible and bool(self.problem.text()))


class SettingsForm(QWidget):
    """All settings, stage by stage, with presets, the model, and buttons for files.

    Parameters
    ----------
    kind : type
        The dataclass of all stages; ``kind()`` has the defaults.
    presets : mapping of str to str
        Name and help of every preset.
    models : tuple of str
        Names of the catalogue, and ``none``.

    Signals
    -------
    edited(str, str, object)
        Stage, name and value that the user gave.
    reset_wanted(str, str)
        Stage and name; both empty = everything.
    preset_chosen(str), model_chosen(str), model_file_wanted()
    load_wanted(), save_wanted(), copy_wanted()
    drawing_wanted(str, str, bool)
        Stage and name of a region; whether to begin or end.
    """

    edited = pyqtSignal(str, str, object)
    reset_wanted = pyqtSignal(str, str)
    preset_chosen = pyqtSignal(str)
    model_chosen = pyqtSignal(str)
    model_file_wanted = pyqtSignal()
    load_wanted = pyqtSignal()
    save_wanted = pyqtSignal()
    drawing_wanted = pyqtSignal(str, str, bool)

    def __init__(
        self, kind: type, presets: Mapping[str, str] | None = None, models: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self.unwheeled = Unwheeled(self)
        self.rows: dict[tuple[str, str], Row] = {}
        self._boxes: dict[str, QGroupBox] = {}
        self._advanced = False
        outer = QVBoxLayout(self)
        outer.setContentsMargins(8, 8, 8, 8)
        outer.addLayout(self._head(presets or {}, models))
        content = QWidget()
        self._stages = QVBoxLayout(content)
        self._stages.setContentsMargins(0, 0, 6, 0)
        defaults = kind()
        for item in dataclasses.fields(kind):
            self._add_stage(item.name, getattr(defaults, item.name))
        self._stages.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outer.addWidget(scroll, 1)
        outer.addLayout(self._foot())
        self.show_advanced(False)

    # -- show

    def show_settings(self, settings: Any) -> None:
        """Show the values of all stages; nothing is emitted."""
        for (stage, name), row in self.rows.items():
            row.show_value(getattr(getattr(settings, stage), name))
        self.reset_all.setEnabled(any(row.reset.isEnabled() for row in self.rows.values()))

    def show_problem(self, stage: str, name: str, text: str) -> None:
        """Say at a setting what is wrong with the value that was given."""
        row = self.rows[stage, name]
        row.show_problem(text)
        if row.advanced and not self._advanced:
            self.show_advanced(True)

    def show_preset(self, name: str | None) -> None:
        """Show which preset this is; None = none of them."""
        self.preset.setCurrentText(CHANGED if name is None else name)
        self.preset.setToolTip(self._preset_help.get(name or "", "These settings are your own"))

    def show_model(self, name: str, summary: str = "") -> None:
        """Show which weights are used, a file's name among the others if it is one."""
        if self.model.findText(name) < 0:
            self.model.insertItem(self.model.count() - 1, name)
        self.model.setCurrentText(name)
        self._model = name
        self.model.setToolTip(summary or f"The network's weights: {name}")

    def show_advanced(self, advanced: bool) -> None:
        """Show the advanced settings too, or only the basic ones."""
        self._advanced = advanced
        self.advanced.setChecked(advanced)
        for row in self.rows.values():
            row.show_row(advanced or not row.advanced)
        for stage, box in self._boxes.items():
            rows = [row for row in self.rows.values() if row.stage == stage]
            box.setVisible(advanced or not all(row.advanced for row in rows))

    def show_drawing(self, stage: str | None, name: str = "") -> None:
        """Show which region is being drawn; None = none of them."""
        for key, row in self.rows.items():
            if isinstance(row.editor, Region):
                row.editor.show_drawing(key == (stage, name))

    # -- made once

    def _head(self, presets: Mapping[str, str], models: tuple[str, ...]) -> QGridLayout:
        grid = QGridLayout()
        self._preset_help = dict(presets)
        self.preset = QComboBox()
        self.preset.setObjectName("preset")
        for n, (name, text) in enumerate(presets.items()):
            self.preset.addItem(name)
            self.preset.setItemData(n, text, Qt.ItemDataRole.ToolTipRole)
        self.preset.addItem(CHANGED)
        self.preset.setAccessibleName("Preset")
        self.preset.textActivated.connect(self._choose_preset)
        self.model = QComboBox()
        self.model.setObjectName("model")
        self.model.addItems([*models, FILE])
        self.model.setAccessibleName("Model")
        self._model = models[0] if models else ""
        self.model.textActivated.connect(self._choose_model)
        for n, (text, combo) in enumerate((("Preset", self.preset), ("Model", self.model))):
            combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            combo.installEventFilter(self.unwheeled)
            combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            label = QLabel(text)
            label.setBuddy(combo)
            grid.addWidget(label, n, 0)
            grid.addWidget(combo, n, 1)
        self.advanced = QCheckBox("Advanced settings")
        self.advanced.setObjectName("advanced")
        self.advanced.setAccessibleName("Advanced settings")
        self.advanced.setToolTip("Show the settings that are seldom needed too")
        self.advanced.clicked.connect(self.show_advanced)
        grid.addWidget(self.advanced, 2, 0, 1, 2)
        grid.setColumnStretch(1, 1)
        return grid

    def _foot(self) -> QHBoxLayout:
        layout = QHBoxLayout()
        self.load = QPushButton("Load …")
        self.save = QPushButton("Save …")
        self.reset_all = QPushButton("Reset all")
        for button, name, tip, signal in (
            (self.load, "Load settings", "Read the settings from a TOML file", self.load_wanted),
            (self.save, "Save settings", "Write the settings to a TOML file, as `piv settings` "
             "does", self.save_wanted),
        ):  # fmt: skip
            button.setAccessibleName(name)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, wish=signal: wish.emit())
            layout.addWidget(button)
        layout.addStretch(1)
        self.reset_all.setAccessibleName("Reset all settings")
        self.reset_all.setToolTip("Every setting back to its default")
        self.reset_all.clicked.connect(lambda _=False: self.reset_wanted.emit("", ""))
        layout.addWidget(self.reset_all)
        return layout

    def _add_stage(self, stage: str, values: Any) -> None:
        box = QGroupBox(stage[:1].upper() + stage[1:])
        box.setAccessibleName(f"Settings of {stage}")
        summary = (type(values).__doc__ or "").strip().splitlines()
        if summary:
            box.setToolTip(summary[0])
        grid = QGridLayout(box)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, 112)
        grid.setHorizontalSpacing(6)
        for n, item in enumerate(dataclasses.fields(values)):
            row = Row(stage, item, self)
            self.rows[stage, item.name] = row
            row.editor.edited.connect(
                lambda value, s=stage, name=item.name: self.edited.emit(s, name, value)
            )
            row.reset.clicked.connect(
                lambda _=False, s=stage, name=item.name: self.reset_wanted.emit(s, name)
            )
            if isinstance(row.editor, Region):
                row.editor.drawing_wanted.connect(
                    lambda on, s=stage, name=item.name: self.drawing_wanted.emit(s, name, on)
                )
            for column, widget in enumerate(row.widgets):
                grid.addWidget(widget, 2 * n, column)
            grid.addWidget(row.problem, 2 * n + 1, 0, 1, 3)
        self._boxes[stage] = box
        self._stages.addWidget(box)

    # -- wishes

    def _choose_preset(self, text: str) -> None:
        if text != CHANGED:
            self.preset_chosen.emit(text)

    def _choose_model(self, text: str) -> None:
        if text == FILE:
            self.model.setCurrentText(self._model)  # until a file has been chosen
            self.model_file_wanted.emit()
        elif text != self._model:
            self.model_chosen.emit(text)
