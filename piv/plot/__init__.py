"""Figures for papers: the image with its vectors, speed, vorticity and uncertainty.

Built on :class:`matplotlib.figure.Figure` without pyplot, so that nothing global changes and no
display is needed.
"""

from piv.plot.figure import FORMATS, figure, figure_format, save_figure

__all__ = ["FORMATS", "figure", "figure_format", "save_figure"]
