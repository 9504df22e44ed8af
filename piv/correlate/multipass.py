"""Predictor and corrector: the passes of the coarse stage.

Each pass moves both frames to mid-time by half the predicted displacement (cubic B-spline where
another pass follows, quintic by default at the end), correlates windows, validates, fills and
smooths; the result predicts the next pass.  The last window size is repeated until the field no
longer changes (Scarano 2002, doi:10.1088/0957-0233/13/1/201); where it is not to be repeated, it
is once all the same if it moved a whole patch of vectors far from the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from piv.correlate.passes import Frames, Images, Windows
from piv.correlate.windows import at_every_pixel
from piv.polynomial import REACH, fitted_at, near
from piv.settings import CorrelateSettings, ValidateSettings
from piv.types import Flag
from piv.validate import REJECTED, extrapolate, fill, validate

ROUGH = 3  # degree of the spline in passes that another one follows: half the work

# the first window grows when fewer of its vectors than this are plausible
_FEW_PLAUSIBLE = 0.6
# a predictor that was wrong by this much in a whole patch of vectors, px, is not good enough for
# one last pass; measured on all classes of generated images, elsewhere a second one gains nothing
_FAR = 1.5


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """Displacement on a grid of windows: tensors (B, Ny, Nx), coordinates (Ny,) and (Nx,) in px."""

    x: Tensor
    y: Tensor
    u: Tensor
    v: Tensor
    flags: Tensor
    height: Tensor
    ratio: Tensor
    windows: tuple[tuple[int, int], ...] = ()
    pairs: Tensor | None = None  # how many contributed to each vector; None = the one pair

    @property
    def keep(self) -> Tensor:
        """True where the vector passed every test."""
        return (self.flags & REJECTED) == 0

    @property
    def masked(self) -> Tensor:
        """True where the window's centre is no fluid."""
        return (self.flags & int(Flag.MASKED)) != 0

    def filled(self) -> Tensor:
        """(B, 2, Ny, Nx), finite: what failed is replaced from its neighbours."""
        return torch.stack(fill(self.u, self.v, self.keep, self.masked), dim=1)

    def dense(self, height: int, width: int) -> Tensor:
        """(B, 2, H, W): the filled field at every pixel."""
        return at_every_pixel(self.filled(), self.y, self.x, height, width)


def multipass(
    first: Tensor,
    second: Tensor,
    fluid: Tensor | None,
    settings: CorrelateSettings,
    limits: ValidateSettings,
) -> Grid:
    """Multi-pass correlation of a batch of pairs.

    Parameters
    ----------
    first, second : float32 tensor, shape (B, H, W)
        Grey levels of any scale.
    fluid : tensor, shape (B, H, W), or None
        Non-zero = fluid; None = everywhere.
    settings, limits : CorrelateSettings, ValidateSettings

    Returns
    -------
    Grid
        Of the last pass: measured values with the flags of all tests, not filled.
    """
    settings = settings.resolved(followed=False)
    frames = Frames.prepare(first, second, fluid, {ROUGH, settings.spline})
    return passes(frames, settings, limits)


def passes(images: Images, settings: CorrelateSettings, limits: ValidateSettings) -> Grid:
    """All passes over a batch of pairs, or over a series as a whole; see :func:`multipass`."""
    settings = settings.resolved(followed=False)
    height, width = images.shape
    sizes = [fitted(size, height, width) for size in settings.window_sizes]
    grid, predictor, grown = _first_pass(images, sizes[0], settings, limits)
    used = [grown] if grown != sizes[0] else []
    used.append(sizes[0])
    remaining = sizes[1:] if grown == sizes[0] else sizes
    for size in remaining[:-1]:
        grid = _pass(images, predictor, size, settings, limits, ROUGH)
        predictor = predict(grid, height, width)
    last = sizes[-1]
    repeats = settings.repeats - (1 if not remaining else 0)
    for n in range(repeats):
        previous = grid
        followed = n == 0 and repeats > 1  # convergence is judged from the second on
        degree = ROUGH if followed else settings.spline
        grid = _pass(images, predictor, last, settings, limits, degree)
        if n > 0 and _change(grid, previous) < settings.convergence:
            break
        if n < repeats - 1:
            predictor = predict(grid, height, width)
    if settings.repeats == 1 and remaining:
        grid = _once_more(images, grid, predictor, last, settings, limits)
    return replace(grid, windows=tuple(dict.fromkeys([*used, *sizes])))


def fitted(size: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """The window (height, width), shrunk to half of a small frame."""
    return min(size[0], height // 2), min(size[1], width // 2)


def _first_pass(
    images: Images, size: tuple[int, int], settings: CorrelateSettings, limits: ValidateSettings
) -> tuple[Grid, Tensor, tuple[int, int]]:
    """First grid, predictor at every pixel, and the window that was needed.

    A pair whose displacement breaks the quarter rule of its window, or most of whose vectors are
    implausible, is measured again with windows twice as large as long as that helps.
    """
    height, width = images.shape
    grid = _pass(images, None, size, settings, limits)
    predictor = predict(grid, height, width)
    grown = size
    plausible, broken = _judge(grid, size)
    todo = torch.nonzero(broken | (plausible < _FEW_PLAUSIBLE))[:, 0]
    while settings.grow and len(todo):
        doubled = (grown[0] * 2, grown[1] * 2)
        larger = fitted(doubled, height, width)
        if larger != doubled or max(larger) > settings.largest_window:
            break
        trial = _pass(images.select(todo), None, larger, settings, limits)
        share, still_broken = _judge(trial, larger)
        better = (share > plausible[todo]) | (broken[todo] & (share > _FEW_PLAUSIBLE / 2))
        if not bool(better.any()):
            break
        chosen = todo[better]
        predictor[chosen] = predict(trial, height, width)[better]
        plausible[chosen], broken[chosen] = share[better], still_broken[better]
        grown = larger
        todo = chosen[(still_broken | (share < _FEW_PLAUSIBLE))[better]]
    return grid, predictor, grown


def _judge(grid: Grid, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(B,) share of plausible vectors, and whether they break the quarter rule."""
    dead = int(Flag.MASKED | Flag.NO_CONTRAST)
    alive = (grid.flags & dead) == 0
    keep = grid.keep
    share = keep.sum((-2, -1)) / alive.sum((-2, -1)).clamp(min=1)
    far = (grid.u.abs() > size[1] / 4) | (grid.v.abs() > size[0] / 4)
    broken = (far & keep).sum((-2, -1)) > 0.05 * keep.sum((-2, -1))
    return share, broken


def _pass(
    images: Images,
    predictor: Tensor | None,
    size: tuple[int, int],
    settings: CorrelateSettings,
    limits: ValidateSettings,
    degree: int = 0,
) -> Grid:
    """Correlate all windows of one size, and test what comes of it.

    The predictor (B, 2, H, W) is None in the first pass; after it, ``degree`` is that of the
    spline with which the frames are moved.
    """
    windows = Windows.over(images, size, settings.overlap, predicted=predictor is not None)
    peaks, dark, masked, pairs = images.correlate(windows, predictor, degree)
    if predictor is None:
        base = torch.zeros(2, device=images.device)[None, :, None, None]
    else:
        base = at_nodes(predictor, windows.y, windows.x)
    flags = peaks.flags | dark.int() * int(Flag.NO_CONTRAST) | masked.int() * int(Flag.MASKED)
    nothing = torch.where((flags & int(Flag.MASKED | Flag.NO_CONTRAST)) != 0, torch.nan, 0.0)
    u, v = peaks.u + base[:, 0] + nothing, peaks.v + base[:, 1] + nothing
    # of n pairs one that would pass by itself is enough: the sum of the planes is tested
    evidence = peaks.height if pairs is None else peaks.height * pairs.clamp(min=1)
    flags = validate(u, v, flags, evidence, peaks.ratio, limits)
    return Grid(windows.x, windows.y, u, v, flags, peaks.height, peaks.ratio, pairs=pairs)


def _once_more(
    images: Images,
    grid: Grid,
    predictor: Tensor,
    size: tuple[int, int],
    settings: CorrelateSettings,
    limits: ValidateSettings,
) -> Grid:
    """Make the last pass again for those pairs of the batch whose predictor was wrong in a patch.

    Such as in the core of a strong vortex, which the larger windows cannot resolve.
    """
    moved = torch.stack((grid.u, grid.v), dim=1) - at_nodes(predictor, grid.y, grid.x)
    far = (moved.square().sum(1) > _FAR**2).float()  # 0 for NaN: no contrast, or masked
    patch = [min(length, 3) for length in far.shape[1:]]
    wrong = (-max_pool2d(-far, patch, stride=1)).flatten(1).any(1)
    which = torch.nonzero(wrong)[:, 0]
    if grid.pairs is not None or not len(which):
        return grid
    # a batch that is wrong throughout is not copied; who records the passes of one sees this one
    chosen = images if len(which) == len(far) else images.select(which)
    better = predict(grid, *images.shape)[which]
    again = _pass(chosen, better, size, settings, limits, settings.spline)
    return replace(
        grid,
        u=grid.u.index_copy(0, which, again.u),
        v=grid.v.index_copy(0, which, again.v),
        flags=grid.flags.index_copy(0, which, again.flags),
        height=grid.height.index_copy(0, which, again.height),
        ratio=grid.ratio.index_copy(0, which, again.ratio),
    )


def at_nodes(predictor: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Predictor (B, 2, Ny, Nx) at the window centres: the mean of the 1, 2 or 4 pixels around."""
    low_y, high_y = y.floor().long(), y.ceil().long()
    low_x, high_x = x.floor().long(), x.ceil().long()
    rows = (predictor[:, :, low_y] + predictor[:, :, high_y]) / 2
    return (rows[..., low_x] + rows[..., high_x]) / 2


def predict(grid: Grid, height: int, width: int) -> Tensor:
    """Filled, smoothed and interpolated at every pixel: (B, 2, H, W)."""
    filled = grid.filled()
    smooth = _smooth(filled)
    if bool((beside := near(grid.masked, REACH) & grid.keep).any()):
        # beside a body only what was measured counts
        measured = fitted_at(filled, grid.keep, beside, curved=True)
        smooth = torch.where(beside[:, None], measured, smooth)
    return at_every_pixel(smooth, grid.y, grid.x, height, width)


def _smooth(field: Tensor) -> Tensor:
    """Local least-squares paraboloid over 5 x 5 vectors (Savitzky-Golay filter).

    Without it the iteration keeps or amplifies wavelengths near the window's size (Schrijer &
    Scarano 2008, doi:10.1007/s00348-008-0511-7); linear fields pass unchanged, also at the border.
    """
    extended = field
    for _ in range(2):
        extended = extrapolate(extrapolate(extended).mT).mT
    batch, components, rows, columns = extended.shape
    kernel = _paraboloid().to(field)[None, None]
    out = conv2d(extended.reshape(-1, 1, rows, columns), kernel)
    return out.reshape(batch, components, rows - 4, columns - 4)


@lru_cache(maxsize=1)
def _paraboloid() -> Tensor:
    """Weights (5, 5) that give a least-squares paraboloid's value in the middle."""
    y, x = (t.ravel() for t in np.mgrid[-2.0:3, -2.0:3])
    terms = np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), axis=1)
    return torch.from_numpy(np.linalg.pinv(terms)[0].reshape(5, 5).astype(np.float32))


def _change(grid: Grid, previous: Grid) -> float:
    """Largest over the batch of the rms difference of the vectors both grids keep, px."""
    both = grid.keep & previous.keep
    squared = (grid.u - previous.u).square() + (grid.v - previous.v).square()
    total = torch.where(both, squared, 0.0).sum((-2, -1)) / both.sum((-2, -1)).clamp(min=1)
    return float(total.max().sqrt())
