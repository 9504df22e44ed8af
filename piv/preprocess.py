"""What is done to the frames before anything is measured.  Pure functions of an image pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from piv.errors import InputError
from piv.filters import gaussian
from piv.settings import PreprocessSettings
from piv.types import MINIMUM_SIZE, ImagePair, size_text

_SMALLEST, _LARGEST = 1e-9, 1e9  # squares of grey levels between them are safe in float32
_FLOOR = 0.1  # of the frame's rms local deviation; see local_contrast


def preprocess(pair: ImagePair, settings: PreprocessSettings) -> ImagePair:
    """Crop to the region, then normalise the local contrast, each only if it is set.

    Parameters
    ----------
    pair : ImagePair
    settings : PreprocessSettings

    Returns
    -------
    ImagePair
        In coordinates of the region: its pixel (0, 0) is the region's left top pixel.

    Raises
    ------
    InputError
        As for :func:`crop`.
    """
    pair = crop(pair, settings.region)
    if settings.contrast == "none":
        return pair
    fluid = None if pair.mask is None else ~pair.mask
    radius = settings.contrast_radius
    return replace(
        pair,
        first=local_contrast(_tensor(pair.first), radius, fluid).numpy(),
        second=local_contrast(_tensor(pair.second), radius, fluid).numpy(),
    )


def crop(pair: ImagePair, region: Sequence[int]) -> ImagePair:
    """Cut the rectangle ``(left, top, width, height)`` px out of both frames and the mask.

    An empty region is the whole frame.

    Raises
    ------
    InputError
        If the region is not four numbers, leaves the frame, or is under 32 px.
    """
    if len(region) == 0:
        return pair
    if len(region) != 4:
        raise InputError(f"a region is left, top, width and height, not {list(region)}")
    left, top, width, height = region
    rows, columns = pair.shape
    if left < 0 or top < 0 or left + width > columns or top + height > rows:
        raise InputError(
            f"the region (left {left}, top {top}, {size_text((height, width))} px) leaves the "
            f"frame of {size_text(pair.shape)} px (height x width)"
        )
    if min(width, height) < MINIMUM_SIZE:
        raise InputError(
            f"the region is {size_text((height, width))} px (height x width): at least "
            f"{MINIMUM_SIZE} x {MINIMUM_SIZE} px are needed"
        )
    window = np.s_[top : top + height, left : left + width]
    mask = None if pair.mask is None else pair.mask[window]
    if mask is not None and mask.all():
        raise InputError("the mask hides every pixel of the region")
    return replace(pair, first=pair.first[window], second=pair.second[window], mask=mask)


def in_single_precision(pair: ImagePair) -> ImagePair:
    """Bring grey levels that float32 arithmetic cannot hold into its range, both frames alike.

    The factor is a power of two, so that no digit changes; any usual recording is returned as
    it is.
    """
    frames = (pair.first, pair.second)
    largest = max(abs(float(limit)) for frame in frames for limit in (frame.min(), frame.max()))
    if largest == 0 or _SMALLEST < largest < _LARGEST:
        return pair
    exponent = int(np.frexp(largest)[1])
    first, second = (np.ldexp(frame.astype(np.float64), -exponent) for frame in frames)
    return replace(pair, first=first, second=second)


def subtract_background(
    pair: ImagePair,
    background: npt.NDArray[Any] | tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> ImagePair:
    """Subtract an image without particles from the frames; what falls below zero becomes zero.

    Parameters
    ----------
    pair : ImagePair
    background : array, shape (H, W), or two of them
        One for both frames, or one for each.

    Returns
    -------
    ImagePair
        With float32 frames.

    Raises
    ------
    InputError
        If a background has another shape than the frames, or values that are not finite.
    """
    first, second = background if isinstance(background, tuple) else (background, background)
    for image in (first, second):
        if image.shape != pair.shape:
            raise InputError(
                f"the background is {size_text(image.shape)} px, but the frames are "
                f"{size_text(pair.shape)} px (height x width)"
            )
        if not np.isfinite(image).all():
            raise InputError("the background holds NaN or infinite grey levels")
    return replace(
        pair,
        first=_difference(pair.first, first),
        second=_difference(pair.second, second),
    )


def local_contrast(
    images: Tensor, radius: float = 8.0, fluid: Tensor | npt.NDArray[np.bool_] | None = None
) -> Tensor:
    r"""Local contrast normalisation: zero mean and unit deviation in every neighbourhood.

    With :math:`\overline{\,\cdot\,}` the Gaussian average over the fluid pixels around,

    .. math:: d = I - \bar I, \qquad
              \hat I = d \,/\, \sqrt{\overline{d^2} + f^2 \langle d^2 \rangle} ,

    where :math:`\langle\,\cdot\,\rangle` is the mean over the frame and :math:`f = 0.1`: this
    floor keeps the camera noise of an unseeded or flat region from being blown up to the size
    of particles.  The result does not change with the gain and offset of the grey levels.

    Parameters
    ----------
    images : float tensor, shape (..., H, W)
        Grey levels.
    radius : float
        Standard deviation of the Gaussian, px.
    fluid : bool tensor or array, shape broadcastable to (..., H, W), or None
        False where a pixel must not count (a body, a reflection).

    Returns
    -------
    tensor, shape (..., H, W)
        Zero where ``fluid`` is False, and everywhere in a frame without contrast.
    """
    if fluid is None:
        weight: Tensor | None = None
        share: Tensor | float = 1.0
        count: Tensor | float = float(images.shape[-1] * images.shape[-2])
    else:
        weight = torch.as_tensor(fluid, device=images.device).to(images.dtype)
        share = gaussian(weight, radius).clamp_min(1e-6)
        count = weight.sum((-2, -1), keepdim=True).clamp_min(1.0)

    def total(values: Tensor) -> Tensor:
        return values.sum((-2, -1), keepdim=True) / count

    def weighted(values: Tensor) -> Tensor:
        return values if weight is None else values * weight

    # the frame's own scale first: float32 keeps its digits whatever the offset and the gain
    centred = weighted(images - total(weighted(images)))
    spread = total(centred.square()).sqrt()
    centred = centred / torch.where(spread > 0, spread, torch.ones_like(spread))
    deviation = weighted(centred - gaussian(centred, radius) / share)
    squares = deviation.square()
    floor = _FLOOR**2 * total(squares)
    scale = (gaussian(squares, radius) / share + floor).sqrt()
    return deviation / torch.where(scale > 0, scale, torch.ones_like(scale))


def check_contrast(pair: ImagePair) -> None:
    """Refuse a frame in which every pixel outside the mask has one grey level.

    Raises
    ------
    InputError
        Naming the frame and its grey level.
    """
    where = f"{pair.name}: " if pair.name else ""
    for which, frame in (("first", pair.first), ("second", pair.second)):
        seen = frame if pair.mask is None else frame[~pair.mask]
        low, high = seen.min(), seen.max()
        if low == high:
            kind = "all black" if low == 0 else f"of one grey level ({low:g})"
            outside = "" if pair.mask is None else " outside the mask"
            raise InputError(
                f"{where}the {which} frame is {kind}{outside}: there are no particles to follow"
            )


def _difference(frame: npt.NDArray[Any], background: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.maximum(frame.astype(np.float32) - background.astype(np.float32), np.float32(0))


def _tensor(frame: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(frame.astype(np.float32))
