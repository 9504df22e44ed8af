"""Fine-tuning on one's own recordings, and whether it helped.

There is no truth to learn from in a recording.  So its conditions are measured (particles, light,
noise, lost pairs, displacement), images that measure like it are generated
(:mod:`piv.train.likened`), with the truth, beside the general mix, and the network goes on learning
from those.  Whether that helped is then asked of the recordings themselves
(:mod:`piv.train.hidden_pixels`), which nothing was fitted to.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError, WeightsError
from piv.fingerprint import fingerprint
from piv.io.files import make_folder, replacing
from piv.io.sources import SourceSpec
from piv.network.catalogue import absolute, catalogue
from piv.network.weights import Model, load_model, plain_config
from piv.preprocess import crop
from piv.train import recipe as recipes
from piv.train.conditions import Conditions, measure
from piv.train.held_out import held_out, validation_errors
from piv.train.hidden_pixels import BLOCK, BLOCKS, Difference, compare
from piv.train.likened import likened
from piv.train.matched import GENERAL, MATCHED, fit_text, fits, inline, recipe_text
from piv.train.recipe import TrainRecipe
from piv.train.recordings import (
    NOTE,
    Recordings,
    Wanted,
    noted_recordings,
    open_recordings,
    read_note,
    write_note,
)
from piv.train.source import open_source

MIX, RECIPE, JUDGEMENT = "matched.toml", "recipe.toml", "judgement.json"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was measured, and what to train by.

    Parameters
    ----------
    recipe : Path
        Of the training, to begin with the same weights.
    text : str
        The measured conditions beside those of the images, a table.
    notes : tuple of str
        What else the user should be told, a line each.
    """

    recipe: Path
    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What fine-tuning did.

    Parameters
    ----------
    recordings : Difference
        On pixels of the recordings that were hidden from the analysis.
    matched, general : (float, float)
        Mean end-point error before and after, px, on held-out generated images: like the
        recordings, and of the general mix.
    old, new : str
        Names of the weights.
    """

    recordings: Difference
    matched: tuple[float, float]
    general: tuple[float, float]
    old: str
    new: str

    @property
    def verdict(self) -> str:
        """As :attr:`piv.train.hidden_pixels.Difference.verdict`."""
        return self.recordings.verdict

    def text(self) -> str:
        """The same in words, a few lines."""
        lines = [verdict_text(self.recordings, self.old, self.new)]
        for what, (before, after) in (
            ("generated images like the recordings", self.matched),
            ("generated images of the general mix", self.general),
        ):
            lines.append(f"{what}: mean end-point error {before:.4f} px before, {after:.4f} after")
        return "\n".join([*lines, *left_out_text(self.recordings)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``judgement.json`` holds them."""
        return {
            "verdict": self.verdict,
            "old": self.old,
            "new": self.new,
            "recordings": plain_difference(self.recordings),
            "matched": dict(zip(("before", "after"), self.matched, strict=True)),
            "general": dict(zip(("before", "after"), self.general, strict=True)),
        }


def verdict_text(found: Difference, old: str, new: str) -> str:
    """What hidden pixels say of new weights against old ones, one line."""
    says = {
        "helped": f"it helped: {new} explains hidden pixels of the recordings better",
        "harmed": f"it harmed: {new} explains hidden pixels of the recordings worse; keep {old}",
        "not shown": "no help is shown: on hidden pixels of the recordings the difference is "
        f"within chance; there is no reason to prefer {new} to {old}",
        "too few": f"too few pixels to tell {new} from {old}: at least {BLOCKS} blocks of {BLOCK} "
        f"px with particles are wanted, take more pairs",
    }
    return f"{says[found.verdict]} ({found.figures})"


def left_out_text(found: Difference) -> list[str]:
    """The pairs that could not be asked, a line each."""
    return [f"left out: {reason}" for reason in found.left_out]


def plain_difference(found: Difference) -> dict[str, Any]:
    """Plain values; what is not known is None."""
    plain = dataclasses.asdict(found)
    known = {k: v for k, v in plain.items() if not (isinstance(v, float) and math.isnan(v))}
    return {"verdict": found.verdict, **dict.fromkeys(plain), **known}


def prepare(
    wanted: Wanted | SourceSpec,
    output: Path,
    *,
    start_from: str | Path = "default",
    recipe: str | Path | TrainRecipe = "finetune",
) -> Prepared:
    """Measure recordings and write the recipe of images like them into the run's folder.

    Parameters
    ----------
    wanted : Wanted or SourceSpec
        The recordings, and how they are analysed.
    output : Path
        Folder of the run; gets ``recordings.json`` (what was measured), ``matched.toml`` (the
        generator's recipe) and ``recipe.toml`` (the training's).
    start_from : str or Path, optional
        Weights to begin with, which also analyse the recordings.
    recipe : str, Path or TrainRecipe
        Of the training; its source, calibration and network are replaced.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        If no pair can be measured, or the generator is not installed.
    SettingsError, WeightsError
        If the recipe or the weights cannot be used.
    """
    model = _model(start_from)
    if not isinstance(recipe, TrainRecipe):
        recipe = recipes.load(recipe)
    general = open_source(f"synth:{GENERAL}").record["recipe"]
    if isinstance(wanted, SourceSpec):
        wanted = Wanted(wanted)
    with open_recordings(wanted) as recordings:
        notes = list(recordings.source.notes)
        found, refused = _measured(recordings, model)
        if not found:
            raise InputError(
                f"none of {len(recordings)} pairs of {wanted.spec.path} can be measured: "
                f"{refused[-1]}"
            )
        notes += [f"left out: {reason}" for reason in refused]
        measured = [one for one, _ in found.values()]
        conditions = [likened(one, model, recordings.settings) for one in measured]
        recordings.hashes = {index: sha256 for index, (_, sha256) in found.items()}
        make_folder(output)
        more = {
            # the name that "default" has today: another version may have another
            "start_from": model.name if str(start_from) == "default" else absolute(str(start_from)),
            "weights": {"name": model.name, "sha256": model.sha256},
            "measured": [dataclasses.asdict(one) for one in measured],
            # with which images measure so: what the generator is given
            "conditions": [dataclasses.asdict(one) for one in conditions],
        }
        write_note(output, recordings, more)
    mix = (output / MIX).absolute()
    _write(mix, recipe_text(conditions, general))
    own = {"source": f"synth:{mix}", "calibration": "", "network": plain_config(model.network)}
    # the table comes last in TOML
    values = {**recipe.to_dict(), **own}
    values["refinement_steps"] = recipe.refinement_steps or model.steps
    network = values.pop("network")
    lines = [f"{key} = {inline(value)}" for key, value in values.items()]
    lines += ["", "[network]", *(f"{key} = {inline(value)}" for key, value in network.items())]
    _write(output / RECIPE, "\n".join(lines) + "\n")
    return Prepared(output / RECIPE, fit_text(fits(conditions, general)), tuple(notes))


def is_finetune(output: Path, recipe: TrainRecipe, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the run of a folder is what :func:`prepare` prepared there.

    Parameters
    ----------
    output : Path
    recipe : TrainRecipe
        Of the run.
    history : sequence of mapping
        Records of the runs that its first weights have had.
    """
    if recipe.source != f"synth:{(output / MIX).absolute()}" or not (output / NOTE).is_file():
        return False
    began_with = history[-1].get("sha256") if history else None
    return bool(began_with == read_note(output)["weights"]["sha256"])


def judge(output: Path, weights: Path) -> Judgement:
    """Whether the weights of a finished run are better on its recordings than those it began with.

    Parameters
    ----------
    output : Path
        Folder of the run.
    weights : Path
        What it made.

    Raises
    ------
    PIVError
        If the note, the recordings or the weights cannot be read.
    """
    note = read_note(output)
    old, new = _old(note), _model(weights)
    recipe = recipes.load(output / RECIPE)
    with noted_recordings(output, note) as recordings:
        found = compare(recordings, old, new, recordings.settings)
    matched, general = _generated(recipe, old, new)
    judgement = Judgement(found, matched, general, old.name, new.name)
    kept = {**judgement.to_dict(), "sha256": {"old": old.sha256, "new": new.sha256}}
    _write(output / JUDGEMENT, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return judgement


def _old(note: dict[str, Any]) -> Model:
    """The weights that a run began with, and no others of their name."""
    wanted = note["weights"]["sha256"]
    named = [name for name, entry in catalogue().items() if entry["sha256"] == wanted]
    model = _model(named[0] if named else note["start_from"])
    if model.sha256 != wanted:
        raise WeightsError(
            f"{note['start_from']} are no longer the weights that the run began with (sha256 "
            f"{wanted[:12]}): put them back and resume the run, or ask with `piv compare`"
        )
    return model


def _model(name: str | Path) -> Model:
    model = load_model(name)
    if model is None:
        raise InputError("fine-tuning needs weights to begin with: name some, not 'none'")
    return model


def _measured(
    recordings: Recordings, model: Model
) -> tuple[dict[int, tuple[Conditions, str]], list[str]]:
    """Conditions and fingerprints of those pairs that can be measured, and why others cannot."""
    from piv.pipeline import analyse

    found, refused = {}, []
    for number, index in enumerate(recordings.chosen):
        try:
            recorded = recordings.recorded(number)
            pair = recordings.cleaned(recorded)
            analysis = analyse(pair, model=model, settings=recordings.settings)
            cut = crop(recorded, recordings.region)
            found[index] = measure(pair, analysis, cut), fingerprint(recorded)
        except InputError as error:
            refused.append(str(error))
    return found, refused


def _generated(
    recipe: TrainRecipe, old: Model, new: Model
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean errors before and after on held-out images: like the recordings, and general."""
    size = (recipe.render, recipe.render)
    batches = held_out(open_source(recipe.source), "validation", recipe.validation_pairs, size)
    before, after = (
        validation_errors(m.network, batches, dataclasses.replace(recipe, refinement_steps=m.steps))
        for m in (old, new)
    )
    kinds = [
        [kind for kind in batches if kind.startswith(MATCHED) == matched]
        for matched in (True, False)
    ]
    matched, general = (
        (float(np.mean([before[k] for k in part])), float(np.mean([after[k] for k in part])))
        for part in kinds
    )
    return matched, general


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8"))
