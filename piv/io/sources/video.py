"""A video as a source of pairs."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.sources.base import Frames, PairSource, SourceSpec
from piv.io.sources.pairing import SERIES, chosen_pairing, sequence_pairs

_GREY_8, _GREY_16 = b"Y800", b"Y1\0\x10"  # what FFmpeg calls the forms of a pixel
_LOSSLESS = (b"FFV1", b"HFYU", b"FFVH", b"Y800", b"ULRG", b"RAW ", b"\0\0\0\0")


class VideoSource(PairSource):
    """Pairs of the frames of a grey video.

    Seeking is not exact in many videos, so frames are counted from the beginning: reading in rising
    order is fast.  The first and the second frames have a decoder each, so that memory does not
    grow with the distance between them.

    Parameters
    ----------
    spec : SourceSpec

    Raises
    ------
    InputError
        If it is no video, in colour, or its pairing is in doubt.
    """

    kind = "video"

    def __init__(self, spec: SourceSpec) -> None:
        self._lock = threading.Lock()
        self._decoders = (_Decoder(spec.path), _Decoder(spec.path))
        try:
            frame = self._decoders[0].frame(0)
            count = self._decoders[0].count
            if not 0 < count < 1e9:  # some containers do not say
                count = _counted(spec.path)
            pairing = chosen_pairing(
                count, spec.pairing, str(spec.path), SERIES, doubtful=spec.doubtful
            )
            self._places = sequence_pairs(range(count), pairing)
            notes = [f"{len(self._places)} pair(s) of {count} frames, paired {pairing}"]
            if not self._decoders[0].lossless:
                notes.append(
                    "the video was compressed with loss, which disturbs particle images: use the "
                    "camera's own files where there are any"
                )
            if spec.dt is None:
                notes.append("dt = 1 s: the frame rate of a video is that of playing")
            super().__init__(
                replace(spec, pairing=pairing),
                names=[f"frames {a + 1}, {b + 1}" for a, b in self._places],
                shape=(frame.shape[0], frame.shape[1]),
                dtype=frame.dtype,
                notes=notes,
                title=f"{spec.path.name} ",
            )
        except BaseException:
            self.close()
            raise

    def _frames(self, index: int) -> Frames:
        first, second = self._places[index]
        with self._lock:
            return self._decoders[0].frame(first), self._decoders[1].frame(second)

    def close(self) -> None:
        """Close the file."""
        for decoder in self._decoders:
            decoder.close()


class _Decoder:
    """One pass through a video, begun again where an earlier frame is wanted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._video, self._next = _open(path), 0
        self._raw = False
        self.count = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        self.lossless = self._tag(cv2.CAP_PROP_FOURCC).upper() in _LOSSLESS
        form = self._tag(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)
        if form in (_GREY_8, _GREY_16):
            self._raw = True
            self._video.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        elif form[:1] == b"Y" and form[3] in (9, 10, 12, 14, 16):
            self.close()
            raise InputError(
                f"{path} has {form[3]} bits a pixel in a form of which 8 would be left: save it as "
                "a tif of many pages"
            )

    def frame(self, place: int) -> npt.NDArray[Any]:
        """The grey levels of a frame, counted from 0."""
        if place < self._next:
            self._video.release()
            self._video, self._next = _open(self._path), 0
            if self._raw:
                self._video.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        while self._next < place:
            if not self._video.grab():
                raise self._ended(place)
            self._next += 1
        good, image = self._video.read()
        if not good or image is None:
            raise self._ended(place)
        self._next += 1
        return self._grey(np.asarray(image))

    def close(self) -> None:
        self._video.release()

    def _grey(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if image.ndim == 2:
            return image
        first = image[..., 0]
        if any(not np.array_equal(first, image[..., n]) for n in range(1, image.shape[-1])):
            raise InputError(
                f"{self._path.name} is a colour video: save it as grey levels, such as by `ffmpeg "
                "-i IN -pix_fmt gray -c:v ffv1 OUT.mkv`"
            )
        return np.ascontiguousarray(first)

    def _ended(self, place: int) -> InputError:
        return InputError(f"{self._path.name} ends, or is damaged, before frame {place + 1}")

    def _tag(self, which: int) -> bytes:
        return (int(self._video.get(which)) & 0xFFFFFFFF).to_bytes(4, "little")


def _open(path: Path) -> Any:
    # the decoders print on the terminal what is told here as an error
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise InputError(
            f"cannot read {path}: it is no HDF5 data set, folder, list (.txt, .csv), tif or video, "
            "or it is damaged"
        )
    return video


def _counted(path: Path) -> int:
    video, count = _open(path), 0
    while video.grab():
        count += 1
    video.release()
    return count
