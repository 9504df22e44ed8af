"""Spectra: Parseval, waves at their wavenumber, a known slope, the noise's share, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from flows_of_series import field

from piv.errors import InputError
from piv.post.correlations import time_series
from piv.post.noise import noise_spectrum
from piv.post.spectra import (
    measured_response,
    plane_spectrum,
    spectrum,
    time_spectrum,
    window_response,
)
from piv.post.statistics import statistics_of
from piv.types import Flag, Float, VectorField


def integral(k: Float, density: Float) -> float:
    """Sum of the bins: the first and the last one are half as wide."""
    step = k[1] - k[0]
    return float(density.sum() * step)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("size", [(40, 51), (41, 50)])
def test_a_spectrum_integrates_to_the_variance(
    axis: str, size: tuple[int, int], rng: np.random.Generator
) -> None:
    u, v = rng.normal(0, 1, (2, 6, *size))
    x, y = 0.25 * np.arange(size[1]), -0.5 * np.arange(size[0])
    fields = [field(a, b, x=x, y=y) for a, b in zip(u, v, strict=True)]
    flow = statistics_of(fields)
    found = spectrum(fields, flow, axis=axis, window="boxcar")  # type: ignore[arg-type]
    for component, density in (("u", found.uu.raw), ("v", found.vv.raw)):
        variance = flow.variance(component, ddof=0).raw.mean()  # type: ignore[arg-type]
        assert integral(found.wavenumber, density) == pytest.approx(variance, rel=1e-10)
    assert found.wavenumber[-1] <= np.pi / (0.25 if axis == "x" else 0.5) * (1 + 1e-12)


def test_a_wave_appears_at_its_wavenumber_with_its_energy() -> None:
    x = 0.1 * np.arange(128)
    k = 2 * np.pi * 8 / 12.8
    u = np.tile(0.6 * np.cos(k * x), (9, 1))
    found = spectrum([field(u, 2 * u, x=x)])
    assert found.wavenumber[np.argmax(found.uu.raw)] == pytest.approx(k)
    assert integral(found.wavenumber, found.uu.raw) == pytest.approx(0.18, rel=1e-6)
    assert integral(found.wavenumber, found.vv.raw) == pytest.approx(0.72, rel=1e-6)
    assert np.isnan(found.uu.corrected).all()  # no uncertainty, no correction


def coloured(shape: tuple[int, int], slope: float, rng: np.random.Generator) -> Float:
    """Rows whose spectral density falls as k^slope."""
    height, width = shape
    k = np.fft.rfftfreq(width)
    amplitude = np.zeros(k.size)
    amplitude[1:] = k[1:] ** (slope / 2)
    phase = np.exp(2j * np.pi * rng.random((height, k.size)))
    return np.fft.irfft(amplitude * phase, width) * width


def test_a_five_thirds_field_has_its_slope_and_noise_flattens_it(rng: np.random.Generator) -> None:
    clean = coloured((60, 512), -5 / 3, rng)
    clean /= clean.std()
    noise = 0.1
    sizes = np.full(clean.shape, noise)
    noisy = clean + rng.normal(0, noise, clean.shape)
    found = spectrum([field(noisy, noisy, uncertainty_u=sizes, uncertainty_v=sizes)], segment=256)
    k = found.wavenumber

    def slope(density: Float, low: float, high: float) -> float:
        inside = (k > low) & (k < high)
        return float(np.polyfit(np.log(k[inside]), np.log(density[inside]), 1)[0])

    assert slope(found.uu.raw, 0.1, 0.6) == pytest.approx(-5 / 3, abs=0.12)
    assert slope(found.uu.raw, 1.0, 3.0) > -1.25  # the noise floor
    assert slope(found.uu.corrected, 1.0, 3.0) == pytest.approx(-5 / 3, abs=0.25)
    assert integral(k, found.uu.noise) == pytest.approx(noise**2, rel=0.01)


def test_noise_spectra_integrate_to_the_variance_whatever_the_correlation() -> None:
    k = np.linspace(0, np.pi / 0.5, 400)
    white = noise_spectrum(k, 0.5)
    np.testing.assert_allclose(white, 0.5 / np.pi)
    smooth = noise_spectrum(k, 0.5, 1.5)
    assert np.trapezoid(smooth, k) == pytest.approx(1, rel=1e-6)
    assert smooth[0] > 3 * white[0] > 30 * smooth[-1]


def test_the_noise_spectrum_of_correlated_errors_is_what_such_errors_have(
    rng: np.random.Generator,
) -> None:
    from scipy import ndimage

    errors = ndimage.gaussian_filter1d(rng.normal(0, 1, (400, 256)), 2.0, mode="wrap")
    sizes = np.full(errors.shape, errors.std())
    found = spectrum(
        [field(errors, errors, uncertainty_u=sizes, uncertainty_v=sizes)],
        correlation_length=4.0,
    )
    low = slice(4, 40)
    ratio = found.uu.raw[low].sum() / found.uu.noise[low].sum()
    assert ratio == pytest.approx(1, abs=0.06)


def test_small_gaps_are_interpolated_and_large_ones_leave_the_line_out() -> None:
    x = np.arange(64.0)
    u = np.tile(np.cos(2 * np.pi * 3 / 64 * x), (10, 1))
    flags = np.zeros(u.shape, np.uint16)
    flags[2, 20] = Flag.REPLACED
    flags[5, 10:40] = Flag.MASKED
    spoiled = u.copy()
    spoiled[flags > 0] = 50.0
    found = spectrum([field(spoiled, spoiled, flags=flags)])
    assert found.segments == 9
    assert found.interpolated == pytest.approx(1 / (9 * 64))
    expected = spectrum([field(u, u)])
    np.testing.assert_allclose(found.uu.raw[3], expected.uu.raw[3], rtol=2e-3)
    with pytest.raises(InputError, match="no segment is left"):
        spectrum([field(u, u, flags=np.full(u.shape, int(Flag.MASKED), np.uint16))])
    with pytest.raises(InputError, match="does not fit"):
        spectrum([field(u, u)], segment=65)
    with pytest.raises(InputError, match="'x' or 'y'"):
        spectrum([field(u, u)], axis="z")  # type: ignore[arg-type]


@pytest.mark.parametrize(("y_axis", "sign"), [("up", 1), ("down", -1)])
def test_a_plane_wave_lies_at_both_its_wavenumbers(y_axis: str, sign: int) -> None:
    x, y = np.arange(48.0), 0.5 * np.arange(40.0)
    kx, ky = 2 * np.pi * 6 / 48, 2 * np.pi * 5 / 20
    phase = kx * x + ky * y[:, None]
    # a slanted wave and a short one, so that the sign of ky shows
    u = np.cos(phase)
    v = 0 * u
    found = plane_spectrum([field(u, v, x=x, y=y, y_axis=y_axis)], window="boxcar")
    peak = np.unravel_index(np.argmax(found.uu.raw), found.uu.raw.shape)
    at = (found.kx[peak[1]], found.ky[peak[0]])
    if at[0] < 0:  # of a real field k and -k are one
        at = (-at[0], -at[1])
    assert at == pytest.approx((kx, sign * ky))
    area = (found.kx[1] - found.kx[0]) * (found.ky[1] - found.ky[0])
    assert found.uu.raw.sum() * area == pytest.approx(0.5, rel=1e-6)
    assert found.fields == 1


def test_a_series_in_time_has_its_frequency(rng: np.random.Generator) -> None:
    interval, frequency = 0.01, 12.5
    time = interval * np.arange(400)
    wave = np.cos(2 * np.pi * frequency * time)[:, None, None] + rng.normal(0, 0.05, (400, 5, 7))
    sizes = np.full(wave.shape, 0.05)
    series = field(wave, 0 * wave, uncertainty_u=sizes, uncertainty_v=sizes)
    samples = time_series(series, [(1, 2), (3, 5)])
    found = time_spectrum(samples, interval, segment=200)
    assert found.wavenumber[np.argmax(found.uu.raw)] == pytest.approx(frequency)
    assert integral(found.wavenumber, found.uu.raw) == pytest.approx(0.5025, rel=0.01)
    away = found.wavenumber > 20
    assert found.uu.raw[away].mean() == pytest.approx(found.uu.noise[0], rel=0.1)


def test_the_response_is_shown_beside_the_spectrum() -> None:
    u = np.tile(np.cos(0.5 * np.arange(64.0)), (8, 1))
    ideal = spectrum([field(u, u)], response=window_response(16.0))
    assert ideal.response is not None
    assert ideal.response[0] == pytest.approx(1)
    nearest = np.argmin(abs(ideal.wavenumber - 2 * np.pi / 16))
    assert ideal.response[nearest] == pytest.approx(0, abs=1e-12)
    known = measured_response(np.array([32.0, 8.0]), np.array([1.0, 0.5]))
    assert known(np.array([2 * np.pi / 32, np.pi * (1 / 32 + 1 / 8)])) == pytest.approx([1, 0.75])
    assert np.isnan(known(np.array([3.0]))).all()
    with pytest.raises(InputError, match="one gain for each"):
        measured_response(np.array([8.0]), np.array([1.0, 0.5]))


def test_a_spectrum_knows_its_unit_and_an_unknown_window_is_refused(
    rng: np.random.Generator,
) -> None:
    u, v = rng.standard_normal((2, 16, 32))
    field = VectorField(np.arange(32.0), np.arange(16.0), u, v, np.zeros(u.shape, np.uint16))
    assert spectrum(field).unit == "rad/px"
    assert spectrum(field.replace(units="m/s", y_axis="up"), axis="y").unit == "rad/m"
    for bad in (spectrum, plane_spectrum):
        with pytest.raises(InputError, match="unknown window 'foo': such as hann"):
            bad(field, window="foo")
