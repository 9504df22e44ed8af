"""Synthetic pairs: what can be chosen, errors against a known truth, planning, a whole program."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
from PyQt6.QtGui import QGuiApplication

import piv
from desktop.stand_ins import a_field, an_analysis, wait_until
from gui.compute.tasks.synthetic import scored, truth_at
from gui.controllers.synthetic import SyntheticController
from gui.state import ResultEntry
from gui.synthetic import (
    COLUMNS,
    FACTORS,
    FLOWS,
    Maker,
    PlanRow,
    cells,
    read_values,
    table_text,
    varied,
)
from gui.views.synthetic_panel import SyntheticPanel
from piv.errors import InputError, SettingsError
from piv.types import Flag
from synth import scene
from synth.source import Source

SHAPE = (64, 88)


# -- what can be chosen


def test_the_flows_are_those_of_the_generator_whose_size_can_be_chosen():
    assert set(scene.FLOWS) - set(FLOWS) == {"step", "triangle"}  # their size is their own
    assert set(FLOWS) < set(scene.FLOWS)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_maker_makes_what_it_says(flow):
    maker = Maker(flow=flow, height=64, width=88, density=0.06, diameter=3.0, displacement=4.0)
    made = Source(maker.recipe()).pair("train", 3, flow, SHAPE)
    assert made.pair.shape == SHAPE
    largest = max(np.abs(made.u).max(), np.abs(made.v).max())
    assert 1.0 < largest < 4.001
    if flow == "uniform":
        assert largest == pytest.approx(4.0, rel=1e-3)
    assert made.recipe["particles"]["density"] == 0.06
    assert made.recipe["particles"]["diameter"] == 3.0


def test_the_same_seed_makes_the_same_pair():
    maker = Maker(flow="jet")
    one, other = (Source(maker.recipe()).pair("train", 3, "jet", SHAPE) for _ in range(2))
    np.testing.assert_array_equal(one.pair.first, other.pair.first)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"flow": "tea"}, "unknown flow"), ({"density": 0.0}, "density must be 0.0005 to 0.5 ppp"),
     ({"noise": float("nan")}, "noise must be"), ({"height": 31}, "height must be 32"),
     ({"count": 0}, "1 to 1000 pairs"), ({"seed": -1}, "seed of 0 on")],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(changes, says):
    with pytest.raises(SettingsError, match=says):
        Maker(**changes)


def test_one_factor_is_varied_and_nothing_else():
    maker = Maker(seed=4)
    for factor, values in FACTORS.items():
        makers = varied(maker, factor, values)
        assert [getattr(each, factor) for each in makers] == list(values)
        assert {each.replace(**{factor: values[0]}) for each in makers} == {makers[0]}
    assert read_values("0.01, 0.02;3", "density") == [0.01, 0.02, 3.0]
    with pytest.raises(InputError, match="numbers such as"):
        read_values("a lot", "density")
    with pytest.raises(InputError, match="give values"):
        varied(maker, "density", [])
    with pytest.raises(InputError, match="cannot be varied"):
        varied(maker, "flow", [1.0])
    with pytest.raises(SettingsError, match="density must be"):
        varied(maker, "density", [0.05, 3.0])


def test_rows_of_the_table_are_text():
    row = PlanRow(0.05, {"mean_endpoint_error": 0.1234, "outlier_share": 0.01})
    assert cells(row) == ["0.05", "0.123", "–", "1.00", "–"]
    lines = table_text("density", [row]).splitlines()
    assert lines[0].split("\t") == ["density", *(label for label, *_ in COLUMNS)]
    assert lines[1].split("\t") == cells(row)


# -- errors against a known truth


def truth(shape=SHAPE):
    """Linear, so that values between pixels are known as well."""
    y, x = np.indices(shape).astype(np.float32)
    return 0.02 * x - 0.5, 1.0 + 0.01 * y, np.ones(shape, bool)


@pytest.mark.parametrize(("step", "start"), [(1, 0.0), (8, 7.5), (4, 3.25)])
def test_the_truth_is_met_on_any_grid(step, start):
    field = a_field(SHAPE, step)
    field = field.replace(x=field.x + start, y=field.y + start)
    u, v, counted = truth_at(field, truth())
    inside_y = (field.y >= 8) & (field.y <= SHAPE[0] - 9)
    inside_x = (field.x >= 8) & (field.x <= SHAPE[1] - 9)
    np.testing.assert_array_equal(counted, inside_y[:, None] & inside_x[None, :])
    x, y = np.meshgrid(field.x, field.y)
    np.testing.assert_allclose(u[counted], (0.02 * x - 0.5)[counted], atol=1e-5)
    np.testing.assert_allclose(v[counted], (1.0 + 0.01 * y)[counted], atol=1e-5)


def test_errors_are_those_that_were_put_in():
    field = a_field(SHAPE)
    known = truth()
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.1, (2, *SHAPE)).astype(np.float32)
    field = field.replace(
        u=known[0] + 0.3 + noise[0], v=known[1] - 0.4 + noise[1],
        uncertainty_u=np.full(SHAPE, 0.4, np.float32),
        uncertainty_v=np.full(SHAPE, 0.3, np.float32),
    )  # fmt: skip
    figures = scored(field, *truth_at(field, known))
    assert figures["bias_u"] == pytest.approx(0.3, abs=0.01)
    assert figures["bias_v"] == pytest.approx(-0.4, abs=0.01)
    assert figures["vector_rms"] == pytest.approx(np.sqrt(0.25 + 0.02), abs=0.01)
    # of u 84 % are below bias + one deviation, of v 16 % below bias - one deviation
    assert figures["coverage"] == pytest.approx((0.841 + 0.159) / 2, abs=0.02)


def test_what_is_masked_or_without_particles_does_not_count():
    field, (u, v, seeded) = a_field(SHAPE), truth()
    flags = field.flags.copy()
    flags[20] = int(Flag.MASKED)
    seeded[:, 40] = False
    counted = truth_at(field.replace(flags=flags), (u, v, seeded))[2]
    assert not counted[20].any()
    assert not counted[:, 40].any()
    assert counted.sum() == (64 - 16 - 1) * (88 - 16 - 1)


# -- panel and controller


def test_the_panel_says_what_is_chosen_and_shows_errors(qtbot):
    panel = SyntheticPanel()
    qtbot.addWidget(panel)
    assert panel.maker() == Maker()
    panel.flow.setCurrentIndex(panel.flow.findData("jet"))
    panel.numbers["density"].setValue(0.08)
    panel.seed.setValue(7)
    assert panel.maker() == Maker(flow="jet", density=0.08, seed=7)
    assert panel.figures.isHidden()
    figures = {"mean_endpoint_error": 0.1, "vector_rms": 0.2, "bias_u": 0.01, "bias_v": -0.02,
               "outlier_share": 0.005, "coverage": 0.7}  # fmt: skip
    values = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)
    panel.show_errors(
        {"dense": figures, "coarse": None, "map": values, "extent": (-0.5, -0.5, 5.5, 4.5)}
    )
    assert not panel.figures.isHidden()
    assert panel.values["dense", "mean_endpoint_error"].text() == "0.100 px"
    assert panel.values["dense", "bias_v"].text() == "-0.020 px"
    assert panel.values["dense", "outlier_share"].text() == "0.50 %"
    assert panel.values["coarse", "coverage"].text() == "–"
    panel.factor.setCurrentText("noise")
    assert panel.plan_values.text() == "0, 0.02, 0.05, 0.1"
    panel.show_plan("noise", [PlanRow(0.02, figures), PlanRow(0.1, {}, "no contrast")])
    assert panel.plan_table.item(0, 1).text() == "0.100"
    assert panel.plan_table.item(1, 0).toolTip() == "no contrast"


@pytest.fixture
def control(stub_program, opened, qtbot):
    made = SyntheticController(stub_program)
    qtbot.addWidget(made.panel)
    yield made
    made.close()


def test_pairs_are_made_where_no_other_file_is(control, stub_program):
    control.folder.mkdir(parents=True)
    (control.folder / "vortex_1.h5").write_bytes(b"")
    control.make()
    (job,) = stub_program.heavy.of("synthetic.pair")
    assert job.given["path"] == control.folder / "vortex_2.h5"
    opened = []
    stub_program.controllers["files"] = type("Files", (), {"open_paths": opened.append})
    job.finish(job.given["path"])
    assert opened == [[control.folder / "vortex_2.h5"]]
    control.make()
    control.cancel()
    assert stub_program.heavy.jobs[-1].cancelled
    assert stub_program.window.busy[0] is None


def test_old_pairs_that_nobody_kept_go(control):
    control.folder.mkdir(parents=True)
    for n in range(12):
        (control.folder / f"jet_{n}.h5").write_bytes(b"")
    control._free_name(Maker())
    assert len(list(control.folder.iterdir())) < 12


def test_a_plan_that_cannot_be_is_told(control, stub_program):
    control.panel.plan_values.setText("many")
    stub_program.window.show_panel = lambda name: None
    control.plan()
    assert "numbers such as" in stub_program.texts[-1]
    control.panel.plan_values.setText("0.05, 9")
    control.plan()
    assert "density must be" in stub_program.texts[-1]
    control.copy_table()
    assert "no table yet" in stub_program.texts[-1]
    control.panel.plan_values.setText("0.05")
    control.plan()
    (job,) = stub_program.heavy.of("synthetic.plan")
    control.cancel()
    assert job.cancelled
    assert control.panel.plan_button.isEnabled()


def test_only_pairs_that_were_made_here_are_kept(control, stub_program):
    control.save()
    assert "Only pairs that were made here" in stub_program.texts[-1]


def test_a_result_is_compared_once_and_only_with_a_truth(control, stub_program):
    session = stub_program.session
    session.set_result(0, ResultEntry(0, an_analysis()))
    assert stub_program.quick.of("synthetic.errors") == []
    session.set_source(dataclasses.replace(session.source, truth=True))
    session.set_result(0, ResultEntry(0, an_analysis()))
    session.set_display(quantity="u")
    session.notify_again = True
    assert len(stub_program.quick.of("synthetic.errors")) == 1
    stub_program.quick.of("synthetic.errors")[0].fail("no truth")
    assert control.panel.truth_note.text() == "no truth"


# -- a whole program


def test_the_program_makes_analyses_compares_keeps_and_plans(program, tmp_path):
    control = program.controllers["synthetic"]
    panel = control.panel
    panel.height_spin.setValue(SHAPE[0])
    panel.width_spin.setValue(SHAPE[1])
    panel.flow.setCurrentIndex(panel.flow.findData("uniform"))
    panel.numbers["displacement"].setValue(3.0)
    program.session.set_model("none")
    program.window.action("synthetic.make").trigger()
    source = lambda: program.session.source  # noqa: E731
    wait_until(lambda: source() is not None and source().path.parent == control.folder)
    assert source().truth
    assert source().shape == SHAPE
    program.session.set_model("none")
    program.window.action("analysis.run").trigger()
    wait_until(lambda: program.session.result is not None)
    wait_until(lambda: not panel.figures.isHidden())
    error = float(panel.values["coarse", "mean_endpoint_error"].text().split()[0])
    assert 0 < error < 0.3
    assert panel.values["dense", "mean_endpoint_error"].text() == "–"

    program.dialogs.answers["save_file"] = [tmp_path / "kept.h5"]
    program.window.action("synthetic.save").trigger()
    wait_until((tmp_path / "kept.h5").exists)
    with h5py.File(tmp_path / "kept.h5") as file, piv.open_pairs(tmp_path / "kept.h5") as pairs:
        assert file["truth/u"].shape == (1, *SHAPE)
        assert pairs.truth(0) is not None

    panel.factor.setCurrentText("noise")
    panel.plan_values.setText("0, 0.2")
    panel.plan_pairs.setValue(1)
    program.window.action("synthetic.plan").trigger()
    wait_until(lambda: panel.plan_table.rowCount() == 2)
    errors = [float(panel.plan_table.item(row, 1).text()) for row in (0, 1)]
    assert 0 < errors[0] < errors[1]
    control.copy_table()
    assert QGuiApplication.clipboard().text().startswith("noise\t")
