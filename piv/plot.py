"""Figures for papers: the image with its vectors, speed, vorticity and uncertainty.

Built on :class:`matplotlib.figure.Figure` without pyplot, so that nothing global changes and no
display is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.files import replacing
from piv.types import Analysis, Bool, Flag, Float, ImagePair, VectorField

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
_DPI = 300
_WIDTH = 7.2  # in; two columns of a journal
_HEIGHT = 9.2  # in; a page
_BROAD = 2.2  # in; a colour bar fits beside the title of a broader panel
_STEPS = [1, 2, 2.5, 5, 10]  # of the ticks
_ARROW = 0.095  # in; distance of neighbouring arrows
_MASK = "0.72"
_MEASURED, _REPLACED = "#ffd23f", "#ff4d6d"
_STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "font.family": "sans-serif",
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "mathtext.default": "regular",
}


def figure(
    result: Analysis | VectorField,
    pair: ImagePair | None = None,
    *,
    range: tuple[float, float] | None = None,
    vector_scale: float | None = None,
) -> Figure:
    """Draw a field in four panels: image with vectors, speed, vorticity, uncertainty.

    Parameters
    ----------
    result : Analysis or VectorField
        Of one pair; of an analysis the better field is shown.
    pair : ImagePair, optional
        What was analysed; its first frame is drawn under the vectors.
    range : (float, float), optional
        Colour range of the speed, in the field's unit; default: from zero (or, for a narrow
        distribution, from its first) to its 99.5th percentile.
    vector_scale : float, optional
        The speed, in the field's unit, whose arrow is a tenth of the panel's width long;
        default: such that arrows fill the distance to their neighbours.

    Returns
    -------
    matplotlib.figure.Figure
        Masked pixels are grey.  Replaced vectors have another colour.  Vorticity is positive
        counter-clockwise in any field.  A field without uncertainty shows its peak ratio instead.

    Raises
    ------
    InputError
        If the field is a series, holds no vector, or a range or scale makes no sense.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    field = result.field if isinstance(result, Analysis) else result
    _check(field, range, vector_scale)
    scene = _Scene.of(field)
    page = _Page.of(scene.aspect)
    with rc_context(_STYLE):
        drawing = Figure(figsize=(page.width, page.height))
        FigureCanvasAgg(drawing)
        axes = [drawing.add_axes(page.panel(number)) for number in (0, 1, 2, 3)]
        _draw_vectors(axes[0], scene, page, pair, vector_scale)
        _draw_speed(axes[1], scene, page, range)
        _draw_vorticity(axes[2], scene, page)
        _draw_uncertainty(axes[3], scene, page)
        for number, each in enumerate(axes):
            _finish(each, scene, page, number)
    return drawing


def save_figure(drawing: Figure, path: str | Path) -> None:
    """Write a figure; the file appears under its name only when it is complete.

    Parameters
    ----------
    drawing : matplotlib.figure.Figure
    path : path
        Ending in .png (300 dpi), .pdf or .svg.

    Raises
    ------
    InputError
        If the ending is another.
    PIVError
        If the file cannot be written.
    """
    from matplotlib import rc_context

    kind = figure_format(path)
    with rc_context(_STYLE), replacing(path) as file:
        drawing.savefig(file, format=kind, dpi=_DPI)


def figure_format(path: str | Path) -> str:
    """Tell the format of a figure from the ending of its name.

    Raises
    ------
    InputError
        If the ending is not one of :data:`FORMATS`.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(
            f"a figure's name must end in {', '.join('.' + each for each in FORMATS)}; {path} does "
            "not"
        )
    return kind


def vorticity(field: VectorField) -> Float:
    r""":math:`\omega = \partial v / \partial x - \partial u / \partial y` for x right, y up.

    Positive counter-clockwise as one sees it, whether the field is calibrated or not; central
    differences on the field's own coordinates.  In px/px per frame interval, or 1/s.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
        At least 2 x 2 vectors.

    Returns
    -------
    array, shape (..., Ny, Nx)
    """
    sign = 1.0 if field.y_axis == "up" else -1.0
    # seen with y up, a field whose y points down has -v and -y
    dv_dx = np.gradient(field.v, field.x, axis=-1)
    du_dy = np.gradient(field.u, field.y, axis=-2)
    return np.asarray(sign * (dv_dx - du_dy))


@dataclass(frozen=True, eq=False)
class _Scene:
    """One field in the units of the axes."""

    field: VectorField
    length: str  # unit of the axes
    per_length: float  # axis units per unit of field.x
    speed_unit: str
    per_speed: float
    masked: Bool

    @classmethod
    def of(cls, field: VectorField) -> _Scene:
        masked = ((field.flags & int(Flag.MASKED)) != 0) | ~np.isfinite(field.u)
        if field.units == "px":
            return cls(field, "px", 1.0, "px", 1.0, masked)
        extent = float(max(np.ptp(field.x), np.ptp(field.y)))
        fastest = float(np.nanmax(field.speed))
        length, per_length = _prefixed(extent, "m")
        speed, per_speed = _prefixed(fastest, "m/s")
        return cls(field, length, per_length, speed, per_speed, masked)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the outermost cells, in axis units."""
        x, y = self.field.x * self.per_length, self.field.y * self.per_length
        half_x, half_y = _spacing(x) / 2, _spacing(y) / 2
        return x[0] - half_x, x[-1] + half_x, y[-1] + half_y, y[0] - half_y

    @property
    def aspect(self) -> float:
        left, right, bottom, top = self.extent
        return float(abs((bottom - top) / (right - left)))

    def image(self, axes: Axes, values: Float, **options: Any) -> Any:
        hidden = np.ma.masked_where(self.masked | ~np.isfinite(values), values)
        return axes.imshow(hidden, extent=self.extent, origin="upper", **options)


@dataclass(frozen=True)
class _Page:
    """Where the panels lie, in inches: exact, so that figures of one series are alike."""

    rows: int
    columns: int
    panel_width: float
    panel_height: float
    header: float  # above each panel: title and colour bar

    left, gap, right, bottom, top, row_gap = 0.52, 0.2, 0.14, 0.38, 0.04, 0.1

    @classmethod
    def of(cls, aspect: float) -> _Page:
        """Rows and columns that suit the proportions (height over width) of the image."""
        rows, columns = (4, 1) if aspect < 0.42 else (1, 4) if aspect > 2.2 else (2, 2)
        width = (_WIDTH - cls.left - cls.right - (columns - 1) * cls.gap) / columns
        tallest = (_HEIGHT - cls.bottom - rows * 0.4) / rows
        width = min(width, tallest / aspect)
        return cls(rows, columns, width, width * aspect, 0.34 if width > _BROAD else 0.52)

    @property
    def broad(self) -> bool:
        """Whether a colour bar fits beside the title."""
        return self.panel_width > _BROAD

    @property
    def width(self) -> float:
        panels = self.columns * self.panel_width + (self.columns - 1) * self.gap
        return self.left + panels + self.right

    @property
    def height(self) -> float:
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


def _draw_vectors(
    axes: Axes,
    scene: _Scene,
    page: _Page,
    pair: ImagePair | None,
    vector_scale: float | None,
) -> None:
    from matplotlib import patheffects
    from matplotlib.colors import ListedColormap, PowerNorm

    field = scene.field
    title = "vectors" if pair is None or not page.broad else "first frame, vectors"
    axes.set_facecolor("0.12")
    if pair is not None:
        frame = np.asarray(pair.first, np.float32)
        low, high = np.percentile(frame, (1, 99.7))
        shades = PowerNorm(0.75, low, max(high, low + 1e-6), clip=True)  # lifts dim particles
        axes.imshow(
            frame, cmap="gray", norm=shades, origin="upper", interpolation="antialiased",
            extent=_frame_extent(scene, pair.shape),
        )  # fmt: skip
    if scene.masked.any():
        shade = np.where(scene.masked, 1.0, np.nan)
        axes.imshow(
            shade, extent=scene.extent, origin="upper", cmap=ListedColormap([_MASK]),
            alpha=0.6, interpolation="nearest",
        )  # fmt: skip
    rows, columns = _sample(field.shape, max(2, int(page.panel_width / _ARROW)), scene)
    grid = np.ix_(rows, columns)
    u, v = (component[grid] * scene.per_speed for component in (field.u, field.v))
    x = np.broadcast_to(field.x[columns] * scene.per_length, u.shape)
    y = np.broadcast_to((field.y[rows] * scene.per_length)[:, None], u.shape)
    shown = ~scene.masked[grid] & np.isfinite(u)
    measured = field.valid[grid]
    speed = np.hypot(u, v)[shown]
    axes.set_title(title)
    if (shown & ~measured).any():
        place = (0.5, page.title()) if page.broad else (0.0, page.bar()[1])
        axes.text(*place, "red: replaced", color="#d0213f", transform=axes.transAxes, fontsize=6.5)
    if vector_scale is None:
        middle, fast = np.percentile(speed, (50, 95)) if speed.size else (1.0, 1.0)
        # most arrows reach nearly to the next one, and even the fast ones stay apart
        longest = max(float(middle) / 0.85, float(fast) / 1.8) or 1.0
        left, right, _, _ = scene.extent
        distance = abs(x[0, 1] - x[0, 0]) if x.shape[1] > 1 else right - left
        scale = longest * (right - left) / distance
        reference = _nice(1.5 * longest)
    else:
        reference = vector_scale * scene.per_speed
        scale = 10 * reference
    arrows = None
    for which, colour in ((shown & measured, _MEASURED), (shown & ~measured, _REPLACED)):
        if not which.any():
            continue
        arrows = axes.quiver(
            x[which], y[which], u[which], v[which], color=colour, angles="xy",
            scale=scale, scale_units="width", units="inches", width=0.0105, headwidth=3.6,
            headlength=4.2, headaxislength=3.8, minlength=0.5,
        )  # fmt: skip
        arrows.set_path_effects(
            [patheffects.Stroke(linewidth=0.6, foreground="black"), patheffects.Normal()]
        )
    if arrows is not None:
        axes.quiverkey(
            arrows, 1 - reference / scale, page.bar()[1] + 0.04 / page.panel_height, reference,
            f"{reference:g} {scene.speed_unit}", labelpos="W", coordinates="axes", color="black",
            labelsep=0.06, fontproperties={"size": 7.0},
        )  # fmt: skip


def _draw_speed(axes: Axes, scene: _Scene, page: _Page, limits: tuple[float, float] | None) -> None:
    speed = scene.field.speed * scene.per_speed
    seen = speed[~scene.masked]
    if limits is None:
        low, high = np.percentile(seen, (0.5, 99.5))
        low, high = _widened(0.0 if low < 0.4 * high else low, high)
    else:
        low, high = (limit * scene.per_speed for limit in limits)
    quantity = "displacement" if scene.field.units == "px" else "speed"
    axes.set_title(f"{quantity} ({scene.speed_unit})")
    image = scene.image(axes, speed, cmap="viridis", vmin=low, vmax=high)
    _colour_bar(axes, page, image, _extension(seen, low, high))


def _draw_vorticity(axes: Axes, scene: _Scene, page: _Page) -> None:
    field = scene.field
    axes.set_title(f"vorticity ({'px/px' if field.units == 'px' else '1/s'})")
    if min(field.shape[-2:]) < 2:
        _say(axes, "too few vectors")
        return
    values = vorticity(field)
    seen = values[~scene.masked & np.isfinite(values)]
    top = float(np.percentile(np.abs(seen), 99.5)) if seen.size else 0.0
    top = top if top > 0 else 1.0
    image = scene.image(axes, values, cmap="RdBu_r", vmin=-top, vmax=top)
    _colour_bar(axes, page, image, _extension(seen, -top, top))


def _draw_uncertainty(axes: Axes, scene: _Scene, page: _Page) -> None:
    field = scene.field
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        values: Float = (
            np.sqrt((field.uncertainty_u**2 + field.uncertainty_v**2) / 2) * scene.per_speed
        )
        title = f"uncertainty ({scene.speed_unit})"
    elif "peak_ratio" in field.extra:
        values, title = field.extra["peak_ratio"], "peak ratio"
    else:
        axes.set_title("uncertainty")
        _say(axes, "not known for this field")
        return
    axes.set_title(title)
    seen = values[~scene.masked & np.isfinite(values)]
    if seen.size == 0:
        _say(axes, "not known for this field")
        return
    low, high = np.percentile(seen, (0.5, 99))
    low, high = _widened(0.0 if low < 0.4 * high else low, high)
    image = scene.image(axes, values, cmap="magma", vmin=low, vmax=high)
    _colour_bar(axes, page, image, _extension(seen, low, high))


def _finish(axes: Axes, scene: _Scene, page: _Page, number: int) -> None:
    row, column = divmod(number, page.columns)
    left, right, bottom, top = scene.extent
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")
    title = axes.get_title(loc="left")
    axes.set_title("")
    axes.text(
        0.0, page.title(), f"$\\bf{{{'abcd'[number]}}}$  {title}", transform=axes.transAxes,
        fontsize=8.5, va="baseline",
    )  # fmt: skip
    across = max(3, min(6, int(page.panel_width / 0.45)))
    axes.locator_params("x", nbins=across, steps=_STEPS)
    axes.locator_params("y", nbins=max(3, min(7, int(page.panel_height / 0.35))), steps=_STEPS)
    axes.tick_params(labelbottom=row == page.rows - 1, labelleft=column == 0)
    if row == page.rows - 1:
        axes.set_xlabel(f"x ({scene.length})", labelpad=2)
    if column == 0:
        axes.set_ylabel(f"y ({scene.length})", labelpad=2)


def _colour_bar(axes: Axes, page: _Page, image: Any, extend: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(_MASK)  # what is masked is transparent in the image
    room = axes.inset_axes(page.bar())
    bar = axes.figure.colorbar(
        image, cax=room, orientation="horizontal", extend=extend, extendfrac=0.03,
        ticks=MaxNLocator(6, steps=_STEPS, min_n_ticks=4), ticklocation="top",
    )  # fmt: skip
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(length=1.5, width=0.5, pad=1.2, labelsize=6.5)


def _say(axes: Axes, text: str) -> None:
    axes.set_facecolor("0.95")
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")


def _frame_extent(scene: _Scene, shape: tuple[int, int]) -> tuple[float, float, float, float]:
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


def _sample(
    shape: tuple[int, ...], across: int, scene: _Scene
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the vectors that are drawn: evenly spaced and centred."""
    left, right, bottom, top = scene.extent
    cell = abs(right - left) / shape[-1], abs(bottom - top) / shape[-2]
    distance = abs(right - left) / across
    chosen = []
    for size, each in ((shape[-2], cell[1]), (shape[-1], cell[0])):
        step = min(max(1, round(distance / each)), size)
        first = (size - 1 - (size - 1) // step * step) // 2
        chosen.append(np.arange(first, size, step))
    return chosen[0], chosen[1]


def _spacing(coordinates: Float) -> float:
    """Distance of neighbours, with its sign; 1 where there is only one."""
    if coordinates.size < 2:
        return 1.0
    return float((coordinates[-1] - coordinates[0]) / (coordinates.size - 1))


def _prefixed(largest: float, unit: str) -> tuple[str, float]:
    """The unit in which ``largest`` is a handy number, and how many of them make the SI unit."""
    for prefix, factor in (("", 1.0), ("m", 1e3), ("µ", 1e6)):
        if largest * factor >= 0.5:
            return prefix + unit, factor
    return "µ" + unit, 1e6


def _nice(value: float) -> float:
    """Round to 1, 2 or 5 times a power of ten, not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{max(n for n in (1, 2, 5) if n * power <= value * (1 + 1e-9)) * power:.3g}")


def _widened(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _extension(seen: Float, low: float, high: float) -> str:
    """Which ends of a colour bar are pointed: more than the rounding error lies beyond them."""
    slack = 1e-6 * (high - low)
    below, above = bool((seen < low - slack).any()), bool((seen > high + slack).any())
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]


def _check(
    field: VectorField, limits: tuple[float, float] | None, vector_scale: float | None
) -> None:
    if field.u.ndim != 2:
        raise InputError(
            f"a figure shows the field of one pair, not a series of shape {field.shape}"
        )
    if not np.isfinite(field.u).any():
        raise InputError("the field holds no vector to draw")
    if limits is not None:
        low, high = limits
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"the colour range must be two numbers, low < high, not {low} {high}")
    if vector_scale is not None and not (math.isfinite(vector_scale) and vector_scale > 0):
        raise InputError(f"the vector scale must be a positive number, not {vector_scale}")
