"""Finding vortices: centre, circulation and core radius of each, and following them in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.criteria import swirling_strength, vorticity
from piv.post.datasets import on_datasets
from piv.post.frames import smooth
from piv.post.gamma import gamma_2
from piv.post.gradients import DEFAULT_SCHEME, present_vectors
from piv.post.stencils import Scheme, check_coordinates
from piv.types import Bool, Flag, Float, VectorField

Criterion = Literal["swirl", "gamma_2"]
_MOST = 1500  # vectors of a fit
_SEEN = 0.75  # part of the core that must be there
_REACH = 2.0  # core radii; how far from the centre the model is fitted
_PEAK = 1.1209064  # radius of the largest swirl velocity, in core radii


@dataclass(frozen=True, slots=True)
class Vortex:
    """A vortex by the Lamb-Oseen model that fits the vectors about its centre best.

    Parameters
    ----------
    x, y : float
        Centre, in the field's own coordinates.
    circulation : float
        Of the model, out to infinity; counter-clockwise positive as one sees it.
    core_radius : float
        Where the vorticity has fallen to 1/e; the swirl velocity is largest at 1.1209 of it.
    u, v : float
        Velocity of the fluid that carries it, in the field's own axes.
    residual : float
        Root mean square length of what the model leaves of the vectors it was fitted to, in parts
        of its largest swirl velocity: 0 for a perfect vortex.
    area : float
        Of the region in which it was found.
    region_circulation : float
        Integral of the vorticity over that region: of no model.
    """

    x: float
    y: float
    circulation: float
    core_radius: float
    u: float
    v: float
    residual: float
    area: float
    region_circulation: float


@on_datasets
def find_vortices(
    field: VectorField,
    *,
    criterion: Criterion = "swirl",
    threshold: float | None = None,
    smoothing: float = 1.0,
    radius: int = 3,
    stride: int = 1,
    minimum_area: float = 9.0,
    largest_residual: float = 0.5,
    scheme: str | Scheme = DEFAULT_SCHEME,
    exclude: int = Flag.MASKED,
) -> tuple[Vortex, ...]:
    r"""Vortices of a field, the strongest first.

    Regions of one sense of rotation are marked by a criterion; in and about each a Lamb-Oseen
    vortex in a uniform velocity,

    .. math:: u_\theta = \frac{\Gamma}{2 \pi r} \left(1 - e^{-r^2/r_c^2}\right) ,

    is fitted to the vectors by least squares.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
    criterion : "swirl" or "gamma_2"
        Swirling strength of the smoothed field above a part of its largest value, or
        :math:`|\Gamma_2|` above a value: slower, and less easily deceived by noise.
    threshold : float, optional
        Default 0.2 for ``swirl``, 2/pi for ``gamma_2``.
    smoothing : float
        Standard deviation of a Gaussian, in vectors, over which the field is averaged before its
        regions are marked; the fit takes the field as it is.  0 = none.
    radius, stride : int
        Of :func:`gamma_2`'s neighbourhood.
    minimum_area : float
        Of a region, in vectors.
    largest_residual : float
        Vortices whose ``residual`` is larger are left out.
    scheme : str or Scheme
        Of the derivatives.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    tuple of Vortex
        By the size of their circulation.  One of whose core more than a quarter is absent or
        outside is left out: a layer along a wall turns, too.

    Raises
    ------
    InputError
        If the field is a series, or an argument makes no sense.
    """
    if field.u.ndim != 2:
        raise InputError(f"vortices are found in one field, not in a series of {field.shape}")
    if criterion not in get_args(Criterion):
        raise InputError(f"the criterion must be swirl or gamma_2, not {criterion!r}")
    limit = {"swirl": 0.2, "gamma_2": 2 / np.pi}[criterion] if threshold is None else threshold
    if not 0 < limit < 1 or smoothing < 0 or minimum_area < 0:
        raise InputError(
            "threshold must be between 0 and 1, smoothing and area not negative; they are "
            f"{limit}, {smoothing}, {minimum_area}"
        )
    present = present_vectors(field, exclude)
    here: Bool = np.ones(field.shape, bool) if present is None else present
    calm = field
    if smoothing > 0:
        u, v = (smooth(part, here, smoothing) for part in (field.u, field.v))
        calm = field.replace(u=u, v=v)
    spin = vorticity(calm, scheme=scheme, exclude=exclude)
    if criterion == "swirl":
        strength = swirling_strength(calm, scheme=scheme, exclude=exclude)
        strength = np.nan_to_num(strength / max(float(np.nanmax(strength, initial=0.0)), 1e-300))
    else:
        strength = np.nan_to_num(np.abs(gamma_2(calm, radius, stride=stride, exclude=exclude)))
    found = []
    for region in _regions(strength > limit, np.nan_to_num(spin), minimum_area):
        vortex = _fit(field, here, region, strength[region], np.nan_to_num(spin[region]))
        if vortex is not None and vortex.residual <= largest_residual:
            found.append(vortex)
    return tuple(sorted(found, key=lambda vortex: -abs(vortex.circulation)))


@dataclass(frozen=True)
class Track:
    """One vortex through a time series.

    Parameters
    ----------
    frames : tuple of int
        Numbers of the fields in which it was found, ascending.
    vortices : tuple of Vortex
        It, in each of them.
    """

    frames: tuple[int, ...]
    vortices: tuple[Vortex, ...]


@checked
def track_vortices(
    series: Sequence[Sequence[Vortex]], reach: float, *, memory: int = 0
) -> tuple[Track, ...]:
    """Join the vortices of successive fields.

    Pairs of one sense of rotation are chosen so that the sum of the distances between where a
    vortex should be, if it goes on as before, and where it is found is smallest.

    Parameters
    ----------
    series : sequence of sequence of Vortex
        What :func:`find_vortices` returned for each field.
    reach : float
        Largest such distance, in the unit of the coordinates.
    memory : int
        For how many fields a vortex may be missing.

    Returns
    -------
    tuple of Track
        By first field, then by circulation.

    Raises
    ------
    InputError
        If reach is not positive or memory negative.
    """
    from scipy.optimize import linear_sum_assignment

    if not (np.isfinite(reach) and reach > 0) or memory < 0:
        raise InputError(f"reach must be positive and memory not negative: {reach}, {memory}")
    tracks: list[tuple[list[int], list[Vortex]]] = []
    for number, vortices in enumerate(series):
        open_ = [track for track in tracks if number - track[0][-1] <= memory + 1]
        taken: set[int] = set()
        if open_ and vortices:
            cost = np.array([[_miss(track, number, each) for each in vortices] for track in open_])
            far = 1e6 * reach
            rows, columns = linear_sum_assignment(np.where(cost <= reach, cost, far))
            for row, column in zip(rows, columns, strict=True):
                if cost[row, column] <= reach:
                    open_[row][0].append(number)
                    open_[row][1].append(vortices[column])
                    taken.add(int(column))
        tracks += [
            ([number], [each]) for column, each in enumerate(vortices) if column not in taken
        ]
    return tuple(Track(tuple(frames), tuple(found)) for frames, found in tracks)


def _miss(track: tuple[list[int], list[Vortex]], number: int, vortex: Vortex) -> float:
    """Distance of a vortex from where a track leads; infinite for the other sense of rotation."""
    frames, found = track
    last = found[-1]
    if last.circulation * vortex.circulation < 0:
        return float(np.inf)
    x, y = last.x, last.y
    if len(found) > 1:
        ahead = (number - frames[-1]) / (frames[-1] - frames[-2])
        x, y = x + ahead * (x - found[-2].x), y + ahead * (y - found[-2].y)
    return float(np.hypot(vortex.x - x, vortex.y - y))


def _regions(
    marked: Bool, spin: Float, minimum: float
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows and columns of connected regions of one sense of rotation."""
    from scipy.ndimage import find_objects, label

    found = []
    for sense in (1, -1):
        numbers, count = label(marked & (sense * spin > 0))
        for number, box in zip(range(1, count + 1), find_objects(numbers), strict=True):
            rows, columns = np.nonzero(numbers[box] == number)
            if rows.size >= max(minimum, 1):
                found.append((rows + box[0].start, columns + box[1].start))
    return found


def _fit(
    field: VectorField, here: Bool, region: tuple[Any, Any], strength: Float, spin: Float
) -> Vortex | None:
    """The model vortex of a region; None if there is none."""
    from scipy.optimize import least_squares

    x, y = check_coordinates(field.x, "x"), check_coordinates(field.y, "y")
    cells = _widths(y)[region[0]] * _widths(x)[region[1]]
    area = float(cells.sum())
    inside = float((spin * cells).sum())
    weights = strength * cells
    centre = np.array(
        [np.average(x[region[1]], weights=weights), np.average(y[region[0]], weights=weights)]
    )
    # a Lamb-Oseen vortex swirls out to 1.12 core radii, and has 0.72 of its circulation there
    core = np.sqrt(area / np.pi) / _PEAK
    sign = 1.0 if field.y_axis == "up" else -1.0
    guess = np.array([*centre, sign * inside / 0.715, np.log(core), 0.0, 0.0])
    fitted = None
    for _ in range(2):  # once more about what was found
        near = _near(x, y, here, guess[:2], _REACH * float(np.exp(guess[3])))
        if near[0].size < 8:
            break
        places = x[near[1]], y[near[0]]
        vectors = np.concatenate([field.u[near], field.v[near]]).astype(np.float64)
        guess[4:] = np.median(vectors.reshape(2, -1), axis=1)
        scale = np.array([core, core, abs(guess[2]), 1.0, *[abs(guess[2]) / core] * 2])
        fitted = least_squares(
            lambda p, places=places, vectors=vectors: _lamb_oseen(p, *places) - vectors,
            guess, x_scale=scale, max_nfev=60,
        )  # fmt: skip
        guess = fitted.x
    if fitted is None:
        return None
    x0, y0, gamma, log_core, u0, v0 = (float(each) for each in guess)
    core = float(np.exp(np.clip(log_core, -50, 50)))
    reach = 2 * np.sqrt(area / np.pi)
    astray = np.hypot(x0 - centre[0], y0 - centre[1]) > reach or core > 3 * reach
    if astray or gamma * sign * inside <= 0 or _seen(x, y, here, x0, y0, core) < _SEEN:
        return None
    left = np.sqrt(2 * np.mean(fitted.fun**2))
    fastest = abs(gamma) / (2 * np.pi * _PEAK * core) * -np.expm1(-(_PEAK**2))
    return Vortex(x0, y0, sign * gamma, core, u0, v0, float(left / fastest), area, inside)


def _lamb_oseen(parameters: Float, x: Float, y: Float) -> Float:
    """All u, then all v, of centre, circulation, logarithm of the core radius, and drift."""
    x0, y0, gamma, log_core, u0, v0 = parameters
    right, ahead = x - x0, y - y0
    square = np.maximum(right**2 + ahead**2, 1e-300)
    core = np.exp(np.clip(log_core, -50, 50))
    rate = gamma / (2 * np.pi) * -np.expm1(-square / core**2) / square
    return np.concatenate([u0 - rate * ahead, v0 + rate * right])


def _near(
    x: Float, y: Float, here: Bool, centre: Float, reach: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of vectors about a centre, evenly thinned if they are many."""
    rows = np.flatnonzero(np.abs(y - centre[1]) <= reach)
    columns = np.flatnonzero(np.abs(x - centre[0]) <= reach)
    step = max(1, int(np.sqrt(rows.size * columns.size / _MOST)))
    rows, columns = rows[::step], columns[::step]
    inside = np.hypot(x[columns] - centre[0], (y[rows] - centre[1])[:, None]) <= reach
    row, column = np.nonzero(inside & here[np.ix_(rows, columns)])
    return rows[row], columns[column]


def _seen(x: Float, y: Float, here: Bool, x0: float, y0: float, core: float) -> float:
    """Part of a core that is covered by vectors: a layer along a wall is no vortex."""
    rows = np.flatnonzero(np.abs(y - y0) <= core)
    columns = np.flatnonzero(np.abs(x - x0) <= core)
    inside = np.hypot(x[columns] - x0, (y[rows] - y0)[:, None]) <= core
    cells = np.multiply.outer(_widths(y)[rows], _widths(x)[columns])
    there = inside & here[np.ix_(rows, columns)]
    return float(cells[there].sum() / (np.pi * core**2))


def _widths(coordinates: Float) -> Float:
    """Length that each vector stands for."""
    return np.abs(np.gradient(coordinates)) if coordinates.size > 1 else np.ones(1)
