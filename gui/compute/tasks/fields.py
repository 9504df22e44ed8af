"""Maps, arrows, lines and textures of a field, in px; for the process that draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from gui.compute.server import Context, task
from gui.edits import left_out
from gui.pyramid import Pyramid
from gui.quantities import flag_order, quantity
from piv import post
from piv.errors import InputError
from piv.types import Analysis, Flag, Float, VectorField

__all__ = [
    "arrows",
    "counts",
    "profile",
    "quantity_map",
    "read",
    "scatter",
    "streamlines",
    "texture",
]

Frame: TypeAlias = Literal["none", "mean", "chosen"]
_LOW, _HIGH = 0.5, 99.5  # percentiles between which colours run, as in the figures
_SAMPLES = 400_000  # of a map, for its range
_LONGEST = 900  # points of a texture along its longer side
_LINES = 34  # streamlines along the longer side
_GRID = 240  # vectors along the longer side are enough for streamlines
VALID, REPLACED, REJECTED, MASKED = 0, 1, 2, 3  # kinds of arrows, as the canvas draws them


@task
def read(_context: Context, path: Path, position: int) -> Analysis:
    """One entry of a results file as an analysis in px.

    Raises
    ------
    InputError
        If the pair has no field, or it cannot be brought back to px.
    """
    from piv.io.store import open_results

    results = open_results(path)
    fields = {group: in_px(results.field(position, group)) for group in results.groups}
    coarse = fields["coarse"]
    quality = {name: float(values[position]) for name, values in results.quality.items()}
    return Analysis(coarse, fields.get("dense"), quality, dict(coarse.attrs))


def in_px(field: VectorField) -> VectorField:
    if field.units == "px":
        return field
    from piv.calibrate import uncalibrate

    return uncalibrate(field)


@task
def quantity_map(
    _context: Context,
    field: VectorField,
    name: str,
    subtract: Frame = "none",
    subtracted: tuple[float, float] = (0.0, 0.0),
    up: bool = False,
) -> dict[str, Any]:
    """A quantity of a field on its grid.

    Parameters
    ----------
    _context : Context
    field : VectorField, shape (Ny, Nx)
        In px, with the user's edits.
    name : str
        Of :data:`gui.quantities.QUANTITIES`.
    subtract, subtracted
        Velocity of the observer: none, the mean of the field, or (u, v) in px.
    up : bool
        v counts upwards.

    Returns
    -------
    dict
        ``pyramid``; ``x0``, ``y0``, ``step`` (x, y) in px; ``low``, ``high``: robust range; of
        the flags also ``classes``: which of :func:`gui.quantities.flag_classes` are there.
    """
    values = values_of(field, name, subtract, subtracted, up=up)
    if name != "flags":
        return as_map(field, values, name)
    found = np.unique(values[np.isfinite(values)]).astype(int).tolist()
    return {**as_map(field, values, name, "pick"), "classes": found}


def as_map(
    field: VectorField, values: Float, name: str, how: Literal["mean", "pick"] = "mean"
) -> dict[str, Any]:
    """Values on a field's grid with their place and their range; see :func:`quantity_map`."""
    low, high = colour_range(values, name)
    return {
        "pyramid": Pyramid.build(np.ascontiguousarray(values, np.float32), how),
        **place_of(field),
        "low": low,
        "high": high,
    }


def place_of(field: VectorField) -> dict[str, Any]:
    """Where the samples of a field's grid lie, px."""
    step = tuple(
        float(c[-1] - c[0]) / (c.size - 1) if c.size > 1 else 1.0 for c in (field.x, field.y)
    )
    return {"x0": float(field.x[0]), "y0": float(field.y[0]), "step": step}


def values_of(
    field: VectorField,
    name: str,
    subtract: Frame = "none",
    subtracted: tuple[float, float] = (0.0, 0.0),
    *,
    up: bool = False,
) -> Float:
    """Values of a quantity, shape (Ny, Nx); NaN where a vector is left out.

    Raises
    ------
    InputError
        If the field does not hold what the quantity is made of.
    """
    if name == "flags":
        return _classes(field)
    hidden = left_out(field)
    if hidden.any():
        nothing = np.float32(np.nan)
        field = field.replace(
            u=np.where(hidden, nothing, field.u), v=np.where(hidden, nothing, field.v)
        )
    if name in ("magnitude", "u", "v"):
        field = seen_from(field, subtract, subtracted)
    try:
        values = _COMPUTE[name](field)
    except KeyError:
        raise InputError(f"there is no quantity {name!r} of a field: choose another") from None
    if name == "v" and up:
        values = -values
    return np.where(hidden, np.float32(np.nan), values) if hidden.any() else values


def seen_from(field: VectorField, subtract: Frame, subtracted: tuple[float, float]) -> VectorField:
    """The field as a moving observer sees it."""
    if subtract == "none":
        return field
    if subtract == "mean":
        subtracted = mean_of(field)
    return post.subtract_velocity(field, subtracted)


def mean_of(field: VectorField) -> tuple[float, float]:
    """Mean u and v of a field, px; zero where there is nothing."""
    used = ~left_out(field) & np.isfinite(field.u) & np.isfinite(field.v)
    if not used.any():
        return 0.0, 0.0
    u, v = (float(part[used].mean(dtype=np.float64)) for part in (field.u, field.v))
    return u, v


def _uncertainty(field: VectorField) -> tuple[Float, Float]:
    if field.uncertainty_u is None or field.uncertainty_v is None:
        raise InputError("the coarse field has no uncertainty: show the dense one")
    return field.uncertainty_u, field.uncertainty_v


def _peak_ratio(field: VectorField) -> Float:
    if "peak_ratio" not in field.extra:
        raise InputError("only the coarse field has a peak ratio: show that one")
    return np.minimum(np.asarray(field.extra["peak_ratio"], np.float32), np.float32(100))


_COMPUTE: Mapping[str, Callable[[VectorField], Float]] = {
    "magnitude": lambda field: field.speed,
    "u": lambda field: field.u,
    "v": lambda field: field.v,
    "vorticity": post.vorticity,
    "divergence": post.divergence,
    "shear strain": post.shear_strain,
    "normal strain": post.normal_strain,
    "swirl": post.swirling_strength,
    "uncertainty": lambda field: np.hypot(*_uncertainty(field)),
    "uncertainty u": lambda field: _uncertainty(field)[0],
    "uncertainty v": lambda field: _uncertainty(field)[1],
    "peak ratio": _peak_ratio,
}


def _classes(field: VectorField) -> Float:
    """Number of the gravest flag (:func:`gui.quantities.flag_order`); NaN = none, or masked."""
    values = np.full(field.flags.shape, np.nan, np.float32)
    for number, flag in reversed(list(enumerate(flag_order(), start=1))):
        values[(field.flags & int(flag)) != 0] = number
    values[(field.flags & int(Flag.MASKED)) != 0] = np.nan
    return values


def colour_range(values: Float, name: str) -> tuple[float, float]:
    """Values at the ends of the colours: robust, symmetric about zero where the sign matters.

    A range near zero begins at zero, so that rest is the darkest colour.
    """
    kind = quantity(name)
    if kind.name == "flags":
        return 0.0, float(len(flag_order()))
    step = max(1, int(np.sqrt(values.size / _SAMPLES)))
    seen = np.asarray(values[::step, ::step])
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return (-1.0, 1.0) if kind.diverging else (0.0, 1.0)
    low, high = (float(each) for each in np.percentile(seen, (_LOW, _HIGH)))
    if kind.name == "peak ratio":  # what is above a few is all alike: there is no second peak
        return 1.0, max(2.0, min(high, 6.0))
    if kind.diverging:
        most = max(abs(low), abs(high)) or float(np.abs(seen).max()) or 1.0
        return -most, most
    if 0 <= low < 0.4 * high:
        low = 0.0
    if not high > low:
        return (low - 0.5, high + 0.5) if low else (0.0, float(seen.max()) or 1.0)
    return low, high


@task
def arrows(
    _context: Context,
    field: VectorField,
    subtract: Frame = "none",
    subtracted: tuple[float, float] = (0.0, 0.0),
) -> dict[str, Any]:
    """What the arrows are drawn of: u, v in px, and the kind of each vector.

    Returns
    -------
    dict
        ``x``, ``y``, ``u``, ``v``, ``kind`` (uint8: 0 measured, 1 replaced, 2 rejected, 3 masked)
        and ``frame``: the velocity that was subtracted.
    """
    kind = np.full(field.flags.shape, VALID, np.uint8)
    replaced = int(Flag.REPLACED | Flag.FALLBACK)
    kind[(field.flags & replaced) != 0] = REPLACED
    hidden = left_out(field)
    kind[hidden] = REJECTED
    kind[(field.flags & int(Flag.MASKED)) != 0] = MASKED
    kind[~(np.isfinite(field.u) & np.isfinite(field.v))] = MASKED
    frame = (0.0, 0.0)
    if subtract != "none":
        frame = mean_of(field) if subtract == "mean" else subtracted
    seen = seen_from(field, subtract, subtracted)
    return {"x": field.x, "y": field.y, "u": seen.u, "v": seen.v, "kind": kind, "frame": frame}


@task
def counts(_context: Context, field: VectorField) -> dict[str, int]:
    """How many vectors there are outside the mask (``alive``), ``rejected`` and ``replaced``."""
    alive = (field.flags & int(Flag.MASKED)) == 0
    replaced = (field.flags & int(Flag.REPLACED | Flag.FALLBACK)) != 0
    return {
        "alive": int(alive.sum()),
        "rejected": int((left_out(field) & alive).sum()),
        "replaced": int((replaced & alive).sum()),
    }


def _thinned(field: VectorField, longest: int) -> VectorField:
    """Every n-th vector, so that there are at most about ``longest`` along the longer side."""
    step = max(1, round(max(field.u.shape) / longest))
    if step == 1:
        return field
    part = np.s_[::step, ::step]
    size = None if field.uncertainty_u is None else field.uncertainty_u[part]
    other = None if field.uncertainty_v is None else field.uncertainty_v[part]
    return field.replace(
        x=field.x[::step], y=field.y[::step], u=field.u[part], v=field.v[part],
        flags=field.flags[part], uncertainty_u=size, uncertainty_v=other, extra={},
    )  # fmt: skip


def _usable(field: VectorField) -> VectorField:
    """The field with MASKED set wherever a vector is left out."""
    hidden = left_out(field) | ~np.isfinite(field.u) | ~np.isfinite(field.v)
    flags = np.where(hidden, int(Flag.MASKED), 0).astype(np.uint16)
    return field.replace(flags=flags)


@task
def streamlines(
    _context: Context,
    field: VectorField,
    subtract: Frame = "none",
    subtracted: tuple[float, float] = (0.0, 0.0),
    separation: float = 0.0,
) -> list[Float]:
    """Evenly spaced streamlines, (n, 2) px each; none where nothing moves.

    ``separation`` is their distance in px, 0 = a 34th of the longer side.
    """
    seen = _usable(_thinned(seen_from(field, subtract, subtracted), _GRID))
    if min(seen.u.shape) < 2 or not (seen.flags == 0).any():
        return []
    length = max(np.ptp(seen.x), np.ptp(seen.y))
    return post.even_streamlines(seen, separation or float(length) / _LINES)


@task
def texture(
    _context: Context,
    field: VectorField,
    subtract: Frame = "none",
    subtracted: tuple[float, float] = (0.0, 0.0),
) -> dict[str, Any] | None:
    """Line integral convolution of a field; None where there is nothing.

    Returns
    -------
    dict
        ``pyramid`` of grey levels of mean 0 and variance 1, with ``x0``, ``y0`` and one ``step``
        in px.
    """
    seen = _square(_usable(_thinned(seen_from(field, subtract, subtracted), _LONGEST)))
    if not (seen.flags == 0).any():
        return None
    refine = max(1, min(8, _LONGEST // max(seen.u.shape)))
    drawn = post.line_integral_convolution(seen, np.random.default_rng(1), refine=refine)
    place = place_of(seen)
    whole = place["step"][0]
    step = whole / refine
    return {
        "pyramid": Pyramid.build(drawn.astype(np.float32)),
        "x0": place["x0"] - whole / 2 + step / 2,
        "y0": place["y0"] - whole / 2 + step / 2,
        "step": step,
    }


def _square(field: VectorField) -> VectorField:
    """The field on points that are as far apart along x as along y."""
    across, down = place_of(field)["step"]
    if min(field.u.shape) < 2 or np.isclose(across, down):
        return field
    step = min(across, down)
    x = np.arange(field.x[0], field.x[-1] + step / 2, step)
    y = np.arange(field.y[0], field.y[-1] + step / 2, step)
    x, y = (np.clip(a, b[0], b[-1]) for a, b in ((x, field.x), (y, field.y)))
    points = np.stack(np.meshgrid(x, y), axis=-1)
    u, v = np.moveaxis(post.sample(field, points), -1, 0).astype(np.float32)
    flags = np.where(np.isfinite(u), 0, int(Flag.MASKED)).astype(np.uint16)
    return VectorField(x=x, y=y, u=u, v=v, flags=flags)


@task
def profile(
    _context: Context,
    field: VectorField,
    line: tuple[tuple[float, float], ...] = (),
    circle: tuple[float, float, float] | None = None,
    name: str = "",
    spacing: float = 0.0,
) -> dict[str, Any]:
    """Velocity along a line or round a circle, and what flows through and along it.

    Parameters
    ----------
    _context : Context
    field : VectorField, shape (Ny, Nx)
        In px.
    line : sequence of (x, y)
        Corners, px.
    circle : (x, y, radius), optional
        In place of a line; counter-clockwise on the screen, from the right.
    name : str
        A quantity to be given along the line as ``values``.
    spacing : float
        Distance of the points, px; 0 = the smaller spacing of the vectors.

    Returns
    -------
    dict
        ``distance``, ``x``, ``y``, ``u``, ``v``, ``tangential``, ``normal``; ``uncertainty_u``,
        ``uncertainty_v`` or None; ``values`` or None; ``flow_rate`` and, of a closed line,
        ``circulation`` in px^2 per frame, with their ``..._uncertainty`` (NaN = not known).

    Raises
    ------
    InputError
        If the line has no length.
    """
    used = _usable(field)
    if spacing <= 0:
        spacing = min(abs(each) for each in place_of(field)["step"])
    if circle is not None:
        x, y, radius = circle
        count = int(np.clip(np.ceil(2 * np.pi * radius / spacing), 16, 20_000))
        corners = post.circle((x, y), radius, count)[::-1]
        points = corners
    else:
        corners = np.asarray(line, np.float64).reshape(-1, 2)
        if len(corners) < 2 or np.hypot(*np.diff(corners, axis=0).T).sum() == 0:
            raise InputError("a profile needs a line with two different ends: draw one")
        points = post.resample(corners, spacing)
    found = post.profile(used, points)
    result: dict[str, Any] = {
        key: getattr(found, key)
        for key in (
            "distance", "x", "y", "u", "v", "tangential", "normal", "uncertainty_u",
            "uncertainty_v",
        )
    }  # fmt: skip
    result["values"] = None
    if name and name not in ("magnitude", "u", "v", "flags"):
        values = np.asarray(values_of(field, name), np.float64)
        result["values"] = post.sample(used, points, values)
    result["flow_rate"] = float(post.flow_rate(used, corners))
    closed = len(corners) > 3 and np.array_equal(corners[0], corners[-1])
    result["circulation"] = float(post.circulation(used, corners)) if closed else np.nan
    result.update(_integral_uncertainties(used, corners, closed=closed))
    return result


def _integral_uncertainties(field: VectorField, line: Float, *, closed: bool) -> dict[str, float]:
    known = {"flow_rate_uncertainty": np.nan, "circulation_uncertainty": np.nan}
    if field.uncertainty_u is None:
        return known
    try:
        length = post.correlation_length_of(field)
    except InputError:  # weights that do not say how far errors are alike: nothing can be said
        return known
    if length is None:
        return known
    known["flow_rate_uncertainty"] = post.flow_rate_uncertainty(
        field, line, correlation_length=length
    )
    if closed:
        known["circulation_uncertainty"] = post.circulation_uncertainty(
            field, line, correlation_length=length
        )
    return known


@task
def scatter(_context: Context, field: VectorField, bins: int = 160) -> dict[str, Any]:
    """How the vectors are spread over the plane of u and v.

    Returns
    -------
    dict
        ``count`` (bins, bins) indexed [v, u], ``edges_u``, ``edges_v`` in px, ``used``: vectors
        counted (rejected ones too: limits are drawn about the good ones), ``rejected``.
    """
    here = ((field.flags & int(Flag.MASKED)) == 0) & np.isfinite(field.u) & np.isfinite(field.v)
    u, v = field.u[here], field.v[here]
    edges = []
    for part in (u, v):
        low, high = (float(part.min()), float(part.max())) if part.size else (0.0, 1.0)
        slack = 0.04 * (high - low) or 0.5
        edges.append(np.linspace(low - slack, high + slack, bins + 1))
    count = np.histogram2d(v, u, bins=[edges[1], edges[0]])[0]
    return {
        "count": count.astype(np.float32),
        "edges_u": edges[0],
        "edges_v": edges[1],
        "used": int(here.sum()),
        "rejected": int((left_out(field) & here).sum()),
    }
