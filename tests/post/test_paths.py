"""Streamlines, pathlines, Lyapunov exponents and line integral convolution."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_flows import lamb_oseen, linear, sampled, slope, stretched, taylor_green
from numpy.testing import assert_allclose

import piv
from piv import post
from piv.errors import InputError
from piv.types import Flag, Float, VectorField

ROTATION = linear(0, -0.8, 0.8, 0)


def _rotation(size: int = 40, y_axis: str = "up") -> VectorField:
    y = np.linspace(-2, 2, size) if y_axis == "down" else np.linspace(2, -2, size)

    def flow(x: Float, y: Float) -> tuple[Float, Float]:
        return -0.8 * y, 0.8 * x

    return sampled(np.linspace(-2.5, 2.5, size + 6), y, flow, y_axis=y_axis)


@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_streamlines_of_a_solid_rotation_are_closed_circles(y_axis: str) -> None:
    seeds = np.array([[1.0, 0.3], [-0.4, 0.2], [0, -1.7]])
    lines = post.streamlines(_rotation(y_axis=y_axis), seeds)
    for seed, line in zip(seeds, lines, strict=True):
        radius = np.hypot(*seed)
        assert_allclose(np.hypot(*line.T), radius, atol=1e-5)  # fourth order: 2.4e-6 on the way
        assert_allclose(line[0], line[-1])
        assert_allclose(line[0], seed)
        length = np.hypot(*np.diff(line, axis=0).T).sum()
        assert_allclose(length, 2 * np.pi * radius, rtol=0.02)


def test_streamlines_keep_the_stream_function_to_fourth_order() -> None:
    """On linear fields, which interpolation leaves exact: x y on a saddle."""
    x = np.linspace(-1.2, 1.2, 25)
    field = sampled(x, x[:-3], linear(1, 0, 0, -1))
    field = field.replace(u=field.u - 0.3, v=field.v + 0.2)
    errors, parts = [], [2, 4, 8]
    for part in parts:
        (line,) = post.streamlines(field, [(0.4, 0.5)], step=4 / part)
        errors.append(float(np.abs(line[:, 0] * line[:, 1] - 0.2).max()))
    assert 3.5 < slope(errors, parts) < 5.5


def test_a_streamline_runs_from_upstream_to_downstream_and_ends_at_the_edge() -> None:
    field = sampled(np.arange(20.0), np.arange(12.0), lambda x, y: (1 + 0 * x, 0.25 + 0 * y))
    (line,) = post.streamlines(field, [(8, 5)])
    assert (np.diff(line[:, 0]) > 0).all()
    assert line[0, 0] < 0.5
    assert line[-1, 0] > 18.5
    assert_allclose(line[:, 1], 5 + (line[:, 0] - 8) / 4, atol=1e-12)
    (short,) = post.streamlines(field, [(8, 5)], length=2.0)
    assert_allclose(np.hypot(*(short[-1] - short[0])), 4, atol=0.6)


def test_streamlines_end_at_masks_and_points_of_rest() -> None:
    field = sampled(np.arange(20.0), np.arange(12.0), lambda x, y: (1 + 0 * x, 0 * y))
    flags = field.flags.copy()
    flags[:, 12:14] = Flag.MASKED
    lines = post.streamlines(field.replace(flags=flags), [(8, 5), (12.5, 5), (16, 5)])
    assert 10.5 < lines[0][-1, 0] <= 11
    assert lines[1].shape == (0, 2)
    assert 14 <= lines[2][0, 0] < 14.5
    sink = sampled(np.linspace(-1, 1, 21), np.linspace(-1, 1, 17), lambda x, y: (-x, -y))
    (line,) = post.streamlines(sink, [(0.6, 0.3)])
    assert np.hypot(*line[-1]) < 0.05
    assert np.isfinite(line).all()


def test_even_streamlines_keep_their_distance() -> None:
    x = np.linspace(0, 3 * np.pi, 90)
    field = sampled(x, x[:60], taylor_green)
    lines = post.even_streamlines(field, 0.5)
    assert len(lines) > 20
    assert [len(line) for line in lines] == sorted((len(line) for line in lines), reverse=True)
    for number, line in enumerate(lines):
        for other in lines[:number]:
            distance = np.hypot(*(line[:, None] - other).transpose(2, 0, 1))
            assert distance.min() > 0.24
    points = np.concatenate(lines)
    for seed in np.stack(np.meshgrid(np.linspace(1, 8, 6), np.linspace(1, 5, 5)), -1).reshape(
        -1, 2
    ):
        assert np.hypot(*(points - seed).T).min() < 1.2


def _series(flow: object, times: Float, x: Float, y: Float) -> VectorField:
    fields = [sampled(x, y, lambda x, y, t=t: flow(x, y, t)) for t in times]
    return fields[0].replace(
        u=np.stack([f.u for f in fields]), v=np.stack([f.v for f in fields]),
        flags=np.stack([f.flags for f in fields]),
    )  # fmt: skip


def test_pathlines_turn_with_a_solid_rotation_and_back() -> None:
    times = np.linspace(0, 2.5, 12)
    axis = np.linspace(-2, 2, 30)
    series = _series(lambda x, y, t: (-y, x), times, axis, axis[4:])
    seeds = np.array([[1.0, 0.5], [0, -1.2]])
    ways = post.pathlines(series, seeds, times)
    assert ways.shape == (12, 2, 2)
    angle = np.arctan2(ways[..., 1], ways[..., 0])
    assert_allclose(np.unwrap(angle, axis=0) - angle[0], np.tile(times[:, None], 2), atol=1e-6)
    back = post.pathlines(series, ways[-1], times, backward=True)
    assert_allclose(back, ways, atol=1e-6)


def test_pathlines_are_not_streamlines_where_the_flow_changes() -> None:
    """A uniform velocity that turns: exact, as it is linear in time between fields."""
    times = np.array([0.0, 1.0, 2.5])
    axis = np.arange(20.0)
    series = _series(lambda x, y, t: (1 + 0 * x, 2 * t + 0 * y), times, axis, axis[:15])
    ways = post.pathlines(series, [(2, 3)], times)[:, 0]
    assert_allclose(ways, np.stack([2 + times, 3 + times**2], -1), atol=1e-12)


def test_what_leaves_has_no_place() -> None:
    times = np.arange(5.0)
    axis = np.arange(10.0)
    series = _series(lambda x, y, t: (2 + 0 * x, 0 * y), times, axis, axis[:7])
    ways = post.pathlines(series, [(4, 3), (0, 3)], times)
    assert np.isfinite(ways[:3, 0]).all()
    assert np.isnan(ways[3:, 0]).all()
    assert np.isfinite(ways[:, 1]).all()
    flags = series.flags.copy()
    flags[2:, :, 5] = Flag.MASKED
    assert np.isnan(post.pathlines(series.replace(flags=flags), [(0, 3)], times)[-1]).all()


@pytest.mark.parametrize("backward", [False, True])
def test_the_exponent_of_a_saddle_is_its_rate_of_strain(backward: bool) -> None:
    """Exact but for the steps in time: everywhere where elements stay."""
    times = np.linspace(0, 0.8, 9)
    x, y = stretched(-1, 1, 31), stretched(1, -1, 26)
    series = _series(lambda x, y, t: (0.7 * x, -0.7 * y), times, x, y)
    found = post.ftle(series, times, backward=backward, refine=2)
    assert found.shape == (51, 61)
    inner = found[np.isfinite(found)]
    assert inner.size > 0.5 * found.size
    assert_allclose(inner, 0.7, rtol=1e-6)


def test_there_is_no_exponent_in_a_solid_rotation() -> None:
    times = np.linspace(0, 1, 9)
    axis = np.linspace(-1, 1, 21)
    series = _series(lambda x, y, t: (-y, x), times, axis, axis[2:-2])
    found = post.ftle(series, times)
    assert_allclose(found[np.isfinite(found)], 0, atol=1e-5)


def _double_gyre(x: Float, y: Float, t: float) -> tuple[Float, Float]:
    """Shadden, Lekien & Marsden (2005): A = 0.1, epsilon = 0.25, omega = 2 pi / 10."""
    a = 0.25 * np.sin(2 * np.pi / 10 * t)
    f, df = a * x**2 + (1 - 2 * a) * x, 2 * a * x + 1 - 2 * a
    return (
        -0.1 * np.pi * np.sin(np.pi * f) * np.cos(np.pi * y),
        0.1 * np.pi * np.cos(np.pi * f) * np.sin(np.pi * y) * df,
    )


def test_the_exponent_of_the_double_gyre() -> None:
    """Against elements that follow the formula itself; the ridge lies where it should."""
    times = np.linspace(0, 10, 41)
    x, y = np.linspace(0, 2, 101), np.linspace(0, 1, 51)
    series = _series(_double_gyre, times, x, y)
    found = post.ftle(series, times, substeps=2)
    points = np.stack(np.meshgrid(x, y))
    step = 0.05
    for t in np.arange(200) * step:
        one = np.stack(_double_gyre(*points, t))
        two = np.stack(_double_gyre(*(points + step / 2 * one), t + step / 2))
        three = np.stack(_double_gyre(*(points + step / 2 * two), t + step / 2))
        four = np.stack(_double_gyre(*(points + step * three), t + step))
        points = points + step / 6 * (one + 2 * two + 2 * three + four)
    gradient = np.empty((51, 101, 2, 2))
    for row, after in enumerate(points):
        gradient[..., row, 1], gradient[..., row, 0] = np.gradient(after, y, x)
    truth = np.log(np.linalg.svd(gradient, compute_uv=False)[..., 0]) / 10
    inner = np.s_[2:-2, 2:-2]
    assert_allclose(np.median(np.abs(found - truth)[inner]), 0, atol=2e-3)
    assert np.corrcoef(found[inner].ravel(), truth[inner].ravel())[0, 1] > 0.98
    assert found[inner].max() > 0.3  # the ridge that parts the gyres
    ridges = [each[10:40, 10:90].argmax(axis=1) for each in (found, truth)]  # not the walls
    assert np.median(np.abs(ridges[0] - ridges[1])) <= 1


def test_calibration_changes_no_path() -> None:
    pixels = sampled(np.arange(40.0), np.arange(30.0), lamb_oseen(20, -14, 30, 5),
                     y_axis="down", units="px", dt=1e-3)  # fmt: skip
    metres = piv.calibrate(pixels, piv.Calibration(2e-5))
    seeds = np.array([[15.0, 12.0], [25, 20]])
    wanted = post.streamlines(pixels, seeds)
    found = post.streamlines(metres, seeds * (2e-5, -2e-5))
    for one, other in zip(found, wanted, strict=True):
        assert_allclose(one, other * (2e-5, -2e-5), atol=1e-10)


def test_the_texture_is_alike_along_the_flow_and_not_across(rng: np.random.Generator) -> None:
    field = sampled(np.arange(90.0), np.arange(60.0), lambda x, y: (1 + 0 * x, 0 * y))
    texture = post.line_integral_convolution(field, rng, length=10)
    assert texture.shape == (60, 90)
    assert_allclose(texture.mean(), 0, atol=1e-6)
    assert_allclose(texture.std(), 1, atol=1e-6)
    along = (texture[:, 1:] * texture[:, :-1]).mean()
    across = (texture[1:] * texture[:-1]).mean()
    assert along > 0.9
    assert abs(across) < 0.1


def test_the_texture_follows_circles(rng: np.random.Generator) -> None:
    axis = np.arange(81.0) - 40
    turning = sampled(axis, axis[::-1], lambda x, y: (-y, x))
    texture = post.line_integral_convolution(turning, rng, length=12, refine=2)
    assert texture.shape == (162, 162)
    radius, angle = np.meshgrid([25.0, 45, 60], np.linspace(0, 2 * np.pi, 400), indexing="ij")
    from scipy.ndimage import map_coordinates

    def at(r: Float) -> Float:
        return map_coordinates(
            texture, [80.5 + r * np.sin(angle), 80.5 + r * np.cos(angle)], order=1
        )

    ring = at(radius)
    step = 3 / radius[:, :1] / (2 * np.pi) * 400  # points of the ring on a way of three points
    for line, ahead in zip(ring, step[:, 0].round().astype(int), strict=True):
        assert np.corrcoef(line, np.roll(line, ahead))[0, 1] > 0.6
    across = np.corrcoef(ring.ravel(), at(radius + 3).ravel())[0, 1]
    assert abs(across) < 0.3


def test_there_is_no_texture_where_there_is_no_vector(rng: np.random.Generator) -> None:
    field = sampled(np.arange(50.0), np.arange(40.0), lambda x, y: (1 + 0 * x, 0.3 + 0 * y))
    flags = field.flags.copy()
    flags[10:20, 15:30] = Flag.MASKED
    u = np.where(flags > 0, np.nan, field.u)
    texture = post.line_integral_convolution(field.replace(u=u, flags=flags), rng)
    assert (np.isnan(texture) == (flags > 0)).all()


def test_what_cannot_be_followed_is_refused(rng: np.random.Generator) -> None:
    field = _rotation()
    series = field.replace(u=field.u[None], v=field.v[None], flags=field.flags[None])
    with pytest.raises(InputError, match="streamlines are of one field"):
        post.streamlines(series, [(0, 0)])
    with pytest.raises(InputError, match="step must be positive"):
        post.streamlines(field, [(0, 0)], step=0)
    with pytest.raises(InputError, match="length of a streamline"):
        post.streamlines(field, [(0, 0)], length=-1)
    with pytest.raises(InputError, match="separation must be positive"):
        post.even_streamlines(field, 0)
    with pytest.raises(InputError, match="two or more fields"):
        post.pathlines(field, [(0, 0)], [0.0])
    times = np.arange(2.0)
    two = _series(lambda x, y, t: (-y, x), times, field.x, field.y)
    with pytest.raises(InputError, match="at least 1 step"):
        post.pathlines(two, [(0, 0)], times, substeps=0)
    with pytest.raises(InputError, match="at least 1 element"):
        post.ftle(two, times, refine=0)
    with pytest.raises(InputError, match="one field, not a series"):
        post.line_integral_convolution(two, rng)
    with pytest.raises(InputError, match="at least 1, not 0"):
        post.line_integral_convolution(field, rng, length=0)
    nothing = field.replace(flags=np.full_like(field.flags, Flag.MASKED))
    with pytest.raises(InputError, match="no vector to draw"):
        post.line_integral_convolution(nothing, rng)
