"""Derivatives: their order, their exactness, and that they never reach across what is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analytic_flows import linear, sampled, slope, stretched, waves, waves_gradient
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from piv.errors import InputError
from piv.post import SCHEMES, Scheme, derivative, savitzky_golay, velocity_gradient
from piv.types import Flag

ORDER = {
    "central": 2, "central4": 4, "compact": 4, "richardson": 4, "least-squares": 2,
    "savitzky-golay": 4,
}  # fmt: skip
NOISE = {
    "central": 0.707, "central4": 0.950, "compact": 1.180, "richardson": 0.334,
    "least-squares": 0.316, "savitzky-golay": 0.513,
}  # fmt: skip
NAMES = ("du_dx", "du_dy", "dv_dx", "dv_dy")
each_scheme = pytest.mark.parametrize("scheme", sorted(SCHEMES))


def test_every_scheme_has_its_order_here() -> None:
    assert set(ORDER) == set(NOISE) == set(SCHEMES)


@pytest.mark.parametrize("uneven", [False, True])
@each_scheme
def test_the_error_falls_with_the_order_of_the_scheme(scheme: str, uneven: bool) -> None:
    """Everywhere, the ends included, on even and on smoothly uneven spacing."""
    sizes, errors = [60, 120, 240], []
    for size in sizes:
        x = stretched(0, 4, size) if uneven else np.linspace(0, 4, size)
        y = stretched(3, -1, size + 20) if uneven else np.linspace(3, -1, size + 20)
        field = sampled(x, y, waves)
        found = velocity_gradient(field, scheme=scheme)
        truth = waves_gradient(*np.meshgrid(x, y))
        errors.append(
            max(
                float(np.abs(getattr(found, name) - true).max())
                for name, true in zip(NAMES, truth, strict=True)
            )
        )
    order = ORDER[scheme]
    if scheme == "savitzky-golay":  # at an end a cubic's slope is of third order
        order = 3
    assert order - 0.35 < slope(errors, sizes) < order + 0.8


@pytest.mark.parametrize("y_axis", ["up", "down"])
@each_scheme
def test_a_linear_field_is_exact_on_any_spacing(scheme: str, y_axis: str) -> None:
    x, y = stretched(-2, 5, 23), stretched(4, -3, 31, -0.5)
    field = sampled(x, y, linear(0.3, -1.2, 0.7, 0.1), y_axis=y_axis)
    found = velocity_gradient(field, scheme=scheme)
    for name, true in zip(NAMES, (0.3, -1.2, 0.7, 0.1), strict=True):
        assert_allclose(getattr(found, name), true, rtol=0, atol=1e-12)


@each_scheme
def test_single_precision_stays_and_a_constant_has_no_slope(scheme: str) -> None:
    values = np.full((7, 40), 5.3, np.float32)
    found = derivative(values, np.arange(40.0), scheme=scheme)
    assert found.dtype == np.float32
    # one-sided weights do not add up to exactly zero in single precision
    assert_allclose(found, 0, atol=5e-6)
    assert_array_equal(found[:, 10:-10], 0)


@each_scheme
def test_the_noise_of_a_scheme_is_that_of_the_table(scheme: str) -> None:
    """Weights are the answer to unit impulses; the middle of a line."""
    weights = derivative(np.eye(41), np.arange(41.0), scheme=scheme)[:, 20]
    assert_allclose(np.sqrt((weights**2).sum()), NOISE[scheme], atol=6e-4)


def test_the_richardson_weights_are_the_published_ones() -> None:
    weights = derivative(np.eye(41), np.arange(41.0), scheme="richardson")[:, 20]
    published = np.zeros(41)
    for spacings, part in ((1, 272), (2, 1036), (8, -69)):
        published[20 + spacings] = part / 1239 / (2 * spacings)
        published[20 - spacings] = -part / 1239 / (2 * spacings)
    assert_allclose(weights, published, atol=3e-4)  # they were rounded to whole numbers


def test_classical_weights() -> None:
    impulses, x = np.eye(21), np.arange(21.0)
    fourth = derivative(impulses, x, scheme="central4")[8:13, 10]
    assert_allclose(fourth, np.array([1, -8, 0, 8, -1]) / 12, atol=1e-14)
    fitted = derivative(impulses, x, scheme="least-squares")[8:13, 10]
    assert_allclose(fitted, np.array([-2, -1, 0, 1, 2]) / 10, atol=1e-14)
    cubic = derivative(impulses, x, scheme=savitzky_golay(5, 3))[8:13, 10]
    assert_allclose(cubic, np.array([1, -8, 0, 8, -1]) / 12, atol=1e-14)


@each_scheme
def test_nothing_is_carried_across_a_mask(scheme: str) -> None:
    """Two different lines on either side of a wall of one vector: each keeps its own slope."""
    x = stretched(0, 10, 50)
    values = np.where(np.arange(50) < 20, 3 * x, 100 - 2 * x) + np.zeros((4, 1))
    values[:, 20] = np.nan
    found = derivative(values, x, scheme=scheme)
    assert_allclose(found[:, :20], 3, atol=1e-11)
    assert_allclose(found[:, 21:], -2, atol=1e-11)
    assert np.isnan(found[:, 20]).all()


@each_scheme
def test_what_is_absent_may_hold_anything(scheme: str, rng: np.random.Generator) -> None:
    values = rng.standard_normal((30, 40))
    absent = rng.random(values.shape) < 0.15
    absent[8:20, 10:12] = True
    filled = np.where(absent, np.inf, values)
    gaps = np.where(absent, np.nan, values)
    for axis in (0, 1):
        coordinates = np.arange(float(values.shape[axis]))
        found = derivative(filled, coordinates, axis, scheme=scheme, absent=absent)
        assert_array_equal(found, derivative(gaps, coordinates, axis, scheme=scheme))
        assert np.isnan(found[absent]).all()
        alone = ~absent & _shifted(absent, axis, 1) & _shifted(absent, axis, -1)
        assert_array_equal(np.isnan(found), absent | alone)


def _shifted(absent: np.ndarray, axis: int, by: int) -> np.ndarray:
    """Absent beside each place; what is outside is absent."""
    moved = np.roll(absent, by, axis)
    np.moveaxis(moved, axis, 0)[0 if by == 1 else -1] = True
    return moved


@each_scheme
def test_one_sided_at_a_mask_is_as_good_as_at_an_edge(scheme: str) -> None:
    """A masked half is the same as a field that ends there."""
    x, y = np.linspace(0, 3, 40), np.linspace(2, 0, 30)
    whole, half = sampled(x, y, waves), sampled(x[:25], y, waves)
    flags = whole.flags.copy()
    flags[:, 25:] = Flag.MASKED
    masked = velocity_gradient(whole.replace(flags=flags), scheme=scheme)
    ended = velocity_gradient(half, scheme=scheme)
    for name in NAMES:
        assert_allclose(getattr(masked, name)[:, :25], getattr(ended, name), atol=1e-12)
        assert np.isnan(getattr(masked, name)[:, 25:]).all()


def test_flags_can_be_excluded() -> None:
    x, y = np.arange(9.0), np.arange(8.0)
    field = sampled(x, y, linear(1, 2, 3, 4))
    flags, u = field.flags.copy(), field.u.copy()
    flags[4, 5] = Flag.REPLACED | Flag.MEDIAN_OUTLIER
    u[4, 5] = 1e6
    field = field.replace(flags=flags, u=u)
    assert np.abs(velocity_gradient(field).du_dx).max() > 1e5
    without = velocity_gradient(field, exclude=Flag.MASKED | Flag.REPLACED).du_dx
    assert np.isnan(without[4, 5])
    assert_allclose(without[np.isfinite(without)], 1, atol=1e-12)


def test_leading_axes_are_a_series() -> None:
    x, y = np.linspace(0, 2, 21), np.linspace(0, 1, 17)
    one = sampled(x, y, waves)
    flags = np.zeros((2, 3, 17, 21), np.uint16)
    flags[1, 2, 5:8, 9] = Flag.MASKED
    series = one.replace(
        u=np.broadcast_to(one.u, flags.shape), v=np.broadcast_to(one.v, flags.shape), flags=flags
    )
    for scheme in SCHEMES:
        found = velocity_gradient(series, scheme=scheme)
        masked = velocity_gradient(one.replace(flags=flags[1, 2]), scheme=scheme)
        assert_allclose(found.du_dy[0, 1], velocity_gradient(one, scheme=scheme).du_dy, atol=1e-12)
        assert_allclose(found.dv_dx[1, 2], masked.dv_dx, atol=1e-12)


@each_scheme
@given(
    factors=st.tuples(st.floats(-3, 3), st.floats(-3, 3)), seed=st.integers(0, 1000),
    uneven=st.booleans(),
)  # fmt: skip
def test_linearity_and_mirror(
    scheme: str, factors: tuple[float, float], seed: int, uneven: bool
) -> None:
    rng = np.random.default_rng(seed)
    f, g = rng.standard_normal((2, 3, 24))
    f[0, 7] = g[0, 7] = np.nan
    x = np.sort(rng.random(24)) + 0.3 * np.arange(24) if uneven else np.arange(24.0)

    def slope_of(values: np.ndarray, at: np.ndarray = x) -> np.ndarray:
        return derivative(values, at, scheme=scheme)

    p, q = factors
    scale = 1e-9 * (1 + np.nanmax(np.abs(slope_of(f))) + np.nanmax(np.abs(slope_of(g))))
    assert_allclose(slope_of(p * f + q * g), p * slope_of(f) + q * slope_of(g), atol=scale)
    assert_allclose(slope_of(f[:, ::-1], -x[::-1])[:, ::-1], -slope_of(f), atol=scale)
    assert_allclose(slope_of(f[:, ::-1], x[::-1])[:, ::-1], slope_of(f), atol=scale)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
@each_scheme
def test_short_lines_are_as_good_as_they_can_be(scheme: str, size: int) -> None:
    x = np.cumsum(np.arange(1.0, size + 1))
    found = derivative(2 * x - 1, x, scheme=scheme)
    if size == 1:
        assert np.isnan(found).all()
    else:
        assert_allclose(found, 2, atol=1e-12)
    if size > 2:
        assert_allclose(derivative(x**2, x, scheme=scheme), 2 * x, atol=1e-11)


@pytest.mark.parametrize("scheme", list(SCHEMES))
@pytest.mark.parametrize("stretch", [1.0, 1.5])
def test_a_vector_with_one_neighbour_has_their_difference(scheme: str, stretch: float) -> None:
    x = np.arange(9.0) ** stretch
    values = np.tile(3 * x, (5, 1))
    absent = np.ones((5, 9), bool)
    absent[1, [0, 1]] = absent[2, [4, 5]] = absent[3, [7, 8]] = absent[4, 3] = False
    found = derivative(values, x, -1, scheme=scheme, absent=absent)
    pairs = ~absent
    pairs[4, 3] = False  # stands alone
    assert_allclose(found[pairs], 3, rtol=1e-12)
    assert np.isnan(found[~pairs]).all()


def test_what_cannot_be_differentiated_is_refused() -> None:
    values, x = np.zeros((3, 8)), np.arange(8.0)
    with pytest.raises(InputError, match="unknown scheme 'centrl': did you mean central"):
        derivative(values, x, scheme="centrl")
    with pytest.raises(InputError, match="ascend or descend"):
        derivative(values, np.array([0, 1, 1, 2, 3, 4, 5, 6.0]))
    with pytest.raises(InputError, match="8 coordinates, but 3 values"):
        derivative(values, x, 0)
    with pytest.raises(InputError, match="absent has shape"):
        derivative(values, x, absent=np.zeros(8, bool))
    with pytest.raises(InputError, match="odd number"):
        savitzky_golay(4, 2)
    with pytest.raises(InputError, match="degree 5 needs at least 6 offsets"):
        savitzky_golay(5, 5)
    with pytest.raises(InputError, match="enclose 0"):
        Scheme((0, 1, 2), 2)


def test_whole_numbers_are_numbers() -> None:
    assert_allclose(derivative(np.arange(12) * 3, np.arange(12.0)), 3, atol=1e-12)


def test_nothing_is_written(tmp_path: Path) -> None:
    """A pure function: its input stays as it was."""
    x, y = np.arange(9.0), np.arange(8.0)
    field = sampled(x, y, waves)
    before = field.u.copy()
    for scheme in SCHEMES:
        velocity_gradient(field, scheme=scheme)
    assert_array_equal(field.u, before)
