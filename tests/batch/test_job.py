"""What a worker does with a pair, good or bad."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
from batch_sets import SHAPE, frames, spoil_chunk

import piv
from piv.batch.job import Job, PairTask, static_background
from piv.errors import InputError, PIVError, WeightsError
from piv.fingerprint import fingerprint
from piv.io.store import pack_analysis
from piv.preprocess import subtract_background
from piv.settings import Settings


@pytest.fixture
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def job(tmp_path, one_thread):
    """Of a set with pair 1 damaged, 2 with NaN, 3 black and 4 hidden by its mask."""
    first, second = frames(6)
    first, second = first.astype("f4"), second.astype("f4")
    second[2, 5, 7] = np.nan
    second[3] = 0
    masks = np.zeros((6, *SHAPE), bool)
    masks[4] = True
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        for name, images in (("a", first), ("b", second)):
            file.create_dataset(f"frames/{name}", data=images, chunks=(1, *SHAPE), fletcher32=True)
        file["mask"] = masks
    spoil_chunk(path, 1)
    with piv.open_pairs(path) as source:
        spec = source.spec
    return Job(spec, SHAPE, Settings(), "none", None, f"ccfcn-piv {piv.__version__}")


@pytest.mark.parametrize(
    ("index", "says"),
    [(1, "pair 1"), (2, "NaN"), (3, "second frame is all black"), (4, "hides every pixel")],
)
def test_a_bad_pair_is_its_own_error_and_no_other_pairs(job, index, says):
    bench = job()
    answer = bench(PairTask(7, index))
    assert answer.bug is None
    assert answer.packed.position == 7
    assert says in answer.packed.error
    assert "\n" not in answer.packed.error
    assert answer.packed.seconds >= 0
    assert bench(PairTask(0, 0)).packed.error is None


def test_a_result_is_that_of_analyse_with_the_hash_of_the_pair_as_it_was_read(job):
    background = (np.full(SHAPE, 3, "u1"), np.full(SHAPE, 5, "u1"))
    bench = dataclasses.replace(job, background=background)()
    packed = bench(PairTask(0, 5)).packed
    with job.source.open() as source:
        pair = source[5]
    expected = piv.analyse(subtract_background(pair, background), model=None)
    expected = pack_analysis(expected, 0, sha256=fingerprint(pair))
    assert packed.sha256 == fingerprint(pair)
    assert packed.chunks == expected.chunks
    assert packed.quality == pytest.approx(expected.quality, nan_ok=True)
    plain = job()(PairTask(0, 5)).packed
    assert plain.sha256 == packed.sha256
    assert plain.chunks != packed.chunks


def test_an_exception_that_nobody_foresaw_costs_one_pair_and_keeps_its_traceback(job, monkeypatch):
    from piv import pipeline

    bench, real = job(), pipeline.analyse

    def broken(pair, **options):
        raise ZeroDivisionError("one\nover nothing")

    monkeypatch.setattr(pipeline, "analyse", broken)
    answer = bench(PairTask(0, 0))
    assert answer.packed.error == "internal error: ZeroDivisionError: one over nothing"
    assert "Traceback" in answer.bug
    monkeypatch.setattr(pipeline, "analyse", real)
    assert bench(PairTask(0, 0)).packed.error is None


@pytest.mark.parametrize(
    "problem", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you ...")]
)
def test_too_little_memory_says_what_to_do(job, monkeypatch, problem):
    from piv import pipeline

    def broken(pair, **options):
        raise problem

    monkeypatch.setattr(pipeline, "analyse", broken)
    assert "use fewer workers" in job()(PairTask(0, 0)).packed.error


def test_a_worker_with_another_version_or_other_weights_is_refused(job):
    with pytest.raises(PIVError, match="install the same version on all computers"):
        dataclasses.replace(job, package="ccfcn-piv 99.0")()
    with pytest.raises(WeightsError, match="are others than here"):
        dataclasses.replace(job, model="default", weights="0" * 64)()


def test_files_that_came_later_are_read_by_their_names(tmp_path, one_thread):
    import tifffile

    first, second = frames(3)
    for n in range(3):
        tifffile.imwrite(tmp_path / f"r{n}_a.tif", first[n])
        tifffile.imwrite(tmp_path / f"r{n}_b.tif", second[n] if n < 2 else second[n, :40])
    tifffile.imwrite(tmp_path / "s_a.tif", first[2, :40])
    tifffile.imwrite(tmp_path / "s_b.tif", second[2, :40])
    with piv.open_pairs(tmp_path, pairing="ab", doubtful=True) as source:
        spec = dataclasses.replace(source.spec, files=(("r0_a.tif", "r0_b.tif"),))
    bench = Job(spec, SHAPE, Settings(), "none", None, f"ccfcn-piv {piv.__version__}")()
    later = bench(PairTask(1, 1, ("r1_a.tif", "r1_b.tif"))).packed
    assert later.error is None
    assert later.name == "r1_a.tif, r1_b.tif"
    mixed = bench(PairTask(2, 2, ("r2_a.tif", "r2_b.tif"))).packed.error
    assert "a frame is 40 x 72 px" in mixed
    other = bench(PairTask(3, 3, ("s_a.tif", "s_b.tif"))).packed.error
    assert "40 x 72 px (height x width), but those of the series are 48 x 72 px" in other


def test_the_mean_and_the_minimum_of_the_runs_frames_leave_bad_pairs_out(job):
    first, second = (each.astype("f8") for each in frames(6))
    with job.source.open() as source:
        mean = static_background(["mean"], source, range(0, 6))
        least = static_background(["min"], source, range(0, 6, 5))
        with pytest.raises(InputError, match="no pair can be read"):
            static_background(["mean"], source, range(1, 3))
    good = [0, 5]
    black = second.copy()
    black[3] = 0
    np.testing.assert_allclose(mean[0], first[[*good, 3]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(mean[1], black[[*good, 3]].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(least[0], first[good].min(0))
    np.testing.assert_array_equal(least[1], second[good].min(0))
    assert mean[0].dtype == np.float32


def test_a_background_image_of_another_size_is_refused_at_once(job, tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "dark.tif", np.zeros((48, 80), "u1"))
    with (
        job.source.open() as source,
        pytest.raises(InputError, match=r"dark\.tif is 48 x 80 px, but the frames are 48 x 72"),
    ):
        static_background([str(tmp_path / "dark.tif")], source, range(6))
