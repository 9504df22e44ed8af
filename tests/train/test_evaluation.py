"""Scoring: the coarse stage, the least-squares base and the dense field on known pairs."""

import json

import h5py
import numpy as np
import pytest
import torch

from piv import metrics
from piv.cli.evaluate import table
from piv.errors import InputError, SettingsError
from piv.io.dataset import TruePairs
from piv.network.ccfcn import CCFCN, CCFCNConfig
from piv.network.weights import load_model, save_weights
from piv.settings import Settings, from_dict
from piv.train.evaluation import (
    COARSE,
    DENSE,
    LEAST_SQUARES,
    counts,
    evaluate,
    reliability,
)
from piv.train.figures import evaluation_figure

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
    from dataclasses import replace

    pair = classes["shear"][0]
    still = np.zeros_like(pair.u)
    same = replace(pair, pair=replace(pair.pair, second=pair.pair.first), u=still, v=still)
    result = evaluate({"shear": [same]}, Settings(), None)
    assert [point.varied for point in result.bias] == [0.0, 0.0]
    assert all(abs(point.result) < 1e-6 for point in result.bias)
    assert not result.response


def test_the_gain_of_a_sinusoid_is_found_under_its_wavelength(source):
    from piv.train.source import open_source

    pair = open_source("synth:evaluation").pair("test", 7, kind="sine", size=(96, 128))
    result = evaluate({"sine": [pair]}, Settings(), None)
    (point,) = result.response
    assert point.varied == 90.0
    assert 0.5 < point.result < 1.1  # 32 px windows follow a wave of 90 px
    assert result.rows[0].figures["wavelength_response"] == point.result


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


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.pop("truth/u"), "has no /truth/u"),
        (lambda file: file.pop("frames/b"), "has no /frames/b"),
        (lambda file: _replace(file, "truth/v", np.zeros((4, 3, 3))), "/truth/v is"),
        (lambda file: _replace(file, "mask", np.zeros((3, 3))), "/mask is"),
        (lambda file: _replace(file, "frames/a", np.zeros((64, 96))), "must be"),
        (lambda file: _replace(file, "frames/a", np.zeros((0, 64, 96))), "must be"),
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
    rows = (folder / "evaluation.csv").read_text("utf-8").splitlines()
    assert len(rows) == len(written["rows"]) + 1
    assert (folder / "evaluation.png").read_bytes().startswith(b"\x89PNG")


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
    assert row.figures == metrics.score(u, v, pair.u, pair.v)
