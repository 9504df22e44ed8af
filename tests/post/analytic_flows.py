"""Flows whose every derivative is known, on any grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from piv.types import Float, VectorField

Flow = Callable[[Float, Float], tuple[Float, Float]]


def sampled(x: Float, y: Float, flow: Flow, **changes: Any) -> VectorField:
    """A flow given for y up, on a grid; with ``y_axis="down"`` as an image shows it."""
    down = changes.get("y_axis", "up") == "down"
    u, v = flow(*np.meshgrid(x, -y if down else y))
    options = {"flags": np.zeros(u.shape, np.uint16), "units": "m/s", "y_axis": "up", **changes}
    return VectorField(x=x, y=y, u=u, v=-v if down else v, **options)


def linear(a: float, b: float, c: float, d: float) -> Flow:
    """The flow of a constant velocity gradient."""
    return lambda x, y: (0.3 + a * x + b * y, -0.2 + c * x + d * y)


def waves(x: Float, y: Float) -> tuple[Float, Float]:
    """No symmetry, and not divergence-free."""
    return np.sin(1.3 * x + 0.4) * np.cos(0.9 * y), np.cos(0.7 * x - 0.2) * np.sin(1.1 * y + 0.3)


def waves_gradient(x: Float, y: Float) -> tuple[Float, Float, Float, Float]:
    """du/dx, du/dy, dv/dx, dv/dy of :func:`waves`."""
    return (
        1.3 * np.cos(1.3 * x + 0.4) * np.cos(0.9 * y),
        -0.9 * np.sin(1.3 * x + 0.4) * np.sin(0.9 * y),
        -0.7 * np.sin(0.7 * x - 0.2) * np.sin(1.1 * y + 0.3),
        1.1 * np.cos(0.7 * x - 0.2) * np.cos(1.1 * y + 0.3),
    )


def taylor_green(x: Float, y: Float) -> tuple[Float, Float]:
    """Divergence-free vortices of side pi."""
    return np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)


def lamb_oseen(
    x0: float, y0: float, circulation: float, core: float, drift: tuple[float, float] = (0.0, 0.0)
) -> Flow:
    """Swirl circulation / (2 pi r) (1 - exp(-r^2 / core^2)) about a centre."""

    def flow(x: Float, y: Float) -> tuple[Float, Float]:
        right, up = x - x0, y - y0
        square = np.maximum(right**2 + up**2, 1e-30)
        rate = circulation / (2 * np.pi) * -np.expm1(-square / core**2) / square
        return drift[0] - rate * up, drift[1] + rate * right

    return flow


def stretched(first: float, last: float, count: int, strength: float = 0.3) -> Float:
    """Uneven coordinates whose spacing varies smoothly."""
    t = np.linspace(0, 1, count)
    return np.asarray(first + (last - first) * (t + strength * np.sin(np.pi * t) / np.pi))


def slope(errors: list[float], sizes: list[int]) -> float:
    """Order of accuracy: least-squares slope of the error's logarithm over the spacing's."""
    return float(np.polyfit(-np.log(sizes), np.log(errors), 1)[0])
