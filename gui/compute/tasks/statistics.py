"""Statistics of a series of results: means, fluctuations, stresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from gui.compute.server import Context, task
from gui.compute.tasks.fields import MASKED, VALID, as_map, in_px
from gui.edits import LEFT_OUT, edited_dense
from gui.state import FieldEdits, Stage
from piv import post
from piv.errors import InputError
from piv.types import Calibration, Float, VectorField

__all__ = ["run", "save"]

Entry: TypeAlias = tuple[VectorField, FieldEdits]
EXCLUDED = post.EXCLUDED | LEFT_OUT


@task
def run(
    context: Context,
    entries: Sequence[Entry] = (),
    path: Path | None = None,
    stage: Stage = "dense",
    up: bool = False,
) -> dict[str, Any]:
    """Statistics over results of the session, or over a results file.

    Parameters
    ----------
    context : Context
    entries : sequence of (VectorField, FieldEdits)
        In px; not used with a path.
    path : Path, optional
        Of a results file.
    stage : "dense" or "coarse"
    up : bool
        The mean of v counts upwards.

    Returns
    -------
    dict
        ``maps``: name of :data:`gui.quantities.STATISTICS` -> map as of
        :func:`gui.compute.tasks.fields.quantity_map`; ``mean`` (a VectorField, px) and its
        ``arrows``, ``fields`` (how many), ``least``, ``most``: vectors counted at a point.

    Raises
    ------
    InputError
        If there are under two results, or their grids differ.
    """
    flow = _statistics(context, entries, path, stage, None)
    stress = post.reynolds_stress(flow)
    sign = -1.0 if up else 1.0
    arrays: dict[str, Float] = {
        "mean speed": np.hypot(flow.mean_u, flow.mean_v),
        "mean u": flow.mean_u,
        "mean v": sign * flow.mean_v,
        "rms u": flow.rms("u").raw,
        "rms v": flow.rms("v").raw,
        "stress uu": stress.uu.raw,
        "stress vv": stress.vv.raw,
        "stress uv": stress.uv.raw,
        "kinetic energy": post.turbulent_kinetic_energy(flow).raw,
        "count": flow.count.astype(np.float32),
    }
    mean = flow.mean_field.replace(attrs={})
    maps = {name: as_map(mean, values, name) for name, values in arrays.items()}
    return {
        "maps": maps,
        "mean": mean,
        "arrows": {
            "x": mean.x,
            "y": mean.y,
            "u": mean.u,
            "v": mean.v,
            "kind": np.where(np.isfinite(mean.u), np.uint8(VALID), np.uint8(MASKED)),
        },
        "fields": flow.fields,
        "least": int(flow.count.min()),
        "most": int(flow.count.max()),
    }


@task
def save(
    context: Context,
    file: Path,
    entries: Sequence[Entry] = (),
    path: Path | None = None,
    stage: Stage = "dense",
    calibration: Calibration | None = None,
) -> int:
    """Write the statistics to a netCDF-4 file, calibrated if there is a calibration.

    Returns
    -------
    int
        How many results went into them.

    Raises
    ------
    PIVError
        As for :func:`run`, or if the disk refuses.
    """
    from piv.io.statistics import statistics_tables, write_tables

    flow = _statistics(context, entries, path, stage, calibration)
    write_tables(file, statistics_tables(flow))
    return flow.fields


def _statistics(
    context: Context,
    entries: Sequence[Entry],
    path: Path | None,
    stage: Stage,
    calibration: Calibration | None,
) -> post.Statistics:
    count, fields = _fields(entries, path, stage)
    if count < 2:
        raise InputError(
            f"statistics need at least two results, and there {'is' if count == 1 else 'are'} "
            f"{count}: run the series first"
        )
    taken = post.Accumulator(exclude=EXCLUDED, order=2)
    for number, field in enumerate(fields, start=1):
        taken.add(field if calibration is None else _calibrated(field, calibration))
        context.progress(number, count, f"statistics: {number} of {count} results")
    return taken.result()


def _calibrated(field: VectorField, calibration: Calibration) -> VectorField:
    from piv.calibrate import calibrate

    return calibrate(field, calibration)


def _fields(
    entries: Sequence[Entry], path: Path | None, stage: Stage
) -> tuple[int, Iterator[VectorField]]:
    if path is None:
        return len(entries), (_edited(field, edits, stage) for field, edits in entries)
    from piv.io.store import open_results

    results = open_results(path)
    if stage not in results.groups:
        raise InputError(f"{path.name} holds no {stage} field: choose the other one")
    done = results.done
    return len(done), (in_px(results.field(each, stage)) for each in done)


def _edited(field: VectorField, edits: FieldEdits, stage: Stage) -> VectorField:
    if not edits:
        return field
    if stage == "dense":
        return edited_dense(field, edits)
    from gui.compute.tasks.validate import judged  # loads torch, only where it is needed

    return judged(field, edits)
