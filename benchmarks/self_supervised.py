"""Does a network get better on recordings by explaining them, without truth?

python self_supervised.py               # generated recordings of another camera, with known truth
python self_supervised.py --pairs A B   # and any recorded pair, asked through hidden pixels

Half of every batch is synthetic with truth, as in training; the other half are crops of the
recordings, where the two frames, moved to mid-time by the estimate, shall agree: pixel by pixel
(photometric), in their local normalised correlation, and with little curvature of the field.
`none` has the synthetic half alone: what merely going on does.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import piv
from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN, local_match, local_mean_and_spread
from piv.network.weights import Model
from piv.settings import CorrelateSettings, ValidateSettings
from piv.train import recipe as recipes
from piv.train.data import Batch, TrainingData, assemble, crop, join
from piv.train.hidden_pixels import compare
from piv.train.loss import refinement_loss
from piv.train.optimiser import Optimiser
from piv.train.recipe import TrainRecipe
from piv.types import ImagePair, TruePair
from synth.recipe import load, override
from synth.source import Source

CAMERA = {  # outside of what the training mix covers
    "particles": {"density": 0.012, "diameter": 8.0, "loss_of_pairs": 0.1},
    "camera": {"noise": 0.12},
}
CLASSES, NUMBER, SIZE = ("kinematic", "turbulence", "wall", "vortex"), 4, (256, 256)
HELD_OUT = 100  # first index of the pairs that are not learned from


@dataclass(frozen=True)
class Terms:
    """Weights of what recordings shall fulfil."""

    photometric: float = 0.0
    correlation: float = 0.0
    smoothness: float = 0.0


VARIANTS = {
    "none": Terms(),
    "photometric": Terms(photometric=0.3, smoothness=1.0),
    "correlation": Terms(correlation=0.3, smoothness=1.0),
    "both": Terms(photometric=0.15, correlation=0.15, smoothness=1.0),
    "both, smoother": Terms(photometric=0.15, correlation=0.15, smoothness=10.0),
}


def main() -> None:
    """Train every variant and print what it does to each kind of image."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--rate", type=float, default=5e-5, help="learning rate, AdamW")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--pairs", nargs="+", type=Path, default=[], help="frames, two by two")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = piv.load_model("default")
    assert model is not None
    recordings, unseen = generated(0), generated(HELD_OUT)
    general = made("evaluation", {}, 0)
    recorded = [
        piv.read_pair(first, second)
        for first, second in zip(options.pairs[::2], options.pairs[1::2], strict=True)
    ]
    learned = [coarse([pair]) for pair in recordings]
    learned += [coarse([unknown(pair)]) for pair in recorded]
    print(
        "| terms | its recordings | others of that camera | general images "
        "| hidden pixels, generated | hidden pixels, recorded |\n" + 6 * "|---" + "|"
    )
    figures = [rms(model.network, pairs) for pairs in (recordings, unseen, general)]
    print(f"| before | {figures[0]:.4f} | {figures[1]:.4f} | {figures[2]:.4f} | | |", flush=True)
    for name in options.variants:
        network = trained(model.network, learned, VARIANTS[name], options.steps, options.rate)
        figures = [rms(network, pairs) for pairs in (recordings, unseen, general)]
        new = replace(model, network=network, name=name)
        asked = [said([pair.pair for pair in recordings], model, new), said(recorded, model, new)]
        print(f"| {name} | " + " | ".join([f"{f:.4f}" for f in figures] + asked) + " |", flush=True)


def generated(start: int) -> list[TruePair]:
    """Recordings of the other camera."""
    return made("evaluation", CAMERA, start)


def made(name: str, changes: dict[str, dict[str, float]], start: int) -> list[TruePair]:
    """Validation pairs of some classes."""
    source = Source(override(load(name), changes))
    return [
        source.pair("validation", start + index, kind, SIZE)
        for kind in CLASSES
        for index in range(NUMBER)
    ]


def unknown(pair: ImagePair) -> TruePair:
    """A recorded pair as one whose truth is never looked at."""
    nothing = np.zeros(pair.shape, np.float32)
    return TruePair(pair, nothing, nothing)


def coarse(pairs: list[TruePair]) -> Batch:
    """With the coarse stage's estimate."""
    return assemble(pairs, CorrelateSettings(windows=(64, 24)), ValidateSettings())


def trained(
    network: CCFCN, recordings: list[Batch], terms: Terms, steps: int, rate: float
) -> CCFCN:
    """A copy of the network after so many steps."""
    recipe = replace(recipes.load("standard"), batch=4, seed=77)
    network = copy.deepcopy(network).requires_grad_(True).train()
    optimiser = Optimiser(network, "adamw", rate, recipe.weight_decay)
    data = TrainingData(Source(load("training")), recipe, stage=60)
    rng = np.random.default_rng(5)
    for step in range(steps):
        optimiser.zero_grad()
        loss = supervised(network, data.batch(step), recipe)
        if terms != Terms():
            loss = loss + unsupervised(network, crops(recordings, recipe, rng), terms, recipe)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step(rate * min(1.0, (step + 1) / 20) * (1.0 - step / steps))
    return network.requires_grad_(False).eval()


def crops(recordings: list[Batch], recipe: TrainRecipe, rng: np.random.Generator) -> Batch:
    """As many random crops of the recordings as a step has synthetic ones."""
    chosen = []
    for _ in range(recipe.batch):
        one = recordings[rng.integers(len(recordings))]
        top, left = (int(rng.integers(n - recipe.crop + 1)) for n in one.first.shape[-2:])
        chosen.append(crop(one, top, left, recipe.crop))
    return join(chosen)


def supervised(network: CCFCN, batch: Batch, recipe: TrainRecipe) -> Tensor:
    """The loss of the training."""
    return refinement_loss(
        run(network, batch, recipe), batch.start, batch.truth, batch.seeded, batch.fluid,
        step_weight=recipe.step_weight, uncertainty_weight=recipe.uncertainty_weight,
        emphasis=recipe.emphasis, rounding=recipe.rounding, near_mask=recipe.near_mask,
        largest=recipe.largest_error,
    )  # fmt: skip


def run(network: CCFCN, batch: Batch, recipe: TrainRecipe):
    """All refinement steps."""
    with torch.autocast("cpu", torch.bfloat16):
        return network(batch.first, batch.second, batch.start, batch.fluid, recipe.refinement_steps)


def unsupervised(network: CCFCN, batch: Batch, terms: Terms, recipe: TrainRecipe) -> Tensor:
    """How badly the last estimate explains the recordings."""
    displacement = run(network, batch, recipe)[-1].displacement.float()
    first, second = (
        moved(normalised(frame, batch.fluid), sign * displacement / 2)
        for frame, sign in ((batch.first, -1), (batch.second, 1))
    )
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    where = batch.fluid.float()[inner]
    difference = ((first - second).square() + 0.01).sqrt()[inner]
    unlike = 1.0 - local_match(first, second)[inner]
    bend_x, bend_y = (displacement.diff(n=2, dim=dim).square().mean() for dim in (-1, -2))
    agreed = terms.photometric * difference + terms.correlation * unlike
    return (agreed * where).sum() / where.sum().clamp(min=1) + terms.smoothness * (bend_x + bend_y)


def normalised(frame: Tensor, fluid: Tensor) -> Tensor:
    """Local mean 0 and standard deviation 1, as the network sees it but for its floor."""
    mean, spread = local_mean_and_spread(frame, fluid.float())
    floor = 0.15 * spread.flatten(1).quantile(0.9, dim=1)[:, None, None, None]
    return ((frame - mean) / (spread + floor.clamp(min=1e-6))).clamp(-4, 12)


def moved(frame: Tensor, shift: Tensor) -> Tensor:
    """The frame at x + shift, differentiable by the shift (the package's own spline is not)."""
    height, width = frame.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32), torch.arange(width, dtype=torch.float32),
        indexing="ij",
    )  # fmt: skip
    at = torch.stack(
        (2 * (x + shift[:, 0]) / (width - 1) - 1, 2 * (y + shift[:, 1]) / (height - 1) - 1), -1
    )
    return F.grid_sample(frame, at, mode="bicubic", padding_mode="border", align_corners=True)


def rms(network: CCFCN, pairs: list[TruePair]) -> float:
    """Vector rms, px, without border, mask and unseeded pixels."""
    squares = []
    for pair in pairs:
        batch = coarse([pair])
        with torch.no_grad():
            found = network(batch.first, batch.second, batch.start, batch.fluid, 3)[-1]
        where = (batch.seeded & batch.fluid)[:, 0]
        inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        square = (found.displacement - batch.truth).square().sum(1)
        squares.append(square[inner][where[inner]])
    return float(torch.cat(squares).mean().sqrt())


def said(pairs: list[ImagePair], old: Model, new: Model) -> str:
    """What hidden pixels say: gain of explained correlation, and its standard error."""
    if not pairs:
        return ""
    found = compare(pairs, old, new)
    return f"{found.gain:+.5f} ({found.error:.5f})"


if __name__ == "__main__":
    main()
