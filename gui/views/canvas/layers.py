"""What the canvas is given to show, and its tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from gui.pyramid import Pyramid
from piv.errors import InputError

VALID, REPLACED, REJECTED, MASKED = range(4)  # kinds of vectors


class Tool(StrEnum):
    """What the left mouse button does; the names of drawing tools are kinds of shapes too."""

    PAN = "pan"
    POLYGON = "polygon"
    RECTANGLE = "rectangle"
    ELLIPSE = "ellipse"
    FREEHAND = "freehand"
    LINE = "line"
    POLYLINE = "polyline"
    CIRCLE = "circle"
    DISTANCE = "distance"
    PICK = "pick"
    REJECT_BOX = "reject_box"
    REGION = "region"
    ZOOM = "zoom"

    @property
    def draws(self) -> bool:
        """Whether points are placed with it."""
        return self not in (Tool.PAN, Tool.PICK)

    @property
    def two_points(self) -> bool:
        """Whether the second point ends it."""
        return self in _TWO_POINTS

    @property
    def stays(self) -> bool:
        """Whether it is still there after it was used."""
        return self in (Tool.PAN, Tool.PICK, Tool.REJECT_BOX)


_TWO_POINTS = (
    Tool.RECTANGLE, Tool.ELLIPSE, Tool.LINE, Tool.CIRCLE, Tool.DISTANCE, Tool.REJECT_BOX,
    Tool.REGION, Tool.ZOOM,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ScalarLayer:
    """A quantity as colours.

    Parameters
    ----------
    pyramid : Pyramid
        Values; NaN is transparent.
    x0, y0 : float
        Centre of sample (0, 0), px of the frame.
    step : float or (float, float)
        Distance of the samples, px; along x and y if they differ.
    low, high : float
        Values of the ends of the colours.
    colour_map : str
        A name of :data:`gui.colours.COLOUR_MAPS`.
    opacity : float
        0 to 1, over the particle image.
    label : str
        Quantity and unit, beside the colour bar.
    clip : float or None
        Only left of this fraction of the view's width.
    factor : float
        The colour bar shows values times this.
    smooth : bool
        Whether colours blend between samples that are larger than a pixel of the screen; if not,
        every sample is seen as a cell.
    """

    pyramid: Pyramid
    x0: float = 0.0
    y0: float = 0.0
    step: float | tuple[float, float] = 1.0
    low: float = 0.0
    high: float = 1.0
    colour_map: str = "viridis"
    opacity: float = 1.0
    label: str = ""
    clip: float | None = None
    factor: float = 1.0
    smooth: bool = False

    @property
    def steps(self) -> tuple[float, float]:
        """Distance of the samples along x and y, px."""
        return self.step if isinstance(self.step, tuple) else (self.step, self.step)


@dataclass(frozen=True, eq=False)
class VectorLayer:
    """Vectors on a rectangular grid.

    Parameters
    ----------
    x, y : float array, shapes (Nx,) and (Ny,)
        px of the frame.
    u, v : float array, shape (Ny, Nx)
        px, positive right and down.
    kind : uint8 array, shape (Ny, Nx), or None
        0 valid, 1 replaced, 2 rejected, 3 masked (not drawn); None = all valid.
    scale : float
        Length on the image per px of displacement (1 = true to scale); 0 = such that the arrows
        suit their distance.
    step : int
        Every how many vectors one is drawn; 0 = such that their distance on the screen stays.
    colours : mapping of "valid", "replaced", "rejected" to "#rrggbb", or None
        None = :data:`gui.colours.VECTOR_COLOURS`.
    factor, unit : float, str
        The reference arrow is labelled with its displacement times ``factor``, in ``unit``.
    reference : float
        With ``scale`` 0: the displacement (px) that is drawn as long as the arrows are apart;
        0 = from this field. The same number for all fields of a series locks their arrows.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    u: npt.NDArray[Any]
    v: npt.NDArray[Any]
    kind: npt.NDArray[np.uint8] | None = None
    scale: float = 0.0
    step: int = 0
    colours: Mapping[str, str] | None = None
    factor: float = 1.0
    unit: str = "px"
    reference: float = 0.0

    def __post_init__(self) -> None:
        shape = (len(self.y), len(self.x))
        arrays = [self.u, self.v] if self.kind is None else [self.u, self.v, self.kind]
        if any(array.shape != shape for array in arrays):
            raise InputError(
                f"vectors on a grid (y, x) of {shape} need u, v and kind of that shape, not "
                f"{', '.join(str(array.shape) for array in arrays)}"
            )

    @property
    def spacing(self) -> float:
        """Distance of neighbouring vectors, px; the smaller one where the axes differ."""
        found = [
            abs(float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
            for axis in (self.x, self.y)
            if len(axis) > 1
        ]
        return min((d for d in found if d > 0), default=16.0)

    def typical(self) -> float:
        """A displacement (px) suited to be drawn as long as the arrows are apart."""
        count = self.u.size
        step = max(1, int((count / 40_000) ** 0.5))
        part = (slice(None, None, step), slice(None, None, step))
        speed = np.hypot(np.asarray(self.u[part], float), np.asarray(self.v[part], float))
        shown = np.isfinite(speed)
        if self.kind is not None:
            shown &= self.kind[part] < REJECTED
        if not shown.any():
            return 1.0
        fast = float(np.percentile(speed[shown], 95))
        return fast if fast > 0 else 1.0
