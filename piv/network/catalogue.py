"""Which weights there are, and their hashes; needs no torch, so that comparing is quick."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from piv.errors import WeightsError
from piv.settings import MOST_STEPS, STEPS

_LONGEST = 100_000_000  # bytes of a header, as the format has it


def catalogue() -> dict[str, Mapping[str, Any]]:
    """Name -> entry (file, sha256, summary) of the weights that come with the package."""
    return dict(known()[0])


def weights_path(name: str | Path) -> Path:
    """File of weights that are named by the catalogue or by a path.

    Raises
    ------
    WeightsError
        If the name is neither in the catalogue nor a file.
    """
    entries, default = known()
    word = default if name == "default" and default is not None else str(name)
    if word in entries:
        with as_file(folder() / entries[word]["file"]) as path:
            return path
    path = Path(name)
    if not path.exists():
        raise WeightsError(unknown(str(name), entries))
    return path


def absolute(name: str) -> str:
    """The same weights as named from any working folder; names stay what they are."""
    if name.lower() in ("none", "default") or name in known()[0] or not Path(name).is_file():
        return name
    return str(Path(name).absolute())


def weights_hash(name: str | Path | None) -> str | None:
    """SHA-256 of the weights file that a name or path stands for; None for no weights.

    Raises
    ------
    WeightsError
        If the name is neither in the catalogue nor a file that can be read.
    """
    if name is None or str(name).lower() == "none":
        return None
    path = weights_path(name)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from None


@lru_cache(maxsize=8)
def record_of(sha256: str) -> Mapping[str, Any] | None:
    """Record of the weights that come with the package and have this hash; None = none has it.

    Only the file's header is read.

    Raises
    ------
    WeightsError
        If the file is missing or damaged.
    """
    for name, entry in known()[0].items():
        if entry["sha256"] != sha256:
            continue
        try:
            return MappingProxyType(_record(folder() / entry["file"]))
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            raise WeightsError(
                f"cannot read the record of the weights {name}: reinstall the package"
            ) from None
    return None


def steps_of(name: str | Path) -> int:
    """Refinement steps that weights were trained for; only the file's header is read.

    What cannot be read has the default of :data:`piv.settings.STEPS`: whoever loads the weights
    is told what is wrong with them.
    """
    if str(name).lower() == "none":  # a file may be called so
        return STEPS
    try:
        return trained_steps(_record(weights_path(name)))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, WeightsError):
        return STEPS


def trained_steps(record: Mapping[str, Any]) -> int:
    """Refinement steps that a record of weights names, or the default if it names none."""
    recipe = record.get("recipe")
    steps = recipe.get("refinement_steps") if isinstance(recipe, Mapping) else None
    return steps if isinstance(steps, int) and 1 <= steps <= MOST_STEPS else STEPS


def _record(path: Path | Traversable) -> dict[str, Any]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _LONGEST:
            raise ValueError("this is no safetensors file")
        header = json.loads(file.read(size))
    record: dict[str, Any] = json.loads(header["__metadata__"]["record"])
    return record


@lru_cache(maxsize=1)
def known() -> tuple[Mapping[str, Mapping[str, Any]], str | None]:
    """The entries by name, and the name that ``"default"`` stands for."""
    text = (folder() / "catalogue.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return MappingProxyType(tables.get("weights", {})), tables.get("default")


def folder() -> Traversable:
    """Where the package keeps its weights."""
    return files("piv") / "weights"


def unknown(name: str, entries: Mapping[str, Any]) -> str:
    """Message about a name that is neither an entry nor a file."""
    choices = [*entries, "none"]
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown model {name}: {hint}known are {', '.join(choices)}, or a .safetensors file"
