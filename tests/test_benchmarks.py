"""What the benchmarks make of scores: tables, ratios to the best peer, targets."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    """The modules of the benchmarks, which import each other by their plain names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield {name: importlib.import_module(name) for name in ("scoring", "report", "peers")}


def rows(scoring, figures):
    """One row for each (method, class) -> vector rms."""
    return [
        scoring.Row(method, "mine", kind, 2, {"vector_rms": value}, 0.1)
        for (method, kind), value in figures.items()
    ]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_ratio_is_to_the_best_peer_and_floors_are_no_peers(scripts):
    figures = {
        ("coarse", "wake"): 0.01, ("dense", "wake"): 0.1, ("a", "wake"): 0.4, ("b", "wake"): 0.2,
        ("floor: window", "wake"): 0.05,
        ("coarse", "wall"): 0.01, ("dense", "wall"): 0.3, ("a", "wall"): 0.1, ("b", "wall"): 0.8,
        ("floor: window", "wall"): 1e-9,
    }  # fmt: skip
    methods = ["coarse", "dense", "a", "b", "floor: window"]
    kinds = ["mine/wake", "mine/wall"]
    made = scripts["scoring"].table(rows(scripts["scoring"], figures), "vector_rms", methods, kinds)
    table = [cells(line) for line in made.splitlines()]
    # more methods than classes: these go downwards
    value = {line[0]: line[1:] for line in table[2:]}
    assert table[0][1:] == [*kinds, "geometric mean"]
    assert value["dense / best peer"] == ["0.500", "3.000", f"{(0.03 / 0.04) ** 0.5:.3f}"]
    assert value["floor: window"] == ["0.050", "0.000", "-"]  # no mean with a floor of nothing
    assert value["a"][2] == "0.200"


def test_a_figure_that_was_not_found_is_a_dash(scripts):
    made = scripts["scoring"].table(
        rows(scripts["scoring"], {("dense", "wake"): 0.1, ("floor: window", "wall"): 0.2}),
        "vector_rms", ["dense", "floor: window"], ["mine/wake", "mine/wall"],
    )  # fmt: skip
    assert cells(made.splitlines()[2]) == ["mine/wake", "0.100", "-"]


def test_results_are_written_with_every_figure(scripts, tmp_path, capsys):
    scoring = scripts["scoring"]
    method = scripts["peers"].Ours("coarse")
    many = [
        scoring.Row("coarse", "mine", "sine016", 2, {"vector_rms": 0.2, "gain": 0.9}, 0.1),
        scoring.Row("floor: window", "mine", "sine016", 2, {"vector_rms": 0.1, "width": 7.0}, 0.0),
    ]
    scoring.write(tmp_path, "one", "Title", many, [method], "validation")
    capsys.readouterr()
    text = (tmp_path / "one.md").read_text(encoding="utf-8")
    assert "Gain of waves" in text
    assert "sub-pixel" not in text  # no uniform flow is among the classes
    values = scripts["report"].read(tmp_path / "one.csv")
    assert values["coarse", "sine016"]["gain"] == 0.9
    assert values["floor: window", "sine016"]["width"] == 7
    assert scripts["report"].kinds_of(values) == ["sine016"]
    assert scripts["report"].peers_of(values) == []


def test_the_range_of_the_bias_is_of_means_over_tenths_of_a_pixel(scripts, tmp_path):
    path = tmp_path / "sweeps.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sweep", "class", "method", "varied", "result"])
        for n in range(40):
            true = np.float32(n / 20)
            writer.writerow(["bias", "uniform22", "dense", true, 0.01 * (n % 20 >= 10)])
            writer.writerow(["bias", "uniform22", "coarse", true, 0.5 * n])
    assert scripts["report"].half_range(path, "uniform22", "dense") == pytest.approx(0.005)


def test_the_truth_of_the_first_frame_is_that_of_mid_time_half_a_displacement_on(scripts):
    """A rigid rotation: what is at x in the first frame is at x + d/2 at mid-time."""
    y, x = np.mgrid[:40, :60].astype(float)
    u, v = -0.05 * (y - 20), 0.05 * (x - 30)
    first_u, first_v = scripts["peers"].truth_at("first frame", u, v)
    inner = (slice(5, -5), slice(5, -5))
    assert first_u[inner] == pytest.approx((-0.05 * (y + first_v / 2 - 20))[inner], abs=1e-4)
    assert first_v[inner] == pytest.approx((0.05 * (x + first_u / 2 - 30))[inner], abs=1e-4)


@pytest.mark.programs
def test_what_pivpy_has_as_well_agrees_with_it(monkeypatch):
    importlib.import_module("pivpy.pivpy")
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("pivpy_comparison")
    fields = module.travelling_waves()
    series = module.as_dataset(fields)
    stack = fields[0].replace(
        **{name: np.stack([getattr(each, name) for each in fields]) for name in ("u", "v", "flags")}
    )

    def accessor(dataset):
        return dataset.copy(deep=True).piv

    cases = [
        *module.derived(fields[0], stack, series, accessor),
        *module.statistical(fields, series, accessor),
    ]
    same = {case.name: module.apart(case) for case in cases if "theirs is over" not in case.remark}
    for name, apart in same.items():
        known = name in ("Γ2, radius 3", "dissipation, all gradients of the plane")
        assert (apart > 0.01) if known else (apart < 1e-7), name
