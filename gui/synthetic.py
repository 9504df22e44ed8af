"""Synthetic pairs for teaching and for planning an experiment: what can be chosen.  No Qt."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from piv.errors import InputError, SettingsError
from piv.types import MINIMUM_SIZE

if TYPE_CHECKING:
    from synth.recipe import Recipe

LARGEST = 4096  # px; a side of the images

#: flow -> what it is, for people; those of :data:`synth.scene.FLOWS` whose size can be chosen
FLOWS: Mapping[str, str] = MappingProxyType(
    {
        "vortex": "vortices at random places",
        "turbulence": "two-dimensional turbulence",
        "sqg": "surface quasi-geostrophic turbulence: fine filaments",
        "kinematic": "random waves of many lengths",
        "shear_layer": "shear layer that rolls up",
        "jet": "jet that swings",
        "plume": "plume with vortices",
        "wall": "boundary layer at a wall",
        "separated": "flow over a step",
        "wake": "vortex street behind a cylinder",
        "linear": "shear, strain or rotation",
        "sine": "one wave",
        "core": "one vortex",
        "uniform": "uniform displacement",
    }
)


def _entry(default: float, text: str, unit: str, low: float, high: float, step: float) -> Any:
    from dataclasses import field

    known = {"help": text, "unit": unit, "low": low, "high": high, "step": step}
    return field(default=default, metadata=known)


@dataclass(frozen=True, slots=True)
class Maker:
    """What is to be made.

    Parameters
    ----------
    flow : str
        Of :data:`FLOWS`.
    height, width : int
        px.
    count : int
        Pairs.
    seed : int
        The same seed gives the same pairs.
    displacement, density, diameter, noise, loss, gradient : float
        See the help of each.

    Raises
    ------
    SettingsError
        If a value is outside its range.
    """

    flow: str = "vortex"
    height: int = 256
    width: int = 320
    count: int = 1
    seed: int = 0
    displacement: float = _entry(6.0, "Largest displacement in the image", "px", 0.0, 60.0, 0.5)
    density: float = _entry(0.05, "Particles a pixel", "ppp", 0.0005, 0.5, 0.01)
    diameter: float = _entry(2.5, "Mean e^-2 diameter of the particle images", "px", 0.5, 12.0, 0.1)
    noise: float = _entry(0.02, "Read noise over the peak of a bright particle", "", 0.0, 1.0, 0.01)
    loss: float = _entry(0.05, "Share of the particles that lose their partner", "", 0.0, 0.9, 0.05)
    gradient: float = _entry(
        0.1, "Largest rms velocity gradient; a mean flow takes the rest of the displacement",
        "px/px", 0.001, 1.0, 0.01,
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.flow not in FLOWS:
            raise SettingsError(f"unknown flow {self.flow!r}: known are {', '.join(FLOWS)}")
        for item in fields(self):
            value = getattr(self, item.name)
            if item.metadata and not (
                math.isfinite(value) and item.metadata["low"] <= value <= item.metadata["high"]
            ):
                low, high, unit = (item.metadata[key] for key in ("low", "high", "unit"))
                raise SettingsError(
                    f"{item.name} must be {low:g} to {high:g} {unit}".rstrip() + f", not {value:g}"
                )
        for name in ("height", "width"):
            if not MINIMUM_SIZE <= getattr(self, name) <= LARGEST:
                raise SettingsError(
                    f"the {name} must be {MINIMUM_SIZE} to {LARGEST} px, not {getattr(self, name)}"
                )
        if not 1 <= self.count <= 1000 or self.seed < 0:
            raise SettingsError("1 to 1000 pairs can be made, from a seed of 0 on")

    def recipe(self) -> Recipe:
        """The recipe of the generator that makes these pairs."""
        from synth.recipe import override, parse

        changes = {
            "particles": {
                "density": self.density, "diameter": self.diameter, "loss_of_pairs": self.loss,
            },
            "camera": {"noise": self.noise},
            "scene": {
                "displacement": self.displacement, "gradient": self.gradient, "moving": 1.0,
                "fill": 1.0,
            },
        }  # fmt: skip
        return override(parse({"classes": {self.flow: {}}}, "desktop"), changes)

    def replace(self, **changes: Any) -> Maker:
        """With some of its parts changed."""
        return replace(self, **changes)


#: what can be varied, with values that show its influence
FACTORS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "density": (0.005, 0.02, 0.05, 0.1),
        "diameter": (1.0, 1.5, 2.5, 4.0),
        "noise": (0.0, 0.02, 0.05, 0.1),
        "loss": (0.0, 0.1, 0.3, 0.5),
        "displacement": (1.0, 4.0, 8.0, 16.0),
        "gradient": (0.02, 0.05, 0.1, 0.2),
    }
)


def varied(maker: Maker, factor: str, values: Sequence[float]) -> list[Maker]:
    """Makers that differ in one factor only.

    Raises
    ------
    InputError
        If there is no such factor, or no value.
    SettingsError
        If a value is outside its range.
    """
    if factor not in FACTORS:
        raise InputError(f"{factor!r} cannot be varied: choose from {', '.join(FACTORS)}")
    if not values:
        raise InputError(f"give values of the {factor}, such as {_listed(FACTORS[factor])}")
    if len(values) > 12:
        raise InputError(f"at most 12 values of the {factor} are compared, not {len(values)}")
    return [maker.replace(**{factor: float(value)}) for value in values]


def read_values(text: str, factor: str) -> list[float]:
    """Numbers from text such as ``0.01, 0.02 0.05``.

    Raises
    ------
    InputError
    """
    try:
        return [float(word) for word in text.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        raise InputError(
            f"numbers such as {_listed(FACTORS[factor])} are wanted, not {text!r}"
        ) from None


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


@dataclass(frozen=True)
class PlanRow:
    """What is to be expected at one value of the factor.

    Parameters
    ----------
    value : float
    figures : mapping
        As :func:`piv.metrics.score` gives them; empty where the pairs could not be analysed.
    error : str
        Why not.
    """

    value: float
    figures: Mapping[str, float]
    error: str = ""


#: column of the table, figure, factor, digits
COLUMNS = (
    ("end-point error, px", "mean_endpoint_error", 1.0, 3),
    ("rms error, px", "vector_rms", 1.0, 3),
    ("outliers, %", "outlier_share", 100.0, 2),
    ("within uncertainty, %", "coverage", 100.0, 1),
)


def cells(row: PlanRow) -> list[str]:
    """The row of the table as text."""
    found = [f"{row.value:g}"]
    for _, name, factor, digits in COLUMNS:
        value = row.figures.get(name, math.nan)
        found.append(f"{factor * value:.{digits}f}" if math.isfinite(value) else "–")
    return found


def table_text(factor: str, rows: Sequence[PlanRow]) -> str:
    """The table for a spreadsheet, columns separated by tabs."""
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow([factor, *(label for label, *_ in COLUMNS)])
    table.writerows(cells(row) for row in rows)
    return text.getvalue()
