"""Statistics of the series: controller with stand-ins, and the panel alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop.result_stand_ins import a_map, answer, arrows_of, with_display, with_result
from desktop.stand_ins import StubDialogs, StubProgram, a_field, source_info
from gui.controllers import statistics
from gui.controllers.statistics import Statistics
from gui.quantities import STATISTICS
from gui.state import CalibrationState, StoreInfo
from gui.views.statistics_panel import PAIR, StatisticsPanel


@pytest.fixture
def ready(stub_program: StubProgram, images: Path) -> StubProgram:
    stub_program.session.set_source(source_info(images))
    with_display(stub_program)
    stub_program.controllers["statistics"] = statistics.attach(stub_program)  # type: ignore[arg-type]
    return stub_program


@pytest.fixture
def two(ready: StubProgram) -> StubProgram:
    for index in (0, 1):
        with_result(ready, seed=index + 1, index=index)
    answer(ready)
    return ready


def controller(program: StubProgram) -> Statistics:
    return program.controllers["statistics"]


def found() -> dict[str, Any]:
    maps = {name: a_map(0.0, float(n + 1)) for n, name in enumerate(STATISTICS)}
    return {
        "maps": maps,
        "mean": a_field(),
        "arrows": arrows_of(a_field()),
        "fields": 2,
        "least": 1,
        "most": 2,
    }


def press(program: StubProgram, name: str = "run") -> None:
    program.window.action(f"statistics.{name}").trigger()


def test_one_result_is_too_few(ready: StubProgram) -> None:
    with_result(ready)
    press(ready)
    assert "at least two results, and there is 1" in ready.tell.last.text
    assert ready.quick.of("statistics.run") == []


def test_all_results_with_their_edits_are_averaged_and_shown(two: StubProgram) -> None:
    press(two)
    job = two.quick.of("statistics.run")[-1]
    assert [entry[0].u.shape for entry in job.given["entries"]] == [(72, 96)] * 2
    job.tell(1, 2, "statistics: 1 of 2 results")
    assert two.window.busy[:2] == ("statistics: 1 of 2 results", 0.5)
    job.finish(found())
    assert two.window.busy[0] is None
    assert two.session.display.quantity == "mean speed"
    shown = two.window.canvas.shown
    assert shown["scalar"].label == "mean speed (px)"
    assert shown["vectors"][0].u.shape == (72, 96)
    controller(two).show("stress uv")
    assert shown["scalar"].label == "Reynolds stress u'v' (px²)"
    assert shown["scalar"].high == 8.0
    assert "between 1 and 2 vectors" in controller(two).panel.text.text()


def test_the_pair_itself_is_a_choice_away(two: StubProgram) -> None:
    controller(two).display.set_options({"quantity": "vorticity"})
    press(two)
    two.quick.of("statistics.run")[-1].finish(found())
    assert two.session.display.quantity == "mean speed"
    assert controller(two).panel.quantity.currentData() == "mean speed"
    controller(two).panel.quantity_chosen.emit(PAIR)
    assert two.session.display.quantity == "vorticity"
    assert controller(two).panel.quantity.currentData() == PAIR


def test_it_follows_the_stage(two: StubProgram) -> None:
    two.session.set_display(stage="coarse")
    press(two)
    assert two.quick.of("statistics.run")[-1].given["entries"][0][0].u.shape == (9, 12)
    controller(two).panel.run_requested.emit("dense")
    assert two.quick.of("statistics.run")[-1].given["stage"] == "dense"


def test_a_results_file_is_read_by_the_task(ready: StubProgram, tmp_path: Path) -> None:
    store = StoreInfo(tmp_path / "r.h5", 4, ("a", "b", "c", "d"), (1, 1, 2, 1), (50, 60), False)
    ready.session.set_store(store)
    press(ready)
    given = ready.quick.of("statistics.run")[-1].given
    assert given["path"] == store.path
    assert given["stage"] == "coarse"
    assert "Statistics of 3 results" in [each[0] for each in ready.window.shown]


def test_another_source_forgets_them(two: StubProgram, images: Path) -> None:
    press(two)
    two.quick.of("statistics.run")[-1].finish(found())
    two.session.set_source(source_info(images))
    assert controller(two).found is None
    assert two.session.display.quantity == "magnitude"
    assert two.window.canvas.shown["scalar"] is None
    assert not controller(two).panel.save.isEnabled()


def test_the_mean_of_v_turns_with_the_axes(two: StubProgram) -> None:
    press(two)
    two.quick.of("statistics.run")[-1].finish(found())
    two.session.set_calibration(CalibrationState(1e-4, dt=1e-3))
    again = two.quick.of("statistics.run")[-1]
    assert again.active
    assert again.given["up"] is True
    again.finish(found())
    assert two.window.canvas.shown["scalar"].label == "mean speed (m/s)"


def test_cancel_and_failure_leave_what_was_there(two: StubProgram) -> None:
    press(two)
    two.window.busy[2]()
    assert two.quick.of("statistics.run")[-1].cancelled
    assert two.window.busy[0] is None
    press(two)
    two.quick.of("statistics.run")[-1].fail("the grids differ: take pairs of one size")
    assert two.tell.last.text == "the grids differ: take pairs of one size"
    assert controller(two).found is None


def test_saving(two: StubProgram, tmp_path: Path) -> None:
    press(two, "save")
    assert "compute them first" in two.tell.last.text
    press(two)
    two.quick.of("statistics.run")[-1].finish(found())
    two.dialogs = StubDialogs(save_file=[None, tmp_path / "mean.nc"])
    press(two, "save")
    assert two.quick.of("statistics.save") == []
    two.session.set_calibration(CalibrationState(1e-4, dt=1e-3))
    press(two, "save")
    job = two.quick.of("statistics.save")[-1]
    assert job.given["file"] == tmp_path / "mean.nc"
    assert job.given["calibration"].pixel_size == 1e-4
    job.finish(2)
    assert two.tell.last.text == "statistics of 2 results written to mean.nc"


def test_later_results_are_mentioned(two: StubProgram) -> None:
    press(two)
    done = found()
    done["fields"] = 1
    two.quick.of("statistics.run")[-1].finish(done)
    assert "Now there are 2 results" in controller(two).panel.text.text()


def test_the_readout_is_that_of_the_mean(two: StubProgram) -> None:
    press(two)
    done = found()
    two.quick.of("statistics.run")[-1].finish(done)
    u = float(done["mean"].u[4, 6])
    text = two.controllers["display"].readout(6, 4)
    assert f"u {u:.2f}".replace("-", "−") in text
    assert "mean speed 1.500 px" in text


def test_panel_wishes(qtbot) -> None:
    view = StatisticsPanel()
    qtbot.addWidget(view)
    wishes: list[Any] = []
    view.run_requested.connect(wishes.append)
    view.quantity_chosen.connect(wishes.append)
    assert not view.run.isEnabled()
    view.show_state("3 results", ready=True, there=True)
    view.stage.setCurrentIndex(1)
    view.run.click()
    view.show_quantity("rms u")
    view.show_quantity("magnitude")
    assert view.quantity.currentData() == PAIR  # no statistic is shown
    assert wishes == ["coarse"]
    assert np.all([each.accessibleName() for each in (view.stage, view.run, view.save)])
