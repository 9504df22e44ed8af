"""What a training run is made with: one frozen, checked dataclass, read strictly from TOML."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from piv.errors import SettingsError, nearest
from piv.settings import MOST_STEPS, STEPS, check_number, comment, option

Windows = tuple[tuple[int, ...], ...]


# these concern the weights' export, not what is learned: a resumed run may change them
EXPORT_ONLY = ("calibration", "calibration_pairs")


@dataclass(frozen=True, slots=True)
class TrainRecipe:
    """Everything that decides what a training run computes, but for its length.

    Raises
    ------
    SettingsError
        If a value has the wrong type or is out of range.
    """

    name: str = option("", "what the run is called")
    source: str = option("synth:training", "data source, as registered in piv.data_sources")
    seed: int = option(1, "seed of the data, the crops and the first weights", low=0, high=255)
    steps: int = option(20000, "planned optimiser steps, where the command names none", low=1)
    render: int = option(192, "side of the square pairs that are made", unit="px", low=32)
    crop: int = option(128, "side of the square crops that are learned from", unit="px", low=32)
    batch: int = option(8, "crops per step", low=1, high=1024)
    reuse: int = option(3, "how often a pair is used, under other crops and symmetries", low=1)
    pool: int = option(16, "groups of `batch` pairs that are mixed with each other", low=1)
    optimiser: str = option(
        "adamw", "what moves the weights; muon = Muon for the convolutions, AdamW for the rest",
        choices=("adamw", "muon"),
    )  # fmt: skip
    learning_rate: float = option(8e-4, "largest learning rate", low=0, high=1)
    warm_up: int = option(100, "steps in which the learning rate rises", low=0)
    weight_decay: float = option(1e-4, "weight decay of the optimiser", low=0, high=1)
    clip: float = option(1.0, "largest norm of the gradient", low=0, high=1e6)
    average: float = option(0.999, "decay of the moving average of the weights", low=0, high=1)
    refinement_steps: int = option(
        0,
        "refinement steps of the network; 0 = as many as the weights to begin with were trained "
        f"for, {STEPS} with random ones",
        low=0, high=MOST_STEPS,
    )  # fmt: skip
    step_weight: float = option(0.6, "weight of a step's loss relative to the next", low=0, high=1)
    uncertainty_weight: float = option(0.15, "weight of the uncertainty's loss", low=0, high=100)
    emphasis: float = option(
        0.05, "errors count relative to the stated scale plus this; 0 = all the same",
        unit="px", low=0, high=100,
    )  # fmt: skip
    rounding: float = option(
        0.0, "errors below this multiple of the stated scale count by their square",
        low=0, high=10,
    )  # fmt: skip
    scale_of: str = option(
        "pixel", "whose stated scale these two go by: the pixel's own, or its pair's mean",
        choices=("pixel", "pair"),
    )  # fmt: skip
    near_mask: float = option(1.0, "weight of the pixels within 8 px of the mask", low=0, high=100)
    gradient_weight: float = option(
        0.0, "weight of the error's gradient beside the error", unit="px", low=0, high=100
    )
    largest_error: float = option(20.0, "errors are clamped here", unit="px", low=0.1, high=1000)
    precision: str = option(
        "bfloat16", "arithmetic of the convolutions", choices=("bfloat16", "float32")
    )
    windows: Windows = option(  # noqa: RUF009  (a field, as all the others)
        ((64, 32), (32,), (48, 24), (64, 32, 16), (128, 64)),
        "the coarse stages, of which one is drawn for every group of pairs",
        unit="px", low=8, high=1024,
    )  # fmt: skip
    repeats: tuple[int, ...] = option(
        (1, 2), "how often the last coarse pass is repeated, one is drawn", low=1, high=20
    )
    validation_pairs: int = option(4, "pairs per class for the validation error", low=1)
    calibration: str = option(
        "",
        "data sources on whose validation splits the uncertainty is calibrated, more than one "
        "parted by a semicolon; empty = that of the training",
    )
    calibration_pairs: int = option(8, "pairs per class for the uncertainty's factors", low=1)
    first_step_from: str = option(
        "",
        "weights, by name or file, whose first step takes the place of that of the weights to "
        "begin with; empty = none",
    )
    teacher: str = option(
        "",
        "weights, by name or file, whose displacement is learned in place of the true one; "
        "empty = none",
    )
    network: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "fields of CCFCNConfig that differ from its defaults; empty = the network of "
            "the weights to begin with, or all defaults with random ones"
        },
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item, getattr(self, item.name))
        if self.crop > self.render:
            raise SettingsError(f"crop ({self.crop} px) must not exceed render ({self.render} px)")
        if self.reuse > 1 and self.pool <= self.batch:
            raise SettingsError(
                f"pool ({self.pool}) must exceed batch ({self.batch}) where pairs are reused"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain dict that :func:`from_dict` reads back (tuples become lists)."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["network"] = dict(self.network)
        copied: dict[str, Any] = json.loads(json.dumps(plain))
        return copied


def _check(item: dataclasses.Field[Any], value: Any) -> None:
    """Type and range of one value."""
    if item.name == "network":
        if not isinstance(value, Mapping):
            raise SettingsError(f"network must be a table, not {value!r}")
        return
    default, meta = item.default, item.metadata
    if isinstance(default, str):
        if not isinstance(value, str):
            raise SettingsError(f"{item.name} must be text, not {value!r}")
        if meta["choices"] and value not in meta["choices"]:
            raise SettingsError(
                f"{item.name} must be one of {', '.join(meta['choices'])}, not {value!r}"
            )
        return
    if isinstance(default, tuple):
        numbers = _flat(item.name, value, nested=isinstance(default[0], tuple))
        kind: type = int
    else:
        numbers, kind = [value], type(default)
    for number in numbers:
        check_number(item.name, number, kind, meta)


def _flat(name: str, value: Any, *, nested: bool) -> list[Any]:
    parts = value if isinstance(value, tuple) else ()
    if not parts or (nested and not all(isinstance(part, tuple) and part for part in parts)):
        form = "[[64, 32], [32]]" if nested else "[1, 2]"
        raise SettingsError(f"{name} must be a list such as {form}, not {value!r}")
    return [number for part in parts for number in part] if nested else list(parts)


def from_dict(values: Mapping[str, Any]) -> TrainRecipe:
    """A recipe from plain values; lists become tuples.

    Raises
    ------
    SettingsError
        For an unknown name (the nearest known one is named) or a bad value.
    """
    known = [item.name for item in fields(TrainRecipe)]
    for name in values:
        if name not in known:
            raise SettingsError(f"unknown value {name} in the recipe{nearest(name, known)}")
    frozen: dict[str, Any] = {
        name: MappingProxyType(dict(value)) if isinstance(value, Mapping) else _tuple(value)
        for name, value in values.items()
    }
    return TrainRecipe(**frozen)


def _tuple(value: Any) -> Any:
    return tuple(_tuple(part) for part in value) if isinstance(value, list) else value


def to_toml(recipe: TrainRecipe) -> str:
    """TOML with every value, its meaning and its range, that :func:`load` reads back."""
    lines = []
    values = recipe.to_dict()
    for item in fields(TrainRecipe):
        if item.name == "network":
            lines += ["", f"# {item.metadata['help']}", "[network]"]
            lines += [f"{name} = {json.dumps(value)}" for name, value in values["network"].items()]
        elif item.name != "name":
            lines += [f"# {line}" for line in comment(item)]
            lines.append(f"{item.name} = {json.dumps(values[item.name], ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = files("piv.train") / "recipes"
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def load(recipe: str | Path) -> TrainRecipe:
    """A recipe by name (see :func:`names`) or from a TOML file.

    Raises
    ------
    SettingsError
        If there is no such recipe, it is not TOML, or as for :func:`from_dict`.
    """
    if str(recipe) in names():
        stem = str(recipe)
        text = (files("piv.train") / "recipes" / f"{recipe}.toml").read_text(encoding="utf-8")
    else:
        path = Path(recipe)
        stem = path.stem
        if path.suffix != ".toml":
            raise SettingsError(
                f"unknown recipe {recipe}: give a TOML file or one of {', '.join(names())}"
            )
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
            raise SettingsError(f"cannot read the recipe {path}: {reason}") from None
    try:
        found = from_dict({"name": stem, **tomllib.loads(text)})
        return found if str(recipe) in names() else _located(found, Path(recipe).parent)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the recipe {recipe} is not TOML: {error}") from None
    except SettingsError as error:
        raise SettingsError(f"{recipe}: {error}") from None


def _located(recipe: TrainRecipe, beside: Path) -> TrainRecipe:
    """The recipe with files that its sources name found from any working folder.

    They are looked for in the working folder, and beside the recipe.
    """

    def located(spec: str) -> str:
        provider, colon, argument = spec.strip().partition(":")
        if not argument.endswith(".toml"):
            return spec
        here, there = Path(argument).absolute(), (beside / argument).absolute()
        place = next((path for path in (here, there) if path.is_file()), argument)
        return f"{provider}{colon}{place}"

    return dataclasses.replace(
        recipe,
        source=located(recipe.source),
        calibration=";".join(located(part) for part in recipe.calibration.split(";")),
    )
