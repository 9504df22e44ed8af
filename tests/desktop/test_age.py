"""A result that is older than a change says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import piv
from desktop.whole import calm, end, frames, open_now, start, write_pair
from gui.age import changed_since, sentence
from gui.masks import MaskSet, Shape
from piv.settings import Settings, apply_assignments

SHAPE = (96, 128)


def _mask(*box: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    top, bottom, left, right = box
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture(scope="module", params=["none", "default"])
def made(request: pytest.FixtureRequest) -> tuple[piv.Analysis, str, np.ndarray]:
    first, second = frames(2, SHAPE)
    mask = _mask(30, 60, 40, 90)
    return piv.analyse(first, second, mask=mask, model=request.param), request.param, mask


def test_what_has_not_changed_is_not_told(made: Any) -> None:
    analysis, model, mask = made
    assert changed_since(analysis, Settings(), model, mask) == ()
    assert sentence(()) == ""
    # the output does not change a number, nor does a choice that is made by itself
    own = Settings().resolved(followed=model != "none")
    assert changed_since(analysis, own, model, mask) == ()
    assert changed_since(
        analysis, apply_assignments(Settings(), ["output.stride=4"]), model, mask
    ) == ()  # fmt: skip


def test_every_change_is_told(made: Any) -> None:
    analysis, model, mask = made
    other = apply_assignments(Settings(), ["correlate.overlap=0.75"])
    assert changed_since(analysis, other, model, mask) == ("settings",)
    assert changed_since(analysis, Settings(), model, None) == ("mask",)
    assert changed_since(analysis, Settings(), model, _mask(30, 60, 40, 110)) == ("mask",)
    another = "default" if model == "none" else "ccfcn-2026.11"
    assert changed_since(analysis, other, another, None) == ("settings", "weights", "mask")
    told = sentence(("settings", "weights", "mask"))
    assert told.startswith("Changed since this result was made: settings, weights, mask.")


def test_steps_of_the_network_matter_where_there_is_one(made: Any) -> None:
    analysis, model, mask = made
    steps = apply_assignments(Settings(), ["refine.steps=1"])
    assert changed_since(analysis, steps, model, mask) == (() if model == "none" else ("settings",))


def test_a_region_is_compared_where_it_lies() -> None:
    first, second = frames(2, SHAPE)
    mask = _mask(30, 60, 40, 90)
    settings = apply_assignments(Settings(), ["preprocess.region=[20,16,80,64]"])
    analysis = piv.analyse(first, second, mask=mask, settings=settings)
    assert changed_since(analysis, settings, "default", mask) == ()
    beyond = mask | _mask(85, 96, 0, 20)  # outside of the region
    assert changed_since(analysis, settings, "default", beyond) == ()
    assert changed_since(analysis, settings, "default", _mask(30, 60, 40, 80)) == ("mask",)


def test_the_window_tells_it_until_the_pair_is_analysed_again(qapp: Any, tmp_path: Path) -> None:
    program = start(tmp_path / "home")
    try:
        open_now(program, *write_pair(tmp_path))
        program.session.set_model("none")
        program.window.action("analysis.run").trigger()
        calm(program)
        note = program.controllers["display"].panel.note
        assert note.text().startswith("This result has no field at every pixel")
        program.session.set_masks(MaskSet((Shape("rectangle", ((20.0, 20.0), (60.0, 50.0))),)))
        assert "made: mask." in note.text()
        program.window.action("analysis.run").trigger()
        calm(program)
        assert "made: mask." not in note.text()
        program.session.undo()
        assert "made: mask." in note.text()
    finally:
        end(program)
