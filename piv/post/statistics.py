"""Statistics of a series in one pass over its fields, in memory that does not grow with it.

Shear stress, and all that is made of it, is that of axes with x right and y up; a mean or a
skewness of v is that of the field's own axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.post.arguments import checked
from piv.post.convergence import Convergence, History
from piv.post.corrected import Corrected
from piv.post.correlated import UNCERTAINTY_OF
from piv.post.moments import Moments, check_order
from piv.post.sampling import Blocking, probe_stride
from piv.post.series import EXCLUDED, Progress, Series, check_same, done, fields_of, usable
from piv.types import Bool, Flag, Float, Units, VectorField, YAxis

Component: TypeAlias = Literal["u", "v"]
Third: TypeAlias = Literal["isotropic", "none"]

_BUFFER = 1 << 23  # vectors that are gathered before they are summed
_LONGEST = 16  # fields


@dataclass(frozen=True, eq=False, slots=True)
class Statistics:
    """What :func:`statistics_of` returns: sums at every point, and the quantities they give.

    Parameters
    ----------
    x, y : float array, shapes (Nx,) and (Ny,)
    moments : Moments, shape (Ny, Nx)
    noise_uu, noise_vv : float array, shape (Ny, Nx), or None
        Mean square uncertainty of the vectors that were counted.
    inefficiency : float array, shape (Ny, Nx)
        Vectors that are worth one independent vector, at least 1.
    fields : int
        Fields that were read.
    exclude : Flag
        The rule by which vectors were left out.
    units, y_axis, dt
        As in the fields.
    convergence : Convergence
        How means and rms went on the way.
    attrs : mapping
        Provenance of the first field.
    """

    x: Float
    y: Float
    moments: Moments
    noise_uu: Float | None
    noise_vv: Float | None
    inefficiency: Float
    fields: int
    exclude: Flag
    units: Units
    y_axis: YAxis
    dt: float
    convergence: Convergence
    attrs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def count(self) -> npt.NDArray[np.int64]:
        """Vectors that were counted at each point, (Ny, Nx)."""
        return self.moments.count

    @property
    def mean_u(self) -> Float:
        """Mean of u; NaN where no vector was counted."""
        return np.where(self.count > 0, self.moments.mean_u, np.nan)

    @property
    def mean_v(self) -> Float:
        """Mean of v, positive where the fields' v is; NaN where no vector was counted."""
        return np.where(self.count > 0, self.moments.mean_v, np.nan)

    @property
    def effective_count(self) -> Float:
        """Independent vectors that the counted ones are worth, (Ny, Nx)."""
        return np.asarray(self.count / self.inefficiency)

    @checked
    def variance(self, component: Component, *, ddof: int = 1) -> Corrected:
        """Variance of a component; its noise is the mean square uncertainty.

        Parameters
        ----------
        component : "u" or "v"
        ddof : int
            The sum of squares is divided by count - ddof.
        """
        check_component(component)
        powers, noise = ((2, 0), self.noise_uu) if component == "u" else ((0, 2), self.noise_vv)
        raw = self.moments.central(*powers, ddof=ddof)
        if noise is None:
            return Corrected(raw, np.full(raw.shape, np.nan))
        count = np.maximum(self.count, 2)  # a mean has its part of the errors: see noise_share
        return Corrected(raw, noise * ((count - 1) / np.maximum(count - ddof, 1)))

    @property
    def noise_share(self) -> Float:
        """Share of the errors' variance in deviations from the mean, which has some of it: 1 - 1/n.

        For errors that are independent from field to field.
        """
        return 1.0 - 1.0 / np.maximum(self.count, 1)

    @checked
    def rms(self, component: Component, *, ddof: int = 1) -> Corrected:
        """Root mean square fluctuation of a component."""
        return self.variance(component, ddof=ddof).root()

    @checked
    def skewness(self, component: Component) -> Float:
        """Third central moment over the cube of the rms; NaN where there is no fluctuation."""
        return self._standardised(component, 3)

    @checked
    def kurtosis(self, component: Component) -> Float:
        """Fourth central moment over the rms^4: 3 for a normal distribution."""
        return self._standardised(component, 4)

    @checked
    def standard_error(self, component: Component) -> Float:
        """Of the mean: rms over the root of the independent vectors (Benedict & Gould 1996)."""
        return _root(self.variance(component).raw / self._independent())

    @checked
    def standard_error_of_variance(self, component: Component) -> Float:
        """Of the variance, for any distribution (Benedict & Gould, Exp. Fluids 22, 129, 1996)."""
        check_component(component)
        fourth = self._need((4, 0) if component == "u" else (0, 4))
        square = self.variance(component, ddof=0).raw
        return _root((fourth - square**2) / self._independent())

    def standard_error_of_shear(self) -> Float:
        """Of the Reynolds shear stress (Benedict & Gould 1996)."""
        both = self.moments.central(1, 1)
        return _root((self._need((2, 2)) - both**2) / self._independent())

    @property
    def mean_field(self) -> VectorField:
        """The mean as a field, with the standard error of the mean as its uncertainty.

        ``MASKED`` where no vector was counted; the uncertainty is NaN where there was only one.
        """
        arrays = {
            "u": self.mean_u,
            "v": self.mean_v,
            "uncertainty_u": self.standard_error("u"),
            "uncertainty_v": self.standard_error("v"),
        }
        return VectorField(
            x=self.x,
            y=self.y,
            flags=np.where(self.count > 0, 0, int(Flag.MASKED)).astype(np.uint16),
            dt=self.dt,
            units=self.units,
            y_axis=self.y_axis,
            attrs={**self.attrs, UNCERTAINTY_OF: "mean (its standard error)"},
            **{name: array.astype(np.float32) for name, array in arrays.items()},  # type: ignore[arg-type]
        )

    def _independent(self) -> Float:
        return np.where(self.count > 1, self.effective_count, np.nan)

    def _need(self, powers: tuple[int, int]) -> Float:
        if powers not in self.moments.sums:
            raise InputError("this needs moments up to order 4: make the statistics with order=4")
        return self.moments.central(*powers)

    def _standardised(self, component: Component, order: int) -> Float:
        check_component(component)

        def powers(n: int) -> tuple[int, int]:
            return (n, 0) if component == "u" else (0, n)

        high = self._need(powers(order))
        square = self.moments.central(*powers(2))
        known = square > 0
        return np.divide(high, square ** (order / 2), out=np.full(high.shape, np.nan), where=known)


class Accumulator:
    """Takes fields one by one and can tell their statistics at any time.

    Two of them, filled with parts of a series, merge to that of the whole.

    Parameters
    ----------
    exclude : Flag
        Vectors with one of these bits are left out, as are those without a value.
    order : 2 or 4
        Highest moments that are kept; 4 takes twice the memory of 2.
    probes : sequence of (row, column), optional
        Points whose running statistics are kept; default nine, spread over the field.

    Raises
    ------
    InputError
        If the order is another one.
    """

    @checked
    def __init__(
        self,
        *,
        exclude: Flag | int = EXCLUDED,
        order: int = 4,
        probes: npt.ArrayLike | None = None,
    ) -> None:
        check_order(order)
        self._exclude, self._order = Flag(int(exclude)), order
        self._probes = probes
        self._sums: _Sums | None = None

    @checked
    def add(self, field: VectorField) -> None:
        """Take one field, of shape (Ny, Nx).

        Raises
        ------
        InputError
            If it is on another grid or in another unit than the first one, or a probe lies outside.
        """
        if self._sums is None:
            self._sums = _Sums.of(field, self._order, self._probes)
        check_same(self._sums.first, field, self._sums.fields)
        self._sums.add(field, usable(field, self._exclude))

    @checked
    def merge(self, other: Accumulator) -> None:
        """Take all that another one has taken, as if it came after this one's.

        Raises
        ------
        InputError
            If it has another rule, order, grid or unit.
        """
        if other._sums is None:
            return
        if (other._exclude, other._order) != (self._exclude, self._order):
            raise InputError("statistics that are merged must have one rule and one order")
        if self._sums is None:
            self._sums = _Sums.of(other._sums.first, self._order, self._probes)
        self._sums.merge(other._sums)

    def result(self) -> Statistics:
        """The statistics of what was taken so far.

        Raises
        ------
        InputError
            If there was no field.
        """
        if self._sums is None:
            raise InputError("statistics need at least one field, and the series has none")
        return self._sums.result(self._exclude)


def check_component(component: str) -> None:
    """Refuse what is neither ``u`` nor ``v``.

    Raises
    ------
    InputError
    """
    if component not in ("u", "v"):
        raise InputError(f"the component must be 'u' or 'v', not {component!r}")


@dataclass(slots=True)
class _Sums:
    """All that grows while fields come; the moments take several fields at a time."""

    first: VectorField
    moments: Moments
    squares: list[Float]  # sums of the squared uncertainty of u and v, or nothing
    blocking: Blocking
    history: History
    fields: int = 0
    waiting: list[tuple[Float, Float, Bool]] = field(default_factory=list)

    @classmethod
    def of(cls, first: VectorField, order: int, probes: npt.ArrayLike | None) -> _Sums:
        rows, columns = first.shape
        return cls(
            first,
            Moments.empty((rows, columns), order),
            [np.zeros((rows, columns)) for _ in range(2 if first.uncertainty_u is not None else 0)],
            Blocking(),
            History.of((rows, columns), probes),
        )

    @property
    def stride(self) -> int:
        rows, columns = self.first.shape
        return probe_stride((rows, columns))

    def add(self, one: VectorField, where: Bool) -> None:
        part = np.s_[:: self.stride, :: self.stride]
        self.blocking.add(np.stack([one.u[part], one.v[part]]), where[part])
        self.history.add(one, where)
        for total, size in zip(self.squares, (one.uncertainty_u, one.uncertainty_v), strict=False):
            assert size is not None  # as in the first field: the series was checked
            np.add(total, np.square(size, dtype=np.float64), out=total, where=where)
        self.waiting.append((one.u, one.v, where))
        self.fields += 1
        if len(self.waiting) >= np.clip(_BUFFER // one.u.size, 1, _LONGEST):
            self.drain()

    def drain(self) -> None:
        if self.waiting:
            u, v, where = (np.stack(each) for each in zip(*self.waiting, strict=True))
            self.moments.include(u, v, where)
            self.waiting.clear()

    def merge(self, other: _Sums) -> None:
        check_same(self.first, other.first, self.fields)
        self.drain()
        other.drain()
        self.moments = self.moments.merge(other.moments)
        self.squares = [a + b for a, b in zip(self.squares, other.squares, strict=True)]
        self.blocking.merge(other.blocking)
        self.history.merge(other.history)
        self.fields += other.fields

    def result(self, exclude: Flag) -> Statistics:
        self.drain()
        first, count = self.first, self.moments.count
        noise = [
            np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
            for total in self.squares
        ]
        coarse = self.blocking.inefficiency()
        rows, columns = (np.arange(size) // self.stride for size in count.shape)
        return Statistics(
            x=first.x, y=first.y, moments=self.moments.copy(), noise_uu=noise[0] if noise else None,
            noise_vv=noise[1] if noise else None, inefficiency=coarse[rows[:, None], columns],
            fields=self.fields, exclude=exclude, units=first.units, y_axis=first.y_axis,
            dt=first.dt, convergence=self.history.result(), attrs=first.attrs,
        )  # fmt: skip


@checked
def statistics_of(
    series: Series,
    *,
    exclude: Flag | int = EXCLUDED,
    order: int = 4,
    probes: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> Statistics:
    """Means, variances, higher moments and their errors, in one pass.

    Parameters
    ----------
    series : iterable of VectorField, VectorField or xarray.Dataset
        Such as ``piv.open_results(file)``, which may be larger than the memory.
    exclude : Flag
        Vectors with one of these bits are left out, as are those without a value; default
        ``MASKED``, ``REPLACED`` and ``FALLBACK``: what was not measured.
    order : 2 or 4
        Highest moments; 2 is quicker, and has no skewness, kurtosis or error of a variance.
    probes : sequence of (row, column), optional
        Points whose running statistics are kept; default nine, spread over the field.
    progress : callable, optional
        Called after each field.

    Returns
    -------
    Statistics

    Raises
    ------
    InputError
        If there is no field, or grid or unit change on the way.

    Examples
    --------
    >>> flow = piv.post.statistics_of(piv.open_results("run.h5"))       # doctest: +SKIP
    >>> flow.mean_u, flow.rms("u").corrected, flow.count              # doctest: +SKIP
    """
    accumulator = Accumulator(exclude=exclude, order=order, probes=probes)
    for each in fields_of(series):
        accumulator.add(each)
        done(progress)
    return accumulator.result()


def _root(values: Any) -> Float:
    """Square root of what is not negative but for rounding."""
    return np.sqrt(np.maximum(values, 0.0))
