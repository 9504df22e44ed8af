"""Image pairs in HDF5: the layouts of docs/datasets.md, read pair by pair, never written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.sources.base import Frames, PairSource, SourceSpec, Truth
from piv.io.sources.pairing import SERIES, check_pairing, chosen_pairing, jump, sequence_pairs
from piv.types import Bool

_RESULTS = "ccfcn-piv results"
_STACKS = ("images", "frames", "I")
_NOT_FRAMES = ("mask", "truth", "targets", "target")
_CACHE = 128 << 20  # bytes; enough for the chunks of one frame where a chunk holds many frames
_HINT = "name its frames: frames=PATH or PATH_A,PATH_B (--frames)"


class HDF5Source(PairSource):
    """A data set: ``/frames/a`` and ``/frames/b``, a stack of pairs, or a sequence of frames.

    Parameters
    ----------
    spec : SourceSpec
    file : binary file, optional
        Read this one, which is open already; ``spec.path`` is then its name alone.

    Raises
    ------
    InputError
        If the file cannot be read or holds no frames that can be paired.
    """

    kind = "hdf5"

    def __init__(self, spec: SourceSpec, file: BinaryIO | None = None) -> None:
        self.path = spec.path
        self.file = _open(self.path) if file is None else h5py.File(file, "r")
        try:
            with self._failures():
                self._prepare(spec)
        except BaseException:
            self.file.close()
            raise

    def _prepare(self, spec: SourceSpec) -> None:
        if self.file.attrs.get("format") == _RESULTS:
            raise InputError(f"{self.path} holds results of this program, not image pairs")
        notes: list[str] = []
        found = _find(self.file, self.path, spec.frames, notes)
        names = [dataset.name for dataset in found]
        if any(_chunked_badly(dataset) for dataset in found):
            self.file.close()
            self.file = _open(self.path, rdcc_nbytes=_CACHE)
            found = [self.file[name] for name in names]
            notes.append(
                f"{names[0]} is stored in chunks of many frames, which are slow to read: `piv "
                "pack` makes a data set of one pair a chunk"
            )
        first = found[0]
        for dataset in found:
            _check(self.path, dataset)
        # MATLAB keeps the columns first: save -v7.3 turns (H, W, N) into (N, W, H)
        self._turned = "MATLAB_class" in first.attrs
        if len(found) == 2 and found[0].shape != found[1].shape:
            raise InputError(
                f"{self.path}: {names[1]} is {found[1].shape}, but {names[0]} is {first.shape}"
            )
        self._found = found
        self._series: list[tuple[int, int]] | None = None
        count, step, pairing = first.shape[0], 1, spec.pairing
        check_pairing(pairing)
        if len(found) == 1 and first.ndim == 3:
            what = f"{self.path.name}:{first.name}"
            pairing = pairing or text(self.file.attrs.get("pairing", "")) or None
            pairing = chosen_pairing(count, pairing, what, SERIES, doubtful=spec.doubtful)
            step = jump(pairing)
            self._series = sequence_pairs(range(count), pairing)
            notes.append(f"{len(self._series)} pairs of {count} frames, paired {pairing}")
        elif pairing is not None:
            raise InputError(f"{self.path} holds pairs, which need no pairing: leave it away")
        pairs = count if self._series is None else len(self._series)
        shape = first.shape[-2:][:: -1 if self._turned else 1]
        self._masks = self._found_mask(pairs, shape)
        super().__init__(
            replace(spec, pairing=pairing),
            names=self._names(pairs),
            shape=(int(shape[0]), int(shape[1])),
            dtype=np.result_type(*(dataset.dtype for dataset in found)),
            # of a sequence, dt is from frame to frame
            dt=None if (dt := self._number("dt")) is None else step * dt,
            pixel_size=self._number("pixel_size"),
            time=self._times(pairs),
            notes=notes,
            title=f"{self.path.name} ",
        )
        kinds = self.file.get("kind")
        if isinstance(kinds, h5py.Dataset) and kinds.shape == (pairs,):
            self.kinds = [text(value) for value in kinds[()]]

    def _frames(self, index: int) -> Frames:
        with self._failures():
            if len(self._found) == 2:
                first, second = (dataset[index] for dataset in self._found)
            elif self._series is None:
                first, second = self._found[0][index]
            else:
                first, second = (self._found[0][place] for place in self._series[index])
        return (first.T, second.T) if self._turned else (first, second)

    def _mask(self, index: int) -> Bool | None:
        if self._masks is None:
            return None
        if isinstance(self._masks, np.ndarray):
            return self._masks
        with self._failures():
            mask: npt.NDArray[Any] = self._masks[index]
        return np.asarray((mask.T if self._turned else mask) != 0)

    @property
    def has_truth(self) -> bool:
        """Whether the displacement is known: ``/truth/u`` and ``/truth/v``, or ``/targets``."""
        if "truth/u" in self.file and "truth/v" in self.file:
            return True
        return self._found[0].name == "/I" and "targets" in self.file

    def truth(self, index: int) -> Truth | None:
        """Known displacement of a pair; see :meth:`PairSource.truth`."""
        if not self.has_truth:
            return None
        place, seeded = self._place(index), None
        with self._failures():
            if "truth/u" in self.file:
                u, v = (self.file[f"truth/{name}"][place] for name in ("u", "v"))
                if "truth/seeded" in self.file:
                    seeded = np.asarray(self.file["truth/seeded"][place] != 0)
            else:
                u, v = self.file["targets"][place][-2:]  # velocity comes first, if it is there
        sign = -1 if text(self.file.attrs.get("y_axis", "")) == "up" else 1
        return np.asarray(u, np.float32), sign * np.asarray(v, np.float32), seeded

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what HDF5 says about a damaged file into one line."""
        try:
            yield
        except InputError:
            raise
        # a damaged file can fail in many ways inside the library
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            if not self.file:
                raise InputError(f"{self.path.name} is closed") from None
            if type(error) is ValueError:  # h5py's word for a closed file, else a bug
                raise
            raise InputError(f"cannot be read from {self.path.name}: {_reason(error)}") from error

    def _found_mask(self, pairs: int, shape: tuple[int, ...]) -> Any:
        """One mask for all pairs, a data set of masks, or None."""
        masks = self.file.get("mask")
        if not isinstance(masks, h5py.Dataset):
            return None
        size = shape[:: -1 if self._turned else 1]
        if masks.shape not in (size, (pairs, *size)):
            raise InputError(
                f"{self.path}: /mask is {masks.shape}, but {self._found[0].name} is "
                f"{self._found[0].shape}: one mask {size} for all, or one for each of the {pairs} "
                "pairs"
            )
        if masks.ndim == 3:
            return masks
        mask = np.asarray(masks[()] != 0)
        return mask.T if self._turned else mask

    def _names(self, pairs: int) -> list[str]:
        stored = self.file.get("name")
        if isinstance(stored, h5py.Dataset) and stored.shape == (pairs,):
            return [text(name) or f"pair {n}" for n, name in enumerate(stored[()])]
        if self._series is None:
            return [f"pair {n}" for n in range(pairs)]
        return [f"frames {a + 1}, {b + 1}" for a, b in self._series]

    def _times(self, pairs: int) -> npt.NDArray[np.float64] | None:
        stored = self.file.get("time")
        if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "iuf":
            return None
        times = np.asarray(stored[()], np.float64).ravel()
        if times.size == pairs:
            return times
        if self._series is not None and times.size == self._found[0].shape[0]:
            places = np.asarray(self._series)
            return np.asarray(times[places].mean(axis=1))  # mid-time
        raise InputError(f"{self.path}: /time has {times.size} values for {pairs} pairs")

    def _number(self, name: str) -> float | None:
        """A positive number of the file's attributes, or None where there is none."""
        value = self.file.attrs.get(name)
        if value is None:
            return None
        try:
            number = float(np.asarray(value, np.float64).reshape(()))  # MATLAB writes arrays of one
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            came = np.asarray(value).tolist()
            raise InputError(
                f"{self.path}: the attribute {name} must be one positive number, not {came!r}"
            )
        return number


def _open(path: Path, **options: Any) -> h5py.File:
    try:
        with path.open("rb"):  # says plainly what h5py wraps in a long message
            pass
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"cannot read the data set {path}: {error.strerror}") from None
    try:
        return h5py.File(path, "r", **options)
    except OSError as error:
        raise InputError(f"cannot read the data set {path}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    message = " ".join(str(error).strip("'\"").split())
    if "truncated" in message:
        return "the file is truncated: copy it again"
    if "signature not found" in message:
        return "it is not an HDF5 file, or a damaged one"
    if "unable to lock" in message:
        return "another program is writing it"
    return message[:150] or type(error).__name__


def _find(file: h5py.File, path: Path, frames: str | None, notes: list[str]) -> list[h5py.Dataset]:
    """The data set of frames, or the two of them."""
    if frames is not None:
        named = [name.strip() for name in frames.split(",")]
        if len(named) > 2:
            raise InputError(f"frames names one data set or two (PATH_A,PATH_B), not {frames!r}")
        group = file.get(named[0]) if len(named) == 1 and named[0] else None
        if isinstance(group, h5py.Group) and "a" in group and "b" in group:
            named = [f"{named[0]}/a", f"{named[0]}/b"]
        return [_named(file, path, name) for name in named]
    for place in ("frames", "images"):
        if isinstance(file.get(place), h5py.Group) and {"a", "b"} & set(file[place]):
            return [_named(file, path, f"{place}/{which}") for which in "ab"]
    for place in _STACKS:
        if isinstance(file.get(place), h5py.Dataset):
            return [file[place]]
    stacks = _stacks(file)
    if len(stacks) == 1:
        notes.append(f"the frames are {stacks[0].name}, the only stack of the file")
        return stacks
    raise InputError(f"{path} has no /frames/a and /frames/b: {_HINT}; {_contents(stacks)}")


def _named(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    dataset = file.get(name) if name else None
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{path} has no /{name.strip('/')}: {_HINT}; {_contents(_stacks(file))}")
    return dataset


def _stacks(file: h5py.File) -> list[h5py.Dataset]:
    """All data sets that could be frames."""
    stacks: list[h5py.Dataset] = []

    def look(name: str, item: Any) -> None:
        if (
            isinstance(item, h5py.Dataset)
            and item.ndim in (3, 4)
            and item.dtype.kind in "uif"
            and name.split("/")[0] not in _NOT_FRAMES
        ):
            stacks.append(item)

    file.visititems(look)
    return stacks


def _contents(stacks: list[h5py.Dataset]) -> str:
    shown = [f"{dataset.name} {dataset.shape}" for dataset in stacks[:5]]
    more = f" and {len(stacks) - 5} more" if len(stacks) > 5 else ""
    return f"stacks in it: {', '.join(shown) or 'none'}{more}"


def _check(path: Path, dataset: h5py.Dataset) -> None:
    where, shape = f"{path}: {dataset.name}", dataset.shape
    pairs_in_one = len(shape) == 4 and shape[1] == 2
    if (len(shape) != 3 and not pairs_in_one) or shape[0] == 0:
        raise InputError(
            f"{where} must be (pairs, height, width), or for a stack (pairs, 2, height, width) or "
            f"(frames, height, width), not {shape}"
        )
    if dataset.dtype.kind not in "uif":
        raise InputError(f"{where} must hold integers or floats, not {dataset.dtype}")
    filters = dataset.id.get_create_plist()
    for n in range(filters.get_nfilters()):
        code, _, _, label = filters.get_filter(n)
        if not h5py.h5z.filter_avail(code):
            raise InputError(
                f"{where} is compressed by a filter that is not installed ({text(label) or code}):"
                " store it with gzip (h5repack -f GZIP=1), or install hdf5plugin and import it"
            )


def _chunked_badly(dataset: h5py.Dataset) -> bool:
    return dataset.ndim in (3, 4) and dataset.chunks is not None and dataset.chunks[0] > 1


def text(value: Any) -> str:
    """Text of an attribute or of an element, which h5py gives as bytes or as str."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
