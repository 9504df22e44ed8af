"""Local least-squares polynomials on a grid of vectors, some of which are missing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, unfold

REACH = 2  # vectors to each side: 5 x 5
_SIGMA = 1.5  # vectors; Gaussian weight of the neighbours
_LEAST = 0.5  # sum of the weights below which a value is left as it is
# what keeps a fit tame where neighbours lie on one side, relative to the sum of the weights: the
# slope is nearly free, a curvature must be seen
_RIDGE_SLOPE, _RIDGE_CURVATURE = 0.01, 0.5


def near(where: Tensor, reach: int) -> Tensor:
    """True within ``reach`` vectors (a square) of one that is True; (B, Ny, Nx) bool."""
    return max_pool2d(where[:, None].float(), 2 * reach + 1, 1, reach)[:, 0] > 0


def fitted_at(field: Tensor, known: Tensor, where: Tensor, *, curved: bool) -> Tensor:
    """Values of local planes or paraboloids, fitted to the known vectors of 5 x 5.

    Parameters
    ----------
    field : tensor, shape (B, C, Ny, Nx)
        Finite.
    known : bool tensor, shape (B, Ny, Nx)
        The vectors that are fitted to.
    where : bool tensor, shape (B, Ny, Nx)
        Vectors that take the value of their fit, where enough is known around them.
    curved : bool
        A paraboloid instead of a plane.

    Returns
    -------
    tensor, shape (B, C, Ny, Nx)
    """
    chosen = torch.nonzero(where, as_tuple=True)
    if not len(chosen[0]):
        return field
    batch, row, column = chosen
    count, height, width = known.shape
    side = 2 * REACH + 1
    weights = unfold(known[:, None].to(field), side, padding=REACH)
    weights = weights.reshape(count, side * side, height, width)[batch, :, row, column]
    values = unfold(torch.where(known[:, None], field, 0.0), side, padding=REACH)
    values = values.reshape(count, field.shape[1], side * side, height, width)
    values = values[batch, :, :, row, column]  # (n, C, 25)
    terms, ridge = _terms(curved)
    terms, ridge = terms.to(field), ridge.to(field)
    weights = weights * torch.exp(-(terms[:, 1] ** 2 + terms[:, 2] ** 2) / (2 * _SIGMA**2))
    total = weights.sum(1)
    enough = total > _LEAST
    batch, row, column = batch[enough], row[enough], column[enough]
    weights, values, total = weights[enough], values[enough], total[enough][:, None]
    mean = (weights[:, None] * values).sum(2) / total
    normal = torch.einsum("nk,ki,kj->nij", weights, terms, terms)
    normal = normal + torch.diag_embed(total * ridge)
    right = torch.einsum("nk,nck,ki->nic", weights, values - mean[..., None], terms)
    fit = torch.linalg.solve(normal, right)
    out = field.clone()
    out[batch, :, row, column] = fit[:, 0] + mean
    return out


def _terms(curved: bool) -> tuple[Tensor, Tensor]:
    """Terms of the polynomial at the 25 places, (25, 3 or 6), and the ridge of each."""
    steps = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
    y, x = (t.reshape(-1) for t in torch.meshgrid(steps, steps, indexing="ij"))
    columns = [torch.ones_like(x), x, y]
    ridge = [0.0, _RIDGE_SLOPE, _RIDGE_SLOPE]
    if curved:
        columns += [x * x, x * y, y * y]
        ridge += [_RIDGE_CURVATURE] * 3
    return torch.stack(columns, dim=1), torch.tensor(ridge)
