"""``piv show``: what a file holds, a figure of one pair, or a film of many."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.cli import units
from piv.cli.choices import check_output
from piv.cli.selection import Watched, add_selection, chosen_fields, progress_bar
from piv.errors import InputError
from piv.types import Flag, VectorField

if TYPE_CHECKING:
    from piv.io.store import Results


@dataclass(frozen=True)
class _Held:
    """What a file holds: in words, and the fields in it, if it has any."""

    told: dict[str, Any]
    pick: Callable[[int | None], VectorField] | None = None
    series: Callable[[], Sequence[VectorField]] | None = None


_HDF5 = b"\x89HDF\r\n\x1a\n"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "show",
        help="what a file holds; a figure of one pair, a film of many",
        description="Tell what a file of results, statistics, image pairs or weights, or a file "
        "of another program (docs/exchange.md), holds. With --figure, draw the field of one pair; "
        "with --animate, all chosen pairs as a film with one scale of colours and arrows.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what to look at")
    add_selection(parser)
    parser.add_argument(
        "--figure", type=Path, metavar="FILE.png", help="draw one pair (.png, .pdf or .svg)"
    )
    parser.add_argument(
        "--pair", type=int, metavar="N",
        help="position of the pair that is drawn (default: the first that is done)",
    )  # fmt: skip
    parser.add_argument(
        "--animate", type=Path, metavar="FILE.mp4", help="film of the chosen pairs (.mp4 or .gif)"
    )
    parser.add_argument(
        "--quantity", choices=["speed", "vorticity"], default="speed",
        help="colours of the film (default: speed)",
    )  # fmt: skip
    parser.add_argument(
        "--fps", type=units.positive, default=10.0, metavar="N",
        help="frames a second of the film (default: 10)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="what the file holds, for machines")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, draw, tell."""
    if not args.file.exists():
        raise InputError(f"cannot read {args.file}: there is no such file")
    _check_outputs(args)
    kind = _kind(args.file)
    held = _TELL[kind](args)
    pick, series = held.pick, held.series
    if (args.figure or args.animate) and (pick is None or series is None):
        raise InputError(f"{args.file} holds {held.told['kind']}, no fields to draw")
    if args.json:
        print(json.dumps(held.told, indent=1, ensure_ascii=False))
    else:
        for line in lines(args.file, held.told):
            print(line)
    if args.figure is not None and pick is not None:
        _draw(args, pick(args.pair))
    if args.animate is not None and series is not None:
        _film(args, series())
    return 0


def lines(path: Path, told: dict[str, Any]) -> list[str]:
    """Say to people what :func:`run` tells machines: a heading, then a line for each fact."""
    rows = [f"{path}: {told['kind']}"]
    for name, value in told.items():
        if name == "kind" or value is None:
            continue
        if isinstance(value, dict):
            rows.append(f"  {name.replace('_', ' ')}")
            rows += [
                f"    {key:<22} {_text(each)}" for key, each in value.items() if each is not None
            ]
        else:
            rows.append(f"  {name.replace('_', ' '):<24} {_text(value)}")
    return rows


def _check_outputs(args: argparse.Namespace) -> None:
    from piv.plot.animation import movie_format
    from piv.plot.figure import figure_format

    if args.figure is not None:
        figure_format(args.figure)
        check_output(args.figure, [args.file], overwrite=args.overwrite)
    if args.animate is not None:
        movie_format(args.animate)
        check_output(args.animate, [args.file], overwrite=args.overwrite)
    if args.pair is not None and args.figure is None:
        raise InputError("--pair chooses what --figure draws: give --figure as well")


def _kind(path: Path) -> str:
    """Which of :data:`_TELL` knows the file."""
    if path.is_file():
        with path.open("rb") as file:
            hdf5 = file.read(8) == _HDF5
        if hdf5:
            return _kind_of_hdf5(path)
        if path.suffix.lower() == ".safetensors":
            return "weights"
    from piv.io.exchange.registry import FORMATS

    known = sorted({suffix for each in FORMATS.values() for suffix in each.suffixes})
    if path.suffix.lower() not in known:
        raise InputError(
            f"{path} is no file that can be shown: known are HDF5, .safetensors, {', '.join(known)}"
        )
    return "exchange"


def _kind_of_hdf5(path: Path) -> str:
    import h5py

    from piv.io.results.layout import FORMAT
    from piv.io.statistics import FORMAT as STATISTICS

    try:
        with h5py.File(path, "r") as file:
            known = file.attrs.get("format")
            exchange = "pivpy_schema_version" in file.attrs or {"u", "v"} <= set(file)
    except OSError:
        raise InputError(f"{path} is damaged: it begins as HDF5, but cannot be opened") from None
    if known == FORMAT:
        return "results"
    if known == STATISTICS:
        return "statistics"
    named = path.suffix.lower() in (".nc", ".mat")
    return "exchange" if exchange or named else "pairs"


def _results(args: argparse.Namespace) -> _Held:
    from piv.io.store import open_results

    results = open_results(args.file)
    made = results.provenance
    told: dict[str, Any] = {
        "kind": "results of piv analyse or piv batch",
        "pairs": len(results),
        "done": len(results.done),
        "failed": len(results.failed),
        "pending": len(results.pending),
        "made_with": made.get("package"),
        "weights": _weights_name(made),
    }
    if results.done:
        for group in results.groups:
            told[group] = _about(results.field(results.done[0], group))
        told["median_of_pairs"] = {
            name: _median(values[results.done]) for name, values in results.quality.items()
        }
    return _Held(
        told,
        lambda number: results.field(_position(results, number), args.group),
        lambda: chosen_fields(results, args),
    )


def _position(results: Results, wanted: int | None) -> int:
    if wanted is None:
        if not results.done:
            raise InputError(f"{results.path} has no finished pair")
        return results.done[0]
    return wanted


def _statistics(args: argparse.Namespace) -> _Held:
    import h5py

    found = _datasets(args.file)
    with h5py.File(args.file, "r") as file:
        known = {name: file.attrs[name] for name in ("units", "y_axis") if name in file.attrs}
        fields = int(file.attrs["fields"])
    return _Held({"kind": "statistics of piv stats", "fields": fields, **known, "variables": found})


def _datasets(path: Path) -> dict[str, str]:
    """Size, type of number and unit of every array of an HDF5 file."""
    import h5py

    found: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            size = " x ".join(str(n) for n in item.shape) or "one"
            found[name] = f"{size} {item.dtype} {item.attrs.get('units', '')}".strip()

    with h5py.File(path, "r") as file:
        file.visititems(note)
    return found


def _pairs(args: argparse.Namespace) -> _Held:
    from piv.io.sources.base import SourceSpec
    from piv.io.sources.hdf5 import HDF5Source

    try:
        source = HDF5Source(SourceSpec(args.file))
    except InputError as reason:  # neither ours nor a data set of pairs: say what is there
        found = _datasets(args.file)
        return _Held({"kind": "HDF5", "no_image_pairs": str(reason), "contents": found})
    with source:
        height, width = source.shape
        kinds = source.kinds
        told = {
            "kind": "image pairs",
            "pairs": len(source),
            "frames": f"{height} x {width} px (height x width), {source.dtype.name}",
            "dt": f"{source.dt:g} s" if source.dt_known else "not said (1 is taken)",
            "pixel_size": None if source.pixel_size is None else f"{source.pixel_size:g} m",
            "times": None
            if source.time is None
            else f"{source.time[0]:g} to {source.time[-1]:g} s",
            "mask": "yes" if "mask" in source.file else "no",
            "truth": "yes" if source.has_truth else "no",
            "flows": None if kinds is None else ", ".join(dict.fromkeys(kinds)),
            "notes": "; ".join(source.notes) or None,
        }
    return _Held(told)


def _weights(args: argparse.Namespace) -> _Held:
    from piv.network.weights import read_weights

    _, record, sha256 = read_weights(args.file)
    told: dict[str, Any] = {"kind": "weights of the network", "sha256": sha256}
    for name in (
        "name",
        "date",
        "licence",
        "parameters",
        "units",
        "steps",
        "crops",
        "core_minutes",
    ):
        if name in record:
            told[name] = record[name]
    for name in ("network", "calibration", "metrics"):
        if isinstance(record.get(name), dict):
            told[name] = _flat(record[name])
    return _Held(told)


def _exchange(args: argparse.Namespace) -> _Held:
    from piv.io.exchange import import_field
    from piv.io.exchange.registry import for_reading
    from piv.io.exchange.series import Fields

    wanted = for_reading(args.file, None)
    series = import_field(args.file)
    fields = Fields.of(series)
    told = {"kind": wanted.help, "fields": len(fields), "field": _about(fields[0])}

    def pick(number: int | None) -> VectorField:
        place = number or 0
        if not -len(fields) <= place < len(fields):
            raise InputError(f"{args.file} has {len(fields)} field(s), from 0: there is no {place}")
        return fields[place]

    return _Held(told, pick, lambda: fields.items)


def _about(field: VectorField) -> dict[str, Any]:
    """What can be said of one field."""
    height, width = field.shape[-2:]
    length = "px" if field.units == "px" else "m"
    reasons = {
        str(flag.name).lower(): float((field.flags & int(flag) != 0).mean())
        for flag in Flag
        if (field.flags & int(flag)).any()
    }
    has = field.uncertainty_u is not None
    mean_u, mean_v = (_mean(part) for part in (field.u, field.v))
    return {
        "vectors": f"{height} x {width} (height x width)",
        "x": f"{field.x[0]:.6g} to {field.x[-1]:.6g} {length}",
        "y": f"{field.y[0]:.6g} to {field.y[-1]:.6g} {length}, positive {field.y_axis}",
        "units": field.units,
        "dt": f"{field.dt:g} s",
        "valid": f"{100 * float(field.valid.mean()):.4g} %",
        "mean": f"u {mean_u}, v {mean_v} {field.units}",
        "uncertainty": "yes" if has else "no",
        "also": ", ".join(field.extra) or None,
        "flags": ", ".join(f"{name} {100 * part:.3g} %" for name, part in reasons.items()) or None,
    }


def _draw(args: argparse.Namespace, field: VectorField) -> None:
    from piv.plot import figure, save_figure

    save_figure(figure(field), args.figure)
    if not args.json:
        print(f"  {'figure':<24} {args.figure}")


def _film(args: argparse.Namespace, fields: Sequence[VectorField]) -> None:
    from piv.plot.animation import common_scales, save_animation

    pairs = getattr(fields, "pairs", range(len(fields)))
    scales = common_scales(fields, args.quantity)
    with progress_bar("drawing", len(fields)) as step:
        save_animation(
            Watched(fields, lambda: None), args.animate, scales,
            titles=[f"pair {pair}" for pair in pairs], frames_per_second=args.fps, progress=step,
        )  # fmt: skip
    if not args.json:
        print(f"  {'film':<24} {args.animate}, {len(fields)} frame(s)")


def _weights_name(made: Any) -> Any:
    weights = made.get("weights")
    return weights.get("name") if isinstance(weights, dict) else weights


def _flat(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def _median(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None


def _mean(values: Any) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.4g}" if known.size else "none"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "not known"
    return "not known" if value is None else str(value)


_TELL = {
    "results": _results,
    "statistics": _statistics,
    "pairs": _pairs,
    "weights": _weights,
    "exchange": _exchange,
}
