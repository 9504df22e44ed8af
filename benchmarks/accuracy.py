"""Accuracy beside other programs, on the same images from the project's generator.

python accuracy.py                        # split test, results/accuracy.md
python accuracy.py --split validation --pairs 4 --class turbulence vortex
python accuracy.py --split validation --source synth:robustness --floors --pivtools

The others do not change with the weights: --only others and --only own score them in two runs,
on the same images, whose rows report.py reads together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from peers import DIS, OpenPIV, Ours, PIVTools
from scoring import Method, measure, write
from tuning import BEST, FINE, FIVE, SEVEN

import piv
from piv.presets import PRESETS

PEERS = [
    OpenPIV("OpenPIV defaults"),
    # the best found for the strong gradients of `standard-kinematic`, and for all classes together
    OpenPIV("OpenPIV sharp", SEVEN, options=BEST | FINE, smooth=0.05),
    OpenPIV("OpenPIV smooth", FIVE, 0.75, BEST | FINE, smooth=0.5, smooth_result=1.0),
    DIS("OpenCV DIS"),
]


def main() -> None:
    """Score this project and its peers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=["validation", "test"], default="test")
    parser.add_argument("--pairs", type=int, default=12, help="of each class")
    parser.add_argument("--source", nargs="+", default=["synth:evaluation"])
    parser.add_argument("--class", dest="kinds", nargs="*", default=[], help="default: all")
    parser.add_argument("--model", default="default", help="name or file of the weights, or none")
    parser.add_argument("--only", choices=["own", "others"], help="default: all")
    parser.add_argument("--best", action="store_true", help="also the preset best")
    parser.add_argument("--floors", action="store_true", help="also what the images allow at best")
    parser.add_argument(
        "--pivtools", action="store_true", help="also PIVTOOLs, which is installed by hand"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--name", default="accuracy", help="of the files that are written")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    methods: list[Method] = []
    if arguments.only != "others":
        methods.append(Ours("coarse"))
        if (model := piv.load_model(arguments.model)) is not None:
            methods.append(Ours("dense", model))
            if arguments.best:
                methods.append(Ours("best", model, PRESETS["best"].settings))
    if arguments.only != "own":
        methods += PEERS
        if arguments.pivtools:
            methods.append(PIVTools("PIVTOOLs"))
    rows = measure(
        methods,
        arguments.source,
        arguments.split,
        arguments.pairs,
        set(arguments.kinds),
        floors=arguments.floors,
    )
    write(arguments.output, arguments.name, "Accuracy", rows, methods, arguments.split)


if __name__ == "__main__":
    main()
