"""Pairs of 256 x 256 px a second that the generator makes, in memory, with one thread."""

from __future__ import annotations

import argparse
import time

import torch

from synth.source import open_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="training")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--classes", action="store_true", help="time every class by itself")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = open_source(options.recipe)
    kinds: list[str | None] = list(source.classes) if options.classes else [None]
    for kind in kinds:
        for index in range(10):
            source.pair("train", index, kind, (256, 256))
        start, busy = time.perf_counter(), time.process_time()
        for index in range(options.pairs):
            source.pair("train", index, kind, (256, 256))
        rate = options.pairs / (time.perf_counter() - start)
        # on a machine with other work the core's own time says more than the clock
        alone = options.pairs / (time.process_time() - busy)
        name = f"{source.name:18} {kind or 'mix':12}"
        print(f"{name} {rate:7.1f} pairs/s, {alone:7.1f} per second of the core's time")


if __name__ == "__main__":
    main()
