"""Dynamic mode decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.modes.snapshots import Snapshots, check_mode, snapshots
from piv.post.series import EXCLUDED, Progress, Series
from piv.types import Flag, Float, VectorField

Complex = npt.NDArray[np.complexfloating]


@dataclass(frozen=True, eq=False, slots=True)
class DMD:
    r"""Modes of one frequency and growth each: :math:`u(x, t) \approx \sum_k b_k \phi_k(x)
    e^{(\sigma_k + 2 \pi i f_k) t}`.

    Parameters
    ----------
    modes : complex array, shape (K, 2 P)
        Rows of unit length, u and then v; the largest amplitude first.
    eigenvalues : complex array, shape (K,)
        From one field to the next.
    amplitudes : complex array, shape (K,)
        :math:`b_k`, fitted to the whole series (Jovanović, Schmid & Nichols, Phys. Fluids 26,
        024103, 2014).
    interval : float
        Between two fields, s.
    snapshots : Snapshots
    """

    modes: Complex
    eigenvalues: Complex
    amplitudes: Complex
    interval: float
    snapshots: Snapshots

    @property
    def frequency(self) -> Float:
        """Hz; modes of a real flow come in pairs of opposite frequency."""
        return np.angle(self.eigenvalues) / (2 * np.pi * self.interval)

    @property
    def growth(self) -> Float:
        """1/s; negative ones decay."""
        with np.errstate(divide="ignore"):  # an eigenvalue of 0 is gone at once
            return np.log(np.abs(self.eigenvalues)) / self.interval

    @checked
    def mode(self, k: int, phase: float = 0.0) -> VectorField:
        """A mode at a phase (rad) as a field, times its amplitude."""
        check_mode(k, len(self.modes))
        turned = self.amplitudes[k] * self.modes[k] * np.exp(1j * phase)
        return self.snapshots.field(turned.real)

    @checked
    def reconstruct(self, time: float, modes: npt.ArrayLike | None = None) -> VectorField:
        """The flow at a time, s after the first field, also beyond the series.

        Parameters
        ----------
        time : float
        modes : sequence of int, optional
            Which modes; default all.
        """
        chosen = np.arange(self.eigenvalues.size) if modes is None else np.asarray(modes)
        for k in np.ravel(chosen):
            check_mode(int(k), len(self.modes))
        factor = self.eigenvalues[chosen] ** (time / self.interval)
        row = (self.amplitudes[chosen] * factor) @ self.modes[chosen]
        return self.snapshots.field(row.real, add_mean=True)


@checked
def dmd(
    series: Series | Snapshots,
    interval: float,
    *,
    modes: int,
    subtract_mean: bool = True,
    exclude: Flag | int = EXCLUDED,
    progress: Progress | None = None,
) -> DMD:
    """Exact dynamic mode decomposition (Tu et al., J. Comput. Dyn. 1, 391, 2014).

    The whole series is held in memory; vectors that do not count are taken as the mean.

    Parameters
    ----------
    series : see :func:`piv.post.statistics_of`, or Snapshots
        Evenly spaced in time.
    interval : float
        Between two fields, s.
    modes : int
        Rank: at least two for each frequency.  Noise makes modes decay too fast; few modes are
        less touched by it.
    subtract_mean : bool
        Take the mean off first; of a short series the result is then a Fourier transform if all
        modes are kept (Chen, Tu & Rowley, J. Nonlinear Sci. 22, 887, 2012).
    exclude, progress : see :func:`piv.post.modes.snapshots`

    Raises
    ------
    InputError
        If an argument is out of range, or the series has a lower rank.
    """
    if not interval > 0:
        raise InputError(f"the interval must be a positive time in s, not {interval!r}")
    source = series if isinstance(series, Snapshots) else snapshots(
        series, subtract_mean=subtract_mean, exclude=exclude, progress=progress
    )  # fmt: skip
    limit = min(source.fields - 1, source.size)
    if not 1 <= modes <= limit:
        raise InputError(f"there can be 1 to {limit} modes, not {modes}")
    rows = source.matrix(progress=progress)
    before, after = rows[:-1].T, rows[1:].T
    left, size, right = linalg.svd(before, full_matrices=False)
    rank = int((size > size[0] * max(before.shape) * np.finfo(float).eps).sum()) if size[0] else 0
    if rank < modes:
        raise InputError(f"the series has rank {rank}: it has no {modes} dynamic modes")
    basis = left[:, :modes]
    step = after @ (right[:modes].T / size[:modes])
    values, vectors = linalg.eig(basis.T @ step)
    shapes = (step @ vectors).T
    length = np.linalg.norm(shapes, axis=1)
    gone = length <= np.finfo(float).eps * max(length.max(), 1.0)  # eigenvalue 0
    shapes[gone] = (basis @ vectors).T[gone]
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    amplitudes = _amplitudes(shapes, values, rows)
    order = np.argsort(-np.abs(amplitudes), kind="stable")
    return DMD(shapes[order], values[order], amplitudes[order], float(interval), source)


def _amplitudes(modes: Complex, values: Complex, rows: Float) -> Complex:
    """Least squares over all fields: (P P* . conj(V V*)) b = conj(diag(V X P*))."""
    powers = values[:, None] ** np.arange(len(rows))  # Vandermonde
    gram = (modes @ modes.conj().T).conj() * (powers @ powers.conj().T).conj()
    right = np.einsum("kn,nk->k", powers.conj(), rows @ modes.conj().T)
    return np.linalg.lstsq(gram, right, rcond=None)[0]
