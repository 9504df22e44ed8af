"""What mouse and keys do on the canvas: drawing with a tool, editing shapes, moving the view.

All positions that come in are logical pixels of the view; all that go out are px of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from gui.masks import Kind, Shape
from gui.views.canvas import geometry
from gui.views.canvas.camera import Camera
from gui.views.canvas.geometry import Draft, Point
from gui.views.canvas.layers import Tool

REACH = 7.0  # logical pixels within which a point or a line is met
_CLICK = 4.0  # logical pixels that the hand may shake during a click
_FREEHAND = 2.0  # logical pixels between points of a free-hand line
_MEASURE = -1  # number of the measured line or circle among the shapes

Measure = tuple[Point, ...] | tuple[float, float, float]


@dataclass
class _Drag:
    """What the pressed button is doing."""

    kind: Literal["pan", "draw", "handle", "shape", "compare", "freehand"]
    start: Point  # in the view
    last: Point
    number: int = 0  # of the shape
    handle: int = 0
    before: Shape | None = None
    far: bool = False  # whether it has left the place of a click
    clicks: bool = True  # whether a press without moving is a click


class Interaction(QObject):
    """The state of tool, drawing and selection.

    Parameters
    ----------
    camera : Camera
        Is panned and zoomed by it.
    """

    view_moved = pyqtSignal()
    redraw = pyqtSignal()
    clicked = pyqtSignal(float, float)
    drawn = pyqtSignal(object)
    changed = pyqtSignal(int, object)
    removed = pyqtSignal(int)
    selected_changed = pyqtSignal(int)
    measure_changed = pyqtSignal(object)
    compare_moved = pyqtSignal(float)
    tool_changed = pyqtSignal(object)

    def __init__(self, camera: Camera, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.camera = camera
        self.tool = Tool.PAN
        self.draft: Draft | None = None
        self.pointer: Point | None = None  # in the view; of the mouse or, with arrow keys, of them
        self.by_keys = False  # whether the arrow keys moved the pointer last
        self.shapes: list[Shape] = []
        self.editable = False
        self.selected: int | None = None
        self.measure: Shape | None = None
        self.compare_at: float | None = None
        self.active: tuple[int, int] | None = None  # the handle that Delete removes
        self.space = False
        self._drag: _Drag | None = None

    # -- what is there ---------------------------------------------------------------------------

    def set_tool(self, tool: Tool) -> None:
        """Take another tool; a drawing that was begun is given up."""
        self.draft = None
        self._drag = None
        self.by_keys = False
        if tool is not self.tool:
            self.tool = tool
            self.tool_changed.emit(tool)
        self.redraw.emit()

    def set_shapes(self, shapes: Sequence[Shape], editable: bool, selected: int | None) -> None:
        """Other shapes; one that is being dragged is let go."""
        self.shapes, self.editable = list(shapes), editable
        self.selected = selected if selected is not None and 0 <= selected < len(shapes) else None
        if self._drag is not None and self._drag.kind in ("handle", "shape"):
            self._drag = None
        self.active = None
        self.redraw.emit()

    def set_measure(self, measure: Measure | None) -> None:
        """The measured line (points) or circle (x, y, radius)."""
        self.measure = None if measure is None else _as_shape(measure)
        if self._drag is not None and self._drag.number == _MEASURE:
            self._drag = None
        self.redraw.emit()

    # -- mouse -----------------------------------------------------------------------------------

    def press(self, place: Point, button: Qt.MouseButton, keys: Qt.KeyboardModifier) -> bool:
        """A button goes down; False if it means nothing here."""
        self.pointer, self.by_keys = place, False
        if button == Qt.MouseButton.MiddleButton or (
            button == Qt.MouseButton.LeftButton and self.space
        ):
            self._drag = _Drag("pan", place, place, clicks=False)
            return True
        if button == Qt.MouseButton.RightButton:
            return self._remove_point(place)
        if button != Qt.MouseButton.LeftButton:
            return False
        if self._on_compare_line(place):
            self._drag = _Drag("compare", place, place, clicks=False)
            return True
        if self.tool.draws:
            self._begin(place, keys)
            return True
        if self._press_on_shape(place):
            return True
        if keys & Qt.KeyboardModifier.ShiftModifier and self.tool is Tool.PAN:
            self.draft = Draft(Tool.ZOOM.value, (self._frame(place),))
            self._drag = _Drag("draw", place, place)
            return True
        self._drag = _Drag("pan", place, place)
        return True

    def move(self, place: Point, keys: Qt.KeyboardModifier) -> None:
        """The mouse moves, with or without a button."""
        self.pointer, self.by_keys = place, False
        drag = self._drag
        if drag is None:
            if self.draft is not None:
                self._follow(place, keys)
            self.redraw.emit()
            return
        drag.far = drag.far or math.dist(drag.start, place) > _CLICK
        if drag.kind == "pan":
            if drag.far:
                self.camera.pan(place[0] - drag.last[0], place[1] - drag.last[1])
                drag.last = place
                self.view_moved.emit()
            return
        if drag.kind == "compare":
            self._set_compare(place[0] / self.camera.width)
        elif drag.kind == "freehand":
            self._add_freehand(place)
        elif drag.kind == "draw":
            self._follow(place, keys)
        elif drag.far:
            self._drag_shape(drag, place)
        self.redraw.emit()

    def release(self, place: Point, keys: Qt.KeyboardModifier) -> None:
        """The button goes up."""
        drag, self._drag = self._drag, None
        if drag is None:
            return
        drag.far = drag.far or math.dist(drag.start, place) > _CLICK
        if drag.kind == "pan" and not drag.far and drag.clicks:
            self._click(place)
        elif drag.kind == "draw" and drag.far:
            self._follow(place, keys)
            self.finish()
        elif drag.kind == "draw" and self.tool is Tool.PAN:  # Shift and a click: no zoom box
            self.draft = None
            self._click(place)
        elif drag.kind == "freehand":
            self._end_freehand()
        elif drag.kind in ("handle", "shape"):
            self._end_shape(drag)
        self.redraw.emit()

    def double(self, place: Point, keys: Qt.KeyboardModifier) -> bool:
        """The second press of a double click."""
        if self.draft is not None and not self.tool.two_points:
            self.finish()  # the first press has placed the last point
            return True
        return self.press(place, Qt.MouseButton.LeftButton, keys)

    def leave(self) -> None:
        """The mouse has left the view."""
        if not self.by_keys:
            self.pointer = None
        self.redraw.emit()

    @property
    def panning(self) -> bool:
        """Whether the view is being dragged."""
        return self._drag is not None and self._drag.kind == "pan" and self._drag.far

    # -- keys ------------------------------------------------------------------------------------

    def wants(self, key: int, keys: Qt.KeyboardModifier) -> bool:
        """Whether a key belongs to the canvas now, rather than to a menu."""
        if keys & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            return False
        if key == Qt.Key.Key_Space:
            return True
        if key == Qt.Key.Key_Escape:
            return self.tool is not Tool.PAN or self.draft is not None or self._drag is not None
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            return self.draft is not None or (self.editable and self.selected is not None)
        if key in (*_ARROWS, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return self.tool is not Tool.PAN
        return False

    def key(self, key: int, keys: Qt.KeyboardModifier) -> bool:
        """A key goes down; False if it means nothing here.  The space bar comes by ``tapped``."""
        if not self.wants(key, keys):
            return False
        if key == Qt.Key.Key_Escape:
            self.cancel()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._delete()
        elif key in _ARROWS:
            self._move_pointer(key, bool(keys & Qt.KeyboardModifier.ShiftModifier), keys)
        elif self.draft is not None and not self.tool.two_points:
            self.finish()
        else:
            self._place_by_key()
        self.redraw.emit()
        return True

    def tapped(self) -> bool:
        """The space bar was pressed and let go, without a drag: with a tool it is a click."""
        if self.tool is Tool.PAN:
            return False
        self._place_by_key()
        return True

    def cancel(self) -> None:
        """Give up, one thing at a time: the drag, the drawing, the tool."""
        drag, self._drag = self._drag, None
        if drag is not None and drag.before is not None:
            self._put(drag.number, drag.before)
        elif self.draft is not None:
            self.draft = None
        elif drag is None:
            self.set_tool(Tool.PAN)
        self.redraw.emit()

    # -- drawing ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """End the drawing; one that has no size or too few points yet goes on."""
        draft = self.draft
        if draft is None:
            return
        if self._is_loose(draft):
            draft = Draft(draft.kind, draft.points[:-1])  # the end that follows the mouse
        draft = Draft(draft.kind, _without_repeats(draft.points))
        if not geometry.is_complete(draft):
            if self.tool.two_points or draft.kind == Tool.ZOOM:
                self.draft = None
            return
        self.draft = None
        if draft.kind == Tool.ZOOM:
            left, top, right, bottom = geometry.corners(draft)
            self.camera.show(left, top, right - left, bottom - top)
            self.view_moved.emit()
        else:
            self.drawn.emit(Shape(self._kind(), draft.points))
        if not self.tool.stays:
            self.set_tool(Tool.PAN)

    def _kind(self) -> Kind:
        kind: Kind = self.tool.value  # type: ignore[assignment]  # equal by design
        return kind

    def _is_loose(self, draft: Draft) -> bool:
        """Whether the last point only follows the mouse."""
        return not self.tool.two_points and draft.kind in ("polygon", "polyline")

    def _begin(self, place: Point, keys: Qt.KeyboardModifier) -> None:
        point = self._frame(place)
        if self.tool is Tool.FREEHAND:
            self.draft = Draft(self.tool.value, (point,))
            self._drag = _Drag("freehand", place, place)
        elif self.tool.two_points:
            if self.draft is None:
                self.draft = Draft(self.tool.value, (point,))
                self._drag = _Drag("draw", place, place)
            else:
                self._follow(place, keys)
                self.finish()
        else:
            self._add(place)

    def _add(self, place: Point) -> None:
        """One more corner of a polygon or polyline; the first one again closes the polygon."""
        point = self._frame(place)
        if self.draft is None:
            self.draft = Draft(self.tool.value, (point, point))
            return
        fixed = self.draft.points[:-1]
        closes = self.tool is Tool.POLYGON and len(fixed) >= 3
        if closes and math.dist(self.camera.to_view(*fixed[0]), place) <= REACH:
            self.finish()
            return
        self.draft = Draft(self.draft.kind, (*fixed, point, point))

    def _follow(self, place: Point, keys: Qt.KeyboardModifier) -> None:
        """The last point of the drawing goes with the pointer."""
        draft = self.draft
        if draft is None or draft.kind == Tool.FREEHAND:
            return
        point = self._frame(place)
        two = self.tool.two_points or draft.kind == Tool.ZOOM
        fixed = draft.points[:1] if two else draft.points[:-1]
        # a box by Shift in the tool that pans is no square
        if keys & Qt.KeyboardModifier.ShiftModifier and self.tool is not Tool.PAN and fixed:
            point = geometry.constrained(draft.kind, fixed[-1], point)
        self.draft = Draft(draft.kind, (*fixed, point))

    def _add_freehand(self, place: Point) -> None:
        if self.draft is None:
            return
        last = self.camera.to_view(*self.draft.points[-1])
        if math.dist(last, place) >= _FREEHAND:
            points = (*self.draft.points, self._frame(place))
            self.draft = Draft(self.draft.kind, points)

    def _end_freehand(self) -> None:
        if self.draft is None:
            return
        points = geometry.simplified(list(self.draft.points), 0.6 / self.camera.zoom)
        self.draft = Draft(self.draft.kind, tuple(points))
        self.finish()
        self.draft = None  # too small a line is none

    # -- by keys ---------------------------------------------------------------------------------

    def _move_pointer(self, key: int, far: bool, keys: Qt.KeyboardModifier) -> None:
        across, down = _ARROWS[key]
        x, y = self.pointer or (self.camera.width / 2, self.camera.height / 2)
        step = 20.0 if far else max(1.0, min(self.camera.zoom, 4.0))
        self.pointer = (
            min(max(x + step * across, 0.0), self.camera.width - 1),
            min(max(y + step * down, 0.0), self.camera.height - 1),
        )
        self.by_keys = True
        if self.draft is not None:
            # Shift means a long step here, not a square
            self._follow(self.pointer, keys & ~Qt.KeyboardModifier.ShiftModifier)

    def _place_by_key(self) -> None:
        place = self.pointer or (self.camera.width / 2, self.camera.height / 2)
        self.pointer, self.by_keys = place, True
        nothing = Qt.KeyboardModifier.NoModifier
        if self.tool is Tool.PICK:
            self.clicked.emit(*self._frame(place))
        elif self.tool is Tool.FREEHAND:
            before = () if self.draft is None else self.draft.points
            self.draft = Draft(self.tool.value, (*before, self._frame(place)))
        elif self.tool.draws:
            self._begin(place, nothing)
            self._drag = None
        self.redraw.emit()

    def _delete(self) -> None:
        if self.draft is not None:
            # the loose end stays; without a fixed point there is no drawing
            fewer = self.draft.points[:-2] + self.draft.points[-1:]
            enough = 1 if self.draft.kind == Tool.FREEHAND else 2
            is_line = self.tool in (Tool.POLYGON, Tool.POLYLINE, Tool.FREEHAND)
            keep = is_line and len(fewer) >= enough
            self.draft = Draft(self.draft.kind, fewer) if keep else None
            return
        number = self.selected
        if number is None or not 0 <= number < len(self.shapes):
            return
        if self.active is not None and self.active[0] == number:
            fewer_points = geometry.without_point(self.shapes[number], self.active[1])
            if fewer_points is not None:
                self.active = None
                self._change(number, fewer_points)
                return
        self.removed.emit(number)

    # -- shapes ----------------------------------------------------------------------------------

    def handle_at(self, place: Point) -> tuple[int, int] | None:
        """(number of the shape, of the handle) under the pointer; shape -1 is the measure."""
        for number, shape in self._with_handles():
            for handle, point in enumerate(geometry.handles(shape)):
                if math.dist(self.camera.to_view(*point), place) <= REACH:
                    return number, handle
        return None

    def middle_at(self, place: Point) -> tuple[int, int] | None:
        """(number of the shape, of the side) whose middle is under the pointer."""
        for number, shape in self._with_handles():
            for side, point in enumerate(self.shown_middles(shape)):
                if point is not None and math.dist(self.camera.to_view(*point), place) <= REACH:
                    return number, side
        return None

    def shown_middles(self, shape: Shape) -> list[Point | None]:
        """Middles of the sides that are long enough to be met between their ends."""
        points = geometry.handles(shape)
        found: list[Point | None] = []
        for side, middle in enumerate(geometry.middles(shape)):
            length = math.dist(points[side], points[(side + 1) % len(points)]) * self.camera.zoom
            found.append(middle if length > 5 * REACH else None)
        return found

    def shape_at(self, place: Point) -> int | None:
        """Number of the topmost shape under the pointer."""
        x, y = self._frame(place)
        reach = REACH / self.camera.zoom
        for number in range(len(self.shapes) - 1, -1, -1):
            shape = self.shapes[number]
            if geometry.is_inside(shape, x, y) or geometry.distance(shape, x, y) <= reach:
                return number
        return None

    def cursor(self) -> Qt.CursorShape:
        """What the pointer looks like."""
        shapes = Qt.CursorShape
        if self.panning or self.space:
            return shapes.ClosedHandCursor if self.panning else shapes.OpenHandCursor
        if self.pointer is not None and self._on_compare_line(self.pointer):
            return shapes.SplitHCursor
        if self.tool is not Tool.PAN:
            return shapes.CrossCursor
        if self.pointer is not None:
            if self.handle_at(self.pointer) or self.middle_at(self.pointer):
                return shapes.PointingHandCursor
            if self.editable and self.selected is not None:
                x, y = self._frame(self.pointer)
                if geometry.is_inside(self.shapes[self.selected], x, y):
                    return shapes.SizeAllCursor
        return shapes.ArrowCursor

    def _with_handles(self) -> list[tuple[int, Shape]]:
        found = []
        if self.measure is not None:
            found.append((_MEASURE, self.measure))
        if self.editable and self.selected is not None and self.selected < len(self.shapes):
            found.append((self.selected, self.shapes[self.selected]))
        return found

    def _press_on_shape(self, place: Point) -> bool:
        if self.tool is not Tool.PAN:
            return False
        if found := self.handle_at(place):
            number, handle = found
            self.active = found
            self._drag = _Drag("handle", place, place, number, handle, self._get(number))
            return True
        if found := self.middle_at(place):
            number, side = found
            before = self._get(number)
            self._put(number, geometry.with_point(before, side, self._frame(place)))
            self.active = (number, side + 1)
            self._drag = _Drag("handle", place, place, number, side + 1, before)
            return True
        if self.editable and self.selected is not None:
            x, y = self._frame(place)
            if geometry.is_inside(self.shapes[self.selected], x, y):
                before = self.shapes[self.selected]
                self._drag = _Drag("shape", place, place, self.selected, 0, before)
                return True
        return False

    def _drag_shape(self, drag: _Drag, place: Point) -> None:
        if drag.before is None:
            return
        if drag.kind == "shape":
            start, now = self._frame(drag.start), self._frame(place)
            self._put(
                drag.number, geometry.moved(drag.before, now[0] - start[0], now[1] - start[1])
            )
        else:
            shape = self._get(drag.number)
            # boxes from what they were: their handles change places when they are turned over
            source = drag.before if shape.kind in geometry.BOXES else shape
            self._put(drag.number, geometry.moved_handle(source, drag.handle, self._frame(place)))

    def _end_shape(self, drag: _Drag) -> None:
        before = drag.before
        if before is None:
            return
        after = self._get(drag.number)
        if not drag.far or after == before or not geometry.is_complete(after):
            self._put(drag.number, before)
            if drag.kind == "shape" and not drag.far:
                self._click(drag.start)
            return
        if drag.number == _MEASURE:
            self.measure_changed.emit(as_measure(after))
        else:
            self.changed.emit(drag.number, after)

    def _remove_point(self, place: Point) -> bool:
        found = self.handle_at(place)
        if found is None or found[0] == _MEASURE or self.tool is not Tool.PAN:
            return False
        fewer = geometry.without_point(self.shapes[found[0]], found[1])
        if fewer is not None:
            self.active = None
            self._change(found[0], fewer)
        return True

    def _click(self, place: Point) -> None:
        if self.tool is Tool.PAN and self.shapes and self.editable:
            number = self.shape_at(place)
            if number is not None:
                if number != self.selected:
                    self.selected, self.active = number, None
                    self.selected_changed.emit(number)
                return
            if self.selected is not None:
                self.selected, self.active = None, None
                self.selected_changed.emit(-1)
                return
        x, y = self._frame(place)
        if self.tool in (Tool.PAN, Tool.PICK) and self.camera.contains(x, y):
            self.clicked.emit(x, y)

    def _get(self, number: int) -> Shape:
        if number == _MEASURE and self.measure is not None:
            return self.measure
        return self.shapes[number]

    def _put(self, number: int, shape: Shape) -> None:
        if number == _MEASURE:
            self.measure = shape
        elif 0 <= number < len(self.shapes):
            self.shapes[number] = shape

    def _change(self, number: int, shape: Shape) -> None:
        self._put(number, shape)
        self.changed.emit(number, shape)

    # -- the rest --------------------------------------------------------------------------------

    def _on_compare_line(self, place: Point) -> bool:
        at = self.compare_at
        return at is not None and abs(place[0] - at * self.camera.width) <= REACH

    def _set_compare(self, at: float) -> None:
        at = min(max(at, 0.0), 1.0)
        if at != self.compare_at:
            self.compare_at = at
            self.compare_moved.emit(at)

    def _frame(self, place: Point) -> Point:
        return self.camera.to_frame(*place)


_ARROWS = {
    int(Qt.Key.Key_Left): (-1, 0),
    int(Qt.Key.Key_Right): (1, 0),
    int(Qt.Key.Key_Up): (0, -1),
    int(Qt.Key.Key_Down): (0, 1),
}


def as_measure(shape: Shape) -> Measure:
    """A circle as (x, y, radius), all else as its points."""
    if shape.kind == "circle":
        return (*shape.points[0], geometry.circle_radius(shape))
    return shape.points


def _as_shape(measure: Measure) -> Shape:
    numbers = [n for n in measure if not isinstance(n, tuple | list)]
    if len(numbers) == 3:
        x, y, radius = (float(n) for n in numbers)
        return Shape("circle", ((x, y), (x + radius, y)))
    points = tuple((float(p[0]), float(p[1])) for p in measure if isinstance(p, tuple | list))
    return Shape("line" if len(points) == 2 else "polyline", points)


def _without_repeats(points: tuple[Point, ...]) -> tuple[Point, ...]:
    kept: list[Point] = []
    for point in points:
        if not kept or point != kept[-1]:
            kept.append(point)
    return tuple(kept)
