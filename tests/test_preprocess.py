"""What is done to the frames before anything is measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pairs import uniform_pair

from piv.errors import InputError
from piv.preprocess import check_contrast, crop, local_contrast, preprocess, subtract_background
from piv.settings import PreprocessSettings
from piv.types import ImagePair

SHAPE = (72, 100)


@pytest.fixture
def pair() -> ImagePair:
    return uniform_pair(SHAPE, 1.5, -0.5)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.from_numpy(uniform_pair((96, 160), 0, 0, density=0.08).first.astype(np.float32))


def test_default_settings_leave_the_pair_alone(pair: ImagePair) -> None:
    assert preprocess(pair, PreprocessSettings()) is pair


def test_a_region_is_left_top_width_height(pair: ImagePair) -> None:
    part = crop(pair, (10, 20, 64, 40))
    assert part.shape == (40, 64)
    assert_array_equal(part.first, pair.first[20:60, 10:74])
    assert_array_equal(part.second, pair.second[20:60, 10:74])


def test_a_region_takes_its_part_of_the_mask(pair: ImagePair) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[25, 15] = True
    masked = ImagePair(pair.first, pair.second, mask=mask, dt=0.5, name="a")
    part = crop(masked, (10, 20, 64, 40))
    assert part.mask is not None
    assert part.mask[5, 5]
    assert part.mask.sum() == 1
    assert (part.dt, part.name) == (0.5, "a")


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ((-1, 0, 40, 40), "leaves the frame"),
        ((0, 40, 40, 40), r"leaves the frame of 72 x 100 px \(height x width\)"),
        ((70, 0, 40, 40), "leaves the frame"),
        ((0, 0, 31, 40), r"is 40 x 31 px \(height x width\): at least 32 x 32"),
        ((0, 0, 40), "left, top, width and height"),
    ],
)
def test_a_region_that_cannot_be_is_refused(
    pair: ImagePair, region: tuple[int, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        crop(pair, region)


def test_a_region_all_under_the_mask_is_refused(pair: ImagePair) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:, :50] = True
    with pytest.raises(InputError, match="mask hides every pixel of the region"):
        crop(ImagePair(pair.first, pair.second, mask=mask), (0, 0, 40, 40))


def test_a_background_is_subtracted_and_nothing_falls_below_zero(pair: ImagePair) -> None:
    background = np.full(SHAPE, 30, np.uint8)
    clean = subtract_background(pair, background)
    assert clean.first.dtype == np.float32
    assert_array_equal(clean.first, np.maximum(pair.first.astype(int) - 30, 0))
    assert_array_equal(clean.second, np.maximum(pair.second.astype(int) - 30, 0))


def test_two_backgrounds_belong_to_one_frame_each(pair: ImagePair) -> None:
    clean = subtract_background(pair, (pair.first, np.zeros(SHAPE)))
    assert not clean.first.any()
    assert_array_equal(clean.second, pair.second)


@pytest.mark.parametrize(
    ("background", "words"),
    [(np.zeros((100, 72)), "100 x 72 px, but the frames are 72 x 100"),
     (np.full(SHAPE, np.nan), "NaN")],
)  # fmt: skip
def test_a_background_that_does_not_fit_is_refused(
    pair: ImagePair, background: np.ndarray, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        subtract_background(pair, background)


def test_local_contrast_evens_out_light_that_falls_off(image: torch.Tensor) -> None:
    light = torch.linspace(0.2, 1.0, image.shape[1])
    even = local_contrast(image * light + 50 * light)
    dim, bright = even[:, 24:56].std(), even[:, -56:-24].std()
    # the raw deviation differs by a factor of 2.9 there; normalised, it was measured within 1 %
    assert dim / bright == pytest.approx(1.0, abs=0.08)
    assert even.mean().abs() < 0.02


@pytest.mark.parametrize(("gain", "offset"), [(16.0, 0.0), (0.01, 3.0), (1.0, -1000.0)])
def test_local_contrast_does_not_change_with_gain_and_offset(
    image: torch.Tensor, gain: float, offset: float
) -> None:
    assert_allclose(
        local_contrast(gain * image + offset), local_contrast(image), atol=2e-3
    )  # float32 keeps 7 digits of grey levels near 1000


def test_local_contrast_does_not_blow_up_the_noise_of_an_empty_region(
    image: torch.Tensor, rng: np.random.Generator
) -> None:
    noisy = image + torch.from_numpy(rng.normal(0, 0.5, image.shape).astype(np.float32))
    noisy[:, 80:] = torch.from_numpy(rng.normal(0, 0.5, (96, 80)).astype(np.float32))
    normalised = local_contrast(noisy)
    assert normalised[:, 120:].std() < 0.25 * normalised[:, :60].std()


def test_local_contrast_of_a_flat_frame_is_zero() -> None:
    assert not local_contrast(torch.full((2, 40, 56), 7.0)).any()


def test_local_contrast_ignores_what_is_not_fluid(image: torch.Tensor) -> None:
    fluid = np.ones(tuple(image.shape), bool)
    fluid[20:50, 40:80] = False
    glare = image.clone()
    glare[20:50, 40:80] = 1e5
    with_glare = local_contrast(glare, 8.0, fluid)
    assert_allclose(with_glare, local_contrast(image, 8.0, fluid), atol=1e-4)
    assert not with_glare[20:50, 40:80].any()


def test_local_contrast_treats_rows_and_columns_alike(image: torch.Tensor) -> None:
    assert_allclose(local_contrast(image.T), local_contrast(image).T, atol=1e-5)


def test_the_setting_normalises_both_frames(pair: ImagePair) -> None:
    done = preprocess(pair, PreprocessSettings(contrast="local", contrast_radius=6.0))
    for before, after in ((pair.first, done.first), (pair.second, done.second)):
        expected = local_contrast(torch.from_numpy(before.astype(np.float32)), 6.0)
        assert_array_equal(after, expected)


@pytest.mark.parametrize(
    ("level", "words"), [(0, "all black"), (200, r"of one grey level \(200\)")]
)
def test_a_frame_without_contrast_is_refused(pair: ImagePair, level: int, words: str) -> None:
    flat = np.full(SHAPE, level, np.uint8)
    with pytest.raises(InputError, match=f"the second frame is {words}"):
        check_contrast(ImagePair(pair.first, flat))
    with pytest.raises(InputError, match=f"the first frame is {words}"):
        check_contrast(ImagePair(flat, pair.second))


def test_contrast_under_the_mask_does_not_count(pair: ImagePair) -> None:
    frame = np.zeros(SHAPE, np.uint8)
    frame[:10] = 99
    mask = frame > 0
    with pytest.raises(InputError, match="all black outside the mask"):
        check_contrast(ImagePair(frame, pair.second, mask=mask))
    check_contrast(ImagePair(frame, pair.second))
