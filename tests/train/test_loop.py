"""A run learns, is reproducible, and goes on from its checkpoint as if nothing had happened."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from piv.errors import InputError, SettingsError, WeightsError
from piv.network.weights import Model, curve_at, load_model, read_weights
from piv.train import checkpoint
from piv.train.calibration import (
    calibrate_uncertainty,
    interval_factor,
    median_of_finite,
    scale_curve,
)
from piv.train.loop import Training, open_run
from piv.train.progress import Plan
from train.test_optimiser import assert_same


def run_of(recipe, folder, source, steps, **options):
    folder.mkdir(parents=True, exist_ok=True)
    return Training(recipe, folder, Plan(steps=steps), source=source, **options)


def same(a, b):
    return all(
        torch.equal(x, y)
        for one, other in ((a.network, b.network), (a.average, b.average))
        for x, y in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, source, tiny):
    """Eight steps without interruption."""
    run = run_of(tiny, tmp_path_factory.mktemp("whole run"), source, 8)
    assert run.run()
    return run


def test_one_batch_is_learned(tmp_path, source, tiny):
    recipe = dataclasses.replace(tiny, reuse=1, learning_rate=3e-3)
    run = run_of(recipe, tmp_path, source, 1000)
    batch = run.data.batch(0)
    # least squares finds the truth by itself: what is off by 0.3 px must be learned
    always = dataclasses.replace(batch, truth=batch.truth + 0.3)
    run.data.batch = lambda step: always
    steps = [run._one_step(0.0) for _ in range(60)]
    losses, errors = zip(*steps, strict=True)
    assert np.mean(losses[-5:]) < losses[0] - 1.2  # measured: falls by 1.7 to 2.1
    assert np.mean(errors[-5:]) < 0.3 * errors[0]  # measured: 0.14 to 0.19


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    tmp_path, source, tiny, finished
):
    again = run_of(tiny, tmp_path / "again", source, 8)
    again.run()
    assert same(finished, again)
    other = run_of(dataclasses.replace(tiny, seed=9), tmp_path / "other", source, 8)
    assert not same(finished, other)


@pytest.mark.parametrize("steps", [1, 5])
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path, source, tiny, finished, steps):
    first = run_of(tiny, tmp_path, source, 8)
    seen = []
    assert not first.run(seen.append, lambda: len(seen) >= steps)
    second = Training.resume(tiny, tmp_path, source=source)
    assert second.step == steps
    assert second.run()
    assert second.step == 8
    assert same(finished, second)


def test_with_muon_and_the_scale_of_the_pair_a_resumed_run_equals_the_uninterrupted_one(
    tmp_path, source, tiny
):
    recipe = dataclasses.replace(tiny, optimiser="muon", scale_of="pair", emphasis=0.05)
    whole = run_of(recipe, tmp_path / "whole", source, 6)
    assert whole.run()
    first = run_of(recipe, tmp_path / "parts", source, 6)
    first.run(should_stop=lambda: first.step >= 3)
    second = Training.resume(None, tmp_path / "parts", source=source)
    assert second.recipe.optimiser == "muon"
    assert second.run()
    assert same(whole, second)
    assert_same(whole.optimiser.state_dict(), second.optimiser.state_dict())
    for change in ({"optimiser": "adamw"}, {"scale_of": "pixel"}):  # and both matter
        other = run_of(dataclasses.replace(recipe, **change), tmp_path / "other", source, 6)
        other.run()
        assert not same(whole, other)
        with pytest.raises(SettingsError, match=f"{next(iter(change))} differ"):
            Training.resume(other.recipe, tmp_path / "parts", source=source)


def test_a_checkpoint_of_another_version_is_told_apart(tmp_path, finished):
    state = torch.load(finished.output / checkpoint.NAME, weights_only=True)
    torch.save({**state, "version": checkpoint.VERSION - 1}, tmp_path / checkpoint.NAME)
    with pytest.raises(InputError, match="not of this version: start the run anew"):
        checkpoint.read(tmp_path / checkpoint.NAME)


def test_a_resumed_run_knows_its_recipe_and_its_time(tmp_path, source, tiny):
    first = run_of(tiny, tmp_path, source, 4)
    first.run(should_stop=lambda: True)
    second = Training.resume(None, tmp_path, source=source)
    assert second.recipe.to_dict() == first.recipe.to_dict()
    assert second.recipe.refinement_steps == 3  # the recipe leaves it open
    assert second.plan == Plan(steps=4)
    assert second.clock.core >= first.clock.core > 0


def test_another_recipe_cannot_resume_a_run(tmp_path, source, tiny):
    run_of(tiny, tmp_path, source, 4).run(should_stop=lambda: True)
    with pytest.raises(SettingsError, match=r"another recipe \(batch, clip differ\)"):
        Training.resume(dataclasses.replace(tiny, batch=1, clip=2.0), tmp_path, source=source)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path, source, tiny):
    run_of(tiny, tmp_path, source, 4).run(should_stop=lambda: True)
    with pytest.raises(InputError, match="already holds a run"):
        open_run(tiny, tmp_path)


def test_what_concerns_the_export_alone_may_change(tmp_path, source, tiny):
    run_of(tiny, tmp_path, source, 1).run()
    both = "synth:evaluation; synth:resolution"
    other = dataclasses.replace(tiny, calibration=both, calibration_pairs=3)
    run = Training.resume(other, tmp_path, source=source)
    assert run.recipe.calibration_pairs == 3
    assert [one.name for one in run.calibrated_on] == ["evaluation", "resolution"]


def test_a_wrong_source_of_the_calibration_is_told_at_once(tmp_path, source, tiny):
    wrong = dataclasses.replace(tiny, calibration="synth:evaluation; synth:evalution")
    with pytest.raises(InputError, match="evalution"):
        run_of(wrong, tmp_path, source, 1)
    assert run_of(tiny, tmp_path, source, 1).calibrated_on == [source]


def test_there_must_be_something_to_resume(tmp_path, tiny):
    with pytest.raises(InputError, match="cannot read the checkpoint"):
        open_run(tiny, tmp_path, resume=True)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 half a file"])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / checkpoint.NAME
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        checkpoint.read(path)


def test_a_truncated_checkpoint_is_refused(tmp_path, finished):
    content = (finished.output / checkpoint.NAME).read_bytes()
    path = tmp_path / checkpoint.NAME
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.read(path)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / checkpoint.NAME
    torch.save({"version": 1, "call": print}, path)
    with pytest.raises(InputError, match="damaged"):
        checkpoint.read(path)


def test_the_learning_rate_rises_then_falls_to_zero(tmp_path, source, tiny):
    run = run_of(tiny, tmp_path, source, 6)
    rates = []
    run.run(lambda progress: rates.append(run.optimiser.rate))
    expected = [8e-4 * min(1, (n + 1) / 2) * (1 - n / 6) for n in range(6)]
    assert rates[:6] == pytest.approx(expected)


def test_progress_by_minutes():
    plan = Plan(minutes=2)
    assert plan.progress(10**9, 30.0) == 0.25
    assert plan.progress(0, 500.0) == 1.0


@pytest.mark.parametrize(
    "options", [{}, {"steps": 1, "minutes": 1.0}, {"steps": 0}, {"minutes": -1}]
)
def test_a_plan_is_in_steps_or_in_minutes(options):
    with pytest.raises(SettingsError):
        Plan(**options)


def test_the_curve_is_a_table_and_a_figure(finished):
    lines = (finished.output / "curve.csv").read_text("utf-8").splitlines()
    header = "step,minutes,learning_rate,loss,endpoint_error,validation shear,validation masked"
    assert lines[0] == header
    assert lines[-1].split(",")[0] == "8"
    values = [float(value) for value in lines[-1].split(",")]
    assert all(math.isfinite(value) for value in values)


def test_the_figure_of_the_curve_appears_with_the_second_row(tmp_path, source, tiny):
    from piv.train import curve

    rows = [
        {"step": n, "loss": 1.0 / n, "endpoint_error": 0.5 / n, "validation": {"shear": 0.4 / n}}
        for n in (1, 2, 3)
    ]
    curve.write(tmp_path, rows)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_weights_hold_their_record(tmp_path, finished, source):
    path = tmp_path / "tiny.safetensors"
    sha256 = finished.export(path, "tiny-1")
    model = load_model(path)
    record = model.record
    assert model.sha256 == sha256
    assert record["name"] == "tiny-1"
    assert record["steps"] == 8
    assert record["crops"] == 16
    assert record["recipe"] == finished.recipe.to_dict()
    assert record["source"]["record"] == source.record
    assert record["seeds"] == [1]
    assert record["core_minutes"] >= 0
    assert record["metrics"]["validation_mean_endpoint_error"].keys() == {"shear", "masked"}
    assert "version" in record["code"]
    assert 0 < model.interval_68 < model.interval_95
    for name, tensor in finished.average.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor)
    assert not model.network.training
    assert json.dumps(dict(record))


def test_training_goes_on_from_weights_with_other_pairs(tmp_path, finished, source):
    path = tmp_path / "first.safetensors"
    finished.export(path, "first")
    recipe = finished.recipe
    second = run_of(recipe, tmp_path / "second", source, 3, start_from=path)
    begun = dict(second.network.state_dict())
    assert all(torch.equal(begun[k], v) for k, v in finished.average.state_dict().items())
    assert second.data.index(0) != finished.data.index(0)
    second.run()
    second.export(tmp_path / "second.safetensors", "second")
    record = read_weights(tmp_path / "second.safetensors")[1]
    assert [stage["name"] for stage in record["stages"]] == ["first", "second"]
    assert record["stages"][0]["sha256"] == load_model(path).sha256
    assert record["steps"] == 11
    assert record["seeds"] == [1, 1]


def test_weights_of_another_network_cannot_begin(tmp_path, finished, source):
    path = tmp_path / "first.safetensors"
    finished.export(path, "first")
    other = dataclasses.replace(finished.recipe, network={**finished.recipe.network, "radius": 2})
    with pytest.raises(WeightsError, match="another network than the recipe"):
        run_of(other, tmp_path / "run", source, 3, start_from=path)


def test_a_recipe_that_names_no_network_takes_that_of_the_weights(tmp_path, finished, source):
    path = tmp_path / "first.safetensors"
    two = run_of(dataclasses.replace(finished.recipe, refinement_steps=2), tmp_path, source, 1)
    two.run()
    two.export(path, "first")
    own = dataclasses.replace(finished.recipe, network={}, refinement_steps=0)
    run = run_of(own, tmp_path / "run", source, 2, start_from=path)
    assert run.network.config == finished.network.config
    assert run.recipe.refinement_steps == 2
    run.run(should_stop=lambda: True)
    assert Training.resume(own, tmp_path / "run", source=source).recipe == run.recipe
    run.export(tmp_path / "run.safetensors", "run")
    assert load_model(tmp_path / "run.safetensors").steps == 2
    named = dataclasses.replace(own, refinement_steps=3)
    assert run_of(named, tmp_path / "3", source, 1, start_from=path).recipe.refinement_steps == 3


def test_the_fields_in_which_networks_differ_are_named(tmp_path, finished, source):
    path = tmp_path / "first.safetensors"
    finished.export(path, "first")
    other = dataclasses.replace(finished.recipe, network={**finished.recipe.network, "radius": 2})
    with pytest.raises(WeightsError, match=r"to it \(radius 1 against 2\): leave the table"):
        run_of(other, tmp_path / "run", source, 3, start_from=path)


def test_a_changed_recipe_of_the_generator_is_noticed_at_resume(tmp_path, tiny, monkeypatch):
    mix = tmp_path / "my mix.toml"
    mix.write_text("size = [64, 64]\n[classes.uniform]\n", "utf-8")
    recipe = tmp_path / "own.toml"
    values = {**tiny.to_dict(), "source": "synth:my mix.toml"}
    network = values.pop("network")
    lines = [f"{k} = {json.dumps(v)}" for k, v in values.items()] + ["[network]"]
    lines += [f"{k} = {json.dumps(v)}" for k, v in network.items()]
    recipe.write_text("\n".join(lines), "utf-8")
    run = tmp_path / "run"
    open_run(recipe, run, steps=2).run(should_stop=lambda: True)  # found beside the recipe
    monkeypatch.chdir(tmp_path.parent)
    assert open_run(None, run, resume=True).step == 1
    assert open_run(recipe, run, resume=True).step == 1
    # run and recipe moved together, and the generator's recipe into the folder of the run
    moved = tmp_path / "moved"
    run.rename(moved)
    mix.rename(moved / mix.name)
    assert open_run(None, moved, resume=True).step == 1
    assert open_run(recipe, moved, resume=True).step == 1
    moved.rename(run)
    (run / mix.name).rename(mix)
    mix.write_text("size = [64, 64]\n[classes.uniform]\n[classes.vortex]\n", "utf-8")
    with pytest.raises(SettingsError, match=r"generator \(classes differ\): bring synth:.*my mix"):
        open_run(None, run, resume=True)


def test_a_larger_network_goes_on_from_a_smaller_one(tmp_path, finished, source):
    path = tmp_path / "small.safetensors"
    finished.export(path, "small")
    widths = [width + 4 for width in finished.recipe.network["image_widths"]]
    larger = dataclasses.replace(
        finished.recipe, network={**finished.recipe.network, "image_widths": widths}
    )
    run = run_of(larger, tmp_path / "run", source, 3, start_from=path)
    again = run_of(larger, tmp_path / "again", source, 3, start_from=path)
    for name, tensor in run.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    batch = run.data.batch(0)
    small = load_model(path).network
    with torch.no_grad():
        results = [
            net(batch.first, batch.second, batch.start, batch.fluid)[-1].displacement
            for net in (small, run.network.eval())
        ]
    torch.testing.assert_close(*results, atol=1e-4, rtol=0)


def test_the_first_step_of_other_weights_takes_its_place(tmp_path, finished, source):
    path, donor = tmp_path / "later.safetensors", tmp_path / "donor.safetensors"
    finished.export(path, "later")
    other = run_of(dataclasses.replace(finished.recipe, seed=2), tmp_path / "other", source, 1)
    other.run()
    sha256 = other.export(donor, "donor")
    recipe = dataclasses.replace(finished.recipe, first_step_from=str(donor))
    run = run_of(recipe, tmp_path / "run", source, 1, start_from=path)
    given = load_model(donor).network.state_dict()
    for name, tensor in run.network.state_dict().items():
        origin = given if name.startswith("first_step.") else finished.average.state_dict()
        assert torch.equal(tensor, origin[name])
    run.run()
    again = Training.resume(None, tmp_path / "run", source=source)
    assert again.step == 1
    for name, tensor in run.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    run.export(tmp_path / "both.safetensors", "both")
    stages = read_weights(tmp_path / "both.safetensors")[1]["stages"]
    assert stages[0]["first_step_from"] == {"name": "donor", "sha256": sha256}
    narrow = [width - 1 for width in recipe.network["image_widths"]]
    slim = dataclasses.replace(recipe, network={**recipe.network, "first_widths": narrow})
    with pytest.raises(WeightsError, match="another size than that of the recipe"):
        run_of(slim, tmp_path / "slim", source, 1, start_from=path)
    with pytest.raises(SettingsError, match="for a run that starts from other weights"):
        run_of(recipe, tmp_path / "random", source, 1)


def test_a_small_network_begins_with_a_wide_one_and_learns_from_its_teacher(
    tmp_path, finished, source
):
    path = tmp_path / "wide.safetensors"
    sha256 = finished.export(path, "wide")
    narrow = [width - 1 for width in finished.recipe.network["image_widths"]]
    plain = dataclasses.replace(
        finished.recipe, network={**finished.recipe.network, "image_widths": narrow}
    )
    alone = run_of(plain, tmp_path / "alone", source, 2, start_from=path)
    for step in ("first_step", "later_steps"):
        bias = getattr(alone.network, step).head.bias
        assert torch.equal(bias, getattr(finished.average, step).head.bias)
    recipe = dataclasses.replace(plain, teacher=str(path))
    run = run_of(recipe, tmp_path / "run", source, 2, start_from=path)
    batch = run.data.batch(0)
    wide = load_model(path).network
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        wanted = wide(batch.first, batch.second, batch.start, batch.fluid, 3)[-1].displacement
    torch.testing.assert_close(run.learner._taught(batch), wanted, atol=0.05, rtol=0)
    alone.run()
    run.run()
    assert not torch.equal(alone.network.first_step.head.bias, run.network.first_step.head.bias)
    run.export(tmp_path / "small.safetensors", "small")
    stages = read_weights(tmp_path / "small.safetensors")[1]["stages"]
    assert stages[-1]["teacher"] == {"name": "wide", "sha256": sha256}
    assert Training.resume(None, tmp_path / "run", source=source).step == 2
    finished.export(path, "another name")  # other bytes under the same name
    with pytest.raises(WeightsError, match="not the one that the run began with"):
        Training.resume(None, tmp_path / "run", source=source)
    with pytest.raises(SettingsError, match="teacher names weights, or is empty"):
        run_of(dataclasses.replace(plain, teacher="none"), tmp_path / "none", source, 1)
    other = dataclasses.replace(plain, network={**plain.network, "radius": 3})
    with pytest.raises(WeightsError, match="not one that can grow or be narrowed"):
        run_of(other, tmp_path / "other", source, 1, start_from=path)
    with pytest.raises(WeightsError):
        run_of(
            dataclasses.replace(plain, teacher="ccfcn-1900.1"), tmp_path / "no", source, 1,
            start_from=path,
        )  # fmt: skip


def test_a_checkpoint_from_before_an_option_existed_goes_on(tmp_path, source, tiny):
    run = run_of(tiny, tmp_path, source, 2)
    run.run()
    state = checkpoint.read(tmp_path / checkpoint.NAME)
    del state["recipe"]["first_step_from"], state["version"], state["network_config"]["spline"]
    checkpoint.write(tmp_path / checkpoint.NAME, state)
    assert Training.resume(tiny, tmp_path, source=source).step == 2


def test_an_unusable_network_table_is_named(tmp_path, source, tiny):
    with pytest.raises(SettingsError, match="table network"):
        run_of(dataclasses.replace(tiny, network={"depth": 3}), tmp_path, source, 3)


def test_intervals_hold_what_they_say_on_known_ratios():
    rng = np.random.default_rng(5)
    few, many = np.abs(rng.laplace(size=2000)), np.abs(3 * rng.laplace(size=50000))
    factor = interval_factor([few, many], 0.683)
    shares = [np.mean(part <= factor) for part in (few, many)]
    assert np.mean(shares) == pytest.approx(0.683, abs=1e-3)  # the classes count equally
    assert interval_factor([few], 0.683) == pytest.approx(-math.log(1 - 0.683), rel=0.06)


def test_the_curve_makes_small_and_large_scales_hold_alike():
    rng = np.random.default_rng(6)
    scales = [rng.normal(math.log(0.01), 0.3, 90000), rng.normal(math.log(0.2), 0.6, 20000)]
    errors = [np.abs(rng.laplace(size=s.size)) * np.exp(s) for s in scales]
    errors[0] *= 0.8  # the best images state too much, by no power of the scale
    curve = scale_curve(errors, scales, 0.683)
    places, heights = zip(*curve, strict=True)
    assert list(places) == sorted(places)
    assert heights[1] - heights[-2] == pytest.approx(math.log(0.8), abs=0.05)
    factors = [np.exp(np.interp(s, places, heights)) for s in scales]
    ratios = [e / (np.exp(s) * f) for e, s, f in zip(errors, scales, factors, strict=True)]
    factor = interval_factor(ratios, 0.683)
    assert factor == pytest.approx(1.0, abs=0.01)
    for part in ratios:
        assert np.mean(part <= factor) == pytest.approx(0.683, abs=0.01)
    # without it one is too wide and the other too narrow
    plain = [e / np.exp(s) for e, s in zip(errors, scales, strict=True)]
    factor = interval_factor(plain, 0.683)
    assert np.mean(plain[0] <= factor) > 0.71
    assert np.mean(plain[1] <= factor) < 0.65


def test_a_curve_bends_so_far_and_needs_scales_to_be_told_from():
    rng = np.random.default_rng(6)
    scales = rng.normal(math.log(0.05), 1.0, 20000)
    heights = [height for _, height in scale_curve([np.exp(3 * scales)], [scales], 0.683)]
    assert max(heights) - min(heights) == pytest.approx(1.0)
    assert scale_curve([np.exp(scales)], [0.01 * scales], 0.683) == []
    assert scale_curve([], [], 0.683) == []
    assert scale_curve([np.zeros(50)], [np.linspace(-4, 0, 50)], 0.683) == []
    assert not curve_at([], torch.from_numpy(scales)).any()


def test_the_half_width_grows_as_the_power_says(finished):
    factor, power = 1.3, 0.07
    model = Model("name", "", {}, finished.average, factor, 2.5, power)
    log_scale = torch.tensor([math.log(0.05), math.log(0.2)])
    wanted = [factor * 0.05, factor * 0.2 * (0.2 / 0.05) ** power]
    assert model.half_width(log_scale).tolist() == pytest.approx(wanted)


def test_the_half_width_follows_the_curve(finished):
    curve = ((-5.0, -0.2), (-3.0, 0.1), (-1.0, 0.0))
    model = Model("name", "", {}, finished.average, 1.1, 2.2, 0.0, curve)
    log_scale = torch.linspace(-9, 3, 400).reshape(1, 2, 10, 20)
    values = log_scale.numpy()
    wanted = 1.1 * np.exp(values + np.interp(values, *zip(*curve, strict=True)))
    np.testing.assert_allclose(model.half_width(log_scale), wanted, rtol=2e-3)


def test_the_classes_of_all_sources_count_equally(finished, source):
    """Twice the same source changes no factor; other pairs do, and every class is named."""

    @dataclasses.dataclass(frozen=True)
    class Renamed:
        name: str
        of: Any
        classes: tuple[str, ...]

        def pair(self, split, index, kind, size):
            return self.of.pair(split, index + (100 if self.name == "other" else 0), kind, size)

    def factors(*sources):
        found = calibrate_uncertainty(finished.average, sources, finished.recipe, pairs=2)
        return found, [found["interval_68"], found["interval_95"], *np.ravel(found["curve"])]

    copy, other = (Renamed(name, source, source.classes) for name in ("copy", "other"))
    _, alone = factors(source)
    twice, same = factors(source, copy)
    _, differing = factors(source, other)
    assert same == pytest.approx(alone)
    assert differing != pytest.approx(alone)
    names = [f"{name}/{kind}" for name in (source.name, "copy") for kind in source.classes]
    assert list(twice["coverage"]) == names


def test_calibration_reports_the_coverage_of_its_classes(finished, source):
    found = calibrate_uncertainty(finished.average, [source], finished.recipe, pairs=2)
    assert np.mean(list(found["coverage"].values())) == pytest.approx(0.683, abs=0.01)
    assert found["pairs_per_class"] == 2
    # errors of neighbouring pixels come from the same particles, those of distant ones do not
    assert 1 < found["error_correlation_length"] < 24
    assert median_of_finite([math.nan, 3.0, 1.0, math.inf]) == 2.0
    assert math.isnan(median_of_finite([math.nan]))
