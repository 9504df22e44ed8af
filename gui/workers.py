"""Threads: the only module that has any.  They listen; nothing is computed in them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PyQt6.QtCore import QObject, QThread, pyqtSignal

from gui.compute.client import Client
from gui.compute.protocol import Reply

QUICK_NICE, HEAVY_NICE, BATCH_NICE = 5, 10, 10
_WAIT = 0.5  # s that a thread listens before it looks whether it is to end

Done = Callable[[Any], None]
Failed = Callable[[str], None]
Progress = Callable[[int, int, str], None]


class Tells(Protocol):
    """Where errors go that nobody else takes."""

    def error(self, text: str, detail: str = "") -> None:
        """Show an error."""


class Job:
    """One task that was handed to a :class:`Compute`.

    Attributes
    ----------
    task : str
    key : str or None
    active : bool
        Whether it may still call back.
    """

    def __init__(
        self,
        compute: Compute,
        number: int,
        task: str,
        key: str | None,
        calls: tuple[Done, Failed | None, Progress | None],
    ) -> None:
        self.task, self.key, self.active = task, key, True
        self._compute, self._number = compute, number
        self._done, self._failed, self._progress = calls

    def cancel(self) -> None:
        """Withdraw it: nothing is called back from now on; if it runs, its process is ended."""
        self._compute._cancel(self)


class Compute(QObject):
    """A computing process as the window sees it: tasks go in, callbacks come out.

    Parameters
    ----------
    client : Client
        Belongs to this object from now on.
    tell : Tells
        Takes the errors of tasks without ``failed``, and the tracebacks of bugs.
    parent : QObject, optional

    Attributes
    ----------
    busy_changed : signal(bool)
    """

    busy_changed = pyqtSignal(bool)

    def __init__(self, client: Client, tell: Tells, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._client, self._tell = client, tell
        self._jobs: dict[int, Job] = {}
        self._closed = False
        self._thread = _Listener(client)
        self._thread.heard.connect(self._take)
        self._thread.start()

    @classmethod
    def quick(cls, folder: Path, tell: Tells) -> Compute:
        """The process that reads and draws: one thread."""
        return cls(Client(QUICK_NICE, folder, threads=1), tell)

    @classmethod
    def heavy(cls, folder: Path, tell: Tells) -> Compute:
        """The process that computes, with all processors that it may use."""
        return cls(Client(HEAVY_NICE, folder), tell)

    @property
    def client(self) -> Client:
        """The process behind it."""
        return self._client

    @property
    def busy(self) -> bool:
        """Whether a job may still call back."""
        return bool(self._jobs)

    def run(
        self,
        task: str,
        *,
        done: Done,
        failed: Failed | None = None,
        progress: Progress | None = None,
        key: str | None = None,
        **arguments: Any,
    ) -> Job:
        """Hand in a task; callbacks come in the window's thread.

        Parameters
        ----------
        task : str
            ``<module>.<function>`` of :mod:`gui.compute.tasks`.
        done : callable
            Takes the result.
        failed : callable, optional
            Takes one line that says what is wrong; default: the user is told.
        progress : callable, optional
            Takes (done, total, text).
        key : str, optional
            A job silences older ones with its key: those that have not begun are dropped.
        **arguments
            Of the task; large arrays must not be changed afterwards.

        Returns
        -------
        Job
        """
        if key is not None:
            for number, old in tuple(self._jobs.items()):
                if old.key == key:
                    self._forget(number)
                    if not self._client.begun(number):
                        self._client.cancel(number)
        number = self._client.send(task, **arguments)
        job = Job(self, number, task, key, (done, failed, progress))
        self._jobs[number] = job
        if self._closed:
            job.active = False
            self._jobs.clear()
        elif len(self._jobs) == 1:
            self.busy_changed.emit(True)
        return job

    def close(self) -> None:
        """End process and thread; no callback comes afterwards; again is no harm."""
        if self._closed:
            return
        self._closed = True
        for job in self._jobs.values():
            job.active = False
        self._jobs.clear()
        self._thread.heard.disconnect(self._take)
        self._client.close()
        self._thread.wait()

    def _cancel(self, job: Job) -> None:
        if self._jobs.get(job._number) is job:
            self._client.cancel(job._number)
            self._forget(job._number)
            self._rest()

    def _forget(self, number: int) -> None:
        self._jobs.pop(number).active = False

    def _rest(self) -> None:
        if not self._jobs:
            self.busy_changed.emit(False)

    def _take(self, reply: Reply) -> None:
        job = self._jobs.get(reply.id)
        if job is None:
            return
        if reply.kind == "progress":
            if job._progress is not None:
                job._progress(*reply.value)
            return
        self._forget(reply.id)
        try:
            if reply.kind == "done":
                job._done(reply.value)
            elif reply.kind == "bug":
                text = f"a mistake in the program ended {job.task}: please report it"
                self._tell.error(text, reply.value)
                if job._failed is not None:
                    job._failed(text)
            elif job._failed is None:
                self._tell.error(reply.value)
            else:
                job._failed(reply.value)
        finally:
            self._rest()


class _Listener(QThread):
    """Listens to a client, off the window's thread."""

    heard = pyqtSignal(object)

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def run(self) -> None:
        """Pass on replies until the client is closed."""
        while not self._client.closed:
            reply = self._client.receive(_WAIT)
            if reply is not None:
                self.heard.emit(reply)


class Lines(QObject):
    """A subprocess whose lines are read as they come.

    Attributes
    ----------
    line : signal(str)
        A line of its standard output.
    ended : signal(int, str)
        Return code, and the end of its standard error.
    """

    line = pyqtSignal(str)
    ended = pyqtSignal(int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: _Reader | None = None

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._thread is not None

    def start(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start a command, in a process group of its own that stands back behind others.

        Parameters
        ----------
        words : sequence of str
        env : mapping, optional
            What is added to the environment.

        Raises
        ------
        OSError
            If the system does not start it.
        RuntimeError
            If one is running.
        """
        if self._thread is not None:
            raise RuntimeError("a command is running already")
        environment = {**os.environ, **(env or {})}
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            flags = (
                subprocess.CREATE_NEW_PROCESS_GROUP
                | subprocess.CREATE_NO_WINDOW
                | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            )
            options = {"creationflags": flags}
        self._process = subprocess.Popen(
            list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, **options,
        )  # fmt: skip
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # it may have ended
                os.setpriority(os.PRIO_PROCESS, self._process.pid, BATCH_NICE)
        self._thread = _Reader(self._process)
        self._thread.line.connect(self.line)
        self._thread.ended.connect(self._end)
        self._thread.start()

    def interrupt(self) -> None:
        """Ask it to stop, as Ctrl-C does."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                process.send_signal(signal.CTRL_BREAK_EVENT)
            else:
                os.killpg(process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it and what it has started, now."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it and forget it: no signal comes afterwards; again is no harm."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.line.disconnect(self.line)
        thread.ended.disconnect(self._end)
        self.kill()
        thread.wait()
        self._process = None

    def _end(self, code: int, errors: str) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.wait()
        self._process = None
        self.ended.emit(code, errors)


class _Reader(QThread):
    """Reads what a subprocess writes."""

    line = pyqtSignal(str)
    ended = pyqtSignal(int, str)

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._process = process

    def run(self) -> None:
        """Read until both ends are closed and the process has ended."""
        errors = _Errors(self._process)
        errors.start()
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            for raw in stdout:
                self.line.emit(raw.decode("utf-8", "replace").rstrip("\r\n"))
        errors.wait()
        code = self._process.wait()
        self.ended.emit(code, b"".join(errors.lines).decode("utf-8", "replace").strip())


class _Errors(QThread):
    """Keeps the end of what a subprocess says on standard error, so that it never has to wait."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._process = process
        self.lines: deque[bytes] = deque(maxlen=60)

    def run(self) -> None:
        """Read to the end."""
        stderr = self._process.stderr
        assert stderr is not None
        with stderr:
            self.lines.extend(stderr)
