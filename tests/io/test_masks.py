"""Masks in HDF5: one for all pairs or one for each, alone, in sources and in whole runs."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from batch_sets import SHAPE, Inline, write_set
from numpy.testing import assert_array_equal

import piv
from piv.batch import processes
from piv.cli import main
from piv.errors import InputError
from piv.io.images import read_mask, read_pair
from piv.io.masks import MaskFile, holds_masks

N = 4


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "Maske – 渦"
    made.mkdir()
    return made


@pytest.fixture
def one():
    mask = np.zeros(SHAPE, bool)
    mask[5:20, 30:60] = True
    return mask


def written(path, values):
    with h5py.File(path, "w") as file:
        file.create_dataset("mask", data=values)
    return path


def each_of(one):
    return np.stack([np.roll(one, 7 * n, axis=1) for n in range(N)])


@pytest.fixture
def source(folder):
    return write_set(folder / "set.h5", N)


@pytest.mark.parametrize("dtype", [bool, "u1", "i4"])
def test_one_mask_hides_the_same_in_every_pair(folder, source, one, dtype):
    path = written(folder / "mask.h5", one.astype(dtype))
    with piv.open_pairs(source, mask=path) as pairs:
        for pair in pairs:
            assert_array_equal(pair.mask, one)


def test_each_pair_has_its_own(folder, source, one):
    masks = each_of(one)
    path = written(folder / "masks.hdf5", masks)
    with piv.open_pairs(source, mask=path) as pairs, pairs.spec.open() as again:
        assert_array_equal(pairs[-1].mask, masks[-1])
        for n in range(N):
            assert_array_equal(again[n].mask, masks[n])


def test_it_is_joined_with_the_masks_of_the_source(folder, source, one):
    with h5py.File(source, "a") as file:
        file["mask"] = one[::-1]
    path = written(folder / "masks.h5", each_of(one))
    with piv.open_pairs(source, mask=path) as pairs:
        assert_array_equal(pairs[2].mask, each_of(one)[2] | one[::-1])


def test_a_single_pair_takes_the_one_mask(folder, one):
    rng = np.random.default_rng(1)
    for name in "ab":
        tifffile.imwrite(folder / f"{name}.tif", rng.integers(0, 255, SHAPE).astype(np.uint8))
    path = written(folder / "mask.h5", one)
    assert_array_equal(read_pair(folder / "a.tif", folder / "b.tif", mask=path).mask, one)
    assert_array_equal(read_mask(written(folder / "of one.h5", one[None]), SHAPE), one)
    with pytest.raises(InputError, match="for 4 pairs, but there are 1"):
        read_mask(written(folder / "of four.h5", each_of(one)), SHAPE)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((9, 9), bool), "/mask is 9 x 9 bool"),
        (np.zeros(SHAPE, np.float32), "48 x 72 float32, but whole numbers 48 x 72"),
        (np.zeros((2, 2, *SHAPE), bool), "/mask is 2 x 2 x 48 x 72"),
        (np.zeros((N - 1, *SHAPE), bool), "for 3 pairs, but there are 4"),
        (np.ones(SHAPE, bool), "hides every pixel"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_one_line(folder, source, values, says):
    path = written(folder / "mask.h5", values)
    with pytest.raises(InputError, match=says) as refusal:
        piv.open_pairs(source, mask=path)
    assert "\n" not in str(refusal.value)


def test_a_file_without_masks_and_a_damaged_one_are_refused(folder, source):
    with pytest.raises(InputError, match="a data set /mask is wanted"):
        piv.open_pairs(source, mask=source)
    (folder / "torn.h5").write_bytes(source.read_bytes()[:600])
    with pytest.raises(InputError, match="cannot read the mask"):
        piv.open_pairs(source, mask=folder / "torn.h5")
    assert not holds_masks(folder / "nothing.h5")


def test_the_hash_is_of_what_is_masked(folder, one):
    masks = [MaskFile(written(folder / f"{n}.h5", values), SHAPE) for n, values in enumerate(
        [one, one.astype("i4") * 7, each_of(one), each_of(one)[::-1]]
    )]  # fmt: skip
    digests = [mask.digest() for mask in masks]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_run_uses_and_compares_the_masks_of_its_pairs(folder, source, one, monkeypatch, capsys):
    monkeypatch.setattr(processes, "Pool", Inline)
    masks = each_of(one)
    path, output = written(folder / "masks.h5", masks), folder / "results.h5"
    words = ["batch", str(source), str(output), "--model", "none", "--mask", str(path)]
    assert main([*words, "--progress", "none"]) == 0
    results = piv.open_results(output)
    for n in range(N):
        field = results.field(n)
        rows, columns = (np.rint(axis).astype(int) for axis in (field.y, field.x))
        hidden = (field.flags & int(piv.Flag.MASKED)) != 0
        inner = masks[n][np.ix_(rows, columns)]
        assert hidden.any()
        assert inner[hidden].mean() > 0.5  # a window is masked where most of it is
    with h5py.File(output) as file:
        assert "mask" not in file
    assert main([*words, "--progress", "none"]) == 0  # finished: the same masks
    written(path, masks[::-1])
    assert main([*words, "--progress", "none"]) == 2
    assert "mask (then" in capsys.readouterr().err


def test_an_image_and_its_hdf5_are_the_same_mask_to_a_run(folder, source, one, monkeypatch):
    monkeypatch.setattr(processes, "Pool", Inline)
    tifffile.imwrite(folder / "mask.tif", one.astype(np.uint8) * 255)
    path, output = written(folder / "mask.h5", one), folder / "results.h5"
    for mask in (folder / "mask.tif", path):
        words = ["batch", str(source), str(output), "--model", "none", "--mask", str(mask)]
        assert main([*words, "--progress", "none"]) == 0
    with h5py.File(output) as file:
        assert_array_equal(file["mask"][()] != 0, one)


def test_a_watched_folder_takes_one_mask_for_all(folder, one, capsys):
    rng = np.random.default_rng(1)
    for n in range(N):
        for name in "ab":
            frame = rng.integers(0, 255, SHAPE).astype(np.uint8)
            tifffile.imwrite(folder / f"x_{n}_{name}.tif", frame)
    path = folder.parent / "masks.h5"
    written(path, each_of(one))
    words = ["batch", str(folder), str(folder.parent / "r.h5"), "--model", "none"]
    assert main([*words, "--mask", str(path), "--watch", "1s", "--pairing", "ab"]) == 2
    assert "--watch cannot know a mask for each pair" in capsys.readouterr().err
