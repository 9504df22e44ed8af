"""Batches: true under every symmetry, reproducible, never the same pair twice in a row."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from piv.errors import InputError
from piv.settings import CorrelateSettings, ValidateSettings
from piv.spline import coefficients, deform_pair
from piv.train.data import TrainingData, assemble, crop, join, transform
from piv.train.held_out import held_out
from piv.train.source import open_source


def zero_start(first, second, fluid, correlate, validate):
    return torch.zeros(len(first), 2, *first.shape[-2:])


@pytest.fixture(scope="module")
def batch(source):
    pairs = [source.pair("train", index, kind="shear", size=(64, 96)) for index in range(2)]
    made = assemble(pairs, CorrelateSettings(windows=(32,), repeats=1), ValidateSettings())
    return dataclasses.replace(made, start=made.truth + 0.25)


def likeness(batch, displacement):
    """Correlation of the two frames after both were moved to mid-time by ``displacement``."""
    frames = [coefficients(frame, 3) for frame in (batch.first, batch.second)]
    moved = deform_pair(*frames, displacement, 3)
    a, b = (frame[..., 8:-8, 8:-8].flatten() for frame in moved)
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@pytest.mark.parametrize("switches", list(itertools.product([False, True], repeat=4)))
def test_the_truth_still_maps_one_frame_onto_the_other(batch, switches):
    names = ("mirror_x", "mirror_y", "transpose", "swap")
    moved = transform(batch, **dict(zip(names, switches, strict=True)))
    assert likeness(moved, moved.truth) > 0.99  # measured: 0.9963 in all sixteen
    assert likeness(moved, -moved.truth) < 0.1  # measured: 0.00
    # the start moves along with the truth: its error of (0.25, 0.25) px keeps its size
    difference = (moved.start - moved.truth).abs()
    torch.testing.assert_close(difference, torch.full_like(difference, 0.25))


def test_masks_move_with_the_images(source):
    pair = source.pair("train", 0, kind="masked", size=(64, 80))
    made = assemble([pair], CorrelateSettings(windows=(32,), repeats=1), ValidateSettings())
    turned = transform(made, mirror_x=True, mirror_y=False, transpose=True, swap=False)
    assert not made.fluid[0, 0, 0, 0]
    assert not turned.fluid[0, 0, -1, 0]
    assert turned.fluid[0, 0, 0, -1]
    assert turned.seeded.sum() == made.seeded.sum()
    assert torch.equal(turned.seeded[0, 0], made.seeded[0, 0].flip(-1).T)


def test_a_crop_is_a_part(batch):
    part = crop(batch, 5, 11, 40)
    assert part.first.shape == (2, 1, 40, 40)
    assert torch.equal(part.truth, batch.truth[..., 5:45, 11:51])


def test_a_batch_depends_on_its_step_alone(source, tiny):
    forwards = TrainingData(source, tiny, coarse_start=zero_start)
    every = [forwards.batch(step) for step in range(9)]
    later = TrainingData(source, tiny, coarse_start=zero_start)
    for step in (7, 3, 8):
        for name in ("first", "second", "start", "truth", "seeded", "fluid"):
            assert torch.equal(getattr(later.batch(step), name), getattr(every[step], name))


def test_pairs_are_reused_but_not_in_consecutive_steps(tiny):
    indices = list(range(3 * tiny.pool * tiny.reuse))
    shown = [pairs_of(tiny, step) for step in indices]
    for now, after in itertools.pairwise(shown):
        assert not set(now) & set(after)
    counts = np.bincount([number for step in shown for number in step])
    assert (counts == tiny.reuse).all()


def pairs_of(recipe, step):
    """Numbers of the pairs in a step, read off constant images."""

    class Numbered:
        name, classes, record = "numbered", ("a",), {}

        def pair(self, split, index, kind=None, size=None):
            value = np.full(size, index % (1 << 26), np.float32)
            from piv.types import ImagePair, TruePair

            return TruePair(ImagePair(value, value), value, value)

    data = TrainingData(Numbered(), recipe, coarse_start=zero_start)
    return [int(image.max()) for image in data.batch(step).first]


def test_no_two_runs_share_a_pair(source, tiny):
    other = dataclasses.replace(tiny, seed=2)
    runs = [
        TrainingData(source, recipe, stage=stage, rank=rank, processes=2)
        for recipe in (tiny, other)
        for stage in (0, 1)
        for rank in (0, 1)
    ]
    indices = [run.index(number) for run in runs for number in range(50)]
    assert len(set(indices)) == len(indices)
    assert max(indices) < 1 << 40  # what the generator takes


def test_too_many_stages_are_refused(source, tiny):
    with pytest.raises(InputError, match="at most 64"):
        TrainingData(source, tiny, stage=64)


def test_splits_of_the_generator_never_meet():
    source = open_source("synth:training")
    frames = [
        source.pair(split, index, size=(32, 48)).pair.first.tobytes()
        for split in ("train", "validation", "test")
        for index in range(4)
    ]
    assert len(set(frames)) == len(frames)


def test_the_same_pair_comes_again():
    source = open_source("synth:training")
    a, b = (source.pair("train", 17, size=(48, 64)) for _ in range(2))
    assert np.array_equal(a.pair.first, b.pair.first)
    assert np.array_equal(a.u, b.u)


def test_held_out_pairs_have_the_real_coarse_stage(source):
    batches = held_out(source, "validation", 1, (64, 96))
    assert list(batches) == list(source.classes)
    shear = batches["shear"]
    error = (shear.start - shear.truth)[..., 16:-16, 16:-16].square().mean().sqrt()
    assert error < 0.02  # measured: 0.006 px


def test_batches_join(batch):
    both = join([batch, batch])
    assert len(both) == 4
    assert torch.equal(both.first[2:], batch.first)


def test_an_unknown_source_names_the_known_ones():
    with pytest.raises(InputError, match="known are synth"):
        open_source("nobody:training")
