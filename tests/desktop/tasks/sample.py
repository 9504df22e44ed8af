"""Tasks that do what a task may do, and what it should not."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from gui.compute.server import task
from piv.errors import InputError

__all__ = [
    "bad_line",
    "bug",
    "count",
    "crash",
    "echo",
    "facts",
    "fill_disk",
    "mark",
    "modules",
    "no_memory",
    "noise",
    "not_a_task",
    "ones",
    "quit_quietly",
    "rows",
    "sleep",
    "tensor",
    "version",
]


@task
def echo(context, value):
    return value


@task
def ones(context, shape, value=1.0):
    return np.full(shape, value, np.float32)


@task
def rows(context, field, first, last):
    return field[first:last, ::2]


@task
def facts(context, array):
    """How an array has arrived."""
    return {
        "type": type(array).__name__,
        "writeable": array.flags.writeable,
        "files": sorted(path.name for path in context_folder().glob("*.npy")),
        "nice": os.nice(0),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def context_folder() -> Path:
    return Path(sys.argv[1])


@task
def sleep(context, seconds, path=None):
    if path is not None:
        Path(path).write_text("begun", encoding="utf-8")
    time.sleep(seconds)
    return seconds


@task
def mark(context, path):
    Path(path).write_text("done", encoding="utf-8")


@task
def count(context, total):
    for n in range(total):
        context.progress(n + 1, total, f"step {n + 1}")
        time.sleep(0.06)
    return total


@task
def crash(context):
    os.kill(os.getpid(), signal.SIGKILL)


@task
def quit_quietly(context):
    os._exit(3)


@task
def bug(context):
    raise RuntimeError("an injected mistake")


@task
def bad_line(context):
    raise InputError("the frame is\nmissing")


@task
def no_memory(context):
    raise MemoryError


@task
def fill_disk(context, limit):
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    return np.zeros(limit, np.float64)


@task
def modules(context, names):
    return [name for name in names if name in sys.modules]


@task
def noise(context):
    sys.stdout.write("a library prints\n")
    os.write(1, b"so does C\n")
    return "heard"


class Tensor:
    """As far as its name goes, one of torch's."""


class Version(str):
    """As torch says which one it is."""


Tensor.__module__ = Version.__module__ = "torch.somewhere"


@task
def tensor(context):
    return {"tensor": Tensor()}


@task
def version(context):
    return Version("2.0")


def not_a_task(context):
    return "run"
