"""Profiles along lines, and what flows along and through them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.correlated import correlation_of
from piv.post.criteria import vorticity
from piv.post.datasets import on_datasets
from piv.post.gradients import DEFAULT_SCHEME
from piv.post.interpolation import Grid, Method, Points, as_points
from piv.post.stencils import Scheme, check_coordinates
from piv.types import Flag, Float, Units, VectorField

_NODES = np.array([-1, 1]) / np.sqrt(3)  # Gauss-Legendre: exact for cubics
_BLOCK = 512  # rows of a matrix of correlations at a time


@dataclass(frozen=True, eq=False)
class Profile:
    """Velocity along a line.

    Parameters
    ----------
    distance : array, shape (P,)
        Along the line from its first point.
    x, y : array, shape (P,)
    u, v : array, shape (..., P)
        In the field's own axes.
    tangential, normal : array, shape (..., P)
        Along the line's direction, and to its right as one sees it.
    uncertainty_u, uncertainty_v : array, shape (..., P), or None
        Interpolated like the velocity.
    units : "px" or "m/s"
        Of the field.
    """

    distance: Float
    x: Float
    y: Float
    u: Float
    v: Float
    tangential: Float
    normal: Float
    uncertainty_u: Float | None = None
    uncertainty_v: Float | None = None
    units: Units = "px"


@checked
def circle(centre: tuple[float, float], radius: float, points: int = 256) -> Float:
    """A closed polygon on a circle.

    Parameters
    ----------
    centre : (float, float)
        x, y.
    radius : float
    points : int
        Corners.

    Returns
    -------
    array, shape (points + 1, 2)
        From the rightmost point towards +y, and back to it: as one sees it counter-clockwise where
        y points up, clockwise where it points down.  ``[::-1]`` turns it round.

    Raises
    ------
    InputError
        If the radius is not positive or there are under 3 corners.
    """
    if not (np.isfinite(radius) and radius > 0) or points < 3:
        raise InputError(f"a circle needs a positive radius and 3 points, not {radius}, {points}")
    angle = np.linspace(0, 2 * np.pi, points + 1)
    line = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], -1)
    line[-1] = line[0]
    return line


@checked
def rectangle(left: float, right: float, first: float, last: float) -> Float:
    """The closed outline of ``left <= x <= right``, ``first <= y <= last``; shape (5, 2)."""
    return np.array([[left, first], [right, first], [right, last], [left, last], [left, first]])


@checked
def resample(line: Points, spacing: float) -> Float:
    """Points along a polyline, its corners among them, at most ``spacing`` apart.

    Raises
    ------
    InputError
        If it has under two points, or the spacing is not positive.
    """
    corners = as_points(line, least=2)
    if not (np.isfinite(spacing) and spacing > 0):
        raise InputError(f"the spacing must be positive, not {spacing}")
    parts = [corners[:1]]
    for start, end in pairwise(corners):
        count = max(1, int(np.ceil(np.hypot(*(end - start)) / spacing - 1e-9)))
        parts.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


@on_datasets
def profile(
    field: VectorField,
    line: Points,
    *,
    spacing: float | None = None,
    method: Method = "linear",
    exclude: int = Flag.MASKED,
) -> Profile:
    """Velocity at points, along a polyline, or round a circle.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    line : array, shape (P, 2)
        x and y in the field's own coordinates; see :func:`circle`.
    spacing : float, optional
        Distance of the points of the profile, at most; default: the line's own points.
    method : "linear" or "cubic"
        See :func:`sample`.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    Profile
        NaN outside the grid and beside absent vectors.

    Raises
    ------
    InputError
        If the line has under two points.
    """
    points = as_points(line, least=2) if spacing is None else resample(line, spacing)
    grid = Grid.of(field, exclude)
    u, v = (grid.interpolate(part, points, method) for part in (field.u, field.v))
    steps = np.diff(points, axis=0)
    distance = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    along = _directions(points)
    side = 1.0 if field.y_axis == "up" else -1.0
    uncertainty = [
        None if part is None else grid.interpolate(part, points)
        for part in (field.uncertainty_u, field.uncertainty_v)
    ]
    return Profile(
        distance, points[:, 0], points[:, 1], u, v,
        tangential=u * along[:, 0] + v * along[:, 1],
        normal=side * (u * along[:, 1] - v * along[:, 0]),
        uncertainty_u=uncertainty[0], uncertainty_v=uncertainty[1], units=field.units,
    )  # fmt: skip


@on_datasets
def circulation(
    field: VectorField,
    contour: Points,
    *,
    method: Literal["contour", "area"] = "contour",
    scheme: str | Scheme = DEFAULT_SCHEME,
    exclude: int = Flag.MASKED,
) -> Float:
    r"""Circulation about a closed line, counter-clockwise as one sees it, for either sense of it.

    .. math:: \Gamma = \oint u\,dx + v\,dy = \int \omega\,dA

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    contour : array, shape (P, 2)
        Corners of a polygon without crossings, in the field's own coordinates; it is closed if its
        last point is not its first.
    method : "contour" or "area"
        Integral of the bilinear velocity along the line, or of the bilinear vorticity over the
        area, both exact.  They agree to second order in the spacing.  Only the first can go
        round a masked body.
    scheme : str or Scheme
        Of the vorticity, for ``area``.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array, shape (...)
        In px^2 per frame interval, or m^2/s; NaN if the line (the area) touches what is absent or
        leaves the grid.

    Raises
    ------
    InputError
        If there are under three corners, or the method is unknown.
    """
    corners = _closed(contour)
    side = 1.0 if field.y_axis == "up" else -1.0
    sense = side * np.sign(_area(corners))
    grid = Grid.of(field, exclude)
    nodes, steps = _quadrature(corners, grid)
    if method == "contour":
        vertices = grid.vertices(nodes)
        u, v = (grid.combine(part, vertices) for part in (field.u, field.v))
        return np.asarray(sense * (u * steps[:, 0] + v * steps[:, 1]).sum(axis=-1))
    if method != "area":
        raise InputError(f"the method must be contour or area, not {method!r}")
    rotation = vorticity(field, scheme=scheme, exclude=exclude)
    gaps = np.isnan(rotation)
    total = _area_integral(np.where(gaps, 0.0, rotation), grid, nodes, steps)
    if gaps.any():
        lost = _area_integral(gaps.astype(np.float64), grid, nodes, steps)
        cell = abs(_area(corners)) * 1e-12
        total = np.where(np.abs(lost) > cell, np.nan, total)
    return np.asarray(side * sense * total)


@on_datasets
def flow_rate(field: VectorField, line: Points, *, exclude: int = Flag.MASKED) -> Float:
    r"""Volume per time and depth through a line, :math:`\int \mathbf{u} \cdot \mathbf{n}\,dl`.

    Positive to the right of someone who walks along the line as one sees it: out of a closed line
    that runs counter-clockwise.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    line : array, shape (P, 2)
        In the field's own coordinates; a closed one ends at its first point.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array, shape (...)
        In px^2 per frame interval, or m^2/s; NaN if the line touches what is absent or leaves the
        grid.

    Raises
    ------
    InputError
        If the line has under two points.
    """
    grid = Grid.of(field, exclude)
    nodes, steps = _quadrature(as_points(line, least=2), grid)
    vertices = grid.vertices(nodes)
    u, v = (grid.combine(part, vertices) for part in (field.u, field.v))
    side = 1.0 if field.y_axis == "up" else -1.0
    return np.asarray(side * (u * steps[:, 1] - v * steps[:, 0]).sum(axis=-1))


@on_datasets
def circulation_uncertainty(
    field: VectorField, contour: Points, *, correlation_length: float | None = None
) -> float:
    """Uncertainty of :func:`circulation` by the line; see :func:`flow_rate_uncertainty`."""
    return _integral_uncertainty(field, _closed(contour), correlation_length, (0, 1))


@on_datasets
def flow_rate_uncertainty(
    field: VectorField, line: Points, *, correlation_length: float | None = None
) -> float:
    """Uncertainty of :func:`flow_rate`, with errors that neighbours share.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
        With its uncertainty.
    line : array, shape (P, 2)
    correlation_length : float, optional
        See :func:`uncertainty_of`; along a line shared errors add up, so that it matters much.

    Returns
    -------
    float
        Half-width of the 68.3 % interval.

    Raises
    ------
    InputError
        If the field is a series or has no uncertainty.
    """
    return _integral_uncertainty(field, as_points(line, least=2), correlation_length, (1, 0))


def _integral_uncertainty(
    field: VectorField, line: Float, length: float | None, axes: tuple[int, int]
) -> float:
    """``axes``: which step of the line is the weight of u and of v."""
    if field.uncertainty_u is None or field.uncertainty_v is None:
        raise InputError("the field has no uncertainty to propagate")
    if field.u.ndim != 2:
        raise InputError(f"one field is needed, not a series of shape {field.shape}")
    correlation = correlation_of(field, length)
    grid = Grid.of(field)
    nodes, steps = _quadrature(line, grid)
    vertices = grid.vertices(nodes)
    index = np.ravel_multi_index((vertices.rows, vertices.columns), field.shape)
    used, place = np.unique(index, return_inverse=True)
    rows, columns = np.unravel_index(used, field.shape)
    x, y = grid.x[columns], grid.y[rows]
    variance = 0.0
    for part, axis in zip((field.uncertainty_u, field.uncertainty_v), axes, strict=True):
        each = np.bincount(
            place.ravel(), (vertices.weights * steps[:, axis]).ravel(), minlength=used.size
        )
        weights = each * np.where(each == 0, 0, part[rows, columns])
        for start in range(0, used.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            distance = np.hypot(x[block, None] - x, y[block, None] - y)
            variance += float(weights[block] @ correlation(distance) @ weights)
    return float(np.sqrt(max(variance, 0.0)) if np.isfinite(variance) else np.nan)


def _closed(contour: Points) -> Float:
    corners = as_points(contour, least=3)
    if not np.array_equal(corners[0], corners[-1]):
        corners = np.concatenate([corners, corners[:1]])
    if len(corners) < 4 or _area(corners) == 0:
        raise InputError("a contour encloses an area: it needs three corners or more")
    return corners


def _area(corners: Float) -> float:
    """Of a closed polygon, positive from x to y."""
    x, y = (corners - corners[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _directions(points: Float) -> Float:
    """Unit vectors along a line: at a corner the mean of both sides."""
    steps = np.diff(points, axis=0)
    length = np.hypot(*steps.T)[:, None]
    units = np.divide(steps, length, out=np.zeros_like(steps), where=length > 0)
    closed = np.array_equal(points[0], points[-1])
    before = np.concatenate([units[-1:] if closed else units[:1], units])
    after = np.concatenate([units, units[:1] if closed else units[-1:]])
    sums = before + after
    size = np.hypot(*sums.T)[:, None]
    return np.divide(sums, size, out=after.copy(), where=size > 1e-12)


def _quadrature(line: Float, grid: Grid) -> tuple[Float, Float]:
    """Nodes (Q, 2) and steps (Q, 2) whose sum is the integral of a piecewise bilinear function.

    Each segment is cut where it passes from cell to cell; within a cell the function is a
    polynomial of the way, of second degree for a velocity, of third for an integral of one.
    """
    nodes, steps = [], []
    for start, end in pairwise(line):
        way = end - start
        cuts = [np.array([0.0, 1.0])]
        for coordinates, origin, length in ((grid.x, start[0], way[0]), (grid.y, start[1], way[1])):
            if length != 0:
                cuts.append((coordinates - origin) / length)
        t = np.unique(np.concatenate(cuts))
        t = t[(t >= 0) & (t <= 1)]
        middle, half = (t[1:] + t[:-1]) / 2, (t[1:] - t[:-1]) / 2
        at = (middle[:, None] + half[:, None] * _NODES).ravel()
        nodes.append(start + at[:, None] * way)
        steps.append(np.repeat(half, 2)[:, None] * way)
    return np.concatenate(nodes), np.concatenate(steps)


def _area_integral(values: Float, grid: Grid, nodes: Float, steps: Float) -> Float:
    """Integral of bilinear values by Green's theorem: of their integral over x, along the line."""
    x, y = check_coordinates(grid.x, "x"), check_coordinates(grid.y, "y")
    mean = (values[..., 1:] + values[..., :-1]) / 2 * np.diff(x)
    before = np.concatenate([np.zeros_like(mean[..., :1]), np.cumsum(mean, axis=-1)], -1)
    column, row = (_cell(c, at) for c, at in ((x, nodes[:, 0]), (y, nodes[:, 1])))
    width = x[column + 1] - x[column]
    along = (nodes[:, 0] - x[column]) / width
    across = (nodes[:, 1] - y[row]) / (y[row + 1] - y[row])

    def integral(rows: Float) -> Float:
        first, second = values[..., rows, column], values[..., rows, column + 1]
        return before[..., rows, column] + width * (along * first + along**2 / 2 * (second - first))

    inside = (along > -1e-9) & (along < 1 + 1e-9) & (across > -1e-9) & (across < 1 + 1e-9)
    total = (1 - across) * integral(row) + across * integral(row + 1)
    return np.asarray((np.where(inside, total, np.nan) * steps[:, 1]).sum(axis=-1))


def _cell(coordinates: Float, at: Float) -> Float:
    """Number of the cell that holds each place."""
    sign = 1 if coordinates[-1] > coordinates[0] else -1
    cell = np.searchsorted(sign * coordinates, sign * at, side="right") - 1
    return np.clip(cell, 0, coordinates.size - 2)
