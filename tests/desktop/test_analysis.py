"""Analyse, cancel, analyse again: with stand-ins, and with the process that computes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop.stand_ins import (
    SHAPE,
    StubDialogs,
    StubProgram,
    an_analysis,
    source_info,
    wait_until,
    write_images,
)
from gui.controllers.analysis import AnalysisController, attach
from gui.masks import MaskSet, Shape
from gui.state import CalibrationState, ResultEntry
from gui.workers import Compute
from piv.settings import Settings, apply_assignments

SQUARE = Shape("rectangle", ((10.0, 20.0), (40.0, 50.0)))


@pytest.fixture
def controller(stub_program: StubProgram) -> AnalysisController:
    return attach(stub_program)  # type: ignore[arg-type]


@pytest.fixture
def ready(controller, stub_program, images) -> StubProgram:
    """A program with two pairs open."""
    stub_program.session.set_source(source_info(images))
    return stub_program


def outcome(seed=1, warnings=()):
    return {"analysis": an_analysis(seed=seed), "seconds": 1.25, "warnings": tuple(warnings)}


def press(program, name):
    program.window.action(name).trigger()


def test_without_a_pair_it_says_what_to_do(controller, stub_program):
    press(stub_program, "analysis.run")
    assert "open a pair" in stub_program.tell.last.text
    assert stub_program.heavy.jobs == []


def test_a_press_sends_what_the_session_says(controller, ready):
    session = ready.session
    session.set_settings(apply_assignments(Settings(), ["refine.steps=1"]))
    session.set_model("none")
    session.set_masks(MaskSet((SQUARE,)))
    session.set_calibration(CalibrationState(1e-5, dt=2e-4))
    session.set_index(1)
    press(ready, "analysis.run")
    (job,) = ready.heavy.of("analyse.pair")
    given = job.given
    assert given["spec"] is session.source.spec
    assert (given["index"], given["model"], given["dt"]) == (1, "none", 2e-4)
    assert given["settings"] is session.settings
    np.testing.assert_array_equal(given["mask"], session.mask_for(1))
    text, fraction, cancel = ready.window.busy
    assert session.names[1] in text
    assert fraction is None
    assert cancel is not None


def test_the_result_goes_to_its_pair_wherever_the_user_looks_meanwhile(controller, ready):
    press(ready, "analysis.run")
    ready.session.set_index(1)
    (job,) = ready.heavy.of("analyse.pair")
    job.tell(1, 2, "network")
    assert ready.window.busy[1] == 0.5
    assert "network" in ready.window.busy[0]
    found = outcome()
    job.finish(found)
    assert ready.session.results[0].analysis is found["analysis"]
    assert ready.session.results[0].seconds == 1.25
    assert ready.session.result is None
    assert ready.window.busy == (None, None, None)
    assert ready.session.dirty
    assert "98 % of the vectors valid" in ready.tell.last.text


def test_warnings_about_the_images_are_told(controller, ready):
    press(ready, "analysis.run")
    ready.heavy.of("analyse.pair")[0].finish(outcome(warnings=["the seeding is thin"]))
    assert ready.tell.last.level == "warning"
    assert "the seeding is thin" in ready.tell.last.text


def test_a_failure_is_told_and_an_earlier_result_stays(controller, ready):
    known = ResultEntry(0, an_analysis(), None, 1.0)
    ready.session.set_result(0, known)
    press(ready, "analysis.run")
    ready.heavy.of("analyse.pair")[0].fail("the frame has no contrast")
    assert ready.session.result is known
    assert ready.tell.last.level == "error"
    assert "no contrast" in ready.tell.last.text
    assert ready.session.names[0] in ready.tell.last.text
    assert ready.window.busy == (None, None, None)


def test_a_failure_without_an_earlier_result_is_kept_as_one_and_is_no_work(controller, ready):
    press(ready, "analysis.run")
    ready.heavy.of("analyse.pair")[0].fail("no contrast")
    assert ready.session.result.error == "no contrast"
    assert not ready.session.dirty


def test_the_same_pair_is_not_analysed_twice_at_once(controller, ready):
    press(ready, "analysis.run")
    press(ready, "analysis.run")
    assert len(ready.heavy.of("analyse.pair")) == 1
    assert "already" in ready.tell.last.text


def test_another_pair_waits_and_all_are_cancelled_together(controller, ready):
    press(ready, "analysis.run")
    ready.session.set_index(1)
    press(ready, "analysis.run")
    first, second = ready.heavy.of("analyse.pair")
    assert controller.running == (0, 1)
    first.tell(0, 2, "cross-correlation")
    assert "1 more" in ready.window.busy[0]
    cancel = ready.window.busy[2]
    cancel()
    assert first.cancelled
    assert second.cancelled
    assert controller.running == ()
    assert ready.window.busy == (None, None, None)
    assert "2 analyses were cancelled" in ready.tell.last.text
    cancel()  # pressed once more


def test_when_the_first_has_ended_the_next_is_shown(controller, ready):
    press(ready, "analysis.run")
    ready.session.set_index(1)
    press(ready, "analysis.run")
    ready.heavy.of("analyse.pair")[0].finish(outcome())
    assert ready.session.names[1] in ready.window.busy[0]
    ready.heavy.of("analyse.pair")[1].fail("damaged")
    assert ready.window.busy == (None, None, None)


def test_opening_something_else_cancels(controller, ready, tmp_path):
    press(ready, "analysis.run")
    (job,) = ready.heavy.of("analyse.pair")
    ready.session.set_source(source_info(write_images(tmp_path / "other")))
    assert job.cancelled
    assert controller.running == ()
    assert ready.window.busy == (None, None, None)


def test_the_network_is_loaded_while_the_user_looks_at_the_images(controller, ready):
    (job,) = ready.heavy.of("analyse.prepare")
    assert job.given == {"model": "default"}
    job.fail("there are no weights")  # is told when an analysis is asked for
    assert all("weights" not in text for text in ready.texts)
    ready.session.set_model("none")
    assert ready.heavy.of("analyse.prepare")[-1].given == {"model": "none"}
    ready.session.set_settings(apply_assignments(Settings(), ["refine.steps=1"]))
    assert len(ready.heavy.of("analyse.prepare")) == 2


def test_an_imported_mask_of_another_size_is_told(controller, ready):
    from gui.masks import ImportedMask

    ready.session.set_masks(MaskSet(imported=ImportedMask(np.eye(50, dtype=bool), "wall.png")))
    press(ready, "analysis.run")
    assert ready.heavy.of("analyse.pair") == []
    assert "wall.png" in ready.tell.last.text


def test_results_are_forgotten_one_by_one_and_all_after_asking(controller, ready):
    for n in (0, 1):
        ready.session.set_result(n, ResultEntry(n, an_analysis(seed=n)))
    press(ready, "analysis.forget")
    assert list(ready.session.results) == [1]
    ready.session.undo()
    assert list(ready.session.results) == [1, 0]
    press(ready, "analysis.forget_all")
    assert len(ready.session.results) == 2
    ready.dialogs = StubDialogs(ask=["Remove"])
    press(ready, "analysis.forget_all")
    assert len(ready.session.results) == 0


def test_closing_while_it_runs_calls_nothing_back(controller, ready):
    press(ready, "analysis.run")
    (job,) = ready.heavy.of("analyse.pair")
    controller.close()
    assert not job.active
    assert controller.running == ()


# with the process that computes


@pytest.fixture(scope="module")
def heavy(qapp: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compute]:
    from gui.tell import Tell

    made = Compute.heavy(tmp_path_factory.mktemp("scratch"), Tell())
    yield made
    made.close()


@pytest.fixture
def real(stub_program, heavy, images) -> StubProgram:
    stub_program.heavy = heavy
    attach(stub_program)
    stub_program.session.set_source(source_info(images))
    stub_program.session.apply_preset("fast")
    return stub_program


def test_a_pair_is_analysed_at_every_pixel_with_mask_and_time(real):
    session = real.session
    session.set_masks(MaskSet((SQUARE,)))
    session.set_calibration(CalibrationState(1e-5, dt=2e-4))
    press(real, "analysis.run")
    wait_until(lambda: not real.heavy.busy)
    assert session.result is not None, real.texts
    assert session.result.error is None, session.result.error
    field = session.result.analysis.field
    assert field.shape == SHAPE
    assert (field.units, field.dt) == ("px", 2e-4)
    mask = session.mask_for(0)
    assert np.isnan(field.u[mask]).all()
    assert np.median(field.u[~mask]) == pytest.approx(3.0, abs=0.1)
    assert np.median(field.v[~mask]) == pytest.approx(-2.0, abs=0.1)
    assert any("cross-correlation" in text for text, *_ in real.window.shown if text)


def test_cancelled_at_any_moment_the_next_analysis_works(real):
    seen = []
    for moment in ("at once", "in the midst"):
        press(real, "analysis.run")
        if moment == "in the midst":
            wait_until(lambda: "cross-correlation" in real.window.busy[0])
        real.window.busy[2]()
        assert real.session.result is None
        assert real.window.busy == (None, None, None)
        seen.append(real.tell.last.text)
    assert all("cancelled" in text for text in seen)
    press(real, "analysis.run")
    wait_until(lambda: not real.heavy.busy)
    assert real.session.result.analysis.dense is not None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "run_001b.tif").unlink(), "run_001b.tif"),
        (lambda folder: (folder / "run_001a.tif").write_bytes(b"II*\0 no tif"), "run_001a.tif"),
    ],
    ids=["gone", "damaged"],
)
def test_images_that_cannot_be_read_are_told(real, spoil, says):
    spoil(Path(real.session.source.spec.path))
    press(real, "analysis.run")
    wait_until(lambda: not real.heavy.busy)
    assert real.tell.last.level == "error"
    assert says in real.tell.last.text
    assert "\n" not in real.tell.last.text


def test_frames_without_contrast_and_unknown_weights_are_told(real):
    real.session.set_model("no such weights")
    press(real, "analysis.run")
    wait_until(lambda: not real.heavy.busy)
    assert "no such weights" in real.tell.last.text
    real.session.set_model("none")
    region = apply_assignments(real.session.settings, ["preprocess.region=[0, 0, 500, 500]"])
    real.session.set_settings(region)
    press(real, "analysis.run")
    wait_until(lambda: not real.heavy.busy)
    assert "region" in real.tell.last.text


@pytest.mark.parametrize(
    ("words", "shape", "calls"),
    [(["refine.views=4"], (64, 80), 4), (["refine.memory=0.1"], (300, 560), 2)],
    ids=["views", "tiles"],
)
def test_every_call_of_the_network_moves_the_bar(heavy, words, shape, calls):
    from pairs import uniform_pair

    settings = apply_assignments(Settings(), [*words, "refine.steps=1", "correlate.windows=[32]"])
    told: list[tuple[int, int, str]] = []
    found: list[Any] = []
    heavy.run(
        "analyse.pair", done=found.append, failed=found.append,
        progress=lambda *step: told.append(step), settings=settings, model="default",
        frames=uniform_pair(shape, 2.0, 1.0),
    )  # fmt: skip
    wait_until(lambda: found)
    assert "analysis" in found[0], found
    assert told[-1] == (calls, calls + 1, f"network, part {calls} of {calls}")
    fractions = [done / total for done, total, _ in told if total]
    assert fractions == sorted(fractions)


def test_the_process_of_the_window_loads_no_torch(tmp_path):
    """What comes back from an analysis must not bring torch with it."""
    write_images(tmp_path / "images", count=1)
    code = f"""
import sys
from pathlib import Path
from PyQt6.QtWidgets import QApplication
app = QApplication([])
from desktop.stand_ins import StubProgram, source_info, wait_until
from gui.controllers.analysis import attach
from gui.session import Session
from gui.workers import Compute
program = StubProgram(Path({str(tmp_path / "home")!r}), Session())
program.heavy = Compute.heavy(Path({str(tmp_path / "home")!r}), program.tell)
attach(program)
program.session.set_source(source_info(Path({str(tmp_path / "images")!r})))
program.session.apply_preset("fast")
program.window.action("analysis.run").trigger()
wait_until(lambda: not program.heavy.busy)
assert program.session.result.analysis.dense is not None, program.texts
program.heavy.close()
print([name for name in ("torch", "cv2") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_frames_can_be_given_in_place_of_a_source(heavy):
    from pairs import uniform_pair

    frames = dataclasses.replace(uniform_pair((300, 280), 2.0, 1.0), dt=3e-3)
    found: list[Any] = []
    heavy.run(
        "analyse.pair", done=found.append, failed=found.append, settings=Settings(), model="none",
        frames=frames,
    )  # fmt: skip
    wait_until(lambda: found)
    analysis = found[0]["analysis"]
    assert analysis.dense is None
    assert analysis.field.dt == 3e-3
    assert np.median(analysis.field.u) == pytest.approx(2.0, abs=0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_killed_process_is_told_and_the_next_analysis_works(real):
    client = real.heavy.client
    wait_until(lambda: client.pid is not None and not real.heavy.busy)
    os.kill(client.pid, signal.SIGSTOP)  # so that it cannot be done before it is killed
    press(real, "analysis.run")
    wait_until(lambda: client._running is not None)
    os.kill(client.pid, signal.SIGKILL)
    wait_until(lambda: real.tell.last is not None)
    assert "ended unexpectedly" in real.tell.last.text
    assert real.session.result.analysis is None
    assert real.window.busy == (None, None, None)
