"""Masks: drawing, finding, importing, and showing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gui.masks import MASKS, ImportedMask, MaskSet, Shape
from gui.session import Topic
from gui.views.actions import ActionSpec
from gui.views.canvas import Tool
from gui.views.mask_panel import IMPORTED, MaskPanel, MaskRow
from piv.errors import PIVError
from piv.types import Bool

if TYPE_CHECKING:
    from gui.program import Program

_IMAGES = (("Images", "*.png *.tif *.tiff *.bmp"),)
_READ = (("Images", "*.png *.tif *.tiff *.bmp *.jpg *.jpeg"), ("All files", "*"))

ACTIONS = (
    ActionSpec("masks.panel", "Masks", "Mask", "Ctrl+E", "Show tools and list of the masks",
               group="panel", icon="polygon"),
    ActionSpec("masks.show", "Show masks on the image", "Mask", "", "Shade what is masked", True,
               "panel"),
    ActionSpec("masks.polygon", "Draw a polygon", "Mask", "", "Click the corners of a mask",
               group="draw", toolbar=True, needs="pair", icon="polygon"),
    ActionSpec("masks.rectangle", "Draw a rectangle", "Mask", "", "Drag a rectangular mask",
               group="draw", needs="pair", icon="rectangle"),
    ActionSpec("masks.ellipse", "Draw an ellipse", "Mask", "", "Drag an elliptic mask",
               group="draw", needs="pair", icon="ellipse"),
    ActionSpec("masks.freehand", "Draw by hand", "Mask", "", "Draw the outline of a mask",
               group="draw", needs="pair", icon="freehand"),
    ActionSpec("masks.automatic", "Find body, shadow and glare", "Mask", "",
               "Mask where no particles move", group="find", needs="pair"),
    ActionSpec("masks.import", "Import a mask image …", "Mask", "",
               "Read a mask from an image: what is not black is masked", group="find",
               needs="pair"),
    ActionSpec("masks.export", "Export the mask …", "Mask", "",
               "Write the mask of this pair as an image", group="find", needs="pair"),
    ActionSpec("masks.grow", "Grow", "Mask", "Ctrl+Shift+Up",
               "Make the selected shape, or all, larger", group="edit", needs="pair"),
    ActionSpec("masks.shrink", "Shrink", "Mask", "Ctrl+Shift+Down",
               "Make the selected shape, or all, smaller", group="edit", needs="pair"),
    ActionSpec("masks.clear_pair", "Remove the masks of this pair alone", "Mask", "",
               "Remove what only this pair has", group="remove", needs="pair"),
    ActionSpec("masks.clear", "Remove all masks", "Mask", "", "Remove all masks of all pairs",
               group="remove", needs="pair"),
)  # fmt: skip


def attach(program: Program) -> MasksController:
    """Make the panel, and join it and the canvas to the session."""
    return MasksController(program)


class MasksController:
    """Joins the masks of the session to the canvas and their panel.

    Attributes
    ----------
    selected : int
        Number of the selected shape among those of the pair; -1 none, -2 the imported image.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session = program.session
        self._window, self._canvas = program.window, program.window.canvas
        self.selected = -1
        self._own: Bool | None = None  # the mask that the source has
        self._told = ""
        self._front = False  # whether the panel is seen: only then shapes can be moved
        self.panel = MaskPanel()
        self._dock = self._window.add_panel("masks", "Masks", self.panel, "left")
        self._window.add_actions(ACTIONS)
        self._connect()
        self.show()

    # -- what a user does

    def draw(self, kind: str) -> None:
        """Take the tool that draws a kind of shape; empty = none."""
        if kind and self._session.source is None:
            self._program.tell.error("there is no image to draw on: open a pair of images first")
            self.panel.show_tool("")
            return
        self._canvas.set_tool(Tool(kind) if kind else Tool.PAN)
        self.panel.show_tool(kind)

    def find(self) -> None:
        """Look for bodies, shadows and glare in this pair."""
        session = self._session
        if session.source is None:
            self._program.tell.error("there is nothing to look at: open a pair of images first")
            return
        index, everywhere = session.index, not self.panel.this_pair.isChecked()
        self.panel.automatic.setEnabled(False)
        self.panel.show_share("Looking for regions without moving particles …")
        self._program.heavy.run(
            "masks.automatic",
            done=lambda found: self._found(found, None if everywhere else index),
            failed=self._not_found,
            key="masks.automatic",
            spec=session.source.spec,
            index=index,
            region=session.settings.preprocess.region,
        )

    def load(self) -> None:
        """Ask for a mask image and use it."""
        session = self._session
        if session.shape is None:
            self._program.tell.error("a mask needs a pair that it fits: open a pair first")
            return
        chosen = self._program.dialogs.open_files("Import a mask image", _READ, many=False)
        if not chosen:
            return
        index = session.index if self.panel.this_pair.isChecked() else None
        self._program.quick.run(
            "maskfiles.read",
            done=lambda image: self._imported(image, index),
            key="maskfiles.read",
            path=chosen[0],
            shape=session.shape,
        )

    def save(self) -> None:
        """Ask for a file, and write the mask of this pair there."""
        mask = self._mask()
        if mask is None:
            self._program.tell.error("nothing is masked in this pair: draw a mask first")
            return
        path = self._program.dialogs.save_file("Export the mask", _IMAGES, "mask.png")
        if path is not None:
            self._program.quick.run(
                "maskfiles.write",
                done=lambda done: self._program.tell.info(f"mask written to {done.name}"),
                path=path,
                mask=mask,
            )

    def grow(self, step: int) -> None:
        """Grow the selected shape, or all, by so many px (negative: shrink)."""
        masks, index = self._session.masks, self._session.index
        number = self.selected if self.selected >= 0 else None
        what = "grow a mask" if step > 0 else "shrink a mask"
        if self.selected == IMPORTED:
            self._change(lambda: _imported_grown(masks, index, step), what)
        elif masks.shapes_of(index) or masks.imported_of(index) is not None:
            self._change(lambda: masks.grown(step, index, number), what)
        else:
            self._program.tell.error("there is no mask to change: draw one first")

    def remove(self, number: int) -> None:
        """Remove a shape, or the imported image."""
        masks, index = self._session.masks, self._session.index
        self.selected = -1
        if number == IMPORTED:
            own = index if index in masks.imported_per_pair else None
            self._change(lambda: masks.with_imported(None, own), "remove a mask image")
        else:
            self._change(lambda: masks.removed(number, index), "remove a mask")

    def set_subtract(self, number: int, subtract: bool) -> None:
        """Let a shape take out what is under it, or mask."""
        masks, index = self._session.masks, self._session.index
        if 0 <= number < len(masks.shapes_of(index)):
            shape = replace(masks.shapes_of(index)[number], subtract=subtract)
            self._change(lambda: masks.changed(number, shape, index), "change a mask")

    def set_everywhere(self, number: int, everywhere: bool) -> None:
        """Let a shape, or the imported image, belong to all pairs, or to this one alone."""
        masks, index = self._session.masks, self._session.index
        what = "mask for all pairs" if everywhere else "mask for this pair"
        if number == IMPORTED:
            image = masks.imported_of(index)
            moved = masks.with_imported(None, None if not everywhere else index)
            self._change(lambda: moved.with_imported(image, None if everywhere else index), what)
            return
        count = len(masks.shapes) - (0 if everywhere else 1)
        before = self.selected
        # the shape goes to the end of the other list
        self.selected = count if everywhere else len(masks.shapes_of(index)) - 1
        if not self._change(lambda: masks.shared(number, index, everywhere=everywhere), what):
            self.selected = before

    def clear(self, only_this: bool = False) -> None:
        """Remove all masks, or what this pair has alone."""
        masks = self._session.masks
        index = self._session.index if only_this else None
        self.selected = -1
        if masks.without(index) == masks:
            self._program.tell.info("there is no such mask")
            return
        self._change(lambda: masks.without(index), "remove masks")

    def select(self, number: int) -> None:
        """Select a shape of the pair; -1 = none."""
        if number != self.selected:
            self.selected = number
            self.show()

    def show_source_mask(self, mask: Bool | None) -> None:
        """Show the mask that the source itself has for this pair, with those of the session."""
        self._own = mask
        self.show()

    # -- answers

    def _drawn(self, shape: Shape) -> None:
        if shape.kind not in MASKS:
            return
        session = self._session
        shape = replace(shape, subtract=self.panel.subtract.isChecked())
        index = session.index if self.panel.this_pair.isChecked() else None
        new = session.masks.added([shape], index)
        at = len(new.shapes) if index is None else len(new.shapes_of(session.index))
        self.selected = at - 1
        self._change(lambda: new, f"draw a {shape.kind}")

    def _edited(self, number: int, shape: Shape) -> None:
        masks, index = self._session.masks, self._session.index
        shapes = masks.shapes_of(index)
        if 0 <= number < len(shapes):
            moved = replace(shapes[number], points=shape.points)
            self.selected = number
            self._change(
                lambda: masks.changed(number, moved, index),
                "move a mask",
                merge=("mask", index, number),
            )

    def _found(self, found: tuple[tuple[Shape, ...], float], index: int | None) -> None:
        shapes, share = found
        self._not_busy()
        if not shapes:
            self._program.tell.info("every part of the frames has particles: nothing to mask")
            return
        masks = self._session.masks
        self._change(lambda: masks.found(shapes, index), "find a mask")
        self._program.tell.info(
            f"{len(shapes)} region(s) without moving particles, {100 * share:.2g} % of the frame: "
            "look at them, and move or remove what is wrong"
        )

    def _not_found(self, message: str) -> None:
        self._not_busy()
        self._program.tell.error(message)

    def _imported(self, image: ImportedMask, index: int | None) -> None:
        masks = self._session.masks
        self._change(lambda: masks.with_imported(image, index), "import a mask")
        self._program.tell.info(f"mask {image.name} imported")

    def _change(
        self, make: Callable[[], MaskSet], text: str, merge: tuple[Any, ...] | None = None
    ) -> bool:
        try:
            self._session.set_masks(make(), text, merge)
        except PIVError as error:
            self._program.tell.error(str(error))
            return False
        return True

    # -- showing

    def _mask(self) -> Bool | None:
        """Of the session and of the source together; what is wrong with it is told once."""
        try:
            mask = self._session.mask_for(self._session.index)
        except PIVError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._program.tell.error(str(error))
            mask = None
        own = self._own
        if own is None or own.shape != self._session.shape:
            return mask
        return own if mask is None else mask | own

    def show(self) -> None:
        """Show shapes, mask and list as the session has them."""
        session = self._session
        shapes = session.masks.shapes_of(session.index)
        image = session.masks.imported_of(session.index)
        if self.selected >= len(shapes) or (self.selected == IMPORTED and image is None):
            self.selected = -1
        visible = session.display.show_masks
        ready = session.shape is not None
        mask = self._mask() if ready else None
        editing = self._front and visible
        self._canvas.show_shapes(
            shapes if visible and ready else (),
            editable=editing,
            selected=self.selected if self.selected >= 0 and editing else None,
        )
        self._canvas.show_mask(mask if visible else None)
        rows = [
            MaskRow(n, describe(shape), session.masks.is_shared(n), shape.subtract)
            for n, shape in enumerate(shapes)
        ]
        if image is not None:
            shared = session.index not in session.masks.imported_per_pair
            name = f"image {image.name}{_margin(image.margin)}"
            rows.insert(0, MaskRow(IMPORTED, name, shared))
        self.panel.show_rows(rows, self.selected)
        self.panel.set_ready(ready)
        share = "Nothing is masked." if mask is None else f"{100 * mask.mean():.2g} % is masked."
        self.panel.show_share(share if ready else "Open a pair of images first.")
        self.panel.show_visible(visible)
        self._window.action("masks.show").setChecked(visible)

    def _panel_seen(self, seen: bool) -> None:
        self._front = seen
        self.show()

    def _not_busy(self) -> None:
        self.panel.automatic.setEnabled(True)
        self.show()

    def _pair_changed(self) -> None:
        self.selected = -1
        # a pair that was looked at before is there already; another one's mask comes later
        pairs = self._program.controllers.get("pairs")
        ready = None if pairs is None else pairs.ready(self._session.index)
        self._own = None if ready is None else ready["mask"]
        self.show()

    def _connect(self) -> None:
        panel, canvas, session = self.panel, self._canvas, self._session
        panel.tool_wanted.connect(self.draw)
        panel.selected.connect(self.select)
        panel.remove_wanted.connect(self.remove)
        panel.subtract_wanted.connect(self.set_subtract)
        panel.everywhere_wanted.connect(self.set_everywhere)
        panel.grow_wanted.connect(self.grow)
        panel.automatic_wanted.connect(self.find)
        panel.import_wanted.connect(self.load)
        panel.export_wanted.connect(self.save)
        panel.clear_wanted.connect(self.clear)
        panel.show_wanted.connect(lambda on: session.set_display(show_masks=on))
        canvas.shape_drawn.connect(self._drawn)
        canvas.shape_changed.connect(self._edited)
        canvas.shape_selected.connect(self.select)
        canvas.shape_removed.connect(self.remove)
        canvas.tool_changed.connect(lambda tool: panel.show_tool(str(tool.value)))
        self._dock.visibilityChanged.connect(self._panel_seen)
        for name, call in (
            ("masks.panel", partial(self._window.show_panel, "masks")),
            ("masks.automatic", self.find),
            ("masks.import", self.load),
            ("masks.export", self.save),
            ("masks.grow", lambda: self.grow(panel.step.value())),
            ("masks.shrink", lambda: self.grow(-panel.step.value())),
            ("masks.clear_pair", partial(self.clear, True)),
            ("masks.clear", partial(self.clear, False)),
            *((f"masks.{kind}", partial(self.draw, kind)) for kind in MASKS),
        ):
            self._window.action(name).triggered.connect(lambda _=False, call=call: call())
        self._window.action("masks.show").triggered.connect(
            lambda on: session.set_display(show_masks=on)
        )
        for topic in (Topic.MASKS, Topic.DISPLAY):
            session.subscribe(topic, self.show)
        for topic in (Topic.SOURCE, Topic.PAIR):
            session.subscribe(topic, self._pair_changed)


def describe(shape: Shape) -> str:
    """A shape in the list: its name or kind, its size, its margin."""
    if shape.kind in ("rectangle", "ellipse"):
        left, top, right, bottom = shape.box
        size = f"{right - left:.0f} x {bottom - top:.0f} px"
    else:
        size = f"{len(shape.points)} points"
    name = f"{shape.kind} {shape.name}".strip()
    return f"{name}, {size}{_margin(shape.margin)}"


def _margin(margin: int) -> str:
    return "" if margin == 0 else f", {'grown' if margin > 0 else 'shrunk'} by {abs(margin)} px"


def _imported_grown(masks: MaskSet, index: int, step: int) -> MaskSet:
    image = masks.imported_of(index)
    assert image is not None
    larger = replace(image, margin=image.margin + step)
    return masks.with_imported(larger, index if index in masks.imported_per_pair else None)
