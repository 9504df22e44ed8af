"""What the coarse stage promises, stated on images whose displacement is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import flow_pair, uniform_pair, vortex

from piv.correlate import coarse_field, multipass
from piv.correlate.fft import correlation_planes, find_peaks
from piv.correlate.windows import at_every_pixel, centres, extract, window_starts
from piv.settings import CorrelateSettings, ValidateSettings
from piv.types import Flag, ImagePair, VectorField


def measure(pair: ImagePair, **options: Any) -> VectorField:
    settings_ = CorrelateSettings(**{"windows": (64, 32), "repeats": 4, **options})
    return coarse_field(pair, settings_, ValidateSettings())


SHAPE = (160, 224)
px = st.floats(-6, 6)


@pytest.fixture(scope="module")
def vortex_pair() -> ImagePair:
    return flow_pair(SHAPE, vortex(SHAPE), noise=0.02)


# ---------------------------------------------------------------- truth


@pytest.fixture(scope="module")
def large_uniform_pair() -> ImagePair:
    return uniform_pair((1024, 1024), 3.37, -1.62)


def test_bias_and_random_error_of_converged_32_px_windows(large_uniform_pair: ImagePair) -> None:
    field = measure(large_uniform_pair)
    assert field.valid.all()
    for component, truth in ((field.u, 3.37), (field.v, -1.62)):
        assert abs(component.mean() - truth) <= 0.007
        assert component.std() <= 0.01


@pytest.mark.parametrize(("u", "v"), [(25.0, 0.0), (-17.3, 17.6), (0.0, -25.0)])
def test_displacements_up_to_25_px_are_found(u: float, v: float) -> None:
    field = measure(uniform_pair((512, 640), u, v))
    assert max(field.attrs["windows"])[0] > 64  # the first window grew by itself
    assert np.abs(field.u[2:-2, 2:-2] - u).max() < 0.1
    assert np.abs(field.v[2:-2, 2:-2] - v).max() < 0.1


def test_the_first_window_does_not_grow_where_it_is_forbidden() -> None:
    pair = uniform_pair((256, 320), 25.0, 0.0)
    assert max(measure(pair, grow=False).attrs["windows"]) == [64, 64]
    assert max(measure(pair, largest_window=64).attrs["windows"]) == [64, 64]


@given(u=px, v=px)
@settings(max_examples=12)
@pytest.mark.parametrize("windows", [(64, 32), ((48, 24), (24, 32))])
def test_finds_a_uniform_displacement(windows: Any, u: float, v: float) -> None:
    if windows[0] == (48, 24):
        windows = ((48, 64), (24, 32))
    field = measure(uniform_pair((96, 144), u, v, density=0.08), windows=windows)
    assert abs(np.median(field.u) - u) < 0.03
    assert abs(np.median(field.v) - v) < 0.03


@pytest.mark.parametrize("rate", [0.05, -0.1])
def test_linear_flows_are_found_up_to_the_border(rate: float) -> None:
    pair = flow_pair(SHAPE, lambda x, y: (rate * (y - 80), 0 * x), density=0.08)
    field = measure(pair)
    assert field.valid.all()
    assert np.abs(field.u - rate * (field.y[:, None] - 80)).max() < 0.12
    assert np.abs(field.v).max() < 0.12


def test_a_vortex(vortex_pair: ImagePair) -> None:
    field = measure(vortex_pair)
    u, v = vortex(SHAPE)(*np.meshgrid(field.x, field.y))
    error = np.hypot(field.u - u, field.v - v)
    assert np.sqrt((error**2).mean()) < 0.15
    assert field.valid.mean() > 0.97


def test_a_last_pass_that_moves_a_patch_far_is_made_again_for_that_pair_alone() -> None:
    """The core of a strong vortex, which windows of 64 and 32 px do not resolve."""
    shape = (192, 224)
    strong = vortex(shape, peak=7.5, core=15.0)
    pairs = [
        flow_pair(shape, strong, density=0.15, diameter=1.6),
        uniform_pair(shape, 2.3, -1.4, density=0.15, diameter=1.6),
    ]
    once, twice = (CorrelateSettings(repeats=n, convergence=0.0, spline=3) for n in (1, 2))
    first, second = (
        torch.from_numpy(np.stack([getattr(pair, name) for pair in pairs]).astype(np.float32))
        for name in ("first", "second")
    )
    both = multipass(first, second, None, once, ValidateSettings())
    again = multipass(first, second, None, twice, ValidateSettings())
    np.testing.assert_array_equal(both.u[0], again.u[0])  # the vortex: as if it were asked for
    np.testing.assert_array_equal(both.ratio[0], again.ratio[0])
    assert not np.array_equal(both.u[1], again.u[1])  # the uniform flow: one pass was enough
    for n in range(2):
        alone = multipass(first[n : n + 1], second[n : n + 1], None, once, ValidateSettings())
        np.testing.assert_allclose(alone.u[0], both.u[n], atol=1e-4)


# ---------------------------------------------------------------- symmetry


def test_identical_frames_do_not_move(vortex_pair: ImagePair) -> None:
    field = measure(replace(vortex_pair, second=vortex_pair.first))
    assert np.abs(field.u).max() < 1e-4
    assert np.abs(field.v).max() < 1e-4


def test_swapping_the_frames_negates_the_displacement(vortex_pair: ImagePair) -> None:
    forward = measure(vortex_pair)
    backward = measure(replace(vortex_pair, first=vortex_pair.second, second=vortex_pair.first))
    np.testing.assert_allclose(backward.u, -forward.u, atol=1e-4)
    np.testing.assert_allclose(backward.v, -forward.v, atol=1e-4)


def test_transposing_the_frames_swaps_the_components(vortex_pair: ImagePair) -> None:
    plain = measure(vortex_pair)
    turned = measure(ImagePair(vortex_pair.first.T.copy(), vortex_pair.second.T.copy()))
    np.testing.assert_allclose(turned.u, plain.v.T, atol=1e-4)
    np.testing.assert_allclose(turned.v, plain.u.T, atol=1e-4)


def test_mirroring_the_frames_mirrors_the_field(vortex_pair: ImagePair) -> None:
    plain = measure(vortex_pair)
    mirrored = measure(
        ImagePair(vortex_pair.first[:, ::-1].copy(), vortex_pair.second[:, ::-1].copy())
    )
    np.testing.assert_allclose(mirrored.u, -plain.u[:, ::-1], atol=1e-4)
    np.testing.assert_allclose(mirrored.v, plain.v[:, ::-1], atol=1e-4)


def shifted(u: int, v: int) -> ImagePair:
    """Two views of one image that lie whole pixels apart: no noise, no interpolation, no loss."""
    still = uniform_pair((200, 270), 0, 0).first
    return ImagePair(still[20:180, 20:244], still[20 - v : 180 - v, 20 - u : 244 - u])


@pytest.mark.parametrize(("u", "v"), [(2, -2), (-6, 4), (12, 8)])
def test_a_whole_pixel_shift_is_exact(u: int, v: int) -> None:
    # even, so that half the displacement needs no interpolation either
    field = measure(shifted(u, v), convergence=0.0, repeats=8)
    np.testing.assert_allclose(field.u[2:-2, 2:-2], u, atol=1e-4)
    np.testing.assert_allclose(field.v[2:-2, 2:-2], v, atol=1e-4)


@pytest.mark.parametrize(("u", "v"), [(3, -1), (-7, 5)])
def test_an_odd_whole_pixel_shift_is_nearly_exact(u: int, v: int) -> None:
    # frames are interpolated at half pixels, whose mirrored continuation at the border is unequal
    field = measure(shifted(u, v))
    np.testing.assert_allclose(field.u[2:-2, 2:-2], u, atol=2e-3)
    np.testing.assert_allclose(field.v[2:-2, 2:-2], v, atol=2e-3)


@pytest.mark.parametrize(("gain", "offset"), [(16, 0), (0.2, 30.0), (5, -300.0)])
def test_brightness_and_contrast_do_not_matter(
    vortex_pair: ImagePair, gain: float, offset: float
) -> None:
    plain = measure(vortex_pair)
    frames = [
        frame.astype(np.float32) * gain + offset
        for frame in (vortex_pair.first, vortex_pair.second)
    ]
    scaled = measure(ImagePair(*frames))
    np.testing.assert_allclose(scaled.u, plain.u, atol=1e-4)
    np.testing.assert_allclose(scaled.v, plain.v, atol=1e-4)


def test_the_gain_of_one_frame_does_not_matter(vortex_pair: ImagePair) -> None:
    plain = measure(vortex_pair)
    scaled = measure(replace(vortex_pair, second=vortex_pair.second.astype(np.float32) * 0.3))
    np.testing.assert_allclose(scaled.u, plain.u, atol=1e-4)


# ---------------------------------------------------------------- limits and degenerate input


def test_a_window_without_contrast_is_flagged_and_filled() -> None:
    pair = uniform_pair((192, 256), 3.0, -2.0)
    frames = [frame.copy() for frame in (pair.first, pair.second)]
    for frame in frames:
        frame[:, 128:] = 0  # an unseeded half
    field = measure(ImagePair(*frames))
    dead = (field.flags & Flag.NO_CONTRAST) != 0
    assert dead[:, field.x > 160].all()
    assert not dead[:, field.x < 100].any()
    assert ((field.flags & Flag.REPLACED) != 0)[dead].all()
    np.testing.assert_allclose(field.u[dead], 3.0, atol=0.1)


def test_noise_without_particles_is_rejected(rng: np.random.Generator) -> None:
    frames = [rng.normal(100, 5, (192, 256)) for _ in range(2)]
    field = measure(ImagePair(*frames))
    assert field.valid.mean() < 0.2
    assert np.isfinite(field.u).all()


def test_a_masked_window_is_nan_and_its_neighbours_ignore_the_body() -> None:
    mask = np.zeros((192, 256), dtype=bool)
    mask[60:140, 90:170] = True
    pair = uniform_pair((192, 256), 3.0, -2.0, mask=mask)
    frames = [np.where(mask, 250, frame).astype(np.uint8) for frame in (pair.first, pair.second)]
    field = measure(ImagePair(frames[0], frames[1], mask=mask))
    hidden = (field.flags & Flag.MASKED) != 0
    assert hidden.any()
    assert np.isnan(field.u[hidden]).all()
    assert np.isnan(field.v[hidden]).all()
    assert np.isfinite(field.u[~hidden]).all()
    # a bright body that does not move would pull its neighbours to zero
    np.testing.assert_allclose(field.u[~hidden], 3.0, atol=0.15)
    np.testing.assert_allclose(field.v[~hidden], -2.0, atol=0.15)


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (40, 200), (501, 37)])
def test_small_and_odd_frames(shape: tuple[int, int]) -> None:
    field = measure(uniform_pair(shape, 1.5, -0.5, density=0.1))
    assert np.abs(np.median(field.u) - 1.5) < 0.1
    assert np.isfinite(field.u).all()


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_overlap_sets_the_spacing(overlap: float) -> None:
    field = measure(uniform_pair((160, 224), 2, 1), overlap=overlap)
    np.testing.assert_allclose(np.diff(field.x), 32 * (1 - overlap))
    np.testing.assert_allclose(np.diff(field.y), 32 * (1 - overlap))


def test_a_pair_gives_the_same_numbers_in_any_company(vortex_pair: ImagePair) -> None:
    from piv.correlate import multipass

    first, second = (
        torch.from_numpy(f.astype(np.float32))[None]
        for f in (vortex_pair.first, vortex_pair.second)
    )
    settings_ = CorrelateSettings(repeats=1), ValidateSettings()
    alone = multipass(first, second, None, *settings_)
    twice = multipass(torch.cat((first, first)), torch.cat((second, second)), None, *settings_)
    np.testing.assert_allclose(twice.u[1], alone.u[0], atol=1e-4)


# ---------------------------------------------------------------- parts


def test_planes_are_not_pulled_towards_zero() -> None:
    pair = uniform_pair((512, 640), 3.37, -1.62)
    rows, columns = (window_starts(size, 32, 0.5) for size in (512, 640))
    a, b = (
        extract(torch.from_numpy(frame.astype(np.float32))[None], rows, columns, (32, 32))
        for frame in (pair.first, pair.second)
    )
    peaks = find_peaks(correlation_planes(a, b, None, (16, 16)).values)
    # measured 0.004 at most; not divided by the overlap: -0.035 and +0.032 px
    assert peaks.u.mean().item() == pytest.approx(3.37, abs=0.01)
    assert peaks.v.mean().item() == pytest.approx(-1.62, abs=0.01)


def test_a_masked_plane_equals_the_plain_one_where_nothing_is_hidden() -> None:
    pair = uniform_pair((48, 64), 3.0, -2.0)
    a, b = (torch.from_numpy(f.astype(np.float32))[None] for f in (pair.first, pair.second))
    ones = torch.ones_like(a)
    plain = correlation_planes(a, b, None, (12, 16)).values
    masked = correlation_planes(a, b, ones, (12, 16)).values
    np.testing.assert_allclose(masked, plain, atol=2e-4)


def test_peaks_of_known_planes() -> None:
    y, x = torch.meshgrid(torch.arange(-6.0, 7), torch.arange(-9.0, 10), indexing="ij")

    def hill(u: float, v: float) -> torch.Tensor:
        return torch.exp(-((x - u) ** 2 + (y - v) ** 2) / 3)

    planes = torch.stack(
        (hill(2.3, -1.4), hill(9, 0), torch.zeros_like(x), hill(1, 1) + 0.5 * hill(-6, -3))
    )
    peaks = find_peaks(planes)
    assert peaks.u[0].item() == pytest.approx(2.3, abs=1e-4)
    assert peaks.v[0].item() == pytest.approx(-1.4, abs=1e-4)
    assert peaks.flags[0] == 0
    assert peaks.flags[1] & Flag.EDGE_PEAK
    assert peaks.flags[2] == Flag.NO_CONTRAST
    assert torch.isnan(peaks.u[2])
    assert peaks.ratio[3].item() == pytest.approx(2.0, rel=1e-3)


@given(
    size=st.integers(32, 500), window=st.integers(8, 128), overlap=st.sampled_from([0.0, 0.5, 0.75])
)
def test_windows_stay_in_the_frame_and_are_centred(size: int, window: int, overlap: float) -> None:
    if window > size:
        return
    starts = window_starts(size, window, overlap)
    assert starts[0] >= 0
    assert starts[-1] + window <= size
    middle = centres(starts, window)
    assert abs(middle[0] - (size - 1 - middle[-1])) <= 1


def test_interpolation_keeps_straight_lines_also_beyond_the_grid() -> None:
    y, x = torch.tensor([15.5, 31.5, 47.5]), torch.tensor([15.5, 31.5, 47.5, 63.5])
    grid = (0.3 * y[:, None] - 0.1 * x)[None]
    dense = at_every_pixel(grid, y, x, 64, 80)[0]
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    np.testing.assert_allclose(dense, 0.3 * rows - 0.1 * columns, atol=1e-4)
