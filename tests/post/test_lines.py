"""Values between vectors, profiles, circulation and flow rate."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_flows import lamb_oseen, linear, sampled, slope, stretched, taylor_green, waves
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import piv
from piv.errors import InputError
from piv.post import (
    circle,
    circulation,
    circulation_uncertainty,
    flow_rate,
    flow_rate_uncertainty,
    profile,
    rectangle,
    resample,
    sample,
    sampled_uncertainty,
    vorticity,
)
from piv.types import Flag, VectorField


def _field(size: int = 60, **changes: object) -> VectorField:
    return sampled(np.linspace(0, 6, size + 7), np.linspace(5, 0, size), taylor_green, **changes)


def _masked(field: VectorField, rows: slice, columns: slice) -> VectorField:
    flags = field.flags.copy()
    flags[rows, columns] = Flag.MASKED
    return field.replace(flags=flags)


@pytest.mark.parametrize(("method", "order"), [("linear", 2), ("cubic", 4)])
@pytest.mark.parametrize("uneven", [False, True])
def test_interpolation_has_its_order(
    method: str, order: int, uneven: bool, rng: np.random.Generator
) -> None:
    points = rng.uniform((0, -1), (4, 3), (400, 2))
    truth = np.stack(waves(*points.T), -1)
    sizes, errors = [40, 80, 160], []
    for size in sizes:
        x = stretched(0, 4, size) if uneven else np.linspace(0, 4, size)
        y = stretched(3, -1, size + 9) if uneven else np.linspace(3, -1, size + 9)
        found = sample(sampled(x, y, waves), points, method=method)
        errors.append(float(np.sqrt(((found - truth) ** 2).mean())))
    assert order - 0.25 < slope(errors, sizes) < order + 0.4


@given(px=st.floats(-2, 5), py=st.floats(-3, 4))
def test_a_linear_field_is_exact_between_its_vectors(px: float, py: float) -> None:
    field = sampled(stretched(-2, 5, 9), stretched(4, -3, 8), linear(1, 2, 3, 4))
    for method in ("linear", "cubic"):
        u, v = sample(field, (px, py), method=method)
        assert_allclose((u, v), linear(1, 2, 3, 4)(px, py), atol=1e-11)


def test_no_value_beside_what_is_absent_or_outside() -> None:
    field = _masked(sampled(np.arange(8.0), np.arange(7.0), linear(1, 0, 0, 1)), 3, 4)
    for method in ("linear", "cubic"):
        assert np.isnan(sample(field, [(3.5, 3.0), (4.2, 2.3), (4, 3)], method=method)).all()
        # on the line of vectors beside it, and at a vector, nothing absent is used
        fine = sample(field, [(3, 2.5), (3.0, 3.0), (4.5, 2.0), (7, 6)], method=method)
        assert np.isfinite(fine).all()
        assert np.isnan(sample(field, [(-0.1, 3), (3, 6.1)], method=method)).all()


def test_another_quantity_and_a_series() -> None:
    field = _field()
    series = field.replace(
        u=np.stack([field.u, 2 * field.u]), v=np.stack([field.v, 2 * field.v]),
        flags=np.stack([field.flags] * 2),
    )  # fmt: skip
    points = np.array([[[1.0, 2.0], [3.0, 1.5], [0.4, 4.4]]] * 2)
    assert sample(series, points).shape == (2, 2, 3, 2)
    assert_allclose(sample(series, points)[1], 2 * sample(field, points))
    spin = sample(series, points, vorticity(series))
    assert spin.shape == (2, 2, 3)
    # rot of (sin x cos y, -cos x sin y)
    truth = 2 * np.sin(points[..., 0]) * np.sin(points[..., 1])
    assert_allclose(spin[0], truth, atol=0.01)


def test_a_profile_along_a_line_through_a_vortex() -> None:
    """Its tangential velocity on a circle, its normal velocity on a radius."""
    x = np.linspace(-3, 3, 121)
    field = sampled(x, x[:-20], lamb_oseen(0, 0, 4.0, 0.5))
    round_ = profile(field, circle((0, 0), 1.2), method="cubic")
    speed = 4.0 / (2 * np.pi * 1.2) * (1 - np.exp(-((1.2 / 0.5) ** 2)))
    assert_allclose(round_.tangential, speed, rtol=1e-4)
    assert_allclose(round_.normal, 0, atol=1e-4)
    assert_allclose(round_.distance[-1], 2 * np.pi * 1.2, rtol=1e-3)
    out = profile(field, [(0, 0), (1.9, 0)], spacing=0.1)
    assert out.distance.size == 20
    # counter-clockwise: on the right of someone who walks outwards is -y, so it comes from there
    assert_allclose(out.normal, -sample(field, np.stack([out.x, out.y], -1))[:, 1])
    assert out.uncertainty_u is None


def test_a_profile_has_the_uncertainty_of_the_field() -> None:
    field = _field()
    known = field.replace(
        uncertainty_u=np.full(field.shape, 0.1), uncertainty_v=np.full(field.shape, 0.3)
    )
    found = profile(known, [(1, 1), (3, 2), (4, 4)], spacing=0.2)
    assert_allclose(found.uncertainty_u, 0.1)
    assert_allclose(found.uncertainty_v, 0.3)
    assert_allclose(np.diff(found.distance).max(), 0.2, rtol=0.1)


def test_resampling_keeps_the_corners() -> None:
    line = resample([(0, 0), (1, 0), (1, 2.5)], 0.3)
    assert [1.0, 0.0] in line.tolist()
    assert np.hypot(*np.diff(line, axis=0).T).max() <= 0.3 + 1e-12
    assert_allclose(line[-1], (1, 2.5))


@pytest.mark.parametrize("y_axis", ["up", "down"])
@pytest.mark.parametrize("method", ["contour", "area"])
def test_the_circulation_of_a_solid_rotation_is_exact(method: str, y_axis: str) -> None:
    """Twice the rate times the area, whatever the sense of the line and the y axis."""
    y = stretched(2, -3, 30)
    field = sampled(stretched(-2, 3, 20), -y if y_axis == "down" else y, linear(0, -0.7, 0.7, 0),
                    y_axis=y_axis)  # fmt: skip
    for contour, area in (
        (rectangle(-1.13, 2.2, -1.7, 1.9), 3.33 * 3.6),
        (circle((0.4, 0.1), 1.3, 7), 7 / 2 * 1.3**2 * np.sin(2 * np.pi / 7)),
        ([(0, 0), (2, 0.5), (0.3, 1.7)], (2 * 1.7 - 0.5 * 0.3) / 2),
    ):
        found = circulation(field, contour, method=method)
        assert_allclose(found, 1.4 * area, rtol=1e-12)
        assert_allclose(circulation(field, contour[::-1], method=method), found, rtol=1e-12)


def test_contour_and_area_agree_to_second_order() -> None:
    contour = circle((2.1, 1.7), 1.35, 300)
    sizes, difference, error = [40, 80, 160], [], []
    # 2 sin x sin y over the disk, by polar quadrature with far more points than needed
    r = (np.arange(400) + 0.5) / 400 * 1.35
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)[:, None]
    spin = 2 * np.sin(2.1 + r * np.cos(angle)) * np.sin(1.7 + r * np.sin(angle))
    truth = float((spin * r).mean(axis=0).sum() * 2 * np.pi * 1.35 / 400)
    truth *= (np.sin(2 * np.pi / 300) * 300 / 2) / np.pi  # the polygon's area
    for size in sizes:
        field = _field(size)
        line, area = (circulation(field, contour, method=m) for m in ("contour", "area"))
        difference.append(float(abs(line - area)))
        error.append(float(abs(line - truth)))
    assert 1.7 < slope(difference, sizes) < 2.4
    assert 1.7 < slope(error, sizes) < 2.4
    assert difference[-1] < 3e-4 * truth


def test_a_contour_on_vectors_is_the_sum_of_its_cells() -> None:
    field = _field()
    x, y = field.x, field.y
    whole = circulation(field, rectangle(x[5], x[9], y[12], y[20]))
    cells = sum(
        circulation(field, rectangle(x[i], x[i + 1], y[j], y[j + 1]))
        for i in range(5, 9) for j in range(12, 20)
    )  # fmt: skip
    assert_allclose(whole, cells, rtol=1e-12)


def test_round_a_body_there_is_a_circulation_but_no_area() -> None:
    x = np.linspace(-3, 3, 60)
    field = sampled(x, x[::-1][:50], lambda x, y: (-y / (x**2 + y**2), x / (x**2 + y**2)))
    body = np.hypot(*np.meshgrid(field.x, field.y)) < 0.7
    field = field.replace(
        u=np.where(body, np.nan, field.u), flags=np.where(body, np.uint16(1), field.flags)
    )
    contour = circle((0, 0), 1.8)
    assert_allclose(circulation(field, contour), 2 * np.pi, rtol=2e-3)
    assert np.isnan(circulation(field, contour, method="area"))
    assert np.isnan(circulation(field, circle((0.6, 0), 0.5)))
    assert np.isnan(circulation(field, circle((2, 0), 2)))
    for method in ("contour", "area"):  # beside the body there is no vorticity
        beside = circulation(field, circle((-1.9, 0.6), 0.8), method=method)
        assert_allclose(beside, 0, atol=0.01)


@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_the_flow_rate_is_positive_to_the_right(y_axis: str) -> None:
    y = np.linspace(0, 2, 20) if y_axis == "down" else np.linspace(2, 0, 20)
    field = sampled(np.linspace(0, 3, 25), y, lambda x, y: (2 + 0 * x, 0.5 + 0 * y), y_axis=y_axis)
    top, bottom = (0.2, 1.8) if y_axis == "down" else (1.8, 0.2)
    assert_allclose(flow_rate(field, [(1, top), (1, bottom)]), -2 * 1.6, rtol=1e-12)
    assert_allclose(flow_rate(field, [(1, bottom), (1, top)]), 2 * 1.6, rtol=1e-12)
    assert_allclose(flow_rate(field, [(1, 1), (2.5, 1)]), -0.5 * 1.5, rtol=1e-12)
    assert_allclose(flow_rate(field, circle((1.4, 1), 0.8)), 0, atol=1e-12)


def test_what_flows_out_is_the_divergence() -> None:
    field = sampled(np.linspace(-1, 2, 20), np.linspace(2, -1, 30), linear(0.4, 0.1, -0.3, 0.5))
    corners = rectangle(-0.6, 1.7, -0.8, 1.5)  # counter-clockwise with y up
    assert_allclose(flow_rate(field, corners), 0.9 * 2.3**2, rtol=1e-12)


def test_calibration_changes_no_sign() -> None:
    pixels = sampled(np.arange(30.0), np.arange(25.0), linear(0.02, 0.01, -0.07, 0.03),
                     y_axis="down", units="px", dt=2e-3)  # fmt: skip
    metres = piv.calibrate(pixels, piv.Calibration(3e-5, origin=(11, 7)))
    line = circle((12, 13), 8)
    metric = np.stack([(line[:, 0] - 11) * 3e-5, (7 - line[:, 1]) * 3e-5], -1)
    scale = 3e-5**2 / 2e-3
    assert_allclose(circulation(metres, metric), scale * circulation(pixels, line), rtol=1e-9)
    assert circulation(pixels, line) < 0  # c < b: clockwise
    half = line[:100]
    assert_allclose(flow_rate(metres, metric[:100]), scale * flow_rate(pixels, half), rtol=1e-9)
    found, wanted = profile(metres, metric[:100]), profile(pixels, half)
    for name in ("normal", "tangential"):
        assert_allclose(getattr(found, name), getattr(wanted, name) * 3e-5 / 2e-3, rtol=1e-6)


def test_the_uncertainty_of_integrals_is_what_samples_scatter(rng: np.random.Generator) -> None:
    field = _field(24)
    sigma = 0.02 + 0.02 * np.hypot(*np.meshgrid(field.x, field.y)) / 6
    field = field.replace(uncertainty_u=sigma, uncertainty_v=1.5 * sigma)
    contour, line = circle((2.5, 2.5), 1.5, 40), [(1, 1), (2, 4), (4, 3)]
    results = []
    for length in (0.0, 0.9):
        by_formula = circulation_uncertainty(field, contour, correlation_length=length)
        scatter = sampled_uncertainty(
            lambda noisy: circulation(noisy, contour), field, rng,
            correlation_length=length, samples=400,
        )  # fmt: skip
        assert_allclose(by_formula, scatter, rtol=0.12)
        results.append(by_formula)
        by_formula = flow_rate_uncertainty(field, line, correlation_length=length)
        scatter = sampled_uncertainty(
            lambda noisy: flow_rate(noisy, line), field, rng,
            correlation_length=length, samples=400,
        )  # fmt: skip
        assert_allclose(by_formula, scatter, rtol=0.12)
        results.append(by_formula)
    assert results[2] > 1.3 * results[0]  # shared errors add up along a line


def test_what_is_no_line_is_refused() -> None:
    field = _field()
    with pytest.raises(InputError, match="pairs x, y"):
        sample(field, [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="at least 2 points"):
        profile(field, [(1, 2)])
    with pytest.raises(InputError, match="encloses an area"):
        circulation(field, [(0, 0), (1, 1), (2, 2)])
    with pytest.raises(InputError, match="must be contour or area, not 'line'"):
        circulation(field, circle((1, 1), 0.5), method="line")
    with pytest.raises(InputError, match="finite"):
        sample(field, (np.nan, 1))
    with pytest.raises(InputError, match="linear or cubic"):
        sample(field, (1, 1), method="nearest")
    with pytest.raises(InputError, match="no uncertainty"):
        flow_rate_uncertainty(field, [(1, 1), (2, 2)])
    with pytest.raises(InputError, match="positive radius"):
        circle((0, 0), 0)
    with pytest.raises(InputError, match="spacing must be positive"):
        resample([(0, 0), (1, 1)], 0)
    with pytest.raises(InputError, match="2 x 2"):
        sample(sampled(np.arange(5.0), np.arange(1.0), linear(0, 0, 0, 0)), (1, 0))
