"""Named settings with the model they go with: ``--preset`` and the desktop's first choice."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from piv.settings import RefineSettings, Settings


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings, the weights that go with them, and what they are for."""

    settings: Settings
    model: str
    help: str


PRESETS = {
    "coarse": Preset(Settings(), "none", "cross-correlation alone, a vector per window"),
    "fast": Preset(
        dataclasses.replace(Settings(), refine=RefineSettings(steps=2)),
        "ccfcn-fast-2026.11",
        "a vector at every pixel from a small network, two thirds of the time, a third more error",
    ),
    "standard": Preset(Settings(), "default", "a vector at every pixel"),
    "best": Preset(
        dataclasses.replace(Settings(), refine=RefineSettings(views=8)),
        "default",
        "the mean of eight views of the pair, a twelfth less error, six to seven times the time",
    ),
}
