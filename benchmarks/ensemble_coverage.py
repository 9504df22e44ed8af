"""How much of the error of an ensemble's field lies within the uncertainty that it states.

python ensemble_coverage.py               # the table of docs/ensemble.md

Series of the channel flow of ensemble.py, several of each kind with other particles and noise.
*Scatter* is the deviation from the mean over the series (the random error), *error* that from the
exact flow; the first is what the uncertainty is for, the second has the bias of the window as well.
Vectors that a test rejected are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ensemble import CONDITIONS, SETTINGS, Series

import piv


class Part(Sequence[Any]):
    """Some consecutive pairs of a series."""

    def __init__(self, whole: Sequence[Any], first: int, count: int) -> None:
        self.whole, self.first, self.count = whole, first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self.whole[self.first + index]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--series", type=int, default=8)
    parser.add_argument("--size", type=int, nargs=2, default=[96, 128], metavar=("H", "W"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = ("scatter, px", "stated, px", "coverage of scatter", "of the error of u", "of v")
    print(f"| series of {options.pairs} pairs | window | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 2) + "|")
    for condition in CONDITIONS:
        whole = Series(condition, tuple(options.size), options.pairs * options.series)
        for px, settings in SETTINGS.items():
            fields = [
                piv.ensemble_correlation(
                    Part(whole, n * options.pairs, options.pairs), settings=settings
                ).field
                for n in range(options.series)
            ]
            cells = row(whole, fields)
            print(f"| {condition} | {px} px | " + " | ".join(cells) + " |", flush=True)


def row(whole: Series, fields: list[piv.VectorField]) -> list[str]:
    """Cells of one line of the table."""
    first = fields[0]
    y, x = (torch.from_numpy(c).float() for c in (first.y, first.x))
    valid = np.array([field.valid for field in fields])
    enough = valid & (valid.sum(axis=0) > 3)
    scatter, stated, errors = [], [], []
    for name, true in zip("uv", whole.flow(y[:, None], x[None, :]), strict=True):
        values = np.array([getattr(field, name) for field in fields])
        size = np.array([getattr(field, f"uncertainty_{name}") for field in fields])
        count = np.maximum(enough.sum(axis=0), 2)
        mean = np.where(enough, values, 0).sum(axis=0) / count
        # the mean has a part of each of them
        scatter.append(((values - mean) * np.sqrt(count / (count - 1)))[enough])
        stated.append(size[enough])
        errors.append((values - true.numpy())[enough])
    within = np.mean(np.abs(np.concatenate(scatter)) <= np.concatenate(stated))
    shares = [np.mean(np.abs(e) <= s) for e, s in zip(errors, stated, strict=True)]
    size = np.quantile(np.abs(np.concatenate(scatter)), 0.683)
    return [
        f"{size:.3f}", f"{np.median(np.concatenate(stated)):.3f}",
        *(f"{share:.0%}" for share in (within, *shares)),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
