"""``piv stats``: what it prints and writes, what it refuses, and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from flows_of_series import noisy_series
from stored import large_store, store

import piv
from piv.cli import main
from piv.io.statistics import flag_names, parse_flags
from piv.post.statistics import statistics_of
from piv.types import Flag

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pairs, of which the fourth has failed, in a folder with a difficult name."""
    folder = tmp_path_factory.mktemp("Messung Nr. 1 – 渦")
    fields = noisy_series(
        12, np.random.default_rng(5), (24, 35), units="m/s", y_axis="up",
        x=1e-3 * np.arange(35), y=-1e-3 * np.arange(24),
    )  # fmt: skip
    return store(folder / "run.h5", [None if n == 3 else each for n, each in enumerate(fields)])


def test_everything_is_written_as_netcdf_that_xarray_opens(
    run_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    xarray = pytest.importorskip("xarray")
    output = tmp_path / "stats.nc"
    words = ["stats", run_file, "-o", output, "--spectrum", "x", "--spectrum", "y",
             "--modes", "3", "--nu", "1e-6", "--probe", "10,20"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "11 field(s) of 24 x 35 vectors (height x width)" in out
    assert "excluded: masked, replaced, fallback" in out
    assert "without noise" in out
    flow = statistics_of(piv.open_results(run_file))
    with xarray.open_dataset(output, engine="h5netcdf") as found:
        np.testing.assert_allclose(found["mean_u"].sel(x=0.01, method="nearest"),
                                   flow.mean_u[:, 10], rtol=1e-6)  # fmt: skip
        np.testing.assert_array_equal(found["count"], flow.count)
        np.testing.assert_allclose(
            found["reynolds_uu_corrected"], flow.variance("u").corrected, rtol=1e-5, atol=1e-7
        )
        assert found["mean_u"].attrs["units"] == "m/s"
        assert found["production"].dims == ("y", "x")
        assert found.attrs["excluded_flags"] == "masked replaced fallback"
        assert found.attrs["fields"] == 11
        assert {"kinetic_energy", "dissipation", "dissipation_corrected", "kolmogorov_length",
                "skewness_u", "effective_count", "standard_error_v"} <= set(found)  # fmt: skip
    with xarray.open_dataset(output, group="spectrum_y", engine="h5netcdf") as found:
        assert found["uu"].dims == ("wavenumber",)
        assert found["wavenumber"][-1] == pytest.approx(np.pi / 1e-3)
    with xarray.open_dataset(output, group="modes", engine="h5netcdf") as found:
        assert found["u"].dims == ("mode", "y", "x")
        assert dict(found.sizes) == {"mode": 3, "y": 24, "x": 35, "pair": 11}
        assert 3 not in found["pair"]
    with xarray.open_dataset(output, group="convergence", engine="h5netcdf") as found:
        assert found["mean_u"].dims == ("fields", "probe")
        assert float(found["mean_u"][-1, 0]) == pytest.approx(flow.mean_u[10, 20], rel=1e-6)
        assert float(found["probe_x"][0]) == pytest.approx(0.02)


SWEEPS = (
    "sweep,class,method,varied,result\nbias,uniform,dense,0.5,0.01\n"
    + "".join(f"gain,sine{n:03},coarse,{n},0.1\ngain,sine{n:03},dense,{n},{1 - 3 / n}\n"
              f"gain,sine{n:03},dense,{n},{1 - 5 / n}\n"
              for n in (8, 16, 64))
    + "gain,triangle012,dense,12,0.9\n"
)  # fmt: skip


def test_the_measured_gain_stands_beside_the_spectrum(run_file: Path, tmp_path: Path) -> None:
    (gains := tmp_path / "sweeps.csv").write_text(SWEEPS)
    fields = list(noisy_series(4, np.random.default_rng(5), (24, 200)))
    known = {"calibration": {"pixel_size": 1e-3, "origin": [0.0, 0.0]}}
    metric = [
        each.replace(units="m/s", y_axis="up", x=1e-3 * each.x, y=-1e-3 * each.y, attrs=known)
        for each in fields
    ]
    for name, series, scale in (("px", fields, 1.0), ("m", metric, 1e-3)):
        path = store(tmp_path / f"{name}.h5", series)
        output = tmp_path / f"{name}.nc"
        words = ["stats", path, "-o", output, "--spectrum", "x", "--response", gains]
        assert main([str(word) for word in words]) == 0
        with h5py.File(output) as found:
            table = found["spectrum_x"]
            wavenumber, gain = table["wavenumber"][:], table["response"][:]
        place = int(np.argmin(np.abs(2 * np.pi / np.maximum(wavenumber, 1e-9) / scale - 16)))
        assert gain[place] == pytest.approx(0.75, abs=0.03)
        assert np.isnan(gain[-1])  # the shortest wave was not measured


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "sweep,class\ngain,sine8\n", SWEEPS[:60], "\0\n"])
def test_a_table_without_gains_is_told(text: str, run_file: Path, tmp_path: Path) -> None:
    (tmp_path / "gains.csv").write_text(text)
    words = ["stats", str(run_file), "--spectrum", "x", "--response", str(tmp_path / "gains.csv")]
    assert main(words) == 2


def test_the_rule_the_group_and_the_part_are_chosen(run_file: Path, capsys: Capture) -> None:
    words = ["--json", "--exclude", "none", "--group", "coarse", "--pairs", "0:8:2"]
    assert main(["stats", str(run_file), *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fields"] == 4
    assert told["shape"] == [8, 12]
    assert told["excluded_flags"] == "none"
    assert told["uu"]["corrected"] is None  # the coarse fields here have no uncertainty
    assert told["output"] is None
    results = piv.open_results(run_file)
    flow = statistics_of([results.field(n, "coarse") for n in (0, 2, 4, 6)], exclude=0)
    assert told["mean_u"] == pytest.approx(np.nanmean(flow.mean_u))
    third = ["--third", "none", "--json"]
    assert main(["stats", str(run_file), *third]) == 0
    energy = json.loads(capsys.readouterr().out)
    assert energy["kinetic_energy"]["raw"] == pytest.approx(
        0.5 * (energy["uu"]["raw"] + energy["vv"]["raw"])
    )


def test_one_pair_has_a_mean_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    path = store(tmp_path / "one.h5", noisy_series(1, np.random.default_rng(2)))
    output = tmp_path / "stats.nc"
    assert main(["stats", str(path), "-o", str(output), "--exclude", "poor_image"]) == 0
    assert "1 field(s) of 14 x 23 vectors" in capsys.readouterr().out
    with h5py.File(output) as file:
        assert np.isfinite(file["mean_u"]).any()
        assert np.isnan(file["rms_u"]).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "stats.txt"], "must end in .nc or .h5"),
        (["--exclude", "maskd"], "unknown flag 'maskd': did you mean masked?"),
        (["--pairs", "three"], "--pairs is FIRST:STOP"),
        (["--pairs", "3:4"], "no finished pair"),
        (["--probe", "3"], "--probe is ROW,COLUMN"),
        (["--probe", "24,0"], "outside the field"),
        (["--modes", "12"], "1 to 11 modes, not 12"),
        (["--nu", "-1"], "viscosity must be positive"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], told: str, run_file: Path, capsys: Capture
) -> None:
    assert main(["stats", str(run_file), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


def test_an_output_is_not_overwritten_unasked(
    run_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "stats.nc"
    output.write_text("mine")
    assert main(["stats", str(run_file), "-o", str(output)]) == 2
    assert output.read_text() == "mine"
    assert main(["stats", str(run_file), "-o", str(output), "--overwrite"]) == 0
    capsys.readouterr()
    with h5py.File(output) as file:
        assert file.attrs["format"] == "ccfcn-piv statistics"


def test_flags_and_their_names_are_inverse() -> None:
    for flags in (Flag(0), Flag.MASKED | Flag.POOR_IMAGE, Flag(16383)):
        assert parse_flags(flag_names(flags)) == flags


LIMITED = """
import resource
import sys

from piv.io.store import open_results
from piv.post.statistics import statistics_of

limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
flow = statistics_of(open_results(sys.argv[1]), order=2)
print(flow.fields, float(flow.mean_u.mean()))
try:
    bytearray(limit)
except MemoryError:
    print("limited")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits memory as Unix does")
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep this limit")
def test_a_file_larger_than_the_memory_is_summed(tmp_path: Path) -> None:
    path = large_store(tmp_path / "run.h5", 120, (320, 360))
    limit = path.stat().st_size - 10_000_000
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit)],
        check=True, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    count, mean, limited = done.stdout.split()
    assert int(count) == 120
    assert float(mean) == pytest.approx(0.5, abs=0.01)  # of means 0 and 1 by turns
    assert limited == "limited"


@pytest.mark.parametrize(
    "words", [["--nu", "-1"], ["--modes", "0"], ["--spectrum", "x", "--correlation-length", "-1"]]
)
def test_a_wrong_figure_is_refused_before_the_first_pass(
    run_file: Path, words: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the series was read")

    monkeypatch.setattr("piv.post.statistics.statistics_of", never)
    assert main(["stats", str(run_file), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
