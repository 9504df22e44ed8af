"""Score the coarse stage and the dense field on pairs whose displacement is known.

Figures are pooled over the pixels of a class; masked and unseeded pixels and an 8-px border are
left out.  The coarse field is scored at every pixel, by the interpolation that starts the network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from piv import metrics
from piv.correlate import coarse_at_every_pixel
from piv.errors import InputError, SettingsError
from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN
from piv.network.refine import refine
from piv.network.weights import Model
from piv.pipeline import analyse
from piv.post.propagation import error_correlation_length
from piv.settings import Settings
from piv.train import floors
from piv.train.calibration import SHARE_68, median_of_finite
from piv.train.source import Hidden
from piv.types import Bool, Float, TruePair

COARSE, LEAST_SQUARES, DENSE = "coarse", "least squares", "dense"
POOLED, MEAN = "all classes pooled", "geometric mean"
WAVES = ("sine", "triangle")  # flows of one wavelength, whose gain is found
_NOTHING = 1e-6  # px; a floor below it is none: a uniform displacement is known at one particle
_STRIDE = 5  # every n-th pixel that counts enters the figures over all classes


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one method on one class."""

    kind: str
    method: str
    pairs: int
    figures: Mapping[str, float]


class Sweep(NamedTuple):
    """One pair of a sweep: what was varied, and what came out; and the pair's class."""

    method: str
    varied: float
    result: float
    kind: str = ""


class Step(NamedTuple):
    """Response to a step of the displacement, over all pairs of a class.

    ``response`` goes from 0 to 1 over ``distance`` (px across the step); ``overshoot`` is a share
    of the jump, ``rise`` the width from 10 to 90 %, px.
    """

    kind: str
    method: str
    distance: list[float]
    response: list[float]
    overshoot: float
    rise: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that one scoring gives.

    Parameters
    ----------
    rows : list of Row
        Per class and method; at the end over all classes.
    bias : list of Sweep
        Pairs of uniform displacement: displacement of a component (px) -> its bias (px).
    response : list of Sweep
        Pairs of sinusoidal displacement: wavelength (px) -> gain.
    steps : list of Step
        Classes whose displacement jumps across a line.
    reliability : list of (float, float)
        Dense field: mean stated uncertainty (px) of twenty classes of equal number -> the
        68.3 % point of their absolute errors (px).
    """

    rows: list[Row] = field(default_factory=list)
    bias: list[Sweep] = field(default_factory=list)
    response: list[Sweep] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    reliability: list[tuple[float, float]] = field(default_factory=list)


class _Estimate(NamedTuple):
    u: Float
    v: Float
    uncertainty_u: Float | None = None
    uncertainty_v: Float | None = None


@dataclass(slots=True)
class _Stack:
    """Measured and true fields of one method, collected pair by pair."""

    estimates: list[_Estimate] = field(default_factory=list)
    truths: list[TruePair] = field(default_factory=list)

    def figures(self, wider: float | None) -> dict[str, float]:
        stated = self.estimates[0].uncertainty_u is not None
        figures = dict(
            metrics.score(
                self._stack("u"),
                self._stack("v"),
                np.stack([true.u for true in self.truths]),
                np.stack([true.v for true in self.truths]),
                uncertainty_u=self._stack("uncertainty_u") if stated else None,
                uncertainty_v=self._stack("uncertainty_v") if stated else None,
                wider=wider,
                where=np.stack([counts(true) for true in self.truths]),
            )
        )
        if stated:
            shares = [_coverage(e, t) for e, t in zip(self.estimates, self.truths, strict=True)]
            figures["coverage_low"], figures["coverage_high"] = min(shares), max(shares)
        lengths = [_correlation(e, t) for e, t in zip(self.estimates, self.truths, strict=True)]
        figures["error_correlation_length"] = median_of_finite(lengths)
        return figures

    def step(self) -> tuple[Float, Float] | None:
        """Mean profile over the pairs, if their displacement jumps across a line."""
        profiles = [
            profile
            for estimate, true in zip(self.estimates, self.truths, strict=True)
            if (profile := _step(estimate, true)) is not None
        ]
        if not profiles:
            return None
        responses = np.stack([response for _, response in profiles])
        known = np.isfinite(responses).any(axis=0)
        return profiles[0][0][known], np.nanmean(responses[:, known], axis=0)

    def sample(self) -> dict[str, Float]:
        """Every n-th pixel that counts, as flat arrays."""
        where = metrics.counting(
            self._stack("u"), where=np.stack([counts(t) for t in self.truths]), border=BORDER
        )
        arrays = {name: self._stack(name) for name in ("u", "v")}
        if self.estimates[0].uncertainty_u is not None:
            arrays |= {name: self._stack(name) for name in ("uncertainty_u", "uncertainty_v")}
        arrays["true_u"] = np.stack([true.u for true in self.truths])
        arrays["true_v"] = np.stack([true.v for true in self.truths])
        return {name: array[where][::_STRIDE] for name, array in arrays.items()}

    def _stack(self, name: str) -> Float:
        return np.stack([getattr(estimate, name) for estimate in self.estimates])


def _coverage(estimate: _Estimate, true: TruePair) -> float:
    """Share of one pair's errors within the stated half-widths."""
    assert estimate.uncertainty_u is not None
    assert estimate.uncertainty_v is not None
    where = metrics.counting(estimate.u, estimate.v, where=counts(true), border=BORDER)
    e = metrics.Errors((estimate.u - true.u)[where], (estimate.v - true.v)[where])
    return metrics.coverage(e, estimate.uncertainty_u[where], estimate.uncertainty_v[where])


def _correlation(estimate: _Estimate, true: TruePair) -> float:
    """Distance over which one pair's errors are alike, px."""
    where = counts(true)
    where[:BORDER], where[-BORDER:], where[:, :BORDER], where[:, -BORDER:] = (False,) * 4
    errors = np.stack([estimate.u - true.u, estimate.v - true.v])
    return error_correlation_length(np.where(where, errors, np.nan))


def _step(estimate: _Estimate, true: TruePair) -> tuple[Float, Float] | None:
    if _flow(true) != "step":
        return None
    drawn = true.recipe["scene"]["drawn"]
    angle, half = drawn["angle"], drawn["jump"] / 2
    mean = math.cos(angle) * drawn["mean_u"] + math.sin(angle) * drawn["mean_v"]
    return metrics.step_response(
        estimate.u,
        estimate.v,
        (drawn["origin_y"], drawn["origin_x"]),
        angle,
        (mean - half, mean + half),
        where=counts(true),
        border=BORDER,
    )


def _flow(true: TruePair) -> str:
    """What the generator calls the pair's flow; empty for other pairs."""
    scene = true.recipe.get("scene")
    return str(scene.get("flow", "")) if isinstance(scene, Mapping) else ""


def counts(true: TruePair) -> Bool:
    """True where a pixel is scored: its displacement is known, it is seeded and not masked."""
    where: Bool = np.isfinite(true.u) & np.isfinite(true.v)
    if true.seeded is not None:
        where &= true.seeded
    if true.pair.mask is not None:
        where &= ~true.pair.mask
    return where


def least_squares_alone(model: Model) -> Model:
    """The same loop without anything learned: an untrained network returns its base."""
    network = CCFCN(model.network.config).eval().requires_grad_(False)
    return dataclasses.replace(model, name=LEAST_SQUARES, network=network)


def evaluate(
    classes: Mapping[str, Iterable[TruePair]],
    settings: Settings,
    model: Model | None,
    *,
    ablation: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Score the coarse stage, and with a model the dense field.

    Parameters
    ----------
    classes : mapping of class to pairs
        Pairs of one class have one shape.
    settings : Settings
    model : Model or None
    ablation : bool
        Also score the least-squares base alone, iterated as often as the network.
    progress : callable
        Called after every pair.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the pairs of a class differ in shape, or leave nothing to score.
    SettingsError
        If the settings name a region: truth belongs to whole frames.
    """
    if settings.preprocess.region:
        raise SettingsError("preprocess.region cannot be used when scoring: leave it out")
    result = Evaluation()
    samples: dict[str, list[dict[str, Float]]] = {}
    wider = None if model is None else model.interval_95 / model.interval_68
    for kind, pairs in classes.items():
        stacks: dict[str, _Stack] = {}
        for true in pairs:
            for method, estimate in _estimates(true, settings, model, ablation).items():
                stack = stacks.setdefault(method, _Stack())
                if stack.truths and stack.truths[0].u.shape != true.u.shape:
                    raise InputError(f"the pairs of class {kind} differ in shape")
                stack.estimates.append(estimate)
                stack.truths.append(true)
                _sweeps(result, kind, method, true, estimate)
            progress()
        for method, stack in stacks.items():
            figures = stack.figures(wider)
            gains = [p.result for p in result.response if (p.kind, p.method) == (kind, method)]
            if gains:
                figures["wavelength_response"] = float(np.mean(gains))
            if (profile := stack.step()) is not None:
                edge = metrics.overshoot(profile[1]), metrics.rise(*profile)
                figures["overshoot"] = edge[0]
                lists = (profile[0].tolist(), profile[1].tolist())
                result.steps.append(Step(kind, method, *lists, *edge))
            result.rows.append(Row(kind, method, len(stack.truths), figures))
            samples.setdefault(method, []).append(stack.sample())
    if len(classes) > 1:
        result.rows.extend(_over_classes(result.rows, samples, wider))
    if DENSE in samples:
        result.reliability.extend(reliability(samples[DENSE]))
    return result


def _estimates(
    true: TruePair, settings: Settings, model: Model | None, ablation: bool
) -> dict[str, _Estimate]:
    analysis = analyse(true.pair, settings=settings, model=model)
    # the coarse stage at its own best, not as it is where the network follows
    alone = analysis if model is None else analyse(true.pair, settings=settings, model=None)
    u, v = coarse_at_every_pixel(alone.coarse, true.pair.shape)
    found = {COARSE: _Estimate(u, v)}
    if model is not None and ablation:
        bare = refine(true.pair, analysis.coarse, least_squares_alone(model), settings.refine)
        found[LEAST_SQUARES] = _Estimate(bare.u, bare.v)
    if analysis.dense is not None:
        dense = analysis.dense
        found[DENSE] = _Estimate(dense.u, dense.v, dense.uncertainty_u, dense.uncertainty_v)
    return found


def _sweeps(
    result: Evaluation, kind: str, method: str, true: TruePair, estimate: _Estimate
) -> None:
    """Add what a pair of uniform or of sinusoidal displacement tells."""
    where = counts(true)
    if np.ptp(true.u[where]) == 0 and np.ptp(true.v[where]) == 0:
        e = metrics.errors(estimate.u, estimate.v, true.u, true.v, where=where, border=BORDER)
        for component, bias in zip((true.u, true.v), metrics.bias(e), strict=True):
            result.bias.append(Sweep(method, float(component[where][0]), bias, kind))
    wavelength = _find(true.recipe, "wavelength")
    if _flow(true) in WAVES and wavelength is not None:
        gain = metrics.wavelength_response(
            estimate.u, estimate.v, true.u, true.v, where=where, border=BORDER
        )
        result.response.append(Sweep(method, wavelength, gain, kind))


def _find(record: Mapping[str, Any], name: str) -> float | None:
    """A number in a nested record."""
    for key, value in record.items():
        if key == name and isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, Mapping) and (found := _find(value, name)) is not None:
            return found
    return None


def _over_classes(
    rows: list[Row], samples: dict[str, list[dict[str, Float]]], wider: float | None
) -> list[Row]:
    means, pooled = [], []
    for method, parts in samples.items():
        mine = [row for row in rows if row.method == method]
        number = sum(row.pairs for row in mine)
        mean = {
            name: math.exp(float(np.mean(np.log([row.figures[name] for row in mine]))))
            for name in ("mean_endpoint_error", "vector_rms")
        }
        means.append(Row(MEAN, method, number, mean))
        joined = {name: np.concatenate([part[name] for part in parts])[None] for name in parts[0]}
        figures = metrics.score(
            joined["u"],
            joined["v"],
            joined["true_u"],
            joined["true_v"],
            uncertainty_u=joined.get("uncertainty_u"),
            uncertainty_v=joined.get("uncertainty_v"),
            wider=wider,
            border=0,
        )
        pooled.append(Row(POOLED, method, number, figures))
    return means + pooled


def floor_rows(
    classes: Mapping[str, Iterable[tuple[TruePair, Hidden | None]]],
    progress: Callable[[], None] = lambda: None,
) -> list[Row]:
    """What the images of each class allow at best; see :mod:`piv.train.floors`.

    Parameters
    ----------
    classes : mapping of class to pairs
        Each with what is hidden of it, or None: then only the windows' floor is known.
    progress : callable
        Called after every pair.

    Returns
    -------
    rows : list of Row
        With ``vector_rms`` and, where a floor has windows, their ``width`` (px); with more than
        one class also the geometric mean.
    """
    rows: list[Row] = []
    for kind, pairs in classes.items():
        found = []
        for true, hidden in pairs:
            found.append(floors.squares(true, counts(true), hidden))
            progress()
        for floor in floors.floors(found):
            figures = {"vector_rms": floor.vector_rms}
            if floor.width:
                figures["width"] = float(floor.width)
            rows.append(Row(kind, floor.name, len(found), figures))
    if len(classes) > 1:
        for method in dict.fromkeys(row.method for row in rows):
            mine = [row for row in rows if row.method == method]
            values = [row.figures["vector_rms"] for row in mine]
            if min(values) > _NOTHING:
                mean = math.exp(float(np.mean(np.log(values))))
                number = sum(row.pairs for row in mine)
                rows.append(Row(MEAN, method, number, {"vector_rms": mean}))
    return rows


def by_class(rows: Iterable[Row]) -> list[Row]:
    """All rows of a class together, the classes in the order in which they first come."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.kind, []).append(row)
    return [row for group in found.values() for row in group]


def series(kind: str) -> str:
    """Name of a series of classes: that of a class without the number at its end."""
    return kind.rstrip("0123456789")


def reliability(parts: list[dict[str, Float]], bins: int = 20) -> list[tuple[float, float]]:
    """Mean stated uncertainty, px -> 68.3 % point of the absolute errors, px.

    Parameters
    ----------
    parts : list of dict
        Flat arrays ``u``, ``v``, ``true_u``, ``true_v``, ``uncertainty_u``, ``uncertainty_v``.
    bins : int
        Classes of equal number, by stated uncertainty.
    """
    stated = np.concatenate([p[f"uncertainty_{c}"] for p in parts for c in "uv"])
    error = np.abs(np.concatenate([p[c] - p[f"true_{c}"] for p in parts for c in "uv"]))
    groups = np.array_split(np.argsort(stated, kind="stable"), bins)
    return [
        (float(stated[g].mean()), float(np.quantile(error[g], SHARE_68))) for g in groups if g.size
    ]
