"""``piv analyse``: one image pair, from files to a field, a figure and a summary."""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.cli import units
from piv.cli.choices import (
    add_scales,
    add_settings,
    check_output,
    chosen_model,
    chosen_settings,
)
from piv.errors import InputError
from piv.types import Analysis, Calibration, ImagePair, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESULTS = (".h5", ".hdf5")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "analyse",
        help="analyse one image pair",
        description="Measure the displacement between two images (tif, png, bmp, jpg; grey "
        "levels), or between the two pages of one tif. Without -o and --figure only the summary "
        "is printed. An existing output is replaced only with --overwrite.",
    )
    parser.add_argument("first", type=Path, metavar="A", help="first frame, or a tif of two pages")
    parser.add_argument("second", type=Path, metavar="B", nargs="?", help="second frame")
    out = parser.add_argument_group("output")
    out.add_argument("-o", "--output", type=Path, metavar="FILE.h5", help="write the fields, HDF5")
    out.add_argument(
        "--figure", type=Path, metavar="FILE", help="write a figure: .png, .pdf or .svg"
    )
    out.add_argument(
        "--range", type=float, nargs=2, metavar=("LOW", "HIGH"),
        help="colour range of the speed in the figure, px or m/s",
    )  # fmt: skip
    out.add_argument(
        "--vector-scale", type=units.positive, metavar="S",
        help="the speed, px or m/s, whose arrow is a tenth of the panel wide",
    )  # fmt: skip
    out.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    add_settings(parser)
    scene = parser.add_argument_group("recording")
    scene.add_argument(
        "--mask", type=Path, metavar="FILE", help="image or HDF5 with /mask; non-zero = masked"
    )
    scene.add_argument(
        "--background", type=Path, action="append", default=[], metavar="FILE",
        help="image to subtract from both frames; given twice, one for each",
    )  # fmt: skip
    add_scales(scene)
    parser.add_argument(
        "--threads", type=units.few, metavar="N", help="processor threads (default: torch's)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check everything, read, analyse, write, print."""
    _check(args)
    settings = chosen_settings(args)

    # not above: these load torch, which --help and a wrong word need not wait for
    import torch

    import piv
    from piv.io.images import read_pair
    from piv.io.results.layout import selected
    from piv.pipeline import template
    from piv.plot import figure, save_figure

    calibration = None
    if args.pixel_size is not None:
        calibration = Calibration(args.pixel_size, tuple(args.origin or (0.0, 0.0)))
    pair = read_pair(args.first, args.second, mask=args.mask, dt=args.dt or 1.0)
    cleaned = _without_background(pair, args.background)
    model = piv.load_model(chosen_model(args))
    if args.threads is not None:
        torch.set_num_threads(args.threads)

    if args.output is not None:  # an output.region that leaves the frame is refused at once
        selected(template(cleaned.shape, settings, calibration, model), settings.output)

    begin = time.perf_counter()
    result = piv.analyse(cleaned, calibration=calibration, settings=settings, model=model)
    seconds = time.perf_counter() - begin

    if args.background:
        names = [path.name for path in args.background]
        result = dataclasses.replace(result, provenance={**result.provenance, "background": names})
    if args.output is not None:
        piv.write_analysis(args.output, result, seconds=seconds)
    if args.figure is not None:
        limits = None if args.range is None else (args.range[0], args.range[1])
        drawing = figure(result, pair, range=limits, vector_scale=args.vector_scale)
        save_figure(drawing, args.figure)
    for line in summary(pair, result, seconds):
        print(line)
    for name, path in (("result", args.output), ("figure", args.figure)):
        if path is not None:
            print(_row(name, str(path)))
    return 0


def summary(pair: ImagePair, result: Analysis, seconds: float) -> Iterator[str]:
    """Lines that tell what was measured and whether it can be trusted.

    Parameters
    ----------
    pair : ImagePair
    result : Analysis
    seconds : float
        Computing time.
    """
    from piv.quality import warnings

    quality, field = result.quality, result.field
    yield pair.name
    yield _row("frames", f"{size_text(pair.shape)} px (height x width), {pair.first.dtype}")
    per = "pixel" if result.dense is not None else "window"
    yield _row("field", f"{size_text(field.shape)} vectors (height x width), one per {per}")
    yield _row("valid vectors", f"{quality['valid']:.1f} %")
    yield _row(
        "displacement",
        f"median {quality['median_displacement']:.2f} px, largest "
        f"{quality['largest_displacement']:.2f} px",
    )
    yield _row(
        "quarter rule",
        f"largest is {100 * quality['quarter_ratio']:.0f} % of the limit, a quarter of the "
        f"{quality['first_window']:.0f} px window",
    )
    if field.units != "px":
        speed = field.speed[field.valid]
        if speed.size:
            yield _row("speed", f"median {np.median(speed):.4g} m/s, largest {speed.max():.4g} m/s")
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        each = np.sqrt((field.uncertainty_u**2 + field.uncertainty_v**2) / 2)
        yield _row("uncertainty", f"median {np.nanmedian(each):.3g} {field.units} (68.3 %)")
    yield _row(
        "particle images",
        f"diameter {_known(quality['particle_diameter'], '.1f')} px, density "
        f"{_known(quality['seeding_density'], '.3f')} per px",
    )
    yield _row("peak locking", f"{_known(quality['peak_locking'], '.2f')} (0 none, 1 full)")
    weights = result.provenance.get("weights")
    if weights:
        yield _row("weights", weights["name"])
    yield _row("time", f"{seconds:.2f} s")
    for sentence in warnings(quality):
        yield _row("warning", sentence)


def _row(name: str, text: str) -> str:
    return f"  {name:<16} {text}"


def _known(value: float, spec: str) -> str:
    return "unknown" if math.isnan(value) else format(value, spec)


def _check(args: argparse.Namespace) -> None:
    """Everything that can be refused before a file is read."""
    if args.figure is None and (args.range is not None or args.vector_scale is not None):
        raise InputError("--range and --vector-scale shape the figure: add --figure FILE")
    if args.range is not None:
        low, high = args.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"--range takes two numbers, low < high, not {low:g} {high:g}")
    if args.pixel_size is not None and args.dt is None:
        raise InputError(
            "--pixel-size gives velocities only with the time between the frames: --dt"
        )
    if args.origin is not None and args.pixel_size is None:
        raise InputError("--origin places coordinates in m: add --pixel-size and --dt")
    if len(args.background) > 2:
        raise InputError("--background is given once, or twice (one for each frame)")
    if args.output is not None and args.output.suffix.lower() not in _RESULTS:
        raise InputError(f"results are HDF5: {args.output} must end in {' or '.join(_RESULTS)}")
    if args.figure is not None:
        from piv.plot import figure_format

        figure_format(args.figure)
    inputs = [args.first, args.second, args.mask, args.settings, *args.background]
    known = [path for path in inputs if path is not None]
    if args.model is not None:
        known.append(Path(args.model))
    for path in (args.output, args.figure):
        if path is not None:
            check_output(path, known, overwrite=args.overwrite)


def _without_background(pair: ImagePair, files: list[Path]) -> ImagePair:
    if not files:
        return pair
    from piv.io.images import read_image
    from piv.preprocess import subtract_background

    images = [read_image(path) for path in files]
    return subtract_background(pair, (images[0], images[-1]))
