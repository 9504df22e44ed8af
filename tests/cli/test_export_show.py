"""``piv export`` and ``piv show``: names of files, what is chosen, what is told, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import tifffile

from piv.cli import main
from piv.io.exchange import import_field
from piv.io.exchange.registry import FORMATS
from piv.io.results.writer import ResultsWriter
from piv.io.store import pack_analysis, packed_failure
from piv.types import Analysis, Flag, VectorField

Capture = pytest.CaptureFixture[str]
DENSE, COARSE = (36, 48), (4, 6)


def _analysis(number: int) -> Analysis:
    def field(shape: tuple[int, int], spacing: float, uncertain: bool) -> VectorField:
        u = np.full(shape, 1.0 + number, np.float32)
        u[0, 0] = np.nan
        flags = np.zeros(shape, np.uint16)
        flags[0, 0] = Flag.MASKED
        x, y = (np.arange(n) * spacing for n in shape[::-1])
        error = 0.1 * u if uncertain else None
        return VectorField(x, y, u, -u, flags, uncertainty_u=error, uncertainty_v=error, dt=1e-3)

    source = {"name": f"pair {number}", "sha256": f"{number:064x}"}
    return Analysis(
        field(COARSE, 8.0, False), field(DENSE, 1.0, True), {"valid": 90.0 + number},
        {"package": "ccfcn-piv 0", "input": source},
    )  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Six pairs, from 100 in their source; the second has failed."""
    path = tmp_path / "Läufe 1" / "results.h5"
    path.parent.mkdir()
    example = _analysis(0)
    template = Analysis(example.coarse, example.dense, example.quality, {"package": "ccfcn-piv 0"})
    with ResultsWriter.create(
        path, count=6, template=template, provenance={"package": "ccfcn-piv 0"},
        pairs=np.arange(100, 106), time=np.arange(6) * 0.5,
    ) as writer:  # fmt: skip
        for n in range(6):
            packed = packed_failure(n, "no contrast", seconds=0.1, name="bad")
            writer.write([packed if n == 1 else pack_analysis(_analysis(n), n, seconds=0.1)])
    return path


def _run(*words: object) -> int:
    return main([str(word) for word in words])


def test_one_file_for_a_series(results: Path, capsys: Capture) -> None:
    output = results.with_name("run.nc")
    assert _run("export", results, "-o", output) == 0
    told = capsys.readouterr()
    assert told.out == f"{output}: 5 field(s) of 36 x 48 vectors (height x width), netcdf\n"
    assert told.err == ""
    back = import_field(output)
    assert back.shape == (5, *DENSE)
    assert [float(u[5, 5]) for u in back.u] == [1, 3, 4, 5, 6]
    with h5py.File(output) as store:
        assert store["t"][()].tolist() == [0.0, 1.0, 1.5, 2.0, 2.5]
        assert store["t"].attrs["units"] == "s"
        assert store.attrs["files"] == "results.h5"


def test_a_file_a_pair_named_by_its_index_in_the_source(results: Path, capsys: Capture) -> None:
    output = results.with_name("field.txt")
    words = ("export", results, "-o", output, "--format", "openpiv", "--group", "coarse")
    assert _run(*words, "--pairs", "0:4") == 0
    assert "field_00100.txt ... field_00103.txt: 3 field(s)" in capsys.readouterr().out
    names = sorted(path.name for path in output.parent.glob("*.txt"))
    assert names == ["field_00100.txt", "field_00102.txt", "field_00103.txt"]
    assert import_field(output.with_name("field_00103.txt")).u[1, 1] == 4
    assert _run(*words, "--pairs", "3") == 0  # one alone has the name that was asked for
    assert import_field(output).shape == COARSE


def test_stride_thins_and_keeps_the_places(results: Path) -> None:
    output = results.with_name("thin.npz")
    assert _run("export", results, "-o", output, "--stride", 5, "--pairs", "-1") == 0
    field = import_field(output)
    assert field.shape == (8, 10)
    assert field.x[1] == 5


@pytest.mark.parametrize("name", [n for n, each in FORMATS.items() if each.writes])
def test_every_format_is_written(name: str, results: Path) -> None:
    output = results.with_name(f"field{FORMATS[name].suffixes[0]}")
    assert _run("export", results, "-o", output, "--format", name, "--pairs", "2") == 0
    assert import_field(output, name).shape == DENSE


def test_nothing_is_replaced_unasked(results: Path, capsys: Capture) -> None:
    output = results.with_name("run.pvd")
    assert _run("export", results, "-o", output) == 0
    output.unlink()  # the collection has gone, its members are there
    assert _run("export", results, "-o", output) == 2
    assert "run_00100.vti exists already" in capsys.readouterr().err
    assert not output.exists()
    assert _run("export", results, "-o", output, "--overwrite") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "a.xyz"], "names no format"),
        (["-o", "a.txt"], "openpiv or pivlab"),
        (["-o", "a.nc", "--format", "netcd"], "did you mean netcdf"),
        (["-o", "a.vti"], "give a name in .pvd"),
        (["-o", "a.nc", "--pairs", "1:2"], "no finished pair"),
        (["-o", "a.nc", "--pairs", "x"], "FIRST:STOP"),
        (["-o", "a.nc", "--stride", "0"], "a whole number from 1"),
        (["-o", "a.flo", "--pairs", "0", "--stride", "2"], "every pixel"),
        (["-o", "nowhere/a.nc"], "there is no folder"),
        ([], "-o"),
    ],
)
def test_errors_of_export_are_one_line(
    words: list[str], message: str, results: Path, capsys: Capture
) -> None:
    assert _run("export", results, *words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_export_refuses_what_is_no_result(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.h5").write_bytes(b"nothing")
    assert _run("export", tmp_path / "a.h5", "-o", tmp_path / "a.nc") == 2
    assert "not an HDF5 file" in capsys.readouterr().err


def test_show_tells_what_results_hold(results: Path, capsys: Capture) -> None:
    assert _run("show", results) == 0
    told = capsys.readouterr().out
    for text in ("results of piv", "36 x 48 (height x width)", "positive down", "0.001 s"):
        assert text in told
    assert _run("show", results, "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert (known["pairs"], known["done"], known["failed"]) == (6, 5, 1)
    assert known["dense"]["uncertainty"] == "yes"
    assert known["coarse"]["uncertainty"] == "no"
    assert known["median_of_pairs"]["valid"] == 93.0


def test_show_tells_what_other_files_hold(results: Path, capsys: Capture) -> None:
    output = results.with_name("run.nc")
    assert _run("export", results, "-o", output) == 0
    assert _run("show", output) == 0
    assert "netCDF-4 in pivpy's schema" in capsys.readouterr().out
    assert _run("stats", results, "-o", results.with_name("stats.nc")) == 0
    capsys.readouterr()
    assert _run("show", results.with_name("stats.nc"), "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert known["kind"] == "statistics of piv stats"
    assert known["fields"] == 5
    assert known["variables"]["mean_u"] == "36 x 48 float32 px"


def test_show_tells_what_a_data_set_holds(tmp_path: Path, capsys: Capture) -> None:
    rng = np.random.default_rng(0)
    for letter in "ab":
        tifffile.imwrite(tmp_path / f"x_{letter}.tif", rng.integers(0, 99, (40, 56), np.uint16))
    packed = tmp_path / "set.h5"
    assert _run("pack", tmp_path, packed, "--dt", "200us") == 0
    capsys.readouterr()
    assert _run("show", packed, "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert known["kind"] == "image pairs"
    assert known["frames"] == "40 x 56 px (height x width), uint16"
    assert known["dt"] == "0.0002 s"
    assert _run("show", packed, "--figure", tmp_path / "a.png") == 2
    assert "no fields to draw" in capsys.readouterr().err


def test_show_lists_the_arrays_of_any_hdf5(tmp_path: Path, capsys: Capture) -> None:
    with h5py.File(tmp_path / "truth.h5", "w") as store:
        store["truth/u"] = np.zeros((40, 56), np.float32)
        store["truth/u"].attrs["units"] = "px"
    assert _run("show", tmp_path / "truth.h5", "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert known["contents"] == {"truth/u": "40 x 56 float32 px"}
    assert "frames" in known["no_image_pairs"]


def test_show_tells_what_weights_hold(capsys: Capture) -> None:
    from piv.network.catalogue import weights_path

    assert _run("show", weights_path("default"), "--json") == 0
    known = json.loads(capsys.readouterr().out)
    assert known["kind"] == "weights of the network"
    assert known["calibration"]["interval_95"] > known["calibration"]["interval_68"]


def test_show_draws_one_pair_and_a_film_of_all(results: Path, capsys: Capture) -> None:
    drawing, film = results.with_name("a.png"), results.with_name("a.mp4")
    words = ("--figure", drawing, "--pair", 2, "--animate", film, "--group", "coarse")
    assert _run("show", results, *words) == 0
    assert "5 frame(s)" in capsys.readouterr().out
    assert drawing.read_bytes().startswith(b"\x89PNG")
    video = cv2.VideoCapture(str(film))
    try:
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    finally:
        video.release()
    assert _run("show", results, "--animate", film) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figure", "a.bmp"], "a figure's name must end in"),
        (["--animate", "a.avi"], "must end in .mp4 or .gif"),
        (["--figure", "a.png", "--pair", "1"], "no contrast"),
        (["--figure", "a.png", "--pair", "9"], "there is no 9"),
        (["--pair", "1"], "give --figure as well"),
        (["--animate", "a.gif", "--quantity", "pressure"], "pressure"),
    ],
)
def test_errors_of_show_are_one_line(
    words: list[str], message: str, results: Path, capsys: Capture
) -> None:
    assert _run("show", results, *words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("name", ["nowhere.h5", "text.h5", "text.md"])
def test_show_says_what_it_cannot_read(name: str, tmp_path: Path, capsys: Capture) -> None:
    if name != "nowhere.h5":
        (tmp_path / name).write_text("some words\n")
    assert _run("show", tmp_path / name) == 2
    told = capsys.readouterr().err
    assert name in told
    assert told.count("\n") == 1
