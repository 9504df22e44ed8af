"""Image files: one frame, a pair, a mask.

The format is told by the file's first bytes, not by its name.  Grey levels keep their depth: a
12-bit recording stays 12-bit.  Colour is refused, because there is no one right way to make one
grey level of three; so are equal channels, because a silent exception would hide a wrong export.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.types import Bool, ImagePair, check_mask, size_text

_TIF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = {b"\x89PNG\r\n\x1a\n": "png", b"BM": "bmp", b"\xff\xd8\xff": "jpg"}


def read_pair(
    first: str | Path,
    second: str | Path | None = None,
    *,
    mask: str | Path | npt.NDArray[Any] | None = None,
    dt: float = 1.0,
) -> ImagePair:
    """Read an image pair from two files, or from one tif of two pages.

    Parameters
    ----------
    first, second : path
        Image files: tif, png, bmp or jpg.
    mask : path or bool array, shape (H, W), optional
        An image file, or HDF5 with ``/mask`` (non-zero = masked), or an array (True = masked).
    dt : float
        Inter-frame time in s.

    Raises
    ------
    InputError
        If a path is none, a file cannot be used, a single file does not hold two pages, or as
        for :class:`piv.ImagePair`.
    """
    first = _path(first)
    if second is None:
        pages = read_pages(first)
        if len(pages) != 2:
            raise InputError(
                f"{first} holds {_number(len(pages))}: give two image files, or one tif of two "
                "pages"
            )
        frames, name = pages, first.name
    else:
        second = _path(second)
        frames, name = [read_image(first), read_image(second)], f"{first.name}, {second.name}"
    pair = ImagePair(frames[0], frames[1], dt=dt, name=name)
    if mask is None:
        return pair
    if not isinstance(mask, np.ndarray):
        mask = read_mask(mask, pair.shape)
    return ImagePair(pair.first, pair.second, dt=dt, mask=mask, name=name)


def read_image(path: str | Path) -> npt.NDArray[Any]:
    """Read one frame with the grey levels of the file.

    Parameters
    ----------
    path : path
        A tif of one page (8 to 32 bit integers, floats, compressed or not), png, bmp or jpg.

    Returns
    -------
    array, shape (H, W)

    Raises
    ------
    InputError
        If the file is missing, a folder, empty, damaged, no image, or not of grey levels.
    """
    path = _path(path)
    pages = read_pages(path)
    if len(pages) != 1:
        raise InputError(
            f"{path} holds {_number(len(pages))}, but one is wanted: a tif of two pages is a pair "
            "by itself, without a second file"
        )
    return pages[0]


def read_mask(path: str | Path, shape: tuple[int, int]) -> Bool:
    """Read the mask of one pair from an image file, or from HDF5 (``/mask``); non-zero = masked.

    Parameters
    ----------
    path : path
    shape : (int, int)
        The frames' (H, W).

    Raises
    ------
    InputError
        As for :func:`read_image`, if the mask has another shape, or if it hides every pixel.
    """
    from piv.io.masks import MaskFile, holds_masks

    path = _path(path)
    if holds_masks(path):
        masks = MaskFile(path, shape)
        masks.check_count(1)
        mask = masks[0]
    else:
        mask = np.asarray(read_image(path) != 0)
    check_mask(mask, tuple(shape), f"the mask {path}")
    return mask


def _path(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        hint = ": piv.ImagePair takes arrays" if isinstance(value, np.ndarray) else ""
        raise InputError(f"the path of an image file is wanted, not {_kind(value)}{hint}")
    if "\0" in (text := os.fsdecode(value)):
        raise InputError(f"the path of an image file is wanted, not {text!r}")
    return Path(text)


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Header:
    """What an image file says of itself: pages, (H, W) of the first one in px, type of number."""

    pages: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]


def read_header(path: Path) -> Header:
    """Read what an image file says of itself, without its grey levels.

    Raises
    ------
    InputError
        If the file is missing, no image or damaged at its beginning.
    """
    if not _is_tif(path):
        import imageio.v3 as iio

        with silence("imageio", "PIL"):
            try:
                about = iio.improps(path, plugin="pillow", index=0)
            # a damaged file can fail anywhere inside the decoders
            except Exception as error:
                raise damaged(path, error) from error
        return Header(1, (about.shape[0], about.shape[1]), np.dtype(about.dtype))
    import tifffile

    with silence("tifffile"):
        try:
            with tifffile.TiffFile(path) as tif:
                page, pages = tif.pages.first, len(tif.pages)
                shape, dtype = page.shape, page.dtype
                if pages == 1 and tif.series[0].ndim == 3 and page.samplesperpixel == 1:
                    pages = tif.series[0].shape[0]  # a stack under one page
        # a damaged file can fail anywhere inside the decoders
        except Exception as error:
            raise damaged(path, error) from error
    return Header(pages, (shape[0], shape[1]), np.dtype(dtype))


def read_pages(path: Path) -> list[npt.NDArray[Any]]:
    """Read every page of the file, each (H, W).

    Raises
    ------
    InputError
        As for :func:`read_image`, but for the number of pages.
    """
    pages = _read_tif(path) if _is_tif(path) else [_read_other(path)]
    for page in pages:
        check_grey(path, page)
    return pages


def _is_tif(path: Path) -> bool:
    """Whether it is a tif or another image that can be read, by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise InputError(f"cannot read {path}: there is no such file") from None
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else error.strerror
        raise InputError(f"cannot read {path}: {reason}") from None
    if not start:
        raise InputError(f"cannot read {path}: the file is empty")
    if start.startswith(_TIF):
        return True
    if any(start.startswith(sign) for sign in _OTHERS):
        return False
    raise InputError(f"{path} is not an image that can be read (tif, png, bmp, jpg)")


def _read_tif(path: Path) -> list[npt.NDArray[Any]]:
    import tifffile

    with silence("tifffile") as complaints:
        try:
            with tifffile.TiffFile(path) as tif:
                leaves: list[Any] = list(tif.pages)
                check_complete(path, leaves)
                if any(leaf.photometric == tifffile.PHOTOMETRIC.PALETTE for leaf in leaves):
                    raise colour(path, "it is indexed by a colour table")
                if len(leaves) == 1 and leaves[0].samplesperpixel == 1:
                    image = tif.series[0].asarray()  # some programs put a stack under one page
                    pages = list(image) if image.ndim == 3 else [image]
                else:
                    pages = [leaf.asarray() for leaf in leaves]
        except InputError:
            raise
        # a damaged file can fail anywhere inside the decoders
        except Exception as error:
            raise damaged(path, error) from error
    for complaint in complaints:
        # a page that cannot be reached is lost without an exception; odd tags do no harm
        if any(words in complaint for words in ("page offset", "tag count", "missing data")):
            raise damaged(path, complaint)
    return pages


def check_complete(path: Path, leaves: list[Any]) -> None:
    """Refuse a file that ends before its data: readers would fill the rest with zeros."""
    size = path.stat().st_size
    for page in leaves:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > size:
                raise InputError(
                    f"{path} is truncated: it ends at {size} of {offset + count} bytes"
                )


def _read_other(path: Path) -> npt.NDArray[Any]:
    import imageio.v3 as iio

    with silence("imageio", "PIL"):
        try:
            with iio.imopen(path, "r", plugin="pillow") as file:
                return np.asarray(file.read(index=0))
        # a damaged file can fail anywhere inside the decoders
        except Exception as error:
            raise damaged(path, error) from error


def check_grey(path: Path, image: npt.NDArray[Any]) -> None:
    """Refuse colour, and numbers that are no grey levels."""
    if image.ndim != 2:
        channels = min(image.shape) if image.ndim == 3 else None
        raise colour(path, f"it has {channels} channels" if channels else size_text(image.shape))
    if image.dtype.kind not in "uifb":
        raise InputError(f"{path} holds {image.dtype} numbers: save it as integers or floats")


def colour(path: Path, why: str) -> InputError:
    """Say that a file holds colour images."""
    return InputError(
        f"{path} is a colour image ({why}): save it as grey levels, with one channel, also "
        "where its channels are equal"
    )


def damaged(path: Path, reason: object) -> InputError:
    """Say that a file cannot be decoded."""
    text = " ".join(str(reason).split())
    detail = f" ({text[:150]})" if text else ""
    return InputError(f"{path} is damaged or truncated, or of a kind that cannot be read{detail}")


@contextmanager
def silence(*loggers: str) -> Iterator[list[str]]:
    """Keep third-party loggers and warnings from the terminal; collect the errors they log."""
    complaints: list[str] = []
    own = threading.get_ident()

    def swallow(record: logging.LogRecord) -> bool:
        if record.thread != own:
            return True
        if record.levelno >= logging.ERROR:
            complaints.append(record.getMessage())
        return False

    for name in loggers:
        logging.getLogger(name).addFilter(swallow)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield complaints
    finally:
        for name in loggers:
            logging.getLogger(name).removeFilter(swallow)


def _number(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"
