"""Where the errors are: maps of one validation pair of several classes.

python error_maps.py    # -> ../docs/figures/error-maps.png, and a table of figures per class
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import piv
from piv.correlate import coarse_at_every_pixel
from piv.metrics import BORDER
from piv.train.source import open_source

FOLDER = Path(__file__).resolve().parent
KINDS = ("turbulence", "sqg", "wake", "separated", "vortex", "noise10")
LARGEST = 0.4  # px, of the maps' scale
ROWS = ("true displacement", "error, coarse", "error, dense", "stated by the dense field")


@dataclass(frozen=True)
class Maps:
    """Lengths of vectors, px, NaN where nothing is scored."""

    kind: str
    true: np.ndarray
    coarse: np.ndarray
    dense: np.ndarray
    stated: np.ndarray


def main() -> None:
    """Analyse, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--index", type=int, default=2, help="of the pair within its class")
    parser.add_argument("--class", dest="kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--model", default="default", help="name or file of the weights")
    parser.add_argument(
        "--figure", type=Path, default=FOLDER.parent / "docs" / "figures" / "error-maps.png"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = piv.load_model(options.model)
    found = [maps(kind, options.split, options.index, model) for kind in options.kinds]
    print(
        "| class | coarse, rms | dense, rms | dense, 99 % below | stated, rms |\n"
        + 5 * "|---"
        + "|"
    )
    for one in found:
        print(
            f"| {one.kind} | {rms(one.coarse):.3f} | {rms(one.dense):.3f} "
            f"| {np.nanquantile(one.dense, 0.99):.3f} | {rms(one.stated):.3f} |"
        )
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(options.figure, found)
    print(f"{options.figure} ({model.name})")


def maps(kind: str, split: str, index: int, model: piv.Model) -> Maps:
    """Of one pair."""
    true = open_source("synth:evaluation").pair(split, index, kind)
    result = piv.analyse(true.pair, model=model)
    dense = result.dense
    hidden = np.ones(true.pair.shape, dtype=bool)
    hidden[BORDER:-BORDER, BORDER:-BORDER] = False
    for part in (true.pair.mask, None if true.seeded is None else ~true.seeded):
        hidden |= part if part is not None else False

    def length(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.where(hidden, np.nan, np.hypot(u, v))

    u, v = coarse_at_every_pixel(result.coarse, true.pair.shape)
    return Maps(
        kind,
        true=length(true.u, true.v),
        coarse=length(u - true.u, v - true.v),
        dense=length(dense.u - true.u, dense.v - true.v),
        stated=length(dense.uncertainty_u, dense.uncertainty_v),
    )


def rms(values: np.ndarray) -> float:
    """Root mean square of what is known."""
    return float(np.sqrt(np.nanmean(values**2)))


def draw(path: Path, found: list[Maps]) -> None:
    """A column for each pair, a row for each map; errors on one scale."""
    figure = Figure(figsize=(2.1 * len(found), 2.15 * len(ROWS) + 0.5), layout="constrained")
    axes = figure.subplots(len(ROWS), len(found), squeeze=False)
    picture = None
    for column, one in enumerate(found):
        rows = (one.true, one.coarse, one.dense, one.stated)
        for row, (axis, values) in enumerate(zip(axes[:, column], rows, strict=True)):
            shown = show(
                axis, values, "cividis" if row == 0 else "magma", None if row == 0 else LARGEST
            )
            picture = shown if row else picture
            if row:
                axis.set_xlabel(f"rms {rms(values):.3f} px", fontsize=8)
            else:
                axis.set_title(one.kind, fontsize=9)
                axis.set_xlabel(f"to {np.nanmax(values):.1f} px", fontsize=8)
    for axis, text in zip(axes[:, 0], ROWS, strict=True):
        axis.set_ylabel(text, fontsize=8)
    figure.colorbar(
        picture, ax=axes[1:], shrink=0.5, pad=0.01, extend="max", label="length of the vector, px"
    )
    figure.savefig(path, dpi=110)


def show(axis: Axes, values: np.ndarray, colours: str, largest: float | None):
    """One map; grey where nothing is scored."""
    axis.set_facecolor("0.8")
    axis.set_xticks([])
    axis.set_yticks([])
    return axis.imshow(values, cmap=colours, vmin=0, vmax=largest, interpolation="nearest")


if __name__ == "__main__":
    main()
