"""What preprocessing makes of the part of a frame that is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gui.compute.server import Context, task
from piv.errors import InputError
from piv.io.sources import SourceSpec
from piv.preprocess import crop, in_single_precision, preprocess
from piv.settings import PreprocessSettings
from piv.types import MINIMUM_SIZE, Bool, ImagePair

__all__ = ["preprocessed"]

LARGEST = 1536  # px; edge of the part that is shown at most


@dataclass
class _Last:
    """The pair that was read last: dragging the view must not read it again and again."""

    key: Any = None
    pair: ImagePair | None = None


_last = _Last()


@task
def preprocessed(
    context: Context,
    spec: SourceSpec,
    index: int,
    frame: str,
    settings: PreprocessSettings,
    view: tuple[float, float, float, float],
    mask: Bool | None = None,
) -> dict[str, Any]:
    """Part of a frame before and after preprocessing.

    The whole region is normalised as an analysis does it where it is small; of a large one, what
    is shown with a margin of six radii around it.

    Parameters
    ----------
    context : Context
    spec : SourceSpec
    index : int
    frame : "a" or "b"
    settings : PreprocessSettings
    view : (left, top, width, height)
        What is looked at, px; of a large part the middle is taken.
    mask : bool array, shape (H, W), optional

    Returns
    -------
    dict
        ``before`` and ``after``: uint8 arrays of one shape, grey levels stretched to 0..255;
        ``left``, ``top``: where they are, px.

    Raises
    ------
    InputError
        If the pair cannot be read, or the view shows nothing of the region.
    """
    context.progress(0, 2, "reading the pair")
    key = (spec.path, spec.files, spec.frames, spec.pairing, index)
    if _last.key != key or _last.pair is None:
        with spec.open() as source:
            _last.pair = in_single_precision(source[index])
        _last.key = key
    pair = replace(_last.pair, mask=_joined(_last.pair.mask, mask))
    context.progress(1, 2, "preprocessing")
    left, top, width, height = settings.region or (0, 0, pair.shape[1], pair.shape[0])
    x0, x1 = _part(view[0], view[2], left, width)
    y0, y1 = _part(view[1], view[3], top, height)
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise InputError("the region to be analysed is not in view: move the image, or fit it")
    margin = round(6 * settings.contrast_radius)
    a0, a1 = _room(x0, x1, margin, left, left + width)
    b0, b1 = _room(y0, y1, margin, top, top + height)
    part = crop(pair, (a0, b0, a1 - a0, b1 - b0))
    done = preprocess(part, replace(settings, region=()))
    window = np.s_[y0 - b0 : y1 - b0, x0 - a0 : x1 - a0]
    first = frame == "a"
    return {
        "before": stretched((part.first if first else part.second)[window]),
        "after": stretched((done.first if first else done.second)[window]),
        "left": x0,
        "top": y0,
    }


def stretched(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Grey levels from 0 to 255 between the 0.5 and 99.7 percentiles."""
    low, high = np.quantile(image, [0.005, 0.997])
    if high <= low:
        low, high = float(image.min()), float(max(image.max(), image.min() + 1))
    scaled = (image.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _joined(one: Bool | None, other: Bool | None) -> Bool | None:
    masks = [np.asarray(each) for each in (one, other) if each is not None]
    joined = np.logical_or.reduce(masks) if masks else None
    return joined if joined is not None and joined.any() and not joined.all() else None


def _part(start: float, length: float, low: int, size: int) -> tuple[int, int]:
    """First px and the one after the last of what is in view, in the region, and not too much."""
    first = max(int(np.floor(start)), low)
    last = min(int(np.ceil(start + length)) + 1, low + size)
    if last - first > LARGEST:
        first = (first + last - LARGEST) // 2
        last = first + LARGEST
    return first, last


def _room(first: int, last: int, margin: int, low: int, high: int) -> tuple[int, int]:
    """With a margin around, and at least as large as frames must be."""
    first, last = max(first - margin, low), min(last + margin, high)
    short = MINIMUM_SIZE - (last - first)
    if short > 0:
        first = max(first - short, low)
        last = min(first + MINIMUM_SIZE, high)
    return first, last
