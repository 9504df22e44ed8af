r"""Quantities made of the velocity gradient: rotation, strain, and criteria of vortices.

Every function takes a field, or its :func:`velocity_gradient` so that this is computed only once,
and reports for x right and y up, whatever the field's y axis.  With

.. math:: a = \partial u/\partial x,\ b = \partial u/\partial y,\
          c = \partial v/\partial x,\ d = \partial v/\partial y

units are px/px per frame interval or 1/s, squared for Q, lambda_2 and Okubo-Weiss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from piv.post.datasets import on_datasets
from piv.post.gradients import DEFAULT_SCHEME, VelocityGradient, components, velocity_gradient
from piv.post.stencils import Scheme
from piv.types import Flag, Float, VectorField

Source: TypeAlias = VectorField | VelocityGradient
_CHUNK = 1 << 15  # elements; intermediate results of so many stay in the processor's cache


@on_datasets
def vorticity(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r""":math:`\omega = c - b = \partial v / \partial x - \partial u / \partial y`.

    Positive counter-clockwise as one sees it, whether the field is calibrated or not.

    Parameters
    ----------
    source : VectorField or VelocityGradient, shape (..., Ny, Nx)
    scheme : str or Scheme
        See :func:`derivative`; of a field only.
    exclude : Flag or int
        Vectors with any of these flags count as absent; of a field only.

    Returns
    -------
    array, shape (..., Ny, Nx)
        NaN at absent vectors, and where one has no neighbour along x or y.

    Raises
    ------
    InputError
        If the scheme is unknown, or the coordinates neither ascend nor descend.
    """
    dv_dx, du_dy = _some(source, ("dv_dx", "du_dy"), scheme, exclude)
    return dv_dx - du_dy


@on_datasets
def divergence(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r""":math:`a + d`, zero for incompressible flow in the plane; see :func:`vorticity`."""
    du_dx, dv_dy = _some(source, ("du_dx", "dv_dy"), scheme, exclude)
    return du_dx + dv_dy


@on_datasets
def shear_strain(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r""":math:`b + c`, twice the off-diagonal element of the strain rate; see :func:`vorticity`."""
    du_dy, dv_dx = _some(source, ("du_dy", "dv_dx"), scheme, exclude)
    return du_dy + dv_dx


@on_datasets
def normal_strain(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r""":math:`a - d`, the difference of the normal strain rates; see :func:`vorticity`."""
    du_dx, dv_dy = _some(source, ("du_dx", "dv_dy"), scheme, exclude)
    return du_dx - dv_dy


@on_datasets
def q_criterion(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r"""Q, rotation against strain, in the plane; positive in vortices; see :func:`vorticity`.

    .. math:: Q = \tfrac12 (\lVert\Omega\rVert^2 - \lVert S\rVert^2) = -bc - \tfrac12 (a^2 + d^2)

    of the symmetric and antisymmetric parts S and :math:`\Omega`.  Without divergence it is
    the determinant :math:`ad - bc`, a quarter of the negative Okubo-Weiss parameter,
    :math:`-\lambda_2`, and in vortices the square of the swirling strength.

    References
    ----------
    .. [1] Hunt, Wray & Moin, Center for Turbulence Research, report CTR-S88, 1988.
    """
    return _each(_gradient(source, scheme, exclude), _q)


@on_datasets
def okubo_weiss(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r"""Strain squared less vorticity squared; negative in vortices; see :func:`vorticity`.

    .. math:: W = (a - d)^2 + (b + c)^2 - (c - b)^2 = (a - d)^2 + 4bc

    Its sign alone decides whether the eigenvalues of the gradient are complex:
    :math:`\lambda_{ci} = \tfrac12\sqrt{-W}`, with divergence or without.

    References
    ----------
    .. [1] Okubo, Deep-Sea Res. 17 (1970), 445; Weiss, Physica D 48 (1991), 273.
    """
    return _each(_gradient(source, scheme, exclude), _w)


@on_datasets
def swirling_strength(
    source: Source,
    *,
    signed: bool = False,
    scheme: str | Scheme = DEFAULT_SCHEME,
    exclude: int = Flag.MASKED,
) -> Float:
    r"""Imaginary part of the gradient's complex eigenvalues; zero where they are real.

    .. math:: \lambda_{ci} = \tfrac12 \sqrt{\max(0, -W)}, \quad W = (a - d)^2 + 4bc

    A particle turns once in :math:`2\pi/\lambda_{ci}`; see :func:`vorticity`.

    Parameters
    ----------
    signed : bool
        With the sign of the vorticity.

    References
    ----------
    .. [1] Zhou, Adrian, Balachandar & Kendall, J. Fluid Mech. 387 (1999), 353.
    """
    return _each(_gradient(source, scheme, exclude), _signed_swirl if signed else _swirl)


@on_datasets
def lambda_2(
    source: Source, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> Float:
    r"""Larger eigenvalue of :math:`S^2 + \Omega^2` in the plane; negative in vortices.

    .. math:: \lambda_2 = \tfrac12 (a^2 + d^2) + bc
              + \tfrac12 |a + d| \sqrt{(a - d)^2 + (b + c)^2}

    Both eigenvalues are negative where it is, which is the condition of a pressure minimum
    [1]_; without divergence they are equal, and :math:`\lambda_2 = -Q`.  See :func:`vorticity`.

    References
    ----------
    .. [1] Jeong & Hussain, J. Fluid Mech. 285 (1995), 69.
    """
    return _each(_gradient(source, scheme, exclude), _l2)


def _gradient(source: Source, scheme: str | Scheme, exclude: int) -> VelocityGradient:
    if isinstance(source, VelocityGradient):
        return source
    return velocity_gradient(source, scheme=scheme, exclude=exclude)


def _some(
    source: Source, names: tuple[str, ...], scheme: str | Scheme, exclude: int
) -> list[Float]:
    if isinstance(source, VelocityGradient):
        return [getattr(source, name) for name in names]
    return components(source, names, scheme, exclude)


def _each(
    gradient: VelocityGradient, formula: Callable[[Float, Float, Float, Float], Float]
) -> Float:
    """A formula of a, b, c, d at every place, a cacheful at a time."""
    parts = [
        np.ascontiguousarray(array)
        for array in (gradient.du_dx, gradient.du_dy, gradient.dv_dx, gradient.dv_dy)
    ]
    out = np.empty(parts[0].shape, np.result_type(*parts))
    flat, into = [part.reshape(-1) for part in parts], out.reshape(-1)
    for start in range(0, into.size, _CHUNK):
        piece = slice(start, start + _CHUNK)
        a, b, c, d = (part[piece] for part in flat)
        into[piece] = formula(a, b, c, d)
    return out


def _q(a: Float, b: Float, c: Float, d: Float) -> Float:
    return -b * c - (a * a + d * d) / 2


def _w(a: Float, b: Float, c: Float, d: Float) -> Float:
    return (a - d) ** 2 + 4 * b * c


def _swirl(a: Float, b: Float, c: Float, d: Float) -> Float:
    return np.sqrt(np.maximum(-_w(a, b, c, d), 0)) / 2


def _signed_swirl(a: Float, b: Float, c: Float, d: Float) -> Float:
    return np.copysign(_swirl(a, b, c, d), c - b)


def _l2(a: Float, b: Float, c: Float, d: Float) -> Float:
    return -_q(a, b, c, d) + np.abs(a + d) * np.sqrt((a - d) ** 2 + (b + c) ** 2) / 2
