"""Other programs behind one call: an image pair in, a displacement at every pixel out.

Every peer gets its best settings; README.md says how they were found.  OpenPIV is installed for the
benchmarks only.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import warnings
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.ndimage import map_coordinates

import piv
from piv.correlate.windows import at_every_pixel
from piv.types import Bool, Float, ImagePair, VectorField
from piv.validate import fill


@dataclass(frozen=True)
class Estimate:
    """Displacement at every pixel, px; ``place`` is where the vectors lie."""

    u: Float
    v: Float
    place: str = "mid-time"


def on_every_pixel(u: Float, v: Float, y: Float, x: Float, shape: tuple[int, int]) -> Estimate:
    """Cubic splines through the vectors of a grid: the same for every method that has a grid.

    Into the mask, where there are no values, all go on as this project's coarse field does.
    """
    values = torch.from_numpy(np.stack([u, v]).astype(np.float32))[:, None]
    known = torch.isfinite(values).all(dim=0)
    filled = torch.cat(fill(values[0], values[1], known, ~known))
    dense = at_every_pixel(filled, torch.from_numpy(y), torch.from_numpy(x), *shape).numpy()
    return Estimate(dense[0], dense[1])


@dataclass(frozen=True)
class Ours:
    """This project: ``model=None`` is the coarse stage alone, brought to every pixel."""

    name: str
    model: Any = None
    settings: piv.Settings = field(default_factory=piv.Settings)

    @property
    def about(self) -> str:
        """Version and settings, for the table."""
        weights = "no network" if self.model is None else f"weights {self.model.name}"
        correlate = self.settings.correlate.resolved(followed=self.model is not None)
        sizes = "/".join(str(w) for w in correlate.windows)
        refine = self.settings.refine
        if self.model is not None:
            weights += f", steps {refine.steps or self.model.steps}, views {refine.views}"
        return f"ccfcn-piv {version('ccfcn-piv')}, windows {sizes}, {weights}"

    def __call__(self, pair: ImagePair) -> Estimate:
        """Analyse one pair."""
        result = piv.analyse(pair, settings=self.settings, model=self.model)
        if result.dense is not None:
            return Estimate(result.dense.u, result.dense.v)
        coarse: VectorField = result.coarse
        return on_every_pixel(coarse.u, coarse.v, coarse.y, coarse.x, pair.shape)


@dataclass(frozen=True)
class OpenPIV:
    """OpenPIV's multi-pass window deformation in memory.

    ``options`` are fields of its PIVSettings.  The frames go in as float32: its deformation
    keeps the number type, and would round 8-bit frames to whole grey levels in every pass.
    ``smooth`` is the parameter of its smoothing of the predictor, ``smooth_result`` that of
    the result; 0 = none.
    """

    name: str
    windows: tuple[int, ...] = (64, 32, 16)
    overlap: float = 0.5
    options: dict[str, Any] = field(default_factory=dict)
    as_float: bool = True
    smooth: float = 0.0
    smooth_result: float = 0.0

    @property
    def about(self) -> str:
        """Version and settings, for the table."""
        sizes = "/".join(str(w) for w in self.windows)
        words = [f"{k}={v}" for k, v in self.options.items()]
        if self.smooth > 0:
            words.append(f"smoothn p={self.smooth:g} between the passes")
        if self.smooth_result > 0:
            words.append(f"smoothn p={self.smooth_result:g} of the result")
        if not self.as_float:
            words.append("frames in their own number type")
        return ", ".join(
            [
                f"OpenPIV {version('openpiv')}",
                f"windows {sizes}",
                f"overlap {self.overlap:g}",
                *words,
            ]
        )

    def __call__(self, pair: ImagePair) -> Estimate:
        """Analyse one pair."""
        return on_every_pixel(*self.grid(pair), pair.shape)

    def grid(self, pair: ImagePair) -> tuple[Float, Float, Float, Float]:
        """(u, v, y, x) on its own grid: px, v down, NaN under the mask."""
        from openpiv import filters, smoothn, validation, windef
        from openpiv.settings import PIVSettings

        overlaps = tuple(int(w * self.overlap) for w in self.windows)
        settings = PIVSettings(
            windowsizes=self.windows,
            overlap=overlaps,
            num_iterations=len(self.windows),
            static_mask=pair.mask,
            **self.options,
        )
        first, second = pair.first, pair.second
        if self.as_float:
            first, second = first.astype(np.float32), second.astype(np.float32)
        if pair.mask is not None:
            first, second = (_without(frame, pair.mask) for frame in (first, second))
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            x, y, u, v, ratio = windef.first_pass(first, second, settings)
            hidden = _at(pair.mask, y, x)
            u, v = np.ma.masked_array(u, hidden), np.ma.masked_array(v, hidden)
            flags = validation.typical_validation(u, v, ratio, settings)
            if settings.num_iterations > 1 or settings.replace_vectors:
                u, v = filters.replace_outliers(
                    u,
                    v,
                    flags,
                    method=settings.filter_method,
                    max_iter=settings.max_filter_iteration,
                    kernel_size=settings.filter_kernel_size,
                )
            for n in range(1, settings.num_iterations):
                if self.smooth > 0:
                    u, v = (smoothn.smoothn(c, s=self.smooth)[0] for c in (u, v))
                u, v = (np.ma.masked_array(c, _at(pair.mask, y, x)) for c in (u, v))
                x, y, u, v, _, _ = windef.multipass_img_deform(
                    first, second, n, x, y, u, v, settings
                )
            if self.smooth_result > 0:
                u, v = (smoothn.smoothn(c, s=self.smooth_result)[0] for c in (u, v))
        hidden = _at(pair.mask, y, x)
        u, v = (np.where(hidden, np.nan, np.ma.filled(c, np.nan)) for c in (u, v))
        # it places vectors at half the window's width; the mean of the pixels is half a pixel less
        return u, v, y[:, 0] - 0.5, x[0] - 0.5


def _at(mask: Bool | None, y: Float, x: Float) -> Bool:
    """The mask at the vectors of a grid."""
    if mask is None:
        return np.zeros(y.shape, dtype=bool)
    rows = np.minimum(np.round(y).astype(int), mask.shape[0] - 1)
    columns = np.minimum(np.round(x).astype(int), mask.shape[1] - 1)
    return mask[rows, columns]


def _without(frame: Float, mask: Bool) -> Float:
    """The masked pixels take the median grey level of the others, so that they make no edge."""
    return np.where(mask, np.median(frame[~mask]).astype(frame.dtype), frame)


@dataclass(frozen=True)
class DIS:
    """OpenCV's dense inverse search optical flow, tuned for particles; 8-bit frames."""

    name: str
    preset: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    finest_scale: int = 0
    patch: int = 8
    stride: int = 2
    iterations: int = 50
    refinements: int = 10

    @property
    def about(self) -> str:
        """Version and settings, for the table."""
        return (
            f"OpenCV {cv2.__version__} DIS, finest scale {self.finest_scale}, patch {self.patch}, "
            f"stride {self.stride}, {self.iterations} iterations, {self.refinements} refinements"
        )

    def __call__(self, pair: ImagePair) -> Estimate:
        """Analyse one pair."""
        flow = cv2.DISOpticalFlow_create(self.preset)
        flow.setFinestScale(self.finest_scale)
        flow.setPatchSize(self.patch)
        flow.setPatchStride(self.stride)
        flow.setGradientDescentIterations(self.iterations)
        flow.setVariationalRefinementIterations(self.refinements)
        fluid = ~pair.mask if pair.mask is not None else np.ones(pair.shape, dtype=bool)
        both = np.concatenate([pair.first[fluid], pair.second[fluid]])
        low, high = np.percentile(both, [0.1, 99.9])
        frames = []
        for frame in (pair.first, pair.second):
            levels = (frame.astype(np.float32) - low) / max(high - low, 1e-6) * 255
            if pair.mask is not None:
                levels = _without(levels, pair.mask)
            frames.append(np.clip(np.round(levels), 0, 255).astype(np.uint8))
        u, v = np.moveaxis(flow.calc(frames[0], frames[1], None), -1, 0)
        return Estimate(u, v, place="first frame")


@dataclass(frozen=True)
class PIVTools:
    """PIVTOOLs' predictor-corrector in memory; a version withdrawn from the index (README.md).

    Where its first pass rejects every vector, which it cannot fill, it starts once more with
    windows of ``first`` px.
    """

    name: str
    windows: tuple[int, ...] = (64, 32, 16, 16)
    overlap: int = 50  # per cent
    weight: str = "gaussian"
    peak: str = "gauss3"
    first: int = 128

    @property
    def about(self) -> str:
        """Version and settings, for the table."""
        sizes = "/".join(str(w) for w in self.windows)
        return (
            f"PIVTOOLs {version('pivtools')} (withdrawn from the index), windows {sizes}, "
            f"overlap {self.overlap} %, {self.weight} weight, peak {self.peak}; "
            f"from {self.first} px where it fails"
        )

    def __call__(self, pair: ImagePair) -> Estimate:
        """Analyse one pair."""
        try:
            return self._analyse(pair, self.windows)
        except (ValueError, UnboundLocalError):  # its report of the former is itself in error
            return self._analyse(pair, (self.first, *self.windows))

    def _analyse(self, pair: ImagePair, windows: tuple[int, ...]) -> Estimate:
        from pivtools_cli.piv.piv_backend.cpu_instantaneous import InstantaneousCorrelatorCPU

        config = self._config(pair.shape, windows)
        correlator = InstantaneousCorrelatorCPU(config)
        masks = None
        if pair.mask is not None:
            masks = [
                _at(pair.mask, *np.meshgrid(y, x, indexing="ij"))
                for y, x in zip(correlator.win_ctrs_y, correlator.win_ctrs_x, strict=True)
            ]
        frames = [frame.astype(np.float32) for frame in (pair.first, pair.second)]
        if pair.mask is not None:
            frames = [_without(frame, pair.mask) for frame in frames]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            last = correlator.correlate_batch(np.stack(frames)[None], config, masks).passes[-1]
        u, v = (
            np.where(last.b_mask, np.nan, c).astype(np.float64) for c in (last.ux_mat, last.uy_mat)
        )
        y, x = (np.asarray(c, np.float64) for c in (last.win_ctrs_y, last.win_ctrs_x))
        return on_every_pixel(u, v, y, x, pair.shape)

    def _config(self, shape: tuple[int, int], windows: tuple[int, ...]) -> Any:
        """Its configuration comes from a file, and the rest of it stays as it is by default."""
        from pivtools_core.config import Config

        fill = {"method": "biharmonic", "parameters": {"ksize": 3}}
        values = {
            "images": {"shape": list(shape), "dtype": "float32"},
            "logging": {"level": "ERROR", "console": False},
            "processing": {"backend": "cpu", "omp_threads": torch.get_num_threads()},
            "outlier_detection": {
                "enabled": True,
                "methods": [
                    {"type": "peak_mag", "threshold": 0.25},
                    {"type": "median_2d", "epsilon": 0.2, "threshold": 2},
                ],
            },
            "infilling": {"mid_pass": fill, "final_pass": {"enabled": True, **fill}},
            "instantaneous_piv": {
                "window_size": [[w, w] for w in windows],
                "overlap": [self.overlap] * len(windows),
                "runs": [len(windows)],
                "window_type": self.weight,
                "num_peaks": 1,
                "peak_finder": self.peak,
                "secondary_peak": False,
            },
        }
        with tempfile.TemporaryDirectory() as folder:
            values["logging"]["file"] = str(Path(folder) / "pivtools.log")
            path = Path(folder) / "config.yaml"
            path.write_text(json.dumps(values), encoding="utf-8")
            return Config(str(path))


def truth_at(place: str, u: Float, v: Float) -> tuple[Float, Float]:
    """The true displacement of what a method's pixels show.

    A method that starts from the first frame gives, at x, the displacement of the particle that is
    at x *then*: the mid-time truth at x + d/2, found by iteration.
    """
    if place == "mid-time":
        return u, v
    y, x = np.indices(u.shape, dtype=np.float64)
    first_u, first_v = u, v
    for _ in range(20):
        points = [y + first_v / 2, x + first_u / 2]
        first_u, first_v = (map_coordinates(c, points, order=3, mode="nearest") for c in (u, v))
    return first_u, first_v
