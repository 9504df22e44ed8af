"""What is to be exported, and which files that makes.  No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gui.methods import Method
from gui.state import CalibrationState
from piv.errors import InputError
from piv.io.exchange.registry import named
from piv.types import Analysis

Group = Literal["dense", "coarse", "field"]


@dataclass(frozen=True, eq=False)
class Results:
    """The results that are meant: those of a file, those of the window, or both.

    Parameters
    ----------
    path : Path or None
        File of results.
    indices : tuple of int or None
        Positions in it; None = all that are done.
    analyses : mapping of int to Analysis
        By pair, in px with the user's edits; they go before those of the file.
    """

    path: Path | None = None
    indices: tuple[int, ...] | None = None
    analyses: Mapping[int, Analysis] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FilmOrder:
    """A film of all results.

    Parameters
    ----------
    results : Results
    calibration : CalibrationState
    quantity : "speed" or "vorticity"
    colour_range : (float, float) or None
        In the units of the film, m/s and 1/s or px; None = found from the series.
    frames_per_second : float
    """

    results: Results
    calibration: CalibrationState
    quantity: Literal["speed", "vorticity"] = "speed"
    colour_range: tuple[float, float] | None = None
    frames_per_second: float = 10.0


@dataclass(frozen=True, eq=False)
class DataOrder:
    """Fields for other programs.

    Parameters
    ----------
    results : Results
    calibration : CalibrationState
    format : str
        Of :data:`piv.io.exchange.registry.FORMATS`.
    group : "dense", "coarse" or "field"
        ``field``: the better of both.
    stride : int
        Every n-th vector in both directions.
    source : str
        What the results are called.
    """

    results: Results
    calibration: CalibrationState
    format: str
    group: Group = "field"
    stride: int = 1
    source: str = ""


@dataclass(frozen=True, eq=False)
class ReportOrder:
    """The report of a pair.

    Parameters
    ----------
    analysis : Analysis
        In px, with the user's edits.
    name : str
    calibration : CalibrationState
    method : Method
    seconds : float
    edited : str
        What was changed by hand.
    """

    analysis: Analysis
    name: str
    calibration: CalibrationState
    method: Method
    seconds: float = float("nan")
    edited: str = ""


def outputs_of(order: DataOrder, path: Path, pairs: Sequence[int]) -> list[Path]:
    """The files that an export of these pairs makes, without those of a .pvd's collection.

    Raises
    ------
    InputError
        If the format holds one field, and its name can have only one.
    """
    if named(order.format).series:
        if path.suffix.lower() == ".vti" and len(pairs) > 1:
            raise InputError(f"a .vti holds one field, not {len(pairs)}: give a name in .pvd")
        return [path]
    if len(pairs) == 1:
        return [path]
    return [path.with_name(f"{path.stem}_{pair:05d}{path.suffix}") for pair in pairs]


def existing(order: DataOrder, path: Path, pairs: Sequence[int]) -> list[Path]:
    """Files that an export would replace, the chosen name not counted: it has been asked for."""
    made = outputs_of(order, path, pairs)
    if path.suffix.lower() == ".pvd":
        made += [path.with_name(f"{path.stem}_{pair:05d}.vti") for pair in pairs]
    return [each for each in made if each != path and each.exists()]
