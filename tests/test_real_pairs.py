"""Recordings of real flows: no truth, but what every result must satisfy.

They are not part of the project; the variable PIV_REAL_PAIRS names their folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import piv
from piv import Flag
from piv.correlate import coarse_at_every_pixel
from piv.io.images import read_pair
from piv.network.refine import refine
from piv.settings import RefineSettings, from_dict
from piv.train.hidden_pixels import bridged, discs, explained

pytestmark = pytest.mark.real


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
    hidden = discs(pair.shape, np.random.default_rng(0))
    measured = hidden & ((result.field.flags & Flag.FALLBACK) == 0)

    def bridge(u: np.ndarray, v: np.ndarray) -> float:
        return explained(pair, bridged(u, hidden), bridged(v, hidden), measured)

    unseen = piv.analyse(pair.first, pair.second, mask=hidden)
    dense = bridge(unseen.field.u, unseen.field.v)
    larger = from_dict({"correlate": {"windows": [64, 32], "repeats": 4}})
    alone, wide = (
        piv.analyse(pair.first, pair.second, mask=hidden, settings=settings, model=None).coarse
        for settings in (None, larger)
    )
    for coarse in (unseen.coarse, alone, wide):
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
    assert np.quantile(difference[measured], 0.999) < 0.015  # measured 0.005 to 0.009
    assert (difference[measured] < np.maximum(uncertainty[measured], 0.02)).mean() > 0.9999
