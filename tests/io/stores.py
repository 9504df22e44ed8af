"""Small stores of known content for the tests; loads no torch, so that processes start quickly."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from piv.io.results.packed import PackedPair, pack_analysis, packed_failure
from piv.io.results.writer import ResultsWriter
from piv.types import Analysis, VectorField

COMMON = {"package": "ccfcn-piv 0", "settings": {"correlate": {"windows": [64, 32]}}}
DENSE, COARSE = (70, 300), (5, 9)


def analysis(number: int, dense: tuple[int, int] | None = DENSE) -> Analysis:
    """Fields that differ from pair to pair, the same for the same number."""
    rng = np.random.default_rng(number)

    def field(shape: tuple[int, int], **changes: Any) -> VectorField:
        u, v = (np.round(rng.normal(number, 1, shape), 1).astype(np.float32) for _ in range(2))
        return VectorField(
            x=np.arange(shape[1], dtype=float), y=np.arange(shape[0], dtype=float), u=u, v=v,
            flags=rng.integers(0, 4, shape).astype(np.uint16), dt=2e-4, **changes,
        )  # fmt: skip

    peaks = rng.uniform(1, 5, COARSE).astype(np.float32)
    windows = [[64, 64], [32, 32 + number]]
    coarse = field(COARSE, extra={"peak_ratio": peaks}, attrs={**COMMON, "windows": windows})
    fine = None
    if dense is not None:
        size = np.abs(rng.normal(0, 1, dense)).astype(np.float32)
        fine = field(dense, uncertainty_u=size, uncertainty_v=size * 2, attrs=COMMON)
    source = {"name": f"pair {number}", "sha256": f"{number:064x}"}
    quality = {"valid": 90.0 + number % 10, "peak_locking": math.nan}
    return Analysis(coarse, fine, quality, {**COMMON, "input": source})


def template(dense: tuple[int, int] | None = DENSE) -> Analysis:
    example = analysis(0, dense)
    return Analysis(example.coarse, example.dense, example.quality, COMMON)


def packed(position: int, dense: tuple[int, int] | None = DENSE) -> PackedPair:
    """What is stored at a position; every seventh pair has failed."""
    if position % 7 == 6:
        return packed_failure(position, f"no contrast {position}", seconds=0.5, name="bad")
    return pack_analysis(analysis(position, dense), position, seconds=position / 8)


def create(
    path: Path, count: int = 12, dense: tuple[int, int] | None = DENSE, **options: Any
) -> ResultsWriter:
    return ResultsWriter.create(
        path, count=count, template=template(dense), provenance={"run": 1},
        names=[f"name {n}" for n in range(count)], **options,
    )  # fmt: skip


def content(path: Path) -> dict[str, str]:
    """Digest of every data set, of what its values are."""
    found: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            text = h5py.check_string_dtype(item.dtype) is not None
            values = item.asstr()[()].tolist() if text else item[()]
            data = repr(values).encode() if text else values.tobytes()
            found[name] = hashlib.sha256(repr(item.shape).encode() + data).hexdigest()

    with h5py.File(path, "r") as store:
        store.visititems(note)
    return found
