"""The masks of the pair: tools to draw them, the list of shapes, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.masks import MASKS
from gui.views.settings_form import Unwheeled
from gui.views.theme import icon

IMPORTED = -2  # number of the imported image in the list
_NAMES = {
    "polygon": "Draw a polygon",
    "rectangle": "Draw a rectangle",
    "ellipse": "Draw an ellipse",
    "freehand": "Draw freehand",
}
_TIPS = {
    "polygon": "Click the corners; a double click or Enter ends the polygon",
    "rectangle": "Drag from one corner to the opposite one",
    "ellipse": "Drag from one corner of the box around it to the opposite one",
    "freehand": "Draw the outline with the button pressed",
}


@dataclass(frozen=True, slots=True)
class MaskRow:
    """A line of the list: number of the shape, what it is called, for all pairs or for this one."""

    number: int
    text: str
    everywhere: bool
    subtract: bool = False


class MaskPanel(QWidget):
    """Tools, list of shapes, buttons.

    Signals
    -------
    tool_wanted(str)
        A kind of shape to draw; empty = none any more.
    selected(int)
        Number of the shape; -1 = none, -2 = the imported image.
    remove_wanted(int), subtract_wanted(int, bool), everywhere_wanted(int, bool)
    grow_wanted(int)
        Px by which the selected shape, or all, shall grow.
    automatic_wanted(), import_wanted(), export_wanted(), clear_wanted(bool)
        The last: only what this pair has alone.
    show_wanted(bool)
        Whether masks are shown on the image.
    """

    tool_wanted = pyqtSignal(str)
    selected = pyqtSignal(int)
    remove_wanted = pyqtSignal(int)
    subtract_wanted = pyqtSignal(int, bool)
    everywhere_wanted = pyqtSignal(int, bool)
    grow_wanted = pyqtSignal(int)
    automatic_wanted = pyqtSignal()
    import_wanted = pyqtSignal()
    export_wanted = pyqtSignal()
    clear_wanted = pyqtSignal(bool)
    show_wanted = pyqtSignal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[MaskRow, ...] = ()
        self._quiet = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(self._tools())
        self.subtract = self._tick(
            "Take out instead of masking", "subtract",
            "What is drawn next becomes a hole in the masks under it",
        )  # fmt: skip
        self.this_pair = self._tick(
            "Only for this pair", "this_pair",
            "What is drawn, found or imported next belongs to this pair alone",
        )  # fmt: skip
        layout.addWidget(self.subtract)
        layout.addWidget(self.this_pair)
        self.share = QLabel()
        self.share.setWordWrap(True)
        self.share.setAccessibleName("Masked share")
        layout.addWidget(self.share)
        layout.addWidget(self._list(), 1)
        layout.addLayout(self._edits())
        layout.addLayout(self._files())
        self.visible_box = self._tick(
            "Show masks on the image", "show_masks", "Shade what is masked"
        )
        self.visible_box.clicked.connect(self.show_wanted.emit)
        layout.addWidget(self.visible_box)
        self.show_rows((), -1)

    # -- show

    def show_rows(self, rows: Sequence[MaskRow], selected: int) -> None:
        """Show the shapes of the pair, and which is selected (-1 = none)."""
        self._quiet = True
        self._rows = tuple(rows)
        self.list.clear()
        for row in rows:
            where = "all pairs" if row.everywhere else "this pair"
            text = f"{'−' if row.subtract else '+'} {row.text} · {where}"
            item = QListWidgetItem(text)
            item.setData(Qt.ItemDataRole.UserRole, row.number)
            item.setToolTip(f"{'Takes out' if row.subtract else 'Masks'}: {row.text}, {where}")
            self.list.addItem(item)
            if row.number == selected:
                self.list.setCurrentItem(item)
        if all(row.number != selected for row in rows):
            self.list.setCurrentRow(-1)
            self.list.clearSelection()
        self._quiet = False
        self._enable()

    def show_share(self, text: str) -> None:
        """Say how much is masked."""
        self.share.setText(text)

    def show_tool(self, kind: str) -> None:
        """Show which shape is being drawn; another word = none of them."""
        for name, button in self.tools.items():
            button.setChecked(name == kind)

    def show_visible(self, visible: bool) -> None:
        """Whether masks are shown on the image."""
        self.visible_box.setChecked(visible)

    def set_ready(self, ready: bool) -> None:
        """Whether there is a pair to draw on."""
        for widget in (*self.tools.values(), self.automatic, self.load):
            widget.setEnabled(ready)

    # -- made once

    def _tools(self) -> QHBoxLayout:
        layout = QHBoxLayout()
        layout.setSpacing(4)
        self.tools: dict[str, QToolButton] = {}
        for kind in MASKS:
            button = QToolButton()
            button.setIcon(icon(kind))
            button.setIconSize(QSize(20, 20))
            button.setObjectName(f"tool.{kind}")
            button.setCheckable(True)
            button.setAccessibleName(_NAMES[kind])
            button.setToolTip(f"{kind.capitalize()}: {_TIPS[kind]}")
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.clicked.connect(lambda on, kind=kind: self.tool_wanted.emit(kind if on else ""))
            self.tools[kind] = button
            layout.addWidget(button)
        layout.addStretch(1)
        self.automatic = self._button(
            "Find", "automatic",
            "Look for bodies, shadows and glare: where no particles move", self.automatic_wanted,
        )  # fmt: skip
        layout.addWidget(self.automatic)
        return layout

    def _list(self) -> QListWidget:
        self.list = QListWidget()
        self.list.setObjectName("shapes")
        self.list.setAccessibleName("Shapes of the mask")
        self.list.setToolTip("The shapes that mask this pair; Delete removes the selected one")
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setMinimumHeight(90)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.itemSelectionChanged.connect(self._select)
        for key in ("Delete", "Backspace"):
            shortcut = QShortcut(QKeySequence(key), self.list)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(self._remove)
        return self.list

    def _edits(self) -> QGridLayout:
        grid = QGridLayout()
        self.remove = self._button("Remove", "remove", "Remove the selected shape", None)
        self.remove.clicked.connect(self._remove)
        self.toggle = self._button(
            "Take out", "toggle", "Let the selected shape take out, or mask", None
        )
        self.toggle.clicked.connect(self._toggle)
        self.scope = self._button(
            "For this pair", "scope", "For all pairs, or this one alone", None
        )
        self.scope.clicked.connect(self._change_scope)
        self.step = QSpinBox()
        self.step.setRange(1, 100)
        self.step.setValue(2)
        self.step.setSuffix(" px")
        self.step.setAccessibleName("Px to grow or shrink by")
        self.step.setToolTip("By so many px")
        self.step.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._unwheeled = Unwheeled(self)
        self.step.installEventFilter(self._unwheeled)
        self.grow = self._button("Grow", "grow", "Make the selected shape, or all, larger", None)
        self.grow.clicked.connect(lambda _=False: self.grow_wanted.emit(self.step.value()))
        self.shrink = self._button(
            "Shrink", "shrink", "Make the selected shape, or all, smaller", None
        )
        self.shrink.clicked.connect(lambda _=False: self.grow_wanted.emit(-self.step.value()))
        for column, widget in enumerate((self.remove, self.toggle, self.scope)):
            grid.addWidget(widget, 0, column)
        second: tuple[QWidget, ...] = (self.grow, self.shrink, self.step)
        for column, each in enumerate(second):
            grid.addWidget(each, 1, column)
        return grid

    def _files(self) -> QGridLayout:
        grid = QGridLayout()
        self.load = self._button(
            "Import …", "import", "Read a mask image: what is not black is masked",
            self.import_wanted,
        )  # fmt: skip
        self.save = self._button(
            "Export …", "export", "Write the mask of this pair as an image", self.export_wanted
        )
        self.clear = self._button("Remove all", "clear", "Remove all masks of all pairs", None)
        self.clear.clicked.connect(lambda _=False: self.clear_wanted.emit(False))
        for column, widget in enumerate((self.load, self.save, self.clear)):
            grid.addWidget(widget, 0, column)
        return grid

    def _button(self, text: str, name: str, tip: str, signal: object) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setAccessibleName(f"{text.rstrip(' …')} (masks)")
        button.setToolTip(tip)
        button.setMinimumWidth(40)
        if signal is not None:
            button.clicked.connect(lambda _=False: signal.emit())  # type: ignore[attr-defined]
        return button

    def _tick(self, text: str, name: str, tip: str) -> QCheckBox:
        box = QCheckBox(text)
        box.setObjectName(name)
        box.setAccessibleName(text)
        box.setToolTip(tip)
        return box

    # -- wishes

    def _row(self) -> MaskRow | None:
        item = self.list.currentItem()
        if item is None or not item.isSelected():
            return None
        number = item.data(Qt.ItemDataRole.UserRole)
        return next((row for row in self._rows if row.number == number), None)

    def _select(self) -> None:
        self._enable()
        if not self._quiet:
            row = self._row()
            self.selected.emit(-1 if row is None else row.number)

    def _remove(self) -> None:
        if (row := self._row()) is not None:
            self.remove_wanted.emit(row.number)

    def _toggle(self) -> None:
        if (row := self._row()) is not None:
            self.subtract_wanted.emit(row.number, not row.subtract)

    def _change_scope(self) -> None:
        if (row := self._row()) is not None:
            self.everywhere_wanted.emit(row.number, not row.everywhere)

    def _enable(self) -> None:
        row = self._row()
        shape = row is not None and row.number >= 0
        self.remove.setEnabled(row is not None)
        self.toggle.setEnabled(shape)
        self.scope.setEnabled(row is not None)
        self.toggle.setText("Mask" if row is not None and row.subtract else "Take out")
        self.scope.setText("This pair" if row is None or row.everywhere else "All pairs")
        for widget in (self.grow, self.shrink, self.save, self.clear):
            widget.setEnabled(bool(self._rows))
