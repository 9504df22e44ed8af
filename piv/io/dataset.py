"""HDF5 data sets of image pairs with their truth, read pair by pair.

``/frames/a``, ``/frames/b`` (N, H, W) and, for scoring, ``/truth/u``, ``/truth/v`` (N, H, W) in px
are needed; ``/mask``, ``/truth/seeded`` and ``/kind`` may be there.  A mask may be one (H, W) image
for all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from piv.errors import InputError
from piv.types import Bool, ImagePair, TruePair

_NEEDED = ("frames/a", "frames/b", "truth/u", "truth/v")


class TruePairs:
    """The pairs of a data set with truth: ``len(pairs)``, ``pairs[i]``, a context manager.

    Parameters
    ----------
    path : str or Path

    Attributes
    ----------
    kinds : list of str
        Class of the flow of every pair; empty text where the data set names none.

    Raises
    ------
    InputError
        If the file cannot be read or is no data set of pairs with truth.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with self.path.open("rb"):  # says plainly what h5py wraps in a long message
                pass
            self._file = h5py.File(self.path, "r")
        except FileNotFoundError:
            raise InputError(f"there is no file {self.path}") from None
        except OSError as error:
            reason = error.strerror or "not an HDF5 file, or a damaged one"
            raise InputError(f"cannot read the data set {self.path}: {reason}") from None
        try:
            self._check()
        except InputError:
            self._file.close()
            raise

    def _check(self) -> None:
        for name in _NEEDED:
            if not isinstance(self._file.get(name), h5py.Dataset):
                raise InputError(f"{self.path} has no /{name}: give a data set of pairs with truth")
        shape = self._file["frames/a"].shape
        if len(shape) != 3 or shape[0] == 0:
            raise InputError(f"{self.path}: /frames/a must be (pairs, height, width), not {shape}")
        for name in (*_NEEDED, "truth/seeded"):
            if name in self._file and self._file[name].shape != shape:
                raise InputError(
                    f"{self.path}: /{name} is {self._file[name].shape}, but /frames/a is {shape}"
                )
        if "mask" in self._file and self._file["mask"].shape not in (shape, shape[1:]):
            raise InputError(
                f"{self.path}: /mask is {self._file['mask'].shape}, but /frames/a is {shape}"
            )
        self.kinds = [""] * shape[0]
        if "kind" in self._file and self._file["kind"].shape == shape[:1]:
            self.kinds = [_text(value) for value in self._file["kind"][:]]

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> TruePair:
        if not 0 <= index < len(self):
            raise IndexError(index)
        file = self._file
        seeded = file["truth/seeded"][index].astype(bool) if "truth/seeded" in file else None
        name = f"{self.path.name} pair {index}"
        return TruePair(
            ImagePair(
                file["frames/a"][index], file["frames/b"][index], 1.0, self._mask(index), name
            ),
            np.asarray(file["truth/u"][index], np.float32),
            np.asarray(file["truth/v"][index], np.float32),
            seeded,
            self.kinds[index],
        )

    def __iter__(self) -> Iterator[TruePair]:
        for index in range(len(self)):
            yield self[index]

    def _mask(self, index: int) -> Bool | None:
        if "mask" not in self._file:
            return None
        masks = self._file["mask"]
        mask = np.asarray(masks[index] if masks.ndim == 3 else masks[:]) != 0
        return mask if mask.any() else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> TruePairs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
