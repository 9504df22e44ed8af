"""A recipe of the generator for images like given recordings, beside the general mix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def inline(value: Any) -> str:
    """TOML of a number, a text, or a list or table of them, in one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {inline(part)}" for key, part in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)
