"""Many lines at once: arrows and streamlines.

Qt draws thousands of separate lines in a few milliseconds, but takes hundreds for the same lines as
one outline that is filled; so everything here is made of lines, each with a dark edge below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen
from pyqtgraph.Qt.internals import PrimitiveArray

from gui.colours import EDGE_COLOUR, VECTOR_COLOURS
from gui.views.canvas.camera import Camera
from gui.views.canvas.layers import MASKED, REJECTED, REPLACED, VALID, VectorLayer

SPACING = 30.0  # logical pixels between arrows
_STEPS = np.array([1, 2, 3, 4, 6, 8, 12])  # and those times 2, 4, 8 ...: no jump is over 1.5
_WIDTH, _EDGE = 1.5, 1.7  # of a line, and of the edge around it in total
_HEAD = np.deg2rad(24.0)  # between the shaft and a side of the head
_DOT = 1.2  # half the length that a very short arrow gets, so that it is seen
_LONGEST = 4.0  # spacings; rejected vectors can have any length

Floats = npt.NDArray[np.float64]


def steps_for(distance: float) -> int:
    """Every how many vectors one is drawn, if neighbours are ``distance`` pixels apart."""
    wanted = SPACING / max(distance, 1e-9)
    power = 1
    while wanted > power * _STEPS[-1] * 1.15:
        power *= 2
    choices = _STEPS * power
    return int(choices[np.abs(np.log(choices / max(wanted, 1e-9))).argmin()])


@dataclass(frozen=True, eq=False)
class Arrows:
    """Arrows in view: middle points, lengths along x and y (logical pixels) and kinds."""

    x: Floats
    y: Floats
    right: Floats
    down: Floats
    kind: npt.NDArray[np.uint8]


def arrows(layer: VectorLayer, camera: Camera, reference: float) -> Arrows:
    """The arrows that are in view.

    Parameters
    ----------
    layer : VectorLayer
    camera : Camera
    reference : float
        Displacement, px, that is as long as the arrows are apart; only without a ``scale``.
    """
    step = layer.step or steps_for(layer.spacing * camera.zoom)
    left, top, width, height = camera.rect()
    apart = step * layer.spacing
    columns = _in_view(layer.x, left, width, step, 2 * apart)
    rows = _in_view(layer.y, top, height, step, 2 * apart)
    part = (rows, columns)
    x, y = np.meshgrid(np.asarray(layer.x[columns], float), np.asarray(layer.y[rows], float))
    u, v = (np.asarray(a[part], float) for a in (layer.u, layer.v))
    kind = np.zeros(u.shape, np.uint8) if layer.kind is None else np.asarray(layer.kind[part])
    drawn = np.isfinite(u) & np.isfinite(v) & (kind < MASKED)
    length = camera.zoom * (layer.scale or apart / reference)
    right, down = u[drawn] * length, v[drawn] * length
    size = np.hypot(right, down)
    limit = np.where(kind[drawn] == REJECTED, _LONGEST * apart * camera.zoom, np.inf)
    shorter = np.minimum(1, limit / np.maximum(size, 1e-9))
    origin = camera.origin()
    return Arrows(
        origin[0] + (x[drawn] + 0.5) * camera.zoom,
        origin[1] + (y[drawn] + 0.5) * camera.zoom,
        right * shorter,
        down * shorter,
        kind[drawn],
    )


def arrow_lines(shown: Arrows) -> Floats:
    """Shaft and both sides of the head of every arrow.

    Returns
    -------
    array, shape (3 N, 4)
        x1, y1, x2, y2 in logical pixels: first all shafts.
    """
    size = np.hypot(shown.right, shown.down)
    short = size < 2 * _DOT
    along = np.where(short, 1.0, shown.right / np.maximum(size, 1e-9))
    across = np.where(short, 0.0, shown.down / np.maximum(size, 1e-9))
    half = np.where(short, _DOT, size / 2)
    tip_x, tip_y = shown.x + along * half, shown.y + across * half
    shafts = np.stack([shown.x - along * half, shown.y - across * half, tip_x, tip_y], axis=1)
    head = np.clip(0.38 * size, 3.0, 8.5)
    sides = []
    for turn in (_HEAD, -_HEAD):
        cos, sin = np.cos(turn), np.sin(turn)
        back_x, back_y = along * cos - across * sin, along * sin + across * cos
        sides.append(np.stack([tip_x, tip_y, tip_x - head * back_x, tip_y - head * back_y], axis=1))
    keep = ~short  # a dot has no head
    return np.concatenate([shafts, sides[0][keep], sides[1][keep]])


def draw_arrows(painter: QPainter, shown: Arrows, colours: dict[int, str]) -> None:
    """Draw them, the rejected ones last."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    groups = []
    for kind in (VALID, REPLACED, REJECTED):
        which = shown.kind == kind
        if which.any():
            parts = (shown.x, shown.y, shown.right, shown.down, shown.kind)
            groups.append((colours[kind], arrow_lines(Arrows(*(part[which] for part in parts)))))
    for _, lines in groups:
        draw_lines(painter, lines, EDGE_COLOUR, _WIDTH + _EDGE)
    for colour, lines in groups:
        draw_lines(painter, lines, colour, _WIDTH)


def draw_lines(painter: QPainter, lines: Floats, colour: str, width: float) -> None:
    """Separate lines, given as rows of x1, y1, x2, y2."""
    if not len(lines):
        return
    store: Any = PrimitiveArray(QLineF, 4)
    store.resize(len(lines))
    store.ndarray()[...] = lines
    pen = QPen(QColor(colour), width)
    pen.setCapStyle(Qt.PenCapStyle.SquareCap)
    painter.setPen(pen)
    painter.drawLines(*store.drawargs())


class Vectors:
    """Arrows on the frame."""

    def __init__(self) -> None:
        self._layer: VectorLayer | None = None
        self.clip: tuple[float, float] | None = None  # fractions of the view's width
        self._typical = 1.0

    @property
    def layer(self) -> VectorLayer | None:
        """What is shown."""
        return self._layer

    @layer.setter
    def layer(self, layer: VectorLayer | None) -> None:
        self._layer = layer
        if layer is not None:
            self._typical = layer.reference or layer.typical()

    @property
    def reference(self) -> float:
        """Displacement, px, that is drawn as long as the arrows are apart."""
        return self._typical

    def arrow_length(self, camera: Camera) -> float:
        """Logical pixels per px of displacement."""
        layer = self._layer
        if layer is None:
            return 0.0
        step = layer.step or steps_for(layer.spacing * camera.zoom)
        return camera.zoom * (layer.scale or step * layer.spacing / self._typical)

    def draw(self, painter: QPainter, camera: Camera) -> None:
        """Draw what is in view, in logical pixels."""
        layer = self._layer
        if layer is None:
            return
        painter.save()
        if self.clip is not None:
            start, end = self.clip
            painter.setClipRect(
                QRectF(start * camera.width, 0, (end - start) * camera.width, camera.height)
            )
        names = {**VECTOR_COLOURS, **(layer.colours or {})}
        colours = {VALID: names["valid"], REPLACED: names["replaced"], REJECTED: names["rejected"]}
        draw_arrows(painter, arrows(layer, camera, self._typical), colours)
        painter.restore()


class Curves:
    """Lines on the frame, such as streamlines."""

    def __init__(self) -> None:
        self._points: Floats = np.empty((0, 2))
        self._last = np.empty(0, dtype=bool)  # True at the last point of a line
        self._order = np.empty(0, dtype=np.intp)  # of a point within its line
        self._apart = 1.0
        self.width = 1.5
        self.colour = "#ffffff"

    def show(self, lines: Sequence[npt.NDArray[Any]], width: float, colour: str) -> None:
        """Show lines of points (n, 2), px of the frame; points that are not finite are gaps."""
        parts = [np.asarray(line, float) for line in lines if len(line) > 1]
        self.width, self.colour = width, colour
        if not parts:
            self._points, self._last = np.empty((0, 2)), np.empty(0, dtype=bool)
            self._order = np.empty(0, dtype=np.intp)
            return
        self._points = np.concatenate(parts)
        self._order = np.concatenate([np.arange(len(part)) for part in parts])
        self._last = np.concatenate([np.arange(len(part)) == len(part) - 1 for part in parts])
        jumps = np.hypot(*np.diff(self._points, axis=0).T)[~self._last[:-1]]
        jumps = jumps[np.isfinite(jumps)]
        self._apart = max(float(np.median(jumps)), 1e-6) if len(jumps) else 1.0

    def lines(self, camera: Camera) -> Floats:
        """The pieces in view, of about three pixels of the screen: rows of x1, y1, x2, y2."""
        if not len(self._points):
            return np.empty((0, 4))
        every = max(1, int(3 / (self._apart * camera.zoom)))
        kept = np.flatnonzero((self._order % every == 0) | self._last)
        start, end = kept[:-1], kept[1:]
        joined = ~self._last[start]
        origin = np.array(camera.origin())
        first = origin + (self._points[start[joined]] + 0.5) * camera.zoom
        second = origin + (self._points[end[joined]] + 0.5) * camera.zoom
        size = np.array([camera.width, camera.height])
        low, high = np.minimum(first, second), np.maximum(first, second)
        seen = ((high >= -2) & (low <= size + 2)).all(axis=1)  # False for NaN
        return np.concatenate([first[seen], second[seen]], axis=1)

    def draw(self, painter: QPainter, camera: Camera) -> None:
        """Draw what is in view, in logical pixels."""
        lines = self.lines(camera)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_lines(painter, lines, EDGE_COLOUR, self.width + 1.2)
        draw_lines(painter, lines, self.colour, self.width)


def _in_view(axis: npt.NDArray[Any], start: float, length: float, step: int, extra: float) -> slice:
    """Every ``step``-th number of the axis that lies in view, counted from the same one always."""
    low, high = start - extra, start + length + extra
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    if not len(inside):
        return slice(0, 0)
    offset = min(step // 2, max(0, (len(axis) - 1) // 2))
    first = int(inside[0])
    first += (offset - first) % step
    return slice(first, int(inside[-1]) + 1, step)
