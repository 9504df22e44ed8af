"""A tif of many pages as a source of pairs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from piv.errors import InputError
from piv.io.images import check_complete, check_grey, colour, damaged, silence
from piv.io.sources.base import Frames, PairSource, SourceSpec
from piv.io.sources.pairing import DOUBLE, SERIES, chosen_pairing, sequence_pairs


class TifSource(PairSource):
    """Pairs of the pages of one tif, or of a stack that some programs put under one page.

    Parameters
    ----------
    spec : SourceSpec

    Raises
    ------
    InputError
        If the file is damaged or has one image only, or its pairing is in doubt.
    """

    kind = "tif"

    def __init__(self, spec: SourceSpec) -> None:
        self._path = spec.path
        self._lock = threading.Lock()  # one file position for all
        with silence("tifffile"):
            try:
                self._file = tifffile.TiffFile(spec.path)
                self._pages = self._file.pages
                page: Any = self._pages.first
                count = len(self._pages)
                series = self._file.series[0] if count == 1 else None
                self._stack = series if series is not None and series.ndim == 3 else None
            # a damaged file can fail anywhere inside the decoders
            except Exception as error:
                raise damaged(spec.path, error) from error
        try:
            if page.samplesperpixel != 1 or page.ndim != 2:
                raise colour(spec.path, f"it has {page.samplesperpixel} channels")
            if self._stack is not None:
                count = self._stack.shape[0]
            guess = SERIES if count % 2 else DOUBLE
            pairing = chosen_pairing(
                count, spec.pairing, str(spec.path), guess, doubtful=spec.doubtful
            )
            self._places = sequence_pairs(range(count), pairing)
            super().__init__(
                replace(spec, pairing=pairing),
                names=[f"pages {a + 1}, {b + 1}" for a, b in self._places],
                shape=(int(page.shape[0]), int(page.shape[1])),
                dtype=page.dtype,
                notes=[f"{len(self._places)} pair(s) of {count} pages, paired {pairing}"],
                title=f"{spec.path.name} ",
            )
        except BaseException:
            self.close()
            raise

    def _frames(self, index: int) -> Frames:
        first, second = self._places[index]
        return self._page(first), self._page(second)

    def _page(self, place: int) -> npt.NDArray[Any]:
        with self._lock, silence("tifffile"):
            try:
                image = self._of_page(place) if self._stack is None else self._of_stack(place)
            except InputError:
                raise
            # a damaged file can fail anywhere inside the decoders
            except Exception as error:
                raise damaged(self._path, f"page {place + 1}: {error}") from error
        check_grey(self._path, image)
        return image

    def _of_page(self, place: int) -> npt.NDArray[Any]:
        page: Any = self._pages[place]
        check_complete(self._path, [page])
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
            raise colour(self._path, "it is indexed by a colour table")
        return np.asarray(page.asarray())

    def _of_stack(self, place: int) -> npt.NDArray[Any]:
        stack = self._stack
        assert stack is not None
        if stack.dataoffset is None:  # compressed: there is no way to one image alone
            return np.asarray(stack.asarray()[place])
        dtype = stack.dtype.newbyteorder(self._file.byteorder)
        height, width = stack.shape[1:]
        size = height * width * dtype.itemsize
        end = stack.dataoffset + (place + 1) * size
        if end > self._file.filehandle.size:
            raise InputError(f"{self._path} is truncated: it ends before page {place + 1}")
        self._file.filehandle.seek(end - size)
        data = bytearray(self._file.filehandle.read(size))  # which can be written, as torch wants
        return np.frombuffer(data, dtype).reshape(height, width)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
