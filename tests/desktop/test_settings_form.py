from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from desktop.forms import forms_program
from gui.controllers.settings import SettingsController, attach, region_of
from gui.masks import Shape
from gui.session import Session
from gui.state import SourceInfo
from gui.views.canvas import Tool
from gui.views.settings_form import CHANGED, FILE, Row, SettingsForm, read_sizes, sizes_text
from piv.cli import main as piv_main
from piv.presets import PRESETS
from piv.settings import Settings, from_toml, load, option, stages, to_toml


@dataclass(frozen=True)
class EveryKind:
    """One option of each kind that a stage can have."""

    number: float = option(1.5, "a number", unit="mm", low=0.5, high=9.5)
    open_number: float = option(2.0, "a number without limits")
    whole: int = option(3, "a whole number", unit="px", low=1, high=8)
    switch: bool = option(True, "a switch")
    word: str = option("red", "one of some words", choices=("red", "green"))
    text: str = option("free", "any text")
    sizes: tuple[int | tuple[int, int], ...] = option((64, (32, 16)), "sizes", unit="px", low=8)
    search_region: tuple[int, ...] = option((), "a rectangle", unit="px", low=0)
    rare: float = option(0.1, "seldom needed", low=0, high=1, advanced=True)


@dataclass(frozen=True)
class Tables:
    first: EveryKind = field(default_factory=EveryKind)


WIDGETS = {
    "number": QDoubleSpinBox, "open_number": QDoubleSpinBox, "whole": QSpinBox,
    "switch": QCheckBox, "word": QComboBox, "text": QLineEdit, "sizes": QLineEdit,
    "search_region": QLineEdit, "rare": QDoubleSpinBox,
}  # fmt: skip


@pytest.fixture
def form(qtbot: Any) -> SettingsForm:
    made = SettingsForm(Tables, {"plain": "as it is"}, ("default", "none"))
    qtbot.addWidget(made)
    made.show_settings(Tables())
    return made


def heard(form: SettingsForm) -> list[tuple[str, str, Any]]:
    said: list[tuple[str, str, Any]] = []
    form.edited.connect(lambda *words: said.append(words))
    return said


def row(form: SettingsForm, name: str) -> Row:
    return form.rows["first", name]


def test_a_new_field_needs_no_code_here(form: SettingsForm) -> None:
    assert [name for _, name in form.rows] == [f.name for f in dataclasses.fields(EveryKind)]
    for name, kind in WIDGETS.items():
        assert isinstance(row(form, name).editor.widget, kind)


def test_every_setting_of_the_library_has_a_row(qtbot: Any) -> None:
    form = SettingsForm(Settings)
    qtbot.addWidget(form)
    wanted = [(stage, f.name) for stage, kind in stages().items() for f in dataclasses.fields(kind)]
    assert list(form.rows) == wanted
    form.show_settings(Settings())
    for each in form.rows.values():
        widget = each.editor.widget
        assert widget.accessibleName()
        assert widget.toolTip()
        assert widget.focusPolicy() != Qt.FocusPolicy.NoFocus


def test_values_are_shown_and_nothing_is_emitted(form: SettingsForm) -> None:
    said = heard(form)
    values = EveryKind(
        7.25, -3.0, 8, False, "green", "other", (128, (48, 24)), (1, 2, 30, 40), 0.75
    )
    form.show_settings(Tables(values))
    shown = {
        name: (w.isChecked() if isinstance(w, QCheckBox)
               else w.currentText() if isinstance(w, QComboBox)
               else w.text() if isinstance(w, QLineEdit) else w.value())
        for name in WIDGETS
        for w in [row(form, name).editor.widget]
    }  # fmt: skip
    assert shown == {
        "number": 7.25, "open_number": -3.0, "whole": 8, "switch": False, "word": "green",
        "text": "other", "sizes": "128, 48 x 24", "search_region": "1, 2, 30, 40", "rare": 0.75,
    }  # fmt: skip
    assert not said
    assert all(each.reset.isEnabled() for each in form.rows.values())


def test_poking_a_row_says_stage_name_and_value(form: SettingsForm) -> None:
    said = heard(form)
    row(form, "number").editor.widget.setValue(2.25)  # type: ignore[attr-defined]
    row(form, "whole").editor.widget.setValue(5)  # type: ignore[attr-defined]
    row(form, "switch").editor.widget.click()  # type: ignore[attr-defined]
    row(form, "word").editor.widget.textActivated.emit("green")  # type: ignore[attr-defined]
    for name, text in (("text", "more"), ("sizes", "96 48x32"), ("search_region", "0, 0, 64, 48")):
        line = row(form, name).editor.widget
        assert isinstance(line, QLineEdit)
        line.setText(text)
        line.editingFinished.emit()
        line.editingFinished.emit()  # leaving the line once more says nothing
    assert said == [
        ("first", "number", 2.25), ("first", "whole", 5), ("first", "switch", False),
        ("first", "word", "green"), ("first", "text", "more"), ("first", "sizes", (96, (48, 32))),
        ("first", "search_region", (0, 0, 64, 48)),
    ]  # fmt: skip


def test_ranges_units_and_help_come_from_the_metadata(form: SettingsForm) -> None:
    spin = row(form, "number").editor.widget
    assert isinstance(spin, QDoubleSpinBox)
    assert (spin.minimum(), spin.maximum(), spin.suffix()) == (0.5, 9.5, " mm")
    assert "A number" in spin.toolTip()
    assert "0.5 to 9.5 mm" in spin.toolTip()
    assert "Default: 1.5 mm" in spin.toolTip()
    assert "At least 8 px" in row(form, "sizes").editor.widget.toolTip()


def test_advanced_settings_are_hidden_until_asked_for(form: SettingsForm) -> None:
    assert row(form, "rare").label.isHidden()
    assert not row(form, "number").label.isHidden()
    form.advanced.click()
    assert not row(form, "rare").label.isHidden()
    form.advanced.click()
    assert row(form, "rare").editor.isHidden()


def test_reset_of_one_and_of_all(form: SettingsForm) -> None:
    said: list[tuple[str, str]] = []
    form.reset_wanted.connect(lambda *words: said.append(words))
    assert not row(form, "whole").reset.isEnabled()
    assert not form.reset_all.isEnabled()
    form.show_settings(Tables(EveryKind(whole=4)))
    row(form, "whole").reset.click()
    form.reset_all.click()
    assert said == [("first", "whole"), ("", "")]
    assert not row(form, "number").reset.isEnabled()


def test_a_problem_stands_at_its_setting_and_goes(form: SettingsForm) -> None:
    form.show_problem("first", "rare", "too large")
    assert row(form, "rare").problem.text() == "⚠ too large"
    assert not row(form, "rare").problem.isHidden()
    assert not row(form, "rare").label.isHidden()  # an advanced one is shown then
    form.show_settings(Tables())
    assert row(form, "rare").problem.isHidden()


def test_presets_and_models(form: SettingsForm) -> None:
    said: list[object] = []
    form.preset_chosen.connect(said.append)
    form.model_chosen.connect(said.append)
    form.model_file_wanted.connect(lambda: said.append("file"))
    form.show_preset(None)
    assert form.preset.currentText() == CHANGED
    form.preset.textActivated.emit("plain")
    form.preset.textActivated.emit(CHANGED)
    form.model.textActivated.emit("none")
    form.show_model("none")
    form.model.textActivated.emit("none")  # again: nothing new
    form.model.setCurrentText(FILE)
    form.model.textActivated.emit(FILE)
    assert form.model.currentText() == "none"  # until a file is there
    assert said == ["plain", "none", "file"]
    form.show_model("/data/own weights.safetensors")
    assert form.model.currentText() == "/data/own weights.safetensors"


def test_the_wheel_changes_nothing_that_one_scrolls_past(form: SettingsForm) -> None:
    spin = row(form, "whole").editor.widget
    assert isinstance(spin, QSpinBox)
    form.show()
    spin.clearFocus()
    turn = QWheelEvent(
        QPointF(5, 5), QPointF(spin.mapToGlobal(QPoint(5, 5))), QPoint(0, 0), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(spin, turn)
    assert spin.value() == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [("64, 32, 16", (64, 32, 16)), ("64;32", (64, 32)), ("[64, 32 x 16]", (64, (32, 16))),
     (" 48×24  16 ", ((48, 24), 16)), ("", ()), ("many", "many"), ("1x2x3", "1x2x3"),
     ("1.5", "1.5"), ("-5", (-5,))],
)  # fmt: skip
def test_sizes_are_read(text: str, value: object) -> None:
    assert read_sizes(text) == value


def test_sizes_round_trip() -> None:
    for value in ((), (64,), (64, 32, (16, 8))):
        assert read_sizes(sizes_text(value)) == value


# the controller


@pytest.fixture
def joined(qapp: Any, opened: Session, tmp_path: Path) -> tuple[SettingsController, Any]:
    program = forms_program(tmp_path, opened)
    return attach(program), program


def test_an_edit_reaches_the_session_and_can_be_undone(joined: Any) -> None:
    controller, program = joined
    spin = controller.form.rows["correlate", "overlap"].editor.widget
    spin.setValue(0.75)
    session = program.session
    assert session.settings.correlate.overlap == 0.75
    assert session.preset_name() is None
    assert controller.form.preset.currentText() == CHANGED
    session.undo()
    assert session.settings == Settings()
    assert spin.value() == 0.5
    assert controller.form.preset.currentText() == "standard"


def test_steps_of_one_spin_box_are_one_undo_step(joined: Any) -> None:
    controller, program = joined
    for value in (2, 3, 4):
        controller.edit("refine", "views", value)
    program.session.undo()
    assert program.session.settings == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [("16, 32", "must not grow"), ("64, 0", "between 8 and 1024"), ("4", "between 8 and 1024"),
     ("wide", "must be a whole number")],
)  # fmt: skip
def test_what_a_setting_does_not_allow_is_told(joined: Any, text: str, message: str) -> None:
    controller, program = joined
    row = controller.form.rows["correlate", "windows"]
    line = row.editor.widget
    line.setText(text)
    line.editingFinished.emit()
    assert program.session.settings == Settings()
    assert message in program.tell.last.text
    assert message in row.problem.text()
    line.setText("128, 64")
    line.editingFinished.emit()
    assert program.session.settings.correlate.windows == (128, 64)
    assert row.problem.isHidden()


def test_resetting(joined: Any) -> None:
    controller, program = joined
    controller.edit("refine", "views", 4)
    controller.edit("correlate", "overlap", 0.25)
    controller.reset("refine", "views")
    assert program.session.settings.refine.views == 1
    assert program.session.settings.correlate.overlap == 0.25
    program.window.action("settings.reset").trigger()
    assert program.session.settings == Settings()


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_can_be_chosen(joined: Any, name: str) -> None:
    controller, program = joined
    controller.edit("correlate", "overlap", 0.25)
    controller.form.preset_chosen.emit(name)
    assert program.session.preset_name() == name
    assert program.session.settings == PRESETS[name].settings
    assert program.session.model == PRESETS[name].model
    assert controller.form.model.currentText() == PRESETS[name].model


def test_model_by_name_and_by_file(joined: Any, tmp_path: Path) -> None:
    controller, program = joined
    controller.form.model_chosen.emit("none")
    assert program.session.model == "none"
    controller.form.model_file_wanted.emit()  # closed without a choice
    assert not program.heavy.of("analyse.prepare")
    weights = tmp_path / "own.safetensors"
    program.dialogs.answers["open_files"] = [[weights], [weights]]
    controller.form.model_file_wanted.emit()
    job = program.heavy.of("analyse.prepare")[-1]
    job.fail("own.safetensors is damaged: copy it again")
    assert program.session.model == "none"
    assert program.tell.last.text == "own.safetensors is damaged: copy it again"
    controller.form.model_file_wanted.emit()
    program.heavy.of("analyse.prepare")[-1].finish(None)
    assert program.session.model == str(weights)


def test_saved_settings_are_what_the_command_line_reads(joined: Any, tmp_path: Path) -> None:
    controller, program = joined
    controller.edit("correlate", "windows", (96, (48, 24)))
    controller.edit("preprocess", "region", (8, 4, 64, 48))
    path = tmp_path / "Einstellungen für heute.toml"
    program.dialogs.answers["save_file"] = [path]
    program.window.action("settings.save").trigger()
    wanted = program.session.settings
    assert from_toml(path.read_text(encoding="utf-8")) == wanted
    assert load(path) == wanted  # what --settings does
    controller.reset()
    program.dialogs.answers["open_files"] = [[path]]
    program.window.action("settings.load").trigger()
    assert program.session.settings == wanted


def test_the_template_of_the_command_line_loads(joined: Any, tmp_path: Path, capsys: Any) -> None:
    controller, program = joined
    assert piv_main(["settings", "--preset", "best"]) == 0
    path = tmp_path / "best.toml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    controller.load(path)
    assert program.session.settings == PRESETS["best"].settings
    saved = tmp_path / "saved.toml"
    program.dialogs.answers["save_file"] = [saved]
    controller.save()
    assert saved.read_text(encoding="utf-8") == to_toml(PRESETS["best"].settings, comments=True)


def test_files_that_cannot_be_used_are_told(joined: Any, tmp_path: Path) -> None:
    controller, program = joined
    controller.load(tmp_path / "missing.toml")
    assert "cannot read the settings" in program.tell.last.text
    bad = tmp_path / "bad.toml"
    bad.write_text("[correlate]\nwindow = 3\n", encoding="utf-8")
    controller.load(bad)
    assert "unknown setting correlate.window" in program.tell.last.text
    program.dialogs.answers["save_file"] = [tmp_path / "no" / "such" / "folder.toml"]
    controller.save()
    assert program.tell.last.level == "error"
    assert program.session.settings == Settings()


def test_a_region_is_drawn(joined: Any) -> None:
    controller, program = joined
    canvas = program.window.canvas
    controller.form.rows["preprocess", "region"].editor.draw.click()
    assert canvas.tool == Tool.REGION
    canvas.shape_drawn.emit(Shape("region", ((10.4, 5.5), (60.2, 50.0))))
    assert program.session.settings.preprocess.region == (11, 6, 50, 45)
    line = controller.form.rows["preprocess", "region"].editor.widget
    assert line.text() == "11, 6, 50, 45"
    program.window.action("settings.whole").trigger()
    assert program.session.settings.preprocess.region == ()


def test_a_region_of_another_stage_goes_where_it_belongs(joined: Any) -> None:
    controller, program = joined
    controller.form.rows["output", "region"].editor.draw.click()
    program.window.canvas.shape_drawn.emit(Shape("region", ((0, 0), (9.5, 3.5))))
    assert program.session.settings.output.region == (0, 0, 10, 4)
    assert program.session.settings.preprocess.region == ()


def test_a_region_that_is_too_small_is_told(joined: Any) -> None:
    _, program = joined
    program.window.action("settings.region").trigger()
    program.window.canvas.shape_drawn.emit(Shape("region", ((10, 5), (30, 30))))
    assert program.session.settings.preprocess.region == ()
    assert "26 x 21 px" in program.tell.last.text


def test_another_tool_ends_the_drawing_of_a_region(joined: Any) -> None:
    controller, program = joined
    draw = controller.form.rows["preprocess", "region"].editor.draw
    draw.click()
    program.window.canvas.set_tool(Tool.PAN)
    assert not draw.isChecked()
    program.window.canvas.shape_drawn.emit(Shape("region", ((0, 0), (60, 50))))
    assert program.session.settings.preprocess.region == ()


def test_region_of_a_box() -> None:
    shape = Shape("region", ((-5, 3.2), (12.9, 300)))
    assert region_of(shape, (72, 96)) == (0, 4, 13, 68)
    assert region_of(Shape("region", ((200, 200), (300, 300))), (72, 96))[2:] == (0, 0)


def test_without_a_pair_nothing_can_be_drawn(qapp: Any, session: Session, tmp_path: Path) -> None:
    program = forms_program(tmp_path, session)
    controller = attach(program)
    controller.form.rows["preprocess", "region"].editor.draw.click()
    assert "open a pair of images first" in program.tell.last.text
    assert not controller.form.rows["preprocess", "region"].editor.draw.isChecked()


# preview


def test_the_preview_follows_view_and_settings(joined: Any, qtbot: Any) -> None:
    controller, program = joined
    program.window.frame.show()
    controller.show_preview()
    qtbot.waitUntil(lambda: len(program.heavy.of("preview.preprocessed")) == 1)
    given = program.heavy.of("preview.preprocessed")[0].given
    assert given["settings"] == Settings().preprocess
    controller.edit("preprocess", "contrast", "local")
    qtbot.waitUntil(lambda: len(program.heavy.of("preview.preprocessed")) == 2)
    job = program.heavy.of("preview.preprocessed")[1]
    assert job.given["settings"].contrast == "local"
    import numpy as np

    picture = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    job.finish({"before": picture, "after": picture[::-1], "left": 3, "top": 4})
    assert not controller.preview.split.empty
    assert controller.preview.text.text().startswith("64 x 48 px at 3, 4: local contrast")
    program.window.canvas.view_changed.emit()
    qtbot.waitUntil(lambda: len(program.heavy.of("preview.preprocessed")) == 3)
    program.heavy.of("preview.preprocessed")[2].fail("the region is not in view")
    assert controller.preview.split.empty
    assert controller.preview.text.text() == "the region is not in view"
    program.window.frame.hide()


def test_the_line_of_the_preview_moves(joined: Any, qtbot: Any) -> None:
    controller, _ = joined
    split = controller.preview.split
    split.resize(200, 100)
    QTest.mouseClick(split, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert split.at == pytest.approx(0.25, abs=0.02)
    QTest.keyClick(split, Qt.Key.Key_Right)
    assert split.at == pytest.approx(0.3, abs=0.02)


def test_actions_show_their_panels(joined: Any) -> None:
    _, program = joined
    for name in ("settings.panel", "settings.suggestions", "settings.preview"):
        program.window.action(name).trigger()
    assert program.window.raised == ["settings", "suggestions", "preview"]


def test_closing_a_source_leaves_the_form(joined: Any, session: Session) -> None:
    controller, program = joined
    assert isinstance(session.source, SourceInfo)
    controller.edit("preprocess", "region", (0, 0, 64, 48))
    session.clear_source()
    assert not controller.suggestions.look.isEnabled()
    controller.look()
    assert "open a pair of images first" in program.tell.last.text
