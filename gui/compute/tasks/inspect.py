"""What stands behind a vector, and what the field leaves of the images."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gui.compute.server import Context, task
from gui.compute.tasks.fields import as_map
from piv.correlate import coarse_at_every_pixel
from piv.correlate.trace import LastPass
from piv.errors import InputError
from piv.filters import gaussian
from piv.io.sources import SourceSpec
from piv.preprocess import crop, in_single_precision, preprocess
from piv.settings import Settings
from piv.spline import coefficients, deform_pair
from piv.types import Bool, Float, ImagePair, VectorField

__all__ = ["last_pass", "point", "residual"]

_AROUND = 3.0  # px; Gaussian over which the residual is averaged
_DEGREE = 3  # of the spline that moves the frames


@dataclass(frozen=True, eq=False)
class Seen:
    """The last pass of a pair, and where its region begins in the frame."""

    trace: LastPass
    left: int
    top: int


_kept: dict[tuple[Any, ...], Seen] = {}  # of the pair that was looked at last


def read_pair(spec: SourceSpec, index: int, mask: Bool | None) -> ImagePair:
    """A pair of a source with the masks of both, source and session.

    Raises
    ------
    InputError
        If it cannot be read, or the mask does not fit.
    """
    with spec.open() as source:
        pair = source[index]
    if mask is None:
        return pair
    mask = np.asarray(mask) if pair.mask is None else pair.mask | mask
    return ImagePair(pair.first, pair.second, dt=pair.dt, mask=mask, name=pair.name)


def last_pass(spec: SourceSpec, index: int, mask: Bool | None, settings: Settings) -> Seen:
    """The coarse stage of a pair once more, kept until another pair is asked for.

    Raises
    ------
    InputError
        As for :func:`read_pair`.
    """
    stages = (settings.preprocess, settings.correlate, settings.validate)
    digest = hashlib.sha256(pickle.dumps(spec))
    digest.update(b"" if mask is None else np.packbits(mask).tobytes())
    key = (digest.hexdigest(), index, *stages)
    if key not in _kept:
        _kept.clear()
        pair = in_single_precision(read_pair(spec, index, mask))
        ready = preprocess(pair, settings.preprocess)
        left, top = settings.preprocess.region[:2] or (0, 0)
        _kept[key] = Seen(LastPass(ready, settings.correlate, settings.validate), left, top)
    return _kept[key]


@task
def point(
    context: Context,
    spec: SourceSpec,
    index: int,
    mask: Bool | None,
    settings: Settings,
    place: tuple[float, float],
) -> dict[str, Any]:
    """The window nearest to a place, as the last pass of the coarse stage saw it.

    Parameters
    ----------
    context : Context
    spec, index, mask
        The pair.
    settings : Settings
        With which it was analysed.
    place : (x, y)
        px of the frame.

    Returns
    -------
    dict
        The values of :class:`piv.correlate.trace.WindowTrace`, ``x`` and ``y`` in px of the frame,
        and ``measured`` (u, v) px.

    Raises
    ------
    InputError
        If the pair cannot be read.
    """
    if not _kept:
        context.progress(0, 0, "the coarse stage once more, to look into it")
    seen = last_pass(spec, index, mask, settings)
    grid = seen.trace.grid
    column = int((grid.x - (place[0] - seen.left)).abs().argmin())
    row = int((grid.y - (place[1] - seen.top)).abs().argmin())
    window = seen.trace.at(row, column)
    found = {name: getattr(window, name) for name in type(window).__dataclass_fields__}
    return {
        **found,
        "x": window.x + seen.left,
        "y": window.y + seen.top,
        "measured": window.measured,
        "size": window.first.shape,
        "flags": int(grid.flags[0, row, column]),
    }


@task
def residual(
    _context: Context,
    spec: SourceSpec,
    index: int,
    mask: Bool | None,
    region: tuple[int, ...],
    field: VectorField,
) -> dict[str, Any]:
    """What is left of the images after the field has moved them onto each other.

    Parameters
    ----------
    _context : Context
    spec, index, mask
        The pair.
    region : tuple of int
        What was analysed of it: left, top, width, height; empty = all.
    field : VectorField
        In px, dense or coarse.

    Returns
    -------
    dict
        A map as of :func:`gui.compute.tasks.fields.quantity_map`: the rms difference about each
        pixel over the rms contrast of the frames; NaN under the mask.

    Raises
    ------
    InputError
        If the pair cannot be read, or the field does not belong to it.
    """
    pair = crop(in_single_precision(read_pair(spec, index, mask)), region)
    left, top = region[:2] if region else (0, 0)
    height, width = pair.shape
    inside = field.replace(x=field.x - left, y=field.y - top)
    if inside.x[0] < -1 or inside.y[0] < -1 or inside.x[-1] > width or inside.y[-1] > height:
        raise InputError(
            f"the field reaches beyond the images of {height} x {width} px (height x width): "
            "open the images that it was made of"
        )
    fluid = None if pair.mask is None else torch.from_numpy(~pair.mask)
    frames = [_standardised(frame, fluid) for frame in (pair.first, pair.second)]
    first, second = (coefficients(frame, _DEGREE) for frame in frames)
    moved = deform_pair(
        first,
        second,
        torch.from_numpy(_at_every_pixel(inside, pair.shape))[None],
        _DEGREE,
    )
    squares = (moved[0] - moved[1]).square()
    mean = gaussian(squares if fluid is None else squares * fluid, _AROUND)
    if fluid is not None:
        mean = mean / gaussian(fluid[None, None].float(), _AROUND).clamp_min(1e-3)
    left_over = (mean / 2).clamp_min(0).sqrt()[0, 0].numpy()
    if pair.mask is not None:
        left_over = np.where(pair.mask, np.float32(np.nan), left_over)
    place = np.arange(width, dtype=np.float64) + left, np.arange(height, dtype=np.float64) + top
    on = VectorField(
        x=place[0], y=place[1], u=left_over, v=left_over,
        flags=np.broadcast_to(np.uint16(0), left_over.shape),
    )  # fmt: skip
    return as_map(on, left_over, "residual")


def _standardised(frame: Float, fluid: torch.Tensor | None) -> torch.Tensor:
    """Of mean 0 and variance 1 over the fluid, 0 elsewhere; (1, 1, H, W)."""
    grey = torch.from_numpy(np.asarray(frame, np.float32))
    seen = grey if fluid is None else grey[fluid]
    grey = (grey - seen.mean()) / seen.std().clamp_min(1e-12)
    return (grey if fluid is None else grey * fluid)[None, None]


def _at_every_pixel(field: VectorField, shape: tuple[int, int]) -> Float:
    """(2, H, W) float32, finite."""
    if field.u.shape == shape:
        both = np.stack([np.asarray(field.u, np.float32), np.asarray(field.v, np.float32)])
        return np.nan_to_num(both)
    return coarse_at_every_pixel(field, shape)
