"""Batches for the network, made on the fly and fully determined by seed, stage, process and step.

Pairs are rendered larger than they are learned from; the real coarse stage runs on the whole
pair, with one of several settings, and its output is the network's start; then comes a random
crop under a random symmetry.  A pair is used several times under other crops, never in
consecutive steps and always among other pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from piv.errors import InputError
from piv.settings import CorrelateSettings, ValidateSettings
from piv.train.recipe import TrainRecipe
from piv.train.source import Source
from piv.types import TruePair

_GROUP, _CROP = 1, 2  # kinds of random streams
_STAGES = 64  # a run may build on at most so many others
_ORDINALS = 26  # bits of a pair's number within a run; seed, stage and number fill 40 bits

CoarseStart: TypeAlias = Callable[
    [Tensor, Tensor, Tensor | None, CorrelateSettings, ValidateSettings], Tensor
]


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Pairs, the coarse stage's displacement, and the truth.

    Parameters
    ----------
    first, second : float32 tensor, shape (B, 1, H, W)
        Grey levels.
    start, truth : float32 tensor, shape (B, 2, H, W)
        Displacement (u, v), px.
    seeded, fluid : bool tensor, shape (B, 1, H, W)
        Where there are particles, and where there is fluid (the complement of the mask).
    """

    first: Tensor
    second: Tensor
    start: Tensor
    truth: Tensor
    seeded: Tensor
    fluid: Tensor

    def __len__(self) -> int:
        return self.first.shape[0]

    def singles(self) -> Iterator[Batch]:
        """The pairs one by one."""
        for i in range(len(self)):
            yield self.map(lambda tensor: tensor[i : i + 1])  # noqa: B023  (called at once)

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The same function of every tensor."""
        return Batch(**{item.name: function(getattr(self, item.name)) for item in fields(self)})


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of several, in order."""
    return Batch(
        **{
            item.name: torch.cat([getattr(batch, item.name) for batch in batches])
            for item in fields(Batch)
        }
    )


def assemble(
    pairs: Sequence[TruePair],
    correlate: CorrelateSettings,
    validate: ValidateSettings,
    coarse_start: CoarseStart | None = None,
) -> Batch:
    """Pairs of one size as tensors, with the output of the coarse stage.

    Parameters
    ----------
    pairs : sequence of TruePair
    correlate, validate : settings of the coarse stage
    coarse_start : callable, optional
        Stands in for :func:`piv.pipeline.coarse_start`.
    """
    if coarse_start is None:
        from piv import pipeline

        coarse_start = pipeline.coarse_start
    first = _stack([pair.pair.first for pair in pairs])
    second = _stack([pair.pair.second for pair in pairs])
    every = np.ones(pairs[0].pair.shape, dtype=bool)
    masks = [pair.pair.mask for pair in pairs]
    fluid = _stack([every if mask is None else ~mask for mask in masks])
    seeded = _stack([every if pair.seeded is None else pair.seeded for pair in pairs])
    whole = all(mask is None for mask in masks)
    with torch.no_grad():
        start = coarse_start(
            first[:, 0], second[:, 0], None if whole else fluid[:, 0] > 0, correlate, validate
        )
    truth = torch.cat([_stack([pair.u for pair in pairs]), _stack([pair.v for pair in pairs])], 1)
    return Batch(first, second, start.float(), truth, seeded > 0, fluid > 0)


def _stack(arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    """(H, W) arrays of any type -> (B, 1, H, W) float32."""
    return torch.from_numpy(np.stack([np.asarray(a, dtype=np.float32) for a in arrays]))[:, None]


def transform(
    batch: Batch, *, mirror_x: bool, mirror_y: bool, transpose: bool, swap: bool
) -> Batch:
    """A symmetry of the square, and of time, applied to images and vectors alike.

    Parameters
    ----------
    batch : Batch
    mirror_x, mirror_y : bool
        Reverse the columns (u changes sign) or the rows (v changes sign).
    transpose : bool
        Afterwards exchange rows and columns, and with them u and v.
    swap : bool
        Exchange the frames: at mid-time the displacement changes sign, no more.
    """
    dims = [dim for dim, on in ((-1, mirror_x), (-2, mirror_y)) if on]
    if dims:
        batch = batch.map(lambda tensor: tensor.flip(dims))
    if transpose:
        batch = batch.map(lambda tensor: tensor.transpose(-1, -2))
    sign_u, sign_v = (-1.0 if mirror_x else 1.0), (-1.0 if mirror_y else 1.0)
    if swap:
        sign_u, sign_v = -sign_u, -sign_v
        batch = replace(batch, first=batch.second, second=batch.first)
    signs = batch.truth.new_tensor([sign_u, sign_v])[:, None, None]

    def vectors(tensor: Tensor) -> Tensor:
        signed = tensor * signs
        return signed.flip(1) if transpose else signed

    return replace(batch, start=vectors(batch.start), truth=vectors(batch.truth))


def crop(batch: Batch, top: int, left: int, size: int) -> Batch:
    """The square of ``size`` px whose first pixel is (``top``, ``left``)."""
    return batch.map(lambda tensor: tensor[..., top : top + size, left : left + size])


class TrainingData:
    """The batches of one run: ``data.batch(step)`` depends on its arguments alone.

    Parameters
    ----------
    source : Source
    recipe : TrainRecipe
    stage : int
        How many runs the weights already had: no two stages share a pair.
    rank, processes : int
        Which of how many data-parallel processes this is; they share no pair either.
    coarse_start : callable, optional
        Stands in for :func:`piv.pipeline.coarse_start`.

    Raises
    ------
    InputError
        If the weights already had too many stages.
    """

    def __init__(
        self,
        source: Source,
        recipe: TrainRecipe,
        *,
        stage: int = 0,
        rank: int = 0,
        processes: int = 1,
        coarse_start: CoarseStart | None = None,
    ) -> None:
        if not 0 <= stage < _STAGES:
            raise InputError(f"weights may build on at most {_STAGES} runs, not {stage}")
        self.source = source
        self.recipe = recipe
        self.stage = stage
        self.rank = rank
        self.processes = processes
        self._coarse_start = coarse_start
        self._block = -1
        self._groups: dict[int, Batch] = {}

    def batch(self, step: int) -> Batch:
        """The crops of one step: ``batch`` of them, ``crop`` px wide and high."""
        recipe = self.recipe
        block, within = divmod(step, recipe.pool * recipe.reuse)
        turn, position = divmod(within, recipe.pool)
        if block != self._block:
            self._block, self._groups = block, {}
        rng = self._generator(_CROP, step)
        crops = []
        for slot in range(recipe.batch):
            # in every turn a slot moves on by its own number: other company, never the next step
            group = self._group(block, (position + turn * slot) % recipe.pool)
            crops.append(_random_crop(group.map(lambda t: t[slot : slot + 1]), recipe.crop, rng))  # noqa: B023
        return join(crops)

    def index(self, number: int) -> int:
        """Index, in the split ``train``, of the run's pair ``number``: unlike any other run's."""
        ordinal = number * self.processes + self.rank
        return (((self.recipe.seed * _STAGES) + self.stage) << _ORDINALS) + ordinal

    def _group(self, block: int, group: int) -> Batch:
        if group not in self._groups:
            recipe = self.recipe
            number = block * recipe.pool + group
            rng = self._generator(_GROUP, number)
            windows = recipe.windows[rng.integers(len(recipe.windows))]
            repeats = recipe.repeats[rng.integers(len(recipe.repeats))]
            size = (recipe.render, recipe.render)
            pairs = [
                self.source.pair("train", self.index(number * recipe.batch + slot), size=size)
                for slot in range(recipe.batch)
            ]
            self._groups[group] = assemble(
                pairs,
                CorrelateSettings(windows=windows, repeats=repeats),
                ValidateSettings(),
                self._coarse_start,
            )
        return self._groups[group]

    def _generator(self, kind: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.recipe.seed, self.stage, self.rank, kind, number])


def _random_crop(sample: Batch, size: int, rng: np.random.Generator) -> Batch:
    height, width = sample.first.shape[-2:]
    top, left = (int(rng.integers(length - size + 1)) for length in (height, width))
    mirror_x, mirror_y, transpose, swap = (bool(bit) for bit in rng.integers(2, size=4))
    return transform(
        crop(sample, top, left, size),
        mirror_x=mirror_x,
        mirror_y=mirror_y,
        transpose=transpose,
        swap=swap,
    )
