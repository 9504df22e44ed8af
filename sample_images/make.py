"""Make the sample pairs anew: `python sample_images/make.py [FOLDER]` (default: this folder)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tifffile

from piv.io.files import replacing
from synth.dataset import write_truth
from synth.recipe import load
from synth.source import Source

HERE = Path(__file__).parent
PAIRS = {"cylinder_wake": 6, "jet": 1, "wingtip_vortex": 0, "turbulence": 4}  # index in `test`
PRECISION = 2.0**-11  # px; the truth is rounded to this, so that they compress


def make(name: str, folder: Path) -> None:
    """Write one pair, its mask if it has one, its truth, and what was drawn for it."""
    made = Source(load(str(HERE / f"{name}.toml"))).pair("test", PAIRS[name])
    images = {"a": made.pair.first, "b": made.pair.second}
    if made.pair.mask is not None:
        images["mask"] = made.pair.mask.astype("uint8") * 255
    for suffix, image in images.items():
        with replacing(folder / f"{name}_{suffix}.tif") as file:
            tifffile.imwrite(file, image, photometric="minisblack", compression="deflate")
    write_truth(folder / f"{name}_truth.h5", made, PRECISION)
    with replacing(folder / f"{name}.json") as file:
        file.write(json.dumps(dict(made.recipe), indent=1).encode())
    print(name, *made.pair.shape, made.pair.first.dtype)


def main() -> None:
    """Make all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAIRS:
        make(name, folder)


if __name__ == "__main__":
    main()
