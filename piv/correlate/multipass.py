"""Predictor and corrector: the passes of the coarse stage.

Each pass moves both frames to mid-time by half the predicted displacement (cubic B-spline where
another pass follows, quintic by default at the end), correlates windows, validates, fills and
smooths; the result predicts the next pass.  The last
window size is repeated until the field no longer changes (Scarano 2002,
doi:10.1088/0957-0233/13/1/201).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from piv.correlate.fft import Peaks, correlation_planes, find_peaks
from piv.correlate.windows import at_every_pixel, centres, extract, window_starts
from piv.settings import CorrelateSettings, ValidateSettings
from piv.spline import coefficients, deform_pair, seen_in_both
from piv.types import Flag
from piv.validate import REJECTED, extrapolate, fill, validate

_CHUNK = 16 * 2**20  # samples of windows that are correlated at once: bounds the memory

ROUGH = 3  # degree of the spline in passes that another one follows: half the work

# windows with less contrast than this part of the well-lit ones hold no particles
_LEAST_CONTRAST = 0.05
# a window needs this part of its pixels in the fluid
_LEAST_FLUID = 0.25
# the first window grows when fewer of its vectors than this are plausible
_FEW_PLAUSIBLE = 0.6


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

    @property
    def keep(self) -> Tensor:
        """True where the vector passed every test."""
        return (self.flags & REJECTED) == 0

    def filled(self) -> Tensor:
        """(B, 2, Ny, Nx), finite: what failed is replaced from its neighbours."""
        return torch.stack(fill(self.u, self.v, self.keep), dim=1)

    def dense(self, height: int, width: int) -> Tensor:
        """(B, 2, H, W): the filled field at every pixel."""
        return at_every_pixel(self.filled(), self.y, self.x, height, width)


@dataclass(frozen=True, eq=False, slots=True)
class _Frames:
    """Both frames ready for all passes."""

    first: Tensor  # (B, H, W), zero mean, unit variance
    second: Tensor
    splines: dict[int, tuple[Tensor, Tensor]]  # degree -> coefficients, (B, 1, H, W)
    fluid: Tensor | None  # (B, H, W), 1 = fluid

    def select(self, index: Tensor) -> _Frames:
        return replace(
            self,
            first=self.first[index],
            second=self.second[index],
            splines={d: (a[index], b[index]) for d, (a, b) in self.splines.items()},
            fluid=None if self.fluid is None else self.fluid[index],
        )


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
    height, width = first.shape[-2:]
    frames = _prepare(first, second, fluid, settings.spline)
    sizes = [fitted(size, height, width) for size in settings.window_sizes]
    grid, predictor, grown = _first_pass(frames, sizes[0], settings, limits)
    used = [grown] if grown != sizes[0] else []
    used.append(sizes[0])
    remaining = sizes[1:] if grown == sizes[0] else sizes
    for size in remaining[:-1]:
        grid = _pass(frames, predictor, size, settings, limits, ROUGH)
        predictor = _predict(grid, height, width)
    last = sizes[-1]
    repeats = settings.repeats - (1 if not remaining else 0)
    for n in range(repeats):
        previous = grid
        followed = n == 0 and repeats > 1  # convergence is judged from the second on
        degree = ROUGH if followed else settings.spline
        grid = _pass(frames, predictor, last, settings, limits, degree)
        if n > 0 and _change(grid, previous) < settings.convergence:
            break
        if n < repeats - 1:
            predictor = _predict(grid, height, width)
    return replace(grid, windows=tuple(dict.fromkeys([*used, *sizes])))


def fitted(size: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """The window (height, width), shrunk to half of a small frame."""
    return min(size[0], height // 2), min(size[1], width // 2)


def _prepare(first: Tensor, second: Tensor, fluid: Tensor | None, degree: int) -> _Frames:
    if fluid is None:
        pixels: Tensor | None = None
        prepared = [_standardise(image, None) for image in (first, second)]
    else:
        pixels = (fluid != 0).to(first)
        prepared = [_standardise(image, pixels) for image in (first, second)]
    a, b = (image[:, None] for image in prepared)
    splines = {d: (coefficients(a, d), coefficients(b, d)) for d in {ROUGH, degree}}
    return _Frames(prepared[0], prepared[1], splines, pixels)


def _standardise(image: Tensor, pixels: Tensor | None) -> Tensor:
    """Zero mean and unit variance of the fluid; zero elsewhere, so that a mask makes no edge."""
    if pixels is None:
        centred = image - image.mean((-2, -1), keepdim=True)
        variance = centred.square().mean((-2, -1), keepdim=True)
    else:
        count = pixels.sum((-2, -1), keepdim=True).clamp(min=1)
        centred = (image - (image * pixels).sum((-2, -1), keepdim=True) / count) * pixels
        variance = centred.square().sum((-2, -1), keepdim=True) / count
    return centred / variance.sqrt().clamp(min=1e-12)


def _first_pass(
    frames: _Frames, size: tuple[int, int], settings: CorrelateSettings, limits: ValidateSettings
) -> tuple[Grid, Tensor, tuple[int, int]]:
    """First grid, predictor at every pixel, and the window that was needed.

    A pair whose displacement breaks the quarter rule of its window, or most of whose vectors are
    implausible, is measured again with windows twice as large as long as that helps.
    """
    height, width = frames.first.shape[-2:]
    grid = _pass(frames, None, size, settings, limits)
    predictor = _predict(grid, height, width)
    grown = size
    plausible, broken = _judge(grid, size)
    todo = torch.nonzero(broken | (plausible < _FEW_PLAUSIBLE))[:, 0]
    while settings.grow and len(todo):
        doubled = (grown[0] * 2, grown[1] * 2)
        larger = fitted(doubled, height, width)
        if larger != doubled or max(larger) > settings.largest_window:
            break
        trial = _pass(frames.select(todo), None, larger, settings, limits)
        share, still_broken = _judge(trial, larger)
        better = (share > plausible[todo]) | (broken[todo] & (share > _FEW_PLAUSIBLE / 2))
        if not bool(better.any()):
            break
        chosen = todo[better]
        predictor[chosen] = _predict(trial, height, width)[better]
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
    frames: _Frames,
    predictor: Tensor | None,
    size: tuple[int, int],
    settings: CorrelateSettings,
    limits: ValidateSettings,
    degree: int = 0,
) -> Grid:
    """Correlate all windows of one size.

    The predictor (B, 2, H, W) is None in the first pass; after it, ``degree`` is that of the
    spline with which the frames are moved.
    """
    height, width = frames.first.shape[-2:]
    rows = window_starts(height, size[0], settings.overlap)
    columns = window_starts(width, size[1], settings.overlap)
    y = torch.from_numpy(centres(rows, size[0])).to(frames.first)
    x = torch.from_numpy(centres(columns, size[1])).to(frames.first)
    if predictor is None:
        first, second = frames.first, frames.second
        visible = frames.fluid
        reach = (size[0] // 2, size[1] // 2)
        base = torch.zeros(2, device=first.device)[None, :, None, None]
    else:
        first, second = (t[:, 0] for t in deform_pair(*frames.splines[degree], predictor, degree))
        visible = seen_in_both(frames.fluid, predictor)
        # what the predictor missed is small; a short reach keeps false peaks out
        reach = (max(size[0] // 4, 3), max(size[1] // 4, 3))
        base = _at_nodes(predictor, y, x)

    def windows(images: Tensor) -> Tensor:
        return extract(images, rows, columns, size)

    seen = None if visible is None else windows(visible)
    peaks, contrast = _correlate(windows(first), windows(second), seen, reach)
    flags = peaks.flags
    lit = torch.quantile(contrast.flatten(1), 0.75, dim=1)[:, None, None]
    flags = flags | (contrast < _LEAST_CONTRAST * lit).int() * int(Flag.NO_CONTRAST)
    flags = flags | _masked(frames.fluid, y, x, flags)
    nothing = torch.where((flags & int(Flag.MASKED | Flag.NO_CONTRAST)) != 0, torch.nan, 0.0)
    u, v = peaks.u + base[:, 0] + nothing, peaks.v + base[:, 1] + nothing
    flags = validate(u, v, flags, peaks.height, peaks.ratio, limits)
    return Grid(x, y, u, v, flags, peaks.height, peaks.ratio)


def _at_nodes(predictor: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Predictor at the window centres: the mean of the two or four pixels around each."""
    low_y, high_y = y.floor().long(), y.ceil().long()
    low_x, high_x = x.floor().long(), x.ceil().long()
    rows = (predictor[:, :, low_y] + predictor[:, :, high_y]) / 2
    return (rows[..., low_x] + rows[..., high_x]) / 2


def _masked(fluid: Tensor | None, y: Tensor, x: Tensor, flags: Tensor) -> Tensor:
    if fluid is None:
        return torch.zeros_like(flags)
    centre = fluid[:, y.round().long()][..., x.round().long()]
    return (centre == 0).int() * int(Flag.MASKED)


def _correlate(
    first: Tensor, second: Tensor, seen: Tensor | None, reach: tuple[int, int]
) -> tuple[Peaks, Tensor]:
    """Peaks and contrast of all windows, (B, Ny, Nx); rows of windows at a time to save memory."""
    samples = first.shape[0] * first.shape[2] * first.shape[3] * first.shape[4]
    step = max(1, _CHUNK // samples)
    pieces, contrasts = [], []
    for start in range(0, first.shape[1], step):
        part = slice(start, start + step)
        mask = None if seen is None else seen[:, part]
        planes, contrast = _planes(
            first[:, part].contiguous(), second[:, part].contiguous(), mask, reach
        )
        pieces.append(find_peaks(planes))
        contrasts.append(contrast)
    joined = Peaks(*(torch.cat(list(parts), dim=1) for parts in zip(*pieces, strict=True)))
    return joined, torch.cat(contrasts, dim=1)


def _planes(
    a: Tensor, b: Tensor, mask: Tensor | None, reach: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Planes and contrast; only the windows that are partly hidden pay for their masks."""
    planes, contrast = correlation_planes(a, b, None, reach)
    if mask is None:
        return planes, contrast
    share = mask.mean((-2, -1))
    partly = (share < 1).nonzero(as_tuple=True)
    if len(partly[0]):
        special = correlation_planes(a[partly], b[partly], mask[partly], reach)
        enough = (share[partly] >= _LEAST_FLUID)[:, None, None]
        planes[partly] = torch.where(enough, special.values, 0.0)
        contrast[partly] = special.contrast
    return planes, contrast


def _predict(grid: Grid, height: int, width: int) -> Tensor:
    """Filled, smoothed and interpolated at every pixel: (B, 2, H, W)."""
    return at_every_pixel(_smooth(grid.filled()), grid.y, grid.x, height, width)


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
