"""Image files as a source of pairs: a folder, or a list in a text file."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.io.images import Header, read_header, read_image, read_pages
from piv.io.sources.base import DoubtfulPairing, Frames, PairSource, SourceSpec
from piv.io.sources.names import Paired, pair_files, suspects
from piv.io.sources.pairing import SERIES, check_pairing, chosen_pairing, sequence_pairs
from piv.types import size_text

_SUFFIXES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
Files = tuple[tuple[str, ...], ...]


class FileSource(PairSource):
    """Pairs of image files in a folder, or named by a list.

    Parameters
    ----------
    spec : SourceSpec
        With ``files``, nothing is searched or paired again.

    Raises
    ------
    InputError
        If there are no images, or it is not certain which belong together.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self.kind = "folder" if spec.path.is_dir() else "list"
        self._folder = spec.path if self.kind == "folder" else spec.path.parent
        check_pairing(spec.pairing)
        notes: list[str] = []
        headers = _Headers(self._folder)
        if spec.files is None:
            find = _in_folder if self.kind == "folder" else _in_list
            spec = find(spec, headers, notes)
        assert spec.files is not None
        self._files, self._headers = spec.files, headers
        header = next((h for pair in spec.files for n in pair if (h := headers[n])), None)
        if header is None:
            raise InputError(f"{spec.path}: not one of the images can be read")
        super().__init__(
            spec,
            names=[_printable(", ".join(names)) for names in spec.files],
            shape=header.shape,
            dtype=header.dtype,
            notes=notes,
        )

    def _frames(self, index: int) -> Frames:
        names = self._files[index]
        if len(names) == 2:
            return read_image(self._folder / names[0]), read_image(self._folder / names[1])
        pages = read_pages(self._folder / names[0])
        if len(pages) != 2:
            raise InputError(f"{names[0]} holds {len(pages)} images, but two are wanted")
        return pages[0], pages[1]

    def common_dtype(self) -> np.dtype[Any]:
        """As for every source; asks each file."""
        names = {name for pair in self._files for name in pair}
        headers = [header for name in names if (header := self._headers[name])]
        return np.result_type(self.dtype, *{header.dtype for header in headers})


class _Headers:
    """What the files say of themselves; each is opened at most once.

    Uncompressed files of one camera have one length: then one is opened for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, int], Header | None] = {}

    def __getitem__(self, name: str) -> Header | None:
        path = self._folder / name
        try:
            key = path.suffix.lower(), path.stat().st_size
        except OSError:
            return None
        if key not in self._known:
            try:
                self._known[key] = read_header(path)
            except InputError:
                self._known[key] = None
        return self._known[key]


def _in_folder(spec: SourceSpec, headers: _Headers, notes: list[str]) -> SourceSpec:
    try:
        with os.scandir(spec.path) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    except OSError as error:
        raise InputError(f"cannot read the folder {spec.path}: {error.strerror}") from None
    images = [name for name in names if Path(name).suffix.lower() in _SUFFIXES]
    if not images:
        raise InputError(
            f"the folder {spec.path} holds no images (tif, png, bmp, jpg); folders in it are not "
            "looked into"
        )
    if others := len(names) - len(images):
        kinds = sorted({Path(name).suffix or "no suffix" for name in names} - set(_SUFFIXES))
        notes.append(f"left out: {others} file(s) that are no images ({', '.join(kinds)})")
    odd = suspects(images)
    if odd and not spec.doubtful:
        images = [name for name in images if name not in odd]
        notes.append(
            f"left out: {_some(sorted(odd))}, which by the name is no frame (background, "
            "calibration, mask ...)"
        )
        if not images:
            raise InputError(f"the folder {spec.path} holds no frames; {notes[-1]}")
    images = _of_one_size(spec, images, headers, notes)
    if all((h := headers[name]) is not None and h.pages == 2 for name in images):
        notes.append(f"{len(images)} files of two pages, each a pair")
        return replace(spec, files=tuple((name,) for name in images))
    return _paired(spec, images, notes)


def _of_one_size(
    spec: SourceSpec, images: list[str], headers: _Headers, notes: list[str]
) -> list[str]:
    """The images of the size that most have; what cannot be read stays, to be told of later."""
    sizes = {name: header.shape for name in images if (header := headers[name])}
    if len(counts := Counter(sizes.values())) < 2:
        return images
    size, most = counts.most_common(1)[0]
    if 2 * most <= len(sizes) and not spec.doubtful:
        found = ", ".join(f"{n} of {size_text(shape)} px" for shape, n in counts.most_common(4))
        raise DoubtfulPairing(
            f"the folder {spec.path} holds frames of several sizes: {found}; put each kind into "
            "a folder of its own",
            spec.pairing or f"the frames of {size_text(size)} px",
        )
    left = [name for name, shape in sizes.items() if shape != size]
    notes.append(f"left out: {_some(left)}, of another size than {size_text(size)} px")
    return [name for name in images if name not in set(left)]


def _paired(spec: SourceSpec, images: list[str], notes: list[str]) -> SourceSpec:
    try:
        found: Paired = pair_files(images, spec.pairing, str(spec.path), doubtful=spec.doubtful)
    except DoubtfulPairing as doubt:
        raise DoubtfulPairing("; ".join([str(doubt), *notes]), doubt.guess) from None
    except InputError as error:
        raise InputError("; ".join([str(error), *notes])) from None
    notes.append(
        f"{len(found.pairs)} pair(s), paired {found.pairing}: {', '.join(found.pairs[0])}"
        f"{' ...' if len(found.pairs) > 1 else ''}"
    )
    used = {name for pair in found.pairs for name in pair}
    if alone := [name for name in images if name not in used]:
        notes.append(f"left out: {_some(alone)}, without a partner")
    notes.extend(found.notes)
    return replace(spec, pairing=found.pairing, files=found.pairs)


def _in_list(spec: SourceSpec, headers: _Headers, notes: list[str]) -> SourceSpec:
    rows = _rows(spec.path)
    if not rows:
        raise InputError(f"{spec.path} names no images: two names a line are wanted")
    (line, first), *_ = rows
    if len(rows) > 1 and not any(
        Path(n).suffix.lower() in _SUFFIXES or (spec.path.parent / n).exists() for n in first
    ):
        notes.append(f"line {line} is taken for a heading: {', '.join(first)}")
        rows = rows[1:]
    widths = {len(row) for _, row in rows}
    if widths == {1}:
        names = [row[0] for _, row in rows]
        if all((h := headers[name]) is not None and h.pages == 2 for name in names):
            files: Files = tuple((name,) for name in names)
            return replace(spec, files=files)
        pairing = chosen_pairing(
            len(names), spec.pairing, str(spec.path), SERIES, doubtful=spec.doubtful
        )
        places = sequence_pairs(range(len(names)), pairing)
        files = tuple((names[a], names[b]) for a, b in places)
        return replace(spec, pairing=pairing, files=files)
    for line, row in rows:
        if len(row) != 2:
            raise InputError(
                f"{spec.path}, line {line}: two names are wanted, not {len(row)}; separate them "
                'by a comma or a tab, and put "..." around names with spaces'
            )
    if spec.pairing is not None:
        raise InputError(f"{spec.path} names pairs, which need no pairing: leave it away")
    missing = [n for _, row in rows for n in row if not (spec.path.parent / n).exists()]
    if missing:
        notes.append(f"missing: {_some(missing)}")
    return replace(spec, files=tuple((row[0], row[1]) for _, row in rows))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The names of every line that is neither empty nor a comment, with the line's number."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"cannot read {path}: it is no text in UTF-8") from None
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        separator = next((sign for sign in "\t;," if sign in line), " ")
        cells: Any = csv.reader([line.strip()], delimiter=separator, skipinitialspace=True)
        names = [cell.strip() for row in cells for cell in row if cell.strip()]
        rows.append((number, names))
    return rows


def _printable(name: str) -> str:
    """A name with marks instead of bytes that are no UTF-8, which no text in HDF5 can hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _some(names: Sequence[str]) -> str:
    """A few of the names, and how many there are."""
    shown = _printable(", ".join(names[:3]))
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
