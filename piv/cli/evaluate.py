"""``piv evaluate``: errors of the coarse stage and of weights against known displacement."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from piv.cli import units
from piv.cli.choices import add_settings, chosen_model, chosen_settings
from piv.errors import InputError, SettingsError
from piv.io.files import make_folder, replacing

if TYPE_CHECKING:
    from piv.io.dataset import TruePairs
    from piv.train.evaluation import Evaluation, Step
    from piv.train.source import Hidden, Source
    from piv.types import TruePair

    Known: TypeAlias = tuple[TruePair, Hidden | None]

# figure -> heading, format; in the order of the table
COLUMNS = {
    "mean_endpoint_error": ("end-point", "{:.4f}"),
    "vector_rms": ("vector rms", "{:.4f}"),
    "bias_u": ("bias u", "{:+.4f}"),
    "bias_v": ("bias v", "{:+.4f}"),
    "outlier_share": (">1 px", "{:.2%}"),
    "peak_locking": ("locking", "{:.4f}"),
    "coverage": ("coverage", "{:.1%}"),
    "coverage_low": ("lowest", "{:.1%}"),
    "coverage_high": ("highest", "{:.1%}"),
    "coverage_95": ("within 95 %", "{:.1%}"),
    "rank_correlation": ("rank corr.", "{:.3f}"),
    "error_correlation_length": ("corr. length", "{:.1f}"),
    "wavelength_response": ("gain", "{:.3f}"),
    "overshoot": ("overshoot", "{:.1%}"),
    "width": ("window", "{:.0f}"),
}
_BINS = 10  # of the sub-pixel part of a displacement


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``piv``."""
    parser = commands.add_parser(
        "evaluate",
        help="score the coarse stage and a model on pairs of known displacement",
        description="Score the coarse stage and the dense field on each class of a synthetic test "
        "set, or on a data set with truth: mean end-point error, vector rms, bias (px), share of "
        "errors above 1 px, peak locking (px), coverage of the stated uncertainty (pooled, lowest "
        "and highest of a pair, of the 95 % interval), its rank correlation with |error|, gain of "
        "a wave, overshoot of a step.  Masked and unseeded pixels and an 8-px border are left out. "
        "Gains by wavelength, steps and biases by sub-pixel displacement follow in tables of "
        "their own.",
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
        "--split", choices=("validation", "test"),
        help="part of the test set (default: validation)",
    )  # fmt: skip
    parser.add_argument(
        "--pairs", type=units.count, metavar="N",
        help="pairs per class (default: 12, of a data set all)",
    )  # fmt: skip
    parser.add_argument("--classes", nargs="+", metavar="CLASS", help="these classes only")
    add_settings(parser)
    parser.add_argument(
        "--ablation", action="store_true", help="also score the least-squares base alone"
    )
    parser.add_argument(
        "--floors", action="store_true",
        help="also score what the images allow at best: the exact displacement of the visible "
        "particles, the best window on frames moved by the truth, the Cramer-Rao bound of windows",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER",
        help="write evaluation.csv, sweeps.csv, evaluation.json and evaluation.png here",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0; a :class:`PIVError` becomes 2 in ``main``."""
    settings = chosen_settings(args)
    if args.data is not None and args.split is not None:
        raise InputError("--split is of a test set: a data set has all its pairs in one")
    args.split = args.split or "validation"
    if args.output is not None:
        make_folder(args.output)
    from piv.network.weights import load_model
    from piv.settings import to_dict
    from piv.train.evaluation import by_class, evaluate, floor_rows

    model = load_model(chosen_model(args))
    if args.ablation and model is None:
        raise SettingsError("--ablation needs a model: the least-squares base is part of it")
    with _classes(args) as tests, _progress(tests.number * (1 + args.floors)) as progress:
        pairs = {kind: _alone(made) for kind, made in tests.classes.items()}
        result = evaluate(pairs, settings, model, ablation=args.ablation, progress=progress)
        if args.floors:
            rows = floor_rows({kind: made() for kind, made in tests.classes.items()}, progress)
            result = dataclasses.replace(result, rows=by_class([*result.rows, *rows]))
    about = {
        "test_set": str(args.data) if args.data else args.test_set,
        "split": "" if args.data else args.split,
        "model": None if model is None else {"name": model.name, "sha256": model.sha256},
        "settings": to_dict(settings),
    }
    print(table(result))
    for text in (gains(result), steps(result), biases(result)):
        if text:
            print(f"\n{text}")
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
    return _aligned(lines)


def gains(result: Evaluation) -> str:
    """Gain over the wavelength, a line for each kind of wave and method; empty without waves."""
    from piv.train.evaluation import series

    points = [(series(p.kind), p.method, p.varied, p.result) for p in result.response]
    lengths = sorted({length for *_, length, _ in points})
    if not points:
        return ""
    lines = [["gain at wavelength, px", "method", *(f"{length:.3g}" for length in lengths)]]
    for name, method in dict.fromkeys((name, method) for name, method, *_ in points):
        cells = []
        for length in lengths:
            found = [g for n, m, w, g in points if (n, m, w) == (name, method, length)]
            cells.append(f"{sum(found) / len(found):.3f}" if found else "-")
        lines.append([name, method, *cells])
    return _aligned(lines)


def steps(result: Evaluation) -> str:
    """Overshoot and width of the steps, a line for each class and method; empty without steps."""
    if not result.steps:
        return ""
    lines = [["response to a step", "method", "overshoot", "10-90 %, px"]]
    for step in result.steps:
        width = f"{step.rise:.1f}" if math.isfinite(step.rise) else "-"
        lines.append([step.kind, step.method, f"{step.overshoot:.1%}", width])
    return _aligned(lines)


def biases(result: Evaluation) -> str:
    """Bias over the sub-pixel displacement, a line for each class and method; empty without."""
    if not result.bias:
        return ""
    from piv.metrics import peak_locking

    heads = [f"{n / _BINS:.1f}" for n in range(_BINS)]
    lines = [["bias from a fraction of, px", "method", *heads, "half range", "largest"]]
    for kind, method in dict.fromkeys((p.kind, p.method) for p in result.bias):
        points = [p for p in result.bias if (p.kind, p.method) == (kind, method)]
        # 0.05 px steps are stored as float32: 0.15 must not fall below its bin
        true = np.array([p.varied + 1e-5 for p in points])
        found = np.array([p.result for p in points])
        place = ((true % 1.0) * _BINS).astype(int)
        cells = [
            f"{found[place == n].mean():+.4f}" if (place == n).any() else "-" for n in range(_BINS)
        ]
        half = peak_locking(true, found, _BINS)
        cells.append(f"{half:.4f}" if math.isfinite(half) else "-")
        lines.append([kind, method, *cells, f"{abs(found).max():.4f}"])
    return _aligned(lines)


def _aligned(lines: list[list[str]]) -> str:
    """Columns of one width; the first two to the left, numbers to the right."""
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


class _Tests(NamedTuple):
    """Class -> function that makes or reads its pairs, each with what is hidden of it, if known."""

    classes: dict[str, Callable[[], Iterator[Known]]]
    number: int


def _alone(made: Callable[[], Iterator[Known]]) -> Iterator[TruePair]:
    for true, _ in made():
        yield true


@contextmanager
def _classes(args: argparse.Namespace) -> Iterator[_Tests]:
    """The pairs of every chosen class, made or read when they are asked for."""
    if args.data is not None:
        from piv.io.dataset import TruePairs

        with TruePairs(args.data) as pairs:
            kinds = [kind or "all" for kind in pairs.kinds]
            chosen = _chosen(list(dict.fromkeys(kinds)), args.classes, str(args.data))
            indices = {
                kind: [i for i, found in enumerate(kinds) if found == kind][: args.pairs]
                for kind in chosen
            }
            stored = {kind: partial(_stored, pairs, places) for kind, places in indices.items()}
            yield _Tests(dict(stored), sum(len(places) for places in indices.values()))
        return
    from piv.train.source import open_source

    # one letter before the colon is a drive
    named = ":" in args.test_set[2:]
    name = args.test_set if named else f"synth:{args.test_set}"
    source = open_source(name)
    chosen = _chosen(source.classes, args.classes, f"the test set {args.test_set}")
    number = args.pairs or 12
    made = {kind: partial(_made, source, args.split, kind, number, args.floors) for kind in chosen}
    yield _Tests(dict(made), number * len(chosen))


def _made(source: Source, split: str, kind: str, number: int, floors: bool) -> Iterator[Known]:
    from piv.train.source import Revealing

    for index in range(number):
        if floors and isinstance(source, Revealing):
            yield source.reveal(split, index, kind)
        else:
            yield source.pair(split, index, kind=kind), None


def _stored(pairs: TruePairs, places: Sequence[int]) -> Iterator[Known]:
    for place in places:
        yield pairs[place], None


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
        "steps": [_finite_step(step) for step in result.steps],
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
        "sweeps.csv": _sweeps(result).encode("utf-8"),
        "evaluation.json": json.dumps(plain, indent=1, allow_nan=False).encode("utf-8"),
        "evaluation.png": evaluation_figure(result),
    }
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)


def _sweeps(result: Evaluation) -> str:
    """Every point of every sweep: one line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sweep", "class", "method", "varied", "result"])
    for name, points in (("bias", result.bias), ("gain", result.response)):
        for p in points:
            writer.writerow([name, p.kind, p.method, f"{p.varied:.6g}", f"{p.result:.6g}"])
    for step in result.steps:
        for distance, response in zip(step.distance, step.response, strict=True):
            writer.writerow(["step", step.kind, step.method, f"{distance:g}", f"{response:.6g}"])
    return text.getvalue()


def _finite_step(step: Step) -> dict[str, Any]:
    return {**step._asdict(), "rise": step.rise if math.isfinite(step.rise) else None}


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
