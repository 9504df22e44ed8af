"""Factors that turn the network's scale into intervals that hold what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN
from piv.post.propagation import error_correlation_length
from piv.train.data import CoarseStart
from piv.train.held_out import estimate, held_out
from piv.train.recipe import TrainRecipe
from piv.train.source import Source
from piv.types import Float

SHARE_68, SHARE_95 = 0.683, 0.95


def calibrate_uncertainty(
    network: CCFCN,
    source: Source,
    recipe: TrainRecipe,
    *,
    pairs: int | None = None,
    size: tuple[int, int] | None = None,
    coarse_start: CoarseStart | None = None,
) -> dict[str, Any]:
    """Multiples of ``exp(log_scale)`` within which 68.3 % and 95 % of the errors lie.

    Both components are pooled, and the classes of the source count equally.  Only pixels with
    particles, outside the mask and not within 8 px of the border, are looked at.

    The network is asked directly, not by way of :func:`piv.network.refine.refine`: what is wanted
    is the factor of its own scale.  ``refine`` multiplies the scale by that factor and then widens
    the result where the frames do not resemble each other (``FALLBACK``); with that floor of 0.5 px
    in the errors' denominator the factor would come out too small for all other pixels.  Its tiles
    agree with the whole and begin at images far larger than these.  How often the intervals of the
    whole path hold the error is measured by ``piv evaluate``.

    Parameters
    ----------
    network : CCFCN
    source : Source
        Its split ``validation`` is used, never the pairs that were learned from.
    recipe : TrainRecipe
        Names precision, refinement steps and, by default, the number and size of the pairs.
    pairs : int, optional
        Pairs per class.
    size : (int, int), optional
        Height and width of the pairs, px.
    coarse_start : callable, optional
        Stands in for :func:`piv.pipeline.coarse_start`.

    Returns
    -------
    calibration : dict
        ``interval_68``, ``interval_95``, ``coverage`` (share within the 68.3 % interval per
        class), ``error_correlation_length`` (px, median over the pairs; what derived quantities
        need to propagate the uncertainty), ``pairs_per_class``.
    """
    pairs = recipe.calibration_pairs if pairs is None else pairs
    size = (recipe.render, recipe.render) if size is None else size
    ratios: dict[str, Float] = {}
    lengths: list[float] = []
    for kind, batch in held_out(source, "validation", pairs, size, coarse_start).items():
        parts = []
        for one in batch.singles():
            displacement, log_scale = estimate(network, one, recipe)
            inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
            errors = (displacement - one.truth)[inner]
            ratio = errors.abs() * torch.exp(-log_scale[inner])
            where = (one.seeded & one.fluid)[inner].expand_as(ratio)
            parts.append(ratio[where].numpy())
            if bool(where.any()):
                lengths.append(error_correlation_length(errors.masked_fill(~where, np.nan).numpy()))
        ratios[kind] = np.concatenate(parts).astype(np.float64)
    ratios = {kind: values for kind, values in ratios.items() if values.size}
    factor = interval_factor(list(ratios.values()), SHARE_68)
    length = median_of_finite(lengths)
    return {
        "interval_68": factor,
        "interval_95": interval_factor(list(ratios.values()), SHARE_95),
        "coverage": {kind: float(np.mean(values <= factor)) for kind, values in ratios.items()},
        "error_correlation_length": length if math.isfinite(length) else None,
        "pairs_per_class": pairs,
    }


def median_of_finite(values: Sequence[float]) -> float:
    """Median without NaN and infinity; NaN of none."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else math.nan


def interval_factor(ratios: list[Float], share: float) -> float:
    """Value below which a share of the pooled ratios lies, every array counting equally.

    Parameters
    ----------
    ratios : list of arrays
        |error| / scale, one array per class, none of them empty.
    share : float
        0 to 1.
    """
    values = np.concatenate(ratios)
    weights = np.concatenate([np.full(part.size, 1.0 / part.size) for part in ratios])
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / len(ratios)
    place = min(int(np.searchsorted(below, share)), values.size - 1)
    return float(values[order][place])
