"""A finished pair, compressed by who computed it, so that the writer only appends."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from piv.io.labelled import plain, to_json, variables
from piv.io.results.layout import DONE, FAILED, LEVEL, chunk_shape, selected
from piv.settings import OutputSettings
from piv.types import Analysis, size_text

Chunk = tuple[tuple[int, ...], bytes]


@dataclass(frozen=True, slots=True)
class PackedPair:
    """One pair's entry in a store: plain data, which can be sent between processes.

    Parameters
    ----------
    position : int
        Row of the store.
    name, sha256 : str
        Of the input.
    seconds : float
        Computing time.
    error : str or None
        Why there is no result.
    quality : mapping of str to float
    record : mapping
        Group -> what is known of this pair alone; ``provenance`` -> what explains its numbers.
    chunks : mapping
        ``"dense/u"`` -> (offset, compressed bytes) of each chunk.
    layout : mapping
        ``"dense/u"`` -> (shape, type) of the values.
    """

    position: int
    name: str
    sha256: str
    seconds: float
    error: str | None
    quality: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    chunks: Mapping[str, Sequence[Chunk]] = field(default_factory=dict)
    layout: Mapping[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Compressed size of the fields."""
        return sum(len(data) for chunks in self.chunks.values() for _, data in chunks)


def pack_analysis(
    analysis: Analysis,
    position: int,
    output: OutputSettings | None = None,
    *,
    seconds: float = float("nan"),
    name: str | None = None,
    sha256: str | None = None,
) -> PackedPair:
    """Compress one analysis: the same bytes for the same values, whoever does it.

    Parameters
    ----------
    analysis : Analysis
    position : int
        Row of the store.
    output : OutputSettings, optional
        Which part of the dense field is kept; default all of it.
    seconds : float
        Computing time.
    name, sha256 : str, optional
        Of the input; default what the analysis says of it.

    Raises
    ------
    InputError
        If ``output.region`` leaves the dense field.
    """
    source = analysis.provenance.get("input", {})
    common = {key: each for key, each in plain(analysis.provenance).items() if key != "input"}
    record: dict[str, Any] = {"provenance": common}
    chunks: dict[str, list[Chunk]] = {}
    layout: dict[str, tuple[tuple[int, ...], str]] = {}
    for group, values in selected(analysis, output or OutputSettings()).items():
        own = plain(values.attrs)
        record[group] = {
            key: each
            for key, each in own.items()
            if key != "input" and (key not in common or common[key] != each)
        }
        for variable, array in variables(values).items():
            array = np.asarray(array, array.dtype.newbyteorder("<"))
            layout[f"{group}/{variable}"] = (array.shape, array.dtype.str)
            chunks[f"{group}/{variable}"] = list(_chunks(array, position))
    return PackedPair(
        position=position,
        name=source.get("name", "") if name is None else name,
        sha256=source.get("sha256", "") if sha256 is None else sha256,
        seconds=seconds,
        error=None,
        quality={key: float(value) for key, value in analysis.quality.items()},
        record=record,
        chunks=chunks,
        layout=layout,
    )


def packed_failure(
    position: int, error: str, *, seconds: float = float("nan"), name: str = "", sha256: str = ""
) -> PackedPair:
    """Make the entry of a pair that could not be analysed, with the reason in one line."""
    return PackedPair(position, name, sha256, seconds, " ".join(error.split()) or "unknown")


def write_pairs(
    store: h5py.File,
    pairs: Sequence[PackedPair],
    provenance: Mapping[str, Any],
    check: Any = None,
) -> None:
    """Append pairs to a store of :func:`piv.io.results.layout.create_layout`, their status last.

    A pair that does not fit the store, such as one of another size, is entered as failed.

    Parameters
    ----------
    store : h5py.File
    pairs : sequence of PackedPair
    provenance : mapping
        The store's own: only what differs from it is kept with a pair.
    check : callable, optional
        Raises what has gone wrong so far.
    """
    known = _layout(store)
    fitting = [_fitting(pair, known) for pair in sorted(pairs, key=lambda each: each.position)]
    for pair in fitting:
        for name, chunks in pair.chunks.items():
            target = store[name].id
            for offset, data in chunks:
                target.write_direct_chunk(offset, data)
        if check is not None:
            check()
    for run in _runs(fitting):
        part = slice(run[0].position, run[-1].position + 1)
        for group in ("coarse", "dense"):
            if group in store:
                store[group]["record"][part] = [_record(pair, group, provenance) for pair in run]
        for name, dataset in store["quality"].items():
            if name != "pair":
                dataset[part] = [pair.quality.get(name, np.nan) for pair in run]
        store["seconds"][part] = [pair.seconds for pair in run]
        before = store["name"].asstr()[part]
        store["name"][part] = [pair.name or old for pair, old in zip(run, before, strict=True)]
        store["sha256"][part] = [pair.sha256 for pair in run]
        store["error"][part] = [pair.error or "" for pair in run]
        store["status"][part] = [DONE if pair.error is None else FAILED for pair in run]


def _chunks(values: npt.NDArray[Any], position: int) -> Iterator[Chunk]:
    """Cut one variable into chunks as HDF5's filters shuffle and gzip would leave them."""
    height, width = values.shape
    rows, columns = chunk_shape(height, width)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            part = values[top : top + rows, left : left + columns]
            if part.shape != (rows, columns):  # at an edge: chunks are always whole
                short = part
                part = np.zeros((rows, columns), values.dtype)
                part[: short.shape[0], : short.shape[1]] = short
            planes = np.ascontiguousarray(part).view(np.uint8).reshape(part.size, -1)
            yield (position, top, left), zlib.compress(planes.T.tobytes(), LEVEL)


def _layout(store: h5py.File) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shapes and types of the store's fields, as in :attr:`PackedPair.layout`."""
    return {
        f"{group}/{name}": (item.shape[1:], item.dtype.str)
        for group in ("coarse", "dense")
        if group in store
        for name, item in store[group].items()
        if item.ndim == 3
    }


def _fitting(pair: PackedPair, known: Mapping[str, tuple[tuple[int, ...], str]]) -> PackedPair:
    if pair.error is not None or dict(pair.layout) == dict(known):
        return pair

    def text(layout: Mapping[str, tuple[tuple[int, ...], str]]) -> str:
        names = sorted({*known, *pair.layout})
        name = next(each for each in names if known.get(each) != pair.layout.get(each))
        if name not in layout:
            return f"no {name}"
        shape, kind = layout[name]
        return f"{name} of {size_text(shape)} {np.dtype(kind)}"

    error = f"its field does not fit the store: {text(pair.layout)} instead of {text(known)}"
    return packed_failure(
        pair.position, error, seconds=pair.seconds, name=pair.name, sha256=pair.sha256
    )


def _runs(pairs: Sequence[PackedPair]) -> Iterator[list[PackedPair]]:
    """Pairs in rows one after the other, which are written at once."""
    run: list[PackedPair] = []
    for pair in pairs:
        if run and pair.position != run[-1].position + 1:
            yield run
            run = []
        run.append(pair)
    if run:
        yield run


def _record(pair: PackedPair, group: str, provenance: Mapping[str, Any]) -> str:
    if pair.error is not None:
        return "{}"
    other = {
        key: value
        for key, value in pair.record.get("provenance", {}).items()
        if provenance.get(key) != value
    }
    return to_json({**pair.record.get(group, {}), **other})
