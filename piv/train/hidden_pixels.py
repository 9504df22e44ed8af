"""Which of two weights explains recordings better, asked of pixels that neither has seen.

On the pixels that a field was made from, fitted noise looks like agreement.  So small discs of both
frames are masked.  Of the places at mid-time that they would show the analysis knows nothing: the
field is bridged across them from around, and there the two frames, each moved to mid-time by half
the field, are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from piv.correlate import pair_tensors
from piv.errors import InputError
from piv.network.ccfcn import local_mean_and_spread
from piv.network.weights import Model
from piv.settings import Settings
from piv.spline import coefficients, deform_pair, seen_in_both
from piv.types import Bool, Flag, Float, ImagePair

RADIUS, SHARE = 4.0, 0.08  # px; of the frame
BRIDGE = 4.0  # px; Gaussian that fills the discs, the same for all fields
BLOCK = 64  # px; the blocks are taken as independent of each other
LEAST = 100  # hidden pixels that a block must have
BLOCKS = 30  # with fewer their scatter says too little
CERTAIN = 2.0  # standard errors that a difference must exceed
BORDER = 8  # px


@dataclass(frozen=True, slots=True)
class Difference:
    """What new weights explain more of hidden pixels than old ones.

    Parameters
    ----------
    before, after : float
        Normalised correlation of the moved frames on the hidden pixels, mean over the blocks.
    gain, error : float
        Mean over the blocks of the difference, and the standard error of that mean.
    blocks : int
    pairs : int
        That were asked.
    left_out : tuple of str
        Why others were not, a line each.
    """

    before: float
    after: float
    gain: float
    error: float
    blocks: int
    pairs: int = 1
    left_out: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``"helped"``, ``"harmed"``, ``"not shown"``, or ``"too few"`` blocks to tell."""
        if self.blocks < BLOCKS:
            return "too few"
        if self.gain > CERTAIN * self.error:
            return "helped"
        return "harmed" if self.gain < -CERTAIN * self.error else "not shown"

    @property
    def figures(self) -> str:
        """The numbers in words."""
        told = f"{self.blocks} blocks of {BLOCK} px in {self.pairs} pair" + "s" * (self.pairs != 1)
        if not self.blocks:
            return told
        return (
            f"{self.after:.4f} against {self.before:.4f} of 1 explained, difference "
            f"{self.gain:+.5f}, standard error {self.error:.5f}, {told}"
        )


def discs(shape: tuple[int, int], rng: np.random.Generator) -> Bool:
    """True on randomly placed discs that cover about 8 % of the frame."""
    number = max(1, int(SHARE * shape[0] * shape[1] / (math.pi * RADIUS**2)))
    free = np.ones(shape, dtype=bool)
    free[rng.integers(0, shape[0], number), rng.integers(0, shape[1], number)] = False
    hidden: Bool = ndimage.distance_transform_edt(free) <= RADIUS
    return hidden


def compare(
    pairs: Sequence[ImagePair],
    old: Model,
    new: Model,
    settings: Settings | None = None,
    *,
    views: int = 2,
    seed: int = 0,
) -> Difference:
    """Difference of two weights on the same hidden pixels of recordings.

    Parameters
    ----------
    pairs : sequence of ImagePair
        Each is read once; one that cannot be read or analysed is left out.
    old, new : Model
    settings : Settings, optional
        How the pairs are analysed.
    views : int
        So many sets of discs are hidden, one after the other.
    seed : int
        Of the discs.
    """
    blocks: list[list[float]] = []
    left_out = []
    for number in range(len(pairs)):
        name = f"pair {number}"
        try:
            pair = pairs[number]
            name = pair.name or name
            blocks += _of_pair(pair, (old, new), settings, views, [seed, number])
        except InputError as error:
            told = str(error)
            left_out.append(told if name in told else f"{name}: {told}")
    asked, others = len(pairs) - len(left_out), tuple(left_out)
    if len(blocks) < 2:
        nothing = (math.nan, math.nan, math.nan, math.nan)
        return Difference(*nothing, len(blocks), asked, others)
    table = np.array(blocks)
    gains = table[:, 1] - table[:, 0]
    return Difference(
        before=float(table[:, 0].mean()),
        after=float(table[:, 1].mean()),
        gain=float(gains.mean()),
        error=float(gains.std(ddof=1) / math.sqrt(len(gains))),
        blocks=len(gains),
        pairs=asked,
        left_out=others,
    )


def _of_pair(
    pair: ImagePair,
    models: Sequence[Model],
    settings: Settings | None,
    views: int,
    seed: Sequence[int],
) -> list[list[float]]:
    """For each block of a pair, what each of the weights explains, mean over the views.

    Views of one block see the same noise: they are no further evidence.
    """
    rng = np.random.default_rng(seed)
    found: dict[tuple[int, int], list[list[float]]] = {}
    for _ in range(views):
        for place, scores in _by_block(pair, discs(pair.shape, rng), models, settings).items():
            found.setdefault(place, []).append(scores)
    return [np.mean(scores, axis=0).tolist() for scores in found.values()]


def _by_block(
    pair: ImagePair, hidden: Bool, models: Sequence[Model], settings: Settings | None
) -> dict[tuple[int, int], list[float]]:
    """For each block, by its corner, what each of the weights explains."""
    from piv.pipeline import analyse

    mask = hidden if pair.mask is None else hidden | pair.mask
    fields, lost = [], np.zeros(pair.shape, dtype=bool)
    for model in models:
        field = analyse(
            pair.first, pair.second, mask=mask, settings=settings, model=model, dt=pair.dt
        ).dense
        assert field is not None
        lost |= ((field.flags & int(Flag.FALLBACK)) != 0) & ~mask
        fields.append((field.u, field.v))
    places = [unseen(bridged(u, mask), bridged(v, mask), hidden, pair.mask) for u, v in fields]
    hole = np.logical_or.reduce([mask, *places])
    # far from any particle there is nothing to be explained; the same pixels for all
    where = np.logical_and.reduce(places)
    where &= ~ndimage.binary_dilation(lost, iterations=int(2 * RADIUS))
    moved = [_moved(pair, bridged(u, hole), bridged(v, hole)) for u, v in fields]
    where = _inner(where)
    height, width = where.shape
    found = {}
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            window = np.s_[top : top + BLOCK, left : left + BLOCK]
            inside = where[window]
            if inside.sum() < LEAST:
                continue
            scores = [_correlation(*(f[window][inside] for f in frames)) for frames in moved]
            if all(math.isfinite(score) for score in scores):
                found[top, left] = scores
    return found


def unseen(u: Float, v: Float, hidden: Bool, mask: Bool | None) -> Bool:
    """Places at mid-time of which the analysis had nothing, because discs of the frames are hidden.

    The analysis uses a place where both frames show it.  Half a displacement away from it in
    either frame is what must be hidden; at the place itself nothing need be.

    Parameters
    ----------
    u, v : array, shape (H, W)
        Displacement, px, finite.
    hidden : bool array, shape (H, W)
        The discs, the same in both frames.
    mask : bool array, shape (H, W), or None
        True = not fluid; what it hides does not count.
    """
    field = torch.from_numpy(np.stack((u, v)).astype(np.float32))[None]
    free = np.ones(hidden.shape, dtype=bool) if mask is None else ~mask
    whole, open_ = (
        seen_in_both(torch.from_numpy(part)[None], field)[0].numpy() > 0
        for part in (free, free & ~hidden)
    )
    found: Bool = whole & ~open_
    return found


def _correlation(first: Float, second: Float) -> float:
    if first.size == 0 or first.std() == 0 or second.std() == 0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def explained(pair: ImagePair, u: Float, v: Float, where: Bool) -> float:
    """Normalised correlation of the two frames, each moved to mid-time by half the field.

    Parameters
    ----------
    pair : ImagePair
    u, v : array, shape (H, W)
        Displacement, px, finite.
    where : bool array, shape (H, W)
        Pixels that count; an 8-px border never does.

    Returns
    -------
    correlation : float
        1 = the field explains all that is seen there; NaN where nothing is.
    """
    inside = _inner(where)
    first, second = _moved(pair, u, v)
    return _correlation(first[inside], second[inside])


def _inner(where: Bool) -> Bool:
    """Without the border, on the part of the frame that is compared."""
    height, width = (4 * (n // 4) for n in where.shape)  # the local statistics need multiples of 4
    inner = where[:height, :width].copy()
    inner[:BORDER], inner[-BORDER:], inner[:, :BORDER], inner[:, -BORDER:] = (False,) * 4
    return inner


def bridged(values: Float, hole: Bool) -> Float:
    """The values with each hole filled from around it (normalised Gaussian, 4 px)."""
    known = ndimage.gaussian_filter((~hole).astype(float), BRIDGE)
    around = ndimage.gaussian_filter(np.where(hole, 0.0, values), BRIDGE) / known.clip(1e-6)
    return np.where(hole, around, values)


def _moved(pair: ImagePair, u: Float, v: Float) -> tuple[Float, Float]:
    """Both frames, locally normalised, each moved to mid-time by half the field."""
    height, width = (4 * (n // 4) for n in pair.shape)
    frames = []
    for frame in pair_tensors(pair)[:2]:
        image = frame[:, None, :height, :width]
        mean, spread = local_mean_and_spread(image, torch.ones_like(image))
        frames.append(coefficients((image - mean) / (spread + 0.1 * spread.mean()), 5))
    field = torch.from_numpy(np.stack((u, v)).astype(np.float32))[None, :, :height, :width]
    first, second = deform_pair(frames[0], frames[1], field, 5)
    return first[0, 0].double().numpy(), second[0, 0].double().numpy()
