"""Flows against their formulas: vorticity, divergence, points against grid, known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from synth import flows, shapes, spectral, walls
from synth.draw import Frame, sine
from synth.flows import Flow
from synth.scene import FLOWS

SHAPE = (48, 70)
MIDDLE = (20.0, 30.0)


def gradients(flow: Flow, y: Tensor, x: Tensor, h: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Divergence, and vorticity for x right, y down (positive = clockwise as seen)."""
    u_e, v_e = flow(y, x + h)
    u_w, v_w = flow(y, x - h)
    u_s, v_s = flow(y + h, x)
    u_n, v_n = flow(y - h, x)
    return (u_e - u_w + v_s - v_n) / (2 * h), (v_e - v_w - u_s + u_n) / (2 * h)


def points(number: int = 200) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(5)
    y, x = rng.uniform(0, SHAPE[0], number), rng.uniform(0, SHAPE[1], number)
    return torch.from_numpy(y), torch.from_numpy(x)


INCOMPRESSIBLE = {
    "uniform": flows.uniform(1.2, -0.4),
    "shear": flows.shear(MIDDLE, 0.1, 0.4),
    "stagnation": flows.stagnation(MIDDLE, 0.05, 0.3),
    "rotation": flows.rotation(MIDDLE, 0.07),
    "rankine": flows.rankine(MIDDLE, 2.0, 9.0),
    "lamb-oseen": flows.lamb_oseen([MIDDLE, (5.0, 60.0)], [60.0, -30.0], [8.0, 5.0]),
    "taylor-green": flows.taylor_green(MIDDLE, 2.0, 40.0, 0.3),
    "sine": flows.sine(1.0, 20.0, 0.7, 0.2),
    "triangle": flows.triangle(1.0, 20.0, 0.7, 0.2),
    "overtones": flows.overtones(1.0, 30.0, 0.7, 0.2, [(2, 0.5, 1.0), (3, -0.3, 2.0)]),
    "step": flows.step(MIDDLE, 2.0, 1.5, 0.3),
    "poiseuille": flows.poiseuille(MIDDLE, 60.0, 3.0, 0.2),
    "laminar": flows.laminar_layer((0.0, 0.0), 80.0, 3.0),
    "turbulent": flows.turbulent_layer((-1.0, 0.0), 0.3, 0.5, 20.0),
    "bickley": flows.bickley(MIDDLE, 8.0, 3.0, 4.0, 60.0),
    "stuart": flows.stuart(MIDDLE, 2.0, 40.0, 0.5),
    "separated": flows.separated_layer(MIDDLE, 3.0, 5.0, 0.06, 0.1),
    "cylinder": flows.around_cylinder((-9.0, -9.0), 6.0, 2.0),
    "street": walls.vortex_street((-20.0, -20.0), 6.0, 50.0, 30.0, 0.3, 200.0, 0.1),
}


@pytest.mark.parametrize("name", INCOMPRESSIBLE)
def test_flow_has_no_divergence(name: str) -> None:
    flow = INCOMPRESSIBLE[name]
    divergence, vorticity = gradients(flow, *points())
    if name == "rankine":  # the edge of the core has a kink
        divergence = divergence[divergence.abs() < 0.01]
        assert divergence.numel() > 190
    assert float(divergence.abs().max()) < 1e-5
    if name not in ("uniform", "stagnation", "cylinder"):
        assert float(vorticity.abs().max()) > 1e-3


def test_vorticity_of_linear_flows() -> None:
    _, turn = gradients(flows.rotation(MIDDLE, 0.07), *points())
    assert torch.allclose(turn, torch.tensor(0.14, dtype=torch.float64), atol=1e-9)
    _, strain = gradients(flows.stagnation(MIDDLE, 0.05, 0.3), *points())
    assert float(strain.abs().max()) < 1e-9
    _, sheared = gradients(flows.shear(MIDDLE, 0.1, 0.4), *points())
    assert torch.allclose(sheared, torch.tensor(-0.1, dtype=torch.float64), atol=1e-9)


def test_lamb_oseen_circulation_and_core() -> None:
    circulation, core = 90.0, 6.0
    flow = flows.lamb_oseen([MIDDLE], [circulation], [core])
    angle = torch.linspace(0, 2 * math.pi, 400, dtype=torch.float64)[:-1]
    for radius, share in ((3.0, -math.expm1(-0.25)), (6.0, -math.expm1(-1)), (60.0, 1.0)):
        u, v = flow(MIDDLE[0] + radius * torch.sin(angle), MIDDLE[1] + radius * torch.cos(angle))
        along = (-u * torch.sin(angle) + v * torch.cos(angle)).mean() * 2 * math.pi * radius
        assert float(along) == pytest.approx(share * circulation, rel=1e-6)


def test_known_values() -> None:
    y, x = torch.tensor(20.0), torch.tensor(35.0)
    assert float(flows.rankine(MIDDLE, 2.0, 10.0)(y, x)[1]) == pytest.approx(1.0)
    channel = flows.poiseuille(MIDDLE, 10.0, 4.0)
    assert float(channel(torch.tensor(25.0), x)[0]) == pytest.approx(3.0)
    assert float(channel(torch.tensor(31.0), x)[0]) == 0
    layer = flows.laminar_layer((10.0, 0.0), 20.0, 4.0)
    assert float(layer(torch.tensor(9.0), x)[0]) == 0
    assert float(layer(torch.tensor(30.0), x)[0]) == pytest.approx(4.0)
    cylinder = flows.around_cylinder(MIDDLE, 5.0, 2.0)
    assert float(cylinder(torch.tensor(25.001), torch.tensor(30.0))[0]) == pytest.approx(
        4, abs=2e-3
    )


def test_triangle_is_straight_and_step_jumps() -> None:
    n = torch.linspace(-5.0, 5.0, 11)
    u, v = flows.triangle(1.0, 20.0, 0.0, 0.0)(n, torch.tensor(0.0))
    assert torch.allclose(u, n / 5, atol=1e-5)
    assert not v.any()
    u, _ = flows.step((0.0, 0.0), 3.0, 0.0, 0.0)(n, torch.tensor(0.0))
    assert torch.equal(u, 1.5 * torch.sign(n))
    u, _ = flows.step((0.0, 0.0), 3.0, 2.0, 0.0)(n, torch.tensor(0.0))
    assert float(u[7]) == pytest.approx(1.5 * math.tanh(1.0))


def test_overtones_are_sines_of_parts_of_the_wavelength() -> None:
    n, zero = torch.linspace(0.0, 24.0, 25)[:-1], torch.tensor(0.0)
    parts = [(2, 0.5, 1.0), (3, -0.3, 2.0)]
    u, v = flows.overtones(1.5, 24.0, 0.0, 0.4, parts)(n, zero)
    assert not v.any()
    amplitudes = torch.fft.rfft(u).abs() / 12
    scale = 1.5 / math.sqrt(1 + 0.25 + 0.09)
    assert amplitudes[1:5].tolist() == pytest.approx(
        [scale, 0.5 * scale, 0.3 * scale, 0.0], abs=1e-5
    )
    assert float(u.square().mean().sqrt()) == pytest.approx(1.5 / math.sqrt(2), rel=1e-5)
    none, _ = flows.overtones(1.5, 24.0, 0.0, 0.4, [])(n, zero)
    assert torch.allclose(none, flows.sine(1.5, 24.0, 0.0, 0.4)(n, zero)[0], atol=1e-6)


def test_no_overtone_is_drawn_below_4_px() -> None:
    frame = Frame((64, 64), "train", 0)
    for wavelength, last in ((7.0, 1), (9.0, 2), (13.0, 3), (64.0, 6)):
        options = {"fixed": 1.0, "wavelength": wavelength, "angle": 0.3, "overtones": 1.0}
        record = sine(np.random.default_rng(3), frame, options).record
        assert [k for k, _, _ in record["overtones"]] == list(range(2, last + 1))
        plain = sine(np.random.default_rng(3), frame, options | {"overtones": 0.0}).record
        assert "overtones" not in plain
        assert plain["phase"] == record["phase"]


def test_reichardts_law_has_the_viscous_layer_and_the_logarithm() -> None:
    flow = flows.turbulent_layer((0.0, 0.0), 0.5, 1.0, 100.0)
    one, far = (float(flow(torch.tensor(n), torch.tensor(0.0))[0]) / 0.5 for n in (1.0, 300.0))
    assert one == pytest.approx(1.0, rel=0.1)  # u+ = n+
    assert far == pytest.approx(math.log(300) / 0.4 + 5.5, rel=0.01)


@pytest.mark.parametrize("name", FLOWS)
def test_points_and_grid_agree(name: str) -> None:
    """The truth at a pixel is what a particle there sees."""
    for seed in range(3):
        drawn = FLOWS[name][0](np.random.default_rng(seed), Frame((64, 90), "test", seed), {})
        grid = flows.on_grid(drawn.flow, (64, 90))
        y, x = torch.meshgrid(torch.arange(64.0), torch.arange(90.0), indexing="ij")
        u, v = drawn.flow(y.reshape(-1), x.reshape(-1))
        top = float(grid.abs().max())
        assert 0 < top < 1e6
        # 1e-4 of the largest displacement is 1e-3 px at 10 px
        assert float((u.reshape(64, 90) - grid[0]).abs().max()) < 1e-4 * top
        assert float((v.reshape(64, 90) - grid[1]).abs().max()) < 1e-4 * top


def test_wall_and_body_stop_the_flow() -> None:
    for name in ("wall", "separated", "wake"):
        for seed in range(4):
            drawn = FLOWS[name][0](np.random.default_rng(seed), Frame((96, 130), "test", 0), {})
            assert drawn.body is not None
            inside = drawn.body.distance(*flows.axes((96, 130))).expand(96, 130) < -1e-3
            assert inside.any()
            assert not inside.all()
            grid = flows.on_grid(drawn.flow, (96, 130))
            assert float(grid[:, inside].abs().max()) < 1e-5


def test_random_field_spectrum_and_divergence(rng: np.random.Generator) -> None:
    made = spectral.random_field(
        rng, (256, 320), spacing=1, wavelength=32, slope=3, shortest=10, bandwidth=0.2
    )
    u, v = (c.numpy() for c in made.on_grid((256, 320), "cpu"))
    energy = np.abs(np.fft.fft2(u)) ** 2 + np.abs(np.fft.fft2(v)) ** 2
    k = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(320))
    assert float((k * energy).sum() / energy.sum()) == pytest.approx(1 / 32, rel=0.05)
    divergence = np.gradient(u, axis=1) + np.gradient(v, axis=0)
    vorticity = np.gradient(v, axis=1) - np.gradient(u, axis=0)
    assert divergence.std() < 0.01 * vorticity.std()


def test_slope_of_the_random_spectrum(rng: np.random.Generator) -> None:
    made = spectral.random_field(rng, (512, 512), spacing=1, wavelength=256, slope=3, shortest=8)
    u, v = made.on_grid((512, 512), "cpu").numpy()
    energy = np.abs(np.fft.fft2(u)) ** 2 + np.abs(np.fft.fft2(v)) ** 2
    k = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512)) * 512
    shell = np.bincount(np.round(k).astype(int).ravel(), energy.ravel())
    low, high = shell[8:12].sum() / 4, shell[32:48].sum() / 16
    assert math.log(low / high) / math.log(40 / 10) == pytest.approx(3, abs=0.35)


def test_sum_and_mirror() -> None:
    vortex = INCOMPRESSIBLE["lamb-oseen"]
    both = flows.Sum(((2.0, vortex), (1.0, flows.uniform(1.0, 0.0))))
    y, x = points()
    u, _ = vortex(y, x)
    assert torch.allclose(both(y, x)[0], 2 * u + 1)
    mirrored = walls.Mirrored(vortex, SHAPE[1])
    assert torch.allclose(mirrored(y, SHAPE[1] - 1 - x)[0], -u)
    grid = flows.on_grid(vortex, SHAPE)
    assert torch.allclose(flows.on_grid(mirrored, SHAPE)[1], grid[1].flip(-1), atol=1e-5)


def test_carried_region_turns_with_the_flow() -> None:
    """A quarter turn takes the right half to where it belongs."""
    half = shapes.half_plane(0.0, 0.0, 0.0)  # inside: y < 0
    quarter = shapes.carried(half, flows.rotation((0.0, 0.0), 0.01), 50 * math.pi, 40)
    y, x = torch.tensor([0.0, 0.0]), torch.tensor([10.0, -10.0])
    # clockwise as seen: what was above is now to the right
    assert torch.allclose(quarter.distance(y, x), torch.tensor([-10.0, 10.0]), atol=1e-2)


def test_shapes_have_the_area_they_should() -> None:
    y, x = flows.axes((200, 240))
    for shape, area in (
        (shapes.disc(100, 120, 30), math.pi * 900),
        (shapes.polygon(100, 120, 30, 4, 0.3), 3600),
        (shapes.band(100, 120, 40, 0.0), 40 * 240),
        (shapes.half_plane(50.5, 0, 0.0), 51 * 240),
        (shapes.outside(shapes.disc(100, 120, 30)), 200 * 240 - math.pi * 900),
    ):
        inside = (shape.distance(y, x).expand(200, 240) < 0).sum()
        assert float(inside) == pytest.approx(area, rel=0.02)
