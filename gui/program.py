"""The running program: what its areas have in common, and where it keeps its own files.

Nothing here loads Qt: the types are named for the reader and the checker.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gui.dialogs import Dialogs
    from gui.session import Session
    from gui.tell import Tell
    from gui.views.main_window import MainWindow
    from gui.workers import Compute

HOME = "PIV_GUI_HOME"  # environment variable: another folder for the program's own files


def home_folder() -> Path:
    """Where the program keeps recent files, layout, log and autosaves, as the system has it."""
    if named := os.environ.get(HOME):
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "ccfcn-piv"


@dataclass
class Program:
    """What every controller is given.

    Attributes
    ----------
    session : Session
        The truth: pairs, settings, masks, results, view options.
    window : MainWindow
    quick, heavy : Compute
        The child that reads and draws, and the one that computes.
    tell : Tell
        Messages that block nothing.
    dialogs : Dialogs
        The only place with questions that block.
    home : Path
        Folder of the program's own files.
    controllers : dict of str to object
        By the name of their area.
    """

    session: Session
    window: MainWindow
    quick: Compute
    heavy: Compute
    tell: Tell
    dialogs: Dialogs
    home: Path
    controllers: dict[str, Any] = field(default_factory=dict)
    closed: bool = False

    def close(self) -> None:
        """End what runs, the children too, and let the window go; again is no harm."""
        if self.closed:
            return
        self.closed = True
        with contextlib.ExitStack() as last:  # each of them, whatever the others do
            last.callback(self.window.deleteLater)
            last.callback(self.window.end)
            last.callback(self.heavy.close)
            last.callback(self.quick.close)
            for controller in self.controllers.values():
                if (close := getattr(controller, "close", None)) is not None:
                    last.callback(close)
