"""The coarse stage: multi-pass FFT cross-correlation of interrogation windows."""

from piv.correlate.multipass import Grid, multipass
from piv.correlate.stage import (
    coarse_at_every_pixel,
    coarse_field,
    coarse_template,
    pair_tensors,
)

__all__ = [
    "Grid",
    "coarse_at_every_pixel",
    "coarse_field",
    "coarse_template",
    "multipass",
    "pair_tensors",
]
