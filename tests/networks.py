"""Small networks of random weights."""

from __future__ import annotations

import torch

from piv.network.ccfcn import CCFCN
from piv.network.config import CCFCNConfig

SMALL = CCFCNConfig(image_widths=(8, 12, 16), velocity_widths=(4, 4, 4))


def network(config: CCFCNConfig = SMALL, *, trained: bool = True) -> CCFCN:
    """Random weights; ``trained``: also where an untrained network has zeros."""
    torch.manual_seed(0)
    net = CCFCN(config).eval().requires_grad_(False)
    if trained:
        for name, parameter in net.named_parameters():
            if "head" in name or "second" in name:
                parameter += 0.03 * torch.randn_like(parameter)
    return net
