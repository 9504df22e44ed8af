"""What the network promises whatever its weights, and what its measured parts measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import SMALL, network
from pairs import flow_pair, uniform_pair
from scipy import ndimage

from piv.correlate import coarse_field
from piv.network import ccfcn
from piv.network.config import CCFCNConfig
from piv.network.grow import can_grow, grown
from piv.network.narrow import (
    _channels,
    can_narrow,
    can_narrow_network,
    narrowed,
    narrowed_network,
)
from piv.network.refine import OVERLAP, refine, tile_side
from piv.network.weights import Model
from piv.settings import CorrelateSettings, RefineSettings, ValidateSettings
from piv.types import Flag, ImagePair, VectorField


def model(**options: Any) -> Model:
    return Model("random", "", {}, network(**options), interval_68=1.0, interval_95=2.0)


def tensors(pair: ImagePair) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = (
        torch.from_numpy(f.astype(np.float32))[None, None] for f in (pair.first, pair.second)
    )
    return first, second


def coarse(pair: ImagePair) -> VectorField:
    return coarse_field(pair, CorrelateSettings(repeats=1), ValidateSettings())


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (64, 130), (101, 38)])
def test_any_size_from_32_px(shape: tuple[int, int]) -> None:
    first, second = tensors(uniform_pair(shape, 1.5, -0.5))
    results = network()(first, second, torch.zeros(1, 2, *shape), steps=3)
    assert len(results) == 3
    for result in results:
        assert result.displacement.shape == (1, 2, *shape)
        assert result.log_scale.shape == (1, 2, *shape)
        assert torch.isfinite(result.displacement).all()


def test_an_untrained_network_returns_its_least_squares_base() -> None:
    pair = uniform_pair((96, 128), 1.5, -0.5)
    start = torch.zeros(1, 2, 96, 128)
    start[:, 0], start[:, 1] = 1.2, -0.3
    result = network(trained=False)(*tensors(pair), start)[-1]
    np.testing.assert_array_equal(result.displacement, result.base)
    inner = result.displacement[0, :, 16:-16, 16:-16].mean((-2, -1))
    np.testing.assert_allclose(inner, [1.5, -0.5], atol=0.02)


def test_without_least_squares_an_untrained_network_returns_its_start() -> None:
    pair = uniform_pair((64, 96), 1.5, -0.5)
    start = torch.full((1, 2, 64, 96), 0.7)
    plain = replace(SMALL, base_sigmas=())
    result = network(plain, trained=False)(*tensors(pair), start)[-1]
    assert torch.equal(result.displacement, start)
    assert torch.equal(result.base, start)
    corrected = network(plain)(*tensors(pair), start)[-1]
    assert not torch.equal(corrected.displacement, corrected.base)
    assert not can_grow(plain, SMALL)


def test_the_frames_are_moved_by_the_spline_that_is_asked_for() -> None:
    pair = uniform_pair((64, 96), 1.5, -0.5)
    start = torch.zeros(1, 2, 64, 96)
    start[:, 0], start[:, 1] = 1.2, -0.3
    cubic, quintic = (
        network(replace(SMALL, spline=n), trained=False)(*tensors(pair), start)[0].displacement
        for n in (3, 5)
    )
    difference = (cubic - quintic)[..., 8:-8, 8:-8].abs()
    assert 1e-6 < float(difference.max()) < 0.02
    with pytest.raises(ValueError, match="spline must be 3 or 5, not 4"):
        CCFCNConfig(spline=4)


def test_the_steps_feed_each_other() -> None:
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5))
    start = torch.zeros(1, 2, 64, 96)
    one, two = network()(first, second, start, steps=2)
    assert not torch.equal(one.displacement, two.displacement)
    np.testing.assert_array_equal(
        network()(first, second, start, steps=1)[0].displacement, one.displacement
    )


@pytest.mark.parametrize(("gain", "offset"), [(16.0, 0.0), (0.01, 0.0), (1.0, 500.0)])
def test_grey_scale_comes_from_the_images(gain: float, offset: float) -> None:
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5, noise=0.02))
    start = torch.zeros(1, 2, 64, 96)
    plain = network()(first, second, start)[-1]
    scaled = network()(gain * first + offset, gain * second + offset, start)[-1]
    np.testing.assert_allclose(scaled.displacement, plain.displacement, atol=2e-3)


def test_what_lies_under_the_mask_does_not_matter() -> None:
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5))
    fluid = torch.ones(1, 1, 64, 96, dtype=torch.bool)
    fluid[..., 20:40, 30:60] = False
    start = torch.full((1, 2, 64, 96), 0.5)
    results = []
    for level in (0.0, 100.0):
        frames = [torch.where(fluid, frame, level) for frame in (first, second)]
        results.append(network()(*frames, start, fluid)[-1].displacement)
    seen = fluid[0, 0]
    np.testing.assert_allclose(results[1][0][:, seen], results[0][0][:, seen], atol=1e-3)


def test_a_uniform_motion_does_not_enter_the_velocity_pyramid_but_by_its_phase() -> None:
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(1, 2, 32, 48, generator=generator)
    np.testing.assert_allclose(
        ccfcn.velocity_features(field + 4.0), ccfcn.velocity_features(field), atol=1e-4
    )


def test_no_velocity_pyramid_is_a_network_too() -> None:
    config = CCFCNConfig(image_widths=(8, 12, 16), velocity_widths=())
    net = network(config)
    assert net.first_step.velocity_pyramid is None
    first, second = tensors(uniform_pair((40, 56), 1, 0))
    assert net(first, second, torch.zeros(1, 2, 40, 56))[-1].displacement.shape == (1, 2, 40, 56)


def test_config_survives_plain_data_and_refuses_nonsense() -> None:
    plain = {"image_widths": [8, 12, 16], "velocity_widths": [4, 4, 4]}
    assert CCFCNConfig.from_dict(plain) == SMALL
    with pytest.raises(ValueError, match="unknown network settings: depth"):
        CCFCNConfig.from_dict({"depth": 3})
    with pytest.raises(ValueError, match="differ in depth"):
        CCFCNConfig(image_widths=(8, 16), velocity_widths=(4,))


# ---------------------------------------------------------------- what is measured


def noise_image(shape: tuple[int, int], seed: int = 0) -> torch.Tensor:
    image = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(image, 1.0)
    return torch.from_numpy((smooth / smooth.std()).astype(np.float32))[None, None]


@pytest.mark.parametrize(("u", "v"), [(0, 0), (1, -2), (-2, 1)])
def test_the_plane_of_the_true_shift_is_the_highest(u: int, v: int) -> None:
    first = noise_image((64, 96))
    second = torch.roll(first, (v, u), dims=(-2, -1))
    planes = ccfcn.correlation_pyramid(first, second, radius=2, levels=3)
    assert [tuple(p.shape) for p in planes] == [(1, 25, 32, 48), (1, 25, 16, 24), (1, 25, 8, 12)]
    mean = planes[0].mean((0, 2, 3)).reshape(5, 5)
    row, column = divmod(int(mean.argmax()), 5)
    assert (column - 2, row - 2) == (u, v)


def test_least_squares_finds_small_displacements() -> None:
    image = noise_image((96, 128))[0, 0].numpy()
    moved = [ndimage.shift(image, (s * -0.2, s * 0.3), order=5, mode="mirror") for s in (-0.5, 0.5)]
    frames = [torch.from_numpy(m.astype(np.float32))[None, None] for m in moved]
    squares = ccfcn.least_squares(frames[0], frames[1], (3.0, 6.0, 12.0))
    assert squares.values.shape == (1, 6, 48, 64)
    inner = squares.values[0, :, 8:-8, 8:-8].mean((-2, -1)).reshape(3, 2)
    np.testing.assert_allclose(inner, [[0.3, -0.2]] * 3, atol=0.03)


def test_match_tells_particles_from_noise() -> None:
    first, other = noise_image((64, 96)), noise_image((64, 96), seed=1)
    assert ccfcn.local_match(first, first).mean() > 0.95
    assert ccfcn.local_match(first, other).mean().abs() < 0.05


def test_contrast_is_that_of_the_well_lit_part() -> None:
    image = 30 * noise_image((128, 192))
    dark = image.clone()
    dark[..., 96:] *= 0.01
    whole = ccfcn.well_lit_contrast(image, image, None)
    np.testing.assert_allclose(ccfcn.well_lit_contrast(dark, dark, None), whole, rtol=0.2)
    assert whole.shape == (1, 2)


# ---------------------------------------------------------------- the stage


def test_a_vector_and_an_uncertainty_at_every_pixel() -> None:
    pair = uniform_pair((90, 131), 2.4, -1.1)
    field = refine(pair, coarse(pair), model(), RefineSettings())
    assert field.shape == pair.shape
    for values in (field.u, field.v, field.uncertainty_u, field.uncertainty_v):
        assert values is not None
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert (np.asarray(field.uncertainty_u) > 0).all()
    np.testing.assert_array_equal(field.x, np.arange(131))
    np.testing.assert_array_equal(field.y, np.arange(90))


def test_masked_pixels_are_nan_and_flagged_and_nothing_else_is() -> None:
    mask = np.zeros((90, 131), dtype=bool)
    mask[30:60, 40:90] = True
    pair = uniform_pair((90, 131), 2.4, -1.1, mask=mask)
    field = refine(pair, coarse(pair), model(), RefineSettings())
    for values in (field.u, field.v, field.uncertainty_u, field.uncertainty_v):
        assert values is not None
        np.testing.assert_array_equal(np.isnan(values), mask)
    np.testing.assert_array_equal((field.flags & Flag.MASKED) != 0, mask)


def test_without_particles_it_is_the_coarse_field_and_says_so(rng: np.random.Generator) -> None:
    pair = uniform_pair((128, 192), 2.4, -1.1)
    frames = [
        frame.astype(np.float64) + rng.normal(0, 2, frame.shape)
        for frame in (pair.first, pair.second)
    ]
    for frame in frames:
        frame[:, 96:] = rng.normal(20, 2, (128, 96))  # camera noise only
    pair = ImagePair(*frames)
    start = coarse(pair)
    field = refine(pair, start, model(), RefineSettings())
    fallback = (field.flags & Flag.FALLBACK) != 0
    assert fallback[:, 130:].mean() > 0.95
    assert fallback[:, :80].mean() < 0.01
    assert np.isfinite(field.u).all()
    np.testing.assert_allclose(field.u[:, 150:][fallback[:, 150:]], 2.4, atol=0.5)
    assert np.asarray(field.uncertainty_u)[fallback].min() > 0.2


def test_the_same_pair_gives_the_same_numbers() -> None:
    pair = uniform_pair((64, 96), 2.4, -1.1)
    one, two = (refine(pair, coarse(pair), model(), RefineSettings()) for _ in range(2))
    np.testing.assert_array_equal(one.u, two.u)
    np.testing.assert_array_equal(one.uncertainty_v, two.uncertainty_v)


def test_tiles_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = uniform_pair((600, 300), 2.4, -1.1, density=0.03)
    start, weights = coarse(pair), model()
    precise = RefineSettings(precision="float32")
    whole = refine(pair, start, weights, precise)
    monkeypatch.setattr("piv.network.refine.tile_side", lambda *_: 4 * OVERLAP)
    tiles = refine(pair, start, weights, precise)
    assert np.abs(tiles.u - whole.u).max() < 5e-3
    assert np.abs(np.asarray(tiles.uncertainty_u) - np.asarray(whole.uncertainty_u)).max() < 5e-3


def test_the_memory_limit_sets_the_tiles() -> None:
    assert tile_side(500, 700, 2.0) == 700
    assert 4 * OVERLAP <= tile_side(5000, 5000, 1.0) < 2000
    # no pixel lies in more than two tiles along an axis, or their weights were not 1 together
    assert tile_side(5000, 5000, 0.05) == 4 * OVERLAP
    assert tile_side(5000, 5000, 0.1) < tile_side(5000, 5000, 1.0)


@pytest.mark.parametrize(
    "larger",
    [
        CCFCNConfig(image_widths=(10, 12, 20), velocity_widths=(4, 4, 4)),
        CCFCNConfig(image_widths=(8, 12, 16, 16), velocity_widths=(4, 4, 4, 6)),
        CCFCNConfig(image_widths=(9, 14, 16, 8, 8), velocity_widths=(4, 4, 4, 4, 4)),
        CCFCNConfig(
            image_widths=(8, 12, 16),
            velocity_widths=(4, 4, 4),
            base_sigmas=(1.5, 3.0, 6.0, 12.0),
        ),
        CCFCNConfig(
            image_widths=(8, 14, 16),
            velocity_widths=(4, 4, 4),
            base_sigmas=(2.0, 3.0, 6.0, 9.0, 12.0),
        ),
        CCFCNConfig(image_widths=(8, 14, 16), velocity_widths=(4, 4, 4), memory=3),
        CCFCNConfig(image_widths=(9, 12, 16, 8), velocity_widths=(4, 4, 4, 4), memory=5),
    ],
)
def test_a_grown_network_computes_what_the_small_one_did_and_can_learn_more(
    larger: CCFCNConfig,
) -> None:
    small = network()
    torch.manual_seed(1)
    large = grown(small, larger)
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5))
    start = torch.zeros(1, 2, 64, 96)
    with torch.no_grad():
        wanted = small(first, second, start)[-1]
    got = large(first, second, start)[-1]
    np.testing.assert_allclose(got.displacement.detach(), wanted.displacement, atol=1e-4)
    np.testing.assert_allclose(got.log_scale.detach(), wanted.log_scale, atol=1e-4)
    # every weight from a new channel to an old one begins at zero, and moves at once
    got.displacement.square().sum().backward()
    layer = large.later_steps.head.weight
    if larger.image_widths[0] > 8:
        assert not layer[8:].any()
        assert layer.grad[8:].any()
    if len(larger.image_widths) > 3:
        assert large.later_steps.deconvolution.up[2].weight.grad.any()
    if larger.memory:
        reading = large.later_steps.image_pyramid.fuse[0][0][0].weight
        assert not reading[:8, -larger.memory :].any()
        assert reading.grad[:8, -larger.memory :].any()


REMEMBERS = replace(SMALL, memory=4)


def test_a_step_hears_what_the_one_before_hands_on() -> None:
    net = network(REMEMBERS).requires_grad_(True)
    first, second = tensors(uniform_pair((48, 64), 1.5, -0.5))
    start = torch.zeros(1, 2, 48, 64)
    one, two = net(first, second, start)
    two.displacement.square().sum().backward()
    # a step's estimate is handed on without its gradient, so this one came with the memory
    assert net.first_step.keep.weight.grad.any()
    with torch.no_grad():
        net.first_step.keep.bias += 1.0
        again = net(first, second, start)
    assert torch.equal(again[0].displacement, one.displacement)
    assert not torch.allclose(again[1].displacement, two.displacement, atol=1e-4)


def test_memory_grows_and_does_not_shrink() -> None:
    assert can_grow(SMALL, REMEMBERS)
    assert not can_grow(REMEMBERS, SMALL)
    small = network(REMEMBERS)
    large = grown(small, replace(REMEMBERS, memory=6, image_widths=(9, 12, 16)))
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5))
    start = torch.zeros(1, 2, 64, 96)
    with torch.no_grad():
        wanted, got = small(first, second, start)[-1], large(first, second, start)[-1]
    np.testing.assert_allclose(got.displacement, wanted.displacement, atol=1e-4)


def test_a_network_with_memory_is_narrowed_too() -> None:
    wide = network(replace(REMEMBERS, turned=True))
    config = replace(REMEMBERS, image_widths=(6, 12, 16), first_widths=(5, 12, 16), turned=True)
    narrow = narrowed_network(wide, config)
    assert narrow.later_steps.keep.weight.shape == (4, 6, 1, 1)
    assert narrow.first_step.keep.weight.shape == (4, 5, 1, 1)
    # what is read of the memory stays as it was
    reads = [net.later_steps.image_pyramid.fuse[0][0][0].weight for net in (wide, narrow)]
    assert reads[1].shape[1] == reads[0].shape[1]
    assert all(any(torch.equal(new, old) for old in reads[0]) for new in reads[1])


@pytest.mark.parametrize("steps", [2, 3])
def test_a_turned_step_measures_the_same(steps: int) -> None:
    """Least squares do not care how the pair lies: nothing may be turned the wrong way or twice."""
    pair = flow_pair((47, 64), lambda x, y: (0.8 + 0.4 * np.sin(y / 8), 0.3 * np.cos(x / 9)))
    first, second = tensors(pair)
    start = torch.zeros(1, 2, 47, 64)
    start[:, 0] = 0.8
    fluid = torch.ones(1, 1, 47, 64)
    fluid[..., :20, :9] = 0
    plain, turned = (
        network(config, trained=False)(first, second, start, fluid, steps)
        for config in (SMALL, replace(SMALL, turned=True))
    )
    for one, other in zip(plain, turned, strict=True):
        for name in ("displacement", "base", "match"):
            a, b = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(b, a, atol=2e-3)
    assert float(plain[-1].displacement.std()) > 0.1  # a field in which places differ
    assert float(plain[-1].match.std()) > 0.006


def test_a_turned_step_sees_the_pair_afresh() -> None:
    first, second = tensors(uniform_pair((48, 64), 1.5, -0.5))
    start = torch.zeros(1, 2, 48, 64)
    for remembers in (SMALL, REMEMBERS):
        plain, turned = (
            network(config)(first, second, start, steps=3)
            for config in (remembers, replace(remembers, turned=True))
        )
        assert torch.equal(plain[0].displacement, turned[0].displacement)
        for n in (1, 2):
            assert not torch.allclose(plain[n].displacement, turned[n].displacement, atol=1e-3)


FIRST = CCFCNConfig(image_widths=(8, 12, 16), velocity_widths=(4, 4, 4), first_widths=(5, 6, 7))


def test_the_first_step_may_have_a_width_of_its_own() -> None:
    net = network(FIRST)
    assert net.first_step.head.weight.shape[0] == 5
    assert net.later_steps.head.weight.shape[0] == 8
    later = {name: t.shape for name, t in net.later_steps.state_dict().items()}
    assert later == {name: t.shape for name, t in network().later_steps.state_dict().items()}
    first, second = tensors(uniform_pair((40, 56), 1, 0))
    one, two = net(first, second, torch.zeros(1, 2, 40, 56))
    assert one.displacement.shape == two.displacement.shape == (1, 2, 40, 56)
    plain = {
        "image_widths": [8, 12, 16], "velocity_widths": [4, 4, 4], "first_widths": [5, 6, 7]
    }  # fmt: skip
    assert CCFCNConfig.from_dict(plain) == FIRST
    assert SMALL.first == SMALL
    assert FIRST.first.image_widths == (5, 6, 7)
    with pytest.raises(ValueError, match="first step differs in depth"):
        CCFCNConfig(image_widths=(8, 16), velocity_widths=(4, 4), first_widths=(8,))


@pytest.mark.parametrize("widths", [(10, 14, 20), (8, 12, 16)])
def test_a_network_grown_with_another_first_step_keeps_its_later_ones(
    widths: tuple[int, int, int],
) -> None:
    """The first step begins anew, as an untrained one: it returns the least squares."""
    small = network()
    torch.manual_seed(1)
    large = grown(small, replace(FIRST, image_widths=widths))
    assert not large.first_step.head.weight.any()
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5))
    start = torch.full((1, 2, 64, 96), 1.0)
    with torch.no_grad():
        wanted, got = small(first, second, start), large(first, second, start)
    assert torch.equal(got[0].displacement, got[0].base)
    assert not torch.equal(wanted[0].displacement, wanted[0].base)
    # from the same start the later steps do what they did
    for net in (small, large):
        net.first_step = network(trained=False).first_step
    with torch.no_grad():
        wanted, got = small(first, second, start)[-1], large(first, second, start)[-1]
    np.testing.assert_allclose(got.displacement, wanted.displacement, atol=1e-4)
    np.testing.assert_allclose(got.log_scale, wanted.log_scale, atol=1e-4)


def test_a_narrowed_step_computes_what_the_wide_one_does_with_its_other_channels_dead() -> None:
    wide = network().first_step
    config = FIRST.first
    generator = torch.Generator().manual_seed(3)
    layers = dict(wide.named_modules())
    for level, width in enumerate(config.image_widths):
        for makers, _ in _channels(level, len(config.image_widths)):
            number = SMALL.image_widths[level]
            dead = torch.randperm(number, generator=generator)[: number - width]
            for name in makers:
                layer = layers[name]
                with torch.no_grad():
                    axis = 1 if isinstance(layer, torch.nn.ConvTranspose2d) else 0
                    layer.weight.index_fill_(axis, dead, 0.0)
                    layer.bias.index_fill_(0, dead, 0.0)
    narrow = narrowed(wide, config)
    assert narrow.config == config
    first, second = tensors(uniform_pair((64, 96), 1.5, -0.5))
    start = torch.full((1, 2, 64, 96), 1.0)
    one, two = network(), network()
    one.first_step, two.first_step = wide, narrow
    with torch.no_grad():
        wanted, got = one(first, second, start, steps=1)[0], two(first, second, start, steps=1)[0]
    assert not torch.equal(wanted.displacement, wanted.base)
    np.testing.assert_allclose(got.displacement, wanted.displacement, atol=1e-5)
    np.testing.assert_allclose(got.log_scale, wanted.log_scale, atol=1e-5)


def test_a_first_step_that_stays_what_it_was_is_kept() -> None:
    small = network()
    plain = replace(SMALL, image_widths=(10, 12, 16), first_widths=SMALL.image_widths)
    for wider in (plain, replace(plain, smooth=0.8, blend=(0.8, 2.0))):
        assert can_grow(SMALL, wider)
        large = grown(small, wider)
        kept = zip(small.first_step.parameters(), large.first_step.parameters(), strict=True)
        assert all(torch.equal(old, new) for old, new in kept)


def test_a_network_takes_over_the_weightiest_channels_of_a_wider_first_step() -> None:
    small = network()
    narrow = narrowed_network(small, replace(SMALL, first_widths=(5, 12, 16)))
    assert torch.equal(narrow.first_step.deconvolution.bottom.first.weight,
                       small.first_step.deconvolution.bottom.first.weight)  # fmt: skip
    for old, new in zip(
        small.later_steps.parameters(), narrow.later_steps.parameters(), strict=True
    ):
        assert torch.equal(old, new)
    assert not can_narrow(SMALL, SMALL)
    assert not can_narrow(FIRST.first, SMALL)
    assert not can_narrow(SMALL, replace(FIRST.first, radius=1))
    with pytest.raises(ValueError, match="cannot be narrowed"):
        narrowed(narrow.first_step, SMALL)
    assert not can_narrow_network(SMALL, replace(SMALL, image_widths=(8, 12, 17)))
    with pytest.raises(ValueError, match="cannot be narrowed"):
        narrowed_network(small, SMALL)


def test_a_network_grows_in_channels_levels_and_windows_only() -> None:
    assert not can_grow(SMALL, SMALL)
    for other in (
        CCFCNConfig(image_widths=(7, 12, 16), velocity_widths=(4, 4, 4)),
        CCFCNConfig(image_widths=(8, 12), velocity_widths=(4, 4)),
        CCFCNConfig(image_widths=(9, 12, 16), velocity_widths=(4, 4, 5)),
        CCFCNConfig(image_widths=(9, 12, 16), velocity_widths=()),
        CCFCNConfig(image_widths=(9, 12, 16), velocity_widths=(4, 4, 4), radius=3),
        CCFCNConfig(  # another base
            image_widths=(8, 12, 16), velocity_widths=(4, 4, 4), base_sigmas=(3.0, 6.0, 12.0, 20.0)
        ),
    ):
        assert not can_grow(SMALL, other)
        with pytest.raises(ValueError, match="cannot be grown"):
            grown(network(), other)
