"""Masks as shapes: what is drawn, imported or found, and the mask array that it makes.  No Qt.

Coordinates are px of the frame: the centre of pixel (0, 0) is (0, 0), x to the right, y down.  A
pixel is masked when its **centre** lies in a shape or on its outline.  Everything is frozen: an
edit is a new :class:`MaskSet`, so that undo is the old one.
"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.types import Bool, Float, size_text

Kind: TypeAlias = Literal[
    "polygon", "rectangle", "ellipse", "freehand",  # masks
    "line", "distance", "polyline", "circle", "reject_box", "region",  # drawn for other ends
]  # fmt: skip
Point: TypeAlias = tuple[float, float]

KINDS: tuple[str, ...] = get_args(Kind)
MASKS = KINDS[:4]
_LEAST = {"polygon": 3, "freehand": 3, "polyline": 2}  # points; all others have two
FOUND = "found"  # name of the shapes that the program has found
LARGEST_MARGIN = 100  # px that a shape may be grown or shrunk by
_TOUCHES = 1e-9  # px; a centre so near to an outline lies on it


@dataclass(frozen=True, slots=True)
class Shape:
    """What was drawn on the canvas: one shape of a mask, or a line, circle or box for another end.

    Parameters
    ----------
    kind : str
        Of masks: ``polygon``, ``rectangle``, ``ellipse``, ``freehand``.  Else ``line``,
        ``distance`` (two ends), ``polyline``, ``circle`` (centre, a point of the rim),
        ``reject_box``, ``region`` (two opposite corners).
    points : tuple of (x, y), px
        Polygon and free-hand line: the corners, closed by itself; everything that the line goes
        round is inside, also where it crosses itself.  Rectangle: two opposite corners.  Ellipse:
        two opposite corners of the upright rectangle around it.
    subtract : bool
        Take the shape out of what lies under it instead of adding it.
    name : str
    margin : int
        Px by which the shape is grown (positive) or shrunk (negative), in every direction alike.

    Raises
    ------
    InputError
        If the kind is unknown, the points are too few or not finite, or the margin is too large.
    """

    kind: Kind
    points: tuple[Point, ...]
    subtract: bool = False
    name: str = ""
    margin: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"a shape is one of {', '.join(KINDS)}, not {self.kind!r}")
        try:
            points = tuple((float(x), float(y)) for x, y in self.points)
        except (TypeError, ValueError):
            raise InputError(
                f"the points of a mask shape are (x, y), not {self.points!r}"
            ) from None
        object.__setattr__(self, "points", points)
        least = _LEAST.get(self.kind)
        if len(points) != 2 if least is None else len(points) < least:
            wanted = "two points" if least is None else f"at least {least} points"
            raise InputError(f"a {self.kind} needs {wanted}, not {len(points)}")
        if not all(math.isfinite(value) for point in points for value in point):
            raise InputError(f"the points of the {self.kind} are not finite")
        if not isinstance(self.margin, int) or abs(self.margin) > LARGEST_MARGIN:
            raise InputError(
                f"a shape grows or shrinks by at most {LARGEST_MARGIN} px, not {self.margin!r}"
            )

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the shape as drawn, without its margin; px."""
        x, y = zip(*self.points, strict=True)
        return min(x), min(y), max(x), max(y)

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in the shape as drawn, or on its outline."""
        moved = replace(self, margin=0, points=tuple((a - x, b - y) for a, b in self.points))
        return bool(rasterise(moved, (1, 1))[0, 0])

    def moved(self, dx: float, dy: float) -> Shape:
        """The same shape elsewhere."""
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


def outline(shape: Shape, count: int = 90) -> Float:
    """Closed outline of a shape as drawn, for painting: (n, 2) array of (x, y), px.

    An ellipse has ``count`` points.
    """
    left, top, right, bottom = shape.box
    if shape.kind == "rectangle":
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        return np.asarray(corners, np.float64)
    if shape.kind == "ellipse":
        angle = np.linspace(0, 2 * np.pi, count + 1)
        x = (left + right) / 2 + (right - left) / 2 * np.cos(angle)
        y = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angle)
        return np.stack([x, y], axis=1)
    return np.asarray([*shape.points, shape.points[0]], np.float64)


def rasterise(shape: Shape, size: tuple[int, int]) -> Bool:
    """Pixels whose centres lie in a shape, or on its outline.

    Parameters
    ----------
    shape : Shape
    size : (int, int)
        (H, W) of the frame, px.

    Returns
    -------
    bool array, shape (H, W)

    Raises
    ------
    InputError
        If the shape is a line, or drawn for another end than a mask.
    """
    found = np.zeros(size, bool)
    rows, columns, part = _local(shape, size)
    found[rows, columns] = part
    return found


def grow(mask: Bool, margin: int) -> Bool:
    """Grow (positive) or shrink (negative) a mask by a number of px, in every direction alike.

    Grown: every pixel whose centre is at most ``margin`` px from a masked one's.  Shrunk: what is
    not within that distance of a free one; the frame's edge does not eat into a mask that
    touches it.

    Parameters
    ----------
    mask : bool array, shape (H, W)
    margin : int

    Returns
    -------
    bool array, shape (H, W)
    """
    if margin == 0 or not mask.any():
        return mask.copy()
    if margin < 0:
        return ~grow(~mask, -margin) if not mask.all() else mask.copy()
    height, width = mask.shape
    rows, columns = np.nonzero(mask & ~_inner(mask))
    # discs around the border pixels, as differences along the rows: one sum fills them all
    steps = np.zeros((height, width + 1), np.int16)  # a pixel lies in at most pi margin^2 discs
    for dy in range(-margin, margin + 1):
        half = math.isqrt(margin * margin - dy * dy)
        inside = (rows + dy >= 0) & (rows + dy < height)
        row, column = rows[inside] + dy, columns[inside]
        np.add.at(steps, (row, np.maximum(column - half, 0)), np.int16(1))
        np.add.at(steps, (row, np.minimum(column + half + 1, width)), np.int16(-1))
    np.cumsum(steps, axis=1, dtype=np.int16, out=steps)
    return np.asarray((steps[:, :width] != 0) | mask)


def _inner(mask: Bool) -> Bool:
    """Masked pixels whose four neighbours are masked too (or outside the frame)."""
    around = np.pad(mask, 1, constant_values=True)
    return np.asarray(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])


def _local(shape: Shape, size: tuple[int, int]) -> tuple[slice, slice, Bool]:
    """Rows and columns of the frame that a shape can reach, and the mask there."""
    if shape.kind not in MASKS:
        raise InputError(f"a mask shape is one of {', '.join(MASKS)}, not {shape.kind}")
    height, width = size
    left, top, right, bottom = shape.box
    reach = max(shape.margin, 0)
    # what is far outside the frame must not cost memory; what is near it counts for the margin
    extra = abs(shape.margin) + 1
    columns = _span(left - reach, right + reach, -extra, width + extra)
    rows = _span(top - reach, bottom + reach, -extra, height + extra)
    part = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), bool)
    if part.size:
        _draw(shape, part, columns[0], rows[0])
        if shape.margin < 0:  # the shape itself ends here, not the frame: nothing protects it
            part = grow(np.pad(part, 1), shape.margin)[1:-1, 1:-1]
        elif shape.margin > 0:
            part = grow(part, shape.margin)
    top_cut, left_cut = max(-rows[0], 0), max(-columns[0], 0)
    bottom_cut, right_cut = min(rows[1], height), min(columns[1], width)
    part = part[
        top_cut : max(bottom_cut - rows[0], top_cut),
        left_cut : max(right_cut - columns[0], left_cut),
    ]
    row, column = rows[0] + top_cut, columns[0] + left_cut
    return slice(row, row + part.shape[0]), slice(column, column + part.shape[1]), part


def _span(low: float, high: float, least: int, most: int) -> tuple[int, int]:
    """First pixel and the one after the last between two coordinates, within limits."""
    first = int(min(max(math.ceil(low - _TOUCHES), least), most))
    last = int(min(max(math.floor(high + _TOUCHES) + 1, first), most))
    return first, max(first, last)


def _draw(shape: Shape, part: Bool, left: int, top: int) -> None:
    """Fill the part of the frame whose first pixel is (left, top)."""
    x = np.arange(part.shape[1], dtype=np.float64) + left
    y = np.arange(part.shape[0], dtype=np.float64) + top
    x0, y0, x1, y1 = shape.box
    if shape.kind == "rectangle":
        wide = (x >= x0 - _TOUCHES) & (x <= x1 + _TOUCHES)
        high = (y >= y0 - _TOUCHES) & (y <= y1 + _TOUCHES)
        part[:] = high[:, None] & wide[None, :]
    elif shape.kind == "ellipse":
        # an ellipse without height or width is a line
        a, b = (x1 - x0) / 2, max((y1 - y0) / 2, _TOUCHES)
        share = 1 - ((y - (y0 + y1) / 2) / b) ** 2
        half = a * np.sqrt(np.maximum(share, 0))
        middle = (x0 + x1) / 2 - left
        starts = np.ceil(middle - half - _TOUCHES).clip(0, part.shape[1]).astype(np.int64)
        stops = (np.floor(middle + half + _TOUCHES) + 1).clip(0, part.shape[1]).astype(np.int64)
        for row in np.flatnonzero(share >= -_TOUCHES):
            part[row, starts[row] : stops[row]] = True
    else:
        corners = np.asarray(shape.points, np.float64) - (left, top)
        _draw_polygon(corners, part)


def _draw_polygon(corners: Float, part: Bool) -> None:
    """Non-zero winding numbers, row by row, and the pixels on the outline."""
    height, width = part.shape
    begin, end = corners, np.roll(corners, -1, axis=0)
    turn = np.where(end[:, 1] > begin[:, 1], 1, -1)
    upper = np.where((turn > 0)[:, None], begin, end)
    lower = np.where((turn > 0)[:, None], end, begin)
    # each edge crosses the rows upper <= y < lower (half open: a corner is not counted twice)
    first = np.clip(np.ceil(upper[:, 1] - _TOUCHES), 0, height).astype(np.int64)
    last = np.clip(np.ceil(lower[:, 1] - _TOUCHES), 0, height).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(corners)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    rise = lower[edge, 1] - upper[edge, 1]
    share = np.divide(row - upper[edge, 1], rise, out=np.zeros(len(row)), where=rise > 0)
    x = upper[edge, 0] + np.clip(share, 0, 1) * (lower[edge, 0] - upper[edge, 0])
    order = np.lexsort((x, row))
    winding = np.cumsum(turn[edge][order])  # zero again at the end of every row
    starts = np.flatnonzero(winding != 0)
    starts = starts[(starts == 0) | (winding[starts - 1] == 0)]
    stops = np.flatnonzero(winding == 0)
    stops = stops[winding[stops - 1] != 0]
    first_inside = np.clip(np.ceil(x[order][starts] - _TOUCHES), 0, width).astype(np.int64)
    after = np.clip(np.floor(x[order][stops] + _TOUCHES) + 1, 0, width).astype(np.int64)
    for at, start, stop in zip(row[order][starts], first_inside, after, strict=True):
        part[at, start:stop] = True
    # centres on the outline: on slanted edges, at corners, along level edges
    whole = np.rint(x)
    on = (np.abs(whole - x) <= _TOUCHES) & (whole >= 0) & (whole < width)
    part[row[on], whole[on].astype(np.int64)] = True
    for (x0, y0), (x1, y1) in zip(begin, end, strict=True):
        level = round(y0)
        if abs(y1 - y0) <= _TOUCHES and abs(level - y0) <= _TOUCHES and 0 <= level < height:
            start, stop = _span(min(x0, x1), max(x0, x1), 0, width)
            part[level, start:stop] = True
    whole_corners = np.rint(corners)
    on = (np.abs(whole_corners - corners) <= _TOUCHES).all(axis=1)
    for column_at, row_at in whole_corners[on].astype(np.int64):
        if 0 <= row_at < height and 0 <= column_at < width:
            part[row_at, column_at] = True


@dataclass(frozen=True, eq=False)
class ImportedMask:
    """A mask that came as an image, True = not fluid.

    Parameters
    ----------
    array : bool array, shape (H, W)
    name : str
        The file that it came from, for the list of shapes.
    margin : int
        As of :class:`Shape`.
    """

    array: Bool
    name: str = ""
    margin: int = 0

    def __post_init__(self) -> None:
        array = np.array(self.array, bool)
        if array.ndim != 2:
            raise InputError(f"a mask is a 2-D image, not {size_text(array.shape) or 'one value'}")
        array.flags.writeable = False
        object.__setattr__(self, "array", array)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ImportedMask)
            and (self.name, self.margin) == (other.name, other.margin)
            and np.array_equal(self.array, other.array)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.margin, self.array.shape))

    def mask(self) -> Bool:
        """The mask with its margin: bool array, shape (H, W)."""
        return grow(self.array, self.margin) if self.margin else self.array

    def to_plain(self) -> dict[str, Any]:
        """Plain data: the pixels as packed bits, deflated, in base 64."""
        packed = zlib.compress(np.packbits(self.array).tobytes(), 6)
        return {
            "name": self.name,
            "margin": self.margin,
            "shape": list(self.array.shape),
            "pixels": base64.b64encode(packed).decode("ascii"),
            "sha256": hashlib.sha256(packed).hexdigest(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ImportedMask:
        """The inverse of :meth:`to_plain`.

        Raises
        ------
        InputError
            If the data is damaged.
        """
        try:
            height, width = (int(n) for n in plain["shape"])
            packed = base64.b64decode(plain["pixels"], validate=True)
            if hashlib.sha256(packed).hexdigest() != plain["sha256"]:
                raise ValueError("checksum")
            bits = np.frombuffer(zlib.decompress(packed), np.uint8)
            if bits.size != -(-height * width // 8):
                raise ValueError("size")
            array = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
            return cls(array, str(plain.get("name", "")), int(plain.get("margin", 0)))
        except (KeyError, TypeError, ValueError, zlib.error):
            raise InputError("the stored mask image is damaged: import it again") from None


def _nothing() -> Mapping[int, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class MaskSet:
    """All masks of a session: for all pairs, for single pairs, and imported ones.

    Applied in this order: the image imported for all pairs (or, if the pair has one, its own
    instead), the shapes for all pairs, the pair's own shapes; a shape that subtracts takes out
    what was there before it.

    Parameters
    ----------
    shapes : tuple of Shape
        For all pairs.
    per_pair : mapping of int to tuple of Shape
        Further shapes of single pairs, by index.
    imported : ImportedMask or None
    imported_per_pair : mapping of int to ImportedMask
    """

    shapes: tuple[Shape, ...] = ()
    per_pair: Mapping[int, tuple[Shape, ...]] = field(default_factory=_nothing)
    imported: ImportedMask | None = None
    imported_per_pair: Mapping[int, ImportedMask] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapes", tuple(self.shapes))
        own = {int(index): tuple(shapes) for index, shapes in self.per_pair.items() if shapes}
        object.__setattr__(self, "per_pair", MappingProxyType(dict(sorted(own.items()))))
        images = {int(index): image for index, image in self.imported_per_pair.items()}
        object.__setattr__(self, "imported_per_pair", MappingProxyType(images))

    def __bool__(self) -> bool:
        return bool(self.shapes or self.per_pair or self.imported or self.imported_per_pair)

    def __hash__(self) -> int:
        return hash((self.shapes, tuple(self.per_pair.items()), self.imported))

    def shapes_of(self, index: int) -> tuple[Shape, ...]:
        """All shapes that a pair sees: those for all pairs, then its own."""
        return self.shapes + self.per_pair.get(index, ())

    def imported_of(self, index: int) -> ImportedMask | None:
        """The imported image that a pair sees: its own, else that for all pairs."""
        return self.imported_per_pair.get(index, self.imported)

    def is_shared(self, number: int) -> bool:
        """Whether shape ``number`` of :meth:`shapes_of` is one for all pairs."""
        return number < len(self.shapes)

    def rasterise(self, index: int, size: tuple[int, int]) -> Bool | None:
        """The mask of a pair.

        Parameters
        ----------
        index : int
        size : (int, int)
            (H, W) of its frames, px.

        Returns
        -------
        bool array, shape (H, W), or None
            True = not fluid; None if nothing is masked.

        Raises
        ------
        InputError
            If the imported image has another size.
        """
        found = np.zeros(size, bool)
        image = self.imported_of(index)
        if image is not None:
            if image.array.shape != tuple(size):
                raise InputError(
                    f"the imported mask {image.name} is {size_text(image.array.shape)} px, but the "
                    f"frames are {size_text(size)} px (height x width): remove it, or import "
                    "another"
                )
            found |= image.mask()
        for shape in self.shapes_of(index):
            rows, columns, part = _local(shape, size)
            if shape.subtract:
                found[rows, columns] &= ~part
            else:
                found[rows, columns] |= part
        return found if found.any() else None

    def added(self, shapes: Sequence[Shape], index: int | None = None) -> MaskSet:
        """With further shapes, for all pairs (None) or for one."""
        if index is None:
            return replace(self, shapes=(*self.shapes, *shapes))
        return self._with_own(index, (*self.per_pair.get(index, ()), *shapes))

    def found(self, shapes: Sequence[Shape], index: int | None = None) -> MaskSet:
        """With what was found now, in place of what was found before, for all pairs or for one."""
        if index is None:
            kept = tuple(shape for shape in self.shapes if shape.name != FOUND)
            return replace(self, shapes=(*kept, *shapes))
        own = self.per_pair.get(index, ())
        return self._with_own(index, (*(s for s in own if s.name != FOUND), *shapes))

    def changed(self, number: int, shape: Shape, index: int) -> MaskSet:
        """With another shape in place of ``number`` of those that pair ``index`` sees.

        Raises
        ------
        InputError
            If there is no such shape.
        """
        return self._edited(number, (shape,), index)

    def removed(self, number: int, index: int) -> MaskSet:
        """Without shape ``number`` of those that pair ``index`` sees.

        Raises
        ------
        InputError
            If there is no such shape.
        """
        return self._edited(number, (), index)

    def shared(self, number: int, index: int, *, everywhere: bool) -> MaskSet:
        """With a shape moved to those for all pairs, or to those of pair ``index`` alone.

        Raises
        ------
        InputError
            If there is no such shape.
        """
        if self.is_shared(number) == everywhere:
            return self
        shape = self._shape(number, index)
        return self.removed(number, index).added([shape], None if everywhere else index)

    def grown(self, step: int, index: int, number: int | None = None) -> MaskSet:
        """With one shape, or (None) all that pair ``index`` sees, grown or shrunk by ``step`` px.

        Raises
        ------
        InputError
            If there is no such shape, or the margin would become too large.
        """
        result = self
        numbers = range(len(self.shapes_of(index))) if number is None else (number,)
        for each in numbers:
            shape = result._shape(each, index)
            result = result.changed(each, replace(shape, margin=shape.margin + step), index)
        image = result.imported_of(index)
        if number is None and image is not None:
            larger = replace(image, margin=image.margin + step)
            result = result.with_imported(
                larger, index if index in result.imported_per_pair else None
            )
        return result

    def with_imported(self, image: ImportedMask | None, index: int | None = None) -> MaskSet:
        """With another imported image (None: without it), for all pairs (None) or for one."""
        if index is None:
            return replace(self, imported=image)
        images = dict(self.imported_per_pair)
        if image is None:
            images.pop(index, None)
        else:
            images[index] = image
        return replace(self, imported_per_pair=images)

    def without(self, index: int | None = None) -> MaskSet:
        """Without everything (None), or without what only pair ``index`` has."""
        if index is None:
            return MaskSet()
        return self._with_own(index, ()).with_imported(None, index)

    def to_plain(self) -> dict[str, Any]:
        """Plain data for a session file."""
        return {
            "shapes": [_plain(shape) for shape in self.shapes],
            "per_pair": {
                str(index): [_plain(shape) for shape in shapes]
                for index, shapes in self.per_pair.items()
            },
            "imported": None if self.imported is None else self.imported.to_plain(),
            "imported_per_pair": {
                str(index): image.to_plain() for index, image in self.imported_per_pair.items()
            },
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> MaskSet:
        """The inverse of :meth:`to_plain`.

        Raises
        ------
        InputError
            If the data is damaged.
        """
        try:
            imported = plain.get("imported")
            return cls(
                tuple(_shape(each) for each in plain.get("shapes", ())),
                {
                    int(index): tuple(_shape(each) for each in shapes)
                    for index, shapes in plain.get("per_pair", {}).items()
                },
                None if imported is None else ImportedMask.from_plain(imported),
                {
                    int(index): ImportedMask.from_plain(image)
                    for index, image in plain.get("imported_per_pair", {}).items()
                },
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("the stored masks are damaged: draw them again") from None

    def _shape(self, number: int, index: int) -> Shape:
        shapes = self.shapes_of(index)
        if not 0 <= number < len(shapes):
            raise InputError(f"there is no mask shape {number + 1}: the pair has {len(shapes)}")
        return shapes[number]

    def _edited(self, number: int, new: tuple[Shape, ...], index: int) -> MaskSet:
        self._shape(number, index)
        if self.is_shared(number):
            return replace(self, shapes=_spliced(self.shapes, number, new))
        own = self.per_pair.get(index, ())
        return self._with_own(index, _spliced(own, number - len(self.shapes), new))

    def _with_own(self, index: int, shapes: tuple[Shape, ...]) -> MaskSet:
        return replace(self, per_pair={**self.per_pair, index: shapes})


def _spliced(shapes: tuple[Shape, ...], number: int, new: tuple[Shape, ...]) -> tuple[Shape, ...]:
    return shapes[:number] + new + shapes[number + 1 :]


def _plain(shape: Shape) -> dict[str, Any]:
    return {
        "kind": shape.kind,
        "points": [list(point) for point in shape.points],
        "subtract": shape.subtract,
        "name": shape.name,
        "margin": shape.margin,
    }


def _shape(plain: Mapping[str, Any]) -> Shape:
    return Shape(
        plain["kind"],
        tuple((x, y) for x, y in plain["points"]),
        bool(plain.get("subtract", False)),
        str(plain.get("name", "")),
        int(plain.get("margin", 0)),
    )


def as_image(mask: Bool) -> npt.NDArray[np.uint8]:
    """A mask as image files hold it: 255 = masked, 0 = fluid."""
    return np.where(mask, np.uint8(255), np.uint8(0))
