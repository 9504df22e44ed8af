"""Where the command ``piv`` begins: Ctrl-C while modules load ends it as it does later."""

from __future__ import annotations

import importlib
import sys
from types import FrameType

_MOMENT = 0.02  # s


class Interrupted(KeyboardInterrupt):
    """Ctrl-C.

    After a plain KeyboardInterrupt that came while a library ran text as code, Python ends itself
    by the signal instead of with the status it was given.
    """

    pressed = False  # whether there was one at all


def main() -> int:
    """Run ``piv``; returns the exit status."""
    return begin("piv", "piv.cli")


def begin(program: str, module: str) -> int:
    """Load a module and run its ``main``.

    Parameters
    ----------
    program : str
        Name in front of the message.
    module : str
        Whose ``main()`` runs the command and returns the exit status.

    Returns
    -------
    int
        The exit status; 130 after Ctrl-C.
    """
    try:
        import signal

        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else ignored
        if ours:
            signal.signal(signal.SIGINT, _interrupt)
        status: int = importlib.import_module(module).main()
        if ours:  # all is done and told: from here on Ctrl-C just ends the process
            _ask_again(0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        return _told(program)
    except Exception:
        if not Interrupted.pressed:
            raise
        return _told(program)
    return status


def interrupted() -> bool:
    """Whether Ctrl-C was pressed: a library may have made another exception of it."""
    return Interrupted.pressed


def _told(program: str) -> int:
    sys.stderr.write(f"{program}: interrupted\n")
    return 130


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Raise, but not while modules load: some libraries abort the process if their loading fails.

    Then it is asked again a moment later; a second Ctrl-C ends the process at once.
    """
    Interrupted.pressed = True
    if _loading(frame) and _ask_again(_MOMENT):
        return
    raise Interrupted


def _loading(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _ask_again(seconds: float) -> bool:
    """Let :func:`_interrupt` be called after this time, 0 = not again; whether that can be done."""
    import signal

    if not hasattr(signal, "setitimer"):  # Windows
        return False
    if seconds:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return True
