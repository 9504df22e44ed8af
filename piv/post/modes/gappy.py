"""Modes of series with gaps, and gaps filled by modes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.modes.pod import POD, signed
from piv.post.modes.snapshots import Snapshots, snapshots
from piv.post.series import EXCLUDED, Progress, Series
from piv.types import Flag, Float, VectorField


@dataclass(frozen=True, eq=False, slots=True)
class Filled:
    """What :func:`fill_gaps` returns.

    Parameters
    ----------
    rows : float array, shape (N, 2 P)
        Fluctuations without gaps.
    pod : POD
        Of the filled series.
    iterations : int
    change : float
        Of the filled values in the last one, rms, over the rms of all.
    converged : bool
        Whether the change fell below the tolerance.
    """

    rows: Float
    pod: POD
    iterations: int
    change: float
    converged: bool

    def field(self, number: int) -> VectorField:
        """One field of the series, its gaps filled, the rest as it was."""
        return self.pod.snapshots.field(self.rows[number], add_mean=True)


@checked
def fill_gaps(
    series: Series | Snapshots,
    *,
    modes: int,
    tolerance: float = 1e-4,
    iterations: int = 200,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Filled:
    """Fill what does not count from the modes, and find the modes of the filled series, by turns.

    Everson & Sirovich, J. Opt. Soc. Am. A 12, 1657 (1995); started from the mean, one mode more
    after the other is used, as Venturi & Karniadakis, J. Fluid Mech. 519, 315 (2004), do.  The
    whole series is held in memory.

    Parameters
    ----------
    series : see :func:`piv.post.statistics_of`, or Snapshots
    modes : int
        With which gaps are filled: as many as hold more flow than noise.
    tolerance : float
        Change of the filled values at which each number of modes is left.
    iterations : int
        At most, for each number of modes.
    exclude : Flag
        Vectors with one of these bits are gaps.
    progress : callable, optional
        Called after each field that is read.

    Raises
    ------
    InputError
        If an argument is out of range, or nothing fluctuates.
    """
    source = series if isinstance(series, Snapshots) else snapshots(
        series, exclude=exclude, progress=progress
    )  # fmt: skip
    rows = source.matrix(gaps=True, progress=progress)
    if not 1 <= modes < min(rows.shape):
        raise InputError(f"gaps are filled with 1 to {min(rows.shape) - 1} modes, not {modes}")
    if not tolerance > 0 or iterations < 1:
        raise InputError("the tolerance must be positive, and there must be an iteration")
    gaps = np.isnan(rows)
    rows[gaps] = 0.0
    scale = np.sqrt(np.mean(rows[~gaps] ** 2))
    if not scale > 0:
        raise InputError("nothing fluctuates in this series: there are no modes")
    count, change = 0, 0.0
    for rank in range(1, modes + 1):
        for _ in range(iterations):
            count += 1
            mean = rows.mean(axis=0) if source.centred else 0.0
            guess = (mean + _low_rank(rows - mean, rank))[gaps]
            change = float(np.sqrt(np.mean((guess - rows[gaps]) ** 2)) / scale) if guess.size else 0
            rows[gaps] = guess
            if change < tolerance:
                break
    if source.centred:  # the mean of what counts is not that of all: it has moved with the gaps
        moved = rows.mean(axis=0)
        source = replace(source, mean=source.field(moved, add_mean=True))
        rows -= moved
    left, size, right = linalg.svd(rows, full_matrices=False)
    total = float(np.sum(size**2)) / len(rows)
    coefficients, energy = left[:, :modes] * size[:modes], size[:modes] ** 2 / len(rows)
    found = signed(source, right[:modes], coefficients, energy, total)
    return Filled(rows, found, count, change, change < tolerance)


@checked
def reconstruct_gaps(pod: POD, field: VectorField, *, modes: int | None = None) -> VectorField:
    """One field with its gaps filled from known modes, fitted to the vectors that count.

    Parameters
    ----------
    pod : POD
        Of other fields on the same grid.
    field : VectorField, shape (Ny, Nx)
    modes : int, optional
        That are fitted; default all of ``pod``, at most as many as there are values.

    Returns
    -------
    VectorField
        Vectors that count are kept; filled ones have the flag REPLACED, and keep their others.

    Raises
    ------
    InputError
        If no vector counts, or there are fewer values than modes.
    """
    row = pod.snapshots.row(field)
    known = np.isfinite(row)
    shapes = pod.modes[:modes]
    if known.sum() < len(shapes):
        raise InputError(
            f"{len(shapes)} modes cannot be fitted to {int(known.sum())} values: use fewer modes"
        )
    weights = np.linalg.lstsq(shapes[:, known].T, row[known], rcond=None)[0]
    filled = np.where(known, row, weights @ shapes)
    made = pod.snapshots.field(filled, add_mean=True)
    half = known.size // 2
    gap = np.zeros(field.shape, bool)
    gap[pod.snapshots.inside] = ~known[:half]
    flags = field.flags | np.where(gap, int(Flag.REPLACED), 0).astype(np.uint16)
    return field.replace(
        u=np.where(gap, made.u, field.u),
        v=np.where(gap, made.v, field.v),
        flags=flags.astype(np.uint16),
    )


def _low_rank(rows: Float, rank: int) -> Float:
    """The best approximation of a rank, by the smaller of the two products."""
    products = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    size = len(products)
    vectors = linalg.eigh(products, subset_by_index=[size - rank, size - 1])[1]
    if len(rows) <= rows.shape[1]:
        return np.asarray(vectors @ (vectors.T @ rows))
    return np.asarray((rows @ vectors) @ vectors.T)
