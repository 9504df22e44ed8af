"""Fine-tuning: what is measured of recordings, the images made from it, and the judgement."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from pairs import uniform_pair

import piv
from piv.cli import main
from piv.errors import InputError
from piv.io.sources import SourceSpec
from piv.network.ccfcn import CCFCN
from piv.train import finetune
from piv.train import recipe as recipes
from piv.train.conditions import Conditions, measure
from piv.train.finetune import Judgement
from piv.train.hidden_pixels import Difference, compare, discs
from piv.train.matched import recipe_text
from piv.train.source import open_source
from synth.recipe import load, override
from synth.source import Source

SIZE = (160, 192)
SOME = Conditions(
    density=0.05, diameter=2.5, bits=12, peak=0.5, noise=0.04, offset=0.05, gain=1.2, loss=0.1,
    displacement=5.0, gradient=0.05,
)  # fmt: skip


@pytest.fixture(scope="module")
def robustness():
    return open_source("synth:robustness")


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"),
    [
        ("base", "density", 0.04, 0.06),
        ("base", "diameter", 2.3, 2.8),
        ("base", "noise", 0.0, 0.03),
        ("base", "loss", 0.02, 0.08),
        ("base", "gain", 0.95, 1.05),
        ("noise10", "noise", 0.06, 0.12),
        ("loss20", "loss", 0.13, 0.27),
        ("gain15", "gain", 1.35, 1.6),
        ("bits12", "bits", 12, 12),
        ("dim", "peak", 0.03, 0.09),
        ("background", "offset", 0.3, 0.8),
    ],
)
def test_conditions_are_those_that_the_images_were_made_with(robustness, kind, name, low, high):
    true = robustness.pair("validation", 1, kind=kind, size=SIZE)
    analysis = piv.analyse(true.pair)
    found = measure(true.pair, analysis)
    assert low <= getattr(found, name) <= high
    assert found.displacement == pytest.approx(np.quantile(np.hypot(true.u, true.v), 0.99), rel=0.1)


def test_large_particles_in_noise_are_counted_once():
    changes = {"particles": {"diameter": 8.0, "density": 0.012}, "camera": {"noise": 0.12}}
    source = Source(override(load("robustness"), changes))
    true = source.pair("validation", 0, kind="base", size=(320, 352))
    found = measure(true.pair, piv.analyse(true.pair))
    assert 0.006 < found.density < 0.02
    assert found.diameter == pytest.approx(8.0, rel=0.1)


def test_images_without_particles_are_refused():
    flat = piv.ImagePair(np.full(SIZE, 9, np.uint8), np.full(SIZE, 9, np.uint8), name="run 7")
    field = piv.analyse(uniform_pair(SIZE, 1.0, 0.0))
    with pytest.raises(InputError, match="run 7 shows no particles"):
        measure(flat, field)
    with pytest.raises(InputError, match="dense field"):
        measure(uniform_pair(SIZE, 1.0, 0.0), dataclasses.replace(field, dense=None))


def test_matched_images_are_like_the_recordings_and_the_general_ones_as_ever(tmp_path):
    general = open_source("synth:training")
    path = tmp_path / "own images é.toml"
    path.write_text(recipe_text([SOME], general.record["recipe"]), "utf-8")
    source = open_source(f"synth:{path}")
    assert set(source.classes) == {
        name for kind in general.classes for name in (kind, f"matched_{kind}")
    }
    for index in range(6):
        pair = source.pair("train", index, kind="matched_kinematic", size=SIZE)
        made = {**pair.recipe["particles"], **pair.recipe["camera"]}
        assert pair.pair.first.dtype == np.uint16  # 12 bit
        for name in ("density", "diameter", "noise", "gain", "peak"):
            assert made[name] == pytest.approx(getattr(SOME, name), rel=0.55)
    ours, theirs = (s.record["recipe"]["classes"] for s in (source, general))
    for kind, made_by in theirs.items():
        assert ours[f"matched_{kind}"].get("options") == made_by.get("options"), kind
    wave = source.pair("train", 2, kind="matched_waves", size=SIZE)
    assert (
        7 <= wave.recipe["scene"]["drawn"]["wavelength"] <= 22
    )  # of the class, not of sines in general
    ours, theirs = (s.pair("train", 3, kind="vortex", size=SIZE) for s in (source, general))
    assert np.array_equal(ours.pair.first, theirs.pair.first)


def test_a_spoilt_network_explains_less_and_the_same_one_neither_more_nor_less():
    model = piv.load_model()
    bad = CCFCN(model.network.config)
    bad.load_state_dict(model.network.state_dict())
    with torch.no_grad():  # answers half a pixel beside
        bad.later_steps.head.bias[0] += 0.5
    spoilt = dataclasses.replace(model, network=bad.eval().requires_grad_(False))
    pair = open_source("synth:robustness").pair("validation", 0, kind="base", size=SIZE).pair
    assert not compare([pair], model, model, views=1).helped
    assert not compare([pair], model, model, views=1).harmed
    assert compare([pair], model, spoilt, views=1).harmed
    assert compare([pair], spoilt, model, views=1).helped


def test_discs_hide_about_their_share():
    assert discs((300, 400), np.random.default_rng(0)).mean() == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize(
    ("gain", "error", "verdict", "words"),
    [
        (0.01, 0.002, "helped", "it helped: new explains"),
        (0.003, 0.002, "not shown", "no reason to prefer new to old"),
        (-0.01, 0.002, "harmed", "keep old"),
        (float("nan"), float("nan"), "not shown", "no help is shown"),
    ],
)
def test_help_is_claimed_only_beyond_chance(gain, error, verdict, words):
    judgement = Judgement(
        Difference(0.8, 0.8 + gain, gain, error, 40), (0.07, 0.06), (0.09, 0.09), "old", "new"
    )
    assert judgement.verdict == verdict
    assert words in judgement.text()
    assert "0.0700 px before, 0.0600 after" in judgement.text()


def test_eight_pairs_at_most_spread_over_the_series():
    assert finetune.spread(3) == [0, 1, 2]
    assert finetune.spread(1000)[0] == 0
    assert finetune.spread(1000)[-1] == 999
    assert len(finetune.spread(1000)) == 8


@pytest.fixture
def recordings(tmp_path):
    import tifffile

    folder = tmp_path / "my recordings"
    folder.mkdir()
    source = open_source("synth:robustness")
    for index in range(2):
        pair = source.pair("validation", index, kind="base", size=(128, 160)).pair
        tifffile.imwrite(folder / f"run{index}_a.tif", pair.first)
        tifffile.imwrite(folder / f"run{index}_b.tif", pair.second)
    return folder


def test_the_command_trains_and_says_whether_it_helped(tmp_path, recordings, capsys):
    recipe = tmp_path / "short.toml"
    recipe.write_text(
        "render = 64\ncrop = 48\nbatch = 2\npool = 3\nreuse = 2\nwindows = [[32]]\nrepeats = [1]\n"
        "validation_pairs = 1\ncalibration_pairs = 1\nlearning_rate = 1e-5\n",
        "utf-8",
    )
    run = tmp_path / "own run"
    words = ["train", str(recipe), "--finetune", str(recordings), "-o", str(run), "--steps", "2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    judged = finetune.judge(run, run / "weights.safetensors")
    assert judged.text().splitlines()[0] in said
    assert "generated images like the recordings" in said
    note = json.loads((run / finetune.NOTE).read_text("utf-8"))
    assert note["weights"]["sha256"] == piv.load_model().sha256
    assert len(note["conditions"]) == 2
    record = piv.load_model(run / "weights.safetensors").record
    assert record["stages"][-2]["sha256"] == piv.load_model().sha256
    assert recipes.load(run / finetune.RECIPE).source.endswith("matched.toml")
    assert main([*words[:-2], "--steps", "3"]) == 2
    assert "already holds a run" in capsys.readouterr().err


def test_what_cannot_be_fine_tuned_is_told_in_one_line(tmp_path, recordings, capsys):
    base = ["train", "--finetune", str(recordings), "-o", str(tmp_path / "run")]
    for words, part in (
        ([*base, "--start-from", "none"], "needs weights to begin with"),
        ([*base, "--resume"], "a resumed run knows its recordings"),
        (["train", "standard", "--pairing", "ab", "-o", str(tmp_path / "run")], "--finetune"),
    ):
        assert main(words) == 2
        message = capsys.readouterr().err
        assert part in message
        assert len(message.strip().splitlines()) == 1


def test_recordings_of_nothing_are_refused(tmp_path):
    import tifffile

    for name in "ab":
        tifffile.imwrite(tmp_path / f"flat_{name}.tif", np.full(SIZE, 7, np.uint8))
    with pytest.raises(InputError, match="none of 1 pairs"):
        finetune.prepare(SourceSpec(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("weights", "steps"), [("ccfcn-fast-2026.11", 2), ("default", 3)])
def test_there_are_as_many_steps_as_the_weights_were_trained_for(
    tmp_path, recordings, weights, steps
):
    path = finetune.prepare(SourceSpec(recordings), tmp_path / "run", start_from=weights)
    assert recipes.load(path).refinement_steps == steps
