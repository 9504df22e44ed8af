"""``piv doctor``: check the installation."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from piv.errors import PIVError

_TOLERANCE = 0.1  # px; rms of the self-test, which has an error of 0.01-0.03 px


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Check the installation and analyse a small generated pair. Exit status 1 if "
        "something is wrong.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:  # noqa: ARG001  (every command takes them)
    """Print one line for each check."""
    sound = True
    for name, check in _checks():
        try:
            good, text = check()
        except (PIVError, ImportError) as error:
            good, text = False, " ".join(str(error).split())
        sound &= good
        print(f"  {'ok  ' if good else 'FAIL'}  {name:<12} {text}")
    print("the installation is sound" if sound else "the installation is not sound")
    return 0 if sound else 1


def _checks() -> Iterator[tuple[str, Callable[[], tuple[bool, str]]]]:
    yield "ccfcn-piv", _package
    yield "python", lambda: (True, f"{platform.python_version()} on {platform.platform()}")
    yield "processor", _processor
    yield "torch", _torch
    yield "OpenCV", lambda: (True, importlib.import_module("cv2").__version__)
    yield "HDF5", _hdf5
    yield "Qt", _qt
    yield "weights", _weights
    yield "coarse", lambda: _self_test("none")
    yield "dense", lambda: _self_test("default")


def _package() -> tuple[bool, str]:
    import piv

    return True, piv.__version__


def _processor() -> tuple[bool, str]:
    cores = _cores()
    return True, f"{cores} core{'' if cores == 1 else 's'} usable of {os.cpu_count()}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _torch() -> tuple[bool, str]:
    import torch

    device = "CUDA" if torch.cuda.is_available() else "CPU"
    return True, f"{torch.__version__}, {torch.get_num_threads()} threads, {device}"


def _hdf5() -> tuple[bool, str]:
    import h5py

    return True, f"{h5py.version.hdf5_version} (h5py {h5py.__version__})"


def _qt() -> tuple[bool, str]:
    try:
        qt = importlib.import_module("PyQt6.QtCore")
    except ImportError:
        return True, 'not installed, only needed for piv-gui: pip install "ccfcn-piv[gui]"'
    return True, str(qt.QT_VERSION_STR)


def _weights() -> tuple[bool, str]:
    import piv

    model = piv.load_model("default")  # checks the hash
    if model is None:
        return False, "there are no default weights"
    return True, f"{model.name}, sha256 {model.sha256[:16]}... as recorded"


def _self_test(model: str) -> tuple[bool, str]:
    """Analyse blurred noise that was moved by a whole number of pixels."""
    import piv

    moved = 3, -2  # px right, px up
    rng = np.random.default_rng(1)
    canvas = rng.random((180, 212))
    spectrum = np.fft.rfft2(canvas)
    frequency = np.hypot(np.fft.fftfreq(180)[:, None], np.fft.rfftfreq(212)[None, :])
    canvas = np.fft.irfft2(spectrum * np.exp(-((frequency / 0.2) ** 2)), s=canvas.shape)
    first, second = canvas[10:170, 10:202], np.roll(canvas, moved[::-1], (0, 1))[10:170, 10:202]
    field = piv.analyse(first, second, model=model).field
    error = np.hypot(field.u - moved[0], field.v - moved[1])
    if model != "none":
        error = error[16:-16, 16:-16]  # what leaves the view is not measured
    rms = float(np.sqrt(np.mean(error**2)))
    return rms < _TOLERANCE, f"self-test: error {rms:.3f} px rms"
