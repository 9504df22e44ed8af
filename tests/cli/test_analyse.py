"""``piv analyse`` from files to files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

import piv
from piv.cli import main
from piv.io.store import read_provenance
from piv.presets import PRESETS

Capture = pytest.CaptureFixture[str]


def _analyse(folder: Path, *more: str | Path) -> int:
    words = ["a.tif", "b.tif", "--model", "none"]
    full = [str(folder / word) if word.endswith(".tif") else word for word in words]
    return main(["analyse", *full, *map(str, more)])


def test_without_outputs_only_the_summary_is_printed(folder: Path, capfd: Capture) -> None:
    before = sorted(folder.iterdir())
    assert _analyse(folder) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("a.tif, b.tif\n")
    for row in (
        "frames           72 x 100 px (height x width), uint8", "valid vectors", "displacement",
        "field            8 x 11 vectors (height x width), one per window",
        "quarter rule", "particle images", "peak locking", "time",
    ):  # fmt: skip
        assert f"\n  {row}" in out
    assert "median 2.69 px" in out  # hypot(2.3, 1.4)
    assert sorted(folder.iterdir()) == before


def test_result_and_figure_are_written_and_named(folder: Path, capfd: Capture) -> None:
    assert _analyse(folder, "-o", folder / "f.h5", "--figure", folder / "f.svg") == 0
    out = capfd.readouterr().out
    assert f"  result           {folder / 'f.h5'}\n" in out
    assert f"  figure           {folder / 'f.svg'}\n" in out
    field = piv.read_field(folder / "f.h5")
    assert_allclose(np.median(field.u), 2.3, atol=0.05)
    assert_allclose(np.median(field.v), -1.4, atol=0.05)
    assert (folder / "f.svg").read_bytes().startswith(b"<?xml")


def test_the_result_is_that_of_the_library(folder: Path) -> None:
    assert _analyse(folder, "-o", folder / "f.h5", "--set", "correlate.windows=[32,16]") == 0
    settings = piv.settings.from_dict({"correlate": {"windows": [32, 16]}})
    pair = piv.read_pair(folder / "a.tif", folder / "b.tif")
    expected = piv.analyse(pair, settings=settings, model=None)
    read = piv.read_field(folder / "f.h5", "coarse")
    for name in ("x", "y", "u", "v", "flags"):
        assert_array_equal(getattr(read, name), getattr(expected.coarse, name))
    assert json.dumps(read_provenance(folder / "f.h5")) == json.dumps(dict(expected.provenance))


def test_a_tif_of_two_pages_is_enough(folder: Path) -> None:
    both = np.stack([tifffile.imread(folder / name) for name in ("a.tif", "b.tif")])
    tifffile.imwrite(folder / "both.tif", both, photometric="minisblack")
    words = [str(folder / "both.tif"), "--model", "none", "-o", str(folder / "two.h5")]
    assert main(["analyse", *words]) == 0
    assert _analyse(folder, "-o", folder / "one.h5") == 0
    assert_array_equal(piv.read_field(folder / "two.h5").u, piv.read_field(folder / "one.h5").u)


def test_dt_and_pixel_size_give_metres_a_second(folder: Path, capfd: Capture) -> None:
    assert _analyse(folder, "-o", folder / "px.h5") == 0
    more = ["--dt", "200us", "--pixel-size", "21um", "--origin", "10", "20"]
    assert _analyse(folder, "-o", folder / "m.h5", "--figure", folder / "m.png", *more) == 0
    assert "speed            median 0.28" in capfd.readouterr().out
    pixels, metres = piv.read_field(folder / "px.h5"), piv.read_field(folder / "m.h5")
    expected = piv.calibrate(pixels.replace(dt=2e-4), piv.Calibration(21e-6, (10.0, 20.0)))
    assert (metres.units, metres.y_axis, metres.dt) == ("m/s", "up", 2e-4)
    for name in ("x", "y", "u", "v"):
        assert_allclose(getattr(metres, name), getattr(expected, name), rtol=1e-6, atol=1e-12)


def test_dt_alone_is_recorded(folder: Path) -> None:
    assert _analyse(folder, "-o", folder / "f.h5", "--dt", "0.2ms") == 0
    field = piv.read_field(folder / "f.h5")
    assert (field.units, field.dt) == ("px", 2e-4)


def test_a_mask_hides_its_pixels(folder: Path) -> None:
    mask = np.zeros((72, 100), np.uint8)
    mask[:, 60:] = 1
    tifffile.imwrite(folder / "mask.tif", mask)
    more = ["--mask", folder / "mask.tif", "--set", "correlate.windows=[16]"]
    assert _analyse(folder, "-o", folder / "f.h5", *more) == 0
    field = piv.read_field(folder / "f.h5")
    hidden = (field.flags & piv.Flag.MASKED) != 0
    assert_array_equal(hidden, np.broadcast_to(field.x > 59.5, hidden.shape))
    assert np.isnan(field.u[hidden]).all()
    assert np.isfinite(field.u[~hidden]).all()


def test_a_background_is_subtracted_from_both_frames_or_each(folder: Path) -> None:
    rng = np.random.default_rng(0)
    fixed = rng.integers(0, 400, (72, 100)).astype(np.uint16)  # dirt that does not move
    for name in ("a", "b"):
        frame = tifffile.imread(folder / f"{name}.tif").astype(np.uint16)
        tifffile.imwrite(folder / f"dirty {name}.tif", frame + fixed)
    tifffile.imwrite(folder / "back.tif", fixed)
    dirty = [str(folder / f"dirty {name}.tif") for name in ("a", "b")]
    back = ["--background", str(folder / "back.tif")]
    for number, name in ((1, "one"), (2, "two")):
        output = str(folder / f"{name}.h5")
        assert main(["analyse", *dirty, "--model", "none", *back * number, "-o", output]) == 0
    assert _analyse(folder, "-o", folder / "clean.h5") == 0
    clean = piv.read_field(folder / "clean.h5")
    for name in ("one", "two"):
        assert_allclose(piv.read_field(folder / f"{name}.h5").u, clean.u, atol=1e-4)
    assert read_provenance(folder / "two.h5")["background"] == ["back.tif", "back.tif"]


def test_a_region_keeps_the_coordinates_of_the_frame(folder: Path) -> None:
    more = ["--set", "preprocess.region=[20,8,72,60]", "--figure", folder / "f.png"]
    assert _analyse(folder, "-o", folder / "f.h5", *more) == 0
    field = piv.read_field(folder / "f.h5")
    assert field.x.min() >= 20
    assert field.x.max() <= 92
    assert field.y.min() >= 8
    assert field.y.max() <= 68


def test_a_stride_and_a_region_of_the_dense_field_are_stored(folder: Path, capfd: Capture) -> None:
    words = ["analyse", str(folder / "a.tif"), str(folder / "b.tif"), "-o", str(folder / "f.h5")]
    assert main([*words, "--set", "output.region=[10,20,60,40]", "--set", "output.stride=4"]) == 0
    field = piv.read_field(folder / "f.h5")
    assert_array_equal(field.x, np.arange(10, 70, 4))
    assert_array_equal(field.y, np.arange(20, 60, 4))
    assert_allclose(np.median(field.u), 2.3, atol=0.05)
    outside = ["--overwrite", "--set", "output.region=[10,20,60,60]"]
    before = (folder / "f.h5").read_bytes()
    assert main([*words, *outside]) == 2
    assert "output.region (left 10, top 20, 60 px wide" in capfd.readouterr().err
    assert (folder / "f.h5").read_bytes() == before


def test_later_settings_win(folder: Path) -> None:
    text = "[correlate]\nwindows = [32]\noverlap = 0.75\n"
    (folder / "s.toml").write_text(text, encoding="utf-8")
    more = ["--settings", folder / "s.toml", "--set", "correlate.windows=[24]"]
    assert _analyse(folder, "-o", folder / "f.h5", *more) == 0
    used = read_provenance(folder / "f.h5")["settings"]["correlate"]
    assert (used["windows"], used["overlap"]) == ([24], 0.75)


def test_the_coarse_preset_needs_no_weights(folder: Path) -> None:
    words = [str(folder / "a.tif"), str(folder / "b.tif"), "--preset", "coarse"]
    assert main(["analyse", *words, "-o", str(folder / "f.h5")]) == 0
    assert read_provenance(folder / "f.h5")["weights"] is None


def test_an_output_is_replaced_only_when_asked(folder: Path) -> None:
    assert _analyse(folder, "-o", folder / "f.h5") == 0
    before = (folder / "f.h5").read_bytes()
    assert _analyse(folder, "-o", folder / "f.h5", "--set", "correlate.windows=[32]") == 2
    assert (folder / "f.h5").read_bytes() == before
    more = ["--set", "correlate.windows=[32]", "--overwrite"]
    assert _analyse(folder, "-o", folder / "f.h5", *more) == 0
    assert read_provenance(folder / "f.h5")["settings"]["correlate"]["windows"] == [32]


def test_dangers_are_told(folder: Path, capfd: Capture) -> None:
    assert _analyse(folder, "--set", "correlate.windows=[8]", "--set", "correlate.grow=false") == 0
    assert "\n  warning          " in capfd.readouterr().out


def test_the_installed_program_runs_from_end_to_end(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "piv", "analyse", "a.tif", "b.tif", "--model", "none",
         "-o", "fel t ü.h5", "--figure", "f.pdf", "--threads", "1"],
        cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    assert "valid vectors" in done.stdout
    assert piv.read_field(folder / "fel t ü.h5").units == "px"
    assert (folder / "f.pdf").stat().st_size > 1000


def test_presets_differ_in_what_they_say() -> None:
    assert list(PRESETS) == ["coarse", "fast", "standard", "best"]
    assert PRESETS["standard"].settings == piv.Settings()
    assert PRESETS["standard"].model == PRESETS["best"].model == "default"
    fast, usual = (piv.load_model(PRESETS[name].model) for name in ("fast", "standard"))
    assert fast is not None
    assert usual is not None
    weights = [sum(p.numel() for p in model.network.parameters()) for model in (fast, usual)]
    assert weights[0] < 0.6 * weights[1]
    assert PRESETS["coarse"].model == "none"
    assert fast.steps < usual.steps < PRESETS["best"].settings.refine.steps
