"""The correction of the stated scale: it corrects that of the last step, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import SMALL, network
from scipy import ndimage

from piv.network.grow import can_grow, grown
from piv.network.narrow import narrowed_network
from piv.network.scale import EVIDENCE, LARGEST, around

CORRECTS = replace(SMALL, turned=True, scale_widths=(6, 8))


def frames(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    image = ndimage.gaussian_filter(torch.rand(height, width).numpy(), 1.0)
    first, second = (torch.from_numpy(np.roll(image, n, 1))[None, None] for n in (0, 1))
    return first, second, torch.randn(1, 2, height, width)


def test_only_the_scale_of_the_last_step_is_corrected() -> None:
    net = network(CORRECTS)
    plain = network(replace(CORRECTS, scale_widths=()))
    plain.load_state_dict({k: t for k, t in net.state_dict().items() if ".scale." not in k})
    # 45 and 64: padded to the stride
    with_it, without = (n(*frames(45, 64), steps=3) for n in (net, plain))
    for n in range(3):
        assert torch.equal(with_it[n].displacement, without[n].displacement)
    for n in range(2):
        assert torch.equal(with_it[n].log_scale, without[n].log_scale)
    change = with_it[2].log_scale - without[2].log_scale
    assert change.std() > 1e-3
    assert change.abs().max() <= LARGEST
    net.later_steps.scale.head.bias += 50.0  # it is bounded
    largest = net(*frames(45, 64), steps=3)[2].log_scale - without[2].log_scale
    np.testing.assert_allclose(largest, LARGEST, atol=1e-4)


def test_the_correction_follows_the_answer_and_not_the_rest_of_the_frame() -> None:
    """What is around is told from what is far away."""
    torch.manual_seed(0)
    quiet = torch.full((1, 2, 128, 128), 3.25)
    waves = quiet.clone()
    waves[:, 0, :, :40] += 0.5 * torch.sin(torch.arange(128) * (2 * torch.pi / 12))[:, None]
    match, scale = torch.full((1, 1, 128, 128), 0.9), torch.full((1, 2, 128, 128), -3.0)
    calm, moved = (around(f, 0 * f, match, scale) for f in (quiet, waves))
    assert calm.shape == (1, EVIDENCE, 32, 32)
    assert (moved - calm)[..., 2:8].abs().max() > 1.0
    np.testing.assert_allclose(moved[..., 24:], calm[..., 24:], atol=0.05)
    # the displacement itself does not enter, but for its phase between the pixels
    shifted = around(waves + 4.0, 0 * waves, match, scale)
    np.testing.assert_allclose(shifted, moved, atol=2e-3)
    assert torch.isfinite(around(0 * quiet, 0 * quiet, match / match, scale)).all()


def test_no_gradient_reaches_what_it_reads() -> None:
    net = network(CORRECTS).requires_grad_(True)
    last = net(*frames(48, 64), steps=2)[-1]
    body = [p for name, p in net.named_parameters() if ".scale." not in name]
    correction = last.log_scale.sum()
    with_it = torch.autograd.grad(correction, body, allow_unused=True)
    plain = network(replace(CORRECTS, scale_widths=())).requires_grad_(True)
    plain.load_state_dict({k: t for k, t in net.state_dict().items() if ".scale." not in k})
    sum_of_scales = plain(*frames(48, 64), steps=2)[-1].log_scale.sum()
    without = torch.autograd.grad(sum_of_scales, list(plain.parameters()), allow_unused=True)
    for one, other in zip(with_it, without, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.allclose(one, other, atol=1e-4)


def test_it_grows_from_none_and_stays() -> None:
    small = network(replace(CORRECTS, scale_widths=()))
    assert can_grow(small.config, CORRECTS)
    assert not can_grow(CORRECTS, small.config)
    assert not can_grow(CORRECTS, replace(CORRECTS, scale_widths=(6, 9)))
    torch.manual_seed(1)
    large = grown(small, CORRECTS).requires_grad_(False)
    for a, b in zip(small(*frames(48, 64)), large(*frames(48, 64)), strict=True):
        torch.testing.assert_close(a.displacement, b.displacement)
        torch.testing.assert_close(a.log_scale, b.log_scale)
    assert large.first_step.scale is None
    trained = network(CORRECTS)
    wider = grown(trained, replace(CORRECTS, image_widths=(10, 12, 16)))
    with torch.no_grad():
        a, b = (n(*frames(48, 64), steps=3)[-1].log_scale for n in (trained, wider))
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    narrow = narrowed_network(trained, replace(CORRECTS, image_widths=(6, 12, 16)))
    first = narrow.later_steps.scale.pyramid.levels[0][0].weight
    assert first.shape[1] == 6 + EVIDENCE
    kept = trained.later_steps.scale.pyramid.levels[0][0].weight
    assert torch.equal(first[:, 6:], kept[:, 8:])


def test_in_half_precision_it_says_nearly_the_same() -> None:
    net = network(CORRECTS)
    whole = net(*frames(64, 64), steps=2)[-1].log_scale
    with torch.autocast("cpu", torch.bfloat16):
        half = net(*frames(64, 64), steps=2)[-1].log_scale
    assert half.dtype == torch.float32
    assert (half - whole).abs().max() < 0.05


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="scale_widths must be a list of whole numbers from 1"):
        replace(SMALL, scale_widths=(8, 0))
