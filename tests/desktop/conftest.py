"""What the tests of the desktop program share: a session, stand-ins, and a whole program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QCoreApplication, QEvent
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop.stand_ins import StubDialogs, StubProgram, source_info, write_images
from gui.session import Session


def _delete_now() -> None:
    """What ``deleteLater`` leaves to an event loop."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def qtbot(qtbot: QtBot) -> Iterator[QtBot]:
    """Keep the widgets of a test whole until Qt deletes them, at the end of the test.

    pytest-qt holds them weakly, and paints what is shown once more after the test's own names are
    gone: the collector then takes a plot apart while it is being painted, and Qt crashes.
    """
    kept = []
    add = qtbot.addWidget

    def keep(widget: QWidget, **options: Any) -> None:
        kept.append(widget)
        add(widget, **options)

    qtbot.addWidget = qtbot.add_widget = keep  # type: ignore[method-assign]
    yield qtbot
    _delete_now()


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of two pairs."""
    return write_images(tmp_path / "Bilder über Strömung")


@pytest.fixture
def opened(session: Session, images: Path) -> Session:
    """A session with two pairs open."""
    session.set_source(source_info(images))
    return session


@pytest.fixture
def stub_program(qapp: Any, session: Session, tmp_path: Path) -> StubProgram:
    return StubProgram(tmp_path / "home", session)


@pytest.fixture(scope="module")
def program(qapp: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A whole program with its window and its processes; dialogs answer what a test says."""
    from gui.app import build

    hook = sys.excepthook
    made = build(home=tmp_path_factory.mktemp("home"))
    made.dialogs = StubDialogs()  # type: ignore[assignment]
    try:
        yield made
    finally:
        made.close()
        _delete_now()
        sys.excepthook = hook
