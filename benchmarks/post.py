"""Vorticity, Q and swirling strength of a large field beside pivpy: values, and time by turns.

python post.py                            # 2000 x 2000 vectors, prints the tables

Needs pivpy (pip install pivpy) beside this project.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from piv import post
from piv.types import VectorField

Results = dict[str, Any]


def wavy(height: int, width: int) -> VectorField:
    """Vortices and waves of many sizes, with noise; single precision, as a dense field is."""
    rng = np.random.default_rng(0)
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    u, v = np.zeros((2, height, width), np.float32)
    for length in (25, 60, 150, 400):
        phase = rng.uniform(0, 2 * np.pi, 4)
        k = 2 * np.pi / length
        u += np.outer(np.sin(k * y + phase[0]), np.cos(k * x + phase[1])).astype(np.float32)
        v += np.outer(np.cos(k * y + phase[2]), np.sin(k * x + phase[3])).astype(np.float32)
    u += 0.05 * rng.standard_normal(u.shape, np.float32)
    v += 0.05 * rng.standard_normal(v.shape, np.float32)
    return VectorField(x, y, u, v, np.zeros(u.shape, np.uint16), units="m/s", y_axis="up")


def ours(field: VectorField) -> Results:
    """The three quantities, of one velocity gradient."""
    gradient = post.velocity_gradient(field)
    return {
        "vorticity": post.vorticity(gradient),
        "Q": post.q_criterion(gradient),
        "swirling strength": post.swirling_strength(gradient),
    }


def with_pivpy(dataset: Any) -> Results:
    """The same; the swirling strength, which pivpy lacks, from its Okubo-Weiss parameter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = dataset.copy()
        found = found.piv.vorticity(name="vorticity")
        found = found.piv.q_criterion(name="Q")
        found = found.piv.okubo_weiss(name="W")
    return {
        "vorticity": found["vorticity"],
        "Q": found["Q"],
        "swirling strength": np.sqrt(np.maximum(-found["W"], 0)) / 2,
    }


def with_xarray(dataset: Any) -> Results:
    """The same with xarray alone: each derivative once."""
    a, b = dataset["u"].differentiate("x"), dataset["u"].differentiate("y")
    c, d = dataset["v"].differentiate("x"), dataset["v"].differentiate("y")
    return {
        "vorticity": c - b,
        "Q": -b * c - (a * a + d * d) / 2,
        "swirling strength": np.sqrt(np.maximum(-((a - d) ** 2 + 4 * b * c), 0)) / 2,
    }


def as_dataset(field: VectorField) -> Any:
    """In pivpy's schema."""
    import xarray

    return xarray.Dataset(
        {"u": (("y", "x"), field.u), "v": (("y", "x"), field.v)},
        coords={"x": field.x, "y": field.y},
    )


def milliseconds(run: Callable[[], Results]) -> tuple[float, float]:
    """Of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return 1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - processor)


def main() -> None:
    """Compare the values, then time all by turns."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs=2, default=[2000, 2000], metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    import pivpy.pivpy  # noqa: F401  registers the accessor

    field = wavy(*arguments.size)
    dataset = as_dataset(field)
    runs: dict[str, Callable[[], Results]] = {
        "this project": lambda: ours(field),
        f"pivpy {version('pivpy')}": lambda: with_pivpy(dataset),
        f"xarray {version('xarray')}": lambda: with_xarray(dataset),
    }
    print("| quantity | tool | rms of the difference / rms of the value |\n|---|---|---|")
    values = {name: run() for name, run in runs.items()}  # and warm
    reference, *others = values
    for quantity, mine in values[reference].items():
        inner = np.s_[2:-2, 2:-2]  # one-sided differences are of another order at the edge
        for name in others:
            other = np.asarray(values[name][quantity], np.float64)
            apart = np.sqrt(np.mean((other - mine)[inner] ** 2) / np.mean(mine[inner] ** 2))
            print(f"| {quantity} | {name} | {apart:.1e} |")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(arguments.repeats):
        for name, run in runs.items():
            taken[name].append(milliseconds(run))
    first = statistics.median(processor for _, processor in taken[reference])
    print("\n| tool | ms, median | processor ms, median | times this project |\n|---|---|---|---|")
    for name, times in taken.items():
        clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| {name} | {clock:.0f} | {processor:.0f} | {processor / first:.1f} |")
    height, width = arguments.size
    load = f"load {os.getloadavg()[0]:.1f}, " if hasattr(os, "getloadavg") else ""
    print(f"\n{height} x {width} vectors (height x width), {load}{arguments.repeats} runs by turns")


if __name__ == "__main__":
    main()
