"""The layers that the network is built from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ImagePyramid(nn.Module):
    """Learned features at 1/2, 1/4 ..., each level fused with what is measured there."""

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], measured: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        self.fuse = nn.ModuleList()
        for n, width in enumerate(widths):
            if n == 0:
                self.fuse.append(
                    nn.Sequential(conv(in_channels + measured[0], width), conv(width, width))
                )
            else:
                self.down.append(conv(widths[n - 1], width, stride=2))
                self.fuse.append(nn.Sequential(conv(width + measured[n], width), Residual(width)))

    def forward(self, x: Tensor, measured: list[list[Tensor]]) -> list[Tensor]:
        """Frames at 1/2 and all that is measured at each level -> features of each level."""
        features = []
        for n, fuse in enumerate(self.fuse):
            if n > 0:
                x = self.down[n - 1](x)
            x = fuse(torch.cat((x, *measured[n]), dim=1))
            features.append(x)
        return features


class Pyramid(nn.Module):
    """(B, C, H/2, W/2) -> one (B, width, H / 2**k, W / 2**k) for each level k = 1, 2, ..."""

    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            conv(in_channels if n == 0 else widths[n - 1], width, stride=1 if n == 0 else 2)
            for n, width in enumerate(widths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of each level, the finest first."""
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class Deconvolution(nn.Module):
    """Climbs from the coarsest level to 1/2 of the size, adding each finer level on the way."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.bottom = Residual(widths[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(widths[n + 1], widths[n], 4, stride=2, padding=1)
            for n in range(len(widths) - 1)
        )
        self.mix = nn.ModuleList(Residual(width) for width in widths[:-1])

    def forward(self, levels: list[Tensor]) -> Tensor:
        """All levels, the finest first -> features at 1/2 of the size."""
        x = self.bottom(levels[-1])
        for n in reversed(range(len(self.up))):
            x = self.mix[n](self.up[n](x).add_(levels[n]))
        return x


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        zero(self.second)  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        # in place: no convolution needs its own result to learn
        return self.second(F.relu(self.first(F.relu(x)), inplace=True)).add_(x)


def conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution and its non-linearity."""
    layer = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU(inplace=True))


def for_convolution(x: Tensor) -> Tensor:
    """The type and layout in which convolutions compute, converted once and not by each of them."""
    device = x.device.type
    if torch.is_autocast_enabled(device):
        x = x.to(torch.get_autocast_dtype(device))
    return x.contiguous(memory_format=torch.channels_last)


def zero(layer: nn.Module) -> None:
    """Weights and bias zero, as a layer starts that is to change nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
