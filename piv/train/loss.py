r"""The loss: end-point error of every refinement step and likelihood of its stated scale.

With the error :math:`e` of step :math:`k` of :math:`K`,

.. math::
    L = \sum_k 0.6^{K-1-k} \left< \frac{2 c}{c + b} \sqrt{|e_k|^2 + \epsilon^2}
        + w \left( \frac{|e_{k,u}|}{b_u} + \ln b_u + \frac{|e_{k,v}|}{b_v} + \ln b_v \right)
        \right>,

averaged over the fluid, with :math:`\epsilon^2 = (0.01\,\mathrm{px})^2 + (r b)^2`.

The factor :math:`2c / (c + b)`, with :math:`b` the mean stated scale of the pixel (held constant),
makes errors count nearly in proportion: without it noisy recordings, whose error cannot be
reduced, drown the clean ones, whose error can.  With the mean scale of the whole pair in its place
(``scale_of = "pair"``) the same holds between pairs, while within a pair the layers of
strong shear, where the errors are, count in full.  With :math:`r > 0` errors below :math:`r b`
count by their square: what is learned then is the mean of what is possible, which has the least rms
error, and not the median.  With a weight of the gradient g the distance :math:`\sqrt{|e|^2 + ...}`
has g times the same of :math:`\nabla e`, in px/px, added to it.

A small network can learn what a larger one, its teacher, makes of the images in place of the truth
(distillation: Hinton, Vinyals & Dean, arXiv:1503.02531): that is nearer to what can be known of
them, so that the gradient has less scatter.  The scale learns the true error in any case.

Where there are no particles nothing can be measured: there the first term has the correction
(displacement minus start) in place of the error, so that the network learns to leave the coarse
field alone, while the scale still learns the true error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

SMOOTH = 0.01  # px; rounds the tip of the end-point error, far below any error reached
NEAR = 8  # px from the mask within which pixels may count more


class Estimate(Protocol):
    """What one refinement step returns (``piv.network.ccfcn.Refinement``)."""

    @property
    def displacement(self) -> Tensor:
        """(B, 2, H, W), px."""

    @property
    def log_scale(self) -> Tensor:
        """(B, 2, H, W), logarithm of the Laplace scale in px."""


def refinement_loss(
    estimates: Sequence[Estimate],
    start: Tensor,
    truth: Tensor,
    seeded: Tensor,
    fluid: Tensor,
    *,
    taught: Tensor | None = None,
    step_weight: float = 0.6,
    uncertainty_weight: float = 0.15,
    emphasis: float = 0.0,
    rounding: float = 0.0,
    scale_of: str = "pixel",
    near_mask: float = 1.0,
    gradient_weight: float = 0.0,
    largest: float = 20.0,
) -> Tensor:
    """Loss of all refinement steps.

    Parameters
    ----------
    estimates : sequence of refinement steps, the best last
    start, truth : tensor, shape (B, 2, H, W)
        Coarse displacement that the network started from, and the true one, px.
    seeded, fluid : bool tensor, shape (B, 1, H, W)
        Where there are particles, and where the pixel counts at all.
    taught : tensor, shape (B, 2, H, W), or None
        The teacher's displacement, px, which is learned in place of the true one.
    step_weight : float
        Weight of a step relative to the next.
    uncertainty_weight : float
        Weight of the likelihood.
    emphasis : float
        The c above, px; 0 = every pixel counts the same.
    rounding : float
        The r above.
    scale_of : str
        ``pixel`` or ``pair``: whose mean stated scale b is.
    near_mask : float
        Weight of the pixels within 8 px of masked ones.
    gradient_weight : float
        The g above, px.
    largest : float
        Errors are clamped here, px: a start that is far off teaches nothing.

    Returns
    -------
    loss : tensor, shape ()
    """
    weight = fluid.to(truth.dtype)
    if near_mask != 1.0:
        near = F.max_pool2d(1.0 - weight, 2 * NEAR + 1, stride=1, padding=NEAR)
        weight = weight * (1.0 + (near_mask - 1.0) * near)
    pixels = weight.sum().clamp(min=1.0)
    # one target for both kinds of pixels: the error's gradient is the correction's where unseeded
    target = torch.where(seeded, truth if taught is None else taught, start)
    total = truth.new_zeros(())
    for k, estimate in enumerate(reversed(estimates)):
        scale = estimate.log_scale.detach().exp().mean(1, keepdim=True)
        if scale_of == "pair":
            scale = _mean_of_pair(scale, fluid)
        missing = estimate.displacement - target
        distance = _smooth_length(missing, rounding * scale).clamp(max=largest)
        if gradient_weight > 0:
            slopes = _slopes(missing, fluid, seeded) * (distance < largest)
            distance = distance + gradient_weight * _smooth_length(slopes, rounding * scale)
        error = (estimate.displacement.detach() - truth).abs().clamp(max=largest)
        if emphasis > 0:
            distance = distance * (2 * emphasis / (emphasis + scale))
        terms = distance + uncertainty_weight * _laplace(error, estimate.log_scale)
        total = total + step_weight**k * (terms * weight).sum() / pixels
    return total


def mean_endpoint(displacement: Tensor, truth: Tensor, where: Tensor) -> Tensor:
    """Mean end-point error over the pixels ``where`` (B, 1, H, W) holds, px."""
    length = (displacement - truth).square().sum(1, keepdim=True).sqrt()
    return (length * where).sum() / where.sum().clamp(min=1)


def _mean_of_pair(scale: Tensor, fluid: Tensor) -> Tensor:
    """(B, 1, H, W) -> (B, 1, 1, 1): mean over the fluid."""
    where = fluid.to(scale.dtype)
    total = (scale * where).sum((-2, -1), keepdim=True)
    return total / where.sum((-2, -1), keepdim=True).clamp(min=1.0)


def _slopes(error: Tensor, fluid: Tensor, seeded: Tensor) -> Tensor:
    """(B, 2, H, W) -> (B, 4, H, W): differences to the next pixel, 0 where the kind changes.

    Kinds are pixels that do not count, and those with and without particles: their targets differ.
    """
    kind = fluid.int() * (1 + seeded.int())
    both_x = (kind[..., 1:] == kind[..., :-1]) & (kind[..., 1:] > 0)
    both_y = (kind[..., 1:, :] == kind[..., :-1, :]) & (kind[..., 1:, :] > 0)
    right = F.pad(error.diff(dim=-1) * both_x, (0, 1))
    below = F.pad(error.diff(dim=-2) * both_y, (0, 0, 0, 1))
    return torch.cat((right, below), dim=1)


def _smooth_length(vector: Tensor, round_below: Tensor) -> Tensor:
    return (vector.square().sum(1, keepdim=True) + SMOOTH**2 + round_below.square()).sqrt()


def _laplace(error: Tensor, log_scale: Tensor) -> Tensor:
    """Negative log-likelihood but for a constant, summed over the components."""
    return (error * torch.exp(-log_scale) + log_scale).sum(1, keepdim=True)
