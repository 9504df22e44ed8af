"""The analysis of a pair: what the command line and the API do, in the process that computes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gui.compute.server import Context, task
from piv.errors import InputError
from piv.io.sources import SourceSpec
from piv.network.refine import OVERLAP, tile_side
from piv.network.weights import Model, load_model
from piv.pipeline import analyse
from piv.quality import warnings
from piv.settings import Settings
from piv.tuning import keep_memory
from piv.types import Bool, ImagePair

__all__ = ["pair", "prepare"]


@task
def prepare(context: Context, model: str = "default") -> None:
    """Load what the first analysis would have to wait for.

    Raises
    ------
    WeightsError
        If the model is unknown or damaged.
    """
    context.progress(0, 0, "loading the network")
    keep_memory()
    load_model(model)


@task
def pair(
    context: Context,
    settings: Settings,
    model: str,
    spec: SourceSpec | None = None,
    index: int = 0,
    frames: ImagePair | None = None,
    dt: float | None = None,
    mask: Bool | None = None,
) -> dict[str, Any]:
    """Analyse a pair of a source, or one that is given.

    Parameters
    ----------
    context : Context
    settings : Settings
    model : str
    spec : SourceSpec, optional
    index : int
        Which pair of the source.
    frames : ImagePair, optional
        The pair itself, in place of a source.
    dt : float, optional
        s; default that of the pair.
    mask : bool array, shape (H, W), optional
        Joined with that of the pair.

    Returns
    -------
    dict
        ``analysis`` (px, y down), ``seconds``, ``warnings`` (sentences on the images).

    Raises
    ------
    InputError, WeightsError
        As for :func:`piv.analyse`.
    """
    context.progress(0, 0, "reading the pair")
    if frames is None:
        if spec is None:
            raise InputError("there is nothing to analyse: open a pair of images first")
        with spec.open() as source:
            frames = source[index]
    frames = _own(frames, dt, mask)
    context.progress(0, 0, "loading the network")
    weights = load_model(model)
    began = time.monotonic()
    with _watched(context, frames, settings, weights):
        analysis = analyse(frames, settings=settings, model=weights)
    seconds = time.monotonic() - began
    return {
        "analysis": analysis,
        "seconds": seconds,
        "warnings": tuple(warnings(analysis.quality)),
    }


def _own(frames: ImagePair, dt: float | None, mask: Bool | None) -> ImagePair:
    """In memory of this process, which torch may share, with the mask drawn and the time set."""
    masks = [each for each in (frames.mask, mask) if each is not None]
    joined = np.logical_or.reduce(masks) if masks else None
    return replace(
        frames,
        first=_copied(frames.first),
        second=_copied(frames.second),
        mask=joined if joined is not None and joined.any() else None,
        dt=frames.dt if dt is None else dt,
    )


def _copied(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return frame if frame.flags.writeable else np.array(frame)


@contextmanager
def _watched(
    context: Context, frames: ImagePair, settings: Settings, weights: Model | None
) -> Iterator[None]:
    """Tell which stage is at work: the network is called once for every tile and view."""
    if weights is None:
        context.progress(0, 0, "cross-correlation")
        yield
        return
    region = settings.preprocess.region
    shape = (region[3], region[2]) if region else frames.shape
    total = network_calls(shape, settings) + 1
    context.progress(0, total, "cross-correlation")
    done = 0

    def called(*_: object) -> None:
        nonlocal done
        done += 1
        part = f", part {done} of {total - 1}" if total > 2 else ""
        context.progress(min(done, total - 1), total, f"network{part}")

    hook = weights.network.register_forward_pre_hook(called)
    try:
        yield
    finally:
        hook.remove()


def network_calls(shape: tuple[int, int], settings: Settings) -> int:
    """How often the network is called for a pair of this shape (H, W), px."""
    height, width = shape
    side = tile_side(height, width, settings.refine.memory)
    step = side - 2 * OVERLAP
    tiles = 1
    for size in shape:
        if size > side:
            tiles *= -(-(size - 2 * OVERLAP) // step)
    return tiles * settings.refine.views
