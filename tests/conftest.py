"""What the tests share.

The tests run in an empty working folder and see only the *installed* packages, so that a file
missing from the wheel is noticed, and no test depends on where it was started.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import piv

os.environ.setdefault("MPLBACKEND", "Agg")  # figures without a display
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# a shell starts what runs in its background with Ctrl-C ignored, and children inherit that
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# the same examples on every machine and no limit of time: a failure is never a matter of luck
settings.register_profile("piv", deadline=None, derandomize=True, database=None, max_examples=30)
settings.load_profile("piv")

TESTS = Path(__file__).resolve().parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
REAL_PAIRS = ("karman_street", "wall_jet", "wingtip_vortex")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined, unused-ignore]
    except AttributeError:  # not on Windows and macOS
        return os.cpu_count() or 1


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """In how many processes the suite runs, unless ``-n`` says it.

    None of their own for the few tests chosen with ``-m``, which measure and are to be seen, and
    where the output is to be seen (``-s``).
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    if "not slow" not in config.option.markexpr or config.option.capture == "no":
        return 0
    return min(_cores(), 4)


def pytest_configure(config: pytest.Config) -> None:
    """One thread a process: programs that use OpenMP on the same cores slow each other greatly."""
    if config.getoption("tx", None):  # inherited by the processes of the tests, and by theirs
        for name in THREADS:
            os.environ.setdefault(name, "1")


def pytest_report_header() -> str:
    """Say which package is tested: the installed one, or an editable installation."""
    return f"piv {piv.__version__} from {Path(piv.__file__).parent}"


@pytest.fixture(scope="session", autouse=True)
def _empty_working_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("working folder"))
    yield
    os.chdir(before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """The folder of the generated sample pairs."""
    return TESTS.parent / "sample_images"


@pytest.fixture(scope="session")
def real_pairs() -> list[tuple[str, Path, Path]]:
    """(name, first, second) of the real pairs, which are not part of the project."""
    folder = os.environ.get("PIV_REAL_PAIRS")
    if not folder:
        pytest.skip("needs the real image pairs: set PIV_REAL_PAIRS to their folder")
    files = [
        (name, Path(folder, f"{name}_a.tif"), Path(folder, f"{name}_b.tif")) for name in REAL_PAIRS
    ]
    for name, first, second in files:
        assert first.is_file(), f"{name} is missing from PIV_REAL_PAIRS={folder}"
        assert second.is_file(), f"{name} is missing from PIV_REAL_PAIRS={folder}"
    return files
