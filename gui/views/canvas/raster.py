"""Arrays as pictures: the particle image, colours of a quantity, a texture, a mask."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QImage, QPainter

from gui.colours import MASK_COLOUR, packed
from gui.pyramid import Array, Pyramid, Rect, Tile
from gui.views.canvas.camera import Camera

CLEAR = 255  # the entry of every table that is transparent
_LAST = CLEAR - 1  # the entry of the highest value
_MARGIN = 0.12  # of the view's size, made on every side so that panning mostly finds it there
_KEPT = 4  # pictures: both frames while they flicker
_CHUNK = 1 << 16  # samples at once, so that the steps in between stay in the cache


@dataclass(frozen=True)
class Palette:
    """How values become colours.

    Parameters
    ----------
    low, high : float
        Values of the first and of the last colour.
    colours : tuple of 256 int
        0xAARRGGBB, not premultiplied; the last one is for NaN.
    """

    low: float
    high: float
    colours: tuple[int, ...]

    @property
    def opaque(self) -> bool:
        """Whether nothing shows through, save where there is no value."""
        return all(colour >> 24 == 255 for colour in self.colours[:CLEAR])


def grey_palette(low: float, high: float) -> Palette:
    """Black to white."""
    return map_palette("grey", low, high)


def map_palette(name: str, low: float, high: float) -> Palette:
    """A colour map of :mod:`gui.colours`."""
    table = packed(name)
    places = np.linspace(0, len(table) - 1, CLEAR).round().astype(int)
    return Palette(low, high, (*(int(c) for c in table[places]), 0))


def texture_palette(low: float, high: float, strength: float) -> Palette:
    """Dark to light over what is below; nothing in the middle."""
    colours = []
    for entry in range(CLEAR):
        place = 2 * entry / _LAST - 1
        grey = 255 if place > 0 else 0
        alpha = round(255 * min(1.0, abs(place) * strength))
        colours.append(alpha << 24 | grey << 16 | grey << 8 | grey)
    return Palette(low, high, (*colours, 0))


def mask_palette() -> Palette:
    """Clear, and the mask's colour."""
    red, green, blue, alpha = MASK_COLOUR
    colour = alpha << 24 | red << 16 | green << 8 | blue
    return Palette(0, 1, (0, *[colour] * (CLEAR - 1), 0))


def entries(array: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Number of the colour of every sample: 0 to 254, and 255 where there is no value.

    Parameters
    ----------
    array : array, shape (h, w)
        Any numbers.
    low, high : float
        Values that get the first and the last colour; those beyond get the nearest.
    """
    height, width = array.shape
    found = np.empty((height, width), np.uint8)
    span = high - low
    # under that, float32 knows no number that is large enough: all values alike
    factor = np.float32(_LAST / span) if span > 1e-35 else np.float32(np.inf)
    rows = max(1, _CHUNK // max(1, width))
    room = np.empty((rows, width), np.float32)
    floats = array.dtype.kind == "f"
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, height, rows):
            part = array[first : first + rows]
            values = room[: len(part)]
            values[...] = part
            values -= np.float32(low)
            if np.isinf(factor):  # one step
                values[...] = np.where(np.isnan(values), values, (values > 0) * np.float32(_LAST))
            else:
                values *= factor
                values += np.float32(0.5)
            np.clip(values, 0, _LAST + 0.49, out=values)
            if floats:
                empty = np.isnan(values)
                values[empty] = CLEAR
            found[first : first + rows] = values
    return found


def picture(array: Array, palette: Palette) -> QImage:
    """The array as a picture of its own memory, one pixel for every sample."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    numbers = entries(array, palette.low, palette.high)
    height, width = numbers.shape
    memory: Any = numbers.data
    indexed = QImage(memory, width, height, width, QImage.Format.Format_Indexed8)
    indexed.setColorTable(list(palette.colours))
    # a copy that does not need `numbers` any more; this format is the quickest to make and to draw
    coloured = indexed.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
    if palette.opaque and not (array.dtype.kind == "f" and (numbers == CLEAR).any()):
        coloured.reinterpretAsFormat(QImage.Format.Format_RGB32)
    return coloured


@dataclass(frozen=True)
class _Made:
    tile: Tile
    image: QImage
    pyramid: Pyramid  # kept, so that its id stays its own


class Raster:
    """An array on the frame.

    Parameters
    ----------
    fine : bool
        Whether detail of single samples matters (particle images); if not, never more than one
        sample is made for a pixel of the screen.
    """

    def __init__(self, *, fine: bool = False) -> None:
        self.pyramid: Pyramid | None = None
        self.opacity = 1.0
        self.smooth = False
        self.clip: tuple[float, float] | None = None  # fractions of the view's width
        self._fine = fine
        self._palette = grey_palette(0, 1)
        self._place = (0.0, 0.0, 1.0, 1.0)  # x0, y0, step along x and y
        self._made: OrderedDict[int, _Made] = OrderedDict()

    def show(
        self,
        pyramid: Pyramid | None,
        palette: Palette,
        *,
        x0: float = 0.0,
        y0: float = 0.0,
        steps: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """Show an array, or nothing."""
        self.pyramid = pyramid
        self._place = (x0, y0, *steps)
        if palette != self._palette:
            self._palette = palette
            self._made.clear()
        if pyramid is None:
            self._made.clear()

    def draw(self, painter: QPainter, camera: Camera) -> None:
        """Draw what is in view, in logical pixels."""
        if self.pyramid is None or self.opacity <= 0:
            return
        seen = camera.rect()
        painter.save()
        if self.clip is not None:
            start, end = self.clip
            left, width = start * camera.width, (end - start) * camera.width
            painter.setClipRect(QRectF(left, 0, width, camera.height))
        x0, y0, step_x, step_y = self._place
        wanted = (
            (seen[0] - x0) / step_x, (seen[1] - y0) / step_y, seen[2] / step_x, seen[3] / step_y
        )  # fmt: skip
        samples = 1 / (camera.zoom * camera.ratio * min(step_x, step_y))
        made = self._picture(self.pyramid, wanted, samples)
        if made is not None:
            left, top, width, height = made.tile.rect
            x, y = camera.to_view(x0 + left * step_x, y0 + top * step_y)
            # tile.rect counts from the middle of sample (0, 0), as the frame's coordinates do
            target = QRectF(x, y, width * step_x * camera.zoom, height * step_y * camera.zoom)
            painter.setOpacity(self.opacity)
            painter.setRenderHint(
                QPainter.RenderHint.SmoothPixmapTransform,
                self._blends(made.tile.level, samples),
            )
            painter.drawImage(target, made.image)
        painter.restore()

    def _blends(self, level: int, samples: float) -> bool:
        """Whether colours between the samples are wanted."""
        shown = samples / 2**level  # samples of the picture per pixel of the screen
        if abs(shown - 1) < 1e-9:
            return False
        if shown > 1 or level > 0:
            return True
        return self.smooth or (self._fine and shown > 1 / 3)

    def _picture(self, pyramid: Pyramid, wanted: Rect, samples: float) -> _Made | None:
        level = pyramid.level(samples, coarse=not self._fine)
        key = id(pyramid)
        found = self._made.get(key)
        if found is not None and found.tile.level == level and _covers(found, wanted):
            self._made.move_to_end(key)
            return found
        tile = pyramid.tile(wanted, samples, coarse=not self._fine, margin=_MARGIN)
        if tile is None:
            return None
        made = _Made(tile, picture(tile.array, self._palette), pyramid)
        self._made[key] = made
        self._made.move_to_end(key)
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return made


def _covers(made: _Made, wanted: Rect) -> bool:
    left, top, width, height = made.tile.rect
    rows, columns = made.pyramid.shape
    return (
        left <= max(wanted[0], -0.5)
        and top <= max(wanted[1], -0.5)
        and left + width >= min(wanted[0] + wanted[2], columns - 0.5)
        and top + height >= min(wanted[1] + wanted[3], rows - 0.5)
    )


def texture_range(pyramid: Pyramid) -> tuple[float, float]:
    """Values of a texture from which to which it is drawn: symmetric to its median."""
    values = np.asarray(pyramid.sample(), dtype=float)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, middle, high = (float(n) for n in np.percentile(values, (4, 50, 96)))
    reach = max(high - middle, middle - low) or 1.0
    return middle - reach, middle + reach


def mask_pyramid(mask: Any) -> Pyramid | None:
    """A mask without a copy."""
    return None if mask is None else Pyramid.build(np.asarray(mask), how="pick")
