"""DaVis' binary vector buffers, ``.vc7``; read only, through LaVision's own package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError, PIVError
from piv.io.exchange.series import MASKED, MEASURED, REJECTED, REPLACED, Hints, stacked, with_kinds
from piv.io.exchange.unit_words import scales
from piv.post.correlated import UNCERTAINTY_OF
from piv.types import Float, Units, VectorField, YAxis

_FILLED = (4, 5)  # choices that stand for "not one of the measured peaks": filled or smoothed
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "µs": 1e6, "ns": 1e9}
_MEASURED = {"TS:Peak ratio": "peak_ratio", "TS:Correlation value": "peak_height"}


def read(path: Path, hints: Hints) -> VectorField:
    """Read the frames of a buffer: one field, or a series (N, Ny, Nx); w of stereo goes to extra.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no planar vectors.
    PIVError
        If LaVision's package is not installed.
    """
    try:
        import lvpyio
    except ImportError:
        raise PIVError(
            "reading .vc7 needs LaVision's package lvpyio, which is not installed: "
            'pip install "ccfcn-piv[davis]", or export text from DaVis'
        ) from None
    try:
        buffer = lvpyio.read_buffer(str(path))
    except (RuntimeError, OSError, ValueError) as error:  # the first is what it raises
        reason = str(error).splitlines() or [type(error).__name__]
        raise InputError(f"cannot read {path}: {reason[0]}") from None
    fields = [_field(frame, hints, path) for frame in buffer.frames]
    if not fields:
        raise InputError(f"{path} holds no vector field")
    return stacked(fields)


def _field(frame: Any, hints: Hints, path: Path) -> VectorField:
    """One frame; lvpyio gives its vectors scaled, along the scaled axes."""
    if not hasattr(frame, "grid"):
        raise InputError(f"{path} holds images, not vectors: piv.read_pair reads image files")
    if len(frame) != 1:
        raise InputError(f"{path} holds a volume of {len(frame)} planes: give a planar field")
    unit, per_length, per_speed = scales(frame.scales.x.unit, frame.scales.i.unit, path)
    x, y = (_places(frame, name, unit) * per_length for name in ("x", "y"))
    along: YAxis = "up" if frame.scales.y.slope < 0 else "down"
    units, y_axis, dt = hints.chosen(unit, along, _dt(frame.attributes))
    vectors = frame.as_masked_array(0)
    absent = np.ma.getmaskarray(vectors)["u"]
    part = {
        name: np.asarray(vectors[name].filled(0)) * per_speed for name in vectors.dtype.names or ()
    }
    kinds = _kinds(frame, absent)
    extra = {name: _known(part[name], absent) for name in part if name == "w"}
    for theirs, ours in _MEASURED.items():
        if theirs in frame.components:
            extra[ours] = _known(frame.components[theirs][0], absent)
    field = VectorField(
        x, y, **with_kinds(kinds, part["u"], part["v"]), dt=dt, units=units, y_axis=y_axis,
        extra=extra,
    )  # fmt: skip
    if (errors := _uncertainty(frame, absent, per_speed)) is not None:
        field = field.replace(
            uncertainty_u=errors[0], uncertainty_v=errors[1],
            attrs={UNCERTAINTY_OF: "vectors of DaVis"},  # windows overlap: not independent
        )  # fmt: skip
    return _left_to_right(field)


def _places(frame: Any, name: str, unit: Units) -> Float:
    """Coordinates of the middles of the cells; DaVis counts from the corner of the first pixel."""
    scale, step = getattr(frame.scales, name), getattr(frame.grid, name)
    size = frame.shape[1 if name == "x" else 0]
    pixels = (np.arange(size) + 0.5) * step
    corner = 0.5 * abs(scale.slope) if unit == "px" else 0.0
    return np.asarray(pixels * scale.slope + scale.offset - corner, np.float64)


def _kinds(frame: Any, absent: Any) -> Any:
    filled = np.isin(frame.active_choice[0], _FILLED)
    if filled[
        ~absent
    ].all():  # the whole field was smoothed: no vector is less measured than others
        filled = np.zeros_like(filled)
    kinds = np.where(filled, REPLACED, MEASURED).astype(np.int8)
    kinds[absent] = REJECTED
    kinds[np.asarray(frame.masks[0]) == 0] = MASKED
    return kinds


def _uncertainty(frame: Any, absent: Any, per_speed: float) -> list[Float] | None:
    found = []
    for name in ("TS:Uncertainty Vx", "TS:Uncertainty Vy"):
        if name not in frame.components:
            return None
        component = frame.components[name]
        values = component[0] * abs(component.scale.slope) * per_speed
        found.append(_known(values, absent | ~(values > 0)))
    return found


def _known(values: Any, absent: Any) -> Float:
    return np.where(absent, np.nan, values).astype(np.float32)


def _dt(attributes: Any) -> float | None:
    """Inter-frame time, s, where the frame says it, such as ``300 us``."""
    found = re.fullmatch(r"\s*([-+.\deE]+)\s*(\S+)\s*", str(attributes.get("FrameDt", "")))
    if not found or (unit := found[2].replace("μ", "µ")) not in _PER_SECOND:
        return None
    try:
        time = float(found[1]) / _PER_SECOND[unit]
    except ValueError:
        return None
    return time if time > 0 else None


def _left_to_right(field: VectorField) -> VectorField:
    """Columns turned over where x descends, as in a mirrored view."""
    if field.x[0] <= field.x[-1]:
        return field

    def turned(values: Any) -> Any:
        return None if values is None else values[..., ::-1]

    names = ("x", "u", "v", "flags", "uncertainty_u", "uncertainty_v")
    extra = {name: turned(values) for name, values in field.extra.items()}
    return field.replace(extra=extra, **{name: turned(getattr(field, name)) for name in names})
