from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairs import uniform_pair

from desktop.forms import forms_program
from gui.advice import (
    LAST_WINDOWS,
    Measured,
    Suggestion,
    advise,
    chain,
    first_window,
    judged,
    last_window,
)
from gui.compute.server import Context
from gui.compute.tasks.preview import LARGEST, preprocessed, stretched
from gui.compute.tasks.suggest import look, measure, noise_share
from gui.controllers.settings import SettingsController, attach
from gui.masks import MaskSet, Shape
from gui.session import Session
from gui.views.suggestions import MARKS, SuggestionsPanel
from piv.errors import InputError
from piv.io.images import read_pair
from piv.preprocess import preprocess
from piv.settings import PreprocessSettings, Settings, apply_assignments
from piv.types import ImagePair

SAMPLES = Path(__file__).parents[2] / "sample_images"
CONTEXT = Context(0, lambda reply: None)
BODY = (Shape("ellipse", ((10, 10), (30, 30))),)
GOOD = Measured(
    displacement=3.0, largest=6.0, component=5.0, density=0.05, diameter=2.4, noise=0.05,
    saturated=0.001, levels=120.0, lost=0.1, valid=0.98, valid_with_contrast=0.98, gain=1.0,
)  # fmt: skip


def marks(measured: Measured) -> dict[str, str]:
    return {figure.name: figure.mark for figure in judged(measured)}


def names(measured: Measured, settings: Settings | None = None, **options: Any) -> list[str]:
    return [each.name for each in advise(measured, settings or Settings(), **options).suggestions]


# rules


def test_a_good_pair_needs_nothing() -> None:
    advice = advise(GOOD, Settings())
    assert set(marks(GOOD).values()) == {"good"}
    assert advice.suggestions == ()
    assert advice.warnings == ()


@pytest.mark.parametrize(
    ("changes", "name", "mark"),
    [({"largest": 1.0}, "displacement", "doubtful"), ({"largest": 80.0}, "displacement", "bad"),
     ({"density": 0.01}, "density", "doubtful"), ({"density": 0.001}, "density", "bad"),
     ({"diameter": 1.3}, "diameter", "doubtful"), ({"diameter": 12.0}, "diameter", "bad"),
     ({"noise": 0.3}, "noise", "doubtful"), ({"noise": 0.8}, "noise", "bad"),
     ({"saturated": 0.2}, "saturated", "bad"), ({"levels": 4.0}, "levels", "bad"),
     ({"gain": 0.2}, "gain", "bad"), ({"lost": 0.4}, "lost", "doubtful"),
     ({"valid": 0.5}, "valid", "bad"), ({"noise": math.nan}, "noise", "unknown")],
)  # fmt: skip
def test_what_is_out_of_the_good_range(changes: dict[str, float], name: str, mark: str) -> None:
    measured = dataclasses.replace(GOOD, **changes)
    found = marks(measured)
    assert found.pop(name) == mark
    assert set(found.values()) == {"good"}
    figure = next(each for each in judged(measured) if each.name == name)
    assert bool(figure.advice) == (mark != "unknown")  # in words what to do
    warned = advise(measured, Settings()).warnings
    assert any(figure.label in text for text in warned) == (mark == "bad")


def test_the_first_window_follows_the_displacement() -> None:
    assert [first_window(c) for c in (0.0, 8.0, 8.1, 16.0, 31.0, 500.0)] == [
        32,
        32,
        48,
        64,
        128,
        256,
    ]
    for component in np.linspace(0.1, 64, 200):
        assert component <= first_window(component) / 4


def test_the_last_window_holds_seven_particles() -> None:
    assert last_window(0.05, 2.0) == 16
    assert last_window(0.01, 2.0) == 32
    assert last_window(0.01, 2.0, lost=0.5) == 48
    assert last_window(0.05, 7.0) == 32
    assert last_window(0.0, 2.0) == LAST_WINDOWS[-1]
    for density in np.geomspace(0.002, 0.3, 60):
        window = last_window(density, 2.0)
        assert window == LAST_WINDOWS[-1] or density * window**2 >= 0.9 * 7


@pytest.mark.parametrize(
    ("first", "last", "windows"),
    [(64, 16, (64, 32, 16)), (64, 24, (64, 32, 24)), (256, 16, (256, 128, 64, 32, 16)),
     (96, 24, (96, 48, 24)), (64, 64, (64,)), (48, 32, (48, 32))],
)  # fmt: skip
def test_windows_halve_from_first_to_last(first: int, last: int, windows: tuple[int, ...]) -> None:
    assert chain(first, last) == windows


@pytest.mark.parametrize(
    ("words", "followed", "density", "suggested"),
    [
        ([], True, 0.05, False),  # 64, 24 would do; 16 would hold enough particles too
        ([], False, 0.05, False),  # 64, 32, 16
        ([], False, 0.012, True),  # 16 px are too few particles without the network
        ([], True, 0.012, False),
        ([], True, 0.006, True),
        (["correlate.windows=[64,24]"], True, 0.05, False),
        (["correlate.windows=[64,24]"], False, 0.05, True),
        (["correlate.windows=[64,16]"], False, 0.05, True),  # too large a step
        (["correlate.windows=[[64,64],[16,16]]"], True, 0.05, True),
    ],
)
def test_windows_that_suit_are_left_alone(
    words: list[str], followed: bool, density: float, suggested: bool
) -> None:
    measured = dataclasses.replace(GOOD, density=density, diameter=2.5, lost=0.0)
    settings = apply_assignments(Settings(), words)
    found = names(measured, settings, followed=followed)
    assert ("windows" in found) is suggested


def test_windows_are_suggested_and_used() -> None:
    measured = dataclasses.replace(GOOD, component=30.0, density=0.01)
    (suggestion,) = advise(measured, Settings()).suggestions
    settings = suggestion.apply(Settings())
    assert settings.correlate.windows == (128, 64, 32)
    assert names(measured, settings) == []
    assert "30.0 px" in suggestion.why


def test_contrast_is_suggested_where_it_helps() -> None:
    measured = dataclasses.replace(GOOD, valid=0.9, valid_with_contrast=0.95)
    assert names(measured) == ["contrast"]
    used = advise(measured, Settings()).suggestions[0].apply(Settings())
    assert used.preprocess.contrast == "local"
    assert names(measured, used) == []
    assert names(dataclasses.replace(GOOD, valid=0.95, valid_with_contrast=0.96)) == []


def test_a_mask_is_suggested_where_there_is_none() -> None:
    measured = dataclasses.replace(GOOD, empty=0.05, shapes=BODY)
    assert names(measured) == ["mask"]
    assert names(measured, masked=True) == []
    assert names(dataclasses.replace(measured, empty=0.9)) == []


# measuring


def test_what_is_known_of_a_sample_is_found() -> None:
    pair = read_pair(SAMPLES / "cylinder_wake_a.tif", SAMPLES / "cylinder_wake_b.tif")
    seen = measure(pair)
    assert seen.displacement == pytest.approx(3.9, abs=0.3)
    assert seen.density == pytest.approx(0.052, abs=0.01)
    assert seen.diameter == pytest.approx(1.93, abs=0.2)
    assert seen.noise < 0.1
    assert seen.valid > 0.95
    assert 0.004 < seen.empty < 0.01
    assert names(seen) == ["mask"]


def test_gain_offset_and_order_of_the_frames() -> None:
    pair = uniform_pair((128, 192), 4.0, -2.0, seed=2)
    scale = 200 / max(pair.first.max(), pair.second.max())
    frames = [np.rint(frame * scale).astype(np.uint16) for frame in (pair.first, pair.second)]
    seen = measure(ImagePair(*frames))
    assert seen.displacement == pytest.approx(math.hypot(4, 2), abs=0.05)
    assert seen.component == pytest.approx(4.0, abs=0.1)
    assert seen.gain == pytest.approx(1.0, abs=0.1)
    brighter = measure(ImagePair(*(frame * 16 + 900 for frame in frames)))
    for name in ("displacement", "density", "diameter", "noise", "lost", "valid"):
        assert getattr(brighter, name) == pytest.approx(getattr(seen, name), abs=0.02, nan_ok=True)
    assert brighter.levels == pytest.approx(16 * seen.levels, rel=0.01)
    dim = measure(ImagePair(frames[0], (frames[1] // 3).astype(np.uint16)))
    assert dim.gain == pytest.approx(1 / 3, abs=0.02)


def test_noise_is_told_from_particles() -> None:
    pair = uniform_pair((128, 192), 1.0, 2.0, seed=4)
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.6):
        frames = []
        for frame in (pair.first, pair.second):
            spread = float(frame.std()) * math.sqrt(share / (1 - share))
            frames.append(frame + rng.normal(0, spread, frame.shape))
        assert noise_share(ImagePair(*frames)) == pytest.approx(share, abs=0.08)


def test_pairs_that_do_not_belong_together() -> None:
    one, other = (uniform_pair((128, 192), 1.0, 0.0, seed=seed) for seed in (1, 2))
    found = marks(measure(ImagePair(one.first, other.second)))
    assert found["valid"] == "bad"


def test_large_frames_are_sampled() -> None:
    small = uniform_pair((128, 160), 5.0, 2.0, seed=1)
    pair = ImagePair(np.tile(small.first, (10, 9)), np.tile(small.second, (10, 9)))
    seen = measure(pair)
    assert seen.displacement == pytest.approx(math.hypot(5, 2), abs=0.1)


def test_the_task_knows_mask_and_region(images: Path) -> None:
    from piv.io.sources import SourceSpec

    spec = SourceSpec(images.absolute())
    seen = look(CONTEXT, spec, 0, None, (8, 4, 64, 48))
    assert seen.displacement == pytest.approx(math.hypot(3, 2), abs=0.2)
    mask = np.zeros((72, 96), bool)
    mask[:, 70:] = True
    masked = look(CONTEXT, spec, 1, mask)
    assert masked.shapes == ()
    with pytest.raises(InputError, match="leaves the frame"):
        look(CONTEXT, spec, 0, None, (50, 4, 64, 48))


# preview


def test_the_preview_is_what_an_analysis_sees(images: Path) -> None:
    from piv.io.sources import SourceSpec

    spec = SourceSpec(images.absolute())
    settings = PreprocessSettings(contrast="local", contrast_radius=4.0)
    result = preprocessed(CONTEXT, spec, 0, "b", settings, (-10.0, -5.0, 300.0, 200.0))
    with spec.open() as source:
        pair = source[0]
    assert (result["left"], result["top"]) == (0, 0)
    expected = preprocess(pair, settings).second
    assert np.array_equal(result["after"], stretched(expected))
    assert np.array_equal(result["before"], stretched(pair.second))


def test_a_part_of_the_preview_is_the_same_but_for_its_floor(images: Path) -> None:
    from piv.io.sources import SourceSpec

    spec = SourceSpec(images.absolute())
    settings = PreprocessSettings(region=(8, 6, 80, 60))
    result = preprocessed(CONTEXT, spec, 1, "a", settings, (20.0, 10.0, 200.0, 30.0))
    assert (result["left"], result["top"]) == (20, 10)
    assert result["after"].shape == (31, 68)  # to the region's right edge; down to the view's
    with spec.open() as source:
        first = source[1].first
    assert np.array_equal(result["before"], stretched(first[10:41, 20:88]))
    assert np.array_equal(result["before"], result["after"])  # nothing is set
    with pytest.raises(InputError, match="not in view"):
        preprocessed(CONTEXT, spec, 1, "a", settings, (200.0, 10.0, 20.0, 30.0))
    assert LARGEST > 1000


def test_stretching_goes_from_black_to_white() -> None:
    image = np.linspace(100, 900, 5000).reshape(50, 100)
    grey = stretched(image)
    assert (int(grey.min()), int(grey.max())) == (0, 255)
    assert (stretched(np.full((40, 50), 7)) == 0).all()


# panel and controller


@pytest.fixture
def panel(qtbot: Any) -> SuggestionsPanel:
    made = SuggestionsPanel()
    qtbot.addWidget(made)
    return made


def test_the_panel_shows_marks_that_need_no_colour(panel: SuggestionsPanel) -> None:
    measured = dataclasses.replace(GOOD, noise=0.9, density=0.01, lost=math.nan)
    panel.show_advice(advise(measured, Settings()), "a pair")
    from PyQt6.QtWidgets import QLabel

    shown = {label.text() for label in panel.findChildren(QLabel)}
    assert {MARKS[mark][0] for mark in ("good", "doubtful", "bad", "unknown")} <= shown
    named = {label.accessibleName() for label in panel.findChildren(QLabel)}
    assert {"Camera noise: bad", "Seeding: doubtful", "Displacement: good"} <= named
    assert any(text.startswith("bad: much noise") for text in shown)


def test_the_panel_says_what_to_use(panel: SuggestionsPanel) -> None:
    said: list[str] = []
    panel.use_wanted.connect(said.append)
    panel.look_wanted.connect(lambda: said.append("look"))
    measured = dataclasses.replace(GOOD, component=30.0, empty=0.05, shapes=BODY)
    panel.show_advice(advise(measured, Settings()), "a pair")
    panel.buttons["windows"].click()
    panel.buttons["mask"].click()
    panel.buttons[""].click()
    panel.set_ready(True)
    panel.look.click()
    assert said == ["windows", "mask", "", "look"]
    panel.show_advice(None, "nothing")
    assert panel.buttons == {}


@pytest.fixture
def joined(
    qapp: Any, session: Session, tmp_path: Path, images: Path
) -> tuple[SettingsController, Any]:
    from desktop.stand_ins import source_info

    program = forms_program(tmp_path, session)
    controller = attach(program)
    session.set_source(source_info(images))
    return controller, program


MANY = dataclasses.replace(GOOD, component=30.0, empty=0.05, shapes=BODY)


def test_an_opened_pair_is_looked_at_before_anything_is_run(joined: Any) -> None:
    controller, program = joined
    (job,) = program.heavy.of("suggest.look")
    assert job.given["index"] == 0
    assert job.calls["key"] == "suggest.look"
    job.finish(MANY)
    assert set(controller.suggestions.buttons) == {"windows", "mask", ""}
    assert program.texts == []  # good images: no warning
    program.window.action("settings.look").trigger()
    program.heavy.of("suggest.look")[-1].finish(dataclasses.replace(MANY, noise=0.9))
    assert "out of the good range: Camera noise: much noise" in program.tell.last.text


def test_one_click_uses_a_suggestion_and_undo_takes_it_back(joined: Any) -> None:
    controller, program = joined
    program.heavy.of("suggest.look")[-1].finish(MANY)
    controller.suggestions.buttons["windows"].click()
    session = program.session
    assert session.settings.correlate.windows == (128, 64, 32, 16)
    assert set(controller.suggestions.buttons) == {"mask"}
    controller.suggestions.buttons["mask"].click()
    assert session.masks == MaskSet(BODY)
    assert controller.suggestions.buttons == {}
    session.undo()
    session.undo()
    assert session.settings == Settings()
    assert set(controller.suggestions.buttons) == {"windows", "mask", ""}
    controller.suggestions.buttons[""].click()
    assert session.settings.correlate.windows == (128, 64, 32, 16)
    assert session.masks == MaskSet(BODY)


def test_a_pair_that_cannot_be_looked_at_is_told_in_the_panel(joined: Any) -> None:
    controller, program = joined
    program.heavy.of("suggest.look")[-1].fail("the first frame is all black")
    assert "all black" in controller.suggestions.title.text()
    controller.use()
    assert program.session.settings == Settings()


def test_suggestions_are_settings_that_exist() -> None:
    for changes in ({"correlate": {"windows": [64, 32]}}, {"preprocess": {"contrast": "local"}}):
        assert Suggestion("a", "b", "c", changes).apply(Settings()) != Settings()
