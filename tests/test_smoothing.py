"""Estimates smoothed between the steps, and the blend of means at the end."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import SMALL, network
from scipy import ndimage

from piv.network.ccfcn import blended, smoothed
from piv.network.config import CCFCNConfig
from piv.network.grow import can_grow, grown
from piv.network.narrow import narrowed_network

BARE = replace(SMALL, base_sigmas=(), smooth=0.8)  # untrained it returns what it starts from
BLENDS = replace(SMALL, blend=(0.8, 2.0))


def frames(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    image = ndimage.gaussian_filter(torch.rand(height, width).numpy(), 1.0)
    first, second = (torch.from_numpy(np.roll(image, n, 1))[None, None] for n in (0, 1))
    return first, second


def test_a_mean_over_visible_pixels_only() -> None:
    torch.manual_seed(0)
    visible = torch.ones(1, 1, 32, 48)
    visible[..., 10:20, 30:] = 0
    field = torch.full((1, 2, 32, 48), 1.5)
    field = torch.where(visible > 0, field, torch.tensor(900.0))  # may not leak
    for sigma in (0.8, 1.9, 2.0, 4.0):
        found = smoothed(field, visible, sigma)
        np.testing.assert_allclose(found, field, rtol=1e-5)


def test_what_an_analysis_keeps_serves_a_training_too() -> None:
    sigma = 0.8125  # of no other test: its kernel is made here
    field = torch.randn(1, 2, 32, 48)
    with torch.inference_mode():
        smoothed(field, None, sigma)
    field.requires_grad_()
    smoothed(field, None, sigma).square().sum().backward()
    assert field.grad is not None
    assert field.grad.any()


@pytest.mark.parametrize("hidden", [False, True])
def test_a_displacement_is_never_rounded_to_half_precision(*, hidden: bool) -> None:
    field = torch.full((1, 2, 32, 48), 10.01)
    visible = torch.ones(1, 1, 32, 48)
    visible[..., :4] = 0
    shares = torch.ones(1, 2, 16, 24) / 2
    with torch.autocast("cpu", torch.bfloat16):
        for sigma in (0.8, 2.0):
            found = smoothed(field, visible if hidden else None, sigma)
            np.testing.assert_allclose(found, field, rtol=1e-6)
        mixed = blended(field, visible if hidden else None, (0.8, 2.0), shares)
    assert mixed.dtype == torch.float32
    np.testing.assert_allclose(mixed, field, rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_it_is_the_gaussian_mean_of_its_width(sigma: float) -> None:
    torch.manual_seed(0)
    field, visible = torch.randn(1, 2, 64, 64), torch.ones(1, 1, 64, 64)
    for given in (visible, None):
        np.testing.assert_allclose(
            smoothed(field, given, sigma), smoothed(field, visible, sigma), atol=1e-5
        )
    found = smoothed(field, visible, sigma)[0, 0, 8:-8, 8:-8].numpy()
    wanted = ndimage.gaussian_filter(field[0, 0].numpy(), sigma)[8:-8, 8:-8]
    if sigma < 2:
        np.testing.assert_allclose(found, wanted, atol=0.02)
    else:  # halved and doubled: somewhat wider
        assert 0.6 * wanted.std() < found.std() < wanted.std()
        assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9


def test_every_step_but_the_first_starts_from_a_smoothed_estimate() -> None:
    torch.manual_seed(0)
    start = torch.randn(1, 2, 45, 64)
    fluid = torch.ones(1, 1, 45, 64)
    fluid[..., :12, :20] = 0
    one, two, three = network(BARE, trained=False)(*frames(45, 64), start, fluid, steps=3)
    np.testing.assert_array_equal(one.displacement, start)
    np.testing.assert_array_equal(two.displacement[..., :12, :20], start[..., :12, :20])
    once = smoothed(start, fluid, 0.8)
    # the padding below is hidden, as the fluid's complement is
    np.testing.assert_allclose(two.displacement[..., 20:40, :], once[..., 20:40, :], atol=1e-6)
    twice = smoothed(once, fluid, 0.8)
    np.testing.assert_allclose(three.displacement[..., 20:38, :], twice[..., 20:38, :], atol=1e-6)


def test_the_last_step_mixes_in_as_much_as_its_features_say() -> None:
    first, second = frames(48, 64)
    torch.manual_seed(5)
    start = torch.randn(1, 2, 48, 64)
    net = network(BLENDS)
    plain = network(replace(BLENDS, blend=()))
    plain.load_state_dict({k: t for k, t in net.state_dict().items() if ".blend." not in k})
    before = plain(first, second, start, steps=3)
    after = net(first, second, start, steps=3)
    for a, b in zip(before, after, strict=True):  # without shares nothing is mixed in
        assert torch.equal(a.displacement, b.displacement)
    net.later_steps.blend.bias += torch.tensor([0.25, 0.5])
    mixed = net(first, second, start, steps=3)
    for n in (0, 1):  # no step but the last
        assert torch.equal(mixed[n].displacement, before[n].displacement)
    whole, visible = before[2].displacement, torch.ones(1, 1, 48, 64)
    wanted = 0.25 * whole + 0.25 * smoothed(whole, visible, 0.8) + 0.5 * smoothed(whole, visible, 2)
    np.testing.assert_allclose(mixed[2].displacement, wanted, atol=1e-4)
    assert torch.equal(mixed[2].log_scale, before[2].log_scale)


def test_shares_are_bounded() -> None:
    torch.manual_seed(0)
    field, visible = torch.randn(1, 2, 32, 32), torch.ones(1, 1, 32, 32)
    mean = smoothed(field, visible, 0.8)
    found = blended(field, visible, (0.8,), torch.full((1, 1, 16, 16), 7.0))
    np.testing.assert_allclose(found, mean, atol=1e-6)


def test_a_blend_is_learned_grows_from_none_and_stays() -> None:
    small = network(SMALL)
    assert can_grow(SMALL, BLENDS)
    assert can_grow(SMALL, replace(SMALL, smooth=1.0))
    assert not can_grow(BLENDS, SMALL)
    assert not can_grow(BLENDS, replace(BLENDS, blend=(0.8, 3.0)))
    torch.manual_seed(1)
    large = grown(small, BLENDS)
    first, second = frames(48, 64)
    torch.manual_seed(5)
    start = torch.randn(1, 2, 48, 64)
    with torch.no_grad():
        wanted = small(first, second, start)[-1].displacement
    got = large(first, second, start)[-1].displacement
    np.testing.assert_allclose(got.detach(), wanted, atol=1e-5)
    got.square().sum().backward()
    assert large.later_steps.blend.weight.grad.any()
    assert large.first_step.blend is None
    large.later_steps.blend.bias.data += 0.5
    more = grown(large, replace(BLENDS, image_widths=(9, 12, 16)))
    assert torch.equal(more.later_steps.blend.bias, large.later_steps.blend.bias)
    assert not more.later_steps.blend.weight[:, 8:].any()
    narrow = narrowed_network(large, replace(BLENDS, image_widths=(6, 12, 16)))
    assert narrow.later_steps.blend.weight.shape == (2, 6, 1, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"smooth": -1.0}, "smooth must be 0 or more, not -1.0"),
        ({"smooth": float("nan")}, "smooth must be 0 or more, not nan"),
        ({"blend": (0.8, 0.0)}, "blend must be a list of numbers above 0, not 0.0"),
        ({"base_sigmas": 3.0}, "base_sigmas must be a list of numbers above 0, not 3.0"),
        ({"base_sigmas": (0.0,)}, "base_sigmas must be a list of numbers above 0"),
        ({"image_widths": (8, 4.5, 6)}, "image_widths must be a list of whole numbers from 1"),
        ({"image_widths": (), "velocity_widths": ()}, "image_widths must name at least one level"),
        ({"velocity_widths": (4, 0, 4)}, "velocity_widths must be a list of whole numbers"),
        ({"radius": 1.5}, "radius must be a whole number from 0, not 1.5"),
        ({"memory": "16"}, "memory must be a whole number from 0, not '16'"),
        ({"memory": -1}, "memory must be a whole number from 0, not -1"),
        ({"turned": "yes"}, "turned must be true or false, not 'yes'"),
        ({"spline": 4}, "spline must be 3 or 5, not 4"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(SMALL, **wrong)


def test_plain_data_give_the_settings() -> None:
    plain = {"image_widths": [8, 12, 16], "velocity_widths": [4, 4, 4], "blend": [0.8, 2.0]}
    assert CCFCNConfig.from_dict(plain) == BLENDS


def test_one_level_is_enough() -> None:
    config = CCFCNConfig(image_widths=(6,), velocity_widths=(4,), smooth=0.8, blend=(2.0,))
    result = network(config)(*frames(34, 38), torch.zeros(1, 2, 34, 38), steps=2)[-1]
    assert result.displacement.shape == (1, 2, 34, 38)
