"""A larger network that computes what a smaller one did: training goes on from there.

New channels are made but not yet heard: every weight from a new channel to an old one is zero
(Net2Net's idea, Chen, Goodfellow & Shlens, ICLR 2016, with zeros in place of copies).
"""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from piv.network.ccfcn import CCFCN, PIXELS
from piv.network.config import CCFCNConfig

GROW = {"image_widths", "first_widths", "velocity_widths", "base_sigmas", "memory", "blend"}
FREE = {"turned", "smooth"}


def can_grow(old: CCFCNConfig, new: CCFCNConfig) -> bool:
    """Whether ``new`` is ``old`` with more of something and nothing else.

    That is: more image channels, further levels, channels of memory, a blend where there was none,
    or further windows of the least squares, between which the base stays the same.  The first step
    may have other widths: then it begins anew.  Whether every second step sees the pair turned, and
    how much an estimate is smoothed before the next step, is free.
    """
    levels = len(old.image_widths)
    return (
        old != new
        and all(
            getattr(new, item.name) == getattr(old, item.name)
            for item in fields(CCFCNConfig)
            if item.name not in GROW | FREE
        )
        and len(new.image_widths) >= levels
        and new.velocity_widths[:levels] == old.velocity_widths
        and all(b >= a for a, b in zip(old.image_widths, new.image_widths, strict=False))
        and bool(old.velocity_widths) == bool(new.velocity_widths)
        and set(old.base_sigmas) <= set(new.base_sigmas)
        and _base(old) == _base(new)
        and new.memory >= old.memory
        and old.blend in ((), new.blend)
    )


def _base(config: CCFCNConfig) -> float:
    return config.base_sigmas[len(config.base_sigmas) // 2] if config.base_sigmas else 0.0


def grown(network: CCFCN, config: CCFCNConfig) -> CCFCN:
    """A network of ``config`` with the function of ``network``.

    They agree but for rounding where height and width are multiples of the new stride; elsewhere
    they differ close to the padded border, and where steps see the pair turned that did not, as
    far as the network is not symmetric, and where an estimate is smoothed that was not, by that.
    What is new is random: seed torch before.  A first step of other widths is new as a whole.

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
    if old.first_widths != config.first_widths:
        have = {name: t for name, t in have.items() if not name.startswith("first_step.")}
    with torch.no_grad():
        for name, parameter in larger.named_parameters():
            if name in have:
                # a transposed convolution's weights are (in, out, ...)
                up = parameter.ndim > 1 and (".up." in name or ".head." in name)
                new, known = (t.transpose(0, 1) if up else t for t in (parameter, have[name]))
                inputs = known.shape[1] if known.ndim > 1 else 0
                first = name.startswith("first_step.")
                was, becomes = (old.first, config.first) if first else (old, config)
                _embed(new, known, _old_inputs(name, inputs, was, becomes))
            elif name.startswith("first_step.") and old.first_widths != config.first_widths:
                continue
            elif f".deconvolution.up.{levels - 1}." in name:
                parameter.zero_()  # the only way from the new levels to the old ones
    if old.first == config.first:
        larger.first_step.load_state_dict(network.first_step.state_dict())
    return larger


def _renamed(name: str, levels: int, deeper: bool) -> str:
    """The old coarsest level is no longer the bottom of the deconvolutions if there are more."""
    bottom = ".deconvolution.bottom."
    return name.replace(bottom, f".deconvolution.mix.{levels - 1}.") if deeper else name


def _old_inputs(name: str, number: int, old: CCFCNConfig, new: CCFCNConfig) -> list[int]:
    """Where the ``number`` inputs that a layer had are among those that it has."""
    parts = name.split(".")
    if parts[1:3] != ["image_pyramid", "fuse"] or parts[4:6] != ["0", "0"]:
        return list(range(number))
    level = int(parts[3])
    if level > 0:  # features first, then what is measured at the level
        kept = old.image_widths[level]
        more = new.image_widths[level] - kept
        return [n if n < kept else n + more for n in range(number)]
    # the pixels, then (u, v) of each window, then the strength of each, then the rest; memory last
    place = [new.base_sigmas.index(sigma) for sigma in old.base_sigmas]
    windows = len(new.base_sigmas)
    indices = list(range(PIXELS))
    indices += [PIXELS + 2 * n + part for n in place for part in range(2)]
    indices += [PIXELS + 2 * windows + n for n in place]
    more = 3 * (windows - len(place))
    return indices + [n + more for n in range(len(indices), number)]


def _embed(weights: Tensor, have: Tensor, inputs: list[int]) -> None:
    """Copy the old weights, (out, in, ...), in place; old outputs get nothing from new inputs."""
    outputs = have.shape[0]
    if weights.ndim == 1:
        weights[:outputs] = have
        return
    weights[:outputs] = 0
    weights[:outputs, inputs] = have
