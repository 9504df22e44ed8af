"""Finding what is not fluid: bodies, shadows and glare, where no particles move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gui.compute.server import Context, task
from gui.masks import FOUND, Shape
from piv.errors import InputError
from piv.io.sources import SourceSpec
from piv.preprocess import crop
from piv.types import Bool, Float, ImagePair

__all__ = ["automatic", "find_body", "outlines"]

_HIGH_PASS = 7  # px; edge of the box mean that is taken off
_AROUND = 5.0  # px; standard deviation of the neighbourhood that is judged
_ENERGY = 0.05  # of the frame's upper quartile: below it hardly any particle shines
_CORRELATED = 0.2  # likewise, of the correlation of neighbouring pixels
_PARTICLES = 0.2  # a frame whose pixels are less correlated has particles too small to tell
_SIGNIFICANT = 5.0  # deviations of the noise by which a particle stands out
_QUIET = 0.1  # of the candidates: there is nothing but noise, if anywhere
_SURE = 1.7  # a region's largest disc has so many times the radius of the largest gap
_SMALLEST = 80  # px; a smaller region is no candidate
_GLARE = 4  # px; radius of the smallest disc of saturated pixels that is no particle
_BLOOM = 2  # px; light that runs over the edge of a glare
_TOLERANCE = 1.0  # px; by which an outline may leave the pixels' edges
_MOST = 20  # shapes
_LARGE = 4_000_000  # px; larger frames are binned before they are judged


@task
def automatic(
    context: Context,
    spec: SourceSpec,
    index: int,
    region: tuple[int, ...] = (),
) -> tuple[tuple[Shape, ...], float]:
    """Look for regions without moving particles in a pair.

    Parameters
    ----------
    context : Context
    spec : SourceSpec
    index : int
    region : tuple of int
        Look only here: left, top, width, height; empty = everywhere.

    Returns
    -------
    shapes : tuple of Shape
        Largest first; what subtracts follows what it is taken from; empty if every part of the
        frames has particles.
    share : float
        Of the frame that they mask.

    Raises
    ------
    InputError
        If the pair cannot be read, or nothing but the region found would be left.
    """
    context.progress(0, 2, "reading the pair")
    with spec.open() as source:
        pair = crop(replace(source[index], mask=None), region)
    context.progress(1, 2, "looking for regions without particles")
    mask = find_body(pair)
    if mask.mean() > 0.95:
        raise InputError(
            "no moving particles were found anywhere: are these the two frames of a pair? "
            "Draw the mask by hand"
        )
    left, top = region[:2] if region else (0, 0)
    shapes = tuple(shape.moved(left, top) for shape in outlines(mask))
    return shapes, float(mask.mean())


def find_body(pair: ImagePair) -> Bool:
    """Where neither frame shows particles, and where both are saturated over more than one.

    Particle images are correlated from pixel to pixel, camera noise is not; and they are brighter
    than it.  Candidates are neighbourhoods in which both frames lack the one or the other.  Their
    noise says what counts as a particle's pixel.  A region is where a disc fits between all such
    pixels that is larger than any gap elsewhere in the frame, so that it ends at the particles and
    not where an average ended.  Frames of which more than three quarters are empty cannot be judged
    so, and nothing is found.  Frames above 4 Mpx are binned first, so that 25 Mpx take a second or
    two; the edge is then uncertain by a bin of 2 or 3 px.

    Measured on a rendered cylinder with shadow and glare (sample_images/cylinder_wake): see
    tests/desktop/test_masks.py.

    Parameters
    ----------
    pair : ImagePair

    Returns
    -------
    bool array, shape (H, W)
    """
    bins = 1
    while pair.first.size > _LARGE * bins**2:
        bins += 1
    frames = [_binned(frame, bins) for frame in (pair.first, pair.second)]
    found = _glare(frames)
    candidates, quiet = _candidates(frames)
    if candidates.any():
        found |= _between_particles(frames, candidates, quiet)
    if bins > 1:
        height, width = pair.shape
        large = found.repeat(bins, axis=0).repeat(bins, axis=1)
        missing = (max(height - large.shape[0], 0), max(width - large.shape[1], 0))
        found = np.pad(large, ((0, missing[0]), (0, missing[1])), mode="edge")
    return found


def _binned(frame: npt.NDArray[Any], bins: int) -> npt.NDArray[np.float32]:
    """Means of bins x bins px; what is left at the right and at the bottom is cut off."""
    if bins == 1:
        return frame.astype(np.float32)
    height, width = (size // bins for size in frame.shape)
    return np.asarray(
        cv2.resize(
            frame[: height * bins, : width * bins].astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_AREA,
        ),
        np.float32,
    )


def outlines(mask: Bool, most: int = _MOST) -> tuple[Shape, ...]:
    """A mask as polygons, the largest first; what it leaves free inside them subtracts.

    Parameters
    ----------
    mask : bool array, shape (H, W)
    most : int
        So many polygons at most.
    """
    # twice as large: the outline then runs along the pixels' edges instead of their centres
    padded = np.pad(mask, 1)
    large = padded.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    lines, tree = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    made: list[tuple[float, bool, Shape]] = []
    for number, line in enumerate(lines):
        hole = bool(tree[0, number, 3] >= 0)
        near = cv2.approxPolyDP(line, 2 * _TOLERANCE, True)[:, 0]
        area = float(cv2.contourArea(line)) / 4
        if len(near) < 3 or area < (_SMALLEST if hole else 4):
            continue
        points = tuple(((x - 2.5) / 2, (y - 2.5) / 2) for x, y in near.astype(float))
        made.append((area, hole, Shape("polygon", points, subtract=hole, name=FOUND)))
    made.sort(key=lambda each: -each[0])
    kept = made[:most]
    return tuple(shape for _, _, shape in sorted(kept, key=lambda each: each[1]))


def _candidates(frames: list[Float]) -> tuple[Bool, Bool]:
    """Neighbourhoods without particles, roughly, and the quietest tenth of them."""
    power = np.zeros(frames[0].shape, np.float32)
    together = np.zeros_like(power)
    for frame in frames:
        quick = frame - cv2.blur(frame, (_HIGH_PASS, _HIGH_PASS), borderType=cv2.BORDER_REFLECT)
        beside = np.zeros_like(quick)
        beside[:, 1:-1] += quick[:, 1:-1] * (quick[:, 2:] + quick[:, :-2])
        beside[1:-1] += quick[1:-1] * (quick[2:] + quick[:-2])
        power += _smooth(quick * quick, _AROUND)
        together += _smooth(beside / 4, _AROUND)
    faint = power < _ENERGY * np.quantile(power, 0.75)
    correlation = together / np.maximum(power, 1e-9 * power.max() + 1e-30)
    usual = np.quantile(correlation, 0.75)
    if usual > _PARTICLES:
        faint |= correlation < _CORRELATED * usual
    _, labels, figures, _ = cv2.connectedComponentsWithStats(faint.astype(np.uint8))
    large = figures[:, cv2.CC_STAT_AREA] >= _SMALLEST
    large[0] = False
    if not large.any():
        return np.zeros_like(faint), np.zeros_like(faint)
    found = np.asarray(large[labels])
    return found, found & (power <= np.quantile(power[found], _QUIET, method="higher"))


def _between_particles(frames: list[Float], candidates: Bool, quiet: Bool) -> Bool:
    """Regions of the candidates in which a disc larger than any usual gap finds no particle."""
    particles = np.zeros(candidates.shape, bool)
    for frame in frames:
        sharp = _smooth(frame, 0.8) - _smooth(frame, 2.5)
        rest = sharp[quiet]
        noise = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        particles |= sharp > _SIGNIFICANT * max(noise, 1e-3 * float(sharp.std()))
    gap = _distance(particles)
    usual = gap[_distance(candidates) > 4 * _AROUND]
    radius = max(6.0, 1.3 * float(np.quantile(usual, 0.9995))) if usual.size > 1000 else 12.0
    # discs of that radius around every centre that has room
    room = gap > radius
    if not room.any():
        return room
    found = _distance(room) < radius
    count, numbered = cv2.connectedComponents(found.astype(np.uint8))
    labels = np.asarray(numbered, np.int64)
    cells = np.bincount(labels.ravel(), minlength=count)
    inside = np.bincount(labels[candidates], minlength=count)
    widest = np.zeros(count)
    np.maximum.at(widest, labels.ravel(), gap.ravel())
    good = (inside > 0.3 * cells) & (widest > _SURE * radius)
    good[0] = False
    return np.asarray(good[labels])


def _glare(frames: list[Float]) -> Bool:
    """Where both frames are saturated over more than a particle image."""
    disc, bloom = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        for radius in (_GLARE, _BLOOM)
    )
    both = np.ones(frames[0].shape, np.uint8)
    for frame in frames:
        top = frame.max()
        white = frame >= top if top > frame.min() else np.zeros(frame.shape, bool)
        both &= white.astype(np.uint8)
    found = cv2.morphologyEx(both, cv2.MORPH_OPEN, disc)
    return np.asarray(cv2.dilate(found, bloom) > 0)


def _smooth(image: Any, sigma: float) -> npt.NDArray[np.float32]:
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32
    )


def _distance(mask: Bool) -> npt.NDArray[np.float32]:
    """From every pixel to the next True one, px; everywhere large if there is none."""
    free = (~mask).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
