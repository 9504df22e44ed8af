"""Factors that turn the network's scale into intervals that hold what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN
from piv.network.weights import curve_at
from piv.post.propagation import error_correlation_length
from piv.train.data import Batch, CoarseStart
from piv.train.held_out import estimate, held_out
from piv.train.recipe import TrainRecipe
from piv.train.source import Source
from piv.types import Float

SHARE_68, SHARE_95 = 0.683, 0.95
BINS = 16
LEAST_RANGE = 1.0  # of the logarithms of the scales, over which a curve can be told
LARGEST_BEND = 0.5  # of the logarithm of the factor, to either side of its median


def calibrate_uncertainty(
    network: CCFCN,
    sources: Sequence[Source],
    recipe: TrainRecipe,
    *,
    pairs: int | None = None,
    size: tuple[int, int] | None = None,
    coarse_start: CoarseStart | None = None,
) -> dict[str, Any]:
    """Multiples of the network's scale within which 68.3 % and 95 % of the errors lie.

    That scale is b = ``exp(log_scale)``; what is multiplied is b times a curve of ln b, with which
    the share is the same for small and for large scales (:func:`scale_curve`).

    Both components are pooled, and the classes of all sources count equally.  Only pixels with
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
    sources : sequence of Source
        Their split ``validation`` is used, never the pairs that were learned from.
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
        ``interval_68``, ``interval_95``, ``curve``, ``coverage`` (share within the 68.3 % interval
        per class, which is ``source/class`` where there are several sources),
        ``error_correlation_length`` (px, median over the pairs; what derived quantities need to
        propagate the uncertainty), ``pairs_per_class``.
    """
    pairs = recipe.calibration_pairs if pairs is None else pairs
    size = (recipe.render, recipe.render) if size is None else size
    errors_of: dict[str, Float] = {}
    scales_of: dict[str, Float] = {}
    lengths: list[float] = []
    for kind, batch in _batches(sources, pairs, size, coarse_start):
        parts: list[tuple[Float, Float]] = []
        for one in batch.singles():
            displacement, log_scale = estimate(network, one, recipe)
            inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
            errors = (displacement - one.truth)[inner]
            where = (one.seeded & one.fluid)[inner].expand_as(errors)
            parts.append((errors.abs()[where].numpy(), log_scale[inner][where].numpy()))
            if bool(where.any()):
                lengths.append(error_correlation_length(errors.masked_fill(~where, np.nan).numpy()))
        if sum(part[0].size for part in parts):
            errors_of[kind], scales_of[kind] = (
                np.concatenate(which).astype(np.float64) for which in zip(*parts, strict=True)
            )
    curve = scale_curve(list(errors_of.values()), list(scales_of.values()), SHARE_68)
    ratios = {
        kind: values / np.exp(scales + curve_at(curve, torch.from_numpy(scales)).numpy())
        for (kind, values), scales in zip(errors_of.items(), scales_of.values(), strict=True)
    }
    factor = interval_factor(list(ratios.values()), SHARE_68)
    length = median_of_finite(lengths)
    return {
        "interval_68": factor,
        "interval_95": interval_factor(list(ratios.values()), SHARE_95),
        "curve": curve,
        "coverage": {kind: float(np.mean(values <= factor)) for kind, values in ratios.items()},
        "error_correlation_length": length if math.isfinite(length) else None,
        "pairs_per_class": pairs,
    }


def _batches(
    sources: Sequence[Source],
    pairs: int,
    size: tuple[int, int],
    coarse_start: CoarseStart | None,
) -> Iterator[tuple[str, Batch]]:
    """The validation pairs of every class, one source in memory at a time."""
    for source in sources:
        for kind, batch in held_out(source, "validation", pairs, size, coarse_start).items():
            yield (kind if len(sources) == 1 else f"{source.name}/{kind}"), batch


def scale_curve(
    errors: list[Float], log_scales: list[Float], share: float
) -> list[tuple[float, float]]:
    r"""The factor f(b) for which :math:`|e| / (b f)` has the same quantile at every scale b.

    The quantiles of |e| / b in sixteen bins of b of equal weight.

    Parameters
    ----------
    errors, log_scales : list of arrays
        \|error\| in px and the logarithm of its scale, one array per class, none empty; the classes
        count equally.
    share : float
        0 to 1.

    Returns
    -------
    curve : list of (float, float)
        Mean ln b and ln f of each bin, by b; f within a factor of 1.65 of its median.  Empty where
        the scales differ too little to tell.
    """
    if not errors:
        return []
    scales = np.concatenate(log_scales)
    ratios = np.concatenate(errors) * np.exp(-scales)
    weights = np.concatenate([np.full(part.size, 1.0 / part.size) for part in errors])
    order = np.argsort(scales, kind="stable")
    bins = np.minimum(BINS * np.cumsum(weights[order]) / len(errors), BINS - 1).astype(int)
    line: list[tuple[float, float]] = []
    for number in range(BINS):
        inside = order[bins == number]
        if not inside.size or (found := _quantile(ratios[inside], weights[inside], share)) <= 0:
            continue
        place = float(np.mean(scales[inside]))
        if not line or place > line[-1][0]:
            line.append((place, math.log(found)))
    if len(line) < BINS // 2 or line[-1][0] - line[0][0] < LEAST_RANGE:
        return []
    middle = float(np.median([height for _, height in line]))
    low, high = middle - LARGEST_BEND, middle + LARGEST_BEND
    return [(place, min(max(height, low), high)) for place, height in line]


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
    weights = np.concatenate([np.full(part.size, 1.0 / part.size) for part in ratios])
    return _quantile(np.concatenate(ratios), weights, share)


def _quantile(values: Float, weights: Float, share: float) -> float:
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    place = min(int(np.searchsorted(below, share * below[-1])), values.size - 1)
    return float(values[order][place])
