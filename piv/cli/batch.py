"""``piv batch``: many pairs, from a data set or a folder to one file of results."""

from __future__ import annotations

import argparse
import contextlib
import math
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.cli import units
from piv.cli.choices import (
    add_pairs,
    add_scales,
    add_series,
    add_series_images,
    add_settings,
    check_background,
    chosen_model,
    chosen_settings,
)
from piv.cli.guard import BUG, INTERRUPTED, STOPPED, one_line
from piv.cli.progress import STYLES, Display, display, failure_text
from piv.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from piv.batch.job import Answer, Frame, PairTask
    from piv.batch.loop import Executor, Feed
    from piv.batch.plan import Plan, Wishes
    from piv.batch.processes import Pool
    from piv.io.store import ResultsWriter

_RESULTS = (".h5", ".hdf5")
FAILED_PAIRS = 1
_FAILURES = 10  # that the summary lists
_IDLE = 60.0  # s; how long a folder is watched for a new pair, unless told
_WATCHED = 1_000_000_000.0


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "batch",
        help="analyse many image pairs",
        description="Analyse every pair of an HDF5 data set, a folder of images, a list, a "
        "multi-page tif or a video, into one HDF5 file. Whatever stops a run (Ctrl-C, a crash, a "
        "full disk), the same command goes on where it stopped. Pairs that fail are listed with "
        "the reason and do not stop the others. Exit status: 0 all done, 1 some pairs failed, "
        "2 a usage or input error, 3 stopped early, 130 Ctrl-C.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="data set, folder, list ...")
    parser.add_argument("output", type=Path, metavar="OUTPUT.h5", help="results, HDF5")
    runs = parser.add_argument_group("run")
    runs.add_argument(
        "--workers", type=units.few, metavar="N",
        help="processes that compute, with one thread each (default: one per processor core, "
        "fewer where the memory does not suffice)",
    )  # fmt: skip
    runs.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="compute on a dask cluster instead, such as tcp://node1:8786",
    )  # fmt: skip
    add_pairs(runs)
    runs.add_argument(
        "--retry-failed", action="store_true", help="analyse the pairs again that have failed"
    )
    runs.add_argument("--overwrite", action="store_true", help="begin anew, replace the results")
    runs.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, stop"
    )
    runs.add_argument(
        "--watch", type=_idle, nargs="?", const=_IDLE, metavar="IDLE",
        help="analyse a folder while it fills, until nothing has come for IDLE (default: 60s)",
    )  # fmt: skip
    runs.add_argument(
        "--progress", choices=STYLES, default="auto", metavar="STYLE",
        help=f"one of {', '.join(STYLES)} (default: a bar on a terminal, else lines)",
    )  # fmt: skip
    add_settings(parser)
    scene = parser.add_argument_group("recording")
    add_series(scene)
    add_series_images(scene, "the run's own frames")
    add_scales(scene)
    parser.set_defaults(run=run)


def _idle(text: str) -> float:
    return _WATCHED if text == "forever" else units.seconds(text)


def run(args: argparse.Namespace) -> int:
    """Check, begin or go on, analyse, summarise."""
    from piv.batch.plan import plan

    planned = plan(_wishes(args))
    with planned.source:
        if args.dry_run:
            return _dry_run(planned, args)
        return _run(planned, args)


def _wishes(args: argparse.Namespace) -> Wishes:
    """Everything that can be refused before a file is read."""
    from piv.batch.plan import Wishes

    if args.output.suffix.lower() not in _RESULTS:
        raise InputError(f"results are HDF5: {args.output} must end in {' or '.join(_RESULTS)}")
    if args.workers is not None and args.scheduler is not None:
        raise InputError("--workers are of this computer, --scheduler is a cluster: give one")
    if args.retry_failed and args.overwrite:
        raise InputError("--overwrite begins anew, so there is nothing to retry: give one")
    own = [word for word in args.background if word in ("mean", "min")]
    check_background(args.background)
    if args.watch is not None and (own or args.pairs is not None):
        raise InputError(
            f"--watch cannot know all pairs: leave {'--background' if own else '--pairs'} away"
        )
    if args.origin is not None and not all(math.isfinite(each) for each in args.origin):
        raise InputError("--origin takes two finite pixel coordinates")
    files = [Path(word) for word in args.background if word not in own]
    _check_output(args, [args.source, args.mask, args.settings, *files])
    origin = (0.0, 0.0) if args.origin is None else (args.origin[0], args.origin[1])
    return Wishes(
        source=args.source,
        output=args.output,
        settings=chosen_settings(args),
        model=chosen_model(args),
        frames=args.frames,
        pairing=args.pairing,
        dt=args.dt,
        mask=args.mask,
        pixel_size=args.pixel_size,
        origin=origin,
        background=tuple(args.background),
        pairs=args.pairs,
        retry_failed=args.retry_failed,
        overwrite=args.overwrite,
        watch=args.watch,
    )


def _check_output(args: argparse.Namespace, inputs: list[Path | None]) -> None:
    from piv.cli.choices import check_output

    known = [path for path in inputs if path is not None]
    if args.model is not None:
        known.append(Path(args.model))
    # what exists goes on, or may be replaced
    check_output(args.output, known, overwrite=True, try_folder=not args.dry_run)


def _run(planned: Plan, args: argparse.Namespace) -> int:
    from piv.batch.plan import DONE, FAILED, begin, standing
    from piv.batch.progress import Progress

    output = planned.wishes.output
    shown = display(args.progress, Progress(0))
    for note in planned.notes:
        shown.say(note)
    with contextlib.ExitStack() as held:
        early = _early(planned, args)
        if early is not None:
            held.enter_context(early)
        writer, background = begin(planned, shown.say)
        held.enter_context(writer)
        now = standing(output)
        shown.progress = Progress(len(now.status), now.count(DONE), now.count(FAILED))
        if not shown.progress.pending and planned.wishes.watch is None:
            shown.say(f"nothing to do: all {len(now.status)} pairs of {output} are finished")
            status = FAILED_PAIRS if shown.progress.failed else 0
        else:
            if shown.progress.finished:
                shown.say(f"going on with {output}: {shown.progress.pending} pairs are left")
            if early is not None:
                shown.say(_processes(early.workers))
            executor = early or _executor(planned, args, background, shown)
            status = _analyse(planned, executor, writer, shown)
    shown.end(status, str(output))
    if args.progress not in ("json", "none"):
        for line in _summary(planned, status, shown.progress.elapsed):
            shown.emit(line)
    return status


def _analyse(
    planned: Plan,
    made: AbstractContextManager[Executor],
    writer: ResultsWriter,
    shown: Display,
) -> int:
    """Fill the store; returns the exit status."""
    from piv.batch.loop import Stop, StoppedEarly, listening, run

    stop = Stop()
    feed = _feed(planned, writer, shown)
    try:
        with (
            listening(stop),
            made as executor,
            shown.shown(),
        ):
            outcome = run(executor, writer, feed, shown, stop)
    except (StorageError, StoppedEarly) as problem:
        print(f"piv: error: {one_line(str(problem))}", file=sys.stderr)
        return STOPPED
    for bug in outcome.bugs:
        print(bug, file=sys.stderr)
    if outcome.signal is not None:
        return INTERRUPTED if outcome.signal == signal.SIGINT else STOPPED
    if outcome.bugs:
        return BUG
    return FAILED_PAIRS if shown.progress.failed else 0


def _feed(planned: Plan, writer: ResultsWriter, shown: Display) -> Feed:
    from piv.batch.feeds import ListFeed, WatchFeed
    from piv.batch.plan import pending_tasks

    if planned.wishes.watch is None:
        return ListFeed(pending_tasks(writer), planned.names)
    return WatchFeed(
        planned.source.spec,
        writer,
        writer.pending,
        len(writer),
        planned.wishes.watch,
        shown.grown,
    )


def _early(planned: Plan, args: argparse.Namespace) -> Pool[PairTask, Answer] | None:
    """Workers of a new run: they load while its store is being made."""
    own_background = bool(planned.wishes.background) and planned.files is None
    if planned.existing or own_background or args.scheduler is not None:
        return None
    from piv.batch.processes import Pool

    return Pool(planned.job(planned.files), _workers(planned, args, len(planned.pairs)))


@contextlib.contextmanager
def _executor(
    planned: Plan,
    args: argparse.Namespace,
    background: tuple[Frame, Frame] | None,
    shown: Display,
) -> Iterator[Executor]:
    job = planned.job(background)
    if args.scheduler is not None:
        from piv.distributed import Cluster

        with Cluster(job, args.scheduler) as cluster:
            shown.say(f"cluster {args.scheduler}: {cluster.workers} workers")
            yield cluster
        return
    from piv.batch.processes import Pool

    count = _workers(planned, args, shown.progress.pending)
    shown.say(_processes(count))
    with Pool(job, count) as pool:
        yield pool


def _workers(planned: Plan, args: argparse.Namespace, pending: int) -> int:
    """As many as were asked for; else what cores, memory and pairs have use for."""
    from piv.batch.loop import default_workers

    if args.workers is not None:
        return int(args.workers)
    most = default_workers(planned.source.shape, planned.wishes.model)
    return most if planned.wishes.watch is not None else max(1, min(most, pending))


def _processes(count: int) -> str:
    return f"{count} worker process{'es' if count > 1 else ''}"


def _dry_run(planned: Plan, args: argparse.Namespace) -> int:
    """Say what would be done."""
    from piv.batch.plan import (
        DONE,
        FAILED,
        PENDING,
        check_folder,
        check_room,
        check_same,
        left,
        needed_bytes,
        size_of,
        standing,
    )

    wishes, source = planned.wishes, planned.source
    for note in planned.notes:
        print(note)
    height, width = source.shape
    print(_row("source", f"{source.kind}, {len(source)} pairs"))
    print(_row("frames", f"{height} x {width} px (height x width), {source.dtype}"))
    print(_row("pairs", f"{len(planned.pairs)}: {_pairs_text(planned.pairs)}"))
    print(_row("weights", wishes.model))
    print(_row("in", "m and m/s" if planned.calibration else "px"))
    now = None
    if planned.existing:
        check_same(planned)
        now = standing(wishes.output)
        counts = ", ".join(
            f"{now.count(status)} {word}"
            for status, word in ((DONE, "done"), (FAILED, "failed"), (PENDING, "pending"))
        )
        print(_row("output", f"goes on: {counts}"))
        if wishes.retry_failed:
            print(_row("retried", f"{now.count(FAILED)} failed pairs"))
    else:
        verb = "would be replaced" if wishes.output.exists() else "would be made"
        print(_row("output", f"{wishes.output} {verb}"))
    needed = needed_bytes(planned, None, now)
    free = shutil.disk_usage(wishes.output.absolute().parent).free
    print(_row("size", f"about {size_of(needed)} to write, {size_of(free)} free"))
    if args.scheduler is not None:
        print(_row("workers", f"of the cluster {args.scheduler}"))
    else:
        workers = _workers(planned, args, left(planned, now))
        print(_row("workers", f"{_processes(workers)}, one thread each"))
    check_folder(wishes.output)
    check_room(wishes.output, needed)
    return 0


def _pairs_text(pairs: Sequence[int]) -> str:
    if len(pairs) == 1:
        return str(pairs[0])
    if not isinstance(pairs, range):
        few = ", ".join(str(index) for index in pairs[:8])
        return f"{few}, ... {pairs[-1]}" if len(pairs) > 8 else few
    step = f", every {pairs.step}." if pairs.step != 1 else ""
    return f"{pairs[0]} to {pairs[-1]}{step}"


def _summary(planned: Plan, status: int, seconds: float) -> Iterator[str]:
    """Lines that tell what was measured, what failed, and how to go on."""
    from piv.batch.progress import duration_text
    from piv.io.store import open_results

    output = planned.wishes.output
    results = open_results(output)
    done, failed, pending = results.done, results.failed, results.pending
    yield str(output)
    yield _row("pairs", f"{len(done)} done, {len(failed)} failed, {len(pending)} pending")
    yield _row("time", duration_text(seconds))
    valid = results.quality["valid"]
    if done:
        worst = min(done, key=lambda position: _or_zero(float(valid[position])))
        yield _row(
            "valid vectors",
            f"median {np.nanmedian(valid[done]):.1f} %, least {valid[worst]:.1f} % "
            f"(pair {results.pairs[worst]})",
        )
    for position in failed[:_FAILURES]:
        index, name = int(results.pairs[position]), results.names[position]
        yield _row("failed", failure_text(index, name, results.errors[position]))
    if len(failed) > _FAILURES:
        yield _row("", f"and {len(failed) - _FAILURES} more: piv status {output}")
    if failed and not pending:
        yield _row("", "--retry-failed analyses them again")
    if status in (STOPPED, INTERRUPTED):
        yield _row("stopped early", "run the same command again to go on")


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _row(name: str, text: str) -> str:
    return f"  {name:<16} {text}"
