"""CSV with the columns ``x,y,u,v,chc`` that pivpy and tables of data read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.io.exchange.series import Hints, choice_of, kinds_of_choice, with_kinds
from piv.io.exchange.text import EXACT, delimiter_of, lines_of, numbers, on_grid, writing
from piv.types import VectorField

COLUMNS = ("x", "y", "u", "v", "chc")


def write(field: VectorField, path: Path) -> None:
    """Write one field; x fastest, y ascending from row to row, whichever way it points."""
    order = np.argsort(field.y, kind="stable")
    x, y = np.meshgrid(field.x, field.y[order])
    parts = [x, y, field.u[order], field.v[order], choice_of(field)[order]]
    table = np.stack([np.asarray(part, np.float64).ravel() for part in parts], axis=1)
    with writing(path) as file:
        file.write(",".join(COLUMNS) + "\n")
        np.savetxt(file, table, ["%.12g", "%.12g", EXACT, EXACT, "%d"], delimiter=",")


def read(path: Path, hints: Hints) -> VectorField:
    """Read one field; without a column ``chc`` every finite vector is a measurement.

    Raises
    ------
    InputError
        If the file is no such table.
    """
    lines = lines_of(path)
    between = delimiter_of(lines[0]) if lines else None
    names = [part.strip().strip('"').lower() for part in lines[0].split(between)] if lines else []
    if not {"x", "y", "u", "v"} <= set(names):
        raise InputError(f"{path}: the first line must name the columns x, y, u and v")
    rows = numbers(lines[1:], path, len(names), between)
    table = {name: rows[:, place] for place, name in enumerate(names)}
    units, y_axis, dt = hints.chosen()
    columns: dict[str, Any] = {name: table[name] for name in ("u", "v", "chc") if name in table}
    grid = on_grid(table["x"], table["y"], columns, y_axis, path)
    choice = grid.get("chc", np.ones_like(grid["u"]))
    kinds = kinds_of_choice(choice, grid["u"], grid["v"])
    vectors = with_kinds(kinds, grid["u"], grid["v"])
    return VectorField(grid["x"], grid["y"], **vectors, dt=dt, units=units, y_axis=y_axis)
