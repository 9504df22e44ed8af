"""What moves the weights: Muon for the convolutions, AdamW for the rest.

Muon (K. Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/; here ``torch.optim.Muon``
with the step length of Liu et al., arXiv:2502.16982, so that learning rates of AdamW hold) makes
all singular values of a step equal.  A convolution is the matrix (outputs, kernel x inputs) to it,
a transposed one (inputs, kernel x outputs).
The heads and the blend, which start at zero and set the scale of the answer, and offsets stay with
AdamW.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Optimiser:
    """The optimisers of one network, taken as one.

    Parameters
    ----------
    network : nn.Module
        In channels-last order; its weights are changed in place.
    kind : str
        ``muon`` or ``adamw`` (then AdamW moves everything).
    learning_rate, weight_decay : float
    """

    def __init__(
        self, network: nn.Module, kind: str, learning_rate: float, weight_decay: float
    ) -> None:
        self.parameters = list(network.parameters())
        matrices = _of_convolutions(network) if kind == "muon" else []
        # views of the weights' own memory: what moves them moves the network
        self._views = [(w, nn.Parameter(_rows(w.data).view(len(w), -1))) for w in matrices]
        chosen = {id(weight) for weight in matrices}
        rest = [p for p in self.parameters if id(p) not in chosen]
        groups = [  # only the convolutions' weights decay, not offsets and gains
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=learning_rate, fused=True)
        ]
        if matrices:
            self._parts.append(
                torch.optim.Muon(
                    [view for _, view in self._views],
                    lr=learning_rate,
                    weight_decay=weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self._parts[0].param_groups[0]["lr"])

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, rate: float) -> None:
        """Move the weights by their gradients, with this learning rate."""
        for weight, view in self._views:
            view.grad = None if weight.grad is None else _rows(weight.grad).flatten(1)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
        for _, view in self._views:
            view.grad = None

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of :meth:`state_dict`."""
        for part, kept in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(kept)


def _of_convolutions(network: nn.Module) -> list[Tensor]:
    """Weights of the layers within, without those of the heads."""
    return [
        weight
        for name, weight in network.named_parameters()
        if weight.ndim == 4 and not {"head", "blend"} & set(name.split("."))
    ]


def _rows(weight: Tensor) -> Tensor:
    """(O, I, h, w) -> (O, h, w, I), as channels-last weights lie in memory."""
    return weight.permute(0, 2, 3, 1)
