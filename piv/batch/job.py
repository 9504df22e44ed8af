"""What a worker does with a pair: read it, analyse it, pack it.

A :class:`Job` travels to every worker once.  There it opens the source and loads the weights, and
becomes the function that turns a :class:`PairTask` into an :class:`Answer`.  What goes wrong with
one pair is that pair's error and nobody else's.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from piv.errors import InputError, PIVError, WeightsError
from piv.fingerprint import fingerprint
from piv.settings import Settings
from piv.types import Calibration, ImagePair, size_text

if TYPE_CHECKING:
    from piv.io.sources import PairSource, SourceSpec
    from piv.io.store import PackedPair
    from piv.network.weights import Model

Frame = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class PairTask:
    """One pair of the run.

    Parameters
    ----------
    position : int
        Its place in the results.
    index : int
        Its place in the source.
    files : tuple of str, or None
        Its image files, where the source did not have it yet when the worker began.
    """

    position: int
    index: int
    files: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """A packed result; with the traceback where the failure is a bug of this program."""

    packed: PackedPair
    bug: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """All that a worker needs to know, apart from which pair.

    Parameters
    ----------
    source : SourceSpec
    shape : (int, int)
        (H, W) of the frames, px.
    settings : Settings
    model : str
        Name or file of the weights, or ``none``.
    weights : str or None
        Their SHA-256: a worker on another computer must have the same.
    package : str
        Version of this package, for the same reason.
    calibration : Calibration or None
    background : pair of arrays, shape (H, W), or None
        What is subtracted from the first and from the second frames.
    """

    source: SourceSpec
    shape: tuple[int, int]
    settings: Settings
    model: str
    weights: str | None
    package: str
    calibration: Calibration | None = None
    background: tuple[Frame, Frame] | None = None

    def __call__(self) -> Bench:
        """Open the source and load the weights, in the worker.

        Raises
        ------
        PIVError
            If that fails, or this computer has other weights or another version.
        """
        return Bench(self)


class Bench:
    """A job in a worker: its source open, its weights loaded, computing with one thread."""

    def __init__(self, job: Job) -> None:
        import torch

        import piv
        from piv.network.weights import load_model

        if f"ccfcn-piv {piv.__version__}" != job.package:
            raise PIVError(
                f"a worker has ccfcn-piv {piv.__version__}, but this is {job.package}: install "
                "the same version on all computers"
            )
        torch.set_num_threads(1)
        self.job = job
        self.source: PairSource = job.source.open()
        self.model: Model | None = load_model(job.model)
        found = None if self.model is None else self.model.sha256
        if found != job.weights:
            raise WeightsError(f"the weights {job.model} of a worker are others than here")

    def __call__(self, task: PairTask) -> Answer:
        """Analyse one pair; never raises for what is wrong with the pair."""
        from piv.io.store import pack_analysis, packed_failure

        begin = time.perf_counter()
        name, sha256, bug = self._name(task), "", None
        try:
            pair = self._read(task)
            sha256 = fingerprint(pair)
            analysis = self._analyse(pair, sha256)
            packed = pack_analysis(
                analysis,
                task.position,
                self.job.settings.output,
                seconds=0.0,
                name=name,
                sha256=sha256,
            )
            seconds = time.perf_counter() - begin
            return Answer(dataclasses.replace(packed, seconds=seconds))
        except PIVError as problem:
            error = str(problem)
        except MemoryError:
            error = "there was not enough memory: use fewer workers, or a lower refine.memory"
        except Exception as problem:  # one bad pair never ends the run, whatever it hits
            error = _unexpected(problem)
            bug = traceback.format_exc()
        seconds = time.perf_counter() - begin
        failure = packed_failure(task.position, error, seconds=seconds, name=name, sha256=sha256)
        return Answer(failure, bug)

    def _name(self, task: PairTask) -> str:
        return ", ".join(task.files) if task.files else self.source.names[task.index]

    def _read(self, task: PairTask) -> ImagePair:
        if task.files is None:
            return self.source[task.index]
        with dataclasses.replace(self.job.source, files=(task.files,)).open() as source:
            pair: ImagePair = source[0]
        if pair.shape != self.job.shape:
            raise InputError(
                f"{pair.name}: the frames are {size_text(pair.shape)} px (height x width), but "
                f"those of the series are {size_text(self.job.shape)} px"
            )
        return pair

    def _analyse(self, pair: ImagePair, sha256: str) -> Any:
        from piv.pipeline import analyse
        from piv.preprocess import subtract_background

        job = self.job
        cleaned = pair if job.background is None else subtract_background(pair, job.background)
        analysis = analyse(
            cleaned, calibration=job.calibration, settings=job.settings, model=self.model
        )
        known = {**analysis.provenance, "input": {"name": pair.name, "sha256": sha256}}
        return dataclasses.replace(analysis, provenance=known)


def _unexpected(problem: Exception) -> str:
    """One line about an exception that nobody foresaw."""
    text = " ".join(str(problem).split())
    if "allocate memory" in text:  # torch says it so
        return "there was not enough memory: use fewer workers, or a lower refine.memory"
    return f"internal error: {type(problem).__name__}: {text[:200]}"


def static_background(
    words: list[str], source: PairSource, pairs: Sequence[int]
) -> tuple[Frame, Frame]:
    """The images that are subtracted from the first and from the second frames.

    Parameters
    ----------
    words : list of str
        One or two image files, or ``mean`` or ``min`` of the run's own frames.
    source : PairSource
    pairs : sequence of int
        Indices of the run.

    Returns
    -------
    (first, second) : arrays, shape (H, W)
        float32 where they were computed.

    Raises
    ------
    InputError
        If a file cannot be used, has another size, or no pair can be read.
    """
    if words[0] in ("mean", "min"):
        return _own_background(words[0], source, pairs)
    from piv.io.images import read_image

    images = [read_image(Path(word)) for word in words]
    for word, image in zip(words, images, strict=True):
        if image.shape != tuple(source.shape):
            raise InputError(
                f"the background {word} is {size_text(image.shape)} px, but the frames are "
                f"{size_text(source.shape)} px"
            )
        if not np.isfinite(image).all():
            raise InputError(f"the background {word} holds NaN or infinite grey levels")
    return images[0], images[-1]


def _own_background(kind: str, source: PairSource, pairs: Sequence[int]) -> tuple[Frame, Frame]:
    """Mean or minimum of every first and of every second frame; bad pairs are left out."""
    sums: list[Frame] = []
    count = 0
    for index in pairs:
        try:
            pair = source[index]
        except InputError:
            continue  # it is reported when its turn comes
        frames = [frame.astype(np.float64) for frame in (pair.first, pair.second)]
        if not sums:
            sums = frames
        elif kind == "min":
            sums = [np.minimum(a, b) for a, b in zip(sums, frames, strict=True)]
        else:
            sums = [a + b for a, b in zip(sums, frames, strict=True)]
        count += 1
    if not sums:
        raise InputError("no pair can be read, so there is no background of their own")
    scale = count if kind == "mean" else 1
    first, second = ((each / scale).astype(np.float32) for each in sums)
    return first, second
