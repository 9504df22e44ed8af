"""The velocity gradient tensor of a field, and any derivative in space or time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.compact import compact_derivative, compact_variance
from piv.post.datasets import on_datasets
from piv.post.stencils import Correlation, Scheme, apply, check_coordinates, scheme_of
from piv.types import Bool, Flag, Float, VectorField

DEFAULT_SCHEME = "central"
_AXES = {"x": -1, "y": -2}


@dataclass(frozen=True, eq=False)
class VelocityGradient:
    """The four derivatives in the plane, for x right and **y up**, whatever the field's y axis.

    Parameters
    ----------
    du_dx, du_dy, dv_dx, dv_dy : array, shape (..., Ny, Nx)
        In px/px per frame interval, or 1/s; NaN where nothing can be said.
    """

    du_dx: Float
    du_dy: Float
    dv_dx: Float
    dv_dy: Float

    def __post_init__(self) -> None:
        if len({self.du_dx.shape, self.du_dy.shape, self.dv_dx.shape, self.dv_dy.shape}) != 1:
            raise InputError("the four derivatives must have one shape")


@checked
def derivative(
    values: Float,
    coordinates: Float,
    axis: int = -1,
    *,
    scheme: str | Scheme = DEFAULT_SCHEME,
    absent: Bool | None = None,
) -> Float:
    r"""Derivative of any array along one of its axes.

    Parameters
    ----------
    values : array
        NaN = no value.
    coordinates : array, shape (values.shape[axis],)
        Ascending or descending, evenly spaced or not.
    axis : int
        Along which the coordinates run.
    scheme : str or Scheme
        ``central``, ``central4``, ``compact``, ``richardson``, ``least-squares``,
        ``savitzky-golay``, or what :func:`savitzky_golay` returns.
    absent : bool array of the shape of values, optional
        True where the value must not be used.

    Returns
    -------
    array
        Of the shape of values, in their precision (at least single).  Stencils become one-sided at
        the ends and beside what is absent, and never reach across it.  NaN where the value is
        absent or has no neighbour.

    Raises
    ------
    InputError
        If the scheme is unknown, or the coordinates do not fit or do not ascend or descend.

    Notes
    -----
    Of single-precision values on even spacing ``h``, and of white noise of standard deviation
    :math:`\sigma`:

    ================ ============================ ===== =====================
    scheme           vectors                      order noise, in sigma/h
    ================ ============================ ===== =====================
    central          -1, 1                        2     0.707
    central4         -2 ... 2                     4     0.950
    compact          all of a line                4     1.180
    richardson       -8, -2, -1, 1, 2, 8          4     0.334
    least-squares    -2 ... 2                     2     0.316
    savitzky-golay   -3 ... 3, degree 3           4     0.513
    ================ ============================ ===== =====================

    ``richardson`` is the noise-optimised one of Etebari & Vlachos (2005): central differences over
    2, 4 and 16 spacings with the weights 272, 1036 and -69 parts of 1239, which are those of a
    fourth-degree polynomial fitted to these six vectors.  The classical extrapolation of two
    central differences is ``central4``.

    References
    ----------
    .. [1] Etebari & Vlachos, Exp. Fluids 39 (2005), 1040.  doi:10.1007/s00348-005-0037-7
    .. [2] Raffel et al., *Particle Image Velocimetry*, 3rd ed., 2018, ch. 7.
    .. [3] Savitzky & Golay, Anal. Chem. 36 (1964), 1627.
    """
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    positions = check_coordinates(coordinates, "of the derivative")
    if not -values.ndim <= axis < values.ndim:
        raise InputError(f"an array of shape {values.shape} has no axis {axis}")
    if positions.shape != (values.shape[axis],):
        raise InputError(
            f"there are {positions.size} coordinates, but {values.shape[axis]} values along the "
            "axis"
        )
    if absent is not None and absent.shape != values.shape:
        raise InputError(f"absent has shape {absent.shape}, but the values {values.shape}")
    present = np.isfinite(values) if absent is None else np.isfinite(values) & ~absent
    return differentiate(values, positions, axis, None if present.all() else present, scheme)


def differentiate(
    values: Float,
    coordinates: Float,
    axis: int,
    present: Bool | None,
    scheme: str | Scheme,
    factor: float = 1.0,
) -> Float:
    """:func:`derivative` of checked arguments, times a factor; ``present`` None = everywhere."""
    chosen = scheme_of(scheme)
    along = np.moveaxis(values, axis, -1)
    there = None if present is None else np.moveaxis(present, axis, -1)
    if chosen.compact:
        found = compact_derivative(along, coordinates, there) * factor
    else:
        found = apply(along, coordinates, there, chosen, factor)
    return np.moveaxis(found, -1, axis)


def variance_of_derivative(
    uncertainty: Float,
    coordinates: Float,
    axis: int,
    present: Bool | None,
    scheme: str | Scheme,
    correlation: Correlation,
) -> Float:
    """Variance of :func:`differentiate` for values of this uncertainty."""
    chosen = scheme_of(scheme)
    along = np.moveaxis(uncertainty, axis, -1)
    there = None if present is None else np.moveaxis(present, axis, -1)
    found = apply(along, coordinates, there, chosen, correlation=correlation)
    if chosen.compact:
        found = compact_variance(along, coordinates, there, correlation, found)
    return np.moveaxis(found, -1, axis)


def present_vectors(field: VectorField, exclude: int = Flag.MASKED) -> Bool | None:
    """Where there is a vector without any of these flags; None = everywhere."""
    present = np.isfinite(field.u)
    present &= np.isfinite(field.v)
    if exclude and field.flags.any():
        present &= (field.flags & np.uint16(exclude)) == 0
    return None if present.all() else present


@on_datasets
def velocity_gradient(
    field: VectorField, *, scheme: str | Scheme = DEFAULT_SCHEME, exclude: int = Flag.MASKED
) -> VelocityGradient:
    """The velocity gradient tensor in the plane, for x right and y up.

    Quantities made of it take it in place of the field, so that it need be computed only once.

    Parameters
    ----------
    field : VectorField, shape (..., Ny, Nx)
    scheme : str or Scheme
        See :func:`derivative`.
    exclude : Flag or int
        Vectors with any of these flags count as absent.

    Returns
    -------
    VelocityGradient
        NaN at absent vectors, and where a vector has no neighbour along the axis.

    Raises
    ------
    InputError
        If the scheme is unknown, or the coordinates neither ascend nor descend.
    """
    parts = components(field, ("du_dx", "du_dy", "dv_dx", "dv_dy"), scheme, exclude)
    return VelocityGradient(*parts)


def components(
    field: VectorField, names: tuple[str, ...], scheme: str | Scheme, exclude: int
) -> list[Float]:
    """Some of the four derivatives."""
    if not isinstance(field, VectorField):
        raise InputError(
            f"a vector field is needed, not {type(field).__name__}: of a series take one of its "
            "fields"
        )
    present = present_vectors(field, exclude)
    return [
        differentiate(
            component_of(field, name),
            _positions(field, name),
            _AXES[name[-1]],
            present,
            scheme,
            _sign(field, name),
        )
        for name in names
    ]


def variances(
    field: VectorField,
    names: tuple[str, ...],
    scheme: str | Scheme,
    exclude: int,
    correlation: Correlation,
) -> list[Float]:
    """Variance of some of the four derivatives.

    Raises
    ------
    InputError
        If the field has no uncertainty.
    """
    if field.uncertainty_u is None or field.uncertainty_v is None:
        raise InputError("the field has no uncertainty to propagate")
    present = present_vectors(field, exclude)
    known = np.isfinite(field.uncertainty_u) & np.isfinite(field.uncertainty_v)
    if not known.all():
        present = known if present is None else present & known
    return [
        variance_of_derivative(
            field.uncertainty_u if name.startswith("du") else field.uncertainty_v,
            _positions(field, name),
            _AXES[name[-1]],
            present,
            scheme,
            correlation,
        )
        for name in names
    ]


def component_of(field: VectorField, name: str) -> Float:
    """The component that a derivative is of, as the field has it."""
    return np.asarray(field.u if name.startswith("du") else field.v)


def _positions(field: VectorField, name: str) -> Float:
    axis = name[-1]
    return check_coordinates(field.x if axis == "x" else field.y, axis)


def _sign(field: VectorField, name: str) -> float:
    """Seen with y up, a field whose y points down has -v and -y."""
    flipped = field.y_axis == "down" and name in ("du_dy", "dv_dx")
    return -1.0 if flipped else 1.0
