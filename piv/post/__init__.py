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
    from piv.post.gradients import (
        VelocityGradient,
        derivative,
        velocity_gradient,
    )
    from piv.post.interpolation import (
        sample,
    )
    from piv.post.lines import (
        Profile,
        circle,
        circulation,
        circulation_uncertainty,
        flow_rate,
        flow_rate_uncertainty,
        profile,
        rectangle,
        resample,
    )
    from piv.post.propagation import (
        correlated_errors,
        error_correlation_length,
        sampled_uncertainty,
        uncertainty_of,
    )
    from piv.post.stencils import (
        SCHEMES,
        Scheme,
        savitzky_golay,
    )

# public name -> module in which it is
_LATER = {
    "SCHEMES": "stencils",
    "Profile": "lines",
    "Scheme": "stencils",
    "VelocityGradient": "gradients",
    "circle": "lines",
    "circulation": "lines",
    "circulation_uncertainty": "lines",
    "correlated_errors": "propagation",
    "derivative": "gradients",
    "divergence": "criteria",
    "error_correlation_length": "propagation",
    "flow_rate": "lines",
    "flow_rate_uncertainty": "lines",
    "lambda_2": "criteria",
    "normal_strain": "criteria",
    "okubo_weiss": "criteria",
    "profile": "lines",
    "q_criterion": "criteria",
    "rectangle": "lines",
    "resample": "lines",
    "sample": "interpolation",
    "sampled_uncertainty": "propagation",
    "savitzky_golay": "stencils",
    "shear_strain": "criteria",
    "swirling_strength": "criteria",
    "uncertainty_of": "propagation",
    "velocity_gradient": "gradients",
    "vorticity": "criteria",
}

__all__ = [
    "SCHEMES",
    "Profile",
    "Scheme",
    "VelocityGradient",
    "circle",
    "circulation",
    "circulation_uncertainty",
    "correlated_errors",
    "derivative",
    "divergence",
    "error_correlation_length",
    "flow_rate",
    "flow_rate_uncertainty",
    "lambda_2",
    "normal_strain",
    "okubo_weiss",
    "profile",
    "q_criterion",
    "rectangle",
    "resample",
    "sample",
    "sampled_uncertainty",
    "savitzky_golay",
    "shear_strain",
    "swirling_strength",
    "uncertainty_of",
    "velocity_gradient",
    "vorticity",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"piv.post.{_LATER[name]}"), name)
    raise AttributeError(f"module 'piv.post' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
