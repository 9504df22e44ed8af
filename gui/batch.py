"""Running a series with the command ``piv batch``: its words, its files, what it says.  No Qt.

The window does not analyse a series itself: it starts the very command that a user would type, and
reads its JSON lines (docs/batch.md).  So a run that began here goes on in a terminal and the other
way round.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gui.masks import MaskSet
from gui.state import CalibrationState
from piv.errors import InputError, PIVError
from piv.io.files import make_folder, replacing
from piv.io.hdf5 import replacing_hdf5
from piv.io.sources.base import SourceSpec
from piv.settings import Settings, to_toml
from piv.types import Bool

BACKGROUNDS = ("none", "mean", "min")
_SUFFIXES = (".h5", ".hdf5")
# what a run reserves for a vector, bytes (docs/results.md), and for a pair
_DENSE, _COARSE, _PAIR = 12.8, 14.8, 4000.0
FINISHED, FAILURES, REFUSED, STOPPED, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130


@dataclass(frozen=True, eq=False)
class BatchOrder:
    """What is to be run.

    Parameters
    ----------
    spec : SourceSpec
        The pairs.
    count : int
        Of all pairs of the source.
    shape : (int, int)
        (H, W), px.
    output : Path
        Results, HDF5.
    settings : Settings
    model : str
    masks : MaskSet
        As drawn in the window.
    calibration : CalibrationState
    timed : bool
        Whether ``calibration.dt`` is known, and not merely the 1 s of an unknown one.
    calibrated : bool
        Store m and m/s, where the calibration has a pixel size.
    first, last, step : int
        Pairs of the run, the last included.
    chosen : tuple of int
        Single pairs instead, rising; empty = those from first to last.
    background : "none", "mean" or "min"
        Of the run's own frames, subtracted.
    workers : int
        Processes; 0 = the command chooses.
    overwrite, retry_failed : bool
    place : Path or None
        Where settings, masks and list of the run are written; None: in a folder beside the results.
    """

    spec: SourceSpec
    count: int
    shape: tuple[int, int]
    output: Path
    settings: Settings
    model: str = "default"
    masks: MaskSet = field(default_factory=MaskSet)
    calibration: CalibrationState = field(default_factory=CalibrationState)
    timed: bool = False
    calibrated: bool = True
    first: int = 0
    last: int = -1
    step: int = 1
    chosen: tuple[int, ...] = ()
    background: str = "none"
    workers: int = 0
    overwrite: bool = False
    retry_failed: bool = False
    place: Path | None = None

    def __post_init__(self) -> None:
        if self.last < 0:
            object.__setattr__(self, "last", self.count - 1)
        if self.output.suffix.lower() not in _SUFFIXES:
            raise InputError(f"results are HDF5: {self.output.name} must end in .h5")
        if self.chosen and not 0 <= self.chosen[0] <= self.chosen[-1] < self.count:
            raise InputError("the chosen pairs are not those of this source: choose again")
        if not 0 <= self.first <= self.last < self.count or self.step < 1:
            raise InputError(
                f"the pairs of a run lie between 0 and {self.count - 1}, the first before the "
                f"last; not {self.first} to {self.last}, every {self.step}"
            )

    @property
    def pairs(self) -> Sequence[int]:
        """Indices in the source, rising."""
        if self.chosen:
            return self.chosen
        return range(self.first, self.last + 1, self.step)

    @property
    def whole(self) -> bool:
        """Whether these are all pairs of the source."""
        return len(self.pairs) == self.count

    @property
    def folder(self) -> Path:
        """Where settings, masks and list of the run are kept."""
        if self.place is not None:
            return self.place
        return self.output.with_name(f"{self.output.stem}_run")

    def replace(self, **changes: Any) -> BatchOrder:
        """With some of its parts changed."""
        return replace(self, **changes)


def selection_text(chosen: Sequence[int]) -> str:
    """What ``--pairs`` takes for these indices, such as ``0:3,8``."""
    runs: list[list[int]] = []
    for index in chosen:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{r[0]}:{r[-1] + 1}" if len(r) > 1 else str(r[0]) for r in runs)


def rough_bytes(order: BatchOrder) -> float:
    """About how large the results will be at most, from the sizes alone, bytes."""
    height, width = order.shape
    region = order.settings.preprocess.region
    if region:
        width, height = min(region[2], width), min(region[3], height)
    followed = order.model.lower() != "none"
    correlate = order.settings.correlate.resolved(followed)
    spacing = [max(1.0, side * (1 - correlate.overlap)) for side in correlate.window_sizes[-1]]
    coarse = height / spacing[0] * width / spacing[1]
    dense = 0.0
    if followed:
        stored = order.settings.output.region
        if stored:
            width, height = min(stored[2], width), min(stored[3], height)
        dense = height * width / order.settings.output.stride**2
    return len(order.pairs) * (_DENSE * dense + _COARSE * coarse + _PAIR)


def free_bytes(output: Path) -> int | None:
    """What is free where the results will lie; None if that cannot be told."""
    try:
        return shutil.disk_usage(output.absolute().parent).free
    except OSError:
        return None


def prepare(order: BatchOrder) -> list[str]:
    """Write what the command is to read, and give its words.

    Settings, masks and, where the command would not find the same pairs by itself, a list of them
    go into :attr:`BatchOrder.folder`.

    Returns
    -------
    list of str
        The whole command, without how progress is shown.

    Raises
    ------
    PIVError
        If a file cannot be written, or the masks do not fit.
    """
    if not order.output.parent.is_dir():
        raise InputError(f"cannot write {order.output}: there is no folder {order.output.parent}")
    make_folder(order.folder)
    settings = order.folder / "settings.toml"
    _write(settings, to_toml(order.settings, comments=True))
    source = _source(order)
    words = [*program(), "batch", str(source), str(order.output)]
    words += ["--settings", str(settings), "--model", order.model]
    if order.spec.frames is not None:
        words += ["--frames", order.spec.frames]
    if order.spec.pairing is not None and source == order.spec.path:
        words += ["--pairing", order.spec.pairing]
    if order.chosen:
        words += ["--pairs", selection_text(order.chosen)]
    elif not order.whole:
        step = f":{order.step}" if order.step > 1 else ""
        words += ["--pairs", f"{order.first}:{order.last + 1}{step}"]
    mask = _mask_file(order)
    if mask is not None:
        words += ["--mask", str(mask)]
    words += _scale(order)
    if order.background != "none":
        words += ["--background", order.background]
    if order.workers:
        words += ["--workers", str(order.workers)]
    if order.overwrite:
        words.append("--overwrite")
    elif order.retry_failed:
        words.append("--retry-failed")
    return words


def program() -> list[str]:
    """The command ``piv``, of this very installation."""
    return [sys.executable, "-m", "piv"]


def environment() -> dict[str, str]:
    """What the command's environment has in addition: letters in UTF-8, lines at once."""
    return {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}


def as_typed(words: list[str]) -> str:
    """The command as a user would type it."""
    rest = words[len(program()) :] if words[: len(program())] == program() else words
    return shlex.join(["piv", *rest])


def _scale(order: BatchOrder) -> list[str]:
    words: list[str] = []
    known = order.calibration
    calibrated = order.calibrated and known.pixel_size is not None
    if order.timed or calibrated or known.dt != 1.0:
        words += ["--dt", repr(float(known.dt))]
    if calibrated:
        assert known.pixel_size is not None
        words += ["--pixel-size", repr(float(known.pixel_size))]
        if known.origin != (0.0, 0.0):
            words += ["--origin", *(repr(float(each)) for each in known.origin)]
    return words


def _source(order: BatchOrder) -> Path:
    """What the command opens: the source, or a list of the pairs if it would find others in it."""
    spec = order.spec
    if spec.files is None or _finds_the_same(spec):
        return spec.path
    path = order.folder / "pairs.txt"
    base = spec.path if spec.path.is_dir() else spec.path.parent
    lines = [
        "\t".join(_listed(base / name, order.folder) for name in names) for names in spec.files
    ]
    _write(path, "\n".join(["# image pairs of the run", *lines]) + "\n")
    return path


def _finds_the_same(spec: SourceSpec) -> bool:
    """Whether the source, opened by the command, gives the same pairs."""
    try:
        with replace(spec, files=None, doubtful=False, mask=None).open() as found:
            return bool(found.spec.files == spec.files)
    except PIVError:
        return False


def _listed(path: Path, folder: Path) -> str:
    """A name for a list in ``folder``: relative where that can be, in quotes if need be."""
    try:
        name = os.path.relpath(path, folder)
    except ValueError:  # another drive
        name = str(path)
    if '"' in name or name != name.strip():
        return '"' + name.replace('"', '""') + '"'
    return name


def _mask_file(order: BatchOrder) -> Path | None:
    """The file of masks for the command: image or HDF5; None if nothing is masked."""
    given = order.spec.mask
    if not order.masks:
        if given is None or isinstance(given, Path):
            return given
        return _write_mask(order.folder / "mask.tif", np.asarray(given))
    own = bool(order.masks.per_pair or order.masks.imported_per_pair)
    each = given is not None and isinstance(given, Path) and _holds_many(given, order)
    if not own and not each:
        mask = _joined(order, 0, _given(order, 0))
        return None if mask is None else _write_mask(order.folder / "mask.tif", mask)
    path = order.folder / "masks.h5"
    shape = (order.count, *order.shape)
    with replacing_hdf5(path) as (store, check):
        masks = store.create_dataset(
            "mask", shape, np.bool_, chunks=(1, *order.shape), compression="gzip",
            compression_opts=1, fillvalue=False,
        )  # fmt: skip
        for index in range(order.count):
            mask = _joined(order, index, _given(order, index))
            if mask is not None:
                masks[index] = mask
            check()
    return path


def _holds_many(path: Path, order: BatchOrder) -> bool:
    from piv.io.masks import MaskFile, holds_masks

    return holds_masks(path) and MaskFile(path, order.shape).count is not None


def _given(order: BatchOrder, index: int) -> Bool | None:
    """The mask with which the source was opened, for a pair."""
    from piv.io.images import read_mask
    from piv.io.masks import MaskFile, holds_masks

    given = order.spec.mask
    if given is None or not isinstance(given, Path):
        return given
    if holds_masks(given):
        return MaskFile(given, order.shape)[index]
    return read_mask(given, order.shape)


def _joined(order: BatchOrder, index: int, given: Bool | None) -> Bool | None:
    drawn = order.masks.rasterise(index, order.shape)
    masks = [mask for mask in (drawn, given) if mask is not None and mask.any()]
    return np.logical_or.reduce(masks) if masks else None


def _write_mask(path: Path, mask: Bool) -> Path:
    import tifffile

    with replacing(path) as file:
        tifffile.imwrite(
            file, mask.astype(np.uint8) * 255, photometric="minisblack", compression="zlib"
        )
    return path


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


# what the command says


@dataclass(frozen=True)
class Failure:
    """A pair that could not be analysed."""

    index: int
    name: str
    error: str


@dataclass(frozen=True)
class RunState:
    """How far a run is, from its JSON lines.

    Parameters
    ----------
    total, done, failed, pending : int
        Pairs; those of earlier parts of the run count too.
    elapsed : float
        s.
    rate : float or None
        pairs/s of late; None while it cannot be told.
    seconds_left : float or None
    failures : tuple of Failure
        Of this part of the run.
    notes : tuple of str
    begun : bool
        Whether the analysing has begun.
    exit_status : int or None
        As the command tells it at its end.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    pending: int = 0
    elapsed: float = 0.0
    rate: float | None = None
    seconds_left: float | None = None
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    begun: bool = False
    exit_status: int | None = None

    @property
    def finished(self) -> int:
        """Pairs that need no more work."""
        return self.done + self.failed

    @property
    def fraction(self) -> float | None:
        """0..1, None while it cannot be told."""
        return self.finished / self.total if self.total else None

    def after(self, line: str) -> RunState:
        """The state after one more line; a line that is no JSON is a note."""
        try:
            event = json.loads(line)
        except ValueError:
            event = {"event": "note", "text": line.strip()}
        if not isinstance(event, Mapping) or "event" not in event:
            return self
        kind = event["event"]
        if kind == "note":
            text = str(event.get("text", ""))
            return replace(self, notes=(*self.notes, text)) if text else self
        counts = {
            name: event[name]
            for name in ("total", "done", "failed", "pending", "elapsed", "rate", "seconds_left")
            if name in event
        }
        state = replace(self, **counts, begun=True)
        if kind == "pair" and event.get("error") is not None:
            failure = Failure(int(event["index"]), str(event["name"]), _reason(event))
            others = tuple(each for each in self.failures if each.index != failure.index)
            state = replace(state, failures=(*others, failure))
        if kind == "end":
            state = replace(state, exit_status=int(event["exit_status"]))
        return state


def _reason(event: Mapping[str, Any]) -> str:
    """Why a pair failed, without its name in front."""
    error, name = str(event["error"]), str(event["name"])
    return error.partition(f"{name}: ")[2] or error if name else error


@dataclass(frozen=True)
class Ending:
    """How a run ended, in words for people.

    Parameters
    ----------
    level : "info", "warning" or "error"
    text : str
        One line: what happened and what to do.
    detail : str
        More for those who want it.
    resumable : bool
        Whether the same order goes on where it stopped.
    """

    level: str
    text: str
    detail: str = ""
    resumable: bool = False


def ending(returncode: int, errors: str, state: RunState, output: Path) -> Ending:
    """What to tell of a run that has ended.

    Parameters
    ----------
    returncode : int
        Of the process; negative or above 128: ended by a signal.
    errors : str
        The end of its standard error.
    state : RunState
    output : Path
    """
    counts = f"{state.done} of {state.total} pairs are done" if state.total else ""
    if returncode == FINISHED:
        return Ending("info", f"{output.name}: all {state.total} pairs are done")
    if returncode == FAILURES:
        return Ending(
            "warning",
            f"{output.name}: {counts}, {state.failed} failed: the list says why; Retry failed "
            "analyses them again",
        )
    reason = plain_words(_last_error(errors))
    if returncode == REFUSED:
        return Ending("error", f"The run was refused: {reason or 'no reason was given'}")
    kept = f"{counts + ', and what is finished is kept' if counts else 'What is finished is kept'}"
    if returncode == INTERRUPTED and state.total and not state.pending:
        return Ending("info", f"{output.name}: it had just ended: {counts}")
    if returncode in (INTERRUPTED, -2):
        return Ending("info", f"Stopped. {kept}: Start goes on", resumable=True)
    if returncode == STOPPED:
        why = reason or "the system ended it"
        return Ending("error", f"The run stopped: {why}. {kept}: Start goes on", resumable=True)
    if returncode == BUG:
        return Ending(
            "error",
            f"Something went wrong inside the program while the series ran. {kept}: Start goes on",
            errors.strip(),
            resumable=True,
        )
    return Ending(
        "error",
        f"The run was ended from outside (status {returncode}), perhaps for want of memory. "
        f"{kept}: Start goes on",
        errors.strip(),
        resumable=True,
    )


_WORDS = (
    (
        r"[Rr]epeat the first command to go on, choose another name, or add --overwrite",
        "put the settings back to go on, choose another name, or tick Begin anew",
    ),
    (r"choose another name, or add --overwrite", "choose another name, or tick Begin anew"),
    (r"or add --overwrite", "or tick Begin anew"),
    (r"--overwrite replaces", "Begin anew replaces"),
    (r"--pixel-size gives velocities only with the time between the frames: --dt",
     "a pixel size gives velocities only with the time between the frames: set dt under "
     "Calibrate"),
    (r"\(add --dt\)", "(set dt under Calibrate)"),
    (r"--retry-failed", "Retry failed"),
    (r"--pairs", "Pairs"),
    (r"--workers", "Processes"),
    (r"; --help lists the known ones", ""),
)  # fmt: skip


def plain_words(text: str) -> str:
    """What the command says, with the names of buttons and boxes in place of its options."""
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text


def _last_error(errors: str) -> str:
    """The last line that the command printed as an error, without its name in front."""
    for line in reversed(errors.splitlines()):
        if line.strip():
            return re.sub(r"^piv: (error: )?", "", line.strip())
    return ""


def read_dry_run(text: str) -> list[tuple[str, str]]:
    """Rows (what, value) of ``piv batch --dry-run``; notes have no what.

    Parameters
    ----------
    text : str
        Its standard output.
    """
    rows = []
    for line in text.splitlines():
        match = re.match(r"^ {2}(\S.*?) {2,}(\S.*)$", line)
        if match is not None:
            rows.append((match[1], plain_words(match[2])))
        elif line.strip():
            rows.append(("", plain_words(line.strip())))
    return rows


def failures_csv(failures: tuple[Failure, ...]) -> str:
    """The list of failures as a table for other programs.

    A pair is counted from 1, as the window's list does, and from 0, as files and commands do.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["pair (from 1)", "index for --pairs (from 0)", "name", "reason"])
    table.writerows([each.index + 1, each.index, each.name, each.error] for each in failures)
    return text.getvalue()


def failures_of(path: Path) -> tuple[Failure, ...]:
    """Failed pairs of results, also of a run that goes on.

    Raises
    ------
    InputError
        If there are no such results.
    """
    from piv.io.store import open_results

    results = open_results(path)
    found = []
    for position in results.failed:
        name = results.names[position]
        event = {"error": results.errors[position], "name": name}
        found.append(Failure(int(results.pairs[position]), name, _reason(event)))
    return tuple(found)
