"""Maps of a field on any axes: each function draws on the axes it is given and returns them.

Lengths are drawn in a handy prefix of their unit (mm for a field of a few cm), the same in every
function for the same field, so that maps and lines can lie over each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from piv.errors import InputError
from piv.plot.layout import Scene, frame_extent
from piv.plot.scales import evenly, extension, nice, per_second, widened
from piv.post.criteria import vorticity
from piv.post.datasets import on_datasets
from piv.post.stencils import spacing_of
from piv.post.texture import line_integral_convolution
from piv.types import Float, ImagePair, VectorField

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_MASK = "0.72"
_SEQUENTIAL, _DIVERGING = "viridis", "RdBu_r"  # perceptually even; white at zero
_ARROW = 0.095  # in; distance of neighbouring arrows
_MOST = 1200  # points of a texture along its longer side


def scene_of(field: VectorField) -> Scene:
    """A single field with something to draw, in the units of its axes.

    Raises
    ------
    InputError
        If it is a series, or holds no vector.
    """
    if field.u.ndim != 2:
        raise InputError(f"a plot shows one field, not a series of shape {field.shape}")
    if not np.isfinite(field.u).any():
        raise InputError("the field holds no vector to draw")
    return Scene.of(field)


@on_datasets
def plot_scalar(
    axes: Axes,
    field: VectorField,
    values: Float,
    label: str = "",
    *,
    diverging: bool = False,
    limits: tuple[float, float] | None = None,
    colours: str | Colormap | None = None,
    bar: bool = True,
) -> Axes:
    """Any quantity on a field's grid as a map of colours.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    field : VectorField, shape (Ny, Nx)
        Gives the coordinates and what is masked (grey).
    values : array, shape (Ny, Nx)
        NaN is left out.
    label : str
        Of the colour bar, with the unit.
    diverging : bool
        Colours symmetric about zero, white there.
    limits : (float, float), optional
        Values at the ends of the colours; default: from the 0.5th to the 99.5th percentile.
    colours : str or matplotlib.colors.Colormap, optional
        A colour map of matplotlib, or its name.
    bar : bool
        Draw a colour bar.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the field is a series or holds no vector, or the values have another shape.
    """
    scene = scene_of(field)
    if values.shape != field.shape:
        raise InputError(f"the values have shape {values.shape}, but the field {field.shape}")
    seen = values[~scene.masked & np.isfinite(values)]
    low, high = _limits(seen, diverging) if limits is None else limits
    image = _image(
        axes, scene, values, cmap=colours or (_DIVERGING if diverging else _SEQUENTIAL),
        vmin=low, vmax=high,
    )  # fmt: skip
    axes.set_facecolor(_MASK)
    if bar:
        room = axes.inset_axes((1.03, 0.0, 0.035, 1.0))
        drawn = axes.figure.colorbar(
            image, cax=room, label=label, extend=extension(seen, low, high), extendfrac=0.03
        )
        drawn.outline.set_linewidth(0.5)
    return framed(axes, scene)


@on_datasets
def plot_magnitude(axes: Axes, field: VectorField, **options: Any) -> Axes:
    """Length of the vectors; ``options`` are those of :func:`plot_scalar`."""
    scene = scene_of(field)
    quantity = "displacement" if field.units == "px" else "speed"
    speed = field.speed * scene.per_speed
    if "limits" not in options:
        seen = speed[~scene.masked & np.isfinite(speed)]
        low, high = np.percentile(seen, (0.5, 99.5)) if seen.size else (0.0, 1.0)
        options["limits"] = widened(0.0 if low < 0.4 * high else float(low), float(high))
    return plot_scalar(axes, field, speed, f"{quantity} ({scene.speed_unit})", **options)


@on_datasets
def plot_vorticity(axes: Axes, field: VectorField, **options: Any) -> Axes:
    """Vorticity, counter-clockwise positive, white at zero; ``options`` as :func:`plot_scalar`."""
    values = vorticity(field)
    unit, per = _rate_unit(field, values)
    return plot_scalar(
        axes, field, values * per, f"vorticity ({unit})", **{"diverging": True, **options}
    )


@on_datasets
def plot_mode(axes: Axes, mode: VectorField, *, label: str = "vorticity of the mode") -> Axes:
    """A mode of a decomposition: its vorticity in colours, white at zero, with its vectors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    mode : VectorField, shape (Ny, Nx)
        Such as ``pod.mode(0)``; its size is arbitrary, so that neither arrows nor colours have a
        scale.
    label : str

    Returns
    -------
    matplotlib.axes.Axes
    """
    values = vorticity(mode)
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    plot_scalar(axes, mode, values / (largest or 1.0), label, diverging=True)
    return plot_vectors(axes, mode, colour="black", key=False)


@on_datasets
def plot_vectors(
    axes: Axes,
    field: VectorField,
    pair: ImagePair | None = None,
    *,
    vector_scale: float | None = None,
    distance: float = _ARROW,
    colour: str | None = None,
    key: bool = True,
) -> Axes:
    """Arrows, evenly thinned, over the first frame or over what the axes already show.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    field : VectorField, shape (Ny, Nx)
    pair : ImagePair, optional
        What was analysed.
    vector_scale : float, optional
        The speed, in the field's unit, whose arrow is a tenth of the axes' width long; default:
        such that arrows fill the distance to their neighbours.
    distance : float
        Of neighbouring arrows, in.
    colour : str, optional
        Default black, or yellow over a frame.
    key : bool
        Draw an arrow of a round speed above the axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the field is a series or holds no vector, or the scale is not positive.
    """
    from matplotlib import patheffects

    if vector_scale is not None and not (np.isfinite(vector_scale) and vector_scale > 0):
        raise InputError(f"the vector scale must be a positive number, not {vector_scale}")
    scene = scene_of(field)
    if pair is not None:
        _frame(axes, scene, pair)
    left, right, _, _ = scene.extent
    rows, columns = evenly(field.shape, max(2, int(_width(axes, scene) / distance)), scene)
    grid = np.ix_(rows, columns)
    u, v = (part[grid] * scene.per_speed for part in (field.u, field.v))
    x, y = np.meshgrid(field.x[columns] * scene.per_length, field.y[rows] * scene.per_length)
    shown = ~scene.masked[grid] & np.isfinite(u) & np.isfinite(v)
    if vector_scale is None:
        speed = np.hypot(u, v)[shown]
        middle, fast, top = np.percentile(speed, (50, 95, 100)) if speed.size else (1.0, 1.0, 1.0)
        longest = max(float(middle) / 0.85, float(fast) / 1.8, float(top) / 2.6) or 1.0
        between = abs(x[0, 1] - x[0, 0]) if x.shape[1] > 1 else abs(right - left)
        scale = longest * abs(right - left) / between
        reference = nice(1.5 * longest)
    else:
        reference = vector_scale * scene.per_speed
        scale = 10 * reference
    arrows = axes.quiver(
        x[shown], y[shown], u[shown], v[shown], angles="xy", scale=scale, scale_units="width",
        units="inches", width=0.0105, headwidth=3.6, headlength=4.2, headaxislength=3.8,
        minlength=0.5, color=colour or ("black" if pair is None else "#ffd23f"), zorder=3,
    )  # fmt: skip
    if pair is not None:
        arrows.set_path_effects(
            [patheffects.Stroke(linewidth=0.6, foreground="black"), patheffects.Normal()]
        )
    if key:
        axes.quiverkey(
            arrows, 1 - reference / scale, 1.04, reference, f"{reference:g} {scene.speed_unit}",
            labelpos="W", coordinates="axes", color="black", labelsep=0.06,
        )  # fmt: skip
    return framed(axes, scene)


@on_datasets
def plot_texture(
    axes: Axes,
    field: VectorField,
    rng: np.random.Generator,
    *,
    length: float = 20.0,
    strength: float | None = None,
) -> Axes:
    """Line integral convolution: the pattern that oil on a wall would show.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    field : VectorField, shape (Ny, Nx)
    rng : numpy.random.Generator
        Draws the noise.
    length : float
        Of the strokes on either side, in points of the texture.
    strength : float, optional
        Opacity: default 1, below it the colours of a map under it shine through.

    Returns
    -------
    matplotlib.axes.Axes
    """
    scene = scene_of(field)
    refine = max(1, int(_MOST / 2 // max(field.shape)))
    thin = -(-max(field.shape) // _MOST)  # a field of many more vectors than points that show
    cells = np.s_[..., ::thin, ::thin]
    fewer = VectorField(
        field.x[::thin], field.y[::thin], field.u[cells], field.v[cells], field.flags[cells],
        units=field.units, y_axis=field.y_axis,
    )  # fmt: skip
    texture = line_integral_convolution(fewer, rng, length=length, refine=refine)
    hidden = np.ma.masked_invalid(texture)
    axes.imshow(
        hidden, extent=Scene.of(fewer).extent, origin="upper", cmap="gray", vmin=-2.2, vmax=2.2,
        interpolation="bilinear" if refine == 1 else "nearest", alpha=strength,
    )  # fmt: skip
    axes.set_facecolor(_MASK)
    return framed(axes, scene)


def _limits(seen: Float, diverging: bool) -> tuple[float, float]:
    if not seen.size:
        return (-1.0, 1.0) if diverging else (0.0, 1.0)
    if diverging:
        top = float(np.percentile(np.abs(seen), 99.5)) or 1.0
        return -top, top
    low, high = np.percentile(seen, (0.5, 99.5))
    return widened(float(low), float(high))


def _rate_unit(field: VectorField, values: Float) -> tuple[str, float]:
    if field.units == "px":
        return "px/px", 1.0
    seen = np.abs(values[np.isfinite(values)])
    return per_second(float(np.percentile(seen, 99.5)) if seen.size else 1.0)


def _image(axes: Axes, scene: Scene, values: Float, **options: Any) -> Any:
    """An image on even spacing, else cells of their own size."""
    x, y = scene.field.x * scene.per_length, scene.field.y * scene.per_length
    if spacing_of(np.asarray(x)) is not None and spacing_of(np.asarray(y)) is not None:
        return scene.image(axes, values, **options)
    hidden = np.ma.masked_where(scene.masked | ~np.isfinite(values), values)
    return axes.pcolormesh(x, y, hidden, shading="nearest", **options)


def _frame(axes: Axes, scene: Scene, pair: ImagePair) -> None:
    from matplotlib.colors import PowerNorm

    frame = np.asarray(pair.first, np.float32)
    low, high = np.percentile(frame, (1, 99.7))
    shades = PowerNorm(0.75, low, max(high, low + 1e-6), clip=True)  # lifts dim particles
    axes.imshow(
        frame, cmap="gray", norm=shades, origin="upper", interpolation="antialiased",
        extent=frame_extent(scene, pair.shape),
    )  # fmt: skip


def _width(axes: Axes, scene: Scene) -> float:
    """Of what is drawn, in."""
    whole = axes.figure.get_figure(root=True)
    assert whole is not None
    width, height = whole.get_size_inches()
    place = axes.get_position()
    return float(min(place.width * width, place.height * height / scene.aspect))


def framed(axes: Axes, scene: Scene) -> Axes:
    """Limits, aspect and labels, the same for all."""
    left, right, bottom, top = scene.extent
    if scene.field.y_axis == "up":
        bottom, top = min(bottom, top), max(bottom, top)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")
    axes.set_xlabel(f"x ({scene.length})")
    axes.set_ylabel(f"y ({scene.length})")
    return axes
