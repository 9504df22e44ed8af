"""Central moments of two components at every point, in one pass and in parts that merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.types import Bool, Float

Powers: TypeAlias = tuple[int, int]

#: Powers (i, j) of the sums that are kept for moments up to an order: closed under merging.
POWERS: Mapping[int, tuple[Powers, ...]] = {
    2: ((2, 0), (1, 1), (0, 2)),
    4: ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3), (4, 0), (2, 2), (0, 4)),
}
_TILE = 8192  # points: 16 samples of them, in float64, stay in a processor's cache


@dataclass(frozen=True, eq=False, slots=True)
class Moments:
    r"""Counts, means and sums of powers of the deviations from them.

    .. math:: M_{ij} = \sum_n (u_n - \bar u)^i (v_n - \bar v)^j

    Parameters
    ----------
    count : int array, shape (...)
        Samples.
    mean_u, mean_v : float array, shape (...)
        0 where there is no sample yet.
    sums : mapping of (i, j) to float array, shape (...)
        :math:`M_{ij}` for the powers of :data:`POWERS`.
    """

    count: npt.NDArray[np.int64]
    mean_u: Float
    mean_v: Float
    sums: Mapping[Powers, Float]

    @property
    def order(self) -> int:
        """2 or 4."""
        return max(i + j for i, j in self.sums)

    @classmethod
    def empty(cls, shape: tuple[int, ...], order: int = 4) -> Moments:
        """Moments of no samples.

        Raises
        ------
        InputError
            If the order is not 2 or 4.
        """
        check_order(order)
        return cls(
            np.zeros(shape, np.int64),
            np.zeros(shape),
            np.zeros(shape),
            {powers: np.zeros(shape) for powers in POWERS[order]},
        )

    @classmethod
    def of(cls, u: Float, v: Float, where: Bool, order: int = 4) -> Moments:
        """Moments of samples along the first axis, by two passes over them.

        Parameters
        ----------
        u, v : float array, shape (N, ...)
        where : bool array, shape (N, ...)
            Which samples count.
        order : 2 or 4
        """
        made = cls.empty(u.shape[1:], order)
        made.include(u, v, where)
        return made

    def include(self, u: Float, v: Float, where: Bool) -> None:
        """Take more samples along the first axis, in place; as :meth:`of`, then :meth:`merge`."""
        flat_u, flat_v, flat_where = (
            array.reshape(len(array), self.count.size) for array in (u, v, where)
        )
        state = self._flat()
        order = self.order
        for start in range(0, self.count.size, _TILE):
            part = slice(start, start + _TILE)
            more = _of_tile(flat_u[:, part], flat_v[:, part], flat_where[:, part], order)
            here = [array[part] for array in state]
            for old, new in zip(here, _merged(here, more, order), strict=True):
                old[...] = new

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of samples; associative and commutative but for rounding.

        Source: Pébay, Sandia report SAND2008-6212 (2008), after Chan, Golub & LeVeque (1979).
        """
        made = Moments.empty(self.count.shape, self.order)
        one, two, both = self._flat(), other._flat(), made._flat()
        for start in range(0, self.count.size, _TILE):
            part = slice(start, start + _TILE)
            new = _merged([a[part] for a in one], [a[part] for a in two], self.order)
            for target, values in zip(both, new, strict=True):
                target[part] = values
        return made

    def copy(self) -> Moments:
        """The same, in arrays of its own."""
        sums = {powers: values.copy() for powers, values in self.sums.items()}
        return Moments(self.count.copy(), self.mean_u.copy(), self.mean_v.copy(), sums)

    def central(self, i: int, j: int, ddof: int = 0) -> Float:
        """Mean of (u - mean)^i (v - mean)^j; NaN where there are not more than ``ddof`` samples."""
        left = self.count - ddof
        values = np.full(self.count.shape, np.nan)
        return np.divide(self.sums[(i, j)], left, out=values, where=left > 0)

    def _flat(self) -> list[Any]:
        """Views of count, means and sums with one axis."""
        return [a.reshape(-1) for a in (self.count, self.mean_u, self.mean_v, *self.sums.values())]


def check_order(order: int) -> None:
    """Refuse an order for which there is no closed set of sums.

    Raises
    ------
    InputError
    """
    if order not in POWERS:
        raise InputError(f"moments are kept up to order 2 or 4, not {order!r}")


def _of_tile(u: Any, v: Any, where: Any, order: int) -> list[Any]:
    """Count, means and sums of a few points."""
    count = where.sum(axis=0)
    share = 1.0 / np.maximum(count, 1)
    gaps = not where.all()
    first: dict[Powers, Float] = {}
    means = []
    for values, one, two in ((u, (1, 0), (2, 0)), (v, (0, 1), (0, 2))):
        samples = values.astype(np.float64)
        if gaps:
            np.copyto(samples, 0.0, where=~where)
        means.append(samples.sum(axis=0) * share)
        samples -= means[-1]
        if gaps:
            samples *= where
        first[one], first[two] = samples, samples * samples
    return [count, *means, *(_product_sum(first, powers) for powers in POWERS[order])]


def _product_sum(first: Mapping[Powers, Float], powers: Powers) -> Float:
    """Sum over the samples of a product of at most two of the given ones."""
    i, j = powers
    if powers in first:
        return first[powers].sum(axis=0)
    if i and j:
        one, two = first[(i, 0)], first[(0, j)]
    else:
        one, two = first[(min(i, 2), min(j, 2))], first[(max(i - 2, 0), max(j - 2, 0))]
    return np.einsum("ni,ni->i", one, two)


def _merged(one: Sequence[Any], two: Sequence[Any], order: int) -> list[Any]:
    """Count, means and sums of two sets: each is moved to the common means, and added."""
    count = one[0] + two[0]
    share = two[0] / np.maximum(count, 1)
    steps = [two[n] - one[n] for n in (1, 2)]
    means = [one[n] + share * step for n, step in zip((1, 2), steps, strict=True)]
    sums: list[Float] = []
    for part, factor in ((one, -share), (two, 1.0 - share)):
        moved = _moved(part, [factor * step for step in steps], order)
        sums = [a + b for a, b in zip(sums, moved, strict=True)] if sums else moved
    return [count, *means, *sums]


def _moved(part: Sequence[Any], steps: Sequence[Float], order: int) -> list[Float]:
    r"""Sums about means that lie ``steps`` below.

    .. math:: M'_{ij} = \sum_{k \le i, m \le j} \binom{i}{k} \binom{j}{m}
              \delta_u^{i-k} \delta_v^{j-m} M_{km}
    """
    sums: dict[Powers, Any] = {(0, 0): part[0]}
    sums.update(zip(POWERS[order], part[3:], strict=True))
    du, dv = ([step] for step in steps)  # powers 1, 2, ...
    for table in (du, dv):
        while len(table) < order:
            table.append(table[-1] * table[0])
    moved = []
    for i, j in POWERS[order]:
        total = sums[(i, j)].copy()
        for (k, m), values in sums.items():
            if k > i or m > j or (k, m) == (i, j):
                continue
            term = (comb(i, k) * comb(j, m)) * values
            if i > k:
                term = term * du[i - k - 1]
            if j > m:
                term = term * dv[j - m - 1]
            total += term
        moved.append(total)
    return moved
