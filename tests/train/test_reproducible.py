"""A recipe of the package computes the same weights again, bit for bit on one thread.

Of both runs everything is compared that a checkpoint holds: network, average, optimiser.  The
second starts with other global random numbers, after another run has been in the process.
"""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch

from piv.train import checkpoint
from piv.train import recipe as recipes
from piv.train.loop import open_run
from piv.train.recipe import TrainRecipe
from train.test_optimiser import assert_same

# the recipe itself, with its source, optimiser and loss, on fewer and smaller crops
REDUCED = {"render": 96, "crop": 64, "batch": 2, "pool": 3, "reuse": 2, "warm_up": 2}
LAYERS = {"image_widths": [8, 10, 12, 12], "velocity_widths": [4, 4, 4, 4]}
WINDOWS = ((32, 16), (32,), (48, 24))


def reduced(name: str) -> TrainRecipe:
    recipe = recipes.load(name)
    layers = {key: value for key, value in LAYERS.items() if key in recipe.network}
    if "first_widths" in recipe.network:
        layers["first_widths"] = [4, 6, 8, 8]
    network = {**recipe.network, **layers}
    return dataclasses.replace(recipe, **REDUCED, windows=WINDOWS, network=network)


def checkpoint_after(recipe: TrainRecipe, folder, steps: int) -> dict:
    """What the run has after its first steps; its length, and so the rate, is the recipe's."""
    run = open_run(recipe, folder, steps=recipe.steps)
    assert not run.run(should_stop=lambda: run.step >= steps)
    assert run.step == steps
    state = checkpoint.read(folder / checkpoint.NAME)
    for row in state["rows"]:
        del row["minutes"]  # of wall time
    learned = ("network", "average", "optimiser", "step", "rows", "window")
    return {key: state[key] for key in learned}


def disturb() -> None:
    """Other global random numbers, which nothing may look at."""
    torch.manual_seed(123456)
    random.seed(7)
    np.random.seed(8)  # noqa: NPY002  (what others may use)


def compare(recipe: TrainRecipe, folder, steps: int) -> dict:
    with torch.random.fork_rng():
        first = checkpoint_after(recipe, folder / "first", steps)
        disturb()
        second = checkpoint_after(recipe, folder / "second", steps)
    assert_same(first, second)
    return first


def test_the_first_steps_of_the_standard_recipe_come_again(tmp_path):
    recipe = reduced("standard")
    state = compare(recipe, tmp_path, 4)
    other = checkpoint_after(dataclasses.replace(recipe, seed=2), tmp_path / "other", 4)
    with pytest.raises(AssertionError):
        assert_same(state, other)
    # and they learned: the weights are not the first ones
    begun = open_run(recipe, tmp_path / "begun").learner.state()["network"]
    assert all(not torch.equal(weight, begun[name]) for name, weight in state["network"].items())


@pytest.mark.slow
def test_the_first_hundred_steps_of_the_standard_recipe_come_again(tmp_path):
    compare(recipes.load("standard"), tmp_path, 100)
