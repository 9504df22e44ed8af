"""Which code made something."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path


def code_version() -> dict[str, str]:
    """Package version, and the commit where the package is a checkout."""
    record = {"version": version("ccfcn-piv")}
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return record
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=root, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return record
    return {**record, "commit": found.stdout.strip()}
