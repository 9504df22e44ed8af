"""Figures of errors on fields whose figures are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from piv import metrics
from piv.errors import InputError

SHAPE = (24, 40)


def fields(u=0.0, v=0.0):
    return np.full(SHAPE, u), np.full(SHAPE, v)


def test_endpoint_error_and_vector_rms_are_different_means_of_the_length():
    true = fields(1.0, 2.0)
    u, v = fields(1.0, 2.0)
    u[:, ::2] += 3.0
    v[:, ::2] += 4.0
    e = metrics.errors(u, v, *true)
    assert metrics.mean_endpoint_error(e) == 2.5
    assert metrics.vector_rms(e) == pytest.approx(np.sqrt(12.5))


def test_bias_is_the_mean_and_rms_error_the_spread_about_it(rng):
    noise = rng.normal(0, 0.1, (2, 400, 300))
    e = metrics.errors(noise[0] + 0.03, 2 * noise[1] - 0.02, 0 * noise[0], 0 * noise[1])
    assert_allclose(metrics.bias(e), (0.03, -0.02), atol=2e-3)
    assert_allclose(metrics.rms_error(e), (0.1, 0.2), rtol=0.01)


def test_outliers_are_longer_than_one_pixel():
    u, v = fields(0.8, 0.0)
    u[0, :5] = 1.2
    v[1, :5] = -0.7  # length 1.06
    e = metrics.errors(u, v, *fields())
    assert metrics.outlier_share(e) == 10 / (24 * 40)
    assert metrics.outlier_share(e, threshold=0.5) == 1.0


def test_border_mask_and_nan_do_not_count():
    u, v = fields(0.5, 0.0)
    u[:2], u[-2:], u[:, :2], u[:, -2:] = 99, 99, 99, 99
    u[5, 5] = np.nan
    u[7, 7] = 99
    where = np.ones(SHAPE, dtype=bool)
    where[7, 7] = False
    e = metrics.errors(u, v, *fields(), where=where, border=2)
    assert e.u.size == 20 * 36 - 2
    assert metrics.mean_endpoint_error(e) == 0.5


def test_nothing_left_to_score_is_an_error():
    with pytest.raises(InputError, match="no pixel is left"):
        metrics.errors(*fields(), *fields(), border=12)
    with pytest.raises(InputError, match="no pixel is left"):
        metrics.errors(*fields(np.nan), *fields())


def test_shapes_must_agree():
    with pytest.raises(InputError, match="differ in shape"):
        metrics.errors(*fields(), np.zeros((3, 4)), np.zeros((3, 4)))


def test_coverage_of_a_known_distribution(rng):
    noise = rng.normal(0, 1, (2, 400, 300))
    e = metrics.errors(noise[0], 3 * noise[1], 0 * noise[0], 0 * noise[1])
    ones = np.ones(e.u.size)
    assert metrics.coverage(e, ones, 3 * ones) == pytest.approx(0.683, abs=5e-3)
    assert metrics.coverage(e, 1.96 * ones, 5.88 * ones) == pytest.approx(0.95, abs=5e-3)
    assert metrics.coverage(e, 0 * ones, 1e9 * ones) == 0.5  # the components count equally


def test_rank_correlation_sees_order_only():
    error = np.array([0.1, -0.2, 0.3, -0.4])
    assert metrics.rank_correlation(np.array([1.0, 2, 5, 900]), error) == pytest.approx(1.0)
    assert metrics.rank_correlation(np.array([4.0, 3, 2, 1]), error) == pytest.approx(-1.0)
    assert np.isnan(metrics.rank_correlation(np.ones(4), error))


def test_rank_correlation_of_ties_is_spearmans():
    stats = pytest.importorskip("scipy.stats")
    stated, error = np.array([1, 1, 2, 3, 3, 5.0]), np.array([0.3, 0.1, 0.1, 0.2, 0.9, 0.4])
    expected = stats.spearmanr(stated, error).statistic
    assert metrics.rank_correlation(stated, error) == pytest.approx(expected)


@pytest.mark.parametrize("amplitude", [0.0, 0.05])
def test_peak_locking_is_half_the_range_of_the_bias(rng, amplitude):
    true = rng.uniform(-5, 5, 200_000)
    error = 0.2 - amplitude * np.sin(2 * np.pi * true) + rng.normal(0, 0.05, true.size)
    # a class averages the sine over a tenth of a period: 1.6 % less; noise of the means: 4e-4
    assert metrics.peak_locking(true, error) == pytest.approx(0.984 * amplitude, abs=1.5e-3)


def test_peak_locking_of_one_displacement_is_not_known():
    assert np.isnan(metrics.peak_locking(np.full(50, 3.25), np.zeros(50)))


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2])
@pytest.mark.parametrize("gain", [0.0, 0.43, 1.0, 1.2])
def test_wavelength_response_is_the_gain(angle, gain):
    y, x = np.mgrid[:60, :90]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 16)
    u, v = -np.sin(angle) * wave, np.cos(angle) * wave
    response = metrics.wavelength_response(
        gain * u + 3.3, gain * v - 1.0, u + 3.0, v - 1.2, border=5
    )
    assert response == pytest.approx(gain, abs=1e-9)


def test_wavelength_response_of_a_uniform_field_is_not_known():
    assert np.isnan(metrics.wavelength_response(*fields(1.0), *fields(1.1)))


def test_score_gathers_all_figures(rng):
    true_u, true_v = rng.uniform(-3, 3, (2, 2, 50, 70))
    u, v = true_u + rng.normal(0, 0.1, true_u.shape), true_v + rng.normal(0, 0.1, true_u.shape)
    spread = np.full(u.shape, 0.1)
    figures = metrics.score(u, v, true_u, true_v, uncertainty_u=spread, uncertainty_v=spread)
    e = metrics.errors(u, v, true_u, true_v, border=8)
    assert figures["pixels"] == 2 * 34 * 54
    assert figures["mean_endpoint_error"] == metrics.mean_endpoint_error(e)
    assert figures["vector_rms"] == metrics.vector_rms(e)
    assert figures["coverage"] == pytest.approx(0.683, abs=0.02)
    assert "coverage" not in metrics.score(u, v, true_u, true_v)


def ideal_step(angle=0.1, levels=(-0.7, 1.3), shape=(80, 120)):
    """Origin, distance to the line and the two components of a jump along the line."""
    origin = (shape[0] / 2, shape[1] / 2)
    y, x = np.indices(shape)
    across = np.cos(angle) * (y - origin[0]) - np.sin(angle) * (x - origin[1])
    along = np.where(across > 0, levels[1], levels[0])
    return origin, across, along


@pytest.mark.parametrize("angle", [0.1, 1.4, -2.0])
def test_a_sharp_step_is_followed_from_0_to_1_without_overshoot(angle):
    levels = (-0.7, 1.3)
    origin, _, along = ideal_step(angle, levels)
    # what flows across the line does not matter
    u, v = np.cos(angle) * along - 3 * np.sin(angle), np.sin(angle) * along + 3 * np.cos(angle)
    distance, response = metrics.step_response(u, v, origin, angle, levels, reach=20)
    assert_allclose(response[distance < -1], 0, atol=1e-12)
    assert_allclose(response[distance > 1], 1, atol=1e-12)
    assert metrics.overshoot(response) < 1e-12
    assert metrics.rise(distance, response) == pytest.approx(0.8, abs=0.05)  # bins of 1 px


def test_a_smooth_step_has_its_width_and_a_ringing_one_its_overshoot():
    origin, across, _ = ideal_step(0.1)
    smooth = np.tanh(across / 4)
    still = 0 * smooth
    distance, response = metrics.step_response(
        np.cos(0.1) * smooth, np.sin(0.1) * smooth, origin, 0.1, (-1, 1), reach=20
    )
    # tanh goes from -0.8 to 0.8 within 2 * 1.0986 lengths
    assert metrics.rise(distance, response) == pytest.approx(2 * 1.0986 * 4, rel=0.03)
    assert metrics.overshoot(response) == 0
    ringing = np.sign(across) + 0.3 * np.exp(-((across - 6) ** 2) / 8)
    _, response = metrics.step_response(ringing, still, origin, 0.1, (-1, 1), reach=20)
    # 0.3 on a jump of 2, half a pixel beside the crest in bins of 1 px, seen under the angle
    assert metrics.overshoot(response) == pytest.approx(0.15 * np.exp(-0.25 / 8), abs=0.006)


def test_a_step_that_is_not_followed_has_no_width():
    origin, across, _ = ideal_step(0.0)
    distance, response = metrics.step_response(0 * across, 0 * across, origin, 0.0, (-1, 1))
    assert np.isnan(metrics.rise(distance, response))
    with pytest.raises(InputError, match="no pixel is left"):
        metrics.step_response(across * np.nan, across, origin, 0.0, (-1, 1))


def test_the_wider_interval_holds_more(rng):
    true = np.zeros((200, 300))
    u, v = rng.normal(0, 0.2, (2, 200, 300))
    stated = {"uncertainty_u": true + 0.2, "uncertainty_v": true + 0.2}
    figures = metrics.score(u, v, true, true, **stated, wider=1.96)
    assert figures["coverage"] == pytest.approx(0.683, abs=0.01)
    assert figures["coverage_95"] == pytest.approx(0.95, abs=0.01)
    assert "coverage_95" not in metrics.score(u, v, true, true, **stated)
