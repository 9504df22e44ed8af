"""Where things lie in a figure: the panels on the page, the field on its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.types import Bool, Flag, Float, VectorField

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 7.2  # in; two columns of a journal
_HEIGHT = 9.2  # in; a page
_BROAD = 2.7  # in; a colour bar fits beside the title of a broader panel
_TITLE = 1.36  # in; the longest title


@dataclass(frozen=True, eq=False)
class Scene:
    """One field in the units of the axes."""

    field: VectorField
    length: str  # unit of the axes
    per_length: float  # axis units per unit of field.x
    speed_unit: str
    per_speed: float
    masked: Bool

    @classmethod
    def of(cls, field: VectorField) -> Scene:
        """The field in the prefix of its units that makes its numbers handy."""
        masked = ((field.flags & int(Flag.MASKED)) != 0) | ~np.isfinite(field.u)
        if field.units == "px":
            return cls(field, "px", 1.0, "px", 1.0, masked)
        extent = float(max(np.ptp(field.x), np.ptp(field.y)))
        fastest = float(np.nanmax(field.speed))
        length, per_length = prefixed(extent, "m")
        speed, per_speed = prefixed(fastest, "m/s")
        return cls(field, length, per_length, speed, per_speed, masked)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the outermost cells, in axis units."""
        x, y = self.field.x * self.per_length, self.field.y * self.per_length
        half_x, half_y = _spacing(x) / 2, _spacing(y) / 2
        return x[0] - half_x, x[-1] + half_x, y[-1] + half_y, y[0] - half_y

    @property
    def aspect(self) -> float:
        """Height over width."""
        left, right, bottom, top = self.extent
        return float(abs((bottom - top) / (right - left)))

    def image(self, axes: Axes, values: Float, **options: Any) -> Any:
        """Draw values of the field's shape; what is masked or has no value stays empty."""
        hidden = np.ma.masked_where(self.masked | ~np.isfinite(values), values)
        return axes.imshow(hidden, extent=self.extent, origin="upper", **options)


@dataclass(frozen=True)
class Page:
    """Where the panels lie, in inches: exact, so that figures of one series are alike."""

    rows: int
    columns: int
    panel_width: float
    panel_height: float
    header: float  # above each panel: title and colour bar
    gap: float  # between columns
    right: float  # margin

    left, bottom, top, row_gap = 0.52, 0.38, 0.04, 0.1

    @classmethod
    def of(cls, aspect: float) -> Page:
        """Rows and columns that suit the proportions (height over width) of the image."""
        rows, columns = (4, 1) if aspect < 0.42 else (1, 4) if aspect > 2.2 else (2, 2)
        gap, right = 0.2 if columns < 4 else 0.3, 0.14
        width = (_WIDTH - cls.left - right - (columns - 1) * gap) / columns
        tallest = (_HEIGHT - cls.bottom - rows * 0.4) / rows
        width = min(width, tallest / aspect)
        header = 0.34 if width > _BROAD else 0.52
        if width <= _BROAD:  # numbers and titles reach beyond narrow panels
            gap, right = max(0.3, _TITLE - width), max(right, _TITLE - width)
        return cls(rows, columns, width, width * aspect, header, gap, right)

    @property
    def broad(self) -> bool:
        """Whether a colour bar fits beside the title."""
        return self.panel_width > _BROAD

    @property
    def width(self) -> float:
        """Of the whole figure, in."""
        panels = self.columns * self.panel_width + (self.columns - 1) * self.gap
        return self.left + panels + self.right

    @property
    def height(self) -> float:
        """Of the whole figure, in."""
        panels = self.rows * (self.panel_height + self.header) + (self.rows - 1) * self.row_gap
        return self.bottom + panels + self.top

    def panel(self, number: int) -> tuple[float, float, float, float]:
        """Left, bottom, width, height of a panel as fractions of the figure."""
        row, column = divmod(number, self.columns)
        x = self.left + column * (self.panel_width + self.gap)
        below = self.rows - 1 - row
        y = self.bottom + below * (self.panel_height + self.header + self.row_gap)
        return (
            x / self.width,
            y / self.height,
            self.panel_width / self.width,
            self.panel_height / self.height,
        )

    def bar(self) -> tuple[float, float, float, float]:
        """Left, bottom, width, height of a colour bar as fractions of its panel."""
        width = min(0.5, 1.8 / self.panel_width) if self.broad else 1.0
        y = 1 + 0.055 / self.panel_height
        return 1 - width, y, width, 0.075 / self.panel_height

    def title(self) -> float:
        """Height of a title's base line as a fraction of its panel."""
        return 1 + (0.065 if self.broad else 0.33) / self.panel_height


def frame_extent(scene: Scene, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Where the whole frame lies in axis units."""
    height, width = shape
    record = scene.field.attrs.get("calibration")
    left, right, bottom, top = -0.5, width - 0.5, height - 0.5, -0.5
    if scene.field.units == "px":
        return left, right, bottom, top
    if record is None:  # calibrated elsewhere: the field must cover the frame
        return scene.extent
    size = record["pixel_size"] * scene.per_length
    x0, y0 = record["origin"]
    return (left - x0) * size, (right - x0) * size, (y0 - bottom) * size, (y0 - top) * size


def _spacing(coordinates: Float) -> float:
    """Distance of neighbours, with its sign; 1 where there is only one."""
    if coordinates.size < 2:
        return 1.0
    return float((coordinates[-1] - coordinates[0]) / (coordinates.size - 1))


def prefixed(largest: float, unit: str) -> tuple[str, float]:
    """The unit in which ``largest`` is a handy number, and how many of them make the SI unit."""
    for prefix, factor in (("", 1.0), ("m", 1e3), ("µ", 1e6)):
        if largest * factor >= 0.5:
            return prefix + unit, factor
    return "µ" + unit, 1e6
