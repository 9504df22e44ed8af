"""Looking at pairs, in the whole program: stepping, frames, flicker, contrast, playing, keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from desktop.whole import Answers, calm, end, open_now, start, until, write_folder
from gui.program import Program


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("series") / "run", 5)


@pytest.fixture(scope="module")
def running(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = start(tmp_path_factory.mktemp("home"))
    yield program
    end(program)


@pytest.fixture
def program(running: Program, folder: Path) -> Program:
    """The program with a series of five pairs open."""
    running.dialogs = Answers()  # type: ignore[assignment]
    running.session.reset()
    open_now(running, folder)
    running.tell.messages.clear()
    return running


def _on_canvas(program: Program) -> str:
    """Which frame is shown: a, b or neither."""
    pairs = program.controllers["pairs"]
    shown = pairs._on_canvas
    return next((w for w in "ab" if pairs.pair and shown is pairs.pair[w]), "")


def test_arrow_keys_go_from_pair_to_pair_and_stop_at_the_ends(program: Program) -> None:
    window, session = program.window, program.session
    window.activateWindow()
    window.canvas.setFocus()
    QTest.keyClick(window, Qt.Key.Key_Left)
    assert session.index == 0
    QTest.keyClick(window, Qt.Key.Key_Right)
    assert session.index == 1
    calm(program)
    panel, bar = program.controllers["pairs"].panel, program.controllers["pairs"].navigator
    assert panel.list.currentIndex().row() == 1
    assert bar.number.value() == 2
    QTest.keyClick(window, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(window, Qt.Key.Key_Right)
    assert session.index == 4
    QTest.keyClick(window, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    assert session.index == 0


def test_list_slider_and_number_lead_to_the_same_pair(program: Program, folder: Path) -> None:
    pairs, session = program.controllers["pairs"], program.session
    pairs.panel.list.setCurrentIndex(pairs.panel.model.index(3))
    assert session.index == 3
    pairs.navigator.slider.setValue(2)
    assert session.index == 2
    pairs.navigator.number.setValue(5)
    assert session.index == 4
    calm(program)
    image = np.asarray(pairs.pair["a"].levels[0])
    np.testing.assert_array_equal(image, tifffile.imread(folder / "img_005_a.tif"))
    assert "pair 5 of 5" in program.window.source_label.text()


def test_going_fast_shows_the_last_one(program: Program) -> None:
    for n in (1, 2, 3, 4, 3):
        program.session.set_index(n)
    calm(program)
    assert program.controllers["pairs"].pair["name"].startswith("img_004")


def test_a_and_b_by_their_keys(program: Program) -> None:
    window = program.window
    window.activateWindow()
    assert _on_canvas(program) == "a"
    QTest.keyClick(window, Qt.Key.Key_B)
    assert program.session.display.frame == "b"
    assert _on_canvas(program) == "b"
    assert window.action("image.frame_b").isChecked()
    assert not window.action("image.frame_a").isChecked()
    QTest.keyClick(window, Qt.Key.Key_A)
    assert _on_canvas(program) == "a"


def test_flicker_shows_both_frames_and_ends_at_the_chosen_one(program: Program) -> None:
    program.controllers["pairs"].navigator.flicker_rate.setValue(30)
    program.window.action("image.flicker").trigger()
    seen = set()

    def both() -> bool:
        seen.add(_on_canvas(program))
        return seen == {"a", "b"}

    until(both)
    assert program.session.display.frame == "a"
    program.window.action("image.flicker").trigger()
    assert not program.session.display.flicker
    assert _on_canvas(program) == "a"


@pytest.mark.parametrize("where", ["canvas", "list"])
def test_space_flickers_on_the_canvas_and_in_the_list(program: Program, where: str) -> None:
    widget = program.window.canvas if where == "canvas" else program.controllers["pairs"].panel.list
    program.window.activateWindow()
    widget.setFocus()
    target = QApplication.focusWidget() or widget
    QTest.keyClick(target, Qt.Key.Key_Space)
    assert program.session.display.flicker
    QTest.keyClick(target, Qt.Key.Key_Space)
    assert not program.session.display.flicker


def test_contrast_is_automatic_until_it_is_chosen_and_again_on_demand(program: Program) -> None:
    pairs = program.controllers["pairs"]
    assert pairs.levels() == tuple(pairs.pair["range"])
    pairs.panel.contrast.high.setValue(77)
    assert program.session.display.image_levels is not None
    assert program.session.display.image_levels[1] == 77
    assert pairs.levels()[1] == 77
    program.session.set_index(1)
    calm(program)
    assert pairs.levels()[1] == 77
    pairs.panel.contrast.automatic.click()
    assert program.session.display.image_levels is None
    assert pairs.levels() == tuple(pairs.pair["range"])


def test_the_histogram_counts_every_pixel_of_both_frames(program: Program) -> None:
    view = program.controllers["pairs"].panel.contrast.histogram
    assert view._edges is not None
    counts = program.controllers["pairs"]._histograms[0]
    assert counts["a"].sum() == counts["b"].sum() == 96 * 128


def test_playing_goes_round_and_waits_until_a_pair_is_seen(program: Program) -> None:
    pairs = program.controllers["pairs"]
    pairs.navigator.play_rate.setValue(30)
    seen: list[tuple[int, bool]] = []

    def watch() -> None:
        seen.append((program.session.index, pairs.pair is not None))

    from gui.session import Topic

    stop = program.session.subscribe(Topic.PAIR, watch)
    program.window.action("series.play").trigger()
    until(lambda: len(seen) >= 6)
    program.window.action("series.play").trigger()
    stop()
    assert [index for index, _ in seen[:6]] == [1, 2, 3, 4, 0, 1]
    assert all(there for _, there in seen[1:])
    assert not pairs.playing
    calm(program)


def test_every_row_that_is_seen_gets_its_picture(program: Program) -> None:
    model = program.controllers["pairs"].panel.model
    until(lambda: all(model.has_picture(n) for n in range(5)))


def test_escape_leaves_the_tool_then_the_flicker_then_the_message(program: Program) -> None:
    from gui.views.canvas import Tool

    window = program.window
    window.action("view.zoom_box").trigger()
    window.action("image.flicker").trigger()
    program.tell.error("something")
    assert window.canvas.tool == Tool.ZOOM
    for left in ("tool", "flicker", "message"):
        window.action("view.cancel").trigger()
        assert window.canvas.tool == Tool.PAN
        assert program.session.display.flicker == (left == "tool")
    assert window.message_bar.text == ""


def test_zooming_by_the_menu_keeps_the_middle(program: Program) -> None:
    canvas = program.window.canvas
    program.window.action("view.fit").trigger()
    whole = canvas.view_rect()
    program.window.action("view.zoom_in").trigger()
    part = canvas.view_rect()
    assert part[2] < whole[2]
    for n in (0, 1):
        assert abs(whole[n] + whole[n + 2] / 2 - part[n] - part[n + 2] / 2) < 2
    program.window.action("view.zoom_out").trigger()
    np.testing.assert_allclose(canvas.view_rect(), whole, atol=2)
