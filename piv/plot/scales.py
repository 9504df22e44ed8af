"""Scales of figures: how far arrows are apart, where colours end, which numbers are round."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from piv.plot.layout import Scene
from piv.types import Float


def per_second(largest: float) -> tuple[str, float]:
    """The unit in which a vorticity has few digits, and how many of them make 1/s."""
    power = 0 if largest < 1e4 else 3 if largest < 1e7 else 6
    return ("1/s", 1.0) if power == 0 else (f"$10^{power}$/s", 10.0**-power)


def evenly(
    shape: tuple[int, ...], across: int, scene: Scene
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the vectors that are drawn: evenly spaced and centred."""
    left, right, bottom, top = scene.extent
    cell = abs(right - left) / shape[-1], abs(bottom - top) / shape[-2]
    distance = abs(right - left) / across
    chosen = []
    for size, each in ((shape[-2], cell[1]), (shape[-1], cell[0])):
        step = min(max(1, round(distance / each)), size)
        first = (size - 1 - (size - 1) // step * step) // 2
        chosen.append(np.arange(first, size, step))
    return chosen[0], chosen[1]


def nice(value: float) -> float:
    """Round to 1, 2 or 5 times a power of ten, not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{max(n for n in (1, 2, 5) if n * power <= value * (1 + 1e-9)) * power:.3g}")


def widened(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def extension(seen: Float, low: float, high: float) -> str:
    """Which ends of a colour bar are pointed: more than the rounding error lies beyond them."""
    slack = 1e-6 * (high - low)
    below, above = bool((seen < low - slack).any()), bool((seen > high + slack).any())
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
