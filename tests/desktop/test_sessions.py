"""Sessions as the user meets them: save, open, leave, crash and recover."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop.stand_ins import (
    StubCompute,
    StubDialogs,
    StubProgram,
    an_analysis,
    source_info,
    wait_until,
    write_images,
)
from gui import autosave, sessionfile
from gui.controllers.sessions import SessionsController, attach
from gui.masks import MaskSet, Shape
from gui.recent import Recent
from gui.state import CalibrationState, FieldEdits, ResultEntry
from piv.settings import Settings, apply_assignments

SQUARE = Shape("rectangle", ((10.0, 20.0), (40.0, 50.0)))


@pytest.fixture
def controller(stub_program: StubProgram) -> Iterator[SessionsController]:
    """With a stand-in for the process that writes; no timer goes by itself."""
    made = attach(stub_program)  # type: ignore[arg-type]
    stopped(made)
    made._saver = StubCompute(stub_program.tell)  # type: ignore[assignment]
    stub_program.controllers["sessions"] = made
    yield made
    made.close()


def stopped(controller: SessionsController) -> SessionsController:
    for timer in (controller._timer, controller._soon, controller._start):
        timer.stop()
    return controller


@pytest.fixture
def ready(controller, stub_program, images) -> StubProgram:
    """A program with two pairs and a result."""
    stub_program.session.set_source(source_info(images))
    stub_program.session.set_result(0, ResultEntry(0, an_analysis(), None, 1.0))
    return stub_program


def saving(program):
    return program.controllers["sessions"].saver.of("sessions.write")


def answer(program, **answers):
    program.dialogs = StubDialogs(**answers)
    return program.dialogs


def press(program, name):
    program.window.action(f"sessions.{name}").trigger()


def finish(job):
    """Write as the process does."""
    sessionfile.write(job.given["state"], job.given["path"])
    job.finish(None)


def test_saving_asks_for_a_name_once(ready, tmp_path):
    path = tmp_path / "versuch.pivsession"
    dialogs = answer(ready, save_file=[path])
    press(ready, "save")
    finish(saving(ready)[0])
    assert (ready.session.path, ready.session.dirty) == (path, False)
    assert str(path) in ready.tell.last.text
    assert Recent(ready.home).entries() == [(path,)]
    ready.session.set_masks(MaskSet((SQUARE,)))
    press(ready, "save")
    finish(saving(ready)[1])
    assert len(dialogs.asked) == 1
    assert sessionfile.read(path).snapshot.masks == MaskSet((SQUARE,))


def test_a_name_without_its_suffix_gets_it(ready, tmp_path):
    answer(ready, save_file=[tmp_path / "run.7"])
    press(ready, "save")
    assert saving(ready)[0].given["path"] == tmp_path / "run.7.pivsession"


def test_giving_no_name_saves_nothing(ready, controller):
    answer(ready, save_file=[None])
    assert not controller.save()
    assert saving(ready) == []
    assert ready.session.dirty


def test_what_comes_while_it_is_written_stays_unsaved(ready, tmp_path):
    answer(ready, save_file=[tmp_path / "s.pivsession"])
    press(ready, "save")
    ready.session.set_masks(MaskSet((SQUARE,)))
    finish(saving(ready)[0])
    assert ready.session.dirty
    assert ready.session.path is not None


def test_save_as_takes_another_name(ready, tmp_path):
    answer(ready, save_file=[tmp_path / "a.pivsession", tmp_path / "b.pivsession"])
    press(ready, "save")
    finish(saving(ready)[0])
    press(ready, "save_as")
    finish(saving(ready)[1])
    assert ready.session.path == tmp_path / "b.pivsession"
    assert (tmp_path / "a.pivsession").exists()


def test_a_refusing_disk_is_told_and_everything_is_still_there(ready, tmp_path):
    answer(ready, save_file=[tmp_path / "s.pivsession"])
    press(ready, "save")
    saving(ready)[0].fail("cannot write: No space left on device")
    assert "No space left" in ready.tell.last.text
    assert ready.session.dirty
    assert ready.session.path is None
    assert ready.window.busy == (None, None, None)


def test_a_new_session_asks_about_unsaved_work(ready):
    dialogs = answer(ready, ask=["Cancel"])
    press(ready, "new")
    assert dialogs.asked[0][0] == "ask"
    assert ready.session.results
    answer(ready, ask=["Discard"])
    press(ready, "new")
    assert ready.session.source is None
    assert not ready.session.dirty


def test_save_then_leave_leaves_only_when_it_is_saved(ready, tmp_path):
    answer(ready, ask=["Save"], save_file=[tmp_path / "s.pivsession"])
    press(ready, "new")
    assert ready.session.results
    finish(saving(ready)[0])
    assert not ready.session.results
    assert len(sessionfile.read(tmp_path / "s.pivsession").snapshot.results) == 1


def test_save_then_leave_stays_when_the_disk_refuses(ready, tmp_path):
    answer(ready, ask=["Save"], save_file=[tmp_path / "s.pivsession"])
    press(ready, "new")
    saving(ready)[0].fail("cannot write")
    assert ready.session.results


def test_looking_at_pairs_is_no_work(controller, stub_program, images):
    stub_program.session.set_source(source_info(images))
    stub_program.session.set_index(1)
    stub_program.session.set_settings(apply_assignments(Settings(), ["refine.steps=3"]))
    dialogs = answer(stub_program)
    assert stub_program.window.close()
    assert dialogs.asked == []


def test_a_measured_scale_is_work(controller, stub_program, images):
    stub_program.session.set_source(source_info(images))
    stub_program.session.set_calibration(CalibrationState(1e-5, dt=1e-3, length="9 mm over 90 px"))
    answer(stub_program, ask=["Cancel"])
    assert not stub_program.window.close()


@pytest.mark.parametrize(("said", "closes"), [("Cancel", False), ("", False), ("Discard", True)])
def test_closing_asks_about_unsaved_work(ready, said, closes):
    answer(ready, ask=[said])
    assert ready.window.close() is closes


def test_closing_with_saving_waits_for_it(ready, tmp_path):
    closed = []
    ready.window.closed.connect(lambda: closed.append(True))
    answer(ready, ask=["Save"], save_file=[tmp_path / "s.pivsession"])
    assert not ready.window.close()
    assert not ready.window.close()  # impatient
    assert closed == []
    finish(saving(ready)[0])
    assert closed == [True]


def test_somebody_else_who_keeps_the_window_is_asked_first(ready):
    ready.window.closing.disconnect()
    ready.window.closing.connect(lambda event: event.ignore())
    ready.window.closing.connect(ready.controllers["sessions"]._closing)
    dialogs = answer(ready)
    assert not ready.window.close()
    assert dialogs.asked == []


def test_opening_replaces_the_session(ready, controller, tmp_path):
    path = tmp_path / "s.pivsession"
    sessionfile.save(ready.session, path)
    ready.session.reset()
    answer(ready, open_files=[[path]])
    press(ready, "open")
    (job,) = controller.saver.of("sessions.read")
    job.finish(sessionfile.read(job.given["path"], job.given["found"]))
    assert ready.session.path == path
    assert ready.session.results[0].analysis is not None
    assert not ready.session.dirty
    assert Recent(ready.home).entries() == [(path,)]


def test_opening_asks_about_unsaved_work_first(ready, controller, tmp_path):
    answer(ready, ask=["Cancel"])
    controller.open(tmp_path / "s.pivsession")
    assert controller.saver.of("sessions.read") == []


def test_a_file_that_is_none_is_told_and_nothing_changes(ready, controller, tmp_path):
    answer(ready, ask=["Discard"])
    controller.open(tmp_path / "s.pivsession")
    (job,) = controller.saver.of("sessions.read")
    job.fail("s.pivsession is no session file")
    assert "no session file" in ready.tell.last.text
    assert ready.session.results


@pytest.mark.parametrize("said", ["Find them", "Go on without", "Cancel"])
def test_missing_images_are_asked_for(ready, controller, images, tmp_path, said):
    path = tmp_path / "s.pivsession"
    sessionfile.save(ready.session, path)
    ready.session.reset()
    shutil.move(images, tmp_path / "elsewhere")
    dialogs = answer(ready, ask=[said], open_files=[[tmp_path / "elsewhere"]])
    controller.open(path)

    def read():
        job = controller.saver.of("sessions.read")[-1]
        job.finish(sessionfile.read(job.given["path"], job.given["found"]))

    read()
    assert str(images) in dialogs.asked[0][1][1]
    if said == "Cancel":
        assert len(controller.saver.of("sessions.read")) == 1
        assert ready.session.results == {}
        return
    read()
    assert 0 in ready.session.results
    if said == "Find them":
        assert ready.session.source.spec.path == tmp_path / "elsewhere"
    else:
        assert ready.session.source is None
        assert str(images) in ready.tell.last.text


def test_undo_and_redo_say_what_they_do(ready):
    press(ready, "undo")
    assert "nothing to undo" in ready.tell.last.text
    ready.session.set_masks(MaskSet((SQUARE,)), "draw a rectangle")
    press(ready, "undo")
    assert ready.session.masks == MaskSet()
    assert "draw a rectangle" in ready.tell.last.text
    press(ready, "redo")
    assert ready.session.masks == MaskSet((SQUARE,))
    press(ready, "redo")
    assert "nothing to do again" in ready.tell.last.text


# what is kept for a crash


def test_work_is_kept_once_for_each_change(ready, controller):
    controller.keep()
    controller.keep()
    (job,) = saving(ready)
    finish(job)
    controller.keep()
    assert len(saving(ready)) == 1
    ready.session.set_masks(MaskSet((SQUARE,)))
    controller.keep()
    assert len(saving(ready)) == 2
    assert ready.session.dirty  # it is kept, not saved


def test_a_result_is_kept_soon(ready, controller):
    assert controller._soon.isActive()


def test_what_is_saved_is_not_kept_any_more(ready, controller, tmp_path):
    controller.keep()
    finish(saving(ready)[0])
    assert list((ready.home / "autosave").glob(f"*/{autosave.NAME}"))
    answer(ready, save_file=[tmp_path / "s.pivsession"])
    press(ready, "save")
    finish(saving(ready)[1])
    assert list((ready.home / "autosave").iterdir()) == []


def test_nothing_is_kept_after_a_clean_end(ready, controller):
    controller.keep()
    finish(saving(ready)[0])
    controller.close()
    assert list((ready.home / "autosave").iterdir()) == []
    assert autosave.left(ready.home) == []


def test_a_disk_that_refuses_is_told_once_for_each_change(ready, controller):
    controller.keep()
    saving(ready)[0].fail("No space left on device")
    controller.keep()
    warnings = [text for text in ready.texts if "No space left" in text]
    assert len(warnings) == 1
    ready.session.set_masks(MaskSet((SQUARE,)))
    controller.keep()
    assert len(saving(ready)) == 2


def test_a_home_that_cannot_be_written_is_told(controller, ready):
    ready.home.parent.mkdir(exist_ok=True)
    shutil.rmtree(ready.home, ignore_errors=True)
    ready.home.write_text("in the way")
    controller.keep()
    assert "cannot be kept" in ready.tell.last.text
    ready.home.unlink()


CRASH = """
import sys
from pathlib import Path
from PyQt6.QtWidgets import QApplication
app = QApplication([])
from desktop.stand_ins import StubProgram, an_analysis, source_info, wait_until
from gui.controllers import sessions
from gui.masks import MaskSet, Shape
from gui.session import Session
from gui.state import ResultEntry
sessions.SOON = 10
program = StubProgram(Path({home!r}), Session())
controller = sessions.attach(program)
session = program.session
session.set_source(source_info(Path({images!r})))
session.set_masks(MaskSet((Shape("rectangle", ((10.0, 20.0), (40.0, 50.0))),)))
session.set_index(1)
session.set_result(1, ResultEntry(1, an_analysis(seed=4), None, 1.0))
wait_until(lambda: controller._kept == session.revision)
print("kept", flush=True)
wait_until(lambda: False, 600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_killed_program_loses_nothing_that_was_kept(qapp, session, tmp_path):
    """A real process with its real writing process, killed without any chance to say farewell."""
    images, home = write_images(tmp_path / "images"), tmp_path / "home"
    code = CRASH.format(home=str(home), images=str(images))
    crashed = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert crashed.stdout is not None
    with crashed.stdout:
        assert crashed.stdout.readline() == "kept\n"
        assert autosave.left(home) == []  # it lives
        crashed.kill()
        crashed.wait()
    program = StubProgram(home, session)
    dialogs = answer(program, ask=["Recover"])
    controller = attach(program)  # type: ignore[arg-type]
    try:
        wait_until(lambda: session.results)
        assert "images" in dialogs.asked[0][1][1]
        assert session.source is not None
        assert session.masks == MaskSet((SQUARE,))
        assert session.index == 1
        known = an_analysis(seed=4)
        assert (session.results[1].analysis.dense.u == known.dense.u).all()
        assert session.dirty  # it is in no session file
        assert session.path is None
        assert "recovered" in program.texts[0]
        wait_until(lambda: controller._kept == session.revision)
        (kept,) = (home / "autosave").glob(f"*/{autosave.NAME}")  # now in this program's own
        assert controller._recovered == []
        assert kept == controller._place.path()
    finally:
        controller.close()
    assert autosave.left(home) == []
    assert not list((home / "autosave").iterdir())


@pytest.fixture
def crashed(ready, controller) -> Any:
    """Unsaved work of two programs that have crashed."""
    for n in range(2):
        place = autosave.Place(ready.home)
        sessionfile.write(sessionfile.snapshot(ready.session), place.path())
        os.utime(place.path(), (1e9 + n, 1e9 + n))
        place._lock.release()
    ready.session.reset()
    return ready


@pytest.mark.parametrize(
    ("said", "remain"),
    [(["Later"], 2), ([""], 2), (["Discard", "Later"], 1), (["Discard", "Discard"], 0)],
)
def test_what_is_offered_stays_until_it_is_not_wanted(crashed, controller, said, remain):
    answer(crashed, ask=said)
    controller.offer_recovery()
    left = autosave.left(crashed.home)
    assert len(left) == remain
    for each in left:
        each.remove()
    assert controller.saver.of("sessions.read") == []


def test_the_newest_is_recovered_and_the_other_offered_the_next_time(crashed, controller):
    answer(crashed, ask=["Recover"])
    controller.offer_recovery()
    (job,) = controller.saver.of("sessions.read")
    assert job.given["path"].stat().st_mtime == 1e9 + 1
    job.finish(sessionfile.read(job.given["path"]))
    assert 0 in crashed.session.results
    (other,) = autosave.left(crashed.home)
    assert other.path.stat().st_mtime == 1e9
    other.remove()


def test_what_cannot_be_read_is_told_and_not_offered_again(crashed, controller):
    answer(crashed, ask=["Recover"])
    controller.offer_recovery()
    (job,) = controller.saver.of("sessions.read")
    job.fail("it is damaged")
    assert "damaged" in crashed.tell.last.text
    (other,) = autosave.left(crashed.home)
    other.remove()


def test_a_recovered_session_belongs_to_the_file_that_it_had(ready, controller, tmp_path):
    answer(ready, save_file=[tmp_path / "s.pivsession"])
    press(ready, "save")
    finish(saving(ready)[0])
    ready.session.set_edits(0, FieldEdits(limits=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))))
    place = autosave.Place(ready.home)
    sessionfile.write(sessionfile.snapshot(ready.session), place.path())
    place._lock.release()
    ready.session.reset()
    dialogs = answer(ready, ask=["Recover"])
    controller.offer_recovery()
    assert "s.pivsession" in dialogs.asked[0][1][1]
    (job,) = controller.saver.of("sessions.read")
    job.finish(sessionfile.read(job.given["path"]))
    assert ready.session.path == tmp_path / "s.pivsession"
    assert ready.session.dirty
    assert ready.session.results[0].edits


def test_a_crash_before_anything_was_kept_leaves_nothing(tmp_path):
    place = autosave.Place(tmp_path)
    place.path()
    place._lock.release()
    assert autosave.left(tmp_path) == []
    assert list((tmp_path / "autosave").iterdir()) == []


# the whole program


def test_save_close_open_and_go_on_with_the_whole_program(program, tmp_path):
    """With its window and its processes: analyse, save, begin anew, open, end while it computes."""
    session, window = program.session, program.window
    path = tmp_path / "ganz.pivsession"
    program.controllers["files"].open_paths([write_images(tmp_path / "images")])
    wait_until(lambda: session.source is not None)
    session.apply_preset("coarse")
    window.action("analysis.run").trigger()
    wait_until(lambda: session.result is not None)
    assert session.result.analysis is not None, program.tell.last
    known = session.result.analysis.field.u.copy()
    session.set_masks(MaskSet((SQUARE,)))
    program.dialogs.answers["save_file"] = [path]
    window.action("sessions.save").trigger()
    wait_until(lambda: session.path == path)
    assert not session.dirty
    window.action("sessions.new").trigger()
    assert session.source is None
    program.controllers["files"].open_paths([path])
    wait_until(lambda: session.result is not None)
    assert (session.result.analysis.field.u == known).all()
    assert session.masks == MaskSet((SQUARE,))
    assert session.preset_name() == "coarse"
    window.action("analysis.run").trigger()
    session.set_calibration(CalibrationState(1e-5, dt=1e-3))
    program.dialogs.answers["ask"] = ["Discard"]
    children = [c.client.pid for c in (program.quick, program.heavy)]
    assert window.close()
    assert program.closed
    assert not any(autosave.left(program.home))
    if sys.platform.startswith("linux"):
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
