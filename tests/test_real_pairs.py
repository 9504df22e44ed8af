"""Recordings of real flows: no truth, but what every result must satisfy.

They are not part of the project; the variable PIV_REAL_PAIRS names their folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter

import piv
from piv import Flag
from piv.correlate import coarse_at_every_pixel, pair_tensors
from piv.io.images import read_pair
from piv.network.ccfcn import local_mean_and_spread
from piv.network.refine import refine
from piv.settings import RefineSettings, from_dict
from piv.spline import coefficients, deform_pair

pytestmark = pytest.mark.real


def explained(pair: piv.ImagePair, u: object, v: object, where: np.ndarray) -> float:
    """Normalised correlation of the two frames, each moved to mid-time by half the field."""
    frames = []
    for frame in pair_tensors(pair)[:2]:
        height, width = (4 * (n // 4) for n in pair.shape)  # the statistics need multiples of 4
        image = frame[:, None, :height, :width]
        mean, spread = local_mean_and_spread(image, torch.ones_like(image))
        frames.append(coefficients((image - mean) / (spread + 0.1 * spread.mean()), 5))
    field = torch.from_numpy(np.stack((u, v)).astype(np.float32))[None, :, :height, :width]
    first, second = (f[0, 0].numpy() for f in deform_pair(frames[0], frames[1], field, 5))
    inside = where[:height, :width].copy()
    inside[:8], inside[-8:], inside[:, :8], inside[:, -8:] = False, False, False, False
    return float(np.corrcoef(first[inside], second[inside])[0, 1])


def discs(shape: tuple[int, int], radius: float, share: float) -> np.ndarray:
    """True on randomly placed discs that cover about ``share`` of the frame."""
    rng = np.random.default_rng(0)
    number = int(share * shape[0] * shape[1] / (np.pi * radius**2))
    free = np.ones(shape, dtype=bool)
    free[rng.integers(0, shape[0], number), rng.integers(0, shape[1], number)] = False
    return distance_transform_edt(free) <= radius


def bridged(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The values with each hole filled from around it (normalised Gaussian, 4 px)."""
    known = (~hole).astype(float)
    around = gaussian_filter(np.where(hole, 0.0, values), 4) / gaussian_filter(known, 4)
    return np.where(hole, around, values)


@pytest.fixture(
    scope="module", params=range(3), ids=["karman_street", "wall_jet", "wingtip_vortex"]
)
def analysed(
    request: pytest.FixtureRequest, real_pairs: list[tuple[str, Path, Path]]
) -> tuple[piv.ImagePair, piv.Analysis]:
    _, first, second = real_pairs[request.param]
    pair = read_pair(first, second)
    return pair, piv.analyse(pair)


def test_every_pixel_has_a_vector_and_an_uncertainty(
    analysed: tuple[piv.ImagePair, piv.Analysis],
) -> None:
    pair, result = analysed
    field = result.field
    assert field.shape == pair.shape
    for values in (field.u, field.v, field.uncertainty_u, field.uncertainty_v):
        assert np.isfinite(np.asarray(values)).all()
    assert (np.asarray(field.uncertainty_u) > 0).all()


def test_the_dense_field_explains_pixels_that_it_has_not_seen_better_than_the_coarse_one(
    analysed: tuple[piv.ImagePair, piv.Analysis],
) -> None:
    """What a field predicts where its pixels were hidden cannot be noise that it was fitted to.

    On the pixels that it was made from, a coarse field explains noise too: a window moves until
    this very correlation is largest.
    """
    pair, result = analysed
    hidden = discs(pair.shape, 4.0, 0.08)
    measured = hidden & ((result.field.flags & Flag.FALLBACK) == 0)

    def bridge(u: np.ndarray, v: np.ndarray) -> float:
        return explained(pair, bridged(u, hidden), bridged(v, hidden), measured)

    unseen = piv.analyse(pair.first, pair.second, mask=hidden)
    dense = bridge(unseen.field.u, unseen.field.v)
    larger = from_dict({"correlate": {"windows": [64, 32], "repeats": 4}})
    wide = piv.analyse(pair.first, pair.second, mask=hidden, settings=larger, model=None)
    for coarse in (unseen.coarse, wide.coarse):
        u, v = coarse_at_every_pixel(coarse, pair.shape)
        assert dense > bridge(u, v)
        assert dense > explained(pair, u, v, measured)  # by its own interpolation


def test_tiles_leave_no_seams(analysed: tuple[piv.ImagePair, piv.Analysis]) -> None:
    pair, result = analysed
    model = piv.load_model("default")
    assert model is not None
    tiled = refine(pair, result.coarse, model, RefineSettings(memory=0.15))
    difference = np.hypot(tiled.u - result.field.u, tiled.v - result.field.v)
    uncertainty = np.hypot(
        np.asarray(result.field.uncertainty_u), np.asarray(result.field.uncertainty_v)
    )
    # where there are no particles the network's context may matter; elsewhere it must not
    measured = (result.field.flags & Flag.FALLBACK) == 0
    assert np.quantile(difference[measured], 0.999) < 0.02
    assert (difference[measured] < np.maximum(uncertainty[measured], 0.02)).mean() > 0.9999
