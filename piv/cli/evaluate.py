"""``piv evaluate``: errors of the coarse stage and of weights against known displacement."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.cli import units
from piv.cli.choices import add_settings, chosen_model, chosen_settings
from piv.errors import InputError, SettingsError
from piv.io.files import make_folder, replacing

if TYPE_CHECKING:
    from piv.io.dataset import TruePairs
    from piv.train.evaluation import Evaluation
    from piv.train.source import Source
    from piv.types import TruePair

# figure -> heading, format; in the order of the table
COLUMNS = {
    "mean_endpoint_error": ("end-point", "{:.4f}"),
    "vector_rms": ("vector rms", "{:.4f}"),
    "bias_u": ("bias u", "{:+.4f}"),
    "bias_v": ("bias v", "{:+.4f}"),
    "outlier_share": (">1 px", "{:.2%}"),
    "peak_locking": ("locking", "{:.4f}"),
    "coverage": ("coverage", "{:.1%}"),
    "rank_correlation": ("rank corr.", "{:.3f}"),
    "wavelength_response": ("gain", "{:.3f}"),
}


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``piv``."""
    parser = commands.add_parser(
        "evaluate",
        help="score the coarse stage and a model on pairs of known displacement",
        description="Score the coarse stage and the dense field on each class of a synthetic test "
        "set, or on a data set with truth: mean end-point error, vector rms, bias (px), share of "
        "errors above 1 px, peak locking (px), coverage of the stated uncertainty, its rank "
        "correlation with |error|, gain of sinusoidal displacement.  Masked and unseeded pixels "
        "and an 8-px border are left out.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--test-set", default="evaluation", metavar="NAME",
        help="synthetic test set: a recipe of piv-synth, or provider:name (default: evaluation)",
    )  # fmt: skip
    what.add_argument(
        "--data", type=Path, metavar="DATASET.h5", help="a data set with truth instead"
    )
    parser.add_argument(
        "--split", choices=("validation", "test"), default="validation",
        help="part of the test set (default: validation)",
    )  # fmt: skip
    parser.add_argument(
        "--pairs", type=units.count, metavar="N", help="pairs per class (default: 12)"
    )
    parser.add_argument("--classes", nargs="+", metavar="CLASS", help="these classes only")
    add_settings(parser)
    parser.add_argument(
        "--ablation", action="store_true", help="also score the least-squares base alone"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER",
        help="write evaluation.csv, evaluation.json and evaluation.png here",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0; a :class:`PIVError` becomes 2 in ``main``."""
    settings = chosen_settings(args)
    if args.output is not None:
        make_folder(args.output)
    from piv.network.weights import load_model
    from piv.settings import to_dict
    from piv.train.evaluation import evaluate

    model = load_model(chosen_model(args))
    if args.ablation and model is None:
        raise SettingsError("--ablation needs a model: the least-squares base is part of it")
    with _classes(args) as (classes, number), _progress(number) as progress:
        result = evaluate(classes, settings, model, ablation=args.ablation, progress=progress)
    about = {
        "test_set": str(args.data) if args.data else args.test_set,
        "split": "" if args.data else args.split,
        "model": None if model is None else {"name": model.name, "sha256": model.sha256},
        "settings": to_dict(settings),
    }
    print(table(result))
    if args.output is not None:
        _write(args.output, result, about)
    return 0


def table(result: Evaluation) -> str:
    """The rows as text of fixed width; what was not measured is a dash."""
    shown = [name for name in COLUMNS if any(name in row.figures for row in result.rows)]
    lines = [["class", "method", "pairs", *(COLUMNS[name][0] for name in shown)]]
    for row in result.rows:
        cells = [
            COLUMNS[name][1].format(row.figures[name]) if _known(row.figures, name) else "-"
            for name in shown
        ]
        lines.append([row.kind, row.method, str(row.pairs), *cells])
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _known(figures: Mapping[str, float], name: str) -> bool:
    return math.isfinite(figures.get(name, math.nan))


@contextmanager
def _classes(args: argparse.Namespace) -> Iterator[tuple[dict[str, Iterable[TruePair]], int]]:
    """Class -> pairs, made or read when they are asked for; and how many there are in all."""
    if args.data is not None:
        from piv.io.dataset import TruePairs

        with TruePairs(args.data) as pairs:
            kinds = [kind or "all" for kind in pairs.kinds]
            chosen = _chosen(list(dict.fromkeys(kinds)), args.classes, str(args.data))
            indices = {
                kind: [i for i, found in enumerate(kinds) if found == kind][: args.pairs]
                for kind in chosen
            }
            stored: dict[str, Iterable[TruePair]] = {
                kind: _stored(pairs, places) for kind, places in indices.items()
            }
            yield stored, sum(len(places) for places in indices.values())
        return
    from piv.train.source import open_source

    name = args.test_set if ":" in args.test_set else f"synth:{args.test_set}"
    source = open_source(name)
    chosen = _chosen(source.classes, args.classes, f"the test set {args.test_set}")
    number = args.pairs or 12
    made: dict[str, Iterable[TruePair]] = {
        kind: _made(source, args.split, kind, number) for kind in chosen
    }
    yield made, number * len(chosen)


def _made(source: Source, split: str, kind: str, number: int) -> Iterator[TruePair]:
    for index in range(number):
        yield source.pair(split, index, kind=kind)


def _stored(pairs: TruePairs, places: Sequence[int]) -> Iterator[TruePair]:
    for place in places:
        yield pairs[place]


def _chosen(known: Sequence[str], wanted: Sequence[str] | None, where: str) -> list[str]:
    for kind in wanted or ():
        if kind not in known:
            raise InputError(f"{where} has no class {kind}: its classes are {', '.join(known)}")
    return [kind for kind in known if not wanted or kind in wanted]


@contextmanager
def _progress(number: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scoring", total=number)
        yield lambda: bar.advance(task)


def _write(folder: Path, result: Evaluation, about: dict[str, Any]) -> None:
    from piv.train.figures import evaluation_figure

    plain = {
        **about,
        "rows": [
            {"class": r.kind, "method": r.method, "pairs": r.pairs, **_finite(r.figures)}
            for r in result.rows
        ],
        "bias": [point._asdict() for point in result.bias],
        "response": [point._asdict() for point in result.response],
        "reliability": result.reliability,
    }
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in result.rows for name in row.figures))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "method", "pairs", *names])
    for row in result.rows:
        writer.writerow(
            [row.kind, row.method, row.pairs]
            + [f"{row.figures[n]:.6g}" if _known(row.figures, n) else "" for n in names]
        )
    contents = {
        "evaluation.csv": text.getvalue().encode("utf-8"),
        "evaluation.json": json.dumps(plain, indent=1, allow_nan=False).encode("utf-8"),
        "evaluation.png": evaluation_figure(result),
    }
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
