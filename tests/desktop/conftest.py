"""What the tests of the desktop program share: a session, stand-ins, and a whole program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QCoreApplication, QEvent

from desktop.stand_ins import StubDialogs, StubProgram, source_info, write_images
from gui.session import Session


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
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        sys.excepthook = hook
