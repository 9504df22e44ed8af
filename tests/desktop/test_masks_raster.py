from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.masks import ImportedMask, MaskSet, Shape, as_image, grow, outline, rasterise
from piv.errors import InputError

SIZE = (37, 53)  # height, width
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]
SQUARE = Shape("rectangle", ((5, 6), (9, 12)))


def polygon(*points: tuple[float, float], kind: str = "polygon") -> Shape:
    return Shape(kind, points)  # type: ignore[arg-type]


def test_a_rectangle_masks_the_pixels_whose_centres_it_holds() -> None:
    expected = (X >= 3) & (X <= 10.5) & (Y >= 2.5) & (Y <= 7)
    assert np.array_equal(rasterise(Shape("rectangle", ((10.5, 2.5), (3, 7))), SIZE), expected)


def test_an_ellipse_is_its_formula() -> None:
    shape = Shape("ellipse", ((4.3, 5.1), (30.9, 21.7)))
    expected = ((X - 17.6) / 13.3) ** 2 + ((Y - 13.4) / 8.3) ** 2 <= 1
    assert np.array_equal(rasterise(shape, SIZE), expected)


def test_a_triangle_holds_its_corners_and_edges() -> None:
    found = rasterise(polygon((10, 5), (30, 5), (10, 25)), SIZE)
    assert np.array_equal(found, (X >= 10) & (Y >= 5) & (X - 10 + Y - 5 <= 20))


@pytest.mark.parametrize("turned", [False, True])
def test_the_direction_of_a_polygon_does_not_matter(turned: bool) -> None:
    points = ((7.2, 3.9), (40.1, 9.0), (33.3, 30.2), (12.0, 25.5))
    found = rasterise(polygon(*(reversed(points) if turned else points)), SIZE)
    expected = np.ones(SIZE, bool)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        expected &= (x1 - x0) * (Y - y0) - (y1 - y0) * (X - x0) >= -1e-9
    assert np.array_equal(found, expected)


coordinate = st.integers(-40, 200).map(lambda n: n / 4)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9))
def test_any_polygon_is_its_winding_numbers(points: list[tuple[float, float]]) -> None:
    found = rasterise(polygon(*points), SIZE)
    angle = np.zeros(SIZE)
    on_outline = np.zeros(SIZE, bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        ax, ay, bx, by = x0 - X, y0 - Y, x1 - X, y1 - Y
        cross, dot = ax * by - ay * bx, ax * bx + ay * by
        on_outline |= (cross == 0) & (dot <= 0)
        angle += np.arctan2(cross, dot)
    inside = np.abs(np.rint(angle / (2 * np.pi))) > 0
    assert np.array_equal(found, inside | on_outline)


def test_a_loop_that_crosses_itself_holds_all_that_it_goes_round() -> None:
    corners = [(25 + 15 * math.sin(4 * k * math.pi / 5), 18 - 15 * math.cos(4 * k * math.pi / 5))
               for k in range(5)]  # fmt: skip
    assert rasterise(polygon(*corners, kind="freehand"), SIZE)[18, 25]


def test_what_is_outside_the_frame_is_cut_off() -> None:
    assert not rasterise(Shape("rectangle", ((-30, -20), (-1, -1))), SIZE).any()
    assert rasterise(Shape("rectangle", ((-1e9, -1e9), (1e9, 1e9))), SIZE).all()
    everything = polygon((-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6))
    assert rasterise(everything, SIZE).all()
    assert not rasterise(Shape("ellipse", ((60, 40), (90, 90))), SIZE).any()


def test_shapes_without_area_are_lines_or_points() -> None:
    assert rasterise(Shape("rectangle", ((4, 5), (4, 5))), SIZE).sum() == 1
    assert rasterise(Shape("ellipse", ((4, 5), (8, 5))), SIZE).sum() == 5
    assert rasterise(polygon((4, 5), (8, 5), (6, 5)), SIZE).sum() == 5
    assert not rasterise(Shape("rectangle", ((4.2, 5.2), (4.8, 5.8))), SIZE).any()


def test_mirrored_and_transposed_shapes_give_mirrored_and_transposed_masks() -> None:
    points = ((3.5, 4.0), (31.0, 9.5), (22.0, 30.0), (17.5, 12.0))
    found = rasterise(polygon(*points), SIZE)
    mirrored = rasterise(polygon(*((SIZE[1] - 1 - x, y) for x, y in points)), SIZE)
    assert np.array_equal(mirrored, found[:, ::-1])
    swapped = rasterise(polygon(*((y, x) for x, y in points)), SIZE[::-1])
    assert np.array_equal(swapped, found.T)


@pytest.mark.parametrize("radius", [1, 2, 5, 11])
def test_a_pixel_grows_to_a_disc(radius: int) -> None:
    mask = np.zeros(SIZE, bool)
    mask[20, 3] = True
    assert np.array_equal(grow(mask, radius), np.hypot(X - 3, Y - 20) <= radius)


@pytest.mark.parametrize("margin", [-6, -2, 3, 7])
def test_growing_is_by_the_distance(margin: int) -> None:
    rng = np.random.default_rng(3)
    mask = np.kron(rng.random((7, 9)) > 0.6, np.ones((6, 6), bool))[: SIZE[0], : SIZE[1]]
    mask = np.pad(mask, ((0, SIZE[0] - mask.shape[0]), (0, SIZE[1] - mask.shape[1])))
    near = np.zeros(SIZE, bool)
    for row, column in np.argwhere(mask if margin > 0 else ~mask):
        near |= (X - column) ** 2 + (Y - row) ** 2 <= margin**2
    assert np.array_equal(grow(mask, margin), near if margin > 0 else ~near)


def test_shrinking_everything_leaves_everything() -> None:
    assert grow(np.ones(SIZE, bool), -3).all()


def test_a_circle_with_a_margin_is_a_larger_or_smaller_circle() -> None:
    for margin in (-7, 6):
        shape = Shape("ellipse", ((10, 4), (38, 32)), margin=margin)
        distance = np.hypot(X - 24, Y - 18)
        found = rasterise(shape, SIZE)
        sure = np.abs(distance - (14 + margin)) > 1.0  # pixel centres against the exact outline
        assert np.array_equal(found[sure], (distance < 14 + margin)[sure])


def test_a_shape_over_the_edge_shrinks_as_if_the_frame_went_on() -> None:
    shape = Shape("rectangle", ((-20, -20), (15, 60)), margin=-4)
    assert np.array_equal(rasterise(shape, SIZE), X <= 11)


def test_a_shape_beside_the_frame_grows_into_it() -> None:
    shape = Shape("rectangle", ((-9, 5), (-2, 9)), margin=4)
    found = rasterise(shape, SIZE)
    assert found[7, 0]
    assert found[7, 2]
    assert not found[7, 3]


def test_contains() -> None:
    assert SQUARE.contains(5, 6)
    assert SQUARE.contains(8.9, 11.9)
    assert not SQUARE.contains(4.9, 6)
    assert Shape("ellipse", ((0, 0), (10, 20))).contains(5, 19.9)


def test_outline_goes_round_and_closes() -> None:
    for shape in (SQUARE, Shape("ellipse", ((0, 0), (10, 20))), polygon((0, 0), (4, 0), (4, 4))):
        line = outline(shape)
        assert np.allclose(line[0], line[-1])
        left, top, right, bottom = shape.box
        assert np.allclose([*line.min(0), *line.max(0)], [left, top, right, bottom], atol=0.1)


@pytest.mark.parametrize(
    ("kind", "points", "message"),
    [
        ("square", ((0, 0), (1, 1)), "one of polygon"),
        ("polygon", ((0, 0), (1, 1)), "at least 3 points"),
        ("rectangle", ((0, 0), (1, 1), (2, 2)), "two points"),
        ("ellipse", ((0, 0), (math.nan, 1)), "not finite"),
        ("polygon", ("ab", 3, 4), "are (x, y)"),
    ],
)
def test_impossible_shapes_are_refused(kind: str, points: tuple[object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Shape(kind, points)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_line_is_no_mask() -> None:
    with pytest.raises(InputError, match=r"a mask shape is one of polygon, .*, not line"):
        rasterise(Shape("line", ((0, 0), (1, 1))), SIZE)


HOLE = Shape("rectangle", ((6, 7), (8, 9)), subtract=True)
OTHER = Shape("ellipse", ((20, 10), (30, 20)), name="lamp")


def test_subtracting_takes_out_what_was_there_before() -> None:
    mask = MaskSet((SQUARE, HOLE)).rasterise(0, SIZE)
    assert mask is not None
    assert np.array_equal(mask, rasterise(SQUARE, SIZE) & ~rasterise(HOLE, SIZE))
    other_way = MaskSet((HOLE, SQUARE)).rasterise(0, SIZE)
    assert other_way is not None
    assert np.array_equal(other_way, rasterise(SQUARE, SIZE))


def test_nothing_masked_is_none() -> None:
    assert MaskSet().rasterise(0, SIZE) is None
    assert MaskSet((SQUARE, Shape("rectangle", ((0, 0), (50, 50)), subtract=True))).rasterise(
        0, SIZE
    ) is None  # fmt: skip
    assert not MaskSet()


def test_shapes_of_single_pairs_are_theirs_alone() -> None:
    masks = MaskSet().added([SQUARE]).added([OTHER], 3)
    assert masks.shapes_of(3) == (SQUARE, OTHER)
    assert masks.shapes_of(2) == (SQUARE,)
    third, second = masks.rasterise(3, SIZE), masks.rasterise(2, SIZE)
    assert third is not None
    assert second is not None
    assert third[15, 25]
    assert not second[15, 25]


def test_edits_by_number_reach_the_right_list() -> None:
    masks = MaskSet().added([SQUARE]).added([OTHER], 3)
    assert masks.changed(1, HOLE, 3).per_pair == {3: (HOLE,)}
    assert masks.changed(0, HOLE, 3).shapes == (HOLE,)
    assert masks.removed(1, 3) == MaskSet((SQUARE,))
    assert masks.shared(1, 3, everywhere=True) == MaskSet((SQUARE, OTHER))
    assert masks.shared(0, 3, everywhere=False).per_pair == {3: (OTHER, SQUARE)}
    assert masks.shared(0, 3, everywhere=True) is masks
    with pytest.raises(InputError, match="there is no mask shape 3"):
        masks.removed(2, 3)


def test_what_is_found_again_takes_the_place_of_what_was_found() -> None:
    old, new = (Shape("ellipse", ((0, 0), (n, n)), name="found") for n in (9, 12))
    assert MaskSet((old, SQUARE)).found([new]) == MaskSet((SQUARE, new))
    assert MaskSet((old,), {2: (old, OTHER)}).found([new], 2) == MaskSet((old,), {2: (OTHER, new)})


def test_growing_all_or_one() -> None:
    image = ImportedMask(np.eye(*SIZE, dtype=bool), "eye.png")
    masks = MaskSet((SQUARE,), {2: (OTHER,)}, image)
    all_grown = masks.grown(3, 2)
    assert [shape.margin for shape in all_grown.shapes_of(2)] == [3, 3]
    assert all_grown.imported is not None
    assert all_grown.imported.margin == 3
    assert [shape.margin for shape in masks.grown(-2, 2, 1).shapes_of(2)] == [0, -2]
    with pytest.raises(InputError, match="at most 100 px"):
        masks.grown(101, 2)


def test_an_imported_mask_of_a_pair_takes_the_place_of_the_common_one() -> None:
    common, own = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    common[1], own[2] = True, True
    masks = MaskSet(imported=ImportedMask(common)).with_imported(ImportedMask(own), 4)
    first, fifth = masks.rasterise(0, SIZE), masks.rasterise(4, SIZE)
    assert first is not None
    assert fifth is not None
    assert np.array_equal(first, common)
    assert np.array_equal(fifth, own)
    assert masks.without(4).imported_per_pair == {}
    assert not masks.without()


def test_an_imported_mask_of_another_size_is_refused() -> None:
    masks = MaskSet(imported=ImportedMask(np.ones((4, 5), bool), "small.png"))
    with pytest.raises(InputError, match=r"small.png is 4 x 5 px, but the frames are 37 x 53 px"):
        masks.rasterise(0, SIZE)


def test_a_mask_set_survives_json() -> None:
    rng = np.random.default_rng(5)
    image = ImportedMask(rng.random(SIZE) > 0.5, "Körper.png", 2)
    masks = MaskSet((SQUARE, HOLE), {2: (OTHER,)}, image, {7: ImportedMask(np.eye(*SIZE) > 0)})
    plain = json.loads(json.dumps(masks.to_plain()))
    assert MaskSet.from_plain(plain) == masks
    assert MaskSet.from_plain(json.loads(json.dumps(MaskSet().to_plain()))) == MaskSet()


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: plain["shapes"][0].pop("kind"),
        lambda plain: plain["shapes"][0].update(points=[[0, 1]]),
        lambda plain: plain.update(shapes=3),
        lambda plain: plain["imported"].update(pixels="AAAA"),
        lambda plain: plain["imported"].pop("shape"),
        lambda plain: plain["imported"].update(shape=[3, 4]),
    ],
)
def test_damaged_masks_are_told(damage: object) -> None:
    plain = MaskSet((SQUARE,), imported=ImportedMask(np.eye(*SIZE, dtype=bool))).to_plain()
    damage(plain)  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        MaskSet.from_plain(plain)
    assert "\n" not in str(caught.value)


def test_mask_sets_compare_by_value_and_can_be_hashed() -> None:
    image = np.eye(*SIZE, dtype=bool)
    one = MaskSet((SQUARE,), {1: (OTHER,)}, ImportedMask(image))
    two = MaskSet((SQUARE,), {1: (OTHER,), 5: ()}, ImportedMask(image.copy()))
    assert one == two
    assert hash(one) == hash(two)
    assert one != one.grown(1, 0)


def test_as_image_is_black_and_white() -> None:
    assert as_image(np.array([[True, False]])).tolist() == [[255, 0]]
