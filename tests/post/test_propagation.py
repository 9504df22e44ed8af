"""Uncertainty of derived quantities against samples of noise, and the length of its correlation."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_flows import sampled, waves
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from piv import post
from piv.errors import InputError
from piv.types import Flag, VectorField

LINEAR = [post.vorticity, post.divergence, post.shear_strain, post.normal_strain]
QUADRATIC = [post.q_criterion, post.okubo_weiss, post.lambda_2]
named = {"ids": lambda function: function.__name__}


def _field(sigma: float = 0.01) -> VectorField:
    field = sampled(np.linspace(0, 2.9, 30), np.linspace(2.3, 0, 24), waves)
    varied = sigma * (1 + np.hypot(*np.meshgrid(field.x, field.y)) / 4)
    flags = field.flags.copy()
    flags[9:14, 12:17] = Flag.MASKED
    return field.replace(uncertainty_u=varied, uncertainty_v=2 * varied, flags=flags)


def test_vorticity_of_central_differences_is_the_published_formula() -> None:
    """sigma / h sqrt(1 - rho(2h)), Sciacchitano & Wieneke (2016)."""
    h, length = 0.5, 1.7
    field = sampled(np.arange(12) * h, np.arange(9) * -h, waves)
    sigma = np.full(field.shape, 0.03)
    field = field.replace(uncertainty_u=sigma, uncertainty_v=sigma)
    found = post.uncertainty_of(post.vorticity, field, correlation_length=length)
    rho = np.exp(-((2 * h / length) ** 2))
    assert_allclose(found[1:-1, 1:-1], 0.03 / h * np.sqrt(1 - rho), rtol=1e-12)
    independent = post.uncertainty_of(post.vorticity, field)
    assert_allclose(independent[1:-1, 1:-1], 0.03 / h, rtol=1e-12)


def _scatter(
    quantity: object, field: VectorField, length: float, scheme: str, rng: np.random.Generator
) -> np.ndarray:
    return post.sampled_uncertainty(
        lambda noisy: quantity(noisy, scheme=scheme), field, rng,
        correlation_length=length, samples=400,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "length"), [("central", 0.0), *((each, 0.25) for each in sorted(post.SCHEMES))]
)
def test_vorticity_scatters_as_predicted(
    scheme: str, length: float, rng: np.random.Generator
) -> None:
    """At every place, one-sided ones too; 400 samples have a scatter of 3.5 %."""
    field = _field()
    found = post.uncertainty_of(post.vorticity, field, correlation_length=length, scheme=scheme)
    ratio = found / _scatter(post.vorticity, field, length, scheme, rng)
    assert (np.isnan(ratio) == (field.flags != 0)).all()
    ratio = ratio[np.isfinite(ratio)]
    assert_allclose(np.median(ratio), 1, atol=0.02)
    if scheme == "compact":  # beside a mask it is that of the middle: known approximation
        ratio = np.sort(ratio)[int(0.15 * ratio.size) : int(0.85 * ratio.size)]
    assert ratio.min() > 0.84
    assert ratio.max() < 1.19


@pytest.mark.parametrize("quantity", [*LINEAR[1:], *QUADRATIC], **named)
def test_every_quantity_scatters_as_predicted(quantity: object, rng: np.random.Generator) -> None:
    field = _field(0.002)
    found = post.uncertainty_of(quantity, field, correlation_length=0.2)
    ratio = found / _scatter(quantity, field, 0.2, "central", rng)
    inner = ratio[2:-2, 2:-2]
    inner = inner[np.isfinite(inner)]
    assert_allclose(np.median(inner), 1, atol=0.02)
    low, high = np.percentile(inner, (4, 96))
    assert low > 0.88
    assert high < 1.12


def test_swirling_strength_scatters_as_predicted_inside_vortices(rng: np.random.Generator) -> None:
    field = _field(0.001)
    swirl = post.swirling_strength(field)
    found = post.uncertainty_of(post.swirling_strength, field)
    strong = swirl > 0.4
    assert strong.sum() > 50
    ratio = (found / _scatter(post.swirling_strength, field, 0.0, "central", rng))[strong]
    assert_allclose(np.median(ratio), 1, atol=0.03)
    assert np.isnan(found[swirl == 0]).all()


@given(factor=st.floats(0.1, 10))
def test_it_is_proportional_to_the_fields(factor: float) -> None:
    field = _field()
    assert field.uncertainty_u is not None
    assert field.uncertainty_v is not None
    more = field.replace(
        uncertainty_u=factor * field.uncertainty_u, uncertainty_v=factor * field.uncertainty_v
    )
    for quantity in (post.vorticity, post.q_criterion):
        one, other = (
            post.uncertainty_of(quantity, f, correlation_length=0.3) for f in (field, more)
        )
        assert_allclose(other, factor * one, rtol=1e-9)


def test_errors_that_are_all_alike_leave_a_derivative_exact() -> None:
    found = post.uncertainty_of(post.vorticity, _field(), correlation_length=1e4)
    independent = post.uncertainty_of(post.vorticity, _field())
    # what remains is the uncertainty's own change from vector to vector
    assert np.nanmax(found / independent) < 0.2


@pytest.mark.parametrize("length", [1.2, 2.5, 6.0])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_length_of_the_errors_is_found(
    length: float, gaps: bool, rng: np.random.Generator
) -> None:
    """Noise that was made with it, with a bias, and half of it unknown."""
    x, y = np.arange(300) * 0.5, np.arange(260) * 0.5
    empty = np.zeros((260, 300))
    field = VectorField(x, y, empty, empty, empty.astype(np.uint16), units="m/s", y_axis="up")
    errors = 0.2 * post.correlated_errors(field, rng, length) + 0.03
    if gaps:
        errors[rng.random(errors.shape) < 0.3] = np.nan
        errors[100:150, 60:180] = np.nan
    assert_allclose(post.error_correlation_length(errors, 0.5), length, rtol=0.1)


def test_the_length_of_window_averages_is_that_of_their_overlap(rng: np.random.Generator) -> None:
    """White noise averaged over 8 vectors: a triangle that is 1/e at 8 (1 - 1/e)."""
    noise = rng.standard_normal((2, 400, 500))
    sums = np.cumsum(np.cumsum(noise, axis=-1), axis=-2)
    averaged = sums[:, 8:, 8:] - sums[:, :-8, 8:] - sums[:, 8:, :-8] + sums[:, :-8, :-8]
    assert_allclose(post.error_correlation_length(averaged), 8 * (1 - np.exp(-1)), rtol=0.05)


def test_independent_errors_have_no_length(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((200, 300))
    assert post.error_correlation_length(noise) < 0.5  # of the vectors' distance
    rows = np.repeat(rng.standard_normal((200, 1)), 300, axis=1)
    assert np.isnan(post.error_correlation_length(rows))
    assert np.isnan(post.error_correlation_length(np.ones((20, 30))))


def test_lengths_along_both_axes_are_averaged(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((400, 403))
    pairs = noise[:, 3:] + noise[:, 2:-1] + noise[:, 1:-2] + noise[:, :-3]
    along_x = 4 * (1 - np.exp(-1))
    found = post.error_correlation_length(pairs, (5.0, 1.0))
    assert 0.5 * along_x < found < 0.5 * along_x + 0.5 * 5 * 0.5


def test_correlated_errors_have_unit_variance_and_the_correlation(
    rng: np.random.Generator,
) -> None:
    empty = np.zeros((3, 200, 250))
    field = VectorField(
        np.arange(250.0), np.arange(200) * 2.0, empty, empty, empty.astype(np.uint16)
    )
    errors = post.correlated_errors(field, rng, 6.0)
    assert_allclose(errors.std(), 1, atol=0.03)
    for lag in (1, 3, 6):
        along_x = (errors[..., lag:] * errors[..., :-lag]).mean() / errors.var()
        assert_allclose(along_x, np.exp(-((lag / 6) ** 2)), atol=0.04)
        if lag % 2 == 0:
            step = lag // 2
            along_y = (errors[:, step:] * errors[:, :-step]).mean() / errors.var()
            assert_allclose(along_y, np.exp(-((lag / 6) ** 2)), atol=0.04)
    assert abs((errors[0] * errors[1]).mean()) < 0.04


def test_what_cannot_be_propagated_is_refused(rng: np.random.Generator) -> None:
    field = _field()
    bare = field.replace(uncertainty_u=None, uncertainty_v=None)
    with pytest.raises(InputError, match="no uncertainty to propagate"):
        post.uncertainty_of(post.vorticity, bare)
    with pytest.raises(InputError, match=r"formula .* circulation: use .*sampled_uncertainty"):
        post.uncertainty_of(post.circulation, field)
    with pytest.raises(InputError, match="distance of 0 or more, not -1"):
        post.uncertainty_of(post.vorticity, field, correlation_length=-1)
    with pytest.raises(InputError, match="at least 2 samples"):
        post.sampled_uncertainty(post.vorticity, field, rng, samples=1)
    with pytest.raises(InputError, match="no uncertainty to propagate"):
        post.sampled_uncertainty(post.vorticity, bare, rng)
    with pytest.raises(InputError, match="even spacing along x"):
        post.correlated_errors(field.replace(x=field.x**2 + field.x), rng, 1.0)
    with pytest.raises(InputError, match="errors on a grid"):
        post.error_correlation_length(np.zeros(5))
    with pytest.raises(InputError, match="none of the errors"):
        post.error_correlation_length(np.full((4, 5), np.nan))
