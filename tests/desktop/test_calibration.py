from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from desktop.forms import forms_program
from desktop.stand_ins import an_analysis
from gui.controllers.calibration import CalibrationController, attach, read_point, summary
from gui.masks import Shape
from gui.session import Session
from gui.state import CalibrationState, ResultEntry
from gui.units import Units
from gui.views.calibration_panel import CalibrationPanel
from gui.views.canvas import Tool
from piv.errors import InputError
from piv.types import Calibration

TEN = Shape("distance", ((10, 20), (40, 60)))  # 50 px


@pytest.fixture
def joined(qapp: Any, opened: Session, tmp_path: Path) -> tuple[CalibrationController, Any]:
    program = forms_program(tmp_path, opened)
    return attach(program), program


def typed(panel: CalibrationPanel, name: str, text: str) -> None:
    line = getattr(panel, name)
    line.setText(text)
    line.editingFinished.emit()


def test_two_clicks_and_a_length(joined: Any, opened: Session) -> None:
    controller, program = joined
    canvas = program.window.canvas
    controller.panel.measure.click()
    assert canvas.tool == Tool.DISTANCE
    assert controller.panel.measure.isChecked()
    assert not controller.panel.length.isEnabled()
    canvas.shape_drawn.emit(TEN)
    assert controller.measured == 50
    assert controller.panel.measured.text() == "50.0 px are"
    assert opened.calibration.pixel_size is None  # a length is wanted first
    typed(controller.panel, "length", "12,5 mm")
    assert opened.calibration.pixel_size == pytest.approx(0.25e-3, rel=1e-12)
    assert opened.calibration.length == "12,5 mm over 50.00 px"
    assert controller.panel.pixel_size.text() == "250 µm"
    assert controller.panel.length.text() == "12,5 mm"
    assert opened.to_calibration() == Calibration(opened.calibration.pixel_size, (0.0, 0.0))
    opened.undo()
    assert opened.calibration.pixel_size is None
    assert controller.panel.pixel_size.text() == ""
    opened.redo()
    assert controller.panel.pixel_size.text() == "250 µm"


def test_a_distance_drawn_for_another_end_is_left_alone(joined: Any) -> None:
    controller, program = joined
    program.window.canvas.shape_drawn.emit(TEN)
    assert controller.measured is None
    controller.measure()
    program.window.canvas.set_tool(Tool.PAN)
    assert not controller.panel.measure.isChecked()
    program.window.canvas.shape_drawn.emit(TEN)
    assert controller.measured is None


def test_the_ends_of_the_line_can_be_moved(joined: Any, opened: Session) -> None:
    controller, program = joined
    canvas = program.window.canvas
    controller.measure()
    canvas.shape_drawn.emit(TEN)
    controller.set_length("10 mm")
    canvas.measure_changed.emit(((10, 20), (70, 100)))  # twice as far
    assert controller.measured == 100
    assert opened.calibration.pixel_size == pytest.approx(1e-4)
    opened.set_selection(line=((0, 0), (5, 5)))  # a profile's line is no measure of ours
    canvas.measure_changed.emit(((10, 20), (40, 60)))
    assert controller.measured == 100


def test_two_clicks_on_one_point_are_told(joined: Any) -> None:
    controller, program = joined
    controller.measure()
    program.window.canvas.shape_drawn.emit(Shape("distance", ((5, 5), (5.2, 5.1))))
    assert "far apart" in program.tell.last.text
    assert controller.measured is None


def test_time_pixel_size_and_origin_by_typing(joined: Any, opened: Session) -> None:
    controller, _ = joined
    assert not controller.panel.dt_note.isHidden()
    typed(controller.panel, "dt", "200us")
    typed(controller.panel, "pixel_size", "21 um")
    typed(controller.panel, "origin", "12.5; 40")
    assert opened.calibration == CalibrationState(21e-6, (12.5, 40.0), 200e-6)
    assert controller.panel.dt.text() == "200 µs"
    assert controller.panel.dt_note.isHidden()
    assert "0.1050 m/s" in controller.panel.summary.text()
    for _ in range(3):
        opened.undo()
    assert opened.calibration == CalibrationState(dt=opened.calibration.dt)


def test_leaving_a_line_unchanged_changes_nothing(joined: Any, opened: Session) -> None:
    controller, _ = joined
    typed(controller.panel, "pixel_size", "21 um")
    revision = opened.revision
    for name in ("pixel_size", "dt", "origin", "length"):
        getattr(controller.panel, name).editingFinished.emit()
    assert opened.revision == revision


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("dt", "soon", "a time such as"), ("dt", "-2 ms", "a time such as"),
     ("pixel_size", "3 px", "a length such as"), ("origin", "left", "two pixel coordinates"),
     ("origin", "1, 2, 3", "two pixel coordinates")],
)  # fmt: skip
def test_what_is_no_quantity_is_told(
    joined: Any, opened: Session, name: str, text: str, message: str
) -> None:
    controller, program = joined
    before = opened.calibration
    typed(controller.panel, name, text)
    assert opened.calibration == before
    assert message in program.tell.last.text
    assert message in controller.panel.problem.text()
    typed(controller.panel, "dt", "5 ms")
    assert controller.panel.problem.isHidden()


def test_a_length_without_clicks_is_told(joined: Any, opened: Session) -> None:
    controller, program = joined
    controller.set_length("12 mm")
    assert "click two points" in program.tell.last.text
    assert opened.calibration.pixel_size is None


def test_the_origin_is_clicked(joined: Any, opened: Session) -> None:
    controller, program = joined
    canvas = program.window.canvas
    controller.panel.pick.click()
    assert canvas.tool == Tool.PICK
    canvas.clicked.emit(30.251, 44.5)
    assert opened.calibration.origin == (30.25, 44.5)
    assert canvas.tool == Tool.PAN
    assert not controller.panel.pick.isChecked()
    canvas.clicked.emit(1.0, 2.0)  # a click later is for others
    assert opened.calibration.origin == (30.25, 44.5)
    controller.panel.pick.click()
    controller.panel.pick.click()  # thought better of it
    assert canvas.tool == Tool.PAN


def test_back_to_px(joined: Any, opened: Session) -> None:
    controller, program = joined
    typed(controller.panel, "pixel_size", "21 um")
    assert controller.panel.clear.isEnabled()
    program.window.action("calibration.clear").trigger()
    assert opened.calibration.pixel_size is None
    assert not controller.panel.clear.isEnabled()
    typed(controller.panel, "pixel_size", "21 um")
    typed(controller.panel, "pixel_size", "")
    assert opened.calibration.pixel_size is None


def test_results_stay_as_they_are(joined: Any, opened: Session) -> None:
    controller, _ = joined
    analysis = an_analysis()
    u, v = analysis.field.u.copy(), analysis.field.v.copy()
    opened.set_result(0, ResultEntry(0, analysis))
    typed(controller.panel, "pixel_size", "21 um")
    typed(controller.panel, "origin", "3, 4")
    entry = opened.results[0]
    assert entry.analysis is analysis
    assert (analysis.field.units, analysis.field.y_axis) == ("px", "down")
    assert (analysis.field.u == u).all()
    assert (analysis.field.v == v).all()


def test_the_canvas_shows_scale_and_axes(joined: Any, monkeypatch: Any) -> None:
    controller, program = joined
    shown: list[Any] = []
    monkeypatch.setattr(program.window.canvas, "set_scale_bar", lambda *a: shown.append(a))
    monkeypatch.setattr(program.window.canvas, "show_axes", shown.append)
    typed(controller.panel, "pixel_size", "21 um")
    (size, unit), axes = shown[-2:]
    assert (size, unit) == (pytest.approx(0.021), "mm")
    assert axes == (0.0, 0.0)
    controller.clear()
    assert shown[-2:] == [(1.0, "px"), None]


def test_another_source_forgets_the_clicks(joined: Any, opened: Session) -> None:
    controller, program = joined
    controller.measure()
    program.window.canvas.shape_drawn.emit(TEN)
    opened.clear_source()
    assert controller.measured is None
    assert not controller.panel.measure.isEnabled()
    controller.measure()
    controller.pick_origin()
    assert [m.level for m in program.tell.messages[-2:]] == ["error", "error"]


def test_a_session_that_was_read_shows_its_length(joined: Any, opened: Session) -> None:
    controller, _ = joined
    opened.set_calibration(CalibrationState(1e-4, length="5 mm over 50.00 px"))
    assert controller.panel.length.text() == "5 mm"
    assert controller.panel.measured.text() == "50.0 px are"
    controller.set_length("10 mm")
    assert opened.calibration.pixel_size == pytest.approx(2e-4)


@pytest.mark.parametrize("text", ["12.5, 40", "(12.5; 40)", " 12.5 40 ", "12.5,40"])
def test_points_are_read(text: str) -> None:
    assert read_point(text) == (12.5, 40.0)


@pytest.mark.parametrize("text", ["", "1", "a, b", "1, nan", "1, 2, 3"])
def test_what_is_no_point_is_told(text: str) -> None:
    with pytest.raises(InputError, match="two pixel coordinates"):
        read_point(text)


def test_summary() -> None:
    assert "px per frame interval, y down" in summary(Units(), (72, 96))
    text = summary(Units(21e-6, 2e-4), (480, 640))
    assert "0.1050 m/s" in text
    assert "13.44 x 10.08 mm" in text


def test_every_widget_can_be_reached_and_says_what_it_is(joined: Any) -> None:
    panel = joined[0].panel
    for widget in (panel.measure, panel.pick, panel.length, panel.pixel_size, panel.dt,
                   panel.origin, panel.clear):  # fmt: skip
        assert widget.accessibleName()
        assert widget.toolTip()
