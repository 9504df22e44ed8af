"""Correlation statistics: the stated uncertainty against the random error of known fields."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pairs import flow_pair, uniform_pair, vortex
from scipy.stats import t as student

import piv
from piv import uncertainty
from piv.correlate import coarse_field, pair_tensors
from piv.correlate.fft import correlation_planes, find_peaks
from piv.correlate.windows import extract, window_starts
from piv.settings import from_dict
from piv.spline import coefficients, deform_pair
from piv.types import Flag, Float, ImagePair, VectorField
from piv.uncertainty import LARGEST, correlation_statistics
from synth.recipe import load, override
from synth.source import Source

SHAPE = (160, 224)


def coarse(pair: ImagePair, window: int = 32) -> VectorField:
    windows = [size for size in (64, 32, 16) if size >= window]
    settings = from_dict({"correlate": {"windows": windows}})
    return coarse_field(pair, settings.correlate, settings.validate)


def dense(u: Float | float, v: Float | float, shape: tuple[int, int] = SHAPE) -> VectorField:
    height, width = shape
    return VectorField(
        x=np.arange(width, dtype=np.float64),
        y=np.arange(height, dtype=np.float64),
        u=np.broadcast_to(np.float32(u), shape).copy(),
        v=np.broadcast_to(np.float32(v), shape).copy(),
        flags=np.zeros(shape, np.uint16),
    )


def generated(seed: int = 0, **image: float) -> piv.TruePair:
    """A pair of uniform displacement from the generator."""
    particles = {
        "density": 0.06, "diameter": 2.5, "diameter_spread": 0.1, "brightness_spread": 0.2,
        "loss_of_pairs": 0.0, "loss_by_motion": 1.0,
    }  # fmt: skip
    camera = {"bits": 12, "noise": 0.02, "background": 0.0, "unevenness": 0.0, "gain": 1.0}
    for name, value in image.items():
        (particles if name in particles else camera)[name] = value
    recipe = override(
        load("evaluation"), {"particles": particles, "camera": camera}, only="uniform"
    )
    return Source(recipe).pair("train", 100 + 7 * seed, "uniform", SHAPE)


def errors_and_statements(pairs: list[piv.TruePair], window: int) -> tuple[Float, Float]:
    """Random errors of the coarse field's inner vectors, both components, and what is stated."""
    errors, stated = [], []
    for true in pairs:
        field = coarse(true.pair, window)
        inner = np.zeros(field.shape, dtype=bool)
        inner[1:-1, 1:-1] = True
        good = inner & (field.flags == 0)
        found = correlation_statistics(true.pair, field, window)
        for measured, truth, value in zip((field.u, field.v), (true.u, true.v), found, strict=True):
            error = measured[good] - truth[0, 0]
            errors.append(error - error.mean())
            stated.append(value[good])
    return np.concatenate(errors), np.concatenate(stated)


# --- truth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        {"noise": 0.05},
        {"noise": 0.1},
        {"noise": 0.1, "density": 0.12},
        {"noise": 0.1, "density": 0.03},
        {"loss_of_pairs": 0.05},
        {"loss_of_pairs": 0.2},
        {"loss_of_pairs": 0.2, "diameter": 4.0},
    ],
    ids=str,
)
def test_it_states_the_random_error_of_a_uniform_flow(image: dict[str, float]) -> None:
    error, stated = errors_and_statements([generated(seed, **image) for seed in range(4)], 32)
    # measured 0.86 to 0.96 and 0.59 to 0.66: several passes scatter more than a single window
    assert 0.8 < np.sqrt(np.mean(stated**2) / np.mean(error**2)) < 1.05
    assert 0.55 < np.mean(np.abs(error) <= stated) < 0.72


@pytest.mark.parametrize("image", [{"noise": 0.1}, {"loss_of_pairs": 0.2}, {}], ids=str)
def test_a_single_window_scatters_as_is_stated_of_it(image: dict[str, float]) -> None:
    """The three-point fit of windows on frames that were moved by the truth."""
    scatter, stated = [], []
    for seed in range(4):
        true = generated(seed, **image)
        displacement = torch.from_numpy(np.stack([true.u, true.v]))[None]
        first, second, _ = pair_tensors(true.pair)
        a, b = (coefficients((t - t.mean())[:, None], 5) for t in (first, second))
        a, b = (t[0].double() for t in deform_pair(a, b, displacement, 5))
        rows, columns = window_starts(SHAPE[0], 32, 0.0), window_starts(SHAPE[1], 32, 0.0)
        windows = [extract(t, rows, columns, (32, 32)) for t in (a, b)]
        peaks = find_peaks(correlation_planes(*windows, None, (3, 3)).values)
        inner = np.s_[1:-1, 1:-1]  # the outermost see what lies beyond the frame
        found = correlation_statistics(true.pair, dense(true.u, true.v), 32)
        nodes = np.ix_(np.array(rows) + 16, np.array(columns) + 16)
        for measured, value in zip((peaks.u, peaks.v), found, strict=True):
            offset = measured[0].numpy()[inner]
            scatter.append((offset - offset.mean()).ravel())
            stated.append(value[nodes][inner].ravel())
    ratio = np.sqrt(np.mean(np.square(stated)) / np.mean(np.square(scatter)))
    assert 0.95 < ratio < 1.1  # measured 1.02 to 1.03


def test_it_states_the_scatter_of_a_vortex_over_recordings() -> None:
    flow = vortex(SHAPE, peak=3.0)
    pairs = [flow_pair(SHAPE, flow, noise=0.1, seed=seed) for seed in range(8)]
    fields = [coarse(pair) for pair in pairs]
    good = np.all([field.flags == 0 for field in fields], axis=0)
    assert good.mean() > 0.7
    stated = np.stack(
        [correlation_statistics(p, f, 32) for p, f in zip(pairs, fields, strict=True)]
    )
    scatter = np.stack([(field.u, field.v) for field in fields]).std(axis=0, ddof=1)
    ratio = np.sqrt(np.mean(stated[..., good] ** 2) / np.mean(scatter[..., good] ** 2))
    assert 0.75 < ratio < 1.1


def test_the_sums_are_those_of_the_equations() -> None:
    """One window of a still pair, pixel pair by pixel pair and lag by lag."""
    pair = uniform_pair((48, 64), 0.0, 0.0, noise=0.2, density=0.1)
    second = pair.second + np.random.default_rng(3).normal(0, 20, pair.shape)
    height, width = 15, 21
    y, x = 24, 32
    u, v = correlation_statistics(
        ImagePair(pair.first, second), dense(0.0, 0.0, pair.shape), (height, width)
    )

    def local(image: Float) -> Float:
        image = (image - image.mean()) / image.std(ddof=1)
        total = np.zeros_like(image)
        for row in range(height + 40):
            for column in range(width + 40):
                top, left = row - 20 + y - height // 2, column - 20 + x - width // 2
                if 0 <= top < 48 and 0 <= left < 64:
                    around = image[max(0, top - 10) : top + 11, max(0, left - 10) : left + 11]
                    total[top, left] = image[top, left] - around.mean()
        return total

    a, b = local(pair.first.astype(float)), local(second)
    assert u[y, x] == pytest.approx(_one_window(a, b, (y, x), (height, width)), rel=1e-3)
    assert v[y, x] == pytest.approx(_one_window(a.T, b.T, (x, y), (width, height)), rel=1e-3)


def _one_window(a: Float, b: Float, centre: tuple[int, int], window: tuple[int, int]) -> float:
    """The equations of the docstring for the component along the last axis, sides odd."""
    (y, x), (height, width), n = centre, window, window[0] * window[1]
    asymmetry = a[:, :-1] * b[:, 1:] - a[:, 1:] * b[:, :-1]
    beside = (a[:, :-1] * b[:, 1:] + a[:, 1:] * b[:, :-1]) / 2
    rows = range(y - height // 2, y + height // 2 + 1)
    # the pixel pairs between x - width / 2 and x + width / 2; the outermost two count half
    columns = range(x - width // 2 - 1, x + width // 2 + 1)
    weight = {c: 0.5 if c in (columns[0], columns[-1]) else 1.0 for c in columns}
    lags = {0: 1.0, 1: 1.0, 2: 1.0, 3: 0.5}
    squared = sum(
        weight[c] * asymmetry[r, c] * asymmetry[r + i, c + j] * lags[abs(i)] * lags[abs(j)]
        for r in rows for c in columns for i in range(-3, 4) for j in range(-3, 4)
    )  # fmt: skip
    spread = np.sqrt(squared / n**2 * n / (n - 36))
    side = sum(weight[c] * beside[r, c] for r in rows for c in columns) / n
    peak = np.mean((a * b)[rows[0] : rows[-1] + 1, columns[1] : columns[-1] + 1])
    return spread / (4 * side * np.log(peak / side)) * student.ppf(0.8415, n / 5.5**2)


def test_it_grows_with_noise_and_with_lost_pairs() -> None:
    def typical(**image: float) -> float:
        true = generated(**image)
        return float(
            np.median(correlation_statistics(true.pair, dense(true.u[0, 0], true.v[0, 0]), 32))
        )

    noise = [typical(noise=share) for share in (0.01, 0.02, 0.05, 0.1, 0.2)]
    assert (np.diff(noise) > 0).all()
    assert noise[-1] > 5 * noise[0]
    loss = [typical(loss_of_pairs=share) for share in (0.0, 0.05, 0.1, 0.2, 0.4)]
    assert (np.diff(loss) > 0).all()
    assert loss[-1] > 5 * loss[0]


def test_it_falls_with_the_size_of_the_window() -> None:
    true = generated(noise=0.1)
    field = dense(true.u[0, 0], true.v[0, 0])
    typical = [np.median(correlation_statistics(true.pair, field, n)) for n in (16, 32, 64)]
    # noise that is independent from pixel to pixel: one over the side
    assert typical[0] / typical[1] == pytest.approx(2.0, rel=0.15)
    assert typical[1] / typical[2] == pytest.approx(2.0, rel=0.15)


# --- symmetry ------------------------------------------------------------------------------------


def moving(noise: float = 0.08) -> tuple[ImagePair, VectorField]:
    flow = vortex(SHAPE, peak=3.0)
    pair = flow_pair(SHAPE, flow, noise=noise)
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    return pair, dense(*flow(x, y))


def test_grey_scale_and_gain_do_not_matter() -> None:
    pair, field = moving()
    bright = ImagePair(
        pair.first.astype(np.uint16) * 37 + 400, pair.second.astype(np.float64) * 0.003 - 5.0
    )
    for plain, scaled in zip(
        correlation_statistics(pair, field, (16, 24)),
        correlation_statistics(bright, field, (16, 24)),
        strict=True,
    ):
        np.testing.assert_allclose(scaled, plain, rtol=2e-3)


@pytest.mark.parametrize("window", [(16, 24), (15, 21)])
def test_mirrored_transposed_and_swapped_pairs_state_the_same(window: tuple[int, int]) -> None:
    pair, field = moving()
    u, v = correlation_statistics(pair, field, window)

    def compare(first: Float, second: Float, other: VectorField, size: tuple[int, int]) -> Float:
        return np.stack(correlation_statistics(ImagePair(first, second), other, size))

    flipped = compare(
        pair.first[:, ::-1],
        pair.second[:, ::-1],
        dense(-field.u[:, ::-1], field.v[:, ::-1]),
        window,
    )
    np.testing.assert_allclose(flipped[..., ::-1], [u, v], rtol=5e-3)
    turned = compare(
        pair.first.T, pair.second.T, dense(field.v.T, field.u.T, SHAPE[::-1]), window[::-1]
    )
    np.testing.assert_allclose(turned.swapaxes(1, 2), [v, u], rtol=5e-3)
    swapped = compare(pair.second, pair.first, dense(-field.u, -field.v), window)
    np.testing.assert_allclose(swapped, [u, v], rtol=5e-3)


def test_strips_are_seamless(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, field = moving()
    whole = correlation_statistics(pair, field, 20)
    monkeypatch.setattr(uncertainty, "_STRIP", 7 * SHAPE[1])
    np.testing.assert_allclose(correlation_statistics(pair, field, 20), whole, rtol=2e-3)


# --- grids, masks, units -------------------------------------------------------------------------


def test_a_coarse_field_and_the_same_at_every_pixel_agree_at_its_nodes() -> None:
    pair = uniform_pair(SHAPE, 3.0, -2.0, noise=0.1)
    nodes = VectorField(
        x=np.arange(20.0, 200, 16), y=np.arange(20.0, 140, 16),
        u=np.full((8, 12), 3.0, np.float32), v=np.full((8, 12), -2.0, np.float32),
        flags=np.zeros((8, 12), np.uint16),
    )  # fmt: skip
    everywhere = correlation_statistics(pair, dense(3.0, -2.0), 24)
    at_nodes = correlation_statistics(pair, nodes, 24)
    for few, many in zip(at_nodes, everywhere, strict=True):
        assert few.shape == nodes.shape
        assert few.dtype == np.float32
        np.testing.assert_allclose(few, many[20:140:16, 20:200:16], rtol=1e-3)


def test_a_region_states_what_the_whole_does_inside_it() -> None:
    pair = uniform_pair(SHAPE, 3.0, -2.0, noise=0.1)
    whole = correlation_statistics(pair, dense(3.0, -2.0), 16)
    region = dense(3.0, -2.0, (60, 90)).replace(x=np.arange(40.0, 130.0), y=np.arange(30.0, 90.0))
    for part, all_of_it in zip(correlation_statistics(pair, region, 16), whole, strict=True):
        np.testing.assert_allclose(part, all_of_it[30:90, 40:130], rtol=1e-4)


def test_a_mask_hides_values_and_grey_levels() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[50:90, 80:150] = True
    pair = uniform_pair(SHAPE, 3.0, -2.0, noise=0.1)
    field = dense(np.where(mask, np.nan, 3.0), np.where(mask, np.nan, -2.0))
    plain = ImagePair(pair.first, pair.second, mask=mask)
    junk = np.random.default_rng(1).integers(0, 255, (2, *SHAPE), dtype=np.uint8)
    spoilt = ImagePair(
        np.where(mask, junk[0], pair.first), np.where(mask, junk[1], pair.second), mask=mask
    )
    found = np.stack(correlation_statistics(plain, field, 16))
    assert np.isnan(found[:, mask]).all()
    assert (found[:, ~mask] > 0).all()
    assert (found[:, ~mask] <= LARGEST).all()
    np.testing.assert_allclose(
        np.stack(correlation_statistics(spoilt, field, 16)), found, rtol=1e-3
    )
    far = np.ones(SHAPE, dtype=bool)
    far[20:120, 50:180] = False
    unmasked = np.stack(correlation_statistics(pair, dense(3.0, -2.0), 16))
    np.testing.assert_allclose(found[:, far], unmasked[:, far], rtol=2e-2)
    beside = found[:, 30:110, 60:170][:, ~mask[30:110, 60:170]]
    assert np.median(beside) < 2 * np.median(unmasked)


def test_what_cannot_be_known_is_stated_as_the_largest() -> None:
    pair = uniform_pair(SHAPE, 3.0, -2.0)
    images = [frame.copy() for frame in (pair.first, pair.second)]
    for image in images:
        image[:, 120:] = 7
    found = correlation_statistics(ImagePair(images[0], images[1]), dense(3.0, -2.0), 16)
    assert (np.stack(found)[:, :, 140:] == LARGEST).all()
    assert (np.stack(found)[:, 20:-20, 20:100] < 0.1 * LARGEST).all()


def test_a_wrong_field_is_not_stated_as_a_good_one() -> None:
    pair = uniform_pair(SHAPE, 3.0, -2.0, noise=0.02)
    right = np.median(correlation_statistics(pair, dense(3.0, -2.0), 32))
    for wrong in (0.5, 1.0, 5.0):
        u, _ = correlation_statistics(pair, dense(3.0 + wrong, -2.0), 32)
        assert np.median(u) > 5 * right


def test_equal_frames_have_nearly_none() -> None:
    frame = uniform_pair(SHAPE, 0.0, 0.0).first
    found = np.stack(correlation_statistics(ImagePair(frame, frame), dense(0.0, 0.0), 32))
    assert (found > 0).all()
    assert (found < 1e-4).all()


def test_a_calibrated_field_gets_it_in_its_own_unit() -> None:
    first = uniform_pair(SHAPE, 3.0, -2.0, noise=0.1)
    pair = ImagePair(first.first, first.second, dt=2e-4)
    field = coarse(pair).replace(dt=2e-4)
    metric = piv.calibrate(field, piv.Calibration(21e-6, origin=(30.0, 40.0)))
    in_px, in_metres = (correlation_statistics(pair, f, 32) for f in (field, metric))
    for per_frame, per_second in zip(in_px, in_metres, strict=True):
        np.testing.assert_allclose(per_second, per_frame * 21e-6 / 2e-4, rtol=1e-3)


def test_every_vector_of_the_coarse_stage_gets_one() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:, :40] = True
    pair = uniform_pair(SHAPE, 3.0, -2.0, noise=0.1, mask=mask)
    result = piv.analyse(pair, model=None)
    window = result.coarse.attrs["windows"][-1]
    for found in piv.uncertainty.correlation_statistics(pair, result.coarse, window):
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(result.coarse.u))
        assert ((result.coarse.flags[np.isnan(found)] & Flag.MASKED) > 0).all()


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [7, (16, 6), (161, 16), (16, 225), "large", (1, 2, 3), None])
def test_a_window_that_cannot_be_is_refused(window: object) -> None:
    pair, field = moving()
    with pytest.raises(piv.InputError, match="window"):
        correlation_statistics(pair, field, window)  # type: ignore[arg-type]


def test_a_field_that_is_not_of_the_pair_is_refused() -> None:
    pair, field = moving()
    with pytest.raises(piv.InputError, match="does not lie in frames of 160 x 224 px"):
        correlation_statistics(pair, dense(1.0, 1.0, (160, 300)), 16)
    with pytest.raises(piv.InputError, match="y does not lie"):
        correlation_statistics(pair, field.replace(y=field.y - 2), 16)
    with pytest.raises(piv.InputError, match="x must rise"):
        correlation_statistics(pair, field.replace(x=field.x[::-1] - 0.0), 16)
    series = VectorField(field.x, field.y, field.u[None], field.v[None], field.flags[None])
    with pytest.raises(piv.InputError, match="series"):
        correlation_statistics(pair, series, 16)
    with pytest.raises(piv.InputError, match="m/s"):
        correlation_statistics(pair, field.replace(units="m/s", y_axis="up"), 16)


# --- memory --------------------------------------------------------------------------------------

SCRIPT = """
import resource
import sys

import numpy as np

import piv
from pairs import uniform_pair
from test_uncertainty import dense

tile = uniform_pair((500, 500), 3.37, -1.62)
first, second = (np.tile(frame, (10, 10)) for frame in (tile.first, tile.second))
field = dense(3.37, -1.62, first.shape)
u, v = piv.uncertainty.correlation_statistics(piv.ImagePair(first, second), field, 24)
assert np.isfinite(u).all()
unit = 2**30 if sys.platform == "darwin" else 2**20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
"""


@pytest.mark.slow
def test_a_25_megapixel_pair_stays_under_4_gib() -> None:
    pytest.importorskip("resource", reason="measures memory as Unix does")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert float(done.stdout) < 4.0
