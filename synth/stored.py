"""The stored fields of :mod:`synth.solver`: computed once, shipped with the package.

A field is its scalar (vorticity or surface temperature) on 176 x 176 points of the periodic box as
float16; the velocity is computed from it.  The splits come from separate runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from piv.errors import InputError
from piv.io.files import replacing
from piv.train.source import SPLITS
from synth.solver import SolverSettings, initial, run

FOLDER = Path(__file__).parent / "fields"
STORED_SIZE = 176  # holds all of the 2 * 85 + 1 modes that the 2/3 rule leaves of 256

# runs per split, and the times (in box units over rms velocity) at which each is kept
RUNS = {"train": 5, "validation": 1, "test": 2}
TIMES = [2.0, 3.5, 6.0, 10.0]
SOLVERS = {
    "turbulence": SolverSettings(alpha=2.0, viscosity=2e-14, order=4, peak=9.0),
    "sqg": SolverSettings(alpha=1.0, viscosity=4e-14, order=4, peak=7.0),
}
ALPHA = {name: solver.alpha for name, solver in SOLVERS.items()}


def compute(name: str, split: str, progress: Callable[[], None]) -> npt.NDArray[np.float16]:
    """Run the solver for one split: array of shape (fields, 176, 176), scaled to rms 1."""
    kept = list(_fields(name, split, progress))
    return np.stack(kept)


def _fields(
    name: str, split: str, progress: Callable[[], None]
) -> Iterator[npt.NDArray[np.float16]]:
    settings = SOLVERS[name]
    for number in range(RUNS[split]):
        entropy = [list(SOLVERS).index(name), SPLITS.index(split), number]
        start = initial(settings, np.random.default_rng(entropy))
        for q in run(start, settings, TIMES):
            yield _thinned(q)
            progress()


def _thinned(q: torch.Tensor) -> npt.NDArray[np.float16]:
    """On 176 x 176 points (nothing is lost: the modes beyond are empty), rms 1."""
    size, half = q.shape[-1], STORED_SIZE // 2
    q_hat = torch.fft.rfft2(q)[:, : half + 1]
    q_hat = torch.cat((q_hat[:half], q_hat[size - half :]))
    q_hat[half], q_hat[:, half] = 0, 0
    small = torch.fft.irfft2(q_hat, s=(STORED_SIZE, STORED_SIZE))
    return (small / small.std()).numpy().astype(np.float16)


def save(name: str, fields: dict[str, npt.NDArray[np.float16]], folder: Path) -> Path:
    """Write the fields of all splits of one solver into a folder; returns the file."""
    path = folder / f"{name}.npz"
    record = json.dumps({**asdict(SOLVERS[name]), "times": TIMES, "runs": RUNS})
    arrays: dict[str, Any] = {**fields, "record": np.array(record)}
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)
    return path


@cache
def load(name: str, split: str) -> npt.NDArray[np.float16]:
    """The stored scalars of one solver and split, shape (fields, 176, 176).

    Raises
    ------
    InputError
        If the file is not there.
    """
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        raise InputError(f"the solver fields {path.name} are missing: run `piv-synth fields`")
    with np.load(path) as file:
        fields: npt.NDArray[np.float16] = file[split]
    fields.flags.writeable = False
    return fields
