"""Pressure by integration along rays of many directions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import atan2, gcd, pi

import numpy as np
import numpy.typing as npt

from piv.errors import PIVError
from piv.types import Bool, Float

Index = npt.NDArray[np.int64]

_TOLERANCE = 1e-10  # change in an iteration, over the range of the pressure
_ITERATIONS = 5000


@dataclass(frozen=True, eq=False, slots=True)
class _Rays:
    """All rays of one direction: for each point where its ray enters, and the rise from there."""

    entry: Index
    total: Float
    weight: float


def solve_omnidirectional(
    gradient: tuple[Float, Float],
    x: Float,
    y: Float,
    inside: Bool,
    labels: npt.NDArray[np.int32],
    reach: int,
) -> Float:
    r"""Mean over all directions of the pressure that rays bring to a point.

    .. math:: p(x) = \sum_d w_d \Big(p(e_d(x)) + \int_{e_d}^{x} \nabla p \cdot dl\Big)

    :math:`e_d(x)` is where the ray of direction d that ends in x enters the domain; a ray ends at a
    mask and begins anew behind it.  The rays run through grid points, so that nothing is
    interpolated: directions are (a, b) rows and columns a step, without a common divisor, and
    weigh as much as the angle they stand for.  Pressure at the entries comes from the same rays,
    by iteration (Liu & Katz, Exp. Fluids 41, 227, 2006; parallel rays: Liu et al., Meas. Sci.
    Technol. 27, 084006, 2016).

    Parameters
    ----------
    gradient : (array, array), shape (Ny, Nx)
        Along x and y; finite inside.
    x, y : arrays, shapes (Nx,) and (Ny,)
    inside : bool array, shape (Ny, Nx)
    labels : int array, shape (Ny, Nx)
        Region of each point inside, from 1.
    reach : int
        Largest a and b: 1 gives 8 directions, 2 gives 16, 3 gives 32.

    Returns
    -------
    array, shape (Ny, Nx)
        Its mean over the entries of a region is zero; 0 outside.

    Raises
    ------
    PIVError
        If the iteration does not converge.
    """
    rays = [_rays(gradient, x, y, inside, step, weight) for step, weight in directions(reach, x, y)]
    points = np.flatnonzero(inside)
    # a ray that begins in a point brings nothing to it
    brought = np.zeros(inside.size)
    weights = np.zeros(inside.size)
    for ray in rays:
        arrives = ray.entry != np.arange(inside.size)
        weights += ray.weight * arrives
        brought += ray.weight * ray.total * arrives
    entries = np.unique(np.concatenate([ray.entry[points] for ray in rays]))
    pressure = np.zeros(inside.size)
    place = labels.reshape(-1)[entries]
    count = np.bincount(place)
    for _ in range(_ITERATIONS):
        new = _mean(entries, rays, pressure, brought, weights)
        new -= (np.bincount(place, new) / np.maximum(count, 1))[place]
        change = float(np.abs(new - pressure[entries]).max())
        pressure[entries] = new
        if change <= _TOLERANCE * float(np.ptp(new)):
            break
    else:
        raise PIVError(
            f"omni-directional integration has not converged in {_ITERATIONS} iterations: the "
            "domain is nearly cut in two; use the Poisson method"
        )
    whole = np.zeros(inside.size)
    whole[points] = _mean(points, rays, pressure, brought, weights)
    return whole.reshape(inside.shape)


def directions(reach: int, x: Float, y: Float) -> list[tuple[tuple[int, int], float]]:
    """Steps (rows, columns) and the share of the full angle that each stands for."""
    height, width = float(np.abs(np.diff(y)).mean()), float(np.abs(np.diff(x)).mean())
    steps = [
        (a, b) for a, b in product(range(-reach, reach + 1), repeat=2) if gcd(abs(a), abs(b)) == 1
    ]
    steps.sort(key=lambda step: atan2(step[0] * height, step[1] * width))
    angles = np.array([atan2(a * height, b * width) for a, b in steps])
    before, after = np.roll(angles, 1), np.roll(angles, -1)
    before[0] -= 2 * pi
    after[-1] += 2 * pi
    return list(zip(steps, ((after - before) / (4 * pi)).tolist(), strict=True))


def _rays(
    gradient: tuple[Float, Float],
    x: Float,
    y: Float,
    inside: Bool,
    step: tuple[int, int],
    weight: float,
) -> _Rays:
    """Follow every ray of a direction: by doubling, as each point knows only the one before."""
    before = np.arange(inside.size)
    total = np.zeros(inside.size)
    here, there = _windows(inside.shape, step)
    free = _clear(inside, step)
    number = before.reshape(inside.shape)
    start, end = number[there][free], number[here][free]
    before[end] = start
    xx, yy = (each.reshape(-1) for each in np.meshgrid(x, y))
    for component, at in ((gradient[0], xx), (gradient[1], yy)):
        g = component.reshape(-1)
        total[end] += 0.5 * (g[start] + g[end]) * (at[end] - at[start])
    while True:
        further = before[before]
        if np.array_equal(further, before):
            return _Rays(before, total, weight)
        total += total[before]
        before = further


def _windows(
    shape: tuple[int, ...], step: tuple[int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Views of the points that have one a step before them, and of those."""
    here, there = [], []
    for size, move in zip(shape, step, strict=True):
        here.append(slice(max(move, 0), size + min(move, 0)))
        there.append(slice(max(-move, 0), size - max(move, 0)))
    return tuple(here), tuple(there)


def _clear(inside: Bool, step: tuple[int, int]) -> Bool:
    """Whether both ends of a step are inside, and all points beside its way."""
    longest = max(abs(step[0]), abs(step[1]))
    clear: Bool | None = None
    padded = np.pad(inside, longest)
    here, _ = _windows(inside.shape, step)
    for part in range(longest + 1):
        sides = [{(-move * part) // longest, -((move * part) // longest)} for move in step]
        for row, column in product(*sides):
            view = padded[
                longest + here[0].start + row : longest + here[0].stop + row,
                longest + here[1].start + column : longest + here[1].stop + column,
            ]
            clear = view.copy() if clear is None else clear & view
    assert clear is not None
    return clear


def _mean(
    points: Index, rays: list[_Rays], pressure: Float, brought: Float, weights: Float
) -> Float:
    """Pressure that the rays bring to these points, given that at the entries."""
    total = brought[points].copy()
    for ray in rays:
        entry = ray.entry[points]
        total += ray.weight * pressure[entry] * (entry != points)
    return np.asarray(total / weights[points])
