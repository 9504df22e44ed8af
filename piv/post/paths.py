"""Streamlines, pathlines, and how fast neighbours part: lines that follow the velocity."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.acceleration import check_times
from piv.post.datasets import on_datasets
from piv.post.gradients import derivative
from piv.post.interpolation import Grid, Points, as_points
from piv.types import Flag, Float, VectorField

_Velocity = Callable[[Float, float], Float]  # points (P, 2), time -> (P, 2)
_LEFT = 6  # cells further on, a cell counts as left for good
_SLOW = 1e-6  # parts of the largest speed: a point of rest


@on_datasets
def streamlines(
    field: VectorField,
    seeds: Points,
    *,
    length: float | None = None,
    step: float = 0.25,
    exclude: int = Flag.MASKED,
) -> list[Float]:
    """Lines along the velocity through given points, both ways.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
    seeds : array, shape (P, 2)
        x and y in the field's own coordinates.
    length : float, optional
        Largest length on either side of the seed; default: once round the outline of the grid.
    step : float
        In parts of the smallest spacing of the vectors.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    list of array, shape (n, 2)
        One for each seed, upstream end first; empty where there is no velocity.  A line ends at
        the edge, at an absent vector, at a point of rest, or where it has come round to its seed:
        then its last point is its first.

    Raises
    ------
    InputError
        If the field is a series, or step or length are not positive.

    Notes
    -----
    Runge-Kutta of fourth order with steps of constant length, between bilinear vectors.
    """
    grid, direction, pace = _directed(field, exclude, step)
    starts = as_points(seeds).reshape(-1, 2)
    longest = 2 * (np.ptp(grid.x) + np.ptp(grid.y)) if length is None else length
    if not (np.isfinite(longest) and longest > 0):
        raise InputError(f"the length of a streamline must be positive, not {length}")
    count = int(np.ceil(longest / pace))
    ahead, closed = _follow(direction, starts, pace, count)
    back, _ = _follow(direction, starts, -pace, count, skip=closed)
    lines = []
    for number in range(len(starts)):
        if closed[number]:
            line = np.concatenate([ahead[number], starts[number : number + 1]])
        else:
            line = np.concatenate([back[number][:0:-1], ahead[number]])
        lines.append(line if len(line) > 1 else np.empty((0, 2)))
    return lines


@on_datasets
def even_streamlines(
    field: VectorField,
    separation: float,
    *,
    step: float | None = None,
    exclude: int = Flag.MASKED,
) -> list[Float]:
    """Streamlines that fill the field and keep a distance from each other.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
    separation : float
        Distance of the lines, about, in the unit of the coordinates.
    step : float, optional
        In parts of the smallest spacing of the vectors; default: a sixth of the separation.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    list of array, shape (n, 2)
        Longest first; cut where they would come closer to one before, or to
        themselves, than about half the distance.

    Raises
    ------
    InputError
        As :func:`streamlines`, or if the separation is not positive.
    """
    if not (np.isfinite(separation) and separation > 0):
        raise InputError(f"the separation must be positive, not {separation}")
    grid = Grid.of(field, exclude)
    low = np.array([grid.x.min(), grid.y.min()])
    high = np.array([grid.x.max(), grid.y.max()])
    across = np.maximum(1, np.round((high - low) / separation).astype(int))
    ways = [
        a + (np.arange(n) + 0.5) * (b - a) / n for a, b, n in zip(low, high, across, strict=True)
    ]
    seeds = np.stack(np.meshgrid(*ways), -1).reshape(-1, 2)
    if step is None:
        finest = min(float(np.abs(np.diff(grid.x)).min()), float(np.abs(np.diff(grid.y)).min()))
        step = separation / 6 / finest
    reach = float((high - low).sum())
    lines = streamlines(field, seeds, length=reach, step=step, exclude=exclude)
    cell = separation / 2
    taken = np.zeros(_cells(low, high, cell), bool)
    kept = []
    for line in sorted(lines, key=len, reverse=True):
        line = _once(line, cell)
        if len(line) < 2:
            continue
        place = ((line - low) / cell).astype(int) + 1
        free = ~_near(taken, place)
        part = line[_longest_run(free)]
        if len(part) < 2 or np.hypot(*np.diff(part, axis=0).T).sum() < 2 * separation:
            continue
        kept.append(part)
        place = ((part - low) / cell).astype(int) + 1
        taken[place[:, 1], place[:, 0]] = True
    return sorted(kept, key=len, reverse=True)


@on_datasets
def pathlines(
    series: VectorField,
    seeds: Points,
    times: npt.ArrayLike,
    *,
    backward: bool = False,
    substeps: int = 4,
    exclude: int = Flag.MASKED,
) -> Float:
    """Ways of fluid elements through a time series.

    Parameters
    ----------
    series : VectorField, shape (T, Ny, Nx)
    seeds : array, shape (P, 2)
        Where they are at the first time, or, backwards, at the last one.
    times : array, shape (T,)
        Of the fields, ascending: in s, or for fields in px in inter-frame intervals.
    backward : bool
        Follow them back in time from the last field.
    substeps : int
        Steps from field to field.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array, shape (T, P, 2)
        Positions at the times; NaN from where an element has left the grid or come
        beside an absent vector.

    Raises
    ------
    InputError
        If it is no series of two or more fields, or the times do not belong to it.

    Notes
    -----
    Runge-Kutta of fourth order, between fields that are linear in space and time.
    """
    instants = check_times(series, times)
    if substeps < 1:
        raise InputError(f"at least 1 step from field to field is needed, not {substeps}")
    velocity = _in_time(series, instants, exclude)
    places = [as_points(seeds).reshape(-1, 2)]
    for start, stop in pairwise(instants[::-1] if backward else instants):
        places.append(_advance(velocity, places[-1], start, stop, substeps))
    return np.stack(places[::-1] if backward else places)


@on_datasets
def ftle(
    series: VectorField,
    times: npt.ArrayLike,
    *,
    backward: bool = False,
    substeps: int = 4,
    refine: int = 1,
    exclude: int = Flag.MASKED,
) -> Float:
    r"""Finite-time Lyapunov exponent: the rate at which neighbours part most.

    .. math:: \sigma = \frac{1}{|T|} \ln \sqrt{\lambda_{\max}(F^\top F)}

    of the gradient F of the positions after the time T with respect to those before.  Ridges of
    the exponent forwards in time repel, those of the exponent backwards attract.

    Parameters
    ----------
    series : VectorField, shape (T, Ny, Nx)
    times : array, shape (T,)
        As for :func:`pathlines`.
    backward : bool
        Backwards in time from the last field, else forwards from the first.
    substeps : int
        Steps from field to field.
    refine : int
        Elements for each spacing of the vectors, along x and y.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    array, shape ((Ny - 1) refine + 1, (Nx - 1) refine + 1)
        In 1/s, or per inter-frame interval; NaN where an element or all its neighbours left.

    Raises
    ------
    InputError
        As :func:`pathlines`, or if ``refine`` is below 1.

    References
    ----------
    .. [1] Shadden, Lekien & Marsden, Physica D 212 (2005), 271.
    """
    if refine < 1:
        raise InputError(f"at least 1 element for each vector is needed, not {refine}")
    x, y = (_refined(np.asarray(c, np.float64), refine) for c in (series.x, series.y))
    seeds = np.stack(np.meshgrid(x, y), -1)
    ways = pathlines(series, seeds, times, backward=backward, substeps=substeps, exclude=exclude)
    after = ways[0 if backward else -1].reshape(seeds.shape)
    instants = np.asarray(times, np.float64)
    a, c = (derivative(after[..., part], x, -1) for part in (0, 1))
    b, d = (derivative(after[..., part], y, -2) for part in (0, 1))
    # larger singular value of [[a, b], [c, d]], without loss of digits
    largest = (np.hypot(a + d, b - c) + np.hypot(a - d, b + c)) / 2
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(largest) / abs(instants[-1] - instants[0]))


def _directed(
    field: VectorField, exclude: int, step: float
) -> tuple[Grid, Callable[[Float], Float], float]:
    """Grid, unit vectors along the velocity (NaN where it rests), and the length of a step."""
    if field.u.ndim != 2:
        raise InputError(f"streamlines are of one field, not of a series of shape {field.shape}")
    if not (np.isfinite(step) and step > 0):
        raise InputError(f"the step must be positive, not {step}")
    grid = Grid.of(field, exclude)
    here = np.isfinite(field.u) if grid.present is None else grid.present
    fastest = float(np.max(np.hypot(field.u, field.v), where=here, initial=0.0))
    both = np.stack([field.u, field.v]).astype(np.float64)

    def direction(points: Float) -> Float:
        velocity = grid.interpolate(both, points).T
        speed = np.hypot(*velocity.T)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(
                np.where((speed > _SLOW * fastest)[:, None], velocity / speed[:, None], np.nan)
            )

    pace = step * min(np.abs(np.diff(grid.x)).min(), np.abs(np.diff(grid.y)).min())
    return grid, direction, float(pace)


def _follow(
    direction: Callable[[Float], Float],
    starts: Float,
    pace: float,
    count: int,
    skip: npt.NDArray[np.bool_] | None = None,
) -> tuple[list[Float], npt.NDArray[np.bool_]]:
    """Points from each start on, and which lines have come round."""
    going = np.asarray(np.isfinite(direction(starts)).all(axis=1))
    if skip is not None:
        going &= ~skip
    at = starts.copy()
    before = direction(starts)
    steps = np.zeros(len(starts), int)
    closed = np.zeros(len(starts), bool)
    away = np.zeros(len(starts), bool)
    tracks = [at.copy()]
    for number in range(1, count + 1):
        index = np.flatnonzero(going)
        if not index.size:
            break
        moved = _runge_kutta(lambda points, _: direction(points), at[index], 0.0, pace)
        heading = direction(np.where(np.isfinite(moved), moved, at[index]))
        # a line that turns back within a step is at a point of rest
        fine = np.isfinite(moved).all(axis=1) & ((heading * before[index]).sum(axis=1) > 0)
        going[index[~fine]] = False
        index = index[fine]
        at[index], before[index] = moved[fine], heading[fine]
        steps[index] = number
        tracks.append(at.copy())
        distance = np.hypot(*(at[index] - starts[index]).T)
        away[index] |= distance > 2 * abs(pace)
        round_ = away[index] & (distance < 0.6 * abs(pace))
        closed[index[round_]] = True
        going[index[round_]] = False
    every = np.stack(tracks)
    return [every[: steps[line] + 1, line] for line in range(len(starts))], closed


def _runge_kutta(velocity: _Velocity, points: Float, time: float, step: float) -> Float:
    """One step of fourth order."""
    first = velocity(points, time)
    second = velocity(points + step / 2 * first, time + step / 2)
    third = velocity(points + step / 2 * second, time + step / 2)
    fourth = velocity(points + step * third, time + step)
    return points + step / 6 * (first + 2 * second + 2 * third + fourth)


def _advance(velocity: _Velocity, points: Float, start: float, stop: float, substeps: int) -> Float:
    step = (stop - start) / substeps
    for number in range(substeps):
        points = _runge_kutta(velocity, points, start + number * step, step)
    return points


def _in_time(series: VectorField, times: Float, exclude: int) -> _Velocity:
    """Velocity at points and a time, linear between fields."""
    grid = Grid.of(series, exclude)
    both = np.stack([series.u, series.v], 1).astype(np.float64)

    def velocity(points: Float, time: float) -> Float:
        index = int(np.clip(np.searchsorted(times, time, side="right") - 1, 0, times.size - 2))
        part = (time - times[index]) / (times[index + 1] - times[index])
        found = [
            Grid(grid.x, grid.y, None if grid.present is None else grid.present[at]).interpolate(
                both[at], points
            )
            if weight > 1e-12
            else np.zeros((2, len(points)))
            for at, weight in ((index, 1 - part), (index + 1, part))
        ]
        return np.asarray(((1 - part) * found[0] + part * found[1]).T)

    return velocity


def _refined(coordinates: Float, parts: int) -> Float:
    places = np.arange((coordinates.size - 1) * parts + 1) / parts
    return np.interp(places, np.arange(coordinates.size), coordinates)


def _cells(low: Float, high: Float, cell: float) -> tuple[int, int]:
    """Rows and columns of cells, with a rim."""
    columns, rows = (int(np.floor(size / cell)) + 3 for size in high - low)
    return rows, columns


def _near(taken: npt.NDArray[np.bool_], place: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Whether a cell or one of its neighbours is taken."""
    found = np.zeros(len(place), bool)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            found |= taken[place[:, 1] + row, place[:, 0] + column]
    return found


def _once(line: Float, cell: float) -> Float:
    """The line until it comes round beside itself, from the end that gives more."""
    if len(line) < 2 or np.array_equal(line[0], line[-1]):
        return line
    forwards, backwards = _until_round(line, cell), _until_round(line[::-1], cell)[::-1]
    return forwards if len(forwards) >= len(backwards) else backwards


def _until_round(line: Float, cell: float) -> Float:
    """The part of a line before it meets a cell beside one that it has left for good."""
    places = np.floor(line / cell).astype(int)
    changes = np.flatnonzero(np.any(np.diff(places, axis=0) != 0, axis=1)) + 1
    visited: dict[tuple[int, int], int] = {}
    for number, index in enumerate([0, *changes.tolist()]):
        column, row = places[index].tolist()
        for beside in ((column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            if number - visited.get(beside, number) > _LEFT:
                return line[:index]
        visited[column, row] = number
    return line


def _longest_run(free: npt.NDArray[np.bool_]) -> slice:
    """The longest stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(np.int8), [0]])))
    if not edges.size:
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))
