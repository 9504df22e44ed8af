"""What every command of this project shares: errors in one line, exit statuses, quiet libraries."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from piv.errors import PIVError, nearest

USAGE, STOPPED, BUG, INTERRUPTED = 2, 3, 70, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and name what was probably meant."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Print one line on standard error and leave with status 2."""
        program = self.prog.split()[0]
        self.exit(USAGE, f"{program}: error: {self._explained(one_line(message))}\n")

    def _explained(self, message: str) -> str:
        if match := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            known = [word.strip("' ") for word in match[2].split(",")]
            what = message.split(":")[0].removeprefix("argument ").replace("COMMAND", "command")
            return f"unknown {what} {match[1]!r}{nearest(match[1], known)}"
        if match := re.match(r"unrecognized arguments: (.*)", message):
            words = match[1].split(" ")
            option = next((word for word in words if word.startswith("-")), None)
            if option is None:
                return f"too many arguments: {match[1]}"
            name = option.partition("=")[0]
            return f"unknown option {name}{nearest(name, sorted(_options(self)), few=False)}"
        return message


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser and of its commands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= _options(command)
    return found


def guarded(program: str, run: Callable[[], int]) -> int:
    """Run a command and turn what goes wrong into an exit status.

    Parameters
    ----------
    program : str
        Name in front of messages, such as ``piv``.
    run : callable
        Returns the exit status; may raise anything.

    Returns
    -------
    int
        What ``run`` returned; 2 after a :class:`PIVError` (one line on standard error), 130 after
        Ctrl-C, 70 after any other exception, which is a bug (its traceback is printed).  A reader
        that closes the pipe early, such as ``head``, is no error.
    """
    _tolerant_output()
    try:
        with _quiet():
            status = run()
            sys.stdout.flush()
    except SystemExit as leaving:  # argparse: --help, --version, or an error it has told
        return leaving.code if isinstance(leaving.code, int) else 0
    except PIVError as error:
        print(f"{program}: error: {one_line(str(error))}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # what is still buffered has no reader: let it go nowhere when Python exits
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # a bug, told with its traceback
        traceback.print_exc()
        return BUG
    return status


def one_line(text: str) -> str:
    """Join the lines of a message."""
    return " ".join(text.split())


def _tolerant_output() -> None:
    """Never fail because a terminal cannot show a letter."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings and loggers of libraries from the terminal, unless Python was asked (-W)."""
    root, silence = logging.getLogger(), logging.NullHandler()
    root.addHandler(silence)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silence)
