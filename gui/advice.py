"""What the program says about a pair before anything is run: figures, warnings, suggestions.

Plain data and the rules that judge it; no Qt, no torch.  The numbers are measured by the task
``suggest.look``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from gui.masks import Shape
from piv.settings import CorrelateSettings, Settings, from_dict

Mark: TypeAlias = Literal["good", "doubtful", "bad", "unknown"]

FIRST_WINDOWS = (32, 48, 64, 96, 128, 192, 256)
LAST_WINDOWS = (16, 24, 32, 48, 64)
PARTICLES = 7  # that a window should hold in both frames (Keane & Adrian 1992)
BETTER = 0.02  # share of vectors by which contrast normalisation must help to be suggested


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured in a pair; NaN where it cannot be known.

    Parameters
    ----------
    displacement : float
        Median length, px.
    largest : float
        Length that one vector in a hundred exceeds, px.
    component : float
        Likewise of the larger component: what the windows must follow, px.
    density : float
        Particle images per pixel.
    diameter : float
        e^-2, px.
    noise : float
        Share of the camera noise in the variance of the grey levels, 0..1.
    saturated : float
        Share of the pixels that are at the top of the grey scale.
    levels : float
        Grey levels between the background and the bright particles.
    lost : float
        Share of the correlation that is missing though noise does not explain it: particle images
        without a partner in the other frame, and strong gradients.
    valid : float
        Share of the vectors of the quick pass that were measured.
    valid_with_contrast : float
        The same with local contrast normalisation.
    gain : float
        Brightness of the second frame over that of the first.
    empty : float
        Share of the frame that :func:`masks.automatic` would mask.
    shapes : tuple of Shape
        That mask.
    """

    displacement: float = math.nan
    largest: float = math.nan
    component: float = math.nan
    density: float = math.nan
    diameter: float = math.nan
    noise: float = math.nan
    saturated: float = math.nan
    levels: float = math.nan
    lost: float = math.nan
    valid: float = math.nan
    valid_with_contrast: float = math.nan
    gain: float = math.nan
    empty: float = 0.0
    shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of what was found: name, value as text, how good it is, and what to do."""

    name: str
    label: str
    text: str
    mark: Mark
    advice: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to be used with one click.

    Parameters
    ----------
    name : str
    text : str
        What would be done.
    why : str
    changes : mapping
        Settings tables, as :func:`piv.settings.from_dict` takes them; empty for a mask.
    shapes : tuple of Shape
    """

    name: str
    text: str
    why: str
    changes: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    shapes: tuple[Shape, ...] = ()

    def apply(self, settings: Settings) -> Settings:
        """The settings with what is suggested."""
        return from_dict(self.changes, settings)


@dataclass(frozen=True, slots=True)
class Advice:
    """All that is said about a pair."""

    measured: Measured
    figures: tuple[Figure, ...]
    suggestions: tuple[Suggestion, ...]
    warnings: tuple[str, ...]


def advise(
    measured: Measured, settings: Settings, *, masked: bool = False, followed: bool = True
) -> Advice:
    """Judge what was measured in a pair, and suggest settings.

    Parameters
    ----------
    measured : Measured
    settings : Settings
        Those in use: what they have already is not suggested.
    masked : bool
        Whether the pair has a mask already.
    followed : bool
        Whether the network follows the correlation.
    """
    figures = judged(measured)
    warnings = [f"{figure.label}: {figure.advice}" for figure in figures if figure.mark in ("bad",)]
    found = [*_windows(measured, settings, followed), *_contrast(measured, settings)]
    if measured.shapes and not masked and 0.002 <= measured.empty <= 0.7:
        found.append(
            Suggestion(
                "mask",
                "mask what has no moving particles",
                f"{100 * measured.empty:.2g} % of the frame is a body, shadow, glare or unseeded",
                shapes=measured.shapes,
            )
        )
    return Advice(measured, figures, tuple(found), tuple(warnings))


def judged(m: Measured) -> tuple[Figure, ...]:
    """Every figure with its mark and what to do about it."""
    return (
        _figure(
            "displacement", "Displacement", m.largest,
            f"{m.displacement:.1f} px, largest {m.largest:.1f} px", good=(2, 48), usable=(0.5, 64),
            low="the particles hardly move: a longer dt makes the measurement more precise",
            high="the particles move far: a shorter dt is safer",
        ),
        _figure(
            "density", "Seeding", m.density, f"{m.density:.3f} particles per px",
            good=(0.015, 0.2), usable=(0.005, 0.35),
            low="few particles: use larger windows, seed more, or average over a series",
            high="so dense that single particles merge: seed less",
        ),
        _figure(
            "diameter", "Particle diameter", m.diameter, f"{m.diameter:.1f} px",
            good=(2, 5), usable=(1.0, 8),  # as piv.quality says after the analysis
            low="small particle images lean towards whole pixels (peak locking): defocus slightly",
            high="large particle images: close focus, or shrink the images before",
        ),
        _figure(
            "noise", "Camera noise", m.noise, f"{100 * m.noise:.0f} % of the grey levels' variance",
            good=(-1, 0.2), usable=(-1, 0.5), low="",
            high="much noise: more light, a larger aperture, or larger windows",
        ),
        _figure(
            "saturated", "Saturated pixels", m.saturated, f"{100 * m.saturated:.2g} %",
            good=(-1, 0.01), usable=(-1, 0.05), low="",
            high="many pixels are at the top of the grey scale: less light or a smaller aperture",
        ),
        _figure(
            "levels", "Grey levels", m.levels, f"{m.levels:.0f} between background and particles",
            good=(20, math.inf), usable=(8, math.inf),
            low="the images are dim: more light, or a camera gain that uses the range", high="",
        ),
        _figure(
            "gain", "Second frame's brightness", m.gain, f"{m.gain:.2f} times the first's",
            good=(0.7, 1.4), usable=(0.4, 2.5),
            low="the second frame is much darker: check laser and timing",
            high="the second frame is much brighter: check laser, timing and shutter",
        ),
        _figure(
            "lost", "Missing correlation", m.lost, f"{100 * m.lost:.0f} %",
            good=(-1, 0.3), usable=(-1, 0.5), low="",
            high="particles leave the light sheet, or the flow shears strongly: a thicker sheet "
            "or a shorter dt",
        ),
        _figure(
            "valid", "Quick pass", m.valid, f"{100 * m.valid:.0f} % of the vectors valid",
            good=(0.9, 2), usable=(0.75, 2),
            low="a quick correlation fails in parts of the frame: mask what is not fluid, and "
            "look whether the two frames belong together", high="",
        ),
    )  # fmt: skip


def _figure(
    name: str,
    label: str,
    value: float,
    text: str,
    *,
    good: tuple[float, float],
    usable: tuple[float, float],
    low: str,
    high: str,
) -> Figure:
    if not math.isfinite(value):
        return Figure(name, label, "cannot be told", "unknown", "")
    mark: Mark = "bad"
    if good[0] <= value <= good[1]:
        return Figure(name, label, text, "good", "")
    if usable[0] <= value <= usable[1]:
        mark = "doubtful"
    return Figure(name, label, text, mark, low if value < good[0] else high)


def first_window(component: float, smallest: int = FIRST_WINDOWS[0]) -> int:
    """The smallest usual first window of which the displacement is a quarter at most, px."""
    return next((w for w in FIRST_WINDOWS if w >= max(4 * component, smallest)), FIRST_WINDOWS[-1])


def last_window(density: float, diameter: float, lost: float = 0.0) -> int:
    """The smallest usual last window that holds enough particles, px.

    Seven that are in both frames [Keane & Adrian, Appl. Sci. Res. 49, 191 (1992)], and four
    diameters, so that a particle image fits well.
    """
    if not density > 0:
        return LAST_WINDOWS[-1]
    kept = density * (1 - min(max(lost, 0.0) if math.isfinite(lost) else 0.0, 0.8))
    wanted = max(math.sqrt(PARTICLES / kept), 4 * diameter if math.isfinite(diameter) else 0.0)
    # a window a few per cent too small is not worth the next size
    return next((w for w in LAST_WINDOWS if w >= 0.95 * wanted), LAST_WINDOWS[-1])


def chain(first: int, last: int) -> tuple[int, ...]:
    """Windows from the first to the last, each about half of the one before."""
    windows = [first]
    while windows[-1] > 2 * last:
        windows.append(-(-windows[-1] // 2))
    if windows[-1] != last:
        windows.append(last)
    return tuple(windows)


def _windows(m: Measured, settings: Settings, followed: bool) -> list[Suggestion]:
    if not (math.isfinite(m.component) and math.isfinite(m.density)):
        return []
    last = last_window(m.density, m.diameter, m.lost)
    first = first_window(m.component, max(last, 64))
    windows = chain(first, last)
    if _suits(settings.correlate.resolved(followed), first, last, followed):
        return []
    why = (
        f"displacements reach {m.component:.1f} px, a quarter of {first} px at most; "
        f"{m.density:.3f} particles per px fill a window of {last} px"
    )
    text = f"windows {', '.join(str(w) for w in windows)} px"
    return [Suggestion("windows", text, why, {"correlate": {"windows": list(windows)}})]


def _suits(correlate: CorrelateSettings, first: int, last: int, followed: bool) -> bool:
    """Whether windows go from the first to the last in steps that are not too large."""
    sizes = correlate.windows
    whole = [size for size in sizes if isinstance(size, int)]
    if len(whole) < len(sizes) or any(a > 3 * b for a, b in pairwise(whole)):
        return False
    # where the network follows, windows of 24 px do what smaller ones would
    enough = whole[-1] == last or (followed and last <= whole[-1] <= 24)
    return whole[0] == first and enough


def _contrast(m: Measured, settings: Settings) -> list[Suggestion]:
    if not (math.isfinite(m.valid) and math.isfinite(m.valid_with_contrast)):
        return []
    local = settings.preprocess.contrast == "local"
    if not local and m.valid_with_contrast - m.valid >= BETTER:
        return [
            Suggestion(
                "contrast",
                "local contrast normalisation",
                f"with it {100 * m.valid_with_contrast:.0f} % of the vectors of a quick pass are "
                f"valid, without {100 * m.valid:.0f} %",
                {"preprocess": {"contrast": "local"}},
            )
        ]
    return []
