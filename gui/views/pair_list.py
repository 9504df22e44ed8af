"""The panel of pairs: what is open, how it is paired, every pair with a small picture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPixmap
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListView,
    QSizePolicy,
    QSpinBox,
    QSplitter,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from gui.views.contrast import ContrastBox

THUMBNAIL = 72  # px, the longer side
_KEPT = 500  # small pictures
_JUMP = "jump"
PAIRINGS = (
    ("as found", ""),
    ("by names: a and b, 1 and 2", "ab"),
    ("1-2, 3-4: each frame once", "1-2,3-4"),
    ("1-2, 2-3: each with the next", "1-2,2-3"),
    ("each with the K-th after it", _JUMP),
)
_COLOURS = {"analysed": "#3fa45b", "failed": "#d9483b", "edited": "#d08a1d"}


class PairModel(QAbstractListModel):
    """Pairs for a list; a picture is asked for when its row is first painted.

    Parameters
    ----------
    wanted : callable
        Takes the number of a pair whose picture is missing.
    """

    def __init__(self, wanted: Callable[[int], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted = wanted
        self._names: Sequence[str] = ()
        self._states: dict[int, str] = {}
        self._pictures: OrderedDict[int, QPixmap] = OrderedDict()
        self._empty = QPixmap(THUMBNAIL, THUMBNAIL * 3 // 4)
        self._empty.fill(QColor(128, 128, 128, 60))

    def set_names(self, names: Sequence[str]) -> None:
        """Other pairs."""
        self.beginResetModel()
        self._names = names
        self._states.clear()
        self._pictures.clear()
        self.endResetModel()

    def set_states(self, states: dict[int, str]) -> None:
        """What is known of the pairs: analysed, edited, or ``failed: why``; missing = nothing."""
        changed = [n for n in {**states, **self._states} if states.get(n) != self._states.get(n)]
        self._states = dict(states)
        for n in changed:
            index = self.index(n)
            self.dataChanged.emit(index, index)

    def set_picture(self, number: int, picture: npt.NDArray[np.uint8]) -> None:
        """The picture that was asked for, uint8 (h, w)."""
        if not 0 <= number < len(self._names):
            return
        self._pictures[number] = _pixmap(picture)
        while len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        index = self.index(number)
        self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])

    def set_missing(self, number: int) -> None:
        """There is no picture of this pair: it is not asked for again."""
        if 0 <= number < len(self._names):
            self._pictures[number] = self._empty

    def has_picture(self, number: int) -> bool:
        """Whether a pair has its picture."""
        return number in self._pictures

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008  (Qt's signature)
        """Of pairs."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, picture and tip of a row."""
        number = index.row()
        if not 0 <= number < len(self._names):
            return None
        name, state = self._names[number], self._states.get(number, "")
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{number + 1}  {name}\n{state.split(':')[0] or 'not analysed'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"pair {number + 1}: {name}" + (f"\n{state}" if state else "")
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"pair {number + 1}, {name}, {state or 'not analysed'}"
        if role == Qt.ItemDataRole.ForegroundRole and state.startswith("failed"):
            return QColor(_COLOURS["failed"])
        if role == Qt.ItemDataRole.DecorationRole:
            picture = self._pictures.get(number)
            if picture is None:
                self._wanted(number)
                picture = self._empty
            return _marked(picture, _COLOURS.get(state.split(":")[0], ""))
        return None


class _Row(QStyledItemDelegate):
    """A row as wide as the list, so that long names are cut in their middle."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Narrower than any list, which widens it to its own width."""
        return QSize(THUMBNAIL, super().sizeHint(option, index).height())


class PairPanel(QWidget):
    """Source, pairing, list of pairs, contrast.

    Signals
    -------
    chosen(int)
        A pair was chosen in the list.
    pairing_chosen(str)
        Another pairing: ``""`` (as found), ``ab``, ``1-2,3-4``, ``1-2,2-3`` or ``jump:K``.
    flicker_requested()
        Space was pressed in the list.
    thumbnail_wanted(int)
        A row is seen whose picture is missing.
    """

    chosen = pyqtSignal(int)
    pairing_chosen = pyqtSignal(str)
    flicker_requested = pyqtSignal()
    thumbnail_wanted = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("Nothing is open")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.title.setAccessibleName("What is open")
        self.notes = QLabel()
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.notes.setWordWrap(True)
        self.notes.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.notes.setForegroundRole(self.notes.foregroundRole())
        self.notes.setEnabled(False)

        self.pairing = QComboBox()
        self.pairing.setAccessibleName("Pairing")
        self.pairing.setToolTip("Which frames belong together")
        self.pairing.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for text, value in PAIRINGS:
            self.pairing.addItem(text, value)
        self.jump = QSpinBox()
        self.jump.setRange(1, 9999)
        self.jump.setPrefix("K = ")
        self.jump.setAccessibleName("Frames from the first to the second of a pair")
        self.jump.setToolTip("Each frame makes a pair with the K-th after it")
        self.jump.setKeyboardTracking(False)
        label = QLabel("Pairing")
        label.setBuddy(self.pairing)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.pairing, 1)
        row.addWidget(self.jump)
        self.pairing.activated.connect(self._pairing_chosen)
        self.jump.valueChanged.connect(self._jump_chosen)

        self.model = PairModel(self.thumbnail_wanted.emit, self)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(_Row(self.list))
        self.list.setAccessibleName("Pairs")
        self.list.setToolTip(
            "Pairs; the arrow keys go to the next and the previous one. Ctrl or Shift and a click "
            "select several, for a run of the series"
        )
        self.list.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.list.setUniformItemSizes(True)
        self.list.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.list.setAlternatingRowColors(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setMinimumHeight(90)
        self.list.installEventFilter(self)
        selection = self.list.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(self._row_chosen)

        self.contrast = ContrastBox()
        upper = QWidget()
        layout = QVBoxLayout(upper)
        layout.setContentsMargins(6, 6, 6, 2)
        layout.addWidget(self.title)
        layout.addWidget(self.notes)
        layout.addLayout(row)
        layout.addWidget(self.list, 1)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(upper)
        splitter.addWidget(self.contrast)
        splitter.setStretchFactor(0, 1)
        splitter.setCollapsible(0, False)
        splitter.setCollapsible(1, False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(splitter)
        self.show_pairing("", enabled=False)

    def sizeHint(self) -> QSize:
        """As wide as a name and a picture need."""
        return QSize(290, 560)

    def show_source(self, title: str, notes: str, names: Sequence[str]) -> None:
        """What is open."""
        self.title.setText(title)
        self.title.setToolTip(title)
        self.notes.setText(notes)
        self.notes.setVisible(bool(notes))
        self.model.set_names(names)

    def show_pairing(self, pairing: str, *, enabled: bool) -> None:
        """How frames are paired, and whether that can be changed here."""
        value, _, step = pairing.partition(":")
        place = max(0, self.pairing.findData(value))
        self.pairing.setCurrentIndex(place)
        self.pairing.setEnabled(enabled)
        self.jump.blockSignals(True)
        if step.isdigit():
            self.jump.setValue(int(step))
        self.jump.blockSignals(False)
        self.jump.setVisible(value == _JUMP)

    def selected(self) -> list[int]:
        """Numbers of the selected pairs, rising."""
        return sorted(index.row() for index in self.list.selectedIndexes())

    def show_index(self, number: int) -> None:
        """Mark a pair, without saying that it was chosen."""
        index = self.model.index(number)
        if not index.isValid() or index == self.list.currentIndex():
            return
        selection = self.list.selectionModel()
        assert selection is not None
        selection.blockSignals(True)
        self.list.setCurrentIndex(index)
        selection.blockSignals(False)
        self.list.scrollTo(index)
        viewport = self.list.viewport()
        assert viewport is not None
        viewport.update()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let Space flicker in the list too."""
        if (
            watched is self.list
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Space
        ):
            self.flicker_requested.emit()
            return True
        return super().eventFilter(watched, event)

    def _row_chosen(self, current: QModelIndex, _before: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(current.row())

    def _pairing_chosen(self) -> None:
        value = str(self.pairing.currentData())
        self.jump.setVisible(value == _JUMP)
        self.pairing_chosen.emit(f"jump:{self.jump.value()}" if value == _JUMP else value)

    def _jump_chosen(self, step: int) -> None:
        self.pairing_chosen.emit(f"jump:{step}")


def _pixmap(picture: npt.NDArray[np.uint8]) -> QPixmap:
    grey = np.ascontiguousarray(picture)
    height, width = grey.shape
    image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(image.copy())


def _marked(picture: QPixmap, colour: str) -> QPixmap:
    """With a dot that tells the state."""
    if not colour:
        return picture
    marked = QPixmap(picture)
    painter = QPainter(marked)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QColor("white"))
    painter.drawEllipse(marked.width() - 14, 3, 10, 10)
    painter.end()
    return marked
