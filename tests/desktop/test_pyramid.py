"""The image pyramid, and the colours."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui import colours
from gui.pyramid import Pyramid, robust_range
from piv.errors import InputError


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    scale=st.integers(3, 7),
    seed=st.integers(0),
)
def test_levels_are_means_of_blocks(height: int, width: int, scale: int, seed: int) -> None:
    shape = (height * scale, width * scale + 1)
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    pyramid = Pyramid.build(array)
    assert pyramid.shape == shape
    for number, level in enumerate(pyramid.levels):
        size = 2**number
        whole = (shape[0] // size, shape[1] // size)
        blocks = array[: whole[0] * size, : whole[1] * size]
        blocks = blocks.reshape(whole[0], size, whole[1], size).mean(axis=(1, 3))
        np.testing.assert_allclose(level[: whole[0], : whole[1]], blocks, atol=1e-5)


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64", "bool"]
)
def test_constant_stays_constant(dtype: str) -> None:
    value = np.array(1).astype(dtype)
    pyramid = Pyramid.build(np.full((311, 517), value))
    assert len(pyramid.levels) == 3
    for level in pyramid.levels:
        assert (level == 1).all()


def test_full_scale_does_not_overflow() -> None:
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        pyramid = Pyramid.build(np.full((300, 400), top, dtype))
        assert all((level == top).all() and level.dtype == dtype for level in pyramid.levels)


def test_means_of_integers_are_rounded() -> None:
    array = np.zeros((256, 300), np.uint8)
    array[0, :2] = 1, 1  # block mean 0.5
    array[2, 2] = 1  # 0.25
    half = Pyramid.build(array).levels[1]
    assert half[0, 0] == 1
    assert half[1, 1] == 0


def test_nan_counts_only_where_there_is_nothing_else() -> None:
    array = np.ones((257, 300), np.float32)
    array[10:20, 30:51] = np.nan
    array[9, 51] = np.nan
    levels = Pyramid.build(array).levels
    assert np.isnan(levels[1][5:10, 15:25]).all()
    assert np.isnan(levels[1]).sum() == 5 * 10
    assert (levels[1][np.isfinite(levels[1])] == 1).all()


def test_picks_share_memory() -> None:
    array = np.arange(500 * 700, dtype=np.uint16).reshape(500, 700)
    pyramid = Pyramid.build(array, how="pick")
    assert all(np.shares_memory(level, array) for level in pyramid.levels)
    assert pyramid.levels[2][3, 5] == array[12, 20]


def test_level_follows_the_zoom() -> None:
    pyramid = Pyramid.build(np.zeros((1024, 3000), np.uint8))
    assert [pyramid.level(s) for s in (0.01, 1, 1.4, 1.42, 2.8, 2.9, 1e9)] == [0, 0, 0, 1, 1, 2, 3]
    assert [pyramid.level(s, coarse=True) for s in (1, 1.01, 2, 2.01, 8)] == [0, 1, 1, 2, 3]


@given(
    left=st.floats(-300, 1500), top=st.floats(-300, 900), width=st.floats(0.1, 2000),
    height=st.floats(0.1, 2000), samples=st.floats(0.05, 12),
)  # fmt: skip
def test_tile_covers_what_is_asked(
    left: float, top: float, width: float, height: float, samples: float
) -> None:
    rows, columns = np.mgrid[0:700, 0:1100]
    pyramid = Pyramid.build((rows * 2000 + columns).astype(np.float32), how="pick")
    tile = pyramid.tile((left, top, width, height), samples)
    inside = (
        left < 1099.5 and left + width > -0.5 and top < 699.5 and top + height > -0.5
    )  # of the array
    if tile is None:
        assert not inside
        return
    size = 2**tile.level
    x, y, w, h = tile.rect
    assert tile.array.shape == (h / size, w / size)
    assert x <= max(left, -0.5)
    assert y <= max(top, -0.5)
    assert x + w >= min(left + width, 1099.5)
    assert y + h >= min(top + height, 699.5)
    assert tile.array[0, 0] == (y + 0.5) * 2000 + x + 0.5
    if inside:  # and little more than that
        assert w <= width + 2 * size
        assert h <= height + 2 * size


def test_odd_things_are_refused() -> None:
    with pytest.raises(InputError, match="2-D"):
        Pyramid.build(np.zeros((3, 4, 5)))
    with pytest.raises(InputError, match="2-D"):
        Pyramid.build(np.zeros((0, 4)))
    with pytest.raises(InputError, match="level 1"):
        Pyramid((np.zeros((300, 400)), np.zeros((150, 201))))


def test_value_and_sample() -> None:
    array = np.arange(600 * 800, dtype=np.float32).reshape(600, 800)
    pyramid = Pyramid.build(array)
    assert pyramid.value(7, 3) == array[3, 7]
    assert np.isnan(pyramid.value(800, 0))
    assert np.isnan(pyramid.value(-1, 0))
    assert 5_000 < pyramid.sample(10_000).size < 30_000


def test_robust_range(rng: np.random.Generator) -> None:
    image = rng.normal(100, 5, (300, 400))
    image[7, 9] = 4095  # a hot pixel
    low, high = robust_range(image)
    assert 80 < low < 95
    assert 110 < high < 125
    assert robust_range(np.full((40, 50), 7)) == (7, 8)
    assert robust_range(np.full((40, 50), np.nan)) == (0, 1)
    sparse = np.zeros((100, 100))
    sparse[5, 5] = 200
    assert robust_range(sparse) == (0, 200)


@pytest.mark.parametrize("name", colours.COLOUR_MAPS)
def test_colour_maps_are_even(name: str) -> None:
    lab = colours.oklab(colours.table(name) / 255)
    steps = np.array([np.linalg.norm(lab[i + 32] - lab[i]) for i in range(0, 224, 8)])
    # the grey ramp of the screen, known to everyone, is 2.5; jet is 6
    assert steps.max() / steps.min() < 2.6
    lightness = lab[:, 0]
    if colours.is_diverging(name):
        falls = lightness[128:]
        np.testing.assert_allclose(falls, lightness[127::-1], atol=0.01)
        assert abs(lab[127, 1:]).max() < 0.01
        lightness = -falls
    assert (np.diff(lightness) > -0.006).all()


@pytest.mark.parametrize(("name", "tolerance"), [("viridis", 2), ("magma", 2), ("cividis", 7)])
def test_colour_maps_are_those_of_the_figures(name: str, tolerance: int) -> None:
    theirs = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
    assert abs(theirs - colours.table(name)).max() <= tolerance
    ours = colours.matplotlib_map(name)(np.arange(256))[:, :3] * 255
    np.testing.assert_allclose(ours, colours.table(name), atol=1e-6)


def test_packed_colours() -> None:
    red, green, blue = (int(c) for c in colours.table("viridis")[200])
    assert int(colours.packed("viridis")[200]) == 0xFF000000 | red << 16 | green << 8 | blue


def test_unknown_map() -> None:
    with pytest.raises(InputError, match="did you mean viridis"):
        colours.table("virdis")
