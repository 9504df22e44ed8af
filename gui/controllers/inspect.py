"""A click on a point shows what stands behind the vector there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gui.program import Program
from gui.quantities import flag_words
from gui.session import Topic
from gui.units import number
from gui.views.actions import ActionSpec
from gui.views.inspector import Inspector
from piv.types import Flag, VectorField

_SAME = 1e-3  # px; a vector that differs by more is not of these images
_SPECS = (
    ActionSpec("inspect.point", "Inspect a point", "Results", "Ctrl+T",
               "Click a point: correlation plane, windows and the moved pair there", True,
               "inspect", toolbar=True, needs="result"),
)  # fmt: skip


class Inspect:
    """Joins the inspector, the marked point of the session and the task that looks it up."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.view = Inspector()
        self.dock = program.window.add_panel(
            "inspector", "Inspector", self.view, "right", shown=False
        )
        self.seen: dict[str, Any] | None = None
        self._of: tuple[Any, ...] | None = None
        program.window.add_actions(_SPECS)
        self._action = program.window.action("inspect.point")
        self._action.triggered.connect(self.set_picking)
        self.view.pick_requested.connect(self.set_picking)
        self.display = program.controllers["display"]
        program.session.subscribe(Topic.SELECTION, self._selected)
        program.session.subscribe(Topic.PAIR, self._selected)
        self.display.subscribe(self._selected)

    def close(self) -> None:
        """End flickering."""
        self.view.stop()

    def set_picking(self, on: bool) -> None:
        """Let clicks on the image choose the point, or no longer."""
        if not on:
            self.display.picker.release()
            return
        self.program.window.show_panel("inspector")
        self.display.picker.take(self.pick, lambda: self._picking(False))
        self._picking(True)

    def pick(self, x: float, y: float) -> None:
        """Look into the window nearest to a place."""
        self.program.session.set_selection(point=(x, y))

    def _picking(self, on: bool) -> None:
        self._action.setChecked(on)
        self.view.show_picking(on)

    def _selected(self) -> None:
        session, canvas = self.program.session, self.program.window.canvas
        place, analysis = session.point, self.display.analysis
        canvas.show_marker([] if place is None else [place])
        if place is None:
            self._nothing("Click on the image to see what stands behind a vector.")
        elif analysis is None:
            self._nothing("This pair has no result yet: analyse it first.")
        elif session.source is None:
            self._nothing("Looking into a window needs the images: open them beside the results.")
        else:
            of = (place, session.index, analysis)
            if self._of is None or any(a is not b for a, b in zip(of, self._of, strict=True)):
                self._of = of
                self._ask(place)

    def _ask(self, place: tuple[float, float]) -> None:
        session = self.program.session
        assert session.source is not None
        self.view.show_nothing("Looking …")
        self.program.heavy.run(
            "inspect.point", key="inspect.point", done=self._take, failed=self._failed,
            spec=session.source.spec, index=session.index,
            mask=self.display.mask_of_analysis(), settings=self.display.settings_of_analysis(),
            place=place,
        )  # fmt: skip

    def _failed(self, text: str) -> None:
        self._nothing(text)
        self.program.tell.error(text)

    def _nothing(self, text: str) -> None:
        self.seen = self._of = None
        self.view.show_nothing(text)

    def _take(self, seen: dict[str, Any]) -> None:
        coarse = self.display.field("coarse")
        if coarse is None or self._of is None:
            return
        self.seen = seen
        self.view.show_window(seen, words_of(seen, coarse))


def words_of(seen: dict[str, Any], coarse: VectorField) -> list[str]:
    """The window in numbers, and how they compare with the stored vector.

    Parameters
    ----------
    seen : dict
        From :func:`gui.compute.tasks.inspect.point`.
    coarse : VectorField
        Of the result, in px.
    """

    def both(values: tuple[float, float]) -> str:
        return f"u {number(values[0])}, v {number(values[1])} px"

    height, width = seen["size"]
    lines = [
        f"window {height} x {width} px (height x width) about x {seen['x']:.1f}, "
        f"y {seen['y']:.1f} px",
        f"predictor  {both(seen['predictor'])}",
        f"peak  {both(seen['peak'])}",
        f"together  {both(seen['measured'])}",
    ]
    stored, flags = _stored(seen, coarse)
    if stored is None:
        lines.append("the result has no vector here")
    else:
        lines.append(f"stored  {both(stored)}")
        apart = math.hypot(stored[0] - seen["measured"][0], stored[1] - seen["measured"][1])
        if flags & int(Flag.REPLACED):
            lines.append("replaced: the stored vector is made of its neighbours")
        elif apart > _SAME:
            lines.append(
                f"apart by {number(apart)} px: the result was made of other images than these, "
                "such as with a background subtracted"
            )
    lines.append(f"peak height {number(seen['height'])}, peak ratio {number(seen['ratio'])}")
    words = ", ".join(flag_words(flags))
    lines.append(f"flags: {words}" if words else "flags: none")
    return lines


def _stored(seen: dict[str, Any], coarse: VectorField) -> tuple[tuple[float, float] | None, int]:
    row = int(np.abs(coarse.y - seen["y"]).argmin())
    column = int(np.abs(coarse.x - seen["x"]).argmin())
    if abs(coarse.y[row] - seen["y"]) > 0.01 or abs(coarse.x[column] - seen["x"]) > 0.01:
        return None, 0
    u, v = float(coarse.u[row, column]), float(coarse.v[row, column])
    flags = int(coarse.flags[row, column])
    return ((u, v) if math.isfinite(u) and math.isfinite(v) else None), flags


def attach(program: Program) -> Inspect:
    """Join inspector and session."""
    return Inspect(program)
