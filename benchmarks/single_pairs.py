"""How far the share of errors within the stated interval can scatter from pair to pair by chance.

python single_pairs.py    # -> ../docs/figures/single-pairs.png, and a table

Errors of neighbouring pixels are alike, so that even where every half-width is exactly right the
share of one pair's errors within them is not 68.3 % but near it.  How near follows from how far
errors are alike: random Gaussian fields with the mean power spectrum of the errors over their
half-widths, and otherwise nothing in common with them, are asked the same question.  Classes with
masks are left out, since their spectrum is not that of the errors alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import piv
from piv.metrics import BORDER
from piv.train.source import Source, open_sources
from piv.types import Float

FOLDER = Path(__file__).resolve().parent
SOURCES = "synth:evaluation; synth:resolution"
WANTED = (0.55, 0.80)  # of a single pair
DRAWN = 400  # pairs of random fields a class


@dataclass(frozen=True)
class Spread:
    """Shares within the stated interval of the pairs of one class, and what chance makes of it."""

    name: str
    shares: Float
    by_chance: Float

    @property
    def extremes_by_chance(self) -> tuple[float, float]:
        """Mean lowest and highest of as many pairs, were every half-width right."""
        count = len(self.shares)
        groups = self.by_chance[: len(self.by_chance) // count * count].reshape(-1, count)
        return float(groups.min(1).mean()), float(groups.max(1).mean())


def main() -> None:
    """Analyse, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="name or file of the weights")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--classes", nargs="+", help="of these classes only")
    parser.add_argument(
        "--figure", type=Path, default=FOLDER.parent / "docs" / "figures" / "single-pairs.png"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = piv.load_model(options.model)
    if model is None:
        parser.error("there is no dense field without weights: name some, not 'none'")
    sources = open_sources(SOURCES)
    known = [kind for source in sources for kind in source.classes]
    if unknown := [kind for kind in options.classes or () if kind not in known]:
        parser.error(f"no class {unknown[0]!r}: known are {', '.join(known)}")
    found = []
    print("| class | pooled | lowest | highest | by chance, lowest | highest | outside 55-80 % |")
    print(7 * "|---" + "|")
    for source in sources:
        for kind in source.classes:
            if options.classes and kind not in options.classes:
                continue
            one = measure(source, kind, options.split, options.pairs, model)
            if one is not None:
                found.append(one)
                print(line(one), flush=True)
    if found:
        draw(options.figure, found)
        print(f"{options.figure} ({model.name}, {options.split}, {options.pairs} pairs a class)")


def measure(source: Source, kind: str, split: str, count: int, model: piv.Model) -> Spread | None:
    """Errors over half-widths of the pairs of a class; None where some pixels do not count."""
    ratios = []
    for index in range(count):
        true = source.pair(split, index, kind)
        if true.pair.mask is not None or (true.seeded is not None and not true.seeded.all()):
            return None
        field = piv.analyse(true.pair, model=model).dense
        inner = (slice(BORDER, -BORDER),) * 2
        for error, stated in (
            (field.u - true.u, field.uncertainty_u),
            (field.v - true.v, field.uncertainty_v),
        ):
            ratios.append((error / stated)[inner])
    pairs = np.stack(ratios).reshape(count, 2, *ratios[0].shape)
    shares = (np.abs(pairs) <= 1).mean((1, 2, 3))
    return Spread(f"{source.name}/{kind}", shares, by_chance(pairs, np.random.default_rng(1)))


def by_chance(pairs: Float, rng: np.random.Generator) -> Float:
    """Shares within one standard deviation of Gaussian fields of the same mean spectrum.

    ``pairs`` (N, 2, H, W); each share is of two independent fields, as of u and v.  The variance
    of all fields is one; that of a single field is as it falls.
    """
    power = np.mean(np.abs(np.fft.fft2(pairs)) ** 2, axis=0)
    shares = []
    for _ in range(DRAWN):
        inside = 0.0
        for spectrum in power:
            white = np.fft.fft2(rng.standard_normal(spectrum.shape))
            # power / mean power: white noise of variance one becomes a field of variance one
            field = np.fft.ifft2(white * np.sqrt(spectrum / spectrum.mean())).real
            inside += float(np.mean(np.abs(field) <= 1)) / len(power)
        shares.append(inside)
    return np.asarray(shares)


def line(one: Spread) -> str:
    """A line of the table."""
    low, high = one.extremes_by_chance
    outside = int(np.sum((one.shares < WANTED[0]) | (one.shares > WANTED[1])))
    return (
        f"| {one.name} | {one.shares.mean():.1%} | {one.shares.min():.0%} | {one.shares.max():.0%} "
        f"| {low:.0%} | {high:.0%} | {outside} of {len(one.shares)} |"
    )


def draw(path: Path, found: list[Spread]) -> None:
    """Shares of the single pairs of each class, over the range that chance gives."""
    figure = Figure(figsize=(9.0, 0.24 * len(found) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(100 * WANTED[0], 100 * WANTED[1], color="0.93")
    axes.axvline(68.3, color="0.6", lw=0.8)
    for row, one in enumerate(found):
        low, high = one.extremes_by_chance
        axes.plot([100 * low, 100 * high], [row, row], color="tab:orange", lw=6, alpha=0.5)
        axes.plot(100 * one.shares, np.full(len(one.shares), row), "k|", ms=7)
    axes.set_yticks(range(len(found)), [one.name for one in found], fontsize=7)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlabel("share of a pair's errors within the stated 68.3 % interval, %")
    axes.set_title(
        "bars: single pairs; band: lowest to highest that chance gives of exact half-widths",
        fontsize=8,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
