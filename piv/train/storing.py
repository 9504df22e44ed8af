"""What a run leaves in its folder: checkpoint and curve, and the weights with their record."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.errors import SettingsError
from piv.network.config import CCFCNConfig
from piv.network.weights import plain_config, save_weights
from piv.train import checkpoint, curve
from piv.train import recipe as recipes
from piv.train.calibration import calibrate_uncertainty
from piv.train.progress import Clock
from piv.train.provenance import stage_record, weights_record
from piv.train.recipe import TrainRecipe

if TYPE_CHECKING:
    from piv.train.loop import Training


def store(run: Training) -> None:
    """Write the checkpoint and the curve of a run.

    Raises
    ------
    PIVError
        If the folder cannot be written.
    """
    state = {
        "recipe": run.recipe.to_dict(),
        "source": json.dumps(dict(run.source.record), sort_keys=True),
        "network_config": plain_config(run.network),
        "plan": {"steps": run.plan.steps, "minutes": run.plan.minutes},
        "history": run.history,
        "processes": run.gang.size,
        "step": run.step,
        "seconds": [run.clock.wall, run.clock.core, run.clock.data],
        "rows": run.rows,
        "window": [list(pair) for pair in run.window],
        **run.learner.state(),
    }
    checkpoint.write(run.output / checkpoint.NAME, state)
    curve.write(run.output, run.rows)


def stored(output: Path, recipe: TrainRecipe | None) -> tuple[dict[str, Any], TrainRecipe]:
    """State and recipe of the run of a folder.

    Parameters
    ----------
    output : Path
    recipe : TrainRecipe or None
        Must be the one that the run was started with; None = take it from the checkpoint.

    Raises
    ------
    InputError
        If there is no usable checkpoint.
    SettingsError
        If the recipe differs from the run's.
    """
    state = checkpoint.read(output / checkpoint.NAME)
    kept = _found_again(recipes.from_dict(state["recipe"]), output)
    recipe = _like(recipe, kept) if recipe else kept
    then, now = kept.to_dict(), recipe.to_dict()
    learned = [name for name in now if name not in recipes.EXPORT_ONLY]
    if differing := [name for name in learned if then[name] != now[name]]:
        raise SettingsError(
            f"{output} was trained with another recipe ({', '.join(differing)} differ): "
            "resume it with its own, or choose another folder"
        )
    return state, recipe


def _found_again(recipe: TrainRecipe, output: Path) -> TrainRecipe:
    """The recipe of a run whose folder, with the generator's recipe in it, was moved."""
    provider, _, argument = recipe.source.partition(":")
    here = (output / Path(argument).name).absolute()
    if argument.endswith(".toml") and not Path(argument).is_file() and here.is_file():
        return dataclasses.replace(recipe, source=f"{provider}:{here}")
    return recipe


def _like(recipe: TrainRecipe, kept: TrainRecipe) -> TrainRecipe:
    """A recipe with what it left to the weights that the run began with."""
    both = (recipe.source, kept.source)
    return dataclasses.replace(
        recipe,
        # what a file says is compared with the source's record, wherever it lies
        source=kept.source if all(name.endswith(".toml") for name in both) else recipe.source,
        refinement_steps=recipe.refinement_steps or kept.refinement_steps,
        network=recipe.network or kept.network,
    )


def restore(run: Training, state: dict[str, Any]) -> None:
    """Bring a new run to where a stored one was.

    Raises
    ------
    SettingsError
        If that run had other processes or another network.
    """
    if (processes := state.get("processes", 1)) != run.gang.size:
        raise SettingsError(
            f"{run.output} was trained in {processes} processes: resume it in as many"
        )
    # by its settings, not their text: a setting that came later has its default
    if run.network.config != CCFCNConfig.from_dict(state["network_config"]):
        raise SettingsError(f"{run.output} was trained with another version of the network")
    # what the generator's recipe said is not in the training's, which only names it
    made = json.dumps(dict(run.source.record), sort_keys=True)
    if (before := state.get("source", made)) != made:
        raise SettingsError(
            f"the images of {run.output} were made by {_what_changed(before, made)}: bring "
            f"{run.recipe.source} back to what it was, or choose another folder and start from "
            "its weights"
        )
    run.learner.restore(state)
    run.history = state["history"]
    run.step = state["step"]
    run.rows = state["rows"]
    run.window = [(loss, error) for loss, error in state["window"]]
    run.clock = Clock(*state["seconds"])


def export(run: Training, path: Path, name: str) -> str:
    """Calibrate the uncertainty and write the averaged weights with their record.

    Parameters
    ----------
    run : Training
    path : Path
        A ``.safetensors`` file.
    name : str
        What the weights are called.

    Returns
    -------
    sha256 : str
    """
    calibration = calibrate_uncertainty(
        run.average, run.calibrated_on, run.recipe, coarse_start=run.coarse_start
    )
    stage = stage_record(
        name,
        run.recipe,
        run.source.record,
        stage=len(run.history),
        steps=run.step,
        processes=run.gang.size,
        seconds=run.clock.wall,
        core_seconds=run.clock.core,
        curve=run.rows,
    )
    if (teacher := run.learner.teacher) is not None:
        stage["teacher"] = {"name": teacher.name, "sha256": teacher.sha256}
    record = weights_record(run.average, [*run.history, stage], calibration)
    return save_weights(path, run.average.state_dict(), record)


def _what_changed(before: str, now: str) -> str:
    """How two records of a source differ, in words."""
    old, new = json.loads(before), json.loads(now)
    if old.get("generator") != new.get("generator"):
        return "another version of the generator"
    then, after = old.get("recipe"), new.get("recipe")
    if not (isinstance(then, dict) and isinstance(after, dict)):
        return "another recipe of the generator"
    differing = [key for key in sorted({*then, *after}) if then.get(key) != after.get(key)]
    return f"another recipe of the generator ({', '.join(differing) or 'what it refers to'} differ)"
