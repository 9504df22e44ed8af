"""Results in the whole program, with its computing processes, on sample pairs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from desktop import whole
from desktop.stand_ins import wait_until
from desktop.whole import SAMPLES
from gui.masks import Shape
from gui.quantities import QUANTITIES
from gui.views.canvas import Canvas
from piv.types import Flag


def calm(program: Any) -> None:
    """Wait until nothing is computed any more, however busy the machine is."""
    whole.calm(program, 120.0)


@pytest.fixture(scope="module")
def shown(program: Any) -> Any:
    """The program with an analysed pair."""
    program.window.resize(1000, 700)
    program.window.show()
    names = ("wingtip_vortex_a.tif", "wingtip_vortex_b.tif")
    program.controllers["files"].open_paths([SAMPLES / name for name in names])
    wait_until(lambda: program.session.source is not None)
    calm(program)
    program.window.action("analysis.run").trigger()
    wait_until(lambda: program.session.result is not None)
    calm(program)
    return program


def pixels(canvas: Canvas) -> np.ndarray[Any, Any]:
    image = canvas.grab_image().convertToFormat(canvas.grab_image().Format.Format_RGB888)
    bits = image.constBits()
    assert bits is not None
    bits.setsize(image.sizeInBytes())
    rows = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].copy()


def test_every_quantity_is_seen_and_none_looks_like_another(shown: Any) -> None:
    display, canvas = shown.controllers["display"], shown.window.canvas
    display.set_options({"vectors": False})
    pictures: dict[str, Any] = {}
    for name in QUANTITIES:
        display.set_options({"quantity": name})
        calm(shown)
        pictures[name] = pixels(canvas)
    names = list(pictures)
    for n, name in enumerate(names):
        for other in names[n + 1 :]:
            assert not np.array_equal(pictures[name], pictures[other]), (name, other)
    assert not [m for m in shown.tell.messages if m.level == "error"]
    display.set_options({"quantity": "magnitude", "vectors": True})


def test_the_vortex_turns_clockwise_on_the_screen_and_the_map_says_so(shown: Any) -> None:
    display = shown.controllers["display"]
    display.set_options({"quantity": "vorticity"})
    calm(shown)
    dense = display.analysis.dense
    values = display._map()["pyramid"].levels[0]
    row, column = np.unravel_index(np.nanargmax(np.abs(values)), values.shape)
    right_of_core = dense.v[row, column + 25] - dense.v[row, column - 25]
    assert np.sign(values[row, column]) == -np.sign(right_of_core)  # down on the right: clockwise
    assert "vorticity" in display.readout(float(column), float(row))


def test_both_fields_lines_and_texture(shown: Any) -> None:
    display, canvas = shown.controllers["display"], shown.window.canvas
    before = pixels(canvas)
    display.set_options({"stage": "compare", "streamlines": True, "texture": True})
    calm(shown)
    assert not np.array_equal(pixels(canvas), before)
    display.set_options({"stage": "dense", "streamlines": False, "texture": False})
    calm(shown)
    np.testing.assert_array_equal(pixels(canvas), before)


def test_a_click_shows_the_window_that_gave_the_stored_vector(shown: Any) -> None:
    inspect, display = shown.controllers["inspect"], shown.controllers["display"]
    coarse = display.analysis.coarse
    good = np.argwhere(coarse.flags == 0)
    shown.window.action("inspect.point").trigger()
    for row, column in good[:: len(good) // 4]:
        shown.window.canvas.clicked.emit(float(coarse.x[column]), float(coarse.y[row]))
        calm(shown)
        seen = inspect.seen
        u, v = (a + b for a, b in zip(seen["predictor"], seen["peak"], strict=True))
        assert abs(u - coarse.u[row, column]) < 1e-3
        assert abs(v - coarse.v[row, column]) < 1e-3
        assert "apart" not in inspect.view.text.text()
    display.picker.release()
    shown.session.set_selection(point=None)


def test_circulation_round_the_core_is_that_of_the_vortex(shown: Any) -> None:
    profile, display = shown.controllers["profile"], shown.controllers["display"]
    values = display.analysis.dense
    speed = np.hypot(values.u - values.u.mean(), values.v - values.v.mean())
    assert speed.max() > 4
    display.set_options({"quantity": "vorticity"})
    calm(shown)
    core = display._map()["pyramid"].levels[0]
    row, column = np.unravel_index(np.nanargmax(np.abs(core)), core.shape)
    centre = (float(column), float(row))
    shown.window.canvas.shape_drawn.emit(Shape("circle", (centre, (centre[0] + 60, centre[1]))))
    calm(shown)
    found = profile.found
    inside = np.hypot(*np.meshgrid(values.x - centre[0], values.y - centre[1])) < 60
    assert found["circulation"] == pytest.approx(float(np.nansum(core[inside])), rel=0.05)
    assert 0 < found["circulation_uncertainty"] < 0.1 * abs(found["circulation"])
    assert "circulation" in profile.panel.text.text()
    profile.clear()


def test_validation_and_rejection_with_undo(shown: Any) -> None:
    validation, display = shown.controllers["validation"], shown.controllers["display"]
    display.set_options({"stage": "coarse"})
    calm(shown)
    before = display.analysis
    validation.set_thresholds({"median_threshold": 0.8})
    calm(shown)
    replaced = [
        (a.coarse.flags & int(Flag.REPLACED) != 0).sum() for a in (before, display.analysis)
    ]
    assert replaced[1] > replaced[0]
    validation.reset_thresholds()
    calm(shown)
    assert display.analysis is before
    validation.toggle_at(200.0, 150.0)
    shape = Shape("reject_box", ((300.0, 100.0), (340.0, 140.0)))
    shown.window.canvas.shape_drawn.emit(shape)
    calm(shown)
    by_hand = display.analysis.coarse.flags & int(Flag.MANUAL) != 0
    grid = display.analysis.coarse
    columns, rows = abs(grid.x - 320.0) <= 20.0, abs(grid.y - 120.0) <= 20.0
    assert by_hand.sum() == 1 + columns.sum() * rows.sum() > 9
    assert "rejected by hand" in display.readout(320.0, 120.0)
    shown.session.undo()
    shown.session.undo()
    calm(shown)
    assert display.analysis is before
    display.set_options({"stage": "dense"})


def test_the_window_never_loads_what_is_slow() -> None:
    names = ("display", "inspect", "profile", "validation", "statistics")
    lines = [f"import gui.controllers.{name}" for name in names]
    lines.append("import sys; print(sorted({'torch', 'cv2', 'scipy.ndimage'} & set(sys.modules)))")
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
