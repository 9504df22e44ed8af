"""Random actions, keys, clicks, values and files: no exception, no frozen window, no leak."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from PyQt6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from desktop.test_window import every_widget
from desktop.whole import (
    Answers,
    calm,
    end,
    open_files,
    open_now,
    start,
    write_data_set,
    write_folder,
    write_pair,
)
from gui.program import Program
from gui.session import Topic
from gui.views.canvas import Tool

NEVER = ("file.quit", "view.full_screen")  # they end the play; the window is closed at the end
SELDOM = ("batch.", "synthetic.", "export.film", "export.report", "statistics.")  # these take long
WORDS = ("", "12 mm", "-1", "1e-3", "abc", "64, 32", "0, 0", "ä", "nan", "1e400", "3 px", "10 ms")
KEYS = (
    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Space, Qt.Key.Key_Escape, Qt.Key.Key_A,
    Qt.Key.Key_B, Qt.Key.Key_F, Qt.Key.Key_V, Qt.Key.Key_S, Qt.Key.Key_Delete, Qt.Key.Key_Return,
    Qt.Key.Key_Tab, Qt.Key.Key_Up, Qt.Key.Key_Down,
)  # fmt: skip


class Monkey:
    """Plays with a program, the same way for the same seed."""

    def __init__(self, program: Program, folder: Path, seed: int, *, patient: bool) -> None:
        self.program, self.folder = program, folder
        self.random = random.Random(seed)
        self.patient = patient  # whether long things may be begun
        self.done: list[str] = []
        good = [list(write_pair(folder / "pair")), [write_folder(folder / "run", 3)]]
        good.append([write_data_set(folder / "set.h5")])
        bad = folder / "bad.tif"
        bad.write_bytes(b"II*\0rubbish")
        self.files = [*good, [bad], [folder / "gone"], [good[0][0]]]

    def play(self, count: int) -> None:
        """So many random deeds."""
        deeds: list[tuple[Callable[[], str], int]] = [
            (self.action, 8), (self.button, 5), (self.canvas, 5), (self.key, 4), (self.value, 4),
            (self.pair, 2), (self.drop, 1),
        ]  # fmt: skip
        names, weights = zip(*deeds, strict=True)
        for _ in range(count):
            answers = Answers()
            answers.paths = self.random.choice(self.files)
            answers.save = self.folder / f"out{self.random.randrange(3)}"
            answers.button = self.random.choice(("Discard", "Cancel", "Save", "Replace", "Remove"))
            answers.value = self.random.choice((None, 3.0))
            answers.line = self.random.choice((None, *WORDS))
            self.program.dialogs = answers  # type: ignore[assignment]
            deed = self.random.choices(names, weights)[0]
            self.done.append(deed())
            QApplication.processEvents()
            if self.random.random() < 0.15:
                limit = time.monotonic() + 0.05
                while time.monotonic() < limit:
                    QApplication.processEvents()

    def allowed(self, name: str) -> bool:
        return name not in NEVER and (self.patient or not name.startswith(SELDOM))

    def action(self) -> str:
        actions = self.program.window.actions_by_name
        names = [n for n, a in actions.items() if a.isEnabled() and self.allowed(n)]
        name = self.random.choice(names)
        actions[name].trigger()
        return f"action {name}"

    def widget(self, *kinds: type) -> QWidget | None:
        found = []
        for widget in every_widget(self.program.window):
            panel = widget
            while panel.parentWidget() and not panel.objectName().startswith("panel."):
                panel = panel.parentWidget()
            name = panel.objectName().removeprefix("panel.") + "."
            if isinstance(widget, kinds) and widget.isEnabled() and self.allowed(name):
                found.append(widget)
        return self.random.choice(found) if found else None

    def button(self) -> str:
        button = self.widget(QAbstractButton)
        if not isinstance(button, QAbstractButton):
            return "no button"
        action = getattr(button, "defaultAction", lambda: None)()
        if action is not None and not self.allowed(action.objectName()):
            return "not that button"
        if not self.patient and ("report" in button.text() or "film" in button.text()):
            return "not that button"
        button.click()
        return f"button {button.accessibleName()}"

    def canvas(self) -> str:
        canvas = self.program.window.canvas
        target = canvas
        inner = [w for w in canvas.findChildren(QWidget) if w.width() > 200 and w.height() > 200]
        if inner:
            target = inner[-1]
        if self.random.random() < 0.3:
            canvas.set_tool(self.random.choice(list(Tool)))

        def point() -> QPoint:
            return QPoint(
                self.random.randrange(max(1, target.width())),
                self.random.randrange(max(1, target.height())),
            )

        first = point()
        QTest.mouseMove(target, first)
        if self.random.random() < 0.5:
            QTest.mouseClick(target, Qt.MouseButton.LeftButton, pos=first)
            if self.random.random() < 0.3:
                QTest.mouseDClick(target, Qt.MouseButton.LeftButton, pos=first)
            return f"click {first.x()}, {first.y()}"
        QTest.mousePress(target, Qt.MouseButton.LeftButton, pos=first)
        for _ in range(3):
            QTest.mouseMove(target, point())
        QTest.mouseRelease(target, Qt.MouseButton.LeftButton, pos=point())
        return "drag"

    def key(self) -> str:
        key = self.random.choice(KEYS)
        target = QApplication.focusWidget() or self.program.window
        QTest.keyClick(target, key)
        return f"key {key.name}"

    def value(self) -> str:
        widget = self.widget(QComboBox, QSpinBox, QDoubleSpinBox, QAbstractSlider, QLineEdit)
        if isinstance(widget, QComboBox) and widget.count():
            widget.setCurrentIndex(self.random.randrange(widget.count()))
            widget.activated.emit(widget.currentIndex())
        elif isinstance(widget, (QSpinBox, QAbstractSlider)):
            widget.setValue(self.random.randint(widget.minimum(), widget.maximum()))
        elif isinstance(widget, QDoubleSpinBox):
            widget.setValue(self.random.uniform(widget.minimum(), widget.maximum()))
        elif isinstance(widget, QLineEdit) and not widget.isReadOnly():
            widget.setText(self.random.choice(WORDS))
            widget.editingFinished.emit()
        return f"value {widget.accessibleName() if widget else ''}"

    def pair(self) -> str:
        index = self.random.randrange(-1, 5)
        self.program.session.set_index(index)
        return f"pair {index}"

    def drop(self) -> str:
        paths = self.random.choice(self.files)
        self.program.window.dropped.emit([str(path) for path in paths])
        return f"drop {paths}"


def _count(program: Program) -> dict[str, int]:
    """What could leak, with nothing open and nothing running."""
    program.window.cancel()
    program.dialogs = Answers()  # type: ignore[assignment]
    program.session.reset()
    program.controllers["pairs"].set_playing(False)
    for name in ("synthetic", "statistics", "export", "analysis"):
        program.controllers[name].cancel()
    batch = program.controllers["batch"]
    if batch.running:
        batch.stop()
        batch._end_now()
    calm(program, 240)
    for _ in range(3):
        gc.collect()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QApplication.processEvents()
    return {
        "widgets": len(QApplication.allWidgets()),
        "threads": threading.active_count(),
        "files": open_files(),
        "listeners": sum(len(program.session._listeners[topic]) for topic in Topic),
    }


def _play(tmp: Path, count: int, seed: int, *, patient: bool) -> None:
    problems: list[str] = []
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        problems.append(f"{kind.__name__}: {error}")
        before(kind, error, trace)

    program = start(tmp / "home")
    sys.excepthook = hook
    monkey = Monkey(program, tmp, seed, patient=patient)
    try:
        open_now(program, *monkey.files[0])
        monkey.play(count // 2)
        first = _count(program)
        open_now(program, *monkey.files[1])
        monkey.play(count - count // 2)
        second = _count(program)
        bugs = [m for m in program.tell.messages if "mistake in the program" in m.text]
        problems += [f"{m.text}\n{m.detail}" for m in bugs]
        text = "\n".join(monkey.done[-40:])
        assert not problems, f"{problems}\nafter\n{text}"
        room = {"widgets": 40, "threads": 2, "files": 8, "listeners": 0}
        for name, slack in room.items():
            assert second[name] <= first[name] + slack, (name, first, second)
        open_now(program, *monkey.files[0])
        assert program.session.count == 1
        assert program.controllers["pairs"].pair is not None
    finally:
        sys.excepthook = before
        end(program)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_hundred_random_deeds(qapp: Any, tmp_path: Path, seed: int) -> None:
    _play(tmp_path, 100, seed, patient=False)


@pytest.mark.slow
def test_two_thousand_random_deeds(qapp: Any, tmp_path: Path) -> None:
    _play(tmp_path, 2000, 7, patient=True)
