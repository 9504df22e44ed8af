"""Fields in the files of other programs; conventions of each in docs/exchange.md.

One module a format, and a table of them: :data:`piv.io.exchange.registry.FORMATS`.
"""

from __future__ import annotations

import os
from pathlib import Path

from piv.errors import InputError
from piv.io.exchange.registry import FORMATS, for_reading, for_writing
from piv.io.exchange.series import Fields, Hints
from piv.types import Units, VectorField, YAxis

__all__ = ["FORMATS", "export_field", "import_field"]


def export_field(field: VectorField, path: str | Path, format: str | None = None) -> None:
    """Write a field, or a series, to a file of another program.

    Parameters
    ----------
    field : VectorField, shape (Ny, Nx) or (N, Ny, Nx)
        In px or in m/s.
    path : path
        An existing file is replaced; it appears only when it is complete.
    format : str, optional
        A name from ``piv.io.exchange.FORMATS``; default: what the ending of the path means.

    Raises
    ------
    InputError
        If the format is unknown, or cannot hold this field.
    PIVError
        If the file cannot be written, or a package is missing.

    Examples
    --------
    >>> piv.export_field(result.field, "field.nc")                 # doctest: +SKIP
    >>> piv.export_field(result.coarse, "field.txt", "openpiv")    # doctest: +SKIP
    """
    place = _path(path)
    chosen = for_writing(place, format)
    fields = Fields.of(field)
    if len(fields) > 1 and not chosen.series:
        raise InputError(
            f"a file of the format {chosen.name} holds one field, not {len(fields)}: write one "
            "file each, or choose netcdf, zarr, npz, vtk (.pvd) or pivlab-mat"
        )
    chosen.write(fields, place)


def import_field(
    path: str | Path,
    format: str | None = None,
    *,
    units: Units | None = None,
    y_axis: YAxis | None = None,
    dt: float | None = None,
) -> VectorField:
    """Read a field, or a series, from a file of another program, in this project's conventions.

    Parameters
    ----------
    path : path
    format : str, optional
        A name from ``piv.io.exchange.FORMATS``; default: found from the ending of the path and the
        first lines.
    units : "px" or "m/s", optional
        Where the file does not say; default px.  What is said here wins.
    y_axis : "down" or "up", optional
        Where positive v is to point; default: what the file says, else down in px, up in m/s.
    dt : float, optional
        Inter-frame time, s; default: what the file says, else 1.

    Returns
    -------
    VectorField
        Shape (Ny, Nx), or (N, Ny, Nx) of a series; rows in the image's order.

    Raises
    ------
    InputError
        If the file cannot be read.
    PIVError
        If a package is missing.

    Examples
    --------
    >>> field = piv.import_field("openpiv.txt", dt=2e-4)           # doctest: +SKIP
    """
    place = _path(path)
    hints = Hints(units, y_axis, dt)
    if not place.exists():
        raise InputError(f"cannot read {place}: there is no such file")
    return for_reading(place, format).read(place, hints)


def _path(path: str | Path) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"the name of a file is wanted, not {type(path).__name__}")
    return Path(path)
