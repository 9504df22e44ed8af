"""Pairs a second of whole runs from disk to disk, beside OpenPIV's and fluidimage's own batches.

python throughput.py                                  # results/throughput.md
python throughput.py --size 256 320 --pairs 8 24

Every row is one program as a user starts it, with all processes of the machine: images read from
disk, every pair analysed, results written.  A row is measured with a few and with more pairs; the
rate is that of the pairs between, so that nobody's start is counted, and the start is given apart.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import tifffile
from scoring import command, environment

from piv.train.source import open_source

OPENPIV = """
import contextlib, io, pathlib, sys, warnings
import numpy as np
from openpiv import tools, windef
from openpiv.settings import PIVSettings

folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

def one(task):
    first, second, number = task
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        x, y, u, v, flags = windef.simple_multipass(
            tools.imread(first), tools.imread(second), PIVSettings())
        tools.save(out / f"{number:06d}.txt", x, y, u, v, flags)

if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        tools.Multiprocesser(folder, "*a.tif", "*b.tif").run(one, n_cpus=int(sys.argv[3]))
"""

FLUIDIMAGE = """
import sys
from fluidimage.piv import Topology

params = Topology.create_default_params()
params.series.path = sys.argv[1]
params.piv0.shape_crop_im0 = 64
params.piv0.grid.overlap = 0.5
params.multipass.number = 3
params.multipass.coeff_zoom = 2
params.multipass.use_tps = False
params.saving.path = sys.argv[2]
params.saving.how = "recompute"

if __name__ == "__main__":
    Topology(params).compute(
        sys.argv[4], nb_max_workers=int(sys.argv[3]))
"""

# the same work in one process that computes with all threads
THREADS = """
import sys
import torch
import piv

source, out, threads, model = sys.argv[1:]
torch.set_num_threads(int(threads))
with piv.open_pairs(source) as pairs:
    with piv.open_store(out + "/results.h5", pairs, model=model) as store:
        for result in piv.analyse_series(pairs, model=model):
            store.put(result.index, result.analysis)
"""


def main() -> None:
    """Time every program with few and with more pairs, and write the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 1024], metavar=("H", "W"))
    parser.add_argument("--pairs", type=int, nargs=2, default=[6, 30], metavar=("FEW", "MORE"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--executor", default="multi_exec_subproc", help="of fluidimage")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the rows' names")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--name", default="throughput", help="of the files that are written")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in options.pairs:
            make(folder / str(count), count, tuple(options.size))
        rows = rows_of(options.workers, options.executor)
        rows = {k: v for k, v in rows.items() if all(word in k for word in options.only)}
        times: dict[str, list[float]] = {}
        for label, words in rows.items():
            times[label] = [run(words, folder / str(count), count) for count in options.pairs]
            print(f"{label}: {times[label][0]:.1f} s, {times[label][1]:.1f} s", file=sys.stderr)
    write(options, times)


def rows_of(workers: int, executor: str) -> dict[str, list[str]]:
    """The commands; SET, IMAGES and OUT stand for the places of a run."""
    batch = [sys.executable, "-m", "piv", "batch", "SET", "OUT/results.h5", "--progress", "none"]
    few = ["--workers", "1"]
    all_ = ["--workers", str(workers)]
    coarse = ["--model", "none"]
    return {
        f"piv batch --model none, {workers} workers": [*batch, *coarse, *all_],
        f"OpenPIV, {workers} processes": [
            sys.executable, "-c", OPENPIV, "IMAGES", "OUT", str(workers),
        ],
        f"fluidimage, {workers} workers": [
            sys.executable, "-c", FLUIDIMAGE, "IMAGES", "OUT/results", str(workers), executor,
        ],
        f"piv batch, dense, {workers} workers": [*batch, *all_],
        "piv batch --model none, 1 worker": [*batch, *coarse, *few],
        "piv batch, dense, 1 worker": [*batch, *few],
        f"piv.analyse_series, one process, {workers} threads, coarse": [
            sys.executable, "-c", THREADS, "SET", "OUT", str(workers), "none",
        ],
        f"piv.analyse_series, one process, {workers} threads, dense": [
            sys.executable, "-c", THREADS, "SET", "OUT", str(workers), "default",
        ],
    }  # fmt: skip


def make(folder: Path, count: int, size: tuple[int, int]) -> None:
    """The same pairs as a data set and as image files; a few of them in turn."""
    source = open_source("synth:standard-kinematic")
    some = [source.pair("validation", n, None, size).pair for n in range(min(count, 4))]
    frames = np.stack([(pair.first, pair.second) for pair in some])
    if frames.dtype != np.uint8:
        frames = (frames >> 4).astype(np.uint8)
    images = folder / "images"
    images.mkdir(parents=True)
    with h5py.File(folder / "set.h5", "w") as file:
        for letter, which in (("a", 0), ("b", 1)):
            chosen = frames[np.arange(count) % len(some), which]
            file.create_dataset(f"frames/{letter}", data=chosen, chunks=(1, *size))
            for n, image in enumerate(chosen):
                tifffile.imwrite(images / f"im_{n:06d}{letter}.tif", image)


def run(words: list[str], folder: Path, count: int) -> float:
    """Wall time of a command, s; refuses a run that did not give every result."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    places = {"SET": str(folder / "set.h5"), "IMAGES": str(folder / "images"), "OUT": str(out)}
    words = [places.get(word, word.replace("OUT/", f"{out}/")) for word in words]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    begin = time.perf_counter()
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    found = results_in(out)
    if done.returncode != 0 or found != count:
        sys.exit(
            f"{words[:2]} ended with {done.returncode} and {found} of {count} results:\n"
            f"{done.stderr[-2000:]}"
        )
    return seconds


def results_in(out: Path) -> int:
    """How many pairs have a result."""
    store = out / "results.h5"
    if store.is_file():
        with h5py.File(store, "r") as file:
            return int((file["status"][:] == 1).sum())
    # OpenPIV's are 000000.txt ..., fluidimage's piv_*.h5; it also keeps logs and parameters
    return len(list(out.glob("[0-9]*.txt"))) + len(list(out.rglob("piv_*.h5")))


def write(options: argparse.Namespace, times: dict[str, list[float]]) -> None:
    """Table and raw figures."""
    few, more = options.pairs
    rate = {name: (more - few) / (t[1] - t[0]) for name, t in times.items()}
    start = {name: t[0] - few / rate[name] for name, t in times.items()}
    peer = next((name for name in times if name.startswith("OpenPIV")), None)
    lines = [
        "# Throughput",
        "",
        f"Runs over {few} and {more} pairs of {options.size[0]} x {options.size[1]} px (8 bit), "
        "from disk to disk; the rate is that of the pairs between. Windows 64/32/16 px, or "
        "64/24 px where the network follows, overlap 50 %; one compute thread a process unless it "
        "says otherwise.",
        "",
        f"Made by `{command()}`.",
        "",
        *(f"- {line}" for line in environment()),
        *(f"- {name} {version(name)}" for name in ("openpiv", "fluidimage")),
        f"- fluidimage: executor {options.executor}, three passes, no thin-plate splines",
        "",
        "| | pairs a minute | start, s | ratio to OpenPIV |",
        "|---|---|---|---|",
    ]
    for name in times:
        ratio = f"{rate[name] / rate[peer]:.2f}" if peer else "-"
        lines.append(f"| {name} | {60 * rate[name]:.1f} | {start[name]:.1f} | {ratio} |")
    workers = f"{options.workers} workers"
    for label in ("piv batch --model none", "piv batch, dense"):
        pair = f"{label}, {workers}", f"{label}, 1 worker"
        if all(name in rate for name in pair):
            gain = rate[pair[0]] / rate[pair[1]]
            lines += ["", f"{label}: {workers} reach {gain:.2f} times the rate of one."]
    text = "\n".join(lines) + "\n"
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"{options.name}.md").write_text(text, encoding="utf-8")
    path = options.output / f"{options.name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "pairs", "seconds"])
        for name, both in times.items():
            writer.writerows(
                [name, n, f"{t:.2f}"] for n, t in zip(options.pairs, both, strict=True)
            )
    print(text)


if __name__ == "__main__":
    main()
