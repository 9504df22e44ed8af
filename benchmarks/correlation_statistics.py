"""Correlation statistics against the true random error of the coarse field.

python correlation_statistics.py

Every case is a flow of `synth:evaluation` recorded several times with other particles and noise.
The random error of a vector is its deviation from the mean over the recordings; vectors that any
test rejected and the outermost ones are left out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from recordings import flow_of, record

from piv.correlate import coarse_field
from piv.settings import Settings, from_dict
from piv.uncertainty import correlation_statistics

CASES: dict[str, dict[str, float]] = {
    "noise 1 %": {"noise": 0.01},
    "noise 2 %": {},
    "noise 5 %": {"noise": 0.05},
    "noise 10 %": {"noise": 0.1},
    "noise 20 %": {"noise": 0.2},
    "noise 5 %, 0.02 ppp": {"noise": 0.05, "density": 0.02},
    "noise 5 %, 0.04 ppp": {"noise": 0.05, "density": 0.04},
    "noise 5 %, 0.12 ppp": {"noise": 0.05, "density": 0.12},
    "noise 5 %, diameter 1.6 px": {"noise": 0.05, "diameter": 1.6},
    "noise 5 %, diameter 4 px": {"noise": 0.05, "diameter": 4.0},
    "loss 5 %": {"loss_of_pairs": 0.05},
    "loss 10 %": {"loss_of_pairs": 0.1},
    "loss 20 %": {"loss_of_pairs": 0.2},
    "loss 30 %": {"loss_of_pairs": 0.3},
    "loss 20 %, diameter 4 px": {"loss_of_pairs": 0.2, "diameter": 4.0},
}


def main() -> None:
    """Print a table of the two kinds of flow and the two last windows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=2, help="of each kind")
    parser.add_argument("--recordings", type=int, default=6, help="of each flow")
    parser.add_argument("--size", type=int, nargs=2, default=[192, 256], metavar=("H", "W"))
    options = parser.parse_args()
    shape = tuple(options.size)
    print(f"{options.flows} flows x {options.recordings} recordings, {shape} px")
    print("| flow | images | window | 68.3 % of errors | stated | stated / true | rms | coverage |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in ("uniform", "turbulence"):
        flows = [flow_of(kind, "validation", n, shape)[0] for n in range(options.flows)]
        for name, image in CASES.items():
            for window in (32, 16):
                cells = case(flows, shape, image, window, options.recordings)
                print(f"| {kind} | {name} | {window} | " + " | ".join(cells) + " |", flush=True)
    costs(window=16)


def case(flows, shape, image, window, recordings):
    """Cells of one line."""
    settings = coarse_settings(window)
    errors, stated = [], []
    for number, flow in enumerate(flows):
        rngs = [np.random.default_rng([number, n]) for n in range(recordings)]
        pairs = [record(flow, shape, rng, **image) for rng in rngs]
        fields = [coarse_field(p, settings.correlate, settings.validate) for p in pairs]
        good = np.all([field.flags == 0 for field in fields], axis=0)
        good[[0, -1]] = good[:, [0, -1]] = False
        values = np.stack([(field.u, field.v) for field in fields])[..., good]
        deviation = (values - values.mean(axis=0)) * np.sqrt(recordings / (recordings - 1))
        errors.append(deviation.ravel())
        found = [correlation_statistics(p, f, window) for p, f in zip(pairs, fields, strict=True)]
        stated.append(np.stack(found)[..., good].ravel())
    error, half_width = np.abs(np.concatenate(errors)), np.concatenate(stated)
    true, typical = np.quantile(error, 0.683), np.median(half_width)
    rms = np.sqrt(np.mean(half_width**2) / np.mean(error**2))
    share = np.mean(error <= half_width)
    return f"{true:.4f}", f"{typical:.4f}", f"{typical / true:.2f}", f"{rms:.2f}", f"{share:.0%}"


def coarse_settings(window: int) -> Settings:
    """Default settings with the last windows of this size."""
    return from_dict({"correlate": {"windows": [n for n in (64, 32, 16) if n >= window]}})


def costs(window: int, shape: tuple[int, int] = (1024, 1024)) -> None:
    """Processor time beside that of the coarse stage, on a large pair, one thread."""
    torch.set_num_threads(1)
    flow = flow_of("turbulence", "validation", 0, shape)[0]
    pair = record(flow, shape, np.random.default_rng(0))
    settings = coarse_settings(window)

    def best(work) -> float:
        spent = []
        for _ in range(4):
            begin = time.process_time()
            work()
            spent.append(time.process_time() - begin)
        return min(spent)

    field = coarse_field(pair, settings.correlate, settings.validate)
    stage = best(lambda: coarse_field(pair, settings.correlate, settings.validate))
    statistics = best(lambda: correlation_statistics(pair, field, window))
    print(
        f"\n{shape} px, one thread: coarse stage {stage:.2f} s, correlation statistics "
        f"{statistics:.2f} s of processor time"
    )


if __name__ == "__main__":
    main()
