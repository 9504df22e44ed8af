"""Quantities that pivpy has as well, value by value on the same series.

python pivpy_comparison.py                # prints the table of docs/post.md

Needs pivpy (pip install pivpy) beside this project.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from piv import post
from piv.types import Float, VectorField

FIELDS, HEIGHT, WIDTH, INTERVAL, NU = 24, 60, 80, 0.02, 1e-3
INNER = np.s_[..., 4:-4, 4:-4]  # one-sided differences and cut neighbourhoods are each tool's own


@dataclass(frozen=True, eq=False)
class Case:
    """One quantity by both: ours first.  ``factor`` brings pivpy's to our definition."""

    name: str
    ours: Callable[[], Float]
    theirs: Callable[[], Any]
    call: str
    factor: float = 1.0
    remark: str = ""
    inner: bool = True


def travelling_waves() -> list[VectorField]:
    """Waves of several lengths that travel and shear each other, y up, double precision."""
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 0.8, WIDTH), np.linspace(0, 0.6, HEIGHT)
    across, up = np.meshgrid(x, y)
    fields = []
    waves = [(length, rng.uniform(0, 2 * np.pi, 4)) for length in (0.15, 0.25, 0.5)]
    for number in range(FIELDS):
        u, v = 0.5 + up, 0.1 * across
        for length, phase in waves:
            k = 2 * np.pi / length
            turn = k * 0.5 * number * INTERVAL
            u = u + np.sin(k * across + phase[0] - turn) * np.cos(k * up + phase[1])
            v = v - np.cos(k * across + phase[0] - turn) * np.sin(k * up + phase[1] + 0.5)
        v = v - 0.4 * (u - 0.5 - up)
        fields.append(
            VectorField(x, y, u, v, np.zeros(u.shape, np.uint16), units="m/s", y_axis="up")
        )
    return fields


def as_dataset(fields: list[VectorField]) -> Any:
    """In pivpy's schema: y, x, t."""
    import xarray

    arrays = {name: np.stack([getattr(each, name) for each in fields], -1) for name in ("u", "v")}
    return xarray.Dataset(
        {name: (("y", "x", "t"), values) for name, values in arrays.items()},
        coords={"x": fields[0].x, "y": fields[0].y, "t": np.arange(len(fields)) * INTERVAL},
        attrs={"delta_t": INTERVAL},
    )


def derived(field: VectorField, stack: VectorField, series: Any, accessor: Any) -> list[Case]:
    """Quantities of one field, of which pivpy's are taken at the first time."""

    def named(call: str, name: str, **options: Any) -> Callable[[], Any]:
        return lambda: getattr(accessor(series.isel(t=[0])), call)(name=name, **options)[name]

    times = np.arange(FIELDS) * INTERVAL

    def acceleration() -> Any:
        found = accessor(series).acceleration(return_vector=True)
        return np.stack([found[name].transpose("t", "y", "x") for name in ("ax", "ay")])

    def strain() -> Float:
        slope = post.velocity_gradient(field)
        return slope.du_dx**2 + slope.dv_dy**2 + (slope.du_dy + slope.dv_dx) ** 2 / 2

    return [
        Case("vorticity", lambda: post.vorticity(field), named("vorticity", "q"), "vorticity"),
        Case("divergence", lambda: post.divergence(field), named("divergence", "q"), "divergence"),
        Case("strain rate squared, from the gradient", strain, named("strain", "q"), "strain"),
        Case("Q", lambda: post.q_criterion(field), named("q_criterion", "q"), "q_criterion"),
        Case("Okubo-Weiss", lambda: post.okubo_weiss(field), named("okubo_weiss", "q"),
             "okubo_weiss"),
        Case("Γ1, radius 1", lambda: post.gamma_1(field, 1), named("gamma1", "q", radius=1),
             "gamma1(radius=1)"),
        Case("Γ2, radius 1", lambda: post.gamma_2(field, 1), named("gamma2", "q", radius=1),
             "gamma2(radius=1)"),
        Case("Γ1, radius 3", lambda: post.gamma_1(field, 3), named("gamma1", "q", radius=3),
             "gamma1", remark="theirs is over a disc, ours over the square"),
        Case("Γ2, radius 3", lambda: post.gamma_2(field, 3), named("gamma2", "q", radius=3),
             "gamma2", remark="likewise"),
        Case("material acceleration",
             lambda: np.stack(post.material_acceleration(stack, times))[:, 1:-1],
             lambda: acceleration()[:, 1:-1], "acceleration",
             remark="but for the first and the last field"),
        Case("kinetic energy of a field", lambda: field.speed**2 / 2,
             named("kinetic_energy", "q"), "kinetic_energy", 0.5, "theirs lacks the half"),
    ]  # fmt: skip


def statistical(fields: list[VectorField], series: Any, accessor: Any) -> list[Case]:
    """Statistics of the series; pivpy divides by the number of fields, so ddof is 0 here."""
    flow = post.statistics_of(fields)
    stress = post.reynolds_stress(flow, ddof=0)
    row, column = HEIGHT // 2, WIDTH // 2
    place = {"x_ref": float(fields[0].x[column]), "y_ref": float(fields[0].y[row])}
    return [
        Case("mean of u", lambda: flow.mean_u, lambda: accessor(series).average["u"], "average"),
        Case("turbulent kinetic energy",
             lambda: post.turbulent_kinetic_energy(flow, third="none", ddof=0).raw,
             lambda: accessor(series).tke(name="q", time_average=True)["q"],
             "tke(time_average=True)"),
        Case("Reynolds shear stress", lambda: stress.uv.raw,
             lambda: accessor(series).reynolds_stress(name="q")["q"], "reynolds_stress", -1.0,
             "theirs is minus the mean product"),
        Case("Reynolds stresses uu, uv, vv",
             lambda: np.stack([stress.uu.raw, stress.uv.raw, stress.vv.raw]),
             lambda: np.stack([accessor(series).reynolds_stresses()[name]
                               for name in ("u'u'", "u'v'", "v'v'")]), "reynolds_stresses"),
        Case("two-point correlation of u",
             lambda: post.two_point_correlation(fields, flow, (row, column)).raw,
             lambda: accessor(series).two_point_correlation("u", swap_dims=False, **place),
             "two_point_correlation"),
        Case("covariance of u over a distance along x",
             lambda: post.spatial_correlation(fields, flow).covariance.raw,
             lambda: accessor(series).spatial_correlation("u", "x", normalize=False)["R"],
             "spatial_correlation(normalize=False)", inner=False),
        Case("dissipation, isotropic",
             lambda: post.dissipation(fields, flow, nu=NU, closure="isotropic").raw,
             lambda: accessor(series).dissipation(method="isotropic", nu=NU, name="q")["q"],
             'dissipation("isotropic")'),
        Case("dissipation, all gradients of the plane",
             lambda: post.dissipation(fields, flow, nu=NU, closure="plane").raw,
             lambda: accessor(series).dissipation(method="direct", nu=NU, name="q")["q"],
             'dissipation("direct")',
             remark="theirs leaves out the shear out of the plane"),
    ]  # fmt: skip


def apart(case: Case) -> float:
    """Rms of the difference over the rms of ours."""
    mine = np.asarray(case.ours(), np.float64)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        theirs = np.squeeze(np.asarray(case.theirs(), np.float64)) * case.factor
    if case.inner:
        mine, theirs = mine[INNER], theirs[INNER]
    return float(np.sqrt(np.mean((theirs - mine) ** 2) / np.mean(mine**2)))


def main() -> None:
    """Print the table."""
    import pivpy.pivpy  # noqa: F401  registers the accessor

    fields = travelling_waves()
    series = as_dataset(fields)
    stack = fields[0].replace(
        **{name: np.stack([getattr(each, name) for each in fields]) for name in ("u", "v", "flags")}
    )

    def accessor(dataset: Any) -> Any:
        return dataset.copy(deep=True).piv

    print(f"| quantity | pivpy {version('pivpy')} | apart | remark |\n|---|---|---|---|")
    for case in derived(fields[0], stack, series, accessor) + statistical(fields, series, accessor):
        print(f"| {case.name} | `{case.call}` | {apart(case):.0e} | {case.remark} |")
    print(f"\n{FIELDS} fields of {HEIGHT} x {WIDTH} vectors (height x width), y up")


if __name__ == "__main__":
    main()
