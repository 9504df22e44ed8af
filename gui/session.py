"""The truth of the program, without Qt: what is open, the settings, masks, results and selection.

Views read it, controllers change it by its methods, and every change is told to those who
subscribed to its topic.  All parts are frozen values (:mod:`gui.state`): a change puts a new one
in the old one's place, so that undoing is putting the old one back.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.history import History
from gui.masks import MaskSet
from gui.state import (
    NO_EDITS,
    CalibrationState,
    DisplayOptions,
    FieldEdits,
    Point,
    ResultEntry,
    Selection,
    SourceInfo,
    StoreInfo,
)
from piv.presets import PRESETS
from piv.settings import Settings

if TYPE_CHECKING:
    from piv.types import Bool, Calibration

__all__ = [
    "CalibrationState",
    "DisplayOptions",
    "FieldEdits",
    "ResultEntry",
    "Session",
    "SourceInfo",
    "StoreInfo",
    "Topic",
]


class Topic(StrEnum):
    """What changed."""

    SOURCE = "source"  # another source or store, or none
    PAIR = "pair"  # another pair of it
    SETTINGS = "settings"  # settings or model
    MASKS = "masks"
    RESULTS = "results"  # results or what was edited in them
    DISPLAY = "display"
    CALIBRATION = "calibration"
    SELECTION = "selection"
    TITLE = "title"  # path or whether there is something unsaved


class Session:
    """What the user has open, and has done with it.

    Attributes
    ----------
    source : SourceInfo or None
        The pairs.
    store : StoreInfo or None
        A file of results, of these pairs or alone.
    lost : mapping or None
        What a session file says of a source that was not found, so that it can be saved again.
    index : int
        The pair that is looked at.
    settings : Settings
    model : str
    masks : MaskSet
    calibration : CalibrationState
    display : DisplayOptions
    selection : Selection
    path : Path or None
        The session file.
    dirty : bool
        Whether there is work that is in no session file.
    revision : int
        Grows with every change of what a session file holds: tells autosave whether to save.
    """

    def __init__(self) -> None:
        self.source: SourceInfo | None = None
        self.store: StoreInfo | None = None
        self.lost: Mapping[str, Any] | None = None  # a source that is not where it was
        self.index = 0
        self.settings = Settings()
        self.model = "default"
        self.masks = MaskSet()
        self.calibration = CalibrationState()
        self.display = DisplayOptions()
        self.selection = Selection()
        self.path: Path | None = None
        self.dirty = False
        self.revision = 0
        self.history = History(self._put)
        self._results: dict[int, ResultEntry] = {}
        self._own: set[int] = set()  # computed here; the others were read from the store
        self._store_edits: dict[int, FieldEdits] = {}
        self._mask_cache: dict[int, Bool | None] = {}
        self._listeners: dict[Topic, list[Callable[[], None]]] = {topic: [] for topic in Topic}
        self._held: list[Topic] | None = None

    # telling

    def subscribe(self, topic: Topic, call: Callable[[], None]) -> Callable[[], None]:
        """Call ``call`` after every change of this topic.

        Returns
        -------
        callable
            Ends the subscription; again is no harm.
        """
        self._listeners[topic].append(call)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._listeners[topic].remove(call)

        return end

    def notify(self, topic: Topic) -> None:
        """Tell all who subscribed; one that fails keeps no other from being told."""
        if self._held is not None:
            if topic not in self._held:
                self._held.append(topic)
            return
        failures = []
        for call in tuple(self._listeners[topic]):
            try:
                call()
            except Exception as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Several changes at once: each topic is told once, after the last of them."""
        if self._held is not None:
            yield
            return
        self._held = []
        try:
            yield
        finally:
            topics, self._held = self._held, None
            for topic in topics:
                self.notify(topic)

    # source

    @property
    def count(self) -> int:
        """Of pairs, of the source or else of the store, or else up to the last result."""
        if self.source is not None:
            return self.source.count
        return max(self._own, default=-1) + 1 if self.store is None else self.store.count

    @property
    def shape(self) -> tuple[int, int] | None:
        """(H, W) of the frames, px; None = nothing is open."""
        if self.source is not None:
            return self.source.shape
        if self.store is not None:
            return self.store.shape
        known = (self._results[index].analysis for index in sorted(self._own))
        fields = [analysis.field for analysis in known if analysis is not None]
        return None if not fields else (round(fields[0].y[-1]) + 1, round(fields[0].x[-1]) + 1)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pairs; numbers where only results are left."""
        if self.source is not None:
            return self.source.names
        if self.store is not None:
            return self.store.names
        return tuple(f"pair {number + 1}" for number in range(self.count))

    def set_source(self, info: SourceInfo) -> None:
        """Open a source: results, undo steps and the selection of the old one go.

        The same path again (another pairing) keeps masks and calibration.  Settings stay, but
        for regions that no frame of another shape has.  The file of the session stays that of
        the old source: saving never puts the new one in its place unasked.
        """
        same = self.source is not None and self.source.path == info.path
        shape = self.shape
        with self.together():
            self.source, self.store, self.lost = info, None, None
            self._drop_results()
            if not same or shape != info.shape:
                self._set_masks(MaskSet())
            if not same:
                self._leave_file()
                self._set_calibration(CalibrationState(info.pixel_size, dt=info.dt))
                self.set_display(image_levels=None, colour_range=None, range_locked=False)
            if shape is not None and shape != info.shape:
                self._forget_regions()
            self._began(Topic.SOURCE)

    def set_store(self, info: StoreInfo | None) -> None:
        """Open a file of results beside the source, or alone; None closes it.

        A store of another number of pairs or another shape than the source is opened in its place.
        """
        with self.together():
            if info is not None:
                source = self.source
                foreign = source is not None and (source.count, source.shape) != (
                    info.count,
                    info.shape,
                )
                other = source is None and (self.store is None or self.store.path != info.path)
                if other or foreign:
                    self._leave_file()
                if foreign or (source is None and self.store is None):
                    self.source = None
                    self._set_masks(MaskSet())
                    self._set_calibration(CalibrationState(info.pixel_size, info.origin, info.dt))
            self.store = info
            if self.source is None:
                self._began(Topic.SOURCE)
            else:
                self._drop_results()
                self._changed(Topic.SOURCE, work=self.path is not None)

    def update_store(self, info: StoreInfo) -> None:
        """The same file of results once more, which has grown meanwhile; entries stay."""
        self.store = info
        self._changed(Topic.RESULTS, work=False)

    def clear_source(self) -> None:
        """Close source and store."""
        with self.together():
            self.source = self.store = self.lost = None
            self._leave_file()
            self._drop_results()
            self._set_masks(MaskSet())
            self._set_calibration(CalibrationState())
            self._began(Topic.SOURCE)

    def set_index(self, index: int) -> None:
        """Look at another pair; beyond the ends it stays at the end."""
        index = max(0, min(int(index), self.count - 1))
        if index != self.index:
            self.index = index
            self._changed(Topic.PAIR, work=False)

    # settings

    def set_settings(
        self, settings: Settings, text: str = "settings", merge: Hashable = None
    ) -> None:
        """Analyse with these from now on; results that are there stay as they are."""
        self._step(("settings",), settings, text, merge)

    def set_model(self, model: str) -> None:
        """Analyse with these weights: a name, a file, or ``none``."""
        self._step(("model",), model, "model")

    def apply_preset(self, name: str) -> None:
        """Take settings and model of a preset; the regions stay."""
        preset = PRESETS[name]
        settings = _with_regions(preset.settings, self.settings)
        with self.together():
            self._step(("method",), (settings, preset.model), f"preset {name}")

    def preset_name(self) -> str | None:
        """Which preset settings and model are, whatever the regions; None = changed."""
        for name, preset in PRESETS.items():
            if (_with_regions(preset.settings, self.settings), preset.model) == (
                self.settings,
                self.model,
            ):
                return name
        return None

    # masks

    def set_masks(self, masks: MaskSet, text: str = "mask", merge: Hashable = None) -> None:
        """Replace the masks of all pairs and of single ones."""
        self._step(("masks",), masks, text, merge)

    def mask_for(self, index: int) -> Bool | None:
        """Mask of a pair as drawn and imported here, True = not fluid; None = there is none.

        Parameters
        ----------
        index : int

        Returns
        -------
        bool array, shape (H, W), read-only; or None
        """
        if self.shape is None:
            return None
        if index not in self._mask_cache:
            mask = self.masks.rasterise(index, self.shape)
            if mask is not None:
                mask = np.asarray(mask, bool)
                mask.flags.writeable = False
                if not mask.any():
                    mask = None
            while len(self._mask_cache) >= 4:  # 25 MB each at 25 Mpx
                self._mask_cache.pop(next(iter(self._mask_cache)))
            self._mask_cache[index] = mask
        return self._mask_cache[index]

    # calibration

    def set_calibration(
        self, calibration: CalibrationState, text: str = "calibration", merge: Hashable = None
    ) -> None:
        """Show results in these units."""
        self._step(("calibration",), calibration, text, merge)

    def to_calibration(self) -> Calibration | None:
        """What :func:`piv.calibrate` takes; None while results stay in px."""
        return self.calibration.to_calibration()

    # results

    @property
    def results(self) -> Mapping[int, ResultEntry]:
        """Entries by index of the pair: those computed here, and those read from the store."""
        return MappingProxyType(self._results)

    @property
    def result(self) -> ResultEntry | None:
        """Of the pair that is looked at."""
        return self._results.get(self.index)

    def set_result(self, index: int, entry: ResultEntry, *, work: bool = True) -> None:
        """Keep a result; one that is there for this pair goes, with its edits.

        Parameters
        ----------
        index : int
        entry : ResultEntry
        work : bool
            False for one that was read from the store, and is no work that could be lost; it gets
            the edits that were made the last time.
        """
        if work:
            self._own.add(index)
        else:
            self._own.discard(index)
            if not entry.edits and index in self._store_edits:
                entry = entry.replace(edits=self._store_edits[index])
        self._results[index] = entry
        self.history.forget("edits", index)
        self.history.forget("result", index)
        self._changed(Topic.RESULTS, work=work)

    @property
    def own_results(self) -> dict[int, ResultEntry]:
        """Those that were computed here: what a session file has to hold."""
        return {index: self._results[index] for index in sorted(self._own & set(self._results))}

    @property
    def store_edits(self) -> dict[int, FieldEdits]:
        """What was edited in results that are in the store, by index of the pair."""
        return {index: edits for index, edits in sorted(self._store_edits.items()) if edits}

    def drop_result(self, index: int) -> None:
        """Forget the entry of a pair, such as one read from the store that is not looked at."""
        if self._results.pop(index, None) is not None:
            self.history.forget("edits", index)
            self._changed(Topic.RESULTS, work=False)

    def forget_result(self, index: int) -> None:
        """Forget the entry of a pair, as a step that can be undone."""
        if index in self._results:
            self._step(("result", index), None, "forget the result")

    def clear_results(self) -> None:
        """Forget all results."""
        if self._results:
            with self.together():
                self._drop_results()
                self._changed(Topic.RESULTS)

    def set_edits(
        self,
        index: int,
        edits: FieldEdits,
        text: str = "rejected vectors",
        merge: Hashable = None,
    ) -> None:
        """Change what is rejected by hand in the result of a pair; nothing without a result."""
        if index in self._results:
            self._step(("edits", index), edits, text, merge)

    # display and selection

    def set_display(self, **changes: Any) -> None:
        """Change some of :class:`gui.state.DisplayOptions`."""
        display = self.display.replace(**changes)
        if display != self.display:
            self.display = display
            self._changed(Topic.DISPLAY, work=False)

    @property
    def point(self) -> Point | None:
        """The marked point, (x, y) px."""
        return self.selection.point

    @property
    def line(self) -> tuple[Point, ...] | None:
        """Corners of the marked line, px."""
        return self.selection.line

    @property
    def circle(self) -> tuple[float, float, float] | None:
        """The marked circle, (x, y, radius) px."""
        return self.selection.circle

    def set_selection(self, **changes: Any) -> None:
        """Mark a ``point``, a ``line`` or a ``circle``; None takes the mark away."""
        selection = dataclasses.replace(self.selection, **changes)
        if selection != self.selection:
            self.selection = selection
            self._changed(Topic.SELECTION, work=False)

    # undo

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self.history.undo_text)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step to do again."""
        return bool(self.history.redo_text)

    @property
    def undo_text(self) -> str:
        """What would be undone."""
        return self.history.undo_text

    @property
    def redo_text(self) -> str:
        """What would be done again."""
        return self.history.redo_text

    def undo(self) -> bool:
        """Undo the last change of settings, masks, calibration or edits; False = none."""
        return self.history.undo()

    def redo(self) -> bool:
        """Do the last undone change again; False = none."""
        return self.history.redo()

    # file

    def set_saved(self, path: Path | None, revision: int | None = None) -> None:
        """Everything is in this file now.

        Parameters
        ----------
        path : Path or None
        revision : int, optional
            What was saved; if the session has changed since, it stays unsaved.
        """
        self.path = path
        if revision is None or revision == self.revision:
            self.dirty = False
        self.notify(Topic.TITLE)

    def restore(
        self,
        *,
        source: SourceInfo | None,
        store: StoreInfo | None,
        settings: Settings,
        model: str,
        masks: MaskSet,
        calibration: CalibrationState,
        display: DisplayOptions,
        selection: Selection,
        index: int,
        results: Mapping[int, ResultEntry],
        store_edits: Mapping[int, FieldEdits],
        lost: Mapping[str, Any] | None,
        path: Path | None,
    ) -> None:
        """Take everything from a session file; all topics are told."""
        self._reset_parts()
        with self.together():
            self.source, self.store, self.lost = source, store, lost
            self.settings, self.model = settings, model
            self.masks, self.calibration = masks, calibration
            self.display, self.selection = display, selection
            self._results = dict(results)
            self._own = set(results)
            self._store_edits = dict(store_edits)
            self.index = max(0, min(index, self.count - 1))
            self.path = path
            self._tell_all()

    def set_dirty(self) -> None:
        """There is work that is in no file, such as that of a recovered session."""
        self._changed(Topic.TITLE)

    def title(self) -> str:
        """What the window is called: the session, or what is open, and * where it is unsaved."""
        if self.path is not None:
            name = self.path.stem
        elif self.source is not None:
            name = self.source.path.name
        elif self.store is not None:
            name = self.store.path.name
        else:
            name = "new session"
        return f"{name}{' *' if self.dirty else ''}"

    def reset(self) -> None:
        """Begin anew: an empty session without a file; those who listen go on listening."""
        with self.together():
            self._reset_parts()
            self._tell_all()

    # inside

    def _reset_parts(self) -> None:
        kept = ("history", "_listeners", "_held", "revision")
        vars(self).update({name: v for name, v in vars(Session()).items() if name not in kept})
        self.history.forget()

    def _tell_all(self) -> None:
        self.revision += 1
        for topic in Topic:
            self.notify(topic)

    def _step(
        self, part: tuple[Hashable, ...], value: Any, text: str, merge: Hashable = None
    ) -> None:
        before = self._get(part)
        if value == before:
            return
        self.history.note(text, part, before, value, merge)
        self._put(part, value)

    def _get(self, part: tuple[Hashable, ...]) -> Any:
        if part[0] == "method":
            return self.settings, self.model
        if part[0] in ("edits", "result"):
            entry = self._results.get(int(str(part[1])))
            if part[0] == "result":
                return entry
            return NO_EDITS if entry is None else entry.edits
        return getattr(self, str(part[0]))

    def _put(self, part: tuple[Hashable, ...], value: Any) -> None:
        """Give a part a value, without a step to undo."""
        name = part[0]
        if name == "masks":
            self._mask_cache.clear()
        if name == "edits":
            index = int(str(part[1]))
            if (entry := self._results.get(index)) is not None:
                self._results[index] = entry.replace(edits=value)
            if index not in self._own:
                self._store_edits[index] = value
        elif name == "result" and value is None:
            self._results.pop(int(str(part[1])), None)
        elif name == "result":
            self._results[int(str(part[1]))] = value
        elif name == "method":
            self.settings, self.model = value
        else:
            setattr(self, str(name), value)
        topics = {
            "masks": Topic.MASKS,
            "calibration": Topic.CALIBRATION,
            "edits": Topic.RESULTS,
            "result": Topic.RESULTS,
        }
        self._changed(topics.get(str(name), Topic.SETTINGS))

    def _set_masks(self, masks: MaskSet) -> None:
        self._mask_cache.clear()
        self.masks = masks
        self.notify(Topic.MASKS)

    def _set_calibration(self, calibration: CalibrationState) -> None:
        self.calibration = calibration
        self.notify(Topic.CALIBRATION)

    def _drop_results(self) -> None:
        self._results.clear()
        self._own.clear()
        self._store_edits.clear()
        self.history.forget("edits")
        self.history.forget("result")
        self.notify(Topic.RESULTS)

    def _forget_regions(self) -> None:
        self.settings = _with_regions(self.settings, Settings())
        self.notify(Topic.SETTINGS)

    def _leave_file(self) -> None:
        """What is open from now on is in no session file, and nothing was done to it yet."""
        self.path, self.dirty = None, False

    def _began(self, topic: Topic) -> None:
        """Something else is open."""
        self.index = 0
        self.selection = Selection()
        self.history.forget()
        for each in (topic, Topic.PAIR, Topic.SELECTION):
            self.notify(each)
        self._changed(Topic.TITLE, work=self.path is not None)

    def _changed(self, topic: Topic, *, work: bool = True) -> None:
        self.revision += 1
        self.dirty = self.dirty or work
        self.notify(topic)
        self.notify(Topic.TITLE)


def _with_regions(settings: Settings, other: Settings) -> Settings:
    """Settings with the regions of others: which part is wanted is not how it is measured."""
    return dataclasses.replace(
        settings,
        preprocess=dataclasses.replace(settings.preprocess, region=other.preprocess.region),
        output=dataclasses.replace(settings.output, region=other.output.region),
    )
