"""Every action and every button of the window does what its table says; one without a line fails.

Each is triggered on a loaded pair with a result; a named value of session, view or file must have
changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractButton, QApplication, QDockWidget, QToolButton, QWidget

from desktop.test_window import every_widget, repeated_keys
from desktop.whole import Answers, calm, end, open_now, start, until, write_folder
from gui.batch import Failure
from gui.masks import MaskSet, Shape
from gui.program import Program
from gui.session import ResultEntry, SourceInfo
from gui.state import Box, DisplayOptions, FieldEdits, Selection
from gui.synthetic import PlanRow
from gui.views.canvas import Tool
from piv.io.store import write_analysis
from piv.settings import Settings, stages

Probe = Callable[[Program], object]
Prepare = Callable[[Program, Path], None]


class Act(NamedTuple):
    """What must change, and what must be so before."""

    changes: Probe
    prepare: Prepare | None = None
    undo: Callable[[Program], None] | None = None
    at_once: bool = False  # what was begun before must still run


# what changes


def display(name: str) -> Probe:
    return lambda p: getattr(p.session.display, name)


def tool(p: Program) -> object:
    return p.window.canvas.tool


def picker(p: Program) -> object:
    """Who takes the next click on the image."""
    picker = p.controllers["display"].picker
    return picker._call is not None, p.window.canvas.tool


def told(p: Program) -> object:
    return None if p.tell.last is None else (p.tell.last.text, p.tell.last.at)


def masks(p: Program) -> object:
    return p.session.masks


def settings(p: Program) -> object:
    return p.session.settings


def edits(p: Program) -> object:
    entry = p.session.result
    return None if entry is None else entry.edits


def clipboard(_: Program) -> object:
    board = QApplication.clipboard()
    assert board is not None
    return board.text()


def written(p: Program) -> object:
    """Whether the file that the dialog named is there."""
    path = p.dialogs.save  # type: ignore[attr-defined]
    return path is not None and path.exists() and path.stat().st_size > 0


def front(name: str) -> Probe:
    """Whether a panel is seen."""
    return lambda p: not p.window.panel(name).visibleRegion().isEmpty()


def view(p: Program) -> object:
    return tuple(np.round(p.window.canvas.view_rect(), 3))


def page(p: Program) -> object:
    window = p.controllers["help"].window
    return window.windowTitle() if window.isVisible() else ""


# what must be so before


def hidden(name: str) -> Prepare:
    return lambda p, _: p.window.panel(name).hide()


def file(name: str) -> Prepare:
    def prepare(p: Program, folder: Path) -> None:
        p.dialogs.save = folder / name  # type: ignore[attr-defined]

    return prepare


def answer(**values: Any) -> Prepare:
    def prepare(p: Program, _: Path) -> None:
        for name, value in values.items():
            setattr(p.dialogs, name, value)

    return prepare


def shown(**values: Any) -> Prepare:
    return lambda p, _: p.session.set_display(**values)


def one_mask(p: Program, _: Path) -> None:
    shape = Shape("rectangle", ((20.0, 20.0), (60.0, 50.0)))
    p.session.set_masks(MaskSet(shapes=(shape,)), "draw")
    p.controllers["masks"].select(0)


def mask_of_pair(p: Program, _: Path) -> None:
    shape = Shape("rectangle", ((20.0, 20.0), (60.0, 50.0)))
    p.session.set_masks(MaskSet(per_pair={0: (shape,)}), "draw")
    p.controllers["masks"].select(0)


def mask_file(p: Program, folder: Path) -> None:
    mask = np.zeros((96, 128), np.uint8)
    mask[10:30, 20:60] = 255
    tifffile.imwrite(folder / "mask.tif", mask)
    p.dialogs.paths = [folder / "mask.tif"]  # type: ignore[attr-defined]


def mask_to_write(p: Program, folder: Path) -> None:
    one_mask(p, folder)
    file("out.tif")(p, folder)


def settings_file(p: Program, folder: Path) -> None:
    (folder / "s.toml").write_text("[correlate]\nwindows = [40, 20]\n", encoding="utf-8")
    p.dialogs.paths = [folder / "s.toml"]  # type: ignore[attr-defined]


def other_settings(p: Program, _: Path) -> None:
    change = dataclasses.replace(Settings().correlate, windows=(48, 24), overlap=0.75)
    region = dataclasses.replace(Settings().preprocess, region=(0, 0, 100, 90))
    p.session.set_settings(dataclasses.replace(Settings(), correlate=change, preprocess=region))


def calibrated(p: Program, _: Path) -> None:
    p.session.set_calibration(dataclasses.replace(p.session.calibration, pixel_size=2e-5, dt=1e-3))


def rejected(p: Program, _: Path) -> None:
    box = Box("coarse", 20, 20, 40, 40)
    p.session.set_edits(0, FieldEdits(boxes=(box,)))


def limited(p: Program, _: Path) -> None:
    p.session.set_edits(0, FieldEdits(limits=((-9, -9), (9, -9), (9, 9), (-9, 9))))


def other_thresholds(p: Program, _: Path) -> None:
    validate = dataclasses.replace(Settings().validate, median_threshold=3.0)
    p.session.set_edits(0, FieldEdits(validate=validate))


def line(p: Program, _: Path) -> None:
    p.session.set_selection(line=((10.0, 40.0), (110.0, 50.0)))
    calm(p)


def statistics(p: Program, folder: Path) -> None:
    p.controllers["statistics"].run()
    until(lambda: p.controllers["statistics"].found is not None)
    file("stats.nc")(p, folder)


def session_file(p: Program, folder: Path) -> None:
    p.dialogs.save = folder / "s.pivsession"  # type: ignore[attr-defined]
    p.controllers["sessions"].save_as()
    until(lambda: (folder / "s.pivsession").exists() and p.session.path is not None)
    p.dialogs.paths = [folder / "s.pivsession"]  # type: ignore[attr-defined]


def undone(p: Program, folder: Path) -> None:
    one_mask(p, folder)
    p.session.undo()


def other_pair(number: int) -> Prepare:
    return lambda p, _: p.session.set_index(number)


def selected_pair(p: Program, _: Path) -> None:
    panel = p.controllers["pairs"].panel
    panel.list.setCurrentIndex(panel.model.index(1))


def zoomed(p: Program, _: Path) -> None:
    p.window.canvas.zoom_to((10, 10, 40, 30))


def run_output(p: Program, folder: Path) -> None:
    p.controllers["batch"].panel.set_output(folder / "run.h5")
    p.session.set_model("none")


def run_begun(p: Program, folder: Path) -> None:
    run_output(p, folder)
    p.window.action("batch.start").trigger()
    until(lambda: p.controllers["batch"].running)


def stop_run(p: Program) -> None:
    until(lambda: not p.controllers["batch"].running, 60)


def running(p: Program) -> object:
    return p.controllers["batch"].running


def quit_answer(p: Program, _: Path) -> None:
    """Somebody objects to closing: the window must ask, and stay."""
    p.window.closing.connect(_object)


def _object(event: Any) -> None:
    event.ignore()
    CLOSING.append(event)


CLOSING: list[object] = []


def stop_objecting(p: Program) -> None:
    p.window.closing.disconnect(_object)


def synthetic_open(p: Program, folder: Path) -> None:
    p.window.action("synthetic.make").trigger()
    until(lambda: p.session.source is not None and p.session.source.kind == "hdf5", 60)
    calm(p)
    file("kept.h5")(p, folder)


def busy(p: Program) -> object:
    return p.window.busy


def end_plan(p: Program) -> None:
    p.window.cancel()


ACTIONS: dict[str, Act] = {
    # file
    "file.open": Act(
        lambda p: p.dialogs.asked[:1],  # type: ignore[attr-defined]
    ),
    "file.open_folder": Act(
        lambda p: p.dialogs.asked[:1],  # type: ignore[attr-defined]
    ),
    "file.recent": Act(
        lambda p: p.window.action("file.recent").menu() is not None
        and len(p.controllers["files"].recent.entries()) > 0
        and ("seen",),
        lambda p, _: p.controllers["files"].recent.clear(),
        lambda p: None,
    ),
    "file.close": Act(lambda p: p.session.count),
    "file.quit": Act(lambda p: len(CLOSING), quit_answer, stop_objecting),
    "sessions.new": Act(lambda p: p.session.count, answer(button="Discard")),
    "sessions.open": Act(lambda p: p.session.revision, session_file),
    "sessions.save": Act(written, file("a.pivsession")),
    "sessions.save_as": Act(written, file("b.pivsession")),
    "sessions.undo": Act(masks, one_mask),
    "sessions.redo": Act(masks, undone),
    # image
    "image.frame_a": Act(display("frame"), shown(frame="b")),
    "image.frame_b": Act(display("frame"), shown(frame="a")),
    "image.flicker": Act(display("flicker")),
    "image.swap": Act(lambda p: p.session.names),
    "image.auto_contrast": Act(display("image_levels"), shown(image_levels=(3.0, 99.0))),
    # series
    "series.previous": Act(lambda p: p.session.index, other_pair(1)),
    "series.next": Act(lambda p: p.session.index),
    "series.first": Act(lambda p: p.session.index, other_pair(2)),
    "series.last": Act(lambda p: p.session.index),
    "series.play": Act(
        lambda p: p.session.index, None, lambda p: p.controllers["pairs"].set_playing(False)
    ),
    # view
    "view.fit": Act(view, zoomed),
    "view.zoom_in": Act(view),
    "view.zoom_out": Act(view, zoomed),
    "view.zoom_box": Act(tool),
    "view.cancel": Act(tool, lambda p, _: p.window.canvas.set_tool(Tool.LINE)),
    "view.theme_system": Act(
        lambda p: p.controllers["view"].theme.mode,
        lambda p, _: p.controllers["view"].set_theme("dark"),
    ),
    "view.theme_light": Act(lambda p: p.controllers["view"].theme.mode),
    "view.theme_dark": Act(lambda p: p.controllers["view"].theme.mode),
    "view.full_screen": Act(
        lambda p: p.window.isFullScreen(), None,
        lambda p: p.controllers["view"].set_full_screen(False),
    ),
    "view.reset_layout": Act(front("pairs"), hidden("pairs")),
    # settings
    "settings.panel": Act(front("settings"), hidden("settings")),
    "settings.suggestions": Act(front("suggestions"), hidden("suggestions")),
    "settings.look": Act(front("suggestions"), hidden("suggestions")),
    "settings.load": Act(settings, settings_file),
    "settings.save": Act(written, file("s.toml")),
    "settings.reset": Act(settings, other_settings),
    "settings.preview": Act(front("preview"), hidden("preview")),
    "settings.region": Act(tool),
    "settings.whole": Act(settings, other_settings),
    # masks
    "masks.panel": Act(front("masks"), hidden("masks")),
    "masks.show": Act(display("show_masks")),
    "masks.polygon": Act(tool),
    "masks.rectangle": Act(tool),
    "masks.ellipse": Act(tool),
    "masks.freehand": Act(tool),
    "masks.automatic": Act(told),
    "masks.import": Act(masks, mask_file),
    "masks.export": Act(written, mask_to_write),
    "masks.grow": Act(masks, one_mask),
    "masks.shrink": Act(masks, one_mask),
    "masks.clear_pair": Act(masks, mask_of_pair),
    "masks.clear": Act(masks, one_mask),
    # calibration
    "calibration.panel": Act(front("calibration"), hidden("calibration")),
    "calibration.measure": Act(tool),
    "calibration.origin": Act(tool),
    "calibration.clear": Act(lambda p: p.session.calibration, calibrated),
    # analysis
    "analysis.run": Act(
        lambda p: p.session.result is not None and p.session.result.analysis is not None,
        lambda p, _: p.session.clear_results(),
    ),
    "analysis.forget": Act(lambda p: p.session.result),
    "analysis.forget_all": Act(lambda p: len(p.session.results), answer(button="Remove")),
    # results
    "display.quantities": Act(front("display"), hidden("display")),
    "display.appearance": Act(front("display"), hidden("display")),
    "display.vectors": Act(display("vectors")),
    "display.streamlines": Act(display("streamlines")),
    "display.texture": Act(display("texture")),
    "display.image": Act(display("show_image")),
    "display.dense": Act(display("stage"), shown(stage="coarse")),
    "display.coarse": Act(display("stage")),
    "display.compare": Act(display("stage")),
    "display.lock_range": Act(display("range_locked")),
    "display.pick_velocity": Act(picker),
    "inspect.point": Act(picker),
    "profile.line": Act(tool),
    "profile.polyline": Act(tool),
    "profile.circle": Act(tool),
    "profile.copy": Act(clipboard, line),
    "profile.clear": Act(lambda p: p.session.line, line),
    "validation.panel": Act(front("validation"), hidden("validation")),
    "validation.reject_click": Act(picker),
    "validation.reject_box": Act(tool),
    "validation.scatter": Act(front("scatter"), hidden("scatter")),
    "validation.restore": Act(edits, rejected),
    "statistics.run": Act(
        lambda p: p.controllers["statistics"].found is not None,
        lambda p, _: p.controllers["statistics"]._forget(),
    ),
    "statistics.save": Act(written, statistics),
    # batch
    "batch.panel": Act(front("batch"), hidden("batch")),
    "batch.start": Act(
        lambda p: Path(p.controllers["batch"].panel.output.text()).exists(), run_output, stop_run
    ),
    "batch.stop": Act(running, run_begun, stop_run, True),
    "batch.retry": Act(told, run_output, stop_run),
    "batch.copy_command": Act(clipboard, run_output),
    # synthetic
    "synthetic.panel": Act(front("synthetic"), hidden("synthetic")),
    "synthetic.make": Act(
        lambda p: p.session.source is not None and p.session.source.truth,
        answer(button="Discard"),
    ),
    "synthetic.save": Act(written, synthetic_open),
    "synthetic.plan": Act(busy, None, end_plan),
    # export
    "export.panel": Act(front("export"), hidden("export")),
    "export.figure": Act(written, file("f.png")),
    "export.film": Act(written, file("f.gif")),
    "export.data": Act(written, file("d.h5")),
    "export.report": Act(written, file("r.html")),
    "export.settings": Act(written, file("e.toml")),
    "export.methods": Act(clipboard),
    # help
    "help.contents": Act(page, None, lambda p: p.controllers["help"].close()),
    "help.about": Act(page, None, lambda p: p.controllers["help"].close()),
    "help.log": Act(front("log"), hidden("log")),
}  # fmt: skip


# buttons: "<panel>: <accessible name>", but for those that stand for an action


def button_checked(key: str) -> Probe:
    return lambda p: buttons(p)[key].isChecked()


def batch_panel(p: Program) -> Any:
    return p.controllers["batch"].panel


def results_there(p: Program, folder: Path) -> None:
    """The file of results that a run would have written."""
    run_output(p, folder)
    analysis = p.session.results[0].analysis
    assert analysis is not None
    write_analysis(folder / "run.h5", analysis)
    batch_panel(p).set_results(True, False, False)


def failures(p: Program, folder: Path) -> None:
    run_output(p, folder)
    batch_panel(p).set_results(True, True, False)
    p.controllers["batch"]._list((Failure(1, "b", "no contrast"),))
    p.dialogs.save = folder / "failures.csv"  # type: ignore[attr-defined]


def kill_run(p: Program) -> None:
    p.controllers["batch"].stop()
    p.controllers["batch"]._end_now()
    stop_run(p)


def plan_begun(p: Program, _: Path) -> None:
    p.window.action("synthetic.plan").trigger()
    until(lambda: p.window.busy)


def plan_made(p: Program, _: Path) -> None:
    row = PlanRow(0.05, {})
    p.controllers["synthetic"].panel.show_plan("density", [row])


def busy_with(p: Program, _: Path) -> None:
    p.window.set_busy("something", None, lambda: None)


def said(p: Program, _: Path) -> None:
    p.tell.error("something", "and why")


def said_unseen(p: Program, folder: Path) -> None:
    p.window.panel("log").hide()
    said(p, folder)


def nothing_open(p: Program, _: Path) -> None:
    p.session.reset()


def advanced(p: Program) -> object:
    return p.controllers["settings"].form.advanced.isChecked()


def shape_scope(p: Program) -> object:
    return dict(p.session.masks.per_pair), p.session.masks.shapes


BUTTONS: dict[str, Act] = {
    ": Cancel what is running": Act(busy, busy_with),
    ": Details of the message": Act(front("log"), said_unseen),
    ": Dismiss the message": Act(lambda p: p.window.message_bar.text, said),
    ": Open files": Act(lambda p: p.dialogs.asked[:1], nothing_open),  # type: ignore[attr-defined]
    ": Open a folder": Act(lambda p: p.dialogs.asked[:1], nothing_open),  # type: ignore[attr-defined]
    ": Make an example": Act(lambda p: p.session.count, nothing_open),
    "pairs: Automatic contrast": Act(display("image_levels"), shown(image_levels=(3.0, 99.0))),
    "suggestions: Look at this pair": Act(lambda p: p.heavy.busy or p.quick.busy),
    "masks: Draw a polygon": Act(tool),
    "masks: Draw a rectangle": Act(tool),
    "masks: Draw an ellipse": Act(tool),
    "masks: Draw freehand": Act(tool),
    "masks: Find (masks)": Act(told),
    "masks: Take out instead of masking": Act(button_checked("masks: Take out instead of masking")),
    "masks: Only for this pair": Act(button_checked("masks: Only for this pair")),
    "masks: Remove (masks)": Act(masks, one_mask),
    "masks: Take out (masks)": Act(masks, one_mask),
    "masks: For this pair (masks)": Act(shape_scope, one_mask),
    "masks: Grow (masks)": Act(masks, one_mask),
    "masks: Shrink (masks)": Act(masks, one_mask),
    "masks: Import (masks)": Act(masks, mask_file),
    "masks: Export (masks)": Act(written, mask_to_write),
    "masks: Remove all (masks)": Act(masks, one_mask),
    "masks: Show masks on the image": Act(display("show_masks")),
    "calibration: Click two points": Act(tool),
    "calibration: Click the origin": Act(tool),
    "calibration: Back to px": Act(lambda p: p.session.calibration, calibrated),
    "settings: Advanced settings": Act(advanced, None, lambda p: None),
    "settings: Grow (correlate)": Act(settings),
    "settings: Draw region (preprocess)": Act(tool),
    "settings: Draw region (output)": Act(tool),
    "settings: Load settings": Act(settings, settings_file),
    "settings: Save settings": Act(written, file("s.toml")),
    "settings: Reset all settings": Act(settings, other_settings),
    "display: Vectors": Act(display("vectors")),
    "display: Streamlines": Act(display("streamlines")),
    "display: Texture": Act(display("texture")),
    "display: Pick the velocity of the observer": Act(picker),
    "display: Particle image": Act(display("show_image")),
    "display: Masks": Act(display("show_masks")),
    "inspector: Choose a point on the image": Act(picker),
    "inspector: Flicker the windows": Act(button_checked("inspector: Flicker the windows")),
    "validation: Reset the thresholds": Act(edits, other_thresholds),
    "validation: Use the thresholds for the series": Act(settings, other_thresholds),
    "validation: Reject vectors by clicks": Act(picker),
    "validation: Reject vectors in boxes": Act(tool),
    "validation: Limits in the scatter plot": Act(front("scatter"), hidden("scatter")),
    "validation: Take back what was rejected by hand": Act(edits, rejected),
    "scatter: Remove the limits": Act(edits, limited),
    "statistics: Compute the statistics": ACTIONS["statistics.run"],
    "statistics: Save the statistics": ACTIONS["statistics.save"],
    "profile: Profile along a line": Act(tool),
    "profile: Profile along a polyline": Act(tool),
    "profile: Profile along a circle": Act(tool),
    "profile: Copy the profile as CSV": Act(clipboard, line),
    "batch: Choose": Act(lambda p: batch_panel(p).output.text(), file("chosen.h5")),
    "batch: All": Act(
        lambda p: batch_panel(p).last.value(), lambda p, _: batch_panel(p).last.setValue(0)
    ),
    "batch: Selected": Act(
        lambda p: (batch_panel(p).choices().first, batch_panel(p).choices().last), selected_pair,
    ),
    "batch: Store m and m/s": Act(button_checked("batch: Store m and m/s"), calibrated),
    "batch: Begin anew": Act(
        button_checked("batch: Begin anew"), None,
        lambda p: buttons(p)["batch: Begin anew"].setChecked(False),
    ),
    "batch: Start": Act(running, run_output, kill_run),
    "batch: Stop": Act(lambda p: p.controllers["batch"].stopping, run_begun, kill_run, True),
    "batch: Check": Act(lambda p: batch_panel(p).status.text(), run_output),
    "batch: Copy command": Act(clipboard, run_output),
    "batch: Look at the results": Act(lambda p: p.session.store, results_there),
    "batch: Retry failed": Act(told, failures, stop_run),
    "batch: Save list": Act(written, failures),
    "synthetic: Make and open": ACTIONS["synthetic.make"],
    "synthetic: Keep as": ACTIONS["synthetic.save"],
    "synthetic: Compute": ACTIONS["synthetic.plan"],
    "synthetic: Cancel": Act(busy, plan_begun, None, True),
    "synthetic: Copy table": Act(clipboard, plan_made),
    "export: First frame under it": Act(button_checked("export: First frame under it")),
    "export: Colour range of the window": Act(button_checked("export: Colour range of the window")),
    "export: Save figure": ACTIONS["export.figure"],
    "export: Save film": ACTIONS["export.film"],
    "export: Save data": ACTIONS["export.data"],
    "export: Save report": ACTIONS["export.report"],
    "export: Save settings": ACTIONS["export.settings"],
    "export: Copy text for a methods section": Act(clipboard),
    "log: Copy all messages": Act(clipboard, said),
    "log: Clear the messages": Act(lambda p: p.controllers["log"].text(), said),
}  # fmt: skip


def buttons(p: Program) -> dict[str, QAbstractButton]:
    """Buttons by panel and name, but for those that stand for an action or reset one setting."""
    found = {}
    for widget in every_widget(p.window):
        if not isinstance(widget, QAbstractButton):
            continue
        if isinstance(widget, QToolButton) and widget.defaultAction() is not None:
            assert widget.defaultAction() in p.window.actions_by_name.values()
            continue
        if widget.objectName().startswith("reset."):
            continue
        panel: QWidget | None = widget
        while panel is not None and not isinstance(panel, QDockWidget):
            panel = panel.parentWidget()
        name = "" if panel is None else panel.objectName().removeprefix("panel.")
        if name == "suggestions" and widget.text().startswith("Use"):
            continue  # they come and go with the pair; test_suggest.py presses them
        if widget.parent() is p.window.welcome and widget.accessibleName().endswith("again"):
            continue  # recent files: test_files.py
        found[f"{name}: {widget.accessibleName()}"] = widget
    return found


# a running program


class Base(NamedTuple):
    """What every test begins with."""

    source: SourceInfo
    results: dict[int, ResultEntry]


@pytest.fixture(scope="module")
def running_program(
    qapp: QApplication, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Program, Base]]:
    program = start(tmp_path_factory.mktemp("home"))
    open_now(program, write_folder(tmp_path_factory.mktemp("series") / "run", 3))
    for n in (0, 1):
        program.controllers["analysis"].run_pair(n)
        until(lambda n=n: n in program.session.results, 60)  # type: ignore[misc]
    assert program.session.source is not None
    yield program, Base(program.session.source, dict(program.session.results))
    end(program)


@pytest.fixture
def program(running_program: tuple[Program, Base]) -> Program:
    """The program as every test finds it: three pairs, two of them analysed, the first shown."""
    program, base = running_program
    session = program.session
    program.dialogs = Answers()  # type: ignore[assignment]
    program.window.cancel()
    calm(program)
    if session.source is not base.source:
        session.reset()
        session.set_source(base.source)
    with session.together():
        session.set_index(0)
        session.set_settings(Settings())
        session.set_model("default")
        session.set_masks(MaskSet())
        session.set_calibration(dataclasses.replace(session.calibration, pixel_size=None, dt=1.0))
        session.set_display(**vars_of(DisplayOptions()))
        session.set_selection(**vars_of(Selection()))
        for n, entry in base.results.items():
            if session.results.get(n) is not entry:
                session.set_result(n, entry)
    program.window.canvas.set_tool(Tool.PAN)
    program.window.canvas.fit()
    program.controllers["display"].picker.release()
    program.controllers["view"].set_theme("system")
    session.history.forget()
    session.set_saved(None)
    calm(program)
    return program


def vars_of(value: Any) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}


def test_every_action_has_its_line_and_every_line_its_action(program: Program) -> None:
    assert set(program.window.actions_by_name) == set(ACTIONS)


def test_no_two_actions_share_a_key(program: Program) -> None:
    assert repeated_keys(program.window) == []


LONG = {  # the areas' own tests do these in the quick run
    "export.film", "export.report", "synthetic.plan", "synthetic.save", "display.texture",
    "statistics.save",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in ACTIONS]
)
def test_action(program: Program, tmp_path: Path, name: str) -> None:
    act = ACTIONS[name]
    if act.prepare is not None:
        act.prepare(program, tmp_path)
        if not act.at_once:
            calm(program)
    before = act.changes(program)
    action = program.window.action(name)
    assert action.isEnabled(), action.toolTip()
    try:
        if name == "file.recent":  # it opens a menu
            program.controllers["files"].recent.add([tmp_path])
            action.menu().aboutToShow.emit()  # type: ignore[union-attr]
        else:
            action.trigger()
        until(lambda: act.changes(program) != before, 30)
        calm(program)
    finally:
        if act.undo is not None:
            act.undo(program)


def test_every_button_has_its_line_and_every_line_its_button(program: Program) -> None:
    assert set(buttons(program)) == set(BUTTONS)


def test_whatever_is_acted_on_has_a_name_a_tip_and_a_place_in_the_tab_order(
    program: Program,
) -> None:
    for widget in every_widget(program.window):
        where = f"{type(widget).__name__} {widget.objectName()} {widget.accessibleName()}"
        assert widget.accessibleName(), where
        assert widget.toolTip(), where
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, where


HEAVY = {  # the same as an action that is pressed above
    "batch: Start", "batch: Stop", "synthetic: Compute", "synthetic: Keep as", "export: Save film",
    "export: Save report", "export: Save figure", "display: Texture",
    "statistics: Save the statistics",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in HEAVY)) for n in BUTTONS]
)
def test_button(program: Program, tmp_path: Path, name: str) -> None:
    act = BUTTONS[name]
    if act.prepare is not None:
        act.prepare(program, tmp_path)
        if not act.at_once:
            calm(program)
    before = act.changes(program)
    button = buttons(program)[name]
    assert button.isEnabled()
    try:
        button.click()
        until(lambda: act.changes(program) != before, 30)
        calm(program)
    finally:
        if act.undo is not None:
            act.undo(program)


RESETS = [
    f"{stage}.{item.name}" for stage, kind in stages().items() for item in dataclasses.fields(kind)
]


@pytest.mark.parametrize("name", RESETS)
def test_the_button_beside_a_setting_puts_it_back(program: Program, name: str) -> None:
    stage, _, item = name.partition(".")
    normal = getattr(getattr(Settings(), stage), item)
    meta = next(f for f in dataclasses.fields(stages()[stage]) if f.name == item).metadata
    if isinstance(normal, bool):
        other: Any = not normal
    elif isinstance(normal, str):
        other = next(choice for choice in meta["choices"] if choice != normal)
    elif isinstance(normal, tuple):
        other = (1, 2, 64, 64) if item == "region" else (48, 24)
    else:
        other = meta["low"] if meta["low"] != normal else meta["high"]
    part = dataclasses.replace(getattr(Settings(), stage), **{item: other})
    program.session.set_settings(dataclasses.replace(Settings(), **{stage: part}))
    (button,) = [
        widget for widget in every_widget(program.window) if widget.objectName() == f"reset.{name}"
    ]
    assert isinstance(button, QAbstractButton)
    assert button.isEnabled()
    button.click()
    assert getattr(getattr(program.session.settings, stage), item) == normal
    assert not button.isEnabled()
