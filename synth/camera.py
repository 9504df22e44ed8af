"""What the camera makes of particles and light: pixels that integrate, noise, and grey levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def render(
    positions: Tensor, diameter: Tensor, brightness: Tensor, frame: Tensor, shape: tuple[int, int]
) -> Tensor:
    r"""Images of Gaussian particles, integrated over square pixels.

    Pixel i gets :math:`I_0 \frac{\pi}{2} \sigma^2 [\mathrm{erf}]_{i-1/2}^{i+1/2}` along each axis
    (arguments over :math:`\sqrt 2 \sigma`), :math:`\sigma` a quarter of the e^-2 diameter.

    Parameters
    ----------
    positions : float tensor, shape (2, N)
        (y, x), px.
    diameter, brightness : float tensor, shape (N,)
        e^-2 diameter in px; :math:`I_0`, the height of the Gaussian.
    frame : integer tensor, shape (N,)
        0 or 1: the frame in which the particle is seen.
    shape : (int, int)
        H, W.

    Returns
    -------
    images : float32 tensor, shape (2, H, W)
    """
    height, width = shape
    sigma = diameter / 4
    reach = torch.ceil(4 * sigma).long()  # beyond 4 sigma is 3e-4 of the peak
    rim = 2 * int(reach.max()) + 1 if reach.numel() else 1
    rows, columns = height + 2 * rim, width + 2 * rim
    canvas = torch.zeros(2 * rows * columns, device=positions.device)
    nearest = torch.round(positions).long()
    inside = (
        (nearest[0] >= -reach)
        & (nearest[0] < height + reach)
        & (nearest[1] >= -reach)
        & (nearest[1] < width + reach)
        & (brightness > 0)
    )
    for half in torch.unique(reach[inside]).tolist():
        chosen = torch.nonzero(inside & (reach == half))[:, 0]
        near = nearest[:, chosen]
        scale = 1 / (math.sqrt(2) * sigma[chosen])
        edges = torch.arange(-half, half + 2, device=positions.device) - 0.5
        steps = (edges - (positions[:, chosen] - near)[..., None]) * scale[:, None]
        integral = torch.erf(steps).diff(dim=-1)
        height_y = integral[0] * (brightness[chosen] * (math.pi / 2) * sigma[chosen] ** 2)[:, None]
        patch = height_y[:, :, None] * integral[1][:, None, :]
        corner = (near[0] + rim - half) * columns + near[1] + rim - half
        corner += frame[chosen] * (rows * columns)
        side = torch.arange(2 * half + 1, device=positions.device)
        offset = (side[:, None] * columns + side).reshape(-1)
        index = (corner[:, None] + offset).reshape(-1)
        canvas.index_add_(0, index, patch.reshape(-1))
    return canvas.reshape(2, rows, columns)[:, rim : rim + height, rim : rim + width]


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the light becomes grey levels.

    Parameters
    ----------
    bits : int
        8, 10, 12 or 16; more than 8 are stored as uint16.
    peak : float
        Grey level of a bright particle (light 1) as a share of the full scale; above 1 saturates.
    noise : float
        Standard deviation of the read noise as a share of a bright particle's peak.
    electrons : float
        Electrons of a bright particle's peak: sets the shot noise; 0 = none.
    gain : float
        Brightness of the second frame over the first.
    offset : float
        Grey level without light, as a share of a bright particle's peak.
    """

    bits: int = 8
    peak: float = 0.7
    noise: float = 0.0
    electrons: float = 0.0
    gain: float = 1.0
    offset: float = 0.0


def expose(light: Tensor, exposure: Exposure, rng: np.random.Generator) -> list[npt.NDArray[Any]]:
    """Two frames of camera integers from the light (2, H, W) in units of a bright particle."""
    light = light * torch.tensor([1.0, exposure.gain], device=light.device)[:, None, None]
    variance = torch.full_like(light, exposure.noise**2)
    if exposure.electrons > 0:
        variance = variance + light.clamp_min(0) / exposure.electrons
    if exposure.noise > 0 or exposure.electrons > 0:
        normal = rng.standard_normal(tuple(light.shape), dtype=np.float32)
        light = light + torch.sqrt(variance) * torch.from_numpy(normal).to(light.device)
    top = 2**exposure.bits - 1
    levels = torch.round((light + exposure.offset) * (exposure.peak * top)).clamp(0, top)
    dtype = np.uint8 if exposure.bits <= 8 else np.uint16
    frames = levels.to(torch.int32).cpu().numpy().astype(dtype)
    return [frames[0], frames[1]]


def sheet_profile(
    rng: np.random.Generator, shape: tuple[int, int], unevenness: float, device: str = "cpu"
) -> Tensor:
    """Brightness of the light sheet over the image in both frames, shape (2, H, W), about 1.

    A Gaussian beam profile across the sheet with faint stripes along it; the two lasers' beams
    differ a little.
    """
    height, width = shape
    angle = rng.uniform(0, math.pi)
    y = torch.arange(height, dtype=torch.float32, device=device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=device)[None, :]
    c, s = math.cos(angle), math.sin(angle)
    across = (c * (y - height / 2) - s * (x - width / 2)) / math.hypot(height, width)
    along = (c * (x - width / 2) + s * (y - height / 2)) / math.hypot(height, width)
    centre, tilt = rng.normal(0, 0.25), rng.normal(0, 0.5)
    # unevenness 1: the light falls to e^-2 within half a diagonal of the beam's axis
    sheets = []
    for _ in range(2):
        shift = rng.normal(0, 0.03)
        falloff = torch.exp(-8 * unevenness * (across - centre - shift) ** 2)
        stripes = torch.zeros((), device=device)
        for _ in range(2):
            waves, phase = rng.uniform(3, 30), rng.uniform(0, 2 * math.pi)
            stripes = stripes + torch.sin(2 * math.pi * waves * across + phase)
        fade = 1 + unevenness * tilt * along
        sheets.append(falloff * fade.clamp_min(0.2) * (1 + 0.08 * unevenness * stripes))
    return torch.stack(sheets)


def background(
    rng: np.random.Generator, shape: tuple[int, int], gradient: float, device: str = "cpu"
) -> Tensor:
    """Scattered light, the same in both frames, shape (H, W): plane and broad spots, >= 0."""
    height, width = shape
    y = torch.linspace(-1, 1, height, device=device)[:, None]
    x = torch.linspace(-1, 1, width, device=device)[None, :]
    slope_y, slope_x = rng.uniform(-0.5, 0.5, 2)
    field = 1 + slope_y * y + slope_x * x
    for _ in range(int(rng.integers(0, 3))):
        y_0, x_0 = rng.uniform(-1, 1, 2)
        radius = rng.uniform(0.15, 0.7)
        spot = torch.exp(-((y - y_0) ** 2) / radius**2) * torch.exp(-((x - x_0) ** 2) / radius**2)
        field = field + rng.uniform(0, 2) * spot
    return gradient * field
