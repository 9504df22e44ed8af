"""Where smoothing an estimate helps and where it harms: between the steps, at the end, blended.

python smoothing.py                           # the default weights, their parts switched off
python smoothing.py --model ccfcn-2026.11f --between 0 0.5 0.7 1 --end 0 0.5 0.7

Nothing is trained: the network's ``smooth`` and ``blend`` are changed, or its answer is smoothed.
Vector rms on validation pairs over that of the first line, which is the network as it is; to be
read as what the network does with the part, not what it could learn without it.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace

import numpy as np
import torch

import piv
from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN, smoothed
from piv.settings import CorrelateSettings, ValidateSettings
from piv.train.data import Batch, assemble
from piv.train.source import open_source

FLOWS = ("turbulence", "sqg", "wake", "separated", "wall", "vortex")
CLASSES = {
    "evaluation": (*FLOWS, "uniform", "sine"),
    "resolution": ("sine016", "sine012", "step0"),
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="name or file of the weights")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--between", type=float, nargs="+", help="px; given: no parts are switched")
    parser.add_argument("--end", type=float, nargs="+", default=[0.0], help="px")
    options = parser.parse_args()
    model = piv.load_model(options.model)
    if model is None:
        parser.error("there are no steps without weights: name some, not 'none'")
    torch.set_num_threads(1)
    cases = variants(model.network, options.between, options.end)
    found = {name: [] for name, _, _ in cases}
    kinds = [(source, kind) for source, kinds in CLASSES.items() for kind in kinds]
    for source, kind in kinds:
        batch = pairs_of(source, kind, options.pairs)
        for name, network, end in cases:
            found[name].append(vector_rms(network, batch, model.steps, end))
    print(f"{model.name}, {options.pairs} validation pairs a class")
    print("| | six flows | " + " | ".join(kind for _, kind in kinds) + " |")
    print((len(kinds) + 2) * "|---" + "|")
    first = np.array(found[cases[0][0]])
    for name, values in found.items():
        ratios = np.array(values) / first
        mean = np.exp(np.log(ratios[: len(FLOWS)]).mean())
        print(f"| {name} | {mean:.3f} | " + " | ".join(f"{ratio:.3f}" for ratio in ratios) + " |")


def variants(
    network: CCFCN, between: list[float] | None, ends: list[float]
) -> list[tuple[str, CCFCN, float]]:
    """Name, network, and the Gaussian over its answer, px; the network as it is first."""

    def changed(smooth: float, *, blend: bool) -> CCFCN:
        other = copy.deepcopy(network)
        other.config = replace(network.config, smooth=smooth)
        if not blend:
            other.later_steps.blend = None
        return other

    kept = network.config.smooth
    cases = [("as it is", network, 0.0)]
    if between is None:
        cases += [
            ("without the blend", changed(kept, blend=False), 0.0),
            ("without smoothing between the steps", changed(0.0, blend=True), 0.0),
            ("without either", changed(0.0, blend=False), 0.0),
        ]
    for sigma in between or ():
        steps = changed(sigma, blend=True)
        cases += [(f"{sigma} px between, {end} at the end", steps, end) for end in ends]
    return cases


def pairs_of(source: str, kind: str, count: int) -> Batch:
    """Validation pairs with the coarse start of an analysis."""
    made = open_source(f"synth:{source}")
    true = [made.pair("validation", index, kind) for index in range(count)]
    return assemble(true, CorrelateSettings(windows=(64, 24), repeats=1), ValidateSettings())


@torch.inference_mode()
def vector_rms(network: CCFCN, batch: Batch, steps: int, end: float) -> float:
    """Of the seeded fluid without the border, px."""
    squares = []
    for one in batch.singles():
        results = network(one.first, one.second, one.start, one.fluid, steps)
        field = results[-1].displacement
        if end > 0:
            field = smoothed(field, one.fluid.to(field.dtype), end)
        inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        where = (one.seeded & one.fluid)[inner][0, 0]
        squares.append((field - one.truth).square().sum(1)[inner][0][where])
    return float(torch.cat(squares).mean().sqrt())


if __name__ == "__main__":
    main()
