"""Bodies, shadows and regions without particles, as signed distances in px (negative inside)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from synth.flows import Flow

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """A region: its signed distance and what it is, for the record."""

    distance: Distance
    record: dict[str, Any]


def disc(y_c: float, x_c: float, radius: float) -> Shape:
    """A disc."""
    return ellipse(y_c, x_c, radius, radius, 0.0, kind="disc")


def ellipse(
    y_c: float, x_c: float, across: float, along: float, angle: float, kind: str = "ellipse"
) -> Shape:
    """An ellipse with half axes ``along`` the angle (rad) and ``across``; distance approximate."""
    c, s = math.cos(angle), math.sin(angle)
    mean = math.sqrt(across * along)

    def distance(y: Tensor, x: Tensor) -> Tensor:
        dy, dx = y - y_c, x - x_c
        xi, eta = (c * dx + s * dy) / along, (c * dy - s * dx) / across
        return mean * (torch.sqrt(xi**2 + eta**2) - 1)

    values = {"y": y_c, "x": x_c, "across": across, "along": along, "angle": angle}
    return Shape(distance, {"kind": kind, **values})


def half_plane(
    y_0: float, x_0: float, angle: float, swing: float = 0.0, wavelength: float = 100.0
) -> Shape:
    """Where n < swing sin(2 pi s / wavelength): n across, s along the line of that angle (rad)."""
    c, s = math.cos(angle), math.sin(angle)

    def distance(y: Tensor, x: Tensor) -> Tensor:
        n, along = c * (y - y_0) - s * (x - x_0), c * (x - x_0) + s * (y - y_0)
        if swing == 0:
            return n
        return n - swing * torch.sin(2 * math.pi / wavelength * along)

    values = {"y": y_0, "x": x_0, "angle": angle, "swing": swing, "wavelength": wavelength}
    return Shape(distance, {"kind": "half plane", **values})


def intersection(parts: list[Shape], kind: str) -> Shape:
    """Inside all of the parts: bands, polygons, steps."""
    return _joined(parts, kind, torch.maximum)


def union(parts: list[Shape], kind: str) -> Shape:
    """Inside any of the parts."""
    return _joined(parts, kind, torch.minimum)


def _joined(parts: list[Shape], kind: str, choose: Callable[[Tensor, Tensor], Tensor]) -> Shape:
    def distance(y: Tensor, x: Tensor) -> Tensor:
        return reduce(choose, (part.distance(y, x) for part in parts))

    return Shape(distance, {"kind": kind, "parts": [part.record for part in parts]})


def outside(part: Shape) -> Shape:
    """The complement."""
    return Shape(lambda y, x: -part.distance(y, x), {"kind": "outside", "of": part.record})


def band(
    y_0: float,
    x_0: float,
    width: float,
    angle: float,
    swing: float = 0.0,
    wavelength: float = 100.0,
) -> Shape:
    """A strip about the line through a point, with wavy sides."""
    dy, dx = width / 2 * math.cos(angle), -width / 2 * math.sin(angle)
    below = half_plane(y_0 + dy, x_0 + dx, angle, swing, wavelength)
    above = half_plane(y_0 - dy, x_0 - dx, angle + math.pi, swing, wavelength)
    return intersection([below, above], "band")


def polygon(y_c: float, x_c: float, radius: float, sides: int, angle: float) -> Shape:
    """A regular polygon, ``radius`` from the centre to the sides."""
    parts = []
    for side in range(sides):
        turn = angle + 2 * math.pi * side / sides
        y_0, x_0 = y_c + radius * math.cos(turn), x_c - radius * math.sin(turn)
        parts.append(half_plane(y_0, x_0, turn))
    return intersection(parts, "polygon")


def shadow(y_c: float, x_c: float, width: float, angle: float) -> Shape:
    """A half strip from a point along the angle (rad): what a body takes from the light."""
    strip = band(y_c, x_c, width, angle)
    ahead = half_plane(y_c, x_c, angle + math.pi / 2)
    return intersection([strip, ahead], "shadow")


def carried(part: Shape, flow: Flow, time: float, steps: int) -> Shape:
    """The region after the flow has carried its fluid for a time (in frame intervals).

    Points are traced back with the second-order Runge-Kutta method.
    """
    step = time / steps

    def distance(y: Tensor, x: Tensor) -> Tensor:
        y, x = y + 0 * x, x + 0 * y
        for _ in range(steps):
            u, v = flow(y, x)
            u, v = flow(y - step / 2 * v, x - step / 2 * u)
            y, x = y - step * v, x - step * u
        return part.distance(y, x)

    return Shape(distance, {"kind": "carried", "time": time, "of": part.record})


def random_region(rng: np.random.Generator, shape: tuple[int, int]) -> Shape:
    """A region without particles: half plane, band, ellipse or its surroundings."""
    height, width = shape
    size = math.hypot(height, width)
    y_0, x_0 = rng.uniform(0.15, 0.85) * height, rng.uniform(0.15, 0.85) * width
    angle = rng.uniform(0, 2 * math.pi)
    wave = {"swing": rng.uniform(0, 0.06) * size, "wavelength": rng.uniform(0.2, 1.0) * size}
    kind = int(rng.integers(4))
    if kind == 0:
        return half_plane(y_0, x_0, angle, **wave)
    if kind == 1:
        return band(y_0, x_0, rng.uniform(0.1, 0.45) * size, angle, **wave)
    axes = rng.uniform(0.08, 0.3, 2) * size
    if kind == 2:
        return ellipse(y_0, x_0, axes[0], axes[1], angle)
    return outside(ellipse(y_0, x_0, 1.5 * axes[0] + 0.1 * size, 1.5 * axes[1] + 0.1 * size, angle))


def random_body(rng: np.random.Generator, shape: tuple[int, int]) -> Shape:
    """A body: disc, polygon, or wall along a side of the image."""
    height, width = shape
    side = min(shape)
    y_0, x_0 = rng.uniform(0, height), rng.uniform(0, width)
    kind = int(rng.integers(3))
    if kind == 0:
        return disc(y_0, x_0, rng.uniform(0.04, 0.2) * side)
    if kind == 1:
        radius, sides = rng.uniform(0.04, 0.15) * side, int(rng.integers(3, 7))
        return polygon(y_0, x_0, radius, sides, rng.uniform(0, math.pi))
    angle = rng.choice([0, 0.5, 1, 1.5]) * math.pi + rng.normal(0, 0.1)
    depth = rng.uniform(0.02, 0.15) * side
    c, s = math.cos(angle), math.sin(angle)
    middle_y, middle_x = height / 2, width / 2
    reach = abs(c) * height / 2 + abs(s) * width / 2 - depth
    return half_plane(middle_y - c * reach, middle_x + s * reach, angle)
