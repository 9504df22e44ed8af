"""A larger network that computes what a smaller one did: training goes on from there.

New channels are made but not yet heard: every weight from a new channel to an old one is zero
(Net2Net's idea, Chen, Goodfellow & Shlens, ICLR 2016, with zeros in place of copies).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from piv.network.ccfcn import CCFCN, CCFCNConfig


def can_grow(old: CCFCNConfig, new: CCFCNConfig) -> bool:
    """Whether ``new`` is ``old`` with more image channels or further levels, and nothing else."""
    levels = len(old.image_widths)
    return (
        old != new
        and replace(new, image_widths=(), velocity_widths=())
        == replace(old, image_widths=(), velocity_widths=())
        and len(new.image_widths) >= levels
        and new.velocity_widths[:levels] == old.velocity_widths
        and all(b >= a for a, b in zip(old.image_widths, new.image_widths, strict=False))
        and bool(old.velocity_widths) == bool(new.velocity_widths)
    )


def grown(network: CCFCN, config: CCFCNConfig) -> CCFCN:
    """A network of ``config`` with the function of ``network``.

    They agree but for rounding where height and width are multiples of the new stride; elsewhere
    they differ close to the padded border.  What is new is random: seed torch before.

    Parameters
    ----------
    network : CCFCN
    config : CCFCNConfig
        As :func:`can_grow` wants it.

    Raises
    ------
    ValueError
        If the network cannot be grown to it.
    """
    old, levels = network.config, len(network.config.image_widths)
    if not can_grow(old, config):
        raise ValueError(f"{old} cannot be grown to {config}")
    larger = CCFCN(config)
    deeper = len(config.image_widths) > levels
    have = {_renamed(name, levels, deeper): t for name, t in network.state_dict().items()}
    with torch.no_grad():
        for name, parameter in larger.named_parameters():
            if name in have:
                # a transposed convolution's weights are (in, out, ...)
                up = parameter.ndim > 1 and (".up." in name or ".head." in name)
                new, known = (t.transpose(0, 1) if up else t for t in (parameter, have[name]))
                _embed(new, known, _old_inputs(name, old, config))
            elif f".deconvolution.up.{levels - 1}." in name:
                parameter.zero_()  # the only way from the new levels to the old ones
    return larger


def _renamed(name: str, levels: int, deeper: bool) -> str:
    """The old coarsest level is no longer the bottom of the deconvolutions if there are more."""
    bottom = ".deconvolution.bottom."
    return name.replace(bottom, f".deconvolution.mix.{levels - 1}.") if deeper else name


def _old_inputs(name: str, old: CCFCNConfig, new: CCFCNConfig) -> tuple[int, int]:
    """Where new inputs are among a layer's: after so many, so many of them (0, 0: at the end)."""
    parts = name.split(".")
    if parts[1:3] == ["image_pyramid", "fuse"] and parts[4:6] == ["0", "0"]:
        level = int(parts[3])
        if level > 0:  # features first, then what is measured at the level
            return old.image_widths[level], new.image_widths[level] - old.image_widths[level]
    return 0, 0


def _embed(weights: Tensor, have: Tensor, gap: tuple[int, int]) -> None:
    """Copy the old weights, (out, in, ...), in place; old outputs get nothing from new inputs."""
    outputs = have.shape[0]
    if weights.ndim == 1:
        weights[:outputs] = have
        return
    after, inserted = gap
    weights[:outputs] = 0
    weights[:outputs, :after] = have[:, :after]
    weights[:outputs, after + inserted : have.shape[1] + inserted] = have[:, after:]
