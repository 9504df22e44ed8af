"""Particles: where they are at mid-time, how large and bright they are, and how they move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synth.flows import Flow


@dataclass(frozen=True, eq=False, slots=True)
class Particles:
    """Particles in the light sheet.

    Parameters
    ----------
    y, x : float tensor, shape (N,)
        Position at mid-time, px.
    diameter : float tensor, shape (N,)
        e^-2 diameter of the image before the pixels integrate it, px.
    first, second : float tensor, shape (N,)
        Brightness in each frame; 0 where the particle is out of the sheet.
    """

    y: Tensor
    x: Tensor
    diameter: Tensor
    first: Tensor
    second: Tensor

    def keep(self, wanted: Tensor) -> Particles:
        """Those where the bool tensor is True."""
        return Particles(
            self.y[wanted],
            self.x[wanted],
            self.diameter[wanted],
            self.first[wanted],
            self.second[wanted],
        )


def seed(
    rng: np.random.Generator,
    shape: tuple[int, int],
    margin: tuple[float, float],
    *,
    density: float,
    diameter: float,
    diameter_spread: float,
    brightness_spread: float,
    loss_of_pairs: float,
    loss_by_motion: float,
    device: str = "cpu",
) -> Particles:
    r"""Scatter particles over the image and a margin around it.

    The sheet is Gaussian in z with e^-2 thickness 1: the brightness is :math:`e^{-8 z^2}`, and a
    particle is seen where :math:`|z| \le 1/2`.  An out-of-plane motion w takes a particle from
    :math:`z - w/2` to :math:`z + w/2`, so that a share |w| of the particles seen in one frame is
    missing in the other.  The rest of the loss replaces particles at random.

    Parameters
    ----------
    margin : (float, float)
        Above and below, left and right, px.
    density : float
        Particles seen in each frame, per pixel.
    diameter, diameter_spread : float
        Mean e^-2 diameter in px, and its relative standard deviation.
    brightness_spread : float
        Standard deviation of the logarithm of the particles' own brightness.
    loss_of_pairs : float
        Share of the particles of one frame that are missing in the other.
    loss_by_motion : float
        Share of that loss which comes from the out-of-plane motion.
    """
    motion = loss_of_pairs * loss_by_motion
    replaced = 1 - (1 - loss_of_pairs) / (1 - motion)
    height, width = shape[0] + 2 * margin[0], shape[1] + 2 * margin[1]
    # a replaced place holds two particles, one in each frame
    number = rng.poisson(density * height * width * (1 + motion))
    numbers = rng.random((4, number), dtype=np.float32)
    normal = rng.standard_normal((2, number), dtype=np.float32)
    way = 1.0 if rng.random() < 0.5 else -1.0

    y = numbers[0] * height - (margin[0] + 0.5)
    x = numbers[1] * width - (margin[1] + 0.5)
    z = (numbers[2] - 0.5) * (1 + motion)
    own = np.exp(brightness_spread * normal[0])
    size = diameter * np.clip(1 + diameter_spread * normal[1], 0.4, 2.0)
    first, second = (_sheet(z - way * motion / 2) * own, _sheet(z + way * motion / 2) * own)
    if replaced > 0:
        gone = numbers[3] < replaced
        extra = np.nonzero(gone)[0]
        places = rng.random((2, extra.size), dtype=np.float32)
        y = np.concatenate((y, places[0] * height - (margin[0] + 0.5)))
        x = np.concatenate((x, places[1] * width - (margin[1] + 0.5)))
        size = np.concatenate((size, size[extra]))
        first = np.concatenate((first, np.zeros(extra.size, np.float32)))
        second = np.concatenate((np.where(gone, np.float32(0), second), second[extra]))
    tensors = [
        torch.from_numpy(np.asarray(a, dtype=np.float32)).to(device)
        for a in (y, x, size, first, second)
    ]
    return Particles(*tensors)


def _sheet(
    z: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.where(np.abs(z) <= 0.5, np.exp(-8 * z * z), np.float32(0))


def move(particles: Particles, flow: Flow) -> tuple[Tensor, Tensor]:
    """Positions in both frames, each of shape (2, N) as (y, x): x - d/2 and x + d/2."""
    u, v = flow(particles.y, particles.x)
    middle = torch.stack((particles.y, particles.x))
    half = torch.stack((v.expand_as(particles.y), u.expand_as(particles.x))) / 2
    return middle - half, middle + half


def mean_peak(diameter: float) -> float:
    r"""Grey level of the pixel on which a particle of brightness 1 is centred.

    :math:`\frac{\pi}{2} \sigma^2 \left(2\,\mathrm{erf}\frac{1}{2\sqrt 2 \sigma}\right)^2`,
    :math:`\sigma = d/4`.
    """
    sigma = diameter / 4
    return math.pi / 2 * sigma**2 * (2 * math.erf(0.5 / (math.sqrt(2) * sigma))) ** 2
