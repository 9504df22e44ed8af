"""Figures for papers of what the canvas shows, with the defaults of :mod:`piv.plot`.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gui.quantities import flag_classes, quantity
from gui.state import CalibrationState, DisplayOptions
from gui.units import Units
from piv.errors import InputError
from piv.types import Analysis, Flag, Float, ImagePair, VectorField

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {"one column": 3.5, "two columns": 7.2}  # in
LAYOUTS = ("as shown", "four panels")
_HEIGHT = 9.2  # in; a page
_CLASS_COLOURS = (
    "#f2f2f2", "#7f3b08", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d",
    "#666666", "#1f78b4", "#b2df8a", "#fb9a99", "#cab2d6", "#ff7f00", "#6a3d9a",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class GivenMap:
    """A map that comes as numbers, such as the residual of the images.

    Parameters
    ----------
    values : array, shape (Ny, Nx)
        In px, like everything of the window.
    x, y : array, shapes (Nx,), (Ny,)
        px.
    """

    values: Float
    x: Float
    y: Float


@dataclass(frozen=True, eq=False)
class FigureOrder:
    """What is drawn.

    Parameters
    ----------
    analysis : Analysis
        In px, with the user's edits.
    display : DisplayOptions
        Quantity, stage, range, colours, vectors, streamlines, what is subtracted.
    calibration : CalibrationState
    layout : str
        One of :data:`LAYOUTS`.
    width : str
        One of :data:`WIDTHS`.
    image : bool
        Draw the first frame under it.
    given : GivenMap or None
        The quantity itself, where it cannot be computed from the analysis.
    """

    analysis: Analysis
    display: DisplayOptions
    calibration: CalibrationState
    layout: str = "as shown"
    width: str = "one column"
    image: bool = False
    given: GivenMap | None = None

    @property
    def field(self) -> VectorField:
        """The stage that is shown, in px."""
        if self.display.stage == "coarse" or self.analysis.dense is None:
            return self.analysis.coarse
        return self.analysis.dense


def calibrated(field: VectorField, calibration: CalibrationState) -> VectorField:
    """The field in m and m/s where there is a pixel size, else in px, with the dt of the window.

    Parameters
    ----------
    field : VectorField
        In px or, as a file may have it, in m/s.
    calibration : CalibrationState
    """
    from piv.calibrate import calibrate, uncalibrate

    if field.units != "px":
        field = uncalibrate(field)
    known = calibration.to_calibration()
    if known is None:
        return field.replace(dt=calibration.dt)
    return calibrate(field, known, calibration.dt)


def draw(order: FigureOrder, pair: ImagePair | None) -> Figure:
    """Draw a figure.

    Parameters
    ----------
    order : FigureOrder
    pair : ImagePair or None
        Needed where the first frame is to be seen.

    Raises
    ------
    InputError
        If there is nothing to draw, or a choice is unknown.
    """
    if order.layout not in LAYOUTS or order.width not in WIDTHS:
        raise InputError(
            f"a figure is {' or '.join(LAYOUTS)}, {' or '.join(WIDTHS)} wide, not "
            f"{order.layout!r}, {order.width!r}"
        )
    if order.layout == "four panels":
        from piv.plot import figure

        shown = calibrated(order.field, order.calibration)
        return figure(shown, pair if order.image else None)
    return _as_shown(order, pair if order.image else None)


def _as_shown(order: FigureOrder, pair: ImagePair | None) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from piv.plot import plot_streamlines, plot_vectors, style
    from piv.plot.layout import Scene

    display = order.display
    field = calibrated(order.field, order.calibration)
    seen = calibrated(_observed(order.field, display), order.calibration)
    if not np.isfinite(field.u).any():
        raise InputError("the field holds no vector to draw")
    width = WIDTHS[order.width]
    flags = display.quantity == "flags"
    below = 0.42 + (
        0.15 * -(-len(_present(order)) // _across(order)) + 0.08 if flags else 0.0
    )  # in
    above = 0.26 if display.vectors else 0.1  # the arrow of the scale
    beside = 0.72 if flags else 1.35  # labels and colour bar
    across = width - beside
    height = min(across * Scene.of(field).aspect + below + above, _HEIGHT)
    with style():
        drawing = Figure(figsize=(width, height))
        FigureCanvasAgg(drawing)
        axes = drawing.add_axes(
            (0.55 / width, below / height, across / width, 1 - (below + above) / height)
        )
        if pair is not None:
            draw_frame(axes, field, pair)
        draw_map(axes, order, field)
        if pair is not None:
            axes.images[-1].set_alpha(display.opacity)
        if display.streamlines:
            plot_streamlines(axes, seen, colour="black" if pair is None else "white")
        if display.vectors:
            plot_vectors(axes, seen, colour="black" if pair is None else "#ffd23f")
    return drawing


def _observed(field: VectorField, display: DisplayOptions) -> VectorField:
    from gui.compute.tasks.fields import seen_from

    return seen_from(field, display.subtract, display.subtracted)


def draw_frame(axes: Axes, field: VectorField, pair: ImagePair) -> None:
    """The first frame, where it lies under the field."""
    from matplotlib.colors import PowerNorm

    from piv.plot.layout import Scene, frame_extent

    frame = np.asarray(pair.first, np.float32)
    low, high = np.percentile(frame, (1, 99.7))
    shades = PowerNorm(0.75, low, max(high, low + 1e-6), clip=True)  # lifts dim particles
    axes.imshow(
        frame, cmap="gray", norm=shades, origin="upper", interpolation="antialiased",
        extent=frame_extent(Scene.of(field), pair.shape),
    )  # fmt: skip


def draw_map(axes: Axes, order: FigureOrder, field: VectorField) -> None:
    """The quantity that the window shows, in its colours and its range.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    order : FigureOrder
    field : VectorField
        That of the order, calibrated.
    """
    from gui.colours import matplotlib_map
    from piv.plot import plot_scalar

    what = quantity(order.display.quantity)
    units = Units(order.calibration.pixel_size, order.calibration.dt, order.calibration.origin)
    if what.name == "flags":
        _draw_flags(axes, order, field)
        return
    factor, _ = units.scale(what.kind)
    values = _values(order)
    if order.given is not None:
        field = calibrated(_on_grid(order.given), order.calibration)
    low, high = _limits(order, values)
    ends = sorted((low * factor, high * factor))
    plot_scalar(
        axes, field, values * factor, units.label(what.label, what.kind),
        diverging=what.diverging, limits=(ends[0], ends[1]),
        colours=matplotlib_map(order.display.colour_map or what.colour_map),
    )  # fmt: skip


def _values(order: FigureOrder) -> Float:
    from gui.compute.tasks.fields import values_of

    if order.given is not None:
        return order.given.values
    display = order.display
    if display.quantity == "flags":
        field = order.field
        values = values_of(field, "flags")
        measured = np.isnan(values) & ((field.flags & int(Flag.MASKED)) == 0)
        return np.where(measured, np.float32(0), values)
    return values_of(order.field, display.quantity, display.subtract, display.subtracted)


def _on_grid(given: GivenMap) -> VectorField:
    """A field on the grid of a map, for its axes."""
    known = np.isfinite(given.values)
    nothing = np.where(known, np.float32(0), np.float32(np.nan))
    return VectorField(
        np.asarray(given.x, np.float64), np.asarray(given.y, np.float64), nothing, nothing,
        np.where(known, 0, 1).astype(np.uint16),
    )  # fmt: skip


def _limits(order: FigureOrder, values: Float) -> tuple[float, float]:
    """The range of the window; where it is automatic, a robust one."""
    from gui.compute.tasks.fields import colour_range

    if order.display.colour_range is not None:
        return order.display.colour_range
    return colour_range(values, order.display.quantity)


def _draw_flags(axes: Axes, order: FigureOrder, field: VectorField) -> None:
    """Every reason in a colour of its own, named in a legend."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    from piv.plot import plot_scalar

    words = flag_classes()
    colours = [_CLASS_COLOURS[n % len(_CLASS_COLOURS)] for n in range(len(words))]
    plot_scalar(
        axes, field, _values(order), limits=(-0.5, len(words) - 0.5),
        colours=ListedColormap(colours), bar=False,
    )  # fmt: skip
    whole = axes.figure.get_figure(root=True)
    assert whole is not None
    under = 0.36 / (axes.get_position().height * float(whole.get_size_inches()[1]))
    axes.legend(
        handles=[
            Patch(facecolor=colours[n], edgecolor="0.4", linewidth=0.5, label=words[n])
            for n in _present(order)
        ],
        loc="upper left", bbox_to_anchor=(0.0, -under), fontsize=6.5, frameon=False,
        ncols=_across(order),
        handlelength=1.0, borderaxespad=0.0, borderpad=0.0, columnspacing=1.5,
    )  # fmt: skip


def _across(order: FigureOrder) -> int:
    """Columns of the legend of flags."""
    return 1 if WIDTHS[order.width] < 5 else 2


def _present(order: FigureOrder) -> list[int]:
    """Numbers of the flags that occur."""
    values = _values(order)
    return [int(each) for each in np.unique(values[np.isfinite(values)])]


def without_selection(display: DisplayOptions) -> DisplayOptions:
    """Display options whose quantity can be drawn of one field."""
    from gui.quantities import QUANTITIES

    if display.quantity in QUANTITIES:
        return display
    return replace(display, quantity="magnitude", colour_range=None)
