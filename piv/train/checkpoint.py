"""Checkpoints of a training run: written whole or not at all, read without running code."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from piv.errors import InputError
from piv.io.files import replacing

NAME = "checkpoint.pt"
VERSION = 2


def write(path: Path, state: dict[str, Any]) -> None:
    """Put a checkpoint under its name, in one move.

    Raises
    ------
    PIVError
        If it cannot be written; the previous checkpoint stays.
    """
    # in memory first: on a full disk torch would hide what the system says
    content = io.BytesIO()
    torch.save({"version": VERSION, **state}, content)
    with replacing(path) as file:
        file.write(content.getbuffer())


def read(path: Path) -> dict[str, Any]:
    """The state that :func:`write` stored.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another version.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror}") from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        raise InputError(f"the checkpoint {path} is damaged: start the run anew") from None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise InputError(f"the checkpoint {path} is not of this version: start the run anew")
    return state
