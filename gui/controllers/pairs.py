"""Pairs: the list, the image on the canvas, A and B, flicker, contrast, stepping and playing."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

from PyQt6.QtCore import QTimer

from gui.program import Program
from gui.session import Topic
from gui.views.actions import ActionSpec
from gui.views.navigator import Navigator
from gui.views.pair_list import PairPanel
from gui.workers import Job

_SPECS = (
    ActionSpec("image.frame_a", "A", "Image", "A", "Show the first frame of the pair", True,
               "frame", needs="pair"),
    ActionSpec("image.frame_b", "B", "Image", "B", "Show the second frame of the pair", True,
               "frame", needs="pair"),
    ActionSpec("image.flicker", "Flicker between A and B", "Image", "Space",
               "Show A and B in turn, so that moving particles are seen", True, "frame",
               toolbar=True, needs="pair"),
    ActionSpec("image.swap", "Exchange A and B", "Image", "",
               "Take the second frame for the first, in every pair", group="pairs", needs="pair"),
    ActionSpec("image.auto_contrast", "Automatic contrast", "Image", "Ctrl+Shift+A",
               "Choose black and white so that the particles are seen", group="contrast",
               needs="pair"),
    ActionSpec("series.previous", "Previous pair", "Series", "Left", "Go to the pair before",
               group="step", needs="series"),
    ActionSpec("series.next", "Next pair", "Series", "Right", "Go to the pair after", group="step",
               needs="series"),
    ActionSpec("series.first", "First pair", "Series", "Ctrl+Home", "Go to the first pair",
               group="step", needs="series"),
    ActionSpec("series.last", "Last pair", "Series", "Ctrl+End", "Go to the last pair",
               group="step", needs="series"),
    ActionSpec("series.play", "Play the pairs", "Series", "Ctrl+Space",
               "Show one pair after the other, with results where there are some", True, "step",
               needs="series"),
)  # fmt: skip
_KEPT = 4  # pairs whose images stay ready
_ASKED = 3  # small pictures at a time, so that other work comes in between


class Pairs:
    """Shows the pair that the session looks at.

    Attributes
    ----------
    pair : dict or None
        What ``images.pair`` returned for it: ``a``, ``b``, ``range``, ``mask``, ``name``, ``dt``.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.pair: dict[str, Any] | None = None
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._histograms: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._wanted: list[int] = []
        self._asked: dict[int, Job] = {}
        self._loading = False
        self._shown = "a"
        self._on_canvas: Any = None  # the pyramid that is shown
        window, session = program.window, program.session
        window.add_actions(_SPECS)
        self.panel = PairPanel()
        self.dock = window.add_panel("pairs", "Pairs", self.panel, "left")
        self.navigator = Navigator(window.actions_by_name)
        window.set_navigator(self.navigator)
        self._flicker = QTimer(window)
        self._flicker.setInterval(250)
        self._flicker.timeout.connect(self._swap_shown)
        self._play = QTimer(window)
        self._play.setInterval(200)
        self._play.timeout.connect(self._play_step)
        for name, call in (
            ("image.frame_a", partial(self.show_frame, "a")),
            ("image.frame_b", partial(self.show_frame, "b")),
            ("image.auto_contrast", self.automatic_contrast),
            ("image.swap", program.controllers["files"].swap),
            ("series.previous", partial(self._step, -1)),
            ("series.next", partial(self._step, 1)),
            ("series.first", partial(self._go, 0)),
            ("series.last", lambda: self._go(session.count - 1)),
        ):
            window.action(name).triggered.connect(lambda _=False, c=call: c())
        window.action("image.flicker").triggered.connect(self.set_flicker)
        window.action("series.play").triggered.connect(self.set_playing)
        flicker = window.action("image.flicker")
        self.panel.flicker_requested.connect(flicker.trigger)
        window.canvas.space_tapped.connect(flicker.trigger)
        self.panel.chosen.connect(self._go)
        self.panel.pairing_chosen.connect(program.controllers["files"].repair)
        self.panel.thumbnail_wanted.connect(self._want)
        self.panel.contrast.levels_chosen.connect(self._levels_chosen)
        self.panel.contrast.automatic_requested.connect(self.automatic_contrast)
        self.navigator.chosen.connect(self._go)
        self.navigator.flicker_rate_chosen.connect(lambda r: self._flicker.setInterval(_ms(r)))
        self.navigator.play_rate_chosen.connect(lambda r: self._play.setInterval(_ms(r)))
        session.subscribe(Topic.SOURCE, self._source_changed)
        session.subscribe(Topic.PAIR, self._pair_changed)
        session.subscribe(Topic.RESULTS, self._results_changed)
        session.subscribe(Topic.DISPLAY, self._display_changed)
        self._source_changed()

    def close(self) -> None:
        """Stop flickering and playing."""
        self._flicker.stop()
        self._play.stop()

    # wishes

    def show_frame(self, which: str) -> None:
        """Show frame a or b; flickering ends."""
        self.program.session.set_display(frame=which, flicker=False)
        self._display_changed()

    def set_flicker(self, on: bool) -> None:
        """Show A and B in turn."""
        self.program.session.set_display(flicker=bool(on))

    def set_playing(self, on: bool) -> None:
        """Show one pair after the other, from the beginning again after the last."""
        on = bool(on) and self.program.session.count > 1
        self.program.window.action("series.play").setChecked(on)
        if on:
            self._play.start()
        else:
            self._play.stop()

    @property
    def playing(self) -> bool:
        """Whether pairs are played."""
        return self._play.isActive()

    def automatic_contrast(self) -> None:
        """Choose black and white by the grey levels of the pair."""
        self.program.session.set_display(image_levels=None)
        self._show_levels()

    def _go(self, index: int) -> None:
        self.program.session.set_index(index)

    def _step(self, by: int) -> None:
        self.program.session.set_index(self.program.session.index + by)

    def _play_step(self) -> None:
        if self._loading or self.program.quick.busy:
            return  # what is there must be seen first
        session = self.program.session
        if session.count < 2:
            self.set_playing(False)
            return
        session.set_index((session.index + 1) % session.count)

    def _swap_shown(self) -> None:
        self._show_image("b" if self._shown == "a" else "a")

    def _levels_chosen(self, low: float, high: float) -> None:
        self.program.session.set_display(image_levels=(low, high))

    # the session has changed

    def _source_changed(self) -> None:
        session, window = self.program.session, self.program.window
        self._kept.clear()
        self._histograms.clear()
        self._wanted.clear()
        for job in self._asked.values():
            job.cancel()
        self._asked.clear()
        self.pair = None
        source, store = session.source, session.store
        if source is not None:
            notes = [f"{source.count} pairs" if source.count > 1 else "1 pair"]
            notes.append("{} x {} px, {}".format(*source.shape, source.dtype))
            if source.truth:
                notes.append("true displacement known")
            if store is not None:
                notes.append(f"results: {store.path.name}")
            self.panel.show_source(source.path.name, ", ".join(notes), source.names)
        elif store is not None:
            self.panel.show_source(store.path.name, "results without images", store.names)
        else:
            self.panel.show_source("Nothing is open", "", ())
        if not session.count:
            self.set_playing(False)
            session.set_display(flicker=False)
        self._show_image("a")
        if session.shape is not None:
            window.canvas.set_extent(session.shape)
            window.canvas.fit()
        self.show_pairing()
        self._results_changed()
        self._pair_changed()

    def show_pairing(self) -> None:
        """Show how the open frames are paired, such as after another way was refused."""
        source = self.program.session.source
        if source is None:
            self.panel.show_pairing("", enabled=False)
            return
        sequence = source.pairing is not None or source.count > 1
        self.panel.show_pairing(source.pairing or "", enabled=sequence)

    def _pair_changed(self) -> None:
        session = self.program.session
        self.panel.show_index(session.index)
        self.navigator.show_place(session.index, session.count)
        self._load()

    def _results_changed(self) -> None:
        session = self.program.session
        states: dict[int, str] = {}
        if session.store is not None:
            for n, status in enumerate(session.store.statuses):
                if status:
                    states[n] = "analysed" if status == 1 else "failed"
        for n, entry in session.results.items():
            if entry.error is not None:
                states[n] = f"failed: {entry.error}"
            elif entry.analysis is not None:
                states[n] = "edited" if entry.edits else "analysed"
        self.panel.model.set_states(states)

    def _display_changed(self) -> None:
        display, window = self.program.session.display, self.program.window
        window.action("image.flicker").setChecked(display.flicker)
        if display.flicker and not self._flicker.isActive():
            self._flicker.start()
        elif not display.flicker:
            self._flicker.stop()
            self._show_image(display.frame)
        self._show_levels()

    # images

    def _load(self) -> None:
        """Read the pair that is looked at, unless it is there."""
        session = self.program.session
        source = session.source
        if source is None:
            self.pair = None
            self._loading = False
            self.panel.contrast.clear()
            self._show_image("a")
            return
        index = session.index
        if index in self._kept:
            self._take(index, self._kept[index])
            return
        self._loading = True
        self.program.quick.run(
            "images.pair",
            key="pairs.image",
            spec=source.spec,
            index=index,
            done=partial(self._take, index),
            failed=self._cannot_read,
        )

    def ready(self, index: int) -> dict[str, Any] | None:
        """What ``images.pair`` returned for a pair, if it is kept."""
        return self._kept.get(index)

    def _take(self, index: int, pair: dict[str, Any]) -> None:
        session = self.program.session
        self._kept[index] = pair
        self._kept.move_to_end(index)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        if index != session.index or session.source is None:
            return
        self._loading = False
        self.pair = pair
        masks = self.program.controllers.get("masks")
        if masks is not None:
            masks.show_source_mask(pair["mask"])
        self._show_image(self._shown if session.display.flicker else session.display.frame)
        self._show_levels()
        self._load_histogram(index)

    def _cannot_read(self, message: str) -> None:
        self._loading = False
        self.pair = None
        self.panel.contrast.clear()
        self._show_image("a")
        self.program.tell.error(message)

    def levels(self) -> tuple[float, float]:
        """What is shown black and white."""
        chosen = self.program.session.display.image_levels
        if chosen is not None:
            return chosen
        if self.pair is None:
            return 0.0, 1.0
        low, high = self.pair["range"]
        return float(low), float(high)

    def _show_image(self, which: str) -> None:
        self._shown = which
        window = self.program.window
        for name in ("a", "b"):
            window.action(f"image.frame_{name}").setChecked(name == which)
        pyramid = None
        if self.pair is not None and self.program.session.display.show_image:
            pyramid = self.pair[which]
        if pyramid is not self._on_canvas:
            self._on_canvas = pyramid
            window.canvas.show_image(pyramid, self.levels())

    def _show_levels(self) -> None:
        if self.pair is not None:
            self.program.window.canvas.set_levels(*self.levels())
            self.panel.contrast.show_levels(*self.levels())

    def _load_histogram(self, index: int) -> None:
        source = self.program.session.source
        if index in self._histograms:
            self._show_histogram(index, self._histograms[index])
        elif source is not None and not self.playing:
            self.program.quick.run(
                "images.histogram",
                key="pairs.histogram",
                spec=source.spec,
                index=index,
                done=partial(self._show_histogram, index),
                failed=lambda _message: self.panel.contrast.clear(),
            )

    def _show_histogram(self, index: int, counts: dict[str, Any]) -> None:
        self._histograms[index] = counts
        while len(self._histograms) > _KEPT:
            self._histograms.popitem(last=False)
        if index == self.program.session.index and self.pair is not None:
            self.panel.contrast.show_histogram(counts["edges"], counts["a"], counts["b"])
            self._show_levels()

    # small pictures

    def _want(self, number: int) -> None:
        """A row of the list is seen: the rows seen last come first."""
        if number in self._wanted:
            self._wanted.remove(number)
        self._wanted.append(number)
        del self._wanted[:-60]  # scrolled past
        QTimer.singleShot(0, self._ask)

    def _ask(self) -> None:
        source = self.program.session.source
        if source is None or self.program.closed:
            return
        while self._wanted and len(self._asked) < _ASKED:
            number = self._wanted.pop()
            if number in self._asked or self.panel.model.has_picture(number):
                continue
            self._asked[number] = self.program.quick.run(
                "images.thumbnail",
                spec=source.spec,
                index=number,
                done=partial(self._picture, number),
                failed=partial(self._no_picture, number),
            )

    def _picture(self, number: int, picture: Any) -> None:
        self._asked.pop(number, None)
        self.panel.model.set_picture(number, picture)
        self._ask()

    def _no_picture(self, number: int, _message: str) -> None:
        """It cannot be read: looking at the pair says why."""
        self._asked.pop(number, None)
        self.panel.model.set_missing(number)
        self._ask()


def _ms(rate: float) -> int:
    return round(1000 / rate)


def attach(program: Program) -> Any:
    """Begin to show pairs."""
    return Pairs(program)
