r"""How far a displacement field is from the truth.

Arrays are ``[..., row, column]``; errors are measured minus true, in px.  Every function takes
``where`` (True = counts; None = everywhere) and ``border`` (px left out on all four sides), and
pixels in which an error is not finite never count.  Two lengths of an error are in use and are
never mixed: the **end-point error** is the mean length, the **vector rms** the root mean square
length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from piv.errors import InputError
from piv.types import Bool, Float

BORDER = 8  # px, the border that scores leave out unless told otherwise


@dataclass(frozen=True, eq=False, slots=True)
class Errors:
    """Errors of the pixels that count, as flat arrays.

    Parameters
    ----------
    u, v : float64 array, shape (N,)
        Measured minus true, px.
    """

    u: Float
    v: Float

    @property
    def length(self) -> Float:
        """End-point error of every pixel, px."""
        return np.hypot(self.u, self.v)

    @property
    def components(self) -> Float:
        """Errors of u, then of v, shape (2 N,)."""
        return np.concatenate([self.u, self.v])


def errors(
    u: Float, v: Float, true_u: Float, true_v: Float, *, where: Bool | None = None, border: int = 0
) -> Errors:
    """Errors of the pixels that count.

    Parameters
    ----------
    u, v, true_u, true_v : array, shape (..., H, W)
        Measured and true displacement, px.
    where : bool array, shape (..., H, W), optional
        Pixels that count.
    border : int
        Width of the frame that is left out, px.

    Raises
    ------
    InputError
        If the shapes differ, or no pixel is left.
    """
    error_u, error_v, counts = _differences(u, v, true_u, true_v, where, border)
    return Errors(error_u[counts], error_v[counts])


def _differences(
    u: Float, v: Float, true_u: Float, true_v: Float, where: Bool | None, border: int
) -> tuple[Float, Float, Bool]:
    """Errors of u and v at every pixel, and which pixels count."""
    if not (np.shape(u) == np.shape(v) == np.shape(true_u) == np.shape(true_v)):
        raise InputError(
            f"measured and true field differ in shape: {np.shape(u)} and {np.shape(true_u)}"
        )
    error_u = np.asarray(u, np.float64) - np.asarray(true_u, np.float64)
    error_v = np.asarray(v, np.float64) - np.asarray(true_v, np.float64)
    return error_u, error_v, counting(error_u, error_v, where=where, border=border)


def counting(*arrays: Float, where: Bool | None = None, border: int = 0) -> Bool:
    """True where all arrays are finite, ``where`` holds, and the border is left out.

    Raises
    ------
    InputError
        If no pixel is left.
    """
    counts = np.ones(arrays[0].shape, dtype=bool) if where is None else np.array(where, dtype=bool)
    for array in arrays:
        counts &= np.isfinite(array)
    if border > 0:
        inner = np.zeros_like(counts)
        inner[..., border:-border, border:-border] = True
        counts &= inner
    if not counts.any():
        raise InputError("no pixel is left to score: the truth, the mask or the border hides all")
    return counts


def mean_endpoint_error(e: Errors) -> float:
    """Mean length of the error, px."""
    return float(e.length.mean())


def vector_rms(e: Errors) -> float:
    """Root mean square length of the error, px."""
    return float(np.sqrt(np.mean(e.u**2 + e.v**2)))


def bias(e: Errors) -> tuple[float, float]:
    """Mean error of u and of v, px."""
    return float(e.u.mean()), float(e.v.mean())


def rms_error(e: Errors) -> tuple[float, float]:
    """Standard deviation of the error of u and of v about its mean, px: the random error."""
    return float(e.u.std()), float(e.v.std())


def outlier_share(e: Errors, threshold: float = 1.0) -> float:
    """Share of pixels with an end-point error above ``threshold`` px, 0 to 1."""
    return float(np.mean(e.length > threshold))


def coverage(e: Errors, uncertainty_u: Float, uncertainty_v: Float) -> float:
    """Share of components whose |error| lies within the stated uncertainty, 0 to 1.

    Parameters
    ----------
    e : Errors
    uncertainty_u, uncertainty_v : array, shape (N,)
        Half-widths at the same pixels, px.
    """
    within_u, within_v = np.abs(e.u) <= uncertainty_u, np.abs(e.v) <= uncertainty_v
    return float((within_u.mean() + within_v.mean()) / 2)


def rank_correlation(stated: Float, error: Float) -> float:
    """Spearman's rank correlation of stated uncertainty and absolute error, -1 to 1.

    Parameters
    ----------
    stated, error : array, shape (N,)
        Ties have their mean rank.  NaN where either does not vary.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(a)) for a in (stated, np.abs(error))]
    centred = [r - r.mean() for r in ranks]
    norm = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / norm) if norm > 0 else float("nan")


def peak_locking(true: Float, error: Float, bins: int = 10) -> float:
    """Half the peak-to-peak range of the bias over the fraction of a pixel of the displacement.

    Parameters
    ----------
    true, error : array, shape (N,)
        True displacement and error of one component, px.
    bins : int
        Classes of the fraction; those with under 1 % of the mean population are left out, and
        with fewer than two left the answer is NaN.

    Returns
    -------
    amplitude : float
        px; 0 without peak locking.
    """
    fraction = np.asarray(true, np.float64) % 1.0
    place = np.minimum((fraction * bins).astype(int), bins - 1)
    population = np.bincount(place, minlength=bins)
    total = np.bincount(place, weights=np.asarray(error, np.float64), minlength=bins)
    enough = population > 0.01 * population.mean()
    if enough.sum() < 2:
        return float("nan")
    means = total[enough] / population[enough]
    return float(np.ptp(means) / 2)


def wavelength_response(
    u: Float, v: Float, true_u: Float, true_v: Float, *, where: Bool | None = None, border: int = 0
) -> float:
    r"""Gain with which a sinusoidal displacement of one wavelength is followed.

    The measured field :math:`m` is projected on the true one :math:`t`, both less their mean:

    .. math:: G = \frac{\sum m' \cdot t'}{\sum |t'|^2} .

    Parameters
    ----------
    u, v, true_u, true_v : array, shape (..., H, W)
        Measured and true displacement, px; the true one a sinusoid at any angle, plus a constant.
    where : bool array, shape (..., H, W), optional
        Pixels that count.
    border : int
        Width of the frame that is left out, px.

    Returns
    -------
    gain : float
        1 = the wave is followed in full, 0 = not at all; NaN where the true field is uniform.

    Raises
    ------
    InputError
        If the shapes differ, or no pixel is left.
    """
    error_u, error_v, counts = _differences(u, v, true_u, true_v, where, border)
    product = power = 0.0
    for true, error in ((true_u, error_u), (true_v, error_v)):
        t, m = np.asarray(true, np.float64)[counts], error[counts]
        t = t - t.mean()
        product += float(((m + t) * t).sum())  # the mean of m drops out, that of t is zero
        power += float((t * t).sum())
    return product / power if power > 1e-12 * counts.sum() else float("nan")


def step_response(
    u: Float,
    v: Float,
    origin: tuple[float, float],
    angle: float,
    levels: tuple[float, float],
    *,
    where: Bool | None = None,
    border: int = 0,
    reach: int = 32,
) -> tuple[Float, Float]:
    r"""Mean profile across a step of the displacement, 0 on its lower and 1 on its upper side.

    Parameters
    ----------
    u, v : array, shape (H, W)
        Measured displacement, px.
    origin : (float, float)
        A point (y, x) of the step's line, px.
    angle : float
        Direction of the line and of the displacement that jumps, rad:
        :math:`n = (y - y_0) \cos - (x - x_0) \sin` is counted across.
    levels : (float, float)
        True displacement along the line where n < 0 and where n > 0, px.
    where : bool array, shape (H, W), optional
        Pixels that count.
    border : int
        Width of the frame that is left out, px.
    reach : int
        How far from the line the profile goes, px.

    Returns
    -------
    distance, response : float arrays, shape (2 reach,)
        Centres of bins of 1 px across the line, and the mean response in them; NaN in a bin
        without a pixel.

    Raises
    ------
    InputError
        If no pixel is left.
    """
    c, s = np.cos(angle), np.sin(angle)
    y, x = np.indices(np.shape(u))
    across = c * (y - origin[0]) - s * (x - origin[1])
    along = c * np.asarray(u, np.float64) + s * np.asarray(v, np.float64)
    counts = counting(along, where=where, border=border) & (np.abs(across) < reach)
    place = np.floor(across[counts]).astype(int) + reach
    number = np.bincount(place, minlength=2 * reach)
    total = np.bincount(place, weights=along[counts], minlength=2 * reach)
    with np.errstate(invalid="ignore", divide="ignore"):
        response = (total / number - levels[0]) / (levels[1] - levels[0])
    return np.arange(2 * reach) - reach + 0.5, response


def overshoot(response: Float) -> float:
    """Ringing of a step: by how much its profile leaves the range 0 to 1, as a share of the jump.

    Parameters
    ----------
    response : array
        As :func:`step_response` gives it.
    """
    return max(0.0, float(np.nanmax(response)) - 1, -float(np.nanmin(response)))


def rise(distance: Float, response: Float) -> float:
    """Width over which a step's profile goes from 10 to 90 %, px; NaN if it does not.

    Parameters
    ----------
    distance, response : array, shape (N,)
        As :func:`step_response` gives them.
    """
    known = np.isfinite(response)
    distance, response = distance[known], response[known]
    above, below = response >= 0.9, response <= 0.1
    if not above.any() or not below.any():
        return float("nan")
    end = int(np.argmax(above))
    start = len(below) - 1 - int(np.argmax(below[::-1]))
    if not 0 <= start < end:
        return float("nan")
    crossings = [
        np.interp(share, response[k - 1 : k + 1], distance[k - 1 : k + 1])
        for share, k in ((0.1, start + 1), (0.9, end))
    ]
    return float(crossings[1] - crossings[0])


def score(
    u: Float,
    v: Float,
    true_u: Float,
    true_v: Float,
    *,
    uncertainty_u: Float | None = None,
    uncertainty_v: Float | None = None,
    wider: float | None = None,
    where: Bool | None = None,
    border: int = BORDER,
) -> Mapping[str, float]:
    """All figures of one field, or of a stack of fields pooled.

    Parameters
    ----------
    u, v, true_u, true_v : array, shape (..., H, W)
        Measured and true displacement, px.
    uncertainty_u, uncertainty_v : array, shape (..., H, W), optional
        Half-widths of the 68.3 % intervals, px.
    wider : float, optional
        How many times wider the 95 % intervals are.
    where : bool array, shape (..., H, W), optional
        Pixels that count.
    border : int
        Width of the frame that is left out, px.

    Returns
    -------
    figures : dict
        ``mean_endpoint_error``, ``vector_rms``, ``bias_u``, ``bias_v``, ``rms_u``, ``rms_v``,
        ``outlier_share``, ``peak_locking`` (larger of the components'); with uncertainties also
        ``coverage`` (and ``coverage_95``) and ``rank_correlation``; ``pixels``.

    Raises
    ------
    InputError
        If the shapes differ, or no pixel is left.
    """
    error_u, error_v, counts = _differences(u, v, true_u, true_v, where, border)
    e = Errors(error_u[counts], error_v[counts])
    locking = [
        peak_locking(np.asarray(t)[counts], part) for t, part in ((true_u, e.u), (true_v, e.v))
    ]
    bias_u, bias_v = bias(e)
    rms_u, rms_v = rms_error(e)
    figures = {
        "mean_endpoint_error": mean_endpoint_error(e),
        "vector_rms": vector_rms(e),
        "bias_u": bias_u,
        "bias_v": bias_v,
        "rms_u": rms_u,
        "rms_v": rms_v,
        "outlier_share": outlier_share(e),
        "peak_locking": float(np.nanmax(locking)) if np.isfinite(locking).any() else float("nan"),
    }
    if uncertainty_u is not None and uncertainty_v is not None:
        stated = np.asarray(uncertainty_u)[counts], np.asarray(uncertainty_v)[counts]
        figures["coverage"] = coverage(e, *stated)
        if wider is not None:
            figures["coverage_95"] = coverage(e, *(wider * part for part in stated))
        figures["rank_correlation"] = rank_correlation(np.concatenate(stated), e.components)
    figures["pixels"] = float(e.u.size)
    return figures
