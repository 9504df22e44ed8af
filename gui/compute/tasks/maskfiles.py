"""Masks as image files: what other programs draw, and what ``--mask`` takes.  No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gui.compute.server import Context, task
from gui.masks import ImportedMask, as_image
from piv.errors import InputError
from piv.io.files import replacing_path
from piv.io.images import read_mask
from piv.types import Bool

__all__ = ["read", "write"]

KINDS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}


@task
def read(context: Context, path: Path, shape: tuple[int, int]) -> ImportedMask:  # noqa: ARG001
    """Read a mask image; non-zero = masked.

    Raises
    ------
    InputError
        If it cannot be read, has another size than the frames, or masks everything.
    """
    return ImportedMask(read_mask(path, shape), Path(path).name)


@task
def write(context: Context, path: Path, mask: Bool) -> Path:  # noqa: ARG001
    """Write a mask as an image, 255 = masked, that ``--mask`` and :func:`read` take.

    Raises
    ------
    InputError
        If the file's kind is not known.
    PIVError
        If the system refuses to write.
    """
    path = Path(path)
    if path.suffix.lower() not in KINDS:
        raise InputError(f"a mask is written as .png, .tif or .bmp, not {path.suffix or path.name}")
    from PIL import Image

    with replacing_path(path) as part:
        Image.fromarray(as_image(np.asarray(mask))).save(part, format=KINDS[path.suffix.lower()])
    return path
