"""What a run is made of, and what may not differ when it goes on."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from batch_sets import spoil_chunk, write_set

import piv
from piv.batch.record import changed_pairs, differences, run_record, select
from piv.errors import InputError
from piv.fingerprint import fingerprint
from piv.settings import apply_assignments
from piv.types import Calibration


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    with piv.open_pairs(write_set(tmp_path_factory.mktemp("set") / "set.h5", 5)) as pairs:
        yield pairs


def record(source, **changes):
    words = {
        "weights": {"name": "w", "sha256": "a" * 64},
        "calibration": Calibration(2e-5, (3.0, 4.0)),
        "mask": "d" * 64,
        "background": {"of": "mean", "sha256": "b" * 64},
    } | changes
    settings = words.pop("settings", piv.Settings())
    pairs = words.pop("pairs", range(5))
    return json.loads(json.dumps(run_record(source, pairs, settings, **words)))


@pytest.mark.parametrize(
    ("text", "indices"),
    [(None, range(10)), ("2:8:3", range(2, 8, 3)), (":4", range(4)), ("-3:", range(7, 10)),
     ("::5", range(0, 10, 5)), ("7", range(7, 8)), ("-1", range(9, 10)), ("8:99", range(8, 10)),
     ("7,2,-1,2", (2, 7, 9)), ("0:3,8", (0, 1, 2, 8)), ("1,3,5", range(1, 6, 2)),
     ("4,4", range(4, 5))],
)  # fmt: skip
def test_pairs_are_selected_as_python_slices_are(text, indices):
    assert select(text, 10) == indices


@pytest.mark.parametrize(
    ("text", "says"),
    [("a:b", "takes FIRST:END:STEP"), ("", "takes FIRST"), ("1:2:3:4", "takes FIRST"),
     ("5:5", "names no pair: there are 10"), ("10", "there are 10 pairs"), ("-11", "there are 10"),
     ("0:9:0", "step must be 1"), ("9:0:-1", "step must be 1"), ("1,,2", "takes FIRST"),
     ("1,10", "there are 10 pairs")],
)  # fmt: skip
def test_a_selection_that_cannot_be_is_refused(text, says):
    with pytest.raises(InputError, match=says):
        select(text, 10)


def test_the_same_run_has_the_same_record(source):
    assert differences(record(source), record(source)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"settings": apply_assignments(piv.Settings(), ["correlate.windows=[64,32]"])},
         "correlate.windows (then [], now [64, 32])"),
        ({"weights": {"name": "w", "sha256": "c" * 64}}, f"weights (then {'a' * 12}, now cccc"),
        ({"weights": None}, "weights (then aaaaaaaaaaaa, now none)"),
        ({"calibration": None}, "calibration (then {"),
        ({"calibration": Calibration(3e-5, (3.0, 4.0))}, "calibration.pixel_size (then 2e-05, now"),
        ({"mask": None}, "mask (then"),
        ({"background": None}, "background (then {"),
        ({"background": {"of": "min", "sha256": None}}, "background.of (then mean, now min)"),
        ({"pairs": range(0, 5, 2)}, "pairs (then [0, 5, 1], now [0, 5, 2])"),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_both_values(source, change, says):
    found = differences(record(source), record(source, **change))
    assert len(found) == 1
    assert found[0].startswith(says)


def test_one_weights_file_under_two_names_is_the_same(source):
    other = record(source, weights={"name": "copy.safetensors", "sha256": "a" * 64})
    assert differences(record(source), other) == []


def test_a_background_of_the_runs_own_images_is_the_stored_one(source):
    assert (
        differences(record(source), record(source, background={"of": "mean", "sha256": None})) == []
    )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("count", 6, "source.count (then 5, now 6)"), ("width", 80, "source.width (then 72, now 80)"),
     ("dt", 2e-4, "source.dt (then 1.0, now 0.0002)"), ("names", "0", "the names of the pairs")],
)  # fmt: skip
def test_another_source_is_named_by_what_differs(source, key, value, says):
    now = copy.deepcopy(record(source))
    now["source"][key] = value
    assert differences(record(source), now) == [says]


def test_another_version_is_another_run(source):
    now = record(source) | {"package": "ccfcn-piv 99.0"}
    assert differences(record(source), now)[0].startswith("package (then ccfcn-piv ")


def test_a_watched_folder_may_have_grown_but_is_no_other_run(source):
    then = record(source, watch=True)
    grown = copy.deepcopy(then)
    assert "count" not in then["source"]
    assert differences(then, grown) == []
    assert "one was run with --watch, the other without" in differences(then, record(source))


def test_finished_pairs_are_read_again_and_compared(source, tmp_path):
    hashes = [fingerprint(pair) for pair in source]
    indices, done = np.arange(5), np.array([1, 1, 0, 1, 1], bool)
    assert changed_pairs(source, indices, hashes, done) == []
    other = [*hashes[:3], "0" * 64, hashes[4]]
    assert changed_pairs(source, indices, other, done) == ["the images of pair 3"]
    # what is not done was never stored
    assert changed_pairs(source, indices, [*hashes[:2], "", *hashes[3:]], done) == []
    path = write_set(tmp_path / "spoilt.h5", 5)
    spoil_chunk(path, 4)
    with piv.open_pairs(path) as spoilt:
        found = changed_pairs(spoilt, indices, hashes, done)
    assert found == ["pair 4, which cannot be read any more"]


def test_of_many_finished_pairs_a_spread_of_ten_is_read(source):
    class Counting:
        def __init__(self):
            self.names = [f"pair {n}" for n in range(1000)]
            self.read = []

        def __getitem__(self, index):
            self.read.append(index)
            return source[0]

    counting = Counting()
    hashes = [fingerprint(source[0])] * 1000
    assert changed_pairs(counting, np.arange(1000), hashes, np.ones(1000, bool)) == []
    assert len(counting.read) == 10
    assert counting.read[0] == 0
    assert counting.read[-1] == 999
