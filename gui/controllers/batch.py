"""Runs of whole series: joins the panel, the session and the command ``piv batch``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, QTimer
from PyQt6.QtGui import QCloseEvent, QGuiApplication

from gui.batch import (
    BatchOrder,
    Ending,
    Failure,
    RunState,
    as_typed,
    ending,
    environment,
    failures_csv,
    free_bytes,
    read_dry_run,
    rough_bytes,
)
from gui.session import Topic
from gui.views.actions import ActionSpec
from gui.views.batch_panel import BatchPanel, progress_text
from gui.workers import Lines
from piv.batch.plan import size_of
from piv.errors import InputError, PIVError
from piv.io.files import replacing

if TYPE_CHECKING:
    from gui.compute.tasks.batch import Standing
    from gui.program import Program
    from gui.state import StoreInfo

_SHOW = 500  # ms between two looks of the panel at the run
_READ = 3000  # ms between two looks at the growing results
_PATIENCE = 20_000  # ms after Stop; then the run is ended (its file is sound at any moment)

ACTIONS = (
    ActionSpec(
        "batch.panel", "Run the series…", "Series", "Ctrl+R",
        "Show the panel that analyses all pairs in the background", group="run", toolbar=True,
        needs="series",
    ),
    ActionSpec(
        "batch.start", "Start the run", "Series", tip="Analyse the chosen pairs, or go on",
        group="run", needs="series",
    ),
    ActionSpec(
        "batch.stop", "Stop the run", "Series", tip="Stop; Start goes on later", group="run",
    ),
    ActionSpec(
        "batch.retry", "Retry failed pairs", "Series", tip="Analyse the failed pairs again",
        group="run", needs="series",
    ),
    ActionSpec(
        "batch.copy_command", "Copy the command of the run", "Series",
        tip="For a terminal or a cluster: piv batch with all its words", group="run",
        needs="series",
    ),
)  # fmt: skip


def attach(program: Program) -> BatchController:
    """Add the panel and the actions."""
    return BatchController(program)


class BatchController(QObject):
    """Owns the process of a run.

    Attributes
    ----------
    state : RunState
        Of the run that goes on, or of the last one.
    running : bool
    """

    def __init__(self, program: Program, panel: BatchPanel | None = None) -> None:
        super().__init__()
        self._program = program
        self.panel = BatchPanel() if panel is None else panel
        self.state = RunState()
        self.running = self.stopping = False
        self._order: BatchOrder | None = None
        self._run: Lines | None = None
        self._check: Lines | None = None
        self._opened = False  # whether the window looks at this run's results
        self._suggested = self._last_text = ""
        self._suggested_for: Path | None = None  # the source of that name of results
        self._failures: tuple[Failure, ...] = ()
        self._closing_after = False
        self._changed = False
        self._show, self._read, self._kill = QTimer(self), QTimer(self), QTimer(self)
        self._show.setInterval(_SHOW)
        self._read.setInterval(_READ)
        self._kill.setSingleShot(True)
        self._kill.setInterval(_PATIENCE)
        self._show.timeout.connect(self._show_progress)
        self._read.timeout.connect(self._look_again)
        self._kill.timeout.connect(self._end_now)
        self._wire()

    def _wire(self) -> None:
        window, panel, session = self._program.window, self.panel, self._program.session
        window.add_panel("batch", "Series", panel, "right", shown=False)
        window.add_actions(ACTIONS)
        for name, call in (
            ("batch.panel", self.show_panel),
            ("batch.start", self.start),
            ("batch.stop", self.stop),
            ("batch.retry", self.retry),
            ("batch.copy_command", self.copy_command),
        ):
            window.action(name).triggered.connect(lambda _=False, call=call: call())
        panel.start_requested.connect(self.start)
        panel.stop_requested.connect(self.stop)
        panel.check_requested.connect(self.check)
        panel.retry_requested.connect(self.retry)
        panel.open_requested.connect(self.open_results)
        panel.copy_requested.connect(self.copy_command)
        panel.browse_requested.connect(self._browse)
        panel.selected_requested.connect(self._choose_selected)
        panel.save_failures_requested.connect(self._save_failures)
        panel.failure_chosen.connect(self._look_at)
        panel.changed.connect(self._estimate)
        panel.output.editingFinished.connect(self._stand)
        self._ends = [
            session.subscribe(Topic.SOURCE, self._new_source),
            session.subscribe(Topic.SETTINGS, self._estimate),
            session.subscribe(Topic.MASKS, self._estimate),
            session.subscribe(Topic.CALIBRATION, self._new_calibration),
        ]
        window.closing.connect(self._closing)
        self._new_source()
        self._new_calibration()

    # -- what is asked for

    def show_panel(self) -> None:
        """Bring the panel to the front; what a run would do is found out meanwhile."""
        self._program.window.show_panel("batch")
        if not self.running:
            self._stand()
            self.check(quietly=True)

    def order(self, *, retry: bool = False) -> BatchOrder | None:
        """What panel and session ask for; None after the user has been told what is missing."""
        try:
            return self._wanted(retry)
        except PIVError as problem:
            self._program.tell.error(str(problem))
            return None

    def _wanted(self, retry: bool = False) -> BatchOrder:
        session, choices = self._program.session, self.panel.choices()
        source = session.source
        if source is None:
            raise InputError(
                "a run needs the images of a series: open a folder, a data set or a video"
            )
        if not choices.output:
            raise InputError("choose a file for the results of the run first (panel Series)")
        path = Path(choices.output).expanduser()
        if not path.is_absolute():
            path = _beside(source.path).parent / path
        return BatchOrder(
            spec=source.spec,
            count=source.count,
            shape=source.shape,
            output=path,
            settings=session.settings,
            model=session.model,
            masks=session.masks,
            calibration=session.calibration,
            timed=source.dt_known,
            calibrated=choices.calibrated,
            first=choices.first,
            last=choices.last,
            step=choices.step,
            chosen=choices.chosen,
            background=choices.background,
            workers=choices.workers,
            overwrite=choices.overwrite and not retry,
            retry_failed=retry,
        )

    def _new_source(self) -> None:
        session = self._program.session
        if self.running:
            return  # the panel goes on to show the run
        source = session.source
        self.panel.set_source(0 if source is None else source.count)
        other = source is not None and source.path != self._suggested_for
        if source is not None and (
            other or self.panel.output.text().strip() in ("", self._suggested)
        ):
            # what was typed for other images is no place for the results of these
            self._suggested, self._suggested_for = str(_beside(source.path)), source.path
            self.panel.set_output(self._suggested)
        if other:
            self.panel.show_nothing()
        self.panel.set_results(there=False, failed=False, left=False)
        self._list(())
        self._estimate()

    def _new_calibration(self) -> None:
        known = self._program.session.calibration.pixel_size is not None
        self.panel.set_calibration(known)

    def _choose_selected(self) -> None:
        pairs = self._program.controllers["pairs"].panel.selected()
        if not pairs:
            self._program.tell.error(
                "no pair is selected: click pairs in the list with Ctrl or Shift held down"
            )
            return
        self.panel.set_chosen(pairs)

    def _browse(self) -> None:
        path = self._program.dialogs.save_file(
            "Results of the series", [("Results", "*.h5 *.hdf5")],
            Path(self.panel.output.text()).name or "results.h5",
        )  # fmt: skip
        if path is not None:
            self.panel.set_output(path)
            self._stand()

    def _estimate(self) -> None:
        """Say at once, from the sizes alone, how large it may become."""
        if self.running:
            return
        try:
            order = self._wanted()
        except PIVError as problem:
            self.panel.show_estimate([("", sentence(str(problem)))])
            return
        free = free_bytes(order.output)
        room = "the folder is not there" if free is None else f"{size_of(free)} free"
        rows = [
            ("Pairs", f"{len(order.pairs)} of {order.count}"),
            ("Size", f"at most about {size_of(rough_bytes(order))}, {room}"),
        ]
        if free is not None and rough_bytes(order) > free:
            rows.append(("", "This may not fit the disk: store less (output.stride) or fewer."))
        self.panel.show_estimate(rows)

    def _stand(self) -> None:
        """Find out whether results are there already."""
        if self.running:
            return
        try:
            order = self._wanted()
        except PIVError:
            return  # the panel says it already
        self._program.quick.run(
            "batch.standing", done=self._stands, failed=self._no_results, key="batch.standing",
            path=order.output,
        )  # fmt: skip

    def _no_results(self, text: str) -> None:
        self.panel.set_results(there=False, failed=False, left=False)
        self.panel.show_status(text)

    def _stands(self, standing: Standing | None) -> None:
        if self.running:
            return
        if standing is None:
            self._no_results("Nothing is running.")
            self._list(())
            return
        self.panel.set_results(True, standing.failed > 0, standing.pending > 0)
        self._list(standing.failures)
        self.panel.show_state(
            RunState(
                total=standing.done + standing.failed + standing.pending, done=standing.done,
                failed=standing.failed, pending=standing.pending, begun=True, rate=0.0,
            )
        )  # fmt: skip
        what = f"{standing.done} done, {standing.failed} failed, {standing.pending} left"
        self.panel.show_status(f"Results are there: {what}.")

    # -- checking

    def check(self, *, quietly: bool = False) -> None:
        """Let the command say what it would do, and whether it can.

        Parameters
        ----------
        quietly : bool
            A refusal is shown in the panel only.
        """
        if self.running:
            return
        try:
            order = self._wanted()
        except PIVError as problem:
            if not quietly:
                self._program.tell.error(str(problem))
            return
        self._drop_check()
        if not order.folder.exists():  # a check leaves nothing beside the user's files
            order = order.replace(place=self._program.home / "check")
        self.panel.show_status("The run is being checked.")
        self._program.quick.run(
            "batch.prepare",
            done=lambda words: self._dry_run(order, words, quietly),
            failed=lambda text: self._told(Ending("error", text), quietly),
            key="batch.check",
            order=order,
        )

    def _dry_run(self, order: BatchOrder, words: list[str], quietly: bool) -> None:
        if self.running:
            return
        said: list[str] = []
        check = self._check = Lines(self)
        check.line.connect(said.append)
        check.ended.connect(lambda code, errors: self._checked(order, said, code, errors, quietly))
        try:
            check.start([*words, "--dry-run"], environment())
        except OSError as problem:
            self._drop_check()
            self._told(Ending("error", _not_started(problem)), quietly)

    def _checked(
        self, order: BatchOrder, said: list[str], code: int, errors: str, quietly: bool
    ) -> None:
        self._drop_check()
        rows = read_dry_run("\n".join(said))
        if rows:  # the command counts pairs from 0, the window from 1
            pairs = f"{len(order.pairs)} of {order.count}"
            self.panel.show_estimate(
                [(what.capitalize(), pairs if what == "pairs" else value) for what, value in rows]
            )
        if code != 0:
            self._told(ending(code, errors, RunState(), order.output), quietly)
        else:
            self.panel.show_status("Checked: the run can start.")

    def _told(self, told: Ending, quietly: bool) -> None:
        self.panel.show_status(sentence(told.text))
        if not quietly:
            getattr(self._program.tell, told.level)(told.text, told.detail)

    def _drop_check(self) -> None:
        check, self._check = self._check, None
        if check is not None:
            check.close()
            check.deleteLater()

    # -- running

    def start(self) -> None:
        """Begin, or go on."""
        if self.running:
            self._program.tell.info("The series is running already")
            return
        order = self.order()
        if order is None:
            return
        if order.overwrite and order.output.exists():
            answer = self._program.dialogs.ask(
                "Begin anew",
                f"{order.output.name} holds results. Replace them?",
                ("Replace", "Cancel"),
            )
            if answer != "Replace":
                return
        self._prepare(order)

    def retry(self) -> None:
        """Analyse the failed pairs again."""
        if self.running:
            self._program.tell.info("The series is running: retry when it has ended")
            return
        order = self.order(retry=True)
        if order is None:
            return
        if not order.output.exists():
            self._program.tell.error(
                f"There are no results {order.output.name} yet, so that nothing can be retried: "
                "start the run first"
            )
            return
        self._prepare(order)

    def copy_command(self) -> None:
        """Put the command into the clipboard."""
        order = self.order()
        if order is None:
            return

        def copied(words: list[str]) -> None:
            clipboard = QGuiApplication.clipboard()
            assert clipboard is not None
            clipboard.setText(as_typed(words))
            self._program.tell.info("The command of the run is in the clipboard", as_typed(words))

        self._program.quick.run("batch.prepare", done=copied, order=order)

    def _prepare(self, order: BatchOrder) -> None:
        self._drop_check()
        self._order = order
        self.running, self.stopping = True, False
        self.state = RunState()
        self.panel.set_running(True)
        self.panel.show_status("The run is being prepared.")
        self._program.window.set_busy("Series: being prepared", None, self.stop, of="batch")
        self._program.quick.run("batch.prepare", done=self._begin, failed=self._refuse, order=order)

    def _begin(self, words: list[str]) -> None:
        if self.stopping:
            self._finish("Stopped before the run began.")
            return
        self._opened = False
        self._list(())
        run = self._run = Lines(self)
        run.line.connect(self._heard)
        run.ended.connect(self._ended)
        self._changed = True
        try:
            run.start([*words, "--progress", "json"], environment())
        except OSError as problem:
            self._refuse(_not_started(problem))
            return
        self._show.start()
        self._read.start()

    def _heard(self, line: str) -> None:
        before, self.state = self.state, self.state.after(line)
        self._changed = True
        if self.state.begun and not before.begun:
            self.panel.set_results(there=True, failed=False, left=True)
            self._show_progress()
            self._look_again()

    def _show_progress(self) -> None:
        """Bring the panel up to date, seldom enough for a thousand pairs a minute."""
        if not self._changed:
            return
        self._changed = False
        self.panel.show_state(self.state)
        if self.state.failures:
            self._list(self.state.failures)
        if self.running:
            text = "Stopping" if self.stopping else progress_text(self.state)
            self._program.window.set_busy(
                f"Series: {text}", self.state.fraction, self.stop, of="batch"
            )

    def stop(self) -> None:
        """Let the run stop; a second time ends it now."""
        if not self.running:
            self._program.tell.info("No series is running")
            return
        if self.stopping:
            self._end_now()
            return
        self.stopping = True
        self.panel.set_running(True)  # Stop stays: pressed again, it does not wait
        self.panel.show_status("Stopping: what is nearly ready is stored. Stop again to end now.")
        if self._run is not None:
            self._run.interrupt()
            self._kill.start()

    def _end_now(self) -> None:
        if self._run is not None:
            self._run.kill()

    def _ended(self, code: int, errors: str) -> None:
        order, self._order = self._order, None
        self._drop_run()
        assert order is not None
        told = ending(code, errors, self.state, order.output)
        self._changed = True
        self._finish(told.text)
        self._estimate()  # what was checked before it ran is no longer so
        getattr(self._program.tell, told.level)(told.text, told.detail)
        source = self._program.session.source
        if source is None or source.spec is not order.spec:
            self._new_source()  # another one was opened meanwhile
            return
        self._read_store(order)
        self._program.quick.run(
            "batch.standing", done=self._stands_after, failed=lambda _: None,
            key="batch.standing", path=order.output,
        )  # fmt: skip
        self._last_text = told.text

    def _stands_after(self, standing: Standing | None) -> None:
        if not self.running and standing is not None:
            self._stands(standing)
            self.panel.show_status(self._last_text)

    def _refuse(self, text: str) -> None:
        self._drop_run()
        self._finish(sentence(text))
        self._program.tell.error(text)

    def _finish(self, text: str) -> None:
        self._show.stop()
        self._read.stop()
        self._kill.stop()
        self.running = self.stopping = False
        self._show_progress()
        self.panel.set_running(False)
        self.panel.set_calibration(self._program.session.calibration.pixel_size is not None)
        self.panel.show_status(text)
        self._program.window.set_busy(None, None, None, of="batch")
        if self._closing_after:
            self._closing_after = False
            QTimer.singleShot(0, self._program.window.close)

    def _drop_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.deleteLater()

    # -- results

    def open_results(self) -> None:
        """Show the results in the window, also while they grow."""
        order = self._order if self.running else self.order()
        if order is None:
            return
        if not order.output.exists():
            self._program.tell.error(
                "There are no results to look at yet: they appear with the first pairs"
            )
            return
        self._opened = True
        if order.whole:
            self._read_store(order)
        else:  # other numbers than the source's: it is opened alone
            self._program.controllers["files"].open_store(order.output)

    def _look_again(self) -> None:
        order = self._order
        if order is None or not order.whole or not order.output.exists():
            return
        if not self._opened and not self.state.begun:
            return
        self._read_store(order)

    def _read_store(self, order: BatchOrder) -> None:
        if order.whole and order.output.exists():
            self._program.quick.run(
                "sources.store", done=lambda info: self._show_store(order, info),
                failed=lambda _: None,  # nothing is done yet, or it was a full disk
                key="batch.store", path=order.output,
            )  # fmt: skip

    def _show_store(self, order: BatchOrder, info: StoreInfo) -> None:
        session = self._program.session
        source = session.source
        if source is None or source.spec is not order.spec:
            return  # another source is open by now
        info = dataclasses.replace(info, shape=source.shape)
        if session.store is not None and session.store.path == info.path:
            session.update_store(info)
        elif self._opened or self._may_open():
            session.set_store(info)
            self._opened = True

    def _may_open(self) -> bool:
        """Whether opening the results takes no work away from the user."""
        session = self._program.session
        return session.store is None and not any(entry.edits for entry in session.results.values())

    def _list(self, failures: tuple[Failure, ...]) -> None:
        source, order = self._program.session.source, self._order
        known = source is not None and (order is None or order.spec is source.spec)
        names = source.names if source is not None and known else ()
        self._failures = tuple(  # named as in the list of pairs
            dataclasses.replace(each, name=names[each.index]) if each.index < len(names) else each
            for each in failures
        )
        self.panel.show_failures(self._failures)

    def _look_at(self, index: int) -> None:
        source = self._program.session.source
        if source is None or not 0 <= index < source.count:
            self._program.tell.error(
                f"Pair {index + 1} is not in what is open: open the images of the run"
            )
            return
        self._program.session.set_index(index)

    def _save_failures(self) -> None:
        failures = self._failures
        if not failures:
            self._program.tell.info("No pair of this run has failed")
            return
        path = self._program.dialogs.save_file(
            "Failed pairs", [("Table", "*.csv")], "failed pairs.csv"
        )
        if path is None:
            return
        try:
            with replacing(path) as file:
                file.write(failures_csv(failures).encode("utf-8"))
        except PIVError as problem:
            self._program.tell.error(str(problem))
            return
        self._program.tell.info(f"{path.name}: {len(failures)} failed pairs")

    # -- the end

    def _closing(self, event: QCloseEvent) -> None:
        if not self.running or not event.isAccepted():
            return
        if self._closing_after:
            event.ignore()
            return
        answer = self._program.dialogs.ask(
            "A series is running",
            "A series is running. Stop it and close? What is finished is kept, and the run can "
            "go on later.",
            ("Stop and close", "Keep the window"),
        )
        event.ignore()
        if answer == "Stop and close":
            self._closing_after = True  # the window closes when the run has stored what it has
            if not self.stopping:
                self.stop()

    def close(self) -> None:
        """End what runs."""
        for end in self._ends:
            end()
        for timer in (self._show, self._read, self._kill):
            timer.stop()
        self._drop_check()
        if self._run is not None:
            self._run.close()
        self._drop_run()
        self.running = False


def _not_started(problem: OSError) -> str:
    return f"the command could not be started: {problem.strerror or problem}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _beside(path: Path) -> Path:
    """Where the results of a source go, unless the user says otherwise."""
    if path.is_dir():
        return path.with_name(f"{path.name}_results.h5")
    return path.with_name(f"{path.stem}_results.h5")
