"""What the generator knows of a pair and no measurement sees; the floors of accuracy need it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from piv.train.source import Hidden
from piv.types import TruePair
from synth import camera, particles
from synth.camera import Exposure
from synth.flows import Flow
from synth.particles import Particles

_STEP = 0.05  # px, of the difference that stands for the derivative of a particle image


@dataclass(frozen=True, eq=False, slots=True)
class Made:
    """A pair and what it was made of.

    Parameters
    ----------
    pair : TruePair
    flow : Flow
    seeds : Particles
    diameter : float
        Mean diameter of the particles, px: a bright particle of that size has peak 1.
    light : float tensor, shape (2, H, W)
        What falls on the sensor in both frames, in units of a bright particle's peak.
    share : float tensor, shape (2, H, W) or (2, 1, 1)
        Of the particles' light that reaches the sensor: light sheet, shadow, bodies.
    exposure : Exposure
    """

    pair: TruePair
    flow: Flow
    seeds: Particles
    diameter: float
    light: Tensor
    share: Tensor
    exposure: Exposure


def of(made: Made) -> Hidden:
    """Slope of the clean images, noise, and the particles that can be seen in both frames."""
    shape = made.pair.pair.shape
    share = made.share.expand(2, *shape)
    linear = _within_range(made.light, made.exposure)
    variance = _noise(made.light, made.exposure)
    seeds = made.seeds
    paired = seeds.keep((seeds.first > 0) & (seeds.second > 0))
    lit = share.mean(dim=0) * linear
    slope_x, slope_y = (
        _difference(paired, made.diameter, shape, axis) * lit for axis in ("x", "y")
    )
    start, end = particles.move(paired, made.flow)
    level = variance.mean(dim=(1, 2)).sqrt()  # one noise for all: a faint particle is a faint one
    seen = torch.ones_like(paired.y, dtype=torch.bool)
    for points, light, part, noise in (
        (start, paired.first, share[0], level[0]),
        (end, paired.second, share[1], level[1]),
    ):
        seen &= _inside(points, shape)
        row, column = (points[n].round().long().clamp(0, shape[n] - 1) for n in (0, 1))
        seen &= light * part[row, column] > noise
    u, v = (c.expand_as(paired.y)[seen] for c in made.flow(paired.y, paired.x))
    arrays = (slope_x, slope_y, variance.sum(dim=0), paired.y[seen], paired.x[seen], u, v)
    return Hidden(*(a.cpu().double().numpy() for a in arrays))


def _noise(light: Tensor, exposure: Exposure) -> Tensor:
    """Variance of both frames: read noise, shot noise and rounding, in units of the first's."""
    gain = torch.tensor([1.0, exposure.gain], device=light.device)[:, None, None]
    variance = torch.full_like(light, exposure.noise**2)
    if exposure.electrons > 0:
        variance = variance + (light * gain).clamp_min(0) / exposure.electrons
    rounding = 1 / (exposure.peak * (2**exposure.bits - 1))
    return (variance + rounding**2 / 12) / gain**2


def _within_range(light: Tensor, exposure: Exposure) -> Tensor:
    """1 where neither frame is saturated, else 0, shape (H, W)."""
    gain = torch.tensor([1.0, exposure.gain], device=light.device)[:, None, None]
    return ((light * gain + exposure.offset) * exposure.peak < 1).all(dim=0).to(light)


def _difference(seeds: Particles, diameter: float, shape: tuple[int, int], axis: str) -> Tensor:
    """Derivative of the mid-time image by the position of its particles along x or y, (H, W)."""
    middle = torch.stack((seeds.y, seeds.x))
    step = torch.tensor([[0.0], [_STEP]] if axis == "x" else [[_STEP], [0.0]]).to(middle)
    brightness = (seeds.first + seeds.second) / 2 / particles.mean_peak(diameter)
    which = torch.zeros(2 * seeds.y.numel(), dtype=torch.long, device=middle.device)
    which[seeds.y.numel() :] = 1
    ahead, behind = camera.render(
        torch.cat((middle + step, middle - step), dim=1),
        torch.cat((seeds.diameter, seeds.diameter)),
        torch.cat((brightness, brightness)),
        which,
        shape,
    )
    return (ahead - behind) / (2 * _STEP)


def _inside(points: Tensor, shape: tuple[int, int]) -> Tensor:
    return (
        (points[0] > -0.5)
        & (points[0] < shape[0] - 0.5)
        & (points[1] > -0.5)
        & (points[1] < shape[1] - 0.5)
    )
