"""Synthetic pairs: making and opening them, errors against the truth, planning an experiment."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QGuiApplication

from gui.session import Topic
from gui.synthetic import Maker, PlanRow, read_values, table_text, varied
from gui.views.actions import ActionSpec
from gui.views.synthetic_panel import SyntheticPanel
from piv.errors import PIVError
from piv.types import Analysis

if TYPE_CHECKING:
    from gui.program import Program

_KEPT = 10  # data sets that were made and not saved

ACTIONS = (
    ActionSpec(
        "synthetic.panel", "Synthetic pairs…", "Synthetic", "Ctrl+G",
        "Show the panel that makes particle images with a known displacement", group="panel",
    ),
    ActionSpec(
        "synthetic.make", "Make and open", "Synthetic",
        tip="Make pairs as the panel says, and open them with their truth", group="make",
    ),
    ActionSpec(
        "synthetic.save", "Keep pairs as…", "Synthetic",
        tip="Keep the synthetic pairs that are open in a file", group="make", needs="pair",
    ),
    ActionSpec(
        "synthetic.plan", "Plan an experiment", "Synthetic",
        tip="Compute the error to be expected over one varied factor", group="plan",
    ),
)  # fmt: skip


def attach(program: Program) -> SyntheticController:
    """Add the panel and the actions."""
    return SyntheticController(program)


class SyntheticController(QObject):
    """Owns the folder of data sets that were made."""

    def __init__(self, program: Program, panel: SyntheticPanel | None = None) -> None:
        super().__init__()
        self._program = program
        self.panel = SyntheticPanel() if panel is None else panel
        self.folder = program.home / "synthetic"
        self._compared: Any = None
        self._plan: Any = None
        self._made: Any = None
        self._factor = ""
        window, panel = program.window, self.panel
        window.add_panel("synthetic", "Synthetic", panel, "right", shown=False)
        window.add_actions(ACTIONS)
        for name, call in (
            ("synthetic.panel", self.show_panel),
            ("synthetic.make", self.make),
            ("synthetic.save", self.save),
            ("synthetic.plan", self.plan),
        ):
            window.action(name).triggered.connect(lambda _=False, call=call: call())
        panel.make_requested.connect(self.make)
        panel.save_requested.connect(self.save)
        panel.plan_requested.connect(self.plan)
        panel.cancel_requested.connect(self.cancel)
        panel.copy_requested.connect(self.copy_table)
        session = program.session
        self._ends = [
            session.subscribe(topic, self._compare)
            for topic in (Topic.SOURCE, Topic.PAIR, Topic.RESULTS)
        ]

    def show_panel(self) -> None:
        """Bring the panel to the front."""
        self._program.window.show_panel("synthetic")

    # -- making

    def make(self) -> None:
        """Make what the panel says and open it."""
        if self._made is not None:
            self._program.tell.info("Pairs are being made already")
            return
        try:
            maker = self.panel.maker()
        except PIVError as problem:
            self._program.tell.error(str(problem))
            return
        window = self._program.window
        path = self._free_name(maker)

        def made(where: Path) -> None:
            self._end_making()
            self._program.controllers["files"].open_paths([Path(where)])

        def failed(text: str) -> None:
            self._end_making()
            self._program.tell.error(text)

        def progress(done: int, total: int, text: str) -> None:
            window.set_busy(
                f"Synthetic: {text}", done / total if total else None, self.cancel, of="synthetic"
            )

        window.set_busy("Synthetic: being made", None, self.cancel, of="synthetic")
        self._made = self._program.heavy.run(
            "synthetic.pair", done=made, failed=failed, progress=progress, maker=maker, path=path
        )

    def _end_making(self) -> None:
        self._made = None
        self._program.window.set_busy(None, None, None, of="synthetic")

    def _free_name(self, maker: Maker) -> Path:
        """A name that no data set has; the oldest ones that were not kept go."""
        known = sorted(self.folder.glob("*.h5"), key=lambda path: path.stat().st_mtime)
        source = self._program.session.source
        shown = None if source is None else source.path
        for path in [each for each in known if each != shown][: max(0, len(known) - _KEPT + 1)]:
            with contextlib.suppress(OSError):
                path.unlink()
        number = 1
        while (path := self.folder / f"{maker.flow}_{number}.h5").exists():
            number += 1
        return path

    def save(self) -> None:
        """Keep the pairs that are open under another name."""
        source = self._program.session.source
        if source is None or source.path.parent != self.folder:
            self._program.tell.error(
                "Only pairs that were made here can be kept: make some first (Ctrl+G)"
            )
            return
        path = self._program.dialogs.save_file(
            "Keep the pairs", [("Data set", "*.h5")], source.path.name
        )
        if path is None:
            return
        self._program.quick.run(
            "synthetic.copy", done=lambda text: self._program.tell.info(f"Written: {text}"),
            path=source.path, to=path,
        )  # fmt: skip

    # -- truth

    def _compare(self) -> None:
        """Compare the result that is looked at with the truth, if there is one."""
        session = self._program.session
        source, entry = session.source, session.result
        made = source is not None and source.path.parent == self.folder
        self.panel.set_made(made)
        analysis: Analysis | None = None if entry is None else entry.analysis
        if source is None or not source.truth or analysis is None:
            self._compared = None
            note = "" if source is None or not source.truth else "Analyse the pair: Ctrl+A."
            self.panel.show_errors(None, note)
            return
        if analysis is self._compared:
            return
        self._compared = analysis

        def failed(text: str) -> None:
            self.panel.show_errors(None, text)

        self._program.quick.run(
            "synthetic.errors", done=self.panel.show_errors, failed=failed,
            key="synthetic.errors", spec=source.spec, index=session.index, analysis=analysis,
        )  # fmt: skip

    # -- planning

    def plan(self) -> None:
        """Compute the table of expected errors."""
        self.show_panel()
        if self._plan is not None:
            self._program.tell.info("The plan is being computed already")
            return
        panel, session = self.panel, self._program.session
        self._factor = panel.factor.currentText()
        try:
            values = read_values(panel.plan_values.text(), self._factor)
            maker = panel.maker().replace(count=1)
            varied(maker, self._factor, values)
        except PIVError as problem:
            self._program.tell.error(str(problem))
            return

        def progress(done: int, total: int, text: str) -> None:
            panel.set_planning(True, f"{done} of {total}: {text}")
            self._program.window.set_busy(
                f"Plan: {text}", done / total, self.cancel, of="synthetic"
            )

        panel.set_planning(True, "The plan is being computed.")
        self._program.window.set_busy("Plan", None, self.cancel, of="synthetic")
        self._plan = self._program.heavy.run(
            "synthetic.plan", done=self._planned, failed=self._not_planned, progress=progress,
            maker=maker, factor=self._factor, values=values, pairs=panel.plan_pairs.value(),
            settings=session.settings, model=session.model,
        )  # fmt: skip

    def _planned(self, rows: list[PlanRow]) -> None:
        self._plan = None
        self._program.window.set_busy(None, None, None, of="synthetic")
        self.panel.show_plan(self._factor, rows)
        bad = [row for row in rows if row.error]
        text = f"At {self._factor} {bad[0].value:g}: {bad[0].error}" if bad else ""
        self.panel.set_planning(False, text)
        self._program.tell.info(f"The plan is ready: errors over the {self._factor}")

    def _not_planned(self, text: str) -> None:
        self._plan = None
        self._program.window.set_busy(None, None, None, of="synthetic")
        self.panel.set_planning(False, text)
        self._program.tell.error(text)

    def cancel(self) -> None:
        """Stop making or planning."""
        if self._made is not None:
            self._made.cancel()
            self._end_making()
            self._program.tell.info("Making the pairs was cancelled")
        if self._plan is not None:
            self._plan.cancel()
            self._plan = None
            self._program.window.set_busy(None, None, None, of="synthetic")
            self.panel.set_planning(False, "Cancelled.")

    def copy_table(self) -> None:
        """Put the table into the clipboard."""
        if not self.panel.rows:
            self._program.tell.error("There is no table yet: compute the plan first")
            return
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(table_text(self._factor, self.panel.rows))
        self._program.tell.info("The table of the plan is in the clipboard")

    def close(self) -> None:
        """Listen no more."""
        for end in self._ends:
            end()
