"""Plots on any axes: what they show, in which unit, and that they return the axes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from analytic_flows import lamb_oseen, linear, sampled, stretched, taylor_green
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose

import piv
from piv import plot, post
from piv.errors import InputError
from piv.post.corrected import Corrected
from piv.post.distributions import JointPDF
from piv.post.spectra import Spectrum
from piv.types import Flag, ImagePair, VectorField

SHAPE = (60, 90)


@pytest.fixture
def axes() -> Axes:
    return Figure(figsize=(4, 3)).subplots()


def _field(**changes: Any) -> VectorField:
    x, y = np.arange(SHAPE[1], dtype=float), np.arange(SHAPE[0], dtype=float)
    field = sampled(x, y, lamb_oseen(40, -30, 60, 8), y_axis="down", units="px", dt=1e-3)
    flags = field.flags.copy()
    flags[:6, :9] = Flag.MASKED
    return field.replace(flags=flags, **changes)


def _draw(axes: Axes) -> None:
    """All of it, so that errors of drawing show."""
    axes.figure.get_figure(root=True).canvas.draw()


MAPS = {
    "magnitude": plot.plot_magnitude,
    "vorticity": plot.plot_vorticity,
    "scalar": lambda axes, field: plot.plot_scalar(axes, field, post.q_criterion(field), "Q"),
    "vectors": plot.plot_vectors,
    "texture": lambda axes, field: plot.plot_texture(axes, field, np.random.default_rng(0)),
    "streamlines": plot.plot_streamlines,
    "mode": plot.plot_mode,
}  # fmt: skip


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_map_returns_its_axes_in_handy_units(axes: Axes, name: str, calibrated: bool) -> None:
    field = _field()
    if calibrated:
        field = piv.calibrate(field, piv.Calibration(2e-4))
    assert MAPS[name](axes, field) is axes
    _draw(axes)
    assert axes.get_xlabel() == ("x (mm)" if calibrated else "x (px)")
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    size = 0.2 if calibrated else 1.0
    assert_allclose((left, right), (-0.5 * size, (SHAPE[1] - 0.5) * size))
    # y points down in px and up in metres; the picture is the same
    ends = (0.5, -SHAPE[0] + 0.5) if calibrated else (-0.5, SHAPE[0] - 0.5)
    assert_allclose((top, bottom), np.array(ends) * size)


@pytest.mark.parametrize("name", [*MAPS, "vortices"])
def test_a_series_or_an_empty_field_is_refused(axes: Axes, name: str) -> None:
    draw = MAPS.get(name, lambda axes, field: plot.mark_vortices(axes, field, ()))
    field = _field()
    series = field.replace(u=field.u[None], v=field.v[None], flags=field.flags[None])
    with pytest.raises(InputError, match="one field, not a series"):
        draw(axes, series)
    with pytest.raises(InputError, match="no vector to draw"):
        draw(axes, field.replace(u=np.full(SHAPE, np.nan), v=np.full(SHAPE, np.nan)))


def test_vorticity_is_white_at_zero_and_a_speed_starts_there(axes: Axes) -> None:
    plot.plot_vorticity(axes, _field())
    (image,) = axes.get_images()
    low, high = image.get_clim()
    assert low == -high
    assert image.get_cmap().name == "RdBu_r"
    assert image.get_array().mask[:6, :9].all()
    values = post.vorticity(_field())
    assert_allclose(image.get_array()[30, 40], values[30, 40])
    (bar,) = list(axes.child_axes)
    assert bar.get_ylabel() == "vorticity (px/px)"
    other = Figure().subplots()
    plot.plot_magnitude(other, _field())
    assert other.get_images()[0].get_clim()[0] == 0
    limited = Figure().subplots()
    plot.plot_magnitude(limited, _field(), limits=(0.5, 2), bar=False)
    assert limited.get_images()[0].get_clim() == (0.5, 2)
    assert limited.child_axes == []


def test_uneven_spacing_is_drawn_as_it_is(axes: Axes) -> None:
    field = sampled(stretched(0, 3, 30), stretched(2, 0, 20), taylor_green)
    plot.plot_vorticity(axes, field)
    assert axes.get_images() == []
    (mesh,) = [each for each in axes.collections if isinstance(each, QuadMesh)]
    assert mesh.get_array().shape == (20, 30)
    _draw(axes)


def test_arrows_of_a_dense_field_are_thinned_and_over_the_frame(
    axes: Axes, rng: np.random.Generator
) -> None:
    frame = rng.integers(0, 255, SHAPE).astype(np.uint8)
    plot.plot_vectors(axes, _field(), ImagePair(frame, frame), vector_scale=2.0)
    (arrows,) = [each for each in axes.collections if isinstance(each, Quiver)]
    assert 200 < arrows.N < 1500
    assert arrows.scale == 20
    assert len(axes.get_images()) == 1
    _draw(axes)
    few = Figure(figsize=(4, 3)).subplots()
    plot.plot_vectors(few, _field(), distance=0.5)
    assert next(each for each in few.collections if isinstance(each, Quiver)).N < 60
    with pytest.raises(InputError, match="vector scale"):
        plot.plot_vectors(axes, _field(), vector_scale=0.0)


def test_values_of_another_grid_are_refused(axes: Axes) -> None:
    with pytest.raises(InputError, match="the values have shape"):
        plot.plot_scalar(axes, _field(), np.zeros((3, 4)))


def test_streamlines_lie_where_they_were_followed(axes: Axes) -> None:
    field = piv.calibrate(_field(), piv.Calibration(1e-4))
    lines = post.streamlines(field, [(5e-3, -3e-3), (2e-3, -4e-3)])
    plot.plot_streamlines(axes, field, lines)
    (drawn,) = [each for each in axes.collections if isinstance(each, LineCollection)]
    for path, line in zip(drawn.get_paths(), lines, strict=True):
        assert_allclose(path.vertices, line * 1e3)
    coloured = Figure().subplots()
    plot.plot_streamlines(coloured, field, lines, colour=None)
    (drawn,) = [each for each in coloured.collections if isinstance(each, LineCollection)]
    assert len(drawn.get_array()) == sum(len(line) - 1 for line in lines)
    assert np.isfinite(drawn.get_array()).all()
    _draw(coloured)


def test_vortices_are_circles_of_their_core(axes: Axes) -> None:
    field = _field()
    found = post.find_vortices(field)
    assert len(found) == 1
    assert plot.mark_vortices(axes, field, found) is axes
    (circle,) = [patch for patch in axes.patches if isinstance(patch, Circle)]
    assert_allclose(circle.center, (40, 30), atol=1e-3)
    assert_allclose(circle.radius, 8, rtol=1e-3)
    assert "60 px²" in [text.get_text() for text in axes.texts]
    track = post.track_vortices([found, found], 3.0)[0]
    joined = plot.mark_vortices(Figure().subplots(), field, track, circulation=False)
    assert len(joined.lines) == 3
    assert not joined.texts


def test_a_profile_has_its_band(axes: Axes) -> None:
    field = _field(uncertainty_u=np.full(SHAPE, 0.2), uncertainty_v=np.full(SHAPE, 0.1))
    line = post.profile(field, [(20, 30), (60, 30)], spacing=1.0)
    assert plot.plot_profile(axes, line, "v", label="mid") is axes
    (band,) = [each for each in axes.collections if isinstance(each, PolyCollection)]
    height = band.get_paths()[0].vertices[:, 1]
    assert_allclose(height.max(), (line.v + 0.1).max())
    assert axes.get_xlabel() == "distance (px)"
    metres = piv.calibrate(field, piv.Calibration(1e-4))
    line = post.profile(metres, [(2e-3, -3e-3), (6e-3, -3e-3)], spacing=1e-4)
    metric = dataclasses.replace(line, units="m/s")  # as the profile of a calibrated field
    assert "m/s)" in plot.plot_profile(Figure().subplots(), metric).get_ylabel()
    other = plot.plot_profile(Figure().subplots(), line, "speed", units="m/s")
    assert other.get_xlabel() == "distance (mm)"
    assert other.get_ylabel() == "speed (mm/s)"
    assert not other.collections
    with pytest.raises(InputError, match="not 'w'"):
        plot.plot_profile(axes, line, "w")


def test_a_spectrum_shows_raw_corrected_noise_and_response(axes: Axes) -> None:
    k = np.arange(64) / 10.0
    raw = np.where(k > 0, np.maximum(k, 0.1) ** (-5 / 3), 0) + 0.05
    flat = Corrected(raw, np.full(64, 0.05))
    spectrum = Spectrum(k, flat, flat, 10, 0.0, response=np.exp(-k))
    assert plot.plot_spectrum(axes, spectrum, label="u") is axes
    names = axes.get_legend_handles_labels()[1]
    assert names == ["u, as measured", "u, without noise", "noise", "slope -1.67"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    beside = [each for each in axes.figure.axes if each is not axes]
    assert len(beside) == 1
    assert_allclose(beside[0].lines[0].get_ydata(), np.exp(-2 * k[1:]))
    _draw(axes)
    falling = Spectrum(k, Corrected(raw, 0.05 * np.exp(-20 * k)), flat, 10, 0.0)
    plain = plot.plot_spectrum(Figure().subplots(), falling)
    low, high = plain.get_ylim()  # noise that falls without end does not stretch the axis
    assert raw[1:].min() / 100 < low < raw[1:].min()
    assert raw[1:].max() < high < 10 * raw[1:].max()
    unknown = Spectrum(k, Corrected(raw, np.full(64, np.nan)), flat, 10, 0.0)
    bare = plot.plot_spectrum(Figure().subplots(), unknown, slope=None)
    assert bare.get_legend_handles_labels()[1] == ["uu, as measured"]
    nothing = Spectrum(k, Corrected(0 * raw, raw), flat, 1, 0.0)
    with pytest.raises(InputError, match="no positive density"):
        plot.plot_spectrum(axes, nothing)


def test_densities(axes: Axes, rng: np.random.Generator) -> None:
    samples = rng.standard_normal(20_000)
    samples[5] = np.nan
    assert plot.plot_pdf(axes, samples, unit="px") is axes
    middle, density = axes.lines[0].get_data()
    assert_allclose(np.nansum(density) * (middle[1] - middle[0]), 1)
    curve = axes.lines[1].get_ydata()
    assert_allclose(curve.max(), 1 / np.sqrt(2 * np.pi), rtol=0.02)
    with pytest.raises(InputError, match="samples that differ"):
        plot.plot_pdf(axes, np.ones(5))
    values, v_edges, u_edges = np.histogram2d(
        rng.standard_normal(20_000), 2 * rng.standard_normal(20_000), (30, 40), density=True
    )
    both = Figure().subplots()
    assert plot.plot_joint_pdf(both, JointPDF(u_edges, v_edges, values, 20_000), unit="px") is both
    assert both.get_xlabel() == "u (px)"
    _draw(both)


def test_the_style_ends_with_its_block() -> None:
    import matplotlib

    before = matplotlib.rcParams["font.size"]
    with plot.style():
        assert matplotlib.rcParams["font.size"] == 8
    assert matplotlib.rcParams["font.size"] == before


def test_a_field_at_rest_can_be_drawn(axes: Axes) -> None:
    field = sampled(np.arange(20.0), np.arange(15.0), linear(0, 0, 0, 0), units="px")
    still = field.replace(u=0 * field.u, v=0 * field.v)
    for draw in MAPS.values():
        draw(axes, still)
    _draw(axes)
