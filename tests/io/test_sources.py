"""Sources of image pairs: what is read, from where, and the one line for what cannot be."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

import piv
from piv.errors import InputError
from piv.io.dataset import TruePairs
from piv.io.sources import DoubtfulPairing, PairSource, open_pairs

SHAPE = (40, 52)
N = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Meßdaten 水 a"
    path.mkdir()
    return path


@pytest.fixture
def frames(rng: np.random.Generator) -> Any:
    """12-bit frames of a camera, (2 N, H, W)."""
    return rng.integers(0, 4096, (2 * N, *SHAPE)).astype(np.uint16)


def _write(path: Path, **data: Any) -> Path:
    """An HDF5 file; ``__`` in a name is a slash, ``_name`` an attribute."""
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            if name.startswith("_"):
                file.attrs[name[1:]] = values
            else:
                file[name.replace("__", "/")] = values
    return path


def _plain(folder: Path, frames: Any, **more: Any) -> Path:
    return _write(folder / "d.h5", frames__a=frames[::2], frames__b=frames[1::2], **more)


def _same(source: PairSource, frames: Any, places: list[tuple[int, int]]) -> None:
    assert len(source) == len(source.names) == len(places)
    for pair, (first, second) in zip(source, places, strict=True):
        assert pair.first.dtype == frames.dtype
        assert pair.first.flags.writeable  # or torch warns
        assert pair.second.flags.writeable
        assert_array_equal(pair.first, frames[first])
        assert_array_equal(pair.second, frames[second])


DOUBLE = [(2 * n, 2 * n + 1) for n in range(N)]
SERIES = [(n, n + 1) for n in range(2 * N - 1)]


# HDF5


def test_two_data_sets_of_frames_are_all_that_is_needed(folder: Path, frames: Any) -> None:
    with piv.open_pairs(_plain(folder, frames)) as source:
        _same(source, frames, DOUBLE)
        assert (source.shape, source.dtype) == (SHAPE, np.uint16)
        assert (source.dt, source.pixel_size, source.time) == (1.0, None, None)
        assert not source.dt_known
        assert source.notes == []
        assert list(source.names) == [f"pair {n}" for n in range(N)]
        assert source[3].name == "d.h5 pair 3"
        assert source[3].mask is None
        assert_array_equal(source[-1].first, source[N - 1].first)
        with pytest.raises(IndexError):
            source[N]


def test_what_the_file_knows_comes_along(folder: Path, frames: Any) -> None:
    path = _plain(
        folder, frames, _dt=2e-4, _pixel_size=np.array([2.1e-5]), _y_axis="down",
        time=np.arange(N) / 7, name=[f"run {n}" for n in range(N)],
    )  # fmt: skip
    with open_pairs(path) as source:
        assert (source.dt, source.pixel_size) == (2e-4, 2.1e-5)
        assert source.time is not None
        assert_array_equal(source.time, np.arange(N) / 7)
        assert source.names[2] == "run 2"
        assert source[2].dt == 2e-4
        assert "run 2" in source[2].name
    with open_pairs(path, dt=0.5) as source:
        assert (source.dt, source[0].dt) == (0.5, 0.5)
        assert source.dt_known


@pytest.mark.parametrize("each", [False, True])
def test_masks_of_the_file_and_of_the_caller_are_joined(
    folder: Path, frames: Any, each: bool
) -> None:
    one = np.zeros(SHAPE, np.uint8)
    one[:5] = 255
    masks = np.stack([np.roll(one, n, 0) for n in range(N)]) if each else one
    path = _plain(folder, frames, mask=masks)
    extra = np.zeros(SHAPE, bool)
    extra[:, :7] = True
    tifffile.imwrite(folder / "mask.tif", extra.astype(np.uint8))
    for n in range(N):
        own = (masks[n] if each else one) != 0
        assert_array_equal(open_pairs(path)[n].mask, own)
        assert_array_equal(open_pairs(path, mask=extra)[n].mask, own | extra)
        assert_array_equal(open_pairs(path, mask=folder / "mask.tif")[n].mask, own | extra)


def test_a_mask_that_hides_nothing_is_none(folder: Path, frames: Any) -> None:
    assert open_pairs(_plain(folder, frames, mask=np.zeros(SHAPE, bool)))[0].mask is None


@pytest.mark.parametrize("name", ["images", "I", "frames"])
def test_a_stack_of_pairs_is_found(folder: Path, frames: Any, name: str) -> None:
    path = _write(folder / "s.h5", **{name: frames.reshape(N, 2, *SHAPE)})
    _same(open_pairs(path), frames, DOUBLE)


def test_any_data_set_can_be_named(folder: Path, frames: Any) -> None:
    path = _write(
        folder / "s.h5", run__left=frames[::2], run__right=frames[1::2],
        run__both=frames.reshape(N, 2, *SHAPE), deep__a=frames[::2], deep__b=frames[1::2],
    )  # fmt: skip
    for names in ("run/left,run/right", "/run/left, /run/right", "run/both", "deep"):
        _same(open_pairs(path, frames=names), frames, DOUBLE)
    with pytest.raises(InputError, match=r"has no /frames/a and /frames/b: .*--frames.*/run/both"):
        open_pairs(path)
    with pytest.raises(InputError, match=r"has no /nothing: "):
        open_pairs(path, frames="nothing")


@pytest.mark.parametrize(
    ("pairing", "places"),
    [
        ("1-2,3-4", DOUBLE),
        ("1-2,2-3", SERIES),
        ("jump:1", SERIES),
        ("jump:4", [(n, n + 4) for n in range(2 * N - 4)]),
    ],
)
def test_a_time_resolved_stack_is_paired_as_told(
    folder: Path, frames: Any, pairing: str, places: list[tuple[int, int]]
) -> None:
    times = np.arange(2 * N) * 0.25
    path = _write(folder / "t.h5", cine=frames, time=times, _dt=0.25)
    with pytest.raises(DoubtfulPairing, match=r"t.h5:/cine holds 10 frames .*1-2,3-4"):
        open_pairs(path)
    with open_pairs(path, pairing=pairing) as source:
        _same(source, frames, places)
        first, second = places[1]
        assert source.names[1] == f"frames {first + 1}, {second + 1}"
        # dt of a sequence is from frame to frame
        assert source.dt == 0.25 * (second - first)
        assert source.time is not None
        assert source.time[1] == 0.25 * (first + second) / 2
    assert open_pairs(path, pairing=pairing, dt=3.0).dt == 3.0
    with h5py.File(path, "r+") as file:
        file.attrs["pairing"] = pairing
    _same(open_pairs(path), frames, places)


def test_a_stack_of_two_frames_is_a_pair(folder: Path, frames: Any) -> None:
    _same(open_pairs(_write(folder / "t.h5", images=frames[:2])), frames, [(0, 1)])


def test_pykitpiv_files_are_read_with_their_truth(folder: Path, frames: Any, rng: Any) -> None:
    targets = rng.random((N, 4, *SHAPE)).astype(np.float32)  # velocity, displacement
    path = _write(folder / "k.h5", I=frames.reshape(N, 2, *SHAPE), targets=targets)
    with TruePairs(path) as pairs:
        assert_array_equal(pairs[1].u, targets[1, 2])
        assert_array_equal(pairs[1].v, targets[1, 3])
        assert_array_equal(pairs[1].pair.second, frames[3])
    with h5py.File(path, "r+") as file:
        file.attrs["y_axis"] = "up"
    with TruePairs(path) as pairs:
        assert_array_equal(pairs[1].v, -targets[1, 3])


def test_matlab_files_have_their_columns_first(folder: Path, frames: Any) -> None:
    path = _write(folder / "v73.mat", images=frames.transpose(0, 2, 1))  # (H, W, N) in MATLAB
    with h5py.File(path, "r+") as file:
        file["images"].attrs["MATLAB_class"] = np.bytes_("uint16")
    _same(open_pairs(path, pairing="1-2,3-4"), frames, DOUBLE)


@pytest.mark.parametrize("kind", ["<u2", ">u2", "u1", "<i4", "<f4", ">f8"])
def test_grey_levels_keep_their_numbers(folder: Path, frames: Any, kind: str) -> None:
    values = (frames // 16).astype(kind)
    native = values.astype(values.dtype.newbyteorder("="))
    _same(open_pairs(_plain(folder, values)), native, DOUBLE)


def test_chunks_of_many_frames_are_told_and_read(folder: Path, frames: Any) -> None:
    path = folder / "c.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=frames, chunks=(4, 16, 16), compression="gzip")
    with open_pairs(path, pairing="1-2,3-4") as source:
        _same(source, frames, DOUBLE)
        assert any("chunks of many frames" in note for note in source.notes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "has no /frames/a and /frames/b"),
        ({"frames__a": (N, *SHAPE)}, "has no /frames/b"),
        ({"frames__a": SHAPE, "frames__b": SHAPE}, r"must be \(pairs, height, width\)"),
        ({"frames__a": (0, *SHAPE), "frames__b": (0, *SHAPE)}, "must be"),
        ({"images": (N, 3, *SHAPE)}, r"not \(5, 3, 40, 52\)"),
        ({"frames__a": (N, *SHAPE), "frames__b": (N, 40, 50)}, r"/frames/b is \(5, 40, 50\), but"),
        ({"frames__a": (N, *SHAPE), "frames__b": (4, *SHAPE)}, r"/frames/b is \(4, 40, 52\), but"),
        ({"frames__a": (N, 30, 52), "frames__b": (N, 30, 52)}, "at least 32 x 32 px"),
    ],
)
def test_a_file_that_is_no_data_set_is_refused(folder: Path, data: Any, message: str) -> None:
    path = _write(folder / "d.h5", **{name: np.zeros(size, "u1") for name, size in data.items()})
    with pytest.raises(InputError, match=message) as caught:
        open_pairs(path)
    assert "\n" not in str(caught.value)
    assert "d.h5" in str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mask": np.zeros((3, 3))}, r"/mask is \(3, 3\)"),
        ({"mask": np.zeros((N - 1, *SHAPE))}, r"/mask is \(4, 40, 52\)"),
        ({"_dt": 0.0}, "attribute dt must be one positive number"),
        ({"_dt": "fast"}, "attribute dt must be one positive number"),
        ({"_pixel_size": [1.0, 2.0]}, "attribute pixel_size must be one positive number"),
        ({"_format": "ccfcn-piv results"}, "holds results"),
        ({"time": np.arange(N + 1.0)}, "/time has 6 values"),
    ],
)
def test_what_does_not_fit_the_frames_is_refused(
    folder: Path, frames: Any, more: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_pairs(_plain(folder, frames, **more))


def test_frames_of_text_or_truth_values_are_refused(folder: Path, frames: Any) -> None:
    with pytest.raises(InputError, match="must hold integers or floats, not bool"):
        open_pairs(_plain(folder, frames > 9))


def test_a_filter_that_is_not_installed_is_named_at_once(folder: Path, frames: Any) -> None:
    path = _plain(folder, frames)
    with h5py.File(path, "r+") as file:
        del file["frames/b"]
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_chunk((1, *SHAPE))
        how.set_filter(32099, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((N, *SHAPE))
        h5py.h5d.create(file["frames"].id, b"b", h5py.h5t.NATIVE_UINT16, space, dcpl=how)
    with pytest.raises(InputError, match=r"/frames/b is compressed by a filter .*\(32099\)"):
        open_pairs(path)


def test_files_that_are_not_hdf5_or_cut_short_are_refused(folder: Path, frames: Any) -> None:
    (folder / "text.h5").write_text("no data set", "utf-8")
    with pytest.raises(InputError, match="not an HDF5 file"):
        open_pairs(folder / "text.h5")
    whole = _plain(folder, frames).read_bytes()
    (folder / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated"):
        open_pairs(folder / "cut.h5")
    (folder / "empty.h5").write_bytes(b"")
    with pytest.raises(InputError, match="cannot read"):
        open_pairs(folder / "empty.h5")
    with pytest.raises(InputError, match="there is no file or folder"):
        open_pairs(folder / "nowhere.h5")
    with pytest.raises(InputError, match="named by a path"):
        open_pairs(7)  # type: ignore[arg-type]


def test_one_bad_pair_leaves_the_others_readable(folder: Path, frames: Any) -> None:
    path = folder / "d.h5"
    with h5py.File(path, "w") as file:
        for name, start in (("frames/a", 0), ("frames/b", 1)):
            file.create_dataset(
                name, data=frames[start::2], chunks=(1, *SHAPE), compression="gzip",
                fletcher32=True,
            )  # fmt: skip
        place = file["frames/b"].id.get_chunk_info(2)
    with path.open("r+b") as raw:
        raw.seek(place.byte_offset + place.size // 2)
        raw.write(b"damaged!")
    with open_pairs(path) as source:
        with pytest.raises(InputError, match=r"^d.h5 pair 2: cannot be read from d.h5: ") as caught:
            source[2]
        assert "\n" not in str(caught.value)
        for n in (0, 1, 3, 4):
            assert_array_equal(source[n].second, frames[2 * n + 1])


def test_a_frame_with_nan_is_that_pair_s_failure(folder: Path, frames: Any) -> None:
    values = frames.astype(np.float32)
    values[5, 3, 3] = np.nan
    with open_pairs(_plain(folder, values)) as source:
        with pytest.raises(InputError, match=r"^d.h5 pair 2: the second frame holds NaN"):
            source[2]
        assert_array_equal(source[3].first, values[6])


def test_a_closed_source_says_so(folder: Path, frames: Any) -> None:
    source = open_pairs(_plain(folder, frames))
    source.close()
    with pytest.raises(InputError, match="is closed"):
        source[0]


def test_the_input_is_never_changed(folder: Path, frames: Any) -> None:
    path = _plain(folder, frames)
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    path.chmod(0o444)
    with open_pairs(path) as source:
        list(source)
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before
    assert list(folder.iterdir()) == [path]


# folders and lists


def _images(folder: Path, frames: Any, name: Callable[[int], str]) -> Path:
    for n, frame in enumerate(frames):
        tifffile.imwrite(folder / name(n), frame)
    return folder


def _ab(n: int) -> str:
    return f"r {n // 2:02d}_{'ab'[n % 2]}.tif"


def test_a_folder_is_paired_by_its_names(folder: Path, frames: Any) -> None:
    with open_pairs(_images(folder, frames, _ab)) as source:
        _same(source, frames, DOUBLE)
        assert source.kind == "folder"
        assert source.spec.pairing == "ab"
        assert source.names[1] == source[1].name == "r 01_a.tif, r 01_b.tif"


def test_a_folder_of_a_sequence_needs_to_be_told(folder: Path, frames: Any) -> None:
    _images(folder, frames, lambda n: f"cine{n + 8}.tif")
    with pytest.raises(DoubtfulPairing, match=r"10 frames in sequence \(cine8.tif, cine9.tif"):
        open_pairs(folder)
    _same(open_pairs(folder, pairing="1-2,3-4"), frames, DOUBLE)
    _same(open_pairs(folder, pairing="1-2,2-3"), frames, SERIES)


def test_a_folder_of_files_of_two_pages_is_one_of_pairs(folder: Path, frames: Any) -> None:
    for n in range(N):
        tifffile.imwrite(folder / f"d{n}.tif", frames[2 * n : 2 * n + 2], photometric="minisblack")
    with open_pairs(folder) as source:
        _same(source, frames, DOUBLE)
        assert source.names[3] == "d3.tif"


def test_what_is_no_frame_is_left_out_and_told(folder: Path, frames: Any) -> None:
    _images(folder, frames, _ab)
    tifffile.imwrite(folder / "background.tif", frames[0])
    tifffile.imwrite(folder / "r 00_mask.png.tif", frames[0])
    tifffile.imwrite(folder / "r 77_a.tif", frames[0, :35])
    tifffile.imwrite(folder / "r 88_b.tif", frames[0])
    (folder / "notes.toml").write_text("", "utf-8")
    (folder / ".hidden.tif").write_bytes(b"")
    with open_pairs(folder) as source:
        _same(source, frames, DOUBLE)
        text = "\n".join(source.notes)
    for words in ("1 file(s) that are no images (.toml)", "background.tif", "r 00_mask.png.tif",
                  "r 77_a.tif, of another size", "r 88_b.tif, without a partner"):  # fmt: skip
        assert words in text


def test_suspicious_images_are_used_where_doubts_are_accepted(folder: Path, frames: Any) -> None:
    _images(folder, frames[:8], _ab)
    _images(folder, frames[8:], lambda n: f"bg_{'ab'[n]}.tif")
    assert len(open_pairs(folder)) == 4
    assert len(open_pairs(folder, doubtful=True)) == 5


def test_frames_of_several_sizes_are_refused(folder: Path, frames: Any) -> None:
    _images(folder, frames[:4], _ab)
    _images(folder, frames[4:8, :36], lambda n: f"small {_ab(n)}")
    with pytest.raises(DoubtfulPairing, match="several sizes: 4 of"):
        open_pairs(folder)


def test_an_unreadable_image_is_one_pair_s_failure(folder: Path, frames: Any) -> None:
    _images(folder, frames, _ab)
    (folder / "r 00_a.tif").write_bytes(b"")
    whole = (folder / "r 01_b.tif").read_bytes()
    (folder / "r 01_b.tif").write_bytes(whole[:-500])
    with open_pairs(folder) as source:
        assert len(source) == N
        with pytest.raises(InputError, match=r"^r 00_a.tif, r 00_b.tif: .* is empty"):
            source[0]
        with pytest.raises(InputError, match=r"^r 01_a.tif, r 01_b.tif: .*truncated"):
            source[1]
        assert_array_equal(source[2].first, frames[4])


def test_colour_is_refused_pair_by_pair(folder: Path, frames: Any) -> None:
    _images(folder, frames, _ab)
    colour = np.zeros((*SHAPE, 3), np.uint8)
    tifffile.imwrite(folder / "r 01_a.tif", colour, photometric="rgb")
    with pytest.raises(InputError, match="is a colour image"):
        open_pairs(folder)[1]


def test_a_folder_without_images_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        open_pairs(folder)
    tifffile.imwrite(folder / "one_a.tif", np.zeros(SHAPE, np.uint8))
    tifffile.imwrite(folder / "mask.tif", np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match=r"holds one frame, one_a.tif: .*left out: mask.tif"):
        open_pairs(folder)


@pytest.mark.parametrize("separator", [", ", "\t", ";", " "])
def test_a_list_names_pairs_relative_to_itself(folder: Path, frames: Any, separator: str) -> None:
    (folder / "sub").mkdir()
    _images(folder / "sub", frames, lambda n: f"x{n}.tif")
    rows = [f"sub/x{2 * n}.tif{separator}sub/x{2 * n + 1}.tif" for n in range(N)]
    listed = folder / "pairs.txt"
    listed.write_text("\ufeff# a comment\n\n" + "\n".join(rows) + "\n", "utf-8")
    with open_pairs(listed) as source:
        _same(source, frames, DOUBLE)
        assert source.kind == "list"


def test_a_list_may_have_a_heading_quotes_and_missing_files(folder: Path, frames: Any) -> None:
    _images(folder, frames, _ab)
    rows = [f'"{_ab(2 * n)}", "{_ab(2 * n + 1)}"' for n in range(N)]
    text = "\n".join(["first, second", *rows, "gone_a.tif, gone_b.tif"])
    (folder / "pairs.csv").write_text(text, "utf-8")
    with open_pairs(folder / "pairs.csv") as source:
        assert len(source) == N + 1
        assert_array_equal(source[1].second, frames[3])
        with pytest.raises(InputError, match="no such file"):
            source[N]
        assert any("heading" in note for note in source.notes)
        assert any("missing: gone_a.tif" in note for note in source.notes)


def test_a_list_of_single_names_is_a_sequence(folder: Path, frames: Any) -> None:
    _images(folder, frames, lambda n: f"x{n}.tif")
    listed = folder / "frames.txt"
    listed.write_text("\n".join(f"x{n}.tif" for n in range(2 * N)), "utf-8")
    with pytest.raises(DoubtfulPairing, match="10 frames in one sequence"):
        open_pairs(listed)
    _same(open_pairs(listed, pairing="1-2,2-3"), frames, SERIES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no images"),
        ("a.tif, b.tif\na.tif, b.tif, c.tif", "line 2: two names are wanted, not 3"),
        ("a.tif, b.tif", "not one of the images can be read"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "pairs.txt").write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        open_pairs(folder / "pairs.txt")


# many pages, video


@pytest.mark.parametrize(
    "how",
    [
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "compression": "zlib"},
        {"photometric": "minisblack", "byteorder": ">"},
        {"imagej": True},
        {"photometric": "minisblack", "bigtiff": True},
    ],
)
def test_the_pages_of_a_tif_are_read_one_by_one(folder: Path, frames: Any, how: Any) -> None:
    path = folder / "many.tif"
    tifffile.imwrite(path, frames, **how)
    with pytest.raises(DoubtfulPairing, match="10 frames in one sequence"):
        open_pairs(path)
    for pairing, places in (("1-2,3-4", DOUBLE), ("1-2,2-3", SERIES)):
        with open_pairs(path, pairing=pairing) as source:
            _same(source, frames, places)
            assert source.names[1] == f"pages {places[1][0] + 1}, {places[1][1] + 1}"


def test_a_stack_under_one_page_is_read(folder: Path, frames: Any) -> None:
    path = folder / "imagej.tif"
    description = f"ImageJ=1.11a\nimages={2 * N}\nslices={2 * N}\n"
    tifffile.imwrite(
        path, frames[0], photometric="minisblack", description=description, metadata=None
    )
    with path.open("ab") as file:
        file.write(frames[1:].tobytes())
    with open_pairs(path, pairing="1-2,3-4") as source:
        _same(source, frames, DOUBLE)


def test_a_damaged_page_is_one_pair_s_failure(folder: Path, frames: Any) -> None:
    path = folder / "many.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[3].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 60)
    with open_pairs(path, pairing="1-2,3-4") as source:
        with pytest.raises(InputError, match=r"^many.tif pages 3, 4: .*damaged"):
            source[1]
        assert_array_equal(source[2].first, frames[4])


def _video(path: Path, images: Any, code: str, *, colour: bool = False) -> Path:
    deep = images.dtype == np.uint16
    words = [
        cv2.VIDEOWRITER_PROP_IS_COLOR, int(colour),
        cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U if deep else cv2.CV_8U,
    ]  # fmt: skip
    height, width = images.shape[1:3]
    fourcc = cv2.VideoWriter.fourcc(*code)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25.0, (width, height), words)
    if not writer.isOpened():
        pytest.skip(f"this OpenCV cannot write {code}")
    for image in images:
        writer.write(image)
    writer.release()
    return path


@pytest.mark.parametrize(("depth", "name"), [(np.uint8, "v.avi"), (np.uint16, "v.mkv")])
def test_the_frames_of_a_lossless_video_are_exact_in_any_order(
    folder: Path, frames: Any, depth: Any, name: str
) -> None:
    images = (frames // 16).astype(np.uint8) if depth == np.uint8 else frames
    path = _video(folder / name, images, "FFV1")
    with pytest.raises(DoubtfulPairing, match="10 frames in one sequence"):
        open_pairs(path)
    with open_pairs(path, pairing="jump:3") as source:
        places = [(n, n + 3) for n in range(2 * N - 3)]
        _same(source, images, places)
        for n in (5, 1, 6, 0, 0):
            assert_array_equal(source[n].second, images[n + 3])
        assert source.dt == 1.0
        assert any("frame rate" in note for note in source.notes)


def test_a_video_with_loss_is_told(folder: Path, frames: Any) -> None:
    smooth = np.stack([cv2.GaussianBlur((f // 16).astype(np.uint8), (0, 0), 1.5) for f in frames])
    with open_pairs(_video(folder / "v.avi", smooth, "MJPG"), pairing="1-2,2-3") as source:
        assert len(source) == 2 * N - 1
        assert any("with loss" in note for note in source.notes)
        assert np.abs(source[1].first.astype(float) - smooth[1]).mean() < 5


def test_colour_video_is_refused_unless_it_is_grey(folder: Path, frames: Any) -> None:
    grey = np.repeat((frames // 16).astype(np.uint8)[..., None], 3, axis=-1)
    path = _video(folder / "grey.avi", grey, "HFYU", colour=True)
    _same(open_pairs(path, pairing="1-2,2-3"), grey[..., 0], SERIES)
    grey[..., 0] //= 2
    with pytest.raises(InputError, match="is a colour video"):
        open_pairs(_video(folder / "colour.avi", grey, "HFYU", colour=True), pairing="1-2,2-3")


def test_what_is_nothing_of_all_this_is_refused(
    folder: Path, frames: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "junk.avi").write_bytes(b"no video at all " * 50)
    with pytest.raises(InputError, match="it is no HDF5 data set, folder"):
        open_pairs(folder / "junk.avi")
    cv2.imwrite(str(folder / "one.png"), frames[0])
    with pytest.raises(InputError, match="is one image"):
        open_pairs(folder / "one.png")
    with pytest.raises(InputError, match="inside an HDF5 file"):
        open_pairs(folder, frames="images")
    assert capfd.readouterr() == ("", "")


# what all have in common


KINDS = ["hdf5", "folder", "list", "tif", "video"]


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, folder: Path, frames: Any) -> Iterator[PairSource]:
    with _source(request.param, folder, frames) as opened:
        yield opened


def _source(kind: str, folder: Path, frames: Any) -> PairSource:
    """All pairs of the frames, each used once."""
    if kind == "hdf5":
        return open_pairs(_plain(folder, frames))
    if kind == "folder":
        return open_pairs(_images(folder, frames, _ab))
    if kind == "list":
        _images(folder, frames, lambda n: f"x{n}.tif")
        rows = "\n".join(f"x{2 * n}.tif,x{2 * n + 1}.tif" for n in range(N))
        (folder / "l.csv").write_text(rows, "utf-8")
        return open_pairs(folder / "l.csv")
    if kind == "tif":
        tifffile.imwrite(folder / "m.tif", frames, photometric="minisblack")
        return open_pairs(folder / "m.tif", pairing="1-2,3-4")
    return open_pairs(_video(folder / "v.mkv", frames, "FFV1"), pairing="1-2,3-4")


def test_a_source_can_be_opened_again_elsewhere(source: PairSource, frames: Any) -> None:
    with pickle.loads(pickle.dumps(source.spec)).open() as again:
        _same(again, frames, DOUBLE)
        assert again.identity() == source.identity()
        assert list(again.names) == list(source.names)


def test_the_identity_is_plain_and_tells_sources_apart(source: PairSource) -> None:
    identity = source.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert identity["count"] == N
    assert (identity["height"], identity["width"]) == SHAPE
    assert str(source.spec.path.parent) not in json.dumps(identity)


def test_a_file_that_comes_later_moves_no_pair(folder: Path, frames: Any) -> None:
    source = open_pairs(_images(folder, frames, _ab))
    tifffile.imwrite(folder / "a new_a.tif", frames[0])
    tifffile.imwrite(folder / "a new_b.tif", frames[1])
    _same(source.spec.open(), frames, DOUBLE)
    assert len(open_pairs(folder)) == N + 1


def test_a_mask_of_another_size_is_refused_at_once(folder: Path, frames: Any) -> None:
    with pytest.raises(InputError, match="mask is 9 x 9 px"):
        open_pairs(_plain(folder, frames), mask=np.ones((9, 9), bool))


def test_dt_must_be_positive(folder: Path, frames: Any) -> None:
    with pytest.raises(InputError, match="dt must be a positive time"):
        open_pairs(_plain(folder, frames), dt=0.0)
