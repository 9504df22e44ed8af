"""Scale, time and origin: what turns px into mm and m/s; stored results never change."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gui.masks import Shape
from gui.session import Topic
from gui.state import CalibrationState
from gui.units import Units, length_text, number, read_length, read_time, time_text
from gui.views.actions import ActionSpec
from gui.views.calibration_panel import CalibrationPanel
from gui.views.canvas import Tool
from piv.errors import InputError, PIVError

if TYPE_CHECKING:
    from gui.program import Program

ACTIONS = (
    ActionSpec("calibration.panel", "Calibration", "Calibrate", "Ctrl+K",
               "Show scale, time and origin", group="panel", icon="scale"),
    ActionSpec("calibration.measure", "Click two points", "Calibrate", "",
               "Click two points of the image whose distance you know", group="click",
               needs="pair", icon="scale", toolbar=True),
    ActionSpec("calibration.origin", "Click the origin", "Calibrate", "",
               "Click the point of the image that is (0, 0)", group="click", needs="pair"),
    ActionSpec("calibration.clear", "Back to px", "Calibrate", "",
               "Show everything in px again", group="clear"),
)  # fmt: skip
_OVER = " over "  # in the session: "12 mm over 503.2 px"


def attach(program: Program) -> CalibrationController:
    """Make the panel, and join it and the canvas to the session."""
    return CalibrationController(program)


class CalibrationController:
    """Joins the calibration of the session to its panel and the canvas.

    Attributes
    ----------
    measured : float or None
        Distance of the two points that were clicked, px.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session = program.session
        self._window, self._canvas = program.window, program.window.canvas
        self.measured: float | None = None
        self._measuring = False
        self._line = False  # whether the measure on the canvas is ours
        self.panel = CalibrationPanel()
        self._window.add_panel("calibration", "Calibration", self.panel, "left")
        self._window.add_actions(ACTIONS)
        self._connect()
        self.show()

    # -- what a user does

    def measure(self, begin: bool = True) -> None:
        """Let the user click two points, or no more."""
        if not begin:
            self._canvas.set_tool(Tool.PAN)
            return
        if self._session.shape is None:
            self._program.tell.error("there is no image to click on: open a pair first")
            self.panel.show_tool("")
            return
        self._window.show_panel("calibration")
        self._canvas.set_tool(Tool.DISTANCE)
        self._measuring = True
        self.panel.show_tool("measure")

    def pick_origin(self, begin: bool = True) -> None:
        """Let the user click the origin, or no more."""
        picker = self._program.controllers["display"].picker
        if not begin:
            picker.release()
            return
        if self._session.shape is None:
            self._program.tell.error("there is no image to click on: open a pair first")
            self.panel.show_tool("")
            return
        self._window.show_panel("calibration")
        picker.take(self._picked, partial(self.panel.show_tool, ""))
        self.panel.show_tool("origin")

    def set_length(self, text: str) -> None:
        """Say what the distance of the two points is in the flow."""
        if self.measured is None:
            self._refuse("click two points of the image first, then give their distance")
            return
        px = self.measured

        def change(state: CalibrationState) -> CalibrationState:
            length = read_length(text)
            shown = f"{text.strip()}{_OVER}{px:.2f} px"
            return replace(state, pixel_size=length / px, length=shown)

        self._change(change, "scale")

    def set_pixel_size(self, text: str) -> None:
        """Give the size of a pixel; nothing = back to px."""
        if not text.strip():
            self.clear()
            return
        self._change(lambda s: replace(s, pixel_size=read_length(text), length=""), "pixel size")

    def set_dt(self, text: str) -> None:
        """Give the time between the frames."""
        self._change(lambda s: replace(s, dt=read_time(text)), "time between the frames")

    def set_origin(self, text: str) -> None:
        """Give the pixel that is (0, 0), as ``x, y``."""
        self._change(lambda s: replace(s, origin=read_point(text)), "origin")

    def clear(self) -> None:
        """Show everything in px again."""
        self._change(lambda s: replace(s, pixel_size=None, length=""), "back to px")

    # -- answers

    def _drawn(self, shape: Shape) -> None:
        if shape.kind != "distance" or not self._measuring:
            return
        self._measuring = False
        self._take(shape.points)

    def _dragged(self, measure: Any) -> None:
        """An end of the line was moved: a length that was given goes with it."""
        if not self._line or measure is None or not isinstance(measure[0], (tuple, list)):
            return
        given = self.panel.length.text()
        if self._take(tuple((float(x), float(y)) for x, y in measure)) and given:
            self.set_length(given)

    def _take(self, points: tuple[tuple[float, float], ...]) -> bool:
        (x0, y0), (x1, y1) = points[0], points[-1]
        px = math.hypot(x1 - x0, y1 - y0)
        if px < 1:
            self._refuse("the two points are the same: click two that are far apart")
            return False
        self.measured, self._line = px, True
        self._canvas.show_measure(points, f"{px:.1f} px")
        self.panel.show_measured(px)
        return True

    def _picked(self, x: float, y: float) -> None:
        self._program.controllers["display"].picker.release()
        self._change(lambda s: replace(s, origin=(round(x, 2), round(y, 2))), "origin")

    def _tool_changed(self, tool: Tool) -> None:
        if tool != Tool.DISTANCE:
            self._measuring = False
            if tool != Tool.PICK:
                self.panel.show_tool("")

    def _change(self, make: object, text: str) -> None:
        try:
            state = make(self._session.calibration)  # type: ignore[operator]
            self._session.set_calibration(state, text)
        except PIVError as error:
            self._refuse(str(error))
            return
        self.show()

    def _refuse(self, text: str) -> None:
        self.panel.show_problem(text)
        self._program.tell.error(text)

    # -- showing

    def show(self) -> None:
        """Show the calibration as the session has it, on the canvas too."""
        session, state = self._session, self._session.calibration
        given, _, over = state.length.partition(_OVER)
        if over:  # of a session that was read; what was clicked is known better
            px = float(over.removesuffix(" px"))
            if self.measured is None or abs(px - self.measured) > 0.01:
                self.measured = px
        units = Units.of(session)
        self.panel.show_measured(self.measured)
        x, y = state.origin
        self.panel.show_values(
            "" if state.pixel_size is None else length_text(state.pixel_size),
            time_text(state.dt),
            f"{x:g}, {y:g}",
            given,
        )
        self.panel.show_ready(session.shape is not None)
        source = session.source
        known = source is None or source.dt_known or state.dt != source.dt
        self.panel.show_dt_known(known)
        self.panel.show_summary(summary(units, session.shape))
        factor, unit = units.scale("length")
        self._canvas.set_scale_bar(factor, unit)
        self._canvas.show_axes(state.origin if units.calibrated else None)

    def _source_changed(self) -> None:
        self.measured = None
        if self._line:
            self._line = False
            self._canvas.show_measure(None)
        self.show()

    def _selected(self) -> None:
        """Another line is marked, for a profile: it has taken the place of ours."""
        if self._session.line is not None or self._session.circle is not None:
            self._line = False

    def _connect(self) -> None:
        panel, canvas, session = self.panel, self._canvas, self._session
        panel.measure_wanted.connect(self.measure)
        panel.origin_wanted.connect(self.pick_origin)
        panel.length_given.connect(self.set_length)
        panel.pixel_size_given.connect(self.set_pixel_size)
        panel.dt_given.connect(self.set_dt)
        panel.origin_given.connect(self.set_origin)
        panel.clear_wanted.connect(self.clear)
        canvas.shape_drawn.connect(self._drawn)
        canvas.tool_changed.connect(self._tool_changed)
        canvas.measure_changed.connect(self._dragged)
        for name, call in (
            ("calibration.panel", partial(self._window.show_panel, "calibration")),
            ("calibration.measure", self.measure),
            ("calibration.origin", self.pick_origin),
            ("calibration.clear", self.clear),
        ):
            self._window.action(name).triggered.connect(lambda _=False, call=call: call())
        session.subscribe(Topic.CALIBRATION, self.show)
        session.subscribe(Topic.SOURCE, self._source_changed)
        session.subscribe(Topic.SELECTION, self._selected)


def read_point(text: str) -> tuple[float, float]:
    """Two numbers, x and y, from text such as ``12.5, 40``.

    Raises
    ------
    InputError
        If there are not two finite numbers.
    """
    words = [word for word in re.split(r"[\s,;]+", text.strip(" ()[]")) if word]
    try:
        x, y = (float(word) for word in words)
    except ValueError:
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"two pixel coordinates such as 12.5, 40 are wanted, not {text!r}")
    return x, y


def summary(units: Units, shape: tuple[int, int] | None) -> str:
    """What a calibration means, in words.

    Parameters
    ----------
    units : Units
    shape : (int, int) or None
        (H, W) of the frames, px.
    """
    if not units.calibrated:
        return "Everything is shown in px per frame interval, y down. Give a scale to see m/s."
    speed, name = units.velocity(1.0)
    lines = [f"1 px per frame interval is {number(speed)} {name}."]
    if shape is not None:
        height, unit = units.length(shape[0])
        width, _ = units.length(shape[1])
        lines.append(f"The frame is {number(width)} x {number(height)} {unit} (width x height).")
    lines.append("Results are stored in px all the same.")
    return " ".join(lines)
