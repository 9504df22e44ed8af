"""Distributions, phases, correlations, structure functions, dissipation: on flows with answers."""

from __future__ import annotations

import numpy as np
import pytest
from flows_of_series import field, noisy_series
from scipy import ndimage

from piv.errors import InputError
from piv.post.correlations import (
    integral_scale,
    spatial_correlation,
    temporal_correlation,
    time_series,
    two_point_correlation,
)
from piv.post.distributions import joint_pdf, quadrants
from piv.post.phase import phase_average
from piv.post.small_scales import dissipation, dissipation_from_structure, turbulence_scales
from piv.post.statistics import statistics_of
from piv.post.structure import structure_functions
from piv.post.turbulence import reynolds_stress
from piv.types import Flag, Float, VectorField


def smooth(shape: tuple[int, ...], length: float, rng: np.random.Generator) -> Float:
    """Normal field of unit variance, correlation exp(-r^2 / (4 length^2)) along y and x."""
    noise = rng.normal(0, 1, shape)
    sigma = [0.0] * (len(shape) - 2) + [length, length]
    values = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return np.asarray(values / values.std())


def test_a_joint_density_is_the_bivariate_normal(rng: np.random.Generator) -> None:
    u, e = rng.normal(0, 1, (2, 40, 50, 60))
    v = -0.6 * u + 0.8 * e  # v points down: seen with y up the correlation is +0.6
    series = field(5 + u, v)
    found = joint_pdf(series, statistics_of(series), bins=40)
    widths = np.diff(found.v_edges)[:, None] * np.diff(found.u_edges)
    assert (found.density * widths).sum() == pytest.approx(1, abs=1e-3)
    assert found.count == u.size
    x = (found.u_edges[1:] + found.u_edges[:-1]) / 2
    y = (found.v_edges[1:] + found.v_edges[:-1])[:, None] / 2
    exact = np.exp(-(x**2 - 1.2 * x * y + y**2) / (2 * 0.64)) / (2 * np.pi * 0.8)
    assert np.abs(found.density - exact).max() < 0.02
    raw = joint_pdf(series, limits=((0, 10), (-4, 4)), bins=10)
    assert raw.density.sum() * 0.8 == pytest.approx(1, abs=1e-3)
    with pytest.raises(InputError, match="limits"):
        joint_pdf(series)
    with pytest.raises(InputError, match="excludes them all"):
        joint_pdf(series, limits=((0, 1), (0, 1)), region=np.zeros((50, 60), bool))


def test_quadrants_add_up_to_the_shear_stress(rng: np.random.Generator) -> None:
    series = noisy_series(40, rng)
    flow = statistics_of(series)
    found = quadrants(series, flow)
    whole = reynolds_stress(flow, ddof=0).uv.raw
    np.testing.assert_allclose(found.stress.sum(axis=0), whole, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.count, flow.count)
    assert (found.stress[[0, 2]][:, flow.count > 0] >= 0).all()
    assert (found.stress[[1, 3]][:, flow.count > 0] <= 0).all()
    np.testing.assert_allclose(found.share.sum(axis=0)[flow.count > 0], 1)
    strong = quadrants(series, flow, hole=2.0)
    assert np.nanmean(strong.share.sum(axis=0)) < 0.4
    with pytest.raises(InputError, match="more than once"):
        quadrants(iter(series), flow)


def test_phase_averages_separate_wave_and_turbulence(rng: np.random.Generator) -> None:
    count, bins = 480, 8
    phases = 2 * np.pi * (np.arange(count) * 5 / 8)  # exactly the bins' centres, many turns
    wave = 0.7 * np.cos(phases)[:, None, None]
    turbulence = rng.normal(0, 0.3, (count, 6, 9))
    series = field(2 + wave + turbulence, 0 * turbulence - wave)
    found = phase_average(series, phases, bins=bins)
    centres = 0.7 * np.cos(found.phase)
    assert np.abs(found.coherent_u - centres[:, None, None]).max() < 0.2
    np.testing.assert_allclose(found.coherent_v.mean(axis=(1, 2)), -centres, atol=1e-6)
    coherent, random = found.stress()
    flow = statistics_of(series)
    for n, whole in enumerate(
        (
            flow.variance("u", ddof=0).raw,
            flow.variance("v", ddof=0).raw,
            reynolds_stress(flow, ddof=0).uv.raw,
        )
    ):
        np.testing.assert_allclose(coherent[n] + random[n], whole, rtol=1e-9, atol=1e-9)
    assert coherent[0].mean() == pytest.approx(0.245, rel=0.05)
    assert random[0].mean() == pytest.approx(0.09, rel=0.05)
    half = phase_average(field(wave[:2] + 0 * turbulence[:2], 0 * turbulence[:2]), [0, np.pi])
    assert sum(each is None for each in half.statistics) == 10
    assert np.isnan(half.mean_u[1]).all()
    with pytest.raises(InputError, match="479 phases"):
        phase_average(series, phases[:-1])
    with pytest.raises(InputError, match="481 phases, but 480"):
        phase_average(series, np.append(phases, 0))


def test_two_points_correlate_as_the_field_was_made(rng: np.random.Generator) -> None:
    length, noise = 2.5, 0.4
    u = smooth((300, 24, 33), length, rng)
    sizes = np.full(u.shape, noise)
    series = field(
        u + rng.normal(0, noise, u.shape), -u, uncertainty_u=sizes, uncertainty_v=0 * sizes + 1e-9
    )
    flow = statistics_of(series)
    found = two_point_correlation(series, flow, (12, 16))
    assert found.raw[12, 16] == pytest.approx(1)
    assert found.corrected[12, 16] == pytest.approx(1)
    r = np.hypot(np.arange(33) - 16, (np.arange(24) - 12)[:, None])
    exact = np.exp(-(r**2) / (4 * length**2))
    near = (r > 0) & (r < 4)
    assert found.raw[near].mean() == pytest.approx(exact[near].mean() / (1 + noise**2), abs=0.04)
    assert found.corrected[near].mean() == pytest.approx(exact[near].mean(), abs=0.04)
    cross = two_point_correlation(series, flow, (12, 16), components="uv")
    assert cross.corrected[near].mean() == pytest.approx(exact[near].mean(), abs=0.04)  # v up
    with pytest.raises(InputError, match="outside"):
        two_point_correlation(series, flow, (24, 0))
    with pytest.raises(InputError, match="components"):
        two_point_correlation(series, flow, (0, 0), components="uw")  # type: ignore[arg-type]


@pytest.mark.parametrize("axis", ["x", "y"])
def test_integral_scales_of_a_gaussian_correlation(axis: str, rng: np.random.Generator) -> None:
    length, noise, step = 3.0, 0.3, 0.5
    u = smooth((60, 80, 90), length, rng)
    sizes = np.full(u.shape, noise)
    series = field(
        u + rng.normal(0, noise, u.shape), u, uncertainty_u=sizes, uncertainty_v=sizes,
        x=step * np.arange(90), y=-step * np.arange(80),
    )  # fmt: skip
    series.flags[:, 10:14, 20:30] = Flag.MASKED
    found = spatial_correlation(series, statistics_of(series), axis=axis)  # type: ignore[arg-type]
    exact = np.exp(-((found.separation / step) ** 2) / (4 * length**2))
    assert np.abs(found.corrected[:10] - exact[:10]).max() < 0.03
    assert found.raw[1] < exact[1] - 0.05  # the noise
    scale = integral_scale(found)
    assert scale.corrected == pytest.approx(np.sqrt(np.pi) * length * step, rel=0.06)
    assert scale.raw < scale.corrected
    short = integral_scale(found, upto="1/e")
    assert short.corrected == pytest.approx(0.8427 * np.sqrt(np.pi) * length * step, rel=0.05)
    total = u.shape[1] * u.shape[2] - 40
    assert found.pairs[0] == 60 * total
    with pytest.raises(InputError, match="upto"):
        integral_scale(found, upto="half")  # type: ignore[arg-type]


def test_correlation_in_time_of_a_known_process(rng: np.random.Generator) -> None:
    rho, count = 0.8, 1500
    u = rng.normal(0, 1, (count, 4, 6))
    for n in range(1, count):
        u[n] = rho * u[n - 1] + np.sqrt(1 - rho**2) * u[n]
    flags = np.zeros(u.shape, np.uint16)
    flags[rng.random(u.shape) < 0.2] = Flag.REPLACED
    samples = time_series(field(u, u, flags=flags), [(0, 0), (1, 5), (3, 2), (2, 2)])
    found = temporal_correlation(samples, 0.1)
    np.testing.assert_allclose(found.raw[:6], rho ** np.arange(6), atol=0.08)
    assert found.separation[3] == pytest.approx(0.3)
    with pytest.raises(InputError, match="interval"):
        temporal_correlation(samples, 0.0)


@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_structure_functions_of_a_linear_field_are_powers(y_axis: str) -> None:
    # u = 0.3 x, v (up) = 0.2 Y along Y: differences are exactly proportional to the separation
    x, y = 0.5 * np.arange(20.0), 0.25 * np.arange(12.0)
    upward = y if y_axis == "up" else -y
    u = np.tile(0.3 * x, (12, 1))
    v_up = np.tile(0.2 * upward[:, None], (1, 20))
    one = field(u, v_up if y_axis == "up" else -v_up, x=x, y=y, y_axis=y_axis)
    for axis, slope, step in (("x", 0.3, 0.5), ("y", 0.2, 0.25)):
        found = structure_functions([one], axis=axis, highest=4)  # type: ignore[arg-type]
        r = found.separation
        np.testing.assert_allclose(r, step * np.arange(1, r.size + 1))
        for order in (2, 3, 4):
            np.testing.assert_allclose(
                found.longitudinal[order].raw, (slope * r) ** order, rtol=2e-5
            )
            np.testing.assert_allclose(found.transverse[order].raw, 0, atol=1e-9)


def test_noise_is_taken_off_structure_functions_of_every_order(rng: np.random.Generator) -> None:
    noise = 0.3
    clean = smooth((30, 40, 60), 3.0, rng)
    sizes = np.full(clean.shape, noise)
    noisy = clean + rng.normal(0, noise, clean.shape)
    noisy_field = field(noisy, noisy, uncertainty_u=sizes, uncertainty_v=sizes)
    exact, found = (
        structure_functions(each, highest=4, separations=range(1, 13))
        for each in (field(clean, clean), noisy_field)
    )
    assert found.longitudinal[2].raw[0] > 3 * exact.longitudinal[2].raw[0]
    for order, slack in ((2, 0.012), (4, 0.05)):
        for mine, its in (
            (found.longitudinal[order], exact.longitudinal[order]),
            (found.transverse[order], exact.transverse[order]),
        ):
            np.testing.assert_allclose(mine.corrected, its.raw, atol=slack, rtol=0.02)
    third = found.longitudinal[3]
    assert np.abs(third.noise).max() < 0.002  # normal errors are symmetric: only 3 mean s^2
    with pytest.raises(InputError, match="orders from 2"):
        structure_functions(field(clean, clean), highest=1)
    with pytest.raises(InputError, match="from 1 to 59"):
        structure_functions(field(clean, clean), separations=[3, 60])


def test_separations_are_spread_and_gaps_are_left_out(rng: np.random.Generator) -> None:
    u, v = rng.normal(0, 1, (2, 6, 200))
    flags = np.zeros(u.shape, np.uint16)
    flags[2, 50:60] = Flag.MASKED
    u[2, 50:60] = np.nan
    found = structure_functions([field(u, v, flags=flags)])
    np.testing.assert_array_equal(found.separation[:16], np.arange(1, 17))
    assert found.separation[-1] <= 100
    assert found.separation.size == 37
    lag = int(found.separation[20])
    change = u[:, lag:].astype(np.float32) - u[:, :-lag].astype(np.float32)
    good = np.isfinite(change)
    assert found.pairs[20] == good.sum()
    assert found.longitudinal[2].raw[20] == pytest.approx(np.mean(change[good] ** 2), rel=1e-5)


def waves(count: int, rng: np.random.Generator, **changes: object) -> tuple[VectorField, Float]:
    """Solenoidal random waves in the plane, and the mean squares of their gradients."""
    height, width = 64, 96
    x, y = np.arange(width), np.arange(height)[:, None]
    u, v = np.zeros((2, count, height, width))
    terms = np.zeros(6)
    for angle in np.arange(8) * np.pi / 8:
        k = 0.25
        kx, ky = k * np.cos(angle), k * np.sin(angle)
        phase = kx * x + ky * y + rng.uniform(0, 2 * np.pi, (count, 1, 1))
        u += ky * np.sin(phase)
        v += -kx * np.sin(phase)
        terms += np.array([ky * kx, -kx * ky, ky * ky, -kx * kx, 0, 0]) ** 2 / 2
        terms[4] += -((ky * kx) ** 2) / 2
        terms[5] += -(ky * ky) * (kx * kx) / 2
    # order of the terms: ux^2, vy^2, uy^2, vx^2, ux vy, uy vx
    return field(u, v, y_axis="up", **changes), terms


def test_dissipation_of_known_waves(rng: np.random.Generator) -> None:
    series, terms = waves(60, rng)
    flow = statistics_of(series)
    nu = 0.01
    plane = dissipation(series, flow, nu=nu, scheme="central4")
    expected = nu * (np.array([4, 4, 3, 3, 4, 6]) @ terms)
    assert plane.raw.mean() == pytest.approx(expected, rel=0.03)
    alone = dissipation(series, flow, nu=nu, closure="isotropic", scheme="central4")
    assert alone.raw.mean() == pytest.approx(15 * nu * terms[0], rel=0.03)
    assert np.isnan(plane.corrected).all()
    with pytest.raises(InputError, match="closure"):
        dissipation(series, flow, nu=nu, closure="none")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="viscosity"):
        dissipation(series, flow, nu=0.0)


def test_noise_of_gradients_is_taken_off_the_dissipation(rng: np.random.Generator) -> None:
    clean, _ = waves(60, rng)
    noise = 0.05
    sizes = np.full(clean.shape, noise)
    noisy = field(
        clean.u + rng.normal(0, noise, clean.shape), clean.v + rng.normal(0, noise, clean.shape),
        uncertainty_u=sizes, uncertainty_v=sizes, y_axis="up",
    )  # fmt: skip
    flow = statistics_of(noisy)
    exact = dissipation(clean, statistics_of(clean), nu=1.0).raw[2:-2, 2:-2].mean()
    found = dissipation(noisy, flow, nu=1.0)
    raw, corrected = (each[2:-2, 2:-2].mean() for each in (found.raw, found.corrected))
    assert raw > 1.2 * exact
    assert corrected == pytest.approx(exact, rel=0.03)


def test_errors_that_neighbours_share_add_less_to_slopes(rng: np.random.Generator) -> None:
    noise = 0.05
    sizes = np.full((60, 64, 96), noise)
    errors = [noise * smooth(sizes.shape, 2.0, rng) for _ in range(2)]
    series = field(*errors, uncertainty_u=sizes, uncertainty_v=sizes)
    flow = statistics_of(series)
    raw = dissipation(series, flow, nu=1.0).raw.mean()
    known = dissipation(series, flow, nu=1.0, correlation_length=4.0)
    assert known.noise[2:-2, 2:-2].mean() == pytest.approx(raw, rel=0.1)
    apart = dissipation(series, flow, nu=1.0)
    assert apart.noise[2:-2, 2:-2].mean() > 4 * raw
    second = structure_functions(series, correlation_length=4.0).longitudinal[2]
    assert np.abs(second.corrected[:8]).max() < 0.1 * second.raw[7]
    two = spatial_correlation(series, flow, correlation_length=4.0).covariance
    assert np.abs(two.corrected[:8]).max() < 0.1 * two.raw[0]


def test_dissipation_of_an_inertial_range_and_the_scales() -> None:
    eps, c2 = 0.4, 2.1
    r = 0.1 * np.arange(1, 11)
    from piv.post.corrected import Corrected
    from piv.post.structure import StructureFunctions

    second = Corrected(c2 * (eps * r) ** (2 / 3), np.zeros(10))
    functions = StructureFunctions(r, {2: second}, {2: second}, np.ones(10, int))
    np.testing.assert_allclose(dissipation_from_structure(functions).raw, eps, rtol=1e-12)
    found = turbulence_scales(np.array([0.09, -1.0]), eps, nu=1e-3)
    assert found.kolmogorov_length[0] == pytest.approx((1e-9 / 0.4) ** 0.25)
    eta, tau = found.kolmogorov_length[0], found.kolmogorov_time[0]
    assert found.kolmogorov_velocity[0] == pytest.approx(eta / tau)
    assert eta * found.kolmogorov_velocity[0] / 1e-3 == pytest.approx(1)  # by definition
    assert found.taylor_reynolds[0] == pytest.approx(
        np.sqrt(15 * found.large_eddy_length[0] * 0.3 / 1e-3)
    )
    assert np.isnan(found.taylor_length[1])
