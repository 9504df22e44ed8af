"""Tecplot's ASCII files, and TSI's ``.vec`` and PIVlab's, which are of the same kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.io.exchange.pivlab_text import direction
from piv.io.exchange.series import (
    MASKED,
    MEASURED,
    REJECTED,
    REPLACED,
    Hints,
    Kinds,
    kinds_of,
    with_kinds,
)
from piv.io.exchange.text import EXACT, delimiter_of, lines_of, numbers, on_grid, writing
from piv.io.exchange.unit_words import scales
from piv.types import VectorField

_HEADER = re.compile(r"^\s*(#|TITLE|VARIABLES|ZONE|DATASETAUXDATA|\"|[A-Z]+\s*=)", re.IGNORECASE)


def write(field: VectorField, path: Path) -> None:
    """Write one field as an ordered zone; CHC as TSI has it, zeros where there is no value."""
    length = "px" if field.units == "px" else "m"
    kinds = kinds_of(field)
    empty = (kinds == MASKED) | (kinds == REJECTED)
    x, y = np.meshgrid(field.x, field.y)
    columns = [x, y, np.where(empty, 0, field.u), np.where(empty, 0, field.v), kinds]
    names = ["x", "y", "u", "v", "chc"]  # VTK's reader knows them without units only
    formats = ["%.12g", "%.12g", EXACT, EXACT, "%d"]
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        for name, values in (("u", field.uncertainty_u), ("v", field.uncertainty_v)):
            columns.append(np.where(empty | ~np.isfinite(values), 0, values))
            names.append(f"uncertainty_{name}")
            formats.append(EXACT)
    table = np.stack([np.asarray(each, np.float64).ravel() for each in columns], axis=1)
    height, width = field.shape
    with writing(path) as file:
        file.write('TITLE = "velocity field"\n')
        file.write(f"VARIABLES = {', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)}\n")
        file.write(f'DATASETAUXDATA LengthUnit = "{length}"\n')
        file.write(f'DATASETAUXDATA VelocityUnit = "{field.units}"\n')
        file.write(f'DATASETAUXDATA YAxis = "{field.y_axis}"\n')
        file.write(f'DATASETAUXDATA MicrosecondsPerDeltaT = "{field.dt * 1e6:.12g}"\n')
        file.write(f'ZONE T = "field", I = {width}, J = {height}, K = 1, DATAPACKING = POINT\n')
        np.savetxt(file, table, formats)


def read(path: Path, hints: Hints) -> VectorField:
    """Read one field; CHC above zero is good (2: replaced), 0 masked, below zero no value.

    Raises
    ------
    InputError
        If the file is no such table, or has more than one zone.
    """
    lines = lines_of(path)
    first = next((n for n, line in enumerate(lines) if _is_data(line)), len(lines))
    head = " ".join(lines[:first])
    named = re.search(r'VARIABLES\s*=\s*((?:"[^"]*"[\s,]*)+)', head, re.IGNORECASE)
    if named is None:
        raise InputError(f'{path} is no Tecplot table: it has no line VARIABLES = "x", "y", ...')
    if any("ZONE" in line.upper() for line in lines[first:]):
        raise InputError(f"{path} has more than one zone: give a file of one field")
    words = [name.replace("[", " ").replace("]", " ").split() for name in _quoted(named[1])]
    names = [word[0].lower() if word else "" for word in words]
    if not {"x", "y", "u", "v"} <= set(names):
        raise InputError(f"{path} has the variables {', '.join(names)}; x, y, u, v are wanted")
    said = {word[0].lower(): word[1] for word in words if len(word) > 1}
    rows = numbers(lines[first:], path, len(names), delimiter_of((lines[first:] or [""])[0]))
    table = dict(zip(names, rows.T, strict=False))
    known = dict(re.findall(r'DATASETAUXDATA\s+(\w+)\s*=\s*"([^"]*)"', head, re.IGNORECASE))
    length = said.get("x", known.get("LengthUnit", ""))
    speed = said.get("u", known.get("VelocityUnit", ""))
    units, per_length, per_speed = (
        scales(length, speed, path) if length and speed else (None, 1.0, 1.0)
    )
    axis = known.get("YAxis")
    if axis is None and direction(table["y"]) == "up":
        axis = "up"
    chosen, y_axis, dt = hints.chosen(units, axis, _dt(known))
    wanted = ("u", "v", "chc", "isnan", "uncertainty_u", "uncertainty_v")
    columns = {name: table[name] for name in wanted if name in table}
    grid = on_grid(table["x"] * per_length, table["y"] * per_length, columns, y_axis, path)
    kinds = _kinds(grid)
    error: dict[str, Any] = {
        name: np.where(grid[name] > 0, grid[name] * per_speed, np.nan).astype(np.float32)
        for name in ("uncertainty_u", "uncertainty_v")
        if {"uncertainty_u", "uncertainty_v"} <= set(grid)
    }
    vectors = with_kinds(kinds, grid["u"] * per_speed, grid["v"] * per_speed)
    return VectorField(grid["x"], grid["y"], **vectors, **error, dt=dt, units=chosen, y_axis=y_axis)


def _kinds(grid: dict[str, Any]) -> Kinds:
    kinds: Kinds = np.full(grid["u"].shape, MEASURED, np.int8)
    if "isnan" in grid:
        kinds[grid["isnan"] != 0] = REJECTED
    if "chc" in grid:
        choice = grid["chc"]
        kinds[choice == 2] = REPLACED
        kinds[choice < 0] = REJECTED
        kinds[(choice == 0) | ~np.isfinite(choice)] = MASKED
    kinds[(kinds > 0) & ~np.isfinite(grid["u"] + grid["v"])] = REJECTED
    return kinds


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text)


def _is_data(line: str) -> bool:
    return bool(line.strip()) and _HEADER.match(line) is None


def _dt(known: dict[str, str]) -> float | None:
    try:
        time = float(known.get("MicrosecondsPerDeltaT", "")) / 1e6
    except ValueError:
        return None
    return time if time > 0 else None
