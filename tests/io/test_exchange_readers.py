"""Exchange files opened by the programs that they are for: ``pytest -m programs tests/io``.

None of them is among the test dependencies: pivpy brings OpenPIV (GPL) and services of language
models with it, VTK is 140 MB.  ``docs/exchange.md`` says how to have them.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import exchange_fields as made
import numpy as np
import pytest
from exchange_fields import EMPTY, MARKER, MASKED, REPLACED
from numpy.testing import assert_allclose, assert_array_equal

from piv.io.exchange import export_field
from piv.types import VectorField

pytestmark = pytest.mark.programs


def _wanted(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import, of things that are not ours
        return importlib.import_module(name)


@pytest.fixture(params=["px", "m/s"])
def field(request: pytest.FixtureRequest) -> VectorField:
    return made.pixels() if request.param == "px" else made.metres()


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_pivpy_opens_it(suffix: str, field: VectorField, tmp_path: Path) -> None:
    reader, schema = _wanted("pivpy.io"), _wanted("pivpy.schema")
    export_field(field, path := tmp_path / f"field{suffix}")
    data = reader.read_piv(path)
    schema.validate(data)
    assert_array_equal(data["u"].values[..., 0], field.u)
    assert_array_equal(data["v"].values[..., 0], field.v)
    assert_array_equal(data["chc"].values[..., 0], field.valid)
    assert_array_equal(data["y"].values, field.y)
    assert data.attrs["delta_t"] == made.DT


def test_pivpy_opens_csv_with_every_vector_in_its_place(field: VectorField, tmp_path: Path) -> None:
    reader = _wanted("pivpy.io")
    export_field(field, path := tmp_path / "field.csv")
    data = reader.read_piv(path)
    order = np.argsort(field.y)
    assert_allclose(data["y"].values, field.y[order], rtol=1e-9)
    assert_allclose(data["u"].values[..., 0], field.u[order], rtol=1e-6)
    assert_array_equal(data["chc"].values[..., 0], field.valid[order])


def test_openpiv_writes_what_we_write(tmp_path: Path) -> None:
    tools = _wanted("openpiv.tools")
    field = made.pixels()
    export_field(field, ours := tmp_path / "ours.txt", "openpiv")
    x, y = np.meshgrid(field.x + 0.5, field.y + 0.5)  # of pyprocess.get_coordinates
    kinds = np.zeros(field.shape, int)
    kinds[REPLACED] = kinds[made.FALLBACK] = 2
    kinds[EMPTY] = kinds[MASKED] = 1
    mask = np.zeros(field.shape, int)
    mask[MASKED] = 1
    x, y, u, v = tools.transform_coordinates(x, y, field.u.copy(), field.v.copy())
    tools.save(tmp_path / "theirs.txt", x, y, u, v, kinds, mask)
    assert_allclose(np.loadtxt(ours), np.loadtxt(tmp_path / "theirs.txt"), rtol=1e-4)
    theirs = (tmp_path / "theirs.txt").read_text().splitlines()[0]
    assert ours.read_text().splitlines()[0] == theirs


def test_vtk_opens_images_and_their_collection(field: VectorField, tmp_path: Path) -> None:
    vtk = _wanted("vtk")
    numpy_of = _wanted("vtk.util.numpy_support").vtk_to_numpy
    export_field(field, path := tmp_path / "field.vti")
    reader = vtk.vtkXMLImageDataReader()
    assert reader.CanReadFile(str(path))
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    assert image.GetDimensions() == (made.COLUMNS, made.ROWS, 1)
    sign = -1 if field.y_axis == "down" else 1
    bounds = np.array(image.GetBounds()[:4])
    ends = sorted([sign * field.y[0], sign * field.y[-1]])
    assert_allclose(bounds, [field.x[0], field.x[-1], *ends], rtol=1e-9)
    velocity = numpy_of(image.GetPointData().GetVectors()).reshape(made.ROWS, made.COLUMNS, 3)
    assert_array_equal(velocity[::-1, :, 0], field.u)
    assert_array_equal(velocity[::-1, :, 1], sign * field.v)
    assert image.GetFieldData().GetAbstractArray("units").GetValue(0) == field.units
    flags = numpy_of(image.GetPointData().GetArray("flags")).reshape(made.ROWS, made.COLUMNS)
    assert_array_equal(flags[::-1], field.flags)


def test_vtk_opens_tecplot(field: VectorField, tmp_path: Path) -> None:
    vtk = _wanted("vtk")
    numpy_of = _wanted("vtk.util.numpy_support").vtk_to_numpy
    export_field(field, path := tmp_path / "field.dat")
    reader = vtk.vtkTecplotReader()
    reader.SetFileName(str(path))
    reader.Update()
    block = reader.GetOutput().GetBlock(0)
    points = numpy_of(block.GetPoints().GetData()).reshape(made.ROWS, made.COLUMNS, 3)
    assert_allclose(points[MARKER][:2], [field.x[MARKER[1]], field.y[MARKER[0]]], rtol=1e-5)
    v = numpy_of(block.GetPointData().GetArray("v")).reshape(made.ROWS, made.COLUMNS)
    assert_allclose(v[MARKER], field.v[MARKER], rtol=1e-5)
