"""Statistics of the series, over the session's results or an opened results file."""

from __future__ import annotations

from typing import Any

from gui.program import Program
from gui.quantities import STATISTICS
from gui.session import Topic
from gui.state import DONE, DisplayOptions
from gui.units import Units
from gui.views.actions import ActionSpec
from gui.views.statistics_panel import StatisticsPanel
from gui.workers import Job
from piv.types import VectorField

_SPECS = (
    ActionSpec("statistics.run", "Statistics of the series", "Results", "Ctrl+B",
               "Mean, rms, Reynolds stresses and energy over all results", group="series",
               needs="result"),
    ActionSpec("statistics.save", "Save the statistics", "Results", "",
               "Write all statistics to a netCDF file", group="series", needs="result"),
)  # fmt: skip


class Statistics:
    """Joins the panel, the results and the task that averages them.

    Attributes
    ----------
    found : dict or None
        What ``statistics.run`` returned last, for the results that are there.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.panel = StatisticsPanel()
        window = program.window
        self.dock = window.add_panel("statistics", "Statistics", self.panel, "right", shown=False)
        self.found: dict[str, Any] | None = None
        self._stage = "dense"
        self._of_pair = DisplayOptions().quantity  # what was shown of the pair before
        self._up = False
        self._job: Job | None = None
        self.display = program.controllers["display"]
        window.add_actions(_SPECS)
        window.action("statistics.run").triggered.connect(lambda _=False: self.run())
        window.action("statistics.save").triggered.connect(lambda _=False: self.save())
        self.panel.run_requested.connect(self.run)
        self.panel.save_requested.connect(self.save)
        self.panel.quantity_chosen.connect(self.show)
        session = program.session
        session.subscribe(Topic.SOURCE, self._forget)
        session.subscribe(Topic.RESULTS, self._show_state)
        session.subscribe(Topic.DISPLAY, self._show_state)
        session.subscribe(Topic.CALIBRATION, self._calibrated)
        self._show_state()

    @property
    def mean(self) -> VectorField | None:
        """The mean field, in px."""
        return None if self.found is None else self.found["mean"]

    @property
    def arrows(self) -> dict[str, Any] | None:
        """Of the mean, as :func:`gui.compute.tasks.fields.arrows` gives them."""
        return None if self.found is None else self.found["arrows"]

    def map(self, name: str) -> dict[str, Any] | None:
        """The map of a statistic."""
        found: dict[str, Any] | None = None if self.found is None else self.found["maps"][name]
        return found

    # wishes

    def run(self, stage: str = "") -> None:
        """Compute the statistics of all results, and show them."""
        self._stage = stage or self._likely_stage()
        source = self._source()
        count = source.pop("count")
        self.program.window.show_panel("statistics")
        if count < 2:
            self.program.tell.error(
                f"statistics need at least two results, and there {'is' if count == 1 else 'are'} "
                f"{count or 'none'}: analyse more pairs, or open the results of a series"
            )
            return
        self._up = Units.of(self.program.session).calibrated
        window = self.program.window
        window.set_busy(f"Statistics of {count} results", 0.0, self.cancel, of="statistics")
        self._job = self.program.quick.run(
            "statistics.run", key="statistics", done=self._take, failed=self._failed,
            progress=self._progress, up=self._up, **source,
        )  # fmt: skip

    def cancel(self) -> None:
        """End the computation."""
        if self._job is not None:
            self._job.cancel()
            self._ended()
            self.program.tell.info("the statistics were cancelled")

    def show(self, name: str) -> None:
        """Show one of them on the canvas; with no name, the pair as it was shown before."""
        self.display.set_options({"quantity": name or self._of_pair})

    def save(self, stage: str = "") -> None:
        """Write all of them to a file."""
        if self.found is None:
            self.program.tell.error("there are no statistics yet: compute them first (Ctrl+B)")
            return
        if stage and stage != self._stage:
            self._stage = stage
        source = self._source()
        source.pop("count")
        path = self.program.dialogs.save_file(
            "Save the statistics", [("netCDF", "*.nc"), ("HDF5", "*.h5")], "statistics.nc"
        )
        if path is None:
            return
        window = self.program.window
        window.set_busy(f"Writing {path.name}", None, self.cancel, of="statistics")
        self._job = self.program.quick.run(
            "statistics.save", key="statistics.save", failed=self._failed,
            done=lambda count: self._saved(path.name, count), file=path,
            calibration=self.program.session.to_calibration(), **source,
        )  # fmt: skip

    def _saved(self, name: str, count: int) -> None:
        self._ended()
        self.program.tell.info(f"statistics of {count} results written to {name}")

    # what there is

    def _likely_stage(self) -> str:
        session = self.program.session
        if session.display.stage == "coarse":
            return "coarse"
        if session.store is not None:
            return "dense" if session.store.dense else "coarse"
        there = [entry.analysis for entry in session.results.values() if entry.analysis]
        return "dense" if there and all(each.dense is not None for each in there) else "coarse"

    def _source(self) -> dict[str, Any]:
        """Arguments of the task: a results file, or the results of the session."""
        session = self.program.session
        if session.store is not None:
            done = sum(1 for status in session.store.statuses if status == DONE)
            return {"path": session.store.path, "stage": self._stage, "count": done}
        entries = []
        for _, entry in sorted(session.results.items()):
            if entry.analysis is None:
                continue
            field = entry.analysis.dense if self._stage == "dense" else entry.analysis.coarse
            if field is not None:
                entries.append((field, entry.edits))
        return {"entries": entries, "stage": self._stage, "count": len(entries)}

    # what comes back

    def _progress(self, done: int, total: int, text: str) -> None:
        fraction = done / total if total else None
        self.program.window.set_busy(text, fraction, self.cancel, of="statistics")

    def _ended(self) -> None:
        self._job = None
        self.program.window.set_busy(None, None, None, of="statistics")

    def _failed(self, text: str) -> None:
        self._ended()
        self.program.tell.error(text)

    def _take(self, found: dict[str, Any]) -> None:
        self._ended()
        self.found = found
        self.display.statistics_changed(True)
        if self.program.session.display.quantity not in STATISTICS:
            self.show("mean speed")
        self._show_state()

    def _forget(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._ended()
        self.found = None
        self.display.statistics_changed(False)
        self._show_state()

    def _calibrated(self) -> None:
        """The mean of v turns its sign with the axes."""
        if self.found is not None and Units.of(self.program.session).calibrated != self._up:
            self.run(self._stage)

    def _show_state(self) -> None:
        session = self.program.session
        count = self._source()["count"]
        if session.display.quantity not in STATISTICS:
            self._of_pair = session.display.quantity
        self.panel.show_quantity(session.display.quantity)
        if self.found is None:
            text = _count_text(count)
        else:
            found = self.found
            text = (
                f"Made of {found['fields']} results; between {found['least']} and "
                f"{found['most']} vectors were counted at each point. Rejected, replaced and "
                "masked vectors are left out."
            )
            if found["fields"] != count:
                text += f" Now there are {count} results: compute again to include them."
        self.panel.show_state(text, ready=count > 1, there=self.found is not None)


def _count_text(count: int) -> str:
    if count == 0:
        return "There are no results yet."
    return "One result is there: two are needed." if count == 1 else f"{count} results are there."


def attach(program: Program) -> Statistics:
    """Join statistics and session."""
    return Statistics(program)
