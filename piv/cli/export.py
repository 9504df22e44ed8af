"""``piv export``: fields of a run in the files of other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.cli import units
from piv.cli.choices import check_output
from piv.cli.selection import ChosenFields, Watched, add_selection, chosen_fields, progress_bar
from piv.errors import InputError

if TYPE_CHECKING:
    from piv.io.exchange.registry import Format


def add_parser(commands: Any) -> None:
    """Add the command."""
    from piv.io.exchange.registry import FORMATS

    formats = ", ".join(f"{each.name}: {each.help}" for each in FORMATS.values() if each.writes)
    parser = commands.add_parser(
        "export",
        help="fields of a run in the files of other programs",
        description="Write the fields of a run for other programs. Formats of one field a file get "
        "a file for each pair, with the pair's index in its source before the ending. Directions, "
        "signs and units of each format are in docs/exchange.md.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS.h5", help="what piv batch writes")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH", required=True, help="file to write"
    )
    parser.add_argument(
        "--format", metavar="NAME", help=f"default: what the ending means. {formats}"
    )
    add_selection(parser)
    parser.add_argument(
        "--stride", type=units.count, default=1, metavar="N",
        help="every n-th vector along both axes (default: all)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Choose, check every name, write, tell."""
    from piv.io.exchange.registry import for_writing
    from piv.io.store import open_results

    wanted = for_writing(args.output, args.format)
    fields = chosen_fields(open_results(args.results), args, args.stride)
    outputs = _outputs(args.output, wanted, fields)
    for path in [*outputs, *_members(outputs[0], fields)]:
        check_output(path, [args.results], overwrite=args.overwrite)
    with progress_bar("writing", len(fields)) as step:
        height, width = _write(wanted, fields, outputs, args.results.name, step)
    last = f" ... {outputs[-1].name}" if len(outputs) > 1 else ""
    print(
        f"{outputs[0]}{last}: {len(fields)} field(s) of {height} x {width} vectors "
        f"(height x width), {wanted.name}"
    )
    return 0


def _outputs(path: Path, wanted: Format, fields: ChosenFields) -> list[Path]:
    if wanted.series:
        if path.suffix.lower() == ".vti" and len(fields) > 1:
            raise InputError(f"a .vti holds one field, not {len(fields)}: give a name in .pvd")
        return [path]
    if len(fields) == 1:
        return [path]
    return [path.with_name(f"{path.stem}_{pair:05d}{path.suffix}") for pair in fields.pairs]


def _members(path: Path, fields: ChosenFields) -> list[Path]:
    """What a collection of VTK has beside it."""
    if path.suffix.lower() != ".pvd":
        return []
    return [path.with_name(f"{path.stem}_{pair:05d}.vti") for pair in fields.pairs]


def _write(
    wanted: Format,
    chosen: ChosenFields,
    outputs: list[Path],
    source: str,
    step: Callable[[], None],
) -> tuple[int, ...]:
    from piv.io.exchange.series import Fields

    fields = Watched(chosen, step)
    if wanted.series:
        wanted.write(Fields(fields, chosen.pairs, chosen.time, source), outputs[0])
    else:
        for number, path in enumerate(outputs):
            wanted.write(Fields([fields[number]], [chosen.pairs[number]], None, source), path)
    return fields[len(fields) - 1].shape
