"""The training loop: one run in one folder, which can be killed and resumed.

Everything random in a step is a function of the recipe's seed, the stage and the step, so that a
resumed run computes what the uninterrupted one would have, bit for bit on one thread.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from piv.errors import InputError, PIVError, SettingsError, WeightsError
from piv.io.files import make_folder
from piv.network.ccfcn import CCFCN, CCFCNConfig
from piv.network.weights import plain_config, read_weights, rebuild, save_weights
from piv.train import checkpoint, curve
from piv.train import recipe as recipes
from piv.train.calibration import calibrate_uncertainty
from piv.train.data import Batch, CoarseStart, TrainingData
from piv.train.held_out import held_out, validation_errors
from piv.train.loss import mean_endpoint, refinement_loss
from piv.train.processes import Gang
from piv.train.progress import Clock, Plan, Progress
from piv.train.provenance import stage_record, weights_record
from piv.train.recipe import TrainRecipe
from piv.train.source import Source, open_source

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 120.0
VALIDATION_SECONDS = 180.0
ROW_STEPS = 50  # a row of the curve is the mean over so many steps
_PATIENCE = 20  # consecutive steps without a finite gradient before giving up


def _nothing(progress: Progress) -> None:
    """Show nothing."""


class Training:
    """One training run.

    Parameters
    ----------
    recipe : TrainRecipe
    output : Path
        Folder of the run: checkpoint, curve and exported weights.
    plan : Plan
    source : Source, optional
        Where the pairs come from; by default the one that the recipe names.
    start_from : str or Path, optional
        Weights to begin with, by name or file.
    coarse_start : callable, optional
        Stands in for :func:`piv.pipeline.coarse_start`.
    gang : Gang, optional
        The processes that train together; by default this one alone.

    Raises
    ------
    InputError, SettingsError, WeightsError
        If the source, the recipe or the weights cannot be used.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        output: Path,
        plan: Plan,
        *,
        source: Source | None = None,
        start_from: str | Path | None = None,
        coarse_start: CoarseStart | None = None,
        gang: Gang | None = None,
    ) -> None:
        self.recipe = recipe
        self.gang = gang or Gang()
        self.output = output
        self.plan = plan
        self.source = open_source(recipe.source) if source is None else source
        self.history: list[dict[str, Any]] = []
        self._coarse_start = coarse_start
        config = _config(recipe)
        if start_from is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(recipe.seed)
                self.network = CCFCN(config)
        else:
            self.network, self.history = _start(start_from, config)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimiser = _optimiser(self.network, recipe)
        self.data = self._data()
        self.step = 0
        self.rows: list[dict[str, Any]] = []
        self._window: list[tuple[float, float]] = []
        self._clock = Clock()
        self._bad = 0
        self._validation: dict[str, Batch] | None = None

    def _data(self) -> TrainingData:
        return TrainingData(
            self.source,
            self.recipe,
            stage=len(self.history),
            rank=self.gang.rank,
            processes=self.gang.size,
            coarse_start=self._coarse_start,
        )

    # ------------------------------------------------------------------ running

    def run(
        self,
        report: Callable[[Progress], None] = _nothing,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> bool:
        """Train until the plan is fulfilled or ``should_stop()`` is true between two steps.

        Parameters
        ----------
        report : callable
            Gets a :class:`Progress` after every step.
        should_stop : callable
            Asked after every step.
        checkpoint_seconds : float
            Wall time between two checkpoints.

        Returns
        -------
        finished : bool
            False if it was stopped; a checkpoint is written either way.
        """
        self._clock = Clock(self._clock.wall, self._clock.core, self._clock.data)
        saved = validated = began = self._clock.wall
        first_step = self.step
        while (done := self.plan.progress(self.step, self._clock.wall)) < 1.0:
            self.gang.decide(done, True)
            loss, error = self._one_step(done)
            now = self._clock.wall
            validation = None
            if now - validated > VALIDATION_SECONDS:
                validation = self.validate()
                self._clock.core += self._clock.tick()
                validated = self._clock.wall
            if now - saved >= checkpoint_seconds:
                self.save()
                saved = now
            report(self._progress(loss, error, self.step - first_step, began, validation))
            if should_stop():
                self.gang.decide(1.0, False)
                self.save()
                return False
        self.gang.decide(1.0, False)
        report(self._progress(math.nan, math.nan, self.step - first_step, began, self.validate()))
        self.save()
        return True

    def follow(self) -> None:
        """Take the steps that rank 0 decides upon, and nothing else."""
        while True:
            done, go_on = self.gang.decide(0.0, False)
            if not go_on:
                return
            self._one_step(done)

    def _one_step(self, done: float) -> tuple[float, float]:
        """One optimiser step; returns the loss and the end-point error of its last refinement."""
        recipe = self.recipe
        began = time.perf_counter()
        batch = self.data.batch(self.step)
        self._clock.data += time.perf_counter() - began
        rate = recipe.learning_rate * (1.0 - done)
        rate *= min(1.0, (self.step + 1) / max(1, recipe.warm_up))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            estimates = self.network(
                batch.first, batch.second, batch.start, batch.fluid, recipe.refinement_steps
            )
        loss = refinement_loss(
            estimates,
            batch.start,
            batch.truth,
            batch.seeded,
            batch.fluid,
            step_weight=recipe.step_weight,
            uncertainty_weight=recipe.uncertainty_weight,
            emphasis=recipe.emphasis,
            largest=recipe.largest_error,
        )
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            where = batch.seeded & batch.fluid
            error = mean_endpoint(estimates[-1].displacement, batch.truth, where)
        core = self._clock.tick()
        figures = self.gang.share(self.network, [float(loss.detach()), float(error), core])
        self._clock.core += figures.pop() * self.gang.size
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        if bool(torch.isfinite(norm)):
            self.optimiser.step()
            self._bad = 0
        else:
            self._bad += 1
            log.warning("step %d has no finite gradient and is left out", self.step)
            if self._bad >= _PATIENCE:
                raise PIVError(
                    f"the training diverged at step {self.step}: lower learning_rate in the recipe"
                )
        _follow(self.average, self.network, min(recipe.average, (1 + self.step) / (10 + self.step)))
        self.step += 1
        self._window.append((figures[0], figures[1]))
        if len(self._window) >= ROW_STEPS:
            self._close_row(rate)
        return figures[0], figures[1]

    def _close_row(self, rate: float, validation: Mapping[str, float] | None = None) -> None:
        if self._window:
            loss, error = (sum(values) / len(values) for values in zip(*self._window, strict=True))
        else:
            loss = error = math.nan
        self._window = []
        row = {
            "step": self.step,
            "minutes": round(self._clock.wall / 60.0, 3),
            "learning_rate": rate,
            "loss": loss,
            "endpoint_error": error,
            "validation": dict(validation) if validation else None,
        }
        self.rows.append(
            {k: v for k, v in row.items() if not (isinstance(v, float) and math.isnan(v))}
        )

    def _progress(
        self,
        loss: float,
        error: float,
        steps: int,
        began: float,
        validation: Mapping[str, float] | None,
    ) -> Progress:
        seconds = max(self._clock.wall - began, 1e-9)
        done = self.plan.progress(self.step, self._clock.wall)
        if self.plan.steps is not None:
            left = (self.plan.steps - self.step) * seconds / max(1, steps)
        else:
            left = (1.0 - done) * 60.0 * (self.plan.minutes or 0.0)
        return Progress(
            step=self.step,
            done=done,
            loss=loss,
            endpoint_error=error,
            crops_per_second=steps * self.recipe.batch * self.gang.size / seconds,
            seconds_left=left,
            data_share=self._clock.data / max(self._clock.wall, 1e-9),
            validation=validation,
        )

    def validate(self) -> dict[str, float]:
        """Mean end-point error of the averaged weights, px, per class of the validation split."""
        if self._validation is None:
            size = (self.recipe.render, self.recipe.render)
            self._validation = held_out(
                self.source, "validation", self.recipe.validation_pairs, size, self._coarse_start
            )
        errors = validation_errors(self.average, self._validation, self.recipe)
        self._close_row(self.optimiser.param_groups[0]["lr"], errors)
        return errors

    # ------------------------------------------------------------------ storing

    def save(self) -> None:
        """Write the checkpoint and the curve.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        self._clock.core += self._clock.tick()
        state = {
            "recipe": self.recipe.to_dict(),
            "network_config": plain_config(self.network),
            "plan": {"steps": self.plan.steps, "minutes": self.plan.minutes},
            "history": self.history,
            "processes": self.gang.size,
            "step": self.step,
            "seconds": [self._clock.wall, self._clock.core, self._clock.data],
            "rows": self.rows,
            "window": [list(pair) for pair in self._window],
            "bad": self._bad,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.write(self.output / checkpoint.NAME, state)
        curve.write(self.output, self.rows)

    @classmethod
    def resume(
        cls,
        recipe: TrainRecipe | None,
        output: Path,
        plan: Plan | None = None,
        *,
        source: Source | None = None,
        coarse_start: CoarseStart | None = None,
        gang: Gang | None = None,
    ) -> Training:
        """The run of a folder, as its last checkpoint left it.

        Parameters
        ----------
        recipe : TrainRecipe or None
            Must be the one that the run was started with; None = take it from the checkpoint.
        output : Path
        plan : Plan, optional
            By default the run's own.

        Raises
        ------
        InputError
            If there is no usable checkpoint.
        SettingsError
            If the recipe differs from the run's.
        """
        state = checkpoint.read(output / checkpoint.NAME)
        then = state["recipe"]
        recipe = recipe or recipes.from_dict(then)
        now = recipe.to_dict()
        learned = [name for name in now if name not in recipes.EXPORT_ONLY]
        if differing := [name for name in learned if then.get(name) != now[name]]:
            raise SettingsError(
                f"{output} was trained with another recipe ({', '.join(differing)} differ): "
                "resume it with its own, or choose another folder"
            )
        run = cls(
            recipe,
            output,
            plan or Plan(**state["plan"]),
            source=source,
            coarse_start=coarse_start,
            gang=gang,
        )
        if (processes := state.get("processes", 1)) != run.gang.size:
            raise SettingsError(
                f"{output} was trained in {processes} processes: resume it in as many"
            )
        if plain_config(run.network) != state["network_config"]:
            raise SettingsError(f"{output} was trained with another version of the network")
        run.network.load_state_dict(state["network"])
        run.average.load_state_dict(state["average"])
        run.optimiser.load_state_dict(state["optimiser"])
        run.history = state["history"]
        run.data = run._data()
        run.step = state["step"]
        run.rows = state["rows"]
        run._window = [(loss, error) for loss, error in state["window"]]
        run._bad = state["bad"]
        run._clock = Clock(*state["seconds"])
        return run

    def export(self, path: Path, name: str) -> str:
        """Calibrate the uncertainty and write the averaged weights with their record.

        Parameters
        ----------
        path : Path
            A ``.safetensors`` file.
        name : str
            What the weights are called.

        Returns
        -------
        sha256 : str
        """
        spec = self.recipe.calibration
        source = open_source(spec) if spec else self.source
        calibration = calibrate_uncertainty(
            self.average, source, self.recipe, coarse_start=self._coarse_start
        )
        stage = stage_record(
            name,
            self.recipe,
            self.source.record,
            stage=len(self.history),
            steps=self.step,
            processes=self.gang.size,
            seconds=self._clock.wall,
            core_seconds=self._clock.core,
            curve=self.rows,
        )
        record = weights_record(self.average, [*self.history, stage], calibration)
        return save_weights(path, self.average.state_dict(), record)


def _config(recipe: TrainRecipe) -> CCFCNConfig:
    try:
        return CCFCNConfig.from_dict(dict(recipe.network))
    except (TypeError, ValueError, KeyError, PIVError) as error:
        raise SettingsError(f"the recipe's table network is not usable: {error}") from None


def _start(weights: str | Path, config: CCFCNConfig) -> tuple[CCFCN, list[dict[str, Any]]]:
    """Network and stages of the weights to begin with."""
    from piv.network.weights import weights_path

    path = weights_path(weights)
    tensors, record, sha256 = read_weights(path)
    network = rebuild(tensors, record, str(path))
    if network.config != config:
        raise WeightsError(
            f"{path} has another network than the recipe: start from weights of the same "
            "network, or copy the record's network into the recipe"
        )
    stages = record.get("stages")
    if not isinstance(stages, list) or not stages:
        raise WeightsError(f"{path}: its record lists no stages, so seeds could repeat")
    stages[-1]["sha256"] = sha256
    return network, stages


def _optimiser(network: nn.Module, recipe: TrainRecipe) -> torch.optim.AdamW:
    parameters = list(network.parameters())
    groups = [  # only the convolutions' weights decay, not offsets and gains
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)


def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moving average of the weights, in place."""
    with torch.no_grad():
        for mean, value in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 1.0 - decay)
        for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
            kept.copy_(buffer)


def open_run(
    recipe: str | Path | TrainRecipe | None,
    output: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    start_from: str | Path | None = None,
    resume: bool = False,
    gang: Gang | None = None,
) -> Training:
    """Begin or resume the run of a folder.

    Parameters
    ----------
    recipe : str, Path, TrainRecipe or None
        Name, TOML file, or the recipe itself; None = that of the run to be resumed.
    output : Path
        The folder.
    steps, minutes : number, optional
        How long the run shall be, in all; by default the recipe's steps, or what a resumed run
        was planned for.
    start_from : str or Path, optional
        Weights to begin with.
    resume : bool
    gang : Gang, optional
        The processes that train together.

    Raises
    ------
    InputError
        If the folder already holds a run that is not to be resumed, or cannot be made.
    SettingsError, WeightsError
        If the recipe or the weights cannot be used.
    """
    if recipe is None and not resume:
        raise InputError("name a recipe to train by, or resume a run")
    if recipe is not None and not isinstance(recipe, TrainRecipe):
        recipe = recipes.load(recipe)
    given = steps is not None or minutes is not None
    if resume:
        if start_from is not None:
            raise InputError("a resumed run goes on from its own weights: leave out --start-from")
        return Training.resume(recipe, output, Plan(steps, minutes) if given else None, gang=gang)
    assert recipe is not None
    if (output / checkpoint.NAME).exists():
        raise InputError(f"{output} already holds a run: resume it, or choose another folder")
    plan = Plan(steps, minutes) if given else Plan(steps=recipe.steps)
    run = Training(recipe, output, plan, start_from=start_from, gang=gang)
    make_folder(output)
    return run
