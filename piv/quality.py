"""Figures that say whether a recording and its result deserve trust.

What is estimated from the images comes from a sample of blocks spread over both frames, so that it
costs the same for a 1-Mpx and a 25-Mpx pair, and a glare in one corner does not decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.fft import next_fast_len
from torch import Tensor

from piv.errors import InputError
from piv.filters import gaussian
from piv.types import Bool, Flag, Float, ImagePair, VectorField

_BLOCK = 128  # px; a sampled block's edge
_BLOCKS = 16  # at most so many are taken from each frame
_LEAST_FLUID = 0.1  # of a block, where none has more
# what `summarise` returns
FIGURES = (
    "valid", "mean_displacement", "median_displacement", "largest_displacement", "first_window",
    "quarter_ratio", "median_peak_ratio", "particle_diameter", "seeding_density", "peak_locking",
)  # fmt: skip
_LAGS = 13  # px; the autocorrelation is computed up to this lag
_HIGH_PASS = 12.0  # px; slower changes of the grey level are not particles
_CLIPPED = 0.58  # deviation that is left of unit Gaussian noise when its lower half is cut off
_PIXEL = 1 / 12  # px^2; variance that the pixel's own width adds to a particle image


def summarise(pair: ImagePair, coarse: VectorField, dense: VectorField | None) -> dict[str, float]:
    """Figures of merit of one analysed pair.

    Parameters
    ----------
    pair : ImagePair
        The frames that were correlated (the region, if there was one).
    coarse : VectorField
        In px; ``attrs["windows"]`` lists the (height, width) of each pass's window.
    dense : VectorField or None
        In px.

    Returns
    -------
    dict
        ``valid`` (share of coarse vectors outside the mask that were measured, %),
        ``mean_displacement``, ``median_displacement`` and ``largest_displacement`` (px, of the
        dense field if there is one), ``first_window`` (px, the shorter side), ``quarter_ratio``
        (largest coarse component over a quarter of the first window: above 1 breaks the
        one-quarter rule), ``median_peak_ratio`` (of the coarse vectors that were measured),
        ``particle_diameter`` (px, :func:`particle_diameter`), ``seeding_density`` (ppp,
        :func:`seeding_density`), ``peak_locking`` (0..1, :func:`peak_locking`).  NaN where a
        figure cannot be determined.

    Raises
    ------
    InputError
        If a field is not in px.
    """
    field = coarse if dense is None else dense
    for each in (coarse, field):
        if each.units != "px":
            raise InputError(f"quality is judged in px, but the field is in {each.units}")
    speed = field.speed[field.valid]
    appearance = _appearance(pair)
    window = coarse.attrs["windows"][0]
    return {
        "valid": _percentage_valid(coarse),
        "mean_displacement": float(speed.mean(dtype=np.float64)) if speed.size else math.nan,
        "median_displacement": float(np.median(speed)) if speed.size else math.nan,
        "largest_displacement": float(speed.max()) if speed.size else math.nan,
        "first_window": float(min(window)),
        "quarter_ratio": _quarter_ratio(coarse, window),
        "median_peak_ratio": _median_peak_ratio(coarse),
        "particle_diameter": appearance.diameter,
        "seeding_density": appearance.density,
        "peak_locking": peak_locking(field),
    }


def warnings(summary: Mapping[str, float]) -> list[str]:
    """Sentences for what in a summary endangers the result; empty if nothing does.

    Parameters
    ----------
    summary : mapping
        From :func:`summarise`.
    """
    found = []
    if summary["valid"] < 90:
        found.append(
            f"only {summary['valid']:.0f} % of the coarse vectors are valid: look at the images, "
            "mask what is not fluid, or use larger windows"
        )
    if summary["quarter_ratio"] > 1:
        found.append(
            f"the largest displacement exceeds a quarter of the first window "
            f"({summary['first_window']:.0f} px): use a larger first window or a shorter dt"
        )
    if summary["particle_diameter"] < 2:
        found.append(
            f"the particle images are only {summary['particle_diameter']:.1f} px wide: vectors may "
            "lean towards whole pixels (peak locking); defocus slightly or magnify"
        )
    if summary["seeding_density"] < 0.01:
        found.append(
            f"the seeding is thin ({summary['seeding_density']:.3f} particles per pixel): small "
            "structures cannot be seen"
        )
    if summary["peak_locking"] > 0.25:
        found.append(
            f"displacements crowd at whole pixels (peak-locking index "
            f"{summary['peak_locking']:.2f})"
        )
    return found


def particle_diameter(pair: ImagePair) -> float:
    r"""e^-2 diameter of the particle images, px, from the peak of the autocorrelation.

    Gaussian particle images of standard deviation :math:`\sigma` give the autocovariance
    :math:`C(s) = A \exp(-s^2 / 4\sigma_p^2)` with :math:`\sigma_p^2 = \sigma^2 + 1/12` (the
    pixel's width; Raffel et al. 2018, ch. 3).  A straight line through :math:`\ln C` against
    :math:`s^2`, without lag 0 where camera noise sits, gives :math:`d = 4 \sigma`.

    Measured on rendered images (0.01-0.1 ppp, noise up to 2 % of full scale): within 6 % from
    2 to 6 px, 9 % at 1.5 px.  Outside 1-8 px, or with fewer than some hundred particles, it is a
    hint only.  NaN if there is no peak.
    """
    return _appearance(pair).diameter


def seeding_density(pair: ImagePair) -> float:
    r"""Particle images per pixel outside the mask (ppp), from a count of local maxima.

    Counted are maxima above four times the camera noise (from the autocorrelation's lag 0) and a
    tenth of the brightest particles' height.  Overlapping images merge: as in a counter with a dead
    time, a count :math:`m` per pixel is corrected to :math:`n = m / (1 - k m)`, where
    :math:`k = 4.6 + 0.87 d^2` px^2 is the area that one particle image of diameter d blocks
    (fitted to rendered images).

    Measured on rendered images with a Gaussian light sheet: within 20 % for diameters of 1.5-4 px,
    0.01-0.1 ppp and noise up to 2 %.  Stronger noise hides faint particles and lowers it; above
    0.15 ppp or 5 px it is a lower bound.
    """
    return _appearance(pair).density


def peak_locking(field: VectorField) -> float:
    r"""Peak-locking index: 0 = none, 1 = every displacement is a whole number of px.

    The first Fourier coefficient of the histogram of the displacements' fractional part,

    .. math:: \max(0, \langle \cos 2 \pi u \rangle) ,

    averaged over both components.  A bias :math:`-A \sin 2 \pi u` gives about :math:`\pi A`.
    The interval -0.5..0.5 px is left out, because still fluid is not peak locking; a component
    that varies by less than 0.5 px (standard deviation) cannot tell and is skipped.  NaN if
    neither can, or the field is not in px.
    """
    if field.units != "px":
        return math.nan
    found = []
    for component in (field.u, field.v):
        values = component[field.valid].astype(np.float64)
        values = values[np.abs(values) > 0.5]
        if values.size >= 100 and values.std() >= 0.5:
            found.append(max(0.0, float(np.cos(2 * np.pi * values).mean())))
    return float(np.mean(found)) if found else math.nan


def _percentage_valid(field: VectorField) -> float:
    fluid = (field.flags & int(Flag.MASKED)) == 0
    return 100 * float(field.valid[fluid].mean()) if fluid.any() else math.nan


def _median_peak_ratio(coarse: VectorField) -> float:
    ratio = coarse.extra["peak_ratio"][coarse.valid] if "peak_ratio" in coarse.extra else None
    known = np.zeros(0) if ratio is None else ratio[np.isfinite(ratio)]
    return float(np.median(known)) if known.size else math.nan


def _quarter_ratio(coarse: VectorField, window: tuple[int, int]) -> float:
    height, width = window
    if not coarse.valid.any():
        return math.nan
    along_x = float(np.abs(coarse.u[coarse.valid]).max()) / (width / 4)
    along_y = float(np.abs(coarse.v[coarse.valid]).max()) / (height / 4)
    return max(along_x, along_y)


@dataclass(frozen=True)
class _Appearance:
    """What the particles look like."""

    diameter: float
    density: float


def _appearance(pair: ImagePair) -> _Appearance:
    samples = [_blocks(frame, pair.mask) for frame in (pair.first, pair.second)]
    blocks, fluid = (torch.cat(parts) for parts in zip(*samples, strict=True))
    if len(blocks) == 0:
        return _Appearance(math.nan, math.nan)
    # replace what is not fluid by the block's mean, then keep only what changes quickly
    count = fluid.sum((-2, -1), keepdim=True)
    mean = (blocks * fluid).sum((-2, -1), keepdim=True) / count
    centred = (blocks - mean) * fluid
    quick = (centred - gaussian(centred, _HIGH_PASS)) * fluid
    variance = quick.square().sum((-2, -1), keepdim=True) / count
    seen = (variance > 0).flatten()
    if not bool(seen.any()):
        return _Appearance(math.nan, 0.0)
    quick, centred, fluid, variance = (t[seen] for t in (quick, centred, fluid, variance))
    # every block counts alike, so that one with a bright reflection does not decide
    planes = _autocovariance(quick / variance.sqrt())
    diameter, peak, noise = _fit(planes.median(0).values.double().numpy())
    if not math.isfinite(diameter):
        return _Appearance(math.nan, math.nan)
    share = max(noise, 0.0) / (peak + max(noise, 0.0))
    sigma = (share * variance).sqrt()
    lowest = (centred == centred.amin((-2, -1), keepdim=True)).float().mean((-2, -1), keepdim=True)
    sigma = torch.where(lowest > 0.2, sigma / _CLIPPED, sigma)
    counted = _maxima(centred, sigma, fluid)
    # block by block: particles that fill half of the frame are as crowded as they are there
    density = counted / (1 - ((4.6 + 0.87 * diameter**2) * counted).clamp_max(0.85))
    everywhere = float(density.mean() * seen.float().mean())  # a block without contrast holds none
    return _Appearance(diameter, everywhere)


def _blocks(frame: npt.NDArray[np.generic], mask: Bool | None) -> tuple[Tensor, Tensor]:
    """Blocks spread over the frame, and where they are fluid: two (N, h, w) tensors."""
    height, width = (min(_BLOCK, n) for n in frame.shape)
    rows = _starts(frame.shape[0], height)
    columns = _starts(frame.shape[1], width)
    windows = [np.s_[r : r + height, c : c + width] for r in rows for c in columns]
    if mask is not None:
        windows = [window for window in windows if mask[window].mean() < 0.5]
        windows = windows or _fluid_windows(mask, height, width)
    if not windows:
        return torch.zeros(0, height, width), torch.zeros(0, height, width)
    fluid = np.ones(frame.shape, dtype=bool) if mask is None else ~mask
    values, fluids = (np.stack([array[w] for w in windows]) for array in (frame, fluid))
    return torch.from_numpy(values.astype(np.float32)), torch.from_numpy(fluids).float()


def _fluid_windows(mask: Bool, height: int, width: int) -> list[tuple[slice, slice]]:
    """The windows with the most fluid, apart from each other: a narrow channel fills no block."""
    share = ndimage.uniform_filter((~mask).astype(np.float32), (height, width), mode="constant")
    top, left = height // 2, width // 2
    share = share[top : mask.shape[0] - height + top + 1, left : mask.shape[1] - width + left + 1]
    found: list[tuple[slice, slice]] = []
    while len(found) < _BLOCKS:
        row, column = np.unravel_index(int(share.argmax()), share.shape)
        if share[row, column] < _LEAST_FLUID:
            break
        found.append((slice(row, row + height), slice(column, column + width)))
        rows = slice(max(0, row - height + 1), row + height)
        share[rows, max(0, column - width + 1) : column + width] = 0
    return found


def _starts(size: int, block: int) -> npt.NDArray[np.int64]:
    most = round(math.sqrt(_BLOCKS))
    return np.linspace(0, size - block, min(most, max(1, size // block))).astype(np.int64)


def _autocovariance(blocks: Tensor) -> Tensor:
    """Lags -13..13 px of each block, divided by the overlap: (N, 27, 27)."""
    height, width = blocks.shape[-2:]
    size = (next_fast_len(height + _LAGS), next_fast_len(width + _LAGS))
    spectrum = torch.fft.rfft2(blocks, s=size)
    plane = torch.fft.irfft2(spectrum.abs().square(), s=size)
    lags = torch.arange(-_LAGS, _LAGS + 1)
    near = plane[:, lags[:, None], lags[None, :]]
    overlap = (height - lags.abs())[:, None] * (width - lags.abs())[None, :]
    return near / overlap


def _fit(plane: Float) -> tuple[float, float, float]:
    """Diameter (px), height of the particles' peak, and what camera noise adds at lag 0."""
    lag = np.arange(-_LAGS, _LAGS + 1)
    square = (lag[:, None] ** 2 + lag[None, :] ** 2).astype(np.float64)
    covariance = plane - np.median(plane[(square >= 81) & (square <= 144)])
    limit = 2.0
    for _ in range(4):  # the wider the peak, the more lags carry it
        use = (square > 0) & (square <= limit) & (covariance > 0)
        if use.sum() < 3 or np.ptp(square[use]) == 0:  # a slope needs two distances
            return math.nan, math.nan, math.nan
        # ln C has an error of 1/C: weight by C
        slope, offset = np.polyfit(square[use], np.log(covariance[use]), 1, w=covariance[use])
        if slope >= 0:
            return math.nan, math.nan, math.nan
        variance = -1 / (4 * slope)
        limit = min(max(2.0, 2.8 * variance), 25.0)
    diameter = 4 * math.sqrt(max(variance - _PIXEL, 0.0))
    peak = math.exp(offset)
    return diameter, peak, float(covariance[_LAGS, _LAGS]) - peak


def _maxima(blocks: Tensor, sigma: Tensor, fluid: Tensor) -> Tensor:
    """Local maxima per fluid pixel of each block that stand out of noise (N, 1, 1): (N,)."""
    inner = blocks[:, 1:-1, 1:-1]
    height, width = inner.shape[-2:]
    top = fluid[:, 1:-1, 1:-1] > 0
    inside = top.clone()
    for row in range(3):
        for column in range(3):
            if (row, column) == (1, 1):
                continue
            other = blocks[:, row : row + height, column : column + width]
            # of a plateau only its last pixel counts
            top &= inner > other if (row, column) > (1, 1) else inner >= other
    flat = blocks.flatten(1)
    ground = flat.kthvalue(1 + flat.shape[1] // 5, dim=1).values[:, None, None]
    above = inner - ground
    heights = above.flatten()
    bright = heights.kthvalue(max(1, round(0.995 * heights.numel()))).values
    counted = top & (above > (4 * sigma).clamp_min(0.1 * float(bright)))
    return counted.sum((-2, -1)) / inside.sum((-2, -1)).clamp_min(1)
