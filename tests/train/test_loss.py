"""The loss on numbers that can be worked out by hand."""

from typing import NamedTuple

import pytest
import torch

from piv.train.loss import SMOOTH, mean_endpoint, refinement_loss


class Step(NamedTuple):
    displacement: torch.Tensor
    log_scale: torch.Tensor


SHAPE = (1, 2, 3, 5)
EVERYWHERE = torch.ones(1, 1, 3, 5, dtype=torch.bool)


def vectors(u, v):
    return torch.tensor([u, v], dtype=torch.float64)[None, :, None, None].expand(SHAPE).clone()


def loss(steps, truth, start=None, seeded=EVERYWHERE, fluid=EVERYWHERE, **options):
    start = vectors(0, 0) if start is None else start
    return float(refinement_loss(steps, start, truth, seeded, fluid, **options))


def test_of_one_step_is_endpoint_error_and_laplace_likelihood():
    step = Step(vectors(3.0, 4.0), vectors(0.0, 1.0))
    likelihood = 3.0 + 0.0 + 4.0 * torch.exp(torch.tensor(-1.0)).item() + 1.0
    expected = (25 + SMOOTH**2) ** 0.5 + 0.15 * likelihood
    assert loss([step], vectors(0, 0)) == pytest.approx(expected, rel=1e-6)


def test_earlier_steps_weigh_less():
    good, bad = Step(vectors(0, 0), vectors(0, 0)), Step(vectors(0, 2.0), vectors(0, 0))
    truth, options = vectors(0, 0), {"uncertainty_weight": 0.0}
    late, early = loss([good, bad], truth, **options), loss([bad, good], truth, **options)
    assert late == pytest.approx(2.0 + 0.6 * SMOOTH, abs=1e-4)
    assert early == pytest.approx(0.6 * 2.0 + SMOOTH, abs=1e-4)


def test_unseeded_pixels_pull_the_correction_to_zero_but_the_scale_to_the_true_error():
    displacement = vectors(1.0, 0.0).requires_grad_()
    log_scale = vectors(0.0, 0.0).requires_grad_()
    start, truth = vectors(1.5, 0.0), vectors(-7.0, 0.0)
    value = refinement_loss([Step(displacement, log_scale)], start, truth, ~EVERYWHERE, EVERYWHERE)
    value.backward()
    assert (displacement.grad[:, 0] < 0).all()  # towards the start, away from the truth
    # d/ds (e exp(-s) + s) = 1 - e with e = 8: the scale must grow
    torch.testing.assert_close(log_scale.grad[:, 0].sum(), torch.tensor(0.15 * (1 - 8.0)).double())


def test_the_scale_never_moves_the_displacement():
    displacement = vectors(1.0, -2.0).requires_grad_()
    step = Step(displacement, vectors(-3.0, 2.0))
    gradients = []
    for weight in (0.0, 5.0):
        value = refinement_loss(
            [step], vectors(0, 0), vectors(0, 0), EVERYWHERE, EVERYWHERE, uncertainty_weight=weight
        )
        gradients.append(torch.autograd.grad(value, displacement)[0])
    assert torch.equal(*gradients)


@pytest.mark.parametrize("scale", [0.01, 0.1, 1.0])
def test_with_emphasis_an_error_counts_relative_to_the_stated_scale(scale):
    log_scale = torch.full(SHAPE, scale, dtype=torch.float64).log()
    step = Step(vectors(3.0, 4.0), log_scale)
    options = {"uncertainty_weight": 0.0, "emphasis": 0.1}
    expected = 5 * 2 * 0.1 / (0.1 + scale)
    assert loss([step], vectors(0, 0), **options) == pytest.approx(expected, rel=1e-5)


def test_rounding_makes_errors_far_below_the_scale_count_by_their_square():
    gradients = []
    for error in (0.01, 0.02, 8.0, 16.0):
        displacement = vectors(error, 0.0).requires_grad_()
        step = Step(displacement, vectors(0.0, 0.0))
        value = refinement_loss(
            [step], vectors(0, 0), vectors(0, 0), EVERYWHERE, EVERYWHERE, rounding=0.5
        )
        value.backward()
        gradients.append(float(displacement.grad[:, 0].sum()))
    small, twice, large, larger = gradients
    assert twice == pytest.approx(2 * small, rel=0.01)
    assert large == pytest.approx(1.0, rel=0.01)
    assert larger == pytest.approx(large, rel=0.01)


def uneven(*columns):
    """Log-scale of both components by column."""
    row = torch.tensor(columns, dtype=torch.float64).log()
    return row.expand(1, 2, 3, len(columns)).clone()


PAIR = {"uncertainty_weight": 0.0, "emphasis": 0.1, "scale_of": "pair"}


def test_by_the_scale_of_the_pair_all_its_pixels_count_the_same():
    """A rough layer in a quiet pair: its errors count in full."""
    error = vectors(0.0, 0.0)
    error[:, 0, :, 4] = 3.0
    step = Step(error, uneven(0.01, 0.01, 0.01, 0.01, 0.46))  # 0.1 on the mean
    weight = 2 * 0.1 / (0.1 + 0.1)
    expected = weight * (3.0 + 4 * SMOOTH) / 5
    assert loss([step], vectors(0, 0), **PAIR) == pytest.approx(expected, rel=1e-4)
    by_pixel = loss([step], vectors(0, 0), **{**PAIR, "scale_of": "pixel"})
    expected = (3.0 * 0.2 / 0.56 + 4 * SMOOTH * 0.2 / 0.11) / 5
    assert by_pixel == pytest.approx(expected, rel=1e-4)


def test_where_the_scale_is_even_pair_and_pixel_are_the_same():
    step = Step(vectors(1.0, -2.0), uneven(*5 * [0.3]))
    options = {**PAIR, "rounding": 0.7}
    one, other = (
        loss([step], vectors(0, 0), **{**options, "scale_of": kind}) for kind in ("pair", "pixel")
    )
    assert one == pytest.approx(other, rel=1e-12)


def test_every_pair_of_a_batch_has_a_scale_of_its_own():
    quiet, rough = uneven(*5 * [0.1]), uneven(*5 * [0.4])
    steps = [Step(vectors(2.0, 0.0), scale) for scale in (quiet, rough)]
    both = Step(*(torch.cat(parts) for parts in zip(*steps, strict=True)))
    zeros, every = torch.zeros(2, 2, 3, 5).double(), torch.cat([EVERYWHERE, EVERYWHERE])
    single = [loss([step], vectors(0, 0), **PAIR) for step in steps]
    assert single[0] == pytest.approx(2.5 * single[1], rel=1e-6)
    joined = float(refinement_loss([both], zeros, zeros, every, every, **PAIR))
    assert joined == pytest.approx(sum(single) / 2, rel=1e-9)


def test_masked_pixels_are_no_part_of_the_scale_of_a_pair():
    fluid = EVERYWHERE.clone()
    fluid[..., 0] = False
    clean, spoilt = (
        Step(vectors(1.0, 0.0), uneven(first, 0.2, 0.2, 0.2, 0.2)) for first in (0.2, 50.0)
    )
    one, other = (loss([step], vectors(0, 0), fluid=fluid, **PAIR) for step in (clean, spoilt))
    assert one == pytest.approx(other, rel=1e-12)
    assert one == pytest.approx(0.2 / 0.3, rel=1e-3)
    assert loss([clean], vectors(0, 0), fluid=~EVERYWHERE, **PAIR) == 0.0


def test_the_scale_of_a_pair_rounds_its_errors_too_and_is_held_constant():
    displacement = vectors(1.0, 0.0).requires_grad_()
    log_scale = uneven(0.1, 0.1, 0.1, 0.1, 9.6).requires_grad_()  # 2 on the mean
    step = Step(displacement, log_scale)
    value = refinement_loss(
        [step], vectors(0, 0), vectors(0, 0), EVERYWHERE, EVERYWHERE, rounding=1.0, **PAIR
    )
    expected = (1 + SMOOTH**2 + 2.0**2) ** 0.5 * 0.2 / 2.1
    assert float(value.detach()) == pytest.approx(expected, rel=1e-6)
    value.backward()
    assert (displacement.grad[:, 0] == displacement.grad[0, 0, 0, 0]).all()
    assert log_scale.grad is None or not log_scale.grad.any()


def test_pixels_near_the_mask_count_as_much_as_asked():
    shape = (1, 1, 24, 40)
    fluid = torch.ones(shape, dtype=torch.bool)
    fluid[..., :4] = False  # then eight columns are near, 28 are not
    error = torch.zeros(1, 2, 24, 40, dtype=torch.float64)
    error[:, 0, :, 4:12] = 1.0
    step, zeros = Step(error, torch.zeros_like(error)), torch.zeros_like(error)
    options = {"uncertainty_weight": 0.0, "near_mask": 3.0}
    value = float(refinement_loss([step], zeros, zeros, fluid, fluid, **options))
    assert value == pytest.approx((3 * 8 + 28 * SMOOTH) / (3 * 8 + 28), rel=1e-3)


def test_masked_pixels_do_not_count():
    fluid = EVERYWHERE.clone()
    fluid[..., 0] = False
    spoilt = vectors(1.0, 0.0)
    spoilt[..., 0] = 15.0
    whole, clean = Step(spoilt, vectors(0, 0)), Step(vectors(1.0, 0.0), vectors(0, 0))
    truth = vectors(0, 0)
    assert loss([whole], truth, fluid=fluid) == pytest.approx(loss([clean], truth, fluid=fluid))
    assert loss([whole], truth) > 1.5 * loss([clean], truth)


def test_nothing_but_mask_gives_zero():
    assert loss([Step(vectors(1, 1), vectors(0, 0))], vectors(0, 0), fluid=~EVERYWHERE) == 0.0


def test_far_errors_are_clamped_and_teach_nothing():
    displacement = vectors(300.0, 0.0).requires_grad_()
    value = refinement_loss(
        [Step(displacement, vectors(0, 0))], vectors(0, 0), vectors(0, 0), EVERYWHERE, EVERYWHERE,
        uncertainty_weight=0.0, largest=20.0,
    )  # fmt: skip
    value.backward()
    assert float(value.detach()) == 20.0
    assert not displacement.grad.any()


def test_mean_endpoint_error_is_a_mean_length():
    displacement = vectors(3.0, 4.0)
    displacement[..., 0, 0] = 0.0
    where = EVERYWHERE.clone()
    assert float(mean_endpoint(displacement, vectors(0, 0), where)) == pytest.approx(5 * 14 / 15)
    where[..., 0, 0] = False
    assert float(mean_endpoint(displacement, vectors(0, 0), where)) == 5.0


def test_the_gradient_of_the_error_counts_where_both_pixels_do():
    column = torch.tensor([0.0, 0.0, 3.0, 3.0, 3.0], dtype=torch.float64)
    field = vectors(0, 0)
    field[:, 0] = column
    step, options = Step(field, vectors(0, 0)), {"uncertainty_weight": 0.0}
    truth = vectors(0, 0)
    plain = loss([step], truth, **options)
    steep = loss([step], truth, gradient_weight=2.0, **options)
    # one of five columns has a difference of 3 px to the next
    assert steep - plain == pytest.approx(2.0 * (3.0 + 4 * SMOOTH) / 5, abs=1e-4)
    fluid = EVERYWHERE.clone()
    fluid[..., 1] = False  # the step lies beside what is not counted
    steep = loss([step], truth, fluid=fluid, gradient_weight=2.0, **options)
    assert steep - loss([step], truth, fluid=fluid, **options) == pytest.approx(
        2.0 * SMOOTH, abs=1e-4
    )
    seeded = EVERYWHERE.clone()
    seeded[..., 2:] = False  # the step lies where particles end: there the target itself may jump
    steep = loss([step], truth, seeded=seeded, gradient_weight=2.0, **options)
    assert steep - loss([step], truth, seeded=seeded, **options) == pytest.approx(
        2.0 * SMOOTH, abs=1e-4
    )
    shifted = Step(field + 5.0, vectors(0, 0))
    same = loss([shifted], truth, gradient_weight=2.0, **options)
    assert same - loss([shifted], truth, **options) == pytest.approx(
        2.0 * (3.0 + 4 * SMOOTH) / 5, abs=1e-4
    )
