"""Result files of known fields for the tests; imports little, so that processes start quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from piv.io.results.packed import PackedPair, pack_analysis
from piv.io.results.writer import ResultsWriter
from piv.types import Analysis, VectorField

COMMON = {"package": "ccfcn-piv 0"}


def analysis(field: VectorField, number: int = 0) -> Analysis:
    """A dense field, and a coarse one of every third vector."""
    coarse = VectorField(
        x=field.x[::3], y=field.y[::3], u=field.u[::3, ::3], v=field.v[::3, ::3],
        flags=field.flags[::3, ::3], dt=field.dt, units=field.units, y_axis=field.y_axis,
    )  # fmt: skip
    source = {"name": f"pair {number}", "sha256": f"{number:064x}"}
    return Analysis(coarse, field, {}, {**COMMON, "input": source})


def store(path: Path, fields: Sequence[VectorField | None]) -> Path:
    """A finished run; None is a pair that failed."""
    example = analysis(next(each for each in fields if each is not None))
    template = replace(example, provenance=COMMON)
    with ResultsWriter.create(
        path, count=len(fields), template=template, provenance=COMMON,
        names=[f"pair {n}" for n in range(len(fields))],
    ) as writer:  # fmt: skip
        for number, each in enumerate(fields):
            writer.put(number, "no contrast" if each is None else analysis(each, number))
    return path


def large_store(path: Path, count: int, size: tuple[int, int]) -> Path:
    """A run of noise that does not compress: two fields, stored by turns."""
    rng = np.random.default_rng(7)
    pairs: list[PackedPair] = []
    for number in range(2):
        values = rng.normal(number, 1, (4, *size)).astype(np.float32)
        field = VectorField(
            x=np.arange(size[1], dtype=float), y=np.arange(size[0], dtype=float),
            u=values[0], v=values[1], flags=np.zeros(size, np.uint16),
            uncertainty_u=np.abs(values[2]), uncertainty_v=np.abs(values[3]),
        )  # fmt: skip
        pairs.append(pack_analysis(analysis(field, number), 0))
    template = replace(analysis(field), provenance=COMMON)
    with ResultsWriter.create(
        path, count=count, template=template, provenance=COMMON,
        names=[f"pair {n}" for n in range(count)],
    ) as writer:  # fmt: skip
        for first in range(0, count, 10):
            some = range(first, min(first + 10, count))
            writer.write([moved(pairs[position % 2], position) for position in some])
    return path


def moved(pair: PackedPair, position: int) -> PackedPair:
    """The same pair, to be written at another position."""
    chunks = {
        name: [((position, *offset[1:]), data) for offset, data in parts]
        for name, parts in pair.chunks.items()
    }
    return replace(pair, position=position, chunks=chunks)
