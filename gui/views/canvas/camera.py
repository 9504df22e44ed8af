"""Which part of the frame is seen, and how large: numbers only.

Pixel (0, 0) of the frame has its centre at (0, 0) and its corner at (-0.5, -0.5); y points down.
View coordinates are the widget's logical pixels, from its upper left corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MOST = 160.0  # pixels of the screen per pixel of the frame
_ROUND = (1.0, 2.0, 5.0)


@dataclass
class Camera:
    """The view of a frame.

    Parameters
    ----------
    width, height : float
        Of the view.
    ratio : float
        Pixels of the screen per logical pixel.
    extent : (int, int)
        (H, W) of the frame, px.
    x, y : float
        Point of the frame in the middle of the view.
    zoom : float
        Logical pixels per px of the frame.
    fitted : bool
        Whether the whole frame is kept in view when the view's size changes.
    """

    width: float = 100.0
    height: float = 100.0
    ratio: float = 1.0
    extent: tuple[int, int] = (100, 100)
    x: float = 49.5
    y: float = 49.5
    zoom: float = 1.0
    fitted: bool = True

    def origin(self) -> tuple[float, float]:
        """Where the corner of pixel (0, 0) is seen: always on a whole pixel of the screen.

        So an image at its own size is copied and not blurred.
        """
        left = self.width / 2 - (self.x + 0.5) * self.zoom
        top = self.height / 2 - (self.y + 0.5) * self.zoom
        return round(left * self.ratio) / self.ratio, round(top * self.ratio) / self.ratio

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        """A point of the frame in the view."""
        left, top = self.origin()
        return left + (x + 0.5) * self.zoom, top + (y + 0.5) * self.zoom

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """A point of the view on the frame."""
        left, top = self.origin()
        return (x - left) / self.zoom - 0.5, (y - top) / self.zoom - 0.5

    def rect(self) -> tuple[float, float, float, float]:
        """(left, top, width, height) of what is seen, px of the frame."""
        left, top = self.to_frame(0, 0)
        return left, top, self.width / self.zoom, self.height / self.zoom

    def contains(self, x: float, y: float) -> bool:
        """Whether the point is on the frame."""
        height, width = self.extent
        return -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5

    def smallest_zoom(self) -> float:
        """At which the whole frame is in view."""
        height, width = self.extent
        return max(1e-4, min(self.width / width, self.height / height))

    def resize(self, width: float, height: float, ratio: float) -> None:
        """The view has another size: keep the middle, or the whole frame in view."""
        self.width, self.height, self.ratio = max(1.0, width), max(1.0, height), ratio
        if self.fitted:
            self.fit()
        else:
            self._limit()

    def set_extent(self, extent: tuple[int, int]) -> None:
        """Another frame; the view is kept if its size is the same."""
        if extent != self.extent:
            self.extent = extent
            self.fit()

    def fit(self) -> None:
        """The whole frame."""
        height, width = self.extent
        self.x, self.y = (width - 1) / 2, (height - 1) / 2
        self.zoom = self.smallest_zoom()
        self.fitted = True

    def pan(self, right: float, down: float) -> None:
        """Move what is seen, in logical pixels."""
        self.x -= right / self.zoom
        self.y -= down / self.zoom
        self.fitted = False
        self._limit()

    def zoom_at(self, x: float, y: float, factor: float) -> None:
        """Enlarge; the point of the frame that is seen at (x, y) stays there."""
        # not by to_frame, whose rounding would let the point wander
        across, down = x - self.width / 2, y - self.height / 2
        there = self.x + across / self.zoom, self.y + down / self.zoom
        self.zoom *= factor
        self.fitted = False
        self._limit()
        self.x, self.y = there[0] - across / self.zoom, there[1] - down / self.zoom
        self._limit()

    def show(self, left: float, top: float, width: float, height: float) -> None:
        """The smallest view that holds the rectangle (px of the frame)."""
        self.x, self.y = left + width / 2, top + height / 2
        self.zoom = min(self.width / max(width, 1e-6), self.height / max(height, 1e-6))
        self.fitted = False
        self._limit()

    def _limit(self) -> None:
        """The frame cannot get lost: its middle part stays in view, at a size that is seen."""
        fit = self.smallest_zoom()
        self.zoom = min(max(self.zoom, 0.5 * fit), max(_MOST, fit))
        height, width = self.extent
        self.x = min(max(self.x, -0.5), width - 0.5)
        self.y = min(max(self.y, -0.5), height - 0.5)


def round_length(wanted: float) -> float:
    """The largest of 1, 2, 5, 10, 20 ... that is not over ``wanted`` (positive)."""
    if not (wanted > 0 and math.isfinite(wanted)):
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return max(power * n for n in _ROUND if power * n <= wanted * (1 + 1e-9))
