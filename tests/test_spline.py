"""What image deformation promises: exact B-splines, whatever the size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from piv.filters import gaussian, gaussian_kernel, halve, separable
from piv.spline import coefficients, deform_pair, sample, seen_in_both


@pytest.mark.parametrize("degree", [3, 5])
@pytest.mark.parametrize("shape", [(40, 61), (33, 32), (7, 130)])
def test_interpolation_equals_scipy(
    degree: int, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    image = rng.random(shape)
    x = rng.uniform(-3, shape[1] + 2, (1, 9, 11))
    y = rng.uniform(-3, shape[0] + 2, (1, 9, 11))
    ours = sample(
        coefficients(torch.tensor(image, dtype=torch.float32)[None, None], degree),
        torch.tensor(x, dtype=torch.float32),
        torch.tensor(y, dtype=torch.float32),
        degree,
    )
    theirs = ndimage.map_coordinates(image, [y[0], x[0]], order=degree, mode="mirror")
    np.testing.assert_allclose(ours[0, 0].numpy(), theirs, atol=1e-4)


def test_strips_and_bands_make_no_difference(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    frames = [coefficients(torch.rand(1, 1, 50, 70), 3) for _ in range(2)]
    displacement = torch.from_numpy(rng.normal(size=(1, 2, 50, 70)).astype(np.float32))
    whole = deform_pair(frames[0], frames[1], displacement, 3)
    before = torch.get_num_threads()
    monkeypatch.setattr("piv.spline._STRIP", 70 * 13)
    for threads in (1, 2, 3):  # whose bands leave rows over
        torch.set_num_threads(threads)
        try:
            pieces = deform_pair(frames[0], frames[1], displacement, 3)
        finally:
            torch.set_num_threads(before)
        for one, other in zip(whole, pieces, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_frames_move_by_half_the_displacement_each() -> None:
    ramp = torch.arange(60.0).expand(1, 1, 40, 60).contiguous()
    spline = coefficients(ramp, 5)
    displacement = torch.zeros(1, 2, 40, 60)
    displacement[:, 0] = 3.0
    first, second = deform_pair(spline, spline, displacement, 5)
    inner = slice(20, 40)
    np.testing.assert_allclose(first[0, 0, :, inner], ramp[0, 0, :, inner] - 1.5, atol=1e-3)
    np.testing.assert_allclose(second[0, 0, :, inner], ramp[0, 0, :, inner] + 1.5, atol=1e-3)


def test_pixels_that_come_from_outside_or_from_a_body_are_not_seen() -> None:
    displacement = torch.zeros(1, 2, 40, 50)
    displacement[:, 0] = 8.0
    fluid = torch.ones(1, 40, 50)
    fluid[:, 10:20, 20:30] = 0
    seen = seen_in_both(fluid, displacement)[0]
    assert seen[:, :4].sum() == 0  # x - 4 lies outside in the first frame
    assert seen[:, 46:].sum() == 0  # x + 4 in the second
    assert seen[15, 16:34].sum() == 0  # the body, 4 px to either side
    assert seen[15, 4:16].min() == 1
    assert seen[15, 34:46].min() == 1
    whole = seen_in_both(None, displacement)[0]
    assert whole[15, 4:46].min() == 1
    np.testing.assert_array_equal(seen_in_both(torch.ones(1, 40, 50), displacement)[0], whole)


@pytest.mark.parametrize("shape", [(40, 61), (5, 300), (130, 3)])
@pytest.mark.parametrize("sigma", [0.7, 2.0, 8.0])
def test_gaussian_equals_scipy(
    shape: tuple[int, int], sigma: float, rng: np.random.Generator
) -> None:
    image = rng.random(shape)
    ours = gaussian(torch.tensor(image, dtype=torch.float32)[None], sigma)[0].numpy()
    radius = len(gaussian_kernel(sigma)) // 2
    theirs = ndimage.gaussian_filter(image, sigma, mode="mirror", radius=radius)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_zeros_outside_when_not_mirrored() -> None:
    out = separable(torch.ones(1, 6, 9), (0.25, 0.5, 0.25), mirror=False)[0]
    assert out[0, 0] == pytest.approx(0.75**2)
    assert out[3, 4] == pytest.approx(1)


def test_halving_is_the_mean_of_four() -> None:
    values = torch.arange(24.0).reshape(4, 6)
    np.testing.assert_allclose(halve(values)[0, 0], (0 + 1 + 6 + 7) / 4)
    assert halve(values).shape == (2, 3)
