"""Vectors judged again, rejected by hand, and limited in the plane of u and v."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from gui.masks import Shape
from gui.program import Program
from gui.session import Topic
from gui.state import Box, FieldEdits, Stage
from gui.units import Units
from gui.views.actions import ActionSpec
from gui.views.canvas import Tool
from gui.views.scatter_panel import ScatterPanel
from gui.views.validation_panel import ValidationPanel
from piv.errors import SettingsError
from piv.settings import ValidateSettings
from piv.types import Flag, VectorField

_PATCH = 9  # px; side of the square of a dense field that a click rejects
_SPECS = (
    ActionSpec("validation.panel", "Validate again", "Results", "Ctrl+Shift+V, Ctrl+V",
               "Judge the vectors with other thresholds, at once", group="validation"),
    ActionSpec("validation.reject_click", "Reject vectors by clicks", "Results", "Ctrl+Shift+R",
               "Each click rejects a vector; a second one takes it back", True, "validation",
               needs="result"),
    ActionSpec("validation.reject_box", "Reject vectors in boxes", "Results", "",
               "All vectors in a box drawn on the image are rejected", True, "validation",
               needs="result"),
    ActionSpec("validation.scatter", "Limits in the u-v plot", "Results", "Ctrl+U",
               "Draw limits about the good vectors in the plane of u and v", group="validation",
               needs="result"),
    ActionSpec("validation.restore", "Take back what was rejected by hand", "Results", "",
               "Forget all vectors, boxes and limits of this pair", group="validation",
               needs="result"),
)  # fmt: skip


class Validation:
    """Joins the panels of validation with the edits of the session."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.panel, self.scatter = ValidationPanel(), ScatterPanel()
        window = program.window
        self.dock = window.add_panel("validation", "Validation", self.panel, "right", shown=False)
        self.scatter_dock = window.add_panel(
            "scatter", "u-v plot", self.scatter, "bottom", shown=False
        )
        self.spread: dict[str, Any] | None = None
        self._spread_of: VectorField | None = None
        self._boxes = False
        self._counted: tuple[VectorField, dict[str, int]] | None = None
        self._counting: VectorField | None = None
        self.display = program.controllers["display"]
        window.add_actions(_SPECS)
        for name, call in (
            ("panel", lambda: window.show_panel("validation")), ("scatter", self.show_scatter),
            ("restore", self.restore),
        ):  # fmt: skip
            window.action(f"validation.{name}").triggered.connect(lambda _=False, c=call: c())
        window.action("validation.reject_click").triggered.connect(self.set_clicking)
        window.action("validation.reject_box").triggered.connect(self.set_boxing)
        panel = self.panel
        panel.thresholds_changed.connect(self.set_thresholds)
        panel.reset_requested.connect(self.reset_thresholds)
        panel.adopt_requested.connect(self.adopt)
        panel.reject_click_requested.connect(self.set_clicking)
        panel.reject_box_requested.connect(self.set_boxing)
        panel.restore_requested.connect(self.restore)
        panel.scatter_requested.connect(self.show_scatter)
        self.scatter.limits_drawn.connect(self.set_limits)
        self.scatter.clear_requested.connect(self.clear_limits)
        for dock in (self.dock, self.scatter_dock):
            dock.visibilityChanged.connect(lambda _: self._show())
        window.canvas.shape_drawn.connect(self._shape_drawn)
        window.canvas.tool_changed.connect(self._tool_changed)
        self.display.subscribe(self._show)
        for topic in (Topic.RESULTS, Topic.PAIR, Topic.DISPLAY, Topic.CALIBRATION):
            program.session.subscribe(topic, self._show)
        self._show()

    # thresholds

    @property
    def edits(self) -> FieldEdits:
        """Those of the pair that is looked at."""
        entry = self.program.session.result
        return FieldEdits() if entry is None else entry.edits

    def _set_edits(self, edits: FieldEdits, text: str, merge: object = None) -> None:
        session = self.program.session
        if session.result is None or session.result.analysis is None:
            self.program.tell.error("there are no vectors to reject: analyse the pair first")
            self._show()
            return
        session.set_edits(session.index, edits, text, merge=merge)

    def thresholds(self) -> ValidateSettings:
        """With which the coarse vectors are judged now."""
        chosen = self.edits.validate
        return self.display.settings_of_analysis().validate if chosen is None else chosen

    def set_thresholds(self, changes: dict[str, float]) -> None:
        """Judge again with other thresholds."""
        try:
            settings = dataclasses.replace(self.thresholds(), **changes)
        except SettingsError as error:
            self.program.tell.error(str(error))
            self._show()
            return
        unchanged = settings == self.display.settings_of_analysis().validate
        chosen = None if unchanged else settings
        self._set_edits(
            self.edits.replace(validate=chosen), "validation",
            merge=("validate", *sorted(changes)),
        )  # fmt: skip

    def reset_thresholds(self) -> None:
        """Back to the thresholds of the analysis."""
        self._set_edits(self.edits.replace(validate=None), "validation")

    def adopt(self) -> None:
        """Analyse with these thresholds from now on."""
        session = self.program.session
        settings = dataclasses.replace(session.settings, validate=self.thresholds())
        session.set_settings(settings, "thresholds of the validation")
        self.program.tell.info("the next analyses use these thresholds")

    # by hand

    def set_clicking(self, on: bool) -> None:
        """Let each click reject a vector, or no longer."""
        if not on:
            self.display.picker.release()
            return
        self.program.window.show_panel("validation")
        self.display.picker.take(self.toggle_at, lambda: self._show_tool(""))
        self._show_tool("click")

    def set_boxing(self, on: bool) -> None:
        """Let boxes on the image reject vectors, or no longer."""
        canvas = self.program.window.canvas
        canvas.set_tool(Tool.REJECT_BOX if on else Tool.PAN)
        self._show_tool("box" if on else "")

    def toggle_at(self, x: float, y: float) -> None:
        """Reject the vector nearest to a place, or take it back; of a dense field a small patch."""
        stage: Stage = self.display.shown_stage()
        field = self.display.field(stage)
        if field is None:
            self._set_edits(self.edits, "")
            return
        row, column = (int(np.abs(axis - at).argmin()) for axis, at in ((field.y, y), (field.x, x)))
        edits = self.edits
        if stage == "coarse":
            cells = set(edits.coarse) ^ {(row, column)}
            self._set_edits(edits.with_rejected("coarse", cells), "rejected vector")
            return
        hit = [b for b in edits.boxes if b.stage == "dense" and _holds(b, x, y) and _is_patch(b)]
        if hit:
            boxes = tuple(each for each in edits.boxes if each not in hit)
        else:
            half = _PATCH / 2
            x0, y0 = float(field.x[column]), float(field.y[row])
            boxes = (*edits.boxes, Box("dense", x0 - half, y0 - half, x0 + half, y0 + half))
        self._set_edits(edits.replace(boxes=boxes), "rejected vectors")

    def _shape_drawn(self, shape: Shape) -> None:
        if shape.kind != Tool.REJECT_BOX.value:
            return
        (x0, y0), (x1, y1) = shape.points[0], shape.points[1]
        stage: Stage = self.display.shown_stage()
        box = Box(stage, min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        self._set_edits(self.edits.replace(boxes=(*self.edits.boxes, box)), "rejected box")

    def _tool_changed(self, tool: object) -> None:
        if tool == Tool.REJECT_BOX:
            self._show_tool("box")
        elif self._boxes:
            self._show_tool("")

    def _show_tool(self, name: str) -> None:
        self._boxes = name == "box"
        self.panel.show_tool(name)
        window = self.program.window
        window.action("validation.reject_click").setChecked(name == "click")
        window.action("validation.reject_box").setChecked(name == "box")

    def restore(self) -> None:
        """Take back all that was rejected by hand."""
        kept = FieldEdits(validate=self.edits.validate)
        if self.edits == kept:
            self.program.tell.info("nothing was rejected by hand in this pair")
            return
        self._set_edits(kept, "all rejected vectors taken back")

    # limits

    def show_scatter(self) -> None:
        """Show u over v."""
        self.program.window.show_panel("scatter")
        self._show()

    def set_limits(self, u_low: float, u_high: float, v_low: float, v_high: float) -> None:
        """Reject what lies outside a rectangle in the plane of u and v, as they are shown."""
        if not (u_low < u_high and v_low < v_high):
            self.program.tell.error(
                "limits need a low end below the high end, for u and for v: drag a rectangle"
            )
            self._show()
            return
        (to_u, _), (to_v, _) = self._scales
        us, vs = (u_low / to_u, u_high / to_u), sorted((v_low / to_v, v_high / to_v))
        corners = ((us[0], vs[0]), (us[1], vs[0]), (us[1], vs[1]), (us[0], vs[1]))
        self._set_edits(self.edits.replace(limits=corners), "limits", merge="limits")

    def clear_limits(self) -> None:
        """Reject nothing by limits."""
        self._set_edits(self.edits.replace(limits=()), "limits")

    @property
    def _scales(self) -> tuple[tuple[float, str], tuple[float, str]]:
        units = Units.of(self.program.session)
        return units.scale("u"), units.scale("v")

    # showing

    def _show(self) -> None:
        analysis = self.display.analysis
        self.panel.set_ready(analysis is not None)
        edits = self.edits
        self.panel.show_thresholds(self.thresholds(), changed=edits.validate is not None)
        by_hand = edits != FieldEdits(validate=edits.validate)
        self.panel.show_summary(self.summary(), edited=by_hand)
        if self.dock.isVisible():
            self._ask_counts()
        if self.scatter_dock.isVisible():
            self._ask_spread()

    def _ask_counts(self) -> None:
        """Count the vectors of a dense field, which are many, in another process."""
        dense = None if self.display.analysis is None else self.display.analysis.dense
        known = self._counted is not None and self._counted[0] is dense
        if dense is None or known or self._counting is dense:
            return
        self._counting = dense
        self.program.quick.run(
            "fields.counts", key="validation.counts", field=dense,
            done=lambda found: self._take_counts(dense, found),
        )  # fmt: skip

    def _take_counts(self, field: VectorField, found: dict[str, int]) -> None:
        self._counted, self._counting = (field, found), None
        self._show()

    def summary(self) -> str:
        """How many vectors are valid, replaced and rejected."""
        if self.display.analysis is None:
            return "Analyse a pair to judge its vectors."
        stage = self.display.shown_stage()
        field = self.display.field("coarse")
        assert field is not None
        alive = (field.flags & int(Flag.MASKED)) == 0
        total = max(1, int(alive.sum()))
        replaced = int((((field.flags & int(Flag.REPLACED)) != 0) & alive).sum())
        lines = [
            f"Correlation: {total - replaced} of {total} vectors valid (green), "
            f"{replaced} replaced (orange): {100 * (total - replaced) / total:.1f} % valid."
        ]
        dense = self.display.field("dense")
        if stage == "dense" and self._counted is not None and self._counted[0] is dense:
            found = self._counted[1]
            lines.append(f"Every pixel: {found['rejected']} of {found['alive']} rejected.")
        if self.program.session.source is None and self.edits.validate is not None:
            lines.append(
                "Without the images a vector that was replaced stays so: the results file holds "
                "only the value in its place."
            )
        return "\n".join(lines)

    def _ask_spread(self) -> None:
        field = self.display.field(self.display.shown_stage())
        if field is None:
            self.spread = self._spread_of = None
            self.scatter.show_nothing("Analyse a pair to see how its vectors are spread.")
            return
        if field is self._spread_of:
            self._show_spread()
            return
        self._spread_of = field
        self.program.quick.run("fields.scatter", key="scatter", done=self._take, field=field)

    def _take(self, spread: dict[str, Any]) -> None:
        self.spread = spread
        self._show_spread()

    def _show_spread(self) -> None:
        if self.spread is None:
            return
        (to_u, unit), (to_v, _) = self._scales
        count = self.spread["count"]
        u, v = self.spread["edges_u"] * to_u, self.spread["edges_v"] * to_v
        if to_v < 0:
            count, v = count[::-1], v[::-1]
        up = "up" if to_v < 0 else "down"
        self.scatter.show_counts(count, (u, v), (f"u ({unit})", f"v, {up} ({unit})"))
        corners = [(a * to_u, b * to_v) for a, b in self.edits.limits]
        us, vs = ([c[0] for c in corners], [c[1] for c in corners]) if corners else (u, v)
        ends = (min(us), max(us), min(vs), max(vs))
        gone, used = self.spread["rejected"], self.spread["used"]
        text = f"{gone} of {used} vectors rejected" if gone else f"{used} vectors"
        self.scatter.show_limits(corners, [float(each) for each in ends], unit, text)


def _holds(box: Box, x: float, y: float) -> bool:
    return box.left <= x <= box.right and box.top <= y <= box.bottom


def _is_patch(box: Box) -> bool:
    return math.isclose(box.right - box.left, _PATCH) and math.isclose(box.bottom - box.top, _PATCH)


def attach(program: Program) -> Validation:
    """Join validation and session."""
    return Validation(program)
