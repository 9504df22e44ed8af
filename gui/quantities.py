"""What can be shown of a result: its name, unit, colours, and the words for its flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from gui.units import Kind
from piv.types import Flag

Needs: TypeAlias = Literal["", "uncertainty", "coarse", "images", "statistics"]


@dataclass(frozen=True)
class Quantity:
    """A map that can be shown.

    Parameters
    ----------
    name : str
        As in :class:`gui.state.DisplayOptions`.
    label : str
        As people read it, without the unit.
    kind : str
        What its unit follows from, see :meth:`gui.units.Units.scale`.
    diverging : bool
        Whether its sign matters: colours are symmetric about zero.
    about : str
        One sentence.
    needs : str
        What it cannot be shown without: the uncertainty of the dense field, the coarse field, the
        images, or the statistics of the series.
    colour_map : str
        Of :mod:`gui.colours`, unless another one is chosen.
    """

    name: str
    label: str
    kind: Kind
    diverging: bool
    about: str
    needs: Needs = ""
    colour_map: str = "viridis"


def _named(*quantities: Quantity) -> Mapping[str, Quantity]:
    return MappingProxyType({each.name: each for each in quantities})


_SIGNED = "blue-red"
_SPREAD = "magma"

QUANTITIES: Mapping[str, Quantity] = _named(
    Quantity("magnitude", "speed", "velocity", False, "Length of the vectors"),
    Quantity("u", "u", "u", True, "Component to the right", colour_map=_SIGNED),
    Quantity(
        "v", "v", "v", True,
        "Component along y: down in px, up once the calibration is set", colour_map=_SIGNED,
    ),
    Quantity(
        "vorticity", "vorticity", "gradient", True,
        "Rotation, positive where the flow turns counter-clockwise on the screen",
        colour_map=_SIGNED,
    ),
    Quantity(
        "divergence", "divergence", "gradient", True,
        "Outflow in the plane: zero for a plane flow that is incompressible",
        colour_map=_SIGNED,
    ),
    Quantity(
        "shear strain", "shear strain", "gradient", True,
        "du/dy + dv/dx with x right and y up", colour_map=_SIGNED,
    ),
    Quantity(
        "normal strain", "normal strain", "gradient", True,
        "du/dx - dv/dy with x right and y up", colour_map=_SIGNED,
    ),
    Quantity(
        "swirl", "swirling strength", "gradient", False,
        "Imaginary part of the gradient's eigenvalues: above zero in vortices only",
    ),
    Quantity(
        "uncertainty", "uncertainty", "velocity", False,
        "Both components of the uncertainty together, half-width of the 68.3 % interval",
        "uncertainty", _SPREAD,
    ),
    Quantity(
        "uncertainty u", "uncertainty of u", "velocity", False,
        "Half-width of the 68.3 % interval of u", "uncertainty", _SPREAD,
    ),
    Quantity(
        "uncertainty v", "uncertainty of v", "velocity", False,
        "Half-width of the 68.3 % interval of v", "uncertainty", _SPREAD,
    ),
    Quantity(
        "flags", "flags", "none", False,
        "Why a vector is no plain measurement; the words are under the cursor", "", "inferno",
    ),
    Quantity(
        "residual", "residual of the images", "none", False,
        "Difference of the two frames after they have been moved onto each other by the field, "
        "rms around each pixel over the contrast of the frames: 0 = the field explains everything",
        "images", _SPREAD,
    ),
    Quantity(
        "peak ratio", "peak ratio", "none", False,
        "Highest correlation peak over the second one; near 1 the vector is doubtful",
        "coarse", "cividis",
    ),
)  # fmt: skip

_SERIES: tuple[tuple[str, str, Kind, bool, str, str], ...] = (
    ("mean speed", "mean speed", "velocity", False, "Length of the mean vector", "viridis"),
    ("mean u", "mean of u", "u", True, "Mean of u over the pairs", _SIGNED),
    ("mean v", "mean of v", "v", True, "Mean of v over the pairs", _SIGNED),
    ("rms u", "rms of u'", "velocity", False, "Root mean square fluctuation of u", _SPREAD),
    ("rms v", "rms of v'", "velocity", False, "Root mean square fluctuation of v", _SPREAD),
    ("stress uu", "Reynolds stress u'u'", "stress", False, "Variance of u", _SPREAD),
    ("stress vv", "Reynolds stress v'v'", "stress", False, "Variance of v", _SPREAD),
    (
        "stress uv", "Reynolds stress u'v'", "stress", True,
        "Mean product of the fluctuations, x right and y up", _SIGNED,
    ),
    (
        "kinetic energy", "turbulent kinetic energy", "stress", False,
        "3/4 (u'u' + v'v'): the third component is taken as the mean of the two", _SPREAD,
    ),
    ("count", "vectors counted", "none", False, "Measured vectors of each point", "cividis"),
)  # fmt: skip
STATISTICS: Mapping[str, Quantity] = _named(
    *(
        Quantity(name, label, kind, diverging, about, "statistics", colours)
        for name, label, kind, diverging, about, colours in _SERIES
    )
)


def quantity(name: str) -> Quantity:
    """A quantity, of a field or of a series; the speed for a name that is not known."""
    return QUANTITIES.get(name) or STATISTICS.get(name) or QUANTITIES["magnitude"]


_WORDS = {
    Flag.MASKED: "masked",
    Flag.MANUAL: "rejected by hand",
    Flag.OUT_OF_RANGE: "outside the limits",
    Flag.NO_CONTRAST: "no particles in the window",
    Flag.EDGE_PEAK: "peak at the rim of the search range",
    Flag.NO_SUBPIXEL: "no sub-pixel fit",
    Flag.LOW_PEAK: "weak correlation",
    Flag.LOW_PEAK_RATIO: "second peak nearly as high",
    Flag.MEDIAN_OUTLIER: "unlike its neighbours",
    Flag.STD_OUTLIER: "unlike all others",
    Flag.TEMPORAL_OUTLIER: "unlike its neighbours in time",
    Flag.POOR_IMAGE: "poor image",
    Flag.FALLBACK: "no evidence for the network: filled coarse field",
    Flag.DISAGREES: "network and correlation disagree",
    Flag.REPLACED: "replaced from its neighbours",
}


def flag_words(flags: int) -> list[str]:
    """The flags of a vector in plain words, the gravest first; empty = a plain measurement."""
    return [words for flag, words in _WORDS.items() if flags & int(flag)]


def flag_classes() -> list[str]:
    """What the numbers of the flag map mean: 0 = measured, then the gravest flag of a vector."""
    return ["measured", *(words for flag, words in _WORDS.items() if flag is not Flag.MASKED)]


def flag_order() -> list[Flag]:
    """The flags behind numbers 1, 2, ... of the flag map, the gravest first."""
    return [flag for flag in _WORDS if flag is not Flag.MASKED]
