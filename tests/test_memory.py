"""Large recordings in little memory: `pytest -m slow tests/test_memory.py`, about two minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="measures memory as Unix does")

SCRIPT = """
import resource
import sys

import numpy as np

import piv
from pairs import uniform_pair

tile = uniform_pair((500, 500), 3.37, -1.62)
repeat = int(sys.argv[1])
first, second = (np.tile(frame, (repeat, repeat)) for frame in (tile.first, tile.second))
field = piv.analyse(first, second).field
assert field.shape == first.shape
assert np.isfinite(field.u).all()
unit = 2**30 if sys.platform == "darwin" else 2**20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
"""


def peak(repeat: int) -> float:
    """Largest memory of a process that analyses a pair of (500 repeat)^2 px, GiB."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(repeat)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    return float(done.stdout)


@pytest.mark.slow
def test_a_25_megapixel_pair_stays_under_4_gib() -> None:
    assert peak(10) < 4.0


def test_a_2_megapixel_pair_stays_under_2_gib() -> None:
    assert peak(3) < 2.0
