r"""A pseudo-spectral solver of two-dimensional turbulence, decaying on a doubly periodic box.

One scalar :math:`q` is carried by the velocity that it makes itself,

.. math::

    \partial_t q + \mathbf u \cdot \nabla q = -\nu (-\nabla^2)^p q, \qquad
    \hat\psi = \hat q / |k|^{\alpha}, \quad
    u = \partial_y \psi, \quad v = -\partial_x \psi .

With :math:`\alpha = 2`, :math:`q` is the vorticity and this is the Navier-Stokes equation in two
dimensions; with :math:`\alpha = 1` it is surface quasi-geostrophic flow (Held et al., *J. Fluid
Mech.* 282, 1995, eq. 1-3), whose small vortices have steeper gradients.  The dissipation is exact
(integrating factor), the rest fourth-order Runge-Kutta with the 2/3 rule against aliasing.
Lengths are in units where the box is :math:`2\pi` wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SolverSettings:
    r"""One run of the solver.

    Parameters
    ----------
    size : int
        Grid points along each side of the box.
    alpha : float
        2: vorticity (Navier-Stokes); 1: surface quasi-geostrophic.
    viscosity : float
        :math:`\nu`.
    order : int
        :math:`p`; 1 is true viscosity, more is hyperviscosity.
    peak : float
        Wavenumber at which the initial energy is largest.
    courant : float
        Courant number that sets the time step.
    """

    size: int = 256
    alpha: float = 2.0
    viscosity: float = 1e-4
    order: int = 1
    peak: float = 8.0
    courant: float = 0.8


def wavenumbers(size: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Integer wavenumbers (ky, kx) of ``rfft2``, shapes (size, 1) and (1, size // 2 + 1)."""
    ky = torch.fft.fftfreq(size, 1 / size, device=device, dtype=torch.float64)[:, None]
    kx = torch.fft.rfftfreq(size, 1 / size, device=device, dtype=torch.float64)[None, :]
    return ky, kx


def velocity(q: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Velocity (u, v) that the scalar makes; q has shape (N, N), x along the columns."""
    ky, kx = wavenumbers(q.shape[-1], str(q.device))
    stream = torch.fft.rfft2(q) * _inverse_power(ky, kx, alpha)
    both = torch.stack((1j * ky * stream, -1j * kx * stream))
    u, v = torch.fft.irfft2(both, s=q.shape[-2:])
    return u, v


def initial(settings: SolverSettings, rng: np.random.Generator) -> Tensor:
    """Random phases with energy about ``settings.peak``; the rms velocity component is 1."""
    ky, kx = wavenumbers(settings.size)
    k = torch.hypot(ky, kx)
    energy = k**6 / (k + 1.2 * settings.peak) ** 18
    shape = (settings.size, settings.size)
    noise = torch.fft.rfft2(torch.from_numpy(rng.standard_normal(shape)))
    stream = noise * torch.sqrt(energy / k.clamp_min(1)) / k.clamp_min(1)
    q = torch.fft.irfft2(stream * k**settings.alpha * _kept(ky, kx, settings.size), s=shape)
    u, v = velocity(q, settings.alpha)
    return q / torch.sqrt((u**2 + v**2).mean() / 2)


def run(q: Tensor, settings: SolverSettings, times: list[float]) -> Iterator[Tensor]:
    """The scalar at each of the rising ``times``, from ``q`` of shape (N, N) at time 0."""
    size = settings.size
    ky, kx = wavenumbers(size, str(q.device))
    kept = _kept(ky, kx, size)
    inverse = _inverse_power(ky, kx, settings.alpha)
    decay = settings.viscosity * (ky**2 + kx**2) ** settings.order
    symbols = torch.stack(
        (1j * ky * inverse, -1j * kx * inverse, 1j * kx + 0 * ky, 1j * ky + 0 * kx)
    )
    top = 0.0

    def rate(q_hat: Tensor) -> Tensor:
        nonlocal top
        u, v, q_x, q_y = torch.fft.irfft2(symbols * q_hat, s=(size, size))
        top = float(torch.maximum(u.abs().max(), v.abs().max()))
        return -torch.fft.rfft2(u * q_x + v * q_y) * kept

    state = torch.fft.rfft2(q.to(torch.float64)) * kept
    now = 0.0
    for time in times:
        while now < time - 1e-12:
            first = rate(state)
            step = min(settings.courant * (2 * math.pi / size) / max(top, 1e-9), time - now)
            half = torch.exp(-decay * step / 2)
            second = rate(half * (state + step / 2 * first))
            third = rate(half * state + step / 2 * second)
            fourth = rate(half * (half * state + step * third))
            state = (
                half * half * (state + step / 6 * first)
                + half * step / 3 * (second + third)
                + step / 6 * fourth
            )
            now += step
        yield torch.fft.irfft2(state, s=(size, size))


def _inverse_power(ky: Tensor, kx: Tensor, alpha: float) -> Tensor:
    k = torch.hypot(ky, kx)
    return torch.where(k > 0, k.clamp_min(1) ** -alpha, 0.0)


def _kept(ky: Tensor, kx: Tensor, size: int) -> Tensor:
    """The 2/3 rule."""
    return ((ky.abs() < size / 3) & (kx < size / 3)).to(torch.float64)
