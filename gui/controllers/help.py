"""Help, what the program is made of, and the log."""

from __future__ import annotations

from typing import Any

from gui.program import Program
from gui.views.actions import ActionSpec
from gui.views.help_window import HelpWindow, about_html, help_html

_SPECS = (
    ActionSpec("help.contents", "Help and shortcuts", "Help", "F1, Ctrl+H",
               "What to do first, every panel, all keys", group="help", toolbar=True),
    ActionSpec("help.log", "Log of messages", "Help", "",
               "Everything that was said since the program began", group="help"),
    ActionSpec("help.about", "About", "Help", "", "Versions and licences", group="end"),
)  # fmt: skip


class Help:
    """Shows the pages; their windows block nothing."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.window = HelpWindow(program.window)
        program.window.add_actions(_SPECS)
        for name, call in (
            ("help.contents", self.contents),
            ("help.about", self.about),
            ("help.log", lambda: program.window.show_panel("log")),
        ):
            program.window.action(name).triggered.connect(lambda _=False, c=call: c())

    def contents(self) -> None:
        """Show the help page, with the keys as they are now."""
        self.window.show_page("Help", help_html(self.program.window.specs.values()))

    def about(self) -> None:
        """Show versions and licences."""
        self.window.show_page("About", about_html())

    def close(self) -> None:
        """Close the window of the pages."""
        self.window.close()


def attach(program: Program) -> Any:
    """Offer help."""
    return Help(program)
