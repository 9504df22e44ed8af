"""Settings, model and presets, the region, the preview, and what the program suggests."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QTimer

from gui.advice import Advice, Measured, advise
from gui.masks import Shape
from gui.session import Topic
from gui.views.actions import ActionSpec
from gui.views.canvas import Tool
from gui.views.preview import PreviewPanel
from gui.views.settings_form import SettingsForm
from gui.views.suggestions import SuggestionsPanel
from piv import settings as _settings
from piv.errors import PIVError
from piv.io.files import replacing
from piv.network.catalogue import catalogue
from piv.presets import PRESETS
from piv.settings import Settings
from piv.types import MINIMUM_SIZE

if TYPE_CHECKING:
    from gui.program import Program

_TOML = (("Settings", "*.toml"),)
_WEIGHTS = (("Weights", "*.safetensors"),)
_PAUSE = 150  # ms without a change before the preview is made anew

ACTIONS = (
    ActionSpec("settings.panel", "Settings", "Analyse", "Ctrl+Shift+S", "Show all settings",
               group="settings", toolbar=True, icon="settings"),
    ActionSpec("settings.suggestions", "Suggestions", "Analyse", "",
               "Show what the program saw in the pair, and what it suggests", group="settings",
               icon="suggest"),
    ActionSpec("settings.look", "Look at the pair again", "Analyse", "",
               "Measure density, diameter, noise and displacement of this pair",
               group="settings", needs="pair"),
    ActionSpec("settings.load", "Load settings …", "Analyse", "",
               "Read the settings from a TOML file", group="settings files"),
    ActionSpec("settings.save", "Save settings …", "Analyse", "",
               "Write the settings to a TOML file that the command line reads too",
               group="settings files"),
    ActionSpec("settings.reset", "Reset all settings", "Analyse", "",
               "Every setting back to its default", group="settings files"),
    ActionSpec("settings.preview", "Preview of the preprocessing", "Image", "Ctrl+I",
               "Show what preprocessing makes of the part in view", group="preprocessing",
               needs="pair"),
    ActionSpec("settings.region", "Draw the region to analyse", "Image", "Ctrl+Alt+E",
               "Drag a rectangle: only what is in it is analysed", group="preprocessing",
               needs="pair", icon="region"),
    ActionSpec("settings.whole", "Analyse the whole frame", "Image", "",
               "Forget the region", group="preprocessing", needs="pair"),
)  # fmt: skip


def attach(program: Program) -> SettingsController:
    """Make form, suggestions and preview, and join them to the session."""
    return SettingsController(program)


class SettingsController:
    """Joins the settings of the session to their form.

    Attributes
    ----------
    measured : Measured or None
        What was seen in the pair at the last look.
    advice : Advice or None
        What follows from it with the settings of now.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session = program.session
        self.measured: Measured | None = None
        self.advice: Advice | None = None
        self._looked_at: int | None = None
        self._region: tuple[str, str] | None = None
        self._window, self._canvas = program.window, program.window.canvas
        models = ("default", *(name for name in catalogue() if name != "default"), "none")
        self.form = SettingsForm(
            Settings, {name: preset.help for name, preset in PRESETS.items()}, models
        )
        self.suggestions = SuggestionsPanel()
        self.preview = PreviewPanel()
        window = self._window
        window.add_panel("settings", "Settings", self.form, "right")
        window.add_panel("suggestions", "Suggestions", self.suggestions, "left")
        window.add_panel("preview", "Preprocessing", self.preview, "right", shown=False)
        window.add_actions(ACTIONS)
        self._timer = QTimer(self.preview)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self._make_preview)
        self._connect()
        self._show()

    def close(self) -> None:
        """Make no more previews."""
        self._timer.stop()

    # -- settings

    def edit(self, stage: str, name: str, value: Any) -> bool:
        """Give a setting a value; what it does not allow is told at its place.

        Returns
        -------
        bool
            Whether it was allowed.
        """
        settings = self._session.settings
        try:
            changed = dataclasses.replace(getattr(settings, stage), **{name: value})
        except PIVError as error:
            self.form.show_problem(stage, name, str(error))
            self._program.tell.error(str(error))
            return False
        self._session.set_settings(
            dataclasses.replace(settings, **{stage: changed}),
            name.replace("_", " "),
            merge=("settings", stage, name),
        )
        self._show()  # also where nothing changed: a problem told before is over
        return True

    def reset(self, stage: str = "", name: str = "") -> None:
        """Give a setting its default, or all of them."""
        if not stage:
            self._session.set_settings(Settings(), "reset of all settings")
            self._show()
            return
        field = next(
            f for f in dataclasses.fields(getattr(self._session.settings, stage)) if f.name == name
        )
        self.edit(stage, name, field.default)

    def load(self, path: Path | None = None) -> None:
        """Read the settings from a TOML file; without one, ask which."""
        if path is None:
            chosen = self._program.dialogs.open_files("Load settings", _TOML, many=False)
            if not chosen:
                return
            path = chosen[0]
        try:
            settings = _settings.load(path)
        except PIVError as error:
            self._program.tell.error(str(error))
            return
        self._session.set_settings(settings, "loaded settings")
        self._show()
        self._program.tell.info(f"settings of {path.name} are used from now on")

    def save(self) -> None:
        """Write the settings, with comments, to a TOML file that is asked for."""
        path = self._program.dialogs.save_file("Save settings", _TOML, "settings.toml")
        if path is None:
            return
        text = _settings.to_toml(self._session.settings, comments=True)
        try:
            with replacing(path) as file:
                file.write(text.encode("utf-8"))
        except (OSError, PIVError) as error:
            text = str(error) if isinstance(error, PIVError) else f"cannot write {path}: {error}"
            self._program.tell.error(f"{text}; choose another folder")
            return
        self._program.tell.info(f"settings saved as {path.name}")

    def choose_model(self, name: str) -> None:
        """Use weights of the catalogue, or none."""
        self._session.set_model(name)
        self._show()

    def choose_file(self) -> None:
        """Ask for a file of weights, and use it if it can be loaded."""
        chosen = self._program.dialogs.open_files("Weights", _WEIGHTS, many=False)
        if not chosen:
            return
        name = str(chosen[0])
        self._program.heavy.run(
            "analyse.prepare",
            done=lambda _: self._session.set_model(name),
            key="settings.model",
            model=name,
        )

    # -- region

    def draw_region(self, stage: str = "preprocess", name: str = "region") -> None:
        """Let the user drag the rectangle of a setting on the image."""
        if self._session.source is None:
            self._program.tell.error("there is no image to draw on: open a pair of images first")
            self.form.show_drawing(None)
            return
        self._canvas.set_tool(Tool.REGION)
        self._region = (stage, name)
        self.form.show_drawing(stage, name)

    def forget_region(self) -> None:
        """Analyse the whole frame."""
        self.edit("preprocess", "region", ())

    def _drawing(self, stage: str, name: str, begin: bool) -> None:
        if begin:
            self.draw_region(stage, name)
        else:
            self._canvas.set_tool(Tool.PAN)

    def _drawn(self, shape: Shape) -> None:
        if shape.kind != "region" or self._region is None or self._session.shape is None:
            return
        (stage, name), self._region = self._region, None
        region = region_of(shape, self._session.shape)
        if min(region[2:]) < (MINIMUM_SIZE if stage == "preprocess" else 1):
            self._program.tell.error(
                f"the region is {region[3]} x {region[2]} px (height x width): at least "
                f"{MINIMUM_SIZE} x {MINIMUM_SIZE} px are needed; draw a larger one"
            )
            return
        height, width = self._session.shape
        self.edit(stage, name, () if region == (0, 0, width, height) else region)

    def _tool_changed(self, tool: Tool) -> None:
        if tool != Tool.REGION:
            self._region = None
            self.form.show_drawing(None)

    # -- suggestions

    def look(self) -> None:
        """Look at the pair: what is seen, and what follows from it."""
        session = self._session
        if session.source is None:
            self._program.tell.error("there is nothing to look at: open a pair of images first")
            return
        index = session.index
        try:
            mask = session.mask_for(index)
        except PIVError as error:
            self._program.tell.error(str(error))
            return
        self.suggestions.show_busy(f"Looking at {session.source.names[index]} …")
        self._program.heavy.run(
            "suggest.look",
            done=lambda measured: self._seen(index, measured),
            failed=self._not_seen,
            key="suggest.look",
            spec=session.source.spec,
            index=index,
            mask=mask,
            region=session.settings.preprocess.region,
        )

    def use(self, name: str = "") -> None:
        """Use a suggestion, or all of them."""
        if self.advice is None:
            return
        chosen = [each for each in self.advice.suggestions if name in ("", each.name)]
        settings, masks = self._session.settings, self._session.masks
        with self._session.together():
            for each in chosen:
                settings = each.apply(settings)
                if each.shapes:
                    masks = masks.found(each.shapes)
            self._session.set_settings(settings, "suggested settings")
            self._session.set_masks(masks, "suggested mask")
        if chosen:
            self._program.tell.info(f"used: {'; '.join(each.text for each in chosen)}")

    def _seen(self, index: int, measured: Measured) -> None:
        self.measured, self._looked_at = measured, index
        self._advise()
        if self.advice is not None and self.advice.warnings:
            self._program.tell.warning(
                f"the images are out of the good range: {'; '.join(self.advice.warnings)}"
            )

    def _not_seen(self, message: str) -> None:
        self.measured = self.advice = None
        self.suggestions.show_advice(None, f"This pair cannot be looked at: {message}")

    def _advise(self) -> None:
        session = self._session
        if self.measured is None or self._looked_at is None or session.source is None:
            return
        masked = bool(session.masks.shapes_of(self._looked_at)) or (
            session.masks.imported_of(self._looked_at) is not None
        )
        self.advice = advise(
            self.measured,
            session.settings,
            masked=masked,
            followed=session.model.lower() != "none",
        )
        name = session.source.names[self._looked_at]
        count = len(self.advice.suggestions)
        what = "no suggestion" if count == 0 else f"{count} suggestion{'s' * (count > 1)}"
        self.suggestions.show_advice(self.advice, f"{name}: {what}")

    # -- preview

    def show_preview(self) -> None:
        """Show what preprocessing makes of the part in view."""
        self._window.show_panel("preview")
        self._refresh_preview()

    def _refresh_preview(self) -> None:
        if self.preview.isVisible():
            self._timer.start()

    def _make_preview(self) -> None:
        session = self._session
        if session.source is None:
            self.preview.show_preview(None, "Open a pair of images first.")
            return
        view = tuple(float(value) for value in self._canvas.view_rect())
        if len(view) != 4 or not all(math.isfinite(value) for value in view):
            return
        try:
            mask = session.mask_for(session.index)
        except PIVError as error:
            self.preview.show_preview(None, str(error))
            return
        self._program.heavy.run(
            "preview.preprocessed",
            done=self._show_preview,
            failed=lambda message: self.preview.show_preview(None, message),
            key="preview.preprocessed",
            spec=session.source.spec,
            index=session.index,
            frame=session.display.frame,
            settings=session.settings.preprocess,
            view=view,
            mask=mask,
        )

    def _show_preview(self, result: dict[str, Any]) -> None:
        settings = self._session.settings.preprocess
        height, width = result["after"].shape
        place = f"{width} x {height} px at {result['left']}, {result['top']}"
        if settings.contrast == "none":
            text = f"{place}: nothing is done to the frames"
        else:
            text = f"{place}: {settings.contrast} contrast normalisation, for the coarse stage"
        self.preview.show_preview(result, text)

    # -- showing

    def _connect(self) -> None:
        form, session, window = self.form, self._session, self._window
        form.edited.connect(self.edit)
        form.reset_wanted.connect(self.reset)
        form.preset_chosen.connect(self._choose_preset)
        form.model_chosen.connect(self.choose_model)
        form.model_file_wanted.connect(self.choose_file)
        form.load_wanted.connect(self.load)
        form.save_wanted.connect(self.save)
        form.drawing_wanted.connect(self._drawing)
        self.suggestions.look_wanted.connect(self.look)
        self.suggestions.use_wanted.connect(self.use)
        self.preview.shown.connect(self._refresh_preview)
        self._canvas.shape_drawn.connect(self._drawn)
        self._canvas.tool_changed.connect(self._tool_changed)
        self._canvas.view_changed.connect(self._refresh_preview)
        for name, call in (
            ("settings.panel", lambda: window.show_panel("settings")),
            ("settings.suggestions", lambda: window.show_panel("suggestions")),
            ("settings.look", self._look_again),
            ("settings.load", self.load),
            ("settings.save", self.save),
            ("settings.reset", self.reset),
            ("settings.preview", self.show_preview),
            ("settings.region", self.draw_region),
            ("settings.whole", self.forget_region),
        ):
            window.action(name).triggered.connect(lambda _=False, call=call: call())
        theme = self._program.controllers.get("theme")
        if theme is not None:
            theme.changed.connect(self.suggestions.refresh)
        session.subscribe(Topic.SETTINGS, self._show)
        session.subscribe(Topic.SOURCE, self._source_changed)
        session.subscribe(Topic.MASKS, self._masks_changed)
        for topic in (Topic.PAIR, Topic.DISPLAY):
            session.subscribe(topic, self._refresh_preview)

    def _look_again(self) -> None:
        self._window.show_panel("suggestions")
        self.look()

    def _choose_preset(self, name: str) -> None:
        self._session.apply_preset(name)
        self._show()

    def _show(self) -> None:
        session = self._session
        self.form.show_settings(session.settings)
        self.form.show_preset(session.preset_name())
        entry = catalogue().get(session.model, {})
        self.form.show_model(session.model, str(entry.get("summary", "")))
        region = session.settings.preprocess.region
        if region and session.shape is not None:
            left, top, width, height = region
            self._canvas.show_region((left, top, width, height))
        else:
            self._canvas.show_region(None)
        self._advise()
        self._refresh_preview()

    def _masks_changed(self) -> None:
        self._advise()
        self._refresh_preview()

    def _source_changed(self) -> None:
        self.measured = self.advice = self._looked_at = None
        ready = self._session.source is not None
        self.suggestions.set_ready(ready)
        self._show()
        if ready:
            self.look()
        else:
            self.suggestions.show_advice(
                None, "Open a pair of images: the program then looks at them."
            )


def region_of(shape: Shape, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the pixels whose centres lie in a drawn box.

    Parameters
    ----------
    shape : Shape
    size : (int, int)
        (H, W) of the frame: what is outside is cut off.
    """
    left, top, right, bottom = shape.box
    height, width = size
    x0, x1 = (min(max(n, 0), width) for n in (math.ceil(left), math.floor(right) + 1))
    y0, y1 = (min(max(n, 0), height) for n in (math.ceil(top), math.floor(bottom) + 1))
    return x0, y0, max(x1 - x0, 0), max(y1 - y0, 0)
