"""The one path from a pair to its field; the API, the command line and the desktop share it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from piv import settings as _settings
from piv.batch.series import SeriesJob, pair_result, with_workers
from piv.calibrate import calibrate
from piv.correlate import (
    EnsembleStep,
    Series,
    coarse_field,
    coarse_template,
    ensemble_field,
    multipass,
)
from piv.errors import InputError, SettingsError
from piv.fingerprint import fingerprint
from piv.network.refine import refine
from piv.network.weights import Model, load_model
from piv.preprocess import check_contrast, crop, in_single_precision, preprocess
from piv.quality import FIGURES, summarise
from piv.settings import CorrelateSettings, Settings, ValidateSettings
from piv.tuning import keep_memory
from piv.types import (
    SCHEMA_VERSION,
    Analysis,
    Bool,
    Calibration,
    ImagePair,
    PairResult,
    VectorField,
)

_REASONS = 100  # of skipped pairs that are recorded: files hold 64 KiB of such text at most


def analyse(
    first: np.ndarray[Any, Any] | ImagePair,
    second: np.ndarray[Any, Any] | None = None,
    *,
    mask: Bool | None = None,
    dt: float = 1.0,
    calibration: Calibration | None = None,
    settings: Settings | None = None,
    model: str | Path | Model | None = "default",
) -> Analysis:
    """Displacement (or velocity) and its uncertainty at every pixel of an image pair.

    Parameters
    ----------
    first, second : array, shape (H, W)
        The two frames: uint8, uint16 or float grey levels of any scale, at least 32 x 32 px; or
        ``first`` is an :class:`ImagePair`, which brings its own mask and dt.
    mask : bool array, shape (H, W), optional
        True = not fluid.
    dt : float
        Time between the frames, s.
    calibration : Calibration, optional
        With it the fields are in m and m/s, y up; without, in px, y down.
    settings : Settings, optional
        Default: the preset ``standard``.
    model : str, Path, Model or None
        Name of weights, a weights file, a loaded model; None or ``"none"`` = coarse stage only.

    Returns
    -------
    Analysis
        ``.coarse``, ``.dense`` (of the frames' shape, or of the region's), ``.field`` (the better
        one), ``.quality``, ``.provenance``.

    Raises
    ------
    InputError
        If the frames or the mask cannot be used (see :class:`ImagePair`), or have no contrast.
    WeightsError
        If the model is unknown or damaged.

    References
    ----------
    Gao et al., Physics of Fluids 33, 127125 (2021), for the structure of the network.

    Examples
    --------
    >>> result = piv.analyse(first, second, dt=200e-6)            # doctest: +SKIP
    >>> result.field.u[100, 200], result.field.uncertainty_u[100, 200]  # doctest: +SKIP
    """
    keep_memory()
    settings = settings or Settings()
    _check_kinds(settings, calibration)
    recorded = _as_pair(first, second, mask, dt)
    pair = in_single_precision(recorded)
    weights = load_model(model)
    region = settings.preprocess.region
    frames = crop(pair, region)
    check_contrast(frames)
    settings = _resolved(settings, weights)
    coarse = coarse_field(
        preprocess(pair, settings.preprocess), settings.correlate, settings.validate
    )
    dense = None
    if weights is not None:
        dense = refine(frames, coarse, weights, settings.refine, settings.validate.largest)
    quality = summarise(frames, coarse, dense)
    provenance = {
        **_provenance(settings, weights),
        "input": {"name": recorded.name, "sha256": fingerprint(recorded)},
    }
    coarse = _finish(coarse, region, calibration, provenance)
    if dense is not None:
        dense = _finish(dense, region, calibration, provenance)
    return Analysis(coarse, dense, quality, provenance)


def analyse_series(
    pairs: Sequence[ImagePair],
    *,
    calibration: Calibration | None = None,
    settings: Settings | None = None,
    model: str | Path | Model | None = "default",
    workers: int = 0,
    client: Any = None,
    ordered: bool = True,
) -> Iterator[PairResult]:
    """Analyse pair after pair; a bad one is reported in its result and does not stop the rest.

    Parameters
    ----------
    pairs : sequence of ImagePair
        Anything with a length and ``[i]``, which may read pair ``i`` when it is asked for, such
        as :func:`piv.open_pairs` gives.  With workers it is sent to each of them once.
    calibration, settings, model
        As for :func:`analyse`.
    workers : int
        0 computes in this process; else so many processes, each with one thread.  A script that
        uses them needs its work under ``if __name__ == "__main__":``.
    client : distributed.Client or str, optional
        A dask cluster computes (:mod:`piv.distributed`); ``workers`` is not used.
    ordered : bool
        Yield in the order of the pairs; else as they are finished, which matters with workers.

    Yields
    ------
    PairResult

    Raises
    ------
    WeightsError
        If the model is unknown or damaged, before the first pair.
    PIVError
        If the workers cannot work.
    """
    if client is not None:
        from piv import distributed

        yield from distributed.analyse_series(
            pairs, client=client, calibration=calibration, settings=settings, model=model,
            ordered=ordered,
        )  # fmt: skip
        return
    if workers > 0:
        job = SeriesJob.of(pairs, calibration, settings, model)
        yield from with_workers(job, len(pairs), workers, ordered=ordered)
        return
    weights = load_model(model)
    for index in range(len(pairs)):
        yield pair_result(pairs, index, calibration, settings, weights)


def ensemble_correlation(
    pairs: Sequence[ImagePair],
    *,
    calibration: Calibration | None = None,
    settings: Settings | None = None,
    watch: Callable[[EnsembleStep], object] | None = None,
) -> Analysis:
    """Mean field of a series whose single pairs hold too few particles (micro-PIV, thin seeding).

    The correlation planes of each window are averaged over all pairs before the peak is looked
    for.  One predictor moves all pairs in each pass.  The pairs are read once a pass, one at a
    time, so that memory does not grow with their number.  What stands still in the images (walls,
    dirt, reflections) adds up just as well: subtract the background of the series.

    Parameters
    ----------
    pairs : sequence of ImagePair
        Anything with a length and ``[i]``, such as :func:`piv.open_pairs` gives: frames of one
        shape and one dt.  Each may have a mask of its own: a window with its centre in it gets
        nothing from that pair.
    calibration : Calibration, optional
        With it the field is in m and m/s, y up; without, in px, y down.
    settings : Settings, optional
        Those of the images and the coarse stage are used.
    watch : callable, optional
        Called with an :class:`piv.correlate.EnsembleStep` after every pair of every pass.

    Returns
    -------
    Analysis
        ``.field`` is the coarse field, with the uncertainty of its random error from the scatter
        between groups of pairs; ``.field.extra["pair_count"]`` is how many pairs contributed to
        each window.  ``.provenance["ensemble"]`` counts the pairs that were used and those that
        were ``skipped``, and gives the names and reasons of the first 100 of these.  The figures
        of ``.quality`` on particle images are those of the first pair that was used.

    Raises
    ------
    InputError
        If no pair can be used.

    References
    ----------
    Meinhart, Wereley & Santiago, J. Fluids Eng. 122, 285 (2000); Westerweel, Geelhoed & Lindken,
    Exp. Fluids 37, 375 (2004).

    Examples
    --------
    >>> result = piv.ensemble_correlation(piv.open_pairs("channel"))  # doctest: +SKIP
    >>> result.field.u, result.field.extra["pair_count"]              # doctest: +SKIP
    """
    keep_memory()
    settings = settings or Settings()
    _check_kinds(settings, calibration)
    settings = settings.resolved(followed=False)
    region = settings.preprocess.region
    hashes: dict[int, str] = {}

    def read(index: int) -> ImagePair:
        recorded = pairs[index]
        if index not in hashes:
            hashes[index] = fingerprint(recorded)
        pair = in_single_precision(recorded)
        check_contrast(crop(pair, region))
        return preprocess(pair, settings.preprocess)

    series = Series(read, len(pairs), watch)
    coarse = ensemble_field(series, settings.correlate, settings.validate)
    used = [index for index in range(len(pairs)) if index not in series.skipped]
    quality = summarise(crop(in_single_precision(pairs[used[0]]), region), coarse, None)
    names = getattr(pairs, "names", None)
    skipped = [
        {"index": index, "name": names[index] if names else "", "reason": reason}
        for index, reason in sorted(series.skipped.items())
    ]
    content = hashlib.sha256("".join(hashes[index] for index in used).encode()).hexdigest()
    provenance = {
        **_provenance(settings, None),
        "ensemble": {"used": len(used), "skipped": len(skipped), "reasons": skipped[:_REASONS]},
        "input": {"name": f"ensemble of {len(used)} pairs", "sha256": content},
    }
    return Analysis(_finish(coarse, region, calibration, provenance), None, quality, provenance)


def template(
    shape: tuple[int, int],
    settings: Settings | None = None,
    calibration: Calibration | None = None,
    model: str | Path | Model | None = "default",
    *,
    dt: float = 1.0,
) -> Analysis:
    """What :func:`analyse` will return for pairs of this shape, before anything is computed.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the frames, px.
    settings, calibration, model
        As for :func:`analyse`.
    dt : float
        Time between the frames, s.

    Returns
    -------
    Analysis
        Grids, variables, units, quality keys and the provenance that all pairs share; all values
        are zero, the quality NaN.

    Raises
    ------
    InputError
        If no frames of this shape can be analysed, or the region leaves them.
    WeightsError
        If the model is unknown or damaged.
    """
    settings = settings or Settings()
    _check_kinds(settings, calibration)
    weights = load_model(model)
    settings = _resolved(settings, weights)
    blank = np.broadcast_to(np.uint8(0), shape)
    region = settings.preprocess.region
    frames = crop(ImagePair(blank, blank, dt=dt), region)
    provenance = _provenance(settings, weights)
    coarse = _finish(
        coarse_template(frames.shape, settings.correlate, dt), region, calibration, provenance
    )
    dense = None
    if weights is not None:
        dense = _finish(_dense_template(frames.shape, dt), region, calibration, provenance)
    return Analysis(coarse, dense, dict.fromkeys(FIGURES, math.nan), provenance)


def coarse_start(
    first: Tensor,
    second: Tensor,
    fluid: Tensor | None,
    correlate: CorrelateSettings,
    limits: ValidateSettings,
) -> Tensor:
    """What the network starts from: the real coarse stage of a batch, at every pixel.

    Parameters
    ----------
    first, second : float32 tensor, shape (B, H, W)
        Grey levels.
    fluid : tensor, shape (B, H, W), or None
        Non-zero = fluid.
    correlate, limits : CorrelateSettings, ValidateSettings

    Returns
    -------
    tensor, shape (B, 2, H, W), px
    """
    grid = multipass(first, second, fluid, correlate.resolved(followed=True), limits)
    return grid.dense(first.shape[-2], first.shape[-1])


def _dense_template(shape: tuple[int, int], dt: float) -> VectorField:
    """The grid and the variables of the network's stage, (H, W) px: all zero."""
    nothing = np.broadcast_to(np.float32(0), shape)  # takes no memory
    height, width = shape
    return VectorField(
        x=np.arange(width, dtype=np.float64),
        y=np.arange(height, dtype=np.float64),
        u=nothing,
        v=nothing,
        flags=np.broadcast_to(np.uint16(0), shape),
        uncertainty_u=nothing,
        uncertainty_v=nothing,
        dt=dt,
    )


def _as_pair(first: Any, second: Any, mask: Any, dt: float) -> ImagePair:
    if isinstance(first, ImagePair):
        if second is not None or mask is not None or dt != 1.0:
            raise InputError("an ImagePair brings its own second frame, mask and dt")
        return first
    if second is None:
        raise InputError("two frames are needed: analyse(first, second)")
    return ImagePair(first, second, dt=dt, mask=mask)


def _check_kinds(settings: Any, calibration: Any) -> None:
    if not isinstance(settings, Settings):
        raise SettingsError(
            f"settings must be a piv.Settings, not {type(settings).__name__}: "
            "piv.settings.from_dict makes one of nested tables"
        )
    if not isinstance(calibration, Calibration | None):
        raise InputError(
            f"calibration must be a piv.Calibration, not {type(calibration).__name__}: such as "
            "piv.Calibration(pixel_size=21e-6)"
        )


def _finish(
    field: VectorField,
    region: tuple[int, ...],
    calibration: Calibration | None,
    provenance: dict[str, Any],
) -> VectorField:
    """Coordinates of the whole frame, provenance, and units if there is a calibration."""
    left, top = region[:2] if region else (0, 0)
    field = field.replace(x=field.x + left, y=field.y + top, attrs={**field.attrs, **provenance})
    return field if calibration is None else calibrate(field, calibration)


def _resolved(settings: Settings, weights: Model | None) -> Settings:
    """The settings with every choice made that they leave to the method."""
    if weights is None:
        return settings.resolved(followed=False)
    return settings.resolved(followed=True, steps=weights.steps)


def _provenance(settings: Settings, weights: Model | None) -> dict[str, Any]:
    """What explains the numbers of every pair alike; plain data."""
    return {
        "schema": SCHEMA_VERSION,
        "package": f"ccfcn-piv {version('ccfcn-piv')}",
        "torch": torch.__version__,
        "device": "cpu",
        "settings": _settings.to_dict(settings),
        "weights": None if weights is None else _weights(weights),
    }


def _weights(model: Model) -> dict[str, Any]:
    """Which ones, and over how many px their errors are alike: what derived quantities need."""
    known: dict[str, Any] = {"name": model.name, "sha256": model.sha256}
    length = model.record.get("calibration", {}).get("error_correlation_length")
    return known if length is None else {**known, "error_correlation_length": length}
