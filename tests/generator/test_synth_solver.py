"""The solver against theory, and its stored fields."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from piv.errors import InputError
from piv.train.source import SPLITS
from synth import stored
from synth.solver import SolverSettings, initial, run, velocity


def test_taylor_green_decays_exactly() -> None:
    """cos(k x) cos(k y) has no non-linear term: it decays by exp(-2 nu k^2 t)."""
    size, k, nu, time = 32, 2, 0.02, 1.5
    x = torch.arange(size, dtype=torch.float64) * 2 * math.pi / size
    q = 2 * k * torch.cos(k * x)[:, None] * torch.cos(k * x)[None, :]
    settings = SolverSettings(size=size, alpha=2.0, viscosity=nu, order=1)
    (end,) = run(q, settings, [time])
    assert torch.allclose(end, q * math.exp(-2 * nu * k**2 * time), atol=1e-10)


def test_velocity_of_a_known_vorticity() -> None:
    size, k = 24, 3
    x = torch.arange(size, dtype=torch.float64) * 2 * math.pi / size
    q = 2 * k * torch.cos(k * x)[:, None] * torch.cos(k * x)[None, :]
    u, v = velocity(q, 2.0)
    assert torch.allclose(u, -torch.sin(k * x)[:, None] * torch.cos(k * x)[None, :], atol=1e-12)
    assert torch.allclose(v, torch.cos(k * x)[:, None] * torch.sin(k * x)[None, :], atol=1e-12)


@pytest.mark.parametrize("alpha", [2.0, 1.0])
def test_without_viscosity_the_invariants_stay(alpha: float) -> None:
    settings = SolverSettings(size=48, alpha=alpha, viscosity=0.0, peak=3.0, courant=0.3)
    start = initial(settings, np.random.default_rng(1))
    *_, end = run(start, settings, [0.1, 0.3])

    def invariants(q: torch.Tensor) -> tuple[float, float]:
        u, v = velocity(q, alpha)
        speed = (u**2 + v**2).mean()
        # energy for vorticity; for the surface flow the mean of psi q, which is the same integral
        return float(speed), float((q**2).mean())

    before, after = invariants(start), invariants(end)
    assert float((end - start).abs().max()) > 0.1  # it did move
    # q^2 is conserved by both; the energy of the surface flow is q^2 itself
    assert after[1] == pytest.approx(before[1], rel=2e-3)
    assert after[0] == pytest.approx(before[0], rel=2e-3)


def test_start_has_unit_velocity_and_only_its_own_random_numbers() -> None:
    settings = SolverSettings(size=64, peak=5.0)
    q = initial(settings, np.random.default_rng(3))
    u, v = velocity(q, 2.0)
    assert float((u**2 + v**2).mean() / 2) == pytest.approx(1, rel=1e-9)
    assert torch.equal(q, initial(settings, np.random.default_rng(3)))


def test_stored_fields_are_those_of_separate_runs() -> None:
    for name in stored.SOLVERS:
        flat = []
        for split in SPLITS:
            fields = stored.load(name, split).astype(np.float64)
            assert fields.shape[1:] == (stored.STORED_SIZE, stored.STORED_SIZE)
            assert len(fields) == stored.RUNS[split] * len(stored.TIMES)
            assert fields.std((1, 2)) == pytest.approx(1, rel=1e-2)
            flat.append(fields[:: len(stored.TIMES)].reshape(stored.RUNS[split], -1))
        every = np.concatenate(flat)
        likeness = np.corrcoef(every) - np.eye(len(every))
        # a few large vortices dominate: separate runs are alike by 0.2 at most, the same one by 1
        assert np.abs(likeness).max() < 0.4


def test_stored_fields_small_enough_and_saved_whole(tmp_path, monkeypatch) -> None:
    assert sum(p.stat().st_size for p in stored.FOLDER.glob("*.npz")) < 5e6
    fields = {split: np.ones((1, 4, 4), np.float16) for split in SPLITS}
    stored.save("sqg", fields, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["sqg.npz"]
    monkeypatch.setattr(stored, "FOLDER", tmp_path / "nowhere")
    stored.load.cache_clear()
    with pytest.raises(InputError, match="piv-synth fields"):
        stored.load("sqg", "test")
    stored.load.cache_clear()
