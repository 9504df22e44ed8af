"""A folder that fills: what is taken, when, and what ends the watch."""

from __future__ import annotations

import os

import pytest
import tifffile
from batch_sets import frames

import piv
from piv.batch.feeds import ListFeed, WatchFeed, wait_for_pairs
from piv.batch.job import PairTask
from piv.batch.loop import StoppedEarly
from piv.errors import InputError


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


class Store:
    def __init__(self):
        self.added = []

    def extend(self, count, names):
        assert count == len(names)
        self.added.extend(names)


@pytest.fixture(scope="module")
def images():
    return frames(6)


@pytest.fixture
def watching(tmp_path, images):
    """A folder with one pair, a feed of it, and a function that adds pairs."""

    def add(n, half=False):
        tifffile.imwrite(tmp_path / f"run_{n:03}_a.tif", images[0][n])
        if not half:
            tifffile.imwrite(tmp_path / f"run_{n:03}_b.tif", images[1][n])

    add(0)
    clock, store, counts = Clock(), Store(), []
    with piv.open_pairs(tmp_path, pairing="ab") as source:
        spec = source.spec
    feed = WatchFeed(spec, store, [0], 1, 30.0, counts.append, clock)
    return feed, add, clock, store, counts, tmp_path


def looks(feed, clock, times=1):
    """What the feed gives at so many looks, a second apart."""
    found = []
    for _ in range(times):
        clock.now += 1.0
        while (task := feed.take()) is not None:
            found.append(task)
    return found


def test_a_list_gives_its_tasks_in_order_and_is_over():
    feed = ListFeed([PairTask(2, 20), PairTask(3, 30)], ["a", "b", "c", "d"])
    assert not feed.over
    assert [feed.take(), feed.take(), feed.take()] == [PairTask(2, 20), PairTask(3, 30), None]
    assert feed.over
    assert feed.name(PairTask(3, 30)) == "d"


def test_a_new_pair_is_taken_when_its_files_are_as_they_were_a_look_ago(watching):
    feed, add, clock, store, counts, _ = watching
    assert looks(feed, clock) == [PairTask(0, 0, ("run_000_a.tif", "run_000_b.tif"))]
    add(1)
    assert looks(feed, clock) == []  # perhaps it is still being written
    assert looks(feed, clock) == [PairTask(1, 1, ("run_001_a.tif", "run_001_b.tif"))]
    assert store.added == ["run_001_a.tif, run_001_b.tif"]
    assert counts == [2]
    assert feed.name(PairTask(1, 1)) == "run_001_a.tif, run_001_b.tif"


def test_a_file_that_grows_is_waited_for_and_so_are_those_after_it(watching):
    feed, add, clock, _, _, folder = watching
    looks(feed, clock)
    add(1)
    add(2)
    growing = folder / "run_001_b.tif"
    for n in range(4):
        with growing.open("ab") as file:
            file.write(bytes(7))
        os.utime(growing, ns=(n * 10**9, n * 10**9))
        assert looks(feed, clock) == []
    assert [task.position for task in looks(feed, clock, 3)] == [1, 2]


def test_pairs_that_come_together_are_taken_together(watching):
    feed, add, clock, _, _, _ = watching
    looks(feed, clock)
    for n in (1, 2, 3):
        add(n)
    assert [task.position for task in looks(feed, clock, 2)] == [1, 2, 3]


def test_what_is_there_from_the_start_may_still_be_written_too(watching):
    feed, _, clock, store, _, folder = watching
    growing = folder / "run_000_b.tif"
    whole = growing.read_bytes()
    growing.write_bytes(whole[:100])
    assert looks(feed, clock) == []
    assert not feed.over
    growing.write_bytes(whole)
    assert looks(feed, clock) == []
    assert [task.position for task in looks(feed, clock)] == [0]
    assert store.added == []


def test_what_never_settles_is_tried_in_the_end(watching):
    feed, _, clock, _, _, folder = watching
    (folder / "run_000_b.tif").write_bytes(b"")
    assert looks(feed, clock, 29) == []
    assert [task.position for task in looks(feed, clock)] == [0]
    assert feed.over


def test_half_a_pair_is_none(watching):
    feed, add, clock, _, _, _ = watching
    looks(feed, clock)
    add(1, half=True)
    assert looks(feed, clock, 5) == []
    add(1)
    assert [task.position for task in looks(feed, clock, 3)] == [1]


def test_the_watch_is_over_when_nothing_has_come_for_the_time_given(watching):
    feed, add, clock, _, _, _ = watching
    looks(feed, clock, 29)
    assert not feed.over
    add(1)
    looks(feed, clock, 3)
    looks(feed, clock, 28)
    assert not feed.over
    looks(feed, clock, 3)
    assert feed.over


def test_files_that_come_before_the_others_or_go_are_refused(watching):
    feed, _, clock, _, _, folder = watching
    looks(feed, clock)
    (folder / "run_000_a.tif").rename(folder / "run_005_a.tif")
    (folder / "run_000_b.tif").rename(folder / "run_005_b.tif")
    with pytest.raises(StoppedEarly, match="no longer in the order in which they came"):
        looks(feed, clock)


def test_an_empty_folder_is_waited_for(tmp_path, images):
    clock = Clock()

    def sleep(seconds):
        clock.now += seconds
        if clock.now > 60:
            tifffile.imwrite(tmp_path / "r1_a.tif", images[0][1])
            tifffile.imwrite(tmp_path / "r1_b.tif", images[1][1])

    def opening():
        return piv.open_pairs(tmp_path, pairing="ab")

    with wait_for_pairs(opening, tmp_path, 20.0, sleep=sleep, clock=clock) as source:
        assert len(source) == 1


def test_a_folder_that_stays_empty_is_told_of(tmp_path):
    clock = Clock()

    def sleep(seconds):
        clock.now += seconds

    def opening():
        return piv.open_pairs(tmp_path)

    with pytest.raises(InputError, match="holds no images"):
        wait_for_pairs(opening, tmp_path, 20.0, sleep=sleep, clock=clock)
    assert clock.now == pytest.approx(70.0)
    with pytest.raises(InputError, match="looks at a folder"):
        wait_for_pairs(opening, tmp_path / "no", 20.0, sleep=sleep, clock=clock)
