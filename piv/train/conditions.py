"""What recordings look like, in the terms in which the generator makes images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from piv.errors import InputError
from piv.filters import gaussian
from piv.quality import particle_diameter, seeding_density
from piv.spline import coefficients, deform_pair
from piv.types import Analysis, Bool, Flag, Float, ImagePair

_HIGH_PASS = 6.0  # px; slower changes of the grey level are not particles
_BLOCK = 64  # px; within it the ground is a low percentile
_LARGE = 4.0  # px; larger particle images are counted in images of half the size
_BRIGHT = 90  # percentile of the particle images' heights that is a bright one
_DEPTHS = (8, 10, 12, 16)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of one recording; everything relative is relative to the peak of a bright particle.

    Parameters
    ----------
    density : float
        Particle images per pixel.
    diameter : float
        e^-2 diameter, px.
    bits : int
        8, 10, 12 or 16.
    peak : float
        Grey level of a bright particle above the ground, as a share of the full scale.
    noise : float
        Standard deviation of what differs from pixel to pixel.
    offset : float
        Grey level between the particles.
    gain : float
        Contrast of the second frame over that of the first.
    loss : float
        Share of the particles of one frame that are not in the other: what the noise leaves
        unexplained of the frames' difference once they are moved by the field.
    displacement : float
        Length that 1 % of the vectors exceed, px.
    gradient : float
        Root mean square of the norm of the displacement's gradient, px/px.
    """

    density: float
    diameter: float
    bits: int
    peak: float
    noise: float
    offset: float
    gain: float
    loss: float
    displacement: float
    gradient: float


def measure(pair: ImagePair, analysis: Analysis, recorded: ImagePair | None = None) -> Conditions:
    """Conditions of a recording that has been analysed.

    Parameters
    ----------
    pair : ImagePair
    analysis : Analysis
        Of this pair, with a dense field, in px.
    recorded : ImagePair, optional
        The pair before its background was subtracted, which knows the camera's bits.

    Raises
    ------
    InputError
        If the images show no particles that could be measured.
    """
    field = analysis.dense
    if field is None:
        raise InputError("conditions are measured with a dense field: name a model")
    measured = (field.flags & int(Flag.MASKED | Flag.FALLBACK)) == 0
    diameter = particle_diameter(pair)
    density = _density(pair, diameter)
    name = pair.name or "the pair"
    if not (math.isfinite(diameter) and density > 0 and measured.mean() > 0.05):
        raise InputError(f"{name} shows no particles to measure: leave it out")
    frames = [frame.astype(np.float64) for frame in (pair.first, pair.second)]
    grounds, heights, noises, spreads = zip(*(_light(f, measured) for f in frames), strict=True)
    bright = max(heights[0], 1e-9)
    camera = recorded or pair
    whole = camera.first.dtype.kind in "ui"
    scale = 2 ** _depth(camera) - 1 if whole else max(f.max() for f in frames)
    signal = [1 - (noise / spread) ** 2 for noise, spread in zip(noises, spreads, strict=True)]
    likeness = _likeness(frames, np.stack((field.u, field.v)), measured)
    slopes = np.stack([np.gradient(np.asarray(part, float)) for part in (field.u, field.v)])
    inner = ndimage.binary_erosion(measured, iterations=4)
    inner = inner if inner.any() else measured
    return Conditions(
        density=density,
        diameter=diameter,
        bits=_depth(camera),
        peak=bright / float(scale),
        noise=float(np.mean(noises)) / bright,
        offset=max(0.0, float(np.mean(grounds))) / bright,
        gain=spreads[1] / spreads[0],
        loss=float(np.clip(1 - likeness / math.sqrt(max(signal[0] * signal[1], 1e-6)), 0, 0.5)),
        displacement=float(np.quantile(np.hypot(field.u, field.v)[measured], 0.99)),
        gradient=float(np.sqrt((slopes**2).sum((0, 1))[inner].mean())),
    )


def _density(pair: ImagePair, diameter: float) -> float:
    """Particles per pixel; noise makes several maxima of a large one, so that they are binned."""
    if not diameter > _LARGE or min(pair.shape) < 2 * _BLOCK:
        return seeding_density(pair)
    height, width = (2 * (n // 2) for n in pair.shape)

    def quarters(image: Float | Bool) -> Float:
        parts = image[:height, :width].reshape(height // 2, 2, width // 2, 2)
        return parts.mean((1, 3), dtype=np.float64)

    mask = None if pair.mask is None else quarters(pair.mask) > 0
    binned = ImagePair(quarters(pair.first), quarters(pair.second), mask=mask)
    return _density(binned, diameter / 2) / 4


def _depth(pair: ImagePair) -> int:
    """Bits of the camera: what the grey levels need."""
    if pair.first.dtype.kind not in "ui":
        return 16
    top = max(int(pair.first.max()), int(pair.second.max()))
    return next((bits for bits in _DEPTHS if top < 2**bits), 16)


def _light(frame: Float, where: Bool) -> tuple[float, float, float, float]:
    """Ground, height of a bright particle, noise and spread of the quick changes, grey levels."""
    ground = ndimage.percentile_filter(frame[::4, ::4], 20, size=_BLOCK // 4)
    ground = ndimage.zoom(ground, 4, order=1, grid_mode=True, mode="nearest")
    ground = np.pad(ground, ((0, 4), (0, 4)), mode="edge")[: frame.shape[0], : frame.shape[1]]
    quick = _quick(frame)
    spread = float(quick[where].std())
    # noise is alone at lag 0; there the autocovariance of the particles is extrapolated to
    near = [_covariance(quick, where, *lag) for lag in ((0, 1), (1, 0), (1, 1), (1, -1))]
    straight, diagonal = np.mean(near[:2]), np.mean(near[2:])
    particles = straight**2 / diagonal if diagonal > 0 else spread**2
    noise = math.sqrt(max(spread**2 - particles, 0.0))
    above = frame - ground
    least = max(4 * noise, 0.15 * float(np.percentile(above[where], 99.8)))
    top = (frame == ndimage.maximum_filter(frame, 3)) & where & (above > least)
    height = float(np.percentile(above[top], _BRIGHT)) if top.any() else float(above[where].max())
    return float(np.median(ground[where])), height, noise, max(spread, 1e-9)


def _quick(frame: Float) -> Float:
    return frame - ndimage.gaussian_filter(frame, _HIGH_PASS)


def _covariance(quick: Float, where: Bool, down: int, right: int) -> float:
    other = np.roll(quick, (-down, -right), (0, 1))
    both = where & np.roll(where, (-down, -right), (0, 1))
    return float((quick * other)[both].mean()) if both.any() else 0.0


def _likeness(frames: Sequence[Float], field: Float, where: Bool) -> float:
    """Correlation of the two frames once each is moved to mid-time by half the field."""
    coefficient = [coefficients(_tensor(_quick(frame)), 5) for frame in frames]
    known = torch.from_numpy(np.nan_to_num(field).astype(np.float32))[None]
    # what the field has of noise must not matter
    first, second = deform_pair(coefficient[0], coefficient[1], gaussian(known, 1.0), 5)
    a, b = (part[0, 0].numpy()[where] for part in (first, second))
    return float(np.corrcoef(a, b)[0, 1])


def _tensor(frame: Float) -> torch.Tensor:
    return torch.from_numpy(frame.astype(np.float32))[None, None]
