"""Hashes of what an analysis was made from, so that a result can be told from another's."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from piv.types import ImagePair


def fingerprint(pair: ImagePair) -> str:
    """SHA-256 of the frames' and the mask's content, types and shape.

    Parameters
    ----------
    pair : ImagePair
    """
    return array_hash(pair.first, pair.second, pair.mask)


def array_hash(*arrays: npt.NDArray[Any] | None) -> str:
    """SHA-256 of arrays with their types and shapes; None is left out."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
