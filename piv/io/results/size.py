"""How large a store will be."""

from __future__ import annotations

from piv.io.labelled import variables
from piv.io.results.layout import selected
from piv.settings import OutputSettings
from piv.types import Analysis

# What shuffle and zlib leave of a variable.  Measured with the default weights on three real
# recordings, in px and in m/s alike: u, v 0.62-0.88, other floats of the coarse field 0.76-0.85,
# uncertainties 0.46-0.54, flags 0.005-0.18.
FLOATS, UNCERTAINTIES, FLAGS = 0.9, 0.65, 0.2
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
        Bytes, if floats shrink to 0.9, uncertainties to 0.65 and flags to 0.2 of their size; a
        dense field takes 12.8 bytes a vector then (9 to 10 were measured).
    """
    pair = float(_PAIR)
    for field in selected(template, output or OutputSettings()).values():
        for name, values in variables(field).items():
            pair += values.nbytes * _left(name)
    return _STORE + round(count * pair)


def _left(name: str) -> float:
    if name == "flags":
        return FLAGS
    return UNCERTAINTIES if name.startswith("uncertainty") else FLOATS
