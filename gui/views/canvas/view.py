"""The view: a pyqtgraph graphics view whose items follow one camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QGraphicsItem, QWidget

from gui.views.canvas.camera import Camera
from gui.views.canvas.interaction import Interaction

_NOTCH = 120.0  # of QWheelEvent.angleDelta
_STEP = 2 ** (1 / 3)  # per notch: three of them are twice the size

Draw = Callable[[QPainter, Camera], None]


class LayerItem(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """One layer of the canvas, which draws itself in logical pixels.

    Parameters
    ----------
    draw : callable
        ``draw(painter, camera)``.
    camera : Camera
    depth : float
        Higher ones are drawn over lower ones.
    """

    def __init__(self, draw: Draw, camera: Camera, depth: float) -> None:
        super().__init__()
        self._draw, self._camera = draw, camera
        self._bounds = QRectF()
        self.setZValue(depth)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemHasNoContents, False)

    def follow(self) -> None:
        """Cover what the camera sees."""
        left, top, width, height = self._camera.rect()
        bounds = QRectF(left, top, width, height)
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds

    def boundingRect(self) -> QRectF:
        """What the camera sees, px of the frame."""
        return self._bounds

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Draw the layer."""
        painter.save()
        painter.resetTransform()
        self._draw(painter, self._camera)
        painter.restore()


class View(pg.GraphicsView):  # type: ignore[misc]
    """Shows layers through a camera, and hands mouse and keys to an interaction."""

    moved = pyqtSignal()
    pointed = pyqtSignal(object)  # (x, y) px of the frame, or None
    space_tapped = pyqtSignal()

    def __init__(self, camera: Camera, interaction: Interaction, parent: QWidget | None) -> None:
        self._built = False  # pyqtgraph sends events while it builds the view
        super().__init__(parent, useOpenGL=False, background=None)
        self.camera, self.interaction = camera, interaction
        self.box = pg.ViewBox(
            invertY=True, enableMouse=False, enableMenu=False, lockAspect=True, defaultPadding=0
        )
        self.setCentralItem(self.box)
        self.layers: list[LayerItem] = []
        self._space_dragged = False
        self._size = (0, 0, 0.0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.viewport().setAcceptDrops(False)  # what is dropped belongs to the window
        self.setAcceptDrops(False)
        interaction.view_moved.connect(self.follow)
        interaction.redraw.connect(self._redraw)
        self._built = True
        self._colour()
        self._measure()

    def add_layer(self, draw: Draw, depth: float) -> LayerItem:
        """Add a layer."""
        item = LayerItem(draw, self.camera, depth)
        item.setParentItem(self.box.childGroup)
        self.layers.append(item)
        item.follow()
        return item

    def follow(self) -> None:
        """Show what the camera sees now."""
        left, top, width, height = self.camera.rect()
        self.box.setRange(
            xRange=(left, left + width), yRange=(top, top + height), padding=0,
            disableAutoRange=True,
        )  # fmt: skip
        for layer in self.layers:
            layer.follow()
        self.viewport().update()
        self.moved.emit()
        self._point()

    # -- events ----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the middle, or the whole frame, in view."""
        super().resizeEvent(event)
        self._measure()

    def showEvent(self, event: Any) -> None:
        """The screen, and so the size of its pixels, is known now."""
        super().showEvent(event)
        self._measure()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to draw, drag or pan."""
        if self.interaction.press(self._place(event), event.button(), event.modifiers()):
            self._space_dragged = self.interaction.space
            event.accept()
        else:
            event.ignore()
        self._after()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with it."""
        self.interaction.move(self._place(event), event.modifiers())
        self._point()
        self._after()
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End it."""
        self.interaction.release(self._place(event), event.modifiers())
        self._after()
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """End an outline."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.interaction.double(self._place(event), event.modifiers())
        else:
            self.interaction.press(self._place(event), event.button(), event.modifiers())
        self._after()
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the pointer."""
        turned = event.angleDelta().y() / _NOTCH
        if turned:
            self.camera.zoom_at(*self._place(event), _STEP**turned)
            self.follow()
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer is elsewhere."""
        super().leaveEvent(event)
        self.interaction.leave()
        self.pointed.emit(None)

    def event(self, event: QEvent) -> bool:
        """Keep the keys that the tools need from the menus' shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride:
            assert isinstance(event, QKeyEvent)
            if self.interaction.wants(event.key(), event.modifiers()):
                event.accept()
                return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Draw by keys, end, cancel, delete; hold the space bar to drag; + and - zoom."""
        key, keys = event.key(), event.modifiers()
        if key == Qt.Key.Key_Space and not keys & Qt.KeyboardModifier.ControlModifier:
            if not event.isAutoRepeat():
                self.interaction.space, self._space_dragged = True, False
                self._after()
            event.accept()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus) and not keys & (
            Qt.KeyboardModifier.ControlModifier
        ):
            self.zoom(1 / _STEP if key == Qt.Key.Key_Minus else _STEP)
            event.accept()
        elif self.interaction.key(key, keys):
            self._point()
            self._after()
            event.accept()
        else:
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """The space bar let go without a drag is a tap."""
        if event.key() == Qt.Key.Key_Space and self.interaction.space:
            if not event.isAutoRepeat():
                self.interaction.space = False
                if not self._space_dragged and not self.interaction.tapped():
                    self.space_tapped.emit()
                self._after()
            event.accept()
        else:
            event.ignore()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Whoever holds the space bar now lets it go elsewhere."""
        self.interaction.space = False
        super().focusOutEvent(event)
        self.viewport().update()

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Show that the keys go here."""
        super().focusInEvent(event)
        self.viewport().update()

    def changeEvent(self, event: QEvent | None) -> None:
        """Another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and self._built:
            self._colour()

    def zoom(self, factor: float) -> None:
        """Enlarge about the middle of the view."""
        self.camera.zoom_at(self.camera.width / 2, self.camera.height / 2, factor)
        self.follow()

    # -- the rest --------------------------------------------------------------------------------

    def _measure(self) -> None:
        if not self._built:
            return
        size = (self.width(), self.height(), float(self.devicePixelRatioF()))
        if size != self._size:
            self._size = size
            self.camera.resize(*size)
            self.follow()

    def _redraw(self) -> None:
        self.viewport().update()

    def _after(self) -> None:
        shape = self.interaction.cursor()
        if self.viewport().cursor().shape() != shape:
            self.viewport().setCursor(shape)

    def _point(self) -> None:
        place = self.interaction.pointer
        if place is None:
            self.pointed.emit(None)
            return
        point = self.camera.to_frame(*place)
        self.pointed.emit(point if self.camera.contains(*point) else None)

    def _colour(self) -> None:
        """A calm ground around the frame, that differs from the panels beside it."""
        window = self.palette().color(QPalette.ColorRole.Window)
        dark = window.lightnessF() < 0.5
        colour = QColor("#15171a") if dark else QColor("#c9ccd1")
        self.setBackground(colour)
        self.ground = colour

    def _place(self, event: QMouseEvent | QWheelEvent) -> tuple[float, float]:
        """Middle of the screen's pixel under the pointer, whose corner is what Qt tells."""
        place: QPointF = event.position()
        half = 0.5 / self.camera.ratio
        return place.x() + half, place.y() + half
