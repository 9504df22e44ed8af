"""Particle image velocimetry with a velocity and its uncertainty at every pixel.

>>> import piv
>>> result = piv.analyse(first, second)          # doctest: +SKIP
>>> result.field.u, result.field.uncertainty_u   # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

TYPE_CHECKING = False  # as in typing, which takes a while to load
if TYPE_CHECKING:
    from typing import Any

    from piv import errors as errors
    from piv import plot as plot
    from piv import post as post
    from piv import settings as settings
    from piv import types as types
    from piv import uncertainty
    from piv.calibrate import calibrate
    from piv.errors import InputError, PIVError, SettingsError, StorageError, WeightsError
    from piv.io.exchange import export_field, import_field
    from piv.io.images import read_pair
    from piv.io.sources import open_pairs
    from piv.io.store import open_results, open_store, read_field, write_analysis
    from piv.network.weights import load_model
    from piv.pipeline import analyse, analyse_series, ensemble_correlation
    from piv.settings import Settings
    from piv.types import Analysis, Calibration, Flag, ImagePair, PairResult, TruePair, VectorField

    __version__: str

# everything is loaded on first use: `piv --help` need not wait, and Ctrl-C finds a command that
# can tell it (piv/entry.py)
_LATER = {
    "Analysis": "piv.types",
    "Calibration": "piv.types",
    "Flag": "piv.types",
    "ImagePair": "piv.types",
    "InputError": "piv.errors",
    "PIVError": "piv.errors",
    "PairResult": "piv.types",
    "Settings": "piv.settings",
    "SettingsError": "piv.errors",
    "StorageError": "piv.errors",
    "TruePair": "piv.types",
    "VectorField": "piv.types",
    "WeightsError": "piv.errors",
    "analyse": "piv.pipeline",
    "analyse_series": "piv.pipeline",
    "ensemble_correlation": "piv.pipeline",
    "export_field": "piv.io.exchange",
    "import_field": "piv.io.exchange",
    "load_model": "piv.network.weights",
    "open_pairs": "piv.io.sources",
    "open_results": "piv.io.store",
    "open_store": "piv.io.store",
    "read_field": "piv.io.store",
    "read_pair": "piv.io.images",
    "write_analysis": "piv.io.store",
}
_MODULES_LATER = ("errors", "plot", "post", "settings", "types", "uncertainty")

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
    "ensemble_correlation",
    "export_field",
    "import_field",
    "load_model",
    "open_pairs",
    "open_results",
    "open_store",
    "plot",
    "post",
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
    if name == "__version__":
        from importlib.metadata import version

        return version("ccfcn-piv")
    raise AttributeError(f"module 'piv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """``piv.calibrate`` is the function, also once the module of its name has been imported."""

    @property
    def calibrate(self) -> Any:
        return importlib.import_module("piv.calibrate").calibrate

    @calibrate.setter
    def calibrate(self, module: ModuleType) -> None:
        """Leave it: here the import system would put the module in the function's place."""


sys.modules[__name__].__class__ = _Package
