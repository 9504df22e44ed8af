"""Times and lengths on the command line: ``200us``, ``21um``."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping

# how many of them make the SI unit: dividing by a whole number keeps 200us exactly 0.0002
_TIMES = {"s": 1.0, "ms": 1e3, "us": 1e6, "µs": 1e6, "ns": 1e9}
_LENGTHS = {"m": 1.0, "cm": 1e2, "mm": 1e3, "um": 1e6, "µm": 1e6, "nm": 1e9}


def seconds(text: str) -> float:
    """Read a time in s from text such as ``200us``, ``0.2 ms`` or ``2e-4``."""
    return _quantity(text, _TIMES, "a positive time such as 200us, 0.2ms or 2e-4 (s)")


def metres(text: str) -> float:
    """Read a length in m from text such as ``21um``, ``0.021 mm`` or ``2.1e-5``."""
    return _quantity(text, _LENGTHS, "a positive length such as 21um, 0.021mm or 2.1e-5 (m)")


def _quantity(text: str, units: Mapping[str, float], wanted: str) -> float:
    match = re.fullmatch(r"\s*([-+0-9.eE]+|[-+]?nan|[-+]?inf)\s*([a-zA-Zµμ]*)\s*", text)
    value = math.nan
    if match is not None:
        unit = match[2].replace("μ", "µ")  # the Greek letter and the micro sign look alike
        try:
            value = float(match[1]) / (units[unit] if unit else 1.0)
        except (ValueError, KeyError):
            value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{wanted} is wanted, not {text!r}")
    return value


def positive(text: str) -> float:
    """Read a positive number."""
    return _quantity(text, {}, "a positive number")


def count(text: str) -> int:
    """Read a whole number from 1 (to 999 999 999, which nothing exceeds)."""
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is wanted, not {text!r}")
    return int(text)


def few(text: str) -> int:
    """Read a number of threads or processes."""
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to 1024 is wanted, not {text!r}")
    return int(text)
