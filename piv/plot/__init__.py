"""Figures for papers: one of a whole analysis, or single plots on any axes.

Built on :class:`matplotlib.figure.Figure` without pyplot, so that nothing global changes and no
display is needed.  Every ``plot_`` function draws on the axes it is given and returns them.
"""

from piv.plot.animation import common_scales, save_animation
from piv.plot.curves import (
    mark_vortices,
    plot_joint_pdf,
    plot_pdf,
    plot_profile,
    plot_spectrum,
    plot_streamlines,
)
from piv.plot.figure import FORMATS, figure, figure_format, save_figure
from piv.plot.maps import (
    plot_magnitude,
    plot_mode,
    plot_scalar,
    plot_texture,
    plot_vectors,
    plot_vorticity,
)
from piv.plot.style import style

__all__ = [
    "FORMATS",
    "common_scales",
    "figure",
    "figure_format",
    "mark_vortices",
    "plot_joint_pdf",
    "plot_magnitude",
    "plot_mode",
    "plot_pdf",
    "plot_profile",
    "plot_scalar",
    "plot_spectrum",
    "plot_streamlines",
    "plot_texture",
    "plot_vectors",
    "plot_vorticity",
    "save_animation",
    "save_figure",
    "style",
]
