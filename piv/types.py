"""The data that every stage takes and returns: frozen, checked on creation, never changed in place.

Conventions (docs/conventions.md): arrays are ``[row, column] = [y, x]``; in an image ``x`` points
right and ``y`` **down**; the centre of pixel (0, 0) is (0, 0); a displacement goes from the first
to the second frame and is located at mid-time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntFlag
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from piv.errors import InputError

if TYPE_CHECKING:
    import xarray

Float: TypeAlias = npt.NDArray[np.floating[Any]]
Bool: TypeAlias = npt.NDArray[np.bool_]
Units: TypeAlias = Literal["px", "m/s"]
YAxis: TypeAlias = Literal["down", "up"]

SCHEMA_VERSION = 1
MINIMUM_SIZE = 32  # px; the smallest interrogation windows and the network's pyramid need this


class Flag(IntFlag):
    """Why a vector is not a plain measurement (0).  Bits combine and are never renumbered.

    A value is never un-flagged: a replaced vector keeps the reason for which it was rejected.
    """

    MASKED = 1
    EDGE_PEAK = 2
    NO_SUBPIXEL = 4
    LOW_PEAK_RATIO = 8
    MEDIAN_OUTLIER = 16
    OUT_OF_RANGE = 32
    DISAGREES = 64
    REPLACED = 128
    NO_CONTRAST = 256
    FALLBACK = 512
    STD_OUTLIER = 1024
    LOW_PEAK = 2048
    POOR_IMAGE = 4096
    TEMPORAL_OUTLIER = 8192
    MANUAL = 16384


@dataclass(frozen=True, eq=False, slots=True)
class ImagePair:
    """Two exposures of the same view.

    Parameters
    ----------
    first, second : array, shape (H, W)
        Grey levels as the camera gave them (integers or floats of any scale), finite.
    dt : float
        Inter-frame time in s.
    mask : bool array, shape (H, W), or None
        True = not fluid.
    name : str
        What to call the pair in messages.

    Raises
    ------
    InputError
        If the frames are not 2-D, differ in shape, are under 32 px, hold NaN or infinity, or are
        NumPy masked arrays (their mask goes into ``mask``), if ``dt`` is not positive, or if the
        mask has another shape or hides everything.
    """

    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    dt: float = 1.0
    mask: Bool | None = None
    name: str = ""

    def __post_init__(self) -> None:
        where = f"{self.name}: " if self.name else ""
        for which in ("first", "second"):
            frame = _array(getattr(self, which), f"{where}the {which} frame")
            object.__setattr__(self, which, frame)
            _check_frame(frame, f"{where}the {which} frame")
        if self.first.shape != self.second.shape:
            raise InputError(
                f"{where}the two frames differ in shape, {size_text(self.first.shape)} and "
                f"{size_text(self.second.shape)} px (height x width): give two frames of one "
                "recording"
            )
        check_dt(self.dt, where)
        if self.mask is not None:
            object.__setattr__(self, "mask", _array(self.mask, f"{where}the mask"))
            check_mask(self.mask, self.first.shape, f"{where}the mask")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in px."""
        height, width = self.first.shape
        return int(height), int(width)


def size_text(shape: tuple[int, ...]) -> str:
    """A shape as messages write it, height x width: 480 x 640."""
    return " x ".join(str(n) for n in shape)


def _is_positive(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value) and float(value) > 0


def check_dt(dt: object, where: str = "") -> None:
    """Refuse what is no time between two frames.

    Raises
    ------
    InputError
    """
    if not _is_positive(dt):
        raise InputError(f"{where}dt must be a positive time in s, not {dt!r}")


def _array(values: Any, what: str) -> npt.NDArray[Any]:
    if isinstance(values, (str, bytes, os.PathLike)):
        raise InputError(f"{what} must be an array, not a name: piv.read_pair reads image files")
    if isinstance(values, np.ma.MaskedArray):
        plain = "image.filled(0), and mask=numpy.ma.getmaskarray(image)"
        advice = "mask.filled(True)" if values.dtype == np.bool_ else plain
        raise InputError(f"{what} is a masked array, whose mask would be lost: give {advice}")
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{what} must be a 2-D array, not rows of different lengths") from None


def _check_frame(frame: npt.NDArray[Any], what: str) -> None:
    shape = size_text(frame.shape) or f"a single {frame.dtype}"
    if frame.ndim != 2:
        hint = " (a colour image? save it as grey levels)" if frame.ndim == 3 else ""
        raise InputError(f"{what} must be a 2-D array of grey levels, not {shape}{hint}")
    if frame.dtype.kind not in "uif":
        raise InputError(f"{what} must hold integers or floats, not {frame.dtype}")
    if min(frame.shape) < MINIMUM_SIZE:
        raise InputError(
            f"{what} is {shape} px (height x width): at least {MINIMUM_SIZE} x {MINIMUM_SIZE} px "
            "are needed"
        )
    if frame.dtype.kind == "f" and not np.isfinite(frame).all():
        raise InputError(f"{what} holds NaN or infinite grey levels: replace them, and mask them")


def check_mask(mask: npt.NDArray[Any], shape: tuple[int, ...], what: str) -> None:
    """Refuse a mask that does not fit frames of this shape, or that hides everything.

    Parameters
    ----------
    mask : array
    shape : (int, int)
        The frames' (H, W).
    what : str
        What to call the mask in messages.

    Raises
    ------
    InputError
    """
    if mask.dtype != np.bool_:
        raise InputError(f"{what} must be boolean (True = not fluid), not {mask.dtype}")
    if mask.shape != shape:
        raise InputError(
            f"{what} is {size_text(mask.shape)} px, but the frames are {size_text(shape)} px "
            "(height x width)"
        )
    if mask.all():
        raise InputError(f"{what} hides every pixel (non-zero = masked): should it be inverted?")


@dataclass(frozen=True, slots=True)
class Calibration:
    """From px to m.

    Parameters
    ----------
    pixel_size : float
        Size of a pixel in the object plane, m/px.
    origin : (float, float)
        The pixel (x, y) that becomes (0, 0) m.
    """

    pixel_size: float
    origin: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not _is_positive(self.pixel_size):
            raise InputError(
                f"pixel size must be a positive length in m per px, not {self.pixel_size!r}"
            )
        try:
            finite = [math.isfinite(c) for c in self.origin]
        except TypeError:
            finite = []
        if finite != [True, True]:
            raise InputError(f"the origin must be two finite pixel coordinates, not {self.origin}")


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, eq=False, slots=True)
class VectorField:
    """Displacement (px) or velocity (m/s) on a rectangular grid, one field or a series of them.

    Parameters
    ----------
    x, y : float array, shapes (Nx,) and (Ny,)
        Coordinates of the vectors: pixel centres in px, or m after ``calibrate``.
    u, v : float32 array, shape (..., Ny, Nx)
        Components along x and y.  NaN = no value; zero is a measurement.
    flags : uint16 array, shape (..., Ny, Nx)
        Bits of :class:`Flag`; 0 = a plain measurement.
    uncertainty_u, uncertainty_v : float32 array, shape (..., Ny, Nx), or None
        Half-width of the 68.3 % interval of the component, in its unit.
    dt : float
        Inter-frame time in s.
    units : "px" or "m/s"
    y_axis : "down" or "up"
        Where positive v points.
    extra : mapping of name to array, shape (..., Ny, Nx)
        Further measurements of the same grid, such as ``peak_ratio``.
    attrs : mapping
        Provenance.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """

    x: Float
    y: Float
    u: Float
    v: Float
    flags: npt.NDArray[np.uint16]
    uncertainty_u: Float | None = None
    uncertainty_v: Float | None = None
    dt: float = 1.0
    units: Units = "px"
    y_axis: YAxis = "down"
    extra: Mapping[str, Float] = field(default_factory=_nothing)
    attrs: Mapping[str, Any] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        grid = (self.y.size, self.x.size)
        if self.x.ndim != 1 or self.y.ndim != 1:
            raise InputError("x and y must be one-dimensional coordinates")
        arrays = {"u": self.u, "v": self.v, "flags": self.flags, **self.extra}
        for name in ("uncertainty_u", "uncertainty_v"):
            if (array := getattr(self, name)) is not None:
                arrays[name] = array
        for name, array in arrays.items():
            if array.shape[-2:] != grid or array.shape != self.u.shape:
                raise InputError(
                    f"{name} has shape {array.shape}, but the grid (y, x) is {grid} "
                    f"and u is {self.u.shape}"
                )
        if (self.uncertainty_u is None) != (self.uncertainty_v is None):
            raise InputError("give the uncertainty of both components, or of neither")
        if self.units not in ("px", "m/s") or self.y_axis not in ("down", "up"):
            raise InputError(
                f"units must be px or m/s and y_axis down or up, not {self.units}, {self.y_axis}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of u and v: (..., Ny, Nx)."""
        return tuple(self.u.shape)

    @property
    def valid(self) -> Bool:
        """True where there is a value that was measured, not replaced."""
        rejected = int(Flag.MASKED | Flag.REPLACED | Flag.FALLBACK)
        return np.asarray(np.isfinite(self.u) & ((self.flags & rejected) == 0))

    @property
    def speed(self) -> Float:
        """Length of the vectors, in ``units``."""
        return np.hypot(self.u, self.v)

    def replace(self, **changes: Any) -> VectorField:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    def to_xarray(self) -> xarray.Dataset:
        """As an :class:`xarray.Dataset` with CF attributes (needs the extra ``xarray``).

        Raises
        ------
        PIVError
            If xarray is not installed.
        """
        from piv.io.labelled import to_xarray

        return to_xarray(self)

    @classmethod
    def from_xarray(cls, dataset: xarray.Dataset) -> VectorField:
        """The inverse of :meth:`to_xarray`.

        Raises
        ------
        InputError
            If a variable or an attribute is missing.
        """
        from piv.io.labelled import from_xarray

        return from_xarray(dataset)


@dataclass(frozen=True, eq=False, slots=True)
class Analysis:
    """What :func:`piv.analyse` returns.

    Parameters
    ----------
    coarse : VectorField
        The cross-correlation's field on its window grid, validated and filled.
    dense : VectorField or None
        The network's field, a vector at every pixel; None without a model.
    quality : mapping of str to float
        Figures of :func:`piv.quality.summarise`, such as the percentage of valid vectors.
    provenance : mapping
        Settings, versions, weights and hashes: what is needed to explain the numbers.
    """

    coarse: VectorField
    dense: VectorField | None
    quality: Mapping[str, float] = field(default_factory=_nothing)
    provenance: Mapping[str, Any] = field(default_factory=_nothing)

    @property
    def field(self) -> VectorField:
        """The better of the two: dense where there was a model, else coarse."""
        return self.coarse if self.dense is None else self.dense


@dataclass(frozen=True, eq=False, slots=True)
class PairResult:
    """One pair of a series: its analysis, or the reason why there is none."""

    index: int
    analysis: Analysis | None
    error: str | None
    seconds: float


@dataclass(frozen=True, eq=False, slots=True)
class TruePair:
    """A pair whose displacement is known: synthetic images for training and for scoring.

    Parameters
    ----------
    pair : ImagePair
    u, v : float32 array, shape (H, W)
        Displacement at mid-time, px, positive right and down.
    seeded : bool array, shape (H, W), or None
        False where there are no particles, so that no method can measure; None = all seeded.
    kind : str
        Class of the flow, such as ``turbulence``.
    recipe : mapping
        What was drawn for this pair.
    """

    pair: ImagePair
    u: Float
    v: Float
    seeded: Bool | None = None
    kind: str = ""
    recipe: Mapping[str, Any] = field(default_factory=_nothing)
