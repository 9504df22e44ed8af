"""The uncertainty of a pressure holds the share of the errors that it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_pressure import RHO, masked, solid_body, taylor_green

from piv import post
from piv.errors import InputError
from piv.post import pressure_of, pressure_uncertainty
from piv.types import Float, VectorField

LENGTH = 0.12  # of the errors; the spacing is 0.05


def flow(body: bool = True) -> VectorField:
    """Uneven uncertainty, other in u than in v, of a few per cent of the fastest velocity."""
    field, _ = taylor_green(21, 31)
    xx, yy = np.meshgrid(field.x, field.y)
    size = 0.03 * (1 + 0.5 * np.sin(3 * xx))
    field = field.replace(uncertainty_u=size, uncertainty_v=1.3 * size)
    return masked(field, np.hypot(xx - 0.7, yy - 0.5) < 0.2) if body else field


def spoiled(field: VectorField, rng: np.random.Generator, length: float) -> VectorField:
    assert field.uncertainty_u is not None
    assert field.uncertainty_v is not None
    return field.replace(
        u=field.u + field.uncertainty_u * post.correlated_errors(field, rng, length),
        v=field.v + field.uncertainty_v * post.correlated_errors(field, rng, length),
    )


def share_within(
    size: Float, field: VectorField, exact: Float, rng: np.random.Generator, length: float
) -> float:
    """Of the errors of 60 measurements; each is one draw of a field of alike errors."""
    inside = np.isfinite(exact)
    hits = [
        np.abs(pressure_of(spoiled(field, rng, length), rho=RHO).p - exact)[inside] <= size[inside]
        for _ in range(60)
    ]
    return float(np.mean(hits))


def test_two_thirds_of_the_errors_lie_within_it(rng: np.random.Generator) -> None:
    field = flow()
    exact = pressure_of(field, rho=RHO).p
    measured = spoiled(field, rng, LENGTH)  # what a user has

    def found(length: float) -> Float:
        return pressure_uncertainty(measured, rng, rho=RHO, correlation_length=length, samples=60)

    size = found(LENGTH)
    assert (np.isnan(size) == np.isnan(exact)).all()
    assert share_within(size, field, exact, rng, LENGTH) == pytest.approx(0.683, abs=0.05)
    # neighbours that share their errors spoil a pressure more, and that is not overlooked
    assert share_within(found(0.0), field, exact, rng, LENGTH) < 0.6  # measured 0.55


def test_the_errors_of_an_acceleration_add_up(rng: np.random.Generator) -> None:
    field, _ = taylor_green(11, 16)
    least = np.full(field.shape, 1e-9)
    calm = field.replace(uncertainty_u=least, uncertainty_v=least)
    nothing = (np.zeros(field.shape), np.zeros(field.shape))
    spread = (np.full(field.shape, 0.5), np.full(field.shape, 0.5))
    for name in ("local", "material"):
        own: dict[str, Any] = {name: nothing, "rho": RHO, "correlation_length": 0.0, "samples": 30}
        small = pressure_uncertainty(calm, rng, **own)
        size = pressure_uncertainty(calm, rng, acceleration_uncertainty=spread, **own)
        twice = pressure_uncertainty(
            calm, rng, acceleration_uncertainty=(2 * spread[0], 2 * spread[1]), **own
        )
        assert small.max() < 1e-6 * size.min()
        assert np.median(twice / size) == pytest.approx(2, rel=0.3)


def test_where_the_pressure_is_given_it_is_certain(rng: np.random.Generator) -> None:
    field, exact = solid_body(13, 19)
    size = np.full(field.shape, 0.02)
    field = field.replace(uncertainty_u=size, uncertainty_v=size)
    edge = np.full(field.shape, np.nan)
    edge[:, 0] = exact[:, 0]
    own: dict[str, Any] = {"rho": RHO, "correlation_length": 0.1, "samples": 30}
    anchored = pressure_uncertainty(field, rng, known=edge, **own)
    assert anchored[:, 0].max() == 0
    assert (anchored[:, -1] > 0).all()
    point = pressure_uncertainty(field, rng, gauge=(3, 4), **own)
    assert point[3, 4] == pytest.approx(0, abs=1e-12)
    assert point.mean() > pressure_uncertainty(field, rng, **own).mean()


def test_what_cannot_be_propagated_is_told(rng: np.random.Generator) -> None:
    field = flow(body=False)
    spread = (np.ones(field.shape), np.ones(field.shape))
    with pytest.raises(InputError, match="needs the acceleration itself"):
        pressure_uncertainty(field, rng, rho=RHO, acceleration_uncertainty=spread)
    with pytest.raises(InputError, match="of the acceleration has shape"):
        pressure_uncertainty(
            field, rng, rho=RHO, local=spread, acceleration_uncertainty=(spread[0][1:], spread[1])
        )
    bare = field.replace(uncertainty_u=None, uncertainty_v=None)
    with pytest.raises(InputError, match="no uncertainty to propagate"):
        pressure_uncertainty(bare, rng, rho=RHO)
