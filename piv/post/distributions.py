"""How the fluctuations are distributed: joint densities and quadrants, for x right and y up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.series import (
    EXCLUDED,
    Progress,
    Series,
    check_repeatable,
    done,
    fields_of,
    upward_v,
    usable,
)
from piv.post.statistics import Statistics
from piv.types import Bool, Flag, Float, VectorField

_WIDTHS = 4.0  # rms to either side that a joint density shows


@dataclass(frozen=True, eq=False, slots=True)
class JointPDF:
    """Joint probability density of two components.

    Parameters
    ----------
    u_edges, v_edges : float array, shapes (Bu + 1,) and (Bv + 1,)
    density : float array, shape (Bv, Bu)
        Its integral over the bins is the share of vectors that lies in them.
    count : int
        Vectors that were counted, those outside the bins too.
    """

    u_edges: Float
    v_edges: Float
    density: Float
    count: int


@checked
def joint_pdf(
    series: Series,
    flow: Statistics | None = None,
    *,
    bins: int = 64,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    region: Bool | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> JointPDF:
    """Joint density of u and v, or of their fluctuations, over a region and all fields.

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics, optional
        Its means are taken off; without it the density is that of u and v themselves.
    bins : int
        Of each component.
    limits : ((u_low, u_high), (v_low, v_high)), optional
        Default four rms of the region to either side, which needs ``flow``.
    region : bool array, shape (Ny, Nx), optional
        True where vectors count; default everywhere.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If there are neither limits nor statistics, or no vector at all.
    """
    if limits is None:
        if flow is None:
            raise InputError("give the limits of the bins, or the statistics of the series")
        limits = _limits(flow, region)
    edges = [np.linspace(low, high, bins + 1) for low, high in limits]
    total, count = np.zeros((bins, bins)), 0
    for field in fields_of(series):
        u, v, where = fluctuation(field, flow, exclude, region)
        total += np.histogram2d(v[where], u[where], bins=(edges[1], edges[0]))[0]
        count += int(where.sum())
        done(progress)
    if count == 0:
        raise InputError("no vector is left: the rule or the region excludes them all")
    area = np.diff(edges[1])[:, None] * np.diff(edges[0])
    return JointPDF(edges[0], edges[1], total / (count * area), count)


@dataclass(frozen=True, eq=False, slots=True)
class Quadrants:
    """What each quadrant of (u', v') adds to the shear stress (Wallace, Eckelmann & Brodkey 1972).

    Quadrants 1 to 4 are the usual ones: (+, +), (-, +) ejections, (-, -), (+, -) sweeps, with
    v' up.

    Parameters
    ----------
    stress : float array, shape (4, Ny, Nx)
        Sum of u'v' in the quadrant over all samples; without a hole the four add up to the stress.
    share : float array, shape (4, Ny, Nx)
        Part of the samples.
    count : int array, shape (Ny, Nx)
        Samples, those in the hole too.
    """

    stress: Float
    share: Float
    count: npt.NDArray[np.int64]


@checked
def quadrants(
    series: Series,
    flow: Statistics,
    *,
    hole: float = 0.0,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Quadrants:
    """Quadrant analysis of the shear stress at every point.

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics
        Of the series; ``flow`` first, then this: two passes over it.
    hole : float
        Samples with |u'v'| up to this many rms_u rms_v belong to no quadrant.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If the series can be read only once, or the hole is negative.
    """
    check_repeatable(series, "quadrant analysis")
    if not hole >= 0:
        raise InputError(f"the hole is a size, at least 0, not {hole!r}")
    level = hole * flow.rms("u", ddof=0).raw * flow.rms("v", ddof=0).raw
    shape = flow.count.shape
    stress, number = np.zeros((4, *shape)), np.zeros((4, *shape))
    count = np.zeros(shape, np.int64)
    for field in fields_of(series):
        u, v, where = fluctuation(field, flow, exclude)
        product = u * v
        strong = where & (np.abs(product) > level)
        for which, inside in enumerate(
            ((u > 0) & (v > 0), (u < 0) & (v > 0), (u < 0) & (v < 0), (u > 0) & (v < 0))
        ):
            np.add(stress[which], product, out=stress[which], where=strong & inside)
            number[which] += strong & inside
        count += where
        done(progress)
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN where nothing was counted
        return Quadrants(stress / count, number / count, count)


def fluctuation(
    field: VectorField,
    flow: Statistics | None,
    exclude: Flag | int = EXCLUDED,
    region: Bool | None = None,
) -> tuple[Float, Float, Bool]:
    """U' and v', v' up, in double precision, and where they count.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx)
    flow : Statistics or None
        None leaves the values as they are.
    exclude : Flag
    region : bool array, shape (Ny, Nx), optional

    Raises
    ------
    InputError
        If field and statistics do not belong together.
    """
    where = usable(field, exclude)
    if region is not None:
        if region.shape != where.shape:
            raise InputError(
                f"the region has shape {region.shape}, but the fields are {where.shape}"
            )
        where = where & region
    u, v = field.u.astype(np.float64), upward_v(field).astype(np.float64)
    if flow is None:
        return u, v, where
    if flow.count.shape != where.shape or flow.y_axis != field.y_axis or flow.units != field.units:
        raise InputError("the statistics are of another grid or unit than the fields")
    sign = 1.0 if flow.y_axis == "up" else -1.0
    return u - flow.mean_u, v - sign * flow.mean_v, where & (flow.count > 0)


def share_of(flow: Statistics | None) -> Float | float:
    """Share of the errors' variance that :func:`fluctuation` leaves."""
    return 1.0 if flow is None else flow.noise_share


def _limits(
    flow: Statistics, region: Bool | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    here = flow.count > 1
    if region is not None:
        here = here & region
    if not here.any():
        raise InputError("no vector is left: the rule or the region excludes them all")
    found = []
    for name in ("u", "v"):
        raw = flow.variance("u" if name == "u" else "v").raw
        size = _WIDTHS * float(np.sqrt(raw[here].mean()))
        found.append((-size, size))
    return found[0], found[1]
