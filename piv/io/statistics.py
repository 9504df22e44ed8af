"""Statistics in a file: valid netCDF-4, written whole or not at all; docs/statistics.md."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from piv.errors import InputError, nearest
from piv.io.hdf5 import replacing_hdf5
from piv.io.labelled import attributes, to_json
from piv.post.corrected import Corrected
from piv.post.modes import POD
from piv.post.small_scales import turbulence_scales
from piv.post.spectra import Response, Spectrum, measured_response
from piv.post.statistics import Statistics, Third
from piv.post.turbulence import production, reynolds_stress, turbulent_kinetic_energy
from piv.types import SCHEMA_VERSION, Flag, Float

FORMAT = "ccfcn-piv statistics"


@dataclass(frozen=True, eq=False, slots=True)
class Variable:
    """An array with the names of its dimensions and its attributes."""

    dims: tuple[str, ...]
    values: Any
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """One group of a file.

    Parameters
    ----------
    coordinates : mapping of name to Variable
        One-dimensional, named as their dimension.
    variables : mapping of name to Variable
    attrs : mapping
    """

    coordinates: Mapping[str, Variable]
    variables: Mapping[str, Variable]
    attrs: Mapping[str, Any] = field(default_factory=dict)


def write_tables(path: str | Path, tables: Mapping[str, Table]) -> None:
    """Write groups to a file that takes its name once it is complete.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    tables : mapping of group to Table
        ``"/"`` is the file's own group.

    Raises
    ------
    PIVError
        If the file cannot be written.
    """
    with replacing_hdf5(path) as (store, check):
        for name, table in tables.items():
            group = store if name == "/" else store.create_group(name)
            _write_group(group, table)
            check()


def statistics_tables(
    flow: Statistics, *, third: Third = "isotropic", rate: Corrected | None = None, nu: float = 0.0
) -> dict[str, Table]:
    """Everything that statistics give, on their grid, and how they converged.

    Parameters
    ----------
    flow : Statistics
    third : "isotropic" or "none"
        For the kinetic energy.
    rate : Corrected, optional
        Dissipation, which gives the scales as well.
    nu : float
        Kinematic viscosity, with which it was found.
    """
    length, speed, square, rates = _units(flow)
    mean = flow.mean_field
    grid = {
        name: Variable((name,), np.asarray(getattr(flow, name), np.float64), attributes(name, mean))
        for name in ("y", "x")
    }
    found: dict[str, Variable] = {}

    def add(name: str, values: Any, units: str, long_name: str) -> None:
        found[name] = Variable(("y", "x"), values, {"units": units, "long_name": long_name})

    def add_both(name: str, both: Corrected, units: str, long_name: str) -> None:
        add(name, both.raw, units, long_name)
        if np.isfinite(both.noise).any():
            add(f"{name}_corrected", both.corrected, units, f"{long_name}, without noise")

    add("count", flow.count.astype(np.int32), "1", "vectors that were counted")
    add("effective_count", flow.effective_count, "1", "independent vectors that they are worth")
    stress = reynolds_stress(flow)
    for name in ("u", "v"):
        component: Any = name
        add(f"mean_{name}", getattr(flow, f"mean_{name}"), speed, f"mean of {name}")
        add(
            f"standard_error_{name}", flow.standard_error(component), speed,
            f"standard error of the mean of {name}",
        )  # fmt: skip
        add_both(f"rms_{name}", flow.rms(component), speed, f"rms fluctuation of {name}")
        noise = flow.variance(component).noise
        if np.isfinite(noise).any():
            add(f"noise_{name}{name}", noise, square, f"mean square uncertainty of {name}")
        if flow.moments.order == 4:
            add(f"skewness_{name}", flow.skewness(component), "1", f"skewness of {name}")
            add(f"kurtosis_{name}", flow.kurtosis(component), "1", f"kurtosis of {name}")
    for name, both in (("uu", stress.uu), ("vv", stress.vv)):
        add_both(f"reynolds_{name}", both, square, f"Reynolds stress {name}")
    add("reynolds_uv", stress.uv.raw, square, "Reynolds stress uv, x right and y up")
    energy = turbulent_kinetic_energy(flow, third=third)
    add_both("kinetic_energy", energy, square, f"turbulent kinetic energy, third component {third}")
    if min(flow.count.shape) > 1:
        add_both("production", production(flow), rates, "production in the plane")
    if rate is not None:
        add_both("dissipation", rate, rates, f"dissipation, nu = {nu:g}")
        known = np.isfinite(rate.noise).any()
        variance = 0.5 * (stress.uu + stress.vv)
        small = turbulence_scales(
            variance.corrected if known else variance.raw,
            rate.corrected if known else rate.raw,
            nu=nu,
        )
        add("kolmogorov_length", small.kolmogorov_length, length, "Kolmogorov length")
        add("taylor_length", small.taylor_length, length, "Taylor microscale")
        add("taylor_reynolds", small.taylor_reynolds, "1", "Taylor Reynolds number")
    attrs = {
        "Conventions": "CF-1.11",
        "format": FORMAT,
        "schema": SCHEMA_VERSION,
        "fields": flow.fields,
        "excluded_flags": flag_names(flow.exclude),
        "units": flow.units,
        "y_axis": flow.y_axis,
        "dt": float(flow.dt),
        "provenance": to_json({k: each for k, each in flow.attrs.items() if k != "input"}),
    }
    return {"/": Table(grid, found, attrs), "convergence": _convergence(flow, speed)}


def read_response(path: str | Path, pixel_size: float = 1.0) -> Response:
    """Gain of the method over the wavelength, from ``sweeps.csv`` of ``piv evaluate``.

    Parameters
    ----------
    path : path
        The mean over its lines of each sine wave, such as those of the class ``sine016``: of the
        network where there are, else of the coarse stage.
    pixel_size : float
        What makes px the unit of the coordinates.

    Returns
    -------
    function
        See :func:`piv.post.measured_response`.

    Raises
    ------
    InputError
        If the file cannot be read, or has gains of fewer than two wavelengths.
    """
    found: dict[str, dict[float, list[float]]] = {"dense": {}, "coarse": {}}
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("sweep") == "gain" and row["class"].startswith("sine"):
                    pairs = found.setdefault(row["method"], {})
                    pairs.setdefault(float(row["varied"]), []).append(float(row["result"]))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError):
        raise InputError(f"{path} is no sweeps.csv of piv evaluate") from None
    gains = found["dense"] or found["coarse"]
    if len(gains) < 2:
        raise InputError(
            f"{path} has no gains of sine waves: piv evaluate --test-set resolution -o FOLDER "
            "writes them to FOLDER/sweeps.csv"
        )
    means = np.array([np.mean(each) for each in gains.values()])
    return measured_response(pixel_size * np.array(list(gains)), means)


def spectrum_table(flow: Statistics, spectrum: Spectrum) -> Table:
    """A spectrum along an axis."""
    length, _, square, _ = _units(flow)
    wavenumber = Variable(
        ("wavenumber",),
        spectrum.wavenumber,
        {"units": f"rad {length}-1", "long_name": "wavenumber"},
    )
    found = {}
    for name, both in (("uu", spectrum.uu), ("vv", spectrum.vv)):
        text = {"units": f"{square} {length} rad-1", "long_name": f"one-sided spectrum of {name}"}
        found[name] = Variable(("wavenumber",), both.raw, text)
        if np.isfinite(both.noise).any():
            clean = {**text, "long_name": f"{text['long_name']}, without noise"}
            found[f"{name}_corrected"] = Variable(("wavenumber",), both.corrected, clean)
    if spectrum.response is not None:
        text = {"units": "1", "long_name": "gain of the method; the spectra have its square"}
        found["response"] = Variable(("wavenumber",), spectrum.response, text)
    return Table(
        {"wavenumber": wavenumber},
        found,
        {"segments": spectrum.segments, "interpolated": spectrum.interpolated},
    )


def modes_table(flow: Statistics, pod: POD, pairs: Sequence[int]) -> Table:
    """Modes, their energies and their coefficients for each pair."""
    mean = flow.mean_field
    coordinates = {
        name: Variable((name,), np.asarray(getattr(flow, name), np.float64), attributes(name, mean))
        for name in ("y", "x")
    }
    coordinates["mode"] = Variable(("mode",), np.arange(pod.energy.size, dtype=np.int32))
    coordinates["pair"] = Variable(
        ("pair",),
        np.asarray(pairs, np.int32),
        {"long_name": "index of the image pair in its source"},
    )
    fields = [pod.mode(k) for k in range(pod.energy.size)]
    square = _units(flow)[2]
    variables = {
        "energy": Variable(
            ("mode",), pod.energy, {"units": square, "long_name": "mean square coefficient"}
        ),
        "share": Variable(("mode",), pod.share, {"units": "1", "long_name": "part of the energy"}),
        "coefficient": Variable(
            ("pair", "mode"),
            pod.coefficients,
            {"units": flow.units, "long_name": "coefficient of the mode"},
        ),
    }
    for name in ("u", "v"):
        variables[name] = Variable(
            ("mode", "y", "x"),
            np.stack([getattr(each, name) for each in fields]),
            {"units": "1", "long_name": f"component {name} of the mode, of unit norm"},
        )
    return Table(coordinates, variables, {"gaps": pod.snapshots.gaps, "energy": pod.total})


def flag_names(flags: Flag) -> str:
    """Lower-case names, blank-separated; ``none`` for no flag."""
    return " ".join(str(each.name).lower() for each in Flag if each in flags) or "none"


def _convergence(flow: Statistics, speed: str) -> Table:
    run = flow.convergence
    dims = ("fields", "probe")
    found = {"count": Variable(dims, run.count, {"units": "1"})}
    for name in ("mean_u", "mean_v", "rms_u", "rms_v"):
        text = {"units": speed, "long_name": f"running {name.replace('_', ' of ')}"}
        found[name] = Variable(dims, getattr(run, name), text)
    for name, places, at in (("probe_x", run.columns, flow.x), ("probe_y", run.rows, flow.y)):
        found[name] = Variable(("probe",), np.asarray(at)[places], {"units": _units(flow)[0]})
    return Table(
        {
            "fields": Variable(("fields",), run.fields, {"long_name": "fields read so far"}),
            "probe": Variable(("probe",), np.arange(run.rows.size, dtype=np.int32)),
        },
        found,
    )


def _units(flow: Statistics) -> tuple[str, str, str, str]:
    """Of a length, a velocity, a stress and a rate of energy."""
    if flow.units == "px":
        return "px", "px", "px2", "px2 frame-1"
    return "m", "m/s", "m2 s-2", "m2 s-3"


def _write_group(group: h5py.Group, table: Table) -> None:
    group.attrs.update(table.attrs)
    for name, variable in table.coordinates.items():
        dataset = group.create_dataset(name, data=variable.values)
        dataset.make_scale(name)
        dataset.attrs.update(variable.attrs)
    for name, variable in table.variables.items():
        values: Float = np.asarray(variable.values)
        if values.dtype == np.float64 and values.ndim > 1:
            values = values.astype(np.float32)
        large = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        dataset = group.create_dataset(name, data=values, **(large if values.ndim > 1 else {}))
        for axis, dim in enumerate(variable.dims):
            dataset.dims[axis].attach_scale(group[dim])
        dataset.attrs.update(variable.attrs)


def parse_flags(text: str) -> Flag:
    """Flags from their names, as :func:`flag_names` writes them; commas are blanks.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    chosen = Flag(0)
    names = {str(each.name).lower(): each for each in Flag}
    for word in re.split(r"[,\s]+", text.strip().lower()):
        if word in ("", "none"):
            continue
        if word not in names:
            raise InputError(f"unknown flag {word!r}{nearest(word, names)}")
        chosen |= names[word]
    return chosen
