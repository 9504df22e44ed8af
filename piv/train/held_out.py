"""What weights do on pairs that they never learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from piv.metrics import BORDER
from piv.network.ccfcn import CCFCN
from piv.settings import CorrelateSettings, ValidateSettings
from piv.train.data import Batch, CoarseStart, assemble
from piv.train.loss import mean_endpoint
from piv.train.recipe import TrainRecipe
from piv.train.source import Source


def held_out(
    source: Source,
    split: str,
    number: int,
    size: tuple[int, int],
    coarse_start: CoarseStart | None = None,
) -> dict[str, Batch]:
    """The first ``number`` pairs of every class, with the coarse stage's default settings.

    Parameters
    ----------
    source : Source
    split : "validation" or "test"
    number : int
        Pairs per class.
    size : (int, int)
        Height and width of the pairs, px.
    coarse_start : callable, optional
        Stands in for :func:`piv.pipeline.coarse_start`.

    Returns
    -------
    batches : dict of class to Batch
    """
    return {
        kind: assemble(
            [source.pair(split, index, kind=kind, size=size) for index in range(number)],
            CorrelateSettings(),
            ValidateSettings(),
            coarse_start,
        )
        for kind in source.classes
    }


def estimate(network: CCFCN, batch: Batch, recipe: TrainRecipe) -> tuple[Tensor, Tensor]:
    """Displacement and log-scale of the last refinement step, without gradients."""
    network.eval()
    with (
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"),
    ):
        last = network(
            batch.first, batch.second, batch.start, batch.fluid, recipe.refinement_steps
        )[-1]
    return last.displacement.float(), last.log_scale.float()


def validation_errors(
    network: CCFCN, batches: Mapping[str, Batch], recipe: TrainRecipe
) -> dict[str, float]:
    """Mean end-point error of a network, px, per class of held-out pairs."""
    errors = {}
    for kind, batch in batches.items():
        displacements = [estimate(network, pair, recipe)[0] for pair in batch.singles()]
        errors[kind] = held_out_error(displacements, batch)
    return errors


def held_out_error(displacements: Sequence[Tensor], batch: Batch) -> float:
    """Mean over the pairs of their mean end-point error, px, without an 8-px border.

    Parameters
    ----------
    displacements : sequence of tensors, shape (1, 2, H, W)
        One for each pair of the batch.
    batch : Batch
    """
    inner = slice(BORDER, -BORDER)
    where = (batch.seeded & batch.fluid)[..., inner, inner]
    errors = [
        mean_endpoint(
            displacement[..., inner, inner],
            batch.truth[i : i + 1, ..., inner, inner],
            where[i : i + 1],
        )
        for i, displacement in enumerate(displacements)
    ]
    return float(torch.stack(errors).mean())
