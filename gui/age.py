"""Whether a result is older than what the user has changed since."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from piv.network.catalogue import known
from piv.settings import Settings, from_dict
from piv.types import Analysis, Bool, Flag, VectorField


def changed_since(
    analysis: Analysis, settings: Settings, model: str, mask: Bool | None
) -> tuple[str, ...]:
    """What of settings, weights and mask is another than the analysis was made with.

    Parameters
    ----------
    analysis : Analysis
        In px, as it was computed.
    settings : Settings
    model : str
        Name or file of weights; files are not compared.
    mask : bool array, shape (H, W), or None

    Returns
    -------
    tuple of str
        ``settings``, ``weights``, ``mask``, as far as each differs.
    """
    found = []
    if _settings_differ(analysis, settings):
        found.append("settings")
    if _weights_differ(analysis, model):
        found.append("weights")
    if _mask_differs(analysis.field, mask):
        found.append("mask")
    return tuple(found)


def sentence(changed: tuple[str, ...]) -> str:
    """What :func:`changed_since` found, for the user; empty for nothing."""
    if not changed:
        return ""
    return f"Changed since this result was made: {', '.join(changed)}. Analyse the pair again."


def _settings_differ(analysis: Analysis, settings: Settings) -> bool:
    tables = analysis.provenance.get("settings")
    if not tables:
        return False
    followed = analysis.dense is not None
    then, now = from_dict(tables).resolved(followed), settings.resolved(followed)
    stages = ["preprocess", "correlate", "validate", *(["refine"] if followed else [])]
    return any(getattr(then, stage) != getattr(now, stage) for stage in stages)


def _weights_differ(analysis: Analysis, model: str) -> bool:
    weights = analysis.provenance.get("weights")
    if model.lower() == "none":
        return weights is not None
    entries, default = known()
    name = default if model == "default" else model
    return weights is None or (name in entries and weights.get("name") != name)


def _mask_differs(field: VectorField, mask: Bool | None) -> bool:
    """Judged where a vector lies on one pixel, or between pixels that are all alike."""
    then = (field.flags & int(Flag.MASKED)) != 0
    if mask is None:
        return bool(then.any())
    low, high = _at(mask, field, np.floor), _at(mask, field, np.ceil)
    if low is None or high is None:
        return False
    return bool(((then != low) & (low == high)).any())


def _at(mask: Bool, field: VectorField, rounded: np.ufunc) -> npt.NDArray[np.bool_] | None:
    """The mask at the pixels beside the vectors; None where the field is of another frame."""
    rows, columns = (rounded(np.asarray(axis)).astype(int) for axis in (field.y, field.x))
    if min(rows.min(), columns.min()) < 0:
        return None
    if rows.max() >= mask.shape[0] or columns.max() >= mask.shape[1]:
        return None
    return np.asarray(mask[np.ix_(rows, columns)])
