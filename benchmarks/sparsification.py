"""Does a stated uncertainty tell large errors from small ones? The network's against that of
correlation statistics, for the same dense field.

python sparsification.py    # -> results/sparsification.csv, ../docs/figures/sparsification.png

Sparsification: the components with the largest stated uncertainty are taken away, one per cent
after the other, and the mean |error| of the rest is divided by that of all. The oracle takes away
the largest errors. AUSE is the area between the two curves: 0 = the order of the errors is known.
Two kinds of pixel count: the seeded ones, as in every table of accuracy, and all but the masked.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from recordings import flow_of, record

import piv
from piv.metrics import BORDER, rank_correlation
from piv.train.evaluation import counts
from piv.train.source import open_source
from piv.types import ImagePair, TruePair
from piv.uncertainty import correlation_statistics

FOLDER = Path(__file__).resolve().parent
NETWORK = "network"
WINDOWS = (8, 10, 12, 16, 24)
SHOWN = 12  # px, the window of the figure
POOLED = "all classes"
COLOURS = {NETWORK: "tab:blue", f"statistics {SHOWN} px": "tab:orange", "oracle": "0.4"}
FORMS = {"ause": "{:.3f}", "rank_correlation": "{:.2f}", "coverage": "{:.0%}"}
SHARES = np.linspace(0.0, 0.99, 100)  # taken away


@dataclass(frozen=True)
class Sample:
    """Components of the pixels of one pair, flat arrays."""

    kind: str
    error: np.ndarray
    stated: dict[str, np.ndarray]
    seeded: np.ndarray


def main() -> None:
    """Score, print the tables, write the figures' numbers, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--pairs", type=int, default=3, help="of each class")
    parser.add_argument("--class", dest="kinds", nargs="*", default=[], help="default: all")
    parser.add_argument("--model", default="default", help="name or file of the weights")
    parser.add_argument("--output", type=Path, default=FOLDER / "results")
    parser.add_argument(
        "--figure", type=Path, default=FOLDER.parent / "docs" / "figures" / "sparsification.png"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = piv.load_model(options.model)
    source = open_source("synth:evaluation")
    samples = []
    for kind in options.kinds or source.classes:
        samples += [
            sample(source.pair(options.split, n, kind), kind, model) for n in range(options.pairs)
        ]
        print(f"{kind}: {options.pairs} pairs", flush=True)
    rows = table(samples)
    write(options.output / "sparsification.csv", rows)
    show(rows)
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(options.figure, samples, example(), model)


def sample(true: TruePair, kind: str, model) -> Sample:
    """Errors of the dense field, and what every method states of them."""
    field = piv.analyse(true.pair, model=model).dense
    stated = {NETWORK: (field.uncertainty_u, field.uncertainty_v)}
    stated |= {
        f"statistics {window} px": correlation_statistics(true.pair, field, window)
        for window in WINDOWS
    }
    inner = np.isfinite(field.u)
    inner[:BORDER] = inner[-BORDER:] = inner[:, :BORDER] = inner[:, -BORDER:] = False
    error = np.concatenate([np.abs(field.u - true.u)[inner], np.abs(field.v - true.v)[inner]])
    flat = {name: np.concatenate([part[inner] for part in both]) for name, both in stated.items()}
    return Sample(kind, error, flat, np.tile(counts(true)[inner], 2))


def sparsified(error: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Mean |error| of what is left over that of all, at every share taken away."""
    left = error[np.argsort(order, kind="stable")]
    means = np.cumsum(left) / np.arange(1, left.size + 1)
    keep = np.maximum(np.round((1 - SHARES) * left.size).astype(int), 1)
    return means[keep - 1] / means[-1]


def area(curve: np.ndarray, oracle: np.ndarray) -> float:
    """Area between a curve and the oracle's."""
    return float(np.trapezoid(curve - oracle, SHARES))


def table(samples: list[Sample]) -> list[dict[str, str | float]]:
    """A row for each class, choice of pixels and method."""
    rows: list[dict[str, str | float]] = []
    kinds = list(dict.fromkeys(s.kind for s in samples))
    for pixels in ("seeded", "all"):
        for kind in [*kinds, POOLED]:
            parts = [cut(s, pixels) for s in samples if kind in (s.kind, POOLED)]
            error = np.concatenate([p.error for p in parts])
            oracle = sparsified(error, error)
            for method in parts[0].stated:
                stated = np.concatenate([p.stated[method] for p in parts])
                rows.append(
                    {
                        "pixels": pixels, "class": kind, "method": method,
                        "mean_error": float(error.mean()),
                        "ause": area(sparsified(error, stated), oracle),
                        "ause_of_no_order": area(np.ones_like(oracle), oracle),
                        "rank_correlation": rank_correlation(stated, error),
                        "coverage": float(np.mean(error <= stated)),
                        "median_stated": float(np.median(stated)),
                    }
                )  # fmt: skip
    return rows


def cut(part: Sample, pixels: str) -> Sample:
    """The components that count."""
    if pixels == "all":
        return part
    chosen = part.seeded
    return replace(
        part,
        error=part.error[chosen],
        stated={name: values[chosen] for name, values in part.stated.items()},
        seeded=part.seeded[chosen],
    )


def write(path: Path, rows: list[dict[str, str | float]]) -> None:
    """All figures as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})


def show(rows: list[dict[str, str | float]]) -> None:
    """Markdown: AUSE, rank correlation and coverage, classes against methods."""
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    for pixels in ("seeded", "all"):
        chosen = [row for row in rows if row["pixels"] == pixels]
        kinds = list(dict.fromkeys(str(row["class"]) for row in chosen))
        for figure, form in FORMS.items():
            value = {(row["class"], row["method"]): row[figure] for row in chosen}
            print(f"\n{figure}, {pixels} pixels\n\n| | " + " | ".join(methods) + " |")
            print("|---" * (len(methods) + 1) + "|")
            for kind in kinds:
                cells = [form.format(value[kind, method]) for method in methods]
                print(f"| {kind} | " + " | ".join(cells) + " |")


def example(shape: tuple[int, int] = (256, 384)) -> TruePair:
    """A flow with a disc without particles on the left and half of the pairs lost on the right."""
    flow, truth = flow_of("turbulence", "validation", 1, shape)
    rng = np.random.default_rng(11)
    y_0, x_0, radius = 0.5 * shape[0], 0.2 * shape[1], 46.0

    def change(seeds):
        lost = (seeds.x > 0.62 * shape[1]) & (torch.from_numpy(rng.random(seeds.x.numel())) < 0.5)
        first = torch.from_numpy(rng.random(seeds.x.numel())) < 0.5
        seeds = replace(
            seeds,
            first=torch.where(lost & first, 0.0, seeds.first),
            second=torch.where(lost & ~first, 0.0, seeds.second),
        )
        return seeds.keep((seeds.y - y_0) ** 2 + (seeds.x - x_0) ** 2 > radius**2)

    pair = record(flow, shape, rng, 0.02, change)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    seeded = (rows - y_0) ** 2 + (columns - x_0) ** 2 > radius**2
    return replace(truth, pair=ImagePair(pair.first, pair.second), seeded=seeded)


def draw(path: Path, samples: list[Sample], true: TruePair, model) -> None:
    """Maps of one pair above; sparsification and reliability of all pairs below."""
    figure = Figure(figsize=(12.6, 6.4), dpi=150)
    figure.set_layout_engine("constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.0, 1.25])
    maps(above, true, model)
    left, middle, right = below.subplots(1, 3)
    curves(left, [cut(s, "seeded") for s in samples], "seeded pixels")
    curves(middle, samples, "all pixels, unseeded regions too")
    reliability(right, samples)
    for ax in (left, middle, right):
        ax.grid(visible=True, color="0.92")
        ax.set_axisbelow(True)
    FigureCanvasAgg(figure).print_png(str(path))


def maps(figure, true: TruePair, model) -> None:
    """First frame, |error|, and what is stated, all of the longer component."""
    field = piv.analyse(true.pair, model=model).dense
    error = np.hypot(field.u - true.u, field.v - true.v)
    stated = np.hypot(field.uncertainty_u, field.uncertainty_v)
    statistics = np.hypot(*correlation_statistics(true.pair, field, SHOWN))
    axes = figure.subplots(1, 4)
    axes[0].imshow(true.pair.first, cmap="gray", vmax=np.quantile(true.pair.first, 0.995))
    axes[0].set_title("first frame", fontsize="medium")
    titles = ("length of the error", "stated by the network", f"correlation statistics, {SHOWN} px")
    for ax, values, title in zip(axes[1:], (error, stated, statistics), titles, strict=True):
        image = ax.imshow(values, cmap="magma", norm="log", vmin=0.01, vmax=2.0)
        ax.set_title(title, fontsize="medium")
    for ax in axes:
        ax.contour(true.seeded, [0.5], colors="white", linewidths=0.8, linestyles="dashed")
        ax.axvline(0.62 * true.u.shape[1], color="white", linewidth=0.8, linestyle="dashed")
        ax.set_xticks([])
        ax.set_yticks([])
    figure.colorbar(image, ax=axes[1:], label="px", shrink=0.85, pad=0.01)


def curves(ax, samples: list[Sample], title: str) -> None:
    """Sparsification curves of both methods and of the oracle."""
    error = np.concatenate([s.error for s in samples])
    for name, colour in COLOURS.items():
        order = error if name == "oracle" else np.concatenate([s.stated[name] for s in samples])
        ax.plot(SHARES, sparsified(error, order), color=colour, label=name)
    ax.axhline(1.0, color="0.7", linewidth=0.8)
    ax.set(xlabel="share taken away", ylabel="mean |error| of the rest over that of all")
    ax.set_ylim(0.0, 1.08)
    ax.set_title(title, fontsize="medium")
    ax.legend(frameon=False, fontsize="small", loc="lower left")


def reliability(ax, samples: list[Sample], bins: int = 24) -> None:
    """68.3 % point of |error| over the stated half-width, classes of equal number."""
    error = np.concatenate([s.error for s in samples])
    for name in list(COLOURS)[:2]:
        stated = np.concatenate([s.stated[name] for s in samples])
        groups = np.array_split(np.argsort(stated, kind="stable"), bins)
        ax.plot(
            [stated[g].mean() for g in groups], [np.quantile(error[g], 0.683) for g in groups],
            "o-", markersize=3, color=COLOURS[name], label=name,
        )  # fmt: skip
    ax.axline((0.01, 0.01), (1.0, 1.0), color="0.5", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="stated (px)", ylabel="68.3 % point of |error| (px)")
    ax.set_title("reliability, all pixels", fontsize="medium")
    ax.legend(frameon=False, fontsize="small")


if __name__ == "__main__":
    main()
