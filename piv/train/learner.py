"""One optimiser step: what a batch does to the network and to the average of its weights."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from torch import Tensor, nn

from piv.errors import PIVError, SettingsError, WeightsError
from piv.network.ccfcn import CCFCN
from piv.network.weights import load_model
from piv.train.data import Batch
from piv.train.loss import mean_endpoint, refinement_loss
from piv.train.optimiser import Optimiser
from piv.train.processes import Gang
from piv.train.progress import Clock
from piv.train.recipe import TrainRecipe

log = logging.getLogger(__name__)

_PATIENCE = 20  # consecutive steps without a finite gradient before giving up


class Learner:
    """A network while it learns: its weights, their moving average and the optimiser.

    Parameters
    ----------
    network : CCFCN
        Is changed in place.
    recipe : TrainRecipe
    gang : Gang
        The processes that take each step together.
    """

    def __init__(self, network: CCFCN, recipe: TrainRecipe, gang: Gang) -> None:
        self.recipe = recipe
        self.gang = gang
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimiser = Optimiser(
            self.network, recipe.optimiser, recipe.learning_rate, recipe.weight_decay
        )
        self.teacher = load_model(recipe.teacher) if recipe.teacher else None
        if recipe.teacher and self.teacher is None:
            raise SettingsError("teacher names weights, or is empty: none is neither")
        self._bad = 0

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return self.optimiser.rate

    def learn(self, batch: Batch, step: int, done: float, clock: Clock) -> tuple[float, float]:
        """Take one step.

        Parameters
        ----------
        batch : Batch
        step : int
            Number of the step, from 0.
        done : float
            Share of the run that is done; the learning rate falls to zero with it.
        clock : Clock
            The core time of all processes is added to it.

        Returns
        -------
        loss, endpoint_error : float
            Means over the processes; the error is that of the last refinement, px.

        Raises
        ------
        PIVError
            If no gradient was finite for many steps.
        """
        recipe = self.recipe
        rate = recipe.learning_rate * (1.0 - done)
        rate *= min(1.0, (step + 1) / max(1, recipe.warm_up))
        self.network.train()
        self.optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            estimates = self.network(
                batch.first, batch.second, batch.start, batch.fluid, recipe.refinement_steps
            )
            taught = self._taught(batch)
        loss = refinement_loss(
            estimates,
            batch.start,
            batch.truth,
            batch.seeded,
            batch.fluid,
            taught=taught,
            step_weight=recipe.step_weight,
            uncertainty_weight=recipe.uncertainty_weight,
            emphasis=recipe.emphasis,
            rounding=recipe.rounding,
            scale_of=recipe.scale_of,
            near_mask=recipe.near_mask,
            gradient_weight=recipe.gradient_weight,
            largest=recipe.largest_error,
        )
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            where = batch.seeded & batch.fluid
            error = mean_endpoint(estimates[-1].displacement, batch.truth, where)
        core = clock.tick()
        figures = self.gang.share(self.network, [float(loss.detach()), float(error), core])
        clock.core += figures.pop() * self.gang.size
        self._descend(step, rate)
        _follow(self.average, self.network, min(recipe.average, (1 + step) / (10 + step)))
        return figures[0], figures[1]

    @torch.no_grad()
    def _taught(self, batch: Batch) -> Tensor | None:
        """The teacher's displacement, with as many steps as it was trained for."""
        if self.teacher is None:
            return None
        results = self.teacher.network(
            batch.first, batch.second, batch.start, batch.fluid, self.teacher.steps
        )
        return results[-1].displacement

    def _descend(self, step: int, rate: float) -> None:
        """Let the optimiser act, unless the gradient is not finite."""
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        if bool(torch.isfinite(norm)):
            self.optimiser.step(rate)
            self._bad = 0
            return
        self._bad += 1
        log.warning("step %d has no finite gradient and is left out", step)
        if self._bad >= _PATIENCE:
            raise PIVError(
                f"the training diverged at step {step}: lower learning_rate in the recipe"
            )

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs to go on; holds the tensors themselves, not copies."""
        return {
            "bad": self._bad,
            "teacher": None if self.teacher is None else self.teacher.sha256,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of :meth:`state`.

        Raises
        ------
        WeightsError
            If the teacher's name stands for other weights than it did.
        """
        teacher = None if self.teacher is None else self.teacher.sha256
        if state.get("teacher") != teacher:
            raise WeightsError(
                f"the teacher {self.recipe.teacher} is not the one that the run began with: give "
                "back its weights, or begin anew"
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._bad = state["bad"]


def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moving average of the weights, in place."""
    with torch.no_grad():
        for mean, value in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 1.0 - decay)
        for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
            kept.copy_(buffer)
