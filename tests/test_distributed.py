"""A real dask cluster of two processes: equal numbers, a worker killed, a client closed."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from batch_sets import SHAPE, Inline, assert_same, frames, spoil_chunk, write_set

import piv
from piv.batch import processes
from piv.cli import main
from piv.errors import InputError, PIVError
from piv.settings import from_dict

QUICK = from_dict({"correlate": {"windows": [16]}})
WORDS = ("--model", "none", "--set", "correlate.windows=[16]", "--progress", "none")


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes with one thread each."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dask's own
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            host="127.0.0.1", silence_logs=50,
        ) as started:  # fmt: skip
            yield started


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = write_set(tmp_path_factory.mktemp("set") / "set.h5", 12)
    spoil_chunk(path, 5)
    return path


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def serial(source, tmp_path, monkeypatch):
    """The store of a run in this process."""
    path = tmp_path / "serial.h5"
    with monkeypatch.context() as patch:
        patch.setattr(processes, "Pool", Inline)
        assert main(["batch", str(source), str(path), *WORDS]) == 1
    return path


pytestmark = pytest.mark.filterwarnings("ignore")  # of dask; there are many, none of them ours


def test_piv_batch_on_a_cluster_equals_a_serial_run(cluster, source, serial, tmp_path):
    output = tmp_path / "cluster.h5"
    words = [*WORDS, "--scheduler", cluster.scheduler_address]
    assert main(["batch", str(source), str(output), *words]) == 1
    assert_same(serial, output)


@pytest.mark.skipif(os.name != "posix", reason="kills by signals")
def test_the_pairs_of_a_killed_worker_are_done_by_others(cluster, source, serial, tmp_path):
    from piv.cli import progress

    output, killed = tmp_path / "cluster.h5", []

    class Killing(progress.Display):
        def pair(self, task, packed):
            super().pair(task, packed)
            if not killed:
                killed.extend(worker.pid for worker in list(cluster.workers.values())[:1])
                os.kill(killed[0], signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "Display", Killing)
        patch.setattr("piv.cli.batch.display", lambda _, counts: Killing(counts))
        words = [*WORDS, "--scheduler", cluster.scheduler_address]
        assert main(["batch", str(source), str(output), *words]) == 1
    assert killed
    assert_same(serial, output)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_series_on_a_cluster_equals_the_serial_one(cluster, source, ordered):
    with piv.open_pairs(source) as pairs:
        expected = list(piv.analyse_series(pairs, settings=QUICK, model=None))
        found = list(
            piv.analyse_series(
                pairs, settings=QUICK, model=None, client=cluster.scheduler_address, ordered=ordered
            )
        )
    order = [result.index for result in found]
    assert sorted(order) == list(range(12))
    if ordered:
        assert order == list(range(12))
    for result in found:
        wanted = expected[result.index]
        assert result.error == wanted.error
        if wanted.analysis is not None:
            np.testing.assert_array_equal(result.analysis.field.u, wanted.analysis.field.u)
            np.testing.assert_array_equal(result.analysis.field.flags, wanted.analysis.field.flags)


def test_leaving_a_series_early_leaves_nothing_on_the_cluster(cluster):
    from distributed import Client

    first, second = frames(40)
    pairs = [piv.ImagePair(a, b) for a, b in zip(first, second, strict=True)]
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        series = piv.analyse_series(pairs, settings=QUICK, model=None, client=client)
        assert next(series).index == 0
        series.close()
        deadline = time.monotonic() + 20
        while client.run_on_scheduler(_tasks) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert client.run_on_scheduler(_tasks) == 0
        assert client.status == "running"  # it was given, so it stays open


def _tasks(dask_scheduler):
    return len(dask_scheduler.tasks)


def test_a_worker_that_cannot_prepare_ends_the_run_with_its_reason(cluster, source, tmp_path):
    from piv.batch.job import Job, PairTask
    from piv.distributed import Cluster

    with piv.open_pairs(source) as pairs:
        job = Job(pairs.spec, SHAPE, QUICK, "none", None, "ccfcn-piv 99.0")
    with Cluster(job, cluster.scheduler_address) as executor:
        executor.submit(PairTask(0, 0))
        with pytest.raises(PIVError, match="install the same version on all computers"):
            executor.next(60.0)


def test_a_scheduler_that_goes_stops_the_run_with_status_3(source, tmp_path, capsys, monkeypatch):
    from distributed import LocalCluster

    from piv import distributed
    from piv.cli import progress

    monkeypatch.setattr(distributed, "_SILENCE", 1.0)
    output = tmp_path / "cluster.h5"
    brief = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None,
        host="127.0.0.1", silence_logs=50,
    )  # fmt: skip
    seen = []

    class Ending(progress.Display):
        def pair(self, task, packed):
            super().pair(task, packed)
            seen.append(task.index)
            if len(seen) == 2:
                brief.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("piv.cli.batch.display", lambda _, counts: Ending(counts))
        words = [*WORDS, "--scheduler", brief.scheduler_address]
        assert main(["batch", str(source), str(output), *words]) == 3
    error = capsys.readouterr().err
    assert "run the same command again" in error
    assert "Traceback" not in error
    assert 2 <= len(piv.open_results(output).done) < 12


def test_no_scheduler_at_the_address_is_one_line():
    from piv import distributed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "_ANSWER", 0.5)
        with pytest.raises(InputError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9"):
            list(piv.analyse_series([], client="tcp://127.0.0.1:9"))


def test_without_dask_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PIVError, match=r'pip install "ccfcn-piv\[cluster\]"'):
        list(piv.analyse_series([], client="tcp://127.0.0.1:9"))
