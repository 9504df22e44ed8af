"""From what a user asks for to a store that is ready to be filled, or goes on being filled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from piv.batch.feeds import wait_for_pairs
from piv.batch.job import Frame, Job, PairTask, static_background
from piv.batch.record import changed_pairs, differences, run_record, select
from piv.errors import InputError
from piv.fingerprint import array_hash
from piv.io.masks import MaskFile
from piv.network.catalogue import absolute, steps_of, weights_hash
from piv.settings import Settings
from piv.types import Bool, Calibration

if TYPE_CHECKING:
    from piv.io.sources import PairSource
    from piv.io.store import ResultsWriter
    from piv.types import Analysis

PENDING, DONE, FAILED = 0, 1, 2
_SPARE = 64 << 20  # bytes that are left on the disk


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user asks for; see ``piv batch --help``.

    Parameters
    ----------
    source, output : Path
    settings : Settings
    model : str
        Name or file of the weights, or ``none``.
    frames, pairing, dt, mask
        As for :func:`piv.open_pairs`.
    pixel_size : float or None
        m/px; None takes the source's.
    origin : (float, float)
        Pixel that becomes (0, 0) m.
    background : tuple of str
        One or two image files, or ``mean`` or ``min``.
    pairs : str or None
        ``FIRST:END:STEP``, or several with commas between.
    retry_failed, overwrite : bool
    watch : float or None
        s without a new pair after which a folder is taken for complete.
    """

    source: Path
    output: Path
    settings: Settings
    model: str
    frames: str | None = None
    pairing: str | None = None
    dt: float | None = None
    mask: Path | None = None
    pixel_size: float | None = None
    origin: tuple[float, float] = (0.0, 0.0)
    background: tuple[str, ...] = ()
    pairs: str | None = None
    retry_failed: bool = False
    overwrite: bool = False
    watch: float | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """A run that has been checked, before anything is written.

    Parameters
    ----------
    wishes : Wishes
    source : PairSource
    pairs : sequence of int
        Indices in the source, rising.
    calibration : Calibration or None
    weights : str or None
        SHA-256.
    mask : bool array, shape (H, W), or None
        The one of all pairs, which is kept with the results; None too where each has its own.
    record : dict
        Of :func:`piv.batch.record.run_record`.
    files : pair of arrays or None
        Background images from files.
    existing : bool
        Whether the store is there and goes on.
    notes : list of str
        What the user should be told.
    """

    wishes: Wishes
    source: PairSource
    pairs: Sequence[int]
    calibration: Calibration | None
    weights: str | None
    mask: Bool | None
    record: dict[str, Any]
    files: tuple[Frame, Frame] | None
    existing: bool
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """What the pairs of the run are called."""
        return [self.source.names[index] for index in self.pairs]

    def job(self, background: tuple[Frame, Frame] | None) -> Job:
        """What the workers are sent."""
        return Job(
            source=self.source.spec,
            shape=self.source.shape,
            settings=self.wishes.settings,
            model=absolute(self.wishes.model),  # a worker may have another working folder
            weights=self.weights,
            package=str(self.record["package"]),
            calibration=self.calibration,
            background=background,
        )


@dataclass(frozen=True, eq=False, slots=True)
class Standing:
    """How far a store is."""

    status: Any
    names: list[str]

    def count(self, status: int) -> int:
        """Pairs of this status."""
        return int(np.count_nonzero(self.status == status))


def plan(wishes: Wishes) -> Plan:
    """Open the source and check everything that can be checked without computing.

    Parameters
    ----------
    wishes : Wishes

    Raises
    ------
    PIVError
        In one line: what was wanted, what came, what to do.
    """
    weights = weights_hash(wishes.model)
    existing = wishes.output.exists() and not wishes.overwrite
    if wishes.overwrite and wishes.output.exists():
        _check_ours(wishes.output)
    source = _opened(wishes)
    try:
        return _planned(wishes, source, weights, existing)
    except BaseException:
        source.close()
        raise


def _opened(wishes: Wishes) -> PairSource:
    from piv.io.sources import open_pairs

    def opening() -> PairSource:
        return open_pairs(
            wishes.source,
            frames=wishes.frames,
            pairing=wishes.pairing,
            dt=wishes.dt,
            mask=wishes.mask,
        )

    if wishes.watch is None:
        return opening()
    return wait_for_pairs(opening, wishes.source, wishes.watch)


def _planned(wishes: Wishes, source: PairSource, weights: str | None, existing: bool) -> Plan:
    notes = list(source.notes)
    output = wishes.settings.output
    if weights is None and (output.stride != 1 or output.region):
        notes.append(
            "output.stride and output.region choose vectors of the dense field, which --model none "
            "does not make: every coarse vector is stored"
        )
    pairs = select(wishes.pairs, len(source))
    calibration = _calibration(wishes, source, notes)
    mask, mask_hash = _mask(wishes, source)
    background, files = None, None
    if wishes.background:
        own = wishes.background[0] in ("mean", "min")
        if not own:
            files = static_background(list(wishes.background), source, pairs)
        background = {
            "of": wishes.background[0] if own else [Path(word).name for word in wishes.background],
            "sha256": None if files is None else array_hash(*files),
        }
    record = run_record(
        source,
        pairs,
        # as the store records them
        wishes.settings.resolved(followed=weights is not None, steps=steps_of(wishes.model)),
        weights=None if weights is None else {"name": wishes.model, "sha256": weights},
        calibration=calibration,
        mask=mask_hash,
        background=background,
        watch=wishes.watch is not None,
    )
    return Plan(wishes, source, pairs, calibration, weights, mask, record, files, existing, notes)


def _mask(wishes: Wishes, source: PairSource) -> tuple[Bool | None, str | None]:
    """The one mask of all pairs, if there is one, and the hash of what is masked."""
    given = source.given_mask
    if given is None or not isinstance(given, MaskFile):
        return given, None if given is None else array_hash(given)
    if given.count is None:
        return given[0], given.digest()
    if wishes.watch is not None:
        raise InputError(
            f"--watch cannot know a mask for each pair: give one for all, not {wishes.mask}"
        )
    return None, given.digest()


def _calibration(wishes: Wishes, source: PairSource, notes: list[str]) -> Calibration | None:
    timed = wishes.dt is not None or source.dt != 1.0
    if wishes.pixel_size is not None:
        if not timed:
            raise InputError(
                "--pixel-size gives velocities only with the time between the frames: --dt"
            )
        return Calibration(wishes.pixel_size, wishes.origin)
    if source.pixel_size is None:
        if wishes.origin != (0.0, 0.0):
            raise InputError("--origin places coordinates in m: add --pixel-size and --dt")
        return None
    if not timed:
        notes.append("the source has a pixel size, but no dt: results are in px (add --dt)")
        return None
    notes.append(f"calibrated with the source's pixel size, {source.pixel_size:g} m")
    return Calibration(source.pixel_size, wishes.origin)


def _check_ours(path: Path) -> None:
    """Refuse to replace what is no result: perhaps the words were given in the wrong order."""
    from piv.io.store import read_provenance

    try:
        read_provenance(path)
    except InputError:
        raise InputError(
            f"--overwrite replaces results only, which {path} is not: remove it, or choose "
            "another name"
        ) from None


def standing(path: Path) -> Standing:
    """How far a store is, whoever writes it.

    Raises
    ------
    InputError
        If it is no store of results.
    """
    from piv.io.store import open_results

    results = open_results(path)
    return Standing(results.status, list(results.names))


def check_same(planned: Plan) -> Any:
    """Refuse to go on with a store that was begun with something else.

    Returns
    -------
    str
        The version of torch that it was begun with: another is no reason to refuse.

    Raises
    ------
    InputError
        Naming what differs.
    """
    from piv.io.store import open_results

    path = planned.wishes.output
    stored = open_results(path)
    if "source" not in stored.provenance:
        raise InputError(
            f"{path} is the result of one pair (piv analyse): choose another name, or add "
            "--overwrite"
        )
    found = differences(stored.provenance, planned.record)
    if planned.wishes.watch is not None and planned.names[: len(stored)] != list(stored.names):
        found.append("the names of the pairs")
    if not found:
        found = changed_pairs(planned.source, stored.pairs, stored.sha256, stored.status == DONE)
    if found:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise InputError(
            f"{path} was begun with something else, it differs in: {'; '.join(found[:4])}{more}. "
            "Repeat the first command to go on, choose another name, or add --overwrite"
        )
    return stored.provenance.get("torch")


def template_of(planned: Plan) -> Analysis:
    """An analysis of the right grids, without values; loads torch and the weights."""
    from piv.network.weights import load_model
    from piv.pipeline import template

    return template(
        planned.source.shape,
        planned.wishes.settings,
        planned.calibration,
        load_model(planned.wishes.model),
        dt=planned.source.dt,
    )


def check_room(path: Path, needed: int) -> None:
    """Refuse to begin what will not fit the disk.

    Raises
    ------
    InputError
    """
    free = shutil.disk_usage(path.absolute().parent).free
    if needed + _SPARE > free:
        raise InputError(
            f"{path} will need about {size_of(needed)}, but only {size_of(free)} are free: free "
            "some space, or store less (output.stride, output.region)"
        )


def check_folder(path: Path) -> None:
    """Refuse a folder where nothing may be written.

    Raises
    ------
    InputError
    """
    folder = path.absolute().parent
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {path}: nothing may be written in the folder {folder}")


def size_of(count: float) -> str:
    """Bytes as people say them: ``3.4 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def left(planned: Plan, standing_: Standing | None) -> int:
    """How many pairs the run has to analyse."""
    if standing_ is None:
        return len(planned.pairs)
    retried = standing_.count(FAILED) if planned.wishes.retry_failed else 0
    return standing_.count(PENDING) + retried


def needed_bytes(planned: Plan, example: Analysis | None, standing_: Standing | None) -> int:
    """What is still to be written: from what finished pairs took, or from the template."""
    count = left(planned, standing_)
    if standing_ is not None and (done := standing_.count(DONE)) > 0:
        return round(planned.wishes.output.stat().st_size / done * count)
    from piv.io.store import estimate_bytes

    example = example or template_of(planned)
    return int(estimate_bytes(example, count, planned.wishes.settings.output))


def begin(
    planned: Plan, say: Callable[[str], None]
) -> tuple[ResultsWriter, tuple[Frame, Frame] | None]:
    """Make the store, or open the one that is there; also the background images of the run.

    Parameters
    ----------
    planned : Plan
    say : callable
        Told what takes a while.

    Returns
    -------
    (writer, background)

    Raises
    ------
    PIVError
        If the store cannot be made, was begun with something else, is being written by another
        process, or will not fit the disk.
    """
    if planned.existing:
        return _continued(planned, say)
    return _created(planned, say)


def _created(
    planned: Plan, say: Callable[[str], None]
) -> tuple[ResultsWriter, tuple[Frame, Frame] | None]:
    from piv.io.store import ResultsWriter

    wishes = planned.wishes
    example = template_of(planned)
    check_room(wishes.output, needed_bytes(planned, example, None))
    background, record = planned.files, planned.record
    if wishes.background and background is None:
        say(f"computing the background, {wishes.background[0]} of {len(planned.pairs)} pairs")
        background = static_background(list(wishes.background), planned.source, planned.pairs)
        record = {
            **record,
            "background": {**record["background"], "sha256": array_hash(*background)},
        }
    times = planned.source.time
    writer = ResultsWriter.create(
        wishes.output,
        count=len(planned.pairs),
        template=example,
        provenance=record,
        pairs=np.asarray(planned.pairs),
        names=planned.names,
        time=None if times is None else np.asarray(times)[list(planned.pairs)],
        mask=planned.mask,
        background=background,
        overwrite=wishes.overwrite,
    )
    return writer, background


def _continued(
    planned: Plan, say: Callable[[str], None]
) -> tuple[ResultsWriter, tuple[Frame, Frame] | None]:
    from piv.io.store import ResultsWriter

    path = planned.wishes.output
    writer = ResultsWriter.open(path)
    try:
        then = check_same(planned)  # under the lock, so that nobody changes it meanwhile
        if planned.wishes.retry_failed:
            writer.reset(writer.failed)
        now = standing(path)
        if now.count(PENDING):
            check_room(path, needed_bytes(planned, None, now))
            if then != planned.record["torch"]:
                say(
                    f"{path} was begun with torch {then}, this is {planned.record['torch']}: the "
                    "pairs that are left may come out with other last digits"
                )
        background = planned.files
        if planned.wishes.background and background is None:
            background = _stored_background(path)
    except BaseException:
        writer.close()
        raise
    return writer, background


def _stored_background(path: Path) -> tuple[Frame, Frame]:
    from piv.io.results.reader import consistent

    def read(store: h5py.File) -> tuple[Frame, Frame]:
        group = store["background"]
        return group["a"][()], group["b" if "b" in group else "a"][()]

    return consistent(path, read)


def pending_tasks(writer: ResultsWriter) -> list[PairTask]:
    """What is still to be done, in the order of the pairs."""
    indices = writer.pairs
    return [PairTask(position, int(indices[position])) for position in writer.pending]
