"""Running statistics at a few points: how a mean settles as fields are added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.moments import Moments
from piv.types import Bool, Float, VectorField

_PER_DOUBLING = 4  # times that are kept while the number of fields doubles


@dataclass(frozen=True, eq=False, slots=True)
class Convergence:
    """Running statistics at P points after M numbers of fields, evenly spread in their logarithm.

    Parameters
    ----------
    fields : int array, shape (M,)
    rows, columns : int array, shape (P,)
    count : int array, shape (M, P)
        Vectors that were counted.
    mean_u, mean_v, rms_u, rms_v : float array, shape (M, P)
        NaN where there were too few.
    """

    fields: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    mean_u: Float
    mean_v: Float
    rms_u: Float
    rms_v: Float


class History:
    """Gathers a :class:`Convergence`; its length grows with the logarithm of the series only."""

    def __init__(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> None:
        self._rows, self._columns = rows, columns
        self._moments = Moments.empty(rows.shape, 2)
        self._fields = 0
        self._next = 1.0
        self._kept: list[tuple[int, Moments]] = []

    @classmethod
    def of(cls, shape: tuple[int, int], probes: npt.ArrayLike | None) -> History:
        """For a field of this shape.

        Raises
        ------
        InputError
            If the probes are no (row, column) inside it.
        """
        if probes is None:
            centres = [np.array([size // 6, size // 2, size - 1 - size // 6]) for size in shape]
            rows, columns = (each.ravel() for each in np.meshgrid(*centres, indexing="ij"))
            return cls(rows, columns)
        points = np.asarray(probes)
        if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "iu":
            raise InputError("probes must be a list of (row, column), whole numbers")
        if (points < 0).any() or (points >= np.array(shape)).any():
            raise InputError(
                f"a probe lies outside the field, which has {shape[0]} rows and {shape[1]} columns"
            )
        return cls(points[:, 0].astype(np.int64), points[:, 1].astype(np.int64))

    def add(self, field: VectorField, where: Bool) -> None:
        """Take one field."""
        at = (self._rows, self._columns)
        self._moments.include(field.u[at][None], field.v[at][None], where[at][None])
        self._fields += 1
        if self._fields >= self._next:
            self._keep()
            while self._next <= self._fields:
                self._next *= 2 ** (1 / _PER_DOUBLING)

    def merge(self, other: History) -> None:
        """Go on with another one's, as if its fields came after these."""
        before, count = self._moments, self._fields
        for number, moments in other._kept:
            self._moments, self._fields = before.merge(moments), count + number
            if self._fields >= self._next:
                self._keep()
                while self._next <= self._fields:
                    self._next *= 2 ** (1 / _PER_DOUBLING)
        self._moments, self._fields = before.merge(other._moments), count + other._fields

    def result(self) -> Convergence:
        """What was kept, and the present state."""
        kept = list(self._kept)
        if not kept or kept[-1][0] != self._fields:
            kept.append((self._fields, self._moments))
        moments = [each for _, each in kept]
        return Convergence(
            fields=np.array([number for number, _ in kept]),
            rows=self._rows,
            columns=self._columns,
            count=np.stack([each.count for each in moments]),
            mean_u=np.stack([np.where(m.count > 0, m.mean_u, np.nan) for m in moments]),
            mean_v=np.stack([np.where(m.count > 0, m.mean_v, np.nan) for m in moments]),
            rms_u=np.stack([np.sqrt(each.central(2, 0, ddof=1)) for each in moments]),
            rms_v=np.stack([np.sqrt(each.central(0, 2, ddof=1)) for each in moments]),
        )

    def _keep(self) -> None:
        self._kept.append((self._fields, self._moments.copy()))
