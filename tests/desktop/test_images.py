"""Tasks that make the images of a pair ready for the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gui.compute.tasks import images
from piv.errors import InputError
from piv.io.sources import SourceSpec

SHAPE = (270, 610)


class Context:
    def __init__(self) -> None:
        self.told: list[tuple[int, int, str]] = []

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.told.append((done, total, text))


@pytest.fixture
def spec(tmp_path: Path, rng: np.random.Generator) -> SourceSpec:
    frames = rng.integers(100, 900, (2, 2, *SHAPE)).astype(np.uint16)
    frames[:, 1] += 1000
    frames[1, 0, :, :305] = 0  # dark at the left
    path = tmp_path / "Düse 1.h5"
    with h5py.File(path, "w") as file:
        file["frames/a"], file["frames/b"] = frames[:, 0], frames[:, 1]
        file["mask"] = np.arange(SHAPE[1])[None] < np.full((SHAPE[0], 1), 20)
        file.attrs["dt"] = 2e-4
    return SourceSpec(path)


def test_pair(spec: SourceSpec) -> None:
    context = Context()
    found = images.pair(context, spec, 1)
    with spec.open() as source:
        pair = source[1]
    np.testing.assert_array_equal(found["a"].levels[0], pair.first)
    np.testing.assert_array_equal(found["b"].levels[0], pair.second)
    assert found["mask"].sum() == 20 * SHAPE[0]
    assert found["dt"] == 2e-4
    assert found["name"] == pair.name
    low, high = found["range"]
    assert low < 10  # of the darker frame
    assert 1800 < high <= 1900  # of the brighter one
    assert [done for done, _, _ in context.told] == sorted(done for done, _, _ in context.told)


def test_one_frame_is_that_of_the_pair(spec: SourceSpec) -> None:
    found: dict[str, Any] = images.pair(Context(), spec, 0)
    for frame in ("a", "b"):
        alone = images.pyramid(Context(), spec, 0, frame)
        assert alone["range"] == found["range"]
        for one, other in zip(alone["pyramid"].levels, found[frame].levels, strict=True):
            np.testing.assert_array_equal(one, other)


def test_thumbnail_is_small_and_shows_the_frame(spec: SourceSpec) -> None:
    small = images.thumbnail(Context(), spec, 1, size=96)
    assert small.dtype == np.uint8
    assert max(small.shape) <= 96
    assert small.shape[1] / small.shape[0] == pytest.approx(SHAPE[1] / SHAPE[0], rel=0.05)
    half = small.shape[1] // 2
    assert small[:, : half - 1].mean() < 10 < 150 < small[:, half + 1 :].mean()


def test_histogram_counts_every_pixel(spec: SourceSpec) -> None:
    found = images.histogram(Context(), spec, 0, bins=50)
    assert found["edges"].shape == (51,)
    assert found["a"].sum() == found["b"].sum() == SHAPE[0] * SHAPE[1]
    assert found["a"][30:].sum() == 0  # all bright pixels are in the second frame


def test_a_pair_that_cannot_be_read_is_told(spec: SourceSpec, tmp_path: Path) -> None:
    missing = SourceSpec(tmp_path / "gone.h5")
    with pytest.raises(InputError, match=r"gone\.h5"):
        images.pair(Context(), missing, 0)
