"""The settings of the peers that were tried, on the validation split; README.md sums them up."""

from __future__ import annotations

import argparse
from pathlib import Path

from peers import DIS, OpenPIV
from scoring import measure, write

LINEAR = {"correlation_method": "linear", "normalized_correlation": True}
QUIET = {"sig2noise_validate": False, "sig2noise_method": None}
NORMALISED_MEDIAN = {"median_normalized": True, "median_threshold": 2}
THREE, FOUR, FIVE = (64, 32, 16), (64, 32, 16, 16), (64, 32, 16, 12, 12)
SIX, SEVEN = (64, 32, 16, 12, 12, 12), (64, 32, 16, 16, 12, 12, 12)
EIGHT = (64, 32, 16, 12, 8, 8)
BEST = LINEAR | QUIET
FINE = {"interpolation_order": 5}  # of the frames

VARIANTS = [
    OpenPIV("defaults", THREE),
    OpenPIV("3 passes, 8-bit frames", THREE, as_float=False),
    OpenPIV("3 passes, frames order 5", THREE, options=FINE),
    OpenPIV("3 passes, linear", THREE, options=LINEAR),
    OpenPIV("4 passes", FOUR),
    OpenPIV("4 passes, linear", FOUR, options=LINEAR),
    OpenPIV("4 passes, linear, s2n off", FOUR, options=BEST),
    OpenPIV("4 passes, linear, normalised median 2", FOUR, options=BEST | NORMALISED_MEDIAN),
    OpenPIV("4 passes, linear, median 1", FOUR, options=BEST | {"median_threshold": 1}),
    OpenPIV("4 passes, linear, frames order 5", FOUR, options=BEST | FINE),
    OpenPIV("4 passes, linear, overlap 75 %", FOUR, 0.75, BEST),
    OpenPIV("4 passes to 24", (64, 32, 24, 24), options=BEST),
    OpenPIV("5 passes to 12, circular", FIVE, options=QUIET),
    OpenPIV("5 passes to 12", FIVE, options=BEST),
    OpenPIV("5 passes to 12, median 1", FIVE, options=BEST | {"median_threshold": 1}),
    OpenPIV(
        "5 passes to 12, second image", FIVE, options=BEST | {"deformation_method": "second image"}
    ),
    OpenPIV("5 passes to 12, overlap 75 %", FIVE, 0.75, BEST),
    OpenPIV("5 passes to 12, smoothed", FIVE, options=BEST, smooth=0.05),
    OpenPIV("5 passes to 12, smoothed p 0.5", FIVE, options=BEST, smooth=0.5),
    OpenPIV("6 passes to 12", SIX, options=BEST),
    OpenPIV("6 passes to 12, smoothed", SIX, options=BEST, smooth=0.05),
    OpenPIV("6 passes to 12, smoothed, frames order 5", SIX, options=BEST | FINE, smooth=0.05),
    OpenPIV("6 passes to 12, smoothed p 0.2, frames order 5", SIX, options=BEST | FINE, smooth=0.2),
    OpenPIV("7 passes to 12, smoothed, frames order 5", SEVEN, options=BEST | FINE, smooth=0.05),
    OpenPIV("5 passes to 12, smoothed, frames order 5", FIVE, options=BEST | FINE, smooth=0.05),
    OpenPIV(
        "5 passes to 12, smoothed p 0.2, frames order 5", FIVE, options=BEST | FINE, smooth=0.2
    ),
    OpenPIV(
        "5 passes to 12, smoothed p 0.5, frames order 5", FIVE, options=BEST | FINE, smooth=0.5
    ),
    OpenPIV("5 passes to 12, result smoothed 0.2", FIVE, 0.5, BEST | FINE, True, 0.5, 0.2),
    OpenPIV("5 passes to 12, result smoothed 1", FIVE, 0.5, BEST | FINE, True, 0.5, 1.0),
    OpenPIV("7 passes to 12, result smoothed 0.2", SEVEN, 0.5, BEST | FINE, True, 0.05, 0.2),
    OpenPIV("7 passes to 12, result smoothed 1", SEVEN, 0.5, BEST | FINE, True, 0.05, 1.0),
    OpenPIV(
        "5 passes to 12, overlap 75 %, result smoothed 1", FIVE, 0.75, BEST | FINE, True, 0.5, 1.0
    ),
    OpenPIV(
        "7 passes to 12, overlap 75 %, result smoothed 1", SEVEN, 0.75, BEST | FINE, True, 0.05, 1.0
    ),
    OpenPIV("6 passes to 8", EIGHT, options=BEST),
    OpenPIV("6 passes to 8, smoothed", EIGHT, options=BEST, smooth=0.05),
    OpenPIV("6 passes to 8, smoothed p 0.5", EIGHT, options=BEST, smooth=0.5),
    DIS("DIS tuned"),
    DIS("DIS patch 12", patch=12, stride=3),
    DIS("DIS 5 refinements", refinements=5),
    DIS("DIS 20 refinements", refinements=20),
    DIS("DIS no refinement", refinements=0),
]


def main() -> None:
    """Score all variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--source", nargs="+", default=["synth:evaluation"])
    parser.add_argument(
        "--class",
        dest="kinds",
        nargs="*",
        default=["kinematic", "turbulence", "wall", "wake", "vortex"],
    )
    parser.add_argument("--only", nargs="*", default=[], help="variants whose names hold this")
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    variants = [
        variant
        for variant in VARIANTS
        if not arguments.only or any(part in variant.name for part in arguments.only)
    ]
    rows = measure(variants, arguments.source, "validation", arguments.pairs, set(arguments.kinds))
    write(arguments.output, "tuning", "Settings of the peers", rows, variants, "validation")


if __name__ == "__main__":
    main()
