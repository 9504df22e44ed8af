"""The tests of plausibility, and filling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from piv.settings import ValidateSettings
from piv.types import Flag
from piv.validate import fill, nanmedian, normalised_median_test, validate

SHAPE = (1, 9, 14)


def linear(shape: tuple[int, ...] = SHAPE) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(
        torch.arange(float(shape[1])), torch.arange(float(shape[2])), indexing="ij"
    )
    return (2 + 0.5 * x - 0.3 * y)[None], (-1 + 0.2 * y)[None]


@pytest.mark.parametrize("where", [(4, 6), (0, 0), (0, 7), (8, 13)])
def test_an_outlier_is_found_and_nothing_else(where: tuple[int, int]) -> None:
    u, v = linear()
    u[0][where] += 5.0
    outlier = normalised_median_test(u, v)
    assert outlier[0][where]
    assert outlier.sum() == 1


def test_a_linear_field_passes_everywhere() -> None:
    assert not normalised_median_test(*linear()).any()


def test_isolated_vectors_are_not_judged() -> None:
    u = torch.full(SHAPE, torch.nan)
    u[0, 4, 6] = 50.0
    assert not normalised_median_test(u, u.clone()).any()


def test_each_test_sets_its_own_flag() -> None:
    u, v = linear()
    height, ratio = torch.full(SHAPE, 0.8), torch.full(SHAPE, 3.0)
    height[0, 1, 1], ratio[0, 2, 2] = 0.01, 1.05
    limits = ValidateSettings(largest=7.0)
    flags = validate(u, v, torch.zeros(SHAPE, dtype=torch.int32), height, ratio, limits)
    assert flags[0, 1, 1] & Flag.LOW_PEAK
    assert flags[0, 2, 2] & Flag.LOW_PEAK_RATIO
    far = torch.hypot(u, v) > 7
    assert far.any()
    np.testing.assert_array_equal((flags & Flag.OUT_OF_RANGE) != 0, far)
    unlimited = validate(
        u, v, torch.zeros(SHAPE, dtype=torch.int32), height, ratio, ValidateSettings()
    )
    assert not (unlimited & Flag.OUT_OF_RANGE).any()


def test_flags_so_far_are_kept() -> None:
    u, v = linear()
    before = torch.zeros(SHAPE, dtype=torch.int32)
    before[0, 3, 3] = int(Flag.EDGE_PEAK)
    ones = torch.ones(SHAPE)
    assert validate(u, v, before, ones, ones * 9, ValidateSettings())[0, 3, 3] & Flag.EDGE_PEAK


def test_filling_keeps_what_is_known_and_is_smooth() -> None:
    u, v = linear()
    keep = torch.ones(SHAPE, dtype=torch.bool)
    keep[0, 3:6, 5:9] = False
    broken = torch.where(keep, u, torch.nan)
    filled_u, filled_v = fill(broken, v, keep)
    np.testing.assert_array_equal(filled_u[keep], u[keep])
    np.testing.assert_array_equal(filled_v[keep], v[keep])
    np.testing.assert_allclose(filled_u[~keep], u[~keep], atol=0.15)


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_filling_is_always_finite(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    keep = torch.rand(2, 40, 61, generator=generator) < share
    u = torch.where(keep, 4.0, torch.nan)
    filled, _ = fill(u, u, keep)
    assert torch.isfinite(filled).all()
    np.testing.assert_allclose(filled, 4.0 if share else 0.0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_median_without_nan(count: int, rng: np.random.Generator) -> None:
    values = rng.normal(size=(6, 8)).astype(np.float32)
    values[:, count:] = np.nan
    np.testing.assert_allclose(
        nanmedian(torch.from_numpy(values)), np.nanmedian(values, axis=1), rtol=1e-6
    )
