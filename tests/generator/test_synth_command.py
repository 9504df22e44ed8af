"""`piv-synth` and its files, end to end."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

from piv.errors import InputError
from piv.io.dataset import TruePairs
from piv.io.images import read_mask, read_pair
from synth import stored
from synth.cli import main
from synth.dataset import write_dataset
from synth.recipe import load
from synth.solver import SolverSettings
from synth.source import Source, open_source

SMALL = ["--size", "48", "70"]


def test_dataset_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "my dätä" / "set.h5"
    path.parent.mkdir()
    source = open_source("evaluation")
    seen: list[int] = []
    write_dataset(
        path, source, "test", [4, 7, 9], kind="wake", size=(48, 70), progress=lambda: seen.append(1)
    )
    assert len(seen) == 3
    with TruePairs(path) as pairs:
        assert len(pairs) == 3
        assert pairs.kinds == ["wake"] * 3
        for row, index in enumerate((4, 7, 9)):
            made, stored = source.pair("test", index, "wake", (48, 70)), pairs[row]
            assert np.array_equal(made.pair.first, stored.pair.first)
            assert np.array_equal(made.pair.second, stored.pair.second)
            assert np.array_equal(made.u, stored.u)
            assert np.array_equal(made.v, stored.v)
            assert np.array_equal(made.seeded, stored.seeded)
            assert (made.pair.mask is None) == (stored.pair.mask is None)
            if made.pair.mask is not None:
                assert np.array_equal(made.pair.mask, stored.pair.mask)
    with h5py.File(path) as file:
        assert file["frames/a"].chunks == (1, 48, 70)
        assert file.attrs["dt"] == 1
        assert file.attrs["y_axis"] == "down"
        assert json.loads(file.attrs["recipe"]) == source.record
        seeds = json.loads(file.attrs["seeds"])
        assert seeds == {"split": "test", "indices": [4, 7, 9], "kind": "wake", "size": [48, 70]}
        drawn = json.loads(file["record"][1])
        assert (drawn["split"], drawn["index"]) == ("test", 7)


def test_eight_bits_stay_uint8_and_deeper_are_uint16(tmp_path: Path) -> None:
    for name, dtype in (("standard-kinematic", np.uint8), ("training", np.uint16)):
        write_dataset(tmp_path / "set.h5", open_source(name), "train", [0], size=(40, 50))
        with h5py.File(tmp_path / "set.h5") as file:
            assert file["frames/b"].dtype == dtype


def test_empty_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        write_dataset(tmp_path / "set.h5", open_source("training"), "train", [])


def test_dataset_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.h5"
    words = ["dataset", "training", str(path), "--pairs", "3", "--split", "validation"]
    assert main([*words, "--seed", "10", *SMALL]) == 0
    assert "3 pairs" in capsys.readouterr().out
    with TruePairs(path) as pairs:
        expected = open_source("training").pair("validation", 12, size=(48, 70))
        assert np.array_equal(pairs[2].pair.second, expected.pair.second)


@pytest.mark.parametrize("seed", ["0", "1"])
def test_pair_command(seed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = tmp_path / "a wäke.1"
    words = ["pair", "wake", "-o", str(name), "--density", "0.02", "--bits", "12", "--noise", "0"]
    assert main([*words, "--size", "96", "130", "--option", "radius=9", "--seed", seed]) == 0
    assert "wake, 96 x 130 px (height x width), a, b" in capsys.readouterr().out
    pair = read_pair(tmp_path / "a wäke.1_a.tif", tmp_path / "a wäke.1_b.tif")
    assert pair.shape == (96, 130)
    assert pair.first.dtype == np.uint16
    assert 255 < pair.first.max() < 4096
    with h5py.File(tmp_path / "a wäke.1_truth.h5") as file:
        record = json.loads(file["record"][0])
        assert record["particles"]["density"] == 0.02
        assert record["camera"]["noise"] == 0
        assert record["scene"]["drawn"]["radius"] == 9
        assert file["truth/u"].shape == (1, 96, 130)
        # a body always comes with its mask
        mask = read_mask(tmp_path / "a wäke.1_mask.tif", (96, 130))
        assert np.array_equal(mask, file["mask"][0])
    assert mask.any()


def test_pair_of_a_recipe_class(tmp_path: Path) -> None:
    words = ["pair", "evaluation", "-o", str(tmp_path / "x"), "--kind", "wall", "--split", "test"]
    assert main([*words, *SMALL]) == 0
    plain = open_source("evaluation").pair("test", 0, "wall", (48, 70))
    written = read_pair(tmp_path / "x_a.tif", tmp_path / "x_b.tif")
    assert np.array_equal(written.first, plain.pair.first)
    assert main([*words, *SMALL, "--displacement", "1", "--overwrite"]) == 0
    with h5py.File(tmp_path / "x_truth.h5") as file:
        assert max(np.abs(file[f"truth/{c}"][:]).max() for c in "uv") <= 1 + 1e-5
        assert max(np.abs(c).max() for c in (plain.u, plain.v)) > 1.5


def test_list_names_recipes_and_flows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for word in ("training", "standard-kinematic", "evaluation", "wake", "concentration"):
        assert word in shown


@pytest.mark.parametrize(
    "words", [["pair", "wake", "-o", "x"], ["dataset", "training", "x.h5", "--pairs", "1"]]
)
def test_what_exists_is_replaced_only_with_overwrite(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, *SMALL]) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert main([*words, *SMALL, "--seed", "1"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "exists already: choose another name, or add --overwrite" in told.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main([*words, *SMALL, "--seed", "1", "--overwrite"]) == 0
    assert all(path.read_bytes() != content for path, content in before.items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a command"),
        (["dataset", "training", "x.tif"], "must end in .h5 or .hdf5"),
        (["dataset", "training", "."], "must end in .h5 or .hdf5"),
        (["frob"], "frob"),
        (["pair", "wake"], "output"),
        (["pair", "soup", "-o", "x"], "soup"),
        (["pair", "wake", "-o", "x", "--density", "3"], "density"),
        (["pair", "wake", "-o", "x", "--noise", "nan"], "noise"),
        (["pair", "wake", "-o", "x", "--bits", "7"], "bits"),
        (["pair", "wake", "-o", "x", "--bits", "10.5"], "bits"),
        (["pair", "wake", "-o", "x", "--option", "fred=3"], "fred"),
        (["pair", "wake", "-o", "x", "--option", "radius"], "NAME=NUMBER"),
        (["pair", "wake", "-o", "x", "--size", "8", "64"], "8 x 64"),
        (["pair", "wake", "-o", "x", "--seed", "-1"], "index"),
        (["pair", "wake", "-o", "x", "--kind", "jet"], "jet"),
        (["pair", "wake", "-o", "x", "--device", "nonsense"], "nonsense"),
        (["pair", "wake", "-o", "no/such/folder/x", *SMALL], "no"),
        (["dataset", "training", "no/such/x.h5", "--pairs", "1", *SMALL], "no"),
        (["dataset", "training", "x.h5", "--pairs", "0"], "--pairs"),
        (["dataset", "training", "x.h5", "--split", "trial"], "trial"),
        (["dataset", "training", "x.h5", "--pears", "3"], "pears"),
        (["dataset", "missing.toml", "x.h5"], "missing.toml"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert message in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("trouble", "status"), [(KeyboardInterrupt, 130), (RuntimeError, 70)])
def test_stopped_on_the_way_leaves_no_file(
    trouble: type[BaseException],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make = Source.pair

    def stop(self: Source, split: str, index: int, *more: object) -> object:
        if index == 2:
            raise trouble("stopped here")
        return make(self, split, index, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Source, "pair", stop)
    words = ["dataset", "training", str(tmp_path / "x.h5"), "--pairs", "4", *SMALL]
    assert main(words) == status
    assert list(tmp_path.iterdir()) == []
    assert ("Traceback" in capsys.readouterr().err) == (status == 70)


def test_fields_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command with runs so short that they can be made here."""

    monkeypatch.setattr(stored, "RUNS", {"train": 1, "validation": 1, "test": 1})
    monkeypatch.setattr(stored, "TIMES", [0.0, 0.02])
    monkeypatch.setattr(stored, "SOLVERS", {"sqg": SolverSettings(alpha=1.0, size=192)})
    assert main(["fields", str(tmp_path / "new")]) == 0
    with np.load(tmp_path / "new" / "sqg.npz") as file:
        assert file["train"].shape == (2, 176, 176)
        assert file["train"].dtype == np.float16
        assert not np.array_equal(file["train"], file["test"])
        assert json.loads(str(file["record"]))["alpha"] == 1


def test_sample_images_are_those_of_their_recipes(sample_images: Path) -> None:
    """Made anew, each sample is the file in the repository."""

    for name in ("cylinder_wake", "jet", "wingtip_vortex", "turbulence"):
        pair = read_pair(sample_images / f"{name}_a.tif", sample_images / f"{name}_b.tif")
        record = json.loads((sample_images / f"{name}.json").read_text(encoding="utf-8"))
        made = Source(load(str(sample_images / f"{name}.toml"))).pair("test", record["index"])
        assert pair.shape == (384, 512)
        for old, new in ((pair.first, made.pair.first), (pair.second, made.pair.second)):
            assert old.dtype == new.dtype
            # another FFT library moves a particle by 1e-5 px: a few grey levels of 65535 at most
            different = np.abs(old.astype(float) - new) > 2e-3 * np.iinfo(new.dtype).max + 1
            assert different.mean() < 1e-3
        with h5py.File(sample_images / f"{name}_truth.h5") as file:
            assert np.abs(file["truth/u"][0] - made.u).max() < 5e-4
            assert np.abs(file["truth/v"][0] - made.v).max() < 5e-4
            assert np.array_equal(file["truth/seeded"][0], made.seeded)
    assert sum(p.stat().st_size for p in sample_images.iterdir()) < 6e6


def test_a_recipe_is_printed_as_it_is_and_the_template_is_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import fields

    from synth.recipe import CameraRecipe, ParticleRecipe, SceneRecipe

    assert main(["recipe", "training"]) == 0
    path = tmp_path / "mine.toml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load(str(path)).source == load("training").source
    assert main(["recipe"]) == 0
    text = capsys.readouterr().out
    path.write_text(text, encoding="utf-8")
    entry = load(str(path)).classes["vortex"]
    # every entry is in it, with its default
    assert entry.particles == ParticleRecipe()
    assert entry.camera == CameraRecipe()
    assert entry.scene == SceneRecipe()
    for part in (ParticleRecipe, CameraRecipe, SceneRecipe):
        for item in fields(part):
            assert f"\n{item.name} = " in text
            assert item.metadata["help"] in text
    assert main(["pair", str(path), "-o", str(tmp_path / "look")]) == 0
    assert main(["recipe", "nothing"]) == 2
    assert "choose from evaluation" in capsys.readouterr().err


def test_mixed_distributions_are_written_as_they_are_read() -> None:
    from synth.draws import parse_draw

    mixed = {"mix": [[0.5, 0], [0.3, [1, 2]], [0.2, {"log": [0.1, 3]}]]}
    draw = parse_draw(mixed, "here")
    assert parse_draw(tomllib.loads(f"x = {draw.toml()}")["x"], "there") == draw
    assert draw.toml() == "{ mix = [[0.5, 0], [0.3, [1, 2]], [0.2, { log = [0.1, 3] }]] }"
