"""One test for each convention of docs/conventions.md, on images that are made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pairs import render as render_pixels

import piv
from piv.metrics import errors, mean_endpoint_error, vector_rms
from piv.post import vorticity
from piv.settings import from_dict
from piv.spline import coefficients, deform_pair
from piv.types import Calibration, Flag, Float, ImagePair, VectorField
from synth.camera import render
from synth.particles import seed

H, W = 160, 224
DENSITY, DIAMETER = 0.05, 2.5
Displacement = Callable[[Float, Float], tuple[Float, Float]]


def image(x: Float, y: Float, diameter: float = DIAMETER) -> Float:
    """Particles of one brightness."""
    return render_pixels(x, y, np.ones_like(x), diameter, (H, W))


def frames(displacement: Displacement, margin: float = 20.0) -> tuple[Float, Float]:
    """Particles at x - d/2 and at x + d/2, with d taken where they are at mid-time."""
    rng = np.random.default_rng(5)
    number = int(DENSITY * (H + 2 * margin) * (W + 2 * margin))
    x = rng.uniform(-margin, W - 1 + margin, number)
    y = rng.uniform(-margin, H - 1 + margin, number)
    u, v = displacement(x, y)
    return image(x - u / 2, y - v / 2), image(x + u / 2, y + v / 2)


def uniform(u: float, v: float) -> Displacement:
    return lambda x, y: (np.full_like(x, u), np.full_like(y, v))


def coarse(first: Any, second: Any, **arguments: Any) -> VectorField:
    return piv.analyse(first, second, model=None, **arguments).coarse


def inner(values: Float) -> Float:
    return values[..., 1:-1, 1:-1]


def test_convention_arrays_are_row_column() -> None:
    """A roll of the columns is u, a roll of the rows is v; the first axis of a field is y."""
    first, _ = frames(uniform(0, 0))
    field = coarse(first, np.roll(first, (2, -5), axis=(0, 1)))
    assert field.shape == (field.y.size, field.x.size)
    assert field.x.size > field.y.size  # as the image is wider than high
    np.testing.assert_allclose(inner(field.u), -5, atol=0.02)
    np.testing.assert_allclose(inner(field.v), 2, atol=0.02)


def test_convention_tensors_are_batch_channel_row_column_with_displacement_u_then_v() -> None:
    picture = torch.from_numpy(frames(uniform(0, 0))[0]).float()[None, None]
    displacement = torch.zeros(1, 2, H, W)
    displacement[:, 0] = 4.0  # u
    spline = coefficients(picture, 5)
    first, second = deform_pair(spline, spline, displacement, 5)
    part = np.s_[..., 8:-8, 8:-8]
    np.testing.assert_allclose(first[part], picture.roll(2, dims=3)[part], atol=1e-4)
    np.testing.assert_allclose(second[part], picture.roll(-2, dims=3)[part], atol=1e-4)


def test_convention_two_sizes_are_height_then_width() -> None:
    """A window of [16, 32] has 16 rows and 32 columns; half of each is the vector spacing."""
    settings = from_dict({"correlate": {"windows": [[32, 64], [16, 32]]}})
    field = coarse(*frames(uniform(1.5, -0.5)), settings=settings)
    assert field.y[1] - field.y[0] == 8
    assert field.x[1] - field.x[0] == 16
    assert ImagePair(np.zeros((40, 60)), np.zeros((40, 60))).shape == (40, 60)


def test_convention_y_and_v_point_down_until_calibrate_and_up_after_it() -> None:
    field = coarse(*frames(uniform(1.25, 3.0)))  # particles move right and down the image
    assert (field.units, field.y_axis) == ("px", "down")
    assert np.all(np.diff(field.y) > 0)
    assert np.median(field.u) == pytest.approx(1.25, abs=0.02)
    assert np.median(field.v) == pytest.approx(3.0, abs=0.02)

    metres = piv.calibrate(field.replace(dt=1e-3), Calibration(pixel_size=2e-5))
    assert (metres.units, metres.y_axis) == ("m/s", "up")
    assert np.all(np.diff(metres.y) < 0)  # rows keep the image's order
    assert np.all(np.diff(metres.x) > 0)
    np.testing.assert_allclose(metres.u, field.u * 0.02, rtol=1e-6)
    np.testing.assert_allclose(metres.v, field.v * -0.02, rtol=1e-6)


def test_convention_units_and_y_axis_are_in_every_file(tmp_path: Path) -> None:
    analysis = piv.analyse(*frames(uniform(1, 1)), model=None)
    path = tmp_path / "field.h5"
    piv.write_analysis(path, analysis)
    read = piv.read_field(path)
    assert (read.units, read.y_axis) == ("px", "down")
    calibrated = piv.analyse(
        *frames(uniform(1, 1)), model=None, calibration=Calibration(pixel_size=1e-5)
    )
    assert (calibrated.coarse.units, calibrated.coarse.y_axis) == ("m/s", "up")
    path = tmp_path / "calibrated.h5"
    piv.write_analysis(path, calibrated)
    read = piv.read_field(path)
    assert (read.units, read.y_axis) == ("m/s", "up")


def test_convention_the_centre_of_the_first_pixel_is_zero() -> None:
    """A particle at (x, y) peaks in column x, row y; windows lie at the mean of their pixels."""
    spot = image(np.array([30.0]), np.array([21.0]))
    assert np.unravel_index(spot.argmax(), spot.shape) == (21, 30)
    ours = render(
        torch.tensor([[21.0], [30.0]]),
        torch.tensor([DIAMETER]),
        torch.ones(1),
        torch.zeros(1).long(),
        (H, W),
    )[0]
    np.testing.assert_allclose(ours / ours.max(), spot / spot.max(), atol=1e-3)

    # the displacement of a stretching about (x_0, y_0) vanishes there
    x_0, y_0, rate = 111.0, 80.0, 0.06
    field = coarse(*frames(lambda x, y: (rate * (x - x_0), rate * (y - y_0))))
    slope_x, offset_x = np.polyfit(field.x[2:-2], np.median(field.u, axis=0)[2:-2], 1)
    slope_y, offset_y = np.polyfit(field.y[2:-2], np.median(field.v, axis=1)[2:-2], 1)
    assert -offset_x / slope_x == pytest.approx(x_0, abs=0.25)
    assert -offset_y / slope_y == pytest.approx(y_0, abs=0.25)


def test_convention_displacement_goes_from_first_to_second_frame_and_lies_at_mid_time() -> None:
    """A rotation has no radial displacement at mid-time; located in a frame it has rate^2 r / 2."""
    rate, x_0, y_0 = 0.08, (W - 1) / 2, (H - 1) / 2
    first, second = frames(lambda x, y: (-rate * (y - y_0), rate * (x - x_0)))
    field = coarse(first, second)
    x, y = np.meshgrid(field.x - x_0, field.y - y_0)
    part = np.s_[1:-1, 1:-1]
    squares = np.sum((x * x + y * y)[part])
    radial = np.sum((field.u * x + field.v * y)[part]) / squares
    turning = np.sum((field.v * x - field.u * y)[part]) / squares
    assert turning == pytest.approx(rate, rel=0.005)
    assert abs(radial) < 0.1 * rate**2 / 2
    swapped = coarse(second, first)
    np.testing.assert_allclose(inner(swapped.u), -inner(field.u), atol=2e-3)


def test_convention_vorticity_is_positive_counter_clockwise_calibrated_or_not() -> None:
    """Seen on the screen; a rigid rotation has twice its rate, per frame or per second."""
    rate = 0.03
    x, y = np.arange(60.0), np.arange(40.0)
    right, down = np.meshgrid(x - 20, y - 15)
    field = VectorField(
        x=x,
        y=y,
        u=(rate * down).astype(np.float32),  # the upper part moves left, the right one up
        v=(-rate * right).astype(np.float32),
        flags=np.zeros((40, 60), np.uint16),
        dt=1e-2,
    )
    np.testing.assert_allclose(vorticity(field), 2 * rate, rtol=1e-4)
    metres = piv.calibrate(field, Calibration(pixel_size=3e-5, origin=(7.0, 9.0)))
    np.testing.assert_allclose(vorticity(metres), 2 * rate / 1e-2, rtol=1e-4)


@pytest.mark.parametrize("change", ["12 bits in uint16", "dim", "gain and offset", "float"])
def test_convention_the_grey_scale_comes_from_the_images(change: str) -> None:
    levels = [np.round(frame / frame.max() * 200) for frame in frames(uniform(2.3, -1.4))]
    reference = coarse(*(frame.astype(np.uint8) for frame in levels))
    other = {
        "12 bits in uint16": [(frame * 16).astype(np.uint16) for frame in levels],
        "dim": [frame.astype(np.uint16) for frame in levels],
        "gain and offset": [(frame * 100 + 3000).astype(np.uint16) for frame in levels],
        "float": [(frame / 1e4).astype(np.float32) for frame in levels],
    }[change]
    field = coarse(*other)
    np.testing.assert_allclose(field.u, reference.u, atol=2e-3)
    np.testing.assert_allclose(field.v, reference.v, atol=2e-3)


@pytest.mark.parametrize("diameter", [2.0, 3.0, 4.5])
def test_convention_particle_diameter_is_the_e_minus_2_diameter(diameter: float) -> None:
    """Four standard deviations of the Gaussian: its light falls to e^-2 at half the diameter."""
    x_0, y_0 = 40.3, 30.6
    spot = (
        render(
            torch.tensor([[y_0], [x_0]]),
            torch.tensor([diameter]),
            torch.ones(1),
            torch.zeros(1).long(),
            (64, 80),
        )[0]
        .double()
        .numpy()
    )
    column = np.arange(80) - x_0
    variance = (spot.sum(axis=0) * column**2).sum() / spot.sum()
    # a pixel's own width adds 1/12 px^2
    assert 4 * np.sqrt(variance - 1 / 12) == pytest.approx(diameter, rel=0.02)


def test_convention_seeding_density_is_particles_per_pixel() -> None:
    particles = seed(
        np.random.default_rng(1),
        (400, 600),
        (10.0, 12.0),
        density=0.05,
        diameter=2.5,
        diameter_spread=0.1,
        brightness_spread=0.3,
        loss_of_pairs=0.1,
        loss_by_motion=0.5,
    )
    inside = (
        (particles.y >= -0.5)
        & (particles.y < 399.5)
        & (particles.x >= -0.5)
        & (particles.x < 599.5)
    )
    for brightness in (particles.first, particles.second):
        seen = int((inside & (brightness > 0)).sum())
        assert seen / (400 * 600) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 / (400 * 600)))


def test_convention_endpoint_error_is_the_mean_length_and_vector_rms_its_root_mean_square() -> None:
    truth = np.zeros((1, 2))
    e = errors(np.array([[3.0, 0.0]]), np.array([[4.0, 0.0]]), truth, truth)
    assert mean_endpoint_error(e) == pytest.approx(2.5)
    assert vector_rms(e) == pytest.approx(np.sqrt(12.5))


def test_convention_nan_means_no_value_flags_say_why_and_zero_is_a_measurement() -> None:
    first, _ = frames(uniform(0, 0))
    mask = np.zeros((H, W), np.bool_)  # True = not fluid
    mask[40:120, 60:150] = True
    field = coarse(first, first.copy(), mask=mask)
    hidden = np.isnan(field.u)
    assert hidden.any()
    assert not hidden.all()
    np.testing.assert_array_equal(hidden, np.isnan(field.v))
    np.testing.assert_array_equal(hidden, (field.flags & Flag.MASKED) != 0)
    away = field.flags == 0
    assert away.mean() > 0.5
    np.testing.assert_allclose(field.u[away], 0, atol=0.05)
    for n, y in enumerate(field.y):
        for m, x in enumerate(field.x):
            assert hidden[n, m] == mask[round(y), round(x)]


def test_convention_flag_bits_are_never_renumbered() -> None:
    assert {flag.name: flag.value for flag in Flag} == {
        "MASKED": 1,
        "EDGE_PEAK": 2,
        "NO_SUBPIXEL": 4,
        "LOW_PEAK_RATIO": 8,
        "MEDIAN_OUTLIER": 16,
        "OUT_OF_RANGE": 32,
        "DISAGREES": 64,
        "REPLACED": 128,
        "NO_CONTRAST": 256,
        "FALLBACK": 512,
        "STD_OUTLIER": 1024,
        "LOW_PEAK": 2048,
        "POOR_IMAGE": 4096,
        "TEMPORAL_OUTLIER": 8192,
        "MANUAL": 16384,
    }


def test_convention_the_dense_field_has_a_value_and_an_uncertainty_at_every_pixel() -> None:
    """Also where there are no particles; NaN only under the mask."""
    first, second = frames(uniform(2.4, -1.3))
    first[:, :60], second[:, :60] = 0, 0  # an unseeded band
    mask = np.zeros((H, W), np.bool_)
    mask[100:130, 150:190] = True
    dense = piv.analyse(first, second, mask=mask).dense
    assert dense is not None
    assert dense.shape == (H, W)
    np.testing.assert_array_equal(dense.x, np.arange(W))
    np.testing.assert_array_equal(dense.y, np.arange(H))
    for values in (dense.u, dense.v, dense.uncertainty_u, dense.uncertainty_v):
        assert values is not None
        assert values.dtype == np.float32
        np.testing.assert_array_equal(np.isfinite(values), ~mask)
    assert dense.uncertainty_u is not None
    assert np.all(dense.uncertainty_u[~mask] > 0)
    np.testing.assert_array_equal((dense.flags & Flag.MASKED) != 0, mask)
    # no evidence: said by a flag and by a larger uncertainty
    empty, seeded = np.s_[:, :32], np.s_[:90, 80:216]
    assert np.all(dense.flags[empty] & Flag.FALLBACK)
    assert np.mean(dense.flags[seeded] & Flag.FALLBACK) < 0.02 * Flag.FALLBACK
    assert np.median(dense.uncertainty_u[empty]) > 2 * np.median(dense.uncertainty_u[seeded])


def test_convention_uncertainty_is_the_half_width_of_the_68_percent_interval() -> None:
    """In the field's own units; the weights' record has the factor to 95 %, which is no 1.96."""
    model = piv.load_model("default")
    assert model is not None
    assert 0 < model.interval_68 < model.interval_95
    recorded = model.record["calibration"]
    assert (recorded["interval_68"], recorded["interval_95"]) == (
        model.interval_68,
        model.interval_95,
    )
    pair = frames(uniform(1.7, 0.6))
    pixels = piv.analyse(*pair, model=model).field
    metres = piv.analyse(*pair, dt=2.0, calibration=Calibration(pixel_size=0.5), model=model).field
    assert pixels.uncertainty_v is not None
    assert metres.uncertainty_v is not None
    np.testing.assert_allclose(metres.uncertainty_v, pixels.uncertainty_v * 0.25, rtol=1e-5)
    assert np.all(metres.uncertainty_v > 0)


def test_the_page_and_these_tests_name_each_other() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "conventions.md"
    text = page.read_text(encoding="utf-8")
    tests = {name for name in globals() if name.startswith("test_convention_")}
    named = {word.strip("`") for word in text.split() if word.startswith("`test_convention_")}
    assert named == tests
