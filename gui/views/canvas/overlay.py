"""What is drawn over the pictures: shapes and their handles, markers, scales, the compare line.

Everything is drawn in logical pixels, so that lines and letters keep their size at any zoom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from gui.colours import AXES_COLOUR, EDGE_COLOUR, MEASURE_COLOUR, SHAPE_COLOUR
from gui.views.canvas import geometry
from gui.views.canvas.camera import Camera, round_length
from gui.views.canvas.geometry import Drawn, Point
from gui.views.canvas.interaction import Interaction
from gui.views.canvas.strokes import Arrows, arrow_lines, draw_lines

_BOX = QColor(0, 0, 0, 150)
_SHADE = QColor(0, 0, 0, 110)
_TEXT = QColor("#ffffff")
_HANDLE = 4.0  # half the side, logical pixels
_SCALE = 130.0  # logical pixels; the longest scale bar
_AXIS = 42.0  # the axes of the calibration
_ARROW = 70.0  # the longest reference arrow
_MANY = 80  # points; more handles than that would hide the line


@dataclass
class Overlay:
    """What there is to draw besides pictures and vectors.

    Parameters
    ----------
    markers : list of (x, y), px
    labels : list of str
        Of the markers; may be shorter.
    region : (left, top, width, height) or None
        What is analysed, px; the rest is shaded.
    measure_text : str
        Beside the measured line or circle.
    pixel_size : float or None
        Length of a px in ``unit``; None = no scale bar.
    axes : (x, y) or None
        Origin, px, of the calibrated axes.
    hint : str
        In the middle, while there is nothing to see.
    """

    markers: list[Point] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    region: tuple[float, float, float, float] | None = None
    measure_text: str = ""
    pixel_size: float | None = None
    unit: str = "px"
    axes: Point | None = None
    hint: str = ""


def draw_region(painter: QPainter, camera: Camera, region: Sequence[float]) -> None:
    """Shade what is outside."""
    left, top, width, height = region
    rows, columns = camera.extent
    x0, y0 = camera.to_view(-0.5, -0.5)
    x1, y1 = camera.to_view(columns - 0.5, rows - 0.5)
    # a region of pixels, from the corner of its first to the corner of its last
    a0, b0 = camera.to_view(left - 0.5, top - 0.5)
    a1, b1 = camera.to_view(left + width - 0.5, top + height - 0.5)
    for rect in (
        QRectF(QPointF(x0, y0), QPointF(x1, b0)), QRectF(QPointF(x0, b1), QPointF(x1, y1)),
        QRectF(QPointF(x0, b0), QPointF(a0, b1)), QRectF(QPointF(a1, b0), QPointF(x1, b1)),
    ):  # fmt: skip
        if rect.width() > 0 and rect.height() > 0:
            painter.fillRect(rect, _SHADE)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(_pen("#ffffff", 1.4, dashed=True))
    painter.drawRect(QRectF(QPointF(a0, b0), QPointF(a1, b1)))


def draw_shapes(painter: QPainter, camera: Camera, state: Interaction) -> None:
    """Shapes, the selected one with handles, the measured line and the drawing."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for number, shape in enumerate(state.shapes):
        chosen = number == state.selected
        draw_outline(painter, camera, shape, SHAPE_COLOUR, 2.2 if chosen else 1.4)
    if state.measure is not None:
        draw_outline(painter, camera, state.measure, MEASURE_COLOUR, 2.0)
        _draw_handles(painter, camera, state, state.measure, -1)
    if state.editable and state.selected is not None and state.selected < len(state.shapes):
        _draw_handles(painter, camera, state, state.shapes[state.selected], state.selected)
    if state.draft is not None:
        measures = state.draft.kind in ("line", "polyline", "circle", "distance")
        colour = MEASURE_COLOUR if measures else SHAPE_COLOUR
        draft = state.draft
        if len(draft.points) > 1:
            draw_outline(painter, camera, draft, colour, 1.6)
        painter.setBrush(QColor(colour))
        painter.setPen(_pen(EDGE_COLOUR, 1.0))
        fixed = draft.points if draft.kind != "freehand" or state.by_keys else draft.points[:1]
        for point in fixed:
            painter.drawEllipse(QPointF(*camera.to_view(*point)), 3.0, 3.0)
    if state.by_keys and state.pointer is not None:
        _draw_cross(painter, *state.pointer)


def draw_outline(
    painter: QPainter, camera: Camera, shape: Drawn, colour: str, width: float
) -> None:
    """The outline of a shape, with a dark edge; dashed where it takes away."""
    points = geometry.outline(shape)
    if not len(points):
        return
    polygon = QPolygonF([QPointF(*camera.to_view(float(x), float(y))) for x, y in points])
    closed = geometry.is_closed(shape)
    if isinstance(shape, geometry.Draft) and shape.kind == "freehand":
        closed = False
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (_pen(EDGE_COLOUR, width + 2), _pen(colour, width, dashed=shape.subtract)):
        painter.setPen(pen)
        if closed:
            painter.drawPolygon(polygon)
        else:
            painter.drawPolyline(polygon)


def draw_markers(painter: QPainter, camera: Camera, overlay: Overlay) -> None:
    """Rings with a point in the middle, and what they are called."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for number, point in enumerate(overlay.markers):
        x, y = camera.to_view(*point)
        if not (-40 < x < camera.width + 40 and -40 < y < camera.height + 40):
            continue
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (_pen(EDGE_COLOUR, 3.6), _pen(MEASURE_COLOUR, 1.8)):
            painter.setPen(pen)
            painter.drawEllipse(QPointF(x, y), 7.0, 7.0)
            for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(
                    QPointF(x + 4 * across, y + 4 * down), QPointF(x + 11 * across, y + 11 * down)
                )
        if number < len(overlay.labels) and overlay.labels[number]:
            _draw_label(painter, camera, x + 13, y - 13, overlay.labels[number])


def draw_axes(painter: QPainter, camera: Camera, origin: Point) -> None:
    """The calibrated axes: x to the right, y up."""
    x, y = camera.to_view(*origin)
    length = np.array([_AXIS, 0.0]), np.array([0.0, -_AXIS])  # along x, along y
    middle_x, middle_y = x + length[0] / 2, y + length[1] / 2
    lines = arrow_lines(Arrows(middle_x, middle_y, length[0], length[1], np.zeros(2, np.uint8)))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw_lines(painter, lines, EDGE_COLOUR, 4.0)
    draw_lines(painter, lines, AXES_COLOUR, 2.0)
    if -_AXIS < x < camera.width and 0 < y < camera.height + _AXIS:
        _draw_label(painter, camera, x + _AXIS + 3, y, "x")
        _draw_label(painter, camera, x - 8, y - _AXIS - 12, "y")


def draw_measure_text(painter: QPainter, camera: Camera, state: Interaction, text: str) -> None:
    """Beside the last point of the measured line."""
    if state.measure is None or not text:
        return
    x, y = camera.to_view(*state.measure.points[-1])
    _draw_label(painter, camera, x + 10, y + 16, text)


def draw_scales(
    painter: QPainter,
    camera: Camera,
    overlay: Overlay,
    arrow: tuple[float, float, str, str] | None,
) -> None:
    """The scale bar and the reference arrow, at the lower left.

    Parameters
    ----------
    arrow : (length, factor, unit, colour) or None
        Logical pixels per px of displacement, what a px is called and of which colour it is.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    metrics = QFontMetricsF(painter.font())
    parts: list[tuple[str, float]] = []
    if overlay.pixel_size:
        per_unit = camera.zoom / overlay.pixel_size
        length = round_length(_SCALE / per_unit)
        parts.append((f"{length:g} {overlay.unit}", length * per_unit))
    if arrow is not None and arrow[0] > 0 and arrow[1] > 0:
        per_unit = arrow[0] / arrow[1]
        length = round_length(_ARROW / per_unit)
        parts.append((f"{length:g} {arrow[2]}", length * per_unit))
    if not parts:
        return
    gap, height = 12.0, metrics.height() + 20
    widths = [max(metrics.horizontalAdvance(text), length) for text, length in parts]
    box = QRectF(10, camera.height - height - 10, sum(widths) + gap * (len(parts) + 1), height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_BOX)
    painter.drawRoundedRect(box, 4, 4)
    x = box.left() + gap
    for number, ((text, length), width) in enumerate(zip(parts, widths, strict=True)):
        y = box.bottom() - 9
        painter.setPen(_TEXT)
        painter.drawText(QPointF(x, box.top() + 3 + metrics.ascent()), text)
        if number == 0 and overlay.pixel_size:
            # filled from pixel to pixel, so that its length is exact
            painter.fillRect(QRectF(x, y - 2, length, 3), _TEXT)
        elif arrow is not None:
            one = np.array([x + length / 2]), np.array([y]), np.array([length]), np.array([0.0])
            lines = arrow_lines(Arrows(*one, np.zeros(1, np.uint8)))
            draw_lines(painter, lines, arrow[3], 1.7)
        x += width + gap


def draw_compare(painter: QPainter, camera: Camera, at: float) -> None:
    """The line between the two fields, with a grip in its middle."""
    x = at * camera.width
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for pen in (_pen(EDGE_COLOUR, 4.0), _pen("#ffffff", 1.8)):
        painter.setPen(pen)
        painter.drawLine(QPointF(x, 0), QPointF(x, camera.height))
    y = camera.height / 2
    painter.setBrush(QColor("#ffffff"))
    painter.setPen(_pen(EDGE_COLOUR, 1.2))
    painter.drawEllipse(QPointF(x, y), 11, 11)
    painter.setBrush(QColor(EDGE_COLOUR))
    for side in (-1, 1):
        painter.drawPolygon(
            QPolygonF(
                [QPointF(x + side * 8, y), QPointF(x + side * 3, y - 4),
                 QPointF(x + side * 3, y + 4)]
            )
        )  # fmt: skip


def draw_hint(painter: QPainter, camera: Camera, text: str, colour: QColor) -> None:
    """A line or two in the middle of an empty canvas."""
    painter.setPen(colour)
    font = QFont(painter.font())
    font.setPointSizeF(font.pointSizeF() * 1.25)
    painter.setFont(font)
    area = QRectF(20, 20, camera.width - 40, camera.height - 40)
    painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap), text)


def _draw_handles(
    painter: QPainter, camera: Camera, state: Interaction, shape: Drawn, number: int
) -> None:
    points = geometry.handles(shape)
    if isinstance(shape, geometry.Draft):
        return
    for middle in state.shown_middles(shape):
        if middle is not None:
            painter.setBrush(QColor(255, 255, 255, 150))
            painter.setPen(_pen(EDGE_COLOUR, 1.0))
            painter.drawEllipse(QPointF(*camera.to_view(*middle)), 2.8, 2.8)
    size = _HANDLE if len(points) <= _MANY else 2.0
    for handle, point in enumerate(points):
        x, y = camera.to_view(*point)
        active = state.active == (number, handle)
        painter.setBrush(QColor("#ff5a36" if active else "#ffffff"))
        painter.setPen(_pen(EDGE_COLOUR, 1.2))
        painter.drawRect(QRectF(x - size, y - size, 2 * size, 2 * size))


def _draw_cross(painter: QPainter, x: float, y: float) -> None:
    for pen in (_pen(EDGE_COLOUR, 3.4), _pen("#ffffff", 1.4)):
        painter.setPen(pen)
        painter.drawLine(QPointF(x - 12, y), QPointF(x + 12, y))
        painter.drawLine(QPointF(x, y - 12), QPointF(x, y + 12))


def _draw_label(painter: QPainter, camera: Camera, x: float, y: float, text: str) -> None:
    """White letters on dark ground, moved to where they can be read."""
    metrics = QFontMetricsF(painter.font())
    width, height = metrics.horizontalAdvance(text) + 10, metrics.height() + 4
    x = min(max(x, 2.0), camera.width - width - 2)
    y = min(max(y - height / 2, 2.0), camera.height - height - 2)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_BOX)
    painter.drawRoundedRect(QRectF(x, y, width, height), 3, 3)
    painter.setPen(_TEXT)
    painter.drawText(QPointF(x + 5, y + 2 + metrics.ascent()), text)


def _pen(colour: str, width: float, *, dashed: bool = False) -> QPen:
    pen = QPen(QColor(colour), width)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    if dashed:
        pen.setDashPattern([5.0, 3.0])
    return pen
