"""Plots that take little room, and the colours of the theme."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QRectF, QSize
from PyQt6.QtGui import QImage, QPainter, QPalette

from gui.colours import table


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


class ColourImage(pg.GraphicsObject):  # type: ignore[misc]  # no types
    """An array in colours, in the plane of a plot.

    The picture holds its own memory: that of pyqtgraph's ImageItem is shared with NumPy, and its
    painting was seen to crash.

    Attributes
    ----------
    array : array, shape (H, W), or None
        What is shown; the first row is at the top of ``rect``.
    rect : QRectF
    """

    def __init__(self, colours: str) -> None:
        super().__init__()
        self._table = table(colours)
        self.array: npt.NDArray[Any] | None = None
        self.rect = QRectF()
        self._image = QImage()

    def show_array(
        self, array: npt.NDArray[Any] | None, levels: tuple[float, float], rect: QRectF
    ) -> None:
        """Show values between the ends of the colours; NaN is transparent."""
        self.prepareGeometryChange()
        self.array, self.rect = array, QRectF(rect)
        self._image = QImage() if array is None else _painted(array, levels, self._table)
        self.informViewBoundsChanged()
        self.update()

    def boundingRect(self) -> QRectF:
        """What it covers."""
        return QRectF(self.rect)

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Draw it, every sample as a cell."""
        if not self._image.isNull():
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(self.rect, self._image)


def _painted(
    array: npt.NDArray[Any], levels: tuple[float, float], colours: npt.NDArray[np.uint8]
) -> QImage:
    low, high = levels
    with np.errstate(invalid="ignore"):
        place = (np.asarray(array, np.float64) - low) * (255 / max(high - low, 1e-12))
    seen = np.isfinite(place)
    index = np.clip(np.where(seen, place, 0), 0, 255).astype(np.uint8)
    pixels = np.empty((*index.shape, 4), np.uint8)
    pixels[..., :3] = colours[index]
    pixels[..., 3] = np.where(seen, 255, 0)
    height, width = index.shape
    data = pixels.tobytes()
    return QImage(data, width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
