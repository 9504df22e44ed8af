"""``piv status``: how far a run is, what has failed and why, and which pairs look bad."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piv.batch.progress import pair_text
from piv.cli.progress import failure_text

if TYPE_CHECKING:
    from piv.io.store import Results

# figure -> what to call it, its unit, whether a low or a high value is the bad one
_SHOWN = {
    "valid": ("valid vectors", " %", "lowest"),
    "mean_displacement": ("mean displacement", " px", "highest"),
    "largest_displacement": ("largest displacement", " px", "highest"),
    "median_peak_ratio": ("median peak ratio", "", "lowest"),
}
_WORST = 5  # pairs that are named for each figure in JSON


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status",
        help="how far a run is, and what has failed",
        description="Tell how many pairs of a run are done, failed and pending, why pairs have "
        "failed, and which ones look worst. Works at any time, also while the run goes on. Pairs "
        "are named by their index in the source, from 0.",
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT.h5", help="what piv batch writes")
    parser.add_argument("--json", action="store_true", help="the same for machines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, and print."""
    from piv.io.journal import is_written
    from piv.io.store import open_results

    results = open_results(args.output)
    running = is_written(args.output)
    if args.json:
        print(json.dumps(report(results, running), indent=1, ensure_ascii=False))
    else:
        for line in lines(results, running):
            print(line)
    return 0


def report(results: Results, running: bool) -> dict[str, Any]:
    """Collect plain data about a run.

    Parameters
    ----------
    results : Results
    running : bool
        Whether a run is writing.
    """
    known = np.isfinite(results.seconds)
    return {
        "output": str(results.path),
        "running": running,
        "pairs": len(results),
        "done": len(results.done),
        "failed": len(results.failed),
        "pending": len(results.pending),
        "seconds_per_pair": _number(np.median(results.seconds[known])) if known.any() else None,
        "failures": [_failure(results, position) for position in results.failed],
        "quality": {name: _figure(results, name) for name in results.quality},
    }


def lines(results: Results, running: bool) -> Iterator[str]:
    """Say the same to people."""
    told = report(results, running)
    yield f"{results.path}: {len(results)} pair(s){', a run is writing' if running else ''}"
    for name in ("done", "failed", "pending"):
        yield _row(name, str(told[name]))
    if told["seconds_per_pair"] is not None:
        yield _row("time", f"median {told['seconds_per_pair']:.3g} s a pair")
    for name, (label, unit, end) in _SHOWN.items():
        figure = told["quality"].get(name)
        if figure is None or figure["median"] is None:
            continue
        worst = figure[end][0]
        yield _row(
            label,
            f"median {figure['median']:.4g}{unit}, {end} {worst['value']:.4g}{unit} "
            f"in {pair_text(worst['index'], worst['name'])}",
        )
    for failure in told["failures"]:
        text = failure_text(failure["index"], failure["name"], failure["reason"])
        yield f"  failed: {text}"


def _row(name: str, text: str) -> str:
    return f"  {name:<21} {text}"


def _entry(results: Results, position: int) -> dict[str, Any]:
    return {"index": int(results.pairs[position]), "name": results.names[position]}


def _failure(results: Results, position: int) -> dict[str, Any]:
    return {**_entry(results, position), "reason": results.errors[position]}


def _figure(results: Results, name: str) -> dict[str, Any]:
    """Median of a figure of merit, and the pairs at both of its ends."""
    values = results.quality[name]
    known = np.flatnonzero(np.isfinite(values) & (results.status == 1))
    order = known[np.argsort(values[known], kind="stable")]

    def named(positions: Any) -> list[dict[str, Any]]:
        return [{**_entry(results, n), "value": float(values[n])} for n in positions]

    return {
        "median": _number(np.median(values[known])) if known.size else None,
        "lowest": named(order[:_WORST]),
        "highest": named(order[::-1][:_WORST]),
    }


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
