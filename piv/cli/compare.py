"""``piv compare``: which of two weights explains recordings better, without any truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from piv.cli.choices import add_recordings, check_output
from piv.cli.train import wanted_recordings
from piv.errors import InputError
from piv.io.files import replacing


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to ``piv``."""
    parser = commands.add_parser(
        "compare",
        help="ask recordings which of two weights suits them better",
        description="Ask recordings which of two weights suits them better.  Small discs are "
        "hidden from the analysis, the field is bridged across them, and there the two frames, "
        "moved by it, are correlated: once with the old and once with the new weights.  Fields "
        "that resolve more may fall in this test, which favours smooth ones.",
    )
    parser.add_argument(
        "recordings", type=Path, metavar="PAIRS", help="data set, folder, list, tif or video"
    )
    parser.add_argument(
        "--old", default="default", metavar="NAME|FILE", help="weights (default: the default)"
    )
    parser.add_argument("--new", required=True, metavar="NAME|FILE", help="other weights")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE.json", help="also write the figures here"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_recordings(parser.add_argument_group("recordings"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0 whatever the answer; 1 if some of the pairs could not be asked."""
    if args.output is not None:
        check_output(args.output, [args.recordings], overwrite=args.overwrite)
    wanted = wanted_recordings(args.recordings, args)
    from piv.network.weights import load_model
    from piv.train.finetune import left_out_text, plain_difference, verdict_text
    from piv.train.hidden_pixels import compare
    from piv.train.recordings import open_recordings

    old, new = load_model(args.old), load_model(args.new)
    if old is None or new is None:
        raise InputError("two weights are compared: 'none' is no weights")
    with open_recordings(wanted) as recordings:
        for note in recordings.source.notes:
            print(f"note: {note}", file=sys.stderr)
        found = compare(recordings, old, new, recordings.settings)
    # two files may have one name
    names = [m.name if old.name != new.name else f"{m.name} ({m.sha256[:12]})" for m in (old, new)]
    print(verdict_text(found, *names))
    for line in left_out_text(found):
        print(line, file=sys.stderr)
    if args.output is not None:
        plain = {
            "old": {"name": old.name, "sha256": old.sha256},
            "new": {"name": new.name, "sha256": new.sha256},
            **plain_difference(found),
        }
        with replacing(args.output) as file:
            file.write((json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    return 1 if found.left_out else 0
