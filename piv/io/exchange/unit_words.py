"""Units as other programs write them."""

from __future__ import annotations

from pathlib import Path

from piv.errors import InputError
from piv.types import Units

_PIXELS = {"px", "pix", "pixel", "pixels", "px/frame", "pix/frame", "pixel/frame", "pix/dt"}
_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6}


def scales(length: str, speed: str, path: Path) -> tuple[Units, float, float]:
    """Units of a field whose coordinates and vectors are in these, and what makes them SI.

    Returns
    -------
    units : "px" or "m/s"
    per_length, per_speed : float
        Factors to px or m, and to px or m/s.

    Raises
    ------
    InputError
        If one is unknown, or they do not go together.
    """
    length, speed = (text.strip().lower().replace("μ", "µ") for text in (length, speed))
    if length in _PIXELS and speed in _PIXELS:
        return "px", 1.0, 1.0
    size, _, time = speed.partition("/")
    if length in _METRES and size in _METRES and time == "s":
        return "m/s", _METRES[length], _METRES[size]
    raise InputError(
        f"{path}: units must be px and px, or lengths and lengths per second, not {length!r} and "
        f"{speed!r}"
    )
