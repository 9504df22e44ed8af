"""What the workers of the pool's tests do; spawned processes import it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from piv.errors import InputError


@dataclass(frozen=True)
class Squares:
    """Squares its tasks; some tasks do harm."""

    folder: Path
    deadly: tuple[int, ...] = ()  # kill the worker each time
    deadly_once: tuple[int, ...] = ()
    raising: tuple[int, ...] = ()
    seconds: float = 0.0
    bytes: int = 0

    def __call__(self) -> Callable[[int], object]:
        (self.folder / f"worker {os.getpid()}").touch()
        return self.compute

    def compute(self, task: int) -> object:
        first = not (self.folder / f"task {task}").exists()
        (self.folder / f"task {task}").touch()
        if task in self.deadly or (task in self.deadly_once and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if task in self.raising:
            raise RuntimeError(f"task {task} is a bug")
        time.sleep(self.seconds)
        return (task * task, bytes(self.bytes)) if self.bytes else task * task


@dataclass(frozen=True)
class Surroundings:
    """Says what a worker sees."""

    def __call__(self) -> Callable[[int], dict[str, object]]:
        return lambda _task: {
            "torch": "torch" in sys.modules,
            "threads": {name: os.environ.get(f"{name}_NUM_THREADS") for name in ("OMP", "MKL")},
            "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        }


@dataclass(frozen=True)
class Refusing:
    """Cannot prepare."""

    def __call__(self) -> Callable[[int], int]:
        raise InputError("there is no file nowhere.h5")


@dataclass(frozen=True)
class Stillborn:
    """Dies while it prepares."""

    def __call__(self) -> Callable[[int], int]:
        os._exit(7)


def main() -> None:
    """A parent that prints its workers' process numbers and works until it is killed."""
    from piv.batch.processes import Pool

    with Pool(Squares(Path(sys.argv[1]), seconds=60.0), 2) as pool:
        pool.submit(1)
        while len(list(Path(sys.argv[1]).glob("worker *"))) < 2:
            time.sleep(0.05)
        sys.stdout.write(" ".join(str(pid) for pid in pool.pids) + "\n")
        sys.stdout.flush()
        pool.next(60.0)


if __name__ == "__main__":
    main()
