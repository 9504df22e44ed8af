"""Print one of the README's commands: the code block after the comment ``<!-- ci: NAME -->``."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def command(text: str, name: str) -> str:
    """The lines of the marked block, joined into one command."""
    found = re.search(rf"<!-- ci: {re.escape(name)} -->\s*```\w*\n(.*?)\n```", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no command marked {name!r}")
    lines = [line.rstrip().removesuffix("\\").strip() for line in found[1].splitlines()]
    return " ".join(line for line in lines if line)


if __name__ == "__main__":
    print(command(Path("README.md").read_text(encoding="utf-8"), sys.argv[1]))
