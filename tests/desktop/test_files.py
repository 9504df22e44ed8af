"""Opening whatever a user has, in the whole program: it opens, or one plain line says why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent
from PyQt6.QtWidgets import QApplication

import piv
from desktop.whole import (
    Answers,
    calm,
    end,
    frames,
    open_now,
    start,
    until,
    write_data_set,
    write_folder,
    write_pair,
)
from gui.program import Program
from gui.sessionfile import save


@pytest.fixture(scope="module")
def running(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = start(tmp_path_factory.mktemp("home"))
    yield program
    end(program)


@pytest.fixture
def program(running: Program) -> Program:
    """The program with nothing open."""
    running.session.reset()
    running.dialogs = Answers()  # type: ignore[assignment]
    running.tell.messages.clear()
    calm(running)
    return running


def _said(program: Program) -> tuple[str, str]:
    last = program.tell.last
    assert last is not None
    return last.level, last.text


def _shown(program: Program) -> np.ndarray[Any, Any]:
    """The first frame as it is on the canvas."""
    pair = program.controllers["pairs"].pair
    assert pair is not None
    return np.asarray(pair["a"].levels[0])


# what can be opened


def test_two_images(program: Program, tmp_path: Path) -> None:
    first, second = write_pair(tmp_path / "mit Leerzeichen ä")
    open_now(program, first, second)
    source = program.session.source
    assert source is not None
    assert source.path == first
    assert source.count == 1
    assert source.shape == (96, 128)
    np.testing.assert_array_equal(_shown(program), tifffile.imread(first))
    assert _said(program)[0] == "info"
    assert not program.window.canvas.isHidden()


def test_two_images_in_the_order_given_on_the_command_line(
    program: Program, tmp_path: Path
) -> None:
    first, second = write_pair(tmp_path)
    open_now(program, second, first)
    np.testing.assert_array_equal(_shown(program), tifffile.imread(second))


def test_dropped_images_are_sorted_as_they_come_in_any_order(
    program: Program, tmp_path: Path
) -> None:
    first, second = write_pair(tmp_path)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in (second, first)])
    event = QDropEvent(
        QPointF(99, 99), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    program.window.dropEvent(event)
    calm(program)
    np.testing.assert_array_equal(_shown(program), tifffile.imread(first))


def test_many_images_are_paired_by_their_names(program: Program, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "run", 3)
    chosen = sorted(folder.iterdir())[:4]
    open_now(program, *chosen)
    source = program.session.source
    assert source is not None
    assert source.names == ("img_001_a.tif, img_001_b.tif", "img_002_a.tif, img_002_b.tif")


def test_a_folder(program: Program, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "run", 3)
    open_now(program, folder)
    assert program.session.count == 3
    assert program.session.source is not None
    assert program.session.source.pairing == "ab"


def test_a_data_set_with_its_scale_and_time(program: Program, tmp_path: Path) -> None:
    open_now(program, write_data_set(tmp_path / "set.h5"))
    assert program.session.count == 3
    assert program.session.calibration.dt == 0.002
    assert program.session.calibration.pixel_size == 2e-5


def test_a_tif_of_two_pages_and_one_of_many(program: Program, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "two.tif", frames(2))
    open_now(program, tmp_path / "two.tif")
    assert program.session.count == 1
    tifffile.imwrite(tmp_path / "many.tif", frames(5))
    open_now(program, tmp_path / "many.tif")
    assert program.session.count == 4
    level, text = _said(program)
    assert level == "warning"
    assert "not certain" in text
    assert "1-2,2-3 was taken" in text


def test_a_list(program: Program, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "run", 2)
    names = sorted(path.name for path in folder.iterdir())
    listed = tmp_path / "pairs.txt"
    listed.write_text(f"run/{names[0]}, run/{names[1]}\n", encoding="utf-8")
    open_now(program, listed)
    assert program.session.count == 1


def test_a_video(program: Program, tmp_path: Path) -> None:
    import cv2

    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 10, (128, 96), isColor=False
    )
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write FFV1")
    for frame in frames(4):
        writer.write(frame)
    writer.release()
    open_now(program, tmp_path / "v.avi")
    assert program.session.count == 3
    assert _said(program)[0] == "warning"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three pairs without their images, one of them failed."""
    folder = tmp_path_factory.mktemp("results")
    path = write_data_set(folder / "set.h5")
    settings = piv.Settings()
    with (
        piv.open_pairs(path) as pairs,
        piv.open_store(folder / "r.h5", pairs, settings=settings, model=None) as store,
    ):
        for n in (0, 1):
            store.put(n, piv.analyse(pairs[n], settings=settings, model=None))
        store.put(2, "no contrast")
    path.unlink()
    return folder / "r.h5"


def test_results_open_without_their_images(program: Program, results: Path) -> None:
    open_now(program, results)
    session = program.session
    assert session.source is None
    assert session.store is not None
    assert session.count == 3
    assert session.shape == (96, 128)
    assert session.store.statuses == (1, 1, 2)
    until(lambda: session.result is not None)
    assert session.result is not None
    assert session.result.analysis is not None
    assert "results of 2 of 3 pairs, 1 failed" in program.tell.messages[0].text


def test_a_session_that_was_saved_opens_by_dropping_it(program: Program, tmp_path: Path) -> None:
    first, second = write_pair(tmp_path)
    open_now(program, first, second)
    save(program.session, tmp_path / "s.pivsession")
    program.session.reset()
    open_now(program, tmp_path / "s.pivsession")
    until(lambda: program.session.count == 1)
    assert program.session.path == tmp_path / "s.pivsession"
    until(lambda: program.controllers["pairs"].pair is not None)


def test_settings_are_loaded_by_dropping_them(program: Program, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("[correlate]\nwindows = [48, 24]\n", encoding="utf-8")
    open_now(program, tmp_path / "s.toml")
    until(lambda: program.session.settings.correlate.windows == (48, 24))


# pairing


def test_the_pairing_can_be_changed_and_one_that_does_not_fit_is_refused(
    program: Program, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "many.tif", frames(6))
    open_now(program, tmp_path / "many.tif")
    panel = program.controllers["pairs"].panel
    assert program.session.count == 3
    panel.pairing_chosen.emit("1-2,2-3")
    calm(program)
    assert program.session.count == 5
    assert panel.pairing.currentData() == "1-2,2-3"
    panel.pairing_chosen.emit("jump:4")
    calm(program)
    assert program.session.count == 2
    panel.pairing_chosen.emit("jump:50")
    calm(program)
    assert program.session.count == 2
    assert _said(program)[0] == "error"
    assert panel.jump.value() == 4


def test_frames_can_be_exchanged(program: Program, tmp_path: Path) -> None:
    first, second = write_pair(tmp_path)
    open_now(program, first, second)
    program.window.action("image.swap").trigger()
    calm(program)
    np.testing.assert_array_equal(_shown(program), tifffile.imread(second))
    tifffile.imwrite(tmp_path / "two.tif", frames(2))
    open_now(program, tmp_path / "two.tif")
    program.window.action("image.swap").trigger()
    assert _said(program)[0] == "warning"


# what cannot be opened


def _text(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _small(folder: Path) -> tuple[Path, ...]:
    return write_pair(folder, shape=(20, 24))


def _mismatched(folder: Path) -> tuple[Path, ...]:
    first, second = write_pair(folder)
    tifffile.imwrite(second, frames(1, (80, 128))[0])
    return first, second


def _truncated(folder: Path) -> tuple[Path, ...]:
    first, second = write_pair(folder)
    second.write_bytes(second.read_bytes()[:2000])
    return first, second


def _colour(folder: Path) -> tuple[Path, ...]:
    paths = folder / "c1.png", folder / "c2.png"
    for path in paths:
        iio.imwrite(path, np.dstack([frames(1)[0]] * 3))
    return paths


def _cut_data_set(folder: Path) -> tuple[Path, ...]:
    path = write_data_set(folder / "cut.h5")
    path.write_bytes(path.read_bytes()[:3000])
    return (path,)


def _no_frames(folder: Path) -> tuple[Path, ...]:
    with h5py.File(folder / "n.h5", "w") as file:
        file["numbers"] = np.arange(5)
    return (folder / "n.h5",)


def _empty_folder(folder: Path) -> tuple[Path, ...]:
    (folder / "nothing").mkdir()
    return (folder / "nothing",)


def _mixed(folder: Path) -> tuple[Path, ...]:
    return (write_pair(folder)[0], write_data_set(folder / "m.h5"))


WRONG = {
    "gone": (lambda f: (f / "gone.tif",), "there is no file or folder"),
    "one image": (lambda f: write_pair(f)[:1], "both images together"),
    "empty": (lambda f: (_text(f / "e.h5", b""),), "is empty"),
    "no image": (lambda f: (_text(f / "t.tif", b"hello"), _text(f / "u.tif", b"hi")), "image"),
    "words": (lambda f: (_text(f / "w.doc", b"Dear Sir or Madam" * 9),), "w.doc"),
    "list": (lambda f: (_text(f / "l.txt", b"one\ntwo three four\n"),), "l.txt"),
    "sizes": (_mismatched, "differ in shape"),
    "small": (_small, "at least 32 x 32"),
    "truncated": (_truncated, "truncated"),
    "colour": (_colour, "colour"),
    "cut data set": (_cut_data_set, "cut.h5"),
    "no frames": (_no_frames, "n.h5"),
    "empty folder": (_empty_folder, "holds no images"),
    "mixed": (_mixed, "choose image files only"),
    "settings": (lambda f: (_text(f / "s.toml", b"[nothing]\nx = 1\n"),), "unknown settings table"),
    "session": (lambda f: (_text(f / "s.pivsession", b"{"),), "s.pivsession"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_opened_is_told_in_one_line_and_what_is_open_stays(
    program: Program, tmp_path: Path, kind: str
) -> None:
    first, second = write_pair(tmp_path / "good")
    open_now(program, first, second)
    make, words = WRONG[kind]
    program.tell.messages.clear()
    open_now(program, *make(tmp_path))
    until(lambda: program.tell.last is not None)
    level, text = _said(program)
    assert level == "error"
    assert words in text
    assert "Traceback" not in text
    assert len(text) < 500
    assert program.session.source is not None
    assert program.session.source.path == first
    assert program.window.message_bar.text == text


def test_a_data_set_of_unknown_names_asks_which_are_the_frames(
    program: Program, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["left"] = frames(4)
        file["right"] = frames(4, seed=8)
    answers = program.dialogs
    assert isinstance(answers, Answers)
    answers.choice = "right"
    open_now(program, tmp_path / "odd.h5")
    assert program.session.count == 3
    assert answers.asked == ["Frames of the data set"]
    np.testing.assert_array_equal(_shown(program), frames(1, seed=8)[0])


def test_a_pair_that_cannot_be_read_does_not_keep_the_others_from_being_seen(
    program: Program, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "run", 3)
    (folder / "img_002_b.tif").write_bytes(b"II*\0 and nothing more")
    open_now(program, folder)
    assert program.session.count == 3
    program.session.set_index(1)
    calm(program)
    assert program.controllers["pairs"].pair is None
    assert _said(program)[0] == "error"
    assert "img_002_b.tif" in _said(program)[1]
    program.session.set_index(2)
    calm(program)
    np.testing.assert_array_equal(_shown(program), tifffile.imread(folder / "img_003_a.tif"))


def test_cancelling_while_it_opens_leaves_what_is_open(program: Program, tmp_path: Path) -> None:
    first, second = write_pair(tmp_path)
    open_now(program, first, second)
    program.controllers["files"].open_paths([write_folder(tmp_path / "run", 2)])
    assert program.window.busy
    program.window.cancel()
    calm(program)
    assert program.session.source is not None
    assert program.session.source.path == first
    assert not program.window.busy
    open_now(program, tmp_path / "run")
    assert program.session.count == 2


# recent files


def test_recent_files_open_again_both_images_of_a_pair_too(
    program: Program, tmp_path: Path
) -> None:
    files = program.controllers["files"]
    files.recent.clear()
    first, second = write_pair(tmp_path)
    folder = write_folder(tmp_path / "run", 2)
    open_now(program, first, second)
    open_now(program, folder)
    menu = program.window.action("file.recent").menu()
    assert menu is not None
    assert menu.actions()[0].text().startswith("run")
    menu.actions()[1].trigger()
    calm(program)
    assert program.session.source is not None
    assert program.session.source.path == first
    menu.actions()[-1].trigger()
    assert files.recent.entries() == []


def test_closing_what_is_open_shows_what_to_do_first(program: Program, tmp_path: Path) -> None:
    open_now(program, *write_pair(tmp_path))
    assert program.window.welcome.isHidden()
    program.window.action("file.close").trigger()
    calm(program)
    assert program.session.count == 0
    assert not program.window.welcome.isHidden()
    assert not program.window.action("analysis.run").isEnabled()
