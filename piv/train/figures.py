"""Figures of a scoring: errors by class, bias, wavelength response, reliability."""

from __future__ import annotations

import io
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from piv.train.evaluation import series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from piv.train.evaluation import Evaluation, Sweep

_COLOURS = {
    "coarse": "tab:gray",
    "least squares": "tab:orange",
    "dense": "tab:blue",
    "floor: particles": "tab:green",
    "floor: window": "tab:olive",
    "floor: Cramer-Rao": "tab:brown",
}
_DASHES = ("o-", "s--", "^:", "v-.")


def evaluation_figure(result: Evaluation) -> bytes:
    """Up to five panels, as a PNG image.

    Parameters
    ----------
    result : Evaluation
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [_errors]
    panels += [_bias] if result.bias else []
    panels += [_response] if result.response else []
    panels += [_steps] if result.steps else []
    panels += [_reliability] if result.reliability else []
    rows, columns = -(-len(panels) // 2), min(2, len(panels))
    bars = len({(row.kind, row.method) for row in result.rows})
    heights = [max(4.2, 0.09 * bars)] + [4.2] * (rows - 1)  # inches
    figure = Figure(figsize=(6.4 * columns, sum(heights)), dpi=150)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        panel(ax, result)
        ax.grid(visible=True, color="0.92")
        ax.set_axisbelow(True)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    image = io.BytesIO()
    FigureCanvasAgg(figure).print_png(image)  # type: ignore[no-untyped-call]
    return image.getvalue()


def _errors(ax: Axes, result: Evaluation) -> None:
    kinds = list(dict.fromkeys(row.kind for row in result.rows))
    methods = list(dict.fromkeys(row.method for row in result.rows))
    height = 0.8 / len(methods)
    for n, method in enumerate(methods):
        found = {row.kind: row.figures["vector_rms"] for row in result.rows if row.method == method}
        places = np.arange(len(kinds)) + (n - (len(methods) - 1) / 2) * height
        lengths = [found.get(kind, np.nan) for kind in kinds]
        ax.barh(places, lengths, height, label=method, color=_COLOURS.get(method))
    ax.set_yticks(range(len(kinds)), kinds)
    ax.invert_yaxis()
    ax.set(xlabel="vector rms of the error (px)", xscale="log")
    _plain(ax.xaxis)
    _legend(ax)


def _bias(ax: Axes, result: Evaluation) -> None:
    for method, points in _by_method(result.bias):
        fraction = [p.varied % 1.0 for p in points]
        ax.plot(fraction, [p.result for p in points], ".", label=method, color=_COLOURS.get(method))
    ax.axhline(0.0, color="0.5", linewidth=0.8)
    ax.set(xlabel="sub-pixel part of the displacement (px)", ylabel="bias (px)")
    _legend(ax)


def _response(ax: Axes, result: Evaluation) -> None:
    names = list(dict.fromkeys(series(p.kind) for p in result.response))
    for method, all_points in _by_method(result.response):
        for name, dash in zip(names, cycle(_DASHES), strict=False):
            points = [p for p in all_points if series(p.kind) == name]
            lengths = sorted({p.varied for p in points})
            gains = [np.mean([p.result for p in points if p.varied == n]) for n in lengths]
            label = method if len(names) == 1 else f"{name}, {method}"
            ax.plot(lengths, gains, dash, markersize=4, label=label, color=_COLOURS.get(method))
    ax.axhline(1.0, color="0.5", linewidth=0.8)
    ax.set(xlabel="wavelength (px)", ylabel="gain", xscale="log")
    _plain(ax.xaxis)
    _legend(ax)


def _steps(ax: Axes, result: Evaluation) -> None:
    kinds = list(dict.fromkeys(step.kind for step in result.steps))
    for step in result.steps:
        dash = _DASHES[kinds.index(step.kind) % len(_DASHES)]
        label = f"{step.kind}, {step.method}"
        ax.plot(
            step.distance, step.response, dash, markersize=3, label=label,
            color=_COLOURS.get(step.method),
        )  # fmt: skip
    for level in (0.0, 1.0):
        ax.axhline(level, color="0.5", linewidth=0.8)
    ax.set(xlabel="distance across the step (px)", ylabel="response", xlim=(-24, 24))
    _legend(ax)


def _reliability(ax: Axes, result: Evaluation) -> None:
    stated, found = zip(*result.reliability, strict=True)
    ends = [min(stated), max(stated)]
    ax.plot(ends, ends, color="0.5", linewidth=0.8, label="as stated")
    ax.plot(stated, found, "o-", markersize=4, color=_COLOURS["dense"], label="dense")
    ax.set(
        xlabel="stated uncertainty (px)", ylabel="68.3 % point of |error| (px)",
        xscale="log", yscale="log",
    )  # fmt: skip
    _plain(ax.xaxis)
    _plain(ax.yaxis)
    _legend(ax)


def _plain(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5 as plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(ax: Axes) -> None:
    """Above the panel, where it hides nothing."""
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize="small")


def _by_method(points: list[Sweep]) -> list[tuple[str, list[Sweep]]]:
    methods = list(dict.fromkeys(point.method for point in points))
    return [(m, [point for point in points if point.method == m]) for m in methods]
