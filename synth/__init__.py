"""The generator: synthetic particle images with the displacement known at every pixel."""

from __future__ import annotations
