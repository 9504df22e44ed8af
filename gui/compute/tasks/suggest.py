"""A look at a pair before anything is run: what can be measured quickly, and what it advises."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gui.advice import Measured
from gui.compute.server import Context, task
from gui.compute.tasks.masks import find_body, outlines
from piv.correlate import coarse_field
from piv.errors import InputError
from piv.filters import gaussian
from piv.io.sources import SourceSpec
from piv.preprocess import check_contrast, crop, in_single_precision, preprocess
from piv.quality import particle_diameter, seeding_density
from piv.settings import CorrelateSettings, PreprocessSettings, ValidateSettings
from piv.types import Bool, Float, ImagePair, VectorField

__all__ = ["look", "measure"]

_QUICK = CorrelateSettings(windows=(64, 32), repeats=1, spline=3)
_WHOLE = 1_000_000  # px; a larger frame is looked at in tiles
_TILE, _TILES = 320, 3  # px; so many in each direction


@task
def look(
    context: Context,
    spec: SourceSpec,
    index: int,
    mask: Bool | None = None,
    region: tuple[int, ...] = (),
) -> Measured:
    """Look at a pair.

    Parameters
    ----------
    context : Context
    spec : SourceSpec
    index : int
    mask : bool array, shape (H, W), optional
        True = not fluid; joined with that of the pair.
    region : tuple of int
        Left, top, width, height of what will be analysed; empty = everything.

    Returns
    -------
    Measured

    Raises
    ------
    InputError
        If the pair cannot be read, or shows nothing.
    """
    context.progress(0, 4, "reading the pair")
    with spec.open() as source:
        pair = source[index]
    masks = [np.asarray(each) for each in (pair.mask, mask) if each is not None]
    joined = np.logical_or.reduce(masks) if masks else None
    if joined is not None and (joined.all() or not joined.any()):
        joined = None
    pair = crop(in_single_precision(replace(pair, mask=joined)), region)
    check_contrast(pair)
    measured = measure(pair, context)
    left, top = region[:2] if region else (0, 0)
    return replace(measured, shapes=tuple(s.moved(left, top) for s in measured.shapes))


def measure(pair: ImagePair, context: Context | None = None) -> Measured:
    """Everything about a pair that takes a second or two.

    Parameters
    ----------
    pair : ImagePair
    context : Context, optional
        Is told how far it is.
    """

    def tell(done: int, text: str) -> None:
        if context is not None:
            context.progress(done, 4, text)

    tell(1, "looking at the particles")
    diameter, density = particle_diameter(pair), seeding_density(pair)
    tell(2, "a quick correlation")
    tiles = _tiles(pair)
    plain = [_quick(tile, "none") for tile in tiles]
    tell(3, "a quick correlation with contrast normalisation")
    local = [_quick(tile, "local") for tile in tiles]
    u, v, height = (
        np.concatenate(parts) for parts in zip(*(_values(f) for f in plain), strict=True)
    )
    speed = np.hypot(u, v)
    seen = speed.size >= 3
    noise = _mean([noise_share(tile) for tile in tiles])
    if seen:  # what correlates between the frames is no noise
        noise = min(noise, 1 - float(np.median(height)))
    tell(4, "looking for regions without particles")
    empty = np.zeros(pair.shape, bool)
    if pair.mask is None:
        empty = find_body(pair)
    shapes = outlines(empty) if 0 < empty.mean() < 0.95 else ()
    low, high, top, gain = _grey(pair)
    return Measured(
        displacement=float(np.median(speed)) if seen else math.nan,
        largest=float(np.quantile(speed, 0.99)) if seen else math.nan,
        component=float(np.quantile(np.maximum(abs(u), abs(v)), 0.99)) if seen else math.nan,
        density=density,
        diameter=diameter,
        noise=noise,
        saturated=top,
        levels=high - low if np.issubdtype(pair.first.dtype, np.integer) else math.nan,
        lost=_lost(float(np.median(height)), noise) if seen else math.nan,
        valid=_share(plain),
        valid_with_contrast=_share(local),
        gain=gain,
        empty=float(empty.mean()),
        shapes=shapes,
    )


def noise_share(pair: ImagePair) -> float:
    """Share of white camera noise in the variance of the quick changes of the grey level, 0..1.

    Particle images change smoothly from pixel to pixel, so that their autocovariance at lag 0 can
    be foretold from lags 1 and sqrt 2 (a Gaussian: C(0) = C(1)^2 / C(sqrt 2)); what is above it
    is noise.  NaN if there are no particle images.
    """
    found = []
    for frame in (pair.first, pair.second):
        image = torch.from_numpy(np.asarray(frame, np.float32))[None]
        quick = (image - gaussian(image, 6.0))[0].double()
        fluid = torch.ones_like(quick) if pair.mask is None else torch.from_numpy(~pair.mask)
        quick = quick * fluid
        zero = float((quick * quick).mean())
        if zero <= 0:
            continue
        beside = float((quick[:, 1:] * quick[:, :-1]).mean() + (quick[1:] * quick[:-1]).mean()) / 2
        diagonal = float(
            (quick[1:, 1:] * quick[:-1, :-1]).mean() + (quick[1:, :-1] * quick[:-1, 1:]).mean()
        ) / 2  # fmt: skip
        if beside <= 0 or diagonal <= 0.02 * zero:
            continue
        found.append(min(max(1 - beside**2 / diagonal / zero, 0.0), 1.0))
    return float(np.mean(found)) if found else math.nan


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _lost(height: float, noise: float) -> float:
    """What correlation is missing though the noise does not explain it.

    Of two frames that share a part p of their particles and have a part n of noise in their
    variance, the correlation coefficient at the peak is p (1 - n).
    """
    share = 1 - noise if math.isfinite(noise) else 1.0
    return min(max(1 - height / max(share, 1e-3), 0.0), 1.0)


def _tiles(pair: ImagePair) -> list[ImagePair]:
    """The pair, or tiles spread over it if it is large; those that the mask hides are left out."""
    height, width = pair.shape
    if height * width <= _WHOLE:
        return [pair]
    tiles = []
    for top in np.linspace(0, height - min(_TILE, height), _TILES).astype(int):
        for left in np.linspace(0, width - min(_TILE, width), _TILES).astype(int):
            box = (int(left), int(top), min(_TILE, width), min(_TILE, height))
            try:
                tile = crop(pair, box)
                check_contrast(tile)
            except InputError:  # nothing to be seen there
                continue
            tiles.append(tile)
    return tiles or [crop(pair, (0, 0, min(_TILE, width), min(_TILE, height)))]


def _quick(pair: ImagePair, contrast: str) -> VectorField:
    prepared = preprocess(pair, PreprocessSettings(contrast=contrast))
    return coarse_field(prepared, _QUICK, ValidateSettings())


def _values(field: VectorField) -> tuple[Float, Float, Float]:
    valid = field.valid
    return field.u[valid], field.v[valid], np.asarray(field.extra["peak_height"])[valid]


def _share(fields: list[VectorField]) -> float:
    known = [np.isfinite(field.u) for field in fields]
    count = sum(int(each.sum()) for each in known)
    return sum(int(field.valid.sum()) for field in fields) / count if count else math.nan


def _grey(pair: ImagePair) -> tuple[float, float, float, float]:
    """Background, bright particles, share of saturated pixels, gain of the second frame."""
    lows, highs, tops, spreads = [], [], [], []
    step = math.isqrt(pair.first.size // _WHOLE) + 1  # every so many px is enough
    for frame in (pair.first[::step, ::step], pair.second[::step, ::step]):
        seen: npt.NDArray[Any] = frame
        if pair.mask is not None:
            seen = frame[~pair.mask[::step, ::step]]
            seen = seen if seen.size else frame
        low, high = np.quantile(seen, [0.25, 0.995])
        top = seen.max()
        share = float((seen == top).mean())
        # of a camera that does not saturate hardly two pixels are equally bright
        tops.append(share if top > low and share * seen.size > 20 else 0.0)
        lows.append(float(low))
        highs.append(float(high))
        spreads.append(float(np.std(seen, dtype=np.float64)))
    gain = spreads[1] / spreads[0] if spreads[0] > 0 else math.nan
    return float(np.mean(lows)), float(np.mean(highs)), float(np.mean(tops)), gain
