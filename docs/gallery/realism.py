"""Generated images beside real recordings: histogram, autocorrelation and power spectrum.

The folder of the real pairs is given by the environment variable PIV_REAL_PAIRS; they are not part
of the project.  Writes docs/figures/realism.png (or the path given).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from piv.io.images import read_image
from synth.source import open_source

HERE = Path(__file__).parent
SAMPLES = HERE.parent.parent / "sample_images"
PAIRS = {"karman_street": "cylinder_wake", "wall_jet": "jet", "wingtip_vortex": "wingtip_vortex"}
TILE = 64  # px
BINS = np.linspace(0, 1.2, 31)
MIX = 60  # pairs of the training mix

Curve = npt.NDArray[np.float64]


def curves(image: npt.NDArray[np.generic]) -> dict[str, tuple[Curve, Curve]]:
    """The three curves of an image; spectra from the half of the tiles with more contrast."""
    grey = image.astype(np.float64)
    low, high = np.percentile(grey, (1, 99.8))
    share, _ = np.histogram((grey - low) / max(high - low, 1), BINS, density=True)
    rows, columns = grey.shape[0] // TILE, grey.shape[1] // TILE
    tiles = grey[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE)
    tiles = tiles.swapaxes(1, 2).reshape(-1, TILE, TILE)
    tiles = tiles - tiles.mean((1, 2), keepdims=True)
    contrast = tiles.std((1, 2))
    tiles = tiles[contrast >= np.median(contrast)]
    tiles = tiles / np.maximum(tiles.std((1, 2), keepdims=True), 1e-9)
    taper = np.hanning(TILE)[:, None] * np.hanning(TILE)
    power = (np.abs(np.fft.fft2(tiles * taper)) ** 2).mean(0)
    # dividing by the taper's own correlation leaves the image's
    plane = np.fft.ifft2(power).real / np.fft.ifft2(np.abs(np.fft.fft2(taper)) ** 2).real
    profile = (plane[0, :9] + plane[:9, 0]) / (2 * plane[0, 0])
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.fftfreq(TILE))
    ring = np.round(frequency * TILE).astype(int)
    radial = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    rings = np.arange(1, TILE // 2 + 1)
    return {
        "histogram": ((BINS[1:] + BINS[:-1]) / 2, share),
        "autocorrelation": (np.arange(9.0), profile),
        "spectrum": (rings / TILE, radial[rings] / radial[rings].sum()),
    }


def mix() -> dict[str, npt.NDArray[np.float64]]:
    """Curves of the training mix: shape (3, points), the 5th, 50th and 95th percentile."""
    source = open_source("training")
    drawn = [curves(source.pair("validation", i).pair.first) for i in range(MIX)]
    return {
        name: np.percentile([entry[name][1] for entry in drawn], (5, 50, 95), axis=0)
        for name in drawn[0]
    }


def draw(real: Path, output: Path) -> None:
    """Write the figure and print the width of the autocorrelation peaks."""
    spread = mix()
    figure, axes = plt.subplots(len(PAIRS), 3, figsize=(11, 8.5), layout="constrained")
    for row, (recorded, generated) in zip(axes, PAIRS.items(), strict=True):
        own = curves(read_image(real / f"{recorded}_a.tif"))
        made = curves(read_image(SAMPLES / f"{generated}_a.tif"))
        for axis, name in zip(row, own, strict=True):
            x, y = own[name]
            axis.fill_between(x, spread[name][0], spread[name][2], color="0.88", label="training")
            axis.plot(x, y, color="#0072B2", label=f"recorded: {recorded}")
            axis.plot(x, made[name][1], "--", color="#D55E00", label=f"generated: {generated}")
            if name != "autocorrelation":
                axis.set_yscale("log")
        row[0].set_ylim(3e-3, 40)
        row[0].set_xlabel("grey level, 1st to 99.8th percentile = 0 to 1")
        row[0].set_ylabel("probability density")
        row[1].set_xlabel("shift (px)")
        row[1].set_ylabel("autocorrelation")
        row[2].set_xlabel("spatial frequency (cycles/px)")
        row[2].set_ylabel("share of the power")
        row[0].legend(fontsize=7.5, frameon=False)
        for name, entry in (("recorded", own), ("generated", made)):
            at_one, at_two = entry["autocorrelation"][1][1:3]
            print(f"{recorded:15} {name:10} autocorrelation at 1, 2 px: {at_one:.2f} {at_two:.2f}")
    figure.savefig(output, dpi=130)


if __name__ == "__main__":
    if "PIV_REAL_PAIRS" not in os.environ:
        sys.exit("set PIV_REAL_PAIRS to the folder of the real pairs")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "figures" / "realism.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(Path(os.environ["PIV_REAL_PAIRS"]), target)
