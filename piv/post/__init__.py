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
    from piv.post.convergence import (
        Convergence,
    )
    from piv.post.corrected import (
        Corrected,
    )
    from piv.post.correlated import (
        correlation_length_of,
    )
    from piv.post.correlations import (
        Autocorrelation,
        TimeSeries,
        integral_scale,
        spatial_correlation,
        temporal_correlation,
        time_series,
        two_point_correlation,
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
    from piv.post.distributions import (
        JointPDF,
        Quadrants,
        joint_pdf,
        quadrants,
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
    from piv.post.modes import (
        DMD,
        POD,
        SPOD,
        dmd,
        fill_gaps,
        pod,
        reconstruct_gaps,
        snapshots,
        spod,
    )
    from piv.post.moments import (
        Moments,
    )
    from piv.post.paths import (
        even_streamlines,
        ftle,
        pathlines,
        streamlines,
    )
    from piv.post.phase import (
        PhaseAverage,
        phase_average,
    )
    from piv.post.pressure import (
        Pressure,
        integrate,
        pressure_gradient,
        pressure_of,
        pressure_uncertainty,
    )
    from piv.post.propagation import (
        correlated_errors,
        error_correlation_length,
        sampled_uncertainty,
        uncertainty_of,
    )
    from piv.post.series import (
        EXCLUDED,
        fields_of,
        usable,
    )
    from piv.post.small_scales import (
        TurbulenceScales,
        dissipation,
        dissipation_from_structure,
        turbulence_scales,
    )
    from piv.post.spectra import (
        PlaneSpectrum,
        Spectrum,
        measured_response,
        plane_spectrum,
        spectrum,
        time_spectrum,
        window_response,
    )
    from piv.post.statistics import (
        Accumulator,
        Statistics,
        statistics_of,
    )
    from piv.post.stencils import (
        SCHEMES,
        Scheme,
        savitzky_golay,
    )
    from piv.post.structure import (
        StructureFunctions,
        structure_functions,
    )
    from piv.post.texture import (
        line_integral_convolution,
    )
    from piv.post.turbulence import (
        ReynoldsStress,
        production,
        reynolds_stress,
        turbulence_intensity,
        turbulent_kinetic_energy,
    )
    from piv.post.vortices import (
        Track,
        Vortex,
        find_vortices,
        track_vortices,
    )

# public name -> module in which it is
_LATER = {
    "Accumulator": "statistics",
    "Autocorrelation": "correlations",
    "Convergence": "convergence",
    "Corrected": "corrected",
    "DMD": "modes",
    "EXCLUDED": "series",
    "JointPDF": "distributions",
    "Moments": "moments",
    "POD": "modes",
    "PhaseAverage": "phase",
    "PlaneSpectrum": "spectra",
    "Pressure": "pressure",
    "Profile": "lines",
    "Quadrants": "distributions",
    "ReynoldsStress": "turbulence",
    "SCHEMES": "stencils",
    "SPOD": "modes",
    "Scales": "frames",
    "Scheme": "stencils",
    "Spectrum": "spectra",
    "Statistics": "statistics",
    "StructureFunctions": "structure",
    "TimeSeries": "correlations",
    "Track": "vortices",
    "TurbulenceScales": "small_scales",
    "VelocityGradient": "gradients",
    "Vortex": "vortices",
    "acceleration_uncertainty": "acceleration",
    "circle": "lines",
    "circulation": "lines",
    "circulation_uncertainty": "lines",
    "correlated_errors": "propagation",
    "correlation_length_of": "correlated",
    "decompose": "frames",
    "derivative": "gradients",
    "dissipation": "small_scales",
    "dissipation_from_structure": "small_scales",
    "divergence": "criteria",
    "dmd": "modes",
    "error_correlation_length": "propagation",
    "even_streamlines": "paths",
    "fields_of": "series",
    "fill_gaps": "modes",
    "find_vortices": "vortices",
    "flow_rate": "lines",
    "flow_rate_uncertainty": "lines",
    "ftle": "paths",
    "gamma_1": "gamma",
    "gamma_2": "gamma",
    "integral_scale": "correlations",
    "integrate": "pressure",
    "joint_pdf": "distributions",
    "lambda_2": "criteria",
    "line_integral_convolution": "texture",
    "material_acceleration": "acceleration",
    "mean_velocity": "frames",
    "measured_response": "spectra",
    "normal_strain": "criteria",
    "okubo_weiss": "criteria",
    "pathlines": "paths",
    "phase_average": "phase",
    "plane_spectrum": "spectra",
    "pod": "modes",
    "pressure_gradient": "pressure",
    "pressure_of": "pressure",
    "pressure_uncertainty": "pressure",
    "production": "turbulence",
    "profile": "lines",
    "q_criterion": "criteria",
    "quadrants": "distributions",
    "reconstruct_gaps": "modes",
    "rectangle": "lines",
    "resample": "lines",
    "reynolds_stress": "turbulence",
    "sample": "interpolation",
    "sampled_uncertainty": "propagation",
    "savitzky_golay": "stencils",
    "shear_strain": "criteria",
    "snapshots": "modes",
    "spatial_correlation": "correlations",
    "spectrum": "spectra",
    "spod": "modes",
    "statistics_of": "statistics",
    "streamlines": "paths",
    "structure_functions": "structure",
    "subtract_mean": "frames",
    "subtract_velocity": "frames",
    "swirling_strength": "criteria",
    "temporal_correlation": "correlations",
    "time_series": "correlations",
    "time_spectrum": "spectra",
    "track_vortices": "vortices",
    "turbulence_intensity": "turbulence",
    "turbulence_scales": "small_scales",
    "turbulent_kinetic_energy": "turbulence",
    "two_point_correlation": "correlations",
    "uncertainty_of": "propagation",
    "usable": "series",
    "velocity_gradient": "gradients",
    "vorticity": "criteria",
    "window_response": "spectra",
}

__all__ = [
    "DMD",
    "EXCLUDED",
    "POD",
    "SCHEMES",
    "SPOD",
    "Accumulator",
    "Autocorrelation",
    "Convergence",
    "Corrected",
    "JointPDF",
    "Moments",
    "PhaseAverage",
    "PlaneSpectrum",
    "Pressure",
    "Profile",
    "Quadrants",
    "ReynoldsStress",
    "Scales",
    "Scheme",
    "Spectrum",
    "Statistics",
    "StructureFunctions",
    "TimeSeries",
    "Track",
    "TurbulenceScales",
    "VelocityGradient",
    "Vortex",
    "acceleration_uncertainty",
    "circle",
    "circulation",
    "circulation_uncertainty",
    "correlated_errors",
    "correlation_length_of",
    "decompose",
    "derivative",
    "dissipation",
    "dissipation_from_structure",
    "divergence",
    "dmd",
    "error_correlation_length",
    "even_streamlines",
    "fields_of",
    "fill_gaps",
    "find_vortices",
    "flow_rate",
    "flow_rate_uncertainty",
    "ftle",
    "gamma_1",
    "gamma_2",
    "integral_scale",
    "integrate",
    "joint_pdf",
    "lambda_2",
    "line_integral_convolution",
    "material_acceleration",
    "mean_velocity",
    "measured_response",
    "normal_strain",
    "okubo_weiss",
    "pathlines",
    "phase_average",
    "plane_spectrum",
    "pod",
    "pressure_gradient",
    "pressure_of",
    "pressure_uncertainty",
    "production",
    "profile",
    "q_criterion",
    "quadrants",
    "reconstruct_gaps",
    "rectangle",
    "resample",
    "reynolds_stress",
    "sample",
    "sampled_uncertainty",
    "savitzky_golay",
    "shear_strain",
    "snapshots",
    "spatial_correlation",
    "spectrum",
    "spod",
    "statistics_of",
    "streamlines",
    "structure_functions",
    "subtract_mean",
    "subtract_velocity",
    "swirling_strength",
    "temporal_correlation",
    "time_series",
    "time_spectrum",
    "track_vortices",
    "turbulence_intensity",
    "turbulence_scales",
    "turbulent_kinetic_energy",
    "two_point_correlation",
    "uncertainty_of",
    "usable",
    "velocity_gradient",
    "vorticity",
    "window_response",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"piv.post.{_LATER[name]}"), name)
    raise AttributeError(f"module 'piv.post' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
