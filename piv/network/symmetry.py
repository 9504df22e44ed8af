"""The same pair seen in a mirror, on its side or backwards in time, and the mean of the answers.

Physics does not prefer a direction, but a trained network is not exactly symmetric: its errors
differ from view to view, and part of them cancels in the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from piv.network.ccfcn import CCFCN


class Symmetry(NamedTuple):
    """A view of a pair: transposed first, then mirrored, then with its frames exchanged."""

    exchange: bool = False
    mirror_x: bool = False
    mirror_y: bool = False
    transpose: bool = False

    def image(self, x: Tensor) -> Tensor:
        """(B, C, H, W) as the view shows it; what has no direction."""
        if self.transpose:
            x = x.mT
        axes = [axis for axis, on in ((-1, self.mirror_x), (-2, self.mirror_y)) if on]
        return x.flip(axes) if axes else x

    def displacement(self, x: Tensor) -> Tensor:
        """(B, 2, H, W) as the view shows it."""
        x = self.image(x.flip(1) if self.transpose else x)
        return x * self._signs(x)

    def image_back(self, x: Tensor) -> Tensor:
        """Undo :meth:`image`."""
        axes = [axis for axis, on in ((-1, self.mirror_x), (-2, self.mirror_y)) if on]
        x = x.flip(axes) if axes else x
        return x.mT if self.transpose else x

    def scale_back(self, x: Tensor) -> Tensor:
        """Bring (B, 2, H, W) back that belongs to the components but has no sign."""
        x = self.image_back(x)
        return x.flip(1) if self.transpose else x

    def displacement_back(self, x: Tensor) -> Tensor:
        """Undo :meth:`displacement`."""
        return self.scale_back(x * self._signs(x))

    def _signs(self, x: Tensor) -> Tensor:
        time = -1.0 if self.exchange else 1.0
        signs = [-time if mirrored else time for mirrored in (self.mirror_x, self.mirror_y)]
        return torch.tensor(signs, dtype=x.dtype, device=x.device)[:, None, None]


# in an order in which the first 2, 4 and 8 are the most different from each other
VIEWS = tuple(
    Symmetry(exchange, mirror_x, mirror_y, transpose)
    for transpose, mirror_x, mirror_y in (
        (False, False, False), (False, True, True), (True, False, True), (True, True, False),
        (False, True, False), (False, False, True), (True, False, False), (True, True, True),
    )
    for exchange in (False, True)
)  # fmt: skip


class Seen(NamedTuple):
    """Means over the views, (B, 2, H, W) but for ``match``, (B, 1, H, W)."""

    displacement: Tensor  # px
    log_scale: Tensor
    match: Tensor
    variance: Tensor  # of the displacement between the views, px^2; zero for one view


def seen(
    network: CCFCN,
    first: Tensor,
    second: Tensor,
    start: Tensor,
    fluid: Tensor | None,
    steps: int,
    contrast: Tensor,
    views: int = 1,
) -> Seen:
    """The network's last estimate, averaged over the first ``views`` of :data:`VIEWS`.

    The square of the mean's error is, on average, that of a single view less the variance between
    the views (Krogh & Vedelsby, NIPS 1994, eq. 8), so the latter is given as well.

    Parameters
    ----------
    network : CCFCN
    first, second, start, fluid, steps, contrast
        As for :meth:`CCFCN.forward`.
    views : int
        1 to 16.

    Returns
    -------
    Seen
    """
    if views == 1:
        last = network(first, second, start, fluid, steps, contrast)[-1]
        displacement = last.displacement.float()
        nothing = torch.zeros_like(displacement)
        return Seen(displacement, last.log_scale.float(), last.match.float(), nothing)
    sums: list[Tensor] = []
    for view in VIEWS[:views]:
        frames = (second, first) if view.exchange else (first, second)
        last = network(
            *(view.image(frame) for frame in frames),
            view.displacement(start),
            None if fluid is None else view.image(fluid),
            steps,
            contrast.flip(1) if view.exchange else contrast,
        )[-1]
        # relative to the start, so that the variance does not drown in the displacement's square
        change = view.displacement_back(last.displacement.float()) - start
        log_scale = view.scale_back(last.log_scale.float())
        parts = (change, log_scale, view.image_back(last.match.float()), change.square())
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else list(parts)
    change, log_scale, match, square = (total / views for total in sums)
    return Seen(start + change, log_scale, match, (square - change.square()).clamp(min=0))
