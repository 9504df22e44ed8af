"""Which frames of a sequence belong together.

Frames are numbered from 1 in the names of pairings: ``1-2,3-4`` (double frames: every frame is
used once), ``1-2,2-3`` (time-resolved: every frame with the next), ``jump:K`` (every frame with
the K-th after it).  ``ab`` pairs files by the marks in their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from piv.errors import InputError
from piv.io.sources.base import DoubtfulPairing

DOUBLE, SERIES, MARKS = "1-2,3-4", "1-2,2-3", "ab"
_KNOWN = f"{DOUBLE} (each frame once), {SERIES} (each frame with the next) or jump:K"


def check_pairing(pairing: str | None) -> None:
    """Refuse a pairing that does not exist.

    Raises
    ------
    InputError
    """
    if pairing not in (None, DOUBLE, SERIES, MARKS):
        jump(pairing)


def jump(pairing: str | None) -> int:
    """How many frames lie between the beginnings of the two: 1, or the K of ``jump:K``.

    Raises
    ------
    InputError
        If the pairing is unknown.
    """
    if pairing in (None, DOUBLE, SERIES, MARKS):
        return 1
    match = re.fullmatch(r"jump:([1-9]\d{0,8})", str(pairing))
    if match is None:
        raise InputError(f"unknown pairing {pairing!r}: known are {MARKS} (file names), {_KNOWN}")
    return int(match[1])


def sequence_pairs(ranks: Sequence[int], pairing: str) -> list[tuple[int, int]]:
    """Places of the frames of every pair in a sequence in which frames may be missing.

    Parameters
    ----------
    ranks : sequence of int
        Which frame of the recording each one is, rising.
    pairing : str
        ``1-2,3-4``, ``1-2,2-3`` or ``jump:K``.

    Returns
    -------
    list of (int, int)
        Never across a missing frame.
    """
    place = {rank: n for n, rank in enumerate(ranks)}
    step, every = jump(pairing), 2 if pairing == DOUBLE else 1
    return [
        (n, place[rank + step])
        for rank, n in place.items()
        if (rank - ranks[0]) % every == 0 and rank + step in place
    ]


def chosen_pairing(
    count: int, pairing: str | None, what: str, guess: str, *, doubtful: bool
) -> str:
    """The pairing of a sequence without names: the given one, or the only possible one.

    Parameters
    ----------
    count : int
        Of frames.
    pairing : str or None
    what : str
        What holds them, for messages.
    guess : str
        The likeliest.
    doubtful : bool
        Take the guess.

    Raises
    ------
    DoubtfulPairing
        If none was given and there is more than one pair to be made.
    InputError
        If there are too few frames.
    """
    check_pairing(pairing)
    if pairing == MARKS:
        raise InputError(f"{what} is one sequence, without names to pair by: give {_KNOWN}")
    step = jump(pairing)
    if count < 1 + step:
        raise InputError(f"{what} holds {count} frame(s): {pairing or 'a pair'} needs {1 + step}")
    if pairing is not None:
        return pairing
    if count == 2:
        return DOUBLE
    if doubtful:
        return guess
    raise DoubtfulPairing(
        f"{what} holds {count} frames in one sequence: name the pairing, {_KNOWN}", guess
    )
