"""Pairs by recipe, split, class, index and size."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch

from piv.errors import InputError, PIVError, SettingsError
from piv.train.source import SPLITS
from synth import draws, flows, recipe, scene, stored
from synth.draw import Frame
from synth.source import Source, open_source

SIZE = (48, 70)
FROZEN = Path(__file__).with_name("frozen.json")


@pytest.fixture(scope="module")
def training() -> Source:
    return open_source("training")


@pytest.fixture(scope="module")
def evaluation() -> Source:
    return open_source("evaluation")


def test_same_arguments_same_pair(training: Source) -> None:
    once = training.pair("train", 5, size=SIZE)
    torch.manual_seed(1)
    np.random.default_rng(0)
    again = open_source("training").pair("train", 5, size=SIZE)
    assert np.array_equal(once.pair.first, again.pair.first)
    assert np.array_equal(once.pair.second, again.pair.second)
    assert np.array_equal(once.u, again.u)
    assert once.kind == again.kind
    assert once.recipe == again.recipe


def test_no_two_pairs_are_the_same(training: Source) -> None:
    """Splits, classes, indices and sizes start from different random numbers."""
    made = [
        training.pair(split, index, kind, size)
        for split in ("train", "validation", "test")
        for index in (0, 1)
        for kind in ("kinematic", "jet")
        for size in (SIZE, (SIZE[0] + 1, SIZE[1]))
    ]
    crops = [p.u[:48].ravel() for p in made]
    for i, one in enumerate(crops):
        for other in crops[:i]:
            assert not np.allclose(one, other, atol=1e-3)


def test_solver_fields_of_the_splits_are_not_shared(evaluation: Source) -> None:
    seen: dict[str, set[bytes]] = {}
    for split in SPLITS:
        fields = stored.load("turbulence", split)
        seen[split] = {fields[i].tobytes() for i in range(len(fields))}
        pair = evaluation.pair(split, 3, "turbulence", SIZE)
        assert pair.recipe["scene"]["drawn"]["field"] < len(fields)
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]


@pytest.mark.parametrize(
    "name", ["training", "evaluation", "standard-kinematic", "robustness", "resolution"]
)
def test_every_class_gives_a_sound_pair(name: str) -> None:
    source = open_source(name)
    json.dumps(source.record)
    for kind in source.classes:
        made = source.pair("validation", 1, kind, SIZE)
        assert made.kind == kind
        assert made.pair.shape == SIZE
        assert made.pair.first.dtype in (np.uint8, np.uint16)
        assert made.u.shape == made.v.shape == SIZE
        assert made.u.dtype == made.v.dtype == np.float32
        assert np.isfinite(made.u).all()
        assert np.isfinite(made.v).all()
        assert made.seeded is not None
        assert made.seeded.shape == SIZE
        assert made.pair.first.std() > 0
        json.dumps(dict(made.recipe))


def test_mask_hides_what_is_not_seeded(evaluation: Source) -> None:
    for kind in ("wall", "wake", "separated"):
        given = [evaluation.pair("test", i, kind, (96, 130)) for i in range(3)]
        for made in given:
            assert made.pair.mask is not None
            assert made.seeded is not None
            assert not (made.seeded & made.pair.mask).any()
            assert np.abs(made.u[made.pair.mask]).max() == 0


def test_unseeded_region_is_dark(evaluation: Source) -> None:
    compared = 0
    for index in range(8):
        made = evaluation.pair("test", index, "unseeded", (96, 130))
        assert made.seeded is not None
        if 0.1 < made.seeded.mean() < 0.9 and made.recipe["particles"]["residue"] == 0:
            grey = made.pair.first.astype(float)
            assert grey[~made.seeded].std() < 0.5 * grey[made.seeded].std()
            compared += 1
    assert compared >= 2


def test_displacement_and_gradient_stay_within_the_recipe(evaluation: Source) -> None:
    for index in range(6):
        large = evaluation.pair("test", index, "large", SIZE)
        assert max(np.abs(large.u).max(), np.abs(large.v).max()) < 25.1
        plain = evaluation.pair("test", index, "kinematic", SIZE)
        assert max(np.abs(plain.u).max(), np.abs(plain.v).max()) < 10.1
        steps = [np.diff(c, axis=axis) for c in (plain.u, plain.v) for axis in (0, 1)]
        assert max(np.abs(step).max() for step in steps) < 1.01
    tops = [np.abs(evaluation.pair("test", i, "large", SIZE).u).max() for i in range(6)]
    assert max(tops) > 12
    for index in range(4):
        large = evaluation.pair("test", index, "large", SIZE)
        assert np.hypot(large.u, large.v).max() > 8


def test_uniform_sweep_covers_the_subpixel_range(evaluation: Source) -> None:
    rest = set()
    for index in range(21):
        made = evaluation.pair("test", index, "uniform", (32, 40))
        assert np.ptp(made.u) == 0
        rest.add(round(float(made.u[0, 0]) % 1, 2))
    assert rest == {round(i / 20, 2) for i in range(20)}


def test_sine_sweep_is_recorded_and_true(evaluation: Source) -> None:
    wavelengths = set()
    for index in range(18):
        made = evaluation.pair("test", index, "sine", (160, 150))
        drawn = made.recipe["scene"]["drawn"]
        wavelengths.add(drawn["wavelength"])
        y, x = np.mgrid[:160, :150]
        level = drawn["angle"] == 0
        across = y if level else -x
        wave = drawn["amplitude"] * np.sin(
            2 * np.pi / drawn["wavelength"] * across + drawn["phase"]
        )
        moved, still = (made.u, made.v) if level else (made.v, made.u)
        means = (drawn["mean_u"], drawn["mean_v"])
        assert np.abs(moved - wave - means[0 if level else 1]).max() < 1e-3
        assert np.ptp(still) < 1e-4
    assert wavelengths == {8, 11, 16, 23, 32, 45, 64, 90, 128}


def test_evaluation_holds_the_standard_test(evaluation: Source) -> None:
    standard = open_source("standard-kinematic").pair("test", 4, "kinematic", SIZE)
    same = evaluation.pair("test", 4, "kinematic", SIZE)
    assert np.array_equal(standard.pair.second, same.pair.second)


def test_photographed_again_only_the_noise_differs(evaluation: Source) -> None:
    for kind in ("wake", "loss20", "noise10"):
        once = evaluation.pair("validation", 2, kind, SIZE)
        again, twice, same = (
            evaluation.again("validation", 2, kind, SIZE, exposure=n) for n in (1, 2, 1)
        )
        assert np.array_equal(again.pair.first, same.pair.first)
        assert np.array_equal(once.u, again.u)
        assert np.array_equal(once.v, again.v)
        assert np.array_equal(once.seeded, again.seeded)
        assert (once.pair.mask is None) == (again.pair.mask is None)
        assert again.kind == kind
        assert again.recipe == {**once.recipe, "again": 1}
        assert again.pair.first.dtype == once.pair.first.dtype
        frames = [p.pair.second.astype(float) for p in (once, again, twice)]
        one, two = frames[1] - frames[0], frames[2] - frames[0]
        # equally strong, independent of each other but for the frame in common, and no particles
        assert one.std() == pytest.approx(two.std(), rel=0.1)
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] == pytest.approx(0.5, abs=0.05)
        assert abs(np.corrcoef(one.ravel(), frames[2].ravel())[0, 1]) < 0.1


def test_without_noise_it_is_the_same_photograph() -> None:
    clean = recipe.override(
        recipe.load("evaluation"), {"camera": {"noise": 0.0, "electrons": 0.0}}, only="vortex"
    )
    source = Source(clean)
    once, again = source.pair("test", 0, "vortex", SIZE), source.again("test", 0, "vortex", SIZE)
    assert np.array_equal(once.pair.second, again.pair.second)
    with pytest.raises(InputError, match="at least 1, not 0"):
        source.again("test", 0, "vortex", SIZE, exposure=0)
    with pytest.raises(InputError, match="no class 'eddy'"):
        source.again("test", 0, "eddy", SIZE)


def test_frozen_pair() -> None:
    """If these change, so does every test set: raise GENERATOR_VERSION and score anew."""
    made = open_source("standard-kinematic").pair("test", 0, "kinematic", SIZE)
    assert made.recipe["generator"] == 2
    # another FFT library may round a grey level the other way
    assert made.pair.first[20, 30:36] == pytest.approx(np.array([5, 7, 15, 13, 26, 126]), abs=1)
    assert made.u[20, 30] == pytest.approx(0.86804, abs=1e-4)


def test_every_frozen_class_gives_the_images_it_gave() -> None:
    """Four rows of one pair of each class; if one changes, raise GENERATOR_VERSION.

    Unless its recipe was changed: the training mix may be, the others are what is scored by.
    """
    frozen = json.loads(FROZEN.read_text(encoding="utf-8"))
    recipes = ("training", "evaluation", "standard-kinematic")
    assert list(frozen) == [f"{n}/{k}" for n in recipes for k in open_source(n).classes]
    for name, kept in frozen.items():
        source, kind = name.split("/")
        made = open_source(source).pair("validation", 1, kind, SIZE)
        # another FFT library may round a grey level the other way
        assert made.pair.first[24, 10:60:10] == pytest.approx(np.array(kept["first"]), abs=1), name
        assert made.pair.second[12, 10:60:10] == pytest.approx(np.array(kept["second"]), abs=1)
        assert made.u[24, 10:60:10] == pytest.approx(np.array(kept["u"]), abs=1e-3), name
        assert made.v[12, 10:60:10] == pytest.approx(np.array(kept["v"]), abs=1e-3), name


def test_robustness_changes_one_factor_of_the_same_flow() -> None:
    """Every case has the displacement of the base, and as far as can be its particles."""
    source = open_source("robustness")
    base = source.pair("validation", 3, "base", SIZE)
    for kind in source.classes:
        made = source.pair("validation", 3, kind, SIZE)
        seen = made.seeded if kind in ("bodies", "glare") else np.ones(SIZE, dtype=bool)
        if not kind.startswith("divergent"):
            assert np.array_equal(made.u[seen], base.u[seen]), kind
        assert kind == "base" or not np.array_equal(made.pair.second, base.pair.second), kind
    (noisy, spread) = (source.pair("validation", 3, kind, SIZE) for kind in ("noise20", "noise00"))
    difference = noisy.pair.first.astype(float) - spread.pair.first
    assert difference.std() > 10  # 20 % of a peak of 180 grey levels, less where it is dark


@pytest.mark.parametrize(
    ("recipe", "kind", "share"),
    [
        ("robustness", "base", 0.0),
        ("robustness", "divergent02", 0.2),
        ("robustness", "divergent045", 0.45),
        ("robustness", "divergent10", 1.0),
        ("evaluation", "turbulence", 0.0),
        ("evaluation", "plane", 0.45),
    ],
)
def test_divergence_is_as_large_as_named(recipe: str, kind: str, share: float) -> None:
    """Of a plane through isotropic turbulence the mean squares are as 1 to 5: 0.45."""
    source = open_source(recipe)
    ratios = []
    for index in range(6):
        made = source.pair("validation", index, kind, (256, 256))
        divergence = np.gradient(made.u, axis=1) + np.gradient(made.v, axis=0)
        rotation = np.gradient(made.v, axis=1) - np.gradient(made.u, axis=0)
        ratios.append(float(divergence.std() / rotation.std()))
    assert np.mean(ratios) == pytest.approx(share, abs=0.01, rel=0.25)


def test_divergence_changes_only_the_flow() -> None:
    """The particles of the first frame, and what else was drawn, stay where they are."""
    source = open_source("robustness")
    base, made = (source.pair("validation", 3, k, SIZE).recipe for k in ("base", "divergent045"))
    assert made["particles"] == base["particles"]
    drawn, other = (dict(r["scene"]["drawn"]) for r in (made, base))
    assert drawn["wavelength"] == other["wavelength"]
    assert drawn["divergent"] == 0.45
    assert other["divergent"] == 0.0


def test_the_classes_of_a_kind_share_their_numbers_but_not_the_splits() -> None:
    source = open_source("robustness")
    one, other = (source.pair(split, 3, "dim", SIZE) for split in ("validation", "test"))
    assert not np.allclose(one.u, other.u, atol=1e-3)


def test_resolution_waves_steps_and_cores_are_what_they_are_named_after() -> None:
    source = open_source("resolution")
    y, x = np.mgrid[:64, :300]
    for index in (0, 1):
        drawn = source.pair("validation", index, "sine256", (64, 300)).recipe["scene"]["drawn"]
        assert drawn["wavelength"] == 256
        assert drawn["angle"] == pytest.approx(index * np.pi / 2)
        made = source.pair("validation", index, "step0", (64, 300))
        drawn = made.recipe["scene"]["drawn"]
        c, s = np.cos(drawn["angle"]), np.sin(drawn["angle"])
        across = c * (y - drawn["origin_y"]) - s * (x - drawn["origin_x"])
        along = c * (made.u - drawn["mean_u"]) + s * (made.v - drawn["mean_v"])
        assert np.abs(along - np.sign(across)).max() < 1e-4  # a jump of 2 px
    for kind in ("rankine12", "lamb_oseen12"):
        made = source.pair("validation", 0, kind, (128, 140))
        drawn = made.recipe["scene"]["drawn"]
        y, x = np.mgrid[:128, :140]
        r = np.hypot(y - drawn["centre_y"], x - drawn["centre_x"])
        swirl = np.hypot(made.u - drawn["mean_u"], made.v - drawn["mean_v"])
        fastest = r.ravel()[np.argmax(swirl)]
        assert fastest == pytest.approx(12 if kind == "rankine12" else 1.12 * 12, abs=0.6)


def test_what_is_hidden_belongs_to_the_pair(evaluation: Source) -> None:
    made, hidden = evaluation.reveal("validation", 2, "wake", (96, 130))
    same = evaluation.pair("validation", 2, "wake", (96, 130))
    assert np.array_equal(made.pair.first, same.pair.first)
    inside = (hidden.y > 0) & (hidden.y < 95) & (hidden.x > 0) & (hidden.x < 129)
    row, column = (np.round(c[inside]).astype(int) for c in (hidden.y, hidden.x))
    # the nearest pixel is at most 0.7 px away, and only at the body is the gradient large
    assert np.median(np.abs(hidden.u[inside] - made.u[row, column])) < 0.02
    assert not made.pair.mask[row, column].mean() > 0.01
    assert (hidden.variance > 0).all()
    density = made.recipe["particles"]["density"]
    assert 0.5 * density < hidden.y.size / made.seeded.sum() < 1.1 * density


def test_slope_of_the_clean_image_is_its_derivative() -> None:
    """Of still particles without noise: the frames themselves have that slope."""
    clean = {
        "particles": {"diameter": 6.0, "loss_of_pairs": 0.0},
        "camera": {"noise": 0.0, "electrons": 0.0, "bits": 16, "offset": 0.0, "unevenness": 0.5},
        "scene": {"displacement": 0.0},
    }
    made, hidden = Source(recipe.override(recipe.load("robustness"), clean, "base")).reveal(
        "validation", 0, "base", SIZE
    )
    peak = 0.7 * (2**16 - 1)
    slope_y, slope_x = np.gradient(made.pair.first / peak)
    for found, slope in ((hidden.slope_x, slope_x), (hidden.slope_y, slope_y)):
        # a particle's derivative by its position is minus the image's by x; the finite
        # difference over 2 px makes it flatter at this size
        assert np.corrcoef(-slope[1:-1, 1:-1].ravel(), found[1:-1, 1:-1].ravel())[0, 1] > 0.97
        assert found.std() == pytest.approx(slope.std(), rel=0.15)


def test_mix_draws_classes_by_weight(training: Source) -> None:
    kinds = [training.pair("train", i, size=(32, 33)).kind for i in range(120)]
    weights = {
        kind: entry["weight"] for kind, entry in training.record["recipe"]["classes"].items()
    }
    share = weights["kinematic"] / sum(weights.values())
    assert abs(kinds.count("kinematic") / 120 - share) < 3 * (share * (1 - share) / 120) ** 0.5
    assert len(set(kinds)) > 7


def test_dataset_entry_point_is_registered() -> None:
    (found,) = entry_points(group="piv.data_sources", name="synth")
    assert found.load() is open_source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trial", 0, None, SIZE), "unknown split"),
        (("test", -1, None, SIZE), "index"),
        (("test", 0, "soup", SIZE), "no class 'soup'"),
        (("test", 0, None, (31, 64)), "32 to"),
        (("test", 0, None, (64, 10**6)), "32 to"),
    ],
)
def test_bad_requests(training: Source, arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        training.pair(*arguments)


def test_unknown_recipe_names_the_known() -> None:
    with pytest.raises(InputError, match="training"):
        open_source("trainin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[classes.soup]", "unknown flow 'soup'"),
        ("[classes.wake]\noptions = {radios = 3}", "no option 'radios'"),
        ("[classes.wake]\noptions = {radius = 0.1}", "radius of wake"),
        ("[classes.wake]\n[camera]\nnoize = 1", "did you mean noise"),
        ("[classes.wake]\n[camera]\nnoise = 7", "outside 0 to 1"),
        ("[classes.wake]\n[camera]\nnoise = [0.2, 0.1]", "no distribution"),
        ("[classes.wake]\n[camera]\nnoise = {log = [0, 1]}", "no distribution"),
        ("[classes.wake]\n[camera]\nnoise = {mix = [[1]]}", "no distribution"),
        ("[classes.wake]\n[camera]\nnoise = true", "no distribution"),
        ("size = [20, 64]\n[classes.wake]", "at least 32"),
        ("size = 64\n[classes.wake]", "height, width"),
        ("", "at least one table"),
        ("[classes.wake]\nsame_as = 'training'\nflow = 'wake'", "unknown entry 'flow'"),
        ("[classes.wake]\nsame_as = 'mine'", "another recipe"),
        ("[classes.soup]\nsame_as = 'training'", "no class soup"),
        ("[classes.", "no TOML"),
        ("classes = 3", "classes"),
        ("[classes]\nwake = 3", "classes.wake"),
        ("camera = 3\n[classes.wake]", "camera"),
        ("[classes.wake]\nweight = -1", "weight"),
        ("[classes.wake]\nweight = 'x'", "weight"),
        ("[classes.wake]\noptions = 3", "options"),
        ("[classes.wake]\nseeds_as = 'wall'", "seeds_as names a class"),
    ],
)
def test_bad_recipes(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PIVError, match=message) as caught:
        open_source(str(path))
    assert "\n" not in str(caught.value)


def test_own_recipe(tmp_path) -> None:
    path = tmp_path / "ünser rezept.toml"
    path.write_text(
        "size = [40, 50]\n[particles]\ndensity = 0.03\n[classes.jet]\ncamera = {bits = 12}\n",
        encoding="utf-8",
    )
    source = open_source(str(path))
    made = source.pair("train", 0)
    assert source.name == "ünser rezept"
    assert made.pair.shape == (40, 50)
    assert made.pair.first.dtype == np.uint16
    assert made.recipe["particles"]["density"] == 0.03


def test_distributions(rng: np.random.Generator) -> None:
    log = draws.parse_draw({"log": [1, 100]}, "x")
    values = [log.sample(rng) for _ in range(2000)]
    assert np.median(values) == pytest.approx(10, rel=0.15)
    mix = draws.parse_draw({"mix": [[3, 1.0], [1, [5, 6]]]}, "x")
    values = [mix.sample(rng) for _ in range(2000)]
    assert np.mean(np.array(values) == 1) == pytest.approx(0.75, abs=0.03)
    assert mix.bounds() == (1, 6)
    choice = draws.parse_draw({"choice": [8, 12]}, "x")
    assert {choice.sample(rng) for _ in range(50)} == {8, 12}


def test_override_changes_only_what_it_says() -> None:
    before = recipe.load("evaluation")
    after = recipe.override(before, {"particles": {"density": 0.2}}, "wake")
    assert after.classes["wake"].particles.density.values == (0.2,)
    assert after.classes["wall"] is before.classes["wall"]
    with pytest.raises(SettingsError, match="density"):
        recipe.override(before, {"particles": {"density": 2.0}})


def test_every_flow_reads_its_options() -> None:
    """An option changes the flow, of some draw at least."""
    frame = Frame((64, 80), "test", 1)
    for name, (draw, known) in scene.FLOWS.items():
        for option, (low, high) in known.items():
            if high <= 1:
                values = (low, high)
            elif high <= 10:
                values = (0.3, 3.0)
            elif high <= 200:
                values = (3.0, 7.0)
            else:
                values = (max(low, 12.0), max(2 * low, 30.0))
            changed = []
            for seed in range(6):
                drawn = [draw(np.random.default_rng(seed), frame, {option: v}) for v in values]
                one, other = (flows.on_grid(d.flow, (64, 80)) for d in drawn)
                changed.append(not torch.equal(one, other))
            assert any(changed), (name, option)
