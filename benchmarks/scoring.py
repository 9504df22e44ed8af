"""Methods on the same generated images, scored against the same truth; tables as text and CSV."""

from __future__ import annotations

import csv
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from peers import Estimate, truth_at

from piv.metrics import BORDER, score, wavelength_response
from piv.train.evaluation import WAVES, counts, floor_rows
from piv.train.source import Revealing, open_source
from piv.types import ImagePair, TruePair

FIGURES = ("mean_endpoint_error", "vector_rms", "outlier_share")
RATIO = "dense / best peer"
OWN = ("coarse", "dense", "best")


class Method(Protocol):
    """A name, a description with version and settings, and the call itself."""

    name: str

    @property
    def about(self) -> str:
        """Version and settings."""

    def __call__(self, pair: ImagePair) -> Estimate:
        """Displacement at every pixel."""


@dataclass(frozen=True)
class Row:
    """Figures of one method on all pairs of one class, pooled over their pixels."""

    method: str
    source: str
    kind: str
    pairs: int
    figures: dict[str, float]
    seconds: float


def measure(
    methods: Sequence[Method],
    specs: Sequence[str],
    split: str,
    count: int,
    kinds: set[str],
    *,
    floors: bool = False,
) -> list[Row]:
    """Score every method on the first ``count`` pairs of each class (of ``kinds``, if given).

    With ``floors`` there are also rows of what the images allow at best.
    """
    rows = []
    for spec in specs:
        source = open_source(spec)
        name = spec.partition(":")[2]
        for kind in source.classes:
            if kinds and kind not in kinds:
                continue
            truths = [source.pair(split, index, kind) for index in range(count)]
            for method in methods:
                begin = time.perf_counter()
                estimates = [method(true.pair) for true in truths]
                seconds = (time.perf_counter() - begin) / count
                rows.append(
                    Row(method.name, name, kind, count, _pooled(estimates, truths), seconds)
                )
                shown = "  ".join(f"{n} {rows[-1].figures[n]:.4f}" for n in FIGURES)
                print(f"{name}/{kind:12s} {method.name:40s} {shown}  {seconds:.2f} s", flush=True)
            if floors and isinstance(source, Revealing):
                pairs = (source.reveal(split, index, kind) for index in range(count))
                rows += [
                    Row(floor.method, name, kind, count, dict(floor.figures), 0.0)
                    for floor in floor_rows({kind: pairs})
                ]
    return rows


def _pooled(estimates: Iterable[Estimate], truths: Sequence[TruePair]) -> dict[str, float]:
    stacks: list[list[Any]] = [[], [], [], [], []]
    for estimate, true in zip(estimates, truths, strict=True):
        truth = truth_at(estimate.place, true.u, true.v)
        parts = (estimate.u, estimate.v, *truth, counts(true))
        for stack, part in zip(stacks, parts, strict=True):
            stack.append(part)
    u, v, true_u, true_v, where = (np.stack(stack) for stack in stacks)
    figures = dict(score(u, v, true_u, true_v, where=where))
    if truths[0].recipe["scene"]["flow"] in WAVES:
        gains = [
            wavelength_response(*fields, where=w, border=BORDER)
            for *fields, w in zip(u, v, true_u, true_v, where, strict=True)
        ]
        figures["gain"] = float(np.mean(gains))
    return figures


def command() -> str:
    """The command that is running, without the folder of its results."""
    words = list(sys.argv[1:])
    if "--output" in words:
        where = words.index("--output")
        del words[where : where + 2]
    return " ".join(["python", Path(sys.argv[0]).name, *words])


def environment() -> list[str]:
    """What the figures depend on: versions, threads, processor."""
    packages = ("ccfcn-piv", "torch", "numpy", "scipy", "opencv-python-headless")
    return [
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
        f"threads: torch {torch.get_num_threads()}, OpenCV {cv2.getNumThreads()}, OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, cores allowed {_cores()}",
        f"processor: {_processor()}",
    ]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def table(rows: Sequence[Row], figure: str, methods: Sequence[str], kinds: Sequence[str]) -> str:
    """Markdown of one figure, classes against methods, the longer list downwards.

    Where a figure was not found there is a dash.  The last line (or column) is the geometric mean
    over the classes; with peers beside this project's dense field there is also the ratio of its
    figure to that of the best of them.
    """
    value = {(row.method, f"{row.source}/{row.kind}"): row.figures.get(figure) for row in rows}
    found = [method for method in methods if any(value.get((method, k)) is not None for k in kinds)]
    cells = [[value.get((method, kind)) for method in found] for kind in kinds]
    names = list(kinds)
    if len(kinds) > 1 and figure in ("mean_endpoint_error", "vector_rms"):
        columns = zip(*cells, strict=True)
        cells.append([_geometric_mean(column) for column in columns])
        names.append("geometric mean")
    heads = list(found)
    peers = [n for n, m in enumerate(found) if m not in OWN and not m.startswith("floor")]
    compared = figure in ("mean_endpoint_error", "vector_rms")
    if "dense" in found and peers and compared:
        dense = found.index("dense")
        heads.append(RATIO)
        cells = [[*row, _ratio(row[dense], [row[n] for n in peers])] for row in cells]
    if len(heads) > len(names):
        cells = [list(row) for row in zip(*cells, strict=True)]
        names, heads = heads, names
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, row in zip(names, cells, strict=True):
        shown = ("-" if cell is None else f"{cell:.3f}" for cell in row)
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _geometric_mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    if any(value is None or value < 1e-6 for value in known):
        return None
    return float(np.exp(np.mean(np.log(np.array(known, dtype=float)))))


def _ratio(ours: float | None, theirs: Iterable[float | None]) -> float | None:
    best = [value for value in theirs if value is not None]
    return None if ours is None or not best else ours / min(best)


HEADINGS: Mapping[str, str] = {
    "mean_endpoint_error": "End-point error (mean length of the error)",
    "vector_rms": "Vector rms (root mean square length of the error), and its floors",
    "outlier_share": "Share of pixels with an error above 1 px",
    "gain": "Gain of waves",
    "peak_locking": "Half the range of the bias over the sub-pixel displacement",
    "width": "Width of the window of a floor, px",
}


def write(
    folder: Path, stem: str, title: str, rows: Sequence[Row], methods: Sequence[Method], split: str
) -> None:
    """``stem.csv`` and ``stem.md`` with all figures, versions, settings and threads."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    about = {method.name: method.about for method in methods}
    with (folder / f"{stem}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "source", "class", "split", "pairs", "seconds", *names, "about"])
        for row in rows:
            figures = [f"{row.figures[n]:.6g}" if n in row.figures else "" for n in names]
            head = [row.method, row.source, row.kind, split, row.pairs, f"{row.seconds:.3f}"]
            writer.writerow([*head, *figures, about.get(row.method, "")])
    columns = list(dict.fromkeys(row.method for row in rows))
    text = [
        f"# {title}",
        "",
        f"Split `{split}`, {rows[0].pairs} pairs of each class; {BORDER} px of border, masked and "
        "unseeded pixels left out; px.",
        "",
        f"Made by `{command()}`.",
        "",
        *(f"- {line}" for line in environment()),
        *(f"- **{method.name}**: {method.about}" for method in methods),
    ]
    for source in dict.fromkeys(row.source for row in rows):
        mine = [row for row in rows if row.source == source]
        kinds = list(dict.fromkeys(f"{row.source}/{row.kind}" for row in mine))
        for figure, heading in HEADINGS.items():
            here = [kind for kind in kinds if any(_has(row, figure, kind) for row in mine)]
            if here:
                text += ["", f"## {source}: {heading}", "", table(mine, figure, columns, here)]
    (folder / f"{stem}.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print((folder / f"{stem}.md").read_text(encoding="utf-8"))


def _has(row: Row, figure: str, kind: str) -> bool:
    """Whether the row is of the class and has the figure; peak locking only of a uniform flow."""
    if figure == "peak_locking" and not row.kind.startswith("uniform"):
        return False
    return f"{row.source}/{row.kind}" == kind and figure in row.figures
