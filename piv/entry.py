"""Where the command ``piv`` begins: Ctrl-C while modules load ends it as it does later."""

from __future__ import annotations

import importlib
import sys


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


def _interrupt(_number: int, _frame: object) -> None:
    Interrupted.pressed = True
    raise Interrupted
