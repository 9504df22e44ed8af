"""``piv batch`` from the command line to its exit status; the workers are in this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
import tifffile
from batch_sets import SHAPE, Inline, assert_same, frames, spoil_chunk, write_set

import piv
from piv.batch import processes
from piv.cli import main


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def inline(monkeypatch):
    """Computing in this process; a list that tells how many pairs each run computed."""
    made = []

    class Counting(Inline):
        def __init__(self, prepare, workers):
            super().__init__(prepare, workers)
            self.computed = 0
            made.append(self)

        def submit(self, task):
            self.computed += 1
            super().submit(task)

    monkeypatch.setattr(processes, "Pool", Counting)
    return made


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "Messung Nr. 1 – 渦"
    folder.mkdir()
    return write_set(folder / "set.h5", 7)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "results – 渦.h5"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A data set and the results of all its pairs, for all tests that begin with them."""
    import torch

    folder, threads = tmp_path_factory.mktemp("finished"), torch.get_num_threads()
    source = write_set(folder / "set.h5", 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "Pool", Inline)
        batch(source, folder / "results.h5", *NONE)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def done(finished, source, output):
    """The results of ``source``, at ``output``."""
    assert source.read_bytes() == (finished / "set.h5").read_bytes()
    shutil.copy(finished / "results.h5", output)
    return finished / "results.h5"


def batch(*words, status=0):
    code = main(["batch", *(str(word) for word in words)])
    assert code == status
    return code


def refused(capsys, *words, says, status=2):
    """The command ends with one line on standard error."""
    batch(*words, status=status)
    error = capsys.readouterr().err
    assert error.startswith("piv: error: ")
    assert error.count("\n") == 1
    assert says in error


NONE = ("--model", "none", "--workers", "1")


def test_every_pair_is_analysed_and_the_values_are_those_of_analyse(source, output, capsys):
    batch(source, output, *NONE)
    told = capsys.readouterr().out
    assert "7 done, 0 failed, 0 pending" in told
    results = piv.open_results(output)
    assert list(results.pairs) == list(range(7))
    with piv.open_pairs(source) as pairs:
        for n in (0, 6):
            expected = piv.analyse(pairs[n], model=None).field
            field = results.field(n)
            np.testing.assert_array_equal(field.u, expected.u)
            np.testing.assert_array_equal(field.flags, expected.flags)


def test_a_finished_run_repeated_computes_nothing(source, output, done, inline, capsys):
    batch(source, output, *NONE)
    assert "nothing to do: all 7 pairs" in capsys.readouterr().out
    assert inline == []
    assert_same(done, output)


@pytest.mark.usefixtures("inline")
def test_another_version_of_torch_is_told_but_not_refused(source, output, done, capsys):
    with h5py.File(output, "r+") as store:
        known = json.loads(store.attrs["provenance"])
        store.attrs["provenance"] = json.dumps({**known, "torch": "1.0"})
        store["status"][3] = 0
    batch(source, output, *NONE)
    assert f"begun with torch 1.0, this is {known['torch']}" in capsys.readouterr().out


@pytest.mark.usefixtures("inline")
def test_a_part_of_a_dense_field_that_is_not_made_is_told(source, output, capsys):
    batch(source, output, *NONE, "--set", "output.stride=2")
    assert "which --model none does not make" in capsys.readouterr().out
    coarse = piv.open_results(output).field(0)
    assert coarse.shape == piv.analyse(piv.open_pairs(source)[0], model=None).coarse.shape


@pytest.mark.usefixtures("done")
def test_a_finished_run_repeated_needs_neither_torch_nor_workers(source, output):
    code = (
        "import sys\nfrom piv.cli import main\n"
        f"status = main(['batch', {str(source)!r}, {str(output)!r}, '--model', 'none'])\n"
        "print(status, 'torch' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert told.stdout.splitlines()[-1] == "0 False"


def test_a_part_that_was_stopped_goes_on_and_equals_an_uninterrupted_run(
    source, output, finished, inline, monkeypatch
):
    from piv.batch import loop

    real, asked = loop.Stop, []

    class Soon(loop.Stop):
        """Ctrl-C after the second pair, and again at once."""

        def __init__(self):
            super().__init__()
            asked.append(self)

    monkeypatch.setattr(loop, "Stop", Soon)
    from piv.cli import progress

    seen = progress.Display.pair

    def pair(self, task, packed):
        seen(self, task, packed)
        if task.index == 1:
            asked[0].ask(signal.SIGINT)
            asked[0].ask(signal.SIGINT)

    monkeypatch.setattr(progress.Display, "pair", pair)
    batch(source, output, *NONE, status=130)
    monkeypatch.setattr(progress.Display, "pair", seen)
    monkeypatch.setattr(loop, "Stop", real)
    assert piv.open_results(output).done == [0, 1]
    batch(source, output, *NONE)
    assert inline[-1].computed == 5
    assert_same(finished / "results.h5", output)


def test_a_stopped_run_says_how_to_go_on(source, output, capsys, monkeypatch):
    from piv.cli import progress

    monkeypatch.setattr(progress.Lines, "tick", lambda self: signal.raise_signal(signal.SIGTERM))
    batch(source, output, *NONE, status=3)
    assert "run the same command again to go on" in capsys.readouterr().out


def test_bad_pairs_are_listed_with_the_reason_and_the_rest_is_done(source, output, capsys):
    with h5py.File(source, "r+") as file:
        file["frames/b"][2] = 0
    spoil_chunk(source, 4)
    batch(source, output, *NONE, status=1)
    told = capsys.readouterr().out
    assert "5 done, 2 failed, 0 pending" in told
    assert told.count("pair 2: the second frame is all black") == 2  # at once, and in the end
    assert "pair 4: " in told
    results = piv.open_results(output)
    assert results.failed == [2, 4]
    assert results.names[4]
    # again: nothing is computed, but the status still says that pairs have failed
    batch(source, output, *NONE, status=1)
    assert "nothing to do" in capsys.readouterr().out


def test_failed_pairs_are_retried_when_asked(source, output, finished, inline, capsys):
    good = source.read_bytes()
    spoil_chunk(source, 4)
    batch(source, output, *NONE, status=1)
    source.write_bytes(good)
    batch(source, output, *NONE, status=1)
    capsys.readouterr()
    batch(source, output, *NONE, "--retry-failed", "--dry-run")
    told = capsys.readouterr().out
    assert "1 failed pairs" in told
    assert "about 0 bytes" not in told
    assert len(inline) == 1
    batch(source, output, *NONE, "--retry-failed")
    assert inline[-1].computed == 1
    assert_same(finished / "results.h5", output)


def test_a_bug_costs_its_pair_and_is_told_with_its_traceback(source, output, capsys, monkeypatch):
    from piv import pipeline

    real = pipeline.analyse

    def broken(pair, **options):
        if "3" in pair.name:
            raise RuntimeError("injected")
        return real(pair, **options)

    monkeypatch.setattr(pipeline, "analyse", broken)
    batch(source, output, *NONE, status=70)
    told = capsys.readouterr()
    assert "RuntimeError: injected" in told.err
    assert piv.open_results(output).failed == [3]
    assert len(piv.open_results(output).done) == 6


def test_single_pairs_are_chosen_with_commas_and_stay_the_same(source, output, capsys):
    batch(source, output, *NONE, "--pairs", "5,0,1")
    assert piv.open_results(output).pairs.tolist() == [0, 1, 5]
    batch(source, output, *NONE, "--pairs", "0:2,5")
    assert "nothing to do" in capsys.readouterr().out
    refused(capsys, source, output, *NONE, "--pairs", "0:2,6", says="it differs in: pairs")


def test_some_pairs_keep_their_numbers(source, output):
    batch(source, output, *NONE, "--pairs", "1:6:2")
    results = piv.open_results(output)
    assert list(results.pairs) == [1, 3, 5]
    with piv.open_pairs(source) as pairs:
        expected = piv.analyse(pairs[3], model=None).field
    np.testing.assert_array_equal(results.field(1).u, expected.u)


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "correlate.windows=[32,16]"), "correlate.windows (then [64, 32, 16], now [32,"),
        (("--pairs", ":3"), "pairs (then [0, 7, 1], now [0, 3, 1])"),
        (("--dt", "1ms", "--pixel-size", "20um"), "calibration (then none"),
        (("--background", "mean"), "background (then none"),
        (("--preset", "fast", "--model", "default"), "weights (then none"),
    ],
)
def test_going_on_with_other_words_is_refused_and_told_what_differs(
    source, output, capsys, words, says
):
    before = output.read_bytes()
    rest = NONE if "--model" not in words else ()
    refused(capsys, source, output, *rest, *words, says=says)
    assert output.read_bytes() == before
    refused(capsys, source, output, *rest, *words, "--dry-run", says=says)


@pytest.mark.usefixtures("done")
def test_going_on_with_a_changed_input_is_refused(source, output, capsys):
    with h5py.File(source, "r+") as file:
        image = file["frames/a"][5]
        image[3, 4] ^= 1
        file["frames/a"][5] = image
    refused(capsys, source, output, *NONE, says="the images of pair 5")
    write_set(source, 8)
    refused(capsys, source, output, *NONE, says="source.count (then 7, now 8)")


def test_overwriting_begins_anew(source, output, inline):
    batch(source, output, *NONE, "--pairs", ":3")
    batch(source, output, *NONE, "--overwrite")
    assert inline[-1].computed == 7
    assert len(piv.open_results(output)) == 7


def test_a_dry_run_tells_and_writes_nothing(source, output, finished, tmp_path, capsys):
    batch(source, output, *NONE, "--dry-run")
    told = capsys.readouterr().out
    assert "7: 0 to 6" in told
    assert "48 x 72 px" in told
    assert "would be made" in told
    assert "free" in told
    assert [path.name for path in tmp_path.iterdir()] == [source.parent.name]
    shutil.copy(finished / "results.h5", output)
    batch(source, output, *NONE, "--dry-run")
    assert "goes on: 7 done, 0 failed, 0 pending" in capsys.readouterr().out
    batch(source, output, *NONE, "--dry-run", "--overwrite")
    assert "would be replaced" in capsys.readouterr().out


@pytest.mark.parametrize("own", ["mean", "min"])
def test_a_background_of_the_runs_own_frames_is_kept_with_the_results(
    source, output, tmp_path, own, inline
):
    with h5py.File(source, "r+") as file:
        file["frames/a"][:, :, 20:30] |= 128  # a reflection that stands still
        file["frames/b"][:, :, 20:30] |= 128
    batch(source, output, *NONE, "--background", own)
    batch(source, output, *NONE, "--background", own)  # the same words go on
    assert len(inline) == 1
    with h5py.File(source) as file, h5py.File(output) as results:
        images = file["frames/a"][:].astype("f8")
        expected = images.mean(0) if own == "mean" else images.min(0)
        np.testing.assert_allclose(results["background/a"][()], expected, rtol=1e-6)
        record = json.loads(results.attrs["provenance"])["background"]
    assert record["of"] == own
    assert len(record["sha256"]) == 64
    with piv.open_pairs(source) as pairs, h5py.File(output) as results:
        from piv.preprocess import subtract_background

        images = (results["background/a"][()], results["background/b"][()])
        expected = piv.analyse(subtract_background(pairs[6], images), model=None).field
    np.testing.assert_array_equal(piv.open_results(output).field(6).u, expected.u)


def test_mask_background_image_and_calibration_are_those_of_analyse(
    source, output, tmp_path, capsys
):
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:30, 40:] = 1
    dark = np.full(SHAPE, 2, np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    tifffile.imwrite(tmp_path / "dark.tif", dark)
    words = (
        "--mask", tmp_path / "mask.tif", "--background", tmp_path / "dark.tif", "--dt", "200us",
        "--pixel-size", "21um", "--origin", "5", "7",
    )  # fmt: skip
    batch(source, output, *NONE, *words)
    with h5py.File(source) as file:
        pair = (file["frames/a"][2], file["frames/b"][2])
    for path, image in zip(("a.tif", "b.tif"), pair, strict=True):
        tifffile.imwrite(tmp_path / path, image)
    alone = tmp_path / "alone.h5"
    assert main(
        ["analyse", str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), "-o", str(alone), "--model",
         "none", *(str(word) for word in words)]
    ) == 0  # fmt: skip
    field, expected = piv.open_results(output).field(2), piv.read_field(alone)
    for name in ("x", "y", "u", "v", "flags"):
        np.testing.assert_array_equal(getattr(field, name), getattr(expected, name))
    assert (field.units, field.y_axis, field.dt) == ("m/s", "up", 2e-4)
    with h5py.File(output) as results:
        np.testing.assert_array_equal(results["mask"][()] != 0, mask != 0)
        np.testing.assert_array_equal(results["background/a"][()], dark)
    mask[0, 0] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    capsys.readouterr()
    refused(capsys, source, output, *NONE, *words, says="mask (then")


def test_a_data_set_brings_its_own_calibration(source, output, capsys):
    with h5py.File(source, "r+") as file:
        file.attrs["dt"], file.attrs["pixel_size"] = 2e-4, 2.1e-5
    batch(source, output, *NONE)
    assert "calibrated with the source's pixel size" in capsys.readouterr().out
    assert piv.open_results(output).field(0).units == "m/s"


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("pair 7", "set.h5 pair 7: it is black", "pair 7: it is black"),
        ("a.tif, b.tif", "a.tif, b.tif: it is black", "pair 7 (a.tif, b.tif): it is black"),
        ("a.tif, b.tif", "its worker died", "pair 7 (a.tif, b.tif): its worker died"),
        ("", "its worker died", "pair 7: its worker died"),
    ],
)
def test_a_failure_is_told_with_its_name_once(name, error, text):
    from piv.cli.progress import failure_text

    assert failure_text(7, name, error) == text


def test_a_bar_fits_a_terminal_of_80_columns_and_shows_counts_rate_and_failures():
    import io

    from rich.console import Console

    from piv.batch.progress import Progress
    from piv.cli.progress import Bar

    now = [0.0]
    progress = Progress(10_000, clock=lambda: now[0])
    screen = Console(file=io.StringIO(), width=80, force_terminal=True)
    bar, picture = Bar(progress, screen), Console(file=io.StringIO(), width=80, record=True)
    with bar.shown():
        bar.tick()
        picture.print(bar.renderable())
        for n in range(4321):
            now[0] += 3.0
            progress.add(failed=n % 400 == 0)
        bar.tick()
        picture.print(bar.renderable())
    first, last = picture.export_text().splitlines()
    assert first.rstrip().endswith("0/10000 pairs starting")
    for words in ("4321/10000 pairs", "20.0 pairs/min", "4 h 43 min left", "11 failed"):
        assert words in last
    assert len(last) <= 80
    assert last.startswith("━━━")


def test_progress_for_machines_is_json_line_by_line(source, output, capsys):
    spoil_chunk(source, 4)
    batch(source, output, *NONE, "--progress", "json", status=1)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[-1] == "end"
    assert kinds.count("pair") == 7
    assert kinds.index("start") < kinds.index("pair")
    pairs = [event for event in events if event["event"] == "pair"]
    assert [event["index"] for event in pairs] == list(range(7))
    assert [event["error"] is None for event in pairs] == [n != 4 for n in range(7)]
    end = events[-1]
    assert (end["exit_status"], end["done"], end["failed"], end["pending"]) == (1, 6, 1, 0)


def test_progress_none_says_nothing(source, output, capsys):
    batch(source, output, *NONE, "--progress", "none")
    assert capsys.readouterr().out == ""


def test_a_folder_is_watched_while_it_fills_and_goes_on_later(
    tmp_path, output, inline, capsys, monkeypatch
):
    from piv.batch import feeds

    monkeypatch.setattr(feeds, "_LOOK", 0.05)
    folder = tmp_path / "camera"
    folder.mkdir()
    first, second = frames(6)

    def add(n):
        tifffile.imwrite(folder / f"run_{n:03}_a.tif", first[n])
        tifffile.imwrite(folder / f"run_{n:03}_b.tif", second[n])

    def fill():
        for n in (1, 2, 3):
            time.sleep(0.2)
            add(n)

    add(0)
    thread = threading.Thread(target=fill)
    thread.start()
    batch(folder, output, *NONE, "--watch", "1s")
    thread.join()
    results = piv.open_results(output)
    assert results.done == [0, 1, 2, 3]
    assert results.names[3] == "run_003_a.tif, run_003_b.tif"
    add(4)
    batch(folder, output, *NONE, "--watch", "0.5s")
    assert inline[-1].computed == 1
    results = piv.open_results(output)
    assert results.done == [0, 1, 2, 3, 4]
    expected = piv.analyse(first[4], second[4], model=None).field
    np.testing.assert_array_equal(results.field(4).u, expected.u)
    capsys.readouterr()
    refused(capsys, folder, output, *NONE, says="one was run with --watch, the other without")
    (folder / "run_001_a.tif").unlink()
    refused(capsys, folder, output, *NONE, "--watch", "0.5s", says="the names of the pairs")


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_written(
    source, output, capsys, monkeypatch
):
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=60 << 20))
    refused(capsys, source, output, *NONE, says="but only 62.9 MB are free")
    assert not output.exists()
    refused(capsys, source, output, *NONE, "--dry-run", says="free some space, or store less")


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_dry_run_notices_a_folder_that_may_not_be_written(source, output, capsys, monkeypatch):
    real = os.access  # whoever may do everything, such as root, may write everywhere
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    refused(capsys, source, output, *NONE, "--dry-run", says="nothing may be written in the folder")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--workers", "2", "--scheduler", "tcp://a:1"), "give one"),
        (("--retry-failed", "--overwrite"), "nothing to retry"),
        (("--background", "mean", "--background", "min"), "--background is given once"),
        (("--background", "mean", "--watch"), "--watch cannot know all pairs: leave --background"),
        (("--pairs", "1:2", "--watch"), "--watch cannot know all pairs: leave --pairs"),
        (("--watch",), "--watch looks at a folder"),
        (("--pairs", "9"), "there are 7 pairs"),
        (("--pixel-size", "20um"), "--dt"),
        (("--origin", "1", "2"), "add --pixel-size and --dt"),
        (("--set", "correlate.window=[32]"), "did you mean correlate.windows?"),
        (("--model", "defualt"), "unknown model defualt: known are"),
        (("--frames", "images"), "images"),
        (("--mask", "nothing.tif"), "nothing.tif"),
        (("--background", "nothing.tif"), "nothing.tif"),
        (("--progress", "xml"), "--progress"),
        (("--workers", "0"), "--workers"),
        (("--scheduler", "tcp://127.0.0.1:9"), "no dask scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(source, output, capsys, monkeypatch, words, says):
    from piv import distributed

    monkeypatch.setattr(distributed, "_ANSWER", 0.5)
    model = () if "--model" in words else ("--model", "none")
    refused(capsys, source, output, *model, *words, says=says)


def test_inputs_are_never_the_output(source, output, tmp_path, capsys):
    refused(capsys, source, source, *NONE, says="it is one of the inputs")
    refused(capsys, source, source, *NONE, "--overwrite", says="it is one of the inputs")
    refused(capsys, source, tmp_path / "no" / "o.h5", *NONE, says="there is no folder")
    refused(capsys, source, tmp_path / "o.csv", *NONE, says="results are HDF5")
    refused(capsys, tmp_path / "no.h5", output, *NONE, says="there is no")
    other = write_set(tmp_path / "precious.h5", 2)
    before = other.read_bytes()
    refused(capsys, source, other, *NONE, says="it is not the store of a run (piv batch)")
    refused(capsys, source, other, *NONE, "--overwrite", says="--overwrite replaces results only")
    assert other.read_bytes() == before


def test_a_result_of_one_pair_is_no_run(source, output, tmp_path, capsys):
    first, second = frames(1)
    piv.write_analysis(output, piv.analyse(first[0], second[0], model=None))
    refused(capsys, source, output, *NONE, says="it is not the store of a run (piv batch)")


def test_the_input_is_opened_for_reading_only(source, output):
    before = (source.read_bytes(), source.stat().st_mtime_ns)
    source.chmod(0o444)
    batch(source, output, *NONE)
    batch(source, output, *NONE)
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before


def test_a_second_run_into_the_same_file_is_refused(source, output, capsys):
    from piv.io.store import ResultsWriter

    batch(source, output, *NONE, "--pairs", ":2")
    with ResultsWriter.open(output):
        refused(capsys, source, output, *NONE, "--pairs", ":2", says="another process is writing")
