"""The network's stage: a pair and its coarse field become a field at every pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from piv.correlate import coarse_at_every_pixel, pair_tensors
from piv.network.ccfcn import CCFCN, well_lit_contrast
from piv.network.symmetry import Seen, seen
from piv.network.weights import Model
from piv.settings import RefineSettings
from piv.types import Flag, ImagePair, VectorField

BYTES_PER_PIXEL = 800  # measured peak of one refinement, float32 features and all
OVERLAP = 128  # px that neighbouring tiles share on each side of a seam; blended
NO_MATCH, MATCH = 0.10, 0.20  # local correlation below / above which the network is not / is heard
FALLBACK_UNCERTAINTY = 0.5  # px; the least that is stated where nothing could be measured
FAR = 2.0  # px; a correction larger than this disagrees with the coarse field


def refine(
    pair: ImagePair,
    coarse: VectorField,
    model: Model,
    settings: RefineSettings,
    largest: float = 0.0,
) -> VectorField:
    """Displacement and uncertainty at every pixel.

    Parameters
    ----------
    pair : ImagePair
    coarse : VectorField
        Of this pair, px, as :func:`piv.correlate.coarse_field` gives it.
    model : Model
    settings : RefineSettings
    largest : float
        Largest allowed length of a vector (``validate.largest``), px; 0 = no limit.

    Returns
    -------
    VectorField
        Of the frames' shape, px, y down.  NaN under the mask only.  ``FALLBACK`` where the moved
        frames do not resemble each other: there it is the filled coarse field, with an
        uncertainty of at least 0.5 px.  ``DISAGREES`` where the correction exceeds 2 px.
        ``OUT_OF_RANGE`` where the vector is longer than ``largest``; its value stays.
    """
    first, second, fluid = pair_tensors(pair)
    start = torch.from_numpy(coarse_at_every_pixel(coarse, pair.shape))[None]
    hidden = None if fluid is None else fluid[:, None]
    settings = replace(settings, steps=settings.steps or model.steps)
    refined = _tiled(model.network, first[:, None], second[:, None], start, hidden, settings)
    heard = ((refined.match - NO_MATCH) / (MATCH - NO_MATCH)).clamp(0, 1)
    displacement = torch.lerp(start, refined.displacement, heard)
    variance = model.half_width(refined.log_scale).square_()
    if settings.views > 1:
        # a mean of views is better than one by the variance between them; half is left at least
        variance = torch.maximum(variance - refined.variance, variance / 4)
    floor = FALLBACK_UNCERTAINTY * (1 - heard)
    uncertainty = variance.add_(floor.square_()).sqrt_()
    flags = (heard < 0.5).int() * int(Flag.FALLBACK)
    far = (displacement - start).abs().amax(1, keepdim=True) > FAR
    flags |= far.int() * int(Flag.DISAGREES)
    if largest > 0:
        length = torch.hypot(displacement[:, :1], displacement[:, 1:])
        flags |= (length > largest).int() * int(Flag.OUT_OF_RANGE)
    return _field(pair, displacement, uncertainty, flags)


def _field(
    pair: ImagePair, displacement: Tensor, uncertainty: Tensor, flags: Tensor
) -> VectorField:
    values = [t[0].numpy().copy() for t in (displacement, uncertainty)]
    bits = flags[0, 0].numpy().astype(np.uint16)
    if pair.mask is not None:
        bits[pair.mask] = int(Flag.MASKED)
        for value in values:
            value[:, pair.mask] = np.nan
    height, width = pair.shape
    return VectorField(
        x=np.arange(width, dtype=np.float64),
        y=np.arange(height, dtype=np.float64),
        u=values[0][0],
        v=values[0][1],
        flags=bits,
        uncertainty_u=values[1][0],
        uncertainty_v=values[1][1],
        dt=pair.dt,
    )


@torch.inference_mode()
def _tiled(
    network: CCFCN,
    first: Tensor,
    second: Tensor,
    start: Tensor,
    fluid: Tensor | None,
    settings: RefineSettings,
) -> Seen:
    """The network on the whole pair, or on overlapping tiles where that needs too much memory."""
    contrast = well_lit_contrast(first, second, fluid)

    def run(rows: slice, columns: slice) -> Seen:
        a, b, begin = (t[..., rows, columns] for t in (first, second, start))
        hidden = None if fluid is None else fluid[..., rows, columns]
        half = settings.precision == "bfloat16"
        with torch.autocast(first.device.type, torch.bfloat16, enabled=half):
            return seen(network, a, b, begin, hidden, settings.steps, contrast, settings.views)

    height, width = first.shape[-2:]
    side = tile_side(height, width, settings.memory)
    tiles = [(rows, columns) for rows in _spans(height, side) for columns in _spans(width, side)]
    if len(tiles) == 1:
        return run(slice(0, height), slice(0, width))
    total = torch.zeros(1, 7, height, width)
    for rows, columns in tiles:
        result = torch.cat(run(rows, columns), dim=1)
        weight = _ramp(rows, height)[:, None] * _ramp(columns, width)
        total[..., rows, columns] += result * weight
    return Seen(total[:, :2], total[:, 2:4], total[:, 4:5], total[:, 5:])


def tile_side(height: int, width: int, memory: float) -> int:
    """Side of the square tiles that need about ``memory`` GiB, px; a multiple of 16."""
    pixels = memory * 2**30 / BYTES_PER_PIXEL
    if height * width <= pixels:
        return max(height, width)
    return max(4 * OVERLAP, int(pixels**0.5) // 16 * 16)


def _spans(size: int, side: int) -> list[slice]:
    """Tiles along one axis; neighbours share 2 OVERLAP px; starts are multiples of 16."""
    if size <= side:
        return [slice(0, size)]
    step = side - 2 * OVERLAP
    count = -(-(size - 2 * OVERLAP) // step)
    return [slice(n * step, min(n * step + side, size)) for n in range(count)]


def _ramp(span: slice, size: int) -> Tensor:
    """Blending weight along one axis: rises and falls over the middle half of each overlap."""
    position = torch.arange(span.start, span.stop, dtype=torch.float32)
    weight = torch.ones_like(position)
    if span.start > 0:
        weight *= ((position - span.start + 0.5 - OVERLAP / 2) / OVERLAP).clamp(0, 1)
    if span.stop < size:
        weight *= ((span.stop - position - 0.5 - OVERLAP / 2) / OVERLAP).clamp(0, 1)
    return weight
