"""Quality figures, measured on images whose particles are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pairs import uniform_pair

from piv.errors import InputError
from piv.quality import (
    FIGURES,
    particle_diameter,
    peak_locking,
    seeding_density,
    summarise,
    warnings,
)
from piv.types import Flag, ImagePair, VectorField

SHAPE = (220, 300)


def _field(u: Any, v: Any, windows: Any = ((64, 64), (32, 32)), **changes: Any) -> VectorField:
    u, v = np.asarray(u, np.float32), np.asarray(v, np.float32)
    options = {"flags": np.zeros(u.shape, np.uint16), "attrs": {"windows": windows}, **changes}
    return VectorField(x=np.arange(u.shape[1]), y=np.arange(u.shape[0]), u=u, v=v, **options)


@pytest.mark.parametrize("diameter", [1.5, 2.0, 3.0, 4.5, 6.0])
@pytest.mark.parametrize(("density", "noise"), [(0.02, 0.0), (0.08, 0.02)])
def test_the_particle_diameter_is_found(diameter: float, density: float, noise: float) -> None:
    pair = uniform_pair(SHAPE, 1, 0, density=density, diameter=diameter, noise=noise)
    # measured over 1.5-6 px, 0.01-0.15 ppp, noise 0-5 %: within 6 %, 9 % at 1.5 px
    assert particle_diameter(pair) == pytest.approx(diameter, rel=0.09)


@pytest.mark.parametrize("diameter", [2.0, 3.0])
@pytest.mark.parametrize("density", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_seeding_density_is_found(diameter: float, density: float, noise: float) -> None:
    pair = uniform_pair(SHAPE, 1, 0, density=density, diameter=diameter, noise=noise)
    assert seeding_density(pair) == pytest.approx(density, rel=0.2)


def test_appearance_does_not_change_with_the_grey_scale() -> None:
    pair = uniform_pair(SHAPE, 1, 0, noise=0.01)
    scaled = ImagePair(pair.first * np.float32(40) + 7, pair.second * np.float32(40) + 7)
    assert particle_diameter(scaled) == pytest.approx(particle_diameter(pair), rel=1e-3)
    assert seeding_density(scaled) == pytest.approx(seeding_density(pair), rel=1e-2)


def test_a_masked_glare_does_not_count() -> None:
    pair = uniform_pair(SHAPE, 1, 0, noise=0.01)
    first, second, mask = pair.first.copy(), pair.second.copy(), np.zeros(SHAPE, bool)
    mask[60:150, 100:180] = True
    first[mask] = second[mask] = 255
    glare = ImagePair(first, second, mask=mask)
    assert particle_diameter(glare) == pytest.approx(particle_diameter(pair), rel=0.05)
    assert seeding_density(glare) == pytest.approx(seeding_density(pair), rel=0.1)


def test_half_an_empty_frame_halves_the_density() -> None:
    pair = uniform_pair((260, 512), 0, 0, density=0.04)
    first = pair.first.copy()
    first[:, 256:] = 0
    assert seeding_density(ImagePair(first, first)) == pytest.approx(
        0.5 * seeding_density(ImagePair(pair.first, pair.first)), rel=0.15
    )


def test_without_particles_nothing_is_invented() -> None:
    flat = np.zeros(SHAPE, np.uint8)
    flat[0, 0] = 1
    assert math.isnan(particle_diameter(ImagePair(flat * 0, flat * 0)))
    assert seeding_density(ImagePair(flat * 0, flat * 0)) == 0


def test_smooth_displacements_show_no_peak_locking() -> None:
    y, x = np.mgrid[:80, :120]
    u = 3 + 2.5 * np.sin(x / 17) * np.cos(y / 23)
    # over phases and amplitudes of such a field the index was at most 0.06
    assert peak_locking(_field(u, u.T[:80, :80][:, :1] * 0 + u)) < 0.1


def test_whole_displacements_are_full_peak_locking() -> None:
    y, x = np.mgrid[:80, :120]
    u = np.round(3 + 2.5 * np.sin(x / 17) * np.cos(y / 23))
    assert peak_locking(_field(u, -u)) == pytest.approx(1)


def test_a_sinusoidal_bias_gives_pi_times_its_amplitude(rng: np.random.Generator) -> None:
    u = rng.uniform(1, 6, (120, 150))
    biased = u - 0.04 * np.sin(2 * np.pi * u)
    assert peak_locking(_field(biased, biased)) == pytest.approx(np.pi * 0.04, abs=0.015)


def test_a_uniform_or_still_flow_cannot_tell() -> None:
    still = np.zeros((40, 60))
    assert math.isnan(peak_locking(_field(still, still)))
    assert math.isnan(peak_locking(_field(still + 3.4, still - 2)))


def _summary(**changes: Any) -> dict[str, float]:
    pair = uniform_pair(SHAPE, 1, 0)
    u = np.full((20, 30), 4.0)
    u[3, 4] = 10
    v = np.full((20, 30), -3.0)
    flags = np.zeros((20, 30), np.uint16)
    flags[0, :6] = Flag.REPLACED | Flag.MEDIAN_OUTLIER
    flags[10:, :] = Flag.MASKED
    u[0, 0] = 99  # replaced: must not count
    coarse = _field(u, v, **{"windows": [[32, 64]], "flags": flags, **changes})
    return summarise(pair, coarse, None)


def test_the_summary_counts_measured_vectors_outside_the_mask() -> None:
    assert _summary()["valid"] == pytest.approx(100 * (300 - 6) / 300)


def test_the_summary_takes_measured_vectors_only() -> None:
    summary = _summary()
    assert summary["median_displacement"] == pytest.approx(5)
    assert summary["largest_displacement"] == pytest.approx(np.hypot(10, 3))


def test_the_summary_has_the_figures_that_are_announced() -> None:
    assert tuple(_summary()) == FIGURES


def test_mean_displacement_and_peak_ratio_are_of_measured_vectors() -> None:
    pair = uniform_pair(SHAPE, 1, 0)
    u, flags = np.full((10, 12), 3.0), np.zeros((10, 12), np.uint16)
    u[:5] = 6.0
    u[0], flags[0] = 99.0, int(Flag.REPLACED)
    ratio = np.where(u == 3.0, 2.0, 4.0).astype(np.float32)
    ratio[0] = 50.0
    ratio[9, 0] = np.inf  # no second peak
    summary = summarise(pair, _field(u, 0 * u, flags=flags, extra={"peak_ratio": ratio}), None)
    assert summary["mean_displacement"] == pytest.approx((4 * 6 + 5 * 3) / 9)
    assert summary["median_peak_ratio"] == 2.0
    without = summarise(pair, _field(u, 0 * u), None)
    assert math.isnan(without["median_peak_ratio"])


def test_the_quarter_rule_is_per_component_and_side() -> None:
    summary = _summary()
    assert summary["first_window"] == 32
    assert summary["quarter_ratio"] == pytest.approx(max(10 / 16, 3 / 8))
    assert _summary(windows=[[64, 32]])["quarter_ratio"] == pytest.approx(10 / 8)


def test_the_dense_field_gives_the_displacement_where_there_is_one() -> None:
    pair = uniform_pair(SHAPE, 1, 0)
    coarse = _field(np.ones((10, 12)), np.zeros((10, 12)))
    dense = _field(np.full(SHAPE, 2.0), np.zeros(SHAPE))
    summary = summarise(pair, coarse, dense)
    assert summary["median_displacement"] == pytest.approx(2)
    assert summary["quarter_ratio"] == pytest.approx(1 / 16)


def test_a_calibrated_field_is_refused() -> None:
    with pytest.raises(InputError, match="px"):
        _summary(units="m/s", y_axis="up")


GOOD = {
    "valid": 99.0, "median_displacement": 3.0, "largest_displacement": 8.0, "first_window": 64.0,
    "quarter_ratio": 0.5, "particle_diameter": 2.5, "seeding_density": 0.05, "peak_locking": 0.05,
}  # fmt: skip


def test_a_good_recording_brings_no_warning() -> None:
    assert warnings(GOOD) == []
    unknown = {"particle_diameter": math.nan, "seeding_density": math.nan, "peak_locking": math.nan}
    assert warnings({**GOOD, **unknown}) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("valid", 70.0, "only 70 %"),
        ("quarter_ratio", 1.2, "a quarter of the first window"),
        ("particle_diameter", 1.6, "only 1.6 px wide"),
        ("seeding_density", 0.004, "thin"),
        ("peak_locking", 0.5, "whole pixels"),
    ],
)
def test_each_danger_brings_its_sentence(name: str, value: float, words: str) -> None:
    found = warnings({**GOOD, name: value})
    assert len(found) == 1
    assert words in found[0]
    assert "\n" not in found[0]


@pytest.mark.parametrize("seed", [12, 28, 32])
def test_noise_alone_may_leave_too_little_to_fit(seed: int) -> None:
    """One distance with a positive covariance is no slope; pytest makes a warning an error."""
    frames = np.random.default_rng(seed).integers(0, 255, (2, 64, 88)).astype(np.uint8)
    assert math.isnan(particle_diameter(ImagePair(frames[0], frames[1])))


@pytest.mark.parametrize("across", [False, True])
def test_particles_of_a_narrow_channel_are_measured(across: bool) -> None:
    diameter, density = 2.6, 0.05
    whole = uniform_pair((300, 300), 1, 0, density=density, diameter=diameter, noise=0.02)
    mask = np.ones(whole.shape, dtype=bool)
    mask[37:75] = False  # less than a third of any block
    pair = ImagePair(whole.first, whole.second, mask=mask.T.copy() if across else mask)
    assert particle_diameter(pair) == pytest.approx(diameter, rel=0.1)
    assert seeding_density(pair) == pytest.approx(density, rel=0.25)
