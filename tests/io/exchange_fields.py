"""One small field, in px and in m/s, with every kind of vector that other programs know."""

from __future__ import annotations

import numpy as np

from piv.calibrate import calibrate
from piv.types import Calibration, Flag, Float, VectorField

ROWS, COLUMNS, SPACING, FIRST = 5, 7, 8.0, 7.5
DT, PIXEL = 2e-4, 21e-6

# (row, column) of one vector of each kind
MARKER = (1, 4)  # u = 3 px to the right, v = 1.5 px down
MASKED, REPLACED, EMPTY, DOUBTFUL, FALLBACK = (0, 1), (2, 3), (3, 5), (4, 2), (3, 0)


def pixels(number: int = 0) -> VectorField:
    """Coordinates 7.5, 15.5 ... as of windows of 16 px; random but for the marker."""
    rng = np.random.default_rng(number)
    shape = (ROWS, COLUMNS)
    u, v = (rng.normal(0, 3, shape).astype(np.float32) for _ in range(2))
    u[MARKER], v[MARKER] = 3.0, 1.5
    flags = np.zeros(shape, np.uint16)
    flags[MASKED] = Flag.MASKED
    flags[REPLACED] = Flag.REPLACED | Flag.MEDIAN_OUTLIER
    flags[EMPTY] = Flag.NO_CONTRAST
    flags[DOUBTFUL] = Flag.LOW_PEAK_RATIO
    flags[FALLBACK] = Flag.FALLBACK
    for place in (MASKED, EMPTY):
        u[place] = v[place] = np.nan
    error: Float = np.where(np.isfinite(u), rng.uniform(0.05, 0.1, shape), np.nan).astype("f4")
    return VectorField(
        x=FIRST + SPACING * np.arange(COLUMNS), y=FIRST + SPACING * np.arange(ROWS), u=u, v=v,
        flags=flags, uncertainty_u=error, uncertainty_v=2 * error, dt=DT,
        extra={"peak_ratio": rng.uniform(1, 5, shape).astype(np.float32)},
        attrs={"package": "ccfcn-piv 0", "input": {"name": f"pair {number}"}},
    )  # fmt: skip


def metres(number: int = 0) -> VectorField:
    return calibrate(pixels(number), Calibration(PIXEL, (20.0, 10.0)))


def every_pixel(shape: tuple[int, int] = (33, 40)) -> VectorField:
    """A dense field, for formats without coordinates."""
    rng = np.random.default_rng(5)
    u, v = (rng.normal(0, 3, shape).astype(np.float32) for _ in range(2))
    u[3, 4] = v[3, 4] = np.nan
    flags = np.zeros(shape, np.uint16)
    flags[3, 4] = Flag.MASKED
    x, y = np.arange(shape[1], dtype=float), np.arange(shape[0], dtype=float)
    return VectorField(x, y, u, v, flags, dt=DT)


def series(calibrated: bool = False) -> VectorField:
    """Three fields, (3, Ny, Nx)."""
    fields = [metres(n) if calibrated else pixels(n) for n in range(3)]

    def stack(name: str) -> Float:
        return np.stack([getattr(field, name) for field in fields])

    return fields[0].replace(
        u=stack("u"), v=stack("v"), flags=stack("flags"), uncertainty_u=stack("uncertainty_u"),
        uncertainty_v=stack("uncertainty_v"),
        extra={"peak_ratio": np.stack([field.extra["peak_ratio"] for field in fields])},
    )  # fmt: skip
