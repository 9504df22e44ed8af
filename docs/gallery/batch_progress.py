"""The screen of a real run of ``piv batch``: writes ``docs/figures/batch-progress.svg``.

    python docs/gallery/batch_progress.py

It analyses a folder of generated pairs, two of which are spoilt on purpose, and takes the picture
when most of the pairs are done.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

import h5py
import numpy as np
from rich.console import Console

import piv.cli.batch
from piv.cli import main
from piv.cli.progress import Bar

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "sample_images"
COUNT, SHOT = 60, 41


class Photographed(Bar):
    """A bar whose picture is taken once."""

    def __init__(self, progress):
        super().__init__(progress, Console(file=io.StringIO(), width=80, force_terminal=True))
        self.said = ["$ piv batch run7.h5 results.h5 --dt 200us --pixel-size 21um"]
        self.taken = False

    def say(self, text):
        super().say(text)
        self.said.append(text)

    def tick(self):
        super().tick()
        if self.taken or self.progress.finished < SHOT:
            return
        self.taken = True
        picture = Console(record=True, file=io.StringIO(), width=80, force_terminal=True)
        for line in self.said:
            picture.print(line, markup=False, highlight=False)
        picture.print(self.renderable())
        svg = picture.export_svg(title="piv batch")
        # no fonts from elsewhere
        svg = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
        (HERE.parent / "figures" / "batch-progress.svg").write_text(svg, "utf-8")


def write_pairs(path: Path) -> None:
    """Pairs cut out of a sample pair at different places; one without light, one with NaN."""
    first = piv.read_pair(SAMPLES / "cylinder_wake_a.tif", SAMPLES / "cylinder_wake_b.tif")
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        frames = [
            file.create_dataset(f"frames/{name}", (COUNT, 96, 128), "f4", chunks=(1, 96, 128))
            for name in "ab"
        ]
        for n in range(COUNT):
            top, left = (int(rng.integers(0, size - cut)) for size, cut in
                         zip(first.shape, (96, 128), strict=True))  # fmt: skip
            for stored, image in zip(frames, (first.first, first.second), strict=True):
                stored[n] = image[top : top + 96, left : left + 128]
        frames[1][17] = 0
        frames[0][31, 5, 5] = np.nan


def run() -> None:
    """Make the pairs, analyse them, take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        write_pairs(Path(folder, "run7.h5"))
        piv.cli.batch.display = lambda _, progress: Photographed(progress)
        main(
            ["batch", str(Path(folder, "run7.h5")), str(Path(folder, "results.h5")), "--dt",
             "200us", "--pixel-size", "21um", "--model", "none"]
        )  # fmt: skip


if __name__ == "__main__":
    run()
