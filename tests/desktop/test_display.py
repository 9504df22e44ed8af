"""What is shown of a result: controller with stand-ins, and the panel alone."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QWidget

from desktop.result_stand_ins import (
    MAP_RANGE,
    a_map,
    answer,
    with_display,
    with_result,
)
from desktop.stand_ins import StubProgram, an_analysis, source_info
from gui.controllers.display import Display
from gui.state import (
    CalibrationState,
    DisplayOptions,
    FieldEdits,
    ResultEntry,
    StoreInfo,
)
from gui.views.canvas import Tool
from gui.views.display_panel import DisplayPanel
from piv.types import Analysis, Flag


@pytest.fixture
def ready(stub_program: StubProgram, images: Path) -> StubProgram:
    stub_program.session.set_source(source_info(images))
    return with_display(stub_program)


@pytest.fixture
def shown(ready: StubProgram) -> StubProgram:
    with_result(ready)
    answer(ready)
    return ready


def display(program: StubProgram) -> Display:
    return program.controllers["display"]


def layer(program: StubProgram):
    return program.window.canvas.shown["scalar"]


def press(program: StubProgram, name: str) -> None:
    program.window.action(name).trigger()


def test_colours_are_full_where_no_image_is_below(shown: StubProgram) -> None:
    display(shown).set_options({"opacity": 0.4})
    assert layer(shown).opacity == 0.4
    display(shown).set_options({"show_image": False})
    assert layer(shown).opacity == 1.0


def test_without_a_result_the_canvas_is_clear(ready: StubProgram) -> None:
    assert layer(ready) is None
    assert ready.window.canvas.shown["vectors"] == (None, None)
    assert ready.quick.jobs == []
    assert display(ready).readout(10, 20) == "x 10.0, y 20.0 px"


def test_a_result_is_shown_as_speed_with_vectors(shown: StubProgram) -> None:
    assert layer(shown).label == "speed (px)"
    assert (layer(shown).low, layer(shown).high) == MAP_RANGE
    assert layer(shown).colour_map == "viridis"
    vectors, right = shown.window.canvas.shown["vectors"]
    assert vectors.u.shape == (72, 96)
    assert right is None
    assert shown.quick.of("fields.quantity_map")[0].given["name"] == "magnitude"


def test_nothing_is_computed_twice(shown: StubProgram) -> None:
    count = len(shown.quick.jobs)
    shown.session.set_display(opacity=0.9)
    shown.session.set_display(colour_map="magma")
    assert layer(shown).opacity == 0.9
    assert layer(shown).colour_map == "magma"
    display(shown).set_options({"quantity": "vorticity"})
    assert len(shown.quick.jobs) == count + 1
    answer(shown)
    display(shown).set_options({"quantity": "magnitude"})
    assert len(shown.quick.jobs) == count + 1
    assert layer(shown).label == "speed (px)"
    assert layer(shown).colour_map == "viridis"


def test_a_quantity_that_has_a_sign_has_two_colours(shown: StubProgram) -> None:
    display(shown).set_options({"quantity": "vorticity"})
    answer(shown)
    assert layer(shown).colour_map == "blue-red"
    assert layer(shown).label == "vorticity (px/px)"


def test_a_typed_range_is_in_the_unit_that_is_shown(shown: StubProgram) -> None:
    shown.session.set_calibration(CalibrationState(1e-4, dt=1e-3))  # 1 px = 0.1 m/s
    display(shown).panel.range_typed.emit(0.1, 0.4)
    assert layer(shown).low == pytest.approx(1)
    assert layer(shown).high == pytest.approx(4)
    assert layer(shown).factor == pytest.approx(0.1)
    assert layer(shown).label == "speed (m/s)"


def test_a_range_the_wrong_way_round_is_refused_in_words(shown: StubProgram) -> None:
    display(shown).panel.range_typed.emit(3.0, 1.0)
    assert "low end below the high end" in shown.tell.last.text
    assert (layer(shown).low, layer(shown).high) == MAP_RANGE


def test_a_locked_range_stays_for_the_next_pair_and_for_the_arrows(shown: StubProgram) -> None:
    press(shown, "display.lock_range")
    assert shown.session.display.range_locked
    assert shown.session.display.colour_range == MAP_RANGE
    shown.session.set_index(1)
    with_result(shown, seed=2, index=1)
    for job in shown.quick.of("fields.quantity_map"):
        if job.active:
            job.finish(a_map(0.0, 99.0))
    answer(shown)
    assert (layer(shown).low, layer(shown).high) == MAP_RANGE
    assert shown.window.canvas.shown["vectors"][0].reference == 2.5
    press(shown, "display.lock_range")
    assert (layer(shown).low, layer(shown).high) == (0.0, 99.0)


def test_a_locked_range_belongs_to_its_quantity(shown: StubProgram) -> None:
    display(shown).set_range_mode("locked")
    display(shown).set_options({"quantity": "u"})
    for job in shown.quick.of("fields.quantity_map"):
        if job.active:
            job.finish(a_map(-7.0, 7.0))
    answer(shown)
    assert shown.session.display.colour_range == (-7.0, 7.0)
    display(shown).set_options({"quantity": "magnitude"})
    assert shown.session.display.colour_range == MAP_RANGE


def test_the_ends_of_the_colours_are_dragged_on_the_bar(shown: StubProgram) -> None:
    shown.window.canvas.dragged_levels.emit(0.5, 1.5)
    assert shown.session.display.colour_range == (0.5, 1.5)
    assert display(shown).panel.range_mode.currentData() == "typed"
    shown.window.canvas.levels_reset.emit()
    assert shown.session.display.colour_range is None


def test_both_fields_with_a_slider(shown: StubProgram) -> None:
    press(shown, "display.compare")
    answer(shown)
    left, right, at = shown.window.canvas.shown["scalars"]
    assert at == 0.5
    assert (left.low, left.high) == (right.low, right.high)
    first, second = shown.window.canvas.shown["vectors"]
    assert first.u.shape == (9, 12)
    assert second.u.shape == (72, 96)
    shown.window.canvas.compare_moved.emit(0.25)
    assert shown.session.display.compare_at == 0.25
    coarse = display(shown).analysis.coarse
    dense = display(shown).analysis.dense
    assert f"{coarse.u[0, 0]:.2f}".replace("-", "−") in display(shown).readout(2, 2)
    assert f"{dense.u[2, 90]:.2f}".replace("-", "−") in display(shown).readout(90, 2)


@pytest.mark.parametrize(("name", "stage"), [("uncertainty", "dense"), ("peak ratio", "coarse")])
def test_a_quantity_of_one_field_shows_that_field(
    shown: StubProgram, name: str, stage: str
) -> None:
    other = {"dense": "coarse", "coarse": "dense"}[stage]
    display(shown).set_options({"quantity": name, "stage": other})
    field = shown.quick.of("fields.quantity_map")[-1].given["field"]
    assert field is getattr(display(shown).analysis, stage)


def test_a_result_without_network_shows_the_correlation(ready: StubProgram) -> None:
    analysis = dataclasses.replace(an_analysis(), dense=None)
    ready.session.set_result(0, ResultEntry(0, analysis))
    answer(ready)
    assert ready.quick.of("fields.quantity_map")[0].given["field"] is analysis.coarse
    assert "without the network" in display(ready).panel.note.text()
    coarse = analysis.coarse.replace(uncertainty_u=None, uncertainty_v=None)
    bare = dataclasses.replace(analysis, coarse=coarse)
    ready.session.set_result(0, ResultEntry(0, bare))
    count = len(ready.quick.of("fields.quantity_map"))
    display(ready).set_options({"quantity": "uncertainty"})
    assert len(ready.quick.of("fields.quantity_map")) == count
    assert layer(ready) is None
    assert "does not have" in display(ready).panel.note.text()


def test_the_residual_needs_the_images(shown: StubProgram, tmp_path: Path) -> None:
    display(shown).set_options({"quantity": "residual"})
    job = shown.heavy.of("inspect.residual")[-1]
    assert job.given["field"] is display(shown).analysis.dense
    store = StoreInfo(tmp_path / "r.h5", 2, ("a", "b"), (1, 2), (50, 60), True)
    shown.session.set_store(store)
    shown.session.set_result(0, ResultEntry(0, an_analysis()), work=False)
    assert "needs the images" in display(shown).panel.note.text()
    assert layer(shown) is None


def test_v_counts_upwards_once_calibrated(shown: StubProgram) -> None:
    display(shown).set_options({"quantity": "v"})
    answer(shown)
    assert shown.quick.of("fields.quantity_map")[-1].given["up"] is False
    shown.session.set_calibration(CalibrationState(1e-3, dt=0.1))
    assert shown.quick.of("fields.quantity_map")[-1].given["up"] is True
    answer(shown)
    assert layer(shown).factor > 0


def test_lines_and_texture_come_when_they_are_ready(shown: StubProgram) -> None:
    press(shown, "display.streamlines")
    press(shown, "display.texture")
    shown.window.action("display.streamlines").setChecked(True)
    display(shown).set_options({"streamlines": True, "texture": True})
    assert shown.window.canvas.shown["lines"][0] == []
    answer(shown)
    assert len(shown.window.canvas.shown["lines"][0]) == 1
    assert shown.window.canvas.shown["texture"] is not None
    display(shown).set_options({"streamlines": False, "texture": False})
    assert shown.window.canvas.shown["lines"][0] == []
    assert shown.window.canvas.shown["texture"] is None


def test_the_velocity_of_the_observer_is_picked(shown: StubProgram) -> None:
    display(shown).panel.pick.click()
    canvas = shown.window.canvas
    assert canvas.tool == Tool.PICK
    canvas.clicked.emit(20.2, 30.4)
    dense = display(shown).analysis.dense
    assert shown.session.display.subtract == "chosen"
    assert shown.session.display.subtracted == (dense.u[30, 20], dense.v[30, 20])
    assert canvas.tool == Tool.PAN
    assert not display(shown).panel.pick.isChecked()
    assert shown.quick.of("fields.quantity_map")[-1].given["subtracted"][0] == dense.u[30, 20]
    answer(shown)
    assert layer(shown).label == "speed, relative (px)"
    display(shown).panel.pick.click()
    canvas.clicked.emit(-500.0, 0.0)
    assert "no vector at this point" in shown.tell.last.text


def test_picking_needs_a_result(ready: StubProgram) -> None:
    display(ready).pick_velocity(True)
    assert "analyse the pair first" in ready.tell.last.text
    assert ready.window.canvas.tool == Tool.PAN


def test_a_typed_observer_is_in_the_unit_that_is_shown(shown: StubProgram) -> None:
    shown.session.set_calibration(CalibrationState(1e-4, dt=1e-3))
    display(shown).panel.velocity_typed.emit(0.2, 0.3)
    assert shown.session.display.subtracted == pytest.approx((2, -3))  # v up is -v down


def test_the_readout_tells_values_uncertainty_and_flags(shown: StubProgram) -> None:
    dense = display(shown).analysis.dense
    flags = np.array(dense.flags)
    flags[5, 7] = Flag.DISAGREES | Flag.MANUAL
    u, v = np.array(dense.u), np.array(dense.v)
    u[5, 7], v[5, 7] = 1.25, -0.5
    field = dense.replace(u=u, v=v, flags=flags)
    analysis = dataclasses.replace(an_analysis(), dense=field)
    shown.session.set_result(0, ResultEntry(0, analysis))
    answer(shown)
    text = display(shown).readout(7.3, 4.8)
    assert "x 7.3, y 4.8 px" in text
    assert "u 1.25 ± 0.10 px" in text
    assert "v −0.50 ± 0.20 px" in text
    assert "rejected by hand, network and correlation disagree" in text
    shown.session.set_calibration(CalibrationState(1e-4, dt=1e-3))
    text = display(shown).readout(7.3, 4.8)
    assert "u 0.125 ± 0.010 m/s" in text
    assert "v 0.050 ± 0.020 m/s" in text
    display(shown).set_options({"quantity": "vorticity"})
    answer(shown)
    assert "vorticity 1500 1/s" in display(shown).readout(7.3, 4.8)
    shown.window.canvas.cursor_moved.emit(7.3, 4.8)
    assert shown.window.readout == display(shown).readout(7.3, 4.8)
    shown.window.canvas.cursor_left.emit()
    assert shown.window.readout == ""


def test_edits_are_applied_elsewhere_and_shown_when_they_are_there(shown: StubProgram) -> None:
    told = []
    display(shown).subscribe(lambda: told.append(display(shown).analysis))
    before = display(shown).analysis
    edits = FieldEdits(coarse=frozenset({(1, 1)}))
    shown.session.set_edits(0, edits)
    job = shown.heavy.of("validate.apply")[-1]
    assert job.given["edits"] == edits
    assert "spec" not in job.given  # nothing is correlated again
    assert display(shown).analysis is before
    after: Analysis = an_analysis(seed=5)
    job.finish(after)
    assert display(shown).analysis is after
    assert told == [after]
    answer(shown)
    shown.session.undo()
    assert display(shown).analysis is before
    shown.session.redo()
    assert display(shown).analysis is after  # kept
    assert len(shown.heavy.of("validate.apply")) == 1


def test_entries_of_a_results_file_are_read_when_they_are_looked_at(
    ready: StubProgram, tmp_path: Path
) -> None:
    count = 9
    names = tuple(f"{n}" for n in range(count))
    statuses = (1, 2, 0, *(1,) * (count - 3))
    store = StoreInfo(tmp_path / "r.h5", count, names, statuses, (50, 60), True)
    session = ready.session
    session.set_store(store)
    ready.quick.of("fields.read")[-1].finish(an_analysis())
    assert display(ready).analysis is session.results[0].analysis
    assert not session.dirty
    session.set_index(1)
    ready.quick.of("fields.read")[-1].fail("pair 1 failed: no contrast")
    assert session.result.error == "pair 1 failed: no contrast"
    assert display(ready).analysis is None
    session.set_index(2)  # pending: there is nothing to read
    assert [job.given["position"] for job in ready.quick.of("fields.read")] == [0, 1]
    for index in range(3, count):
        session.set_index(index)
        ready.quick.of("fields.read")[-1].finish(an_analysis(seed=index))
    assert len(session.results) == 6
    assert 0 not in session.results


def test_a_task_that_fails_ends_in_a_message(ready: StubProgram) -> None:
    with_result(ready)
    ready.quick.of("fields.quantity_map")[-1].fail("the disk is full")
    assert ready.tell.last.text == "the disk is full"
    assert ready.tell.last.level == "error"


def test_the_legend_names_the_flags_that_are_there(shown: StubProgram) -> None:
    display(shown).set_options({"quantity": "flags"})
    found = a_map(0.0, 14.0)
    found["classes"] = [1]
    shown.quick.of("fields.quantity_map")[-1].finish(found)
    assert display(shown).panel.legend.text().endswith("rejected by hand")
    assert re.search("#[0-9a-f]{6}", display(shown).panel.legend.text())


# the panel alone


@pytest.fixture
def panel(qtbot) -> DisplayPanel:
    made = DisplayPanel()
    qtbot.addWidget(made)
    made.show_options(DisplayOptions(), "px", (0.0, 0.0, "px"))
    return made


def test_every_widget_has_a_name_a_tip_and_can_be_reached(panel: DisplayPanel) -> None:
    found = [
        each
        for each in panel.findChildren(QWidget)
        if each.focusPolicy() != Qt.FocusPolicy.NoFocus and each.objectName()
        and not each.objectName().startswith("qt_")
    ]  # fmt: skip
    assert len(found) > 14
    for each in found:
        assert each.accessibleName(), each
        assert each.toolTip(), each


def test_showing_is_no_wish(panel: DisplayPanel, qtbot) -> None:
    wishes = []
    panel.changed.connect(wishes.append)
    panel.range_typed.connect(lambda *ends: wishes.append(ends))
    panel.velocity_typed.connect(lambda *uv: wishes.append(uv))
    panel.show_options(
        DisplayOptions(quantity="vorticity", opacity=0.3, vector_step=4, texture=True), "px",
        (1.0, 2.0, "px"),
    )  # fmt: skip
    panel.show_range(-3, 3, "px")
    panel.show_statistics(True)
    assert wishes == []
    assert panel.quantity.currentData() == "vorticity"
    assert panel.step.value() == 4


def test_poking_is_a_wish(panel: DisplayPanel, qtbot) -> None:
    wishes = []
    panel.changed.connect(wishes.append)
    panel.streamlines.click()
    panel.opacity.setValue(25)
    qtbot.keyClick(panel.quantity, Qt.Key.Key_Down)
    assert wishes == [{"streamlines": True}, {"opacity": 0.25}, {"quantity": "u"}]
