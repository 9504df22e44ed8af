"""OpenPIV's text files: x, y, u, v, flags, mask; y up from the lower edge, v up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from piv.io.exchange.series import MASKED, MEASURED, REJECTED, REPLACED, Hints, kinds_of, with_kinds
from piv.io.exchange.text import lines_of, numbers, on_grid, writing
from piv.types import VectorField

HALF = 0.5  # px: the centre of OpenPIV's first pixel is (0.5, 0.5), ours (0, 0)
_NUMBER = "%.8e"  # OpenPIV takes five digits; these give every float32 back
_HEADER = "# x\ty\tu\tv\tflags\tmask\n"
_FLAGS = {MEASURED: 0, REJECTED: 1, REPLACED: 2, MASKED: 1}


def write(field: VectorField, path: Path) -> None:
    """Write one field as ``openpiv.tools.save`` does after ``transform_coordinates``.

    In px, y is that of the grid turned upside down (the lowest row keeps the smallest y).
    """
    down = field.y_axis == "down"
    along_x, along_y, v = field.x, field.y, field.v
    if field.units == "px":
        along_x, along_y = field.x + HALF, field.y + HALF
    if down:  # the rows stay, as in OpenPIV: the first is the upper one
        along_y, v = along_y[::-1], -field.v
    kinds = kinds_of(field)
    flags = np.vectorize(_FLAGS.get, otypes=[np.int8])(kinds)
    x, y = np.meshgrid(along_x, along_y)
    parts = [x, y, field.u, v, flags, kinds == MASKED]
    table = np.stack([np.asarray(part, np.float64).ravel() for part in parts], axis=1)
    with writing(path) as file:
        file.write(_HEADER)
        np.savetxt(file, table, _NUMBER, delimiter="\t")


def read(path: Path, hints: Hints) -> VectorField:
    """Read one field; of five columns (older versions) the fifth is a ratio of peaks.

    Raises
    ------
    InputError
        If the file is no such table.
    """
    rows = numbers(lines_of(path), path, 4)
    units, y_axis, dt = hints.chosen()
    names = ("u", "v", "flags", "mask") if rows.shape[1] >= 6 else ("u", "v", "peak_ratio")
    columns = dict(zip(names, rows[:, 2:].T, strict=False))
    grid = on_grid(rows[:, 0], rows[:, 1], columns, "up", path)
    u, v = grid["u"], grid["v"]
    kinds = np.full(u.shape, MEASURED, np.int8)
    flags = grid.get("flags", np.zeros_like(u))
    kinds[(flags == 1) | ~np.isfinite(u + v)] = REJECTED
    kinds[(flags == 2) & np.isfinite(u + v)] = REPLACED
    kinds[(grid.get("mask", np.zeros_like(u)) != 0) | ~np.isfinite(flags)] = MASKED
    along_x, along_y = grid["x"], grid["y"]
    if y_axis == "down":
        along_y, v = along_y[::-1], -v
    if units == "px":
        along_x, along_y = along_x - HALF, along_y - HALF
    extra = {}
    if "peak_ratio" in grid:
        extra["peak_ratio"] = grid["peak_ratio"].astype(np.float32)
    return VectorField(
        along_x, along_y, **with_kinds(kinds, u, v), dt=dt, units=units, y_axis=y_axis, extra=extra
    )
