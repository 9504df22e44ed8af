"""Shapes drawn on the image, and the masks they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ShapeKind: TypeAlias = Literal[
    "polygon", "rectangle", "ellipse", "freehand",  # masks
    "line", "polyline", "circle", "distance", "reject_box", "region",  # others
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What was drawn with one of the tools of the canvas.

    Parameters
    ----------
    kind : str
        polygon, freehand: a closed outline; rectangle, ellipse, reject_box, region: a box;
        line, distance: two ends; polyline: an open line; circle.
    points : tuple of (x, y)
        px of the frame. Outlines and lines: their points in order. Boxes: two opposite corners.
        Circle: its centre and a point of its rim.
    subtract : bool
        Whether a mask is taken away here instead of added.
    name : str
    """

    kind: ShapeKind
    points: tuple[tuple[float, float], ...]
    subtract: bool = False
    name: str = ""
