"""How much of the error of a pressure lies within the uncertainty that is stated of it.

python pressure_coverage.py               # the table of docs/statistics.md; an hour on one core

Errors of 1.5 to 4.5 % of the fastest velocity in u, 30 % more in v, shared by neighbours or not,
are added to exact flows.  The error is that against the pressure of the exact field by the same
method, so that truncation is left out; each measurement states its own uncertainty.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from piv import VectorField, post

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "post"))
from test_pressure import RHO, lamb_oseen, masked, taylor_green

LENGTH = 0.12  # the spacing is 0.042


def spoiled(field: VectorField, rng: np.random.Generator, length: float) -> VectorField:
    """The field with errors of the size that it states."""
    return field.replace(
        u=field.u + field.uncertainty_u * post.correlated_errors(field, rng, length),
        v=field.v + field.uncertainty_v * post.correlated_errors(field, rng, length),
    )


def coverage(
    field: VectorField, method: str, length: float, taken: float, count: int
) -> tuple[float, float]:
    """Share of the errors within the uncertainty, and the standard error of that share."""
    rng = np.random.default_rng(5)
    exact = post.pressure_of(field, rho=RHO, method=method).p
    inside = np.isfinite(exact)
    shares = []
    for _ in range(count):
        measured = spoiled(field, rng, length)
        p = post.pressure_of(measured, rho=RHO, method=method).p
        size = post.pressure_uncertainty(
            measured, rng, rho=RHO, method=method, correlation_length=taken, samples=40
        )
        shares.append(np.mean(np.abs(p - exact)[inside] <= size[inside]))
    return float(np.mean(shares)), float(np.std(shares) / np.sqrt(count))


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measurements", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=[25, 37], metavar=("ROWS", "COLUMNS"))
    options = parser.parse_args()
    for flow in (taylor_green, lamb_oseen):
        for body in (False, True):
            field, _ = flow(*options.size)
            xx, yy = np.meshgrid(field.x, field.y)
            if body:
                field = masked(field, np.hypot(xx - 0.7, yy - 0.5) < 0.2)
            fastest = np.hypot(field.u, field.v)[field.flags == 0].max()
            size = 0.03 * fastest * (1 + 0.5 * np.sin(3 * xx))
            field = field.replace(uncertainty_u=size, uncertainty_v=1.3 * size)
            for length, taken in ((0.0, 0.0), (LENGTH, LENGTH), (LENGTH, 0.0)):
                for method in ("poisson", "omnidirectional"):
                    share, error = coverage(field, method, length, taken, options.measurements)
                    print(
                        f"{flow.__name__}{', body' * body}: errors over {length:g}, taken as "
                        f"{taken:g}, {method}: {share:.3f} +- {error:.3f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
