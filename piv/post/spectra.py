"""Spectra of the fluctuations along an axis, in the plane and in time, by Welch's method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import fft, signal

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.corrected import Corrected
from piv.post.correlated import correlation_length_of
from piv.post.correlations import TimeSeries
from piv.post.distributions import fluctuation, share_of
from piv.post.noise import noise_spectrum
from piv.post.series import EXCLUDED, Progress, Series, axis_number, axis_spacing, done, fields_of
from piv.post.statistics import Statistics
from piv.types import Bool, Flag, Float

Response = Callable[[Float], Float]  # gain of an amplitude, from its wavenumber
_GAPS = 0.1  # share of a segment that may be interpolated


@dataclass(frozen=True, eq=False, slots=True)
class Spectrum:
    r"""One-sided power spectral densities; :math:`\int_0^\infty E \, dk` is the variance.

    Parameters
    ----------
    wavenumber : float array, shape (K,)
        rad per length; of a spectrum in time the frequency, Hz, and the integral is over that.
    uu, vv : Corrected, shape (K,)
        Noise is the mean square uncertainty, spread as its correlation says.
    segments : int
        That were averaged.
    interpolated : float
        Share of their vectors that had to be interpolated along the line.
    response : float array, shape (K,), or None
        Gain with which the method follows a wave: what was measured is ``response**2`` times the
        spectrum of the flow.  It is shown, not divided by.
    unit : str
        Of the wavenumber.
    """

    wavenumber: Float
    uu: Corrected
    vv: Corrected
    segments: int
    interpolated: float
    response: Float | None = None
    unit: str = "rad per length"


@checked
def spectrum(
    series: Series,
    flow: Statistics | None = None,
    *,
    axis: Literal["x", "y"] = "x",
    segment: int | None = None,
    window: str = "hann",
    region: Bool | None = None,
    gaps: float = _GAPS,
    correlation_length: float | None = None,
    response: Response | None = None,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> Spectrum:
    """Spectra of u' and v' over the wavenumber along an axis.

    Lines are cut into segments that overlap by half, and averaged over lines and fields
    (Welch, IEEE Trans. Audio Electroacoust. 15, 70, 1967).

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics, optional
        Its means are taken off; without it each segment's own mean is.
    axis : "x" or "y"
    segment : int, optional
        Vectors of a segment; default the whole line.
    window : str
        Name of a :func:`scipy.signal.get_window`.
    region : bool array, shape (Ny, Nx), optional
        Where vectors count; default everywhere.
    gaps : float
        Segments of which a larger share does not count are left out; smaller gaps are interpolated
        linearly.
    correlation_length : float, optional
        Distance at which the errors of two vectors correlate by 1/e; 0 = independent.  Default that
        of the fields' weights, see :func:`correlation_length_of`.
    response : function, optional
        Gain of the method from the wavenumber, such as :func:`window_response` or
        :func:`measured_response`.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If the grid is uneven along the axis, the segment does not fit, or no segment is left.
    """
    number, sums, step, length, unit = axis_number(axis), None, 0.0, 0.0, ""
    for field in fields_of(series):
        step, length = axis_spacing(field, axis), correlation_length_of(field, correlation_length)
        unit = "rad/px" if field.units == "px" else "rad/m"
        if sums is None:
            sums = _Welch(segment or field.shape[number], window, gaps, flow is None)
        u, v, where = fluctuation(field, flow, exclude, region)
        squares = [
            None if size is None else np.square(size, dtype=np.float64) * share_of(flow)
            for size in (field.uncertainty_u, field.uncertainty_v)
        ]
        if axis == "y":
            u, v, where = u.T, v.T, where.T
            squares = [None if each is None else each.T for each in squares]
        sums.add(u, v, where, squares)
        done(progress)
    if sums is None:
        raise InputError("the series has no fields")
    k, uu, vv, noise = sums.result(step / np.pi)
    wavenumber = 2 * np.pi * k / step
    share = noise_spectrum(wavenumber, step, length)
    return Spectrum(
        wavenumber,
        Corrected(uu, noise[0] * share),
        Corrected(vv, noise[1] * share),
        sums.segments,
        sums.interpolated,
        None if response is None else np.asarray(response(wavenumber)),
        unit,
    )


@checked
def time_spectrum(
    samples: TimeSeries,
    interval: float,
    *,
    segment: int | None = None,
    window: str = "hann",
    gaps: float = _GAPS,
) -> Spectrum:
    """Spectra of u' and v' over the frequency, averaged over the points.

    Parameters
    ----------
    samples : TimeSeries
        Of :func:`time_series`.
    interval : float
        Between two fields, s.
    segment : int, optional
        Fields of a segment; default all, or 256 if there are more.
    window, gaps : see :func:`spectrum`

    Raises
    ------
    InputError
        If the interval is not positive, the segment does not fit, or none is left.
    """
    if not interval > 0:
        raise InputError(f"the interval must be a positive time in s, not {interval!r}")
    sums = _Welch(segment or min(len(samples.u), 256), window, gaps, True)
    where = np.isfinite(samples.u) & np.isfinite(samples.v)
    squares = [np.square(each).T for each in (samples.uncertainty_u, samples.uncertainty_v)]
    sums.add(samples.u.T, samples.v.T, where.T, squares)
    k, uu, vv, noise = sums.result(2 * interval)
    flat = np.full(k.shape, 2 * interval)
    return Spectrum(
        k / interval,
        Corrected(uu, noise[0] * flat),
        Corrected(vv, noise[1] * flat),
        sums.segments,
        sums.interpolated,
        unit="Hz",
    )


@dataclass(frozen=True, eq=False, slots=True)
class PlaneSpectrum:
    r"""Two-sided densities in the plane; :math:`\iint E \, dk_x dk_y` is the variance.

    Parameters
    ----------
    kx, ky : float array, shapes (Kx,) and (Ky,)
        rad per length, ascending, negative ones too; ky for y up.
    uu, vv : Corrected, shape (Ky, Kx)
    fields : int
        That were averaged.
    """

    kx: Float
    ky: Float
    uu: Corrected
    vv: Corrected
    fields: int


@checked
def plane_spectrum(
    series: Series,
    flow: Statistics | None = None,
    *,
    window: str = "hann",
    gaps: float = _GAPS,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> PlaneSpectrum:
    """Spectra of u' and v' over both wavenumbers, averaged over the fields.

    Parameters
    ----------
    series : see :func:`statistics_of`
    flow : Statistics, optional
        Its means are taken off; without it each field's own mean is.
    window : str
        Along both axes.
    gaps : float
        Fields of which a larger share does not count are left out; smaller gaps are interpolated
        along x.
    exclude, progress : see :func:`statistics_of`

    Raises
    ------
    InputError
        If the grid is uneven or no field is left.
    """
    total: list[Float] = []
    noise, count, norm, steps = np.zeros(2), 0, 1.0, (1.0, 1.0)
    taper = np.ones((1, 1))
    direction = 1
    for field in fields_of(series):
        steps = (axis_spacing(field, "y"), axis_spacing(field, "x"))
        upward = (field.y[-1] > field.y[0]) == (field.y_axis == "up")
        direction = 1 if upward else -1
        u, v, where = fluctuation(field, flow, exclude)
        done(progress)
        if 1 - where.mean() > gaps:
            continue
        taper = np.multiply.outer(*(taper_of(window, n) for n in field.shape))
        norm = steps[0] * steps[1] / (4 * np.pi**2 * np.sum(taper**2))
        powers = []
        for values in (u, v):
            filled = _filled_lines(values, where)
            if flow is None:
                filled = filled - filled[where].mean()
            powers.append(np.abs(fft.fft2(filled * taper)) ** 2 * norm)
        total = [a + b for a, b in zip(total, powers, strict=True)] if total else powers
        noise += _mean_squares(field.uncertainty_u, field.uncertainty_v, where, share_of(flow))
        count += 1
    if not count:
        raise InputError(
            f"no field is left for a spectrum: more than {100 * gaps:.3g} % of the vectors of each "
            "do not count (gaps)"
        )
    flat = steps[0] * steps[1] / (4 * np.pi**2)
    ky, kx = (
        2 * np.pi * fft.fftshift(fft.fftfreq(n, d)) for n, d in zip(taper.shape, steps, strict=True)
    )
    found = [
        Corrected(_turned(each / count, direction), np.full(each.shape, square / count * flat))
        for each, square in zip(total, noise, strict=True)
    ]
    return PlaneSpectrum(kx, ky, found[0], found[1], count)


@checked
def window_response(window: float) -> Response:
    """Gain of an ideal interrogation window: the average over it, along one axis.

    Parameters
    ----------
    window : float
        Its length, in the unit of the coordinates.
    """

    def gain(wavenumber: Float) -> Float:
        return np.abs(np.sinc(np.asarray(wavenumber) * window / (2 * np.pi)))

    return gain


@checked
def measured_response(wavelength: Float, gain: Float) -> Response:
    """Gain between wavelengths at which it was measured, such as by ``piv evaluate``.

    Parameters
    ----------
    wavelength : array, shape (M,)
        In the unit of the coordinates; any order.
    gain : array, shape (M,)

    Raises
    ------
    InputError
        If there are not as many gains as wavelengths, or a wavelength is not positive.

    Notes
    -----
    Linear in the wavenumber; NaN beyond the shortest and the longest wavelength.
    """
    lengths, values = np.asarray(wavelength, np.float64), np.asarray(gain, np.float64)
    if lengths.shape != values.shape or lengths.ndim != 1 or not (lengths > 0).all():
        raise InputError("give one gain for each wavelength, and wavelengths above 0")
    order = np.argsort(2 * np.pi / lengths)
    known = (2 * np.pi / lengths)[order]

    def interpolated(wavenumber: Float) -> Float:
        return np.interp(wavenumber, known, values[order], left=np.nan, right=np.nan)

    return interpolated


def taper_of(window: str, size: int) -> Float:
    """A window of this many vectors by its name in SciPy.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    try:
        return np.asarray(signal.get_window(window, size))
    except ValueError:
        raise InputError(
            f"unknown window {window!r}: such as hann, hamming, blackman and boxcar (none)"
        ) from None


class _Welch:
    """Sums periodograms of segments of lines; the line is the last axis."""

    def __init__(self, segment: int, window: str, gaps: float, centre: bool) -> None:
        if segment < 4:
            raise InputError(f"a segment of a spectrum has at least 4 vectors, not {segment}")
        self._length, self._gaps, self._centre = segment, gaps, centre
        self._window = taper_of(window, segment)
        self._powers = np.zeros((2, segment // 2 + 1))
        self._squares = np.zeros(2)
        self._vectors = self._absent = 0
        self.segments = 0

    @property
    def interpolated(self) -> float:
        return self._absent / max(self._vectors, 1)

    def add(self, u: Float, v: Float, where: Bool, squares: Sequence[Float | None]) -> None:
        size = self._length
        if u.shape[-1] < size:
            raise InputError(f"a segment of {size} does not fit a line of {u.shape[-1]} vectors")
        for start in range(0, u.shape[-1] - size + 1, max(1, size // 2)):
            part = slice(start, start + size)
            good = (~where[:, part]).mean(axis=1) <= self._gaps
            inside = where[good, part]
            if not inside.size:
                continue
            for n, values in enumerate((u, v)):
                filled = _filled_lines(values[good, part], inside)
                if self._centre:
                    filled = filled - filled.mean(axis=1, keepdims=True)
                power = np.abs(fft.rfft(filled * self._window, axis=1)) ** 2
                self._powers[n] += power.sum(axis=0)
                square = squares[n]
                known = np.nan if square is None else square[good, part][inside].sum()
                self._squares[n] += known
            self.segments += len(inside)
            self._vectors += inside.size
            self._absent += int((~inside).sum())

    def result(self, unit: float) -> tuple[Float, Float, Float, Float]:
        """Frequencies in cycles a step, densities of u and v, mean square uncertainties.

        ``unit`` is the density of white noise of unit variance.
        """
        if not self.segments:
            raise InputError(
                f"no segment is left for a spectrum: more than {100 * self._gaps:.3g} % of the "
                "vectors of each do not count (gaps)"
            )
        density = self._powers * (unit / (self.segments * np.sum(self._window**2)))
        density[:, 0] /= 2  # the mean, and the shortest wave, have no twin
        if self._length % 2 == 0:
            density[:, -1] /= 2
        measured = self._vectors - self._absent
        return fft.rfftfreq(self._length), density[0], density[1], self._squares / measured


def _filled_lines(values: Float, where: Bool) -> Float:
    """Absent values interpolated linearly along the last axis; ends repeat the nearest value."""
    if where.all():
        return values
    filled = np.where(where, values, 0.0)
    places = np.arange(values.shape[-1])
    for line in np.flatnonzero(~where.all(axis=1)):
        known = where[line]
        if known.any():
            filled[line] = np.interp(places, places[known], values[line][known])
    return filled


def _mean_squares(
    one: Float | None, two: Float | None, where: Bool, share: Float | float
) -> list[float]:
    return [
        np.nan if a is None else float((np.square(a, dtype=np.float64) * share)[where].mean())
        for a in (one, two)
    ]


def _turned(power: Float, direction: int) -> Float:
    """Both wavenumbers ascending, ky for y up."""
    if direction < 0:  # rows run down: -ky in their place
        power = np.roll(power[::-1], 1, axis=0)
    return fft.fftshift(power)
