"""Plausibility of vectors on a grid, and the filling of those that fail.

Tensors here are (B, Ny, Nx); the tests only set flags, :func:`fill` only replaces values.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from piv.filters import gaussian
from piv.polynomial import fitted_at, near
from piv.settings import ValidateSettings
from piv.types import Flag

# any of these makes a vector unfit to be used
REJECTED = int(
    Flag.MASKED | Flag.EDGE_PEAK | Flag.NO_SUBPIXEL | Flag.LOW_PEAK_RATIO | Flag.MEDIAN_OUTLIER
    | Flag.OUT_OF_RANGE | Flag.NO_CONTRAST | Flag.LOW_PEAK | Flag.MANUAL
)  # fmt: skip


def validate(
    u: Tensor, v: Tensor, flags: Tensor, height: Tensor, ratio: Tensor, settings: ValidateSettings
) -> Tensor:
    """Flags of all tests together.

    Parameters
    ----------
    u, v : tensor, shape (B, Ny, Nx)
        Displacement, px; NaN where there is none.
    flags : int32 tensor
        Flags so far (of the peaks); kept.
    height, ratio : tensor
        Normalised height of the primary peak and its ratio to the secondary one.
    settings : ValidateSettings

    Returns
    -------
    flags : int32 tensor, shape (B, Ny, Nx)
    """
    flags = flags | (ratio < settings.peak_ratio).int() * int(Flag.LOW_PEAK_RATIO)
    flags = flags | (height < settings.peak_height).int() * int(Flag.LOW_PEAK)
    if settings.largest > 0:
        flags = flags | (torch.hypot(u, v) > settings.largest).int() * int(Flag.OUT_OF_RANGE)
    usable = (flags & REJECTED) == 0
    outlier = normalised_median_test(
        torch.where(usable, u, torch.nan),
        torch.where(usable, v, torch.nan),
        threshold=settings.median_threshold,
        noise=settings.median_noise,
    )
    flags = flags | outlier.int() * int(Flag.MEDIAN_OUTLIER)
    return flags | _stray(flags).int() * int(Flag.MEDIAN_OUTLIER)


def _stray(flags: Tensor) -> Tensor:
    """True where at most one neighbour is usable and most of the others were rejected.

    Noise now and then looks like a displacement; with no neighbours the median cannot tell.
    """
    alive = (flags & int(Flag.MASKED)) == 0
    usable = (flags & REJECTED) == 0
    kinds = torch.stack((usable, alive & ~usable)).to(torch.float32)
    kernel = torch.ones(1, 1, 3, 3, device=flags.device)
    kernel[..., 1, 1] = 0
    around = conv2d(kinds.flatten(0, 1)[:, None], kernel, padding=1).view_as(kinds)
    return usable & (around[0] <= 1) & (around[1] >= 2)


def normalised_median_test(
    u: Tensor, v: Tensor, *, threshold: float = 2.0, noise: float = 0.1
) -> Tensor:
    r"""True where a vector leaves the scatter of its eight neighbours.

    .. math:: r_0 = \frac{|U_0 - U_m|}{r_m + \epsilon}, \qquad
              r_m = \operatorname{median} |U_i - U_m|,

    for each component, joined as a vector length (Westerweel & Scarano 2005,
    doi:10.1007/s00348-005-0016-6).

    Parameters
    ----------
    u, v : tensor, shape (B, Ny, Nx)
        NaN = no value: not tested, and not a neighbour.
    threshold : float
    noise : float
        The noise level epsilon, px.
    """
    residuals = []
    for component in (u, v):
        neighbours = _neighbours(component)
        median = nanmedian(neighbours)
        scatter = nanmedian((neighbours - median[..., None]).abs())
        residuals.append((component - median).abs() / (scatter + noise))
    enough = _neighbours(u).isfinite().sum(-1) >= 3
    return (torch.hypot(*residuals) > threshold) & enough


def _neighbours(values: Tensor) -> Tensor:
    """(B, Ny, Nx) -> (B, Ny, Nx, 8); beyond the grid the field goes on in a straight line.

    With no neighbours there, the median of an edge vector would be that of the next row, and any
    shear would be rejected along the border.
    """
    padded = extrapolate(extrapolate(values).mT).mT
    rows, columns = values.shape[-2:]
    shifted = [
        padded[:, row : row + rows, column : column + columns]
        for row in range(3)
        for column in range(3)
        if (row, column) != (1, 1)
    ]
    return torch.stack(shifted, dim=-1)


def extrapolate(field: Tensor) -> Tensor:
    """One more column on each side of (..., Nx), on a straight line; of one column, its copy."""
    if field.shape[-1] < 2:
        return torch.cat((field, field, field), dim=-1)
    before = 2 * field[..., :1] - field[..., 1:2]
    after = 2 * field[..., -1:] - field[..., -2:-1]
    return torch.cat((before, field, after), dim=-1)


def nanmedian(values: Tensor) -> Tensor:
    """Median over the last axis without NaN; the mean of the middle two of an even count."""
    ordered = values.sort(dim=-1).values  # NaN last
    count = values.isfinite().sum(-1, keepdim=True)
    low = ((count - 1) // 2).clamp(min=0)
    high = (count // 2).clamp(max=values.shape[-1] - 1)
    return (ordered.gather(-1, low) + ordered.gather(-1, high))[..., 0] / 2


def fill(u: Tensor, v: Tensor, keep: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Replace what is not kept by a smooth continuation of what is.

    A weighted mean over ever wider Gaussian neighbourhoods gives the first value, relaxation of
    Laplace's equation makes it smooth.  Where nothing at all is kept the field is zero.

    Parameters
    ----------
    u, v : tensor, shape (B, Ny, Nx)
    keep : bool tensor, shape (B, Ny, Nx)
    masked : bool tensor, shape (B, Ny, Nx), or None
        Where a body is: into it the field goes on along its slope, for the fluid beside it is
        interpolated with these vectors, and is fast only away from the body.

    Returns
    -------
    u, v : tensor, finite everywhere; equal to the input where it was kept.
    """
    if bool(keep.all()):
        return u, v
    field = torch.stack((u, v), dim=1)
    weight = keep[:, None].to(field)
    known = torch.where(keep[:, None], field, 0.0)
    filled, missing = known, ~keep[:, None].expand_as(known)
    sigma, largest = 1.0, max(u.shape[-2:])
    while bool(missing.any()) and sigma <= 2 * largest:
        total = gaussian(weight, sigma)
        mean = gaussian(known, sigma) / total.clamp(min=1e-6)
        reached = missing & (total > 0.02)
        filled = torch.where(reached, mean, filled)
        missing = missing & ~reached
        sigma *= 2
    for _ in range(20):
        around = pad(filled, (1, 1, 1, 1), mode="replicate")
        mean = (
            around[..., 1:-1, 2:] + around[..., 1:-1, :-2]
            + around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
        ) / 4  # fmt: skip
        filled = torch.where(keep[:, None], known, mean)
    if masked is not None and bool(masked.any()):
        # one vector into the mask: a second one, from even further away, does more harm than good;
        # and holes of single vectors are better bridged than continued
        share = avg_pool2d((~keep)[:, None].float(), 3, 1, 1, count_include_pad=False)[:, 0]
        rim = ~keep & near(keep, 1) & near(masked, 1) & (share > 0.5)
        filled = fitted_at(filled, keep, rim, curved=False)
    return filled[:, 0], filled[:, 1]
