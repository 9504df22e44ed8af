"""Averages at equal phases of a periodic flow, and the triple decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.moments import Moments
from piv.post.series import EXCLUDED, Progress, Series, done, fields_of
from piv.post.statistics import Accumulator, Statistics
from piv.types import Flag, Float


@dataclass(frozen=True, eq=False, slots=True)
class PhaseAverage:
    r"""Statistics in B bins of phase: :math:`u = \bar u + \tilde u + u''`.

    Parameters
    ----------
    phase : float array, shape (B,)
        Centres of the bins, rad, from 0 to 2 pi; the first bin is centred on 0.
    statistics : tuple of Statistics or None
        Of each bin; None where no field has that phase.
    """

    phase: Float
    statistics: tuple[Statistics | None, ...]

    @property
    def mean_u(self) -> Float:
        """Mean of u in each bin, (B, Ny, Nx); NaN where there is none."""
        return self._means("mean_u")

    @property
    def mean_v(self) -> Float:
        """Mean of v in each bin, (B, Ny, Nx)."""
        return self._means("mean_v")

    @property
    def whole(self) -> Moments:
        """Moments of all fields, whatever their phase."""
        known = [each.moments for each in self.statistics if each is not None]
        total = known[0]
        for moments in known[1:]:
            total = total.merge(moments)
        return total

    @property
    def coherent_u(self) -> Float:
        """Part of u that follows the phase: bin means less the mean of all, (B, Ny, Nx)."""
        return self.mean_u - self.whole.mean_u

    @property
    def coherent_v(self) -> Float:
        """Part of v that follows the phase, (B, Ny, Nx)."""
        return self.mean_v - self.whole.mean_v

    def stress(self) -> tuple[tuple[Float, Float, Float], tuple[Float, Float, Float]]:
        """Stresses (uu, vv, uv) of the coherent and of the random part; they add up to the whole.

        ``uv`` is for x right and y up; sums are divided by the count.
        """
        first = next(each for each in self.statistics if each is not None)
        sign = 1.0 if first.y_axis == "up" else -1.0
        whole = self.whole
        known = [each.moments for each in self.statistics if each is not None]
        count = np.where(whole.count > 0, whole.count, np.nan)
        random, coherent = [], []
        for powers, factor in (((2, 0), 1.0), ((0, 2), 1.0), ((1, 1), sign)):
            within = np.sum([each.sums[powers] for each in known], axis=0)
            random.append(factor * within / count)
            coherent.append(factor * (whole.sums[powers] - within) / count)
        return (coherent[0], coherent[1], coherent[2]), (random[0], random[1], random[2])

    def _means(self, name: str) -> Float:
        first = next(each for each in self.statistics if each is not None)
        absent = np.full(first.count.shape, np.nan)
        return np.stack(
            [absent if each is None else getattr(each, name) for each in self.statistics]
        )


@checked
def phase_average(
    series: Series,
    phases: npt.ArrayLike,
    *,
    bins: int = 12,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> PhaseAverage:
    """Statistics at equal phases, in one pass.

    Parameters
    ----------
    series : see :func:`statistics_of`
    phases : float array, shape (N,)
        Of each field, rad, such as ``2 * pi * frequency * time``; any number of turns.
    bins : int
        Bins of a turn; the memory is that of as many statistics.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If there are fewer phases than fields or more, if one is not finite, or there is no bin.
    """
    angles = np.asarray(phases, np.float64)
    if bins < 1 or angles.ndim != 1 or not np.isfinite(angles).all():
        raise InputError("a phase average needs one finite phase a field, and at least one bin")
    turns = angles / (2 * np.pi)
    places = np.rint((turns - np.floor(turns)) * bins).astype(int) % bins
    parts: dict[int, Accumulator] = {}
    number = 0
    for number, field in enumerate(fields_of(series), 1):
        if number > angles.size:
            raise InputError(f"the series has more fields than the {angles.size} phases")
        place = int(places[number - 1])
        parts.setdefault(place, Accumulator(exclude=exclude, order=2)).add(field)
        done(progress)
    if number != angles.size or not number:
        raise InputError(f"there are {angles.size} phases, but {number} fields")
    found = tuple(parts[n].result() if n in parts else None for n in range(bins))
    return PhaseAverage(np.arange(bins) * (2 * np.pi / bins), found)
