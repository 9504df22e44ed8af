"""Distributions of one number, as recipes write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from piv.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Draw:
    """A distribution of one number.

    In TOML: ``3.0`` always that; ``[1, 4]`` uniform; ``{log = [1, 4]}`` uniform in the logarithm;
    ``{choice = [8, 12]}`` one of these; ``{mix = [[0.8, [0, 1]], [0.2, 3]]}`` with weights.
    """

    kind: str
    values: tuple[float, ...] = ()
    parts: tuple[tuple[float, Draw], ...] = ()

    def sample(self, rng: np.random.Generator) -> float:
        """One number."""
        if self.kind == "constant":
            return self.values[0]
        if self.kind == "uniform":
            return float(rng.uniform(self.values[0], self.values[1]))
        if self.kind == "log":
            low, high = np.log(self.values)
            return float(np.exp(rng.uniform(low, high)))
        if self.kind == "choice":
            return self.values[int(rng.integers(len(self.values)))]
        total = sum(weight for weight, _ in self.parts)
        at = rng.uniform(0, total)
        for weight, part in self.parts:
            if at < weight:
                return part.sample(rng)
            at -= weight
        return self.parts[-1][1].sample(rng)

    def toml(self) -> str:
        """As a recipe writes it."""
        numbers = f"[{', '.join(f'{value:g}' for value in self.values)}]"
        if self.kind == "constant":
            return f"{self.values[0]:g}"
        if self.kind == "mix":
            parts = ", ".join(f"[{weight:g}, {part.toml()}]" for weight, part in self.parts)
            return f"{{ mix = [{parts}] }}"
        return numbers if self.kind == "uniform" else f"{{ {self.kind} = {numbers} }}"

    def is_whole(self) -> bool:
        """Whether only whole numbers can come."""
        if self.kind == "mix":
            return all(part.is_whole() for _, part in self.parts)
        return self.kind in ("constant", "choice") and all(v.is_integer() for v in self.values)

    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest number that can come."""
        if self.kind == "mix":
            inner = [part.bounds() for _, part in self.parts]
            return min(low for low, _ in inner), max(high for _, high in inner)
        return min(self.values), max(self.values)


def parse_draw(value: Any, where: str) -> Draw:
    """A distribution from its TOML form.

    Raises
    ------
    SettingsError
        If it is none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Draw("constant", (float(value),))
    if isinstance(value, list) and len(value) == 2 and _numbers(value) and value[0] <= value[1]:
        return Draw("uniform", tuple(map(float, value)))
    if isinstance(value, Mapping) and len(value) == 1:
        kind, inner = next(iter(value.items()))
        numbers = isinstance(inner, list) and inner and _numbers(inner)
        if kind == "log" and numbers and len(inner) == 2 and 0 < inner[0] <= inner[1]:
            return Draw("log", tuple(map(float, inner)))
        if kind == "choice" and numbers:
            return Draw("choice", tuple(map(float, inner)))
        if kind == "mix" and isinstance(inner, list) and inner:
            pairs = [p for p in inner if isinstance(p, list) and len(p) == 2 and _numbers(p[:1])]
            if len(pairs) == len(inner) and all(p[0] > 0 for p in pairs):
                return Draw("mix", (), tuple((float(w), parse_draw(d, where)) for w, d in pairs))
    raise SettingsError(
        f"{where} = {value} is no distribution: give a number, [low, high], {{log = [low, high]}}, "
        "{choice = [...]} or {mix = [[weight, distribution], ...]}"
    )


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
