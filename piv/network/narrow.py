"""Narrower steps that begin with the weightiest channels of wider ones.

What is left out is gone, so that the narrower step must be trained again; but it begins with most
of what the wider one has learned, above all at the levels whose width stays the same.  (Pruning by
the magnitude of weights: Li et al., Pruning filters for efficient ConvNets, ICLR 2017.)
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from piv.network.ccfcn import CCFCN, Step
from piv.network.config import CCFCNConfig


def can_narrow(old: CCFCNConfig, new: CCFCNConfig) -> bool:
    """Whether a step of ``new`` is one of ``old`` with fewer image channels and nothing else."""
    return (
        old != new
        and len(old.image_widths) == len(new.image_widths)
        and replace(old, image_widths=new.image_widths) == new
        and all(b <= a for a, b in zip(old.image_widths, new.image_widths, strict=True))
    )


@torch.no_grad()
def narrowed(step: Step, config: CCFCNConfig) -> Step:
    """A step of ``config`` with the weightiest channels of ``step``.

    A channel's weight is the product of the norms of the weights that make it and of those that
    read it.

    Parameters
    ----------
    step : Step
    config : CCFCNConfig
        As :func:`can_narrow` wants it.

    Raises
    ------
    ValueError
        If the step cannot be narrowed to it.
    """
    if not can_narrow(step.config, config):
        raise ValueError(f"{step.config} cannot be narrowed to {config}")
    tensors = dict(step.state_dict())
    levels = len(config.image_widths)
    for level, width in enumerate(config.image_widths):
        if width == step.config.image_widths[level]:
            continue
        for makers, readers in _channels(level, levels):
            readers = [name for name in readers if f"{name}.weight" in tensors]
            kept = _weightiest(tensors, makers, readers, width)
            for name in makers:
                outputs = 1 if _transposed(name) else 0
                tensors[f"{name}.weight"] = tensors[f"{name}.weight"].index_select(outputs, kept)
                tensors[f"{name}.bias"] = tensors[f"{name}.bias"][kept]
            for name in readers:
                weights, inputs = tensors[f"{name}.weight"], 0 if _transposed(name) else 1
                # whatever else a layer reads comes after these channels
                rest = torch.arange(step.config.image_widths[level], weights.shape[inputs])
                tensors[f"{name}.weight"] = weights.index_select(inputs, torch.cat((kept, rest)))
    narrow = Step(config, remembers=step.remembers)
    narrow.load_state_dict(tensors)
    return narrow


def can_narrow_network(old: CCFCNConfig, new: CCFCNConfig) -> bool:
    """Whether each step of a network of ``new`` is one of ``old``, or one with fewer channels."""
    pairs = ((old.first, new.first), (old.later, new.later))
    return old != new and all(a == b or can_narrow(a, b) for a, b in pairs)


def narrowed_network(network: CCFCN, config: CCFCNConfig) -> CCFCN:
    """A network of ``config`` with the weightiest channels of each step.

    Parameters
    ----------
    network : CCFCN
    config : CCFCNConfig
        As :func:`can_narrow_network` wants it.

    Raises
    ------
    ValueError
        If the network cannot be narrowed to it.
    """
    if not can_narrow_network(network.config, config):
        raise ValueError(f"{network.config} cannot be narrowed to {config}")
    narrow = CCFCN(config)
    for name in ("first_step", "later_steps"):
        old, new = getattr(network, name), getattr(narrow, name)
        same = old.config == new.config
        new.load_state_dict((old if same else narrowed(old, new.config)).state_dict())
    return narrow


def _channels(level: int, levels: int) -> list[tuple[list[str], list[str]]]:
    """The layers that make, and that read, each group of a level's channels."""
    fuse, deconvolution = f"image_pyramid.fuse.{level}", "deconvolution"
    mix = f"{deconvolution}.bottom" if level == levels - 1 else f"{deconvolution}.mix.{level}"
    makers, readers = [f"{mix}.second"], [f"{mix}.first"]  # of what is handed on
    groups = [([f"{mix}.first"], [f"{mix}.second"])]
    if level == 0:
        groups.append(([f"{fuse}.0.0"], [f"{fuse}.1.0"]))
        makers.append(f"{fuse}.1.0")
        readers += ["head", "keep", "blend"]  # the latter two where there are such
    else:
        groups.append(([f"image_pyramid.down.{level - 1}.0"], [f"{fuse}.0.0"]))
        groups.append(([f"{fuse}.1.first"], [f"{fuse}.1.second"]))
        makers += [f"{fuse}.0.0", f"{fuse}.1.second"]
        readers += [f"{fuse}.1.first", f"{deconvolution}.up.{level - 1}"]
    if level < levels - 1:
        makers.append(f"{deconvolution}.up.{level}")
        readers.append(f"image_pyramid.down.{level}.0")
    return [*groups, (makers, readers)]


def _transposed(name: str) -> bool:
    """Whether the weights are (in, out, ...)."""
    return ".up." in name or name == "head"


def _weightiest(
    tensors: dict[str, Tensor], makers: list[str], readers: list[str], number: int
) -> Tensor:
    """The ``number`` weightiest channels, in their order."""

    def norms(name: str, axis: int) -> Tensor:
        return tensors[f"{name}.weight"].transpose(0, axis).flatten(1).square().sum(1)

    made = torch.stack([norms(name, int(_transposed(name))) for name in makers]).sum(0)
    read = [norms(name, int(not _transposed(name)))[: len(made)] for name in readers]
    return (made * torch.stack(read).sum(0)).topk(number).indices.sort().values
