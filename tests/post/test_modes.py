"""Modes: of fields made of known ones, against NumPy's decompositions, with gaps."""

from __future__ import annotations

import numpy as np
import pytest
from flows_of_series import field, noisy_series

from piv.errors import InputError
from piv.post.modes import dmd, fill_gaps, pod, reconstruct_gaps, snapshots, spod
from piv.types import Flag, Float, VectorField

SHAPE = (12, 19)


def two_modes(count: int = 40) -> tuple[list[VectorField], Float, Float]:
    """Mean, and two orthogonal modes with coefficients 3 cos and sin of different frequencies."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    shapes = np.stack([np.stack([np.sin(x / 3), np.cos(y / 2)]), np.stack([y - 5.5, 9 - x])])
    basis = np.linalg.qr(shapes.reshape(2, -1).T)[0].T.reshape(shapes.shape)
    t = np.arange(count) * 2 * np.pi / count
    a = np.stack([3 * np.cos(2 * t), np.sin(5 * t)], axis=1)
    flow = np.einsum("nk,kcyx->ncyx", a, basis)
    fields = [field(2 + u, v - 1) for u, v in flow]
    return fields, basis, a


def test_pod_finds_two_known_modes() -> None:
    fields, basis, a = two_modes()
    found = pod(fields)
    np.testing.assert_allclose(found.energy[:2], [4.5, 0.5], rtol=1e-5)
    assert found.share[:2].sum() == pytest.approx(1, abs=1e-9)
    for k in range(2):
        mode = found.mode(k)
        overlap = np.sum(mode.u * basis[k, 0] + mode.v * basis[k, 1])
        assert abs(overlap) == pytest.approx(1, rel=1e-5)
        np.testing.assert_allclose(found.coefficients[:, k], np.sign(overlap) * a[:, k], atol=1e-4)
    assert found.needed(0.85) == 1
    assert found.needed(0.95) == 2
    with pytest.raises(InputError, match="compute more"):
        pod(fields, modes=1).needed(0.95)


@pytest.mark.parametrize("blocks", [1, 4])
def test_pod_is_numpys_svd(blocks: int, rng: np.random.Generator) -> None:
    fields = [field(*rng.normal(0, 1, (2, *SHAPE))) for _ in range(30)]
    row = 8 * 2 * SHAPE[0] * SHAPE[1]  # bytes
    found = pod(fields, memory=row * (8 if blocks > 1 else 30))
    assert -(-30 // found.snapshots.block) == blocks
    rows = np.stack([np.concatenate([f.u.ravel(), f.v.ravel()]) for f in fields]).astype(float)
    rows -= rows.mean(axis=0)
    size = np.linalg.svd(rows, compute_uv=False)
    np.testing.assert_allclose(found.energy, size[:29] ** 2 / 30, rtol=1e-10)
    assert found.total == pytest.approx(rows.var(axis=0).sum(), rel=1e-12)
    np.testing.assert_allclose(found.coefficients @ found.modes, rows, atol=1e-8)
    np.testing.assert_allclose(found.modes @ found.modes.T, np.eye(29), atol=1e-8)


def test_a_randomised_pod_finds_the_leading_modes(rng: np.random.Generator) -> None:
    decay = 2.0 ** -np.arange(40)
    patterns = rng.normal(0, 1, (40, 2, *SHAPE))
    weights = rng.normal(0, 1, (60, 40)) * decay
    flow = np.einsum("nk,kcyx->ncyx", weights, patterns)
    fields = [field(u, v) for u, v in flow]
    exact, found = pod(fields, modes=6), pod(fields, modes=6, method="randomised")
    np.testing.assert_allclose(found.energy, exact.energy, rtol=1e-6)
    np.testing.assert_allclose(found.modes, exact.modes, atol=1e-4)
    assert found.total == pytest.approx(exact.total)
    again = pod(fields, modes=6, method="randomised")
    np.testing.assert_array_equal(again.modes, found.modes)


def test_all_modes_give_the_fields_back_and_few_the_best_of_their_rank() -> None:
    fields, _, _ = two_modes()
    found = pod(fields)
    for original, back in zip(fields, found.reconstruct(2), strict=True):
        np.testing.assert_allclose(back.u, original.u, atol=1e-5)
        np.testing.assert_allclose(back.v, original.v, atol=1e-5)
    error = [
        np.sum((a.u - b.u) ** 2 + (a.v - b.v) ** 2)
        for a, b in zip(fields, found.reconstruct(1), strict=True)
    ]
    assert np.mean(error) == pytest.approx(0.5, rel=1e-4)  # the energy of the mode left out
    np.testing.assert_allclose(found.project(fields[7])[:2], found.coefficients[7, :2], atol=1e-6)


def test_masked_points_are_no_part_of_a_mode(rng: np.random.Generator) -> None:
    series = noisy_series(20, rng)
    found = pod(series, modes=3)
    assert not found.snapshots.inside[:3, :4].any()
    mode = found.mode(0)
    assert np.isnan(mode.u[:3, :4]).all()
    assert (mode.flags[:3, :4] == Flag.MASKED).all()
    assert found.snapshots.gaps == pytest.approx(0.1, abs=0.02)


def punched(share: float, rng: np.random.Generator) -> tuple[list[VectorField], list[VectorField]]:
    """The two-mode flow, and the same with replaced vectors of a wrong value."""
    whole, _, _ = two_modes()
    holed = []
    for each in whole:
        gap = rng.random(SHAPE) < share
        flags = np.where(gap, int(Flag.REPLACED), 0).astype(np.uint16)
        holed.append(each.replace(u=np.where(gap, 99, each.u).astype(np.float32), flags=flags))
    return whole, holed


def test_gaps_are_filled_from_the_modes(rng: np.random.Generator) -> None:
    whole, holed = punched(0.3, rng)
    filled = fill_gaps(holed, modes=2, tolerance=1e-7)
    assert filled.converged
    error = max(np.abs(filled.field(n).u - each.u).max() for n, each in enumerate(whole))
    assert error < 2e-3
    np.testing.assert_allclose(filled.pod.energy, [4.5, 0.5], rtol=2e-3)
    assert pod(holed).energy[0] < 4.0  # gaps taken as the mean cost energy
    short = fill_gaps(holed, modes=2, tolerance=1e-12, iterations=2)
    assert not short.converged
    with pytest.raises(InputError, match="1 to 39 modes"):
        fill_gaps(holed, modes=40)


def test_a_new_field_with_gaps_is_fitted_by_known_modes(rng: np.random.Generator) -> None:
    whole, holed = punched(0.6, rng)
    known = pod(whole, modes=2)
    filled = reconstruct_gaps(known, holed[3])
    np.testing.assert_allclose(filled.u, whole[3].u, atol=1e-5)
    gap = holed[3].flags > 0
    assert (filled.flags[gap] == Flag.REPLACED).all()
    np.testing.assert_array_equal(filled.u[~gap], holed[3].u[~gap])
    nothing = whole[0].replace(flags=np.full(SHAPE, int(Flag.FALLBACK), np.uint16))
    with pytest.raises(InputError, match="use fewer modes"):
        reconstruct_gaps(known, nothing)


def oscillations(interval: float, count: int = 60) -> list[VectorField]:
    """7.5 Hz that decays at 2/s, and 20 Hz that neither grows nor decays."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    fields = []
    for t in interval * np.arange(count):
        slow = np.exp(-2 * t) * np.cos(2 * np.pi * 7.5 * t - x / 2)
        fast = 0.5 * np.cos(2 * np.pi * 20 * t + y / 3)
        fields.append(field(slow + fast, fast - 0.4 * slow))
    return fields


def test_dmd_recovers_frequencies_growth_and_the_future() -> None:
    interval = 0.004
    fields = oscillations(interval, 90)
    found = dmd(fields[:60], interval, modes=4, subtract_mean=False)
    order = np.argsort(found.frequency)
    np.testing.assert_allclose(found.frequency[order], [-20, -7.5, 7.5, 20], rtol=1e-4)
    np.testing.assert_allclose(found.growth[order], [0, -2, -2, 0], atol=2e-3)
    back = found.reconstruct(30 * interval)
    np.testing.assert_allclose(back.u, fields[30].u, atol=1e-4)
    np.testing.assert_allclose(found.reconstruct(85 * interval).v, fields[85].v, atol=2e-3)
    fast = np.flatnonzero(np.abs(np.abs(found.frequency) - 20) < 1)
    part = found.reconstruct(0.0, fast)
    exact = 0.5 * np.cos(np.mgrid[: SHAPE[0], : SHAPE[1]][0] / 3)
    np.testing.assert_allclose(part.u, exact, atol=1e-3)
    pair = found.mode(int(fast[0])).u + found.mode(int(fast[1])).u
    np.testing.assert_allclose(pair, exact, atol=1e-3)
    rising = [each.replace(u=0 * each.u, v=0 * each.v + n) for n, each in enumerate(fields)]
    with pytest.raises(InputError, match="rank 1"):
        dmd(rising, interval, modes=2)


def test_spod_finds_a_travelling_wave_and_its_energy(rng: np.random.Generator) -> None:
    interval, frequency, block = 0.01, 12.5, 64
    x = np.mgrid[: SHAPE[0], : SHAPE[1]][1]
    fields = []
    for t in interval * np.arange(320):
        wave = np.cos(2 * np.pi * frequency * t - 0.7 * x)
        fields.append(field(wave + rng.normal(0, 0.1, SHAPE), rng.normal(0, 0.1, SHAPE)))
    found = spod(fields, interval, block=block)
    assert found.blocks == 9
    peak = int(np.argmax(found.energy[:, 0]))
    assert found.frequency[peak] == pytest.approx(frequency, abs=0.5 / (block * interval))
    # one mode has it all; the next holds noise only
    assert found.energy[peak, 0] > 200 * found.energy[peak, 1]
    mode = found.modes[peak, 0][: x.size].reshape(SHAPE)
    phase = np.angle(mode[:, 1:] / mode[:, :-1])
    np.testing.assert_allclose(phase, -0.7, atol=0.05)
    np.testing.assert_allclose(found.modes[peak] @ found.modes[peak].conj().T, np.eye(3), atol=1e-9)
    step = found.frequency[1]
    total = spod(fields, interval, block=block, modes=9).energy.sum() * step
    variance = sum(f.u.astype(float) ** 2 + f.v.astype(float) ** 2 for f in fields).sum() / 320
    assert total == pytest.approx(variance, rel=0.02)
    turned = found.mode(frequency, phase=2 * np.pi * found.frequency[peak] * 0.013).u
    np.testing.assert_allclose(
        turned, (mode * np.exp(2j * np.pi * found.frequency[peak] * 0.013)).real, atol=1e-6
    )
    band = spod(fields, interval, block=block, band=(10, 15))
    assert band.frequency[0] >= 10 > found.frequency[1]
    np.testing.assert_allclose(band.energy.max(), found.energy[peak, 0])


def test_bad_arguments_of_decompositions_are_told(rng: np.random.Generator) -> None:
    fields, _, _ = two_modes(6)
    still = [field(np.ones(SHAPE), np.ones(SHAPE))] * 3
    with pytest.raises(InputError, match="more than once"):
        pod(iter(fields))
    with pytest.raises(InputError, match="two fields; there are 1"):
        pod(fields[:1])
    with pytest.raises(InputError, match="nothing fluctuates"):
        pod(still)
    with pytest.raises(InputError, match="1 to 6 modes"):
        pod(fields, modes=7)
    with pytest.raises(InputError, match="number of modes"):
        pod(fields, method="randomised")
    with pytest.raises(InputError, match="snapshot or randomised"):
        pod(fields, method="fast")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="interval"):
        dmd(fields, 0.0, modes=2)
    with pytest.raises(InputError, match="4 to 6 fields"):
        spod(fields, 0.1, block=7)
    with pytest.raises(InputError, match="no frequency"):
        spod(fields, 0.1, block=4, band=(100, 200))
    hidden = [f.replace(flags=np.full(SHAPE, int(Flag.MASKED), np.uint16)) for f in fields]
    with pytest.raises(InputError, match="no vector counts"):
        snapshots(hidden)
