"""Whether a result is older than what the user has changed since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gui.masks import ImportedMask, Shape
from piv.network.catalogue import known, steps_of
from piv.settings import CorrelateSettings, PreprocessSettings, Settings

if TYPE_CHECKING:
    from gui.session import Session


@dataclass(frozen=True, eq=False, slots=True)
class MadeWith:
    """What of a session decides the result of a pair.

    Parameters
    ----------
    settings : Settings
    model : str
    shapes : tuple of Shape
        That the pair sees.
    imported : ImportedMask or None
    file : (int, int) or None
        Time and size of the weights' file, if ``model`` is one: another may take its place.
    """

    settings: Settings
    model: str
    shapes: tuple[Shape, ...]
    imported: ImportedMask | None
    file: tuple[int, int] | None = None

    @classmethod
    def now(cls, session: Session, index: int) -> MadeWith:
        """What a pair would be analysed with."""
        masks = session.masks
        return cls(
            session.settings,
            session.model,
            masks.shapes_of(index),
            masks.imported_of(index),
            _file(session.model),
        )


def changed(then: MadeWith, now: MadeWith) -> tuple[str, ...]:
    """What has changed, of ``settings``, ``weights`` and ``mask``."""
    followed = then.model.lower() != "none"
    found = []
    steps = steps_of(then.model)
    if _effective(then.settings, followed, steps) != _effective(now.settings, followed, steps):
        found.append("settings")
    if (_weights(then.model), then.file) != (_weights(now.model), now.file):
        found.append("weights")
    if then.shapes != now.shapes or then.imported is not now.imported:
        found.append("mask")
    return tuple(found)


def sentence(what: tuple[str, ...]) -> str:
    """What :func:`changed` found, for the user; empty for nothing."""
    if not what:
        return ""
    return f"Changed since this result was made: {', '.join(what)}. Analyse the pair again."


def _file(model: str) -> tuple[int, int] | None:
    """Time and size of a weights' file; None for a name of the catalogue, or without a file."""
    if model.lower() in ("none", "default") or model in known()[0]:
        return None
    try:
        found = Path(model).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _weights(model: str) -> str:
    return str(known()[1]) if model == "default" else model


def _effective(settings: Settings, followed: bool, steps: int) -> tuple[object, ...]:
    """What of the settings decides a number; what has no effect is as by default."""
    resolved = settings.resolved(followed, steps)
    before, correlate = resolved.preprocess, resolved.correlate
    if before.contrast == "none":
        before = replace(before, contrast_radius=PreprocessSettings().contrast_radius)
    if correlate.repeats == 1:
        correlate = replace(correlate, convergence=CorrelateSettings().convergence)
    if not correlate.grow:
        correlate = replace(correlate, largest_window=CorrelateSettings().largest_window)
    refine = resolved.refine if followed else None
    return before, correlate, resolved.validate, refine
