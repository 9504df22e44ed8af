"""A click shows what stands behind a vector: controller with stand-ins, and the view alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop.result_stand_ins import with_display, with_result
from desktop.stand_ins import StubProgram, an_analysis, source_info
from gui.controllers import inspect
from gui.state import ResultEntry, StoreInfo
from gui.views.canvas import Tool
from gui.views.inspector import Inspector
from piv.settings import Settings
from piv.types import Flag

PEAK, PREDICTOR = (0.25, -0.5), (3.0, 1.0)


def seen(row: int = 3, column: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(4, 12, 16)).astype(np.float32)
    plane = rng.uniform(0, 0.3, (7, 9)).astype(np.float32)
    plane[2, 4] = 0.9
    names = ("first", "second", "moved_first", "moved_second")
    return {
        "row": row, "column": column, "x": 8.0 * column, "y": 8.0 * row, "plane": plane,
        **dict(zip(names, windows, strict=True)), "predictor": PREDICTOR, "peak": PEAK,
        "measured": (3.25, 0.5), "height": 0.9, "ratio": 3.0, "size": (12, 16), "flags": 0,
    }  # fmt: skip


@pytest.fixture
def ready(stub_program: StubProgram, images: Path) -> StubProgram:
    stub_program.session.set_source(source_info(images))
    with_display(stub_program)
    stub_program.controllers["inspect"] = inspect.attach(stub_program)  # type: ignore[arg-type]
    return stub_program


def set_stored(program: StubProgram, u: float, v: float, flags: int = 0) -> None:
    analysis = an_analysis()
    coarse = analysis.coarse
    coarse.u[3, 4], coarse.v[3, 4] = u, v
    coarse.flags[3, 4] = flags
    program.session.set_result(0, ResultEntry(0, analysis))


def click(program: StubProgram, x: float = 33.0, y: float = 25.0) -> Any:
    program.window.action("inspect.point").trigger()
    program.window.canvas.clicked.emit(x, y)
    return program.heavy.of("inspect.point")[-1]


def text(program: StubProgram) -> str:
    return program.controllers["inspect"].view.text.text()


def test_a_click_asks_for_the_window_with_the_settings_of_the_analysis(ready: StubProgram) -> None:
    with_result(ready)
    job = click(ready)
    assert ready.session.point == (33.0, 25.0)
    assert ready.window.canvas.shown["marker"] == [(33.0, 25.0)]
    assert "inspector" in ready.window.opened
    assert job.given["place"] == (33.0, 25.0)
    assert isinstance(job.given["settings"], Settings)
    assert job.given["settings"].output.stride == 4  # of the stand-in's provenance


def test_predictor_peak_and_stored_vector_in_numbers(ready: StubProgram) -> None:
    set_stored(ready, 3.25, 0.5)
    click(ready).finish(seen())
    assert "together  u 3.250, v 0.5000 px" in text(ready)
    assert "stored  u 3.250, v 0.5000 px" in text(ready)
    assert "apart" not in text(ready)
    assert "flags: none" in text(ready)
    assert "12 x 16 px (height x width)" in text(ready)


def test_a_replaced_vector_says_so(ready: StubProgram) -> None:
    set_stored(ready, 2.0, 0.1, int(Flag.REPLACED | Flag.MEDIAN_OUTLIER))
    click(ready).finish(seen())
    assert "made of its neighbours" in text(ready)
    assert "unlike its neighbours, replaced" in text(ready)


def test_other_images_are_noticed(ready: StubProgram) -> None:
    set_stored(ready, 3.25, 0.52)
    click(ready).finish(seen())
    assert "apart by 0.02000 px: the result was made of other images" in text(ready)


def test_another_pair_is_asked_for_again(ready: StubProgram) -> None:
    with_result(ready)
    with_result(ready, 2, 1)
    click(ready).finish(seen())
    ready.session.set_index(1)
    assert ready.heavy.of("inspect.point")[-1].given["index"] == 1
    assert len(ready.heavy.of("inspect.point")) == 2


def test_without_result_or_images_it_says_what_to_do(ready: StubProgram, tmp_path: Path) -> None:
    ready.controllers["inspect"].pick(3, 4)
    assert "analyse it first" in text(ready)
    store = StoreInfo(tmp_path / "r.h5", 1, ("a",), (1,), (50, 60), True)
    ready.session.set_store(store)
    ready.session.set_result(0, ResultEntry(0, an_analysis()), work=False)
    ready.controllers["inspect"].pick(3, 4)
    assert "needs the images" in text(ready)
    assert ready.heavy.of("inspect.point") == []


def test_a_failure_ends_in_words(ready: StubProgram) -> None:
    with_result(ready)
    click(ready).fail("cannot read run_001a.tif: it has gone")
    assert text(ready) == "cannot read run_001a.tif: it has gone"
    assert ready.tell.last.level == "error"


def test_another_tool_ends_the_clicking(ready: StubProgram) -> None:
    with_result(ready)
    click(ready)
    assert ready.window.action("inspect.point").isChecked()
    ready.window.canvas.set_tool(Tool.LINE)
    assert not ready.window.action("inspect.point").isChecked()
    count = len(ready.heavy.of("inspect.point"))
    ready.window.canvas.clicked.emit(1.0, 1.0)
    assert len(ready.heavy.of("inspect.point")) == count


# the view alone


@pytest.fixture
def view(qtbot) -> Inspector:
    made = Inspector()
    qtbot.addWidget(made)
    return made


def test_the_cross_is_on_the_peak_and_the_plane_about_zero(view: Inspector) -> None:
    view.show_window(seen(), ["one", "two"])
    x, y = view.plane.cross.getData()
    assert (x[0], y[0]) == PEAK
    rect = view.plane.image.rect
    assert (rect.center().x(), rect.center().y()) == pytest.approx((0, 0))
    assert (rect.width(), rect.height()) == pytest.approx((9, 7))
    assert view.text.text() == "one\ntwo"


def test_the_windows_flicker_until_it_is_switched_off(view: Inspector, qtbot) -> None:
    window = seen()
    view.show_window(window, [])
    first = view.shown_frame
    qtbot.waitUntil(lambda: view.shown_frame != first, timeout=3000)
    shown = window[("first", "second")[view.shown_frame]]
    np.testing.assert_array_equal(view.window_picture.image.array, shown)
    moved = window[("moved_first", "moved_second")[view.shown_frame]]
    np.testing.assert_array_equal(view.moved.image.array, moved)
    view.flicker.setChecked(False)
    still = view.shown_frame
    qtbot.wait(600)
    assert view.shown_frame == still


def test_a_poke_is_a_wish(view: Inspector, qtbot) -> None:
    with qtbot.waitSignal(view.pick_requested) as wish:
        view.pick.click()
    assert wish.args == [True]
