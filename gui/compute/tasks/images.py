"""Images of a source, made ready for the screen: pyramids, thumbnails, histograms."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gui.compute.server import task
from gui.pyramid import Array, Pyramid, robust_range
from piv.io.sources import SourceSpec
from piv.types import ImagePair

__all__ = ["histogram", "pair", "pyramid", "thumbnail"]

Which: TypeAlias = Literal["a", "b"]


@task
def pyramid(context: Any, spec: SourceSpec, index: int, frame: Which = "a") -> dict[str, Any]:
    """One frame of a pair.

    Parameters
    ----------
    context : object
        Of the server; not needed here.
    spec : SourceSpec
    index : int
        Number of the pair.
    frame : "a" or "b"

    Returns
    -------
    dict
        ``pyramid`` and ``range``, the grey levels (low, high) that suit both frames.

    Raises
    ------
    InputError
        If that pair cannot be read.
    """
    del context
    frames = _read(spec, index)
    return {"pyramid": Pyramid.build(_frame(frames, frame)), "range": _range(frames)}


@task
def pair(context: Any, spec: SourceSpec, index: int) -> dict[str, Any]:
    """Both frames of a pair: ``a``, ``b`` (pyramids), ``range``, ``mask``, ``name``, ``dt``.

    Raises
    ------
    InputError
        If that pair cannot be read.
    """
    frames = _read(spec, index)
    context.progress(1, 3, "pair read")
    first = Pyramid.build(frames.first)
    context.progress(2, 3, "first frame made ready")
    return {
        "a": first,
        "b": Pyramid.build(frames.second),
        "range": _range(frames),
        "mask": frames.mask,
        "name": frames.name,
        "dt": frames.dt,
    }


@task
def thumbnail(context: Any, spec: SourceSpec, index: int, size: int = 96) -> npt.NDArray[np.uint8]:
    """The first frame, small.

    Parameters
    ----------
    context, spec, index
        As for :func:`pyramid`.
    size : int
        The longer side at most, px.

    Returns
    -------
    uint8 array, shape (h, w)

    Raises
    ------
    InputError
        If that pair cannot be read.
    """
    del context
    image = np.asarray(_read(spec, index).first)
    step = max(1, -(-max(image.shape) // size))
    rows, columns = (max(1, n // step) for n in image.shape)
    high, wide = (min(step, n) for n in image.shape)  # a very flat image has less than a block
    blocks = image[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    small = blocks.mean(axis=(1, 3), dtype=np.float32)
    low, high = robust_range(small)
    grey = np.clip((small - low) * (255 / (high - low)), 0, 255)
    return np.asarray(grey.round().astype(np.uint8))


@task
def histogram(context: Any, spec: SourceSpec, index: int, bins: int = 128) -> dict[str, Any]:
    """Grey levels of both frames.

    Returns
    -------
    dict
        ``edges`` (bins + 1 floats), ``a`` and ``b`` (bins integers each), ``range`` (low, high):
        the levels that suit the pair.

    Raises
    ------
    InputError
        If that pair cannot be read.
    """
    del context
    frames = _read(spec, index)
    first, second = np.asarray(frames.first), np.asarray(frames.second)
    low = float(min(first.min(), second.min()))
    high = float(max(first.max(), second.max()))
    if not high > low:
        high = low + 1.0
    edges = np.linspace(low, high, bins + 1)
    return {
        "edges": edges,
        "a": np.histogram(first, edges)[0],
        "b": np.histogram(second, edges)[0],
        "range": _range(frames),
    }


def _read(spec: SourceSpec, index: int) -> ImagePair:
    with spec.open() as source:
        return source[index]


def _frame(frames: ImagePair, which: Which) -> Array:
    return frames.first if which == "a" else frames.second


def _range(frames: ImagePair) -> tuple[float, float]:
    parts = []
    for frame in (frames.first, frames.second):
        step = max(1, int((frame.size / 250_000) ** 0.5))
        parts.append(np.asarray(frame)[::step, ::step])
    return robust_range(*parts)
