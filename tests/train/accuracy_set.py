"""Accuracy of weights on a small generated set, and the figures that are kept of it.

python tests/train/accuracy_set.py    # analyses with all weights -> accuracy.json beside this file

Rewrite the file when new weights come, or when a change of the coarse stage or of the network is
meant to give other numbers, and say so in the change log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

import piv
from piv.network.catalogue import catalogue
from piv.settings import Settings
from piv.train.evaluation import COARSE, DENSE, Row, evaluate
from piv.train.source import open_source
from piv.types import TruePair

STORED = Path(__file__).with_name("accuracy.json")
COMMAND = "python tests/train/accuracy_set.py"
SIZE = (240, 272)
# class -> index in the split validation
PAIRS = {
    "kinematic": 0, "turbulence": 0, "sqg": 0, "wall": 1, "wake": 0, "separated": 0, "vortex": 0,
    "uniform": 0, "large": 0, "noise10": 0, "loss20": 0, "sparse": 0, "plane": 4,
}  # fmt: skip

# other processors move a class by 0.1 %, float32 in place of bfloat16 by 0.7 %, the mean by 0.1 %,
# the share by 0.003
CLASS, OVERALL = 0.03, 0.01  # relative
COVERAGE, MEAN_COVERAGE = 0.03, 0.01

Figures = Mapping[str, Mapping[str, float]]  # class -> name -> value


def pairs() -> dict[str, list[TruePair]]:
    """The set: one pair of each class."""
    source = open_source("synth:evaluation")
    return {kind: [source.pair("validation", index, kind, SIZE)] for kind, index in PAIRS.items()}


def scores(classes: Mapping[str, list[TruePair]], model: piv.Model | None) -> Figures:
    """Figures of the dense field; without a model, of the coarse one."""
    method = COARSE if model is None else DENSE
    return _figures(
        row for row in evaluate(classes, Settings(), model).rows if row.method == method
    )


def _figures(rows: Iterable[Row]) -> Figures:
    names = ("mean_endpoint_error", "vector_rms", "coverage")
    return {
        row.kind: {name: round(row.figures[name], 5) for name in names if name in row.figures}
        for row in rows
        if row.kind in PAIRS
    }


def changes(found: Figures, kept: Figures) -> list[str]:
    """What differs by more than rounding does, better or worse, a line each.

    Better counts too: with old figures kept, a later loss would go unnoticed.
    """
    lines = []
    for name in ("mean_endpoint_error", "vector_rms"):
        ratios = {kind: found[kind][name] / kept[kind][name] for kind in kept}
        lines += [
            f"{kind}: {name} {found[kind][name]:.4f} px, was {kept[kind][name]:.4f}"
            for kind, ratio in ratios.items()
            if abs(ratio - 1) > CLASS
        ]
        mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
        if abs(mean - 1) > OVERALL:
            lines.append(f"all classes: {name} {mean:.3f} times what it was")
    shares = {
        kind: found[kind]["coverage"] - figures["coverage"]
        for kind, figures in kept.items()
        if "coverage" in figures
    }
    lines += [
        f"{kind}: {found[kind]['coverage']:.1%} of the errors within the stated uncertainty, "
        f"was {kept[kind]['coverage']:.1%}"
        for kind, difference in shares.items()
        if abs(difference) > COVERAGE
    ]
    if shares and abs(mean := sum(shares.values()) / len(shares)) > MEAN_COVERAGE:
        lines.append(f"all classes: {mean:+.1%} of the errors within the stated uncertainty")
    return lines


def kept() -> dict[str, Figures]:
    """Figures by method: the coarse stage, and each of the catalogue's weights by name."""
    stored: dict[str, Figures] = json.loads(STORED.read_text(encoding="utf-8"))["figures"]
    return stored


def main() -> None:
    """Analyse with all weights and write the file."""
    torch.set_num_threads(1)
    classes = pairs()
    figures = {COARSE: scores(classes, None)}
    figures |= {name: scores(classes, piv.load_model(name)) for name in catalogue()}
    table = {
        "made_by": COMMAND,
        "pairs": f"synth:evaluation, validation, {SIZE[0]} x {SIZE[1]} px (height x width)",
        "figures": figures,
    }
    STORED.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
