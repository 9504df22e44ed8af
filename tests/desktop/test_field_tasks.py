"""What the children compute for the display: maps, arrows, lines, edits, statistics. No Qt here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import piv
from gui.compute.server import Context
from gui.compute.tasks import fields, inspect, statistics, validate
from gui.edits import edited_dense, outside_limits, rejected_by_hand
from gui.quantities import QUANTITIES, STATISTICS, flag_classes, flag_words, quantity
from gui.state import Box, FieldEdits
from piv.io.sources import SourceSpec
from piv.settings import Settings, ValidateSettings
from piv.types import Analysis, Calibration, Flag, Float, VectorField

CONTEXT = Context(0, lambda reply: None)
SETTINGS = Settings().resolved(followed=True)  # as an analysis records them


def made(u: Float, v: Float, step: float = 1.0, first: float = 0.0) -> VectorField:
    rows, columns = u.shape
    return VectorField(
        x=first + step * np.arange(columns), y=first + step * np.arange(rows),
        u=u.astype(np.float32), v=v.astype(np.float32), flags=np.zeros(u.shape, np.uint16),
        uncertainty_u=np.full(u.shape, 0.03, np.float32),
        uncertainty_v=np.full(u.shape, 0.04, np.float32),
    )  # fmt: skip


@pytest.fixture
def rotation() -> VectorField:
    """Counter-clockwise on the screen with 0.01 rad per frame, about (30, 20), and a drift."""
    y, x = np.mgrid[0:48, 0:64].astype(float)
    return made(0.01 * (y - 20) + 1, -0.01 * (x - 30))


@pytest.fixture(scope="module")
def spec(sample_images: Path) -> SourceSpec:
    names = (("cylinder_wake_a.tif", "cylinder_wake_b.tif"),)
    return SourceSpec(sample_images, mask=sample_images / "cylinder_wake_mask.tif", files=names)


@pytest.fixture(scope="module")
def analysis(spec: SourceSpec) -> Analysis:
    with spec.open() as source:
        return piv.analyse(source[0], settings=SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("vorticity", 0.02), ("divergence", 0), ("shear strain", 0), ("swirl", 0.01),
     ("uncertainty", 0.05), ("uncertainty v", 0.04)],
)  # fmt: skip
def test_quantities_of_a_rotation(rotation: VectorField, name: str, value: float) -> None:
    found = fields.values_of(rotation, name)
    np.testing.assert_allclose(found, value, atol=1e-6)


def test_v_counts_upwards_only_where_asked(rotation: VectorField) -> None:
    down, up = (fields.values_of(rotation, "v", up=up) for up in (False, True))
    np.testing.assert_array_equal(up, -down)


def test_a_moving_observer_sees_the_rotation_alone(rotation: VectorField) -> None:
    seen = fields.arrows(CONTEXT, rotation, "chosen", (1.0, 0.0))
    assert seen["u"][20, 30] == pytest.approx(0)
    assert seen["frame"] == (1.0, 0.0)
    mean = fields.arrows(CONTEXT, rotation, "mean")
    assert float(mean["u"].mean()) == pytest.approx(0, abs=1e-6)
    speed = fields.values_of(rotation, "magnitude", "chosen", (1.0, 0.0))
    assert speed[20, 40] == pytest.approx(0.1)


def test_a_map_lies_where_its_vectors_lie() -> None:
    field = made(np.ones((5, 9)), np.zeros((5, 9)), step=8, first=7.5)
    found = fields.quantity_map(CONTEXT, field, "u")
    assert (found["x0"], found["y0"], found["step"]) == (7.5, 7.5, (8.0, 8.0))
    assert found["pyramid"].shape == (5, 9)


def test_colours_run_over_most_values_and_not_to_one_wild_one() -> None:
    values = np.linspace(0, 2, 10_000).reshape(100, 100)
    values[50, 50] = 1000
    low, high = fields.colour_range(values, "magnitude")
    assert low == 0.0
    assert high == pytest.approx(1.99, abs=0.01)
    low, high = fields.colour_range(values - 0.5, "vorticity")
    assert low == -high


@pytest.mark.parametrize("values", [np.full((4, 5), np.nan), np.zeros((4, 5)), np.ones((4, 5))])
@pytest.mark.parametrize("name", ["magnitude", "vorticity"])
def test_a_range_is_never_empty(values: Float, name: str) -> None:
    low, high = fields.colour_range(values, name)
    assert high > low


def test_what_is_rejected_leaves_a_hole_in_maps_and_another_colour_of_arrow(
    rotation: VectorField,
) -> None:
    flags = np.zeros((48, 64), np.uint16)
    flags[3, 4] = Flag.MANUAL
    flags[5, 6] = Flag.MEDIAN_OUTLIER | Flag.REPLACED
    flags[7, 8] = Flag.MASKED
    field = rotation.replace(flags=flags)
    speed = fields.values_of(field, "magnitude")
    assert np.isnan(speed[3, 4])
    assert np.isfinite(speed[5, 6])
    kind = fields.arrows(CONTEXT, field)["kind"]
    assert (kind[3, 4], kind[5, 6], kind[7, 8], kind[0, 0]) == (2, 1, 3, 0)
    assert np.isfinite(fields.values_of(field, "vorticity")[3, 5])  # made of the other side


def test_every_flag_has_words_and_a_number_on_the_map() -> None:
    for flag in Flag:
        assert flag_words(int(flag)), flag
    field = made(np.zeros((1, 3)), np.zeros((1, 3)))
    field = field.replace(flags=np.array([[0, int(Flag.MASKED), int(Flag.MANUAL)]], np.uint16))
    classes = fields.values_of(field, "flags")
    assert np.isnan(classes[0, :2]).all()
    assert flag_classes()[int(classes[0, 2])] == "rejected by hand"
    assert flag_words(0) == []
    assert fields.quantity_map(CONTEXT, field, "flags")["classes"] == [1]
    assert fields.counts(CONTEXT, field) == {"alive": 2, "rejected": 1, "replaced": 0}


def test_quantities_that_a_field_does_not_have(analysis: Analysis) -> None:
    with pytest.raises(piv.InputError, match="no uncertainty: show the dense"):
        fields.values_of(analysis.coarse, "uncertainty")
    assert analysis.dense is not None
    with pytest.raises(piv.InputError, match="only the coarse"):
        fields.values_of(analysis.dense, "peak ratio")
    with pytest.raises(piv.InputError, match="no quantity 'colour'"):
        fields.values_of(analysis.dense, "colour")
    assert quantity("nonsense") is QUANTITIES["magnitude"]


def test_every_quantity_of_a_sample_pair(analysis: Analysis) -> None:
    assert analysis.dense is not None
    for name in set(QUANTITIES) - {"residual"}:
        coarse = name == "peak ratio"
        found = fields.quantity_map(CONTEXT, analysis.coarse if coarse else analysis.dense, name)
        values = found["pyramid"].levels[0]
        assert np.isfinite(values).mean() > 0.9 or name == "flags", name
        assert found["low"] < found["high"]


def test_streamlines_of_a_rotation_go_round(rotation: VectorField) -> None:
    lines = fields.streamlines(CONTEXT, rotation, "chosen", (1.0, 0.0), 6.0)
    assert len(lines) > 3
    for line in lines:
        radius = np.hypot(line[:, 0] - 30, line[:, 1] - 20)
        assert np.ptp(radius) < 0.02 * radius.mean() + 0.02
    nothing = rotation.replace(flags=np.full((48, 64), int(Flag.MASKED), np.uint16))
    assert fields.streamlines(CONTEXT, nothing) == []
    assert fields.texture(CONTEXT, nothing) is None


def test_a_texture_covers_the_field() -> None:
    field = made(np.ones((20, 30)), np.zeros((20, 30)), step=8, first=7.5)
    found = fields.texture(CONTEXT, field)
    assert found is not None
    rows, columns = found["pyramid"].shape
    refine = columns // 30
    assert (rows, columns) == (20 * refine, 30 * refine)
    # outer edges of the first and last samples are those of the vectors' cells
    assert found["x0"] - found["step"] / 2 == pytest.approx(7.5 - 4)
    right = found["x0"] + (columns - 0.5) * found["step"]
    assert right == pytest.approx(7.5 + 29 * 8 + 4)


def test_a_texture_of_oblong_windows_has_square_points() -> None:
    field = made(np.ones((12, 20)), np.ones((12, 20)))
    field = field.replace(x=16.0 * np.arange(20), y=8.0 * np.arange(12))
    found = fields.texture(CONTEXT, field)
    assert found is not None
    rows, columns = found["pyramid"].shape
    assert columns * found["step"] == pytest.approx(19 * 16 + 8)
    assert rows * found["step"] == pytest.approx(12 * 8)
    drawn = found["pyramid"].levels[0]
    # streaks run down to the right at 45 degrees of the frame
    along = np.corrcoef(drawn[:-3, :-3].ravel(), drawn[3:, 3:].ravel())[0, 1]
    across = np.corrcoef(drawn[:-3, 3:].ravel(), drawn[3:, :-3].ravel())[0, 1]
    assert along > 0.5 > across


def test_profile_circulation_and_flow_rate(rotation: VectorField) -> None:
    found = fields.profile(CONTEXT, rotation, circle=(30.0, 20.0, 10.0), name="vorticity")
    # 2 pi r^2 times the rate, counter-clockwise positive, less what the polygon cuts off
    assert found["circulation"] == pytest.approx(2 * np.pi * 100 * 0.01, rel=5e-3)
    assert found["tangential"].mean() == pytest.approx(0.1, rel=1e-2)
    assert found["flow_rate"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found["values"], 0.02, atol=1e-6)
    assert found["circulation_uncertainty"] > 0
    line = fields.profile(CONTEXT, rotation, line=((30.0, 40.0), (30.0, 5.0)))
    # upwards on the screen: u goes to the right of the walker
    y = np.array([40.0, 5.0])
    exact = abs(np.diff(0.005 * (y - 20) ** 2 + y)[0])
    assert line["flow_rate"] == pytest.approx(exact, rel=1e-6)
    assert np.isnan(line["circulation"])
    np.testing.assert_allclose(line["uncertainty_u"], 0.03, rtol=1e-5)
    with pytest.raises(piv.InputError, match="two different ends"):
        fields.profile(CONTEXT, rotation, line=((3.0, 3.0), (3.0, 3.0)))


def test_scatter_counts_every_vector_once(rotation: VectorField) -> None:
    flags = np.zeros((48, 64), np.uint16)
    flags[0] = Flag.MASKED
    flags[1] = Flag.MANUAL
    found = fields.scatter(CONTEXT, rotation.replace(flags=flags), bins=20)
    assert found["used"] == found["count"].sum() == 47 * 64
    assert found["rejected"] == 64


def test_limits_are_a_polygon_in_u_and_v() -> None:
    u = np.array([-0.3, 0.9, 2.0, np.nan])
    v = np.array([0.0, 0.9, 0.0, 0.0])
    triangle = ((-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0))
    np.testing.assert_array_equal(outside_limits(u, v, triangle), [False, True, True, False])
    assert not outside_limits(u, v, ()).any()


def test_rejected_one_by_one_and_in_boxes() -> None:
    field = made(np.ones((6, 8)), np.zeros((6, 8)), step=8, first=7.5)
    edits = FieldEdits(
        coarse=frozenset({(0, 1), (99, 0)}),
        boxes=(Box("coarse", 20, 20, 35, 27), Box("dense", 0, 0, 99, 99)),
    )
    found = rejected_by_hand(field, "coarse", edits)
    assert set(zip(*np.nonzero(found), strict=True)) == {(0, 1), (2, 2), (2, 3)}


def test_a_dense_field_keeps_its_values(rotation: VectorField) -> None:
    corners = ((-9.0, -9.0), (1.205, -9.0), (1.205, 9.0), (-9.0, 9.0))
    edits = FieldEdits(boxes=(Box("dense", 10, 10, 12, 11),), limits=corners)
    found = edited_dense(rotation, edits)
    np.testing.assert_array_equal(found.u, rotation.u)
    assert (found.flags & int(Flag.MANUAL) != 0).sum() == 6
    np.testing.assert_array_equal(found.flags & int(Flag.OUT_OF_RANGE) != 0, rotation.u > 1.205)


# validation


def test_no_edits_change_nothing(analysis: Analysis) -> None:
    found = validate.apply(CONTEXT, analysis, FieldEdits())
    np.testing.assert_array_equal(found.coarse.u, analysis.coarse.u)
    np.testing.assert_array_equal(found.coarse.flags, analysis.coarse.flags)
    assert found.dense is not None
    assert analysis.dense is not None
    np.testing.assert_array_equal(found.dense.flags, analysis.dense.flags)
    assert found.quality["valid"] == pytest.approx(analysis.quality["valid"])


def test_the_thresholds_of_the_analysis_give_its_field(
    analysis: Analysis, spec: SourceSpec
) -> None:
    edits = FieldEdits(validate=ValidateSettings())
    found = validate.apply(CONTEXT, analysis, edits, spec, 0, None, SETTINGS)
    np.testing.assert_array_equal(found.coarse.u, analysis.coarse.u)
    np.testing.assert_array_equal(found.coarse.flags, analysis.coarse.flags)


def test_looser_thresholds_bring_back_what_was_measured(
    analysis: Analysis, spec: SourceSpec
) -> None:
    strict = FieldEdits(validate=ValidateSettings(median_threshold=0.5, peak_ratio=2.0))
    loose = FieldEdits(validate=ValidateSettings(median_threshold=100, peak_ratio=1, peak_height=0))
    few, many = (
        validate.apply(CONTEXT, analysis, edits, spec, 0, None, SETTINGS).coarse
        for edits in (strict, loose)
    )
    replaced = [
        int((f.flags & int(Flag.REPLACED) != 0).sum()) for f in (few, analysis.coarse, many)
    ]
    assert replaced[0] > replaced[1] > replaced[2]
    back = (analysis.coarse.flags & int(Flag.REPLACED) != 0) & (many.flags == 0)
    trace = inspect.last_pass(spec, 0, None, SETTINGS).trace
    np.testing.assert_array_equal(many.u[back], trace.grid.u[0].numpy()[back])


def test_without_images_a_replaced_vector_stays_replaced(analysis: Analysis) -> None:
    loose = FieldEdits(validate=ValidateSettings(median_threshold=100, peak_ratio=1, peak_height=0))
    found = validate.apply(CONTEXT, analysis, loose).coarse
    before = analysis.coarse.flags & int(Flag.REPLACED) != 0
    assert before.any()
    np.testing.assert_array_equal(found.flags[before], analysis.coarse.flags[before])


def test_rejected_by_hand_is_replaced_from_its_neighbours(analysis: Analysis) -> None:
    row, column = 10, 40
    edits = FieldEdits(coarse=frozenset({(row, column)}))
    found = validate.apply(CONTEXT, analysis, edits)
    flags = int(found.coarse.flags[row, column])
    assert flags & Flag.MANUAL
    assert flags & Flag.REPLACED
    before = analysis.coarse.u[row, column]
    assert found.coarse.u[row, column] != before
    assert found.coarse.u[row, column] == pytest.approx(before, abs=0.5)
    assert found.quality["valid"] < analysis.quality["valid"]
    assert found.provenance["edits"]["rejected"]["coarse"] == [[row, column]]


# inspection


def test_peak_and_predictor_are_the_stored_vector(analysis: Analysis, spec: SourceSpec) -> None:
    coarse = analysis.coarse
    good = np.argwhere(coarse.flags == 0)
    for row, column in good[:: len(good) // 12]:
        place = (float(coarse.x[column]) + 2, float(coarse.y[row]) - 2)
        seen = inspect.point(CONTEXT, spec, 0, None, SETTINGS, place)
        assert (seen["row"], seen["column"]) == (row, column)
        u, v = (a + b for a, b in zip(seen["predictor"], seen["peak"], strict=True))
        assert u == pytest.approx(float(coarse.u[row, column]), abs=1e-3)
        assert v == pytest.approx(float(coarse.v[row, column]), abs=1e-3)


def test_a_region_is_inspected_in_coordinates_of_the_frame(spec: SourceSpec) -> None:
    region = piv.settings.from_dict({"preprocess": {"region": [200, 60, 160, 128]}})
    seen = inspect.point(CONTEXT, spec, 0, None, region, (250.0, 100.0))
    assert abs(seen["x"] - 250) <= 4
    assert abs(seen["y"] - 100) <= 4


def test_the_residual_is_small_where_the_field_is_right(
    analysis: Analysis, spec: SourceSpec
) -> None:
    assert analysis.dense is not None
    good = inspect.residual(CONTEXT, spec, 0, None, (), analysis.dense)["pyramid"].levels[0]
    wrong = analysis.dense.replace(u=analysis.dense.u + np.float32(2.0))
    bad = inspect.residual(CONTEXT, spec, 0, None, (), wrong)["pyramid"].levels[0]
    coarse = inspect.residual(CONTEXT, spec, 0, None, (), analysis.coarse)["pyramid"].levels[0]
    masked = analysis.dense.flags & int(Flag.MASKED) != 0
    np.testing.assert_array_equal(np.isnan(good), masked)
    assert np.nanmedian(good) < 0.6 * np.nanmedian(bad)
    assert np.nanmedian(coarse) < np.nanmedian(bad)
    far = analysis.dense.replace(x=analysis.dense.x + 300)
    with pytest.raises(piv.InputError, match="beyond the images"):
        inspect.residual(CONTEXT, spec, 0, None, (), far)


# statistics


def series(rng: np.random.Generator, count: int = 40) -> list[VectorField]:
    shape = (6, 9)
    found = []
    for _ in range(count):
        a, b = rng.standard_normal((2, *shape))
        found.append(made(3 + 0.2 * a, -1 - 0.1 * a + 0.1 * b))
    return found


def test_statistics_of_known_fluctuations(rng: np.random.Generator) -> None:
    entries = [(field, FieldEdits()) for field in series(rng, 400)]
    found = statistics.run(CONTEXT, entries, stage="dense", up=True)
    assert set(found["maps"]) == set(STATISTICS)
    values = {name: float(m["pyramid"].levels[0].mean()) for name, m in found["maps"].items()}
    assert values["mean u"] == pytest.approx(3, abs=0.01)
    assert values["mean v"] == pytest.approx(1, abs=0.01)
    assert values["rms u"] == pytest.approx(0.2, rel=0.03)
    assert values["stress uv"] == pytest.approx(0.02, rel=0.1)  # x right, y up
    assert values["kinetic energy"] == pytest.approx(0.75 * (0.04 + 0.02), rel=0.05)
    assert (found["fields"], found["least"], found["most"]) == (400, 400, 400)


def test_rejected_vectors_are_not_counted(rng: np.random.Generator) -> None:
    entries = [(field, FieldEdits()) for field in series(rng, 5)]
    entries[2] = (entries[2][0], FieldEdits(dense=frozenset({(1, 2)})))
    found = statistics.run(CONTEXT, entries)
    count = found["maps"]["count"]["pyramid"].levels[0]
    assert count[1, 2] == 4
    assert (count == 5).sum() == count.size - 1


def test_statistics_need_two_results(rng: np.random.Generator) -> None:
    with pytest.raises(piv.InputError, match="at least two results, and there is 1"):
        statistics.run(CONTEXT, [(series(rng, 1)[0], FieldEdits())])


def test_statistics_of_a_file_are_those_of_its_fields(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    frames = rng.integers(0, 255, (64, 80)).astype(np.uint8)
    pairs = [piv.ImagePair(frames, np.roll(frames, n, axis=1), dt=1e-3) for n in (1, 2, 3)]
    calibration = Calibration(1e-5, (5.0, 6.0))
    path = tmp_path / "Läufe 1.h5"
    results = [piv.analyse(pair, model=None) for pair in pairs]
    with piv.open_store(path, pairs, calibration=calibration, model=None) as store:
        for i in store.pending:
            store.put(i, piv.analyse(pairs[i], calibration=calibration, model=None))
    one = statistics.run(CONTEXT, [(r.coarse, FieldEdits()) for r in results], stage="coarse")
    other = statistics.run(CONTEXT, path=path, stage="coarse")
    for name in ("mean u", "mean v", "rms u", "count"):
        a, b = (m["maps"][name]["pyramid"].levels[0] for m in (one, other))
        np.testing.assert_allclose(a, b, atol=1e-4)
    with pytest.raises(piv.InputError, match="holds no dense field"):
        statistics.run(CONTEXT, path=path, stage="dense")
    entry = fields.read(CONTEXT, path, 1)
    assert entry.coarse.units == "px"
    np.testing.assert_allclose(entry.coarse.u, results[1].coarse.u, atol=1e-4)
    np.testing.assert_allclose(entry.coarse.x, results[1].coarse.x, atol=1e-6)
    file = tmp_path / "mean.nc"
    assert statistics.save(CONTEXT, file, path=path, stage="coarse", calibration=calibration) == 3
    import h5py

    with h5py.File(file) as written:
        assert written.attrs["units"] == "m/s"
        speed = written["mean_u"][()] if "mean_u" in written else written["fields/mean_u"][()]
    np.testing.assert_allclose(
        speed, one["maps"]["mean u"]["pyramid"].levels[0] * 1e-5 / 1e-3, rtol=1e-3, atol=1e-6
    )
