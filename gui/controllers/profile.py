"""Profiles along what is drawn on the image, flow rate and circulation."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtGui import QGuiApplication

from gui.masks import Shape
from gui.program import Program
from gui.quantities import STATISTICS, quantity
from gui.session import Topic
from gui.units import Kind, Units
from gui.views.actions import ActionSpec
from gui.views.canvas import Tool
from gui.views.profile_panel import ProfilePanel

Array = npt.NDArray[Any]
_TOOLS = {"line": Tool.LINE, "polyline": Tool.POLYLINE, "circle": Tool.CIRCLE}
_SPECS = (
    ActionSpec("profile.line", "Profile along a line", "Results", "Ctrl+P",
               "Draw a line: the velocity along it, with its uncertainty", group="profile",
               needs="result"),
    ActionSpec("profile.polyline", "Profile along a polyline", "Results", "",
               "Draw a line with corners", group="profile", needs="result"),
    ActionSpec("profile.circle", "Profile round a circle", "Results", "",
               "Draw a circle: circulation, and the velocity round it", group="profile",
               needs="result"),
    ActionSpec("profile.copy", "Copy the profile as CSV", "Results", "Ctrl+Shift+C",
               "Put the whole profile on the clipboard as a table", group="profile",
               needs="result"),
    ActionSpec("profile.clear", "Remove the line", "Results", "",
               "Take the line of the profile away", group="profile", needs="result"),
)  # fmt: skip


class Profiles:
    """Joins the profile panel, the marked line of the session and the task that samples it.

    Attributes
    ----------
    found : dict or None
        What ``fields.profile`` returned last.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.panel = ProfilePanel()
        window = program.window
        self.dock = window.add_panel("profile", "Profile", self.panel, "bottom", shown=False)
        self.found: dict[str, Any] | None = None
        self.component = "tangential"
        self._quantity = ""
        self._drawn = False  # whether the measure on the canvas is ours
        self.display = program.controllers["display"]
        window.add_actions(_SPECS)
        for kind in _TOOLS:
            window.action(f"profile.{kind}").triggered.connect(
                lambda _=False, kind=kind: self.draw(kind)
            )
        window.action("profile.copy").triggered.connect(self.copy)
        window.action("profile.clear").triggered.connect(self.clear)
        self.panel.draw_requested.connect(self.draw)
        self.panel.component_chosen.connect(self.set_component)
        self.panel.copy_requested.connect(self.copy)
        window.canvas.shape_drawn.connect(self._shape_drawn)
        window.canvas.measure_changed.connect(self._measure_changed)
        for topic in (Topic.SELECTION, Topic.PAIR):
            program.session.subscribe(topic, self._update)
        program.session.subscribe(Topic.CALIBRATION, self._show)
        program.session.subscribe(Topic.DISPLAY, self._display_changed)
        self.display.subscribe(self._update)

    # wishes

    def draw(self, kind: str) -> None:
        """Let the user draw a line, a polyline or a circle."""
        self.program.window.show_panel("profile")
        self.program.window.canvas.set_tool(_TOOLS[kind])

    def set_component(self, name: str) -> None:
        """Draw another component."""
        self.component = name
        self._update()

    def clear(self) -> None:
        """Take the line away."""
        self.program.session.set_selection(line=None, circle=None)

    def copy(self) -> None:
        """Put the profile on the clipboard as CSV."""
        clipboard = QGuiApplication.clipboard()
        if self.found is None or clipboard is None:
            self.program.tell.error("there is no profile to copy: draw a line on a result first")
            return
        clipboard.setText(self.csv())
        self.program.tell.info(f"profile of {self.found['distance'].size} points copied as CSV")

    # the canvas

    def _shape_drawn(self, shape: Shape) -> None:
        if shape.kind in ("line", "polyline"):
            self.program.session.set_selection(line=tuple(shape.points), circle=None)
        elif shape.kind == "circle":
            (x, y), rim = shape.points[0], shape.points[1]
            radius = math.hypot(rim[0] - x, rim[1] - y)
            self.program.session.set_selection(circle=(x, y, radius), line=None)
        elif shape.kind == "distance":
            self._drawn = False  # that of the calibration takes its place

    def _measure_changed(self, measure: Any) -> None:
        if not self._drawn or measure is None:
            return
        if isinstance(measure[0], (tuple, list)):
            line = tuple((float(x), float(y)) for x, y in measure)
            self.program.session.set_selection(line=line, circle=None)
        else:
            x, y, radius = (float(each) for each in measure)
            self.program.session.set_selection(circle=(x, y, radius), line=None)

    # the session

    def _display_changed(self) -> None:
        shown = self.program.session.display.quantity
        if self.component == "quantity" and shown != self._quantity:
            self._update()

    def _update(self) -> None:
        session, canvas = self.program.session, self.program.window.canvas
        line, circle = session.line, session.circle
        measure = circle if circle is not None else line
        if measure is not None or self._drawn:
            canvas.show_measure(measure)
        self._drawn = measure is not None
        self._quantity = session.display.quantity
        if measure is None:
            self._nothing("Draw a line on the image to see the velocity along it.")
            return
        field = self.display.field()
        if field is None:
            self._nothing("This pair has no result yet: analyse it first.")
            return
        name = self._quantity if self.component == "quantity" else ""
        needs = quantity(name).needs if name else ""
        if needs in ("images", "statistics") or name in STATISTICS:
            name = ""
        if needs in ("uncertainty", "coarse"):
            field = self.display.field("dense" if needs == "uncertainty" else "coarse")
            if needs == "uncertainty" and (field is None or field.uncertainty_u is None):
                name = ""
        self.program.quick.run(
            "fields.profile", key="profile", done=self._take, failed=self._failed,
            field=field, line=line or (), circle=circle, name=name,
        )  # fmt: skip

    def _failed(self, text: str) -> None:
        self._nothing(text)
        self.program.tell.error(text)

    def _nothing(self, text: str) -> None:
        self.found = None
        self.panel.show_nothing(text)

    def _take(self, found: dict[str, Any]) -> None:
        self.found = found
        self._show()

    # showing

    @property
    def _units(self) -> Units:
        return Units.of(self.program.session)

    def _show(self) -> None:
        self.panel.show_component(self.component)
        if self.found is None:
            return
        units = self._units
        values, width, label, kind = self._chosen()
        if values is None:
            self.panel.show_nothing(
                f"There is no profile of the {label}: choose another quantity or component."
            )
            self.panel.copy.setEnabled(True)
            return
        factor = units.scale(kind)[0]
        to_length, length = units.scale("length")
        self.panel.show_profile(
            self.found["distance"] * to_length, values * factor,
            None if width is None else np.abs(width * factor),
            (f"distance along the line ({length})", units.label(label, kind)),
            self.integrals(),
        )  # fmt: skip

    def _chosen(self) -> tuple[Array | None, Array | None, str, Kind]:
        """Values (px), their half-width, label and kind of unit of the chosen component."""
        found, name = self.found, self.component
        assert found is not None
        sizes = found["uncertainty_u"], found["uncertainty_v"]
        known = sizes[0] is not None
        if name == "quantity":
            kind = quantity(self._quantity)
            if kind.name in ("magnitude", "u", "v"):
                name = "speed" if kind.name == "magnitude" else kind.name
            else:
                return found["values"], None, kind.label, kind.kind
        if name == "speed":
            speed = np.hypot(found["u"], found["v"])
            width = None
            if known:
                with np.errstate(invalid="ignore", divide="ignore"):
                    width = np.hypot(found["u"] * sizes[0], found["v"] * sizes[1]) / speed
            return speed, width, "speed", "velocity"
        if name in ("u", "v"):
            width = found[f"uncertainty_{name}"]
            component: Kind = "u" if name == "u" else "v"
            return found[name], width, name, component
        width = None
        if known:
            along = _directions(found["x"], found["y"])
            weights = along if name == "tangential" else (along[1], along[0])
            width = np.hypot(weights[0] * sizes[0], weights[1] * sizes[1])
        label = "along the line" if name == "tangential" else "to its right"
        return found[name], width, label, "velocity"

    def integrals(self) -> list[str]:
        """Flow rate and, of a closed line, circulation, in words."""
        assert self.found is not None
        found, units = self.found, self._units
        lines = []
        flow = units.format(found["flow_rate"], "circulation", found["flow_rate_uncertainty"])
        closed = math.isfinite(found["circulation"])
        if math.isfinite(found["flow_rate"]):
            where = "out of the closed line" if closed else "to the right of the line"
            lines.append(f"flow rate {where}: {flow} (per depth)")
        else:
            lines.append("no flow rate: the line leaves the field or touches what is masked")
        if closed:
            text = units.format(
                found["circulation"], "circulation", found["circulation_uncertainty"]
            )
            lines.append(f"circulation, counter-clockwise: {text}")
        return lines

    def csv(self) -> str:
        """The whole profile as a table, in the units that are shown."""
        assert self.found is not None
        found, units = self.found, self._units
        x, y, length = _positions(units, found["x"], found["y"])
        (to_u, speed), (to_v, _) = units.scale("u"), units.scale("v")
        rate = abs(to_v)
        columns: dict[str, Array] = {
            f"distance [{length}]": found["distance"] * units.scale("length")[0],
            f"x [{length}]": x,
            f"y [{length}]": y,
            f"u [{speed}]": found["u"] * to_u,
            f"v [{speed}]": found["v"] * to_v,
            f"tangential [{speed}]": found["tangential"] * rate,
            f"normal [{speed}]": found["normal"] * rate,
        }
        for name in ("u", "v"):
            if (size := found[f"uncertainty_{name}"]) is not None:
                columns[f"uncertainty_{name} [{speed}]"] = size * rate
        if found["values"] is not None:
            kind = quantity(self._quantity)
            factor, unit = units.scale(kind.kind)
            title = f"{kind.label} [{unit}]" if unit else kind.label
            columns[title] = found["values"] * abs(factor)
        text = io.StringIO()
        text.write(",".join(columns) + "\n")
        table = np.stack([np.asarray(each, np.float64) for each in columns.values()], axis=1)
        np.savetxt(text, table, fmt="%.7g", delimiter=",")
        return text.getvalue()


def _positions(units: Units, x: Array, y: Array) -> tuple[Array, Array, str]:
    places = [units.position(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    return (
        np.array([each[0] for each in places]),
        np.array([each[1] for each in places]),
        places[0][2],
    )


def _directions(x: Array, y: Array) -> tuple[Array, Array]:
    """Size of both components of the line's direction at its points."""
    dx, dy = np.gradient(x), np.gradient(y)
    length = np.hypot(dx, dy)
    length[length == 0] = 1
    return np.abs(dx / length), np.abs(dy / length)


def attach(program: Program) -> Profiles:
    """Join profile panel and session."""
    return Profiles(program)
