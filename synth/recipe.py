"""Recipes: what is drawn at random for a set of pairs.  Frozen, read from TOML, recorded whole."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from piv.errors import InputError, SettingsError, nearest
from piv.types import MINIMUM_SIZE
from synth.draws import Draw, parse_draw

RECIPES = Path(__file__).parent / "recipes"
_PARTS = ("particles", "camera", "scene")


def _draw(value: Any) -> Draw:
    """A default."""
    return parse_draw(value, "default")


def _range(low: float, high: float, text: str) -> dict[str, Any]:
    """What a recipe may ask for, and what it is."""
    return {"low": low, "high": high, "help": text}


@dataclass(frozen=True, slots=True)
class ParticleRecipe:
    """Distributions of :func:`synth.particles.seed`'s parameters."""

    density: Draw = field(
        default=_draw([0.04, 0.1]),
        metadata=_range(0, 1, "particle images per pixel"),
    )
    diameter: Draw = field(
        default=_draw([1.8, 3.5]),
        metadata=_range(0.5, 12, "e^-2 diameter of the particle images, px"),
    )
    diameter_spread: Draw = field(
        default=_draw([0.0, 0.2]),
        metadata=_range(0, 0.5, "its standard deviation from particle to particle, relative"),
    )
    brightness_spread: Draw = field(
        default=_draw([0.0, 0.4]),
        metadata=_range(0, 2, "standard deviation of the logarithm of the particles' brightness"),
    )
    loss_of_pairs: Draw = field(
        default=_draw([0.0, 0.1]),
        metadata=_range(0, 0.9, "share of the particles of one frame that are not in the other"),
    )
    loss_by_motion: Draw = field(
        default=_draw([0.0, 1.0]),
        metadata=_range(0, 1, "share of that loss by motion out of the sheet; the rest is random"),
    )


@dataclass(frozen=True, slots=True)
class CameraRecipe:
    """Distributions of the exposure, the background and the light sheet."""

    bits: Draw = field(
        default=_draw({"choice": [8, 12]}),
        metadata=_range(8, 16, "bit depth of the camera") | {"whole": True},
    )
    peak: Draw = field(
        default=_draw([0.4, 1.0]),
        metadata=_range(
            0.001,
            10,
            "grey level of a bright particle over the full scale; above 1 it clips",
        ),
    )
    noise: Draw = field(
        default=_draw([0.01, 0.03]),
        metadata=_range(0, 1, "read noise over the peak of a bright particle"),
    )
    electrons: Draw = field(
        default=_draw({"log": [500, 10000]}),
        metadata=_range(0, 1e6, "electrons of a bright particle, for the shot noise; 0 = none"),
    )
    offset: Draw = field(
        default=_draw([0.02, 0.1]),
        metadata=_range(0, 1, "grey level where nothing is, over the peak of a bright particle"),
    )
    background: Draw = field(
        default=_draw([0.0, 0.05]),
        metadata=_range(0, 5, "scattered light, over the peak of a bright particle"),
    )
    unevenness: Draw = field(
        default=_draw([0.0, 0.2]),
        metadata=_range(
            0, 1, "of the light sheet; 1: e^-2 of the light half a diagonal off its axis"
        ),
    )
    gain: Draw = field(
        default=_draw([0.9, 1.1]),
        metadata=_range(0.1, 10, "contrast of the second frame over that of the first"),
    )


@dataclass(frozen=True, slots=True)
class SceneRecipe:
    """Distributions of the flow's size, and how often there are bodies and unseeded regions."""

    displacement: Draw = field(
        default=_draw([2.0, 10.0]),
        metadata=_range(0, 60, "largest displacement in the image, px"),
    )
    gradient: Draw = field(
        default=_draw({"log": [0.03, 0.3]}),
        metadata=_range(0.001, 1, "largest rms allowed of the norm of the gradient, px/px"),
    )
    gradient_peak: Draw = field(
        default=_draw(1.2),
        metadata=_range(0.01, 1.5, "largest norm of the gradient allowed, px/px"),
    )
    moving: Draw = field(
        default=_draw(0.7),
        metadata=_range(0, 1, "probability of a mean flow"),
    )
    fill: Draw = field(
        default=_draw(0.0),
        metadata=_range(
            0,
            1,
            "least share of the missing displacement that the mean flow takes",
        ),
    )
    unseeded: Draw = field(
        default=_draw(0.0),
        metadata=_range(0, 1, "probability of a region without particles"),
    )
    body: Draw = field(
        default=_draw(0.0),
        metadata=_range(0, 1, "probability of a body in the flow"),
    )
    mask_given: Draw = field(
        default=_draw(0.5),
        metadata=_range(0, 1, "probability that the mask of a body comes with the images"),
    )
    shadow: Draw = field(
        default=_draw(0.0),
        metadata=_range(0, 1, "probability that a body throws a shadow"),
    )
    glare: Draw = field(
        default=_draw(0.0),
        metadata=_range(0, 5, "light that a body reflects, over the peak of a bright particle"),
    )


_TABLES = {"particles": ParticleRecipe, "camera": CameraRecipe, "scene": SceneRecipe}


@dataclass(frozen=True, slots=True)
class ClassRecipe:
    """One class of flow within a recipe.

    Parameters
    ----------
    flow : str
        Name in :data:`synth.scene.FLOWS`.
    seed_name : str
        What the random numbers of the class start from, with the split and the index: its own
        name, or in TOML another class's (``seeds_as``), so that the two differ in one thing only.
    weight : float
        Share in the mix.
    options : mapping of str to Draw
        Parameters of the flow.
    """

    flow: str
    seed_name: str
    weight: float
    particles: ParticleRecipe
    camera: CameraRecipe
    scene: SceneRecipe
    options: Mapping[str, Draw] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named set of classes; ``source`` is the TOML as read, for the record."""

    name: str
    description: str
    size: tuple[int, int]
    classes: Mapping[str, ClassRecipe]
    source: Mapping[str, Any]


def names() -> list[str]:
    """Recipes that come with the generator."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def text_of(name: str) -> str:
    """The TOML of a recipe that comes with the generator, comments and all.

    Raises
    ------
    InputError
        If there is no such recipe.
    """
    if name not in names():
        raise InputError(f"no recipe {name!r}: choose from {', '.join(names())}")
    return (RECIPES / f"{name}.toml").read_text(encoding="utf-8")


def template() -> str:
    """TOML with every entry at its default, each with its meaning and range."""
    lines = ['description = "..."', "size = [256, 256]  # height, width, px; from 32"]
    for table, part in _TABLES.items():
        lines += ["", f"[{table}]"]
        for item in dataclasses.fields(part):
            draw: Draw = item.default  # type: ignore[assignment]  # all have one
            low, high = item.metadata["low"], item.metadata["high"]
            lines.append(f"# {item.metadata['help']}  ({low:g} to {high:g})")
            lines.append(f"{item.name} = {draw.toml()}")
    lines += [
        "",
        "# a class of images: by its name a flow of `piv-synth list`, or `flow` names it;",
        "# it may have tables of its own, such as particles = { density = 0.02 }",
        "[classes.vortex]",
        "weight = 1.0  # share in the mix",
        "options = { number = [1, 3] }  # of the flow, as `piv-synth list` shows them",
    ]
    return "\n".join(lines) + "\n"


def load(name: str, also: Iterable[str] = ()) -> Recipe:
    """A recipe by name, or from a TOML file; ``also`` is named as a choice in the error.

    Raises
    ------
    InputError
        If there is no such recipe or file, or it is no TOML.
    SettingsError
        If it has an unknown entry, or a value outside its range.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join([*names(), *also])
        raise InputError(f"no recipe {name!r}: give a TOML file or one of {known}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the recipe {path.name} is no TOML: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read the recipe {path}: {error.strerror}") from None
    return parse(table, path.stem)


def parse(table: dict[str, Any], name: str) -> Recipe:
    """A recipe from its TOML table.

    Raises
    ------
    SettingsError
        If it has an unknown entry, or a value outside its range.
    """
    _known(table, ["description", "size", *_PARTS, "classes"], name)
    size = table.get("size", [256, 256])
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) for n in size)):
        raise SettingsError(f"{name}: size must be [height, width] in px, not {size}")
    if min(size) < MINIMUM_SIZE:
        raise SettingsError(f"{name}: size must be at least {MINIMUM_SIZE} px, not {size}")
    for key in ("particles", "camera", "scene", "classes"):
        _table(table.get(key, {}), f"{name}.{key}")
    classes = {
        kind: _class(kind, _table(entry, f"{name}.classes.{kind}"), table, name)
        for kind, entry in table.get("classes", {}).items()
    }
    if not classes:
        raise SettingsError(f"{name}: a recipe needs at least one table [classes.NAME]")
    description = str(table.get("description", ""))
    return Recipe(name, description, (size[0], size[1]), MappingProxyType(classes), table)


def _class(kind: str, entry: dict[str, Any], table: dict[str, Any], name: str) -> ClassRecipe:
    """One class from its own table and those of the recipe."""
    where = f"{name}.classes.{kind}"
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < 1e9:
        raise SettingsError(f"{where}.weight must be a positive number, not {weight}")
    if "same_as" in entry:
        _known(entry, ["same_as", "weight"], where)
        other = str(entry["same_as"])
        if other == name or other not in names():
            raise SettingsError(f"{where}: same_as names another recipe that comes with piv-synth")
        classes = load(other).classes
        if kind not in classes:
            raise SettingsError(f"{where}: {other} has no class {kind}")
        return dataclasses.replace(classes[kind], weight=float(weight))
    _known(entry, ["flow", "weight", "seeds_as", "options", *_PARTS], where)
    numbers = str(entry.get("seeds_as", kind))
    if numbers not in table["classes"]:
        raise SettingsError(f"{where}: seeds_as names a class of this recipe, not {numbers!r}")
    options = {
        key: parse_draw(value, f"{where}.options.{key}")
        for key, value in _table(entry.get("options", {}), f"{where}.options").items()
    }
    return ClassRecipe(
        flow=str(entry.get("flow", kind)),
        seed_name=f"{name}/{numbers}",
        weight=float(weight),
        particles=_part(ParticleRecipe, "particles", table, entry, where),
        camera=_part(CameraRecipe, "camera", table, entry, where),
        scene=_part(SceneRecipe, "scene", table, entry, where),
        options=MappingProxyType(options),
    )


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be a table, not {value}")
    return value


def _part(
    part: type[Any], key: str, table: dict[str, Any], entry: dict[str, Any], where: str
) -> Any:
    """Particles, camera or scene: the recipe's table, overridden by the class's."""
    known = {f.name: f for f in dataclasses.fields(part)}
    values = {**table.get(key, {}), **_table(entry.get(key, {}), f"{where}.{key}")}
    _known(values, list(known), f"{where}.{key}")
    return part(**_draws(part, values, f"{where}.{key}"))


def _draws(part: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Draw]:
    """Distributions within their ranges."""
    known = {f.name: f for f in dataclasses.fields(part)}
    draws = {}
    for name, value in values.items():
        draw = parse_draw(value, f"{where}.{name}")
        low, high = known[name].metadata["low"], known[name].metadata["high"]
        if not (draw.bounds()[0] >= low and draw.bounds()[1] <= high):
            raise SettingsError(f"{where}.{name} = {value} is outside {low} to {high}")
        if "whole" in known[name].metadata and not draw.is_whole():
            raise SettingsError(f"{where}.{name} = {value} must be whole numbers")
        draws[name] = draw
    return draws


def override(
    recipe: Recipe, changes: Mapping[str, Mapping[str, float]], only: str | None = None
) -> Recipe:
    """The recipe with some entries set in all its classes, or in ``only`` one.

    ``changes`` has the tables particles, camera, scene, options, as far as needed.

    Raises
    ------
    SettingsError
        If a value is outside its range.
    """
    classes = {}
    for kind, entry in recipe.classes.items():
        if only not in (None, kind):
            classes[kind] = entry
            continue
        parts: dict[str, Any] = {}
        for key in _PARTS:
            old = getattr(entry, key)
            draws = _draws(type(old), changes.get(key, {}), key)
            parts[key] = dataclasses.replace(old, **draws)
        new = {name: parse_draw(value, name) for name, value in changes.get("options", {}).items()}
        options = MappingProxyType({**entry.options, **new})
        classes[kind] = dataclasses.replace(entry, options=options, **parts)
    source = {**recipe.source, "changes": {key: dict(table) for key, table in changes.items()}}
    return dataclasses.replace(recipe, classes=MappingProxyType(classes), source=source)


def referred(recipe: Recipe) -> dict[str, Mapping[str, Any]]:
    """The tables of the recipes that classes of a recipe are taken from (``same_as``), by name."""
    tables = recipe.source.get("classes", {}).values()
    return {
        name: load(name).source for name in sorted({t["same_as"] for t in tables if "same_as" in t})
    }


def _known(table: Mapping[str, Any], known: list[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise SettingsError(f"unknown entry {key!r} in {where}{nearest(key, known)}")
