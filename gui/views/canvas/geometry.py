"""Shapes as points: outlines, handles, and what dragging and deleting make of them.

Every function gives a new shape; none of them knows Qt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gui.masks import Shape

Point = tuple[float, float]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Draft:
    """A shape while it is drawn: too few points are not an error yet.

    Parameters
    ----------
    kind : str
        As of a shape, or ``zoom``.
    points : tuple of (x, y), px
    subtract : bool
    """

    kind: str
    points: tuple[Point, ...]
    subtract: bool = False


Drawn = Shape | Draft


S = TypeVar("S", Shape, Draft)

BOXES = ("rectangle", "ellipse", "reject_box", "region", "zoom")
CLOSED = ("polygon", "freehand", *BOXES, "circle")
OUTLINES = ("polygon", "freehand")
_ROUND = 96  # points of an ellipse
_FEWEST = {"polygon": 3, "freehand": 3, "polyline": 2, "line": 2, "distance": 2}


def is_closed(shape: Drawn) -> bool:
    """Whether its last point is joined to its first."""
    return shape.kind in CLOSED


def corners(shape: Drawn) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of a box."""
    (x1, y1), (x2, y2) = shape.points[:2]
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def outline(shape: Drawn) -> Points:
    """The points to draw, shape (n, 2), px; closed ones without the first point again."""
    if shape.kind in ("ellipse", "circle"):
        turn = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
        if shape.kind == "circle":
            (x, y), radius = shape.points[0], circle_radius(shape)
            return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
        left, top, right, bottom = corners(shape)
        x, y = (left + right) / 2, (top + bottom) / 2
        across, down = (right - left) / 2, (bottom - top) / 2
        return np.stack([x + across * np.cos(turn), y + down * np.sin(turn)], axis=1)
    if shape.kind in BOXES:
        left, top, right, bottom = corners(shape)
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return np.array(shape.points, float).reshape(-1, 2)


def circle_radius(shape: Drawn) -> float:
    """Of a circle, px."""
    return math.dist(shape.points[0], shape.points[1])


def handles(shape: Drawn) -> list[Point]:
    """The points that can be dragged."""
    if shape.kind in BOXES:
        left, top, right, bottom = corners(shape)
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    return list(shape.points)


def middles(shape: Drawn) -> list[Point]:
    """Middles of the sides, where dragging makes a new point; none for other shapes."""
    if shape.kind not in (*OUTLINES, "polyline"):
        return []
    points = list(shape.points)
    following = points[1:] + (points[:1] if is_closed(shape) else [])
    return [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(points, following, strict=False)]


def moved_handle(shape: S, number: int, to: Point) -> S:
    """One of its handles is somewhere else."""
    if shape.kind in BOXES:
        opposite = handles(shape)[(number + 2) % 4]
        return replace(shape, points=(opposite, to))
    points = list(shape.points)
    if shape.kind == "circle" and number == 0:  # its centre: the whole circle moves
        return moved(shape, to[0] - points[0][0], to[1] - points[0][1])
    points[number] = to
    return replace(shape, points=tuple(points))


def moved(shape: S, right: float, down: float) -> S:
    """The whole shape is somewhere else."""
    return replace(shape, points=tuple((x + right, y + down) for x, y in shape.points))


def with_point(shape: S, after: int, point: Point) -> S:
    """A new point after the given one."""
    points = list(shape.points)
    points.insert(after + 1, point)
    return replace(shape, points=tuple(points))


def without_point(shape: S, number: int) -> S | None:
    """One point fewer; None if nothing of the kind would be left."""
    if shape.kind not in (*OUTLINES, "polyline"):
        return None
    if len(shape.points) <= _FEWEST[shape.kind]:
        return None
    points = list(shape.points)
    del points[number]
    return replace(shape, points=tuple(points))


def is_inside(shape: Drawn, x: float, y: float) -> bool:
    """Whether the point is in a closed shape (even-odd rule)."""
    if not is_closed(shape):
        return False
    points = outline(shape)
    if len(points) < 3:
        return False
    x1, y1 = points.T
    x2, y2 = np.roll(points, -1, axis=0).T
    crossing = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x1 + (y - y1) / (y2 - y1) * (x2 - x1)
    return bool((crossing & (x < at)).sum() % 2)


def distance(shape: Drawn, x: float, y: float) -> float:
    """From the point to the outline, px."""
    points = outline(shape)
    following = np.roll(points, -1, axis=0)
    if not is_closed(shape):
        points, following = points[:-1], following[:-1]
    if not len(points):
        return math.inf
    side = following - points
    length = np.maximum((side**2).sum(axis=1), 1e-12)
    place = np.clip(((np.array([x, y]) - points) * side).sum(axis=1) / length, 0, 1)
    nearest = points + place[:, None] * side
    return float(np.hypot(*(nearest - np.array([x, y])).T).min())


def is_complete(shape: Drawn) -> bool:
    """Whether it has as many points and as much size as its kind needs."""
    if shape.kind in (*BOXES, "circle", "line", "distance") and len(shape.points) < 2:
        return False
    if shape.kind in BOXES:
        left, top, right, bottom = corners(shape)
        return right > left and bottom > top
    if shape.kind == "circle":
        return circle_radius(shape) > 0
    if len(shape.points) < _FEWEST[shape.kind]:
        return False
    if shape.kind in OUTLINES:
        x, y = np.array(shape.points, float).T
        return bool(np.ptp(x) > 0 and np.ptp(y) > 0)
    return len(set(shape.points)) > 1


def constrained(kind: str, first: Point, second: Point) -> Point:
    """The second point with Shift held: square, circle, or a line at a multiple of 45 degrees."""
    across, down = second[0] - first[0], second[1] - first[1]
    if kind in BOXES:
        size = max(abs(across), abs(down))
        return first[0] + math.copysign(size, across), first[1] + math.copysign(size, down)
    angle = round(math.atan2(down, across) / (math.pi / 4)) * math.pi / 4
    length = across * math.cos(angle) + down * math.sin(angle)
    # 15 digits: a level line is level to the last bit
    return (
        first[0] + round(length * math.cos(angle), 12),
        first[1] + round(length * math.sin(angle), 12),
    )


def simplified(points: list[Point], tolerance: float) -> list[Point]:
    """Fewer points of a free-hand line, none of which was further off than the tolerance.

    Ramer 1972, Douglas & Peucker 1973.
    """
    if len(points) < 3:
        return list(points)
    array = np.array(points, float)
    keep = np.zeros(len(array), dtype=bool)
    keep[[0, -1]] = True
    waiting = [(0, len(array) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        between = array[first + 1 : last] - array[first]
        side = array[last] - array[first]
        # to the piece between both ends, not to the line through them, which a hook can be on
        place = np.clip(between @ side / max(float(side @ side), 1e-12), 0, 1)
        off = np.hypot(*(between - place[:, None] * side).T)
        furthest = int(off.argmax())
        if off[furthest] > tolerance:
            middle = first + 1 + furthest
            keep[middle] = True
            waiting += [(first, middle), (middle, last)]
    return [points[n] for n in np.flatnonzero(keep)]
