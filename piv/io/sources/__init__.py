"""Where image pairs come from: an HDF5 data set, a folder, a list, a multi-page tif, a video.

Each is a :class:`PairSource`: pairs by number, read when they are asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np

from piv.errors import InputError
from piv.io.sources.base import DoubtfulPairing, PairSource, SourceSpec
from piv.types import Bool

__all__ = ["DoubtfulPairing", "PairSource", "SourceSpec", "open_pairs", "open_source"]

_LISTS = (".txt", ".csv", ".lst", ".list")
_HDF5 = (".h5", ".hdf5", ".hdf", ".he5", ".nc", ".mat")
_TIF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"BM", b"\xff\xd8\xff")


def open_pairs(
    path: str | Path,
    *,
    frames: str | None = None,
    pairing: str | None = None,
    dt: float | None = None,
    mask: str | Path | Bool | None = None,
    doubtful: bool = False,
) -> PairSource:
    """Open image pairs, wherever they are; each is read when it is asked for.

    Parameters
    ----------
    path : str or Path
        An HDF5 data set (docs/datasets.md), a folder of image files, a text file that lists them
        (two names a line, relative to it), a tif of many pages or a video.
    frames : str, optional
        HDF5 only: the data set of the frames, ``PATH`` or ``PATH_A,PATH_B``; by default it is
        found.
    pairing : str, optional
        ``ab`` (marks in file names: a/b, 1/2), ``1-2,3-4`` (every frame once), ``1-2,2-3`` (every
        frame with the next) or ``jump:K`` (with the K-th after it); by default it is found where
        there is no doubt.
    dt : float, optional
        Time between the two frames of a pair, s; by default the source's, or 1.
    mask : str, Path or bool array, shape (H, W), optional
        True or non-zero = masked, in every pair; joined with the masks of the source.  A file is
        an image, or HDF5 with ``/mask`` (H, W) for all pairs or (N, H, W) for each.
    doubtful : bool
        Take the likeliest pairing where there is doubt, and use images too whose names look like
        a background or a calibration.

    Returns
    -------
    PairSource
        ``len(pairs)``, ``pairs[i]`` (an :class:`piv.ImagePair`), iteration; close it, or use
        ``with``.  ``pairs.notes`` tells what was left out.

    Raises
    ------
    InputError
        If there is nothing that can be read; :class:`DoubtfulPairing`, one of its kind, if it is
        not certain which frames belong together.

    Examples
    --------
    >>> with piv.open_pairs("run7.h5") as pairs:  # doctest: +SKIP
    ...     result = piv.analyse(pairs[0])
    """
    if isinstance(mask, (str, Path)):
        mask = Path(mask).absolute()
    elif mask is not None:
        mask = np.asarray(mask)
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"a source of pairs is named by a path, not {type(path).__name__}")
    return open_source(SourceSpec(Path(path).absolute(), frames, pairing, dt, mask, doubtful))


def open_source(spec: SourceSpec) -> PairSource:
    """Open what a :class:`SourceSpec` describes; see :func:`open_pairs`."""
    path = spec.path
    try:
        if not path.exists():
            raise InputError(f"there is no file or folder {path}")
        kind = _kind(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if kind != "hdf5" and spec.frames is not None:
        raise InputError(f"frames names a data set inside an HDF5 file, which {path} is not")
    if kind == "hdf5":
        from piv.io.sources.hdf5 import HDF5Source

        return HDF5Source(spec)
    if kind in ("folder", "list"):
        from piv.io.sources.files import FileSource

        return FileSource(spec)
    if kind == "tif":
        from piv.io.sources.tif import TifSource

        return TifSource(spec)
    if kind == "image":
        raise InputError(f"{path} is one image: give the folder that holds it, or a list of files")
    from piv.io.sources.video import VideoSource

    return VideoSource(spec)


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    if path.suffix.lower() in _LISTS:
        return "list"
    if path.suffix.lower() in _HDF5 or h5py.is_hdf5(path):
        return "hdf5"
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_TIF):
        return "tif"
    return "image" if start.startswith(_IMAGES) else "video"
