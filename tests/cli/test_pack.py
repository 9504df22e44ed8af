"""``piv pack``: what it makes, what it says, and what it refuses."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

import piv
from piv.cli import main
from piv.errors import PIVError
from piv.fingerprint import fingerprint
from piv.io import packing
from piv.io.dataset import TruePairs

SHAPE = (40, 52)
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def frames(rng: np.random.Generator) -> Any:
    return rng.integers(0, 4096, (6, *SHAPE)).astype(np.uint16)


@pytest.fixture
def images(tmp_path: Path, frames: Any) -> Path:
    folder = tmp_path / "Messung Nr. 1 – 渦"
    folder.mkdir()
    for n, frame in enumerate(frames):
        tifffile.imwrite(folder / f"run {n // 2}_{'ab'[n % 2]}.tif", frame)
    return folder


def _pack(*words: object) -> int:
    return main(["pack", *map(str, words)])


def test_a_folder_becomes_a_data_set(images: Path, frames: Any, capfd: Capture) -> None:
    out = images / "set.h5"
    words = ["--dt", "200us", "--pixel-size", "21um"]
    assert _pack(images, out, *words) == 0
    told, err = capfd.readouterr()
    assert err == ""
    assert "3 pair(s), paired ab: run 0_a.tif, run 0_b.tif ..." in told
    assert f"{out}: 3 pair(s) of 40 x 52 px (height x width), uint16, " in told
    assert told.endswith(" MB, verified\n")
    with h5py.File(out) as file:
        for name, start in (("frames/a", 0), ("frames/b", 1)):
            data = file[name]
            assert (data.dtype, data.chunks) == (np.uint16, (1, *SHAPE))
            assert (data.compression, data.fletcher32) == ("gzip", True)
            assert_array_equal(data, frames[start::2])
        assert file.attrs["dt"] == 2e-4
        assert file.attrs["pixel_size"] == 2.1e-5
        assert file.attrs["y_axis"] == "down"
        assert "mask" not in file
        hashes = file["sha256"].asstr()[()]
    with piv.open_pairs(out) as pairs:
        assert list(pairs.names) == [f"run {n}_a.tif, run {n}_b.tif" for n in range(3)]
        assert [fingerprint(pair) for pair in pairs] == list(hashes)


def test_the_sample_images_are_packed_and_what_is_left_out_is_told(
    sample_images: Path, tmp_path: Path, capfd: Capture
) -> None:
    assert _pack(sample_images, tmp_path / "set.h5") == 0
    told = capfd.readouterr().out
    assert "cylinder_wake_mask.tif, which by the name is no frame" in told
    assert "that are no images (.h5, .json, .md, .py, .toml)" in told
    with piv.open_pairs(tmp_path / "set.h5") as pairs:
        assert len(pairs) == 4
        for name, pair in zip(pairs.names, pairs, strict=True):
            first, second = name.split(", ")
            assert_array_equal(pair.first, tifffile.imread(sample_images / first))
            assert_array_equal(pair.second, tifffile.imread(sample_images / second))
        assert pairs.dtype == np.uint16  # 8-bit pairs lie beside 12- and 16-bit ones


def test_a_doubtful_pairing_waits_for_a_word(tmp_path: Path, frames: Any, capfd: Capture) -> None:
    source, out = tmp_path / "t.tif", tmp_path / "set.h5"
    tifffile.imwrite(source, frames, photometric="minisblack")
    assert _pack(source, out) == 2
    err = capfd.readouterr().err
    assert err.startswith("piv: error: ")
    assert err.count("\n") == 1
    assert "holds 6 frames in one sequence" in err
    assert "; give --pairing, or --yes for 1-2,3-4" in err
    assert not out.exists()
    assert _pack(source, out, "--yes") == 0
    assert_array_equal(h5py.File(out)["frames/b"], frames[1::2])
    assert _pack(source, out, "--pairing", "1-2,2-3", "--overwrite") == 0
    assert_array_equal(h5py.File(out)["frames/b"], frames[1:])


def test_a_data_set_can_be_packed_anew_with_all_it_knows(
    tmp_path: Path, frames: Any, rng: np.random.Generator
) -> None:
    masks = rng.random((3, *SHAPE)) < 0.2
    masks[0] = masks[1] = False
    u = rng.random((3, *SHAPE)).astype(np.float32)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["left"], file["right"] = frames[::2], frames[1::2]
        file["mask"], file["time"] = masks, [0.5, 1.5, 2.5]
        file["truth/u"], file["truth/v"], file["truth/seeded"] = u, -u, ~masks
        file["kind"] = ["shear", "wake", "wake"]
        file.attrs.update(dt=0.25, pixel_size=1e-5)
    assert _pack(tmp_path / "old.h5", tmp_path / "new.h5", "--frames", "left,right") == 0
    with piv.open_pairs(tmp_path / "new.h5") as pairs:
        assert (pairs.dt, pairs.pixel_size) == (0.25, 1e-5)
        assert_array_equal(pairs.time, [0.5, 1.5, 2.5])
        assert pairs[1].mask is None
        assert_array_equal(pairs[2].mask, masks[2])
    with TruePairs(tmp_path / "new.h5") as pairs:
        assert pairs.kinds == ["shear", "wake", "wake"]
        for n in range(3):
            assert_array_equal(pairs[n].u, u[n])
            assert_array_equal(pairs[n].v, -u[n])
            assert_array_equal(pairs[n].seeded, ~masks[n])


def test_one_mask_for_all_is_stored_once(images: Path, tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:9] = 255
    tifffile.imwrite(tmp_path / "m.tif", mask)
    assert _pack(images, tmp_path / "set.h5", "--mask", tmp_path / "m.tif") == 0
    with h5py.File(tmp_path / "set.h5") as file:
        assert_array_equal(file["mask"], mask != 0)
    assert_array_equal(piv.open_pairs(tmp_path / "set.h5")[2].mask, mask != 0)


def test_a_pair_that_cannot_be_read_is_left_out_and_told(
    images: Path, tmp_path: Path, frames: Any, capfd: Capture
) -> None:
    (images / "run 1_a.tif").write_bytes((images / "run 1_a.tif").read_bytes()[:-99])
    assert _pack(images, tmp_path / "set.h5") == 1
    told, err = capfd.readouterr()
    assert err.startswith("piv: left out: run 1_a.tif, run 1_b.tif: ")
    assert "truncated" in err
    assert ": 2 pair(s) of" in told
    with piv.open_pairs(tmp_path / "set.h5") as pairs:
        assert list(pairs.names) == [f"run {n}_a.tif, run {n}_b.tif" for n in (0, 2)]
        assert_array_equal(pairs[1].first, frames[4])


def test_where_no_pair_can_be_read_nothing_is_written(
    images: Path, tmp_path: Path, capfd: Capture
) -> None:
    for path in images.glob("*_a.tif"):
        path.write_bytes(path.read_bytes()[:-99])
    assert _pack(images, tmp_path / "set.h5") == 2
    assert "no pair can be read; the first one: run 0_a.tif" in capfd.readouterr().err
    assert sorted(tmp_path.iterdir()) == [images]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["set.csv"], "a data set is HDF5: "),
        (["no folder/set.h5"], "there is no folder"),
        (["set.h5", "--pairing", "2-1"], "unknown pairing '2-1'"),
        (["set.h5", "--frames", "x"], "inside an HDF5 file"),
        (["set.h5", "--dt", "-1us"], "a positive time"),
        (["set.h5", "--mask", "nowhere.tif"], "there is no such file"),
        (["set.h5", "--pairs", "3"], "unknown option --pairs"),
    ],
)
def test_what_cannot_be_is_one_line(
    images: Path, capfd: Capture, words: list[str], message: str
) -> None:
    before = sorted(images.iterdir())
    assert _pack(images, images / words[0], *words[1:]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert sorted(images.iterdir()) == before


def test_an_input_is_never_overwritten(tmp_path: Path, frames: Any, capfd: Capture) -> None:
    path = tmp_path / "d.h5"
    with h5py.File(path, "w") as file:
        file["frames/a"], file["frames/b"] = frames[::2], frames[1::2]
    before = path.read_bytes()
    assert _pack(path, path, "--overwrite") == 2
    assert "it is one of the inputs" in capfd.readouterr().err
    assert _pack(tmp_path / "other.h5", path) == 2
    assert path.read_bytes() == before


def test_an_existing_data_set_stays_until_the_new_one_is_whole(
    images: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set.h5"
    out.write_bytes(b"old")
    assert _pack(images, out) == 2
    assert "add --overwrite" in capfd.readouterr().err

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packing, "_verify", full)
    assert _pack(images, out, "--overwrite") == 2
    assert "No space left on device" in capfd.readouterr().err
    assert out.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == sorted([images, out])


def test_what_reads_back_differently_does_not_get_the_name(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resize = h5py.Dataset.resize

    def spoil(self: Any, size: int, axis: int) -> None:
        resize(self, size, axis=axis)
        if self.name == "/frames/b":
            self[1, 7, 7] = self[1, 7, 7] ^ 1

    monkeypatch.setattr(h5py.Dataset, "resize", spoil)
    with (
        piv.open_pairs(images) as pairs,
        pytest.raises(PIVError, match="pair 1 reads back differently"),
    ):
        packing.pack(pairs, tmp_path / "set.h5")
    assert sorted(tmp_path.iterdir()) == [images]


def test_progress_counts_every_pair_twice(images: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    with piv.open_pairs(images) as pairs:
        packed = packing.pack(pairs, tmp_path / "set.h5", progress=lambda: steps.append(1))
    assert (packed.count, packed.failures, len(steps)) == (3, (), 6)
