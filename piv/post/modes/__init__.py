"""Modal decompositions of a series: POD (plain, randomised, gappy), DMD and spectral POD."""

from piv.post.modes.dmd import DMD, dmd
from piv.post.modes.gappy import fill_gaps, reconstruct_gaps
from piv.post.modes.pod import POD, pod
from piv.post.modes.snapshots import Snapshots, snapshots
from piv.post.modes.spod import SPOD, spod

__all__ = [
    "DMD",
    "POD",
    "SPOD",
    "Snapshots",
    "dmd",
    "fill_gaps",
    "pod",
    "reconstruct_gaps",
    "snapshots",
    "spod",
]
