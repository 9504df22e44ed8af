"""Time of `piv.analyse` beside OpenPIV: the same pair in memory, the same cores, by turns.

python speed.py                           # 1024 x 1024 px, results/speed.md
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib.util
import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from scoring import command, environment

import piv
from piv.presets import PRESETS
from piv.train.source import open_source

REFERENCE = "OpenPIV 64/32/16"


def openpiv_runner(first: Any, second: Any, backend: str) -> Callable[[], Any]:
    """OpenPIV's multi-pass window deformation with its default settings."""
    from openpiv import windef
    from openpiv.settings import PIVSettings

    def run() -> Any:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return windef.simple_multipass(first, second, PIVSettings(backend=backend))

    return run


def main() -> None:
    """Time all, interleaved, and write the ratios of the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 1024], metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--model", default="default")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--name", default="speed", help="of the files that are written")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    source = open_source("synth:standard-kinematic")
    pair = source.pair("validation", 0, None, tuple(arguments.size)).pair
    first, second = pair.first, pair.second
    model = piv.load_model(arguments.model)
    if model is None:
        parser.error("the dense field needs weights: give --model a name or a file")
    small = piv.load_model(PRESETS["fast"].model)
    runs: dict[str, Callable[[], Any]] = {
        "dense": lambda: piv.analyse(first, second, model=model),
        REFERENCE: openpiv_runner(first, second, "scipy"),
        "coarse": lambda: piv.analyse(first, second, model=None),
        "fast": lambda: piv.analyse(first, second, model=small, settings=PRESETS["fast"].settings),
    }
    if importlib.util.find_spec("openpiv_rust"):
        runs["OpenPIV 64/32/16, Rust"] = openpiv_runner(first, second, "rust")

    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(arguments.repeats + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if repeat > 0:  # the first round warms up
                times[name].append(time.perf_counter() - begin)
        print(f"round {repeat} of {arguments.repeats}", file=sys.stderr, flush=True)

    median = {name: statistics.median(values) for name, values in times.items()}
    about = {
        "dense": f"piv.analyse, weights {model.name}: a vector at every pixel",
        "coarse": "piv.analyse without a network: windows of 16 px",
        "fast": f"piv.analyse, preset fast ({PRESETS['fast'].model}): a vector at every pixel",
        REFERENCE: f"OpenPIV {version('openpiv')}, default settings: windows of 16 px",
        "OpenPIV 64/32/16, Rust": "the same with its optional compiled back end",
    }
    lines = [
        "# Speed",
        "",
        f"One pair of {first.shape[0]} x {first.shape[1]} px ({first.dtype}) of "
        f"`synth:standard-kinematic`, in memory; {arguments.repeats} rounds by turns after one to "
        "warm up; ratio of the medians.",
        "",
        f"Made by `{command()}`.",
        "",
        *(f"- {line}" for line in environment()),
        "",
        f"| | median, s | fastest, s | slowest, s | ratio to {REFERENCE} | |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in times.items():
        lines.append(
            f"| {name} | {median[name]:.2f} | {min(values):.2f} | {max(values):.2f} | "
            f"{median[name] / median[REFERENCE]:.2f} | {about[name]} |"
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    (arguments.output / f"{arguments.name}.md").write_text(text, encoding="utf-8")
    path = arguments.output / f"{arguments.name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "round", "seconds"])
        for name, values in times.items():
            writer.writerows([name, n, f"{seconds:.4f}"] for n, seconds in enumerate(values, 1))
    print(text)


if __name__ == "__main__":
    main()
