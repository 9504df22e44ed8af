"""Runs of a series: the words and files of the command, what it says, the panel, real runs."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import torch
from batch_sets import Inline, assert_same, spoil_chunk, write_set
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication

import piv
from desktop.stand_ins import StubDialogs, source_info, wait_until, write_images
from gui import batch
from gui.batch import BatchOrder, Failure, RunState, ending, plain_words, prepare, read_dry_run
from gui.compute.tasks.batch import Standing
from gui.controllers.batch import BatchController
from gui.masks import ImportedMask, MaskSet, Shape
from gui.state import CalibrationState, SourceInfo
from gui.views.batch_panel import BatchPanel, progress_text
from piv.batch import processes
from piv.cli import main
from piv.errors import InputError
from piv.io.sources import SourceSpec
from piv.settings import Settings, apply_assignments, load

SHAPE = (64, 80)
COUNT = 24
DAMAGED = 17
RECTANGLE = Shape("rectangle", ((10.0, 5.0), (30.0, 20.0)))


@pytest.fixture
def data_set(tmp_path):
    return damaged_set(tmp_path / "Messung – 渦")


def damaged_set(folder):
    """Pairs of which one cannot be read."""
    folder.mkdir()
    path = write_set(folder / "set.h5", COUNT, SHAPE)
    spoil_chunk(path, DAMAGED)
    return path


def info(path: Path, **changes) -> SourceInfo:
    with SourceSpec(path.absolute(), **changes).open() as source:
        return SourceInfo(
            path=path, spec=source.spec, kind=source.kind, names=tuple(source.names),
            shape=source.shape, dt=source.dt, dt_known=source.dt_known, pairing=source.spec.pairing,
        )  # fmt: skip


def order_of(known: SourceInfo, output: Path, **changes) -> BatchOrder:
    words = {"settings": Settings(), "model": "none"} | changes
    return BatchOrder(spec=known.spec, count=known.count, shape=known.shape, output=output, **words)


# -- the order


def test_the_words_are_those_of_the_command(data_set, tmp_path, capsys):
    settings = apply_assignments(Settings(), ["correlate.windows=[32,16]"])
    order = order_of(
        info(data_set), tmp_path / "out.h5", settings=settings, first=1, last=4, step=2,
        calibration=CalibrationState(2.1e-5, (3.0, -4.0), 2e-4), background="mean", workers=1,
    )  # fmt: skip
    words = prepare(order)
    assert words[:4] == [sys.executable, "-m", "piv", "batch"]
    assert words[4:6] == [str(data_set), str(tmp_path / "out.h5")]
    assert load(words[words.index("--settings") + 1]) == settings
    joined = " ".join(words)
    for part in (
        "--model none", "--pairs 1:5:2", "--dt 0.0002", "--pixel-size 2.1e-05",
        "--origin 3.0 -4.0", "--background mean", "--workers 1",
    ):  # fmt: skip
        assert part in joined
    assert "--mask" not in joined
    assert "--overwrite" not in joined
    assert main([*words[3:], "--dry-run"]) == 0
    rows = dict(read_dry_run(capsys.readouterr().out))
    assert rows["pairs"] == "2: 1 to 3, every 2."
    assert rows["in"] == "m and m/s"
    assert rows["workers"].startswith("1 worker process")
    assert "would be made" in rows["output"]
    assert batch.as_typed(words).startswith("piv batch ")


def test_single_pairs_are_named_and_found(data_set, tmp_path, capsys):
    order = order_of(info(data_set), tmp_path / "o.h5", chosen=(0, 1, 3))
    words = prepare(order)
    assert words[words.index("--pairs") + 1] == "0:2,3"
    assert main([*words[3:], "--dry-run"]) == 0
    assert dict(read_dry_run(capsys.readouterr().out))["pairs"] == "3: 0, 1, 3"
    with pytest.raises(InputError, match="not those of this source"):
        order_of(info(data_set), tmp_path / "o.h5", chosen=(0, 1, 300))


def test_a_run_of_all_in_px_has_few_words(data_set, tmp_path):
    known = info(data_set)
    words = prepare(
        order_of(known, tmp_path / "o.h5", calibration=CalibrationState(1e-5), calibrated=False)
    )
    assert not {"--pairs", "--pixel-size", "--dt", "--workers", "--retry-failed"} & set(words)
    assert "--retry-failed" in prepare(order_of(known, tmp_path / "o.h5", retry_failed=True))
    assert "--overwrite" in prepare(order_of(known, tmp_path / "o.h5", overwrite=True))


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"first": 3, "last": 2}, "the first before the last"), ({"last": COUNT}, "between 0 and 23"),
     ({"step": 0}, "every 0"), ({"output": Path("a.txt")}, "must end in .h5")],
)  # fmt: skip
def test_an_order_that_cannot_be_is_refused(data_set, tmp_path, changes, says):
    words = {"output": tmp_path / "o.h5"} | changes
    with pytest.raises(InputError, match=says):
        order_of(info(data_set), **words)


def test_a_mask_for_all_pairs_is_an_image(data_set, tmp_path):
    order = order_of(info(data_set), tmp_path / "o.h5", masks=MaskSet((RECTANGLE,)))
    words = prepare(order)
    path = Path(words[words.index("--mask") + 1])
    mask = tifffile.imread(path) != 0
    assert path.parent == order.folder
    np.testing.assert_array_equal(mask, order.masks.rasterise(0, SHAPE))
    assert mask.sum() == 21 * 16


def test_masks_of_single_pairs_are_hdf5_and_join_that_of_the_source(data_set, tmp_path):
    given = np.zeros(SHAPE, bool)
    given[-3:] = True
    tifffile.imwrite(tmp_path / "given.tif", given.astype(np.uint8))
    known = info(data_set, mask=tmp_path / "given.tif")
    masks = MaskSet((RECTANGLE,), {2: (Shape("ellipse", ((50.0, 20.0), (70.0, 50.0))),)},
                    imported_per_pair={4: ImportedMask(np.eye(*SHAPE, dtype=bool))})  # fmt: skip
    order = order_of(known, tmp_path / "o.h5", masks=masks)
    path = Path((words := prepare(order))[words.index("--mask") + 1])
    with h5py.File(path) as file:
        stored = file["mask"][()]
    assert stored.shape == (COUNT, *SHAPE)
    for n in range(COUNT):
        drawn = masks.rasterise(n, SHAPE)
        np.testing.assert_array_equal(stored[n], drawn | given)
    assert len({stored[n].sum() for n in (0, 2, 4)}) == 3
    with piv.open_pairs(data_set, mask=path) as pairs:
        np.testing.assert_array_equal(pairs[2].mask, stored[2])


def test_without_masks_of_the_window_that_of_the_source_is_handed_on(data_set, tmp_path):
    given = np.zeros(SHAPE, np.uint8)
    given[:4] = 1
    tifffile.imwrite(tmp_path / "given.tif", given)
    words = prepare(order_of(info(data_set, mask=tmp_path / "given.tif"), tmp_path / "o.h5"))
    assert words[words.index("--mask") + 1] == str(tmp_path / "given.tif")


def test_a_folder_is_named_with_its_pairing(tmp_path):
    folder = write_images(tmp_path / "run", 2, SHAPE)
    words = prepare(order_of(source_info(folder), tmp_path / "o.h5"))
    assert words[4] == str(folder)
    assert words[words.index("--pairing") + 1] == source_info(folder).pairing


def test_pairs_that_the_command_would_not_find_are_listed(tmp_path):
    folder = write_images(tmp_path / 'a "b" ü', 3, SHAPE)
    files = (("run_003a.tif", "run_003b.tif"), ("run_001a.tif", "run_001b.tif"))
    known = info(folder, files=files)
    order = order_of(known, tmp_path / "o.h5")
    words = prepare(order)
    assert Path(words[4]).parent == order.folder
    assert "--pairing" not in words
    with piv.open_pairs(words[4]) as found, known.spec.open() as wanted:
        assert len(found) == 2
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.first, other.first)
            np.testing.assert_array_equal(one.second, other.second)


def test_the_rough_size_follows_what_is_stored(data_set, tmp_path):
    order = order_of(info(data_set), tmp_path / "o.h5")
    windows = apply_assignments(order.settings, ["correlate.windows=[64,24]"])
    order = order.replace(settings=windows)
    coarse = batch.rough_bytes(order)
    dense = batch.rough_bytes(order.replace(model="default"))
    assert dense - coarse == pytest.approx(COUNT * 12.8 * 64 * 80)
    thin = apply_assignments(windows, ["output.stride=4"])
    thinned = batch.rough_bytes(order.replace(model="default", settings=thin))
    assert thinned - coarse == pytest.approx((dense - coarse) / 16)
    assert batch.rough_bytes(order.replace(first=1, last=1)) == pytest.approx(coarse / COUNT)
    assert batch.free_bytes(tmp_path / "o.h5") > 0
    assert batch.free_bytes(tmp_path / "no folder" / "o.h5") is None


# -- what the command says


def event(kind, **more):
    counts = {"total": 5, "done": 1, "failed": 0, "pending": 4, "elapsed": 2.0, "rate": 0.5,
              "seconds_left": 8.0}  # fmt: skip
    return json.dumps({"event": kind, **counts, **more})


def test_a_state_follows_the_lines():
    state = RunState().after('{"event": "note", "text": "2 worker processes"}')
    assert (state.begun, state.notes) == (False, ("2 worker processes",))
    assert progress_text(state) == "2 worker processes"
    state = state.after("no JSON at all").after("[1, 2]").after(event("start", rate=None))
    assert state.begun
    state = state.after(event("pair", index=3, position=1, name="x", error=None, seconds=1.0))
    assert (state.finished, state.fraction, state.rate) == (1, 0.2, 0.5)
    assert progress_text(state) == "1 of 5 pairs, 30.0 pairs/min, 8 s left"
    line = event("pair", failed=1, pending=3, index=4, position=2, name="x_4", seconds=1.0,
                 error="set.h5 x_4: the frame holds NaN")  # fmt: skip
    state = state.after(line).after(line)
    assert state.failures == (Failure(4, "x_4", "the frame holds NaN"),)
    assert "1 failed" in progress_text(state)
    state = state.after(event("end", exit_status=1, output="o.h5"))
    assert state.exit_status == 1
    assert batch.failures_csv(state.failures).splitlines() == [
        "pair (from 1),index for --pairs (from 0),name,reason",
        "5,4,x_4,the frame holds NaN",
    ]


@pytest.mark.parametrize(
    ("code", "errors", "level", "says", "resumable"),
    [
        (0, "", "info", "all 5 pairs are done", False),
        (1, "", "warning", "Retry failed", False),
        (2, "piv: error: r.h5 was begun with something else, it differs in: mask. Repeat the first "
            "command to go on, choose another name, or add --overwrite", "error",
            "put the settings back to go on, choose another name, or tick Begin anew", False),
        (3, "piv: error: cannot write r.h5: no space left", "error", "no space left", True),
        (130, "", "info", "Stopped. 1 of 5 pairs are done", True),
        (70, "Traceback ...\nKeyError: 1", "error", "went wrong inside", True),
        (-9, "", "error", "ended from outside (status -9)", True),
    ],
)  # fmt: skip
def test_every_ending_is_told_in_plain_words(code, errors, level, says, resumable):
    state = RunState(total=5, done=1, pending=4, begun=True)
    told = ending(code, errors, state, Path("r.h5"))
    assert (told.level, told.resumable) == (level, resumable)
    assert says in told.text
    assert "\n" not in told.text
    assert "--" not in told.text


def test_options_become_the_words_of_the_panel():
    assert plain_words("add --overwrite, or --retry-failed") == "add --overwrite, or Retry failed"
    assert "tick Begin anew" in plain_words("choose another name, or add --overwrite")


# -- panel and controller with stand-ins


def test_the_panel_says_what_is_chosen_and_lists_failures(qtbot):
    panel = BatchPanel()
    qtbot.addWidget(panel)
    panel.set_source(8)
    panel.set_output("a.h5")
    panel.first.setValue(3)  # as the list of pairs counts
    panel.step.setValue(3)
    panel.background.setCurrentIndex(2)
    chosen = panel.choices()
    assert (chosen.first, chosen.last, chosen.step) == (2, 7, 3)
    assert (chosen.background, chosen.output, chosen.workers) == ("min", "a.h5", 0)
    panel.show_failures([Failure(4, "x", "why"), Failure(6, "y", "so")])
    panel.show_failures([Failure(4, "x", "why"), Failure(6, "y", "so"), Failure(7, "z", "?")])
    assert panel.failures.topLevelItemCount() == 3
    with qtbot.waitSignal(panel.failure_chosen) as chosen_pair:
        panel.failures.itemClicked.emit(panel.failures.topLevelItem(1), 0)
    assert chosen_pair.args == [6]
    panel.set_running(True)
    assert not panel.start_button.isEnabled()
    assert panel.stop_button.isEnabled()
    panel.set_running(False)
    panel.set_results(there=True, failed=True, left=True)
    assert panel.start_button.text() == "Go on"
    assert panel.retry_button.isEnabled()
    panel.set_chosen([0, 1, 5])
    assert panel.choices().chosen == (0, 1, 5)
    assert panel.chosen_text.text() == "3 pairs: 1, 2, 6"
    panel.set_chosen([1, 4, 7])  # evenly spaced: a range
    chosen = panel.choices()
    assert (chosen.first, chosen.last, chosen.step, chosen.chosen) == (1, 7, 3, ())
    panel.set_chosen([6])
    assert (panel.choices().first, panel.choices().last, panel.choices().step) == (6, 6, 1)
    qtbot.mouseClick(panel.all_pairs, Qt.MouseButton.LeftButton)
    assert (panel.choices().first, panel.choices().last, panel.choices().step) == (0, 7, 1)


def test_buttons_stay_where_they_are_when_more_is_said(qtbot):
    panel = BatchPanel()
    qtbot.addWidget(panel)
    panel.resize(420, 900)
    panel.show()
    qtbot.waitExposed(panel)
    before = [each.y() for each in (panel.start_button, panel.stop_button, panel.copy_button)]
    panel.show_estimate([(f"What {n}", "a value of many words " * 5) for n in range(9)])
    qtbot.wait(20)
    after = [each.y() for each in (panel.start_button, panel.stop_button, panel.copy_button)]
    assert before == after


def test_what_is_checked_counts_pairs_as_the_window_does(control, opened):
    order = control._wanted()
    control._checked(order, ["Dry run:", "  source  folder", "  pairs  2: 0 to 1"], 0, "", True)
    text = control.panel.estimate.text()
    assert "Pairs: 2 of 2" in text
    assert "Source: folder" in text
    assert "0 to 1" not in text


def test_everything_of_the_panel_has_a_name_and_a_tip(qtbot):
    panel = BatchPanel()
    qtbot.addWidget(panel)
    for widget in (
        panel.output, panel.first, panel.last, panel.step, panel.background, panel.calibrated,
        panel.overwrite, panel.workers, panel.start_button, panel.stop_button, panel.check_button,
        panel.copy_button, panel.open_button, panel.retry_button, panel.save_button,
        panel.failures,
    ):  # fmt: skip
        assert widget.accessibleName()
        assert widget.toolTip()


@pytest.fixture
def control(stub_program, opened, qtbot):
    made = BatchController(stub_program)
    qtbot.addWidget(made.panel)
    yield made
    made.close()


def test_a_source_proposes_where_results_go_and_how_large_they_become(control, opened):
    output = Path(control.panel.choices().output)
    assert output == opened.source.path.with_name(f"{opened.source.path.name}_results.h5")
    assert "2 of 2" in control.panel.estimate.text()
    assert "free" in control.panel.estimate.text()
    control.panel.set_output("a.txt")
    assert "must end in .h5" in control.panel.estimate.text()


def test_other_images_get_another_place_for_results(control, stub_program, opened):
    control.panel.set_output("typed for the first.h5")
    opened.set_source(dataclasses.replace(opened.source, pairing="as before"))  # the same images
    assert control.panel.output.text() == "typed for the first.h5"
    control.panel.show_status("first.h5: all 2 pairs are done")
    control.panel.bar.setValue(1000)
    other = opened.source.path.with_name("other")
    opened.set_source(dataclasses.replace(opened.source, path=other))
    assert Path(control.panel.choices().output) == other.with_name("other_results.h5")
    assert control.panel.status.text() == "Nothing is running."
    assert control.panel.bar.value() == 0


def test_failures_are_named_as_in_the_list_of_pairs(control, opened):
    control._list((Failure(1, "../somewhere/else", "why"), Failure(7, "beyond", "so")))
    items = [control.panel.failures.topLevelItem(n) for n in range(2)]
    assert [item.text(1) for item in items] == [opened.names[1], "beyond"]


def test_without_a_source_the_user_is_told(stub_program, qtbot):
    control = BatchController(stub_program)
    qtbot.addWidget(control.panel)
    control.start()
    assert "open a folder" in stub_program.texts[-1]
    assert stub_program.quick.jobs == []
    control.close()


def test_beginning_anew_asks_before_it_replaces(control, stub_program, tmp_path):
    path = tmp_path / "there.h5"
    path.write_bytes(b"results")
    control.panel.set_output(path)
    control.panel.overwrite.setChecked(True)
    control.start()
    assert stub_program.dialogs.asked[-1][0] == "ask"
    assert not control.running
    stub_program.dialogs = StubDialogs(ask=["Replace"])
    control.start()
    assert control.running
    (job,) = stub_program.quick.of("batch.prepare")
    assert job.given["order"].overwrite
    job.fail("cannot write there")
    assert not control.running
    assert stub_program.texts[-1] == "cannot write there"


def test_stopping_while_it_is_prepared_begins_nothing(control, stub_program):
    control.start()
    control.stop()
    (job,) = stub_program.quick.of("batch.prepare")
    job.finish([sys.executable, "-c", "raise SystemExit('never')"])
    assert not control.running
    assert "before the run began" in control.panel.status.text()


def test_results_that_are_there_are_told(control, stub_program):
    control.show_panel = lambda: None
    control._stand()
    job = stub_program.quick.of("batch.standing")[-1]
    job.finish(Standing(3, 1, 2, (Failure(1, "b", "why"),)))
    assert "3 done, 1 failed, 2 left" in control.panel.status.text()
    assert control.panel.start_button.text() == "Go on"
    control.panel.failure_chosen.emit(1)
    assert stub_program.session.index == 1
    control.panel.failure_chosen.emit(77)
    assert "Pair 78 is not in what is open" in stub_program.texts[-1]


def test_retrying_without_results_is_told(control, stub_program):
    control.retry()
    assert "nothing can be retried" in stub_program.texts[-1]


def test_the_list_of_failures_is_saved(control, stub_program, tmp_path):
    control._save_failures()
    assert "No pair" in stub_program.texts[-1]
    control._list((Failure(7, "b, c", "why"),))
    stub_program.dialogs = StubDialogs(save_file=[tmp_path / "f.csv", tmp_path / "no" / "f.csv"])
    control._save_failures()
    assert '7,"b, c",why' in (tmp_path / "f.csv").read_text(encoding="utf-8")
    control._save_failures()
    assert "cannot write" in stub_program.texts[-1]


# -- the command itself, through a real program


def begin(program, path, output):
    """Open a data set and choose where its results go; coarse stage, one process."""
    program.session.set_source(info(path))
    program.session.set_model("none")
    control = program.controllers["batch"]
    control.panel.set_output(output)
    control.panel.overwrite.setChecked(False)
    control.panel.workers.setValue(1)
    wait_until(lambda: not program.quick.busy)
    return control


def texts(program):
    return [message.text for message in program.tell.messages]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What the command makes of the same set without the window and without a stop."""
    path = damaged_set(tmp_path_factory.mktemp("alone") / "of its own")
    words = prepare(order_of(info(path), path.with_name("results.h5"), workers=1))
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "Pool", Inline)
        assert main([*words[3:], "--progress", "none"]) == 1
    torch.set_num_threads(threads)
    return path.with_name("results.h5")


def ended(program, control):
    """Wait until a run has ended and what follows it is done."""
    wait_until(lambda: not control.running)
    wait_until(lambda: not program.quick.busy)
    return control.state.exit_status


def test_a_run_stops_goes_on_and_gives_what_the_command_gives(program, data_set, alone):
    output = data_set.with_name("results.h5")
    control = begin(program, data_set, output)
    control.start()
    assert control.running
    wait_until(lambda: control.state.begun or not control.running)
    control.stop()
    assert control.stopping
    assert ended(program, control) == 130
    assert "Start goes on" in control.panel.status.text()
    assert len(piv.open_results(output).pending) > 0
    assert control.panel.start_button.text() == "Go on"

    control.start()
    assert ended(program, control) == 1  # one pair is damaged
    assert_same(output, alone)
    assert program.session.source.path == data_set
    assert program.session.store.path == output
    assert program.session.store.statuses.count(1) == COUNT - 1
    item = control.panel.failures.topLevelItem(0)
    assert item.text(0) == str(DAMAGED + 1)  # as the list of pairs counts
    control.panel.failures.itemClicked.emit(item, 0)
    assert program.session.index == DAMAGED
    assert control.panel.retry_button.isEnabled()
    assert control.panel.start_button.text() == "Start"

    program.session.set_settings(apply_assignments(Settings(), ["correlate.windows=[32,16]"]))
    control.start()
    ended(program, control)
    assert "differs in: correlate.windows" in texts(program)[-1]
    assert "tick Begin anew" in texts(program)[-1]
    assert "--" not in texts(program)[-1]
    program.session.set_settings(Settings())
    assert_same(output, alone)


@pytest.mark.slow
def test_another_source_may_be_opened_while_it_runs(program, data_set, alone, tmp_path):
    output = data_set.with_name("results.h5")
    control = begin(program, data_set, output)
    control.start()
    wait_until(lambda: control.state.begun or not control.running)
    program.session.set_source(source_info(write_images(tmp_path / "other", 2, SHAPE)))
    assert ended(program, control) == 1
    assert program.session.store is None
    assert control.panel.choices().last == 1
    assert_same(output, alone)


@pytest.mark.slow
def test_failed_pairs_are_retried(program, data_set, tmp_path):
    sound = write_set(tmp_path / "sound.h5", COUNT, SHAPE)
    output = data_set.with_name("results.h5")
    control = begin(program, data_set, output)
    control.start()
    assert ended(program, control) == 1
    data_set.write_bytes(sound.read_bytes())  # the drive is back
    control.retry()
    assert ended(program, control) == 0
    assert control.panel.failures.topLevelItemCount() == 0
    assert not control.panel.retry_button.isEnabled()
    control.start()  # a finished run ends at once
    assert ended(program, control) == 0
    assert f"all {COUNT} pairs are done" in control.panel.status.text()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(program, data_set, alone):
    output = data_set.with_name("killed.h5")
    control = begin(program, data_set, output)
    control.start()
    wait_until(lambda: control.state.finished > 1 or not control.running)
    os.killpg(control._run._process.pid, signal.SIGKILL)
    ended(program, control)
    assert any("ended from outside" in text for text in texts(program))
    control.start()
    assert ended(program, control) == 1
    assert_same(output, alone)


def test_the_command_is_copied_and_a_check_starts_nothing(program, data_set):
    output = data_set.with_name("checked.h5")
    control = begin(program, data_set, output)
    control.copy_command()
    wait_until(lambda: not program.quick.busy)
    assert QGuiApplication.clipboard().text().startswith("piv batch ")
    control.check()
    wait_until(lambda: "being checked" not in control.panel.status.text())
    assert not output.exists()
    assert "Checked: the run can start" in control.panel.status.text()
    assert "Workers: 1 worker process" in control.panel.estimate.text()


def test_a_place_that_cannot_be_written_is_told(program, data_set):
    control = begin(program, data_set, data_set.parent / "no folder" / "results.h5")
    control.start()
    wait_until(lambda: not control.running)
    assert "there is no folder" in texts(program)[-1]
    (data_set.parent / "a_run").write_text("a file in the place of the run's folder")
    control = begin(program, data_set, data_set.with_name("a.h5"))
    control.start()
    wait_until(lambda: not control.running)
    assert "cannot make the folder" in texts(program)[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_disk_that_fills_up_is_told_and_the_run_goes_on(program, data_set, alone):
    output = data_set.with_name("full.h5")
    control = begin(program, data_set, output)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = alone.stat().st_size
    try:  # the command inherits it: files end at four fifths of what the results need
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(0.8 * size), before[1]))
        control.start()
        wait_until(lambda: not control.running or control._run is not None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended(program, control) in (3, None)
    assert program.tell.last.level == "error"
    control.start()
    assert ended(program, control) == 1
    assert_same(output, alone)


@pytest.mark.slow
def test_closing_while_it_runs_asks_and_waits_for_the_end(program, data_set):
    from PyQt6.QtGui import QCloseEvent

    control = begin(program, data_set, data_set.with_name("closing.h5"))
    closed = []
    program.window.close, close = lambda: closed.append(True), program.window.close
    try:
        control.start()
        wait_until(lambda: control._run is not None)
        event_ = QCloseEvent()
        event_.accept()
        control._closing(event_)  # the question is closed without an answer
        assert not event_.isAccepted()
        assert control.running
        assert not control.stopping
        program.dialogs.answers["ask"] = ["Stop and close"]
        event_.accept()
        control._closing(event_)
        assert not event_.isAccepted()
        wait_until(lambda: closed)
        assert not control.running
    finally:
        program.window.close = close
