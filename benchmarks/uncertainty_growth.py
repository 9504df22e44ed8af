"""Where the dense field's uncertainty must grow: no particles, lost pairs, beyond the search range.

python uncertainty_growth.py    # -> ../docs/figures/uncertainty-growth.png, and a table

A turbulent flow is recorded three times, each time with one region in which it cannot be measured,
or not as well as elsewhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from recordings import flow_of, record

import piv
from piv.metrics import BORDER
from piv.types import Bool, Flag, Float, TruePair, VectorField

FOLDER = Path(__file__).resolve().parent
SHAPE = (256, 384)
CENTRE, RADIUS = (128.0, 240.0), 62.0  # y, x of the region, px
RIM = 12.0  # px on both sides of its edge that belong to neither
LOST = 0.5  # of the pairs
JUMP = 40.0  # px, more than the coarse stage looks for in a region of that size
ROWS = ("first frame", "length of the error", "stated 68.3 % half-width")
SMALLEST, LARGEST = 0.01, 40.0  # px, of the maps' scale


@dataclass(frozen=True)
class Case:
    """One recording and its region."""

    name: str
    true: TruePair
    region: Bool


@dataclass(frozen=True)
class Growth:
    """Medians of the lengths in the region and elsewhere, px, and what is flagged."""

    error: float
    error_elsewhere: float
    stated: float
    stated_elsewhere: float
    fallback: float
    covered: float  # share of the components in the region within their stated half-width

    @property
    def factor(self) -> float:
        """Stated in the region over stated elsewhere."""
        return self.stated / self.stated_elsewhere


def main() -> None:
    """Analyse, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="name or file of the weights")
    parser.add_argument(
        "--figure", type=Path, default=FOLDER.parent / "docs" / "figures" / "uncertainty-growth.png"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = piv.load_model(options.model)
    found = [(case, piv.analyse(case.true.pair, model=model).dense) for case in cases()]
    print(
        "| region | error, px | elsewhere | stated, px | elsewhere | times | covered | fallback |\n"
        + 8 * "|---"
        + "|"
    )
    for case, field in found:
        g = growth(case, field)
        print(
            f"| {case.name} | {g.error:.3f} | {g.error_elsewhere:.3f} | {g.stated:.3f} "
            f"| {g.stated_elsewhere:.3f} | {g.factor:.0f} | {g.covered:.0%} | {g.fallback:.0%} |"
        )
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(options.figure, found)
    print(f"{options.figure} ({model.name})")


def cases() -> list[Case]:
    """The three recordings."""
    flow, truth = flow_of("turbulence", "validation", 1, SHAPE)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    region = _inside(y, x)

    def recorded(name: str, change: Callable, seeded: Bool | None = None) -> Case:
        pair = record(flow, SHAPE, np.random.default_rng(11), change=change)
        return Case(name, replace(truth, pair=pair, seeded=seeded), region)

    def jet(y, x):
        u, v = flow(y, x)
        squared = ((y - CENTRE[0]) ** 2 + (x - CENTRE[1]) ** 2) / RADIUS**2
        return u, v + JUMP * torch.exp(-(squared**4))

    rows, columns = torch.meshgrid(*(torch.arange(n).float() for n in SHAPE), indexing="ij")
    u, v = (part.numpy() for part in jet(rows, columns))
    pair = record(jet, SHAPE, np.random.default_rng(11), margin=(48.0, 24.0))
    return [
        recorded("no particles", _nothing_inside, ~region),
        recorded(f"{100 * LOST:.0f} % of the pairs lost", _lost_inside),
        Case(f"{JUMP:.0f} px beside the rest", replace(truth, pair=pair, u=u, v=v), region),
    ]


def _inside(y, x):
    return (y - CENTRE[0]) ** 2 + (x - CENTRE[1]) ** 2 < RADIUS**2


def _nothing_inside(seeds):
    return seeds.keep(~_inside(seeds.y, seeds.x))


def _lost_inside(seeds):
    """Half of the particles of each frame are missing in the other."""
    rng = np.random.default_rng(12)
    chance, first = (torch.from_numpy(rng.random(seeds.x.numel())) for _ in range(2))
    # with a share p seen in one frame only, a frame sees 1 - p / 2, of which p / 2 have no partner
    lost = _inside(seeds.y, seeds.x) & (chance < 2 * LOST / (1 + LOST))
    return replace(
        seeds,
        first=torch.where(lost & (first < 0.5), 0.0, seeds.first),
        second=torch.where(lost & (first >= 0.5), 0.0, seeds.second),
    )


def growth(case: Case, field: VectorField) -> Growth:
    """What is stated and what is wrong, in the region and elsewhere."""
    error, stated = lengths(case, field)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - CENTRE[0], x - CENTRE[1]) - RADIUS
    frame = np.zeros(SHAPE, dtype=bool)
    frame[BORDER:-BORDER, BORDER:-BORDER] = True
    inside, outside = frame & (distance < -RIM), frame & (distance > RIM)
    true = case.true
    components = (
        (field.u - true.u, field.uncertainty_u),
        (field.v - true.v, field.uncertainty_v),
    )
    return Growth(
        error=float(np.median(error[inside])),
        error_elsewhere=float(np.median(error[outside])),
        stated=float(np.median(stated[inside])),
        stated_elsewhere=float(np.median(stated[outside])),
        fallback=float(((field.flags & Flag.FALLBACK) != 0)[inside].mean()),
        covered=float(np.mean([(np.abs(e) <= s)[inside] for e, s in components])),
    )


def lengths(case: Case, field: VectorField) -> tuple[Float, Float]:
    """Of the error and of the stated half-widths at every pixel, px."""
    error = np.hypot(field.u - case.true.u, field.v - case.true.v)
    return error, np.hypot(field.uncertainty_u, field.uncertainty_v)


def draw(path: Path, found: list[tuple[Case, VectorField]]) -> None:
    """A column for each recording: first frame, error, what is stated."""
    figure = Figure(figsize=(3.6 * len(found) + 0.6, 7.4), dpi=120, layout="constrained")
    axes = figure.subplots(3, len(found))
    for column, (case, field) in zip(axes.T, found, strict=True):
        frame = case.true.pair.first
        column[0].imshow(frame, cmap="gray", vmax=np.quantile(frame, 0.995))
        column[0].set_title(case.name, fontsize="medium")
        for ax, values in zip(column[1:], lengths(case, field), strict=True):
            image = ax.imshow(values, cmap="magma", norm="log", vmin=SMALLEST, vmax=LARGEST)
        for ax in column:
            ax.contour(case.region, [0.5], colors="white", linewidths=0.8, linestyles="dashed")
            ax.set_xticks([])
            ax.set_yticks([])
    for ax, text in zip(axes[:, 0], ROWS, strict=True):
        ax.set_ylabel(text)
    figure.colorbar(image, ax=axes[1:], label="px", shrink=0.7, pad=0.01)
    FigureCanvasAgg(figure).print_png(str(path))


if __name__ == "__main__":
    main()
