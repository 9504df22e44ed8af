"""PIVlab's ASCII charts: two lines of text, the names of the columns, y fastest."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import numpy as np

from piv.errors import InputError
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
from piv.io.exchange.text import delimiter_of, lines_of, numbers, on_grid, writing
from piv.io.exchange.unit_words import scales
from piv.types import Float, Units, VectorField, YAxis

# px: PIVlab's window over its pixels 1 to 16 lies at 9; our pixels 0 to 15 have their centre at 7.5
SHIFT = 1.5
TYPES = {MASKED: 0, MEASURED: 1, REJECTED: 1, REPLACED: 2}


def write(field: VectorField, path: Path) -> None:
    """Write one field with commas; NaN where there is no value."""
    speed, length = ("px/frame", "px") if field.units == "px" else ("m/s", "m")
    per_length, per_speed = factors(field)
    names = [f"x [{length}]", f"y [{length}]", f"u [{speed}]", f"v [{speed}]", "Vector type [-]"]
    name = field.attrs.get("input", {}).get("name", "") or "unknown"
    kinds = kinds_of(field)
    x, y = (shifted(axis, field, SHIFT) for axis in np.meshgrid(field.x, field.y))
    u, v = (np.where(kinds == MASKED, np.nan, part) for part in (field.u, field.v))
    table = np.stack(
        [np.asarray(p, np.float64).T.ravel() for p in (x, y, u, v, types_of(field))], axis=1
    )
    text = StringIO()
    np.savetxt(text, table, ["%.10g"] * 4 + ["%d"], delimiter=",")
    with writing(path, "\r\n") as file:
        file.write("PIVlab, ASCII chart output - written by ccfcn-piv\n")
        file.write(
            f"FRAME: 1, filenames: {name} & {name}, conversion factor xy (px -> m): "
            f"{per_length:.10g}, conversion factor uv (px/frame -> m/s): {per_speed:.10g}\n"
        )
        file.write(",".join(names) + "\n")
        file.write(text.getvalue().replace("nan", "NaN"))


def read(path: Path, hints: Hints) -> VectorField:
    """Read one field, with its first five columns.

    Raises
    ------
    InputError
        If the file is no such table, or is in m per frame.
    """
    lines = lines_of(path)
    first = next((n for n, line in enumerate(lines) if _is_row(line)), len(lines))
    head = "\n".join(lines[:first])
    rows = numbers(lines[first:], path, 5, delimiter_of(lines[first]) if lines[first:] else None)
    said = re.findall(r"([xyuv]) \[([^\]]*)\]", head)
    units: Units | None = None
    per_length = per_speed = 1.0
    if said:
        words = dict(said)
        units, per_length, per_speed = scales(words.get("x", ""), words.get("u", ""), path)
    chosen, y_axis, dt = hints.chosen(units, direction(rows[:, 1]), _dt(head))
    columns = dict(zip(("u", "v", "kind"), rows[:, 2:5].T, strict=True))
    grid = on_grid(rows[:, 0] * per_length, rows[:, 1] * per_length, columns, y_axis, path)
    vectors = with_kinds(
        kinds_of_types(grid["kind"], grid["u"], grid["v"]),
        grid["u"] * per_speed,
        grid["v"] * per_speed,
    )
    shift = SHIFT if chosen == "px" else 0.0
    return VectorField(
        grid["x"] - shift, grid["y"] - (shift if y_axis == "down" else 0.0), **vectors, dt=dt,
        units=chosen, y_axis=y_axis,
    )  # fmt: skip


def types_of(field: VectorField) -> Float:
    """PIVlab's type of each vector: 0 masked, 1 regular, 2 interpolated."""
    return np.vectorize(TYPES.get, otypes=[np.float64])(kinds_of(field))


def kinds_of_types(types: Float, u: Float, v: Float) -> Kinds:
    """The kinds that belong to PIVlab's types; 3 is a second peak, a measurement."""
    known = np.isfinite(u) & np.isfinite(v)
    kinds = np.where(types == 2, REPLACED, MEASURED).astype(np.int8)
    kinds[~known] = REJECTED
    kinds[(types == 0) | ~np.isfinite(types)] = MASKED
    return kinds


def shifted(axis: Float, field: VectorField, shift: float) -> Float:
    """Coordinates in PIVlab's pixels; those in m stay."""
    return axis + shift if field.units == "px" else axis


def factors(field: VectorField) -> tuple[float, float]:
    """PIVlab's conversion factors: m a px, and m/s a px of displacement; 1 in px."""
    record = field.attrs.get("calibration")
    if field.units == "px" or not record:
        return 1.0, 1.0
    size = float(record["pixel_size"])
    return size, size / field.dt


def direction(y: Float) -> YAxis | None:
    """Where y points when the first of these is the uppermost."""
    return None if y[0] == y[-1] else "up" if y[0] > y[-1] else "down"


def _is_row(line: str) -> bool:
    try:
        [float(part) for part in line.split(delimiter_of(line))]
    except ValueError:
        return False
    return bool(line.strip())


def _dt(head: str) -> float | None:
    """Inter-frame time, s, from the two conversion factors, where they are not 1."""
    found = re.search(r"\(px -> m\): ([-+.\deE]+),.*\(px/frame -> m/s\): ([-+.\deE]+)", head)
    if found is None:
        return None
    try:
        size, speed = float(found[1]), abs(float(found[2]))
    except ValueError:
        raise InputError(f"the conversion factors {found[1]}, {found[2]} are no numbers") from None
    return size / speed if size > 0 and speed > 0 and size != 1 else None
