"""The canvas: images, fields, vectors and shapes, at frame rate whatever the size of the images."""

from gui.views.canvas.canvas import Canvas
from gui.views.canvas.layers import ScalarLayer, Tool, VectorLayer

__all__ = ["Canvas", "ScalarLayer", "Tool", "VectorLayer"]
