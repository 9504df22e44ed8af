"""Which weights there are, and their hashes; needs no torch, so that comparing is quick."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from piv.errors import WeightsError


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
