"""Memory of `piv batch` over a long series of small pairs; it must not grow with their number.

python batch_memory.py     # 10,000 pairs -> results/batch_memory.csv and a figure in docs/figures

Linux only: the resident memory of the process and of its workers is read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np

from piv.train.source import open_source

mpl.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    """Run, watch, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent
    parser.add_argument("--pairs", type=int, default=10000)
    parser.add_argument("--size", type=int, nargs=2, default=[64, 80], metavar=("H", "W"))
    parser.add_argument("--model", default="none")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks")
    parser.add_argument("--output", type=Path, default=here / "results" / "batch_memory.csv")
    parser.add_argument(
        "--figure", type=Path, default=here.parent / "docs" / "figures" / "batch-memory.png"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "set.h5", options.pairs, tuple(options.size))
        words = [sys.executable, "-m", "piv", "batch", "set.h5", "out.h5"]
        words += ["--model", options.model, "--progress", "none"]
        began = time.perf_counter()
        rows = []
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                time.sleep(options.every)
                family = [process.pid, *children(process.pid)]
                rows.append((time.perf_counter() - began, *(mebibytes(n) for n in family)))
        seconds = time.perf_counter() - began
        with h5py.File(folder / "out.h5") as store:
            done = int((store["status"][:] == 1).sum())
        size = (folder / "out.h5").stat().st_size / 2**20
    parents = np.array([row[1] for row in rows if row[1] > 0])
    workers = np.array([max(row[2:], default=0.0) for row in rows])
    tenth = len(rows) // 10
    text = (
        f"{done} of {options.pairs} pairs of {options.size[0]} x {options.size[1]} px, model "
        f"{options.model}, in {seconds:.0f} s; results {size:.0f} MiB\n"
        f"resident memory after a tenth of the time and at most, MiB: parent {parents[tenth]:.0f}, "
        f"{parents.max():.0f}; largest worker {workers[tenth]:.0f}, {workers.max():.0f}"
    )
    print(text)
    with options.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "parent MiB", "workers MiB ..."])
        writer.writerows([f"{value:.1f}" for value in row] for row in rows)
    draw(options.figure, rows, text)


def make(path: Path, count: int, size: tuple[int, int]) -> None:
    """A data set of few different pairs, many times."""
    source = open_source("synth:standard-kinematic")
    some = [source.pair("validation", n, None, size).pair for n in range(8)]
    with h5py.File(path, "w") as file:
        for letter, which in (("a", "first"), ("b", "second")):
            frames = np.stack([getattr(pair, which) for pair in some])
            data = file.create_dataset(
                f"frames/{letter}", (count, *size), frames.dtype, chunks=(1, *size)
            )
            for start in range(0, count, 1000):
                chosen = np.arange(start, min(start + 1000, count)) % len(some)
                data[start : start + len(chosen)] = frames[chosen]


def children(pid: int) -> list[int]:
    """Processes that this one, or one of its threads, started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread may have ended
            found += [int(word) for word in task.read_text(encoding="ascii").split()]
    return sorted(found)


def mebibytes(pid: int) -> float:
    """Resident memory of a process; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def draw(path: Path, rows: list[tuple[float, ...]], title: str) -> None:
    """Memory over time, a line for each process."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    longest = max(len(row) for row in rows)
    for n in range(1, longest):
        points = [(row[0], row[n]) for row in rows if len(row) > n and row[n] > 0]
        axes.plot(*zip(*points, strict=True), label="parent" if n == 1 else f"process {n - 1}")
    axes.set(xlabel="time, s", ylabel="resident memory, MiB", ylim=(0, None))
    axes.set_title(title, fontsize=7)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
