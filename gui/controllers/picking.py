"""Clicks on the canvas go to whoever asked for them last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gui.views.canvas import Tool


class Picker:
    """Hands the clicks of the tool PICK to one listener at a time.

    Parameters
    ----------
    canvas : Canvas
    """

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self._call: Callable[[float, float], None] | None = None
        self._ended: Callable[[], None] | None = None
        canvas.clicked.connect(self._clicked)
        canvas.tool_changed.connect(self._tool_changed)

    def take(self, call: Callable[[float, float], None], ended: Callable[[], None]) -> None:
        """Send clicks to ``call`` until another tool or listener is chosen; then ``ended`` is told.

        Parameters
        ----------
        call : callable
            Takes x, y in px.
        ended : callable
        """
        self._let_go()
        self._call, self._ended = call, ended
        self._canvas.set_tool(Tool.PICK)

    def release(self) -> None:
        """Go back to moving the view."""
        if self._call is not None:
            self._let_go()
            self._canvas.set_tool(Tool.PAN)

    def _let_go(self) -> None:
        ended, self._call, self._ended = self._ended, None, None
        if ended is not None:
            ended()

    def _clicked(self, x: float, y: float) -> None:
        if self._call is not None and self._canvas.tool == Tool.PICK:
            self._call(x, y)

    def _tool_changed(self, tool: object) -> None:
        if tool != Tool.PICK:
            self._let_go()
