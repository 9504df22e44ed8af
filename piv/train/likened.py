"""Conditions of recordings, corrected until images made with them measure as the recordings do.

What is measured of poor images is biased: in noise faint particles are not counted, and what is
counted is brighter than most.  So images are made with what was measured, measured in the same way,
and what comes out too large or too small is taken back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.network.weights import Model
from piv.settings import Settings
from piv.train.conditions import Conditions, measure
from piv.train.matched import inline
from piv.train.source import open_source
from piv.types import ImagePair

ROUNDS = 2  # a third moves what brightness of the particles, unknown here, decides
PAIRS = 2  # made in each round
# what is corrected by a factor, and what by a sum; within what the generator makes
_FACTORS = {"density": (0.003, 0.4), "diameter": (0.8, 10.0), "peak": (0.004, 3.0)}
_FACTORS |= {"noise": (0.0, 0.3)}
_SUMS = {"loss": (0.0, 0.5), "offset": (0.0, 1.0)}
_STEP = 3.0  # by more a factor changes in no round
_NAME = "likened"  # of the recipe: the images' random numbers start from it


def likened(found: Conditions, model: Model, settings: Settings) -> Conditions:
    """The conditions with which images are to be made so that they measure as a recording does.

    Parameters
    ----------
    found : Conditions
        Measured of the recording.
    model : Model
        The weights that it was analysed with.
    settings : Settings
        Of that analysis, without a region.

    Returns
    -------
    Conditions
        Bits, gain, displacement and gradient are as they were found.  What the generator would
        have to make, which may lie beyond what it can.

    Raises
    ------
    InputError
        If the generator is not installed.
    """
    wanted = found
    for _ in range(ROUNDS):
        given = _within(wanted)
        seen = _measured(_images(given), model, settings)
        if seen is None:  # nothing can be measured of images so poor
            break
        wanted = _corrected(found, seen, given)
    return wanted


def _corrected(found: Conditions, seen: Conditions, given: Conditions) -> Conditions:
    """What to give next, where ``given`` gave ``seen`` in place of ``found``."""
    values = {}
    for name in _FACTORS:
        ratio = (getattr(found, name) + 1e-4) / (getattr(seen, name) + 1e-4)
        values[name] = getattr(given, name) * float(np.clip(ratio, 1 / _STEP, _STEP))
    for name in _SUMS:
        corrected = getattr(given, name) + getattr(found, name) - getattr(seen, name)
        values[name] = max(corrected, 0.0)
    return replace(given, **values)


def _within(conditions: Conditions) -> Conditions:
    """As near as the generator comes."""
    values = {
        name: min(max(getattr(conditions, name), low), high)
        for name, (low, high) in (_FACTORS | _SUMS).items()
    }
    return replace(conditions, **values)


def _images(given: Conditions) -> list[ImagePair]:
    """Pairs of a random flow under these conditions."""
    tables = {
        "particles": {
            "density": given.density,
            "diameter": given.diameter,
            # the middle of what the matched images have
            "diameter_spread": 0.15,
            "brightness_spread": 0.4,
            "loss_of_pairs": given.loss,
        },
        "camera": {
            "bits": given.bits,
            "peak": given.peak,
            "noise": given.noise,
            "electrons": 5000,
            "offset": given.offset,
            "background": 0.0,
            "unevenness": 0.0,
            "gain": min(max(given.gain, 0.3), 3.0),
        },
        "scene": {
            "displacement": min(max(given.displacement, 0.5), 40.0),
            "gradient": min(max(given.gradient, 0.002), 0.5),
        },
        "classes.kinematic": {},
    }
    lines = []
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{name} = {inline(value)}" for name, value in values.items())]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{_NAME}.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        source = open_source(f"synth:{path}")
    return [source.pair("train", index, "kinematic").pair for index in range(PAIRS)]


def _measured(pairs: Sequence[ImagePair], model: Model, settings: Settings) -> Conditions | None:
    """Mean conditions of those that can be measured."""
    from piv.pipeline import analyse

    found = []
    for pair in pairs:
        try:
            found.append(measure(pair, analyse(pair, model=model, settings=settings)))
        except InputError:
            continue
    if not found:
        return None
    means: dict[str, Any] = {
        item.name: float(np.mean([getattr(one, item.name) for one in found]))
        for item in fields(Conditions)
        if item.name != "bits"
    }
    return replace(found[0], **means)
