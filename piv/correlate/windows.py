"""Where the interrogation windows lie, and how a field on their grid reaches every pixel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor


def window_starts(size: int, window: int, overlap: float) -> tuple[int, ...]:
    """First pixel of each window along one axis, evenly spaced and centred in the frame, px."""
    spacing = max(1, round(window * (1 - overlap)))
    count = (size - window) // spacing + 1
    first = (size - window - (count - 1) * spacing) // 2
    return tuple(first + n * spacing for n in range(count))


def centres(starts: tuple[int, ...], window: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Coordinates of the window centres, px (half-integer for even windows)."""
    return np.asarray(starts, dtype=np.float64) + (window - 1) / 2


def extract(
    images: Tensor, rows: tuple[int, ...], columns: tuple[int, ...], window: tuple[int, int]
) -> Tensor:
    """(B, H, W) -> (B, Ny, Nx, h, w), a view: nothing is copied."""
    spacing_y = rows[1] - rows[0] if len(rows) > 1 else 1
    spacing_x = columns[1] - columns[0] if len(columns) > 1 else 1
    height, width = window
    part = images[:, rows[0] : rows[-1] + height, columns[0] : columns[-1] + width]
    return part.unfold(1, height, spacing_y).unfold(2, width, spacing_x)


@lru_cache(maxsize=32)
def _spline_matrix(nodes: tuple[float, ...], size: int) -> Tensor:
    """(size, N): natural cubic spline through the nodes, straight lines beyond them."""
    positions = np.arange(size, dtype=np.float64)
    if len(nodes) == 1:
        return torch.ones(size, 1)
    spline = CubicSpline(np.asarray(nodes), np.eye(len(nodes)), bc_type="natural")
    inside = np.clip(positions, nodes[0], nodes[-1])
    matrix = spline(inside) + spline(inside, 1) * (positions - inside)[:, None]
    return torch.from_numpy(matrix.astype(np.float32))


def at_every_pixel(values: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Interpolate grid values at every pixel with natural cubic splines.

    Parameters
    ----------
    values : tensor, shape (..., Ny, Nx)
        Finite values.
    y, x : tensors, shapes (Ny,) and (Nx,)
        Coordinates of the nodes, px.
    height, width : int

    Returns
    -------
    tensor, shape (..., H, W)
    """
    rows = _spline_matrix(tuple(y.tolist()), height).to(values)
    columns = _spline_matrix(tuple(x.tolist()), width).to(values)
    return rows @ (values @ columns.T)
