"""Where a run begins: a network with random weights, or with those of an earlier run."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from piv.errors import PIVError, SettingsError, WeightsError
from piv.network.catalogue import trained_steps
from piv.network.ccfcn import CCFCN
from piv.network.config import CCFCNConfig
from piv.network.grow import can_grow, grown
from piv.network.narrow import can_narrow_network, narrowed_network
from piv.network.weights import config_of, plain_config, read_weights, rebuild, weights_path
from piv.settings import STEPS
from piv.train.recipe import TrainRecipe


def settled(recipe: TrainRecipe, start_from: str | Path | None) -> TrainRecipe:
    """The recipe with what it leaves to the weights to begin with: network, refinement steps.

    Raises
    ------
    WeightsError
        If the weights cannot be used.
    """
    steps, network = recipe.refinement_steps or STEPS, recipe.network
    if start_from is not None and str(start_from).lower() != "none":
        if recipe.refinement_steps and recipe.network:
            return recipe
        path = weights_path(start_from)
        _, record, _ = read_weights(path)
        steps = recipe.refinement_steps or trained_steps(record)
        network = recipe.network or MappingProxyType(plain_config(config_of(record, str(path))))
    return replace(recipe, refinement_steps=steps, network=network)


def first_network(
    recipe: TrainRecipe, start_from: str | Path | None, *, resumed: bool = False
) -> tuple[CCFCN, list[dict[str, Any]]]:
    """Network to begin with, and the records of the runs that its weights have had.

    Parameters
    ----------
    recipe : TrainRecipe
        Names the network and the seed of random weights.
    start_from : str, Path or None
        Weights by name or file; None = random.  Those of a smaller network are grown to the
        recipe's (:mod:`piv.network.grow`), those of a wider one narrowed
        (:mod:`piv.network.narrow`).
    resumed : bool
        All weights come from a checkpoint afterwards.

    Raises
    ------
    SettingsError, WeightsError
        If the recipe's network or the weights cannot be used, or do not belong together.
    """
    config = _config(recipe)
    if start_from is not None:
        network, stages = _start(start_from, config, recipe.seed)
        if recipe.first_step_from:
            stages[-1]["first_step_from"] = _take_first_step(network, recipe.first_step_from)
        return network, stages
    if recipe.first_step_from and not resumed:
        raise SettingsError("first_step_from is for a run that starts from other weights")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return CCFCN(config), []


def _take_first_step(network: CCFCN, weights: str) -> dict[str, str]:
    """Give the network the first step of other weights; returns what is recorded of them."""
    path = weights_path(weights)
    tensors, record, sha256 = read_weights(path)
    other = rebuild(tensors, record, str(path))
    if other.config.first != network.config.first:
        raise WeightsError(
            f"the first step of {path} has another size than that of the recipe's network: "
            f"{other.config.first.image_widths}, not {network.config.first.image_widths}"
        )
    network.first_step.load_state_dict(other.first_step.state_dict())
    return {"name": str(record.get("name", path.stem)), "sha256": sha256}


def _config(recipe: TrainRecipe) -> CCFCNConfig:
    try:
        return CCFCNConfig.from_dict(dict(recipe.network))
    except (TypeError, ValueError, KeyError, PIVError) as error:
        raise SettingsError(f"the recipe's table network is not usable: {error}") from None


def _start(
    weights: str | Path, config: CCFCNConfig, seed: int
) -> tuple[CCFCN, list[dict[str, Any]]]:
    """Network and stages of the weights to begin with."""
    if str(weights).lower() == "none":
        raise WeightsError("'none' is no weights to start from: leave --start-from out for random")
    path = weights_path(weights)
    tensors, record, sha256 = read_weights(path)
    network = rebuild(tensors, record, str(path))
    if network.config != config:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if can_narrow_network(network.config, config):
                network = narrowed_network(network, config)
            elif can_grow(network.config, config):
                network = grown(network, config)
            else:
                raise WeightsError(
                    f"{path} has another network than the recipe, and not one that can grow or be "
                    f"narrowed to it ({_differing(network.config, config)}): leave the table "
                    "network out of the recipe to take that of the weights, or start from others"
                )
    stages = record.get("stages")
    if not isinstance(stages, list) or not stages:
        raise WeightsError(f"{path}: its record lists no stages, so seeds could repeat")
    stages[-1]["sha256"] = sha256
    return network, stages


def _differing(old: CCFCNConfig, new: CCFCNConfig) -> str:
    """The fields in which two networks differ, as the weights and as the recipe have them."""
    return ", ".join(
        f"{item.name} {getattr(old, item.name)} against {getattr(new, item.name)}"
        for item in fields(CCFCNConfig)
        if getattr(old, item.name) != getattr(new, item.name)
    )
