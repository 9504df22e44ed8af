"""A stand-in for LaVision's package ``lvpyio``: the part of its documented interface that is used.

Written after its types (Buffer, VectorFrame, Component, Scale, Grid); ``pytest -m programs`` puts
the same tests to the package itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Scale:
    slope: float = 1.0
    offset: float = 0.0
    unit: str = "pixel"
    description: str = ""


@dataclass
class Scales:
    x: Scale
    y: Scale
    z: Scale
    i: Scale


@dataclass
class Grid:
    x: int
    y: int
    z: int = 1


@dataclass
class Component:
    scale: Scale
    planes: list[Any]

    def __getitem__(self, number: int) -> Any:
        return self.planes[number]


@dataclass
class ImageFrame:
    components: dict[str, Component]


@dataclass
class VectorFrame:
    components: dict[str, Component]
    scales: Scales
    attributes: dict[str, Any]
    grid: Grid
    choices: int = 1

    def __len__(self) -> int:
        return len(self.components["U0"].planes)

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.components["U0"][0].shape
        return height, width

    @property
    def masks(self) -> list[Any]:
        return self._planes("MASK", 1)

    @property
    def active_choice(self) -> list[Any]:
        return self._planes("ACTIVE_CHOICE", 0)

    def as_masked_array(self, plane: int = 0) -> Any:
        names = [name for name in "uvw" if f"{name.upper()}0" in self.components]
        found = np.ma.zeros(self.shape, [(name, "f8") for name in names])
        chosen = np.minimum(self.active_choice[plane], self.choices - 1)
        for name, axis in zip(names, "xyz", strict=False):
            each = [self.components[f"{name.upper()}{n}"][plane] for n in range(self.choices)]
            values = np.choose(chosen, each) * self.scales.i.slope + self.scales.i.offset
            found[name] = values * np.sign(getattr(self.scales, axis).slope)
        found.mask = (self.masks[plane] & self._planes("ENABLED", 1)[plane]) == 0
        return found

    def _planes(self, name: str, otherwise: int) -> list[Any]:
        if name in self.components:
            return self.components[name].planes
        return [np.full(self.shape, otherwise, np.uint8) for _ in range(len(self))]


@dataclass
class Buffer:
    frames: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
