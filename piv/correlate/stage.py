"""The coarse stage of one pair: from frames to a validated and filled field."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from piv.correlate.multipass import Grid, fitted, multipass
from piv.correlate.windows import at_every_pixel, centres, window_starts
from piv.settings import CorrelateSettings, ValidateSettings
from piv.types import Flag, Float, ImagePair, VectorField
from piv.validate import fill


def coarse_field(
    pair: ImagePair, settings: CorrelateSettings, limits: ValidateSettings
) -> VectorField:
    """The coarse stage of one pair: measured, validated and filled.

    Parameters
    ----------
    pair : ImagePair
    settings, limits : CorrelateSettings, ValidateSettings

    Returns
    -------
    VectorField
        On the grid of the last windows, px, y down; NaN only where the centre of a window is
        masked, ``REPLACED`` beside the reason where a vector was rejected.  ``extra`` holds
        ``peak_ratio`` and ``peak_height``, ``attrs["windows"]`` the windows used, (height, width).
    """
    first, second, fluid = pair_tensors(pair)
    grid = multipass(first, second, fluid, settings, limits)
    return to_field(grid, pair.dt)


def coarse_template(
    shape: tuple[int, int], settings: CorrelateSettings, dt: float = 1.0
) -> VectorField:
    """The grid and the variables of :func:`coarse_field`, with nothing measured.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the frames, px.
    settings : CorrelateSettings
    dt : float

    Returns
    -------
    VectorField
        Zero everywhere.
    """
    sizes = [fitted(size, *shape) for size in settings.window_sizes]
    y, x = (
        centres(window_starts(length, window, settings.overlap), window)
        for length, window in zip(shape, sizes[-1], strict=True)
    )
    nothing = np.zeros((y.size, x.size), np.float32)
    return VectorField(
        x=x, y=y, u=nothing, v=nothing, flags=nothing.astype(np.uint16), dt=dt,
        extra={"peak_ratio": nothing, "peak_height": nothing},
        attrs={"windows": [list(size) for size in dict.fromkeys(sizes)]},
    )  # fmt: skip


def pair_tensors(pair: ImagePair) -> tuple[Tensor, Tensor, Tensor | None]:
    """First frame, second frame, fluid: (1, H, W) each, float32."""
    first, second = (
        torch.from_numpy(np.asarray(frame, dtype=np.float32))[None]
        for frame in (pair.first, pair.second)
    )
    fluid = None if pair.mask is None else torch.from_numpy(~pair.mask)[None]
    return first, second, fluid


def to_field(grid: Grid, dt: float = 1.0) -> VectorField:
    """The first pair of a grid as a :class:`VectorField`, filled."""
    masked = (grid.flags & int(Flag.MASKED)) != 0
    filled = torch.where(masked[:, None], torch.nan, grid.filled())[0].numpy()
    flags = grid.flags | (~grid.keep & ~masked).int() * int(Flag.REPLACED)
    extra = {"peak_ratio": grid.ratio[0].numpy(), "peak_height": grid.height[0].numpy()}
    if grid.pairs is not None:
        extra["pair_count"] = grid.pairs[0].numpy()
    return VectorField(
        x=grid.x.double().numpy(),
        y=grid.y.double().numpy(),
        u=filled[0],
        v=filled[1],
        flags=flags[0].numpy().astype(np.uint16),
        dt=dt,
        extra=extra,
        attrs={"windows": [list(size) for size in grid.windows]},
    )


def coarse_at_every_pixel(coarse: VectorField, shape: tuple[int, int]) -> Float:
    """(2, H, W): a coarse field in px, its masked nodes filled, at every pixel."""
    u, v = (torch.from_numpy(np.asarray(c, dtype=np.float32))[None] for c in (coarse.u, coarse.v))
    known = torch.isfinite(u) & torch.isfinite(v)
    masked = torch.from_numpy((coarse.flags & int(Flag.MASKED)) != 0)[None]
    grid = torch.stack(fill(u, v, known, masked), dim=1)
    x, y = torch.from_numpy(coarse.x), torch.from_numpy(coarse.y)
    return at_every_pixel(grid, y, x, *shape)[0].numpy()
