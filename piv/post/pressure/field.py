"""Pressure of a field, by either method, with its gauge said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from piv.errors import InputError, nearest
from piv.post.arguments import checked
from piv.post.datasets import on_datasets
from piv.post.pressure.gradient import pressure_gradient
from piv.post.pressure.links import regions
from piv.post.pressure.omnidirectional import solve_omnidirectional
from piv.post.pressure.poisson import solve_poisson
from piv.post.series import EXCLUDED
from piv.post.stencils import Scheme
from piv.types import Bool, Flag, Float, VectorField

Method: TypeAlias = Literal["poisson", "omnidirectional"]
Gauge: TypeAlias = Literal["mean"] | tuple[int, int]

_REACH = 3  # 32 directions


@dataclass(frozen=True, eq=False, slots=True)
class Pressure:
    """Pressure, and what it is measured from.

    Parameters
    ----------
    p : float array, shape (Ny, Nx)
        In Pa for a field in m/s and a density in kg/m^3; NaN where it is not known.
    gauge : str
        What has zero pressure, or where the level comes from, in words.
    regions : int array, shape (Ny, Nx)
        Number of the connected region of each point, from 1; 0 where p is NaN.  Pressures of
        different regions have no common level, unless both have known ones.
    """

    p: Float
    gauge: str
    regions: npt.NDArray[np.int32]


@on_datasets
def pressure_of(
    field: VectorField,
    *,
    rho: float,
    nu: float = 0.0,
    method: Method = "poisson",
    gauge: Gauge = "mean",
    known: Float | None = None,
    local: tuple[Float, Float] | None = None,
    material: tuple[Float, Float] | None = None,
    scheme: str | Scheme = "central",
    exclude: Flag | int = EXCLUDED,
) -> Pressure:
    """Pressure in the plane, from one velocity field and its acceleration.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
    rho, nu, local, material, scheme, exclude : see :func:`pressure_gradient`
    method, gauge, known : see :func:`integrate`

    Raises
    ------
    InputError
        As for :func:`pressure_gradient` and :func:`integrate`.

    Examples
    --------
    >>> piv.post.pressure_of(field, rho=998.0, gauge=(0, 0)).p            # doctest: +SKIP
    """
    gradient = pressure_gradient(
        field, rho=rho, nu=nu, local=local, material=material, scheme=scheme, exclude=exclude
    )
    return integrate(gradient, field.x, field.y, method=method, gauge=gauge, known=known)


@checked
def integrate(
    gradient: tuple[Float, Float],
    x: Float,
    y: Float,
    *,
    method: Method = "poisson",
    gauge: Gauge = "mean",
    known: Float | None = None,
    reach: int = _REACH,
) -> Pressure:
    """Pressure from its gradient, wherever that is finite.

    Parameters
    ----------
    gradient : (array, array), shape (Ny, Nx)
        dp/dx and dp/dy along the coordinates given.
    x, y : float array, shapes (Nx,) and (Ny,)
        Strictly ascending or descending.
    method : "poisson" or "omnidirectional"
        Both are second order.  Poisson, as it is written here, is quicker, takes known pressures
        and had about half the error where noise was added to the gradient (docs/statistics.md);
        the other is for comparison with work that used it.
    gauge : "mean" or (row, column)
        Each region's mean is zero, or the pressure at that point is (other regions: their mean).
        Regions with known pressures need none.
    known : float array, shape (Ny, Nx), optional
        Pressure where it is known, such as on an edge by Bernoulli's equation, and NaN elsewhere:
        a Dirichlet condition there; all other edges and masks have the measured gradient as their
        Neumann condition.  Poisson only.
    reach : int
        Of the rays' steps, in points: 1, 2, 3 are 8, 16, 32 directions.

    Raises
    ------
    InputError
        If an argument is out of range, shapes differ, or no gradient is finite.
    PIVError
        If the iteration does not converge.
    """
    gx, gy = (np.asarray(each, np.float64) for each in gradient)
    shape = (np.size(y), np.size(x))
    _check(gx, gy, shape, method, known, reach)
    finite = np.isfinite(gx) & np.isfinite(gy)
    labels, count = regions(finite)
    inside = labels > 0
    if not count:
        raise InputError("no two neighbours have a pressure gradient: nothing can be integrated")
    _check_gauge(gauge, inside)
    clean = (np.where(inside, gx, 0.0), np.where(inside, gy, 0.0))
    if method == "poisson":
        p = solve_poisson(clean, np.asarray(x), np.asarray(y), inside, known)
    else:
        p = solve_omnidirectional(clean, np.asarray(x), np.asarray(y), inside, labels, reach)
    text = _set_level(p, labels, count, gauge, known)
    return Pressure(np.where(inside, p, np.nan), text, labels)


def _set_level(
    p: Float, labels: npt.NDArray[np.int32], count: int, gauge: Gauge, known: Float | None
) -> str:
    """Shift each region in place; returns what was done, in words."""
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    level = np.bincount(labels.ravel(), p.ravel(), minlength=count + 1) / np.maximum(sizes, 1)
    anchored = np.zeros(count + 1, bool)
    if known is not None:
        anchored[np.unique(labels[np.isfinite(known)])] = True
    words = []
    if anchored[1:].any():
        words.append("as known where it was given")
    rest = int((~anchored[1:]).sum())
    if gauge != "mean" and not anchored[labels[gauge]]:
        level[labels[gauge]] = p[gauge]
        words.append(f"zero at row {gauge[0]}, column {gauge[1]}")
        rest -= 1
    if rest:
        other = "" if not words else " of every other region"
        words.append(f"zero mean{other}" if count == 1 or words else "zero mean of each region")
    level[anchored] = 0.0
    level[0] = 0.0
    p -= level[labels]
    return "; ".join(words)


def _check(
    gx: Float, gy: Float, shape: tuple[int, int], method: str, known: Float | None, reach: int
) -> None:
    methods = ("poisson", "omnidirectional")
    if method not in methods:
        raise InputError(f"unknown method {method!r}{nearest(method, methods)}")
    for what, array in (("dp/dx", gx), ("dp/dy", gy), ("known", known)):
        if array is not None and array.shape != shape:
            raise InputError(f"{what} has shape {array.shape}, but the grid (y, x) is {shape}")
    if min(shape) < 2:
        raise InputError(f"pressure needs at least 2 x 2 points, not {shape[0]} x {shape[1]}")
    if known is not None and method != "poisson":
        raise InputError("known pressures need the method 'poisson'")
    if reach < 1:
        raise InputError(f"the reach of the rays is at least 1 point, not {reach}")


def _check_gauge(gauge: Gauge, inside: Bool) -> None:
    if gauge == "mean":
        return
    point = np.asarray(gauge)
    if point.shape != (2,) or point.dtype.kind not in "iu":
        raise InputError(f"the gauge is 'mean' or (row, column), not {gauge!r}")
    if (point < 0).any() or (point >= inside.shape).any() or not inside[tuple(point)]:
        raise InputError(f"the gauge {gauge} must be a point at which the pressure is found")
