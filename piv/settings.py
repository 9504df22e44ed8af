"""Frozen settings of every stage: the single declaration of defaults, ranges, units and help.

From these dataclasses come the checks, TOML files and their template (``piv settings``) and
``--set stage.name=value``: a new setting is a new field, and nothing else.  Paths, workers,
devices and verbosity are not settings: they are arguments of the face and must not change a number
in the result.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from piv.errors import SettingsError, nearest

STEPS = 3  # refinement steps where the record of the weights names none
MOST_STEPS = 8


def option(
    default: Any,
    text: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    advanced: bool = False,
) -> Any:
    """A field of a settings dataclass with what people and forms need to know about it."""
    metadata = {
        "help": text,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": tuple(choices),
        "advanced": advanced,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class PreprocessSettings:
    """What is done to the frames before anything is measured."""

    region: tuple[int, ...] = option(
        (),
        "analyse only this rectangle: left, top, width, height; empty = the whole frame. "
        "The result keeps the coordinates of the whole frame",
        unit="px",
        low=0,
    )
    contrast: str = option(
        "none",
        "local contrast normalisation of the frames for the coarse stage (the network always "
        "normalises for itself)",
        choices=("none", "local"),
    )
    contrast_radius: float = option(
        8.0,
        "radius of the local normalisation (standard deviation of its Gaussian)",
        unit="px",
        low=2,
        high=200,
        advanced=True,
    )

    def __post_init__(self) -> None:
        _check(self)
        if len(self.region) not in (0, 4):
            raise SettingsError(
                "preprocess.region takes four numbers (left, top, width, height) or none, "
                f"not {list(self.region)}"
            )


@dataclass(frozen=True, slots=True)
class CorrelateSettings:
    """The coarse stage: multi-pass FFT cross-correlation with window deformation."""

    windows: tuple[int | tuple[int, int], ...] = option(
        (),
        "interrogation window of each pass, a number or [height, width]; the first grows by "
        "itself when the displacement calls for it; empty = 64, 32, 16, or 64, 24 where the "
        "network follows",
        unit="px",
        low=8,
        high=1024,
    )
    overlap: float = option(0.5, "shared fraction of neighbouring windows", low=0.0, high=0.95)
    repeats: int = option(
        0,
        "the last pass is made until it has converged, at most so often; 1 = once, and again only "
        "if it moved a whole patch of vectors by more than 1.5 px; 0 = 2, or 1 where the network "
        "follows",
        low=0,
        high=20,
    )
    convergence: float = option(
        0.01,
        "the last pass has converged when its rms change is below this",
        unit="px",
        low=0,
        high=1,
        advanced=True,
    )
    grow: bool = option(
        True, "let the first window grow when the displacement is too large for it", advanced=True
    )
    largest_window: int = option(
        256, "the first window grows to this at most", unit="px", low=16, high=1024, advanced=True
    )
    spline: int = option(
        0,
        "degree of the B-spline with which the last pass deforms the frames: 3 or 5; 0 = 5, or 3 "
        "where the network follows",
        low=0,
        high=5,
        advanced=True,
    )

    def __post_init__(self) -> None:
        _check(self)
        sizes = _sizes(self.windows)
        if any(b[0] > a[0] or b[1] > a[1] for a, b in pairwise(sizes)):
            raise SettingsError(f"correlate.windows must not grow from pass to pass: {sizes}")
        if self.spline not in (0, 3, 5):
            raise SettingsError(f"correlate.spline must be 3, 5 or 0, not {self.spline}")

    def resolved(self, followed: bool) -> CorrelateSettings:
        """The same with a value for every 0, and for no windows, that stand for a choice.

        Where the network follows, it moves the frames anew: what smaller windows, a repetition or
        a better spline gain is gained there too.
        """
        return replace(
            self,
            windows=self.windows or ((64, 24) if followed else (64, 32, 16)),
            repeats=self.repeats or (1 if followed else 2),
            spline=self.spline or (3 if followed else 5),
        )

    @property
    def window_sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every pass, px; without the network where that is to be chosen."""
        return _sizes(self.resolved(followed=False).windows)


def _sizes(windows: Sequence[int | tuple[int, int]]) -> list[tuple[int, int]]:
    return [(w, w) if isinstance(w, int) else (w[0], w[1]) for w in windows]


@dataclass(frozen=True, slots=True)
class ValidateSettings:
    """Plausibility of the coarse vectors; what fails is flagged and replaced."""

    median_threshold: float = option(
        2.0,
        "threshold of the normalised median test (Westerweel & Scarano 2005)",
        low=0.5,
        high=100,
    )
    median_noise: float = option(
        0.1, "noise level of the normalised median test", unit="px", low=0, high=10, advanced=True
    )
    peak_ratio: float = option(
        1.2,
        "smallest allowed quotient of the primary and the secondary correlation peak",
        low=1,
        high=100,
    )
    peak_height: float = option(
        0.2,
        "smallest allowed normalised height of the correlation peak",
        low=0,
        high=1,
        advanced=True,
    )
    largest: float = option(
        0.0, "largest allowed displacement; 0 = no limit", unit="px", low=0, high=10000
    )

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """The network's step."""

    steps: int = option(
        0,
        "refinement steps of the network; 0 = as trained (as many as the weights learned with)",
        low=0,
        high=MOST_STEPS,
    )
    precision: str = option(
        "bfloat16",
        "arithmetic of the network's convolutions; bfloat16 is quicker where the processor has it",
        choices=("bfloat16", "float32"),
        advanced=True,
    )
    views: int = option(
        1,
        "the network looks at the pair so many times, mirrored, on its side and backwards in "
        "time, and the mean is taken; 2, 4, 8 and 16 are balanced choices",
        low=1,
        high=16,
    )
    memory: float = option(
        2.0,
        "larger pairs are refined in blended tiles that need about this much memory",
        unit="GiB",
        low=0.1,
        high=1024,
        advanced=True,
    )

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Which vectors of the dense field are stored; they are computed all the same."""

    stride: int = option(
        1, "store every n-th vector of the dense field, in both directions", unit="px", low=1,
        high=256,
    )  # fmt: skip
    region: tuple[int, ...] = option(
        (),
        "store the dense field in this rectangle of the frame only: left, top, width, height; "
        "empty = everywhere",
        unit="px",
        low=0,
    )

    def __post_init__(self) -> None:
        _check(self)
        if len(self.region) not in (0, 4) or 0 in self.region[2:]:
            raise SettingsError(
                "output.region takes four numbers (left, top, width, height; at least 1 px wide "
                f"and high) or none, not {list(self.region)}"
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """All stages; ``Settings()`` is the preset ``standard``."""

    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)
    correlate: CorrelateSettings = field(default_factory=CorrelateSettings)
    validate: ValidateSettings = field(default_factory=ValidateSettings)
    refine: RefineSettings = field(default_factory=RefineSettings)
    output: OutputSettings = field(default_factory=OutputSettings)

    def resolved(self, followed: bool, steps: int = STEPS) -> Settings:
        """The same with every choice made; see :class:`CorrelateSettings`.

        Parameters
        ----------
        followed : bool
            Whether the network follows the coarse stage.
        steps : int
            Refinement steps that its weights were trained for.
        """
        refine = replace(self.refine, steps=self.refine.steps or steps)
        return replace(self, correlate=self.correlate.resolved(followed), refine=refine)


def _check(stage: Any) -> None:
    """Types, ranges and choices of one stage's values, from the fields' metadata."""
    for item in fields(stage):
        name = f"{_stage_name(type(stage))}.{item.name}"
        value = getattr(stage, item.name)
        meta = item.metadata
        if isinstance(item.default, tuple):
            if not isinstance(value, tuple):
                value = _tuple(value) if isinstance(value, list) else (value,)
                object.__setattr__(stage, item.name, value)
            for part in value:
                numbers = part if isinstance(part, tuple) and len(part) == 2 else (part,)
                for number in numbers:
                    check_number(name, number, int, meta)
        elif isinstance(item.default, bool):
            if not isinstance(value, bool):
                raise SettingsError(f"{name} must be true or false, not {value!r}")
        elif isinstance(item.default, str):
            if value not in meta["choices"]:
                raise SettingsError(
                    f"{name} must be one of {', '.join(meta['choices'])}, not {value!r}"
                )
        else:
            check_number(name, value, type(item.default), meta)


def check_number(name: str, value: Any, kind: type, meta: Mapping[str, Any]) -> None:
    """Refuse what is no number of the kind, or outside the range of an :func:`option`.

    Raises
    ------
    SettingsError
        Naming the setting, its limits and what came.
    """
    allowed = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        wanted = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{name} must be {wanted}, not {value!r}")
    low, high = meta["low"], meta["high"]
    too_low = low is not None and value < low
    too_high = high is not None and value > high
    if not math.isfinite(value) or too_low or too_high:
        unit = f" {meta['unit']}" if meta["unit"] else ""
        limits = f"at least {low}" if high is None else f"between {low} and {high}"
        raise SettingsError(f"{name} must be {limits}{unit}, not {value}")


def _stage_name(kind: type) -> str:
    return kind.__name__.removesuffix("Settings").lower()


def stages() -> dict[str, type]:
    """Name -> dataclass of every stage, in the order of the pipeline."""
    return {item.name: type(getattr(Settings(), item.name)) for item in fields(Settings)}


def to_dict(settings: Settings) -> dict[str, dict[str, Any]]:
    """Plain nested dict, as written into every result (tuples become lists)."""
    plain: dict[str, dict[str, Any]] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return plain


def from_dict(tables: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """Settings from nested tables; what is not named keeps the value of ``base``.

    Raises
    ------
    SettingsError
        For an unknown stage or name (the nearest known one is named) or a bad value.
    """
    known = stages()
    result = base or Settings()
    for stage, values in tables.items():
        if stage not in known:
            raise SettingsError(f"unknown settings table [{stage}]{nearest(stage, known)}")
        if not isinstance(values, Mapping):
            raise SettingsError(f"[{stage}] must be a table of settings, not {values!r}")
        names = [item.name for item in fields(known[stage])]
        for name in values:
            if name not in names:
                every = [f"{s}.{item.name}" for s, kind in known.items() for item in fields(kind)]
                every = [each for each in every if each.endswith(f".{name}")] or every
                unknown = f"{stage}.{name}"
                raise SettingsError(f"unknown setting {unknown}{nearest(unknown, every)}")
        changed = dataclasses.replace(getattr(result, stage), **_tuples(values))
        result = dataclasses.replace(result, **{stage: changed})
    return result


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in values.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(part) for part in value) if isinstance(value, list) else value


def from_toml(text: str, base: Settings | None = None) -> Settings:
    """Settings from TOML text, one table per stage.

    Raises
    ------
    SettingsError
        If the text is not TOML, or as for :func:`from_dict`.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings are not TOML: {error}") from None
    return from_dict(tables, base)


def load(path: str | Path, base: Settings | None = None) -> Settings:
    """Settings from a TOML file.

    Raises
    ------
    SettingsError
        If the file cannot be read, or as for :func:`from_toml`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise SettingsError(f"cannot read the settings {path}: {reason}") from None
    try:
        return from_toml(text, base)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def to_toml(settings: Settings, *, comments: bool = False) -> str:
    """TOML text that :func:`from_toml` reads back; with comments, the documented template."""
    lines: list[str] = []
    for stage, kind in stages().items():
        if lines:
            lines.append("")
        lines.append(f"[{stage}]")
        for item in fields(kind):
            if comments:
                lines += [f"# {line}" for line in comment(item)]
            value = getattr(getattr(settings, stage), item.name)
            lines.append(f"{item.name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def comment(item: dataclasses.Field[Any]) -> list[str]:
    """What an :func:`option` is, its unit, range and choices: lines for a TOML template."""
    meta = item.metadata
    notes = []
    if meta["unit"]:
        notes.append(meta["unit"])
    if meta["choices"]:
        notes.append(" | ".join(meta["choices"]))
    if meta["low"] is not None and meta["high"] is not None:
        notes.append(f"{meta['low']:g} to {meta['high']:g}")
    if meta["advanced"]:
        notes.append("advanced")
    return [meta["help"] + (f"  ({', '.join(notes)})" if notes else "")]


def apply_assignments(settings: Settings, assignments: Sequence[str]) -> Settings:
    """Apply ``stage.name=value`` words in order (the value as in TOML; bare words are text).

    Raises
    ------
    SettingsError
        If a word has not that form, or as for :func:`from_dict`.
    """
    for word in assignments:
        target, equals, text = word.partition("=")
        stage, dot, name = target.strip().partition(".")
        if not (equals and dot and stage and name):
            raise SettingsError(f"--set takes stage.name=value, not {word!r}")
        try:
            value = tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        settings = from_dict({stage: {name: value}}, settings)
    return settings
