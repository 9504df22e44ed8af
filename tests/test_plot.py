"""Figures: what they show, and that they are written whole."""

from __future__ import annotations

import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.quiver import Quiver, QuiverKey
from numpy.testing import assert_allclose

from piv.calibrate import calibrate
from piv.errors import InputError, PIVError
from piv.plot import figure, figure_format, save_figure
from piv.post import vorticity
from piv.types import Analysis, Calibration, Flag, ImagePair, VectorField

SHAPE = (90, 120)


def _field(shape: tuple[int, int] = SHAPE, spacing: float = 1.0, **changes: Any) -> VectorField:
    """A rotation with some drift; uncertainty everywhere."""
    x, y = np.arange(shape[1]) * spacing, np.arange(shape[0]) * spacing
    u = (-0.05 * (y[:, None] - 30) + 0 * x + 1).astype(np.float32)
    v = (0.05 * (x - 50) + 0 * y[:, None]).astype(np.float32)
    size = (0.02 + 0.01 * np.hypot(u, v)).astype(np.float32)
    options = {
        "flags": np.zeros(shape, np.uint16), "uncertainty_u": size, "uncertainty_v": size,
        "dt": 2e-4, **changes,
    }  # fmt: skip
    return VectorField(x=x, y=y, u=u, v=v, **options)


@pytest.fixture
def pair(rng: np.random.Generator) -> ImagePair:
    frames = rng.integers(0, 255, (2, *SHAPE)).astype(np.uint8)
    return ImagePair(frames[0], frames[1])


def _images(drawing: Figure, panel: int) -> list[AxesImage]:
    return drawing.axes[panel].get_images()


def _arrows(drawing: Figure) -> list[Quiver]:
    return [each for each in drawing.axes[0].collections if isinstance(each, Quiver)]


def _numbers(bar: Axes) -> list[Any]:
    """Boxes of the numbers of a colour bar, from left to right."""
    low, high = bar.get_xlim()
    return [
        label.get_window_extent()
        for tick, label in zip(bar.get_xticks(), bar.get_xticklabels(), strict=True)
        if low <= tick <= high
    ]


def _titles(drawing: Figure) -> list[str]:
    return [axes.texts[-1].get_text().split("  ")[1] for axes in drawing.axes[:4]]


def test_the_four_panels_of_an_uncalibrated_field(pair: ImagePair) -> None:
    drawing = figure(_field(), pair)
    assert _titles(drawing) == [
        "first frame, vectors", "displacement (px)", "vorticity (px/px)", "uncertainty (px)",
    ]  # fmt: skip
    assert drawing.axes[2].get_xlabel() == "x (px)"
    assert drawing.axes[2].get_ylabel() == "y (px)"
    assert drawing.axes[0].get_xlim() == (-0.5, 119.5)
    assert drawing.axes[0].get_ylim() == (89.5, -0.5)


def test_y_points_down_in_px_and_up_in_metres(pair: ImagePair) -> None:
    field = _field()
    assert figure(field, pair).axes[1].yaxis_inverted()
    drawing = figure(calibrate(field, Calibration(21e-6)), pair)
    assert not drawing.axes[1].yaxis_inverted()
    assert _titles(drawing)[1:] == ["speed (mm/s)", "vorticity (1/s)", "uncertainty (mm/s)"]
    assert drawing.axes[2].get_xlabel() == "x (mm)"


def test_the_image_lies_under_the_field_also_after_calibration(pair: ImagePair) -> None:
    for field in (_field(), calibrate(_field(), Calibration(21e-6, (7, 3)))):
        drawing = figure(field, pair)
        frame, speed = _images(drawing, 0)[0], _images(drawing, 1)[0]
        assert_allclose(frame.get_extent(), speed.get_extent(), rtol=1e-12, atol=1e-12)


def test_the_image_keeps_its_place_under_a_region(pair: ImagePair) -> None:
    field = _field((40, 50))
    drawing = figure(field.replace(x=field.x + 20, y=field.y + 10), pair)
    assert_allclose(_images(drawing, 0)[0].get_extent(), (-0.5, 119.5, 89.5, -0.5))
    assert drawing.axes[0].get_xlim() == (19.5, 69.5)


def test_the_aspect_is_equal_and_the_panels_have_the_proportions_of_the_field() -> None:
    for shape in ((90, 120), (60, 300), (300, 60)):
        drawing = figure(_field(shape))
        width, height = drawing.get_size_inches()
        for axes in drawing.axes[:4]:
            assert axes.get_aspect() == 1
            box = axes.get_position(original=True)
            assert_allclose(box.height * height / (box.width * width), shape[0] / shape[1])


@pytest.mark.parametrize(
    ("shape", "layout"), [((90, 120), (2, 2)), ((60, 300), (4, 1)), ((300, 60), (1, 4))]
)
def test_the_panels_are_arranged_to_suit_the_image(
    shape: tuple[int, int], layout: tuple[int, int]
) -> None:
    places = [axes.get_position(original=True) for axes in figure(_field(shape)).axes[:4]]
    rows = len({round(place.y0, 6) for place in places})
    columns = len({round(place.x0, 6) for place in places})
    assert (rows, columns) == layout


def test_nothing_is_cut_off_at_the_edges(pair: ImagePair) -> None:
    for field, under in ((_field(), pair), (_field((60, 300)), None), (_field((300, 60)), None)):
        drawing = figure(field, under)
        drawing.canvas.draw()
        box = drawing.get_tightbbox()
        width, height = drawing.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


@pytest.mark.parametrize(
    ("pixel_size", "dt", "scale"),
    [
        (None, 1.0, 1.0),
        (None, 1.0, 0.037),
        (21e-6, 3e-4, 0.1),
        (21e-6, 1e-6, 1.0),
        (3e-3, 0.5, 1.0),
    ],
)
@pytest.mark.parametrize("shape", [(40, 130), (360, 36)])
def test_the_numbers_of_the_colour_bars_do_not_touch(
    shape: tuple[int, int], pixel_size: float | None, dt: float, scale: float
) -> None:
    field = _field(shape, dt=dt)
    field = field.replace(uncertainty_u=field.uncertainty_u * scale)
    if pixel_size is not None:
        field = calibrate(field, Calibration(pixel_size))
    drawing = figure(field)
    drawing.canvas.draw()
    for panel in drawing.axes[1:4]:
        bar = panel.child_axes[0]
        boxes = _numbers(bar)
        assert len(boxes) >= 2
        for left, right in pairwise(boxes):
            assert right.x0 - left.x1 > 0.4 * left.height  # a digit's width
        assert bar.xaxis.get_offset_text().get_text() == ""


@pytest.mark.parametrize("top", [0.31, 0.72, 0.95, 14.0, 620.0])
def test_the_numbers_of_a_vorticity_keep_their_distance(top: float) -> None:
    field = _field((96, 128))  # the proportions of the samples; its vorticity is -0.1
    field = field.replace(u=field.u * (top / 0.1), v=field.v * (top / 0.1))
    drawing = figure(field)
    drawing.canvas.draw()
    boxes = _numbers(drawing.axes[2].child_axes[0])
    gaps = [right.x0 - left.x1 for left, right in pairwise(boxes)]
    assert len(gaps) >= 1
    assert min(gaps) > 0.4 * boxes[0].height


@pytest.mark.parametrize("shape", [(90, 120), (100, 60), (180, 100), (36, 360), (360, 36)])
@pytest.mark.parametrize("pixel_size", [None, 21e-6])
def test_nothing_in_a_header_covers_another_thing(
    shape: tuple[int, int], pixel_size: float | None, rng: np.random.Generator
) -> None:
    flags = np.zeros(shape, np.uint16)
    flags[:20, :20] = Flag.REPLACED
    field = _field(shape, flags=flags)
    if pixel_size is not None:
        field = calibrate(field, Calibration(pixel_size))
    frames = rng.integers(0, 255, (2, *shape)).astype(np.uint8)
    drawing = figure(field, ImagePair(*frames))
    drawing.canvas.draw()
    boxes = [axes.get_window_extent() for axes in drawing.axes]
    for axes in drawing.axes:
        boxes += [text.get_window_extent() for text in axes.texts]
        boxes += [key.text.get_window_extent() for key in axes.findobj(QuiverKey)]
        for bar in axes.child_axes:
            boxes += [bar.get_window_extent(), *_numbers(bar)]
    assert len(boxes) > 20
    for one, other in combinations(boxes, 2):
        apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
        assert apart, (one, other)
    width, height = drawing.get_size_inches() * drawing.dpi
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_vorticity_is_symmetric_about_zero(pair: ImagePair) -> None:
    image = _images(figure(_field(), pair), 2)[0]
    assert image.norm.vmin == -image.norm.vmax
    assert not isinstance(image.norm, TwoSlopeNorm)
    assert_allclose(np.asarray(image.get_array()), -0.1, rtol=1e-5)  # clockwise as one sees it


def test_masked_pixels_are_left_out_of_colours_and_arrows(pair: ImagePair) -> None:
    field = _field()
    mask = np.zeros(SHAPE, bool)
    mask[20:60, 30:80] = True
    field = field.replace(
        u=np.where(mask, np.nan, field.u), v=np.where(mask, np.nan, field.v),
        flags=np.where(mask, np.uint16(Flag.MASKED), np.uint16(0)),
    )  # fmt: skip
    drawing = figure(field, pair)
    for panel in (1, 2, 3):
        hidden = np.ma.getmaskarray(_images(drawing, panel)[0].get_array())
        assert hidden[mask].all()
    places = np.concatenate([each.get_offsets() for each in _arrows(drawing)])
    rows, columns = places[:, 1].astype(int), places[:, 0].astype(int)
    assert not mask[rows, columns].any()
    assert len(places) > 100


def test_replaced_vectors_have_another_colour(pair: ImagePair) -> None:
    assert len(_arrows(figure(_field(), pair))) == 1
    flags = np.zeros(SHAPE, np.uint16)
    flags[:40] = Flag.REPLACED
    drawing = figure(_field(flags=flags), pair)
    measured, replaced = _arrows(drawing)
    assert not np.array_equal(measured.get_facecolor(), replaced.get_facecolor())
    assert replaced.get_offsets()[:, 1].max() < 40 <= measured.get_offsets()[:, 1].min()
    assert "red: replaced" in [text.get_text() for text in drawing.axes[0].texts]


@pytest.mark.parametrize("shape", [(33, 40), (90, 120), (700, 900)])
def test_the_number_of_arrows_does_not_depend_on_the_number_of_vectors(
    shape: tuple[int, int],
) -> None:
    (arrows,) = _arrows(figure(_field(shape)))
    assert 300 < len(arrows.get_offsets()) < 1500


def test_a_fixed_range_and_scale_are_kept(pair: ImagePair) -> None:
    drawing = figure(_field(), pair, range=(0.5, 2.5), vector_scale=4.0)
    speed = _images(drawing, 1)[0]
    assert (speed.norm.vmin, speed.norm.vmax) == (0.5, 2.5)
    (arrows,) = _arrows(drawing)
    assert arrows.scale == 40  # an arrow of 4 px is a tenth of the panel
    assert arrows.scale_units == "width"


def test_a_fixed_range_is_in_the_fields_unit(pair: ImagePair) -> None:
    drawing = figure(calibrate(_field(), Calibration(21e-6)), pair, range=(0.1, 0.2))
    assert_allclose(_images(drawing, 1)[0].get_clim(), (100, 200))  # mm/s


def test_an_analysis_shows_its_better_field(pair: ImagePair) -> None:
    coarse = _field((6, 8), 15.0, uncertainty_u=None, uncertainty_v=None)
    assert _images(figure(Analysis(coarse, _field()), pair), 1)[0].get_array().shape == SHAPE
    assert _images(figure(Analysis(coarse, None), pair), 1)[0].get_array().shape == (6, 8)


def test_a_field_without_uncertainty_shows_its_peak_ratio_or_says_so() -> None:
    bare = _field((6, 8), 15.0, uncertainty_u=None, uncertainty_v=None)
    assert "not known for this field" in [t.get_text() for t in figure(bare).axes[3].texts]
    ratio = bare.replace(extra={"peak_ratio": np.full((6, 8), 3, np.float32)})
    assert _titles(figure(ratio))[3] == "peak ratio"


def test_peak_ratios_without_limit_do_not_hide_the_low_ones() -> None:
    """A window without a second peak has a ratio of a thousand, which is as good as six."""
    bare = _field((6, 8), 15.0, uncertainty_u=None, uncertainty_v=None)
    ratio = np.full((6, 8), 1.5, np.float32)
    ratio[::2] = 1000
    drawing = figure(bare.replace(extra={"peak_ratio": ratio}))
    assert_allclose(_images(drawing, 3)[0].get_clim(), (1, 6))


@pytest.mark.parametrize("speed", [0.0, 1e-7, 1e5])
def test_a_uniform_field_of_any_size_can_be_drawn(speed: float, tmp_path: Path) -> None:
    flat = np.full(SHAPE, speed, np.float32)
    drawing = figure(_field(uncertainty_u=None, uncertainty_v=None).replace(u=flat, v=flat))
    save_figure(drawing, tmp_path / "flat.png")


@pytest.mark.parametrize("calibrated", [False, True])
def test_vorticity_of_a_rotation_is_twice_its_rate_and_has_its_sign(calibrated: bool) -> None:
    x, y = np.arange(50) * 3.0, np.arange(40) * 2.0  # unequal spacing
    # counter-clockwise as one sees it, at 0.01 rad per frame: to the left above the centre
    u = 0.01 * (y[:, None] - 30) + 0 * x
    v = -0.01 * (x - 60) + 0 * y[:, None]
    field = VectorField(x=x, y=y, u=u, v=v, flags=np.zeros(u.shape, np.uint16), dt=2e-4)
    if calibrated:
        assert_allclose(vorticity(calibrate(field, Calibration(21e-6))), 0.02 / 2e-4, rtol=1e-9)
    else:
        assert_allclose(vorticity(field), 0.02, rtol=1e-9)


def test_vorticity_is_exact_on_a_quadratic_and_for_a_series() -> None:
    x, y = np.arange(20.0), np.arange(14.0)
    v = -(x**2) / 2 + 0 * y[:, None]
    u = np.zeros_like(v)
    series = VectorField(
        x=x, y=y, u=np.stack([u] * 3), v=np.stack([v] * 3),
        flags=np.zeros((3, 14, 20), np.uint16),
    )  # fmt: skip
    found = vorticity(series)
    assert found.shape == (3, 14, 20)
    assert_allclose(found[..., 1:-1], np.broadcast_to(x, (3, 14, 20))[..., 1:-1], atol=1e-9)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_figure_is_written_in_its_format(kind: str, pair: ImagePair, tmp_path: Path) -> None:
    path = tmp_path / f"Bild 流.{kind}"
    save_figure(figure(_field(), pair), path)
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[kind]
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_format_names_the_good_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.png, \.pdf, \.svg; .*a\.gif does not"):
        figure_format(tmp_path / "a.gif")
    with pytest.raises(InputError, match=r"\.png"):
        save_figure(figure(_field()), tmp_path / "a")


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PIVError, match="cannot write"):
        save_figure(figure(_field((33, 40))), tmp_path / "none" / "a.png")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"range": (2, 1)}, "low < high"),
        ({"range": (0, np.nan)}, "low < high"),
        ({"vector_scale": 0}, "positive"),
        ({"vector_scale": np.inf}, "positive"),
    ],
)
def test_a_range_or_scale_that_makes_no_sense_is_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        figure(_field(), **options)


def test_a_series_or_an_empty_field_is_refused() -> None:
    field = _field()
    stack = {name: getattr(field, name)[None] for name in ("u", "v", "flags")}
    with pytest.raises(InputError, match="not a series"):
        figure(field.replace(**stack, uncertainty_u=None, uncertainty_v=None))
    with pytest.raises(InputError, match="no vector"):
        figure(field.replace(u=np.full(SHAPE, np.nan), v=np.full(SHAPE, np.nan)))


def test_nothing_global_is_touched(pair: ImagePair) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure(_field(), pair)
    assert dict(matplotlib.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
