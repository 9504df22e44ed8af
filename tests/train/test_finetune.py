"""Fine-tuning: what is measured of recordings, the images made from it, and the judgement."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import tomllib

import numpy as np
import pytest
import torch
from pairs import uniform_pair

import piv
from piv.cli import build_parser, main, train
from piv.errors import InputError, PIVError, WeightsError
from piv.io.sources import SourceSpec
from piv.network.catalogue import weights_path
from piv.network.ccfcn import CCFCN
from piv.settings import Settings, from_dict
from piv.train import finetune
from piv.train import recipe as recipes
from piv.train.conditions import Conditions, measure
from piv.train.finetune import Judgement
from piv.train.hidden_pixels import Difference, bridged, compare, discs, unseen
from piv.train.likened import likened
from piv.train.matched import fit_text, fits, inline, recipe_text
from piv.train.recordings import Wanted, noted_recordings, read_note, spread
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


@pytest.mark.parametrize(
    ("kind", "density", "noise"),
    [("base", (0.04, 0.07), (0.0, 0.03)), ("noise20", (0.025, 0.09), (0.15, 0.27))],
)
def test_images_made_with_corrected_conditions_measure_like_the_recording(
    robustness, kind, density, noise
):
    """In much noise a sixth of the particles is counted, and half of the noise is found."""
    true = robustness.pair("validation", 1, kind=kind, size=(256, 256))
    model = piv.load_model()
    measured = measure(true.pair, piv.analyse(true.pair))
    found = likened(measured, model, Settings())
    assert density[0] < found.density < density[1]
    assert noise[0] <= found.noise < noise[1]
    if kind == "noise20":
        assert measured.density < 0.02
        assert measured.noise < 0.15
    for name in ("bits", "gain", "displacement", "gradient"):
        assert getattr(found, name) == getattr(measured, name)


@pytest.mark.parametrize(
    ("name", "value"), [("density", 0.9), ("diameter", 16.0), ("noise", 0.6), ("peak", 0.002)]
)
def test_recordings_beyond_the_generator_are_told(name, value):
    beyond = dataclasses.replace(SOME, **{name: value})
    found = likened(beyond, piv.load_model(), Settings())
    general = open_source("synth:training").record["recipe"]
    rows = {row.name: row for row in fits([found], general)}
    assert rows[name].clamped
    assert rows[name].outside
    assert "beyond the generator" in fit_text(list(rows.values()))


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
    # the record does not depend on what the general mix will be one day
    assert source.record["refers_to"]["training"] == general.record["recipe"]
    assert "refers_to" not in general.record
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
    pairs = [pair] * 8
    same = compare(pairs[:1], model, model, views=1)
    assert (same.gain, same.verdict) == (0.0, "too few")
    assert 6 <= same.blocks <= 9  # of 64 px, in 160 x 192
    assert compare(pairs, model, spoilt, views=1).verdict == "harmed"
    assert compare(pairs, spoilt, model, views=1).verdict == "helped"


@pytest.mark.parametrize("length", [0.0, 10.0, 16.0])
def test_what_is_scored_was_hidden_at_any_displacement(length):
    """Other noise in all that the scored places show must not move the field there."""
    shape, rng = (192, 224), np.random.default_rng(3)
    hidden = discs(shape, rng)
    u, v = np.full(shape, length), np.zeros(shape)
    where = unseen(u, v, hidden, None)
    ways = [np.roll(hidden, round(part * length), 1) for part in (-0.5, 0.5)]
    inner = np.s_[:, 20:-20]
    assert np.array_equal(where[inner], (ways[0] | ways[1])[inner])
    pair = uniform_pair(shape, length, 0.0, density=0.06)
    clean = [frame.astype(np.float32) for frame in (pair.first, pair.second)]
    frames = [frame + rng.normal(0, 20, shape).astype(np.float32) for frame in clean]
    others = []
    for part, frame, light in zip((-0.5, 0.5), frames, clean, strict=True):
        shown = np.roll(where, round(part * length), 1)
        fresh = light + rng.normal(0, 20, shape).astype(np.float32)
        others.append(np.where(shown, fresh, frame))
    fields = [piv.analyse(*both, mask=hidden).dense.u for both in (frames, others)]
    one, two = (bridged(field, hidden | where) for field in fields)
    where[:, :24], where[:, -24:] = False, False
    assert where.mean() > 0.05
    assert np.abs(one - two)[where].max() < 0.01
    error = np.sqrt(np.mean((one - length)[where] ** 2))
    assert np.sqrt(np.mean((one - two)[where] ** 2)) < 0.1 * error


def test_views_of_a_block_are_no_further_evidence():
    pair = open_source("synth:robustness").pair("validation", 1, kind="base", size=SIZE).pair
    one, two = (
        compare([pair], *(piv.load_model(n) for n in ("ccfcn-2026.11c", "default")), views=views)
        for views in (1, 2)
    )
    assert 6 <= one.blocks <= two.blocks <= 9
    assert two.gain != one.gain


def test_discs_hide_about_their_share():
    assert discs((300, 400), np.random.default_rng(0)).mean() == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize(
    ("gain", "error", "verdict", "words"),
    [
        (0.01, 0.002, "helped", "it helped: new explains"),
        (0.003, 0.002, "not shown", "no reason to prefer new to old"),
        (-0.01, 0.002, "harmed", "keep old"),
    ],
)
def test_help_is_claimed_only_beyond_chance(gain, error, verdict, words):
    found = Difference(0.8, 0.8 + gain, gain, error, 40, 3, ("run 2: all black",))
    judgement = Judgement(found, (0.07, 0.06), (0.09, 0.09), "old", "new")
    assert judgement.verdict == verdict
    assert words in judgement.text()
    assert "0.0700 px before, 0.0600 after" in judgement.text()
    assert "left out: run 2: all black" in judgement.text()
    few = dataclasses.replace(found, blocks=29)
    assert few.verdict == "too few"
    assert "take more pairs" in finetune.verdict_text(few, "old", "new")


def test_without_any_block_nothing_is_claimed():
    nothing = Difference(*[float("nan")] * 4, 0, 0, ("all black",))
    assert nothing.verdict == "too few"
    assert "nan" not in finetune.verdict_text(nothing, "old", "new")
    assert json.dumps(finetune.plain_difference(nothing), allow_nan=False)


def test_eight_pairs_at_most_spread_over_the_series():
    assert spread(3) == [0, 1, 2]
    assert spread(1000)[0] == 0
    assert spread(1000)[-1] == 999
    assert len(spread(1000)) == 8


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
    kept = json.loads((run / finetune.JUDGEMENT).read_text("utf-8"))
    assert kept["verdict"] == judged.verdict == "too few"  # two pairs of 128 x 160 px
    assert kept["sha256"]["new"] == piv.load_model(run / "weights.safetensors").sha256
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
        (["train", "standard", "--measure-only", "-o", str(tmp_path / "run")], "--measure-only"),
        (["train", "standard", "--set", "a.b=1", "-o", str(tmp_path / "run")], "--set belongs"),
        ([*base, "--pairs", "7"], "there are 2 pairs"),
        ([*base, "--background", "mean", "--background", "min"], "--background is given once"),
        ([*base, "--background", "nothing.tif"], "nothing.tif"),
        (["compare", str(recordings), "--new", "none"], "'none' is no weights"),
        (["compare", str(recordings)], "--new"),
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
    made = finetune.prepare(SourceSpec(recordings), tmp_path / "run", start_from=weights)
    assert recipes.load(made.recipe).refinement_steps == steps


def blank(folder, name):
    import tifffile

    for mark in "ab":
        tifffile.imwrite(folder / f"{name}_{mark}.tif", np.zeros((128, 160), np.uint8))


def weights_in(run):
    """As a finished run would leave them: those that it began with."""
    target = run / "weights.safetensors"
    shutil.copy(weights_path("default"), target)
    return target


def quick(run):
    """No longer than it must: one class like the recordings, and one of the general mix."""
    for path in (run / finetune.RECIPE,):
        text = re.sub(r"(?m)^(render|crop) = .*", r"\1 = 64", path.read_text("utf-8"))
        path.write_text(re.sub(r"(?m)^validation_pairs = .*", "validation_pairs = 1", text))
    mix = tomllib.loads((run / finetune.MIX).read_text("utf-8"))
    kept = {k: mix["classes"][k] for k in ("uniform", "matched_uniform")}
    lines = ['description = "short"', "size = [64, 64]"]
    for kind, table in kept.items():
        lines += [
            f"[classes.{kind}]",
            *(f"{key} = {inline(value)}" for key, value in table.items()),
        ]
    (run / finetune.MIX).write_text("\n".join(lines), "utf-8")


def test_what_was_measured_is_what_is_asked_and_nothing_else(tmp_path, recordings):
    """Images that look like a background, blank pairs and pairs that come later move nothing."""
    blank(recordings, "a blank")
    blank(recordings, "dark")
    run = tmp_path / "run"
    prepared = finetune.prepare(SourceSpec(recordings), run)
    told = "\n".join(prepared.notes)
    assert "dark_a.tif" in told  # left out by its name
    assert "left out: a blank_a.tif, a blank_b.tif: the first frame is all black" in told
    note = json.loads((run / finetune.NOTE).read_text("utf-8"))
    assert note["pairs"] == [1, 2]
    assert len(note["conditions"]) == 2
    blank(recordings, "a blank before it")
    quick(run)
    judged = finetune.judge(run, weights_in(run))
    assert (judged.recordings.pairs, judged.recordings.left_out) == (2, ())
    assert judged.recordings.gain == 0.0
    (recordings / "run0_a.tif").write_bytes((recordings / "run1_a.tif").read_bytes())
    (recordings / "run1_b.tif").unlink()
    judged = finetune.judge(run, run / "weights.safetensors")
    assert judged.recordings.pairs == 0
    assert len(judged.recordings.left_out) == 2
    assert "no longer what was measured" in judged.recordings.left_out[0]
    assert "run1_b.tif" in judged.text()


def test_the_weights_before_are_told_by_their_hash(tmp_path, recordings):
    own = tmp_path / "mine.safetensors"
    shutil.copy(weights_path("ccfcn-2026.11c"), own)
    run = tmp_path / "run"
    finetune.prepare(SourceSpec(recordings), run, start_from=own)
    quick(run)
    shutil.copy(weights_path("default"), own)
    assert finetune.judge(run, weights_in(run)).old == "ccfcn-2026.11c"  # that of the package
    note = json.loads((run / finetune.NOTE).read_text("utf-8"))
    note["weights"]["sha256"] = 64 * "0"
    (run / finetune.NOTE).write_text(json.dumps(note), "utf-8")
    with pytest.raises(WeightsError, match="no longer the weights that the run began with"):
        finetune.judge(run, run / "weights.safetensors")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda note: {k: v for k, v in note.items() if k != "weights"}, "no weights"),
        (lambda note: {k: v for k, v in note.items() if k != "pairs"}, "no pairs"),
        (lambda _: [1, 2], "damaged"),
    ],
)
def test_a_damaged_note_is_told_in_one_line(tmp_path, recordings, spoil, part):
    run = tmp_path / "run"
    finetune.prepare(SourceSpec(recordings), run)
    note = run / finetune.NOTE
    note.write_text(json.dumps(spoil(json.loads(note.read_text("utf-8")))), "utf-8")
    with pytest.raises(PIVError, match=part):
        finetune.judge(run, run / "weights.safetensors")


def test_only_what_was_prepared_is_judged(tmp_path, recordings):
    """Another training may use the folder of a look, and weights of one's own another start."""
    run = tmp_path / "run"
    made = finetune.prepare(SourceSpec(recordings), run)
    recipe = recipes.load(made.recipe)
    began = [{"sha256": piv.load_model().sha256}]
    assert finetune.is_finetune(run, recipe, began)
    assert not finetune.is_finetune(run, recipe, [])
    assert not finetune.is_finetune(run, recipe, [{"sha256": 64 * "0"}])
    assert not finetune.is_finetune(run, recipes.load("standard"), began)
    assert not finetune.is_finetune(tmp_path, recipe, began)


def test_recordings_are_looked_at_as_they_will_be_analysed(tmp_path, recordings):
    """Background, mask and settings, at the beginning and at the end."""
    import tifffile

    ground = np.add.outer(np.zeros(128), np.linspace(20, 90, 160)).astype(np.uint8)
    for path in recordings.glob("*.tif"):
        frame = tifffile.imread(path).astype(int) + ground
        tifffile.imwrite(path, frame.clip(0, 255).astype(np.uint8))
    image = tmp_path / "ground.tif"
    tifffile.imwrite(image, ground)
    mask = np.zeros((128, 160), dtype=bool)
    mask[:, :20] = True
    settings = from_dict({"preprocess": {"region": [10, 0, 128, 112]}, "refine": {"steps": 2}})
    spec = SourceSpec(recordings, mask=mask)
    run = tmp_path / "run"
    finetune.prepare(Wanted(spec, settings, (str(image),)), run)
    image.unlink()
    note = read_note(run)
    with noted_recordings(run, note) as again:
        first = again[0]
        assert first.shape == (112, 128)
        assert again.settings.refine.steps == 2
        assert np.array_equal(first.mask, mask[:112, 10:138])
        frame = tifffile.imread(recordings / "run0_a.tif").astype(np.float32)
        assert np.array_equal(first.first, (frame - ground).clip(0)[:112, 10:138])
    with_ground = finetune.prepare(Wanted(SourceSpec(recordings)), tmp_path / "plain")
    offset = [
        np.mean([one["offset"] for one in read_note(folder)["conditions"]])
        for folder in (run, tmp_path / "plain")
    ]
    assert offset[0] < 0.5 * offset[1]
    assert note["conditions"][0]["bits"] == 8  # of the camera, not of the difference
    assert "condition" in with_ground.text


def test_what_lies_outside_of_the_general_mix_is_named():
    general = open_source("synth:training").record["recipe"]
    rows = {row.name: row for row in fits([SOME], general)}
    assert not any(row.outside or row.clamped for row in rows.values())
    assert rows["density"].general == (0.01, 0.4)
    assert rows["bits"].general == (8, 16)
    assert "little is to be gained" in fit_text(list(rows.values()))
    odd = dataclasses.replace(SOME, density=0.6, noise=0.01, diameter=8.0, displacement=0.1)
    rows = fits([SOME, odd], general)
    assert [row.name for row in rows if row.outside] == ["density", "diameter"]
    assert [row.name for row in rows if row.clamped] == ["density"]
    text = fit_text(rows)
    assert "outside of the general mix: density, diameter" in text
    assert "cannot make images with such density" in text


def test_recordings_are_measured_without_training(tmp_path, recordings, capsys):
    run = tmp_path / "look"
    words = ["train", "--finetune", str(recordings), "-o", str(run), "--pairs", "1"]
    assert main([*words, "--measure-only"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("condition")
    assert "matched.toml" in said.err
    assert len(read_note(run)["conditions"]) == 1
    assert not (run / "checkpoint.pt").exists()


def test_two_weights_are_compared_on_recordings(tmp_path, recordings, capsys):
    blank(recordings, "a blank")
    path = tmp_path / "answer.json"
    words = ["compare", str(recordings), "--old", "ccfcn-2026.11c", "--new", "default"]
    assert main([*words, "-o", str(path)]) == 1  # one pair could not be asked
    said = capsys.readouterr()
    assert "too few pixels to tell" in said.out
    assert "left out: a blank" in said.err
    kept = json.loads(path.read_text("utf-8"))
    assert kept["old"]["name"] == "ccfcn-2026.11c"
    assert kept["pairs"] == 2
    assert kept["blocks"] > 0
    assert main([*words, "-o", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_command_that_goes_on_is_whole():
    args = build_parser().parse_args(
        ["train", "standard", "-o", "my run", "--processes", "1", "--threads", "2", "--name", "n"]
    )
    assert train._go_on(args) == "piv train --resume -o 'my run' --threads 2 --name n"
