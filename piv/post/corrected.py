"""A quantity that measurement noise adds to: raw, the noise's share, and what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piv.types import Float


@dataclass(frozen=True, eq=False, slots=True)
class Corrected:
    """Raw and corrected together, so that neither is shown without the other being at hand.

    Parameters
    ----------
    raw : float array
        As measured.
    noise : float array
        What the measurement's uncertainty adds to it; NaN where the uncertainty is not known.
    """

    raw: Float
    noise: Float

    @property
    def corrected(self) -> Float:
        """``raw - noise``; negative where the fluctuations drown in the noise, never clipped."""
        return np.asarray(self.raw - self.noise)

    def root(self) -> Corrected:
        """Square roots of raw and corrected; NaN where a corrected value is negative."""
        raw = np.sqrt(self.raw)
        left = np.sqrt(np.where(self.corrected >= 0, self.corrected, np.nan))
        return Corrected(raw, raw - left)

    def __add__(self, other: Corrected) -> Corrected:
        return Corrected(self.raw + other.raw, self.noise + other.noise)

    def __mul__(self, factor: float | Float) -> Corrected:
        return Corrected(self.raw * factor, self.noise * factor)

    __rmul__ = __mul__
