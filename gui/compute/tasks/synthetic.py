"""Synthetic pairs: making them, comparing a result with the truth, planning an experiment."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gui.compute.server import task
from gui.synthetic import Maker, PlanRow, varied
from piv import metrics
from piv.errors import InputError, PIVError
from piv.io.files import make_folder, replacing
from piv.io.sources import SourceSpec
from piv.settings import Settings
from piv.types import Analysis, Bool, Flag, Float, VectorField

__all__ = ["copy", "errors", "pair", "plan"]

_SPLIT = "train"


@task
def pair(context: Any, maker: Maker, path: Path) -> Path:
    """Make the pairs with their truth, as a data set.

    Returns
    -------
    Path
        Of the data set.

    Raises
    ------
    PIVError
        If they cannot be made or written.
    """
    from synth.dataset import write_dataset
    from synth.source import Source

    make_folder(path.parent)
    context.progress(0, maker.count, "drawing the flow and the particles")
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        context.progress(done, maker.count, f"pair {done} of {maker.count}")

    write_dataset(
        path, Source(maker.recipe()), _SPLIT, range(maker.seed, maker.seed + maker.count),
        kind=maker.flow, size=(maker.height, maker.width), progress=step,
    )  # fmt: skip
    return path


@task
def copy(context: Any, path: Path, to: Path) -> str:  # noqa: ARG001
    """Keep a data set under another name.

    Raises
    ------
    PIVError
        If it cannot be read or written.
    """
    try:
        source = path.open("rb")
    except OSError as problem:
        raise InputError(f"cannot read {path}: {problem.strerror}") from None
    with source, replacing(to) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return f"{to.name}: image pairs with their truth"


@task
def errors(context: Any, spec: SourceSpec, index: int, analysis: Analysis) -> dict[str, Any]:  # noqa: ARG001
    """Compare a result with the truth of its source.

    Parameters
    ----------
    context : Context
    spec : SourceSpec
    index : int
    analysis : Analysis
        In px.

    Returns
    -------
    dict
        ``dense`` (or None) and ``coarse``: figures of :func:`piv.metrics.score`; ``map``: the
        end-point error of the better field, float32 (Ny, Nx), px, NaN where it does not count;
        ``extent``: left, top, right, bottom of the map, px.

    Raises
    ------
    InputError
        If the source has no truth, or nothing of it can be compared.
    """
    with spec.open() as source:
        truth = source.truth(index)
    if truth is None:
        raise InputError("the truth of this pair is not known: make a synthetic pair first")
    found: dict[str, Any] = {"dense": None}
    for name, field in (("coarse", analysis.coarse), ("dense", analysis.dense)):
        if field is not None:
            u, v, counted = truth_at(field, truth)
            found[name] = dict(scored(field, u, v, counted))
            found["map"] = np.where(
                counted, np.hypot(field.u - u, field.v - v), np.float32(np.nan)
            ).astype(np.float32)
            found["extent"] = _extent(field)
    return found


@task
def plan(
    context: Any,
    maker: Maker,
    factor: str,
    values: Sequence[float],
    pairs: int,
    settings: Settings,
    model: str,
) -> list[PlanRow]:
    """What error is to be expected, over one factor that is varied.

    Parameters
    ----------
    context : Context
    maker : Maker
        All else; the seeds are the same for every value.
    factor : str
    values : sequence of float
    pairs : int
        Of every value; their errors are pooled.
    settings, model
        Of the analysis.

    Raises
    ------
    PIVError
        If a value or the model cannot be used.
    """
    from piv.network.weights import load_model
    from piv.pipeline import analyse
    from synth.source import Source

    makers = varied(maker, factor, values)
    if not 1 <= pairs <= 20:
        raise InputError(f"1 to 20 pairs are made for every value, not {pairs}")
    total, done = len(makers) * pairs, 0
    context.progress(done, total, "loading the network")
    weights = load_model(model)
    rows = []
    for value, each in zip(values, makers, strict=True):
        source = Source(each.recipe())
        pooled: list[tuple[Float, ...]] = []
        problem = ""
        for number in range(pairs):
            context.progress(done, total, f"{factor} {value:g}, pair {number + 1} of {pairs}")
            made = source.pair(_SPLIT, maker.seed + number, each.flow, (each.height, each.width))
            try:
                field = analyse(made.pair, settings=settings, model=weights).field
                pooled.append(_samples(field, (made.u, made.v, made.seeded)))
            except PIVError as reason:
                problem = str(reason)
            done += 1
        rows.append(PlanRow(float(value), _pooled(pooled), problem))
    context.progress(total, total, "done")
    return rows


def truth_at(
    field: VectorField, truth: tuple[Float, Float, Bool | None]
) -> tuple[Float, Float, Bool]:
    """The truth on a field's grid (bilinear), and where a vector counts.

    A vector counts where it has a value, is not masked, has particles around it, and lies 8 px or
    more inside the frame (:data:`piv.metrics.BORDER`).
    """
    true_u, true_v, seeded = truth
    height, width = true_u.shape
    rows, columns = np.asarray(field.y, np.float64), np.asarray(field.x, np.float64)
    u, v = (_bilinear(part, rows, columns) for part in (true_u, true_v))
    border = metrics.BORDER
    inside = np.logical_and.outer(
        (rows >= border) & (rows <= height - 1 - border),
        (columns >= border) & (columns <= width - 1 - border),
    )
    counted = inside & np.isfinite(field.u) & ((field.flags & int(Flag.MASKED)) == 0)
    if seeded is not None:
        near = np.ix_(
            np.clip(np.rint(rows).astype(int), 0, height - 1),
            np.clip(np.rint(columns).astype(int), 0, width - 1),
        )
        counted &= np.asarray(seeded, bool)[near]
    return u, v, counted


def scored(field: VectorField, u: Float, v: Float, counted: Bool) -> dict[str, float]:
    """Figures of a field against the truth on its grid.

    Raises
    ------
    InputError
        If no vector counts.
    """
    return dict(
        metrics.score(
            field.u, field.v, u, v, uncertainty_u=field.uncertainty_u,
            uncertainty_v=field.uncertainty_v, where=counted, border=0,
        )
    )  # fmt: skip


def _samples(field: VectorField, truth: tuple[Float, Float, Bool | None]) -> tuple[Float, ...]:
    """Measured and true components of the vectors that count, and their uncertainties."""
    u, v, counted = truth_at(field, truth)
    parts: list[Float] = [field.u, field.v, u, v]
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        parts += [field.uncertainty_u, field.uncertainty_v]
    return tuple(part[counted] for part in parts)


def _pooled(samples: list[tuple[Float, ...]]) -> dict[str, float]:
    if not samples:
        return {}
    parts = [np.concatenate(part) for part in zip(*samples, strict=True)]
    if not parts[0].size:
        return {}
    stated_u, stated_v = parts[4:] if len(parts) > 4 else (None, None)
    return dict(metrics.score(*parts[:4], uncertainty_u=stated_u, uncertainty_v=stated_v, border=0))


def _bilinear(values: Float, rows: Float, columns: Float) -> Float:
    """Values at the crossings of rows and columns, which may lie between pixels."""
    row, down = _between(rows, values.shape[0])
    column, across = _between(columns, values.shape[1])
    upper = values[row][:, column] * (1 - across) + values[row][:, column + 1] * across
    lower = values[row + 1][:, column] * (1 - across) + values[row + 1][:, column + 1] * across
    return np.asarray(upper * (1 - down)[:, None] + lower * down[:, None], np.float32)


def _between(places: Float, size: int) -> tuple[Any, Float]:
    first = np.clip(np.floor(places).astype(int), 0, size - 2)
    return first, np.clip(places - first, 0.0, 1.0)


def _extent(field: VectorField) -> tuple[float, float, float, float]:
    half = [float(axis[-1] - axis[0]) / max(1, axis.size - 1) / 2 for axis in (field.x, field.y)]
    return (
        float(field.x[0]) - half[0], float(field.y[0]) - half[1],
        float(field.x[-1]) + half[0], float(field.y[-1]) + half[1],
    )  # fmt: skip
