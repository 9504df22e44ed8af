"""Tables of text, one vector a line, to and from a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.files import replacing
from piv.types import Float, YAxis

EXACT = "%.9g"  # gives every float32 back


@contextmanager
def writing(path: Path, newline: str = "\n") -> Iterator[TextIO]:
    """Open a text file that takes its name once it is complete."""
    with replacing(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline=newline)
        yield text
        text.flush()
        text.detach()


def lines_of(path: Path) -> list[str]:
    """All lines of a text file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def numbers(
    lines: list[str], path: Path, fewest: int, delimiter: str | None = None
) -> npt.NDArray[np.float64]:
    """Rows of numbers; blank lines and those that begin with # are left out.

    Raises
    ------
    InputError
        If a line holds something else, the rows differ in length, or there are none.
    """
    rows = []
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            rows.append([float(part) for part in text.split(delimiter)])
        except ValueError:
            raise InputError(f"{path}: {text[:60]!r} is not a row of numbers") from None
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) < fewest:
        raise InputError(f"{path}: at least {fewest} columns of numbers in every row are wanted")
    return np.array(rows)


def on_grid(
    x: Float, y: Float, columns: Mapping[str, Any], y_axis: YAxis, path: Path
) -> dict[str, Any]:
    """Columns of a table on the rectangular grid that their coordinates span.

    Parameters
    ----------
    x, y : array, shape (K,)
        Coordinates of the rows, in any order.
    columns : mapping of name to array, shape (K,)
    y_axis : "down" or "up"
        y ascends or descends from row to row of the result, as in the image.
    path : Path
        For messages.

    Returns
    -------
    mapping
        ``x`` (Nx,), ``y`` (Ny,) and the columns (Ny, Nx); NaN where the table has no row.

    Raises
    ------
    InputError
        If the points are not on a grid, or one is there twice.
    """
    across, column = np.unique(x, return_inverse=True)
    down, row = np.unique(y, return_inverse=True)
    if not (np.isfinite(across).all() and np.isfinite(down).all()):
        raise InputError(f"{path}: a coordinate is not a finite number")
    size = across.size * down.size
    if size > 4 * x.size:
        raise InputError(
            f"{path}: the {x.size} points are not on a rectangular grid ({down.size} values of y, "
            f"{across.size} of x)"
        )
    if np.unique(row * across.size + column).size != x.size:
        raise InputError(f"{path}: a point is there twice: give a file of one field")
    turn = slice(None, None, -1) if y_axis == "up" else slice(None)
    found: dict[str, Any] = {"x": across, "y": down[turn]}
    for name, values in columns.items():
        grid = np.full((down.size, across.size), np.nan)
        grid[row, column] = values
        found[name] = grid[turn]
    return found


def delimiter_of(line: str) -> str | None:
    """Comma, semicolon, tab, or None for blanks: what separates the columns of this line."""
    return next((each for each in (",", ";", "\t") if each in line), None)
