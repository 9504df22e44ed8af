"""What is seen of everything: fit, zoom, theme, layout, title, what is enabled, Esc."""

from __future__ import annotations

from functools import partial
from typing import Any

from gui.program import Program
from gui.session import Topic
from gui.state import DONE
from gui.views.actions import ActionSpec
from gui.views.canvas import Tool
from gui.views.theme import MODES, Mode, Theme
from piv.types import size_text

_SPECS = (
    ActionSpec("view.fit", "Fit the frame", "View", "F", "Show the whole frame", group="zoom",
               toolbar=True, needs="pair"),
    ActionSpec("view.zoom_in", "Zoom in", "View", "Ctrl++, Ctrl+=", "Show a smaller part, larger",
               group="zoom", needs="pair"),
    ActionSpec("view.zoom_out", "Zoom out", "View", "Ctrl+-", "Show a larger part, smaller",
               group="zoom", needs="pair"),
    ActionSpec("view.zoom_box", "Zoom to a box", "View", "Z", "Draw the part that is to be seen",
               group="zoom", needs="pair"),
    ActionSpec("view.cancel", "Cancel", "View", "Esc",
               "Leave the tool, else stop what runs, else close the message", group="cancel"),
    ActionSpec("view.theme_system", "Colours of the system", "View", "",
               "Light or dark, as the system has it", True, "theme"),
    ActionSpec("view.theme_light", "Light", "View", "", "Dark text on a light ground", True,
               "theme"),
    ActionSpec("view.theme_dark", "Dark", "View", "", "Light text on a dark ground", True,
               "theme"),
    ActionSpec("view.full_screen", "Full screen", "View", "F11", "Use the whole screen", True,
               "window"),
    ActionSpec("view.reset_layout", "Put the panels back", "View", "",
               "Every panel where it was at first", group="window"),
)  # fmt: skip
_STEP = 1.5  # of one zoom


class View:
    """Keeps the window in step with the session."""

    def __init__(self, program: Program) -> None:
        self.program = program
        window, session = program.window, program.session
        self.theme: Theme = program.controllers["theme"]
        window.add_actions(_SPECS)
        for name, call in (
            ("view.fit", window.canvas.fit),
            ("view.zoom_in", partial(self.zoom, _STEP)),
            ("view.zoom_out", partial(self.zoom, 1 / _STEP)),
            ("view.zoom_box", partial(window.canvas.set_tool, Tool.ZOOM)),
            ("view.cancel", self.cancel),
            ("view.reset_layout", window.reset_layout),
            *((f"view.theme_{mode}", partial(self.set_theme, mode)) for mode in MODES),
        ):
            window.action(name).triggered.connect(lambda _=False, c=call: c())
        window.action("view.full_screen").triggered.connect(self.set_full_screen)
        window.welcome.example_requested.connect(
            lambda: window.action("synthetic.make").trigger()  # made later than this
        )
        for topic in (Topic.SOURCE, Topic.PAIR, Topic.RESULTS):
            session.subscribe(topic, self.update)
        session.subscribe(Topic.TITLE, self._show_title)
        self._show_theme()
        self.update()
        self._show_title()

    def update(self) -> None:
        """Enable what can be done, and say what is open."""
        session, window = self.program.session, self.program.window
        present = set()
        if session.source is not None and session.count:
            present.add("pair")
        if session.count > 1:
            present.add("series")
        if session.store is not None:
            present.add("store")
        entry = session.result
        of_store = (
            session.store is not None
            and session.index < session.store.count
            and session.store.statuses[session.index] == DONE
        )
        if of_store or (entry is not None and entry.analysis is not None):
            present.add("result")
        window.set_present(frozenset(present))
        window.set_welcome(not session.count)
        if session.count and session.shape is not None:
            name = session.names[session.index] if session.index < len(session.names) else ""
            window.set_source_text(
                f"{name} - pair {session.index + 1} of {session.count} - "
                f"{size_text(session.shape)} px"
            )
        else:
            window.set_source_text("Nothing is open")

    def zoom(self, factor: float) -> None:
        """Show a part that is ``factor`` times smaller, about the middle of what is seen."""
        canvas = self.program.window.canvas
        rect = canvas.view_rect()
        x, y, width, height = rect
        canvas.zoom_to((
            x + width / 2 * (1 - 1 / factor), y + height / 2 * (1 - 1 / factor),
            width / factor, height / factor,
        ))  # fmt: skip

    def cancel(self) -> None:
        """Leave the tool, else stop what runs, else close the message."""
        window, session = self.program.window, self.program.session
        pairs = self.program.controllers.get("pairs")
        if window.canvas.tool != Tool.PAN:
            window.canvas.set_tool(Tool.PAN)
        elif window.busy:
            window.cancel()
        elif session.display.flicker:
            session.set_display(flicker=False)
        elif pairs is not None and pairs.playing:
            pairs.set_playing(False)
        elif window.isFullScreen():
            self.set_full_screen(False)
        else:
            window.message_bar.dismiss()

    def set_theme(self, mode: Mode) -> None:
        """Light, dark, or the system's; remembered."""
        self.theme.set_mode(mode)
        self._show_theme()

    def remember_theme(self, mode: object) -> None:
        """Take the theme of the last time, if it is one."""
        if mode in MODES:
            self.set_theme(mode)

    def set_full_screen(self, on: bool) -> None:
        """Use the whole screen, or a window again."""
        window = self.program.window
        if on:
            window.showFullScreen()
        else:
            window.showNormal()
        window.action("view.full_screen").setChecked(on)

    def _show_theme(self) -> None:
        for mode in MODES:
            action = self.program.window.action(f"view.theme_{mode}")
            action.setChecked(mode == self.theme.mode)

    def _show_title(self) -> None:
        session, window = self.program.session, self.program.window
        window.setWindowTitle(f"{session.title().removesuffix(' *')}[*]")
        window.setWindowModified(session.dirty)


def attach(program: Program) -> Any:
    """Begin to keep the window in step."""
    return View(program)
