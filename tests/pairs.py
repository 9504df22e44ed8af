"""Rendered pairs of known displacement for the tests: exact, clean, made here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf

from piv.types import Float, ImagePair

Flow = Callable[[Float, Float], tuple[Any, Any]]


def render(x: Float, y: Float, brightness: Float, diameter: float, shape: tuple[int, int]) -> Float:
    """Particles integrated over the pixels; float64 grey levels."""
    sigma = diameter / 4
    reach = int(np.ceil(4 * sigma)) + 1
    offsets = np.arange(-reach, reach + 1)

    def integral(position: Float) -> tuple[Float, Float]:
        pixel = np.round(position).astype(int)[:, None] + offsets
        edge = (pixel - position[:, None]) / (np.sqrt(2) * sigma)
        half = 0.5 / (np.sqrt(2) * sigma)
        return pixel, 0.5 * (erf(edge + half) - erf(edge - half))

    column, along_x = integral(x)
    row, along_y = integral(y)
    values = 2 * np.pi * sigma**2 * brightness[:, None, None] * along_y[:, :, None]
    values = values * along_x[:, None, :]
    rows = np.broadcast_to(row[:, :, None], values.shape)
    columns = np.broadcast_to(column[:, None, :], values.shape)
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    image = np.zeros(shape)
    np.add.at(image, (rows[inside], columns[inside]), values[inside])
    return image


def flow_pair(
    shape: tuple[int, int],
    flow: Flow,
    *,
    density: float = 0.05,
    diameter: float = 2.5,
    noise: float = 0.0,
    seed: int = 0,
    margin: int = 40,
    mask: Any = None,
) -> ImagePair:
    """An 8-bit pair; ``flow(x, y)`` is the displacement of what is there at mid-time."""
    rng = np.random.default_rng(seed)
    height, width = shape
    count = rng.poisson(density * (height + 2 * margin) * (width + 2 * margin))
    x = rng.uniform(-margin, width - 1 + margin, count)
    y = rng.uniform(-margin, height - 1 + margin, count)
    brightness = 200 * np.exp(-2 * rng.uniform(-1, 1, count) ** 2)
    u, v = flow(x, y)
    frames = []
    for half in (-0.5, 0.5):
        image = render(x + half * u, y + half * v, brightness, diameter, shape)
        image = image + noise * 200 * rng.standard_normal(shape)
        frames.append(np.clip(np.round(image), 0, 255).astype(np.uint8))
    return ImagePair(frames[0], frames[1], mask=mask)


def uniform_pair(shape: tuple[int, int], u: float, v: float, **options: Any) -> ImagePair:
    """One displacement everywhere."""
    return flow_pair(shape, lambda x, y: (u + 0 * x, v + 0 * y), **options)


def vortex(shape: tuple[int, int], peak: float = 4.0, core: float = 30.0) -> Flow:
    """A Lamb-Oseen vortex in the middle with some drift, px."""

    def flow(x: Float, y: Float) -> tuple[Float, Float]:
        dx, dy = x - 0.45 * shape[1], y - 0.55 * shape[0]
        r2 = dx**2 + dy**2 + 1e-9
        speed = 1.4 * peak * core * (1 - np.exp(-r2 / core**2)) / r2
        return 1.2 - speed * dy, -0.7 + speed * dx

    return flow
