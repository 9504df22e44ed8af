"""Particle image velocimetry with a velocity and its uncertainty at every pixel.

>>> import piv
>>> result = piv.analyse(first, second)          # doctest: +SKIP
>>> result.field.u, result.field.uncertainty_u   # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

# at once, not later: the function has its module's name and must win over it
from piv.calibrate import calibrate
from piv.errors import InputError, PIVError, SettingsError, StorageError, WeightsError
from piv.settings import Settings
from piv.types import Analysis, Calibration, Flag, ImagePair, PairResult, TruePair, VectorField

if TYPE_CHECKING:
    from piv import uncertainty
    from piv.io.images import read_pair
    from piv.io.sources import open_pairs
    from piv.io.store import open_results, open_store, read_field, write_analysis
    from piv.network.weights import load_model
    from piv.pipeline import analyse, analyse_series

__version__ = version("ccfcn-piv")

# what needs torch, h5py or an image library is loaded on first use: `piv --help` need not wait
_LATER = {
    "analyse": "piv.pipeline",
    "analyse_series": "piv.pipeline",
    "load_model": "piv.network.weights",
    "open_pairs": "piv.io.sources",
    "open_results": "piv.io.store",
    "open_store": "piv.io.store",
    "read_field": "piv.io.store",
    "read_pair": "piv.io.images",
    "write_analysis": "piv.io.store",
}
_MODULES_LATER = ("uncertainty",)

__all__ = [
    "Analysis",
    "Calibration",
    "Flag",
    "ImagePair",
    "InputError",
    "PIVError",
    "PairResult",
    "Settings",
    "SettingsError",
    "StorageError",
    "TruePair",
    "VectorField",
    "WeightsError",
    "__version__",
    "analyse",
    "analyse_series",
    "calibrate",
    "load_model",
    "open_pairs",
    "open_results",
    "open_store",
    "read_field",
    "read_pair",
    "uncertainty",
    "write_analysis",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if name in _MODULES_LATER:
        return importlib.import_module(f"piv.{name}")
    raise AttributeError(f"module 'piv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
