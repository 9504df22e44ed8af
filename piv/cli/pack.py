"""``piv pack``: an HDF5 data set of a folder, a list, a tif of many pages, a video or HDF5."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.cli import units
from piv.cli.choices import check_output
from piv.errors import InputError

if TYPE_CHECKING:
    from piv.io.sources import PairSource

_SUFFIXES = (".h5", ".hdf5")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "pack",
        help="make an HDF5 data set of image pairs",
        description="Make an HDF5 data set of a folder of images (tif, png, bmp, jpg; grey "
        "levels), a text file that names two a line, a tif of many pages, a video, or another "
        "HDF5 file. Grey levels are kept as they are; every pair is read back and compared before "
        "the file gets its name. What was left out is told. Exit status 1 if a pair could not be "
        "read.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="where the images are")
    parser.add_argument("output", type=Path, metavar="OUTPUT.h5", help="the data set to make")
    parser.add_argument(
        "--pairing", metavar="PAIRING",
        help="ab (file names differ in a/b or 1/2), 1-2,3-4 (each frame once), 1-2,2-3 (each frame "
        "with the next) or jump:K (with the K-th after it); default: found, if there is no doubt",
    )  # fmt: skip
    parser.add_argument(
        "--frames", metavar="PATH", help="data set in an HDF5 source: PATH, or PATH_A,PATH_B"
    )
    parser.add_argument(
        "--dt", type=units.seconds, metavar="TIME", help="between the frames, such as 200us"
    )
    parser.add_argument(
        "--pixel-size", type=units.metres, metavar="LENGTH", help="in the flow, such as 21um"
    )
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="image, or HDF5 with /mask for all pairs or for each; non-zero = masked",
    )
    parser.add_argument(
        "--yes", action="store_true",
        help="take the likeliest pairing where there is doubt, and use images too whose names look "
        "like a background, a calibration or a mask",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Open, tell what was found, write, verify; 1 if a pair could not be read."""
    if args.output.suffix.lower() not in _SUFFIXES:
        raise InputError(f"a data set is HDF5: {args.output} must end in {' or '.join(_SUFFIXES)}")
    inputs = [path for path in (args.source, args.mask) if path is not None]
    check_output(args.output, inputs, overwrite=args.overwrite)
    from piv.io.packing import pack

    with _opened(args) as source, _progress(len(source)) as progress:
        for note in source.notes:
            print(f"  {note}")
        packed = pack(source, args.output, pixel_size=args.pixel_size, progress=progress)
        height, width = source.shape
    for failure in packed.failures:
        print(f"piv: left out: {failure}", file=sys.stderr)
    size = args.output.stat().st_size / 1e6
    print(
        f"{args.output}: {packed.count} pair(s) of {height} x {width} px (height x width), "
        f"{packed.dtype}, {size:.3g} MB, verified"
    )
    return 1 if packed.failures else 0


def _opened(args: argparse.Namespace) -> PairSource:
    from piv.io.sources import DoubtfulPairing, open_pairs

    try:
        return open_pairs(
            args.source,
            frames=args.frames,
            pairing=args.pairing,
            dt=args.dt,
            mask=args.mask,
            doubtful=args.yes,
        )
    except DoubtfulPairing as doubt:
        raise InputError(f"{doubt}; give --pairing, or --yes for {doubt.guess}") from None


@contextmanager
def _progress(pairs: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere; every pair counts when written and when verified."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Left())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        writing = bar.add_task("writing", total=pairs)
        verifying = bar.add_task("verifying", total=pairs)

        def step() -> None:
            bar.advance(verifying if bar.tasks[writing].finished else writing)

        yield step
