"""Image files for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
from pairs import uniform_pair


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with spaces and letters that are not ASCII, and a good pair a.tif, b.tif in it."""
    path = tmp_path / "Messung Nr. 1 – 渦"
    path.mkdir()
    pair = uniform_pair((72, 100), 2.3, -1.4, density=0.06)
    tifffile.imwrite(path / "a.tif", pair.first)
    tifffile.imwrite(path / "b.tif", pair.second)
    return path
