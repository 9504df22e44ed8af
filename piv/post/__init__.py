"""What follows from a vector field or a series of them.

Everything is loaded on first use: ``piv.post`` itself costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from piv.post.acceleration import (
        acceleration_uncertainty,
        material_acceleration,
    )
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
    from piv.post.frames import (
        Scales,
        decompose,
        mean_velocity,
        subtract_mean,
        subtract_velocity,
    )
    from piv.post.gamma import (
        gamma_1,
        gamma_2,
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
    from piv.post.paths import (
        even_streamlines,
        ftle,
        pathlines,
        streamlines,
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
    from piv.post.texture import (
        line_integral_convolution,
    )
    from piv.post.vortices import (
        Track,
        Vortex,
        find_vortices,
        track_vortices,
    )

# public name -> module in which it is
_LATER = {
    "SCHEMES": "stencils",
    "Profile": "lines",
    "Scales": "frames",
    "Scheme": "stencils",
    "Track": "vortices",
    "VelocityGradient": "gradients",
    "Vortex": "vortices",
    "acceleration_uncertainty": "acceleration",
    "circle": "lines",
    "circulation": "lines",
    "circulation_uncertainty": "lines",
    "correlated_errors": "propagation",
    "decompose": "frames",
    "derivative": "gradients",
    "divergence": "criteria",
    "error_correlation_length": "propagation",
    "even_streamlines": "paths",
    "find_vortices": "vortices",
    "flow_rate": "lines",
    "flow_rate_uncertainty": "lines",
    "ftle": "paths",
    "gamma_1": "gamma",
    "gamma_2": "gamma",
    "lambda_2": "criteria",
    "line_integral_convolution": "texture",
    "material_acceleration": "acceleration",
    "mean_velocity": "frames",
    "normal_strain": "criteria",
    "okubo_weiss": "criteria",
    "pathlines": "paths",
    "profile": "lines",
    "q_criterion": "criteria",
    "rectangle": "lines",
    "resample": "lines",
    "sample": "interpolation",
    "sampled_uncertainty": "propagation",
    "savitzky_golay": "stencils",
    "shear_strain": "criteria",
    "streamlines": "paths",
    "subtract_mean": "frames",
    "subtract_velocity": "frames",
    "swirling_strength": "criteria",
    "track_vortices": "vortices",
    "uncertainty_of": "propagation",
    "velocity_gradient": "gradients",
    "vorticity": "criteria",
}

__all__ = [
    "SCHEMES",
    "Profile",
    "Scales",
    "Scheme",
    "Track",
    "VelocityGradient",
    "Vortex",
    "acceleration_uncertainty",
    "circle",
    "circulation",
    "circulation_uncertainty",
    "correlated_errors",
    "decompose",
    "derivative",
    "divergence",
    "error_correlation_length",
    "even_streamlines",
    "find_vortices",
    "flow_rate",
    "flow_rate_uncertainty",
    "ftle",
    "gamma_1",
    "gamma_2",
    "lambda_2",
    "line_integral_convolution",
    "material_acceleration",
    "mean_velocity",
    "normal_strain",
    "okubo_weiss",
    "pathlines",
    "profile",
    "q_criterion",
    "rectangle",
    "resample",
    "sample",
    "sampled_uncertainty",
    "savitzky_golay",
    "shear_strain",
    "streamlines",
    "subtract_mean",
    "subtract_velocity",
    "swirling_strength",
    "track_vortices",
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
