"""How figures for papers look."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "font.family": "sans-serif",
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "mathtext.default": "regular",
}


def style() -> AbstractContextManager[None]:
    """Sizes of letters and lines for a column of a paper, for the figures made inside a ``with``.

    Examples
    --------
    >>> with piv.plot.style():                                   # doctest: +SKIP
    ...     drawing = Figure(figsize=(3.5, 2.6), layout="constrained")
    ...     piv.plot.plot_vorticity(drawing.subplots(), field)
    """
    from matplotlib import rc_context

    return rc_context(STYLE)
