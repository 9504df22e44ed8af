"""``piv stats``: statistics of a run, in one file and a few lines."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.cli.choices import check_output
from piv.cli.selection import ChosenFields, Stage, add_selection, chosen_fields, progress_bars
from piv.errors import InputError

if TYPE_CHECKING:
    from piv.io.statistics import Table
    from piv.post.spectra import Response
    from piv.post.statistics import Statistics, Third
    from piv.types import VectorField

_SUFFIXES = (".nc", ".h5", ".hdf5")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "stats",
        help="statistics of the results of a run",
        description="Means, rms, Reynolds stresses, turbulent kinetic energy and its production, "
        "higher moments, standard errors and convergence of the fields of a run, in one pass and "
        "in memory that does not grow with it. What noise adds to is given raw and, where the "
        "fields have an uncertainty, without it. The output is netCDF-4.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS.h5", help="what piv batch writes")
    parser.add_argument("-o", "--output", type=Path, metavar="STATS.nc", help="file to write")
    add_selection(parser)
    parser.add_argument(
        "--exclude", default="masked,replaced,fallback", metavar="FLAGS",
        help="vectors with one of these flags are left out (default: %(default)s), or none",
    )  # fmt: skip
    parser.add_argument(
        "--third", choices=["isotropic", "none"], default="isotropic",
        help="for the kinetic energy, the component that was not measured has the mean variance of "
        "the others, or is left out (default: isotropic)",
    )  # fmt: skip
    parser.add_argument(
        "--probe", action="append", default=[], metavar="ROW,COLUMN", dest="probes",
        help="a vector whose running statistics are kept; may be repeated (default: nine)",
    )  # fmt: skip
    parser.add_argument(
        "--spectrum", action="append", default=[], choices=["x", "y"], dest="spectra",
        help="spectrum of the fluctuations along this axis; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--response", type=Path, metavar="FILE.csv",
        help="measured gain of the method over the wavelength, kept beside the spectra: what "
        "`piv evaluate --test-set resolution -o FOLDER` writes to FOLDER/sweeps.csv",
    )  # fmt: skip
    parser.add_argument("--modes", type=int, metavar="N", help="the N modes of most energy (POD)")
    parser.add_argument(
        "--nu", type=float, metavar="VISCOSITY",
        help="kinematic viscosity, m^2/s (for fields in px: px^2 per frame interval): adds "
        "dissipation and the scales that follow from it",
    )  # fmt: skip
    parser.add_argument(
        "--closure", choices=["plane", "isotropic"], default="plane",
        help="for the dissipation: all four gradients of the plane, or du/dx alone "
        "(default: plane)",
    )  # fmt: skip
    parser.add_argument(
        "--correlation-length", type=float, metavar="LENGTH",
        help="distance at which the errors of two vectors correlate by 1/e, in the fields' unit of "
        "length, 0 = independent: noise in spectra and dissipation depends on it (default: as the "
        "record of the weights has it)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the summary for machines")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, compute, write, tell."""
    from piv.io.statistics import parse_flags, write_tables
    from piv.io.store import open_results

    if args.output is not None:
        if args.output.suffix.lower() not in _SUFFIXES:
            raise InputError(f"the output must end in .nc or .h5: {args.output}")
        check_output(args.output, [args.results], overwrite=args.overwrite)
    exclude = parse_flags(args.exclude)
    probes = _probes(args.probes)
    chosen = chosen_fields(open_results(args.results), args)
    with progress_bars() as stage:
        flow, tables = _computed(chosen, args, exclude, probes, stage)
        if args.output is not None:
            write_tables(args.output, tables)
    told = summary(flow, args.third)
    told["output"] = None if args.output is None else str(args.output)
    if args.json:
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        for line in lines(args.results, told):
            print(line)
    return 0


def summary(flow: Statistics, third: Third) -> dict[str, Any]:
    """Figures of the whole field, as plain data: means over the points that were counted."""
    from piv.io.statistics import flag_names
    from piv.post.turbulence import reynolds_stress, turbulent_kinetic_energy

    stress = reynolds_stress(flow)
    figures: dict[str, Any] = {
        "fields": flow.fields,
        "shape": list(flow.count.shape),
        "units": flow.units,
        "excluded_flags": flag_names(flow.exclude),
        "counted": float(flow.count.mean() / flow.fields),
        "fewest": int(flow.count.min()),
        "effective_fields": _median(flow.effective_count[flow.count > 0]),
        "mean_u": _mean(flow.mean_u),
        "mean_v": _mean(flow.mean_v),
        "standard_error_u": _median(flow.standard_error("u")),
        "standard_error_v": _median(flow.standard_error("v")),
    }
    energy = turbulent_kinetic_energy(flow, third=third)
    for name, both in (("uu", stress.uu), ("vv", stress.vv), ("kinetic_energy", energy)):
        figures[name] = {"raw": _mean(both.raw), "corrected": _mean(both.corrected)}
    figures["uv"] = _mean(stress.uv.raw)
    return figures


def lines(path: Path, told: dict[str, Any]) -> Iterator[str]:
    """Say the same to people."""
    unit = told["units"]
    square = "px^2" if unit == "px" else "m^2/s^2"
    height, width = told["shape"]
    yield f"{path}: {told['fields']} field(s) of {height} x {width} vectors (height x width)"
    rule = told["excluded_flags"].replace(" ", ", ")
    yield _row("counted", f"{100 * told['counted']:.4g} % of the vectors; excluded: {rule}")
    yield _row("independent fields", _number(told["effective_fields"], ""))
    for name in ("u", "v"):
        error = told[f"standard_error_{name}"]
        known = "" if error is None else f", standard error at a point {error:.3g} {unit}"
        yield _row(f"mean {name}", f"{_number(told[f'mean_{name}'], unit)}{known}")
    for name, label in (("uu", "uu"), ("vv", "vv"), ("kinetic_energy", "kinetic energy")):
        both = told[name]
        clean = both["corrected"]
        text = _number(both["raw"], square)
        yield _row(
            label, text if clean is None else f"{text}; without noise {_number(clean, square)}"
        )
    yield _row("uv (y up)", _number(told["uv"], square))
    if told["output"] is not None:
        yield _row("written", told["output"])


def _computed(
    chosen: ChosenFields, args: argparse.Namespace, exclude: Any, probes: Any, stage: Stage
) -> tuple[Statistics, dict[str, Table]]:
    from piv.io.statistics import modes_table, spectrum_table, statistics_tables
    from piv.post.correlated import correlation_length_of
    from piv.post.modes import pod
    from piv.post.small_scales import check_viscosity, dissipation
    from piv.post.spectra import spectrum
    from piv.post.statistics import statistics_of

    count = len(chosen)
    length = args.correlation_length
    if args.nu is not None:
        check_viscosity(args.nu)
    if args.modes is not None and not 1 <= args.modes <= count:
        raise InputError(f"there can be 1 to {count} modes, not {args.modes}")
    if args.nu is not None or args.spectra:  # refused here rather than after the first pass
        length = correlation_length_of(next(iter(chosen)), length)
    response = None if args.response is None else _response(args.response, next(iter(chosen)))
    flow = statistics_of(
        chosen, exclude=exclude, probes=probes, progress=stage("statistics", count)
    )
    rate = None
    if args.nu is not None:
        rate = dissipation(
            chosen, flow, nu=args.nu, closure=args.closure, exclude=exclude,
            correlation_length=length, progress=stage("dissipation", count),
        )  # fmt: skip
    tables = statistics_tables(flow, third=args.third, rate=rate, nu=args.nu or 0.0)
    for axis in dict.fromkeys(args.spectra):
        step = stage(f"spectrum along {axis}", count)
        found = spectrum(
            chosen, flow, axis=axis, exclude=exclude, progress=step,
            correlation_length=length, response=response,
        )  # fmt: skip
        tables[f"spectrum_{axis}"] = spectrum_table(flow, found)
    if args.modes is not None:
        decomposed = pod(chosen, modes=args.modes, exclude=exclude, progress=stage("modes", None))
        tables["modes"] = modes_table(flow, decomposed, chosen.pairs)
    return flow, tables


def _response(path: Path, field: VectorField) -> Response:
    """Gain over the wavenumber in the unit of the fields.

    Raises
    ------
    InputError
        If the file has none, or the size of a pixel is not known.
    """
    from piv.io.statistics import read_response

    if field.units == "px":
        return read_response(path)
    if (calibration := field.attrs.get("calibration")) is None:
        raise InputError("the fields are in m but do not say how large a pixel is: no --response")
    return read_response(path, float(calibration["pixel_size"]))


def _probes(texts: Sequence[str]) -> list[tuple[int, int]] | None:
    found = []
    for text in texts:
        try:
            row, column = (int(part) for part in text.split(","))
        except ValueError:
            raise InputError(f"--probe is ROW,COLUMN, such as 120,300, not {text}") from None
        found.append((row, column))
    return found or None


def _row(name: str, text: str) -> str:
    return f"  {name:<19} {text}"


def _number(value: float | None, unit: str) -> str:
    return "not known" if value is None else f"{value:.4g} {unit}".rstrip()


def _mean(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _median(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    middle = float(np.median(known)) if known.size else math.nan
    return middle if math.isfinite(middle) else None
