"""Counts, rate and time left."""

import pytest

from piv.batch.progress import Progress, duration_text, pair_text, rate_text


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_rate_and_time_left_come_from_the_pairs_of_late_not_from_the_start():
    clock = Clock()
    progress = Progress(total=100, done=40, clock=clock)
    assert (progress.rate, progress.seconds_left, progress.begun) == (None, None, False)
    clock.now += 30  # workers begin
    progress.add(failed=False)
    assert (progress.rate, progress.begun) == (None, True)
    for n in range(20):
        clock.now += 0.5
        progress.add(failed=n == 7)
    assert progress.rate == pytest.approx(2.0)
    assert (progress.done, progress.failed, progress.finished, progress.pending) == (60, 1, 61, 39)
    assert progress.seconds_left == pytest.approx(39 / 2.0)
    assert progress.elapsed == pytest.approx(40.0)


def test_a_run_that_stands_still_says_so():
    clock = Clock()
    progress = Progress(total=10, clock=clock)
    for _ in range(5):
        clock.now += 1
        progress.add(failed=False)
    first = progress.rate
    clock.now += 60
    assert progress.rate < first / 10
    clock.now += 600
    assert progress.rate is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (725, "12 min 5 s"),
     (25380, "7 h 3 min"), (260000, "3 d 0 h"), (-3, "0 s")],
)  # fmt: skip
def test_durations_as_people_say_them(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(None, "?"), (12.34, "12.3 pairs/s"), (0.25, "15.0 pairs/min")]
)
def test_rates_in_the_unit_that_reads_best(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("", "pair 7"), ("pair 7", "pair 7"), ("a.tif, b.tif", "pair 7 (a.tif, b.tif)"),
     ("pair 70", "pair 7 (pair 70)")],
)  # fmt: skip
def test_a_pair_is_called_by_its_index_and_its_own_name(name, text):
    assert pair_text(7, name) == text
