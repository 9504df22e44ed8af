"""What can be done: the declaration of every action, and the actions made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QIcon, QKeySequence
from PyQt6.QtWidgets import QMenu, QWidget

Needs: TypeAlias = Literal["", "pair", "result", "series", "store"]

MENUS = (
    "File", "View", "Image", "Mask", "Analyse", "Results", "Calibrate", "Series", "Synthetic",
    "Export", "Help",
)  # fmt: skip
MISSING = {
    "pair": "open an image pair first",
    "result": "analyse the pair first",
    "series": "open a series of pairs first",
    "store": "open the results of a series first",
}


@dataclass(frozen=True)
class ActionSpec:
    """One action: where it stands, what it is called and what it needs.

    Parameters
    ----------
    name : str
        ``<area>.<verb>``, such as ``analysis.run``.
    text : str
        As in the menu, without marks for keys.
    menu : str
        One of :data:`MENUS`.
    shortcut : str
        Such as ``Ctrl+A``; several are separated by ", ".
    tip : str
        One sentence: what it does.
    checkable : bool
    group : str
        Actions of a group stand together; ``end`` stands last.
    toolbar : bool
    needs : str
        What must be there before it can be used.
    icon : str
        File name in gui/resources/icons without ``.svg``; empty = ``name``.
    """

    name: str
    text: str
    menu: str
    shortcut: str = ""
    tip: str = ""
    checkable: bool = False
    group: str = ""
    toolbar: bool = False
    needs: Needs = ""
    icon: str = ""

    def __post_init__(self) -> None:
        if self.menu not in MENUS:
            raise ValueError(f"there is no menu {self.menu!r}: {', '.join(MENUS)}")


def make_action(spec: ActionSpec, parent: QWidget, icon: Callable[[str], QIcon]) -> QAction:
    """The action that a declaration describes."""
    action = QAction(spec.text, parent)
    action.setObjectName(spec.name)
    action.setCheckable(spec.checkable)
    action.setIcon(icon(spec.icon or spec.name))
    action.setShortcuts([QKeySequence(key) for key in spec.shortcut.split(", ") if key])
    if spec.shortcut == "Space":  # presses buttons too: canvas and list take it themselves
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
    set_enabled(action, spec, frozenset(MISSING))
    return action


def set_enabled(action: QAction, spec: ActionSpec, present: frozenset[str]) -> None:
    """Enable an action if what it needs is there; if not, its tip says what is missing."""
    there = not spec.needs or spec.needs in present
    action.setEnabled(there)
    tip = spec.tip or spec.text
    if spec.shortcut:
        keys = ", ".join(
            QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
            for key in spec.shortcut.split(", ")
        )
        tip = f"{tip} ({keys})"
    if not there:
        tip = f"{tip}: {MISSING[spec.needs]}"
    action.setToolTip(tip)
    action.setStatusTip(tip)


def fill_menu(menu: QMenu, actions: Sequence[tuple[ActionSpec, QAction]]) -> None:
    """Put actions into a menu, group by group, with a letter of each to reach it by."""
    menu.clear()
    groups: dict[str, list[QAction]] = {}
    used: set[str] = set()
    for spec, action in actions:
        action.setText(_with_mnemonic(spec.text, used))
        groups.setdefault(spec.group, []).append(action)
    last = groups.pop("end", None)
    for n, group in enumerate([*groups.values(), *([last] if last else [])]):
        if n:
            menu.addSeparator()
        for action in group:
            if (submenu := action.menu()) is not None:
                menu.addMenu(submenu)
            else:
                menu.addAction(action)


def _with_mnemonic(text: str, used: set[str]) -> str:
    """The text with & before a letter that no other of the menu has, a word's first if possible."""
    places = [n for n, letter in enumerate(text) if letter.isalnum()]
    starts = [n for n in places if n == 0 or text[n - 1] == " "]
    for place in starts + places:
        if (letter := text[place].lower()) not in used:
            used.add(letter)
            head, tail = (part.replace("&", "&&") for part in (text[:place], text[place:]))
            return f"{head}&{tail}"
    return text.replace("&", "&&")
