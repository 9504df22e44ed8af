"""``piv train``: train the network by a recipe, in a folder that can be resumed."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.cli import units
from piv.cli.choices import add_recordings, check_background, chosen_assignments
from piv.cli.guard import INTERRUPTED, STOPPED
from piv.errors import InputError

if TYPE_CHECKING:
    from piv.train.loop import Training
    from piv.train.processes import Gang
    from piv.train.progress import Progress
    from piv.train.recordings import Wanted

LINE_SECONDS = 30.0  # between two lines where the output is not a terminal
_ENDING = ".safetensors"
WEIGHTS = f"weights{_ENDING}"
_NAME = r"[^\W_][\w.-]{0,99}"  # \w: letters of any language, digits, underscore
_TAKEN = ("default", "none")


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``piv``."""
    parser = commands.add_parser(
        "train",
        help="train the network by a recipe",
        description="Train the network by a recipe.  The folder gets a checkpoint every two "
        "minutes, the curve as table and figure, and at the end the weights with their record.",
    )
    parser.add_argument(
        "recipe", nargs="?",
        help="name of a recipe of the package, or a TOML file; a resumed run knows its own, "
        "--finetune has one",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder of the run"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=units.positive, help="train for so many minutes of wall time"
    )
    length.add_argument(
        "--steps", type=units.count, help="train for so many steps (default: the recipe's)"
    )
    parser.add_argument(
        "--threads", type=units.few, default=1,
        help="threads of the process; only with one are two runs equal bit for bit (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=_processes, default=1, metavar="N",
        help="processes that train together, each with `batch` crops of its own, at most one a "
        "processor (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint-every", type=units.seconds, default=120.0, metavar="TIME",
        help="wall time between two checkpoints (default: 120s)",
    )  # fmt: skip
    parser.add_argument(
        "--start-from", metavar="NAME|FILE", help="weights to begin with instead of random ones"
    )
    own = parser.add_argument_group("fine-tuning on one's own recordings")
    own.add_argument(
        "--finetune", type=Path, metavar="PAIRS",
        help="measure these recordings (data set, folder, list ...), train on images like them, "
        "starting from --start-from (default: the default weights), and say whether it helped",
    )  # fmt: skip
    own.add_argument(
        "--measure-only", action="store_true",
        help="only measure the recordings, write the recipes and say whether they are like what "
        "the weights were trained on",
    )  # fmt: skip
    add_recordings(own)
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in the folder"
    )
    parser.add_argument(
        "--name", type=_name,
        help="what the weights are called: letters, digits and . _ - (default: the folder's name)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def _processes(text: str) -> int:
    """Read a number of processes; with more than the machine has processors each step waits."""
    number, most = units.few(text), os.cpu_count() or 1
    if number > most:
        raise argparse.ArgumentTypeError(
            f"this machine has {most} processor{'s' if most > 1 else ''}: at most as many "
            f"processes are wanted, not {number}"
        )
    return number


def _name(text: str) -> str:
    """Read a name that weights can have in the catalogue and as a file."""
    if not re.fullmatch(_NAME, text) or text.endswith("."):
        raise argparse.ArgumentTypeError(
            "a name of at most 100 letters, digits and . _ -, with a letter or digit first and no "
            f"full stop last, is wanted, not {text!r}"
        )
    if text.lower().endswith(_ENDING):
        raise argparse.ArgumentTypeError(f"a name without {_ENDING} is wanted, not {text!r}")
    if text.lower() in _TAKEN:
        raise argparse.ArgumentTypeError(f"{text!r} has a meaning of its own as a model's name")
    return text


def _name_of(folder: Path) -> str:
    """A name like the folder's, which may hold blanks and the like."""
    name = re.sub(r"[^\w.-]+", "-", folder.resolve().name)[:100].lstrip("-._").rstrip(".")
    try:
        return _name(name)
    except argparse.ArgumentTypeError:
        return "weights"


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 trained and exported; resumable after Ctrl-C (130) or SIGTERM (3)."""
    from piv.tuning import keep_memory

    keep_memory()
    import torch

    from piv.train.loop import open_run
    from piv.train.processes import Gang, others

    torch.set_num_threads(args.threads)
    recipe, start_from = args.recipe, args.start_from
    if args.finetune is not None:
        start_from = start_from or "default"
        recipe = _matched(args, start_from)
        if args.measure_only:
            return 0
    elif foreign := _foreign(args):
        raise InputError(f"{foreign} belongs to the recordings of --finetune: name them too")
    options = {
        "recipe": recipe,
        "output": args.output,
        "steps": args.steps,
        "minutes": args.minutes,
        "start_from": start_from,
        "resume": args.resume,
    }
    training = open_run(**options, gang=Gang(0, args.processes))
    with (
        others(args.processes, partial(_follow, options), args.threads),
        _caught_signals() as caught,
        _reporter() as report,
    ):
        every = args.checkpoint_every
        finished = training.run(report, lambda: bool(caught), checkpoint_seconds=every)
    if not finished:
        print(
            f"stopped at step {training.step}; go on with: {_go_on(args)}",
            file=sys.stderr,
        )
        return INTERRUPTED if caught[0] == signal.SIGINT else STOPPED
    _export(training, args.output, args.name or _name_of(args.output))
    _judge(training, args.output)
    return 0


def _matched(args: argparse.Namespace, start_from: str) -> Path:
    """The recipe of images like the recordings."""
    from piv.train import checkpoint, finetune

    if args.resume:
        raise InputError("a resumed run knows its recordings: leave out --finetune")
    if (args.output / checkpoint.NAME).exists():
        raise InputError(f"{args.output} already holds a run: resume it, or choose another folder")
    prepared = finetune.prepare(
        wanted_recordings(args.finetune, args),
        args.output,
        start_from=start_from,
        recipe=args.recipe or "finetune",
    )
    for note in prepared.notes:
        print(f"note: {note}", file=sys.stderr)
    print(prepared.text, file=sys.stdout if args.measure_only else sys.stderr)
    print(f"images like the recordings: {args.output / finetune.MIX}", file=sys.stderr)
    return prepared.recipe


def wanted_recordings(path: Path, args: argparse.Namespace) -> Wanted:
    """Recordings as :func:`piv.cli.choices.add_recordings` lets a user name them."""
    from piv.io.sources import SourceSpec
    from piv.train.recordings import Wanted

    check_background(args.background)
    mask = None if args.mask is None else args.mask.absolute()
    spec = SourceSpec(path.absolute(), args.frames, args.pairing, None, mask)
    return Wanted(spec, chosen_assignments(args), tuple(args.background), args.pairs)


def _foreign(args: argparse.Namespace) -> str:
    """An option that makes no sense without recordings."""
    names = ("frames", "pairing", "pairs", "mask", "background", "settings", "measure_only")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name)]
    return next(iter([*given, *(["--set"] if args.assignments else [])]), "")


def _go_on(args: argparse.Namespace) -> str:
    """The command that resumes a run as it was begun."""
    words = ["piv", "train", "--resume", "-o", str(args.output)]
    if args.processes != 1:
        words += ["--processes", str(args.processes)]
    if args.threads != 1:
        words += ["--threads", str(args.threads)]
    if args.name:
        words += ["--name", args.name]
    return shlex.join(words)


def _judge(training: Training, folder: Path) -> None:
    """Of a run that fine-tuned: whether it helped."""
    from piv.train import finetune

    if finetune.is_finetune(folder, training.recipe, training.history):
        print("asking the recordings whether it helped", file=sys.stderr)
        print(finetune.judge(folder, folder / WEIGHTS).text())


def _follow(options: dict[str, Any], gang: Gang) -> None:
    """What every process but the first does."""
    from piv.train.loop import open_run

    training = open_run(**options, gang=gang)
    gang.meet()
    training.follow()


def _export(training: Training, folder: Path, name: str) -> None:
    path = folder / WEIGHTS
    print(f"calibrating the uncertainty and writing {path}", file=sys.stderr)
    sha256 = training.export(path, name)
    print(f"{path}\nname {name}\nsha256 {sha256}")


@contextmanager
def _caught_signals() -> Iterator[list[int]]:
    """Remember the first Ctrl-C or SIGTERM, which ends the run after its step; another acts."""
    caught: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def note(number: int, _frame: object) -> None:
        caught.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for kind in kinds:
        signal.signal(kind, note)
    try:
        yield caught
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])


@contextmanager
def _reporter() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a line now and then elsewhere; both on standard error."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        last = [-math.inf]

        def line(progress: Progress) -> None:
            now = time.monotonic()
            if progress.validation is not None:
                print(_validation(progress), file=sys.stderr, flush=True)
            if now - last[0] >= LINE_SECONDS and not math.isnan(progress.loss):
                last[0] = now
                print(_line(progress), file=sys.stderr, flush=True)

        yield line


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(10), TaskProgressColumn(), TextColumn("{task.description}"))  # 80 wide
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=1.0)

        def show(progress: Progress) -> None:
            if progress.validation is not None:
                bar.console.print(_validation(progress), highlight=False)
            bar.update(task, completed=progress.done)
            if not math.isnan(progress.loss):
                bar.update(task, description=_short(progress))

        yield show


def _line(progress: Progress) -> str:
    return (
        f"step {progress.step}  loss {progress.loss:.4f}  end-point error "
        f"{progress.endpoint_error:.3f} px  {progress.crops_per_second:.1f} crops/s  "
        f"data {100 * progress.data_share:.0f} %  left {_left(progress)}"
    )


def _short(progress: Progress) -> str:
    return (
        f"step {progress.step}  loss {progress.loss:.3f}  error {progress.endpoint_error:.3f} px  "
        f"{progress.crops_per_second:.1f} crops/s  {_left(progress)}"
    )


def _left(progress: Progress) -> str:
    minutes, seconds = divmod(round(max(0.0, progress.seconds_left)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def _validation(progress: Progress) -> str:
    errors = progress.validation or {}
    parts = "  ".join(f"{kind} {error:.3f}" for kind, error in errors.items())
    mean = sum(errors.values()) / max(1, len(errors))
    return f"step {progress.step}  validation (mean end-point error, px): mean {mean:.3f}  {parts}"
