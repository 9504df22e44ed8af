"""Fine-tuning on one's own recordings, and whether it helped.

There is no truth to learn from in a recording.  So its conditions are measured (particles, light,
noise, lost pairs, displacement), images like it are generated, with the truth, beside the general
mix, and the network goes on learning from those.  Whether that helped is then asked of the
recordings themselves (:mod:`piv.train.hidden_pixels`), which nothing was fitted to.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError, PIVError
from piv.io.files import make_folder, replacing
from piv.io.sources import SourceSpec
from piv.network.catalogue import absolute
from piv.network.weights import Model, load_model, plain_config
from piv.settings import RefineSettings, Settings
from piv.train import recipe as recipes
from piv.train.conditions import Conditions, measure
from piv.train.held_out import held_out, validation_errors
from piv.train.hidden_pixels import Difference, compare
from piv.train.matched import GENERAL, MATCHED, inline, recipe_text
from piv.train.recipe import TrainRecipe
from piv.train.source import open_source
from piv.types import ImagePair

NOTE, MIX, RECIPE = "recordings.json", "matched.toml", "recipe.toml"
PAIRS = 8  # at most so many of the recordings are looked at


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
        """``"helped"``, ``"harmed"`` or ``"not shown"``."""
        if self.recordings.helped:
            return "helped"
        return "harmed" if self.recordings.harmed else "not shown"

    def text(self) -> str:
        """The same in words, a few lines."""
        found = self.recordings
        figures = (
            f"{found.after:.4f} against {found.before:.4f} of 1 explained, difference "
            f"{found.gain:+.5f}, standard error {found.error:.5f}, {found.blocks} blocks"
        )
        says = {
            "helped": f"it helped: {self.new} explains hidden pixels of the recordings better",
            "harmed": f"it harmed: {self.new} explains hidden pixels of the recordings worse; "
            f"keep {self.old}",
            "not shown": "no help is shown: on hidden pixels of the recordings the difference is "
            f"within chance; there is no reason to prefer {self.new} to {self.old}",
        }
        lines = [f"{says[self.verdict]} ({figures})"]
        for what, (before, after) in (
            ("generated images like the recordings", self.matched),
            ("generated images of the general mix", self.general),
        ):
            lines.append(f"{what}: mean end-point error {before:.4f} px before, {after:.4f} after")
        return "\n".join(lines)


def prepare(
    spec: SourceSpec,
    output: Path,
    *,
    start_from: str | Path = "default",
    recipe: str | Path | TrainRecipe = "finetune",
) -> Path:
    """Measure recordings and write the recipe of images like them into the run's folder.

    Parameters
    ----------
    spec : SourceSpec
        The recordings; at most eight pairs, spread over them, are looked at.
    output : Path
        Folder of the run; gets ``recordings.json`` (what was measured), ``matched.toml`` (the
        generator's recipe) and ``recipe.toml`` (the training's).
    start_from : str or Path
        Weights to begin with, which also analyse the recordings.
    recipe : str, Path or TrainRecipe
        Of the training; its source, calibration and network are replaced, and in ``finetune``,
        that of the package, the refinement steps by those that the weights were trained for.

    Returns
    -------
    Path
        The recipe to train by, from the same weights.

    Raises
    ------
    InputError
        If no pair can be measured, or the generator is not installed.
    SettingsError, WeightsError
        If the recipe or the weights cannot be used.
    """
    model = _model(start_from)
    trained = model.record.get("recipe", {}).get("refinement_steps")
    if recipe == "finetune" and isinstance(trained, int):
        recipe = dataclasses.replace(recipes.load(recipe), refinement_steps=trained)
    if not isinstance(recipe, TrainRecipe):
        recipe = recipes.load(recipe)
    general = open_source(f"synth:{GENERAL}").record["recipe"]
    with spec.open() as source:
        chosen = spread(len(source))
        pairs = [source[index] for index in chosen]
    conditions, refused = _measured(pairs, model)
    if not conditions:
        raise InputError(f"none of {len(pairs)} pairs of {spec.path} can be measured: {refused}")
    make_folder(output)
    mix = (output / MIX).absolute()
    note = {
        "path": str(spec.path),
        "frames": spec.frames,
        "pairing": spec.pairing,
        "mask": str(spec.mask) if isinstance(spec.mask, Path) else None,
        "pairs": chosen,
        "start_from": absolute(str(start_from)),
        "weights": {"name": model.name, "sha256": model.sha256},
        "conditions": [dataclasses.asdict(one) for one in conditions],
    }
    _write(mix, recipe_text(conditions, general))
    _write(output / NOTE, json.dumps(note, indent=1, ensure_ascii=False) + "\n")
    own = {"source": f"synth:{mix}", "calibration": "", "network": plain_config(model.network)}
    # the table comes last in TOML
    values = {**recipe.to_dict(), **own}
    network = values.pop("network")
    lines = [f"{key} = {inline(value)}" for key, value in values.items()]
    lines += ["", "[network]", *(f"{key} = {inline(value)}" for key, value in network.items())]
    _write(output / RECIPE, "\n".join(lines) + "\n")
    return output / RECIPE


def is_finetune(output: Path) -> bool:
    """Whether the run of a folder was prepared by :func:`prepare`."""
    return (output / NOTE).is_file()


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
    note = _note(output)
    mask = note["mask"]
    spec = SourceSpec(
        Path(note["path"]),
        note["frames"],
        note["pairing"],
        None,
        Path(mask) if mask else None,
        True,
    )
    with spec.open() as source:
        pairs = [source[index] for index in note["pairs"] if index < len(source)]
    old, new = _model(note["start_from"]), _model(weights)
    recipe = recipes.load(output / RECIPE)
    matched, general = _generated(recipe, old, new)
    settings = Settings(refine=RefineSettings(steps=recipe.refinement_steps))
    found = compare(pairs, old, new, settings)
    return Judgement(found, matched, general, old.name, new.name)


def spread(number: int) -> list[int]:
    """At most eight indices, spread evenly over so many pairs."""
    return sorted({int(i) for i in np.linspace(0, number - 1, min(number, PAIRS)).round()})


def _model(name: str | Path) -> Model:
    model = load_model(name)
    if model is None:
        raise InputError("fine-tuning needs weights to begin with: name some, not 'none'")
    return model


def _measured(pairs: Sequence[ImagePair], model: Model) -> tuple[list[Conditions], str]:
    """Conditions of those pairs that can be measured, and why the last other one cannot."""
    from piv.pipeline import analyse

    conditions, refused = [], ""
    for pair in pairs:
        try:
            conditions.append(measure(pair, analyse(pair, model=model)))
        except InputError as error:
            refused = str(error)
    return conditions, refused


def _generated(
    recipe: TrainRecipe, old: Model, new: Model
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean errors before and after on held-out images: like the recordings, and general."""
    size = (recipe.render, recipe.render)
    batches = held_out(open_source(recipe.source), "validation", recipe.validation_pairs, size)
    before, after = (validation_errors(m.network, batches, recipe) for m in (old, new))
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


def _note(output: Path) -> dict[str, Any]:
    path = output / NOTE
    try:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PIVError(f"cannot read {path}, the note of the recordings: {error}") from None
    return note
