"""Vortices: Gamma_1 and Gamma_2, what is found of a Lamb-Oseen vortex, and tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from analytic_flows import lamb_oseen, linear, sampled, stretched, taylor_green, waves
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import piv
from piv import post
from piv.errors import InputError
from piv.types import Flag, Float, VectorField


def test_gamma_1_is_1_in_the_centre_of_a_vortex_and_less_elsewhere() -> None:
    axis = np.linspace(-2, 2, 41)
    for sense in (1, -1):
        field = sampled(axis, axis[4:-2], lamb_oseen(0, 0, sense * 3.0, 0.7))
        found = sense * post.gamma_1(field)
        row, column = np.unravel_index(np.nanargmax(found), found.shape)
        assert (field.x[column], field.y[row]) == pytest.approx((0, 0))
        assert_allclose(found[row, column], 1, atol=1e-6)
        assert np.nanmax(np.abs(np.delete(found.ravel(), row * 41 + column))) < 0.99


def test_gamma_2_is_1_in_a_solid_rotation_in_every_frame() -> None:
    field = sampled(np.arange(20.0), np.arange(16.0), linear(0, 1, -1, 0))
    for velocity in ((0.0, 0.0), (7.0, -3.0)):
        found = post.gamma_2(post.subtract_velocity(field, velocity))[3:-3, 3:-3]
        assert_allclose(found, -1, atol=1e-6)


def test_gamma_2_where_strain_and_rotation_balance() -> None:
    """2 / pi for a disk; in a pure shear, and the squares here are 3 % above it."""
    field = sampled(np.arange(70.0), np.arange(60.0), linear(0, -1, 0, 0))
    found = post.gamma_2(field, 12)[30, 35]
    assert_allclose(found, 2 / np.pi, rtol=0.05)
    assert abs(post.gamma_2(sampled(field.x, field.y, linear(1, 0, 0, -1)), 12)[30, 35]) < 1e-6


@given(angle=st.integers(1, 3), seed=st.integers(0, 1000))
@examples(max_examples=10)
def test_gammas_turn_with_the_field(angle: int, seed: int) -> None:
    u, v = np.random.default_rng(seed).standard_normal((2, 12, 15))
    field = VectorField(np.arange(15.0), np.arange(12.0), u, v, np.zeros(u.shape, np.uint16),
                        units="m/s", y_axis="up")  # fmt: skip
    turned = field
    for _ in range(angle):
        turned = turned.replace(
            x=-turned.y[::-1], y=turned.x, u=-turned.v.T[:, ::-1], v=turned.u.T[:, ::-1],
            flags=turned.flags.T[:, ::-1],
        )  # fmt: skip
    mirrored = field.replace(x=-field.x, u=-field.u)
    for quantity in (post.gamma_1, post.gamma_2):
        expected = np.rot90(quantity(field, 2), -angle)
        assert_allclose(quantity(turned, 2), expected, atol=1e-6)
        assert_allclose(quantity(mirrored, 2), -quantity(field, 2), atol=1e-6)


def test_gammas_beside_masks_and_with_a_stride() -> None:
    field = sampled(np.arange(30.0), np.arange(24.0), linear(0, -1, 1, 0))
    flags = field.flags.copy()
    flags[:, 15:] = Flag.MASKED
    u = np.where(flags > 0, np.nan, field.u)
    found = post.gamma_2(field.replace(u=u, flags=flags))
    assert np.isnan(found[:, 15:]).all()
    assert np.isfinite(found[6:-6, 3:15]).all()
    assert np.isnan(found[0, 0])  # only a quarter of its neighbours is there
    alone = post.gamma_2(field.replace(flags=np.where(np.arange(30) == 9, 0, 1) + 0 * flags))
    assert np.isnan(alone).all()
    wide, narrow = post.gamma_1(field, 6)[12, 14], post.gamma_1(field, 3, stride=2)[12, 14]
    assert_allclose(wide, narrow, atol=0.02)


def test_gamma_keeps_its_sign_when_calibrated() -> None:
    pixels = sampled(np.arange(30.0), np.arange(25.0), lamb_oseen(15, -12, 20, 4), y_axis="down",
                     units="px")  # fmt: skip
    metres = piv.calibrate(pixels, piv.Calibration(1e-4))
    assert post.gamma_1(pixels)[12, 15] > 0.99
    assert_allclose(post.gamma_1(metres), post.gamma_1(pixels), atol=1e-5)


@pytest.mark.parametrize("y_axis", ["up", "down"])
@pytest.mark.parametrize("criterion", ["swirl", "gamma_2"])
@pytest.mark.parametrize("circulation", [5.0, -5.0])
def test_a_lamb_oseen_vortex_is_found_as_it_is(
    criterion: Any, circulation: float, y_axis: str
) -> None:
    """In a drift, off the grid, on uneven spacing: exact, for the fit is of the same model."""
    x, y = stretched(-3, 3, 70), stretched(2.5, -2.5, 60)
    flow = lamb_oseen(0.213, -0.371, circulation, 0.6, (1.5, 0.4))
    field = sampled(x, -y if y_axis == "down" else y, flow, y_axis=y_axis)
    (found,) = post.find_vortices(field, criterion=criterion)
    side = -1 if y_axis == "down" else 1
    assert_allclose((found.x, side * found.y), (0.213, -0.371), atol=1e-6)
    assert_allclose(found.circulation, circulation, rtol=1e-6)
    assert_allclose(found.core_radius, 0.6, rtol=1e-6)
    assert_allclose((found.u, side * found.v), (1.5, 0.4), atol=1e-6)
    assert found.residual < 1e-6
    # the region lies within 1.12 core radii, where there is 0.715 of the circulation
    assert 0.3 < found.region_circulation / circulation < 0.8
    assert found.area < 1.4 * np.pi * (1.12 * 0.6) ** 2


def test_with_noise_it_is_found_within_the_noise(rng: np.random.Generator) -> None:
    axis = np.arange(90.0)
    clean = sampled(axis, axis[:70], lamb_oseen(41.3, 32.8, 150, 8))
    fastest = float(np.hypot(clean.u, clean.v).max())
    noisy = clean.replace(
        u=clean.u + 0.05 * fastest * rng.standard_normal(clean.shape),
        v=clean.v + 0.05 * fastest * rng.standard_normal(clean.shape),
    )
    found = post.find_vortices(noisy, smoothing=3)[0]
    assert_allclose((found.x, found.y), (41.3, 32.8), atol=0.15)
    assert_allclose(found.circulation, 150, rtol=0.03)
    assert_allclose(found.core_radius, 8, rtol=0.03)
    assert_allclose(found.residual, 0.05 * np.sqrt(2), rtol=0.1)


def test_a_pair_beside_a_mask() -> None:
    """Two of opposite sense, each in the other's field; a body hides a part of one core."""
    one, other = lamb_oseen(-1.5, 0.2, 4.0, 0.4), lamb_oseen(1.4, -0.3, -6.0, 0.5)

    def both(x: Float, y: Float) -> tuple[Float, Float]:
        (u1, v1), (u2, v2) = one(x, y), other(x, y)
        return u1 + u2, v1 + v2

    field = sampled(np.linspace(-4, 4, 100), np.linspace(3, -3, 80), both)
    x, y = np.meshgrid(field.x, field.y)
    body = (x < -1.55) & (y > 0.45)
    field = field.replace(
        u=np.where(body, np.nan, field.u), v=np.where(body, np.nan, field.v),
        flags=np.where(body, np.uint16(Flag.MASKED), field.flags),
    )  # fmt: skip
    strong, weak = post.find_vortices(field)
    assert_allclose((strong.x, strong.y), (1.4, -0.3), atol=0.03)
    assert_allclose((weak.x, weak.y), (-1.5, 0.2), atol=0.03)
    assert_allclose((strong.circulation, weak.circulation), (-6, 4), rtol=0.12)
    assert_allclose((strong.core_radius, weak.core_radius), (0.5, 0.4), rtol=0.08)


def test_a_layer_along_a_wall_is_no_vortex() -> None:
    """Most of this core lies in the body."""
    axis = np.linspace(-2, 2, 60)
    field = sampled(axis, axis[5:], lamb_oseen(0, 0, 4, 0.5))
    assert len(post.find_vortices(field)) == 1
    wall = np.broadcast_to(field.y[:, None] < 0.05, field.shape)
    hidden = field.replace(
        u=np.where(wall, np.nan, field.u), flags=np.where(wall, np.uint16(1), field.flags)
    )
    assert post.find_vortices(hidden) == ()


def test_a_row_of_vortices_has_all_of_them() -> None:
    axis = np.linspace(0, 4 * np.pi, 120)
    field = sampled(axis, axis[:62], taylor_green)
    found = post.find_vortices(field)
    inner = [v for v in found if 0.5 < v.x < 12 and 0.5 < v.y < 5.9]
    assert len(inner) == 8
    for vortex in inner:
        column, row = np.floor(vortex.x / np.pi), np.floor(vortex.y / np.pi)
        assert_allclose(
            (vortex.x, vortex.y), ((column + 0.5) * np.pi, (row + 0.5) * np.pi), atol=0.05
        )
        assert np.sign(vortex.circulation) == (1 if (column + row) % 2 == 0 else -1)


def test_where_nothing_turns_nothing_is_found() -> None:
    axis = np.linspace(-1, 1, 30)
    for flow in (linear(1, 0, 0, -1), linear(0, 0, 0, 0)):
        field = sampled(axis, axis[3:], flow)
        assert post.find_vortices(field) == ()
        assert post.find_vortices(field, criterion="gamma_2", smoothing=0) == ()
    nothing = sampled(axis, axis, waves).replace(flags=np.ones((30, 30), np.uint16))
    assert post.find_vortices(nothing) == ()


def _at(x: float, y: float, circulation: float = 1.0) -> post.Vortex:
    return post.Vortex(x, y, circulation, 1.0, 0.0, 0.0, 0.0, 1.0, circulation)


def test_vortices_that_pass_each_other_keep_their_names() -> None:
    """One to the right, one to the left; what they were doing decides which is which."""
    series = [[_at(k, 0), _at(9 - k, 1.0), _at(4.5, 0.5, -1.0)] for k in range(10)]
    series[3] = series[3][::-1]
    tracks = post.track_vortices(series, 2.5)
    assert len(tracks) == 3
    first, second, third = tracks
    assert [v.x for v in first.vortices] == list(range(10))
    assert {v.y for v in second.vortices} == {1.0}
    assert all(v.circulation < 0 for v in third.vortices)
    assert first.frames == tuple(range(10))


def test_a_vortex_may_be_missing_for_as_long_as_memory_says() -> None:
    series = [[_at(0.3 * k, 0)] if k not in (3, 4) else [] for k in range(8)]
    assert [t.frames for t in post.track_vortices(series, 0.5, memory=2)] == [(0, 1, 2, 5, 6, 7)]
    short = post.track_vortices(series, 0.5, memory=1)
    assert [track.frames for track in short] == [(0, 1, 2), (5, 6, 7)]
    assert post.track_vortices([], 1.0) == ()


def test_moving_vortices_are_followed() -> None:
    axis = np.linspace(-3, 3, 60)
    series = [
        post.find_vortices(sampled(axis, axis[5:-5], lamb_oseen(-1 + 0.3 * k, 0.1 * k, 4, 0.4)))
        for k in range(6)
    ]
    (track,) = post.track_vortices(series, 0.5)
    assert_allclose([v.x for v in track.vortices], -1 + 0.3 * np.arange(6), atol=1e-5)


def test_what_makes_no_sense_is_refused() -> None:
    field = sampled(np.arange(20.0), np.arange(15.0), lamb_oseen(9, 7, 5, 2))
    with pytest.raises(InputError, match="1 or more, not 0"):
        post.gamma_1(field, 0)
    with pytest.raises(InputError, match="swirl or gamma_2, not 'q'"):
        post.find_vortices(field, criterion="q")
    with pytest.raises(InputError, match="between 0 and 1"):
        post.find_vortices(field, threshold=1.5)
    series = field.replace(u=field.u[None], v=field.v[None], flags=field.flags[None])
    with pytest.raises(InputError, match="one field"):
        post.find_vortices(series)
    with pytest.raises(InputError, match="reach must be positive"):
        post.track_vortices([], 0)
