"""A recipe of the generator for images like given recordings, beside the general mix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from piv.train.conditions import Conditions

GENERAL = "training"  # the generator's broad mix
MATCHED = "matched_"  # before the names of its classes under the recordings' conditions


def recipe_text(
    conditions: Sequence[Conditions], general: Mapping[str, Any], share: float = 0.5
) -> str:
    """TOML of the generator (docs/generator.md).

    Every class of the general mix is in it twice: as it is there, and with particles, camera and
    displacement like those of the recordings, each drawn from somewhat more than the range that
    was measured, because the measurement of it is rough.

    Parameters
    ----------
    conditions : sequence of Conditions
        Of some recordings, not empty.
    general : mapping
        The recipe of the general mix, as a source's record holds it.
    share : float
        Of the images that are like the recordings, 0 < share < 1.
    """
    tables = _tables(conditions, general)
    lines = [
        'description = "Images like given recordings, and the general mix."',
        "size = [256, 256]",
    ]
    for name in general["classes"]:
        weight = float(general["classes"][name].get("weight", 1.0))
        lines += [
            "",
            f"[classes.{name}]",
            f'same_as = "{GENERAL}"',
            f"weight = {weight * (1 - share):.6g}",
            "",
            f"[classes.{MATCHED}{name}]",
            f'flow = "{general["classes"][name].get("flow", name)}"',
            f"weight = {weight * share:.6g}",
        ]
        if options := general["classes"][name].get("options"):
            lines.append(f"options = {inline(options)}")
        for table, values in tables.items():
            inside = ", ".join(f"{key} = {inline(value)}" for key, value in values.items())
            lines.append(f"{table} = {{ {inside} }}")
    return "\n".join(lines) + "\n"


def _tables(
    conditions: Sequence[Conditions], general: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The distributions of the matched classes."""

    def around(name: str, less: float, more: float, low: float, high: float) -> list[float]:
        """Somewhat more than the measured range, within what the generator makes."""
        found = [getattr(one, name) for one in conditions]
        bottom = min(max(min(found) * less, low), high)
        return [round(bottom, 5), round(max(min(max(found) * more, high), bottom), 5)]

    noise = around("noise", 0.7, 1.5, 0.0, 0.3)
    loss = around("loss", 0.6, 1.3, 0.0, 0.5)
    gradient = around("gradient", 0.5, 2.0, 0.01, 0.5)
    longest = around("displacement", 0.5, 1.2, 0.5, 40.0)
    particles = {
        "density": around("density", 0.75, 1.3, 0.003, 0.4),
        "diameter": around("diameter", 0.85, 1.15, 0.8, 10.0),
        "diameter_spread": [0.0, 0.3],
        "brightness_spread": [0.0, 0.8],
        "loss_of_pairs": [loss[0], max(loss[1], 0.1)],
        "loss_by_motion": [0.0, 1.0],
    }
    camera = {
        "bits": {"choice": sorted({one.bits for one in conditions})},
        "peak": around("peak", 0.7, 1.3, 0.004, 3.0),
        "noise": [noise[0], max(noise[1], 0.01)],
        "electrons": {"log": [500, 20000]},
        "offset": around("offset", 0.5, 1.2, 0.0, 1.0),
        "background": [0.0, 0.1],
        "unevenness": [0.0, 0.5],
        "gain": around("gain", 0.93, 1.07, 0.3, 3.0),
    }
    scene = {
        **general.get("scene", {}),
        "displacement": longest,
        "gradient": {"log": gradient},
        "fill": [0.0, 1.0],
    }
    return {"particles": particles, "camera": camera, "scene": scene}


@dataclass(frozen=True, slots=True)
class Fit:
    """One condition of recordings beside what images are made with.

    Parameters
    ----------
    name, unit : str
    measured, drawn : (float, float)
        Least and largest: of the recordings, and of the images like them.
    general : (float, float) or None
        Of the general mix, if it names it.
    """

    name: str
    unit: str
    measured: tuple[float, float]
    drawn: tuple[float, float]
    general: tuple[float, float] | None

    @property
    def outside(self) -> bool:
        """Whether the general mix has nothing like some of the recordings."""
        if self.general is None:
            return False
        low, high = self.general
        # less noise, loss, displacement ... is but easier
        below = self.name in _BOTH_WAYS and self.measured[0] < low / _ROUGH
        return below or self.measured[1] > high * _ROUGH

    @property
    def clamped(self) -> bool:
        """Whether the generator cannot make images like some of the recordings."""
        below = self.name in _BOTH_WAYS and self.measured[0] < self.drawn[0] / _ROUGH
        return below or self.measured[1] > self.drawn[1] * _ROUGH


_ROUGH = 1.1  # so near to the truth is what is measured, at the best
_BOTH_WAYS = ("density", "diameter", "bits", "peak", "gain")
_PLACES = {  # condition -> unit, table and entry of the generator's recipe
    "density": ("1/px", "particles", "density"),
    "diameter": ("px", "particles", "diameter"),
    "loss": ("", "particles", "loss_of_pairs"),
    "bits": ("", "camera", "bits"),
    "peak": ("", "camera", "peak"),
    "noise": ("", "camera", "noise"),
    "offset": ("", "camera", "offset"),
    "gain": ("", "camera", "gain"),
    "displacement": ("px", "scene", "displacement"),
    "gradient": ("px/px", "scene", "gradient"),
}


def fits(conditions: Sequence[Conditions], general: Mapping[str, Any]) -> list[Fit]:
    """Every condition of recordings beside the images like them and those of the general mix.

    Parameters
    ----------
    conditions, general
        As for :func:`recipe_text`.
    """
    tables = _tables(conditions, general)
    rows = []
    for name, (unit, table, entry) in _PLACES.items():
        found = [float(getattr(one, name)) for one in conditions]
        usual = general.get(table, {}).get(entry)
        rows.append(
            Fit(
                name,
                unit,
                (min(found), max(found)),
                bounds(tables[table][entry]),
                None if usual is None else bounds(usual),
            )
        )
    return rows


def bounds(entry: Any) -> tuple[float, float]:
    """Least and largest number that an entry of the generator's recipe can give."""
    if isinstance(entry, Mapping):
        if "mix" in entry:
            parts = [bounds(part) for _, part in entry["mix"]]
            return min(low for low, _ in parts), max(high for _, high in parts)
        entry = entry.get("log", entry.get("choice"))
    numbers = entry if isinstance(entry, (list, tuple)) else [entry]
    return float(min(numbers)), float(max(numbers))


def fit_text(rows: Sequence[Fit]) -> str:
    """The table of :func:`fits` in words, and what follows from it."""
    lines = [["condition", "recordings", "images like them", "general mix", ""]]
    for row in rows:
        marks = ["outside"] * row.outside + ["beyond the generator"] * row.clamped
        name = f"{row.name}, {row.unit}" if row.unit else row.name
        usual = "-" if row.general is None else _span(row.general)
        lines.append([name, _span(row.measured), _span(row.drawn), usual, ", ".join(marks)])
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    told = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    outside = [row.name for row in rows if row.outside]
    clamped = [row.name for row in rows if row.clamped]
    if outside:
        told.append(f"outside of the general mix: {', '.join(outside)}")
    else:
        told.append(
            "all of it lies within the general mix, which the weights of the package were trained "
            "on: little is to be gained"
        )
    if clamped:
        told.append(f"the generator cannot make images with such {', '.join(clamped)}")
    return "\n".join(told)


def _span(span: tuple[float, float]) -> str:
    low, high = (f"{value:.3g}" for value in span)
    return low if low == high else f"{low} to {high}"


def inline(value: Any) -> str:
    """TOML of a number, a text, or a list or table of them, in one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {inline(part)}" for key, part in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)
