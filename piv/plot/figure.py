"""One figure of one field, and its file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from piv.errors import InputError
from piv.io.files import replacing
from piv.plot.layout import Page, Scene
from piv.plot.panels import draw_speed, draw_uncertainty, draw_vectors, draw_vorticity, finish
from piv.plot.style import STYLE
from piv.types import Analysis, ImagePair, VectorField

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
_DPI = 300


def figure(
    result: Analysis | VectorField,
    pair: ImagePair | None = None,
    *,
    range: tuple[float, float] | None = None,
    vector_scale: float | None = None,
) -> Figure:
    """Draw a field in four panels: image with vectors, speed, vorticity, uncertainty.

    Parameters
    ----------
    result : Analysis or VectorField
        Of one pair; of an analysis the better field is shown.
    pair : ImagePair, optional
        What was analysed; its first frame is drawn under the vectors.
    range : (float, float), optional
        Colour range of the speed, in the field's unit; default: from zero (or, for a narrow
        distribution, from its first) to its 99.5th percentile.
    vector_scale : float, optional
        The speed, in the field's unit, whose arrow is a tenth of the panel's width long;
        default: such that arrows fill the distance to their neighbours.

    Returns
    -------
    matplotlib.figure.Figure
        Masked pixels are grey.  Replaced vectors have another colour.  Vorticity is positive
        counter-clockwise in any field.  A field without uncertainty shows its peak ratio instead.

    Raises
    ------
    InputError
        If the field is a series, holds no vector, or a range or scale makes no sense.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    field = result.field if isinstance(result, Analysis) else result
    _check(field, range, vector_scale)
    scene = Scene.of(field)
    page = Page.of(scene.aspect)
    with rc_context(STYLE):
        drawing = Figure(figsize=(page.width, page.height))
        FigureCanvasAgg(drawing)
        axes = [drawing.add_axes(page.panel(number)) for number in (0, 1, 2, 3)]
        draw_vectors(axes[0], scene, page, pair, vector_scale)
        draw_speed(axes[1], scene, page, range)
        draw_vorticity(axes[2], scene, page)
        draw_uncertainty(axes[3], scene, page)
        for number, each in enumerate(axes):
            finish(each, scene, page, number)
    return drawing


def save_figure(drawing: Figure, path: str | Path) -> None:
    """Write a figure; the file appears under its name only when it is complete.

    Parameters
    ----------
    drawing : matplotlib.figure.Figure
    path : path
        Ending in .png (300 dpi), .pdf or .svg.

    Raises
    ------
    InputError
        If the ending is another.
    PIVError
        If the file cannot be written.
    """
    from matplotlib import rc_context

    kind = figure_format(path)
    with rc_context(STYLE), replacing(path) as file:
        drawing.savefig(file, format=kind, dpi=_DPI)


def figure_format(path: str | Path) -> str:
    """Tell the format of a figure from the ending of its name.

    Raises
    ------
    InputError
        If the ending is not one of :data:`FORMATS`.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(
            f"a figure's name must end in {', '.join('.' + each for each in FORMATS)}; {path} does "
            "not"
        )
    return kind


def _check(
    field: VectorField, limits: tuple[float, float] | None, vector_scale: float | None
) -> None:
    if field.u.ndim != 2:
        raise InputError(
            f"a figure shows the field of one pair, not a series of shape {field.shape}"
        )
    if not np.isfinite(field.u).any():
        raise InputError("the field holds no vector to draw")
    if limits is not None:
        low, high = limits
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"the colour range must be two numbers, low < high, not {low} {high}")
    if vector_scale is not None and not (math.isfinite(vector_scale) and vector_scale > 0):
        raise InputError(f"the vector scale must be a positive number, not {vector_scale}")
