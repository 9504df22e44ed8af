"""What images allow at best, against cases whose floor is known."""

import numpy as np
import pytest
from pairs import flow_pair, uniform_pair

from piv.errors import InputError
from piv.train import floors
from piv.train.evaluation import MEAN, floor_rows
from piv.train.source import Hidden
from piv.types import TruePair

SHAPE = (96, 128)


def hidden(slope=0.0, variance=0.01, y=(), x=(), u=(), v=()):
    """Slopes of one size everywhere, along x on even and along y on odd rows."""
    even = np.arange(SHAPE[0])[:, None] % 2 == 0
    slope_x = np.broadcast_to(np.where(even, slope, 0.0), SHAPE)
    slope_y = np.broadcast_to(np.where(even, 0.0, slope), SHAPE)
    arrays = (slope_x, slope_y, np.full(SHAPE, variance), y, x, u, v)
    return Hidden(*(np.asarray(a, dtype=float) for a in arrays))


def still(noise=0.0, **options):
    """A uniform displacement of (1.3, -0.6) px."""
    pair = uniform_pair(SHAPE, 1.3, -0.6, noise=noise, **options)
    u, v = (np.full(SHAPE, d, dtype=np.float32) for d in (1.3, -0.6))
    return TruePair(pair, u, v)


def waving(wavelength, amplitude):
    """u = A sin(2 pi y / wavelength), clean images of many particles."""

    def flow(x, y):
        return amplitude * np.sin(2 * np.pi * y / wavelength) + 0 * x, 0 * y

    pair = flow_pair(SHAPE, flow, density=0.1, diameter=2.5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    u, v = (c.astype(np.float32) for c in flow(x, y))
    return TruePair(pair, u, v)


def everywhere(true):
    return np.ones(true.u.shape, dtype=bool)


def test_cramer_rao_is_the_formula_of_a_window():
    """n pixels, half of them with slope g along x: variance s^2 / (n/2 g^2), both components."""
    found = floors.cramer_rao(hidden(slope=0.4, variance=0.02), 16)[:, 20:-20, 20:-20]
    assert found == pytest.approx(0.02 / (128 * 0.4**2) * np.ones_like(found), rel=0.01)


def test_cramer_rao_of_particles_is_the_closed_form():
    """1.13 (s/I0) / sqrt(N) a component for N Gaussian particles a window (literature: SSSIG)."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:128, :160].astype(float)
    slope_x, slope_y, sigma = np.zeros((128, 160)), np.zeros((128, 160)), 0.75
    number = int(0.05 * 160 * 128)
    for py, px in rng.uniform((0, 0), (128, 160), (number, 2)):
        blob = np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * sigma**2))
        slope_x += blob * (x - px) / sigma**2
        slope_y += blob * (y - py) / sigma**2
    noise = 0.05  # of one frame
    variance = np.full((128, 160), 2 * noise**2)
    known = Hidden(slope_x, slope_y, variance, *np.zeros((4, 0)))
    found = np.sqrt(floors.cramer_rao(known, 33)[:, 20:-20, 20:-20].mean())
    assert found == pytest.approx(1.13 * noise / np.sqrt(0.05 * 33**2), rel=0.08)


def test_cramer_rao_without_particles_is_a_guess_of_one_pixel():
    assert floors.cramer_rao(hidden(slope=0.0), 9) == pytest.approx(np.ones((2, *SHAPE)))


def test_particles_on_every_second_pixel_give_back_a_linear_field():
    y, x = (c.ravel().astype(float) for c in np.mgrid[-2:98:2, -2:130:2])
    known = hidden(y=y, x=x, u=0.3 * y - 0.1 * x, v=1 + 0.02 * x)
    found = floors.interpolated(known, SHAPE)
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    assert found[0] == pytest.approx(0.3 * row - 0.1 * column, abs=1e-5)
    assert found[1] == pytest.approx(1 + 0.02 * column, abs=1e-5)


def test_fewer_particles_know_less_and_none_is_an_error():
    rng = np.random.default_rng(0)
    true = waving(24, 1.0)
    found = []
    for number in (1200, 300):
        y, x = rng.uniform(0, SHAPE[0] - 1, number), rng.uniform(0, SHAPE[1] - 1, number)
        known = hidden(y=y, x=x, u=np.sin(2 * np.pi * y / 24), v=0 * y)
        parts = floors.squares(true, everywhere(true), known)
        found.append(np.sqrt(parts.particles / parts.pixels))
    assert found[0] < 0.03 < 0.1 < found[1] < 0.6
    with pytest.raises(InputError, match="fewer than four"):
        floors.interpolated(hidden(y=[1.0], x=[1.0], u=[0.0], v=[0.0]), SHAPE)


def test_window_of_a_uniform_flow_has_the_noise_alone_and_is_the_widest():
    found = {}
    for noise in (0.0, 0.1):
        true = still(noise)
        row = floors.floors([floors.squares(true, everywhere(true))])
        assert [floor.name for floor in row] == [floors.WINDOW]  # nothing hidden is known
        found[noise] = row[0]
    assert found[0.1].width == max(floors.WIDTHS)
    assert found[0.0].vector_rms < 0.02
    assert 2 * found[0.0].vector_rms < found[0.1].vector_rms < 0.1


def test_window_on_a_wave_has_its_mean_over_the_window():
    """Without noise all that a window lacks is sinc(W / wavelength)."""
    true = waving(32, 1.5)
    parts = floors.squares(true, everywhere(true))
    measured = np.sqrt(np.array(parts.windows) / parts.pixels)
    for width in (13, 17, 21):
        lost = 1 - np.sinc(width / 32)
        assert measured[floors.WIDTHS.index(width)] == pytest.approx(
            lost * 1.5 / np.sqrt(2), rel=0.05
        )
    (floor,) = floors.floors([parts])
    assert floor.width <= 9
    assert floor.vector_rms == pytest.approx(measured.min())


def test_pixels_of_all_pairs_count_and_one_width_is_taken_for_all():
    a = floors.Squares(4.0, [1.0, 9.0] + [50.0] * 6, [3.0] * 8, 2)
    b = floors.Squares(8.0, [9.0, 3.0] + [50.0] * 6, [5.0] * 8, 4)
    rows = {floor.name: floor for floor in floors.floors([a, b])}
    assert rows[floors.PARTICLES] == (floors.PARTICLES, pytest.approx(2**0.5), 0)
    assert rows[floors.WINDOW] == (floors.WINDOW, pytest.approx((10 / 6) ** 0.5), floors.WIDTHS[0])
    assert rows[floors.CRAMER_RAO].vector_rms == pytest.approx((8 / 6) ** 0.5)
    with pytest.raises(InputError, match="at least one pair"):
        floors.floors([])


def test_masked_pixels_give_nothing_to_a_window():
    """A bright, still body under a mask does not pull the windows beside it."""
    true = still()
    body = np.zeros(SHAPE, dtype=bool)
    body[40:60, 50:80] = True
    frames = [np.where(body, 255, f).astype(np.uint8) for f in (true.pair.first, true.pair.second)]
    from dataclasses import replace

    pair = replace(true.pair, first=frames[0], second=frames[1], mask=body)
    masked = replace(true, pair=pair)
    (floor,) = floors.floors([floors.squares(masked, ~body)])
    (bare,) = floors.floors([floors.squares(replace(masked, pair=replace(pair, mask=None)), ~body)])
    assert floor.vector_rms < 0.3 * bare.vector_rms


def test_rows_of_floors_are_pooled_by_class_and_averaged_over_classes():
    y, x = (c.ravel().astype(float) for c in np.mgrid[0:96:4, 0:128:4])
    known = hidden(slope=0.3, y=y, x=x, u=1.3 + 0 * x, v=-0.6 + 0 * x)
    wave = waving(24, 1.0)
    of_wave = hidden(slope=0.3, y=y, x=x, u=np.sin(2 * np.pi * y / 24), v=0 * x)
    done = []
    classes = {"still": [(still(), known)] * 2, "wave": [(wave, of_wave)]}
    rows = floor_rows(classes, lambda: done.append(1))
    value = {(row.kind, row.method): row.figures["vector_rms"] for row in rows}
    assert len(done) == 3
    assert value["still", floors.PARTICLES] < 1e-6  # known at one particle, known everywhere
    assert (MEAN, floors.PARTICLES) not in value
    assert value[MEAN, floors.WINDOW] == pytest.approx(
        (value["still", floors.WINDOW] * value["wave", floors.WINDOW]) ** 0.5
    )


def test_floors_of_generated_pairs_lie_below_every_window():
    """The bound is below what windows reach, and that below what the coarse stage reaches."""
    from piv.settings import Settings
    from piv.train.evaluation import evaluate
    from synth.source import open_source

    source = open_source("robustness")
    pairs = [source.reveal("validation", index, "base", (128, 160)) for index in range(2)]
    value = {row.method: row.figures["vector_rms"] for row in floor_rows({"base": pairs})}
    coarse = evaluate({"base": [true for true, _ in pairs]}, Settings(), None).rows[0]
    assert value[floors.CRAMER_RAO] < value[floors.WINDOW] < coarse.figures["vector_rms"]
    assert value[floors.PARTICLES] < value[floors.WINDOW]
