"""A mean over few fields has its part of their errors: what is left must be taken off, no more."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from piv import post
from piv.types import VectorField

FIELDS, SIZE = 4, 0.3


@pytest.fixture(scope="module")
def series() -> list[VectorField]:
    """Nothing but errors."""
    rng = np.random.default_rng(5)
    shape = (90, 120)
    x, y, spread = np.arange(120.0), np.arange(90.0), np.full(shape, SIZE)
    return [
        VectorField(
            x, y, *rng.normal(0, SIZE, (2, *shape)), np.zeros(shape, np.uint16), spread, spread
        )
        for _ in range(FIELDS)
    ]


def test_the_noise_of_fluctuations_about_the_mean_is_all_of_what_is_there(
    series: list[VectorField],
) -> None:
    flow = post.statistics_of(series)
    left = SIZE**2 * (1 - 1 / FIELDS)
    assert_allclose(flow.variance("u").noise, SIZE**2, rtol=1e-6)
    assert_allclose(flow.variance("u", ddof=0).noise, left, rtol=1e-6)
    found = {
        "spectrum": (post.spectrum(series, flow).uu, 0.03),
        "plane": (post.plane_spectrum(series, flow).uu, 0.03),
        "structure": (post.structure_functions(series, flow).longitudinal[2], 0.03),
        "dissipation": (post.dissipation(series, flow, nu=1.0), 0.03),
    }
    for name, (both, tolerance) in found.items():
        raw, clean = np.nanmean(both.raw), np.nanmean(both.corrected)
        assert abs(clean) < tolerance * raw, name  # a full share would take off a third too much
    at_zero = post.spatial_correlation(series, flow).covariance
    assert_allclose(at_zero.noise[0], left, rtol=1e-6)
    assert_allclose(at_zero.raw[0], left, rtol=0.03)


def test_without_a_mean_the_noise_is_whole(series: list[VectorField]) -> None:
    both = post.structure_functions(series).transverse[2]
    assert_allclose(both.noise, 2 * SIZE**2, rtol=1e-6)
    assert_allclose(both.raw, 2 * SIZE**2, rtol=0.05)


def test_one_field_has_no_fluctuation_and_no_noise_of_one(series: list[VectorField]) -> None:
    flow = post.statistics_of(series[:1])
    assert (flow.noise_share == 0).all()
    both = post.structure_functions(series[:1], flow).longitudinal[2]
    assert_allclose(both.raw, 0, atol=1e-12)
    assert_allclose(both.noise, 0, atol=1e-12)
    assert np.isnan(flow.variance("u").raw).all()
