"""Data sets, comparisons and an executor without processes for the tests of whole runs."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import h5py
import numpy as np
from pairs import flow_pair, vortex

from piv.batch.processes import Lost

SHAPE = (48, 72)
FREE = ("/seconds",)  # the only thing that may differ between two runs
FREE_ATTRIBUTES = ("id", "commits")


def frames(count: int, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Different pairs, quickly: a few that were rendered, moved around."""
    kinds = [flow_pair(shape, vortex(shape, peak=1.0 + k, core=12.0), seed=k) for k in range(3)]
    first, second = np.empty((2, count, *shape), np.uint8)
    for n in range(count):
        pair, shift = kinds[n % 3], (n // 3, 2 * (n // 3))
        first[n], second[n] = (np.roll(f, shift, (0, 1)) for f in (pair.first, pair.second))
    return first, second


def write_set(path: Path, count: int, shape: tuple[int, int] = SHAPE, dtype: str = "u1") -> Path:
    """An HDF5 data set of pairs, a chunk each."""
    first, second = frames(count, shape)
    with h5py.File(path, "w") as file:
        for name, images in (("a", first), ("b", second)):
            file.create_dataset(
                f"frames/{name}", data=images.astype(dtype), chunks=(1, *shape), fletcher32=True
            )
    return path


def spoil_chunk(path: Path, index: int) -> None:
    """Change bytes of one stored frame, as a bad disk does."""
    with h5py.File(path, "r") as file:
        place = file["frames/a"].id.get_chunk_info_by_coord((index, 0, 0)).byte_offset
    with path.open("r+b") as file:
        file.seek(place + 100)
        file.write(b"\xa5\x5a" * 20)


def contents(path: Path) -> dict[str, np.ndarray]:
    """Name -> values of everything in a store that must not depend on how it was made."""
    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        for key, value in item.attrs.items():
            if key not in FREE_ATTRIBUTES and key not in ("REFERENCE_LIST", "DIMENSION_LIST"):
                found[f"/{name}@{key}"] = np.asarray(value)
        if isinstance(item, h5py.Dataset) and f"/{name}" not in FREE:
            found[f"/{name}"] = item[()]

    with h5py.File(path, "r") as file:
        visit("", file)
        file.visititems(visit)
    return found


def assert_same(one: Path, other: Path) -> None:
    """Two stores hold the same, value for value; NaN equals NaN."""
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    for name, values in a.items():
        assert values.dtype == b[name].dtype, name
        np.testing.assert_array_equal(values, b[name], err_msg=name)


class Inline:
    """Computes where it is asked, with a pool's interface; some tasks may be lost."""

    def __init__(self, prepare, workers: int = 1, lost: tuple[int, ...] = ()) -> None:
        self.workers = workers
        self.window = 2 * workers + 2
        self._compute = prepare()
        self._tasks: deque = deque()
        self._lost = lost

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def room(self) -> int:
        return self.window - len(self._tasks)

    @property
    def outstanding(self) -> int:
        return len(self._tasks)

    def submit(self, task) -> None:
        self._tasks.append(task)

    def next(self, timeout: float):
        if not self._tasks:
            time.sleep(min(timeout, 0.01))  # as a pool waits
            return None
        task = self._tasks.popleft()
        if task.index in self._lost:
            return task, Lost("its worker died twice (signal 9)")
        return task, self._compute(task)

    def close(self) -> None:
        self._tasks.clear()
        source = getattr(self._compute, "source", None)  # a process would end with its files
        if source is not None:
            source.close()
