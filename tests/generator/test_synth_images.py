"""Particles and camera: where they are, how large, how many, how bright, and what is lost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from synth import camera, flows, particles, spectral

PLAIN = {
    "density": 0.05,
    "diameter": 2.5,
    "diameter_spread": 0.0,
    "brightness_spread": 0.0,
    "loss_of_pairs": 0.0,
    "loss_by_motion": 1.0,
}


def one(y: float, x: float, diameter: float, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    position = torch.tensor([[y], [x]])
    single = torch.tensor([1.0])
    zero = torch.zeros(1, dtype=torch.long)
    return camera.render(position, diameter * single, single, zero, shape)[0].numpy()


@pytest.mark.parametrize("diameter", [1.0, 2.5, 5.0])
def test_pixels_integrate_the_gaussian(diameter: float) -> None:
    y, x, sigma = 17.3, 24.81, diameter / 4
    image = one(y, x, diameter)
    assert image.sum() == pytest.approx(2 * math.pi * sigma**2, rel=2e-3)
    scale = 1 / (math.sqrt(2) * sigma)
    along = [erf((n + 0.5 - x) * scale) - erf((n - 0.5 - x) * scale) for n in (24, 25)]
    across = erf((17.5 - y) * scale) - erf((16.5 - y) * scale)
    expected = [math.pi / 2 * sigma**2 * across * a for a in along]
    assert image[17, 24:26] == pytest.approx(expected, rel=1e-4)
    assert particles.mean_peak(diameter) == pytest.approx(one(17, 24, diameter).max(), rel=1e-4)


def test_diameter_is_the_e2_diameter() -> None:
    """The variance along an axis is (d/4)^2 and that of a pixel, 1/12."""
    for diameter in (3.0, 4.5, 6.0):  # below 3 px the pixels shift the centroid
        image = one(20.2, 25.4, diameter).astype(np.float64)
        columns = np.arange(50)
        weight = image.sum(0) / image.sum()
        mean = (weight * columns).sum()
        variance = (weight * (columns - mean) ** 2).sum()
        assert mean == pytest.approx(25.4, abs=2e-3)
        assert variance == pytest.approx((diameter / 4) ** 2 + 1 / 12, rel=0.01)


def test_partly_visible_particles_and_frames() -> None:
    """A particle outside the image shines in as far as it reaches, in its own frame only."""
    whole = one(20.0, 3.0, 4.0)
    cut = one(20.0, -1.0, 4.0)
    assert np.allclose(cut[:, :46], whole[:, 4:], atol=1e-7)
    positions = torch.tensor([[5.0, 30.0], [10.0, 40.0]])
    both = camera.render(
        positions, torch.tensor([2.0, 3.0]), torch.ones(2), torch.tensor([0, 1]), (40, 50)
    ).numpy()
    assert np.unravel_index(both[0].argmax(), (40, 50)) == (5, 10)
    assert np.unravel_index(both[1].argmax(), (40, 50)) == (30, 40)
    assert both[0, 25:].max() == 0


def test_truth_is_what_the_particles_do(rng: np.random.Generator) -> None:
    """Centroids of single particles in both frames against the truth between the pixels."""
    flow = spectral.random_field(rng, (104, 136), spacing=1, wavelength=30, slope=3, shortest=12)
    truth = flow.on_grid((64, 96), "cpu")
    flow = flows.Sum(((3 / float(truth.abs().max()), flow),))
    truth = flows.on_grid(flow, (64, 96))
    y, x = torch.tensor([20.0, 41.0, 33.0]), torch.tensor([30.0, 70.0, 50.0])
    ones = torch.ones(3)
    start, end = particles.move(particles.Particles(y, x, 3 * ones, ones, ones), flow)
    rows, columns = np.mgrid[:64, :96]
    for i in range(3):
        centroids = []
        for position in (start, end):
            image = one(float(position[0, i]), float(position[1, i]), 3.0, (64, 96))
            image = image.astype(np.float64)
            centroids.append([(image * rows).sum(), (image * columns).sum()] / image.sum())
        v, u = centroids[1] - centroids[0]
        row, column = int(y[i]), int(x[i])
        assert u == pytest.approx(float(truth[0, row, column]), abs=1e-3)
        assert v == pytest.approx(float(truth[1, row, column]), abs=1e-3)
        middle = (centroids[0] + centroids[1]) / 2
        assert middle == pytest.approx([row, column], abs=1e-3)


def test_density_and_no_empty_rim(rng: np.random.Generator) -> None:
    shape, margin = (300, 400), (12.0, 9.0)
    seeds = particles.seed(rng, shape, margin, **PLAIN)
    area = (300 + 24) * (400 + 18)
    assert seeds.y.numel() == pytest.approx(0.05 * area, rel=0.05)
    assert float(seeds.y.min()) == pytest.approx(-12.5, abs=0.5)
    assert float(seeds.x.max()) == pytest.approx(400 - 0.5 + 9, abs=0.5)
    start, end = particles.move(seeds, flows.uniform(14.0, -18.0))
    for place in (start, end):
        rows, _ = np.histogram(place[0].numpy(), [-0.5, 3.5, 295.5, 299.5])
        assert rows[0] == pytest.approx(0.05 * 4 * 418, rel=0.3)
        assert rows[2] == pytest.approx(0.05 * 4 * 418, rel=0.3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("loss", [0.05, 0.3])
def test_loss_of_pairs(rng: np.random.Generator, loss: float, share: float) -> None:
    setting = {**PLAIN, "loss_of_pairs": loss, "loss_by_motion": share}
    seeds = particles.seed(rng, (500, 600), (0.0, 0.0), **setting)
    first, second = seeds.first > 0, seeds.second > 0
    number = 0.05 * 500 * 600
    assert int(first.sum()) == pytest.approx(number, rel=0.04)
    assert int(second.sum()) == pytest.approx(number, rel=0.04)
    both = first & second
    assert 1 - int(both.sum()) / int(first.sum()) == pytest.approx(loss, abs=0.012)
    brightness_stays = torch.equal(seeds.first[both], seeds.second[both])
    assert brightness_stays == (share == 0)


def test_spread_of_size_and_brightness(rng: np.random.Generator) -> None:
    setting = {**PLAIN, "diameter_spread": 0.2, "brightness_spread": 0.5}
    seeds = particles.seed(rng, (400, 500), (0.0, 0.0), **setting)
    assert float(seeds.diameter.mean()) == pytest.approx(2.5, rel=0.02)
    assert float(seeds.diameter.std()) == pytest.approx(0.5, rel=0.05)
    plain = particles.seed(rng, (400, 500), (0.0, 0.0), **PLAIN)
    assert float(plain.first.max()) <= 1
    assert float(plain.first.min()) >= math.exp(-2) * 0.999
    # ln(brightness) = -8 z^2 + spread: both variances add
    spread = seeds.first.log().var() - plain.first.log().var()
    assert math.sqrt(float(spread)) == pytest.approx(0.5, rel=0.06)


def test_autocorrelation_shows_the_diameter(rng: np.random.Generator) -> None:
    """The peak of Gaussian images is a Gaussian, sqrt(2) wider, and the pixels' triangle."""
    seeds = particles.seed(rng, (256, 320), (8.0, 8.0), **{**PLAIN, "diameter": 3.6})
    zero = torch.zeros(seeds.y.numel(), dtype=torch.long)
    place = torch.stack((seeds.y, seeds.x))
    image = camera.render(place, seeds.diameter, seeds.first, zero, (256, 320))[0].numpy()
    image = image - image.mean()
    plane = np.fft.ifft2(np.abs(np.fft.fft2(image)) ** 2).real
    at_one, at_two = plane[0, 1] / plane[0, 0], plane[0, 2] / plane[0, 0]
    # three-point Gaussian width at shifts 1 and 2: variance 2 ((d/4)^2 + 1/12)
    variance = 3 / (2 * math.log(at_one / at_two))
    assert 4 * math.sqrt(variance / 2 - 1 / 12) == pytest.approx(3.6, rel=0.06)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16), (16, np.uint16)])
def test_exposure_grey_levels(rng: np.random.Generator, bits: int, dtype: type) -> None:
    light = torch.tensor([0.0, 0.5, 1.0, 2.0]).expand(2, 3, 4)
    setting = camera.Exposure(bits=bits, peak=0.6, gain=0.5, offset=0.1)
    first, second = camera.expose(light, setting, rng)
    assert first.dtype == dtype
    top = 2**bits - 1
    assert first[0] == pytest.approx(np.array([0.06, 0.36, 0.66, 1.0]) * top, abs=0.51)
    assert second[0] == pytest.approx(np.array([0.06, 0.21, 0.36, 0.66]) * top, abs=0.51)


def test_noise_has_the_strength_asked_for(rng: np.random.Generator) -> None:
    light = torch.full((2, 200, 300), 0.5)
    setting = camera.Exposure(bits=16, peak=0.5, noise=0.03, electrons=1000)
    first, second = (f / (0.5 * 65535) for f in camera.expose(light, setting, rng))
    expected = math.sqrt(0.03**2 + 0.5 / 1000)
    assert first.std() == pytest.approx(expected, rel=0.02)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


def test_sheet_and_background(rng: np.random.Generator) -> None:
    sheet = camera.sheet_profile(rng, (60, 80), 0.5)
    assert sheet.shape == (2, 60, 80)
    assert float(sheet.min()) >= 0
    assert float(sheet.std()) > 0.01
    spots = camera.background(rng, (60, 80), 0.3)
    assert spots.shape == (60, 80)
    assert float(spots.min()) >= 0
    assert float(camera.background(rng, (60, 80), 0.0).abs().max()) == 0
