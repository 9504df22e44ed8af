"""Judged again, rejected by hand, limited in u and v: controllers with stand-ins, views alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, Qt

from desktop.result_stand_ins import answer, with_display, with_result
from desktop.stand_ins import StubProgram, an_analysis, source_info
from gui.controllers import validation
from gui.controllers.validation import Validation
from gui.masks import Shape
from gui.state import Box, CalibrationState, FieldEdits, ResultEntry, StoreInfo
from gui.views.canvas import Tool
from gui.views.scatter_panel import ScatterPanel
from gui.views.validation_panel import ValidationPanel
from piv.settings import ValidateSettings
from piv.types import Flag


@pytest.fixture
def ready(stub_program: StubProgram, images: Path) -> StubProgram:
    stub_program.session.set_source(source_info(images))
    with_display(stub_program)
    stub_program.controllers["validation"] = validation.attach(stub_program)  # type: ignore[arg-type]
    return stub_program


@pytest.fixture
def shown(ready: StubProgram) -> StubProgram:
    with_result(ready)
    answer(ready)
    return ready


def controller(program: StubProgram) -> Validation:
    return program.controllers["validation"]


def edits(program: StubProgram) -> FieldEdits:
    return program.session.result.edits


def press(program: StubProgram, name: str) -> None:
    program.window.action(f"validation.{name}").trigger()


def test_other_thresholds_judge_again_with_what_was_measured(shown: StubProgram) -> None:
    controller(shown).panel.fields["peak_ratio"].setValue(1.8)
    assert edits(shown).validate == ValidateSettings(peak_ratio=1.8)
    job = shown.heavy.of("validate.apply")[-1]
    assert job.given["edits"] == edits(shown)
    assert job.given["spec"] == shown.session.source.spec
    assert job.given["index"] == 0


def test_the_thresholds_of_the_analysis_are_no_edit(shown: StubProgram) -> None:
    panel = controller(shown).panel
    panel.fields["peak_ratio"].setValue(1.8)
    panel.fields["peak_ratio"].setValue(1.2)
    assert not edits(shown)


def test_one_spin_box_is_one_undo_step(shown: StubProgram) -> None:
    for value in (1.5, 1.6, 1.7):
        controller(shown).panel.fields["median_threshold"].setValue(value)
    shown.session.undo()
    assert edits(shown).validate is None
    assert controller(shown).panel.fields["median_threshold"].value() == 2.0


def test_reset_and_use_for_the_series(shown: StubProgram) -> None:
    controller(shown).panel.fields["largest"].setValue(12)
    controller(shown).panel.adopt.click()
    assert shown.session.settings.validate.largest == 12
    controller(shown).panel.reset.click()
    assert edits(shown).validate is None
    assert shown.session.settings.validate.largest == 12


def test_a_click_rejects_a_coarse_vector_and_a_second_one_takes_it_back(
    shown: StubProgram,
) -> None:
    shown.session.set_display(stage="coarse")
    press(shown, "reject_click")
    canvas = shown.window.canvas
    assert canvas.tool == Tool.PICK
    canvas.clicked.emit(17.0, 23.0)  # windows are 8 px apart
    canvas.clicked.emit(40.0, 23.0)
    assert edits(shown).coarse == {(3, 2), (3, 5)}
    canvas.clicked.emit(17.0, 23.0)
    assert edits(shown).coarse == {(3, 5)}
    shown.session.undo()
    assert edits(shown).coarse == {(3, 2), (3, 5)}


def test_a_click_on_a_dense_field_rejects_a_patch(shown: StubProgram) -> None:
    press(shown, "reject_click")
    shown.window.canvas.clicked.emit(20.3, 30.4)
    assert edits(shown).boxes == (Box("dense", 15.5, 25.5, 24.5, 34.5),)
    shown.window.canvas.clicked.emit(22.0, 31.0)
    assert edits(shown).boxes == ()


def test_boxes_belong_to_the_field_that_is_shown(shown: StubProgram) -> None:
    press(shown, "reject_box")
    assert shown.window.canvas.tool == Tool.REJECT_BOX
    assert controller(shown).panel.box.isChecked()
    shape = Shape("reject_box", ((40.0, 10.0), (20.0, 30.0)))
    shown.window.canvas.shape_drawn.emit(shape)
    shown.session.set_display(stage="coarse")
    shown.window.canvas.shape_drawn.emit(shape)
    boxes = (Box("dense", 20, 10, 40, 30), Box("coarse", 20, 10, 40, 30))
    assert edits(shown).boxes == boxes
    shown.window.canvas.set_tool(Tool.PAN)
    assert not controller(shown).panel.box.isChecked()
    assert not shown.window.action("validation.reject_box").isChecked()


def test_take_all_back_keeps_the_thresholds(shown: StubProgram) -> None:
    both = FieldEdits(coarse=frozenset({(1, 1)}), validate=ValidateSettings(largest=9))
    shown.session.set_edits(0, both)
    press(shown, "restore")
    assert edits(shown) == FieldEdits(validate=ValidateSettings(largest=9))
    press(shown, "restore")
    assert "nothing was rejected by hand" in shown.tell.last.text


def test_without_a_result_it_says_what_to_do(ready: StubProgram) -> None:
    assert not controller(ready).panel.click.isEnabled()
    controller(ready).toggle_at(3, 3)
    assert "analyse the pair first" in ready.tell.last.text
    controller(ready).set_thresholds({"largest": 3.0})
    assert "analyse the pair first" in ready.tell.last.text


def test_the_summary_counts(shown: StubProgram) -> None:
    analysis = an_analysis()
    analysis.coarse.flags[0, :3] = int(Flag.REPLACED | Flag.MEDIAN_OUTLIER)
    analysis.coarse.flags[1, :2] = int(Flag.MASKED)
    shown.session.set_result(0, ResultEntry(0, analysis))
    total = 9 * 12 - 2
    press(shown, "panel")
    job = shown.quick.of("fields.counts")[-1]
    assert job.given["field"] is analysis.dense
    job.finish({"alive": 72 * 96, "rejected": 7, "replaced": 0})
    text = controller(shown).panel.summary.text()
    assert f"{total - 3} of {total} vectors valid (green), 3 replaced (orange)" in text
    assert f"7 of {72 * 96} rejected" in text


def test_without_images_a_replaced_vector_stays_so_and_that_is_said(
    shown: StubProgram, tmp_path: Path
) -> None:
    store = StoreInfo(tmp_path / "r.h5", 1, ("a",), (1,), (50, 60), True)
    shown.session.set_store(store)
    shown.session.set_result(0, ResultEntry(0, an_analysis()), work=False)
    controller(shown).set_thresholds({"median_threshold": 1.0})
    assert "spec" not in shown.heavy.of("validate.apply")[-1].given
    assert "Without the images" in controller(shown).panel.summary.text()


# limits


def spread() -> dict[str, Any]:
    count = np.zeros((4, 5), np.float32)
    count[3, 0] = 9
    return {
        "count": count, "edges_u": np.linspace(-2, 3, 6), "edges_v": np.linspace(-1, 3, 5),
        "used": 9, "rejected": 0,
    }  # fmt: skip


def test_limits_are_drawn_in_the_units_shown(shown: StubProgram) -> None:
    shown.session.set_calibration(CalibrationState(1e-4, dt=1e-3))  # 0.1 m/s a px, v up
    press(shown, "scatter")
    shown.quick.of("fields.scatter")[-1].finish(spread())
    view = controller(shown).scatter
    assert view.image.rect.left() == pytest.approx(-0.2)
    assert view.image.rect.top() == pytest.approx(-0.3)  # v of 3 px down is the lowest
    assert np.isfinite(view.image.array[0, 0])  # its vectors are there
    view.limits_drawn.emit(-0.1, 0.2, -0.3, 0.05)
    np.testing.assert_allclose(
        edits(shown).limits, [(-1, -0.5), (2, -0.5), (2, 3), (-1, 3)], atol=1e-12
    )
    assert [spin.value() for spin in view.ends] == pytest.approx([-0.1, 0.2, -0.3, 0.05])
    view.clear.click()
    assert edits(shown).limits == ()


def test_limits_the_wrong_way_round_are_refused(shown: StubProgram) -> None:
    controller(shown).set_limits(1, 1, 0, 2)
    assert "low end below the high end" in shown.tell.last.text
    assert edits(shown).limits == ()


def test_the_spread_is_counted_only_while_it_is_seen(shown: StubProgram) -> None:
    assert shown.quick.of("fields.scatter") == []
    press(shown, "scatter")
    press(shown, "scatter")
    assert len(shown.quick.of("fields.scatter")) == 1
    shown.session.set_display(stage="coarse")
    assert len(shown.quick.of("fields.scatter")) == 2


def test_a_rectangle_is_dragged_with_the_mouse(qtbot) -> None:
    view = ScatterPanel()
    qtbot.addWidget(view)
    view.resize(500, 500)
    view.show()
    qtbot.waitExposed(view)
    view.show_counts(np.ones((4, 4)), (np.linspace(0, 4, 5), np.linspace(0, 4, 5)), ("u", "v"))
    view.show_limits([], (0, 4, 0, 4), "px", "")
    drawn: list[tuple[float, ...]] = []
    view.limits_drawn.connect(lambda *ends: drawn.append(ends))

    def place(u: float, v: float):
        return view.plot.mapFromScene(view.box.mapViewToScene(QPointF(u, v)))

    viewport = view.plot.viewport()
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=place(1, 3))
    for u, v in ((1.5, 2.5), (2.5, 1.5), (3, 1)):
        qtbot.mouseMove(viewport, place(u, v))
        qtbot.wait(30)
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=place(3, 1))
    assert len(drawn) == 1
    np.testing.assert_allclose(drawn[0], (1, 3, 1, 3), atol=0.1)


def test_typed_limits_are_a_wish_and_shown_ones_are_not(qtbot) -> None:
    view = ScatterPanel()
    qtbot.addWidget(view)
    view.show_counts(np.ones((4, 4)), (np.linspace(0, 4, 5), np.linspace(0, 4, 5)), ("u", "v"))
    drawn: list[tuple[float, ...]] = []
    view.limits_drawn.connect(lambda *ends: drawn.append(ends))
    view.show_limits([(0, 0), (2, 0), (2, 2)], (0, 2, 0, 2), "px", "3 of 9 vectors rejected")
    assert drawn == []
    view.ends[1].setValue(1.5)
    assert drawn == [(0, 1.5, 0, 2)]
    view.show_nothing("nothing")
    assert not view.ends[0].isEnabled()


def test_panel_wishes(qtbot) -> None:
    view = ValidationPanel()
    qtbot.addWidget(view)
    wishes: list[Any] = []
    view.thresholds_changed.connect(wishes.append)
    view.reject_click_requested.connect(lambda on: wishes.append(("click", on)))
    view.reject_box_requested.connect(lambda on: wishes.append(("box", on)))
    view.show_thresholds(ValidateSettings(peak_ratio=1.5), changed=True)
    assert wishes == []
    assert view.reset.isEnabled()
    view.fields["peak_height"].setValue(0.3)
    view.click.click()
    view.box.click()
    assert wishes == [{"peak_height": 0.3}, ("click", True), ("box", True)]
    for spin in view.fields.values():
        assert spin.accessibleName()
        assert spin.toolTip()
