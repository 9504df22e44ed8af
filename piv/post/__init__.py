"""What follows from a vector field or a series of them.

Everything is loaded on first use: ``piv.post`` itself costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from piv.post.criteria import (
        divergence,
        lambda_2,
        normal_strain,
        okubo_weiss,
        q_criterion,
        shear_strain,
        swirling_strength,
        vorticity,
    )
    from piv.post.gradients import VelocityGradient, derivative, velocity_gradient
    from piv.post.stencils import SCHEMES, Scheme, savitzky_golay

# public name -> module in which it is
_LATER = {
    "SCHEMES": "stencils",
    "Scheme": "stencils",
    "VelocityGradient": "gradients",
    "derivative": "gradients",
    "divergence": "criteria",
    "lambda_2": "criteria",
    "normal_strain": "criteria",
    "okubo_weiss": "criteria",
    "q_criterion": "criteria",
    "savitzky_golay": "stencils",
    "shear_strain": "criteria",
    "swirling_strength": "criteria",
    "velocity_gradient": "gradients",
    "vorticity": "criteria",
}

__all__ = [
    "SCHEMES",
    "Scheme",
    "VelocityGradient",
    "derivative",
    "divergence",
    "lambda_2",
    "normal_strain",
    "okubo_weiss",
    "q_criterion",
    "savitzky_golay",
    "shear_strain",
    "swirling_strength",
    "velocity_gradient",
    "vorticity",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"piv.post.{_LATER[name]}"), name)
    raise AttributeError(f"module 'piv.post' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
