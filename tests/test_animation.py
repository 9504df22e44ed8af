"""Films of a series: read back, with one scale from the first frame to the last."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from piv.calibrate import calibrate
from piv.errors import InputError
from piv.plot.animation import Scales, common_scales, draw_frames, save_animation
from piv.types import Calibration, Flag, VectorField

SHAPE = (40, 64)


def _field(speed: float, **changes: Any) -> VectorField:
    u = np.full(SHAPE, speed, np.float32)
    flags = np.zeros(SHAPE, np.uint16)
    flags[:8, :8] = Flag.MASKED
    u[:8, :8] = np.nan
    x, y = np.arange(SHAPE[1], dtype=float), np.arange(SHAPE[0], dtype=float)
    field = VectorField(x, y, u, 0 * u, flags, dt=1e-3)
    return field.replace(**changes)


@pytest.fixture
def fields() -> list[VectorField]:
    return [_field(speed) for speed in (1.0, 2.0, 4.0, 2.0)]


def _mp4(path: Path) -> Iterator[np.ndarray[Any, Any]]:
    film = cv2.VideoCapture(str(path))
    try:
        while (found := film.read())[0]:
            yield found[1][..., ::-1]
    finally:
        film.release()


def _gif(path: Path) -> Iterator[np.ndarray[Any, Any]]:
    with Image.open(path) as film:
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            yield np.asarray(film.convert("RGB"))


def _colour(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What most of the picture inside the axes is painted with."""
    inner = picture[picture.shape[0] // 3 : -picture.shape[0] // 3, 200:600].reshape(-1, 3)
    return np.median(inner, axis=0)


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_film_reads_back_frame_by_frame(
    suffix: str, fields: list[VectorField], tmp_path: Path
) -> None:
    path = tmp_path / f"film.{suffix}"
    seen: list[int] = []
    save_animation(
        fields, path, titles=["a", "b", "c", "d"], frames_per_second=5,
        progress=lambda: seen.append(1),
    )  # fmt: skip
    drawn = list(draw_frames(fields, common_scales(fields), titles=["a", "b", "c", "d"]))
    frames = list((_mp4 if suffix == "mp4" else _gif)(path))
    assert len(frames) == len(seen) == 4
    for frame, picture in zip(frames, drawn, strict=True):
        assert frame.shape == picture.shape
        # coded with loss (mp4), or with 256 colours (gif): letters differ, areas do not
        assert np.abs(frame.astype(float) - picture).mean() < (8.0 if suffix == "mp4" else 4.0)
        assert_allclose(_colour(frame), _colour(picture), atol=12)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_same_speed_has_the_same_colour_and_arrow_in_every_frame(
    fields: list[VectorField],
) -> None:
    pictures = list(draw_frames(fields, common_scales(fields)))
    assert (pictures[1] == pictures[3]).all()  # 2 px before and after 4 px
    first, second, third = (_colour(pictures[n]) for n in (0, 1, 2))
    assert np.abs(first - second).max() > 20
    assert np.abs(second - third).max() > 20


def test_scales_cover_the_series_and_do_not_depend_on_the_order(fields: list[VectorField]) -> None:
    scales = common_scales(fields)
    assert scales == common_scales(fields[::-1])
    assert scales.range[0] == 0
    assert scales.range[1] == pytest.approx(4.0)
    assert scales.vector_scale >= 4.0 / 2.6
    assert common_scales(fields, range=(0.5, 3), vector_scale=7.0) == Scales(
        "speed", (0.5, 3), 7.0, "max"
    )


def test_vorticity_is_symmetric_about_zero() -> None:
    y = np.arange(SHAPE[0], dtype=np.float32)
    shear = _field(1.0).replace(u=np.broadcast_to(y[:, None] * 0.1, SHAPE).astype(np.float32))
    scales = common_scales([shear], "vorticity")
    assert scales.range == pytest.approx((-0.1, 0.1), rel=1e-4)


def test_only_the_chosen_fields_are_in_memory(fields: list[VectorField]) -> None:
    read: list[int] = []

    class Lazy(Sequence[VectorField]):
        def __len__(self) -> int:
            return 100

        def __getitem__(self, number: int) -> VectorField:  # type: ignore[override]
            read.append(number)
            return fields[number % 4]

    common_scales(Lazy())
    assert len(set(read)) == 25
    assert {0, 99} <= set(read)


def test_a_calibrated_series_with_slow_and_fast_fields_has_one_unit() -> None:
    fields = [calibrate(_field(speed), Calibration(2e-5)) for speed in (0.01, 40.0)]
    scales = common_scales(fields)
    pictures = list(draw_frames(fields, scales))
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0][:, -60:] == pictures[1][:, -60:]).all()  # the colour bar's numbers


def test_a_field_without_any_vector_is_all_mask(fields: list[VectorField]) -> None:
    nothing = np.full(SHAPE, np.nan, np.float32)
    pictures = list(
        draw_frames([fields[0], _field(1.0, u=nothing, v=nothing)], common_scales(fields))
    )
    assert_allclose(_colour(pictures[1]), round(0.72 * 255), atol=1)


def test_bad_films_are_told(fields: list[VectorField], tmp_path: Path) -> None:
    other = _field(1.0, x=np.arange(SHAPE[1]) + 0.5)
    calls: list[tuple[Any, str]] = [
        (lambda: save_animation(fields, tmp_path / "a.avi"), "mp4 or .gif"),
        (lambda: save_animation(fields, tmp_path / "a.gif", frames_per_second=0), "per second"),
        (lambda: save_animation([*fields, other], tmp_path / "a.gif"), "one grid"),
        (lambda: save_animation([], tmp_path / "a.gif"), "single fields"),
        (lambda: common_scales(fields, "pressure"), "speed or vorticity"),  # type: ignore[arg-type]
        (lambda: common_scales(fields, range=(1, 1)), "low < high"),
        (lambda: common_scales(fields, vector_scale=-1), "positive"),
    ]
    for call, message in calls:
        with pytest.raises(InputError, match=message):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_film_that_the_disk_cuts_short_is_refused_and_leaves_nothing(tmp_path):
    """OpenCV writes on and says nothing."""
    code = (
        "import resource, signal, sys, numpy as np, piv.plot, piv.errors\n"
        "from piv.types import VectorField\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "x, y = np.arange(64.0), np.arange(40.0)\n"
        "u = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)\n"
        "fields = [VectorField(x, y, u * n, u, np.zeros(u.shape, np.uint16)) for n in (1, 2, 3)]\n"
        "try:\n"
        "    piv.plot.save_animation(fields, sys.argv[1])\n"
        "except piv.errors.StorageError as problem:\n"
        "    print(problem)\n"
    )
    path = tmp_path / "film.mp4"
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "is the disk full?" in told.stdout
    assert list(tmp_path.iterdir()) == []
