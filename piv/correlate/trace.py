"""What stands behind a vector: the last pass of the coarse stage, kept to be looked into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from piv.correlate.fft import Peaks, find_peaks
from piv.correlate.multipass import ROUGH, Grid, at_nodes, passes
from piv.correlate.passes import Correlated, Frames, Windows, window_planes
from piv.correlate.stage import pair_tensors, to_field
from piv.errors import InputError
from piv.settings import CorrelateSettings, ValidateSettings
from piv.types import Float, ImagePair, VectorField


@dataclass(frozen=True, eq=False, slots=True)
class WindowTrace:
    """One interrogation window of the last pass.

    Parameters
    ----------
    row, column : int
        Of the vector on the grid.
    x, y : float
        Centre of the window, px.
    plane : array, shape (2 ry + 1, 2 rx + 1)
        Normalised correlation for shifts -r..r about the predictor; zero in the middle.
    first, second : array, shape (h, w)
        What the frames show in the window, grey levels.
    moved_first, moved_second : array, shape (h, w)
        The same of the frames moved to mid-time by the predictor, of zero mean and unit variance
        over the frame: what was correlated.
    predictor : (float, float)
        u, v in px; zero in a first pass.
    peak : (float, float)
        Of the plane with its sub-pixel fit, px from the middle.
    height, ratio : float
        Of the peak, and over the second one.
    """

    row: int
    column: int
    x: float
    y: float
    plane: Float
    first: Float
    second: Float
    moved_first: Float
    moved_second: Float
    predictor: tuple[float, float]
    peak: tuple[float, float]
    height: float
    ratio: float

    @property
    def measured(self) -> tuple[float, float]:
        """Predictor and peak together: the vector as it was measured, before any test, px."""
        return self.predictor[0] + self.peak[0], self.predictor[1] + self.peak[1]


class LastPass:
    """The coarse stage of a pair with the frames, the predictor and the windows of its last pass.

    Parameters
    ----------
    pair : ImagePair
        As the coarse stage takes it: cropped and preprocessed.
    settings, limits : CorrelateSettings, ValidateSettings

    Attributes
    ----------
    grid : Grid
        Measured values with the flags of all tests, not filled; (1, Ny, Nx).
    """

    def __init__(
        self, pair: ImagePair, settings: CorrelateSettings, limits: ValidateSettings
    ) -> None:
        first, second, fluid = pair_tensors(pair)
        settings = settings.resolved(followed=False)
        self._pair = pair
        self._images = _Recording(Frames.prepare(first, second, fluid, {ROUGH, settings.spline}))
        self.grid: Grid = passes(self._images, settings, limits)

    @property
    def field(self) -> VectorField:
        """What :func:`piv.correlate.coarse_field` gives, to the last bit."""
        return to_field(self.grid, self._pair.dt)

    def at(self, row: int, column: int) -> WindowTrace:
        """Look at one window.

        Raises
        ------
        InputError
            If there is no such window.
        """
        windows = self._images.windows
        rows, columns = len(windows.rows), len(windows.columns)
        if not (0 <= row < rows and 0 <= column < columns):
            raise InputError(
                f"the grid has {rows} x {columns} windows (rows x columns): there is no "
                f"{row}, {column}"
            )
        height, width = windows.size
        top, left = windows.rows[row], windows.columns[column]
        cut = slice(top, top + height), slice(left, left + width)
        first, second, seen = self._moved
        a, b = first[:, *cut], second[:, *cut]
        hidden = None if seen is None else seen[:, *cut]
        planes = window_planes(a.contiguous(), b.contiguous(), hidden, windows.reach)
        peaks: Peaks = find_peaks(planes.values)
        y, x = windows.y[row : row + 1], windows.x[column : column + 1]
        base = (0.0, 0.0)
        if (predictor := self._images.predictor) is not None:
            u, v = at_nodes(predictor, y, x)[0, :, 0, 0].tolist()
            base = (u, v)
        return WindowTrace(
            row=row, column=column, x=float(x), y=float(y), plane=planes.values[0].numpy(),
            first=self._pair.first[cut].copy(), second=self._pair.second[cut].copy(),
            moved_first=a[0].numpy().copy(), moved_second=b[0].numpy().copy(),
            predictor=base, peak=(float(peaks.u), float(peaks.v)),
            height=float(peaks.height), ratio=float(peaks.ratio),
        )  # fmt: skip

    @cached_property
    def _moved(self) -> tuple[Tensor, Tensor, Tensor | None]:
        return self._images.frames.moved(self._images.predictor, self._images.degree)


class _Recording:
    """Frames that remember their last pass; a trial with larger windows does not count."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.windows: Windows
        self.predictor: Tensor | None = None
        self.degree = 0

    @property
    def shape(self) -> tuple[int, int]:
        return self.frames.shape

    @property
    def device(self) -> torch.device:
        return self.frames.device

    def select(self, index: Tensor) -> Frames:
        return self.frames.select(index)

    def correlate(self, windows: Windows, predictor: Tensor | None, degree: int) -> Correlated:
        self.windows, self.predictor, self.degree = windows, predictor, degree
        return self.frames.correlate(windows, predictor, degree)
