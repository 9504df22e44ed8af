"""Middlebury's ``.flo``: displacement at every pixel, float32, px, y down."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from piv.calibrate import uncalibrate
from piv.errors import InputError
from piv.io.exchange.series import MASKED, MEASURED, Hints, with_kinds
from piv.io.files import replacing
from piv.types import VectorField

_TAG = np.float32(202021.25)
_UNKNOWN = 1e10  # readers take anything above 1e9 for "no value"
_LARGEST = 100_000  # px; a header beyond it is damaged


def write(field: VectorField, path: Path) -> None:
    """Write one field of every pixel; a calibrated one is brought back to px.

    Raises
    ------
    InputError
        If the field is not on all pixels, or does not say how it was calibrated.
    """
    if field.units != "px":
        field = uncalibrate(field)
    height, width = field.shape
    for axis, size in ((field.x, width), (field.y, height)):
        if size < 1 or not np.allclose(axis, np.arange(size), rtol=0, atol=1e-3):
            raise InputError(
                "a .flo holds a vector at every pixel and no coordinates: give a dense field "
                "without stride or region, or choose another format"
            )
    v = field.v if field.y_axis == "down" else -field.v
    flow = np.stack([field.u, v], axis=-1).astype("<f4")
    flow[~np.isfinite(flow).all(axis=-1)] = _UNKNOWN
    with replacing(path) as file:
        file.write(_TAG.astype("<f4").tobytes())
        file.write(np.array([width, height], "<i4").tobytes())
        file.write(flow.tobytes())


def read(path: Path, hints: Hints) -> VectorField:
    """Read one field.

    Raises
    ------
    InputError
        If the file is no .flo, or shorter than it says.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if len(content) < 12 or np.frombuffer(content, "<f4", 1)[0] != _TAG:
        raise InputError(f"{path} is not a .flo file: it does not begin with 202021.25")
    width, height = (int(n) for n in np.frombuffer(content, "<i4", 2, offset=4))
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise InputError(f"{path} is damaged: it says {height} x {width} px")
    if len(content) < 12 + 8 * width * height:
        raise InputError(f"{path} is cut off: {height} x {width} vectors need more bytes")
    flow = np.frombuffer(content, "<f4", 2 * width * height, offset=12)
    u, v = np.moveaxis(flow.reshape(height, width, 2), -1, 0)
    known = (np.abs(u) < 1e9) & (np.abs(v) < 1e9)  # false for NaN as well
    kinds = np.where(known, MEASURED, MASKED).astype(np.int8)
    units, y_axis, dt = hints.chosen()
    if units != "px" or y_axis != "down":
        raise InputError("a .flo is in px with y down: leave out units and y_axis")
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    return VectorField(x, y, **with_kinds(kinds, u, v), dt=dt)
