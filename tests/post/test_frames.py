"""Frames of reference, means, large and small scales, and the acceleration of fluid elements."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_flows import lamb_oseen, linear, sampled, slope, stretched, taylor_green, waves
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import piv
from piv import post
from piv.errors import InputError
from piv.types import Flag, Float, VectorField


def _field(**changes: object) -> VectorField:
    return sampled(np.linspace(0, 4, 41), np.linspace(3, 0, 31), waves, **changes)


@given(u=st.floats(-5, 5), v=st.floats(-5, 5))
def test_an_observer_who_moves_sees_the_same_derivatives(u: float, v: float) -> None:
    field = _field()
    moved = post.subtract_velocity(field, (u, v))
    assert_allclose(moved.u, field.u - u)
    assert_allclose(moved.v, field.v - v)
    for quantity in (post.vorticity, post.q_criterion):
        assert_allclose(quantity(moved), quantity(field), atol=1e-12)
    back = post.subtract_velocity(moved, (-u, -v))
    assert_allclose(back.u, field.u, atol=1e-14)


def test_the_mean_is_that_of_what_is_there() -> None:
    x, y = stretched(0, 1, 21), stretched(0, 2, 31)
    field = sampled(x, y, linear(1, 0, 0, 0))
    u, v = post.mean_velocity(field)
    assert u.shape == (1, 1)
    assert_allclose(u, 0.3 + 0.5, rtol=0.01)  # uneven vectors count by their area
    assert_allclose(v, -0.2)
    flags = field.flags.copy()
    flags[:, 5:] = Flag.MASKED
    masked = field.replace(flags=flags, u=np.where(flags > 0, np.nan, field.u))
    assert 0.3 < post.mean_velocity(masked)[0][0, 0] < 0.3 + x[4]
    without = post.subtract_mean(masked)
    assert_allclose(post.mean_velocity(without)[0], 0, atol=1e-15)
    assert np.isnan(without.u[:, 5:]).all()
    nothing = field.replace(flags=np.full_like(field.flags, Flag.MASKED))
    assert np.isnan(post.mean_velocity(nothing)[0]).all()


def test_fluctuations_of_a_series(rng: np.random.Generator) -> None:
    u, v = rng.standard_normal((2, 6, 9, 11)).astype(np.float32)
    flags = np.zeros(u.shape, np.uint16)
    flags[2, 3, 4] = flags[:, 0, 0] = Flag.MASKED
    series = VectorField(np.arange(11.0), np.arange(9.0), u, v, flags)
    mean, _ = post.mean_velocity(series, "series")
    assert mean.shape == (9, 11)
    assert_allclose(mean[3, 4], np.delete(u[:, 3, 4], 2).mean(), rtol=1e-5)
    assert np.isnan(mean[0, 0])
    fluctuation = post.subtract_mean(series, "series")
    assert fluctuation.u.dtype == np.float32
    rest = post.mean_velocity(fluctuation, "series")[0]
    assert_allclose(rest[np.isfinite(rest)], 0, atol=1e-6)


@pytest.mark.parametrize("kernel", ["gaussian", "box"])
def test_large_and_small_scales_add_up(kernel: str) -> None:
    field = _field()
    scales = post.decompose(field, 0.8, kernel=kernel)
    assert_allclose(scales.large.u + scales.small.u, field.u, atol=1e-14)
    assert_allclose(scales.large.v + scales.small.v, field.v, atol=1e-14)
    assert (scales.stress_uu >= -1e-12).all()  # weights are positive
    assert (scales.stress_vv >= -1e-12).all()
    assert (scales.stress_uv**2 <= scales.stress_uu * scales.stress_vv + 1e-12).all()


def test_the_filter_has_the_gain_of_its_formula() -> None:
    """On a wave, in the middle of the field: exp(-k^2 D^2 / 24), or sin(kD/2) / (kD/2)."""
    x = np.arange(200) * 0.05
    k, width = 2 * np.pi / 1.5, 0.75
    field = sampled(x, x[:120], lambda x, y: (np.sin(k * x), np.cos(k * y)))
    middle = np.s_[50:70, 60:140]
    for kernel, gain in (
        ("gaussian", np.exp(-((k * width) ** 2) / 24)),
        ("box", np.sin(k * width / 2) / (k * width / 2)),
    ):
        large = post.decompose(field, width, kernel=kernel).large
        assert_allclose(large.u[middle], gain * field.u[middle], atol=3e-3)
        assert_allclose(large.v[middle], gain * field.v[middle], atol=3e-3)


def test_a_filter_leaves_a_constant_beside_a_mask() -> None:
    field = sampled(np.arange(30.0), np.arange(20.0), lambda x, y: (2 + 0 * x, -1 + 0 * x))
    flags = field.flags.copy()
    flags[8:12, 10:20] = Flag.MASKED
    field = field.replace(u=np.where(flags > 0, np.nan, field.u), flags=flags)
    scales = post.decompose(field, 7.0)
    there = flags == 0
    assert_allclose(scales.large.u[there], 2, atol=1e-13)
    assert_allclose(scales.stress_uv[there], 0, atol=1e-13)
    assert np.isnan(scales.large.u[~there]).all()


def test_the_subgrid_shear_stress_keeps_its_sign_when_calibrated() -> None:
    pixels = sampled(np.arange(40.0), np.arange(30.0), lambda x, y: (np.sin(x), np.sin(x)),
                     y_axis="down", units="px")  # fmt: skip
    metres = piv.calibrate(pixels, piv.Calibration(1e-3))
    one, other = post.decompose(pixels, 6.0), post.decompose(metres, 6e-3)
    assert one.stress_uv[15, 20] > 0.1
    assert_allclose(other.stress_uv, one.stress_uv * 1e-6, rtol=1e-6, atol=1e-12)


def _series(flow: object, times: Float, size: int, y_axis: str = "up") -> VectorField:
    x, y = np.linspace(-1, 2, size), np.linspace(1.5, -1, size - 4)
    if y_axis == "down":
        y = -y
    fields = [sampled(x, y, lambda x, y, t=t: flow(x, y, t), y_axis=y_axis) for t in times]
    return fields[0].replace(
        u=np.stack([f.u for f in fields]), v=np.stack([f.v for f in fields]),
        flags=np.stack([f.flags for f in fields]),
    )  # fmt: skip


@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_the_acceleration_of_a_solid_rotation_points_to_its_centre(y_axis: str) -> None:
    rate = 1.3
    times = np.array([0.0, 0.2, 0.5])
    series = _series(lambda x, y, t: (-rate * y, rate * x), times, 20, y_axis)
    along_x, along_y = post.material_acceleration(series, times)
    x, y = np.meshgrid(series.x, series.y)
    assert_allclose(along_x, np.broadcast_to(-(rate**2) * x, along_x.shape), atol=1e-12)
    assert_allclose(along_y, np.broadcast_to(-(rate**2) * y, along_y.shape), atol=1e-12)


def test_what_is_carried_along_does_not_accelerate() -> None:
    """A decaying vortex in a drift: only its own terms remain, to second order."""
    drift = (0.8, -0.5)

    def flow(x: Float, y: Float, t: float) -> tuple[Float, Float]:
        u, v = taylor_green(x - drift[0] * t, y - drift[1] * t)
        return u + drift[0], v + drift[1]

    sizes, errors = [20, 40, 80], []
    for size in sizes:
        times = np.arange(5) * 4 / size
        series = _series(flow, times, size)
        along_x, _ = post.material_acceleration(series, times)
        x = np.meshgrid(series.x, series.y)[0] - drift[0] * times[2]
        errors.append(float(np.abs(along_x[2] - np.sin(2 * x) / 2).max()))
    assert 1.7 < slope(errors, sizes) < 2.4


def test_the_acceleration_scatters_as_predicted(rng: np.random.Generator) -> None:
    times = np.arange(4) * 0.1
    series = _series(lambda x, y, t: waves(x + t, y), times, 24)
    sigma = np.full(series.shape, 1e-3)
    series = series.replace(uncertainty_u=sigma, uncertainty_v=2 * sigma)
    found = post.acceleration_uncertainty(series, times, correlation_length=0.2)
    scatter = post.sampled_uncertainty(
        lambda noisy: np.stack(post.material_acceleration(noisy, times)), series, rng,
        correlation_length=0.2, samples=300,
    )  # fmt: skip
    ratio = (np.stack(found) / scatter)[:, 1:-1, 2:-2, 2:-2]
    assert_allclose(np.median(ratio), 1, atol=0.02)
    assert np.percentile(np.abs(ratio - 1), 98) < 0.12


def test_what_cannot_be_done_is_refused() -> None:
    field = _field()
    with pytest.raises(InputError, match="two finite numbers"):
        post.subtract_velocity(field, (np.nan, 0))
    with pytest.raises(InputError, match="over space or series, not 'time'"):
        post.mean_velocity(field, "time")
    with pytest.raises(InputError, match="this is a single field"):
        post.subtract_mean(field, "series")
    with pytest.raises(InputError, match="width must be positive"):
        post.decompose(field, 0)
    with pytest.raises(InputError, match="gaussian or box"):
        post.decompose(field, 1, kernel="sharp")
    with pytest.raises(InputError, match="even spacing"):
        post.decompose(field.replace(x=field.x**2 + field.x), 1)
    with pytest.raises(InputError, match="two or more fields"):
        post.material_acceleration(field, [0])
    series = _series(lambda x, y, t: waves(x, y), np.arange(3.0), 12)
    with pytest.raises(InputError, match="3 fields, but times of shape"):
        post.material_acceleration(series, [0, 1])
    with pytest.raises(InputError, match="ascend"):
        post.material_acceleration(series, [0, 2, 1])
    with pytest.raises(InputError, match="no uncertainty"):
        post.acceleration_uncertainty(series, [0, 1, 2])


def test_inputs_stay_as_they_were() -> None:
    field = sampled(np.arange(20.0), np.arange(15.0), lamb_oseen(9, 7, 5, 2))
    before = field.u.copy()
    post.decompose(field, 3)
    post.subtract_mean(field)
    assert_array_equal(field.u, before)
