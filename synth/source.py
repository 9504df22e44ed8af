"""Pairs on the fly: the same recipe, split, class, index and size always give the same pair."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from piv.errors import InputError
from piv.train.source import SPLITS, Hidden
from piv.tuning import keep_memory
from piv.types import MINIMUM_SIZE, ImagePair, TruePair, size_text
from synth import camera, flows, hidden, particles
from synth import recipe as recipes
from synth.draw import Frame
from synth.flows import Flow
from synth.hidden import Made
from synth.particles import Particles
from synth.recipe import ClassRecipe, Recipe
from synth.scene import Scene, check, compose, values

GENERATOR_VERSION = 2  # goes up whenever the same seed gives other numbers
ENDLESS = 1 << 40  # indices below this
LARGEST_SIZE = 16384  # px


class Source:
    """Pairs of a recipe.

    Parameters
    ----------
    recipe : Recipe
    device : str
        Where the images are made; the random numbers come from the CPU and are the same anywhere.

    Attributes
    ----------
    name : str
    classes : tuple of str
    record : dict
        JSON-able: the whole recipe, those that it refers to, and the generator's version.
    size : (int, int)
        Default H, W of the images.
    bits : int
        The most that a pair of the recipe may have; up to 8 are uint8, else uint16.
    """

    def __init__(self, recipe: Recipe, device: str = "cpu") -> None:
        keep_memory()
        for entry in recipe.classes.values():
            check(entry)
        self.name = recipe.name
        self.classes = tuple(recipe.classes)
        self.size = recipe.size
        self.bits = int(max(entry.camera.bits.bounds()[1] for entry in recipe.classes.values()))
        self.record: dict[str, Any] = {
            "generator": GENERATOR_VERSION,
            "name": recipe.name,
            "recipe": json.loads(json.dumps(dict(recipe.source))),
        }
        if others := recipes.referred(recipe):
            self.record["refers_to"] = json.loads(json.dumps(others))
        self._recipe = recipe
        self._device = device

    def pair(
        self,
        split: str,
        index: int,
        kind: str | None = None,
        size: tuple[int, int] | None = None,
    ) -> TruePair:
        """Make one pair.

        Parameters
        ----------
        split : {"train", "validation", "test"}
            Splits never share a seed.
        index : int
            From 0 on, without end.
        kind : str, optional
            Class of flow; without it one is drawn by the weights of the recipe.
        size : (int, int), optional
            H, W, at least 32 px.

        Raises
        ------
        InputError
            If there is no such split or class, or the size or index cannot be.
        """
        shape = self._check(split, index, kind, size)
        if kind is None:
            kind = self._any_class(_seed(f"{self.name}/classes", split, index, shape))
        return self._labelled(self._make(split, index, kind, shape).pair, split, index, kind)

    def reveal(
        self, split: str, index: int, kind: str, size: tuple[int, int] | None = None
    ) -> tuple[TruePair, Hidden]:
        """The same pair as :meth:`pair`, and what no measurement sees of it."""
        shape = self._check(split, index, kind, size)
        made = self._make(split, index, kind, shape)
        return self._labelled(made.pair, split, index, kind), hidden.of(made)

    def again(
        self,
        split: str,
        index: int,
        kind: str,
        size: tuple[int, int] | None = None,
        *,
        exposure: int = 1,
    ) -> TruePair:
        """The particles and the light of :meth:`pair`, photographed again: only the noise differs.

        Parameters
        ----------
        split, index, kind, size :
            As in :meth:`pair`.
        exposure : int
            From 1 on; every number gives another noise.

        Raises
        ------
        InputError
            As :meth:`pair`, or if ``exposure`` is below 1.
        """
        if exposure < 1:
            raise InputError(f"the number of another exposure must be at least 1, not {exposure}")
        shape = self._check(split, index, kind, size)
        made = self._make(split, index, kind, shape)
        rng = _seed(f"{self._recipe.classes[kind].seed_name}/again {exposure}", split, index, shape)
        first, second = camera.expose(made.light, made.exposure, rng)
        old = made.pair.pair
        images = ImagePair(first, second, mask=old.mask, name=f"{old.name} again {exposure}")
        recipe = {**made.pair.recipe, "again": exposure}
        true = dataclasses.replace(made.pair, pair=images, recipe=recipe)
        return self._labelled(true, split, index, kind)

    def _check(
        self, split: str, index: int, kind: str | None, size: tuple[int, int] | None
    ) -> tuple[int, int]:
        """The size of the pair that is asked for, if there can be one."""
        shape = self.size if size is None else (int(size[0]), int(size[1]))
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}: choose from {', '.join(SPLITS)}")
        if min(shape) < MINIMUM_SIZE or max(shape) > LARGEST_SIZE:
            raise InputError(
                f"images must be {MINIMUM_SIZE} to {LARGEST_SIZE} px high and wide, not "
                f"{size_text(shape)} (height x width)"
            )
        if not 0 <= index < ENDLESS:
            raise InputError(f"the index of a pair must be 0 to {ENDLESS - 1}, not {index}")
        if kind is not None and kind not in self.classes:
            raise InputError(
                f"the recipe {self.name} has no class {kind!r}: choose from "
                f"{', '.join(self.classes)}"
            )
        return shape

    def _make(self, split: str, index: int, kind: str, shape: tuple[int, int]) -> Made:
        chosen = self._recipe.classes[kind]
        rng = _seed(chosen.seed_name, split, index, shape)
        return make_pair(chosen, Frame(shape, split, index, self._device), rng)

    def _labelled(self, pair: TruePair, split: str, index: int, kind: str) -> TruePair:
        record = {
            "generator": GENERATOR_VERSION,
            "recipe": self.name,
            "split": split,
            "index": index,
            **pair.recipe,
        }
        return TruePair(pair.pair, pair.u, pair.v, pair.seeded, kind, record)

    def _any_class(self, rng: np.random.Generator) -> str:
        weights = np.array([entry.weight for entry in self._recipe.classes.values()])
        return str(rng.choice(list(self.classes), p=weights / weights.sum()))


def open_source(name: str, device: str = "cpu") -> Source:
    """A source by the name of its recipe, or from a TOML file.

    Raises
    ------
    InputError, SettingsError
        If there is no such recipe, or it cannot be read.
    """
    return Source(recipes.load(name), device)


def _seed(name: str, split: str, index: int, shape: tuple[int, int]) -> np.random.Generator:
    """Random numbers of one pair; the split is part of the entropy."""
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    entropy = [digest, SPLITS.index(split), index, *shape]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def make_pair(recipe: ClassRecipe, frame: Frame, rng: np.random.Generator) -> Made:
    """One pair of a class: scene, particles, light, camera."""
    device = frame.device
    scene = compose(recipe, frame, rng)
    seeding, optics = values(recipe.particles, rng), values(recipe.camera, rng)
    y, x = flows.axes(frame.shape, device)
    inside = None if scene.body is None else scene.body.distance(y, x).expand(frame.shape)

    seeds, residue = _seeds(scene, frame, seeding, rng)
    share = torch.ones(2, 1, 1, device=device)  # of the particles' light that reaches the camera
    light = _particle_light(seeds, scene.flow, frame, seeding["diameter"])
    if optics["unevenness"] > 0:
        share = camera.sheet_profile(rng, frame.shape, optics["unevenness"], device)
        light = light * share
    light = light + camera.background(rng, frame.shape, optics["background"], device)
    seeded = torch.ones(frame.shape, dtype=torch.bool, device=device)
    if scene.unseeded is not None:
        seeded &= scene.unseeded.distance(y, x) >= 0
    if scene.shadow is not None:
        dark = rng.uniform(0.0, 0.3)
        shade = torch.sigmoid(scene.shadow.distance(y, x).expand(frame.shape) / 1.5)
        light = light * (dark + (1 - dark) * shade)
        share = share * (dark + (1 - dark) * shade)
        seeded &= (shade > 0.5) | (dark > 0.15)
    truth = scene.truth
    mask = None
    if inside is not None:
        seeded &= inside >= 0
        truth = truth * (inside >= 0)
        grey, glow, depth = rng.uniform(0, 0.3), rng.uniform(0, 1), rng.uniform(1, 6)
        halo = scene.record["glare"] * glow * torch.exp(-inside.abs() / depth)
        light = torch.where(inside >= 0, light, grey * optics["background"]) + halo
        share = share * (inside >= 0)
        covered = (inside < 0).cpu().numpy()
        if scene.record["mask_given"] and covered.any() and not covered.all():
            mask = covered
    exposure = camera.Exposure(
        bits=int(optics["bits"]),
        peak=optics["peak"],
        noise=optics["noise"],
        electrons=optics["electrons"],
        gain=optics["gain"],
        offset=optics["offset"],
    )
    first, second = camera.expose(light, exposure, rng)
    name = f"{recipe.seed_name} {frame.split} {frame.index}"
    u, v = truth.cpu().numpy().astype(np.float32)
    record = {"scene": scene.record, "particles": {**seeding, "residue": residue}, "camera": optics}
    images = ImagePair(first, second, mask=mask, name=name)
    pair = TruePair(images, u, v, seeded.cpu().numpy(), recipe.flow, record)
    return Made(pair, scene.flow, seeds, seeding["diameter"], light, share, exposure)


def _seeds(
    scene: Scene, frame: Frame, seeding: dict[str, float], rng: np.random.Generator
) -> tuple[Particles, float]:
    """The particles, none in bodies, and the share of them that is left in unseeded regions."""
    u, v = scene.truth.abs().amax(dim=(1, 2)).tolist()
    rim = 2 * seeding["diameter"] + 2.0
    margin = (v * 0.6 + rim, u * 0.6 + rim)
    seeds = particles.seed(rng, frame.shape, margin, **seeding, device=frame.device)
    residue = 0.0
    wanted = torch.ones_like(seeds.y, dtype=torch.bool)
    if scene.unseeded is not None:
        residue = float(rng.choice([0.0, rng.uniform(0, 0.02)]))
        strays = torch.from_numpy(rng.random(seeds.y.numel(), dtype=np.float32) < residue)
        wanted &= (scene.unseeded.distance(seeds.y, seeds.x) >= 0) | strays.to(frame.device)
    if scene.body is not None:
        wanted &= scene.body.distance(seeds.y, seeds.x) >= 0
    return (seeds if bool(wanted.all()) else seeds.keep(wanted)), residue


def _particle_light(seeds: Particles, flow: Flow, frame: Frame, diameter: float) -> Tensor:
    """Both images of the particles alone (2, H, W), a bright particle's peak being 1."""
    start, end = particles.move(seeds, flow)
    which = torch.zeros(2 * seeds.y.numel(), dtype=torch.long, device=frame.device)
    which[seeds.y.numel() :] = 1
    return camera.render(
        torch.cat((start, end), dim=1),
        torch.cat((seeds.diameter, seeds.diameter)),
        torch.cat((seeds.first, seeds.second)) / particles.mean_peak(diameter),
        which,
        frame.shape,
    )
