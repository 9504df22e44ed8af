"""Pressure from velocity fields: a Poisson solver, and omni-directional integration."""

from piv.post.pressure.field import Pressure, integrate, pressure_of
from piv.post.pressure.gradient import pressure_gradient
from piv.post.pressure.uncertainty import pressure_uncertainty

__all__ = ["Pressure", "integrate", "pressure_gradient", "pressure_of", "pressure_uncertainty"]
