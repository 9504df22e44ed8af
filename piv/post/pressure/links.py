"""Which points hang together, and by how much pressure rises from one to the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

from piv.types import Bool, Float

Index = npt.NDArray[np.int64]


def neighbours(inside: Bool, axis: int) -> tuple[Index, Index]:
    """Flat indices of all pairs of neighbours along an axis that are both inside."""
    number = np.arange(inside.size).reshape(inside.shape)
    if axis in (1, -1):
        both = inside[:, 1:] & inside[:, :-1]
        return number[:, :-1][both], number[:, 1:][both]
    both = inside[1:] & inside[:-1]
    return number[:-1][both], number[1:][both]


def rise(gradient: Float, coordinates: Float, start: Index, end: Index) -> Float:
    """Trapezoidal integral from one point to the other, both given by flat indices."""
    g, at = gradient.reshape(-1), coordinates.reshape(-1)
    return np.asarray(0.5 * (g[start] + g[end]) * (at[end] - at[start]))


def regions(inside: Bool) -> tuple[npt.NDArray[np.int32], int]:
    """Number of the connected region of each point, from 1; 0 outside; and how many there are.

    Neighbours share a row or a column.  A point without any neighbour is no region.
    """
    labels, count = ndimage.label(inside)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = np.flatnonzero(sizes[1:] > 1) + 1
    new = np.zeros(count + 1, np.int32)
    new[keep] = np.arange(1, keep.size + 1)
    return new[labels], int(keep.size)


def difference_matrix(pairs: int, start: Index, end: Index, size: int) -> sparse.csr_array:
    """Rows that take the value at the start from that at the end."""
    row = np.arange(pairs)
    ones = np.ones(pairs)
    return sparse.csr_array(
        (np.concatenate([-ones, ones]), (np.concatenate([row, row]), np.concatenate([start, end]))),
        shape=(pairs, size),
    )
