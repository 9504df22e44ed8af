"""Entry point of ``piv-gui``: it puts the program together and starts it.

Qt is loaded inside the functions, so that the command can say what is missing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import logging.handlers
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gui.program import Program

AREAS = (
    "files", "pairs", "view", "settings", "masks", "calibration", "analysis", "display", "inspect",
    "profile", "validation", "statistics", "batch", "synthetic", "export", "sessions", "help",
)  # fmt: skip
INSTALL = 'pip install "ccfcn-piv[gui]"'

log = logging.getLogger("gui")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the desktop program until its window is closed.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments of the command; by default those of the process.

    Returns
    -------
    int
        Exit status: 0, or 1 if Qt is missing or there is no display.
    """
    options = _parser().parse_args(argv)
    try:
        from PyQt6.QtWidgets import QApplication

        importlib.import_module("pyqtgraph")
    except ImportError as error:
        print(
            f"piv-gui: the desktop program needs PyQt6 and pyqtgraph ({error}): {INSTALL}",
            file=sys.stderr,
        )
        return 1
    program = build(options.paths)
    program.window.show()
    app = QApplication.instance()
    assert app is not None
    try:
        return app.exec()
    finally:
        program.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="piv-gui", description="Particle image velocimetry: the desktop program."
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="what to open: two images, a folder, a data set, a video, results or a session",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    return parser


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"piv-gui {version('ccfcn-piv')}")
        parser.exit(0)


def build(argv: Sequence[str | Path] = (), home: Path | None = None) -> Program:
    """Put the program together; the window is not shown yet.

    Parameters
    ----------
    argv : sequence of path
        What to open at once.
    home : Path, optional
        Folder of the program's own files, in place of the user's.

    Returns
    -------
    Program
        Close it with ``close()``: it ends the children.
    """
    from gui.dialogs import Dialogs
    from gui.program import Program, home_folder
    from gui.session import Session
    from gui.tell import Tell
    from gui.views.log import LogPanel
    from gui.views.main_window import MainWindow
    from gui.workers import Compute

    theme = _application()
    home = home_folder() if home is None else home
    home.mkdir(parents=True, exist_ok=True)
    _log_to(home / "piv-gui.log")
    tell = Tell()
    session = Session()
    window = MainWindow()
    tell.add_place(window)
    program = Program(
        session=session,
        window=window,
        quick=Compute.quick(home / "scratch", tell),
        heavy=Compute.heavy(home / "scratch", tell),
        tell=tell,
        dialogs=Dialogs(window),
        home=home,
    )
    program.controllers["theme"] = theme
    _catch_everything(program)
    try:
        for area in AREAS:
            module = importlib.import_module(f"gui.controllers.{area}")
            program.controllers[area] = module.attach(program)
        panel = LogPanel()
        window.add_panel("log", "Log", panel, "bottom", shown=False)
        tell.add_place(panel)
        program.controllers["log"] = panel
        _remember_layout(program)
        window.closed.connect(program.close)
        if argv:
            program.controllers["files"].open_paths([Path(path) for path in argv])
    except BaseException:
        program.close()
        raise
    return program


def _application() -> Any:
    """The application with its names and its theme; made at the first call."""
    from PyQt6.QtCore import QCoreApplication
    from PyQt6.QtWidgets import QApplication

    from gui.views.theme import Theme, icon

    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(sys.argv[:1])
    QCoreApplication.setApplicationName("piv-gui")
    QCoreApplication.setOrganizationName("ccfcn-piv")
    app.setApplicationDisplayName("PIV")
    app.setWindowIcon(icon("program"))
    theme = app.findChild(Theme)
    return theme if theme is not None else Theme(app)


def _log_to(path: Path) -> None:
    """Keep messages and tracebacks in a file that does not grow for ever."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    try:
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=500_000, backupCount=1, encoding="utf-8"
        )
    except OSError:  # a home that cannot be written is no reason not to start
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def _catch_everything(program: Program) -> None:
    """Tell of a bug in place of ending: an exception that leaves a slot would abort Qt."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt) or program.closed:
            before(kind, error, trace)
            return
        program.tell.error(
            f"Something went wrong inside the program ({kind.__name__}: {error}); your data are "
            "safe and you can go on. The log has the details: please send them to the authors",
            "".join(traceback.format_exception(kind, error, trace)),
        )

    sys.excepthook = hook
    program.window.destroyed.connect(lambda: _uncatch(hook, before))


def _uncatch(hook: Any, before: Any) -> None:
    if sys.excepthook is hook:
        sys.excepthook = before


def _remember_layout(program: Program) -> None:
    """Take the layout of the last time, and keep this one when the window closes."""
    path = program.home / "window.json"
    window = program.window
    window.resize(1600, 1000)
    window.begin_layout()
    view = program.controllers["view"]
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        state = {}  # none yet, or damaged: the first layout is as good
    if isinstance(state, dict):
        window.restore_layout(state)
        view.remember_theme(state.get("theme"))

    def keep() -> None:
        try:
            state = {**window.layout_state(), "theme": view.theme.mode}
            path.write_text(json.dumps(state), encoding="utf-8")
        except OSError as error:
            log.warning("the layout could not be kept: %s", error)

    window.closed.connect(keep)
