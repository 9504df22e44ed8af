"""The last pass looked into: it is the one that gave the stored vectors."""

from __future__ import annotations

import numpy as np
import pytest
from pairs import flow_pair, vortex

import piv
from piv.correlate import coarse_field
from piv.correlate.trace import LastPass
from piv.settings import CorrelateSettings, ValidateSettings
from piv.types import Flag, ImagePair

SHAPE = (150, 190)
LIMITS = ValidateSettings()
CASES = {
    "three passes": CorrelateSettings(),
    "one pass alone": CorrelateSettings(windows=(32,), repeats=1, grow=False),
    "one size repeated": CorrelateSettings(windows=(32,), repeats=3),
    "cubic, non-square": CorrelateSettings(windows=((32, 48), (16, 24)), spline=3, overlap=0.6),
    "grown": CorrelateSettings(windows=(16,), repeats=2),
}


@pytest.fixture(scope="module")
def pair() -> ImagePair:
    mask = np.zeros(SHAPE, np.bool_)
    mask[60:90, 100:140] = True
    return flow_pair(SHAPE, vortex(SHAPE), noise=0.03, mask=mask)


@pytest.mark.parametrize("case", CASES)
def test_the_field_is_that_of_the_coarse_stage(pair: ImagePair, case: str) -> None:
    stored = coarse_field(pair, CASES[case], LIMITS)
    kept = LastPass(pair, CASES[case], LIMITS).field
    np.testing.assert_array_equal(kept.u, stored.u)
    np.testing.assert_array_equal(kept.v, stored.v)
    np.testing.assert_array_equal(kept.flags, stored.flags)
    assert kept.attrs == stored.attrs


@pytest.mark.parametrize("case", CASES)
def test_peak_and_predictor_are_the_stored_vector(pair: ImagePair, case: str) -> None:
    stored = coarse_field(pair, CASES[case], LIMITS)
    kept = LastPass(pair, CASES[case], LIMITS)
    measured = (stored.flags & int(Flag.REPLACED | Flag.MASKED)) == 0
    places = np.argwhere(measured)[::7]
    assert len(places) > 3
    for row, column in places:
        seen = kept.at(int(row), int(column))
        assert seen.measured == pytest.approx(
            (float(stored.u[row, column]), float(stored.v[row, column])), abs=1e-4
        )
        assert (seen.x, seen.y) == (stored.x[column], stored.y[row])
        assert seen.height == pytest.approx(stored.extra["peak_height"][row, column], abs=1e-4)
        assert seen.ratio == pytest.approx(stored.extra["peak_ratio"][row, column], rel=1e-3)


def test_the_plane_peaks_where_it_says(pair: ImagePair) -> None:
    seen = LastPass(pair, CASES["one pass alone"], LIMITS).at(1, 2)
    rows, columns = seen.plane.shape
    row, column = np.unravel_index(seen.plane.argmax(), seen.plane.shape)
    assert abs(seen.peak[0] - (column - columns // 2)) <= 1
    assert abs(seen.peak[1] - (row - rows // 2)) <= 1
    assert seen.plane.max() == pytest.approx(seen.height)
    assert seen.predictor == (0.0, 0.0)


def test_windows_are_cut_out_of_the_frames_and_moved_onto_each_other(pair: ImagePair) -> None:
    settings = CASES["cubic, non-square"]
    kept = LastPass(pair, settings, LIMITS)
    seen = kept.at(2, 3)
    assert seen.first.shape == seen.moved_second.shape == (16, 24)
    top, left = round(seen.y - 7.5), round(seen.x - 11.5)
    np.testing.assert_array_equal(seen.second, pair.second[top : top + 16, left : left + 24])
    apart = np.corrcoef(seen.first.ravel(), seen.second.ravel())[0, 1]
    together = np.corrcoef(seen.moved_first.ravel(), seen.moved_second.ravel())[0, 1]
    assert together > 0.8 > apart


def test_a_window_that_is_not_there(pair: ImagePair) -> None:
    kept = LastPass(pair, CASES["one pass alone"], LIMITS)
    with pytest.raises(piv.InputError, match="there is no 99, 0"):
        kept.at(99, 0)
