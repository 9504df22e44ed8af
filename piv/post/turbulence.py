"""Reynolds stresses, turbulent kinetic energy and its production, of the statistics of a series.

Planar measurements lack the third component; what is assumed of it has a name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.corrected import Corrected
from piv.post.gradients import velocity_gradient
from piv.post.statistics import Statistics, Third
from piv.post.stencils import Scheme
from piv.types import Float


@dataclass(frozen=True, eq=False, slots=True)
class ReynoldsStress:
    r"""The kinematic stresses :math:`\overline{u'u'}, \overline{v'v'}, \overline{u'v'}`.

    In (px/frame)^2 or m^2/s^2, each raw and corrected; ``uv`` is for x right and y up, whatever the
    fields' own direction of y.  Times -density they are the stresses in Pa.
    """

    uu: Corrected
    vv: Corrected
    uv: Corrected


@checked
def reynolds_stress(flow: Statistics, *, ddof: int = 1) -> ReynoldsStress:
    """Reynolds stresses in the plane.

    The errors of u and v are taken to be uncorrelated, so that noise adds to the normal stresses
    only (Wilson & Smith, Meas. Sci. Technol. 24, 035301, 2013; Sciacchitano & Wieneke, Meas. Sci.
    Technol. 27, 084006, 2016, section 3.2).

    Parameters
    ----------
    flow : Statistics
    ddof : int
        Sums are divided by count - ddof.
    """
    sign = 1.0 if flow.y_axis == "up" else -1.0
    shear = sign * flow.moments.central(1, 1, ddof=ddof)
    return ReynoldsStress(
        uu=flow.variance("u", ddof=ddof),
        vv=flow.variance("v", ddof=ddof),
        uv=Corrected(shear, np.zeros_like(shear)),
    )


@checked
def turbulent_kinetic_energy(
    flow: Statistics, *, third: Third = "isotropic", ddof: int = 1
) -> Corrected:
    """Kinetic energy of the fluctuations, per mass.

    Parameters
    ----------
    flow : Statistics
    third : "isotropic" or "none"
        The component that was not measured has the mean variance of the other two, so that k is
        3/4 (uu + vv); or it is left out, and k is 1/2 (uu + vv).
    ddof : int

    Raises
    ------
    InputError
        If ``third`` is another word.
    """
    if third not in ("isotropic", "none"):
        raise InputError(f"the third component is 'isotropic' or 'none', not {third!r}")
    factor = 0.75 if third == "isotropic" else 0.5
    return factor * (flow.variance("u", ddof=ddof) + flow.variance("v", ddof=ddof))


@checked
def turbulence_intensity(flow: Statistics, reference: float | None = None) -> Corrected:
    """Root of the mean variance of the two components, over a mean speed.

    Parameters
    ----------
    flow : Statistics
    reference : float, optional
        Speed in the fields' unit; default the local mean speed.

    Raises
    ------
    InputError
        If the reference is not positive.
    """
    if reference is not None and not reference > 0:
        raise InputError(f"the reference speed must be positive, not {reference!r}")
    speed = np.hypot(flow.mean_u, flow.mean_v) if reference is None else reference
    level = (0.5 * (flow.variance("u") + flow.variance("v"))).root()
    with np.errstate(divide="ignore", invalid="ignore"):  # infinite where nothing moves
        return level * (1.0 / speed)


@checked
def production(flow: Statistics, *, scheme: str | Scheme = "central") -> Corrected:
    r"""Production of turbulent kinetic energy by the mean flow's gradients in the plane.

    .. math:: P = -\overline{u'u'} \partial_x U - \overline{v'v'} \partial_y V
              - \overline{u'v'} (\partial_y U + \partial_x V)

    Terms with the third component and derivatives along z are not in it; they vanish where the mean
    flow is two-dimensional.  In (px/frame)^2 per frame interval, or m^2/s^3.

    Parameters
    ----------
    flow : Statistics
    scheme : str or Scheme
        Of the derivatives, see :func:`piv.post.derivative`.
    """
    stress = reynolds_stress(flow)
    slope = velocity_gradient(flow.mean_field, scheme=scheme)
    shear = slope.du_dy + slope.dv_dx

    def total(uu: Float, vv: Float, uv: Float) -> Float:
        return np.asarray(-(uu * slope.du_dx + vv * slope.dv_dy + uv * shear))

    return Corrected(
        total(stress.uu.raw, stress.vv.raw, stress.uv.raw),
        total(stress.uu.noise, stress.vv.noise, stress.uv.noise),
    )
