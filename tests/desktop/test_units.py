from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gui.state import CalibrationState
from gui.units import Units, length_text, number, read_length, read_time, time_text
from piv.calibrate import calibrate
from piv.errors import InputError
from piv.post import vorticity
from piv.types import Calibration, VectorField

METRES = {"m": 1.0, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9}
SIZE, DT, ORIGIN = 21e-6, 200e-6, (12.5, 40.0)
UNITS = Units(SIZE, DT, ORIGIN)


def field() -> VectorField:
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 7, 9)).astype(np.float32)
    return VectorField(
        np.arange(9.0) * 4, np.arange(7.0) * 4, u, v, np.zeros((7, 9), np.uint16), dt=DT
    )


def test_what_is_shown_is_what_calibrate_makes() -> None:
    raw = field()
    real = calibrate(raw, Calibration(SIZE, ORIGIN))
    for component in ("u", "v"):
        factor, unit = UNITS.scale(component)  # type: ignore[arg-type]
        shown = getattr(raw, component) * factor * METRES[unit.removesuffix("/s")]
        np.testing.assert_allclose(shown, getattr(real, component), rtol=1e-6)
    x, y, unit = UNITS.position(float(raw.x[3]), float(raw.y[5]))
    np.testing.assert_allclose(np.array([x, y]) * METRES[unit], [real.x[3], real.y[5]], rtol=1e-12)
    factor, unit = UNITS.scale("gradient")
    np.testing.assert_allclose(vorticity(raw) * factor, vorticity(real), rtol=2e-5)
    assert unit == "1/s"


@pytest.mark.parametrize("size", [2e-7, 6.45e-6, 21e-6, 1.5e-4, 0.012])
@pytest.mark.parametrize("dt", [1e-6, 2e-4, 0.04, 1.0])
def test_every_kind_is_the_si_value_in_its_unit(size: float, dt: float) -> None:
    units = Units(size, dt)
    powers = {"length": (1, 0), "area": (2, 0), "velocity": (1, 1), "circulation": (2, 1),
              "stress": (2, 2)}  # fmt: skip
    for kind, (length, time) in powers.items():
        factor, unit = units.scale(kind)  # type: ignore[arg-type]
        name = unit.split("/")[0].rstrip("²")
        assert unit.endswith("²" if length == 2 and time == 0 else unit[-1])
        expected = size**length / dt**time
        assert factor * METRES[name] ** length == pytest.approx(expected, rel=1e-12)


def test_without_a_pixel_size_everything_stays_in_px() -> None:
    units = Units(None, 0.5, (3, 4))
    for kind in ("length", "velocity", "u", "v", "gradient", "stress", "ratio"):
        assert units.scale(kind)[0] == 1.0  # type: ignore[arg-type]
    assert units.position(7, 8) == (7, 8, "px")
    assert units.velocity(2.5) == (2.5, "px")
    assert not units.calibrated


def test_pixel_is_the_inverse_of_position() -> None:
    x, y, _ = UNITS.position(100.25, 7.5)
    assert UNITS.pixel(x, y) == pytest.approx((100.25, 7.5), abs=1e-9)
    assert Units().pixel(3, 4) == (3, 4)


def test_handy_units() -> None:
    assert UNITS.scale("length")[1] == "mm"
    assert Units(2e-7, 1e-3).scale("length")[1] == "µm"
    assert Units(2e-3, 1e-2).scale("length")[1] == "m"
    assert UNITS.scale("velocity")[1] == "m/s"
    assert Units(2e-7, 1e-3).scale("velocity")[1] == "mm/s"
    assert Units(2e-7, 1.0).scale("velocity")[1] == "µm/s"


def test_of_a_session() -> None:
    class Session:
        calibration = CalibrationState(SIZE, ORIGIN, DT)

    assert Units.of(Session()) == UNITS


@pytest.mark.parametrize(
    ("value", "kind", "uncertainty", "text"),
    [
        (1.5, "velocity", None, "0.1575 m/s"),
        (10.0, "v", None, "−1.050 m/s"),
        (1.5, "velocity", 0.06, "0.1575 ± 0.0063 m/s"),
        (2.0, "u", 0.5, "0.210 ± 0.052 m/s"),
        (0.25, "gradient", None, "1250 1/s"),
        (1000.0, "length", None, "21.00 mm"),
        (math.nan, "u", 0.1, "–"),
        (1.25, "ratio", None, "1.250"),
        (1.0, "u", math.nan, "0.1050 m/s"),
    ],
)
def test_format(value: float, kind: Any, uncertainty: float | None, text: str) -> None:
    assert UNITS.format(value, kind, uncertainty) == text


def test_labels() -> None:
    assert UNITS.label("u", "u") == "u (m/s)"
    assert UNITS.label("peak ratio", "ratio") == "peak ratio"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (12345.6, "12346"), (-0.5, "−0.5000"), (1e-9, "1.000e−09"),
     (2.5e7, "2.500e+07"), (math.inf, "–")],
)  # fmt: skip
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("text", "value"), [("200us", 2e-4), (" 0,2 ms ", 2e-4), ("2e-4", 2e-4), ("40 µs", 4e-5)]
)
def test_times_are_read(text: str, value: float) -> None:
    assert read_time(text) == value


@pytest.mark.parametrize("text", ["", "fast", "-3 ms", "3 mm", "0"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(InputError, match="a time such as"):
        read_time(text)


def test_lengths_are_read_and_written() -> None:
    assert read_length("12,5 mm") == 0.0125
    with pytest.raises(InputError, match="a length such as"):
        read_length("12 px")
    assert length_text(0.0125) == "12.5 mm"
    assert length_text(21e-6) == "21 µm"
    assert length_text(1.0) == "1 m"
    assert time_text(2e-4) == "200 µs"
    assert time_text(1e-3) == "1 ms"
    for value in (0.001, 3.3e-5, 4.0):
        assert read_time(time_text(value)) == pytest.approx(value, rel=1e-5)
