"""The coarse stage of a series as a whole: ensemble correlation.

Where single pairs hold too few particles for a window of their own, the correlation planes of all
pairs are summed before the peak is looked for (Meinhart, Wereley & Santiago 2000,
doi:10.1115/1.483256; Westerweel, Geelhoed & Lindken 2004, doi:10.1007/s00348-004-0826-7).  False
peaks fall at random places and average out, the true one grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from piv.correlate.fft import find_peaks
from piv.correlate.multipass import passes
from piv.correlate.passes import Correlated, Frames, Windows, dark
from piv.correlate.stage import pair_tensors, to_field
from piv.errors import InputError, PIVError
from piv.settings import CorrelateSettings, ValidateSettings
from piv.types import ImagePair, VectorField, size_text


@dataclass(frozen=True, slots=True)
class EnsembleStep:
    """A pair has been read and added: what a progress display is told.

    Parameters
    ----------
    number : int
        Of the pass over the series, from 1.
    window : (int, int)
        Its interrogation window (height, width), px.
    done, total : int
        Pairs of this pass.
    """

    number: int
    window: tuple[int, int]
    done: int
    total: int


Watch = Callable[[EnsembleStep], object]


@dataclass(eq=False, slots=True)
class Series:
    """Pairs of one view, each read again in every pass: no more than one is in memory.

    Parameters
    ----------
    read : callable
        Gives pair n, ready to be correlated; :class:`PIVError` says why it cannot.
    count : int
    watch : callable, optional

    Attributes
    ----------
    skipped : dict of int to str
        Pairs that could not be used, and why.
    shape : (int, int)
        (H, W) of the frames, px.
    dt : float
        s
    """

    read: Callable[[int], ImagePair]
    count: int
    watch: Watch | None = None
    skipped: dict[int, str] = field(default_factory=dict)
    shape: tuple[int, int] = field(init=False)
    dt: float = field(init=False)
    device: torch.device = field(init=False, default=torch.device("cpu"))
    _passes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        for index in range(self.count):
            try:
                pair = self.read(index)
            except PIVError as problem:
                self.skipped[index] = str(problem)
                continue
            self.shape, self.dt = pair.shape, pair.dt
            return
        raise self._nothing()

    @property
    def used(self) -> int:
        """How many pairs contribute."""
        return self.count - len(self.skipped)

    def select(self, index: Tensor) -> Series:  # noqa: ARG002
        """All of it: a series is measured as one."""
        return self

    def correlate(self, windows: Windows, predictor: Tensor | None, degree: int) -> Correlated:
        """Peaks of the mean planes.

        Every pair is moved by the same predictor.  A window without contrast or with its centre
        in the mask of a pair gets nothing from that pair.
        """
        self._passes += 1
        grid = (1, len(windows.rows), len(windows.columns))
        total = torch.zeros(*grid, *(2 * reach + 1 for reach in windows.reach))
        pairs = torch.zeros(grid)
        masked = torch.ones(grid, dtype=torch.bool)
        for index in range(self.count):
            frames = self._frames(index, set() if predictor is None else {degree})
            if frames is not None:
                hidden = frames.masked(windows)
                pairs += _add(total, frames, windows, hidden, predictor, degree)
                masked &= hidden
            if self.watch is not None:
                step = EnsembleStep(self._passes, windows.size, index + 1, self.count)
                self.watch(step)
        if not self.used:
            raise self._nothing()
        total /= pairs.clamp(min=1)[..., None, None]
        return Correlated(find_peaks(total), pairs == 0, masked, pairs)

    def _frames(self, index: int, degrees: set[int]) -> Frames | None:
        if index in self.skipped:
            return None
        try:
            pair = self.read(index)
            self._check(pair)
        except PIVError as problem:
            self.skipped[index] = str(problem)
            return None
        return Frames.prepare(*pair_tensors(pair), degrees)

    def _check(self, pair: ImagePair) -> None:
        where = f"{pair.name}: " if pair.name else ""
        if pair.shape != self.shape:
            raise InputError(
                f"{where}the frames are {size_text(pair.shape)} px (height x width), but those of "
                f"the series are {size_text(self.shape)} px"
            )
        if pair.dt != self.dt:
            raise InputError(
                f"{where}dt is {pair.dt:g} s, but that of the series is {self.dt:g} s: "
                "displacements of different times cannot be summed"
            )

    def _nothing(self) -> InputError:
        if self.count == 0:
            return InputError("an ensemble needs at least one image pair, but there is none")
        first = self.skipped[min(self.skipped)]
        return InputError(f"none of the {self.count} pairs can be used; the first: {first}")


def _add(
    total: Tensor,
    frames: Frames,
    windows: Windows,
    hidden: Tensor,
    predictor: Tensor | None,
    degree: int,
) -> Tensor:
    """Add the planes of a pair to the total in place; (1, Ny, Nx): 1 where it had something."""
    pieces = list(frames.planes(windows, predictor, degree))
    # which windows are dark is known when all have been seen
    use = ~(dark(torch.cat([planes.contrast for _, planes in pieces], dim=1)) | hidden)
    for part, planes in pieces:
        # a plane of zeros was hidden from its pair but for a corner, or quite without contrast
        use[:, part] &= planes.values.abs().amax((-2, -1)) > 0
        total[:, part] += planes.values.mul_(use[:, part, :, None, None])
    return use.to(total)


def ensemble_field(
    series: Series, settings: CorrelateSettings, limits: ValidateSettings
) -> VectorField:
    """The coarse stage of a series as a whole: measured, validated and filled.

    The planes of every pair are normalised as those of a single pair
    (:func:`piv.correlate.fft.correlation_planes`) and averaged over the pairs; passes, predictor
    and tests are those of :func:`piv.correlate.multipass`.  Only the height that a peak must have
    (``validate.peak_height``) is that of the sum of the planes: what one good pair gives.

    Parameters
    ----------
    series : Series
    settings, limits : CorrelateSettings, ValidateSettings

    Returns
    -------
    VectorField
        As of :func:`piv.correlate.coarse_field`; ``extra`` has ``pair_count`` besides:
        how many contributed to each window in the last pass.

    Raises
    ------
    InputError
        If no pair can be used.
    """
    return to_field(passes(series, settings, limits), series.dt)
