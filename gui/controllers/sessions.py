"""Sessions: new, open, save; undo; what is kept of unsaved work and offered after a crash."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QTimer

from gui import sessionfile
from gui.autosave import Left, Place, left
from gui.compute.client import Client
from gui.recent import Recent
from gui.session import Topic
from gui.sessionfile import SUFFIX, Loaded, Snapshot
from gui.views.actions import ActionSpec
from gui.workers import Compute

if TYPE_CHECKING:
    from PyQt6.QtGui import QCloseEvent

    from gui.program import Program
    from gui.workers import Job

EVERY = 60_000  # ms between two looks whether there is unsaved work to be kept
SOON = 1_500  # ms after a result; more of them may come
NICE = 15
KINDS = (("Sessions", f"*{SUFFIX}"),)

ACTIONS = (
    ActionSpec(
        "sessions.new", "New session", "File", shortcut="Ctrl+N", group="session",
        tip="Close everything and begin anew",
    ),
    ActionSpec(
        "sessions.open", "Open session", "File", shortcut="Ctrl+Shift+O", group="session",
        tip="Go on with a session that was saved",
    ),
    ActionSpec(
        "sessions.save", "Save session", "File", shortcut="Ctrl+S", group="session", toolbar=True,
        tip="Save pairs, settings, masks, results and all else in a session file",
    ),
    ActionSpec(
        "sessions.save_as", "Save session as", "File", shortcut="Ctrl+Alt+S", group="session",
        tip="Save everything in another session file",
    ),
    ActionSpec(
        "sessions.undo", "Undo", "File", shortcut="Ctrl+Z", group="undo",
        tip="Undo the last change of settings, masks, calibration or rejected vectors",
    ),
    ActionSpec(
        "sessions.redo", "Redo", "File", shortcut="Ctrl+Y, Ctrl+Shift+Z", group="undo",
        tip="Do again what was undone",
    ),
)  # fmt: skip


def attach(program: Program) -> SessionsController:
    """Join the session, its files and the window."""
    return SessionsController(program)


class SessionsController:
    """Owns the process that writes session files, and the folder of unsaved work.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session = program.session
        self._recent = Recent(program.home)
        self._place = Place(program.home)
        self._saver: Compute | None = None
        self._kept = -1  # revision that is kept
        self._keeping: Job | None = None
        self._saving: Job | None = None
        self._discarded = -1  # revision that the user wants to be forgotten
        self._then: Callable[[], object] | None = None  # when it has been saved
        self._recovered: list[Left] = []  # until what they hold is kept anew
        window = program.window
        window.add_actions(ACTIONS)
        for name, call in (
            ("new", self.new),
            ("open", self.ask_open),
            ("save", self.save),
            ("save_as", self.save_as),
            ("undo", self.undo),
            ("redo", self.redo),
        ):
            window.action(f"sessions.{name}").triggered.connect(partial(_without, call))
        window.closing.connect(self._closing)
        self._session.subscribe(Topic.RESULTS, self._keep_soon)
        self._timer, self._soon = QTimer(), QTimer()
        self._timer.timeout.connect(self.keep)
        self._timer.start(EVERY)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.keep)
        self._start = QTimer()
        self._start.setSingleShot(True)
        self._start.timeout.connect(self.offer_recovery)
        self._start.start(0)

    @property
    def saver(self) -> Compute:
        """The process that writes and reads session files; begun when it is first needed."""
        if self._saver is None:
            client = Client(NICE, self._program.home / "scratch", threads=1)
            self._saver = Compute(client, self._program.tell)
        return self._saver

    @property
    def at_stake(self) -> bool:
        """Whether there is work that is in no file, and more than a few settings."""
        session = self._session
        measured = session.calibration.length  # a scale that was typed or clicked
        work = session.own_results or session.masks or session.store_edits or measured
        return session.dirty and (session.path is not None or bool(work))

    # wishes

    def new(self) -> None:
        """Close everything, after asking about unsaved work."""
        self.leave(self._begin)

    def ask_open(self) -> None:
        """Let the user choose a session file, and open it."""
        paths = self._program.dialogs.open_files("Open a session", KINDS, many=False)
        if paths:
            self.open(paths[0])

    def open(self, path: Path) -> None:
        """Open a session file, after asking about unsaved work."""
        self.leave(partial(self._read, path, {}))

    def save(self) -> bool:
        """Save in the session's file, or ask for one; False if the user gave none.

        What is saved is the session as it is now, whatever happens to it while it is written.
        """
        if self._session.path is None:
            return self.save_as()
        self._write(sessionfile.snapshot(self._session), self._session.path)
        return True

    def save_as(self) -> bool:
        """Ask for a file and save in it; False if the user gave none."""
        stem = Path(self._session.title().removesuffix(" *")).stem
        path = self._program.dialogs.save_file("Save the session", KINDS, f"{stem}{SUFFIX}")
        if path is None:
            return False
        if path.suffix != SUFFIX:
            path = path.with_name(path.name + SUFFIX)
        self._write(sessionfile.snapshot(self._session), path)
        return True

    def leave(self, then: Callable[[], object]) -> None:
        """Do what ends the present session, once its unsaved work is saved or not wanted.

        Parameters
        ----------
        then : callable
            Called unless the user cancels, or the disk refuses.
        """
        if not self.at_stake or self._session.revision == self._discarded:
            then()
            return
        name = self._session.title().removesuffix(" *")
        answer = self._program.dialogs.ask(
            "Unsaved work",
            f"Results, masks or settings of {name} are in no session file. Save them?",
            ("Save", "Discard", "Cancel"),
        )
        if answer == "Discard":
            self._discarded = self._session.revision
            then()
        elif answer == "Save":
            self._then = then
            if not self.save():
                self._then = None

    def undo(self) -> None:
        """Undo the last change."""
        text = self._session.undo_text
        if self._session.undo():
            self._program.tell.info(f"undone: {text}")
        else:
            self._program.tell.info("there is nothing to undo")

    def redo(self) -> None:
        """Do the last undone change again."""
        text = self._session.redo_text
        if self._session.redo():
            self._program.tell.info(f"done again: {text}")
        else:
            self._program.tell.info("there is nothing to do again")

    # unsaved work

    def keep(self) -> None:
        """Write unsaved work to the user's folder, if there is some that is not kept yet."""
        session = self._session
        if not self.at_stake:
            self._forget_kept()
            return
        if self._keeping is not None or session.revision in (self._kept, self._discarded):
            return
        try:
            path = self._place.path()
        except OSError as error:
            self._not_kept(str(error))
            return
        self._keeping = self.saver.run(
            "sessions.write",
            done=partial(self._was_kept, session.revision),
            failed=self._not_kept,
            state=sessionfile.snapshot(session),
            path=path,
        )

    def offer_recovery(self) -> None:
        """Offer what programs that crashed have left, the newest first."""
        found = left(self._program.home)
        for n, each in enumerate(found):
            answer = self._program.dialogs.ask(
                "Recover unsaved work",
                f"The program ended unexpectedly. Unsaved work on {each.what}, of "
                f"{each.when:%d %B %H:%M}, can be recovered.",
                ("Recover", "Discard", "Later"),
            )
            if answer == "Discard":
                each.remove()
                continue
            for other in found[n + 1 :] if answer == "Recover" else found[n:]:
                other.leave()
            if answer == "Recover":
                self._recovered.append(each)
                self._read(each.path, {}, each)
            return

    def close(self) -> None:
        """End the process that writes; what is unsaved now is not wanted."""
        for timer in (self._timer, self._soon, self._start):
            timer.stop()
        if self._saver is not None:
            self._saver.close()
        self._place.clear()
        for each in self._recovered:
            each.remove()
        self._recovered.clear()

    # inside

    def _begin(self) -> None:
        self._session.reset()
        self._forget_kept()
        self._program.tell.info("a new session")

    def _write(self, state: Snapshot, path: Path) -> None:
        name = path.stem
        self._program.window.set_busy(f"Saving {name}", None, None, of="sessions")
        self._saving = self.saver.run(
            "sessions.write",
            done=partial(self._written, state, path),
            failed=partial(self._not_written, state),
            progress=partial(self._progress, f"Saving {name}"),
            state=state,
            path=path,
        )

    def _written(self, state: Snapshot, path: Path, _: object) -> None:
        self._saving = None
        self._program.window.set_busy(None, None, None, of="sessions")
        if self._holds(state):
            self._session.set_saved(path, state.revision)
            if not self._session.dirty:
                self._forget_kept()
        self._recent.add([path])
        self._program.tell.info(f"saved in {path}")
        then, self._then = self._then, None
        if then is not None:
            self.leave(then)  # asks again if there is more by now

    def _not_written(self, state: Snapshot, message: str) -> None:
        self._saving = None
        self._program.window.set_busy(None, None, None, of="sessions")
        waiting, self._then = self._then is not None, None
        self._program.tell.error(f"the session is not saved: {message}")
        if waiting or self._holds(state):
            return  # all is still there
        answer = self._program.dialogs.ask(
            "Not saved",
            f"The session that was open before could not be saved: {message}",
            ("Save elsewhere", "Give up"),
        )
        if answer == "Save elsewhere":
            path = self._program.dialogs.save_file("Save the session", KINDS, f"session{SUFFIX}")
            if path is not None:
                self._write(state, path)

    def _holds(self, state: Snapshot) -> bool:
        """Whether the session is still the one that was saved, perhaps with more in it."""
        return self._session.source is state.source and self._session.store is state.store

    def _progress(self, what: str, done: int, total: int, text: str) -> None:
        fraction = done / total if total else None
        self._program.window.set_busy(
            f"{what}: {text}" if text else what, fraction, None, of="sessions"
        )

    def _read(self, path: Path, found: dict[Path, Path], crashed: Left | None = None) -> None:
        self._program.window.set_busy(f"Opening {path.stem}", None, None, of="sessions")
        self.saver.run(
            "sessions.read",
            done=partial(self._loaded, found, crashed),
            failed=partial(self._not_read, crashed),
            progress=partial(self._progress, f"Opening {path.stem}"),
            key="sessions.read",
            path=path,
            found=found,
        )

    def _not_read(self, crashed: Left | None, message: str) -> None:
        self._program.window.set_busy(None, None, None, of="sessions")
        self._program.tell.error(message)
        if crashed is not None:  # nothing in it can be read: it is not offered again
            self._recovered.remove(crashed)
            crashed.remove()

    def _loaded(self, found: dict[Path, Path], crashed: Left | None, loaded: Loaded) -> None:
        self._program.window.set_busy(None, None, None, of="sessions")
        asked = [path for path in loaded.missing if path not in found]
        if asked:
            self._ask_for(asked, found, crashed, loaded)
            return
        path = loaded.path if crashed is None else loaded.snapshot.path
        sessionfile.restore(self._session, loaded, path)
        self._discarded = self._kept = -1
        name = loaded.path.stem if crashed is None else crashed.what
        if crashed is not None:
            self._session.set_dirty()
            self._program.tell.info(f"recovered unsaved work on {name}: save it")
            self._keep_soon()
        else:
            self._forget_kept()
            self._kept = self._session.revision
            self._recent.add([loaded.path])
            self._program.tell.info(f"opened {loaded.path}")
        gone = [f"{path} was not found" for path in loaded.missing]
        if notes := [*gone, *loaded.notes]:
            self._program.tell.warning(f"{name}: {'; '.join(notes)}")

    def _ask_for(
        self, asked: list[Path], found: dict[Path, Path], crashed: Left | None, loaded: Loaded
    ) -> None:
        """Ask where things are now that are not where they were."""
        found = dict(found)
        dialogs = self._program.dialogs
        for was in asked:
            found[was] = was  # asked once, found or not
            answer = dialogs.ask(
                "Not found",
                f"{was} is not there any more. Where are the images or results now?",
                ("Find them", "Go on without", "Cancel"),
            )
            if answer not in ("Find them", "Go on without"):
                if crashed is not None:
                    self._recovered.remove(crashed)
                    crashed.leave()
                return
            if answer == "Find them":
                chosen = dialogs.open_files(f"Find {was.name}", folder=not was.suffix, many=False)
                if chosen:
                    found[was] = chosen[0]
        self._read(loaded.path, found, crashed)

    def _keep_soon(self) -> None:
        if self.at_stake:
            self._soon.start(SOON)

    def _was_kept(self, revision: int, _: object) -> None:
        self._keeping = None
        self._kept = revision
        for each in self._recovered:
            each.remove()
        self._recovered.clear()
        if not self.at_stake:  # it was saved meanwhile
            self._forget_kept()

    def _not_kept(self, message: str) -> None:
        self._keeping = None
        self._program.tell.warning(f"unsaved work cannot be kept for a crash: {message}")
        self._kept = self._session.revision  # told once for each change, not every minute

    def _forget_kept(self) -> None:
        if self._keeping is None:
            self._place.clear()

    def _closing(self, event: QCloseEvent) -> None:
        """Ask about unsaved work before the window closes."""
        if not event.isAccepted():
            return
        if self._saving is not None:
            event.ignore()
            self._then = self._program.window.close
            self._program.tell.info("the window closes when the session is saved")
            return
        closes = False

        def close() -> None:
            nonlocal closes
            if asking:
                closes = True
            else:
                self._program.window.close()

        asking = True
        self.leave(close)
        asking = False
        if not closes:
            event.ignore()


def _without(call: Callable[[], object], _: bool = False) -> None:
    """Call without what Qt tells of a checkable action."""
    call()
