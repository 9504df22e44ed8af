"""The session without Qt: what it holds, what it tells, what can be undone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from desktop.stand_ins import SHAPE, an_analysis, source_info, write_images
from gui.masks import MaskSet, Shape
from gui.session import Session, Topic
from gui.state import (
    Box,
    CalibrationState,
    FieldEdits,
    ResultEntry,
    Selection,
    StoreInfo,
)
from piv.errors import InputError
from piv.presets import PRESETS
from piv.settings import Settings, apply_assignments

SQUARE = Shape("rectangle", ((10.0, 20.0), (30.0, 50.0)))


@pytest.fixture
def told(session):
    """Every topic that the session tells, in order."""
    topics = []
    for topic in Topic:
        session.subscribe(topic, lambda topic=topic: topics.append(topic))
    return topics


def entry(index=0, seed=1):
    return ResultEntry(index, an_analysis(seed=seed), None, 1.5)


def store(count=2, shape=SHAPE, path="results.h5"):
    names = tuple(f"pair {n}" for n in range(count))
    return StoreInfo(Path(path).absolute(), count, names, (1,) * count, shape, True)


def test_importing_the_session_loads_neither_qt_nor_torch():
    code = (
        "import gui.session, gui.sessionfile, gui.autosave, gui.compute.client, sys;"
        "print([m for m in ('PyQt6', 'torch', 'cv2', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_new_session_is_empty(session):
    assert (session.source, session.store, session.count, session.index) == (None, None, 0, 0)
    assert (session.shape, session.names, session.result) == (None, (), None)
    assert session.mask_for(0) is None
    assert session.title() == "new session"
    assert not session.dirty
    assert session.preset_name() == "standard"


def test_opening_a_source_tells_and_begins_anew(session, images, told):
    info = source_info(images)
    session.set_source(info)
    assert (session.count, session.shape, session.names) == (2, SHAPE, info.names)
    assert {Topic.SOURCE, Topic.PAIR, Topic.RESULTS, Topic.SELECTION, Topic.TITLE} <= set(told)
    assert len(told) == len(set(told))
    assert not session.dirty
    assert session.title() == images.name


def test_another_source_drops_what_belongs_to_the_old_one(opened, tmp_path):
    opened.set_result(1, entry(1))
    opened.set_masks(MaskSet((SQUARE,)))
    opened.set_calibration(CalibrationState(1e-5, dt=1e-3))
    opened.set_index(1)
    opened.set_selection(point=(3.0, 4.0))
    opened.set_display(colour_range=(0.0, 5.0), range_locked=True, opacity=0.3)
    opened.set_source(source_info(write_images(tmp_path / "other", shape=(64, 80))))
    assert not opened.results
    assert not opened.masks
    assert opened.calibration == CalibrationState()
    assert (opened.index, opened.selection) == (0, Selection())
    assert (opened.display.colour_range, opened.display.range_locked) == (None, False)
    assert opened.display.opacity == 0.3
    assert not opened.can_undo


def test_another_pairing_keeps_masks_and_calibration(opened):
    opened.set_result(0, entry())
    opened.set_masks(MaskSet((SQUARE,)))
    opened.set_calibration(CalibrationState(1e-5, dt=1e-3))
    assert opened.source is not None
    opened.set_source(dataclasses.replace(opened.source, pairing="1-2,2-3"))
    assert opened.masks == MaskSet((SQUARE,))
    assert opened.calibration.pixel_size == 1e-5
    assert not opened.results


def test_settings_stay_with_another_source_but_not_regions_of_another_shape(opened, tmp_path):
    words = ["refine.steps=3", "preprocess.region=[0, 0, 90, 70]", "output.region=[0, 0, 40, 40]"]
    opened.set_settings(apply_assignments(Settings(), words))
    opened.set_source(source_info(write_images(tmp_path / "same shape")))
    assert opened.settings.preprocess.region == (0, 0, 90, 70)
    opened.set_source(source_info(write_images(tmp_path / "other", shape=(64, 80))))
    assert opened.settings.preprocess.region == ()
    assert opened.settings.output.region == ()
    assert opened.settings.refine.steps == 3


def test_the_index_stays_among_the_pairs(opened, told):
    opened.set_index(1)
    opened.set_index(7)
    assert opened.index == 1
    opened.set_index(-3)
    assert opened.index == 0
    assert told.count(Topic.PAIR) == 2
    assert not opened.dirty


def test_presets_are_recognised_whatever_the_region(opened):
    for name in PRESETS:
        opened.apply_preset(name)
        assert opened.preset_name() == name
    region = apply_assignments(opened.settings, ["preprocess.region=[0, 0, 64, 64]"])
    opened.set_settings(region)
    assert opened.preset_name() == "best"
    opened.apply_preset("fast")
    assert opened.settings.preprocess.region == (0, 0, 64, 64)
    opened.set_model("ccfcn-2026.11c")
    assert opened.preset_name() is None
    opened.undo()
    assert opened.preset_name() == "fast"
    opened.undo()
    assert opened.preset_name() == "best"


def test_masks_are_drawn_once_and_cannot_be_written(opened):
    opened.set_masks(MaskSet((SQUARE,), {1: (Shape("rectangle", ((60.0, 5.0), (70.0, 15.0))),)}))
    first, second = opened.mask_for(0), opened.mask_for(1)
    assert first is not None
    assert second is not None
    assert first.shape == SHAPE
    assert first[30, 20]
    assert not first[10, 65]
    assert second[10, 65]
    assert opened.mask_for(0) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = True
    opened.undo()
    assert opened.mask_for(0) is None


def test_a_mask_outside_the_frame_is_none(opened):
    opened.set_masks(MaskSet((Shape("rectangle", ((-50.0, -50.0), (-10.0, -10.0))),)))
    assert opened.mask_for(0) is None


def test_everything_undoable_is_undone_in_order(opened):
    opened.set_result(0, entry())
    before = (opened.settings, opened.model, opened.masks, opened.calibration)
    opened.set_settings(apply_assignments(Settings(), ["refine.steps=4"]), "steps")
    opened.set_model("none")
    opened.set_masks(MaskSet((SQUARE,)), "draw a rectangle")
    opened.set_calibration(CalibrationState(2e-5, (3.0, 4.0), 1e-4, "typed"), "scale")
    opened.set_edits(0, FieldEdits(boxes=(Box("dense", 1, 2, 3, 4),)), "reject a box")
    texts = []
    while opened.can_undo:
        texts.append(opened.undo_text)
        assert opened.undo()
    assert texts == ["reject a box", "scale", "draw a rectangle", "model", "steps"]
    assert (opened.settings, opened.model, opened.masks, opened.calibration) == before
    assert not opened.result.edits
    while opened.can_redo:
        opened.redo()
    assert opened.result.edits.boxes == (Box("dense", 1, 2, 3, 4),)
    assert opened.calibration.length == "typed"
    assert opened.model == "none"


def test_setting_what_is_there_is_no_step(opened, told):
    opened.set_settings(opened.settings)
    opened.set_model(opened.model)
    opened.set_masks(MaskSet())
    opened.set_display(opacity=opened.display.opacity)
    opened.set_selection(point=None)
    assert told == []
    assert not opened.can_undo
    assert not opened.dirty


def test_edits_need_a_result(opened):
    opened.set_edits(0, FieldEdits(limits=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))))
    assert not opened.can_undo


def test_a_new_result_has_no_edits_and_none_to_undo(opened):
    opened.set_result(0, entry())
    opened.set_masks(MaskSet((SQUARE,)))
    opened.set_edits(0, FieldEdits(boxes=(Box("coarse", 0, 0, 9, 9),)))
    opened.set_result(0, entry(seed=2))
    assert not opened.result.edits
    assert opened.undo_text == "mask"


def test_a_forgotten_result_comes_back(opened):
    known = entry()
    opened.set_result(0, known)
    opened.forget_result(0)
    assert opened.result is None
    assert not opened.own_results
    opened.undo()
    assert opened.result is known
    assert opened.own_results == {0: known}
    opened.redo()
    assert opened.result is None


def test_results_of_a_store_are_no_work_but_their_edits_are(session):
    session.set_store(store())
    assert (session.count, session.shape, session.title()) == (2, SHAPE, "results.h5")
    session.set_result(1, entry(1), work=False)
    assert not session.dirty
    assert session.own_results == {}
    edits = FieldEdits(boxes=(Box("dense", 0, 0, 5, 5),))
    session.set_edits(1, edits)
    assert session.dirty
    assert session.store_edits == {1: edits}
    session.drop_result(1)
    assert session.results == {}
    session.set_result(1, entry(1, seed=4), work=False)
    assert session.results[1].edits == edits


def test_a_store_of_these_pairs_joins_them_and_another_takes_their_place(opened):
    opened.set_store(store())
    assert opened.source is not None
    opened.set_store(store(count=5, path="other.h5"))
    assert opened.source is None
    assert opened.count == 5
    opened.set_store(None)
    assert opened.count == 0


def test_a_store_that_grows_keeps_what_was_read(session):
    session.set_store(store())
    session.set_result(0, entry(), work=False)
    session.update_store(dataclasses.replace(store(), statuses=(1, 2)))
    assert session.store.statuses == (1, 2)
    assert 0 in session.results


def test_results_without_their_images_can_be_looked_at(session):
    session.set_result(2, entry(2))
    assert session.count == 3
    assert session.shape == SHAPE
    assert session.names == ("pair 1", "pair 2", "pair 3")


def test_dirty_and_title_follow_work_and_saving(opened, told):
    opened.set_display(opacity=0.2)
    assert not opened.dirty
    opened.set_result(0, entry())
    assert opened.dirty
    assert opened.title().endswith(" *")
    revision = opened.revision
    opened.set_masks(MaskSet((SQUARE,)))
    opened.set_saved(Path("run 7.pivsession"), revision)
    assert opened.dirty  # the mask came while it was saved
    opened.set_saved(Path("run 7.pivsession"), opened.revision)
    assert opened.title() == "run 7"
    assert told[-1] == Topic.TITLE


def test_another_source_is_not_saved_over_the_session_of_the_old_one(opened):
    first = opened.source
    opened.set_result(0, entry())
    opened.set_saved(Path("run 7.pivsession"))
    opened.set_source(dataclasses.replace(first, pairing="1-2,2-3"))  # the same images
    assert opened.path == Path("run 7.pivsession")
    opened.set_source(dataclasses.replace(first, path=first.path / "other"))
    assert (opened.path, opened.dirty) == (None, False)
    assert "run 7" not in opened.title()


@pytest.mark.parametrize("other", ["close", "results of other images", "no images"])
def test_what_takes_the_place_of_a_saved_session_leaves_its_file(opened, other):
    opened.set_saved(Path("run 7.pivsession"))
    opened.set_store(store())
    assert opened.path == Path("run 7.pivsession")  # its results, beside it
    if other == "no images":
        opened.clear_source()
        opened.set_store(store())
        opened.set_saved(Path("run 7.pivsession"))
        opened.set_store(store(path="other.h5"))
    elif other == "close":
        opened.clear_source()
    else:
        opened.set_store(store(count=5, path="other.h5"))
    assert opened.path is None


def test_topics_told_together_come_once_at_the_end(opened, told):
    with opened.together():
        opened.set_masks(MaskSet((SQUARE,)))
        opened.set_masks(MaskSet())
        opened.set_display(opacity=0.1)
        assert told == []
    assert sorted(told) == [Topic.DISPLAY, Topic.MASKS, Topic.TITLE]


def test_one_that_fails_keeps_no_other_from_being_told(session):
    heard = []

    def fail():
        raise RuntimeError("a view's mistake")

    session.subscribe(Topic.DISPLAY, fail)
    end = session.subscribe(Topic.DISPLAY, lambda: heard.append(1))
    with pytest.raises(RuntimeError, match="a view's mistake"):
        session.set_display(opacity=0.9)
    assert heard == [1]
    end()
    end()
    with pytest.raises(RuntimeError):
        session.set_display(opacity=0.8)
    assert heard == [1]


def test_reset_empties_everything_and_goes_on_telling(opened, told):
    opened.set_result(0, entry())
    opened.set_display(opacity=0.9)
    opened.set_settings(apply_assignments(Settings(), ["refine.steps=4"]))
    revision = opened.revision
    told.clear()
    opened.reset()
    fresh = Session()
    kept = {"history", "_listeners", "_held", "revision"}
    for name, value in vars(fresh).items():
        if name not in kept:
            assert getattr(opened, name) == value, name
    assert set(told) == set(Topic)
    assert opened.revision > revision
    assert not opened.can_undo


@pytest.mark.parametrize(
    "bad", [{"pixel_size": 0.0}, {"dt": -1.0}, {"dt": np.nan}, {"origin": (np.inf, 0.0)}]
)
def test_a_calibration_that_is_none_is_refused(bad):
    with pytest.raises(InputError):
        CalibrationState(**bad)


def test_a_calibration_becomes_that_of_the_library():
    assert CalibrationState().to_calibration() is None
    known = CalibrationState(2e-5, (1.0, 2.0)).to_calibration()
    assert known is not None
    assert (known.pixel_size, known.origin) == (2e-5, (1.0, 2.0))
