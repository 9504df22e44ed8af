"""The data types: what cannot be used is refused on creation, with a line that helps."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from piv.errors import InputError, PIVError
from piv.types import Analysis, Calibration, Flag, ImagePair, VectorField

H, W = 40, 48
FRAME = np.zeros((H, W), np.uint8)
MASK = np.zeros((H, W), np.bool_)


def _refused(message: str, kind: type, **arguments: Any) -> None:
    with pytest.raises(InputError) as caught:
        kind(**arguments)
    assert str(caught.value) == message
    assert isinstance(caught.value, PIVError)
    assert isinstance(caught.value, ValueError)


def make_field(**changes: Any) -> VectorField:
    arguments: dict[str, Any] = {
        "x": np.arange(5.0),
        "y": np.arange(3.0),
        "u": np.ones((3, 5), np.float32),
        "v": np.zeros((3, 5), np.float32),
        "flags": np.zeros((3, 5), np.uint16),
    }
    return VectorField(**(arguments | changes))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_a_pair_keeps_the_grey_levels_and_their_type(dtype: str) -> None:
    frame = np.arange(H * W).reshape(H, W).astype(dtype)
    pair = ImagePair(frame, frame.copy(), mask=MASK)
    assert pair.first is frame
    assert pair.shape == (H, W)
    assert pair.dt == 1.0


def _with(value: float) -> np.ndarray:
    frame = np.zeros((H, W))
    frame[3, 7] = value
    return frame


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"first": np.zeros((H, W, 3), np.uint8)},
            "the first frame must be a 2-D array of grey levels, not 40 x 48 x 3 "
            "(a colour image? save it as grey levels)",
        ),
        (
            {"second": np.zeros(H)},
            "the second frame must be a 2-D array of grey levels, not 40",
        ),
        (
            {"second": FRAME.astype(complex)},
            "the second frame must hold integers or floats, not complex128",
        ),
        (
            {"first": FRAME.astype(bool)},
            "the first frame must hold integers or floats, not bool",
        ),
        (
            {"first": np.zeros((31, 64))},
            "the first frame is 31 x 64 px (height x width): at least 32 x 32 px are needed",
        ),
        (
            {"second": np.zeros((64, 31))},
            "the second frame is 64 x 31 px (height x width): at least 32 x 32 px are needed",
        ),
        (
            {"first": _with(math.nan)},
            "the first frame holds NaN or infinite grey levels: replace them, and mask them",
        ),
        (
            {"second": _with(-math.inf)},
            "the second frame holds NaN or infinite grey levels: replace them, and mask them",
        ),
        (
            {"second": FRAME.T},
            "the two frames differ in shape, 40 x 48 and 48 x 40 px (height x width): give two "
            "frames of one recording",
        ),
        (
            {"first": None},
            "the first frame must be a 2-D array of grey levels, not a single object",
        ),
        (
            {"first": "a.tif"},
            "the first frame must be an array, not a name: piv.read_pair reads image files",
        ),
        (
            {"first": np.ma.masked_array(FRAME, mask=MASK)},
            "the first frame is a masked array, whose mask would be lost: give image.filled(0), "
            "and mask=numpy.ma.getmaskarray(image)",
        ),
        (
            {"mask": np.ma.masked_array(MASK, mask=MASK)},
            "the mask is a masked array, whose mask would be lost: give mask.filled(True)",
        ),
        (
            {"second": [[1, 2], [3]]},
            "the second frame must be a 2-D array, not rows of different lengths",
        ),
        ({"dt": "200us"}, "dt must be a positive time in s, not '200us'"),
        ({"dt": None}, "dt must be a positive time in s, not None"),
        ({"dt": 0.0}, "dt must be a positive time in s, not 0.0"),
        ({"dt": -1e-3}, "dt must be a positive time in s, not -0.001"),
        ({"dt": math.nan}, "dt must be a positive time in s, not nan"),
        ({"dt": math.inf}, "dt must be a positive time in s, not inf"),
        (
            {"mask": FRAME},
            "the mask must be boolean (True = not fluid), not uint8",
        ),
        (
            {"mask": MASK.T},
            "the mask is 48 x 40 px, but the frames are 40 x 48 px (height x width)",
        ),
        (
            {"mask": ~MASK},
            "the mask hides every pixel (non-zero = masked): should it be inverted?",
        ),
    ],
)
def test_a_pair_that_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"first": FRAME, "second": FRAME} | changes
    _refused(message, ImagePair, **arguments)
    _refused(f"run 3: {message}", ImagePair, **arguments, name="run 3")


def test_lists_become_arrays() -> None:
    pair = ImagePair(FRAME.tolist(), FRAME.tolist(), mask=MASK.tolist())  # type: ignore[arg-type]
    assert pair.shape == (H, W)
    assert pair.mask is not None
    assert pair.mask.dtype == np.bool_


def test_the_smallest_pair_is_accepted() -> None:
    assert ImagePair(np.zeros((32, 33)), np.zeros((32, 33))).shape == (32, 33)


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_a_pixel_size_that_is_no_length_is_refused(size: float) -> None:
    _refused(
        f"pixel size must be a positive length in m per px, not {size}",
        Calibration,
        pixel_size=size,
    )


def test_a_pixel_size_in_words_is_refused() -> None:
    message = "pixel size must be a positive length in m per px, not '21um'"
    _refused(message, Calibration, pixel_size="21um")


@pytest.mark.parametrize("origin", [3, (1, 2, 3), ("0", "0")])
def test_an_origin_that_is_no_pixel_is_refused(origin: Any) -> None:
    message = f"the origin must be two finite pixel coordinates, not {origin}"
    _refused(message, Calibration, pixel_size=1e-6, origin=origin)


def test_an_origin_that_is_not_finite_is_refused() -> None:
    _refused(
        "the origin must be two finite pixel coordinates, not (nan, 0.0)",
        Calibration,
        pixel_size=1.0,
        origin=(math.nan, 0.0),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((1, 5))}, "x and y must be one-dimensional coordinates"),
        (
            {"u": np.zeros((5, 3)), "v": np.zeros((5, 3))},
            "u has shape (5, 3), but the grid (y, x) is (3, 5) and u is (5, 3)",
        ),
        (
            {"v": np.zeros((2, 3, 5))},
            "v has shape (2, 3, 5), but the grid (y, x) is (3, 5) and u is (3, 5)",
        ),
        (
            {"flags": np.zeros((3, 4), np.uint16)},
            "flags has shape (3, 4), but the grid (y, x) is (3, 5) and u is (3, 5)",
        ),
        (
            {"extra": {"peak_ratio": np.zeros(5)}},
            "peak_ratio has shape (5,), but the grid (y, x) is (3, 5) and u is (3, 5)",
        ),
        (
            {"uncertainty_u": np.ones((3, 5))},
            "give the uncertainty of both components, or of neither",
        ),
        (
            {"uncertainty_u": np.ones((3, 5)), "uncertainty_v": np.ones((3, 6))},
            "uncertainty_v has shape (3, 6), but the grid (y, x) is (3, 5) and u is (3, 5)",
        ),
        ({"units": "mm/s"}, "units must be px or m/s and y_axis down or up, not mm/s, down"),
        ({"y_axis": "left"}, "units must be px or m/s and y_axis down or up, not px, left"),
    ],
)
def test_a_field_whose_parts_do_not_belong_together_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        make_field(**changes)
    assert str(caught.value) == message


def test_a_series_of_fields_is_one_field_with_leading_axes() -> None:
    series = make_field(
        u=np.ones((7, 3, 5)), v=np.ones((7, 3, 5)), flags=np.zeros((7, 3, 5), np.uint16)
    )
    assert series.shape == (7, 3, 5)
    assert series.speed.shape == (7, 3, 5)


def test_speed_is_the_length_of_the_vector() -> None:
    field = make_field(u=np.full((3, 5), 3.0), v=np.full((3, 5), -4.0))
    np.testing.assert_array_equal(field.speed, 5.0)


def test_valid_means_measured_with_a_value_and_not_replaced() -> None:
    u = np.ones((3, 5), np.float32)
    u[0, 0] = np.nan
    flags = np.zeros((3, 5), np.uint16)
    flags[1, 1] = Flag.MASKED
    flags[1, 2] = Flag.MEDIAN_OUTLIER | Flag.REPLACED
    flags[1, 3] = Flag.FALLBACK
    flags[1, 4] = Flag.LOW_PEAK_RATIO  # doubtful, yet measured
    expected = np.ones((3, 5), np.bool_)
    expected[0, 0] = expected[1, 1] = expected[1, 2] = expected[1, 3] = False
    np.testing.assert_array_equal(make_field(u=u, flags=flags).valid, expected)


def test_a_field_is_changed_only_by_a_copy() -> None:
    field = make_field()
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.u = field.v  # type: ignore[misc]
    with pytest.raises(TypeError):
        field.attrs["name"] = 1  # type: ignore[index]
    moved = field.replace(u=field.u + 1)
    assert moved.u[0, 0] == 2
    assert field.u[0, 0] == 1
    assert moved.v is field.v


def test_a_copy_is_checked_as_well() -> None:
    with pytest.raises(InputError, match="u has shape"):
        make_field().replace(u=np.zeros((2, 2)))


def test_the_field_of_an_analysis_is_the_dense_one_where_there_is_one() -> None:
    coarse, dense = make_field(), make_field()
    assert Analysis(coarse, dense).field is dense
    assert Analysis(coarse, None).field is coarse
