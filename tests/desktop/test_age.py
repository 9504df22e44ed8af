"""A result that is older than a change says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from desktop.whole import calm, end, frames, open_now, start, write_pair
from gui.age import MadeWith, changed, sentence
from gui.masks import MaskSet, Shape
from gui.session import Session
from piv.network.catalogue import known
from piv.settings import Settings, apply_assignments
from piv.types import Flag

BOX = Shape("rectangle", ((20.0, 20.0), (60.0, 50.0)))


def session(model: str = "default", *words: str) -> Session:
    made = Session()
    made.set_model(model)
    made.set_settings(apply_assignments(Settings(), words))
    return made


def since(then: Session, now: Session) -> tuple[str, ...]:
    return changed(MadeWith.now(then, 0), MadeWith.now(now, 0))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("default", ()),
        (str(known()[1]), ()),  # what default stands for
        ("default", ("correlate.windows=[64,24]", "correlate.repeats=1", "correlate.spline=3")),
        ("default", ("output.stride=4",)),
        ("default", ("preprocess.contrast_radius=5",)),
        ("default", ("correlate.convergence=0.5",)),
    ],
)
def test_what_changes_no_number_is_not_told(model: str, words: tuple[str, ...]) -> None:
    assert since(session(), session(model, *words)) == ()
    assert sentence(()) == ""


def test_without_a_network_its_settings_do_not_count() -> None:
    assert since(session("none"), session("none", "refine.steps=1")) == ()
    assert since(session("none"), session("none", "correlate.windows=[64,32,16]")) == ()
    assert since(session("none"), session("none", "correlate.windows=[64,24]")) == ("settings",)


def test_another_file_in_the_place_of_the_weights_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"old")
    before = MadeWith.now(session(str(path)), 0)
    assert changed(before, MadeWith.now(session(str(path)), 0)) == ()
    path.write_bytes(b"trained anew")
    assert changed(before, MadeWith.now(session(str(path)), 0)) == ("weights",)
    path.unlink()
    assert changed(before, MadeWith.now(session(str(path)), 0)) == ("weights",)


def test_every_change_is_told() -> None:
    assert since(session(), session("default", "correlate.overlap=0.75")) == ("settings",)
    assert since(session(), session("default", "refine.steps=1")) == ("settings",)
    assert since(session(), session("none")) == ("weights",)
    masked = session("none", "correlate.overlap=0.75")
    masked.set_masks(MaskSet((BOX,)))
    assert since(session(), masked) == ("settings", "weights", "mask")
    other = session()
    other.set_masks(MaskSet(per_pair={1: (BOX,)}))  # of another pair
    assert since(session(), other) == ()
    assert sentence(("settings", "mask")) == (
        "Changed since this result was made: settings, mask. Analyse the pair again."
    )


def test_the_window_tells_it_until_the_pair_is_analysed_again(qapp: Any, tmp_path: Path) -> None:
    program = start(tmp_path / "home")
    try:
        open_now(program, *write_pair(tmp_path))
        program.session.set_model("none")
        program.window.action("analysis.run").trigger()
        calm(program)
        note = program.controllers["display"].panel.note
        assert note.text().startswith("This result has no field at every pixel")
        program.session.set_masks(MaskSet((BOX,)))
        assert "was made: mask." in note.text()
        program.window.action("analysis.run").trigger()
        calm(program)
        assert "was made:" not in note.text()
        program.session.undo()
        assert "was made: mask." in note.text()
    finally:
        end(program)


def test_a_mask_of_the_images_themselves_is_no_change(qapp: Any, tmp_path: Path) -> None:
    path, (first, second) = tmp_path / "masked.h5", frames(2)
    mask = np.zeros(first.shape, np.uint8)
    mask[30:60, 40:90] = 1
    with h5py.File(path, "w") as file:
        file["images/a"], file["images/b"] = first[None], second[None]
        file["mask"] = mask
    program = start(tmp_path / "home")
    try:
        open_now(program, path)
        assert program.session.count == 1
        program.session.set_model("none")
        program.window.action("analysis.run").trigger()
        calm(program)
        entry = program.session.result
        assert entry is not None
        assert entry.analysis is not None
        assert ((entry.analysis.coarse.flags & int(Flag.MASKED)) != 0).any()
        assert "Changed since" not in program.controllers["display"].panel.note.text()
    finally:
        end(program)
