"""Analyse the pair that is looked at: one press, and cancelled at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gui.age import MadeWith
from gui.session import Topic
from gui.state import ResultEntry
from gui.views.actions import ActionSpec

if TYPE_CHECKING:
    from gui.program import Program
    from gui.workers import Job
    from piv.types import Analysis

ACTIONS = (
    ActionSpec(
        "analysis.run",
        "Analyse",
        "Analyse",
        shortcut="Ctrl+A",
        tip="Measure the displacement of this pair with the chosen settings",
        toolbar=True,
        needs="pair",
        group="run",
    ),
    ActionSpec(
        "analysis.forget",
        "Forget the result of this pair",
        "Analyse",
        tip="Remove the result of this pair from the session",
        needs="result",
        group="forget",
    ),
    ActionSpec(
        "analysis.forget_all",
        "Forget all results",
        "Analyse",
        tip="Remove the results of all pairs from the session; asks first",
        needs="result",
        group="forget",
    ),
)


@dataclass(eq=False, slots=True)
class _Run:
    """An analysis that waits or runs."""

    name: str
    job: Job


def attach(program: Program) -> AnalysisController:
    """Join the session and the computing process to the window."""
    return AnalysisController(program)


class AnalysisController:
    """Owns the analyses that wait or run; the session owns their results.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session = program.session
        self._runs: dict[int, _Run] = {}
        self._prepared: str | None = None
        window = program.window
        window.add_actions(ACTIONS)
        window.action("analysis.run").triggered.connect(self.run)
        window.action("analysis.forget").triggered.connect(self.forget)
        window.action("analysis.forget_all").triggered.connect(self.forget_all)
        self._session.subscribe(Topic.SOURCE, self._source_changed)
        self._session.subscribe(Topic.SETTINGS, self._prepare)

    @property
    def running(self) -> tuple[int, ...]:
        """Indices of the pairs whose analysis waits or runs."""
        return tuple(self._runs)

    def run(self) -> None:
        """Analyse the pair that is looked at."""
        self.run_pair(self._session.index)

    def run_pair(self, index: int) -> bool:
        """Analyse a pair; another one may be running, then this one waits for it.

        Returns
        -------
        bool
            False if there is nothing to do; the user has been told why.
        """
        session, tell = self._session, self._program.tell
        source = session.source
        if source is None:
            tell.error("there is nothing to analyse: open a pair of images first")
            return False
        name = source.names[index]
        if index in self._runs:
            tell.info(f"{name} is being analysed already: cancel it to begin anew")
            return False
        try:
            mask = session.mask_for(index)
        except ValueError as error:  # InputError: an imported mask of another size
            tell.error(str(error))
            return False
        made_with = MadeWith.now(session, index)
        job = self._program.heavy.run(
            "analyse.pair",
            done=lambda outcome: self._done(index, outcome, made_with),
            failed=lambda message: self._failed(index, message),
            progress=lambda *step: self._progress(index, *step),
            settings=session.settings,
            model=session.model,
            spec=source.spec,
            index=index,
            dt=session.calibration.dt,
            mask=mask,
        )
        self._runs[index] = _Run(name, job)
        if len(self._runs) == 1:
            self._show(f"Analysing {name}", None)
        return True

    def cancel(self) -> None:
        """End all that waits or runs; the next analysis works at once."""
        if not self._runs:
            return
        count = len(self._runs)
        # those that wait first, so that none of them begins
        for run in reversed(tuple(self._runs.values())):
            run.job.cancel()
        self._runs.clear()
        self._show(None, None)
        what = "the analysis was" if count == 1 else f"{count} analyses were"
        self._program.tell.info(f"{what} cancelled; earlier results are still there")
        self._prepared = None
        self._prepare()

    def forget(self) -> None:
        """Remove the result of the pair that is looked at; can be undone."""
        self._session.forget_result(self._session.index)

    def forget_all(self) -> None:
        """Remove the results of all pairs, after asking."""
        count = len(self._session.results)
        answer = self._program.dialogs.ask(
            "Forget all results",
            f"Remove the results of {count} pair(s) from this session?",
            ("Remove", "Cancel"),
        )
        if answer == "Remove":
            self._session.clear_results()

    def close(self) -> None:
        """Forget what runs: its process is about to end."""
        for run in self._runs.values():
            run.job.active = False
        self._runs.clear()

    def _done(self, index: int, outcome: dict[str, Any], made_with: MadeWith) -> None:
        analysis: Analysis = outcome["analysis"]
        run = self._ended(index)
        entry = ResultEntry(index, analysis, None, outcome["seconds"], made_with=made_with)
        self._session.set_result(index, entry)
        valid = analysis.quality.get("valid")
        share = "" if valid is None or valid != valid else f", {valid:.0f} % of the vectors valid"
        text = f"{run.name} analysed in {outcome['seconds']:.1f} s{share}"
        if outcome["warnings"]:
            self._program.tell.warning(f"{text}; {'; '.join(outcome['warnings'])}")
        else:
            self._program.tell.info(text)

    def _failed(self, index: int, message: str) -> None:
        run = self._ended(index)
        known = self._session.results.get(index)
        if known is None or known.analysis is None:
            self._session.set_result(index, ResultEntry(index, None, message), work=False)
        named = message if run.name in message else f"{run.name}: {message}"
        self._program.tell.error(named)

    def _ended(self, index: int) -> _Run:
        run = self._runs.pop(index)
        following = next(iter(self._runs.values()), None)
        self._show(None if following is None else f"Analysing {following.name}", None)
        return run

    def _progress(self, index: int, done: int, total: int, text: str) -> None:
        waiting = len(self._runs) - 1
        more = f" ({waiting} more wait)" if waiting else ""
        fraction = done / total if total else None
        self._show(f"Analysing {self._runs[index].name}: {text}{more}", fraction)

    def _show(self, text: str | None, fraction: float | None) -> None:
        cancel = None if text is None else self.cancel
        self._program.window.set_busy(text, fraction, cancel, of="analysis")

    def _source_changed(self) -> None:
        """The pairs whose analyses wait are not open any more."""
        for run in reversed(tuple(self._runs.values())):
            run.job.cancel()
        if self._runs:
            self._runs.clear()
            self._show(None, None)
            self._prepared = None
        self._prepare()

    def _prepare(self) -> None:
        """Load the network while the user looks at the images."""
        session = self._session
        if session.source is None or self._prepared == session.model or self._program.closed:
            return
        self._prepared = session.model
        self._program.heavy.run(
            "analyse.prepare",
            done=_nothing,
            failed=_nothing,  # told when it is asked for
            key="analyse.prepare",
            model=session.model,
        )


def _nothing(_: object) -> None:
    """What is to be done about it: nothing."""
