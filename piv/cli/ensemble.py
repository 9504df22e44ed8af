"""``piv ensemble``: one mean field of a series, from the sum of its correlation planes."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.cli.choices import (
    add_pairs,
    add_scales,
    add_series,
    add_series_images,
    add_settings,
    check_background,
    check_output,
    chosen_settings,
)
from piv.cli.progress import Display, display
from piv.errors import InputError
from piv.types import Analysis, ImagePair, size_text

if TYPE_CHECKING:
    from piv.batch.job import Frame
    from piv.batch.plan import Plan
    from piv.correlate import EnsembleStep

_RESULTS = (".h5", ".hdf5")
_STYLES = ("auto", "bar", "lines", "none")
_TOLD = 10  # skipped pairs
SKIPPED_PAIRS = 1


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "ensemble",
        help="one mean field of a series of thinly seeded pairs",
        description="Correlate every pair of a series and sum the correlation planes of each "
        "window before looking for the peak: the mean field of a steady flow whose single pairs "
        "hold too few particles, such as in micro-PIV. No network is used. Exit status: 0 done, "
        "1 some pairs were skipped, 2 a usage or input error, 130 Ctrl-C.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="data set, folder, list ...")
    out = parser.add_argument_group("output")
    out.add_argument(
        "-o", "--output", type=Path, metavar="FILE.h5", required=True, help="the field, HDF5"
    )
    out.add_argument(
        "--figure", type=Path, metavar="FILE", help="write a figure: .png, .pdf or .svg"
    )
    out.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    out.add_argument(
        "--progress", choices=_STYLES, default="auto", metavar="STYLE",
        help=f"one of {', '.join(_STYLES)} (default: a bar on a terminal, else lines)",
    )  # fmt: skip
    add_settings(parser, model=False)
    scene = parser.add_argument_group("recording")
    add_pairs(scene)
    add_series(scene)
    add_series_images(scene, "the series: what stands still would add up to a peak at zero")
    add_scales(scene)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check everything, correlate the series, write, print."""
    from piv.batch.job import static_background
    from piv.batch.plan import Wishes, plan

    _check(args)
    origin = (0.0, 0.0) if args.origin is None else (args.origin[0], args.origin[1])
    planned = plan(
        Wishes(
            source=args.source,
            output=args.output,
            settings=chosen_settings(args),
            model="none",
            frames=args.frames,
            pairing=args.pairing,
            dt=args.dt,
            mask=args.mask,
            pixel_size=args.pixel_size,
            origin=origin,
            background=tuple(args.background),
            pairs=args.pairs,
            overwrite=args.overwrite,
        )
    )
    with planned.source:
        background = planned.files
        if args.background and background is None:
            background = static_background(args.background, planned.source, planned.pairs)
        return _run(planned, background, args)


def _check(args: argparse.Namespace) -> None:
    """Everything that can be refused before the source is opened."""
    if args.output.suffix.lower() not in _RESULTS:
        raise InputError(f"results are HDF5: {args.output} must end in {' or '.join(_RESULTS)}")
    check_background(args.background)
    if args.origin is not None and not all(math.isfinite(each) for each in args.origin):
        raise InputError("--origin takes two finite pixel coordinates")
    if args.figure is not None:
        from piv.plot import figure_format

        figure_format(args.figure)
    files = [Path(word) for word in args.background if word not in ("mean", "min")]
    known = [path for path in (args.source, args.mask, args.settings, *files) if path is not None]
    for path in (args.output, args.figure):
        if path is not None:
            check_output(path, known, overwrite=args.overwrite)


def _run(planned: Plan, background: tuple[Frame, Frame] | None, args: argparse.Namespace) -> int:
    import piv

    pairs = _Chosen(planned, background)
    begin = time.perf_counter()
    with _Passes(args.progress) as passes:
        for note in planned.notes:
            passes.say(note)
        result = piv.ensemble_correlation(
            pairs,
            calibration=planned.calibration,
            settings=planned.wishes.settings,
            watch=passes,
        )
    seconds = time.perf_counter() - begin
    found = result.provenance["ensemble"]
    shown = next(n for n in range(len(pairs)) if n not in {r["index"] for r in found["reasons"]})
    # numbered as in the source
    reasons = [{**each, "index": planned.pairs[each["index"]]} for each in found["reasons"]]
    series = {key: planned.record.get(key) for key in ("source", "pairs", "mask", "background")}
    known = {"ensemble": {**found, "reasons": reasons, "series": series}}
    result = dataclasses.replace(
        result,
        coarse=result.coarse.replace(attrs={**result.coarse.attrs, **known}),
        provenance={**result.provenance, **known},
    )
    piv.write_analysis(args.output, result, seconds=seconds)
    if args.figure is not None:
        from piv.plot import figure, save_figure

        save_figure(figure(result, pairs[shown]), args.figure)
    if args.progress != "none":
        for line in _summary(result, len(pairs), seconds):
            print(line)
        for name, path in (("result", args.output), ("figure", args.figure)):
            if path is not None:
                print(_row(name, str(path)))
    return SKIPPED_PAIRS if found["skipped"] else 0


class _Chosen(Sequence[ImagePair]):
    """The pairs of the run, each read when it is asked for, without their background."""

    def __init__(self, planned: Plan, background: tuple[Frame, Frame] | None) -> None:
        self.names = planned.names
        self._source, self._indices = planned.source, planned.pairs
        self._background = background

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> ImagePair:  # type: ignore[override]  # no slices
        from piv.preprocess import subtract_background

        pair = self._source[self._indices[index]]
        return pair if self._background is None else subtract_background(pair, self._background)


class _Passes(contextlib.ExitStack):
    """A progress display for each pass over the series."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._style, self._number = style, 0
        self._shown = self._display(0)

    def _display(self, total: int) -> Display:
        from piv.batch.progress import Progress

        return display(self._style, Progress(total))

    def say(self, text: str) -> None:
        """Print it, if anything is printed."""
        self._shown.say(text)

    def __call__(self, step: EnsembleStep) -> None:
        """Count a pair."""
        if step.number != self._number:
            self.close()  # the display of the pass before
            self._number, self._shown = step.number, self._display(step.total)
            self.say(f"pass {step.number}: windows of {size_text(step.window)} px")
            self.enter_context(self._shown.shown())
        self._shown.progress.add(failed=False)
        self._shown.tick()


def _summary(result: Analysis, count: int, seconds: float) -> Iterator[str]:
    """Lines that tell what was measured and whether it can be trusted."""
    from piv.batch.progress import duration_text
    from piv.quality import warnings

    quality, field, found = result.quality, result.field, result.provenance["ensemble"]
    yield _row("pairs", f"{found['used']} of {count} were used")
    yield _row("field", f"{size_text(field.shape)} vectors (height x width), one per window")
    yield _row("valid vectors", f"{quality['valid']:.1f} %")
    contributed = field.extra["pair_count"]
    yield _row(
        "pairs per window", f"median {np.median(contributed):.0f}, least {contributed.min():.0f}"
    )
    yield _row(
        "displacement",
        f"median {quality['median_displacement']:.2f} px, largest "
        f"{quality['largest_displacement']:.2f} px",
    )
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        size = np.nanmedian(np.stack([field.uncertainty_u, field.uncertainty_v]))
        yield _row("uncertainty", f"median {size:.3g} {field.units} (random error, 68.3 %)")
    yield _row("time", duration_text(seconds))
    for each in found["reasons"][:_TOLD]:
        yield _row("skipped", f"pair {each['index']}: {each['reason']}")
    if found["skipped"] > _TOLD:
        yield _row("", f"and {found['skipped'] - _TOLD} more")
    # thin seeding is what an ensemble is for
    for sentence in warnings({**quality, "seeding_density": math.nan}):
        yield _row("warning", sentence)


def _row(name: str, text: str) -> str:
    return f"  {name:<16} {text}"
