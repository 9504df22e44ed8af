"""A data set does in a field's place, with the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from analytic_flows import lamb_oseen, sampled
from numpy.testing import assert_array_equal

from piv import plot, post
from piv.errors import InputError
from piv.types import VectorField

FIELD = sampled(
    np.linspace(-1, 1, 41), np.linspace(0.8, -0.8, 33), lamb_oseen(0.1, 0.05, 0.7, 0.3)
).replace(uncertainty_u=np.full((33, 41), 0.01), uncertainty_v=np.full((33, 41), 0.02))
RING = post.circle((0.1, 0.05), 0.5)
CASES: dict[str, Callable[[Any], Any]] = {
    "vorticity": post.vorticity,
    "gradient": lambda given: post.q_criterion(post.velocity_gradient(given)),
    "gamma": post.gamma_2,
    "circulation": lambda given: post.circulation(given, RING),
    "profile": lambda given: post.profile(given, RING).u,
    "streamlines": lambda given: post.streamlines(given, [(0.3, 0.1)])[0],
    "vortices": lambda given: np.array([v.circulation for v in post.find_vortices(given)]),
    "uncertainty": lambda given: post.uncertainty_of(post.vorticity, given),
    "large scales": lambda given: post.decompose(given, 0.2).large.u,
    "mean taken off": lambda given: post.subtract_mean(given).u,
    "pressure": lambda given: post.pressure_of(given, rho=1.0).p,
}


@pytest.mark.parametrize("name", CASES)
def test_a_data_set_gives_what_its_field_gives(name: str) -> None:
    pytest.importorskip("xarray")
    assert_array_equal(CASES[name](FIELD.to_xarray()), CASES[name](FIELD))


def test_a_data_set_is_drawn() -> None:
    pytest.importorskip("xarray")
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert plot.plot_vorticity(axes, FIELD.to_xarray()) is axes  # type: ignore[arg-type]
    assert axes.images


def test_what_is_no_field_of_vectors_is_refused() -> None:
    xarray = pytest.importorskip("xarray")
    with pytest.raises(InputError, match="no variable 'x'"):
        post.vorticity(xarray.Dataset({"p": ("t", [1.0, 2.0])}))


def test_functions_keep_their_names_and_words() -> None:
    assert post.vorticity.__name__ == "vorticity"
    assert "counter-clockwise" in (post.vorticity.__doc__ or "")
    assert isinstance(post.subtract_velocity(FIELD, (1, 0)), VectorField)


def test_a_list_in_a_field_s_place_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="must be a VectorField or a VelocityGradient, not a list"):
        post.vorticity([FIELD])  # type: ignore[arg-type]
