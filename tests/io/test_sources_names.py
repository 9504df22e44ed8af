"""Which files belong together, by their names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piv.errors import InputError
from piv.io.sources.base import DoubtfulPairing
from piv.io.sources.names import pair_files, suspects
from piv.io.sources.pairing import jump, sequence_pairs


def _pairs(names: str, pairing: str | None = None, *, doubtful: bool = False) -> list[str]:
    found = pair_files(names.split(), pairing, "here", doubtful=doubtful)
    return [" ".join(pair) for pair in found.pairs]


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        ("x_a.tif x_b.tif", ["x_a.tif x_b.tif"]),
        ("x2_b.tif x10_b.tif x2_a.tif x10_a.tif", ["x2_a.tif x2_b.tif", "x10_a.tif x10_b.tif"]),
        ("0001a.png 0001b.png 0002a.png 0002b.png", ["0001a.png 0001b.png", "0002a.png 0002b.png"]),
        ("r1_LA.tif r1_LB.tif r2_LA.tif r2_LB.tif", ["r1_LA.tif r1_LB.tif", "r2_LA.tif r2_LB.tif"]),
        ("frameA_1.tif frameB_1.tif frameA_2.tif frameB_2.tif",
         ["frameA_1.tif frameB_1.tif", "frameA_2.tif frameB_2.tif"]),
        ("1_first.bmp 1_second.bmp 2_first.bmp 2_second.bmp",
         ["1_first.bmp 1_second.bmp", "2_first.bmp 2_second.bmp"]),
        ("run_0007_1.tif run_0007_2.tif run_0008_1.tif run_0008_2.tif",
         ["run_0007_1.tif run_0007_2.tif", "run_0008_1.tif run_0008_2.tif"]),
        ("SQG_00001_img1.tif SQG_00001_img2.tif SQG_00002_img1.tif SQG_00002_img2.tif",
         ["SQG_00001_img1.tif SQG_00001_img2.tif", "SQG_00002_img1.tif SQG_00002_img2.tif"]),
        ("p_0.tif p_1.tif q_0.tif q_1.tif", ["p_0.tif p_1.tif", "q_0.tif q_1.tif"]),
        ("b.tif a.tif", ["a.tif b.tif"]),
        ("Strömung²_1.tif Strömung²_2.tif", ["Strömung²_1.tif Strömung²_2.tif"]),
        ("渦1_a.tif 渦1_b.tif 渦2_a.tif 渦2_b.tif", ["渦1_a.tif 渦1_b.tif", "渦2_a.tif 渦2_b.tif"]),
        ("wave_10.tif wave_9.tif", ["wave_9.tif wave_10.tif"]),
    ],
)  # fmt: skip
def test_marks_tell_the_pairs(names: str, pairs: list[str]) -> None:
    assert _pairs(names) == pairs
    assert _pairs(" ".join(reversed(names.split()))) == pairs


@pytest.mark.parametrize(
    ("names", "guess"),
    [
        ("i1.tif i2.tif i3.tif i4.tif", "1-2,2-3"),
        ("one.tif two.tif three.tif", "1-2,2-3"),
        # a lone letter before the number may name two tests
        ("t_a_01.tif t_a_02.tif t_b_01.tif t_b_02.tif", "ab"),
        ("01_cam1.tif 01_cam2.tif 02_cam1.tif 02_cam2.tif", "ab"),
    ],
)
def test_what_is_in_doubt_is_not_paired(names: str, guess: str) -> None:
    with pytest.raises(DoubtfulPairing, match="name the pairing") as caught:
        _pairs(names)
    assert caught.value.guess == guess
    assert _pairs(names, doubtful=True) == _pairs(names, guess)


def test_a_sequence_is_paired_as_told_in_the_order_of_its_numbers() -> None:
    names = "i10.tif i7.tif i8.tif i9.tif"
    assert _pairs(names, "1-2,3-4") == ["i7.tif i8.tif", "i9.tif i10.tif"]
    assert _pairs(names, "1-2,2-3") == ["i7.tif i8.tif", "i8.tif i9.tif", "i9.tif i10.tif"]
    assert _pairs(names, "jump:2") == ["i7.tif i9.tif", "i8.tif i10.tif"]
    with pytest.raises(InputError, match="give no pair jump:4"):
        _pairs(names, "jump:4")


def test_no_pair_is_made_across_a_missing_frame() -> None:
    names = ["i01.tif", "i02.tif", "i03.tif", "i05.tif", "i06.tif"]
    series = pair_files(names, "1-2,2-3", "here")
    assert series.pairs == (("i01.tif", "i02.tif"), ("i02.tif", "i03.tif"), ("i05.tif", "i06.tif"))
    assert any("1 frame(s) missing" in note and "i03.tif" in note for note in series.notes)
    double = pair_files(names, "1-2,3-4", "here")
    assert double.pairs == (("i01.tif", "i02.tif"), ("i05.tif", "i06.tif"))


def test_numbers_that_rise_by_more_than_one_count_frames_all_the_same() -> None:
    assert _pairs("t000.tif t010.tif t020.tif t040.tif", "1-2,2-3") == [
        "t000.tif t010.tif", "t010.tif t020.tif"
    ]  # fmt: skip


def test_times_of_the_day_are_taken_in_their_order() -> None:
    found = pair_files(["s_120001.tif", "s_120107.tif", "s_120300.tif"], "1-2,2-3", "here")
    assert found.pairs == (("s_120001.tif", "s_120107.tif"), ("s_120107.tif", "s_120300.tif"))
    assert any("do not count" in note for note in found.notes)


def test_two_sequences_are_never_mixed() -> None:
    assert _pairs("p1.tif p2.tif q1.tif q2.tif q3.tif", "1-2,2-3") == [
        "p1.tif p2.tif", "q1.tif q2.tif", "q2.tif q3.tif"
    ]  # fmt: skip
    assert _pairs("01_cam1.tif 02_cam1.tif 01_cam2.tif 02_cam2.tif", "1-2,2-3") == [
        "01_cam1.tif 02_cam1.tif", "01_cam2.tif 02_cam2.tif"
    ]  # fmt: skip


def test_names_without_marks_cannot_be_paired_by_marks() -> None:
    with pytest.raises(InputError, match="differ only in a mark"):
        _pairs("i3.tif i4.tif i5.tif", "ab")


def test_images_that_are_no_frames_are_suspected() -> None:
    odd = {"bg_a.tif", "r_mask.tif", "calibTarget.png", "mean.tif", "scale2.tif"}
    assert suspects(["r_a.tif", "r_b.tif", *sorted(odd)]) == odd
    assert suspects(["flat_plate_a.tif", "grid_turbulence_b.tif", "jet_a.tif"]) == set()
    assert suspects(["r1_a.tif", "r1_b.tif", "grid_a.tif", "grid_b.tif"]) == {
        "grid_a.tif", "grid_b.tif"
    }  # fmt: skip
    # a word of the recording's own name says nothing
    assert suspects(["grid_turbulence_1.tif", "grid_turbulence_2.tif"]) == set()
    assert suspects(["imaged_a.tif", "meander_b.tif", "calibre.tif", "darkness.tif"]) == set()


@pytest.mark.parametrize("pairing", ["", "1-2", "jump:0", "jump:-1", "jump:x", "AB", "2-3"])
def test_an_unknown_pairing_is_refused(pairing: str) -> None:
    with pytest.raises(InputError, match="unknown pairing"):
        jump(pairing)


def test_the_pairings_of_a_sequence() -> None:
    assert sequence_pairs(range(5), "1-2,3-4") == [(0, 1), (2, 3)]
    assert sequence_pairs(range(4), "1-2,2-3") == [(0, 1), (1, 2), (2, 3)]
    assert sequence_pairs(range(5), "jump:3") == [(0, 3), (1, 4)]
    assert sequence_pairs([0, 1, 3, 4], "1-2,2-3") == [(0, 1), (2, 3)]


@given(st.sets(st.integers(0, 30), min_size=2), st.integers(1, 4))
def test_pairs_of_a_sequence_keep_their_distance(ranks: set[int], step: int) -> None:
    ordered = sorted(ranks)
    pairs = sequence_pairs(ordered, f"jump:{step}")
    assert {(ordered[a], ordered[b]) for a, b in pairs} == {
        (n, n + step) for n in ranks if n + step in ranks
    }
    double = sequence_pairs(ordered, "1-2,3-4")
    used = [place for pair in double for place in pair]
    assert len(used) == len(set(used))  # each frame once
    assert all(ordered[b] - ordered[a] == 1 for a, b in double)
    assert all((ordered[a] - ordered[0]) % 2 == 0 for a, _ in double)
