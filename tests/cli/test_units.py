"""Times and lengths on the command line."""

from __future__ import annotations

import argparse

import pytest

from piv.cli import units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2), ("2s", 2), ("0.5 ms", 5e-4), ("200us", 2e-4), ("200µs", 2e-4), ("200μs", 2e-4),
        ("35ns", 3.5e-8), ("2e-4", 2e-4), ("2E-4s", 2e-4), ("+1.5us", 1.5e-6), (".5s", 0.5),
    ],
)  # fmt: skip
def test_a_time(text: str, value: float) -> None:
    assert units.seconds(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("3m", 3), ("2cm", 0.02), ("0.021mm", 2.1e-5), ("21um", 2.1e-5), ("21 µm", 2.1e-5),
     ("500nm", 5e-7)],
)  # fmt: skip
def test_a_length(text: str, value: float) -> None:
    assert units.metres(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "us", "0", "0us", "-3us", "nan", "inf", "1e999", "3 fortnights", "1 2", "1,5ms", "S"],
)
def test_what_is_no_positive_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a positive time such as 200us"):
        units.seconds(text)


def test_a_round_number_stays_one() -> None:
    assert units.seconds("200us") == 200e-6 == 0.0002
    assert units.metres("21um") == 21e-6


def test_a_time_is_no_length() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a positive length"):
        units.metres("3ms")


def test_numbers() -> None:
    assert units.positive("2.5") == 2.5
    assert units.count("3") == 3
    for text in ("0", "-1", "1.5", "a"):
        with pytest.raises(argparse.ArgumentTypeError, match="whole number from 1"):
            units.count(text)
    with pytest.raises(argparse.ArgumentTypeError, match="positive number"):
        units.positive("3m")
