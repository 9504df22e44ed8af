"""Vorticity, strain and criteria of vortices against formulas; which of them coincide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from analytic_flows import linear, sampled, slope, taylor_green, waves, waves_gradient
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import piv
from piv.post import (
    VelocityGradient,
    divergence,
    lambda_2,
    normal_strain,
    okubo_weiss,
    q_criterion,
    shear_strain,
    swirling_strength,
    velocity_gradient,
    vorticity,
)
from piv.types import Flag, Float, VectorField

Quantity = Callable[..., Float]
QUANTITIES: list[Quantity] = [
    vorticity, divergence, shear_strain, normal_strain, q_criterion, okubo_weiss,
    swirling_strength, lambda_2,
]  # fmt: skip
each = pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.__name__)
rate = st.floats(-2, 2).map(lambda value: round(value, 6))


def _by_matrices(a: float, b: float, c: float, d: float) -> dict[str, float]:
    """The same quantities from their definitions, with matrices and eigenvalues."""
    gradient = np.array([[a, b], [c, d]])
    strain, spin = (gradient + gradient.T) / 2, (gradient - gradient.T) / 2
    return {
        "vorticity": c - b,
        "divergence": a + d,
        "shear_strain": 2 * strain[0, 1],
        "normal_strain": a - d,
        "q_criterion": (np.linalg.norm(spin) ** 2 - np.linalg.norm(strain) ** 2) / 2,
        "okubo_weiss": (a - d) ** 2 + (2 * strain[0, 1]) ** 2 - (c - b) ** 2,
        "swirling_strength": float(np.abs(np.linalg.eigvals(gradient).imag).max()),
        "lambda_2": float(np.linalg.eigvalsh(strain @ strain + spin @ spin).max()),
    }


@given(rates=st.tuples(rate, rate, rate, rate), down=st.booleans())
def test_linear_flows_have_the_values_of_the_definitions(
    rates: tuple[float, float, float, float], down: bool
) -> None:
    x, y = np.linspace(-1, 2, 7), np.linspace(1, -1, 6)
    field = sampled(x, y, linear(*rates), y_axis="down" if down else "up")
    for quantity in QUANTITIES:
        expected = _by_matrices(*rates)[quantity.__name__]
        # a square root: an eigenvalue that is nearly real is known to the root of the rounding
        atol = 3e-7 if quantity is swirling_strength else 1e-12
        assert_allclose(quantity(field), expected, rtol=1e-9, atol=atol)


def test_solid_rotation_and_pure_strain() -> None:
    x, y = np.linspace(-1, 2, 12), np.linspace(1, -1, 9)
    turning = sampled(x, y, linear(0, -1.5, 1.5, 0))
    for quantity, value in (
        (vorticity, 3), (divergence, 0), (shear_strain, 0), (normal_strain, 0),
        (q_criterion, 2.25), (okubo_weiss, -9), (swirling_strength, 1.5), (lambda_2, -2.25),
    ):  # fmt: skip
        assert_allclose(quantity(turning), value, atol=1e-13)
    straining = sampled(x, y, linear(1.5, 0, 0, -1.5))
    for quantity, value in (
        (vorticity, 0), (divergence, 0), (shear_strain, 0), (normal_strain, 3),
        (q_criterion, -2.25), (okubo_weiss, 9), (swirling_strength, 0), (lambda_2, 2.25),
    ):  # fmt: skip
        assert_allclose(quantity(straining), value, atol=1e-13)


@each
def test_the_error_is_of_second_order(quantity: Quantity) -> None:
    sizes, errors = [50, 100, 200], []
    for size in sizes:
        x, y = np.linspace(0, 4, size), np.linspace(3, -1, size + 10)
        truth = VelocityGradient(*waves_gradient(*np.meshgrid(x, y)))
        difference = quantity(sampled(x, y, waves)) - quantity(truth)
        errors.append(float(np.sqrt((difference**2).mean())))
    # the root in the swirling strength has an infinite slope at its border
    low = 1.5 if quantity is swirling_strength else 1.85
    assert low < slope(errors, sizes) < 2.6


def test_without_divergence_the_criteria_are_one() -> None:
    x, y = np.linspace(0, 6, 60), np.linspace(5, 0, 50)
    a, b, c, _ = velocity_gradient_of_taylor_green(*np.meshgrid(x, y))
    gradient = VelocityGradient(a, b, c, -a)
    q, w, swirl = q_criterion(gradient), okubo_weiss(gradient), swirling_strength(gradient)
    assert_allclose(q, -w / 4, atol=1e-14)
    assert_allclose(q, -lambda_2(gradient), atol=1e-14)
    assert_allclose(np.maximum(q, 0), swirl**2, atol=1e-14)
    assert_allclose(q, -a * a - b * c, atol=1e-14)  # the determinant
    assert (q > 0.1).any()
    assert (q < -0.1).any()


def velocity_gradient_of_taylor_green(x: Float, y: Float) -> tuple[Float, Float, Float, Float]:
    a, b = np.cos(x) * np.cos(y), -np.sin(x) * np.sin(y)
    return a, b, -b, -a


def test_with_divergence_they_differ_but_swirl_and_okubo_weiss_stay_one() -> None:
    gradient = velocity_gradient(
        sampled(np.linspace(0, 4, 40), np.linspace(3, -1, 30), waves), scheme="central4"
    )
    q, w, swirl = q_criterion(gradient), okubo_weiss(gradient), swirling_strength(gradient)
    assert_allclose(swirl, np.sqrt(np.maximum(-w, 0)) / 2, atol=1e-12)
    assert np.abs(q + w / 4).max() > 0.1
    assert np.abs(q + lambda_2(gradient)).max() > 0.1
    assert (lambda_2(gradient) >= -q - 1e-12).all()


def test_the_sign_of_the_swirl_is_the_vorticitys() -> None:
    field = sampled(np.linspace(0, 6, 40), np.linspace(6, 0, 50), taylor_green)
    signed = swirling_strength(field, signed=True)
    assert_array_equal(np.abs(signed), swirling_strength(field))
    turning = np.abs(signed) > 0
    assert_array_equal(np.sign(signed[turning]), np.sign(vorticity(field)[turning]))
    assert (signed > 0.5).any()
    assert (signed < -0.5).any()


@each
def test_a_gradient_gives_what_its_field_gives(quantity: Quantity) -> None:
    field = sampled(np.linspace(0, 2, 30), np.linspace(1, 0, 20), waves)
    flags = field.flags.copy()
    flags[8:12, 5:9] = Flag.MASKED
    field = field.replace(flags=flags)
    for scheme in ("central", "least-squares"):
        gradient = velocity_gradient(field, scheme=scheme)
        assert_array_equal(quantity(gradient), quantity(field, scheme=scheme))
    assert np.isnan(quantity(field)[8:12, 5:9]).all()
    assert np.isfinite(quantity(field)).sum() == 600 - 16


@each
def test_calibration_changes_the_unit_and_no_sign(quantity: Quantity) -> None:
    x, y = np.arange(30.0), np.arange(24.0)
    pixels = sampled(x / 10, y / 10, waves, y_axis="down", units="px", dt=2e-3)
    pixels = pixels.replace(x=x, y=y)
    metres = piv.calibrate(pixels, piv.Calibration(3e-5, origin=(4.0, 9.0)))
    power = 1 if quantity in QUANTITIES[:4] or quantity is swirling_strength else 2
    scale = float(np.abs(quantity(pixels)).max())
    assert_allclose(quantity(metres) * 2e-3**power, quantity(pixels), rtol=1e-9, atol=1e-9 * scale)


def _turned(field: VectorField) -> VectorField:
    """By a quarter turn counter-clockwise: what was at (x, y) is at (-y, x)."""
    return field.replace(
        x=-field.y, y=field.x, u=-np.swapaxes(field.v, -1, -2), v=np.swapaxes(field.u, -1, -2),
        flags=np.swapaxes(field.flags, -1, -2),
    )  # fmt: skip


def _mirrored(field: VectorField) -> VectorField:
    return field.replace(x=-field.x, u=-field.u)


@each
@given(seed=st.integers(0, 10_000))
def test_turned_by_90_degrees_and_mirrored(quantity: Quantity, seed: int) -> None:
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, 9, 13))
    u[3, 4] = np.nan
    field = VectorField(
        np.sort(rng.random(13)), np.sort(rng.random(9)), u, v, np.zeros(u.shape, np.uint16),
        units="m/s", y_axis="up",
    )  # fmt: skip
    scale = {"rtol": 1e-9, "atol": 1e-9 * float(np.nanmax(np.abs(quantity(field))))}
    strains = quantity in (shear_strain, normal_strain)  # change their sign with a quarter turn
    turned = quantity(_turned(field)).T
    assert_allclose(turned, (-1 if strains else 1) * quantity(field), **scale)
    odd = quantity in (vorticity, shear_strain)
    assert_allclose(quantity(_mirrored(field)), (-1 if odd else 1) * quantity(field), **scale)


@pytest.mark.parametrize("quantity", QUANTITIES[:4], ids=lambda q: q.__name__)
@given(p=st.floats(-3, 3), q=st.floats(-3, 3))
def test_first_derivatives_are_linear(quantity: Quantity, p: float, q: float) -> None:
    x, y = np.linspace(0, 2, 15), np.linspace(1, 0, 11)
    one, other = sampled(x, y, waves), sampled(x, y, taylor_green)
    both = one.replace(u=p * one.u + q * other.u, v=p * one.v + q * other.v)
    assert_allclose(quantity(both), p * quantity(one) + q * quantity(other), atol=1e-11)
