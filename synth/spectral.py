r"""Periodic fields made in Fourier space, evaluated anywhere as cubic B-splines.

The spline *is* the flow: particles and truth are read from the same coefficients, so that they
agree to rounding.  The B-spline prefilter is a division in Fourier space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synth.flows import Displacement


@dataclass(frozen=True, eq=False, slots=True)
class Periodic:
    """A periodic field from the B-spline coefficients of u and v.

    Parameters
    ----------
    coefficients : float tensor, shape (2, Ny, Nx)
    spacing : float
        Distance of the grid points, px.
    origin : (float, float)
        Where grid point (0, 0) lies, (y, x) px.
    """

    coefficients: Tensor
    spacing: float
    origin: tuple[float, float] = (0.0, 0.0)

    def __call__(self, y: Tensor, x: Tensor) -> Displacement:
        """Displacement at points."""
        y, x = y + 0 * x, x + 0 * y  # of one shape
        shape = y.shape
        _, rows, columns = self.coefficients.shape
        row, in_y = _support((y.reshape(-1) - self.origin[0]) / self.spacing, rows)
        column, in_x = _support((x.reshape(-1) - self.origin[1]) / self.spacing, columns)
        flat = (row[:, :, None] * columns + column[:, None, :]).reshape(-1)
        both = self.coefficients.reshape(2, -1).T.contiguous()
        near = both.index_select(0, flat).reshape(-1, 16, 2)
        weight = (in_y[:, :, None] * in_x[:, None, :]).reshape(-1, 16, 1)
        value = (near * weight).sum(1)
        return value[:, 0].reshape(shape), value[:, 1].reshape(shape)

    def on_grid(self, shape: tuple[int, int], device: str) -> Tensor:
        """The field at every pixel, shape (2, H, W): two products with spline matrices."""
        _, rows, columns = self.coefficients.shape
        in_y = _matrix(shape[0], rows, self.spacing, self.origin[0], device)
        in_x = _matrix(shape[1], columns, self.spacing, self.origin[1], device)
        return in_y @ self.coefficients @ in_x.T


def _support(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Indices and cubic B-spline weights of the four grid points near, shape (N, 4)."""
    floor = torch.floor(position)
    t = position - floor
    steps = torch.arange(-1, 3, device=position.device)
    index = (floor.long()[:, None] + steps) % size
    r = 1 - t
    weights = torch.stack(
        (
            r**3 / 6,
            2 / 3 - t**2 * (1 - t / 2),
            2 / 3 - r**2 * (1 - r / 2),
            t**3 / 6,
        ),
        dim=1,
    )
    return index, weights


def _matrix(pixels: int, size: int, spacing: float, origin: float, device: str) -> Tensor:
    """Spline weights from ``size`` periodic grid points to ``pixels`` pixels."""
    position = (torch.arange(pixels, dtype=torch.float32, device=device) - origin) / spacing
    index, weights = _support(position, size)
    return torch.zeros(pixels, size, device=device).scatter_add_(1, index, weights)


def _frequencies(shape: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Angular frequencies (ky, kx) per grid point."""
    ky = 2 * math.pi * torch.fft.fftfreq(shape[0], device=device)[:, None]
    kx = 2 * math.pi * torch.fft.rfftfreq(shape[1], device=device)[None, :]
    return ky, kx


def from_stream(
    stream: Tensor,
    shape: tuple[int, int],
    spacing: float,
    potential: Tensor | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
) -> Periodic:
    r"""Field of a stream function (and a potential), both as ``rfft2`` spectra.

    :math:`u = \partial_y\psi + \partial_x\phi`, :math:`v = -\partial_x\psi + \partial_y\phi`.
    """
    ky, kx = _frequencies(shape, str(stream.device))
    # the spectrum of the sampled cubic B-spline along each axis
    prefilter = 9 / ((2 + torch.cos(ky)) * (2 + torch.cos(kx)))
    psi = 1j * stream * prefilter
    u, v = ky * psi, -kx * psi
    if potential is not None:
        phi = 1j * potential * prefilter
        u, v = u + kx * phi, v + ky * phi
    return Periodic(torch.fft.irfft2(torch.stack((u, v)), s=shape), spacing, origin)


def random_field(
    rng: np.random.Generator,
    extent: tuple[int, int],
    *,
    spacing: int,
    wavelength: float,
    slope: float,
    shortest: float,
    bandwidth: float = 0.0,
    divergent: float = 0.0,
    divergent_rng: np.random.Generator | None = None,
    device: str = "cpu",
) -> Periodic:
    r"""Gaussian random field of a chosen energy spectrum, not yet scaled.

    .. math:: E(k) = \frac{\kappa^4}{(1 + \kappa^2)^{(4 + p)/2}} e^{-(k/k_s)^8},
              \quad \kappa = k \lambda / 2\pi ,

    so that :math:`E \sim k^{-p}` between the energetic wavelength :math:`\lambda` and the shortest
    one; or, with a ``bandwidth`` b, :math:`E = e^{-((\kappa - 1)/b)^2}`, one scale only.

    Parameters
    ----------
    extent : (int, int)
        The periodic box is at least this large, px.
    spacing : int
        Distance of its grid points, px.
    wavelength, shortest : float
        px.
    slope : float
        p.
    divergent : float
        Rms of a part with divergence and no rotation over that of the part without divergence.  A
        plane through isotropic turbulence, whose third component makes up for it, has about 0.45
        (the mean squares of divergence and rotation are as 1 to 5 by the isotropic relations,
        Batchelor 1953, The theory of homogeneous turbulence).
    divergent_rng : Generator, optional
        Where that part is drawn from; without it from ``rng``, before the other.
    """
    rows, columns = (16 * math.ceil(side / spacing / 16) for side in extent)
    ky, kx = _frequencies((rows, columns), device)
    k = torch.hypot(ky, kx) / spacing
    k[0, 0] = 1.0
    kappa = k * (wavelength / (2 * math.pi))
    if bandwidth > 0:
        energy = torch.exp(-(((kappa - 1) / bandwidth) ** 2))
    else:
        cut = torch.exp(-((k * (shortest / (2 * math.pi))) ** 8))
        energy = kappa**4 * (1 + kappa**2) ** (-(4 + slope) / 2) * cut
    amplitude = torch.sqrt(energy / k**3)
    amplitude[0, 0] = 0.0

    def noise(rng: np.random.Generator) -> Tensor:
        parts = rng.standard_normal((rows, columns // 2 + 1, 2), dtype=np.float32)
        return torch.view_as_complex(torch.from_numpy(parts).to(device)) * amplitude

    potential = noise(divergent_rng or rng) * divergent if divergent > 0 else None
    return from_stream(noise(rng), (rows, columns), float(spacing), potential)


def from_scalar(
    scalar: Tensor,
    alpha: float,
    points: int,
    box: float,
    origin: tuple[float, float],
    divergent: Tensor | None = None,
) -> Periodic:
    """Field of a solver's scalar (N, N) on ``points`` x ``points`` (>= N), ``box`` px wide.

    The scalar gives the stream function; ``divergent``, of the same shape, a potential as well.
    """

    def inverted(scalar: Tensor) -> Tensor:
        half = scalar.shape[-1] // 2
        spectrum = torch.fft.rfft2(scalar)
        wide = torch.zeros(points, points // 2 + 1, dtype=spectrum.dtype, device=scalar.device)
        wide[:half, :half] = spectrum[:half, :half]
        wide[points - half + 1 :, :half] = spectrum[half + 1 :, :half]
        ky, kx = _frequencies((points, points), str(scalar.device))
        k = torch.hypot(ky, kx)
        k[0, 0] = 1.0
        spectrum = wide * k**-alpha
        spectrum[0, 0] = 0
        return spectrum

    potential = None if divergent is None else inverted(divergent)
    return from_stream(inverted(scalar), (points, points), box / points, potential, origin)
