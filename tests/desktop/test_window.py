"""The window by itself: actions, panels, messages, theme, pages; nothing is computed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLabel, QWidget

from gui.tell import Tell
from gui.views.actions import ActionSpec
from gui.views.contrast import ContrastBox
from gui.views.help_window import about_html, actions_html, help_html, keys_text
from gui.views.log import LogPanel
from gui.views.main_window import MainWindow
from gui.views.navigator import Navigator
from gui.views.pair_list import PairPanel
from gui.views.theme import Theme, icon, is_dark, palette

SPECS = (
    ActionSpec("file.first", "First thing", "File", "Ctrl+1", "Does it", group="one", toolbar=True),
    ActionSpec("file.last", "Leave", "File", group="end"),
    ActionSpec("file.second", "Fit", "File", needs="pair", tip="Fits", group="two"),
    ActionSpec("help.one", "Help", "Help", "F1, Ctrl+H", "Helps", checkable=True),
)


@pytest.fixture
def window(qtbot: Any) -> MainWindow:
    window = MainWindow()
    qtbot.addWidget(window)
    window.add_actions(SPECS)
    window.resize(1200, 750)
    window.show()
    return window


def _texts(window: MainWindow, menu: str) -> list[str]:
    return [
        "-" if action.isSeparator() else action.text() for action in window.menu(menu).actions()
    ]


def test_actions_stand_in_their_menu_by_groups_and_the_group_end_is_last(
    window: MainWindow,
) -> None:
    assert _texts(window, "File") == ["&First thing", "-", "F&it", "-", "&Leave"]


def test_an_action_triggers_by_its_key(window: MainWindow, qtbot: Any) -> None:
    pressed: list[bool] = []
    window.action("file.first").triggered.connect(pressed.append)
    qtbot.waitExposed(window)
    window.activateWindow()
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert pressed == [False]


def test_what_is_missing_disables_an_action_and_its_tip_says_so(window: MainWindow) -> None:
    action = window.action("file.second")
    assert not action.isEnabled()
    assert action.toolTip() == "Fits: open an image pair first"
    window.set_present(frozenset({"pair"}))
    assert action.isEnabled()
    assert action.toolTip() == "Fits"
    assert window.action("file.first").toolTip() == "Does it (Ctrl+1)"


def test_two_actions_of_one_name_and_unknown_menus_are_refused(window: MainWindow) -> None:
    with pytest.raises(ValueError, match="two actions"):
        window.add_actions(SPECS[:1])
    with pytest.raises(ValueError, match="no menu"):
        ActionSpec("x.y", "X", "Elsewhere")


def test_panels_of_a_side_are_tabs_and_can_be_shown_and_hidden(window: MainWindow) -> None:
    first = window.add_panel("one", "One", QLabel("1"), "right")
    second = window.add_panel("two", "Two", QLabel("2"), "right", shown=False)
    assert not first.isHidden()
    assert second.isHidden()
    window.show_panel("two")
    assert not second.isHidden()
    assert window.tabifiedDockWidgets(first) == [second]
    assert window.panel("two") is second
    assert [a.text() for a in window.panels_menu().actions()] == ["One", "Two"]


def test_the_layout_comes_back(window: MainWindow) -> None:
    dock = window.add_panel("one", "One", QLabel("1"), "left")
    window.begin_layout()
    shown = window.layout_state()
    dock.hide()
    hidden = window.layout_state()
    assert window.restore_layout(shown)
    assert not dock.isHidden()
    assert window.restore_layout(hidden)
    assert dock.isHidden()
    window.reset_layout()
    assert not dock.isHidden()


@pytest.mark.parametrize("state", [{}, {"version": 1, "geometry": "?", "state": 3}, {"version": 9}])
def test_a_damaged_layout_is_refused(window: MainWindow, state: dict[str, Any]) -> None:
    assert not window.restore_layout(state)


def test_what_runs_is_shown_and_can_be_cancelled_once(window: MainWindow) -> None:
    cancelled: list[int] = []
    window.set_busy("Analysing ...", 0.25, lambda: cancelled.append(1))
    assert window.busy
    assert not window.cancel_button.isHidden()
    assert window.progress.value() == 250
    window.cancel_button.click()
    window.cancel()
    assert cancelled == [1]
    window.set_busy("Reading ...", None, None)
    assert window.progress.maximum() == 0
    assert window.cancel_button.isHidden()
    window.set_busy(None, None, None)
    assert window.busy_label.isHidden()
    assert not window.busy


def test_the_end_of_one_shows_the_other_that_still_runs(window: MainWindow) -> None:
    cancelled: list[str] = []
    window.set_busy("Series: 3 of 9", 0.3, lambda: cancelled.append("series"), of="series")
    window.set_busy("Analysing", None, lambda: cancelled.append("pair"), of="analysis")
    window.set_busy("Series: 4 of 9", 0.4, lambda: cancelled.append("series"), of="series")
    assert window.busy_label.text().startswith("Analysing")
    window.cancel_button.click()
    window.set_busy(None, None, None, of="analysis")
    assert window.busy_label.text() == "Series: 4 of 9"
    assert window.progress.value() == 400
    window.cancel_button.click()
    assert cancelled == ["pair", "series"]
    assert not window.busy


def test_closing_can_be_objected_to(window: MainWindow) -> None:
    closed: list[int] = []
    window.closed.connect(lambda: closed.append(1))
    window.closing.connect(QCloseEvent.ignore)
    assert not window.close()
    assert closed == []
    window.closing.disconnect()
    assert window.close()
    assert closed == [1]


def _mime(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def test_files_can_be_dropped_and_other_things_cannot(window: MainWindow, tmp_path: Path) -> None:
    dropped: list[list[str]] = []
    window.dropped.connect(dropped.append)
    data = _mime(tmp_path / "ä 1.tif", tmp_path / "b.tif")
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    keys = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(9, 9), actions, data, buttons, keys)
    enter.ignore()
    window.dragEnterEvent(enter)
    assert enter.isAccepted()
    window.dropEvent(QDropEvent(QPointF(9, 9), actions, data, buttons, keys))
    assert [Path(p).name for p in dropped[0]] == ["ä 1.tif", "b.tif"]
    text = QMimeData()
    text.setText("no file")
    enter = QDragEnterEvent(QPoint(9, 9), actions, text, buttons, keys)
    enter.ignore()
    window.dragEnterEvent(enter)
    assert not enter.isAccepted()
    window.dropEvent(QDropEvent(QPointF(9, 9), actions, text, buttons, keys))
    assert len(dropped) == 1


# messages


def test_errors_stay_and_news_do_not_hide_them(window: MainWindow) -> None:
    tell = Tell()
    tell.add_place(window)
    assert tell.last is None
    tell.info("read")
    assert window.message_bar.text == "read"
    tell.error("a.tif is\nempty", "Traceback ...")
    assert window.message_bar.text == "a.tif is empty"
    tell.info("something else")
    assert window.message_bar.text == "a.tif is empty"
    assert tell.last is not None
    assert tell.last.text == "something else"
    window.message_bar.dismiss()
    assert window.message_bar.text == ""
    tell.info("again")
    assert window.message_bar.text == "again"


def test_the_log_keeps_everything_and_shows_no_tags(qtbot: Any) -> None:
    tell, panel = Tell(), LogPanel()
    qtbot.addWidget(panel)
    tell.warning("before <b>")
    tell.add_place(panel)
    tell.error("wrong", "line 1\nline 2 <x>")
    assert "before <b>" in panel.text()
    assert "line 2 <x>" in panel.text()
    panel.copy_button.click()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert "wrong" in clipboard.text()
    panel.clear_button.click()
    assert panel.text() == ""


def test_messages_are_not_kept_without_end() -> None:
    tell = Tell()
    for n in range(700):
        tell.info(str(n))
    assert [tell.messages[0].text, tell.messages[-1].text] == ["200", "699"]


# theme


def test_light_and_dark_have_other_colours_and_text_that_can_be_read(qapp: QApplication) -> None:
    theme = qapp.findChild(Theme) or Theme(qapp)
    before = theme.mode
    changes: list[int] = []
    theme.changed.connect(lambda: changes.append(1))
    try:
        theme.set_mode("dark")
        assert is_dark()
        theme.set_mode("light")
        assert not is_dark()
    finally:
        theme.set_mode(before)
    assert len(changes) >= 2


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(dark: bool) -> None:
    colours = palette(dark=dark)
    roles = colours.ColorRole

    def light(role: Any) -> float:  # relative luminance, WCAG 2
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
                 for c in colours.color(role).getRgbF()[:3]]  # fmt: skip
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    pairs = [
        (roles.WindowText, roles.Window), (roles.Text, roles.Base),
        (roles.ButtonText, roles.Button),
        (roles.Text, roles.AlternateBase), (roles.ToolTipText, roles.ToolTipBase),
        (roles.HighlightedText, roles.Highlight), (roles.PlaceholderText, roles.Base),
    ]  # fmt: skip
    for front, ground in pairs:
        high, low = sorted((light(front), light(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) > 3.0, (front, ground)


def test_icons_are_drawn_in_the_colour_of_the_text_also_at_high_resolution(
    qapp: QApplication,
) -> None:
    theme = qapp.findChild(Theme) or Theme(qapp)
    before = theme.mode
    try:
        lightness = {}
        for mode in ("light", "dark"):
            theme.set_mode(mode)  # type: ignore[arg-type]
            image = icon("series.next").pixmap(40, 40).toImage()
            drawn = [
                image.pixelColor(x, y).lightness()
                for x in range(image.width())
                for y in range(image.height())
                if image.pixelColor(x, y).alpha() > 200
            ]
            assert len(drawn) > 20
            lightness[mode] = sum(drawn) / len(drawn)
        assert lightness["light"] < 80 < 180 < lightness["dark"]
    finally:
        theme.set_mode(before)
    assert icon("there is none").isNull()


# parts


def test_the_histogram_takes_the_nearer_limit_and_keeps_them_apart(qtbot: Any) -> None:
    import numpy as np

    box = ContrastBox()
    qtbot.addWidget(box)
    box.resize(300, 220)
    box.show()
    assert not box.isEnabled()
    counts = np.arange(128)
    box.show_histogram(np.linspace(0, 255, 129), counts, counts[::-1])
    box.show_levels(20, 120)
    assert (box.low.value(), box.high.value()) == (20, 120)
    chosen: list[tuple[float, float]] = []
    box.levels_chosen.connect(lambda low, high: chosen.append((low, high)))
    view = box.histogram
    x = round(view.x_of(120))
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(x, 20))
    QTest.mouseMove(view, QPoint(x - 10, 20))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(x - 10, 20))
    assert chosen
    assert chosen[-1][0] == 20
    assert 20 < chosen[-1][1] <= 121
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(2, 20))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(2, 20))
    assert chosen[-1][0] < 20
    box.low.setValue(30)
    assert chosen[-1][0] == 30
    for low, high in chosen:
        assert low < high


def test_the_pair_list_asks_for_pictures_of_what_is_seen_only(qtbot: Any) -> None:
    import numpy as np

    panel = PairPanel()
    qtbot.addWidget(panel)
    wanted: list[int] = []
    panel.thumbnail_wanted.connect(wanted.append)
    panel.resize(300, 500)
    panel.show_source("many", "5000 pairs", [f"pair {n}" for n in range(5000)])
    panel.show()
    qtbot.waitUntil(lambda: bool(wanted))
    QApplication.processEvents()
    assert 0 < len(set(wanted)) < 40
    assert len([n for n in wanted if n >= 40]) <= 1  # Qt measures one row by the last
    panel.model.set_picture(wanted[0], np.full((54, 72), 90, np.uint8))
    assert panel.model.has_picture(wanted[0])
    wanted.clear()
    panel.show_index(4000)
    qtbot.waitUntil(lambda: 4000 in wanted)


def test_the_pair_list_tells_states_and_choices(qtbot: Any) -> None:
    panel = PairPanel()
    qtbot.addWidget(panel)
    panel.show_source("few", "", ["one", "two", "three"])
    chosen: list[int] = []
    panel.chosen.connect(chosen.append)
    panel.show_index(2)
    assert chosen == []
    panel.list.setCurrentIndex(panel.model.index(1))
    assert chosen == [1]
    panel.model.set_states({0: "analysed", 2: "failed: no contrast"})
    texts = [panel.model.data(panel.model.index(n)) for n in range(3)]
    assert texts == ["1  one\nanalysed", "2  two\nnot analysed", "3  three\nfailed"]
    tip = panel.model.data(panel.model.index(2), Qt.ItemDataRole.ToolTipRole)
    assert "no contrast" in tip


def test_the_pairing_is_shown_and_can_be_chosen(qtbot: Any) -> None:
    panel = PairPanel()
    qtbot.addWidget(panel)
    panel.show()
    chosen: list[str] = []
    panel.pairing_chosen.connect(chosen.append)
    panel.show_pairing("jump:7", enabled=True)
    assert panel.jump.isVisible()
    assert panel.jump.value() == 7
    assert chosen == []
    panel.jump.setValue(3)
    assert chosen == ["jump:3"]
    panel.show_pairing("1-2,2-3", enabled=True)
    assert not panel.jump.isVisible()
    panel.pairing.setCurrentIndex(panel.pairing.findData("1-2,3-4"))
    panel.pairing.activated.emit(panel.pairing.currentIndex())
    assert chosen[-1] == "1-2,3-4"


def test_the_navigator_steps_without_echo(qtbot: Any, window: MainWindow) -> None:
    specs = [
        ActionSpec(name, name, "Series")
        for name in ("series.previous", "series.play", "series.next", "image.frame_a",
                     "image.frame_b", "image.flicker")
    ]  # fmt: skip
    window.add_actions(specs)
    bar = Navigator(window.actions_by_name)
    qtbot.addWidget(bar)
    chosen: list[int] = []
    bar.chosen.connect(chosen.append)
    bar.show_place(3, 9)
    assert chosen == []
    assert bar.number.value() == 4
    bar.number.setValue(6)
    bar.slider.setValue(0)
    assert chosen == [5, 0]
    bar.show_place(0, 1)
    assert not bar.slider.isEnabled()


# pages


def test_the_help_page_lists_every_action_with_its_keys(window: MainWindow) -> None:
    html = help_html(window.specs.values())
    for spec in SPECS:
        assert spec.text in html
        assert keys_text(spec) in html
    assert "<!-- actions -->" not in html
    assert actions_html([]) == ""


def test_the_page_about_the_program_names_versions_and_licences() -> None:
    html = about_html()
    for word in ("PyQt6", "BSD-3-Clause", "pyqtgraph", "CITATION.cff"):
        assert word in html
    assert re.search(r"PIV \d+\.\d+", html)


def every_widget(window: QWidget) -> list[QWidget]:
    """Widgets that a user acts on, but for the inner parts of others."""
    from PyQt6.QtWidgets import (
        QAbstractButton,
        QAbstractItemView,
        QAbstractSlider,
        QAbstractSpinBox,
        QComboBox,
        QDockWidget,
        QHeaderView,
        QLineEdit,
        QPlainTextEdit,
        QScrollBar,
        QTabBar,
        QTextEdit,
    )

    kinds = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox,
             QLineEdit, QPlainTextEdit, QTextEdit)  # fmt: skip
    found = []
    for widget in window.findChildren(QWidget):
        if not isinstance(widget, kinds) or isinstance(widget, (QScrollBar, QHeaderView)):
            continue
        parents = []
        parent = widget.parent()
        while parent is not None and parent is not window:
            parents.append(parent)
            parent = parent.parent()
        inner = (QAbstractSpinBox, QComboBox, QTabBar, QAbstractItemView)
        title_bar = bool(parents) and isinstance(parents[0], QDockWidget)  # Qt's own buttons
        if widget.objectName().startswith("qt_") or title_bar:
            continue
        if not any(isinstance(parent, inner) for parent in parents):
            found.append(widget)
    return found


def repeated_keys(window: MainWindow) -> list[str]:
    """Keys that two actions share."""
    keys = [key.toString() for action in window.actions_by_name.values()
            for key in action.shortcuts()]  # fmt: skip
    return [key for key, count in Counter(keys).items() if count > 1]
