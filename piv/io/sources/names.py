"""Which image files belong together, told by their names alone."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from piv.errors import InputError
from piv.io.sources.base import DoubtfulPairing
from piv.io.sources.pairing import DOUBLE, MARKS, SERIES, sequence_pairs

_ODD = {
    *("background", "backgrounds", "bg", "bgr", "bkg", "bkgd", "dark", "darkfield", "flatfield"),
    *("mask", "masks", "mean", "avg", "average", "calib", "calibration", "checkerboard"),
}
# also words of flows (flat plate, grid turbulence): odd only where nothing else is said
_ODD_ALONE = {"flat", "grid", "target", "scale", "ruler", "cal", "min", "minimum", "dots"}
_NOTHING = {"a", "b", "image", "img", "frame", "field", "cam", "camera"}
_CAMERAS = {"cam", "camera", "c", "view", "ch", "channel"}
_TOKEN = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z\d]+|[A-Z]")
# a lone letter, or one after a word for an exposure: a and b, LA and LB, imga and imgb
_EXPOSURES = ("l", "f", "im", "img", "image", "frame", "exp", "exposure", "pulse", "laser")
_MARK = re.compile(rf"(|{'|'.join(_EXPOSURES)})([ab])|(first)|(second)")

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Paired:
    """Pairs of names, the pairing that made them, and what a user should be told."""

    pairs: Pairs
    pairing: str
    notes: tuple[str, ...] = ()


def suspects(names: Sequence[str]) -> set[str]:
    """Names of images that are probably no frames: background, calibration, mask and the like.

    A word that more than half of the names carry is part of the name of the recording.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        words = {token.lower() for token in _tokens(name) if token.isalpha()}
        odd = words & _ODD
        if words <= _ODD | _ODD_ALONE | _NOTHING:
            odd |= words & _ODD_ALONE
        for word in odd:
            found[word].add(name)
    few = [marked for marked in found.values() if 2 * len(marked) <= len(names)]
    return set().union(*few)


def pair_files(
    names: Sequence[str], pairing: str | None, where: str, *, doubtful: bool = False
) -> Paired:
    """Pair image files.

    Parameters
    ----------
    names : sequence of str
    pairing : str or None
        ``ab``, ``1-2,3-4``, ``1-2,2-3``, ``jump:K``; None = find it.
    where : str
        What to call the folder in messages.
    doubtful : bool
        Take the likeliest pairing where there is doubt.

    Raises
    ------
    DoubtfulPairing
        If none was given and the names do not tell it for certain.
    InputError
        If no pair comes out.
    """
    marked, sure = _by_letters(names)
    if not marked:
        marked, sure = _by_twos(names)
    if pairing == MARKS:
        if not marked:
            raise InputError(
                f"{where}: no two names differ only in a mark, such as a and b, or 1 and 2 at the "
                "end"
            )
        return Paired(marked, MARKS)
    if pairing is not None:
        return _by_number(names, pairing, where)
    whole = 2 * len(marked) == len(names)
    if marked and (doubtful or (sure and 4 * len(marked) >= len(names))):
        return Paired(marked, MARKS)
    if len(names) == 2:
        first, second = sorted(names, key=_natural)
        return Paired(((first, second),), DOUBLE)
    if len(names) < 2:
        raise InputError(f"{where} holds one frame, {''.join(names)}: a pair needs two")
    guess = SERIES if marked == () else MARKS
    if doubtful:
        return _by_number(names, guess, where)
    few = ", ".join(sorted(names, key=_natural)[:3])
    if marked:
        what = (
            f"{' and '.join(marked[0])} {'may' if whole else 'and others may'} be the two frames "
            "of a pair, or of two series: name the pairing, ab (as a pair)"
        )
    else:
        what = (
            f"{len(names)} frames in sequence ({few} ...): name the pairing, {DOUBLE} (each frame "
            "once)"
        )
    raise DoubtfulPairing(f"{where}: {what}, {SERIES} (each frame with the next) or jump:K", guess)


def _by_letters(names: Sequence[str]) -> tuple[Pairs, bool]:
    """Pairs whose names differ in a mark for the exposure, and whether that is its meaning."""
    schemes: dict[tuple[str, int], dict[tuple[object, ...], dict[int, str]]] = {}
    for name in names:
        tokens = _tokens(name)
        for n, token in enumerate(tokens):
            match = _MARK.fullmatch(token.lower())
            if match is None:
                continue
            side = int(match[2] == "b" or match[4] is not None)
            rest = (match[1], *tokens[:n], None, *tokens[n + 1 :], PurePath(name).suffix.lower())
            for scheme in (("end", len(tokens) - n), ("start", n)):
                schemes.setdefault(scheme, {}).setdefault(rest, {})[side] = name
    best: Pairs = ()
    sure = False
    for (origin, place), groups in schemes.items():
        pairs = tuple(
            (sides[0], sides[1])
            for _, sides in sorted(groups.items(), key=lambda item: _natural(min(item[1].values())))
            if len(sides) == 2
        )
        if len(pairs) > len(best):
            best = pairs
            tokens = _tokens(pairs[0][0])
            n = len(tokens) - place if origin == "end" else place
            # a lone letter before the number may as well name a series: test_a_0001, test_b_0001
            sure = (
                len(tokens[n]) > 1
                or (n > 0 and tokens[n - 1].lower() in _EXPOSURES)
                or not any(token.isdecimal() for token in tokens[n + 1 :])
            )
    return best, sure


def _by_twos(names: Sequence[str]) -> tuple[Pairs, bool]:
    """Pairs whose last numbers are 1 and 2, or 0 and 1, and whether that is their meaning."""
    groups: dict[tuple[object, ...], dict[int, str]] = defaultdict(dict)
    cameras = False
    for name in names:
        tokens = _tokens(name)
        n = _last_number(tokens)
        if n is None:
            return (), False
        cameras |= n > 0 and tokens[n - 1].lower().strip("_-. ") in _CAMERAS
        groups[(*tokens[:n], None, *tokens[n + 1 :], PurePath(name).suffix)][int(tokens[n])] = name
    numbers = set().union(*groups.values())
    if numbers not in ({1, 2}, {0, 1}):
        return (), False
    low = min(numbers)
    pairs = tuple(
        (group[low], group[low + 1])
        for _, group in sorted(groups.items(), key=lambda item: _natural(min(item[1].values())))
        if len(group) == 2
    )
    return pairs, not cameras


def _by_number(names: Sequence[str], pairing: str, where: str) -> Paired:
    """Pairs within every numbered sequence, never across a missing number."""
    groups: dict[tuple[object, ...], dict[int, str]] = defaultdict(dict)
    for name in names:
        tokens = _tokens(name)
        n = _last_number(tokens)
        if n is not None and n > 0 and tokens[n - 1].lower() in _CAMERAS:
            n = _last_number(tokens[:n])
        number = -1 if n is None else int(tokens[n])
        rest = tokens if n is None else (*tokens[:n], None, *tokens[n + 1 :])
        groups[(*rest, PurePath(name).suffix.lower())][number] = name
    if max(len(group) for group in groups.values()) == 1:  # no numbers: the order of the names
        groups = {(): dict(enumerate(sorted(names, key=_natural)))}
    pairs: list[tuple[str, str]] = []
    notes: list[str] = []
    for group in sorted(groups.values(), key=lambda group: _natural(min(group.values()))):
        ordered = [group[number] for number in sorted(group)]
        places = sequence_pairs(_ranks(group, notes), pairing)
        pairs += [(ordered[a], ordered[b]) for a, b in places]
    if not pairs:
        raise InputError(f"{where}: {len(names)} frames give no pair {pairing}")
    if _by_letters(names)[0] and pairing in (SERIES, DOUBLE):
        notes.append("the names look like pairs of marked frames (pairing ab)")
    return Paired(tuple(pairs), pairing, tuple(notes))


def _ranks(group: Mapping[int, str], notes: list[str]) -> list[int]:
    """Which frame of its sequence each one is, by the numbers in the names, in their order."""
    numbers = sorted(group)
    step = math.gcd(*(b - a for a, b in itertools.pairwise(numbers))) or 1
    ranks = [(number - numbers[0]) // step for number in numbers]
    missing = ranks[-1] + 1 - len(ranks)
    if missing > len(ranks):  # times of the day, or the like: they do not count frames
        notes.append(
            f"the numbers in the names do not count ({group[numbers[0]]} ...): taken in their order"
        )
        return list(range(len(ranks)))
    if missing:
        gap = next(n for n, rank in enumerate(ranks) if rank != n)
        notes.append(
            f"{missing} frame(s) missing, the first one after {group[numbers[gap - 1]]}: "
            "no pair is made across a gap"
        )
    return ranks


def _tokens(name: str) -> list[str]:
    return _TOKEN.findall(PurePath(name).stem)


def _last_number(tokens: Sequence[str]) -> int | None:
    return next((n for n in reversed(range(len(tokens))) if tokens[n].isdecimal()), None)


def _natural(name: str) -> tuple[object, ...]:
    """Sort 2 before 10."""
    parts = re.split(r"(\d+)", name)
    numbers = tuple((int(part), part) if n % 2 else part.lower() for n, part in enumerate(parts))
    return (*numbers, name)
