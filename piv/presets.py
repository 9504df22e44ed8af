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
        Settings(),
        "ccfcn-fast-2026.11",
        "a small network: three fifths of the time, half as much error again",
    ),
    "standard": Preset(Settings(), "default", "a vector at every pixel"),
    "best": Preset(
        dataclasses.replace(Settings(), refine=RefineSettings(views=8, steps=4)),
        "default",
        "the mean of eight views, a step more: a tenth less error, nine to ten times the time",
    ),
}
