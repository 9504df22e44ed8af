"""What was opened last, newest first; kept in the user's folder of the program."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from piv.errors import PIVError
from piv.io.files import replacing

MOST = 12
LONGEST = 20  # paths of one entry: more were a selection that nobody looks for again

Entry: TypeAlias = tuple[Path, ...]


class Recent:
    """The list of recent files: an entry is what was opened together, such as two images.

    A list that cannot be read is an empty one, and one that cannot be written is lost: neither is
    worth a message.

    Parameters
    ----------
    folder : Path
        The user's folder of the program.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "recent.json"

    def entries(self) -> list[Entry]:
        """What was opened last, newest first; also what is not there any more."""
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return []
        if not isinstance(known, list):
            return []
        found = [
            tuple(Path(name) for name in names)
            for names in known
            if isinstance(names, list) and names and all(isinstance(n, str) for n in names)
        ]
        return found[:MOST]

    def add(self, paths: Sequence[Path]) -> None:
        """Put what was opened in front; long selections are not kept."""
        entry = _entry(paths)
        if 0 < len(entry) <= LONGEST:
            self._write([entry, *(each for each in self.entries() if each != entry)])

    def remove(self, paths: Sequence[Path]) -> None:
        """Take an entry out, such as one that has gone."""
        entry = _entry(paths)
        self._write([each for each in self.entries() if each != entry])

    def clear(self) -> None:
        """Forget all."""
        self._write([])

    def _write(self, entries: list[Entry]) -> None:
        plain = [[str(path) for path in entry] for entry in entries[:MOST]]
        text = json.dumps(plain, ensure_ascii=False, indent=1)
        with contextlib.suppress(OSError, PIVError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file) as file:
                file.write(text.encode("utf-8", "replace"))


def _entry(paths: Sequence[Path]) -> Entry:
    return tuple(path.absolute() for path in paths)
