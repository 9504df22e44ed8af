"""Files of other programs: what is in them, by convention, and that a field comes back."""

from __future__ import annotations

import base64
import struct
import sys
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import exchange_fields as made
import h5py
import numpy as np
import pytest
import xarray
from exchange_fields import DOUBTFUL, DT, EMPTY, FALLBACK, MARKER, MASKED, REPLACED
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import loadmat, savemat

import piv
from piv.errors import InputError
from piv.io.exchange import FORMATS, export_field, import_field
from piv.types import Flag, VectorField

LOSSLESS = ("netcdf", "zarr", "npz", "vtk")
SILENT = ("csv", "openpiv")  # they say neither units nor dt
GRIDDED = [name for name, each in FORMATS.items() if each.writes and name != "flo"]
SERIES = [name for name, each in FORMATS.items() if each.series]


def _path(folder: Path, name: str, many: bool = False) -> Path:
    suffix = ".pvd" if name == "vtk" and many else FORMATS[name].suffixes[0]
    return folder / f"Feld Nr. 1 – 渦{suffix}"


def _through(field: VectorField, folder: Path, name: str) -> VectorField:
    path = _path(folder, name, many=field.u.ndim == 3)
    export_field(field, path, name)
    said: dict[str, Any] = {"units": field.units, "dt": field.dt} if name in SILENT else {}
    if name == "pivlab" and field.units == "px":
        said = {"dt": field.dt}
    return import_field(path, name, **said)


@pytest.fixture(params=["px", "m/s"])
def field(request: pytest.FixtureRequest) -> VectorField:
    return made.pixels() if request.param == "px" else made.metres()


@pytest.mark.parametrize("name", GRIDDED)
def test_a_field_comes_back_with_its_places_components_units_and_dt(
    name: str, field: VectorField, tmp_path: Path
) -> None:
    back = _through(field, tmp_path, name)
    assert (back.units, back.y_axis) == (field.units, field.y_axis)
    assert back.dt == pytest.approx(DT, rel=1e-9)
    step = abs(field.x[1] - field.x[0])
    assert_allclose(back.x, field.x, rtol=0, atol=1e-6 * step)
    assert_allclose(back.y, field.y, rtol=0, atol=1e-6 * step)
    assert_allclose(back.u, field.u, rtol=3e-7)
    assert_allclose(back.v, field.v, rtol=3e-7)
    assert back.u.dtype == back.v.dtype == np.float32
    assert back.flags.dtype == np.uint16


@pytest.mark.parametrize("name", GRIDDED)
def test_masked_replaced_and_missing_vectors_come_back_as_such(
    name: str, field: VectorField, tmp_path: Path
) -> None:
    back = _through(field, tmp_path, name)
    assert_array_equal(back.valid, field.valid)
    assert back.flags[MASKED] & Flag.MASKED
    assert np.isnan(back.u[MASKED])
    assert np.isnan(back.u[EMPTY])
    assert back.flags[REPLACED] & Flag.REPLACED
    assert back.flags[FALLBACK] & (Flag.REPLACED | Flag.FALLBACK)
    assert np.isfinite(back.u[REPLACED])
    assert back.valid[DOUBTFUL]
    assert back.flags[MARKER] == 0
    if name != "csv":  # which knows only valid and not valid
        assert not back.flags[EMPTY] & Flag.MASKED


@pytest.mark.parametrize("name", LOSSLESS)
def test_nothing_is_lost_where_the_format_has_room(
    name: str, field: VectorField, tmp_path: Path
) -> None:
    back = _through(field, tmp_path, name)
    assert_array_equal(back.flags, field.flags)
    assert_array_equal(back.u, field.u)
    assert_array_equal(back.v, field.v)
    for component in ("uncertainty_u", "uncertainty_v"):
        assert_array_equal(getattr(back, component), getattr(field, component))
    assert_array_equal(back.extra["peak_ratio"], field.extra["peak_ratio"])
    if name != "vtk":
        assert back.attrs == field.attrs


@pytest.mark.parametrize("name", ["tecplot", "pivlab-mat"])
def test_uncertainty_comes_back(name: str, field: VectorField, tmp_path: Path) -> None:
    back = _through(field, tmp_path, name)
    assert back.uncertainty_u is not None
    assert field.uncertainty_u is not None
    assert_allclose(back.uncertainty_u, field.uncertainty_u, rtol=3e-7)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_series_comes_back(name: str, calibrated: bool, tmp_path: Path) -> None:
    field = made.series(calibrated)
    back = _through(field, tmp_path, name)
    assert back.shape == (3, made.ROWS, made.COLUMNS)
    assert_allclose(back.u, field.u, rtol=3e-7)
    assert_allclose(back.v, field.v, rtol=3e-7)
    assert_array_equal(back.valid, field.valid)
    assert (back.units, back.y_axis) == (field.units, field.y_axis)


@pytest.mark.parametrize("name", [n for n in GRIDDED if n not in SERIES])
def test_a_series_is_refused_where_a_file_holds_one_field(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds one field, not 3"):
        export_field(made.series(), _path(tmp_path, name), name)
    assert list(tmp_path.iterdir()) == []


# what each program will find, read without this project


def test_netcdf_has_the_schema_of_pivpy(field: VectorField, tmp_path: Path) -> None:
    export_field(field, path := tmp_path / "field.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        _check_schema(data, field)


def test_zarr_has_the_schema_of_pivpy(field: VectorField, tmp_path: Path) -> None:
    export_field(field, path := tmp_path / "field.zarr")
    with xarray.open_zarr(path, chunks=None) as data:
        _check_schema(data, field)


def _check_schema(data: xarray.Dataset, field: VectorField) -> None:
    pixels = field.units == "px"
    assert data.attrs["pivpy_schema_version"] == "1"
    assert data.attrs["delta_t"] == DT
    for name, standard in (("u", "u_velocity"), ("v", "v_velocity"), ("chc", "validity_flag")):
        assert data[name].dims == ("y", "x", "t")
        assert data[name].attrs["standard_name"] == standard
    assert data["u"].attrs["units"] == ("pix" if pixels else "m/s")
    assert data["x"].attrs["units"] == ("pix" if pixels else "m")
    assert data["t"].attrs["units"] == "frame"
    assert_array_equal(data["chc"].values[..., 0], field.valid)
    assert_array_equal(data["u"].values[..., 0], field.u)
    assert_array_equal(data["y"].values, field.y)


def test_netcdf_of_a_run_has_its_pairs_or_times(tmp_path: Path) -> None:
    from piv.io.exchange.series import Fields

    fields = [made.pixels(0), made.pixels(1)]
    for time, unit, expected in ((None, "frame", [3, 7]), (np.array([0.1, 0.5]), "s", [0.1, 0.5])):
        FORMATS["netcdf"].write(Fields(fields, [3, 7], time, "run.h5"), tmp_path / "run.nc")
        with xarray.open_dataset(
            tmp_path / "run.nc", engine="h5netcdf", decode_times=False
        ) as data:
            assert_array_equal(data["t"], expected)
            assert data["t"].attrs["units"] == unit
            assert data.attrs["files"] == "run.h5"


def test_csv_has_five_columns_x_fastest_y_ascending(field: VectorField, tmp_path: Path) -> None:
    export_field(field, path := tmp_path / "field.csv")
    assert path.read_text().splitlines()[0] == "x,y,u,v,chc"
    table = np.genfromtxt(path, delimiter=",", names=True)
    assert (np.diff(table["x"][: made.COLUMNS]) > 0).all()
    assert (np.diff(table["y"]) >= 0).all()
    row = MARKER[0] if field.y_axis == "down" else made.ROWS - 1 - MARKER[0]
    marker = table[row * made.COLUMNS + MARKER[1]]
    assert_allclose(marker["v"], field.v[MARKER], rtol=1e-6)
    assert_allclose(marker["y"], field.y[MARKER[0]], rtol=1e-9)
    assert table["chc"].sum() == field.valid.sum()


def test_openpiv_has_y_and_v_up_and_pixels_from_their_corners(tmp_path: Path) -> None:
    export_field(made.pixels(), path := tmp_path / "field.txt", "openpiv")
    assert path.read_text().splitlines()[0] == "# x\ty\tu\tv\tflags\tmask"
    table = np.loadtxt(path).reshape(made.ROWS, made.COLUMNS, 6)
    assert_allclose(table[0, :, 0], 8 + 8 * np.arange(made.COLUMNS))  # windows of 16 px: at 8
    assert_allclose(table[:, 0, 1], 8 + 8 * np.arange(made.ROWS)[::-1])  # the upper row first
    assert_allclose(table[MARKER][2:4], [3.0, -1.5])
    assert table[REPLACED][4] == 2
    assert table[EMPTY][4] == 1
    assert_array_equal(np.argwhere(table[..., 5] == 1), [MASKED])


def test_openpiv_keeps_metres_as_they_are(tmp_path: Path) -> None:
    field = made.metres()
    export_field(field, path := tmp_path / "field.txt", "openpiv")
    table = np.loadtxt(path).reshape(made.ROWS, made.COLUMNS, 6)
    assert_allclose(table[..., 1], np.broadcast_to(field.y[:, None], field.shape), rtol=1e-7)
    assert_allclose(table[..., 3], field.v, rtol=1e-6)


def test_pivlab_ascii_has_y_fastest_and_pixels_as_pivlab_counts_them(tmp_path: Path) -> None:
    export_field(made.pixels(), path := tmp_path / "field.txt", "pivlab")
    lines = path.read_bytes().split(b"\r\n")
    assert lines[0].startswith(b"PIVlab, ASCII chart output")
    assert lines[2] == b"x [px],y [px],u [px/frame],v [px/frame],Vector type [-]"
    table = np.genfromtxt(path, delimiter=",", skip_header=3)
    table = table.reshape(made.COLUMNS, made.ROWS, 5).transpose(1, 0, 2)
    assert_allclose(table[0, :, 0], 9 + 8 * np.arange(made.COLUMNS))  # windows of 16 px: at 9
    assert_allclose(table[:, 0, 1], 9 + 8 * np.arange(made.ROWS))
    assert_allclose(table[MARKER], [9 + 32, 9 + 8, 3.0, 1.5, 1])
    assert [table[place][4] for place in (MASKED, REPLACED, EMPTY)] == [0, 2, 1]
    assert np.isnan(table[MASKED][2])


def test_pivlab_mat_has_matrices_or_cells(tmp_path: Path) -> None:
    export_field(made.metres(), path := tmp_path / "one.mat")
    known = loadmat(path)
    assert known["u_filtered"].shape == (made.ROWS, made.COLUMNS)
    assert known["typevector_filtered"][REPLACED] == 2
    assert known["typevector_original"][MASKED] == 0
    assert np.isnan(known["u_original"][REPLACED])
    assert known["units"][0] == "[m] respectively [m/s]"
    assert_allclose(known["calxy"], made.PIXEL)
    assert_allclose([known["calu"].item(), known["calv"].item()], [0.105, -0.105])
    export_field(made.series(), path := tmp_path / "many.mat")
    known = loadmat(path)
    assert known["v_filtered"].shape == (3, 1)
    assert_allclose(known["v_filtered"][2, 0], made.pixels(2).v)
    assert_allclose(known["x"][0, 0][0], 9 + 8 * np.arange(made.COLUMNS))


def test_tecplot_is_an_ordered_zone_with_zeros_where_there_is_nothing(tmp_path: Path) -> None:
    export_field(made.pixels(), path := tmp_path / "field.dat")
    lines = path.read_text().splitlines()
    assert lines[1].startswith('VARIABLES = "x", "y", "u", "v", "chc", "uncertainty_u"')
    start = next(n for n, line in enumerate(lines) if line.startswith("ZONE"))
    assert f"I = {made.COLUMNS}, J = {made.ROWS}" in lines[start]
    table = np.loadtxt(lines[start + 1 :]).reshape(made.ROWS, made.COLUMNS, 7)
    assert_allclose(table[MARKER][:5], [39.5, 15.5, 3.0, 1.5, 1])
    assert [table[place][4] for place in (MASKED, REPLACED, EMPTY)] == [0, 2, -1]
    assert_array_equal(table[EMPTY][2:4], 0)


def test_vtk_has_y_up_whatever_the_field(tmp_path: Path) -> None:
    for field, sign in ((made.pixels(), -1), (made.metres(), 1)):
        export_field(field, path := tmp_path / "field.vti")
        root = ElementTree.parse(path).getroot()
        image = root.find("ImageData")
        assert image is not None
        assert image.get("WholeExtent") == f"0 {made.COLUMNS - 1} 0 {made.ROWS - 1} 0 0"
        origin = [float(n) for n in image.get("Origin", "").split()]
        spacing = [float(n) for n in image.get("Spacing", "").split()]
        assert_allclose(origin[:2], [field.x[0], sign * field.y[-1]])
        assert min(spacing) > 0
        array = root.find(".//DataArray[@Name='velocity']")
        assert array is not None
        velocity = _inflated(array.text or "").view("<f4").reshape(made.ROWS, made.COLUMNS, 3)
        upright = velocity[::-1]
        assert_allclose(upright[..., 0], field.u)
        assert_allclose(upright[..., 1], sign * field.v)
        assert_array_equal(upright[..., 2], 0)


def _inflated(text: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One compressed block, as VTK's file formats describe it."""
    head = struct.unpack("<4Q", base64.b64decode(text.strip()[:44])[:32])
    data = zlib.decompress(base64.b64decode(text.strip()[44:]))
    assert head[0] == 1
    assert len(data) == head[2]
    return np.frombuffer(data, np.uint8)


def test_vtk_in_more_than_one_block(tmp_path: Path) -> None:
    field = made.every_pixel((380, 420))  # 1.9 MB of velocity: two blocks
    export_field(field, path := tmp_path / "field.vti")
    assert_array_equal(import_field(path).u, field.u)


def test_pvd_names_its_files_and_times(tmp_path: Path) -> None:
    export_field(made.series(), path := tmp_path / "run.pvd")
    entries = list(ElementTree.parse(path).getroot().iter("DataSet"))
    assert [each.get("timestep") for each in entries] == ["0", "1", "2"]
    assert all((tmp_path / str(each.get("file"))).exists() for each in entries)


def test_flo_is_interleaved_float32_of_every_pixel(tmp_path: Path) -> None:
    field = made.every_pixel()
    export_field(field, path := tmp_path / "field.flo")
    data = path.read_bytes()
    assert struct.unpack("<fii", data[:12]) == (202021.25, 40, 33)
    flow = np.frombuffer(data, "<f4", offset=12).reshape(33, 40, 2)
    assert flow[3, 4].min() > 1e9
    assert_array_equal(flow[7, 5], [field.u[7, 5], field.v[7, 5]])
    back = import_field(path, dt=DT)
    assert_array_equal(back.u, field.u)
    assert_array_equal(back.flags, field.flags)
    assert_array_equal(back.y, field.y)


def test_flo_of_a_calibrated_field_is_in_px_again(tmp_path: Path) -> None:
    field = made.every_pixel()
    export_field(piv.calibrate(field, piv.Calibration(2e-5, (3.0, 4.0))), tmp_path / "field.flo")
    back = import_field(tmp_path / "field.flo")
    assert_allclose(back.v, field.v, rtol=1e-6)
    assert back.units == "px"


def test_flo_needs_every_pixel(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every pixel"):
        export_field(made.pixels(), tmp_path / "field.flo")


# files that other programs write


def _read(folder: Path, name: str, text: str, **said: Any) -> VectorField:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_field(path, **said)


def test_vec_of_tsi(tmp_path: Path) -> None:
    text = (
        'TITLE="run.vec" VARIABLES="X mm", "Y mm", "U m/s", "V m/s", "CHC", '
        'DATASETAUXDATA Application="PIV" DATASETAUXDATA MicrosecondsPerDeltaT="2000.0" '
        "ZONE I=2, J=2, F=POINT\n"
        "1.0, -0.5, 0.25, 0.5, 1\n2.0, -0.5, 0.0, 0.0, -1\n"
        "1.0, -1.5, 0.30, 0.1, 2\n2.0, -1.5, 0.0, 0.0, -3\n"
    )
    field = _read(tmp_path, "run.vec", text)
    assert (field.units, field.y_axis, field.dt) == ("m/s", "up", 0.002)
    assert_allclose(field.x, [1e-3, 2e-3])
    assert_allclose(field.y, [-0.5e-3, -1.5e-3])
    assert_array_equal(field.valid, [[True, False], [False, False]])
    assert_allclose(field.u[:, 0], [0.25, 0.3])
    assert np.isnan(field.u[:, 1]).all()
    assert field.flags[1, 0] == Flag.REPLACED


def test_text_of_davis_with_decimal_commas(tmp_path: Path) -> None:
    text = (
        '#DaVis 8.1.6 2D-vector 32 2 2 "position" "mm" "position" "mm" "velocity" "m/s"\n'
        "-14,5\t32,5\t0\t-0\n-13,5\t32,5\t1,25\t-0,5\n-14,5\t31,5\t2\t3\n-13,5\t31,5\t1\t1\n"
    )
    field = _read(tmp_path, "B00001.txt", text)
    assert (field.units, field.y_axis) == ("m/s", "up")
    assert_allclose(field.y, [32.5e-3, 31.5e-3])
    assert field.flags[0, 0] == Flag.MASKED
    assert (field.u[0, 1], field.v[0, 1]) == (1.25, -0.5)


@pytest.mark.parametrize("between", [",", "\t", " "])
def test_pivlab_with_any_delimiter_and_more_columns(between: str, tmp_path: Path) -> None:
    names = ["x [m]", "y [m]", "u [m/s]", "v [m/s]", "Vector type [-]", "vorticity [1/s]"]
    rows = [[0.1, 0.9, 1, 2, 1, 5], [0.1, 0.8, 3, 4, 3, 5], [0.2, 0.9, 5, 6, 2, 5]]
    rows.append([0.2, 0.8, float("nan"), float("nan"), 0, 5])
    head = (
        "PIVlab, ASCII chart output - 01-Jan-2026\nFRAME: 1, filenames: a & b, conversion factor "
        "xy (px -> m): 0.0001, conversion factor uv (px/frame -> m/s): -0.2\n"
    )
    body = "\n".join(between.join(str(number) for number in row) for row in rows)
    field = _read(tmp_path, "PIVlab_0001.txt", f"{head}{between.join(names)}\n{body}\n")
    assert (field.units, field.y_axis) == ("m/s", "up")
    assert field.dt == pytest.approx(5e-4)
    assert_allclose(field.y, [0.9, 0.8])
    assert_allclose(field.u, [[1, 5], [3, np.nan]])
    assert_array_equal(field.valid, [[True, False], [True, False]])  # 3: a second peak


def test_pivlab_mat_prefers_the_filtered_vectors(tmp_path: Path) -> None:
    x, y = np.meshgrid([9.0, 17.0, 25.0], [9.0, 17.0])
    one = np.ones_like(x)
    types = np.array([[1, 2, 0], [1, 1, 1]])
    cells = {
        name: np.empty((2, 1), object)
        for name in (
            "x",
            "y",
            "u_original",
            "v_original",
            "typevector_original",
            "u_filtered",
            "v_filtered",
            "typevector_filtered",
        )
    }
    for frame in (0, 1):
        for name, values in (("x", x), ("y", y), ("u_original", one), ("v_original", one)):
            cells[name][frame, 0] = values
        cells["typevector_original"][frame, 0] = one
        filtered = frame == 0
        for name in ("u_filtered", "v_filtered"):
            cells[name][frame, 0] = 2 * one if filtered else np.empty((0, 0))
        cells["typevector_filtered"][frame, 0] = types if filtered else np.empty((0, 0))
    savemat(tmp_path / "a.mat", {**cells, "units": "[px] respectively [px/frame]"})
    field = import_field(tmp_path / "a.mat")
    assert_allclose(field.x, [7.5, 15.5, 23.5])
    assert_allclose(field.u[:, 1, 0], [2, 1])
    assert_array_equal(field.flags[0, 0], [0, int(Flag.REPLACED), int(Flag.MASKED)])
    assert field.valid[1].all()


def test_text_of_old_openpiv_has_a_ratio_of_peaks(tmp_path: Path) -> None:
    text = "8 24 1.0 2.0 5.5\n16 24 1.5 2.5 1.1\n8 16 0 0 3\n16 16 0.5 -1 2\n"
    field = _read(tmp_path, "old.txt", text, dt=0.1)
    assert_allclose(field.y, [15.5, 23.5])
    assert_allclose(field.v, [[-2.0, -2.5], [0, 1]])
    assert_allclose(field.extra["peak_ratio"], [[5.5, 1.1], [3, 2]])
    assert field.valid.all()
    assert field.dt == 0.1


def test_csv_without_chc_and_in_any_order(tmp_path: Path) -> None:
    text = "u;v;x;y\n1;2;1;1\n3;4;0;1\n5;6;1;0\n7;nan;0;0\n"
    field = _read(tmp_path, "a.csv", text, units="m/s")
    assert_allclose(field.y, [1, 0])  # up
    assert_allclose(field.u, [[3, 1], [np.nan, 5]])


def test_csv_may_lack_points(tmp_path: Path) -> None:
    field = _read(tmp_path, "a.csv", "x,y,u,v\n0,0,1,1\n1,0,1,1\n0,1,1,1\n")
    assert np.isnan(field.u[1, 1])
    assert not field.valid[1, 1]


def test_what_the_user_says_wins(tmp_path: Path) -> None:
    export_field(made.pixels(), path := tmp_path / "field.npz")
    assert import_field(path, dt=0.5, y_axis="up").dt == 0.5


# errors

BAD = {
    "nowhere.csv": None,
    "empty.csv": "",
    "no names.csv": "1,2,3,4\n",
    "words.csv": "x,y,u,v\n1,2,a,b\n",
    "scattered.csv": "x,y,u,v\n" + "".join(f"{n},{n},1,1\n" for n in range(20)),
    "twice.csv": "x,y,u,v\n0,0,1,1\n0,0,1,1\n",
    "empty.txt": "",
    "few.txt": "1 2 3\n",
    "ragged.txt": "1 2 3 4 5 6\n1 2 3\n",
    "frames.txt": "x [m],y [m],u [m/frame],v [m/frame],Vector type [-]\n1,1,1,1,1\n",
    "nothing.dat": "1 2 3 4\n",
    "zones.dat": 'VARIABLES="x","y","u","v"\nZONE\n0 0 1 1\nZONE\n0 0 1 1\n',
    "names.dat": 'VARIABLES="a","b"\nZONE\n0 0\n',
    "short.flo": "PIEH",
    "a.npz": "no archive",
    "a.mat": "no matrices",
    "a.nc": "no netCDF",
    "a.vti": "<VTKFile",
    "b.vti": "<VTKFile/>",
    "a.pvd": '<VTKFile type="Collection"><Collection/></VTKFile>',
    "b.pvd": '<VTKFile type="Collection"><DataSet file="gone.vti"/></VTKFile>',
    "davis.txt": "#DaVis 8 3D-vector\n1 2 3 4\n",
    "a.zarr": "no folder",
    "a.unknown": "1",
    "no ending": "1",
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_file_is_told_in_one_line_with_its_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    content = BAD[name]
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        import_field(path)
    message = str(caught.value)
    assert "\n" not in message
    assert (path.name if name != "b.pvd" else "gone.vti") in message


@pytest.mark.parametrize("name", ["netcdf", "npz", "vtk", "pivlab-mat", "flo"])
def test_a_cut_off_file_is_told(name: str, tmp_path: Path) -> None:
    path = _path(tmp_path, name)
    export_field(made.every_pixel(), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(InputError, match=r"damaged|cut off|not a"):
        import_field(path)


@pytest.mark.parametrize("name", ["netcdf", "zarr"])
def test_a_damaged_part_is_told(name: str, tmp_path: Path) -> None:
    path = _path(tmp_path, name)
    export_field(made.every_pixel((60, 70)), path)
    if name == "netcdf":
        with h5py.File(path) as store:
            place = store["u"].id.get_chunk_info(0)
        data = bytearray(path.read_bytes())
        data[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
        path.write_bytes(data)
    else:
        part = path / "u" / "0.0.0"
        part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(InputError, match="damaged"):
        import_field(path)


def test_an_archive_may_not_run_code(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="plain arrays"):
        import_field(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("a.txt", None, "openpiv or pivlab"),
        ("a.nc", "netcd", "did you mean netcdf"),
        ("a.nc", "csv", "must end in .csv"),
        ("a.txt", "davis-text", "only read"),
        ("a.h5", None, "names no format"),
    ],
)
def test_a_name_that_means_no_format_is_told(
    name: str, format: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        export_field(made.pixels(), tmp_path / name, format)


def test_impossible_hints_are_told(tmp_path: Path) -> None:
    export_field(made.pixels(), path := tmp_path / "a.csv")
    bad: list[dict[str, Any]] = [{"units": "mm"}, {"y_axis": "left"}, {"dt": -1.0}]
    for said in bad:
        with pytest.raises(InputError):
            import_field(path, **said)


def test_an_uneven_grid_is_no_image_of_vtk(tmp_path: Path) -> None:
    field = made.pixels()
    uneven = field.replace(x=field.x**2)
    with pytest.raises(InputError, match="evenly"):
        export_field(uneven, tmp_path / "a.vti")
    assert list(tmp_path.iterdir()) == []
    assert_array_equal(_through(uneven, tmp_path, "netcdf").x, uneven.x)


def test_fields_of_a_series_must_be_alike(tmp_path: Path) -> None:
    from piv.io.exchange.series import Fields

    fields = [made.pixels(), made.metres()]
    for name in SERIES:
        if name == "vtk":  # a file each
            continue
        with pytest.raises(InputError, match="one grid"):
            FORMATS[name].write(Fields(fields, [0, 1]), _path(tmp_path, name))
        assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(piv.PIVError, match=r"ccfcn-piv\[zarr\]"):
        export_field(made.pixels(), tmp_path / "a.zarr")


def test_a_zarr_store_takes_the_place_of_another(tmp_path: Path) -> None:
    export_field(made.series(), path := tmp_path / "a.zarr")
    export_field(made.pixels(), path)
    assert import_field(path).shape == (made.ROWS, made.COLUMNS)
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]
