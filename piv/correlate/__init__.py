"""The coarse stage: multi-pass FFT cross-correlation of interrogation windows."""

from piv.correlate.ensemble import EnsembleStep, Series, ensemble_field
from piv.correlate.multipass import Grid, multipass
from piv.correlate.stage import (
    coarse_at_every_pixel,
    coarse_field,
    coarse_template,
    pair_tensors,
)

__all__ = [
    "EnsembleStep",
    "Grid",
    "Series",
    "coarse_at_every_pixel",
    "coarse_field",
    "coarse_template",
    "ensemble_field",
    "multipass",
    "pair_tensors",
]
