"""The errors' correlation length: given, from the record of the weights, or not known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import piv
from piv import post
from piv.errors import InputError, WeightsError
from piv.network import catalogue
from piv.types import VectorField

LENGTH = 6.25  # px
WEIGHTS = {"weights": {"name": "mine", "sha256": "a" * 64}}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of which the record has the length."""
    record = {"calibration": {"error_correlation_length": LENGTH}}
    monkeypatch.setattr(
        "piv.post.correlated.record_of", lambda sha: record if sha == "a" * 64 else None
    )


def _field(**attrs: Any) -> VectorField:
    rng = np.random.default_rng(3)
    shape = (24, 40)
    u, v = rng.standard_normal((2, *shape))
    spread = np.full(shape, 0.1)
    return VectorField(
        np.arange(40.0), np.arange(24.0), u, v, np.zeros(shape, np.uint16), spread, spread,
        attrs=attrs,
    )  # fmt: skip


@pytest.mark.usefixtures("known")
def test_a_field_has_the_length_of_its_weights_in_its_own_unit() -> None:
    field = _field(**WEIGHTS)
    metric = piv.calibrate(field, piv.Calibration(2e-5), dt=1e-3)
    assert post.correlation_length_of(field) == LENGTH
    assert_allclose(post.correlation_length_of(metric), LENGTH * 2e-5, rtol=1e-12)
    assert post.correlation_length_of(field, 2.0) == 2.0  # what is given goes first
    assert post.correlation_length_of(VectorField.from_xarray(field.to_xarray())) == LENGTH


@pytest.mark.usefixtures("known")
def test_everything_that_takes_a_length_takes_it_from_the_weights() -> None:
    field = _field(**WEIGHTS)
    series = [field, field.replace(u=-field.u), field.replace(v=-field.v)]
    stack = field.replace(
        **{name: np.stack([getattr(each, name) for each in series])
           for name in ("u", "v", "flags", "uncertainty_u", "uncertainty_v")}
    )  # fmt: skip
    flow = post.statistics_of(series)
    ring = post.circle((20, 12), 8)
    own = post.lines
    cases = {
        "vorticity": lambda **k: post.uncertainty_of(post.vorticity, field, **k),
        "circulation": lambda **k: own.circulation_uncertainty(field, ring, **k),
        "flow rate": lambda **k: own.flow_rate_uncertainty(field, ring, **k),
        "acceleration": lambda **k: post.acceleration_uncertainty(stack, [0, 1, 2], **k)[0],
        "sampled": lambda **k: post.sampled_uncertainty(
            post.vorticity, field, np.random.default_rng(0), samples=3, **k
        ),
        "spectrum": lambda **k: post.spectrum(series, flow, **k).uu.noise,
        "structure": lambda **k: post.structure_functions(series, **k).longitudinal[2].noise,
        "dissipation": lambda **k: post.dissipation(series, flow, nu=1.0, **k).noise,
        "correlation": lambda **k: post.spatial_correlation(series, flow, **k).covariance.noise,
        "two points": lambda **k: post.two_point_correlation(series, flow, (12, 20), **k).noise,
    }
    for name, case in cases.items():
        found = case()
        assert_allclose(found, case(correlation_length=LENGTH), err_msg=name)
        independent = case(correlation_length=0.0)
        assert not np.allclose(found, independent, rtol=0.05, equal_nan=True), name


@pytest.mark.usefixtures("known")
def test_what_is_not_known_is_said_in_one_line() -> None:
    field = _field(**WEIGHTS)
    other = {"weights": {"name": "yours", "sha256": "b" * 64}}
    cases = {
        "by the weights yours": _field(**other),
        "of interrogation windows": field.replace(attrs={**WEIGHTS, "windows": [[16, 16]]}),
        "does not say how it was calibrated": field.replace(units="m/s", y_axis="up"),
        "of the mean": post.statistics_of([field, field.replace(u=-field.u)]).mean_field,
    }
    for text, case in cases.items():
        with pytest.raises(InputError, match=text) as caught:
            post.uncertainty_of(post.vorticity, case)
        assert "give correlation_length" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert post.uncertainty_of(post.vorticity, case, correlation_length=0.0).shape == case.shape


def test_errors_are_independent_where_nothing_says_otherwise() -> None:
    bare = _field().replace(uncertainty_u=None, uncertainty_v=None)
    assert post.correlation_length_of(_field()) == 0  # an imported field
    assert post.correlation_length_of(_field(weights=None)) == 0
    assert post.correlation_length_of(bare.replace(attrs={"windows": [[16, 16]]})) == 0


def test_the_default_weights_have_a_length() -> None:
    entries, default = catalogue.known()
    if default is None:
        pytest.skip("this installation has no default weights")
    sha256 = entries[default]["sha256"]
    found = post.correlation_length_of(_field(weights={"name": default, "sha256": sha256}))
    assert 1 < found < 24  # px, of the order of the network's finest scale
    assert catalogue.record_of("0" * 64) is None


def test_weights_of_ones_own_bring_the_length_of_their_record() -> None:
    model = piv.load_model()
    if model is None:
        pytest.skip("this installation has no default weights")
    calibration = {**model.record["calibration"], "error_correlation_length": LENGTH}
    record = {**model.record, "calibration": calibration}
    own = replace(model, name="mine", sha256="b" * 64, record=record)
    frames = np.random.default_rng(2).uniform(0, 200, (2, 40, 48))
    dense = piv.analyse(*frames, model=own).dense
    assert dense is not None
    assert post.correlation_length_of(dense) == LENGTH
    del calibration["error_correlation_length"]
    dense = piv.analyse(*frames, model=own).dense
    assert dense is not None
    with pytest.raises(InputError, match=r"weights mine is not known.*piv evaluate prints it"):
        post.correlation_length_of(dense)


def test_a_damaged_record_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0hello")
    entries = {"w": {"file": "w.safetensors", "sha256": "c" * 64}}
    monkeypatch.setattr(catalogue, "known", lambda: (entries, "w"))
    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match="record of the weights w: reinstall"):
        catalogue.record_of("c" * 64)


def test_the_length_is_found_without_torch() -> None:
    code = "import piv.post, sys; piv.post.correlation_length_of; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
