"""From px to m and m/s: the only place where y and v change sign."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from piv.calibrate import calibrate, uncalibrate
from piv.errors import InputError
from piv.types import Calibration, VectorField

MICRO = 21e-6  # m/px
DT = 2e-4  # s


@pytest.fixture
def field(rng: np.random.Generator) -> VectorField:
    shape = (5, 9)
    u, v, size = (rng.normal(0, 3, shape).astype(np.float32) for _ in range(3))
    u[2, 3] = v[2, 3] = np.nan
    return VectorField(
        x=np.arange(9) * 16 + 15.5, y=np.arange(5) * 16 + 15.5, u=u, v=v,
        flags=np.zeros(shape, np.uint16), uncertainty_u=np.abs(size),
        uncertainty_v=np.abs(size) / 2, dt=DT, extra={"peak_ratio": np.abs(u)},
        attrs={"windows": [[64, 32]]},
    )  # fmt: skip


def test_velocities_are_displacements_times_pixel_size_over_dt(field: VectorField) -> None:
    flow = calibrate(field, Calibration(MICRO))
    assert (flow.units, flow.y_axis, flow.dt) == ("m/s", "up", DT)
    assert_allclose(flow.u, field.u * (MICRO / DT), rtol=1e-6)
    assert_allclose(flow.v, -field.v * (MICRO / DT), rtol=1e-6)
    assert_allclose(flow.uncertainty_u, field.uncertainty_u * (MICRO / DT), rtol=1e-6)
    assert_allclose(flow.uncertainty_v, field.uncertainty_v * (MICRO / DT), rtol=1e-6)


def test_rows_keep_the_order_of_the_image_so_y_descends(field: VectorField) -> None:
    flow = calibrate(field, Calibration(MICRO))
    assert (np.diff(flow.y) < 0).all()
    assert (np.diff(flow.x) > 0).all()


def test_the_origin_becomes_zero(field: VectorField) -> None:
    flow = calibrate(field, Calibration(MICRO, origin=(31.5, 47.5)))
    assert_allclose(flow.x[1], 0, atol=1e-15)
    assert_allclose(flow.y[2], 0, atol=1e-15)
    assert_allclose(flow.y[0], 32 * MICRO)


def test_the_right_hand_top_moves_up_and_right(field: VectorField) -> None:
    up = field.replace(u=np.full(field.shape, 2, "f4"), v=np.full(field.shape, -1, "f4"))
    flow = calibrate(up, Calibration(MICRO))
    assert (flow.u > 0).all()
    assert (flow.v > 0).all()


def test_other_measurements_and_provenance_stay(field: VectorField) -> None:
    flow = calibrate(field, Calibration(MICRO, (1, 2)))
    assert_array_equal(flow.extra["peak_ratio"], field.extra["peak_ratio"])
    assert_array_equal(flow.flags, field.flags)
    assert flow.attrs["windows"] == [[64, 32]]
    assert flow.attrs["calibration"] == {"pixel_size": MICRO, "origin": [1.0, 2.0]}


def test_there_and_back_is_the_identity(field: VectorField) -> None:
    back = uncalibrate(calibrate(field, Calibration(MICRO, (3.25, -7))))
    assert (back.units, back.y_axis) == ("px", "down")
    assert dict(back.attrs) == dict(field.attrs)
    for name in ("x", "y", "u", "v", "uncertainty_u", "uncertainty_v"):
        assert_allclose(getattr(back, name), getattr(field, name), rtol=2e-7, atol=1e-12)


def test_another_dt_replaces_the_fields_own(field: VectorField) -> None:
    flow = calibrate(field, Calibration(MICRO), dt=2 * DT)
    assert flow.dt == 2 * DT
    assert_allclose(flow.u, field.u * (MICRO / DT / 2), rtol=1e-6)


def test_twice_is_an_error(field: VectorField) -> None:
    flow = calibrate(field, Calibration(MICRO))
    with pytest.raises(InputError, match="calibrated already"):
        calibrate(flow, Calibration(MICRO))


@pytest.mark.parametrize("dt", [0, -1, np.nan, np.inf])
def test_dt_must_be_a_positive_time(field: VectorField, dt: float) -> None:
    with pytest.raises(InputError, match="dt must be a positive time"):
        calibrate(field, Calibration(MICRO), dt=dt)


def test_only_what_was_calibrated_here_can_be_brought_back(field: VectorField) -> None:
    with pytest.raises(InputError, match="this one is in px"):
        uncalibrate(field)
    with pytest.raises(InputError, match="can be brought back"):
        uncalibrate(field.replace(units="m/s", y_axis="up"))
