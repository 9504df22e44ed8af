"""The mean over mirrored, turned and reversed views of a pair."""

import numpy as np
import pytest
import torch

import piv
from piv.network.refine import tile_side
from piv.network.symmetry import VIEWS, Symmetry
from piv.presets import PRESETS
from piv.settings import from_dict
from synth.source import open_source

SIXTEEN = from_dict({"refine": {"views": 16, "precision": "float32"}})


@pytest.fixture(scope="module")
def pair():
    return open_source("evaluation").pair("validation", 0, kind="vortex", size=(96, 128))


def test_a_view_and_back_is_the_same():
    field, image = torch.rand(2, 2, 24, 40), torch.rand(2, 1, 24, 40)
    for view in VIEWS:
        assert torch.equal(view.displacement_back(view.displacement(field)), field)
        assert torch.equal(view.image_back(view.image(image)), image)
    assert len(set(VIEWS)) == 16
    assert VIEWS[0] == Symmetry()


def test_two_four_and_eight_views_are_groups():
    """Seen in any of its own views, a set of views stays the same set."""
    field = torch.rand(1, 2, 16, 16)

    def seen(n):
        return [view.displacement(field).numpy().tobytes() for view in VIEWS[:n]]

    for n in (2, 4, 8, 16):
        for view in VIEWS[:n]:
            again = [v.displacement(view.displacement(field)).numpy().tobytes() for v in VIEWS[:n]]
            assert sorted(again) == sorted(seen(n))


def test_sixteen_views_make_the_network_exactly_symmetric(pair):
    """One view is symmetric to a few hundredths of a px only; the coarse start is to 1e-4 px."""
    model = piv.load_model("default")

    def measured(first, second, settings):
        field = piv.analyse(first, second, settings=settings, model=model).dense
        return np.stack((field.u, field.v)), np.stack((field.uncertainty_u, field.uncertainty_v))

    first, second = pair.pair.first, pair.pair.second
    views = {
        "mirror": (first[:, ::-1], second[:, ::-1]),
        "turn": (np.rot90(first), np.rot90(second)),
        "reverse": (second, first),
    }
    back = {
        "mirror": lambda f: np.stack((-f[0][:, ::-1], f[1][:, ::-1])),
        "turn": lambda f: np.stack((-np.rot90(f[1], -1), np.rot90(f[0], -1))),
        "reverse": lambda f: -f,
    }
    one = from_dict({"refine": {"views": 1, "precision": "float32"}})
    for settings, limit, least in ((SIXTEEN, 0.002, 0.0), (one, 0.05, 0.005)):
        still, _ = measured(first, second, settings)
        for name, frames in views.items():
            moved, _ = measured(*(np.ascontiguousarray(frame) for frame in frames), settings)
            difference = np.sqrt(np.mean((back[name](moved) - still) ** 2))
            assert least <= difference < limit, name


def test_more_views_have_less_error_and_say_so():
    """Smaller errors and, by the variance between the views, a smaller uncertainty in step."""
    model, source = piv.load_model("default"), open_source("evaluation")
    kinds = ("kinematic", "uniform", "loss20", "wall")
    trues = [source.pair("validation", 1, kind=kind, size=(128, 160)) for kind in kinds]
    errors, covered = {}, {}
    for views in (1, 8):
        settings = from_dict({"refine": {"views": views}})
        ratios, lengths = [], []
        for true in trues:
            field = piv.analyse(true.pair, settings=settings, model=model).dense
            where = np.zeros(field.shape, dtype=bool)
            where[8:-8, 8:-8] = True
            if true.pair.mask is not None:
                where &= ~true.pair.mask
            du, dv = (field.u - true.u)[where], (field.v - true.v)[where]
            lengths.append(np.hypot(du, dv).mean())
            ratios += [np.abs(du) / field.uncertainty_u[where]]
            ratios += [np.abs(dv) / field.uncertainty_v[where]]
        errors[views] = np.exp(np.mean(np.log(lengths)))
        covered[views] = np.mean(np.concatenate(ratios) <= 1)
    assert errors[8] < 0.96 * errors[1]
    assert abs(covered[8] - covered[1]) < 0.04


def test_the_preset_best_looks_eight_times():
    assert PRESETS["best"].settings.refine.views == 8
    with pytest.raises(piv.SettingsError, match=r"refine\.views must be between 1 and 16"):
        from_dict({"refine": {"views": 17}})


def test_tiles_and_views_go_together():
    """Blended tiles of averaged views are the average of the whole."""
    true = open_source("evaluation").pair("validation", 0, kind="uniform", size=(288, 640))
    fields = {}
    for memory in (2.0, 0.1):
        settings = from_dict({"refine": {"views": 2, "memory": memory}})
        fields[memory] = piv.analyse(true.pair, settings=settings).dense
    assert tile_side(288, 640, 0.1) < 640
    for name in ("u", "uncertainty_u"):
        whole, tiled = (getattr(fields[memory], name) for memory in (2.0, 0.1))
        assert np.abs(whole - tiled).max() < 0.02
