"""What errors of the vectors add to spectra."""

from __future__ import annotations

import math

import numpy as np

from piv.post.correlated import gaussian_correlation
from piv.types import Float

_REACH = 4.0  # correlation lengths, beyond which a Gaussian is nothing


def noise_spectrum(wavenumber: Float, step: float, correlation_length: float = 0.0) -> Float:
    r"""One-sided spectrum, per mean square error, of errors on a grid.

    .. math:: \frac{\Delta}{\pi} \Big(1 + 2 \sum_{n \ge 1} \rho(n \Delta) \cos n k \Delta\Big),
              \quad \rho(r) = e^{-(r/\ell)^2}

    White for independent errors: :math:`\Delta / \pi`, whose integral up to the grid's
    :math:`\pi / \Delta` is 1.

    Parameters
    ----------
    wavenumber : array
        rad per length.
    step : float
        Spacing of the grid.
    correlation_length : float
        Distance at which the errors' correlation is 1/e; 0 = independent.
    """
    correlation = gaussian_correlation(correlation_length)
    lags = np.arange(1, 1 + math.ceil(_REACH * correlation_length / step))
    share = correlation(lags * step)
    phase = np.multiply.outer(np.asarray(wavenumber), lags * step)
    return np.asarray(step / np.pi * np.maximum(1 + 2 * np.cos(phase) @ share, 0.0))
