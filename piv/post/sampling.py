"""How many independent samples a series holds, by averaging it over longer and longer blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from piv.types import Bool, Float

PROBES = 128  # along the longer side: correlation in time varies slowly in space
POOL = 5  # probes over which variances are averaged, each way
FEWEST = 8  # blocks of a level that is still used


def probe_stride(shape: tuple[int, int]) -> int:
    """Distance, in vectors, of the points at which correlation in time is measured."""
    return max(1, -(-max(shape) // PROBES))


@dataclass(slots=True)
class Blocking:
    r"""Variances of block means at block lengths 1, 2, 4, ... samples, in one pass.

    The standard error of a mean of correlated samples is that of the means of blocks which are
    longer than the correlation [1]_.  The memory is two sums a doubling of the series.

    References
    ----------
    .. [1] Flyvbjerg & Petersen, J. Chem. Phys. 91, 461 (1989).
    """

    levels: list[_Level] = field(default_factory=list)
    samples: int = 0

    def add(self, values: Float, where: Bool) -> None:
        """Take one sample.

        Parameters
        ----------
        values : float array, shape (C, ...)
            Components.
        where : bool array, shape (...)
            Which points have a value.
        """
        if not self.levels:
            self.levels.append(_Level.empty(values.shape))
        total: Float = np.where(where, values, 0.0).astype(np.float64)
        count: Float = where.astype(np.float64)
        self.samples += 1
        for number in range(self.samples.bit_length()):
            if number == len(self.levels):
                self.levels.append(_Level.copy_of(self.levels[number - 1]))
            level = self.levels[number]
            level.gather(total, count)
            if self.samples % (1 << number):
                break
            total, count = level.close()

    def inefficiency(self) -> Float:
        """Samples that are worth one independent sample, at least 1; shape (...).

        The level is the shortest block b with b^3 > 2 N g^2, where g is the ratio of the
        variances found with it (Lee et al., Phys. Rev. E 83, 066706, 2011).  Variances are
        averaged over both components and over neighbouring points, because that of a few blocks
        is uncertain itself.  1 where the series is too short to tell.
        """
        if not self.levels:
            return np.ones(())
        shape = self.levels[0].squares.shape[1:]
        found, settled = np.ones(shape), np.zeros(shape, bool)
        single = _pooled(self.levels[0].mean_square().sum(axis=0))
        for number, level in enumerate(self.levels):
            length = 1 << number
            if self.samples < FEWEST * length:
                break
            between = _pooled(level.mean_square().sum(axis=0))
            ratio = np.divide(between, single, out=np.ones(shape), where=single > 0)
            found = np.where(settled, found, ratio)
            settled |= length**3 > 2 * self.samples * ratio**2
        return np.maximum(np.where(np.isfinite(found), found, 1.0), 1.0)

    def merge(self, other: Blocking) -> None:
        """Take the samples of another one; no block reaches over the joint."""
        for number, level in enumerate(other.levels):
            if number == len(self.levels):
                start = self.levels[number - 1] if number else other.levels[0]
                self.levels.append(
                    _Level.copy_of(start) if number else _Level.empty(level.squares.shape)
                )
            self.levels[number].take(level)
        self.samples += other.samples


@dataclass(slots=True)
class _Level:
    """Blocks of one length: the open one, and the weighted mean and squares of the closed ones."""

    total: Float  # (C, ...) of the open block
    count: Float  # (...)
    blocks: Float  # (...) closed blocks that have a value
    weight: Float  # (...) samples in them
    mean: Float  # (C, ...)
    squares: Float  # (C, ...) sum of weight * (block mean - mean)^2

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> _Level:
        points = shape[1:]
        return cls(
            np.zeros(shape), np.zeros(points), np.zeros(points), np.zeros(points),
            np.zeros(shape), np.zeros(shape),
        )  # fmt: skip

    @classmethod
    def copy_of(cls, level: _Level) -> _Level:
        """Begin a level: its first open block holds nothing yet."""
        return cls.empty(level.squares.shape)

    def gather(self, total: Float, count: Float) -> None:
        self.total += total
        self.count += count

    def close(self) -> tuple[Float, Float]:
        """End the open block; returns its sum and its count."""
        total, count = self.total, self.count
        self._include(total, count)
        self.total, self.count = np.zeros_like(total), np.zeros_like(count)
        return total, count

    def mean_square(self) -> Float:
        """Sum of squares between blocks over their number less one, (C, ...)."""
        freedom = self.blocks - 1
        return np.divide(
            self.squares, freedom, out=np.full(self.squares.shape, np.nan),
            where=np.broadcast_to(freedom > 0, self.squares.shape),
        )  # fmt: skip

    def take(self, other: _Level) -> None:
        weight = self.weight + other.weight
        step = other.mean - self.mean
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        self.squares += other.squares + step**2 * self.weight * share
        self.mean += share * step
        self.weight = weight
        self.blocks += other.blocks

    def _include(self, total: Float, count: Float) -> None:
        weight = self.weight + count
        known = count > 0
        mean = np.divide(total, count, out=np.zeros_like(total), where=known)
        share = np.divide(count, weight, out=np.zeros_like(weight), where=known)
        step = mean - self.mean
        self.squares += step**2 * self.weight * share
        self.mean += share * step
        self.weight = weight
        self.blocks += known


def _pooled(values: Float) -> Float:
    """Mean over neighbouring points that have a value; NaN where none has."""
    known = np.isfinite(values)
    total, share = _box_sum(np.where(known, values, 0.0)), _box_sum(known.astype(np.float64))
    return np.divide(total, share, out=np.full(values.shape, np.nan), where=known & (share > 0))


def _box_sum(values: Float) -> Float:
    """Sum over the neighbours along the last two axes; nothing lies outside."""
    for axis in range(-1, -min(values.ndim, 2) - 1, -1):
        lines = np.moveaxis(values, axis, -1)
        before = [(0, 0)] * (lines.ndim - 1)
        sums = np.cumsum(np.pad(lines, [*before, (POOL // 2 + 1, POOL // 2)]), axis=-1)
        values = np.moveaxis(sums[..., POOL:] - sums[..., :-POOL], -1, axis)
    return values
