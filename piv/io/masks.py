"""Masks in HDF5: one for all pairs, or one for each (docs/datasets.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from piv.errors import InputError
from piv.fingerprint import array_hash
from piv.types import Bool, check_mask, size_text

T = TypeVar("T")

_HDF5 = b"\x89HDF\r\n\x1a\n"


def holds_masks(path: Path) -> bool:
    """Whether a file of masks is HDF5, and no image; False too where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except OSError:
        return False


class MaskFile:
    """``/mask`` of an HDF5 file, read pair by pair; non-zero = masked.

    Parameters
    ----------
    path : Path
    shape : (int, int)
        The frames' (H, W).

    Attributes
    ----------
    count : int or None
        How many pairs have a mask of their own; None: there is one for all.

    Raises
    ------
    InputError
        If the file holds no ``/mask`` of this size, or the one mask hides every pixel.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, (int(shape[0]), int(shape[1]))
        self.count = self._reading(self._checked)
        self._one: Bool | None = None
        if self.count is None:
            self._one = self._reading(lambda masks: np.asarray(masks[()] != 0))
            check_mask(self._one, self.shape, f"the mask {path}")

    def __getitem__(self, index: int) -> Bool:
        """The mask of a pair, bool (H, W).

        Raises
        ------
        InputError
            If it cannot be read.
        """
        if self._one is not None:
            return self._one
        return self._reading(lambda masks: np.asarray(masks[index] != 0))

    def check_count(self, pairs: int) -> None:
        """Refuse a file with masks for another number of pairs.

        Raises
        ------
        InputError
        """
        if self.count is not None and self.count != pairs:
            raise InputError(
                f"the mask {self.path} is for {self.count} pairs, but there are {pairs}: give one "
                f"mask {size_text(self.shape)} for all, or one for each"
            )

    def digest(self) -> str:
        """SHA-256 of what is masked; that of one mask is the same as of an image of it."""
        if self._one is not None:
            return array_hash(self._one)
        whole = hashlib.sha256()
        for index in range(self.count or 0):
            whole.update(array_hash(self[index]).encode())
        return whole.hexdigest()

    def _checked(self, masks: h5py.Dataset) -> int | None:
        size = tuple(masks.shape)
        if masks.dtype.kind not in "biu" or size[-2:] != self.shape or len(size) not in (2, 3):
            raise InputError(
                f"{self.path}: /mask is {size_text(size)} {masks.dtype}, but whole numbers "
                f"{size_text(self.shape)}, or one such mask for each pair, are wanted"
            )
        return None if len(size) == 2 else int(size[0])

    def _reading(self, read: Callable[[h5py.Dataset], T]) -> T:
        try:
            with h5py.File(self.path, "r") as file:
                masks = file.get("mask")
                if not isinstance(masks, h5py.Dataset):
                    raise InputError(f"{self.path} holds no masks: a data set /mask is wanted")
                return read(masks)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:150]
            raise InputError(f"cannot read the mask {self.path}: {reason}") from None
