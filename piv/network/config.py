"""What a network is built from, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

STATISTICS_STRIDE = 4  # the local statistics are computed at 1/4 of the size


@dataclass(frozen=True, slots=True)
class CCFCNConfig:
    """Everything needed to rebuild the network; kept beside its weights.

    Parameters
    ----------
    image_widths : tuple of int
        Channels at 1/2, 1/4, 1/8 ... of the size.
    velocity_widths : tuple of int
        Channels of the velocity pyramid at the same levels; empty = no velocity pyramid.
    radius : int
        The correlation planes hold the shifts -radius..radius of each level.
    base_sigmas : tuple of float
        Gaussian windows of the least-squares estimates, px; the middle one is the base.  Empty =
        no least squares: the estimate before the step is the base.
    first_widths : tuple of int
        Channels of the first step in place of ``image_widths``; empty = those.
    memory : int
        Channels at 1/2 of the size that a step hands on to the next; 0 = none.
    turned : bool
        Whether every second step sees the pair turned by 180 degrees, the frames swapped.
    spline : int
        Degree with which the frames are moved, 3 or 5.
    smooth : float
        Standard deviation of the Gaussian, px, that smooths an estimate before the next step starts
        from it; 0 = none.
    blend : tuple of float
        Gaussians, px, of which the last step may mix so much into its answer as it finds good,
        pixel by pixel; empty = none.
    """

    image_widths: tuple[int, ...] = (40, 64, 96)
    velocity_widths: tuple[int, ...] = (16, 16, 16)
    radius: int = 2
    base_sigmas: tuple[float, ...] = (3.0, 6.0, 12.0)
    first_widths: tuple[int, ...] = ()
    memory: int = 0
    turned: bool = False
    spline: int = 3
    smooth: float = 0.0
    blend: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        for name in ("image_widths", "first_widths", "velocity_widths"):
            _require(name, getattr(self, name), _is_whole, 1)
        for name in ("base_sigmas", "blend"):
            _require(name, getattr(self, name), _is_number, 0.0)
        if not self.image_widths:
            raise ValueError("image_widths must name at least one level")
        for name in ("radius", "memory"):
            if not _is_whole(value := getattr(self, name), 0):
                raise ValueError(f"{name} must be a whole number from 0, not {value!r}")
        if not isinstance(self.turned, bool):
            raise ValueError(f"turned must be true or false, not {self.turned!r}")
        if not (self.smooth == 0 or _is_number(self.smooth, 0.0)):
            raise ValueError(f"smooth must be 0 or more, not {self.smooth!r}")
        if not _is_whole(self.spline, 3) or self.spline not in (3, 5):
            raise ValueError(f"spline must be 3 or 5, not {self.spline!r}")
        if self.first_widths and len(self.first_widths) != len(self.image_widths):
            raise ValueError(
                f"the first step differs in depth: {self.image_widths}, {self.first_widths}"
            )
        if self.velocity_widths and len(self.velocity_widths) != len(self.image_widths):
            raise ValueError(
                f"pyramids differ in depth: {self.image_widths}, {self.velocity_widths}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CCFCNConfig:
        """From plain data, such as the record of a weights file."""
        known = {item.name for item in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown network settings: {', '.join(sorted(unknown))}")
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**plain)

    @property
    def first(self) -> CCFCNConfig:
        """What the first step is built from."""
        widths = self.first_widths or self.image_widths
        return replace(
            self, image_widths=widths, first_widths=(), turned=False, smooth=0.0, blend=()
        )

    @property
    def later(self) -> CCFCNConfig:
        """What the later steps are built from."""
        return replace(self, first_widths=(), turned=False, smooth=0.0)

    @property
    def stride(self) -> int:
        """H and W are padded to a multiple of this."""
        return max(1 << len(self.image_widths), STATISTICS_STRIDE)


def _require(name: str, values: Any, is_good: Callable[[Any, Any], bool], least: float) -> None:
    """A list whose entries are good; ValueError names it and the first that is not."""
    kind = f"whole numbers from {least}" if is_good is _is_whole else "numbers above 0"
    if not isinstance(values, tuple):
        raise ValueError(f"{name} must be a list of {kind}, not {values!r}")
    if wrong := [value for value in values if not is_good(value, least)]:
        raise ValueError(f"{name} must be a list of {kind}, not {wrong[0]!r}")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any, above: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > above
