"""The training loop: one run in one folder, which can be killed and resumed.

Everything random in a step is a function of the recipe's seed, the stage and the step, so that a
resumed run computes what the uninterrupted one would have, bit for bit on one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from piv.errors import InputError
from piv.io.files import make_folder
from piv.network.ccfcn import CCFCN
from piv.train import checkpoint, storing
from piv.train import recipe as recipes
from piv.train.data import Batch, CoarseStart, TrainingData
from piv.train.held_out import held_out, validation_errors
from piv.train.learner import Learner
from piv.train.optimiser import Optimiser
from piv.train.processes import Gang
from piv.train.progress import Clock, Plan, Progress
from piv.train.recipe import TrainRecipe
from piv.train.source import Source, open_source, open_sources
from piv.train.start import first_network, settled

CHECKPOINT_SECONDS = 120.0
VALIDATION_SECONDS = 180.0
ROW_STEPS = 50  # a row of the curve is the mean over so many steps


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
    resumed : bool
        The weights come from a checkpoint afterwards; see :meth:`resume`.

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
        resumed: bool = False,
    ) -> None:
        recipe = settled(recipe, start_from)
        self.recipe = recipe
        self.gang = gang or Gang()
        self.output = output
        self.plan = plan
        self.source = open_source(recipe.source) if source is None else source
        # opened now, so that a wrong name does not wait for the end of the training
        self.calibrated_on = open_sources(recipe.calibration) or [self.source]
        self.coarse_start = coarse_start
        network, self.history = first_network(recipe, start_from, resumed=resumed)
        self.learner = Learner(network, recipe, self.gang)
        self.data = self._data()
        self.step = 0
        self.rows: list[dict[str, Any]] = []
        self.window: list[tuple[float, float]] = []
        self.clock = Clock()
        self._validation: dict[str, Batch] | None = None

    @property
    def network(self) -> CCFCN:
        """The network that learns."""
        return self.learner.network

    @property
    def average(self) -> CCFCN:
        """The network with the moving average of the weights: what is exported."""
        return self.learner.average

    @property
    def optimiser(self) -> Optimiser:
        """What moves the weights."""
        return self.learner.optimiser

    def _data(self) -> TrainingData:
        return TrainingData(
            self.source,
            self.recipe,
            stage=len(self.history),
            rank=self.gang.rank,
            processes=self.gang.size,
            coarse_start=self.coarse_start,
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
        self.clock = Clock(self.clock.wall, self.clock.core, self.clock.data)
        saved = validated = began = self.clock.wall
        first_step = self.step
        while (done := self.plan.progress(self.step, self.clock.wall)) < 1.0:
            self.gang.decide(done, True)
            loss, error = self._one_step(done)
            now = self.clock.wall
            validation = None
            if now - validated > VALIDATION_SECONDS:
                validation = self.validate()
                self.clock.core += self.clock.tick()
                validated = self.clock.wall
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
        began = time.perf_counter()
        batch = self.data.batch(self.step)
        self.clock.data += time.perf_counter() - began
        figures = self.learner.learn(batch, self.step, done, self.clock)
        self.step += 1
        self.window.append(figures)
        if len(self.window) >= ROW_STEPS:
            self._close_row()
        return figures

    def _close_row(self, validation: Mapping[str, float] | None = None) -> None:
        if self.window:
            loss, error = (sum(values) / len(values) for values in zip(*self.window, strict=True))
        else:
            loss = error = math.nan
        self.window = []
        row = {
            "step": self.step,
            "minutes": round(self.clock.wall / 60.0, 3),
            "learning_rate": self.learner.rate,
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
        seconds = max(self.clock.wall - began, 1e-9)
        done = self.plan.progress(self.step, self.clock.wall)
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
            data_share=self.clock.data / max(self.clock.wall, 1e-9),
            validation=validation,
        )

    def validate(self) -> dict[str, float]:
        """Mean end-point error of the averaged weights, px, per class of the validation split."""
        if self._validation is None:
            size = (self.recipe.render, self.recipe.render)
            self._validation = held_out(
                self.source, "validation", self.recipe.validation_pairs, size, self.coarse_start
            )
        errors = validation_errors(self.average, self._validation, self.recipe)
        self._close_row(errors)
        return errors

    # ------------------------------------------------------------------ storing

    def save(self) -> None:
        """Write the checkpoint and the curve.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        self.clock.core += self.clock.tick()
        storing.store(self)

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
        state, recipe = storing.stored(output, recipe)
        run = cls(
            recipe,
            output,
            plan or Plan(**state["plan"]),
            source=source,
            coarse_start=coarse_start,
            gang=gang,
            resumed=True,
        )
        storing.restore(run, state)
        run.data = run._data()
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
        return storing.export(self, path, name)


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
