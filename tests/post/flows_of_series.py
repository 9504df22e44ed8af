"""Small series of known content for the tests of statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from piv.types import Flag, Float, VectorField


def field(u: Float, v: Float, **changes: Any) -> VectorField:
    """A field on pixel centres, nothing flagged."""
    height, width = u.shape[-2:]
    values: dict[str, Any] = {
        "x": np.arange(width, dtype=float),
        "y": np.arange(height, dtype=float),
        "flags": np.zeros(u.shape, np.uint16),
    }
    return VectorField(u=u.astype(np.float32), v=v.astype(np.float32), **{**values, **changes})


def noisy_series(
    count: int, rng: np.random.Generator, shape: tuple[int, int] = (14, 23), **changes: Any
) -> list[VectorField]:
    """Correlated components, not normal, some flagged, some without a value, some points empty."""
    fields = []
    for _ in range(count):
        u = 3 + rng.gumbel(0, 1, shape)
        v = -1 + 0.6 * u + rng.normal(0, 0.5, shape)
        flags = np.zeros(shape, np.uint16)
        flags[rng.random(shape) < 0.1] = int(Flag.REPLACED | Flag.MEDIAN_OUTLIER)
        flags[rng.random(shape) < 0.1] = int(Flag.DISAGREES)
        flags[:3, :4] = int(Flag.MASKED)
        u[:3, :4] = np.nan
        u[5, 5] = np.nan
        sizes = {
            name: rng.uniform(0.05, 0.2, shape).astype(np.float32)
            for name in ("uncertainty_u", "uncertainty_v")
        }
        fields.append(field(u, v, **{"flags": flags, **sizes, **changes}))
    return fields
