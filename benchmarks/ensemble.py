"""Ensemble correlation against the mean of the vectors of single pairs, on thinly seeded series.

python ensemble.py --openpiv              # the table of docs/ensemble.md
python ensemble.py --lengths 10 50 --size 96 128

A steady laminar channel flow (largest displacement 4 px in the middle, none at the walls, which are
the upper and lower edge), 2.5 px particles, a tenth of which are seen in one frame only; every
particle has a random displacement of its own besides (Brownian motion).  Each factor is varied by
itself.  Errors are the vector rms against the exact mean flow at the windows' centres, over all
windows: an ensemble's replaced vectors count, while a window that no single pair could measure is
left out of the averages (its share is in the column "never").  Of the mean and the median of the
vectors the better one is printed.

OpenPIV has no ensemble correlation to be called.  ``--openpiv`` adds what can be made of its parts,
as in its example notebook: the mean of the linear, normalised planes of 32 px windows in one pass,
its peaks, with or without its normalised median test and replaced outliers, whichever is better.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import piv
from piv import ImagePair, Settings, VectorField
from synth import camera, flows, particles

PEAK = 4.0  # px
DIAMETER = 2.5  # px
# the last window -> settings
SETTINGS = {16: Settings(), 32: piv.settings.from_dict({"correlate": {"windows": [64, 32]}})}


@dataclasses.dataclass(frozen=True)
class Condition:
    """What makes a series hard."""

    density: float = 0.005  # particles per pixel
    noise: float = 0.1  # standard deviation over a bright particle's peak
    random: float = 0.5  # px, standard deviation of each component of the random displacement

    def __str__(self) -> str:
        return f"{self.density:g} ppp, noise {self.noise:.0%}, random {self.random:g} px"


CONDITIONS = (
    Condition(),
    Condition(density=0.002),
    Condition(density=0.01),
    Condition(noise=0.0),
    Condition(noise=0.3),
    Condition(random=0.0),
    Condition(random=1.5),
)


class Series(Sequence[ImagePair]):
    """Pairs of one flow, the same whenever they are asked for."""

    def __init__(self, condition: Condition, shape: tuple[int, int], count: int) -> None:
        self.condition, self.shape, self.count = condition, shape, count
        middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
        self.flow = flows.poiseuille(middle, shape[0] / 2, PEAK)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng([index, 2000])
        condition = self.condition
        seeds = particles.seed(
            rng, self.shape, (0.0, 12.0), density=condition.density, diameter=DIAMETER,
            diameter_spread=0.1, brightness_spread=0.3, loss_of_pairs=0.1, loss_by_motion=1.0,
        )  # fmt: skip
        start, end = particles.move(seeds, self.flow)
        wander = rng.standard_normal(tuple(start.shape), dtype=np.float32) * condition.random / 2
        half = torch.from_numpy(wander)
        number = start.shape[1]
        light = camera.render(
            torch.cat((start - half, end + half), dim=1),
            seeds.diameter.repeat(2),
            torch.cat((seeds.first, seeds.second)) / particles.mean_peak(DIAMETER),
            torch.arange(2).repeat_interleave(number),
            self.shape,
        )
        exposure = camera.Exposure(noise=condition.noise, offset=0.3)
        return ImagePair(*camera.expose(light, exposure, rng))

    def errors(self, field: VectorField, u: Any, v: Any) -> Any:
        """Length of the difference to the truth; NaN where there is no value."""
        y, x = (torch.from_numpy(c).float() for c in (field.y, field.x))
        true = [np.broadcast_to(c.numpy(), u.shape) for c in self.flow(y[:, None], x[None, :])]
        return np.hypot(u - true[0], v - true[1])


def rms(errors: Any) -> float:
    """Over what is there, px; NaN if nothing is."""
    there = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(there**2))) if there.size else float("nan")


def averages(series: Series, settings: Settings, lengths: list[int]) -> Iterator[dict[str, float]]:
    """Mean and median of the valid vectors of the first pairs, for each length of the series."""
    found: list[tuple[Any, Any]] = []
    begin = time.process_time()
    for index in range(max(lengths)):
        field = piv.analyse(series[index], settings=settings, model=None).coarse
        found.append(tuple(np.where(field.valid, c, np.nan) for c in (field.u, field.v)))
        if index + 1 in lengths:
            stack = np.array(found)
            never = np.isnan(stack[:, 0]).all(axis=0)
            stack = stack[:, :, ~never]
            means, medians = (np.full((2, *never.shape), np.nan) for _ in range(2))
            means[:, ~never] = np.nanmean(stack, axis=0)
            medians[:, ~never] = np.nanmedian(stack, axis=0)
            yield {
                "mean": rms(series.errors(field, *means)),
                "median": rms(series.errors(field, *medians)),
                "never": 100 * float(never.mean()),
                "seconds": time.process_time() - begin,
            }


def openpiv_planes(series: Series) -> float:
    """Error of the mean of OpenPIV's correlation planes, px."""
    from openpiv import filters, pyprocess, validation

    total: Any = 0
    for pair in (series[index] for index in range(len(series))):
        a, b = (
            pyprocess.sliding_window_array(frame.astype(np.float32), (32, 32), (16, 16))
            for frame in (pair.first, pair.second)
        )
        total = total + pyprocess.fft_correlate_images(
            a, b, correlation_method="linear", normalized_correlation=True
        )
    y, x = (np.arange((size - 32) // 16 + 1) * 16 + 15.5 for size in series.shape)
    u, v = pyprocess.correlation_to_displacement(total / len(series), y.size, x.size)
    flags = validation.local_norm_median_val(u, v, 0.1, 2.0)
    tested = filters.replace_outliers(u, v, flags, method="localmean", max_iter=10, kernel_size=2)
    empty = np.zeros(u.shape, np.uint16)
    field = VectorField(x=x, y=y, u=u, v=v, flags=empty)
    return min(rms(series.errors(field, *each)) for each in ((u, v), tested[:2]))


def measure(
    condition: Condition, shape: tuple[int, int], lengths: list[int], *, openpiv: bool
) -> Iterator[Any]:
    """One row for each length."""
    whole = Series(condition, shape, max(lengths))
    averaged = {px: list(averages(whole, chosen, lengths)) for px, chosen in SETTINGS.items()}
    for n, length in enumerate(lengths):
        row = {"series": str(condition), "pairs": length}
        pairs = Series(condition, shape, length)
        for px, chosen in SETTINGS.items():
            begin = time.process_time()
            field = piv.ensemble_correlation(pairs, settings=chosen).field
            row[f"ensemble {px}"] = rms(whole.errors(field, field.u, field.v))
            row[f"valid {px}"] = 100 * float(field.valid.mean())
            row[f"ensemble s {px}"] = time.process_time() - begin
            row |= {f"{name} {px}": value for name, value in averaged[px][n].items()}
        if openpiv:
            row["openpiv 32"] = openpiv_planes(pairs)
        yield row


def main() -> None:
    """Print the table, and write it as CSV."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[10, 40, 160])
    parser.add_argument("--size", type=int, nargs=2, default=[128, 160], metavar=("H", "W"))
    parser.add_argument("--output", type=Path, default=Path("results/ensemble.csv"))
    parser.add_argument("--openpiv", action="store_true", help="beside the mean of its planes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lengths, shape = sorted(options.lengths), (options.size[0], options.size[1])
    rows = []
    heads = ["series", "pairs"]
    for px in SETTINGS:
        heads += [f"ensemble, {px} px", "valid", f"vectors, {px} px", "never"]
    heads += ["OpenPIV's planes, 32 px"] * options.openpiv
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for condition in CONDITIONS:
        for row in measure(condition, shape, lengths, openpiv=options.openpiv):
            rows.append(row)
            cells = [row["series"], str(row["pairs"])]
            for px in SETTINGS:
                best = np.fmin(row[f"mean {px}"], row[f"median {px}"])
                cells += [f"{row[f'ensemble {px}']:.3f}", f"{row[f'valid {px}']:.0f} %"]
                cells += [
                    f"{best:.3f}" if np.isfinite(best) else "-",
                    f"{row[f'never {px}']:.0f} %",
                ]
            if options.openpiv:
                cells.append(f"{row['openpiv 32']:.3f}")
            print("| " + " | ".join(cells) + " |", flush=True)
    count = sum(row["pairs"] for row in rows)
    for px in SETTINGS:
        ensemble, vectors = (
            1000 * sum(row[f"{name} {px}"] for row in rows) / count
            for name in ("ensemble s", "seconds")
        )
        print(f"{px} px: ensemble {ensemble:.0f} ms a pair, single fields {vectors:.0f} ms")
    options.output.parent.mkdir(exist_ok=True)
    with options.output.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
