"""Making folders, and writing files so that nothing half-written has the final name."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from piv.errors import InputError, PIVError


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none.

    Raises
    ------
    InputError
        If that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from None


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` only once it is complete.

    It is written under a hidden name in the same folder and renamed at the end.  If anything
    goes wrong on the way, Ctrl-C included, it is removed and what was there before stays.

    Raises
    ------
    PIVError
        If the system refuses to write, such as on a full disk.
    """
    path = Path(path)
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise PIVError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def replacing_path(path: str | Path) -> Iterator[Path]:
    """As :func:`replacing`, for libraries that want a name to write to, and for folders.

    Yields
    ------
    Path
        A hidden name with the same ending, in the same folder.

    Raises
    ------
    PIVError
        If the system refuses to write.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem[:200]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield part
        if path.is_dir():  # a folder cannot take the place of one that is there
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        raise PIVError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
