"""Statistics of a series: against NumPy, in parts, with excluded vectors, with their errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from flows_of_series import field, noisy_series
from hypothesis import given
from hypothesis import strategies as st

import piv
from piv.errors import InputError
from piv.post.moments import Moments
from piv.post.sampling import _pooled
from piv.post.series import EXCLUDED
from piv.post.statistics import Accumulator, Statistics, statistics_of
from piv.post.turbulence import (
    production,
    reynolds_stress,
    turbulence_intensity,
    turbulent_kinetic_energy,
)
from piv.types import Flag, Float, VectorField


def stacked(fields: list[VectorField], exclude: int = int(EXCLUDED)) -> tuple[Float, Float]:
    """All values in double precision, NaN where they do not count."""
    u, v = (np.stack([getattr(each, name) for each in fields]).astype(float) for name in "uv")
    out = (np.stack([each.flags for each in fields]) & exclude) != 0
    out |= ~np.isfinite(u) | ~np.isfinite(v)
    return np.where(out, np.nan, u), np.where(out, np.nan, v)


@pytest.fixture
def series(rng: np.random.Generator) -> list[VectorField]:
    return noisy_series(41, rng)


@pytest.mark.filterwarnings("ignore:(Mean of empty|Degrees of freedom)")  # NumPy's, on no samples
def test_all_moments_are_numpys_to_rounding(series: list[VectorField]) -> None:
    flow = statistics_of(series)
    u, v = stacked(series)
    du, dv = u - np.nanmean(u, axis=0), v - np.nanmean(v, axis=0)
    sd_u, sd_v = np.nanstd(u, axis=0), np.nanstd(v, axis=0)
    expected = {
        "mean_u": np.nanmean(u, axis=0),
        "mean_v": np.nanmean(v, axis=0),
        "var_u": np.nanvar(u, axis=0, ddof=1),
        "var_v": np.nanvar(v, axis=0, ddof=1),
        "skew_u": np.nanmean(du**3, axis=0) / sd_u**3,
        "skew_v": np.nanmean(dv**3, axis=0) / sd_v**3,
        "kurt_u": np.nanmean(du**4, axis=0) / sd_u**4,
        "kurt_v": np.nanmean(dv**4, axis=0) / sd_v**4,
        "uv": np.nanmean(du * dv, axis=0),
        "uuvv": np.nanmean(du**2 * dv**2, axis=0),
    }
    found = {
        "mean_u": flow.mean_u,
        "mean_v": flow.mean_v,
        "var_u": flow.variance("u").raw,
        "var_v": flow.rms("v").raw ** 2,
        "skew_u": flow.skewness("u"),
        "skew_v": flow.skewness("v"),
        "kurt_u": flow.kurtosis("u"),
        "kurt_v": flow.kurtosis("v"),
        "uv": flow.moments.central(1, 1),
        "uuvv": flow.moments.central(2, 2),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-11, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(flow.count, np.isfinite(u).sum(axis=0))
    assert flow.count[0, 0] == 0
    assert np.isnan(flow.mean_u[0, 0])
    assert flow.fields == 41


@pytest.mark.parametrize("rule", [0, int(Flag.DISAGREES), int(EXCLUDED | Flag.DISAGREES)])
def test_the_rule_decides_which_vectors_count(series: list[VectorField], rule: int) -> None:
    flow = statistics_of(series, exclude=Flag(rule))
    u, _ = stacked(series, rule)
    np.testing.assert_array_equal(flow.count, np.isfinite(u).sum(axis=0))
    assert flow.exclude == Flag(rule)
    if rule != int(EXCLUDED):
        assert (flow.count != statistics_of(series).count).any()


def test_a_mean_far_above_the_fluctuation_loses_no_digits(rng: np.random.Generator) -> None:
    # single precision holds u to 2^-9 here: the sums must add nothing to that
    u = (4096 + rng.normal(0, 1, (300, 5, 7))).astype(np.float32)
    flow = statistics_of([field(each, -each) for each in u])
    np.testing.assert_allclose(
        flow.variance("u").raw, u.astype(float).var(axis=0, ddof=1), rtol=1e-11
    )


@given(cuts=st.lists(st.integers(0, 41), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_merging_parts_in_any_grouping_is_the_whole(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    u, v = rng.gumbel(2, 1, (2, 41, 3, 5))
    where = rng.random(u.shape) < 0.7
    whole = Moments.of(u, v, where)
    edges = [0, *sorted(cuts), 41]
    parts = [Moments.of(u[a:b], v[a:b], where[a:b]) for a, b in itertools.pairwise(edges)]
    left, right = parts[0], parts[-1]
    for part in parts[1:]:
        left = left.merge(part)
    for part in parts[-2::-1]:
        right = part.merge(right)
    for merged in (left, right):
        np.testing.assert_array_equal(merged.count, whole.count)
        np.testing.assert_allclose(merged.mean_u, whole.mean_u, rtol=1e-12)
        for powers, values in whole.sums.items():
            np.testing.assert_allclose(merged.sums[powers], values, rtol=1e-9, atol=1e-9)


def test_accumulators_of_two_halves_merge_to_the_whole(series: list[VectorField]) -> None:
    halves = Accumulator(), Accumulator()
    for number, each in enumerate(series):
        halves[number >= 17].add(each)
    one, two = halves
    one.merge(two)
    one.merge(Accumulator())
    merged, whole = one.result(), statistics_of(series)
    np.testing.assert_allclose(merged.variance("v").raw, whole.variance("v").raw, rtol=1e-12)
    assert whole.noise_uu is not None
    assert merged.noise_uu is not None
    np.testing.assert_allclose(merged.noise_uu, whole.noise_uu, rtol=1e-12)
    assert merged.fields == whole.fields == merged.convergence.fields[-1]
    np.testing.assert_allclose(merged.convergence.rms_u[-1], whole.convergence.rms_u[-1])
    with pytest.raises(InputError, match="one rule"):
        one.merge(_filled(Accumulator(order=2), series))


def test_a_result_stays_as_it_was_while_more_fields_come(series: list[VectorField]) -> None:
    accumulator = _filled(Accumulator(), series[:20])
    early = accumulator.result()
    _filled(accumulator, series[20:]).result()
    np.testing.assert_array_equal(early.count, statistics_of(series[:20]).count)
    np.testing.assert_array_equal(early.mean_u, statistics_of(series[:20]).mean_u)


def test_noise_of_known_size_is_taken_off_the_variance(rng: np.random.Generator) -> None:
    true, noise = 0.5, 0.3
    sizes = np.full((1500, 6, 9), noise, np.float32)
    u = rng.normal(0, true, sizes.shape) + rng.normal(0, noise, sizes.shape)
    v = rng.normal(0, noise, sizes.shape)
    flow = statistics_of(field(u, v, uncertainty_u=sizes, uncertainty_v=sizes))
    assert flow.variance("u").raw.mean() == pytest.approx(true**2 + noise**2, rel=0.02)
    assert flow.variance("u").corrected.mean() == pytest.approx(true**2, rel=0.03)
    np.testing.assert_allclose(flow.variance("u").noise, noise**2, rtol=1e-6)
    # nothing but noise: the corrected variance scatters about zero and is not clipped
    only = flow.variance("v").corrected
    assert abs(only.mean()) < 0.002
    assert (only < 0).any()
    assert np.isnan(flow.rms("v").corrected[only < 0]).all()


def test_without_uncertainty_the_corrected_value_is_not_known(rng: np.random.Generator) -> None:
    flow = statistics_of(field(*rng.normal(0, 1, (2, 9, 4, 6))))
    assert np.isfinite(flow.variance("u").raw).all()
    assert np.isnan(flow.variance("u").corrected).all()


def correlated(rho: float, count: int, rng: np.random.Generator) -> Float:
    """A first-order autoregressive series of unit variance, its integral scale known."""
    x = rng.normal(0, 1, (count, 16, 20))
    for n in range(1, count):
        x[n] = rho * x[n - 1] + np.sqrt(1 - rho**2) * x[n]
    return x


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_the_standard_error_knows_correlation_in_time(rho: float, rng: np.random.Generator) -> None:
    count = 1000
    u, v = correlated(rho, count, rng), correlated(rho, count, rng)
    flow = statistics_of(field(u, v))
    worth = (1 + rho) / (1 - rho)  # samples that one independent sample needs
    assert np.median(flow.inefficiency) == pytest.approx(worth, rel=0.15)
    # the means of 320 points, whose true value is 0, scatter as the standard error says
    spread = np.sqrt((flow.mean_u**2).mean())
    assert spread == pytest.approx(np.median(flow.standard_error("u")), rel=0.15)


def test_neighbours_are_pooled_as_a_box_filter_does(rng: np.random.Generator) -> None:
    values = rng.normal(0, 1, (9, 13))
    values[2, 3] = np.nan
    pooled = _pooled(values)
    assert pooled[6, 7] == pytest.approx(values[4:9, 5:10].mean())
    assert pooled[0, 0] == pytest.approx(values[:3, :3].mean())
    assert pooled[3, 4] == pytest.approx(np.nanmean(values[1:6, 2:7]))
    assert np.isnan(pooled[2, 3])


def test_standard_errors_cover_repeated_experiments(rng: np.random.Generator) -> None:
    # 600 points are 600 repetitions: the scatter over them is the error that is claimed for each
    u = rng.gumbel(0, 1, (400, 20, 30))
    v = 0.7 * u + rng.normal(0, 1, u.shape)
    flow = statistics_of(field(u, v))
    for name in ("u", "v"):
        errors = flow.standard_error_of_variance(name)  # type: ignore[arg-type]
        scatter = flow.variance(name).raw.std()  # type: ignore[arg-type]
        assert scatter == pytest.approx(np.sqrt((errors**2).mean()), rel=0.12)
    shear = reynolds_stress(flow).uv.raw
    assert shear.std() == pytest.approx(np.median(flow.standard_error_of_shear()), rel=0.12)


def test_convergence_ends_at_the_result_and_grows_slowly(series: list[VectorField]) -> None:
    flow = statistics_of(series * 20, probes=[(6, 7), (0, 0)])
    run = flow.convergence
    assert run.fields[0] == 1
    assert run.fields[-1] == 820
    assert len(run.fields) < 45
    assert run.mean_u[-1, 0] == pytest.approx(flow.mean_u[6, 7], rel=1e-12)
    assert run.rms_v[-1, 0] == pytest.approx(flow.rms("v").raw[6, 7], rel=1e-12)
    assert np.isnan(run.mean_u[:, 1]).all()
    first = statistics_of(series[: run.fields[9]], probes=[(6, 7)]).convergence
    assert first.mean_u[-1, 0] == pytest.approx(run.mean_u[9, 0], rel=1e-12)


def test_stresses_energy_and_intensity(rng: np.random.Generator) -> None:
    u, v = rng.normal(0, 1, (2, 50, 5, 8))
    v = v + 0.5 * u
    flow = statistics_of(field(10 + u, v))
    stress = reynolds_stress(flow, ddof=0)
    # the fields' v points down: seen with y up, u' and v' are anticorrelated
    np.testing.assert_allclose(stress.uv.raw, -(flow.moments.central(1, 1)), rtol=1e-12)
    assert stress.uv.raw.mean() < -0.3
    up = statistics_of(field(10 + u, v, y_axis="up"))
    np.testing.assert_allclose(reynolds_stress(up, ddof=0).uv.raw, -stress.uv.raw, rtol=1e-12)
    half = 0.5 * (flow.variance("u").raw + flow.variance("v").raw)
    np.testing.assert_allclose(turbulent_kinetic_energy(flow, third="none").raw, half, rtol=1e-12)
    np.testing.assert_allclose(turbulent_kinetic_energy(flow).raw, 1.5 * half, rtol=1e-12)
    np.testing.assert_allclose(turbulence_intensity(flow, 10.0).raw, np.sqrt(half) / 10)
    with pytest.raises(InputError, match="third component"):
        turbulent_kinetic_energy(flow, third="both")  # type: ignore[arg-type]


def test_calibration_changes_units_and_no_sign_of_shear(series: list[VectorField]) -> None:
    size, dt = 2e-5, 1e-3
    metres = [piv.calibrate(each.replace(dt=dt), piv.Calibration(size)) for each in series]
    before, after = statistics_of(series), statistics_of(metres)
    factor = size / dt
    np.testing.assert_allclose(
        reynolds_stress(after).uv.raw, factor**2 * reynolds_stress(before).uv.raw, rtol=1e-5
    )
    assert np.nanmean(reynolds_stress(before).uv.raw) < 0  # v' follows u', and v points down
    np.testing.assert_allclose(after.mean_v, -factor * before.mean_v, rtol=1e-5)
    np.testing.assert_allclose(
        production(after).raw, factor**2 / dt * production(before).raw, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_production_of_a_shear_layer(y_axis: str, rng: np.random.Generator) -> None:
    # U = 0.2 y (y up), u' = a, v' = -a: production is 0.2 a^2 > 0, whatever way y points
    a = rng.normal(0, 1, (30, 1, 1)) * np.ones((30, 6, 9))
    y = np.arange(6.0)
    up = y_axis == "up"
    mean = 0.2 * (y if up else -y)[:, None]
    flow = statistics_of(field(mean + a, -a if up else a, y=y, y_axis=y_axis))
    np.testing.assert_allclose(production(flow).raw, 0.2 * a[:, 0, 0].var(ddof=1), rtol=1e-5)


def test_a_mean_field_is_a_field(series: list[VectorField]) -> None:
    flow = statistics_of(series)
    mean = flow.mean_field
    assert mean.flags[0, 0] == Flag.MASKED
    assert mean.flags[8, 8] == 0
    assert mean.uncertainty_u is not None
    np.testing.assert_allclose(mean.uncertainty_u, flow.standard_error("u"), rtol=1e-6)


def test_a_single_field_has_a_mean_and_no_spread(series: list[VectorField]) -> None:
    flow = statistics_of(series[:1])
    assert np.isfinite(flow.mean_u).sum() == (flow.count == 1).sum() > 0
    assert np.isnan(flow.variance("u").raw).all()
    assert np.isnan(flow.standard_error("u")).all()


def test_xarray_a_stack_a_list_and_a_generator_are_the_same_series(
    series: list[VectorField],
) -> None:
    pytest.importorskip("xarray")
    first = series[0]
    names = ("u", "v", "flags", "uncertainty_u", "uncertainty_v")
    stack = first.replace(**{name: np.stack([getattr(f, name) for f in series]) for name in names})
    expected = statistics_of(series)
    for other in (stack, (each for each in series), stack.to_xarray()):
        flow = statistics_of(other)
        np.testing.assert_array_equal(flow.count, expected.count)
        np.testing.assert_array_equal(flow.moments.mean_u, expected.moments.mean_u)
        np.testing.assert_array_equal(flow.variance("u").noise, expected.variance("u").noise)


def test_second_order_is_the_same_and_says_what_it_lacks(series: list[VectorField]) -> None:
    quick, full = statistics_of(series, order=2), statistics_of(series)
    np.testing.assert_allclose(quick.variance("u").raw, full.variance("u").raw, rtol=1e-12)
    with pytest.raises(InputError, match="order=4"):
        quick.kurtosis("u")


def test_bad_series_are_told(series: list[VectorField]) -> None:
    with pytest.raises(InputError, match="at least one field"):
        statistics_of([])
    with pytest.raises(InputError, match="another grid"):
        statistics_of([series[0], series[0].replace(x=series[0].x + 1)])
    with pytest.raises(InputError, match="calibrate all or none"):
        statistics_of([series[0], series[0].replace(units="m/s")])
    with pytest.raises(InputError, match="lacks an uncertainty"):
        statistics_of([series[0], series[0].replace(uncertainty_u=None, uncertainty_v=None)])
    with pytest.raises(InputError, match="vector fields, not of ndarray"):
        statistics_of([np.zeros((3, 4))])  # type: ignore[list-item]
    with pytest.raises(InputError, match="outside the field"):
        statistics_of(series, probes=[(14, 0)])
    with pytest.raises(InputError, match="order 2 or 4"):
        statistics_of(series, order=3)


def test_progress_is_told_of_every_field(series: list[VectorField]) -> None:
    told: list[int] = []
    flow: Statistics = statistics_of(series, progress=lambda: told.append(1))
    assert len(told) == flow.fields


def _filled(accumulator: Accumulator, series: list[VectorField]) -> Accumulator:
    for each in series:
        accumulator.add(each)
    return accumulator


@given(
    scale=st.floats(0.1, 10), shift=st.floats(-50, 50), flip=st.booleans(), seed=st.integers(0, 99)
)
def test_statistics_follow_scaling_shifting_and_mirroring(
    scale: float, shift: float, flip: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    u, v = np.round(rng.normal(0, 1, (2, 25, 4, 6)), 3)
    # in double precision: the property is that of the statistics, not of float32
    moved = field(u, v).replace(u=(-scale if flip else scale) * u + shift, v=v.astype(float))
    two = statistics_of(moved)
    one = statistics_of(field(u, v).replace(u=u, v=v))
    sign = -1.0 if flip else 1.0
    np.testing.assert_allclose(two.mean_u, sign * scale * one.mean_u + shift, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(two.rms("u").raw, scale * one.rms("u").raw, rtol=1e-7)
    np.testing.assert_allclose(two.skewness("u"), sign * one.skewness("u"), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(two.kurtosis("u"), one.kurtosis("u"), rtol=1e-6)
    uv = [reynolds_stress(each).uv.raw for each in (one, two)]
    np.testing.assert_allclose(uv[1], sign * scale * uv[0], rtol=1e-6, atol=1e-9 * scale)
