"""Session files: everything comes back, from anywhere, and nothing half-written is ever opened."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from desktop.stand_ins import SHAPE, an_analysis, source_info, write_images
from gui import sessionfile
from gui.masks import ImportedMask, MaskSet, Shape
from gui.recent import LONGEST, MOST, Recent
from gui.session import Session
from gui.sessionfile import DATA, read, restore, save, snapshot
from gui.state import (
    Box,
    CalibrationState,
    DisplayOptions,
    FieldEdits,
    ResultEntry,
    Selection,
    SourceInfo,
)
from piv.errors import InputError, PIVError
from piv.io.sources import SourceSpec
from piv.io.store import write_analysis
from piv.settings import Settings, ValidateSettings, apply_assignments

EDITS = FieldEdits(
    frozenset({(1, 2), (3, 4)}), frozenset({(50, 60)}), (Box("dense", 1.5, 2, 30, 40.25),),
    ValidateSettings(median_threshold=3.0), ((-1.0, -2.0), (5.5, -2.0), (5.0, 6.0)),
)  # fmt: skip


@pytest.fixture
def full(opened: Session) -> Session:
    """A session in which nothing has its default."""
    imported = ImportedMask(np.indices(SHAPE).sum(0) % 7 == 0, "Wand.png", 2)
    shapes = (
        Shape("polygon", ((1.5, 2.0), (30.0, 4.0), (20.0, 40.0))),
        Shape("ellipse", ((10.0, 10.0), (20.0, 30.0)), subtract=True, name="cylinder", margin=-1),
    )
    own = {1: (Shape("freehand", ((5.0, 5.0), (9.0, 5.0), (7.0, 9.0))),)}
    opened.set_masks(MaskSet(shapes, own, imported))
    words = ["correlate.windows=[[64, 32], [16, 16]]", "preprocess.region=[4, 2, 80, 64]"]
    opened.set_settings(apply_assignments(Settings(), words))
    opened.set_model("none")
    opened.set_calibration(CalibrationState(2.5e-5, (12.5, 40.0), 3e-4, "12 mm over 480 px"))
    opened.set_index(1)
    opened.set_display(
        frame="b", image_levels=(3.0, 180.0), quantity="vorticity", stage="compare",
        compare_at=0.25, opacity=0.75, colour_map="magma", colour_range=(-2.0, 2.0),
        range_locked=True, vectors=False, vector_step=7, vector_scale=2.5, streamlines=True,
        texture=True, subtract="chosen", subtracted=(1.0, -0.5), show_image=False,
        show_masks=False,
    )  # fmt: skip
    opened.set_selection(point=(3.25, 4.0), line=((1.0, 2.0), (30.0, 40.0)), circle=(9.0, 8.0, 5.5))
    opened.set_result(0, ResultEntry(0, None, "the frame has no contrast"))
    opened.set_result(1, ResultEntry(1, an_analysis(), None, 2.25, EDITS))
    return opened


def reopened(path: Path, **given) -> tuple[Session, sessionfile.Loaded]:
    loaded = read(path, **given)
    session = Session()
    restore(session, loaded, path)
    return session, loaded


def same_field(a, b) -> None:
    for name in ("x", "y", "u", "v", "flags", "uncertainty_u", "uncertainty_v"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype
    assert (a.dt, a.units, a.y_axis) == (b.dt, b.units, b.y_axis)
    assert a.extra.keys() == b.extra.keys()
    for name in a.extra:
        np.testing.assert_array_equal(a.extra[name], b.extra[name])


def same_spec(a: SourceSpec, b: SourceSpec) -> None:
    for item in dataclasses.fields(SourceSpec):
        one, other = getattr(a, item.name), getattr(b, item.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
        else:
            assert one == other, item.name


def test_everything_comes_back(full, tmp_path):
    path = tmp_path / "Versuch 7.pivsession"
    save(full, path)
    assert full.path == path
    assert not full.dirty
    back, loaded = reopened(path)
    assert (loaded.missing, loaded.notes) == ((), ())
    for name in ("index", "settings", "model", "masks", "calibration", "display", "selection"):
        assert getattr(back, name) == getattr(full, name), name
    assert back.display != DisplayOptions()
    assert back.selection != Selection()
    assert (back.path, back.dirty, back.can_undo) == (path, False, False)
    assert back.source is not None
    assert full.source is not None
    same_spec(back.source.spec, full.source.spec)
    assert dataclasses.replace(back.source, spec=full.source.spec) == full.source
    np.testing.assert_array_equal(back.mask_for(1), full.mask_for(1))
    assert back.results[0].error == "the frame has no contrast"
    assert back.results[0].analysis is None
    entry, known = back.results[1], full.results[1]
    assert (entry.seconds, entry.edits) == (2.25, EDITS)
    assert entry.analysis is not None
    assert known.analysis is not None
    same_field(entry.analysis.coarse, known.analysis.coarse)
    same_field(entry.analysis.dense, known.analysis.dense)
    assert entry.analysis.provenance == known.analysis.provenance
    assert entry.analysis.quality["valid"] == 97.5
    assert math.isnan(entry.analysis.quality["particle_diameter"])
    assert entry.analysis.coarse.attrs["windows"] == [[32, 32], [16, 16]]
    with back.source.spec.open() as source:
        assert source[1].shape == SHAPE


def test_an_empty_session_comes_back(session, tmp_path):
    path = tmp_path / "empty.pivsession"
    save(session, path)
    back, loaded = reopened(path)
    assert (back.source, back.results, loaded.missing) == (None, {}, ())
    assert not path.with_name(path.name + DATA).exists()


def test_the_whole_field_is_kept_whatever_a_batch_would_store(full, tmp_path):
    save(full, tmp_path / "s.pivsession")
    back, _ = reopened(tmp_path / "s.pivsession")
    analysis = back.results[1].analysis
    assert analysis.dense.shape == SHAPE
    assert analysis.provenance["settings"]["output"] == {"stride": 4, "region": []}
    assert analysis.dense.attrs["settings"]["output"] == {"stride": 4, "region": []}


def test_it_is_found_again_after_the_folder_moved(full, images, tmp_path):
    home = tmp_path / "before"
    home.mkdir()
    shutil.move(images, home / "images")
    full.set_source(source_info(home / "images"))
    full.set_result(0, ResultEntry(0, an_analysis()))
    save(full, home / "s.pivsession")
    moved = tmp_path / "an anderer Stelle" / "nested"
    shutil.move(home, moved)
    back, loaded = reopened(moved / "s.pivsession")
    assert loaded.missing == ()
    assert back.source is not None
    assert back.source.spec.path == moved / "images"
    assert 0 in back.results
    with back.source.spec.open() as source:
        assert source[0].shape == SHAPE


def test_a_session_file_that_moved_alone_finds_its_images_where_they_were(full, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    other = tmp_path / "a" / "b"
    other.mkdir(parents=True)
    shutil.move(path, other / path.name)
    shutil.move(str(path) + DATA, str(other / path.name) + DATA)
    back, loaded = reopened(other / path.name)
    assert loaded.missing == ()
    assert back.source.spec.path == full.source.spec.path
    assert 1 in back.results


def test_of_two_folders_the_one_with_the_same_content_is_taken(full, images, tmp_path):
    """A copy of the session beside other images of the same names."""
    path = tmp_path / "s.pivsession"
    save(full, path)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(path, other)
    shutil.copytree(str(path) + DATA, str(other / path.name) + DATA)
    write_images(other / images.name, count=2, shape=(64, 80))
    back, loaded = reopened(other / path.name)
    assert back.source.spec.path == images
    assert (loaded.missing, loaded.notes) == ((), ())


def test_missing_images_are_named_and_can_be_found(full, images, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    shutil.move(images, tmp_path / "somewhere else")
    back, loaded = reopened(path)
    assert loaded.missing == (images,)
    assert back.source is None
    assert back.results[1].analysis is not None  # results can be looked at without their images
    assert back.shape == SHAPE
    assert back.index == 1
    (tmp_path / "other").mkdir()
    save(back, tmp_path / "other" / "again.pivsession")  # what was not found is not forgotten
    _, loaded = reopened(tmp_path / "other" / "again.pivsession")
    assert loaded.missing == (images,)
    back, loaded = reopened(path, found={images: tmp_path / "somewhere else"})
    assert loaded.missing == ()
    assert back.source.spec.path == tmp_path / "somewhere else"
    assert back.masks == full.masks
    back, loaded = reopened(path, found={images: tmp_path / "nowhere"})
    assert loaded.missing == (images,)


def test_a_folder_in_which_one_image_is_missing_names_it_and_opens(full, images, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    (images / "run_002b.tif").unlink()
    back, loaded = reopened(path)
    assert back.source is not None
    assert any("run_002b.tif" in note for note in loaded.notes)


def test_changed_images_are_told(full, images, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    shutil.copy(images / "run_002a.tif", images / "run_001a.tif")
    back, loaded = reopened(path)
    assert back.source is not None
    assert any("has changed" in note for note in loaded.notes)


def test_images_of_another_size_are_not_those_of_the_session(full, images, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    write_images(images, shape=(64, 80))
    back, loaded = reopened(path)
    assert loaded.missing == (images,)
    assert back.source is None
    assert any("does not hold the pairs" in note for note in loaded.notes)


def test_two_images_keep_their_names(session, images, tmp_path):
    """As the window opens them: the path is the first image, the source its folder."""
    info = source_info(images)
    spec = dataclasses.replace(info.spec, files=(("run_002a.tif", "run_002b.tif"),))
    info = dataclasses.replace(
        info, path=images / "run_002a.tif", spec=spec, names=("run_002a.tif, run_002b.tif",)
    )
    session.set_source(info)
    save(session, tmp_path / "s.pivsession")
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(images, moved)
    shutil.move(tmp_path / "s.pivsession", moved)
    back, loaded = reopened(moved / "s.pivsession")
    assert loaded.missing == ()
    assert back.source.path == moved / images.name / "run_002a.tif"
    assert back.source.spec.files == (("run_002a.tif", "run_002b.tif"),)


@pytest.mark.parametrize("kind", ["array", "file"])
def test_the_mask_of_the_source_comes_back(session, images, tmp_path, kind):
    mask = np.zeros(SHAPE, bool)
    mask[10:20, 30:60] = True
    if kind == "file":
        import imageio.v3 as iio

        iio.imwrite(tmp_path / "mask.png", mask.astype(np.uint8) * 255)
    given = tmp_path / "mask.png" if kind == "file" else mask
    info = source_info(images)
    session.set_source(dataclasses.replace(info, spec=dataclasses.replace(info.spec, mask=given)))
    save(session, tmp_path / "s.pivsession")
    back, loaded = reopened(tmp_path / "s.pivsession")
    assert loaded.notes == ()
    with back.source.spec.open() as source:
        np.testing.assert_array_equal(source[0].mask, mask)
    if kind == "file":
        (tmp_path / "mask.png").unlink()
        _, loaded = reopened(tmp_path / "s.pivsession")
        assert any("mask.png is missing" in note for note in loaded.notes)


def test_a_data_set_in_one_file_is_known_by_its_content(session, tmp_path, rng):
    frames = rng.integers(0, 255, (2, 2, 64, 80), dtype=np.uint8)
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["frames/a"], file["frames/b"] = frames
    with SourceSpec(path).open() as source:
        info = SourceInfo(
            path, source.spec, source.kind, tuple(source.names), source.shape, dt=2e-3,
            dt_known=True, pixel_size=1e-5, pairing=None, truth=True,
        )  # fmt: skip
    session.set_source(info)
    assert session.calibration == CalibrationState(1e-5, dt=2e-3)
    save(session, tmp_path / "s.pivsession")
    back, loaded = reopened(tmp_path / "s.pivsession")
    assert loaded.notes == ()
    assert dataclasses.replace(back.source, spec=info.spec) == info


def test_an_opened_store_comes_back_with_what_was_edited(session, tmp_path):
    from gui.compute.tasks.sources import store

    path = tmp_path / "results.h5"
    write_analysis(path, an_analysis())
    session.set_store(store(None, path))
    session.set_result(0, ResultEntry(0, an_analysis()), work=False)
    session.set_edits(0, EDITS)
    save(session, tmp_path / "s.pivsession")
    assert not Path(f"{tmp_path / 's.pivsession'}{DATA}").exists()
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("results.h5", "s.pivsession"):
        shutil.move(tmp_path / name, moved)
    back, loaded = reopened(moved / "s.pivsession")
    assert loaded.missing == ()
    assert back.store.path == moved / "results.h5"
    assert back.results == {}
    assert back.store_edits == {0: EDITS}
    (moved / "results.h5").unlink()
    back, loaded = reopened(moved / "s.pivsession")
    assert loaded.missing == (path,)
    assert back.store is None


def test_weights_of_a_file_are_found_again(opened, tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"not looked into")
    opened.set_model(str(weights))
    save(opened, tmp_path / "s.pivsession")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("mine.safetensors", "s.pivsession"):
        shutil.move(tmp_path / name, moved)
    back, _ = reopened(moved / "s.pivsession")
    assert back.model == str(moved / "mine.safetensors")
    (moved / "mine.safetensors").unlink()
    _, loaded = reopened(moved / "s.pivsession")
    assert any("weights" in note and "missing" in note for note in loaded.notes)


def test_results_are_written_once_and_old_ones_go(full, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    data = path.with_name(path.name + DATA)
    (first,) = data.iterdir()
    written = first.stat().st_mtime_ns
    full.set_edits(1, FieldEdits())
    full.set_result(0, ResultEntry(0, an_analysis(seed=3)))
    save(full, path)
    assert first.stat().st_mtime_ns == written
    assert len(list(data.iterdir())) == 2
    full.set_result(1, ResultEntry(1, an_analysis(seed=9)))
    save(full, path)
    assert not first.exists()
    assert len(list(data.iterdir())) == 2
    full.clear_results()
    save(full, path)
    assert not data.exists()


def test_what_is_saved_is_the_session_of_that_moment(full, tmp_path):
    state = snapshot(full)
    full.clear_results()
    full.set_model("default")
    sessionfile.write(state, tmp_path / "s.pivsession")
    back, _ = reopened(tmp_path / "s.pivsession")
    assert back.model == "none"
    assert sorted(back.results) == [0, 1]


def test_a_failing_disk_leaves_the_older_file_whole(full, tmp_path, monkeypatch):
    path = tmp_path / "s.pivsession"
    save(full, path)
    before = path.read_bytes()
    full.set_result(0, ResultEntry(0, an_analysis(seed=5)))

    def refuse(*_, **__):
        raise PIVError("cannot write: No space left on device")

    monkeypatch.setattr(sessionfile, "write_analysis", refuse)
    with pytest.raises(PIVError, match="No space left"):
        save(full, path)
    assert path.read_bytes() == before
    assert full.dirty
    monkeypatch.undo()
    back, loaded = reopened(path)
    assert loaded.notes == ()
    assert back.results[1].analysis is not None


FULL = """
import resource
from pathlib import Path
from desktop.stand_ins import an_analysis
from gui.session import Session
from gui.sessionfile import save
from gui.state import ResultEntry
from piv.errors import PIVError
session = Session()
path = Path({path!r})
session.set_result(0, ResultEntry(0, an_analysis((64, 80))))
save(session, path)
session.set_result(1, ResultEntry(1, an_analysis((300, 320), seed=2)))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    save(session, path)
except PIVError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_full_disk_is_one_line_and_the_older_file_stays(tmp_path):
    path = tmp_path / "s.pivsession"
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(path=str(path))],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert "cannot write" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    back, loaded = reopened(path)
    assert (sorted(back.results), loaded.notes) == ([0], ())
    names = [each.name for each in path.with_name(path.name + DATA).iterdir()]
    assert [name[:11] for name in names] == ["pair_000000"]


def test_a_lost_result_is_told_and_the_others_come(full, tmp_path):
    path = tmp_path / "s.pivsession"
    full.set_result(0, ResultEntry(0, an_analysis(seed=5)))
    save(full, path)
    data = path.with_name(path.name + DATA)
    gone = next(data.glob("pair_000001*"))
    gone.write_bytes(gone.read_bytes()[:900])
    back, loaded = reopened(path)
    assert sorted(back.results) == [0]
    assert any("pair 2 is lost" in note for note in loaded.notes)


def spoilt(path: Path, change) -> None:
    plain = json.loads(path.read_text("utf-8"))
    change(plain)
    path.write_text(json.dumps(plain), "utf-8")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.update(format="something"), "no session file"),
        (lambda p: p.update(version=99), "newer"),
        (lambda p: p.update(version="x"), "newer"),
        (lambda p: p.pop("settings"), "damaged"),
        (lambda p: p.update(results=7), "damaged"),
        (lambda p: p["source"].update(shape=[3]), "damaged"),
        (lambda p: p.update(masks={"shapes": [{"kind": "circle"}]}), "damaged"),
        (lambda p: p["calibration"].update(dt=-1.0), "dt must be"),
        (lambda p: p["masks"]["imported"].update(pixels="xx"), "damaged"),
    ],
    ids=["format", "version", "no number", "part", "kind", "shape", "masks", "dt", "pixels"],
)
def test_damaged_files_end_in_one_line(full, tmp_path, change, says):
    path = tmp_path / "s.pivsession"
    save(full, path)
    spoilt(path, change)
    with pytest.raises(InputError, match=says) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\0", b"null"])
def test_what_is_no_session_file_is_refused(tmp_path, content):
    path = tmp_path / "s.pivsession"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no session file"):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / "no.pivsession")


def test_settings_of_another_version_are_told_and_the_rest_comes(full, tmp_path):
    path = tmp_path / "s.pivsession"
    save(full, path)
    spoilt(path, lambda p: p["settings"]["refine"].update(temperature=3))
    spoilt(path, lambda p: p["display"].update(hologram=True))
    back, loaded = reopened(path)
    assert back.settings == Settings()
    assert any("temperature" in note for note in loaded.notes)
    assert back.display == full.display
    assert 1 in back.results


def test_restoring_tells_every_topic_and_leaves_nothing_of_before(full, tmp_path, images):
    from gui.session import Topic

    save(full, tmp_path / "s.pivsession")
    session = Session()
    session.set_source(source_info(images))
    session.set_result(0, ResultEntry(0, an_analysis(seed=8)))
    told = []
    for topic in Topic:
        session.subscribe(topic, lambda topic=topic: told.append(topic))
    restore(session, read(tmp_path / "s.pivsession"), None)
    assert sorted(told) == sorted(Topic)
    assert session.results[0].analysis is None
    assert session.path is None


# recent files


def test_recent_files_are_newest_first_without_doubles(tmp_path):
    recent = Recent(tmp_path / "home")
    assert recent.entries() == []
    a, b, c = (tmp_path / name for name in ("a.tif", "b.tif", "ç.h5"))
    recent.add([a, b])
    recent.add([c])
    recent.add([a, b])
    assert recent.entries() == [(a, b), (c,)]
    assert Recent(tmp_path / "home").entries() == [(a, b), (c,)]
    recent.remove([a, b])
    assert recent.entries() == [(c,)]
    recent.clear()
    assert recent.entries() == []


def test_recent_files_are_few(tmp_path):
    recent = Recent(tmp_path)
    for n in range(MOST + 5):
        recent.add([tmp_path / str(n)])
    recent.add([tmp_path / str(n) for n in range(LONGEST + 1)])
    recent.add([])
    assert len(recent.entries()) == MOST
    assert recent.entries()[0] == (tmp_path / str(MOST + 4),)


@pytest.mark.parametrize("content", ["", "{", "7", '[["a", 3], "b", [], ["/x"]]'])
def test_a_damaged_list_is_none(tmp_path, content):
    (tmp_path / "recent.json").write_text(content)
    assert len(Recent(tmp_path).entries()) == (1 if "/x" in content else 0)


def test_a_list_that_cannot_be_written_disturbs_nobody(tmp_path):
    (tmp_path / "file").write_text("in the way")
    recent = Recent(tmp_path / "file")
    recent.add([tmp_path / "a"])
    assert recent.entries() == []
