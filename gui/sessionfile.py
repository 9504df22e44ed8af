"""Session files: everything of a session, to be gone on with later, elsewhere, or after a crash.

``NAME.pivsession`` is JSON; the results lie beside it in the folder ``NAME.pivsession-data``, one
file for each pair, as ``piv analyse -o`` writes them.  Paths are stored relative to the session
file and absolute; when a session is opened, each place is looked at and the first one taken that
holds what was there when the session was saved.

A result that is in the folder already is not written again, and a session file takes the place of
the old one only when everything that it names has been written: whatever happens in between, one
of the two is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.compute.protocol import file_of
from gui.masks import ImportedMask, MaskSet
from gui.state import (
    Box,
    CalibrationState,
    DisplayOptions,
    FieldEdits,
    ResultEntry,
    Selection,
    SourceInfo,
    StoreInfo,
)
from piv import settings as piv_settings
from piv.errors import InputError, PIVError, SettingsError
from piv.io.files import replacing
from piv.io.results.reader import open_results
from piv.io.sources import SourceSpec
from piv.io.store import read_field, write_analysis
from piv.settings import OutputSettings, Settings, ValidateSettings
from piv.types import Analysis, VectorField

if TYPE_CHECKING:
    from gui.session import Session

FORMAT, VERSION = "ccfcn-piv session", 1
SUFFIX = ".pivsession"
DATA = "-data"  # behind the name of the session file: the folder of its results
_PIECE = 64 << 10  # bytes at both ends of a file that tell whether it is the same

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """Everything of a session, at one moment; cheap to make, and can be sent to a process.

    Parameters are those of :class:`gui.session.Session`.
    """

    source: SourceInfo | None
    store: StoreInfo | None
    index: int
    settings: Settings
    model: str
    masks: MaskSet
    calibration: CalibrationState
    display: DisplayOptions
    selection: Selection
    results: Mapping[int, ResultEntry]
    store_edits: Mapping[int, FieldEdits]
    lost: Mapping[str, Any] | None
    path: Path | None
    revision: int


@dataclass(frozen=True, eq=False, slots=True)
class Loaded:
    """What a session file holds, and what of it was not found.

    Parameters
    ----------
    path : Path
        The session file.
    snapshot : Snapshot
        ``source`` and ``store`` are where they are now; None where they were not found.
    missing : tuple of Path
        Sources and stores that were not found, where they were.
    notes : tuple of str
        What else a user should be told, in sentences.
    """

    path: Path
    snapshot: Snapshot
    missing: tuple[Path, ...]
    notes: tuple[str, ...]


def snapshot(session: Session) -> Snapshot:
    """Everything of a session as it is now."""
    return Snapshot(
        session.source, session.store, session.index, session.settings, session.model,
        session.masks, session.calibration, session.display, session.selection,
        session.own_results, session.store_edits, session.lost, session.path, session.revision,
    )  # fmt: skip


def save(session: Session, path: Path) -> None:
    """Write a session file, here and now; see :func:`write`."""
    state = snapshot(session)
    write(state, path)
    session.set_saved(path, state.revision)


def load(path: Path, found: Mapping[Path, Path] | None = None) -> Loaded:
    """Another name of :func:`read`."""
    return read(path, found)


def restore(session: Session, loaded: Loaded, path: Path | None) -> None:
    """Put what a file holds into a session.

    Parameters
    ----------
    session : Session
    loaded : Loaded
    path : Path or None
        The session's own file from now on.
    """
    state = loaded.snapshot
    session.restore(
        source=state.source, store=state.store, settings=state.settings, model=state.model,
        masks=state.masks, calibration=state.calibration, display=state.display,
        selection=state.selection, index=state.index, results=state.results,
        store_edits=state.store_edits, lost=state.lost, path=path,
    )  # fmt: skip


# writing


def write(state: Snapshot, path: Path, progress: Progress | None = None) -> None:
    """Write a session file and the results that are not beside it yet.

    Parameters
    ----------
    state : Snapshot
    path : Path
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    PIVError
        If the disk refuses; an older file of this name stays as it was.
    """
    path = path.absolute()
    data = path.with_name(path.name + DATA)
    entries = []
    for done, (index, entry) in enumerate(state.results.items()):
        if progress is not None:
            progress(done, len(state.results), f"writing result {done + 1}")
        entries.append(_write_result(data, index, entry))
    plain = {
        "format": FORMAT,
        "version": VERSION,
        "program": f"ccfcn-piv {version('ccfcn-piv')}",
        "original": None if state.path is None else str(state.path),
        "source": _plain_lost(state.lost, path.parent)
        if state.source is None
        else _plain_source(state.source, path.parent),
        "store": None if state.store is None else _plain_store(state.store, path.parent),
        "index": state.index,
        "settings": piv_settings.to_dict(state.settings),
        "model": _plain_model(state.model, path.parent),
        "masks": state.masks.to_plain(),
        "calibration": dataclasses.asdict(state.calibration),
        "display": dataclasses.asdict(state.display),
        "selection": dataclasses.asdict(state.selection),
        "results": entries,
        "store_edits": {str(i): _plain_edits(e) for i, e in state.store_edits.items()},
    }
    text = json.dumps(plain, ensure_ascii=False, indent=1)
    with replacing(path) as file:
        file.write(text.encode("utf-8"))
    _tidy(data, {entry["file"] for entry in entries})


def _write_result(data: Path, index: int, entry: ResultEntry) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "index": index,
        "file": None,
        "error": entry.error,
        "seconds": None if np.isnan(entry.seconds) else entry.seconds,
        "edits": _plain_edits(entry.edits),
    }
    if entry.analysis is None:
        return plain
    output = entry.analysis.provenance.get("settings", {}).get("output", {})
    plain["output"] = output
    plain["file"] = f"pair_{index:06d}_{_digest(entry.analysis)}.h5"
    target = data / plain["file"]
    if not target.exists():
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PIVError(f"cannot write {data}: {error.strerror or error}") from None
        # all of the field, whatever part of it a batch would store
        whole = _with_output(entry.analysis, dataclasses.asdict(OutputSettings()))
        write_analysis(target, whole, seconds=entry.seconds)
    return plain


def _with_output(analysis: Analysis, output: Mapping[str, Any]) -> Analysis:
    """With other words on what is to be stored in everything that says it."""

    def changed(record: Mapping[str, Any]) -> dict[str, Any]:
        settings = {**record.get("settings", {}), "output": dict(output)}
        return {**record, "settings": settings}

    fields: dict[str, Any] = {
        name: None if field is None else field.replace(attrs=changed(field.attrs))
        for name, field in (("coarse", analysis.coarse), ("dense", analysis.dense))
    }
    return dataclasses.replace(analysis, provenance=changed(analysis.provenance), **fields)


_digests: dict[str, str] = {}  # by the scratch file of the first array: it never changes


def _digest(analysis: Analysis) -> str:
    """What tells one result from another, of 16 letters."""
    file = file_of(analysis.field.u)
    if file is None:
        return _computed_digest(analysis)
    if file not in _digests:
        _digests[file] = _computed_digest(analysis)
    return _digests[file]


def _computed_digest(analysis: Analysis) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for field in (analysis.coarse, analysis.dense):
        if field is not None:
            for array in (field.u, field.v, field.flags):
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    digest.update(json.dumps(dict(analysis.provenance), default=str, sort_keys=True).encode())
    return digest.hexdigest()


def _tidy(data: Path, kept: set[str | None]) -> None:
    """Remove results that the session file does not name any more."""
    if not data.is_dir():
        return
    for path in (*data.glob("pair_*.h5"), *data.glob(".pair_*.part")):
        if path.name not in kept:  # or was begun by a process that was ended
            with contextlib.suppress(OSError):
                path.unlink()
    with contextlib.suppress(OSError):  # it is not empty
        data.rmdir()


def _plain_edits(edits: FieldEdits) -> dict[str, Any]:
    return {
        "coarse": sorted(edits.coarse),
        "dense": sorted(edits.dense),
        "boxes": [dataclasses.asdict(box) for box in edits.boxes],
        "validate": None if edits.validate is None else dataclasses.asdict(edits.validate),
        "limits": edits.limits,
    }


def _plain_source(info: SourceInfo, folder: Path) -> dict[str, Any]:
    spec = info.spec
    mask: Any = None
    if isinstance(spec.mask, Path):
        mask = {"place": _place(spec.mask, folder)}
    elif spec.mask is not None:
        mask = {"image": ImportedMask(np.asarray(spec.mask), "mask").to_plain()}
    known = dataclasses.asdict(dataclasses.replace(info, spec=None))  # type: ignore[arg-type]
    del known["spec"], known["path"]
    return {
        **known,
        "place": _place(spec.path, folder),
        "inside": None if info.path == spec.path else _relative(info.path, spec.path),
        "content": _content(spec.path, spec.files),
        "frames": spec.frames,
        "spec_pairing": spec.pairing,
        "spec_dt": spec.dt,
        "mask": mask,
        "doubtful": spec.doubtful,
        "files": spec.files,
    }


def _plain_lost(lost: Mapping[str, Any] | None, folder: Path) -> dict[str, Any] | None:
    """A source that was not found, to be looked for again the next time."""
    if lost is None:
        return None
    return {**lost, "place": _place(Path(lost["place"]["absolute"]), folder)}


def _plain_store(info: StoreInfo, folder: Path) -> dict[str, Any]:
    return {"place": _place(info.path, folder), "names": info.names[:1], "count": info.count}


def _plain_model(model: str, folder: Path) -> dict[str, Any]:
    path = Path(model)
    is_file = path.suffix == ".safetensors" and path.is_file()
    return {"name": model, "place": _place(path, folder) if is_file else None}


def _place(path: Path, folder: Path) -> dict[str, str]:
    path = path.absolute()
    return {"relative": _relative(path, folder), "absolute": str(path)}


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return str(path)


def _content(path: Path, files: Iterable[tuple[str, ...]] | None) -> dict[str, Any]:
    """What tells whether a source is the one that it was, quickly."""
    if files is None:
        return {"file": _mark(path)}
    pairs = list(files)
    ends = [*pairs[0], *pairs[-1]] if pairs else []
    base = path if path.is_dir() else path.parent
    return {"files": {name: _mark(base / name) for name in ends}}


def _mark(path: Path) -> list[Any] | None:
    """Length and hash of both ends of a file; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(file.read(_PIECE))
            file.seek(max(0, size - _PIECE))
            digest.update(file.read(_PIECE))
    except OSError:
        return None
    return [size, digest.hexdigest()[:32]]


# reading


def read(
    path: Path, found: Mapping[Path, Path] | None = None, progress: Progress | None = None
) -> Loaded:
    """Read a session file.

    Parameters
    ----------
    path : Path
    found : mapping of Path to Path, optional
        Where sources and stores are that were :attr:`Loaded.missing`.
    progress : callable, optional
        Called with (done, total, text).

    Returns
    -------
    Loaded

    Raises
    ------
    InputError
        If the file cannot be read, is no session file, is damaged or of a newer version.
    """
    path = path.absolute()
    plain = _parsed(path)
    try:
        return _Reader(path, plain, dict(found or {}), progress).read()
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, PIVError):
            raise
        raise InputError(
            f"{path.name} is damaged ({type(error).__name__}: {error}): open the images instead"
        ) from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(
            f"{path.name} is no session file, or is damaged: a {SUFFIX} file is wanted"
        ) from None
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise InputError(f"{path.name} is no session file of this program")
    if not isinstance(plain.get("version"), int) or plain["version"] > VERSION:
        raise InputError(
            f"{path.name} was saved by {plain.get('program', 'a newer version')}, which is newer "
            "than this program: update ccfcn-piv"
        )
    return plain


class _Reader:
    """One reading of a session file."""

    def __init__(
        self,
        path: Path,
        plain: dict[str, Any],
        found: dict[Path, Path],
        progress: Progress | None,
    ) -> None:
        self._path, self._plain, self._found = path, plain, found
        self._progress = progress
        self._missing: list[Path] = []
        self._notes: list[str] = []

    def read(self) -> Loaded:
        plain = self._plain
        source, store = self._source(plain["source"]), self._store(plain["store"])
        results = self._results(plain["results"])
        original = plain.get("original")
        state = Snapshot(
            source=source,
            store=store,
            index=int(plain["index"]),
            settings=self._settings(plain["settings"]),
            model=self._model(plain["model"]),
            masks=MaskSet.from_plain(plain["masks"]),
            calibration=_made(CalibrationState, plain["calibration"]),
            display=_made(DisplayOptions, plain["display"]),
            selection=_made(Selection, plain["selection"]),
            results=results,
            store_edits={int(i): _edits(e) for i, e in plain["store_edits"].items()},
            lost=plain["source"] if source is None else None,
            path=None if original is None else Path(original),
            revision=0,
        )
        return Loaded(self._path, state, tuple(self._missing), tuple(self._notes))

    def _find(self, place: Mapping[str, str], same: Callable[[Path], bool]) -> Path | None:
        """Where something is now; where several places hold something, the one that is the same."""
        was = Path(place["absolute"])
        if was in self._found:
            chosen = self._found[was]
            return chosen if chosen.exists() else None
        folder = self._path.parent
        candidates = [folder / place["relative"], was]
        # the session file was moved to or from its data
        parts = PurePath(place["relative"].replace("\\", "/")).parts
        candidates += [folder.joinpath(*parts[n:]) for n in range(1, len(parts))]
        there = [Path(os.path.normpath(each)) for each in candidates if each.exists()]
        return next((each for each in there if same(each)), there[0] if there else None)

    def _source(self, plain: Mapping[str, Any] | None) -> SourceInfo | None:
        if plain is None:
            return None
        files = None if plain["files"] is None else tuple(tuple(names) for names in plain["files"])

        def same(path: Path) -> bool:
            return _content(path, files) == plain["content"]

        place = self._find(plain["place"], same)
        if place is None:
            self._missing.append(Path(plain["place"]["absolute"]))
            return None
        inside = plain["inside"]
        spec = SourceSpec(
            place, plain["frames"], plain["spec_pairing"], plain["spec_dt"],
            self._mask(plain["mask"]), plain["doubtful"], files,
        )  # fmt: skip
        info = SourceInfo(
            path=place if inside is None else Path(os.path.normpath(place / inside)),
            spec=spec,
            kind=plain["kind"],
            names=tuple(plain["names"]),
            shape=(int(plain["shape"][0]), int(plain["shape"][1])),
            dtype=plain["dtype"],
            dt=float(plain["dt"]),
            dt_known=bool(plain["dt_known"]),
            pixel_size=plain["pixel_size"],
            notes=tuple(plain["notes"]),
            pairing=plain["pairing"],
            truth=bool(plain["truth"]),
        )
        return info if same(place) else self._changed(info, files)

    def _changed(
        self, info: SourceInfo, files: tuple[tuple[str, ...], ...] | None
    ) -> SourceInfo | None:
        """What is there is not what was there: take it if it still can be that."""
        was = Path(self._plain["source"]["place"]["absolute"])
        base = info.spec.path if info.spec.path.is_dir() else info.spec.path.parent
        gone = [n for names in files or () for n in names if not (base / n).exists()]
        if gone:
            some = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
            self._notes.append(f"missing in {base}: {some}")
            if len(gone) == len({n for names in files or () for n in names}):
                self._missing.append(was)
                return None
        try:
            with info.spec.open() as source:
                fits = (len(source), source.shape) == (info.count, info.shape)
        except PIVError as error:
            self._notes.append(f"{info.spec.path} cannot be opened: {error}")
            fits = False
        if not fits:
            self._notes.append(f"{info.spec.path} does not hold the pairs of this session")
            self._missing.append(was)
            return None
        if not gone:
            self._notes.append(
                f"{info.spec.path} has changed since the session was saved: results may belong to "
                "other images"
            )
        return info

    def _mask(self, plain: Mapping[str, Any] | None) -> Any:
        if plain is None:
            return None
        if "image" in plain:
            return ImportedMask.from_plain(plain["image"]).array
        place = self._find(plain["place"], Path.is_file)
        if place is None:
            self._notes.append(f"the mask {plain['place']['absolute']} is missing")
        return place

    def _store(self, plain: Mapping[str, Any] | None) -> StoreInfo | None:
        from gui.compute.tasks.sources import store

        if plain is None:
            return None

        def same(path: Path) -> bool:
            try:
                results = open_results(path)
            except PIVError:
                return False
            return len(results) == plain["count"] and results.names[:1] == list(plain["names"])

        place = self._find(plain["place"], same)
        if place is None:
            self._missing.append(Path(plain["place"]["absolute"]))
            return None
        try:
            known: StoreInfo = store(None, place)
        except PIVError as error:
            self._notes.append(str(error))
            return None
        return known

    def _settings(self, plain: Mapping[str, Any]) -> Settings:
        try:
            return piv_settings.from_dict(plain)
        except SettingsError as error:
            self._notes.append(f"its settings are not those of this version ({error}): standard")
            return Settings()

    def _model(self, plain: Mapping[str, Any]) -> str:
        if plain["place"] is None:
            return str(plain["name"])
        place = self._find(plain["place"], Path.is_file)
        if place is None:
            self._notes.append(f"the weights {plain['name']} are missing: choose others")
            return str(plain["name"])
        return str(place)

    def _results(self, entries: list[Mapping[str, Any]]) -> dict[int, ResultEntry]:
        data = self._path.with_name(self._path.name + DATA)
        results: dict[int, ResultEntry] = {}
        for done, plain in enumerate(entries):
            if self._progress is not None:
                self._progress(done, len(entries), f"reading result {done + 1}")
            index = int(plain["index"])
            analysis = None
            if plain["file"] is not None:
                try:
                    analysis = _analysis(data / PurePath(plain["file"]).name, plain["output"])
                except (PIVError, OSError) as error:
                    self._notes.append(f"the result of pair {index + 1} is lost: {error}")
                    continue
            seconds = float("nan") if plain["seconds"] is None else float(plain["seconds"])
            edits = _edits(plain["edits"])
            results[index] = ResultEntry(index, analysis, plain["error"], seconds, edits)
        return results


def _analysis(path: Path, output: Mapping[str, Any]) -> Analysis:
    known = open_results(path)
    fields: dict[str, VectorField] = {name: read_field(path, name) for name in known.groups}
    quality = {name: float(values[0]) for name, values in known.quality.items()}
    stored = Analysis(
        fields["coarse"], fields.get("dense"), quality, MappingProxyType(dict(known.provenance))
    )
    return _with_output(stored, output)


def _edits(plain: Mapping[str, Any]) -> FieldEdits:
    validate = plain["validate"]
    return FieldEdits(
        frozenset((int(row), int(column)) for row, column in plain["coarse"]),
        frozenset((int(row), int(column)) for row, column in plain["dense"]),
        tuple(Box(**box) for box in plain["boxes"]),
        None if validate is None else ValidateSettings(**validate),
        tuple((float(u), float(v)) for u, v in plain["limits"]),
    )


def _made(kind: Any, plain: Mapping[str, Any]) -> Any:
    """A frozen value of what is known of it; what another version has more is left out."""
    names = {item.name for item in dataclasses.fields(kind)}
    return kind(**{name: _tuple(value) for name, value in plain.items() if name in names})


def _tuple(value: Any) -> Any:
    return tuple(_tuple(each) for each in value) if isinstance(value, list) else value
