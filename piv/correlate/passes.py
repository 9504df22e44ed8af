"""One pass of the coarse stage: where its windows lie, and what they correlate to.

A batch of pairs (:class:`Frames`) is measured here; a series whose correlation planes are summed
(:mod:`piv.correlate.ensemble`) is measured with the same planes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from piv.correlate.fft import Peaks, Planes, correlation_planes, find_peaks
from piv.correlate.windows import centres, extract, window_starts
from piv.spline import coefficients, deform_pair, seen_in_both

_CHUNK = 16 * 2**20  # samples of windows that are correlated at once: bounds the memory

# windows with less contrast than this part of the well-lit ones hold no particles
_LEAST_CONTRAST = 0.05
# a window needs this part of its pixels in the fluid
_LEAST_FLUID = 0.25


@dataclass(frozen=True, eq=False, slots=True)
class Windows:
    """All windows of a pass."""

    rows: tuple[int, ...]  # first pixel of each
    columns: tuple[int, ...]
    size: tuple[int, int]  # px
    reach: tuple[int, int]  # largest shift that is looked at, px
    y: Tensor  # centres, px
    x: Tensor

    @classmethod
    def over(
        cls, images: Images, size: tuple[int, int], overlap: float, *, predicted: bool
    ) -> Windows:
        """Spread windows (height, width) over the frames."""
        height, width = images.shape
        rows = window_starts(height, size[0], overlap)
        columns = window_starts(width, size[1], overlap)
        if predicted:
            # what the predictor missed is small; a short reach keeps false peaks out
            reach = (max(size[0] // 4, 3), max(size[1] // 4, 3))
        else:
            reach = (size[0] // 2, size[1] // 2)
        y, x = (
            torch.from_numpy(centres(starts, length)).to(images.device, torch.float32)
            for starts, length in ((rows, size[0]), (columns, size[1]))
        )
        return cls(rows, columns, size, reach, y, x)

    def of(self, images: Tensor) -> Tensor:
        """(B, H, W) -> (B, Ny, Nx, h, w), a view."""
        return extract(images, self.rows, self.columns, self.size)


class Correlated(NamedTuple):
    """What a pass found; every tensor is (B, Ny, Nx)."""

    peaks: Peaks
    dark: Tensor  # True where there is no contrast
    masked: Tensor  # True where the centre of the window is not fluid
    pairs: Tensor | None = None  # how many contributed; None = the one pair


class Images(Protocol):
    """What the passes measure: a batch of pairs, or a series as a whole."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) px."""

    @property
    def device(self) -> torch.device:
        """Where the frames are."""

    def select(self, index: Tensor) -> Images:
        """Take those of the batch."""

    def correlate(self, windows: Windows, predictor: Tensor | None, degree: int) -> Correlated:
        """Correlate all windows.

        The predictor (B, 2, H, W) is None in the first pass; after it, ``degree`` is that of the
        spline with which the frames are moved.
        """


@dataclass(frozen=True, eq=False, slots=True)
class Frames:
    """Both frames of a batch of pairs, ready for passes."""

    first: Tensor  # (B, H, W), zero mean, unit variance
    second: Tensor
    splines: dict[int, tuple[Tensor, Tensor]]  # degree -> coefficients, (B, 1, H, W)
    fluid: Tensor | None  # (B, H, W), 1 = fluid

    @classmethod
    def prepare(
        cls, first: Tensor, second: Tensor, fluid: Tensor | None, degrees: set[int]
    ) -> Frames:
        """Standardise frames (B, H, W), and make the coefficients of these splines."""
        pixels = None if fluid is None else (fluid != 0).to(first)
        prepared = [_standardise(image, pixels) for image in (first, second)]
        a, b = (image[:, None] for image in prepared)
        splines = {d: (coefficients(a, d), coefficients(b, d)) for d in degrees}
        return cls(prepared[0], prepared[1], splines, pixels)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) px."""
        height, width = self.first.shape[-2:]
        return height, width

    @property
    def device(self) -> torch.device:
        """Where the frames are."""
        return self.first.device

    def select(self, index: Tensor) -> Frames:
        """Those of the batch."""
        return replace(
            self,
            first=self.first[index],
            second=self.second[index],
            splines={d: (a[index], b[index]) for d, (a, b) in self.splines.items()},
            fluid=None if self.fluid is None else self.fluid[index],
        )

    def correlate(self, windows: Windows, predictor: Tensor | None, degree: int) -> Correlated:
        """Peaks of all windows."""
        pieces, contrasts = [], []
        for _, planes in self.planes(windows, predictor, degree):
            pieces.append(find_peaks(planes.values))
            contrasts.append(planes.contrast)
        peaks = Peaks(*(torch.cat(list(parts), dim=1) for parts in zip(*pieces, strict=True)))
        return Correlated(peaks, dark(torch.cat(contrasts, dim=1)), self.masked(windows))

    def planes(
        self, windows: Windows, predictor: Tensor | None, degree: int
    ) -> Iterator[tuple[slice, Planes]]:
        """Correlation planes (B, n, Nx), so many rows of windows at a time as memory allows."""
        first, second, visible = self.moved(predictor, degree)
        a, b = windows.of(first), windows.of(second)
        seen = None if visible is None else windows.of(visible)
        step = max(1, _CHUNK // (a.shape[0] * a.shape[2] * a.shape[3] * a.shape[4]))
        for start in range(0, a.shape[1], step):
            part = slice(start, start + step)
            mask = None if seen is None else seen[:, part]
            seen_part = a[:, part].contiguous(), b[:, part].contiguous()
            yield part, window_planes(*seen_part, mask, windows.reach)

    def moved(self, predictor: Tensor | None, degree: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Both frames at mid-time and what is fluid in both (None = all), (B, H, W) each."""
        if predictor is None:
            return self.first, self.second, self.fluid
        first, second = deform_pair(*self.splines[degree], predictor, degree)
        return first[:, 0], second[:, 0], seen_in_both(self.fluid, predictor)

    def masked(self, windows: Windows) -> Tensor:
        """(B, Ny, Nx): True where the centre of a window is not fluid."""
        if self.fluid is None:
            shape = (len(self.first), len(windows.rows), len(windows.columns))
            return torch.zeros(shape, dtype=torch.bool, device=self.first.device)
        centre = self.fluid[:, windows.y.round().long()][..., windows.x.round().long()]
        return centre == 0


def dark(contrast: Tensor) -> Tensor:
    """(B, Ny, Nx): True where a window has so little contrast that it holds no particles."""
    lit = torch.quantile(contrast.flatten(1), 0.75, dim=1)[:, None, None]
    return contrast < _LEAST_CONTRAST * lit


def _standardise(image: Tensor, pixels: Tensor | None) -> Tensor:
    """Zero mean and unit variance of the fluid; zero elsewhere, so that a mask makes no edge."""
    if pixels is None:
        centred = image - image.mean((-2, -1), keepdim=True)
        variance = centred.square().mean((-2, -1), keepdim=True)
    else:
        count = pixels.sum((-2, -1), keepdim=True).clamp(min=1)
        centred = (image - (image * pixels).sum((-2, -1), keepdim=True) / count) * pixels
        variance = centred.square().sum((-2, -1), keepdim=True) / count
    return centred / variance.sqrt().clamp(min=1e-12)


def window_planes(a: Tensor, b: Tensor, mask: Tensor | None, reach: tuple[int, int]) -> Planes:
    """Planes and contrast; only the windows that are partly hidden pay for their masks."""
    planes = correlation_planes(a, b, None, reach)
    if mask is None:
        return planes
    share = mask.mean((-2, -1))
    partly = (share < 1).nonzero(as_tuple=True)
    if len(partly[0]):
        special = correlation_planes(a[partly], b[partly], mask[partly], reach)
        enough = (share[partly] >= _LEAST_FLUID)[:, None, None]
        planes.values[partly] = torch.where(enough, special.values, 0.0)
        planes.contrast[partly] = special.contrast
    return planes
