"""What a run is made of, written into its store, and compared before it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from piv import settings as stages
from piv.batch.progress import pair_text
from piv.errors import InputError, PIVError
from piv.fingerprint import fingerprint
from piv.settings import Settings
from piv.types import SCHEMA_VERSION, Calibration

if TYPE_CHECKING:
    from piv.io.sources import PairSource

PACKAGE = "ccfcn-piv"
_REHASHED = 10  # finished pairs of which the input is read again
_SHOWN = 60  # letters of a value in a message


def run_record(
    source: PairSource,
    pairs: Sequence[int],
    settings: Settings,
    *,
    weights: Mapping[str, Any] | None,
    calibration: Calibration | None,
    mask: str | None,
    background: Mapping[str, Any] | None,
    watch: bool = False,
) -> dict[str, Any]:
    """Everything that the numbers of a run depend on; plain data.

    Parameters
    ----------
    source : PairSource
    pairs : sequence of int
        Indices in the source, rising.
    settings : Settings
    weights : mapping or None
        ``name`` and ``sha256``.
    calibration : Calibration or None
    mask : str or None
        Hash of the run's own mask or masks, without those of the source.
    background : mapping or None
        ``of`` (what it is made of) and ``sha256``.
    watch : bool
        The source grows: its size and names are not part of it.
    """
    identity = source.identity()
    selection: Any = (
        [pairs.start, pairs.stop, pairs.step]
        if isinstance(pairs, range)
        else {"of": [int(index) for index in pairs]}
    )
    if watch:
        selection = None
        identity = {key: each for key, each in identity.items() if key not in ("count", "names")}
    return {
        "schema": SCHEMA_VERSION,
        "package": f"{PACKAGE} {version(PACKAGE)}",
        "torch": version("torch"),
        "device": "cpu",
        "settings": stages.to_dict(settings),
        "weights": None if weights is None else dict(weights),
        "calibration": None if calibration is None else _plain(calibration),
        "source": identity,
        "pairs": selection,
        "watch": watch,
        "mask": mask,
        "background": None if background is None else dict(background),
    }


def _plain(calibration: Calibration) -> dict[str, Any]:
    values = dataclasses.asdict(calibration)
    return {**values, "origin": [float(each) for each in calibration.origin]}


def select(text: str | None, count: int) -> Sequence[int]:
    """Indices that ``--pairs`` names, of ``count`` pairs: ``100:500:2``, ``:50``, ``7``, ``-1``.

    Several of them, with commas between (``3,8,100:200``), give their union in rising order.

    Returns
    -------
    range or tuple of int
        A tuple only where the pairs are not evenly spaced.

    Raises
    ------
    InputError
        If it is no such text, or names no pair.
    """
    if text is None or "," not in text:
        return _slice(text, count)
    found = sorted({index for part in text.split(",") for index in _slice(part, count)})
    step = found[1] - found[0] if len(found) > 1 else 1
    even = range(found[0], found[-1] + 1, step)
    return even if list(even) == found else tuple(found)


def _slice(text: str | None, count: int) -> range:
    everything = range(count)
    if text is None:
        return everything
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or numbers == [None]:
        raise InputError(
            f"--pairs takes FIRST:END:STEP (END not included) or several, with commas, not {text!r}"
        )
    if len(numbers) == 1:
        index = numbers[0]
        assert index is not None
        if not -count <= index < count:
            raise InputError(f"--pairs {text}: there are {count} pairs, numbered from 0")
        return range(index % count, index % count + 1)
    if len(numbers) == 3 and numbers[2] is not None and numbers[2] < 1:
        raise InputError(f"--pairs {text}: the step must be 1 or more")
    chosen = everything[slice(*numbers)]
    if not chosen:
        raise InputError(f"--pairs {text} names no pair: there are {count}, numbered from 0")
    return chosen


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between the record of a store and that of a run, each in a few words.

    Parameters
    ----------
    then, now : mapping
        From :func:`run_record`.
    """
    keys = ("package", "weights", "settings", "calibration", "pairs", "mask", "background")
    found: list[str] = []
    for key in (*keys, "source"):
        old, new = then.get(key), now.get(key)
        if key == "weights":  # one file under two names is the same
            old, new = _sha(old), _sha(new)
        if key == "background" and isinstance(new, Mapping) and isinstance(old, Mapping):
            hashed = new["sha256"] is not None  # else of the input's own images, as stored
            old = {**old, "sha256": old["sha256"] if hashed else None}
        found.extend(_compare(key, old, new))
    if bool(then.get("watch")) != bool(now.get("watch")):
        found.insert(0, "one was run with --watch, the other without")
    return found


def _sha(weights: Any) -> Any:
    return weights.get("sha256") if isinstance(weights, Mapping) else weights


def _compare(name: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[str] = []
        for key in dict.fromkeys([*old, *new]):
            place = f"{key}" if name == "settings" else f"{name}.{key}"
            found.extend(_compare(place, old.get(key), new.get(key)))
        return found
    if name == "source.names":
        return ["the names of the pairs"]
    return [f"{name} (then {_short(old)}, now {_short(new)})"]


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    if isinstance(value, str) and len(value) == 64:  # a hash
        return text[:12]
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def changed_pairs(
    source: PairSource,
    indices: npt.NDArray[Any],
    hashes: Sequence[str],
    done: npt.NDArray[np.bool_],
) -> list[str]:
    """Whether finished pairs are still what they were: a spread of ten is read again.

    Parameters
    ----------
    source : PairSource
    indices : int array, shape (N,)
        Of every pair of the store, in the source.
    hashes : sequence of str
        Stored fingerprints.
    done : bool array, shape (N,)

    Returns
    -------
    list of str
        What differs.
    """
    positions = np.flatnonzero(done)
    if len(positions) > _REHASHED:
        spread = np.linspace(0, len(positions) - 1, _REHASHED).round().astype(int)
        positions = positions[spread]
    for position in positions.tolist():
        index = int(indices[position])
        try:
            same = fingerprint(source[index]) == hashes[position]
        except (PIVError, IndexError):
            return [f"{pair_text(index, source.names[index])}, which cannot be read any more"]
        if not same:
            return [f"the images of {pair_text(index, source.names[index])}"]
    return []
