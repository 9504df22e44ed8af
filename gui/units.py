"""The one place where px become mm and m/s in the window's texts.  No Qt.

Results stay in px, y down, per frame interval; a :class:`Units` says with which factor and unit a
number is shown.  It follows :func:`piv.calibrate`: with a pixel size y points up from the origin
and v changes its sign; without one everything is in px.  Vorticity, circulation and shear are for
x right, y up in either case, so that their sign never changes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from piv.cli.units import metres, seconds
from piv.errors import InputError

if TYPE_CHECKING:
    from gui.state import CalibrationState

Kind: TypeAlias = Literal[
    "length", "area", "velocity", "u", "v", "gradient", "circulation", "stress", "ratio", "none"
]

_PREFIXES = ((1.0, "m"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SHOWN = 4  # significant digits


class HasCalibration(Protocol):
    """A session."""

    calibration: CalibrationState


@dataclass(frozen=True, slots=True)
class Units:
    """Factors and units of what is shown.

    Parameters
    ----------
    pixel_size : float or None
        m/px; None = show px.
    dt : float
        s.
    origin : (float, float)
        The pixel (x, y) that is (0, 0).
    """

    pixel_size: float | None = None
    dt: float = 1.0
    origin: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, session: HasCalibration) -> Units:
        """Those of a session."""
        state = session.calibration
        return cls(state.pixel_size, state.dt, state.origin)

    @property
    def calibrated(self) -> bool:
        """Whether numbers are shown in m and s."""
        return self.pixel_size is not None

    def scale(self, kind: Kind) -> tuple[float, str]:
        """Factor from px (and frame intervals) to what is shown, and its unit.

        Parameters
        ----------
        kind : str
            ``length``, ``area``; ``velocity`` (a length of a vector, or an uncertainty); ``u``,
            ``v`` (a component: the factor of v is negative once calibrated); ``gradient``
            (vorticity, divergence, strain, swirl: given per frame interval, for y up);
            ``circulation``; ``stress`` (a product of two velocities); ``ratio``, ``none`` (as it
            is).

        Returns
        -------
        (float, str)
        """
        if kind in ("ratio", "none"):
            return 1.0, ""
        if self.pixel_size is None:
            return 1.0, _PX[kind]
        size, name = self._length
        if kind == "length":
            return self.pixel_size / size, name
        if kind == "area":
            return (self.pixel_size / size) ** 2, f"{name}²"
        if kind == "gradient":
            return 1 / self.dt, "1/s"
        speed = self.pixel_size / self.dt  # m/s of one px per frame interval
        unit, name = _prefix(speed, least=1e-3)
        if kind == "stress":
            return (speed / unit) ** 2, f"{name}²/s²"
        if kind == "circulation":
            return self.pixel_size * speed / unit**2, f"{name}²/s"
        return (-speed if kind == "v" else speed) / unit, f"{name}/s"

    def unit(self, kind: Kind) -> str:
        """The unit alone."""
        return self.scale(kind)[1]

    def length(self, px: float) -> tuple[float, str]:
        """A length in px as it is shown."""
        return self._value(px, "length")

    def velocity(self, px: float) -> tuple[float, str]:
        """The length of a displacement, or its uncertainty, as it is shown."""
        return self._value(px, "velocity")

    def vorticity(self, per_frame: float) -> tuple[float, str]:
        """A velocity gradient per frame interval as it is shown."""
        return self._value(per_frame, "gradient")

    def position(self, x: float, y: float) -> tuple[float, float, str]:
        """Where a pixel is: (x, y, unit); once calibrated from the origin, y up."""
        if self.pixel_size is None:
            return x, y, "px"
        factor, name = self.scale("length")
        return (x - self.origin[0]) * factor, (self.origin[1] - y) * factor, name

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """The inverse of :meth:`position`: shown coordinates to px."""
        if self.pixel_size is None:
            return x, y
        factor, _ = self.scale("length")
        return x / factor + self.origin[0], self.origin[1] - y / factor

    def format(self, value: float, kind: Kind, uncertainty: float | None = None) -> str:
        """A value in px as text with its unit, such as ``1.234 ± 0.056 mm/s``.

        Parameters
        ----------
        value : float
            In px, per frame interval; NaN becomes a dash.
        kind : str
            As for :meth:`scale`.
        uncertainty : float, optional
            Likewise; the text then has as many digits as it deserves.
        """
        if not math.isfinite(value):
            return "–"
        factor, name = self.scale(kind)
        unit = f" {name}" if name else ""
        if uncertainty is None or not math.isfinite(uncertainty):
            return f"{number(value * factor)}{unit}"
        width = abs(uncertainty * factor)
        digits = 0 if width == 0 else max(0, 1 - math.floor(math.log10(width)))
        digits = min(digits, 9)
        return f"{_minus(f'{value * factor:.{digits}f}')} ± {width:.{digits}f}{unit}"

    def label(self, name: str, kind: Kind) -> str:
        """A name with its unit, as axes have it: ``u (m/s)``."""
        unit = self.unit(kind)
        return f"{name} ({unit})" if unit else name

    def _value(self, px: float, kind: Kind) -> tuple[float, str]:
        factor, name = self.scale(kind)
        return px * factor, name

    @property
    def _length(self) -> tuple[float, str]:
        """The unit in which a hundred px are a handy number: (m, name)."""
        assert self.pixel_size is not None
        return _prefix(100 * self.pixel_size, least=0.1)


_PX: dict[str, str] = {
    "length": "px",
    "area": "px²",
    "velocity": "px",
    "u": "px",
    "v": "px",
    "gradient": "px/px",
    "circulation": "px²",
    "stress": "px²",
}


def _prefix(value: float, least: float) -> tuple[float, str]:
    """The largest unit of which ``value`` (m) is at least so much."""
    return next((each for each in _PREFIXES if value >= least * each[0]), _PREFIXES[-1])


def number(value: float) -> str:
    """A number with four significant digits and a true minus sign; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        digits = max(0, _SHOWN - 1 - math.floor(math.log10(abs(value))))
        return _minus(f"{value:.{digits}f}")
    return _minus(f"{value:.{_SHOWN - 1}e}")


def _minus(text: str) -> str:
    return text.replace("-", "−") if text.strip("-0.") else text.lstrip("-")


def read_time(text: str) -> float:
    """A time in s from text such as ``200 us``, ``0,2 ms`` or ``2e-4``.

    Raises
    ------
    InputError
        If it is no positive time.
    """
    return _read(text, seconds, "a time such as 200 us, 0.2 ms or 2e-4 (s)")


def read_length(text: str) -> float:
    """A length in m from text such as ``12.5 mm``, ``3,2 cm`` or ``0.01``.

    Raises
    ------
    InputError
        If it is no positive length.
    """
    return _read(text, metres, "a length such as 12.5 mm, 21 um or 0.0125 (m)")


def _read(text: str, reader: Callable[[str], float], wanted: str) -> float:
    try:
        return reader(text.strip().replace(",", "."))
    except argparse.ArgumentTypeError:
        raise InputError(f"{wanted} is wanted, not {text.strip()!r}") from None


def time_text(value: float) -> str:
    """A time in s as a person writes it: ``200 µs``."""
    return _written(value, _TIMES)


def length_text(value: float) -> str:
    """A length in m as a person writes it: ``21 µm``."""
    return _written(value, _PREFIXES)


def _written(value: float, units: tuple[tuple[float, str], ...]) -> str:
    size, name = next((each for each in units if value >= 0.9995 * each[0]), units[-1])
    return f"{value / size:.6g} {name}"
