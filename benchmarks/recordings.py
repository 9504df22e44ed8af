"""The same flow recorded again and again with other particles: what scatters is random error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from piv.types import ImagePair, TruePair
from synth import camera, particles
from synth.draw import Frame
from synth.flows import Flow
from synth.particles import Particles
from synth.recipe import load
from synth.scene import compose

SEEDING = {
    "density": 0.06, "diameter": 2.5, "diameter_spread": 0.1, "brightness_spread": 0.2,
    "loss_of_pairs": 0.0, "loss_by_motion": 1.0,
}  # fmt: skip


def flow_of(kind: str, split: str, index: int, shape: tuple[int, int]) -> tuple[Flow, TruePair]:
    """A flow of a class of `evaluation`, and its true displacement without images."""
    recipe = load("evaluation").classes[kind]
    rng = np.random.default_rng([index, *shape, *kind.encode(), *split.encode()])
    scene = compose(recipe, Frame(shape, split, index), rng)
    u, v = scene.truth.numpy().astype(np.float32)
    blank = np.zeros(shape, np.uint8)
    return scene.flow, TruePair(ImagePair(blank, blank), u, v, kind=kind)


def record(
    flow: Flow,
    shape: tuple[int, int],
    rng: np.random.Generator,
    noise: float = 0.02,
    change: Callable[[Particles], Particles] = lambda seeds: seeds,
    margin: tuple[float, float] = (24.0, 24.0),
    **seeding: float,
) -> ImagePair:
    """A 12-bit pair; ``change`` may take particles away, ``seeding`` replaces parts of SEEDING.

    Particles are scattered over a ``margin`` too (above and below, left and right, px).
    """
    wanted = SEEDING | seeding
    seeds = change(particles.seed(rng, shape, margin, **wanted))
    start, end = particles.move(seeds, flow)
    positions = np.concatenate((start.numpy(), end.numpy()), axis=1)
    which = np.repeat([0, 1], seeds.y.numel())
    tensor = seeds.y.new_tensor
    light = camera.render(
        tensor(positions),
        tensor(np.tile(seeds.diameter.numpy(), 2)),
        tensor(np.concatenate((seeds.first.numpy(), seeds.second.numpy())))
        / particles.mean_peak(wanted["diameter"]),
        tensor(which).long(),
        shape,
    )
    exposure = camera.Exposure(bits=12, peak=0.7, noise=noise, electrons=5000.0, offset=0.1)
    return ImagePair(*camera.expose(light, exposure, rng))
