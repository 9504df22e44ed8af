"""Weights beside each other: vector rms on the same validation pairs.

python compare_weights.py ccfcn-2026.11f ccfcn-2026.11g runs/mine/weights.safetensors@4
python compare_weights.py --pairs 12 --classes evaluation/wake resolution/sine016 -- A B

A name of the catalogue or a file, with the number of refinement steps behind an @ (as many as they
were trained for if none is named).  The second and further columns have the ratio to the first.
Without --classes the 19 classes that docs/experiments.md compares weights by.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN
from piv.network.weights import load_model
from piv.settings import CorrelateSettings, ValidateSettings
from piv.train.data import Batch, assemble
from piv.train.source import open_source

FLOWS = tuple(
    f"evaluation/{kind}" for kind in ("turbulence", "sqg", "wake", "separated", "wall", "vortex")
)
CLASSES = (
    *FLOWS,
    *(f"evaluation/{kind}" for kind in ("kinematic", "uniform", "sine", "noise10", "loss20")),
    "evaluation/sparse",
    *(f"robustness/{kind}" for kind in ("bodies", "diameter60", "density001")),
    *(f"resolution/{kind}" for kind in ("sine012", "sine016", "step0", "separated")),
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", help="name or file, and @ steps")
    parser.add_argument("--pairs", type=int, default=4, help="validation pairs per class")
    parser.add_argument("--classes", nargs="+", default=CLASSES, help="as evaluation/wake")
    args = parser.parse_args()
    networks = [_network(word) for word in args.weights]
    rows: dict[str, list[float]] = {}
    for name in args.classes:
        source, kind = name.split("/")
        pairs = validation_pairs(source, kind, args.pairs)
        rows[name] = [vector_rms(network, pairs, steps) for network, steps in networks]
        print(_line(name, rows[name]), flush=True)
    if set(FLOWS) <= set(rows):
        print(_line("six flows, geometric mean", _mean([rows[name] for name in FLOWS])))
    print(_line(f"{len(rows)} classes, geometric mean", _mean(list(rows.values()))))


def validation_pairs(source: str, kind: str, number: int) -> Batch:
    """The first pairs of a class, 256 x 256 px, with the coarse field of the default settings."""
    opened = open_source(f"synth:{source}")
    return assemble(
        [opened.pair("validation", n, kind=kind, size=(256, 256)) for n in range(number)],
        CorrelateSettings(),
        ValidateSettings(),
    )


def vector_rms(network: CCFCN, pairs: Batch, steps: int) -> float:
    """Root mean square length of the error, px, pooled; no border, mask or unseeded pixels."""
    total = pixels = 0.0
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    for one in pairs.singles():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            last = network(one.first, one.second, one.start, one.fluid, steps)[-1]
        square = (last.displacement - one.truth).square().sum(1, keepdim=True)[inner]
        where = (one.seeded & one.fluid)[inner]
        total += float(square[where].double().sum())
        pixels += float(where.sum())
    return float((total / pixels) ** 0.5)


def _network(word: str) -> tuple[CCFCN, int]:
    name, _, steps = word.partition("@")
    model = load_model(name)
    if model is None:
        raise SystemExit("none is no weights")
    return model.network, int(steps) if steps else model.steps


def _mean(rows: list[list[float]]) -> list[float]:
    return [float(value) for value in np.exp(np.log(rows).mean(0))]


def _line(name: str, values: list[float]) -> str:
    rest = (f"{value:.4f} ({value / values[0]:.3f})" for value in values[1:])
    return "| " + " | ".join([name, f"{values[0]:.4f}", *rest]) + " |"


if __name__ == "__main__":
    main()
