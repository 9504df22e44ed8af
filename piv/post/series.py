"""A series of fields, from whatever holds one, and which of its vectors count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from piv.errors import InputError
from piv.post.arguments import checked
from piv.types import Bool, Flag, Float, VectorField

if TYPE_CHECKING:
    import xarray

Series: TypeAlias = "Iterable[VectorField] | VectorField | xarray.Dataset"
Progress: TypeAlias = Callable[[], None]

#: Vectors with one of these flags were not measured: they are left out of every statistic.
EXCLUDED = Flag.MASKED | Flag.REPLACED | Flag.FALLBACK


@checked
def fields_of(series: Series) -> Iterator[VectorField]:
    """The single fields of a series, one at a time.

    Parameters
    ----------
    series : iterable of VectorField, VectorField or xarray.Dataset
        ``piv.open_results(...)``, a list, a generator; one field or a stack of them (leading axes
        are the series); or a data set as :meth:`piv.VectorField.to_xarray` and
        ``piv.open_results(...).to_xarray()`` give it, which is read field by field.

    Yields
    ------
    VectorField
        With ``u`` of shape (Ny, Nx), all on one grid, in one unit.

    Raises
    ------
    InputError
        If it is no series, or grid, unit or direction of y change on the way.
    """
    first: VectorField | None = None
    for number, field in enumerate(_single(series)):
        if first is None:
            first = field
        else:
            check_same(first, field, number)
        yield field


def check_repeatable(series: Series, what: str) -> None:
    """Refuse what can be read only once.

    Raises
    ------
    InputError
        If it is a generator or another iterator.
    """
    if isinstance(series, Iterator):
        raise InputError(
            f"{what} reads the series more than once, and this is an iterator: give a list of "
            "fields or piv.open_results(file)"
        )


@checked
def usable(field: VectorField, exclude: Flag | int = EXCLUDED) -> Bool:
    """True where both components have a value and no flag of the rule.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    exclude : Flag
        Bits of which none may be set; 0 takes every finite vector.
    """
    finite = np.isfinite(field.u) & np.isfinite(field.v)
    if exclude:
        finite &= (field.flags & np.uint16(int(exclude))) == 0
    return np.asarray(finite)


def upward_v(field: VectorField) -> Float:
    """The second component, for axes with x right and y up, whatever the field's own are."""
    return field.v if field.y_axis == "up" else -field.v


def done(progress: Progress | None) -> None:
    """Tell that one field has been read."""
    if progress is not None:
        progress()


def spacing(coordinates: Float, axis: str) -> float:
    """Distance of grid points that are evenly spaced.

    Raises
    ------
    InputError
        If they are not, or if there is only one.
    """
    steps = np.diff(np.asarray(coordinates, np.float64))
    if steps.size == 0:
        raise InputError(f"the field has only one vector along {axis}: at least two are needed")
    step = float(np.abs(steps).mean())
    if not np.allclose(np.abs(steps), step, rtol=1e-3, atol=0):
        raise InputError(
            f"this needs an evenly spaced grid, and along {axis} the distances differ "
            f"({np.abs(steps).min():.6g} to {np.abs(steps).max():.6g})"
        )
    return step


def axis_number(axis: str) -> int:
    """-1 for ``x``, -2 for ``y``.

    Raises
    ------
    InputError
        If it is another word.
    """
    if axis not in ("x", "y"):
        raise InputError(f"the axis must be 'x' or 'y', not {axis!r}")
    return -1 if axis == "x" else -2


def axis_spacing(field: VectorField, axis: str) -> float:
    """Distance of the vectors along ``x`` or ``y``."""
    axis_number(axis)
    return spacing(getattr(field, axis), axis)


def _single(series: Series) -> Iterator[VectorField]:
    if isinstance(series, VectorField):
        yield from _slices(series)
    elif hasattr(series, "data_vars"):
        yield from _of_dataset(series)
    elif isinstance(series, Iterable):
        for field in series:
            if not isinstance(field, VectorField):
                raise InputError(
                    f"a series is made of vector fields, not of {type(field).__name__}"
                )
            yield from _slices(field)
    else:
        raise InputError(f"a series of fields is needed, not {type(series).__name__}")


def _slices(field: VectorField) -> Iterator[VectorField]:
    if field.u.ndim == 2:
        yield field
        return
    for index in np.ndindex(field.shape[:-2]):
        part: dict[str, Any] = {"extra": {name: a[index] for name, a in field.extra.items()}}
        for name in ("u", "v", "flags", "uncertainty_u", "uncertainty_v"):
            values = getattr(field, name)
            part[name] = None if values is None else values[index]
        yield field.replace(**part)


def _of_dataset(dataset: Any) -> Iterator[VectorField]:
    leading = dataset["u"].dims[:-2]
    for index in np.ndindex(*(dataset.sizes[name] for name in leading)):
        one = dataset.isel(dict(zip(leading, index, strict=True)))
        yield VectorField.from_xarray(one)


def check_same(first: VectorField, field: VectorField, number: int) -> None:
    """Refuse a field that is not of the series of the first one.

    Raises
    ------
    InputError
        If grid, unit, direction of y or having an uncertainty differ.
    """
    if field.shape[-2:] != first.shape[-2:] or not (
        np.allclose(field.x, first.x) and np.allclose(field.y, first.y)
    ):
        raise InputError(
            f"field {number} of the series lies on another grid than the first one: statistics "
            "need one grid for all"
        )
    if (field.units, field.y_axis) != (first.units, first.y_axis):
        raise InputError(
            f"field {number} of the series is in {field.units} with y {field.y_axis}, the first "
            f"one in {first.units} with y {first.y_axis}: calibrate all or none"
        )
    if (field.uncertainty_u is None) != (first.uncertainty_u is None):
        raise InputError(
            f"field {number} of the series {'lacks' if field.uncertainty_u is None else 'has'} "
            "an uncertainty, unlike the first one"
        )
