"""Colour maps and the colours of vectors and overlays.

The sequential maps are those of the figures (:mod:`piv.plot`): viridis, magma, inferno and cividis
by S. van der Walt, N. Smith, E. Firing, J. Nunez, C. Anderton and R. Renslow (CC0), kept as 33
points of each, between which all 256 colours are met to 2 of 255 levels (cividis: 7). The diverging
maps are made here: equal steps of the value are equal steps of the lightness in the colour space
Oklab (B. Ottosson, "A perceptual color space for image processing", 2020), alike on both sides.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from piv.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

SIZE = 256
# 33 evenly placed colours, red green blue, two hexadecimal digits each
_POINTS = MappingProxyType(
    {
        "viridis": (
            "440154470d6048186a482374472d7b4536814240863f49893b528b375a8d33638d"
            "2f6a8e2c728e297a8e26818e23898e21908c1f988b1f9f8821a68528ae8031b57b"
            "3ebc744cc26c5dc9636ece5882d34c96d83fabdc32c0df24d5e21aeae51afde725"
        ),
        "magma": (
            "0000040303110a0822130d331d114628115a36106a430f7650127c5d177f691c81"
            "7621818226818f2a819c2e7fa9327db63779c33b75cf4170db486ae65163ee5c5e"
            "f5695cf9785dfb8761fd9668fea571feb47bfec387fed194fde0a2fceeb0fcfdbf"
        ),
        "inferno": (
            "0000040403120b0724150b37210c4a2e0a5a3c09654a0c6b57106d63146e70196e"
            "7d1e6d89226a962766a32b61af315cbb3755c63e4dd14644db4f3be35932eb6528"
            "f1711ef67f14f98d0afb9c06fcab0ffbba1ff9ca32f5d949f2e865f3f586fcffa4"
        ),
        "cividis": (
            "00224e00285b002e6a0433711a386f273e6e32436d3b496c434e6c4b546c52596d"
            "5a5f6e61656f686a716f70737576767c7b788481798b8778938d789b9376a39a75"
            "aba072b3a670bbad6cc3b469ccba64d4c15fddc958e6d051efd748f8df3cfee838"
        ),
    }
)
# hue of the low and of the high side, degrees in Oklab; chosen so that neither red-green nor
# blue-yellow blindness makes the sides alike
_SIDES = MappingProxyType({"blue-red": (256.0, 28.0), "purple-green": (312.0, 152.0)})
_MIDDLE, _END = 0.965, 0.40  # lightness in Oklab
_CHROMA = 0.155  # at its highest, halfway down

COLOUR_MAPS: tuple[str, ...] = (*_POINTS, "grey", *_SIDES)

# seen on dark and on light images and on every map, because each arrow has a dark edge
VECTOR_COLOURS = MappingProxyType(
    {"valid": "#4be05a", "replaced": "#ff9d1e", "rejected": "#ff4545"}
)
EDGE_COLOUR = "#101418"
MASK_COLOUR = (222, 60, 150, 96)  # red, green, blue, alpha of 255
SHAPE_COLOUR = "#ffd60a"
AXES_COLOUR = "#ff7ad9"
MEASURE_COLOUR = "#35c9ff"


def is_diverging(name: str) -> bool:
    """Whether the map has a middle, which belongs at zero."""
    _check(name)
    return name in _SIDES


@cache
def table(name: str) -> npt.NDArray[np.uint8]:
    """The colours of a map from its low to its high end.

    Parameters
    ----------
    name : str
        One of :data:`COLOUR_MAPS`.

    Returns
    -------
    uint8 array, shape (256, 3)
        Red, green, blue; read-only.

    Raises
    ------
    InputError
        If there is no such map.
    """
    _check(name)
    if name in _SIDES:
        colours = _diverging(*_SIDES[name])
    elif name == "grey":
        colours = np.repeat(np.arange(SIZE, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        points = np.frombuffer(bytes.fromhex(_POINTS[name]), np.uint8).reshape(-1, 3)
        place = np.linspace(0, 1, len(points))
        at = np.linspace(0, 1, SIZE)
        channels = [np.interp(at, place, points[:, c].astype(float)) for c in range(3)]
        colours = np.stack(channels, axis=1).round().astype(np.uint8)
    colours.flags.writeable = False
    return colours


@cache
def packed(name: str) -> npt.NDArray[np.uint32]:
    """The map as opaque 32-bit pixels 0xAARRGGBB, shape (256,); read-only."""
    rgb = table(name).astype(np.uint32)
    pixels = (
        np.uint32(0xFF000000)
        | (rgb[:, 0] << np.uint32(16))
        | (rgb[:, 1] << np.uint32(8))
        | rgb[:, 2]
    )
    pixels.flags.writeable = False
    return pixels


def matplotlib_map(name: str) -> Colormap:
    """The same map for figures.

    Raises
    ------
    InputError
        If there is no such map.
    """
    from matplotlib.colors import ListedColormap

    return ListedColormap(table(name) / 255.0, name=name)


def oklab(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Lightness and two opponent colours, in which equal distances look about equal.

    Parameters
    ----------
    rgb : array, shape (..., 3)
        sRGB from 0 to 1.

    Returns
    -------
    float array, shape (..., 3)
        L from 0 (black) to 1 (white), a, b.
    """
    rgb = np.asarray(rgb, dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T


def _rgb(lab: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of :func:`oklab`; outside 0..1 where the screen cannot show the colour."""
    linear = (lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
    positive = np.maximum(linear, 0)
    curved = 1.055 * positive ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved)


_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _diverging(low_hue: float, high_hue: float) -> npt.NDArray[np.uint8]:
    # -1 .. 1; the two middle colours are alike, so that the map is symmetric
    place = (np.arange(SIZE) - (SIZE - 1) / 2) / ((SIZE - 1) / 2)
    size = np.abs(place)
    lightness = _MIDDLE + (_END - _MIDDLE) * size
    hue = np.deg2rad(np.where(place < 0, low_hue, high_hue))
    # rises to its full size at six tenths of the way and stays: no second ridge in the colours
    chroma = _CHROMA * np.sin(np.pi / 2 * np.minimum(1, size / 0.6))
    colours = np.empty((SIZE, 3))
    for share in np.linspace(1, 0, 51):  # less colour where the screen cannot show that much
        lab = np.stack(
            [lightness, share * chroma * np.cos(hue), share * chroma * np.sin(hue)], axis=1
        )
        rgb = _rgb(lab)
        if share == 1:
            colours, done = rgb, _shown(rgb)
            continue
        take = ~done & _shown(rgb)
        colours[take] = rgb[take]
        done |= take
    return (np.clip(colours, 0, 1) * 255).round().astype(np.uint8)


def _shown(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.asarray(((rgb >= -1e-6) & (rgb <= 1 + 1e-6)).all(axis=1))


def _check(name: str) -> None:
    if name not in COLOUR_MAPS:
        raise InputError(f"there is no colour map {name!r}{nearest(str(name), COLOUR_MAPS)}")
