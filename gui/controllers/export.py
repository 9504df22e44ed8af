"""Writing files of what the window shows: figure, film, data, report, settings, words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PyQt6.QtCore import QObject
from PyQt6.QtGui import QGuiApplication

from gui.exports import DataOrder, FilmOrder, ReportOrder, Results, existing
from gui.figures import FigureOrder, GivenMap, without_selection
from gui.methods import Method, method_of, text
from gui.session import Topic
from gui.state import DONE
from gui.units import Units
from gui.views.actions import ActionSpec
from gui.views.export_panel import ExportPanel
from piv.errors import PIVError
from piv.io.exchange.registry import FORMATS
from piv.io.files import replacing
from piv.settings import to_toml
from piv.types import Analysis

if TYPE_CHECKING:
    from gui.program import Program

ACTIONS = (
    ActionSpec(
        "export.panel", "Export…", "Export", "Ctrl+Shift+E",
        "Show the panel that writes figures, films, data and reports", group="panel",
    ),
    ActionSpec(
        "export.figure", "Save figure…", "Export", tip="What is shown, as PNG, SVG or PDF",
        group="files", needs="result",
    ),
    ActionSpec(
        "export.film", "Save film…", "Export", tip="All results as MP4 or GIF", group="files",
    ),
    ActionSpec(
        "export.data", "Save data…", "Export", tip="Fields for other programs", group="files",
    ),
    ActionSpec(
        "export.report", "Save report…", "Export",
        tip="Figures, quality, settings and provenance of this pair, as HTML or PDF",
        group="files", needs="result",
    ),
    ActionSpec(
        "export.settings", "Save settings…", "Export", tip="TOML, for the command line too",
        group="words",
    ),
    ActionSpec(
        "export.methods", "Copy text for a methods section", "Export",
        tip="The settings as a paragraph for a paper, with references", group="words",
    ),
)  # fmt: skip

_FIGURES = [("PNG, 300 dpi", "*.png"), ("PDF", "*.pdf"), ("SVG", "*.svg")]
_FILMS = [("MP4", "*.mp4"), ("GIF", "*.gif")]
_REPORTS = [("HTML page", "*.html"), ("PDF", "*.pdf")]


def attach(program: Program) -> ExportController:
    """Add the panel and the actions."""
    return ExportController(program)


class ExportController(QObject):
    """Asks for names and lets the drawing process write."""

    def __init__(self, program: Program, panel: ExportPanel | None = None) -> None:
        super().__init__()
        self._program = program
        self.panel = ExportPanel() if panel is None else panel
        self._job: Any = None
        window = program.window
        window.add_panel("export", "Export", self.panel, "right", shown=False)
        window.add_actions(ACTIONS)
        self._calls: dict[str, Callable[[], None]] = {
            "figure": self.save_figure,
            "film": self.save_film,
            "data": self.save_data,
            "report": self.save_report,
            "settings": self.save_settings,
            "methods": self.copy_methods,
        }
        window.action("export.panel").triggered.connect(lambda *_: window.show_panel("export"))
        for name, call in self._calls.items():
            window.action(f"export.{name}").triggered.connect(lambda _=False, call=call: call())
        self.panel.wanted.connect(lambda name: self._calls[name]())
        session = program.session
        self._ends = [
            session.subscribe(topic, self._update)
            for topic in (Topic.SOURCE, Topic.RESULTS, Topic.PAIR)
        ]
        self._update()

    # -- what there is

    def _update(self) -> None:
        session = self._program.session
        store = session.store is not None and DONE in session.store.statuses
        kept = any(entry.analysis is not None for entry in session.results.values())
        self.panel.set_present(
            result=self.analysis is not None,
            series=store or kept,
            image=session.source is not None,
        )

    @property
    def analysis(self) -> Analysis | None:
        """Of the pair that is looked at, with the user's edits; px."""
        display = self._program.controllers.get("display")
        shown = getattr(display, "analysis", None)
        if isinstance(shown, Analysis):
            return shown
        entry = self._program.session.result
        return None if entry is None else entry.analysis

    def _results(self, *, whole: bool) -> Results | None:
        """The results that are meant; None after the user has been told that there are none."""
        session = self._program.session
        now = self.analysis
        if not whole:
            if now is None:
                self._program.tell.error(
                    "This pair has no result yet: analyse it first (Ctrl+A), or choose all results"
                )
                return None
            return Results(analyses={session.index: now})
        analyses: dict[int, Analysis] = {
            index: entry.analysis
            for index, entry in session.results.items()
            if entry.analysis is not None
        }
        if now is not None:
            analyses[session.index] = now
        store = session.store
        if store is None or DONE not in store.statuses:
            if not analyses:
                self._program.tell.error(
                    "There are no results yet: analyse pairs, or open the results of a series"
                )
                return None
            return Results(analyses=dict(sorted(analyses.items())))
        edited = {i: a for i, a in analyses.items() if self._edited(i)}
        return Results(store.path, None, edited)

    def _edited(self, index: int) -> bool:
        entry = self._program.session.results.get(index)
        return entry is not None and bool(entry.edits)

    def method(self) -> Method:
        """What the result was made with, or else the next one will be."""
        session = self._program.session
        analysis = self.analysis
        provenance: Mapping[str, Any] | None = None
        if analysis is not None:
            provenance = analysis.provenance
        source = session.source
        count = 1 if session.store is None else session.store.statuses.count(DONE)
        return method_of(
            provenance,
            session.settings,
            session.model,
            session.calibration,
            timed=session.calibration.dt != 1.0 or (source is not None and source.dt_known),
            pairs=max(1, count) if analysis is not None else session.count,
            shape=session.shape,
            masked=session.mask_for(session.index) is not None if session.shape else False,
        )

    def _name(self) -> str:
        session = self._program.session
        names = session.names
        return names[session.index] if session.index < len(names) else ""

    def _stem(self) -> str:
        """A name for files about this pair."""
        name = Path(self._name().split(",")[0].strip()).stem
        return name or f"pair_{self._program.session.index:05d}"

    def _images(self) -> dict[str, Any]:
        session = self._program.session
        if session.source is None:
            return {}
        return {
            "spec": session.source.spec,
            "index": session.index,
            "mask": session.mask_for(session.index),
        }

    # -- figure

    def save_figure(self) -> None:
        """Ask for a name, draw and write."""
        analysis, session = self.analysis, self._program.session
        if analysis is None:
            self._program.tell.error("This pair has no result to draw: analyse it first (Ctrl+A)")
            return
        choices = self.panel.figure_choices()
        display = without_selection(session.display)
        path = self._ask("Save figure", _FIGURES, f"{self._stem()}_{display.quantity}.png")
        if path is None:
            return
        if display != session.display:
            self._program.tell.warning("Maps of the statistics are not drawn: the speed is")
        order = FigureOrder(
            analysis=analysis,
            display=display,
            calibration=session.calibration,
            layout=choices.layout,
            width=choices.width,
            image=choices.image and session.source is not None,
        )
        if display.quantity == "residual" and choices.layout == "as shown":
            self._with_residual(order, path)
        else:
            self._draw(order, path)

    def _draw(self, order: FigureOrder, path: Path) -> None:
        images = self._images() if order.image else {}
        self._write("export.figure", path, order=order, **images)

    def _with_residual(self, order: FigureOrder, path: Path) -> None:
        """The residual is computed from the images first."""
        images = self._images()
        if not images:
            self._program.tell.error("The residual needs the images: open them, or choose another")
            return

        def drawn(found: dict[str, Any]) -> None:
            values = np.asarray(found["pyramid"].levels[0])
            steps = found["step"]
            given = GivenMap(
                values,
                found["x0"] + steps[0] * np.arange(values.shape[1]),
                found["y0"] + steps[1] * np.arange(values.shape[0]),
            )
            self._draw(_with_map(order, given), path)

        self._program.heavy.run(
            "inspect.residual", done=drawn, key="export.residual",
            region=self.method().settings.preprocess.region, field=order.field, **images,
        )  # fmt: skip

    # -- film and data

    def save_film(self) -> None:
        """Ask for a name, draw and write all results."""
        results = self._results(whole=True)
        if results is None:
            return
        choices = self.panel.film_choices()
        path = self._ask("Save film", _FILMS, f"{self._series_stem()}_{choices.quantity}.mp4")
        if path is None:
            return
        session = self._program.session
        limits = None
        if choices.locked:
            limits = self._film_range(choices.quantity)
            if limits is None:
                self._program.tell.warning(
                    f"The window does not show the {choices.quantity} with a fixed range: the "
                    "range of the film is found from the series"
                )
        order = FilmOrder(
            results, session.calibration, choices.quantity, limits, choices.frames_per_second
        )
        self._write("export.film", path, order=order)

    def _film_range(self, wanted: str) -> tuple[float, float] | None:
        """The colour range of the window in the units of the film."""
        session = self._program.session
        shown = {"speed": "magnitude", "vorticity": "vorticity"}[wanted]
        if session.display.quantity != shown or session.display.colour_range is None:
            return None
        known = session.calibration
        units = Units(known.pixel_size, known.dt, known.origin)
        factor = units.scale("gradient")[0]
        if shown == "magnitude":
            factor = 1.0 if known.pixel_size is None else known.pixel_size / known.dt
        low, high = session.display.colour_range
        return low * factor, high * factor

    def _series_stem(self) -> str:
        session = self._program.session
        if session.store is not None:
            return session.store.path.stem
        return "series" if session.source is None else session.source.path.stem

    def save_data(self) -> None:
        """Ask for a name and write fields for another program."""
        choices = self.panel.data_choices()
        results = self._results(whole=choices.whole)
        if results is None:
            return
        session = self._program.session
        wanted = FORMATS[choices.format]
        kinds = [
            (f"{wanted.help} ({suffix})", f"*{suffix}")
            for suffix in _suffixes(choices.format, many=choices.whole)
        ]
        stem = self._series_stem() if choices.whole else self._stem()
        path = self._ask("Save data", kinds, f"{stem}{kinds[0][1][1:]}")
        if path is None:
            return
        order = DataOrder(
            results=results,
            calibration=session.calibration,
            format=choices.format,
            group=choices.group,
            stride=choices.stride,
            source=self._series_stem(),
        )
        try:
            there = existing(order, path, self._pairs(results))
        except PIVError as problem:
            self._program.tell.error(str(problem))
            return
        if there and self._program.dialogs.ask(
            "Save data",
            f"{len(there)} of the files are there already, among them {there[0].name}. Replace "
            "them?",
            ("Replace", "Cancel"),
        ) != "Replace":  # fmt: skip
            return
        self._write("export.data", path, order=order)

    def _pairs(self, results: Results) -> list[int]:
        """Pairs that are written, as far as the window knows."""
        store = self._program.session.store
        if results.path is None or store is None:
            return sorted(results.analyses)
        return [n for n, status in enumerate(store.statuses) if status == DONE]

    # -- words

    def save_report(self) -> None:
        """Ask for a name and write the report of this pair."""
        analysis, session = self.analysis, self._program.session
        if analysis is None:
            self._program.tell.error("This pair has no result to report: analyse it first (Ctrl+A)")
            return
        path = self._ask("Save report", _REPORTS, f"{self._stem()}_report.html")
        if path is None:
            return
        entry = session.result
        order = ReportOrder(
            analysis=analysis,
            name=self._name(),
            calibration=session.calibration,
            method=self.method(),
            seconds=float("nan") if entry is None else entry.seconds,
            edited=_edits_text(None if entry is None else entry.edits),
        )
        self._write("export.report", path, order=order, **self._images())

    def save_settings(self) -> None:
        """Ask for a name and write the settings of the session."""
        path = self._ask("Save settings", [("Settings", "*.toml")], "settings.toml")
        if path is None:
            return
        try:
            with replacing(path) as file:
                file.write(to_toml(self._program.session.settings, comments=True).encode("utf-8"))
        except PIVError as problem:
            self._program.tell.error(str(problem))
            return
        self._program.tell.info(f"{path.name}: settings; piv analyse --settings takes them too")

    def copy_methods(self) -> None:
        """Put the paragraph for a paper into the clipboard."""
        words = text(self.method())
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(words)
        self._program.tell.info("The text for a methods section is in the clipboard", words)

    # -- writing

    def _ask(self, title: str, kinds: list[tuple[str, str]], name: str) -> Path | None:
        name = name.replace(" ", "_").replace("/", "_")
        return self._program.dialogs.save_file(title, kinds, name)

    def _write(self, task: str, path: Path, **arguments: Any) -> None:
        window = self._program.window
        what = task.partition(".")[2]
        if self._job is not None:
            self._program.tell.error("Another file is being written: wait for it, or cancel it")
            return

        def end() -> None:
            self._job = None
            window.set_busy(None, None, None, of="export")

        def done(words: str) -> None:
            end()
            self._program.tell.info(f"Written: {words}", str(path))

        def failed(words: str) -> None:
            end()
            self._program.tell.error(words)

        def progress(number: int, total: int, words: str) -> None:
            fraction = number / total if total else None
            window.set_busy(f"Writing {path.name}: {words}", fraction, self.cancel, of="export")

        window.set_busy(f"Writing the {what}", None, self.cancel, of="export")
        self._job = self._program.quick.run(
            task, done=done, failed=failed, progress=progress, path=path, **arguments
        )

    @property
    def writing(self) -> bool:
        """Whether a file is being written."""
        return self._job is not None

    def cancel(self) -> None:
        """Stop writing; no half-written file is left under the name."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._program.window.set_busy(None, None, None, of="export")
            self._program.tell.info("Writing was cancelled: nothing was changed under that name")

    def close(self) -> None:
        """Listen no more."""
        for end in self._ends:
            end()
        self._job = None


def _with_map(order: FigureOrder, given: GivenMap) -> FigureOrder:
    import dataclasses

    return dataclasses.replace(order, given=given)


def _suffixes(format_: str, *, many: bool) -> list[str]:
    """Endings that suit: of VTK, a collection for many fields and an image for one."""
    if format_ == "vtk":
        return [".pvd"] if many else [".vti"]
    return [FORMATS[format_].suffixes[0]]


def _edits_text(edits: Any) -> str:
    """What was changed by hand, in words."""
    if not edits:
        return ""
    parts = []
    cells = len(edits.coarse) + len(edits.dense)
    if cells:
        parts.append(f"{cells} vector(s) rejected one by one")
    if edits.boxes:
        parts.append(f"{len(edits.boxes)} box(es) of vectors rejected")
    if edits.limits:
        parts.append("vectors outside limits of u and v rejected")
    if edits.validate is not None:
        parts.append("validated again with other thresholds")
    return "; ".join(parts)
