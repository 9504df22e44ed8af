"""A series as a film: one scale of colours and of arrows from its first frame to its last."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from piv.errors import InputError, PIVError, StorageError
from piv.io.files import replacing, replacing_path
from piv.plot.layout import Scene
from piv.plot.scales import evenly, extension, per_second, widened
from piv.plot.style import STYLE
from piv.post.criteria import vorticity
from piv.types import Float, VectorField

if TYPE_CHECKING:
    from PIL import Image

Quantity = Literal["speed", "vorticity"]
QUANTITIES: tuple[str, ...] = get_args(Quantity)
MOVIES = ("mp4", "gif")

_WIDTH, _DPI = 6.0, 150  # in, dots per in
_ARROW = 0.11  # in; distance of neighbouring arrows
_SAMPLES = 25  # fields from which the scales are found
_MASK = "0.72"
_GREYS = 56  # of the 256 colours of a gif; the others are those of the map
_Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scales:
    """What is the same in every frame.

    Parameters
    ----------
    quantity : "speed" or "vorticity"
        What the colours show.
    range : (float, float)
        Ends of the colours, in the field's unit (vorticity: 1/s, or px/px).
    vector_scale : float
        The speed, in the field's unit, whose arrow is a tenth of the axes' width long.
    extend : str
        Which ends of the colour bar are pointed, because something lies beyond.
    """

    quantity: Quantity
    range: tuple[float, float]
    vector_scale: float
    extend: str = "neither"


def common_scales(
    fields: Sequence[VectorField],
    quantity: Quantity = "speed",
    *,
    range: tuple[float, float] | None = None,
    vector_scale: float | None = None,
) -> Scales:
    """Scales that suit a whole series, found from up to 25 of its fields, evenly chosen.

    Parameters
    ----------
    fields : sequence of VectorField, shape (Ny, Nx) each
        Read when they are used.
    quantity : "speed" or "vorticity"
    range : (float, float), optional
        Ends of the colours; default: speed from zero (or its 0.5th percentile) to its 99.5th,
        vorticity symmetric to the 99.5th percentile of its size.
    vector_scale : float, optional
        Default: such that most arrows do not reach beyond their neighbours.

    Raises
    ------
    InputError
        If there is no field or no vector, or a value makes no sense.
    """
    _check(fields, quantity, range, vector_scale)
    count = len(fields)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SAMPLES)).round().astype(int))
    speeds, values = [], []
    across = 1
    for number in chosen:
        field = fields[int(number)]
        step = max(1, round(math.sqrt(field.u.size / 20_000)))
        across = _arrows_across(field)
        speeds.append(_finite(field.speed[::step, ::step]))
        seen = field.speed if quantity == "speed" else vorticity(field)
        values.append(_finite(seen[::step, ::step]))
    speed, value = np.concatenate(speeds), np.concatenate(values)
    if not speed.size or not value.size:
        raise InputError("the series holds no vector to draw")
    if range is None:
        range = _limits(value, quantity)
    if vector_scale is None:
        middle, fast, top = np.percentile(speed, (50, 95, 100))
        longest = max(float(middle) / 0.85, float(fast) / 1.8, float(top) / 2.6) or 1.0
        vector_scale = _round_above(longest * across / 10)
    return Scales(quantity, range, vector_scale, extension(value, *range))


def save_animation(
    fields: Sequence[VectorField],
    path: str | Path,
    scales: Scales | None = None,
    *,
    titles: Sequence[str] | None = None,
    frames_per_second: float = 10.0,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Write a film; the file appears under its name only when it is complete.

    Parameters
    ----------
    fields : sequence of VectorField, shape (Ny, Nx) each
        On one grid; read when they are used.
    path : path
        Ending in .mp4 (MPEG-4) or .gif.
    scales : Scales, optional
        Default: :func:`common_scales` of the fields.
    titles : sequence of str, optional
        Of each frame.
    frames_per_second : float
    progress : callable
        Called after each frame.

    Raises
    ------
    InputError
        If the ending is another, the fields are no series of one grid, or hold no vector.
    PIVError
        If the file cannot be written.
    """
    kind = movie_format(path)
    if not (math.isfinite(frames_per_second) and 0 < frames_per_second <= 100):
        raise InputError(f"frames per second must lie in 0..100, not {frames_per_second}")
    scales = common_scales(fields) if scales is None else scales
    pictures = _told(draw_frames(fields, scales, titles=titles), progress)
    write = _write_mp4 if kind == "mp4" else _write_gif
    write(pictures, Path(path), frames_per_second, scales)


def movie_format(path: str | Path) -> str:
    """Tell the format of a film from the ending of its name.

    Raises
    ------
    InputError
        If the ending is not one of :data:`MOVIES`.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in MOVIES:
        raise InputError(f"a film's name must end in .mp4 or .gif; {path} does not")
    return kind


def draw_frames(
    fields: Sequence[VectorField], scales: Scales, *, titles: Sequence[str] | None = None
) -> Iterator[_Picture]:
    """Draw one frame after the other.

    Yields
    ------
    uint8 array, shape (height, width, 3)
        Even sizes, the same for all.

    Raises
    ------
    InputError
        If a field is on another grid than the first.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        canvas = _Canvas(fields[0], scales)
    for number in _count(fields):
        with rc_context(STYLE):
            yield canvas.draw(fields[number], titles[number] if titles else "")


class _Canvas:
    """Axes that are laid out once; then only the numbers change."""

    def __init__(self, first: VectorField, scales: Scales) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.first, self.scales = first, scales
        # the prefix of the unit is that of the scale, not of the single field
        fast = np.full((1, 1), 10 * scales.vector_scale, np.float32)
        unit = Scene.of(
            VectorField(
                first.x[[0, -1]],
                first.y[[0, -1]],
                np.repeat(np.repeat(fast, 2, 0), 2, 1),
                np.zeros((2, 2), np.float32),
                np.zeros((2, 2), np.uint16),
                units=first.units,
                y_axis=first.y_axis,
            )
        )
        self.scene = scene = replace(Scene.of(_shown(first)), **_units_of(unit))
        left, right, bottom, top = scene.extent
        height = min(max(0.75 * _WIDTH * scene.aspect + 0.9, 1.6), 1.6 * _WIDTH)
        drawing = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
        self.canvas: Any = FigureCanvasAgg(drawing)
        axes = drawing.add_subplot()
        label, self.per = self._label()
        low, high = (end * self.per for end in scales.range)
        blank = np.zeros(first.shape, np.float32)
        self.image = scene.image(
            axes, blank, cmap=_map(scales.quantity), vmin=low, vmax=high, interpolation="nearest"
        )
        self.rows, self.columns = evenly(first.shape, _arrows_across(first), scene)
        x, y = np.meshgrid(
            first.x[self.columns] * scene.per_length, first.y[self.rows] * scene.per_length
        )
        reference = scales.vector_scale * scene.per_speed
        zero = np.zeros_like(x)
        self.arrows = axes.quiver(
            x, y, zero, zero, angles="xy", scale=10 * reference, scale_units="width",
            units="inches", width=0.011, headwidth=3.6, headlength=4.2, headaxislength=3.8,
            minlength=0.3,
        )  # fmt: skip
        axes.quiverkey(
            self.arrows, 0.88, 1.04, reference, f"{reference:g} {scene.speed_unit}", labelpos="W",
            coordinates="axes", labelsep=0.06,
        )  # fmt: skip
        bar = drawing.colorbar(self.image, ax=axes, label=label, extend=scales.extend, pad=0.02)
        bar.outline.set_linewidth(0.5)
        axes.set_facecolor(_MASK)
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.set_aspect("equal")
        axes.set_xlabel(f"x ({scene.length})")
        axes.set_ylabel(f"y ({scene.length})")
        self.title = axes.set_title(" ")
        drawing.draw_without_rendering()  # lays out; from now on nothing moves
        drawing.set_layout_engine("none")

    def _label(self) -> tuple[str, float]:
        if self.scales.quantity == "speed":
            name = "displacement" if self.first.units == "px" else "speed"
            return f"{name} ({self.scene.speed_unit})", self.scene.per_speed
        if self.first.units == "px":
            return "vorticity (px/px)", 1.0
        unit, per = per_second(max(map(abs, self.scales.range)))
        return f"vorticity ({unit})", per

    def draw(self, field: VectorField, title: str) -> _Picture:
        first = self.first
        if not (
            field.shape == first.shape
            and field.units == first.units
            and np.array_equal(field.x, first.x)
            and np.array_equal(field.y, first.y)
        ):
            raise InputError("the fields of a film must have one grid and one unit")
        values = field.speed if self.scales.quantity == "speed" else vorticity(field)
        hidden = np.array(values, np.float32) * np.float32(self.per)
        masked = Scene.of(_shown(field)).masked
        self.image.set_data(np.ma.masked_where(masked | ~np.isfinite(hidden), hidden))
        grid = np.ix_(self.rows, self.columns)
        absent = masked[grid]
        u, v = (
            np.ma.masked_where(absent, np.nan_to_num(part[grid]) * self.scene.per_speed)
            for part in (field.u, field.v)
        )
        self.arrows.set_UVC(u, v)
        self.title.set_text(title or " ")
        self.canvas.draw()
        pixels = np.asarray(self.canvas.buffer_rgba())[..., :3]
        height, width = (size // 2 * 2 for size in pixels.shape[:2])  # codecs want even sizes
        return np.ascontiguousarray(pixels[:height, :width])


def _write_mp4(
    pictures: Iterator[_Picture], path: Path, frames_per_second: float, _: Scales
) -> None:
    import cv2

    code = cv2.VideoWriter.fourcc(*"mp4v")
    with replacing_path(path) as part:
        film: Any = None
        try:
            for picture in pictures:
                if film is None:
                    height, width = picture.shape[:2]
                    film = cv2.VideoWriter(str(part), code, frames_per_second, (width, height))
                    if not film.isOpened():
                        raise PIVError(
                            f"cannot write {path}: OpenCV refuses; is the folder writable? A .gif "
                            "needs no codec"
                        )
                film.write(picture[..., ::-1])
        finally:
            if film is not None:
                film.release()
        if not part.exists() or part.stat().st_size == 0:
            raise PIVError(f"cannot write {path}: OpenCV wrote nothing; a .gif needs no codec")
        if not _is_whole(part):  # OpenCV does not tell
            raise StorageError(f"cannot write {path}: the film is not whole; is the disk full?")


def _is_whole(path: Path) -> bool:
    """Whether the boxes of an mp4 fill the file, and its index is among them (ISO 14496-12)."""
    size, place, kinds = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:  # the length follows, in 64 bits
                length = int.from_bytes(file.read(8), "big")
            if length < 8:
                return False
            kinds.add(kind)
            place += length
    return place == size and {b"moov", b"mdat"} <= kinds


def _write_gif(
    pictures: Iterator[_Picture], path: Path, frames_per_second: float, scales: Scales
) -> None:
    from PIL import Image

    palette = _palette(scales.quantity)

    def coded() -> Iterator[Image.Image]:
        for picture in pictures:  # one palette for all: colours mean the same in every frame
            yield Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)

    frames = coded()
    first = next(frames)
    with replacing(path) as file:
        first.save(
            file, format="GIF", save_all=True, append_images=frames, loop=0, optimize=False,
            duration=round(1000 / frames_per_second),
        )  # fmt: skip


def _palette(quantity: Quantity) -> Image.Image:
    """Colours of the map, and greys for letters, arrows and the mask."""
    from matplotlib import colormaps
    from PIL import Image

    coloured = colormaps[_map(quantity)](np.linspace(0, 1, 256 - _GREYS))[:, :3]
    greys = np.repeat(np.linspace(0, 1, _GREYS)[:, None], 3, axis=1)
    colours = (np.concatenate([coloured, greys]) * 255).round().astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.tobytes())
    return palette


def _round_above(value: float) -> float:
    """The least of 1, 2 and 5 times a power of ten that is not below ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{min(n for n in (1, 2, 5, 10) if n * power >= value * (1 - 1e-9)) * power:.3g}")


def _map(quantity: Quantity) -> str:
    return "viridis" if quantity == "speed" else "RdBu_r"


def _limits(values: Float, quantity: Quantity) -> tuple[float, float]:
    if quantity == "vorticity":
        top = float(np.percentile(np.abs(values), 99.5)) or 1.0
        return -top, top
    low, high = np.percentile(values, (0.5, 99.5))
    return widened(0.0 if low < 0.4 * high else float(low), float(high))


def _check(
    fields: Sequence[VectorField],
    quantity: str,
    limits: tuple[float, float] | None,
    vector_scale: float | None,
) -> None:
    if quantity not in QUANTITIES:
        raise InputError(f"the quantity must be {' or '.join(QUANTITIES)}, not {quantity!r}")
    if len(fields) == 0 or fields[0].u.ndim != 2 or min(fields[0].shape) < 2:
        raise InputError("a film needs a sequence of single fields of at least 2 x 2 vectors")
    if limits is not None and not (all(map(math.isfinite, limits)) and limits[0] < limits[1]):
        raise InputError(f"the colour range must be two numbers, low < high, not {limits}")
    if vector_scale is not None and not (math.isfinite(vector_scale) and vector_scale > 0):
        raise InputError(f"the vector scale must be a positive number, not {vector_scale}")


def _arrows_across(field: VectorField) -> int:
    """As many as the width of the axes allows."""
    return max(2, min(field.x.size, int(0.78 * _WIDTH / _ARROW)))


def _shown(field: VectorField) -> VectorField:
    """A field that may have no vector at all, for its extent."""
    if np.isfinite(field.u).any():
        return field
    flags = np.ones_like(field.flags)  # MASKED
    return field.replace(u=np.zeros_like(field.u), v=np.zeros_like(field.v), flags=flags)


def _units_of(scene: Scene) -> dict[str, Any]:
    names = ("length", "per_length", "speed_unit", "per_speed")
    return {name: getattr(scene, name) for name in names}


def _finite(values: Float) -> Float:
    return values[np.isfinite(values)]


def _count(fields: Sequence[VectorField]) -> Iterator[int]:
    return iter(np.arange(len(fields)).tolist())


def _told(pictures: Iterator[_Picture], progress: Callable[[], None]) -> Iterator[_Picture]:
    for picture in pictures:
        yield picture
        progress()
