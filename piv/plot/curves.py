"""Lines and curves on any axes: each function draws on the axes it is given and returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.plot.layout import prefixed
from piv.plot.maps import framed, scene_of
from piv.post.datasets import on_datasets
from piv.post.interpolation import sample
from piv.post.lines import Profile
from piv.post.paths import even_streamlines
from piv.post.vortices import Track, Vortex
from piv.types import Float, Units, VectorField

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from piv.post.distributions import JointPDF
    from piv.post.spectra import Spectrum

_POSITIVE, _NEGATIVE = "#b2182b", "#2166ac"  # the ends of the colours of a vorticity
_BELOW = 30.0  # noise is drawn down to this part of a spectrum's least density
_DENSITY = 28  # streamlines across the shorter side


@on_datasets
def plot_streamlines(
    axes: Axes,
    field: VectorField,
    lines: Sequence[Float] | None = None,
    *,
    colour: str | None = "black",
    width: float = 0.6,
    arrows: bool = True,
) -> Axes:
    """Streamlines, evenly spaced or given.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    field : VectorField, shape (Ny, Nx)
    lines : sequence of array, shape (n, 2), optional
        As :func:`piv.post.streamlines` and :func:`piv.post.even_streamlines` return them.
    colour : str or None
        None = coloured by the speed.
    width : float
        Of the lines, points.
    arrows : bool
        A head in the middle of each line.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the field is a series or holds no vector.
    """
    from matplotlib.collections import LineCollection

    scene = scene_of(field)
    if lines is None:
        shorter = min(np.ptp(field.x), np.ptp(field.y))
        lines = even_streamlines(field, float(shorter) / _DENSITY)
    drawn = [line for line in lines if len(line) > 1]
    options: dict[str, Any] = {"linewidths": width, "capstyle": "round", "zorder": 2.5}
    if colour is None:
        pieces = [np.stack([line[:-1], line[1:]], 1) for line in drawn]
        segments = np.concatenate(pieces) if pieces else np.empty((0, 2, 2))
        speed = np.hypot(*sample(field, segments.mean(axis=1)).T) * scene.per_speed
        axes.add_collection(
            LineCollection(list(segments * scene.per_length), array=speed, **options)
        )
    else:
        axes.add_collection(
            LineCollection([line * scene.per_length for line in drawn], colors=colour, **options)
        )
    for line in drawn if arrows else []:
        middle = len(line) // 2
        start, end = line[middle - 1] * scene.per_length, line[middle] * scene.per_length
        axes.annotate(
            "", end, start, zorder=2.6,
            arrowprops={
                "arrowstyle": "-|>,head_width=0.13,head_length=0.26", "lw": 0, "shrinkA": 0,
                "shrinkB": 0, "color": colour or "0.25",
            },
        )  # fmt: skip
    return framed(axes, scene)


@on_datasets
def mark_vortices(
    axes: Axes,
    field: VectorField,
    vortices: Sequence[Vortex] | Track,
    *,
    circulation: bool = True,
) -> Axes:
    """Vortices as circles of their core radius, red counter-clockwise and blue clockwise.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Already showing the field.
    field : VectorField
        In which they were found: it gives the units.
    vortices : sequence of Vortex, or Track
        Of a track the centres are joined.
    circulation : bool
        Write it beside each.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib import patheffects
    from matplotlib.patches import Circle

    scene = scene_of(field)
    per = scene.per_length
    halo = [patheffects.Stroke(linewidth=2.2, foreground="white"), patheffects.Normal()]
    found = vortices.vortices if isinstance(vortices, Track) else vortices
    if isinstance(vortices, Track):
        x, y = ([getattr(each, name) * per for each in found] for name in ("x", "y"))
        axes.plot(x, y, color="black", linewidth=0.8, path_effects=halo, zorder=4)
    for each in found:
        tint = _POSITIVE if each.circulation > 0 else _NEGATIVE
        place = (each.x * per, each.y * per)
        axes.add_patch(
            Circle(
                place, each.core_radius * per, fill=False, edgecolor=tint, linewidth=1.1,
                zorder=4, path_effects=halo,
            )
        )  # fmt: skip
        axes.plot(*place, "+", color=tint, markersize=4, markeredgewidth=1, zorder=4)
        if circulation:
            unit = "px²" if field.units == "px" else "m²/s"
            axes.annotate(
                f"{_digits(each.circulation)} {unit}", place, (3, 3), textcoords="offset points",
                color=tint, fontsize="x-small", zorder=5, path_effects=halo, clip_on=True,
            )  # fmt: skip
    return axes


def plot_profile(
    axes: Axes,
    profile: Profile,
    component: Literal["u", "v", "tangential", "normal", "speed"] = "u",
    *,
    units: Units | None = None,
    label: str | None = None,
    colour: str | None = None,
) -> Axes:
    """A component along a line, with the band of its 68.3 % interval where that is known.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    profile : piv.post.Profile
        Of one field.
    component : str
        ``u`` and ``v`` have a band.
    units : "px" or "m/s", optional
        Default those of the profile.
    label : str, optional
        For the legend.
    colour : str, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the profile is of a series, or the component another.
    """
    if profile.u.ndim != 1:
        raise InputError("a plot shows the profile of one field, not of a series")
    if component == "speed":
        values = np.hypot(profile.u, profile.v)
    elif component in ("u", "v", "tangential", "normal"):
        values = getattr(profile, component)
    else:
        raise InputError(f"a profile has u, v, tangential, normal and speed, not {component!r}")
    length, per_length, speed, per_speed = "px", 1.0, "px", 1.0
    if (units or profile.units) == "m/s":
        length, per_length = prefixed(float(profile.distance[-1]), "m")
        finite = np.abs(values[np.isfinite(values)])
        speed, per_speed = prefixed(float(finite.max()) if finite.size else 1.0, "m/s")
    way = profile.distance * per_length
    (line,) = axes.plot(way, values * per_speed, label=label, color=colour)
    spread = getattr(profile, f"uncertainty_{component}", None)
    if spread is not None:
        axes.fill_between(
            way, (values - spread) * per_speed, (values + spread) * per_speed,
            color=line.get_color(), alpha=0.25, linewidth=0,
        )  # fmt: skip
    axes.set_xlabel(f"distance ({length})")
    axes.set_ylabel(f"{component} ({speed})")
    return axes


def plot_spectrum(
    axes: Axes,
    spectrum: Spectrum,
    component: Literal["uu", "vv"] = "uu",
    *,
    slope: float | None = -5 / 3,
    label: str | None = None,
    unit: str | None = None,
) -> Axes:
    """Power spectral density: as measured, without noise, the noise, and the method's response.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    spectrum : piv.post.Spectrum
    component : "uu" or "vv"
    slope : float or None
        Of a straight line for comparison.
    label : str, optional
        For the legend.
    unit : str, optional
        Of the wave number or frequency; default the spectrum's own.

    Returns
    -------
    matplotlib.axes.Axes
        The square of the response, if the spectrum has one, is on a second axis on the right.

    Raises
    ------
    InputError
        If nothing of the spectrum is positive.
    """
    density = getattr(spectrum, component)
    positive = spectrum.wavenumber > 0
    k = spectrum.wavenumber[positive]
    raw, noise, left = (
        np.where(part[positive] > 0, part[positive], np.nan)
        for part in (density.raw, density.noise, density.corrected)
    )
    if not np.isfinite(raw).any():
        raise InputError("the spectrum holds no positive density to draw")
    name = component if label is None else label
    (line,) = axes.loglog(k, raw, linewidth=0.8, alpha=0.5, label=f"{name}, as measured")
    if np.isfinite(noise).any():
        axes.loglog(k, left, color=line.get_color(), label=f"{name}, without noise")
        # correlated errors have a spectrum that falls without end: it shows where it matters
        low, high = np.nanmin(raw) / _BELOW, np.nanmax(raw)
        shown = np.where((noise > low) & (noise < _BELOW * high), noise, np.nan)
        axes.loglog(k, shown, color="0.5", linestyle=":", linewidth=0.9, label="noise")
        axes.set_ylim(*_decades(np.concatenate([raw, left[left > low], shown])))
    if slope is not None:
        at = len(k) // 8
        level = np.nanmedian(raw[max(0, at - 2) : at + 3]) * 2
        some = slice(at, max(at + 2, len(k) // 2))
        axes.loglog(k[some], level * (k[some] / k[at]) ** slope, "k--", linewidth=0.8,
                    label=f"slope {slope:.3g}")  # fmt: skip
    if spectrum.response is not None:
        beside = axes.twinx()
        beside.plot(k, spectrum.response[positive] ** 2, color="0.6", linewidth=0.8)
        beside.set_ylim(0, 1.05)
        beside.set_ylabel("response², of the method", color="0.45")
    axes.set_xlabel(unit or spectrum.unit)
    axes.set_ylabel("power spectral density")
    axes.legend(frameon=False, fontsize="x-small")
    return axes


def plot_pdf(
    axes: Axes,
    samples: npt.ArrayLike,
    *,
    bins: int = 80,
    gaussian: bool = True,
    label: str | None = None,
    unit: str = "",
) -> Axes:
    """Probability density of samples, on a logarithmic axis, beside a Gaussian of their moments.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    samples : array
        Those that are not finite are left out.
    bins : int
    gaussian : bool
    label : str, optional
        For the legend.
    unit : str
        Of the samples.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there are under two finite samples or all are alike.
    """
    values = np.asarray(samples, np.float64)
    values = values[np.isfinite(values)]
    if values.size < 2 or np.ptp(values) == 0:
        raise InputError("a density needs samples that differ")
    density, edges = np.histogram(values, bins, density=True)
    middle = (edges[1:] + edges[:-1]) / 2
    (line,) = axes.semilogy(
        middle, np.where(density > 0, density, np.nan), "o", markersize=2, label=label
    )
    if gaussian:
        mean, spread = values.mean(), values.std()
        curve = np.exp(-(((middle - mean) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
        seen = curve > density[density > 0].min() / 3
        axes.semilogy(middle[seen], curve[seen], color=line.get_color(), linewidth=0.8)
    axes.set_xlabel(unit)
    axes.set_ylabel("probability density")
    return axes


def plot_joint_pdf(axes: Axes, density: JointPDF, *, unit: str = "") -> Axes:
    """Joint probability density of both components, with the contours that hold 50 and 90 %.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    density : piv.post.JointPDF
    unit : str
        Of the components.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.colors import LogNorm

    values = density.density
    positive = values[values > 0]
    if not positive.size:
        raise InputError("the density is zero everywhere")
    shown = np.ma.masked_less_equal(values, 0)
    axes.pcolormesh(
        density.u_edges, density.v_edges, shown, cmap="magma_r",
        norm=LogNorm(positive.min(), max(positive.max(), 1.01 * positive.min())),
        rasterized=True,
    )  # fmt: skip
    u, v = ((e[1:] + e[:-1]) / 2 for e in (density.u_edges, density.v_edges))
    levels = np.unique([_level(density, part) for part in (0.9, 0.5)])
    axes.contour(u, v, values, levels=levels, colors="black", linewidths=0.6)
    suffix = f" ({unit})" if unit else ""
    axes.set_xlabel(f"u{suffix}")
    axes.set_ylabel(f"v{suffix}")
    return axes


def _decades(values: Float) -> tuple[float, float]:
    """Limits of a logarithmic axis about all that is finite, with some room."""
    known = np.log10(values[np.isfinite(values)])
    room = 0.05 * max(float(np.ptp(known)), 1.0)
    return float(10 ** (known.min() - room)), float(10 ** (known.max() + room))


def _digits(value: float) -> str:
    """Three digits, without an exponent where that is readable."""
    if 1e-3 <= abs(value) < 1e6:
        return np.format_float_positional(value, 3, fractional=False, trim="-")
    return f"{value:.2e}"


def _level(density: JointPDF, part: float) -> float:
    """Density above which this part of all vectors lies."""
    cells = np.multiply.outer(np.diff(density.v_edges), np.diff(density.u_edges))
    order = np.argsort(density.density, axis=None)[::-1]
    share = np.cumsum((density.density * cells).ravel()[order])
    place = min(int(np.searchsorted(share, part * share[-1])), order.size - 1)
    return float(density.density.ravel()[order[place]])
