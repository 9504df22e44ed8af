"""Methods on the same generated images, scored against the same truth; tables as text and CSV."""

from __future__ import annotations

import csv
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from peers import Estimate, truth_at

from piv.metrics import BORDER, score
from piv.train.evaluation import counts
from piv.train.source import open_source
from piv.types import ImagePair, TruePair

FIGURES = ("mean_endpoint_error", "vector_rms", "outlier_share")


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


def open_classes(specs: Sequence[str]) -> list[tuple[str, str, Callable[..., TruePair]]]:
    """(source, class, function that makes a pair) of all classes of the sources."""
    found = []
    for spec in specs:
        source = open_source(spec)
        found += [(spec.partition(":")[2], kind, source.pair) for kind in source.classes]
    return found


def measure(
    methods: Sequence[Method], specs: Sequence[str], split: str, count: int, kinds: set[str]
) -> list[Row]:
    """Score every method on the first ``count`` pairs of each class (of ``kinds``, if given)."""
    rows = []
    for source, kind, make in open_classes(specs):
        if kinds and kind not in kinds:
            continue
        truths = [make(split, index, kind) for index in range(count)]
        for method in methods:
            begin = time.perf_counter()
            estimates = [method(true.pair) for true in truths]
            seconds = (time.perf_counter() - begin) / count
            rows.append(Row(method.name, source, kind, count, _pooled(estimates, truths), seconds))
            shown = "  ".join(f"{name} {rows[-1].figures[name]:.4f}" for name in FIGURES)
            print(f"{source}/{kind:12s} {method.name:40s} {shown}  {seconds:.2f} s", flush=True)
    return rows


def _pooled(estimates: Iterable[Estimate], truths: Iterable[TruePair]) -> dict[str, float]:
    stacks: list[list[Any]] = [[], [], [], [], []]
    for estimate, true in zip(estimates, truths, strict=True):
        truth = truth_at(estimate.place, true.u, true.v)
        parts = (estimate.u, estimate.v, *truth, counts(true))
        for stack, part in zip(stacks, parts, strict=True):
            stack.append(part)
    u, v, true_u, true_v, where = (np.stack(stack) for stack in stacks)
    return dict(score(u, v, true_u, true_v, where=where))


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

    The last line (or column) is the geometric mean over the classes.
    """
    value = {(row.method, f"{row.source}/{row.kind}"): row.figures[figure] for row in rows}
    cells = [[value[method, kind] for method in methods] for kind in kinds]
    names = list(kinds)
    if len(kinds) > 1 and figure != "outlier_share":
        cells.append(list(np.exp(np.mean(np.log(cells), axis=0))))
        names.append("geometric mean")
    columns = list(methods)
    if len(columns) > len(names):
        cells = [list(row) for row in zip(*cells, strict=True)]
        names, columns = columns, names
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in zip(names, cells, strict=True):
        lines.append(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in row) + " |")
    return "\n".join(lines)


def write(
    folder: Path, stem: str, title: str, rows: Sequence[Row], methods: Sequence[Method], split: str
) -> None:
    """``stem.csv`` and ``stem.md`` with all figures, versions, settings and threads."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{stem}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = list(rows[0].figures)
        writer.writerow(["method", "source", "class", "split", "pairs", "seconds", *names, "about"])
        about = {method.name: method.about for method in methods}
        for row in rows:
            figures = [f"{row.figures[name]:.6g}" for name in names]
            head = [row.method, row.source, row.kind, split, row.pairs, f"{row.seconds:.3f}"]
            writer.writerow([*head, *figures, about[row.method]])
    kinds = list(dict.fromkeys(f"{row.source}/{row.kind}" for row in rows))
    columns = [method.name for method in methods]
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
    headings = {
        "mean_endpoint_error": "End-point error (mean length of the error)",
        "vector_rms": "Vector rms (root mean square length of the error)",
        "outlier_share": "Share of pixels with an error above 1 px",
    }
    for figure, heading in headings.items():
        text += ["", f"## {heading}", "", table(rows, figure, columns, kinds)]
    (folder / f"{stem}.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print((folder / f"{stem}.md").read_text(encoding="utf-8"))
