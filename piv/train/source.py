"""Data sources: who makes the pairs to learn from and to score on.

``piv`` never imports the generator.  A distribution registers an opener in the entry-point group
``piv.data_sources``; ``"synth:training"`` calls the one called ``synth`` with ``"training"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from piv.errors import InputError
from piv.types import Float, TruePair

GROUP = "piv.data_sources"
SPLITS = ("train", "validation", "test")  # their order is part of the generator's seeds


class Source(Protocol):
    """Pairs with truth, each fully determined by the arguments of :meth:`pair`."""

    @property
    def name(self) -> str:
        """How the source calls itself."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of flows, in the order in which they are reported."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What a weights record must hold to make the same pairs again (JSON-able)."""

    def pair(
        self, split: str, index: int, kind: str | None = None, size: tuple[int, int] | None = None
    ) -> TruePair:
        """Pair ``index`` of a split; ``kind`` one of ``classes`` or None for the recipe's mix."""


@dataclass(frozen=True, eq=False, slots=True)
class Hidden:
    """What a generator knows of a pair and no measurement sees.

    Parameters
    ----------
    slope_x, slope_y : array, shape (H, W)
        Derivative of the clean image at mid-time by the displacement along x and y, of the
        particles that are in both frames; zero where the sensor is saturated.  Per px, in units
        of a bright particle's peak.
    variance : array, shape (H, W)
        Variance of the noise of both frames together, in the square of that unit.
    y, x : array, shape (N,)
        Mid-time positions, px, of the particles that are visible in both frames: inside the
        frame, and their peak above the noise.
    u, v : array, shape (N,)
        Their displacement, px.
    """

    slope_x: Float
    slope_y: Float
    variance: Float
    y: Float
    x: Float
    u: Float
    v: Float


@runtime_checkable
class Revealing(Protocol):
    """A source that also tells what is hidden, which the floors of accuracy need."""

    def reveal(
        self, split: str, index: int, kind: str, size: tuple[int, int] | None = None
    ) -> tuple[TruePair, Hidden]:
        """The same pair as ``pair``, and what is hidden of it."""


def open_source(spec: str) -> Source:
    """The source that a recipe names.

    Parameters
    ----------
    spec : str
        ``provider:argument``, such as ``synth:training``.

    Raises
    ------
    InputError
        If no installed distribution registers the provider.
    """
    provider, _, argument = spec.partition(":")
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if provider not in found:
        known = f"known are {', '.join(sorted(found))}" if found else "none is installed"
        raise InputError(
            f"unknown data source {spec}: {known}; the generator comes with "
            "`pip install ccfcn-piv` as the package synth"
        )
    source: Source = found[provider].load()(argument)
    return source


def open_sources(specs: str) -> list[Source]:
    """The sources of a text such as ``synth:evaluation; synth:resolution``; none of an empty one.

    Raises
    ------
    InputError
        If one of them cannot be opened.
    """
    return [open_source(spec.strip()) for spec in specs.split(";") if spec.strip()]
