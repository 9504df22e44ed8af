"""Line integral convolution: a texture that is smeared along the velocity."""

from __future__ import annotations

import numpy as np

from piv.errors import InputError
from piv.post.datasets import on_datasets
from piv.post.gradients import present_vectors
from piv.types import Bool, Flag, Float, VectorField


@on_datasets
def line_integral_convolution(
    field: VectorField,
    rng: np.random.Generator,
    *,
    length: float = 20.0,
    refine: int = 1,
    exclude: int = Flag.MASKED,
) -> Float:
    """White noise averaged along the streamline through each point.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
        On even spacing for an even texture.
    rng : numpy.random.Generator
        Draws the noise.
    length : float
        Of the average on either side, in points of the texture.
    refine : int
        Points of the texture for each vector, along x and y.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array, shape (Ny refine, Nx refine)
        Grey levels of mean 0 and variance 1 over what is there; NaN at absent vectors.  Point
        (i, j) lies in vector (i // refine, j // refine)'s cell.

    Raises
    ------
    InputError
        If the field is a series, length or refine are below 1, or no vector is there.

    References
    ----------
    .. [1] Cabral & Leedom, SIGGRAPH 1993, 263.
    """
    if field.u.ndim != 2:
        raise InputError(f"a texture shows one field, not a series of shape {field.shape}")
    if not (np.isfinite(length) and length >= 1) or refine < 1:
        raise InputError(
            f"a texture needs a length and a refinement of at least 1, not {length}, {refine}"
        )
    present = present_vectors(field, exclude)
    here = np.ones(field.shape, bool) if present is None else present
    if not here.any():
        raise InputError("the field holds no vector to draw")
    along = _directions(field, here)
    there = np.repeat(np.repeat(here, refine, 0), refine, 1)
    noise = rng.standard_normal(there.shape).astype(np.float32)
    indices: Float = np.indices(there.shape, np.float32)
    total, count = noise.copy(), np.ones(there.shape, np.float32)
    for sense in (1, -1):
        _smear(total, count, noise, there, along, indices, sense, int(length), refine)
    with np.errstate(invalid="ignore"):
        texture = total / np.sqrt(count)  # the variance of a mean falls with the number of points
    texture = np.where(there, texture, np.nan)
    spread = float(np.nanstd(texture))
    return np.asarray((texture - np.nanmean(texture)) / (spread if spread > 0 else 1.0))


def _directions(field: VectorField, here: Bool) -> tuple[Float, Float]:
    """Unit vectors along rows and columns, 0 where there is none."""
    rows_up = -1.0 if field.y.size > 1 and field.y[-1] < field.y[0] else 1.0
    columns_up = -1.0 if field.x.size > 1 and field.x[-1] < field.x[0] else 1.0
    u, v = (np.where(here, part, 0).astype(np.float32) for part in (field.u, field.v))
    speed = np.hypot(u, v)
    scale = np.divide(1, speed, out=np.zeros_like(speed), where=speed > 0)
    return rows_up * v * scale, columns_up * u * scale


def _smear(
    total: Float,
    count: Float,
    noise: Float,
    there: Bool,
    along: tuple[Float, Float],
    indices: Float,
    sense: int,
    steps: int,
    refine: int,
) -> None:
    """Add the noise that is met on the way to ``total``; every step is one point long."""
    height, width = noise.shape
    going = there.copy()
    row, column = indices[0], indices[1]

    def direction(row: Float, column: Float) -> tuple[Float, Float]:
        """Bilinear in the vectors, of unit length again."""
        return _unit(
            *(_between(part, *(_vector(at, refine) for at in (row, column))) for part in along)
        )

    for _ in range(steps):
        down, right = direction(row, column)
        down, right = direction(row + sense * down / 2, column + sense * right / 2)
        row, column = row + sense * down, column + sense * right
        near_row, near_column = np.rint(row).astype(np.intp), np.rint(column).astype(np.intp)
        going &= (near_row >= 0) & (near_row < height) & (near_column >= 0) & (near_column < width)
        np.clip(near_row, 0, height - 1, out=near_row)
        np.clip(near_column, 0, width - 1, out=near_column)
        going &= there[near_row, near_column]
        total += np.where(going, noise[near_row, near_column], 0)
        count += going


def _vector(at: Float, refine: int) -> Float:
    """Number of the vector, with its fraction, at points of the texture."""
    return (at + 0.5) / refine - 0.5


def _between(values: Float, row: Float, column: Float) -> Float:
    """Bilinear values at fractional rows and columns; the edge goes on outside."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(values, [row, column], order=1, mode="nearest", output=np.float32)


def _unit(down: Float, right: Float) -> tuple[Float, Float]:
    length = np.hypot(down, right)
    scale = np.divide(1, length, out=np.zeros_like(length), where=length > 1e-6)
    return down * scale, right * scale
