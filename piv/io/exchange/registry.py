"""The formats by name: what writes each, what reads it, how its files end."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.errors import InputError, nearest

if TYPE_CHECKING:
    from piv.io.exchange.series import Fields, Hints
    from piv.types import VectorField


@dataclass(frozen=True, slots=True)
class Format:
    """One format of files.

    Parameters
    ----------
    name : str
    suffixes : tuple of str
        How its files end; the first is the one that is given to new ones.
    help : str
    module : str
        In :mod:`piv.io.exchange`; has ``write`` and ``read``, as the next two say.
    writes : bool
    series : bool
        Whether a file holds several fields.
    """

    name: str
    suffixes: tuple[str, ...]
    help: str
    module: str
    writes: bool = True
    series: bool = False

    def write(self, fields: Fields, path: Path) -> None:
        """Write fields to a file.

        Raises
        ------
        InputError
            If the format cannot hold them.
        PIVError
            If the file cannot be written.
        """
        self._module().write(fields if self.series else fields[0], path)

    def read(self, path: Path, hints: Hints) -> VectorField:
        """Read a file.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        found: VectorField = self._module().read(path, hints)
        return found

    def _module(self) -> Any:
        return importlib.import_module(f"piv.io.exchange.{self.module}")


FORMATS = {
    each.name: each
    for each in (
        Format("netcdf", (".nc",), "netCDF-4 in pivpy's schema", "netcdf", series=True),
        Format("zarr", (".zarr",), "Zarr store in pivpy's schema", "zarr_store", series=True),
        Format("npz", (".npz",), "NumPy archive", "npz", series=True),
        Format("vtk", (".vti", ".pvd"), "VTK image data, for ParaView", "vtk", series=True),
        Format("pivlab-mat", (".mat",), "PIVlab's MAT file, version 5", "pivlab_mat", series=True),
        Format("csv", (".csv",), "columns x,y,u,v,chc", "csv_table"),
        Format("openpiv", (".txt",), "OpenPIV's text", "openpiv"),
        Format("pivlab", (".txt",), "PIVlab's ASCII chart", "pivlab_text"),
        Format("tecplot", (".dat", ".vec", ".plt"), "Tecplot ASCII; reads TSI's .vec", "tecplot"),
        Format("flo", (".flo",), "Middlebury flow, every pixel", "flo"),
        Format(
            "davis-text", (".txt",), "text export of DaVis, read only", "davis_text", writes=False
        ),
        Format(
            "davis-vc7", (".vc7",), "DaVis' vector buffer, read only", "davis_vc7", writes=False
        ),
    )
}


def named(name: str) -> Format:
    """The format of this name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}{nearest(name, FORMATS)}")
    return FORMATS[name]


def for_writing(path: Path, name: str | None) -> Format:
    """The format that is asked for, or that the ending of the name means.

    Raises
    ------
    InputError
        If it is unknown, ambiguous or only read.
    """
    if name is not None:
        found = named(name)
        if not found.writes:
            raise InputError(f"the format {name} is only read, not written")
        if path.suffix.lower() not in found.suffixes:
            raise InputError(f"{path} must end in {' or '.join(found.suffixes)} for {name}")
        return found
    known = [each for each in FORMATS.values() if path.suffix.lower() in each.suffixes]
    if known and not any(each.writes for each in known):
        raise InputError(f"the format {known[0].name} is only read, not written: {path}")
    fitting = _ending(path, [each for each in FORMATS.values() if each.writes])
    if len(fitting) > 1:
        names = " or ".join(each.name for each in fitting)
        raise InputError(f"{path.suffix} can be {names}: name the format")
    return fitting[0]


def for_reading(path: Path, name: str | None) -> Format:
    """The format that is asked for, or that the name's ending and the first lines mean.

    Raises
    ------
    InputError
        If it is unknown, or the file cannot be read.
    """
    if name is not None:
        return named(name)
    fitting = _ending(path, list(FORMATS.values()))
    if path.suffix.lower() not in (".txt", ".vec"):
        return fitting[0]
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = "".join(line for line, _ in zip(file, range(4), strict=False))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if head.lstrip().startswith("#DaVis"):
        return FORMATS["davis-text"]
    if "VARIABLES" in head.upper():
        return FORMATS["tecplot"]
    if head.startswith("PIVlab") or "x [" in head:
        return FORMATS["pivlab"]
    return FORMATS["openpiv"]


def _ending(path: Path, among: list[Format]) -> list[Format]:
    fitting = [each for each in among if path.suffix.lower() in each.suffixes]
    if not fitting:
        known = sorted({suffix for each in among for suffix in each.suffixes})
        raise InputError(
            f"the ending of {path} names no format: it must be one of {', '.join(known)}"
        )
    return fitting
