"""Scoring: the coarse stage, the least-squares base and the dense field on known pairs."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import piv
from piv import metrics
from piv.cli.evaluate import biases, gains, steps, table
from piv.errors import InputError, SettingsError
from piv.io.dataset import TruePairs
from piv.network.ccfcn import CCFCN
from piv.network.config import CCFCNConfig
from piv.network.weights import load_model, save_weights
from piv.settings import Settings, from_dict
from piv.train import evaluation
from piv.train.evaluation import (
    COARSE,
    DENSE,
    LEAST_SQUARES,
    Evaluation,
    Sweep,
    counts,
    evaluate,
    reliability,
)
from piv.train.figures import evaluation_figure
from piv.train.source import open_source

from .conftest import TINY


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained network: it returns its least-squares base."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = CCFCN(CCFCNConfig.from_dict(TINY))
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    record = {"network": TINY, "calibration": {"interval_68": 1.0, "interval_95": 2.0}}
    save_weights(path, network.state_dict(), record)
    return path


@pytest.fixture(scope="module")
def classes(source):
    return {
        kind: [source.pair("test", index, kind=kind, size=(64, 96)) for index in range(2)]
        for kind in source.classes
    }


@pytest.fixture(scope="module")
def result(classes, weights):
    return evaluate(classes, Settings(), load_model(weights), ablation=True)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory, classes):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    pairs = [pair for kind in classes.values() for pair in kind]
    with h5py.File(path, "w") as file:
        file["frames/a"] = np.stack([pair.pair.first for pair in pairs])
        file["frames/b"] = np.stack([pair.pair.second for pair in pairs])
        file["truth/u"] = np.stack([pair.u for pair in pairs])
        file["truth/v"] = np.stack([pair.v for pair in pairs])
        every = np.ones((64, 96), dtype=bool)
        file["truth/seeded"] = np.stack([every if p.seeded is None else p.seeded for p in pairs])
        file["mask"] = np.stack([~every if p.pair.mask is None else p.pair.mask for p in pairs])
        file["kind"] = [pair.kind for pair in pairs]
    return path


def test_every_class_and_method_has_a_row_and_all_have_their_mean(result):
    rows = [(row.kind, row.method, row.pairs) for row in result.rows]
    methods = (COARSE, LEAST_SQUARES, DENSE)
    assert rows[:6] == [(kind, m, 2) for kind in ("shear", "masked") for m in methods]
    assert rows[6:] == [
        (k, m, 4) for k in ("geometric mean", "all classes pooled") for m in methods
    ]
    value = {(row.kind, row.method): row.figures for row in result.rows}
    for name in ("mean_endpoint_error", "vector_rms"):
        product = value["shear", COARSE][name] * value["masked", COARSE][name]
        assert value["geometric mean", COARSE][name] == pytest.approx(product**0.5)


def test_an_untrained_network_scores_as_its_least_squares_base(result):
    value = {(row.kind, row.method): row.figures for row in result.rows}
    for kind in ("shear", "masked"):
        assert value[kind, DENSE]["vector_rms"] == value[kind, LEAST_SQUARES]["vector_rms"]
        assert 0 < value[kind, COARSE]["vector_rms"] < 0.5


def test_only_the_dense_field_states_an_uncertainty(result):
    for row in result.rows:
        if row.kind != "geometric mean":
            assert ("coverage" in row.figures) == (row.method == DENSE)
    assert all(a > 0 and b > 0 for a, b in result.reliability)


def test_masked_and_unseeded_pixels_are_not_scored(classes):
    pair = classes["masked"][0]
    expected = pair.seeded & ~pair.pair.mask
    assert 0 < expected.sum() < min(pair.seeded.sum(), (~pair.pair.mask).sum())
    assert np.array_equal(counts(pair), expected)
    assert counts(classes["shear"][0]).all()


def test_reliability_compares_what_is_stated_with_the_68_percent_point():
    rng = np.random.default_rng(3)
    sigma = np.repeat([0.01, 0.1, 1.0], 40000)
    zero = np.zeros_like(sigma)
    part = {"u": sigma * rng.normal(size=sigma.size), "v": sigma * rng.normal(size=sigma.size)}
    part |= {"true_u": zero, "true_v": zero, "uncertainty_u": sigma, "uncertainty_v": sigma}
    points = reliability([part], bins=3)
    assert [stated for stated, _ in points] == pytest.approx([0.01, 0.1, 1.0])
    assert [found / stated for stated, found in points] == pytest.approx([1, 1, 1], rel=0.02)


def test_a_uniform_displacement_gives_points_of_the_bias(source, classes):
    pair = classes["shear"][0]
    still = np.zeros_like(pair.u)
    same = replace(pair, pair=replace(pair.pair, second=pair.pair.first), u=still, v=still)
    result = evaluate({"shear": [same]}, Settings(), None)
    assert [point.varied for point in result.bias] == [0.0, 0.0]
    assert all(abs(point.result) < 1e-6 for point in result.bias)
    assert not result.response


def test_the_gain_of_a_sinusoid_is_found_under_its_wavelength(source):
    pair = open_source("synth:evaluation").pair("test", 7, kind="sine", size=(96, 128))
    result = evaluate({"sine": [pair]}, Settings(), None)
    (point,) = result.response
    assert point.varied == 90.0
    assert 0.5 < point.result < 1.1  # 32 px windows follow a wave of 90 px
    assert result.rows[0].figures["wavelength_response"] == point.result


def test_waves_of_the_resolution_recipe_are_found_under_their_wavelength():
    source = open_source("synth:resolution")
    classes = {
        kind: [source.pair("validation", index, kind, (96, 128)) for index in range(2)]
        for kind in ("sine064", "triangle032", "lamb_oseen12")
    }
    result = evaluate(classes, Settings(), None)
    found = [(point.kind, point.varied) for point in result.response]
    assert found == [("sine064", 64.0)] * 2 + [("triangle032", 32.0)] * 2
    text = gains(result)
    assert text.splitlines()[0].split()[-2:] == ["32", "64"]
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [
        ["sine", "coarse"], ["triangle", "coarse"]
    ]  # fmt: skip
    assert gains(evaluate({"lamb": classes["lamb_oseen12"]}, Settings(), None)) == ""
    rows = {row.kind: row.figures for row in result.rows}
    assert "wavelength_response" not in rows["lamb_oseen12"]
    assert rows["sine064"]["wavelength_response"] == np.mean(
        [point.result for point in result.response[:2]]
    )


def test_the_response_to_a_step_is_that_of_the_coarse_windows():
    source = open_source("synth:resolution")
    pairs = [source.pair("validation", index, "step0", (128, 160)) for index in range(2)]
    result = evaluate({"step0": pairs}, Settings(), None)
    (step,) = result.steps
    assert (step.kind, step.method) == ("step0", COARSE)
    place, response = np.array(step.distance), np.array(step.response)
    assert np.abs(response[place < -16]).max() < 0.1
    assert np.abs(response[place > 16] - 1).max() < 0.1
    assert 3 < step.rise < 20  # windows of 16 px
    assert (
        result.rows[0].figures["overshoot"] == step.overshoot == max(0, *(response - 1), *-response)
    )
    assert steps(result).splitlines()[1].split()[0] == "step0"


def test_a_step_that_is_followed_exactly_is_a_step():
    from piv.train.evaluation import _Estimate, _Stack

    source = open_source("synth:resolution")
    stack = _Stack()
    for index in range(4):  # along both axes
        true = source.pair("validation", index, "step0", (128, 160))
        stack.truths.append(true)
        stack.estimates.append(_Estimate(true.u, true.v))
    distance, response = stack.step()
    assert (
        np.abs(response[np.abs(distance) > 1] - (distance[np.abs(distance) > 1] > 0)).max() < 1e-5
    )


def test_biases_are_listed_by_the_fraction_of_the_displacement():
    truth = (3.0, 0.15, 0.25, 4.95)
    points = [Sweep(DENSE, true, 0.1 * (true % 1), "uniform22") for true in truth]
    lines = biases(Evaluation(bias=points)).splitlines()
    cells = lines[1].split()
    assert cells[:2] == ["uniform22", DENSE]
    assert cells[2:12] == ["+0.0000", "+0.0150", "+0.0250", *["-"] * 6, "+0.0950"]
    assert [float(cell) for cell in cells[12:]] == [0.0475, 0.095]


def test_the_spread_of_the_coverage_is_that_of_single_pairs(classes, weights):
    model = replace(load_model(weights), interval_68=0.03, interval_95=0.06)
    pooled = evaluate(classes, Settings(), model).rows
    dense = next(row for row in pooled if (row.kind, row.method) == ("shear", DENSE))
    single = [
        evaluate({"shear": [pair]}, Settings(), model).rows[1].figures for pair in classes["shear"]
    ]
    assert dense.figures["coverage_low"] == min(row["coverage"] for row in single)
    assert dense.figures["coverage_high"] == max(row["coverage"] for row in single)
    assert dense.figures["coverage"] == pytest.approx(np.mean([row["coverage"] for row in single]))
    assert dense.figures["coverage"] < dense.figures["coverage_95"] <= 1


def test_a_region_is_refused(classes):
    settings = from_dict({"preprocess": {"region": [0, 0, 40, 40]}})
    with pytest.raises(SettingsError, match=r"preprocess\.region"):
        evaluate(classes, settings, None)


def test_the_table_and_the_figure_show_all_rows(result):
    lines = table(result).splitlines()
    assert len(lines) == 1 + len(result.rows)
    assert lines[0].split()[:3] == ["class", "method", "pairs"]
    assert evaluation_figure(result).startswith(b"\x89PNG")


def test_a_data_set_gives_the_pairs_that_were_stored(data_set, classes):
    with TruePairs(data_set) as pairs:
        assert len(pairs) == 4
        assert pairs.kinds == ["shear", "shear", "masked", "masked"]
        stored, made = pairs[2], classes["masked"][0]
        for a, b in (
            (stored.pair.first, made.pair.first),
            (stored.pair.mask, made.pair.mask),
            (stored.u, made.u),
            (stored.seeded, made.seeded),
        ):
            assert np.array_equal(a, b)
        assert pairs[0].pair.mask is None


def test_pixels_without_known_displacement_are_not_scored(tmp_path, data_set, weights):
    from piv.cli import main

    path = tmp_path / "partly known.h5"
    path.write_bytes(data_set.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["units"] = "px"
        u = file["truth/u"][:]
        u[:, :, 48:] = np.nan
        _replace(file, "truth/u", u)
    folder = tmp_path / "scores"
    words = ["evaluate", "--data", str(path), "--model", str(weights), "-o", str(folder)]
    assert main([*words, "--classes", "shear", "--floors"]) == 0
    written = json.loads((folder / "evaluation.json").read_text("utf-8"))
    with TruePairs(data_set) as pairs:
        left = []
        for index in range(2):
            known = np.zeros((64, 96), dtype=bool)
            known[:, :48] = True
            left.append(replace(pairs[index], seeded=known))
    alone = evaluate({"shear": left}, Settings(), load_model(weights))
    for row, known in zip(written["rows"], alone.rows, strict=False):
        for figure in ("vector_rms", "bias_u", "coverage", "coverage_low"):
            if figure in known.figures:
                assert row[figure] == pytest.approx(known.figures[figure]), (row["method"], figure)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.pop("truth/u"), "has no /truth/u"),
        (lambda file: file.pop("frames/b"), "has no /frames/b"),
        (lambda file: _replace(file, "truth/v", np.zeros((4, 3, 3))), "/truth/v is"),
        (lambda file: _replace(file, "mask", np.zeros((3, 3))), "/mask is"),
        (lambda file: _replace(file, "frames/a", np.zeros((64, 96))), "must be"),
        (lambda file: _replace(file, "frames/a", np.zeros((0, 64, 96))), "must be"),
        (lambda file: file.attrs.update(units="m/s"), "/truth/u is in m/s, but px are wanted"),
        (lambda file: file["truth/v"].attrs.update(units="mm"), "/truth/v is in mm"),
    ],
)
def test_a_file_that_is_no_data_set_with_truth_is_refused(tmp_path, data_set, spoil, message):
    path = tmp_path / "odd.h5"
    path.write_bytes(data_set.read_bytes())
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=message):
        TruePairs(path)


def _replace(file, name, values):
    del file[name]
    file[name] = values


def test_what_is_no_hdf5_file_is_refused(tmp_path):
    (tmp_path / "text.h5").write_text("not a data set", "utf-8")
    with pytest.raises(InputError, match="cannot read the data set"):
        TruePairs(tmp_path / "text.h5")
    with pytest.raises(InputError, match="there is no file"):
        TruePairs(tmp_path / "nowhere.h5")


def test_the_command_prints_a_table_and_writes_the_files(tmp_path, data_set, weights, capsys):
    from piv.cli import main

    folder = tmp_path / "scores"
    words = ["--data", str(data_set), "--model", str(weights), "--pairs", "1", "-o", str(folder)]
    assert main(["evaluate", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["shear", "coarse"], ["shear", "dense"], ["masked", "coarse"], ["masked", "dense"]
    ]  # fmt: skip
    written = json.loads((folder / "evaluation.json").read_text("utf-8"))
    assert written["model"]["sha256"] == load_model(weights).sha256
    with TruePairs(data_set) as pairs:
        alone = evaluate({"shear": [pairs[0]]}, Settings(), None).rows[0].figures
    assert written["rows"][0]["vector_rms"] == pytest.approx(alone["vector_rms"])
    sweeps = (folder / "sweeps.csv").read_text("utf-8").splitlines()
    assert sweeps == ["sweep,class,method,varied,result"]  # no class of this set is one
    rows = (folder / "evaluation.csv").read_text("utf-8").splitlines()
    assert len(rows) == len(written["rows"]) + 1
    assert (folder / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_floors_stand_in_their_classes_and_sweeps_have_their_files(tmp_path, capsys):
    from piv.cli import main

    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        "size = [64, 96]\n[classes.uniform22]\nflow = 'uniform'\noptions = {sweep = 1}\n"
        "[classes.step0]\nflow = 'step'\n[classes.sine032]\nflow = 'sine'\n"
        "options = {fixed = 1, wavelength = 32}\n",
        "utf-8",
    )
    words = ["--test-set", str(recipe), "--model", "none", "--pairs", "2", "--floors"]
    assert main(["evaluate", *words, "-o", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    blocks = [block.splitlines() for block in text.split("\n\n")]
    heads = [" ".join(line.split()[:4]) for line in blocks[0][1:6]]
    assert heads[0] == "uniform22 coarse 2 " + blocks[0][1].split()[3]
    assert [head.rsplit(" ", 1)[0] for head in heads[1:4]] == [
        "uniform22 floor: particles", "uniform22 floor: window", "uniform22 floor: Cramer-Rao"
    ]  # fmt: skip
    assert [block[0].split()[0] for block in blocks[1:]] == ["gain", "response", "bias"]
    lines = (tmp_path / "sweeps.csv").read_text("utf-8").splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {"bias", "gain", "step"}
    written = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert written["steps"][0]["kind"] == "step0"
    assert {row["method"] for row in written["rows"]} > {"floor: window", "floor: Cramer-Rao"}


def test_a_data_set_has_the_floor_of_windows_alone(data_set, capsys):
    from piv.cli import main

    words = ["--data", str(data_set), "--model", "none", "--pairs", "1", "--floors"]
    assert main(["evaluate", *words]) == 0
    text = capsys.readouterr().out
    assert "floor: window" in text
    assert "floor: particles" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere.h5"], "there is no file nowhere.h5"),
        (["--test-set", "nothing"], "nothing"),
        (["--test-set", "nobody:nothing"], "unknown data source nobody:nothing"),
        (["--classes", "waves"], "has no class waves: its classes are"),
        (["--pairs", "0"], "whole number from 1"),
        (["--split", "train"], "unknown"),
        (["--ablation"], "--ablation needs a model"),
        (["--set", "preprocess.region=[0,0,40,40]", "--pairs", "1"], "preprocess.region"),
        (["--data", "a.h5", "--test-set", "b"], "not allowed with"),
        (["--data", "a.h5", "--split", "test"], "--split is of a test set"),
        (["--test-set", "C:\\my.toml"], "no recipe 'C:\\\\my.toml'"),
    ],
)
def test_mistakes_get_one_line_and_status_2(capsys, words, message):
    from piv.cli import main

    assert main(["evaluate", "--model", "none", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_figures_are_those_of_the_metrics(classes):
    from piv.correlate import coarse_at_every_pixel
    from piv.pipeline import analyse

    pair = classes["shear"][0]
    row = evaluate({"shear": [pair]}, Settings(), None).rows[0]
    u, v = coarse_at_every_pixel(analyse(pair.pair, model=None).coarse, pair.pair.shape)
    figures = dict(row.figures)
    assert figures.pop("error_correlation_length") > 0
    assert figures == metrics.score(u, v, pair.u, pair.v)


def test_the_distance_over_which_errors_are_alike():
    """A field off by noise blurred over 4 px: correlated as exp(-r^2 / (4 4^2)), 1/e at 8 px."""
    rng = np.random.default_rng(3)
    shape = (160, 200)
    frames = rng.integers(0, 255, (2, *shape)).astype(np.uint8)
    truth = np.zeros(shape, np.float32)
    true = piv.TruePair(piv.ImagePair(*frames), truth, truth)
    errors = [gaussian_filter(rng.standard_normal(shape), 4.0, mode="wrap") for _ in range(2)]
    estimate = evaluation._Estimate(*(e.astype(np.float32) for e in errors))
    stack = evaluation._Stack([estimate], [true])
    assert stack.figures(None)["error_correlation_length"] == pytest.approx(8.0, rel=0.15)
