"""NumPy's ``.npz``: everything that a field holds."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from piv.errors import InputError
from piv.io.exchange.series import Fields, Hints, stacked
from piv.io.files import replacing
from piv.io.labelled import VECTORS, to_json
from piv.types import VectorField

_NEEDED = ("x", "y", "u", "v")


def write(fields: Fields, path: Path) -> None:
    """Write a field or a series (N, Ny, Nx)."""
    field = stacked(list(fields))
    arrays: dict[str, Any] = {name: getattr(field, name) for name in ("x", "y", *VECTORS)}
    arrays |= {f"extra_{name}": values for name, values in field.extra.items()}
    known = {name: values for name, values in arrays.items() if values is not None}
    with replacing(path) as file:
        np.savez_compressed(
            file, **known, dt=field.dt, units=field.units, y_axis=field.y_axis,
            record=to_json(field.attrs),
        )  # fmt: skip


def read(path: Path, hints: Hints) -> VectorField:
    """Read a field or a series; arrays x, y, u and v are needed.

    Raises
    ------
    InputError
        If the file is no such archive.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'no .npz file'}") from None
    except (ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path} is not a .npz file of plain arrays, or it is damaged") from None
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise InputError(f"{path} has no array {missing[0]}: x, y, u and v are wanted")
    said: dict[str, Any] = {
        name: arrays[name].item() for name in ("units", "y_axis", "dt") if name in arrays
    }
    units, y_axis, dt = hints.chosen(**said)
    u, v = (np.asarray(arrays[name], np.float32) for name in ("u", "v"))
    flags = arrays.get("flags")
    return VectorField(
        x=arrays["x"],
        y=arrays["y"],
        u=u,
        v=v,
        flags=np.zeros(u.shape, np.uint16) if flags is None else flags.astype(np.uint16),
        uncertainty_u=arrays.get("uncertainty_u"),
        uncertainty_v=arrays.get("uncertainty_v"),
        dt=dt,
        units=units,
        y_axis=y_axis,
        extra={
            name.removeprefix("extra_"): values
            for name, values in arrays.items()
            if name.startswith("extra_")
        },
        attrs=json.loads(arrays["record"].item()) if "record" in arrays else {},
    )
