"""The canvas: what is drawn where, and what mouse and keys do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QImage, QPalette, QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QMainWindow

from gui.colours import table
from gui.masks import Shape
from gui.pyramid import Pyramid
from gui.views.canvas import Canvas, ScalarLayer, Tool, VectorLayer, geometry
from gui.views.canvas.camera import Camera, round_length
from gui.views.canvas.geometry import Draft
from gui.views.canvas.layers import MASKED, REJECTED
from gui.views.canvas.raster import CLEAR, entries
from gui.views.canvas.strokes import SPACING, Curves, arrow_lines, arrows, steps_for
from piv.errors import InputError

HEIGHT, WIDTH = 300, 500
LEFT, MIDDLE, RIGHT = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.MiddleButton,
    Qt.MouseButton.RightButton,
)
SHIFT = Qt.KeyboardModifier.ShiftModifier


class Seen:
    """Everything that a signal said."""

    def __init__(self, *signals: Any) -> None:
        self.all: list[Any] = []
        for signal in signals:
            signal.connect(self._keep)

    def _keep(self, *values: Any) -> None:
        self.all.append(values[0] if len(values) == 1 else values)


@pytest.fixture
def canvas(qtbot: Any) -> Canvas:
    shown = Canvas()
    qtbot.addWidget(shown)
    shown.resize(800, 620)
    shown.show()
    qtbot.waitExposed(shown)
    shown.show_image(Pyramid.build(np.zeros((HEIGHT, WIDTH), np.uint8)), (0, 255))
    shown.activateWindow()
    shown.setFocus()
    return shown


def place(canvas: Canvas, x: float, y: float) -> QPoint:
    """The view's pixel in which the point of the frame is seen."""
    across, down = canvas.to_view(x, y)
    return QPoint(math.floor(across), math.floor(down))


def press(canvas: Canvas, x: float, y: float, button: Any = LEFT, keys: Any = None) -> None:
    keys = keys or Qt.KeyboardModifier.NoModifier
    QTest.mousePress(canvas.view.viewport(), button, keys, place(canvas, x, y))


def release(canvas: Canvas, x: float, y: float, button: Any = LEFT, keys: Any = None) -> None:
    keys = keys or Qt.KeyboardModifier.NoModifier
    QTest.mouseRelease(canvas.view.viewport(), button, keys, place(canvas, x, y))


def click(canvas: Canvas, x: float, y: float, button: Any = LEFT) -> None:
    move(canvas, x, y)
    QTest.mouseClick(
        canvas.view.viewport(), button, Qt.KeyboardModifier.NoModifier, place(canvas, x, y)
    )


def double(canvas: Canvas, x: float, y: float) -> None:
    """As Qt tells it: press, release, double click, release."""
    click(canvas, x, y)
    QTest.mouseDClick(
        canvas.view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, place(canvas, x, y)
    )


def move(canvas: Canvas, x: float, y: float) -> None:
    QTest.mouseMove(canvas.view.viewport(), place(canvas, x, y))


def drag(
    canvas: Canvas, start: tuple[float, float], end: tuple[float, float], button: Any = LEFT,
    keys: Any = None,
) -> None:  # fmt: skip
    """Press, two moves, release; the places are taken before the view moves."""
    viewport = canvas.view.viewport()
    keys = keys or Qt.KeyboardModifier.NoModifier
    first, last = place(canvas, *start), place(canvas, *end)
    QTest.mousePress(viewport, button, keys, first)
    QTest.mouseMove(viewport, (first + last) / 2)
    QTest.mouseMove(viewport, last)
    QTest.mouseRelease(viewport, button, keys, last)


def key(canvas: Canvas, which: Any, keys: Any = None) -> None:
    QTest.keyClick(canvas.view, which, keys or Qt.KeyboardModifier.NoModifier)


def wheel(canvas: Canvas, at: QPoint, notches: int) -> None:
    view = canvas.view
    event = QWheelEvent(
        QPointF(at), view.mapToGlobal(QPointF(at)), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(view.viewport(), event)


def pixels(canvas: Canvas) -> np.ndarray:
    """The view as red, green, blue."""
    QApplication.processEvents()
    image = canvas.view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    memory = image.constBits()
    memory.setsize(image.sizeInBytes())
    array = np.frombuffer(memory, np.uint8).reshape(image.height(), image.width(), 4)
    return array[..., 2::-1].copy()


def colour_at(canvas: Canvas, x: float, y: float) -> tuple[int, int, int]:
    at = place(canvas, x, y)
    red, green, blue = pixels(canvas)[at.y(), at.x()]
    return int(red), int(green), int(blue)


def points(shape: Any) -> np.ndarray:
    return np.array(shape.points)


# -- where things are ------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [1.0, 1.5, 2.0, 3.3, 7.0, 40.0])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_pixel_is_where_its_coordinate_says(canvas: Canvas, level: int, zoom: float) -> None:
    """The middle of a bright block is at its coordinate, at every zoom and pyramid level."""
    size = 2**level
    image = np.zeros((1200, 2000), np.uint8)
    row, column = 600 // size * size, 1000 // size * size
    image[row : row + size, column : column + size] = 255
    canvas.show_image(Pyramid.build(image), (0, 255))
    x, y = column + (size - 1) / 2, row + (size - 1) / 2
    zoom = zoom / size  # so that the level is the one to be tested
    width, height = canvas.view.width() / zoom, canvas.view.height() / zoom
    canvas.zoom_to((x - 0.45 * width, y - 0.55 * height, width, height))
    grey = pixels(canvas)[..., 0].astype(float)
    rows, columns = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]] + 0.5
    ends = canvas.to_view(-0.5, -0.5), canvas.to_view(1999.5, 1199.5)
    grey[(columns < ends[0][0]) | (columns > ends[1][0])] = 0  # the ground around the frame
    grey[(rows < ends[0][1]) | (rows > ends[1][1])] = 0
    assert grey.max() > 100
    seen = (columns * grey).sum() / grey.sum(), (rows * grey).sum() / grey.sum()
    expected = canvas.to_view(x, y)
    # to the rounding of an edge to whole pixels of the screen
    assert abs(seen[0] - expected[0]) <= 0.51
    assert abs(seen[1] - expected[1]) <= 0.51
    if zoom == 1:
        assert sorted(set(grey.ravel())) == [0, 255]  # copied, not blurred
        assert (grey == 255).sum() == size**2


def test_every_pixel_at_its_own_size(canvas: Canvas, rng: np.random.Generator) -> None:
    image = rng.integers(0, 255, (900, 1300), dtype=np.uint8)
    canvas.show_image(Pyramid.build(image), (0, 254))
    canvas.actual_size()
    canvas.pan(13.3, -7.6)
    seen = pixels(canvas)[..., 1]
    left, top = canvas.to_frame(0.5, 0.5)
    assert left == pytest.approx(round(left), abs=1e-6)
    part = image[round(top) :, round(left) :][: seen.shape[0], : seen.shape[1]]
    assert part.shape == seen.shape
    assert np.abs(seen.astype(int) - part).max() <= 1


def test_a_field_on_a_coarse_grid_is_where_its_windows_are(canvas: Canvas) -> None:
    values = np.full((17, 29), np.nan, np.float32)
    values[4, 11] = 1.0
    layer = ScalarLayer(Pyramid.build(values), x0=16, y0=12, step=(16, 16), low=0, high=1)
    canvas.show_scalar(layer)
    bright = np.argwhere(np.abs(pixels(canvas).astype(int) - table("viridis")[-1]).sum(2) < 12)
    x, y = canvas.to_view(16 + 11 * 16, 12 + 4 * 16)
    middle = bright.mean(axis=0) + 0.5
    assert middle == pytest.approx([y, x], abs=0.6)
    side = 16 * canvas._camera.zoom
    assert np.ptp(bright, axis=0) + 1 == pytest.approx([side, side], abs=1.1)


def test_nan_is_clear_and_ends_have_the_end_colours(canvas: Canvas) -> None:
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[:, 100:200] = np.nan
    values[:, 200:300] = 0.5
    values[:, 300:400] = 99
    values[:, 400:] = -np.inf
    image = np.full((HEIGHT, WIDTH), 80, np.uint8)
    canvas.show_image(Pyramid.build(image), (0, 255))
    layer = ScalarLayer(Pyramid.build(values), low=0, high=1, colour_map="viridis")
    canvas.show_scalar(layer)
    colours = table("viridis").astype(int)
    assert colour_at(canvas, 50, 50) == pytest.approx(tuple(colours[0]), abs=1)
    assert colour_at(canvas, 150, 50) == pytest.approx((80, 80, 80), abs=1)
    assert colour_at(canvas, 250, 50) == pytest.approx(tuple(colours[128]), abs=2)
    assert colour_at(canvas, 350, 50) == pytest.approx(tuple(colours[255]), abs=1)
    assert colour_at(canvas, 450, 50) == pytest.approx(tuple(colours[0]), abs=1)
    half = ScalarLayer(Pyramid.build(values), low=0, high=1, opacity=0.5)
    canvas.show_scalar(half)
    mixed = tuple((colours[0] + 80) / 2)
    assert colour_at(canvas, 50, 50) == pytest.approx(mixed, abs=2)


def test_grey_levels(canvas: Canvas) -> None:
    image = np.tile(np.arange(WIDTH, dtype=np.uint16) * 8, (HEIGHT, 1))
    canvas.show_image(Pyramid.build(image), (1000, 3000))
    assert colour_at(canvas, 60, 99)[0] == 0
    assert colour_at(canvas, 250, 99)[0] == pytest.approx(127, abs=2)
    assert colour_at(canvas, 440, 99)[0] == 255
    canvas.set_levels(0, 4000)
    assert colour_at(canvas, 440, 99)[0] == pytest.approx(440 * 8 / 4000 * 255, abs=2)


@given(low=st.floats(-1e6, 1e6), span=st.floats(0, 1e6), seed=st.integers(0))
def test_colour_numbers(low: float, span: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(low, 1 + span, (7, 11)).astype(np.float32)
    values[2, 3] = np.nan
    numbers = entries(values, low, low + span)
    assert numbers[2, 3] == CLEAR
    assert (numbers != CLEAR).sum() == values.size - 1
    order = np.argsort(values[np.isfinite(values)])
    assert (np.diff(numbers[np.isfinite(values)][order].astype(int)) >= 0).all()


def test_another_size_fits_the_same_size_stays(canvas: Canvas) -> None:
    canvas.zoom_to((100, 100, 50, 50))
    before = canvas.view_rect()
    canvas.show_image(Pyramid.build(np.ones((HEIGHT, WIDTH), np.uint8)), (0, 1))
    assert canvas.view_rect() == before
    canvas.show_image(Pyramid.build(np.ones((444, 222), np.uint8)), (0, 1))
    left, top, width, height = canvas.view_rect()
    assert left <= -0.5
    assert top <= -0.5
    assert left + width >= 221.4
    assert top + height >= 443.4


def test_no_value_of_a_range_breaks_it(canvas: Canvas) -> None:
    flat = Pyramid.build(np.ones((HEIGHT, WIDTH), np.float32))
    for low, high in ((1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))):
        canvas.show_scalar(ScalarLayer(flat, low=low, high=high))
        assert pixels(canvas).any()
    nothing = Pyramid.build(np.full((HEIGHT, WIDTH), np.nan, np.float32))
    canvas.show_scalar(ScalarLayer(nothing))
    canvas.show_texture(nothing)
    assert pixels(canvas).any()  # the ground around the frame


def test_hint_and_clear(canvas: Canvas) -> None:
    canvas.clear()
    empty = pixels(canvas)
    assert np.ptp(empty.reshape(-1, 3), axis=0).max() == 0
    canvas.set_hint("Drop images here")
    assert np.ptp(pixels(canvas).reshape(-1, 3), axis=0).max() > 60


# -- the view --------------------------------------------------------------------------------------


def test_wheel_keeps_the_point_under_the_pointer(canvas: Canvas) -> None:
    at = QPoint(613, 201)
    x, y = canvas.to_frame(at.x(), at.y())
    for notches in (1, 3, 2, -4, 1):
        wheel(canvas, at, notches)
    zoom = canvas._camera.zoom
    now = canvas.to_frame(at.x(), at.y())
    assert math.dist(now, (x, y)) * zoom < 1.5  # pixels of the screen
    width = canvas.view_rect()[2]
    wheel(canvas, at, 3)
    assert canvas.view_rect()[2] == pytest.approx(width / 2)


def test_frame_cannot_be_lost(canvas: Canvas) -> None:
    for _ in range(30):
        wheel(canvas, QPoint(5, 5), -5)
    assert canvas.view_rect()[2] <= 2.01 * max(WIDTH, HEIGHT * 800 / 620)
    for _ in range(30):
        drag(canvas, (250, 150), (900, 700), MIDDLE)
    left, top, width, height = canvas.view_rect()
    assert left + width / 2 == pytest.approx(-0.5, abs=1)
    assert top + height / 2 == pytest.approx(-0.5, abs=1)
    for _ in range(60):
        wheel(canvas, QPoint(300, 300), 5)
    assert 1 < canvas.view_rect()[2] < 10
    canvas.fit()
    assert canvas.view_rect()[2] >= WIDTH


@pytest.mark.parametrize("how", ["left", "middle", "space"])
def test_drag_pans(canvas: Canvas, how: str) -> None:
    canvas.zoom_to((100, 100, 100, 80))
    seen = Seen(canvas.clicked, canvas.space_tapped)
    if how == "space":
        QTest.keyPress(canvas.view, Qt.Key.Key_Space)
    start = canvas.to_frame(*canvas.to_view(150, 140))
    drag(canvas, start, (start[0] - 20, start[1] + 10), MIDDLE if how == "middle" else LEFT)
    if how == "space":
        QTest.keyRelease(canvas.view, Qt.Key.Key_Space)
    left, top, width, height = canvas.view_rect()
    assert left + width / 2 == pytest.approx(150 + 20, abs=0.6)
    assert top + height / 2 == pytest.approx(140 - 10, abs=0.6)
    assert not seen.all  # neither a click nor a tap


def test_middle_button_pans_with_any_tool(canvas: Canvas) -> None:
    canvas.zoom_to((100, 100, 100, 80))
    canvas.set_tool(Tool.POLYGON)
    left = canvas.view_rect()[0]
    drag(canvas, (150, 140), (160, 140), MIDDLE)
    assert canvas.view_rect()[0] == pytest.approx(left - 10, abs=0.5)
    assert canvas.tool is Tool.POLYGON


def test_space_alone_is_a_tap(canvas: Canvas) -> None:
    seen = Seen(canvas.space_tapped)
    key(canvas, Qt.Key.Key_Space)
    assert len(seen.all) == 1


def test_zoom_box(canvas: Canvas) -> None:
    canvas.set_tool(Tool.ZOOM)
    drag(canvas, (100, 50), (300, 150))
    left, top, width, height = canvas.view_rect()
    assert left + width / 2 == pytest.approx(200, abs=1)
    assert top + height / 2 == pytest.approx(100, abs=1)
    assert width == pytest.approx(200, abs=2) or height == pytest.approx(100, abs=2)
    assert canvas.tool is Tool.PAN
    canvas.fit()
    drag(canvas, (100, 50), (300, 150), keys=SHIFT)  # the same without the tool
    assert canvas.view_rect() == pytest.approx((left, top, width, height), abs=2)


def test_resizing_keeps_the_frame_or_the_middle(canvas: Canvas, qtbot: Any) -> None:
    canvas.resize(500, 600)
    QApplication.processEvents()
    assert canvas.view_rect()[2] == pytest.approx(WIDTH, abs=0.1)
    canvas.zoom_to((200, 100, 60, 60))
    canvas.resize(900, 400)
    QApplication.processEvents()
    left, top, width, height = canvas.view_rect()
    assert left + width / 2 == pytest.approx(230, abs=0.5)
    assert top + height / 2 == pytest.approx(130, abs=0.5)


def test_cursor_is_told(canvas: Canvas) -> None:
    moved, left = Seen(canvas.cursor_moved), Seen(canvas.cursor_left)
    canvas.zoom_to((100, 100, 20, 15))
    move(canvas, 110.2, 107.7)
    assert moved.all[-1] == pytest.approx((110.2, 107.7), abs=0.05)
    canvas.fit()
    left.all.clear()
    QTest.mouseMove(canvas.view.viewport(), QPoint(400, 3))  # above the frame
    assert left.all


@given(
    zoom=st.floats(0.05, 50), x=st.floats(0, 4000), y=st.floats(0, 3000),
    ratio=st.sampled_from([1.0, 1.25, 2.0]),
)  # fmt: skip
def test_camera_there_and_back(zoom: float, x: float, y: float, ratio: float) -> None:
    camera = Camera(801, 603, ratio, (3001, 4003), x, y, zoom)
    assert camera.to_frame(*camera.to_view(12.25, 700.5)) == pytest.approx((12.25, 700.5), abs=1e-6)
    left, top = camera.origin()
    assert left * ratio == pytest.approx(round(left * ratio), abs=1e-6)
    assert top * ratio == pytest.approx(round(top * ratio), abs=1e-6)


@given(st.floats(1e-9, 1e9))
def test_round_lengths(wanted: float) -> None:
    length = round_length(wanted)
    assert wanted / 2.6 < length <= wanted * 1.0001
    mantissa = length / 10 ** math.floor(math.log10(length) + 1e-9)
    assert round(mantissa, 6) in (1, 2, 5)


# -- drawing ---------------------------------------------------------------------------------------


def test_polygon_by_clicks_and_a_double_click(canvas: Canvas) -> None:
    drawn, tools = Seen(canvas.shape_drawn), Seen(canvas.tool_changed)
    canvas.set_tool(Tool.POLYGON)
    corners = [(100, 50), (300, 60), (280, 200)]
    for corner in corners:
        click(canvas, *corner)
    assert canvas.drawing
    double(canvas, 120, 180)
    (shape,) = drawn.all
    assert shape.kind == "polygon"
    np.testing.assert_allclose(points(shape), [*corners, (120, 180)], atol=0.7)
    assert tools.all == [Tool.POLYGON, Tool.PAN]
    assert not canvas.drawing


def test_polygon_ends_with_enter_or_at_its_first_point(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    for ends in ("enter", "first point"):
        canvas.set_tool(Tool.POLYGON)
        for corner in [(100, 50), (300, 60), (280, 200)]:
            click(canvas, *corner)
        if ends == "enter":
            key(canvas, Qt.Key.Key_Return)
        else:
            click(canvas, 101, 51)
    assert [len(shape.points) for shape in drawn.all] == [3, 3]
    assert drawn.all[0] == drawn.all[1]


def test_two_corners_are_no_polygon(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.POLYGON)
    click(canvas, 100, 50)
    click(canvas, 300, 60)
    key(canvas, Qt.Key.Key_Return)
    assert not drawn.all
    assert canvas.drawing  # it goes on
    click(canvas, 200, 200)
    key(canvas, Qt.Key.Key_Backspace)  # takes the last point back
    click(canvas, 250, 220)
    key(canvas, Qt.Key.Key_Return)
    np.testing.assert_allclose(points(drawn.all[0]), [(100, 50), (300, 60), (250, 220)], atol=0.7)


def test_escape_gives_up_one_thing_at_a_time(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.POLYGON)
    click(canvas, 100, 50)
    key(canvas, Qt.Key.Key_Escape)
    assert not canvas.drawing
    assert canvas.tool is Tool.POLYGON
    key(canvas, Qt.Key.Key_Escape)
    assert canvas.tool is Tool.PAN
    assert not drawn.all


@pytest.mark.parametrize(
    "tool", [Tool.RECTANGLE, Tool.ELLIPSE, Tool.LINE, Tool.CIRCLE, Tool.DISTANCE, Tool.REGION]
)
@pytest.mark.parametrize("how", ["drag", "clicks"])
def test_two_points(canvas: Canvas, tool: Tool, how: str) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(tool)
    if how == "drag":
        drag(canvas, (60, 40), (200, 150))
    else:
        click(canvas, 60, 40)
        move(canvas, 100, 100)
        click(canvas, 200, 150)
    (shape,) = drawn.all
    assert shape.kind == tool.value
    np.testing.assert_allclose(points(shape), [(60, 40), (200, 150)], atol=0.7)
    assert canvas.tool is Tool.PAN


def test_reject_box_stays_for_the_next_one(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.REJECT_BOX)
    drag(canvas, (60, 40), (90, 50))
    drag(canvas, (260, 140), (200, 150))
    assert [shape.kind for shape in drawn.all] == ["reject_box"] * 2
    assert canvas.tool is Tool.REJECT_BOX


def test_a_box_without_size_is_none(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.RECTANGLE)
    click(canvas, 60, 40)
    click(canvas, 60, 90)
    assert not drawn.all


def test_shift_makes_a_square_and_a_level_line(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.RECTANGLE)
    press(canvas, 60, 40)
    release(canvas, 160, 90, keys=SHIFT)
    (x1, y1), (x2, y2) = drawn.all[0].points
    assert x2 - x1 == pytest.approx(y2 - y1)
    level = geometry.constrained("line", (1.0, 2.0), (50.0, 7.0))
    assert level == pytest.approx((50.0, 2.0))


def test_polyline(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.POLYLINE)
    click(canvas, 60, 40)
    click(canvas, 160, 90)
    double(canvas, 260, 40)
    assert drawn.all[0].kind == "polyline"
    np.testing.assert_allclose(points(drawn.all[0]), [(60, 40), (160, 90), (260, 40)], atol=0.7)


def test_free_hand(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.set_tool(Tool.FREEHAND)
    turn = np.linspace(0, 2 * np.pi, 120)
    path = [(200 + 80 * math.cos(a), 150 + 60 * math.sin(a)) for a in turn]
    press(canvas, *path[0])
    for point in path[1:]:
        move(canvas, *point)
    release(canvas, *path[-1])
    (shape,) = drawn.all
    assert shape.kind == "freehand"
    x, y = points(shape).T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area == pytest.approx(np.pi * 80 * 60, rel=0.02)
    assert 8 < len(x) < 100  # fewer points than there were


def test_drawing_with_the_keyboard_alone(canvas: Canvas) -> None:
    drawn = Seen(canvas.shape_drawn)
    canvas.fit()
    canvas.set_tool(Tool.POLYGON)
    assert canvas.view.hasFocus()
    for arrow in (Qt.Key.Key_Up, Qt.Key.Key_Right, Qt.Key.Key_Down):
        for _ in range(4):
            key(canvas, arrow, SHIFT)
        key(canvas, Qt.Key.Key_Space)
    key(canvas, Qt.Key.Key_Return)
    (shape,) = drawn.all
    x, y = points(shape).T
    step = 80 / canvas._camera.zoom
    np.testing.assert_allclose(np.diff(x), [step, 0], atol=0.01)
    np.testing.assert_allclose(np.diff(y), [0, step], atol=0.01)

    canvas.set_tool(Tool.RECTANGLE)
    key(canvas, Qt.Key.Key_Space)
    key(canvas, Qt.Key.Key_Left, SHIFT)
    key(canvas, Qt.Key.Key_Down)
    key(canvas, Qt.Key.Key_Return)
    assert drawn.all[1].kind == "rectangle"


def test_picking(canvas: Canvas) -> None:
    clicked = Seen(canvas.clicked)
    canvas.set_tool(Tool.PICK)
    click(canvas, 123, 45)
    assert clicked.all[-1] == pytest.approx((123, 45), abs=0.6)
    assert canvas.tool is Tool.PICK
    key(canvas, Qt.Key.Key_Right, SHIFT)
    key(canvas, Qt.Key.Key_Return)
    assert clicked.all[-1][0] == pytest.approx(123 + 20 / canvas._camera.zoom, abs=0.6)
    count = len(clicked.all)
    QTest.mouseClick(
        canvas.view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, QPoint(400, 2)
    )  # beside the frame
    assert len(clicked.all) == count


def test_keys_belong_to_the_menus_unless_a_tool_needs_them(canvas: Canvas, qtbot: Any) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(canvas)
    triggered = []
    for shortcut in ("Right", "Esc", "Space"):
        action = window.addAction(shortcut)
        action.setShortcut(shortcut)
        action.triggered.connect(lambda _, s=shortcut: triggered.append(s))
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    canvas.view.setFocus()
    key(canvas, Qt.Key.Key_Right)
    key(canvas, Qt.Key.Key_Escape)
    assert triggered == ["Right", "Esc"]
    canvas.set_tool(Tool.POLYGON)
    for which in (Qt.Key.Key_Right, Qt.Key.Key_Space, Qt.Key.Key_Escape):
        key(canvas, which)
    assert triggered == ["Right", "Esc"]
    assert not canvas.drawing
    window.takeCentralWidget()


# -- editing ---------------------------------------------------------------------------------------

SQUARE = Shape("polygon", ((100.0, 50.0), (300.0, 50.0), (300.0, 200.0), (100.0, 200.0)))
ELLIPSE = Shape("ellipse", ((320.0, 60.0), (420.0, 240.0)), subtract=True)


def test_selecting(canvas: Canvas) -> None:
    selected, clicked = Seen(canvas.shape_selected), Seen(canvas.clicked)
    canvas.show_shapes([SQUARE, ELLIPSE], editable=True)
    click(canvas, 370, 150)
    click(canvas, 200, 100)
    click(canvas, 450, 280)  # beside both
    assert selected.all == [1, 0, -1]
    assert not clicked.all
    click(canvas, 450, 280)
    assert len(clicked.all) == 1


def test_shapes_that_are_not_editable_are_not_in_the_way(canvas: Canvas) -> None:
    selected, clicked = Seen(canvas.shape_selected), Seen(canvas.clicked)
    canvas.show_shapes([SQUARE], editable=False)
    click(canvas, 200, 100)
    assert not selected.all
    assert len(clicked.all) == 1


def test_dragging_a_corner(canvas: Canvas) -> None:
    changed = Seen(canvas.shape_changed)
    canvas.show_shapes([ELLIPSE, SQUARE], editable=True, selected=1)
    drag(canvas, (300, 200), (340, 230))
    ((number, shape),) = changed.all
    assert number == 1
    np.testing.assert_allclose(
        points(shape), [(100, 50), (300, 50), (340, 230), (100, 200)], atol=0.7
    )


def test_dragging_the_middle_of_a_side_makes_a_point(canvas: Canvas) -> None:
    changed = Seen(canvas.shape_changed)
    canvas.show_shapes([SQUARE], editable=True, selected=0)
    drag(canvas, (200, 50), (210, 20))
    shape = changed.all[0][1]
    np.testing.assert_allclose(points(shape)[:3], [(100, 50), (210, 20), (300, 50)], atol=0.7)


def test_dragging_the_inside_moves_the_shape(canvas: Canvas) -> None:
    changed = Seen(canvas.shape_changed)
    canvas.show_shapes([ELLIPSE], editable=True, selected=0)
    drag(canvas, (370, 150), (350, 170))
    shape = changed.all[0][1]
    np.testing.assert_allclose(points(shape), [(300, 80), (400, 260)], atol=1.0)
    assert shape.subtract


def test_escape_during_a_drag_leaves_the_shape(canvas: Canvas) -> None:
    changed = Seen(canvas.shape_changed)
    canvas.show_shapes([SQUARE], editable=True, selected=0)
    press(canvas, 300, 200)
    move(canvas, 340, 230)
    move(canvas, 350, 240)
    assert canvas._state.shapes[0] != SQUARE
    key(canvas, Qt.Key.Key_Escape)
    release(canvas, 350, 240)
    assert canvas._state.shapes[0] == SQUARE
    assert not changed.all


def test_deleting_points_and_shapes(canvas: Canvas) -> None:
    changed, removed = Seen(canvas.shape_changed), Seen(canvas.shape_removed)
    canvas.show_shapes([SQUARE], editable=True, selected=0)
    click(canvas, 300, 50, RIGHT)  # a point, with the other button
    assert len(changed.all[0][1].points) == 3
    click(canvas, 100, 200)  # this point, with Delete: three are the fewest, so the shape goes
    key(canvas, Qt.Key.Key_Delete)
    assert len(changed.all) == 1
    assert removed.all == [0]

    canvas.show_shapes([SQUARE], editable=True, selected=0)
    click(canvas, 300, 200)
    key(canvas, Qt.Key.Key_Delete)
    assert len(changed.all[1][1].points) == 3
    canvas.show_shapes([SQUARE, ELLIPSE], editable=True, selected=1)
    key(canvas, Qt.Key.Key_Delete)
    assert removed.all == [0, 1]


def test_boxes_can_be_turned_over() -> None:
    box = Shape("rectangle", ((10.0, 10.0), (20.0, 30.0)))
    moved = geometry.moved_handle(box, 2, (0.0, 0.0))
    assert geometry.corners(moved) == (0, 0, 10, 10)
    assert len(geometry.handles(moved)) == 4
    for number, point in enumerate(geometry.handles(box)):
        assert geometry.corners(geometry.moved_handle(box, number, point)) == geometry.corners(box)


def test_measured_line_and_circle(canvas: Canvas) -> None:
    changed = Seen(canvas.measure_changed)
    canvas.show_measure(((50.0, 60.0), (250.0, 60.0)), "200 px")
    drag(canvas, (250, 60), (250, 160))
    np.testing.assert_allclose(changed.all[0], [(50, 60), (250, 160)], atol=0.7)
    canvas.show_measure((200.0, 150.0, 50.0))
    drag(canvas, (250, 150), (280, 150))
    assert changed.all[1] == pytest.approx((200, 150, 80), abs=1)
    drag(canvas, (200, 150), (210, 140))  # its middle: the whole circle
    assert changed.all[2] == pytest.approx((210, 140, 80), abs=1.5)
    canvas.show_measure(None)
    drag(canvas, (210, 140), (215, 145))
    assert len(changed.all) == 3


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=60),
    st.floats(0.01, 20),
)
def test_simplified_lines_stay_near(path: list[tuple[float, float]], tolerance: float) -> None:
    kept = geometry.simplified(path, tolerance)
    assert kept[0] == path[0]
    assert kept[-1] == path[-1]
    line = Draft("polyline", tuple(kept))
    assert max(geometry.distance(line, *point) for point in path) <= tolerance + 1e-5
    assert geometry.simplified(kept, tolerance) == kept


def test_inside_and_distance() -> None:
    assert geometry.is_inside(SQUARE, 150, 100)
    assert not geometry.is_inside(SQUARE, 99, 100)
    assert geometry.is_inside(ELLIPSE, 370, 150)
    assert not geometry.is_inside(ELLIPSE, 322, 62)
    assert geometry.distance(SQUARE, 150, 70) == pytest.approx(20)
    line = Shape("line", ((0.0, 0.0), (10.0, 0.0)))
    assert geometry.distance(line, 13, 4) == pytest.approx(5)
    assert not geometry.is_inside(line, 5, 0)


# -- vectors, streamlines --------------------------------------------------------------------------


def uniform(shape: tuple[int, int], apart: int = 1, **more: Any) -> VectorLayer:
    rows, columns = shape
    return VectorLayer(
        np.arange(columns) * apart, np.arange(rows) * apart,
        np.full(shape, 3.0, np.float32), np.full(shape, -4.0, np.float32), **more,
    )  # fmt: skip


@pytest.mark.parametrize("zoom", [0.02, 0.1, 0.37, 1.0, 2.9, 17.0])
def test_arrows_keep_their_distance_on_the_screen(zoom: float) -> None:
    camera = Camera(1600, 1000, 1.0, (5000, 5000), 2500, 2500, zoom)
    shown = arrows(uniform((5000, 5000)), camera, 5.0)
    across = np.unique(shown.x.round(6))
    assert np.ptp(np.diff(across)) < 1e-3
    assert 0.8 * SPACING <= np.diff(across)[0] <= 1.25 * SPACING
    assert len(shown.x) < 3500
    # the reference of 5 px is the distance
    assert np.hypot(shown.right, shown.down) == pytest.approx(np.diff(across)[0])
    assert shown.down[0] < 0 < shown.right[0]  # v = -4 is upwards, as y points down


def test_arrows_stay_where_they_are_while_panning() -> None:
    layer = uniform((900, 1300))
    camera = Camera(800, 600, 1.0, (900, 1300), 600, 400, 1.0)
    before = set(zip(*((n - o).round(4) for n, o in _on_frame(layer, camera)), strict=True))
    camera.pan(-7.0, 11.0)
    after = set(zip(*((n - o).round(4) for n, o in _on_frame(layer, camera)), strict=True))
    assert len(before & after) > 0.9 * len(before)


def _on_frame(layer: VectorLayer, camera: Camera) -> list[tuple[np.ndarray, float]]:
    shown = arrows(layer, camera, 5.0)
    return list(zip((shown.x, shown.y), camera.origin(), strict=True))


def test_arrows_true_to_scale_and_step() -> None:
    camera = Camera(800, 600, 1.0, (300, 500), 250, 150, 2.0)
    shown = arrows(uniform((20, 30), 16, scale=1.0, step=2), camera, 99.0)
    assert np.diff(np.unique(shown.x)) == pytest.approx(64)
    assert shown.right == pytest.approx(6)
    assert shown.down == pytest.approx(-8)


def test_masked_and_missing_vectors_are_not_drawn() -> None:
    kind = np.zeros((20, 30), np.uint8)
    kind[:5], kind[5:8] = MASKED, REJECTED
    layer = uniform((20, 30), 16, kind=kind)
    layer.u[8:10] = np.nan
    layer.u[5:8] = 1e4  # rejected ones do not cover the field
    camera = Camera(800, 600, 1.0, (320, 480), 240, 160, 1.9)
    shown = arrows(layer, camera, layer.typical())
    assert len(shown.x) == 13 * 30
    assert layer.typical() == pytest.approx(5)
    assert np.hypot(shown.right, shown.down).max() <= 4.001 * 16 * 1.9


def test_arrow_heads_are_at_the_end(canvas: Canvas) -> None:
    camera = Camera(800, 600, 1.0, (300, 500), 250, 150, 2.0)
    shown = arrows(uniform((20, 30), 16, scale=3.0), camera, 1.0)
    lines = arrow_lines(shown)
    count = len(shown.x)
    assert lines.shape == (3 * count, 4)
    shafts, heads = lines[:count], lines[count:]
    np.testing.assert_allclose(shafts[:, :2], np.stack([shown.x - 9, shown.y + 12], axis=1))
    np.testing.assert_allclose(heads[:count, :2], shafts[:, 2:])
    back = heads[:, 2:] - heads[:, :2]
    assert (back @ np.array([3.0, -4.0]) < 0).all()


def test_vectors_are_seen_in_their_colours(canvas: Canvas) -> None:
    kind = np.zeros((18, 30), np.uint8)
    kind[:, 10:20], kind[:, 20:] = 1, 2
    colours = {"valid": "#00ff00", "replaced": "#ff8800", "rejected": "#ff0000"}
    layer = uniform((18, 30), 16, kind=kind, colours=colours)
    for image in (0, 255):  # on dark and on bright images
        frame = np.full((HEIGHT, WIDTH), image, np.uint8)
        canvas.show_image(Pyramid.build(frame), (0, 255))
        canvas.show_vectors(layer)
        seen = pixels(canvas)
        for name, where in (("valid", 60), ("replaced", 240), ("rejected", 400)):
            start, end = (int(canvas.to_view(where + d, 0)[0]) for d in (-40, 40))
            part = seen[50:-100, start:end].reshape(-1, 3)
            wanted = QColor(colours[name]).getRgb()[:3]
            assert (np.abs(part.astype(int) - wanted).sum(axis=1) < 30).sum() > 100, name


def test_vectors_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        VectorLayer(np.arange(4), np.arange(3), np.zeros((4, 3)), np.zeros((3, 4)))


def test_steps_are_nearly_even() -> None:
    found = [steps_for(distance) for distance in np.geomspace(0.01, 100, 400)]
    assert found[0] > 2000
    assert found[-1] == 1
    assert all(a >= b for a, b in pairwise(found))
    assert max(a / b for a, b in pairwise(found)) <= 2


def test_streamlines_are_drawn_piece_by_piece(canvas: Canvas) -> None:
    x = np.linspace(0, 400, 4001)
    curves = Curves()
    curves.show(
        [np.stack([x, 0 * x + 100], axis=1), np.array([(0.0, 0.0), (5.0, 5.0)])], 1.5, "#fff"
    )
    camera = Camera(500, 300, 1.0, (300, 500), 249.5, 149.5, 1.0)
    lines = curves.lines(camera)
    assert 120 < len(lines) < 150  # not 4000 of a tenth of a pixel
    assert lines[0, 0] == pytest.approx(0.5)
    assert lines[-2, 2] == pytest.approx(400.5)
    camera.zoom_at(250, 150, 30)
    assert (np.abs(curves.lines(camera)[:, [0, 2]] - 250) < 400).all()
    curves.show([], 1, "#fff")
    assert curves.lines(camera).shape == (0, 4)
    canvas.show_lines([np.array([(50.0, 60.0), (np.nan, np.nan), (400.0, 60.0)])])
    canvas.show_lines([np.array([(50.0, 60.0), (400.0, 60.0)])], colour="#ff0000")
    assert colour_at(canvas, 200, 60)[0] > 200


# -- overlays --------------------------------------------------------------------------------------


def test_compare_line(canvas: Canvas) -> None:
    moved = Seen(canvas.compare_moved)
    left = ScalarLayer(Pyramid.build(np.zeros((HEIGHT, WIDTH), np.float32)), low=0, high=1)
    right = ScalarLayer(Pyramid.build(np.ones((HEIGHT, WIDTH), np.float32)), low=0, high=1)
    canvas.show_scalars(left, right, 0.5)
    QApplication.processEvents()
    low, high = (tuple(int(c) for c in table("viridis")[n]) for n in (0, -1))
    assert colour_at(canvas, 100, 100) == pytest.approx(low, abs=1)
    assert colour_at(canvas, 400, 100) == pytest.approx(high, abs=1)
    viewport, middle = canvas.view.viewport(), canvas.view.width() // 2
    QTest.mousePress(viewport, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(middle, 100))
    QTest.mouseMove(viewport, QPoint(middle // 5, 100))
    QTest.mouseRelease(viewport, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(middle // 5, 100))
    assert moved.all[-1] == pytest.approx(0.1, abs=0.01)
    assert colour_at(canvas, 100, 100) == pytest.approx(high, abs=1)
    canvas.show_scalar(left)
    assert colour_at(canvas, 400, 100) == pytest.approx(low, abs=1)


def test_mask_and_texture_are_seen(canvas: Canvas, rng: np.random.Generator) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[100:200, 100:300] = True
    frame = np.full((HEIGHT, WIDTH), 128, np.uint8)
    canvas.show_image(Pyramid.build(frame), (0, 255))
    canvas.show_mask(mask)
    assert colour_at(canvas, 50, 50) == pytest.approx((128, 128, 128), abs=1)
    assert colour_at(canvas, 98, 150) == pytest.approx((128, 128, 128), abs=1)
    red, green, _ = colour_at(canvas, 102, 150)
    assert red - green > 40
    canvas.show_mask(None)
    assert colour_at(canvas, 102, 150) == pytest.approx((128, 128, 128), abs=1)
    canvas.show_texture(Pyramid.build(rng.random((HEIGHT, WIDTH), dtype=np.float32)))
    assert pixels(canvas)[200:400, 200:600].std() > 20


def test_region_shades_the_rest(canvas: Canvas) -> None:
    frame = np.full((HEIGHT, WIDTH), 200, np.uint8)
    canvas.show_image(Pyramid.build(frame), (0, 255))
    canvas.show_region((100, 50, 200, 100))
    assert colour_at(canvas, 102, 52)[0] == 200
    assert colour_at(canvas, 297, 147)[0] == 200
    for x, y in ((96, 52), (303, 147), (150, 46), (150, 153)):
        assert colour_at(canvas, x, y)[0] < 150


def test_scale_bar_has_its_length(canvas: Canvas) -> None:
    canvas.set_scale_bar(0.02, "mm")
    # round numbers: 50 px are 1 mm
    row = pixels(canvas)[-20, :, :]
    white = np.flatnonzero((row == 255).all(axis=1))
    length = (white[-1] - white[0] + 1) / canvas._camera.zoom * 0.02
    assert length == pytest.approx(1.0, rel=0.03) or length == pytest.approx(2.0, rel=0.03)
    canvas.set_scale_bar(None)
    row = pixels(canvas)[-20, :, :]
    assert not (row == 255).all(axis=1).any()


def test_marker_and_reference_arrow_are_seen(canvas: Canvas) -> None:
    before = pixels(canvas)
    canvas.show_marker([(250.0, 150.0)], ["P1"])
    at = place(canvas, 250, 150)
    changed = np.argwhere((pixels(canvas) != before).any(axis=2))
    assert np.abs(changed - [at.y(), at.x()]).min(axis=0).max() <= 8
    canvas.show_marker([])
    assert (pixels(canvas) == before).all()
    canvas.show_vectors(uniform((18, 30), 16, factor=0.1, unit="m/s"))
    assert canvas._reference_arrow(canvas._camera)[2] == "m/s"


def test_axes_go_right_and_up(canvas: Canvas) -> None:
    before = pixels(canvas)
    canvas.show_axes((250.0, 150.0))
    at = place(canvas, 250, 150)
    changed = np.argwhere((pixels(canvas) != before).any(axis=2)) - [at.y(), at.x()]
    assert changed[:, 0].max() < 16
    assert changed[:, 1].min() > -20
    assert changed[:, 0].min() < -40
    assert changed[:, 1].max() > 40
    canvas.show_axes(None)
    assert (pixels(canvas) == before).all()


def test_colour_bar(canvas: Canvas, qtbot: Any) -> None:
    dragged, reset = Seen(canvas.dragged_levels), Seen(canvas.levels_reset)
    values = np.tile(np.linspace(0, 4, WIDTH, dtype=np.float32), (HEIGHT, 1))
    assert not canvas.colour_bar.isVisible()
    canvas.show_scalar(ScalarLayer(Pyramid.build(values), low=0, high=4, label="u, px"))
    bar = canvas.colour_bar
    assert bar.isVisible()
    QApplication.processEvents()
    before = colour_at(canvas, 250, 100)
    x = 15
    QTest.mousePress(bar, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(x, 30))
    QTest.mouseMove(bar, QPoint(x, 180))
    QTest.mouseRelease(bar, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(x, 180))
    low, high = dragged.all[-1]
    assert low == 0
    assert high == pytest.approx(4 + 4 * 150 / (bar.height() - 28))
    assert colour_at(canvas, 250, 100) != before
    QTest.mousePress(bar, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(x, 300))
    QTest.mouseMove(bar, QPoint(x, 250))
    QTest.mouseRelease(bar, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(x, 250))
    assert dragged.all[-1][1] - dragged.all[-1][0] == pytest.approx(high - low)
    QTest.mouseDClick(bar, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(x, 300))
    assert len(reset.all) == 1
    count = len(dragged.all)
    QTest.keyClick(bar, Qt.Key.Key_Up)
    QTest.keyClick(bar, Qt.Key.Key_Down, SHIFT)
    QTest.keyClick(bar, Qt.Key.Key_Home)
    assert len(dragged.all) == count + 2
    assert dragged.all[-2][1] > dragged.all[-3][1]
    assert dragged.all[-1][0] < dragged.all[-2][0]
    assert len(reset.all) == 2


def test_a_diverging_bar_keeps_zero_in_the_middle(canvas: Canvas) -> None:
    dragged = Seen(canvas.dragged_levels)
    flat = Pyramid.build(np.zeros((HEIGHT, WIDTH), np.float32))
    canvas.show_scalar(ScalarLayer(flat, low=-2, high=2, colour_map="blue-red"))
    QTest.keyClick(canvas.colour_bar, Qt.Key.Key_Up)
    QTest.keyClick(canvas.colour_bar, Qt.Key.Key_Up, SHIFT)
    for low, high in dragged.all:
        assert low == pytest.approx(-high)
    assert dragged.all[0][1] > 2 > dragged.all[1][1] / 1.05


def test_colour_bar_ticks_are_round(canvas: Canvas) -> None:
    bar = canvas.colour_bar
    bar.resize(90, 600)
    for low, high in ((0, 4.7), (-0.003, 0.011), (1e-7, 3e-7), (0, 123456), (-8, 8)):
        bar.show_map("viridis", low, high)
        ticks = bar.ticks()
        assert 2 <= len(ticks) <= 14
        assert len({text for _, text in ticks}) == len(ticks)
        for value, text in ticks:
            assert low - 1e-9 <= value <= high * (1 + 1e-9)
            assert float(text) == pytest.approx(value, rel=0.01, abs=1e-12)


@pytest.fixture
def plain_style() -> Iterator[None]:
    """No style sheet of the whole program: one that another window has set rules over palettes."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    before = app.styleSheet()
    app.setStyleSheet("")
    yield
    app.setStyleSheet(before)


@pytest.mark.usefixtures("plain_style")
def test_light_and_dark(canvas: Canvas) -> None:
    palette = canvas.palette()
    grounds = []
    for colour in ("#202326", "#f0f0f0"):
        palette.setColor(QPalette.ColorRole.Window, QColor(colour))
        canvas.setPalette(palette)
        QApplication.processEvents()
        grounds.append(pixels(canvas)[2, 2].mean())
    assert grounds[0] < 60 < 150 < grounds[1]


def test_grabbed_image_has_the_colour_bar(canvas: Canvas) -> None:
    flat = Pyramid.build(np.zeros((HEIGHT, WIDTH), np.float32))
    canvas.show_scalar(ScalarLayer(flat))
    QApplication.processEvents()
    image = canvas.grab_image()
    assert (image.width(), image.height()) == (canvas.width(), canvas.height())
    x = canvas.view.width() + 15
    colours = {image.pixelColor(x, y).name() for y in range(30, image.height() - 30, 10)}
    assert len(colours) > 20
