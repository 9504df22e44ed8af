"""What can be seen and reached: contrast in both themes, sizes of panels, keys of the help page."""

from __future__ import annotations

import dataclasses
import gc
import re
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication, QCheckBox, QLabel, QProgressBar, QWidget

from gui.tell import Message
from gui.views import theme
from gui.views.display_panel import DisplayPanel
from gui.views.help_window import HelpWindow
from gui.views.message_bar import MessageBar
from gui.views.profile_panel import ProfilePanel
from gui.views.scatter_panel import ScatterPanel
from gui.views.settings_form import make_editor
from gui.views.synthetic_panel import SyntheticPanel
from gui.views.theme import Theme
from piv.settings import ValidateSettings


@pytest.fixture(params=["light", "dark"])
def looks(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[Theme]:
    there = qapp.findChild(Theme)
    made = there if there is not None else Theme(qapp)
    made.set_mode(request.param)
    yield made
    made.set_mode("system")


def contrast(one: QColor, other: QColor) -> float:
    """Ratio of the luminances (WCAG 2.2), 1 to 21."""

    def luminance(colour: QColor) -> float:
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def shades(widget: QWidget) -> list[tuple[QColor, int]]:
    """Colours of a widget as it is painted, the most frequent ones first."""
    image = widget.grab().toImage()
    count: dict[int, int] = {}
    for y in range(image.height()):
        for x in range(image.width()):
            pixel = image.pixel(x, y)
            count[pixel] = count.get(pixel, 0) + 1
    order = sorted(count.items(), key=lambda item: -item[1])
    return [(QColor(pixel), number) for pixel, number in order]


def test_the_frame_of_a_check_box_can_be_seen(looks, qtbot):
    box = QCheckBox()
    qtbot.addWidget(box)
    box.resize(24, 24)
    background = box.palette().color(QPalette.ColorRole.Window)
    strong = [n for colour, n in shades(box) if contrast(colour, background) >= 3]
    assert sum(strong) >= 40  # the frame is 4 x 13 px long


def test_a_checked_box_differs_from_an_empty_one(looks, qtbot):
    box = QCheckBox()
    qtbot.addWidget(box)
    box.resize(24, 24)
    box.setChecked(True)
    accent = box.palette().color(QPalette.ColorRole.Highlight)
    assert sum(n for colour, n in shades(box) if colour.name() == accent.name()) > 50


def test_the_percentage_can_be_read_on_both_parts_of_the_bar(looks, qtbot):
    bar = QProgressBar()
    qtbot.addWidget(bar)
    bar.setTextVisible(False)
    bar.resize(200, 24)
    bar.setRange(0, 100)
    bar.setValue(50)
    bar.ensurePolished()
    image = bar.grab().toImage()
    text = bar.palette().color(QPalette.ColorRole.Text)
    done, left = (QColor(image.pixel(x, 12)) for x in (50, 150))
    assert contrast(done, left) > 1.3
    for ground in (done, left):
        assert contrast(text, ground) >= 4.5


def test_words_have_enough_contrast(looks, qapp):
    colours = qapp.palette()
    role = QPalette.ColorRole
    for text, ground in (
        (role.WindowText, role.Window), (role.Text, role.Base), (role.ButtonText, role.Button),
        (role.PlaceholderText, role.Base), (role.ToolTipText, role.ToolTipBase),
        (role.Link, role.Base),
    ):  # fmt: skip
        assert contrast(colours.color(text), colours.color(ground)) >= 4.5, text


def test_no_colour_of_the_sheet_is_left_open(looks, qapp):
    assert not re.search(r"CHUNK|CHECK", qapp.styleSheet())
    assert theme.is_dark() == (looks.mode == "dark")


@pytest.mark.parametrize("keys", [Qt.Key.Key_Escape, Qt.Key.Key_W])
def test_the_help_page_is_closed_by_keys(qtbot, keys):
    parent = QWidget()
    qtbot.addWidget(parent)
    page = HelpWindow(parent)
    page.show_page("Help", "<p>words</p>")
    page.browser.setFocus()
    qtbot.waitUntil(page.isActiveWindow)
    held = Qt.KeyboardModifier
    qtbot.keyClick(
        page.browser, keys, held.ControlModifier if keys == Qt.Key.Key_W else held.NoModifier
    )
    qtbot.waitUntil(lambda: not page.isVisible())


def test_plots_in_panels_are_high_enough_to_read(qtbot):
    for panel in (ProfilePanel(), ScatterPanel()):
        qtbot.addWidget(panel)
        panel.adjustSize()
        assert panel.plot.height() >= 180


@pytest.mark.parametrize("label", ["along the line (px)", "to its right (m/s)"])
def test_the_name_of_the_profile_fits_its_axis(qtbot, label):
    panel = ProfilePanel()
    qtbot.addWidget(panel)
    way = np.linspace(0, 9, 20)
    panel.show_profile(way, way, None, ("distance along the line (px)", label), [])
    panel.resize(700, panel.sizeHint().height())
    panel.show()
    qtbot.waitExposed(panel)
    axis = panel.plot.getPlotItem().getAxis("left")
    assert axis.label.boundingRect().width() <= axis.boundingRect().height()


def test_automatic_is_a_word(qtbot):
    panel = DisplayPanel()
    qtbot.addWidget(panel)
    assert panel.scale.text() == panel.step.text() == "automatic"
    panel.scale.setValue(5)
    assert panel.scale.text() == "5"


def test_the_plane_of_u_and_v_forgets_units_with_what_it_showed(qtbot):
    panel = ScatterPanel()
    qtbot.addWidget(panel)
    panel.plot.setLabel("bottom", "u (m/s)")
    panel.ends[0].show_value(-1.4, "m/s")
    panel.show_nothing("nothing is there")
    assert panel.plot.getPlotItem().getAxis("bottom").labelText == "u"
    assert [each.text() for each in panel.ends] == ["0"] * 4


def test_a_message_stays_readable_when_the_theme_changes(qapp, qtbot):
    there = qapp.findChild(Theme)
    look = there if there is not None else Theme(qapp)
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.resize(500, 40)
    look.changed.connect(bar.restyle)
    look.set_mode("light")
    bar.show_message(Message("error", "something to read", "", datetime.now(UTC)))
    try:
        for mode in ("dark", "light"):
            look.set_mode(mode)
            qapp.processEvents()
            words = bar.findChildren(QLabel)[1]
            text = words.palette().color(QPalette.ColorRole.WindowText)
            ground = QColor(bar.grab().toImage().pixel(300, 3))
            assert contrast(text, ground) >= 4.5, mode
    finally:
        look.changed.disconnect(bar.restyle)
        look.set_mode("system")


def test_the_map_of_the_error_is_drawn_in_the_colours_of_the_theme(looks, qtbot):
    panel = SyntheticPanel()
    qtbot.addWidget(panel)
    panel.resize(420, 900)
    panel.show()
    values = np.linspace(0, 0.08, 60, dtype=np.float32).reshape(6, 10)
    values[2, 3] = np.nan
    figures = {"mean_endpoint_error": 0.02}
    panel.show_errors({"dense": figures, "coarse": None, "map": values, "extent": (0, 0, 100, 60)})
    qtbot.waitExposed(panel)
    assert panel.map_row.isVisible()
    assert panel.map_image.rect == QRectF(0, 0, 100, 60)
    for plot in (panel.map_view, panel.map_scale):
        pen = plot.getPlotItem().getAxis("left").textPen().color()
        assert contrast(pen, plot.backgroundBrush().color()) >= 4.5
    top = panel.map_scale.getPlotItem().vb.viewRange()[1][1]
    assert top == pytest.approx(np.nanpercentile(values, 99), rel=0.02)
    panel.show_errors(None)
    assert not panel.map_row.isVisible()


def test_zero_is_called_what_it_means_in_the_settings(qtbot):
    field = {each.name: each for each in dataclasses.fields(ValidateSettings)}["largest"]
    editor = make_editor(field)
    qtbot.addWidget(editor)
    editor.show_value(0)
    assert editor.widget.text() == "no limit"
    editor.show_value(12)
    assert editor.widget.text() == "12 px"


def test_a_widget_of_a_test_is_whole_until_the_test_has_ended(qtbot):
    widget = QWidget()
    widget.itself = widget.isVisible  # type: ignore[attr-defined]  # only the collector takes it
    there = weakref.ref(widget)
    qtbot.addWidget(widget)
    del widget
    gc.collect()
    assert there() is not None
