"""What errors of the vectors add to spectra, correlations and differences."""

from __future__ import annotations

import numpy as np

from piv.post.stencils import Correlation
from piv.types import Float


def uncorrelated(distance: Float) -> Float:
    """Errors of different vectors that have nothing to do with each other."""
    return np.asarray(np.asarray(distance) == 0, np.float64)


def noise_spectrum(wavenumber: Float, step: float, correlation: Correlation | None) -> Float:
    r"""One-sided spectrum, per mean square error, of errors on a grid.

    .. math:: \frac{\Delta}{\pi} \Big(1 + 2 \sum_{n \ge 1} \rho(n \Delta) \cos n k \Delta\Big)

    White for uncorrelated errors: :math:`\Delta / \pi`, whose integral up to the grid's
    :math:`\pi / \Delta` is 1.

    Parameters
    ----------
    wavenumber : array
        rad per length.
    step : float
        Spacing of the grid.
    correlation : function or None
        Correlation of the errors of two vectors, from their distance; None = uncorrelated.
    """
    flat = np.full(np.shape(wavenumber), step / np.pi)
    if correlation is None:
        return flat
    lags = np.arange(1, max(2, 4 * np.size(wavenumber)))
    share = np.asarray(correlation(lags * step), np.float64)
    reach = np.flatnonzero(np.abs(share) > 1e-6)
    lags, share = lags[: reach[-1] + 1 if reach.size else 0], share[: lags.size]
    share = share[: lags.size]
    phase = np.multiply.outer(np.asarray(wavenumber), lags * step)
    return np.asarray(flat * np.maximum(1 + 2 * np.cos(phase) @ share, 0.0))
