"""Spectral proper orthogonal decomposition: modes that are coherent in space and in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, linalg

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.modes.snapshots import Snapshots, check_mode, snapshots
from piv.post.series import EXCLUDED, Progress, Series
from piv.post.spectra import taper_of
from piv.types import Flag, Float, VectorField

Complex = npt.NDArray[np.complexfloating]


@dataclass(frozen=True, eq=False, slots=True)
class SPOD:
    """Orthogonal modes at each of F frequencies.

    Parameters
    ----------
    frequency : float array, shape (F,)
        Hz, from 0.
    energy : float array, shape (F, K)
        One-sided density of each mode: summed over the modes and integrated over the frequency it
        is the variance of u and v, summed over the points (but for the window).
    modes : complex array, shape (F, K, 2 P)
        Orthonormal rows at each frequency, u and then v; zero where the blocks give fewer.
    blocks : int
        That were averaged: K of them at most are modes, and few blocks scatter.
    snapshots : Snapshots
    """

    frequency: Float
    energy: Float
    modes: Complex
    blocks: int
    snapshots: Snapshots

    @checked
    def mode(self, frequency: float, k: int = 0, phase: float = 0.0) -> VectorField:
        """A mode at the nearest frequency and a phase (rad) as a field."""
        check_mode(k, self.modes.shape[1])
        place = int(np.argmin(np.abs(self.frequency - frequency)))
        return self.snapshots.field((self.modes[place, k] * np.exp(1j * phase)).real)


@checked
def spod(
    series: Series | Snapshots,
    interval: float,
    *,
    block: int,
    modes: int = 3,
    overlap: float = 0.5,
    window: str = "hann",
    band: tuple[float, float] | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> SPOD:
    """Spectral POD (Towne, Schmidt & Colonius, J. Fluid Mech. 847, 821, 2018).

    The memory is one block of fields, and the transforms of all blocks in the band.

    Parameters
    ----------
    series : see :func:`piv.post.statistics_of`, or Snapshots
        Evenly spaced in time.
    interval : float
        Between two fields, s.
    block : int
        Fields of a block; the frequencies are 1 / (block interval) apart.
    modes : int
        At each frequency.
    overlap : float
        Of the blocks, from 0 to below 1.
    window : str
        Name of a :func:`scipy.signal.get_window`.
    band : (float, float), optional
        Frequencies that are kept, Hz; default all.
    exclude, progress : see :func:`piv.post.modes.snapshots`
        Vectors that do not count are taken as the mean.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    if not interval > 0:
        raise InputError(f"the interval must be a positive time in s, not {interval!r}")
    if not 0 <= overlap < 1 or modes < 1:
        raise InputError("the overlap is from 0 to below 1, and there is at least one mode")
    source = series if isinstance(series, Snapshots) else snapshots(
        series, exclude=exclude, progress=progress
    )  # fmt: skip
    if not 4 <= block <= source.fields:
        raise InputError(f"a block has 4 to {source.fields} fields, not {block}")
    frequency = fft.rfftfreq(block, interval)
    kept = np.ones(frequency.size, bool)
    if band is not None:
        kept = (frequency >= band[0]) & (frequency <= band[1])
        if not kept.any():
            raise InputError(f"no frequency lies in the band {band[0]} to {band[1]} Hz")
    taper = taper_of(window, block)
    transforms = np.stack(
        [
            fft.rfft(rows * taper[:, None], axis=0)[kept]
            for rows in _blocks(source, block, max(1, round(block * (1 - overlap))), progress)
        ],
        axis=1,
    )  # (F, B, 2 P)
    count = transforms.shape[1]
    twin = np.where((frequency == 0) | (2 * np.arange(frequency.size) == block), 1.0, 2.0)[kept]
    density = twin * interval / (count * np.sum(taper**2))
    keep = min(modes, count)
    energy = np.zeros((transforms.shape[0], keep))
    shapes = np.zeros((transforms.shape[0], keep, source.size), complex)
    for place, rows in enumerate(transforms):
        values, vectors = linalg.eigh(rows @ rows.conj().T)
        values, vectors = values[::-1][:keep], vectors[:, ::-1][:, :keep]
        good = values > max(values[0], 0) * count * np.finfo(float).eps
        energy[place] = np.maximum(values, 0.0) * density[place]
        shapes[place, good] = (vectors[:, good] / np.sqrt(values[good])).conj().T @ rows
    return SPOD(frequency[kept], energy, shapes, count, source)


def _blocks(
    source: Snapshots, length: int, step: int, progress: Progress | None
) -> Iterator[Float]:
    """Overlapping blocks of rows; what is left at the end is not used."""
    held: deque[Float] = deque(maxlen=length)
    fresh = step - length
    for block in source.blocks(progress):
        for row in block:
            held.append(row)
            fresh += 1
            if len(held) == length and fresh >= step:
                fresh = 0
                yield np.stack(held)
