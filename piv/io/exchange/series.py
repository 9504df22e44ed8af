"""What is exported and how vectors are told apart outside: the parts that all formats share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.types import Bool, Flag, Float, Units, VectorField, YAxis, check_dt

Kinds: TypeAlias = npt.NDArray[np.int8]

MEASURED, REPLACED, MASKED, REJECTED = 1, 2, 0, -1
"""Kinds of vectors that other programs know: with a value of its own, with a value that was put
there, not fluid, without a value."""

_KIND_FLAGS = {
    MEASURED: Flag(0),
    REPLACED: Flag.REPLACED,
    MASKED: Flag.MASKED,
    REJECTED: Flag.MEDIAN_OUTLIER,
}


@dataclass(frozen=True, eq=False, slots=True)
class Fields:
    """Fields on one grid, in order; they are read when they are used.

    Parameters
    ----------
    items : sequence of VectorField, shape (Ny, Nx) each
        At least one.
    pairs : sequence of int
        Index of each in its source.
    time : float array, shape (N,), or None
        Of each, s.
    source : str
        Name of the file that they come from.
    """

    items: Sequence[VectorField]
    pairs: Sequence[int]
    time: Float | None = None
    source: str = ""

    @classmethod
    def of(cls, field: VectorField) -> Fields:
        """A field, or a series of shape (N, Ny, Nx), as it is in memory.

        Raises
        ------
        InputError
            If it has more leading axes, or is empty.
        """
        if field.u.ndim not in (2, 3) or field.u.size == 0:
            raise InputError(
                f"a field (Ny, Nx) or a series (N, Ny, Nx) is exported, not one of shape "
                f"{field.shape}"
            )
        items = [field] if field.u.ndim == 2 else [_part(field, n) for n in range(len(field.u))]
        return cls(items, range(len(items)))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> VectorField:
        return self.items[number]

    def __iter__(self) -> Iterator[VectorField]:
        for number in range(len(self.items)):
            yield self.items[number]


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user says of a file that does not say it itself; None = not said.

    Raises
    ------
    InputError
        If a value is impossible.
    """

    units: Units | None = None
    y_axis: YAxis | None = None
    dt: float | None = None

    def __post_init__(self) -> None:
        if self.units not in (None, "px", "m/s") or self.y_axis not in (None, "down", "up"):
            raise InputError(
                f"units must be px or m/s and y_axis down or up, not {self.units}, {self.y_axis}"
            )
        if self.dt is not None:
            check_dt(self.dt)

    def chosen(
        self, units: str | None = None, y_axis: str | None = None, dt: float | None = None
    ) -> tuple[Units, YAxis, float]:
        """What holds: said by the user, else by the file (the arguments), else by convention.

        The convention is px; y down in px, up in m/s; and a dt of 1 s.

        Raises
        ------
        InputError
            If the file says something else than px or m/s, down or up, a positive time.
        """
        said = Hints(cast(Units, units), cast(YAxis, y_axis), dt)
        unit = self.units or said.units or "px"
        axis = self.y_axis or said.y_axis or ("down" if unit == "px" else "up")
        return unit, axis, self.dt or said.dt or 1.0


def thinned(field: VectorField, stride: int) -> VectorField:
    """Every n-th vector along both axes."""
    if stride == 1:
        return field
    cells = np.s_[..., ::stride, ::stride]

    def fewer(values: Any) -> Any:
        return None if values is None else values[cells]

    return field.replace(
        x=field.x[::stride],
        y=field.y[::stride],
        u=fewer(field.u),
        v=fewer(field.v),
        flags=fewer(field.flags),
        uncertainty_u=fewer(field.uncertainty_u),
        uncertainty_v=fewer(field.uncertainty_v),
        extra={name: fewer(values) for name, values in field.extra.items()},
    )


def kinds_of(field: VectorField) -> Kinds:
    """MEASURED, REPLACED (also FALLBACK), MASKED or REJECTED (no value) for each vector."""
    kinds = np.full(field.shape, MEASURED, np.int8)
    kinds[(field.flags & int(Flag.REPLACED | Flag.FALLBACK)) != 0] = REPLACED
    kinds[~(np.isfinite(field.u) & np.isfinite(field.v))] = REJECTED
    kinds[(field.flags & int(Flag.MASKED)) != 0] = MASKED
    return kinds


def choice_of(field: VectorField) -> Kinds:
    """``chc``: 1 = a measurement, 0 = anything else."""
    return (kinds_of(field) == MEASURED).astype(np.int8)


def kinds_of_choice(choice: npt.NDArray[Any], u: Float, v: Float) -> Kinds:
    """The kinds that belong to ``chc``: above zero a measurement, else a value was put there.

    A vector that does not count and is zero or not finite has no value: MASKED.
    """
    known = np.isfinite(u) & np.isfinite(v)
    kinds = np.where(known & ((u != 0) | (v != 0)), REPLACED, MASKED).astype(np.int8)
    kinds[choice > 0] = MEASURED
    kinds[(choice > 0) & ~known] = REJECTED
    return kinds


def with_kinds(kinds: Kinds, u: Any, v: Any) -> dict[str, Any]:
    """``u``, ``v`` (float32) and ``flags`` of vectors of these kinds; NaN where there is none."""
    empty: Bool = (kinds == MASKED) | (kinds == REJECTED)
    flags = np.zeros(kinds.shape, np.uint16)
    for kind, flag in _KIND_FLAGS.items():
        flags[kinds == kind] = int(flag)
    return {
        "u": np.where(empty, np.nan, u).astype(np.float32),
        "v": np.where(empty, np.nan, v).astype(np.float32),
        "flags": flags,
    }


def stacked(fields: Sequence[VectorField]) -> VectorField:
    """One field, or a series (N, Ny, Nx) of several on the same grid.

    Raises
    ------
    InputError
        If the grids or units differ.
    """
    first = fields[0]
    if len(fields) == 1:
        return first
    for field in fields:
        check_alike(first, field)
    names = ("u", "v", "flags", "uncertainty_u", "uncertainty_v")
    arrays = {
        name: None
        if any(getattr(field, name) is None for field in fields)
        else np.stack([getattr(field, name) for field in fields])
        for name in names
    }
    shared = [name for name in first.extra if all(name in field.extra for field in fields)]
    return first.replace(
        **arrays,
        extra={name: np.stack([field.extra[name] for field in fields]) for name in shared},
        attrs=common_record(fields),
    )


def check_alike(first: VectorField, other: VectorField) -> None:
    """Refuse fields of one series that differ in grid or units.

    Raises
    ------
    InputError
    """
    same = (
        first.units == other.units
        and first.y_axis == other.y_axis
        and np.array_equal(first.x, other.x)
        and np.array_equal(first.y, other.y)
    )
    if not same:
        raise InputError("the fields of a series must have one grid and one unit")


def common_record(fields: Sequence[VectorField]) -> dict[str, Any]:
    """What is known of the first and of the last field alike."""
    first, last = fields[0].attrs, fields[-1].attrs
    if len(fields) == 1:
        return dict(first)
    return {key: value for key, value in first.items() if key in last and last[key] == value}


def _part(field: VectorField, number: int) -> VectorField:
    def one(values: Any) -> Any:
        return None if values is None else values[number]

    return field.replace(
        u=field.u[number],
        v=field.v[number],
        flags=field.flags[number],
        uncertainty_u=one(field.uncertainty_u),
        uncertainty_v=one(field.uncertainty_v),
        extra={name: values[number] for name, values in field.extra.items()},
    )
