"""The record of weights: what made them, and what they reached."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from piv.network.ccfcn import CCFCN
from piv.network.weights import plain_config
from piv.train.recipe import TrainRecipe


def code_version() -> dict[str, str]:
    """Package version, and the commit where the package is a checkout."""
    record = {"version": version("ccfcn-piv")}
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return record
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=root, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return record
    return {**record, "commit": found.stdout.strip()}


def stage_record(
    name: str,
    recipe: TrainRecipe,
    source: Mapping[str, Any],
    *,
    stage: int,
    steps: int,
    processes: int,
    seconds: float,
    core_seconds: float,
    curve: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """One run that weights have had, JSON-able.

    Parameters
    ----------
    name : str
        What the weights are called after it.
    recipe : TrainRecipe
    source : mapping
        The data source's own record.
    stage : int
        How many runs came before.
    steps, processes : int
    seconds, core_seconds : float
        Wall time, and processor time of all processes, s.
    curve : sequence of mappings
        As for :func:`piv.train.curve.write`.
    """
    return {
        "name": name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "recipe": recipe.to_dict(),
        "source": {"spec": recipe.source, "record": dict(source)},
        "seed": recipe.seed,
        "stage": stage,
        "code": code_version(),
        "torch": str(torch.__version__),
        "steps": steps,
        "crops": steps * recipe.batch * processes,
        "processes": processes,
        "core_minutes": round(core_seconds / 60.0, 2),
        "minutes": round(seconds / 60.0, 2),
        "curve": list(curve),
    }


def weights_record(
    network: CCFCN, stages: Sequence[Mapping[str, Any]], calibration: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole record of weights: their last run, the sums over all runs, and what they reached.

    Parameters
    ----------
    network : CCFCN
    stages : sequence of mappings
        From :func:`stage_record`, in order.
    calibration : mapping
        From :func:`piv.train.calibration.calibrate_uncertainty`.
    """
    last = stages[-1]
    validation = [row["validation"] for row in last["curve"] if row.get("validation")]
    return {
        **{key: last[key] for key in ("name", "date", "recipe", "source", "code")},
        "licence": "BSD-3-Clause",
        "network": plain_config(network),
        "parameters": sum(p.numel() for p in network.parameters()),
        "units": "px between the frames, at mid-time, v positive down",
        "seeds": [part["seed"] for part in stages],
        "steps": sum(part["steps"] for part in stages),
        "crops": sum(part["crops"] for part in stages),
        "core_minutes": round(sum(part["core_minutes"] for part in stages), 2),
        "stages": list(stages),
        "metrics": {"validation_mean_endpoint_error": validation[-1] if validation else {}},
        "calibration": dict(calibration),
    }
