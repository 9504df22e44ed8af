"""Bias and random error over the sub-pixel part of a uniform displacement (peak locking).

python peak_locking.py                    # weights that ship, split validation
python peak_locking.py --model FILE --pairs 60

Forty pairs of the class `uniform` of `synth:evaluation` (its displacement steps by 0.05 px from
pair to pair) at each particle diameter; no particle leaves the sheet, noise as the class has it.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

import piv
from synth.recipe import load, override
from synth.source import Source

BORDER = 8  # px
BINS = 10  # of the sub-pixel part, for the mean bias


def main() -> None:
    """Print a line for each diameter, of the coarse and of the dense field."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--pairs", type=int, default=40, help="at each diameter")
    parser.add_argument("--diameters", type=float, nargs="+", default=[1.5, 2.2, 3.0, 4.0])
    parser.add_argument("--size", type=int, nargs=2, default=[128, 192], metavar=("H", "W"))
    parser.add_argument("--model", default="default", help="name or file of the weights")
    options = parser.parse_args()
    model = piv.load_model(options.model)
    assert model is not None, "name weights: the coarse field is measured beside the dense one"
    print(
        f"weights {model.name}, split {options.split}, {options.pairs} pairs of "
        f"{options.size[0]} x {options.size[1]} px a diameter, {torch.get_num_threads()} threads"
    )
    print("diameter  field   largest |bias|  half peak-to-peak  random error   px")
    for diameter in options.diameters:
        recipe = override(
            load("evaluation"),
            {"particles": {"diameter": diameter, "diameter_spread": 0.0, "loss_of_pairs": 0.0}},
            only="uniform",
        )
        source = Source(recipe)
        found: dict[str, list[tuple[float, float, float]]] = {"coarse": [], "dense": []}
        for index in range(options.pairs):
            true = source.pair(options.split, index, "uniform", tuple(options.size))
            result = piv.analyse(true.pair, model=model)
            for name, field in (("coarse", result.coarse), ("dense", result.dense)):
                found[name] += errors(field, float(true.u.mean()), float(true.v.mean()))
        for name, rows in found.items():
            print(f"{diameter:5.1f} px  {name:6}  {summary(np.array(rows))}", flush=True)


def errors(field: piv.VectorField, *truth: float) -> list[tuple[float, float, float]]:
    """(true displacement, bias, random error) of each component, away from the border."""
    x, y = field.x, field.y
    inside = np.ix_(
        (y >= y[0] + BORDER) & (y <= y[-1] - BORDER), (x >= x[0] + BORDER) & (x <= x[-1] - BORDER)
    )
    rows = []
    for values, true in zip((field.u, field.v), truth, strict=True):
        error = values[inside].astype(float) - true
        rows.append((true, float(error.mean()), float(error.std())))
    return rows


def summary(rows: np.ndarray) -> str:
    """One line of a table."""
    true, bias, spread = rows.T
    place = np.floor(true % 1.0 * BINS).astype(int) % BINS
    means = [bias[place == n].mean() for n in range(BINS) if (place == n).any()]
    half = (max(means) - min(means)) / 2
    return f"{abs(bias).max():14.4f}  {half:17.4f}  {np.sqrt(np.mean(spread**2)):12.4f}"


if __name__ == "__main__":
    main()
