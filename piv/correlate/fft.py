r"""Correlation planes of interrogation windows and their peaks, (..., H, W) tensors.

A displacement ``(u, v)`` counts columns and rows in px: positive ``u`` is to the right, positive
``v`` is down.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from piv.types import Flag


class Planes(NamedTuple):
    """Correlation planes and what their windows hold; leading shapes are the windows'."""

    values: Tensor  # (..., 2 reach[0] + 1, 2 reach[1] + 1), normalised
    contrast: Tensor  # standard deviation of the fluid, the smaller of the two frames


class Peaks(NamedTuple):
    """What a stack of correlation planes says; every tensor has the planes' leading shape."""

    u: Tensor  # px
    v: Tensor  # px
    height: Tensor  # normalised correlation, about 0..1
    ratio: Tensor  # primary over secondary peak, at least 1
    flags: Tensor  # int32, bits of Flag


def correlation_planes(
    first: Tensor, second: Tensor, fluid: Tensor | None, reach: tuple[int, int]
) -> Planes:
    r"""Normalised linear cross-correlation of paired windows, divided by their overlap.

    With :math:`a', b'` the windows less their mean and :math:`m` their fluid pixels (1 or 0),

    .. math:: R(s) = \frac{\sum_x a'(x)\, b'(x + s)}{\sqrt{\sum a'^2 \sum b'^2}}
              \frac{\sum m}{\sum_x m(x)\, m(x + s)} .

    Without the division the plane falls off as a triangle, which pulls every peak towards zero
    (Westerweel 1997, doi:10.1088/0957-0233/8/12/002); without zero padding the windows wrap round.

    Parameters
    ----------
    first, second : tensor, shape (..., h, w)
        Windows of the two frames, grey levels of any scale.
    fluid : tensor, shape (..., h, w), or None
        1 = fluid and inside the frame, 0 = not; None = all fluid.
    reach : (int, int)
        Largest shift (rows, columns) that is looked at; at most the window less 1.

    Returns
    -------
    Planes
        Zero displacement is in the middle.  A window without contrast gives zeros.
    """
    height, width = first.shape[-2:]
    shape = (
        next_fast_len(height + reach[0], real=True),
        next_fast_len(width + reach[1], real=True),
    )
    if fluid is None:
        overlap = _triangle(height, reach[0])[:, None] * _triangle(width, reach[1])
        overlap = overlap.to(first)
        pixels = first.new_full((1, 1), float(height * width))
        a = first - first.mean(dim=(-2, -1), keepdim=True)
        b = second - second.mean(dim=(-2, -1), keepdim=True)
    else:
        pixels = fluid.sum((-2, -1), keepdim=True).clamp(min=1)
        a = (first - (first * fluid).sum((-2, -1), keepdim=True) / pixels) * fluid
        b = (second - (second * fluid).sum((-2, -1), keepdim=True) / pixels) * fluid
        overlap = _correlate(fluid, fluid, shape, reach)
    energy_a, energy_b = a.square().sum((-2, -1)), b.square().sum((-2, -1))
    energy = (energy_a * energy_b).sqrt()
    # at a small overlap there is no evidence, only amplified noise: let such peaks fade
    overlap = torch.maximum(overlap, 0.25 * pixels)
    scale = torch.where(energy > 0, 1 / energy, torch.zeros_like(energy))[..., None, None]
    values = _correlate(a, b, shape, reach).mul_(scale * (pixels / overlap))
    contrast = (torch.minimum(energy_a, energy_b) / pixels[..., 0, 0]).sqrt()
    return Planes(values, contrast)


def _triangle(size: int, reach: int) -> Tensor:
    """Shared pixels of two windows of ``size`` px shifted by -reach..reach."""
    return size - torch.arange(-reach, reach + 1).abs().to(torch.float32)


def _correlate(a: Tensor, b: Tensor, shape: tuple[int, int], reach: tuple[int, int]) -> Tensor:
    """Sum over x of a(x) b(x + s) for |s| <= reach, zero outside the windows."""
    product = torch.fft.rfft2(a, s=shape).conj() * torch.fft.rfft2(b, s=shape)
    plane = torch.fft.irfft2(product, s=shape)
    for axis, size in ((-2, reach[0]), (-1, reach[1])):
        length = plane.shape[axis]
        plane = torch.cat(
            (plane.narrow(axis, length - size, size), plane.narrow(axis, 0, size + 1)), dim=axis
        )
    return plane


def find_peaks(planes: Tensor) -> Peaks:
    """Highest peak of each plane with its three-point Gaussian fit, and the peak ratio.

    The secondary peak is the next highest local maximum of the plane.

    Parameters
    ----------
    planes : tensor, shape (..., 2 ry + 1, 2 rx + 1), with ry, rx >= 1

    Returns
    -------
    Peaks
        ``EDGE_PEAK`` where the maximum lies on the rim (the true one may lie beyond),
        ``NO_SUBPIXEL`` where a fit is impossible (the whole-pixel shift is returned),
        ``NO_CONTRAST`` where the plane is zero (u, v = NaN).
    """
    lead, (rows, columns) = planes.shape[:-2], planes.shape[-2:]
    flat = planes.reshape(-1, rows, columns)
    height, index = flat.flatten(1).max(dim=1)
    row, column = index // columns, index % columns
    empty = flat.abs().amax(dim=(1, 2)) == 0
    edge = (row == 0) | (row == rows - 1) | (column == 0) | (column == columns - 1)
    offset_v, bad_v = _gaussian_offset(flat, row, column, 0)
    offset_u, bad_u = _gaussian_offset(flat, row, column, 1)
    second = _secondary(flat, row, column)
    ratio = torch.where(second > 0, height / second.clamp(min=1e-12), torch.full_like(height, 1e3))

    flags = torch.zeros_like(index, dtype=torch.int32)
    flags |= edge.int() * int(Flag.EDGE_PEAK)
    flags |= ((bad_u | bad_v) & ~edge).int() * int(Flag.NO_SUBPIXEL)
    flags = torch.where(empty, torch.full_like(flags, int(Flag.NO_CONTRAST)), flags)
    nothing = torch.where(empty, torch.nan, 0.0)
    u = column - columns // 2 + offset_u + nothing
    v = row - rows // 2 + offset_v + nothing
    return Peaks(*(t.reshape(lead) for t in (u, v, height, ratio.clamp(1, 1e3), flags)))


def _gaussian_offset(
    planes: Tensor, row: Tensor, column: Tensor, axis: int
) -> tuple[Tensor, Tensor]:
    r"""Three-point Gaussian fit along one axis, and where it is impossible (offset 0 there).

    .. math:: \delta = \frac{\ln R_- - \ln R_+}{2 (\ln R_- - 2 \ln R_0 + \ln R_+)}
    """
    plane = torch.arange(len(planes), device=planes.device)
    last_row, last_column = planes.shape[-2] - 1, planes.shape[-1] - 1
    before, peak, after = (
        planes[
            plane,
            (row + step * (axis == 0)).clamp(0, last_row),
            (column + step * (axis == 1)).clamp(0, last_column),
        ]
        for step in (-1, 0, 1)
    )
    smallest = torch.minimum(before, after)
    low, mid, high = (t.clamp(min=1e-12).log() for t in (before, peak, after))
    curvature = low - 2 * mid + high
    bad = (smallest <= 0) | (curvature >= 0)
    offset = (low - high) / (2 * curvature)
    return torch.where(bad, torch.zeros_like(offset), offset.clamp(-1, 1)), bad


def _secondary(planes: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Height of the highest local maximum that is not a neighbour of the primary peak."""
    rows = torch.arange(planes.shape[-2], device=planes.device)
    columns = torch.arange(planes.shape[-1], device=planes.device)
    near = ((rows - row[:, None]).abs() <= 1)[:, :, None] & (
        (columns - column[:, None]).abs() <= 1
    )[:, None, :]
    other = (planes >= _highest_of_three(_highest_of_three(planes).mT).mT) & ~near
    return torch.where(other, planes, torch.zeros_like(planes)).flatten(1).amax(dim=1)


def _highest_of_three(x: Tensor) -> Tensor:
    """Each value or the larger of its neighbours along the last axis."""
    pairs = torch.maximum(x[..., 1:], x[..., :-1])
    inner = torch.maximum(pairs[..., 1:], pairs[..., :-1])
    return torch.cat((pairs[..., :1], inner, pairs[..., -1:]), dim=-1)
