"""A small source of pairs, a tiny network and a short recipe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pairs import render

from piv.train import recipe as recipes
from piv.train.recipe import TrainRecipe
from piv.train.source import SPLITS
from piv.types import ImagePair, TruePair

TINY = {
    "image_widths": [4, 6],
    "velocity_widths": [4, 4],
    "radius": 1,
    "base_sigmas": [2.0, 4.0, 8.0],
}


class Particles:
    """Gaussian particles in a linear flow; class ``masked`` has a mask, and half is unseeded."""

    name = "particles"
    classes = ("shear", "masked")
    record = {"density": 0.06}  # noqa: RUF012  (a constant of the stand-in)

    def pair(self, split, index, kind=None, size=None):
        height, width = size or (64, 80)
        kind = kind or self.classes[index % 2]
        rng = np.random.default_rng([SPLITS.index(split), self.classes.index(kind), index])
        rates = rng.uniform(-0.02, 0.02, (2, 2))
        mean = rng.uniform(-2, 2, 2)

        def flow(x, y):
            dx, dy = x - width / 2, y - height / 2
            u = mean[0] + rates[0, 0] * dx + rates[0, 1] * dy
            return u, mean[1] + rates[1, 0] * dx + rates[1, 1] * dy

        y, x = np.mgrid[:height, :width].astype(float)
        u, v = (part.astype(np.float32) for part in flow(x, y))
        number = int(0.06 * (height + 20) * (width + 20))
        px, py = rng.uniform(-10, width + 10, number), rng.uniform(-10, height + 10, number)
        pu, pv = flow(px, py)
        light = np.full(number, 200.0)
        frames = [
            render(px + part * pu, py + part * pv, light, 3.0, (height, width)).clip(0, 255)
            for part in (-0.5, 0.5)
        ]
        frames = [frame.round().astype(np.uint8) for frame in frames]
        mask = seeded = None
        if kind == "masked":
            mask = np.zeros((height, width), dtype=bool)
            mask[:10, :20] = True
            seeded = x < width * 0.7
        return TruePair(ImagePair(*frames, mask=mask), u, v, seeded, kind)


@pytest.fixture(scope="session")
def source() -> Particles:
    return Particles()


@pytest.fixture(scope="session")
def tiny() -> TrainRecipe:
    return recipes.from_dict(
        {
            "name": "tiny",
            "render": 64,
            "crop": 48,
            "batch": 2,
            "reuse": 2,
            "pool": 3,
            "windows": [[32], [24]],
            "repeats": [1],
            "warm_up": 2,
            "validation_pairs": 1,
            "calibration_pairs": 1,
            "precision": "float32",
            "network": TINY,
        }
    )


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Bit for bit equal runs need one thread; a module's own runs are made after this."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
