"""Kill a writer at random moments, recover, compare.

``python killing.py FOLDER KILLS SEED``: a process of its own, for it forks;
prints what the kills hit, as JSON.
"""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import stores

from piv.io import journal
from piv.io.results.reader import read_field
from piv.io.results.writer import ResultsWriter

COUNT = 24
PACKED = [stores.packed(n) for n in range(COUNT)]


def write(path: Path) -> None:
    """Go on with the store, or make it, three pairs a transaction."""
    with ResultsWriter.open(path) if path.exists() else stores.create(path, COUNT) as writer:
        while todo := writer.pending:
            writer.write([PACKED[n] for n in todo[:3]])


def hit(path: Path) -> str:
    """What the writer was doing when it was killed, from what it has left."""
    if not path.exists():
        return "creation"
    if journal.journal_path(path).exists():
        return "applying the journal"
    if journal._part(journal.journal_path(path)).exists():
        return "writing the journal"
    handle = os.open(path, os.O_RDONLY)
    try:
        end = journal._end_of_hdf5(handle)
        return "appending" if os.fstat(handle).st_size > end else "between"
    finally:
        os.close(handle)


def verify(path: Path, random_numbers: random.Random, least: set[int]) -> set[int]:
    """Recover; every pair that is told to be done is right, and none was lost."""
    with ResultsWriter.open(path) as writer:
        done = set(writer.done) | set(writer.failed)
        assert not set(writer.failed) - {6, 13, 20}
    assert least <= done, "a finished pair was lost"
    for position in random_numbers.sample(sorted(done), min(3, len(done))):
        if position % 7 != 6:
            read, wanted = read_field(path, None, position), stores.analysis(position).field
            np.testing.assert_array_equal(read.u, wanted.u)
            np.testing.assert_array_equal(read.uncertainty_v, wanted.uncertainty_v)
    return done


def main(folder: Path, kills: int, seed: int) -> None:
    # the system outlives the process, so nothing needs to be durable here, and this is quicker
    os.fsync = lambda _: None
    random_numbers = random.Random(seed)
    path, whole = folder / "store ü.h5", folder / "whole.h5"
    begin = time.perf_counter()
    write(whole)
    longest = time.perf_counter() - begin  # until a kill; follows the load of the machine
    wanted = stores.content(whole)
    phases: collections.Counter[str] = collections.Counter()
    finished, done = 0, set()
    while sum(phases.values()) < kills:
        child = os.fork()
        if child == 0:
            try:
                write(path)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        time.sleep(random_numbers.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            longest *= 0.8
        else:
            phase = hit(path)
            phases[phase] += 1
            longest *= 1.1 if phase == "creation" else 1.0
        if not path.exists():
            continue
        done = verify(path, random_numbers, done)
        if len(done) == COUNT:
            assert stores.content(path) == wanted
            finished += 1
            path.unlink()
            done = set()
    write(path)
    assert stores.content(path) == wanted
    assert sorted(each.name for each in folder.iterdir()) == sorted([path.name, whole.name])
    assert "torch" not in sys.modules
    sys.stdout.write(json.dumps({"phases": phases, "finished": finished + 1}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
