"""``analyse_series`` with worker processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from batch_sets import Inline, frames, spoil_chunk, write_set

import piv
from piv.batch import series
from piv.batch.processes import Lost
from piv.batch.series import SeriesJob, results
from piv.errors import WeightsError
from piv.settings import from_dict
from piv.types import PairResult

QUICK = from_dict({"correlate": {"windows": [16]}, "refine": {"steps": 1}})


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def same(found, expected):
    assert [each.index for each in found] == [each.index for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.error == other.error
        if other.analysis is not None:
            for name in ("u", "v", "flags", "uncertainty_u"):
                np.testing.assert_array_equal(
                    getattr(one.analysis.field, name), getattr(other.analysis.field, name)
                )
            assert dict(one.analysis.provenance) == dict(other.analysis.provenance)
            assert one.analysis.quality == pytest.approx(other.analysis.quality, nan_ok=True)


def test_a_process_gives_the_serial_results_with_the_network(tmp_path):
    path = write_set(tmp_path / "set.h5", 4, (40, 56))
    spoil_chunk(path, 2)
    model = piv.load_model("default")
    with piv.open_pairs(path) as pairs:
        expected = list(piv.analyse_series(pairs, settings=QUICK, model=model))
        # a loaded model travels to the worker, which opens the source itself
        found = list(piv.analyse_series(pairs, settings=QUICK, model=model, workers=1))
    assert expected[2].error is not None
    same(found, expected)


class Posted(Inline):
    """Sends job, tasks and results as bytes, as a pool does."""

    closed = 0

    def __class_getitem__(cls, _):
        return cls

    def __init__(self, prepare, workers):
        super().__init__(pickle.loads(pickle.dumps(prepare)), workers)

    def next(self, timeout):
        index = self._tasks.popleft()
        return pickle.loads(pickle.dumps((index, self._compute(index))))

    def close(self):
        super().close()
        Posted.closed += 1


def test_a_list_of_pairs_can_be_sent_and_the_series_be_left_early(monkeypatch):
    monkeypatch.setattr(series, "Pool", Posted)
    first, second = frames(12)
    pairs = [piv.ImagePair(a, b) for a, b in zip(first, second, strict=True)]
    running = piv.analyse_series(pairs, settings=QUICK, model=None, workers=1)
    found = [next(running), next(running)]
    before = Posted.closed
    running.close()
    assert Posted.closed == before + 1
    expected = list(piv.analyse_series(pairs[:2], settings=QUICK, model=None))
    same(found, expected)


@pytest.fixture
def no_processes(monkeypatch):
    monkeypatch.setattr(series, "Pool", {})  # whoever uses it fails


def test_an_unknown_model_is_told_before_anything_is_started(no_processes):
    first, second = frames(1)
    pairs = [piv.ImagePair(first[0], second[0])]
    with pytest.raises(WeightsError, match="unknown model nonsense"):
        next(piv.analyse_series(pairs, model="nonsense", workers=1))


def test_a_series_of_nothing_is_empty_and_starts_nothing(no_processes):
    assert list(piv.analyse_series([], settings=QUICK, model=None, workers=4)) == []


@pytest.mark.parametrize("name", ["none", "default"])
def test_a_file_that_is_called_like_a_model_is_not_taken_for_it(name):
    Path(name).write_text("notes", encoding="utf-8")  # the working folder is the test's own
    assert SeriesJob.of([], None, None, name).model == name
    Path("tuned.safetensors").write_bytes(b"")
    assert SeriesJob.of([], None, None, "tuned.safetensors").model == str(
        Path("tuned.safetensors").absolute()
    )


class Backwards(Inline):
    """Gives what came last first."""

    def __init__(self, window):
        super().__init__(lambda: lambda index: PairResult(index, None, "done", 0.0))
        self.window = window
        self.most = 0

    def next(self, timeout):
        self.most = max(self.most, self.outstanding)
        if not self._tasks:
            return None
        index = self._tasks.pop()
        if index == 3:
            return index, Lost("its worker died twice (signal 9)")
        return index, self._compute(index)


def test_results_are_put_in_order_and_no_more_of_them_wait_than_the_window():
    begun = []

    class Watched(Backwards):
        def submit(self, task):
            begun.append(task)
            super().submit(task)

    executor, given = Watched(5), []
    for result in results(executor, 17, ordered=True):
        given.append(result.index)
        assert max(begun) < len(given) - 1 + 5
    assert given == list(range(17))
    assert executor.most <= 5


def test_as_they_come_means_as_they_come_and_lost_pairs_have_a_reason():
    found = list(results(Backwards(4), 6, ordered=False))
    assert [each.index for each in found] != list(range(6))
    assert sorted(each.index for each in found) == list(range(6))
    lost = next(each for each in found if each.index == 3)
    assert (lost.analysis, lost.error) == (None, "its worker died twice (signal 9)")
