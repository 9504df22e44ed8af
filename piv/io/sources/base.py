"""What every source of image pairs has in common."""

from __future__ import annotations

import hashlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.masks import MaskFile, holds_masks
from piv.types import MINIMUM_SIZE, Bool, Float, ImagePair, check_dt, check_mask, size_text

Frames: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any]]
Truth: TypeAlias = tuple[Float, Float, Bool | None]


class DoubtfulPairing(InputError):
    """What belongs together is not certain.

    Attributes
    ----------
    guess : str
        The pairing that is likeliest: what ``doubtful=True`` takes.
    """

    def __init__(self, message: str, guess: str) -> None:
        super().__init__(message)
        self.guess = guess


@dataclass(frozen=True, eq=False, slots=True)
class SourceSpec:
    """What opens a source again, in another process too.

    Parameters
    ----------
    path : Path
        Absolute.
    frames, pairing, dt, mask, doubtful
        As for :func:`piv.open_pairs`.
    files : tuple of tuples of str, or None
        The image files of every pair, relative to the folder: two, or one of two pages.  Once they
        are known a folder is not looked through again, and a file that comes later moves no pair.
    """

    path: Path
    frames: str | None = None
    pairing: str | None = None
    dt: float | None = None
    mask: Path | Bool | None = None
    doubtful: bool = False
    files: tuple[tuple[str, ...], ...] | None = None

    def open(self) -> PairSource:
        """Open the source.

        Raises
        ------
        InputError
            As for :func:`piv.open_pairs`.
        """
        from piv.io.sources import open_source

        return open_source(self)


class PairSource(ABC, Sequence[ImagePair]):
    """Image pairs, each read when it is asked for: ``len``, ``[i]``, iteration, ``with``.

    ``source[i]`` raises :class:`piv.InputError` in one line if that pair cannot be used; the other
    pairs stay readable.  The input is never opened for writing.

    Attributes
    ----------
    kind : str
        ``hdf5``, ``folder``, ``list``, ``tif`` or ``video``.
    spec : SourceSpec
        Opens the same pairs again; it can be pickled.
    names : sequence of str
        What every pair is called, such as ``a_001.tif, b_001.tif``.
    shape : (int, int)
        (H, W) of the frames, px.
    dtype : numpy.dtype
        Of the grey levels of the first pair.
    dt : float
        Time between the two frames, s.
    dt_known : bool
        Whether the source or the caller gave ``dt``; if not, it is 1.
    pixel_size : float or None
        In the flow, m/px.
    time : float array, shape (N,), or None
        When the pairs were taken, s.
    notes : list of str
        What a user should be told: the pairing chosen, files left out.
    kinds : list of str, or None
        Class of the flow of every pair, where the source knows it.
    """

    kind = ""
    kinds: list[str] | None = None

    def __init__(
        self,
        spec: SourceSpec,
        *,
        names: Sequence[str],
        shape: tuple[int, int],
        dtype: npt.DTypeLike,
        dt: float | None = None,
        pixel_size: float | None = None,
        time: Float | None = None,
        notes: Sequence[str] = (),
        title: str = "",
    ) -> None:
        if min(shape) < MINIMUM_SIZE:
            raise InputError(
                f"{spec.path.name}: the frames are {size_text(shape)} px (height x width): at "
                f"least {MINIMUM_SIZE} x {MINIMUM_SIZE} px are needed"
            )
        for value in (dt, spec.dt):
            if value is not None:
                check_dt(value, f"{spec.path.name}: ")
        self.spec = spec
        self.names = names
        self.shape = shape
        self.dtype = np.dtype(dtype).newbyteorder("=")
        dt = dt if spec.dt is None else spec.dt
        self.dt, self.dt_known = 1.0 if dt is None else float(dt), dt is not None
        self.pixel_size = pixel_size
        self.time = time
        self.notes = list(notes)
        self._title = title
        self._given = _given_mask(spec.mask, shape)
        if isinstance(self._given, MaskFile):
            self._given.check_count(len(names))

    @property
    def given_mask(self) -> MaskFile | Bool | None:
        """What the caller masks, without the masks of the source itself."""
        return self._given

    @abstractmethod
    def _frames(self, index: int) -> Frames:
        """The two frames of a pair; :class:`InputError` says why there are none."""

    def _mask(self, index: int) -> Bool | None:  # noqa: ARG002  (for sources with masks)
        """The mask that the source itself has for a pair."""
        return None

    def truth(self, index: int) -> Truth | None:  # noqa: ARG002
        """Known displacement of a pair: u, v in px (v down), and where there are particles.

        Parameters
        ----------
        index : int

        Returns
        -------
        (u, v, seeded) : float32 and bool arrays, shape (H, W); ``seeded`` may be None
            None where the source has no truth.
        """
        return None

    def common_dtype(self) -> np.dtype[Any]:
        """The type of number that holds the grey levels of all pairs without loss."""
        return self.dtype

    def close(self) -> None:
        """Close what is open; nothing can be read afterwards."""

    def identity(self) -> dict[str, Any]:
        """What tells this source from another: plain JSON, without paths and grey levels."""
        names = "\n".join(self.names).encode()
        return {
            "kind": self.kind,
            "count": len(self),
            "height": self.shape[0],
            "width": self.shape[1],
            "dtype": self.dtype.name,
            "dt": self.dt,
            "pixel_size": self.pixel_size,
            "frames": self.spec.frames,
            "pairing": self.spec.pairing,
            "names": hashlib.sha256(names).hexdigest(),
        }

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> ImagePair:  # type: ignore[override]  # no slices
        place = self._place(index)
        name = self._title + self.names[place]
        try:
            first, second = (_native(frame) for frame in self._frames(place))
            for frame in (first, second):
                if frame.ndim == 2 and frame.shape != self.shape:
                    raise InputError(
                        f"a frame is {size_text(frame.shape)} px (height x width), but those of "
                        f"the series are {size_text(self.shape)} px"
                    )
            given = self._given[place] if isinstance(self._given, MaskFile) else self._given
            masks = [mask for mask in (given, self._mask(place)) if mask is not None]
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        mask = np.logical_or.reduce(masks) if masks else None
        if mask is not None and not mask.any():
            mask = None
        return ImagePair(first, second, self.dt, mask, name)

    def _place(self, index: int) -> int:
        """The index counted from the first pair."""
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"there are {len(self)} pairs, numbered from 0: there is no {place}")
        return place % len(self)

    def __iter__(self) -> Iterator[ImagePair]:
        for index in range(len(self)):
            yield self[index]

    def __enter__(self) -> PairSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _native(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """In the byte order of this machine, as torch needs it."""
    return frame.astype(frame.dtype.newbyteorder("="), copy=False)


def _given_mask(mask: Path | Bool | None, shape: tuple[int, int]) -> MaskFile | Bool | None:
    """One mask, or a file of masks, for frames of this shape."""
    if mask is None:
        return None
    if isinstance(mask, Path):
        from piv.io.images import read_mask

        return MaskFile(mask, shape) if holds_masks(mask) else read_mask(mask, shape)
    check_mask(mask, shape, "the mask")
    return mask
