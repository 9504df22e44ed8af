"""Figures, films and data: what is on them, which files come, and a whole program writing them."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree

import h5py
import numpy as np
import pytest
from matplotlib import image as images_of
from PyQt6.QtGui import QGuiApplication

import piv
from desktop.stand_ins import StubDialogs, an_analysis, source_info, wait_until, write_images
from gui.controllers.export import ExportController
from gui.exports import DataOrder, FilmOrder, Results, existing, outputs_of
from gui.figures import FigureOrder, GivenMap, calibrated, draw
from gui.quantities import QUANTITIES
from gui.state import Box, CalibrationState, DisplayOptions, FieldEdits, ResultEntry, StoreInfo
from gui.views.export_panel import ExportPanel
from piv.batch.plan import DONE
from piv.errors import InputError
from piv.io.exchange.registry import FORMATS
from piv.settings import load
from piv.types import Flag, ImagePair

SHAPE = (72, 96)
PX = CalibrationState()
SCALED = CalibrationState(2.0e-5, (10.0, 60.0), 1e-3)


@pytest.fixture(scope="module")
def analysis():
    return an_analysis(SHAPE)


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 255, (2, *SHAPE)).astype(np.uint8)
    return ImagePair(first, second)


def order(analysis, calibration=PX, **display) -> FigureOrder:
    return FigureOrder(analysis, DisplayOptions(**display), calibration)


def colours(drawing):
    """The map that a figure shows: values and the ends of its colours."""
    image = drawing.axes[0].images[-1]
    return np.ma.filled(image.get_array().astype(float), np.nan), image.get_clim()


def label(drawing):
    """Of the colour bar."""
    return drawing.axes[0].child_axes[0].get_ylabel()


# -- figures


def test_a_figure_shows_the_quantity_in_the_range_of_the_window(analysis):
    drawing = draw(order(analysis, quantity="u", colour_range=(-1.0, 2.0)), None)
    values, ends = colours(drawing)
    np.testing.assert_allclose(values, analysis.dense.u)
    assert ends == (-1.0, 2.0)
    assert label(drawing) == "u (px)"


def test_a_calibrated_figure_is_in_metres_and_seconds_with_y_up(analysis):
    drawing = draw(order(analysis, SCALED, quantity="v", colour_range=(-1.0, 2.0)), None)
    values, ends = colours(drawing)
    speed = 2.0e-5 / 1e-3  # m/s of one px
    assert label(drawing) == "v (m/s)"
    np.testing.assert_allclose(values, -speed * analysis.dense.v, rtol=1e-5)
    np.testing.assert_allclose(ends, (-2.0 * speed, 1.0 * speed))
    assert drawing.axes[0].get_ylim()[0] < drawing.axes[0].get_ylim()[1]
    assert drawing.axes[0].get_xlabel() == "x (mm)"


def test_what_the_observer_subtracts_is_subtracted(analysis):
    drawing = draw(order(analysis, quantity="u", subtract="chosen", subtracted=(1.5, 0.0)), None)
    np.testing.assert_allclose(colours(drawing)[0], analysis.dense.u - 1.5, atol=1e-6)


def test_rejected_vectors_are_left_out(analysis):
    flags = analysis.dense.flags.copy()
    flags[4, 7] = int(Flag.MANUAL)
    changed = dataclasses.replace(analysis, dense=analysis.dense.replace(flags=flags))
    values, _ = colours(draw(order(changed, quantity="u"), None))
    assert np.isnan(values[4, 7])
    assert np.isfinite(values[4, 8])


@pytest.mark.parametrize("quantity", [name for name in QUANTITIES if name != "residual"])
@pytest.mark.parametrize("calibration", [PX, SCALED])
def test_every_quantity_can_be_drawn(analysis, quantity, calibration):
    stage = "coarse" if QUANTITIES[quantity].needs == "coarse" else "dense"
    drawing = draw(order(analysis, calibration, quantity=quantity, stage=stage), None)
    if quantity == "flags":
        assert drawing.axes[0].get_legend().get_texts()[0].get_text() == "measured"
    else:
        unit = drawing.axes[0].child_axes[0].get_ylabel()
        assert QUANTITIES[quantity].label in unit


def test_a_map_that_is_given_is_drawn_where_it_lies(analysis):
    given = GivenMap(np.full((5, 8), 0.25, np.float32), np.arange(8.0) + 3, np.arange(5.0) + 2)
    wanted = dataclasses.replace(order(analysis, quantity="residual"), given=given)
    drawing = draw(wanted, None)
    assert colours(drawing)[0].shape == (5, 8)
    assert drawing.axes[0].images[-1].get_extent() == [2.5, 10.5, 6.5, 1.5]


def test_the_frame_lies_under_the_colours(analysis, pair):
    plain = draw(order(analysis, vectors=False), None)
    wanted = dataclasses.replace(order(analysis, opacity=0.4, vectors=False), image=True)
    over = draw(wanted, pair)
    assert len(plain.axes[0].images) == 1
    assert len(over.axes[0].images) == 2
    assert over.axes[0].images[-1].get_alpha() == 0.4
    np.testing.assert_array_equal(over.axes[0].images[0].get_array(), pair.first)


def test_vectors_and_streamlines_follow_the_window(analysis):
    def count(**display):
        axes = draw(order(analysis, **display), None).axes[0]
        return len(axes.collections)

    assert count(vectors=False) == 0
    assert count(vectors=True) == 1
    assert count(vectors=False, streamlines=True) >= 1


def test_widths_are_those_of_a_journal_and_panels_are_four(analysis, pair):
    one = draw(order(analysis), None)
    two = draw(dataclasses.replace(order(analysis), width="two columns"), None)
    assert one.get_size_inches()[0] == 3.5
    assert two.get_size_inches()[0] == pytest.approx(7.2)
    four = draw(dataclasses.replace(order(analysis), layout="four panels", image=True), pair)
    assert len(four.axes) >= 4
    with pytest.raises(InputError, match="as shown or four panels"):
        draw(dataclasses.replace(order(analysis), layout="three"), None)


def test_calibrating_follows_the_window_whatever_the_file_says(analysis):
    stored = calibrated(analysis.dense, CalibrationState(1e-6, (0.0, 0.0), 1e-2))
    again = calibrated(stored, SCALED)
    np.testing.assert_allclose(again.u, calibrated(analysis.dense, SCALED).u, rtol=1e-5)
    back = calibrated(stored, PX)
    assert back.units == "px"
    np.testing.assert_allclose(back.v, analysis.dense.v, rtol=1e-5, atol=1e-7)


# -- which files


def data_order(format_, **more):
    return DataOrder(Results(), PX, format_, **more)


def test_formats_of_one_field_make_a_file_for_each_pair(tmp_path):
    path = tmp_path / "f.txt"
    assert outputs_of(data_order("openpiv"), path, [7]) == [path]
    made = outputs_of(data_order("openpiv"), path, [7, 12])
    assert [each.name for each in made] == ["f_00007.txt", "f_00012.txt"]
    assert outputs_of(data_order("netcdf"), tmp_path / "f.nc", [7, 12]) == [tmp_path / "f.nc"]
    with pytest.raises(InputError, match=r"\.vti holds one field"):
        outputs_of(data_order("vtk"), tmp_path / "f.vti", [7, 12])


def test_files_that_would_be_replaced_are_known(tmp_path):
    (tmp_path / "f_00012.txt").write_text("mine")
    (tmp_path / "f_00007.vti").write_text("mine")
    (tmp_path / "f.txt").write_text("asked for by the dialog")
    assert existing(data_order("openpiv"), tmp_path / "f.txt", [7, 12]) == [
        tmp_path / "f_00012.txt"
    ]
    assert existing(data_order("openpiv"), tmp_path / "f.txt", [7]) == []
    assert existing(data_order("vtk"), tmp_path / "f.pvd", [7, 12]) == [tmp_path / "f_00007.vti"]


# -- the panel and the controller


def test_the_panel_offers_every_format_that_is_written(qtbot):
    panel = ExportPanel()
    qtbot.addWidget(panel)
    offered = {panel.format_choice.itemData(n) for n in range(panel.format_choice.count())}
    assert offered == {each.name for each in FORMATS.values() if each.writes}
    panel.set_present(result=False, series=False, image=False)
    assert not panel.buttons["figure"].isEnabled()
    assert panel.buttons["settings"].isEnabled()
    panel.set_present(result=True, series=True, image=True)
    for name, button in panel.buttons.items():
        with qtbot.waitSignal(panel.wanted) as wanted:
            button.click()
        assert wanted.args == [name]
        assert button.toolTip()
        assert button.accessibleName()


@pytest.fixture
def control(stub_program, opened, qtbot):
    made = ExportController(stub_program)
    qtbot.addWidget(made.panel)
    yield made
    made.close()


def test_without_a_result_the_user_is_told_and_nothing_is_asked(control, stub_program):
    for call in (control.save_figure, control.save_film, control.save_data, control.save_report):
        call()
        assert "analyse" in stub_program.texts[-1]
    assert stub_program.dialogs.asked == []
    assert stub_program.quick.jobs == []


def test_a_closed_dialog_writes_nothing(control, stub_program, analysis):
    stub_program.session.set_result(0, ResultEntry(0, analysis))
    for call in (control.save_figure, control.save_film, control.save_data, control.save_report,
                 control.save_settings):  # fmt: skip
        call()
    assert [name for name, _ in stub_program.dialogs.asked] == ["save_file"] * 5
    assert stub_program.quick.jobs == []


def test_replacing_files_of_a_series_is_asked(control, stub_program, analysis, tmp_path):
    for index in (0, 1):
        stub_program.session.set_result(index, ResultEntry(index, analysis))
    (tmp_path / "f_00001.csv").write_text("mine")
    control.panel.format_choice.setCurrentIndex(control.panel.format_choice.findData("csv"))
    control.panel.scope.setCurrentIndex(1)
    stub_program.dialogs = StubDialogs(save_file=[tmp_path / "f.csv"] * 2, ask=["", "Replace"])
    control.save_data()
    assert stub_program.quick.jobs == []
    control.save_data()
    (job,) = stub_program.quick.of("export.data")
    assert sorted(job.given["order"].results.analyses) == [0, 1]
    assert control.writing
    control.save_data()
    job.finish("f.csv: 2 field(s)")
    assert stub_program.texts[-1] == "Written: f.csv: 2 field(s)"
    assert stub_program.window.busy[0] is None


def test_a_film_takes_the_range_of_the_window_in_its_units(control, stub_program, analysis):
    session = stub_program.session
    session.set_result(0, ResultEntry(0, analysis))
    session.set_calibration(SCALED)
    session.set_display(quantity="magnitude", colour_range=(0.0, 5.0))
    assert control._film_range("speed") == pytest.approx((0.0, 0.1))
    assert control._film_range("vorticity") is None
    session.set_display(quantity="vorticity", colour_range=(-0.2, 0.2))
    assert control._film_range("vorticity") == pytest.approx((-200.0, 200.0))


def test_the_residual_comes_from_the_images_first(control, stub_program, analysis, tmp_path):
    session = stub_program.session
    session.set_result(0, ResultEntry(0, analysis))
    session.set_display(quantity="residual")
    stub_program.dialogs = StubDialogs(save_file=[tmp_path / "f.png"])
    control.save_figure()
    (job,) = stub_program.heavy.of("inspect.residual")
    pyramid = type("Pyramid", (), {"levels": [np.ones((3, 4), np.float32)]})
    job.finish({"pyramid": pyramid, "x0": 2.0, "y0": 5.0, "step": (1.0, 1.0)})
    (job,) = stub_program.quick.of("export.figure")
    np.testing.assert_array_equal(job.given["order"].given.y, [5.0, 6.0, 7.0])


def test_a_store_is_exported_with_what_was_edited_here(control, stub_program, analysis, tmp_path):
    session = stub_program.session
    names = session.source.names
    session.set_store(StoreInfo(tmp_path / "r.h5", 2, names, (DONE, DONE), SHAPE, dense=True))
    session.set_result(0, ResultEntry(0, analysis), work=False)
    session.set_result(1, ResultEntry(1, analysis), work=False)
    session.set_edits(1, FieldEdits(boxes=(Box("dense", 0.0, 0.0, 9.0, 9.0),)))
    results = control._results(whole=True)
    assert results.path == tmp_path / "r.h5"
    assert list(results.analyses) == [1]


def test_the_report_says_what_was_changed_by_hand(control, stub_program, analysis, tmp_path):
    session = stub_program.session
    session.set_result(0, ResultEntry(0, analysis, seconds=1.5))
    session.set_edits(0, FieldEdits(dense=frozenset({(1, 2), (3, 4)})))
    stub_program.dialogs = StubDialogs(save_file=[tmp_path / "r.html"])
    control.save_report()
    (job,) = stub_program.quick.of("export.report")
    assert job.given["order"].edited == "2 vector(s) rejected one by one"
    assert job.given["order"].seconds == 1.5
    control.cancel()
    assert job.cancelled
    assert "cancelled" in stub_program.texts[-1]


# -- a whole program writes them


@pytest.fixture
def shown(program, tmp_path, analysis):
    """A program with two pairs and their results; answers give the name of a file."""
    folder = write_images(tmp_path / "Bilder ü", 2, SHAPE)
    program.session.set_source(source_info(folder))
    program.session.set_calibration(SCALED)
    for index in (0, 1):
        program.session.set_result(index, ResultEntry(index, an_analysis(SHAPE, index + 1)))
    wait_until(lambda: not program.quick.busy)
    program.session.set_display(quantity="vorticity", vectors=True)

    def save(what, path, ask=()):
        program.dialogs.answers["save_file"] = [path]
        program.dialogs.answers["ask"] = list(ask)
        control = program.controllers["export"]
        program.window.action(f"export.{what}").trigger()
        wait_until(lambda: not control.writing)
        return program.tell.last

    return program, save


def test_the_program_writes_figures_of_every_kind(shown, tmp_path):
    program, save = shown
    program.controllers["export"].panel.image.setChecked(True)
    for suffix in ("png", "svg", "pdf"):
        said = save("figure", tmp_path / f"Wirbel ü.{suffix}")
        assert said.level == "info", said.text
    pixels = images_of.imread(tmp_path / "Wirbel ü.png")
    assert pixels.shape[1] == 1050  # 3.5 in at 300 dpi
    assert np.ptp(pixels[..., :3]) > 0.5
    svg = ElementTree.parse(tmp_path / "Wirbel ü.svg").getroot()
    assert svg.tag.endswith("svg")
    assert (tmp_path / "Wirbel ü.pdf").read_bytes().startswith(b"%PDF")
    said = save("figure", tmp_path / "no folder" / "f.png")
    assert said.level == "error"
    assert "cannot write" in said.text


def test_the_program_writes_films_of_all_results(shown, tmp_path):
    import imageio.v3 as iio

    _, save = shown
    said = save("film", tmp_path / "Film.gif")
    assert said.text == "Written: Film.gif: film of 2 frames"
    frames = iio.imread(tmp_path / "Film.gif", index=None)
    assert len(frames) == 2
    assert (frames[0] != frames[1]).any()


def test_the_program_writes_data_in_the_units_of_the_window(shown, tmp_path):
    program, save = shown
    panel = program.controllers["export"].panel
    panel.format_choice.setCurrentIndex(panel.format_choice.findData("netcdf"))
    panel.scope.setCurrentIndex(1)
    panel.stride.setValue(4)
    assert "2 field(s), netcdf" in save("data", tmp_path / "f.nc").text
    series = piv.import_field(tmp_path / "f.nc")
    wanted = calibrated(an_analysis(SHAPE, 2).dense, SCALED)
    assert series.units == "m/s"
    assert series.shape == (2, 18, 24)
    np.testing.assert_allclose(series.u[1], wanted.u[::4, ::4], rtol=1e-5)
    panel.scope.setCurrentIndex(0)
    panel.stride.setValue(1)
    panel.format_choice.setCurrentIndex(panel.format_choice.findData("csv"))
    assert "1 field(s), csv" in save("data", tmp_path / "f.csv").text
    assert (tmp_path / "f.csv").exists()


def test_the_program_writes_the_report_settings_and_words(shown, tmp_path):
    program, save = shown
    assert "Written" in save("report", tmp_path / "r.html").text
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "run_001a.tif" in page
    assert "data:image/png;base64," in page
    save("settings", tmp_path / "s.toml")
    assert load(tmp_path / "s.toml") == program.session.settings
    program.window.action("export.methods").trigger()
    assert "interrogation windows" in QGuiApplication.clipboard().text()


def test_a_film_of_a_store_reads_it_pair_by_pair(tmp_path):
    from gui.compute.tasks.export import _Fields

    analyses = [an_analysis(SHAPE, seed) for seed in (1, 2)]
    piv.write_analysis(tmp_path / "one.h5", analyses[0])
    with h5py.File(tmp_path / "one.h5") as file:
        assert file["status"][0] == DONE
    order_ = FilmOrder(Results(tmp_path / "one.h5"), SCALED)
    fields = _Fields(order_.results, "coarse", order_.calibration, stride=2)
    assert fields.pairs == [0]
    assert fields[0].units == "m/s"
    np.testing.assert_allclose(
        fields[0].u, calibrated(analyses[0].coarse, SCALED).u[::2, ::2], rtol=1e-5
    )
    edited = _Fields(Results(tmp_path / "one.h5", None, {0: analyses[1]}), "coarse", PX)
    np.testing.assert_array_equal(edited[0].u, analyses[1].coarse.u)
    with pytest.raises(InputError, match="no result"):
        _Fields(Results(), "field", PX)
