"""Figures of a scoring: errors by class, bias, wavelength response, reliability."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from piv.train.evaluation import Evaluation, Sweep

_COLOURS = {"coarse": "tab:gray", "least squares": "tab:orange", "dense": "tab:blue"}


def evaluation_figure(result: Evaluation) -> bytes:
    """Up to four panels, as a PNG image.

    Parameters
    ----------
    result : Evaluation
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [_errors]
    panels += [_bias] if result.bias else []
    panels += [_response] if result.response else []
    panels += [_reliability] if result.reliability else []
    figure = Figure(figsize=(6.4 * min(2, len(panels)), 4.2 * -(-len(panels) // 2)), dpi=150)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(-(-len(panels) // 2), min(2, len(panels)), squeeze=False).ravel()
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
        ax.barh(
            places, [found[kind] for kind in kinds], height, label=method,
            color=_COLOURS.get(method),
        )  # fmt: skip
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
    for method, points in _by_method(result.response):
        lengths = sorted({p.varied for p in points})
        gains = [np.mean([p.result for p in points if p.varied == length]) for length in lengths]
        ax.plot(lengths, gains, "o-", markersize=4, label=method, color=_COLOURS.get(method))
    ax.axhline(1.0, color="0.5", linewidth=0.8)
    ax.set(xlabel="wavelength (px)", ylabel="gain", xscale="log")
    _plain(ax.xaxis)
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
