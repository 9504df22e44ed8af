"""Text that DaVis exports; read only."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from piv.errors import InputError
from piv.io.exchange.pivlab_text import direction
from piv.io.exchange.series import MASKED, MEASURED, Hints, with_kinds
from piv.io.exchange.text import lines_of, numbers, on_grid
from piv.io.exchange.unit_words import scales
from piv.types import VectorField


def read(path: Path, hints: Hints) -> VectorField:
    """Read one field; decimal commas are understood; a vector of zeros is none.

    Raises
    ------
    InputError
        If the file is no such table.
    """
    lines = lines_of(path)
    if not lines or not lines[0].lstrip().startswith("#DaVis") or "2D-vector" not in lines[0]:
        raise InputError(f"{path} is no text export of two-component vectors from DaVis")
    said = re.findall(r'"([^"]*)"', lines[0])
    if len(said) < 6:
        raise InputError(f"{path}: the first line must name the units of x, y and velocity")
    units, per_length, per_speed = scales(said[1], said[5], path)
    rows = numbers([line.replace(",", ".") for line in lines[1:]], path, 4)
    chosen, y_axis, dt = hints.chosen(units, direction(rows[:, 1]))
    columns = {"u": rows[:, 2] * per_speed, "v": rows[:, 3] * per_speed}
    grid = on_grid(rows[:, 0] * per_length, rows[:, 1] * per_length, columns, y_axis, path)
    u, v = grid["u"], grid["v"]
    known = np.isfinite(u + v) & ((u != 0) | (v != 0))
    kinds = np.where(known, MEASURED, MASKED).astype(np.int8)
    return VectorField(
        grid["x"], grid["y"], **with_kinds(kinds, u, v), dt=dt, units=chosen, y_axis=y_axis
    )
