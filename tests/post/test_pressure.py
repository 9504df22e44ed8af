"""Pressure of flows whose pressure is known: values, order of accuracy, masks, gauges, noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flows_of_series import field

from piv.errors import InputError
from piv.post.pressure import integrate, pressure_gradient, pressure_of
from piv.post.pressure.omnidirectional import directions
from piv.types import Flag, Float, VectorField

RHO = 2.0
METHODS = ("poisson", "omnidirectional")


def vectors(u: Float, v: Float, **changes: Any) -> VectorField:
    """In m/s and double precision: the order of accuracy must not end at rounding."""
    made = field(u, v, units="m/s", **changes)
    return made.replace(u=u, v=v)


def grid(rows: int, columns: int) -> tuple[Float, Float, Float, Float]:
    """x, y (descending, as after calibration) and their meshes on 0..1.5 by 0..1."""
    x, y = np.linspace(0, 1.5, columns), np.linspace(1, 0, rows)
    return x, y, *np.meshgrid(x, y)


def taylor_green(rows: int, columns: int) -> tuple[VectorField, Float]:
    x, y, xx, yy = grid(rows, columns)
    k = 4.0
    u, v = np.sin(k * xx + 0.3) * np.cos(k * yy), -np.cos(k * xx + 0.3) * np.sin(k * yy)
    p = RHO / 4 * (np.cos(2 * (k * xx + 0.3)) + np.cos(2 * k * yy))
    return vectors(u, v, x=x, y=y, y_axis="up"), p


def lamb_oseen(rows: int, columns: int) -> tuple[VectorField, Float]:
    from scipy.special import exp1

    x, y, xx, yy = grid(rows, columns)
    dx, dy = xx - 0.713, yy - 0.491
    s = (dx**2 + dy**2) / 0.2**2
    swirl = -np.expm1(-s) / (s * 0.2**2)  # of unit circulation over 2 pi
    p = (
        -RHO / 2 / 0.2**2 * ((-np.expm1(-s)) ** 2 / s + 2 * (exp1(s) - exp1(2 * s)))
    )  # integral of rho v^2 / r from infinity
    return vectors(-swirl * dy, swirl * dx, x=x, y=y, y_axis="up"), p


def solid_body(rows: int, columns: int) -> tuple[VectorField, Float]:
    x, y, xx, yy = grid(rows, columns)
    dx, dy = xx - 0.6, yy - 0.4
    return (
        vectors(-3 * dy, 3 * dx, x=x, y=y, y_axis="up"),
        RHO * 9 / 2 * (dx**2 + dy**2),
    )


def rms_error(found: Float, exact: Float) -> float:
    difference = found - exact
    good = np.isfinite(difference)
    return float(np.std(difference[good]) / np.std(exact[good]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("flow", [taylor_green, lamb_oseen])
def test_pressure_is_right_and_of_second_order(
    flow: Callable[[int, int], tuple[VectorField, Float]], method: Any
) -> None:
    errors = []
    for rows, columns in ((21, 31), (41, 61), (81, 121)):
        velocity, exact = flow(rows, columns)
        errors.append(rms_error(pressure_of(velocity, rho=RHO, method=method).p, exact))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 0.004
    assert orders[-1] > 1.8


@pytest.mark.parametrize("method", METHODS)
def test_solid_body_rotation_is_exact(method: Any) -> None:
    velocity, exact = solid_body(17, 26)  # quadratic pressure: nothing is left to truncation
    found = pressure_of(velocity, rho=RHO, method=method)
    assert rms_error(found.p, exact) < 1e-8
    assert found.p.mean() == pytest.approx(0, abs=1e-10)
    assert found.gauge == "zero mean"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("y_axis", ["up", "down"])
def test_the_direction_of_y_does_not_matter(y_axis: str, method: Any) -> None:
    up, exact = lamb_oseen(31, 47)
    velocity = up if y_axis == "up" else up.replace(v=-up.v, y=-up.y, y_axis="down")
    found = pressure_of(velocity, rho=RHO, method=method).p
    np.testing.assert_allclose(found, pressure_of(up, rho=RHO, method=method).p, atol=1e-7)
    assert rms_error(found, exact) < 0.03


def masked(velocity: VectorField, hidden: Any) -> VectorField:
    flags = np.where(hidden, int(Flag.MASKED), 0).astype(np.uint16)
    spoiled = [np.where(hidden, 1e6, a) for a in (velocity.u, velocity.v)]
    return velocity.replace(u=spoiled[0], v=spoiled[1], flags=flags)


@pytest.mark.parametrize("method", METHODS)
def test_a_body_in_the_field_is_gone_around(method: Any) -> None:
    errors = []
    for rows, columns in ((31, 46), (61, 91)):
        velocity, exact = taylor_green(rows, columns)
        xx, yy = np.meshgrid(velocity.x, velocity.y)
        hidden = np.hypot(xx - 0.7, yy - 0.5) < 0.25
        found = pressure_of(masked(velocity, hidden), rho=RHO, method=method)
        np.testing.assert_array_equal(np.isnan(found.p), hidden)
        errors.append(rms_error(found.p, exact))
    assert errors[1] < 0.02
    assert errors[0] / errors[1] > 2.5


@pytest.mark.parametrize("method", METHODS)
def test_regions_apart_have_gauges_of_their_own(method: Any) -> None:
    velocity, exact = solid_body(20, 31)
    hidden = np.zeros(exact.shape, bool)
    hidden[:, 15] = True
    hidden[3, 3] = False
    found = pressure_of(masked(velocity, hidden), rho=RHO, method=method, gauge=(4, 5))
    left, right = np.s_[:, :15], np.s_[:, 16:]
    assert found.p[4, 5] == pytest.approx(0, abs=1e-12)
    assert found.p[right].mean() == pytest.approx(0, abs=1e-10)
    assert found.gauge == "zero at row 4, column 5; zero mean of every other region"
    for part in (left, right):
        assert rms_error(found.p[part], exact[part]) < 1e-7
    assert set(np.unique(found.regions)) == {0, 1, 2}
    both = pressure_of(masked(velocity, hidden), rho=RHO, method=method)
    assert both.gauge == "zero mean of each region"


def test_known_pressures_set_the_level_and_hold() -> None:
    velocity, exact = taylor_green(41, 61)
    known = np.full(exact.shape, np.nan)
    known[0] = exact[0]
    known[:, -1] = exact[:, -1]
    found = pressure_of(velocity, rho=RHO, known=known)
    np.testing.assert_allclose(found.p[0], exact[0], atol=1e-12)
    assert np.abs(found.p - exact).max() < 0.02 * np.ptp(exact)
    assert found.gauge == "as known where it was given"
    # a wrong gradient at one edge is overruled where the pressure there is known
    gx, gy = pressure_gradient(velocity, rho=RHO)
    gy[-1] += 30.0
    edge = np.full(exact.shape, np.nan)
    edge[-1] = exact[-1]
    free = integrate((gx, gy), velocity.x, velocity.y).p
    held = integrate((gx, gy), velocity.x, velocity.y, known=edge).p
    assert np.abs(held[-1] - exact[-1]).max() < 1e-12
    assert rms_error(held[:20], exact[:20]) <= rms_error(free[:20], exact[:20]) + 0.02
    with pytest.raises(InputError, match="poisson"):
        pressure_of(velocity, rho=RHO, known=known, method="omnidirectional")


def test_both_methods_resist_noise(rng: np.random.Generator) -> None:
    velocity, exact = taylor_green(41, 61)
    gx, gy = pressure_gradient(velocity, rho=RHO)
    noise = 0.3 * np.std(gx)
    spoiled = (gx + rng.normal(0, noise, gx.shape), gy + rng.normal(0, noise, gy.shape))
    errors = {
        method: rms_error(integrate(spoiled, velocity.x, velocity.y, method=method).p, exact)
        for method in METHODS  # type: ignore[misc]
    }
    assert errors["poisson"] < 0.06
    assert errors["omnidirectional"] < 0.1
    # one path, along the first row and down the columns, is far worse
    dx, dy = np.diff(velocity.x)[0], np.diff(velocity.y)[0]
    row = np.concatenate([[0], np.cumsum((spoiled[0][0, 1:] + spoiled[0][0, :-1]) / 2 * dx)])
    down = np.cumsum((spoiled[1][1:] + spoiled[1][:-1]) / 2 * dy, axis=0)
    path = row + np.vstack([np.zeros(61), down])
    assert rms_error(path, exact) > 2 * max(errors.values())


def test_an_unsteady_and_a_viscous_term_enter_the_gradient() -> None:
    # decaying Taylor-Green vortices: the two terms cancel, and p follows the convection alone
    velocity, exact = taylor_green(81, 121)
    nu, k = 0.05, 4.0
    change = tuple(-2 * nu * k * k * each for each in (velocity.u, velocity.v))
    found = pressure_of(velocity, rho=RHO, nu=nu, local=(change[0], change[1]))
    assert rms_error(found.p, exact) < 0.03
    assert rms_error(pressure_of(velocity, rho=RHO, nu=nu).p, exact) > 0.3
    gx, gy = pressure_gradient(velocity, rho=RHO)
    whole = pressure_gradient(velocity, rho=RHO, material=(-gx / RHO, -gy / RHO))
    np.testing.assert_allclose(whole, (gx, gy))


def test_uneven_spacing_is_taken_as_it_is() -> None:
    x = np.cumsum(np.linspace(0.5, 2, 40)) / 30
    y = np.cumsum(np.linspace(2, 0.5, 31)) / 30
    gx, gy = np.meshgrid(np.cos(x), -np.sin(y))
    exact = np.sin(x) + np.cos(y)[:, None]
    for method in METHODS:
        assert rms_error(integrate((gx, gy), x, y, method=method).p, exact) < 2e-3  # type: ignore[arg-type]


@pytest.mark.parametrize(("reach", "count"), [(1, 8), (2, 16), (3, 32)])
def test_directions_fill_the_full_angle(reach: int, count: int) -> None:
    found = directions(reach, np.arange(5) * 2.0, np.arange(4.0))
    assert len(found) == count
    assert sum(weight for _, weight in found) == pytest.approx(1)
    opposite = dict(found)
    for (a, b), weight in found:
        assert opposite[(-a, -b)] == pytest.approx(weight)


def test_bad_arguments_are_told() -> None:
    velocity, exact = solid_body(8, 12)
    with pytest.raises(InputError, match="density"):
        pressure_of(velocity, rho=0.0)
    with pytest.raises(InputError, match="not both"):
        pressure_of(velocity, rho=1.0, local=(exact, exact), material=(exact, exact))
    with pytest.raises(InputError, match="acceleration has shape"):
        pressure_of(velocity, rho=1.0, local=(exact[1:], exact))
    with pytest.raises(InputError, match="unknown method"):
        pressure_of(velocity, rho=1.0, method="possion")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="gauge"):
        pressure_of(velocity, rho=1.0, gauge=(8, 0))
    with pytest.raises(InputError, match="nothing can be integrated"):
        pressure_of(masked(velocity, np.ones((8, 12), bool)), rho=1.0)
    stack = {name: getattr(velocity, name)[None] for name in ("u", "v", "flags")}
    with pytest.raises(InputError, match="field by field"):
        pressure_of(velocity.replace(**stack), rho=1.0)
