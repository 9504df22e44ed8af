"""An array in steps of half the size, so that a view of any zoom reads about its own pixels.

Level k holds means (or picks) of blocks of 2^k x 2^k samples: sample (i, j) of level k covers rows
``i * 2^k`` to ``(i + 1) * 2^k - 1`` of the array. Where the array's size is no multiple, the last
block is smaller, so that level k has ceil(H / 2^k) rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from piv.errors import InputError

Array: TypeAlias = npt.NDArray[Any]
Rect: TypeAlias = tuple[float, float, float, float]
How: TypeAlias = Literal["mean", "pick"]

_SMALLEST = 128  # samples; the smaller side of the last level
_BAND = 256  # rows that are reduced at once, so that little memory is needed


@dataclass(frozen=True, eq=False, slots=True)
class Tile:
    """A part of one level.

    Parameters
    ----------
    array : array, shape (h, w)
        A view of the level, never a copy.
    rect : (left, top, width, height)
        What it covers, in samples of the whole array: sample (0, 0) covers -0.5 to 0.5.
    level : int
    """

    array: Array
    rect: Rect
    level: int


@dataclass(frozen=True, eq=False, slots=True)
class Pyramid:
    """An array and its halved copies.

    Parameters
    ----------
    levels : tuple of arrays, shapes (ceil(H / 2^k), ceil(W / 2^k))
        Level 0 is the array itself. They are only read, and may be memory maps.

    Raises
    ------
    InputError
        If the levels do not follow from each other.
    """

    levels: tuple[Array, ...]

    def __post_init__(self) -> None:
        if not self.levels or any(level.ndim != 2 for level in self.levels):
            raise InputError("a pyramid needs at least one level, and every level two dimensions")
        height, width = self.levels[0].shape
        for number, level in enumerate(self.levels):
            wanted = (-(-height // 2**number), -(-width // 2**number))
            if level.shape != wanted or level.size == 0:
                raise InputError(
                    f"level {number} of a pyramid of {height} x {width} samples must be "
                    f"{wanted[0]} x {wanted[1]}, not {level.shape}"
                )

    @classmethod
    def build(cls, array: Array, how: How = "mean") -> Pyramid:
        """Halve an array until its smaller side is at most 128 samples.

        Parameters
        ----------
        array : array, shape (H, W)
            Integers, booleans or floats. Means of integers are rounded; NaN counts only where a
            block holds nothing else.
        how : "mean" or "pick"
            ``pick`` takes the first sample of every block, without reading or copying anything:
            for flags and masks, of which there is no mean.

        Raises
        ------
        InputError
            If the array is empty or has not two dimensions.
        """
        array = np.asanyarray(array)
        if array.ndim != 2 or array.size == 0:
            raise InputError(f"a pyramid is made of a 2-D array, not of shape {array.shape}")
        if how == "pick":
            steps = [2**k for k in range(_depth(array.shape))]
            return cls(tuple(array[::step, ::step] for step in steps))
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        elif array.dtype == np.bool_:
            array = array.view(np.uint8)
        levels = [array]
        for _ in range(_depth(array.shape) - 1):
            levels.append(_halved(levels[-1]))
        return cls(tuple(levels))

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the whole array."""
        height, width = self.levels[0].shape
        return int(height), int(width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return self.levels[0].dtype

    def level(self, samples: float, *, coarse: bool = False) -> int:
        """Number of the level to draw.

        Parameters
        ----------
        samples : float
            Samples of the whole array per pixel of the screen.
        coarse : bool
            Never more than one sample of the level per pixel of the screen; otherwise up to
            sqrt(2), which keeps fine detail such as particle images sharp.
        """
        if not samples > 1:
            return 0
        steps = math.log2(samples)
        number = math.ceil(steps - 1e-9) if coarse else round(steps)
        return min(max(number, 0), len(self.levels) - 1)

    def tile(
        self, rect: Rect, samples: float, *, coarse: bool = False, margin: float = 0.0
    ) -> Tile | None:
        """The part of the fitting level that covers a rectangle; None if it lies outside.

        Parameters
        ----------
        rect : (left, top, width, height)
            In samples of the whole array.
        samples, coarse
            As for :meth:`level`.
        margin : float
            Fraction of the width and height that is added on every side.
        """
        left, top, width, height = rect
        number = self.level(samples, coarse=coarse)
        level, size = self.levels[number], 2**number
        first_column, end_column = _covered(left, width, size, level.shape[1], margin)
        first_row, end_row = _covered(top, height, size, level.shape[0], margin)
        if first_column >= end_column or first_row >= end_row:
            return None
        return Tile(
            level[first_row:end_row, first_column:end_column],
            (
                first_column * size - 0.5,
                first_row * size - 0.5,
                (end_column - first_column) * size,
                (end_row - first_row) * size,
            ),
            number,
        )

    def sample(self, count: int = 250_000) -> Array:
        """About ``count`` samples, evenly chosen from the whole array, flat: for its range."""
        height, width = self.shape
        step = max(1, math.isqrt(max(1, height * width // count)))
        return np.asarray(self.levels[0][::step, ::step]).ravel()

    def value(self, column: int, row: int) -> float:
        """The sample there; NaN outside."""
        height, width = self.shape
        if not (0 <= row < height and 0 <= column < width):
            return math.nan
        return float(self.levels[0][row, column])


def robust_range(*samples: Array) -> tuple[float, float]:
    """Grey levels from which to which an image is drawn: 1st to 99.7th percentile of all samples.

    The high end leaves room for particle images, of which there are few pixels; one hot pixel
    does not darken the image. A constant image gives a range of width 1 (or less, for images
    between 0 and 1).
    """
    values = np.concatenate([np.asarray(s, dtype=np.float32).ravel() for s in samples])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (1.0, 99.7)))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low:
        return low, low + (1.0 if abs(low) >= 1 or low == 0 else abs(low))
    return low, high


def _depth(shape: tuple[int, ...]) -> int:
    smaller = min(shape)
    return 1 + max(0, math.ceil(math.log2(smaller / _SMALLEST))) if smaller else 1


def _covered(start: float, length: float, size: int, count: int, margin: float) -> tuple[int, int]:
    extra = margin * length
    first = math.floor((start - extra + 0.5) / size)
    end = math.ceil((start + length + extra + 0.5) / size)
    return max(0, first), min(count, end)


def _bands(rows: int) -> Iterator[tuple[int, int]]:
    for first in range(0, rows, _BAND):
        yield first, min(rows, first + _BAND)


def _halved(array: Array) -> Array:
    """Means of blocks of 2 x 2 samples, the last ones of what there is."""
    height, width = array.shape
    out = np.empty((-(-height // 2), -(-width // 2)), array.dtype)
    for first, end in _bands(out.shape[0]):
        band = np.asarray(array[2 * first : min(2 * end, height)])
        if band.shape[0] % 2 or width % 2:  # the last row, column stands for the missing one
            band = np.pad(band, ((0, band.shape[0] % 2), (0, width % 2)), mode="edge")
        out[first:end] = _block_means(band)
    return out


def _block_means(band: Array) -> Array:
    parts = band[0::2, 0::2], band[0::2, 1::2], band[1::2, 0::2], band[1::2, 1::2]
    total: Any
    if band.dtype.kind in "ui":
        small = band.dtype.kind == "u" and band.dtype.itemsize < 4
        total = parts[0].astype(np.uint32 if small else np.int64)
        for part in parts[1:]:
            total += part
        total += 2
        return np.asarray(total >> 2)  # rounds down also below zero
    total = parts[0] + parts[1]
    total += parts[2]
    total += parts[3]
    total *= 0.25
    if np.isnan(np.min(total)):
        finite = [np.isfinite(part) for part in parts]
        count = np.sum(finite, axis=0)
        filled = np.sum([np.where(f, p, 0) for f, p in zip(finite, parts, strict=True)], axis=0)
        hollow = ~np.isfinite(total)
        total[hollow] = np.nan
        some = hollow & (count > 0)
        total[some] = filled[some] / count[some]
    return np.asarray(total)
