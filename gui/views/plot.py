"""Plots that take little room, and the colours of the theme."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QSize
from PyQt6.QtGui import QPalette


class Plot(pg.PlotWidget):  # type: ignore[misc]  # no types
    """A plot in a panel.

    Parameters
    ----------
    name : str
        For those who cannot see it.
    tip : str
    room : (int, int)
        Width and height that it asks for, px.
    view : ViewBox, optional
    """

    def __init__(self, name: str, tip: str, room: tuple[int, int], view: Any = None) -> None:
        self._room = QSize(*room)
        super().__init__(viewBox=view)
        self.setAccessibleName(name)
        self.setToolTip(tip)
        plot = self.getPlotItem()
        plot.setMenuEnabled(False)
        plot.hideButtons()
        self._restyle()

    def sizeHint(self) -> QSize:
        """Little: the panel decides."""
        return self._room

    def minimumSizeHint(self) -> QSize:
        """Half of that at least."""
        return self._room / 2

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._restyle()

    def _restyle(self) -> None:
        plot = self.getPlotItem()
        if plot is None:  # it is being made, or has been closed
            return
        palette = self.palette()
        self.setBackground(palette.color(QPalette.ColorRole.Base))
        text = palette.color(QPalette.ColorRole.Text)
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(pg.mkPen(text))
            axis.setTextPen(pg.mkPen(text))
        plot.titleLabel.setAttr("color", text)
        if plot.titleLabel.text:
            plot.titleLabel.setText(plot.titleLabel.text)
