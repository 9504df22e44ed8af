"""What every command of this project shares: errors in one line, exit statuses, quiet libraries."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from piv.entry import interrupted
from piv.errors import PIVError, nearest

USAGE, STOPPED, BUG, INTERRUPTED = 2, 3, 70, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and name what was probably meant."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})
        # "-1us" is a bad value of the option before it, not an option
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse, and let the command that has been named tell which words it does not know."""
        parsed, left = self.parse_known_args(args, namespace)
        if left:
            parser = self._commands().get(getattr(parsed, "command", ""), self)
            parser.error(f"unrecognized arguments: {' '.join(left)}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Print one line on standard error and leave with status 2."""
        program = self.prog.split()[0]
        self.exit(USAGE, f"{program}: error: {self._explained(one_line(message))}\n")

    def _commands(self) -> dict[str, argparse.ArgumentParser]:
        found: dict[str, argparse.ArgumentParser] = {}
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                found |= action.choices
        return found

    def _explained(self, message: str) -> str:
        if match := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            known = [word.strip("' ") for word in match[2].split(",")]
            what = message.split(":")[0].removeprefix("argument ").replace("COMMAND", "command")
            return f"unknown {what} {match[1]!r}{nearest(match[1], known)}"
        if message.endswith("are required: COMMAND"):
            return f"name a command: {', '.join(self._commands())}; --help explains them"
        if match := re.match(r"unrecognized arguments: (.*)", message):
            words = match[1].split(" ")
            option = next((word for word in words if word.startswith("-")), None)
            if option is None:
                return f"too many arguments: {match[1]}"
            name = option.partition("=")[0]
            known = sorted(self._option_string_actions)
            return f"unknown option {name}{nearest(name, known, few=False)}"
        return message


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
        that closes the pipe early, such as ``head``, is no error; a full disk is one line.
    """
    _tolerant_output()
    try:
        with _quiet():
            status = run()
            if sys.stdout is not None:  # it is None where it was closed from the start
                sys.stdout.flush()
    except SystemExit as leaving:  # argparse: --help, --version, or an error it has told
        return leaving.code if isinstance(leaving.code, int) else 0
    except PIVError as error:
        if interrupted():
            return _told_interrupted(program)
        print(f"{program}: error: {one_line(str(error))}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return _told_interrupted(program)
    except BrokenPipeError:
        _drop_output()
        return 0
    except Exception as error:
        if interrupted():
            return _told_interrupted(program)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            print(f"{program}: error: cannot write: {error.strerror}", file=sys.stderr)
            _drop_output()
            return USAGE
        traceback.print_exc()  # a bug
        return BUG
    return status


def _told_interrupted(program: str) -> int:
    print(f"{program}: interrupted", file=sys.stderr)
    return INTERRUPTED


def _drop_output() -> None:
    """Let what is still buffered, but cannot be written, go nowhere when Python exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
