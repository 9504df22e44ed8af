"""Values between the vectors, never made of one that is absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.datasets import on_datasets
from piv.post.gradients import present_vectors
from piv.post.stencils import check_coordinates, spacing_of
from piv.types import Bool, Flag, Float, VectorField

_NOTHING = 1e-10  # weight that is rounding error

Method: TypeAlias = Literal["linear", "cubic"]
Points: TypeAlias = npt.ArrayLike  # (..., 2): x, y


@on_datasets
def sample(
    field: VectorField,
    points: Points,
    values: Float | None = None,
    *,
    method: Method = "linear",
    exclude: int = Flag.MASKED,
) -> Float:
    """Velocity, or another quantity on the field's grid, at any points.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    points : array, shape (..., 2)
        x and y in the field's own coordinates.
    values : array, shape (..., Ny, Nx), optional
        A quantity on the field's grid, such as its vorticity.
    method : "linear" or "cubic"
        Bilinear, or polynomials of third degree through 4 x 4 vectors (bilinear where one of
        these is absent).
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array
        Of ``values`` shape (series..., points...); of the velocity with a last axis of u and v.
        NaN outside the grid and where one of the vectors around a point is absent.

    Raises
    ------
    InputError
        If the points are no x, y, the values not on the grid, or the method unknown.
    """
    places = as_points(points)
    grid = Grid.of(field, exclude)
    flat = places.reshape(-1, 2)
    if values is not None:
        if values.shape[-2:] != field.shape[-2:]:
            raise InputError(f"the values have shape {values.shape}, the field {field.shape}")
        found = grid.interpolate(np.asarray(values), flat, method)
        return found.reshape(*found.shape[:-1], *places.shape[:-1])
    found = np.stack([grid.interpolate(part, flat, method) for part in (field.u, field.v)], -1)
    return found.reshape(*found.shape[:-2], *places.shape)


def as_points(points: Points, least: int = 0) -> Float:
    """Points in double precision.

    Raises
    ------
    InputError
        If they are not pairs of finite numbers, or under ``least``.
    """
    try:
        places = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        raise InputError("points are pairs of numbers x, y, an array of shape (..., 2)") from None
    if places.ndim == 0 or places.shape[-1] != 2:
        raise InputError(f"points are pairs x, y: an array of shape (..., 2), not {places.shape}")
    if not np.isfinite(places).all():
        raise InputError("points must be finite numbers")
    if least and (places.ndim != 2 or len(places) < least):
        raise InputError(
            f"a line has at least {least} points, an array of shape (n, 2), not {places.shape}"
        )
    return places


@dataclass(frozen=True, eq=False)
class Vertices:
    """The vectors that a value between them is made of, with their weights."""

    rows: npt.NDArray[np.intp]  # (K, points)
    columns: npt.NDArray[np.intp]
    weights: Float  # NaN outside the grid


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the vectors of a field are, and which of them are there."""

    x: Float
    y: Float
    present: Bool | None  # (..., Ny, Nx)

    @classmethod
    def of(cls, field: VectorField, exclude: int = Flag.MASKED) -> Grid:
        """Grid of a field.

        Raises
        ------
        InputError
            If there are under 2 x 2 vectors.
        """
        x, y = check_coordinates(field.x, "x"), check_coordinates(field.y, "y")
        if x.size < 2 or y.size < 2:
            raise InputError("at least 2 x 2 vectors are needed to find values between them")
        return cls(x, y, present_vectors(field, exclude))

    def interpolate(self, values: Float, points: Float, method: Method = "linear") -> Float:
        """Values at points (P, 2); shape (series..., P)."""
        if method not in get_args(Method):
            raise InputError(f"the method must be linear or cubic, not {method!r}")
        found = self.combine(values, self.vertices(points, 2))
        if method == "cubic":
            finer = self.combine(values, self.vertices(points, 4))
            found = np.where(np.isfinite(finer), finer, found)
        return found

    def vertices(self, points: Float, width: int = 2) -> Vertices:
        """The ``width`` x ``width`` vectors about each of the points (P, 2)."""
        first_y, weights_y = _lagrange(self.y, points[:, 1], width)
        first_x, weights_x = _lagrange(self.x, points[:, 0], width)
        steps_y, steps_x = np.divmod(
            np.arange(weights_y.shape[0] * weights_x.shape[0]), len(weights_x)
        )
        return Vertices(
            first_y + steps_y[:, None],
            first_x + steps_x[:, None],
            weights_y[steps_y] * weights_x[steps_x],
        )

    def combine(self, values: Float, vertices: Vertices) -> Float:
        """Sum of weight times value; one without weight may be absent."""
        rows, columns, weights = vertices.rows, vertices.columns, vertices.weights
        around: Any = values[..., rows, columns]
        if self.present is not None:
            around = np.where(self.present[..., rows, columns], around, np.nan)
        return np.asarray(np.where(weights == 0, 0.0, around * weights).sum(axis=-2))


def _lagrange(coordinates: Float, at: Float, width: int) -> tuple[npt.NDArray[np.intp], Float]:
    """First of ``width`` neighbours, shape (P,), and their weights, shape (width, P)."""
    size = coordinates.size
    width = min(width, size)
    step = spacing_of(coordinates)
    if step is not None:
        cell = np.floor((at - coordinates[0]) / step)
    elif coordinates[-1] > coordinates[0]:
        cell = np.searchsorted(coordinates, at, side="right") - 1.0
    else:
        cell = np.searchsorted(-coordinates, -at, side="right") - 1.0
    start = np.clip(np.nan_to_num(cell) - (width // 2 - 1), 0, size - width)
    first = start.astype(np.intp)
    nodes = coordinates[first + np.arange(width)[:, None]]
    low, high = min(coordinates[0], coordinates[-1]), max(coordinates[0], coordinates[-1])
    slack = 1e-9 * (high - low)
    inside = (at >= low - slack) & (at <= high + slack)
    weights = np.ones((width, at.size))
    for k in range(width):
        for other in range(width):
            if other != k:
                weights[k] *= (at - nodes[other]) / (nodes[k] - nodes[other])
    weights[np.abs(weights) < _NOTHING] = 0  # on a line of vectors the others do not count
    weights[:, ~inside] = np.nan
    return first, weights
