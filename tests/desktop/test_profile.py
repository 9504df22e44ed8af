"""Profiles: controller with stand-ins, and the panel alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtGui import QGuiApplication

from desktop.result_stand_ins import with_display, with_result
from desktop.stand_ins import StubProgram, source_info
from gui.controllers import profile
from gui.masks import Shape
from gui.state import CalibrationState
from gui.views.canvas import Tool
from gui.views.profile_panel import ProfilePanel

LINE = ((10.0, 20.0), (50.0, 20.0))


def found(points: int = 5, **changes: Any) -> dict[str, Any]:
    """Along +x: u = 2, v = 1 (down), so that 1 px goes to the right of the walker."""
    x = np.linspace(10, 50, points)
    one = np.ones(points)
    return {
        "distance": x - 10, "x": x, "y": 20 * one, "u": 2 * one, "v": one,
        "tangential": 2 * one, "normal": one, "uncertainty_u": 0.3 * one,
        "uncertainty_v": 0.4 * one, "values": None, "flow_rate": 40.0,
        "flow_rate_uncertainty": 2.0, "circulation": np.nan, "circulation_uncertainty": np.nan,
        **changes,
    }  # fmt: skip


@pytest.fixture
def ready(stub_program: StubProgram, images: Path) -> StubProgram:
    stub_program.session.set_source(source_info(images))
    with_display(stub_program)
    stub_program.controllers["profile"] = profile.attach(stub_program)  # type: ignore[arg-type]
    return with_result(stub_program)


@pytest.fixture
def drawn(ready: StubProgram) -> StubProgram:
    ready.window.canvas.shape_drawn.emit(Shape("line", LINE))
    job(ready).finish(found())
    return ready


def job(program: StubProgram) -> Any:
    return program.quick.of("fields.profile")[-1]


def panel(program: StubProgram) -> ProfilePanel:
    return program.controllers["profile"].panel


@pytest.mark.parametrize("kind", ["line", "polyline", "circle"])
def test_the_tools_are_taken_from_menu_and_panel(ready: StubProgram, kind: str) -> None:
    ready.window.action(f"profile.{kind}").trigger()
    assert ready.window.canvas.tool == Tool(kind)
    assert ready.window.opened == ["profile"]


def test_a_drawn_line_is_marked_and_sampled(ready: StubProgram) -> None:
    ready.window.canvas.shape_drawn.emit(Shape("line", LINE))
    assert ready.session.line == LINE
    assert ready.window.canvas.shown["measure"] == LINE
    assert job(ready).given["line"] == LINE
    assert job(ready).given["field"] is ready.controllers["display"].analysis.dense


def test_a_circle_takes_the_place_of_a_line(drawn: StubProgram) -> None:
    drawn.window.canvas.shape_drawn.emit(Shape("circle", ((30.0, 30.0), (33.0, 34.0))))
    assert drawn.session.line is None
    assert job(drawn).given["circle"] == (30.0, 30.0, 5.0)
    drawn.window.canvas.measure_changed.emit((31.0, 30.0, 6.0))
    assert drawn.session.circle == (31.0, 30.0, 6.0)


def test_dragged_ends_move_the_line_but_not_a_distance(drawn: StubProgram) -> None:
    other = ((10.0, 20.0), (50.0, 40.0))
    drawn.window.canvas.measure_changed.emit(other)
    assert drawn.session.line == other
    drawn.window.canvas.shape_drawn.emit(Shape("distance", LINE))
    drawn.window.canvas.measure_changed.emit(((0.0, 0.0), (1.0, 1.0)))
    assert drawn.session.line == other


def test_masks_are_no_profiles(ready: StubProgram) -> None:
    shape = Shape("polygon", ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)))
    ready.window.canvas.shape_drawn.emit(shape)
    assert ready.session.line is None
    assert ready.quick.of("fields.profile") == []


def test_the_band_is_the_uncertainty_of_the_component(drawn: StubProgram) -> None:
    x, y = panel(drawn).curve.getData()
    np.testing.assert_allclose(y, 2)
    np.testing.assert_allclose(x, [0, 10, 20, 30, 40])
    np.testing.assert_allclose(panel(drawn).high.getData()[1], 2.3)  # along x: that of u
    drawn.controllers["profile"].set_component("normal")
    job(drawn).finish(found())
    np.testing.assert_allclose(panel(drawn).high.getData()[1], 1.4)  # across: that of v
    drawn.controllers["profile"].set_component("speed")
    job(drawn).finish(found())
    width = np.hypot(2 * 0.3, 1 * 0.4) / np.sqrt(5)
    np.testing.assert_allclose(panel(drawn).high.getData()[1], np.sqrt(5) + width)


def test_flow_rate_and_circulation_in_words(drawn: StubProgram) -> None:
    assert "flow rate to the right of the line: 40.0 ± 2.0 px²" in panel(drawn).text.text()
    assert "circulation" not in panel(drawn).text.text()
    drawn.window.canvas.shape_drawn.emit(Shape("circle", ((30.0, 30.0), (33.0, 34.0))))
    job(drawn).finish(found(circulation=-7.0, circulation_uncertainty=0.5))
    assert "circulation, counter-clockwise: −7.00 ± 0.50 px²" in panel(drawn).text.text()
    job_of = drawn.controllers["profile"]
    job_of.found = found(flow_rate=np.nan)
    assert "leaves the field" in job_of.integrals()[0]


def test_units_follow_the_calibration(drawn: StubProgram) -> None:
    drawn.session.set_calibration(CalibrationState(1e-4, dt=1e-3))  # 0.1 m/s a px
    np.testing.assert_allclose(panel(drawn).curve.getData()[1], 0.2)
    np.testing.assert_allclose(panel(drawn).curve.getData()[0][-1], 4.0)  # mm
    drawn.controllers["profile"].set_component("v")
    job(drawn).finish(found())
    np.testing.assert_allclose(panel(drawn).curve.getData()[1], -0.1)  # up
    np.testing.assert_allclose(panel(drawn).high.getData()[1], -0.06)


def test_the_quantity_shown_along_the_line(drawn: StubProgram) -> None:
    drawn.controllers["display"].set_options({"quantity": "vorticity"})
    drawn.controllers["profile"].set_component("quantity")
    assert job(drawn).given["name"] == "vorticity"
    job(drawn).finish(found(values=np.full(5, 0.02)))
    np.testing.assert_allclose(panel(drawn).curve.getData()[1], 0.02)
    drawn.controllers["display"].set_options({"quantity": "residual"})
    job(drawn).finish(found())
    assert "no profile of the residual" in panel(drawn).text.text()


def test_the_table_has_every_column_in_the_units_shown(drawn: StubProgram) -> None:
    drawn.session.set_calibration(CalibrationState(1e-4, origin=(0.0, 100.0), dt=1e-3))
    drawn.window.action("profile.copy").trigger()
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    lines = clipboard.text().splitlines()
    assert lines[0] == (
        "distance [mm],x [mm],y [mm],u [m/s],v [m/s],tangential [m/s],normal [m/s],"
        "uncertainty_u [m/s],uncertainty_v [m/s]"
    )
    np.testing.assert_allclose(
        [float(each) for each in lines[1].split(",")],
        [0, 1.0, 8.0, 0.2, -0.1, 0.2, 0.1, 0.03, 0.04],
    )
    assert len(lines) == 6
    assert "5 points copied" in drawn.tell.last.text


def test_copying_without_a_profile_says_what_to_do(ready: StubProgram) -> None:
    ready.window.action("profile.copy").trigger()
    assert "draw a line" in ready.tell.last.text


def test_removing_the_line_clears_everything(drawn: StubProgram) -> None:
    drawn.window.action("profile.clear").trigger()
    assert drawn.session.line is None
    assert drawn.window.canvas.shown["measure"] is None
    assert panel(drawn).curve.getData() == (None, None)
    assert not panel(drawn).copy.isEnabled()


def test_a_failure_ends_in_words(ready: StubProgram) -> None:
    ready.window.canvas.shape_drawn.emit(Shape("line", ((1.0, 1.0), (1.0, 1.0))))
    job(ready).fail("a profile needs a line with two different ends: draw one")
    assert ready.tell.last.level == "error"
    assert "two different ends" in panel(ready).text.text()


def test_a_pair_without_result_has_no_profile(drawn: StubProgram) -> None:
    drawn.session.set_index(1)
    assert "analyse it first" in panel(drawn).text.text()


def test_panel_wishes(qtbot) -> None:
    view = ProfilePanel()
    qtbot.addWidget(view)
    wishes: list[Any] = []
    view.draw_requested.connect(wishes.append)
    view.copy_requested.connect(lambda: wishes.append("copy"))
    for name in ("profile_line", "profile_circle"):
        from PyQt6.QtWidgets import QPushButton

        view.findChild(QPushButton, name).click()
    assert not view.copy.isEnabled()
    gap = np.array([1.0, np.nan, 3.0])
    view.show_profile(np.arange(3.0), gap, 0.1 * np.ones(3), ("x", "y"), ["a line"])
    view.copy.click()
    assert wishes == ["line", "circle", "copy"]
    assert len(view.high.getData()[0]) == 2  # the band leaves the gap out
