"""What a user has changed in a result, applied: flags, and the coarse field filled again."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gui.compute.server import Context, task
from gui.compute.tasks.inspect import last_pass
from gui.edits import edited_dense, outside_limits, rejected_by_hand
from gui.state import FieldEdits
from piv.io.sources import SourceSpec
from piv.settings import Settings
from piv.types import Analysis, Bool, Flag, VectorField
from piv.validate import REJECTED, fill, validate

__all__ = ["apply", "judged"]

# what the tests of piv.validate set: they are made anew
_TESTED = int(
    Flag.LOW_PEAK_RATIO | Flag.LOW_PEAK | Flag.OUT_OF_RANGE | Flag.MEDIAN_OUTLIER | Flag.REPLACED
)


@task
def apply(
    context: Context,
    analysis: Analysis,
    edits: FieldEdits,
    spec: SourceSpec | None = None,
    index: int = 0,
    mask: Bool | None = None,
    settings: Settings | None = None,
) -> Analysis:
    """An analysis with a user's edits; nothing is correlated again that has been looked at.

    Parameters
    ----------
    context : Context
    analysis : Analysis
        In px; stays as it is.
    edits : FieldEdits
    spec, index, mask, settings
        The pair and the settings of the analysis, where its images are open: a vector that had
        been replaced can then come back with the value that was measured.  Without them it stays
        replaced, since only the value in its place was kept.

    Returns
    -------
    Analysis
        The coarse field judged and filled again, the dense one with its flags; both say in
        ``attrs["edits"]`` what was done.
    """
    measured = None
    if edits.validate is not None and spec is not None and settings is not None:
        context.progress(0, 0, "looking up what was measured")
        measured = _measured(last_pass(spec, index, mask, settings).trace.grid, analysis.coarse)
    record = {"edits": _record(edits)}
    coarse = judged(analysis.coarse, edits, measured)
    coarse = coarse.replace(attrs={**coarse.attrs, **record})
    dense = analysis.dense
    if dense is not None:
        dense = edited_dense(dense, edits)
        dense = dense.replace(attrs={**dense.attrs, **record})
    quality = {**analysis.quality, "valid": valid_share(coarse)}
    return Analysis(coarse, dense, quality, {**analysis.provenance, **record})


def _measured(grid: Any, coarse: VectorField) -> VectorField | None:
    """What was measured on the coarse field's grid, with the flags of the peaks."""
    u, v, flags = (each[0].numpy() for each in (grid.u, grid.v, grid.flags))
    if u.shape != coarse.u.shape:
        return None
    alike = (coarse.flags & int(Flag.REPLACED | Flag.MASKED)) == 0
    if not np.allclose(u[alike], coarse.u[alike], atol=1e-2):
        return None  # other images than those of the result: better what the result holds
    return coarse.replace(u=u, v=v, flags=flags.astype(np.uint16))


def judged(
    coarse: VectorField, edits: FieldEdits, measured: VectorField | None = None
) -> VectorField:
    """The coarse field with a user's edits: judged, and what failed replaced.

    Parameters
    ----------
    coarse : VectorField, shape (Ny, Nx)
        As :func:`piv.analyse` gives it, in px.
    edits : FieldEdits
    measured : VectorField, optional
        The values before any was replaced, with the flags of their peaks alone.

    Returns
    -------
    VectorField
        Without edits, and with the thresholds of the analysis and ``measured``: the same field.
    """
    hand = rejected_by_hand(coarse, "coarse", edits)
    source = coarse if measured is None or edits.validate is None else measured
    flags = source.flags.astype(np.int32)
    gone = (flags & int(Flag.REPLACED)) != 0  # what was measured there is not known
    if edits.validate is not None:
        flags = np.where(gone, flags, flags & ~_TESTED)
    alive = (flags & int(Flag.MASKED)) == 0
    flags[hand & alive] |= int(Flag.MANUAL)
    u, v = (np.where(gone, np.float32(np.nan), part) for part in (source.u, source.v))
    flags[outside_limits(u, v, edits.limits) & alive] |= int(Flag.OUT_OF_RANGE)
    both = [torch.from_numpy(np.ascontiguousarray(part, np.float32))[None] for part in (u, v)]
    bits = torch.from_numpy(np.ascontiguousarray(flags))[None]
    if edits.validate is not None:
        height, ratio = (_extra(coarse, name) for name in ("peak_height", "peak_ratio"))
        if "pair_count" in coarse.extra:  # an ensemble: the sum of its planes is tested
            height = height * _extra(coarse, "pair_count").clamp(min=1)
        bits = validate(both[0], both[1], bits, height, ratio, edits.validate)
    return _filled(coarse, both, bits)


def _extra(field: VectorField, name: str) -> Tensor:
    """A measurement of the grid, (1, Ny, Nx); large where the field does not have it."""
    if name not in field.extra:
        return torch.full((1, *field.u.shape), 1e3)
    return torch.from_numpy(np.array(field.extra[name], np.float32))[None]


def _filled(coarse: VectorField, both: list[Tensor], bits: Tensor) -> VectorField:
    bits = bits & ~int(Flag.REPLACED)
    known = torch.isfinite(both[0]) & torch.isfinite(both[1])
    masked = (bits & int(Flag.MASKED)) != 0
    keep = ((bits & REJECTED) == 0) & known
    filled = fill(both[0], both[1], keep, masked)
    u, v = (torch.where(masked, torch.nan, part)[0].numpy() for part in filled)
    bits = bits | (~keep & ~masked).int() * int(Flag.REPLACED)
    return coarse.replace(u=u, v=v, flags=bits[0].numpy().astype(np.uint16))


def valid_share(field: VectorField) -> float:
    """Percentage of the vectors outside the mask that were measured and passed every test."""
    alive = (field.flags & int(Flag.MASKED)) == 0
    return float(100 * (field.valid & alive).sum() / max(1, alive.sum()))


def _record(edits: FieldEdits) -> dict[str, Any]:
    """Plain data."""
    boxes = [dataclasses.asdict(box) for box in edits.boxes]
    return {
        "rejected": {
            "coarse": [list(cell) for cell in sorted(edits.coarse)],
            "dense": [list(cell) for cell in sorted(edits.dense)],
            "boxes": boxes,
        },
        "limits": [list(corner) for corner in edits.limits],
        "validate": None if edits.validate is None else dataclasses.asdict(edits.validate),
    }
