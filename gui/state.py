"""The plain, frozen values that a session is made of; every change makes a new one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from piv.errors import InputError
from piv.settings import ValidateSettings
from piv.types import Analysis, Calibration

if TYPE_CHECKING:
    from gui.age import MadeWith
    from piv.io.sources.base import SourceSpec

Stage: TypeAlias = Literal["dense", "coarse"]
Cell: TypeAlias = tuple[int, int]
Point: TypeAlias = tuple[float, float]

PENDING, DONE, FAILED = 0, 1, 2  # statuses of the pairs of a store, as in piv.io.store


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of an open source of pairs without reading an image.

    Parameters
    ----------
    path : Path
    spec : SourceSpec
        Opens it again, in another process too.
    kind : str
        ``hdf5``, ``folder``, ``list``, ``tif`` or ``video``.
    names : tuple of str
        Of the pairs.
    shape : (int, int)
        (H, W), px.
    dtype : str
        Of the grey levels.
    dt : float
        Time between the frames of a pair, s.
    dt_known : bool
        Whether the source gave ``dt``; if not, it is 1.
    pixel_size : float or None
        m/px.
    notes : tuple of str
        What a user should be told: the pairing chosen, files left out.
    pairing : str or None
    truth : bool
        Whether the displacement of its pairs is known.
    """

    path: Path
    spec: SourceSpec
    kind: str
    names: tuple[str, ...]
    shape: tuple[int, int]
    dtype: str = "uint8"
    dt: float = 1.0
    dt_known: bool = False
    pixel_size: float | None = None
    notes: tuple[str, ...] = ()
    pairing: str | None = None
    truth: bool = False

    @property
    def count(self) -> int:
        """Of pairs."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """An opened file of results: what is known of it; its fields are read when they are shown.

    Parameters
    ----------
    path : Path
    count : int
        Of pairs.
    names : tuple of str
    statuses : tuple of int
        0 pending, 1 done, 2 failed.
    shape : (int, int)
        (H, W) of the frames, px.
    dense : bool
        Whether it holds a vector at every pixel.
    units : str
        ``px`` or ``m/s``, as the file has it; entries are shown in px all the same.
    pixel_size : float or None
        m/px.
    dt : float
        s.
    origin : (float, float)
        The pixel that is (0, 0) m.
    """

    path: Path
    count: int
    names: tuple[str, ...]
    statuses: tuple[int, ...]
    shape: tuple[int, int]
    dense: bool
    units: str = "px"
    pixel_size: float | None = None
    dt: float = 1.0
    origin: Point = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class CalibrationState:
    """How px and frames become m and s.

    Parameters
    ----------
    pixel_size : float or None
        m/px; None = results stay in px.
    origin : (float, float)
        The pixel (x, y) that is (0, 0).
    dt : float
        Time between the frames of a pair, s.
    length : str
        What was typed or measured, such as ``12 mm over 503.2 px``.

    Raises
    ------
    InputError
        If a value is not finite, or a length or time is not positive.
    """

    pixel_size: float | None = None
    origin: Point = (0.0, 0.0)
    dt: float = 1.0
    length: str = ""

    def __post_init__(self) -> None:
        if self.pixel_size is not None:
            Calibration(self.pixel_size, self.origin)  # says what is wrong
        if not all(math.isfinite(value) for value in self.origin):
            raise InputError(f"the origin must be two finite pixel coordinates, not {self.origin}")
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"dt must be a positive time in s, not {self.dt!r}")

    def to_calibration(self) -> Calibration | None:
        """What :func:`piv.calibrate` takes; None while results stay in px."""
        if self.pixel_size is None:
            return None
        return Calibration(self.pixel_size, self.origin)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in which all vectors of a stage are rejected, px of the frame, edges included."""

    stage: Stage
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class FieldEdits:
    """What a user has changed in a result; the result itself is never changed.

    Parameters
    ----------
    coarse, dense : frozenset of (row, column)
        Vectors rejected one by one, indices into the arrays of the stage.
    boxes : tuple of Box
        Rectangles in which all are rejected.
    validate : ValidateSettings or None
        The thresholds with which the coarse vectors were judged again; None = those of the
        analysis.
    limits : tuple of (u, v)
        Corners of the polygon in the plane of u and v, px, outside which vectors are rejected;
        empty = no limit.
    """

    coarse: frozenset[Cell] = frozenset()
    dense: frozenset[Cell] = frozenset()
    boxes: tuple[Box, ...] = ()
    validate: ValidateSettings | None = None
    limits: tuple[Point, ...] = ()

    def __bool__(self) -> bool:
        return self != FieldEdits()

    def rejected(self, stage: Stage) -> frozenset[Cell]:
        """Vectors of a stage that were rejected one by one."""
        return self.dense if stage == "dense" else self.coarse

    def with_rejected(self, stage: Stage, cells: Iterable[Cell]) -> FieldEdits:
        """With these vectors of a stage rejected, and no others one by one."""
        chosen = frozenset((int(row), int(column)) for row, column in cells)
        if stage == "dense":
            return dataclasses.replace(self, dense=chosen)
        return dataclasses.replace(self, coarse=chosen)

    def replace(self, **changes: Any) -> FieldEdits:
        """With some of its parts changed."""
        return dataclasses.replace(self, **changes)


NO_EDITS = FieldEdits()


@dataclass(frozen=True, eq=False, slots=True)
class ResultEntry:
    """What is known of one pair: its analysis or why there is none, and what a user changed in it.

    Parameters
    ----------
    index : int
        Of the pair.
    analysis : Analysis or None
        Always in px with y down, whatever the calibration.
    error : str or None
    seconds : float
        Computing time.
    edits : FieldEdits
    made_with : MadeWith or None
        What it was analysed with here; None where that is not known, as in a session file.
    """

    index: int
    analysis: Analysis | None
    error: str | None = None
    seconds: float = math.nan
    edits: FieldEdits = NO_EDITS
    made_with: MadeWith | None = None

    def replace(self, **changes: Any) -> ResultEntry:
        """With some of its parts changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True)
class DisplayOptions:
    """How pairs and results are shown; see docs/desktop.md for what each means.

    Levels and ranges are (low, high); None = chosen by the program.  ``vector_step`` and
    ``vector_scale`` 0 = by the zoom.  ``subtracted`` is (u, v) in px.
    """

    frame: Literal["a", "b"] = "a"
    flicker: bool = False
    image_levels: tuple[float, float] | None = None
    quantity: str = "magnitude"
    stage: Literal["dense", "coarse", "compare"] = "dense"
    compare_at: float = 0.5
    opacity: float = 0.6
    colour_map: str | None = None
    colour_range: tuple[float, float] | None = None
    range_locked: bool = False
    vectors: bool = True
    vector_step: int = 0
    vector_scale: float = 0.0
    streamlines: bool = False
    texture: bool = False
    subtract: Literal["none", "mean", "chosen"] = "none"
    subtracted: Point = (0.0, 0.0)
    show_image: bool = True
    show_masks: bool = True

    def replace(self, **changes: Any) -> DisplayOptions:
        """With some options changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is marked on the canvas, px: a point, the corners of a line, a circle (x, y, r)."""

    point: Point | None = None
    line: tuple[Point, ...] | None = None
    circle: tuple[float, float, float] | None = None
