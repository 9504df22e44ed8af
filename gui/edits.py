"""What a user has rejected, as flags: the values of a dense field stay, only its flags change.

The coarse field is judged and filled again in a computing process, see
:mod:`gui.compute.tasks.validate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gui.state import Box, FieldEdits, Stage
from piv.types import Bool, Flag, Float, VectorField

#: vectors with these flags are left out of maps, profiles and statistics, unless they were replaced
LEFT_OUT = Flag.MASKED | Flag.MANUAL | Flag.OUT_OF_RANGE


def rejected_by_hand(field: VectorField, stage: Stage, edits: FieldEdits) -> Bool:
    """True where a vector was rejected one by one or in a box.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
        In px.
    stage : "coarse" or "dense"
    edits : FieldEdits

    Returns
    -------
    bool array, shape (Ny, Nx)
        Indices outside the grid are ignored.
    """
    found = np.zeros(field.u.shape, bool)
    rows, columns = field.y.size, field.x.size
    for row, column in edits.rejected(stage):
        if 0 <= row < rows and 0 <= column < columns:
            found[row, column] = True
    for box in edits.boxes:
        if box.stage == stage:
            found[inside(field, box)] = True
    return found


def inside(field: VectorField, box: Box) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Index of all vectors of a field (px) in a box, edges included."""
    rows = np.flatnonzero((field.y >= box.top) & (field.y <= box.bottom))
    columns = np.flatnonzero((field.x >= box.left) & (field.x <= box.right))
    return rows[:, None], columns[None, :]


def outside_limits(u: Float, v: Float, corners: Sequence[tuple[float, float]]) -> Bool:
    """True where (u, v) lies outside a polygon in the plane of both; nowhere without one.

    Parameters
    ----------
    u, v : array
        Vectors without a value (NaN) are not outside.
    corners : sequence of (u, v)
        Under three are no polygon.  What lies on an edge may be either.
    """
    if len(corners) < 3:
        return np.zeros(u.shape, bool)
    within = np.zeros(u.shape, bool)
    for (u0, v0), (u1, v1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if v0 != v1:
            crosses = (v0 > v) != (v1 > v)
            within ^= crosses & (u < u0 + (v - v0) * ((u1 - u0) / (v1 - v0)))
    return ~within & np.isfinite(u) & np.isfinite(v)


def edited_dense(field: VectorField, edits: FieldEdits) -> VectorField:
    """The dense field with what was rejected flagged; values stay.

    ``MANUAL`` where a vector was rejected by hand, ``OUT_OF_RANGE`` outside the limits and beyond
    the largest displacement of the thresholds.
    """
    flags = np.array(field.flags, np.uint16)
    alive = (flags & int(Flag.MASKED)) == 0
    flags[rejected_by_hand(field, "dense", edits) & alive] |= np.uint16(int(Flag.MANUAL))
    far = outside_limits(field.u, field.v, edits.limits)
    if edits.validate is not None:
        flags[alive] &= np.uint16(0xFFFF & ~int(Flag.OUT_OF_RANGE))
        if edits.validate.largest > 0:
            far |= np.hypot(field.u, field.v) > edits.validate.largest
    flags[far & alive] |= np.uint16(int(Flag.OUT_OF_RANGE))
    return field.replace(flags=flags)


def left_out(field: VectorField) -> Bool:
    """True where a vector is not to be used: masked, or rejected and not replaced."""
    flags = field.flags
    rejected = (flags & int(LEFT_OUT)) != 0
    replaced = ((flags & int(Flag.REPLACED)) != 0) & ((flags & int(Flag.MASKED)) == 0)
    return np.asarray(rejected & ~replaced)
