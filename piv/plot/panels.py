"""What each panel shows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.plot.layout import Page, Scene, frame_extent, prefixed
from piv.plot.scales import evenly, extension, nice, per_second, widened
from piv.post import vorticity
from piv.types import Float, ImagePair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = [1, 2, 2.5, 5, 10]  # of the ticks
_DIGIT = 0.058  # in; width of a colour bar's digits, and the least distance of its numbers
_POINT = 0.03  # length of a colour bar's pointed end, parts of the bar
_ARROW = 0.095  # in; distance of neighbouring arrows
_MASK = "0.72"
_RATIO = "peak ratio"
_MEASURED, _REPLACED = "#ffd23f", "#ff4d6d"


def draw_vectors(
    axes: Axes,
    scene: Scene,
    page: Page,
    pair: ImagePair | None,
    vector_scale: float | None,
) -> None:
    """Evenly spaced arrows over the first frame; replaced vectors in another colour."""
    from matplotlib import patheffects

    field = scene.field
    _draw_background(axes, scene, pair)
    rows, columns = evenly(field.shape, max(2, int(page.panel_width / _ARROW)), scene)
    grid = np.ix_(rows, columns)
    u, v = (component[grid] * scene.per_speed for component in (field.u, field.v))
    x = np.broadcast_to(field.x[columns] * scene.per_length, u.shape)
    y = np.broadcast_to((field.y[rows] * scene.per_length)[:, None], u.shape)
    shown = ~scene.masked[grid] & np.isfinite(u)
    measured = field.valid[grid]
    speed = np.hypot(u, v)[shown]
    axes.set_title("vectors" if pair is None or not page.broad else "first frame, vectors")
    if (shown & ~measured).any():
        beside = (1.4 if page.broad else 0.65) / page.panel_width  # the title has ended there, in
        axes.text(
            beside, page.title(), "red: replaced", color="#d0213f", transform=axes.transAxes,
            fontsize=6.5,
        )  # fmt: skip
    if vector_scale is None:
        middle, fast = np.percentile(speed, (50, 95)) if speed.size else (1.0, 1.0)
        # most arrows reach nearly to the next one, and even the fast ones stay apart
        longest = max(float(middle) / 0.85, float(fast) / 1.8) or 1.0
        left, right, _, _ = scene.extent
        distance = abs(x[0, 1] - x[0, 0]) if x.shape[1] > 1 else right - left
        scale = longest * (right - left) / distance
        reference = nice(1.5 * longest)
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


def _draw_background(axes: Axes, scene: Scene, pair: ImagePair | None) -> None:
    """The first frame, and a shade over what is masked."""
    from matplotlib.colors import ListedColormap, PowerNorm

    axes.set_facecolor("0.12")
    if pair is not None:
        frame = np.asarray(pair.first, np.float32)
        low, high = np.percentile(frame, (1, 99.7))
        shades = PowerNorm(0.75, low, max(high, low + 1e-6), clip=True)  # lifts dim particles
        axes.imshow(
            frame, cmap="gray", norm=shades, origin="upper", interpolation="antialiased",
            extent=frame_extent(scene, pair.shape),
        )  # fmt: skip
    if scene.masked.any():
        shade = np.where(scene.masked, 1.0, np.nan)
        axes.imshow(
            shade, extent=scene.extent, origin="upper", cmap=ListedColormap([_MASK]),
            alpha=0.6, interpolation="nearest",
        )  # fmt: skip


def draw_speed(axes: Axes, scene: Scene, page: Page, limits: tuple[float, float] | None) -> None:
    """Length of the vectors; ``limits`` is the colour range in the field's unit."""
    speed = scene.field.speed * scene.per_speed
    seen = speed[~scene.masked]
    if limits is None:
        low, high = np.percentile(seen, (0.5, 99.5))
        low, high = widened(0.0 if low < 0.4 * high else low, high)
    else:
        low, high = (limit * scene.per_speed for limit in limits)
    quantity = "displacement" if scene.field.units == "px" else "speed"
    axes.set_title(f"{quantity} ({scene.speed_unit})")
    image = scene.image(axes, speed, cmap="viridis", vmin=low, vmax=high)
    _colour_bar(axes, page, image, extension(seen, low, high))


def draw_vorticity(axes: Axes, scene: Scene, page: Page) -> None:
    """Vorticity, white at zero."""
    field = scene.field
    axes.set_title("vorticity")
    if min(field.shape[-2:]) < 2:
        _say(axes, "too few vectors")
        return
    values = vorticity(field)
    seen = values[~scene.masked & np.isfinite(values)]
    top = float(np.percentile(np.abs(seen), 99.5)) if seen.size else 0.0
    top = top if top > 0 else 1.0
    unit, per = ("px/px", 1.0) if field.units == "px" else per_second(top)
    axes.set_title(f"vorticity ({unit})")
    values, seen, top = values * per, seen * per, top * per
    image = scene.image(axes, values, cmap="RdBu_r", vmin=-top, vmax=top)
    _colour_bar(axes, page, image, extension(seen, -top, top))


def draw_uncertainty(axes: Axes, scene: Scene, page: Page) -> None:
    """Root mean square of the components' uncertainties, or the peak ratio."""
    field = scene.field
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        values: Float = np.sqrt((field.uncertainty_u**2 + field.uncertainty_v**2) / 2)
        title = "uncertainty (px)"
        known = values[np.isfinite(values)]
        if field.units != "px" and known.size:  # far below the speed: in a unit of its own
            unit, per = prefixed(2 * float(np.median(known)), "m/s")
            values, title = values * per, f"uncertainty ({unit})"
    elif "peak_ratio" in field.extra:
        values, title = field.extra["peak_ratio"], _RATIO
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
    if title == _RATIO:  # beyond a few all is alike, and without a second peak it has no limit
        low, high = 1.0, float(np.clip(high, 2, 6))
    else:
        low, high = widened(0.0 if low < 0.4 * high else low, high)
    image = scene.image(axes, values, cmap="magma", vmin=low, vmax=high)
    _colour_bar(axes, page, image, extension(seen, low, high))


def finish(axes: Axes, scene: Scene, page: Page, number: int) -> None:
    """Limits, letter, title and ticks of panel ``number``, the same for all."""
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


def _colour_bar(axes: Axes, page: Page, image: Any, extend: str) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axes.set_facecolor(_MASK)  # what is masked is transparent in the image
    place = page.bar()
    room = axes.inset_axes(place)
    bar = axes.figure.colorbar(
        image, cax=room, orientation="horizontal", extend=extend, extendfrac=_POINT,
        ticks=MaxNLocator(6, steps=_STEPS, min_n_ticks=4), ticklocation="top",
    )  # fmt: skip
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(length=1.5, width=0.5, pad=1.2, labelsize=6.5)
    length = place[2] * page.panel_width / (1 + 2 * _POINT)
    for most in (5, 4, 3, 2):
        if _apart(bar, length):
            return
        bar.set_ticks(MaxNLocator(most, steps=_STEPS, min_n_ticks=2))
    while not _apart(bar, length):  # every other one of few: the first stays
        bar.set_ticks(FixedLocator(_shown(bar)[::2]))


def _shown(bar: Any) -> list[float]:
    """Ticks of a colour bar that lie on it."""
    low, high = bar.ax.get_xlim()
    return [float(tick) for tick in bar.get_ticks() if low <= tick <= high]


def _apart(bar: Any, length: float) -> bool:
    """Whether the numbers of a colour bar of this length, in, keep a distance from each other."""
    low, high = bar.ax.get_xlim()
    ticks = _shown(bar)
    labels = bar.ax.xaxis.get_major_formatter().format_ticks(ticks)
    numbers = [
        (tick / (high - low) * length, len(label) * _DIGIT / 2)
        for tick, label in zip(ticks, labels, strict=True)
    ]
    return all(
        b - half_b - (a + half_a) >= _DIGIT for (a, half_a), (b, half_b) in pairwise(numbers)
    )


def _say(axes: Axes, text: str) -> None:
    axes.set_facecolor("0.95")
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")
