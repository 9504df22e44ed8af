"""Pressure by the Poisson equation, written so that it cannot contradict its boundaries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import fft, sparse
from scipy.sparse import linalg

from piv.errors import PIVError
from piv.post.pressure.links import difference_matrix, neighbours, rise
from piv.types import Bool, Float

_TOLERANCE = 1e-11  # of the residual
_ITERATIONS = 5000


def solve_poisson(
    gradient: tuple[Float, Float], x: Float, y: Float, inside: Bool, known: Float | None
) -> Float:
    r"""Pressure whose differences fit the integrated gradient best.

    .. math:: \min_p \sum_{\text{neighbours}} w
              \Big(p_2 - p_1 - \tfrac12 (g_1 + g_2) \cdot (x_2 - x_1)\Big)^2

    Its normal equations are the five-point Poisson equation with the divergence of the gradient on
    the right and, at every edge and mask, the measured gradient across it (Neumann); where pressure
    is known it is kept (Dirichlet).  Second order.

    Parameters
    ----------
    gradient : (array, array), shape (Ny, Nx)
        Along x and y; finite inside.
    x, y : arrays, shapes (Nx,) and (Ny,)
    inside : bool array, shape (Ny, Nx)
    known : array, shape (Ny, Nx), or None
        Pressure; NaN where it is not known.

    Returns
    -------
    array, shape (Ny, Nx)
        Up to a constant in each region without a known pressure; 0 outside.

    Raises
    ------
    PIVError
        If the iteration does not converge.
    """
    xx, yy = np.meshgrid(x, y)
    steps = float(np.abs(np.diff(y)).mean()), float(np.abs(np.diff(x)).mean())
    matrix = sparse.csr_array((inside.size, inside.size))
    right = np.zeros(inside.size)
    for axis, component, coordinates in ((1, gradient[0], xx), (0, gradient[1], yy)):
        start, end = neighbours(inside, axis)
        change = difference_matrix(start.size, start, end, inside.size)
        at = coordinates.reshape(-1)
        length = np.abs(at[end] - at[start])
        weight = sparse.diags_array((steps[0] * steps[1]) / length**2)
        matrix = matrix + change.T @ weight @ change
        right = right + change.T @ (weight @ rise(component, coordinates, start, end))
    pressure = np.zeros(inside.size)
    free = inside.reshape(-1).copy()
    if known is not None:
        fixed = free & np.isfinite(known).reshape(-1)
        pressure[fixed] = known.reshape(-1)[fixed]
        right = right - matrix @ pressure
        free &= ~fixed
    part = matrix[free][:, free]
    guess = rectangle_inverse(inside.shape, steps, free)
    solution, failed = linalg.cg(
        part, right[free], rtol=_TOLERANCE, maxiter=_ITERATIONS,
        M=linalg.LinearOperator(part.shape, guess),
    )  # fmt: skip
    if failed:
        raise PIVError(
            f"the Poisson equation has not converged in {_ITERATIONS} iterations: the domain hangs "
            "together by single points; mask them, or use the omni-directional method"
        )
    pressure[free] = solution
    return pressure.reshape(inside.shape)


def rectangle_inverse(
    shape: tuple[int, ...], steps: tuple[float, float], free: Bool
) -> Callable[[Float], Float]:
    """Inverse of the same equation on the whole rectangle: exact where nothing is masked."""
    ratio = steps[0] / steps[1]
    eigenvalues = [4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in shape]
    total = eigenvalues[0][:, None] / ratio + eigenvalues[1] * ratio
    total[0, 0] = total[total > 0].min() if total.size > 1 else 1.0  # the constant

    def apply(residual: Float) -> Float:
        whole = np.zeros(free.size)
        whole[free] = np.ravel(residual)
        image = fft.dctn(whole.reshape(shape), type=2, norm="ortho")
        image /= total
        return np.asarray(fft.idctn(image, type=2, norm="ortho").reshape(-1)[free])

    return apply
