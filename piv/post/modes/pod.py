"""Proper orthogonal decomposition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import linalg

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.modes.snapshots import MEMORY, Snapshots, check_mode, snapshots
from piv.post.series import EXCLUDED, Progress, Series
from piv.types import Flag, Float, VectorField

_EXTRA = 10  # directions beyond the wanted ones that a randomised range is tried in


@dataclass(frozen=True, eq=False, slots=True)
class POD:
    r"""Modes of most energy: :math:`u'(x, t) \approx \sum_k a_k(t) \phi_k(x)`.

    Parameters
    ----------
    modes : float array, shape (K, 2 P)
        Orthonormal rows, u and then v of every point that counts; :meth:`mode` gives fields.  The
        sign is such that the entry of largest size is positive.
    coefficients : float array, shape (N, K)
        :math:`a_k` of each field, in the fields' unit times the root of a number of points.
    energy : float array, shape (K,)
        Mean of a_k^2 over the fields: it adds up to the variances of u and v, summed over the
        points, and is the squared singular value over N.
    total : float
        Of all modes.
    snapshots : Snapshots
        The series, its mean and its points.
    """

    modes: Float
    coefficients: Float
    energy: Float
    total: float
    snapshots: Snapshots

    @property
    def share(self) -> Float:
        """Part of the energy in each mode."""
        return np.asarray(self.energy / self.total)

    @checked
    def mode(self, k: int) -> VectorField:
        """A mode as a field."""
        check_mode(k, len(self.modes))
        return self.snapshots.field(self.modes[k])

    @checked
    def needed(self, share: float) -> int:
        """How many modes hold this part of the energy.

        Raises
        ------
        InputError
            If all that were computed hold less.
        """
        sums = np.cumsum(self.share)
        enough = np.flatnonzero(sums >= share - 1e-12)
        if not enough.size:
            raise InputError(
                f"the {self.energy.size} modes hold {100 * sums[-1]:.3g} % of the energy, not "
                f"{100 * share:.3g} %: compute more"
            )
        return int(enough[0]) + 1

    @checked
    def reconstruct(self, modes: int | None = None) -> Iterator[VectorField]:
        """Fields of the mean and the first modes, one at a time.

        Parameters
        ----------
        modes : int, optional
            How many; default all that were computed.
        """
        first = slice(0, modes)
        for a in self.coefficients:
            yield self.snapshots.field(a[first] @ self.modes[first], add_mean=True)

    @checked
    def project(self, field: VectorField) -> Float:
        """Coefficients of another field, shape (K,): gaps are the mean.

        :func:`piv.post.modes.reconstruct_gaps` fits them to what is not a gap.
        """
        return np.asarray(self.modes @ np.nan_to_num(self.snapshots.row(field), nan=0.0))


@checked
def pod(
    series: Series | Snapshots,
    *,
    modes: int | None = None,
    method: Literal["snapshot", "randomised"] = "snapshot",
    power: int = 2,
    rng: np.random.Generator | None = None,
    memory: int = MEMORY,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> POD:
    """Proper orthogonal decomposition of the fluctuations, in blocks that fit the memory.

    Parameters
    ----------
    series : see :func:`piv.post.statistics_of`, or Snapshots
        One that can be read more than once.
    modes : int, optional
        How many; default all of the snapshot method.
    method : "snapshot" or "randomised"
        Sirovich's (Q. Appl. Math. 45, 561, 1987) is exact to about eight digits of the largest
        singular value, and reads the series B + 3 times if it takes B blocks of ``memory``.
        Randomised (Halko, Martinsson & Tropp, SIAM Rev. 53, 217, 2011) needs ``modes`` and reads
        it ``3 + 2 power`` times, whatever its length.
    power : int
        Power iterations of the randomised method: more for slowly falling energies.
    rng : numpy.random.Generator, optional
        Of the randomised method; default a fixed seed, so that a result can be repeated.
    memory : int
        Bytes of the series that are held at a time (16 a vector); ignored for Snapshots.
    exclude, progress : see :func:`piv.post.modes.snapshots`
        Vectors that do not count are taken as the mean, which lowers the energy by their share;
        :func:`piv.post.modes.fill_gaps` does better.

    Raises
    ------
    InputError
        If an argument is out of range, or nothing fluctuates.
    """
    rows = series if isinstance(series, Snapshots) else snapshots(
        series, memory=memory, exclude=exclude, progress=progress
    )  # fmt: skip
    limit = min(rows.fields, rows.size)
    if modes is not None and not 1 <= modes <= limit:
        raise InputError(f"there can be 1 to {limit} modes, not {modes}")
    if method == "snapshot":
        return _snapshot(rows, modes, progress)
    if method != "randomised":
        raise InputError(f"the method is snapshot or randomised, not {method!r}")
    if modes is None or power < 0:
        raise InputError("the randomised method needs the number of modes, and a power from 0")
    return _randomised(rows, modes, power, rng or np.random.default_rng(0), progress)


def _snapshot(rows: Snapshots, modes: int | None, progress: Progress | None) -> POD:
    """Eigenvectors of the (N, N) products of the snapshots."""
    products = np.empty((rows.fields, rows.fields))
    if rows.block >= rows.fields:
        whole = rows.matrix(progress=progress)
        products[...] = whole @ whole.T
    else:
        for start, block in _numbered(rows, progress):
            for other, more in _numbered(rows, None):
                if other < start:
                    continue
                part = block @ more.T
                products[start : start + len(block), other : other + len(more)] = part
                products[other : other + len(more), start : start + len(block)] = part.T
    values, vectors = linalg.eigh(products)
    values, vectors = values[::-1], vectors[:, ::-1]
    total = float(np.trace(products)) / rows.fields
    _check_energy(total)
    # below the rounding of the products there is nothing but rounding
    rank = int((values > values[0] * rows.fields * np.finfo(float).eps).sum())
    keep = min(rank, modes or rank)
    size = np.sqrt(values[:keep])
    shapes = np.zeros((keep, rows.size))
    for start, block in _numbered(rows, None):
        shapes += (vectors[start : start + len(block), :keep] / size).T @ block
    return signed(rows, shapes, vectors[:, :keep] * size, values[:keep] / rows.fields, total)


def _randomised(
    rows: Snapshots, modes: int, power: int, rng: np.random.Generator, progress: Progress | None
) -> POD:
    """Singular vectors within a subspace that a few products with the series have found."""
    width = min(modes + _EXTRA, rows.fields, rows.size)
    sketch = rng.standard_normal((rows.fields, width))
    for turn in range(power + 1):
        range_ = np.zeros((rows.size, width))
        for start, block in _numbered(rows, progress):
            range_ += block.T @ sketch[start : start + len(block)]
        basis = linalg.qr(range_, mode="economic")[0]
        if turn < power:
            sketch = np.concatenate([block @ basis for block in rows.blocks(progress)])
            sketch = linalg.qr(sketch, mode="economic")[0]
    small, square = [], 0.0
    for block in rows.blocks(progress):
        small.append(block @ basis)
        square += float(np.sum(block**2))
    _check_energy(square)
    left, size, right = linalg.svd(np.concatenate(small), full_matrices=False)
    shapes = right[:modes] @ basis.T
    coefficients = left[:, :modes] * size[:modes]
    return signed(rows, shapes, coefficients, size[:modes] ** 2 / rows.fields, square / rows.fields)


def _numbered(rows: Snapshots, progress: Progress | None) -> Iterator[tuple[int, Float]]:
    start = 0
    for block in rows.blocks(progress):
        yield start, block
        start += len(block)


def signed(rows: Snapshots, modes: Float, coefficients: Float, energy: Float, total: float) -> POD:
    """A result whose modes have their largest entry positive."""
    peak = np.abs(modes).argmax(axis=1)
    sign = np.where(modes[np.arange(len(modes)), peak] < 0, -1.0, 1.0)
    return POD(modes * sign[:, None], coefficients * sign, energy, total, rows)


def _check_energy(total: float) -> None:
    if not total > 0:
        raise InputError("nothing fluctuates in this series: there are no modes")
