"""A series as rows of fluctuations, read in blocks, and modes as fields again.

A row holds u, then v, of every point that counts; components are those of the fields' own axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.series import (
    EXCLUDED,
    Progress,
    Series,
    check_repeatable,
    done,
    fields_of,
    usable,
)
from piv.types import Bool, Flag, Float, VectorField

MEMORY = 1 << 30  # bytes of rows that are held at a time


@dataclass(frozen=True, eq=False, slots=True)
class Snapshots:
    """A series, its mean and the points at which at least one vector counts.

    Parameters
    ----------
    series : see :func:`piv.post.statistics_of`
        Read anew each time rows are asked for.
    mean : VectorField, shape (Ny, Nx)
        What is taken off; NaN where no vector counts.
    inside : bool array, shape (Ny, Nx)
        Points of a row.
    fields : int
    gaps : float
        Share of the vectors at these points that does not count.
    exclude : Flag
    centred : bool
        Whether the mean is that of the series, and not zero.
    memory : int
        Bytes of rows that are read at a time.
    """

    series: Series
    mean: VectorField
    inside: Bool
    fields: int
    gaps: float
    exclude: Flag
    centred: bool = True
    memory: int = MEMORY

    @property
    def size(self) -> int:
        """Entries of a row: two for each point."""
        return 2 * int(self.inside.sum())

    @property
    def block(self) -> int:
        """Rows that are read at a time."""
        return max(1, min(self.fields, self.memory // (8 * max(self.size, 1))))

    def row(self, field: VectorField) -> Float:
        """Fluctuations of one field, shape (2 P,); NaN where a vector does not count."""
        where = usable(field, self.exclude)[self.inside]
        parts = []
        for name in ("u", "v"):
            values = getattr(field, name)[self.inside].astype(np.float64)
            values -= getattr(self.mean, name)[self.inside]
            parts.append(np.where(where, values, np.nan))
        return np.concatenate(parts)

    def blocks(self, progress: Progress | None = None) -> Iterator[Float]:
        """Rows of the whole series in its order, (up to ``block``, 2 P); gaps are 0, the mean."""
        rows = self._rows(progress)
        while taken := list(islice(rows, self.block)):
            yield np.nan_to_num(np.stack(taken), copy=False, nan=0.0)

    def matrix(self, *, gaps: bool = False, progress: Progress | None = None) -> Float:
        """All rows at once, (N, 2 P); gaps are 0 or, if asked for, NaN."""
        rows = np.stack(list(self._rows(progress)))
        return rows if gaps else np.nan_to_num(rows, copy=False, nan=0.0)

    def field(self, row: Float, *, add_mean: bool = False) -> VectorField:
        """A field of one row; MASKED outside the points.

        Parameters
        ----------
        row : real array, shape (2 P,)
        add_mean : bool
            For the flow itself instead of its fluctuation.
        """
        half = self.size // 2
        values = {}
        for name, part in (("u", row[:half]), ("v", row[half:])):
            whole = np.full(self.inside.shape, np.nan)
            whole[self.inside] = part
            values[name] = whole + getattr(self.mean, name) if add_mean else whole
        return self.mean.replace(
            u=values["u"].astype(np.float32),
            v=values["v"].astype(np.float32),
            flags=np.where(self.inside, 0, int(Flag.MASKED)).astype(np.uint16),
            uncertainty_u=None,
            uncertainty_v=None,
        )

    def _rows(self, progress: Progress | None) -> Iterator[Float]:
        for field in fields_of(self.series):
            yield self.row(field)
            done(progress)


@checked
def snapshots(
    series: Series,
    *,
    subtract_mean: bool = True,
    memory: int = MEMORY,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Snapshots:
    """Read a series once for its mean, and prepare it for a decomposition.

    Parameters
    ----------
    series : see :func:`piv.post.statistics_of`
        One that can be read more than once.
    subtract_mean : bool
        False decomposes the flow itself.
    memory : int
        Bytes of rows that are read at a time; all at once needs 16 bytes a vector.
    exclude : Flag
        Vectors with one of these bits do not count; points that never count are left out.
    progress : callable, optional
        Called after each field that is read.

    Raises
    ------
    InputError
        If there are fewer than two fields, no vector counts, or the series is read-once.
    """
    check_repeatable(series, "a modal decomposition")
    first: VectorField | None = None
    count = np.zeros(())
    sums: list[Float] = []
    fields = 0
    for field in fields_of(series):
        if first is None:
            first, count = field, np.zeros(field.shape)
            sums = [np.zeros(field.shape) for _ in range(2)]
        where = usable(field, exclude)
        for total, values in zip(sums, (field.u, field.v), strict=True):
            np.add(total, values, out=total, where=where)
        count += where
        fields += 1
        done(progress)
    if first is None or fields < 2:
        raise InputError(f"a modal decomposition needs at least two fields; there are {fields}")
    inside = count > 0
    if not inside.any():
        raise InputError("no vector counts anywhere in the series: loosen the rule (exclude)")
    means = [
        np.divide(total, count, out=np.full(count.shape, np.nan), where=inside)
        if subtract_mean
        else np.where(inside, 0.0, np.nan)
        for total in sums
    ]
    mean = first.replace(
        u=means[0], v=means[1], flags=np.where(inside, 0, int(Flag.MASKED)).astype(np.uint16),
        uncertainty_u=None, uncertainty_v=None, extra={},
    )  # fmt: skip
    gaps = 1 - float(count.sum()) / (fields * int(inside.sum()))
    return Snapshots(series, mean, inside, fields, gaps, Flag(int(exclude)), subtract_mean, memory)


def check_mode(k: int, count: int) -> None:
    """Refuse the number of a mode that there is not.

    Raises
    ------
    InputError
    """
    if not -count <= k < count:
        raise InputError(f"there are {count} modes, numbered from 0: there is no mode {k}")
