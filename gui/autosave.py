"""What is kept of unsaved work, so that a crash costs a minute of it at most.

Every running program has a folder of its own under ``autosave`` in the user's folder, with a lock
beside it that ends with the program, however that ends.  A folder whose lock is free was left by
one that has crashed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from gui.sessionfile import SUFFIX

NAME = f"autosave{SUFFIX}"


@dataclass(frozen=True, eq=False, slots=True)
class Left:
    """Unsaved work of a program that has crashed; its lock is held from now on.

    Parameters
    ----------
    folder : Path
    lock : FileLock
    when : datetime
        When it was written.
    what : str
        What to call it.
    """

    folder: Path
    lock: FileLock
    when: datetime
    what: str

    @property
    def path(self) -> Path:
        """The session file."""
        return self.folder / NAME

    def remove(self) -> None:
        """Delete it."""
        _remove(self.folder, self.lock)

    def leave(self) -> None:
        """Leave it for the next start."""
        self.lock.release()


class Place:
    """Where this program keeps its unsaved work.

    Parameters
    ----------
    home : Path
        The user's folder of the program.
    """

    def __init__(self, home: Path) -> None:
        self._base = home / "autosave"
        self._folder: Path | None = None
        self._lock: FileLock | None = None

    def path(self) -> Path:
        """The session file to write.

        Raises
        ------
        OSError
            If the folder cannot be made.
        """
        if self._folder is None:
            self._base.mkdir(parents=True, exist_ok=True)
            folder = self._base / secrets.token_hex(6)
            self._lock = FileLock(f"{folder}.lock", thread_local=False)
            try:
                self._lock.acquire(timeout=1)
            except Timeout as error:
                raise OSError(f"cannot lock {folder}") from error
            folder.mkdir()
            self._folder = folder
        return self._folder / NAME

    def clear(self) -> None:
        """Delete what is kept: it is in a session file now, or is not wanted."""
        if self._folder is not None and self._lock is not None:
            _remove(self._folder, self._lock)
        self._folder = self._lock = None


def left(home: Path) -> list[Left]:
    """Unsaved work of programs that have crashed, newest first; the locks are taken."""
    found = []
    for path in (home / "autosave").glob("*.lock"):
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except (OSError, Timeout):
            continue  # its program lives
        folder = path.with_suffix("")
        try:
            file = folder / NAME
            when = datetime.fromtimestamp(file.stat().st_mtime).astimezone()
            plain = json.loads(file.read_text("utf-8"))
            found.append(Left(folder, lock, when, _name(plain)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            _remove(folder, lock)  # it crashed before anything was written
    return sorted(found, key=lambda each: each.when, reverse=True)


def _name(plain: dict[str, object]) -> str:
    original = plain.get("original")
    if isinstance(original, str):
        return Path(original).name
    for part in ("source", "store"):
        known = plain.get(part)
        if isinstance(known, dict):
            return Path(known["place"]["absolute"]).name
    return "a session"


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    if not folder.exists():
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
