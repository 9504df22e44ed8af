"""The command line: ``piv COMMAND ...``.

Exit status: 0 done; 1 some pairs or checks failed; 2 a usage or input error, told in one line on
standard error; 3 stopped early and resumable; 130 Ctrl-C; 70 a bug, with its traceback.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from piv.cli.guard import Parser, guarded

# modules with `add_parser(commands)`; they load torch only when they run
_COMMANDS = (
    "analyse", "batch", "ensemble", "pack", "status", "show", "stats", "export", "train",
    "compare", "evaluate", "settings", "doctor",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``piv`` with these words (default: the process's own); returns the exit status."""
    return guarded("piv", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    status: int = args.run(args)
    return status


def build_parser() -> Parser:
    """Make the parser with all commands."""
    import piv

    parser = Parser(
        prog="piv",
        description="Particle image velocimetry: velocity and its uncertainty at every pixel.",
    )
    parser.add_argument("--version", action="version", version=f"ccfcn-piv {piv.__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name in _COMMANDS:
        importlib.import_module(f"piv.cli.{name}").add_parser(commands)
    return parser
