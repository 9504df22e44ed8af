"""DaVis' ``.vc7``, through a stand-in for LaVision's reader, and through the reader itself."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import lavision
import numpy as np
import pytest
from lavision import Buffer, Component, Grid, ImageFrame, Scale, Scales, VectorFrame
from numpy.testing import assert_allclose, assert_array_equal

import piv
from piv.errors import InputError, PIVError
from piv.io.exchange import export_field, import_field
from piv.post import uncertainty_of, vorticity
from piv.types import Flag

ROWS, COLUMNS, STEP = 4, 6, 16
MASKED, DISABLED, FILLED = (0, 0), (1, 2), (2, 4)


def _frame(
    unit: str = "mm", slope: float = 0.1, choices: Any = None, mirrored: bool = False, **more: Any
) -> VectorFrame:
    """Rotation in px, y down in the image: u = -row, v = column; two peaks a vector."""
    row, column = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    px = unit == "pixel"
    scales = Scales(
        Scale(-slope if mirrored else slope, -3.0, unit),
        Scale(slope if px else -slope, 7.0, unit),
        Scale(),
        Scale(slope, 0.0, "pixel" if px else "m/s", "velocity"),
    )
    chosen = np.zeros((ROWS, COLUMNS), np.int32) if choices is None else choices
    enabled, mask = (np.ones((ROWS, COLUMNS), np.uint8) for _ in range(2))
    enabled[DISABLED] = mask[MASKED] = 0
    planes = {
        "U0": -row, "V0": column, "U1": 10 - row, "V1": 10 + column, "ACTIVE_CHOICE": chosen,
        "ENABLED": enabled, "MASK": mask, "TS:Peak ratio": row + 2, **more,
    }  # fmt: skip
    components = {name: Component(scales.i, [plane]) for name, plane in planes.items()}
    return VectorFrame(components, scales, {"FrameDt": "300 us"}, Grid(STEP, STEP), choices=2)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Reads a buffer as if LaVision's package had found it in a file."""

    def read(*frames: Any, **said: Any) -> piv.VectorField:
        module: Any = types.ModuleType("lvpyio")
        module.read_buffer = lambda _name: Buffer(list(frames))
        monkeypatch.setitem(sys.modules, "lvpyio", module)
        (path := tmp_path / "B00001.VC7").write_bytes(b"")
        return import_field(path, **said)

    return read


def test_a_calibrated_buffer_is_in_metres_with_y_up(reading: Any) -> None:
    field = reading(_frame())
    assert (field.units, field.y_axis, field.dt) == ("m/s", "up", pytest.approx(300e-6))
    # the middles of cells of 16 px, counted from the corner of the first pixel
    assert_allclose(field.x, 1e-3 * (-3 + 0.1 * (np.arange(COLUMNS) + 0.5) * STEP))
    assert_allclose(field.y, 1e-3 * (7 - 0.1 * (np.arange(ROWS) + 0.5) * STEP))
    assert_allclose(field.u[3], np.full(COLUMNS, -0.3), rtol=1e-6)  # m/s as said, not mm
    assert_allclose(field.v[3], -0.1 * np.arange(COLUMNS), rtol=1e-6)  # the image's down is down


def test_every_kind_of_vector_is_told(reading: Any) -> None:
    choices = np.zeros((ROWS, COLUMNS), np.int32)
    choices[FILLED], choices[3, 5] = 4, 1
    field = reading(_frame(choices=choices))
    assert field.flags[MASKED] == Flag.MASKED
    assert field.flags[DISABLED] == Flag.MEDIAN_OUTLIER
    assert field.flags[FILLED] == Flag.REPLACED
    assert np.isnan(field.u[[0, 1], [0, 2]]).all()
    assert np.count_nonzero(field.flags) == 3
    assert field.u[3, 5] == pytest.approx(0.1 * (10 - 3))  # the second peak, where it was chosen
    assert_array_equal(np.isnan(field.extra["peak_ratio"]), np.isnan(field.u))


def test_a_field_that_was_smoothed_as_a_whole_is_measured(reading: Any) -> None:
    field = reading(_frame(choices=np.full((ROWS, COLUMNS), 5, np.int32)))
    assert not (field.flags & int(Flag.REPLACED)).any()
    assert field.valid.sum() == ROWS * COLUMNS - 2


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("unit", ["mm", "pixel"])
def test_rotation_keeps_its_sense(unit: str, mirrored: bool, reading: Any) -> None:
    field = reading(_frame(unit, slope=1.0 if unit == "pixel" else 0.1, mirrored=mirrored))
    assert (np.diff(field.x) > 0).all()
    # in the image u = -row, v = column: clockwise as one sees it with y down, seen from behind
    # counter-clockwise
    sign = 1 if mirrored else -1
    if unit == "pixel":
        assert (field.y_axis, field.y[0], field.x[0]) == ("down", 7 + 7.5, field.x.min())
    inner = vorticity(field)[2:, 1:-1]
    assert (np.sign(inner[np.isfinite(inner)]) == sign).all()
    assert np.isfinite(inner).any()


def test_uncertainty_needs_the_length_over_which_it_is_shared(reading: Any) -> None:
    errors = np.full((ROWS, COLUMNS), 0.5, np.float32)
    errors[2, 2] = 0  # DaVis' "not known"
    field = reading(_frame(**{"TS:Uncertainty Vx": errors, "TS:Uncertainty Vy": 2 * errors}))
    assert field.uncertainty_u is not None
    assert field.uncertainty_v is not None
    assert field.uncertainty_u[3, 3] == pytest.approx(0.05)
    assert field.uncertainty_v[3, 3] == pytest.approx(0.1)
    assert np.isnan(field.uncertainty_u[2, 2])
    with pytest.raises(InputError, match="DaVis is not known: give correlation_length"):
        uncertainty_of(vorticity, field)
    assert np.isfinite(uncertainty_of(vorticity, field, correlation_length=0.0)).any()


def test_stereo_and_several_frames(reading: Any, tmp_path: Path) -> None:
    w = np.full((ROWS, COLUMNS), 3, np.float32)
    frames = [_frame(W0=w, W1=w), _frame(W0=2 * w, W1=w)]
    field = reading(*frames)
    assert field.shape == (2, ROWS, COLUMNS)
    assert_allclose(field.extra["w"][:, 3, 3], [0.3, 0.6], rtol=1e-6)
    export_field(field, tmp_path / "run.nc")
    assert_array_equal(import_field(tmp_path / "run.nc").u, field.u)


def test_what_the_user_says_wins(reading: Any) -> None:
    assert reading(_frame(), dt=0.5).dt == 0.5
    silent = _frame()
    silent.attributes["FrameDt"] = "no time"
    assert reading(silent).dt == 1.0


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no vector field"),
        ([ImageFrame({})], "images, not vectors"),
        ([_frame("inch")], "'inch'"),
        ([_frame(), _frame("pixel", 1.0)], "one grid and one unit"),
    ],
)
def test_what_is_no_planar_field_is_told(
    frames: list[Any], message: str, reading: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        reading(*frames)


def test_a_volume_is_told(reading: Any) -> None:
    frame = _frame()
    frame.components["U0"].planes *= 2
    with pytest.raises(InputError, match="volume of 2 planes"):
        reading(frame)


def test_a_file_that_the_reader_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_name: str) -> Any:
        raise RuntimeError("File not of type IM7.")

    module: Any = types.ModuleType("lvpyio")
    module.read_buffer = refuse
    monkeypatch.setitem(sys.modules, "lvpyio", module)
    (path := tmp_path / "a.vc7").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"cannot read .*a\.vc7: File not of type IM7"):
        import_field(path)


def test_without_the_package_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "lvpyio", None)
    (path := tmp_path / "a.vc7").write_bytes(b"")
    with pytest.raises(PIVError, match=r"ccfcn-piv\[davis\]") as caught:
        import_field(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="only read"):
        export_field(reading_example(), path)


def reading_example() -> piv.VectorField:
    axis = np.arange(3.0)
    values = np.zeros((3, 3), np.float32)
    return piv.VectorField(axis, axis, values, values, values.astype(np.uint16))


@pytest.fixture
def real() -> Any:
    return importlib.import_module("lvpyio")


@pytest.mark.programs
def test_the_stand_in_is_like_the_package(real: Any) -> None:
    from lvpyio.types.frame import VectorFrame as Theirs

    for name in ("shape", "masks", "active_choice", "as_masked_array"):
        assert hasattr(Theirs, name), name
    for name in ("Scale", "Grid"):
        theirs, ours = (set(vars(each)["__annotations__"]) for each in
                        (getattr(real, name), getattr(lavision, name)))  # fmt: skip
        assert theirs == ours


@pytest.mark.programs
def test_a_buffer_that_lavisions_package_wrote(real: Any, tmp_path: Path) -> None:
    vectors = np.ma.zeros((ROWS, COLUMNS), real.vec2c)
    vectors["u"], vectors["v"] = np.mgrid[:ROWS, :COLUMNS]
    vectors.mask = False
    vectors[MASKED] = np.ma.masked
    real.write_buffer(real.arrays_to_buffer([vectors]), str(path := tmp_path / "ä b.vc7"))
    field = import_field(path)
    assert (field.units, field.y_axis) == ("px", "down")
    assert_array_equal(field.x, np.arange(COLUMNS))  # a vector a pixel: its centre
    assert_array_equal(field.y, np.arange(ROWS))
    assert_array_equal(field.valid, ~vectors.mask["u"])
    assert_array_equal(field.u[1:], vectors["u"][1:])
    assert_array_equal(field.v[1:], vectors["v"][1:])


@pytest.mark.programs
@pytest.mark.parametrize("name", ["PIVMAT_jet/B00001.VC7", "urban_canopy/B00003.vc7"])
def test_files_of_davis_that_pivpy_ships(name: str, real: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pivpy = importlib.import_module("pivpy")
        reader = importlib.import_module("pivpy.io")
    path = Path(str(pivpy.__file__)).parent / "data" / name
    field = import_field(path)
    theirs = reader.read_piv(path)
    assert (field.units, field.y_axis) == ("m/s", "up")
    assert_allclose(field.x, 1e-3 * theirs["x"].values, rtol=1e-6)
    assert_allclose(np.sort(field.y), np.sort(1e-3 * theirs["y"].values), rtol=1e-6)
    assert 0.7 < np.isfinite(field.u).mean() < 0.95
    # of a nearly planar flow the divergence is smaller with v's right sign than with its wrong one
    with_sign, against = (
        np.sqrt(np.nanmean(piv.post.divergence(each) ** 2))
        for each in (field, field.replace(v=-field.v))
    )
    assert with_sign < 0.9 * against
