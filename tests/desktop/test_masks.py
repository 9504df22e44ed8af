from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from pairs import uniform_pair

from desktop.forms import forms_program
from desktop.stand_ins import SHAPE, source_info, write_images
from gui.compute.server import Context
from gui.compute.tasks import maskfiles
from gui.compute.tasks.masks import automatic, find_body, outlines
from gui.controllers.masks import MasksController, attach, describe
from gui.masks import ImportedMask, MaskSet, Shape, rasterise
from gui.session import Session
from gui.views.canvas import Tool
from gui.views.mask_panel import IMPORTED, MaskPanel, MaskRow
from piv.errors import InputError, PIVError
from piv.io.images import read_mask, read_pair
from piv.io.sources import SourceSpec
from piv.types import ImagePair

SAMPLES = Path(__file__).parents[2] / "sample_images"
SQUARE = Shape("rectangle", ((5, 6), (15, 26)))
LAMP = Shape("ellipse", ((40, 20), (60, 40)), name="lamp")
CONTEXT = Context(0, lambda reply: None)


@pytest.fixture
def joined(qapp: Any, opened: Session, tmp_path: Path) -> tuple[MasksController, Any]:
    program = forms_program(tmp_path, opened)
    return attach(program), program


# the panel


@pytest.fixture
def panel(qtbot: Any) -> MaskPanel:
    made = MaskPanel()
    qtbot.addWidget(made)
    made.show_rows(
        [MaskRow(IMPORTED, "image body.png", True), MaskRow(0, "polygon", True),
         MaskRow(1, "ellipse", False, True)], -1,
    )  # fmt: skip
    return made


def test_the_list_says_what_there_is(panel: MaskPanel) -> None:
    texts = [panel.list.item(n).text() for n in range(panel.list.count())]
    assert texts == [
        "+ image body.png · all pairs", "+ polygon · all pairs", "− ellipse · this pair",
    ]  # fmt: skip


def test_poking_the_panel_says_what_is_wanted(panel: MaskPanel) -> None:
    said: list[Any] = []
    for signal in ("tool_wanted", "selected", "remove_wanted", "grow_wanted", "clear_wanted"):
        getattr(panel, signal).connect(lambda value, s=signal: said.append((s, value)))
    for signal in ("subtract_wanted", "everywhere_wanted"):
        getattr(panel, signal).connect(lambda n, value, s=signal: said.append((s, n, value)))
    for signal in ("automatic_wanted", "import_wanted", "export_wanted"):
        getattr(panel, signal).connect(lambda s=signal: said.append((s,)))
    panel.tools["ellipse"].click()
    panel.tools["ellipse"].click()
    assert not panel.remove.isEnabled()
    panel.list.setCurrentRow(2)
    panel.toggle.click()
    panel.scope.click()
    panel.step.setValue(3)
    panel.grow.click()
    panel.shrink.click()
    panel.remove.click()
    panel.automatic.click()
    panel.load.click()
    panel.save.click()
    panel.clear.click()
    assert said == [
        ("tool_wanted", "ellipse"), ("tool_wanted", ""), ("selected", 1),
        ("subtract_wanted", 1, False), ("everywhere_wanted", 1, True), ("grow_wanted", 3),
        ("grow_wanted", -3), ("remove_wanted", 1), ("automatic_wanted",), ("import_wanted",),
        ("export_wanted",), ("clear_wanted", False),
    ]  # fmt: skip


def test_an_imported_image_cannot_be_made_a_hole(panel: MaskPanel) -> None:
    panel.list.setCurrentRow(0)
    assert not panel.toggle.isEnabled()
    assert panel.remove.isEnabled()
    assert panel.scope.text() == "This pair"


# the controller


def test_a_shape_that_is_drawn_masks_all_pairs(joined: Any, opened: Session) -> None:
    controller, program = joined
    program.window.canvas.shape_drawn.emit(SQUARE)
    assert opened.masks == MaskSet((SQUARE,))
    mask = opened.mask_for(1)
    assert mask is not None
    assert np.array_equal(mask, rasterise(SQUARE, SHAPE))
    assert controller.selected == 0
    assert controller.panel.list.count() == 1
    opened.undo()
    assert opened.masks == MaskSet()
    assert controller.panel.list.count() == 0
    opened.redo()
    assert opened.masks == MaskSet((SQUARE,))


def test_for_this_pair_alone_and_as_a_hole(joined: Any, opened: Session) -> None:
    controller, program = joined
    opened.set_index(1)
    controller.panel.this_pair.click()
    controller.panel.subtract.click()
    program.window.canvas.shape_drawn.emit(SQUARE)
    assert opened.masks.shapes == ()
    (shape,) = opened.masks.per_pair[1]
    assert shape.subtract
    assert opened.mask_for(0) is None


def test_lines_and_regions_are_no_masks(joined: Any, opened: Session) -> None:
    _, program = joined
    for kind in ("line", "distance", "region", "reject_box", "circle"):
        program.window.canvas.shape_drawn.emit(Shape(kind, ((0, 0), (9, 9))))  # type: ignore[arg-type]
    assert opened.masks == MaskSet()


def test_a_moved_corner_keeps_what_the_canvas_does_not_know(joined: Any, opened: Session) -> None:
    _, program = joined
    old = Shape("rectangle", ((5, 6), (15, 26)), subtract=True, name="hole", margin=2)
    opened.set_masks(MaskSet((LAMP, old)))
    for right in (20, 30, 40):
        program.window.canvas.shape_changed.emit(1, Shape("rectangle", ((5, 6), (right, 26))))
    new = opened.masks.shapes[1]
    assert (new.points, new.subtract, new.name, new.margin) == (
        ((5.0, 6.0), (40.0, 26.0)), True, "hole", 2,
    )  # fmt: skip
    opened.undo()  # the whole drag is one step
    assert opened.masks.shapes[1] == old


def test_tools_and_canvas_follow_each_other(joined: Any) -> None:
    controller, program = joined
    controller.panel.tools["polygon"].click()
    assert program.window.canvas.tool == Tool.POLYGON
    program.window.canvas.set_tool(Tool.PAN)
    assert not controller.panel.tools["polygon"].isChecked()
    for kind in ("polygon", "rectangle", "ellipse", "freehand"):
        program.window.action(f"masks.{kind}").trigger()
        assert program.window.canvas.tool == Tool(kind)
        assert controller.panel.tools[kind].isChecked()


def test_removing_selecting_growing(joined: Any, opened: Session) -> None:
    controller, program = joined
    opened.set_masks(MaskSet((SQUARE, LAMP)))
    program.window.canvas.shape_selected.emit(1)
    assert controller.panel.list.currentRow() == 1
    program.window.action("masks.grow").trigger()
    assert [shape.margin for shape in opened.masks.shapes] == [0, 2]
    controller.select(-1)
    program.window.action("masks.shrink").trigger()
    assert [shape.margin for shape in opened.masks.shapes] == [-2, 0]
    program.window.canvas.shape_removed.emit(0)
    assert opened.masks.shapes == (LAMP,)
    for _ in range(51):
        controller.grow(2)
    assert "at most 100 px" in program.tell.last.text


def test_to_all_pairs_and_back(joined: Any, opened: Session) -> None:
    controller, _ = joined
    opened.set_masks(MaskSet((SQUARE, LAMP)))
    controller.set_everywhere(0, False)
    assert opened.masks == MaskSet((LAMP,), {0: (SQUARE,)})
    assert controller.selected == 1
    controller.set_everywhere(1, True)
    assert opened.masks == MaskSet((LAMP, SQUARE))
    assert controller.selected == 1


def test_subtract_is_toggled(joined: Any, opened: Session) -> None:
    controller, _ = joined
    opened.set_masks(MaskSet((SQUARE, LAMP)))
    controller.set_subtract(1, True)
    assert opened.masks.shapes[1].subtract
    assert not opened.masks.shapes[0].subtract


def test_finding_a_body(joined: Any, opened: Session) -> None:
    controller, program = joined
    program.window.action("masks.automatic").trigger()
    job = program.heavy.of("masks.automatic")[0]
    assert job.given["index"] == 0
    assert not controller.panel.automatic.isEnabled()
    job.finish(((SQUARE, LAMP), 0.05))
    assert controller.panel.automatic.isEnabled()
    assert opened.masks.shapes == (SQUARE, LAMP)
    assert "2 region(s)" in program.tell.last.text
    controller.find()
    program.heavy.of("masks.automatic")[1].finish(((), 0.0))
    assert "nothing to mask" in program.tell.last.text
    controller.find()
    program.heavy.of("masks.automatic")[2].fail("the pair cannot be read")
    assert program.tell.last.text == "the pair cannot be read"
    assert controller.panel.automatic.isEnabled()


def test_importing_and_removing_an_image(joined: Any, opened: Session, tmp_path: Path) -> None:
    controller, program = joined
    program.window.action("masks.import").trigger()  # closed without a choice
    assert not program.quick.of("maskfiles.read")
    program.dialogs.answers["open_files"] = [[tmp_path / "body.png"]]
    program.window.action("masks.import").trigger()
    job = program.quick.of("maskfiles.read")[0]
    assert job.given == {"path": tmp_path / "body.png", "shape": SHAPE}
    image = ImportedMask(rasterise(LAMP, SHAPE), "body.png")
    job.finish(image)
    assert opened.masks.imported == image
    assert controller.panel.list.item(0).text() == "+ image body.png · all pairs"
    controller.select(IMPORTED)
    controller.grow(3)
    assert opened.masks.imported.margin == 3
    controller.set_everywhere(IMPORTED, False)
    assert opened.masks.imported is None
    assert opened.masks.imported_per_pair[0].name == "body.png"
    controller.set_everywhere(IMPORTED, True)
    assert opened.masks.imported is not None
    assert not opened.masks.imported_per_pair
    controller.remove(IMPORTED)
    assert opened.masks == MaskSet()


def test_exporting(joined: Any, opened: Session, tmp_path: Path) -> None:
    _, program = joined
    program.window.action("masks.export").trigger()
    assert "nothing is masked" in program.tell.last.text
    opened.set_masks(MaskSet((SQUARE,)))
    program.dialogs.answers["save_file"] = [tmp_path / "mask.png"]
    program.window.action("masks.export").trigger()
    job = program.quick.of("maskfiles.write")[0]
    assert np.array_equal(job.given["mask"], rasterise(SQUARE, SHAPE))
    job.finish(tmp_path / "mask.png")
    assert program.tell.last.text == "mask written to mask.png"


def test_clearing(joined: Any, opened: Session) -> None:
    _, program = joined
    opened.set_masks(MaskSet((SQUARE,), {0: (LAMP,), 1: (LAMP,)}))
    program.window.action("masks.clear_pair").trigger()
    assert opened.masks == MaskSet((SQUARE,), {1: (LAMP,)})
    program.window.action("masks.clear").trigger()
    assert opened.masks == MaskSet()
    program.window.action("masks.clear").trigger()
    assert program.tell.last.text == "there is no such mask"


def test_hiding_masks_does_not_forget_them(joined: Any, opened: Session) -> None:
    controller, program = joined
    opened.set_masks(MaskSet((SQUARE,)))
    controller.panel.visible_box.click()
    assert not opened.display.show_masks
    assert not program.window.action("masks.show").isChecked()
    assert opened.mask_for(0) is not None
    program.window.action("masks.show").trigger()
    assert opened.display.show_masks


def test_the_mask_of_the_source_is_shown_too(joined: Any, opened: Session) -> None:
    controller, _ = joined
    opened.set_masks(MaskSet((SQUARE,)))
    assert controller.panel.share.text() == "3.3 % is masked."
    own = np.zeros(SHAPE, bool)
    own[:, 50:] = True
    controller.show_source_mask(own)
    assert controller.panel.share.text() == "51 % is masked."
    assert opened.masks == MaskSet((SQUARE,))


def test_a_pair_that_is_kept_brings_its_mask_at_once(joined: Any, opened: Session) -> None:
    controller, program = joined
    own = np.zeros(SHAPE, bool)
    own[:, 50:] = True

    class Pairs:
        def ready(self, index: int) -> dict[str, Any] | None:
            return {"mask": own} if index == 1 else None

    program.controllers["pairs"] = Pairs()
    opened.set_index(1)
    assert controller.panel.share.text() == "48 % is masked."
    opened.set_index(0)
    assert controller.panel.share.text() == "Nothing is masked."


def test_a_stored_image_of_another_size_is_told_once(joined: Any, opened: Session) -> None:
    controller, program = joined
    opened.set_masks(MaskSet(imported=ImportedMask(np.ones((4, 5), bool), "old.png")))
    controller.show()
    told = [text for text in program.texts if "old.png is 4 x 5 px" in text]
    assert len(told) == 1


def test_without_a_pair_every_button_says_what_is_missing(
    qapp: Any, session: Session, tmp_path: Path
) -> None:
    program = forms_program(tmp_path, session)
    controller = attach(program)
    for call in (
        lambda: controller.draw("polygon"), controller.find, controller.load, controller.save,
        lambda: controller.grow(2),
    ):  # fmt: skip
        before = len(program.tell.messages)
        call()
        assert len(program.tell.messages) == before + 1
        assert program.tell.last.level == "error"
    assert session.masks == MaskSet()


def test_descriptions() -> None:
    assert describe(SQUARE) == "rectangle, 10 x 20 px"
    assert describe(Shape("polygon", ((0, 0), (1, 0), (1, 1)), name="found", margin=-2)) == (
        "polygon found, 3 points, shrunk by 2 px"
    )


# files


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".PNG"])
def test_a_mask_written_is_the_mask_read(tmp_path: Path, suffix: str) -> None:
    mask = rasterise(LAMP, SHAPE)
    path = tmp_path / f"Maske des Körpers{suffix}"
    assert maskfiles.write(CONTEXT, path, mask) == path
    assert np.array_equal(maskfiles.read(CONTEXT, path, SHAPE).array, mask)
    assert np.array_equal(read_mask(path, SHAPE), mask)  # what --mask does


def test_mask_files_that_cannot_be_used(tmp_path: Path) -> None:
    mask = rasterise(LAMP, SHAPE)
    with pytest.raises(InputError, match=r"written as .png, .tif or .bmp, not .gif"):
        maskfiles.write(CONTEXT, tmp_path / "mask.gif", mask)
    with pytest.raises(PIVError, match="cannot write"):
        maskfiles.write(CONTEXT, tmp_path / "no" / "mask.png", mask)
    maskfiles.write(CONTEXT, tmp_path / "mask.png", mask)
    with pytest.raises(InputError, match="60 x 60"):
        maskfiles.read(CONTEXT, tmp_path / "mask.png", (60, 60))


# finding a body


def test_the_body_of_the_sample_is_found() -> None:
    """Measured: intersection over union 0.94, 3 px of fluid masked, no other region."""
    pair = read_pair(SAMPLES / "cylinder_wake_a.tif", SAMPLES / "cylinder_wake_b.tif")
    truth = read_mask(SAMPLES / "cylinder_wake_mask.tif", pair.shape)
    shapes = outlines(find_body(pair))
    found = MaskSet(shapes).rasterise(0, pair.shape)
    assert found is not None
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    assert (found & ~truth).sum() < 20
    assert len(shapes) == 1
    assert len(shapes[0].points) < 30  # few enough to be moved by hand


@pytest.mark.parametrize("name", ["turbulence", "wingtip_vortex"])
def test_nothing_is_masked_where_particles_are_everywhere(name: str) -> None:
    pair = read_pair(SAMPLES / f"{name}_a.tif", SAMPLES / f"{name}_b.tif")
    assert not find_body(pair).any()


def with_body(seed: int = 3) -> tuple[ImagePair, np.ndarray[Any, Any]]:
    """Particles around a dark ellipse, and a saturated bar."""
    pair = uniform_pair((160, 224), 3.0, 1.0, seed=seed)
    body = rasterise(Shape("ellipse", ((60, 40), (140, 110))), pair.shape)
    bar = rasterise(Shape("rectangle", ((180, 20), (195, 130))), pair.shape)
    rng = np.random.default_rng(seed)
    frames = []
    for frame in (pair.first, pair.second):
        top = float(frame.max())
        image = frame.astype(np.float64)
        image[body] = 0.0
        image += rng.normal(0.02 * top, 0.01 * top, image.shape)
        image[bar] = 1.2 * top
        frames.append(np.clip(image / top * 200, 0, 240).astype(np.uint8))
    return ImagePair(*frames), body | bar


def test_a_dark_body_and_a_glare_are_found() -> None:
    pair, truth = with_body()
    found = find_body(pair)
    assert (found & truth).sum() / (found | truth).sum() > 0.85
    brighter = ImagePair(pair.first.astype(np.uint16) * 40 + 900,
                         pair.second.astype(np.uint16) * 40 + 900)  # fmt: skip
    assert (find_body(brighter) ^ found).mean() < 0.002
    swapped = find_body(ImagePair(pair.second, pair.first))
    assert np.array_equal(swapped, found)
    mirrored = find_body(ImagePair(pair.first[:, ::-1], pair.second[:, ::-1]))
    assert (mirrored[:, ::-1] ^ found).mean() < 0.002


def test_large_frames_are_binned_and_the_mask_is_as_large(monkeypatch: Any) -> None:
    pair, truth = with_body()
    large = ImagePair(*(f.repeat(2, axis=0).repeat(2, axis=1)[:319, :447] for f in
                        (pair.first, pair.second)))  # fmt: skip
    monkeypatch.setattr("gui.compute.tasks.masks._LARGE", 50_000)  # so that it need not be large
    found = find_body(large)
    assert found.shape == (319, 447)
    expected = truth.repeat(2, axis=0).repeat(2, axis=1)[:319, :447]
    assert (found & expected).sum() / (found | expected).sum() > 0.85


def test_the_task_looks_in_the_region_only(tmp_path: Path) -> None:
    pair, truth = with_body()
    for letter, frame in (("a", pair.first), ("b", pair.second)):
        iio.imwrite(tmp_path / f"run_001{letter}.png", frame)
    spec = SourceSpec(tmp_path)
    shapes, share = automatic(CONTEXT, spec, 0, (40, 20, 120, 120))
    found = MaskSet(shapes).rasterise(0, pair.shape)
    assert found is not None
    assert share == pytest.approx(found.sum() / 120**2, abs=0.01)
    assert not found[:, 170:].any()
    assert (found & truth)[:, :170].sum() > 0.8 * truth[:, :170].sum()


def test_noise_alone_is_not_judged(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for letter in "ab":
        iio.imwrite(tmp_path / f"run_001{letter}.png", rng.integers(0, 9, (96, 128), np.uint8))
    assert automatic(CONTEXT, SourceSpec(tmp_path), 0) == ((), 0.0)


def test_a_pair_with_nothing_left_is_told(tmp_path: Path) -> None:
    white = np.full((96, 128), 255, np.uint8)
    white[:8, :8] = 20
    for letter in "ab":
        iio.imwrite(tmp_path / f"run_001{letter}.png", white)
    with pytest.raises(InputError, match="no moving particles were found"):
        automatic(CONTEXT, SourceSpec(tmp_path), 0)


def test_outlines_hold_what_they_were_made_of() -> None:
    mask = rasterise(Shape("ellipse", ((10, 10), (90, 60))), (72, 96))
    mask &= ~rasterise(Shape("rectangle", ((40, 25), (60, 45))), (72, 96))
    shapes = outlines(mask)
    assert [shape.subtract for shape in shapes] == [False, True]
    again = MaskSet(shapes).rasterise(0, mask.shape)
    assert again is not None
    assert (again ^ mask).sum() < 0.03 * mask.sum()
    assert outlines(np.zeros((40, 50), bool)) == ()


def test_pairs_of_a_folder(tmp_path: Path) -> None:
    info = source_info(write_images(tmp_path / "run", 1))
    shapes, share = automatic(CONTEXT, info.spec, 0)
    assert shapes == ()
    assert share == 0.0
