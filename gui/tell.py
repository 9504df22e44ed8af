"""Messages to the user: they block nothing, and are kept in the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Level = Literal["info", "warning", "error"]

log = logging.getLogger("gui")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
KEPT = 500  # messages


@dataclass(frozen=True)
class Message:
    """One message: what was said, how serious it is, and when."""

    level: Level
    text: str
    detail: str
    at: datetime


class Shows(Protocol):
    """Where messages appear: the bar above the canvas, the log panel."""

    def show_message(self, message: Message) -> None:
        """Show it."""


class Tell:
    """Tells the user something, in a bar that blocks nothing.

    Attributes
    ----------
    messages : list of Message
        The latest ones, oldest first.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._places: list[Shows] = []

    def add_place(self, place: Shows) -> None:
        """Show messages there too; those that were told already are shown at once."""
        for message in self.messages:
            place.show_message(message)
        self._places.append(place)

    @property
    def last(self) -> Message | None:
        """The latest message."""
        return self.messages[-1] if self.messages else None

    def info(self, text: str, detail: str = "") -> None:
        """Say what was done."""
        self._say("info", text, detail)

    def warning(self, text: str, detail: str = "") -> None:
        """Say what may surprise."""
        self._say("warning", text, detail)

    def error(self, text: str, detail: str = "") -> None:
        """Say what was wanted, what came and what to do, in one line.

        Parameters
        ----------
        text : str
        detail : str
            More, for those who want to see it, such as a traceback.
        """
        self._say("error", text, detail)

    def _say(self, level: Level, text: str, detail: str) -> None:
        message = Message(
            level, " ".join(text.split()), detail.strip(), datetime.now().astimezone()
        )
        log.log(_LEVELS[level], "%s%s", message.text, f"\n{message.detail}" if detail else "")
        self.messages.append(message)
        del self.messages[:-KEPT]
        for place in self._places:
            place.show_message(message)
