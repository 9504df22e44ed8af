"""Session files, written and read in a process of their own: a large one takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gui import sessionfile
from gui.compute.server import Context, task

__all__ = ["read", "write"]


@task
def write(context: Context, state: sessionfile.Snapshot, path: Path) -> None:
    """Write a session file; see :func:`gui.sessionfile.write`.

    Raises
    ------
    PIVError
        If the disk refuses.
    """
    sessionfile.write(state, path, context.progress)


@task
def read(
    context: Context, path: Path, found: Mapping[Path, Path] | None = None
) -> sessionfile.Loaded:
    """Read a session file; see :func:`gui.sessionfile.read`.

    Raises
    ------
    InputError
        If it cannot be read, or is damaged.
    """
    return sessionfile.read(path, found, context.progress)
