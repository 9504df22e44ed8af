"""A user's recordings as fine-tuning looks at them: chosen, cleaned, and told if they change."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from piv.batch.job import Frame, static_background
from piv.batch.record import select
from piv.errors import InputError, PIVError
from piv.fingerprint import fingerprint
from piv.io.files import replacing
from piv.io.sources import PairSource, SourceSpec
from piv.preprocess import crop, subtract_background
from piv.settings import Settings, from_dict, to_dict
from piv.types import ImagePair

PAIRS = 8  # so many are looked at where none are chosen
NOTE = "recordings.json"
_NEEDED = ("path", "frames", "pairing", "mask", "pairs", "sha256", "start_from", "weights")
_MASK, _BACKGROUND = "mask.npy", ("background_a.npy", "background_b.npy")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which recordings, and how they are analysed.

    Parameters
    ----------
    spec : SourceSpec
    settings : Settings
        Of the analysis; a region is cut out first.
    background : tuple of str
        One or two image files, or ``mean`` or ``min`` of the recordings; empty = none.
    pairs : str, optional
        As ``piv batch --pairs``; by default at most eight, spread over all.
    """

    spec: SourceSpec
    settings: Settings = dataclasses.field(default_factory=Settings)
    background: tuple[str, ...] = ()
    pairs: str | None = None


class Recordings(Sequence[ImagePair]):
    """Chosen pairs, each read when it is asked for, as they are analysed.

    ``recordings[i]`` raises :class:`piv.InputError` if that pair cannot be read, or is no longer
    what it was; close them, or use ``with``.

    Parameters
    ----------
    source : PairSource
    chosen : sequence of int
        Indices in the source.
    settings : Settings
    background : pair of arrays, optional
        Subtracted from the first and from the second frames.
    hashes : mapping of int to str
        Fingerprints that the recorded pairs must have, by index in the source.
    """

    def __init__(
        self,
        source: PairSource,
        chosen: Sequence[int],
        settings: Settings,
        background: tuple[Frame, Frame] | None = None,
        hashes: Mapping[int, str] | None = None,
    ) -> None:
        self.source, self.chosen, self.background = source, list(chosen), background
        self.hashes = dict(hashes or {})
        # frames are cut before they are analysed
        whole = dataclasses.replace(settings.preprocess, region=())
        self.region = settings.preprocess.region
        self.settings = dataclasses.replace(settings, preprocess=whole)

    def recorded(self, number: int) -> ImagePair:
        """A pair as the camera gave it.

        Raises
        ------
        InputError
            If it cannot be read, or is no longer what it was.
        """
        index = self.chosen[number]
        if not -len(self.source) <= index < len(self.source):
            raise InputError(f"pair {index}: {self.source.spec.path} holds it no longer")
        pair = self.source[index]
        if self.hashes.get(index, known := fingerprint(pair)) != known:
            raise InputError(f"{pair.name}: its images or mask are no longer what was measured")
        return pair

    def cleaned(self, recorded: ImagePair) -> ImagePair:
        """A pair as it is analysed."""
        without = recorded
        if self.background is not None:
            without = subtract_background(recorded, self.background)
        return crop(without, self.region)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, number: int) -> ImagePair:  # type: ignore[override]  # no slices
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        return self.cleaned(self.recorded(number))

    def __enter__(self) -> Recordings:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()


def open_recordings(wanted: Wanted) -> Recordings:
    """The recordings that a user names.

    Raises
    ------
    InputError
        If they cannot be opened or paired, or the background does not suit them.
    """
    source = wanted.spec.open()
    try:
        named = select(wanted.pairs, len(source))
        background = None
        if wanted.background:
            background = static_background(list(wanted.background), source, named)
    except BaseException:
        source.close()
        raise
    chosen = list(named) if wanted.pairs is not None else [named[n] for n in spread(len(named))]
    return Recordings(source, chosen, wanted.settings, background)


def spread(number: int) -> list[int]:
    """At most eight indices, spread evenly over so many pairs."""
    return sorted({int(i) for i in np.linspace(0, number - 1, min(number, PAIRS)).round()})


def write_note(folder: Path, recordings: Recordings, more: Mapping[str, Any]) -> None:
    """Keep what is needed to look at the same pairs in the same way again.

    Parameters
    ----------
    folder : Path
        Gets ``recordings.json``, and the mask and the background as arrays if there are any.
    recordings : Recordings
        Its ``hashes`` name the pairs that are kept.
    more : mapping
        What else shall stand in the note.

    Raises
    ------
    PIVError
        If a file cannot be written.
    """
    spec = recordings.source.spec
    mask: str | None = None
    if isinstance(spec.mask, Path):
        mask = str(spec.mask)
    elif spec.mask is not None:
        mask = _MASK
        _write_array(folder / _MASK, spec.mask)
    if recordings.background is not None:
        for name, frame in zip(_BACKGROUND, recordings.background, strict=True):
            _write_array(folder / name, frame)
    whole = recordings.settings.preprocess
    settings = dataclasses.replace(
        recordings.settings, preprocess=dataclasses.replace(whole, region=recordings.region)
    )
    note = {
        "path": str(spec.path),
        "frames": spec.frames,
        "pairing": spec.pairing,
        "dt": spec.dt,
        "doubtful": spec.doubtful,
        "mask": mask,
        "background": None if recordings.background is None else list(_BACKGROUND),
        "settings": to_dict(settings),
        "pairs": sorted(recordings.hashes),
        "sha256": [recordings.hashes[index] for index in sorted(recordings.hashes)],
        **more,
        # last: there may be thousands
        "files": spec.files,
    }
    with replacing(folder / NOTE) as file:
        file.write((json.dumps(note, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def read_note(folder: Path) -> dict[str, Any]:
    """What :func:`write_note` kept.

    Raises
    ------
    PIVError
        If it cannot be read.
    """
    path = folder / NOTE
    try:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PIVError(f"cannot read {path}, the note of the recordings: {error}") from None
    missing = [name for name in _NEEDED if not isinstance(note, dict) or name not in note]
    if missing:
        raise PIVError(
            f"{path}, the note of the recordings, is damaged or of another version (no "
            f"{', '.join(missing)}): ask with `piv compare`"
        )
    return note


def noted_recordings(folder: Path, note: Mapping[str, Any]) -> Recordings:
    """The recordings of a note: the same pairs, looked at in the same way.

    Raises
    ------
    InputError, PIVError
        If they, or what was kept of them, cannot be opened.
    """
    mask = note["mask"]
    if mask == _MASK:
        mask = _read_array(folder / _MASK)
    elif mask is not None:
        mask = Path(mask)
    files = note.get("files")
    spec = SourceSpec(
        Path(note["path"]),
        note["frames"],
        note["pairing"],
        note.get("dt"),
        mask,
        note.get("doubtful", False),
        None if files is None else tuple(tuple(names) for names in files),
    )
    background = None
    if note.get("background"):
        first, second = (_read_array(folder / name) for name in note["background"])
        background = first, second
    return Recordings(
        spec.open(),
        note["pairs"],
        from_dict(note.get("settings", {})),
        background,
        dict(zip(note["pairs"], note.get("sha256", ()), strict=False)),
    )


def _write_array(path: Path, array: npt.NDArray[Any]) -> None:
    with replacing(path) as file:
        np.save(file, array, allow_pickle=False)


def _read_array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PIVError(f"cannot read {path}, kept with the recordings' note: {error}") from None
    return array
