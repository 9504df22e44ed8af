"""What is shown of a result: maps, arrows, lines, the range of the colours, the readout."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gui.age import MadeWith, changed, sentence
from gui.colours import is_diverging, table
from gui.controllers.picking import Picker
from gui.program import Program
from gui.quantities import STATISTICS, Quantity, flag_classes, flag_words, quantity
from gui.session import Topic
from gui.state import DONE, FAILED, ResultEntry, Stage
from gui.units import Units, number
from gui.views.actions import ActionSpec
from gui.views.canvas import ScalarLayer, VectorLayer
from gui.views.display_panel import DisplayPanel
from piv import settings as piv_settings
from piv.settings import Settings
from piv.types import Analysis, Bool, Flag, VectorField

_KEPT = 8  # maps, arrows ... that stay ready
_READ = 6  # entries of a results file that stay open
_SPECS = (
    ActionSpec("display.quantities", "Derived quantities", "Results", "Ctrl+D",
               "Choose what the colours show: speed, vorticity, uncertainty, ...", group="show"),
    ActionSpec("display.appearance", "Appearance", "Results", "Ctrl+M",
               "Colours, ranges, arrows and lines", group="show"),
    ActionSpec("display.vectors", "Vectors", "Results", "V", "Draw the vectors as arrows", True,
               "lines"),
    ActionSpec("display.streamlines", "Streamlines", "Results", "S",
               "Draw evenly spaced streamlines", True, "lines"),
    ActionSpec("display.texture", "Texture (LIC)", "Results", "T",
               "Smear a noise along the streamlines", True, "lines"),
    ActionSpec("display.image", "Particle image", "Results", "I",
               "Show the images under the map", True, "lines"),
    ActionSpec("display.dense", "Field at every pixel", "Results", "Ctrl+1",
               "Show the field of the network", True, "stage"),
    ActionSpec("display.coarse", "Field of the correlation", "Results", "Ctrl+2",
               "Show the field of the interrogation windows", True, "stage"),
    ActionSpec("display.compare", "Compare both with a slider", "Results", "Ctrl+3",
               "Correlation on the left of a line, network on its right", True, "stage"),
    ActionSpec("display.lock_range", "Lock the colours over the series", "Results", "Ctrl+L",
               "Keep the range of the colours for all pairs", True, "range"),
    ActionSpec("display.pick_velocity", "Subtract the velocity of a point", "Results", "",
               "Click a point: its velocity is taken off the whole field", True, "range",
               needs="result"),
)  # fmt: skip
_CHECKS = {
    "vectors": "vectors", "streamlines": "streamlines", "texture": "texture",
    "image": "show_image",
}  # fmt: skip
_STAGES: tuple[str, ...] = ("dense", "coarse", "compare")


@dataclass(frozen=True, eq=False)
class _Made:
    """Something computed for a field, which is held so that its identity stays its own."""

    value: Any
    of: tuple[Any, ...]


class Display:
    """Shows the result of the pair that the session looks at.

    Attributes
    ----------
    analysis : Analysis or None
        That result with the user's edits, in px.
    picker : Picker
        Who gets the clicks on the canvas.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.picker = Picker(program.window.canvas)
        self.panel = DisplayPanel()
        self.dock = program.window.add_panel("display", "Display", self.panel, "right")
        self.analysis: Analysis | None = None
        self._edited: OrderedDict[int, _Made] = OrderedDict()
        self._made: OrderedDict[tuple[Any, ...], _Made] = OrderedDict()
        self._asked: dict[str, tuple[Any, ...]] = {}
        self._arrows: tuple[list[dict[str, Any]], tuple[Any, ...]] = ([], ())  # on the canvas
        self._locked: dict[str, tuple[float, float]] = {}
        self._reference = 0.0
        self._read: list[int] = []
        self._reading: int | None = None
        self._listeners: list[Callable[[], None]] = []
        window, session, canvas = program.window, program.session, program.window.canvas
        window.add_actions(_SPECS)
        self._connect_actions()
        self.panel.changed.connect(self.set_options)
        self.panel.range_mode_chosen.connect(self.set_range_mode)
        self.panel.range_typed.connect(self._range_typed)
        self.panel.velocity_typed.connect(self._velocity_typed)
        self.panel.pick_requested.connect(self.pick_velocity)
        canvas.cursor_moved.connect(self._cursor_moved)
        canvas.cursor_left.connect(lambda: window.set_readout(""))
        canvas.compare_moved.connect(lambda at: session.set_display(compare_at=float(at)))
        canvas.dragged_levels.connect(self._levels_dragged)
        canvas.levels_reset.connect(lambda: self.set_range_mode("automatic"))
        for topic, call in (
            (Topic.SOURCE, self._source_changed),
            (Topic.PAIR, self._result_changed),
            (Topic.RESULTS, self._result_changed),
            (Topic.DISPLAY, self._display_changed),
            (Topic.CALIBRATION, self._display_changed),
            (Topic.SETTINGS, lambda: self.panel.show_note(self._note())),
            (Topic.MASKS, lambda: self.panel.show_note(self._note())),
        ):
            session.subscribe(topic, call)
        self._result_changed()
        self._display_changed()

    def _connect_actions(self) -> None:
        window = self.program.window
        panel = self.panel
        for name, place in (("quantities", panel.quantity), ("appearance", panel.colours)):
            window.action(f"display.{name}").triggered.connect(
                lambda _=False, place=place: self._show_panel(place)
            )
        for name, option in _CHECKS.items():
            window.action(f"display.{name}").triggered.connect(
                lambda on, option=option: self.set_options({option: bool(on)})
            )
        for stage in _STAGES:
            window.action(f"display.{stage}").triggered.connect(
                lambda _=False, stage=stage: self.set_options({"stage": stage})
            )
        window.action("display.lock_range").triggered.connect(
            lambda on: self.set_range_mode("locked" if on else "automatic")
        )
        window.action("display.pick_velocity").triggered.connect(self.pick_velocity)

    def subscribe(self, call: Callable[[], None]) -> None:
        """Call ``call`` when another analysis is there, or the same with other edits."""
        self._listeners.append(call)

    # what is there

    def field(self, stage: Stage | None = None) -> VectorField | None:
        """A field of the analysis; None = the stage that is shown, of two the dense one."""
        if self.analysis is None:
            return None
        if stage is None:
            stage = "coarse" if self.program.session.display.stage == "coarse" else "dense"
        if stage == "dense":
            return self.analysis.coarse if self.analysis.dense is None else self.analysis.dense
        return self.analysis.coarse

    def shown_stage(self) -> Stage:
        """The stage that edits of vectors go to."""
        there = self.analysis is not None and self.analysis.dense is not None
        return "dense" if there and self.program.session.display.stage != "coarse" else "coarse"

    def settings_of_analysis(self) -> Settings:
        """With which the pair was analysed."""
        tables = {} if self.analysis is None else self.analysis.provenance.get("settings", {})
        return piv_settings.from_dict(tables)

    def mask_of_analysis(self) -> Bool | None:
        """The mask with which the pair was analysed, as far as the result shows it."""
        session = self.program.session
        dense = None if self.analysis is None else self.analysis.dense
        if dense is not None and dense.flags.shape == session.shape:
            mask = (dense.flags & int(Flag.MASKED)) != 0
            return mask if mask.any() else None
        return session.mask_for(session.index)

    # wishes

    def set_options(self, changes: dict[str, Any]) -> None:
        """Change what is shown; another quantity gets a range of its own."""
        session = self.program.session
        name = changes.get("quantity", session.display.quantity)
        if name != session.display.quantity:
            changes = {**changes, "colour_range": self._locked.get(name), "colour_map": None}
            if not session.display.range_locked:
                changes["colour_range"] = None
        session.set_display(**changes)
        self._show_options()

    def set_range_mode(self, mode: str) -> None:
        """Take the range of each pair, the one that is typed, or keep this one for all pairs."""
        session = self.program.session
        current = self._range()
        if mode == "automatic":
            self._locked.clear()
            self._reference = 0.0
            session.set_display(range_locked=False, colour_range=None)
        elif mode == "typed":
            session.set_display(range_locked=False, colour_range=current)
        else:
            if current is not None:
                self._locked[session.display.quantity] = current
            self._reference = float(self.program.window.canvas.vector_reference)
            session.set_display(range_locked=True, colour_range=current)
        self._show_options()

    def pick_velocity(self, on: bool) -> None:
        """Let the next click choose the velocity that is subtracted."""
        if not on:
            self.picker.release()
            return
        if self.analysis is None:
            self._picking(False)
            self.program.tell.error("a velocity is picked from a result: analyse the pair first")
            return
        self.picker.take(self._velocity_picked, lambda: self._picking(False))
        self._picking(True)

    def _picking(self, on: bool) -> None:
        self.panel.show_picking(on)
        self.program.window.action("display.pick_velocity").setChecked(on)

    def _velocity_picked(self, x: float, y: float) -> None:
        values = self.value_at(x, y)
        if values is None:
            self.program.tell.error(
                "there is no vector at this point: click where the field has a value"
            )
            return
        self.program.session.set_display(subtract="chosen", subtracted=(values[0], values[1]))
        self.picker.release()

    def _velocity_typed(self, u: float, v: float) -> None:
        units = self._units
        chosen = (u / units.scale("u")[0], v / units.scale("v")[0])
        self.program.session.set_display(subtract="chosen", subtracted=chosen)

    def _range_typed(self, low: float, high: float) -> None:
        self._set_range(low / self._factor, high / self._factor)

    def _levels_dragged(self, low: float, high: float) -> None:
        self._set_range(low, high)

    def _set_range(self, low: float, high: float) -> None:
        session = self.program.session
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            self._show_options()
            self.program.tell.error(
                f"the colours need a low end below the high end, not {low:.4g} and {high:.4g}: "
                "type the smaller value on the left"
            )
            return
        if session.display.range_locked:
            self._locked[session.display.quantity] = (low, high)
        session.set_display(colour_range=(low, high))

    def _show_panel(self, place: Any) -> None:
        self.program.window.show_panel("display")
        place.setFocus()

    # the session has changed

    def _source_changed(self) -> None:
        for kept in (self._edited, self._made, self._asked, self._locked, self._read):
            kept.clear()
        self._reference, self._reading = 0.0, None
        self._result_changed()

    def _result_changed(self) -> None:
        session = self.program.session
        entry = session.result
        self._read_entry(entry)
        before = self.analysis
        self.analysis = self._with_edits(entry)
        if self.analysis is not before:
            for call in self._listeners:
                call()
        self._display_changed()

    def _read_entry(self, entry: ResultEntry | None) -> None:
        """Ask for the entry of the results file, if the pair has none yet."""
        session = self.program.session
        store, index = session.store, session.index
        if entry is not None or store is None or not index < len(store.statuses):
            return
        if store.statuses[index] in (DONE, FAILED) and self._reading != index:
            self._reading = index
            self.program.quick.run(
                "fields.read", key="display.read", path=store.path, position=index,
                done=lambda analysis: self._entry_read(index, ResultEntry(index, analysis)),
                failed=lambda text: self._entry_read(index, ResultEntry(index, None, text)),
            )  # fmt: skip

    def _entry_read(self, index: int, entry: ResultEntry) -> None:
        session = self.program.session
        self._reading = None
        if session.store is None:
            return
        self._read = [each for each in self._read if each != index] + [index]
        while len(self._read) > _READ:
            session.drop_result(self._read.pop(0))
        session.set_result(index, entry, work=False)

    def _with_edits(self, entry: ResultEntry | None) -> Analysis | None:
        """The analysis with its edits; while they are applied, as it was before."""
        if entry is None or entry.analysis is None:
            return None
        if not entry.edits:
            return entry.analysis
        of = (entry.analysis, entry.edits)
        known = self._edited.get(entry.index)
        if known is not None and known.of[0] is of[0] and known.of[1] == of[1]:
            return known.value
        session = self.program.session
        images: dict[str, Any] = {}
        if entry.edits.validate is not None and session.source is not None:
            images = {
                "spec": session.source.spec, "index": entry.index,
                "mask": self.mask_of_analysis(), "settings": self._settings_of(entry.analysis),
            }  # fmt: skip
        self.program.heavy.run(
            "validate.apply", key="display.edits", analysis=entry.analysis, edits=entry.edits,
            done=lambda analysis: self._edits_applied(entry.index, _Made(analysis, of)),
            **images,
        )  # fmt: skip
        before = known is not None and known.of[0] is of[0]
        return known.value if known is not None and before else entry.analysis

    def _settings_of(self, analysis: Analysis) -> Settings:
        return piv_settings.from_dict(analysis.provenance.get("settings", {}))

    def _edits_applied(self, index: int, made: _Made) -> None:
        self._edited[index] = made
        while len(self._edited) > _KEPT:
            self._edited.popitem(last=False)
        self._result_changed()

    def _display_changed(self) -> None:
        self._request()
        self._show()
        self._show_options()

    def statistics_changed(self, there: bool) -> None:
        """There are statistics to be shown now, or no more."""
        self.panel.show_statistics(there)
        if not there and self.program.session.display.quantity in STATISTICS:
            self.set_options({"quantity": "magnitude"})
        self._display_changed()

    # asking

    def _stages(self) -> list[Stage]:
        """What is to be shown: left and right of the slider, or one."""
        analysis, chosen = self.analysis, self.program.session.display.stage
        needs = quantity(self.program.session.display.quantity).needs
        if analysis is None or analysis.dense is None:
            return ["coarse"]
        if needs == "uncertainty":
            return ["dense"]
        if needs == "coarse":
            return ["coarse"]
        return ["coarse", "dense"] if chosen == "compare" else [chosen]

    def _request(self) -> None:
        """Ask for all that is to be shown and not there yet."""
        options = self.program.session.display
        if self.analysis is None or options.quantity in STATISTICS:
            return
        stages = self._stages()
        for stage in stages:
            field = self.field(stage)
            self._need(self._map_key(stage), self._map_call(field))
            if options.vectors:
                self._need(self._key("arrows", stage), ("fields.arrows", self._observed(field)))
        last = self.field(stages[-1])
        for name, on in (("streamlines", options.streamlines), ("texture", options.texture)):
            if on:
                key = self._key(name, stages[-1])
                self._need(key, (f"fields.{name}", self._observed(last)))

    def _key(self, kind: str, stage: Stage) -> tuple[Any, ...]:
        options = self.program.session.display
        frame: tuple[Any, ...] = (options.subtract,)
        if options.subtract == "chosen":
            frame = (*frame, options.subtracted)
        return (kind, stage, id(self.field(stage)), *frame)

    def _map_key(self, stage: Stage) -> tuple[Any, ...]:
        name = self.program.session.display.quantity
        up = name == "v" and self._units.calibrated
        if name in ("magnitude", "u", "v"):
            return (*self._key("map", stage), name, up)
        return ("map", stage, id(self.field(stage)), name)

    def _observed(self, field: VectorField | None) -> dict[str, Any]:
        options = self.program.session.display
        return {"field": field, "subtract": options.subtract, "subtracted": options.subtracted}

    def _map_call(self, field: VectorField | None) -> tuple[str, dict[str, Any]]:
        session = self.program.session
        name = session.display.quantity
        if quantity(name).needs == "images":
            if session.source is None:
                return "", {}
            return "inspect.residual", {
                "field": field, "spec": session.source.spec, "index": session.index,
                "mask": self.mask_of_analysis(),
                "region": self.settings_of_analysis().preprocess.region,
            }  # fmt: skip
        if quantity(name).needs == "uncertainty" and (field is None or field.uncertainty_u is None):
            return "", {}
        up = name == "v" and self._units.calibrated
        return "fields.quantity_map", {**self._observed(field), "name": name, "up": up}

    def _need(self, key: tuple[Any, ...], call: tuple[str, dict[str, Any]]) -> None:
        task, arguments = call
        place = f"display.{key[0]}.{key[1]}"
        if not task or key in self._made or self._asked.get(place) == key:
            return
        self._asked[place] = key
        field = arguments["field"]
        compute = self.program.heavy if task.startswith("inspect") else self.program.quick
        compute.run(
            task, key=place, done=lambda value: self._take(place, key, _Made(value, (field,))),
            failed=lambda text: self._not_made(place, text), **arguments,
        )  # fmt: skip

    def _take(self, place: str, key: tuple[Any, ...], made: _Made) -> None:
        self._asked.pop(place, None)
        self._made[key] = made
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        self._show()
        self._show_options()

    def _not_made(self, place: str, text: str) -> None:
        self._asked.pop(place, None)
        self.program.tell.error(text)

    # showing

    @property
    def _units(self) -> Units:
        return Units.of(self.program.session)

    @property
    def _quantity(self) -> Quantity:
        return quantity(self.program.session.display.quantity)

    @property
    def _factor(self) -> float:
        """From the map's values to what is shown; v is turned in the map itself."""
        return abs(self._units.scale(self._quantity.kind)[0])

    def _map(self) -> dict[str, Any] | None:
        """The map whose range counts: the right one of two."""
        maps = [each for each in self._maps() if each is not None]
        return maps[-1] if maps else None

    def _maps(self) -> list[dict[str, Any] | None]:
        name = self.program.session.display.quantity
        if name in STATISTICS:
            statistics = self.program.controllers.get("statistics")
            return [None if statistics is None else statistics.map(name)]
        if self.analysis is None:
            return [None]
        found = []
        for stage in self._stages():
            key = self._map_key(stage)
            found.append(self._made[key].value if key in self._made else None)
        return found

    def _range(self) -> tuple[float, float] | None:
        options = self.program.session.display
        if options.colour_range is not None:
            return options.colour_range
        shown = self._map()
        return None if shown is None else (shown["low"], shown["high"])

    def _show(self) -> None:
        """Bring everything that is ready to the canvas; what is not there yet stays as it was."""
        canvas, options = self.program.window.canvas, self.program.session.display
        mean = self._mean_field()
        if self.analysis is None and mean is None:
            self._arrows = ([], ())
            canvas.show_scalar(None)
            canvas.show_vectors(None)
            canvas.show_lines([])
            canvas.show_texture(None)
            return
        self._lock_first_range()
        self._show_maps()
        self._show_arrows(mean)
        stage = self._stages()[-1]
        lines = self._ready("streamlines", stage, on=options.streamlines and mean is None)
        if lines is not None or not options.streamlines:
            ground = options.colour_map or self._quantity.colour_map
            colour = "#101418" if is_diverging(ground) else "#ffffff"  # light or dark maps
            canvas.show_lines(lines or [], colour=colour)
        drawn = self._ready("texture", stage, on=options.texture and mean is None)
        if drawn is not None:
            canvas.show_texture(
                drawn["pyramid"], x0=drawn["x0"], y0=drawn["y0"], step=drawn["step"]
            )
        elif not options.texture:
            canvas.show_texture(None)

    def _lock_first_range(self) -> None:
        """A locked quantity without a range takes that of the first map that is there."""
        session = self.program.session
        shown = self._map()
        if session.display.range_locked and session.display.colour_range is None and shown:
            both = (shown["low"], shown["high"])
            self._locked[session.display.quantity] = both
            session.set_display(colour_range=both)

    def _ready(self, kind: str, stage: Stage, *, on: bool) -> Any:
        key = self._key(kind, stage)
        return self._made[key].value if on and key in self._made else None

    def _show_maps(self) -> None:
        canvas, options = self.program.window.canvas, self.program.session.display
        maps = self._maps()
        if not self._can_show():
            canvas.show_scalar(None)
            return
        if any(each is None for each in maps):
            return
        layers = [self._layer(each) for each in maps if each is not None]
        if len(layers) == 2:
            canvas.show_scalars(layers[0], layers[1], options.compare_at)
        else:
            canvas.show_scalar(layers[0])

    def _can_show(self) -> bool:
        """Whether the quantity can be made of what is open."""
        needs = self._quantity.needs
        if needs == "images":
            return self.program.session.source is not None
        if needs == "uncertainty":
            field = self.field("dense")
            return field is not None and field.uncertainty_u is not None
        return True

    def _layer(self, shown: dict[str, Any]) -> ScalarLayer:
        options = self.program.session.display
        low, high = self._range() or (shown["low"], shown["high"])
        kind = self._quantity
        return ScalarLayer(
            shown["pyramid"], shown["x0"], shown["y0"], shown["step"], low, high,
            options.colour_map or kind.colour_map, self._opacity(),
            self._units.label(self._label(), kind.kind), factor=self._factor,
        )  # fmt: skip

    def _opacity(self) -> float:
        """How much of what is below is hidden: all, where no image is below."""
        session = self.program.session
        below = session.source is not None and session.display.show_image
        return session.display.opacity if below else 1.0

    def _label(self) -> str:
        options = self.program.session.display
        moving = options.subtract != "none" and options.quantity in ("magnitude", "u", "v")
        return f"{self._quantity.label}, relative" if moving else self._quantity.label

    def _mean_field(self) -> VectorField | None:
        """The mean of the series, while one of its quantities is shown."""
        statistics = self.program.controllers.get("statistics")
        if self.program.session.display.quantity not in STATISTICS or statistics is None:
            return None
        mean: VectorField | None = statistics.mean
        return mean

    def _show_arrows(self, mean: VectorField | None) -> None:
        canvas, options = self.program.window.canvas, self.program.session.display
        if not options.vectors:
            self._arrows = ([], ())
            canvas.show_vectors(None)
            return
        if mean is not None:
            found: list[Any] = [self.program.controllers["statistics"].arrows]
        else:
            found = [self._ready("arrows", stage, on=True) for stage in self._stages()]
        if any(each is None for each in found):
            return
        factor, unit = self._units.scale("velocity")
        reference = self._reference if options.range_locked else 0.0
        how = (options.vector_scale, options.vector_step, factor, unit, reference)
        before, as_before = self._arrows
        if as_before == how and [id(each) for each in before] == [id(each) for each in found]:
            return  # to look for the length of the arrows takes a while
        self._arrows = (found, how)
        layers = [
            VectorLayer(
                arrows["x"], arrows["y"], arrows["u"], arrows["v"], arrows["kind"],
                scale=options.vector_scale, step=options.vector_step, factor=factor, unit=unit,
                reference=reference,
            )
            for arrows in found
        ]  # fmt: skip
        if len(layers) == 2:
            canvas.show_vectors(layers[0], right=layers[1])
        else:
            canvas.show_vectors(layers[0])

    def _show_options(self) -> None:
        session, window, units = self.program.session, self.program.window, self._units
        options, kind = session.display, self._quantity
        unit = units.unit(kind.kind)
        (to_u, name), (to_v, _) = units.scale("u"), units.scale("v")
        u, v = options.subtracted
        if options.subtract == "mean" and self.analysis is not None:
            arrows = self._ready("arrows", self._stages()[-1], on=True)
            u, v = (0.0, 0.0) if arrows is None else arrows["frame"]
        self.panel.show_options(options, unit, (u * to_u, v * to_v, name))
        if (ends := self._range()) is not None:
            self.panel.show_range(ends[0] * self._factor, ends[1] * self._factor, unit)
        self.panel.show_legend(self._legend())
        self.panel.show_note(self._note())
        for name, option in _CHECKS.items():
            window.action(f"display.{name}").setChecked(bool(getattr(options, option)))
        for stage in _STAGES:
            window.action(f"display.{stage}").setChecked(options.stage == stage)
        window.action("display.lock_range").setChecked(options.range_locked)

    def _note(self) -> str:
        session = self.program.session
        entry, since = session.result, ""
        if entry is not None and entry.made_with is not None:
            since = sentence(changed(entry.made_with, MadeWith.now(session, entry.index)))
        return "\n".join(filter(None, (since, self._special())))

    def _special(self) -> str:
        """What is special about what is shown."""
        options, kind = self.program.session.display, self._quantity
        if self.analysis is None:
            return ""
        if kind.needs == "images" and self.program.session.source is None:
            return "The residual needs the images: open them beside the results."
        if not self._can_show():
            return "The uncertainty is that of the dense field, which this result does not have."
        if kind.needs == "coarse" and options.stage != "coarse":
            return "Only the field of the correlation has this quantity."
        if options.stage != "coarse" and self.analysis.dense is None:
            return "This result has no field at every pixel: it was made without the network."
        return ""

    def _legend(self) -> dict[str, str]:
        """Words and colours of the flags that are there."""
        shown = self._map()
        if self._quantity.name != "flags" or shown is None:
            return {}
        low, high = self._range() or (shown["low"], shown["high"])
        colours = table(self.program.session.display.colour_map or self._quantity.colour_map)
        found = np.asarray(shown["classes"], int)
        words = flag_classes()
        places = np.clip((found - low) / (high - low) * 255, 0, 255).astype(int)
        return {
            words[number]: "#{:02x}{:02x}{:02x}".format(*colours[place])
            for number, place in zip(found, places, strict=True)
        }

    # values under the cursor

    def value_at(self, x: float, y: float) -> tuple[float, float] | None:
        """u, v of the vector nearest to a place, px; None where there is none."""
        found = self._nearest(self.field(), x, y)
        if found is None:
            return None
        field, row, column = found
        u, v = float(field.u[row, column]), float(field.v[row, column])
        return (u, v) if math.isfinite(u) and math.isfinite(v) else None

    def _nearest(
        self, field: VectorField | None, x: float, y: float
    ) -> tuple[VectorField, int, int] | None:
        if field is None:
            return None
        place = []
        for axis, at in ((field.y, y), (field.x, x)):
            step = float(axis[-1] - axis[0]) / (axis.size - 1) if axis.size > 1 else 1.0
            number = round((at - float(axis[0])) / step)
            if not -0.5 * step <= at - float(axis[0]) <= float(axis[-1] - axis[0]) + 0.5 * step:
                return None
            place.append(min(max(number, 0), axis.size - 1))
        return field, place[0], place[1]

    def _cursor_moved(self, x: float, y: float) -> None:
        self.program.window.set_readout(self.readout(x, y))

    def readout(self, x: float, y: float) -> str:
        """What is known at a place of the frame, in one line."""
        units = self._units
        shown_x, shown_y, unit = units.position(x, y)
        digits = 1 if unit == "px" else 3
        place = f"x {shown_x:.{digits}f}, y {shown_y:.{digits}f} {unit}"
        parts = [place.replace("-", "−")]
        stages = self._stages()
        stage = stages[0]
        if len(stages) == 2:  # the side of the slider on which the cursor is
            left, _, width, _ = self.program.window.canvas.view_rect()
            at = self.program.session.display.compare_at
            stage = stages[0] if x < left + at * width else stages[1]
        mean = self._mean_field()
        found = self._nearest(mean if mean is not None else self.field(stage), x, y)
        if found is not None:
            parts += self._vector_words(*found)
            parts += self._map_words(x, y)
        return "   ".join(parts)

    def _vector_words(self, field: VectorField, row: int, column: int) -> Sequence[str]:
        units = self._units
        flags = int(field.flags[row, column])
        u, v = float(field.u[row, column]), float(field.v[row, column])
        words = ", ".join(flag_words(flags))
        if not (math.isfinite(u) and math.isfinite(v)):
            return [words or "no value"]
        size: list[float | None] = [None, None]
        if field.uncertainty_u is not None and field.uncertainty_v is not None:
            size = [float(s[row, column]) for s in (field.uncertainty_u, field.uncertainty_v)]
        parts = [f"u {units.format(u, 'u', size[0])}", f"v {units.format(v, 'v', size[1])}"]
        parts.append(f"speed {units.format(math.hypot(u, v), 'velocity')}")
        return [*parts, words] if words else parts

    def _map_words(self, x: float, y: float) -> list[str]:
        kind = self._quantity
        maps = self._maps()
        if kind.name in ("magnitude", "u", "v", "flags") or not maps or maps[-1] is None:
            return []
        shown = maps[-1]
        step_x, step_y = shown["step"]
        column, row = round((x - shown["x0"]) / step_x), round((y - shown["y0"]) / step_y)
        value = shown["pyramid"].value(column, row)
        if not math.isfinite(value):
            return []
        unit = self._units.unit(kind.kind)
        return [f"{kind.label} {number(value * self._factor)}{f' {unit}' if unit else ''}"]


def attach(program: Program) -> Display:
    """Join display and session."""
    return Display(program)
