"""What corrects the stated scale of the last step: how far the answer can be trusted.

The last step states the scale of its error from the features that its displacement comes from.
How large the error is hangs on more than that: on how short the motion around is beside what the
network can follow, on how much the frames differ after they were moved, on how far the last
correction went.  This branch reads all of it in the neighbourhood and corrects the scale; it
never touches the displacement, so that it can be trained alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from piv.filters import gaussian, halve
from piv.network.layers import Deconvolution, Pyramid, for_convolution, zero

DEVIATIONS = (2.0, 4.0, 12.0)  # px; Gaussian means from which the motion around deviates
AROUND = 8.0  # px; Gaussian of the mean squares
LEAST = 1e-4  # px; smaller motions are nothing
LARGEST = 2.0  # of the correction, to either side
# logarithms of: slopes (4), deviations (2 each), change (2); mismatch, scale (2); phase (4)
EVIDENCE = 4 + 2 * len(DEVIATIONS) + 2 + 1 + 2 + 4


class ScaleCorrection(nn.Module):
    """A small pyramid at 1/4 of the size and coarser.

    Parameters
    ----------
    channels : int
        Of the step's features.
    widths : tuple of int
        Channels of its levels.
    """

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels + EVIDENCE, widths)
        self.deconvolution = Deconvolution(widths)
        self.head = nn.Conv2d(widths[0], 2, 1)
        zero(self.head)  # untrained it corrects nothing

    def forward(
        self, features: Tensor, displacement: Tensor, change: Tensor, match: Tensor, scale: Tensor
    ) -> Tensor:
        """What is to be added to the logarithm of the scale, (B, 2, H, W).

        Parameters
        ----------
        features : tensor, shape (B, channels, H/2, W/2)
            Of the step; no gradient goes back into them.
        displacement, change : tensor, shape (B, 2, H, W)
            The step's answer, px, and by how much it differs from the estimate before.
        match : tensor, shape (B, 1, H, W)
            Local correlation of the frames.
        scale : tensor, shape (B, 2, H, W)
            Logarithm of the scale that the step states.
        """
        with torch.no_grad():
            with torch.autocast(displacement.device.type, enabled=False):
                evidence = around(displacement, change, match, scale)
            seen = torch.cat((F.avg_pool2d(features, 2), evidence.to(features)), dim=1)
        levels = self.pyramid(for_convolution(seen))
        correction = self.head(self.deconvolution(levels)).float()
        correction = LARGEST * torch.tanh(correction / LARGEST)
        return F.interpolate(correction, scale_factor=4, mode="bilinear")


def around(displacement: Tensor, change: Tensor, match: Tensor, scale: Tensor) -> Tensor:
    """What tells of the error in a neighbourhood; (B, EVIDENCE, H/4, W/4), each about 1 large."""
    field = halve(displacement)
    padded = F.pad(field, (1, 1, 1, 1), mode="replicate")
    slope_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 4
    slope_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 4
    deviations = [field - gaussian(field, sigma / 2) for sigma in DEVIATIONS]
    parts = torch.cat((slope_x, slope_y, *deviations, halve(change)), dim=1)
    squares = gaussian(halve(parts.square()), AROUND / 4)
    energy = (squares + LEAST**2).log() / 2
    mismatch = (1.01 - match.clamp(-1, 1)).log()
    rest = halve(halve(torch.cat((mismatch, scale), dim=1)))
    phase = 2 * torch.pi * halve(field)
    logs = torch.cat((energy, rest), dim=1) / 2 + 1
    return torch.cat((logs, phase.sin(), phase.cos()), dim=1)
