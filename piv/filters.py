"""Separable filters of images, (..., H, W) tensors, with the frame mirrored at its borders."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_BLOCK = 64  # outputs per matrix product; a balance of arithmetic against overlap


def separable(images: Tensor, kernel: tuple[float, ...], *, mirror: bool = True) -> Tensor:
    """Convolve rows and columns with a symmetric kernel of odd length.

    Each axis is a product with a banded Toeplitz matrix, block by block: on a CPU several times
    quicker than a convolution with one channel.

    Parameters
    ----------
    images : tensor, shape (..., H, W)
    kernel : tuple of odd length
    mirror : bool
        Mirror about the outermost pixel centres; False = zeros outside.
    """
    radius = len(kernel) // 2
    toeplitz = _toeplitz(kernel).to(images)
    height, width = images.shape[-2:]
    planes = images.reshape(-1, height, width)
    rows = extend(planes, radius, -width % _BLOCK + radius, mirror)
    pieces = rows.unfold(-1, _BLOCK + 2 * radius, _BLOCK)
    # one tall matrix: a batched product of overlapping views would be done piece by piece
    planes = (pieces.reshape(-1, pieces.shape[-1]) @ toeplitz).reshape(len(planes), height, -1)
    columns = extend(planes[..., :width].mT, radius, radius, mirror).mT
    out = torch.empty_like(images, memory_format=torch.contiguous_format).view_as(
        planes[..., :width]
    )
    for top in range(0, height, _BLOCK):
        size = min(_BLOCK, height - top)
        band = columns[:, top : top + size + 2 * radius]
        out[:, top : top + size] = toeplitz[: size + 2 * radius, :size].T @ band
    return out.view_as(images)


@lru_cache(maxsize=64)
def _toeplitz(kernel: tuple[float, ...]) -> Tensor:
    """(BLOCK + 2 radius, BLOCK): column j has the kernel in rows j .. j + 2 radius."""
    # it is kept: made while an analysis runs, it must still serve a training
    with torch.inference_mode(mode=False):
        matrix = torch.zeros(_BLOCK + len(kernel) - 1, _BLOCK)
        for offset, value in enumerate(kernel):
            matrix.diagonal(-offset)[:_BLOCK] = value
    return matrix


def extend(images: Tensor, before: int, after: int, mirror: bool) -> Tensor:
    """Lengthen the last axis by mirroring at the outermost centres, or by zeros."""
    size = images.shape[-1]
    if not mirror:
        return torch.nn.functional.pad(images, (before, after))
    if max(before, after) < size:
        head = images[..., 1 : before + 1].flip(-1)
        tail = images[..., size - 1 - after : size - 1].flip(-1)
        return torch.cat((head, images, tail), dim=-1)
    # on a short axis the mirror image is itself mirrored
    if size == 1:
        return images.expand(*images.shape[:-1], 1 + before + after)
    index = torch.arange(-before, size + after, device=images.device)
    index = index.abs() % (2 * size - 2)
    index = torch.where(index < size, index, 2 * size - 2 - index)
    return images.index_select(-1, index)


def halve(images: Tensor) -> Tensor:
    """Mean of each 2 x 2 px; (..., H, W) -> (..., H/2, W/2), H and W even."""
    rows = images[..., 0::2, :] + images[..., 1::2, :]
    return (rows[..., 0::2] + rows[..., 1::2]) / 4


@lru_cache(maxsize=64)
def gaussian_kernel(sigma: float) -> tuple[float, ...]:
    """Sampled Gaussian of standard deviation ``sigma`` px, cut at 3 sigma, sum 1."""
    radius = max(1, math.ceil(3 * sigma))
    values = [math.exp(-0.5 * (n / sigma) ** 2) for n in range(-radius, radius + 1)]
    total = sum(values)
    return tuple(value / total for value in values)


def gaussian(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with standard deviation ``sigma`` px."""
    return separable(images, gaussian_kernel(sigma))
