"""The coarse stage of a series as a whole: ensemble correlation.

Where single pairs hold too few particles for a window of their own, the correlation planes of all
pairs are summed before the peak is looked for (Meinhart, Wereley & Santiago 2000,
doi:10.1115/1.483256; Westerweel, Geelhoed & Lindken 2004, doi:10.1007/s00348-004-0826-7).  False
peaks fall at random places and average out, the true one grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from scipy.special import stdtrit
from torch import Tensor

from piv.correlate.fft import find_peaks
from piv.correlate.multipass import Grid, at_nodes, passes, predict
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


SHARE = 0.683  # of the errors that shall lie within the uncertainty
_LEAST = 1e-6  # px; pairs that are all alike have no scatter, and yet no exact field
_FOLLOWED = 3  # passes through which errors are followed: further ones change little

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
    groups : int
        Of consecutive pairs, whose planes are kept apart from the second pass on: their scatter
        is the uncertainty.

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
    groups: int = 10
    skipped: dict[int, str] = field(default_factory=dict)
    shape: tuple[int, int] = field(init=False)
    dt: float = field(init=False)
    device: torch.device = field(init=False, default=torch.device("cpu"))
    _passes: int = field(init=False, default=0)
    _windows: Windows = field(init=False)
    _parts: list[tuple[Tensor, Tensor]] = field(init=False, default_factory=list)

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
        self._windows = windows
        grid = (1, len(windows.rows), len(windows.columns))
        masked = torch.ones(grid, dtype=torch.bool)
        # the large planes of a first pass would take much memory, and others follow
        count = 1 if predictor is None else min(self.groups, self.count)
        self._parts = [
            (torch.zeros(*grid, *(2 * reach + 1 for reach in windows.reach)), torch.zeros(grid))
            for _ in range(count)
        ]
        for index in range(self.count):
            frames = self._frames(index, set() if predictor is None else {degree})
            if frames is not None:
                hidden = frames.masked(windows)
                sums, pairs = self._parts[index * count // self.count]
                pairs += _add(sums, frames, windows, hidden, predictor, degree)
                masked &= hidden
            if self.watch is not None:
                step = EnsembleStep(self._passes, windows.size, index + 1, self.count)
                self.watch(step)
        if not self.used:
            raise self._nothing()
        total, pairs = self._sum()
        return Correlated(find_peaks(_mean(total, pairs)), pairs == 0, masked, pairs)

    def scatter(self, grid: Grid) -> tuple[Tensor, Tensor]:
        r"""Half-widths of the 68.3 % interval of u and v, (1, Ny, Nx) px each: the jackknife.

        .. math:: s^2 = \frac{G - 1}{G} \sum_g (u_{-g} - \bar u_{-})^2

        with :math:`u_{-g}` from the planes of all pairs but those of group g, so that a peak is
        found wherever the whole series has one (Efron & Stein, Ann. Statist. 9, 586, 1981).  The
        planes have errors of their own; those of the predictor, which was measured in the same
        pairs, are followed through the loop of passes (:meth:`_followed`).  Of few groups the
        interval is Student's.  NaN where fewer than two groups contributed, and where the vector
        was not kept.

        Parameters
        ----------
        grid : Grid
            Of the last pass.
        """
        total, pairs = self._sum()
        gives = torch.stack([(some > 0) & (some < pairs) for _, some in self._parts])
        without = []
        for sums, some in self._parts:
            peaks = find_peaks(_mean(total - sums, pairs - some))
            without.append(torch.stack((peaks.u, peaks.v), dim=1))
        number = gives.sum(dim=0)
        shifts = torch.where(gives[:, :, None], torch.stack(without), 0.0)
        mean = shifts.sum(dim=0) / number.clamp(min=1)[:, None]
        squares = torch.zeros_like(mean)
        for use, shift in zip(gives, shifts, strict=True):
            own = torch.where(use[:, None], shift - mean, 0.0)
            squares += self._followed(own, grid).square()
        error = (squares * ((number - 1) / number.clamp(min=1))[:, None]).sqrt()
        error *= _student(number - 1)[:, None]
        error = torch.where((grid.keep & (number > 1))[:, None], error, torch.nan)
        return error[:, 0], error[:, 1]

    def _followed(self, own: Tensor, grid: Grid) -> Tensor:
        """What errors of the planes, (1, 2, Ny, Nx), become when they have been predicted from.

        A pass gives the predictor at the window's centre, plus what is left of the displacement on
        the mean over the window, plus its own error.  As the own error is the same in every pass,
        wavelengths that the predictor keeps and the window averages away grow by it.
        """
        height, width = self.shape
        found = own
        for _ in range(_FOLLOWED):
            predictor = predict(replace(grid, u=found[:, 0], v=found[:, 1]), height, width)
            seen = torch.stack(
                [self._windows.of(each).mean((-1, -2)) for each in predictor.unbind(1)], dim=1
            )
            found = at_nodes(predictor, self._windows.y, self._windows.x) - seen + own
        return found

    def _sum(self) -> tuple[Tensor, Tensor]:
        """Planes of all groups, and how many pairs contributed."""
        if len(self._parts) == 1:
            return self._parts[0]
        total, pairs = (torch.zeros_like(each) for each in self._parts[0])
        for sums, some in self._parts:
            total += sums
            pairs += some
        return total, pairs

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


def _student(freedom: Tensor) -> Tensor:
    """Half-width of the 68.3 % interval in standard errors; NaN without a degree of freedom."""
    values = stdtrit(freedom.clamp(min=1).numpy(), (1 + SHARE) / 2)
    return torch.where(freedom > 0, torch.from_numpy(values), torch.nan).to(torch.float32)


def _mean(total: Tensor, pairs: Tensor) -> Tensor:
    return total / pairs.clamp(min=1)[..., None, None]


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
        how many contributed to each window in the last pass.  Of two pairs and two passes or more
        it has the uncertainty that :meth:`Series.scatter` finds, NaN where a vector was replaced.

    Raises
    ------
    InputError
        If no pair can be used.
    """
    grid = passes(series, settings, limits)
    found = to_field(grid, series.dt)
    errors = series.scatter(grid)
    if not any(bool(each.isfinite().any()) for each in errors):
        return found
    u, v = (each[0].clamp(min=_LEAST).numpy() for each in errors)
    return found.replace(uncertainty_u=u, uncertainty_v=v)
