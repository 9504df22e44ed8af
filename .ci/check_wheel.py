"""Fail unless the wheel holds the packages with all their data, and nothing else."""

from __future__ import annotations

import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

NEEDED = [
    "piv/__init__.py",
    "piv/py.typed",
    "gui/py.typed",
    "synth/py.typed",
    "piv/weights/catalogue.toml",
    "piv/weights/*.safetensors",
    "piv/train/recipes/*.toml",
    "synth/recipes/*.toml",
    "synth/fields/*",
    "*.dist-info/licenses/LICENSE",
    "*.dist-info/entry_points.txt",
]
ALLOWED = ["piv/*", "gui/*", "synth/*", "ccfcn_piv-*.dist-info/*"]


def problems(names: list[str]) -> list[str]:
    """What is missing from, or foreign to, a wheel with these files."""
    missing = [p for p in NEEDED if not any(fnmatch(name, p) for name in names)]
    foreign = [name for name in names if not any(fnmatch(name, p) for p in ALLOWED)]
    return [f"missing: {p}" for p in missing] + [f"does not belong: {name}" for name in foreign]


if __name__ == "__main__":
    wheel = Path(sys.argv[1])
    with zipfile.ZipFile(wheel) as archive:
        found = problems(archive.namelist())
    print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB", *found, sep="\n")
    sys.exit(bool(found))
