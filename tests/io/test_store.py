"""Results in HDF5: what is written comes back, and others can read it without this program."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import stores
import xarray
from numpy.testing import assert_array_equal

from piv.calibrate import calibrate
from piv.errors import InputError, PIVError, StorageError
from piv.io.results import writer
from piv.io.store import ResultsWriter, read_field, read_provenance, write_analysis
from piv.types import Analysis, Calibration, Flag, VectorField


def _field(rng: np.random.Generator, shape: tuple[int, int], **changes: Any) -> VectorField:
    u, v, ratio = (rng.normal(0, 3, shape).astype(np.float32) for _ in range(3))
    u[2, 3] = v[2, 3] = np.nan
    options: dict[str, Any] = {
        "x": np.arange(shape[1]) * 16 + 15.5,
        "y": np.arange(shape[0]) * 16 + 15.5,
        "flags": rng.integers(0, 1 << 14, shape).astype(np.uint16),
        "extra": {"peak_ratio": ratio},
        "attrs": {"windows": [[64, 32]], "numbers": np.float32(1.5)},
        "dt": 2e-4,
    }
    return VectorField(u=u, v=v, **{**options, **changes})


@pytest.fixture
def analysis(rng: np.random.Generator) -> Analysis:
    dense_shape = (80, 300)
    size = np.abs(rng.normal(0, 1, dense_shape)).astype(np.float32)
    dense = _field(
        rng, dense_shape, x=np.arange(300.0), y=np.arange(80.0), extra={},
        uncertainty_u=size, uncertainty_v=size * 2,
    )  # fmt: skip
    return Analysis(
        _field(rng, (4, 18)),
        dense,
        {"valid": 98.5, "peak_locking": float("nan")},
        {"package": "ccfcn-piv", "input": {"name": "a.tif, b.tif", "sha256": "ab12"}},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Ergebnis 流.h5"


def _same(a: VectorField, b: VectorField) -> None:
    for name in ("x", "y", "u", "v", "flags", "uncertainty_u", "uncertainty_v"):
        one, other = getattr(a, name), getattr(b, name)
        if one is None:
            assert other is None
            continue
        assert_array_equal(one, other)
        if name not in ("x", "y"):
            assert one.dtype == other.dtype
    assert (a.units, a.y_axis, a.dt) == (b.units, b.y_axis, b.dt)
    assert set(a.extra) == set(b.extra)
    for name, values in a.extra.items():
        assert_array_equal(values, b.extra[name])


def test_store_and_read_is_the_identity(analysis: Analysis, path: Path) -> None:
    write_analysis(path, analysis)
    _same(read_field(path, "coarse"), analysis.coarse)
    assert analysis.dense is not None
    _same(read_field(path, "dense"), analysis.dense)
    _same(read_field(path), analysis.dense)
    own = {"windows": [[64, 32]], "numbers": 1.5}
    assert read_field(path, "coarse").attrs == {**analysis.provenance, **own}
    assert read_provenance(path) == analysis.provenance


def test_a_calibrated_field_stays_calibrated(analysis: Analysis, path: Path) -> None:
    flow = calibrate(analysis.coarse, Calibration(21e-6, (3, 4)))
    write_analysis(path, Analysis(flow, None))
    _same(read_field(path), flow)
    assert read_field(path).attrs["calibration"] == {"pixel_size": 21e-6, "origin": [3.0, 4.0]}


@pytest.mark.parametrize("group", ["coarse", "dense"])
def test_xarray_opens_a_group_without_our_code(analysis: Analysis, path: Path, group: str) -> None:
    write_analysis(path, analysis)
    field = read_field(path, group)
    with xarray.open_dataset(path, group=group, engine="h5netcdf") as data:
        assert data["u"].dims == ("pair", "y", "x")
        assert_array_equal(data["u"][0], field.u)
        assert_array_equal(data["x"], field.x)
        assert_array_equal(data["y"], field.y)
        assert data["u"].attrs["units"] == "px"
        assert data["v"].attrs["long_name"] == "displacement, positive down"
        masks = dict(
            zip(data["flags"].flag_meanings.split(), data["flags"].flag_masks, strict=True)
        )
        assert masks == {flag.name.lower(): flag.value for flag in Flag if flag.name}
        _same(VectorField.from_xarray(data.isel(pair=0)), field)
        assert VectorField.from_xarray(data).attrs == field.attrs


def test_every_other_group_opens_in_xarray_too(analysis: Analysis, path: Path) -> None:
    write_analysis(path, analysis, seconds=1.25)
    with xarray.open_dataset(path, engine="h5netcdf") as root:
        assert root["status"].values.tolist() == [1]
        assert root["seconds"].values.tolist() == [1.25]
        assert root["name"].values.tolist() == ["a.tif, b.tif"]
        assert root["sha256"].values.tolist() == ["ab12"]
        assert json.loads(root.attrs["provenance"]) == analysis.provenance
    with xarray.open_dataset(path, group="quality", engine="h5netcdf") as quality:
        assert quality["valid"].values.tolist() == [98.5]
        assert np.isnan(quality["peak_locking"].values).all()


def test_the_layout_is_compressed_in_chunks_of_one_pair(analysis: Analysis, path: Path) -> None:
    write_analysis(path, analysis)
    with h5py.File(path) as store:
        u = store["dense/u"]
        assert (u.shape, u.chunks) == ((1, 80, 300), (1, 80, 256))
        assert (u.compression, u.compression_opts, u.shuffle) == ("gzip", 1, True)
        assert store["dense/flags"].dtype == np.uint16
        assert store.attrs["schema"] == 1


def test_a_store_of_several_pairs_knows_which_are_done(
    analysis: Analysis, path: Path, rng: np.random.Generator
) -> None:
    other = dataclasses.replace(analysis, coarse=_field(rng, (4, 18)))
    with ResultsWriter.create(path, count=3, template=analysis, provenance={}) as store:
        store.put(2, other)
        assert store.status.tolist() == [0, 0, 1]
    _same(read_field(path, "coarse", 2), other.coarse)
    with pytest.raises(InputError, match="no field of pair 0: it was never analysed"):
        read_field(path, index=0)
    with pytest.raises(InputError, match=r"3 pair\(s\), numbered from 0: there is no 3"):
        read_field(path, index=3)


def test_a_group_that_is_not_there_is_named(analysis: Analysis, path: Path) -> None:
    write_analysis(path, Analysis(analysis.coarse, None))
    assert read_field(path).shape == analysis.coarse.shape
    with pytest.raises(InputError, match="no group 'dense'; it has coarse"):
        read_field(path, "dense")


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_field(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no", encoding="utf-8")
    with pytest.raises(InputError, match="not an HDF5 file"):
        read_field(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["u"] = 1
    with pytest.raises(InputError, match="not a result of this program"):
        read_field(tmp_path / "other.h5")


def test_a_result_of_a_newer_program_is_refused(analysis: Analysis, path: Path) -> None:
    write_analysis(path, analysis)
    with h5py.File(path, "r+") as store:
        store.attrs["schema"] = 99
    with pytest.raises(InputError, match="schema 99, newer than this program's 1"):
        read_field(path)


def test_an_existing_file_is_replaced_only_when_all_is_written(
    analysis: Analysis, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_analysis(path, analysis)
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("piv.io.store.write_pairs", fail)
        with pytest.raises(KeyboardInterrupt):
            write_analysis(path, Analysis(analysis.coarse, None))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    write_analysis(path, Analysis(analysis.coarse, None))
    with h5py.File(path) as store:
        assert "dense" not in store


def test_a_folder_that_is_not_there_is_one_line(analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(PIVError, match=r"cannot write .*f\.h5: No such file or directory"):
        write_analysis(tmp_path / "none" / "f.h5", analysis)


def test_a_field_becomes_a_labelled_data_set_and_back(analysis: Analysis) -> None:
    field = analysis.field
    data = field.to_xarray()
    assert data["u"].dims == ("y", "x")
    assert data["uncertainty_u"].attrs["units"] == "px"
    assert data["u"].attrs["ancillary_variables"] == "uncertainty_u flags"
    _same(VectorField.from_xarray(data), field)
    coarse = analysis.coarse.to_xarray()
    assert coarse["u"].attrs["ancillary_variables"] == "flags"
    assert "uncertainty_u" not in coarse
    assert VectorField.from_xarray(coarse).attrs == {"windows": [[64, 32]], "numbers": 1.5}


def test_a_labelled_field_can_be_saved_as_netcdf(analysis: Analysis, tmp_path: Path) -> None:
    analysis.field.to_xarray().to_netcdf(tmp_path / "field.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "field.nc", engine="h5netcdf") as data:
        _same(VectorField.from_xarray(data), analysis.field)


@pytest.mark.parametrize("missing", ["u", "flags", "x"])
def test_a_data_set_without_a_variable_is_no_field(analysis: Analysis, missing: str) -> None:
    data = analysis.coarse.to_xarray().drop_vars(missing)
    with pytest.raises(InputError, match=f"no variable '{missing}'"):
        VectorField.from_xarray(data)


def test_a_data_set_without_units_is_no_field(analysis: Analysis) -> None:
    data = analysis.coarse.to_xarray()
    del data.attrs["units"]
    with pytest.raises(InputError, match="no attribute 'units'"):
        VectorField.from_xarray(data)


def test_space_is_asked_for_only_where_space_is_wanting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.h5"
    stores.create(path, 2).close()
    for number, asked in ((errno.EACCES, False), (errno.ENOSPC, True)):

        def refuse(_path: Path, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(writer, "Journalled", refuse)
        with pytest.raises(StorageError, match=os.strerror(number)) as caught:
            ResultsWriter.open(path)
        assert ("free some space" in str(caught.value)) is asked
