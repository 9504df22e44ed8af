"""Results in HDF5: one analysis, or a run of thousands; the layout is in docs/results.md.

The parts are in :mod:`piv.io.results`; this is their door.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.errors import InputError
from piv.io.hdf5 import replacing_hdf5
from piv.io.journal import discard, lock_path, locked
from piv.io.labelled import plain
from piv.io.results.layout import DONE, FAILED, PENDING, create_layout
from piv.io.results.packed import PackedPair, pack_analysis, packed_failure, write_pairs
from piv.io.results.reader import Results, open_results, read_field, read_provenance
from piv.io.results.size import estimate_bytes
from piv.io.results.writer import ResultsWriter, output_of
from piv.settings import Settings
from piv.types import Analysis, Calibration, ImagePair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from piv.network.weights import Model

__all__ = [
    "DONE",
    "FAILED",
    "PENDING",
    "PackedPair",
    "Results",
    "ResultsWriter",
    "estimate_bytes",
    "open_results",
    "open_store",
    "pack_analysis",
    "packed_failure",
    "read_field",
    "read_provenance",
    "write_analysis",
]


def write_analysis(
    path: str | Path,
    analysis: Analysis,
    *,
    seconds: float = float("nan"),
) -> None:
    """Write one analysis; the file appears under its name only when it is complete.

    Of the dense field that part is written which the settings ask for (``output.stride``,
    ``output.region``).

    Parameters
    ----------
    path : path
        An existing file is replaced.
    analysis : Analysis
    seconds : float
        Computing time.

    Raises
    ------
    InputError
        If ``output.region`` leaves the dense field, or a run writes to this file.
    PIVError
        If the file cannot be written.
    """
    path = Path(path)
    if lock_path(path).exists():  # a run writes it, or did so until it was killed
        with locked(path):
            _write_alone(path, analysis, seconds)
    else:
        _write_alone(path, analysis, seconds)


def _write_alone(path: Path, analysis: Analysis, seconds: float) -> None:
    output = output_of(analysis)
    packed = pack_analysis(analysis, 0, output, seconds=seconds)
    known = plain(analysis.provenance)
    with replacing_hdf5(path) as (store, check):
        create_layout(store, 1, analysis, output, provenance=known)
        write_pairs(store, [packed], known, check)
        discard(path)


def open_store(
    path: str | Path,
    pairs: Sequence[ImagePair],
    *,
    calibration: Calibration | None = None,
    settings: Settings | None = None,
    model: str | Path | Model | None = "default",
    overwrite: bool = False,
) -> ResultsWriter:
    """Make a store for the results of these pairs, or go on with one.

    Parameters
    ----------
    path : path
    pairs : sequence of ImagePair
        Such as :func:`piv.open_pairs` gives: anything with a length and ``[i]``.
    calibration, settings, model
        As for :func:`piv.analyse`, with which the pairs will be analysed.
    overwrite : bool
        Start anew if there is a file of this name.

    Returns
    -------
    ResultsWriter
        ``.pending`` lists what is to be done, ``.put`` stores a result.

    Raises
    ------
    InputError
        If the store was made for other pairs, settings, weights or by another version: what
        differs is named.
    StorageError
        If the disk refuses.

    Examples
    --------
    >>> with piv.open_store("results.h5", pairs) as store:   # doctest: +SKIP
    ...     for i in store.pending:
    ...         store.put(i, piv.analyse(pairs[i]))
    """
    from piv.pipeline import template

    path = Path(path)
    if len(pairs) == 0:
        raise InputError("a store needs at least one pair")
    shape = getattr(pairs, "shape", None) or pairs[0].shape
    dt = getattr(pairs, "dt", None) or pairs[0].dt
    example = template(shape, settings, calibration, model, dt=dt)
    known: dict[str, Any] = plain(
        {
            **example.provenance,
            "frames": list(shape),
            "dt": float(dt),
            "pairs": len(pairs),
            "calibration": None
            if calibration is None
            else {"pixel_size": calibration.pixel_size, "origin": calibration.origin},
        }
    )
    if path.exists() and not overwrite:
        writer = ResultsWriter.open(path)
        try:
            _check_same(path, known, writer.provenance)
        except BaseException:
            writer.close()
            raise
        return writer
    time = getattr(pairs, "time", None)
    return ResultsWriter.create(
        path, count=len(pairs), template=example, provenance=known,
        names=getattr(pairs, "names", None), time=None if time is None else np.asarray(time),
        overwrite=overwrite,
    )  # fmt: skip


def _check_same(path: Path, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Refuse to go on with other numbers than a store was begun with."""
    first = "weights"  # settings left to the program follow from them
    for name, value in sorted(wanted.items(), key=lambda item: item[0] != first):
        other = found.get(name)
        if other == value:
            continue
        if isinstance(value, dict) and isinstance(other, dict):
            name, value, other = _first_difference(name, value, other)
        raise InputError(
            f"{path} was made with {name} = {other}, not {value}: choose another name, or "
            "overwrite it"
        )


def _first_difference(name: str, wanted: Any, found: Any) -> tuple[str, Any, Any]:
    while isinstance(wanted, dict) and isinstance(found, dict):
        key = next(k for k in {**wanted, **found} if wanted.get(k) != found.get(k))
        name, wanted, found = f"{name}.{key}", wanted.get(key), found.get(key)
    return name, wanted, found
