"""Finding out what a user wants to open: images, a source of pairs, results, a session."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py

from gui.compute.server import task
from gui.state import SourceInfo, StoreInfo
from piv.calibrate import uncalibrate
from piv.errors import InputError
from piv.io.images import read_header, read_pair
from piv.io.results.reader import open_results, read_field
from piv.io.sources import DoubtfulPairing, PairSource, SourceSpec
from piv.io.sources.names import pair_files
from piv.types import VectorField

__all__ = ["look", "store"]

IMAGES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
SESSION = ".pivsession"
_SETTINGS = ".toml"
_RESULTS = "ccfcn-piv results"


@dataclass(frozen=True)
class Found:
    """What the paths are.

    Parameters
    ----------
    kind : str
        ``source``, ``store``, ``session``, ``settings``, or ``frames``: the data set has several
        stacks and the user must say which are the frames.
    path : Path
    source : SourceInfo, if it is one
    store : StoreInfo, if it is one
    doubt : str
        Why it is not certain that these frames belong together; empty = no doubt.
    stacks : tuple of str
        For ``frames``: the names of the data sets.
    """

    kind: Literal["source", "store", "session", "settings", "frames"]
    path: Path
    source: SourceInfo | None = None
    store: StoreInfo | None = None
    doubt: str = ""
    stacks: tuple[str, ...] = ()


@task
def look(
    context: Any,  # noqa: ARG001
    paths: Sequence[Path],
    frames: str | None = None,
    pairing: str | None = None,
    spec: SourceSpec | None = None,
) -> Found:
    """Find out what was chosen or dropped, and open it.

    Parameters
    ----------
    context : Context
    paths : sequence of Path
        One file or folder, or image files.
    frames : str, optional
        HDF5 only: where the frames are.
    pairing : str, optional
        As for :func:`piv.open_pairs`; where there is doubt, the likeliest is taken and the doubt
        is told.
    spec : SourceSpec, optional
        What is open now: is paired anew.

    Raises
    ------
    InputError
        In one line: what was wanted, what came, what to do.
    """
    paths = [Path(path).absolute() for path in paths]
    if not paths:
        raise InputError("nothing was chosen: choose two images, a folder or another file")
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file or folder {path}: was it moved or renamed?")
    if len(paths) > 1:
        return _several(paths, pairing)
    (path,) = paths
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix == SESSION:
            return Found("session", path)
        if suffix == _SETTINGS:
            return Found("settings", path)
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} is empty: was it copied completely?")
        if _is_results(path):
            return Found("store", path, store=_store(path))
        if suffix in IMAGES and read_header(path).pages == 1:
            raise InputError(
                f"{path.name} is one image, but a pair is wanted: choose or drop both images "
                "together, or the folder that holds them"
            )
    frames = frames if spec is None else frames or spec.frames
    wanted = SourceSpec(path, frames, pairing)
    try:
        return _opened(wanted, path)
    except InputError:
        stacks = _stacks(path) if frames is None else ()
        if len(stacks) > 1:
            return Found("frames", path, stacks=stacks)
        raise


@task
def store(context: Any, path: Path) -> StoreInfo:  # noqa: ARG001
    """What is known of a file of results, also while a run still writes it."""
    return _store(Path(path))


def _several(paths: list[Path], pairing: str | None) -> Found:
    """Image files that were chosen together."""
    others = [path.name for path in paths if path.suffix.lower() not in IMAGES or path.is_dir()]
    if others:
        raise InputError(
            f"{len(paths)} things were chosen, among them {others[0]}: choose image files only "
            "(tif, png, bmp, jpg), or one folder, data set, video or file of results"
        )
    folder, names = _relative(paths)
    first = min(paths)
    if len(paths) == 2:
        read_pair(paths[0], paths[1])  # says at once what is wrong with them
        files: tuple[tuple[str, ...], ...] = ((names[0], names[1]),)
        return _opened(SourceSpec(folder, files=files, pairing=pairing), first)
    doubt = ""
    try:
        found = pair_files(names, pairing, "the selection", doubtful=False)
    except DoubtfulPairing as error:
        doubt = _told(error)
        found = pair_files(names, pairing, "the selection", doubtful=True)
    opened = _opened(SourceSpec(folder, files=found.pairs, pairing=found.pairing), first)
    used = {name for pair in found.pairs for name in pair}
    left = [name for name in names if name not in used]
    notes = (f"{len(found.pairs)} pair(s), paired {found.pairing}", *found.notes)
    if left:
        notes += (f"left out, without a partner: {', '.join(left[:3])}",)
    assert opened.source is not None
    source = replace(opened.source, notes=notes, pairing=found.pairing)
    return replace(opened, source=source, doubt=doubt)


def _relative(paths: list[Path]) -> tuple[Path, list[str]]:
    """The folder that all have in common, and the names in it."""
    try:
        folder = Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # two drives
        return paths[0].parent, [str(path) for path in paths]
    return folder, [path.relative_to(folder).as_posix() for path in paths]


def _opened(spec: SourceSpec, path: Path) -> Found:
    doubt = ""
    try:
        source = spec.open()
    except DoubtfulPairing as error:
        doubt = _told(error)
        source = replace(spec, doubtful=True).open()
    with source:
        return Found("source", path, source=_info(source, path), doubt=doubt)


def _told(doubt: DoubtfulPairing) -> str:
    return f"it is not certain which frames belong together; {doubt.guess} was taken"


def _info(source: PairSource, path: Path) -> SourceInfo:
    return SourceInfo(
        path=path,
        spec=source.spec,
        kind=source.kind,
        names=tuple(source.names),
        shape=source.shape,
        dtype=source.dtype.name,
        dt=source.dt,
        dt_known=source.dt_known,
        pixel_size=source.pixel_size,
        notes=tuple(source.notes),
        pairing=source.spec.pairing,
        truth=bool(getattr(source, "has_truth", False)),
    )


def _is_results(path: Path) -> bool:
    if not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == _RESULTS)
    except OSError:  # a damaged file, or one that is being written: opening it says so
        return False


def _stacks(path: Path) -> tuple[str, ...]:
    """The data sets of a file that could be frames."""
    found: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim in (3, 4) and item.dtype.kind in "uif":
            found.append(name)

    if path.is_file() and h5py.is_hdf5(path):
        try:
            with h5py.File(path, "r") as file:
                file.visititems(note)
        except (OSError, RuntimeError):
            return ()
    return tuple(found)


def _store(path: Path) -> StoreInfo:
    results = open_results(path)
    known = results.provenance
    example = read_field(path, None, results.done[0]) if results.done else None
    source, calibration = known.get("source") or {}, known.get("calibration")
    shape = known.get("frames")
    if "height" in source and "width" in source:  # of a run of many pairs
        shape = source["height"], source["width"]
    if example is not None:
        calibration = calibration or example.attrs.get("calibration")
        shape = shape or _frame_shape(example)
    if shape is None:
        raise InputError(f"{path.name} holds no results yet: wait until the first pair is done")
    return StoreInfo(
        path=path,
        count=len(results),
        names=tuple(results.names),
        statuses=tuple(int(status) for status in results.status),
        shape=(int(shape[0]), int(shape[1])),
        dense="dense" in results.groups,
        units="px" if example is None else example.units,
        pixel_size=calibration["pixel_size"] if calibration else None,
        dt=float(known.get("dt", 1.0) if example is None else example.dt),
        origin=tuple(calibration["origin"]) if calibration else (0.0, 0.0),
    )


def _frame_shape(field: VectorField) -> tuple[int, int]:
    """(H, W) of the frames, px: the grid of the vectors lies in their middle."""
    if field.units == "m/s":
        field = uncalibrate(field)
    sizes = [max(c.min() + c.max(), c.max()) + 1 for c in (field.y, field.x)]
    return round(float(sizes[0])), round(float(sizes[1]))
