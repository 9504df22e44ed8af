"""The one path: piv.analyse and piv.analyse_series, with the coarse stage and with the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pairs import flow_pair, uniform_pair, vortex

import piv
from piv import Calibration, Flag, ImagePair, InputError, Settings
from piv.settings import from_dict

SHAPE = (150, 211)


@pytest.fixture(scope="module")
def pair() -> ImagePair:
    return flow_pair(SHAPE, vortex(SHAPE), density=0.07, noise=0.02)


@pytest.fixture(scope="module")
def result(pair: ImagePair) -> piv.Analysis:
    return piv.analyse(pair)


def rms(a: object, b: object) -> float:
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return float(np.sqrt(np.nanmean(difference**2)))


def test_dense_field_has_the_frames_shape_and_beats_the_coarse_one(
    pair: ImagePair, result: piv.Analysis
) -> None:
    assert result.dense is not None
    assert result.field is result.dense
    assert result.field.shape == SHAPE
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    u, v = vortex(SHAPE)(x, y)
    from piv.correlate import coarse_at_every_pixel

    coarse_u, coarse_v = coarse_at_every_pixel(result.coarse, SHAPE)
    dense = rms(result.field.u, u), rms(result.field.v, v)
    assert max(dense) < 0.03
    assert max(dense) < 0.9 * max(rms(coarse_u, u), rms(coarse_v, v))


def test_without_a_model_the_field_is_the_coarse_one(pair: ImagePair) -> None:
    for none in (None, "none"):
        bare = piv.analyse(pair, model=none)
        assert bare.dense is None
        assert bare.field is bare.coarse


def test_the_coarse_stage_repeats_less_where_the_network_follows(
    pair: ImagePair, result: piv.Analysis
) -> None:
    used = result.provenance["settings"]["correlate"]
    assert (used["repeats"], used["spline"]) == (1, 3)
    alone = piv.analyse(pair, model=None)
    same = piv.analyse(pair, model=None, settings=from_dict({"correlate": used}))
    assert np.array_equal(same.coarse.u, result.coarse.u)
    assert not np.array_equal(alone.coarse.u, result.coarse.u)


def test_a_dense_vector_longer_than_allowed_keeps_its_value_and_is_flagged(
    pair: ImagePair, result: piv.Analysis
) -> None:
    limit = float(np.percentile(result.field.speed, 90))
    limited = piv.analyse(pair, settings=from_dict({"validate": {"largest": limit}})).dense
    assert limited is not None
    far = limited.speed > limit
    assert 0.02 < far.mean() < 0.2
    np.testing.assert_array_equal((limited.flags & Flag.OUT_OF_RANGE) != 0, far)
    assert np.isfinite(limited.u).all()
    assert not (result.field.flags & Flag.OUT_OF_RANGE).any()


def test_a_masked_array_is_refused_instead_of_losing_its_mask(pair: ImagePair) -> None:
    masked = np.ma.masked_array(pair.first, mask=pair.first > 100)
    with pytest.raises(InputError, match=r"give image\.filled\(0\), and mask=numpy\.ma\."):
        piv.analyse(masked, pair.second, model=None)
    advised = np.ma.getmaskarray(masked)
    result = piv.analyse(masked.filled(0), pair.second, mask=advised, model=None)
    assert result.field.valid.any()


# ---------------------------------------------------------------- symmetry of the dense field


def dense(pair: ImagePair) -> piv.VectorField:
    field = piv.analyse(pair).dense
    assert field is not None
    return field


def test_dense_swap(pair: ImagePair, result: piv.Analysis) -> None:
    back = dense(replace(pair, first=pair.second, second=pair.first))
    assert rms(back.u, -result.field.u) < 0.02
    assert rms(back.v, -result.field.v) < 0.02


def test_dense_mirror(pair: ImagePair, result: piv.Analysis) -> None:
    flipped = dense(ImagePair(pair.first[:, ::-1].copy(), pair.second[:, ::-1].copy()))
    assert rms(flipped.u[:, ::-1], -result.field.u) < 0.02
    assert rms(flipped.v[:, ::-1], result.field.v) < 0.02


def test_dense_transpose(pair: ImagePair, result: piv.Analysis) -> None:
    turned = dense(ImagePair(pair.first.T.copy(), pair.second.T.copy()))
    assert rms(turned.u.T, result.field.v) < 0.02
    assert rms(turned.v.T, result.field.u) < 0.02


def test_dense_whole_pixel_shift() -> None:
    still = uniform_pair((200, 270), 0, 0).first
    first, second = still[20:180, 20:244], still[16:176, 26:250]
    field = dense(ImagePair(first, second))
    inner = np.s_[8:-8, 8:-8]
    assert rms(field.u[inner], -6) < 0.02
    assert rms(field.v[inner], 4) < 0.02


@pytest.mark.parametrize(("gain", "offset"), [(16, 0), (1, 1000), (0.1, 0)])
def test_dense_gain_and_offset(
    pair: ImagePair, result: piv.Analysis, gain: float, offset: float
) -> None:
    frames = [f.astype(np.float32) * gain + offset for f in (pair.first, pair.second)]
    scaled = dense(ImagePair(*frames))
    assert rms(scaled.u, result.field.u) < 0.02
    assert rms(scaled.v, result.field.v) < 0.02


def test_dense_twelve_bits_in_sixteen(pair: ImagePair, result: piv.Analysis) -> None:
    frames = [f.astype(np.uint16) * 16 for f in (pair.first, pair.second)]
    assert rms(dense(ImagePair(*frames)).u, result.field.u) < 0.02


@pytest.mark.parametrize("exponent", [-1000, -120, 90, 1000])
def test_any_grey_scale_that_a_float_can_hold(
    pair: ImagePair, result: piv.Analysis, exponent: int
) -> None:
    scaled = [np.ldexp(f.astype(np.float64), exponent) for f in (pair.first, pair.second)]
    field = dense(ImagePair(*scaled))
    assert np.array_equal(field.u, result.field.u)
    assert np.array_equal(field.v, result.field.v)


@pytest.mark.parametrize("shape", [(32, 32), (33, 65), (47, 120)])
def test_small_and_odd_frames(shape: tuple[int, int]) -> None:
    field = dense(uniform_pair(shape, 1.5, -0.7, density=0.1))
    assert field.shape == shape
    assert np.isfinite(field.u).all()
    assert abs(np.median(field.u) - 1.5) < 0.1


# ---------------------------------------------------------------- masks, regions, units


def test_a_mask_gives_nan_and_a_flag(pair: ImagePair) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[40:90, 60:120] = True
    field = piv.analyse(pair.first, pair.second, mask=mask).field
    np.testing.assert_array_equal(np.isnan(field.u), mask)
    np.testing.assert_array_equal((field.flags & Flag.MASKED) != 0, mask)
    np.testing.assert_array_equal(np.isnan(np.asarray(field.uncertainty_u)), mask)


def test_a_region_keeps_the_coordinates_of_the_whole_frame(pair: ImagePair) -> None:
    settings = from_dict({"preprocess": {"region": [50, 30, 120, 96]}})
    part = piv.analyse(pair, settings=settings)
    assert part.field.shape == (96, 120)
    assert (part.field.x[0], part.field.x[-1]) == (50, 169)
    assert (part.field.y[0], part.field.y[-1]) == (30, 125)
    assert part.coarse.x.min() > 50
    u, _ = vortex(SHAPE)(*np.meshgrid(part.field.x, part.field.y))
    assert rms(part.field.u, u) < 0.1


def test_local_contrast_is_for_the_coarse_stage(pair: ImagePair) -> None:
    settings = from_dict({"preprocess": {"contrast": "local"}})
    other = piv.analyse(pair, settings=settings)
    plain = piv.analyse(pair)
    assert not np.array_equal(other.coarse.u, plain.coarse.u)
    assert rms(other.field.u, plain.field.u) < 0.05


def test_calibration_turns_v_and_scales(pair: ImagePair, result: piv.Analysis) -> None:
    real = piv.analyse(replace(pair, dt=2e-3), calibration=Calibration(pixel_size=5e-5)).field
    assert (real.units, real.y_axis, real.dt) == ("m/s", "up", 2e-3)
    np.testing.assert_allclose(real.u, result.field.u * 0.025, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(real.v, -result.field.v * 0.025, rtol=1e-4, atol=1e-6)
    assert real.y[0] > real.y[-1]


# ---------------------------------------------------------------- provenance and series


def test_provenance_explains_the_numbers(pair: ImagePair, result: piv.Analysis) -> None:
    record = result.provenance
    assert record["settings"]["correlate"]["windows"] == [64, 24]
    assert record["weights"]["name"]
    assert len(record["weights"]["sha256"]) == 64
    assert record["package"].startswith("ccfcn-piv ")
    other = piv.analyse(replace(pair, second=pair.first), model=None).provenance
    assert other["weights"] is None
    assert other["input"]["sha256"] != record["input"]["sha256"]
    assert result.dense is not None
    assert result.dense.attrs["input"] == record["input"]


class Lazy(Sequence[ImagePair]):
    """Reads pair 1 in vain."""

    def __init__(self, pair: ImagePair) -> None:
        self.pair = pair

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if index == 1:
            raise InputError("pair 1: the file is damaged")
        return self.pair


def test_one_bad_pair_does_not_stop_a_series() -> None:
    results = list(piv.analyse_series(Lazy(uniform_pair((64, 96), 1, 0)), model=None))
    assert [r.index for r in results] == [0, 1, 2]
    assert [r.error for r in results] == [None, "pair 1: the file is damaged", None]
    assert results[1].analysis is None
    assert results[2].analysis is not None
    assert all(r.seconds >= 0 for r in results)


def test_a_series_gives_what_single_pairs_give(pair: ImagePair, result: piv.Analysis) -> None:
    (one,) = piv.analyse_series([pair])
    assert one.analysis is not None
    np.testing.assert_array_equal(one.analysis.field.u, result.field.u)


# ---------------------------------------------------------------- refusals


def test_refusals(pair: ImagePair) -> None:
    with pytest.raises(InputError, match="two frames are needed"):
        piv.analyse(pair.first)
    with pytest.raises(InputError, match="brings its own"):
        piv.analyse(pair, pair.second)
    with pytest.raises(InputError, match="all black"):
        piv.analyse(np.zeros(SHAPE), pair.second)
    with pytest.raises(InputError, match="differ in shape"):
        piv.analyse(pair.first, pair.second[:-1])
    with pytest.raises(piv.WeightsError, match="unknown"):
        piv.analyse(pair, model="no-such-weights")
    with pytest.raises(piv.WeightsError, match="not 3"):
        piv.analyse(pair, model=3)
    with pytest.raises(piv.SettingsError, match=r"must be a piv\.Settings, not dict"):
        piv.analyse(pair, settings={"refine": {"steps": 1}})
    with pytest.raises(InputError, match=r"must be a piv\.Calibration, not float"):
        piv.analyse(pair, calibration=21e-6)
    with pytest.raises(InputError, match="leaves the frame"):
        piv.analyse(
            pair, settings=from_dict({"preprocess": {"region": [200, 0, 64, 64]}}), model=None
        )


def test_default_settings_are_the_standard_preset() -> None:
    assert Settings() == from_dict({})
