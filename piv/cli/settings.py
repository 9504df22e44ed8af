"""``piv settings``: print all settings as a commented TOML template."""

from __future__ import annotations

import argparse
from typing import Any

from piv import settings as stages
from piv.presets import PRESETS


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "settings",
        help="print all settings as a TOML template",
        description="Print all settings with their defaults, ranges and units, as TOML that "
        "`piv analyse --settings` reads.",
    )
    parser.add_argument(
        "--preset", choices=list(PRESETS), default="standard", metavar="NAME",
        help=f"{', '.join(PRESETS)} (default: standard)",
    )  # fmt: skip
    parser.add_argument(
        "--recipe", metavar="NAME|FILE",
        help="print a recipe of `piv train` with all its values instead, such as standard",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print."""
    if args.recipe is not None:
        from piv.train import recipe

        print(recipe.to_toml(recipe.load(args.recipe)), end="")
        return 0
    print(stages.to_toml(PRESETS[args.preset].settings, comments=True), end="")
    return 0
