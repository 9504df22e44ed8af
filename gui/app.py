"""Entry point of ``piv-gui``."""

from __future__ import annotations

import sys


def main() -> int:
    """Say that this version has no desktop program, and what to use instead.

    Returns
    -------
    int
        Exit status 1: nothing was started.
    """
    print(
        "piv-gui: the desktop program is not part of this version; "
        "use `piv analyse FIRST SECOND -o FIELD.h5 --figure FIELD.png`",
        file=sys.stderr,
    )
    return 1
