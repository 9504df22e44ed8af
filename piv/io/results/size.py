"""How large a store will be."""

from __future__ import annotations

import numpy as np

from piv.io.labelled import variables
from piv.io.results.layout import selected
from piv.settings import OutputSettings
from piv.types import Analysis

# what shuffle and zlib leave: the largest part on the sample pairs and on real recordings, px and
# m/s, in float32 (noise in the mantissa does not compress); uint16 flags are mostly zero
FLOATS, FLAGS = 0.95, 0.10
_PAIR = 4096  # bytes of a pair beside its fields: index of chunks, names, record, quality
_STORE = 1 << 20  # bytes of the store itself


def estimate_bytes(template: Analysis, count: int, output: OutputSettings | None = None) -> int:
    """Size of a finished store, rather too large than too small.

    Parameters
    ----------
    template : Analysis
        Such as :func:`piv.pipeline.template` makes.
    count : int
        Number of pairs.
    output : OutputSettings, optional
        Which part of the dense field is kept; default all of it.

    Returns
    -------
    int
        Bytes, if floats shrink to :data:`FLOATS` of their size and flags to :data:`FLAGS`.
    """
    pair = float(_PAIR)
    for field in selected(template, output or OutputSettings()).values():
        for values in variables(field).values():
            pair += values.nbytes * (FLOATS if np.issubdtype(values.dtype, np.floating) else FLAGS)
    return _STORE + round(count * pair)
