"""What ensemble correlation promises, on series of thinly seeded pairs of known displacement."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pairs import flow_pair, uniform_pair, vortex

import piv
from piv import Analysis, Flag, ImagePair, InputError, Settings
from piv.cli import main
from piv.correlate import EnsembleStep
from piv.settings import CorrelateSettings, ValidateSettings

SHAPE = (96, 136)
FLOW = vortex(SHAPE, peak=3.0, core=25.0)
QUICK = Settings(correlate=CorrelateSettings(windows=(32, 16), repeats=1))


class Noted(Sequence[ImagePair]):
    """Notes which pairs are asked for."""

    def __init__(self, pairs: Sequence[ImagePair]) -> None:
        self.pairs = pairs
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: Any) -> Any:
        self.asked.append(index)
        return self.pairs[index]


@pytest.fixture(scope="module")
def sparse() -> list[ImagePair]:
    return [flow_pair(SHAPE, FLOW, density=0.003, noise=0.1, seed=seed) for seed in range(40)]


@pytest.fixture(scope="module")
def found(sparse: list[ImagePair]) -> Analysis:
    return piv.ensemble_correlation(sparse)


def error(field: piv.VectorField) -> np.ndarray[Any, np.dtype[np.float64]]:
    u, v = FLOW(*np.meshgrid(field.x, field.y))
    return np.hypot(field.u - u, field.v - v)


def same(a: piv.VectorField, b: piv.VectorField, tolerance: float) -> None:
    np.testing.assert_array_equal(a.flags, b.flags)
    np.testing.assert_allclose(a.u, b.u, atol=tolerance)
    np.testing.assert_allclose(a.v, b.v, atol=tolerance)


# ---------------------------------------------------------------- uncertainty


def stated(field: piv.VectorField) -> np.ndarray[Any, np.dtype[np.float64]]:
    assert field.uncertainty_u is not None
    assert field.uncertainty_v is not None
    return np.stack([field.uncertainty_u, field.uncertainty_v])


def test_two_thirds_of_the_errors_lie_within_the_uncertainty(found: Analysis) -> None:
    field = found.field
    true = np.stack(FLOW(*np.meshgrid(field.x, field.y)))
    errors, size = np.abs(np.stack([field.u, field.v]) - true), stated(field)
    assert (np.isfinite(size) == field.valid).all()
    known = np.isfinite(size)
    assert 0.58 < np.mean(errors[known] <= size[known]) < 0.78
    assert np.mean(errors[known] <= 3 * size[known]) > 0.95


def test_the_uncertainty_falls_with_the_root_of_the_pairs(found: Analysis) -> None:
    more = [flow_pair(SHAPE, FLOW, density=0.02, noise=0.05, seed=seed) for seed in range(36)]
    few, many = (
        np.nanmedian(stated(piv.ensemble_correlation(pairs, settings=QUICK).field))
        for pairs in (more[:9], more)
    )
    assert 1.5 < few / many < 2.7  # 2 but for scatter


def test_two_pairs_are_enough_where_both_contribute() -> None:
    pairs = [flow_pair(SHAPE, FLOW, density=0.02, seed=seed) for seed in range(2)]
    field = piv.ensemble_correlation(pairs, settings=QUICK).field
    apart = piv.ensemble_correlation(pairs[:1], settings=QUICK).field
    assert apart.uncertainty_u is None  # one pair has no scatter
    size, both = stated(field), field.valid & (field.extra["pair_count"] == 2)
    assert both.mean() > 0.8
    np.testing.assert_array_equal(np.isfinite(size), np.stack([both, both]))
    assert (size[:, both] > 0).all()


def test_pairs_that_are_alike_scatter_little_and_calibration_scales_it() -> None:
    pair = flow_pair(SHAPE, FLOW, density=0.02, seed=3)
    alike = piv.ensemble_correlation([pair] * 4, settings=QUICK).field
    other = flow_pair(SHAPE, FLOW, density=0.02, seed=4)
    pairs = [replace(each, dt=1e-3) for each in (pair, other, pair, other)]
    field = piv.ensemble_correlation(pairs, settings=QUICK).field
    assert np.nanmax(stated(alike)) < 1e-3 * np.nanmedian(stated(field))
    calibration = piv.Calibration(2e-5)
    metric = piv.ensemble_correlation(pairs, settings=QUICK, calibration=calibration).field
    np.testing.assert_allclose(stated(metric), 0.02 * stated(field), rtol=1e-5)
    with pytest.raises(InputError, match="interrogation windows is not known"):
        piv.post.uncertainty_of(piv.post.vorticity, metric)


# ---------------------------------------------------------------- truth


def test_a_series_is_measured_whose_single_pairs_are_lost(
    sparse: list[ImagePair], found: Analysis
) -> None:
    singles = [piv.analyse(pair, model=None).field for pair in sparse[:4]]
    assert max(field.valid.mean() for field in singles) < 0.5
    field = found.field
    assert field.valid.mean() > 0.95
    inside = np.s_[1:-1, 1:-1]
    rms = np.sqrt((error(field)[inside] ** 2).mean())
    assert rms < 0.15  # measured 0.10 px; of the single pairs over 0.6
    assert all(np.sqrt((error(each)[inside] ** 2).mean()) > 3 * rms for each in singles)


def test_more_pairs_measure_better(sparse: list[ImagePair], found: Analysis) -> None:
    few = piv.ensemble_correlation(sparse[:5]).field
    assert np.median(error(found.field)) < 0.5 * np.median(error(few))


def test_it_is_a_field_of_the_coarse_stage_with_counts(
    sparse: list[ImagePair], found: Analysis
) -> None:
    field = found.field
    single = piv.analyse(sparse[0], model=None).field
    assert found.dense is None
    np.testing.assert_array_equal(field.x, single.x)
    np.testing.assert_array_equal(field.y, single.y)
    assert set(field.extra) == {"peak_ratio", "peak_height", "pair_count"}
    assert field.extra["pair_count"].max() == len(sparse)
    assert found.provenance["ensemble"] == {"used": 40, "skipped": 0, "reasons": []}
    assert field.attrs["settings"]["correlate"]["overlap"] == 0.5
    assert field.attrs["windows"][-1] == [16, 16]
    assert found.quality["valid"] == pytest.approx(100 * field.valid.mean())


# ---------------------------------------------------------------- the single pair, symmetry


@pytest.mark.parametrize("masked", [False, True])
def test_an_ensemble_of_one_pair_is_that_pair_to_the_last_bit(masked: bool) -> None:
    mask = np.zeros(SHAPE, np.bool_)
    mask[30:60, 50:80] = masked
    pair = flow_pair(SHAPE, FLOW, noise=0.02, mask=mask if masked else None)
    single = piv.analyse(pair, model=None).field
    field = piv.ensemble_correlation([pair]).field
    np.testing.assert_array_equal(field.u, single.u)
    np.testing.assert_array_equal(field.v, single.v)
    seen = field.extra["pair_count"] == 1
    np.testing.assert_array_equal(field.flags[seen], single.flags[seen])
    np.testing.assert_array_equal(np.isnan(field.u), (single.flags & Flag.MASKED) != 0)


def test_copies_of_a_pair_are_the_pair() -> None:
    # without the least height, which falls with the number of pairs
    settings = Settings(validate=ValidateSettings(peak_height=0.0))
    pair = flow_pair(SHAPE, FLOW, noise=0.02)
    single = piv.analyse(pair, model=None, settings=settings).field
    same(piv.ensemble_correlation([pair] * 3, settings=settings).field, single, 1e-4)


def test_the_order_of_the_pairs_does_not_matter(sparse: list[ImagePair]) -> None:
    there = piv.ensemble_correlation(sparse[:9], settings=QUICK).field
    back = piv.ensemble_correlation(sparse[:9][::-1], settings=QUICK).field
    same(there, back, 1e-4)


def test_exchanged_frames_turn_the_field_round(sparse: list[ImagePair], found: Analysis) -> None:
    turned = piv.ensemble_correlation(
        [replace(pair, first=pair.second, second=pair.first) for pair in sparse]
    ).field
    both = turned.valid & found.field.valid
    assert both.mean() > 0.9
    np.testing.assert_allclose(turned.u[both], -found.field.u[both], atol=1e-3)
    np.testing.assert_allclose(turned.v[both], -found.field.v[both], atol=1e-3)


def test_the_grey_scale_of_a_pair_gives_it_no_weight(sparse: list[ImagePair]) -> None:
    pairs = sparse[:6]
    bright = replace(pairs[2], first=pairs[2].first * 100.0 + 7, second=pairs[2].second * 30.0)
    plain = piv.ensemble_correlation(pairs, settings=QUICK).field
    same(piv.ensemble_correlation([*pairs[:2], bright, *pairs[3:]], settings=QUICK).field, plain,
         1e-3)  # fmt: skip


# ---------------------------------------------------------------- windows and pairs left out


def test_a_window_takes_from_each_pair_only_what_is_not_masked() -> None:
    shape = (96, 128)
    mask = np.zeros(shape, np.bool_)
    mask[:, :64] = True
    good = [uniform_pair(shape, 2.3, -1.4, seed=seed) for seed in range(3)]
    # behind the mask something else moves
    other = uniform_pair(shape, -3.0, 3.0, seed=9)
    mixed = [
        ImagePair(np.where(mask, o, g), np.where(mask, p, h), mask=mask)
        for o, p, g, h in ((other.first, other.second, each.first, each.second) for each in good)
    ]
    field = piv.ensemble_correlation([*mixed, good[0]], settings=QUICK).field
    count = field.extra["pair_count"]
    left = field.x < 56
    assert (count[:, left] == 1).all()
    assert (count[:, field.x > 64] == 4).all()
    assert field.valid.all()
    np.testing.assert_allclose(field.u, 2.3, atol=0.15)
    hidden = piv.ensemble_correlation(mixed, settings=QUICK).field
    assert ((hidden.flags[:, left] & Flag.MASKED) != 0).all()
    assert np.isnan(hidden.u[:, left]).all()
    assert (hidden.extra["pair_count"][:, left] == 0).all()


def test_a_window_without_contrast_gets_nothing() -> None:
    shape = (96, 128)
    pairs = [uniform_pair(shape, 1.6, 0.7, seed=seed) for seed in range(4)]
    dim = [
        ImagePair(*(np.where(np.arange(128) < 64, 0, f) for f in (pair.first, pair.second)))
        for pair in pairs[:3]
    ]
    field = piv.ensemble_correlation([*dim, pairs[3]], settings=QUICK).field
    assert (field.extra["pair_count"][:, field.x < 50] == 1).all()
    assert (field.extra["pair_count"][:, field.x > 80] == 4).all()
    dark = piv.ensemble_correlation(dim, settings=QUICK).field
    assert ((dark.flags[:, dark.x < 50] & Flag.NO_CONTRAST) != 0).all()
    assert ((dark.flags[:, dark.x < 50] & Flag.REPLACED) != 0).all()


def test_bad_pairs_are_left_out_and_told(sparse: list[ImagePair]) -> None:
    black = np.zeros(SHAPE, np.uint8)
    bad = [
        ImagePair(black, black, name="dark one"),
        replace(sparse[0], dt=2.0, name="late one"),
        uniform_pair((64, 88), 1, 1),
    ]
    good = sparse[:5]
    result = piv.ensemble_correlation([bad[0], *good, *bad[1:]], settings=QUICK)
    found = result.provenance["ensemble"]
    assert (found["used"], found["skipped"]) == (5, 3)
    assert [each["index"] for each in found["reasons"]] == [0, 6, 7]
    told = [each["reason"] for each in found["reasons"]]
    assert "dark one: the first frame is all black" in told[0]
    assert "dt is 2 s" in told[1]
    assert "64 x 88" in told[2]
    same(result.field, piv.ensemble_correlation(good, settings=QUICK).field, 0)
    assert result.field.attrs["ensemble"] == found


def test_what_cannot_be_an_ensemble_is_refused() -> None:
    with pytest.raises(InputError, match="at least one image pair"):
        piv.ensemble_correlation([])
    black = np.zeros((64, 88), np.uint8)
    with pytest.raises(InputError, match=r"none of the 2 pairs can be used; the first: .*black"):
        piv.ensemble_correlation([ImagePair(black, black)] * 2)
    with pytest.raises(piv.SettingsError):
        piv.ensemble_correlation([], settings={"correlate": {}})  # type: ignore[arg-type]


# ---------------------------------------------------------------- memory, progress, units


def test_each_pass_reads_the_series_once(sparse: list[ImagePair]) -> None:
    pairs, steps = Noted(sparse[:5]), list[EnsembleStep]()
    piv.ensemble_correlation(pairs, settings=QUICK, watch=steps.append)
    number = steps[-1].number
    assert [(step.number, step.done) for step in steps] == [
        (n + 1, k + 1) for n in range(number) for k in range(5)
    ]
    assert {step.total for step in steps} == {5}
    # the first pair is read once more before, and once after for its figures of quality
    assert pairs.asked == [0, *(number * list(range(5))), 0]


MEMORY = """
import resource, sys
import numpy as np
import piv
from pairs import uniform_pair

tile = uniform_pair((100, 150), 3.37, -1.62)
class Series:
    def __init__(self, count):
        self.count = count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        return piv.ImagePair(*(np.tile(f, (4, 4)) for f in (tile.first, tile.second)))
settings = piv.settings.from_dict({"correlate": {"windows": [32]}})
unit = 2**20 if sys.platform == "darwin" else 2**10
for count in (4, 28):
    piv.ensemble_correlation(Series(count), settings=settings)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
"""


def test_memory_does_not_grow_with_the_number_of_pairs() -> None:
    pytest.importorskip("resource", reason="measures memory as Unix does")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    few, many = (float(line) for line in done.stdout.split())
    # MiB; the float32 frames of 24 more pairs take 44, their splines as much; measured 5 to 15
    assert many - few < 28


def test_units_and_region() -> None:
    shape = (96, 128)
    pairs = [uniform_pair(shape, 2.3, -1.4, seed=seed) for seed in range(2)]
    pairs = [replace(pair, dt=1e-3) for pair in pairs]
    settings = piv.settings.from_dict({"preprocess": {"region": [20, 10, 90, 70]}}, QUICK)
    field = piv.ensemble_correlation(
        pairs, settings=settings, calibration=piv.Calibration(1e-5)
    ).field
    assert (field.units, field.y_axis) == ("m/s", "up")
    assert field.x.min() > 20e-5
    assert np.median(field.u) == pytest.approx(2.3e-2, abs=5e-4)
    assert np.median(field.v) == pytest.approx(1.4e-2, abs=5e-4)


# ---------------------------------------------------------------- the command


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "Reihe 1 – 渦"
    folder.mkdir()
    for n in range(5):
        pair = flow_pair((64, 88), lambda x, y: (2 + 0 * x, 1 + 0 * y), density=0.02, seed=n)
        tifffile.imwrite(folder / f"r{n:03d}_a.tif", pair.first)
        tifffile.imwrite(folder / f"r{n:03d}_b.tif", pair.second)
    return folder


def test_the_command_writes_field_and_figure(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, figure = tmp_path / "mean.h5", tmp_path / "mean.png"
    words = ["ensemble", str(recording), "-o", str(output), "--figure", str(figure)]
    words += ["--set", "correlate.windows=[32,16]", "--background", "min", "--pairs", "1:"]
    assert main(words) == 0
    assert "pass 1: windows of 32 x 32 px" in capsys.readouterr().out
    assert figure.stat().st_size > 0
    field = piv.read_field(output)
    assert np.median(field.u) == pytest.approx(2.0, abs=0.05)
    assert field.extra["pair_count"].max() == 4
    series = field.attrs["ensemble"]["series"]
    assert series["pairs"] == [1, 5, 1]
    assert series["background"]["of"] == "min"
    assert main(words) == 2  # the output exists
    assert "--overwrite" in capsys.readouterr().err


def test_the_command_counts_a_bad_pair_by_its_place_in_the_source(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recording / "r003_b.tif").write_bytes(b"broken")
    output = tmp_path / "mean.h5"
    words = ["ensemble", str(recording), "-o", str(output), "--pairs", "1::2"]
    assert main([*words, "--set", "correlate.windows=[32,16]", "--progress", "bar"]) == 1
    assert "pair 3: r003_a.tif, r003_b.tif" in capsys.readouterr().out
    reasons = piv.read_field(output).attrs["ensemble"]["reasons"]
    assert [each["index"] for each in reasons] == [3]


def test_the_command_refuses_what_it_cannot_do(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ["ensemble", str(recording), "-o", str(tmp_path / "f.h5")]
    for more, told in (
        (["--pairs", "9:"], "names no pair"),
        (["--background", "mean", "--background", "min"], "--background is given once"),
        (["--origin", "nan", "0"], "two finite pixel coordinates"),
        (["--pixel-size", "10um"], "--dt"),
        (["--model", "none"], "unknown option --model"),
        (["-o", str(tmp_path / "f.txt")], "must end in .h5"),
    ):
        assert main([*good, *more]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "f.h5").exists()
