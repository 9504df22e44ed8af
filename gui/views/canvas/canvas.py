"""The canvas: one widget with a plain interface, behind which the layers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QPainter
from PyQt6.QtWidgets import QHBoxLayout, QWidget

from gui.colours import VECTOR_COLOURS
from gui.masks import Shape
from gui.pyramid import Pyramid
from gui.views.canvas import overlay as over
from gui.views.canvas.camera import Camera
from gui.views.canvas.colour_bar import ColourBar
from gui.views.canvas.interaction import Interaction, Measure
from gui.views.canvas.layers import ScalarLayer, Tool, VectorLayer
from gui.views.canvas.raster import (
    Raster,
    grey_palette,
    map_palette,
    mask_palette,
    mask_pyramid,
    texture_palette,
    texture_range,
)
from gui.views.canvas.strokes import Curves, Vectors
from gui.views.canvas.view import View

Rect = tuple[float, float, float, float]


class Canvas(QWidget):
    """Images and fields of any size, to pan, zoom, read and draw on.

    All positions are px of the frame: the centre of pixel (0, 0) is (0, 0), x right, y down.
    """

    cursor_moved = pyqtSignal(float, float)
    cursor_left = pyqtSignal()
    clicked = pyqtSignal(float, float)  # with PAN or PICK, without dragging, not on a shape
    shape_drawn = pyqtSignal(object)  # Shape; its kind is the tool's value
    shape_changed = pyqtSignal(int, object)
    shape_removed = pyqtSignal(int)  # wanted by the user: whoever owns the shapes removes it
    shape_selected = pyqtSignal(int)  # -1 = none
    measure_changed = pyqtSignal(object)  # as given to show_measure
    view_changed = pyqtSignal()
    compare_moved = pyqtSignal(float)
    dragged_levels = pyqtSignal(float, float)  # on the colour bar
    levels_reset = pyqtSignal()
    tool_changed = pyqtSignal(object)
    space_tapped = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._camera = Camera()
        self._state = Interaction(self._camera, self)
        self._overlay = over.Overlay()
        self._image = Raster(fine=True)
        self._scalars = (Raster(), Raster())
        self._texture, self._mask = Raster(), Raster()
        self._curves, self._vectors = Curves(), (Vectors(), Vectors())
        self._layers: tuple[ScalarLayer | None, ScalarLayer | None] = (None, None)
        self._has_frame = False
        self._mask_array: npt.NDArray[np.bool_] | None = None

        self.view = View(self._camera, self._state, self)
        self.view.setAccessibleName("Image and vector field")
        self.view.setAccessibleDescription(
            "Wheel: zoom. Drag: pan. With a drawing tool: click, or arrow keys and space bar, for "
            "points; Enter or a double click ends, Escape cancels, Delete removes"
        )
        for depth, draw in enumerate(
            (
                self._image.draw,
                self._draw_scalars,
                self._texture.draw,
                self._mask.draw,
                self._curves.draw,
                self._draw_vectors,
                self._draw_overlay,
            )
        ):
            self.view.add_layer(draw, depth)
        self.colour_bar = ColourBar(self)
        self.colour_bar.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.colour_bar)
        self.setFocusProxy(self.view)
        self.setTabOrder(self.view, self.colour_bar)
        self._connect()

    def _connect(self) -> None:
        state, view = self._state, self.view
        state.clicked.connect(self.clicked)
        state.drawn.connect(self.shape_drawn)
        state.changed.connect(self.shape_changed)
        state.removed.connect(self.shape_removed)
        state.selected_changed.connect(self.shape_selected)
        state.measure_changed.connect(self.measure_changed)
        state.compare_moved.connect(self._compare)
        state.tool_changed.connect(self.tool_changed)
        view.moved.connect(self.view_changed)
        view.pointed.connect(self._pointed)
        view.space_tapped.connect(self.space_tapped)
        self.colour_bar.dragged.connect(self._drag_levels)
        self.colour_bar.reset.connect(self.levels_reset)

    # -- pictures --------------------------------------------------------------------------------

    def show_image(self, pyramid: Pyramid | None, levels: tuple[float, float] = (0.0, 1.0)) -> None:
        """Show a particle image, drawn from black at the low to white at the high level.

        Another size than before shows the whole frame; the same size keeps the view.
        """
        if pyramid is not None:
            self.set_extent(pyramid.shape)
        self._image.show(pyramid, grey_palette(*levels))
        self.update_view()

    def set_levels(self, low: float, high: float) -> None:
        """Draw the image from other grey levels."""
        self._image.show(self._image.pyramid, grey_palette(low, high))
        self.update_view()

    def set_extent(self, shape: tuple[int, int]) -> None:
        """Height and width of the frame, for a field without an image."""
        height, width = shape
        if (height, width) != self._camera.extent or not self._has_frame:
            self._has_frame = True
            self._camera.set_extent((int(height), int(width)))
            self._camera.fit()
            self.view.follow()

    def clear(self) -> None:
        """Show nothing, as at the start."""
        self._image.show(None, grey_palette(0, 1))
        self.show_scalar(None)
        self.show_vectors(None)
        self.show_lines([])
        self.show_texture(None)
        self.show_mask(None)
        self.show_shapes([])
        self.show_measure(None)
        self.show_marker([])
        self.show_region(None)
        self.show_axes(None)
        self._has_frame = False
        self.set_tool(Tool.PAN)

    def show_scalar(self, layer: ScalarLayer | None) -> None:
        """Show one quantity as colours."""
        self._show_layers(layer, None, None)

    def show_scalars(self, left: ScalarLayer | None, right: ScalarLayer | None, at: float) -> None:
        """Show two, on both sides of a line that can be dragged.

        Parameters
        ----------
        left, right : ScalarLayer or None
        at : float
            Fraction of the view's width at which the line is.
        """
        self._show_layers(left, right, min(max(float(at), 0.0), 1.0))

    def _show_layers(
        self, left: ScalarLayer | None, right: ScalarLayer | None, at: float | None
    ) -> None:
        self._layers = (left, right)
        self._state.compare_at = at
        for raster, layer in zip(self._scalars, self._layers, strict=True):
            if layer is None:
                raster.show(None, grey_palette(0, 1))
                continue
            raster.opacity = layer.opacity
            raster.smooth = layer.smooth
            palette = map_palette(layer.colour_map, layer.low, layer.high)
            raster.show(layer.pyramid, palette, x0=layer.x0, y0=layer.y0, steps=layer.steps)
        shown = left or right
        if shown is not None:
            self.colour_bar.show_map(
                shown.colour_map, shown.low, shown.high, shown.label, shown.factor
            )
        self.colour_bar.setVisible(shown is not None)
        self._clip()
        self.update_view()

    def show_texture(
        self,
        pyramid: Pyramid | None,
        x0: float = 0.0,
        y0: float = 0.0,
        step: float = 1.0,
        strength: float = 0.6,
    ) -> None:
        """Lay a texture (LIC) over image and colours: dark and light streaks.

        Parameters
        ----------
        pyramid : Pyramid or None
        x0, y0, step : float
            As of :class:`ScalarLayer`.
        strength : float
            0 to 1: how much of what is below the strongest streaks hide.
        """
        low, high = (0.0, 1.0) if pyramid is None else texture_range(pyramid)
        palette = texture_palette(low, high, strength)
        self._texture.show(pyramid, palette, x0=x0, y0=y0, steps=(step, step))
        self.update_view()

    def show_mask(self, mask: npt.NDArray[np.bool_] | None) -> None:
        """Tint where the mask, shape (H, W), is True; the array is not copied."""
        if mask is not self._mask_array or mask is None:
            self._mask_array = mask
            self._mask.show(mask_pyramid(mask), mask_palette())
        self.update_view()

    # -- vectors and lines -----------------------------------------------------------------------

    def show_vectors(self, layer: VectorLayer | None, right: VectorLayer | None = None) -> None:
        """Show arrows; ``right`` are those on the other side of the compare line."""
        for vectors, shown in zip(self._vectors, (layer, right), strict=True):
            vectors.layer = shown
        self._clip()
        self.update_view()

    @property
    def vector_reference(self) -> float:
        """Displacement, px, that is drawn as long as the arrows are apart."""
        return self._vectors[0].reference

    def show_lines(
        self, lines: Sequence[npt.NDArray[Any]], width: float = 1.5, colour: str = "#ffffff"
    ) -> None:
        """Show lines, such as streamlines: arrays (n, 2) of x, y in px."""
        self._curves.show(lines, width, colour)
        self.update_view()

    # -- shapes and marks ------------------------------------------------------------------------

    def show_shapes(
        self, shapes: Sequence[Shape], editable: bool = False, selected: int | None = None
    ) -> None:
        """Show shapes; the selected one of editable ones has handles."""
        self._state.set_shapes(shapes, editable, selected)

    def show_measure(self, measure: Measure | None, text: str = "") -> None:
        """Show a line (its points) or a circle (x, y, radius), whose handles can be dragged."""
        self._overlay.measure_text = text
        self._state.set_measure(measure)

    def show_marker(
        self, points: Sequence[tuple[float, float]], labels: Sequence[str] = ()
    ) -> None:
        """Mark points, with what they are called."""
        self._overlay.markers = [(float(x), float(y)) for x, y in points]
        self._overlay.labels = list(labels)
        self.update_view()

    def show_region(self, region: Rect | None) -> None:
        """Shade what is outside of (left, top, width, height), whole px."""
        self._overlay.region = region
        self.update_view()

    def set_scale_bar(self, pixel_size: float | None, unit: str = "px") -> None:
        """Show a scale bar for pixels of this length in this unit; None = none."""
        self._overlay.pixel_size, self._overlay.unit = pixel_size, unit
        self.update_view()

    def show_axes(self, origin: tuple[float, float] | None) -> None:
        """Show the calibrated axes from their origin, px: x to the right, y up."""
        self._overlay.axes = origin
        self.update_view()

    def set_hint(self, text: str) -> None:
        """Say what to do while there is nothing to see."""
        self._overlay.hint = text
        self.update_view()

    # -- tools and view --------------------------------------------------------------------------

    @property
    def tool(self) -> Tool:
        """What the left mouse button does."""
        return self._state.tool

    def set_tool(self, tool: Tool) -> None:
        """Take another tool."""
        self._state.set_tool(Tool(tool))
        shape = self._state.cursor()
        self.view.viewport().setCursor(shape)
        if tool is not Tool.PAN:
            self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def drawing(self) -> bool:
        """Whether a drawing has been begun and not ended."""
        return self._state.draft is not None

    def cancel(self) -> bool:
        """Give up the drawing or the tool, as Escape does; False if there was none."""
        busy = self._state.draft is not None or self._state.tool is not Tool.PAN
        if busy:
            self._state.cancel()
        return busy

    def fit(self) -> None:
        """Show the whole frame."""
        self._camera.fit()
        self.view.follow()

    def zoom(self, factor: float) -> None:
        """Enlarge about the middle of the view."""
        self.view.zoom(factor)

    def zoom_to(self, rect: Rect) -> None:
        """Show the rectangle (left, top, width, height), px, as large as it fits."""
        self._camera.show(*rect)
        self.view.follow()

    def actual_size(self) -> None:
        """One pixel of the frame on one pixel of the screen."""
        self._camera.zoom_at(
            self._camera.width / 2,
            self._camera.height / 2,
            1 / (self._camera.zoom * self._camera.ratio),
        )
        self.view.follow()

    def pan(self, right: float, down: float) -> None:
        """Move what is seen, in logical pixels."""
        self._camera.pan(right, down)
        self.view.follow()

    def view_rect(self) -> Rect:
        """(left, top, width, height) of what is seen, px; may reach beyond the frame."""
        return self._camera.rect()

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the frame is on the view's widget, logical pixels."""
        return self._camera.to_view(x, y)

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """The point of the frame that is there on the view's widget."""
        return self._camera.to_frame(x, y)

    def grab_image(self) -> QImage:
        """The canvas as it is seen, with its colour bar."""
        return self.grab().toImage()

    def update_view(self) -> None:
        """Draw again."""
        self.view.viewport().update()

    # -- the rest --------------------------------------------------------------------------------

    def _clip(self) -> None:
        at = self._state.compare_at
        left, right = (None, None) if at is None else ((0.0, at), (at, 1.0))
        own = self._layers[0].clip if self._layers[0] is not None else None
        self._scalars[0].clip = (0.0, own) if left is None and own is not None else left
        self._scalars[1].clip = right
        two = self._vectors[1].layer is not None
        self._vectors[0].clip = left if two else None
        self._vectors[1].clip = right

    def _compare(self, at: float) -> None:
        self._clip()
        self.compare_moved.emit(at)

    def _drag_levels(self, low: float, high: float) -> None:
        left, right = (
            None if layer is None else replace(layer, low=low, high=high) for layer in self._layers
        )
        self._show_layers(left, right, self._state.compare_at)
        self.dragged_levels.emit(low, high)

    def _pointed(self, point: tuple[float, float] | None) -> None:
        if point is None or not self._has_frame:
            self.cursor_left.emit()
        else:
            self.cursor_moved.emit(*point)

    def _draw_scalars(self, painter: QPainter, camera: Camera) -> None:
        for raster in self._scalars:
            raster.draw(painter, camera)

    def _draw_vectors(self, painter: QPainter, camera: Camera) -> None:
        for vectors in self._vectors:
            vectors.draw(painter, camera)

    def _draw_overlay(self, painter: QPainter, camera: Camera) -> None:
        painter.setFont(self.font())
        if not self._has_frame:
            if self._overlay.hint:
                light = self.view.ground.lightnessF() > 0.5
                colour = QColor("#30343a" if light else "#b9bec6")
                over.draw_hint(painter, camera, self._overlay.hint, colour)
            return
        if self._overlay.region is not None:
            over.draw_region(painter, camera, self._overlay.region)
        over.draw_shapes(painter, camera, self._state)
        over.draw_measure_text(painter, camera, self._state, self._overlay.measure_text)
        if self._overlay.axes is not None:
            over.draw_axes(painter, camera, self._overlay.axes)
        over.draw_markers(painter, camera, self._overlay)
        if self._state.compare_at is not None:
            over.draw_compare(painter, camera, self._state.compare_at)
        over.draw_scales(painter, camera, self._overlay, self._reference_arrow(camera))

    def _reference_arrow(self, camera: Camera) -> tuple[float, float, str, str] | None:
        layer = self._vectors[0].layer
        if layer is None:
            return None
        colour = {**VECTOR_COLOURS, **(layer.colours or {})}["valid"]
        return self._vectors[0].arrow_length(camera), layer.factor, layer.unit, colour
